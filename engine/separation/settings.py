"""What the weights of a RoFormer do not say: its hop, its chunks, what it separates.

Known files are recognised by their SHA-256. Others may have a ``.yaml`` of the same name beside
them, as they are published; of it only plain numbers and words are read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from engine.files import open_file

MAX_YAML_BYTES = 1 << 20
_LONGEST_CHUNK = 60 * 44_100
_MOST_OVERLAPS = 16


@dataclass(frozen=True)
class Settings:
    """How a RoFormer is used.

    Attributes
    ----------
    hop : samples between two frames
    chunk : samples at a time, a multiple of the hop
    overlaps : chunks in which each sample is heard
    stems : names of what it separates, in order; empty where nothing states them
    keeps_constant : whether 0 Hz passes a BS-RoFormer's mask
    normalises : whether the song is brought to unit level first
    """

    hop: int = 441
    chunk: int = 352_800
    overlaps: int = 2
    stems: tuple[str, ...] = ()
    keeps_constant: bool = False
    normalises: bool = False


_VOCALS = ("vocals", "other")

KNOWN = {
    # Kim's Mel-Band RoFormer
    "87201f4d31afb5bc79993230fc49446918425574db48c01c405e44f365c7559e": Settings(stems=_VOCALS),
    # viperx 1297, BS
    "5b84f37e8d444c8cb30c79d77f613a41c05868ff9c9ac6c7049c00aefae115aa": Settings(stems=_VOCALS),
    # karaoke of aufr33 and viperx; its first stem is the lead voice
    "1de20d459332fe8869aeb01327a31df0032262706e1365114e852dc271779813": Settings(
        overlaps=4, stems=("lead", "backing")
    ),
    # karaoke of becruily, Mel-Band and BS
    "d3aa262ac01df870b9fc033e9c7b6cad33fe04fc9c148b6c40841326a515a0e0": Settings(
        chunk=485_100, overlaps=8, stems=("lead", "backing")
    ),
    "eb90ee24c1154d83fbcfd27e96182f19e061557cc6e4746953125e08c29389f9": Settings(
        chunk=882_000, overlaps=4, stems=("lead", "backing")
    ),
    # dereverb of anvuew, and its gentler form
    "9262877b87e9ebb0fb808a456b0a411fa677f5df31c8383c1254af531c078970": Settings(
        stems=("dry", "reverb")
    ),
    "0db8f1b41c00cead1112e967262a12802fd32e76c0c3a8eb207e772bae25d07b": Settings(
        stems=("dry", "reverb")
    ),
}
"""By the SHA-256 of the file."""


def settings_of(path: Path, sha256: str) -> Settings:
    """The settings of a file: known, from the ``.yaml`` beside it, or what most files need."""
    if sha256 in KNOWN:
        return KNOWN[sha256]
    for ending in (".yaml", ".yml"):
        try:
            with open_file(path.with_suffix(ending)) as file:
                return read_settings(file.read(MAX_YAML_BYTES).decode(errors="replace"))
        except OSError:
            continue
    return Settings()


_LINE = re.compile(r"(?P<indent> *)(?P<key>\w+):[ \t]*(?P<value>[^#\n]*?)[ \t]*(#.*)?")


def read_settings(text: str) -> Settings:
    """What a training program's configuration says; anything unexpected in it is ignored.

    Its sections hold one ``key: value`` a line. No other part of YAML is needed, so none is read:
    tags that would make a YAML reader run something are words like any others here.
    """
    found = _plain_values(text)
    settings = Settings()
    hop = _number(found.get("model.stft_hop_length"), settings.hop, 1, 2048)
    chunk = found.get("inference.chunk_size") or found.get("audio.chunk_size")
    stated = _number(chunk, settings.chunk, 8 * 2048, _LONGEST_CHUNK)
    return replace(
        settings,
        hop=hop,
        chunk=stated - stated % hop,
        overlaps=_number(found.get("inference.num_overlap"), settings.overlaps, 1, _MOST_OVERLAPS),
        stems=_stems(found.get("training.target_instrument"), found.get("training.instruments")),
        keeps_constant=found.get("model.zero_dc", "").lower() == "false",
        normalises=found.get("inference.normalize", "").lower() == "true",
    )


def _plain_values(text: str) -> dict[str, str]:
    """``section.key`` -> value; the items of a list are joined by commas."""
    found: dict[str, str] = {}
    section, key = "", ""
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if match is not None:
            name, value = match["key"], match["value"].strip("'\"")
            section = section if match["indent"] else name
            key = f"{section}.{name}"
            found[key] = value
        elif line.strip().startswith("- ") and key:
            item = line.strip()[2:].strip().strip("'\"")
            found[key] = f"{found[key]},{item}" if found[key] else item
    return found


def _number(text: str | None, default: int, low: int, high: int) -> int:
    if text is None or not re.fullmatch(r"[0-9]{1,9}", text):
        return default
    return int(text) if low <= int(text) <= high else default


def _stems(target: str | None, instruments: str | None) -> tuple[str, ...]:
    """The target first where there is one; only words are taken."""
    names = re.findall(r"[\w-]+", (instruments or "")[:200])
    if target in names:
        names.remove(target or "")
        names.insert(0, target or "")
    return tuple(name.lower() for name in names)
