"""A program that starts servers and waits to be killed: `python parent.py tansu redis ...`; prints their pids."""

from __future__ import annotations

import signal
import sys
import threading

from stream_rec.embedded.kafka import KafkaServer
from stream_rec.embedded.redis_server import RedisServer
from stream_rec.embedded.server import Server
from stream_rec.embedded.tansu import TansuServer

KINDS: dict[str, type[TansuServer] | type[KafkaServer] | type[RedisServer]] = {
    "tansu": TansuServer,
    "redis": RedisServer,
    "kafka": KafkaServer,
}


def main(names: list[str]) -> None:
    """Start each server in a thread that ends at once."""
    running: list[Server] = []
    for name in names:
        thread = threading.Thread(target=lambda kind=KINDS[name]: running.append(kind.start()))
        thread.start()
        thread.join()
    print(*(server.pid for server in running), *(server.log_path for server in running), flush=True)
    signal.pause()


if __name__ == "__main__":
    main(sys.argv[1:])
