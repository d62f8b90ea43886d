"""Users whom the stream does not know: what slates of a batch are worth to them, beside what is popular.

    .venv-batch/bin/python -m bench.hybrid [--data movielens-100k] [--every 7] [--json FILE]

Users with events on both sides of the last third's beginning (5 before, 3 after, at least) are divided into three by
the hash of their ids. Each third is held back from the stream in turn: its events before the last third are left out,
those after come as they came. The batch is trained at the beginning of the last third and every so many days of it, on
all events before, theirs among them: it reads a longer past than the stream would, and what the stream has had since is
in the sink. Asked are the first three events of these users in the last third, each before it is learned, and the slate
of the latest training before it. To the first one the stream has no slate: with the batch there is one, without it the
client falls back to `popular`. From the second on both have the live slate that the engine makes of the events since;
with the batch that engine hears the vector space, whose factors each training publishes anew. What no batch can be
better than by far is asked, too: an engine that has heard all of these users' events itself.

Parameters of ALS are those with the most hits inside the first two thirds, split at two thirds of their own; how much
popularity has a say in the slates, each training chooses by its own past.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise, product
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from stream_rec.batch import als, source, spark
from stream_rec.batch.slates import SlateMaker
from stream_rec.bench.cold_start import publish
from stream_rec.bench.harness import Figures, Say, say_on_stderr, shown
from stream_rec.cli.options import write_json
from stream_rec.engine.engine import Engine
from stream_rec.offline.datasets.named import load_columns, load_items
from stream_rec.offline.evaluate.events import batches, part
from stream_rec.schemas.columns import IdColumn, Span, VectorBatch, VectorChange
from stream_rec.schemas.decisions import hash_of
from stream_rec.schemas.partition import TopicPartition
from stream_rec.schemas.records import AsOf, Item, Slate
from stream_rec.settings import Settings, load

BEFORE, AFTER = 5, 3
"""Events of a user who is asked for, at least; the first AFTER are asked."""
THIRDS = 3
K = 20
GRID = {"rank": (16, 64), "regularization": (0.1, 1.0), "alpha": (1.0, 10.0, 40.0)}
_BATCH = 4096
_DAY = 86_400.0
_decode = msgspec.json.Decoder(Slate).decode


class Asked(NamedTuple):
    """One event that is asked for.

    Attributes:
        number: of the user's events since the last third began, from 0.
        ways: is the item among the first K of it, by its name: `batch`, `popular`, `live`.
    """

    number: int
    ways: Mapping[str, bool]


def run(settings: Settings, data: str, every_days: float, say: Say) -> Figures:
    """Choose, fit, and ask every third.

    Returns:
        `cold_ratio`: hits of the first three events with the batch over those without; `hits_with`, `hits_without`,
        `hit_rate_with`, `hit_rate_without` of them; `hit_rate_WAY_N` of the Nth event, of `live` slates without the
        space and of `hybrid` ones with it; the same of `known`, an engine that has heard all, and `known_ratio`;
        `users`; the parameters; `trainings`, and the mean of the shares of ALS that they chose, `als_share`.
    """
    frame, items = load_columns(data, settings.data), load_items(data, settings.data)
    late = len(frame) * 2 // 3
    with spark.session(memory="2g") as session:
        plan = _chosen(session, settings, frame.head(late), say)
        users = held_back(frame, late)
        trainings = [*_trainings(session, settings, frame, late, plan, {*users}, every_days, say)]
    log = Log(frame, items, late, {at: slate for each in trainings for at, slate in each.slates.items()})
    live: list[Asked] = []
    hybrid: list[Asked] = []
    for third in range(THIRDS):
        of_third = {user for user in users if hash_of(user) % THIRDS == third}
        live += ask(settings, log, of_third, held_back=of_third)
        hybrid += ask(settings, log, of_third, held_back=of_third, trainings=trainings)
        say(f"{len(of_third)} users held back, {third + 1} of {THIRDS}: {len(live)} events asked so far")
    known = [*ask(settings, log, {*users}, held_back=set())]
    return figures(live, hybrid, known) | {
        "users": len(users),
        "data": data,
        "k": K,
        "every_days": every_days,
        "trainings": len(trainings),
        "als_share": float(np.mean([training.als_share for training in trainings])),
        **{name: getattr(plan, name) for name in GRID},
    }


def figures(live: Sequence[Asked], hybrid: Sequence[Asked], known: Sequence[Asked]) -> Figures:
    """Hits and rates of all that was asked: of users who were held back, without the space and with it, and known."""
    found: Figures = {"events": len(live)}
    for number in range(AFTER):
        for name, asked, way in (
            ("batch", live, "batch"),
            ("popular", live, "popular"),
            ("live", live, "live"),
            ("hybrid", hybrid, "live"),
            ("known", known, "live"),
        ):
            if number or name not in ("live", "hybrid"):
                rows = [each.ways[way] for each in asked if each.number == number]
                found[f"hit_rate_{name}_{number + 1}"] = sum(rows) / max(1, len(rows))
    for name, asked, first in (
        ("with", hybrid, "batch"),
        ("without", live, "popular"),
        ("known", known, "live"),
    ):
        hits = sum(each.ways["live" if each.number else first] for each in asked)
        found |= {f"hits_{name}": hits, f"hit_rate_{name}": hits / max(1, len(asked))}
    without = float(found["hits_without"])
    for name, hits in (("cold_ratio", found["hits_with"]), ("known_ratio", found["hits_known"])):
        found[name] = float(hits) / without if without else float("inf")
    return found


def held_back(frame: pl.DataFrame, late: int) -> list[str]:
    """Users with enough events on both sides of row `late`."""
    before, after = (Counter(part["user_id"]) for part in (frame.head(late), frame.slice(late)))
    return [user for user, n in after.items() if n >= AFTER and before[user] >= BEFORE]


class Training(NamedTuple):
    """A run of the batch.

    Attributes:
        row: of the log, the first that it has not read.
        als_share: that it chose.
        slates: of the events that are asked for until the next one, by row, what the user was shown.
        space: its item factors.
    """

    row: int
    als_share: float
    slates: Mapping[int, Sequence[str]]
    space: Sequence[tuple[str, NDArray[np.float32]]]


class Log(NamedTuple):
    """All that is streamed.

    Attributes:
        frame: rows, in their order.
        items: the catalogue.
        late: the first row of the last third.
        slates: of the batch, by row of the event that is asked for.
    """

    frame: pl.DataFrame
    items: Sequence[Item]
    late: int
    slates: Mapping[int, Sequence[str]]


def _trainings(
    session: Any,
    settings: Settings,
    frame: pl.DataFrame,
    late: int,
    plan: als.Plan,
    users: set[str],
    every_days: float,
    say: Say,
) -> Iterator[Training]:
    """One at row `late`, and one after so many days each; left out are those that nobody is asked after."""
    ts = frame["ts"].to_numpy()
    asked = {at: user for at, user, _ in _first_events(frame, late, users)}
    by_training: defaultdict[int, dict[int, str]] = defaultdict(dict)
    for at, user in asked.items():
        by_training[int((ts[at] - ts[late]) // (every_days * _DAY))][at] = user
    for number, rows in by_training.items():
        n = max(late, int(np.searchsorted(ts, ts[late] + number * every_days * _DAY)))
        found, slates = trained(session, settings, frame.head(n), plan, {*rows.values()})
        mix = found.order.mix
        say(f"training {number} of {n} events: {mix.in_words}; {len(rows)} events are asked")
        shown_to = {at: slates.get(user, ()) for at, user in rows.items()}
        yield Training(n, mix.als, shown_to, [*zip(found.items, found.factors, strict=True)])


def trained(
    session: Any, settings: Settings, frame: pl.DataFrame, plan: als.Plan, users: set[str]
) -> tuple[als.Trained, dict[str, list[str]]]:
    """A training on these events, and the slates that it writes for the users."""
    with tempfile.TemporaryDirectory(prefix="bench-hybrid-") as folder:
        path = str(Path(folder) / "events.parquet")
        source.columns_of(frame, 0).write_parquet(path)
        found = als.train(session.read.parquet(path), settings.engine.event_types, plan)
        maker = SlateMaker(found, {"default": K}, AsOf.of_batch(0, found.latest_ts), "als", 0.0)
        made = [
            slate
            for block in found.user_blocks(1024)
            for slate in maker.slates(block, [None] * len(block.users), set())
            if slate.user_id in users
        ]
    items = {slate.user_id: [each.item_id for each in _decode(slate.json).items] for slate in made}
    return found, items


def _chosen(session: Any, settings: Settings, past: pl.DataFrame, say: Say) -> als.Plan:
    """The parameters whose slates hit most of users' first events inside the past."""
    late = len(past) * 2 // 3
    users = {*held_back(past, late)}
    wanted = [(user, item) for _, user, item in _first_events(past, late, users)]
    best, most = als.Plan(), -1
    for values in product(*GRID.values()):
        plan = als.Plan(**dict(zip(GRID, values, strict=True)))
        found, slates = trained(session, settings, past.head(late), plan, users)
        mix = found.order.mix
        hits = sum(item in slates.get(user, ()) for user, item in wanted)
        say(
            f"{dict(zip(GRID, values, strict=True))}: {mix.in_words}: {hits} hits of {len(wanted)} in the past"
        )
        if hits > most:
            best, most = plan, hits
    return best


