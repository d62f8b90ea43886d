"""The client of schema registries: what it asks, and what it makes of answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream_rec.clock import ManualClock
from stream_rec.errors import ConfigError, ContractError, Unavailable
from stream_rec.settings import RegistrySettings
from stream_rec.shapes.messages import Registered
from stream_rec.shapes.schema_registry import UNKNOWN_SECONDS, SchemaRegistry
from tests.schema_registry import RegistryServer

STRING = '"string"'


def test_a_schema_is_asked_for_by_id_and_by_guid() -> None:
    with RegistryServer() as server:
        server.add(7, STRING)
        server.schemas["0b2e-guid"] = {"schema": STRING, "schemaType": "JSON"}
        registry = SchemaRegistry(RegistrySettings(url=f"{server.url}/"))
        assert registry.schema(7) == Registered("AVRO", STRING)
        assert registry.schema("0b2e-guid") == Registered("JSON", STRING)
        assert server.asked == ["/schemas/ids/7", "/schemas/guids/0b2e-guid"]


def test_a_path_before_the_registry_s_own_is_kept() -> None:
    with RegistryServer() as server:
        with pytest.raises(ContractError):
            SchemaRegistry(RegistrySettings(url=f"{server.url}/apis/ccompat/v7")).schema(1)
        assert server.asked == ["/apis/ccompat/v7/schemas/ids/1"]


def test_protobuf_is_asked_for_in_its_binary_form() -> None:
    with RegistryServer() as server:
        server.add(1, "CgV4LnByb3Rv", schemaType="PROTOBUF")
        assert SchemaRegistry(RegistrySettings(url=server.url)).schema(1).kind == "PROTOBUF"
        assert server.asked[-1] == "/schemas/ids/1?format=serialized"


def test_references_come_before_what_names_them() -> None:
    def of(name: str) -> list[dict[str, object]]:
        return [{"name": name, "subject": f"s {name}", "version": 2}]

    with RegistryServer() as server:
        server.add(1, '"a"', references=of("b"))
        server.subjects["s%20b", 2] = {"schema": '"b"', "references": of("c")}
        server.subjects["s%20c", 2] = {"schema": '"c"', "references": of("b")}  # a circle ends
        found = SchemaRegistry(RegistrySettings(url=server.url)).schema(1)
        assert found.references == (("c", '"c"'), ("b", '"b"'))


def test_an_unknown_id_is_not_asked_for_again_and_again() -> None:
    clock = ManualClock()
    with RegistryServer() as server:
        registry = SchemaRegistry(RegistrySettings(url=server.url), clock)
        for _ in range(3):
            with pytest.raises(ContractError, match="unknown_schema"):
                registry.schema(7)
        assert len(server.asked) == 1
        server.add(7, STRING)
        clock.advance(UNKNOWN_SECONDS + 1)
        assert registry.schema(7).text == STRING


def test_tls_and_basic_authentication(tmp_path: Path) -> None:
    with RegistryServer(tmp_path, "ann:p@ss") as server:
        server.add(1, STRING)
        ca = str(server.ca)
        settings = RegistrySettings(url=server.url, username="ann", password="p@ss", ca_file=ca)
        assert SchemaRegistry(settings).schema(1).text == STRING
        in_url = server.url.replace("https://", "https://ann:p%40ss@")
        assert SchemaRegistry(RegistrySettings(url=in_url, ca_file=ca)).schema(1).text == STRING
        with pytest.raises(ConfigError, match=r"registry.username"):
            SchemaRegistry(RegistrySettings(url=server.url, ca_file=ca)).schema(1)
        with pytest.raises(ConfigError, match=r"registry.ca_file"):
            SchemaRegistry(RegistrySettings(url=server.url)).schema(1)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_registry_that_fails_is_waited_for(status: int) -> None:
    with RegistryServer() as server:
        server.status = status
        with pytest.raises(Unavailable, match=str(status)):
            SchemaRegistry(RegistrySettings(url=server.url)).schema(1)


def test_a_registry_that_is_away_is_waited_for_and_its_password_is_not_shown() -> None:
    with RegistryServer() as server:
        url = server.url.replace("http://", "http://ann:secret@")
    with pytest.raises(Unavailable) as raised:
        SchemaRegistry(RegistrySettings(url=url)).schema(1)
    assert "secret" not in str(raised.value)


def test_what_is_no_registry_is_the_operator_s_to_correct() -> None:
    with RegistryServer() as server:
        server.status = 302
        with pytest.raises(ConfigError, match=r"registry.url"):
            SchemaRegistry(RegistrySettings(url=server.url)).schema(1)


def test_no_address_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match=r"registry.url"):
        SchemaRegistry(RegistrySettings())
