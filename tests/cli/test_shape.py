"""`stream-rec shape`: from somebody's topic or file to a shape that can be used."""

from __future__ import annotations

import io
import json
import tomllib
from pathlib import Path

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from fastavro import parse_schema, schemaless_writer

from stream_rec.bus.topics import ensure_topics
from stream_rec.schemas.records import Interaction
from stream_rec.settings import Settings, load
from tests.cli.running import addresses, run
from tests.reading import records

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
    assert f'[bridge.inputs.web]\ntopic = "{topic}"\nshape = "web"' in guessed.stdout
    assert "4 records looked at, 4 became ours: 2 purchase, 1 " in guessed.stderr
    assert "1 not_kept (keep)" in guessed.stderr
    assert '# [engine.event_types.view]\n# value = "price"\n' in guessed.stdout
    assert "# who logs in: with `merge = true` in the shape" in guessed.stdout
    for kind in ("view", "cart", "purchase"):  # one of each
        assert f"event_type='{kind}'" in guessed.stderr
    tried = run("shape", "try", topic, "--shape", "segment", environment=environment)
    assert tried.returncode == 0, tried.stderr
    assert "item_id='505bd76', event_type='purchase'" in tried.stdout


def test_who_logs_in_is_told_as_lines_that_need_no_more_than_their_marks_taken_away(
    tansu_settings: Settings, tmp_path: Path
) -> None:
    topic = f"{tansu_settings.bus.prefix}own"
    admin = AdminClient({"bootstrap.servers": tansu_settings.bus.bootstrap})
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(30)
    producer = Producer({"bootstrap.servers": tansu_settings.bus.bootstrap})
    for account in (None, "ann"):
        visitor = {"cookieId": "c-1", "customerNo": account}
        body = {"visitor": visitor, "sku": "tea", "when": "2024-05-01T10:31:00Z", "timestamp": 1714559460}
        producer.produce(topic, json.dumps(body).encode())
    assert producer.flush(30) == 0
    environment = addresses(tansu_settings)
    done = run("shape", "guess", topic, "--name", "own", environment=environment, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "merges" not in tomllib.loads(done.stdout)["shapes"]["own"]
    shape, _, merges = done.stdout.partition("# [shapes.own.merges]")
    merges = "[shapes.own.merges]" + merges.replace("\n# ", "\n")
    (tmp_path / "stream-rec.toml").write_text(shape + merges)
    tried = run("shape", "try", topic, "--shape", "own", environment=environment, folder=tmp_path)
    assert tried.returncode == 0, tried.stderr
    assert tried.stdout.count("SignIn(visitor_id='c-1', user_id='ann')") == 1


def test_what_is_guessed_can_be_appended_to_the_settings_file(tmp_path: Path) -> None:
    (tmp_path / "stream-rec.toml").write_text('[bus]\nprefix = "shop-"')  # without an end of line
    (tmp_path / "shop.csv").write_text(
        'Customer;"Pro""duct";price;When\nann;tea;1.234,50;2024-05-01 10:31\nbob;#cup\x1b;7,20;2024-05-01 10:32\n'
    )
    done = run("shape", "guess", "shop.csv", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    with (tmp_path / "stream-rec.toml").open("a") as file:
        file.write(done.stdout)
    settings, _ = load(file=tmp_path / "stream-rec.toml", environment={})
    assert settings.bus.prefix == "shop-"
    assert settings.shapes["shop"].events["value"] == "number(price, ',')"
    again = run("shape", "guess", "shop.csv", folder=tmp_path)
    assert (again.returncode, again.stdout) == (2, "")
    assert "the settings have [shapes.shop] already" in again.stderr and "--name OTHER" in again.stderr
    tried = run("shape", "try", "shop.csv", "--shape", "shop", folder=tmp_path)
    assert (
        "item_id='tea', event_type='view', ts=1714559460.0, event_id=None, session_id=None, value=1234.5"
        in (tried.stdout)
    )


def test_of_a_product_feed_a_shape_of_items_is_printed_and_the_command_that_loads_it(tmp_path: Path) -> None:
    (tmp_path / "feed.csv").write_text("sku;title;price\na;Tea;8,35\nb;Cup;12,00\n")
    done = run("shape", "guess", "feed.csv", "--name", "products", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert tomllib.loads(done.stdout)["shapes"]["products"]["items"]["price"] == "number(price, ',')"
    assert "stream-rec items load feed.csv --shape products" in done.stderr


def test_messages_of_a_registry_that_is_not_named_are_told_by_the_lines_that_name_it(
    tansu_settings: Settings, tmp_path: Path
) -> None:
    topic = f"{tansu_settings.bus.prefix}avro"
    admin = AdminClient({"bootstrap.servers": tansu_settings.bus.bootstrap})
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(30)
    producer = Producer({"bootstrap.servers": tansu_settings.bus.bootstrap})
    schema = parse_schema({"type": "record", "name": "C", "fields": [
        {"name": name, "type": "string"} for name in ("user_id", "item_id", "ts")]})  # fmt: skip
    bare = io.BytesIO()
    schemaless_writer(bare, schema, {"user_id": "ann", "item_id": "tea", "ts": "2024-05-01"})
    producer.produce(topic, b"\0\0\0\0\1" + bare.getvalue())
    assert producer.flush(30) == 0
    done = run("shape", "guess", topic, environment=addresses(tansu_settings), folder=tmp_path)
    assert done.returncode == 1
    assert '# [registry]\n# url = "https://HOST:8081"' in done.stdout
    assert tomllib.loads(done.stdout) == {}
    assert "no shape was printed: messages name a schema of a registry" in " ".join(done.stderr.split())
    tried = run("shape", "try", topic, "--shape", "confluent", environment=addresses(tansu_settings))
    assert tried.returncode == 2
    assert '[registry] url = "https://HOST:8081"' in " ".join(tried.stderr.split())
    tried = run("shape", "try", topic, "--shape", "native", environment=addresses(tansu_settings))
    assert "24 bytes that are no text: 00 00 00 00 01 06 61 6e 6e" in tried.stdout
    (tmp_path / "c.avsc").write_text(json.dumps(schema))
    (tmp_path / "stream-rec.toml").write_text(
        "[shapes.bare]\npreset = 'avro'\nschema_file = 'c.avsc'\n[shapes.bare.events]\nuser_id = 'user_id'\n"
    )
    producer.produce(topic, bare.getvalue())
    assert producer.flush(30) == 0
    tried = run(
        "shape", "try", topic, "--shape", "bare", environment=addresses(tansu_settings), folder=tmp_path
    )
    assert '{"user_id":"ann","item_id":"tea","ts":"2024-05-01"' in tried.stdout


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


def test_a_log_of_which_all_rows_are_left_out_ends_with_2_and_the_reasons(
    tansu_settings: Settings, tmp_path: Path
) -> None:
    ensure_topics(tansu_settings.bus)
    log = tmp_path / "events.csv"
    log.write_text(
        "timestamp,visitorid,event,itemid,transactionid\n1433221332117,NULL,view,355908,\n5,7,view,1,\n"
    )
    done = run("replay", str(log), environment=addresses(tansu_settings))
    assert done.returncode == 2
    assert "1 row: user_id stands for nobody" in done.stderr
    assert "1 row: the time is out of range" in done.stderr


def test_a_log_is_replayed_by_a_shape_of_the_settings(tansu_settings: Settings, tmp_path: Path) -> None:
    ensure_topics(tansu_settings.bus)
    (tmp_path / "stream-rec.toml").write_text(
        '[shapes.shop]\nseparator = ";"\n[shapes.shop.events]\n'
        'user_id = "Customer"\nitem_id = "Product-ID"\nts = "When"\n'
    )
    (tmp_path / "shop.csv").write_text(
        "Customer;Product-ID;When\nann;7;2020-04-13 10:00\nbob;8;2020-05-03 11:00\n"
    )
    done = run(
        "replay", "shop.csv", "--shape", "shop", environment=addresses(tansu_settings), folder=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "2 events published" in done.stdout
    assert {event.user_id for event in records(tansu_settings.bus, "events", Interaction)} == {"ann", "bob"}


def test_a_shop_with_types_of_its_own_is_guessed_whole_and_what_is_refused_is_told_by_type(
    tmp_path: Path,
) -> None:
    base = {"visitor": {"cookieId": "c-1", "customerNo": None}, "occurredAt": "2026-11-30T10:11:12.345+01:00"}
    lines = [{"sku": "a", "unitPrice": 4.5}, {"sku": "b", "unitPrice": 7.0}]
    given = [
        ("productViewed", {"sku": "a"}),
        ("orderPlaced", {"lines": lines}),
        ("addedToCart", {}),
        ("pageViewed", {}),
    ]
    rows = [{**base, "eventName": kind, "payload": payload} for kind, payload in given]
    rows[1]["visitor"] = {"cookieId": "c-1", "customerNo": 123}
    (tmp_path / "track.jsonl").write_text("\n".join(map(json.dumps, rows)))
    done = run("shape", "guess", "track.jsonl", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    shape = tomllib.loads(done.stdout)["shapes"]["track"]
    assert shape["types"] == {"productViewed": "view", "orderPlaced": "purchase"}
    assert shape["events"]["user_id"] == "visitor.customerNo || visitor.cookieId"
    assert "4 records looked at, 3 became ours: 2 purchase, 1 view" in done.stderr
    said = "(item_id): there is no item_id; addedToCart 1: nothing at payload.sku || payload.lines[].sku"
    assert said in done.stderr
