"""What is around every view: navigation, the state of the look, light and dark."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from fastapi import Request
from nicegui import ui
from nicegui.element import Element
from nicegui.elements.mixins.text_element import TextElement

from stream_rec.api.problem import Problem
from stream_rec.errors import StreamRecError
from stream_rec.page.access import Access, token_of
from stream_rec.page.desk import Desk
from stream_rec.page.figures import SILENT_SECONDS
from stream_rec.page.sign_in import style
from stream_rec.page.views.parts import Live, ago, box, button, drawing, words

TICK_SECONDS = 0.5
VIEWS = (
    ("/", "Overview"),
    ("/scenarios", "Scenarios"),
    ("/experiments", "Experiments"),
    ("/users", "Users"),
    ("/items", "Items"),
    ("/operations", "Operations"),
)
_LINE = (
    '<svg viewBox="0 0 32 32" aria-hidden="true"><rect width="32" height="32" rx="8" style="fill:var(--accent)"/>'
    '<path d="M6 20c5 0 4-9 9-9s5 10 11 10" style="fill:none;stroke:var(--on-accent);stroke-width:3;'
    'stroke-linecap:round"/></svg>'
)
_REMEMBER = "document.cookie = 'stream_rec_theme={}; Path=/; Max-Age=31536000; SameSite=Strict'"
_DARK = {"dark": True, "light": False}

Refresh = Callable[[], Awaitable[None] | None]


class Frame:
    """One open view.

    Args:
        desk: what is shown.
        access: who may stay.
        request: that opened it.

    Attributes:
        who: decides what is decided here; empty = the user of the server's process.
    """

    def __init__(self, desk: Desk, access: Access, request: Request) -> None:
        self._desk = desk
        self._access = access
        self._token = token_of({b"cookie": request.headers.get("cookie", "").encode("latin-1")})
        self._dark = ui.dark_mode(_DARK.get(request.cookies.get("stream_rec_theme", "")))
        self._refresh: Refresh | None = None
        self.who = f"key {name}" if (name := access.name(self._token)) else ""

    def build(self, path: str) -> None:
        """The bar on top."""
        ui.add_css(style())
        with ui.header(elevated=False).classes("top"), box("div", "bar"):
            with box("a", "mark", href="/"):
                drawing().set_content(_LINE)
                words("span", "stream_rec")
            with box("nav", "nav", aria_label="Views"):
                for target, name in VIEWS:
                    current = {"aria_current": "page"} if target == path else {}
                    words("a", name, href=target, **current)
            with box("div", "state"):
                self._dot: Element = box("span", "dot", aria_hidden="true")
                self._state: TextElement = words("span", "", "words")
                if self._desk.settings.page.read_only:
                    words("span", "read-only", "badge warn")
            if self._access.name(self._token):
                words("a", "Sign out", "button bare", href="/sign-out")
            button("◐", self._turn, "bare", aria_label="Light or dark", title="Light or dark")

    def every_tick(self, refresh: Refresh) -> None:
        """Do this twice a second, and now."""
        self._refresh = refresh
        self._timer = ui.timer(TICK_SECONDS, self._tick)

    async def _tick(self) -> None:
        last = self._desk.watcher.ask().last
        try:
            if not await self._access.may_stay(self._token):
                self._leave()
                return
        except StreamRecError:
            pass  # Redis is away: the view says so
        age = self._desk.clock.now() - last.at
        is_stale = bool(last.trouble) or age > SILENT_SECONDS
        self._dot.classes(replace="dot stale" if is_stale else "dot")
        self._state.props["title"] = last.trouble
        self._state.set_text(
            last.trouble or ("looking …" if not last.at else f"live, {ago(age)}" if is_stale else "live")
        )
        if self._refresh is not None and (waited := self._refresh()) is not None:
            await waited

    def _leave(self) -> None:
        """Away; and for whoever does not follow there is nothing left to press."""
        self._timer.cancel()
        ui.navigate.to("/sign-in")
        ui.context.client.content.clear()

    async def _turn(self) -> None:
        is_dark = self._dark.value
        if is_dark is None:
            is_dark = await ui.run_javascript("matchMedia('(prefers-color-scheme: dark)').matches")
        self._dark.value = not is_dark
        ui.run_javascript(_REMEMBER.format("light" if is_dark else "dark"))


@asynccontextmanager
async def opened(desk: Desk, access: Access, request: Request, path: str) -> AsyncIterator[Frame]:
    """A view inside of its frame."""
    desk.watcher.ask()
    frame = Frame(desk, access, request)
    frame.build(path)
    with box("div", "sheet"):
        yield frame


def said(error: Exception) -> str:
    """An error in a line."""
    if isinstance(error, Problem):
        return f"{error.detail}{f' ({error.fix})' if error.fix else ''}"
    return str(error)


EXPECTED = (StreamRecError, Problem)
"""What a view tells its reader; anything else is a bug."""


async def load_each(live: Live, *parts: Callable[[], Awaitable[None]]) -> None:
    """Load parts of a view, each for itself: what is away takes nothing along that could be shown."""
    troubles: dict[str, None] = {}
    for part in parts:
        try:
            await part()
        except EXPECTED as error:
            troubles[said(error)] = None
    if troubles:
        live.warn("; ".join(troubles))
