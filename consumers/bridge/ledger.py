"""What was taken from the source and is not committed yet: in which order, and what of it Kafka has acknowledged."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from confluent_kafka import KafkaError, Message

Place = tuple[str, int]
"""A foreign topic's full name, and a partition."""


@dataclass(slots=True)
class Refusal:
    """A record that was not acknowledged.

    Attributes:
        error: Kafka's.
        n_bytes: of the record.
    """

    error: KafkaError
    n_bytes: int


@dataclass(slots=True)
class Batch:
    """Messages that were taken together.

    Attributes:
        refusals: of all batches: where `reported` puts what failed.
        nexts: by partition the offset behind the last message whose records were all handed to the producer.
        n_messages: of which these were made.
        n_records: handed to the producer.
        n_waiting: of these, not acknowledged yet.
        is_whole: will there be no more?
    """

    refusals: list[Refusal]
    nexts: dict[Place, int] = field(default_factory=dict)
    n_messages: int = 0
    n_records: int = 0
    n_waiting: int = 0
    is_whole: bool = False

    @property
    def size(self) -> int:
        """What it counts for: a message of which nothing is published takes room, too."""
        return max(self.n_messages, self.n_records)

    def reported(self, error: KafkaError | None, message: Message) -> None:
        """The delivery report of one record."""
        self.n_waiting -= 1
        if error is not None:
            self.refusals.append(Refusal(error, len(message)))


class Ledger:
    """Batches in their order. An offset may be committed once its batch, and all before it, are acknowledged.

    Attributes:
        refusals: of records that Kafka has refused; nothing is committed past them.
        n_settled: batches that were acknowledged whole.
    """

    def __init__(self) -> None:
        self.refusals: list[Refusal] = []
        self.n_settled = 0
        self._batches: deque[Batch] = deque()
        self._size = 0
        self._nexts: dict[Place, int] = {}
        self._size_settled = 0
        self._said: dict[Place, int] = {}
        self._size_said = 0

    def open(self) -> Batch:
        """A new batch behind the others, which are whole."""
        batch = Batch(self.refusals)
        self._batches.append(batch)
        return batch

    def close(self, batch: Batch) -> None:
        """It is whole."""
        batch.is_whole = True
        self._size += batch.size

    @property
    def size(self) -> int:
        """Records, or messages without any, that are not committed: acknowledged or not."""
        is_open = self._batches and not self._batches[-1].is_whole
        return self._size + (self._batches[-1].size if is_open else 0)

    @property
    def n_waiting(self) -> int:
        """Records that are not acknowledged yet."""
        return sum(batch.n_waiting for batch in self._batches)

    @property
    def size_unsaid(self) -> int:
        """Of these, what may be committed and was not said by `to_commit`."""
        self._settle()
        return self._size_settled - self._size_said

    @property
    def is_settled(self) -> bool:
        """Is everything acknowledged?"""
        self._settle()
        return not self._batches

    def to_commit(self) -> dict[Place, int]:
        """The offsets that may be committed now; empty = none that is not committed."""
        self._settle()
        self._said, self._size_said = dict(self._nexts), self._size_settled
        return dict(self._said)

    def committed(self) -> None:
        """What `to_commit` said last is committed."""
        self._size -= self._size_said
        self._size_settled -= self._size_said
        said, self._said, self._size_said = self._said, {}, 0
        self._nexts = {place: at for place, at in self._nexts.items() if said.get(place) != at}

    def clear(self) -> None:
        """Forget everything: the partitions are others' now, who begin at what was committed."""
        self._batches.clear()
        self.refusals = []  # the producer may still report to the batches
        self._nexts, self._said = {}, {}
        self._size = self._size_settled = self._size_said = 0

    def _settle(self) -> None:
        batches = self._batches
        while batches and batches[0].is_whole and not batches[0].n_waiting and not self.refusals:
            batch = batches.popleft()
            self.n_settled += 1
            self._nexts |= batch.nexts
            self._size_settled += batch.size
