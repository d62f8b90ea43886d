"""What a slate costs on its way to Redis: its JSON around the items, and EVALSHA (never older over newer) against SET.

    python bench/redis_writes.py [--slates 20000] [--repeats 5] [--json FILE]

Starts the embedded Redis. Each slate has 20 items; half of them name the user's item they come from. Every arm
writes over the slates of the arm before, in pipelines of `store.pipeline_keys`, over one connection.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import redis

from stream_rec.bench.harness import Figures, calibration_ms, in_turns, medians, say_on_stderr
from stream_rec.embedded.redis_server import RedisServer
from stream_rec.schemas.records import AsOf, Reason, SlateItem
from stream_rec.settings import StoreSettings
from stream_rec.store.connection import Connection, connect
from stream_rec.store.encoding import EncodedSlate, encode_items, encode_slates
from stream_rec.store.keys import Keys
from stream_rec.store.markers import Markers
from stream_rec.store.slates import SlateStore

K = 20
N_ITEMS = 50_000
N_USERS = 10_000
BATCH = 500
SOURCES = ("popularity", "transitions", "session-neighbours", "factorization")


class Slates:
    """Random slates of `n_slates` users in batches, newer at every call of `encode`."""

    def __init__(self, n_slates: int) -> None:
        choose = random.Random(1)
        vocabulary = [f"item-{number}" for number in range(N_ITEMS)]
        self.n = n_slates
        self.users = [f"user-{number % N_USERS}" for number in range(n_slates)]
        self.items = [encode_items(_places(choose, vocabulary)) for _ in range(BATCH)]
        self._offset = 0

    def encode(self) -> list[EncodedSlate]:
        """All of them, one offset later than the last time."""
        encoded: list[EncodedSlate] = []
        for start in range(0, self.n, BATCH):
            self._offset += 1
            users = self.users[start : start + BATCH]
            m = len(users)
            encoded += encode_slates(
                users,
                self.items[:m],
                as_of=AsOf(
                    "fQx3kPb1T9mZw2Rr0AbCdE", 3, self._offset, 1_700_000_000_000 + self._offset, 1.7e9
                ),
                scenario="default",
                model="m1",
                created_ts=1.7e9,
            )
        return encoded


def _places(choose: random.Random, vocabulary: list[str]) -> list[SlateItem]:
    scores = sorted((round(choose.random(), 4) for _ in range(K)), reverse=True)
    return [
        SlateItem(
            item, score, Reason(choose.choice(SOURCES), choose.choice((None, choose.choice(vocabulary))))
        )
        for item, score in zip(choose.sample(vocabulary, K), scores, strict=True)
    ]


async def write_by_set(connection: Connection, settings: StoreSettings, encoded: list[EncodedSlate]) -> None:
    """What it would cost if an older slate might replace a newer one."""
    keys, step = Keys(settings.prefix), settings.pipeline_keys
    for start in range(0, len(encoded), step):
        await connection.pipeline(
            [
                (
                    "SET",
                    keys.slate(slate.scenario, slate.user_id),
                    slate.json,
                    "EX",
                    settings.slate_ttl_seconds,
                )
                for slate in encoded[start : start + step]
            ]
        )


async def write_by_evalsha(
    connection: Connection, settings: StoreSettings, encoded: list[EncodedSlate]
) -> None:
    """What the worker does."""
    written = await SlateStore(connection, settings, Markers(connection, settings)).write(encoded)
    assert written.n_written == len(encoded), written


Write = Callable[[Connection, StoreSettings, list[EncodedSlate]], Awaitable[None]]


def timed_write(write: Write, settings: StoreSettings, slates: Slates) -> Figures:
    """Microseconds a slate: on the clock, of our CPU, and of the server's."""
    encoded = slates.encode()

    async def run() -> tuple[float, float]:
        connection = connect(settings)
        await connection.execute("PING")
        began, cpu_began = time.perf_counter(), time.process_time()
        await write(connection, settings, encoded)
        took, cpu = time.perf_counter() - began, time.process_time() - cpu_began
        await connection.aclose()
        return took, cpu

    server_began = server_cpu_seconds(settings.url)
    took, cpu = asyncio.run(run())
    server = server_cpu_seconds(settings.url) - server_began
    each = 1e6 / len(encoded)
    return {"us": took * each, "client_cpu_us": cpu * each, "server_cpu_us": server * each}


def timed_encoding(slates: Slates) -> Figures:
    """Microseconds to encode a slate, and how large it is."""
    began = time.perf_counter()
    encoded = slates.encode()
    took = time.perf_counter() - began
    return {
        "us": took * 1e6 / len(encoded),
        "bytes": sum(len(slate.json) for slate in encoded) / len(encoded),
    }


def server_cpu_seconds(url: str) -> float:
    """What the server has used so far."""
    with redis.Redis.from_url(url) as client:
        used = client.info("cpu")
    return float(used["used_cpu_user"] + used["used_cpu_sys"])


def run(n_slates: int, repeats: int) -> Figures:
    """Medians over `repeats` runs of each arm, in turns."""
    slates = Slates(n_slates)
    with RedisServer.start() as server:
        settings = StoreSettings(url=server.url)
        with redis.Redis.from_url(server.url) as client:
            version = str(client.info("server")["redis_version"])
        arms = {
            "encode": lambda: timed_encoding(slates),
            "set": lambda: timed_write(write_by_set, settings, slates),
            "evalsha": lambda: timed_write(write_by_evalsha, settings, slates),
        }
        results = in_turns(arms, repeats, say_on_stderr)
    figures: Figures = {"calibration_ms": calibration_ms(), "redis_version": version, "slates": n_slates}
    for arm, runs in results.items():
        figures |= {f"{arm}_{key}": round(value, 2) for key, value in medians(runs).items()}
    figures["evalsha_over_set"] = round(float(figures["evalsha_us"]) / float(figures["set_us"]), 3)
    return figures


def main() -> None:
    """Print one flat JSON object."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--slates", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path, default=None)
    options = parser.parse_args()
    text = json.dumps(run(options.slates, options.repeats), indent=2)
    print(text)
    if options.json:
        options.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
