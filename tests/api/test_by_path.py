"""An address leads to the first route that takes it, looked up or not."""

import asyncio
from typing import Any

from starlette.routing import Route, Router

from stream_rec.api.by_path import ByPath
from stream_rec.api.measures import Measures
from stream_rec.api.refusals import Refusals
from stream_rec.clock import SystemClock
from stream_rec.settings import ServeSettings


class Named:
    """Answers with its name and the variable parts of the address."""

    def __init__(self, name: str) -> None:
        self._name = name

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG002 - ASGI
        await send({"route": self._name, "path": scope["path_params"]})


def asked(method: str, path: str) -> dict[str, Any]:
    routes = [
        Route("/fixed", Named("fixed"), methods=["GET"]),
        Route("/users/{user_id}", Named("user"), methods=["GET"]),
        Route("/users/ann", Named("behind the user"), methods=["GET", "PUT"]),
        Route("/fixed", Named("posted"), methods=["POST"]),
    ]
    refusals = Refusals(ServeSettings(access_log="off"), Measures(), SystemClock())
    said: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        said.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": []}
    asyncio.run(ByPath(Router(routes), refusals)(scope, None, send))  # type: ignore[arg-type]
    return said[0]


def test_an_address_without_variable_parts_is_that_of_its_method() -> None:
    assert asked("GET", "/fixed") == asked("HEAD", "/fixed") == {"route": "fixed", "path": {}}
    assert asked("POST", "/fixed") == {"route": "posted", "path": {}}


def test_a_route_with_a_variable_part_that_stands_before_comes_first() -> None:
    assert asked("GET", "/users/ann") == {"route": "user", "path": {"user_id": "ann"}}
    assert asked("PUT", "/users/ann") == {"route": "behind the user", "path": {}}


def test_what_no_route_takes_is_refused_and_methods_of_all_routes_of_an_address_are_named() -> None:
    assert asked("GET", "/elsewhere")["status"] == 404
    refused = asked("DELETE", "/users/ann")
    assert refused["status"] == 405
    assert (b"allow", b"GET, HEAD, PUT") in refused["headers"]
