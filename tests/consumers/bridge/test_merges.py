"""Which sign-ins the bridge writes as merges: on paper, on a real broker, and down to the account's history."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest

from stream_rec.bus.decisions import last_of_each, read_decisions
from stream_rec.bus.topics import ensure_topics
from stream_rec.clock import ManualClock
from stream_rec.consumers.bridge.bridge import Bridge
from stream_rec.consumers.bridge.merges import (
    FORGOTTEN,
    IN_FORCE,
    OF_ACCOUNT,
    OF_ANOTHER,
    OF_MANY,
    Merges,
)
from stream_rec.consumers.bridge.replay import Remapping
from stream_rec.consumers.worker import Worker
from stream_rec.engine.answering.profile import profile
from stream_rec.engine.engine import Engine
from stream_rec.errors import ConfigError
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.schemas.decisions import ERASURE, MERGE, Decision, Merge, merge_of, name_about
from stream_rec.schemas.records import Control, DeadLetter
from stream_rec.serve.forget import Forgetter
from stream_rec.settings import BridgeSettings, Settings
from stream_rec.shapes.messages import SignIn
from stream_rec.store.reader import Reader
from tests.consumers.bridge.bridging import (
    behind,
    bridged,
    in_thread,
    make_topic,
    one_input,
    run_to_end,
    send,
)
from tests.consumers.bridge.test_inside import SLOW_SECONDS
from tests.consumers.serving import SMALL, serve
from tests.reading import messages
from tests.waiting import wait_until, wait_until_async

NOW = 1_700_000_000.0
DAY = 86_400.0
SHAPE = {"web": {"preset": "segment", "merge": True}}


def book(**bounds: Any) -> tuple[Merges, ManualClock]:
    clock = ManualClock(NOW)
    return Merges(BridgeSettings(**bounds), clock), clock


def ask(merges: Merges, visitor: str, user: str, seconds: float = NOW) -> str:
    return merges.why_not(SignIn(visitor, user), seconds)


def decided(kind: str, about: str, user: str = "", at: float = NOW, *, is_back: bool = False) -> Decision:
    body = None if is_back else Merge(user)
    return Decision(0, int(at * 1000), kind, name_about(about), body, b"")


def test_a_pair_that_is_in_force_is_not_written_again_by_whomever_it_was_written() -> None:
    merges, _ = book()
    assert [ask(merges, "c-1", "ann") for _ in range(3)] == ["", IN_FORCE, IN_FORCE]
    merges.learn(decided(MERGE, "c-2", "bob"))
    assert ask(merges, "c-2", "bob") == IN_FORCE


def test_it_is_written_again_for_what_the_visitor_did_since_but_only_so_often() -> None:
    merges, clock = book(merge_again_seconds=60)
    merges.acted("c-1")
    assert ask(merges, "c-1", "ann") == ""
    clock.advance(61)
    assert ask(merges, "c-1", "ann") == IN_FORCE  # nothing was done since
    merges.acted("c-1")
    assert ask(merges, "c-1", "ann") == ""
    merges.acted("c-1")
    clock.advance(59)
    assert ask(merges, "c-1", "ann") == IN_FORCE
    clock.advance(2)
    assert ask(merges, "c-1", "ann") == ""


def test_a_visitor_who_is_somebody_is_not_made_another_and_a_shared_browser_is_merged_no_more() -> None:
    merges, clock = book(merge_again_seconds=0)
    assert [ask(merges, "c-1", user) for user in ("ann", "bob", "ann")] == ["", OF_ANOTHER, IN_FORCE]
    merges.acted("c-1")
    clock.advance(DAY)
    assert ask(merges, "c-1", "ann") == IN_FORCE
    assert ask(merges, "c-2", "bob") == ""


def test_people_may_move_the_visitor_and_then_the_bridge_follows() -> None:
    merges, _ = book()
    ask(merges, "c-1", "ann")
    merges.learn(decided(MERGE, "c-1", "bob"))
    assert [ask(merges, "c-1", user) for user in ("bob", "ann")] == [IN_FORCE, OF_ANOTHER]
    merges.learn(decided(MERGE, "c-1", is_back=True))
    assert ask(merges, "c-1", "ann") == ""


def test_an_account_is_no_visitor_so_there_are_no_circles() -> None:
    merges, _ = book()
    assert ask(merges, "c-1", "ann") == ""
    assert [ask(merges, "ann", user) for user in ("bob", "c-1")] == [OF_ACCOUNT] * 2
    assert ask(merges, "c-2", "c-1") == ""  # by way of another
    assert ask(merges, "c-1", "c-2") == OF_ACCOUNT


def test_an_id_with_very_many_visitors_gets_no_more() -> None:
    merges, _ = book(visitors_per_user=2)
    assert [ask(merges, f"c-{n}", "kiosk") for n in range(4)] == ["", "", OF_MANY, OF_MANY]
    assert ask(merges, "c-3", "ann") == ""


def test_a_message_from_before_somebody_was_forgotten_merges_nobody() -> None:
    merges, _ = book()
    merges.learn(decided(ERASURE, "ann", at=NOW))
    assert ask(merges, "c-1", "ann", NOW - 1) == FORGOTTEN
    merges.learn(decided(ERASURE, "c-2", at=NOW))
    assert ask(merges, "c-2", "bob", NOW) == FORGOTTEN
    assert ask(merges, "c-1", "ann", NOW + 1) == ""
    merges.learn(decided(ERASURE, "c-2", is_back=True))
    assert ask(merges, "c-2", "bob", NOW - 1) == ""


def test_what_may_not_have_arrived_is_written_again_and_what_was_seen_is_not() -> None:
    merges, _ = book()
    ask(merges, "c-1", "ann")
    ask(merges, "c-2", "bob")
    merges.learn(decided(MERGE, "c-1", "ann"))
    merges.unsure()
    assert [ask(merges, visitor, user) for visitor, user in (("c-1", "ann"), ("c-2", "bob"))] == [
        IN_FORCE,
        "",
    ]


def test_the_book_is_bounded_and_what_falls_out_of_it_is_written_once_more() -> None:
    merges, _ = book(known_merges=3)
    for n in range(10):
        merges.acted(f"somebody-{n}")
        merges.learn(decided(ERASURE, f"x-{n}"))
        assert ask(merges, f"c-{n}", f"u-{n}") == ""
    assert len(merges) == 3
    assert ask(merges, "c-9", "u-9") == IN_FORCE
    assert ask(merges, "c-0", "u-0") == ""
    assert ask(merges, "y", "x-0", NOW - 1) == ""  # the erasure is not remembered either
    assert {each: len(getattr(merges, each)) for each in ("_erased", "_acting", "_n_visitors")} == {
        "_erased": 3,
        "_acting": 3,
        "_n_visitors": 3,
    }


def test_what_is_unusual_is_said_once_in_a_while_and_without_ids(capsys: pytest.CaptureFixture[str]) -> None:
    merges, clock = book()
    for user in ("ann", "bob", "cid"):
        ask(merges, "c-1", user)
    said = "".join(capsys.readouterr())
    assert said.count("sign-ins are not merged") == 1
    assert "shared browser" in said and "bob" not in said
    clock.advance(601)
    merges.tell_held_back()
    assert "n=1" in "".join(capsys.readouterr())


def viewed(visitor: str, item: str, user: str | None = None) -> dict[str, Any]:
    return {
        "type": "track",
        "event": "Product Viewed",
        "messageId": f"{visitor}-{item}",
        "anonymousId": visitor,
        "userId": user,
        "timestamp": "2023-11-14T22:13:20Z",
        "properties": {"product_id": item},
    }


def identify(visitor: str, user: str | None) -> dict[str, Any]:
    return {"type": "identify", "messageId": "m", "anonymousId": visitor, "userId": user, "traits": {}}


def shop(settings: Settings, values: Iterable[dict[str, Any]], **bridge: Any) -> tuple[Settings, str]:
    """A topic of one partition with these messages, and a bridge's settings."""
    bus = settings.bus
    topic = make_topic(bus.bootstrap, f"{bus.prefix}shop", 1)
    send(bus.bootstrap, topic, values)
    return bridged(settings, SHAPE, bridge={**one_input(topic, "web"), **bridge}), topic


