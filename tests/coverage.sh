#!/usr/bin/env bash
# Line coverage of what must be right in every line: the domain (all of aggregates/), and the files of the edge that are
# listed below: what takes payments and refunds and confirms them, charges and holds, makes the signatures of requests to
# the forward service, and makes repeats harmless. Prints the figure of every such file, and fails where one is below
# 100 %, or where there is none. Not among them: tokens (src/web/auth), and what reads providers' notices (src/providers).
#
#   tests/coverage.sh [domain | edge, both unless given]
#
# Test code is run and not counted, whether it has a file of its own or ends another one. Installs what it needs:
# cargo-llvm-cov, and LLVM's tools from Debian's packages (the toolchain's own are not always there; those of an older
# LLVM do not read what a newer one has written).
set -euo pipefail
cd "$(dirname "$0")/.."

readonly part="${1:-both}"
readonly llvm=19 cargo_llvm_cov=0.9.1
# A target folder of its own: instrumented builds and others would undo each other's.
export CARGO_TARGET_DIR="${COVERAGE_TARGET_DIR:-/var/tmp/billing-ledger-coverage}" CARGO_INCREMENTAL=0
export LLVM_COV="/usr/lib/llvm-$llvm/bin/llvm-cov" LLVM_PROFDATA="/usr/lib/llvm-$llvm/bin/llvm-profdata"
export PATH="$CARGO_TARGET_DIR/tools/bin:$PATH"

readonly not_counted='(^|/)(tests|properties|stored)(/|\.rs$)|(^|/)(spec|tests)\.rs$'

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

install_tools() {
    if [ ! -x "$LLVM_COV" ]; then
        as_root apt-get update -qq
        DEBIAN_FRONTEND=noninteractive as_root apt-get install -y -qq --no-install-recommends "llvm-$llvm"
    fi
    if ! cargo llvm-cov --version >/dev/null 2>&1; then
        cargo install --quiet --locked --root "$CARGO_TARGET_DIR/tools" "cargo-llvm-cov@$cargo_llvm_cov"
    fi
}

# PACKAGE, then the files that count (none: all of them), from a report by file in LCOV on stdin.
figures() {
    awk -F'[:,]' -v not_counted="$not_counted" -v root="$PWD/" -v wanted="$*" '
        # Where an inline `mod tests` begins; 0 where there is none.
        function tests_begin(path,    n, line, marked) {
            for (n = 1; (getline line < path) > 0; n++) {
                if (marked && line ~ /^mod .*\{$/) { close(path); return n }
                marked = line ~ /^#\[cfg\(test\)\]/
            }
            close(path)
            return 0
        }
        BEGIN { count = split(wanted, names, " "); for (n = 1; n <= count; n++) want[names[n]] = 1 }
        /^SF:/ { file = substr($0, 4); tests = tests_begin(file); sub(root, "", file); lines = hit = 0; missed = "" }
        /^DA:/ && (!tests || $2 < tests) { lines++; if ($3 > 0) hit++; else missed = missed " " $2 }
        /^end_of_record/ {
            if (file ~ not_counted || (count > 0 && !(file in want)) || lines == 0) next
            seen[file] = 1; all += lines; all_hit += hit
            if (hit < lines) { bad = 1; printf "%7.2f %%  %s  lines%s\n", 100 * hit / lines, file, missed }
            else printf "100.00 %%  %s\n", file
        }
        END {
            for (name in want) if (!(name in seen)) { bad = 1; printf "   none     %s\n", name }
            printf "%7.2f %%  of %d lines\n", all ? 100 * all_hit / all : 0, all
            exit bad || !all
        }'
}

domain() {
    cargo llvm-cov --package aggregates --quiet --no-report || return
    echo "aggregates/"
    cargo llvm-cov report --package aggregates --lcov | figures
}

# What is reached from outside is measured from outside: the servers that the tests start write down what they ran.
edge() {
    cargo llvm-cov --package billing-ledger --quiet --no-report --lib || return
    cargo llvm-cov --package billing-ledger --quiet --no-report --test it -- "${edge_tests[@]}" || return
    echo "confirmation, signatures, idempotency"
    cargo llvm-cov report --package billing-ledger --lcov | figures "${edge_files[@]}"
}

readonly edge_files=(
    src/dispatch/holds.rs
    src/dispatch/ids.rs
    src/dispatch/payment.rs
    src/dispatch/refund.rs
    src/dispatch/usage.rs
    src/forward/sign.rs
    src/processes/reconcile.rs
    src/web/api/confirm.rs
    src/web/idempotency.rs
    src/web/windows.rs
)
readonly edge_tests=(
    outside::bad_days
    outside::confirm
    outside::erasure::a_license
    outside::holds
    outside::licenses::taken
    outside::notifications
    outside::providers
    outside::reads
    outside::refunds
    outbound::
    web::
)

install_tools
# What an earlier build left behind would be counted too.
cargo llvm-cov clean --workspace
failed=0
if [ "$part" != edge ]; then domain || failed=1; fi
if [ "$part" != domain ]; then edge || failed=1; fi
exit "$failed"
