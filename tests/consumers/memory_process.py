"""A worker that tells where its engine's arrays lie in memory, and which of its live objects hold an id.

    python -m tests.consumers.memory_process SOCKET --set KEY=VALUE ...

An ordinary worker, but whoever connects to the Unix socket says one line: `arrays` is answered by name, address and
bytes of every array of the engine, as JSON; any other line by the types of what holds that id.
"""

from __future__ import annotations

import gc
import json
import socketserver
import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

from stream_rec import logs
from stream_rec.consumers.worker import run
from stream_rec.engine.engine import Engine
from stream_rec.settings import EngineSettings, MeasureSettings, load


class Memory:
    """Answers at a Unix socket for the engine that was made last."""

    def __init__(self, path: str) -> None:
        self._engine: Engine | None = None
        memory = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                line = self.rfile.readline().decode().strip()
                answer = memory.arrays() if line == "arrays" else holders(line)
                self.wfile.write(json.dumps(answer).encode())

        server = socketserver.UnixStreamServer(path, Handler)
        threading.Thread(target=server.serve_forever, name="memory", daemon=True).start()

    def make_engine(self, settings: EngineSettings, measure: MeasureSettings) -> Engine:
        self._engine = Engine(settings, measure)
        return self._engine

    def arrays(self) -> list[tuple[str, int, int]]:
        assert self._engine is not None
        held = self._engine.held
        found = {
            **{f"state{path}": array for path, array in arrays_of(held.state)},
            **{f"query{path}": array for path, array in arrays_of(held.query)},
            **{f"shown{path}": array for path, array in arrays_of(self._engine.attribution.state)},
            **self._engine.snapshot(),
        }
        return [(name, array.__array_interface__["data"][0], array.nbytes) for name, array in found.items()]


def arrays_of(part: Any, path: str = "") -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    """Every array of a named tuple, and of those in it."""
    for name, value in part._asdict().items():
        if isinstance(value, np.ndarray):
            yield f"{path}.{name}", value
        elif hasattr(value, "_asdict"):
            yield from arrays_of(value, f"{path}.{name}")


def holders(wanted: str) -> list[str]:
    """Containers that hold a text, or bytes, with an id in them: what Python still knows, not what it has let go."""
    gc.collect()
    found = []
    for holder in gc.get_objects():
        for each in gc.get_referents(holder):
            if _holds(each, wanted):
                found.append(f"{type(holder).__module__}.{type(holder).__name__} {repr(holder)[:200]}")
    return found


def _holds(each: Any, wanted: str) -> bool:
    if isinstance(each, str):
        return wanted in each
    if isinstance(each, bytes | bytearray | memoryview):
        return wanted.encode() in bytes(each)
    if isinstance(each, np.ndarray) and each.dtype == object:
        return any(isinstance(item, str) and wanted in item for item in each.flat)
    return isinstance(each, np.ndarray) and each.dtype == np.uint8 and wanted.encode() in each.tobytes()


def main() -> int:
    logs.configure()
    path, *flags = sys.argv[1:]
    settings, _ = load(flags=[word for word in flags if word != "--set"])
    return run(settings, make_engine=Memory(path).make_engine)


if __name__ == "__main__":
    sys.exit(main())
