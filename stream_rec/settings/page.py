"""The branch of the page for people."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from stream_rec.settings.branch import Branch
from stream_rec.settings.serve import host_name


class PageSettings(Branch):
    """The page to see and steer it."""

    at_root: Literal["local", "always", "never"] = Field(
        "local",
        description="whether `stream-rec serve` has the page at `/`: `local` = if it listens on this machine only",
    )
    host: Annotated[str, AfterValidator(host_name)] = Field(
        "127.0.0.1", description="address that `stream-rec dashboard` listens on; empty = all"
    )
    port: int = Field(8475, ge=0, le=65535, description="its port; 0 = any free port")
    read_only: bool = Field(False, description="whether the page only shows, and changes nothing")
    session_seconds: float = Field(
        43_200.0, ge=60, le=2_592_000, description="so long after its last request a browser stays signed in"
    )
    timeout_seconds: float = Field(
        5.0,
        ge=0.1,
        le=600,
        description="wait for a slate that knows a click, and for workers' word on who is forgotten",
    )
