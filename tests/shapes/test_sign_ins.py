"""Messages that say that a visitor is a user, and when a shape makes merges of them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from stream_rec.errors import ConfigError
from stream_rec.settings import ShapeSettings
from stream_rec.shapes.mapper import compile_shape
from stream_rec.shapes.messages import Mapped, RawMessage, Refused, SignIn
from stream_rec.shapes.presets import merges_of, presets, resolve
from tests.shapes.test_several_types import guessed, message

OWN = {"visitor_id": "cookie", "user_id": "account"}
AT = "2023-11-14T22:13:20Z"


def become(shape: ShapeSettings, body: dict[str, Any]) -> list[Mapped]:
    return compile_shape(shape).records(RawMessage(msgspec.json.encode(body), topic="t"))


@pytest.mark.parametrize(
    ("preset", "body"),
    [
        ("segment", {"type": "identify", "userId": "ann", "anonymousId": "c-1", "traits": {}}),
        ("segment", {"type": "alias", "userId": "ann", "previousId": "c-1"}),
        ("rudderstack", {"type": "identify", "userId": "ann", "anonymousId": "c-1"}),
        ("segment-batch", {"batch": [{"type": "identify", "userId": "ann", "anonymousId": "c-1"}]}),
        ("posthog", {"event": "$identify", "distinct_id": "ann", "properties": {"$anon_distinct_id": "c-1"}}),
        ("posthog", {"event": "$create_alias", "distinct_id": "ann", "properties": '{"alias": "c-1"}'}),
        (
            "mixpanel",
            {"event": "$identify", "properties": {"distinct_id": "ann", "$anon_distinct_id": "c-1"}},
        ),
        ("mixpanel", {"event": "$identify", "properties": {"$identified_id": "ann", "$anon_id": "c-1"}}),
        ("mixpanel", {"event": "$create_alias", "properties": {"alias": "ann", "distinct_id": "c-1"}}),
        ("snowplow", {"user_id": "ann", "domain_userid": "c-1", "event": "page_view"}),
        ("ga4", {"user_id": "ann", "user_pseudo_id": "c-1", "event_name": "login"}),
        ("matomo", {"userId": "ann", "visitorId": "c-1", "idVisit": 3}),
        ("google-retail", {"userInfo": {"userId": "ann"}, "visitorId": "c-1", "eventType": "home-page-view"}),
    ],
)
def test_what_trackers_say_at_login_is_a_merge_if_the_shape_wants_it_and_nothing_if_it_does_not(
    preset: str, body: dict[str, Any]
) -> None:
    assert become(ShapeSettings(preset=preset, merge=True), body) == [SignIn("c-1", "ann")]
    assert not any(isinstance(one, SignIn) for one in become(ShapeSettings(preset=preset), body))


def test_every_preset_that_has_merges_is_tried_above() -> None:
    ready = {name for name, one in presets().items() if not one.refused and merges_of(name)}
    assert ready == {
        "segment", "segment-batch", "rudderstack", "posthog", "mixpanel", "snowplow", "snowplow-tsv", "ga4", "matomo",
        "google-retail",
    }  # fmt: skip


def test_mixpanels_device_is_merged_under_the_id_that_its_events_had() -> None:
    shape = ShapeSettings(preset="mixpanel", merge=True)
    of = {"time": 1_700_000_000, "product_id": "i", "$device_id": "7", "$insert_id": "x"}
    seen = {"event": "Product Viewed", "properties": {**of, "distinct_id": "$device:7"}}
    [event] = become(shape, seen)
    known = {"event": "Product Viewed", "properties": {**of, "distinct_id": "ann", "$user_id": "ann"}}
    *_, sign_in = become(shape, known)
    assert sign_in == SignIn(event.user_id, "ann")  # type: ignore[union-attr]


def test_snowplows_rows_of_tabs_are_read_likewise() -> None:
    columns = resolve(ShapeSettings(preset="snowplow-tsv"), "s").columns
    given = {"user_id": "ann", "domain_userid": "c-1"}
    row = "\t".join(given.get(name, "") for name in columns).encode()
    mapper = compile_shape(ShapeSettings(preset="snowplow-tsv", merge=True))
    assert mapper.records(RawMessage(row, topic="t")) == [SignIn("c-1", "ann")]


def test_a_table_of_the_shapes_own_needs_no_switch_and_a_presets_is_changed_entry_by_entry() -> None:
    own = ShapeSettings(merges=OWN)
    assert become(own, {"cookie": "c-1", "account": 17}) == [SignIn("c-1", "17")]
    changed = ShapeSettings(preset="segment", merges={"user_id": "traits.login"})
    body = {"type": "identify", "anonymousId": "c-1", "userId": "x", "traits": {"login": "ann"}}
    assert become(changed, body) == [SignIn("c-1", "ann")]
    assert not resolve(changed.model_copy(update={"merge": False}), "s").merges


def test_merges_are_off_if_the_switch_says_so_and_a_switch_without_a_table_is_refused() -> None:
    off = ShapeSettings(preset="segment", merge=False, merges={"user_id": "traits.login"})
    assert not resolve(off, "s").merges
    with pytest.raises(ConfigError, match="merge = true, and nothing says which ids are of one person"):
        resolve(ShapeSettings(preset="adressa", merge=True), "s")
    with pytest.raises(ConfigError, match="does not say what user_id is"):
        compile_shape(ShapeSettings(merges={"visitor_id": "cookie"}))


@pytest.mark.parametrize(
    ("body", "field", "detail"),
    [
        ({"account": "ann"}, "visitor_id", "there is no visitor_id"),
        ({"cookie": "c-1", "account": None}, "user_id", "there is no user_id"),
        ({"cookie": "c-1", "account": ""}, "user_id", "there is no user_id"),
        ({"cookie": "undefined", "account": "ann"}, "visitor_id", "'undefined' stands for nobody"),
        ({"cookie": "c-1", "account": "NULL"}, "user_id", "'NULL' stands for nobody"),
        ({"cookie": "c-1", "account": 0}, "user_id", "'0' stands for nobody"),
        ({"cookie": "c-1", "account": "Guest"}, "user_id", "'Guest' stands for nobody"),
        ({"cookie": "[object Object]", "account": "a"}, "visitor_id", "'[object Object]' stands for nobody"),
        ({"cookie": "ann", "account": "ann"}, "visitor_id", "both ids are the same"),
        ({"cookie": 17, "account": "17"}, "visitor_id", "both ids are the same"),
    ],
)
def test_two_ids_that_are_not_a_visitor_and_a_user_are_left_out_and_no_dead_letter(
    body: dict[str, Any], field: str, detail: str
) -> None:
    [found] = become(ShapeSettings(merges=OWN), body)
    assert found == Refused("no_merge", field, detail)
    assert found.is_meant


@pytest.mark.parametrize("account", [{"id": 1}, True, [1]])
def test_what_cannot_be_an_id_is_a_dead_letter(account: Any) -> None:
    [found] = become(ShapeSettings(merges=OWN), {"cookie": "c-1", "account": account})
    assert isinstance(found, Refused)
    assert (found.reason, found.field, found.is_meant) == ("wrong_type", "user_id", False)


def test_a_message_may_be_an_event_and_a_merge() -> None:
    events = {"user_id": "account || cookie", "item_id": "sku", "ts": "at"}
    shape = ShapeSettings(events=events, merges=OWN)
    event, sign_in = become(shape, {"account": "ann", "cookie": "c-1", "sku": "tea", "at": AT})
    assert (event.user_id, sign_in) == ("ann", SignIn("c-1", "ann"))  # type: ignore[union-attr]
    [alone] = become(shape, {"cookie": "c-1", "sku": "tea", "at": AT})
    assert alone.user_id == "c-1"  # type: ignore[union-attr]


def test_a_topic_with_accounts_and_cookies_has_merges_ready_and_off() -> None:
    found = guessed(message("productViewed", sku="a"), message("addedToCart", 123, sku="a"))
    assert found.merges == {"visitor_id": "visitor.cookieId", "user_id": "visitor.customerNo"}
    assert "merges" not in found.settings
    apart = [{"customerNo": 1, "sku": "a", "ts": AT}, {"cookieId": "c", "sku": "a", "ts": AT}]
    assert guessed(*apart).merges == {}
