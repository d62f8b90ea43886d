"""`dead-letters`: what could not be read, why, what its producer probably did, and the way back."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream_rec.cli.options import (
    ConfigFile,
    JsonFlag,
    Overrides,
    WrappingConsole,
    need_broker,
    read_settings,
    shown_bytes,
    shown_text,
)
from stream_rec.clock import SystemClock
from stream_rec.errors import ConfigError

if TYPE_CHECKING:
    from stream_rec.consumers.bridge.replay import Remapped
    from stream_rec.producers.replay.dead_letters import Replayed
    from stream_rec.schemas.records import DeadLetter
    from stream_rec.settings import Settings

_RAW_CHARACTERS = 300


@dataclass(slots=True)
class Kind:
    """Letters of one topic and reason.

    Attributes:
        count: how many.
        last: the newest.
    """

    count: int
    last: DeadLetter


@dataclass(slots=True)
class Summary:
    """What was read.

    Attributes:
        kinds: by topic and reason.
        last: the newest letters.
        shapes: of topics that the bridge reads.
    """

    kinds: dict[tuple[str, str], Kind] = field(default_factory=dict)
    last: deque[DeadLetter] = field(default_factory=deque)
    shapes: Mapping[str, str] = field(default_factory=dict)

    def add(self, letter: DeadLetter) -> None:
        """Count one."""
        kind = self.kinds.setdefault((letter.topic, letter.reason), Kind(0, letter))
        kind.count += 1
        kind.last = letter
        self.last.append(letter)

    @property
    def total(self) -> int:
        """Letters of all kinds."""
        return sum(kind.count for kind in self.kinds.values())


def dead_letters(
    tail: Annotated[bool, typer.Option("--tail", "-f", help="go on with what comes, until Ctrl-C")] = False,
    reason: Annotated[str, typer.Option(metavar="R", help="only those with this reason")] = "",
    limit: Annotated[int, typer.Option(min=0, max=100_000, help="letters shown one by one, the newest")] = 5,
    replay: Annotated[
        bool, typer.Option("--replay", help="publish them again to where they came from; does not ask")
    ] = False,
    as_json: JsonFlag = False,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Show messages that could not be read: counts by reason, hints, the newest ones. --json --tail: a line for each.

    --replay publishes whole ones again as they were, each message once, with its key and on its partition. Do so when
    what refused them is mended: a setting of `ingest`, a newer version. No event_id is learned twice. Those of the
    bridge's inputs are mapped by their shapes again, and published to our topics.
    """
    settings = read_settings(config, set_)
    need_broker(settings)
    _check(reason)
    try:
        _show(settings, reason, limit, as_json=as_json, tail=tail, replay=replay)
    except KeyboardInterrupt:
        return


def _check(reason: str) -> None:
    known = _meanings()
    if reason and reason not in known:
        raise ConfigError(f"there is no reason {reason!r}", fix=f"give one of: {', '.join(sorted(known))}")


def _meanings() -> dict[str, str]:
    """Of every reason: those of our topics, and those of shapes."""
    from stream_rec.schemas.validation import REASONS
    from stream_rec.shapes.messages import NO_RECORD

    return {**REASONS, **NO_RECORD}


def _show(settings: Settings, reason: str, limit: int, *, as_json: bool, tail: bool, replay: bool) -> None:
    from stream_rec.bus.dead_letters import TOPIC, follow_letters, read_letters
    from stream_rec.bus.lag import OffsetReader

    bounds = OffsetReader(settings.bus).bounds([TOPIC])
    summary = Summary(last=deque(maxlen=limit), shapes=settings.bridge.shapes)
    done = remapped = None
    letters = _counted(_wanted(read_letters(settings.bus, bounds), reason), summary)
    if replay:
        done, remapped = _replayed(letters, settings)
    else:
        deque(letters, maxlen=0)
    if not (as_json and tail):
        _print(summary, done, remapped, as_json=as_json)
    if not tail:
        return
    for batch in follow_letters(settings.bus, bounds):
        for letter in _wanted(batch, reason):
            if as_json:
                print(json.dumps(_plain(letter, settings.bridge.shapes)), flush=True)
            else:
                _print_letter(letter, settings.bridge.shapes)


def _wanted(letters: Iterable[DeadLetter], reason: str) -> Iterator[DeadLetter]:
    return (letter for letter in letters if not reason or letter.reason == reason)


def _counted(letters: Iterable[DeadLetter], summary: Summary) -> Iterator[DeadLetter]:
    for letter in letters:
        summary.add(letter)
        yield letter


def _replayed(letters: Iterable[DeadLetter], settings: Settings) -> tuple[Replayed, Remapped | None]:
    from stream_rec.producers.replay.dead_letters import replay_letters

    remapping = None
    if settings.bridge.inputs:
        from stream_rec.consumers.bridge.replay import Remapping

        remapping = Remapping(settings)
        letters = remapping.take(letters)
    done = replay_letters(letters, settings.bus, settings.ingest, SystemClock())
    return done, remapping.done if remapping else None


