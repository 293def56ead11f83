"""Archives and folders of voices as they occur in the wild, made from small real voices."""

from __future__ import annotations

import io
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import faiss
import numpy as np
import torch

from engine.models.synthesizer_sizes import Vocoder
from engine.voice_record import write_stored
from tests.engine.retrieval.faiss_files import index_bytes, ivf_index, make_rows
from tests.weights_maker import small_record

Files = Mapping[str, bytes]
WIDTH = 12
"""Width of the small voices' features."""


@cache
def voice(singer: int = 0, *, vocoder: Vocoder = Vocoder.NSF, **labels: object) -> bytes:
    """A ``.pth``; every ``singer`` has other weights, labels change none."""
    record = {**small_record(vocoder), **labels}
    record["weight"]["enc_p.proj.bias"] += singer
    file = io.BytesIO()
    torch.save(record, file)
    return file.getvalue()


@cache
def old_voice() -> bytes:
    """A ``.pth`` in the layout before PyTorch 1.6."""
    file = io.BytesIO()
    torch.save(small_record(), file, _use_new_zipfile_serialization=False)
    return file.getvalue()


@cache
def training_checkpoint() -> bytes:
    file = io.BytesIO()
    torch.save({"model": {"a": torch.ones(9)}, "optimizer": {}, "iteration": 1}, file)
    return file.getvalue()


@cache
def index(rows: int = 40, width: int = WIDTH, seed: int = 0) -> bytes:
    """An ``added_*.index``; 0 rows make it a ``trained_*`` one."""
    if rows:
        return index_bytes(ivf_index(make_rows(rows, width, seed), 3))
    empty = faiss.IndexIVFFlat(faiss.IndexFlatL2(width), width, 3, faiss.METRIC_L2)
    empty.quantizer.add(make_rows(3, width))
    empty.is_trained = True
    return index_bytes(empty)


@cache
def png(width: int = 3, height: int = 2) -> bytes:
    """A small black PNG whose header may state any size."""
    rows = (b"\0" + b"\0" * 3 * min(width, 64)) * min(height, 64)

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffc0000b080010002001011100ffd9")
"""Header of a JPEG of 32 x 16 pixels."""

WEBP = b"RIFF\x1e\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + b"\x1f\0\0\x0f\0\0" + b"\0" * 8
"""Header of a WebP of 32 x 16 pixels."""

JUNK = b"\0\5\x16\7\0\2\0\0Mac OS X        \0\2"


def packed(files: Files, method: int = zipfile.ZIP_DEFLATED, comment: bytes = b"") -> bytes:
    """A zip."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.comment = comment
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


def packed_with_bytes(files: Mapping[bytes, bytes]) -> bytes:
    """A zip with names in an encoding that it does not state, as Windows writes them."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            stand_in = zipfile.ZipInfo("x" * len(name))
            archive.writestr(stand_in, content)
    data = file.getvalue()
    for name in files:  # one after the other: local header first, then the directory
        for signature, offset in ((b"PK\x03\x04", 30), (b"PK\x01\x02", 46)):
            place = data.index(signature)
            while data[place + offset : place + offset + len(name)] != b"x" * len(name):
                place = data.index(signature, place + 1)
            data = data[: place + offset] + name + data[place + offset + len(name) :]
    return data


def entry(name: str, mode: int = 0o100644) -> zipfile.ZipInfo:
    """An entry with a Unix mode."""
    made = zipfile.ZipInfo(name)
    made.create_system = 3
    made.external_attr = mode << 16
    return made


# What is in it -> names of the voices that must come out, and which have an index and a picture.
Specimen = tuple[bytes, tuple[tuple[str, bool, bool], ...]]


