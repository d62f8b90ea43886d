"""The loops of a generated function: one for every list that an output goes through."""

from __future__ import annotations

from collections import defaultdict
from contextlib import ExitStack
from typing import TYPE_CHECKING

from stream_rec.shapes import nodes
from stream_rec.shapes.generate import Code
from stream_rec.shapes.nodes import Each, Node

if TYPE_CHECKING:
    from stream_rec.shapes.outputs import Output

LISTS = {"items": ("tags",), "impressions": ("items",)}
"""By kind of output, fields that are lists themselves: theirs are collected, and make no records."""


def open_loops(code: Code, output: Output, loops: ExitStack) -> str:
    """Open a loop for every list that the output goes through, outer ones first; one that runs once if there is none.

    Of the options of `item_id` the first that gives something decides: the lists of the others are not gone through.

    Returns:
        The variable that counts, from 0, the elements that share one `event_id`: lines of an order; empty = each has
        its own.
    """
    collected = {each for name in LISTS.get(output.kind, ()) if name in output.fields
                 for each in _collected(output.fields[name])}  # fmt: skip
    lists = dict.fromkeys(
        each for path in output.paths for each in nodes.eaches(path) if each not in collected
    )
    ordered = sorted(lists, key=lambda each: len(nodes.eaches(each)))
    options = nodes.options_of(output.fields["item_id"]) if "item_id" in output.fields else ()
    owners: dict[Each, list[int]] = defaultdict(list)
    for n, option in enumerate(options):
        for each in nodes.eaches(option):
            owners[each].append(n)
    chosen = _chosen(code, options) if len(options) > 1 and ordered else ""
    line, named = "", set(nodes.eaches(output.fields["event_id"])) if "event_id" in output.fields else ordered
    for each in ordered:
        if not line and each not in named:
            line = code.variable()
            code.line(f"{line} = -1")
        outer = nodes.eaches(each.base)
        found = f"elements({code.value(each.base)})"
        if outer:
            found = _inner(code, each, outer[-1], options)
        elif chosen and each in owners:
            found = f"({found} or ONE) if {chosen} in {tuple(owners[each])} else ONE"
        else:
            found = f"{found} or ONE"
        name = code.variable()
        loops.enter_context(code.block(f"for {name} in {found}:"))
        code.bind(each, name)
    if not ordered:
        loops.enter_context(code.block("for _ in ONE:"))
    return line


def _inner(code: Code, each: Each, outer: Each, options: tuple[Node, ...]) -> str:
    """The elements of a list inside of another's element, where no earlier option gives that element's item."""
    found, around = f"elements({code.value(each.base)})", code.value(outer)
    others = [
        option for option in options if each not in nodes.eaches(option) and outer in nodes.eaches(option)
    ]
    if not others or all(each not in nodes.eaches(option) for option in options):
        return f"{found} if {around} is not None else ONE"
    given = code.variable()
    code.line(f"{given} = {code.value(nodes.Either((*others, nodes.Constant(''))))}")
    return f"(ONE if {given} or {around} is None else {found} or ONE)"


def _chosen(code: Code, options: tuple[Node, ...]) -> str:
    """The variable that holds which option gives the item."""
    chosen = code.variable()
    code.line(f"{chosen} = -1")
    for n, option in enumerate(options):
        with code.block(f"if {chosen} < 0:"):
            eaches = nodes.eaches(option)
            if eaches:
                condition = f"elements({code.value(eaches[0].base)})"
            else:
                value = code.variable()
                code.line(f"{value} = {code.value(option)}")
                condition = f"not ({code.is_absent(value)})"
            with code.block(f"if {condition}:"):
                code.line(f"{chosen} = {n}")
    return chosen


def _collected(path: Node) -> list[Each]:
    """The lists of a field that is a list itself: the innermost of each option."""
    return [eaches[-1] for option in nodes.options_of(path) if (eaches := nodes.eaches(option))]
