"""What goes over HTTP about one user, for both ends."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from stream_rec.sdk.wire import Properties


class HadItem(msgspec.Struct, frozen=True):
    """An item that the user has had.

    Attributes:
        item_id: the item.
        event_types: by events of which types (docs/event-types.md), conversions first; such as are in no table are left
            out.
        times: how often among the user's last events (`engine.history_length`); 0 = only before them.
    """

    item_id: str
    event_types: Sequence[str]
    times: int


class Interest(msgspec.Struct, frozen=True):
    """A tag of what the user has had.

    Attributes:
        tag: of items.
        share: of the user's last events, those with an item that has it: above 0, at most 1.
    """

    tag: str
    share: float


class History(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the engine knows of what a user did. All of it counts interest alone: no dislikes, nothing ignored.

    Attributes:
        n_events: that were learned; 0 = the user is unknown.
        n_session: of these, in the present session, the last one of the user.
        n_items: different items that the user is known to have had.
        items: of these, the latest first.
        interests: the most frequent first, 20 at most.
        last_seen: event time of the last event, seconds since the epoch; not given = there was none.
    """

    n_events: int
    n_session: int
    n_items: int
    items: Sequence[HadItem]
    interests: Sequence[Interest]
    last_seen: float | None = None


class StandingSlate(msgspec.Struct, frozen=True, omit_defaults=True):
    """A slate of the user's, as it stands in Redis.

    Attributes:
        scenario: where it is shown.
        slate_id: of impressions.
        n_items: in it.
        created_ts: when it was made, seconds since the epoch.
        age_seconds: how long ago that is.
        experiment: whose arm made it; not given = of none.
        variant: the arm.
    """

    scenario: str
    slate_id: str
    n_items: int
    created_ts: float
    age_seconds: float
    experiment: str | None = None
    variant: str | None = None


class InArm(msgspec.Struct, frozen=True):
    """An arm that the user's slates are of.

    Attributes:
        scenario: of the slates.
        experiment: whose arm.
        variant: the arm.
    """

    scenario: str
    experiment: str
    variant: str


class Profile(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of a user.

    Attributes:
        user_id: whose.
        slates: that stand in Redis, by scenario; none = the user is shown what newcomers are.
        arms: of experiments that the user is in; of a server that is not live, those of the slates.
        nevers: items that the user never wants to see again.
        history: what the engine knows; not given = only a live server does.
        stale: the event given as `after` was not learned in time.
        properties: with `fields`: of each item of the history, what its record says.
    """

    user_id: str
    slates: Sequence[StandingSlate]
    arms: Sequence[InArm]
    nevers: Sequence[str]
    history: History | None = None
    stale: bool = False
    properties: dict[str, Properties] | None = None
