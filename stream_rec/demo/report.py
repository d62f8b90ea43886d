"""The demo's final report: one user's recommendations by title, the totals, and what to try next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from stream_rec.demo.figures import Figures
from stream_rec.schemas.records import Interaction
from stream_rec.serve.reasons import because
from stream_rec.serve.wishes import Recommendations

SHOWN_EVENTS = 5
SHOWN_ITEMS = 10
_NEXT = (
    ("stream-rec demo --open", "this again, and it stays: look at it and click, on its page at {page}"),
    ("make test", "the same on real servers, with everything that can go wrong"),
    ("stream-rec up --write", "a stack that stays: broker and Redis, addresses in stream-rec.toml"),
    ("stream-rec worker", "in a second terminal: learns and writes slates"),
    ("stream-rec simulate", "in a third: shoppers with tastes of their own"),
    ("stream-rec lag --watch", "how far the worker is behind, per partition"),
    ("stream-rec demo --data FILE", "this demo with a log of your own (CSV, JSON Lines, Parquet)"),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of the demo.

    Attributes:
        data: name of the log.
        figures: of the whole run.
        n_learned: events that the engine learned.
        worker_exit_code: of the worker after SIGTERM.
    """

    data: str
    figures: Figures
    n_learned: int
    worker_exit_code: int

    def flat(self) -> dict[str, Any]:
        """As one flat object, for `--json`."""
        own = {name: value for name, value in asdict(self).items() if name != "figures"}
        return own | asdict(self.figures)


def print_user(
    console: Console, events: Sequence[Interaction], answer: Recommendations, titles: Mapping[str, str]
) -> None:
    """One user's last events and recommendations, by title.

    Args:
        console: where to.
        events: the user's, in order; at least one.
        answer: what Redis holds for the user.
        titles: of items; an item without one is shown by its id.
    """
    console.print(Text(f"\nUser {events[-1].user_id}: last of {len(events)} events", style="bold"))
    for event in events[-SHOWN_EVENTS:]:
        value = "" if event.value is None else f" {event.value:g}"
        console.print(Text(f"  {event.event_type}{value}  {titles.get(event.item_id, event.item_id)}"))
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("", "recommended now", "score", "why"):
        table.add_column(name, overflow="fold")  # a long id is never cut
    for place, item in enumerate(answer.items[:SHOWN_ITEMS], start=1):
        why = because(item.reason, lambda each: titles.get(each, each))
        title = Text(titles.get(item.item_id, item.item_id))
        table.add_row(str(place), title, f"{item.score:.3f}", Text(why, style="dim"))
    console.print(table)


def print_totals(console: Console, outcome: Outcome) -> None:
    """The figures of the whole run."""
    f = outcome.figures
    rate = f.n_published / f.seconds if f.seconds else 0.0
    rows = (
        (
            "events",
            f"{f.n_published:,} in {f.seconds:.0f} s ({rate:,.0f}/s), {outcome.n_learned:,} learned, lag {f.lag}",
        ),
        (
            "freshness",
            f"p50 {f.freshness_ms_p50:.0f} ms, p99 {f.freshness_ms_p99:.0f} ms, from publish to a slate in Redis that "
            f"knows the event ({f.n_watched:,} events watched)",
        ),
        (
            f"hit-rate@{f.k}",
            f"{f.hit_rate:.3f} of what users did next was in the slate they had been served; "
            f"in the popular list: {f.hit_rate_popular:.3f}",
        ),
        ("slates", f"{f.n_slates:,} written"),
        ("dead letters", f"{f.n_dead_letters} of {f.n_bad} bad messages, nothing else lost"),
    )
    console.print(Text(f"\n{outcome.data}", style="bold"))
    table = Table.grid(padding=(0, 2))
    for name, text in rows:
        table.add_row(Text(name, style="bold"), Text(text))
    console.print(table)


def print_page(console: Console, url: str) -> None:
    """Where a browser sees the same."""
    if url:
        console.print(Text.assemble("Watch it in a browser: ", (url, "bold cyan")))


def print_staying(console: Console, url: str) -> None:
    """Where it goes on, and how it ends."""
    console.print(Text.assemble("\nIt stays: ", (url, "bold cyan"), ", until Ctrl-C"))


def print_next(console: Console, page: str) -> None:
    """What to try next; `page` is the page's address."""
    console.print(Text("\nTry next", style="bold"))
    table = Table.grid(padding=(0, 2))
    for command, text in _NEXT:
        table.add_row(Text(f"  {command}", style="cyan"), Text(text.format(page=page), style="dim"))
    console.print(table)
