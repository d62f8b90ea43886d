"""How what was shown is spread: told by the worker that owns `control`, in slices."""

from __future__ import annotations

import asyncio

import pytest

from stream_rec.clock import ManualClock
from stream_rec.consumers.periodic import exposure_reports
from stream_rec.consumers.periodic.exposure_reports import EXPOSURE_SECONDS, ExposureReports
from stream_rec.consumers.replication.partition_table import PartitionTable
from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.engine.engine import Engine
from stream_rec.schemas.partition import TopicPartition
from tests.consumers.parts import TINY, make_measures
from tests.engine.test_trial_outcomes import MEASURE, Log

CONTROL = TopicPartition("control", 0)


def test_the_owner_of_control_tells_it_slice_by_slice_and_from_time_to_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exposure_reports, "SLICE_SECONDS", 0.0)  # one piece a slice

    async def scenario() -> None:
        core = Engine(TINY, MEASURE)
        Log(core).do("ann", "a", -1.0)
        Log(core).show("ann", "ab", 0.0, variant="")
        engine, measures, clock = EngineThread(core), make_measures(core), ManualClock()
        table = PartitionTable({"control": 1}, {})
        reports = ExposureReports(engine, measures, table, clock)
        assert await reports.look() == 0
        assert "exposure" not in measures.figures().gauges
        table.assign([CONTROL])
        assert await reports.look() > 5
        told = {labels["figure"]: value for labels, value in measures.figures().gauges["exposure"]}
        assert told["places"] == 1.0
        assert await reports.look() == 0
        clock.advance(EXPOSURE_SECONDS)
        assert await reports.look() > 5
        table.assign([])
        await reports.look()
        assert not measures.figures().gauges.get("exposure")
        engine.close()

    asyncio.run(scenario())
