"""`replay-state` and `why`: the engine as it was, and why a user was shown what he was shown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream_rec.cli.options import ConfigFile, JsonFlag, Overrides, need_broker, read_settings
from stream_rec.cli.text import Column, plain, reason_text, say, table, width
from stream_rec.clock import SystemClock
from stream_rec.errors import ConfigError

if TYPE_CHECKING:
    from stream_rec.engine.answering.explain import Explained
    from stream_rec.history.time_travel.rebuild import Rebuilt
    from stream_rec.schemas.records import Slate
    from stream_rec.settings import Settings

Journal = Annotated[
    str | None,
    typer.Option(metavar="FOLDER", help="a worker's journal; by default journal.folder; '' = none"),
]
_MS_FROM = 1e11
"""Numbers from here on are milliseconds: as seconds they would be in the year 5138."""
_COLUMNS = (
    Column("", is_number=True),
    Column("item"),
    Column("score", is_number=True),
    Column("why"),
    Column("rebuilt", is_number=True),
    Column("rebuilt why"),
    Column("place", is_number=True),
    Column("in its place"),
    Column("of which", is_prose=True),
)
_LATEST_MS = 253_402_300_799_999
"""The end of the year 9999, the last that can be shown."""


def replay_state(
    until: Annotated[
        str, typer.Option(metavar="TIMESTAMP", help="ISO 8601 (UTC if it has no zone), or epoch s")
    ],
    journal: Journal = None,
    as_json: JsonFlag = False,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Rebuild the engine as it was, from snapshot, journal and log: its digest, positions and counts."""
    from stream_rec.history.time_travel.merge import UntilTime
    from stream_rec.history.time_travel.rebuild import rebuild

    settings = _settings(config, set_, journal)
    ms = parse_ms(until)
    found = rebuild(settings, UntilTime(ms), ms)
    engine = found.engine
    positions = {f"{topic}/{partition}": at for (topic, partition), at in sorted(engine.position.items())}
    counts = {name: int(engine.stats()[name]) for name in ("events_learned", "users", "items")}
    figures: dict[str, Any] = {
        "digest": engine.digest(),
        "is_identical": not found.doubts,
        "doubts": found.doubts,
        "snapshot": found.snapshot,
        "session": found.session,
        "last_ms": found.last_ms,
        "drifts": found.drifted,
        "skipped": list(found.skipped),
        **counts,
        "positions": positions,
    }
    if as_json:
        print(json.dumps(figures, indent=2))
        return
    _print(f"state until {_shown(ms)}: {verdict(found)}")
    for doubt in found.doubts:
        _print(f"  {doubt}")
    _print(f"begun with: {_begun_with(found)}")
    if found.skipped:
        _print(f"left out: {', '.join(found.skipped)}")
    print(f"digest: {figures['digest']}")
    _print(", ".join(f"{name}: {n:,}" for name, n in counts.items()))
    for where, at in positions.items():
        print(f"{where}: {at}")


