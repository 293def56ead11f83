from __future__ import annotations

import ctypes.util
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from pytestqt.qtbot import QtBot

from desktop.listen import feeder as feeder_module
from desktop.listen import player as player_module
from desktop.listen.feeder import KEPT_S, Feeder, PlayedFile
from desktop.listen.mixer import Feed, Mixer
from desktop.listen.player import Player
from desktop.listen.stretch import Stretch
from tests.desktop.listen.fake_device import FakeDevice

RATE_HZ = 48_000
FIRST, SECOND = (1.0, 0.0), (0.0, 1.0)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """Two files of 3 s whose samples tell where they are: rising, and falling below zero."""
    ramp = np.linspace(0, 0.9, 3 * RATE_HZ, dtype=np.float32)
    soundfile.write(tmp_path / "a.wav", ramp, RATE_HZ, subtype="FLOAT")
    soundfile.write(tmp_path / "b.wav", -ramp, RATE_HZ, subtype="FLOAT")
    return tmp_path / "a.wav", tmp_path / "b.wav"


@pytest.fixture
def device() -> FakeDevice:
    return FakeDevice(RATE_HZ)


@pytest.fixture
def files(pair: tuple[Path, Path]) -> list[PlayedFile]:
    return [PlayedFile(path) for path in pair]


@pytest.fixture
def player(qtbot: QtBot, device: FakeDevice, files: list[PlayedFile]) -> Iterator[Player]:
    """With the second one heard."""
    made = Player(device)
    made.load(files, SECOND)
    yield made
    made.close()


def start(qtbot: QtBot, player: Player, device: FakeDevice) -> None:
    n = len(device.streams)
    player.play()
    qtbot.waitUntil(lambda: len(device.streams) > n and player._stream is device.stream)


def test_a_stream_that_opens_while_the_player_is_closed_is_closed_too(
    qtbot: QtBot, player: Player, device: FakeDevice
) -> None:
    player.play()
    player.close()
    qtbot.waitUntil(lambda: device.stream.closed)


def heard(qtbot: QtBot, device: FakeDevice, n_frames: int = 2048) -> np.ndarray:
    """The next frames of the left channel, once reading is ahead of them."""
    qtbot.wait(60)
    return device.stream.play(n_frames)[:, 0]


def test_the_sound_with_a_weight_is_played_from_the_beginning(
    qtbot: QtBot, player: Player, device: FakeDevice
) -> None:
    start(qtbot, player, device)
    expected = -np.linspace(0, 0.9, 3 * RATE_HZ)[:4096]
    out = np.concatenate([device.stream.play(2048) for _ in range(2)])
    np.testing.assert_allclose(out[:, 0], expected, atol=1e-5)
    np.testing.assert_array_equal(out[:, 0], out[:, 1])


def test_flipping_continues_at_the_same_position_with_the_other_sound(
    qtbot: QtBot, player: Player, device: FakeDevice, files: list[PlayedFile]
) -> None:
    start(qtbot, player, device)
    before = heard(qtbot, device)[-1]
    player.change(files, FIRST)
    after = heard(qtbot, device)[-1]
    assert before == pytest.approx(-0.9 * 2047 / (3 * RATE_HZ), abs=1e-5)
    assert after == pytest.approx(0.9 * 4095 / (3 * RATE_HZ), abs=1e-5)


def test_flipping_does_not_click(
    qtbot: QtBot, player: Player, device: FakeDevice, files: list[PlayedFile]
) -> None:
    player.seek(2.0)
    start(qtbot, player, device)
    first = heard(qtbot, device)
    player.change(files, FIRST)
    both = np.concatenate([first, heard(qtbot, device)])
    assert np.abs(np.diff(both)).max() < 0.01  # of a jump by 1.2


def test_several_sounds_with_weights_are_added(
    qtbot: QtBot, player: Player, device: FakeDevice, files: list[PlayedFile]
) -> None:
    player.seek(1.0)
    player.change(files, (1.0, 0.25))
    start(qtbot, player, device)
    assert heard(qtbot, device)[0] == pytest.approx(0.3 * 0.75, abs=1e-4)


