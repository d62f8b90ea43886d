"""`scenario preview`: what a file of scenarios would do, tried on an engine of this command's own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream_rec.cli.options import ConfigFile, JsonFlag, Overrides, need_broker, read_settings
from stream_rec.cli.text import Column, plain, say, table, width
from stream_rec.clock import SystemClock

if TYPE_CHECKING:
    from stream_rec.engine.engine import Engine
    from stream_rec.engine.steering.preview import Effect, Moved, Preview
    from stream_rec.settings import Settings

_COLUMNS = (
    Column("", is_number=True),
    Column("before"),
    Column("after"),
    Column("was", is_number=True),
    Column("what rules say of it", is_prose=True),
)
_SHOWN = 8
"""Items of one rule that are named."""


def preview(
    user: Annotated[str, typer.Argument(metavar="USER", help="user_id, as in the events")],
    file: Annotated[
        Path, typer.Option("--file", "-f", metavar="FILE", help="TOML, one table for each scenario")
    ],
    replay: Annotated[
        str,
        typer.Option(metavar="SOURCE", help="learn this file or data set, instead of the installation's log"),
    ] = "",
    as_json: JsonFlag = False,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Show a user's slates before and after the scenarios of a file, and what each rule does. Nothing is applied.

    An engine is rebuilt here from the newest snapshot and the log, or learns a file (--replay): workers notice nothing.
    """
    import msgspec

    from stream_rec.engine.steering.preview import preview as run
    from stream_rec.producers.scenarios.file import read_file

    wanted = read_file(file)
    settings = read_settings(config, set_)
    engine, begun = _engine(settings, replay)
    found = run(engine, user, wanted)
    if as_json:
        answer = {"user_id": user, "engine": begun, "scenarios": found}
        print(json.dumps(msgspec.to_builtins(answer), indent=2))
        return
    say(plain(f"{user}: {begun}"))
    for each in found:
        if not wanted[each.scenario].is_valid_at(SystemClock().now()):
            say(f"{each.scenario} is off, or outside of its time: no slates would be written", indent="  ")
        _print(each)


def _engine(settings: Settings, replay: str) -> tuple[Engine, str]:
    """An engine, and what it has learned, in words."""
    if replay:
        from stream_rec.offline.datasets.learned import engine_of
        from stream_rec.rerank.rerankers import Rerankers

        engine = engine_of(replay, settings)
        engine.reranking.use(Rerankers(settings.rerank, SystemClock(), waits=True))
        return engine, f"as of {replay}: {engine.n_learned:,} events"
    from stream_rec.history.time_travel.rebuild import present

    need_broker(settings)
    rebuilt = present(settings, SystemClock())
    since = f"snapshot {rebuilt.snapshot} and " if rebuilt.snapshot else ""
    return rebuilt.engine, f"as of {since}{sum(rebuilt.learned.values()):,} records of the log"


def _print(found: Preview) -> None:
    before = "there is none yet" if found.before is None else f"{len(found.before)} items"
    print()
    say(f"{found.scenario}: before: {before}; after: {len(found.after)} items")
    rows = [_row(place, found, moved) for place, moved in enumerate(found.moved, start=1)]
    print(*table(_COLUMNS, rows, width()), sep="\n")
    for effect in found.effects:
        say(plain(f"{effect.rule} ({effect.says}): {'; '.join(_effect(effect))}"), indent="    ")


def _row(place: int, found: Preview, moved: Moved) -> tuple[str, ...]:
    before, told = found.before or [], found.explained[place - 1]
    said = [*told.rules, *([f"gone: {told.absent}"] if moved.now is None and told.absent else [])]
    return (
        str(moved.now or "-"),
        plain(before[place - 1]) if place <= len(before) else "",
        plain(moved.item_id) if moved.now else f"({plain(moved.item_id)})",
        str(moved.was or "-"),
        plain("; ".join(said)),
    )


def _effect(effect: Effect) -> Iterator[str]:
    brought = [f"{each.item_id} ({each.now})" for each in effect.moved if each.was is None]
    taken = [f"{each.item_id} (was {each.was})" for each in effect.moved if each.now is None]
    moved = [
        f"{each.item_id} {each.was} to {each.now}"
        for each in effect.moved
        if each.was is not None and each.now is not None
    ]
    for what, items in (("brings", brought), ("takes out", taken), ("moves", moved)):
        if items:
            yield f"{what} {_listed(items)}"
    if not effect.moved:
        yield "changes nothing here"


def _listed(items: Sequence[str]) -> str:
    more = f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return f"{', '.join(items[:_SHOWN])}{more}"
