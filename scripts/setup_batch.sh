#!/bin/sh
# Makes .venv-batch with the Python of the project's environment ($1, default .venv): stream_rec with Spark and MLflow,
# some 500 MB, apart from the environment of everything else.
set -eu
cd "$(dirname "$0")/.."
venv=.venv-batch

[ -e "$venv/.ready" ] && exit 0
"${1:-.venv}/bin/python" -m venv "$venv"
sh scripts/install.sh "$venv" --constraint constraints.txt --editable '.[batch,mlflow,dev]'
touch "$venv/.ready"
