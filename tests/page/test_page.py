"""The page in a real browser, on a real installation: what people see, and what they change."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

from stream_rec.api.access.key import new_key
from stream_rec.clock import SystemClock
from stream_rec.page.sign_in import RETRY_SECONDS
from stream_rec.producers.experiments.experiments import Experiments
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.producers.scenarios.apply import Scenarios
from stream_rec.schemas.records import Interaction
from stream_rec.settings import BusSettings, Settings, StoreSettings
from stream_rec.store.api_keys import ApiKeyQuestions
from stream_rec.store.reader import Reader
from tests.page.conftest import START, Shown, connected, dashboard, open_view, tab
from tests.waiting import wait_until

LETTER = 'td:text-matches("^events/[0-9]/[0-9]+$")'
"""A record that could not be read. (No pattern with a slash can be the name of a role: Playwright ends it there.)"""
VIEWS = (
    ("/", ".tile"),
    ("/scenarios", ".history li"),
    ("/experiments?name=front", 'dd >> text="as planned (p = 1)"'),
    ("/users?user=u1", ".history .title"),
    ("/items?item=i4", ".facts >> text=impressions"),
    ("/operations", LETTER),
)
"""Addresses, and what is there once everything is."""
SERIOUS = ("serious", "critical")


def test_the_overview_has_live_figures_and_what_could_not_be_read(page: Page, shown: Shown) -> None:
    open_view(page, "/")
    expect(page.get_by_text(re.compile(r"1 worker, \d+ events so far"))).to_be_visible()
    before = int(page.get_by_text("events so far").inner_text().split()[2].replace(",", ""))
    with Publisher(shown.settings.bus) as publisher:
        publisher.publish_all(Interaction("u2", f"i{n}", "view", START + 100 + n) for n in range(20))
    expect(page.get_by_text(f"{before + 20} events so far")).to_be_visible()
    expect(page.get_by_role("cell", name="not_json", exact=True)).to_be_visible()
    expect(page.get_by_role("img", name=re.compile("^Throughput"))).to_be_visible()


def test_the_overview_says_how_what_was_shown_is_spread(page: Page) -> None:
    open_view(page, "/")
    spread = page.get_by_role("region", name="Exposure")
    expect(spread.get_by_role("row", name=re.compile(r"^item 0\.\d+ .* % 20\.0 %$"))).to_be_visible()
    expect(spread.get_by_role("row", name=re.compile(r"^tag 0\.\d+ .* % 100\.0 %$"))).to_be_visible()
    expect(page.get_by_text("of the last 245 places shown")).to_be_visible()
    expect(page.get_by_text(re.compile("^Two places of one user differ in their tag"))).to_be_visible()


def press_first(page: Page, slate: Locator) -> str:
    """Click the first item of a slate by keyboard; its title. Again, if just then the list was drawn anew."""
    for _ in range(5):
        title = slate.locator(".title").first.inner_text()
        slate.get_by_role("button").first.press("Enter")
        with contextlib.suppress(AssertionError):
            expect(page.get_by_role("status")).to_have_text(
                re.compile(rf"click on {title}: the slate knew it \d+ ms later\."), timeout=20_000
            )
            return title
    raise AssertionError("no click was taken")


def test_a_click_as_a_user_changes_the_slate(page: Page) -> None:
    open_view(page, "/users?user=u1")
    slate = page.get_by_role("list").filter(has=page.get_by_role("button", name=re.compile("^Click Film")))
    first = slate.get_by_role("listitem").first
    expect(first.locator(".title")).to_have_text(re.compile(r"Film \d+"))
    before = slate.inner_text()
    title = press_first(page, slate)
    expect(page.locator(".history .title").first).to_have_text(title)
    assert slate.inner_text() != before


def test_what_is_known_of_a_user_is_said(page: Page) -> None:
    open_view(page, "/users?user=u1")
    known = page.get_by_role("region", name="What is known")
    expect(known.get_by_text(re.compile(r"^\d+ items, made "))).to_be_visible()


def test_a_scenario_is_checked_as_it_is_typed_applied_and_rolled_back(page: Page, shown: Shown) -> None:
    open_view(page, "/scenarios")
    editor, apply = page.get_by_label("Scenario", exact=True), page.get_by_role("button", name="Apply")
    expect(page.locator("#verdict")).to_have_text("As it is in force.")
    editor.fill("[default]\nk = 500\n")
    expect(page.locator("#verdict")).to_contain_text("line 2:5: scenario default: k")
    expect(apply).to_be_disabled()
    editor.fill("[default]\nk = 7\n")
    expect(page.locator("#verdict")).to_contain_text("k: 20 -> 7")
    page.get_by_label("User", exact=True).fill("u1")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("status").filter(has_text="Tried on u1; nothing was applied.")).to_be_visible()
    expect(page.locator(".versions ol").last.get_by_role("listitem")).to_have_count(7)
    page.get_by_label("Why").fill("shorter")
    apply.click()
    expect(page.locator(".history").get_by_text(re.compile("shorter"))).to_be_visible()
    assert _k(shown) == 7
    page.get_by_role("button", name="Roll back").first.click()
    expect(page.locator("#verdict")).to_have_text("As it is in force.")
    wait_until(lambda: _k(shown) == 20, 120)


def test_an_experiment_says_how_its_arms_compare(page: Page) -> None:
    open_view(page, "/experiments")
    line = page.get_by_role("listitem").filter(has=page.get_by_role("link", name="front", exact=True))
    expect(line.get_by_text("running, 100 %")).to_be_visible()
    expect(
        line.get_by_text(re.compile(r"^240 users · sample ratio as planned .* · 0 of 1 guard"))
    ).to_be_visible()
    expect(
        line.get_by_role("img", name=re.compile(r"^ctr of blue: \+50\.0 %, from -.* to \+"))
    ).to_be_visible()
    page.get_by_role("link", name="front", exact=True).click()
    expect(page.get_by_role("heading", name="Against the control")).to_be_visible()
    connected(page)
    expect(page.get_by_role("img", name=re.compile(r"^bounce of blue: \+50\.0 %"))).to_be_visible()
    arms = page.get_by_role("region", name="Arms")
    expect(arms.get_by_role("row", name=re.compile(r"^blue k = 7 50\.0% 120 120 90 0\.750"))).to_be_visible()
    expect(page.locator(".history").get_by_text(re.compile("on with it"))).to_be_visible()


def test_an_experiment_is_moved_by_who_says_why(page: Page, shown: Shown) -> None:
    open_view(page, "/experiments?name=back")
    expect(page.locator(".history").get_by_text("draft")).to_be_visible()
    assert page.get_by_role("button", name="Ship").count() == 0
    page.get_by_role("button", name="Ramp").press("Enter")
    asked = page.get_by_role("region", name="Ramp back")
    expect(asked.get_by_text("It gets 1% of its layer's users")).to_be_visible()
    expect(asked.get_by_label("Why")).to_be_focused()
    asked.get_by_role("button", name="Ramp it").click()
    expect(asked.get_by_role("status")).to_have_text("Say why: it stands in the history.")
    asked.get_by_label("Why").fill("let us see")
    asked.get_by_role("button", name="Ramp it").click()
    expect(page.locator(".history").get_by_text(re.compile("let us see"))).to_be_visible()
    expect(asked).to_have_count(0)
    page.get_by_role("button", name="Ship").click()
    asked = page.get_by_role("region", name="Ship back")
    asked.get_by_label("Arm").select_option("blue")
    asked.get_by_label("Why").fill("it is lovely")
    asked.get_by_role("button", name="Ship it").click()
    expect(page.locator(".history li").first).to_contain_text("shipped: blue")
    known = Experiments(shown.settings).one("back")
    assert (known.experiment.winner, known.note) == ("blue", "it is lovely")
    expect(page.get_by_role("button", name=re.compile("^(Start|Ramp|Pause|Stop|Ship)$"))).to_have_count(0)


def test_what_others_decide_is_seen(page: Page, shown: Shown) -> None:
    open_view(page, "/experiments?name=front")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    Experiments(shown.settings).move("front", "pause", note="a sale")
    expect(page.locator(".history li").first).to_contain_text("a sale")
    Experiments(shown.settings).move("front", "start", note="the sale is over")
    expect(page.locator(".history li").first).to_contain_text("the sale is over")


def _k(shown: Shown) -> int:
    found = Scenarios(shown.settings).one("default").scenario
    assert found is not None
    return found.k


def test_a_hidden_item_is_shown_no_more_until_it_is_brought_back(page: Page, shown: Shown) -> None:
    reader = Reader(shown.settings.store)
    open_view(page, "/items?q=Film 5")
    page.get_by_role("link", name="Film 5", exact=True).click()
    expect(page.get_by_role("heading", name="Neighbours")).to_be_visible()
    connected(page)
    page.get_by_role("button", name="Hide").click()
    wait_until(lambda: reader.removed(["i5"]), 120)
    page.get_by_role("button", name="Bring back").click()
    wait_until(lambda: not reader.removed(["i5"]), 120)
    expect(page.get_by_role("button", name="Hide")).to_be_visible()
    reader.close()


def test_a_list_is_ranked_for_a_user_by_titles_and_ids(page: Page) -> None:
    open_view(page, "/users?user=u1")
    ranking = page.locator("section").filter(has=page.get_by_role("heading", name="Rank a list"))
    ranking.get_by_label("Items, by title or id").fill("film 3\ni5, Film 7\nnobody-knows")
    ranking.get_by_role("button", name="Rank", exact=True).click()
    expect(page.get_by_role("status")).to_have_text("3 of 4 items, in u1's order.")
    titles = ranking.locator(".title").all_inner_texts()
    assert sorted(titles[:3]) == ["Film 3", "Film 5", "Film 7"]
    assert titles[3] == "nobody-knows"
    expect(ranking.get_by_text("not in the catalogue")).to_be_visible()


def test_an_item_shows_how_it_was_shown_and_what_is_near_in_each_space(page: Page) -> None:
    open_view(page, "/items?item=i3")
    expect(page.get_by_text("in 1 of the last 241 impressions")).to_be_visible()
    expect(page.get_by_text("1 by an event (100.0%)")).to_be_visible()
    page.get_by_role("button", name="Look at its vectors").click()
    expect(page.get_by_role("status")).to_have_text("In 2 spaces.")
    expect(page.get_by_role("heading", name="Learned factors")).to_be_visible()
    content = page.locator(".spaces > div").filter(has=page.get_by_role("heading", name="Content"))
    expect(content.locator(".title").first).to_have_text(re.compile(r"Film \d+"))


def test_operations_name_workers_owners_and_dead_letters(page: Page) -> None:
    open_view(page, "/operations")
    workers = page.get_by_role("region", name="Workers")
    name = workers.get_by_role("cell").first.inner_text()
    partitions = page.get_by_role("region", name="Partitions")
    expect(partitions.get_by_role("row", name=re.compile(f"events 0 .* {re.escape(name)}"))).to_be_visible()
    expect(page.locator(LETTER).first).to_be_visible()
    types = page.get_by_role("region", name="Event types")
    expect(types.get_by_role("row", name=re.compile("^purchase positive 2 a price yes"))).to_be_visible()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_every_view_is_accessible_and_fits(browser: Browser, shown: Shown, scheme: str, width: int) -> None:
    with tab(browser, shown.url, scheme=scheme, width=width) as page:
        for path, loaded in VIEWS:
            open_view(page, path)
            expect(page.locator(loaded).first).to_be_attached()
            found = Axe().run(page).response["violations"]
            assert not [(path, each["id"], each["nodes"]) for each in found if each["impact"] in SERIOUS]
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} is too wide"


def test_a_read_only_page_on_serve_offers_nothing_that_changes(
    browser: Browser, shown: Shown, tmp_path: Path
) -> None:
    """`/` of a local `serve` is the same page, and its API stands beside it; the last test: a key is made."""
    command = ("serve", "--set", "page.read_only=true")
    with dashboard(shown.settings, tmp_path, *command) as url:
        assert httpx.get(f"{url}/healthz").status_code == 200
        with tab(browser, url) as page:
            open_view(page, "/users?user=u1")
            expect(page.get_by_text("read-only")).to_be_visible()
            expect(page.locator(".slate .title").first).to_be_visible()
            assert page.get_by_role("button", name=re.compile("^Click")).count() == 0
            open_view(page, "/experiments?name=front")
            expect(page.locator(".history li").first).to_be_visible()
            assert page.get_by_role("button", name="Pause").count() == 0
            _sign_in(page, shown)


def _sign_in(page: Page, shown: Shown) -> None:
    """From the first key on, only who has one with the scope admin sees the page; an open page notices it."""
    key, secret = new_key("boss", ("admin",), 0.0, SystemClock().now(), ())
    other, other_secret = new_key("reader", ("read",), 0.0, SystemClock().now(), ())
    reader, questions = Reader(shown.settings.store), ApiKeyQuestions(shown.settings.store.prefix)
    try:
        reader.answer(questions.add(key))
        reader.answer(questions.add(other))
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        page.get_by_label("Key").fill(other_secret)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_be_visible()
        page.get_by_label("Key").fill(secret)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", name="Overview")).to_be_visible()
        expect(
            page.get_by_text("live", exact=True)
        ).to_be_visible()  # it is connected: else nothing could lead it away
        reader.answer(questions.remove(key.key_id))
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    finally:
        reader.answer(questions.remove(key.key_id))
        reader.answer(questions.remove(other.key_id))
        reader.close()


def test_without_redis_the_page_says_so_and_asks_again(tansu: str, tmp_path: Path) -> None:
    settings = Settings(
        bus=BusSettings(bootstrap=tansu, prefix="noredis-"),
        store=StoreSettings(url="redis://127.0.0.1:1", timeout_seconds=0.2),
    )
    with dashboard(settings, tmp_path) as url:
        found = httpx.get(url, timeout=120)
    assert found.status_code == 503
    assert "redis is unavailable" in found.text
    assert "stream-rec doctor" in found.text
    assert f'http-equiv="refresh" content="{RETRY_SECONDS}"' in found.text
