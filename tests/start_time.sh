#!/usr/bin/env bash
# How long `dev` takes from its start to `listening on`, in an empty folder and again in the same one. Fails where that is
# longer than promised. The promise is for a release binary.
#
#   tests/start_time.sh [BINARY, target/release/billing-ledger unless given]
set -euo pipefail

readonly first_ms_max=5000 again_ms_max=2000
readonly binary="${1:-$(dirname "$0")/../target/release/billing-ledger}"
folder="$(mktemp -d)"
chmod 755 "$folder" # the database's user may enter it
server=""
slow=0

finish() {
    if [ -n "$server" ]; then
        kill -INT "$server" 2>/dev/null && wait "$server" || true
    fi
    rm -rf "$folder"
}
trap finish EXIT

# NAME MILLISECONDS_MAX
start() {
    local began took
    began="$(date +%s%N)"
    set -m
    "$binary" dev --data-dir "$folder/data" --listen 127.0.0.1:0 >"$folder/said" 2>"$folder/log" &
    server=$!
    set +m
    until grep -q '^listening on ' "$folder/said"; do
        kill -0 "$server" 2>/dev/null || { cat "$folder/log" >&2; exit 1; }
        sleep 0.01
    done
    took=$((($(date +%s%N) - began) / 1000000))
    if [ "$took" -le "$2" ]; then
        echo "$1: $took ms"
    else
        echo "$1: $took ms, and $2 ms are promised"
        slow=1
    fi
    kill -INT "$server"
    wait "$server"
    server=""
}

start "first start " "$first_ms_max"
start "second start" "$again_ms_max"
start "third start " "$again_ms_max"
exit "$slow"
