"""The servers that the settings do not name, started together: for `up`, the demo, benches and tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from stream_rec.embedded.broker import BrokerServer
from stream_rec.embedded.kafka import KafkaServer
from stream_rec.embedded.redis_server import RedisServer
from stream_rec.embedded.tansu import TansuServer
from stream_rec.settings import Settings

Broker = Literal["tansu", "kafka"]
_BROKERS: dict[Broker, type[BrokerServer]] = {"tansu": TansuServer, "kafka": KafkaServer}
_IDENTITY = ("username", "password", "ca_file", "certificate_file", "key_file", "key_password")
"""Settings of `store` that are meant for the Redis of `store.url`."""


@dataclass(frozen=True, slots=True)
class Stack:
    """A broker and a Redis that answer.

    Attributes:
        settings: the caller's, with both addresses.
        broker: None = the caller's own.
        redis: for outages (`down`, `up`); None = the caller's own.
    """

    settings: Settings
    broker: BrokerServer | None
    redis: RedisServer | None

    def check(self) -> None:
        """Check that the servers that were started run.

        Raises:
            ChildExited: one has exited.
        """
        for server in (self.broker, self.redis):
            if server is not None:
                server.check()


@contextmanager
def start_stack(
    settings: Settings, *, broker: Broker = "tansu", log_dir: Path | None = None
) -> Iterator[Stack]:
    """Start the servers that `bus.bootstrap` and `store.url` leave empty; they stop with the context, or this process.

    Args:
        settings: what they name is used as it is, and not started; see `without_addresses`.
        broker: Tansu (embedded), or Apache Kafka from Maven's jars.
        log_dir: keeps the servers' logs; None = only on failure.

    Raises:
        ConfigError: something that they need is not on this machine.
        Unavailable: one did not start.
    """
    with ExitStack() as running:
        bus, store, started, redis = settings.bus, settings.store, None, None
        if not bus.bootstrap:
            started = running.enter_context(_BROKERS[broker].start(log_dir))
            bus = bus.model_copy(update={"bootstrap": started.bootstrap, "security": {}})
        if not store.url:
            redis = running.enter_context(RedisServer.start(log_dir))
            store = store.model_copy(update={"url": redis.url, **dict.fromkeys(_IDENTITY, "")})
        yield Stack(settings.model_copy(update={"bus": bus, "store": store}), started, redis)


def without_addresses(settings: Settings) -> Settings:
    """The same settings without addresses: `start_stack` then starts both, and touches no other server."""
    bus = settings.bus.model_copy(update={"bootstrap": ""})
    store = settings.store.model_copy(update={"url": ""})
    return settings.model_copy(update={"bus": bus, "store": store})
