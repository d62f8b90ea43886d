"""`experiment`: what is tried on whom, and its life from draft to shipped or rolled back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream_rec.cli.options import ConfigFile, JsonFlag, Overrides, need_broker, read_settings
from stream_rec.cli.text import Column, plain, say, table, width

if TYPE_CHECKING:
    from stream_rec.producers.experiments.experiments import Experiments, Known
    from stream_rec.schemas.experiment import Experiment
    from stream_rec.sdk.experiments import Counted, ExperimentStatus
    from stream_rec.settings import Settings
    from stream_rec.store.last_values import LastValues
    from stream_rec.trials.states import Move

experiment = typer.Typer(
    name="experiment",
    help="What is tried on whom (docs/trials.md).",
    no_args_is_help=True,
)
Name = Annotated[str, typer.Argument(metavar="NAME", help="of the experiment")]
File = Annotated[Path, typer.Argument(metavar="FILE", help="TOML, one table for each experiment")]
Note = Annotated[str, typer.Option("--note", metavar="TEXT", help="why, for people")]
_COLUMNS = (
    Column("name"),
    Column("kind"),
    Column("is"),
    Column("users", is_number=True),
    Column("since"),
    Column("arms", is_prose=True),
)
_OUTCOMES = (
    Column("arm"),
    *(Column(name, is_number=True) for name in ("users", "shown", "clicks", "purchases", "revenue")),
)
_LIFTS = (
    Column("metric"),
    Column("arm"),
    *(Column(name, is_number=True) for name in ("lift", "low", "high", "p", "corrected")),
)
_WIDE = 10_000
"""Comments are not broken: they are a file's."""


