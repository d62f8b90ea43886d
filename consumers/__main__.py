"""`python -m consumers`: a worker, with settings from the environment and stream-rec.toml."""

from __future__ import annotations

import sys

from consumers.worker import run
from stream_rec import logs
from stream_rec.errors import StreamRecError
from stream_rec.settings import load

if __name__ == "__main__":
    logs.configure()
    try:
        sys.exit(run(load()[0]))
    except StreamRecError as error:
        sys.exit(f"stream-rec worker: {error}")
