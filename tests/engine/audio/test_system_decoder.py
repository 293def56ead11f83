"""Reading without PyAV. Only the two tools of macOS are stand-ins; what they write is decoded."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from engine.audio import reader, system_decoder
from engine.audio.container_decoder import probe as probe_with_ffmpeg
from engine.audio.headers import read_header, sound_track
from engine.audio.reader import probe_audio, read_audio, read_blocks
from engine.errors import AudioFileError, OutputFileError
from tests.engine.audio.sound_file import decoded_by, encode, music, snr_db

RATE_HZ = 44_100
N = 3 * RATE_HZ + 77

AFCONVERT = """#!{python}
import sys
sys.path.insert(0, {root!r})
from pathlib import Path
from engine.audio.reader import read_audio
import soundfile
open({log!r}, "a").write(" ".join(sys.argv[1:]) + chr(10))
assert sys.argv[1:5] == ["-f", "WAVE", "-d", "LEF32"], sys.argv
source, target = map(Path, sys.argv[5:])
if {fails_on_video} and source.suffix == ".mp4":
    sys.exit("Error: ExtAudioFileOpenURL failed ('typ?')")
found = read_audio(source)
soundfile.write(target, found.samples, found.rate_hz, subtype="FLOAT")
"""
AVCONVERT = """#!{python}
import shutil, sys
open({log!r}, "a").write(" ".join(sys.argv[1:]) + chr(10))
assert sys.argv[1:3] == ["--preset", "PresetAppleM4A"]
shutil.copy(sys.argv[4], sys.argv[6])
"""


class Mac:
    """A machine with the tools of macOS and without PyAV."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder, self._monkeypatch = folder, monkeypatch
        self.scratch = folder / "scratch"
        self.scratch.mkdir()
        self.log = folder / "log"
        monkeypatch.setattr("tempfile.tempdir", str(self.scratch))
        monkeypatch.setattr(reader, "find_spec", lambda _: None)
        self.install()

    def install(self, *, fails_on_video: bool = False) -> None:
        for name, text in (("AFCONVERT", AFCONVERT), ("AVCONVERT", AVCONVERT)):
            tool = self._folder / name.lower()
            root = str(Path(__file__).parents[3])
            tool.write_text(
                text.format(
                    python=sys.executable,
                    root=root,
                    log=str(self.log),
                    fails_on_video=fails_on_video,
                )
            )
            tool.chmod(0o755)
            self._monkeypatch.setattr(system_decoder, name, tool)

    @property
    def calls(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    @property
    def left_behind(self) -> list[Path]:
        return list(self.scratch.iterdir())


@pytest.fixture
def mac(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mac:
    return Mac(tmp_path, monkeypatch)


def test_an_m4a_is_decoded_to_its_true_length_and_nothing_is_left(mac: Mac, tmp_path: Path) -> None:
    sound = music(N, RATE_HZ, 2)
    path = encode(tmp_path / "-f 雅 a b.m4a", sound, RATE_HZ, "aac")
    source = read_audio(path)
    assert (source.path, source.rate_hz, source.samples.shape) == (path, RATE_HZ, (N, 2))
    assert source.format == "mov (mp4a)"
    assert snr_db(sound, source.samples) > 20
    assert mac.left_behind == []
    (call,) = mac.calls
    assert call.startswith("-f WAVE -d LEF32 ")
    assert "雅" not in call


def test_mono_is_mixed_as_for_every_other_file(mac: Mac, tmp_path: Path) -> None:
    path = encode(tmp_path / "a.m4a", music(N, RATE_HZ, 2), RATE_HZ, "aac")
    stereo, mono = read_audio(path), read_audio(path, mono=True)
    np.testing.assert_allclose(mono.samples[:, 0], stereo.samples.mean(axis=1), atol=1e-6)


def test_a_video_that_afconvert_does_not_take_goes_through_avconvert(
    mac: Mac, tmp_path: Path
) -> None:
    mac.install(fails_on_video=True)
    path = encode(tmp_path / "a.mov", music(N, RATE_HZ), RATE_HZ, "aac", video="mpeg4")
    assert read_audio(path).samples.shape == (N, 1)
    assert [call.split()[0] for call in mac.calls] == ["-f", "--preset", "-f"]
    assert mac.left_behind == []


def test_blocks_start_where_they_are_asked_to_and_leave_nothing_when_closed(
    mac: Mac, tmp_path: Path
) -> None:
    path = encode(tmp_path / "a.m4a", music(N, RATE_HZ), RATE_HZ, "aac")
    whole = read_audio(path).samples
    late = np.concatenate([block.samples for block in read_blocks(path, start_s=1.0)])
    np.testing.assert_array_equal(late, whole[RATE_HZ:])
    begun = read_blocks(path)
    next(begun)
    assert mac.left_behind != []
    begun.close()  # type: ignore[attr-defined]
    assert mac.left_behind == []


@pytest.mark.parametrize("name", ["a.m4a", "a.mp4", "a.mov"])
def test_a_movie_header_is_read_as_ffmpeg_reads_it(mac: Mac, tmp_path: Path, name: str) -> None:
    video = None if name == "a.m4a" else "mpeg4"
    path = encode(tmp_path / name, music(N, RATE_HZ, 2), RATE_HZ, "aac", video=video)
    found, known = probe_audio(path), probe_with_ffmpeg(path)
    assert (found.rate_hz, found.channels) == (known.rate_hz, known.channels) == (RATE_HZ, 2)
    assert found.duration_s == pytest.approx(known.duration_s, abs=0.05)
    assert mac.calls == []


def test_other_sounds_are_probed_by_decoding_them(mac: Mac, tmp_path: Path) -> None:
    path = encode(tmp_path / "a.aac", music(N, RATE_HZ), RATE_HZ, "aac")
    found = probe_audio(path)
    assert (found.path, found.format, found.rate_hz, found.channels) == (path, "aac", RATE_HZ, 1)
    assert mac.left_behind == []


@pytest.mark.parametrize(
    ("name", "codec", "word"),
    [
        ("a.webm", "libopus", "WebM or Matroska"),
        ("a.mkv", "aac", "WebM or Matroska"),
        ("a.wma", "wmav2", "Windows Media"),
        ("a.avi", "mp3", "AVI"),
        ("a.flv", "mp3", "Flash"),
        ("a.wv", "wavpack", "WavPack"),
        ("a.tta", "tta", "TTA"),
    ],
)
def test_what_macos_does_not_decode_is_refused_by_its_content_in_one_sentence(
    mac: Mac, tmp_path: Path, name: str, codec: str, word: str
) -> None:
    path = encode(tmp_path / name, music(N, 48_000), 48_000, codec).rename(tmp_path / "a.mp4")
    for read in (read_audio, probe_audio):
        with pytest.raises(AudioFileError) as caught:
            read(path)
        assert word in str(caught.value)
        assert "convert it to m4a, mp4 or wav first" in str(caught.value)
    assert mac.calls == []


def test_silent_and_cut_off_videos_get_different_messages(mac: Mac, tmp_path: Path) -> None:
    silent = encode(tmp_path / "silent.mp4", music(N, RATE_HZ), RATE_HZ, "", video="mpeg4")
    with pytest.raises(AudioFileError, match="this video has no sound"):
        read_audio(silent)
    whole = encode(tmp_path / "a.m4a", music(N, RATE_HZ), RATE_HZ, "aac").read_bytes()
    (tmp_path / "cut.m4a").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(AudioFileError, match="unfinished or cut-off"):
        read_audio(tmp_path / "cut.m4a")
    assert mac.calls == []


def test_a_protected_file_is_refused_as_such(mac: Mac, tmp_path: Path) -> None:
    path = encode(tmp_path / "a.m4a", music(N, RATE_HZ), RATE_HZ, "aac")
    path.write_bytes(path.read_bytes().replace(b"mp4a", b"drms"))
    with pytest.raises(AudioFileError, match="copy-protected"):
        read_audio(path)


def test_a_file_without_sound_is_refused_in_one_sentence_and_leaves_nothing(
    mac: Mac, tmp_path: Path
) -> None:
    path = tmp_path / "noise.m4a"
    path.write_bytes(np.random.default_rng(0).bytes(5000))
    with pytest.raises(AudioFileError, match="that macOS can decode, or it is damaged"):
        read_audio(path)
    assert mac.left_behind == []


def test_a_full_disk_is_not_called_a_damaged_file(
    mac: Mac, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "noise.m4a"
    path.write_bytes(np.random.default_rng(0).bytes(5000))
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=4096))
    with pytest.raises(OutputFileError, match=r"Cannot keep temporary sound .*disk is full"):
        read_audio(path)
    assert mac.left_behind == []


@pytest.mark.parametrize(
    "use",
    [
        system_decoder.probe,
        lambda path: decoded_by(system_decoder, path),
        lambda path: next(system_decoder.blocks(path, 0.0)),
    ],
)
def test_an_empty_result_of_the_tools_is_refused_in_one_sentence(
    mac: Mac, tmp_path: Path, use: Callable[[Path], object]
) -> None:
    path = tmp_path / "odd.amr"
    path.write_bytes(b"#!AMR\n" + bytes(100))
    system_decoder.AFCONVERT.write_text(
        f"#!{sys.executable}\nimport sys\nopen(sys.argv[-1], 'w')\n"
    )
    with pytest.raises(AudioFileError, match="that macOS can decode, or it is damaged"):
        use(path)
    assert mac.left_behind == []


def test_without_the_tools_of_macos_it_says_so(
    mac: Mac, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = encode(tmp_path / "a.m4a", music(N, RATE_HZ), RATE_HZ, "aac")
    monkeypatch.setattr(system_decoder, "AFCONVERT", tmp_path / "no tool")
    with pytest.raises(AudioFileError, match="install PyAV"):
        read_audio(path)


def test_where_pyav_is_installed_it_decodes(tmp_path: Path) -> None:
    from engine.audio import container_decoder

    assert reader._other_decoder() is container_decoder


def test_a_damaged_header_never_does_more_than_be_refused(tmp_path: Path) -> None:
    whole = encode(tmp_path / "a.m4a", music(N, RATE_HZ), RATE_HZ, "aac").read_bytes()
    path = tmp_path / "damaged.m4a"
    random = np.random.default_rng(7)
    start = whole.find(b"moov")
    for _ in range(300):
        damaged = bytearray(whole)
        for at in random.integers(start - 4, len(whole), 4):
            damaged[at] = random.integers(0, 256)
        path.write_bytes(damaged)
        header = read_header(path)
        track = None if header is None else sound_track(header)
        assert track is None or track.duration_s >= 0


def test_a_long_sound_goes_into_a_container_without_a_limit_of_four_gigabytes() -> None:
    command = system_decoder.afconvert_command(Path("in.mp4"), Path("out.caf"))
    assert command[1:] == ["-f", "caff", "-d", "LEF32", "in.mp4", "out.caf"]
