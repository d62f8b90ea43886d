"""`pipeline`: the training as steps, for whoever runs them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream_rec.cli.options import need_writable

if TYPE_CHECKING:
    from stream_rec.pipelines.steps import Plan

pipeline = typer.Typer(
    name="pipeline",
    help="The training as a pipeline of commands (docs/pipelines.md).",
    no_args_is_help=True,
)
Space = Annotated[str, typer.Option(metavar="NAME", help="vector space that the item factors replace")]
Mlflow = Annotated[str, typer.Option(metavar="URL", help="MLflow's tracking URL; empty = nowhere")]
Train = Annotated[
    list[str] | None,
    typer.Option(
        metavar="OPTION", help="of `batch train`, repeatable: --train=--rank=64", show_default=False
    ),
]
Named = Annotated[
    str, typer.Option(metavar="NAME", help="the shadow experiment; empty = called as the space")
]


@pipeline.command()
def steps(space: Space = "als", mlflow: Mlflow = "", train: Train = None, experiment: Named = "") -> None:
    """Print the steps as a script; `| sh -e` runs them here."""
    from stream_rec.pipelines.steps import steps_of

    for step in steps_of(_plan(space, mlflow, train, experiment)):
        typer.echo(step.shell)


@pipeline.command("compile")
def compile_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="YAML that Kubeflow runs")],
    image: Annotated[str, typer.Option(help="that has stream-rec with batch, mlflow and kubeflow")],
    space: Space = "als",
    mlflow: Mlflow = "",
    train: Train = None,
    experiment: Named = "",
    env: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="one more setting of the ConfigMap, repeatable", show_default=False
        ),
    ] = None,
) -> None:
    """Write the steps down as a Kubeflow pipeline."""
    from stream_rec.batch.spark import imported

    imported("kfp", "kubeflow")
    need_writable(file)
    from stream_rec.pipelines.kubeflow import compile_to

    compile_to(file, _plan(space, mlflow, train, experiment), image, env or ())
    typer.echo(f"{file}: a pipeline of Kubeflow")


def _plan(space: str, mlflow: str, train: list[str] | None, experiment: str) -> Plan:
    from stream_rec.pipelines.steps import Plan

    return Plan(space, mlflow, tuple(train or ()), experiment)
