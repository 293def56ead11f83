#!/usr/bin/env bash
# The Mac app, from the sources to a disk image: packaging/build_app.sh [--dry-run] [STEP …]
# Without a name of a step all are done, in this order. Written for bash 3.2 (macOS).
set -u

STEPS='environment build trim sign verify smoke_test image notarise'

usage() {
    cat <<'TEXT'
usage: packaging/build_app.sh [--dry-run] [STEP ...]

  environment  a clean virtual environment with what goes into the bundle
  build        py2app makes dist/Ultimate RVC.app
  trim         remove what the app does not need, compile, check rules, libraries and sizes
  sign         every library, framework and program, inside first, with the hardened runtime
  verify       codesign --verify --deep --strict
  smoke_test   the bundle tests itself: from /, without HOME, without compilers
  image        dist/Ultimate-RVC-VERSION.dmg
  notarise     submit to Apple and staple, where credentials are given

Environment:
  URVC_PYTHON           a framework Python 3.11 for Apple silicon (python.org or Homebrew)
  URVC_SIGNING_IDENTITY "Developer ID Application: …"; without it the signature is ad-hoc
  URVC_NOTARY_PROFILE   of "xcrun notarytool store-credentials"; or instead of it
  APPLE_ID, APPLE_TEAM_ID, APPLE_APP_PASSWORD
TEXT
}

say() { printf '%s\n' "$*" >&2; }

die() {
    say "$*"
    exit 1
}

run() { # a command, or in a dry run its words, so that the order can be read and tested
    if [ -n "$dry_run" ]; then
        printf '%q ' "$@"
        printf '\n'
        return 0
    fi
    "$@"
}

set_names() {
    app_name='Ultimate RVC'
    app=$root/dist/$app_name.app
    program=$app/Contents/MacOS/$app_name
    venv=$root/build/bundle-venv
    python=$venv/bin/python
    version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$root/pyproject.toml" | head -n 1)
    [ -n "$version" ] || die "Cannot read the version in \"$root/pyproject.toml\"."
    image=$root/dist/Ultimate-RVC-$version.dmg
    identity=${URVC_SIGNING_IDENTITY:--} # "-" is codesign's word for ad-hoc
    entitlements=$root/packaging/entitlements.plist
    return 0
}

need_mac() {
    [ "$(uname -s) $(uname -m)" = 'Darwin arm64' ] ||
        die "The app can be built on a Mac with Apple silicon only; --dry-run shows the commands."
    xcrun --find codesign >/dev/null 2>&1 ||
        die "Apple's command line tools are missing; install them with: xcode-select --install"
}

# --- environment -------------------------------------------------------------------------------

is_framework_python() { # py2app needs one that is a framework, and native
    "$1" -I -c '
import platform, sys, sysconfig
good = sys.version_info[:2] == (3, 11) and platform.machine() == "arm64"
sys.exit(not (good and sysconfig.get_config_var("PYTHONFRAMEWORK")))' >/dev/null 2>&1
}

find_framework_python() { # prints the path
    local path
    if [ -n "${URVC_PYTHON:-}" ]; then
        is_framework_python "$URVC_PYTHON" && printf '%s\n' "$URVC_PYTHON" && return
        die "Cannot use URVC_PYTHON=\"$URVC_PYTHON\": it is not a framework build of Python 3.11 for Apple silicon; install one from python.org or Homebrew."
    fi
    for path in /Library/Frameworks/Python.framework/Versions/3.11/bin/python3.11 \
        /opt/homebrew/bin/python3.11; do
        is_framework_python "$path" && printf '%s\n' "$path" && return
    done
    die "No framework build of Python 3.11 was found; install one from python.org, or with: brew install python@3.11"
}

step_environment() {
    local base=python3.11
    [ -n "$dry_run" ] || base=$(find_framework_python) || exit 1
    run rm -rf "$venv"
    run "$base" -m venv "$venv" || die "Cannot make \"$venv\": see above."
    run "$python" -m pip install --disable-pip-version-check --no-input --require-hashes --no-deps \
        -r "$root/packaging/locks/runtime.txt" -r "$root/packaging/locks/bundle.txt" ||
        die "The packages could not be installed: see pip's lines above."
    run "$python" -m pip uninstall --quiet --yes av # under the GPL: it must not be in the bundle
}

# --- build ---------------------------------------------------------------------------------------

step_build() {
    run rm -rf "$app"
    run "$python" "$root/packaging/setup.py" -q py2app || die "py2app failed: see above."
    [ -n "$dry_run" ] || [ -x "$program" ] || die "py2app made no \"$program\"."
}

step_trim() {
    run "$python" "$root/packaging/bundle.py" "$app" || die "The bundle breaks a rule: see above."
    run "$python" "$root/packaging/mach_o.py" references "$app" ||
        die "A library in the bundle does not find another one, or needs a newer macOS: see above."
    run "$python" "$root/packaging/size_budget.py" "$app" ||
        die "A part of the bundle is too large: see above, and packaging/size_budget.py."
}

# --- signature -----------------------------------------------------------------------------------

