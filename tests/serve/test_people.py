"""Forgetting and merging where no worker runs: what the log says afterwards, and what the receipt does."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from stream_rec.bus.decisions import last_of_each, read_decisions
from stream_rec.bus.topics import ensure_topics
from stream_rec.errors import ConfigError
from stream_rec.kernels.ids import hash_id
from stream_rec.schemas.codec import encode
from stream_rec.schemas.decisions import ERASURE, MERGE, Merge, hash_name
from stream_rec.schemas.records import DeadLetter
from stream_rec.schemas.topics import key_of
from stream_rec.serve.forget import Forgetter, IsAUserNow
from stream_rec.serve.merge import merge
from stream_rec.settings import Settings
from stream_rec.store.reader import Reader
from tests.consumers.publishing import publish
from tests.reading import messages


@pytest.fixture
def reader(tansu_settings: Settings) -> Iterator[Reader]:
    ensure_topics(tansu_settings.bus)
    found = Reader(tansu_settings.store)
    yield found
    found.close()


def letter(offset: int, raw: bytes, key: bytes | None = None) -> DeadLetter:
    return DeadLetter("events", 0, offset, 1_700_000_000_000, "not_json", "", raw, len(raw), False, key)


def test_dead_letters_that_hold_the_id_are_overruled_and_others_stay(
    tansu_settings: Settings, reader: Reader
) -> None:
    letters = [letter(1, b'{"user_id": "ann"'), letter(2, b"bob"), letter(3, b"", b"ann")]
    publish(tansu_settings.bus, "dead-letters", [(key_of(each), encode(each)) for each in letters])
    forgetter = Forgetter(tansu_settings, reader)
    (planned,) = [store for store in forgetter.plan("ann").stores if store.name == "dead-letters"]
    assert planned.removed.startswith("2 letters")
    assert len(messages(tansu_settings.bus, "dead-letters")) == 3
    receipt = forgetter.forget("ann", wait_seconds=0)
    (told,) = [store for store in receipt.stores if store.name == "dead-letters"]
    assert told.removed.startswith("2 letters")
    assert told.until > 0
    last = {message.key(): message.value() for message in messages(tansu_settings.bus, "dead-letters")}
    assert [last[key_of(each)] is None for each in letters] == [True, False, True]


def test_a_merge_is_a_decision_about_the_visitor(tansu_settings: Settings, reader: Reader) -> None:
    done = merge(tansu_settings, reader, "visitor", "ann", wait_seconds=0)
    name = hash_name(hash_id("visitor"))
    assert (done.visitor_hash, done.workers, done.silent) == (name, {}, ())
    found = last_of_each(read_decisions(tansu_settings.bus, tansu_settings.ingest))[MERGE, name]
    assert (found.offset, found.body) == (done.offset, Merge("ann"))
    with pytest.raises(ConfigError, match="the same user"):
        merge(tansu_settings, reader, "ann", "ann", wait_seconds=0)


def test_who_became_the_user_by_way_of_another_is_forgotten_too(
    tansu_settings: Settings, reader: Reader
) -> None:
    """The record of the first merge names the second visitor by id."""
    for visitor, user in (("tablet", "phone"), ("phone", "eve"), ("laptop", "ann")):
        merge(tansu_settings, reader, visitor, user, wait_seconds=0)
    forgetter = Forgetter(tansu_settings, reader)
    planned = {store.name: store.removed for store in forgetter.plan("eve").stores}
    assert "and of 2 visitors" in planned["control"] and "snapshots" in planned
    forgetter.forget("eve", wait_seconds=0)
    last = last_of_each(read_decisions(tansu_settings.bus, tansu_settings.ingest))
    left = {name for kind, name in last if kind == MERGE}
    erased = {name for kind, name in last if kind == ERASURE}
    assert hash_name(hash_id("laptop")) in left
    assert not left & {hash_name(hash_id(each)) for each in ("tablet", "phone")}
    assert erased >= {hash_name(hash_id(each)) for each in ("eve", "tablet", "phone")}


def test_a_visitor_who_became_a_user_is_not_forgotten_alone(tansu_settings: Settings, reader: Reader) -> None:
    """The history is the user's now: a replay would learn less of it than was learned."""
    merge(tansu_settings, reader, "tablet", "ann", wait_seconds=0)
    forgetter = Forgetter(tansu_settings, reader)
    for ask in (forgetter.plan, partial(forgetter.forget, wait_seconds=0)):
        with pytest.raises(IsAUserNow, match="visitor tablet became the user ann") as refused:
            ask("tablet")
        assert refused.value.fix.endswith("stream-rec forget ann")
    forgetter.forget("ann", wait_seconds=0)
    assert Forgetter(tansu_settings, reader).forget("tablet", wait_seconds=0).offset > 0
