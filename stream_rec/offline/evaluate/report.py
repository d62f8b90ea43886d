"""An evaluation for people: tables for a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table

from stream_rec.offline.evaluate import meanings
from stream_rec.offline.evaluate.evaluation import Evaluation
from stream_rec.offline.evaluate.outcomes import LEAST_USERS
from stream_rec.sources.ranker import CONTEXTS

METRICS = tuple(meanings.RANKING)


def report(name: str, evaluation: Evaluation) -> RenderableType:
    """Everything in `Evaluation.flat`, in percent where it is a share."""
    found, k = evaluation.findings, evaluation.k
    return Group(
        _headline(name, evaluation),
        "\nRanking of the full catalogue, %",
        _ranking(evaluation),
        *(f"  {name}: {meaning}" for name, meaning in meanings.RANKING.items()),
        _intervals(evaluation),
        "\nBy users and items, %",
        _segments(evaluation),
        "\nEach source alone, %",
        _judges(evaluation),
        meanings.JUDGES.format(k=k),
        f"\nSlates of {k}, one query in {found.slate_every}: {found.n_slates:,} slates",
        _slates(evaluation),
        _blind(evaluation),
        *_ratings(evaluation),
        "\nRanker's weights by items in the session",
        _weights(evaluation),
        meanings.WEIGHTS,
        f"\n{_costs(evaluation)}",
        f"\nVerdict: {evaluation.verdict()}",
    )


def _headline(name: str, evaluation: Evaluation) -> str:
    rules, found = evaluation.rules, evaluation.findings
    learned = " (learning from relevant events only)" if rules.relevant else ""
    if rules.relevant and rules.learn_from == "all":
        learned = " (learning from all events)"
    return (
        f"{name}, {rules.protocol}{learned}: {len(found.ranks):,} queries, {evaluation.n_events:,} events, "
        f"{evaluation.n_items:,} items"
    )


def _table(*columns: str) -> Table:
    table = Table()
    table.add_column(columns[0])
    for column in columns[1:]:
        table.add_column(column, justify="right")
    return table


def _ranking(evaluation: Evaluation) -> Table:
    table = _table("at", *METRICS)
    figures = evaluation.flat()
    for k in evaluation.cut_offs:
        table.add_row(str(k), *(f"{100 * figures[f'{metric}@{k}']:.2f}" for metric in METRICS))
    return table


def _intervals(evaluation: Evaluation) -> str:
    figures, k = evaluation.flat(), evaluation.k
    if f"hr_low@{k}" not in figures:
        return f"too few users for intervals: there have to be {LEAST_USERS}"
    spans = [
        f"{metric} {100 * figures[f'{metric}_low@{k}']:.2f} to {100 * figures[f'{metric}_high@{k}']:.2f}"
        for metric in ("hr", "mrr")
    ]
    return f"95 % intervals at {k}, by drawing users: {', '.join(spans)}"


def _segments(evaluation: Evaluation) -> Table:
    k, figures = evaluation.k, evaluation.flat()
    table = _table("of", "queries", f"hr@{k}", f"mrr@{k}")
    table.add_column("meaning")
    for name, meaning in meanings.SEGMENTS.items():
        shares = [figures.get(f"{metric}_{name}@{k}") for metric in ("hr", "mrr")]
        shown = ["-" if share is None else f"{100 * share:.2f}" for share in shares]
        table.add_row(name, f"{figures[f'queries_{name}']:,}", *shown, meaning)
    return table


def _judges(evaluation: Evaluation) -> Table:
    k = evaluation.k
    table = _table("source", f"hr@{k}", f"mrr@{k}", "known")
    known = (evaluation.findings.ranks > 0).mean(axis=0)
    for (name, (hr, mrr)), share in zip(evaluation.judge_figures().items(), known, strict=True):
        table.add_row(name, f"{100 * hr:.2f}", f"{100 * mrr:.2f}", f"{100 * share:.1f}")
    return table


def _slates(evaluation: Evaluation) -> Table:
    table = _table("figure", "value")
    table.add_column("meaning")
    for name, value in evaluation.findings.slates.items():
        shown = f"{100 * value:.2f} %"
        if name.startswith(("novelty", "miscalibration")):
            shown = f"{value:.2f} bit"
        elif name.startswith("gini"):
            shown = f"{value:.3f}"
        table.add_row(name, shown, meanings.meaning_of(name))
    return table


def _blind(evaluation: Evaluation) -> str:
    blind = evaluation.findings.blind
    return (
        f"Leak check: {blind.n_compared:,} judged ranks compared with slates made before the event came; "
        f"better than possible: {blind.n_better}"
    )


def _ratings(evaluation: Evaluation) -> list[str]:
    """A line, where ratings are learned."""
    figures = evaluation.rating_figures()
    if not figures:
        return []
    rmse, mae, n = figures.values()
    return [f"\nRatings, each expected before it was learned: RMSE {rmse:.4f}, MAE {mae:.4f}, {n:,} ratings"]


def _weights(evaluation: Evaluation) -> Table:
    table = _table("feature", *CONTEXTS)
    for feature, by_context in evaluation.weights.items():
        table.add_row(feature, *(f"{weight:.2f}" for weight in by_context.values()))
    return table


def _costs(evaluation: Evaluation) -> str:
    figures = evaluation.flat()
    frozen = evaluation.rules.protocol == "frozen"
    doing = "asked" if frozen else "asked and learned"
    learned = (
        ""
        if evaluation.rules.protocol == "prequential"
        else f"learned {_rate(figures['learn_events_per_s'])}, "
    )
    return (
        f"{learned}{doing} {_rate(figures['ask_events_per_s'])}; slate of one user "
        f"{figures['query_us_p50']:.0f} us p50, {figures['query_us_p99']:.0f} us p99; "
        f"{figures['seconds']:.1f} s; peak memory {figures['peak_memory_mb']:,.0f} MB"
    )


def _rate(per_second: float) -> str:
    return f"{per_second:,.0f} events/s"