def controls(settings: Settings) -> list[tuple[bytes, str, str]]:
    """Key, user and author of every merge that was written."""
    found = []
    for message in messages(settings.bus, "control"):
        record = msgspec.json.decode(message.value(), type=Control)
        found.append((message.key(), record.body["user_id"], record.by))
    return found


def test_a_sign_in_is_written_as_the_command_writes_it_and_repeats_do_not_flood_the_topic(
    tansu_settings: Settings,
) -> None:
    values = [
        viewed("c-1", "tea"),
        *[identify("c-1", "ann")] * 50,
        identify("c-2", None),
        identify("c-3", "null"),
    ]
    settings, topic = shop(tansu_settings, values)
    bridge = run_to_end(settings)
    assert controls(settings) == [(b"merge/" + name_about("c-1").encode(), "ann", "bridge/one")]
    last = last_of_each(read_decisions(settings.bus, settings.ingest))
    assert last[MERGE, name_about("c-1")].body == Merge("ann")
    one = bridge.inputs[topic]
    assert one.records == {"events": 1, "control": 1}
    assert one.left_out == {IN_FORCE: 49, "no_merge": 2}
    assert not one.dead_letters

    send(
        settings.bus.bootstrap,
        topic,
        [identify("c-1", "ann"), identify("c-1", "bob"), identify("c-4", "bob")],
    )
    again = run_to_end(settings)  # another process: it knows from the topic what is in force
    assert [user for _, user, _ in controls(settings)] == ["ann", "bob"]
    assert again.inputs[topic].left_out == {IN_FORCE: 1, OF_ANOTHER: 1}


