"""How columns of stock are called in several languages, and the words in them that say yes and no."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence, Set
from typing import Any, NamedTuple

from stream_rec.schemas.coercion import is_available
from stream_rec.shapes.guess import letters
from stream_rec.shapes.numbers import MAX_WORDS, Numbers, counted, listed, numbers_of
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


def stock_path(path: str, values: Sequence[Any]) -> Numbers | None:
    """The path that is true or false by a column of stock; None = it cannot be told by its values.

    Words that say neither (`on backorder`) say nothing where others, or numbers, do: such items are available. A word
    that was not among the values looked at makes no answer of it: its item is refused.

    Args:
        path: of the column.
        values: some of it.
    """
    words = Counter(str(value).strip().lower() for value in values if number(value) is None)
    known = {word for word in words if word in _KNOWN or _by_feed(word) is not None}
    more = {word for word in words if _MORE_THAN.fullmatch(word)}
    neither = Counter(
        {word: n for word, n in words.items() if not _HAS_DIGIT.search(word) and word not in known}
    )
    others = {*known, *more, *neither}
    how = numbers_of(path, [value for value in values if str(value).strip().lower() not in others])
    if len(neither) > MAX_WORDS or (how is None and (not known or words.keys() - others)):
        return None
    if how is not None and not how.path:
        return None
    parts = _by_words(path, known)
    if more:
        parts.append(f"when(match({path}, '{_MORE_THAN.pattern}'), 'true')")
    rest = f"({how.path} > 0)" if how else path
    parts.append(f"when(not lower({path}) in [{listed(neither)}], {rest})" if neither else rest)
    say = "says" if len(neither) == 1 else "say"
    said = (
        f"{path}: {counted(neither)} {say} neither yes nor no: such items are available; of words that mean no, put "
        f"when(lower({path}) in [{listed(neither)}], 'false') || first"
    )
    return Numbers(" || ".join(parts), said if neither else "")


def _by_feed(word: str) -> bool | None:
    """What a word of product feeds says; None = it is none."""
    try:
        return is_available(word)
    except ValueError:
        return None


def _by_words(path: str, known: Set[str]) -> list[str]:
    """What the words of the language say that has all of them, else those of all languages that have one."""
    of_feeds = {word: _by_feed(word) for word in sorted(known - _KNOWN)}
    known = known & _KNOWN
    whole = [each for each in WORDS if known <= {*each.yes, *each.no}][:1]
    spoken = (whole or [each for each in WORDS if known & {*each.yes, *each.no}]) if known else []
    yes = [word for each in spoken for word in each.yes] + [word for word, says in of_feeds.items() if says]
    no = [word for each in spoken for word in each.no] + [word for word, says in of_feeds.items() if not says]
    both = (("true", dict.fromkeys(yes)), ("false", dict.fromkeys(no)))
    return [f"when(lower({path}) in [{listed(words)}], '{said}')" for said, words in both if words]


_KNOWN = {word for each in WORDS for word in (*each.yes, *each.no)}
_HAS_DIGIT = re.compile(r"[0-9]")
_MORE_THAN = re.compile(r"^([>≥] *[0-9]+|[1-9][0-9]* *[+])$")
"""`10+`, `> 5`: as many at least."""
