"""A few names out of many: scenarios and variants come from outside, but labels must stay bounded."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

MAX_NAMES = 16
"""Scenarios, and variants, that get a label of their own; the rest are counted together as OTHER."""
MAX_NAME_BYTES = 64
OTHER = "other"
NONE = "none"
NEW, RETURNING = "new", "returning"


class LabelNames:
    """Codes for (scenario, variant, segment), in the order in which names first came.

    The names live in an array, so they are part of the state and the same in every replica.

    Args:
        scenarios: names known from the start.
    """

    def __init__(self, scenarios: Sequence[str]) -> None:
        self.table = np.zeros((2, MAX_NAMES, MAX_NAME_BYTES), np.uint8)
        self._scenarios: dict[str, int] = {}
        self._variants: dict[str, int] = {}
        self._seed = tuple(scenarios)
        self.reload()

    def reload(self) -> None:
        """Read the names again after `table` was filled; known scenarios are added where there is room."""
        self._scenarios, self._variants = (
            {name.decode(): code for code, name in enumerate(_texts(names)) if name} for names in self.table
        )
        for name in (OTHER, *self._seed):
            self._code(0, self._scenarios, name)
        for name in (OTHER, NONE):
            self._code(1, self._variants, name)

    def codes(
        self,
        scenarios: Sequence[str],
        variants: Sequence[str | None],
        returning: Sequence[bool] | NDArray[np.bool_],
    ) -> NDArray[np.int32]:
        """int32 [n], each below MAX_NAMES * MAX_NAMES * 2."""
        out = np.empty(len(scenarios), np.int32)
        for i, (scenario, variant, again) in enumerate(zip(scenarios, variants, returning, strict=True)):
            first = self._code(0, self._scenarios, scenario)
            second = self._code(1, self._variants, variant or NONE)
            out[i] = (first * MAX_NAMES + second) * 2 + bool(again)
        return out

    def labels(self, code: int) -> dict[str, str]:
        """The names of a code."""
        pair, again = divmod(code, 2)
        scenario, variant = divmod(pair, MAX_NAMES)
        return {
            "scenario": _texts(self.table[0])[scenario].decode(),
            "variant": _texts(self.table[1])[variant].decode(),
            "segment": RETURNING if again else NEW,
        }

    def _code(self, kind: int, known: dict[str, int], name: str) -> int:
        code = known.get(name)
        if code is not None:
            return code
        raw = name.encode()
        if len(known) >= MAX_NAMES or len(raw) > MAX_NAME_BYTES or not raw or 0 in raw:
            return known[OTHER]
        code = known[name] = len(known)
        self.table[kind, code, : len(raw)] = np.frombuffer(raw, np.uint8)
        return code


def _texts(names: NDArray[np.uint8]) -> list[bytes]:
    return [row.tobytes().rstrip(b"\0") for row in names]
