"""Topics that are there."""

from __future__ import annotations

import pytest

from stream_rec.bus.topics import ensure_topics
from stream_rec.settings import Settings


@pytest.fixture
def bus(tansu_settings: Settings) -> Settings:
    """Settings of an empty Redis and of a broker with topics."""
    ensure_topics(tansu_settings.bus)
    return tansu_settings
