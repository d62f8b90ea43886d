"""The metrics port: what it answers, and that slow clients cost nobody else."""

from __future__ import annotations

import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from prometheus_client import CollectorRegistry

from stream_rec.errors import ConfigError
from stream_rec.telemetry import metrics_server
from stream_rec.telemetry.metrics_server import MAX_CONNECTIONS, MetricsServer
from tests.waiting import wait_until

NOT_READY = "events/0: 20000 records to its end"


@pytest.fixture
def server() -> Iterator[MetricsServer]:
    probes = {"/ready": lambda: NOT_READY, "/live": str}
    opened = MetricsServer(CollectorRegistry(), "127.0.0.1", 0, probes)
    yield opened
    opened.close()


def get(server: MetricsServer, path: str, method: str = "GET") -> tuple[int, str]:
    request = urllib.request.Request(f"http://127.0.0.1:{server.port}{path}", method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def slow_client(server: MetricsServer, stack: ExitStack) -> socket.socket:
    """Has begun to ask, and does not go on."""
    client = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=30))
    client.sendall(b"GET /metrics HTTP/1.1\r\n")
    return client


def test_probes_answer_beside_the_metrics(server: MetricsServer) -> None:
    assert get(server, "/ready") == (503, f"{NOT_READY}\n")
    assert get(server, "/live") == (200, "yes\n")
    assert get(server, "/metrics?name[]=up")[0] == 200


def test_a_probe_may_be_asked_without_a_body_and_with_a_query(server: MetricsServer) -> None:
    assert get(server, "/ready", "HEAD") == (503, "")
    assert get(server, "/live?from=kubelet") == (200, "yes\n")


@pytest.mark.parametrize("path", ["/", "/readyz", "/ready/", "/metrics/x", "/healthz", "/favicon.ico"])
def test_an_unknown_path_is_not_found(server: MetricsServer, path: str) -> None:
    """A probe with a typing error must not pass for ever."""
    assert get(server, path)[0] == 404


def test_slow_clients_take_no_more_threads_than_there_are_seats(server: MetricsServer) -> None:
    before = threading.active_count()
    with ExitStack() as stack:
        for _ in range(10 * MAX_CONNECTIONS):
            slow_client(server, stack)
        assert get(server, "/ready")[0] == 503
        assert threading.active_count() - before <= MAX_CONNECTIONS
    assert get(server, "/live")[0] == 200


def test_a_client_that_is_slow_for_too_long_is_cut_off(
    server: MetricsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics_server, "REQUEST_SECONDS", 0.1)
    with ExitStack() as stack:
        client = slow_client(server, stack)
        assert client.recv(1024) == b""


def test_a_client_that_drips_is_cut_off_too(server: MetricsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte comes in time; the request does not."""
    monkeypatch.setattr(metrics_server, "REQUEST_SECONDS", 0.3)
    deadline = time.monotonic() + 30
    with ExitStack() as stack:
        client = slow_client(server, stack)
        with pytest.raises(ConnectionError):
            while time.monotonic() < deadline:
                client.sendall(b"x")
                time.sleep(0.02)


def test_threads_end_with_their_clients(server: MetricsServer) -> None:
    before = threading.active_count()
    with ExitStack() as stack:
        for _ in range(5):
            slow_client(server, stack)
    wait_until(lambda: threading.active_count() <= before)


def test_closing_gives_the_port_back() -> None:
    first = MetricsServer(CollectorRegistry(), "127.0.0.1", 0)
    first.close()
    second = MetricsServer(CollectorRegistry(), "127.0.0.1", first.port)
    assert get(second, "/metrics")[0] == 200
    second.close()


def test_a_port_that_is_taken_is_the_operators_to_fix() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=r"prometheus_port"):
            MetricsServer(CollectorRegistry(), "127.0.0.1", port)
