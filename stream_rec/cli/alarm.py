"""`alarm`: what has changed for good, as workers have found it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from stream_rec.cli.options import ConfigFile, JsonFlag, Overrides, need_broker, read_settings
from stream_rec.cli.text import Column, table, width
from stream_rec.errors import ConfigError

if TYPE_CHECKING:
    from stream_rec.schemas.alarm import Alarm
    from stream_rec.settings import Settings

alarm = typer.Typer(
    name="alarm",
    help="What has changed for good (docs/alarms.md).",
    no_args_is_help=True,
)
_COLUMNS = (
    Column("metric"),
    Column("has moved", is_prose=True),
    Column("since"),
    Column("in force until"),
    Column("does", is_prose=True),
)


@alarm.command("list")
def list_(as_json: JsonFlag = False, config: ConfigFile = None, set_: Overrides = None) -> None:
    """The alarms that are in force."""
    import msgspec

    settings = read_settings(config, set_)
    found = _in_force(settings)
    if as_json:
        print(json.dumps({name: msgspec.to_builtins(each) for name, each in found.items()}, indent=2))
    elif not found:
        print("no alarm is in force")
    else:
        rows = [
            (
                name,
                f"{each.direction} from {each.normal:.3f} to {each.level:.3f}",
                _time(each.since),
                _time(each.until),
                _does(each),
            )
            for name, each in found.items()
        ]
        print(*table(_COLUMNS, rows, width()), sep="\n")


@alarm.command()
def end(
    metric: Annotated[str, typer.Argument(metavar="METRIC", help="as `list` names it")],
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Take an alarm back before its time: exploration ends with it; what was done to what is learned stays so."""
    from stream_rec.producers.publisher.publisher import Publisher
    from stream_rec.schemas.decisions import ALARM

    settings = read_settings(config, set_)
    found = _in_force(settings)
    if metric not in found:
        raise ConfigError(
            f"no alarm {metric!r} is in force",
            fix=f"there is {', '.join(found)}" if found else "there is none",
        )
    with Publisher(settings.bus, settings.ingest) as publisher:
        ack = publisher.take_back(ALARM, metric)
    print(f"{metric}: taken back as of control offset {ack.offset}")


def _in_force(settings: Settings) -> dict[str, Alarm]:
    from stream_rec.bus.decisions import last_of_each, read_decisions
    from stream_rec.schemas.alarm import Alarm
    from stream_rec.schemas.decisions import ALARM

    need_broker(settings)
    last = last_of_each(read_decisions(settings.bus, settings.ingest))
    return {
        name: each.body
        for (kind, name), each in last.items()
        if kind == ALARM and isinstance(each.body, Alarm)
    }


def _does(alarm: Alarm) -> str:
    does = [
        "larger steps of the rankers" if alarm.learning_rate else "",
        f"at least {alarm.exploration:g} exploration" if alarm.exploration else "",
        f"{', '.join(alarm.reset)} begun anew" if alarm.reset else "",
        "what is popular stands in for personal slates" if alarm.popular else "",
    ]
    return "; ".join(each for each in does if each) or "nothing but saying so"


def _time(ts: float) -> str:
    return datetime.fromtimestamp(ts, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
