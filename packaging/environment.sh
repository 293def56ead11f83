# shellcheck shell=bash
# Read by urvc-macos.sh: finds a Python, makes .venv and keeps it as pyproject.toml asks for.
# Uses root, venv, lock, system, machine, say and die of the caller. Written for bash 3.2 (macOS).
# shellcheck disable=SC2154  # those are set there

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

stamp_now() { # what the installed packages depend on; fails where .venv has no working Python
    local version
    [ -x "$venv/bin/python" ] || return 1
    version=$("$venv/bin/python" -I -S -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null) || return 1
    printf '1 %s %s %s %s\n' "$(cksum <"$root/pyproject.toml")" "$version" "$system" "$machine"
}

is_set_up() { # KIND
    local now
    [ -r "$venv/urvc-$1.stamp" ] && now=$(stamp_now) && [ "$now" = "$(cat "$venv/urvc-$1.stamp")" ]
}

take_lock() { # two first starts at once must not write into one folder
    local owner nameless=0 told=''
    until mkdir "$lock" 2>/dev/null; do
        owner=$(cat "$lock/pid" 2>/dev/null)
        if [ -z "$owner" ]; then # only just being made, or left so by a crash, or not to be made
            nameless=$((nameless + 1))
            [ "$nameless" -gt 3 ] && [ ! -d "$lock" ] &&
                die "Cannot write in \"$root\": move this folder to a place where you may write."
            [ "$nameless" -gt 3 ] && rm -rf "$lock"
        elif ! kill -0 "$owner" 2>/dev/null; then
            rm -rf "$lock" # whoever held it was interrupted
            continue
        elif [ -z "$told" ]; then
            say "Another start is setting up; waiting for it …"
            told=yes
        fi
        sleep 1
    done
    printf '%s\n' "$$" >"$lock/pid"
    trap 'rm -rf "$lock"' EXIT
    trap 'exit 130' INT TERM HUP
}

release_lock() {
    rm -rf "$lock"
    trap - EXIT INT TERM HUP
}

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

write_requirements() { # KIND; pyproject.toml is the only list of dependencies
    "$venv/bin/python" -I -c '
import sys, tomllib
with open(sys.argv[1], "rb") as file:
    project = tomllib.load(file)
found = project["project"]["dependencies"]
if sys.argv[2] == "dev":
    found = found + project["dependency-groups"]["dev"]
print("\n".join(found))' "$root/pyproject.toml" "$1" >"$venv/urvc-$1.txt" ||
        die "Cannot read \"$root/pyproject.toml\": this copy of the program is damaged; fetch it again."
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
    if grep -qi 'no space left' "$1"; then
        die "The packages could not be installed: the disk is full; free 3 GB and start again."
    elif grep -qiE 'NewConnectionError|NameResolutionError|ConnectTimeout|ReadTimeout|ProxyError|SSLError|Network is unreachable|Temporary failure in name' "$1"; then
        die "The packages could not be installed: the network did not answer; check the connection (or proxy) and start again."
    elif grep -qi 'no matching distribution' "$1"; then
        die "The packages could not be installed: one has no version for this system and Python; the lines above name it (with no network at all, pip says the same)."
    fi
    die "The packages could not be installed: the last lines of pip are above, all of them in \"$1\"; start again to retry."
}

install_packages() { # KIND [pip options]
    local kind=$1 log=$venv/urvc-$1.log free_kb status started=$SECONDS
    shift
    free_kb=$(df -Pk "$root" | awk 'NR == 2 { print $4 }')
    if [ ! -e "$venv/urvc-runtime.stamp" ] && [ "${free_kb:-9999999}" -lt 3000000 ]; then
        say "Only $((free_kb / 1000)) MB of disk space are free; the packages need up to 3 GB."
    fi
    say "Installing Python packages ($kind; the first time takes some minutes and needs the network) …"
    write_requirements "$kind"
    : >"$venv/urvc-installing"
    "$venv/bin/python" -I -m pip install --disable-pip-version-check --no-input --progress-bar off \
        "$@" -r "$venv/urvc-$kind.txt" 2>&1 | tee "$log" | show_progress
    status=${PIPESTATUS[0]}
    [ "$status" -lt 128 ] && rm -f "$venv/urvc-installing" # pip ended by itself, and tidied up
    [ "$status" -eq 0 ] || explain_pip_failure "$log"
    if ! stamp_now >"$venv/urvc-$kind.new" || ! mv -f "$venv/urvc-$kind.new" "$venv/urvc-$kind.stamp"; then
        die "Cannot write in \"$venv\": is the disk full?"
    fi
    say "Ready after $((SECONDS - started)) s."
}

set_up() { # KIND [pip options]: a second start finds the stamp and does nothing
    local kind=$1
    is_set_up "$kind" && [ $# -eq 1 ] && return
    [ -t 2 ] || machine_line # on a terminal it has been said already
    take_lock
    if [ $# -gt 1 ] || ! is_set_up "$kind"; then # another start may have done it meanwhile
        make_venv
        install_packages "$@"
        # The dev list holds the runtime list.
        [ "$kind" = dev ] && cp "$venv/urvc-dev.stamp" "$venv/urvc-runtime.stamp"
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

need_test_programs() { # a screen of their own for the tests with real windows; skipped without
    [ "$system" = Linux ] || return 0
    local program missing=''
    for program in xvfb:Xvfb xdotool:xdotool openbox:openbox tint2:tint2; do
        command -v "${program#*:}" >/dev/null || missing="$missing ${program%%:*}"
    done
    install_system_packages "$missing" "tests with real windows are skipped"
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
