"""A schema registry of the tests' own: speaks what we use of Confluent's HTTP, with TLS and basic authentication."""

from __future__ import annotations

import base64
import json
import re
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from tests.certificates import Authority

_BY_ID = re.compile(r"/schemas/(?:ids|guids)/([^/?]+)")
_BY_VERSION = re.compile(r"/subjects/([^/]+)/versions/([0-9]+)")


class RegistryServer:
    """Serves schemas by id.

    Args:
        folder: for certificates; None = plain HTTP.
        login: `user:password` that it asks for; empty = it does not.

    Attributes:
        schemas: by id, as text; what it answers.
        subjects: by name and version.
        asked: paths, in order.
        status: of every answer, if it is to fail.
    """

    def __init__(self, folder: Path | None = None, login: str = "") -> None:
        self.schemas: dict[str, dict[str, Any]] = {}
        self.subjects: dict[tuple[str, int], dict[str, Any]] = {}
        self.asked: list[str] = []
        self.status = 200
        self.ca: Path | None = None
        self._login = login
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.port = self._server.server_port
        scheme = "http"
        if folder is not None:
            scheme, authority = "https", Authority(folder)
            self.ca, issued = authority.ca, authority.issue("registry")
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(issued.certificate, issued.key)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"{scheme}://127.0.0.1:{self.port}"

    def add(self, schema_id: int, schema: Any, **more: Any) -> int:
        """Register a schema under an id; text or an object of JSON."""
        text = schema if isinstance(schema, str) else json.dumps(schema)
        self.schemas[str(schema_id)] = {"schema": text, **more}
        return schema_id

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, path: str, authorization: str) -> tuple[int, dict[str, Any]]:
        self.asked.append(path)
        wanted = f"Basic {base64.b64encode(self._login.encode()).decode()}"
        if self._login and authorization != wanted:
            return 401, {"error_code": 401, "message": "Unauthorized"}
        if self.status != 200:
            return self.status, {"error_code": self.status * 100 + 1, "message": "on purpose"}
        found = None
        if by_id := _BY_ID.match(path):
            found = self.schemas.get(by_id[1])
        elif by_version := _BY_VERSION.match(path):
            found = self.subjects.get((by_version[1], int(by_version[2])))
        return (200, found) if found else (404, {"error_code": 40403, "message": "Schema not found"})

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = registry._answer(self.path, self.headers.get("Authorization", ""))
                raw = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_: object) -> None:
                """Nothing."""

        return Handler


def framed(schema_id: int, data: bytes) -> bytes:
    """Confluent's wire format."""
    return b"\0" + schema_id.to_bytes(4, "big") + data
