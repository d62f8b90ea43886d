"""A Redis Cluster of three nodes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from redis.crc import key_slot
from structlog.testing import capture_logs

from stream_rec.clock import SystemClock
from stream_rec.embedded.redis_server import RedisServer
from stream_rec.errors import ConfigError, Unavailable
from stream_rec.schemas.records import AsOf
from stream_rec.settings import StoreSettings
from stream_rec.store.last_values import LastValuesStore
from stream_rec.store.markers import Upto
from stream_rec.store.reader import Reader
from stream_rec.store.waiting import until_available
from tests.store.building import LOG, Stores, as_of, findings, slate, slates, with_stores
from tests.store.servers import CLUSTER_OPTIONS, N_SLOTS, Cluster, ask, cluster, info
from tests.store.test_lists import Row
from tests.waiting import wait_until

USERS = [f"u{n}" for n in range(300)]


@pytest.fixture(scope="module")
def nodes() -> Iterator[Cluster]:
    with cluster() as made:
        yield made


@pytest.fixture
def store(nodes: Cluster) -> StoreSettings:
    for port in nodes.ports:
        ask(port, "FLUSHALL")
    return StoreSettings(url=nodes.url, prefix="shop:", backoff_max_seconds=0.1)


async def persistently(my: Stores, attempt) -> object:  # type: ignore[no-untyped-def]
    return await until_available(
        attempt, what="write", stops=[asyncio.Event()], settings=my.settings, clock=SystemClock()
    )


def test_all_that_a_worker_writes_a_reader_reads(store: StoreSettings, nodes: Cluster) -> None:
    async def story(my: Stores) -> None:
        my.markers.own(0, LOG, -1)
        assert await my.markers.complete(await my.markers.begin(0))
        written = await my.slates.write(slates(USERS, as_of(1)), Upto(0, 1))
        assert (written.n_written, written.lost) == (len(USERS), False)
        assert await my.markers.detect() == frozenset()
        batch = await my.slates.write(slates([*USERS, "new"], AsOf.of_batch(2_000_000_000_000, 2e9)))
        assert (batch.n_written, batch.n_stale) == (1, len(USERS))
        held = await my.slates.read_all([USERS[0], "new", "nobody"])
        assert [each and each.as_of.is_of_batch for each in held] == [False, True, None]
        await my.lists.write_tops({"popular": Row(["a", "b"])}, as_of=as_of(1), model="m")
        await my.lists.write_similar({"a": Row(["b"]), "b": Row(["a"])}, as_of=as_of(1), model="m")
        await my.lists.remove_items(["b", "c"])
        await my.lists.restore_items(["c"])
        await LastValuesStore(my.redis, my.settings, my.clock, worker="w").write({"lag": 1.0})

    with_stores(store, story)
    held = [int(ask(port, "DBSIZE")) for port in nodes.ports]  # type: ignore[call-overload]
    assert min(held) > 50, "keys are on all nodes"
    reader = Reader(store)
    assert all(reader.slate(user, "default") is not None for user in USERS[:50])
    assert reader.top("popular").items[0].item_id == "a"  # type: ignore[union-attr]
    assert [one is not None for one in reader.similar(["a", "b", "c"])] == [True, False, False]
    assert reader.removed(["a", "b", "c"]) == {"b"}
    assert reader.last_values()["w"].values == {"lag": 1.0}
    reader.close()


def test_an_older_slate_never_replaces_a_newer_one(store: StoreSettings) -> None:
    async def story(my: Stores) -> None:
        await my.slates.write(slates(USERS, as_of(9)))
        assert (await my.slates.write(slates(USERS, as_of(3)))).n_stale == len(USERS)

    with_stores(store, story)


def test_a_slot_that_moves_in_mid_stream_loses_nothing_and_stops_nobody(
    store: StoreSettings, nodes: Cluster
) -> None:
    """Old keys are moved while new ones and new slates are written to the same slot, through ASK and MOVED."""
    key = "shop:rec:default:u0"
    slot, source = key_slot(key.encode()), nodes.owner_of(key)
    target = (source + 1) % 3
    # Ids in the same slot, by a hash tag: some stay behind, some are new while it moves.
    same = [f"{{{key}}}{n}" for n in range(12)]

    async def story(my: Stores) -> None:
        await persistently(my, lambda: my.slates.write(slates(same[:6], as_of(1))))
        nodes.begin_move(slot, source, target)
        for offset in (2, 3):
            await persistently(my, lambda: my.slates.write(slates(USERS + same, as_of(offset))))  # noqa: B023
        await asyncio.gather(
            *(persistently(my, lambda user=user: my.slates.write([slate(user, as_of(4))])) for user in same)  # type: ignore[misc]
        )
        assert nodes.move_keys(slot, source, target) > 0
        await persistently(my, lambda: my.slates.write(slates(USERS + same, as_of(5))))
        nodes.end_move(slot, target)
        for offset in (6, 7):
            await persistently(my, lambda: my.slates.write(slates(USERS + same, as_of(offset))))  # noqa: B023
        for user in (*USERS, *same):
            found = await my.slates.read(user)
            assert found is not None
            assert found.as_of.offset == 7

    reader = Reader(store)
    assert reader.slate("u0", "default") is None, "it knows the slots as they were"
    with_stores(store, story)
    assert reader.slate(same[0], "default").as_of.offset == 7  # type: ignore[union-attr]
    reader.close()
    nodes.begin_move(slot, target, source)
    nodes.move_keys(slot, target, source)
    nodes.end_move(slot, source)


def test_a_node_that_is_away_is_waited_for_and_the_loss_on_it_is_seen(
    store: StoreSettings, nodes: Cluster
) -> None:
    """The marker of partition 0 is on another node, and says nothing about this one."""
    away = next(n for n in range(3) if n != nodes.owner_of("shop:marker:0"))

    async def story(my: Stores) -> None:
        my.markers.own(0, LOG, -1)
        assert await my.markers.complete(await my.markers.begin(0))
        await my.slates.write(slates(USERS, as_of(1)), Upto(0, 1))
        assert await my.markers.detect() == frozenset()
        nodes.nodes[away].down()
        with pytest.raises(Unavailable):
            await my.slates.write(slates(USERS, as_of(2)), Upto(0, 2))
        nodes.nodes[away].start_again()
        await persistently(my, lambda: my.slates.write(slates(USERS, as_of(2)), Upto(0, 2)))
        assert await persistently(my, my.markers.detect) == {0}
        rewrite = await my.markers.begin(0)
        assert await my.markers.detect() == frozenset()
        assert await my.markers.complete(rewrite)

    try:
        with_stores(store, story)
    finally:
        if not nodes.is_ok():
            wait_until(nodes.is_ok, 60, "the cluster to be whole again")


def test_a_write_cancelled_in_the_middle_leaves_no_answers_behind(
    store: StoreSettings, nodes: Cluster
) -> None:
    async def story(my: Stores) -> None:
        await my.slates.write(slates(USERS, as_of(5)))
        for port in nodes.ports:
            ask(port, "CLIENT", "PAUSE", 400)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(my.slates.write(slates(USERS, as_of(9))), 0.1)
        written = await persistently(
            my, lambda: my.slates.write([slate("u0", as_of(1)), slate("new", as_of(1))])
        )
        assert (written.n_written, written.n_stale) == (1, 1)  # type: ignore[attr-defined]

    with_stores(store, story)


def test_one_nodes_address_is_enough(store: StoreSettings, nodes: Cluster) -> None:
    one = store.model_copy(update={"url": f"redis+cluster://127.0.0.1:{nodes.ports[2]}"})

    async def story(my: Stores) -> None:
        assert (await my.slates.write(slates(USERS, as_of(1)))).n_written == len(USERS)

    with_stores(one, story)


def test_a_slot_that_moves_to_a_node_nobody_knew_is_waited_for(store: StoreSettings, nodes: Cluster) -> None:
    """redis-py 8.1.0 with asyncio looks the node of an ASK up among those it knows, and does not find it."""
    key = "shop:rec:default:new-user"
    slot, source = key_slot(key.encode()), nodes.owner_of(key)

    async def story(my: Stores) -> None:
        await my.slates.write(slates(USERS, as_of(1)))
        with nodes.one_more() as (port, node_id):
            ask(port, "CLUSTER", "SETSLOT", slot, "IMPORTING", nodes.ids[source])
            ask(nodes.ports[source], "CLUSTER", "SETSLOT", slot, "MIGRATING", node_id)
            refused = 0
            try:
                await my.slates.write([slate("new-user", as_of(1))])
            except Unavailable:
                refused += 1
            for at in (port, *nodes.ports):
                ask(at, "CLUSTER", "SETSLOT", slot, "NODE", node_id)
            await persistently(my, lambda: my.slates.write([slate("new-user", as_of(2))]))
            found = await my.slates.read("new-user")
            assert found is not None
            assert refused == 1
            ask(port, "FLUSHALL")
            for at in (nodes.ports[source], port, *nodes.ports):
                ask(at, "CLUSTER", "SETSLOT", slot, "NODE", nodes.ids[source])

    with_stores(store, story)


def test_the_rights_in_the_documentation_are_enough_in_a_cluster(
    store: StoreSettings, nodes: Cluster
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "redis.md").read_text()
    (rule,) = [line for line in page.splitlines() if line.startswith("ACL SETUSER worker ")]
    assert "In a cluster add `+cluster|slots` and `+command`" in page
    words = [*rule.replace("PASSWORD", "pw").split(), "+cluster|slots", "+command"]
    for port in nodes.ports:
        ask(port, *words)
    login = store.model_copy(update={"username": "worker", "password": "pw"})

    async def story(my: Stores) -> None:
        my.markers.own(0, LOG, -1)
        assert await my.markers.complete(await my.markers.begin(0))
        assert (await my.slates.write(slates(USERS, as_of(1)), Upto(0, 1))).n_written == len(USERS)
        await my.lists.remove_items(["a"])
        assert await my.markers.detect() == frozenset()

    try:
        with_stores(login, story)
        reader = Reader(login)
        assert reader.slate("u0", "default") is not None
        assert reader.removed(["a"]) == {"a"}
        reader.close()
    finally:
        for port in nodes.ports:
            ask(port, "ACL", "DELUSER", "worker")


# --- the wrong address


def test_a_cluster_under_a_plain_address_is_for_the_operator(store: StoreSettings, nodes: Cluster) -> None:
    plain = store.model_copy(update={"url": f"redis://127.0.0.1:{nodes.ports[0]}/0"})

    async def story(my: Stores) -> None:
        with pytest.raises(ConfigError, match=r"redis\+cluster://"):
            await my.slates.write(slates(USERS, as_of(1)))

    with_stores(plain, story)
    with pytest.raises(ConfigError, match=r"redis\+cluster://"):
        for user in USERS:
            Reader(plain).slate(user, "default")
    assert any(one.status == "fail" and "redis+cluster://" in one.fix for one in findings(plain))


def test_a_cluster_of_one_node_gets_one_key_per_script_by_itself() -> None:
    """It serves every slot, so nothing is MOVED: as a proxy before a cluster does."""
    with RedisServer.start(options=("--cluster-enabled", "yes")) as alone:
        ask(alone.port, "CLUSTER", "ADDSLOTS", *range(N_SLOTS))
        wait_until(lambda: "cluster_state:ok" in str(ask(alone.port, "CLUSTER", "INFO")))

        async def story(my: Stores) -> None:
            with capture_logs() as said:
                for offset in (1, 2):
                    assert (await my.slates.write(slates(USERS, as_of(offset)))).n_written == len(USERS)
            assert len(said) == 1
            assert "one key per script" in said[0]["event"]

        with_stores(StoreSettings(url=alone.url), story)


def test_a_single_redis_under_a_clusters_address_is_for_the_operator(redis_url: str) -> None:
    store = StoreSettings(url=redis_url.replace("redis://", "redis+cluster://"))

    async def story(my: Stores) -> None:
        with pytest.raises(ConfigError, match="is not a cluster"):
            await my.slates.write([slate("ann", as_of(1))])

    with_stores(store, story)
    with pytest.raises(ConfigError, match="is not a cluster"):
        Reader(store).slate("ann", "default")


def test_the_doctor_looks_at_every_node(store: StoreSettings) -> None:
    found = findings(store)
    assert {one.status for one in found} == {"ok", "warn"}, "no worker has reported"
    assert sum("Redis 6" in one.what or "Redis 7" in one.what for one in found) == 3


# --- failover


def test_a_replica_that_takes_over_is_found(tmp_path: Path) -> None:
    """By hand, which leaves the old primary up as a replica; then because the new one dies."""
    with cluster() as made, RedisServer.start(tmp_path, options=CLUSTER_OPTIONS) as replica:
        owner = made.owner_of("rec:default:u0")
        ask(replica.port, "CLUSTER", "MEET", "127.0.0.1", made.ports[0])
        wait_until(
            lambda: made.ids[owner] in str(ask(replica.port, "CLUSTER", "NODES")), what="the nodes to meet"
        )
        ask(replica.port, "CLUSTER", "REPLICATE", made.ids[owner])
        wait_until(
            lambda: info(replica.port, "replication")["master_link_status"] == "up", what="the replica"
        )
        for port in made.ports:
            wait_until(lambda port=port: " slave " in str(ask(port, "CLUSTER", "NODES")), what="its voters")  # type: ignore[misc]
        reader = Reader(StoreSettings(url=made.url))

        def read(offset: int) -> bool:
            """Until the nodes have noticed that one is dead they name it, and a new client may ask it first."""
            with suppress(Unavailable):
                slate = reader.slate("u0", "default")
                return slate is not None and slate.as_of.offset == offset
            return False

        async def story(my: Stores) -> None:
            await my.slates.write(slates(USERS, as_of(1)))
            assert read(1)
            ask(replica.port, "CLUSTER", "FAILOVER", "TAKEOVER")
            await asyncio.to_thread(
                wait_until,
                lambda: info(made.ports[owner], "replication")["role"] == "slave",
                30,
                "the failover",
            )
            await persistently(my, lambda: my.slates.write(slates(USERS, as_of(2))))
            await asyncio.to_thread(wait_until, lambda: read(2), 30, "the new primary to be read")
            await asyncio.to_thread(
                wait_until, lambda: info(made.ports[owner], "replication")["master_link_status"] == "up", 30
            )
            replica.down()
            await persistently(my, lambda: my.slates.write(slates(USERS, as_of(3))))

        with_stores(StoreSettings(url=made.url, backoff_max_seconds=0.2, timeout_seconds=1), story)
        wait_until(lambda: read(3), what="the old one to be read")
        reader.close()
