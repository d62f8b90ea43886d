"""Which rows of a source the bus has: kept on disk, so that a replay goes on where it was stopped."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import msgspec

from stream_rec.errors import ConfigError


class Acknowledged:
    """The set of positions that are done, as a low-water mark and those beyond it.

    Delivery reports of different partitions come in any order; what is beyond the mark is bounded by the
    publisher's queue.

    Attributes:
        low: every position below is done, and this one is not.
    """

    def __init__(self, low: int = 0, beyond: Iterator[int] | tuple[int, ...] = ()) -> None:
        self.low = low
        self._beyond = set(beyond)

    def done(self, position: int) -> None:
        """The bus has this position's record (or it is a bad row that has none)."""
        if position != self.low:
            self._beyond.add(position)
            return
        self.low += 1
        while self.low in self._beyond:
            self._beyond.remove(self.low)
            self.low += 1

    def __contains__(self, position: int) -> bool:
        return position < self.low or position in self._beyond

    def ranges_beyond(self) -> list[tuple[int, int]]:
        """What is done beyond the mark, as ascending ranges [first, end)."""
        if not self._beyond:
            return []
        there = sorted(self._beyond)
        starts = [there[0], *(b for a, b in pairwise(there) if b != a + 1)]
        ends = [*(a + 1 for a, b in pairwise(there) if b != a + 1), there[-1] + 1]
        return list(zip(starts, ends, strict=True))


class _State(msgspec.Struct, frozen=True):
    source: str
    log: str
    low: int
    beyond: list[tuple[int, int]]


class ResumeFile:
    """A small JSON file per replay.

    Args:
        path: the file; its folder is made when it is first written.
        source: identity of what is replayed.
        log: identity of the destination: the topic's id. In a recreated topic nothing is done yet.
    """

    def __init__(self, path: Path, source: str, log: str) -> None:
        self.path = path
        self._source = source
        self._log = log

    def load(self) -> Acknowledged:
        """What is done already; nothing, if there is no file.

        Raises:
            ConfigError: the file cannot be read, or belongs to another source or another topic.
        """
        fix = f"delete {self.path} to start from the beginning, or name another resume file"
        try:
            state = msgspec.json.decode(self.path.read_bytes(), type=_State)
        except FileNotFoundError:
            return Acknowledged()
        except (OSError, ValueError, msgspec.DecodeError) as error:  # text that is no UTF-8 is a ValueError
            raise ConfigError(f"cannot read the resume file {self.path}: {error}", fix=fix) from error
        if state.source != self._source:
            raise ConfigError(f"{self.path} belongs to another source, or the source has changed", fix=fix)
        if state.log != self._log:
            raise ConfigError(
                f"{self.path} belongs to another topic, or the topic was deleted and recreated (topic id changed)",
                fix=fix,
            )
        return Acknowledged(state.low, (i for first, end in state.beyond for i in range(first, end)))

    def save(self, acknowledged: Acknowledged) -> None:
        """Write what is done; the file is never seen half written."""
        state = _State(self._source, self._log, acknowledged.low, acknowledged.ranges_beyond())
        self.path.parent.mkdir(parents=True, exist_ok=True)
        scratch = self.path.with_name(self.path.name + ".new")
        scratch.write_bytes(msgspec.json.encode(state))
        scratch.replace(self.path)

    def remove(self) -> None:
        """The replay is finished."""
        self.path.unlink(missing_ok=True)
