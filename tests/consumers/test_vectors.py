"""Vectors on the way from the topic to slates: items that nobody has touched are shown, and taken back."""

from __future__ import annotations

import numpy as np

from stream_rec.bus.topics import ensure_topics
from stream_rec.consumers.worker import Worker
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.schemas.records import DeadLetter, Item, Vector
from stream_rec.settings import ScenarioSettings, Settings
from tests.consumers.publishing import clicks, publish, publish_events
from tests.consumers.serving import SMALL, serve
from tests.consumers.test_catalogue import shown, until_committed
from tests.reading import records

N_DIMENSIONS = 24


def vectors(seed: int, items: list[str]) -> list[Vector]:
    values = np.random.default_rng(seed).normal(size=(len(items), N_DIMENSIONS)).round(3)
    return [Vector("text", item, tuple(row.tolist())) for item, row in zip(items, values, strict=True)]


def test_an_item_with_a_vector_alone_is_shown_until_it_is_taken_back(tansu_settings: Settings) -> None:
    # Everybody has had nearly all of the 30 known items: with 40 places there is room for what is alike.
    scenarios = {"default": ScenarioSettings(k=40)}
    untrained = SMALL.model_copy(update={"train_sample": 0.0, "scenarios": scenarios})
    settings = tansu_settings.model_copy(update={"engine": untrained})
    users = [f"u{n}" for n in range(20)]
    ensure_topics(settings.bus)
    known = [f"i{n}" for n in range(30)]

    async def scenario(worker: Worker) -> None:
        publish_events(settings.bus, clicks(300, users=20, items=30))
        with Publisher(settings.bus) as publisher:
            alike = vectors(1, known)
            twins = [Vector("text", f"new{v.item_id}", v.values) for v in alike]
            publisher.publish_all([*alike, *twins])
            publish(settings.bus, "vectors", [(b"text/short", b'{"values":[1]}'), (b"text/bad", b"{}")])
            await until_committed(settings)
            publish_events(settings.bus, clicks(60, users=20, items=30, seed=2))
            await until_committed(settings)
            assert {item for item in shown(settings, users) if item.startswith("newi")}
            for item in known:
                publisher.remove_vector("text", item)
                publisher.remove_vector("text", f"new{item}")
            publisher.publish(Item("i1", "Item 1"))
            await until_committed(settings)
        used = await worker.parts.engine.ask(lambda engine: engine.spaces.in_use())
        assert [info.name for info in used] == ["content"]

    assert serve(settings, None, scenario) == 0
    letters = records(settings.bus, "dead-letters", DeadLetter)
    assert {(letter.topic, letter.reason) for letter in letters} == {
        ("vectors", "dimension_mismatch"),
        ("vectors", "missing_field"),
    }
