"""What is measured of events: ranks in what was shown, and keys on the wrong partition."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from stream_rec.consumers.handlers.event_metrics import EventMetrics
from stream_rec.engine.engine import Engine
from stream_rec.feedback.served import UNKNOWN
from stream_rec.kernels.ids import hash_ids
from stream_rec.kernels.murmur2 import partition_of
from stream_rec.schemas.columns import EventBatch, IdColumn, Span
from tests.consumers.parts import STAMP_MS, TINY, make_measures, make_table

NOW = STAMP_MS / 1000


def batch(*rows: tuple[str, str], start: int = 0, partition: int = 0) -> EventBatch:
    """Clicks (user, item)."""
    clicks = [(user, item, NOW + start + n) for n, (user, item) in enumerate(rows)]
    return EventBatch.of(clicks, span=Span("events", partition, 0, start, start + len(rows)))


class Scene:
    """An engine, its measures, and the metrics of `events` on n partitions."""

    def __init__(self, n_partitions: int = 1) -> None:
        self.engine = Engine(TINY)
        self.measures = make_measures(self.engine)
        self.metrics = EventMetrics(
            self.measures, make_table(n_partitions), "default", self.engine.event_types
        )

    def learn(self, events: EventBatch) -> tuple[list[int], list[int]]:
        """The ranks before the batch; it is learned, and its users are served."""
        served, popular = self.metrics.ranks(self.engine, events)
        learned = self.engine.learn(events)
        users = list(dict.fromkeys(events.users.to_list()))
        ranked = {"default": self.engine.recommend(users)}
        self.metrics.served(users, ranked)
        self.metrics.learned(events, served, popular, learned)
        return served.tolist(), popular.tolist()


def test_an_items_rank_in_the_slate_that_the_user_was_shown() -> None:
    scene = Scene()
    scene.learn(batch(("ann", "a"), ("bob", "b"), ("ann", "c")))
    shown = scene.engine.recommend(["ann"]).items[0]
    served, _ = scene.metrics.ranks(scene.engine, batch(("ann", shown[1]), ("ann", "never seen"), start=3))
    assert served.tolist() == [2, 0]


def test_an_unknown_user_was_shown_the_popular_list() -> None:
    scene = Scene()
    popular = ["b", "a"]
    scene.measures.served.set_popular(hash_ids(IdColumn.of(popular)))
    served, ranks = scene.metrics.ranks(scene.engine, batch(("stranger", "a"), ("stranger", "x")))
    assert served.tolist() == ranks.tolist() == [2, 0]


def test_a_known_user_whose_slate_is_not_in_memory_counts_for_nothing() -> None:
    scene = Scene()
    scene.engine.learn(batch(("ann", "a")))
    served, popular = scene.metrics.ranks(scene.engine, batch(("ann", "a"), start=1))
    assert served.tolist() == popular.tolist() == [UNKNOWN]


def test_the_mix_of_types_and_items_that_nobody_has_heard_of_are_watched() -> None:
    scene = Scene()
    watched: dict[str, list[float]] = {}

    def note(metric: str, values: NDArray[np.float64], *_: int) -> None:
        watched[metric] = values.tolist()

    scene.measures.watches.add = note  # type: ignore[method-assign]
    scene.learn(batch(("ann", "a"), ("bob", "b")))
    assert watched["unknown_items"] == [1, 1]
    assert watched["event_mix.click"] == [1, 1]
    carts = EventBatch.of(
        [("ann", "a", NOW + 2), ("ann", "c", NOW + 3)], span=Span("events", 0, 0, 2, 4), event_type="cart"
    )
    scene.learn(carts)
    assert watched["unknown_items"] == [0, 1]
    assert (watched["event_mix.click"], watched["event_mix.cart"]) == ([0, 0], [1, 1])


def test_events_on_a_partition_that_their_user_does_not_hash_to_are_counted_and_said_once(
    capfd: pytest.CaptureFixture[str],
) -> None:
    users = [f"u{n}" for n in range(20)]
    misrouted = np.count_nonzero(partition_of(IdColumn.of(users), 4) != 0)
    scene = Scene(n_partitions=4)
    scene.learn(batch(*((user, "a") for user in users)))
    scene.learn(batch(*((user, "b") for user in users), start=20))
    assert scene.measures.live()["misrouted"] == 2 * misrouted
    assert "".join(capfd.readouterr()).count("another partitioner") == 1


def test_with_the_right_partitioner_nothing_is_misrouted(capfd: pytest.CaptureFixture[str]) -> None:
    scene = Scene(n_partitions=1)
    scene.learn(batch(("ann", "a"), ("bob", "b")))
    assert scene.measures.live()["misrouted"] == 0
    assert "partitioner" not in "".join(capfd.readouterr())
