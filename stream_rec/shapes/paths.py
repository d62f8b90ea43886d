"""The path language of shapes, parsed once into the tree of `nodes`.

    path      = joined { "||" joined }                 the first that is not null
    joined    = one { "+" one }                        as one text; null if a part is
    one       = start { "." name | "[" n "]" | "[" name "=" text "]" | "[]" }
    start     = name | "@" meta | text | number | call | "(" condition ")" | "$" | "[]"
    call      = "json" | "match" | "split" | "lower" | "negative" | "number" | "when" "(" ... ")"
    condition = path [ ( "==" | "!=" | "<" | "<=" | ">" | ">=" ) path | "in" "[" texts "]" ]
                joined by "and", "or", "not"

A name is of letters, digits, `_`, `-`, `:`, `$`, `/`; any other stands in double quotes ("User-ID" may, too). A text
stands in single quotes. `$` is the body itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NoReturn

from stream_rec.errors import ConfigError
from stream_rec.shapes import nodes
from stream_rec.shapes.nodes import Node
from stream_rec.shapes.values import MARKS

MAX_LENGTH = 4000
METAS = ("key", "value", "timestamp", "topic", "partition", "offset", "row", "envelope")
CALLS = {"json": 1, "lower": 1, "match": 2, "negative": 1, "number": 2, "split": 2, "when": 2}
"""By name, how many arguments."""

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<text>'(?:[^'\\]|\\.)*')
      | (?P<quoted>"(?:[^"\\]|\\.)*")
      | (?P<meta>@[A-Za-z]+)
      | (?P<number>-?\d+(?:\.\d+)?(?![\w$:/-]))
      | (?P<name>[\w$/][\w$/:-]*)
      | (?P<mark>\|\||==|!=|<=|>=|\[\]|[.\[\](),+<>=])
    )""",
    re.VERBOSE,
)
_COMPARISONS = ("==", "!=", "<=", ">=", "<", ">")
_WORDS = ("and", "or", "not", "in")


class _Token:
    """A piece of a path.

    Attributes:
        kind: of `_TOKEN`'s groups, or `end`.
        text: as it stands.
        at: where, from 0.
    """

    __slots__ = ("at", "kind", "text")

    def __init__(self, kind: str, text: str, at: int) -> None:
        self.kind, self.text, self.at = kind, text, at


def parse(text: str, where: str) -> Node:
    """A path.

    Args:
        text: as in the shape.
        where: of which setting, for the error.

    Raises:
        ConfigError: it cannot be read; the message shows the place.
    """
    return _Parser(text, where).whole(lambda parser: parser.path())


def parse_condition(text: str, where: str) -> Node:
    """What stands in `keep`; a path alone holds where it is not null.

    Raises:
        ConfigError: as `parse`.
    """
    return _Parser(text, where).whole(lambda parser: parser.condition())


