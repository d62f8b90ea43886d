"""docs/deployment.md: its sums are right, and its steps do what it says."""

from __future__ import annotations

import re

import pytest
from confluent_kafka.admin import NewPartitions

from stream_rec.bus.clients import admin
from stream_rec.bus.topics import ensure_topics, partition_counts
from stream_rec.errors import ConfigError
from stream_rec.schemas.topics import TOPICS
from stream_rec.settings import BusSettings
from tests.deploy.manifests import ROOT, of_kind
from tests.waiting import wait_until

PAGE = (ROOT / "docs" / "deployment.md").read_text()


def number(text: str) -> float:
    return float(text.replace(",", ""))


def figures() -> dict[str, float]:
    (l_us,) = re.findall(r"`l` = ([\d.]+) us", PAGE)
    (r_us,) = re.findall(r"`r` = [^=]* = ([\d.]+) us", PAGE)
    return {"l": number(l_us), "r": number(r_us)}


def capacity(workers: int) -> float:
    found = figures()
    return 1e6 * workers / (found["r"] + workers * found["l"])


def test_the_worked_example_follows_the_formula() -> None:
    measured, ingest, learn = re.findall(
        r"It said ([\d,]+) events/s, `us_ingest` ([\d.]+), `us_learn`\s+([\d.]+)\.", PAGE
    )[0]
    assert figures()["l"] == pytest.approx(number(ingest) + number(learn))
    assert capacity(1) == pytest.approx(number(measured), rel=0.001)
    rows = re.findall(r"^\| (\d) \| ([\d,]+) \|$", PAGE, re.M)
    assert [int(workers) for workers, _ in rows] == [1, 2, 3, 4]
    for workers, rate in rows:
        assert number(rate) == round(capacity(int(workers)))
    (most,) = re.findall(r"any number \| ([\d,]+) \|", PAGE)
    assert number(most) == round(1e6 / figures()["l"])


def test_the_manifests_have_the_threshold_of_the_example() -> None:
    two, planned, seconds, workers, threshold = map(
        number, re.findall(r"\(([\d,]+) - ([\d,]+)\) \* (\d+) / (\d) = ([\d,]+),", PAGE)[0]
    )
    assert two == round(capacity(2))
    assert (two - planned) * seconds / workers == pytest.approx(threshold, rel=0.01)
    (trigger,) = of_kind("ScaledObject")["spec"]["triggers"]
    assert int(trigger["metadata"]["lagThreshold"]) == threshold


@pytest.mark.kafka
def test_partitions_are_added_as_the_page_says(kafka: str, prefix: str) -> None:
    bus = BusSettings(bootstrap=kafka, prefix=prefix, partitions=2)
    ensure_topics(bus)
    commands = re.findall(r"^kafka-topics\.sh --alter --topic shop-(\S+) --partitions (\d+)$", PAGE, re.M)
    assert {name for name, _ in commands} == {
        name for name, topic in TOPICS.items() if topic.is_keyed_by_user
    }
    client = admin(bus)
    for name, wanted in commands:
        for done in client.create_partitions([NewPartitions(f"{prefix}{name}", int(wanted))]).values():
            done.result(30)
        wait_until(lambda at=name, n=int(wanted): partition_counts(bus).get(at) == n, 30, f"{name} to grow")
        if name != commands[-1][0]:
            with pytest.raises(ConfigError, match="differ in partitions"):
                ensure_topics(bus)
    found = ensure_topics(bus)
    assert {found["events"], found["impressions"], found["slates"]} == {int(commands[0][1])}
