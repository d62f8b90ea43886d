"""What is done is remembered exactly, in whatever order it is acknowledged."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_rec.errors import ConfigError
from stream_rec.producers.replay.resume import Acknowledged, ResumeFile


@settings(deadline=None)
@given(st.permutations(range(20)), st.integers(0, 20))
def test_positions_done_in_any_order_are_the_set_of_them(order: list[int], n: int) -> None:
    done = Acknowledged()
    for position in order[:n]:
        done.done(position)

    want = set(order[:n])
    assert {position for position in range(20) if position in done} == want
    assert done.low == next(position for position in range(21) if position not in want)
    beyond = {position for first, end in done.ranges_beyond() for position in range(first, end)}
    assert beyond == {position for position in want if position > done.low}
    ends = [x for bounds in done.ranges_beyond() for x in bounds]
    assert ends == sorted(set(ends))


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    file = ResumeFile(tmp_path / "new" / "r.json", "source", "log")
    file.save(Acknowledged(5, (7, 8, 11)))

    done = file.load()

    assert (done.low, done.ranges_beyond()) == (5, [(7, 9), (11, 12)])
    file.remove()
    assert file.load().low == 0
    assert list(file.path.parent.iterdir()) == []


@pytest.mark.parametrize(("source", "log"), [("another", "log"), ("source", "another")])
def test_a_file_of_another_source_or_topic_is_refused(tmp_path: Path, source: str, log: str) -> None:
    ResumeFile(tmp_path / "r.json", "source", "log").save(Acknowledged(5))
    with pytest.raises(ConfigError, match="another"):
        ResumeFile(tmp_path / "r.json", source, log).load()


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text("{")
    with pytest.raises(ConfigError, match=r"r\.json"):
        ResumeFile(tmp_path / "r.json", "source", "log").load()
