"""A bounded sparse row as a list of pairs."""

from __future__ import annotations

import numpy as np

Row = list[tuple[int, np.float32]]


def add(row: Row, width: int, code: int, weight: np.float32) -> None:
    """A hit moves one place forward past a lighter entry; a full row gives its (first) lightest entry away."""
    at = next((i for i, (held, _) in enumerate(row) if held == code), None)
    if at is None:
        if len(row) == width:
            lightest = min(range(width), key=lambda i: row[i][1])
            row[lightest] = (code, weight)
        else:
            row.append((code, weight))
        return
    row[at] = (code, row[at][1] + weight)
    if at > 0 and row[at - 1][1] < row[at][1]:
        row[at - 1], row[at] = row[at], row[at - 1]
