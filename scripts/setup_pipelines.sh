#!/bin/sh
# Makes .venv-pipelines with the Python of the project's environment ($1, default .venv): stream_rec with Spark, MLflow,
# Kubeflow's kfp and Airflow, some 2.5 GB, apart from the environment of everything else.
set -eu
cd "$(dirname "$0")/.."
venv=.venv-pipelines

[ -e "$venv/.ready" ] && exit 0
"${1:-.venv}/bin/python" -m venv "$venv"
sh scripts/install.sh "$venv" --constraint tests/pipelines/constraints.txt --editable '.[pipelines,dev]'
touch "$venv/.ready"
