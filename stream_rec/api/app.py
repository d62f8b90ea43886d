"""The table of routes, and the application that is made of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cache
from importlib.metadata import version

import msgspec
from fastapi import FastAPI
from starlette.convertors import Convertor, register_url_convertor
from starlette.routing import Route

from stream_rec.api.access.gate import Gate
from stream_rec.api.by_path import OwnLayers
from stream_rec.api.cors import Cors
from stream_rec.api.description import description
from stream_rec.api.endpoint import Endpoint, Endpoints
from stream_rec.api.operation import Operation
from stream_rec.api.parts import Parts, make_parts
from stream_rec.api.routes import events
from stream_rec.api.routes.composing import Composing
from stream_rec.api.routes.experiments import ExperimentRoutes
from stream_rec.api.routes.items import Items
from stream_rec.api.routes.lag import Lag
from stream_rec.api.routes.profiles import Profiles
from stream_rec.api.routes.reading import Reading
from stream_rec.api.routes.scenarios import ScenarioRoutes
from stream_rec.api.routes.system import System
from stream_rec.api.routes.users import Users
from stream_rec.api.routes.vectors import Vectors
from stream_rec.api.routes.visitors import Visitors
from stream_rec.api.tenants import Application, ByKey, Owners
from stream_rec.settings import Settings, StoreSettings

Check = Callable[[], Awaitable[object]]


class _Id(Convertor[str]):
    """A user's or an item's id in a path: whatever it holds. Starlette's own `path` ends at a line break."""

    regex = r"[\s\S]+"

    def convert(self, value: str) -> str:
        """As it is."""
        return value

    def to_string(self, value: str) -> str:
        """As it is."""
        return value


register_url_convertor("id", _Id())


def operations(of: Parts, is_draining: Callable[[], bool], check: Check | None = None) -> list[Operation]:
    """The table of routes; those that are asked for most come first.

    Args:
        of: what they are made of.
        is_draining: whether the server is about to end.
        check: raises if the server cannot answer reads; None = it can if these parts can.
    """
    settings, ingest = of.settings, of.ingest

    @cache
    def openapi() -> bytes:
        return msgspec.json.encode(description(found, version("stream-rec")))

    def all_of_them() -> Iterator[Operation]:
        yield from Reading(of.answering, of.shown, settings.ingest).operations()
        yield from events.operations(settings, ingest, of.clock)
        yield from Composing(of.answering, settings.ingest).operations()
        yield from Items(settings, ingest).operations()
        yield from Vectors(settings, ingest).operations()
        yield from Profiles(of.answering, settings.ingest).operations()
        yield from Users(settings, ingest, of.clock).operations()
        yield from ScenarioRoutes(settings, of.beside).operations()
        yield from ExperimentRoutes(settings, of.reader).operations()
        yield from Lag(settings.bus).operations()
        yield from Visitors(settings, of.book, of.clock).operations()
        yield from System(check or of.answering.check, is_draining, of.measures, openapi).operations()

    found = list(all_of_them())
    return found


def table() -> list[Operation]:
    """The same for a server that answers nobody: for what describes it."""
    settings = Settings(store=StoreSettings(url="redis://127.0.0.1"))
    return operations(make_parts(settings), lambda: False)


def for_all_tenants(each: Mapping[str, Parts], is_draining: Callable[[], bool]) -> Application:
    """The application of the settings' own tenant, and of those of `serve.tenants` for who has a key of theirs.

    Args:
        each: by tenant, as `make_all_parts` gives them.
        is_draining: whether the server is about to end.
    """
    own, others = each[""], {name: parts for name, parts in each.items() if name}
    if not others:
        return application(own, is_draining)
    tenants = {name: application(parts, is_draining) for name, parts in others.items()}
    prefixes = {name: parts.settings.store.prefix for name, parts in others.items()}
    owners = Owners(own.reader, prefixes, own.settings.serve.key_seconds, own.clock)

    async def check() -> None:
        await own.answering.check()
        for parts in others.values():
            if parts.following is not None:
                parts.following.check()

    first = application(own, is_draining, beside=list(tenants.values()), check=check)
    return ByKey(first, tenants, owners)


def application(
    of: Parts, is_draining: Callable[[], bool], beside: Sequence[FastAPI] = (), check: Check | None = None
) -> FastAPI:
    """The application, for any ASGI server; it closes the parts when it ends, and lives as long as those beside it.

    Args:
        of: what it is made of.
        is_draining: whether the server is about to end.
        beside: applications of further tenants.
        check: as of `operations`.
    """

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as others:
            for each in beside:
                await others.enter_async_context(each.router.lifespan_context(each))
            if of.following is not None:
                of.following.start()
            yield
            await of.close()

    serve = of.settings.serve
    shared = Endpoints(serve, Gate(of.book, of.clock), of.measures, of.clock)
    app = OwnLayers(shared.refusals, lifespan=life, openapi_url=None, redirect_slashes=False)
    app.router.routes[:] = routes(operations(of, is_draining, check), shared)
    if serve.cors_origins:
        app.add_middleware(Cors, origins=serve.cors_origins, refusals=shared.refusals)
    return app


def routes(table: Sequence[Operation], shared: Endpoints) -> list[Route]:
    """The table as the router takes it, which adds HEAD to every GET."""
    return [
        Route(each.path, Endpoint(each, shared), methods=[each.method], name=each.summary) for each in table
    ]
