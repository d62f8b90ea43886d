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

from stream_rec.batch import measuring, strengths
from stream_rec.batch.measuring import Asked
from stream_rec.batch.order import DEFAULT, MIXES, Mix, Order, best
from stream_rec.batch.popularity import Popularity
from stream_rec.batch.spark import part
from stream_rec.errors import ConfigError
from stream_rec.settings import EventTypeSettings

_RENEWALS = 8
"""Popularity is told so many times in the held out part: a shop trains more often than once in a tenth of its log."""


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
        order: of the items, for slates.
        metrics: on the events after the split, by name; docs/batch.md says what each is.
        tried: of each mix, the share of users whose first item after the split was on their slate.
        latest_ts: of the latest event that was fitted, seconds since the epoch.
        user_blocks: while Spark runs, the users: without those who never want to see a tag's or an owner's items, which
            factors know nothing of.
    """

    items: Sequence[str]
    factors: NDArray[np.float32]
    order: Order = field(default_factory=Order)
    metrics: dict[str, float] = field(default_factory=dict)
    tried: Mapping[Mix, float] = field(default_factory=dict)
    latest_ts: float = 0.0
    user_blocks: UserBlocks = _nobody

    @property
    def figures(self) -> dict[str, float]:
        """The metrics, the order that was chosen, and what each that was tried gave."""
        mix = self.order.mix
        chosen = {"als_share": mix.als, "popularity_half_life_days": mix.half_life_days}
        return self.metrics | chosen | {f"first_hit_rate_{each.name}": of for each, of in self.tried.items()}

    @property
    def order_in_words(self) -> str:
        """What was chosen, and what each that was tried gave, for people."""
        mix = self.order.mix.in_words
        if not self.tried:
            return f"{mix}, as nobody was there to choose by"
        tried = ", ".join(f"{each.name} {rate:.3f}" for each, rate in self.tried.items())
        return f"{mix}, by the share of users whose first item after the split was on the slate: {tried}"


def train(events: Any, types: Mapping[str, EventTypeSettings], plan: Plan) -> Trained:
    """Fit, measure, choose the order of slates, and fit again.

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
    micros = functions.unix_micros("ts")
    n_events, latest, cuts = events.agg(
        functions.count("*"),
        functions.max(micros),
        functions.percentile_approx(micros, _cuts(plan.holdout), 100_000),
    ).first()
    if not n_events:
        raise ConfigError(
            "no event says interest", fix="look at engine.event_types, and at the sink's folder"
        )
    told = strengths.explicit if plan.explicit else strengths.implicit
    before, after = told(events.where(micros < cuts[0])), told(events.where(micros >= cuts[0]))
    popular = Popularity(events, [*cuts, latest + 1])
    metrics: dict[str, float] = {"events": n_events}
    tried: dict[Mix, float] = {}
    if plan.holdout and before.head(1) and after.head(1):
        first = _Fit(before, plan)
        asked = first.asked(before, after, cuts)
        metrics |= first.errors(after) if plan.explicit else {}
        metrics |= measuring.ranking(asked, first.item_factors, plan.k)
        at_cuts = popular.of(first.item_ids, slice(len(cuts)))
        tried = measuring.first_hit_rates(asked, first.item_factors, at_cuts, plan.k)
    whole = _Fit(told(events), plan)
    events.unpersist()
    mix = best(tried) if tried else DEFAULT
    return Trained(
        whole.item_ids,
        whole.item_factors,
        Order(mix, popular.of(whole.item_ids, slice(len(cuts), None))[0, MIXES[mix]]),
        metrics | {"items": len(whole.item_ids), "users": whole.n_users},
        tried,
        latest / 1e6,
        partial(whole.user_blocks, all_events, strengths.hiding_more(types)),
    )


def _cuts(holdout: float) -> list[float]:
    """Shares of the events before the split, and before each time that popularity is renewed after it."""
    return [1.0 - holdout * (1.0 - at / _RENEWALS) for at in range(_RENEWALS)]


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
        self._users, items = (stage.labels for stage in self._indexers.stages)
        self.n_users = len(self._users)
        item_rows, self.item_factors = _collected(self._model.itemFactors)
        self.item_ids = [items[row] for row in item_rows]
        self._place = np.full(len(items), -1, np.int64)
        self._place[item_rows] = np.arange(len(item_rows))

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
        while some := list(islice(rows, n_users)):
            ids, factors, had_rows = zip(*some, strict=True)
            yield UserBlock(
                [self._users[row] for row in ids],
                np.array(factors, np.float32),
                [self._place[items] for items in had_rows],
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

    def asked(self, before: Any, after: Any, cuts: Sequence[int]) -> Asked:
        """Users who took items after the split that they had not had before, `plan.users` at most.

        They are drawn by a hash of their number: numbers go by how much users do.

        Args:
            before: strengths before the split.
            after: and those after it.
            cuts: moments of popularity, microseconds since the epoch; the first is the split.
        """
        functions = part("sql.functions")
        new = self._indexers.transform(after.join(before, ["user_id", "item_id"], "left_anti"))
        first = functions.min_by("item", "first"), functions.unix_micros(functions.min("first.ts"))
        by_user = new.groupBy("user").agg(functions.collect_set("item"), *first)
        rows = by_user.orderBy(functions.hash("user")).limit(self._plan.users).collect()
        taken = {int(user): told for user, *told in rows}
        of_asked = functions.col("user").isin([*taken])
        before = self._indexers.transform(before).where(of_asked)
        had = dict(before.groupBy("user").agg(functions.collect_set("item")).collect())
        users, factors = _collected(self._model.userFactors.where(functions.col("id").isin([*taken])))
        wanted, items, micros = zip(*(taken[user] for user in users), strict=True) if users else ((), (), ())
        return Asked(
            factors,
            [self._places(had[user]) for user in users],
            [self._places(each) for each in wanted],
            self._places(items),
            np.searchsorted(cuts, np.array(micros, np.int64), side="right") - 1,
        )

    def _places(self, items: Sequence[float]) -> NDArray[np.int64]:
        """Places in `item_ids` of items by their numbers, which Spark has as floats."""
        return self._place[np.array(items, np.int64)]


def _collected(factors: Any) -> tuple[list[int], NDArray[np.float32]]:
    rows = factors.select("id", "features").collect()
    return [row[0] for row in rows], np.array([row[1] for row in rows], np.float32)
