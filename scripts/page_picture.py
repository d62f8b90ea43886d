"""`python scripts/page_picture.py` takes docs/page-overview.png.

A shop of its own, shoppers that react, a worker, the page, and Debian's Chromium.
"""

from __future__ import annotations

import argparse
import shutil
import time
from pathlib import Path

from generated import DOCS
from PIL import Image
from playwright.sync_api import sync_playwright

from stream_rec.bus.topics import ensure_topics
from stream_rec.embedded.own_process import OwnProcess
from stream_rec.embedded.serve import ServeProcess
from stream_rec.embedded.stack import start_stack, without_addresses
from stream_rec.embedded.worker import WorkerProcess
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.settings import Settings

WIDTH, HEIGHT, COLORS = 1080, 900, 96
BAD = (
    b"no json",
    b'{"user_id": "ann"}',
    b'{"user_id": "", "item_id": "tea", "event_type": "view", "ts": 1.7e9}',
)


class Shoppers(OwnProcess):
    """`stream-rec simulate`."""

    STOP_SECONDS = 30.0


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=240.0, help="of shopping before the picture")
    parser.add_argument("--rate", default="40", help="events a second")
    parser.add_argument("--file", type=Path, default=DOCS / "page-overview.png")
    wanted = parser.parse_args()
    with start_stack(without_addresses(Settings())) as stack:
        settings = stack.settings
        ensure_topics(settings.bus)
        shopping = ("stream_rec.cli", "simulate", "--react", "--rate", wanted.rate, "--items", "800")
        worker, page = WorkerProcess(settings), ServeProcess(settings, command="dashboard")
        try:
            worker.wait_until_ready()
            with Publisher(settings.bus, settings.ingest) as publisher:
                for raw in BAD:
                    publisher.send_raw("events", b"ann", raw)
            shoppers = Shoppers("simulate", settings, shopping)
            try:
                take(page.url, wanted.seconds, wanted.file)
            finally:
                shoppers.stop()
        finally:
            page.stop()
            worker.stop()


def take(url: str, seconds: float, file: Path) -> None:
    """Look for so long, for plots that show something; then take the whole view, with few colors."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"], timeout=300_000
        )
        opened = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="dark")
        opened.goto(url, timeout=300_000)
        time.sleep(seconds)
        opened.screenshot(path=file, full_page=True, timeout=300_000)
        browser.close()
    Image.open(file).convert("RGB").quantize(COLORS, dither=Image.Dither.NONE).save(file, optimize=True)


if __name__ == "__main__":
    main()
