"""Alternating least squares on Spark: fitted before a moment, measured after it, and fitted again on everything.

Hu, Koren, Volinsky, "Collaborative filtering for implicit feedback datasets", ICDM 2008; explicit: Zhou et al.,
"Large-scale parallel collaborative filtering for the Netflix prize", AAIM 2008. Spark's is MLlib's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.batch import strengths
from stream_rec.batch.spark import part
from stream_rec.errors import ConfigError
from stream_rec.settings import EventTypeSettings


@dataclass(frozen=True, slots=True)
class Plan:
    """How it is fitted and measured.

    Attributes:
        explicit: whether ratings are fitted, not interest.
        rank: numbers of a factor.
        iterations: of both sides.
        regularization: as MLlib's `regParam`.
        alpha: what an interest is worth beside none; implicit only.
        holdout: share of the events, the latest, that the first fit does not see.
        k: length of the rankings that are measured.
        users: that are measured, at most.
        seed: of the first factors.
    """

    explicit: bool = False
    rank: int = 32
    iterations: int = 10
    regularization: float = 0.1
    alpha: float = 1.0
    holdout: float = 0.1
    k: int = 20
    users: int = 5000
    seed: int = 1


class UserBlock(NamedTuple):
    """Some users of the fit.

    Attributes:
        users: ids [n].
        factors: float32 [n, rank].
        had: of each, places in `Trained.items` of all that the user did something with, whatever it meant.
    """

    users: list[str]
    factors: NDArray[np.float32]
    had: list[NDArray[np.int64]]


UserBlocks = Callable[[int], Iterator[UserBlock]]
"""Users of the fit, at most so many at a time."""


def _nobody(_n_users: int) -> Iterator[UserBlock]:
    return iter(())


@dataclass(frozen=True, slots=True)
class Trained:
    """What came of it.

    Attributes:
        items: ids [n].
        factors: float32 [n, rank], fitted on all events.
        metrics: on the events after the split, by name; docs/batch.md says what each is.
        latest_ts: of the latest event that was fitted, seconds since the epoch.
        user_blocks: while Spark runs, the users: without those who never want to see a tag's or an owner's items, which
            factors know nothing of.
    """

    items: Sequence[str]
    factors: NDArray[np.float32]
    metrics: dict[str, float] = field(default_factory=dict)
    latest_ts: float = 0.0
    user_blocks: UserBlocks = _nobody


def train(events: Any, types: Mapping[str, EventTypeSettings], plan: Plan) -> Trained:
    """Fit, measure and fit again.

    Args:
        events: DataFrame with the columns of the sink's `events`.
        types: what events mean.
        plan: how.

    Raises:
        ConfigError: no event is left to fit.
    """
    functions = part("sql.functions")
    all_events = events
    events = strengths.weighted(events, types).cache()
    n_events, latest = events.agg(functions.count("*"), functions.unix_micros(functions.max("ts"))).first()
    if not n_events:
        raise ConfigError(
            "no event says interest", fix="look at engine.event_types, and at the sink's folder"
        )
    (split,) = events.select(functions.percentile_approx("ts", 1.0 - plan.holdout, 100_000)).first()
    told = strengths.explicit if plan.explicit else strengths.implicit
    before, after = (
        told(events.where(functions.col("ts") < split)),
        told(events.where(functions.col("ts") >= split)),
    )
    metrics: dict[str, float] = {"events": n_events}
    if plan.holdout and before.head(1) and after.head(1):
        first = _Fit(before, plan)
        metrics |= first.errors(after) if plan.explicit else {}
        metrics |= first.ranking(before, after)
    whole = _Fit(told(events), plan)
    events.unpersist()
    return Trained(
        whole.item_ids,
        whole.item_factors,
        metrics | {"items": len(whole.item_ids), "users": whole.n_users},
        latest / 1e6,
        partial(whole.user_blocks, all_events, strengths.hiding_more(types)),
    )


class _Fit:
    """A model of strengths, and the numbers that it knows users and items by.

    Attributes:
        n_users: who are known.
        item_ids: ids of all items [n].
        item_factors: float32 [n, rank].
    """

    def __init__(self, strength: Any, plan: Plan) -> None:
        feature, recommendation, ml = part("ml.feature"), part("ml.recommendation"), part("ml")
        self._plan = plan
        indexers = [
            feature.StringIndexer(inputCol=f"{name}_id", outputCol=name, handleInvalid="skip")
            for name in ("user", "item")
        ]
        self._indexers = ml.Pipeline(stages=indexers).fit(strength)
        als = recommendation.ALS(
            rank=plan.rank,
            maxIter=plan.iterations,
            regParam=plan.regularization,
            alpha=plan.alpha,
            implicitPrefs=not plan.explicit,
            userCol="user",
            itemCol="item",
            ratingCol="strength",
            coldStartStrategy="drop",
            seed=plan.seed,
        )
        self._model = als.fit(self._indexers.transform(strength))
        self._users, self._items = (stage.labels for stage in self._indexers.stages)
        self.n_users = len(self._users)
        self._item_rows, self.item_factors = _collected(self._model.itemFactors)
        self.item_ids = [self._items[row] for row in self._item_rows]

    def user_blocks(self, events: Any, hiding: Sequence[str], n_users: int) -> Iterator[UserBlock]:
        """As `Trained.user_blocks`; `hiding`: event types that hide more than their item."""
        functions = part("sql.functions")
        if hiding:
            hidden = events.where(functions.col("event_type").isin(*hiding)).select("user_id").distinct()
            events = events.join(hidden, "user_id", "left_anti")
        known = self._indexers.transform(events.select("user_id", "item_id"))
        had = known.groupBy(functions.col("user").cast("int").alias("id")).agg(
            functions.collect_set(functions.col("item").cast("int")).alias("had")
        )
        rows = self._model.userFactors.join(had, "id").select("id", "features", "had").toLocalIterator()
        place = np.full(len(self._items), -1, np.int64)
        place[self._item_rows] = np.arange(len(self._item_rows))
        while some := list(islice(rows, n_users)):
            ids, factors, had_rows = zip(*some, strict=True)
            yield UserBlock(
                [self._users[row] for row in ids],
                np.array(factors, np.float32),
                [place[items] for items in had_rows],
            )

    def errors(self, after: Any) -> dict[str, float]:
        """RMSE and MAE of ratings of users and items that the fit knows, and how many are of others."""
        functions = part("sql.functions")
        off = functions.col("prediction") - functions.col("strength")
        n, squares, sizes = (
            self._model.transform(self._indexers.transform(after))
            .agg(functions.count("*"), functions.avg(off * off), functions.avg(functions.abs(off)))
            .first()
        )
        total = after.count()
        if not n:
            return {"cold_share": 1.0}
        return {"rmse": float(squares) ** 0.5, "mae": float(sizes), "cold_share": 1.0 - n / total}

    def ranking(self, before: Any, after: Any) -> dict[str, float]:
        """Hit-rate and recall of what users took after the split and had not before."""
        known = self._indexers.transform(after.join(before, ["user_id", "item_id"], "left_anti"))
        wanted = _by_user(known, self._plan.users)
        if not wanted:
            return {"ranked_users": 0}
        functions = part("sql.functions")
        asked = functions.col("user").isin(list(wanted))
        had = _by_user(self._indexers.transform(before).where(asked), len(wanted))
        users, user_factors = _collected(
            self._model.userFactors.where(functions.col("id").isin(list(wanted)))
        )
        items, item_factors = self._item_rows, self.item_factors
        place = {item: at for at, item in enumerate(items)}
        hits = recall = 0.0
        shown: set[int] = set()
        for user, factors in zip(users, user_factors, strict=True):
            scores = item_factors @ factors
            scores[[place[item] for item in had.get(user, ()) if item in place]] = -np.inf
            best = np.argsort(-scores, kind="stable")[: self._plan.k]
            found = len(wanted[user] & {items[at] for at in best})
            shown.update(best.tolist())
            hits += found > 0
            recall += found / len(wanted[user])
        k, n = self._plan.k, len(users)
        return {
            f"hit_rate_at_{k}": hits / n,
            f"recall_at_{k}": recall / n,
            f"coverage_at_{k}": len(shown) / len(items),
            "ranked_users": n,
        }


def _collected(factors: Any) -> tuple[list[int], NDArray[np.float32]]:
    rows = factors.select("id", "features").collect()
    return [row[0] for row in rows], np.array([row[1] for row in rows], np.float32)


def _by_user(known: Any, most: int) -> dict[int, set[int]]:
    """Items by user, of `most` users by a hash of their number: the numbers go by how much users do."""
    functions = part("sql.functions")
    by_user = known.groupBy("user").agg(functions.collect_set("item"))
    rows = by_user.orderBy(functions.hash("user")).limit(most).collect()
    return {int(user): {int(item) for item in items} for user, items in rows}
