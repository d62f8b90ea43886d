"""Slates of users who may be in arms of experiments: dealt out, made arm by arm, and put together again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.engine.answering.recommend import Recommender
from stream_rec.engine.answering.tried import Part, encoded_by_hand, interleaved, joined, joined_encoded
from stream_rec.engine.arms.ranker import ArmRanker
from stream_rec.engine.fold.slates import Asked as OfIndexes
from stream_rec.engine.fold.slates import Rules
from stream_rec.engine.results import Encoded, Ranked
from stream_rec.engine.steering.scenes import Ruled
from stream_rec.engine.steering.trials import NOBODY, Dealt

if TYPE_CHECKING:
    from stream_rec.engine.answering.outputs import Filled
    from stream_rec.engine.answering.queries import Queries


class Asked(NamedTuple):
    """Who asks for slates.

    Attributes:
        rows: int32 [n], of the users.
        hashes: uint64 [n].
        scenario: whose slates.
        k: another length.
        near: what the indexes say of them; None = they have not been asked.
    """

    rows: NDArray[np.int32]
    hashes: NDArray[np.uint64]
    scenario: str
    k: int | None = None
    near: OfIndexes | None = None

    def only(self, places: NDArray[np.int64]) -> Asked:
        """Some of them."""
        near = self.near and OfIndexes._make(array[places] for array in self.near)
        return self._replace(rows=self.rows[places], hashes=self.hashes[places], near=near)


class ByArm:
    """Makes slates by arm. Reads only.

    Args:
        queries: the engine.
        recommender: ranks by the engine's own ranker.
        fill: makes slates by one recommender under rules.
    """

    def __init__(
        self,
        queries: Queries,
        recommender: Recommender,
        fill: Callable[
            [NDArray[np.int32], NDArray[np.uint64], Ruled | Rules, Recommender, OfIndexes | None], Filled
        ],
    ) -> None:
        self._of = queries
        self._fill = fill
        self._recommender = recommender
        self._own: dict[ArmRanker, Recommender] = {}

    def ranked(self, asked: Asked) -> Ranked:
        """Slates, named."""
        if not self._of.decisions.trials.touches(asked.scenario):
            return self._ranked(asked)
        return self._joined(asked, self._which(asked))

    def encoded(self, asked: Asked) -> Encoded:
        """Slates, as they are stored."""
        if not self._of.decisions.trials.touches(asked.scenario):
            return self._encoded(asked)
        parts = []
        asked = self._near(asked)
        for some, pair in self._groups(asked.scenario, self._which(asked)):
            of_arm = asked.only(some)
            if len(pair) > 1:
                mixed = self._mixed(some, of_arm, pair)
                parts.append(Part(some, encoded_by_hand(mixed.ranked), mixed.dealt))
            else:
                parts.append(Part(some, self._encoded(of_arm, *pair), pair[0] if pair else None))
        return joined_encoded(parts, len(asked.rows))

    def in_arm(self, asked: Asked, experiment: str, arm: str) -> Ranked:
        """In an arm that the caller names, whoever is in it.

        Raises:
            KeyError: no experiment of this name (empty = of any) has such an arm in this scenario now.
        """
        at = self._of.decisions.trials.named(asked.scenario, experiment, arm)
        return self._joined(asked, np.full(len(asked.rows), at, np.int64))

    def dealt(self, asked: Asked) -> Dealt | None:
        """The arm that the slates of the first of them are of; None = of none."""
        trials = self._of.decisions.trials
        if not trials.touches(asked.scenario):
            return None
        at = int(self._which(asked)[0])
        return None if at == NOBODY else trials.arms_of(asked.scenario)[at]

    def own_ranker(self, scenario: str, arm: Dealt | None) -> ArmRanker | None:
        """The arm's own, else the one that was shipped last in the scenario; None = the engine's."""
        whose = (arm.experiment, arm.arm) if arm is not None and arm.ranks else None
        whose = whose or self._of.decisions.trials.shipped_rankers.get(scenario)
        return self._of.arms.of(*whose) if whose is not None else None

    def _which(self, asked: Asked) -> NDArray[np.int64]:
        rows = asked.rows
        returning = (rows >= 0) & (self._of.state.histories.session_start[rows] > 0)
        return self._of.decisions.trials.deal(asked.scenario, asked.hashes, returning)

    def _near(self, asked: Asked) -> Asked:
        """The indexes are asked once for the users of all arms: who is in which makes no difference to them."""
        self._of.scenes.follow(self._of.decisions.trials.scenarios)
        if not self._of.scenes.asks_all(asked.scenario):
            return asked
        return asked._replace(near=self._recommender.ask(asked.rows, asked.hashes))

    def _groups(
        self, scenario: str, which: NDArray[np.int64]
    ) -> Iterator[tuple[NDArray[np.int64], tuple[Dealt, ...]]]:
        """Places of users who are in the same arm, and the arm; none, or both of a mixed slate.

        While the rules of one arm are still being compiled, the experiment has no slates at all: those of the others
        would have users alone, and a sample ratio that no assignment has broken.
        """
        trials = self._of.decisions.trials
        arms = trials.arms_of(scenario)
        self._of.scenes.follow(trials.scenarios)
        for at in np.unique(which).tolist():
            pair: tuple[Dealt, ...] = ()
            if at != NOBODY:
                mixed = [each for each in arms if each.mixed and each.experiment == arms[at].experiment]
                pair = tuple(mixed) or (arms[at],)
                same = [each for each in arms if each.experiment == arms[at].experiment]
                if not all(self._of.scenes.masks.is_in_force(each.scenario) for each in same):
                    pair = ()
            yield np.flatnonzero(which == at), pair

    def _joined(self, asked: Asked, which: NDArray[np.int64]) -> Ranked:
        parts = []
        asked = self._near(asked)
        for some, pair in self._groups(asked.scenario, which):
            of_arm = asked.only(some)
            if len(pair) > 1:
                parts.append(self._mixed(some, of_arm, pair))
            else:
                parts.append(Part(some, self._ranked(of_arm, *pair), pair[0] if pair else None))
        return joined(parts, len(asked.rows)) if parts else self._ranked(asked)

    def _mixed(self, users: NDArray[np.int64], asked: Asked, pair: tuple[Dealt, ...]) -> Part[Ranked]:
        """Two arms in one slate; the coins are the user's own, and others after each event."""
        control, arm = pair
        a, b = (self._ranked(asked, each) for each in pair)
        seeds = asked.hashes ^ np.uint64(self._of.n_learned)
        both = control._replace(arm=f"{control.arm}+{arm.arm}", share=1.0)
        return Part(users, interleaved(a, b, seeds, (control.arm, arm.arm)), both)

    def _ranked(self, asked: Asked, arm: Dealt | None = None) -> Ranked:
        filled, recommender, upto = self._made(asked, arm)
        return recommender.named(filled, upto)

    def _encoded(self, asked: Asked, arm: Dealt | None = None) -> Encoded:
        filled, recommender, upto = self._made(asked, arm)
        return replace(recommender.encoded(filled), rules_upto=upto)

    def _made(self, asked: Asked, arm: Dealt | None) -> tuple[Filled, Recommender, int | None]:
        """Slates of a scenario, as an arm has it."""
        under = arm.scenario if arm is not None else asked.scenario
        rules, ranker = self._of.rules_of(under, asked.k), self.own_ranker(asked.scenario, arm)
        recommender = self._recommender_of(ranker)
        # Who hears other sources asks other indexes.
        near = None if ranker is not None and ranker.hears_others else asked.near
        filled = self._fill(asked.rows, asked.hashes, rules, recommender, near)
        return filled, recommender, self._of.rules_upto(under)

    def _recommender_of(self, ranker: ArmRanker | None) -> Recommender:
        if ranker is None:
            return self._recommender
        if ranker not in self._own:
            there = self._of.arms.all().values()
            self._own = {each: own for each, own in self._own.items() if each in there}
            self._own[ranker] = self._of.recommender(ranker)
        return self._own[ranker]
