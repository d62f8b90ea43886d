"""`experiment`: what is tried on whom, and its life from draft to shipped or rolled back."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream_rec.cli.options import ConfigFile, JsonFlag, Overrides, need_broker, read_settings
from stream_rec.cli.text import Column, plain, say, table, width

if TYPE_CHECKING:
    from stream_rec.producers.experiments.experiments import Experiments, Known
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


@experiment.command()
def apply(
    file: File, note: Note = "", as_json: JsonFlag = False, config: ConfigFile = None, set_: Overrides = None
) -> None:
    """Write the experiments of a file down: new ones as drafts, others in the state that they have."""
    from stream_rec.producers.experiments.file import changes, read_file

    wanted = read_file(file)
    found = _experiments(config, set_)
    placed = found.placed(wanted)
    changed = {name: after for name, (before, after) in placed.items() if before != after}
    acks = dict(zip(changed, found.apply(changed, note) if changed else [], strict=True))
    if as_json:
        applied = {name: ack.offset for name, ack in acks.items()}
        print(json.dumps({"applied": applied, "unchanged": sorted({*wanted} - {*applied})}, indent=2))
        return
    for name, (before, after) in placed.items():
        for line in changes(before, after):
            say(f"{name}: {line}", indent="  ")
        print(
            f"{name}: {after.state} as of control offset {acks[name].offset}"
            if name in acks
            else f"{name}: unchanged"
        )


@experiment.command("list")
def list_(as_json: JsonFlag = False, config: ConfigFile = None, set_: Overrides = None) -> None:
    """All experiments, over ones included."""
    found = _experiments(config, set_).all()
    if as_json:
        print(json.dumps({name: _plain(known) for name, known in found.items()}, indent=2))
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
    """One experiment: what differs from the defaults, and its state."""
    from stream_rec.producers.experiments.file import as_toml

    known = _experiments(config, set_).one(name)
    print(json.dumps(_plain(known), indent=2) if as_json else as_toml(name, known.experiment).rstrip())


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
    after, ack = _experiments(config, set_).move(name, move, winner=winner, note=note)
    users = f", {after.share:.0%} of its layer's users" if after.share else ""
    print(f"{name}: {after.state.replace('_', ' ')}{users}, as of control offset {ack.offset}")


def _experiments(config: Path | None, set_: list[str] | None) -> Experiments:
    from stream_rec.producers.experiments.experiments import Experiments

    settings = read_settings(config, set_)
    need_broker(settings)
    return Experiments(settings)


def _state(known: Known) -> str:
    at = known.experiment
    state = at.state.replace("_", " ")
    return f"{state}: {plain(at.winner)}" if at.winner else state


def _when(known: Known) -> str:
    ts = known.experiment.since or known.ts
    return datetime.fromtimestamp(ts, UTC).isoformat(timespec="seconds")


def _plain(known: Known) -> dict[str, Any]:
    import msgspec

    return {
        "offset": known.offset,
        "ts": known.ts,
        "by": known.by,
        "note": known.note,
        "experiment": msgspec.to_builtins(known.experiment),
    }
