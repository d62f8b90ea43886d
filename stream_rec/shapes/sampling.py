"""What samples of somebody's data are: framing, preset or guessed fields, and what they become by that."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from stream_rec.errors import ConfigError
from stream_rec.schemas.records import Impression, Interaction, Item
from stream_rec.settings.event_types import EventTypeSettings
from stream_rec.settings.shapes import ShapeSettings
from stream_rec.shapes import recognise
from stream_rec.shapes.as_toml import toml
from stream_rec.shapes.confluent import is_framed
from stream_rec.shapes.dates import pattern_of
from stream_rec.shapes.framing import unwrap
from stream_rec.shapes.guess import NOTHING, guess
from stream_rec.shapes.mapper import Mapper, compile_shape
from stream_rec.shapes.messages import Mapped, RawMessage, Refused, Registry, Removed, SignIn, Unread
from stream_rec.shapes.presets import OWN, presets, resolve
from stream_rec.shapes.sampled_documents import by_registry, documents_of
from stream_rec.shapes.several_types import named_ours, numbered, widened
from stream_rec.shapes.values import plain, text_of

ENOUGH = 0.5
"""A preset that reads a smaller share of the samples is only begun with: fields are guessed, too."""
_DAY = 86_400
_PRICES = ("price", "preis", "prix", "precio")
"""What a price is called in paths."""
_BEYOND = ("keep", "event_type", "session_id", "value")


@dataclass(slots=True)
class Guess:
    """A shape for some samples, and what they become by it.

    Attributes:
        settings: the shape, as it stands in TOML.
        preset: on which it builds; empty = none.
        n: samples.
        mapped: what they became, in order.
        unit: as what the times were read.
        remark: what there is to say of the files.
        remarks: what there is to say of the columns.
        merges: paths of merges that the shape could make; it does not unless people say so.
    """

    settings: dict[str, Any]
    preset: str
    n: int
    mapped: list[Mapped] = field(default_factory=list)
    unit: str = ""
    remark: str = ""
    remarks: list[str] = field(default_factory=list)
    merges: Mapping[str, str] = field(default_factory=dict)

    @property
    def records(self) -> list[Interaction | Item | Impression | Removed | SignIn]:
        """What was read."""
        return [one for one in self.mapped if not isinstance(one, Refused | Unread)]

    @property
    def kinds(self) -> Counter[str]:
        """How many records of each event type there are, of items, impressions and removals."""
        return Counter(map(kind_of, self.records))

    @property
    def refused(self) -> Counter[tuple[str, str, str]]:
        """By reason, field and an example: how many. Those that the shape leaves out are among them."""
        return _counted(one for one in self.mapped if isinstance(one, Refused))

    def refused_types(self, reason: str, field: str) -> str:
        """Of which event types, as they are called there, something was refused, and how many; empty = not known."""
        found = Counter(
            one.theirs
            for one in self.mapped
            if isinstance(one, Refused) and (one.reason, one.field) == (reason, field) and one.theirs
        )
        return numbered(found) if found else ""

    def name_types(self, known: Collection[str]) -> None:
        """Say what event types are in ours: where their names tell, in the shape's `types`, else in a remark.

        Args:
            known: types that need no other name: those of `engine.event_types`.
        """
        ours, self.mapped, said = named_ours(self.mapped, known)
        if ours:
            self.settings["types"] = {**self.settings.get("types", {}), **ours}
        self.remarks += said

    @property
    def unread(self) -> Counter[tuple[str, str, str]]:
        """Parts that records go without, as `refused`."""
        return _counted(one for one in self.mapped if isinstance(one, Unread))

    @property
    def n_late(self) -> int:
        """Events that lie before one above them in time."""
        latest, n = float("-inf"), 0
        for one in self.records:
            if isinstance(one, Interaction):
                n, latest = n + (one.ts < latest), max(latest, one.ts)
        return n

    @property
    def note(self) -> str:
        """What the reader must know of it; empty = nothing."""
        given = str(self.settings.get("events", {}).get("ts", ""))
        if given == "@row":
            return (
                "no column looks like a time: rows are taken in their order, a second each from 2001-09-09 on"
            )
        if self.settings.get("events", {}).get("user_id") == "@key":
            return "no field looks like a user: the message's key is taken"
        if given == "@timestamp":
            return "no field looks like a time: the broker's is taken"
        moments = [one.ts for one in self.records if isinstance(one, Interaction)]
        is_own = not self.preset or "ts" in self.settings.get("events", {})
        if is_own and self.n > 1 and moments and not any(ts % _DAY for ts in moments):
            return "times are dates: all of a day is one second"
        return ""

    def priced(self, types: Mapping[str, EventTypeSettings]) -> list[str]:
        """Event types that have a price as their value, and by the settings seconds of dwelling.

        Args:
            types: what the settings say of each.
        """
        shape = resolve(ShapeSettings.model_validate(self.settings), "guess")
        path = shape.events.get("value", "").split("||")[0].lower()
        if not any(word in path for word in _PRICES):
            return []
        with_value = {
            one.event_type for one in self.records if isinstance(one, Interaction) and one.value is not None
        }
        return sorted(kind for kind in with_value if kind in types and types[kind].value == "dwell")

    def toml(self, name: str) -> str:
        """The table of the settings file."""
        return toml(self.settings, name)


class _Found(NamedTuple):
    """Settings of a shape, what there is to say of them, and paths of merges as in `Guess`."""

    settings: dict[str, Any]
    remarks: list[str]
    merges: Mapping[str, str] = NOTHING


def kind_of(record: Interaction | Item | Impression | Removed | SignIn) -> str:
    """An event's type, or what else a record is."""
    if isinstance(record, Interaction):
        return record.event_type
    return {Item: "item", Impression: "impression", Removed: "removed item", SignIn: "merge"}[type(record)]


