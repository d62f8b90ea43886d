"""One installation with a worker and the page, and a browser, for all tests of the page: they take seconds to start."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, Page, Request, expect, sync_playwright

from stream_rec.bus.topics import ensure_topics
from stream_rec.clock import ManualClock
from stream_rec.embedded.redis_server import RedisServer
from stream_rec.page.trials import users
from stream_rec.producers.experiments.experiments import Experiments
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.schemas.experiment import Arm, Experiment, Guardrail
from stream_rec.schemas.records import Impression, Interaction, Item
from stream_rec.serve.experiments import counted
from stream_rec.settings import BusSettings, Settings, StoreSettings
from stream_rec.store.reader import Reader
from tests.cli.running import addresses, clean_environment
from tests.consumers.running import running, wait_until_done
from tests.forked.process import start
from tests.waiting import wait_until

CHROMIUM = shutil.which("chromium")
PREFIX = "page-"
N_USERS, N_ITEMS = 12, 30
N_TRIED, N_TRIED_CLICKS = 240, 150
"""Users of the experiment `front`, half of them in each arm; half of the control click, and three of four of `blue`."""
START = 1_700_000_000.0
SECONDS_MS = 120_000
"""Other tests run beside: a browser and a server that are starting may wait long for a processor."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A running installation.

    Attributes:
        settings: of it.
        url: of the page.
    """

    settings: Settings
    url: str


@pytest.fixture(scope="module")
def installation(tansu: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """With a worker that has learned a few users' events."""
    folder = tmp_path_factory.mktemp("page")
    with RedisServer.start(folder) as redis:
        bus = BusSettings(bootstrap=tansu, prefix=PREFIX, group=f"{PREFIX}group", partitions=2)
        settings = Settings(bus=bus, store=StoreSettings(url=redis.url))
        ensure_topics(settings.bus)
        _publish(settings)
        with running(settings, folder) as worker:
            _wait_until_counted(settings)
            with Publisher(settings.bus, settings.ingest) as publisher:
                publisher.publish_all(_clicks())
            wait_until_done(settings, N_USERS * 8 + 1 + N_TRIED_CLICKS, worker)
            yield settings


@pytest.fixture(scope="module")
def shown(installation: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    """`stream-rec dashboard`, as a process."""
    with dashboard(installation, tmp_path_factory.mktemp("dashboard")) as url:
        yield Shown(installation, url)


@contextmanager
def dashboard(settings: Settings, folder: Path, *command: str) -> Iterator[str]:
    """The page's process: its address; SIGTERM must end it well."""
    log = folder / "log"
    with log.open("wb") as output:
        process = start(
            ["--log-json", *(command or ("dashboard",)), "--port", "0"],
            env=clean_environment(
                **addresses(settings),
                STREAM_REC__SERVE__KEY_SECONDS="1",
                STREAM_REC__PAGE__TIMEOUT_SECONDS=str(SECONDS_MS / 1000),
            ),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield wait_until(lambda: re.search(r'"(http://[^"]+)"', log.read_text()), 120, "it to listen")[1]
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0
    finally:
        process.kill()
        process.wait()
        print(f"--- log of the page ---\n{log.read_text()}")


def open_view(page: Page, path: str) -> None:
    """Go there; back once the server has spoken to the browser: what is pressed before that would be lost."""
    wait_until(lambda: _went(page, path), SECONDS_MS / 1000, "the view to be gone to")
    connected(page)


def _went(page: Page, path: str) -> bool:
    """False: the view that was open has just loaded itself anew, as it does when its connection breaks for long."""
    try:
        page.goto(path)
    except Error as error:
        if "net::ERR_ABORTED" not in error.message:
            raise
        return False
    return True


def connected(page: Page) -> None:
    """Until the page that has been gone to is live."""
    expect(page.locator(".state .words")).to_have_text(re.compile("^live"))


def _publish(settings: Settings) -> None:
    with Publisher(settings.bus, settings.ingest) as publisher:
        publisher.publish_all(
            Item(f"i{n}", title=f"Film {n}", tags=("new",) if n % 5 == 0 else ("old",))
            for n in range(N_ITEMS)
        )
        for step in range(8):
            publisher.publish_all(
                Interaction(
                    f"u{user}", f"i{(user * 3 + step * (1 + user % 3)) % N_ITEMS}", "view", START + step
                )
                for user in range(N_USERS)
            )
        items = tuple(f"i{n}" for n in range(5))
        publisher.publish(Impression("s1", "u1", START, items))
        publisher.send_raw("events", b"u1", b"no json")
    _try(settings)


def _try(settings: Settings) -> None:
    """An experiment that has run for three days, of a scenario that nobody else asks for; and one that is a draft."""
    arms = (Arm("control"), Arm("blue", scenario={"k": 7}))
    front = Experiment(
        arms, scenarios=("front",), secondary=("revenue",), guardrails=(Guardrail("bounce", 0.9),)
    )
    clock = ManualClock(START - 3 * 86_400)
    Experiments(settings, clock, by="ann").apply(
        {"front": front, "back": Experiment(arms, scenarios=("front",), traffic=0.5)}
    )
    Experiments(settings, clock, by="ann").move("front", "start", note="on with it")
    arms_of = [arms[n % 2].name for n in range(N_TRIED)]
    with Publisher(settings.bus, settings.ingest) as publisher:
        publisher.publish_all(
            Impression(f"t{n}", f"tried-{n}", START + 20, ("i7",), "front", variant=arm, experiment="front")
            for n, arm in enumerate(arms_of)
        )


def _clicks() -> Iterator[Interaction]:
    """Of users of `front`, after what they were shown was learned: what they did before counts as their past."""
    for n in range(N_TRIED):
        if n % 8 < 4 + 2 * (n % 2):
            yield Interaction(f"tried-{n}", "i7", "click", START + 30, slate_id=f"t{n}")


def _wait_until_counted(settings: Settings) -> None:
    """Until the worker has counted all users of `front`."""
    front = Experiments(settings).one("front").experiment
    with closing(Reader(settings.store)) as reader:
        wait_until(
            lambda: users(counted("front", front, reader.last_values())) == N_TRIED,
            SECONDS_MS / 1000,
            "what was shown to be counted",
        )


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, without a window; it is closed before a module runs that wants an event loop of its own."""
    if CHROMIUM is None:
        if os.environ.get("CI"):  # noqa: TID251 - as for Apache Kafka: CI must not skip
            pytest.fail("there is no chromium: apt-get install chromium")
        pytest.skip("there is no chromium: apt-get install chromium")
    expect.set_options(timeout=SECONDS_MS)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def page(browser: Browser, shown: Shown) -> Iterator[Page]:
    """A tab whose every error fails the test, and that may ask nobody but our server."""
    with tab(browser, shown.url) as opened:
        yield opened


@contextmanager
def tab(browser: Browser, url: str, *, scheme: str = "light", width: int = 1280) -> Iterator[Page]:
    """See `page`."""
    context = browser.new_context(
        base_url=url,
        viewport={"width": width, "height": 900},
        color_scheme=scheme,  # type: ignore[arg-type]
    )
    opened, wrong = context.new_page(), list[str]()

    def note(request: Request) -> None:
        if not request.url.startswith((url, url.replace("http", "ws"), "data:", "blob:")):
            wrong.append(f"asked another server: {request.url}")

    opened.on("request", note)
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.set_default_timeout(SECONDS_MS)
    try:
        yield opened
        assert not wrong
    finally:
        context.close()
