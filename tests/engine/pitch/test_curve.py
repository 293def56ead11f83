"""Pitch curves from files."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import PitchCurveError
from engine.pitch.curve import PitchCurve, read_curve_file, write_curve_file


def written(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "curve.csv"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize(
    "text",
    [
        "0,220\n0.5,440\n1,0\n",
        "seconds,hz\n0,220\n0.5,440\n1,0",
        "Time (s);F0 (Hz)\r\n0;220\r\n0,5;440\r\n1;0\r\n",
        "0\t220\n0,5\t440\n1\t0\n",
        "\n\ntime,pitch\n\n 0 , 220 \n5e-1,4.4e2\n1,0.0\n\n",
        "0,220\r0.5,440\r1,0\r",
        "time,frequency,confidence\n0.00,220.0,0.9\n0.50,440.0,0.9\n1.00,0.0,0.1\n",  # CREPE
        "0.0,220,voiced\n0.5,440,voiced\n1,0,\n",
        "0,0;220;a;b\n0,5;440;;\n1;0;x\n",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_every_usual_way_to_write_a_curve_is_read(tmp_path: Path, text: str, encoding: str) -> None:
    curve = read_curve_file(written(tmp_path, text, encoding))
    assert curve.seconds.tolist() == [0, 0.5, 1]
    assert curve.hz.tolist() == [220, 440, 0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no points"),
        ("seconds,hz\n", "no points"),
        ("0,220\n0.5\n", "line 2 is not two numbers"),
        ("0,220,1\n0.5,x,1\n", "line 2 is not two numbers"),
        ("0,01,220,5\n0,02,221,5\n", "line 1 asks for 1 Hz"),  # decimal commas
        ("0,220\nx,440\n", "line 2 is not two numbers"),
        ("a,b\nc,d\n", "line 2 is not two numbers"),
        ("0,220\n1,nan\n", "line 2 is not two numbers"),
        ("0,220\ninf,220\n", "line 2 is not two numbers"),
        ("0,220\n\n0,230\n", "line 3 (0 s) is not after"),
        ("1,220\n0.5,230\n", "line 2 (0.5 s) is not after"),
        ("-1,220\n", "line 1 has a negative"),
        ("0,-220\n", "line 1 has a negative"),
        ("0,5\n", "line 1 asks for 5 Hz"),
        ("0,48000\n", "line 1 asks for 48000 Hz"),
    ],
)
def test_a_line_that_is_not_a_point_is_refused_with_its_number(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(PitchCurveError) as caught:
        read_curve_file(written(tmp_path, text))
    assert said in str(caught.value)
    assert '"curve.csv"' in str(caught.value)


def test_missing_files_and_files_that_are_not_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PitchCurveError, match="UTF-8"):
        read_curve_file(written(tmp_path, "0,220\n", "utf-16"))
    with pytest.raises(PitchCurveError, match="file does not exist"):
        read_curve_file(tmp_path / "none.csv")
    os.mkfifo(tmp_path / "pipe.csv")
    for path in (tmp_path, tmp_path / "pipe.csv", Path("/dev/zero")):
        with pytest.raises(PitchCurveError, match="not a regular file"):
            read_curve_file(path)
    huge = tmp_path / "huge.csv"
    with huge.open("wb") as file:
        file.truncate(10**9)
    with pytest.raises(PitchCurveError, match="too large"):
        read_curve_file(huge)


@given(st.text(max_size=200))
def test_every_text_is_read_or_refused_with_that_error(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_text(text, encoding="utf-8", errors="replace")
    try:
        curve = read_curve_file(path)
    except PitchCurveError:
        return
    assert np.isfinite(curve.at_frames(50)).all()


def curve(*points: tuple[float, float]) -> PitchCurve:
    seconds, hz = np.array(points).T
    return PitchCurve(seconds, hz)


def test_between_voiced_points_the_pitch_is_a_straight_line() -> None:
    f0_hz = curve((0, 200), (0.1, 300), (0.3, 100)).at_frames(31)
    assert f0_hz[:11] == pytest.approx(np.linspace(200, 300, 11))
    assert f0_hz[10:] == pytest.approx(np.linspace(300, 100, 21))
    assert f0_hz.dtype == np.float32


def test_no_line_leads_into_an_unvoiced_point() -> None:
    f0_hz = curve((0, 200), (0.1, 0), (0.2, 0), (0.3, 400)).at_frames(31)
    assert set(f0_hz.tolist()) == {0.0, 200.0, 400.0}
    assert (f0_hz > 0).tolist() == [True] * 5 + [False] * 20 + [True] * 6


def test_points_on_the_frames_come_back_as_they_are() -> None:
    seconds = np.arange(500) / 100
    hz = np.where(np.arange(500) % 7 < 4, 150.0 + np.arange(500), 0.0)
    assert np.array_equal(PitchCurve(seconds, hz).at_frames(500), hz.astype(np.float32))


def test_before_the_first_and_after_the_last_point_all_frames_are_unvoiced() -> None:
    f0_hz = curve((0.1, 200), (0.2, 200)).at_frames(40)
    assert np.flatnonzero(f0_hz).tolist() == list(range(10, 21))


def test_a_later_start_reads_the_same_curve() -> None:
    given_curve = curve((0, 100), (1, 200), (1.5, 0), (2, 300), (2.5, 400))
    whole = given_curve.at_frames(300)
    assert given_curve.at_frames(120, start_s=1.3) == pytest.approx(whole[130:250], rel=1e-6)


def test_a_single_point_is_a_single_frame() -> None:
    assert np.flatnonzero(curve((0.05, 220)).at_frames(20)).tolist() == [5]


def test_a_written_curve_is_read_back_frame_by_frame(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    f0_hz = rng.uniform(50, 1900, 6000).astype(np.float32)
    f0_hz[rng.uniform(size=6000) < 0.3] = 0
    f0_hz[1000:3000] = 0
    f0_hz[:20] = f0_hz[-7:] = 0
    for curve in (f0_hz, f0_hz[:1], f0_hz[1000:1100], f0_hz[3000:4000]):
        write_curve_file(tmp_path / "curve.csv", curve)
        read = read_curve_file(tmp_path / "curve.csv").at_frames(len(curve))
        assert np.array_equal(read, curve)
    assert (tmp_path / "curve.csv").stat().st_size < 40_000


def test_a_curve_that_cannot_be_written_leaves_the_former_one(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    target.mkdir()
    (target / "inside").touch()
    with pytest.raises(OSError, match="folder"):
        write_curve_file(target, np.ones(3, np.float32))
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
