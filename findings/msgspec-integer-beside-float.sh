#!/usr/bin/env bash
# msgspec 0.22.0: where a type allows float and not int, a JSON integer is decoded as a float without an error, and above
# 2**53 becomes another number. Where the type allows anything, or int, it is kept.
# Seen: {"order": 9007199254740993} as dict[str, str | float | bool] is {'order': 9007199254740992.0}.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"${PYTHON:-python3}" -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check msgspec==0.22.0
PYTHONPATH=$(dirname "$0") PYTHONDONTWRITEBYTECODE=1 "$tmp/venv/bin/python" - "$tmp" <<'PY'
import msgspec

sent = b'{"order": 9007199254740993}'
as_union = msgspec.json.decode(sent, type=dict[str, str | float | bool])
as_any = msgspec.json.decode(sent)
with_int = msgspec.json.decode(sent, type=dict[str, str | int | float | bool])
print("sent:", sent.decode())
print("str | float | bool:", as_union)
print("anything:", as_any)
print("str | int | float | bool:", with_int)
assert repr(as_union) == "{'order': 9007199254740992.0}"
assert as_any == with_int == {"order": 9007199254740993}
PY
