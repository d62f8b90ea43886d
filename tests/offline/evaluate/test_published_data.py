"""The protocols on real logs: the published numbers of queries, and figures that no broken engine reaches."""

from __future__ import annotations

import pytest

from stream_rec.offline.datasets.named import load_columns, names
from stream_rec.offline.evaluate.evaluation import evaluate
from stream_rec.offline.evaluate.plan import Plan
from stream_rec.offline.evaluate.rules import Relevant, Rules
from stream_rec.settings import EngineSettings, load
from tests.offline.evaluate.worlds import silent

DATA = load()[0].data
HEAD = 12_000


def needs(name: str) -> None:
    if name not in names(DATA) or not DATA.folder:
        pytest.skip(f"no {name} in STREAM_REC_DATA")


@pytest.mark.data
def test_the_head_of_yoochoose_is_ranked_far_above_popularity() -> None:
    needs("yoochoose-100k")
    log = load_columns("yoochoose-100k", DATA).head(HEAD)
    figures = evaluate(log, Rules("prequential"), EngineSettings(), k=20, progress=silent).flat()
    assert figures["hr@20"] > 0.40
    assert figures["mrr@20"] > 0.20
    assert figures["hr@20"] > 2 * figures["most_popular_hr@20"]
    assert figures["hr@20"] > max(figures[f"{source}_hr@20"] for source in ("transitions", "neighbours"))


@pytest.mark.data
@pytest.mark.parametrize(("name", "n_queries"), [("diginetica", 60_858), ("yoochoose-1-64", 55_898)])
def test_the_published_protocol_asks_the_published_queries(name: str, n_queries: int) -> None:
    needs(name)
    assert Plan.of(load_columns(name, DATA), Rules("frozen")).asked.sum() == n_queries


@pytest.mark.data
@pytest.mark.parametrize("learn_from", ["relevant", "all"])
def test_movielens_asks_for_16237_ratings_of_5(learn_from: str) -> None:
    needs("movielens-100k")
    fives = Relevant.parse("rating=5")
    rules = Rules("prequential", relevant=fives, warmup=0.2, exclude_seen=True, learn_from=learn_from)  # type: ignore[arg-type]
    assert Plan.of(load_columns("movielens-100k", DATA, fives.mapping()), rules).asked.sum() == 16_237
