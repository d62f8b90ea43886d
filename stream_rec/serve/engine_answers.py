"""What is asked of an engine in a process of its own (`engine_process`). Nothing of the engine is loaded before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stream_rec.clock import SystemClock
from stream_rec.errors import ConfigError
from stream_rec.serve.engine_process import Question
from stream_rec.settings import Settings

if TYPE_CHECKING:
    from stream_rec.engine.engine import Engine

NEAREST = 8
"""Items of each vector space."""


def preview(settings: Settings, question: Question) -> Any:
    """What `question.scenarios` would do for a user: `engine`, in words, and `sdk.preview.ScenarioPreview` each."""
    from stream_rec.history.time_travel.rebuild import present
    from stream_rec.schemas.scenario_check import scenario_of
    from stream_rec.serve.previews import learned, previews

    wanted = {name: scenario_of(body) for name, body in question.scenarios.items()}
    rebuilt = present(settings, SystemClock())
    found = previews(rebuilt.engine, question.user_id, wanted, SystemClock().now())
    return {"engine": learned(rebuilt), "scenarios": found}


def profile(settings: Settings, question: Question) -> Any:
    """What the engine knows of a user: `sdk.profile.History`."""
    from stream_rec.history.time_travel.rebuild import present
    from stream_rec.serve.profiles import history

    return history(present(settings, SystemClock()).engine, question.user_id, question.n)


def explain(settings: Settings, question: Question) -> Any:
    """Why items stand where they stand: `engine.answering.explain.Explained` each."""
    from stream_rec.engine.answering.explain import explain as explained

    engine = _engine(settings, question.scenario)
    slate = engine.recommend([question.user_id], scenario=question.scenario).items[0]
    return explained(engine, question.user_id, slate, question.scenario)


def rank(settings: Settings, question: Question) -> Any:
    """Given items, best first, and what makes their scores; those that may not be shown are left out."""
    from stream_rec.engine.answering.at_request import RANKED, AtRequest
    from stream_rec.engine.answering.explain import explain as explained

    engine = _engine(settings, question.scenario)
    found = AtRequest(engine).rank(question.items, question.user_id, (), question.scenario)
    known = [each.item_id for each in found if each.reason == RANKED]
    made = {
        each.item_id: each.by_source for each in explained(engine, question.user_id, known, question.scenario)
    }
    return [
        {
            "item_id": each.item_id,
            "score": each.score,
            "is_known": each.reason == RANKED,
            "by_source": made.get(each.item_id, {}),
        }
        for each in found
    ]


def vectors(settings: Settings, question: Question) -> Any:
    """Spaces that an item is in: `engine.spaces.nearby.Nearby` each."""
    from stream_rec.engine.spaces.nearby import nearby
    from stream_rec.history.time_travel.rebuild import present

    return nearby(present(settings, SystemClock()).engine, question.items[0], NEAREST)


def snapshots(settings: Settings, _: Question) -> Any:
    """Newest first: `SnapshotInfo` each, without positions."""
    from stream_rec.history.snapshots.store import SnapshotStore

    if not settings.snapshot.url:
        return []
    names = ("name", "created", "n_events", "size", "problem")
    return [{name: getattr(each, name) for name in names} for each in SnapshotStore(settings.snapshot).list()]


def _engine(settings: Settings, scenario: str) -> Engine:
    """As it is now, with the scenario's rules compiled."""
    from stream_rec.history.time_travel.rebuild import present

    engine = present(settings, SystemClock()).engine
    if scenario not in engine.decisions.scenarios:
        raise ConfigError(f"no scenario {scenario!r}", fix="choose another")
    engine.compile_rules()
    return engine
