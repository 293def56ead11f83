"""What a starter set is worth: clips converted through the product, judged by programs of others.

Words by Whisper base (greedy), pitch by WORLD's Harvest, the speaker by Resemblyzer's embedding.
A folder of clips holds ``VOICE-N.wav`` and ``texts.json``; the voice ``target`` is the one that
the set was made from, saying sentences that no training heard.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine import ConversionOptions
from engine.audio.reader import read_audio
from engine.audio.resampling import resample
from engine.audio.writer import write_audio
from recipe import measure
from recipe.candidate import load_candidate
from recipe.spectrogram import write_spectrograms

TARGET = "target"
SHIFTS = (-12, -6, 0, 6, 12)
SHIFTED_VOICES, SHIFTED_CLIPS = 3, 3
"""How many voices, and clips of each, are converted with every shift. Never the target, which is
another one for every set: the same sounds are asked of all sets."""

PAUSE_S, PAUSE_DB, EDGE_S = 0.4, -70.0, 0.25
"""Noise of a quiet room put before each clip, and how much of it is measured afterwards."""

MOST_SEMITONES = 24
HISS_HZ, HIGH_HZ = 4_000.0, 8_000.0
DIGITS = "zero one two three four five six seven eight nine ten".split()
SPELLINGS = {"centre": "center", "harbour": "harbor", **{str(n): w for n, w in enumerate(DIGITS)}}

HEADING = (
    "| | words | wrong before → after | f0 within 50 cents (median) | nearer to target "
    "| silence dB | comb dB | repetition | clicks before → after | above 8 kHz |"
)

Floats = NDArray[np.float64]
Row = dict[str, float]


@dataclass(frozen=True, eq=False)
class Clip:
    """Sound with the words said in it; samples float64 [N] at ``rate_hz``.

    Of a result also the pitch that was asked for: Hz, float64, 100 a second, 0 where unvoiced.
    """

    voice: str
    words: list[str]
    samples: Floats
    rate_hz: int
    language: str = "en"
    asked_hz: Floats | None = None

    def heard(self) -> Floats:
        """At 16 kHz, as the judges take it."""
        if self.rate_hz == measure.RATE_HZ:
            return self.samples
        narrow = resample(self.samples.astype(np.float32), self.rate_hz, measure.RATE_HZ)
        return narrow.astype(np.float64)


def is_japanese(text: str) -> bool:
    """Whether it has kana."""
    return any("\u3040" <= sign <= "\u30ff" for sign in text)


def spoken_words(text: str, language: str = "en") -> list[str]:
    """Lower case, no punctuation, small numbers and British spellings as in American English.

    Of Japanese ("ja") the single characters, without punctuation.
    """
    if language == "ja":
        return [sign for sign in text if sign.isalnum()]
    plain = re.sub(r"[^a-z0-9' ]", " ", text.lower())
    return [SPELLINGS.get(word, word) for word in plain.split()]


def load_clips(folder: Path) -> Iterator[Clip]:
    """Every clip of a folder, with a pause before it."""
    texts = json.loads((folder / "texts.json").read_text(encoding="utf-8"))
    chance = np.random.default_rng(0)
    for name, text in texts.items():
        sound = read_audio(folder / f"{name}.wav", mono=True)
        pause = chance.standard_normal(round(PAUSE_S * sound.rate_hz)) * 10 ** (PAUSE_DB / 20)
        samples = np.concatenate([pause, sound.samples[:, 0]])
        voice = name.rpartition("-")[0]
        language = "ja" if is_japanese(text) else "en"
        words = spoken_words(text, language)
        yield Clip(voice, words, samples.astype(np.float64), sound.rate_hz, language)


class Candidate:
    """A starter set in any folder, used as the product uses an installed one."""

    def __init__(self, folder: Path, scratch: Path) -> None:
        self._converter, self._voice = load_candidate(folder, scratch)

    def convert(self, clip: Clip, semitones: int) -> Clip:
        """One clip with the product's own defaults."""
        options = ConversionOptions(semitones=semitones)
        sound = clip.samples.astype(np.float32)
        made = self._converter.convert(sound, clip.rate_hz, self._voice, options)
        asked_hz = np.asarray(made.f0_hz, np.float64) * 2 ** (semitones / 12)
        samples = np.asarray(made.samples, np.float64)
        return replace(clip, samples=samples, rate_hz=made.rate_hz, asked_hz=asked_hz)


