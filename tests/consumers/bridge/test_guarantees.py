"""What the bridge promises, whoever goes away: nothing is lost, and what is published again can be told."""

from __future__ import annotations

import os
import signal
import threading
from collections import defaultdict
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Producer

from stream_rec.clock import SystemClock
from stream_rec.consumers.bridge.bridge import Bridge
from stream_rec.consumers.bridge.inputs import inputs_of
from stream_rec.consumers.bridge.outages import Outages
from stream_rec.consumers.bridge.source import Source
from stream_rec.embedded.tansu import TansuServer
from stream_rec.errors import ConfigError
from stream_rec.schemas.records import Interaction
from stream_rec.settings import Settings
from tests.consumers.bridge.bridging import (
    behind,
    bridge_process,
    bridged,
    clicks,
    in_thread,
    make_topic,
    one_input,
    run_to_end,
    send,
)
from tests.consumers.kafka_process import KafkaProcess
from tests.oracles.dedup import SlowRepeats
from tests.reading import messages
from tests.waiting import wait_until

SLOW_SECONDS = 180.0
OF_KAFKA = {"session_timeout_seconds": 6.0}
"""Apache Kafka refuses shorter ones."""
STOP_SECONDS = 5.0
"""A promise to operators, so here time is part of the claim."""


def learned_once(settings: Settings, n: int, kills: int = 1) -> int:
    """Workers that know the last ids of each partition learn each of n events once; how many are there again."""
    known: dict[int, SlowRepeats] = defaultdict(lambda: SlowRepeats(settings.engine.repeat_window))
    learned, repeats = [], 0
    for message in messages(settings.bus, "events"):
        event = msgspec.json.decode(message.value(), type=Interaction)
        assert event.event_id
        if known[message.partition()].is_repeat(event.event_id):
            repeats += 1
        else:
            learned.append(event.item_id)
    assert sorted(learned) == sorted(f"i{i}" for i in range(n))
    assert repeats <= kills * (settings.bridge.uncommitted_records + settings.bridge.batch_records)
    return repeats


def test_kill_9_in_mid_run_loses_nothing_and_doubles_nothing(settings: Settings, tmp_path: Path) -> None:
    """On both brokers; killed twice, while it commits often and while it does not."""
    bus, n = settings.bus, 30_000
    topic = make_topic(bus.bootstrap, f"{bus.prefix}shop")
    send(bus.bootstrap, topic, clicks(n))
    slow = {"uncommitted_records": 2_000, "batch_records": 100}
    settings = bridged(settings, bridge={**one_input(topic), **slow})
    for nth in (1, 2):
        with bridge_process(settings, tmp_path / f"bridge{nth}.log") as process:
            before = behind(settings)
            wait_until(lambda: behind(settings) < before, SLOW_SECONDS, "a commit in mid-run")  # noqa: B023
            process.kill()
    run_to_end(settings)
    learned_once(settings, n, kills=2)
    assert behind(settings) == 0


def test_two_bridges_share_the_partitions_and_hand_them_over(
    tansu_settings: Settings, tmp_path: Path
) -> None:
    bus = tansu_settings.bus
    topic = make_topic(bus.bootstrap, f"{bus.prefix}shop", 4)
    settings = bridged(tansu_settings, bridge={**one_input(topic), "batch_records": 50})
    with in_thread(settings) as first, bridge_process(settings, tmp_path / "second.log") as second:
        send(bus.bootstrap, topic, clicks(5_000))
        wait_until(lambda: "partitions=2" in second.log(), SLOW_SECONDS, "the second bridge to get its share")
        send(bus.bootstrap, topic, clicks(5_000, first=5_000))
        wait_until(lambda: behind(settings) == 0, SLOW_SECONDS, "both to be done")
        n_first = first.inputs[topic].n_messages
        second.stop()
        send(bus.bootstrap, topic, clicks(1_000, first=10_000))
        wait_until(lambda: behind(settings) == 0, SLOW_SECONDS, "the first to take over")
        assert first.inputs[topic].n_messages > n_first
    learned_once(settings, 11_000)


