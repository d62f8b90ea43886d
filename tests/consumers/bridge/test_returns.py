"""The recipe for returns of docs/your-data.md: from a shop's messages down to the revenue that an experiment shows."""

from __future__ import annotations

import asyncio
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stream_rec.bus.topics import ensure_topics
from stream_rec.clock import SystemClock
from stream_rec.consumers.worker import Worker
from stream_rec.engine.engine import Engine
from stream_rec.producers.experiments.experiments import Experiments
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.schemas.experiment_check import experiment_of
from stream_rec.schemas.records import Impression
from stream_rec.settings import Settings
from tests.consumers.bridge.bridging import bridged, make_topic, one_input, send
from tests.consumers.bridge.test_inside import SLOW_SECONDS
from tests.consumers.serving import SMALL, serve
from tests.consumers.test_trials_worker import FEW, counted, state
from tests.waiting import wait_until_async

PAGE = Path(__file__).parents[3] / "docs" / "your-data.md"
LINES = [{"sku": "001", "unitPrice": 4.5}, {"sku": "002", "unitPrice": 7.0}]


def recipe() -> dict[str, Any]:
    """The settings of the page's section on returns."""
    section = PAGE.read_text().split("\n## Returns\n")[1]
    return tomllib.loads(section.split("```toml\n")[1].split("```")[0])


def message(kind: str, at: float, customer: int, **payload: Any) -> dict[str, Any]:
    moment = datetime.fromtimestamp(at, UTC).isoformat()
    return {"eventName": kind, "visitor": {"customerNo": customer}, "occurredAt": moment, "payload": payload}


def test_a_return_lowers_the_revenue_of_whoever_bought_and_is_told_by_the_metrics(
    tansu_settings: Settings,
) -> None:
    bus, now = tansu_settings.bus, SystemClock().now()
    ensure_topics(bus)
    topic = make_topic(bus.bootstrap, f"{bus.prefix}shop", 1)
    given = recipe()
    given["shapes"]["returns"]["types"]["orderPlaced"] = "purchase"
    engine_settings = {**SMALL.model_dump(exclude_unset=True), **given["engine"]}
    settings = bridged(
        tansu_settings,
        given["shapes"],
        bridge={**one_input(topic, "returns"), "in_worker": True},
        engine=engine_settings,
    )
    engine = Engine(settings.engine, settings.measure)

    async def until_counted(worker: Worker) -> None:
        def is_true(condition: bool) -> bool:
            assert not worker.parts.shutdown.failed, worker.parts.shutdown.failure
            return condition

        async def until(what: str, condition: Any) -> None:
            await wait_until_async(lambda: is_true(condition()), 2 * SLOW_SECONDS, what)

        def sums(arm: str = "control") -> tuple[float, float, float]:
            found = counted(engine).get(arm, {})
            return found.get("purchase", 0.0), found.get("revenue", 0.0), found.get("refund", 0.0)

        def told() -> dict[str, float]:
            gauges = worker.parts.measures.figures().gauges.get("experiment", ())
            return {at["outcome"]: value for at, value in gauges if at["variant"] == "control"}

        experiments = await asyncio.to_thread(Experiments, settings)
        await asyncio.to_thread(experiments.apply, {"less": experiment_of(FEW)})
        experiments = await asyncio.to_thread(Experiments, settings)
        await asyncio.to_thread(experiments.move, "less", "start")
        await until("the experiment", lambda: state(engine) == "running")
        shown = Impression("s-1", "7", now, ("001", "002"), variant="control", experiment="less")
        with Publisher(bus, settings.ingest) as publisher:
            await asyncio.to_thread(publisher.publish_all, [shown])
        await until("the slate", lambda: counted(engine).get("control", {}).get("user") == 1.0)

        send(bus.bootstrap, topic, [message("orderPlaced", now + 1, 7, lines=LINES)])
        await until("the order", lambda: sums() == (2.0, 11.5, 0.0))
        send(bus.bootstrap, topic, [message("orderReturned", now + 2, 7, sku="001", amount=4.5)])
        await until("the return", lambda: sums() == (2.0, 11.5, 4.5))
        await until("the metrics", lambda: (told().get("revenue"), told().get("refund")) == (11.5, 4.5))

        both = [message("orderReturned", now + 3, customer, sku="002", amount=-7.0) for customer in (8, 7)]
        send(bus.bootstrap, topic, both)  # whichever sign it has; whoever was shown nothing lowers nothing
        await until("both returns", lambda: int(engine.stats()["events_learned"]) == 5)
        assert sums() == (2.0, 11.5, 11.5)
        assert sums("few") == (0.0, 0.0, 0.0)
        await until("the metrics", lambda: (told().get("revenue"), told().get("refund")) == (11.5, 11.5))
        # A place of a slate converts once, as the page says; and these sums are added up every few seconds.
        expected = {"conversion_value": [(11.5, 2.0)], "refund_value": [(0.0, 2.0)]}

        def of_slates() -> dict[str, list[tuple[float, float]]]:
            found = worker.parts.measures.figures().sums
            return {name: [(total, n) for _, total, n in found.get(name, ())] for name in expected}

        await until("the metrics of slates", lambda: of_slates() == expected)

    assert serve(settings, engine, until_counted) == 0
