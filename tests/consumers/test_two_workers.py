"""A second worker of the same group takes half of the partitions, and gives them back when it leaves."""

from __future__ import annotations

from pathlib import Path

from stream_rec.settings import Settings
from tests.consumers.publishing import clicks, publish_events
from tests.consumers.running import behind, learned, running, wait_until_done
from tests.waiting import wait_until

SPLIT = {f"{topic}/{partition}" for topic in ("events", "items", "impressions") for partition in range(4)}
ALL = SPLIT | {"vectors/0", "control/0"}


def test_two_workers_split_the_partitions_and_both_keep_working(settings: Settings, tmp_path: Path) -> None:
    with running(settings, tmp_path, "first") as first:
        assert first.owned() == ALL
        alone = publish_events(settings.bus, clicks(1_500))
        wait_until_done(settings, alone.n, first)
        with running(settings, tmp_path, "second") as second:
            wait_until(
                lambda: first.owned() | second.owned() == ALL and not first.owned() & second.owned(),
                60,
                "the partitions to be split",
            )
            assert len(first.owned() & SPLIT) == len(second.owned() & SPLIT) == 6
            together = publish_events(settings.bus, clicks(1_500, seed=2))
            wait_until_done(settings, alone.n + together.n, first, second)
            assert behind(settings, alone.last | together.last) == {}
            n = alone.n + together.n
            wait_until(lambda: learned(settings) == [n, n], 10, "both to know everything")
            code, _ = second.stop()
            assert code == 0
        wait_until(lambda: first.owned() == ALL, 60, "the first worker to have everything again")
        again = publish_events(settings.bus, clicks(1_000, seed=3))
        wait_until_done(settings, alone.n + together.n + again.n, first)
        assert behind(settings, alone.last | together.last | again.last) == {}
