"""What an engine knows of a user, as it goes over the wire."""

from __future__ import annotations

from stream_rec.engine.answering.profile import Profile as Known
from stream_rec.engine.answering.profile import profile
from stream_rec.engine.engine import Engine
from stream_rec.sdk.profile import HadItem, History, InArm, Interest, Profile


def history(engine: Engine, user_id: str, n: int) -> History:
    """What the user did, n items at most."""
    return _history(profile(engine, user_id, n))


def profile_of(engine: Engine, user_id: str, n: int) -> Profile:
    """All that the engine knows; slates are for the caller to add."""
    known = profile(engine, user_id, n)
    return Profile(user_id, (), [InArm(*each) for each in known.arms], known.nevers, _history(known))


def _history(known: Known) -> History:
    return History(
        known.n_events,
        known.n_session,
        known.n_items,
        [HadItem(*each) for each in known.items],
        [Interest(*each) for each in known.interests],
        known.last_seen,
    )
