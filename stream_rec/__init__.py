"""stream_rec: streaming recommendations over Kafka and Redis.

What other programs use is here: `from stream_rec import Client, Publisher, Interaction`. Each name is imported at its
first use, so that `import stream_rec` stays light and a reader never loads Kafka's client.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stream_rec.producers.publisher.publisher import Publisher
    from stream_rec.schemas.records import Impression, Interaction, Item, Vector
    from stream_rec.sdk.async_client import AsyncHttpClient
    from stream_rec.sdk.client import HttpClient
    from stream_rec.serve.client import AsyncClient, Client
    from stream_rec.settings import load

__version__ = "0.1.0"

__all__ = [
    "AsyncClient",
    "AsyncHttpClient",
    "Client",
    "HttpClient",
    "Impression",
    "Interaction",
    "Item",
    "Publisher",
    "Vector",
    "load",
]

_HOMES = {
    "AsyncClient": "stream_rec.serve.client",
    "AsyncHttpClient": "stream_rec.sdk.async_client",
    "Client": "stream_rec.serve.client",
    "HttpClient": "stream_rec.sdk.client",
    "Impression": "stream_rec.schemas.records",
    "Interaction": "stream_rec.schemas.records",
    "Item": "stream_rec.schemas.records",
    "Publisher": "stream_rec.producers.publisher.publisher",
    "Vector": "stream_rec.schemas.records",
    "load": "stream_rec.settings",
}


if not TYPE_CHECKING:  # a type checker knows the names above, and is to refuse others

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = globals()[name] = getattr(import_module(_HOMES[name]), name)
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
