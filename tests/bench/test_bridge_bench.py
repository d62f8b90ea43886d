"""The bridge's bench on few messages: what it counts is right; how fast it was is not judged here."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream_rec.bench import bridge, foreign, mapping
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.schemas.records import Interaction
from stream_rec.settings import Settings

JSON = foreign.Form("native", foreign.native)


def bench(settings: Settings, folder: Path) -> bridge._Bench:
    return bridge._Bench(settings, settings.bus.prefix, JSON, folder)


def test_every_form_is_mapped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapping, "MESSAGES", 500)
    figures = mapping.run(lambda _: None, turns=1)
    assert set(figures) == {
        "native_us", "segment_us", "debezium_us", "avro_narrow_us", "avro_wide_us", "protobuf_us",
        "native_decode_us",
    }  # fmt: skip
    assert min(figures.values()) > 0


def test_a_bridge_that_was_killed_loses_and_doubles_nothing(tansu_settings: Settings, tmp_path: Path) -> None:
    figures = bench(tansu_settings, tmp_path).killed(3_000, 1, lambda _: None)
    assert (figures["lost"], figures["doubled"], figures["kills"]) == (0, 0, 1)


@pytest.mark.parametrize(("window", "doubled", "repeated"), [(1000, 0, 1), (0, 1, 0)])
def test_what_is_lost_and_what_is_learned_twice_is_counted(
    tansu_settings: Settings, tmp_path: Path, window: int, doubled: int, repeated: int
) -> None:
    engine = tansu_settings.engine.model_copy(update={"repeat_window": window})
    counting = bench(tansu_settings.model_copy(update={"engine": engine}), tmp_path)
    with Publisher(tansu_settings.bus) as publisher:
        for name in ("a", "b", "b"):
            publisher.publish(Interaction("u", "i", "view", 1.7e9, name))
    assert counting._counted(3) == {"lost": 1, "doubled": doubled, "repeated": repeated}
