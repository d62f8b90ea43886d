"""The steps as a Kubeflow pipeline. Needs the extra `kubeflow`.

Steps are Python components, not containers with a command, so that Kubeflow's own subprocess runner can run them where
there is no cluster. Their functions are copied into the YAML as text: they must be whole by themselves.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kfp import compiler, dsl, kubernetes

from stream_rec.pipelines.cluster import AUTHORITIES, CLAIM, CONFIG_MAP, LOG, PASSWORDS, SECRET, SETTINGS
from stream_rec.pipelines.steps import Plan, Step, steps_of

NAME = "stream-rec-training"


def compile_to(file: Path, plan: Plan, image: str, more_settings: Sequence[str] = ()) -> None:
    """Write the pipeline down, for a cluster that has the objects of deploy/batch.

    Args:
        file: YAML, replaced.
        plan: what is trained.
        image: of every step; it has `stream-rec` with the extras `batch`, `mlflow` and `kubeflow`.
        more_settings: further keys of the ConfigMap, names of the environment.
    """
    compiler.Compiler().compile(pipeline_of(plan, image, more_settings), str(file))


def pipeline_of(plan: Plan, image: str, more_settings: Sequence[str] = ()) -> Any:
    """The pipeline as kfp knows it: to be compiled, or called under a local runner. Arguments as `compile_to`."""

    def training() -> None:
        before = None
        for step in steps_of(plan):
            task = _task(step, image)
            # The same command does something else every night: an answer from the cache would be no training.
            task.set_caching_options(enable_caching=False)
            task.set_display_name(step.name)
            _in_cluster(task, more_settings)
            if before is not None:
                task.after(before)
            before = task

    return dsl.pipeline(name=NAME, description="sink check, ALS, shadow arm (docs/pipelines.md)")(training)


def _task(step: Step, image: str) -> Any:
    # The image has kfp: a step that asked a package index first would need the internet every night.
    made = {"base_image": image, "install_kfp_package": False}
    if step.arguments[:2] == ("batch", "train"):
        return dsl.component(stream_rec_train, **made)(arguments=list(step.arguments))
    return dsl.component(stream_rec, **made)(arguments=list(step.arguments), text=step.text)


def _in_cluster(task: Any, more_settings: Sequence[str]) -> None:
    names = {name: name for name in (*SETTINGS, *more_settings)}
    kubernetes.use_config_map_as_env(task, CONFIG_MAP, names)
    kubernetes.use_secret_as_env(task, SECRET, PASSWORDS)
    kubernetes.use_secret_as_volume(task, SECRET, AUTHORITIES)
    kubernetes.mount_pvc(task, CLAIM, LOG)


def stream_rec(arguments: list, text: str) -> None:  # type: ignore[type-arg]  # kfp knows no list[str]
    """Run a command of `stream-rec`; the step fails as the command does."""
    import subprocess

    subprocess.run(["stream-rec", *arguments], input=text, text=True, check=True)


def stream_rec_train(arguments: list, metrics: dsl.Output[dsl.Metrics]) -> None:  # type: ignore[type-arg]
    """Run `stream-rec batch train`; what it measured is shown as the metrics of the run."""
    import json
    import subprocess
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "figures.json"
        subprocess.run(["stream-rec", *arguments, "--json", str(file)], check=True)
        for name, value in json.loads(file.read_text()).items():
            if isinstance(value, (int, float)):
                metrics.log_metric(name, value)
            else:
                metrics.metadata[name] = value
