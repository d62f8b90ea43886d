"""Decisions on the topic `control`: from bytes to what each kind says.

A body is judged by its kind. A kind that this release does not know is kept as it is: a newer worker may start from
this one's snapshot.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from stream_rec.errors import ContractError
from stream_rec.schemas.alarm import Alarm, alarm_of
from stream_rec.schemas.baseline import Baseline, baseline_of
from stream_rec.schemas.columns import Decoded, LeftOut, Rejected, Span
from stream_rec.schemas.experiment import Experiment
from stream_rec.schemas.experiment_check import experiment_of
from stream_rec.schemas.faults import BadBody
from stream_rec.schemas.reading import Messages, Reader, is_empty
from stream_rec.schemas.records import Control
from stream_rec.schemas.scenario import Scenario
from stream_rec.schemas.scenario_check import scenario_of
from stream_rec.schemas.validation import TS_END, check_id, required
from stream_rec.settings import IngestSettings

SCENARIO, EXPERIMENT, ERASURE, MERGE, ALARM = "scenario", "experiment", "erasure", "merge", "alarm"
BASELINE = "baseline"
_KIND = re.compile(r"[a-z][a-z0-9_]{0,31}", re.ASCII)
NAME = re.compile(r"[A-Za-z0-9.-][A-Za-z0-9_.-]{0,63}", re.ASCII)
"""Of whatever has a name. What begins with `_` stands in Redis for something else (stream_rec/store/keys.py)."""
_HASH = re.compile(r"[0-9a-f]{16}", re.ASCII)
_64_BITS = (1 << 64) - 1
_A = {SCENARIO: "a", EXPERIMENT: "an", ALARM: "an", BASELINE: "a"}


class Erasure(msgspec.Struct, frozen=True):
    """A user is forgotten: of what was before this record nothing is learned again, whatever is replayed."""


class Merge(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A visitor is a user: the visitor's history is joined into the user's, and the visitor is forgotten.

    Attributes:
        user_id: the user.
    """

    user_id: str


class Unknown(msgspec.Struct, frozen=True):
    """A kind that this release does not know."""


Body = Scenario | Experiment | Alarm | Baseline | Erasure | Merge | Unknown
_NAMED: dict[str, Callable[[dict[str, Any]], Body]] = {
    SCENARIO: scenario_of,
    EXPERIMENT: experiment_of,
    ALARM: alarm_of,
    BASELINE: baseline_of,
}
"""What reads the bodies of decisions that are about something with a name."""


class Decision(NamedTuple):
    """One record of `control`.

    Attributes:
        offset: on the topic's one partition.
        broker_ts: ms.
        kind: what it decides about.
        name: which of them.
        body: what it says; None = the decision is taken back.
        raw: the record as it was; empty = taken back.
    """

    offset: int
    broker_ts: int
    kind: str
    name: str
    body: Body | None
    raw: bytes


@dataclass(frozen=True, slots=True)
class DecisionBatch:
    """Decisions in log order; a later one of the same kind and name overrules an earlier one.

    Attributes:
        span: where they came from.
        decisions: offsets strictly ascending.
    """

    span: Span
    decisions: Sequence[Decision]

    def __len__(self) -> int:
        """How many decisions."""
        return len(self.decisions)


def hash_name(user_hash: int) -> str:
    """The name of a decision about a user: the hash of the id, in hexadecimal digits."""
    return f"{user_hash:016x}"


def name_about(user_id: str) -> str:
    """The same from the id.

    Raises:
        UnicodeEncodeError: it holds half a surrogate pair.
    """
    return hash_name(hash_of(user_id))


def hash_of(text: str) -> int:
    """FNV-1a over its UTF-8, then SplitMix64's finaliser, as `kernels.ids.hash_id`.

    Programs that only publish decisions need no kernels for one id.

    Raises:
        UnicodeEncodeError: it holds half a surrogate pair.
    """
    found = 0xCBF29CE484222325
    for byte in text.encode():
        found = (found ^ byte) * 0x100000001B3 & _64_BITS
    found = (found ^ found >> 30) * 0xBF58476D1CE4E5B9 & _64_BITS
    found = (found ^ found >> 27) * 0x94D049BB133111EB & _64_BITS
    return (found ^ found >> 31) or 1


