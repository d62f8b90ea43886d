"""One sentence that says what an evaluation comes to, with its numbers; every figure has a meaning."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stream_rec.offline.evaluate.evaluation import evaluate
from stream_rec.offline.evaluate.meanings import meaning_of
from stream_rec.offline.evaluate.rules import Rules
from stream_rec.offline.evaluate.verdict import LEAST_QUERIES, gap, sentence
from tests.offline.evaluate.worlds import SMALL, sessions, silent

DOCS = Path(__file__).parents[3] / "docs" / "evaluation.md"


def ranks(n: int, ours: float, theirs: float, seed: int = 1) -> np.ndarray:
    """Two judges that hit with these chances, each for itself."""
    draws = np.random.default_rng(seed).random((n, 2))
    return (draws < (ours, theirs)).astype(np.int32)


@pytest.mark.parametrize(
    ("n", "ours", "theirs", "word"),
    [
        (20_000, 0.30, 0.20, "better"),
        (20_000, 0.20, 0.30, "worse"),
        (200, 0.22, 0.20, "unclear"),
        (LEAST_QUERIES - 1, 0.9, 0.1, "unclear"),
    ],
)
def test_a_difference_counts_if_it_is_larger_than_chance_allows(
    n: int, ours: float, theirs: float, word: str
) -> None:
    assert gap(ranks(n, ours, theirs), 1, "other", 20).word == word


def test_equal_judges_are_hardly_ever_told_apart() -> None:
    wrong = sum(gap(ranks(600, 0.3, 0.3, seed), 1, "other", 20).word != "unclear" for seed in range(300))
    assert wrong <= 9


def test_the_sentence_has_the_numbers() -> None:
    both = [
        gap(ranks(20_000, 0.30, rate), 1, name, 20) for name, rate in (("most_popular", 0.2), ("x", 0.299))
    ]
    said = sentence(both[0], both[1], 0.3, 20_000, 20)
    assert said.startswith(
        "the blend hits 30.00 % of 20,000 queries at 20: better than what is popular: most_popular ("
    )
    assert "too short to tell it from its best source: x (" in said
    few = gap(ranks(9, 0.5, 0.1), 1, "x", 20)
    assert "too few to tell" in sentence(few, few, 0.5, 9, 20)


def test_every_figure_has_a_meaning_and_is_in_the_docs() -> None:
    flat = evaluate(sessions(9, 200), Rules("prequential"), SMALL, k=20, progress=silent).flat()
    docs = DOCS.read_text()
    for figure in flat:
        assert meaning_of(figure), figure
        name = figure.partition("@")[0]
        alone = name.endswith(("_hr", "_mrr"))
        assert f"`{name}`" in docs or alone, f"docs/evaluation.md says nothing of {figure}"
    assert flat["verdict"].startswith("the blend hits")
