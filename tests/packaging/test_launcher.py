"""The launcher, really run. Only the edges are stand-ins: pip (the network) and the modules."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.cli.command import COMMANDS as ENGINE_COMMANDS

ROOT = Path(__file__).parents[2]
COMMANDS = (
    *("run", "convert", "cover", "separate", "repeat", "voice", "voices", "models", "export"),
    *("benchmark", "tune", "doctor", "test", "update", "help"),
)

STAND_IN = r"""#!/bin/bash
# A Python whose pip and modules only note that they were called.
case " $* " in
    *" -m venv "*)
        folder=${@: -1}
        rm -rf "$folder"
        mkdir -p "$folder/bin"
        cp "$0" "$folder/bin/python" ;;
    *" -m pip --version "*) ;;
    *" -m pip "*)
        printf '%s\n' "$*" >>"$NOTES/pip"
        echo 'Collecting torch'
        [ -e "$NOTES/slow" ] && exec sleep 60
        [ -e "$NOTES/pip-fails" ] && { cat "$NOTES/pip-fails"; exit 1; }
        exit 0 ;;
    " -P -m "*)
        printf 'arguments:'; printf ' [%s]' "$@"
        printf '\nfallback: %s\npath: %s\nplatform: %s\ncwd: %s\n' \
            "$PYTORCH_ENABLE_MPS_FALLBACK" "$PYTHONPATH" "${QT_QPA_PLATFORM:-none}" "$PWD"
        exit "${MODULE_ENDS_WITH:-0}" ;;
    *) exec "$REAL_PYTHON" "$@" ;;
