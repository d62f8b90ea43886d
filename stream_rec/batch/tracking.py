"""A training as a run of MLflow 3, and its factors as a version of a registered model with the alias `challenger`."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from stream_rec.batch.als import Trained
from stream_rec.batch.spark import imported

CHALLENGER = "challenger"
_EXPERIMENT = "stream-rec"
_SQLITE = "sqlite:///"


class Recorded(NamedTuple):
    """Where the training is found.

    Attributes:
        run_id: the run's.
        version: of the registered model.
    """

    run_id: str
    version: str


def record(trained: Trained, parameters: Mapping[str, Any], *, url: str, model: str) -> Recorded:
    """Write a run: parameters, metrics, and the factors as `factors.npz` (`items`, `factors`).

    Args:
        trained: metrics and factors.
        parameters: of the training, the data's digest among them.
        url: MLflow's tracking URL, of a server, a file or a database.
        model: name in the registry.

    Raises:
        ConfigError: mlflow is not installed.
    """
    mlflow = imported("mlflow", "mlflow")
    mlflow.set_tracking_uri(url)
    if mlflow.get_experiment_by_name(_EXPERIMENT) is None:
        mlflow.create_experiment(_EXPERIMENT, _artifacts_of(url))
    mlflow.set_experiment(_EXPERIMENT)
    with mlflow.start_run(run_name=model) as run, tempfile.TemporaryDirectory() as folder:
        mlflow.log_params(dict(parameters))
        mlflow.log_metrics(trained.figures)
        file = Path(folder) / "factors.npz"
        np.savez_compressed(file, items=np.array(trained.items), factors=trained.factors)
        mlflow.log_artifact(str(file))
        client = mlflow.MlflowClient()
        with suppress(mlflow.exceptions.MlflowException):  # it is registered already
            client.create_registered_model(model)
        made = client.create_model_version(model, f"{run.info.artifact_uri}/factors.npz", run.info.run_id)
        client.set_registered_model_alias(model, CHALLENGER, made.version)
    return Recorded(run.info.run_id, str(made.version))


def _artifacts_of(url: str) -> str | None:
    """Where an experiment keeps its files: beside a database file, where MLflow would take the present folder.

    None = the server, or the folder that is the store, has a place for them.
    """
    if not url.startswith(_SQLITE):
        return None
    return (Path(url.removeprefix(_SQLITE)).resolve().parent / "mlartifacts").as_uri()