class Judges:
    """The programs of others; they are loaded once.

    Parameters
    ----------
    whisper : folder of a CTranslate2 Whisper base
    """

    def __init__(self, whisper: Path, target: Sequence[Clip]) -> None:
        from faster_whisper import WhisperModel
        from resemblyzer import VoiceEncoder

        self._whisper = WhisperModel(str(whisper), device="cpu", compute_type="int8")
        self._speaker = VoiceEncoder("cpu", verbose=False)
        self._errors: dict[Clip, int] = {}
        self._target = np.mean([self.speaker(clip) for clip in target], axis=0)

    def word_errors(self, clip: Clip) -> int:
        """Words substituted, lost or added; a clip is listened to once."""
        if clip in self._errors:
            return self._errors[clip]
        segments, _ = self._whisper.transcribe(
            clip.heard().astype(np.float32), language=clip.language, beam_size=1, temperature=0.0
        )
        heard = spoken_words(" ".join(segment.text for segment in segments), clip.language)
        errors = self._errors[clip] = measure.word_hits(clip.words, heard)[1]
        return errors

    def speaker(self, clip: Clip) -> Floats:
        """The embedding of who speaks, of length one."""
        pause = round(PAUSE_S * measure.RATE_HZ)
        sound = clip.heard()[pause:]
        level = 0.03 / max(float(np.sqrt((sound**2).mean())), 1e-6)
        return np.asarray(self._speaker.embed_utterance((sound * level).astype(np.float32)))

    def is_nearer_to_target(self, made: Clip, source: Clip) -> bool:
        """Whether the result sounds more like the target than like whom it was made of."""
        found = self.speaker(made)
        return bool(found @ self._target > found @ self.speaker(source))