def _counted(faults: Iterable[Refused | Unread]) -> Counter[tuple[str, str, str]]:
    found: dict[tuple[str, str], str] = {}
    counts: Counter[tuple[str, str]] = Counter()
    for one in faults:
        found.setdefault((one.reason, one.field), one.detail)
        counts[one.reason, one.field] += 1
    return Counter({(*key, found[key]): n for key, n in counts.items()})


def of_rows(bodies: Sequence[Any], read_as: Mapping[str, Any]) -> Guess:
    """Of rows of a file.

    Args:
        bodies: the first of them, decoded.
        read_as: settings by which they were: the file's preset, if it is known.

    Raises:
        ConfigError: no field looks like a user, an item or a time, or such data can be no interactions.
    """
    preset = read_as.get("preset")
    objects = [body for body in bodies if isinstance(body, Mapping)]
    beyond = _beyond(objects, preset) if preset else _fields(objects, {"ts": "@row"})
    settings = {**read_as, **beyond.settings}
    found = read_by(settings, bodies)
    found.remarks += [*beyond.remarks, *_zeros(found)]
    if preset and not found.records and any(field == "ts" for _, field, _ in found.refused):
        again = read_by({**settings, "unit": _unit_beside(settings, objects)}, bodies)
        return again if again.records else found
    return found


def read_by(settings: dict[str, Any], bodies: Sequence[Any]) -> Guess:
    """What rows become by a shape.

    Args:
        settings: the shape, as it stands in TOML.
        bodies: rows, decoded.
    """
    found = Guess(settings, settings.get("preset", ""), len(bodies))
    mapper = Mapper(resolve(ShapeSettings.model_validate(settings), "guess"), "guess")
    for n, body in enumerate(bodies):
        if isinstance(body, Refused):
            found.mapped.append(body)
        else:
            is_text = isinstance(body, str)
            message = RawMessage(body.encode() if is_text else b"", offset=n)
            found.mapped += mapper.of_object({} if is_text else body, message)
    found.unit = _unit(mapper, settings)
    return found


def _unit_beside(settings: Mapping[str, Any], objects: Sequence[Mapping[str, Any]]) -> str:
    """As which times are written that are not as their preset says: files are saved again by others."""
    column = resolve(ShapeSettings.model_validate(settings), "guess").events["ts"].strip('"')
    return pattern_of([one.get(column) for one in objects]) or "auto"


def of_messages(messages: Sequence[RawMessage], registry: Registry | None = None) -> Guess:
    """Of messages of a topic.

    Args:
        messages: the newest, say.
        registry: of the schemas that they name; None = it is not asked, and their fields are not known.

    Raises:
        ConfigError: they cannot be decoded without being told how, or no field looks like a user, an item or a time.
        Unavailable: the registry does not answer.
    """
    messages = [message for message in messages if message.value]
    if not messages:
        raise ConfigError("there is no message to look at", fix="name a topic that has some")
    values = [message.value or b"" for message in messages]
    preset = recognise.of_headers(messages[0].headers)
    if registry is not None and is_framed(messages[0]):
        documents, settings = by_registry(messages, registry)
    else:
        documents, settings = documents_of(values)
    objects = [one for one in documents if isinstance(one, Mapping)]
    if preset is None and objects:
        votes = Counter(recognise.of_object(one) for one in objects)
        preset = votes.most_common(1)[0][0]
    if preset is None and not objects:
        preset = settings.pop("preset", None)
    framing = str(presets()[preset].shape.get("framing", "none")) if preset else "none"
    if "framing" in settings:
        framing = settings["framing"] = "confluent-debezium" if framing == "debezium" else "confluent"
    beyond = _beyond(objects, preset or "")
    known = {"preset": preset, **settings, **beyond.settings}
    tried = Guess(known, preset or "", len(messages), remarks=beyond.remarks)
    if preset:
        tried = _mapped(tried, messages, registry)
        if _is_enough(tried.mapped, preset) or not objects:
            return tried
    bodies = _bodies(objects, framing, messages[0])
    try:
        usual = {"ts": "@timestamp", **_user_by_key(messages)}
        found = _fields(bodies, usual, is_row=preset is not None and _has_changes(preset))
    except ConfigError:
        if preset:
            return tried
        raise
    guessed, remarks = found.settings, found.remarks
    if preset and _has_changes(preset):  # which of them are events is the preset's to say
        is_row = framing != "none"
        guessed["events"] = {
            name: path
            for name, path in guessed["events"].items()
            if name != "keep" and path[:1] != "'" and (is_row or path.startswith("data"))
        }
        return _mapped(
            Guess({"preset": preset, **settings, **guessed}, preset, len(messages), remarks=remarks),
            messages,
            registry,
        )
    framed = {"framing": framing} if framing != "none" else {}
    known = {**settings, **framed, **guessed}
    return _mapped(Guess(known, "", len(messages), remarks=remarks, merges=found.merges), messages, registry)


