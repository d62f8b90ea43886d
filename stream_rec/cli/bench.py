"""`bench`: the commands that produce every figure in the docs. Progress on stderr, the figures on stdout.

One file, though a long one: nothing but the options of each bench, which `bench --help` shows in this order.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stream_rec.cli.options import ConfigFile, JsonFile, Overrides, need_writable, read_settings, write_json
from stream_rec.cli.text import Column, say, table, width
from stream_rec.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from stream_rec.bench.harness import Figures, Say
    from stream_rec.settings import Settings

bench = typer.Typer(
    name="bench",
    help="Measure this machine: every figure in the docs is printed by one of these.",
    no_args_is_help=True,
)
BrokerOption = Annotated[
    Literal["kafka", "tansu"], typer.Option("--broker", help="Apache Kafka (Java, Maven), or embedded")
]
Repeats = Annotated[int, typer.Option(min=1, help="runs of each arm; figures are medians")]


@bench.command()
def pipeline(
    repeats: Repeats = 3,
    seconds: Annotated[float, typer.Option(min=1, help="each run takes at least this long")] = 30.0,
    trials: Annotated[
        bool, typer.Option("--trials", help="measure instead what experiments and exploration cost it")
    ] = False,
    json_file: JsonFile = None,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """The whole way of the data, against a plain Faust agent that does nothing."""
    from stream_rec.bench import pipeline, pipeline_trials

    run = pipeline_trials.run if trials else pipeline.run
    _bench(lambda s, say: run(s, say, repeats=repeats, min_seconds=seconds), json_file, config, set_)


@bench.command()
def freshness(
    rate: Annotated[float, typer.Option(min=1, help="events per second")] = 500.0,
    repeats: Repeats = 3,
    seconds: Annotated[float, typer.Option(min=1, help="of each run")] = 20.0,
    broker: BrokerOption = "tansu",
    json_file: JsonFile = None,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Publish to readable slate, against the same path without an engine."""
    from stream_rec.bench.freshness import run

    _bench(
        lambda s, say: run(s, say, rate=rate, repeats=repeats, seconds=seconds, broker=broker),
        json_file,
        config,
        set_,
    )


