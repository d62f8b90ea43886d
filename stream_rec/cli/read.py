"""`recommend` and `similar`: what readers get, from Redis."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from stream_rec.cli.options import ConfigFile, JsonFlag, Overrides, need_store, read_settings, shown_text

if TYPE_CHECKING:
    from stream_rec.schemas.records import SlateItem
    from stream_rec.serve.answers import Recommendations

Length = Annotated[int, typer.Option("--k", "-k", min=1, max=200, help="items, at most")]


def recommend(
    user: Annotated[str, typer.Argument(metavar="USER", help="user_id, as in the events")],
    scenario: Annotated[str, typer.Option(help="which of the user's slates")] = "default",
    k: Length = 20,
    as_json: JsonFlag = False,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Show a user's recommendations with their reasons; for a user without a slate, what is popular."""
    import msgspec

    from stream_rec.serve.client import Client

    settings = read_settings(config, set_)
    need_store(settings)
    with Client(settings.store) as client:
        answer = client.recommendations(user, scenario, k=k)
    if as_json:
        found = {"user_id": user, "origin": answer.origin, "items": answer.items, "slate": answer.slate}
        print(json.dumps(msgspec.to_builtins(found), indent=2))
        return
    _print_items(answer.items, _headline(user, answer))


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
    _print_items(items, f"like {item}" if items else f"{item}: unknown, removed, or without neighbours yet")


def _headline(user: str, answer: Recommendations) -> str:
    if answer.slate is not None:
        known = answer.slate.as_of
        return f"{user}: as of events/{known.partition} offset {known.offset}, slate {answer.slate.slate_id}"
    if answer.origin == "popular":
        return f"{user}: no slate, so what is popular"
    return f"{user}: nothing has been learned yet; is a worker running, and has it had events?"


def _print_items(items: Sequence[SlateItem], headline: str) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console.print(shown_text(headline))
    if not items:
        return
    table = Table("", "item", "score", "why", box=None, pad_edge=False, header_style="bold")
    for place, item in enumerate(items, start=1):
        why = (
            f"{item.reason.source}, from {item.reason.item_id}" if item.reason.item_id else item.reason.source
        )
        table.add_row(str(place), shown_text(item.item_id), f"{item.score:.3f}", shown_text(why))
    console.print(table)
