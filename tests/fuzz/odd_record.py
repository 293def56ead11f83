"""Voices that are whole as files but hold odd values: labels, sizes, names and types of tensors."""

from __future__ import annotations

import datetime as dt
import io
import random
from collections import OrderedDict
from collections.abc import Callable
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import torch

from tests.weights_maker import small_record

LABELS = (
    "version", "f0", "vocoder", "sr", "embedder_model", "info", "epoch", "step", "author",
    "model_name", "creation_date", "pair_id", "dataset_length", "speakers_id", "\ud800odd",
)  # fmt: skip

TEXTS = (
    "", " ", "0", "v1", "V2", "v3", "None", "RingFormer_v2", "RefineGAN", "spin", "../../etc",
    '<img src="file:///dev/zero">', "\x1b[31mred\x07", "\u202egnp.exe", "\ud800", "e\u0301" * 300,
    "字" * 40_000, "x" * 1_100_000, "{name}", "%s %n", "a\0b", "C:\\con", "\n\n",
)  # fmt: skip
NUMBERS: tuple[Any, ...] = (
    -1, 0, 1, 2, 2**31, 2**63, 10**300, 1.5, float("nan"), float("inf"), -0.0, True, False,
    np.float64(2), np.int64(-3), np.float32("nan"), Decimal(2), 1 + 2j,
)  # fmt: skip
OTHERS: tuple[Any, ...] = (
    None, b"bytes", b"", [], {}, (), set(), [[]], [1] * 5_000, {1: 2}, {"a": {"b": [{}]}},
    OrderedDict(a=1), torch.ones(2), torch.tensor(1), torch.float16, torch.Size([2]),
    dt.date(2026, 1, 2), PurePosixPath("/music"), range(3), frozenset([1]), bytearray(b"x"),
)  # fmt: skip

Change = Callable[[dict[str, Any], random.Random], object]


def odd_value(rng: random.Random) -> Any:
    return rng.choice(rng.choice((TEXTS, NUMBERS, OTHERS)))


def label(record: dict[str, Any], rng: random.Random) -> None:
    record[rng.choice(LABELS)] = odd_value(rng)


def size(record: dict[str, Any], rng: random.Random) -> None:
    config = list(record.get("config", [0] * 18))
    config[rng.choice((0, 1, 8, 9, 15, rng.randrange(18)))] = odd_value(rng)
    record["config"] = config


def wrap(record: dict[str, Any], rng: random.Random) -> None:
    prefix = rng.choice(
        ("module.", "_orig_mod.", "net_g.", "module._orig_mod.", "other.", "module")
    )
    record["weight"] = {f"{prefix}{name}": each for name, each in record["weight"].items()}


def retype(record: dict[str, Any], rng: random.Random) -> None:
    kind = rng.choice((torch.float64, torch.bfloat16, torch.float32, torch.int16, torch.bool))
    record["weight"] = {
        name: each.to(kind) if isinstance(each, torch.Tensor) else each
        for name, each in record["weight"].items()
    }


def relay(record: dict[str, Any], rng: random.Random) -> None:
    """Tensors that are views of one storage, or transposed in memory."""
    weights = record["weight"]
    name = rng.choice([key for key, each in weights.items() if isinstance(each, torch.Tensor)])
    wide = weights[name].flatten().repeat_interleave(2)
    weights[name] = wide[::2].reshape(weights[name].shape)
    weights[f"enc_q.{name}"] = weights[name]


def add(record: dict[str, Any], rng: random.Random) -> None:
    name = rng.choice(("dec.bn.num_batches_tracked", "dec.conformers.0.w", "\ud800", "", "dec."))
    record["weight"][name] = odd_value(rng)


def drop(record: dict[str, Any], rng: random.Random) -> None:
    table = rng.choice((record, record["weight"]))
    del table[rng.choice(list(table))]


def rename(record: dict[str, Any], rng: random.Random) -> None:
    record[rng.choice(("model", "state_dict", "weight"))] = record.pop("weight")


CHANGES: tuple[Change, ...] = (label, label, label, size, size, wrap, retype, relay, add, drop)


def odd_record(seed: int) -> bytes:
    """A ``.pth`` with the oddities of this seed."""
    rng = random.Random(seed)
    record = small_record()
    for _ in range(rng.randrange(1, 5)):
        rng.choice(CHANGES)(record, rng)
        if not isinstance(record.get("weight"), dict) or not record["weight"]:
            break
    else:
        if rng.random() < 0.05:
            rename(record, rng)
    file = io.BytesIO()
    torch.save(record, file, _use_new_zipfile_serialization=rng.random() < 0.8)
    return file.getvalue()