def archives() -> dict[str, Specimen]:
    """File name -> archive and what must be installed from it (name, index, picture)."""
    aria, other, idx = voice(), voice(1), index()
    chinese = "邓丽君/邓丽君.pth".encode("gbk"), "邓丽君/说明.txt".encode("gbk")
    bare_index = "added_IVF3_Flat_nprobe_1.index"
    trained = "trained_IVF3_Flat_nprobe_1_aria_v2.index"
    name = "added_IVF3_Flat_nprobe_1_aria_v2.index"
    plain = (("aria", True, False),)
    without = (("aria", False, False),)
    return {
        "pth alone.zip": (packed({"aria.pth": aria}), without),
        "usual pair.zip": (packed({"aria.pth": aria, name: idx}), plain),
        "stored.zip": (packed({"aria.pth": aria, name: idx}, zipfile.ZIP_STORED), plain),
        "folder.zip": (packed({"aria/aria.pth": aria, f"aria/{name}": idx}), plain),
        "deep.zip": (packed({"a/b/c/d/aria.pth": aria, f"a/b/x/{name}": idx}), plain),
        "mac.zip": (
            packed(
                {
                    "aria/": b"",
                    "aria/.DS_Store": JUNK,
                    "aria/aria.pth": aria,
                    "__MACOSX/aria/._aria.pth": JUNK,
                    f"aria/{name}": idx,
                    f"__MACOSX/aria/._{name}": JUNK,
                }
            ),
            plain,
        ),
        "windows.zip": (packed({"aria\\aria.pth": aria, f"aria\\{name}": idx}), plain),
        "current folder.zip": (packed({"./aria.pth": aria, f"./{name}": idx}), plain),
        "epochs.zip": (
            packed({f"aria_e{n}_s{20 * n}.pth": voice(n) for n in (50, 200, 100)} | {name: idx}),
            plain,
        ),
        "applio epochs.zip": (
            packed({f"aria_{n}e_{20 * n}s.pth": voice(n) for n in (50, 200, 100)} | {name: idx}),
            plain,
        ),
        "final and epochs.zip": (
            packed({"aria_e900_s9.pth": other, "aria.pth": aria, name: idx}),
            plain,
        ),
        "both indexes.zip": (
            packed({"aria.pth": aria, name: idx, trained: index(0)}),
            plain,
        ),
        "trained only.zip": (
            packed({"aria.pth": aria, trained: index(0)}),
            without,
        ),
        "anonymous index.zip": (packed({"aria.pth": aria, "total_fea.index": idx}), plain),
        "nameless index.zip": (packed({"aria.pth": aria, bare_index: idx}), plain),
        "index of a v1 voice.zip": (packed({"aria.pth": aria, name: index(width=256)}), without),
        "right and wrong width.zip": (
            packed({"aria.pth": aria, "a_v1.index": index(width=256), "b_v2.index": idx}),
            plain,
        ),
        "broken index.zip": (packed({"aria.pth": aria, name: idx[:100]}), without),
        "two singers.zip": (
            packed(
                {
                    "aria.pth": aria,
                    "bela.pth": other,
                    "added_IVF3_Flat_nprobe_1_bela_v2.index": idx,
                    name: idx,
                }
            ),
            (("aria", True, False), ("bela", True, False)),
        ),
        "two singers one index.zip": (
            packed({"aria.pth": aria, "bela.pth": other, "bela.index": idx}),
            (("aria", False, False), ("bela", True, False)),
        ),
        "Björk & Co.zip": (
            packed({"model.pth": aria, "model.index": idx}),
            (("Björk & Co", True, False),),
        ),
        "two models.zip": (
            packed({"Ann/model.pth": aria, "Ben/model.pth": other, "Ben/added.index": idx}),
            (("Ann", False, False), ("Ben", True, False)),
        ),
        "picture.zip": (packed({"aria.pth": aria, "cover.PNG": png()}), (("aria", False, True),)),
        "jpeg.zip": (packed({"aria.pth": aria, "img/a.jpeg": JPEG}), (("aria", False, True),)),
        "webp.zip": (packed({"aria.pth": aria, "a.webp": WEBP}), (("aria", False, True),)),
        "false picture.zip": (packed({"aria.pth": aria, "a.png": b"<html>"}), without),
        "huge picture.zip": (packed({"aria.pth": aria, "a.png": png(60_000, 60_000)}), without),
        "media.zip": (
            packed({"aria.pth": aria, name: idx, "demo.mp3": b"ID3" * 99, "read me.txt": b"hi"}),
            plain,
        ),
        "training files.zip": (
            packed(
                {
                    "aria.pth": aria,
                    "G_2333.pth": training_checkpoint(),
                    "D_2333.pth": training_checkpoint(),
                    "pretrained/f0G40k.pth": training_checkpoint(),
                    name: idx,
                }
            ),
            plain,
        ),
        "zip in zip.zip": (packed({"inner.zip": packed({"aria.pth": aria, name: idx})}), plain),
        "zip in zip in zip.zip": (
            packed({"a.zip": packed({"b.zip": packed({"aria.pth": aria, name: idx})})}),
            plain,
        ),
        "zip beside.zip": (
            packed({"aria.pth": aria, name: idx, "dataset.zip": packed({"1.wav": b"RIFF"})}),
            plain,
        ),
        "two zips.zip": (
            packed({"1.zip": packed({"aria.pth": aria}), "2.zip": packed({"bela.pth": other})}),
            (("aria", False, False), ("bela", False, False)),
        ),
        "old layout.zip": (packed({"aria.pth": old_voice()}), without),
        "comment.zip": (packed({"aria.pth": aria}, comment=b"from a forum" * 99), without),
        "self extracting.zip": (b"MZ" + b"\0" * 500 + packed({"aria.pth": aria}), without),
        "utf8.zip": (packed({"初音ミク/初音ミク.pth": aria}), (("初音ミク", False, False),)),
        "shift-jis.zip": (
            packed_with_bytes({"初音ミク.pth".encode("shift_jis"): aria}),
            (("初音ミク", False, False),),
        ),
        "gbk.zip": (
            packed_with_bytes({chinese[1]: b"1", chinese[0]: aria}),
            (("邓丽君", False, False),),
        ),
        "big5.zip": (
            packed_with_bytes({"鄧麗君的聲音.pth".encode("big5"): aria}),
            (("鄧麗君的聲音", False, False),),
        ),
        "dos.zip": (
            packed_with_bytes({"Beyoncé.pth".encode("cp437"): aria}),
            (("Beyoncé", False, False),),
        ),
        "copies.zip": (packed({"aria (1).pth": aria, "aria (1).index": idx}), plain),
        "labelled.zip": (
            packed({"weights.pth": voice(model_name="Celia")}),
            (("labelled", False, False),),
        ),
        "torch saved.zip": (aria, (("torch saved", False, False),)),
        **_shared_archives(),
    }  # fmt: skip