def why(
    user: Annotated[str, typer.Argument(metavar="USER", help="user_id, as in the events")],
    at: Annotated[
        str,
        typer.Option(
            metavar="TIMESTAMP",
            help="ISO 8601 (UTC if it has no zone), or epoch s; by default now",
            show_default=False,
        ),
    ] = "",
    scenario: Annotated[str, typer.Option(help="which of the user's slates")] = "default",
    journal: Journal = None,
    as_json: JsonFlag = False,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Explain the slate that a user had, with the engine as it was when the slate was made."""
    import msgspec

    from stream_rec.engine.answering.explain import explain
    from stream_rec.history.time_travel.merge import UntilEvent
    from stream_rec.history.time_travel.rebuild import rebuild
    from stream_rec.history.time_travel.slate_history import slate_at

    settings = _settings(config, set_, journal)
    at_ms = parse_ms(at) if at else int(SystemClock().now() * 1000)
    slate = slate_at(settings.bus, user, scenario, at_ms)
    if slate is None:
        _refuse_batch(settings, user, scenario)
        raise ConfigError(
            f"no {scenario} slate of {user} from {_shown(at_ms)} or before is in the topic `slates`",
            fix="the topic keeps slates for a day, of the scenarios of `stream-rec scenario list`; "
            "`stream-rec recommend` shows the present one",
        )
    as_of, made_ms = slate.as_of, int(slate.created_ts * 1000)
    latest_ms = max(as_of.broker_ts, made_ms) if as_of.rules >= 0 else as_of.broker_ts
    goal = UntilEvent(as_of.partition, as_of.offset, latest_ms, as_of.rules)
    found = rebuild(settings, goal, made_ms)
    if scenario not in found.engine.decisions.scenarios:
        raise ConfigError(
            f"the rebuilt engine knows no scenario {scenario!r}: its record is no longer in the log",
            fix="put it into engine.scenarios of the settings that you give, as it was then",
        )
    found.engine.compile_rules()
    now = found.engine.recommend([user], scenario=scenario)
    ranks = list(zip(now.items[0], now.scores[0], strict=True))
    explained = explain(found.engine, user, [item.item_id for item in slate.items], scenario)
    if as_json:
        answer = {
            "slate": slate,
            "is_identical": not found.doubts,
            "doubts": found.doubts,
            "skipped": list(found.skipped),
            "items": explained,
            "rebuilt": [{"item_id": item, "score": score} for item, score in ranks],
        }
        print(json.dumps(msgspec.to_builtins(answer), indent=2))
        return
    _print_why(slate, found, explained, [item for item, _ in ranks])


def parse_ms(text: str) -> int:
    """A moment as ms since the epoch.

    Raises:
        ConfigError: it is neither ISO 8601 nor a number.
    """
    try:
        number = float(text)
    except ValueError:
        pass
    else:
        ms = number if number >= _MS_FROM else number * 1000
        if not 0 <= ms <= _LATEST_MS:  # neither is infinity, nor what is no number
            raise ConfigError(
                f"{text!r} is no time", fix="write seconds since the epoch, or 2026-01-31T12:00:00Z"
            )
        return int(ms)
    try:
        when = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(
            f"{text!r} is no time", fix="write 2026-01-31T12:00:00Z, or seconds since the epoch"
        ) from error
    return int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() * 1000)


def verdict(found: Rebuilt) -> str:
    """In how far it is the state of then."""
    return "equivalent, not identical" if found.doubts else "identical, bit for bit"


def _rule(found: Rebuilt, scenario: str) -> str:
    """What the scenario was made by."""
    changed = found.engine.decisions.changed.get(scenario)
    if changed is None:
        return f"scenario {scenario} of the settings"
    return f"scenario {scenario} of offset {changed.offset}, {_shown(changed.broker_ts)}"


def _settings(config: Path | None, set_: list[str] | None, journal: str | None) -> Settings:
    settings = read_settings(config, set_)
    need_broker(settings)
    if journal is None:
        return settings
    return settings.model_copy(update={"journal": settings.journal.model_copy(update={"folder": journal})})


def _refuse_batch(settings: Settings, user: str, scenario: str) -> None:
    """Say so if what stands in Redis is a batch's: those are not in the topic, and no engine made them.

    Raises:
        ConfigError: it is.
    """
    from contextlib import closing

    from stream_rec.store.reader import Reader

    if not settings.store.url:
        return
    with closing(Reader(settings.store)) as reader:
        held = reader.slate(user, scenario)
    if held is not None and held.as_of.is_of_batch:
        raise ConfigError(
            f"the {scenario} slate of {user} is of the batch {held.model}, "
            f"trained {_shown(held.as_of.offset)} on events until {_shown(int(held.as_of.event_ts * 1000))}",
            fix="no engine made it, so none is rebuilt (docs/batch.md); after the user's next event there is one",
        )


def _begun_with(found: Rebuilt) -> str:
    begin = f"snapshot {found.snapshot}" if found.snapshot else "the beginning of the log"
    return f"{begin}, journal {found.session}" if found.session else begin


def _shown(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")


def _print_why(slate: Slate, found: Rebuilt, explained: Sequence[Explained], now: Sequence[str]) -> None:
    as_of = slate.as_of
    made = _shown(int(slate.created_ts * 1000))
    _print(f"{slate.user_id}: slate {slate.slate_id}, made {made}")
    _print(f"as of events/{as_of.partition} offset {as_of.offset}; engine rebuilt: {verdict(found)}")
    if as_of.rules >= 0:
        _print(f"rules: as of control offset {as_of.rules}; {_rule(found, slate.scenario)}")
    for doubt in found.doubts:
        _print(f"  {doubt}")
    if found.skipped:
        _print(f"  left out: {', '.join(found.skipped)}")
    rows = [
        (
            str(place),
            plain(item.item_id),
            f"{item.score:.4f}",
            plain(reason_text(item.reason)),
            "" if told.score is None else f"{told.score:.4f}",
            plain(reason_text(told.reason)),
            "-" if told.place is None else str(told.place),
            plain(now[place - 1]) if place <= len(now) else "",
            _parts(told),
        )
        for place, (item, told) in enumerate(zip(slate.items, explained, strict=True), start=1)
    ]
    print(*table(_COLUMNS, rows, width()), sep="\n")


def _print(text: str) -> None:
    say(plain(text), indent="  ")


def _parts(told: Explained) -> str:
    loudest = sorted(told.by_source.items(), key=lambda part: -abs(part[1]))
    parts = "of which " + ", ".join(f"{name} {part:+.3f}" for name, part in loudest) if loudest else ""
    said = [*told.rules, *([f"absent: {told.absent}"] if told.absent else [])]
    return "; ".join(filter(None, [parts, *said]))
