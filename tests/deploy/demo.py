"""A small shop at work on all parts, so that every series is there: what boards and alerts are tried on."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import msgspec
from confluent_kafka import Producer

from stream_rec.bus.topics import ensure_topics
from stream_rec.clock import SystemClock
from stream_rec.embedded.redis_server import RedisServer
from stream_rec.producers.experiments.experiments import Experiments
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.schemas.alarm import Alarm
from stream_rec.schemas.experiment import Arm, Experiment
from stream_rec.schemas.records import Control, Impression, Interaction, Item
from stream_rec.settings import BusSettings, EngineSettings, Settings, StoreSettings
from tests.api.serving import live, served
from tests.consumers.bridge.bridging import bridged, make_topic, one_input
from tests.consumers.running import running
from tests.deploy.prometheus import Prometheus

PREFIX = "watched-"
N_USERS, N_AGAIN, N_ITEMS = 240, 24, 30
"""Users of the first wave, enough for the statistics of an experiment (100 of each arm), and of all further ones."""
ARMS = ("control", "blue")
WAVE_SECONDS = 2.0
"""Between two waves: Prometheus looks less often, so every counter grows between two looks."""
ENGINE = EngineSettings(max_users=1_000, max_items=500, train_first=0, train_sample=1.0)


@contextmanager
def watched(tansu: str, folder: Path, config: Path) -> Iterator[Prometheus]:
    """A worker with a bridge inside, a live server, and users who go on; gives the Prometheus that watches them.

    Args:
        tansu: address of the embedded broker.
        folder: for logs.
        config: of Prometheus; its targets are replaced.
    """
    with ExitStack() as parts:
        redis = parts.enter_context(RedisServer.start(folder))
        plain = Settings(
            bus=BusSettings(bootstrap=tansu, prefix=PREFIX, group=f"{PREFIX}group", partitions=2),
            store=StoreSettings(url=redis.url),
            engine=ENGINE,
        )
        ensure_topics(plain.bus)
        foreign = make_topic(tansu, f"{PREFIX}foreign", 1)
        settings = bridged(plain, bridge={**one_input(foreign), "in_worker": True})
        _decide(settings)
        worker = parts.enter_context(running(settings, folder))
        url = parts.enter_context(served(live(plain, access_log="off")))
        targets = {"stream-rec": _address(worker.log()), "stream-rec-serve": urlsplit(url).netloc}
        prometheus = parts.enter_context(Prometheus.start(folder, config, targets))
        parts.enter_context(_going_on(_Shop(settings, foreign, url)))
        yield prometheus


def _address(log: str) -> str:
    found = re.search(r"metrics='?http://([\d.:]+)", log)
    assert found, log
    return found[1]


def _decide(settings: Settings) -> None:
    """One experiment in which nothing is refunded and whose second arm ranks by itself; one that is over; an alarm."""
    now = SystemClock().now()
    ranks = Arm("blue", sources=("popularity", "transitions"))
    Experiments(settings).apply(
        {
            "front": Experiment(
                (Arm("control"), ranks), scenarios=("default",), secondary=("revenue", "refunds")
            ),
            "back": Experiment((Arm("control"), Arm("few", scenario={"k": 2})), scenarios=("other",)),
        }
    )
    for name, move in (("front", "start"), ("back", "start"), ("back", "stop")):
        Experiments(settings).move(name, move)  # type: ignore[arg-type]
    alarm = Alarm("served_hit_rate", "drop", now - 60, 0.1, 0.2, until=now + 3_600)
    with Publisher(settings.bus, settings.ingest) as publisher:
        publisher.publish(Control("alarm", alarm.metric, now, msgspec.to_builtins(alarm)))


class _Shop:
    """Its users, in waves: each sees, clicks and buys in one what it was shown in the one before."""

    def __init__(self, settings: Settings, foreign: str, url: str) -> None:
        self._settings = settings
        self._foreign = foreign
        self._url = url
        self._clock = SystemClock()

    def go_on(self, stopping: threading.Event) -> None:
        wave = 0
        with (
            Publisher(self._settings.bus, self._settings.ingest) as publisher,
            httpx.Client(base_url=self._url, timeout=60) as http,
        ):
            publisher.publish_all(
                Item(
                    f"i{n}", f"Item {n}", ("odd",) if n % 2 else ("even",), price=5.0, owner=f"maker-{n % 3}"
                )
                for n in range(N_ITEMS)
            )
            producer = Producer({"bootstrap.servers": self._settings.bus.bootstrap})
            while not stopping.is_set():
                publisher.publish_all(self._shown(wave))
                publisher.publish_all(self._done(wave))
                publisher.send_raw("events", b"u1", b"no json")
                self._send_foreign(producer, wave)
                self._ask(http, wave)
                wave += 1
                stopping.wait(WAVE_SECONDS)

    def _shown(self, wave: int) -> Iterator[Impression]:
        now = self._clock.now()
        for n in range(N_AGAIN if wave else N_USERS):
            items = tuple(f"i{(n + wave + place) % N_ITEMS}" for place in range(3))
            arm = ARMS[n % 2]
            yield Impression(f"s{wave}-{n}", f"u{n}", now, items, variant=arm, experiment="front")

    def _done(self, wave: int) -> Iterator[Interaction]:
        now, before = self._clock.now(), wave - 1
        for n in range(N_AGAIN if wave > 1 else N_USERS):
            user = f"u{n}"
            yield Interaction(user, f"i{(n * 7 + wave) % N_ITEMS}", "view", now)
            if before >= 0 and (n + wave) % 4 == 0:
                item, slate = f"i{(n + before) % N_ITEMS}", f"s{before}-{n}"
                yield Interaction(user, item, "click", now, slate_id=slate)
                yield Interaction(user, item, "purchase", now, value=5.0, slate_id=slate)

    def _send_foreign(self, producer: Producer, wave: int) -> None:
        event = {
            "user_id": "far",
            "item_id": f"i{wave % N_ITEMS}",
            "event_type": "view",
            "ts": self._clock.now(),
        }
        for value in (json.dumps(event).encode(), b"no json"):
            producer.produce(self._foreign, value)
        assert producer.flush(60) == 0

    def _ask(self, http: httpx.Client, wave: int) -> None:
        http.get("/v1/users/u1/recommendations")
        http.get("/v1/users/u1/recommendations", params={"n": "0"})
        event = {"user_id": "web", "item_id": f"i{wave % N_ITEMS}", "event_type": "view"}
        http.post("/v1/events", json=event)


@contextmanager
def _going_on(shop: _Shop) -> Iterator[None]:
    """While inside; what goes wrong there is raised at the end."""
    stopping = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(shop.go_on, stopping)
        try:
            yield
        finally:
            stopping.set()
            working.result(120)
