"""How far a worker is, in what it owns and in what it follows."""

from __future__ import annotations

from collections.abc import Iterator

from stream_rec.consumers.replication.progress import Progress, Reach
from stream_rec.schemas.partition import TopicPartition
from tests.consumers.parts import make_table


class Lags:
    """A consumer that knows how far three partitions are behind."""

    def lag(self, tp: TopicPartition) -> int | None:
        return {("events", 0): 10, ("events", 1): 40, ("items", 0): 0}.get(tp)


class Follows:
    """A follower of two partitions; the end of one is not known yet."""

    def lags(self) -> Iterator[tuple[str, int, int | None]]:
        yield "events", 2, 5
        yield "events", 3, None


def test_owned_partitions_are_measured_from_the_commit_and_followed_ones_from_the_position() -> None:
    owned = [("events", 0), ("events", 1), ("items", 0), ("items", 1)]
    progress = Progress(make_table(owned=owned), Follows(), Lags())
    assert progress.owned() == [Reach("events", 0, 10), Reach("events", 1, 40), Reach("items", 0, 0)]
    assert progress.followed() == {("events", 2): 5}
    assert list(progress.distances()) == [
        ("events", 2, 5),
        ("events", 3, None),
        ("events", 0, 10),
        ("events", 1, 40),
        ("items", 0, 0),
        ("items", 1, None),
    ]


def test_a_worker_has_joined_once_its_first_assignment_is_served() -> None:
    table = make_table()
    progress = Progress(table, Follows(), Lags())
    assert not progress.joined
    table.ready.set()
    assert progress.joined
