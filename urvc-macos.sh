#!/usr/bin/env bash
# Ultimate RVC for Mac: one command that sets itself up and starts. Written for bash 3.2 (macOS).
# stdout belongs to the command that is started; everything said here goes to stderr.
set -u

usage() {
    cat <<'TEXT'
Ultimate RVC for Mac

usage: ./urvc-macos.sh COMMAND [ARGUMENTS]

  run         open the app
  convert     change the voice of audio or video files   (convert --help)
  cover       sing whole songs in another voice          (cover --help)
  separate    split songs into voice and instruments     (separate --help)
  repeat      make a result again exactly                (repeat --help)
  voice       describe a voice file                      (voice --help)
  voices      installed voices: list, import, export     (voices --help)
  models      shared networks: list, download, verify    (models --help)
  export      a voice's networks for other programs      (export --help)
  benchmark   measure how fast this machine converts     (benchmark --help)
  tune        find and keep the fastest settings here    (tune --help)
  doctor      check this machine, and advise what to do
  test        run the project's tests                    (arguments go to pytest)
  update      fetch the newest version
  help        show this text

The first start sets up Python packages in the folder .venv beside this file; later starts need
no network. URVC_PYTHON=/path/to/python chooses another Python (3.11 to 3.14).
TEXT
}

say() { printf '%s\n' "$*" >&2; }

die() {
    say "$*"
    exit 1
}

# --- where, on what -------------------------------------------------------------------------

script_dir() { # the folder of the real script, through any chain of symbolic links
    local file=$1 target
    while [ -L "$file" ]; do
        target=$(readlink "$file")
        case $target in
            /*) file=$target ;;
            *) file=$(dirname "$file")/$target ;;
        esac
    done
    CDPATH='' cd -- "$(dirname "$file")" && pwd -P
}

machine_line() { # e.g. "Apple M3 Max, 36 GB, macOS 15.1: Metal"; asks the system, not torch
    local chip bytes gpu=CPU info
    if [ "$system" = Darwin ]; then
        chip=$(sysctl -n machdep.cpu.brand_string 2>/dev/null || echo Mac)
        bytes=$(sysctl -n hw.memsize 2>/dev/null || echo 0)
        [ "$machine" = arm64 ] && gpu=Metal
        say "$chip, $((bytes / 1073741824)) GB, macOS $(sw_vers -productVersion): $gpu"
        return
    fi
    for info in /proc/driver/nvidia/gpus/*/information; do
        [ -r "$info" ] && gpu="$(sed -n 's/^Model:[[:space:]]*//p' "$info"), CUDA" && break
    done
    say "$system $machine, $(getconf _NPROCESSORS_ONLN 2>/dev/null || echo '?') cores: $gpu"
}

check_machine() {
    case $root in
        *:*) die "Cannot work in \"$root\": a folder name has a colon (in Finder: a slash), which Python forbids; rename the folder." ;;
    esac
    if [ "$system" = Darwin ] && [ "$machine" != arm64 ]; then
        if [ "$(sysctl -n sysctl.proc_translated 2>/dev/null)" = 1 ]; then
            die "This Terminal runs under Rosetta, which hides the GPU; start again with: arch -arm64 \"$root/urvc-macos.sh\" …"
        fi
        die "This Mac has an Intel processor, for which there is no current PyTorch; a Mac with Apple silicon is needed."
    fi
}

# --- a Python and its virtual environment ----------------------------------------------------

usable_python() { # 3.11 to 3.14, with venv and pip, and native on Apple silicon
    "$1" -I -c '
import sys, platform
good = (3, 11) <= sys.version_info[:2] <= (3, 14)
good = good and (sys.platform != "darwin" or platform.machine() == "arm64")
if good:
    import ensurepip, venv
sys.exit(not good)' >/dev/null 2>&1
}

