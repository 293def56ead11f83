"""A start without the parts of torch that a conversion never uses."""

import os
import subprocess
import sys
from pathlib import Path

import soundfile

from engine.lean_torch import LEFT_OUT
from engine.paths import starter_dir

ROOT = Path(__file__).parents[2]
NEVER_FOR_A_CONVERSION = {
    *LEFT_OUT, "torch._dynamo", "sympy", "scipy.signal", "faiss", "PySide6", "mlx", "coremltools",
}  # fmt: skip


def start(*arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-P", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def test_convert_imports_only_what_it_needs_and_makes_the_samples_that_all_of_torch_makes(
    tmp_path: Path,
) -> None:
    short = tmp_path / "short.wav"
    samples, rate_hz = soundfile.read(starter_dir() / "sample.wav")
    soundfile.write(short, samples[:rate_hz], rate_hz)
    lean, whole = tmp_path / "lean.wav", tmp_path / "whole.wav"
    command = ("convert", short, "--device", "cpu", "-o")
    main = "import sys, torch; from engine.cli import main; sys.exit(main(sys.argv[1:]))"
    processes = (
        start("-X", "importtime", "-m", "engine", *command, lean),
        start("-c", main, *command, whole),
    )
    errors = [process.communicate(timeout=300)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], errors
    names = {line.rpartition("|")[2].strip() for line in errors[0].splitlines()}
    assert "torch.nn" in names
    assert names & NEVER_FOR_A_CONVERSION == set()
    assert lean.read_bytes() == whole.read_bytes()


USES = """
import sys
from engine.lean_torch import LEFT_OUT, import_torch_lean
import_torch_lean()
import torch
from engine.models.content_encoder import ContentEncoder
from engine.encoder_layout import sizes_of
from engine.models.fcpe import FcpeNetwork
from engine.models.htdemucs import HTDemucs, HTDemucsSizes
from engine.models.layers import without_weights
from engine.models.rmvpe import RmvpeNetwork
from engine.models.roformer import Roformer, RoformerSizes
from engine.models.swift import SwiftNetwork
from engine.models.synthesizer import state_shapes
from engine.models.whisper import WhisperEncoder, WhisperSizes
from engine.measure.synthetic import V2_40K
with without_weights():
    for make in (RmvpeNetwork, FcpeNetwork, SwiftNetwork):
        make()
    ContentEncoder(sizes_of({"model_type": "hubert"}))
    WhisperEncoder(WhisperSizes(80, 512, 2048, 2, 8))
    HTDemucs(HTDemucsSizes())
    Roformer(RoformerSizes(mel=True, width=384, depth=1, mask_layers=3, mask_hidden=1536))
state_shapes(V2_40K)
print(torch.rand(1, generator=torch.Generator().manual_seed(0)).item() < 1)
print([name for name in LEFT_OUT if name in sys.modules])
from torch._subclasses.fake_tensor import FakeTensorMode
with FakeTensorMode():
    pictures, grid = torch.ones(1, 1, 4, 4), torch.ones(1, 2, 2, 2)
    print(list(torch.nn.functional.grid_sample(pictures, grid, align_corners=False).shape))
print(torch.distributions.Normal(0.0, 1.0).mean.item())
from torch.export import export
print(export is torch.export.export)
print("torch._prims.rng_prims" in sys.modules)
print(torch.rand(1, generator=torch.Generator().manual_seed(0)).item() < 1)
"""


def test_no_network_needs_what_is_left_out_and_whoever_uses_it_later_has_it() -> None:
    process = start("-c", USES)
    printed, errors = process.communicate(timeout=300)
    expected = ["True", "[]", "[1, 1, 2, 2]", "0.0", "True", "True", "True"]
    assert printed.splitlines() == expected, errors
