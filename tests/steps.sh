# shellcheck shell=bash
# Sourced by the scripts that run tests: steps that are named and timed, and what passed of them.

passed=0 failed=0 flaky=() failures=() current_step=""

step() {
	current_step=$*
	printf '\n== %s (after %d min %02d s)\n' "$*" $((SECONDS / 60)) $((SECONDS % 60))
}

# What has failed is named where it happens, and once more at the end of all, where a log that was cut still has it.
fail() {
	echo "FAILED: $*"
	failures+=("${current_step:+$current_step: }$*")
	failed=$((failed + 1))
}

# A step that is one test in itself; returns its verdict.
count() {
	if "$@"; then
		passed=$((passed + 1))
	else
		fail "$@"
		return 1
	fi
}

# Tests that failed, and passed when they ran once more and alone: they have passed, but are named.
count_flaky() {
	echo "FLAKY, they passed alone: $*"
	flaky+=("$@")
}

# Add up a JUnit file; without one the step as a whole has failed.
count_junit() { # FILE STATUS RUNNER
	local more_passed more_failed
	local names
	if read -r more_passed more_failed < <(tests/junit.py "$1"); then
		mapfile -t names < <(tests/junit.py --failed "$1")
		failures+=("${names[@]}")
	else
		more_passed=0 more_failed=1
		failures+=("$current_step: $3 left no results")
	fi
	passed=$((passed + more_passed))
	failed=$((failed + more_failed))
	# A runner that ended badly although no test of its did, or that found no test, has not passed.
	if { [ "$2" -ne 0 ] && [ "$more_failed" -eq 0 ]; } || [ "$((more_passed + more_failed))" -eq 0 ]; then
		fail "$3 ended with status $2"
	fi
}

# Count the programs that a ctest command runs. A few that failed run once more, each alone (tests/junit.py says which): those that
# pass are flaky. Returns whether all have passed.
unit_tests() { # COMMAND...
	local folder before=$failed again status=0
	folder=$(mktemp -d)
	"$@" --output-junit "$folder/all.xml" </dev/null || status=$?
	mapfile -t again < <(tests/junit.py "$folder/all.xml" | tail -n +2)
	if [ "${#again[@]}" -eq 0 ]; then
		count_junit "$folder/all.xml" "$status" ctest
	else
		passed=$((passed + $(tests/junit.py "$folder/all.xml" | sed '1s/ .*//; q')))
		step "unit tests: ${#again[@]} that failed, once more and alone"
		status=0
		"$@" -j 1 -R "^($(IFS='|' && echo "${again[*]}"))$" --output-junit "$folder/again.xml" </dev/null || status=$?
		[ "$status" -ne 0 ] || count_flaky "${again[@]}"
		count_junit "$folder/again.xml" "$status" ctest
	fi
	rm -rf "$folder"
	[ "$failed" -eq "$before" ]
}

# Add what another script of ours has left in a tally file; none left is a failure.
count_tally() {
	local more_passed more_failed more_flaky more_failures
	current_step="" # it had steps of its own
	if { read -r more_passed more_failed && read -ra more_flaky && mapfile -t more_failures; } 2>/dev/null <"$1"; then
		passed=$((passed + more_passed))
		failed=$((failed + more_failed))
		flaky+=("${more_flaky[@]}")
		failures+=("${more_failures[@]}")
	else
		fail "$2 did not come to its end"
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

# The last lines: which tests are flaky and what has failed, if anything, and "N passed, N failed". With a tally file "N N" and these
# names go there instead. Then exit with the verdict.
finish() {
	if [ -n "${1:-}" ]; then
		printf '%s\n' "$passed $failed" "${flaky[*]}" "${failures[@]}" >"$1"
	else
		[ "${#flaky[@]}" -eq 0 ] || printf '\nFLAKY, they passed alone: %s\n' "${flaky[*]}"
		[ "${#failures[@]}" -eq 0 ] || printf '%s\n' "" "FAILED:" "${failures[@]/#/  }"
		printf '\n%d passed, %d failed\n' "$passed" "$failed"
	fi
	[ "$failed" -eq 0 ]
	exit
}
