"""`stream-rec shape`: from somebody's topic or file to a shape that can be used."""

from __future__ import annotations

from pathlib import Path

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from stream_rec.settings import Settings
from tests.cli.running import addresses, run

SAMPLES = Path(__file__).parents[1] / "shapes" / "samples"


def test_a_topic_is_looked_at_and_its_messages_are_shown_as_what_they_become(
    tansu_settings: Settings,
) -> None:
    topic = f"{tansu_settings.bus.prefix}web"
    admin = AdminClient({"bootstrap.servers": tansu_settings.bus.bootstrap})
    admin.create_topics([NewTopic(topic, 2, 1)])[topic].result(30)
    producer = Producer({"bootstrap.servers": tansu_settings.bus.bootstrap})
    for n in (1, 2, 3, 4):
        producer.produce(topic, (SAMPLES / f"live-segment/{n}.value").read_bytes(), key=b"k", partition=n % 2)
    assert producer.flush(30) == 0
    environment = addresses(tansu_settings)
    guessed = run("shape", "guess", topic, "--name", "web", environment=environment)
    assert guessed.returncode == 0, guessed.stderr
    assert '[shapes.web]\npreset = "segment"' in guessed.stdout
    assert "4 records looked at, 4 became ours" in guessed.stdout
    assert "1 not_kept (keep)" in guessed.stdout
    tried = run("shape", "try", topic, "--shape", "segment", environment=environment)
    assert tried.returncode == 0, tried.stderr
    assert "item_id='505bd76', event_type='purchase'" in tried.stdout


def test_a_topic_that_is_not_there_is_said(tansu_settings: Settings) -> None:
    done = run("shape", "guess", "nowhere", environment=addresses(tansu_settings))
    assert done.returncode == 2
    assert "there is no topic 'nowhere'" in done.stderr


def test_rows_of_a_file_are_shown_with_the_reason_why_they_are_refused() -> None:
    done = run("shape", "try", str(SAMPLES / "kuairec/small_matrix.csv"), "--shape", "kuairec")
    assert done.returncode == 0, done.stderr
    assert "refused, missing_field (ts): there is no time" in done.stdout


def test_the_presets_are_listed() -> None:
    done = run("shape", "presets")
    assert "movielens: MovieLens 20M" in done.stdout
