"""Figures on their way: points to the topic, last values to Redis."""

from __future__ import annotations

import msgspec
import pytest

from stream_rec.consumers.output.metric_points import MetricOutput
from stream_rec.errors import Unavailable
from stream_rec.schemas.records import MetricPoint
from stream_rec.settings import StoreSettings
from stream_rec.store.last_values import LastValuesStore
from stream_rec.store.reader import Reader
from tests.consumers.parts import Outbox
from tests.store.building import Stores, with_stores

POINT = MetricPoint(
    metric="lag",
    labels={},
    window_start=60,
    window_seconds=60,
    topic="events",
    partition=0,
    numerator=3.0,
    denominator=1.0,
)


def output(stores: Stores, outbox: Outbox) -> MetricOutput:
    return MetricOutput(outbox, LastValuesStore(stores.redis, stores.settings, stores.clock, worker="w1"))


def test_points_go_to_their_topic_under_a_key_of_their_own(redis_url: str) -> None:
    async def story(stores: Stores) -> None:
        outbox = Outbox()
        await (await output(stores, outbox).publish([POINT])).delivered()
        (record,) = outbox.sent
        assert (record.topic, record.key) == ("metrics", b"lag//60/events/0")
        assert msgspec.json.decode(record.value, type=MetricPoint) == POINT

    with_stores(StoreSettings(url=redis_url), story)


def test_last_values_replace_those_before(redis_url: str) -> None:
    settings = StoreSettings(url=redis_url)

    async def story(stores: Stores) -> None:
        await output(stores, Outbox()).write_last({"lag": 3.0, "gone": 1.0})
        await output(stores, Outbox()).write_last({"lag": 2.0})

    with_stores(settings, story)
    reader = Reader(settings)
    assert reader.last_values()["w1"].values == {"lag": 2.0}
    reader.close()


def test_a_redis_that_is_away_is_told() -> None:
    async def story(stores: Stores) -> None:
        with pytest.raises(Unavailable):
            await output(stores, Outbox()).write_last({"lag": 2.0})

    with_stores(StoreSettings(url="redis://127.0.0.1:1", timeout_seconds=0.1), story)