find_python() { # prints the path
    local name dir path
    if [ -n "${URVC_PYTHON:-}" ]; then
        usable_python "$URVC_PYTHON" && printf '%s\n' "$URVC_PYTHON" && return
        die "Cannot use URVC_PYTHON=\"$URVC_PYTHON\": Python 3.11 to 3.14 with its venv module is needed; correct or unset it."
    fi
    for name in python3.11 python3.12 python3.13 python3.14 python3; do
        path=$(command -v "$name" 2>/dev/null)
        # macOS' own python3 is too old, and asking it for its version may open an installer.
        if [ -n "$path" ] && ! { [ "$system" = Darwin ] && [ "$path" = /usr/bin/python3 ]; }; then
            usable_python "$path" && printf '%s\n' "$path" && return
        fi
        [ "$system" = Darwin ] || continue
        for dir in /opt/homebrew/bin /Library/Frameworks/Python.framework/Versions/"${name#python}"/bin; do
            [ -x "$dir/$name" ] && usable_python "$dir/$name" && printf '%s\n' "$dir/$name" && return
        done
    done
    if [ "$system" = Darwin ]; then
        die "No Python 3.11 to 3.14 for Apple silicon was found; install one from python.org, or with: brew install python@3.11"
    fi
    die "No Python 3.11 to 3.14 with its venv module was found; install one, e.g. with: sudo apt-get install python3 python3-venv"
}

lock_files() { # KIND: what must be installed, one path a line
    printf '%s\n' "$locks/runtime.txt"
    [ "$1" = dev ] && printf '%s\n' "$locks/dev.txt"
    [ "$system" = Darwin ] || printf '%s\n' "$locks/torch.txt" # a CPU build has another hash
}

stamp_now() { # KIND: what the installed packages depend on; fails where .venv has no working Python
    local version sum
    [ -x "$venv/bin/python" ] || return 1
    version=$("$venv/bin/python" -I -S -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null) || return 1
    sum=$(lock_files "$1" | tr '\n' '\0' | xargs -0 cat | cksum)
    printf '2 %s %s %s %s\n' "$sum" "$version" "$system" "$machine"
}

write_stamp() { # KIND
    if ! stamp_now "$1" >"$venv/urvc-$1.new" || ! mv -f "$venv/urvc-$1.new" "$venv/urvc-$1.stamp"; then
        die "Cannot write in \"$venv\": is the disk full?"
    fi
}

is_set_up() { # KIND
    local now
    [ -r "$venv/urvc-$1.stamp" ] && now=$(stamp_now "$1") && [ "$now" = "$(cat "$venv/urvc-$1.stamp")" ]
}

# Two first starts at once must not write into one folder. The lock belongs to the open file 9, which
# pip inherits: the system releases it when the last of these processes has ended, however it ends.
take_lock() {
    local python=$venv/bin/python
    { : >>"$lock"; } 2>/dev/null ||
        die "Cannot write in \"$root\": move this folder to a place where you may write."
    usable_python "$python" || python=$(find_python) || exit 1
    exec 9>>"$lock"
    lock_file_9 "$python" LOCK_NB && return
    say "Another start is setting up; waiting for it …"
    lock_file_9 "$python" 0
}

lock_file_9() { # PYTHON FLAG: fails if another process has the lock; a disk without locks has none
    "$1" -I -S -c '
import fcntl, sys
try:
    fcntl.flock(9, fcntl.LOCK_EX | getattr(fcntl, sys.argv[1], 0))
except BlockingIOError:
    sys.exit(1)
except OSError:
    pass' "$2"
}

release_lock() { exec 9>&-; }

make_venv() { # keeps one that works, unless pip was killed in it: half a package looks like a whole
    local python
    if [ ! -e "$venv/urvc-installing" ] && [ -x "$venv/bin/python" ] && usable_python "$venv/bin/python" &&
        "$venv/bin/python" -I -m pip --version >/dev/null 2>&1; then
        return
    fi
    python=$(find_python) || exit 1
    say "Making .venv with $("$python" -V 2>&1) …"
    "$python" -m venv --clear "$venv" >&2 ||
        die "Cannot make the virtual environment \"$venv\": see the lines above; is the disk full, or the folder write-protected?"
}

show_progress() { # one line that changes, on a terminal only
    local line
    while IFS= read -r line; do
        case $line in
            Collecting* | *Downloading* | Installing*) [ -t 2 ] && printf '\r\033[K  %.70s' "$line" >&2 ;;
        esac
    done
    [ -t 2 ] && printf '\r\033[K' >&2
    return 0
}

