"""`stream-rec`: the command line. Only names commands and turns our errors into a message and an exit code.

Exit codes: 0 done; 1 a check failed; 2 wrong settings or usage; 3 a server is away; 130 stopped by a signal.
"""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Sequence
from copy import copy
from typing import Annotated

import typer
from typer.main import get_command_name

from stream_rec.cli.alarm import alarm
from stream_rec.cli.batch import batch
from stream_rec.cli.bench import bench
from stream_rec.cli.bridge import bridge
from stream_rec.cli.dashboard import dashboard
from stream_rec.cli.dead_letters import dead_letters
from stream_rec.cli.demo import demo
from stream_rec.cli.doctor import doctor
from stream_rec.cli.evaluate import evaluate
from stream_rec.cli.experiment import experiment
from stream_rec.cli.export import export
from stream_rec.cli.forget import forget
from stream_rec.cli.items import items
from stream_rec.cli.key import key
from stream_rec.cli.lag import lag
from stream_rec.cli.main import command as command_of
from stream_rec.cli.merge import merge
from stream_rec.cli.ope import ope
from stream_rec.cli.pipeline import pipeline
from stream_rec.cli.preview import preview
from stream_rec.cli.read import popular, recommend, similar
from stream_rec.cli.replay import replay
from stream_rec.cli.scenario import scenario
from stream_rec.cli.serve import serve
from stream_rec.cli.settings import settings
from stream_rec.cli.shape import shape
from stream_rec.cli.simulate import simulate
from stream_rec.cli.sink import sink
from stream_rec.cli.snapshot import snapshot
from stream_rec.cli.tenant import tenant
from stream_rec.cli.text import say
from stream_rec.cli.time_travel import replay_state, why
from stream_rec.cli.up import up
from stream_rec.cli.vectors import vectors
from stream_rec.cli.worker import worker
from stream_rec.errors import StreamRecError, Unavailable
from stream_rec.settings.masking import hidden

app = typer.Typer(
    name="stream-rec",
    help="Streaming recommendations over Kafka and Redis.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"stream-rec {version('stream-rec')}")
        raise typer.Exit


@app.callback()
def common(
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error")] = "info",
    log_json: Annotated[bool, typer.Option("--log-json", help="one JSON object per log line")] = False,
    version: Annotated[  # noqa: ARG001 - its callback has answered and ended
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="show the version, and end"),
    ] = False,
) -> None:
    """Streaming recommendations over Kafka and Redis."""
    if log_level not in ("debug", "info", "warning", "error"):
        raise typer.BadParameter("debug, info, warning or error", param_hint="--log-level")
    from stream_rec.logs import configure

    configure(log_level, as_json=log_json)


for command in (
    demo,
    up,
    worker,
    bridge,
    serve,
    dashboard,
    replay,
    simulate,
    recommend,
    similar,
    popular,
    why,
    lag,
    evaluate,
    doctor,
    settings,
):
    app.command()(command)
app.command()(dead_letters)
scenario.command()(preview)
app.command()(forget)
app.command()(merge)
app.command()(replay_state)
app.command()(ope)
app.add_typer(bench)
app.add_typer(snapshot)
app.add_typer(items)
app.add_typer(scenario)
app.add_typer(experiment)
app.add_typer(alarm)
app.add_typer(key)
app.add_typer(shape)
app.add_typer(vectors)
app.add_typer(sink)
app.add_typer(export)
app.add_typer(pipeline)
app.add_typer(batch)
app.add_typer(tenant)


def chosen(words: Sequence[str]) -> typer.Typer:
    """The command line with no command but the one that is named: Typer works out the options of all that it has.

    Args:
        words: behind the program's name.

    Returns:
        All of it if none is named, or none of ours, or if help comes before it: that lists them.
    """
    name = command_of(words)
    one = copy(app)
    one.registered_commands = [
        each
        for each in app.registered_commands
        if each.callback is not None and get_command_name(each.callback.__name__) == name
    ]
    one.registered_groups = [
        each
        for each in app.registered_groups
        if each.typer_instance is not None and each.typer_instance.info.name == name
    ]
    if not (one.registered_commands or one.registered_groups):
        return app
    before = words[: words.index(name)]
    return app if "--help" in before or "-h" in before else one


_REACHED = "runs and can be reached from here (`stream-rec doctor` says more), then repeat the command"


def run() -> None:
    """Run a command; our own errors end it with their message and fix, and no traceback; a bug's has no secrets."""
    threading.excepthook = lambda bug: _show_bug(bug.exc_value)
    try:
        chosen(sys.argv[1:])()
    except Unavailable as error:
        fix = f"see that {error.service} {_REACHED}"
        say(hidden(f"stream-rec: {error}\n  fix: {fix}"), indent="    ", err=True)
        sys.exit(3)
    except StreamRecError as error:
        say(hidden(f"stream-rec: {error}"), indent="    ", err=True)
        sys.exit(2)
    except MemoryError as error:
        what = f"not enough memory: {error or 'no more to be had'}"
        say(f"stream-rec: {what}\n  fix: {_LOWER}", indent="    ", err=True)
        sys.exit(2)
    except Exception as error:  # noqa: BLE001 - shown as Python does, but for secrets
        _show_bug(error)
        sys.exit(1)


_LOWER = "lower engine.max_users or engine.max_items (`stream-rec bench memory` says what they take), or another bound"


def _show_bug(error: BaseException | None) -> None:
    print(hidden("".join(traceback.format_exception(error))), file=sys.stderr, end="")