esac
"""


@dataclass
class Copy:
    """A copy of the launcher in a folder of its own, with a stand-in for Python on its PATH."""

    root: Path
    tools: Path
    notes: Path

    def run(
        self, *arguments: str, cwd: Path | None = None, script: Path | None = None, **more: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(script or self.root / "urvc-macos.sh"), *arguments],
            cwd=cwd or self.root,
            env=self.environment(**more),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def environment(self, **more: str) -> dict[str, str]:
        dropped = ("QT_QPA_PLATFORM", "PYTORCH_ENABLE_MPS_FALLBACK", "DISPLAY", "WAYLAND_DISPLAY")
        kept = {name: value for name, value in os.environ.items() if name not in dropped}
        path = f"{self.tools}{os.pathsep}{os.environ['PATH']}"
        own = {"PATH": path, "NOTES": str(self.notes), "REAL_PYTHON": sys.executable}
        return kept | own | more

    def add_tool(self, name: str, text: str) -> None:
        (self.tools / name).write_text(text)
        (self.tools / name).chmod(0o755)

    def be_a_mac(self) -> None:
        self.add_tool("uname", '#!/bin/bash\n[ "$1" = -m ] && echo arm64 || echo Darwin\n')
        self.add_tool("sw_vers", "#!/bin/bash\necho 15.1\n")
        chip = "case $2 in hw.memsize) echo 38654705664 ;; *) echo Apple M3 Max ;; esac"
        self.add_tool("sysctl", f"#!/bin/bash\n{chip}\n")

    @property
    def pip_calls(self) -> list[str]:
        pip = self.notes / "pip"
        return pip.read_text().splitlines() if pip.exists() else []

    @property
    def installs(self) -> int:
        return sum("--require-hashes" in call for call in self.pip_calls)


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    made = Copy(tmp_path / "a folder 資料夾", tmp_path / "tools", tmp_path / "notes")
    for folder in (made.root, made.tools, made.notes):
        folder.mkdir(parents=True)
    shutil.copy(ROOT / "urvc-macos.sh", made.root)
    shutil.copytree(ROOT / "packaging" / "locks", made.root / "packaging" / "locks")
    made.add_tool("python3.11", STAND_IN)
    # All libraries are there: no test may install any on the machine it runs on.
    made.add_tool("ldconfig", f"#!/bin/bash\ncat '{made.notes}/libraries'\n")
    (made.notes / "libraries").write_text((ROOT / "urvc-macos.sh").read_text(encoding="utf-8"))
    return made


@pytest.mark.parametrize("word", ["help", "--help", "-h"])
def test_help_names_every_command_on_stdout(copy: Copy, word: str) -> None:
    done = copy.run(word)
    assert (done.returncode, done.stderr, copy.installs) == (0, "", 0)
    assert all(f"\n  {command} " in done.stdout for command in COMMANDS)


def test_every_command_of_the_engine_is_one_of_the_launcher() -> None:
    names = set(ENGINE_COMMANDS)
    launcher = (ROOT / "urvc-macos.sh").read_text(encoding="utf-8")
    accepted = re.search(r"^ +(run \|.*)\) shift ;;$", launcher, re.MULTILINE)
    assert accepted is not None
    assert "convert" in names
    assert names <= set(accepted.group(1).split(" | "))


@pytest.mark.parametrize("arguments", [(), ("destroy",), ("--version",), ("",)])
def test_anything_else_shows_help_on_stderr_and_ends_with_2(
    copy: Copy, arguments: tuple[str, ...]
) -> None:
    done = copy.run(*arguments)
    assert (done.returncode, done.stdout, copy.installs) == (2, "", 0)
    assert "usage:" in done.stderr


def test_the_first_start_sets_up_and_the_second_does_nothing_and_says_nothing(copy: Copy) -> None:
    first = copy.run("convert", "a b.wav")
    assert first.returncode == 0, first.stderr
    assert "Installing Python packages" in first.stderr
    assert copy.installs == 1
    second = copy.run("convert", "a b.wav")
    assert (second.returncode, second.stderr, copy.installs) == (0, "", 1)
    assert second.stdout == first.stdout
    assert first.stdout.startswith("arguments: [-P] [-m] [engine] [convert] [a b.wav]\n")


def installed_files(call: str) -> list[str]:
    """Names of the requirement files of a call of pip, in their order."""
    return [name.rpartition("/")[2] for name in re.findall(r"-r (\S.*?\.txt)", call)]


@pytest.mark.skipif(sys.platform != "linux", reason="torch has a hash on macOS")
def test_everything_but_torch_is_installed_as_locked_and_nothing_else_with_it(copy: Copy) -> None:
    copy.run("doctor")
    hashed, torch = copy.pip_calls
    assert "--require-hashes --no-deps" in hashed
    assert installed_files(hashed) == ["runtime.txt"]
    assert "--require-hashes" not in torch
    assert installed_files(torch) == ["torch.txt"]
    copy.run("test")
    assert installed_files(copy.pip_calls[2]) == ["runtime.txt", "dev.txt"]


def test_on_a_mac_torch_has_a_hash_like_everything_else(copy: Copy) -> None:
    copy.be_a_mac()
    assert copy.run("doctor").returncode == 0
    (call,) = copy.pip_calls
    assert "--require-hashes --no-deps" in call
    assert installed_files(call) == ["runtime.txt"]


@pytest.mark.parametrize(("changed", "installs"), [("runtime.txt", 2), ("dev.txt", 1)])
def test_a_changed_lock_is_installed_on_the_next_start_that_needs_it(
    copy: Copy, changed: str, installs: int
) -> None:
    copy.run("voice")
    with (copy.root / "packaging" / "locks" / changed).open("a") as file:
        file.write("another==1\n")
    assert copy.run("voice").returncode == 0
    assert copy.installs == installs


def test_after_the_tests_were_set_up_the_app_needs_no_set_up(copy: Copy) -> None:
    copy.run("test")
    assert copy.run("run").returncode == 0
    assert copy.installs == 1


def test_a_missing_lock_is_reported_and_nothing_is_installed(copy: Copy) -> None:
    (copy.root / "packaging" / "locks" / "runtime.txt").unlink()
    done = copy.run("doctor")
    assert (done.returncode, copy.installs) == (1, 0)
    assert 'runtime.txt" is missing' in done.stderr.splitlines()[-1]


def test_a_set_up_that_fails_says_why_and_is_tried_again(copy: Copy) -> None:
    reasons = {
        "NewConnectionError: Temporary failure in name resolution": "network did not answer",
        "OSError: [Errno 28] No space left on device": "disk is full",
        "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES": "differs from the one that was locked",
        "ERROR: No matching distribution found for torch==2.13.0": "no version for this system",
        "something else": "start again to retry",
    }
    for text, sentence in reasons.items():
        (copy.notes / "pip-fails").write_text(text + "\n")
        done = copy.run("convert", "x.wav")
        assert (done.returncode, done.stdout) == (1, "")
        assert text in done.stderr
        assert sentence in done.stderr.splitlines()[-1]
    (copy.notes / "pip-fails").unlink()
    assert copy.run("convert", "x.wav").returncode == 0
    assert copy.installs == len(reasons) + 1


def start_slow_set_up(copy: Copy) -> subprocess.Popen[bytes]:
    """A launcher whose pip has begun and takes a minute."""
    (copy.notes / "slow").touch()
    running = subprocess.Popen(
        [copy.root / "urvc-macos.sh", "doctor"],
        env=copy.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while copy.installs == 0 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert copy.installs == 1
    (copy.notes / "slow").unlink()
    return running


def test_a_set_up_that_was_killed_starts_again_from_nothing(copy: Copy) -> None:
    running = start_slow_set_up(copy)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    half = copy.root / ".venv" / "urvc-installing"
    assert half.exists()
    done = copy.run("doctor")
    assert done.returncode == 0, done.stderr
    assert "waiting" not in done.stderr
    assert "Making .venv" in done.stderr
    assert not half.exists()


def test_while_pip_still_writes_the_next_start_waits_though_the_launcher_was_killed(
    copy: Copy,
) -> None:
    running = start_slow_set_up(copy)
    running.kill()  # the launcher alone; its pip goes on
    running.wait()
    second = subprocess.Popen(
        [copy.root / "urvc-macos.sh", "doctor"],
        env=copy.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert second.stderr is not None
    for line in second.stderr:
        if "waiting" in line:
            break
    assert copy.installs == 1
    os.killpg(running.pid, signal.SIGKILL)
    assert "Making .venv" in second.stderr.read()
    assert second.wait() == 0
    assert copy.installs == 2


def test_a_virtual_environment_without_its_python_is_made_again(copy: Copy) -> None:
    copy.run("doctor")
    python = copy.root / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to("/nowhere/python3")
    done = copy.run("doctor")
    assert done.returncode == 0, done.stderr
    assert "Making .venv" in done.stderr


def test_it_starts_from_anywhere_through_links_and_leaves_the_user_where_they_are(
    copy: Copy, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    (elsewhere / "first").symlink_to(copy.root / "urvc-macos.sh")
    (elsewhere / "second").symlink_to("first")
    done = copy.run("convert", "x.wav", cwd=elsewhere, script=elsewhere / "second")
    assert done.returncode == 0, done.stderr
    assert f"path: {copy.root}\n" in done.stdout
    assert f"cwd: {elsewhere}\n" in done.stdout
    assert (copy.root / ".venv").is_dir()


@pytest.mark.parametrize(
    ("command", "module"),
    [
        ("run", "[desktop]"),
        ("convert", "[engine] [convert]"),
        ("voice", "[engine] [voice]"),
        ("voices", "[engine] [voices]"),
        ("models", "[engine] [models]"),
        ("benchmark", "[engine] [benchmark]"),
        ("tune", "[engine] [tune]"),
        ("doctor", "[engine] [doctor]"),
        ("test", "[pytest]"),
    ],
)
def test_each_command_passes_arguments_and_exit_code_on(
    copy: Copy, command: str, module: str
) -> None:
    done = copy.run(command, "", "* $HOME", "--json", MODULE_ENDS_WITH="7")
    assert done.returncode == 7
    assert done.stdout.startswith(f"arguments: [-P] [-m] {module} [] [* $HOME] [--json]\n")


def test_the_metal_fallback_is_on_unless_the_user_says_otherwise(copy: Copy) -> None:
    assert "fallback: 1\n" in copy.run("doctor").stdout
    assert "fallback: 0\n" in copy.run("doctor", PYTORCH_ENABLE_MPS_FALLBACK="0").stdout


@pytest.mark.skipif(sys.platform != "linux", reason="macOS always has a screen")
def test_tests_need_no_screen_and_run_in_the_project(copy: Copy, tmp_path: Path) -> None:
    done = copy.run("test", cwd=tmp_path)
    assert "platform: offscreen\n" in done.stdout
    assert f"cwd: {copy.root}\n" in done.stdout
    assert "platform: none\n" in copy.run("test", DISPLAY=":0").stdout
    assert "platform: none\n" in copy.run("doctor").stdout


def test_the_machine_and_its_accelerator_are_named(copy: Copy) -> None:
    assert " cores: " in copy.run("doctor").stderr.splitlines()[0]
    copy.be_a_mac()
    shutil.rmtree(copy.root / ".venv")
    line = copy.run("doctor").stderr.splitlines()[0]
    assert line == "Apple M3 Max, 36 GB, macOS 15.1: Metal"


def test_an_intel_mac_and_rosetta_are_told_apart(copy: Copy) -> None:
    copy.add_tool("uname", '#!/bin/bash\n[ "$1" = -m ] && echo x86_64 || echo Darwin\n')
    copy.add_tool("sysctl", "#!/bin/bash\nexit 1\n")
    done = copy.run("doctor")
    assert (done.returncode, "Intel" in done.stderr) == (1, True)
    copy.add_tool("sysctl", "#!/bin/bash\necho 1\n")
    done = copy.run("doctor")
    assert (done.returncode, "arch -arm64" in done.stderr) == (1, True)


def test_an_unsuitable_python_is_refused_by_name(copy: Copy) -> None:
    copy.add_tool("python2.7", "#!/bin/bash\nexit 1\n")
    unfit = str(copy.tools / "python2.7")
    done = copy.run("doctor", URVC_PYTHON=unfit)
    assert (done.returncode, done.stdout, copy.installs) == (1, "", 0)
    assert f'URVC_PYTHON="{unfit}"' in done.stderr


def test_without_any_python_it_says_how_to_get_one(copy: Copy) -> None:
    for name in ("python3.11", "python3.12", "python3.13", "python3.14", "python3"):
        copy.add_tool(name, "#!/bin/bash\nexit 127\n")
    done = copy.run("doctor")
    assert done.returncode == 1
    assert "No Python 3.11 to 3.14" in done.stderr.splitlines()[-1]


@pytest.mark.skipif(sys.platform != "linux", reason="these are Linux' libraries")
def test_only_missing_libraries_are_named_and_only_for_window_and_tests(copy: Copy) -> None:
    table = (copy.notes / "libraries").read_text()
    without = [line for line in table.splitlines() if "portaudio" not in line]
    (copy.notes / "libraries").write_text("\n".join(without))
    copy.add_tool("id", "#!/bin/bash\necho 1000\n")
    assert "apt-get install libportaudio2\n" in copy.run("run").stderr
    assert "libportaudio2" not in copy.run("convert", "x.wav").stderr
    copy.add_tool("id", "#!/bin/bash\necho 0\n")
    copy.add_tool("apt-get", f"#!/bin/bash\necho \"$@\" >>'{copy.notes}/apt'\n")
    copy.run("run")
    calls = (copy.notes / "apt").read_text().splitlines()
    assert [call.split()[0] for call in calls] == ["update", "install"]
    assert calls[1].split()[-1] == "libportaudio2"
    assert "libegl1" not in calls[1]


def test_two_first_starts_at_once_install_once(copy: Copy) -> None:
    command = [str(copy.root / "urvc-macos.sh"), "doctor"]
    both = [
        subprocess.Popen(command, env=copy.environment(), stderr=subprocess.DEVNULL, text=True)
        for _ in range(2)
    ]
    assert [each.wait(timeout=60) for each in both] == [0, 0]
    assert copy.installs == 1


def test_a_folder_with_a_colon_is_refused_before_anything_is_made(copy: Copy) -> None:
    moved = copy.root.rename(copy.root.with_name("1:2"))
    done = copy.run("doctor", script=moved / "urvc-macos.sh", cwd=moved)
    assert (done.returncode, "colon" in done.stderr) == (1, True)
    assert not (moved / ".venv").exists()


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=T", "-c", "user.email=t@example.invalid"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def test_update_moves_a_clone_forward_and_installs_what_changed(copy: Copy, tmp_path: Path) -> None:
    git(copy.root, "init", "-b", "main")
    git(copy.root, "add", ".")
    git(copy.root, "commit", "-m", "one")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", str(copy.root), str(clone))
    copy.run("doctor", script=clone / "urvc-macos.sh", cwd=clone)
    with (copy.root / "packaging" / "locks" / "runtime.txt").open("a") as file:
        file.write("another==1\n")
    git(copy.root, "commit", "-am", "two")
    done = copy.run("update", script=clone / "urvc-macos.sh", cwd=clone)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert "another==1" in (clone / "packaging" / "locks" / "runtime.txt").read_text()
    assert copy.installs == 2


def test_updating_a_copy_without_git_is_refused_with_the_reason(copy: Copy) -> None:
    done = copy.run("update")
    assert (done.returncode, done.stdout, copy.installs) == (1, "", 0)
    assert done.stderr.splitlines()[-1].startswith("Cannot update: ")
