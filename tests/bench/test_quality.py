"""The guard against a fall in ranking: what counts as one, and that its table is of its own runs."""

from __future__ import annotations

import json

from bench.quality import LOSS, RUNS, SHOWN, TABLE, lost


def test_only_a_loss_beyond_the_margin_counts() -> None:
    before = {"hr@20": 50.0, "mrr@20": 20.0}
    assert lost({"hr@20": 50.0 - LOSS, "mrr@20": 25.0}, before) == []
    assert lost({"hr@20": 55.0, "mrr@20": 20.0 - LOSS - 0.01}, before) == ["mrr@20"]
    assert lost({"hr@20": 1.0, "mrr@20": 1.0}, {}) == []


def test_the_table_has_a_row_for_every_run() -> None:
    table = json.loads(TABLE.read_text())
    assert table.keys() == RUNS.keys()
    assert all(row.keys() == set(SHOWN) for row in table.values())
