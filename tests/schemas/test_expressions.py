"""Expressions: what they are given, what they may not do, and where a mistake stands."""

from __future__ import annotations

from typing import Any

import pytest

from stream_rec.schemas.expressions import BadExpression, Expression, Subject, check

LAMP: dict[str, Any] = {
    "id": "lamp",
    "title": "A lamp",
    "tags": ["light", "new"],
    "owner": "acme",
    "first_seen": 10.0,
    "age": 90.0,
    "price": 20.0,
    "attributes": {"colour": "red", "sizes": [1.0, 2.0]},
}


def holds(text: str) -> bool:
    expression = Expression(text)
    return expression.holds(Subject(LAMP, expression.names))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("price < 50", True),
        ("price < 50.0 && 'light' in tags", True),
        ("owner != 'acme'", False),
        ("colour == 'red'", True),
        ("attributes.colour == 'red'", True),
        ("2.0 in sizes", True),
        ("age < 60.0", False),
        ("tags.exists(tag, tag.startsWith('li'))", True),
        ("has(attributes.size)", False),
        ("weight == null", True),
        ("weight == null || weight < 3.0", True),
    ],
)
def test_an_expression_reads_what_an_item_has(text: str, expected: bool) -> None:
    assert holds(text) is expected


@pytest.mark.parametrize(
    "text", ["weight < 3.0", "price", "price + 'a' == 'b'", "tags[7] == 'a'", "1 / 0 == 1"]
)
def test_what_cannot_be_evaluated_for_an_item_is_not_true_of_it(text: str) -> None:
    assert not holds(text)


@pytest.mark.parametrize(
    ("text", "said", "fix", "at"),
    [
        ("price <", "mismatched input its end", "", 7),
        ("price = 3", "token recognition error", "write ==", 6),
        ("price > 1 and owner == 'a'", "and", "write &&", 10),
        ("pricee > 1.0", "no item has 'pricee'", "did you mean 'price'?", 0),
        ("size(tags) > 1 && starts(owner)", "no function is called 'starts'", "", 18),
        ("owner.startswith('a')", "no function is called 'startswith'", "did you mean 'startsWith'?", 6),
        ("price + 1.0", "true or false", "a comparison, such as `price < 100.0`", 0),
        ("price * 2 > 10.0", "for no item: Unsupported operation: float * int", "with 2.0, not with 2", 0),
        ("max(price, 1.0) > 3.0", "no function is called 'max'", "", 0),
    ],
)
def test_a_mistake_is_told_with_its_place_and_a_fix(text: str, said: str, fix: str, at: int) -> None:
    with pytest.raises(BadExpression) as bad:
        check(text, bool)
    assert said in bad.value.said
    assert fix in bad.value.fix
    assert bad.value.at == at


@pytest.mark.parametrize(
    "text", ["tags[1] == 'a'", "stock * 2 > 10", "attributes.size > 3.0", "1.0 / price > 0.5"]
)
def test_what_only_some_items_can_answer_is_no_mistake(text: str) -> None:
    assert check(text, bool)


def test_lists_inside_lists_inside_lists_are_refused() -> None:
    with pytest.raises(BadExpression, match="more than 2"):
        check("tags.all(a, tags.all(b, tags.exists(c, c == a + b)))", bool)


def test_a_leaderboard_needs_a_number() -> None:
    assert check("price * 2.0", float).number(Subject(LAMP, ["price"])) == 40.0
    with pytest.raises(BadExpression, match="a number"):
        check("price > 2.0", float)


def test_deep_nesting_is_an_error_and_not_the_end_of_the_process() -> None:
    with pytest.raises(BadExpression):
        Expression("(" * 900 + "1" + ")" * 900)
