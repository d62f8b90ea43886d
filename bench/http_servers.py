"""uvicorn beside granian under the same application: `python -m bench.http_servers` (granian: pip install granian).

Each serves one process with uvloop; 1,000 reads a second over 16 connections. Prints CPU and percentiles of each.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time

import msgspec
import psutil
from fastapi import FastAPI, Response

from stream_rec.bench.serve_load import Outcome, Plan
from stream_rec.serve.freshness_probe import percentile

RATE, SECONDS, CONNECTIONS = 1000.0, 6.0, 16
PATH = "/v1/users/ann/recommendations?n=20"
ITEM = b'{"item_id":"item-7","score":0.1234,"reason":{"source":"transitions","item_id":"x"}}'
BODY = b'{"user_id":"ann","items":[' + b",".join([ITEM] * 20) + b"]}"
APP = "bench.http_servers:app"
SERVERS = {
    "uvicorn": f"uvicorn {APP} --no-access-log --loop uvloop --http httptools".split(),
    "granian": f"granian {APP} --interface asgi --no-access-log --loop uvloop --no-ws".split(),
}

app = FastAPI(openapi_url=None)


@app.get("/v1/users/{user_id}/recommendations")
async def recommendations(user_id: str, n: int = 20) -> Response:  # noqa: ARG001 - parsed, as in a real one
    """Always the same."""
    return Response(BODY, media_type="application/json")


def load(port: int, seconds: float) -> Outcome:
    """Reads from a process of its own."""
    plan = Plan("127.0.0.1", port, seconds, CONNECTIONS, (PATH,), RATE)
    command = [sys.executable, "-m", "stream_rec.bench.serve_load"]
    done = subprocess.run(command, input=msgspec.json.encode(plan), stdout=subprocess.PIPE, check=True)
    return msgspec.json.decode(done.stdout, type=Outcome)


def cpu_seconds(pid: int) -> float:
    """Of a process and its children."""
    own = psutil.Process(pid)
    return sum(sum(each.cpu_times()[:2]) for each in (own, *own.children(recursive=True)))


def measure(name: str) -> None:
    """One server."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", *SERVERS[name], "--port", str(port)], stderr=subprocess.DEVNULL
    )
    try:
        while load(port, 1.0).errors:
            time.sleep(0.2)
        before = cpu_seconds(process.pid)
        found = load(port, SECONDS)
        us = (cpu_seconds(process.pid) - before) / len(found.ms) * 1e6
        shown = ", ".join(
            f"p{share * 100:g} {percentile(found.ms, share):.2f} ms" for share in (0.5, 0.9, 0.99)
        )
        print(f"{name}: {us:.0f} us of CPU a read, {shown}, {found.errors} errors")
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    for server in SERVERS:
        measure(server)
