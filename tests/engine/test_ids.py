"""Ids are any UTF-8: they come out as they went in, and no two are taken for one."""

from __future__ import annotations

import numpy as np

from stream_rec.engine.names import rows_of
from stream_rec.kernels.ids import hash_ids
from stream_rec.schemas.columns import IdColumn
from stream_rec.schemas.records import Item
from tests.engine.worlds import change, click, engine, everywhere, known_items

STRANGE = [
    "é",
    "e\N{COMBINING ACUTE ACCENT}",
    "日本語",
    "\N{GRINNING FACE}",
    "a\nb",
    "a\x00b",
    "a",
    " a",
    "a ",
    "A",
    "{user}:1",
    '"quoted"',
    "x" * 256,
    "x" * 255,
    "\N{PILE OF POO}" * 64,
]


def test_strange_ids_come_out_as_they_went_in() -> None:
    e = engine()
    click(
        e,
        *[(user, item, float(n)) for n, (user, item) in enumerate(zip(STRANGE, STRANGE[::-1], strict=True))],
    )
    assert known_items(e) == STRANGE[::-1]
    assert everywhere(e, STRANGE) == set(STRANGE)
    assert e.stats()["users"] == len(STRANGE)
    for user, item in zip(STRANGE, STRANGE[::-1], strict=True):
        click(e, (user, item, 1e6))
        assert item in e.recommend([user]).items[0]
    assert e.stats()["users"] == e.stats()["items"] == len(STRANGE)


def test_the_catalogue_and_the_events_mean_the_same_item_by_the_same_id() -> None:
    e = engine()
    change(e, *[Item(name) for name in STRANGE])
    click(e, *[("u", name, float(n)) for n, name in enumerate(STRANGE)])
    change(e, *STRANGE)
    assert e.stats()["items"] == len(STRANGE)
    assert everywhere(e, ["u"]) == set()


def test_ids_that_fall_in_one_bucket_are_kept_apart() -> None:
    """With 64 rows the table has 128 slots: take 40 ids whose hashes end alike."""
    names = [f"n{n}" for n in range(20_000)]
    ends = hash_ids(IdColumn.of(names)) & np.uint64(127)
    alike = [name for name, end in zip(names, ends, strict=True) if end == 5][:40]
    e = engine()
    click(e, *[(name, name, float(n)) for n, name in enumerate(alike)])
    assert rows_of(e.state.users, IdColumn.of(alike)).tolist() == list(range(40))
    for name in alike[::2]:
        assert e.forget_user(name)
    assert (rows_of(e.state.users, IdColumn.of(alike[::2])) == -1).all()
    assert rows_of(e.state.users, IdColumn.of(alike[1::2])).tolist() == list(range(1, 40, 2))


def test_a_user_and_an_item_may_share_an_id() -> None:
    e = engine()
    click(e, ("same", "same", 1.0), ("same", "other", 2.0))
    assert set(e.recommend(["same"]).items[0]) == {"same", "other"}


def test_prefixes_and_empty_strings_are_nobody() -> None:
    e = engine()
    click(e, ("user", "item", 1.0))
    assert rows_of(e.state.users, IdColumn.of(["use", "users", "", "user"])).tolist() == [-1, -1, -1, 0]
    assert e.similar("", 3).items == e.similar("ite", 3).items == []
