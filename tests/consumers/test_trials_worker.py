"""Experiments on real servers: slates of arms, outcomes that are counted once, and a roll-back by rule."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

from stream_rec.bus.decisions import last_of_each, read_decisions
from stream_rec.bus.topics import ensure_topics
from stream_rec.clock import SystemClock
from stream_rec.engine.engine import Engine
from stream_rec.kernels.trial_state import OUTCOMES
from stream_rec.producers.experiments.experiments import Experiments
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.schemas.experiment import Experiment
from stream_rec.schemas.experiment_check import experiment_of
from stream_rec.schemas.records import Impression, Interaction, Slate
from stream_rec.settings import Settings
from stream_rec.store.reader import Reader
from tests.consumers.group import served, split, until
from tests.consumers.parts import TINY
from tests.consumers.serving import serving

N = 300
USERS = [f"user-{n}" for n in range(N)]
FEW = {"arms": [{"name": "control"}, {"name": "few", "scenario": {"k": 2}}], "scenarios": ["default"]}


def events(at: float) -> list[Interaction]:
    return [Interaction(user, f"item-{n % 7}", "view", at + n / 1000) for n, user in enumerate(USERS)]


def slates(reader: Reader, users: Sequence[str] = USERS) -> dict[str, Slate]:
    return {user: slate for user in users if (slate := reader.slate(user, "default")) is not None}


def arms(reader: Reader, users: Sequence[str]) -> set[str | None]:
    """Of these users' slates."""
    return {slate.variant for slate in slates(reader, users).values()}


def publish(settings: Settings, records: list[Interaction] | list[Impression]) -> None:
    with Publisher(settings.bus, settings.ingest) as publisher:
        publisher.publish_all(records)


def last(settings: Settings) -> Experiment:
    (record,) = last_of_each(read_decisions(settings.bus, settings.ingest)).values()
    assert isinstance(record.body, Experiment)
    return record.body


def state(engine: Engine) -> str:
    found = engine.decisions.experiments.get("less")
    return found.state if found else ""


def counted(engine: Engine) -> dict[str, dict[str, float]]:
    found = engine.attribution.trials.totals("less")
    if found is None:
        return {}
    return {
        arm: dict(zip(OUTCOMES, table.sum(axis=0).tolist(), strict=True))
        for arm, table in zip(*found, strict=True)
    }


def test_an_arm_that_is_worse_is_rolled_back_and_slates_go_back(tansu_settings: Settings) -> None:
    engine_settings = TINY.model_copy(update={"max_users": 1_024, "max_items": 64})
    settings = tansu_settings.model_copy(update={"engine": engine_settings})
    one, other = (Engine(settings.engine, settings.measure) for _ in range(2))
    reader = Reader(settings.store)
    now = SystemClock().now()

    async def scenario() -> None:
        await asyncio.to_thread(ensure_topics, settings.bus)
        async with serving(settings, one) as first, serving(settings, other) as second:
            await split(settings, first, second)
            await asyncio.to_thread(publish, settings, events(now - 60))
            await served(settings, N)
            experiments = await asyncio.to_thread(Experiments, settings)
            await asyncio.to_thread(experiments.apply, {"less": experiment_of(FEW)})
            experiments = await asyncio.to_thread(Experiments, settings)
            await asyncio.to_thread(experiments.move, "less", "start")
            await until(lambda: None not in arms(reader, USERS[::9]), "the arms")
            await until(lambda: None not in arms(reader, USERS), "all the arms")
            found = slates(reader)
            assert {len(slate.items) for slate in found.values() if slate.variant == "few"} == {2}
            assert min(Counter(slate.variant for slate in found.values()).values()) > N / 3
            assert {(slate.experiment, slate.variant_propensity) for slate in found.values()} == {
                ("less", 0.5)
            }
            shown = [
                Impression(
                    slate.slate_id,
                    slate.user_id,
                    now,
                    tuple(item.item_id for item in slate.items),
                    variant=slate.variant,
                    experiment=slate.experiment,
                )
                for slate in found.values()
            ]
            control = [each for each in shown if each.variant == "control"]
            n_control = len(control)
            # Not all of them click: of what does not vary nothing is certain.
            clicks = [
                Interaction(each.user_id, each.items[0], "click", now + 1, slate_id=each.slate_id)
                for each in control[n_control // 5 :]
            ]
            await asyncio.to_thread(publish, settings, shown)
            await asyncio.to_thread(publish, settings, clicks)
            await until(lambda: state(one) == "rolled_back", "the rules to end it")
            ended = await asyncio.to_thread(last, settings)
            assert (ended.state, ended.reason[:10]) == ("rolled_back", "worse: ctr")
            await until(lambda: arms(reader, USERS[::9]) == {None}, "the slates of all")
            figures = [worker.parts.measures.figures for worker in (first, second)]
            labels = {"experiment": "less", "variant": "control", "outcome": "click"}
            told = (labels, float(len(clicks)))
            await until(
                lambda: any(told in each().gauges.get("experiment", ()) for each in figures), "figures"
            )
            lifts = [gauge for each in figures for gauge in each().gauges.get("experiment_lift", ())]
            of_ctr = [value for at, value in lifts if (at["of"], at["figure"]) == ("ctr", "lift")]
            assert of_ctr == [-1.0]
            for engine in (one, other):
                await until(lambda e=engine: counted(e)["control"]["click"] == len(clicks), "the counts")
                of_arm = counted(engine)
                assert (of_arm["control"]["user"], of_arm["few"]["user"]) == (n_control, N - n_control)
                assert (of_arm["few"]["click"], of_arm["control"]["bounce"]) == (0.0, len(clicks))

    try:
        asyncio.run(scenario())
    finally:
        reader.close()
