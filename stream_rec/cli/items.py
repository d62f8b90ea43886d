"""`items`: the catalogue, loaded from a file, shown, and taken away."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream_rec.cli.options import (
    ConfigFile,
    JsonFlag,
    Overrides,
    WrappingConsole,
    need_broker,
    read_settings,
    shown_text,
)

if TYPE_CHECKING:
    from stream_rec.offline.datasets.item_files import ItemRow
    from stream_rec.schemas.records import Item
    from stream_rec.settings import Settings
    from stream_rec.shapes.messages import Unread

items = typer.Typer(
    name="items", help="The catalogue: load it from a file, show an item, delete items.", no_args_is_help=True
)


_MOST = 0.95
"""Of the items: where so many are not shown, that is told."""


@dataclass(slots=True)
class _Fault:
    """Rows with one kind of fault.

    Attributes:
        count: how many.
        row: number of the first.
        said: what was wrong with it, and what to do.
    """

    count: int
    row: int
    said: str


@dataclass(slots=True)
class Loaded:
    """What became of a file.

    Attributes:
        rows: read.
        records: good ones.
        faults: by field and reason; of rows that were refused the field is empty.
        used: fields and attributes that records have, by how many; of true and false only what is not usual.
        hints: by attribute, what to do if it looks as if it hid items; empty = it does not.
        separator: between its columns; empty = it is no CSV file, or is read by a shape.
        unshown: records of items that are not available, or hidden.
        told: what else there is to say of the shape.
    """

    rows: int = 0
    records: int = 0
    faults: dict[tuple[str, str], _Fault] = field(default_factory=dict)
    used: Counter[str] = field(default_factory=Counter)
    hints: dict[str, str] = field(default_factory=dict)
    separator: str = ""
    unshown: int = 0
    told: list[str] = field(default_factory=list)

    @property
    def warnings(self) -> list[str]:
        """What is most likely not meant."""
        n, of = self.unshown, self.records
        if not of or n < _MOST * of:
            return self.told
        which = f"all {of:,}" if n == of else f"{n:,} of {of:,}"
        what = "nothing of them" if n == of else "hardly anything of them"
        return [*self.told, f"{which} items are not available or hidden: {what} will be shown"]

    @property
    def refused(self) -> int:
        """Rows that are no records."""
        return self.rows - self.records

    def take(self, row: ItemRow) -> None:
        """Count one."""
        from stream_rec.offline.datasets.item_files import left_out, mute_hint
        from stream_rec.shapes.messages import Unread

        self.rows += 1
        if row.error is not None:
            of_row = Unread(row.error.reason, "", row.error.detail, row.is_told)
            self._fault(of_row, row)
        if row.item is not None:
            self.records += 1
            self.unshown += row.item.hidden or not row.item.available
            self.used.update(_fields(row.item))
            for name, value in (row.item.attributes or {}).items():
                if name not in self.hints:
                    self.hints[name] = mute_hint(name, value)
        for name, reason in row.flaws:
            self._fault(left_out(name, reason, row.raw), row)
        for part in row.unread:
            self._fault(part, row)

    def _fault(self, part: Unread, row: ItemRow) -> None:
        """Count a part that could not be read; all of the row, where the field is empty."""
        from stream_rec.schemas.hints import hint

        known = self.faults.get((part.field, part.reason))
        if known is None:
            more = "" if part.is_told else hint("items", part.reason, part.detail, row.raw)
            said = "; ".join(filter(None, (part.detail, more)))
            known = self.faults[part.field, part.reason] = _Fault(0, row.number, said)
        known.count += 1


def _fields(item: Item) -> Iterator[str]:
    """What the item's record says beside its id."""
    import msgspec

    for each in msgspec.structs.fields(type(item))[1:]:
        if each.name == "attributes":
            yield from (f"attributes.{name}" for name in item.attributes or ())
        elif isinstance(each.default, bool) and getattr(item, each.name) != each.default:
            yield f"{each.name}={'true' if not each.default else 'false'}"
        elif getattr(item, each.name) != each.default:
            yield each.name


