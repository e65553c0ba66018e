# shellcheck shell=bash
# Sourced by scripts that try out what is delivered, the package and the image: one line for each thing that holds or not.

passed=0 failed=0

check() { # check WHAT COMMAND...
	local what=$1 output
	shift
	if output=$("$@" 2>&1); then
		passed=$((passed + 1))
		echo "ok      $what"
	else
		failed=$((failed + 1))
		echo "FAILED  $what: $*"
		tail -n 20 <<<"$output"
	fi
}

# Ask again until the command succeeds, for half a minute.
eventually() {
	for _ in $(seq 150); do
		"$@" && return 0
		sleep 0.2
	done
	return 1
}

fails() { ! "$@"; }