def merge_of(visitor_id: str, user_id: str, ts: float, *, by: str = "", note: str = "") -> Control:
    """The decision that a visitor is a user, as whoever makes one publishes it.

    Args:
        visitor_id: who was not known by name.
        user_id: who that is.
        ts: when it is decided, seconds since the epoch.
        by: who decides it.
        note: why: no personal data.

    Raises:
        UnicodeEncodeError: an id holds half a surrogate pair.
    """
    return Control(MERGE, name_about(visitor_id), ts, {"user_id": user_id}, by=by, note=note)


def check_control(control: Control, _broker_ts: int, rules: IngestSettings) -> None:
    """Judge one record of `control`.

    Raises:
        ContractError: the first rule it breaks; `bad_body` has every mistake of the body.
    """
    required("kind", control.kind, rules)
    required("name", control.name, rules)
    if not _KIND.fullmatch(control.kind):
        raise ContractError(
            "bad_id", f"kind {control.kind!a}: a small letter, then small letters, digits and '_'"
        )
    check_id("by", control.by, rules)
    if not 0 <= control.ts < TS_END:
        raise ContractError("ts_out_of_range", f"ts is {control.ts!r}")
    body_of(control.kind, control.name, control.body, rules)


def body_of(kind: str, name: str, body: dict[str, Any], rules: IngestSettings) -> Body:
    """What a decision says.

    Raises:
        ContractError: the name or the body is none of its kind.
    """
    if kind in _NAMED:
        if not NAME.fullmatch(name):
            raise ContractError(
                "bad_id",
                f"{name!a}: {_A[kind]} {kind}'s name has 1 to 64 letters, digits, '.', '_', '-', no '_' first",
            )
        try:
            return _NAMED[kind](body)
        except BadBody as error:
            raise ContractError("bad_body", str(error)) from None
    if kind not in (ERASURE, MERGE):
        return Unknown()
    if not _HASH.fullmatch(name):
        raise ContractError("bad_id", f"{name!a}: the name is the hash of the id, 16 hexadecimal digits")
    if kind == ERASURE:
        return Erasure()
    try:
        merge = msgspec.convert(body, Merge)
    except msgspec.ValidationError as error:
        raise ContractError("bad_body", str(error).replace("`", "'")) from None
    required("user_id", merge.user_id, rules)
    return merge


_reader = Reader(Control, check_control)


def decode_control(messages: Messages, span: Span, rules: IngestSettings) -> Decoded[DecisionBatch]:
    """Read a batch of `control`; an empty value takes the decision of its key back. Never raises for what is in it."""
    decisions: list[Decision] = []
    rejected: list[Rejected] = []
    left_out: list[LeftOut] = []
    columns = (messages.keys, messages.values, messages.offsets, messages.timestamps)
    for key, value, offset, stamp in zip(*columns, strict=True):
        try:
            kind, name = _named(key)
            if value is None or is_empty(value):
                decisions.append(Decision(offset, stamp, kind, name, None, b""))
                continue
            control, flaws = _reader.read(value, stamp, rules, {"kind": kind, "name": name})
            if (control.kind, control.name) != (kind, name):
                raise ContractError(
                    "key_mismatch", f"key {kind}/{name}, kind and name {control.kind}/{control.name}"
                )
            body = body_of(kind, name, control.body, rules)
        except ContractError as error:
            rejected.append(Rejected(offset, stamp, error.reason, error.detail, value or b"", key))
            continue
        decisions.append(Decision(offset, stamp, kind, name, body, value))
        left_out.extend(LeftOut(offset, stamp, *flaw) for flaw in flaws)
    return Decoded(DecisionBatch(span, decisions), rejected, left_out)


def _named(key: bytes | None) -> tuple[str, str]:
    if not key:
        raise ContractError("missing_key", "the key is <kind>/<name>")
    try:
        kind, slash, name = key.decode().partition("/")
    except UnicodeDecodeError as error:
        raise ContractError("not_utf8", f"key: {error}") from None
    if not (slash and name and _KIND.fullmatch(kind)):
        raise ContractError("bad_id", f"key {key!a}: it is <kind>/<name>")
    return kind, name
