#!/usr/bin/env bash
# The tests, in one command: builds with AddressSanitizer and UndefinedBehaviorSanitizer, and for release, runs the unit
# tests, holds the includes and the layout against the rules of the house, runs the end-to-end tests.
# tests/analyze.sh and tests/sim.sh have what takes longer; .ci/run runs all of it.
# The last line is "N passed, N failed"; the exit status says the same.
#
#   tests/run.sh                the quick set, under 10 minutes on two cores
#   tests/run.sh --slow         only what the quick set leaves out of the end-to-end tests: each conformance case split at each byte, ...
#   tests/run.sh --all          both, and gigabytes through a release build, and a notebook in Chromium
#   tests/run.sh --unit ROOM    only the unit tests of one room (exchange, net, control, ...), built and run in seconds
#   tests/run.sh --room ROOM    these, and the end-to-end tests that tests/e2e/rooms.txt lists for the room
#   tests/run.sh --tally FILE   write "N N" and the flaky tests there instead of printing the last lines (for .ci/run)
#   tests/run.sh -- ARGS        ARGS go to pytest, such as -k pipelining
set -uo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top" || exit 1
. deploy/packages.sh
. tests/steps.sh

all="" slow="" tally="" room="" only_unit="" pytest_args=()
BUILD_PACKAGES="$BUILD_PACKAGES libhttp-parser-dev" # of tests/conformance
while [ $# -gt 0 ]; do
	case "$1" in
	--all) all=yes ;;
	--slow) slow=yes ;;
	--unit | --room)
		room=${2:?$1 needs the name of a room}
		[ "$1" = --room ] || only_unit=yes
		shift
		;;
	--tally)
		tally=${2:?--tally needs a file}
		shift
		;;
	--)
		shift
		pytest_args=("$@")
		break
		;;
	-h | --help)
		sed -n '2,13s/^# \{0,1\}//p' "$0"
		exit 0
		;;
	*)
		echo "run.sh: unknown option '$1'" >&2
		exit 2
		;;
	esac
	shift
done

results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT

# Tests wait more than they compute, so several run at once. End-to-end tests of one file run in one process, which starts their
# gateways once.
AT_ONCE=$((2 * $(nproc) + 1))

pytest_run() { # NAME ARGS: the results go to NAME.xml, a few tests that may be tried again to NAME.failed
	# To compile the tests takes each process 6 s, unless another one has left the result.
	PYTHONDONTWRITEBYTECODE="" PYTHONPYCACHEPREFIX=$top/build/pycache \
		JOBGATE_FAILED=$results/$1.failed /usr/bin/python3 -m pytest --tb=short --junitxml="$results/$1.xml" "${@:2}" </dev/null
}

# One part of the tests; adds to what end_to_end has in `again` and `empty`. One part may be empty, both may not.
end_to_end_part() { # NAME ARGS
	local status
	pytest_run "$@"
	status=$?
	if [ "$status" -eq 5 ]; then # no test
		empty=$((empty + 1))
	elif [ -s "$results/$1.failed" ]; then
		mapfile -t -O "${#again[@]}" again <"$results/$1.failed"
		passed=$((passed + $(tests/junit.py "$results/$1.xml" | sed '1s/ .*//; q')))
	else
		count_junit "$results/$1.xml" "$status" "pytest"
	fi
}

end_to_end() { # ARGS
	local again=() empty=0 status
	step "end to end, one after another"
	end_to_end_part alone --part=alone "$@"
	step "end to end, $AT_ONCE at once"
	end_to_end_part together --part=together -n "$AT_ONCE" --dist loadfile "$@"
	if [ "$empty" -eq 2 ]; then
		fail "pytest found no test"
	fi
	[ "${#again[@]}" -gt 0 ] || return
	# Thousands of tests that talk over sockets share this machine with whatever else runs on it: a few that
	# failed are told apart from those that fail always. What a sanitizer has found is not tried again.
	step "end to end: ${#again[@]} that failed, once more and alone"
	pytest_run again -m "large or slow or not slow" "${again[@]/#/tests/e2e/}"
	status=$?
	[ "$status" -ne 0 ] || count_flaky "${again[@]}"
	count_junit "$results/again.xml" "$status" "pytest"
}

