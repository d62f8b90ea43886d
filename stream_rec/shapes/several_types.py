"""What a topic of several event types needs beyond one path a field: where items stand, and who has no account."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from stream_rec.schemas.records import Interaction
from stream_rec.settings.shapes import NULL_WORDS
from stream_rec.shapes import nodes
from stream_rec.shapes.event_names import built_in, takes_back
from stream_rec.shapes.guess import NAMES, Guessed, is_like, leaves, letters, rank, word_of
from stream_rec.shapes.messages import Mapped
from stream_rec.shapes.numbers import numbers_of
from stream_rec.shapes.paths import parse
from stream_rec.shapes.values import plain

MAX_OPTIONS = 3
"""Paths of one field."""
MAX_TYPES = 50
"""More words in a column are no types."""
NAMED = 8
_DEVICES = frozenset({
    "visitorid", "clientid", "distinctid", "anonymousid", "deviceid", "cookieid", "userpseudoid", "sessionid",
    "session", "visitor", "cookie", "browserid", "guestid",
})  # fmt: skip
"""Names of who acts that an account does not have: a browser, a visit."""
_OTHERS = frozenset({"seller", "vendor", "owner", "merchant", "author", "supplier", "brand", "shop", "store"})
"""Whoever stands under one of these has not done what is told."""
_Row = Mapping[str, Any]


def widened(samples: Sequence[Mapping[str, Any]], guessed: Guessed) -> Guessed:
    """The paths with what stands elsewhere in messages that have nothing there, and what there is to say of it.

    Lists are gone through where the type's name says that their items were bought, put into a cart or given back: in
    any other they may only have been shown. Types without an item are left out by `keep`, unless their names say that
    they must have one.

    Args:
        samples: decoded messages or rows.
        guessed: of them, by `guess`.
    """
    rows = [{path: one for path, one in leaves(sample) if _is_there(one)} for sample in samples]
    events, remarks, merges = dict(guessed.events), list(guessed.remarks), guessed.merges
    if user := _user(rows, events["user_id"]):
        events["user_id"] = f"{user.account} || {user.device}"
        remarks.append(user.said)
        if any(user.account in row and user.device in row for row in rows):
            merges = {"visitor_id": user.device, "user_id": user.account}
    kinds = _kinds(rows, events.get("event_type", ""))
    if kinds and "keep" not in events:
        _place_items(_Typed(rows, kinds), events, remarks)
    return Guessed(events, guessed.unit, tuple(remarks), merges)


def numbered(counts: Mapping[str, int]) -> str:
    """Names with their numbers, the most frequent first."""
    named = [f"{name} {n:,}" for name, n in Counter(counts).most_common(NAMED)]
    more = len(counts) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")


def named_ours(
    mapped: Sequence[Mapped], known: Collection[str]
) -> tuple[dict[str, str], list[Mapped], list[str]]:
    """Our types for theirs where their names tell, what samples become by that, and what there is to say of the rest.

    Args:
        mapped: samples, under the types that they have.
        known: types that need no other name.
    """
    given = Counter(one.event_type for one in mapped if isinstance(one, Interaction))
    counts = {theirs: n for theirs, n in given.items() if theirs not in known}
    if len(counts) > MAX_TYPES:
        return {}, list(mapped), []
    ours = {theirs: kind for theirs in counts if (kind := built_in(theirs)) is not None}
    renamed = [
        msgspec.structs.replace(one, event_type=ours[one.event_type])
        if isinstance(one, Interaction) and one.event_type in ours
        else one
        for one in mapped
    ]
    left = {theirs: n for theirs, n in counts.items() if theirs not in ours}
    if not left:
        return ours, renamed, []
    back = [theirs for theirs in left if takes_back(theirs)]
    contrary = f", also {' and '.join(back[:NAMED])}," if back else ""
    said = (
        f"types that say nothing to us stay as they are: {numbered(left)}. Each counts as interest of weight "
        f"1{contrary} until [engine.event_types.NAME] says what it means (docs/event-types.md)"
    )
    return ours, renamed, [said]


def _is_there(value: Any) -> bool:
    return value is not None and not (isinstance(value, str) and value.strip() in NULL_WORDS)


def _parts(path: str) -> list[str]:
    return [letters(part) for part in path.replace("[]", "").split(".")]


class _User(NamedTuple):
    """Who acts.

    Attributes:
        account: the path of who is known by name.
        device: of who is not.
        said: what there is to say of it.
    """

    account: str
    device: str
    said: str


def _user(rows: Sequence[_Row], found: str) -> _User | None:
    """An account that some have and a device that those have who have none; None = one of them says it all."""
    names = NAMES["user_id"]
    there = Counter(path for row in rows for path in row)
    paths = [path for path in there if is_like("user_id", path, (), names) and not _OTHERS & {*_parts(path)}]
    accounts = sorted(
        (path for path in paths if word_of(path, names) not in _DEVICES), key=lambda p: rank(p, names)
    )
    account = found if found in accounts else accounts[0] if accounts and found in paths else None
    without = [row for row in rows if account not in row]
    devices = Counter(path for row in without for path in row if path in paths and path not in accounts)
    if account is None or not devices or len(without) == len(rows):
        return None
    device = max(
        devices,
        key=lambda path: (devices[path], path == found, "session" not in path.lower(), -rank(path, names)[1]),
    )
    said = (
        f"user_id: {account} where there is one ({len(rows) - len(without):,} of {len(rows):,}), else {device}. What "
        f"is learned of a {device.rpartition('.')[2]} becomes the user's only by a merge at login: docs/your-data.md, "
        '"Who logs in"'
    )
    return _User(account, device, said)


def _kinds(rows: Sequence[_Row], path: str) -> list[str]:
    """Each row's type; empty = they have none, or too many."""
    if not path or path.startswith("'") or not any(path in row for row in rows):
        return []
    kinds = [plain(row.get(path)) or "" for row in rows]
    return kinds if len(set(kinds)) <= MAX_TYPES else []


