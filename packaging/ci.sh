#!/usr/bin/env bash
# What the steps of .github/workflows/mac.yml do: packaging/ci.sh STEP. Written for bash 3.2 (macOS).
set -u

die() {
    printf '%s\n' "$*" >&2
    exit 1
}

usage() {
    printf 'usage: packaging/ci.sh python | tests | doctor | certificate | benchmark | release\n' >&2
    exit 2
}

step_python() { # a framework build, which py2app needs; the launcher takes the same
    local python
    python=$(brew --prefix python@3.11)/bin/python3.11
    [ -x "$python" ] || brew install python@3.11 || die "Homebrew cannot install python@3.11."
    printf 'URVC_PYTHON=%s\n' "$python" >>"$GITHUB_ENV"
}

step_tests() {
    ./urvc-macos.sh test
}

step_doctor() {
    ./urvc-macos.sh doctor
}

step_certificate() { # into a keychain of its own, which only codesign may use without asking
    local keychain=$RUNNER_TEMP/signing.keychain-db file=$RUNNER_TEMP/certificate.p12 password name
    if [ -z "${CERTIFICATE_P12:-}" ]; then
        echo 'No certificate is given: the signature will be ad-hoc.'
        return 0
    fi
    password=$(uuidgen)
    printf '%s' "$CERTIFICATE_P12" | base64 --decode >"$file" || die "CERTIFICATE_P12 is not valid base64; encode the .p12 file again."
    security create-keychain -p "$password" "$keychain" || die "Cannot make a keychain."
    security set-keychain-settings -t 7200 "$keychain"
    security unlock-keychain -p "$password" "$keychain" || die "Cannot open the keychain."
    security import "$file" -k "$keychain" -P "${CERTIFICATE_PASSWORD:-}" -T /usr/bin/codesign ||
        die "The certificate cannot be imported: is CERTIFICATE_PASSWORD right?"
    rm -f "$file"
    security set-key-partition-list -S apple-tool:,apple: -s -k "$password" "$keychain" >/dev/null ||
        die "codesign cannot be allowed to use the certificate."
    security list-keychains -d user -s "$keychain" login.keychain-db
    name=$(security find-identity -v -p codesigning "$keychain" | sed -n 's/.*"\(.*\)".*/\1/p' | head -n 1)
    [ -n "$name" ] || die "The keychain holds no identity that may sign."
    printf 'URVC_SIGNING_IDENTITY=%s\n' "$name" >>"$GITHUB_ENV"
}

step_benchmark() { # of the machine that the runner is; networks of full size with random weights
    mkdir -p dist && ./urvc-macos.sh benchmark --synthetic --seconds 30 --save dist/benchmark.json
}

step_release() {
    local version
    version=$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml | head -n 1)
    [ "$TAG" = "v$version" ] || die "The tag $TAG is not the version $version of pyproject.toml."
    gh release create "$TAG" dist/*.dmg --verify-tag --generate-notes
}

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
case ${1:-} in
    python | tests | doctor | certificate | benchmark | release) "step_$1" ;;
    *) usage ;;
esac
