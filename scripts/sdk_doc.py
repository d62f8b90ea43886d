"""Writes the reference of docs/sdk.md from the docstrings of the clients; `--check` only says whether it is stale."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import griffe
from generated import DOCS, renew

ROOT = Path(__file__).parents[1]
CLIENTS = (
    ("stream_rec/sdk/client.py", "HttpClient", "stream_rec/sdk/async_client.py", "AsyncHttpClient"),
    ("stream_rec/serve/client.py", "Client", "stream_rec/serve/client.py", "AsyncClient"),
)
WIRE = (
    *("Recommended", "Made", "Why", "SessionItems", "RankAnswer", "PageRail", "Written", "Batch", "Result"),
    *("Forgotten", "ForgottenStore", "InForce", "Applied", "Lags", "LagLine", "Visitor", "ProblemBody"),
)
PREVIEW = ("Tried", "ScenarioPreview", "RuleEffect", "MovedItem", "ToldItem")
PROFILE = ("Profile", "History", "HadItem", "Interest", "StandingSlate", "InArm")
EXPERIMENTS = ("ExperimentRecord", "ExperimentStatus", "Counted", "Lift", "Obstacle", "Moved")
TYPES = (
    ("stream_rec", "schemas/records.py", ("Interaction", "Item", "Impression")),
    ("stream_rec.schemas.records", "schemas/records.py", ("SlateItem", "Reason", "Slate", "AsOf")),
    ("stream_rec.sdk.wire", "stream_rec/sdk/wire.py", WIRE),
    ("stream_rec.sdk.preview", "stream_rec/sdk/preview.py", PREVIEW),
    ("stream_rec.sdk.profile", "stream_rec/sdk/profile.py", PROFILE),
    ("stream_rec.sdk.experiments", "stream_rec/sdk/experiments.py", EXPERIMENTS),
    ("stream_rec.serve.wishes", "stream_rec/serve/wishes.py", ("Recommendations",)),
    ("stream_rec.sdk.calls", "stream_rec/sdk/calls.py", ("Limits",)),
    ("stream_rec.sdk.options", "stream_rec/sdk/options.py", ("HttpOptions",)),
    ("stream_rec.sdk.retries", "stream_rec/sdk/retries.py", ("Retries",)),
)
_NAMED = {"DEFAULT_SCENARIO": '"default"', "NO_LIMITS": "Limits()"}


class Example(NamedTuple):
    """Code in a docstring.

    Attributes:
        of: class and method.
        code: it.
    """

    of: str
    code: str


def class_of(path: str, name: str) -> Any:
    """A class as its file has it; nothing is imported."""
    file = ROOT / path
    return griffe.visit(file.stem, file, file.read_text())[name]


def methods(of: Any) -> Iterator[Any]:
    """Those that are for users, in their order."""
    for name, member in of.members.items():
        if member.is_function and not name.startswith("_"):
            yield member


def examples() -> Iterator[Example]:
    """All of the clients that do not need asyncio."""
    for path, name, _, _ in CLIENTS:
        for method in methods(class_of(path, name)):
            for section in _sections(method):
                if code := _example(section):
                    yield Example(f"{name}.{method.name}", code)


def reference() -> str:
    """Markdown: the clients, then what goes in and comes out.

    Raises:
        ValueError: a client for asyncio is not as the other, or something has no docstring.
    """
    lines: list[str] = []
    for path, name, async_path, async_name in CLIENTS:
        client, other = class_of(path, name), class_of(async_path, async_name)
        _need_equal(client, other)
        lines += [f"### {name}", "", *_told(client)]
        for method in methods(client):
            lines += [f"#### {name}.{method.name}", "", *_told(method)]
        lines += [f"### {async_name}", "", *_told(other)]
        lines += [f"Its methods are those of `{name}`, each to be awaited.", ""]
    lines += ["### What goes in and comes out", ""]
    for module, path, names in TYPES:
        for name in names:
            lines += [f"#### {name}", "", f"`from {module} import {name}`", "", *_told(class_of(path, name))]
    return "\n".join(lines).rstrip("\n") + "\n"


def _need_equal(client: Any, other: Any) -> None:
    for method in methods(client):
        twin = other.members.get(method.name)
        if twin is None or _call(twin) != _call(method):
            raise ValueError(f"{other.name}.{method.name} is not as {client.name}.{method.name}")


def _told(of: Any) -> Iterator[str]:
    """A class or function: its call, its words, tables of arguments and attributes, its errors, its example."""
    kinds = griffe.DocstringSectionKind
    if of.is_function:
        yield f"```python\n{_call(of)}\n```\n"
    for section in _sections(of):
        if code := _example(section):
            yield f"```python\n{code}\n```\n"
        elif section.kind is kinds.text:
            yield f"{section.value}\n"
        elif section.kind is kinds.raises:
            yield from (f"Raises `{each.annotation}`: {_line(each.description)}\n" for each in section.value)
        elif section.kind in (kinds.parameters, kinds.attributes):
            yield from _table(section.value, of)
        else:
            raise ValueError(f"{of.path}: nobody expects {section.kind}")


def _table(rows: Sequence[Any], of: Any) -> Iterator[str]:
    function = of if of.is_function else of.members.get("__init__")
    given = {each.name: each for each in function.parameters} if function is not None else {}
    yield "| | type | default | |"
    yield "|---|---|---|---|"
    for row in rows:
        for name in row.name.split(", "):
            found = given.get(name) or of.members.get(name)
            default = getattr(found, "default", None) or getattr(found, "value", None)
            kind = str(getattr(found, "annotation", None) or "")
            shown = "" if default is None else f"`{_value(default)}`"
            yield f"| `{name}` | {_cell(kind)} | {_cell(shown)} | {_cell(_line(row.description))} |"
    yield ""


def _call(of: Any) -> str:
    parts: list[str] = []
    for each in of.parameters:
        if each.kind is griffe.ParameterKind.keyword_only and "*" not in parts:
            parts.append("*")
        if each.name not in ("self", "cls"):
            parts.append(each.name if each.default is None else f"{each.name}={_value(each.default)}")
    return f"{of.name}({', '.join(parts)}) -> {str(of.returns).replace('Async', '')}"


def _value(default: Any) -> str:
    text = re.sub(r"^field\(default_factory=(.*)\)$", r"\1()", str(default).replace("'", '"'))
    return _NAMED.get(text, text)


def _sections(of: Any) -> list[Any]:
    if of.docstring is None:
        raise ValueError(f"{of.path} has no docstring")
    return list(of.docstring.parse("google"))


def _example(section: Any) -> str:
    is_example = section.kind is griffe.DocstringSectionKind.admonition and section.value.kind == "example"
    return str(section.value.contents) if is_example else ""


def _line(text: str) -> str:
    return " ".join(text.split())


def _cell(text: str) -> str:
    return text.replace("|", "&#124;")


if __name__ == "__main__":
    sys.exit(renew(DOCS / "sdk.md", "reference", reference()))