def test_the_volume_is_a_factor_of_everything(
    qtbot: QtBot, player: Player, device: FakeDevice
) -> None:
    player.set_volume(0.5)
    player.seek(1.0)
    start(qtbot, player, device)
    assert heard(qtbot, device)[0] == pytest.approx(-0.15, abs=1e-4)
    player.set_volume(0.1)
    assert heard(qtbot, device)[-1] == pytest.approx(-0.0326, abs=0.0005)
    assert player.weights == SECOND


def test_seeking_works_while_playing_and_paused(
    qtbot: QtBot, player: Player, device: FakeDevice
) -> None:
    player.seek(1.0)
    start(qtbot, player, device)
    assert heard(qtbot, device)[0] == pytest.approx(-0.3, abs=1e-4)
    player.seek(2.0)
    assert player.position_s == 2.0
    heard(qtbot, device)  # whatever was ready
    assert heard(qtbot, device)[-1] == pytest.approx(-0.6, abs=0.03)
    assert len(device.streams) == 1


def test_the_position_follows_what_was_played(
    qtbot: QtBot, player: Player, device: FakeDevice
) -> None:
    start(qtbot, player, device)
    for _ in range(12):
        heard(qtbot, device, 4000)
    qtbot.waitUntil(lambda: player.position_s == pytest.approx(1.0, abs=0.01))
    player.pause()
    assert player.position_s == pytest.approx(1.0, abs=0.01)
    qtbot.waitUntil(lambda: device.stream.closed)


def taken(qtbot: QtBot, device: FakeDevice, n_frames: int, piece: int = 2048) -> np.ndarray:
    """The left channel of the next frames, without the zeros where reading is behind."""
    parts: list[np.ndarray] = []
    while sum(map(len, parts)) < n_frames:
        out = device.stream.play(piece)[:, 0]
        parts.append(out[out != 0])
        if len(parts[-1]) < piece:
            qtbot.wait(5)
    return np.concatenate(parts)[:n_frames]


