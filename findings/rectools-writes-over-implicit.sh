#!/usr/bin/env bash
# RecTools 0.19.0 depends on pm-implicit 0.7.3, which installs the same module `implicit` as the package implicit 0.7.3: pip
# puts one over the other without a word, and to uninstall one takes the other's files away.
# Seen: 52 files belong to both; after `pip uninstall pm-implicit`, implicit 0.7.3 is installed and cannot be imported.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"${PYTHON:-python3}" -m venv "$tmp/venv"
pip="$tmp/venv/bin/pip --disable-pip-version-check"
$pip install -q implicit==0.7.3 RecTools==0.19.0
"$tmp/venv/bin/python" - <<'PY'
from importlib.metadata import files, version

own = [{str(file) for file in files(name) if str(file).startswith("implicit/")} for name in ("implicit", "pm-implicit")]
print(f"implicit {version('implicit')} and pm-implicit {version('pm-implicit')}: {len(own[0] & own[1])} files in both")
assert len(own[0] & own[1]) > 10
from implicit.als import AlternatingLeastSquares
PY
$pip uninstall -q -y pm-implicit
$pip list 2>/dev/null | grep -i '^implicit '
if "$tmp/venv/bin/python" -c 'from implicit.als import AlternatingLeastSquares'; then
    echo "it can still be imported"
    exit 1
fi