def test_merges_of_others_count_while_the_bridge_is_at_work(tansu_settings: Settings) -> None:
    settings, topic = shop(tansu_settings, [])
    ensure_topics(settings.bus)
    with in_thread(settings) as bridge:
        with Publisher(settings.bus, settings.ingest) as publisher:
            publisher.publish(merge_of("c-1", "ann", NOW))
        book = bridge._merges
        assert book is not None
        wait_until(lambda: len(book) == 1, 60, "the merge to be known")
        send(settings.bus.bootstrap, topic, [identify("c-1", "ann"), identify("c-1", "bob")])
        wait_until(lambda: bridge.inputs[topic].n_messages == 2, 60, "both to be read")
    assert bridge.inputs[topic].left_out == {IN_FORCE: 1, OF_ANOTHER: 1}
    assert len(controls(settings)) == 1


def test_who_was_forgotten_is_not_merged_by_a_topic_that_is_read_again(tansu_settings: Settings) -> None:
    settings, topic = shop(tansu_settings, [identify("c-1", "ann")])
    run_to_end(settings)
    reader = Reader(settings.store)
    Forgetter(settings, reader).forget("ann", wait_seconds=0)
    reader.close()
    read_again = bridged(settings, bridge={"group": "again"})
    assert run_to_end(read_again).inputs[topic].left_out == {FORGOTTEN: 1}
    send(settings.bus.bootstrap, topic, [identify("c-1", "ann")])  # ann is back
    run_to_end(settings)
    last = last_of_each(read_decisions(settings.bus, settings.ingest))
    assert last[MERGE, name_about("c-1")].body == Merge("ann")


def test_without_merges_in_the_shape_or_in_to_none_are_made(tansu_settings: Settings) -> None:
    bus = tansu_settings.bus
    topic = make_topic(bus.bootstrap, f"{bus.prefix}shop", 1)
    send(bus.bootstrap, topic, [identify("c-1", "ann"), viewed("c-1", "tea")])
    for shape, to in (("segment", []), ("web", ["events"])):
        run_to_end(bridged(tansu_settings, SHAPE, bridge={**one_input(topic, shape, to=to), "group": shape}))
    assert messages(bus, "control") == []
    refused = bridged(tansu_settings, SHAPE, bridge=one_input(topic, "segment", to=["merges"]))
    with pytest.raises(ConfigError, match="the shape segment makes no merges") as error:
        Bridge(refused)
    assert "merge = true" in error.value.fix


def test_a_dead_letter_that_is_replayed_makes_its_merge_unless_it_is_in_force(
    tansu_settings: Settings,
) -> None:
    settings, topic = shop(tansu_settings, [])
    ensure_topics(settings.bus)
    raw = json.dumps(identify("c-1", "ann")).encode()
    letters = [
        DeadLetter(topic, 0, n, int(NOW * 1000), "wrong_type", "", raw, len(raw), False) for n in range(2)
    ]
    remapping = Remapping(settings)
    assert list(remapping.take(letters)) == []
    assert (remapping.done.records, remapping.done.left_out) == (1, 1)
    assert [user for _, user, _ in controls(settings)] == ["ann"]


def test_what_a_browser_did_before_the_login_is_the_accounts_history_afterwards(
    tansu_settings: Settings,
) -> None:
    values = [
        viewed("c-1", "tea"),
        viewed("c-1", "cup"),
        identify("c-1", "ann"),
        viewed("c-1", "pot", "ann"),
        viewed("c-9", "jug"),
    ]
    settings, _ = shop(tansu_settings, values, in_worker=True)
    engine = Engine(SMALL)

    def items_of(user: str) -> list[str]:
        return sorted(each.item_id for each in profile(engine, user, 10).items)

    async def until_merged(worker: Worker) -> None:
        def is_merged() -> bool:
            assert not worker.parts.shutdown.failed, worker.parts.shutdown.failure
            return items_of("ann") == ["cup", "pot", "tea"]

        await wait_until_async(is_merged, 2 * SLOW_SECONDS, "ann to have the browser's history")

    assert serve(settings, engine, until_merged) == 0
    assert items_of("c-1") == []
    assert items_of("c-9") == ["jug"]
    assert behind(settings) == 0
