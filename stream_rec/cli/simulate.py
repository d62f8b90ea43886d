"""`simulate`: shoppers with hidden tastes, who react to what they are shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from stream_rec.cli.options import ConfigFile, Overrides, need_broker, read_settings
from stream_rec.cli.replay import progress_shown, summarize

if TYPE_CHECKING:
    from stream_rec.producers.feed.pace import Pace
    from stream_rec.producers.simulate.shop import ShopPlan
    from stream_rec.schemas.shown import ShownSlate
    from stream_rec.settings import Settings

RATE = 20.0
USERS = 1000
_USERS_PER_OPEN_SESSION = 4


def simulate(
    events: Annotated[int | None, typer.Option(min=1, help="how many; without it until Ctrl-C")] = None,
    rate: Annotated[
        float | None,
        typer.Option(help=f"events per second, in real time; default {RATE:g}, or unthrottled with --events"),
    ] = None,
    users: Annotated[
        int | None, typer.Option(min=1, help=f"shoppers; by default {USERS}, or as many as the rate requires")
    ] = None,
    items: Annotated[int, typer.Option(min=1, help="of the catalogue, which is published first")] = 2000,
    seed: Annotated[int, typer.Option(help="the same seed gives the same shop and the same tastes")] = 42,
    drift: Annotated[float, typer.Option(min=0, help="tastes that a shopper swaps per day")] = 0.0,
    shift: Annotated[
        list[float] | None,
        typer.Option(
            metavar="SECONDS", help="after the start every shopper's tastes become others; repeatable"
        ),
    ] = None,
    react: Annotated[
        bool, typer.Option(help="shoppers look at their slates in Redis, and click and buy what they like")
    ] = True,
    url: Annotated[
        str, typer.Option(metavar="URL", help="they read from this `stream-rec serve`, and not from Redis")
    ] = "",
    key: Annotated[
        str, typer.Option(envvar="STREAM_REC_SERVE_KEY", help="of that server, with the scope to read")
    ] = "",
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Let shoppers with hidden tastes browse, in sessions. --events alone publishes a past up to now, unthrottled."""
    from stream_rec.producers.feed.stopping import stop_on_signals
    from stream_rec.producers.publisher.publisher import Publisher
    from stream_rec.producers.simulate.simulator import simulate as run

    settings = read_settings(config, set_)
    need_broker(settings)
    plan, pace = _plan(events, rate, users)
    plan = replace(plan, n_items=items, seed=seed, drift_per_day=drift, shifts=tuple(sorted(shift or ())))
    with (
        _slates(settings, react, url, key) as recommend,
        Publisher(settings.bus, settings.ingest) as publisher,
        stop_on_signals() as stop,
        progress_shown("shoppers") as shown,
    ):
        done = run(
            publisher, plan, n_events=events, pace=pace, recommend=recommend, stop=stop, on_progress=shown
        )
    summarize(done, "")


def _plan(events: int | None, rate: float | None, users: int | None) -> tuple[ShopPlan, Pace]:
    """A past that ends now, or from now on in real time, with shoppers enough for the rate."""
    from stream_rec.clock import SystemClock
    from stream_rec.producers.feed.pace import EventTime, FullSpeed
    from stream_rec.producers.simulate.shop import ShopPlan
    from stream_rec.producers.simulate.simulator import ending_at

    now, pause = SystemClock().now(), ShopPlan().pause_seconds
    if events is not None and rate is None:
        n_users = users or USERS
        per_second = min(RATE, n_users / pause / _USERS_PER_OPEN_SESSION)
        plan = ShopPlan(n_users=n_users, events_per_second=per_second)
        return ending_at(plan, now, events), FullSpeed()
    per_second = RATE if rate is None else rate
    n_users = users or max(USERS, int(per_second * pause * _USERS_PER_OPEN_SESSION))
    return ShopPlan(n_users=n_users, events_per_second=per_second, start_ts=now), EventTime(1.0)


@contextmanager
def _slates(
    settings: Settings, react: bool, url: str, key: str
) -> Iterator[Callable[[str], ShownSlate | None] | None]:
    """What a shopper is shown; None = nothing: nobody is to react, or there is nothing to read from."""
    from stream_rec.schemas.shown import ShownSlate

    if not react:
        yield None
    elif url:
        from stream_rec.sdk.client import HttpClient

        with HttpClient(url, key=key) as http:

            def ask(user: str) -> ShownSlate:
                found = http.recommendations(user)
                slate_id = found.slate_id or ""
                return ShownSlate(found.items, slate_id, found.scenario, found.variant, found.experiment)

            yield ask
    elif settings.store.url:
        from stream_rec.serve.client import Client

        with Client(settings.store) as client:
            yield lambda user: client.recommendations(user).as_shown()
    else:
        yield None
