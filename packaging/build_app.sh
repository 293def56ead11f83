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
  trim         take out what nobody needs, compile, check rules, libraries and sizes
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
    # shellcheck source=packaging/bundle_step.sh
    . "$root/packaging/bundle_step.sh" || exit 1
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
