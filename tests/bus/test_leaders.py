"""Apache Kafka on two nodes, of which one goes: its partitions have no leader then, and are there all the same."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

import pytest
from confluent_kafka.admin import NewTopic

from stream_rec.bus.clients import admin
from stream_rec.bus.lag import OffsetReader
from stream_rec.bus.topics import cluster_id, partition_counts
from stream_rec.embedded.kafka import KafkaServer, properties
from stream_rec.embedded.server import ServerFolder
from stream_rec.errors import Unavailable
from stream_rec.settings import BusSettings
from tests.kafka import need_a_jvm
from tests.waiting import wait_until

pytestmark = pytest.mark.kafka
SECOND = 2
"""The id of the node that goes."""


class FirstNode(KafkaServer):
    """The controller, and a broker. One at a time: `controller` is where it is."""

    controller: ClassVar[str]

    @classmethod
    def settings(cls, port: int, folder: ServerFolder) -> Mapping[str, str]:
        values = super().settings(port, folder)
        FirstNode.controller = values["controller.quorum.voters"].partition("@")[2]
        return values


class SecondNode(KafkaServer):
    """A broker in the cluster of the first node, which is at `bootstrap_of_first`."""

    bootstrap_of_first: ClassVar[str]

    @classmethod
    def settings(cls, port: int, folder: ServerFolder) -> Mapping[str, str]:
        address = f"127.0.0.1:{port}"
        values = properties(address, FirstNode.controller, log_dir=str(folder.data / "log"))
        return {
            **values,
            "process.roles": "broker",
            "node.id": str(SECOND),
            "listeners": f"PLAINTEXT://{address}",
        }

    @classmethod
    def cluster_id(cls) -> str:
        return cluster_id(BusSettings(bootstrap=cls.bootstrap_of_first))


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[tuple[KafkaServer, KafkaServer]]:
    need_a_jvm()
    with FirstNode.start(tmp_path) as first:
        SecondNode.bootstrap_of_first = first.bootstrap
        with SecondNode.start(tmp_path) as second:
            yield first, second


def test_a_topic_whose_leader_is_away_is_there_and_is_waited_for(
    nodes: tuple[KafkaServer, KafkaServer],
) -> None:
    first, second = nodes
    patient = BusSettings(bootstrap=first.bootstrap, prefix="a-", replication=1, admin_timeout_seconds=60)
    hasty = patient.model_copy(update={"admin_timeout_seconds": 4.0})
    client = admin(patient)
    events = NewTopic("a-events", 2, replica_assignment=[[SECOND], [1]])
    client.create_topics([events])["a-events"].result()
    wait_until(lambda: partition_counts(patient, ["events", "items"]) == {"events": 2}, 60, "it to be seen")

    second.down()
    for ask in (lambda: partition_counts(hasty, ["events"]), lambda: OffsetReader(hasty).ends(["events"])):
        with pytest.raises(Unavailable, match="no leaders for a-events"):
            ask()

    answers: list[dict[str, int]] = []
    asking = threading.Thread(target=lambda: answers.append(dict(partition_counts(patient, ["events"]))))
    asking.start()
    second.start_again()
    asking.join(60)
    assert answers == [{"events": 2}]
