"""Probes, metrics, the description, and addresses that are none."""

from __future__ import annotations

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from stream_rec.embedded.redis_server import RedisServer
from stream_rec.settings import Settings
from tests.api.serving import Serve, served
from tests.waiting import wait_until


def test_probes_tell_a_living_server_from_a_ready_one(http: httpx.Client, redis_server: RedisServer) -> None:
    assert http.get("/healthz").json() == {"status": "ok"}
    assert http.get("/readyz").status_code == 200
    redis_server.down()
    try:
        wait_until(lambda: http.get("/readyz").status_code == 503)
        assert http.get("/healthz").status_code == 200
        found = http.get("/v1/users/ann/recommendations")
        assert found.status_code == 503
        assert found.json()["type"].endswith("unavailable")
    finally:
        redis_server.start_again()
    wait_until(lambda: http.get("/readyz").status_code == 200)


def test_requests_are_counted_by_route_and_status(http: httpx.Client) -> None:
    http.get("/v1/users/ann/recommendations")
    http.get("/v1/users/ann/recommendations?n=0")
    text = http.get("/metrics").text
    route = 'method="GET",route="/v1/users/{user_id}/recommendations"'
    assert f'stream_rec_http_requests_total{{{route},status="200"}} 1.0' in text
    assert f'stream_rec_http_requests_total{{{route},status="422"}} 1.0' in text
    assert "ann" not in text


def test_an_address_that_is_none_is_a_problem_as_any_other(http: httpx.Client) -> None:
    found = http.get("/v2/ann", headers={"x-request-id": "mine"})
    assert found.status_code == 404
    assert found.headers["content-type"] == "application/problem+json"
    assert found.headers["x-request-id"] == found.json()["request_id"] == "mine"
    assert http.get("/v2/ann").headers["x-request-id"]
    assert http.put("/v1/events").status_code == 405
    assert http.put("/v1/events").headers["allow"] == "POST"
    assert http.get("/v1/items/tea").headers["allow"] == "DELETE, PATCH, PUT"
    text = http.get("/metrics").text
    assert 'stream_rec_http_requests_total{method="GET",route="none",status="404"} 2.0' in text
    assert "ann" not in text


LONG = "x" * 257
EVENT = '{"user_id":"ann","item_id":"tea","event_type":"view"}'


@pytest.mark.parametrize(
    ("method", "url", "body", "where"),
    [
        ("GET", "/v2/ann", "", "path"),
        ("PUT", "/v1/events", EVENT, "method"),
        ("GET", f"/v1/users/{LONG}/recommendations", "", "path user_id"),
        ("DELETE", f"/v1/users/{LONG}", "", "path user_id"),
        ("GET", f"/v1/items/{LONG}/similar", "", "path item_id"),
        ("DELETE", f"/v1/items/{LONG}", "", "path item_id"),
        ("POST", "/v1/users/ann/merge", '{"visitor_id":""}', "body visitor_id"),
        ("POST", "/v1/sessions/recommendations", f'{{"items":["tea","{LONG}"]}}', "body items[1]"),
        ("POST", "/v1/sessions/recommendations", '{"items":3}', "body items"),
        ("POST", "/v1/pages", '{"user_id":"ann","rails":[{}],"page":2}', "body page"),
        ("POST", "/v1/events", '{"user_id":"ann"}', "body"),
        ("POST", "/v1/events/batch", "{", "body"),
        ("POST", "/v1/events?wait=1", EVENT, "query wait"),
        ("GET", "/v1/lists/popular?n=5&n=6", "", "query n"),
        ("GET", "/v1/lists/popular?" + "&".join(f"p{n}=1" for n in range(33)), "", "query"),
    ],
)
def test_a_problem_says_where_it_is_and_what_to_do(
    http: httpx.Client, method: str, url: str, body: str, where: str
) -> None:
    found = http.request(method, url, content=body)
    assert 400 <= found.status_code < 500
    assert found.json()["where"] == where
    assert found.json()["fix"]


def test_a_request_has_an_id_the_clients_or_a_new_one(http: httpx.Client) -> None:
    assert http.get("/healthz", headers={"x-request-id": "mine-1"}).headers["x-request-id"] == "mine-1"
    assert http.get("/healthz", headers={"x-request-id": "bad id"}).headers["x-request-id"] != "bad id"


def test_without_keys_only_programs_on_this_machine_are_answered(http: httpx.Client) -> None:
    assert http.get("/v1/lists/popular").status_code == 200
    for headers in (
        {"x-forwarded-for": "10.0.0.7"},
        {"origin": "https://evil.example"},
        {"host": "evil.example"},
    ):
        found = http.get("/v1/lists/popular", headers=headers)
        assert found.status_code == 401
        assert "stream-rec key create" in found.json()["fix"]


