"""`forget`: a user, everywhere."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream_rec.cli.options import ConfigFile, JsonFlag, Overrides, need_broker, need_store, read_settings
from stream_rec.cli.text import Column, say, table, width

if TYPE_CHECKING:
    from stream_rec.serve.forget import Receipt

_COLUMNS = (
    Column("store"),
    Column("removed", is_prose=True),
    Column("waits", is_prose=True),
    Column("until"),
)


def forget(
    user: Annotated[str, typer.Argument(metavar="USER", help="user_id, as in the events")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="say what would be done; change nothing")
    ] = False,
    wait: Annotated[
        float, typer.Option(min=0, max=3600, metavar="SECONDS", help="how long to wait for the workers")
    ] = 30.0,
    note: Annotated[str, typer.Option(metavar="TEXT", help="why; kept in the log, so no personal data")] = "",
    as_json: JsonFlag = False,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Forget a user, and print a receipt: what was removed, and what waits until when. Exit code 1: a worker is silent.

    It is harmless to repeat. What the user does from now on is learned as a new user's.
    """
    from stream_rec.serve.forget import Forgetter
    from stream_rec.store.reader import Reader

    settings = read_settings(config, set_)
    need_broker(settings)
    need_store(settings)
    reader = Reader(settings.store)
    try:
        forgetter = Forgetter(settings, reader)
        receipt = forgetter.plan(user) if dry_run else forgetter.forget(user, wait_seconds=wait, note=note)
    finally:
        reader.close()
    if as_json:
        print(json.dumps(_plain(receipt), indent=2))
    else:
        _print(receipt)
    if not receipt.is_whole:
        raise typer.Exit(1)


def _print(receipt: Receipt) -> None:
    if receipt.offset < 0:
        say(f"would forget user {receipt.user_hash} (nothing was changed):")
    else:
        say(f"forgotten: user {receipt.user_hash}, control offset {receipt.offset}, at {_shown(receipt.ts)}")
    rows = [[each.name, each.removed, each.waits, _shown(each.until)] for each in receipt.stores]
    print(*table(_COLUMNS, rows, width()), sep="\n")


def _plain(receipt: Receipt) -> dict[str, Any]:
    return {
        "user_hash": receipt.user_hash,
        "offset": receipt.offset,
        "ts": receipt.ts,
        "workers": len(receipt.workers),
        "silent": list(receipt.silent),
        "stores": [each._asdict() for each in receipt.stores],
    }


def _shown(ts: float) -> str:
    return datetime.fromtimestamp(ts, UTC).isoformat(timespec="seconds") if ts else ""
