"""`stream-rec replay` puts a log on the bus, and goes on where it was stopped."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

from stream_rec.bus.lag import ends
from stream_rec.bus.topics import ensure_topics
from stream_rec.settings import Settings
from tests.cli.running import addresses, clean_environment, events, run
from tests.forked.process import start
from tests.waiting import wait_until


def test_columns_can_be_named_and_bad_rows_are_left_out(tansu_settings: Settings, tmp_path: Path) -> None:
    ensure_topics(tansu_settings.bus)
    log = tmp_path / "log.csv"
    log.write_text("who;what;when;stars\nann;film-1;2024-05-01T10:00:00;5\n;film-2;2024-05-01T10:00:01;4\n")
    columns = ["--user-id", "who", "--item-id", "what", "--ts", "when", "--value", "stars"]
    form = ["--ts-unit", "iso", "--separator", ";", "--default-event-type", "rating"]
    done = run("replay", str(log), *columns, *form, environment=addresses(tansu_settings), folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("1 events published")
    assert "rows that are not valid events, skipped: 1" in done.stderr
    assert "row 2" in done.stderr
    (event,) = events(tansu_settings)
    assert event == {
        "user_id": "ann",
        "item_id": "film-1",
        "event_type": "rating",
        "ts": 1714557600.0,
        "value": 5.0,
    }


def test_stopped_by_ctrl_c_it_goes_on_without_repeating_or_skipping(
    tansu_settings: Settings, tmp_path: Path
) -> None:
    ensure_topics(tansu_settings.bus)
    log = tmp_path / "log.csv"
    log.write_text("user_id,item_id,ts\n" + "".join(f"u{n % 7},i{n},{n}\n" for n in range(2_000)))
    resume = ["--resume-file", str(tmp_path / "resume.json")]
    command = ["replay", str(log), "--rate", "1000", "--ts-unit", "s", *resume]
    first = start(
        command,
        env=clean_environment(**addresses(tansu_settings)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: sum(ends(tansu_settings.bus, "events").values()) > 100, what="some events")
    first.send_signal(signal.SIGINT)
    _, errors = first.communicate(timeout=30)
    assert first.returncode == 130, errors
    assert "the same command resumes from here" in errors
    second = run(*command, environment=addresses(tansu_settings))
    assert second.returncode == 0, second.stderr
    assert sorted(event["ts"] for event in events(tansu_settings)) == list(range(2_000))


def test_a_source_that_is_neither_file_nor_data_set_is_refused_with_what_there_is() -> None:
    refused = run("replay", "nowhere", "--set", "bus.bootstrap=127.0.0.1:9")
    assert refused.returncode == 2
    assert "movielens-100k" in refused.stderr


def test_a_log_that_nothing_can_be_read_of_is_a_failure_with_the_cause(
    tansu_settings: Settings, tmp_path: Path
) -> None:
    ensure_topics(tansu_settings.bus)
    log = tmp_path / "log.csv"
    log.write_text("user_id,item_id,ts\nann,x,2019-10-01 00:00:00 CET\n")
    done = run("replay", str(log), environment=addresses(tansu_settings), folder=tmp_path)
    assert done.returncode == 2
    assert "log.csv holds no event that could be read" in done.stderr
    assert "ts cannot be read as ISO 8601, e.g. row 1: '2019-10-01 00:00:00 CET'" in done.stderr
    assert "--ts-unit" in done.stderr
