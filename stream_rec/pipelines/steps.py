"""The steps of a training, as commands of ours: what Kubeflow and Airflow run is the same, and nothing else.

Addresses and secrets are not in them: every step reads its settings where it runs, as any command does.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from stream_rec.producers.experiments.file import as_toml
from stream_rec.schemas.experiment import Arm, Experiment
from stream_rec.sources.features import SWITCHES

LIVE = "live"
"""The arm that is as the live engine."""


class Step(NamedTuple):
    """One command.

    Attributes:
        name: of the step, unique in a pipeline.
        arguments: what follows `stream-rec`.
        text: what the command reads from its standard input; empty = nothing.
    """

    name: str
    arguments: tuple[str, ...]
    text: str = ""

    @property
    def shell(self) -> str:
        """The step as one line, or several where it reads a text, of a POSIX shell."""
        command = shlex.join(("stream-rec", *self.arguments))
        return f"printf %s {shlex.quote(self.text)} | {command}" if self.text else command


@dataclass(frozen=True, slots=True)
class Plan:
    """What is trained, and how it is tried.

    Attributes:
        space: the vector space that the item factors replace.
        mlflow: MLflow's tracking URL, where the training is recorded; empty = nowhere.
        train: more options of `stream-rec batch train`.
        experiment: the shadow experiment; empty = called as the space. After one that is over, another
            name.
    """

    space: str = "als"
    mlflow: str = ""
    train: Sequence[str] = ()
    experiment: str = ""


def steps_of(plan: Plan) -> tuple[Step, ...]:
    """The steps, each to be run when the one before has ended well.

    All may be run again, every night or after a failure: vectors replace those of before, and a shadow that runs
    goes on with them.
    """
    experiment = plan.experiment or plan.space
    recorded = ("--mlflow", plan.mlflow) if plan.mlflow else ()
    return (
        Step("check", ("sink", "check")),
        Step("train", ("batch", "train", "--space", plan.space, *recorded, *plan.train)),
        Step("shadow", ("experiment", "apply", "/dev/stdin", "--start"), shadow_of(experiment, plan.space)),
        Step("figures", ("experiment", "show", experiment)),
    )


def shadow_of(experiment: str, space: str) -> str:
    """TOML of the experiment whose second arm hears all sources, vector spaces among them, and is shown to nobody."""
    return as_toml(experiment, Experiment((Arm(LIVE), Arm(space, sources=SWITCHES)), kind="shadow"))