def test_a_commit_that_is_not_answered_is_given_up_and_made_again(
    tansu_settings: Settings, tmp_path: Path
) -> None:
    """The client would wait without a bound: a bridge stood still so when it lost its coordinator amid a commit."""
    with TansuServer.start(tmp_path) as broker:
        bus = tansu_settings.bus.model_copy(
            update={
                "bootstrap": broker.bootstrap,
                "admin_timeout_seconds": 1.0,
                "session_timeout_seconds": 30.0,
            }
        )
        topic = make_topic(bus.bootstrap, f"{bus.prefix}shop")
        settings = bridged(tansu_settings.model_copy(update={"bus": bus}), bridge=one_input(topic))
        clock, place, n_taken = SystemClock(), (topic, 0), []
        outages = Outages(clock, 1.0)
        source = Source(
            settings, inputs_of(settings), lambda _: None, lambda: n_taken.append(1), outages, clock
        )
        source.join()
        send(bus.bootstrap, topic, clicks(30))
        wait_until(lambda: source.read(10, 0.1), SLOW_SECONDS, "the first messages")

        def is_answered() -> bool:
            source.read(1, 0.1)
            return not source.is_committing()

        os.kill(broker.pid, signal.SIGSTOP)
        try:
            source.commit({place: 1})
            wait_until(is_answered, SLOW_SECONDS, "the commit to be given up")
            assert source.service in outages.waiting_for
            assert (source.committed, n_taken) == ({}, [])
        finally:
            os.kill(broker.pid, signal.SIGCONT)

        def is_committed() -> bool:
            if is_answered() and not n_taken:  # the group may have forgotten the bridge: it joins again
                source.commit({place: 2})
            return bool(n_taken)

        wait_until(is_committed, SLOW_SECONDS, "the commit")
        assert source.committed == {place: 2}
        source.close()


@pytest.mark.kafka
def test_a_broker_that_is_silent_is_waited_for_in_few_words(tansu_settings: Settings, tmp_path: Path) -> None:
    with KafkaProcess(tmp_path / "kafka") as broker:
        bus = tansu_settings.bus.model_copy(update={"bootstrap": broker.bootstrap, **OF_KAFKA})
        topic = make_topic(bus.bootstrap, f"{bus.prefix}shop")
        settings = bridged(
            tansu_settings.model_copy(update={"bus": bus}),
            bridge={**one_input(topic), "uncommitted_records": 500, "batch_records": 100},
        )
        send(bus.bootstrap, topic, clicks(20_000))
        with bridge_process(settings, tmp_path / "bridge.log") as process:
            before = behind(settings)
            wait_until(lambda: behind(settings) < before, SLOW_SECONDS, "a commit in mid-run")
            os.kill(broker.pid, signal.SIGSTOP)
            threading.Event().wait(9)  # longer than the session: the group forgets the bridge
            os.kill(broker.pid, signal.SIGCONT)
            wait_until(lambda: behind(settings) == 0, SLOW_SECONDS, "the bridge to go on by itself")
            assert len(process.log().splitlines()) < 25, process.log()
        learned_once(settings, 20_000)


