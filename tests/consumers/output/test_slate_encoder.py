"""Slates of every scenario, as JSON."""

from __future__ import annotations

import msgspec

from stream_rec.clock import ManualClock
from stream_rec.consumers.output.slate_encoder import SlateEncoder
from stream_rec.engine.engine import Engine
from stream_rec.schemas.columns import EventBatch, Span
from stream_rec.schemas.records import AsOf, Slate
from stream_rec.settings import EngineSettings, ScenarioSettings

AS_OF = AsOf("log", 0, 2, 1_700_000_000_000, 1_700_000_000.0)
SCENARIOS = {"default": ScenarioSettings(k=3), "mail": ScenarioSettings(k=1)}


def engine() -> Engine:
    """Has learned three clicks."""
    made = Engine(EngineSettings(max_users=64, max_items=64, scenarios=SCENARIOS))
    rows = [("ann", "a", 1.0), ("bob", "b", 2.0), ("ann", "c", 3.0)]
    made.learn(EventBatch.of(rows, span=Span("events", 0, 0, 0, 3)))
    return made


def test_every_user_has_a_slate_of_every_scenario_at_its_length() -> None:
    encoder, ranks = SlateEncoder(ManualClock(1_700_000_009.0)), engine()
    ranked = encoder.rank(ranks, ["ann", "bob"])
    slates = encoder.encode(["ann", "bob"], ranked, AS_OF)
    assert [(slate.scenario, slate.user_id) for slate in slates] == [
        ("default", "ann"),
        ("default", "bob"),
        ("mail", "ann"),
        ("mail", "bob"),
    ]
    decoded = [msgspec.json.decode(slate.json, type=Slate) for slate in slates]
    assert {slate.as_of for slate in decoded} == {AS_OF}
    assert {slate.created_ts for slate in decoded} == {1_700_000_009.0}
    assert {slate.model for slate in decoded} == {Engine.version}
    assert [len(slate.items) for slate in decoded[2:]] == [1, 1]
    assert [item.item_id for item in decoded[0].items] == ranks.recommend(["ann"]).items[0]


def test_no_users_no_slates() -> None:
    encoder = SlateEncoder(ManualClock())
    assert encoder.rank(engine(), []) == {}
    assert encoder.encode([], {}, AS_OF) == []
