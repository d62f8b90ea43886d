"""Questions that need the engine, or load as much: each is answered by a process that ends with the answer.

So the page itself stays small, and a slow question never makes it slow. Settings go over standard input: they may
hold secrets.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from stream_rec import logs
from stream_rec.errors import ConfigError, StreamRecError, Unavailable
from stream_rec.settings import Settings

if TYPE_CHECKING:
    from stream_rec.engine.engine import Engine

ANSWER_SECONDS = 300.0
"""A log without a snapshot is learned whole."""

Kind = Literal["preview", "explain", "rank", "vectors", "snapshots", "doctor"]
NEAREST = 8
"""Items of each vector space."""


class Question(msgspec.Struct, frozen=True):
    """What is asked.

    Attributes:
        kind: which.
        settings: of everything.
        user_id: of `preview`, `explain` and `rank`.
        scenario: of `explain` and `rank`.
        text: of `preview`: scenarios in TOML.
        items: of `rank`: ids; of `vectors`: one.
    """

    kind: Kind
    settings: dict[str, Any]
    user_id: str = ""
    scenario: str = ""
    text: str = ""
    items: tuple[str, ...] = ()


class Answer(msgspec.Struct, frozen=True):
    """What was found, or what is wrong.

    Attributes:
        found: by kind, see `_ANSWERS`.
        error: empty = nothing is wrong.
        fix: what to do about it.
    """

    found: Any = None
    error: str = ""
    fix: str = ""


class EngineProcess:
    """Asks, one question at a time: each takes a core.

    Args:
        settings: of everything.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._asking = asyncio.Lock()

    async def ask(
        self, kind: Kind, *, user_id: str = "", scenario: str = "", text: str = "", items: Sequence[str] = ()
    ) -> Any:
        """The answer, as `_ANSWERS` gives it.

        Raises:
            ConfigError: what is wrong, as the process says it.
            Unavailable: it has not answered within ANSWER_SECONDS, or has ended without an answer.
        """
        settings = self._settings.model_dump(mode="json")
        question = msgspec.json.encode(Question(kind, settings, user_id, scenario, text, tuple(items)))
        async with self._asking:
            raw = await self._run(question)
        try:
            answer = msgspec.json.decode(raw.splitlines()[-1] if raw else b"", type=Answer)
        except msgspec.DecodeError as error:
            raise Unavailable("page", "the engine's process gave no answer; its log says more") from error
        if answer.error:
            raise ConfigError(answer.error, fix=answer.fix or "correct it, and ask again")
        return answer.found

    async def _run(self, question: bytes) -> bytes:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "stream_rec.page.engine_process",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return (await process.communicate(question))[0]
        except TimeoutError as error:
            raise Unavailable("page", f"no answer within {ANSWER_SECONDS:.0f} s") from error
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


def _preview(settings: Settings, question: Question) -> Any:
    """Effects of scenarios on a user's slates: `engine.preview.Preview` each."""
    from stream_rec.clock import SystemClock
    from stream_rec.engine.steering.preview import preview
    from stream_rec.history.time_travel.rebuild import present
    from stream_rec.producers.scenarios.file import read_text

    wanted = read_text(question.text, "line")
    return preview(present(settings, SystemClock()).engine, question.user_id, wanted)


def _engine(settings: Settings, scenario: str) -> Engine:
    """As it is now, with the scenario's rules compiled."""
    from stream_rec.clock import SystemClock
    from stream_rec.history.time_travel.rebuild import present

    engine = present(settings, SystemClock()).engine
    if scenario not in engine.decisions.scenarios:
        raise ConfigError(f"no scenario {scenario!r}", fix="choose another")
    engine.compile_rules()
    return engine


def _explain(settings: Settings, question: Question) -> Any:
    """Why items stand where they stand: `engine.explain.Explained` each."""
    from stream_rec.engine.answering.explain import explain

    engine = _engine(settings, question.scenario)
    slate = engine.recommend([question.user_id], scenario=question.scenario).items[0]
    return explain(engine, question.user_id, slate, question.scenario)


def _rank(settings: Settings, question: Question) -> Any:
    """Given items, best first, and what makes their scores; those that may not be shown are left out."""
    from stream_rec.engine.answering.at_request import AtRequest
    from stream_rec.engine.answering.explain import explain

    engine = _engine(settings, question.scenario)
    found = AtRequest(engine).rank(question.items, question.user_id, (), question.scenario)
    known = [each.item_id for each in found if each.is_known]
    made = {
        each.item_id: each.by_source for each in explain(engine, question.user_id, known, question.scenario)
    }
    return [
        {
            "item_id": each.item_id,
            "score": each.score,
            "is_known": each.is_known,
            "by_source": made.get(each.item_id, {}),
        }
        for each in found
    ]


def _vectors(settings: Settings, question: Question) -> Any:
    """Spaces that an item is in: `engine.spaces.nearby.Nearby` each."""
    from stream_rec.clock import SystemClock
    from stream_rec.engine.spaces.nearby import nearby
    from stream_rec.history.time_travel.rebuild import present

    return nearby(present(settings, SystemClock()).engine, question.items[0], NEAREST)


def _snapshots(settings: Settings, _: Question) -> Any:
    """Newest first: `SnapshotInfo` each, without positions."""
    from stream_rec.history.snapshots.store import SnapshotStore

    if not settings.snapshot.url:
        return []
    names = ("name", "created", "n_events", "size", "problem")
    return [{name: getattr(each, name) for name in names} for each in SnapshotStore(settings.snapshot).list()]


def _doctor(settings: Settings, _: Question) -> Any:
    """Findings of the doctor, with their areas."""
    from stream_rec.doctor import examine
    from stream_rec.settings.masking import hidden

    return [
        {"area": area, "status": each.status, "what": hidden(each.what), "fix": hidden(each.fix)}
        for area, each in examine(settings)
    ]


_ANSWERS: Mapping[Kind, Any] = {
    "preview": _preview,
    "explain": _explain,
    "rank": _rank,
    "vectors": _vectors,
    "snapshots": _snapshots,
    "doctor": _doctor,
}


def main() -> None:
    """Read a question, write the answer."""
    logs.configure("warning", as_json=False)
    question = msgspec.json.decode(sys.stdin.buffer.read(), type=Question)
    try:
        found = _ANSWERS[question.kind](Settings.model_validate(question.settings), question)
        answer = Answer(msgspec.to_builtins(found))
    except StreamRecError as error:
        fix = error.fix if isinstance(error, ConfigError) else ""
        answer = Answer(error=error.message if isinstance(error, ConfigError) else str(error), fix=fix)
    sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")


if __name__ == "__main__":
    main()
