"""`recommend --explain`: what a slate is made of, now, by an engine of this command's own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from stream_rec.cli.options import need_broker
from stream_rec.cli.text import Column, plain, reason_text, say, table, width
from stream_rec.clock import SystemClock
from stream_rec.errors import ConfigError

if TYPE_CHECKING:
    from stream_rec.engine.answering.explain import Explained
    from stream_rec.settings import Settings

_COLUMNS = (
    Column("place", is_number=True),
    Column("item"),
    Column("score", is_number=True),
    Column("why"),
    Column("made of", is_prose=True),
)


def explain_slate(
    settings: Settings, user: str, scenario: str, items: Sequence[str], k: int, *, as_json: bool
) -> None:
    """Print why a user's items stand where they stand, and why others are not there.

    Args:
        settings: of the installation; an engine is rebuilt here from the newest snapshot and the log.
        user: id.
        scenario: name.
        items: ids that are asked about; none = the slate's own.
        k: of the slate's own, at most.
        as_json: print JSON instead of a table.

    Raises:
        ConfigError: there is no such scenario, or the log cannot be read.
    """
    import msgspec

    from stream_rec.engine.answering.explain import explain
    from stream_rec.history.time_travel.rebuild import present

    need_broker(settings)
    rebuilt = present(settings, SystemClock())
    engine = rebuilt.engine
    known = sorted(engine.decisions.scenarios)
    if scenario not in known:
        raise ConfigError(f"no scenario {scenario!r}", fix=f"one of {', '.join(known)}")
    engine.compile_rules()
    slate = engine.recommend([user], scenario=scenario).items[0]
    told = explain(engine, user, items or slate[:k], scenario)
    query = engine.held.query
    n_candidates = int(query.n_candidates[0])
    if as_json:
        answer = {
            "user_id": user,
            "scenario": scenario,
            "snapshot": rebuilt.snapshot,
            "doubts": rebuilt.doubts,
            "candidates": n_candidates,
            "slate": slate,
            "items": told,
        }
        print(json.dumps(msgspec.to_builtins(answer), indent=2))
        return
    say(plain(f"{user}, scenario {scenario}: {len(slate)} items of {n_candidates:,} candidates"))
    for doubt in rebuilt.doubts:
        say(plain(f"  {doubt}"), indent="  ")
    print(*table(_COLUMNS, [_row(each) for each in told], width()), sep="\n")


def _row(told: Explained) -> tuple[str, ...]:
    return (
        str(told.place or "-"),
        plain(told.item_id),
        "" if told.score is None else f"{told.score:.4f}",
        plain(reason_text(told.reason)),
        plain(
            "; ".join(filter(None, [_sum(told), *told.rules, told.absent and f"not there: {told.absent}"]))
        ),
    )


def _sum(told: Explained) -> str:
    """The score's parts, greatest first: features with their values, and what is no feature's."""
    from stream_rec.engine.answering.explain import NO_SOURCE

    parts = [
        (each.adds, f"{name}({each.value:.3g}) {each.adds:+.4f}") for name, each in told.features.items()
    ]
    others = [(name, adds) for name, adds in told.by_source.items() if name in NO_SOURCE]
    parts += [(adds, f"{name} {adds:+.4f}") for name, adds in others]
    return " ".join(text for _, text in sorted(parts, key=lambda part: -abs(part[0])))
