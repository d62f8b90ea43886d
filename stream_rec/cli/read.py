"""`recommend`, `similar` and `popular`: what readers get, from Redis."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stream_rec.cli.options import ConfigFile, JsonFlag, Overrides, need_store, read_settings
from stream_rec.cli.text import Column, plain, reason_text, say, table, width

if TYPE_CHECKING:
    from stream_rec.schemas.records import SlateItem
    from stream_rec.serve.wishes import Recommendations
    from stream_rec.settings import StoreSettings

_COLUMNS = (Column("", is_number=True), Column("item"), Column("score", is_number=True), Column("why"))
Length = Annotated[int, typer.Option("--k", "-k", min=1, max=200, help="items, at most")]


def recommend(
    user: Annotated[str, typer.Argument(metavar="USER", help="user_id, as in the events")],
    scenario: Annotated[str, typer.Option(help="which of the user's slates")] = "default",
    k: Length = 20,
    explain: Annotated[
        bool,
        typer.Option("--explain", help="rebuild the engine here, and show what each score is made of"),
    ] = False,
    item: Annotated[
        list[str] | None,
        typer.Option("--item", metavar="ITEM", help="why this one is there or not; repeatable"),
    ] = None,
    as_json: JsonFlag = False,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Show a user's recommendations with their reasons; for a user without a slate, what is popular."""
    import msgspec

    from stream_rec.serve.client import Client

    settings = read_settings(config, set_)
    if explain or item:
        from stream_rec.cli.explain import explain_slate

        explain_slate(settings, user, scenario, item or [], k, as_json=as_json)
        return
    need_store(settings)
    with Client(settings.store) as client:
        answer = client.recommendations(user, scenario, k=k)
    if as_json:
        found = {"user_id": user, "origin": answer.origin, "items": answer.items, "slate": answer.slate}
        print(json.dumps(msgspec.to_builtins(found), indent=2))
        return
    headline = _headline(user, answer)
    _print_items(answer.items, headline or f"{user}: {_why_nothing(settings.store, scenario)}")


def similar(
    item: Annotated[str, typer.Argument(metavar="ITEM", help="item_id")],
    k: Length = 20,
    as_json: JsonFlag = False,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Show the items most like an item."""
    import msgspec

    from stream_rec.serve.client import Client

    settings = read_settings(config, set_)
    need_store(settings)
    with Client(settings.store) as client:
        items = client.similar(item, k=k)
    if as_json:
        print(json.dumps(msgspec.to_builtins({"item_id": item, "items": items}), indent=2))
        return
    _print_items(
        items, f"like {item}" if items else f"{item}: unknown, removed, or not connected with others yet"
    )


def popular(
    tag: Annotated[str, typer.Argument(metavar="[TAG]", help="only items with this tag")] = "",
    of: Annotated[
        Literal["popular", "trending", "new"], typer.Option("--list", help="which list", metavar="NAME")
    ] = "popular",
    k: Length = 20,
    as_json: JsonFlag = False,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Show what is popular (or --list trending, --list new), of all items or of a tag's."""
    import msgspec

    from stream_rec.serve.client import Client

    settings = read_settings(config, set_)
    need_store(settings)
    with Client(settings.store) as client:
        items = getattr(client, of)(k=k, tag=tag)
    if as_json:
        print(json.dumps(msgspec.to_builtins({"list": of, "tag": tag, "items": items}), indent=2))
        return
    name = f"{of}:{tag}" if tag else of
    nothing = f"{name}: empty{'; is it one of the store.category_tags tags used most?' if tag else ''}"
    _print_items(items, name if items else nothing)


def _headline(user: str, answer: Recommendations) -> str:
    """Where the answer is from; empty = it is from nowhere."""
    if answer.slate is not None:
        known = answer.slate.as_of
        if known.is_of_batch:
            return f"{user}: of the batch {answer.slate.model}, slate {answer.slate.slate_id}"
        return f"{user}: as of events/{known.partition} offset {known.offset}, slate {answer.slate.slate_id}"
    if answer.origin == "scenario":
        return f"{user}: no slate, so what the scenario shows everybody"
    if answer.origin == "popular":
        return f"{user}: no slate, so what is popular"
    return ""


def _why_nothing(store: StoreSettings, scenario: str) -> str:
    """Nobody is shown anything: what Redis says of the scenario's list."""
    from stream_rec.store.reader import Reader

    reader = Reader(store)
    try:
        (of_scenario,) = reader.scenario_lists([scenario])
    finally:
        reader.close()
    if of_scenario is None:
        return "nothing has been learned yet; is a worker running, and has it had events?"
    if of_scenario.allowed == 0 and of_scenario.of > 0:
        return (
            f"the filter of scenario {scenario} lets none of {of_scenario.of:,} items through (`stream-rec doctor` "
            "says which of the names that it asks for no item has)"
        )
    return f"nothing of what scenario {scenario} may show is left"


def _print_items(items: Sequence[SlateItem], headline: str) -> None:
    say(plain(headline))
    if not items:
        return
    rows = [
        (str(place), plain(item.item_id), f"{item.score:.3f}", plain(reason_text(item.reason)))
        for place, item in enumerate(items, start=1)
    ]
    print(*table(_COLUMNS, rows, width()), sep="\n")
