"""Why an item stands where it stands: what every source adds to its score, and the reason that slates name."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stream_rec.engine.answering.absent import Asked, why_absent
from stream_rec.engine.engine import Engine
from stream_rec.engine.fold.encode import SCORE_DECIMALS
from stream_rec.engine.fold.judge import LEAST_SLOPE
from stream_rec.engine.fold.pool import FALLBACK, HAD_BEFORE, RANKED
from stream_rec.engine.names import name_of, rows_of
from stream_rec.engine.results import Ranked
from stream_rec.engine.steering.scenes import OF_USER
from stream_rec.kernels.codes import NO_CODE, ROW_MASK, code_of
from stream_rec.kernels.ids import hash_ids
from stream_rec.schemas.columns import IdColumn
from stream_rec.schemas.records import Reason
from stream_rec.schemas.scenario import SPACE_PREFIX
from stream_rec.sources.features import FEATURES, N_FEATURES
from stream_rec.sources.ranker import RankerState
from stream_rec.sources.vectors import FEATURES as SPACE_FEATURES

_NOTHING = 1e-6
"""Less is rounding."""
_ROUNDED = 10.0**-SCORE_DECIMALS
NO_SOURCE = (
    *("predicted_rating", "context", "boosts", "rotation", "rerank", "clicked_last"),
    *("list", "replacement"),
)
"""Parts of a score that no feature adds."""
_BEHIND_THE_FIRST = 2
"""The place of the item of the user's last event, if its score is the greatest."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one feature makes of a score.

    Attributes:
        value: of the feature, as the ranker reads it.
        adds: to the score.
    """

    value: float
    adds: float


@dataclass(frozen=True, slots=True)
class Explained:
    """What the engine says of an item for a user.

    Attributes:
        item_id: the item.
        place: in the slate that the engine makes now, from 1; None = it is not in it.
        score: as in the slate, the blend of all sources; None = no source brings the item up, nor a list of the slate.
        reason: the source that lifts it most above the other candidates, and the user's item it started from, as in a
            slate; None like the score.
        by_source: what each source adds to the score, or `predicted_rating` where the scenario goes by it; under
            `context` what the session's length adds, under `clicked_last` what the item of the user's last event loses
            in order not to lead, under `boosts` and `rotation` what rules add, under `rerank` what the place adds that
            a model gives it, under `replacement` what an item loses that the user has had, under `list` what stands in
            the list that the scenario goes by (`popular`, `vectors:<space>`, ...); what adds nothing is left out. Their
            sum is the score.
        features: what every feature adds, by name; with what is no source's in `by_source` their sum
            is the score.
        rules: what each rule of the scenario says of it, and what else put it into its place.
        absent: why it is not in the slate; None = it is.
    """

    item_id: str
    place: int | None
    score: float | None
    reason: Reason | None
    by_source: dict[str, float]
    features: dict[str, Part] = field(default_factory=dict)
    rules: list[str] = field(default_factory=list)
    absent: str | None = None


def explain(engine: Engine, user_id: str, item_ids: Sequence[str], scenario: str) -> list[Explained]:
    """Explain items, in their order. Reads only.

    Raises:
        KeyError: there is no such scenario.
    """
    ranked = engine.recommend([user_id], scenario=scenario)
    arm = ranked.dealt[0] if ranked.dealt else None
    ranker = engine.ranker_of(scenario, arm)
    scenario = arm.scenario if arm is not None else scenario
    places = {item: place for place, item in enumerate(ranked.items[0], start=1)}
    query, items = engine.held.query, engine.state.items  # as ranking the only user has left it
    candidates = {code: c for c, code in enumerate(query.codes[: int(query.n_candidates[0])].tolist())}
    ids = IdColumn.of([user_id])
    user, user_hash = int(rows_of(engine.state.users, ids)[0]), hash_ids(ids)[0]
    answers = []
    for item, row in zip(item_ids, rows_of(items, IdColumn.of(item_ids)).tolist(), strict=True):
        place = places.get(item)
        mark = int(ranked.marks[0, place - 1]) if place is not None and ranked.marks is not None else RANKED
        c = candidates.get(int(code_of(row, engine.state.generation))) if row >= 0 else None
        c = None if mark >= FALLBACK else c  # it stands there by a list, whatever its score was
        rules = engine.scenes.told(scenario, row)
        if place is not None and (put := ranked.places(0)) and put[place - 1].by:
            rules = [*rules, f"it stands there by: {put[place - 1].by}"]
        asked = Asked(scenario, user, item, row, user_hash)
        absent = None if place is not None else why_absent(engine, asked, c)
        if c is None:
            listed = (
                _of_list(engine, scenario, (user, row), ranked, (place, mark)) if place is not None else {}
            )
            score = None if place is None else sum(listed.values())
            answers.append(Explained(item, place, score, None, listed, {}, rules, absent))
            continue
        by_rating = engine.scenes.is_by_rating(scenario)
        by_feature = np.zeros(0, np.float32) if by_rating else _by_feature(engine, ranker, c)
        parts = _rating(engine, c) if by_rating else _parts(engine, c, by_feature)
        of_rules = _of_rules(engine, scenario, user, row, c)
        parts["predicted_rating" if by_rating else "context"] -= sum(of_rules.values())
        parts |= of_rules
        if mark == HAD_BEFORE:
            parts["replacement"] = math.log(engine.decisions.trials.scenarios[scenario].replacement)
        if (
            not any(of_rules.values())
            and place == _BEHIND_THE_FIRST
            and query.scores[c] > ranked.scores[0][0] + _ROUNDED
        ):
            parts["clicked_last"] = ranked.scores[0][0] - float(query.scores[c])
        parts = {name: part for name, part in parts.items() if abs(part) > _NOTHING}
        answers.append(
            Explained(
                item_id=item,
                place=place,
                score=sum(parts.values()),
                reason=_reason(engine, c),
                by_source=parts,
                features=_features(engine, c, by_feature),
                rules=rules,
                absent=absent,
            )
        )
    return answers


def _of_list(
    engine: Engine, scenario: str, item: tuple[int, int], ranked: Ranked, at: tuple[int, int]
) -> dict[str, float]:
    """What makes the score of an item that no source has scored: the list that brought it, and rules.

    Args:
        engine: made the slate.
        scenario: its name.
        item: row of the user, and of the item.
        ranked: the slate.
        at: the item's place in it, and the mark of that.
    """
    user, row = item
    place, mark = at
    score = float(ranked.scores[0][place - 1])
    is_of_list = mark == RANKED or mark >= FALLBACK
    rotation = float(engine.fades(scenario, user, np.array([row], np.int32))[0]) if is_of_list else 0.0
    is_boosted = mark == RANKED and engine.decisions.trials.scenarios[scenario].logic not in OF_USER
    boosts = engine.scenes.boost(scenario, row) if is_boosted else 0.0
    parts = {"list": score - boosts - rotation, "boosts": boosts, "rotation": rotation}
    return {name: part for name, part in parts.items() if abs(part) > _NOTHING}


def _of_rules(engine: Engine, scenario: str, user: int, row: int, c: int) -> dict[str, float]:
    """What a scenario adds to a candidate's score."""
    return {
        "boosts": engine.scenes.boost(scenario, row),
        "rotation": float(engine.fades(scenario, user, np.array([row], np.int32))[0]),
        "rerank": float(engine.reranking.added[c]) if len(engine.reranking.added) else 0.0,
    }


