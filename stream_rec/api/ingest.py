"""Records from a request's body to Kafka, and what became of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from stream_rec.api.measures import Measures
from stream_rec.api.problem import Problem, of_error
from stream_rec.clock import Clock
from stream_rec.errors import ContractError, StreamRecError
from stream_rec.producers.publisher.async_publisher import AsyncPublisher, Fate, QueueFull
from stream_rec.schemas.codec import encode
from stream_rec.schemas.coercion import Flaw
from stream_rec.schemas.hints import hint
from stream_rec.schemas.reading import Reader
from stream_rec.schemas.records import PublishedRecord, TopicName
from stream_rec.schemas.topics import Ack, key_of
from stream_rec.sdk.wire import Batch, Result, Written
from stream_rec.settings import IngestSettings

R = TypeVar("R", bound=PublishedRecord)


class Wanted(NamedTuple):
    """A record that is to be written.

    Attributes:
        key: on the topic.
        value: as it goes on the wire; None = removes the key.
        left_out: what was unusable in it.
    """

    key: bytes
    value: bytes | None
    left_out: tuple[str, ...] = ()


class RecordReader(Generic[R]):
    """Reads records of one topic as workers do: what is unusable and optional is left out, and said.

    Args:
        topic: that takes them.
        reader: of the topic's records.
        rules: limits.
        clock: the time of a record that names none; None = it needs none.
    """

    def __init__(
        self, topic: TopicName, reader: Reader[R], rules: IngestSettings, clock: Clock | None = None
    ) -> None:
        self._topic = topic
        self._reader = reader
        self._rules = rules
        self._clock = clock

    def read(self, raw: bytes, judge: Callable[[R], None]) -> Wanted | Problem:
        """One record, ready to be sent; or why it is refused.

        Args:
            raw: JSON.
            judge: may refuse it, by a Problem.
        """
        known = {"ts": repr(self._clock.now())} if self._clock else {}
        try:
            record, flaws = self._reader.read(raw, -1, self._rules, known)
            judge(record)
            return Wanted(key_of(record), encode(record), left_out(flaws))
        except ContractError as error:
            return refused(self._topic, error, raw)
        except Problem as problem:
            return problem


def refused(topic: TopicName, error: ContractError, raw: bytes) -> Problem:
    """Why a record of a topic is not taken."""
    fix = hint(topic, error.reason, error.detail, raw) or f"/openapi.json has an example for `{topic}`"
    return Problem("refused", error.detail, where="body", reason=error.reason, fix=fix)


def left_out(flaws: Sequence[Flaw]) -> tuple[str, ...]:
    """Flaws in words."""
    return tuple([f"{flaw.field}: {flaw.reason}" for flaw in flaws])


class Ingest:
    """Writes records to Kafka; each is acknowledged, or told why not.

    Args:
        publisher: None = the server has no Kafka.
        measures: counts.
    """

    def __init__(self, publisher: AsyncPublisher | None, measures: Measures) -> None:
        self._publisher = publisher
        self._measures = measures

    async def one(self, topic: TopicName, wanted: Wanted | Problem) -> Written:
        """Write one record.

        Raises:
            Problem: it was refused, or not acknowledged.
        """
        (result,) = await self._results(topic, [wanted])
        if isinstance(result, Problem):
            raise result
        return result

    async def many(self, topic: TopicName, wanted: Sequence[Wanted | Problem]) -> Batch:
        """Write those that can be; a bad one does not stop the others.

        Raises:
            Problem: not one was acknowledged, although some were good.
        """
        found = await self._results(topic, wanted)
        problems = [each for each in found if isinstance(each, Problem)]
        worst = max(problems, key=lambda each: each.status, default=None)
        if worst is not None and len(problems) == len(found) and worst.status != 422:
            raise worst
        return Batch(len(found) - len(problems), len(problems), tuple([_result(each) for each in found]))

    async def _results(
        self, topic: TopicName, wanted: Sequence[Wanted | Problem]
    ) -> Sequence[Written | Problem]:
        publisher = self._publisher
        if publisher is None:
            raise Problem("not-set-up", "this server has no Kafka", fix="set bus.bootstrap")
        try:
            await publisher.ready(topic)
        except StreamRecError as error:
            raise _problem(error) from error
        shipment, n_sent = publisher.shipment(), 0
        results: list[Any] = list(wanted)
        for number, each in enumerate(wanted):
            if isinstance(each, Problem):
                continue
            try:
                publisher.send(topic, each.key, each.value, shipment, number)
                n_sent += 1
            except StreamRecError as error:
                results[number] = _problem(error)
                if isinstance(error, QueueFull):
                    # What comes behind it must not overtake it.
                    results[number:] = [
                        each if isinstance(each, Problem) else results[number] for each in results[number:]
                    ]
                    break
        for number, fate in (await shipment.fates(n_sent)).items():
            results[number] = _fate(fate, results[number].left_out)
        self._count(topic, results)
        return results

    def _count(self, topic: TopicName, results: Sequence[Written | Problem]) -> None:
        accepted = sum(isinstance(each, Written) for each in results)
        if accepted:
            self._measures.records.labels(topic, "accepted").inc(accepted)
        for each in results:
            if isinstance(each, Problem):
                self._measures.records.labels(topic, each.kind).inc()


def _fate(fate: Fate, left_out: tuple[str, ...]) -> Written | Problem:
    return Written(fate.partition, fate.offset, left_out) if isinstance(fate, Ack) else _problem(fate)


def _problem(error: StreamRecError) -> Problem:
    problem = of_error(error)
    assert problem is not None  # all of ours mean something
    return problem


def _result(of: Written | Problem) -> Result:
    if isinstance(of, Problem):
        return Result(of.status, detail=of.detail, reason=of.reason, fix=of.fix)
    return Result(202, of.partition, of.offset, of.left_out)