def _is_enough(mapped: Sequence[Mapped], preset: str) -> bool:
    """Has the preset read what it is there for?"""
    looked_at = [
        one for one in mapped if not (isinstance(one, Refused) and one.is_meant and _has_changes(preset))
    ]
    return sum(not isinstance(one, Refused) or one.is_meant for one in looked_at) >= ENOUGH * len(looked_at)


def _bodies(objects: Sequence[Mapping[str, Any]], framing: str, first: RawMessage) -> list[Mapping[str, Any]]:
    """What stands in the messages' envelopes, where it has fields."""
    inner = [unwrap(framing, one, first) for one in objects]
    return [one.body for one in inner if not isinstance(one, Refused) and isinstance(one.body, Mapping)]


def _beyond(objects: Sequence[Mapping[str, Any]], preset: str) -> _Found:
    """What objects of our own fields have beside them under other names: types, sessions, values, the form of ids."""
    if preset != OWN:
        return _Found({}, [])
    try:
        found = _fields(objects)
    except ConfigError:
        return _Found({}, [])
    own = presets()[OWN].shape["events"]
    events = {
        field: path
        for field, path in found.settings.pop("events").items()
        if field in _BEYOND and not path.startswith("'") and path not in own.get(field, "").split(" || ")
    }
    return _Found({**found.settings, **({"events": events} if events else {})}, found.remarks)


def _has_changes(preset: str) -> bool:
    """Are messages of it changes of rows: inserts, updates, deletes?"""
    shape = presets()[preset].shape
    return shape.get("framing") == "debezium" or preset in ("maxwell", "canal", "dms")


def _user_by_key(messages: Sequence[RawMessage]) -> dict[str, str]:
    """The key as the user, where it is a text that the message does not have itself."""
    for message in messages:
        key = text_of(message.key)
        if not key or not key.isprintable() or key.startswith(("{", "[", '"')):
            return {}
        own = rb'[:\[,]\s*"?%b"?\s*[,}\]]' % re.escape(key.encode())
        if re.search(own, message.value or b""):
            return {}
    return {"user_id": "@key"}


def _zeros(found: Guess) -> list[str]:
    """What to know of events of a user 0, who stands for nobody, where all ids are numbers."""
    n = sum(
        isinstance(one, Refused) and (one.field, one.stands_for_none) == ("user_id", "0")
        for one in found.mapped
    )
    users = [one.user_id for one in found.records if isinstance(one, Interaction)]
    if not n or not all(map(str.isdecimal, users)):
        return []
    return [f'{n:,} records of a user 0 are left out as nobody\'s; if ids begin with 0, add nobody = ["-1"]']


def _fields(
    objects: Sequence[Mapping[str, Any]], otherwise: Mapping[str, str] = NOTHING, *, is_row: bool = False
) -> _Found:
    """Settings of a shape by which the objects are read, and what there is to say of them."""
    events, unit, remarks, merges = widened(objects, guess(objects, otherwise, is_row=is_row))
    found: dict[str, Any] = {"events": events}
    ids = [
        [text for one in objects for path in events[name].split(" || ") if (text := plain(one.get(path)))]
        for name in ("user_id", "item_id")
    ]
    if any(given and all(re.fullmatch(r"\d+\.0+", text) for text in given) for given in ids):
        found["whole_numbers"] = True
    if unit:
        found["unit"] = unit
    if "session" in events["user_id"].split(" || ")[0].lower():
        found["nobody"] = []  # a session 0 is one
    return _Found(found, list(remarks), merges)


def _mapped(found: Guess, messages: Sequence[RawMessage], registry: Registry | None) -> Guess:
    shape = ShapeSettings.model_validate({k: v for k, v in found.settings.items() if v is not None})
    if registry is None and resolve(shape, "guess").framing.startswith("confluent"):
        return found
    mapper = compile_shape(shape, "guess", registry)
    for message in messages:
        found.mapped += mapper.records(message)
    found.unit = _unit(mapper, found.settings)
    found.remarks += _zeros(found)
    return found


def _unit(mapper: Mapper, settings: Mapping[str, Any]) -> str:
    if mapper.shape.unit != "auto":
        return mapper.shape.unit
    given = str(settings.get("events", {}).get("ts", ""))
    return "" if given.startswith("@") else " and ".join(mapper.units) or "ISO 8601"
