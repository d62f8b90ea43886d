"""A bridge on a real broker: what is published, under which key, and what is committed."""

from __future__ import annotations

import threading

import msgspec
import pytest

from stream_rec.bus.lag import ends
from stream_rec.consumers.bridge.bridge import Bridge
from stream_rec.consumers.bridge.replay import Remapping
from stream_rec.errors import ConfigError
from stream_rec.kernels.murmur2 import partition_of
from stream_rec.schemas.columns import IdColumn
from stream_rec.schemas.records import DeadLetter, Impression, Interaction
from stream_rec.settings import Settings
from tests.consumers.bridge.bridging import behind, bridged, clicks, make_topic, one_input, run_to_end, send
from tests.reading import messages, records

LETTER = DeadLetter("events", 0, 1, 2, "not_json", "", b"x", 1, truncated=False)
METARANK = [
    {"event": "ranking", "id": "r1", "timestamp": "1700000000000", "user": "u1", "session": "s1",
     "items": [{"id": "a"}, {"id": "b"}]},
    {"event": "interaction", "type": "click", "id": "c1", "timestamp": "1700000001000", "user": "u1",
     "session": "s1", "item": "b", "ranking": "r1"},
    {"event": "item", "id": "m1", "timestamp": "1700000000000", "item": "a",
     "fields": [{"name": "title", "value": "A"}]},
]  # fmt: skip


def test_every_message_becomes_its_event_once_and_is_committed(tansu_settings: Settings) -> None:
    bus = tansu_settings.bus
    topic = make_topic(bus.bootstrap, f"{bus.prefix}shop")
    send(bus.bootstrap, topic, clicks(3_000))
    settings = bridged(tansu_settings, bridge=one_input(topic))

    bridge = run_to_end(settings)

    events = records(bus, "events", Interaction)
    assert sorted(event.item_id for event in events) == sorted(f"i{i}" for i in range(3_000))
    assert len({event.event_id for event in events}) == 3_000
    assert {event.event_id.rsplit("/", 3)[0] for event in events if event.event_id} == {topic}
    assert behind(settings) == 0
    assert bridge.inputs[topic].records == {"events": 3_000}


def test_events_stand_in_the_partition_of_their_user(tansu_settings: Settings) -> None:
    bus = tansu_settings.bus
    topic = make_topic(bus.bootstrap, f"{bus.prefix}shop")
    send(bus.bootstrap, topic, clicks(200))

    run_to_end(bridged(tansu_settings, bridge=one_input(topic)))

    found = messages(bus, "events")
    users = [msgspec.json.decode(message.value(), type=Interaction).user_id for message in found]
    assert [message.key() for message in found] == [user.encode() for user in users]
    expected = partition_of(IdColumn.of(users), len(ends(bus, "events")))
    assert [message.partition() for message in found] == expected.tolist()


def test_one_shape_makes_events_items_and_impressions(tansu_settings: Settings) -> None:
    bus = tansu_settings.bus
    topic = make_topic(bus.bootstrap, f"{bus.prefix}metarank", 1)
    send(bus.bootstrap, topic, METARANK)

    run_to_end(bridged(tansu_settings, bridge=one_input(topic, "metarank")))

    [event] = records(bus, "events", Interaction)
    assert (event.user_id, event.item_id, event.event_type) == ("u1", "b", "click")
    [shown] = records(bus, "impressions", Impression)
    assert shown.items == ("a", "b")
    [item] = messages(bus, "items")
    assert item.key() == b"a"
    assert messages(bus, "dead-letters") == []


def test_to_leaves_out_what_the_shape_could_make(tansu_settings: Settings) -> None:
    bus = tansu_settings.bus
    topic = make_topic(bus.bootstrap, f"{bus.prefix}metarank", 1)
    send(bus.bootstrap, topic, METARANK)

    run_to_end(bridged(tansu_settings, bridge=one_input(topic, "metarank", to=["events"])))

    assert len(messages(bus, "events")) == 1
    assert messages(bus, "items") == []


