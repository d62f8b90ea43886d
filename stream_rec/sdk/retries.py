"""When a request is sent again, and after which pause."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Retries:
    """A bound on attempts and time.

    Attributes:
        tries: attempts, at most; 1 = none is repeated.
        seconds: no attempt begins later than this after the first.
        chance: of the pauses.
    """

    tries: int = 3
    seconds: float = 10.0
    chance: random.Random = field(default_factory=random.Random)

    def pause(self, attempt: int, spent_seconds: float, wished_seconds: float = 0.0) -> float | None:
        """Seconds to wait before the next attempt; None = there is none.

        Exponential with full jitter (Brooker 2015), so that clients that failed together do not come back together.

        Args:
            attempt: how many there were.
            spent_seconds: since the first began.
            wished_seconds: of the header Retry-After.
        """
        if attempt >= self.tries:
            return None
        most = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** (attempt - 1))
        pause = min(wished_seconds, LONGEST_PAUSE_SECONDS) / 2 + self.chance.uniform(0.0, most)
        return pause if spent_seconds + pause <= self.seconds else None
