"""`stream-rec doctor` finds what is wrong and says what to do."""

from __future__ import annotations

import json
import shlex
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
import pytest
import redis
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from stream_rec.bus.topics import ensure_topics
from stream_rec.doctor import AREAS, Finding, examine
from stream_rec.producers.scenarios.apply import Scenarios
from stream_rec.schemas.codec import encode
from stream_rec.schemas.records import AsOf, DeadLetter, Interaction
from stream_rec.schemas.scenario import Scenario
from stream_rec.schemas.scenario_reads import KnownNames
from stream_rec.settings import BusSettings, EngineSettings, Settings, StoreSettings
from stream_rec.store.encoding import encode_list
from stream_rec.store.keys import Keys
from stream_rec.store.last_values import LastValues
from stream_rec.telemetry.points import field
from tests.cli.running import addresses, run
from tests.consumers.bridge.bridging import bridged, clicks, make_topic, one_input, send
from tests.schema_registry import RegistryServer
from tests.waiting import wait_until


def findings(settings: Settings, area: str) -> list[Finding]:
    return [finding for where, finding in examine(settings) if where == area]


def publish(settings: Settings, partitioner: str, n: int) -> None:
    producer = Producer({"bootstrap.servers": settings.bus.bootstrap, "partitioner": partitioner})
    for number in range(n):
        producer.produce(f"{settings.bus.prefix}events", b"{}", key=f"user-{number}")
    assert producer.flush(30) == 0


def test_without_addresses_it_tries_the_embedded_servers() -> None:
    shown = run("doctor", "--json")
    assert shown.returncode == 0, shown.stderr
    found = json.loads(shown.stdout)
    assert {finding["area"] for finding in found} == set(AREAS)
    assert any("embedded broker starts" in finding["what"] for finding in found)
    for area, key in (("kafka", "bus.bootstrap"), ("redis", "store.url")):
        empty = [finding for finding in found if f"{key} is empty" in finding["what"]]
        assert [(one["area"], one["status"], one["command"]) for one in empty] == [
            (area, "warn", "stream-rec up --write")
        ]


def test_on_a_healthy_stack_only_the_worker_is_missing(settings: Settings) -> None:
    ensure_topics(settings.bus)
    publish(settings, "murmur2_random", 50)
    shown = run("doctor", "--json", environment=addresses(settings))
    assert shown.returncode == 0, shown.stdout
    wrong = [finding for finding in json.loads(shown.stdout) if finding["status"] != "ok"]
    assert {finding["command"] for finding in wrong} == {"stream-rec worker"}
    assert all("slates age" in finding["what"] for finding in wrong)


def test_where_the_broker_names_no_members_redis_knows_the_workers(tansu_settings: Settings) -> None:
    """The embedded broker describes every group as empty."""
    ensure_topics(tansu_settings.bus)
    with redis.Redis.from_url(tansu_settings.store.url) as client:
        client.zadd(Keys(tansu_settings.store.prefix).workers, {"a": 1e9, "b": 1e9})
    (group,) = [f for f in findings(tansu_settings, "kafka") if f.what.startswith("group ")]
    assert group.status == "ok"
    assert ": 2 workers as Redis says" in group.what


def test_an_absurd_user_and_forgotten_removals_are_found(tansu_settings: Settings) -> None:
    keys = Keys(tansu_settings.store.prefix)
    stats = {"loudest_user_share": 0.62, "evicted_hidden": 1200.0}
    report = LastValues(1e9, {field("engine", {"stat": stat}): value for stat, value in stats.items()})
    with redis.Redis.from_url(tansu_settings.store.url) as client:
        client.zadd(keys.workers, {"a": 1e9})
        client.set(keys.metrics("a"), msgspec.json.encode(report))
    said = [f.what for f in findings(tansu_settings, "redis") if f.status == "warn"]
    assert any("62%" in what for what in said)
    assert any("1,200 hidden items" in what for what in said)


def test_keys_on_wrong_partitions_are_found(tansu_settings: Settings) -> None:
    ensure_topics(tansu_settings.bus)
    publish(tansu_settings, "consistent_random", 50)
    (wrong,) = [f for f in findings(tansu_settings, "kafka") if f.status == "fail"]
    assert "of the last 50 records of events are on a wrong partition" in wrong.what
    assert "murmur2_random" in wrong.fix