def make_report(folder: Path, clips: Path, whisper: Path, output: Path) -> None:
    """Convert, measure, and write ``report.json``, ``report.md``, sounds and spectrograms."""
    (output / "sound").mkdir(parents=True, exist_ok=True)
    by_voice: dict[str, list[Clip]] = defaultdict(list)
    for clip in load_clips(clips):
        by_voice[clip.voice].append(clip)
    judges = Judges(whisper, by_voice[TARGET])
    middle_hz = float(np.median([median_hz(clip) for clip in by_voice[TARGET]]))
    rows: dict[str, Row] = {}
    with tempfile.TemporaryDirectory() as scratch:
        candidate = Candidate(folder, Path(scratch))
        for voice, sources in by_voice.items():
            moves = [to_target(clip, middle_hz) for clip in sources]
            made = [candidate.convert(c, m) for c, m in zip(sources, moves, strict=True)]
            rows[voice] = _row(sources, made, judges)
            _keep(output, voice, sources, made)
        others = [clips for voice, clips in by_voice.items() if voice != TARGET]
        sources = [clip for clips in others[:SHIFTED_VOICES] for clip in clips[:SHIFTED_CLIPS]]
        for shift in SHIFTS:
            moves = [to_target(clip, middle_hz) + shift for clip in sources]
            made = [candidate.convert(c, m) for c, m in zip(sources, moves, strict=True)]
            rows[f"{shift:+d} semitones"] = _row(sources, made, judges)
            _keep(output, f"{shift:+d}", sources, made)
    (output / "report.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    (output / "report.md").write_text(table(rows), encoding="utf-8")


def median_hz(clip: Clip) -> float:
    """Of the voiced frames; 200 where there are none."""
    f0_hz = measure.harvest(clip.heard())
    return float(np.median(f0_hz[f0_hz > 0])) if (f0_hz > 0).any() else 200.0


def to_target(clip: Clip, middle_hz: float) -> int:
    """Semitones that bring a clip's median pitch to the target's."""
    away = round(12 * float(np.log2(middle_hz / median_hz(clip))))
    return max(-MOST_SEMITONES, min(away, MOST_SEMITONES))


def _row(sources: Sequence[Clip], made: Sequence[Clip], judges: Judges) -> Row:
    words = sum(len(clip.words) for clip in sources)
    cents = np.concatenate(
        [
            measure.cents_off(clip.asked_hz, measure.harvest(clip.heard()))
            for clip in made
            if clip.asked_hz is not None
        ]
    )
    pairs = list(zip(made, sources, strict=True))
    edge_s = [clip.samples[: round(EDGE_S * clip.rate_hz)] for clip in made]
    heard = np.concatenate([clip.heard() for clip in made])
    return {
        "words": words,
        "wrong before": sum(map(judges.word_errors, sources)) / words,
        "wrong after": sum(map(judges.word_errors, made)) / words,
        "f0 within 50 cents": float((cents < measure.NEAR_CENTS).mean()),
        "f0 median cents": float(np.median(cents)),
        "nearer to target": float(np.mean([judges.is_nearer_to_target(*pair) for pair in pairs])),
        "silence dB": max(measure.level_db(each) for each in edge_s),
        "comb dB": measure.comb_db(heard),
        "repetition": measure.repetition(heard),
        "clicks": sum(measure.clicks(clip.heard()) for clip in made),
        "clicks before": sum(measure.clicks(clip.heard()) for clip in sources),
        "high band dB": high_band_db(made),
        "high band dB before": high_band_db(sources),
    }


def high_band_db(clips: Sequence[Clip]) -> float:
    """Energy above 8 kHz against that from 4 to 8 kHz, where hiss is most of the sound; or -99."""
    high = low = 0.0
    for clip in clips:
        size = clip.rate_hz // 25
        frames = clip.samples[: len(clip.samples) // size * size].reshape(-1, size)
        power = np.abs(np.fft.rfft(frames * np.hanning(size))) ** 2
        hz = np.fft.rfftfreq(size, 1 / clip.rate_hz)
        hissing = power[:, hz >= HISS_HZ].sum(1) > power[:, hz < HISS_HZ].sum(1)
        loud = power.sum(1) > 1e-3 * power.sum(1).max()
        chosen = power[hissing & loud]
        high += float(chosen[:, hz >= HIGH_HZ].sum())
        low += float(chosen[:, (hz >= HISS_HZ) & (hz < HIGH_HZ)].sum())
    return float(10 * np.log10(high / low)) if high > 0 and low > 0 else -99.0


def _keep(output: Path, name: str, sources: Sequence[Clip], made: Sequence[Clip]) -> None:
    for number, clip in enumerate(made):
        path = output / "sound" / f"{name}-{number}.wav"
        write_audio(path, clip.samples.astype(np.float32), clip.rate_hz, "wav", overwrite=True)
    write_spectrograms(output / f"{name}.png", [sources[0].heard(), made[0].heard()])


def table(rows: dict[str, Row]) -> str:
    """The figures as a Markdown table."""
    lines = [HEADING, "|" + "---|" * (HEADING.count("|") - 1)]
    for name, row in rows.items():
        high = [f"{row[key]:.0f}" for key in ("high band dB before", "high band dB")]
        lines.append(
            f"| {name} | {row['words']:.0f} | {row['wrong before']:.1%} → {row['wrong after']:.1%} "
            f"| {row['f0 within 50 cents']:.0%} ({row['f0 median cents']:.0f}) "
            f"| {row['nearer to target']:.0%} | {row['silence dB']:.0f} | {row['comb dB']:.1f} "
            f"| {row['repetition']:.2f} | {row['clicks before']:.0f} → {row['clicks']:.0f} "
            f"| {' → '.join(high)} dB |"
        )
    return "\n".join(lines) + "\n"
