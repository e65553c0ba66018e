# shellcheck shell=bash
# Sourced by the scripts that run tests: steps that are named and timed, and what passed of them.

passed=0 failed=0

step() { printf '\n== %s (after %d min %02d s)\n' "$*" $((SECONDS / 60)) $((SECONDS % 60)); }

# A step that is one test in itself; returns its verdict.
count() {
	if "$@"; then
		passed=$((passed + 1))
	else
		echo "FAILED: $*"
		failed=$((failed + 1))
		return 1
	fi
}

# Add what another script of ours has left in a tally file; none left is a failure.
count_tally() {
	local more_passed more_failed
	if read -r more_passed more_failed 2>/dev/null <"$1"; then
		passed=$((passed + more_passed))
		failed=$((failed + more_failed))
	else
		echo "FAILED: $2 did not come to its end"
		failed=$((failed + 1))
	fi
}

# Run a command quietly: what it prints is shown when it fails.
quietly() {
	local output status
	output=$("$@" 2>&1 </dev/null)
	status=$?
	[ "$status" -eq 0 ] || printf '%s\n' "$output"
	return "$status"
}

configure_and_build() { cmake --preset "$1" >/dev/null && quietly cmake --build --preset "$1"; }

# The last line, or with a tally file "N N" there instead; then exit with the verdict.
finish() {
	if [ -n "${1:-}" ]; then
		echo "$passed $failed" >"$1"
	else
		printf '\n%d passed, %d failed\n' "$passed" "$failed"
	fi
	[ "$failed" -eq 0 ]
	exit
}