def test_pages_of_other_origins_may_call_if_a_setting_says_so(serve: Serve, bus: Settings) -> None:
    open_ = bus.serve.model_copy(update={"cors_origins": ("https://shop.example",)})
    http = serve(bus.model_copy(update={"serve": open_}))
    asked = {"origin": "https://shop.example", "access-control-request-method": "POST"}
    assert http.options("/v1/events", headers=asked).headers["access-control-allow-origin"] == asked["origin"]
    assert http.options("/v1/events", headers=asked).status_code == 204
    asked["origin"] = "https://evil.example"
    found = http.options("/v1/events", headers=asked)
    assert "access-control-allow-origin" not in found.headers
    told = problem_of(found, 403, "cross-origin")
    assert (told["detail"], told["where"]) == ("not allowed: origin", "header Origin")
    assert "serve.cors_origins" in told["fix"]
    text = http.get("/metrics").text
    assert 'stream_rec_http_requests_total{method="OPTIONS",route="none",status="403"} 1.0' in text


def problem_of(found: httpx.Response, status: int, kind: str) -> dict[str, Any]:
    """A refusal's body, which is a problem as any other."""
    told: dict[str, Any] = found.json()
    assert found.status_code == told["status"] == status
    assert found.headers["content-type"] == "application/problem+json"
    assert found.headers["x-request-id"] == told["request_id"]
    assert told["type"] == f"urn:stream-rec:problem:{kind}"
    return told


def test_connections_beyond_the_limit_are_refused_and_no_others(serve: Serve, bus: Settings) -> None:
    limit = bus.serve.model_copy(update={"max_connections": 2, "keep_alive_seconds": 60.0})
    http = serve(bus.model_copy(update={"serve": limit}))
    with httpx.Client(base_url=http.base_url, timeout=30) as second:
        assert http.get("/v1/lists/new").status_code == second.get("/v1/lists/new").status_code == 200
        for _ in range(2):
            with httpx.Client(base_url=http.base_url, timeout=30) as third:
                assert third.get("/healthz").status_code == 200
                found = third.get("/v1/lists/new")
                assert problem_of(found, 503, "busy")["detail"] == "2 connections are open"
                assert (found.headers["retry-after"], found.headers["connection"]) == ("1", "close")
        assert http.get("/v1/lists/new").status_code == second.get("/v1/lists/new").status_code == 200
    wait_until(lambda: httpx.get(f"{http.base_url}/v1/lists/new", timeout=30).status_code == 200, 60)


def test_what_is_still_being_answered_when_the_server_ends_is_a_problem_too(bus: Settings) -> None:
    """A read that waits for longer than the server does."""
    short = bus.serve.model_copy(update={"drain_seconds": 1.0})
    with ThreadPoolExecutor(1) as pool, httpx.Client(timeout=30) as http:
        with served(bus.model_copy(update={"serve": short})) as url:
            waits = {"after": "0:99", "timeout": "5"}
            sent = pool.submit(http.get, f"{url}/v1/users/ann/recommendations", params=waits)
            waiting = "stream_rec_http_waiting 2.0"  # the read, and the one that asks for this
            wait_until(lambda: waiting in httpx.get(f"{url}/metrics", timeout=30).text, 30)
        assert problem_of(sent.result(), 503, "unavailable")["detail"] == "the server is stopping"


def test_answers_without_a_body_and_before_a_close_are_whole(http: httpx.Client) -> None:
    """Head and body go out in one write; nothing may stay behind where there is no body, or nothing more comes."""
    at = http.base_url
    with socket.create_connection((at.host, at.port or 80), 30) as connection:
        stream = connection.makefile("rwb", buffering=0)

        def asked(method: str, more: str = "") -> tuple[bytes, int]:
            stream.write(f"{method} /healthz HTTP/1.1\r\nHost: localhost\r\n{more}\r\n".encode())
            lines = iter(stream.readline, b"\r\n")
            status, *headers = [line.strip().lower() for line in lines]
            (length,) = [int(line.split(b": ")[1]) for line in headers if line.startswith(b"content-length")]
            return status, length

        for _ in range(2):
            status, length = asked("HEAD")
            assert status == b"http/1.1 200 ok"
            assert asked("GET") == (status, length)
            assert stream.read(length) == b'{"status":"ok"}'
        assert asked("HEAD", "Connection: close\r\n") == (status, length)
        assert stream.read() == b""


def test_what_is_no_http_is_a_problem_like_any_other(http: httpx.Client) -> None:
    at = http.base_url
    with socket.create_connection((at.host, at.port or 80), 30) as connection:
        connection.sendall(b"good morning\r\n\r\n")
        head, _, body = connection.makefile("rb").read().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\n")
    told = json.loads(body)
    assert (told["status"], told["type"]) == (400, "urn:stream-rec:problem:unreadable")
    assert told["fix"]
