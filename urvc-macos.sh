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
  voice       say what a voice file is                   (voice --help)
  voices      keep voices: import, list, remove, export  (voices --help)
  models      the shared weights: download, verify       (models --help)
  benchmark   measure how fast this machine converts     (benchmark --help)
  tune        find and keep what is fastest here         (tune --help)
  doctor      say what works here, and what to do where it does not
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

# --- commands ------------------------------------------------------------------------------------

start_module() { # MODULE ARGUMENTS: -P, so that a folder named engine where the user is does not count
    exec "$venv/bin/python" -P -m "$@"
}

run_module() { # as start_module, and comes back
    "$venv/bin/python" -P -m "$@"
}

run_tests() {
    cd -- "$root" || exit 1
    if [ "$system" = Linux ] && [ -z "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
        export QT_QPA_PLATFORM="${QT_QPA_PLATFORM:-offscreen}"
    fi
    [ "$#" -gt 0 ] && start_module pytest "$@"
    # The engine's tests fill all cores; those of the window measure time and want them quiet.
    local failed=0
    OMP_NUM_THREADS=1 run_module pytest -n auto --dist loadfile tests/engine tests/fuzz || failed=1
    run_module pytest tests/desktop tests/packaging tests/starter tests/test_house.py || failed=1
    exit "$failed"
}

update() {
    local remote
    remote=$(git -C "$root" remote 2>/dev/null | head -n 1)
    if [ ! -e "$root/.git" ] || [ -z "$remote" ]; then
        die "Cannot update: this copy was not fetched with git from anywhere; download the newest version instead (voices and settings lie elsewhere and stay)."
    fi
    git -C "$root" pull --ff-only >&2 ||
        die "Cannot update: git could not simply move forward (see above); mend that, or fetch a fresh copy."
    set_up runtime --upgrade
    say "Up to date."
}

main() {
    local command=${1:-}
    case $command in
        run | convert | voice | voices | models | benchmark | tune | doctor | test | update) shift ;;
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
    lock=$root/.venv.lock
    system=$(uname -s)
    machine=$(uname -m)
    # shellcheck source=packaging/environment.sh
    . "$root/packaging/environment.sh" ||
        die "Cannot start: \"$root/packaging/environment.sh\" is missing; fetch this program again."
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
