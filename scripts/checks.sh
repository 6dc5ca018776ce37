# shellcheck shell=sh
# For scripts that count what passes: sourced. A check's output goes to the file that $log names, and is shown where it fails.
passed=0 failed=0

# check NAME COMMAND [ARG ...]: one test that passes when the command succeeds.
check() {
    name=$1
    shift
    if "$@" >"$log" 2>&1; then
        passed=$((passed + 1))
        echo "ok $name"
    else
        failed=$((failed + 1))
        echo "FAIL $name:"
        cat "$log"
    fi
}

# skip WHAT: what cannot be tested here; with STRICT=1 that fails.
skip() {
    echo "SKIP $1"
    [ "${STRICT:-0}" = 0 ] || exit 1
}

# The last line, and the status to end with.
counted() {
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
}
