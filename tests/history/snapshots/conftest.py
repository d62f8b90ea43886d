"""A server that speaks S3, as well or as badly as a test wants it, and a bucket in it."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from tests.history.snapshots.places import Place

KEYS = {"key": "testing", "secret": "testing-secret"}
_DENIED = b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"


class ObjectStore:
    """moto's S3 behind a door.

    Attributes:
        refused: HTTP methods that are answered with 403, AccessDenied.
        only: of keys that hold this text.
        gate: uploads of arrays wait until it is set.
        waiting: is set when one does.
    """

    def __init__(self) -> None:
        # Here, as they take half a second to import: not in each process that only collects the tests.
        from moto.server import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import make_server

        self._app = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.open()
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def open(self) -> None:
        """Answer everything, at once."""
        self.refused: set[str] = set()
        self.only = ""
        self.gate, self.waiting = threading.Event(), threading.Event()
        self.gate.set()

    def client(self) -> Any:
        """boto3's."""
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=KEYS["key"],
            aws_secret_access_key=KEYS["secret"],
            region_name="us-east-1",
        )

    def close(self) -> None:
        """Give the port back."""
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if method in self.refused and self.only in path:
            start_response("403 Forbidden", [("Content-Type", "application/xml")])
            return [_DENIED]
        if method in ("PUT", "POST") and path.endswith(".arrays") and not self.gate.is_set():
            self.waiting.set()
            self.gate.wait(60)
        answer: Iterable[bytes] = self._app(environ, start_response)
        return answer


@pytest.fixture(scope="session")
def _object_store() -> Iterator[ObjectStore]:
    store = ObjectStore()
    yield store
    store.close()


@pytest.fixture
def object_store(_object_store: ObjectStore) -> Iterator[ObjectStore]:
    yield _object_store
    _object_store.open()


@pytest.fixture
def bucket(object_store: ObjectStore) -> Iterator[Place]:
    """A folder that is not there yet, in a bucket of its own that is; what it held is in memory until the end."""
    name = f"b{uuid.uuid4().hex[:12]}"
    client = object_store.client()
    client.create_bucket(Bucket=name)
    yield Place(f"s3://{name}/shop", {**KEYS, "endpoint_url": object_store.url})
    object_store.open()
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=name):
        for held in page.get("Contents", ()):
            client.delete_object(Bucket=name, Key=held["Key"])
