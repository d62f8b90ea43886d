"""A worker with a witness, for chaos.

    python -m stream_rec.bench.chaos.worker SOCKET MUTATION --set KEY=VALUE ...

An ordinary worker, but its engine is a `WitnessedEngine`; MUTATION spoils it, `none` does not. Whoever connects to the
Unix socket is told what the engine has learned, as JSON.
"""

from __future__ import annotations

import socketserver
import sys
import threading

import msgspec

from stream_rec import logs
from stream_rec.bench.chaos.witnessed import MUTATIONS, WitnessedEngine
from stream_rec.consumers.worker import run
from stream_rec.settings import EngineSettings, MeasureSettings, load


class Witness:
    """Answers at a Unix socket for the engine that was made last: before it is restored, that one is empty.

    Args:
        path: of the socket.
        kind: of the engine.
    """

    def __init__(self, path: str, kind: type[WitnessedEngine]) -> None:
        self._kind = kind
        self._engine: WitnessedEngine | None = None
        witness = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
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
    return run(settings, make_engine=witness.make_engine)


if __name__ == "__main__":
    sys.exit(main())
