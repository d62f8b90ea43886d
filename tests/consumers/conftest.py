"""Settings as everywhere, but on the embedded broker members of a group come and go faster."""

from __future__ import annotations

import pytest

from stream_rec.settings import Settings

SESSION_SECONDS = 3.0
"""The embedded broker answers a join after half of it. Apache Kafka allows no less than 6."""


def quick(settings: Settings) -> Settings:
    bus = settings.bus.model_copy(update={"session_timeout_seconds": SESSION_SECONDS})
    return settings.model_copy(update={"bus": bus})


@pytest.fixture
def tansu_settings(tansu_settings: Settings) -> Settings:
    return quick(tansu_settings)


@pytest.fixture
def settings(settings: Settings, tansu: str) -> Settings:
    return quick(settings) if settings.bus.bootstrap == tansu else settings
