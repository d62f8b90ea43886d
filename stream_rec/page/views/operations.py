"""What runs: workers, partitions and their owners, snapshots, every figure, the doctor."""

from __future__ import annotations

from collections.abc import Sequence

from nicegui.element import Element

from stream_rec.page import doctor
from stream_rec.page.desk import Desk
from stream_rec.page.figures import Sample
from stream_rec.page.views.event_types import EventTypes
from stream_rec.page.views.frame import EXPECTED, Frame, load_each, said
from stream_rec.page.views.parts import DASH, Live, ago, box, button, day, head, number, table, words
from stream_rec.serve import engine_answers
from stream_rec.telemetry.points import labels_of

_WORKERS = (
    ("worker", False),
    ("reported", False),
    ("partitions", True),
    ("events learned", True),
    ("users", True),
    ("items", True),
    ("behind as follower", True),
)
_PARTITIONS = (
    ("topic", False),
    ("partition", True),
    ("end", True),
    ("committed", True),
    ("lag", True),
    ("owner", False),
)
_SNAPSHOTS = (("name", False), ("written (UTC)", False), ("events", True), ("MiB", True), ("problem", False))
_FIGURES = (("figure", False), ("worker", False), ("value", True))
_FINDINGS = (("", False), ("area", False), ("what", False), ("fix", False))
_LETTERS = (("record", False), ("cause", False), ("what is wrong", False), ("probably", False))
MAX_LETTERS = 10


class Operations:
    """The view.

    Args:
        desk: what is asked.
        frame: around it.
    """

    def __init__(self, desk: Desk, frame: Frame) -> None:
        self._desk = desk
        head("Operations", "what runs, and how it is", level=1)
        self._live = Live()
        self._workers = _Part("Workers")
        self._partitions = _Part("Partitions", "of what workers read")
        self._types = EventTypes(desk.settings.engine.event_types)
        self._letters = _Part("Last dead letters", "with what their producers probably did")
        self._snapshots = _Part("Snapshots", "what workers start from")
        with box("section", "card stack"):
            with box("div", "head"):
                words("h2", "Doctor")
                self._ask = button("Examine", self._examine)
            self._findings: Element = box("div")
        with box("details", "card") as details:
            words("summary", "Every figure of every worker")
            self._figures: Element = box("div")
        details.on("toggle", self._toggle, js_handler="(e) => emit(e.target.open)")
        self._is_open = False
        frame.every_tick(self._show)

    async def load(self) -> None:
        """Ask for what takes longer."""
        await load_each(self._live, self._load_letters, self._load_snapshots)

    def _show(self) -> None:
        last = self._desk.watcher.recent.last
        owners, now = last.owners(), self._desk.clock.now()
        self._workers.show(_WORKERS, _workers(last, owners, now), "No worker reports.")
        rows = [
            (
                each.topic,
                str(each.partition),
                f"{each.end:,}",
                DASH if each.committed is None else f"{each.committed:,}",
                f"{each.lag:,}",
                owners.get((each.topic, each.partition), DASH),
            )
            for each in last.lags
        ]
        self._partitions.show(_PARTITIONS, rows, "Not looked yet.")
        self._types.show(last.by_label("unknown_event_types", "type"))
        if self._is_open:
            self._show_figures(last)

    def _show_figures(self, last: Sample) -> None:
        rows = sorted(
            (name, worker, f"{value:,.6g}")
            for worker, each in last.workers.items()
            for name, value in each.values.items()
        )
        self._figures.clear()
        with self._figures:
            table(_FIGURES, rows, "Every figure")

    def _toggle(self, event: object) -> None:
        self._is_open = bool(getattr(event, "args", False))
        if self._is_open:
            self._show_figures(self._desk.watcher.recent.last)

    async def _load_letters(self) -> None:
        rows = [
            (f"{each.topic}/{each.partition}/{each.offset}", each.reason, each.detail, hint)
            for each, hint in await self._desk.last_letters(MAX_LETTERS)
        ]
        self._letters.show(_LETTERS, rows, "There are none.")

    async def _load_snapshots(self) -> None:
        if not self._desk.settings.snapshot.url:
            self._snapshots.show(_SNAPSHOTS, [], "None are written: snapshot.url is empty.")
            return
        rows = [
            (
                each["name"],
                day(each["created"]),
                f"{each['n_events']:,}",
                f"{each['size'] / 2**20:,.1f}",
                each["problem"],
            )
            for each in await self._desk.beside.ask(engine_answers.snapshots)
        ]
        self._snapshots.show(_SNAPSHOTS, rows, "There are none yet.")

    async def _examine(self) -> None:
        self._ask.props["disabled"] = ""
        self._live.say("The doctor looks …")
        try:
            found = await self._desk.beside.ask(doctor.findings)
            self._findings.clear()
            with self._findings:
                rows = [(each["status"], each["area"], each["what"], each["fix"]) for each in found]
                table(_FINDINGS, rows, "What the doctor found")
            n = sum(each["status"] != "ok" for each in found)
            self._live.say(
                f"{n} of {len(found)} findings want something done." if n else "All is as it should be."
            )
        except EXPECTED as error:
            self._live.warn(said(error))
        finally:
            self._ask.props.pop("disabled", None)
            self._ask.update()


class _Part:
    """A table that is drawn again when it has changed.

    Args:
        title: above it.
        note: beside the title.
    """

    def __init__(self, title: str, note: str = "") -> None:
        self._title = title
        with box("section", "card"):
            head(title, note)
            self._body: Element = box("div")
        self._shown: object = None

    def show(self, columns: Sequence[tuple[str, bool]], rows: Sequence[Sequence[str]], nothing: str) -> None:
        """These rows."""
        if rows == self._shown:
            return
        self._shown = rows
        self._body.clear()
        with self._body:
            if rows:
                table(columns, rows, self._title)
            else:
                words("p", nothing, "quiet")


def _workers(last: Sample, owners: dict[tuple[str, int], str], now: float) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for worker, each in sorted(last.workers.items()):
        stats = {
            labels["stat"]: value
            for name, value in each.values.items()
            if (labels := labels_of(name, "engine")) and "stat" in labels
        }
        behind = sum(value for name, value in each.values.items() if labels_of(name, "follower_lag"))
        rows.append(
            (
                worker,
                ago(max(0.0, now - each.created_ts)),
                str(sum(owner == worker for owner in owners.values())),
                number(stats.get("events_learned", float("nan"))),
                number(stats.get("users", float("nan"))),
                number(stats.get("items", float("nan"))),
                number(behind),
            )
        )
    return rows
