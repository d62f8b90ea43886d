"""What the catalogue says of an item stands in columns by its row, bounded, for as long as the item has the row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_rec.engine.catalogue.attributes import TITLE_BYTES, number_of_text
from stream_rec.engine.engine import Engine
from stream_rec.engine.names import n_rows, rows_of
from stream_rec.kernels.columns import MAX_COLUMNS, MAX_ENTRIES, NO_TEXT
from stream_rec.schemas.columns import IdColumn
from stream_rec.schemas.records import Item
from stream_rec.schemas.scenario_reads import KnownNames
from tests.engine.worlds import change, click, engine, known_items, learn, random_log

SHOE = Item(
    "shoe",
    title="A shoe",
    tags=("shoes", "sale"),
    price=19.99,
    owner="acme",
    available_from=-86_400.0,
    available_until=4e9,
    attributes={"size": (41, 42.5), "vegan": True, "colour": "red", "weight": 0.3, "none": None, "empty": ()},
)


def row_of(e: Engine, item: str) -> int:
    return int(rows_of(e.state.items, IdColumn.of([item]))[0])


def of(e: Engine, item: str) -> dict[str, Any]:
    return e.attributes.of(row_of(e, item))


def copied(e: Engine, **bounds: object) -> Engine:
    other = engine(**bounds)
    other.restore({name: array.copy() for name, array in e.snapshot().items()}, e.position)
    return other


def test_the_names_that_items_have_are_known_and_no_others() -> None:
    e = engine()
    click(e, ("u", "plain", 1000.0))
    assert e.attributes.known_names() == KnownNames(0, (), 0, 0, 1, (), ("plain",))
    change(e, SHOE, Item("tagless", attributes={"colour": "blue"}))
    colours = ("colour", "empty", "size", "vegan", "weight")
    given = ("available_from", "available_until", "owner", "owner_items", "price", "tags", "title")
    known = e.attributes.known_names()
    assert (known.items, known.names) == (2, tuple(sorted((*colours, *given))))
    change(e, Item("shoe", price=2.0))
    assert e.attributes.known_names().names == ("colour", "price")


def test_it_is_counted_how_catalogue_and_events_fit_together() -> None:
    e = engine()
    change(e, Item("1"), Item("2", available=False), Item("3"))
    click(e, *(("u", item, 1000.0 + n) for n, item in enumerate(("1", "01", "02", "03", "04"))))
    known = e.attributes.known_names()
    assert (known.items, known.available, known.with_events, known.strangers) == (3, 2, 1, 4)
    assert (known.examples, known.strange) == (("2", "3"), ("01", "02", "03"))
    change(e, Item("03"))
    known = e.attributes.known_names()
    assert (known.items, known.available, known.with_events, known.strangers) == (4, 3, 2, 3)


def test_all_that_a_record_says_can_be_asked_for() -> None:
    e = engine()
    click(e, ("u", "shoe", 1000.0), ("u", "other", 1060.0))
    change(e, SHOE)
    assert of(e, "shoe") == {
        "id": "shoe",
        "title": "A shoe",
        "tags": ["shoes", "sale"],
        "owner": "acme",
        "owner_items": 1.0,
        "price": 19.99,
        "available_from": -86_400.0,
        "available_until": 4e9,
        "first_seen": 1000.0,
        "age": 60.0,
        "attributes": {"size": [41.0, 42.5], "vegan": True, "colour": "red", "weight": 0.3, "empty": []},
    }


def test_an_item_without_a_record_has_its_id_and_its_age() -> None:
    e = engine()
    click(e, ("u", "plain", 1000.0))
    nothing: dict[str, Any] = {"title": "", "owner": "", "tags": [], "attributes": {}}
    assert of(e, "plain") == {"id": "plain", "first_seen": 1000.0, "age": 0.0} | nothing


def test_a_record_is_all_that_is_known_and_a_removal_takes_it_away() -> None:
    e = engine()
    change(e, SHOE, Item("shoe", owner="acme"))
    assert (of(e, "shoe")["owner"], of(e, "shoe")["attributes"], of(e, "shoe")["tags"]) == ("acme", {}, [])
    change(e, "shoe")
    assert of(e, "shoe")["owner"] == ""
    assert e.stats()["catalogue_texts"] == 0


def test_rows_that_changed_since_a_version_are_told() -> None:
    e = engine()
    click(e, ("u", "a", 1.0), ("u", "b", 2.0))
    change(e, SHOE)
    version = e.attributes.version
    assert e.attributes.changed_since(version).tolist() == []
    click(e, ("u", "a", 3.0), ("u", "new", 4.0))
    change(e, Item("b", price=1.0))
    assert e.attributes.changed_since(version).tolist() == sorted([row_of(e, "b"), row_of(e, "new")])
    assert len(e.attributes.changed_since(0)) == 4


def test_what_gets_the_row_of_an_evicted_item_knows_nothing_of_it() -> None:
    e = engine(max_items=16)
    change(e, *[Item(f"c{n}", owner=f"o{n}", attributes={"a": f"t{n}"}) for n in range(16)])
    version = e.attributes.version
    click(e, *[("u", f"x{n}", 1000.0 + n) for n in range(16)])
    assert all(item.startswith("x") for item in known_items(e))
    assert {str(of(e, f"x{n}")["attributes"]) for n in range(16)} == {"{}"}
    assert (e.stats()["catalogue_texts"], len(e.attributes.changed_since(version))) == (0, 16)


def test_texts_have_one_number_wherever_they_stand() -> None:
    e = engine()
    change(e, Item("a", owner="acme", tags=("x",)), Item("b", tags=("acme",)))
    own, number = e.state.columns, number_of_text(e.state, "acme")
    assert own.owner[row_of(e, "a")] == own.values[row_of(e, "b"), 0] == number != NO_TEXT
    assert number_of_text(e.state, "unheard of") == number_of_text(e.state, "") == NO_TEXT


def test_a_long_title_is_cut_between_characters() -> None:
    e = engine()
    change(e, Item("a", title="x" + "é" * TITLE_BYTES))
    assert of(e, "a")["title"] == "x" + "é" * ((TITLE_BYTES - 1) // 2)


def test_what_there_is_no_room_for_is_left_out_and_counted() -> None:
    e = engine(max_texts=16)
    many: dict[str, Any] = {f"n{n}": float(n) for n in range(MAX_COLUMNS + 3)}
    change(e, Item("numbers", attributes=many))
    assert len(of(e, "numbers")["attributes"]) == 16  # a name is a text
    assert e.stats()["catalogue_left_out"] > 0
    roomy = engine()
    change(roomy, Item("numbers", attributes=many), Item("list", attributes={"n1": tuple(range(80))}))
    assert len(of(roomy, "numbers")["attributes"]) == MAX_COLUMNS
    assert of(roomy, "list")["attributes"]["n1"] == list(range(MAX_ENTRIES))
    assert roomy.stats()["catalogue_left_out"] == 3 + 80 - MAX_ENTRIES
    change(roomy, Item("numbers", attributes={"another": 1}))
    assert of(roomy, "numbers")["attributes"] == {"another": 1.0}  # the names in use no more made room


def test_a_full_table_has_room_for_what_takes_the_place_of_the_old() -> None:
    e = engine(max_texts=16)
    change(e, Item("a", tags=tuple(f"t{n}" for n in range(16))))
    change(e, Item("a", tags=tuple(f"s{n}" for n in range(16))))
    assert of(e, "a")["tags"] == [f"s{n}" for n in range(16)]


def assert_counts_agree(e: Engine) -> None:
    """Every text is held as often as it stands somewhere, and no text that stands nowhere is held."""
    s, own = e.state, e.state.columns
    uses = np.zeros(len(own.uses) + 1, np.int64)
    for row in range(n_rows(s.items)):
        uses[own.title[row]] += 1
        uses[own.owner[row]] += 1
        n = own.n_entries[row]
        for kind, value in zip(own.kinds[row, :n].tolist(), own.values[row, :n].tolist(), strict=True):
            uses[value if kind in (1, 4) else 0] += 1
    for name in own.names:
        uses[name] += 1
    assert uses[1:].tolist() == own.uses.tolist()
    n_free, at = 0, int(own.free[0])
    while at:
        n_free, at = n_free + 1, int(own.next_free[at - 1])
        assert n_free <= len(own.uses)
    assert n_rows(s.texts) - n_free == np.count_nonzero(own.uses)
    assert np.count_nonzero(own.names) == np.count_nonzero(own.n_using)


@pytest.mark.parametrize(
    "bounds", [{}, {"max_texts": 24, "max_items": 20}, {"max_texts": 200, "max_items": 16}]
)
@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 1 << 32))
def test_after_any_log_each_item_says_what_its_last_record_said(bounds: dict[str, object], seed: int) -> None:
    e, log = engine(**bounds), random_log(seed, 500, users=20, items=40)
    learn(e, log)
    assert_counts_agree(e)
    last = {record.key: record.value for record in log if record.topic == "items"}
    for item in known_items(e):
        found, said = of(e, item), last.get(item)
        if not e.state.in_catalogue[row_of(e, item)] or not isinstance(said, Item):
            assert (found["owner"], found["tags"], found["attributes"], "price" in found) == (
                "",
                [],
                {},
                False,
            )
        elif not bounds:
            assert (found["title"], found["owner"] or None) == (said.title, said.owner)
            assert found["tags"] == list(dict.fromkeys(said.tags))
            assert found.get("price") == said.price


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1 << 32), cut=st.integers(1, 399))
def test_they_are_restored_also_into_a_larger_table(seed: int, cut: int) -> None:
    log = random_log(seed, 400, users=20, items=40)
    old, whole = engine(max_texts=300), engine(max_texts=300)
    learn(old, log[:cut])
    learn(whole, log)
    same, larger = copied(old, max_texts=300), copied(old, max_texts=5000)
    for e in (same, larger):
        learn(e, log[cut:])
        assert_counts_agree(e)
    assert same.digest() == whole.digest()
    for item in known_items(whole):
        assert of(larger, item) == of(whole, item)
