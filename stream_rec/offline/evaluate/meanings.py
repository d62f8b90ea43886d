"""What each figure of an evaluation means, in a line; docs/evaluation.md says more."""

from __future__ import annotations

from collections.abc import Mapping

RANKING: Mapping[str, str] = {
    "hr": "hit-rate: share of the queries whose answer is among the first k",
    "mrr": "mean of 1 / rank of the answer, 0 beyond k",
    "ndcg": "mean of 1 / log2(rank + 1), 0 beyond k",
    "recall": "equals hr: one item is the answer",
    "precision": "hr / k",
    "map": "equals mrr: one item is the answer",
}
SLATES: Mapping[str, str] = {
    "gini": "of how often each item is in them: 0 alike, near 1 few have it all",
    "miscalibration": "divergence of head and tail from the user's own past, bits",
    "coverage": "share of the learned items that are in any of these slates",
    "novelty": "mean of -log2(the item's share of all events before)",
    "popularity_share": "mean of the item's events / the most frequent item's",
    "diversity": "mean over pairs of a slate of 1 - cosine of their factors",
    "rest_recall": "share of the items of the rest of the session in the slate",
    "rest_precision": "share of the slate's places that come in the rest",
    "rest_map": "mean average precision of the slate against that rest",
}
SEGMENTS: Mapping[str, str] = {
    "new_users": "users with fewer than 5 events before",
    "returning_users": "all others",
    "head_items": "answers among the items that make up the first fifth of events",
    "middle_items": "answers between",
    "tail_items": "answers among the rarest, which make up the last fifth",
}
JUDGES = (
    "Each alone ranks the same queries: hr and mrr at {k}; known: share of the queries whose answer it had as a "
    "candidate at all. blended: all sources by the ranker's weights. most_popular: one list for all users."
)
RATINGS: Mapping[str, str] = {
    "rating_rmse": "root of the mean squared difference between ratings and what was expected before each",
    "rating_mae": "mean of these differences, without sign",
    "ratings": "so many of them",
}
WEIGHTS = (
    "What a feature's value (0 to 1, or standardised) is multiplied by in the score, the hidden units at rest; by how "
    "many items the session holds."
)
OTHER: Mapping[str, str] = {
    "serendipity": "share of the queries that hit where what is popular does not",
    "hr_low": "lower end of the 95 % interval of hr, by drawing users",
    "hr_high": "its upper end",
    "mrr_low": "lower end of the 95 % interval of mrr",
    "mrr_high": "its upper end",
    "candidate_share": "share of the queries whose answer was a candidate at all",
    "index_only_hits": "share of the hits that only the vector index had found",
    "queries": "events that were asked for",
    "events": "events learned, or asked for if frozen",
    "items": "different items among them",
    "slates": "slates made for the figures of slates",
    "slate_every": "one query in so many",
    "blind_compared": "judged ranks compared with slates made before the event came",
    "blind_worse": "of them ranked worse than the slate (a removed item, a filled slate)",
    "best_source": "the source with the highest hit-rate alone",
    "over_popularity": "hit-rate of the blend minus that of what is popular",
    "over_popularity_margin": "half of the 99 % interval of that difference",
    "over_best_source": "hit-rate of the blend minus that of its best source",
    "over_best_source_margin": "half of the 99 % interval of that difference",
    "verdict": "the last line of the output",
    "learn_events_per_s": "events per second that were only learned",
    "ask_events_per_s": "events per second that were asked for, and learned unless frozen",
    "query_us_p50": "microseconds to make one user's slate, median",
    "query_us_p99": "the same, 99th percentile",
    "seconds": "of the whole run",
    "peak_memory_mb": "peak resident memory of the process, the log in it",
    "weights": "the ranker's weights, by feature and length of the session",
}
"""Figures of the JSON file that stand in no table."""


def meaning_of(figure: str) -> str:
    """Of a figure of `Evaluation.flat`; "" = it has none.

    A prefix `learning_all_` is that of the second run; `<source>_hr@k` and `<source>_mrr@k` are of a source alone.
    """
    name = figure.removeprefix("learning_all_").partition("@")[0]
    known = {**RANKING, **SLATES, **RATINGS, **OTHER}
    if name in known:
        return known[name]
    for segment, meaning in SEGMENTS.items():
        if name == f"queries_{segment}":
            return f"queries of {segment}: {meaning}"
        if name.endswith(f"_{segment}"):
            return f"{RANKING[name.removesuffix(f'_{segment}')]}; of {meaning}"
    source, _, metric = name.rpartition("_")
    return f"of {source} alone: {RANKING[metric]}" if source and metric in RANKING else ""
