#!/bin/sh
# Makes .venv-peers with the Python of the project's environment ($1, default .venv), and installs in it the packages of
# other makers that bench/peers compares with.
# Each is installed by itself: one that cannot be is said so, and the others are compared all the same.
set -eu
cd "$(dirname "$0")/.."
venv=.venv-peers

[ -e "$venv" ] || "${1:-.venv}/bin/python" -m venv "$venv"
# Surprise reads pandas' frames without asking for pandas; rectools-lightfm is the fork of LightFM that is kept up.
for packages in implicit rtrec flurs rectools-lightfm "scikit-surprise pandas" recfarm; do
    sh scripts/install.sh "$venv" --constraint bench/peers/requirements.txt $packages ||
        printf 'setup: %s could not be installed: read pip above; it will be reported as missing\n' "$packages" >&2
done