explain_pip_failure() { # LOG
    tail -n 6 "$1" >&2
    if grep -qi 'do not match the hashes' "$1"; then
        die "The packages could not be installed: a download differs from the one that was locked (damaged, or replaced on its way); start again, and if it stays so, report it."
    elif grep -qi 'no space left' "$1"; then
        die "The packages could not be installed: the disk is full; free 3 GB and start again."
    elif grep -qiE 'NewConnectionError|NameResolutionError|ConnectTimeout|ReadTimeout|ProxyError|SSLError|Network is unreachable|Temporary failure in name' "$1"; then
        die "The packages could not be installed: the network did not answer; check the connection (or proxy) and start again."
    elif grep -qi 'no matching distribution' "$1"; then
        die "The packages could not be installed: one has no version for this system and Python; the lines above name it (with no network at all, pip says the same)."
    fi
    die "The packages could not be installed: the last lines of pip are above, all of them in \"$1\"; start again to retry."
}

pip_install() { # LOG ARGUMENTS: fails as pip does
    local log=$1
    shift
    "$venv/bin/python" -I -m pip install --disable-pip-version-check --no-input --progress-bar off \
        "$@" 2>&1 | tee -a "$log" | show_progress
    return "${PIPESTATUS[0]}"
}

install_packages() { # KIND: hashes where there are some, and then no other package than those locked
    local kind=$1 log=$venv/urvc-$1.log free_kb status started=$SECONDS
    local hashed=(-r "$locks/runtime.txt")
    [ "$kind" = dev ] && hashed+=(-r "$locks/dev.txt")
    free_kb=$(df -Pk "$root" | awk 'NR == 2 { print $4 }')
    if [ ! -e "$venv/urvc-runtime.stamp" ] && [ "${free_kb:-9999999}" -lt 3000000 ]; then
        say "Only $((free_kb / 1000)) MB of disk space are free; the packages need up to 3 GB."
    fi
    say "Installing Python packages ($kind; the first time takes some minutes and needs the network) …"
    : >"$log"
    : >"$venv/urvc-installing"
    pip_install "$log" --require-hashes --no-deps "${hashed[@]}"
    status=$?
    if [ "$status" -eq 0 ] && [ "$system" != Darwin ]; then
        pip_install "$log" -r "$locks/torch.txt"
        status=$?
    fi
    [ "$status" -lt 128 ] && rm -f "$venv/urvc-installing" # pip ended by itself, and tidied up
    [ "$status" -eq 0 ] || explain_pip_failure "$log"
    write_stamp runtime
    [ "$kind" = dev ] && write_stamp dev
    say "Ready after $((SECONDS - started)) s."
}

set_up() { # KIND: a second start finds the stamp and does nothing
    local kind=$1 file
    is_set_up "$kind" && return
    [ -t 2 ] || machine_line # on a terminal it has been printed already
    while IFS= read -r file; do
        [ -r "$file" ] || die "\"$file\" is missing: this copy of the program is damaged; fetch it again."
    done <<<"$(lock_files "$kind")"
    take_lock
    if ! is_set_up "$kind"; then # another start may have done it meanwhile
        make_venv
        install_packages "$kind"
    fi
    release_lock
}

# --- libraries of a Linux system that no Python package brings ---------------------------------

linux_libraries() {
    cat <<'TABLE'
libEGL.so.1 libegl1
libGL.so.1 libgl1
libOpenGL.so.0 libopengl0
libglib-2.0.so.0 libglib2.0-0
libdbus-1.so.3 libdbus-1-3
libfontconfig.so.1 libfontconfig1
libxkbcommon.so.0 libxkbcommon0
libxkbcommon-x11.so.0 libxkbcommon-x11-0
libX11-xcb.so.1 libx11-xcb1
libxcb-cursor.so.0 libxcb-cursor0
libxcb-icccm.so.4 libxcb-icccm4
libxcb-image.so.0 libxcb-image0
libxcb-keysyms.so.1 libxcb-keysyms1
libxcb-randr.so.0 libxcb-randr0
libxcb-render-util.so.0 libxcb-render-util0
libxcb-shape.so.0 libxcb-shape0
libxcb-xkb.so.1 libxcb-xkb1
libportaudio.so.2 libportaudio2
TABLE
}

