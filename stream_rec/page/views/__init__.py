"""The views, by path."""

from __future__ import annotations

from fastapi import Request
from nicegui import ui

from stream_rec.page.access import Access
from stream_rec.page.desk import Desk
from stream_rec.page.views.experiments import Experiments
from stream_rec.page.views.frame import opened
from stream_rec.page.views.items import Items
from stream_rec.page.views.operations import Operations
from stream_rec.page.views.overview import Overview
from stream_rec.page.views.scenarios import Scenarios
from stream_rec.page.views.users import Users


def register(desk: Desk, access: Access) -> None:
    """Make the views known to NiceGUI."""

    @ui.page("/", title="Overview · stream_rec")
    async def overview(request: Request) -> None:
        async with opened(desk, access, request, "/") as frame:
            Overview(desk, frame)

    @ui.page("/users", title="Users · stream_rec")
    async def users(request: Request) -> None:
        async with opened(desk, access, request, "/users") as frame:
            view = Users(desk, frame, request)
            ui.timer(0.0, view.load, once=True)

    @ui.page("/scenarios", title="Scenarios · stream_rec")
    async def scenarios(request: Request) -> None:
        async with opened(desk, access, request, "/scenarios") as frame:
            view = Scenarios(desk, frame, request)
            ui.timer(0.0, view.load, once=True)

    @ui.page("/experiments", title="Experiments · stream_rec")
    async def experiments(request: Request) -> None:
        async with opened(desk, access, request, "/experiments") as frame:
            view = Experiments(desk, frame, request)
            ui.timer(0.0, view.load, once=True)

    @ui.page("/items", title="Items · stream_rec")
    async def items(request: Request) -> None:
        async with opened(desk, access, request, "/items") as frame:
            view = Items(desk, frame, request)
            ui.timer(0.0, view.load, once=True)

    @ui.page("/operations", title="Operations · stream_rec")
    async def operations(request: Request) -> None:
        async with opened(desk, access, request, "/operations") as frame:
            view = Operations(desk, frame)
            ui.timer(0.0, view.load, once=True)
