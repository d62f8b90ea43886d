"""`stream-rec bench bridge`: what mapping costs, how fast the bridge is, and whether kills lose or double anything.

The bridge is a process of its own, as in production; broker and registry are of this machine. Its rate is measured over
what it publishes after its first records. Repeats are told from their originals as an engine tells them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import psutil
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from stream_rec.bench import foreign, mapping
from stream_rec.bench.foreign import Form
from stream_rec.bench.harness import Figures, Say, calibration_ms, medians, shown
from stream_rec.bus.lag import OffsetReader
from stream_rec.bus.stretches import read_through
from stream_rec.bus.topics import ensure_topics
from stream_rec.embedded.own_process import OwnProcess
from stream_rec.embedded.stack import Broker, start_stack, without_addresses
from stream_rec.engine.learning.dedup import Deduplication, event_keys
from stream_rec.errors import Unavailable
from stream_rec.schemas.codec import decode_interactions
from stream_rec.settings import Settings

TOPIC = "foreign-clicks"
PARTITIONS = 4
_POLL_SECONDS = 0.05
_GIVE_UP_SECONDS = 120.0
"""Without a further record."""
_PATIENCE_SECONDS = 120.0
"""With a broker that shares its machine: it is not judged here."""
_WARM_UP = 0.1
"""This share of the messages is published before the rate is measured."""
_QUEUE_FULL_SECONDS = 0.05


class Wanted(NamedTuple):
    """What is measured.

    Attributes:
        messages: of each run.
        kills: of the run that is disturbed; 0 = there is none.
        repeats: undisturbed runs of each form.
        turns: of mapping alone.
    """

    messages: int
    kills: int
    repeats: int
    turns: int


class BridgeProcess(OwnProcess):
    """`stream-rec bridge` from the foreign topic to ours.

    Args:
        settings: of the running stack, with the prefix of our topics.
        preset: of the messages.
        registry: of schemas, its address; empty = none is needed.
        log_dir: keeps the log.
    """

    STOP_SECONDS = 30.0

    def __init__(self, settings: Settings, preset: str, registry: str, log_dir: Path) -> None:
        topic = _foreign_topic(settings)
        flags = {
            "bus.prefix": settings.bus.prefix,
            "bus.group": settings.bus.group,
            "bus.session_timeout_seconds": settings.bus.session_timeout_seconds,
            "bus.partitions": settings.bus.partitions,
            "bus.admin_timeout_seconds": settings.bus.admin_timeout_seconds,
            "bridge.inputs": f'{{clicks = {{topic = "{topic}", shape = "{preset}"}}}}',
            "registry.url": registry,
        }
        words = ["stream_rec.cli", "bridge"]
        for key, value in flags.items():
            words += ["--set", f"{key}={value}"]
        super().__init__("bridge", settings, words, log_dir)
        self._process = psutil.Process(self.pid)

    def cpu_seconds(self) -> float:
        """That it has used."""
        used = self._process.cpu_times()
        return float(used.user + used.system)


def run(settings: Settings, say: Say, wanted: Wanted, broker: Broker = "tansu") -> Figures:
    """All of it.

    Args:
        settings: as for a bridge; addresses and inputs in it are not used.
        say: takes progress.
        wanted: how much.
        broker: the embedded one, or Apache Kafka.

    Returns:
        Those of `mapping.run`; bridge_json_per_s, bridge_avro_per_s: messages a second; bridge_json_cpu_us,
        bridge_avro_cpu_us: of the bridge's process; kills, lost, doubled, repeated: what was published twice and is
        known as such; calibration_ms.
    """
    figures: Figures = dict(mapping.run(say, turns=wanted.turns))
    forms = {"json": Form("native", foreign.native), "avro": foreign.avro(5)}
    with (
        TemporaryDirectory(prefix="bench-bridge-") as folder,
        start_stack(without_addresses(settings), broker=broker) as stack,
    ):
        for name, form in forms.items():
            runs = []
            for number in range(1, wanted.repeats + 1):
                bench = _Bench(stack.settings, f"{name}{number}-", form, Path(folder))
                runs.append(bench.rate(wanted.messages))
                say(f"{name}, {number} of {wanted.repeats}: {shown(runs[-1]['per_s'])} messages/s")
            figures |= {f"bridge_{name}_{key}": value for key, value in medians(runs).items()}
        if wanted.kills:
            bench = _Bench(stack.settings, "killed-", forms["json"], Path(folder))
            figures |= bench.killed(wanted.messages, wanted.kills, say)
    return {**figures, "messages": wanted.messages, "calibration_ms": calibration_ms()}


class _Bench:
    """One run: topics of its own.

    Args:
        settings: of the running stack.
        prefix: of the topics.
        form: of the messages.
        folder: takes logs.
    """

    def __init__(self, settings: Settings, prefix: str, form: Form, folder: Path) -> None:
        bus = settings.bus.model_copy(update={"prefix": prefix, "admin_timeout_seconds": _PATIENCE_SECONDS})
        self._settings = settings.model_copy(update={"bus": bus})
        self._form = form
        self._folder = folder
        self._reader = OffsetReader(bus)
        ensure_topics(bus)

    def rate(self, n: int) -> dict[str, float]:
        """per_s and cpu_us of an undisturbed bridge over n messages."""
        self._fill(n)
        with self._registry() as registry:
            bridge = self._started(registry)
            self._wait(lambda: self._published() >= n * _WARM_UP, bridge)
            began, first, cpu = time.monotonic(), self._published(), bridge.cpu_seconds()
            self._wait(lambda: self._published() >= n, bridge)
            seconds, cpu = time.monotonic() - began, bridge.cpu_seconds() - cpu
            bridge.stop()
        return {"per_s": (n - first) / seconds, "cpu_us": cpu / (n - first) * 1e6}

    def killed(self, n: int, kills: int, say: Say) -> Figures:
        """kills, lost, doubled and repeated of a bridge that is killed and started again while it works."""
        self._fill(n)
        with self._registry() as registry:
            for number in range(1, kills + 1):
                bridge = self._started(registry)
                # More is published than messages are handled: repeats count, too.
                self._wait(lambda at=number: self._committed() >= n * at // (kills + 2), bridge)  # type: ignore[misc]
                bridge.kill()
                say(
                    f"kill {number} of {kills}: {self._published():,} published, {self._committed():,} committed"
                )
            bridge = self._started(registry)
            self._wait(lambda: self._committed() >= n, bridge)
            bridge.stop()
        return {"kills": kills, **self._counted(n)}

    def _started(self, registry: str) -> BridgeProcess:
        return BridgeProcess(self._settings, self._form.preset, registry, self._folder)

    @contextmanager
    def _registry(self) -> Iterator[str]:
        if self._form.schema is None:
            yield ""
            return
        with foreign.registry_of(self._form.schema) as url:
            yield url

    def _fill(self, n: int) -> None:
        """Publish n messages to the foreign topic."""
        bootstrap, topic = self._settings.bus.bootstrap, _foreign_topic(self._settings)
        admin = AdminClient({"bootstrap.servers": bootstrap})
        for made in admin.create_topics([NewTopic(topic, PARTITIONS, 1)]).values():
            made.result()
        producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 50, "batch.num.messages": 10_000})
        for at in range(n):
            value = self._form.make(at)
            while True:
                try:
                    producer.produce(topic, value, partition=at % PARTITIONS)
                    break
                except BufferError:
                    producer.poll(_QUEUE_FULL_SECONDS)
        if producer.flush(_GIVE_UP_SECONDS):
            raise Unavailable(
                "kafka", "the foreign topic could not be filled", waited_seconds=_GIVE_UP_SECONDS
            )

    def _published(self) -> int:
        return sum(self._reader.ends(["events"]).values())

    def _committed(self) -> int:
        """Of the foreign topic, by the bridge's group."""
        bus = self._settings.bus.model_copy(update={"prefix": ""})
        reader = OffsetReader(bus, f"{bus.group}-bridge")
        return sum(one.committed or 0 for one in reader.lag([_foreign_topic(self._settings)]))

    def _wait(self, is_so: Callable[[], bool], bridge: BridgeProcess) -> None:
        """Until it is so; gives up when nothing is published any more."""
        published, changed = -1, time.monotonic()
        while not is_so():
            bridge.check()
            time.sleep(_POLL_SECONDS)
            if (now := self._published()) != published:
                published, changed = now, time.monotonic()
            elif time.monotonic() - changed > _GIVE_UP_SECONDS:
                raise Unavailable("bridge", "it publishes nothing more", waited_seconds=_GIVE_UP_SECONDS)

    def _counted(self, n: int) -> Figures:
        """What of n messages is learned, told by the whole log of `events`."""
        bus, ingest = self._settings.bus, self._settings.ingest
        engine = self._settings.engine
        known = Deduplication(engine.repeat_window, engine.repeat_partitions)
        ids: list[str] = []
        repeated = 0
        for fetched in read_through(bus, self._reader.bounds(["events"])):
            batch = decode_interactions(fetched, fetched.span(), ingest).batch
            marked = known.mark(fetched.partition, event_keys(batch), 0)
            repeated += len(marked)
            ids += _without(batch.event_ids.to_list(), marked.tolist())
        return {"lost": n - len(set(ids)), "doubled": len(ids) - len(set(ids)), "repeated": repeated}


def _without(ids: Sequence[str], at: Sequence[int]) -> list[str]:
    kept = np.ones(len(ids), np.bool_)
    kept[list(at)] = False
    return [one for one, is_kept in zip(ids, kept.tolist(), strict=True) if is_kept]


def _foreign_topic(settings: Settings) -> str:
    return f"{settings.bus.prefix}{TOPIC}"