def test_event_types_that_the_table_does_not_know_are_named(tansu_settings: Settings) -> None:
    ensure_topics(tansu_settings.bus)
    producer = Producer({"bootstrap.servers": tansu_settings.bus.bootstrap, "partitioner": "murmur2_random"})
    for n, kind in enumerate(["view", "play", "play", "purchase"]):
        event = encode(Interaction(f"u{n}", "i", kind, 1.7e9))
        producer.produce(f"{tansu_settings.bus.prefix}events", event, key=f"u{n}")
    assert producer.flush(30) == 0
    (said,) = [f for f in findings(tansu_settings, "kafka") if "engine.event_types" in f.what]
    assert said.status == "warn"
    assert "'play' (2)" in said.what
    engine = EngineSettings.model_validate({"event_types": {"play": {}}})
    named = tansu_settings.model_copy(update={"engine": engine})
    (said,) = [f for f in findings(named, "kafka") if "engine.event_types" in f.what]
    assert said == Finding("ok", "engine.event_types names the types of the newest 4 events")


def test_a_filter_that_lets_nothing_through_is_found_with_the_name_that_no_item_has(
    tansu_settings: Settings,
) -> None:
    ensure_topics(tansu_settings.bus)
    keys, of = Keys(tansu_settings.store.prefix), AsOf("log", 0, 1, 1, 1.0)
    lists = {"home": (0, 20), "mail": (3, 20)}
    with redis.Redis.from_url(tansu_settings.store.url) as client:
        for name, reach in lists.items():
            client.set(
                keys.scenario_list(name),
                encode_list([], [], as_of=of, model="m", created_ts=1.0, reach=reach),
            )
        client.set(keys.catalogue, msgspec.json.encode(KnownNames(20, ("colour", "price"))))
    scenarios = {"home": Scenario(filter="available"), "mail": Scenario(filter="price < 3.0")}
    Scenarios(tansu_settings).apply(scenarios)
    warned = [f.what for f in findings(tansu_settings, "rules") if f.status == "warn"]
    assert warned == [
        "scenario home: its filter lets none of 20 items through: its slates are empty",
        "scenario home, filter: no item of the catalogue has 'available': as long as that is so, it lets nothing "
        "through where it asks for it (items that are not available are never shown: no rule needs to ask)",
    ]
    Scenarios(tansu_settings).apply({"home": Scenario(filter="colour == 'red'")})
    with redis.Redis.from_url(tansu_settings.store.url) as client:
        client.delete(keys.scenario_list("home"))
    assert [f.status for f in findings(tansu_settings, "rules")] == ["ok"]


def test_a_catalogue_that_cannot_be_shown_or_is_of_other_items_is_found(tansu_settings: Settings) -> None:
    def said(known: KnownNames | None) -> list[tuple[str, str]]:
        with redis.Redis.from_url(tansu_settings.store.url) as client:
            key = Keys(tansu_settings.store.prefix).catalogue
            client.delete(key) if known is None else client.set(key, msgspec.json.encode(known))
        return [(f.status, f.what) for f in findings(tansu_settings, "catalogue")]

    assert said(None) == said(KnownNames(20, ("price",))) == [("ok", "no worker has said yet what is in it")]
    assert said(KnownNames(0, (), 0, 0, 9)) == [("ok", "it is empty; users have acted on 9 items")]
    assert said(KnownNames(2_000, (), 1_500, 50, 50)) == [("ok", "1,500 of its 2,000 items may be shown")]
    assert said(KnownNames(2_000, (), 0, 49, 51, ("7", "8"), ("007",))) == [
        (
            "warn",
            "none of its 2,000 items may be shown: they are hidden, not available, or not in their windows",
        ),
        (
            "warn",
            "51 of 100 items that users act on have no record in it: events name '007', the catalogue '7', '8'",
        ),
    ]


def test_missing_topics_are_found_and_not_created(tansu_settings: Settings) -> None:
    for _ in range(2):
        (missing,) = [f for f in findings(tansu_settings, "kafka") if "no topic" in f.what]
        assert "worker" in missing.fix


@pytest.mark.parametrize(("area", "service"), [("kafka", "kafka"), ("redis", "redis")])
def test_a_server_that_is_away_is_a_finding_and_the_rest_is_still_looked_at(area: str, service: str) -> None:
    settings = Settings(
        bus=BusSettings(bootstrap="127.0.0.1:9", admin_timeout_seconds=1),
        store=StoreSettings(url="redis://127.0.0.1:9/0", timeout_seconds=1),
    )
    (finding,) = findings(settings, area)
    assert finding.status == "fail"
    assert f"{service} is unavailable" in finding.what
    assert finding.fix


