"""docs/browser.js in a real browser, on a page of another origin, against a real `serve`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from playwright.sync_api import Browser, Page, Route

from stream_rec.api.access.key import new_key
from stream_rec.bus.topics import ensure_topics
from stream_rec.clock import SystemClock
from stream_rec.schemas.records import Interaction
from stream_rec.settings import Settings
from stream_rec.store.api_keys import ApiKeyQuestions
from stream_rec.store.reader import Reader
from tests.api.serving import served
from tests.page.conftest import SECONDS_MS
from tests.reading import records
from tests.waiting import wait_until

SNIPPET = Path(__file__).parents[2] / "docs" / "browser.js"
PAGE = """<!doctype html><title>shop</title><script type="module">
import {{ streamRec }} from "./browser.js";
window.rec = streamRec("{url}", "{key}", {{ seconds: 0.2 }});
</script>"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def shop(folder: Path) -> Iterator[str]:
    """The address of a web server for a folder."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_the_snippet_is_short() -> None:
    assert len(SNIPPET.read_text().splitlines()) <= 40


def test_events_arrive_in_batches_after_a_failure_and_as_the_page_is_left(
    browser: Browser, tansu_settings: Settings, tmp_path: Path
) -> None:
    ensure_topics(tansu_settings.bus)
    key, secret = new_key("shop", ("browser",), 0.0, SystemClock().now(), ())
    reader = Reader(tansu_settings.store)
    reader.answer(ApiKeyQuestions(tansu_settings.store.prefix).add(key))
    reader.close()

    def items() -> list[str]:
        return sorted(each.item_id for each in records(tansu_settings.bus, "events", Interaction))

    (tmp_path / "browser.js").write_text(SNIPPET.read_text())
    with shop(tmp_path) as origin:
        serve = tansu_settings.serve.model_copy(update={"cors_origins": (origin,)})
        with served(tansu_settings.model_copy(update={"serve": serve})) as url:
            (tmp_path / "index.html").write_text(PAGE.format(url=url, key=secret))
            page = browser.new_page()
            page.set_default_timeout(SECONDS_MS)
            refused: list[str] = []

            def refuse_once(route: Route) -> None:
                if refused or route.request.method != "POST":
                    route.continue_()
                else:
                    refused.append(route.request.url)
                    route.fulfill(status=503, headers={"access-control-allow-origin": origin}, body="{}")

            page.route("**/v1/events/batch", refuse_once)
            page.goto(f"{origin}/index.html")
            page.wait_for_function("window.rec")
            page.evaluate("rec.track('a', 'view'); rec.track('b', 'click', {value: 2})")
            _until(page, lambda: items() == ["a", "b"])
            assert refused
            page.unroute("**/v1/events/batch")  # a request of a page that has gone is nobody's to let through
            assert page.evaluate("rec.recommendations(5)")["origin"] == "none"
            page.evaluate("rec.track('c', 'view')")
            page.goto("about:blank")
            _until(page, lambda: items() == ["a", "b", "c"])
            page.close()
    assert len({each.user_id for each in records(tansu_settings.bus, "events", Interaction)}) == 1


def _until(page: Page, condition: Callable[[], bool]) -> None:
    """Wait for it, in a way that lets Playwright call what stands in the way of a request."""
    wait_until(lambda: page.wait_for_timeout(20) or condition(), 120)