need_libraries() { # for the window and for playing; converting needs none of them
    [ "$system" = Linux ] || return 0
    local known file package missing=''
    known=$(PATH=$PATH:/sbin:/usr/sbin ldconfig -p 2>/dev/null) || return 0
    while read -r file package; do
        case $known in
            *"$file"*) ;;
            *) missing="$missing $package" ;;
        esac
    done <<<"$(linux_libraries)"
    install_system_packages "$missing" "window or sound may fail"
}

need_test_programs() { # a screen for the tests with real windows, and a linter for these scripts
    [ "$system" = Linux ] || return 0
    local program missing=''
    for program in xvfb:Xvfb xdotool:xdotool openbox:openbox tint2:tint2 shellcheck:shellcheck; do
        command -v "${program#*:}" >/dev/null || missing="$missing ${program%%:*}"
    done
    install_system_packages "$missing" "some tests are skipped"
}

install_system_packages() { # " NAME NAME…" WITHOUT-THEM
    [ -n "$1" ] || return 0
    if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
        say "Installing system packages:$1 …"
        # shellcheck disable=SC2086  # a list of words on purpose
        { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
            --no-install-recommends $1; } >/dev/null 2>&1 && return 0
        say "These could not be installed; going on without them."
    else
        say "Missing system packages ($2): sudo apt-get install$1"
    fi
}

# --- commands ------------------------------------------------------------------------------------

start_module() { # MODULE ARGUMENTS: -P, so that a folder named engine where the user is does not count
    exec "$venv/bin/python" -P -m "$@"
}

run_tests() {
    cd -- "$root" || exit 1
    if [ "$system" = Linux ] && [ -z "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
        export QT_QPA_PLATFORM="${QT_QPA_PLATFORM:-offscreen}"
    fi
    [ "$#" -gt 0 ] && start_module pytest "$@"
    # A process for each core. With the compiled code kept, the programs that tests start come sooner.
    unset PYTHONDONTWRITEBYTECODE
    export OMP_NUM_THREADS=1
    start_module pytest -n auto --dist worksteal
}

update() {
    local remote
    remote=$(git -C "$root" remote 2>/dev/null | head -n 1)
    if [ ! -e "$root/.git" ] || [ -z "$remote" ]; then
        die "Cannot update: this copy was not fetched with git from anywhere; download the newest version instead (voices and settings lie elsewhere and stay)."
    fi
    git -C "$root" pull --ff-only >&2 ||
        die "Cannot update: git could not simply move forward (see above); fix that, or fetch a fresh copy."
    set_up runtime
    say "Up to date."
}

main() {
    local command=${1:-}
    case $command in
        run | convert | cover | separate | repeat | voice | voices | models | export | benchmark | tune | doctor | test | update) shift ;;
        help | --help | -h)
            usage
            exit 0
            ;;
        '')
            usage >&2
            exit 2
            ;;
        *)
            say "Unknown command \"$command\"."
            say ''
            usage >&2
            exit 2
            ;;
    esac
    root=$(script_dir "${BASH_SOURCE[0]}") || exit 1
    venv=$root/.venv
    lock=$root/.setup.lock
    locks=$root/packaging/locks
    system=$(uname -s)
    machine=$(uname -m)
    check_machine
    [ -t 2 ] && machine_line
    unset PYTHONHOME
    export PYTHONPATH="$root" # the code runs from here; moving the folder breaks nothing
    export PYTORCH_ENABLE_MPS_FALLBACK="${PYTORCH_ENABLE_MPS_FALLBACK:-1}"
    case $command in
        run)
            need_libraries
            set_up runtime
            start_module desktop "$@"
            ;;
        test)
            need_libraries
            need_test_programs
            set_up dev
            run_tests "$@"
            ;;
        update) update ;;
        *)
            set_up runtime
            start_module engine "$command" "$@"
            ;;
    esac
}

# In one line with the exit: an update replaces this file while bash still reads it.
main "$@"; exit
