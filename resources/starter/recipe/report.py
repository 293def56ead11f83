"""What a starter set is worth: converted through the product, judged by programs of others."""

from __future__ import annotations

import json
import logging
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pocketsphinx import Decoder

from engine import ConversionOptions
from engine.models.synthesizer import build_synthesizer
from engine.pitch.contour import shift
from engine.pitch.yin import track_yin
from engine.voice_checkpoint import load_voice
from recipe import measure
from recipe.candidate import load_candidate
from recipe.chance import Chance
from recipe.curve import Curves, curve_table
from recipe.mel import latent
from recipe.network import vocode
from recipe.spectrogram import write_spectrograms
from recipe.trial import UNHEARD, Spoken, keep, trial_clips

TARGET_HZ = 178.0
"""Median pitch of the target; every source is moved there, to the nearest semitone."""

SHIFTS = (-12, -6, 0, 6, 12)
TRUE_MEL = "slt, true mel"
CEILING = 0.97
"""Share of the tracker's highest pitch from which a frame counts as caught there."""


Floats = NDArray[np.float64]
log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Converted:
    """A clip, what the product made of it, and the pitch that it was asked for."""

    spoken: Spoken
    samples: Floats
    asked_hz: Floats
    own_hz: Floats


class Candidate:
    """A starter set in any folder, used as the product uses an installed one."""

    def __init__(self, folder: Path, scratch: Path) -> None:
        self._converter, self._voice = load_candidate(folder, scratch)

    def to_target(self, spoken: Spoken) -> int:
        """Semitones that bring a clip's median pitch to the target's."""
        own_hz = _tracked(spoken)
        median_hz = float(own_hz[own_hz > 0].median()) if (own_hz > 0).any() else TARGET_HZ
        return round(12 * float(np.log2(TARGET_HZ / median_hz)))

    def convert(self, spoken: Spoken, semitones: int | None = None) -> Converted:
        """One clip; None moves its median pitch to the target's."""
        moved = self.to_target(spoken) if semitones is None else semitones
        result = self._converter.convert(
            spoken.samples.astype(np.float32),
            measure.RATE_HZ,
            self._voice,
            ConversionOptions(semitones=moved, pitch_method="yin"),
        )
        samples = np.asarray(result.samples, np.float64)
        own_hz = _tracked(spoken)
        asked_hz = shift(own_hz, moved).double().numpy()
        return Converted(spoken, samples, asked_hz, own_hz.double().numpy())

    def vocode(self, spoken: Spoken) -> Converted:
        """The vocoder alone, from the true mel of a clip of the target."""
        checkpoint = load_voice(self._voice.weights)
        voice = build_synthesizer(checkpoint.sizes, checkpoint.state)
        n = len(spoken.samples) // 160 * 160
        sound = torch.from_numpy(spoken.samples[:n].astype(np.float32))
        f0_hz = track_yin(sound)[: n // 160]
        with torch.no_grad():
            made = vocode(voice, latent(sound[None]), f0_hz[None], Chance.of_step(1, 0))
        again = Spoken(TRUE_MEL, spoken.text, spoken.samples)
        pitch = f0_hz.double().numpy()
        return Converted(again, made[0].double().numpy(), pitch, pitch)


def _tracked(spoken: Spoken) -> torch.Tensor:
    """Pitch as the product finds it."""
    return track_yin(torch.from_numpy(spoken.samples.astype(np.float32)))


class Recogniser:
    """PocketSphinx with the open language model that it brings (US English)."""

    def __init__(self) -> None:
        self._decoder = Decoder(samprate=measure.RATE_HZ, loglevel="FATAL")

    def words(self, samples: Floats) -> list[str]:
        """What it understands."""
        self._decoder.start_utt()
        level = 0.7 / max(np.abs(samples).max(), 1e-6)
        whole = (samples * level * 32_767).astype(np.int16)
        self._decoder.process_raw(whole.tobytes(), full_utt=True)
        self._decoder.end_utt()
        found = self._decoder.hyp()
        return [word.split("(")[0] for word in found.hypstr.split()] if found else []


def make_report(folder: Path, output: Path, curves: Curves, sentences: int = 16) -> dict[str, Any]:
    """Convert, measure, and write ``report.json``, ``report.md``, sounds and spectrograms."""
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        candidate = Candidate(folder, Path(scratch))
        clips = list(trial_clips(Path(scratch), sentences))
        done = [candidate.convert(clip) for clip in clips]
        own = [clip for clip in clips if clip.voice == "slt"]
        done += [candidate.vocode(clip) for clip in own]
        shifts = _shifts(
            candidate, [clip for clip in clips if clip.voice == UNHEARD[0]][:4], output
        )
    voices = _voices(done, own)
    figures = {"voices": voices, "shifts": shifts, "curves": curves}
    _draw(done, output)
    (output / "report.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    text = table(voices) + "\n" + table(shifts) + "\n" + curve_table(curves)
    (output / "report.md").write_text(text, encoding="utf-8")
    return figures


def _voices(done: Sequence[Converted], own: Sequence[Spoken]) -> dict[str, dict[str, float]]:
    recogniser = Recogniser()
    target = np.concatenate([measure.mfcc(clip.samples) for clip in own], axis=1)
    spread = target.std(1)
    by_voice: dict[str, list[Converted]] = defaultdict(list)
    for each in done:
        by_voice[each.spoken.voice].append(each)
    figures = {}
    for voice, clips in by_voice.items():
        figures[voice] = {
            **_words(clips, recogniser),
            **_pitch(clips),
            **_likeness(clips, target, spread),
            **_faults(clips),
        }
        log.info("%s: %s", voice, figures[voice])
    figures["all unheard"] = _together([figures[name] for name in UNHEARD if name in figures])
    return figures


def _words(clips: Iterable[Converted], recogniser: Recogniser) -> dict[str, float]:
    total = before = after = errors_before = errors_after = 0
    for clip in clips:
        spoken = clip.spoken.words
        total += len(spoken)
        hits, errors = measure.word_hits(spoken, recogniser.words(clip.spoken.samples))
        before, errors_before = before + hits, errors_before + errors
        hits, errors = measure.word_hits(spoken, recogniser.words(clip.samples))
        after, errors_after = after + hits, errors_after + errors
    return {
        "words": total,
        "right before": before,
        "right after": after,
        "errors before": errors_before,
        "errors after": errors_after,
    }


def _pitch(clips: Sequence[Converted]) -> dict[str, float]:
    off = np.concatenate([measure.cents_off(c.asked_hz, measure.harvest(c.samples)) for c in clips])
    ceiling = sum(int((c.own_hz > CEILING * measure.F0_RANGE_HZ[1]).sum()) for c in clips)
    return {
        "f0 median cents": float(np.median(off)),
        "f0 within 50 cents": float((off < measure.NEAR_CENTS).mean()),
        "frames at the ceiling": ceiling,
    }


def _likeness(clips: Sequence[Converted], target: Floats, spread: Floats) -> dict[str, float]:
    nearer = []
    for clip in clips:
        made, source = measure.mfcc(clip.samples), measure.mfcc(clip.spoken.samples)
        to_target = measure.voice_distance(made, target, spread)
        nearer.append(to_target < measure.voice_distance(made, source, spread))
    whole = np.concatenate([measure.mfcc(clip.samples) for clip in clips], axis=1)
    source = np.concatenate([measure.mfcc(clip.spoken.samples) for clip in clips], axis=1)
    return {
        "clips nearer to the target": float(np.mean(nearer)),
        "mfcc to target": measure.voice_distance(whole, target, spread),
        "mfcc to source": measure.voice_distance(whole, source, spread),
        "mfcc source to target": measure.voice_distance(source, target, spread),
    }


def _faults(clips: Sequence[Converted]) -> dict[str, float]:
    after = np.concatenate([clip.samples for clip in clips])
    before = np.concatenate([clip.spoken.samples for clip in clips])
    pause = int(0.06 * measure.RATE_HZ)
    silence = np.concatenate([clip.samples[:pause] for clip in clips])
    return {
        "comb before": measure.comb_db(before),
        "comb after": measure.comb_db(after),
        "repetition before": measure.repetition(before),
        "repetition after": measure.repetition(after),
        "clicks before": measure.clicks(before),
        "clicks after": measure.clicks(after),
        "silence": measure.level_db(silence),
        "level before": measure.level_db(before),
        "level after": measure.level_db(after),
    }


def _together(voices: Sequence[dict[str, float]]) -> dict[str, float]:
    """Sums of the counts that make up the word figures."""
    names = ("words", "right before", "right after", "errors before", "errors after")
    return {name: sum(voice[name] for voice in voices) for name in names}


def _shifts(
    candidate: Candidate, clips: Sequence[Spoken], output: Path
) -> dict[str, dict[str, float]]:
    """The same clips from an octave below to an octave above the target's own pitch."""
    figures = {}
    for semitones in SHIFTS:
        done = [candidate.convert(clip, candidate.to_target(clip) + semitones) for clip in clips]
        figures[f"{semitones:+d}"] = {**_pitch(done), **_faults(done)}
        write_spectrograms(output / f"shift{semitones:+d}.png", [done[0].samples])
    return figures


def _draw(done: Iterable[Converted], output: Path) -> None:
    drawn: dict[str, int] = defaultdict(int)
    for clip in done:
        voice = clip.spoken.voice.replace(", ", "-").replace(" ", "-")
        number = drawn[voice]
        drawn[voice] += 1
        keep(output / "sound" / f"{voice}-{number}.wav", clip.samples)
        if number == 0:
            write_spectrograms(output / f"{voice}.png", [clip.spoken.samples, clip.samples])


Values = dict[str, float]


def _arrow(name: str, form: str) -> Callable[[Values], str]:
    """Before and after, where both were measured."""

    def show(values: Values) -> str:
        if f"{name} after" not in values:
            return ""
        return f"{values[f'{name} before']:{form}} → {values[f'{name} after']:{form}}"

    return show


def _one(name: str, form: str) -> Callable[[Values], str]:
    return lambda values: f"{values[name]:{form}}" if name in values else ""


def _kept(values: Values) -> str:
    """Words right after, as a share of those right before."""
    if "words" not in values:
        return ""
    return f"{values['right after'] / max(values['right before'], 1):.0%}"


_COLUMNS: tuple[tuple[str, Callable[[Values], str]], ...] = (
    ("words", _one("words", ".0f")),
    ("right", _arrow("right", ".0f")),
    ("kept", _kept),
    ("errors", _arrow("errors", ".0f")),
    ("f0 within 50 cents", _one("f0 within 50 cents", ".0%")),
    ("median cents", _one("f0 median cents", ".0f")),
    ("nearer to target", _one("clips nearer to the target", ".0%")),
    ("comb dB", _arrow("comb", ".1f")),
    ("repetition", _arrow("repetition", ".2f")),
    ("clicks", _arrow("clicks", ".0f")),
    ("level dB", _arrow("level", ".0f")),
    ("silence dB", _one("silence", ".0f")),
)


def table(rows: dict[str, dict[str, float]]) -> str:
    """The figures of every voice (or shift) as a Markdown table."""
    lines = ["| | " + " | ".join(name for name, _ in _COLUMNS) + " |"]
    lines.append("|" + "---|" * (len(_COLUMNS) + 1))
    for name, values in rows.items():
        lines.append(f"| {name} | " + " | ".join(show(values) for _, show in _COLUMNS) + " |")
    return "\n".join(lines) + "\n"
