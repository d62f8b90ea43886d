"""`stream-rec bench negatives`: what it is worth to learn bad ratings as dislikes, on MovieLens.

One log, three tables of event types: ratings of 1 and 2 are ignored, are dislikes, or are dislikes that teach nothing
(weight 0: the films are only left out). All other ratings are interest; asked for are ratings of 4 and 5, of users'
films that they have not rated 4 or 5 before, in the last part of the log. Every arm is asked for the same events.
"""

from __future__ import annotations

from stream_rec.bench.harness import Figures, Say
from stream_rec.engine.warm import warm_up
from stream_rec.offline.datasets.mapping import ColumnMapping
from stream_rec.offline.datasets.named import load_columns
from stream_rec.offline.evaluate.evaluation import Evaluation, evaluate
from stream_rec.offline.evaluate.rules import Relevant, Rules
from stream_rec.settings import EngineSettings, EventTypeSettings, Settings, ValueCondition

DATA = "movielens-100k"
K = 10
BAD = "<= 2"


def run(settings: Settings, say: Say, *, events: int | None, warmup: float, weight: float) -> Figures:
    """Evaluate the arms.

    Args:
        settings: as `evaluate` has them.
        say: takes progress.
        events: only the first so many of the log; None = all. What is chosen is chosen on a first part.
        warmup: this share of the answers is only learned.
        weight: of a dislike.
    """
    log = load_columns(DATA, settings.data, ColumnMapping(value="rating", default_event_type="rating"))
    log = log.head(events) if events else log
    rules = Rules(
        "prequential",
        relevant=Relevant("rating", "4", ">="),
        learn_from="all",
        warmup=warmup,
        exclude_seen=True,
        session_gap_seconds=settings.engine.session_gap_seconds,
    )
    warm_up()
    arms = {"ignored": ("ignore", 1.0), "left_out": ("negative", 0.0), "negative": ("negative", weight)}
    figures: Figures = {}
    recalls: dict[str, float] = {}
    for name, (meaning, arm_weight) in arms.items():
        table = _table(settings.engine, meaning, arm_weight)
        found = evaluate(log, rules, table, k=K, progress=_quiet)
        figures |= _figures(name, found)
        recalls[name] = found.flat()[f"recall@{K}"]
        say(f"bad ratings {name}: recall@{K} {recalls[name]:.4f}")
    figures["left_out_ratio"] = recalls["left_out"] / recalls["ignored"]
    figures["negative_ratio"] = recalls["negative"] / recalls["ignored"]
    return figures | {"queries": len(found.findings.ranks), "weight": weight}


def _quiet(_done: int, _n_events: int) -> None:
    """Each arm says its figure at the end."""


def _table(engine: EngineSettings, meaning: str, weight: float) -> EngineSettings:
    bad = ValueCondition(value=BAD, meaning=meaning, weight=weight)
    rating = EventTypeSettings(when=(bad,))
    return engine.model_copy(update={"event_types": engine.event_types | {"rating": rating}})


def _figures(name: str, found: Evaluation) -> Figures:
    flat = found.flat()
    return {f"{metric}@{K}[{name}]": flat[f"{metric}@{K}"] for metric in ("recall", "mrr", "ndcg")}
