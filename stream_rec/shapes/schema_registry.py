"""A schema registry that speaks Confluent's HTTP: Confluent's own, Karapace, Apicurio (`/apis/ccompat/v7`)."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
from collections import OrderedDict
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from stream_rec.clock import Clock, SystemClock
from stream_rec.errors import ConfigError, ContractError, Unavailable
from stream_rec.settings import RegistrySettings
from stream_rec.settings.masking import address
from stream_rec.shapes.messages import Registered

UNKNOWN_SECONDS = 30.0
"""An id that the registry did not know is not asked for again before."""
_MAX_UNKNOWN = 1000
_MAX_REFERENCES = 200
_MAX_BYTES = 16 * 1024 * 1024
_ACCEPT = "application/vnd.schemaregistry.v1+json, application/json"
_AUTH = (401, 403)
_LATER = (408, 425, 429)


class SchemaRegistry:
    """Asks it; a connection for each question. Not thread-safe.

    Args:
        settings: its address.
        clock: measures waits.

    Raises:
        ConfigError: the settings name none, or a certificate cannot be read.
    """

    def __init__(self, settings: RegistrySettings, clock: Clock | None = None) -> None:
        if not settings.url:
            raise ConfigError(
                "a shape needs a schema registry, and no address is set", fix="set registry.url"
            )
        self._settings = settings
        self._clock = clock or SystemClock()
        self._address = address(settings.url)
        self._url = urlsplit(settings.url)
        self._tls = _tls(settings) if self._url.scheme == "https" else None
        self._headers = {"Accept": _ACCEPT, **_authorization(settings)}
        self._unknown: OrderedDict[str, float] = OrderedDict()

    def schema(self, schema_id: int | str) -> Registered:
        """The schema of an id, a number or a GUID.

        Raises:
            Unavailable: it did not answer: try the message again.
            ContractError: it knows no such schema.
            ConfigError: it refuses us, or is no registry.
        """
        path = f"/schemas/{'ids' if isinstance(schema_id, int) else 'guids'}/{schema_id}"
        what = f"the schema {schema_id}"
        found = self._get(path, what)
        kind = str(found.get("schemaType") or "AVRO")
        if kind == "PROTOBUF":
            found = self._get(f"{path}?format=serialized", what)
        references: dict[str, str] = {}
        self._refer(found, kind, references)
        return Registered(kind, str(found.get("schema", "")), tuple(references.items()))

    def ping(self) -> None:
        """Find out whether it answers.

        Raises:
            Unavailable: it does not.
            ConfigError: it refuses us.
        """
        self._judged(*self._answer("/schemas/types"))

    def _refer(self, schema: dict[str, Any], kind: str, known: dict[str, str]) -> None:
        """Add what a schema names, each behind what it names itself."""
        for one in schema.get("references") or ():
            name = str(one.get("name"))
            if name in known:
                continue
            if len(known) >= _MAX_REFERENCES:
                raise ContractError("unknown_schema", f"more than {_MAX_REFERENCES} references")
            known[name] = ""  # one that names itself is not followed for ever
            path = f"/subjects/{quote(str(one.get('subject')), safe='')}/versions/{one.get('version')}"
            found = self._get(path + ("?format=serialized" if kind == "PROTOBUF" else ""), name)
            self._refer(found, kind, known)
            del known[name]
            known[name] = str(found.get("schema", ""))

    def _get(self, path: str, what: str) -> dict[str, Any]:
        if (until := self._unknown.get(path)) is not None and self._clock.monotonic() < until:
            raise ContractError("unknown_schema", f"the registry has not {what}")
        status, body = self._answer(path)
        if status == http.client.NOT_FOUND:
            self._unknown[path] = self._clock.monotonic() + UNKNOWN_SECONDS
            self._unknown.move_to_end(path)
            if len(self._unknown) > _MAX_UNKNOWN:
                self._unknown.popitem(last=False)
            raise ContractError("unknown_schema", f"the registry has not {what}")
        self._judged(status, body)
        try:
            found = json.loads(body) if status == http.client.OK else None
        except ValueError:
            found = None
        if not isinstance(found, dict) or "schema" not in found:
            raise ConfigError(
                f"{self._address}{path} answers {status} and no schema: {body[:80]!a}",
                fix="registry.url names a schema registry, with its path if it has one",
            )
        return found

    def _judged(self, status: int, body: bytes) -> None:
        """Raise what is to be said of an answer that is no answer."""
        if status in _AUTH:
            raise ConfigError(
                f"the schema registry {self._address} refuses us ({status})",
                fix="correct registry.username and registry.password",
            )
        if status in _LATER or status >= http.client.INTERNAL_SERVER_ERROR:
            raise Unavailable("registry", f"{self._address}: {status} {body[:100]!a}")

    def _answer(self, path: str) -> tuple[int, bytes]:
        began = self._clock.monotonic()
        connection = self._connection()
        try:
            connection.request("GET", self._url.path.rstrip("/") + path, headers=self._headers)
            answer = connection.getresponse()
            return answer.status, answer.read(_MAX_BYTES)
        except ssl.SSLCertVerificationError as error:
            raise ConfigError(
                f"the schema registry {self._address}: {error.verify_message}",
                fix="name its authorities in registry.ca_file",
            ) from None
        except (OSError, http.client.HTTPException) as error:
            waited = self._clock.monotonic() - began
            said = f"{self._address}: {error or type(error).__name__}"
            raise Unavailable("registry", said, waited_seconds=waited) from None
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self._url.hostname or "", self._url.port
        if self._tls is None:
            return http.client.HTTPConnection(host, port, timeout=self._settings.timeout_seconds)
        return http.client.HTTPSConnection(
            host, port, timeout=self._settings.timeout_seconds, context=self._tls
        )


def _tls(settings: RegistrySettings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.ca_file or None)
        if settings.certificate_file:
            context.load_cert_chain(
                settings.certificate_file, settings.key_file or None, settings.key_password or None
            )
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"registry: a certificate cannot be read: {error}",
            fix="correct registry.ca_file, certificate_file, key_file and key_password",
        ) from None
    return context


def _authorization(settings: RegistrySettings) -> dict[str, str]:
    url = urlsplit(settings.url)
    user = settings.username or unquote(url.username or "")
    password = settings.password or unquote(url.password or "")
    if not user:
        return {}
    token = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {token}"}
