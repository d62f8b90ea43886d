"""Settings of the bridge: which foreign topics are read, and as what (docs/bridge.md)."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator

from stream_rec.settings.branch import Branch
from stream_rec.settings.servers import Brokers
from stream_rec.settings.shapes import ShapeName

_TOPIC = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9_.-]{1,249}")


def _topic(name: str) -> str:
    if not _TOPIC.fullmatch(name):
        raise ValueError(
            "the name of a topic has 1 to 249 letters, digits, '.', '_' and '-'; no patterns: name each topic"
        )
    return name


class InputSettings(Branch):
    """One foreign topic."""

    topic: Annotated[str, AfterValidator(_topic)] = Field(
        description="its full name: `bus.prefix` is not put before it"
    )
    shape: ShapeName = Field(description="of [shapes.NAME], or a preset: what its messages are")
    to: tuple[Literal["events", "items", "impressions", "merges"], ...] = Field(
        (), description="which of the records that the shape makes are published; empty = all"
    )
    begin: Literal["earliest", "latest"] = Field(
        "earliest", description="where the group begins with a topic that it has never read"
    )


class BridgeSettings(Branch):
    """Foreign topics, mapped to ours."""

    inputs: dict[ShapeName, InputSettings] = Field(
        default_factory=dict, max_length=64, description="topics of others, by a name of your choice"
    )
    bootstrap: Brokers = Field(
        "",
        description="Kafka bootstrap servers of the foreign topics; empty = bus.bootstrap and bus.security",
    )
    security: dict[str, str] = Field(
        default_factory=dict,
        description="TLS and SASL for bridge.bootstrap, as in bus.security (secret)",
    )
    group: str = Field("", max_length=249, description="consumer group; empty = bus.group and `-bridge`")
    batch_records: int = Field(1000, ge=1, le=100_000, description="messages mapped in one go, at most")
    fetch_bytes: int = Field(
        16_777_216, ge=1024, le=2_000_000_000, description="bytes fetched ahead, about, at most"
    )
    uncommitted_records: int = Field(
        30_000,
        ge=1,
        le=10_000_000,
        description="records published whose source is not committed yet, at most: as many may be published again "
        "after a kill, and engine.repeat_window must know them",
    )
    known_merges: int = Field(
        100_000,
        ge=1,
        le=10_000_000,
        description="merges in force, erasures and visitors who act that the bridge remembers, each at most, where a "
        "shape makes merges; its memory grows with them",
    )
    visitors_per_user: int = Field(
        200,
        ge=1,
        le=1_000_000,
        description="visitors that the bridge merges into one user, at most: an id with more of them is most likely "
        "nobody's own",
    )
    merge_again_seconds: float = Field(
        3600.0,
        ge=0,
        le=31_536_000,
        description="a merge that is in force is made again if the visitor has acted under the visitor's id since, "
        "so often at most",
    )
    in_worker: bool = Field(False, description="workers bridge, too, as with `stream-rec worker --bridge`")
    prometheus_port: int = Field(
        0, ge=0, le=65535, description="port of the bridge's own /metrics; 0 = any free port"
    )

    @property
    def shapes(self) -> dict[str, str]:
        """The name of the shape of every foreign topic."""
        return {one.topic: one.shape for one in self.inputs.values()}


class RegistrySettings(Branch):
    """The schema registry (Confluent's HTTP) of shapes whose framing is `confluent`."""

    url: str = Field(
        "", max_length=2000, description="http:// or https://, with its path if it has one (secret)"
    )
    username: str = Field(
        "", max_length=1000, description="for basic authentication; empty = the URL's, or none"
    )
    password: str = Field("", max_length=1000, description="its password, or API secret (secret)")
    ca_file: str = Field("", description="PEM file of certificate authorities; empty = the system's")
    certificate_file: str = Field("", description="PEM file of the client certificate, if it requires one")
    key_file: str = Field("", description="PEM file of its key; empty = it is in certificate_file")
    key_password: str = Field("", description="the password of an encrypted key (secret)")
    timeout_seconds: float = Field(5.0, ge=0.01, le=300, description="timeout of one answer")

    @field_validator("url")
    @classmethod
    def _http(cls, url: str) -> str:
        if url and not re.match(r"https?://[^/?#\s]+", url):
            raise ValueError("write http://HOST:PORT or https://HOST:PORT, with a path if it has one")
        return url
