"""The page as an application: the one place that starts NiceGUI."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from nicegui import ui

from stream_rec.api.parts import Parts
from stream_rec.page.access import Access
from stream_rec.page.desk import Desk
from stream_rec.page.views import register

MARK = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="#0f766e"/>'
    '<path d="M6 19c4 0 4-8 9-8s5 10 11 10" stroke="#fff" stroke-width="3" fill="none" stroke-linecap="round"/></svg>'
)

RECONNECT_SECONDS = 30.0
"""A view whose connection broke goes on where it was until then; later it loads itself anew. NiceGUI takes a connection
for broken when 0.4 of it pass without an answer, which a busy machine can need."""


@asynccontextmanager
async def page_of(parts: Parts, access: Access) -> AsyncIterator[FastAPI]:
    """The page, running; one in a process, since NiceGUI's registry of pages is the process'."""
    desk = Desk(parts)
    register(desk, access)
    app = FastAPI(openapi_url=None)
    ui.run_with(
        app,
        title="stream_rec",
        favicon=MARK,
        dark=None,
        language="en-US",
        tailwind=False,
        show_welcome_message=False,
        reconnect_timeout=RECONNECT_SECONDS,
    )
    desk.start()
    try:
        async with app.router.lifespan_context(app):
            yield app
    finally:
        await desk.close()
