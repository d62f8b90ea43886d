"""A catalogue of other people, read by a shape: what its files say of items, as records of ours."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

import msgspec

from stream_rec.errors import ConfigError, ContractError
from stream_rec.offline.datasets.item_files import ItemRow
from stream_rec.offline.datasets.parts import parts
from stream_rec.offline.datasets.shaped_columns import ColumnCheck
from stream_rec.offline.datasets.shaped_rows import rows
from stream_rec.schemas.item_changes import item_change
from stream_rec.schemas.records import Item
from stream_rec.settings import IngestSettings, ShapeSettings
from stream_rec.shapes.mapper import Mapper
from stream_rec.shapes.messages import Mapped, RawMessage, Refused, Unread
from stream_rec.shapes.presence import Presence
from stream_rec.shapes.presets import resolve

_encode = msgspec.json.Encoder(enc_hook=str).encode


def read_shaped_items(
    path: Path, shape: ShapeSettings, name: str, rules: IngestSettings, told: list[str] | None = None
) -> Iterator[ItemRow]:
    """The items of a file, folder, pattern or zip, in its order; rows that are of something else are passed over.

    Args:
        path: where it is.
        shape: as declared.
        name: of the shape, for errors.
        rules: limits of records.
        told: at the end, what paths name that no record has is added; None = nobody asks.

    Raises:
        ConfigError: the shape says nothing of items, a path names no column of a table, or the file cannot be read.
    """
    resolved = resolve(shape, name)
    if not resolved.items:
        raise ConfigError(
            f"shapes.{name} says nothing of items",
            fix=f"add [shapes.{name}.items] with item_id = 'a path' (docs/your-data.md)",
        )
    mapper = Mapper(resolved.only("items"), name)
    columns = ColumnCheck.of(shape.only("items"), name)
    presence = Presence(columns.own, resolved.framing)
    number = 0
    with parts(path, resolved.files) as files:
        columns.check(files)
        if columns.is_table:
            presence.leave_columns()
        for file in files:
            for read in rows(file, resolved):
                for body in read.bodies:
                    number += 1
                    mapped = _mapped(mapper, body, number)
                    presence.look(body, RawMessage(b""))
                    for n, one in enumerate(mapped):
                        if isinstance(one, Unread) or (isinstance(one, Refused) and one.is_meant):
                            continue
                        after = takewhile(lambda part: isinstance(part, Unread), mapped[n + 1 :])
                        unread = [part for part in after if isinstance(part, Unread)]
                        yield _row(number, one, body, rules)._replace(unread=unread)
    if told is not None:
        told += presence.told()


def _mapped(mapper: Mapper, body: Any, number: int) -> list[Mapped]:
    if isinstance(body, Refused):
        return [body]
    if mapper.shape.format == "text":
        return mapper.of_object({}, RawMessage(body.encode(), offset=number - 1))
    return mapper.of_object(body, RawMessage(b"", offset=number - 1))


def _row(number: int, one: Mapped, body: Any, rules: IngestSettings) -> ItemRow:
    """What workers would make of it: they judge its record, and so does this."""
    if not isinstance(one, Item):
        fault = one if isinstance(one, Refused) else Refused("deleted", "item_id", "the item is gone")
        detail = f"`{fault.field}`: {fault.detail}"
        error = ContractError(fault.reason, detail)
        return ItemRow(number, None, [], error, _encode(body), is_told=fault.is_told)
    raw = _encode(one)
    try:
        _, item, flaws = item_change(one.item_id.encode(errors="replace"), raw, -1, rules)
    except ContractError as error:
        return ItemRow(number, None, [], error, raw)
    return ItemRow(number, item, flaws, None, raw)
