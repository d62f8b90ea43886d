"""Slates of users who are in different arms, as one answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from stream_rec.engine.fold.pool import FALLBACK
from stream_rec.engine.results import Encoded, Placed, Ranked
from stream_rec.engine.steering.trials import Dealt
from stream_rec.schemas.records import Reason, SlateItem
from stream_rec.trials.interleaving import team_draft

_encode = msgspec.json.Encoder().encode


S = TypeVar("S", Ranked, Encoded)


class Part(NamedTuple, Generic[S]):
    """The slates of one arm.

    Attributes:
        users: int64 [m], whose, among n.
        ranked: of these users, in their order.
        dealt: the arm; None = of none.
    """

    users: NDArray[np.int64]
    ranked: S
    dealt: Dealt | None


def joined(parts: Sequence[Part[Ranked]], n: int) -> Ranked:
    """The slates of n users, each of whom is in one part."""
    first = parts[0].ranked
    k = max(part.ranked.rows.shape[1] for part in parts)
    fallbacks: tuple[str, ...] = ()
    marks = np.zeros((n, k), np.uint8)
    for part in parts:
        if part.ranked.marks is not None:
            own = part.ranked.marks
            moved = own + np.uint8(len(fallbacks)) * (own >= FALLBACK)
            marks[part.users, : own.shape[1]] = moved.astype(np.uint8)
        fallbacks += part.ranked.fallbacks
    upto = [part.ranked.rules_upto for part in parts if part.ranked.rules_upto is not None]
    teams: list[Sequence[str]] = [()] * n
    for part in parts:
        for user, of_user in zip(part.users.tolist(), part.ranked.teams, strict=False):
            teams[user] = of_user
    return replace(
        first,
        items=_lists(parts, n, "items"),
        scores=_lists(parts, n, "scores"),
        sources=_lists(parts, n, "sources"),
        because=_lists(parts, n, "because"),
        rows=_table(parts, (n, k), "rows", -1),
        hashes=_table(parts, (n, k), "hashes", 0),
        only_index=_table(parts, (n, k), "only_index", 0),
        relaxed=_lists(parts, n, "relaxed"),
        marks=marks,
        propensities=_table(parts, (n, k), "propensities", 1.0),
        fallbacks=fallbacks,
        rules_upto=min(upto, default=None),
        dealt=_dealt(parts, n),
        teams=teams if any(teams) else (),
    )


def joined_encoded(parts: Sequence[Part[Encoded]], n: int) -> Encoded:
    """The same of slates as they are stored."""
    k = max((part.ranked.hashes.shape[1] for part in parts), default=0)
    upto = [part.ranked.rules_upto for part in parts if part.ranked.rules_upto is not None]
    return Encoded(
        items=_lists(parts, n, "items"),
        hashes=_table(parts, (n, k), "hashes", 0),
        n_items=sum(part.ranked.n_items for part in parts),
        n_only_index=sum(part.ranked.n_only_index for part in parts),
        relaxed=_lists(parts, n, "relaxed"),
        rules_upto=min(upto, default=None),
        dealt=_dealt(parts, n),
    )


def encoded_by_hand(ranked: Ranked) -> Encoded:
    """Slates as they are stored, from named ones: for those that no kernel has made."""
    return Encoded(
        items=[_encode(slate_items(ranked, user)) for user in range(len(ranked.items))],
        hashes=ranked.hashes,
        n_items=sum(map(len, ranked.items)),
        n_only_index=int(ranked.only_index.sum()),
        relaxed=ranked.relaxed,
        rules_upto=ranked.rules_upto,
    )


def slate_items(found: Ranked, user: int = 0) -> list[SlateItem]:
    """A slate of a ranking, by default the only one."""
    names, places = found.source_names, found.places(user)
    teams: Sequence[str | None] = found.teams[user] if found.teams else ()
    rows = zip(found.items[user], found.scores[user], found.sources[user], found.because[user], strict=True)
    if not places and not teams:
        return [SlateItem(item, score, Reason(names[s], because or None)) for item, score, s, because in rows]
    places = places or [Placed(None, None)] * len(found.items[user])
    teams = teams or [None] * len(places)
    return [
        SlateItem(item, score, Reason(names[s], because or None), place.by, place.propensity, team)
        for (item, score, s, because), place, team in zip(rows, places, teams, strict=True)
    ]


def _dealt(parts: Sequence[Part[S]], n: int) -> list[Dealt | None]:
    dealt: list[Dealt | None] = [None] * n
    for part in parts:
        for user in part.users.tolist():
            dealt[user] = part.dealt
    return dealt


def _lists(parts: Sequence[Part[S]], n: int, field: str) -> list[Any]:
    found: list[Any] = [None] * n
    for part in parts:
        for user, own in zip(part.users.tolist(), getattr(part.ranked, field), strict=True):
            found[user] = own
    return found


def _table(parts: Sequence[Part[S]], shape: tuple[int, int], field: str, empty: float) -> NDArray[Any]:
    """Places that a part's slates have not are empty."""
    given = [getattr(part.ranked, field) for part in parts]
    dtype = next((each.dtype for each in given if each is not None), np.dtype(np.float32))
    found = np.full(shape, empty, dtype)
    for part, own in zip(parts, given, strict=True):
        if own is not None:
            found[part.users, : own.shape[1]] = own
    return found