build_targets() { # PRESET TARGET...
	[ -f "build/$1/build.ninja" ] || quietly cmake --preset "$1" || return
	quietly cmake --build --preset "$1" --target "${@:2}"
}

unit_of_room() {
	local tests targets
	mapfile -t tests < <(tests/tests_of.py unit "$room")
	step "unit tests of $room"
	if [ "${#tests[@]}" -eq 0 ]; then
		echo "$room has no unit tests of its own."
		return
	fi
	targets=("${tests[@]//\//_}")
	count build_targets dev "${targets[@]/#/unit_}" || finish "$tally"
	unit_tests ctest --preset dev -j "$(nproc)" -R "^($(IFS='|' && echo "${tests[*]}"))$"
}

e2e_of_room() {
	local files
	mapfile -t files < <(tests/tests_of.py e2e "$room")
	if [ "${#files[@]}" -eq 0 ]; then
		echo "tests/e2e/rooms.txt lists nothing for $room."
		return
	fi
	step "build"
	count build_targets dev jobgate read_requests || finish "$tally"
	if grep -q release_binary "${files[@]}"; then
		count build_targets release jobgate bench_decide || finish "$tally"
	fi
	end_to_end "${files[@]}" "${pytest_args[@]}"
}

# One room: no package is installed, nothing else is checked.
if [ -n "$room" ]; then
	tests/tests_of.py e2e "$room" >/dev/null || exit 2
	unit_of_room
	[ -n "$only_unit" ] || e2e_of_room
	finish "$tally"
fi

step "packages"
# shellcheck disable=SC2086 # a list of names
count need_packages $BUILD_PACKAGES libcmocka-dev redis-server nginx curl slowhttptest clang-format \
	python3 python3-pytest python3-pytest-xdist python3-aiohttp python3-websockets python3-h11 python3-hpack python3-hyperframe python3-grpcio python3-redis python3-jsonschema python3-yaml systemd openssl sslscan testssl.sh mandoc zsh fish || finish "$tally"
count need_packages strace valgrind || finish "$tally" # for test_cost.py

# What the gateway is shown to work with.
count need_packages jq python3-selenium python3-prometheus-client prometheus caddy git python3-pip nghttp2-server logrotate tmux || finish "$tally"
[ -z "$all" ] || count need_packages chromium chromium-driver jupyter-notebook python3-ipykernel nodejs npm || finish "$tally"

step "build with sanitizers"
count configure_and_build dev || finish "$tally"
step "build for release"
count configure_and_build release || finish "$tally"

if [ -n "$slow" ]; then
	end_to_end tests/e2e -m slow "${pytest_args[@]}"
	finish "$tally"
fi

step "unit tests"
unit_tests ctest --preset dev -j "$AT_ONCE"

step "includes"
count /usr/bin/python3 tests/rooms.py

step "idioms"
count /usr/bin/python3 tests/idioms.py
count tests/tests_of.py check

step "layout"
# Versions of clang-format differ in detail; the one of Debian 12 decides.
if clang-format --version | grep -q 'version 14\.'; then
	layout() { find include auth proxy tests bench -name '*.[ch]' -exec clang-format --dry-run -Werror {} +; }
	count layout
else
	echo "$(clang-format --version) is not version 14: layout is not judged here."
fi

tests/analyze.sh --tally "$results/scripts" scripts </dev/null
count_tally "$results/scripts" "shellcheck"

[ -z "$all" ] || pytest_args=(-m "large or slow or not slow" "${pytest_args[@]}")
end_to_end tests/e2e "${pytest_args[@]}"

finish "$tally"