@experiment.command()
def apply(
    file: File,
    start: Annotated[
        bool, typer.Option("--start", help="give drafts their full traffic, so that it may be run again")
    ] = False,
    note: Note = "",
    as_json: JsonFlag = False,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Write the experiments of a file down: new ones as drafts, others in the state that they have."""
    from stream_rec.producers.experiments.file import changes, read_file

    found = _experiments(config, set_)
    applied = found.apply(read_file(file), note)
    for name, each in applied.items():
        _warn(found, name, each.after)
    drafts = [name for name, each in applied.items() if start and each.after.state == "draft"]
    if as_json:
        offsets = {name: each.offset for name, each in applied.items() if each.offset is not None}
        offsets |= {
            name: _experiments(config, set_).move(name, "start", note=note)[1].offset for name in drafts
        }
        unchanged = sorted({*applied} - {*offsets})
        print(json.dumps({"applied": offsets, "unchanged": unchanged}, indent=2))
        return
    for name, each in applied.items():
        for line in changes(each.before, each.after):
            say(f"{name}: {line}", indent="  ")
        print(
            f"{name}: unchanged"
            if each.offset is None
            else f"{name}: {each.after.state} as of control offset {each.offset}"
        )
    for name in drafts:
        _move(name, "start", note, config, set_)


@experiment.command("list")
def list_(as_json: JsonFlag = False, config: ConfigFile = None, set_: Overrides = None) -> None:
    """All experiments, over ones included."""
    from stream_rec.serve.experiments import record

    found = _experiments(config, set_).all()
    if as_json:
        _print_json({name: record(known) for name, known in found.items()})
        return
    rows = [
        [
            name,
            known.experiment.kind,
            _state(known),
            f"{known.experiment.share:.0%}",
            _when(known),
            ", ".join(arm.name for arm in known.experiment.arms),
        ]
        for name, known in found.items()
    ]
    print(*table(_COLUMNS, rows, width()), sep="\n")


@experiment.command()
def show(name: Name, as_json: JsonFlag = False, config: ConfigFile = None, set_: Overrides = None) -> None:
    """One experiment: what differs from the defaults, its state, what was counted, and what was decided."""
    from stream_rec.producers.experiments.file import as_toml
    from stream_rec.serve.experiments import status

    settings = _settings(config, set_)
    found = _found(settings)
    found.one(name)
    told = status(found, name, _last_values(settings))
    if as_json:
        _print_json(told)
        return
    print(as_toml(name, told.experiment).rstrip())
    print(*_as_comments(told), sep="\n")


@experiment.command()
def start(name: Name, note: Note = "", config: ConfigFile = None, set_: Overrides = None) -> None:
    """Give it its full traffic."""
    _move(name, "start", note, config, set_)


@experiment.command()
def ramp(name: Name, note: Note = "", config: ConfigFile = None, set_: Overrides = None) -> None:
    """Give it the first share of its ramp, or the next one; what it has after a pause."""
    _move(name, "ramp", note, config, set_)


@experiment.command()
def stop(
    name: Name,
    pause: Annotated[bool, typer.Option("--pause", help="only for a while: it keeps its users")] = False,
    note: Note = "",
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Roll it back: everybody gets the control, for good."""
    _move(name, "pause" if pause else "stop", note, config, set_)


@experiment.command()
def ship(
    name: Name,
    arm: Annotated[str, typer.Argument(metavar="ARM", help="that everybody gets from now on")],
    note: Note = "",
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """End it with a winner."""
    _move(name, "ship", note, config, set_, winner=arm)


def _move(
    name: str, move: Move, note: str, config: Path | None, set_: list[str] | None, *, winner: str = ""
) -> None:
    found = _experiments(config, set_)
    after, ack = found.move(name, move, winner=winner, note=note)
    if after.is_live:
        _warn(found, name, after)
    users = f", {after.share:.0%} of its layer's users" if after.share else ""
    print(f"{name}: {after.state.replace('_', ' ')}{users}, as of control offset {ack.offset}")


def _warn(found: Experiments, name: str, experiment: Experiment) -> None:
    for line in found.unknown_scenarios(name, experiment):
        say(f"warning: {line}", err=True)


def _experiments(config: Path | None, set_: list[str] | None) -> Experiments:
    return _found(_settings(config, set_))


def _settings(config: Path | None, set_: list[str] | None) -> Settings:
    settings = read_settings(config, set_)
    need_broker(settings)
    return settings


def _found(settings: Settings) -> Experiments:
    from stream_rec.producers.experiments.experiments import Experiments

    return Experiments(settings)


def _last_values(settings: Settings) -> dict[str, LastValues]:
    """What workers report; nothing where no Redis is named."""
    from stream_rec.store.reader import Reader

    if not settings.store.url:
        return {}
    reader = Reader(settings.store)
    try:
        return reader.last_values()
    finally:
        reader.close()


def _as_comments(told: ExperimentStatus) -> Iterator[str]:
    """What was counted and decided, as comments of TOML: with what stands above, it is still a file."""
    yield ""
    if told.counted is None:
        yield "# no worker tells what was counted"
    else:
        yield from (f"# {line}".rstrip() for line in _counted(told.counted))
    yield "#"
    for each in told.history:
        at = each.experiment
        what = f"{at.state.replace('_', ' ')}{f' {at.winner}' if at.winner else ''}, {each.share:.0%}"
        said = " · ".join(filter(None, (_date(each.ts), what, each.by, each.note)))
        yield f"# {plain(said)}"


def _counted(of: Counted) -> Iterator[str]:
    rows = [
        [
            arm,
            *(
                f"{outcomes.get(name, 0.0):,.0f}"
                for name in ("user", "shown", "click", "purchase", "revenue")
            ),
        ]
        for arm, outcomes in of.outcomes.items()
    ]
    yield from table(_OUTCOMES, rows, _WIDE)
    if of.lifts:
        yield ""
        lifts = [
            [
                each.metric,
                each.variant,
                *map(_percent, (each.lift, each.low, each.high)),
                _number(each.p),
                _number(each.corrected),
            ]
            for each in of.lifts
        ]
        yield from table(_LIFTS, lifts, _WIDE)
    yield ""
    yield f"sample ratio p {_number(of.sample_ratio)}, users needed {_number(of.needed_users)}, " + (
        f"days left {_number(of.days_left)}"
    )
    for each in of.obstacles:
        yield f"{each.metric}, {each.obstacle.replace('_', ' ')}: {each.says}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:+.1%}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _state(known: Known) -> str:
    at = known.experiment
    state = at.state.replace("_", " ")
    return f"{state}: {plain(at.winner)}" if at.winner else state


def _when(known: Known) -> str:
    return _date(known.experiment.since or known.ts)


def _date(ts: float) -> str:
    return datetime.fromtimestamp(ts, UTC).isoformat(timespec="seconds")


def _print_json(value: Any) -> None:
    import msgspec

    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())
