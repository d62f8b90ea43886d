"""What people of an experiment do, in the order of the log."""

from __future__ import annotations

import random

from stream_rec.bench.chaos.shoppers import SEEN_SECONDS, Record, Shoppers


def shopped(n: int, began: float = 1.7e9, seed: int = 4) -> list[Record]:
    """The first n records of a seed or a few more, one each half a second of event time or later than the next."""
    rng, now = random.Random(seed), began
    shoppers, done = Shoppers(300, now - SEEN_SECONDS), list[Record]()
    while len(done) < n:
        now += 0.5
        done += shoppers.next(rng, now, 1.0)
    return done
