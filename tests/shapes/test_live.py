"""Messages as trackers, connectors and other recommenders write them, and the records that they become."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stream_rec.schemas.records import Interaction
from stream_rec.settings import ShapeSettings
from stream_rec.shapes.mapper import compile_shape
from stream_rec.shapes.messages import Mapped, RawMessage, Refused

SAMPLES = Path(__file__).parent / "samples"
TS = 1700000000.25


def message(shape: str, n: int) -> RawMessage:
    """A sample as the broker gives it: topic t, partition 2, offset 7."""
    folder = SAMPLES / f"live-{shape}"
    headers = folder / f"{n}.headers.json"
    named = json.loads(headers.read_text()) if headers.exists() else {}
    return RawMessage(
        (folder / f"{n}.value").read_bytes(),
        (folder / f"{n}.key").read_bytes(),
        {name: text.encode() for name, text in named.items()},
        1_700_000_001_000,
        "t",
        2,
        7,
    )


def mapped(shape: ShapeSettings, samples: str, n: int) -> list[Mapped]:
    return compile_shape(shape).records(message(samples, n))


@pytest.mark.parametrize(
    ("n", "user", "item", "ts"),
    [
        (1, "17", "88", 1700000000.0),
        (2, "u", "i", TS),
        (3, "u", "i", TS),
        (4, "u", "i", 1700000000.0),
        (5, "u", "i", TS),
        (6, "u", "i", 1700000000.0),
        (7, "u", "i", 1700000000.0),
        (8, "u", "i", 1700000000.0),
        (10, "u", "i", 1700000000.0),
        (11, "u", "i", 1700000000.0),
        (12, "u", "i", 1700000000.0),
        (13, "u", "i", 1700000000.0),
    ],
)
def test_near_misses_of_our_record_are_read_as_what_they_mean(
    n: int, user: str, item: str, ts: float
) -> None:
    [found] = mapped(ShapeSettings(preset="native"), "almost-native", n)
    value = 9.9 if n == 11 else None
    assert found == Interaction(user, item, "view", ts, "t/2/7/0", None, value)


def test_lines_of_json_in_one_message_are_events_of_their_own_ids() -> None:
    found = mapped(ShapeSettings(preset="native"), "almost-native", 9)
    assert [one.item_id for one in found if isinstance(one, Interaction)] == ["i", "j"]
    assert [one.event_id for one in found if isinstance(one, Interaction)] == ["t/2/7/0", "t/2/7/1"]


def test_a_tombstone_is_left_out_and_no_fault() -> None:
    [found] = compile_shape(ShapeSettings(preset="native")).records(RawMessage(None, b"k"))
    assert isinstance(found, Refused)
    assert found.is_meant
