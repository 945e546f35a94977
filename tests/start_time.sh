#!/usr/bin/env bash
# How long `dev` takes from its start to `listening on`, in an empty folder and again in the same one.
#
#   tests/start_time.sh [BINARY, target/release/billing-ledger unless given]
set -euo pipefail

readonly binary="${1:-$(dirname "$0")/../target/release/billing-ledger}"
folder="$(mktemp -d)"
chmod 755 "$folder" # the database's user may enter it
server=""

finish() {
    if [ -n "$server" ]; then
        kill -INT "$server" 2>/dev/null && wait "$server" || true
    fi
    rm -rf "$folder"
}
trap finish EXIT

start() {
    local began now
    began="$(date +%s%N)"
    set -m
    "$binary" dev --data-dir "$folder/data" --listen 127.0.0.1:0 >"$folder/said" 2>"$folder/log" &
    server=$!
    set +m
    until grep -q '^listening on ' "$folder/said"; do
        kill -0 "$server" 2>/dev/null || { cat "$folder/log" >&2; exit 1; }
        sleep 0.01
    done
    now="$(date +%s%N)"
    echo "$1: $(((now - began) / 1000000)) ms"
    kill -INT "$server"
    wait "$server"
    server=""
}

start "first start "
start "second start"
start "third start "
