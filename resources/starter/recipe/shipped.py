"""What the product keeps about the set that ships; run it after another set was put in place."""

from __future__ import annotations

from dataclasses import replace

from engine import Converter, starter_voice
from engine.library import installed_voice
from engine.library.importing import facts_of
from engine.library.voice_range import keep_range
from engine.measure.self_test import store_result
from engine.voice_checkpoint import checked_voice
from engine.voice_pitch import learn_pitch
from engine.voice_record import content_sha256, read_record


def renew() -> None:
    """Write the voice's card, the pitch that suits it and the self-test's result."""
    built_in = installed_voice.starter_voice()
    record = read_record(built_in.weights)
    facts = facts_of(checked_voice(record, built_in.weights).card)
    voice = replace(built_in, content_sha256=content_sha256(record), facts=facts)
    installed_voice.write_card(voice, voice.folder)
    keep_range(voice, learn_pitch(Converter(), starter_voice()))
    store_result()


if __name__ == "__main__":
    renew()
