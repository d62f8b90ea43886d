"""Which pages of other sites may call this server; its refusals are problems, as all others."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from stream_rec.api.problem import Problem
from stream_rec.api.refusals import Refusals

_METHODS = ("GET", "POST")
_HEADERS = ("authorization", "content-type", "x-request-id", "x-visitor-token")
_EXPOSED = ("x-request-id", "retry-after")
_CACHED_SECONDS = 3600


class Cors(CORSMiddleware):
    """Starlette's, which refuses a preflight in plain text.

    Args:
        app: behind it.
        origins: of the pages that may.
        refusals: answers the others.
    """

    def __init__(self, app: ASGIApp, origins: Sequence[str], refusals: Refusals) -> None:
        super().__init__(
            app,
            allow_origins=list(origins),
            allow_methods=_METHODS,
            allow_headers=_HEADERS,
            expose_headers=_EXPOSED,
            max_age=_CACHED_SECONDS,
        )
        self._refusals = refusals

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a preflight, or let what is none through."""
        headers = Headers(scope=scope) if scope["type"] == "http" else Headers()
        is_preflight = "origin" in headers and "access-control-request-method" in headers
        if not (is_preflight and scope["method"] == "OPTIONS"):
            await super().__call__(scope, receive, send)
            return
        found = self.preflight_response(request_headers=headers)
        if found.status_code >= 400:
            wrong = bytes(found.body).decode().removeprefix("Disallowed CORS ")
            problem = Problem(
                "cross-origin",
                f"not allowed: {wrong}",
                where="header Origin",
                fix="put the page's origin into serve.cors_origins; GET and POST are allowed, with the headers "
                + ", ".join(_HEADERS),
            )
            await self._refusals.answer(problem, scope, send, [(b"vary", b"Origin")])
            return
        kept = {name: value for name, value in found.headers.items() if not name.startswith("content-")}
        await Response(status_code=204, headers=kept)(scope, receive, send)
