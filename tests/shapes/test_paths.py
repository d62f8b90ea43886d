"""The path language: what it reads, and how it says what it cannot."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_rec.errors import ConfigError
from stream_rec.schemas.records import Interaction
from stream_rec.settings import ShapeSettings
from stream_rec.shapes.mapper import Mapper, compile_shape
from stream_rec.shapes.messages import Mapped, RawMessage, Refused
from stream_rec.shapes.paths import parse, parse_condition

MESSAGE = RawMessage(b"", b'{"id": 5}', {"kind": b"buy"}, 1_700_000_000_250, "t", 1, 9)


def value(path: str, body: Any, message: RawMessage = MESSAGE) -> str | None:
    """What a path finds, as the event's type."""
    shape = ShapeSettings(
        events={
            "user_id": "'u'",
            "item_id": "'i'",
            "ts": "'1700000000'",
            "event_type": f"{path} || '(nothing)'",
        }
    )
    [found] = Mapper(shape, "test").of_object(body, message)
    assert isinstance(found, Interaction)
    return None if found.event_type == "(nothing)" else found.event_type


BODY = {
    "a": {"b": "x", "n": 17.0, "no": None, "word": "NULL", "yes": True},
    "list": [{"k": "one", "v": 1}, {"k": "two", "v": 2}],
    "Two Words": "tw",
    "text": '{"inner": ["p", "q"]}',
    "words": "red  green",
    "user-id": 7,
}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a.b", "x"),
        ("a.n", "17"),
        ("a.no || a.b", "x"),
        ("a.word || a.b", "x"),
        ("a.missing.deeper || a.b", "x"),
        ('"Two Words"', "tw"),
        ("user-id", "7"),
        ("list[0].k", "one"),
        ("list[-1].k", "two"),
        ("list[7].k", None),
        ("list[k='two'].v", "2"),
        ("list[k=two].v", "2"),
        ("json(text).inner[1]", "q"),
        ("json(words)", None),
        ("match(words, '(g[a-z]+)')", "green"),
        ("split(words, ' ')[1]", "green"),
        ("lower(a.yes)", "true"),
        ("a.b + '-' + a.n", "x-17"),
        ("a.b + a.no", None),
        ("when(a.n == 17, 'y')", "y"),
        ("when(a.n > 17, 'y') || when(a.n >= '17', 'z')", "z"),
        ("when(a.yes == 'true' and not a.no, 'y')", "y"),
        ("when(a.b in ['q', 'x'], 'y')", "y"),
        ("@key.id", "5"),
        ("@headers.kind", "buy"),
        ("@topic + '/' + @partition + '/' + @offset", "t/1/9"),
        ("@timestamp", "1700000000250"),
        ("$.a.b", "x"),
        ("(a.no || a.b) + '!'", "x!"),
    ],
)
def test_a_path_finds(path: str, expected: str | None) -> None:
    assert value(path, BODY) == expected


@pytest.mark.parametrize(
    ("path", "problem", "at"),
    [
        ("", "it ends", 1),
        ("a..b", "'.' stands", 3),
        ("a.b c", "'c' cannot stand here", 5),
        ("a[", "it ends", 3),
        ("a[1.5]", "no place in a list", 3),
        ("@nothing", "there is no @nothing", 1),
        ("match(a, '(')", "the pattern cannot be read", 1),
        ("match(a, 'b')", "not one group", 1),
        ("json(a, b)", "takes 1 arguments", 1),
        ("a || #", "'#' cannot be read", 6),
    ],
)
def test_what_cannot_be_read_is_shown_at_its_place(path: str, problem: str, at: int) -> None:
    with pytest.raises(ConfigError, match=r"^shapes\.s\.events\.x") as error:
        parse(path, "shapes.s.events.x")
    assert problem in error.value.message
    assert f"at character {at}:" in error.value.message
    assert error.value.fix


@settings(deadline=None)
@given(st.text(max_size=40))
def test_any_text_is_a_path_or_an_error_of_ours(text: str) -> None:
    for read in (parse, parse_condition):
        try:
            read(text, "here")
        except ConfigError as error:
            assert error.fix


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"user_id": "a", "item_id": "b"}, "does not say what ts is"),
        ({"user_id": "a", "item_id": "b", "ts": "c", "colour": "d"}, "has no field 'colour'"),
    ],
)
def test_a_shape_that_is_not_whole_is_refused(fields: dict[str, str], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        compile_shape(ShapeSettings(events=fields))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(max_size=6)
    | st.sampled_from(["NULL", "0", "1.7e9"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["u", "i", "t", "k", "list", "deep"]), inner, max_size=5)
    ),
    max_leaves=12,
)
SHAPE = ShapeSettings(
    events={
        "user_id": "u || deep.u",
        "item_id": "i || list[].i || deep.list[].i",
        "event_type": "k || list[].k || 'view'",
        "ts": "t || deep.t || @timestamp",
        "value": "deep.list[].t",
        "keep": "not deep.k",
        "context.k": "deep.k",
    }
)

MAPPER = compile_shape(SHAPE)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["u", "i", "t", "k", "list", "deep"]), JSON, max_size=6))
def test_structs_and_objects_give_the_same_records(body: dict[str, Any]) -> None:
    """The fast way (only what the paths name is decoded, into structs) and the plain one agree on every message."""
    message = MESSAGE._replace(value=msgspec.json.encode(body))
    found: list[Mapped] = MAPPER.records(message)
    assert found == MAPPER.of_object(body, message)
    for one in found:
        if isinstance(one, Interaction):
            assert one.user_id not in ("", "NULL", "0")
        else:
            assert isinstance(one, Refused)
            assert one.reason