sign_one() { # PATH; only programs get entitlements, and only real identities a time stamp
    local extra=''
    [ "$identity" = - ] || extra=--timestamp
    case $1 in
        "$app" | "$app/Contents/MacOS/"*)
            # shellcheck disable=SC2086  # one word or none
            run codesign --force --options runtime $extra --entitlements "$entitlements" \
                --sign "$identity" "$1"
            ;;
        *)
            # shellcheck disable=SC2086
            run codesign --force --options runtime $extra --sign "$identity" "$1"
            ;;
    esac || die "Cannot sign \"$1\": see codesign's words above."
}

step_sign() {
    local path list
    if [ -n "$dry_run" ]; then
        run "$python" "$root/packaging/mach_o.py" signing-order "$app"
        sign_one "$app/Contents/Resources/lib/…"
        sign_one "$app/Contents/MacOS/python"
        sign_one "$app"
        return
    fi
    list=$("$python" "$root/packaging/mach_o.py" signing-order "$app") || die "Cannot list what to sign."
    xattr -cr "$app" # codesign refuses what Finder has left there
    while IFS= read -r path; do
        sign_one "$path" </dev/null
    done <<<"$list"
}

step_verify() {
    run codesign --verify --deep --strict --verbose=2 "$app" ||
        die "The signature is not valid: see above."
}

# --- test ----------------------------------------------------------------------------------------

step_smoke_test() {
    run cd / || exit 1
    run env -i PATH=/usr/bin:/bin "$program" --self-test || die "The bundle's own test failed."
    run env -i PATH=/usr/bin:/bin "$program" --engine doctor || die "The bundle cannot convert."
}

# --- disk image ----------------------------------------------------------------------------------

detach() { # MOUNT: Finder and Spotlight may hold it for a moment
    local try
    for try in 1 2 3 4 5; do
        run hdiutil detach "$1" && return
        sleep "$try"
    done
    die "Cannot detach \"$1\"."
}

step_image() {
    local staging=$root/build/image draft=$root/build/draft.dmg mount="/Volumes/$app_name"
    run rm -rf "$staging" "$draft" "$image"
    run mkdir -p "$staging/.background" || die "Cannot write in \"$root/build\"."
    run cp -R "$app" "$staging/" || die "Cannot copy the app: is the disk full?"
    run ln -s /Applications "$staging/Applications"
    run "$python" "$root/packaging/pictures.py" "$staging/.background/background.png" ||
        die "Cannot draw the background."
    run hdiutil create -quiet -srcfolder "$staging" -volname "$app_name" -fs HFS+ -format UDRW \
        "$draft" || die "Cannot make the disk image."
    run hdiutil attach -quiet -readwrite -noautoopen "$draft" || die "Cannot mount the disk image."
    run osascript "$root/packaging/image_layout.applescript" "$app_name" "$app_name.app" ||
        say "Finder did not lay the image out (no screen?); it is usable all the same."
    detach "$mount"
    run hdiutil convert -quiet "$draft" -format ULFO -o "$image" || die "Cannot compress the image."
    run rm -rf "$staging" "$draft"
    [ "$identity" = - ] || run codesign --timestamp --sign "$identity" "$image" ||
        die "Cannot sign the disk image."
}

# --- notarisation ----------------------------------------------------------------------------------

step_notarise() {
    if [ "$identity" = - ]; then
        say "Not notarised: the signature is ad-hoc (URVC_SIGNING_IDENTITY)."
        return
    fi
    if [ -n "${URVC_NOTARY_PROFILE:-}" ]; then
        run xcrun notarytool submit "$image" --wait --keychain-profile "$URVC_NOTARY_PROFILE" ||
            die "Apple did not notarise it; \"xcrun notarytool log\" says why."
    elif [ -n "${APPLE_ID:-}" ] && [ -n "${APPLE_TEAM_ID:-}" ] && [ -n "${APPLE_APP_PASSWORD:-}" ]; then
        local password=$APPLE_APP_PASSWORD
        [ -z "$dry_run" ] || password=hidden
        run xcrun notarytool submit "$image" --wait --apple-id "$APPLE_ID" \
            --team-id "$APPLE_TEAM_ID" --password "$password" ||
            die "Apple did not notarise it; \"xcrun notarytool log\" says why."
    else
        say "Not notarised: no credentials (URVC_NOTARY_PROFILE, or APPLE_ID and its companions)."
        return
    fi
    run xcrun stapler staple "$image" || die "Cannot staple the ticket to the image."
    run spctl --assess --type open --context context:primary-signature --verbose=2 "$image" ||
        die "Gatekeeper does not accept the image: see above."
}

# --- which steps ---------------------------------------------------------------------------------

main() {
    local step wanted=''
    dry_run=''
    while [ $# -gt 0 ]; do
        case $1 in
            --dry-run) dry_run=yes ;;
            --help | -h | help)
                usage
                exit 0
                ;;
            *)
                case " $STEPS " in
                    *" $1 "*) wanted="$wanted $1" ;;
                    *)
                        printf 'Unknown step "%s".\n\n' "$1" >&2
                        usage >&2
                        exit 2
                        ;;
                esac
                ;;
        esac
        shift
    done
    root=$(CDPATH='' cd -- "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P) || exit 1
    set_names
    [ -n "$dry_run" ] || need_mac
    for step in $STEPS; do
        case " ${wanted:-$STEPS} " in
            *" $step "*)
                say "== $step"
                "step_$step"
                ;;
        esac
    done
}

main "$@"
