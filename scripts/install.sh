#!/bin/sh
# Installs packages in the virtual environment $1; the rest are pip's arguments.
# uv reads the same index and constraints in a fifth of the time. Where it cannot (it does not read pip's own settings:
# a mirror in pip.conf, say), pip does, and says what is wrong.
set -eu
venv=$1
shift
python=$venv/bin/python

if [ ! -x "$venv/bin/uv" ]; then
    "$python" -m pip install --quiet --disable-pip-version-check --constraint constraints.txt uv
fi
"$venv/bin/uv" pip install --quiet --python "$python" "$@" ||
    "$python" -m pip install --quiet --disable-pip-version-check "$@"
