"""schemathesis, all checks, on every route of a live server: `python -m bench.fuzz [--requests N] [--json FILE]`.

What the description allows and what it does not, in turns, until so many requests were answered. The server runs on a
stack of its own and has a key, which every request brings. Prints [fuzz_requests, fuzz_failures], requests per second,
and every kind of failure with an example; exits with 1 if there is one.

A refusal of what the description allows, and an acceptance of what it does not, are counted apart [fuzz_looser]: a
schema cannot say what is a filter in CEL, and optional fields that cannot be read are left out and told of.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed
from hypothesis import settings as hypothesis_settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.failures import AcceptedNegativeData, FailureGroup
from schemathesis.openapi.checks import RejectedPositiveData

from stream_rec.api.access.key import new_key
from stream_rec.bus.topics import ensure_topics
from stream_rec.clock import SystemClock
from stream_rec.embedded.serve import ServeProcess
from stream_rec.embedded.stack import start_stack, without_addresses
from stream_rec.settings import Settings
from stream_rec.store.api_keys import ApiKeyQuestions
from stream_rec.store.reader import Reader

EXAMPLES = 50
"""Of each route and mode, one after the other."""
FEW = {"/v1/scenarios/{name}/preview": 2}
"""An answer costs a process that learns the log."""
TIMEOUT_SECONDS = 150
SEEDS = 1_000_000
"""Between the first seeds of two processes."""
MOST_TOLD = 2000
"""Characters of an example."""
PATIENCE = ["--set", "serve.timeout_seconds=120", "--set", "serve.publish_timeout_seconds=60"]
LIVE = ["--set", "serve.live=true", "--set", "serve.access_log=failed", *PATIENCE]


class Done(NamedTuple):
    """What one process has sent.

    Attributes:
        n: requests.
        failures: of them.
        looser: answers that the description did not foretell.
        kinds: of failures, with an example each.
    """

    n: int
    failures: int
    looser: int
    kinds: dict[str, str]


class Fuzz:
    """Counts what is sent and what fails.

    Args:
        url: of the server.
        key: as it is sent.
        n: requests.
    """

    def __init__(self, url: str, key: str, n: int) -> None:
        self._url = url
        self._n = n
        self._session = requests.Session()
        self._headers = {"Authorization": f"Bearer {key}"}
        self.n_sent = 0
        self.n_failed = self.n_looser = 0
        self.kinds: dict[str, str] = {}

    def run(self, first_seed: int) -> None:
        """All routes in both modes, again and again."""
        described = httpx.get(f"{self._url}/openapi.json", timeout=TIMEOUT_SECONDS).json()
        schema = schemathesis.openapi.from_dict(described)
        found: Any = schema.get_all_operations()
        operations = [each.ok() for each in found]
        number = first_seed
        while self.n_sent < self._n:
            for operation in operations:
                for mode in GenerationMode:
                    number += 1
                    self._some(operation, mode, number)

    def _some(self, operation: Any, mode: GenerationMode, number: int) -> None:
        @seed(number)
        @given(case=operation.as_strategy(generation_mode=mode))
        @hypothesis_settings(
            max_examples=min(FEW.get(operation.path, EXAMPLES), max(1, self._n - self.n_sent)),
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def send(case: Any) -> None:
            self._send(case)

        with suppress(Unsatisfiable):  # a route without parameters has nothing that could be wrong
            send()

    def _send(self, case: Any) -> None:
        self.n_sent += 1
        try:
            answer = case.call(
                base_url=self._url, session=self._session, headers=self._headers, timeout=TIMEOUT_SECONDS
            )
        except requests.RequestException as error:  # it was not answered at all
            self._failed(case, [error], "no answer")
            return
        try:
            case.validate_response(answer)
        except FailureGroup as group:
            if all(
                isinstance(each, AcceptedNegativeData | RejectedPositiveData) for each in group.exceptions
            ):
                self.n_looser += 1
                return
            said = f"{answer.status_code} {answer.text[:MOST_TOLD]}\n{answer.request.url}\n{answer.request.body!r}"
            self._failed(case, group.exceptions, said)

    def _failed(self, case: Any, errors: Sequence[Exception], answered: str) -> None:
        self.n_failed += 1
        for each in errors:
            where = f"{case.method} {case.operation.path}: {type(each).__name__}"
            self.kinds.setdefault(where, f"{str(each)[:MOST_TOLD]}\n{answered}")


def sent(url: str, key: str, n: int, first_seed: int) -> Done:
    """Send n requests; in a process of its own."""
    fuzz = Fuzz(url, key, n)
    fuzz.run(first_seed)
    return Done(fuzz.n_sent, fuzz.n_failed, fuzz.n_looser, fuzz.kinds)


def measured(n_requests: int, first_seed: int, workers: int) -> dict[str, Any]:
    """The figures, and `kinds` of failures with an example each."""
    with start_stack(without_addresses(Settings())) as stack:
        ensure_topics(stack.settings.bus)
        server = ServeProcess(stack.settings, LIVE)
        try:
            while httpx.get(f"{server.url}/readyz", timeout=TIMEOUT_SECONDS).status_code != 200:
                server.check()
                time.sleep(0.1)
            key, began = _key(stack.settings), time.monotonic()
            shares = [n_requests // workers + (at < n_requests % workers) for at in range(workers)]
            seeds = [first_seed + at * SEEDS for at in range(workers)]
            with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
                done = list(pool.map(sent, [server.url] * workers, [key] * workers, shares, seeds))
            server.check()
            seconds = time.monotonic() - began
            cpu_seconds = server.cpu_seconds()
        finally:
            code = server.stop()
        return {
            "fuzz_requests": sum(each.n for each in done),
            "fuzz_failures": sum(each.failures for each in done),
            "fuzz_looser": sum(each.looser for each in done),
            "fuzz_per_s": round(n_requests / seconds, 1),
            "fuzz_server_cpu_us": round(cpu_seconds / n_requests * 1e6),
            "serve_exit_code": code,
            "seed": first_seed,
            "kinds": {where: said for each in reversed(done) for where, said in each.kinds.items()},
        }


def _key(settings: Settings) -> str:
    reader = Reader(settings.store)
    made, text = new_key("fuzz", ("admin",), 0.0, SystemClock().now(), [])
    reader.answer(ApiKeyQuestions(settings.store.prefix).add(made))
    reader.close()
    return text


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument(
        "--workers", type=int, default=8, help="processes that send; many requests wait for something"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    wanted = parser.parse_args()
    figures = measured(wanted.requests, wanted.seed, wanted.workers)
    kinds = figures.pop("kinds")
    for name, value in figures.items():
        print(f"{name:20}{value}")
    for where, said in kinds.items():
        print(f"\n{where}\n{said}")
    if wanted.json is not None:
        wanted.json.write_text(json.dumps(figures, indent=2) + "\n")
    sys.exit(bool(kinds))


if __name__ == "__main__":
    main()
