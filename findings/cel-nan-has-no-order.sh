#!/usr/bin/env bash
# common-expression-language 0.10.0 (CEL): `d > 0.0` with a double that is NaN is not false but an error, "No such overload", as
# between types that cannot be compared, while `d == d` is false and `d != d` is true, as IEEE 754 has it. So an expression over
# a column of doubles with gaps fails where the field's languages say false, and the message speaks of types.
# Seen: nan == nan: False, nan != nan: True, nan > 0.0: TypeError: No such overload; 0.5 > 0.0: True.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"${PYTHON:-python3}" -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check common-expression-language==0.10.0
"$tmp/venv/bin/python" - <<'PY'
import cel

nan = {"d": float("nan")}
print("nan == nan:", cel.evaluate("d == d", nan))
print("nan != nan:", cel.evaluate("d != d", nan))
assert cel.evaluate("d == d", nan) is False and cel.evaluate("d != d", nan) is True
try:
    raise SystemExit(f"nan > 0.0 is {cel.evaluate('d > 0.0', nan)} now")
except TypeError as error:
    said = str(error).partition(":")[0]
    print("nan > 0.0: TypeError:", said)
    assert said == "No such overload"
print("0.5 > 0.0:", cel.evaluate("d > 0.0", {"d": 0.5}))
assert cel.evaluate("d > 0.0", {"d": 0.5}) is True
PY
