"""Records of `control`: what each kind must be, and what becomes of those that are not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from stream_rec.errors import ContractError
from stream_rec.schemas.alarm import RESETTABLE, Alarm
from stream_rec.schemas.columns import Decoded
from stream_rec.schemas.decisions import DecisionBatch, Erasure, Merge, Unknown, check_control, hash_name
from stream_rec.schemas.experiment import Arm, Experiment
from stream_rec.schemas.hints import hint
from stream_rec.schemas.records import Control
from stream_rec.schemas.scenario import Scenario
from stream_rec.schemas.topics import decode
from stream_rec.settings import IngestSettings
from stream_rec.sources.features import SOURCES
from tests.schemas.test_codec import fetched

RULES = IngestSettings()
USER = hash_name(17)
FALL: dict[str, Any] = {
    "metric": "served_hit_rate",
    "direction": "drop",
    "since": 5.0,
    "level": 0.2,
    "normal": 0.3,
    "until": 99.0,
}


def read(key: bytes | None, value: bytes | None) -> Decoded[DecisionBatch]:
    """One message."""
    batch = fetched("control", [value], [key])
    return decode("control", batch, batch.span(), RULES)


def record(kind: str, name: str, body: object) -> bytes:
    """As it is published."""
    return json.dumps({"kind": kind, "name": name, "ts": 1.0, "body": body}).encode()


@pytest.mark.parametrize(
    ("kind", "name", "body", "said"),
    [
        ("scenario", "home", {"k": 5}, Scenario(k=5)),
        ("erasure", USER, {}, Erasure()),
        ("merge", USER, {"user_id": "ann"}, Merge("ann")),
        ("experiment", "blue", {"arms": [{"name": "a"}, {"name": "b"}]}, Experiment((Arm("a"), Arm("b")))),
        ("alarm", "served_hit_rate", {**FALL, "reset": ["neighbours"]}, Alarm(**FALL, reset=("neighbours",))),
        ("weather", "rain", {"arms": 2}, Unknown()),
    ],
)
def test_a_body_is_read_by_its_kind(kind: str, name: str, body: object, said: object) -> None:
    raw = record(kind, name, body)
    (decision,) = read(f"{kind}/{name}".encode(), raw).batch.decisions
    assert (decision.kind, decision.name, decision.body, decision.raw) == (kind, name, said, raw)


def test_kind_and_name_may_be_left_to_the_key() -> None:
    (decision,) = read(b"scenario/home", b'{"ts": 1, "body": {}}').batch.decisions
    assert (decision.name, decision.body) == ("home", Scenario())


@pytest.mark.parametrize("value", [None, b"", b"null"])
def test_an_empty_value_takes_back(value: bytes | None) -> None:
    (decision,) = read(b"scenario/home", value).batch.decisions
    assert (decision.kind, decision.name, decision.body, decision.raw) == ("scenario", "home", None, b"")


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        (None, record("scenario", "home", {}), "missing_key"),
        (b"home", record("scenario", "home", {}), "bad_id"),
        (b"scenario/mail", record("scenario", "home", {}), "key_mismatch"),
        (b"scenario/ho:me", record("scenario", "ho:me", {}), "bad_id"),
        (b"scenario/home", record("scenario", "home", {"fitler": "true"}), "bad_body"),
        (b"scenario/home", b'{"ts": 1}', "missing_field"),
        (b"scenario/home", b"no json", "not_json"),
        (b"experiment/e", record("experiment", "e", {"arms": 2}), "bad_body"),
        (b"experiment/_e", record("experiment", "_e", {}), "bad_id"),
        (b"erasure/ann", record("erasure", "ann", {}), "bad_id"),
        (f"merge/{USER}".encode(), record("merge", USER, {}), "bad_body"),
        (f"merge/{USER}".encode(), record("merge", USER, {"user_id": ""}), "empty_id"),
    ],
)
def test_what_cannot_be_obeyed_is_rejected_with_a_reason(
    key: bytes | None, value: bytes, reason: str
) -> None:
    decoded = read(key, value)
    assert not decoded.batch.decisions
    (rejected,) = decoded.rejected
    assert rejected.reason == reason
    if reason != "missing_field":
        assert hint("control", reason, rejected.detail, value, key) or reason == "empty_id"


def test_a_mistake_is_named_in_the_dead_letter() -> None:
    (rejected,) = read(b"scenario/home", record("scenario", "home", {"fitler": "true"})).rejected
    assert "did you mean 'filter'?" in rejected.detail


def test_publishers_are_told_of_a_mistake_before_it_is_sent() -> None:
    with pytest.raises(ContractError, match="bad_body"):
        check_control(Control("scenario", "home", 1.0, {"k": 0}), -1, RULES)
    check_control(Control("scenario", "home", 1.0, {"k": 1}), -1, RULES)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"exploration": 2.0}, "exploration: it is 2.0"),
        ({"until": -1.0}, "until: it is -1.0"),
        ({"reset": ["popularity"]}, "reset"),
        ({"explore": 1}, "did you mean 'exploration'"),
        ({"direction": "sideways"}, "direction"),
    ],
)
def test_an_alarm_with_mistakes_is_refused(changed: dict[str, Any], said: str) -> None:
    (rejected,) = read(b"alarm/m", record("alarm", "m", FALL | changed)).rejected
    assert rejected.reason == "bad_body"
    assert said in rejected.detail


def test_what_may_begin_anew_are_sources_with_counts_of_their_own() -> None:
    assert {*RESETTABLE} <= {source.name for source in SOURCES if source.state}