def _by_feature(engine: Engine, ranker: RankerState, c: int) -> NDArray[np.float32]:
    """What each feature adds to a candidate's score.

    Where it stands the ranker is linear: a hidden unit above 0 counts as it is, another not at all.
    """
    query = engine.held.query
    slopes = ranker.linear + (ranker.out * (query.units[:, c] > 0)) @ ranker.hidden
    added: NDArray[np.float32] = slopes * query.features[:, c]
    return added


def _features(engine: Engine, c: int, by_feature: NDArray[np.float32]) -> dict[str, Part]:
    values = engine.held.query.features[:, c].tolist()
    parts = {feature_name(engine, j): Part(values[j], adds) for j, adds in enumerate(by_feature.tolist())}
    return {name: part for name, part in parts.items() if abs(part.adds) > _NOTHING}


def feature_name(engine: Engine, j: int) -> str:
    """Those behind the table's have the name of their source; a vector space has several."""
    if j < N_FEATURES:
        return FEATURES[j].name
    source_of = engine.held.rates.source_of
    name, number = engine.sources[source_of[j]], int(np.count_nonzero(source_of[:j] == source_of[j]))
    return f"{name} {SPACE_FEATURES[number]}" if name.startswith(SPACE_PREFIX) else name


def _parts(engine: Engine, c: int, by_feature: NDArray[np.float32]) -> dict[str, float]:
    """What makes a candidate's score, by source."""
    said = _by_source(engine, by_feature)
    parts = {name: float(part) for name, part in zip(engine.sources, said, strict=True)}
    parts["context"] = float(engine.held.query.scores[c]) - sum(parts.values())
    return parts


def _rating(engine: Engine, c: int) -> dict[str, float]:
    """Ratings are the score: no feature adds to it."""
    return {"predicted_rating": float(engine.held.query.scores[c])}


def _reason(engine: Engine, c: int) -> Reason:
    """As engine.fold.judge chooses it."""
    query = engine.held.query
    slopes, features = np.maximum(query.slopes, LEAST_SLOPE), query.features[:, : int(query.n_candidates[0])]
    says = _by_source(engine, slopes * features[:, c])
    lifts = np.where(says > 0, says - _by_source(engine, slopes * features.mean(axis=1)), -np.inf)
    because = int(query.because[c])
    from_item = because not in (NO_CODE, int(query.codes[c]))
    name = name_of(engine.state.items, because & ROW_MASK) if from_item else None
    return Reason(engine.sources[int(np.argmax(lifts[: engine.n_sources_in_use]))], name)


def _by_source(engine: Engine, by_feature: NDArray[np.float32]) -> NDArray[np.float32]:
    sums = np.zeros(len(engine.sources), np.float32)
    np.add.at(sums, engine.held.rates.source_of, by_feature)
    return sums
