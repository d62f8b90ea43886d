"""Slates in Redis: written in pipelines, an older one never replacing a newer one."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import NamedTuple

from stream_rec.schemas.records import Slate
from stream_rec.settings import StoreSettings
from stream_rec.store.connection import Command, Connection
from stream_rec.store.decoding import Decoding
from stream_rec.store.encoding import EncodedSlate
from stream_rec.store.keys import NEVER, Keys
from stream_rec.store.markers import Markers, Upto
from stream_rec.store.scripts import Call, Script, run

_SLATE = Script.named("slate")


class Written(NamedTuple):
    """What one write did.

    Attributes:
        n_written: slates that are now in Redis.
        n_stale: slates that were left out because Redis held newer ones.
        lost: Redis has lost earlier slates of the partition, and nobody is writing them again (see
            `markers`).
    """

    n_written: int
    n_stale: int
    lost: bool


def unless_older(
    entries: Sequence[tuple[str, bytes]], settings: StoreSettings, ttl_seconds: int | None = None
) -> list[Call]:
    """Write slates or lists (key, JSON); the answers are 1 = written, 0 = a newer one stays, for every key.

    Args:
        entries: [n].
        settings: of the store.
        ttl_seconds: of all of them; None = as settings say.
    """
    if not entries:
        return []
    keys, jsons = zip(*entries, strict=True)
    ttl = settings.slate_ttl_seconds if ttl_seconds is None else ttl_seconds
    return [Call(_SLATE, keys, (ttl,), jsons)]


class SlateStore:
    """Writes and reads `rec:<scenario>:<user_id>`. For one event loop; partitions may be written at once."""

    def __init__(self, connection: Connection, settings: StoreSettings, markers: Markers) -> None:
        self._connection = connection
        self._settings = settings
        self._markers = markers
        self._keys = Keys(settings.prefix)
        self._decoding = Decoding(connection.clock)

    async def write(
        self, slates: Sequence[EncodedSlate], upto: Upto | None = None, *, ttl_seconds: int | None = None
    ) -> Written:
        """Write slates, then move the partition's marker on. Returns when Redis has answered all of it.

        Harmless to repeat, also after an error in the middle; the marker never moves before the slates.

        Args:
            slates: any number, also none (a batch of dead letters still moves the marker).
            upto: the partition that these slates complete up to an offset; None = leave markers alone.
            ttl_seconds: how long they live; None = `store.slate_ttl_seconds`. What users never want to see outlives
                their slates: `store.never_ttl_seconds`.

        Raises:
            Unavailable: Redis does not answer or refuses writes; some slates may be written.
            ConfigError: Redis refuses our user, or a scenario's name cannot be part of a key.
        """
        entries: tuple[list[tuple[str, bytes]], list[tuple[str, bytes]]] = [], []
        for slate in slates:
            key = self._keys.slate(slate.scenario, slate.user_id)
            entries[slate.scenario == NEVER].append((key, slate.json))
        of_slates, of_nevers = entries
        calls = unless_older(of_slates, self._settings, ttl_seconds)
        calls += unless_older(of_nevers, self._settings, self._settings.never_ttl_seconds)
        async with self._markers.writing(upto.partition) if upto else nullcontext():
            behind = self._markers.advance(upto) if upto else []
            answers = await self._run_in_order(calls, behind)
            lost = bool(upto and behind and self._markers.confirm(upto, held=answers.pop() == 1))
        return Written(sum(answers), len(answers) - sum(answers), lost)

    async def delete(self, slates: Sequence[tuple[str, str]]) -> int:
        """Delete slates, each named by scenario and user; how many there were.

        Raises:
            Unavailable: Redis does not answer; harmless to repeat.
        """
        n, step = 0, self._connection.portion.keys
        for start in range(0, len(slates), step):
            commands: list[Command] = [
                ("UNLINK", self._keys.slate(*slate)) for slate in slates[start : start + step]
            ]
            answers = await self._connection.pipeline(commands, writes="slates")
            for answer in answers:
                if isinstance(answer, Exception):
                    raise answer
            n += sum(answers)
        return n

    async def read(self, user_id: str, scenario: str = "default") -> Slate | None:
        """The user's slate; None = there is none, it expired, or what is there is none.

        Raises:
            Unavailable: Redis does not answer.
        """
        (found,) = await self.read_all([user_id], scenario)
        return found

    async def read_all(self, user_ids: Sequence[str], scenario: str = "default") -> list[Slate | None]:
        """The slates of n users, as `read`.

        Raises:
            Unavailable: Redis does not answer.
        """
        found: list[Slate | None] = []
        step = self._connection.portion.keys
        for start in range(0, len(user_ids), step):
            some = user_ids[start : start + step]
            answers = await self._connection.pipeline([("GET", self._keys.slate(scenario, u)) for u in some])
            found += map(self._decoding.slate, answers, some)
        return found

    async def _run_in_order(self, calls: Sequence[Call], behind: Sequence[Call]) -> list[int]:
        if not self._connection.is_cluster:
            return await run(self._connection, [*calls, *behind], writes="slates")
        # The nodes of a cluster work side by side: a marker in the same pipeline might overtake slates.
        written = await run(self._connection, calls, writes="slates")
        return written + await run(self._connection, behind, writes="slates")
