"""`serve` and `key` as processes: what they say, how they end."""

from __future__ import annotations

import concurrent.futures
import json
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from stream_rec.bus.topics import ensure_topics
from stream_rec.schemas.records import Interaction
from stream_rec.settings import Settings
from tests.cli.running import addresses, clean_environment, run
from tests.forked.process import start
from tests.reading import records
from tests.waiting import wait_until


@contextmanager
def serving(
    settings: Settings, log: Path, *flags: str, **environment: str
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """The process, and its address; killed at the end if it still runs."""
    with log.open("wb") as output:
        process = start(
            ["--log-json", *flags, "serve", "--port", "0"],
            env=clean_environment(**addresses(settings), **environment),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        found = wait_until(lambda: re.search(r'"(http://[^"]+)"', log.read_text()), 60, "it to listen")
        yield process, found[1]
    finally:
        process.kill()
        process.wait()


def lines(log: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_at_sigterm_what_is_being_answered_is_answered(tansu_settings: Settings, tmp_path: Path) -> None:
    ensure_topics(tansu_settings.bus)
    log = tmp_path / "log"
    event = {"user_id": "ann", "item_id": "a", "event_type": "view"}
    with serving(tansu_settings, log) as (process, url), httpx.Client(base_url=url, timeout=60) as http:
        assert http.post("/v1/events", json=event).status_code == 202
        with concurrent.futures.ThreadPoolExecutor() as pool:
            slow = {"after": "0:99", "timeout": 3}
            asked = pool.submit(httpx.get, f"{url}/v1/users/ann/recommendations", params=slow, timeout=60)
            wait_until(lambda: "stream_rec_http_waiting 2.0" in http.get("/metrics").text)
            process.send_signal(signal.SIGTERM)
            assert asked.result().json()["stale"] is True
        assert process.wait(60) == 0
    assert len(records(tansu_settings.bus, "events", Interaction)) == 1
    assert lines(log)[-1]["event"] == "stopped"


def test_a_live_server_answers_what_waits_and_ends(tansu_settings: Settings, tmp_path: Path) -> None:
    ensure_topics(tansu_settings.bus)
    log = tmp_path / "log"
    live = {"STREAM_REC__SERVE__LIVE": "true"}
    with (
        serving(tansu_settings, log, **live) as (process, url),
        httpx.Client(base_url=url, timeout=60) as http,
    ):
        wait_until(lambda: http.get("/readyz").status_code == 200, 120, "it to be ready")
        with concurrent.futures.ThreadPoolExecutor() as pool:
            slow = {"after": "0:99", "timeout": 3}
            asked = pool.submit(httpx.get, f"{url}/v1/users/ann/recommendations", params=slow, timeout=60)
            wait_until(lambda: "stream_rec_http_waiting 2.0" in http.get("/metrics").text)
            process.send_signal(signal.SIGTERM)
            assert asked.result().json()["stale"] is True
        assert process.wait(60) == 0
    assert lines(log)[-1]["event"] == "stopped"


def test_a_live_server_told_to_stop_while_it_starts_ends_too(
    tansu_settings: Settings, tmp_path: Path
) -> None:
    with serving(tansu_settings, tmp_path / "log", STREAM_REC__SERVE__LIVE="true") as (process, _):
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_the_access_log_has_the_request_and_nobodys_id(tansu_settings: Settings, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with serving(tansu_settings, log) as (_, url):
        httpx.get(f"{url}/v1/users/secret-ann/recommendations", headers={"x-request-id": "r-1"})
        found = wait_until(lambda: [each for each in lines(log) if each["event"] == "request"])
    (line,) = found
    assert line["route"] == "/v1/users/{user_id}/recommendations"
    assert (line["method"], line["status"], line["request_id"]) == ("GET", 200, "r-1")
    assert "secret-ann" not in log.read_text()


def test_a_port_that_is_taken_and_a_missing_redis_are_named(tansu_settings: Settings, tmp_path: Path) -> None:
    with serving(tansu_settings, tmp_path / "log") as (_, url):
        taken = run("serve", "--port", url.rpartition(":")[2], environment=addresses(tansu_settings))
        assert taken.returncode == 2
        assert "serve.port" in taken.stderr
    assert run("serve").returncode == 2


@pytest.fixture
def environment(redis_url: str) -> dict[str, str]:
    return {"STREAM_REC__STORE__URL": redis_url}


def test_a_key_is_made_listed_and_revoked(environment: dict[str, str]) -> None:
    assert "there are no keys" in run("key", "list", environment=environment).stdout
    made = json.loads(
        run("key", "create", "shop", "--scope", "read", "--json", environment=environment).stdout
    )
    shown = run("key", "list", environment=environment).stdout
    assert made["key_id"] in shown
    assert made["key"].rpartition("_")[2] not in shown
    (listed,) = json.loads(run("key", "list", "--json", environment=environment).stdout)
    assert (listed["name"], listed["scopes"]) == ("shop", ["read"])
    assert run("key", "revoke", made["key_id"], environment=environment).returncode == 0
    assert run("key", "revoke", made["key_id"], environment=environment).returncode == 1
    assert run("key", "create", "shop", "--scope", "write", environment=environment).returncode == 2
