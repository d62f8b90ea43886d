"""The topic `metrics`, read to its end: what the workers wrote down, not what a poll happened to see."""

from __future__ import annotations

import msgspec
from confluent_kafka import Consumer, TopicPartition

from stream_rec.bus.clients import client_config
from stream_rec.bus.lag import ends
from stream_rec.clock import SystemClock
from stream_rec.errors import Unavailable
from stream_rec.schemas.records import MetricPoint
from stream_rec.schemas.topics import full_name
from stream_rec.settings import BusSettings

_decode = msgspec.json.Decoder(MetricPoint).decode


def read_points(bus: BusSettings) -> list[MetricPoint]:
    """Every metric point there is, in log order.

    Raises:
        Unavailable: they did not come within `bus.admin_timeout_seconds`.
    """
    topic, clock = full_name(bus.prefix, "metrics"), SystemClock()
    unread = {partition: end for partition, end in ends(bus, "metrics").items() if end}
    own = {"group.id": f"{bus.group}-totals", "enable.auto.commit": False, "auto.offset.reset": "earliest"}
    consumer = Consumer({**client_config(bus), **own})
    consumer.assign([TopicPartition(topic, partition, 0) for partition in unread])
    deadline = clock.monotonic() + bus.admin_timeout_seconds
    points: list[MetricPoint] = []
    try:
        while unread:
            if clock.monotonic() > deadline:
                raise Unavailable(
                    "kafka", f"{topic} cannot be read", waited_seconds=bus.admin_timeout_seconds
                )
            for message in consumer.consume(1000, 0.1):
                if message.error() is None and message.partition() in unread:
                    points.append(_decode(message.value()))
                    if message.offset() + 1 >= unread[message.partition()]:
                        del unread[message.partition()]
    finally:
        consumer.close()
    return points
