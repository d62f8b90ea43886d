"""Messages of other people as the benches send them: made up, each another event, in the forms that are common."""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from stream_rec.shapes.messages import Registered

SCHEMA_ID = 42
_FRAME = b"\0" + SCHEMA_ID.to_bytes(4, "big")
_START_S = 1_700_000_000
_USERS, _ITEMS = 5003, 997


class Form(NamedTuple):
    """A form of messages.

    Attributes:
        preset: that reads them.
        make: the message of a number.
        schema: as the registry has it; None = they need none.
    """

    preset: str
    make: Callable[[int], bytes]
    schema: Registered | None = None


def native(n: int) -> bytes:
    """Our own record, as an application writes it."""
    return (
        b'{"user_id":"user-%d","item_id":"item-%d","event_type":"view","ts":%d.25,"event_id":"click-%d",'
        b'"session_id":"session-%d"}' % (n % _USERS, n % _ITEMS, _START_S + n // 100, n, n % _USERS)
    )


def segment(n: int) -> bytes:
    """A track call with what Segment puts around it; of ten, three are carts."""
    body = {
        "anonymousId": f"23adfd82-0000-4000-8000-{n % _USERS:012d}",
        "context": {
            "library": {"name": "analytics.js", "version": "2.11.1"},
            "page": {"path": f"/p/{n % _ITEMS}", "url": f"https://shop.example/p/{n % _ITEMS}"},
            "userAgent": "Mozilla/5.0",
            "ip": "203.0.113.9",
        },
        "event": "Product Added" if n % 10 < 3 else "Product Viewed",
        "integrations": {},
        "messageId": f"ajs-{n:08x}",
        "properties": {
            "product_id": f"507f{n % _ITEMS:04d}", "sku": "G-32", "name": "Game", "price": 18.99, "quantity": 1,
        },
        "receivedAt": _iso(n, 1.266),
        "sentAt": _iso(n, 1.169),
        "timestamp": _iso(n, 0.250),
        "type": "track",
        "userId": f"user-{n % _USERS}",
        "originalTimestamp": _iso(n, 0.152),
    }  # fmt: skip
    return json.dumps(body, separators=(",", ":")).encode()


def debezium(n: int) -> bytes:
    """An inserted row of a table of interactions, without the schema around it."""
    row = {"id": n, "user_id": n % _USERS + 1, "product_id": n % _ITEMS + 1, "action": "view",
           "created_at": (_START_S + n // 100) * 1_000_000 + 250_000}  # fmt: skip
    body = {
        "before": None,
        "after": row,
        "source": {
            "version": "2.4.0.Final", "connector": "postgresql", "name": "shop", "ts_ms": _START_S * 1000,
            "snapshot": "false", "db": "shop", "schema": "public", "table": "interactions",
        },
        "op": "c",
        "ts_ms": _START_S * 1000 + 350,
        "transaction": None,
    }  # fmt: skip
    return json.dumps(body, separators=(",", ":")).encode()


def avro(n_fields: int) -> Form:
    """Confluent's Avro with five fields of ours, and others that nobody asks for, by turns of each type."""
    from fastavro import parse_schema, schemaless_writer

    names = ("user_id", "item_id", "event_type", "event_id")
    others = [(f"other_{at}", ("string", "long", "double", "boolean")[at % 4]) for at in range(n_fields - 5)]
    fields: list[dict[str, Any]] = [{"name": name, "type": "string"} for name in names]
    fields.append({"name": "ts", "type": {"type": "long", "logicalType": "timestamp-millis"}})
    fields += [{"name": name, "type": ["null", kind]} for name, kind in others]
    schema = {"type": "record", "name": "Click", "fields": fields}
    parsed = parse_schema(json.loads(json.dumps(schema)))
    values = {"string": "something", "long": 123_456_789, "double": 3.25, "boolean": True}
    rest = {name: values[kind] for name, kind in others}

    def make(n: int) -> bytes:
        stream = io.BytesIO()
        schemaless_writer(stream, parsed, {**_row(n), "ts": (_START_S + n // 100) * 1000 + 250, **rest})
        return _FRAME + stream.getvalue()

    return Form("confluent", make, Registered("AVRO", json.dumps(schema)))


def protobuf() -> Form:
    """Confluent's Protobuf with the same five fields."""
    from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.message_factory import GetMessageClass

    file = FileDescriptorProto(name="click.proto", package="shop", syntax="proto3")
    record = file.message_type.add(name="Click")
    for number, name in enumerate(("user_id", "item_id", "event_type", "event_id", "ts"), start=1):
        kind = FieldDescriptorProto.TYPE_INT64 if name == "ts" else FieldDescriptorProto.TYPE_STRING
        record.field.add(name=name, number=number, label=FieldDescriptorProto.LABEL_OPTIONAL, type=kind)
    pool = DescriptorPool()
    pool.Add(file)
    click = GetMessageClass(pool.FindMessageTypeByName("shop.Click"))

    def make(n: int) -> bytes:
        message = click(**_row(n), ts=(_START_S + n // 100) * 1000 + 250)
        return _FRAME + b"\0" + bytes(message.SerializeToString())

    return Form(
        "confluent", make, Registered("PROTOBUF", base64.b64encode(file.SerializeToString()).decode())
    )


class OneSchema:
    """A registry that has one schema, whatever it is asked for."""

    def __init__(self, registered: Registered) -> None:
        self._registered = registered

    def schema(self, _schema_id: int | str) -> Registered:
        """It."""
        return self._registered


@contextmanager
def registry_of(registered: Registered) -> Iterator[str]:
    """A schema registry's HTTP on this machine that has one schema; its address."""
    body = json.dumps({"schemaType": registered.kind, "schema": registered.text}).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def _row(n: int) -> dict[str, str]:
    return {"user_id": f"user-{n % _USERS}", "item_id": f"item-{n % _ITEMS}", "event_type": "view",
            "event_id": f"click-{n}"}  # fmt: skip


def _iso(n: int, more: float) -> str:
    """2023-11-14 at some second of it."""
    second = n // 100 % 86_000 + more
    return f"2023-11-14T{int(second // 3600):02d}:{int(second // 60 % 60):02d}:{second % 60:06.3f}Z"
