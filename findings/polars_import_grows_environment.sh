#!/usr/bin/env bash
# polars 2.1.0 (Python 3.11): importing it writes to the environment of the process, and the more the deeper processes are nested.
#
# The import puts the allocator's settings into _RJEM_MALLOC_CONF, before what it finds there. A child process inherits that, imports
# polars, and puts the same settings before it once more: a worker of a worker has them three times. Whoever compares the environment of a
# process before and after a piece of work that happens to be the first to import polars sees a variable changed, not only one added.
#
# Seen on 2026-11-29: the variable's length is 38, 77 and 116 characters in a process, its child and its grandchild.
#
# Exits 0 while it is so, 1 when that has changed. Way out: import polars before the comparison, or leave that name out of it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet polars==2.1.0
cat > "$folder/nested.py" <<'PYTHON'
import os
import subprocess
import sys

import polars  # noqa: F401

print(len(os.environ.get("_RJEM_MALLOC_CONF", "")), flush=True)
left = int(sys.argv[1])
if left:
    subprocess.run([sys.executable, __file__, str(left - 1)], check=True)
PYTHON
env -u _RJEM_MALLOC_CONF -u POLARS_THP "$folder/venv/bin/python" "$folder/nested.py" 2 | tee "$folder/lengths"
mapfile -t lengths < "$folder/lengths"
test "${#lengths[@]}" = 3 && test "${lengths[0]}" -gt 0 && test "${lengths[1]}" -gt "${lengths[0]}" && test "${lengths[2]}" -gt "${lengths[1]}"