def _first_events(frame: pl.DataFrame, late: int, users: set[str]) -> Iterator[tuple[int, str, str]]:
    """Row, user and item of these users' first events from row `late` on, and how many each has had of them."""
    n: Counter[str] = Counter()
    for at, (user, item) in enumerate(frame.slice(late).select("user_id", "item_id").iter_rows(), late):
        if user in users and n[user] < AFTER:
            n[user] += 1
            yield at, user, item


def ask(
    settings: Settings,
    log: Log,
    users: set[str],
    *,
    held_back: set[str],
    trainings: Sequence[Training] = (),
) -> Iterator[Asked]:
    """The whole stream without the early events of who is held back; what these users are asked on the way.

    The engine hears the space of each of the `trainings` from its row on.
    """
    engine, frame = Engine(settings.engine), log.frame
    publish(engine, list(log.items))
    kept = np.array([at >= log.late or user not in held_back for at, user in enumerate(frame["user_id"])])
    rows, frame, late = np.flatnonzero(kept), frame.filter(kept), int(kept[: log.late].sum())
    asked = {at: (user, item) for at, user, item in _first_events(frame, late, users)}
    spaces = {int(np.searchsorted(rows, training.row)): training.space for training in trainings}
    numbers: Counter[str] = Counter()
    had: defaultdict[str, list[str]] = defaultdict(list)
    for user, item in frame.head(late).select("user_id", "item_id").iter_rows():
        if user in users:
            had[user].append(item)
    nothing = IdColumn.of([])
    for whole in batches(frame, size=_BATCH):
        start, end = whole.span.start, whole.span.next
        cuts = sorted({start, end, *(at for at in (*asked, *spaces) if start <= at < end)})
        for first, last in pairwise(cuts):
            if first in spaces:
                _publish_space(engine, spaces[first])
            judged, left_out = np.zeros(last - first, np.bool_), [nothing] * (last - first)
            user, item = asked.get(first, ("", ""))
            popular: Sequence[str] = ()
            if user:
                popular = engine.popular(K).items
                judged[0], left_out[0] = True, IdColumn.of(had[user])
            found = engine.learn(
                part(whole, first - start, last - start), judge_all=judged, left_out=left_out
            ).fresh
            if user:
                rank = dict(zip(found.at.tolist(), found.rank.tolist(), strict=True)).get(0, 0)
                ways = {
                    "batch": item in log.slates[int(rows[first])],
                    "popular": item in popular,
                    "live": 0 < rank <= K,
                }
                yield Asked(numbers[user], ways)
                numbers[user] += 1
                had[user].append(item)


def _publish_space(engine: Engine, space: Sequence[tuple[str, NDArray[np.float32]]]) -> None:
    start = engine.position.get(TopicPartition("vectors", 0), 0)
    changes = [VectorChange(start + n, 0, "als", item, vector) for n, (item, vector) in enumerate(space)]
    refused = engine.learn_vectors(VectorBatch(Span("vectors", 0, 0, start, start + len(changes)), changes))
    assert not refused, refused[0]


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="movielens-100k", help="a data set with a catalogue")
    parser.add_argument("--every", type=float, default=7.0, help="days between trainings")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    asked = parser.parse_args()
    settings, _ = load(flags=[])
    found = run(settings, asked.data, asked.every, say_on_stderr)
    for name, value in found.items():
        print(f"{name:<20} {shown(value)}")
    if asked.json:
        write_json(asked.json, found)


if __name__ == "__main__":
    main()
