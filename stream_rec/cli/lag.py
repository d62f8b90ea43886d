"""`lag`: how far the workers are behind, per partition."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream_rec.cli.options import ConfigFile, JsonFlag, Overrides, need_broker, read_settings

if TYPE_CHECKING:
    from rich.table import Table

    from stream_rec.bus.lag import PartitionLag
    from stream_rec.settings import Settings

_LOOK_SECONDS = 0.1
"""Whether it is told to stop."""
COLUMNS = ("topic", "partition", "end", "committed", "lag", "in_per_s", "done_per_s")
_HEADERS = {"partition": "part", "in_per_s": "in/s", "done_per_s": "done/s"}
"""So short that offsets beyond a billion fit into 80 columns."""
Lines = list[dict[str, Any]]


def lag(
    group: Annotated[str, typer.Option(help="consumer group; by default bus.group", show_default=False)] = "",
    watch: Annotated[bool, typer.Option("--watch", "-w", help="go on until Ctrl-C")] = False,
    interval: Annotated[
        float, typer.Option(min=0.1, max=3600, help="seconds over which rates are taken")
    ] = 1.0,
    as_json: JsonFlag = False,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Show end, committed offset, lag and rates of every partition. With --json --watch: a line each time.

    The bridge's foreign topics stand behind ours, with the offsets of its own group.
    """
    from stream_rec.producers.feed.stopping import stop_on_signals

    settings = read_settings(config, set_)
    need_broker(settings)
    # A KeyboardInterrupt in a callback of the Kafka client would be swallowed, and this would go on for ever.
    with stop_on_signals() as stop:
        readings = measured(_reader(settings, group), interval, stop)
        _show(readings if watch else islice(readings, 1), watch, as_json)


def _reader(settings: Settings, group: str) -> Callable[[], list[PartitionLag]]:
    """Reads the lag of the workers, and of the bridge if settings have one."""
    from stream_rec.bus.foreign import group_of, source_bus
    from stream_rec.bus.lag import OffsetReader

    workers = OffsetReader(settings.bus, group)
    foreign = [one.topic for one in settings.bridge.inputs.values()]
    if not foreign:
        return workers.lag
    bridge = OffsetReader(source_bus(settings), group_of(settings))
    return lambda: [*workers.lag(), *bridge.lag(foreign)]


def measured(
    reads: Callable[[], list[PartitionLag]], interval_seconds: float, stop: Callable[[], bool]
) -> Iterator[Lines]:
    """Readings until told to stop, one per interval: each partition with its rates since the reading before."""
    before, at = reads(), time.monotonic()
    while True:
        while not stop() and (left := at + interval_seconds - time.monotonic()) > 0:
            time.sleep(min(left, _LOOK_SECONDS))
        if stop():
            return
        now = time.monotonic()
        after = reads()
        yield with_rates(before, after, now - at)
        before, at = after, now


def with_rates(before: Sequence[PartitionLag], after: Sequence[PartitionLag], seconds: float) -> Lines:
    """The later reading as plain objects, with records per second written and done since the earlier one.

    A partition that the earlier reading does not have, or that had nothing committed then, has rate 0 there.
    """
    earlier = {(line.topic, line.partition): line for line in before}
    lines = []
    for line in after:
        old = earlier.get((line.topic, line.partition), line)
        done = 0 if line.committed is None or old.committed is None else line.committed - old.committed
        rates = ((line.end - old.end) / seconds, done / seconds)
        values = (
            line.topic,
            line.partition,
            line.end,
            line.committed,
            line.lag,
            *(round(r, 1) for r in rates),
        )
        lines.append(dict(zip(COLUMNS, values, strict=True)))
    return lines


def _show(readings: Iterator[Lines], watch: bool, as_json: bool) -> None:
    if as_json:
        for lines in readings:
            print(json.dumps(lines, indent=None if watch else 2), flush=True)
        return
    from rich.console import Console
    from rich.live import Live

    console = Console()
    if not (watch and sys.stdout.isatty()):
        for lines in readings:
            console.print(table(lines))
        return
    with Live(console=console, auto_refresh=False) as view:
        for lines in readings:
            view.update(table(lines), refresh=True)


def table(lines: Lines) -> Table:
    """A line for each partition, and the totals."""
    from rich.table import Table

    shown = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold", show_footer=True)
    for name in COLUMNS:
        total = (
            f"{sum(line[name] or 0 for line in lines):,}" if name in ("lag", "in_per_s", "done_per_s") else ""
        )
        footer = "total" if name == "topic" else total
        shown.add_column(
            _HEADERS.get(name, name),
            justify="left" if name == "topic" else "right",
            footer=footer,
            no_wrap=True,
        )
    for line in lines:
        style = "yellow" if line["lag"] else ""
        shown.add_row(*("-" if value is None else _text(value) for value in line.values()), style=style)
    return shown


def _text(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:,}"