def interleaved(a: Ranked, b: Ranked, seeds: NDArray[np.uint64], names: tuple[str, str]) -> Ranked:
    """Slates of n users, each drafted from two arms' slates in turn (`trials.interleaving.team_draft`).

    Args:
        a: of the control, n slates; the mixed ones are as long.
        b: of the other arm.
        seeds: [n], of the coins.
        names: of the arms.
    """
    n, k = a.rows.shape
    drafts = [
        team_draft(_rows(a, user), _rows(b, user), k, _coins(seed, k)) for user, seed in enumerate(seeds)
    ]
    shift = np.uint8(len(a.fallbacks))
    upto = [each.rules_upto for each in (a, b) if each.rules_upto is not None]
    found = replace(
        a,
        fallbacks=a.fallbacks + b.fallbacks,
        rules_upto=min(upto, default=None),
        items=[[] for _ in range(n)],
        scores=[[] for _ in range(n)],
        sources=[[] for _ in range(n)],
        because=[[] for _ in range(n)],
        rows=np.full((n, k), -1, np.int32),
        hashes=np.zeros((n, k), np.uint64),
        only_index=np.zeros((n, k), np.bool_),
        relaxed=[one or other for one, other in zip(a.relaxed, b.relaxed, strict=True)],
        marks=np.zeros((n, k), np.uint8),
        propensities=np.ones((n, k), np.float32),
        dealt=(),
        teams=[[names[team] for team in draft.teams] for draft in drafts],
    )
    for user, draft in enumerate(drafts):
        for at, (row, team) in enumerate(zip(draft.items, draft.teams, strict=True)):
            of = (a, b)[team]
            place = int(np.flatnonzero(of.rows[user] == row)[0])
            _put(found, of, user, at, place, shift if team else np.uint8(0))
    return found


def _rows(of: Ranked, user: int) -> list[int]:
    rows: list[int] = of.rows[user, : len(of.items[user])].tolist()
    return rows


def _put(found: Ranked, of: Ranked, user: int, at: int, place: int, shift: np.uint8) -> None:
    """A place of one slate into a place of another."""
    for name in ("items", "scores", "sources", "because"):
        getattr(found, name)[user].append(getattr(of, name)[user][place])
    for name in ("rows", "hashes", "only_index"):
        getattr(found, name)[user, at] = getattr(of, name)[user, place]
    if of.marks is not None and of.propensities is not None:
        mark = of.marks[user, place]
        found.marks[user, at] = mark + (shift if mark >= FALLBACK else 0)  # type: ignore[index]
        found.propensities[user, at] = of.propensities[user, place]  # type: ignore[index]


def _coins(seed: np.uint64, k: int) -> list[bool]:
    """Of each round, true = the control is first."""
    random = np.random.default_rng(int(seed))
    coins: list[bool] = (random.random((k + 1) // 2) < 0.5).tolist()
    return coins
