"""The table of topics and handlers is whole, and agrees with the table of topics."""

from __future__ import annotations

from stream_rec.consumers.topology import FIRST, ROUTES, WHOLE_BEFORE_JOINING
from stream_rec.engine.engine import Engine
from stream_rec.schemas.topics import FOLLOWED, TOPICS


def test_every_topic_that_workers_read_has_a_route_and_no_other() -> None:
    assert set(ROUTES) == set(FOLLOWED)


def test_what_a_handler_publishes_are_topics_that_workers_do_not_read() -> None:
    for route in ROUTES.values():
        assert set(route.publishes) <= set(TOPICS) - set(FOLLOWED)
        assert "dead-letters" in route.publishes


def test_what_a_handler_teaches_are_methods_of_the_engine() -> None:
    for route in ROUTES.values():
        assert all(callable(getattr(Engine, method)) for method in route.teaches)


def test_a_worker_knows_the_whole_catalogue_all_decisions_and_all_vectors_before_it_joins() -> None:
    assert {"items", "control", "vectors"} == WHOLE_BEFORE_JOINING


def test_nothing_is_learned_before_what_was_decided() -> None:
    assert {"control"} == FIRST