def _hint(letter: DeadLetter, shapes: Mapping[str, str]) -> str:
    from stream_rec.schemas.hints import hint

    return hint(
        letter.topic, letter.reason, letter.detail, letter.raw, letter.key, shapes.get(letter.topic, "NAME")
    )


def _plain(letter: DeadLetter, shapes: Mapping[str, str]) -> dict[str, Any]:
    import msgspec

    text = letter.raw.decode(errors="backslashreplace")
    built: dict[str, Any] = msgspec.to_builtins(letter)
    return {**built, "text": text, "hint": _hint(letter, shapes)}


def _print(summary: Summary, done: Replayed | None, remapped: Remapped | None, *, as_json: bool) -> None:
    if as_json:
        import msgspec

        kinds = [
            {"topic": topic, "reason": reason, "count": kind.count, "last": _plain(kind.last, summary.shapes)}
            for (topic, reason), kind in _ordered(summary)
        ]
        found: dict[str, Any] = {
            "letters": summary.total,
            "reasons": kinds,
            "newest": [_plain(letter, summary.shapes) for letter in summary.last],
        }
        if done is not None:
            found["replay"] = msgspec.to_builtins(done)
        if remapped is not None:
            found["bridge"] = msgspec.to_builtins(remapped)
        print(json.dumps(found, indent=2))
        return
    console = WrappingConsole()
    if not summary.total:
        console.line("no dead letters")
    for (topic, reason), kind in _ordered(summary):
        age = max(0.0, SystemClock().now() - kind.last.broker_ts / 1000)
        console.line(f"{topic}: {kind.count:,} {reason}, the last {_age(age)} ago", style="bold")
        _print_reason(console, kind.last, summary.shapes)
    if summary.last:
        console.line("")
        console.line("the newest:", style="bold")
    for letter in summary.last:
        _print_letter(letter, summary.shapes)
    if done is not None:
        _print_replay(console, done)
    if remapped is not None:
        _print_remapped(console, remapped)


def _ordered(summary: Summary) -> list[tuple[tuple[str, str], Kind]]:
    return sorted(summary.kinds.items(), key=lambda entry: -entry[1].count)


def _age(seconds: float) -> str:
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def _print_reason(console: WrappingConsole, letter: DeadLetter, shapes: Mapping[str, str]) -> None:
    console.line(_meanings().get(letter.reason, letter.reason), indent=2)
    if said := _hint(letter, shapes):
        console.line(f"hint: {shown_text(said).plain}", indent=2, style="yellow")


def _print_letter(letter: DeadLetter, shapes: Mapping[str, str]) -> None:
    from stream_rec.settings.masking import hidden

    console = WrappingConsole()
    cut = f", cut: {letter.raw_bytes:,} bytes" if letter.truncated else ""
    console.line(f"{letter.topic}/{letter.partition}/{letter.offset} {letter.reason}{cut}", style="bold")
    if letter.detail:
        console.line(shown_text(letter.detail).plain, indent=2, is_foreign=True)
    if said := _hint(letter, shapes):
        console.line(f"hint: {shown_text(said).plain}", indent=2, style="yellow")
    text = shown_bytes(letter.raw)
    more = "..." if len(text) > _RAW_CHARACTERS else ""
    console.line(hidden(shown_text(text[:_RAW_CHARACTERS]).plain) + more, indent=2, is_foreign=True)


def _print_replay(console: WrappingConsole, done: Replayed) -> None:
    console.line("")
    console.line(f"published again: {done.published:,}", style="bold")
    if done.still_refused:
        listed = ", ".join(f"{n:,} {reason}" for reason, n in done.still_refused.most_common())
        console.line(f"of these, as the settings are now, refused again: {listed}", indent=2)
    if done.repeats:
        console.line(f"left out, the same message more than once: {done.repeats:,}")
    if done.cut:
        more = ", ..." if done.cut > len(done.cut_places) else ""
        console.line(f"left out, only their beginning was kept: {done.cut:,}")
        console.line(f"{', '.join(done.cut_places)}{more}", indent=2)
        console.line("fix: raise ingest.dead_letter_raw_bytes for those to come", indent=2)
    if done.homeless:
        console.line(f"left out, their topic or partition is not there: {done.homeless:,}")
    for why, n in done.failed.most_common():
        console.line(f"refused by Kafka: {n:,}, {why}", style="red")


def _print_remapped(console: WrappingConsole, done: Remapped) -> None:
    console.line("")
    console.line(
        f"foreign messages mapped again: {done.messages:,}, {done.records:,} records published", style="bold"
    )
    if done.still_refused:
        listed = ", ".join(f"{n:,} {reason}" for reason, n in done.still_refused.most_common())
        console.line(f"refused again, as shapes and settings are now: {listed}", indent=2)
    if done.left_out:
        console.line(f"left out by their shapes now: {done.left_out:,}", indent=2)
    if done.cut:
        console.line(f"left out, only their beginning was kept: {done.cut:,}", indent=2)
