"""Topics of several event types in one's own words: where each has its item, its price, and who has done it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest

from stream_rec.schemas.records import Interaction
from stream_rec.settings import Settings, ShapeSettings
from stream_rec.shapes.event_names import built_in, closest, takes_back, words_of
from stream_rec.shapes.listed_types import FURTHER, MAX_NAMED, ListedTypes
from stream_rec.shapes.mapper import compile_shape
from stream_rec.shapes.messages import RawMessage, Unread
from stream_rec.shapes.sampling import Guess, of_messages

AT = "2026-11-30T10:11:12.345+01:00"
KNOWN = Settings().engine.event_types
LINES = [{"sku": "001", "quantity": 2, "unitPrice": 4.5}, {"sku": "002", "quantity": 1, "unitPrice": 7.0}]


def message(kind: str, customer: int | None = None, **payload: Any) -> dict[str, Any]:
    visitor = {"cookieId": "c-1", "customerNo": customer}
    return {"eventName": kind, "visitor": visitor, "occurredAt": AT, "payload": payload}


def shop() -> list[dict[str, Any]]:
    return [
        *(message("productViewed", sku="001", listPrice=12.9) for _ in range(6)),
        message("addedToCart", 123, sku="001", listPrice=12.9),
        message("wishlistAdded", 123, sku="001"),
        message("orderReturned", 123, sku="001", amount=4.5),
        *(message("orderPlaced", 123, orderNo=f"o{n}", lines=LINES) for n in range(3)),
        *(message("pageViewed") for _ in range(4)),
        message("newsletterSignedUp"),
    ]


def guessed(*messages: dict[str, Any]) -> Guess:
    found = of_messages(
        [RawMessage(msgspec.json.encode(one), topic="t", offset=n) for n, one in enumerate(messages)]
    )
    found.name_types(KNOWN)
    return found


def events(found: Guess, kind: str) -> list[Interaction]:
    return [one for one in found.records if isinstance(one, Interaction) and one.event_type == kind]


def test_items_of_orders_stand_in_their_lines_with_a_price_each() -> None:
    found = guessed(*shop())
    fields = found.settings["events"]
    assert fields["item_id"] == "payload.sku || payload.lines[].sku"
    assert fields["value"].split(" || ")[-1] == "payload.lines[].unitPrice"
    bought = events(found, "purchase")
    assert [(one.item_id, one.value) for one in bought] == [("001", 4.5), ("002", 7.0)] * 3
    assert [(one.item_id, one.value) for one in events(found, "cart")] == [("001", 12.9)]
    assert any("payload.lines[].sku gives the items of orderPlaced 3" in said for said in found.remarks)


def test_a_price_of_the_whole_order_is_none_of_a_line() -> None:
    orders = [message("orderPlaced", 7, price=99.0, lines=LINES) for _ in range(3)]
    found = guessed(*orders, message("productViewed", sku="001", price=12.9))
    assert {one.value for one in events(found, "purchase")} == {4.5, 7.0}
    assert [one.value for one in events(found, "view")] == [12.9]


def test_so_it_is_where_the_whole_orders_price_has_a_decimal_comma_or_words() -> None:
    orders = [
        message("orderPlaced", 7, price=price, lines=LINES) for price in ("99,00", "99,00", "on request")
    ]
    found = guessed(*orders, message("productViewed", sku="001", price="12,90"))
    assert {one.value for one in events(found, "purchase")} == {4.5, 7.0}
    assert [one.value for one in events(found, "view")] == [12.9]


def test_who_is_logged_in_is_the_customer_and_who_is_not_the_cookie() -> None:
    found = guessed(*shop())
    assert found.settings["events"]["user_id"] == "visitor.customerNo || visitor.cookieId"
    assert {one.user_id for one in events(found, "purchase")} == {"123"}
    assert {one.user_id for one in events(found, "view")} == {"c-1"}
    assert any("docs/your-data.md" in said and "(6 of 17)" in said for said in found.remarks)


@pytest.mark.parametrize(
    ("users", "path"),
    [
        ([{"cookieId": "c", "customerNo": 1}, {"cookieId": "d", "customerNo": 2}], None),
        (
            [{"customer_id": "a", "session_id": "s"}, {"customer_id": "", "session_id": "t"}],
            "customer_id || session_id",
        ),
        (
            [
                {"user_id": "a", "seller": {"account_id": "x"}},
                {"user_id": None, "seller": {"account_id": "x"}},
            ],
            "user_id",
        ),
        ([{"visitor_id": "v", "seller": {"account_id": "x"}}, {"visitor_id": "v"}], "visitor_id"),
    ],
)
def test_a_second_user_is_named_only_where_the_first_is_not_there(
    users: list[dict[str, Any]], path: str | None
) -> None:
    found = guessed(*({**user, "sku": "x", "timestamp": AT} for user in users))
    user = found.settings["events"]["user_id"]
    assert user == path or (path is None and " || " not in user)


def test_event_names_become_ours_by_their_words_and_what_they_do_not_say_is_said() -> None:
    found = guessed(*shop())
    ours = {"productViewed": "view", "orderPlaced": "purchase", "addedToCart": "cart"}
    assert found.settings["types"] == ours
    assert found.kinds == {"view": 6, "purchase": 6, "cart": 1, "wishlistAdded": 1, "orderReturned": 1}
    [said] = [said for said in found.remarks if "stay as they are" in said]
    assert "wishlistAdded 1, orderReturned 1" in said and "also orderReturned" in said


def test_types_without_an_item_are_left_out_on_purpose() -> None:
    found = guessed(*shop())
    assert found.settings["events"]["keep"] == "not eventName in ['pageViewed', 'newsletterSignedUp']"
    assert [(key[0], n) for key, n in found.refused.items()] == [("not_kept", 5)]
    assert any("pageViewed 4, newsletterSignedUp 1" in said for said in found.remarks)


def test_lists_of_what_was_only_shown_make_no_events() -> None:
    listed = [message("productListViewed", products=LINES) for _ in range(3)]
    found = guessed(*listed, *(message("productViewed", sku="001") for _ in range(3)))
    assert found.settings["events"]["item_id"] == "payload.sku"
    assert found.kinds == {"view": 3}
    assert found.settings["events"]["keep"] == "not eventName in ['productListViewed']"


def test_orders_whose_items_are_nowhere_are_refused_by_name_and_not_left_out() -> None:
    found = guessed(
        *(message("productViewed", sku="1") for _ in range(3)), message("orderPlaced", 1, basket="z")
    )
    assert "keep" not in found.settings["events"]
    assert found.refused_types("missing_field", "item_id") == "orderPlaced 1"
    assert any("orderPlaced 1 have no item at payload.sku" in said for said in found.remarks)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("productViewed", "view"), ("page_view", "view"), ("PDP_VIEW", None), ("Product Viewed", "view"),
        ("addedToCart", "cart"), ("add_to_cart", "cart"), ("ADD_TO_BASKET", "cart"), ("cart", "cart"),
        ("orderPlaced", "purchase"), ("Order Completed", "purchase"), ("checkout.completed", "purchase"),
        ("buy", "purchase"), ("productClicked", "click"), ("item.rated", "rating"),
        ("removedFromCart", None), ("cartViewed", None), ("checkoutStarted", None), ("orderReturned", None),
        ("orderShipped", None), ("productListViewed", None), ("wishlistAdded", None), ("", None), ("XMLView", None),
    ],
)  # fmt: skip
def test_an_event_name_is_one_of_ours_only_if_every_word_fits(name: str, kind: str | None) -> None:
    assert built_in(name) == kind


def test_names_are_compared_by_their_words() -> None:
    assert words_of("XMLHttp_request.sent 2x") == ("xml", "http", "request", "sent", "2x")
    assert closest("productView", ["orderPlaced", "productViewed"]) == "productViewed"
    assert closest("productView", ["orderPlaced"]) is None
    assert [takes_back(name) for name in ("orderReturned", "unliked", "orderPlaced", "likedItem")] == [
        True,
        True,
        False,
        False,
    ]


def test_a_price_that_was_paid_back_is_negative_whichever_sign_it_has() -> None:
    returned = "when(eventName == 'orderReturned', negative(payload.amount)) || payload.amount"
    events = {"user_id": "visitor.cookieId", "item_id": "payload.sku", "ts": "occurredAt", "value": returned}
    mapper = compile_shape(ShapeSettings(events=events))

    def value(kind: str, amount: Any) -> list[Any]:
        given = msgspec.json.encode(message(kind, sku="a", amount=amount))
        return [
            one.value if isinstance(one, Interaction) else type(one)
            for one in mapper.records(RawMessage(given))
        ]

    assert [value("orderReturned", amount) for amount in (4.5, -4.5, "4.5", None)] == [[-4.5]] * 3 + [[None]]
    assert value("orderReturned", "4,5 EUR") == [None, Unread]
    assert value("orderPlaced", 4.5) == [4.5]


def test_names_that_are_not_listed_are_told_with_their_numbers_and_misspelt_entries_by_what_came() -> None:
    own = {"productView": "view", "orderPlaced": "purchase", "refundMade": "refund"}
    shape = ShapeSettings(types=own, other_types="leave_out")
    seen = Counter({"productViewed": 2900, "pageViewed": 371, "orderPlaced": 20})
    listed = ListedTypes.of(shape, own, seen)
    assert listed.left_out == {"productViewed": 2900, "pageViewed": 371}
    assert listed.absent == {"productView": "productViewed", "refundMade": ""}
    assert listed.misspelt == "productView (did you mean productViewed?)"
    kept = ListedTypes.of(ShapeSettings(types=own), own, seen)
    assert (kept.left_out, kept.misspelt) == ({}, listed.misspelt)
    many = ListedTypes.of(shape, (), Counter({f"kind{n}": 2 for n in range(30)}))
    assert len(many.left_out) == MAX_NAMED + 1 and many.left_out[FURTHER] == 20