@items.command()
def load(
    file: Annotated[Path, typer.Argument(help="CSV, JSON Lines (either also .gz) or Parquet")],
    shape: Annotated[
        str, typer.Option(metavar="NAME", help="of \\[shapes.NAME], or a preset; by default our own fields")
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only check it")] = False,
    separator: Annotated[
        str, typer.Option(help="between columns of a CSV file; by default told by its first rows")
    ] = "",
    as_json: JsonFlag = False,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Publish a file's items; what cannot be used is left out, and said with the reason. Exit code 1 = no good row.

    In tables, columns that are no field of an item are attributes. Each row replaces what is known of its item.
    With --shape, a file of any form that the shape reads; other things may stand in it beside items.
    """
    from stream_rec.offline.datasets.item_files import read_items, separator_of
    from stream_rec.offline.datasets.reading import Reading
    from stream_rec.offline.datasets.shaped_items import read_shaped_items

    settings = read_settings(config, set_)
    if not dry_run:
        need_broker(settings)
    loaded = Loaded()
    if shape:
        declared = Reading(shape, "none", settings.shapes).declared()
        good = _good(read_shaped_items(file, declared, shape, settings.ingest, loaded.told), loaded)
    else:
        loaded.separator = separator_of(file, separator)
        good = _good(read_items(file, settings.ingest, loaded.separator), loaded)
    if dry_run:
        for _ in good:
            pass
    else:
        _publish(good, settings)
    _say(loaded, file, dry_run=dry_run, as_json=as_json)
    if not loaded.records:
        raise typer.Exit(1)


def _good(rows: Iterator[ItemRow], loaded: Loaded) -> Iterator[Item]:
    for row in rows:
        loaded.take(row)
        if row.item is not None:
            yield row.item


def _publish(good: Iterator[Item], settings: Settings) -> None:
    from stream_rec.producers.publisher.publisher import Publisher

    with Publisher(settings.bus, settings.ingest) as publisher:
        for item in good:
            publisher.send(item)


def _say(loaded: Loaded, file: Path, *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        faults = [
            {"field": name, "reason": reason, "rows": fault.count, "first_row": fault.row, "said": fault.said}
            for (name, reason), fault in loaded.faults.items()
        ]
        found: dict[str, Any] = {
            "rows": loaded.rows,
            "records": loaded.records,
            "refused": loaded.refused,
            "published": 0 if dry_run else loaded.records,
            "fields": dict(loaded.used),
            "faults": faults,
            "hints": {name: said for name, said in loaded.hints.items() if said},
            "warnings": loaded.warnings,
        }
        print(json.dumps(found, indent=2))
        return
    console = WrappingConsole()
    done = "would be published" if dry_run else "published"
    by = (
        ""
        if loaded.separator in ("", ",")
        else f", columns separated by {_shown_separator(loaded.separator)}"
    )
    console.line(f"{file.name}: {loaded.records:,} of {loaded.rows:,} items {done}{by}", style="bold")
    if loaded.used:
        listed = ", ".join(f"{name} {n:,}" for name, n in sorted(loaded.used.items()))
        console.line(shown_text(f"with {listed}").plain, indent=2)
    for said in loaded.warnings:
        console.line(shown_text(f"warning: {said}").plain, style="yellow", is_foreign=True)
    for name, said in loaded.hints.items():
        if said:
            console.line(shown_text(f"{name}: {said}").plain, style="yellow", is_foreign=True)
    for (name, reason), fault in sorted(
        loaded.faults.items(), key=lambda each: (bool(each[0][0]), -each[1].count)
    ):
        console.line(_fault_line(name, reason, fault), style="yellow")
        if fault.said:
            console.line(shown_text(fault.said).plain, indent=2, is_foreign=True)


def _shown_separator(separator: str) -> str:
    from stream_rec.offline.datasets.recognised import NAMED_SEPARATORS

    return NAMED_SEPARATORS.get(separator, repr(separator))


def _fault_line(name: str, reason: str, fault: _Fault) -> str:
    from stream_rec.schemas.validation import REASONS

    if name and reason == "missing_field":
        return f"not given for {fault.count:,} items: {name}, the first in row {fault.row:,}"
    what = f"left out of {fault.count:,} items: {name}" if name else f"refused: {fault.count:,} rows"
    meaning = f": {REASONS[reason]}" if reason in REASONS else ""
    return f"{what} ({reason}{meaning}), the first in row {fault.row:,}"


@items.command()
def show(
    item: Annotated[str, typer.Argument(metavar="ID", help="item_id")],
    as_json: JsonFlag = False,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Show the item's last record on Kafka, and whether readers leave it out. Exit code 1 = there is no record."""
    import msgspec

    from stream_rec.bus.item_log import last_record
    from stream_rec.errors import ContractError
    from stream_rec.schemas.item_changes import item_change

    settings = read_settings(config, set_)
    need_broker(settings)
    found = last_record(settings.bus, item)
    said: dict[str, Any] = {"item_id": item, "record": None, "removed": False, "at": None, "left_out": []}
    if found is not None:
        tp, offset, stamp, value = found
        said["at"] = {"place": f"{tp.topic}/{tp.partition}/{offset}", "broker_ts": stamp}
        try:
            _, record, flaws = item_change(item.encode(), value, stamp, settings.ingest)
            said["removed"] = record is None
            said["record"] = None if record is None else msgspec.to_builtins(record)
            said["left_out"] = [f"{flaw.field}: {flaw.reason}" for flaw in flaws]
        except ContractError as error:
            said["left_out"] = [f"all of it: {error.reason}, {error.detail}"]
    said["shown"] = _is_shown(item, settings)
    print(json.dumps(said, indent=2)) if as_json else _print_item(said)
    if found is None:
        raise typer.Exit(1)


def _is_shown(item: str, settings: Settings) -> bool | None:
    """Do readers leave it out? None = there is no Redis to ask."""
    if not settings.store.url:
        return None
    from stream_rec.store.reader import Reader

    reader = Reader(settings.store)
    try:
        return item not in reader.removed([item])
    finally:
        reader.close()


def _print_item(said: dict[str, Any]) -> None:
    console = WrappingConsole()
    if said["at"] is None:
        console.line(f"{said['item_id']}: no record on `items`")
    else:
        at = datetime.fromtimestamp(said["at"]["broker_ts"] / 1000, UTC).isoformat(timespec="seconds")
        what = "removed" if said["removed"] else "last said"
        console.line(f"{said['item_id']}: {what} {at}, {said['at']['place']}", style="bold")
    for name, value in (said["record"] or {}).items():
        shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        console.line(shown_text(f"{name}: {shown}").plain, indent=2, is_foreign=True)
    for part in said["left_out"]:
        console.line(f"left out: {part}", indent=2, style="yellow")
    if said["shown"] is not None:
        console.line("readers show it" if said["shown"] else "readers leave it out (`removed`)", indent=2)


@items.command()
def delete(
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="item_ids")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what would be deleted")] = False,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Take items out of the catalogue: they are recommended no more until they are published again."""
    from stream_rec.producers.publisher.publisher import Publisher
    from stream_rec.schemas.validation import required

    settings = read_settings(config, set_)
    for item in ids:
        required("ID", item, settings.ingest)
    console = WrappingConsole()
    if not dry_run:
        need_broker(settings)
        with Publisher(settings.bus, settings.ingest) as publisher:
            for item in ids:
                publisher.send_raw("items", item.encode(), None)
    console.line(f"{len(ids):,} items {'would be deleted' if dry_run else 'deleted'}")