class _Parser:
    def __init__(self, text: str, where: str) -> None:
        self._text, self._where = text, where
        if len(text) > MAX_LENGTH:
            self._fail(MAX_LENGTH, f"it is longer than {MAX_LENGTH} characters", "shorten it")
        self._tokens = self._read()
        self._next = 0

    def whole(self, read: Callable[[_Parser], Node]) -> Node:
        try:
            node = read(self)
        except RecursionError:
            self._fail(0, "it is nested too deeply", "write it plainer")
        if self._now.kind != "end":
            self._fail(self._now.at, f"{self._now.text!r} cannot stand here", _MARKS)
        return node

    def path(self) -> Node:
        options = [self._joined()]
        while self._take("||"):
            options.append(self._joined())
        return options[0] if len(options) == 1 else nodes.Either(tuple(options))

    def condition(self) -> Node:
        parts = [self._all()]
        while self._take_word("or"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else nodes.AnyOf(tuple(parts))

    def _all(self) -> Node:
        parts = [self._single()]
        while self._take_word("and"):
            parts.append(self._single())
        return parts[0] if len(parts) == 1 else nodes.All(tuple(parts))

    def _single(self) -> Node:
        if self._take_word("not"):
            return nodes.Not(self._single())
        left = self.path()
        for mark in _COMPARISONS:
            if self._take(mark):
                return nodes.Compared(mark, left, self.path())
        if self._now.kind == "mark" and self._now.text == "=":
            self._fail(self._now.at, "`=` compares nothing", "write == ")
        return nodes.OneOf(left, self._texts()) if self._take_word("in") else left

    def _texts(self) -> tuple[str | float, ...]:
        self._expect("[", "a list in brackets: ['a', 'b']")
        found: list[str | float] = []
        while not self._take("]"):
            if found:
                self._expect(",", "a comma between the values of a list")
            constant = self._constant()
            if constant is None:
                self._fail(self._now.at, "a list holds texts and numbers only", "write ['a', 'b']")
            found.append(constant.value)
        return tuple(found)

    def _joined(self) -> Node:
        parts = [self._steps(self._start())]
        while self._take("+"):
            parts.append(self._steps(self._start()))
        return parts[0] if len(parts) == 1 else nodes.Joined(tuple(parts))

    def _start(self) -> Node:
        constant = self._constant()
        if constant is not None:
            return constant
        token = self._now
        if token.kind == "meta":
            return self._meta()
        if token.kind == "mark" and token.text in ("[]", "["):
            return nodes.Root()
        if self._take("("):
            inner = self.condition()
            self._expect(")", "a closing parenthesis")
            return inner
        if token.kind == "name" and token.text in CALLS and self._tokens[self._next + 1].text == "(":
            return self._call()
        if token.kind == "name" and token.text == "$":
            self._next += 1
            return nodes.Root()
        return nodes.Member(nodes.Root(), self._name())

    def _steps(self, node: Node) -> Node:
        while True:
            if self._take("."):
                node = nodes.Member(node, self._name())
            elif self._take("[]"):
                node = nodes.Each(node)
            elif self._take("["):
                node = self._bracket(node)
            else:
                return node

    def _bracket(self, base: Node) -> Node:
        token = self._now
        if token.kind == "number":
            self._next += 1
            if "." in token.text:
                self._fail(token.at, f"{token.text} is no place in a list", "write [0] for the first")
            node: Node = nodes.Place(base, int(token.text))
        else:
            name = self._name()
            if not self._take("=") and not self._take("=="):
                self._fail(self._now.at, "a bracket holds a place or a comparison", "write [0] or [key='x']")
            constant = self._constant()
            value = constant.value if constant else self._name()
            node = nodes.Named(base, name, str(value))
        self._expect("]", "a closing bracket")
        return node

    def _meta(self) -> Node:
        token = self._now
        self._next += 1
        name = token.text[1:]
        if name == "headers":
            self._expect(".", "the header's name: @headers.content-type")
            return nodes.Header(self._name())
        if name not in METAS:
            known = ", ".join(f"@{meta}" for meta in METAS)
            self._fail(token.at, f"there is no {token.text}", f"use {known} or @headers.NAME")
        return nodes.Meta(name)

    def _call(self) -> Node:
        token = self._now
        self._next += 2
        arguments: list[Node] = []
        while not self._take(")"):
            if arguments:
                self._expect(",", "a comma between arguments")
            is_condition = token.text == "when" and not arguments
            arguments.append(self.condition() if is_condition else self.path())
        if len(arguments) != CALLS[token.text]:
            self._fail(token.at, f"{token.text} takes {CALLS[token.text]} arguments", _CALLS)
        if token.text in ("match", "split"):
            self._check_pattern(token, arguments[1])
        if token.text == "number" and arguments[1] not in [nodes.Constant(mark) for mark in MARKS]:
            self._fail(token.at, "the second argument of number is its decimal mark", "write ',' or '.'")
        return nodes.Call(token.text, tuple(arguments))

    def _check_pattern(self, token: _Token, node: Node) -> None:
        if not isinstance(node, nodes.Constant) or not isinstance(node.value, str) or not node.value:
            self._fail(token.at, f"the second argument of {token.text} is a text", _CALLS)
        if token.text == "match":
            try:
                compiled = re.compile(node.value)
            except re.error as error:
                self._fail(token.at, f"the pattern cannot be read: {error}", "give a regular expression")
            if compiled.groups != 1:
                self._fail(token.at, "the pattern has not one group", "put what is wanted in ( )")

    def _constant(self) -> nodes.Constant | None:
        token = self._now
        if token.kind == "text":
            self._next += 1
            return nodes.Constant(_unquoted(token.text))
        if token.kind == "number":
            self._next += 1
            return nodes.Constant(float(token.text) if "." in token.text else int(token.text))
        return None

    def _name(self) -> str:
        token = self._now
        if token.kind == "name" and token.text not in _WORDS:
            self._next += 1
            return token.text
        if token.kind == "quoted":
            self._next += 1
            return _unquoted(token.text)
        if token.kind == "number" and "." not in token.text:
            self._next += 1
            return token.text
        what = "it ends" if token.kind == "end" else f"{token.text!r} stands"
        return self._fail(token.at, f"{what} where a name is wanted", _MARKS)

    @property
    def _now(self) -> _Token:
        return self._tokens[self._next]

    def _take(self, mark: str) -> bool:
        if self._now.kind == "mark" and self._now.text == mark:
            self._next += 1
            return True
        return False

    def _take_word(self, word: str) -> bool:
        if self._now.kind == "name" and self._now.text == word:
            self._next += 1
            return True
        return False

    def _expect(self, mark: str, what: str) -> None:
        if not self._take(mark):
            self._fail(self._now.at, f"{what} is missing", f"put {mark!r} here")

    def _read(self) -> list[_Token]:
        found, at = [], 0
        while self._text[at:].strip():
            match = _TOKEN.match(self._text, at)
            if match is None or match.lastgroup is None:
                skipped = at + len(self._text[at:]) - len(self._text[at:].lstrip())
                self._fail(skipped, f"{self._text[skipped]!r} cannot be read", _MARKS)
            found.append(_Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup)))
            at = match.end()
        return [*found, _Token("end", "", len(self._text))]

    def _fail(self, at: int, problem: str, fix: str) -> NoReturn:
        shown = f"{self._text[max(0, at - 40) : at]} >>>{self._text[at : at + 40]}"
        raise ConfigError(f"{self._where}: {problem}, at character {at + 1}: {shown}", fix=fix)


def _unquoted(text: str) -> str:
    return re.sub(r"\\(['\"])", r"\1", text[1:-1])


_MARKS = (
    "write names with dots (a.b), [] for each of a list, || for the first that is there, 'text' for a constant, "
    '"a name" with blanks in double quotes'
)
_CALLS = (
    "write json(x), lower(x), number(x, ','), negative(x), split(x, ' '), "
    "match(x, 'before(.+)after') or when(a == 'b', 'c')"
)