def test_a_message_that_cannot_be_read_is_a_dead_letter_with_its_place(tansu_settings: Settings) -> None:
    bus = tansu_settings.bus
    topic = make_topic(bus.bootstrap, f"{bus.prefix}shop", 1)
    send(bus.bootstrap, topic, [*clicks(1), b"not json", {"user_id": "u1", "ts": 1_700_000_000}, None])
    settings = bridged(tansu_settings, bridge=one_input(topic))

    bridge = run_to_end(settings)

    letters = records(bus, "dead-letters", DeadLetter)
    assert [(one.topic, one.partition, one.offset, one.reason) for one in letters] == [
        (topic, 0, 1, "not_json"),
        (topic, 0, 2, "missing_field"),
    ]
    assert letters[0].raw == b"not json"
    assert bridge.inputs[topic].left_out == {"tombstone": 1}
    assert bridge.inputs[topic].dead_letters == {"not_json": 1, "missing_field": 1}
    assert behind(settings) == 0


def test_a_restarted_bridge_goes_on_where_the_first_one_was(tansu_settings: Settings) -> None:
    bus = tansu_settings.bus
    topic = make_topic(bus.bootstrap, f"{bus.prefix}shop")
    settings = bridged(tansu_settings, bridge=one_input(topic))
    send(bus.bootstrap, topic, clicks(300))
    run_to_end(settings)
    send(bus.bootstrap, topic, clicks(300, first=300))
    run_to_end(settings)
    assert sorted(event.item_id for event in records(bus, "events", Interaction)) == sorted(
        f"i{i}" for i in range(600)
    )


def test_an_input_that_begins_with_the_latest_reads_what_comes_and_nothing_before(
    tansu_settings: Settings,
) -> None:
    bus = tansu_settings.bus
    topic = make_topic(bus.bootstrap, f"{bus.prefix}shop", 1)
    # One batch: the embedded broker names the beginning of the last batch as the end.
    send(bus.bootstrap, topic, clicks(1))
    settings = bridged(tansu_settings, bridge=one_input(topic, begin="latest"))
    run_to_end(settings)
    send(bus.bootstrap, topic, clicks(10, first=100))
    run_to_end(settings)
    found = {event.item_id for event in records(bus, "events", Interaction)}
    assert found == {f"i{i}" for i in range(100, 110)}


def test_a_missing_topic_is_a_config_error_that_names_those_there_are(tansu_settings: Settings) -> None:
    bus = tansu_settings.bus
    make_topic(bus.bootstrap, f"{bus.prefix}shop")
    settings = bridged(tansu_settings, bridge=one_input(f"{bus.prefix}shopp"))
    with pytest.raises(ConfigError, match=rf"no topic {bus.prefix}shopp \(bridge.inputs.one\)"):
        Bridge(settings).run(threading.Event())


def test_dead_letters_are_mapped_again_once_the_shape_is_mended(tansu_settings: Settings) -> None:
    """The foreign topic is not written, and letters of our own topics go their way."""
    bus = tansu_settings.bus
    topic = make_topic(bus.bootstrap, f"{bus.prefix}shop", 1)
    send(bus.bootstrap, topic, [{"who": "u", "what": "i", "ts": 1_700_000_000}, b"no json"])
    run_to_end(bridged(tansu_settings, bridge=one_input(topic)))
    mended = bridged(
        tansu_settings,
        {"mine": {"events": {"user_id": "who", "item_id": "what", "ts": "ts"}}},
        bridge=one_input(topic, "mine"),
    )

    remapping = Remapping(mended)
    others = list(remapping.take([*records(bus, "dead-letters", DeadLetter), LETTER]))

    assert others == [LETTER]
    assert (remapping.done.messages, remapping.done.records) == (1, 1)
    assert remapping.done.still_refused == {"not_json": 1}
    [event] = records(bus, "events", Interaction)
    assert (event.user_id, event.event_id) == ("u", f"{topic}/0/0/0")