@pytest.mark.parametrize("loop", [(1.0, 1.25), (1.0, 2.5)])
def test_a_loop_is_repeated_without_clicks_and_goes_on_when_it_is_ended(
    qtbot: QtBot,
    player: Player,
    device: FakeDevice,
    files: list[PlayedFile],
    loop: tuple[float, float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(feeder_module, "KEPT_S", 1.0)  # the longer one is read again and again
    player.set_loop(loop)
    assert player.position_s == 1.0
    start(qtbot, player, device)
    length = round((loop[1] - loop[0]) * RATE_HZ)
    out = taken(qtbot, device, round(2.5 * length))
    qtbot.waitUntil(lambda: loop[0] <= player.position_s < loop[1])
    edge = RATE_HZ // 100
    for turn in range(2):
        expected = -0.9 * (RATE_HZ + np.arange(edge, length - edge)) / (3 * RATE_HZ)
        part = out[turn * length + edge : (turn + 1) * length - edge]
        np.testing.assert_allclose(part, expected, atol=1e-4)
    assert np.abs(np.diff(out[480:])).max() < 0.01  # of a jump by 0.3
    player.change(files, FIRST)
    assert taken(qtbot, device, 4096)[-1] > 0
    player.set_loop(None)
    after = taken(qtbot, device, round(3 * RATE_HZ - length) // 2)
    assert after.max() > 0.9 * loop[1] / 3
    assert np.abs(np.diff(after)).max() < 0.01
    assert len(device.streams) == 1


@pytest.mark.parametrize("loop", [(0.5, 1.5), (0.5, KEPT_S + 1.0)], ids=["kept", "read again"])
def test_reading_a_loop_ends_with_its_feeder(
    qtbot: QtBot, files: list[PlayedFile], loop: Stretch
) -> None:
    feeder = Feeder(files, RATE_HZ, 0.0, loop)
    feeder.wait_until_ready(5.0)
    assert feeder.take() is not None
    feeder.close()
    qtbot.waitUntil(lambda: "listen" not in {each.name for each in threading.enumerate()})


def test_another_take_is_played_in_the_same_stream(
    qtbot: QtBot, player: Player, device: FakeDevice, files: list[PlayedFile]
) -> None:
    start(qtbot, player, device)
    heard(qtbot, device)
    for gain in (0.5, 0.25, 0.1):
        player.change([files[0]], (gain,))
        player.change([files[0], files[0]], (0.0, gain))
    qtbot.waitUntil(lambda: heard(qtbot, device)[-1] > 0)
    at_s = player._order.mixer.position_s if player._order else 0.0
    assert heard(qtbot, device)[0] == pytest.approx(0.1 * 0.3 * at_s, abs=1e-4)
    assert len(device.streams) == 1
    player.change(files, SECOND)
    player.seek(2.0)
    qtbot.waitUntil(lambda: heard(qtbot, device)[-1] < -0.6)


def test_a_sound_that_is_not_heard_may_be_missing(
    qtbot: QtBot, player: Player, device: FakeDevice, files: list[PlayedFile]
) -> None:
    files[0].path.unlink()
    player.seek(1.0)
    start(qtbot, player, device)
    assert heard(qtbot, device)[0] == pytest.approx(-0.3, abs=1e-4)


class ReadyFeeder:
    """Has what it is given, once it is ready."""

    def __init__(self, samples: np.ndarray, *, ready: bool = True, size: int = 2048) -> None:
        stereo = np.repeat(samples.astype(np.float32)[:, None, None], 2, axis=2)
        self.chunks = [stereo[at : at + size] for at in range(0, len(stereo), size)]
        self.ready = ready
        self.closed = False

    @property
    def exhausted(self) -> bool:
        return not self.chunks

    def take(self) -> np.ndarray | None:
        return self.chunks.pop(0) if self.ready and self.chunks else None

    def close(self) -> None:
        self.closed = True


def feed(feeder: ReadyFeeder, start_s: float, weight: float, since_s: float | None = None) -> Feed:
    return Feed(feeder, RATE_HZ, start_s, (weight,), None, since_s)  # type: ignore[arg-type]


def filled(mixer: Mixer, *sizes: int) -> np.ndarray:
    parts = []
    for size in sizes:
        out = np.full((size, 2), 9, dtype=np.float32)
        assert mixer.fill(out)
        parts.append(out[:, 0])
    return np.concatenate(parts)


@pytest.mark.parametrize("piece", [64, 480, 2048])
def test_takes_are_exchanged_at_the_same_instant_without_a_gap_or_click(piece: int) -> None:
    ramp = np.linspace(0, 0.9, 3 * RATE_HZ, dtype=np.float32)
    mixer = Mixer()
    first, second = ReadyFeeder(ramp), ReadyFeeder(ramp[12_000:] / 2, ready=False)
    mixer.feed(feed(first, 0.0, 1.0))
    played = [filled(mixer, 12_000)]
    mixer.feed(feed(second, 0.25, 0.5, since_s=0.25))
    played.append(filled(mixer, *[piece] * 3))
    assert not first.closed
    second.ready = True
    played.append(filled(mixer, *[piece] * (24_000 // piece)))
    found = np.concatenate(played)
    before = ramp[: len(found)]
    assert first.closed
    assert np.abs(np.diff(found)).max() < 0.001  # of a jump by 0.06
    known = 12_000 + 3 * piece
    np.testing.assert_allclose(found[:known], before[:known], atol=1e-6)
    np.testing.assert_allclose(found[known + 1000 :], before[known + 1000 :] / 4, atol=1e-6)
    assert mixer.position_s == pytest.approx(len(found) / RATE_HZ)


def test_of_several_takes_only_the_last_is_heard_and_a_jump_counts_more() -> None:
    tone = np.full(RATE_HZ, 0.8)
    mixer = Mixer()
    feeders = [ReadyFeeder(tone * share) for share in (1.0, 0.5, 0.25)]
    mixer.feed(feed(feeders[0], 0.0, 1.0))
    filled(mixer, 5000)
    for feeder in feeders[1:]:
        mixer.feed(feed(feeder, 5000 / RATE_HZ, 0.5, since_s=5000 / RATE_HZ))
    assert filled(mixer, 5000)[-1] == pytest.approx(0.1)
    assert feeders[1].closed
    mixer.feed(feed(ReadyFeeder(tone), 0.2, 1.0, since_s=0.2))
    mixer.feed(feed(ReadyFeeder(tone / 2), 0.5, 1.0))
    assert mixer.position_s == 0.5
    assert filled(mixer, 4800)[-1] == pytest.approx(0.4)
    assert mixer.position_s == pytest.approx(0.6)


def test_a_sum_that_is_too_loud_is_turned_down_instead_of_clipped_and_comes_back() -> None:
    t = np.arange(RATE_HZ) / RATE_HZ
    tone = np.sin(2 * np.pi * 1000 * t) * np.where((t > 0.2) & (t < 0.4), 1.6, 0.5)
    mixer = Mixer()
    mixer.feed(feed(ReadyFeeder(tone), 0.0, 1.0))
    found = filled(mixer, *[512] * 80)
    loud = found[round(0.25 * RATE_HZ) : round(0.35 * RATE_HZ)]
    spectrum = np.abs(np.fft.rfft(loud * np.hanning(len(loud))))
    assert np.abs(loud).max() == pytest.approx(1.0, abs=0.01)
    assert spectrum[295:305].max() < 0.01 * spectrum.max()  # clipped: an overtone of 20 %
    np.testing.assert_allclose(found[:9000], tone[:9000], atol=1e-6)
    np.testing.assert_allclose(found[-9000:], tone[: len(found)][-9000:], atol=1e-6)


def test_at_the_end_it_stops_and_goes_back_to_the_start(
    qtbot: QtBot, player: Player, device: FakeDevice
) -> None:
    player.seek(2.9)
    start(qtbot, player, device)
    problems: list[str] = []
    player.problem.connect(problems.append)
    for _ in range(10):
        heard(qtbot, device)
        if not player.is_playing:
            break
    assert not player.is_playing
    assert player.position_s == 0.0
    assert problems == []


def test_files_of_other_rates_and_channels_are_played_at_their_own_speed(
    qtbot: QtBot, player: Player, device: FakeDevice, tmp_path: Path
) -> None:
    t = np.arange(2 * 40_000) / 40_000
    tone = (0.5 * np.sin(2 * np.pi * 1000 * t)).astype(np.float32)
    soundfile.write(tmp_path / "c.flac", np.stack([tone, 0 * tone, tone], 1), 40_000)
    player.load([PlayedFile(tmp_path / "c.flac")], (1.0,))
    start(qtbot, player, device)
    qtbot.wait(100)
    out = device.stream.play(24_000)
    spectrum = np.abs(np.fft.rfft(out[:, 0]))
    assert np.argmax(spectrum) * 2 == 1000
    # The third channel of a FLAC is the centre, which both sides play.
    assert np.abs(out[:, 1]).max() == pytest.approx(0.707 * 0.5, abs=0.01)


def test_without_a_device_one_sentence_is_shown(qtbot: QtBot, files: list[PlayedFile]) -> None:
    player = Player(FakeDevice(refusal="there is no sound output"))
    player.load(files, FIRST)
    with qtbot.waitSignal(player.problem, timeout=3000) as told:
        player.play()
    assert told.args == ["Cannot play: there is no sound output; connect headphones or a speaker."]
    assert not player.is_playing
    player.close()


def test_an_unplugged_device_is_reported_and_playing_can_continue(
    qtbot: QtBot, player: Player, device: FakeDevice
) -> None:
    start(qtbot, player, device)
    heard(qtbot, device)
    with qtbot.waitSignal(player.problem, timeout=3000) as told:
        device.stream.unplug()
    assert "went away" in told.args[0]
    assert not player.is_playing
    start(qtbot, player, device)
    assert player.is_playing


def test_a_device_that_stops_asking_for_sound_is_noticed(
    qtbot: QtBot, player: Player, device: FakeDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(player_module, "STALLED_POLLS", 3)
    start(qtbot, player, device)
    with qtbot.waitSignal(player.problem, timeout=3000) as told:
        pass
    assert "went away" in told.args[0]


def test_a_missing_file_gives_a_sentence(
    qtbot: QtBot, player: Player, pair: tuple[Path, Path]
) -> None:
    pair[1].unlink()
    with qtbot.waitSignal(player.problem, timeout=3000) as told:
        player.play()
    assert '"b.wav"' in told.args[0]
    assert "the file does not exist" in told.args[0]


def test_pausing_before_the_device_has_opened_leaves_nothing_open(
    qtbot: QtBot, player: Player, device: FakeDevice
) -> None:
    for _ in range(5):
        player.play()
        player.pause()
    qtbot.waitUntil(lambda: bool(device.streams) and all(s.closed for s in device.streams))
    assert not player.is_playing


def test_without_files_nothing_plays(qtbot: QtBot, player: Player, device: FakeDevice) -> None:
    player.load([], ())
    player.play()
    assert not player.is_playing
    assert device.streams == []


PLAY_A_TONE = """
import sys, threading
import numpy as np
from desktop.listen.output_device import PlaybackError, PortAudioDevice

t = np.arange(9600) / 48000
tone = np.repeat((0.5 * np.sin(2 * np.pi * 1000 * t)).astype(np.float32)[:, None], 2, axis=1)
ended, at = threading.Event(), 0

def fill(out):
    global at
    part = tone[at:at + len(out)]
    out[:len(part)], out[len(part):] = part, 0
    at += len(out)
    return at < len(tone)

try:
    stream = PortAudioDevice().open(fill, ended.set)
    stream.start()
except PlaybackError as error:
    print(error)
    sys.exit(3)
assert ended.wait(10)
stream.close()
"""


def play_in_a_process(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PLAY_A_TONE],
        cwd=Path(__file__).parents[3],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


on_linux_with_portaudio = pytest.mark.skipif(
    sys.platform != "linux" or ctypes.util.find_library("portaudio") is None,
    reason="needs ALSA and PortAudio",
)


@on_linux_with_portaudio
def test_real_portaudio_without_any_device_gives_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "asound.conf").write_text(
        "pcm.!default { type hw\n card 77 }\nctl.!default { type hw\n card 77 }\n"
    )
    done = play_in_a_process({"ALSA_CONFIG_PATH": str(tmp_path / "asound.conf")})
    assert (done.returncode, done.stdout.count("\n")) == (3, 1), done.stderr
    assert done.stdout.startswith("Cannot play: ")


@on_linux_with_portaudio
def test_a_system_that_makes_portaudio_abort_gives_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "asound.conf").write_text("")  # no default device at all: an assert in C fails
    environment = {"ALSA_CONFIG_PATH": str(tmp_path / "asound.conf")}
    trial = [sys.executable, "-c", "import sounddevice as s; s._terminate(); s._initialize()"]
    bare = subprocess.run(trial, env=os.environ | environment, capture_output=True, check=False)
    if bare.returncode >= 0:
        pytest.skip("this PortAudio bears it")
    done = play_in_a_process(environment)
    assert (done.returncode, done.stdout.count("\n")) == (3, 1), done.stderr
    assert done.stdout.startswith("Cannot play: the sound system")


@on_linux_with_portaudio
def test_real_portaudio_plays_exactly_the_samples(tmp_path: Path) -> None:
    played = tmp_path / "played.raw"
    (tmp_path / "asound.conf").write_text(
        "pcm.!default { type file\n"
        f' slave.pcm {{ type null }}\n file "{played}"\n format raw }}\n'
        "ctl.!default { type hw\n card 0 }\n"
    )
    done = play_in_a_process({"ALSA_CONFIG_PATH": str(tmp_path / "asound.conf")})
    assert done.returncode == 0, done.stdout + done.stderr
    samples = np.frombuffer(played.read_bytes(), dtype=np.float32)[: 2 * 9600 : 2]
    assert len(samples) == 9600
    assert np.argmax(np.abs(np.fft.rfft(samples))) * 5 == 1000
