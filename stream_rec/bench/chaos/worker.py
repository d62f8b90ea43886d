"""A worker with a witness, for chaos.

    python -m stream_rec.bench.chaos.worker SOCKET MUTATION --set KEY=VALUE ...

An ordinary worker, but its engine is a `WitnessedEngine`; MUTATION spoils it, `none` does not. Whoever connects to the
Unix socket says one line: `testimony` is answered by what the engine has learned, as JSON; `jump SECONDS` sets the
worker's wall clock off by so much.
"""

from __future__ import annotations

import socketserver
import sys
import threading

import msgspec

from stream_rec import logs
from stream_rec.bench.chaos.witnessed import MUTATIONS, WitnessedEngine
from stream_rec.clock import SystemClock
from stream_rec.consumers.worker import run
from stream_rec.settings import EngineSettings, MeasureSettings, load


class JumpyClock(SystemClock):
    """The machine's clock, as it is after somebody has set it wrong."""

    off_seconds = 0.0

    def now(self) -> float:
        """Seconds since the epoch, and what it is off."""
        return super().now() + self.off_seconds


class Witness:
    """Answers at a Unix socket for the engine that was made last: before it is restored, that one is empty.

    Args:
        path: of the socket.
        kind: of the engine.

    Attributes:
        clock: the worker's.
    """

    def __init__(self, path: str, kind: type[WitnessedEngine]) -> None:
        self._kind = kind
        self._engine: WitnessedEngine | None = None
        self.clock = JumpyClock()
        witness = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                word, _, seconds = self.rfile.readline().decode().strip().partition(" ")
                if word == "jump":
                    witness.clock.off_seconds = float(seconds)
                else:
                    self.wfile.write(witness.answer())

        server = socketserver.UnixStreamServer(path, Handler)
        threading.Thread(target=server.serve_forever, name="witness", daemon=True).start()

    def make_engine(self, settings: EngineSettings, measure: MeasureSettings) -> WitnessedEngine:
        """The engine to be asked."""
        self._engine = self._kind(settings, measure)
        return self._engine

    def answer(self) -> bytes:
        """The testimony as JSON; nothing before there is an engine."""
        return msgspec.json.encode(self._engine.testimony()) if self._engine else b""


def main() -> int:
    """Run until SIGTERM, with the settings of `--set KEY=VALUE ...`."""
    logs.configure()
    path, mutation, *flags = sys.argv[1:]
    settings, _ = load(flags=[word for word in flags if word != "--set"])
    witness = Witness(path, MUTATIONS.get(mutation, WitnessedEngine))
    return run(settings, clock=witness.clock, make_engine=witness.make_engine)


if __name__ == "__main__":
    sys.exit(main())
