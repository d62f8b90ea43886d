"""Bounded labels: scenarios and variants come from outside, and only so many get a label of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

MAX_NAMES = 16
"""Scenarios, and variants, that have a label of their own at a time; the rest are counted together as OTHER."""
MAX_NAME_BYTES = 64
OTHER = "other"
NONE = "none"
NEW, RETURNING = "new", "returning"


class NameKind(IntEnum):
    """What a name is of; also the row of `LabelNames.table`."""

    SCENARIO = 0
    VARIANT = 1


Retire = Callable[[NameKind, int, int], None]
"""Told of a kind and code before another name takes the code over, and how many records of the batch came before."""


def scenario_of(codes: NDArray[np.integer]) -> NDArray[np.integer]:
    """Codes of the scenarios in label codes."""
    return codes // (2 * MAX_NAMES)


def variant_of(codes: NDArray[np.integer]) -> NDArray[np.integer]:
    """Codes of the variants in label codes."""
    return codes // 2 % MAX_NAMES


class LabelNames:
    """Codes for (scenario, variant, segment).

    Configured names always have a code. Another name takes one when it first occurs, and keeps it while it is used:
    when none is free, the least recently used name is evicted, if its last use is `age_windows` or more ago. The names
    live in arrays, so they are part of the state, and a function of the log.

    Args:
        scenarios: configured names; those beyond MAX_NAMES - 1 are counted as OTHER.
        age_windows: broker-time windows after which a name that was not used may lose its code.

    Attributes:
        table: uint8 [kinds, MAX_NAMES, MAX_NAME_BYTES], the names; empty = free.
        used: int64 [kinds, MAX_NAMES], the latest window in which each was used.
    """

    def __init__(self, scenarios: Sequence[str], age_windows: int) -> None:
        self.table = np.zeros((len(NameKind), MAX_NAMES, MAX_NAME_BYTES), np.uint8)
        self.used = np.zeros((len(NameKind), MAX_NAMES), np.int64)
        self._age_windows = age_windows
        self._configured = [list(dict.fromkeys((OTHER, *scenarios)))[:MAX_NAMES], [OTHER, NONE]]
        self._codes: list[dict[str, int]] = [{} for _ in NameKind]
        self.reload(_nothing_to_retire)

    def reload(self, retire: Retire) -> None:
        """Read the names again after the arrays were filled; configured ones that are missing get a code."""
        for kind in NameKind:
            names = enumerate(_texts(self.table[kind]))
            self._codes[kind] = {name.decode(): code for code, name in names if name}
            for name in self._configured[kind]:
                if name not in self._codes[kind]:
                    self._enter(kind, name, self._free(kind, None), retire, 0)

    def codes(
        self,
        scenarios: Sequence[str],
        variants: Sequence[str | None],
        returning: Sequence[bool] | NDArray[np.bool_],
        windows: NDArray[np.int64],
        retire: Retire,
        out: NDArray[np.int32],
    ) -> None:
        """Label codes of n records, in order, each below MAX_NAMES * MAX_NAMES * 2.

        Args:
            scenarios: [n].
            variants: [n]; empty or None = NONE.
            returning: [n].
            windows: [n], numbers of the broker-time windows.
            retire: called before a code changes its meaning.
            out: [n], filled; up to the present record whenever `retire` is called.
        """
        records = zip(scenarios, variants, returning, windows.tolist(), strict=True)
        for i, (scenario, variant, again, window) in enumerate(records):
            first = self._code(NameKind.SCENARIO, scenario, window, retire, i)
            second = self._code(NameKind.VARIANT, variant or NONE, window, retire, i)
            out[i] = (first * MAX_NAMES + second) * 2 + bool(again)

    def labels(self, code: int) -> dict[str, str]:
        """The names of a code."""
        pair, again = divmod(code, 2)
        scenario, variant = divmod(pair, MAX_NAMES)
        return {
            "scenario": _texts(self.table[NameKind.SCENARIO])[scenario].decode(),
            "variant": _texts(self.table[NameKind.VARIANT])[variant].decode(),
            "segment": RETURNING if again else NEW,
        }

    def _code(self, kind: NameKind, name: str, window: int, retire: Retire, before: int) -> int:
        code = self._codes[kind].get(name)
        if code is None:
            raw = name.encode()
            free = self._free(kind, window) if 0 < len(raw) <= MAX_NAME_BYTES and 0 not in raw else None
            code = self._codes[kind][OTHER] if free is None else self._enter(kind, name, free, retire, before)
        if window > self.used[kind, code]:
            self.used[kind, code] = window
        return code

    def _free(self, kind: NameKind, window: int | None) -> int | None:
        """A code that no name has, or whose name may lose it to one of this window (None = whatever its age)."""
        known = self._codes[kind]
        if len(known) < MAX_NAMES:
            return len(known)
        others = [code for name, code in known.items() if name not in self._configured[kind]]
        if not others:
            return None
        oldest = min(others, key=lambda code: (self.used[kind, code], code))
        is_old = window is None or window - self.used[kind, oldest] >= self._age_windows
        return oldest if is_old else None

    def _enter(self, kind: NameKind, name: str, code: int | None, retire: Retire, before: int) -> int:
        known = self._codes[kind]
        assert code is not None, "as many configured names as codes, at most"
        if code < len(known):
            retire(kind, code, before)
            self._codes[kind] = known = {each: held for each, held in known.items() if held != code}
        raw = name.encode()
        known[name] = code
        self.table[kind, code] = 0
        self.table[kind, code, : len(raw)] = np.frombuffer(raw, np.uint8)
        self.used[kind, code] = 0
        return code


def _nothing_to_retire(kind: NameKind, code: int, before: int) -> None:  # noqa: ARG001
    raise AssertionError("an empty table has room for all configured names")


def _texts(names: NDArray[np.uint8]) -> list[bytes]:
    return [row.tobytes().rstrip(b"\0") for row in names]
