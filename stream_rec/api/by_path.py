"""Which route a request is for; what is for none is refused.

FastAPI puts six layers around its router, which catch what routes raise and close what they leave open, asks the
environment at each request whether OpenTelemetry is set up, and its router asks one route after another. Ours raise
nothing and leave nothing open (`Endpoints.answer`), what they do is counted (`Measures`), and most of them have an
address without a variable part: so the layers are left out, and such an address is looked up.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from starlette.routing import Match, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from stream_rec.api.problem import Problem
from stream_rec.api.refusals import Headers, Refusals

_SEE = "/openapi.json lists what there is"


class OwnLayers(FastAPI):
    """FastAPI with none of its own layers; those that are added to it are there.

    Args:
        refusals: answers what is for no route.
        options: as of FastAPI.
    """

    def __init__(self, refusals: Refusals, **options: Any) -> None:
        super().__init__(**options)
        self._refusals = refusals

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; begin and end as FastAPI does."""
        if scope["type"] != "http" or self.middleware_stack is None:
            await super().__call__(scope, receive, send)
            return
        await self.middleware_stack(scope, receive, send)

    def build_middleware_stack(self) -> ASGIApp:
        """Made at the first message, when all routes are there."""
        app: ASGIApp = ByPath(self.router, self._refusals)
        for layer, args, options in reversed(self.user_middleware):
            app = layer(app, *args, **options)
        return app


class ByPath:
    """Hands every request to its route.

    Args:
        router: has all routes, and answers what is no request.
        refusals: answers what is for none of them.
    """

    def __init__(self, router: Router, refusals: Refusals) -> None:
        self._router = router
        self._refusals = refusals
        self._routes = [each for each in router.routes if isinstance(each, Route)]
        self._known: dict[tuple[str, str], Route] = {}
        for each in self._routes:
            if not each.param_convertors:
                for method in each.methods or ():
                    first = self._asked({"type": "http", "path": each.path, "method": method})
                    if first is not None and first[0] is each:
                        self._known[method, each.path] = each

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._router(scope, receive, send)
            return
        route = self._known.get((scope["method"], scope["path"]))
        found = (route, {}) if route is not None else self._asked(scope)
        if found is None:
            await self._refuse(scope, send)
            return
        scope["route"], scope["path_params"] = found
        await found[0].app(scope, receive, send)

    def _asked(self, scope: Scope) -> tuple[Route, dict[str, Any]] | None:
        """The first route that takes it, and the variable parts of the address."""
        for each in self._routes:
            match, found = each.matches(scope)
            if match is Match.FULL:
                return each, found["path_params"]
        return None

    async def _refuse(self, scope: Scope, send: Send) -> None:
        """No route, or not this method."""
        headers: Headers = ()
        there = [each.methods or () for each in self._routes if each.matches(scope)[0] is not Match.NONE]
        if there:
            allowed = sorted({method for methods in there for method in methods})
            said = f"{scope['method']} is not known here"
            problem = Problem("method", said, where="method", fix=f"send {' or '.join(allowed)}; {_SEE}")
            headers = [(b"allow", ", ".join(allowed).encode())]
        else:
            problem = Problem("not-found", "there is no such address", where="path", fix=_SEE)
        await self._refusals.answer(problem, scope, send, headers)
