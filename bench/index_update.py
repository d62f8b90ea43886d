"""What the vector index costs: putting changed item factors in, asking for the best, training anew beside it.

    python bench/index_update.py [--items 50000] [--factors 32] [--dirty 2000] [--repeats 5] [--json FILE]

Factors are made up (seeded): overlapping groups of unequal size, longer where more popular; queries stand between a
few items, as users do. Both forms of the index hold all items; one thread, k = 100.
"""

from __future__ import annotations

import argparse
import json
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stream_rec.bench.harness import Figures, calibration_ms, in_turns, medians, say_on_stderr
from stream_rec.index.item_index import ItemIndex

K = 100
N_QUERIES = 256
N_GROUPS = 500


class World:
    """Item factors [n, d], which of them are dirty, and queries [N_QUERIES, d]."""

    def __init__(self, n_items: int, n_factors: int, n_dirty: int) -> None:
        random = np.random.default_rng(7)
        centres = random.normal(size=(N_GROUPS, n_factors))
        group = np.minimum(random.exponential(N_GROUPS / 4, size=n_items).astype(int), N_GROUPS - 1)
        lengths = random.gamma(8.0, 1 / 8.0, size=(n_items, 1))
        spread = 0.8 * random.normal(size=(n_items, n_factors))
        self.items: NDArray[np.float32] = (lengths * (centres[group] + spread)).astype(np.float32)
        liked = self.items[random.integers(n_items, size=(N_QUERIES, 5))].mean(axis=1)
        self.queries = (liked + 0.2 * random.normal(size=liked.shape)).astype(np.float32)
        self.rows = np.arange(n_items, dtype=np.int32)
        self.dirty = np.sort(random.choice(self.rows, n_dirty, replace=False))
        self.changed = self.items[self.dirty] + 0.02 * random.normal(size=(n_dirty, n_factors)).astype(
            np.float32
        )


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", type=int, default=50_000)
    parser.add_argument("--factors", type=int, default=32)
    parser.add_argument("--dirty", type=int, default=2000, help="rows that change between two refreshes")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    return parser.parse_args()


def microseconds(work: Callable[[], object], times: int) -> float:
    """Median of some runs after one that is not counted."""
    work()
    return statistics.median(_once(work) for _ in range(times)) * 1e6


def _once(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def filled(world: World, *, exact: bool) -> ItemIndex:
    index = ItemIndex(world.items.shape[1], exact_below=len(world.items) if exact else 0)
    index.upsert(world.rows, world.items)
    if not exact:
        index.start_rebuild()
        index.join_rebuild()
    return index


def one_by_one(index: ItemIndex, queries: NDArray[np.float32]) -> None:
    for at in range(len(queries)):
        index.search(queries[at : at + 1], K)


def out_and_in(index: ItemIndex, rows: NDArray[np.int32], vectors: NDArray[np.float32]) -> None:
    index.remove(rows)
    index.upsert(rows, vectors)


def answers_and_updates(index: ItemIndex, world: World) -> dict[str, float]:
    queries, one = world.queries, world.dirty[:1]
    return {
        "search_1_us": microseconds(lambda: one_by_one(index, queries[:64]), 10) / 64,
        "search_64_us_per_query": microseconds(lambda: index.search(queries[:64], K), 10) / 64,
        "search_256_us_per_query": microseconds(lambda: index.search(queries, K), 5) / N_QUERIES,
        "upsert_dirty_ms": microseconds(lambda: index.upsert(world.dirty, world.changed), 10) / 1e3,
        "upsert_1_us": microseconds(lambda: index.upsert(one, world.changed[:1]), 100),
        "remove_and_upsert_1_us": microseconds(lambda: out_and_in(index, one, world.changed[:1]), 100),
    }


def rebuild(index: ItemIndex, world: World) -> dict[str, float]:
    """A rebuild during which the dirty rows change; only its start and its join hold the caller up."""
    start = _once(index.start_rebuild)
    index.upsert(world.dirty, world.changed)
    training = next(thread for thread in threading.enumerate() if thread.name == "index-rebuild")
    whole = _once(training.join)
    join = _once(index.join_rebuild)
    return {"rebuild_start_ms": start * 1e3, "rebuild_train_ms": whole * 1e3, "rebuild_join_ms": join * 1e3}


def snapshot(index: ItemIndex, world: World) -> dict[str, float]:
    other = ItemIndex(world.items.shape[1])
    arrays = index.serialize()
    return {
        "serialize_ms": microseconds(index.serialize, 3) / 1e3,
        "restore_ms": microseconds(lambda: other.restore(arrays), 3) / 1e3,
        "bytes_per_item": sum(array.nbytes for array in arrays.values()) / len(index),
    }


def recall(exact: ItemIndex, ivf: ItemIndex, world: World) -> float:
    pairs = zip(exact.search(world.queries, K)[0], ivf.search(world.queries, K)[0], strict=True)
    return statistics.mean(len(np.intersect1d(truth, found)) / K for truth, found in pairs)


def main() -> None:
    options = parse()
    world = World(options.items, options.factors, options.dirty)
    exact, ivf = filled(world, exact=True), filled(world, exact=False)
    arms = {
        "exact": lambda: answers_and_updates(exact, world),
        "ivf": lambda: answers_and_updates(ivf, world) | rebuild(ivf, world) | snapshot(ivf, world),
    }
    before = calibration_ms()
    runs = in_turns(arms, options.repeats, say_on_stderr)
    stats = ivf.stats()
    figures: Figures = {
        "calibration_ms": (before + calibration_ms()) / 2,
        "items": options.items,
        "factors": options.factors,
        "dirty": options.dirty,
        "k": K,
        "lists": stats.nlist,
        "lists_scanned": stats.nprobe,
        "share_scanned": stats.scanned,
        "recall_at_100": recall(exact, ivf, world),
    }
    for name, results in runs.items():
        figures |= {f"{name}_{key}": value for key, value in medians(results).items()}
    for key, value in figures.items():
        print(f"{key:34} {value:,.4g}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