def test_what_was_fetched_is_kept_while_a_commit_is_answered(
    tansu_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Partitions that are paused are fetched anew, after a second: with a bound of 200 that was at every 200th."""
    n_pauses, pause = 0, Source.pause

    def counted(source: Source) -> None:
        nonlocal n_pauses
        n_pauses += 1
        pause(source)

    monkeypatch.setattr(Source, "pause", counted)
    bus = tansu_settings.bus
    topic = make_topic(bus.bootstrap, f"{bus.prefix}shop")
    settings = bridged(
        tansu_settings,
        bridge={**one_input(topic), "uncommitted_records": 200, "batch_records": 100},
    )
    send(bus.bootstrap, topic, clicks(4_000))
    with in_thread(settings):
        wait_until(lambda: behind(settings) == 0, SLOW_SECONDS, "all messages")
    assert n_pauses < 10


def test_what_is_published_and_not_committed_is_bounded(tansu_settings: Settings, tmp_path: Path) -> None:
    """The target is away, the source is not: partitions are paused, and the bridge stays in its group."""
    source = tansu_settings.bus
    topic = make_topic(source.bootstrap, f"{source.prefix}shop")
    send(source.bootstrap, topic, clicks(5_000))
    with TansuServer.start(tmp_path) as broker:
        settings = bridged(
            tansu_settings,
            bus={"bootstrap": broker.bootstrap},
            bridge={
                **one_input(topic),
                "bootstrap": source.bootstrap,
                "uncommitted_records": 300,
                "batch_records": 100,
            },
        )
        with in_thread(settings) as bridge:
            wait_until(lambda: bridge.inputs[topic].n_messages > 0, SLOW_SECONDS, "the first messages")
            os.kill(broker.pid, signal.SIGSTOP)
            wait_until(lambda: bridge.blocked_seconds > 2, SLOW_SECONDS, "the bridge to wait")
            n = bridge.inputs[topic].n_messages
            assert bridge.uncommitted <= 300 + 100
            threading.Event().wait(2)
            assert bridge.inputs[topic].n_messages <= n + 1
            os.kill(broker.pid, signal.SIGCONT)
            wait_until(lambda: behind(settings) == 0, SLOW_SECONDS, "the rest")
            assert bridge.blocked_seconds == 0
        learned_once(settings, 5_000)


def test_a_small_queue_only_makes_it_slower(tansu_settings: Settings) -> None:
    bus = tansu_settings.bus
    topic = make_topic(bus.bootstrap, f"{bus.prefix}shop")
    send(bus.bootstrap, topic, clicks(2_000))
    settings = bridged(tansu_settings, bus={"publish_queue_records": 10}, bridge=one_input(topic))
    run_to_end(settings)
    assert learned_once(settings, 2_000) == 0


def test_it_stops_within_five_seconds_and_the_next_one_goes_on(
    tansu_settings: Settings, tmp_path: Path
) -> None:
    bus = tansu_settings.bus
    topic = make_topic(bus.bootstrap, f"{bus.prefix}shop")
    settings = bridged(tansu_settings, bridge={**one_input(topic), "batch_records": 10})
    with bridge_process(settings, tmp_path / "bridge.log") as process:
        send(bus.bootstrap, topic, clicks(20_000))
        before = behind(settings)
        wait_until(lambda: behind(settings) < before, SLOW_SECONDS, "a commit in mid-run")
        code, seconds = process.stop()
        assert (code, seconds < STOP_SECONDS) == (0, True), seconds
    run_to_end(settings)
    assert learned_once(settings, 20_000) == 0


def test_it_stops_within_five_seconds_while_kafka_is_silent(tansu_settings: Settings, tmp_path: Path) -> None:
    with TansuServer.start(tmp_path) as broker:
        bus = tansu_settings.bus.model_copy(update={"bootstrap": broker.bootstrap})
        topic = make_topic(bus.bootstrap, f"{bus.prefix}shop")
        settings = bridged(tansu_settings.model_copy(update={"bus": bus}), bridge=one_input(topic))
        send(bus.bootstrap, topic, clicks(2_000))
        with bridge_process(settings, tmp_path / "bridge.log") as process:
            wait_until(lambda: behind(settings) == 0, SLOW_SECONDS, "the first messages")
            os.kill(broker.pid, signal.SIGSTOP)
            code, seconds = process.stop()
            os.kill(broker.pid, signal.SIGCONT)
            assert (code, seconds < STOP_SECONDS) == (0, True), seconds


@pytest.mark.kafka
def test_only_committed_transactions_are_bridged(kafka: str, tansu_settings: Settings) -> None:
    """The embedded broker returns aborted records, so this is for Apache Kafka alone."""
    bus = tansu_settings.bus.model_copy(update={"bootstrap": kafka, **OF_KAFKA})
    topic = make_topic(bus.bootstrap, f"{bus.prefix}shop", 1)
    producer = Producer({"bootstrap.servers": bus.bootstrap, "transactional.id": f"{bus.prefix}tx"})
    producer.init_transactions(30)
    kept = clicks(100)
    for nth, keep in enumerate((True, False, True)):
        producer.begin_transaction()
        for value in kept[:50] if nth == 0 else clicks(50, first=5_000) if not keep else kept[50:]:
            producer.produce(topic, value)
        assert producer.flush(30) == 0  # what is aborted is in the log
        producer.commit_transaction(30) if keep else producer.abort_transaction(30)
    settings = bridged(tansu_settings.model_copy(update={"bus": bus}), bridge=one_input(topic))
    run_to_end(settings)
    assert learned_once(settings, 100) == 0
    assert behind(settings) == 0  # the transaction's last marker, too


@pytest.mark.kafka
def test_a_broker_that_restarts_is_waited_for(tansu_settings: Settings, tmp_path: Path) -> None:
    """With what it holds, so on Apache Kafka; the bridge goes on by itself, and sends nothing twice."""
    with KafkaProcess(tmp_path / "kafka") as broker:
        bus = tansu_settings.bus.model_copy(update={"bootstrap": broker.bootstrap, **OF_KAFKA})
        topic = make_topic(bus.bootstrap, f"{bus.prefix}shop")
        settings = bridged(
            tansu_settings.model_copy(update={"bus": bus}),
            bridge={**one_input(topic), "uncommitted_records": 100, "batch_records": 20},
        )
        send(bus.bootstrap, topic, clicks(10_000))
        with in_thread(settings) as bridge:
            wait_until(lambda: bridge.inputs[topic].n_messages > 0, SLOW_SECONDS, "the first messages")
            broker.kill()
            done = bridge.inputs[topic]  # all of them, if it was that quick
            wait_until(
                lambda: bridge.blocked_seconds > 2 or done.n_messages == 10_000,
                SLOW_SECONDS,
                "the bridge to wait",
            )
            broker.start_again()
            wait_until(lambda: behind(settings) == 0, SLOW_SECONDS, "the rest")
        learned_once(settings, 10_000)


def test_a_topic_that_is_one_of_ours_is_refused(tansu_settings: Settings) -> None:
    settings = bridged(tansu_settings, bridge=one_input(f"{tansu_settings.bus.prefix}events"))
    with pytest.raises(ConfigError, match="without end"):
        Bridge(settings)