@dataclass(slots=True)
class _Typed:
    """Rows with their types.

    Attributes:
        rows: by path, what stands there.
        kinds: of each.
    """

    rows: Sequence[_Row]
    kinds: Sequence[str]

    def without(self, options: Sequence[str]) -> list[tuple[str, _Row]]:
        """Those that have nothing at any of the paths, with their types."""
        both = zip(self.kinds, self.rows, strict=True)
        return [(kind, row) for kind, row in both if not any(option in row for option in options)]


def _place_items(typed: _Typed, events: dict[str, str], remarks: list[str]) -> None:
    """Give `item_id`, and `value`, the other places where items stand; leave out what has none."""
    options = [events["item_id"]]
    word = word_of(options[0], NAMES["item_id"])
    while len(options) < MAX_OPTIONS and (
        other := Counter(
            path
            for kind, row in typed.without(options)
            for path in row
            if word is not None and word_of(path, NAMES["item_id"]) == word and _is_acted_on(kind, path)
        )
    ):
        best = max(other, key=lambda path: (other[path], -path.count(".")))
        acting = Counter(kind for kind, row in typed.without(options) if best in row)
        options.append(best)
        said = f"item_id: {best} gives the items of {numbered(acting)}"
        if "[]" in best:
            value = _value_beside(typed, best, events, remarks)
            said += ", an event for each" + (
                f", with {value} as its value (a piece's, whatever the quantity)" if value else ""
            )
        remarks.append(said)
    events["item_id"] = " || ".join(options)
    _leave_out(typed, options, events, remarks)


def _is_acted_on(kind: str, path: str) -> bool:
    return "[]" not in path or built_in(kind) in ("purchase", "cart") or takes_back(kind)


def _value_beside(typed: _Typed, item: str, events: dict[str, str], remarks: list[str]) -> str:
    """The value of a list's elements, taken into `value`; empty = they have none."""
    inside = f"{item.rpartition('[]')[0]}[]"
    rows = [row for row in typed.rows if item in row]
    paths = dict.fromkeys(path for row in rows for path in row if path.startswith(inside))
    given = {path: [row[path] for row in rows if path in row] for path in paths}
    fit = sorted(
        (p for p in paths if is_like("value", p, given[p], NAMES["value"])),
        key=lambda p: rank(p, NAMES["value"]),
    )
    how = numbers_of(fit[0], given[fit[0]]) if fit else None
    if how is None or not how.path:
        return ""
    value = events.get("value", "")
    own = {nodes.shown(node) for node in nodes.walk(parse(value, "value"))} if value else set()
    if fit[0] in own:
        return how.path
    remarks += [how.remark] if how.remark else []
    # A price of the whole message would be that of each line: where both stand, the line's goes first.
    is_first = any(own & row.keys() for row in rows)
    events["value"] = " || ".join(filter(None, (how.path, value) if is_first else (value, how.path)))
    return how.path


def _leave_out(typed: _Typed, options: Sequence[str], events: dict[str, str], remarks: list[str]) -> None:
    """Types of which no message has an item: by `keep`, if their names do not say that it must be somewhere."""
    none = Counter(kind for kind, _ in typed.without(options))
    bare = {kind: n for kind, n in none.items() if kind and n == typed.kinds.count(kind)}
    acted = {kind: n for kind, n in bare.items() if built_in(kind) not in (None, "view") or takes_back(kind)}
    out = {kind: n for kind, n in bare.items() if kind not in acted}
    where = " or ".join(options)
    if acted:
        remarks.append(
            f"{numbered(acted)} have no item at {where}: they are dead letters until item_id says where it stands"
        )
    if out and len(out) < len({*typed.kinds}):
        listed = ", ".join("'" + kind.replace("'", "\\'") + "'" for kind in out)
        events["keep"] = f"not {events['event_type']} in [{listed}]"
        remarks.append(f"keep leaves out what names no item at {where}: {numbered(out)}")
