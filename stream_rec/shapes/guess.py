"""A shape for data that no preset knows: fields by their usual names, and by what stands in them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from stream_rec.errors import ConfigError
from stream_rec.shapes import times
from stream_rec.shapes.values import plain

NAMES: dict[str, tuple[str, ...]] = {
    "user_id": (
        "userid", "user", "uid", "customerid", "customer", "visitorid", "memberid", "member", "accountid", "clientid",
        "buyerid", "subscriberid", "playerid", "readerid", "distinctid", "anonymousid", "profileid", "personid",
        "deviceid", "cookieid", "username", "userpseudoid", "useid", "sessionid", "session", "visitor",
    ),
    "item_id": (
        "itemid", "item", "productid", "product", "sku", "articleid", "movieid", "bookid", "trackid", "songid",
        "videoid", "contentid", "newsid", "pageid", "asin", "parentasin", "isbn", "gameid", "adid", "documentid",
        "docid", "postid", "courseid", "recipeid", "hotelid", "listingid", "offerid", "stockcode", "iteid", "goodsid",
        "skuid", "productsku", "trackuri", "aid", "placeid", "venueid", "article", "movie", "book", "track", "song",
        "video", "page", "listing", "recipe", "course", "place", "game", "film", "filmid",
    ),
    "ts": (
        "ts", "timestamp", "eventtime", "eventtimestamp", "time", "datetime", "createdat", "occurredat", "happenedat",
        "date", "timems", "unixtime", "eventdate", "timestampms", "created", "clienttime", "servertime", "tstamp",
        "timestampmillis", "eventts", "createtime", "viewedat", "purchasedat", "invoicedate", "orderdate", "logtime",
    ),
    "event_type": (
        "eventtype", "event", "action", "actiontype", "type", "eventname", "behavior", "behaviour", "behaviortype",
        "interaction", "interactiontype", "feedbacktype", "activity", "verb", "kind",
    ),
    "session_id": ("sessionid", "session", "usersession", "visitid"),
    "event_id": ("eventid", "messageid", "uuid"),
    "value": ("rating", "value", "score", "stars", "price", "amount", "dwell", "dwelltime", "watchratio", "eventvalue"),
}  # fmt: skip
"""Without what is no letter or digit, in small letters; the first is the surest."""
NEEDED = ("user_id", "item_id", "ts")
_CENTURY = (946_684_800.0, 2_051_222_400.0)
"""2000 to 2034, in seconds."""
_WORDS_OF_TIME = ("time", "date", "stamp", "when", "zeit", "datum", "temps", "fecha", "hora", "tijd", "epoch")
MIN_SHARE = 0.2
"""Of the samples, that must have a field."""
MAX_DEPTH = 4


NOTHING: Mapping[str, str] = {}


def guess(samples: Sequence[Mapping[str, Any]], otherwise: Mapping[str, str] = NOTHING) -> dict[str, str]:
    """The paths of an interaction's fields.

    Args:
        samples: decoded messages or rows.
        otherwise: paths of fields for which none is found.

    Raises:
        ConfigError: no field looks like a user, an item or a time; says what there is.
    """
    seen: dict[str, list[Any]] = defaultdict(list)
    for sample in samples:
        for path, value in dict(_leaves(sample)).items():
            if value is not None and value != "":
                seen[path].append(value)
    common = [path for path, given in seen.items() if len(given) >= MIN_SHARE * len(samples)]
    found: dict[str, str] = {}
    for field, names in NAMES.items():
        best = sorted(
            (p for p in common if _is_like(field, p, seen[p], names)), key=lambda p: _rank(p, names)
        )
        best = [path for path in best if path not in found.values()]
        if best:
            found[field] = best[0]
    left = [path for path in common if path not in found.values()]
    if "ts" not in found and (dates := [path for path in left if _is_moment(path, seen[path])]):
        found["ts"] = dates[0]
    if "ts" not in found and (unsure := [path for path in left if _is_either_day(seen[path])]):
        raise ConfigError(
            f"{unsure[0]} has dates such as {seen[unsure[0]][0]!a}, which are either of two days",
            fix=f"set ts = '{unsure[0]}', and unit = '%d/%m/%Y' or '%m/%d/%Y' (with %H:%M:%S if there is a time)",
        )
    found = {**otherwise, **found}
    for field in NEEDED:
        if field not in found:
            there = ", ".join(list(seen)[:30])
            raise ConfigError(
                f"no field looks like {field}; there are {there}", fix=f"name it: {field} = 'path'"
            )
    if "event_type" not in found:
        found["event_type"] = "'view'"
    return found


def date_pattern(values: Sequence[Any]) -> str | None:
    """The strptime pattern of dates that are neither numbers nor ISO 8601; None = they need none, or none fits all."""
    texts = [text for value in values if (text := plain(value))]
    if not texts or (
        all(times.unit_of(text) for text in texts) and not all(map(times.is_compact_date, texts))
    ):
        return None
    if fitting := _fitting(_PATTERNS, texts):
        return fitting[0]
    either = _fitting(_EITHER_DAY, texts)
    return either[0] if len(either) == 1 else None


def _fitting(patterns: Sequence[str], texts: Sequence[str]) -> list[str]:
    return [each for each in patterns if all(times.reader(each)(text) is not None for text in texts)]


_PATTERNS = (
    "%Y%m%d", "%d/%b/%Y:%H:%M:%S %z", "%m/%d/%Y %I:%M:%S %p", "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%Y",
    "%Y.%m.%d %H:%M:%S", "%d %b %Y %H:%M:%S", "%b %d, %Y", "%a %b %d %H:%M:%S %Y",
)  # fmt: skip
"""Patterns that cannot be taken for one another."""
_EITHER_DAY = tuple(
    f"{date}{time}"
    for date in ("%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y")
    for time in ("", " %H:%M", " %H:%M:%S")
)
"""03/04/2020 is either March or April: one of these is taken only if no other fits."""


def _leaves(value: Any, at: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and depth < MAX_DEPTH:
        for name, inner in value.items():
            shown = (
                name if re.fullmatch(r"[A-Za-z_$][\w$:-]*", name) else '"' + name.replace('"', '\\"') + '"'
            )
            yield from _leaves(inner, f"{at}.{shown}" if at else shown, depth + 1)
    elif isinstance(value, list) and depth < MAX_DEPTH and value and isinstance(value[0], Mapping):
        yield from _leaves(value[0], f"{at}[]", depth + 1)
    elif not isinstance(value, list | Mapping):
        yield at, value


def _is_like(field: str, path: str, given: Sequence[Any], names: tuple[str, ...]) -> bool:
    if _word(path, names) is None:
        return False
    if field == "ts":
        return all(map(times.unit_of, given)) or date_pattern(given) is not None
    return field != "value" or times.number(given[0]) is not None


def _is_moment(path: str, given: Sequence[Any]) -> bool:
    """Are they times by their form: dates; numbers of this century in some unit, if the name speaks of a time?"""
    if isinstance(given[0], date):
        return True
    if times.number(given[0]) is None:
        texts = [value for value in given if isinstance(value, str)]
        return bool(texts) and (
            all(times.iso(text) is not None for text in texts) or date_pattern(texts) is not None
        )
    found = [times.reader("auto")(value) for value in given]
    speaks = any(word in path.lower() for word in _WORDS_OF_TIME)
    return speaks and all(one is not None and _CENTURY[0] < one < _CENTURY[1] for one in found)


def _is_either_day(given: Sequence[Any]) -> bool:
    texts = [value for value in given if isinstance(value, str)]
    return len(texts) == len(given) and len(_fitting(_EITHER_DAY, texts)) > 1


def _rank(path: str, names: tuple[str, ...]) -> tuple[int, int]:
    return path.count(".") + path.count("[]"), names.index(_word(path, names) or names[-1])


def _word(path: str, names: tuple[str, ...]) -> str | None:
    """The name that a path has: its last part, or the last two (`user.id` is `userid`)."""
    parts = [re.sub(r"[^a-z0-9]", "", part.lower()) for part in re.split(r"\.|\[\]\.?", path)]
    pair = "".join(parts[-2:])
    return parts[-1] if parts[-1] in names else pair if pair in names else None
