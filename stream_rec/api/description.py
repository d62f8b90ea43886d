"""The OpenAPI 3.1 description, made from the table of routes."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from stream_rec.api.operation import Example, Operation
from stream_rec.api.problem import KINDS, TYPE_PREFIX
from stream_rec.sdk.wire import ProblemBody

_REFERENCE = "#/components/schemas/{name}"
_PATH_PARAMETER = re.compile(r"\{(\w+)(?::id)?\}")
_ALWAYS = ("late", "bug")
_OF_KEYS = ("no-key", "forbidden", "rate", "busy")
_ATTRIBUTE = re.compile(r"^    (\w+): (.+(?:\n        .+)*)", re.MULTILINE)
_REQUEST_ID = {
    "X-Request-Id": {
        "description": "the client's, or a new one; it is in the log",
        "schema": {"type": "string"},
    }
}


def description(operations: Sequence[Operation], version: str) -> dict[str, Any]:
    """The whole document."""
    paths: dict[str, dict[str, Any]] = {}
    for each in operations:
        paths.setdefault(each.route, {})[each.method.lower()] = _operation(each)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "stream_rec",
            "version": version,
            "description": "Streaming recommendations over Kafka and Redis: docs/http.md.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": _schemas(operations),
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(of: Operation) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": f"{of.method.lower()}{re.sub(r'[^a-zA-Z0-9]+', '_', of.route)}".rstrip("_"),
        "summary": of.summary,
        "tags": [_tag(of)],
        "parameters": [*_path_parameters(of), *_query_parameters(of)],
        "responses": _responses(of),
        "security": [{"key": []}, {}] if of.scope else [],
    }
    if of.scope:
        found["x-scope"] = of.scope
    if of.body is not None:
        content = {"schema": _schema(of.body), "example": of.body_example}
        found["requestBody"] = {"required": True, "content": {"application/json": content}}
    return found


def _tag(of: Operation) -> str:
    parts = of.route.strip("/").split("/")
    return parts[1] if parts[0] == "v1" else "system"


def _path_parameters(of: Operation) -> Iterable[dict[str, Any]]:
    for name in _PATH_PARAMETER.findall(of.path):
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _query_parameters(of: Operation) -> Iterable[dict[str, Any]]:
    (_,), components = msgspec.json.schema_components((of.query,), ref_template=_REFERENCE)
    own = components[of.query.__name__]
    for name, schema in own["properties"].items():
        plain = _without_null(schema)
        said = plain.pop("description", "")
        yield {
            "name": name,
            "in": "query",
            "required": name in own.get("required", ()),
            "description": said,
            "schema": plain,
        }


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """In a query nothing is null: it is not given."""
    options = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    if len(options) != 1:
        return dict(schema)
    return {**options[0], **{k: v for k, v in schema.items() if k not in ("anyOf", "default")}}


def _responses(of: Operation) -> dict[str, Any]:
    found = {str(status): _response(example) for status, example in of.answers.items()}
    kinds = [*_ALWAYS, *(_OF_KEYS if of.scope else ()), *of.problems]
    kinds += ["refused", "unreadable"]
    kinds += ["too-large"] if of.body is not None else []
    for status in sorted({KINDS[kind].status for kind in kinds}):
        mine = [kind for kind in dict.fromkeys(kinds) if KINDS[kind].status == status]
        content = {"application/problem+json": {"schema": _schema(ProblemBody), "examples": _problems(mine)}}
        if (given := found.get(str(status))) is not None:
            given["content"] |= content
        else:
            said = "; ".join(KINDS[kind].title for kind in mine)
            found[str(status)] = {"description": said, "content": content, "headers": _REQUEST_ID}
    return dict(sorted(found.items()))


def _problems(kinds: Sequence[str]) -> dict[str, Any]:
    return {
        kind: {
            "value": {"type": TYPE_PREFIX + kind, "title": KINDS[kind].title, "status": KINDS[kind].status}
        }
        for kind in kinds
    }


def _response(example: Example) -> dict[str, Any]:
    found: dict[str, Any] = {"description": example.said, "headers": _REQUEST_ID}
    if example.kind is None:
        content = {"text/plain": {"schema": {"type": "string"}, "example": example.value}}
    else:
        content = {"application/json": {"schema": _schema(example.kind), "example": example.value}}
    return {**found, "content": content}


def _schema(kind: Any) -> dict[str, Any]:
    (schema,), _ = msgspec.json.schema_components((kind,), ref_template=_REFERENCE)
    return schema


def _schemas(operations: Sequence[Operation]) -> dict[str, Any]:
    """The types of all bodies, described by their docstrings."""
    kinds = [ProblemBody]
    for each in operations:
        kinds += [each.body] if each.body is not None else []
        kinds += [example.kind for example in each.answers.values() if example.kind is not None]
    _, components = msgspec.json.schema_components(kinds, ref_template=_REFERENCE)
    return {name: _described(schema) for name, schema in sorted(components.items())}


def _described(schema: dict[str, Any]) -> dict[str, Any]:
    doc = inspect.cleandoc(schema.get("description", ""))
    said = dict(_ATTRIBUTE.findall(doc))
    properties = {
        name: {**field, **({"description": " ".join(said[name].split())} if name in said else {})}
        for name, field in schema.get("properties", {}).items()
    }
    return {**schema, "description": doc.partition("\n")[0], "properties": properties}
