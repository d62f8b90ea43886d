"""`evaluate`: a log, a protocol, the engine, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from stream_rec.engine.engine import Engine
from stream_rec.offline.datasets.files import Beside
from stream_rec.offline.evaluate.outcomes import Outcomes
from stream_rec.offline.evaluate.plan import Plan
from stream_rec.offline.evaluate.ranks import CUT_OFFS, figures, means
from stream_rec.offline.evaluate.rules import Rules
from stream_rec.offline.evaluate.run import Findings, Progress, Run
from stream_rec.offline.evaluate.verdict import Gap, gap, sentence
from stream_rec.offline.evaluate.weights import ranker_weights
from stream_rec.schemas.event_types import EventTypes
from stream_rec.settings import EngineSettings, ScenarioSettings

BLENDED, POPULARITY = "blended", "most_popular"
"""Judges besides the sources: all of them together, and what is popular for everybody (at the middle half-life)."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One run and its figures.

    Attributes:
        rules: the protocol.
        k: length of the slates; besides CUT_OFFS a cut-off of all figures.
        n_events: in the log as it was learned or asked.
        n_items: different items in it.
        judges: names of the columns of `findings.ranks`.
        findings: of the run.
        outcomes: of every query.
        weights: of the ranker at the end.
    """

    rules: Rules
    k: int
    n_events: int
    n_items: int
    judges: tuple[str, ...]
    findings: Findings
    outcomes: Outcomes
    weights: dict[str, dict[str, float]]

    @property
    def cut_offs(self) -> list[int]:
        """5, 10, 20 and k."""
        return sorted({*CUT_OFFS, self.k})

    def judge_figures(self) -> dict[str, tuple[float, float]]:
        """Hit-rate and MRR at k of every judge."""
        rows = means(self.findings.ranks, self.k)
        return {name: (float(row[0]), float(row[1])) for name, row in zip(self.judges, rows, strict=True)}

    def gaps(self) -> tuple[Gap, Gap]:
        """To what is popular, and to the best single source."""
        ranks, k = self.findings.ranks, self.k
        rates = means(ranks, k)[:, 0]
        best = 2 + int(np.argmax(rates[2:]))
        return gap(ranks, 1, POPULARITY, k), gap(ranks, best, self.judges[best], k)

    def verdict(self) -> str:
        """In one sentence: is the blend better than what is popular, and than its best source?"""
        ranks = self.findings.ranks
        return sentence(*self.gaps(), float(means(ranks, self.k)[0, 0]), len(ranks), self.k)

    def rating_figures(self) -> dict[str, float | int]:
        """Empty where no rating was expected."""
        errors = self.findings.rating_errors
        if not len(errors):
            return {}
        rmse, mae = float(np.sqrt((errors**2).mean())), float(np.abs(errors).mean())
        return {"rating_rmse": rmse, "rating_mae": mae, "ratings": len(errors)}

    def flat(self) -> dict[str, Any]:
        """Every figure (see `meanings`): fractions, plain numbers, two texts; only `weights` is a tree."""
        found, k = self.findings, self.k
        blended = found.ranks[:, 0]
        hits = _hits(blended, k)
        out: dict[str, Any] = figures(blended, self.cut_offs)
        for name, (hr, mrr) in self.judge_figures().items():
            if name != BLENDED:
                out |= {f"{name}_hr@{k}": hr, f"{name}_mrr@{k}": mrr}
        popular, source = self.gaps()
        out |= {
            "best_source": source.judge,
            "over_popularity": popular.difference,
            "over_popularity_margin": popular.margin,
            "over_best_source": source.difference,
            "over_best_source_margin": source.margin,
            "verdict": self.verdict(),
            **self.outcomes.figures(k),
            **self.rating_figures(),
            **found.slates,
            f"serendipity@{k}": float((hits & ~_hits(found.ranks[:, 1], k)).mean()),
            "candidate_share": float((blended > 0).mean()),
            f"index_only_hits@{k}": float((hits & found.only_index).sum() / max(1, hits.sum())),
            "queries": len(blended),
            "events": self.n_events,
            "items": self.n_items,
            "slates": found.n_slates,
            "slate_every": found.slate_every,
            "blind_compared": found.blind.n_compared,
            "blind_worse": found.blind.n_worse,
            "learn_events_per_s": found.learn_events_per_s,
            "ask_events_per_s": found.ask_events_per_s,
            "query_us_p50": float(np.percentile(found.query_us, 50)),
            "query_us_p99": float(np.percentile(found.query_us, 99)),
            "seconds": found.seconds,
            "peak_memory_mb": found.peak_memory_mb,
            "weights": self.weights,
        }
        return out


def _hits(ranks: NDArray[np.int32], k: int) -> NDArray[np.bool_]:
    return (ranks > 0) & (ranks <= k)


def evaluate(
    log: pl.DataFrame,
    rules: Rules,
    settings: EngineSettings,
    *,
    k: int,
    progress: Progress,
    catalogue: Sequence[Beside] = (),
) -> Evaluation:
    """Run a protocol over a log. The same log, rules and settings give the same figures (but for times and memory).

    Args:
        log: good rows in the form of `stream_rec.offline.datasets.rows.LOG_SCHEMA`, in log order.
        rules: the protocol.
        settings: of the engine; its scenarios do not count: nothing is filtered from what is ranked.
        k: length of slates and main cut-off.
        progress: takes events done and events in all.
        catalogue: items that stand among the rows, in order; the engine learns them where they stand.

    Raises:
        ConfigError: there is nothing to ask.
        LeakError: the engine saw answers.
    """
    plan = Plan.of(log, replace(rules, types=EventTypes.of(settings.event_types)))
    engine = Engine(settings.model_copy(update={"scenarios": {"default": ScenarioSettings(k=k)}}))
    findings = Run(plan, engine, k, progress, catalogue).run()
    return Evaluation(
        rules=rules,
        k=k,
        n_events=len(plan),
        n_items=len(plan.names),
        judges=(BLENDED, POPULARITY, *engine.sources[: engine.n_sources_in_use]),
        findings=findings,
        outcomes=Outcomes.of(plan, findings.at, findings.ranks[:, 0]),
        weights=ranker_weights(engine),
    )