@bench.command()
def serve(
    rate: Annotated[float, typer.Option(min=1, help="reads per second")] = 1000.0,
    seconds: Annotated[float, typer.Option(min=1, help="of them")] = 60.0,
    live: Annotated[bool, typer.Option("--live", help="measure a live server, too")] = False,
    live_rate: Annotated[
        float, typer.Option(min=1, help="reads, and rankings, per second of the live server")
    ] = 200.0,
    pairs: Annotated[int, typer.Option(min=0, help="of an event and a read that must know it")] = 10_000,
    preload: Annotated[int, typer.Option(min=100, help="events learned before")] = 50_000,
    learned: Annotated[float, typer.Option(min=1, help="events learned per second meanwhile")] = 500.0,
    steps: Annotated[int, typer.Option(min=1, help="rates tried to find the highest")] = 12,
    step_seconds: Annotated[float, typer.Option(min=0.5, help="of each, and of batches of events")] = 6.0,
    broker: BrokerOption = "tansu",
    json_file: JsonFile = None,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Reads and batches of events over HTTP, while a worker learns 500 events a second."""
    from stream_rec.bench.serve import Wanted, run

    wanted = Wanted(rate, seconds, live, live_rate, pairs, preload, learned, steps, step_seconds)
    _bench(lambda s, say: run(s, say, wanted, broker), json_file, config, set_)


@bench.command()
def bridge(
    messages: Annotated[int, typer.Option(min=1000, help="of each run of the bridge")] = 400_000,
    kills: Annotated[int, typer.Option(min=0, help="of the run that is disturbed; 0 = none")] = 4,
    repeats: Repeats = 3,
    turns: Annotated[int, typer.Option(min=1, help="of mapping alone; figures are medians")] = 15,
    broker: BrokerOption = "tansu",
    json_file: JsonFile = None,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Messages of other people: what mapping costs, how fast the bridge is, and what kill -9 loses or doubles."""
    from stream_rec.bench.bridge import Wanted, run

    wanted = Wanted(messages, kills, repeats, turns)
    figures = _bench(lambda s, say: run(s, say, wanted, broker), json_file, config, set_)
    if figures.get("lost") or figures.get("doubled"):
        raise typer.Exit(1)


@bench.command()
def engine(
    events: Annotated[int | None, typer.Option(min=1, help="of each data set; by default all")] = None,
    rules: Annotated[
        bool, typer.Option("--rules", help="measure what scenarios with rules cost, too")
    ] = False,
    json_file: JsonFile = None,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Events learned and slates made per second by the engine alone, on one thread."""
    from stream_rec.bench.engine import run

    _bench(lambda s, say: run(s, say, max_events=events, with_rules=rules), json_file, config, set_)


@bench.command()
def cold_start(
    data: Annotated[str, typer.Option(help="a data set with a catalogue")] = "movielens-100k",
    events: Annotated[int, typer.Option(min=0, help="the first ones of the log; 0 = all")] = 0,
    k: Annotated[int, typer.Option("--k", min=1, max=100, help="a hit is a place up to this one")] = 20,
    fifth: Annotated[
        int,
        typer.Option(
            min=0, max=4, help="which item of each five is kept back: choose on one, report another"
        ),
    ] = 0,
    json_file: JsonFile = None,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Items that nobody has touched, and users of one event: hit-rates with the space `content` and without."""
    from stream_rec.bench.cold_start import Plan, run

    _bench(lambda s, say: run(s, say, Plan(data, events, k, fifth)), json_file, config, set_)


@bench.command()
def floors(
    data: Annotated[str, typer.Option(help="a data set with a catalogue")] = "movielens-100k",
    events: Annotated[int, typer.Option(min=0, help="the first ones of the log; 0 = all")] = 0,
    k: Annotated[int, typer.Option("--k", min=1, max=100, help="length of the slates")] = 20,
    places: Annotated[int, typer.Option(min=1, max=100, help="of the floor for new items")] = 1,
    slates: Annotated[float, typer.Option(min=0.001, max=1.0, help="share of the slates it is for")] = 1.0,
    json_file: JsonFile = None,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """What a floor for new items costs in hit-rate, and what it brings them."""
    from stream_rec.bench.cold_start import Plan
    from stream_rec.bench.floors import run

    _bench(lambda s, say: run(s, say, Plan(data, events, k), places, slates), json_file, config, set_)


@bench.command()
def drift(
    hits: Annotated[int, typer.Option(min=1000, help="of each stationary stream")] = 1_000_000,
    streams: Annotated[int, typer.Option(min=1, help="with a change, for each length of run")] = 20,
    json_file: JsonFile = None,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """How often the drift detector raises a false alarm, and how soon it finds .30 -> .25."""
    from stream_rec.bench.drift import run

    _bench(lambda s, say: run(s, say, hits=hits, streams=streams), json_file, config, set_)


@bench.command()
def trials(
    experiments: Annotated[int, typer.Option(min=1, help="of two arms that are alike")] = 1000,
    impressions: Annotated[int, typer.Option(min=1000, help="slates shown in each of them")] = 20_000,
    runs: Annotated[int, typer.Option(min=1, help="with a planted difference, of each kind")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="of everything")] = 1,
    json_file: JsonFile = None,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Simulated experiments: how often is something shipped that is not better, and is what is better found?"""
    from stream_rec.bench.trials import Plan, run

    plan = Plan(experiments, impressions, runs=runs, seed=seed)
    figures = _bench(lambda s, say: run(s, say, plan), json_file, config, set_)
    if not figures["level_holds"]:
        raise typer.Exit(1)


@bench.command()
def loop(
    users: Annotated[int, typer.Option(min=100, help="shoppers")] = 2_000,
    events: Annotated[
        int, typer.Option(min=5_000, help="of the trial, and of the part where tastes shift")
    ] = 200_000,
    hits: Annotated[int, typer.Option(min=1000, help="of each stationary stream")] = 1_000_000,
    seed: Annotated[int, typer.Option(min=0, help="of everything")] = 1,
    json_file: JsonFile = None,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Shoppers who react to their slates: against popular and random ones, and when all tastes shift."""
    from stream_rec.bench.loop import Plan, run

    plan = Plan(users, events, hits, seed)
    figures = _bench(lambda s, say: run(s, say, plan), json_file, config, set_)
    if not figures["holds"]:
        raise typer.Exit(1)


@bench.command()
def memory(json_file: JsonFile = None, config: ConfigFile = None, set_: Overrides = None) -> None:
    """What a full engine weighs, with every bound reached."""
    from stream_rec.bench.memory import run

    _bench(run, json_file, config, set_)


@bench.command()
def snapshot(json_file: JsonFile = None, config: ConfigFile = None, set_: Overrides = None) -> None:
    """How long a full engine stands still for a snapshot, and what writing and restoring it takes."""
    from stream_rec.bench.snapshot import run

    _bench(run, json_file, config, set_)


@bench.command()
def start(
    head: Annotated[int, typer.Option(min=1, help="events that the snapshot holds")] = 400_000,
    tail: Annotated[int, typer.Option(min=1, help="events after it")] = 100_000,
    repeats: Annotated[int, typer.Option(min=1, help="starts; the figure is their median")] = 3,
    json_file: JsonFile = None,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """How soon a worker is ready that starts from a snapshot and has a tail of the log to learn."""
    from stream_rec.bench.start import run

    _bench(lambda s, say: run(s, say, head=head, tail=tail, repeats=repeats), json_file, config, set_)


@bench.command()
def scale(
    rate: Annotated[float, typer.Option(min=1, help="events per second, below capacity")] = 2000.0,
    repeats: Repeats = 3,
    seconds: Annotated[float, typer.Option(min=1, help="measured in each run")] = 30.0,
    json_file: JsonFile = None,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """What an event costs one, two and three workers, against the formula of capacity."""
    from stream_rec.bench.scale import Plan, run

    _bench(lambda s, say: run(s, say, Plan(rate, seconds), repeats=repeats), json_file, config, set_)


@bench.command()
def two_workers(
    events: Annotated[int, typer.Option(min=1, help="the first of the log")] = 500_000,
    rate: Annotated[float, typer.Option(min=1, help="events per second, at most")] = 2500.0,
    json_file: JsonFile = None,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Whether two workers rank as well as one: the fresh prequential hit-rate at 20 of both."""
    from stream_rec.bench.two_workers import run

    _bench(lambda s, say: run(s, say, events=events, rate=rate), json_file, config, set_)


@bench.command()
def chaos(
    faults: Annotated[int, typer.Option(min=1, help="how many")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="of faults, moments and traffic")] = 1,
    broker: Annotated[
        Literal["kafka", "tansu"], typer.Option(help="Apache Kafka (Java, Maven), or embedded: not restarted")
    ] = "kafka",
    workers: Annotated[int, typer.Option(min=2, help="that serve between faults")] = 2,
    rate: Annotated[float, typer.Option(min=50, help="events per second")] = 300.0,
    mutate: Annotated[
        str, typer.Option(help="only show that the witness finds a spoilt engine: position-guard")
    ] = "",
    json_file: JsonFile = None,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Random faults under traffic: is anything lost, learned twice or served old? Then with a spoilt engine."""
    from stream_rec.bench.chaos.run import Chaos, run
    from stream_rec.bench.chaos.witnessed import MUTATIONS

    if mutate and mutate not in MUTATIONS:
        raise ConfigError(f"no mutation {mutate!r}", fix=f"one of {', '.join(MUTATIONS)}")
    what = Chaos(faults, seed, broker, workers, rate)
    figures = _bench(lambda s, say: run(s, say, what, mutate), json_file, config, set_)
    if not figures["mutation_caught"] or (figures["violations"] and not mutate):
        raise typer.Exit(1)


@bench.command()
def steer(
    rate: Annotated[float, typer.Option(min=1, help="events per second meanwhile")] = 500.0,
    rounds: Annotated[int, typer.Option(min=0, help="how often each decision is timed; 0 = not at all")] = 30,
    sets: Annotated[int, typer.Option(min=0, help="random rule sets that are tried; 0 = none")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="of rule sets, catalogues, events and faults")] = 1,
    json_file: JsonFile = None,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """How soon rules, hidden and new items and erasures are felt, and whether anything forbidden is ever shown."""
    from stream_rec.bench.steer import run

    figures = _bench(
        lambda s, say: run(s, say, rate=rate, rounds=rounds, sets=sets, seed=seed), json_file, config, set_
    )
    if figures.get("forbidden"):
        raise typer.Exit(1)


@bench.command()
def negatives(
    events: Annotated[int | None, typer.Option(min=1000, help="only the first so many of the log")] = None,
    warmup: Annotated[
        float, typer.Option(min=0, max=0.99, help="this share of the answers is only learned")
    ] = 0.6,
    weight: Annotated[float, typer.Option(min=0, max=1000, help="of a dislike")] = 0.1,
    json_file: JsonFile = None,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """MovieLens with ratings of 1 and 2 as dislikes, against ignoring them."""
    from stream_rec.bench.negatives import run

    _bench(lambda s, say: run(s, say, events=events, warmup=warmup, weight=weight), json_file, config, set_)


@bench.command()
def sink(
    events: Annotated[int, typer.Option(min=1, help="in the log that is timed")] = 500_000,
    kills: Annotated[int, typer.Option(min=0, help="of a sink by SIGKILL, under traffic")] = 0,
    broker: BrokerOption = "tansu",
    json_file: JsonFile = None,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Events a second that one core writes as Parquet; with --kills: is any offset lost or doubled?"""
    from stream_rec.bench.sink import run

    figures = _bench(
        lambda s, say: run(s, say, events=events, kills=kills, broker=broker), json_file, config, set_
    )
    if figures.get("lost") or figures.get("doubled"):
        raise typer.Exit(1)


@bench.command()
def stop(
    stops: Annotated[int, typer.Option(min=1, help="how many workers are stopped")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="of moments, order and traffic")] = 1,
    broker: BrokerOption = "kafka",
    json_file: JsonFile = None,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """SIGTERM at random moments of a worker's life: does it always leave with 0 within 5 s?"""
    from stream_rec.bench.stop import run

    figures = _bench(
        lambda s, say: run(s, say, stops=stops, seed=seed, broker=broker), json_file, config, set_
    )
    if figures["failures"]:
        raise typer.Exit(1)


@bench.command()
def soak(
    minutes: Annotated[float, typer.Option(min=1, help="how long it is watched, the warm-up in it")] = 60.0,
    rate: Annotated[float, typer.Option(min=1, help="events per second")] = 300.0,
    broker: BrokerOption = "kafka",
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="draw what was watched over time")
    ] = None,
    json_file: JsonFile = None,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """One worker under steady traffic for long: do memory, descriptors, threads, Redis or any gauge grow?"""
    from stream_rec.bench.soak import Soak, run

    need_writable(plot)
    figures = _bench(lambda s, say: run(s, say, Soak(minutes, rate, broker, plot)), json_file, config, set_)
    if not figures["flat"]:
        raise typer.Exit(1)


def _bench(
    run: Callable[[Settings, Say], Figures],
    json_file: Path | None,
    config: Path | None,
    overrides: list[str] | None,
) -> Figures:
    from stream_rec.bench.harness import shown

    need_writable(json_file)
    figures = run(read_settings(config, overrides), partial(say, indent="    ", err=True))
    columns = (Column(""), Column("", is_prose=True))
    print(*table(columns, [(name, shown(value)) for name, value in figures.items()], width()), sep="\n")
    if json_file is not None:
        write_json(json_file, figures)
    return figures