def _shared_archives() -> dict[str, Specimen]:
    """As voice sites, trainers' folders and forum posts shape them."""
    aria, other, idx = voice(), voice(1), index()
    name = "added_IVF3_Flat_nprobe_1_aria_v2.index"
    plain = (("aria", True, False),)
    return {
        "Zoe Star (RVC v2) 500 Epochs.zip": (
            packed({"metadata.json": b'{"title": "x"}', "model.index": idx, "model.pth": aria}),
            (("Zoe Star (RVC v2)", True, False),),
        ),
        "trainer's checkpoint is the voice.zip": (
            packed({"Ann (Japanese) 1347 Epoch/G_1347.pth": aria, "x/config.json": b"{}"}),
            (("Ann (Japanese)", False, False),),
        ),
        "whole trainer.zip": (
            packed(
                {
                    "assets/weights/aria.pth": aria,
                    f"logs/aria/{name}": idx,
                    "logs/aria/trained_IVF3_Flat_nprobe_1_aria_v2.index": index(0),
                    "logs/aria/total_fea.npy": b"\x93NUMPY" + b"\0" * 90,
                    "logs/aria/G_2333333.pth": training_checkpoint(),
                    "logs/aria/D_2333333.pth": training_checkpoint(),
                    "logs/aria/events.out.tfevents.1.host": b"\0" * 50,
                    "logs/aria/train.log": b"INFO",
                }
            ),
            plain,
        ),
        "folder called as the file.zip": (
            packed({"aria.pth/aria.pth": aria, f"x/{name}": idx}),
            plain,
        ),
        "each in a zip.zip": (
            packed({"aria.zip": packed({"aria.pth": aria}), "index.zip": packed({name: idx})}),
            plain,
        ),
        "index counted.zip": (
            packed({"aria.pth": aria, "added_IVF3_Flat_nprobe_1_aria_v2 (2).index": idx}),
            plain,
        ),
        "index named in Chinese.zip": (
            packed(
                {
                    "周杰倫/周杰倫_e300_s9000.pth": aria,
                    "周杰倫/added_IVF3_Flat_nprobe_1_周杰倫_v2.index": idx,
                    "周杰倫/封面.png": png(),
                }
            ),
            (("周杰倫", True, True),),
        ),
        "decomposed.zip": (
            packed({"Zoe\u0308.pth": aria, "added_Zo\u00eb_v2.index": idx, "bob.pth": other}),
            (("bob", False, False), ("Zoë", True, False)),
        ),
        "capitals.zip": (
            packed({"ARIA.PTH": aria, "ADDED_IVF3_FLAT_ARIA.INDEX": idx}),
            (("ARIA", True, False),),
        ),
        "other formats.zip": (
            packed(
                {"aria.pth": aria, "aria.onnx": b"\x08\7", "aria.safetensors.txt": b"", name: idx}
            ),
            plain,
        ),
        "a shortcut.zip": (
            packed({"aria.pth": aria, "AI HUB.url": b"[InternetShortcut]"}),
            (("aria", False, False),),
        ),
    }


@cache
def stored_voice() -> bytes:
    """A voice in the library's own form."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "voice.safetensors")
        write_stored(small_record(), path)
        return path.read_bytes()


@cache
def flat_index() -> bytes:
    """An index without lists."""
    flat = faiss.IndexFlatL2(WIDTH)
    flat.add(make_rows(20, WIDTH))
    return index_bytes(flat)


@cache
def mapped_index() -> bytes:
    """An index whose rows have ids of their own."""
    mapped = faiss.IndexIDMap2(faiss.IndexFlatL2(WIDTH))
    mapped.add_with_ids(make_rows(20, WIDTH), np.arange(20, dtype=np.int64)[::-1].copy())
    return index_bytes(mapped)
