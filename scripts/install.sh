#!/bin/sh
# Installs packages in the virtual environment $1; the rest are pip's arguments.
# uv needs a third of pip's time. Where it cannot be had or cannot install (it does not read pip's own settings: a mirror
# in pip.conf, say), pip does, and says what is wrong.
set -eu
venv=$1
shift
python=$venv/bin/python

[ -x "$venv/bin/uv" ] ||
    "$python" -m pip install --quiet --disable-pip-version-check --constraint constraints.txt uv ||
    printf 'setup: without uv; pip needs longer\n' >&2
if [ -x "$venv/bin/uv" ]; then
    "$venv/bin/uv" pip install --quiet --python "$python" "$@" && exit 0
    printf 'setup: uv could not install: trying pip\n' >&2
fi
"$python" -m pip install --quiet --disable-pip-version-check "$@"
