"""What users have had before each event: by the log, by the engine, or by its ring of the last events alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Protocol

from stream_rec.engine.engine import Engine
from stream_rec.offline.evaluate.plan import Plan
from stream_rec.schemas.columns import IdColumn


class Seen(Protocol):
    """Every user's items so far, as the engine's `left_out` wants them; rows are visited once, in order."""

    def next(self, n: int) -> list[IdColumn]:
        """For each of the next n rows its user's items before it; none for rows that are not asked."""


def seen_before(plan: Plan, engine: Engine) -> Seen | None:
    """As the plan's rules say; None = nothing is left out."""
    if not plan.exclude_seen:
        return None
    if plan.seen_by == "engine":
        return SeenByEngine(plan, engine)
    return SeenBefore(plan, engine.settings.history_length if plan.seen_by == "ring" else None)


class SeenBefore:
    """By the log.

    Args:
        plan: whose rows.
        last: only so many events of each user, relevant or not; None = all relevant ones.
    """

    def __init__(self, plan: Plan, last: int | None = None) -> None:
        self._last = last
        self._rows: Iterable[tuple[str, str, bool, bool]] = zip(
            plan.log["user_id"].to_list(),
            plan.log["item_id"].to_list(),
            plan.relevant.tolist(),
            plan.asked.tolist(),
            strict=True,
        )
        self._seen: dict[str, deque[str] | dict[str, None]] = {}

    def next(self, n: int) -> list[IdColumn]:
        """As `Seen.next`."""
        out = []
        for _, (user, item, relevant, asked) in zip(range(n), self._rows, strict=False):
            seen = self._seen.setdefault(user, {} if self._last is None else deque(maxlen=self._last))
            out.append(IdColumn.of(list(dict.fromkeys(seen)) if asked else []))
            if isinstance(seen, deque):
                seen.append(item)
            elif relevant:
                seen[item] = None
        return out


class SeenByEngine:
    """By an engine that has learned all rows before; so rows are visited one by one.

    Args:
        plan: whose rows.
        engine: learns them.
    """

    def __init__(self, plan: Plan, engine: Engine) -> None:
        self._engine = engine
        self._rows = zip(plan.log["user_id"].to_list(), plan.asked.tolist(), strict=True)

    def next(self, n: int) -> list[IdColumn]:
        """As `Seen.next`."""
        return [
            IdColumn.of(self._engine.had(user) if asked else [])
            for _, (user, asked) in zip(range(n), self._rows, strict=False)
        ]
