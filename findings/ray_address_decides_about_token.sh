#!/usr/bin/env bash
# ray 2.60.0 (Python 3.11): whether a driver uses the token in ~/.ray/auth_token depends on how the cluster's address is spelled.
#
# A head that was started with RAY_AUTH_MODE=token asks for a token. A driver in the same account, with the token's file in place and no
# RAY_AUTH_MODE of its own, gets in by ray.init(address="auto"), which turns token mode on where it finds the file. By
# ray.init(address="HOST:PORT"), the same cluster, it does not look at the file; after some 20 seconds it says "Failed to connect to Ray
# cluster at HOST:PORT", as if nobody were there. Nothing in the message speaks of a token.
#
# Seen on 2026-11-28: "auto" connects in 1 s; host and port: ConnectionError after 21 s, without the words token or authentication.
#
# Exits 0 while it is so, 1 when that has changed. Way out: RAY_AUTH_MODE=token in the driver's environment.
set -euo pipefail
folder=$(mktemp -d)
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet ray==2.60.0
export HOME="$folder/home" RAY_TMPDIR="$folder/r" RAY_USAGE_STATS_ENABLED=0
unset RAY_AUTH_MODE RAY_AUTH_TOKEN RAY_AUTH_TOKEN_PATH RAY_ADDRESS
mkdir -p "$HOME/.ray" "$RAY_TMPDIR"
"$folder/venv/bin/python" -c 'import secrets; print(secrets.token_hex(32), end="")' > "$HOME/.ray/auth_token"
port=$("$folder/venv/bin/python" -c 'import socket; s = socket.socket(); s.bind(("", 0)); print(s.getsockname()[1])')
# A session of its own, so that its processes, and no others, can be ended.
RAY_AUTH_MODE=token setsid "$folder/venv/bin/ray" start --head --port "$port" --num-cpus 1 --include-dashboard=false --block \
    > "$folder/head.log" 2>&1 &
head=$!
trap 'kill -- -$head 2> /dev/null || true; sleep 2; kill -9 -- -$head 2> /dev/null || true; rm -rf "$folder"' EXIT
for _ in $(seq 60); do
    grep -q "Ray runtime started" "$folder/head.log" && break
    sleep 1
done

connect() {
    "$folder/venv/bin/python" - "$1" <<'PYTHON'
import logging
import sys
import time

import ray

begun = time.monotonic()
try:
    ray.init(address=sys.argv[1], logging_level=logging.CRITICAL, log_to_driver=False)
    print(f"{sys.argv[1]}: connected after {time.monotonic() - begun:.0f} s")
except ConnectionError as error:
    print(f"{sys.argv[1]}: ConnectionError after {time.monotonic() - begun:.0f} s: {error}")
PYTHON
}

address=$(grep -oE "address='[0-9.]+:$port'" "$folder/head.log" | head -1 | cut -d"'" -f2)
connect auto 2> /dev/null | tee "$folder/auto"
connect "$address" 2> /dev/null | tee "$folder/spelled"
grep -q "connected" "$folder/auto" && grep -q "ConnectionError" "$folder/spelled" && ! grep -qiE "token|authent" "$folder/spelled"
