"""A reference looks like the tuple that it stands for, in kernels and in Python."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest

from stream_rec.kernels.compile import kernel, kernel_unlocked
from stream_rec.kernels.records import record
from stream_rec.kernels.reference import lend, refer

COUNT = record([("n", np.int64)])


class Inner(NamedTuple):
    """Arrays of all forms that a state has."""

    weights: Any
    table: Any
    counters: Any


class Outer(NamedTuple):
    """Numbers of all types, and a tuple."""

    inner: Inner
    flags: Any
    small: Any
    n: int
    share: float
    is_on: bool


class Fresh(NamedTuple):
    """A tuple that a kernel makes."""

    n: int
    weights: Any


def outer() -> Outer:
    inner = Inner(
        np.arange(5, dtype=np.float32),
        np.arange(12, dtype=np.int32).reshape(3, 4),
        np.zeros(1, COUNT),
    )
    return Outer(inner, np.array([True, False]), np.float32(0.25), -7, 2.5, True)


@kernel
def read(of, row):
    of.inner.counters[0].n += 1
    of.inner.weights[0] += np.float32(1.0)
    entries = of.inner.table[row]
    return (
        entries[1] + of.inner.table.size + of.inner.weights.sum(),
        of.n,
        of.share,
        of.small,
        of.is_on and of.flags[0] and not of.flags[1],
    )


@kernel_unlocked
def read_reference(of, row):
    return read(of, row)


@kernel_unlocked
def read_lent(of, row):
    return read(lend(of), row)


@kernel
def sum_of_fresh(of):
    total = 0.0
    for n in range(4):
        fresh = lend(Fresh(n, of.inner.weights))
        total += _times(fresh)
    return total


@kernel
def _times(fresh):
    return fresh.n * fresh.weights[1]


def test_numbers_arrays_and_tuples_within_are_those_of_the_tuple() -> None:
    held = outer()
    reference = refer(held)

    assert read_reference(reference, 2) == (9 + 12 + 11, -7, 2.5, 0.25, True)
    assert held.inner.counters["n"][0] == 1
    assert held.inner.weights[0] == 1.0


def test_a_change_made_in_python_is_seen() -> None:
    held = outer()
    reference = refer(held)
    held.inner.table[2, 1] = 100

    assert read_reference(reference, 2)[0] == 100 + 12 + 11


def test_a_tuple_that_a_kernel_got_can_be_lent_on() -> None:
    assert read_lent(outer(), 1) == read_reference(refer(outer()), 1)


def test_what_is_lent_anew_in_a_loop_is_read_anew() -> None:
    assert sum_of_fresh(refer(outer())) == 0.0 + 1.0 + 2.0 + 3.0


def test_python_reads_its_fields_and_passes_a_tuple_within_as_a_reference() -> None:
    held = outer()
    reference = refer(held)

    assert reference.n == -7
    assert reference.inner.weights is held.inner.weights
    assert reference.inner is reference.inner
    assert _first(reference.inner) == 0.0
    with pytest.raises(AttributeError, match="nothing"):
        _ = reference.nothing


@kernel
def _first(inner):
    return inner.weights[0]


def test_a_field_that_cannot_be_referred_to_is_named() -> None:
    class Odd(NamedTuple):
        strided: Any

    with pytest.raises(TypeError, match="strided is array"):
        refer(Odd(np.arange(8)[::2]))