@contextmanager
def listening(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server that is none of ours, on a port: what it does with each connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    threading.Thread(target=answered, args=(connection,), daemon=True).start()

        def answered(connection: socket.socket) -> None:
            with suppress(OSError), connection:
                answer(connection)

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def http(connection: socket.socket) -> None:
    connection.recv(1000)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def silence(connection: socket.socket) -> None:
    while connection.recv(1000):
        pass


def hang_up(connection: socket.socket) -> None:
    connection.recv(1)


def noise(connection: socket.socket) -> None:
    while connection.recv(1000):
        connection.sendall(b"\xff" * 100 + b"\r\n")


def wrong_words(connection: socket.socket) -> None:
    while connection.recv(1000):
        connection.sendall(b":1\r\n" * 20)


@pytest.mark.parametrize("other", [http, silence, hang_up, noise, wrong_words])
def test_a_server_of_another_kind_is_a_finding_with_a_fix(other: Callable[[socket.socket], None]) -> None:
    with listening(other) as port:
        settings = Settings(
            bus=BusSettings(bootstrap=f"127.0.0.1:{port}", admin_timeout_seconds=1),
            store=StoreSettings(url=f"redis://127.0.0.1:{port}/0", timeout_seconds=0.5),
        )
        found = list(examine(settings))
    for wanted in ("kafka", "redis"):
        failed = [finding for area, finding in found if area == wanted and finding.status == "fail"]
        assert failed, wanted
        assert all(finding.fix for finding in failed)
        assert not any("bug of stream-rec" in finding.fix for finding in failed), failed


@pytest.mark.parametrize(
    "content", [b"\xff\xfe\x00", b"[bus\n", b"bus = 3\n", b"[bus]\nbootstrap = [1]\n", None]
)
def test_a_settings_file_that_cannot_be_read_is_told_without_a_traceback(
    tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "my settings.toml"
    if content is None:
        file.mkdir()
    else:
        file.write_bytes(content)
    shown = run("doctor", "-c", str(file))
    assert shown.returncode == 2
    assert "fix:" in shown.stderr
    assert "Traceback" not in shown.stderr


@pytest.mark.kafka
def test_topic_settings_that_differ_say_what_it_costs_and_the_command_that_sets_them(
    kafka: str, prefix: str, redis_url: str
) -> None:
    settings = Settings(
        bus=BusSettings(bootstrap=kafka, prefix=prefix), store=StoreSettings(url=redis_url, prefix=prefix)
    )
    ensure_topics(settings.bus)
    alter(settings.bus, "dead-letters", "max.message.bytes", "20000")
    alter(settings.bus, "slates", "max.message.bytes", "20000")
    alter(settings.bus, "events", "message.timestamp.type", "CreateTime")
    alter(settings.bus, "events", "retention.ms", "1000")
    alter(settings.bus, "items", "cleanup.policy", "delete")
    wrong = {one.what: one for one in findings(settings, "kafka") if one.what.startswith(f"topic {prefix}")}
    costs = {
        "dead-letters has max.message.bytes=20000": "dead letters of more than 20,000 bytes are refused, and lost",
        "slates has max.message.bytes=20000": "a record of more than 20,000 bytes is refused, and lost",
        "events has message.timestamp.type=CreateTime": "leads `trending`",
        "events has retention.ms=1000": "know only what is kept",
        "items has cleanup.policy=delete": "is forgotten",
    }
    assert len(wrong) == len(costs), list(wrong)
    for start, cost in costs.items():
        (what,) = [what for what in wrong if start in what]
        assert cost in what
        words = shlex.split(wrong[what].command)
        assert words[:3] == ["kafka-configs.sh", "--bootstrap-server", kafka]
        assert words[words.index("--entity-name") + 1] in what
        assert "--add-config" in words


def alter(bus: BusSettings, topic: str, name: str, value: str) -> None:
    """Set a topic's setting, and wait until its broker says so."""
    admin = AdminClient({"bootstrap.servers": bus.bootstrap})
    full = f"{bus.prefix}{topic}"
    change = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, full, incremental_configs=[change])
    admin.incremental_alter_configs([resource])[resource].result(30)
    asked = ConfigResource(ResourceType.TOPIC, full)
    wait_until(lambda: admin.describe_configs([asked])[asked].result(30)[name].value == value)


def test_dead_letters_of_the_last_hour_are_told_with_a_hint(tansu_settings: Settings) -> None:
    ensure_topics(tansu_settings.bus)
    raw = b'{"userId": "ann", "item_id": "lamp", "event_type": "click", "ts": 1700000000}'
    letter = DeadLetter("events", 0, 7, 0, "missing_field", "`user_id` is not given", raw, len(raw), False)
    producer = Producer({"bootstrap.servers": tansu_settings.bus.bootstrap})
    for age_ms in (0, 60_000, 86_400_000):
        stamped = msgspec.structs.replace(letter, broker_ts=int(time.time() * 1000) - age_ms)  # noqa: TID251
        producer.produce(f"{tansu_settings.bus.prefix}dead-letters", encode(stamped), b"events/0/7")
    assert producer.flush(30) == 0
    (told,) = [one for one in findings(tansu_settings, "kafka") if "dead letters" in one.what]
    assert (told.status, told.command) == ("warn", "stream-rec dead-letters")
    assert "2 dead letters within the last hour" in told.what
    assert "userId" in told.what


def test_its_output_fits_80_columns_and_its_commands_can_be_pasted(
    tansu_settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "it's my file.toml"
    file.write_text("")
    shown = run(
        "doctor",
        "-c",
        str(file),
        "--set",
        f"bus.bootstrap={tansu_settings.bus.bootstrap}",
        "--set",
        f"store.url={tansu_settings.store.url}",
        "--set",
        f"bus.prefix={tansu_settings.bus.prefix}",
        environment={"COLUMNS": "80"},
    )
    lines = shown.stdout.splitlines()
    assert [line for line in lines if len(line) > 80 and str(tmp_path) not in line] == []
    start = next(place for place, line in enumerate(lines) if line.strip().startswith("stream-rec worker"))
    end = next(place for place in range(start, len(lines)) if not lines[place].endswith("\\"))
    pasted = "\n".join(lines[start : end + 1])
    words = subprocess.run(
        ["bash", "-c", f"stream-rec() {{ printf '%s\\n' \"$@\"; }}; {pasted}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert words[:3] == ["worker", "--config", str(file)]
    assert f"bus.prefix={tansu_settings.bus.prefix}" in words


def test_event_types_that_a_shape_leaves_out_are_named_and_a_misspelt_entry_is_a_warning(
    tansu_settings: Settings,
) -> None:
    there = make_topic(tansu_settings.bus.bootstrap, f"{tansu_settings.bus.prefix}web", 1)
    event = {"user_id": "u", "item_id": "i", "ts": 1_700_000_000}
    kinds = ["productViewed"] * 3 + ["pageViewed", "orderPlaced"]
    send(tansu_settings.bus.bootstrap, there, [{**event, "event_type": kind} for kind in kinds])
    types = {"productView": "view", "orderPlaced": "purchase"}

    def said(types: dict[str, str]) -> list[tuple[str, str]]:
        shape = {"preset": "native", "types": types, "other_types": "leave_out"}
        found = findings(bridged(tansu_settings, {"mine": shape}, bridge=one_input(there, "mine")), "bridge")
        return [(one.status, one.what) for one in found if "left out" in one.what]

    assert said(types) == [
        (
            "warn",
            f"left out of {there}: productViewed 3, pageViewed 1, of the newest 5 events; "
            f"shapes.mine.types lists what has not come to {there}: productView (did you mean productViewed?)",
        )
    ]
    assert said({"productViewed": "view", "orderPlaced": "purchase"}) == [
        ("ok", f"left out of {there}: pageViewed 1, of the newest 5 events")
    ]


def test_it_looks_at_the_bridge_s_topics_and_registry(tansu_settings: Settings) -> None:
    bus = tansu_settings.bus
    there = make_topic(bus.bootstrap, f"{bus.prefix}shop")
    send(bus.bootstrap, there, clicks(7))
    inputs = {
        "clicks": {"topic": there, "shape": "native"},
        "gone": {"topic": f"{there}-gone", "shape": "native"},
    }
    found = findings(bridged(tansu_settings, bridge={"inputs": inputs}), "bridge")
    assert [(one.status, one.what) for one in found] == [
        ("fail", f"Kafka at {bus.bootstrap} has no topic {there}-gone: a bridge would not start"),
        (
            "warn",
            f"foreign topics: 1, 7 messages behind in the group {bus.group}-bridge, which has read none of them yet",
        ),
    ]
    assert {one.command for one in found[1:]} == {"stream-rec worker --bridge"}
    framed = {"framing": "confluent", "events": {"user_id": "u", "item_id": "i", "ts": "t"}}
    with RegistryServer(login="ann:secret") as registry:
        settings = bridged(
            tansu_settings, {"mine": framed}, bridge=one_input(there, "mine"), registry={"url": registry.url}
        )
        [refused] = findings(settings, "bridge")
    [away] = findings(settings, "bridge")
    assert refused.fix == "correct registry.username and registry.password"
    assert "registry is unavailable" in away.what
