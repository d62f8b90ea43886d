"""Writes the reference of docs/http.md from the server's own description; `--check` only says whether it is stale."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from generated import DOCS, renew

from stream_rec.api.app import table
from stream_rec.api.description import description
from stream_rec.api.problem import KINDS, TYPE_PREFIX


def reference() -> str:
    """Markdown: every route, then every kind of problem."""
    document = description(table(), "")
    lines: list[str] = []
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            lines += [f"### {method.upper()} {path}", *_route(operation), ""]
    lines += ["### Problems", "", "| type | status | title |", "|---|---|---|"]
    lines += [f"| `{TYPE_PREFIX}{name}` | {kind.status} | {kind.title} |" for name, kind in KINDS.items()]
    return "\n".join(lines) + "\n"


def _route(operation: dict[str, Any]) -> Iterator[str]:
    scope = operation.get("x-scope")
    yield f"{operation['summary']} {f'Scope: `{scope}`.' if scope else 'No key is needed.'}"
    yield ""
    if parameters := [each for each in operation["parameters"] if each["in"] != "path"]:
        yield "| parameter | type | default | |"
        yield "|---|---|---|---|"
        for each in parameters:
            yield _parameter(each)
        yield ""
    if body := operation.get("requestBody"):
        yield f"Body: `{_json(body['content']['application/json']['example'])}`"
        yield ""
    problems: list[str] = []
    for status, response in operation["responses"].items():
        problems += response["content"].get("application/problem+json", {"examples": ()})["examples"]
        if "application/json" in response["content"] or "text/plain" in response["content"]:
            yield f"**{status}** {response['description']}{_example(response)}"
            yield ""
    yield f"Problems: {', '.join(problems)}."


def _parameter(of: dict[str, Any]) -> str:
    schema = of["schema"]
    bounds = [f"{schema[name]:g}" for name in ("minimum", "maximum") if name in schema]
    kind = f"{schema['type']}{f', {bounds[0]} to {bounds[-1]}' if len(bounds) == 2 else ''}"
    default = f"`{json.dumps(schema['default'])}`" if "default" in schema else ""
    return f"| `{of['name']}` | {kind} | {default} | {of['description']} |"


def _example(response: dict[str, Any]) -> str:
    content = response["content"].get("application/json")
    return f": `{_json(content['example'])}`" if content and content["example"] else ""


def _json(value: Any) -> str:
    return json.dumps(value, separators=(", ", ": "), ensure_ascii=False)


if __name__ == "__main__":
    sys.exit(renew(DOCS / "http.md", "reference", reference()))
