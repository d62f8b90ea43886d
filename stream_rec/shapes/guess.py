"""A shape for data that no preset knows: fields by their usual names, and by what stands in them."""

from __future__ import annotations

import re
from collections import Counter
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
        "skuid", "productsku", "trackuri", "aid", "placeid", "venueid",
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
    seen: Counter[str] = Counter()
    example: dict[str, Any] = {}
    for sample in samples:
        for path, value in dict(_leaves(sample)).items():
            if value is not None and value != "":
                seen[path] += 1
                example.setdefault(path, value)
    common = [path for path, n in seen.items() if n >= MIN_SHARE * len(samples)]
    found: dict[str, str] = {}
    for field, names in NAMES.items():
        best = sorted(
            (p for p in common if _is_like(field, p, example[p], names)), key=lambda p: _rank(p, names)
        )
        best = [path for path in best if path not in found.values()]
        if best:
            found[field] = best[0]
    if "ts" not in found and (dates := [path for path in common if _is_date(example[path])]):
        found["ts"] = dates[0]
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
    fitting = [each for each in _PATTERNS if all(times.reader(each)(text) is not None for text in texts)]
    return fitting[0] if fitting else None


_PATTERNS = (
    "%Y%m%d", "%d/%b/%Y:%H:%M:%S %z", "%m/%d/%Y %I:%M:%S %p", "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%Y",
    "%Y.%m.%d %H:%M:%S", "%d %b %Y %H:%M:%S", "%b %d, %Y", "%a %b %d %H:%M:%S %Y",
)  # fmt: skip
"""Patterns that cannot be taken for one another: a date 03/04/2020 is either March or April, and is not guessed."""


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


def _is_like(field: str, path: str, value: Any, names: tuple[str, ...]) -> bool:
    if _word(path, names) is None:
        return False
    if field == "ts":
        return bool(times.unit_of(value)) or date_pattern([value]) is not None
    return field != "value" or times.number(value) is not None


def _is_date(value: Any) -> bool:
    """Is it one by its form alone? No number is."""
    if isinstance(value, str):
        return times.iso(value) is not None or date_pattern([value]) not in (None, _PATTERNS[0])
    return isinstance(value, date)


def _rank(path: str, names: tuple[str, ...]) -> tuple[int, int]:
    return path.count(".") + path.count("[]"), names.index(_word(path, names) or names[-1])


def _word(path: str, names: tuple[str, ...]) -> str | None:
    """The name that a path has: its last part, or the last two (`user.id` is `userid`)."""
    parts = [re.sub(r"[^a-z0-9]", "", part.lower()) for part in re.split(r"\.|\[\]\.?", path)]
    pair = "".join(parts[-2:])
    return parts[-1] if parts[-1] in names else pair if pair in names else None
