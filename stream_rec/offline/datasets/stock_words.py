"""How columns of stock are called in several languages, and the words in them that say yes and no."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from stream_rec.shapes.guess import letters
from stream_rec.shapes.numbers import numbers_of
from stream_rec.shapes.times import number

STOCK = (
    "stock", "stocklevel", "stockquantity", "inventory", "inventoryquantity",
    "bestand", "lagerbestand", "lager", "lagernd", "verfugbar", "verfuegbar", "verfugbarkeit", "verfuegbarkeit",
    "vorratig", "vorraetig", "lieferbar", "stuckzahl", "disponibilite", "disponible", "enstock", "stocks",
    "disponibilidad", "existencias", "voorraad", "opvoorraad", "beschikbaar", "beschikbaarheid", "giacenza", "giacenze",
    "disponibilita", "disponibile", "scorte", "dostepnosc", "dostepny", "stanmagazynowy", "magazyn", "zapas",
)  # fmt: skip
"""Names without accents and what is no letter or digit, in small letters."""


class _Words(NamedTuple):
    """What stands for yes and no in one language, in small letters."""

    yes: tuple[str, ...]
    no: tuple[str, ...]


WORDS = (
    _Words(("true", "yes", "y", "in stock", "available"), ("false", "no", "n", "out of stock", "sold out")),
    _Words(
        ("ja", "j", "auf lager", "verfügbar", "lieferbar", "vorrätig", "lagernd"),
        ("nein", "nicht auf lager", "nicht verfügbar", "nicht lieferbar", "nicht vorrätig", "ausverkauft"),
    ),
    _Words(("oui", "en stock", "disponible"), ("non", "rupture de stock", "épuisé", "indisponible")),
    _Words(("sí", "si", "en stock", "disponible"), ("no", "agotado", "sin stock", "no disponible")),
    _Words(
        ("ja", "op voorraad", "beschikbaar"), ("nee", "niet op voorraad", "niet beschikbaar", "uitverkocht")
    ),
    _Words(("sì", "si", "disponibile"), ("no", "esaurito", "non disponibile")),
    _Words(("tak", "dostępny", "dostępna", "w magazynie"), ("nie", "niedostępny", "niedostępna", "brak")),
)


def is_stock(name: str) -> bool:
    """Is a column called so?"""
    return letters(name) in STOCK


def stock_path(path: str, values: Sequence[Any]) -> str:
    """The path that is true or false by a column of stock; empty = some value is neither a number nor a known word.

    A word that was not among the values looked at makes no answer of it: its item is refused.

    Args:
        path: of the column.
        values: some of it.
    """
    words = {str(value).strip().lower() for value in values if number(value) is None}
    how = numbers_of(path, [value for value in values if str(value).strip().lower() not in _KNOWN])
    if words <= _KNOWN:
        spoken = next((each for each in WORDS if words <= {*each.yes, *each.no}), None)
        if spoken is None:
            return ""
        by_word = [f"when(lower({path}) in [{_list(spoken.yes)}], 'true')"]
        by_word += [f"when(lower({path}) in [{_list(spoken.no)}], 'false')"]
        numbers = path if how is None else f"({path} > 0)"
        return " || ".join([*by_word, numbers]) if words else f"({path} > 0)"
    return f"({how.path} > 0)" if how and how.path and not words & _KNOWN else ""


_KNOWN = {word for each in WORDS for word in (*each.yes, *each.no)}


def _list(words: Sequence[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)
