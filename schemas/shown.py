"""From the items of an answer to the impression that says they were shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from stream_rec.schemas.records import DEFAULT_SCENARIO, Impression, SlateItem


class ShownSlate(NamedTuple):
    """What a reader has got and shows to a user.

    Attributes:
        items: best first.
        slate_id: of the slate; empty = it is nobody's, and who shows it must give it an id.
        scenario: where it is shown.
        variant: arm of an experiment, as the slate names it; None = of none.
        experiment: the experiment, as the slate names it.
    """

    items: Sequence[SlateItem]
    slate_id: str
    scenario: str = DEFAULT_SCENARIO
    variant: str | None = None
    experiment: str | None = None

    def impression(self, user_id: str, ts: float) -> Impression:
        """That it was shown to the user at a time (seconds). Propensities and teams: of all items, or not given.

        Where the slate says propensities, an item without one was no matter of chance: 1.
        """
        explored = any(each.propensity is not None for each in self.items)
        chances = [1.0 if each.propensity is None else each.propensity for each in self.items]
        teams = tuple([each.team for each in self.items if each.team is not None])
        return Impression(
            self.slate_id,
            user_id,
            ts,
            tuple([each.item_id for each in self.items]),
            self.scenario,
            tuple(chances) if explored else None,
            self.variant,
            self.experiment,
            teams if teams and len(teams) == len(self.items) else None,
        )
