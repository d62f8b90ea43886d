"""The embedded Redis."""

from __future__ import annotations

import redis

from stream_rec.embedded.redis_server import RedisServer


def test_it_comes_back_empty_on_the_same_port(redis_server: RedisServer) -> None:
    with redis.Redis.from_url(redis_server.url) as client:
        client.set("key", "value")
        first_run = client.info("server")["run_id"]
        redis_server.down()
        redis_server.start_again()
        assert client.get("key") is None
        assert client.info("server")["run_id"] != first_run


def test_it_comes_back_with_its_data_when_asked_to_keep_it(redis_server: RedisServer) -> None:
    with redis.Redis.from_url(redis_server.url) as client:
        client.set("key", "value")
        redis_server.down(keep_data=True)
        redis_server.start_again()
        assert client.get("key") == b"value"


def test_it_listens_on_this_machine_only(redis_server: RedisServer) -> None:
    import psutil

    (listening,) = {
        c.laddr.ip for c in psutil.Process(redis_server.pid).net_connections() if c.status == "LISTEN"
    }
    assert listening == "127.0.0.1"
