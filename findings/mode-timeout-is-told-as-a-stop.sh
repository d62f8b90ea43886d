#!/usr/bin/env bash
# mode-streaming 0.7.1 (faust-streaming 0.15.3 waits by it): `Service.wait(coroutine, timeout=...)` neither raises nor says that
# the time is over: its answer is `stopped=True`, the same as when the service was stopped, though the service runs on.
# Seen: `wait(sleep(5), timeout=0.2)` of a service that runs answers `WaitResult(result=None, stopped=True)` after 0.2 s with
# `should_stop` False; of one that is stopped meanwhile it answers the same. Faust's recovery, which waits so for the seek to the
# committed offsets after each rebalance, raises ServiceStopped after such a time, while `should_stop` is False.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"${PYTHON:-python3}" -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check mode-streaming==0.7.1 faust-streaming==0.15.3
cd "$tmp"
PYTHONDONTWRITEBYTECODE=1 "$tmp/venv/bin/python" - <<'PY'
import asyncio
import sys
import time

import faust
from mode import Service


class Plain(Service):
    pass


async def main() -> None:
    running = Plain()
    await running.start()
    began = time.monotonic()
    timed_out = await running.wait(asyncio.sleep(5), timeout=0.2)
    took = time.monotonic() - began
    print(f"time is over after {took:.1f} s: {timed_out}, should_stop {running.should_stop}")

    waiting = asyncio.ensure_future(running.wait(asyncio.sleep(5), timeout=60))
    await asyncio.sleep(0.1)
    await running.stop()
    stopped = await waiting
    print(f"stopped meanwhile: {stopped}, should_stop {running.should_stop}")

    app = faust.App("finding", broker="kafka://127.0.0.1:9", store="memory://")
    recovery = app.tables.recovery
    try:
        await recovery._wait(asyncio.sleep(5), timeout=0.2)
        raised = "nothing"
    except Exception as error:
        raised = type(error).__name__
    print(f"faust's recovery: {raised}, should_stop {recovery.should_stop}")
    same = (
        0.1 < took < 3
        and timed_out == stopped
        and timed_out.stopped
        and (raised, recovery.should_stop) == ("ServiceStopped", False)
    )
    sys.exit(0 if same else 1)


asyncio.run(main())
PY
