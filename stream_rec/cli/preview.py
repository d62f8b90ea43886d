"""`scenario preview`: what a file of scenarios would do, tried on an engine of this command's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream_rec.cli.options import ConfigFile, JsonFlag, Overrides, need_broker, read_settings
from stream_rec.cli.text import Column, plain, say, table, width
from stream_rec.clock import SystemClock

if TYPE_CHECKING:
    from stream_rec.engine.engine import Engine
    from stream_rec.sdk.preview import MovedItem, ScenarioPreview
    from stream_rec.settings import Settings

_COLUMNS = (
    Column("", is_number=True),
    Column("before"),
    Column("after"),
    Column("was", is_number=True),
    Column("what rules say of it", is_prose=True),
)


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

    from stream_rec.producers.scenarios.file import read_file
    from stream_rec.serve.previews import previews

    wanted = read_file(file)
    settings = read_settings(config, set_)
    engine, begun = _engine(settings, replay)
    found = previews(engine, user, wanted, SystemClock().now())
    if as_json:
        answer = {"user_id": user, "engine": begun, "scenarios": found}
        print(json.dumps(msgspec.to_builtins(answer), indent=2))
        return
    say(plain(f"{user}: {begun}"))
    for each in found:
        if not each.is_on:
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
    from stream_rec.serve.previews import learned

    need_broker(settings)
    rebuilt = present(settings, SystemClock())
    return rebuilt.engine, learned(rebuilt)


def _print(found: ScenarioPreview) -> None:
    from stream_rec.serve.previews import in_words

    before = "there is none yet" if found.before is None else f"{len(found.before)} items"
    print()
    say(f"{found.scenario}: before: {before}; after: {len(found.after)} items")
    for line in found.changes:
        say(plain(line), indent="    ")
    rows = [_row(place, found, moved) for place, moved in enumerate(found.moved, start=1)]
    print(*table(_COLUMNS, rows, width()), sep="\n")
    for effect in found.effects:
        say(plain(f"{effect.rule} ({effect.says}): {in_words(effect)}"), indent="    ")


def _row(place: int, found: ScenarioPreview, moved: MovedItem) -> tuple[str, ...]:
    before, told = found.before or [], found.explained[place - 1]
    said = [*told.rules, *([f"gone: {told.absent}"] if moved.now is None and told.absent else [])]
    return (
        str(moved.now or "-"),
        plain(before[place - 1]) if place <= len(before) else "",
        plain(moved.item_id) if moved.now else f"({plain(moved.item_id)})",
        str(moved.was or "-"),
        plain("; ".join(said)),
    )
