"""A shape for a catalogue: fields of an item by the usual names of columns, and by what stands in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stream_rec.offline.datasets.item_files import AVAILABLE, FIELDS, NUMBER, mute_hint
from stream_rec.offline.datasets.stock_words import STOCK, is_stock, stock_path
from stream_rec.schemas.coercion import is_available
from stream_rec.schemas.item_names import ALIASES
from stream_rec.shapes.guess import NAMES, letters, member_path
from stream_rec.shapes.numbers import numbers_of
from stream_rec.shapes.times import number

MORE: Mapping[str, tuple[str, ...]] = {
    "item_id": NAMES["item_id"],
    "title": ("bezeichnung", "produktname", "artikelname", "titel", "titre", "nom", "titulo", "nombre", "titolo"),
    "tags": (
        "producttype", "googleproductcategory", "kategorie", "categorie", "categoria", "warengruppe", "tag",
    ),
    "owner": ("manufacturer", "marke", "hersteller", "marque", "marca", "merk"),
    "price": ("saleprice", "unitprice", "listprice", "preis", "verkaufspreis", "prix", "precio", "prezzo", "prijs"),
    "description": ("beschreibung", "descripcion", "descrizione", "omschrijving"),
    "image": ("imagelink", "bild"),
    "available": (*AVAILABLE, *STOCK),
}  # fmt: skip
"""Further names, without accents and what is no letter or digit: a shape that is printed can be looked at first."""
_PARTED = ("|", ";", " > ", ">", " » ")
_STEPS = " / "
"""Parts categories where most of them have it."""
ENOUGH = 2
"""Fields beside the id that make rows a catalogue."""
MAX_ATTRIBUTES = 16
"""Columns that become attributes."""


def guess_items(rows: Sequence[Any]) -> tuple[dict[str, str], list[str]] | None:
    """The paths of an item's fields, and what there is to say of them; None = the rows are no catalogue.

    A catalogue has an id that is another one in each row, and two of an item's fields beside.

    Args:
        rows: the first of a file, decoded.
    """
    objects = [row for row in rows if isinstance(row, Mapping)]
    seen = {
        str(name): [one[name] for one in objects if one.get(name) not in (None, "")]
        for name in dict.fromkeys(name for one in objects for name in one)
    }
    column = _columns(seen)
    ids = [str(value) for value in seen.get(column.get("item_id", ""), ())]
    if len(column) <= ENOUGH or not ids or len(set(ids)) < len(ids):
        return None
    found: dict[str, str] = {}
    remarks: list[str] = []
    for field, name in column.items():
        path = member_path(name)
        if field == "price" and (how := numbers_of(path, seen[name])):
            path = how.path
            remarks += [how.remark.replace("value = ", "price = ")] if how.remark else []
        elif field == "tags":
            path = _tags(path, seen[name])
        elif field == "available" and (_is_counted(name, seen[name]) or not _says_stock(seen[name])):
            stock = stock_path(path, seen[name])
            path = stock.path if stock else ""
            remarks += [stock.remark] if stock and stock.remark else []
        if path:
            found[field] = path
    for name in [name for name in seen if name not in column.values()][:MAX_ATTRIBUTES]:
        path = member_path(name)
        is_number = all(isinstance(value, str) and NUMBER.fullmatch(value) for value in seen[name])
        found[f"attributes.{name}"] = f"number({path}, '.')" if is_number else path
        hint = mute_hint(name, 1 if is_number else seen[name][0]) if seen[name] else ""
        remarks += [f"{name}: {hint}"] if hint and "available" not in found else []
    return found, remarks


def _columns(seen: Mapping[str, Sequence[Any]]) -> dict[str, str]:
    """By field, the column that has one of its names; `available` only if all its values can be it."""
    plain = {letters(name): name for name in reversed(list(seen))}
    found: dict[str, str] = {}
    for field in FIELDS:
        for each in map(letters, (field, *ALIASES.get(field, ()), *MORE.get(field, ()))):
            name = plain.get(each)
            if name is None or name in found.values():
                continue
            if (
                field != "available"
                or _says_stock(seen[name])
                or (is_stock(name) and stock_path("x", seen[name]))
            ):
                found[field] = name
                break
    return found


def _says_stock(values: Sequence[Any]) -> bool:
    """Can all values be `available` as they stand? Numbers alone are pieces, and not yes and no."""
    try:
        return bool(values) and all(is_available(value) in (True, False) for value in values)
    except ValueError:
        return False


def _is_counted(name: str, values: Sequence[Any]) -> bool:
    """Is it a stock in pieces? Where the first rows have 0 and 1 alone, others may have more."""
    return is_stock(name) and all(number(value) is not None for value in values)


def _tags(path: str, values: Sequence[Any]) -> str:
    """Several tags in one text are parted."""
    texts = [value for value in values if isinstance(value, str)]
    mark = next((mark for mark in _PARTED if any(mark in text for text in texts)), "")
    mark = mark or _STEPS * (2 * sum(_STEPS in text for text in texts) > len(texts))
    return f"split({path}, '{mark}')" if mark else path
