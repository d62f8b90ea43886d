"""The page in front of an application: its paths are answered here, everything else goes on.

Nothing of the page is loaded before the first request for it: a server that nobody looks at stays as small as it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import AsyncExitStack
from importlib.util import find_spec
from typing import Any
from urllib.parse import parse_qs

from stream_rec import logs
from stream_rec.api.parts import make_parts
from stream_rec.errors import ConfigError, StreamRecError
from stream_rec.page.access import COOKIE, Access, token_of
from stream_rec.page.sign_in import NOT_HERE, OTHER_SITE, sign_in_page, trouble_page
from stream_rec.settings import Settings

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

PATHS = frozenset(("/", "/users", "/items", "/scenarios", "/experiments", "/operations"))
_SIGN_IN, _SIGN_OUT = "/sign-in", "/sign-out"
_ASSETS = "/_nicegui"
_MAX_FORM_BYTES = 4096
# Under the policy `no-referrer` Chromium sends our own form as from the origin `null`.
_HEADERS = [
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"x-content-type-options", b"nosniff"),
]

log = logs.get("page")


def is_installed() -> bool:
    """Is there what the page is made with?"""
    return find_spec("nicegui") is not None


def need_installed() -> None:
    """Refuse to go on without it.

    Raises:
        ConfigError: it is not installed.
    """
    if not is_installed():
        raise ConfigError("the page needs NiceGUI", fix="pip install 'stream-rec[page]'")


class Front:
    """The page of one installation.

    Args:
        settings: of everything.
    """

    def __init__(self, settings: Settings) -> None:
        serve = settings.serve.model_copy(update={"live": False})
        self._settings = settings.model_copy(update={"serve": serve})
        self._closing = AsyncExitStack()
        self._making = asyncio.Lock()
        self._both: tuple[Application, Access] | None = None

    def before(self, application: Application) -> Application:
        """The application with the page in front of it."""

        async def answer(scope: Message, receive: Receive, send: Send) -> None:
            if scope["type"] != "lifespan" and _is_ours(scope["path"]):
                await self._answer(scope, receive, send)
            else:
                await application(scope, receive, send)

        return answer

    async def close(self) -> None:
        """End what the page has begun."""
        await self._closing.aclose()

    async def _answer(self, scope: Message, receive: Receive, send: Send) -> None:
        try:
            page, access = await self._made()
            verdict = await access.verdict(scope)
            if verdict in ("in", "sign in") and scope["path"] in (_SIGN_IN, _SIGN_OUT):
                await self._sign(access, scope, receive, send)
            elif verdict == "in":
                await page(scope, receive, _with_headers(send))
            elif verdict == "sign in" and scope["path"] in PATHS:
                await _reply(send, 303, b"", [(b"location", _SIGN_IN.encode())])
            else:
                await _refuse(scope, send, OTHER_SITE if verdict == "other site" else NOT_HERE)
        except StreamRecError as error:
            await _refuse(scope, send, trouble_page(str(error)), 503)

    async def _made(self) -> tuple[Application, Access]:
        async with self._making:
            if self._both is None:
                await asyncio.to_thread(need_installed)
                make = await asyncio.to_thread(_maker)  # a second or two: others are answered meanwhile
                parts = make_parts(
                    self._settings
                )  # of its own: it answers from Redis, also beside a live server
                self._closing.push_async_callback(parts.close)
                access = Access(parts.book, parts.clock, self._settings.page.session_seconds)
                page = await self._closing.enter_async_context(make(parts, access))
                self._both = page, access
                log.info("the page is shown")
            return self._both

    async def _sign(self, access: Access, scope: Message, receive: Receive, send: Send) -> None:
        if scope["path"] == _SIGN_OUT:
            access.sign_out(token_of(dict(scope["headers"])))
            await _reply(send, 303, b"", [(b"location", _SIGN_IN.encode()), _cookie(scope, "", 0)])
            return
        if scope["type"] != "http" or scope["method"] != "POST":
            await _reply(send, 200, sign_in_page(""))
            return
        form = parse_qs((await _body(receive)).decode("latin-1"))
        token = await access.sign_in(form.get("key", [""])[0])
        if token is None:
            await _reply(send, 401, sign_in_page("This is no valid key with the scope admin."))
            return
        seconds = int(self._settings.page.session_seconds)
        await _reply(send, 303, b"", [(b"location", b"/"), _cookie(scope, token, seconds)])


def front_of_serve(settings: Settings) -> Front | None:
    """The page for `/` of `serve`; None = the settings do not want it there, or it is not installed."""
    page, serve = settings.page, settings.serve
    is_here = serve.host in ("127.0.0.1", "localhost", "::1")
    wanted = page.at_root == "always" or (page.at_root == "local" and is_here)
    if page.at_root == "always":
        need_installed()
    return Front(settings) if wanted and settings.bus.bootstrap and is_installed() else None


def _maker() -> Any:
    from stream_rec.page.making import page_of

    return page_of


def _is_ours(path: str) -> bool:
    return path in PATHS or path in (_SIGN_IN, _SIGN_OUT) or path.startswith(_ASSETS)


def _cookie(scope: Message, token: str, seconds: int) -> tuple[bytes, bytes]:
    secure = "; Secure" if scope["scheme"] == "https" else ""
    text = f"{COOKIE}={token}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"
    return b"set-cookie", text.encode()


async def _body(receive: Receive) -> bytes:
    found = b""
    while len(found) <= _MAX_FORM_BYTES:
        message = await receive()
        found += message.get("body", b"")
        if not message.get("more_body"):
            break
    return found[:_MAX_FORM_BYTES]


async def _refuse(scope: Message, send: Send, page: bytes, status: int = 403) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
    else:
        await _reply(send, status, page)


async def _reply(
    send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]] | None = None
) -> None:
    own = [(b"content-type", b"text/html; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    all_of_them = [*own, *_HEADERS, (b"cache-control", b"no-store"), *(headers or [])]
    await send({"type": "http.response.start", "status": status, "headers": all_of_them})
    await send({"type": "http.response.body", "body": body})


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", []), *_HEADERS]
        await send(message)

    return sending
