#!/usr/bin/env bash
# What finds mistakes without a test for each: static analysis, a model, ThreadSanitizer, coverage, fuzzing.
# The last line is "N passed, N failed"; the exit status says the same.
#
#   tests/analyze.sh                 all steps
#   tests/analyze.sh tidy fuzz       some of: scripts model cppcheck gcc tidy coverage tsan fuzz
#   tests/analyze.sh --tally FILE …  write "N N" and flaky tests there instead of printing the last line
#   FUZZ_SECONDS=8                   how long each fuzz target runs
set -uo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top" || exit 1
. deploy/packages.sh
. tests/steps.sh

COVERED_PERCENT=95 # of the lines of the codec and of auth's pure files, by unit tests alone
FUZZ_SECONDS=${FUZZ_SECONDS:-8}

# What each step needs besides what it takes to build.
declare -A packages=(
	[scripts]=shellcheck
	[model]=spin
	[cppcheck]=cppcheck
	[gcc]=gcc
	[tidy]="clang-tidy libcmocka-dev libhttp-parser-dev"
	[coverage]="gcovr libcmocka-dev libhttp-parser-dev redis-server"
	[tsan]="libcmocka-dev libhttp-parser-dev redis-server nginx openssl python3 python3-pytest python3-aiohttp python3-websockets
		python3-h11 python3-redis python3-jsonschema"
	[fuzz]="clang libclang-rt-dev libcmocka-dev libhttp-parser-dev libnghttp2-dev"
)

tally="" steps=()
while [ $# -gt 0 ]; do
	case "$1" in
	--tally)
		tally=${2:?--tally needs a file}
		shift
		;;
	-h | --help)
		sed -n '2,8s/^# \{0,1\}//p' "$0"
		exit 0
		;;
	scripts | model | cppcheck | gcc | tidy | coverage | tsan | fuzz) steps+=("$1") ;;
	*)
		echo "analyze.sh: unknown step '$1'" >&2
		exit 2
		;;
	esac
	shift
done
[ "${#steps[@]}" -gt 0 ] || steps=(scripts model cppcheck gcc tidy coverage tsan fuzz)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

analyze_scripts() {
	step "shell scripts"
	count quietly shellcheck -x --severity=warning .ci/run tests/*.sh tests/*/*.sh deploy/*.sh bench/*.sh
}

analyze_model() {
	step "model of the revocation protocol"
	count quietly tests/model/run.sh
}

analyze_cppcheck() {
	step "cppcheck"
	# Versions differ in what they take for a mistake; the one of Debian 12 decides.
	if ! cppcheck --version | grep -q ' 2\.10'; then
		echo "$(cppcheck --version) is not version 2.10: what it says is not judged here."
		return
	fi
	# The macros of queue.h and jansson open blocks, which it cannot know without their headers.
	count quietly cppcheck --quiet -j "$(nproc)" --std=c11 --enable=warning,performance,portability \
		--inline-suppr --error-exitcode=1 --library=tests/cppcheck.cfg --suppressions-list=tests/cppcheck.suppress \
		-D_GNU_SOURCE -Iinclude -I. -Iproxy auth proxy bench
}

analyze_gcc() {
	step "gcc -fanalyzer on the codec and on auth"
	analyze_file() { gcc -std=gnu17 -O1 -fanalyzer -Werror -D_GNU_SOURCE -Iinclude -I. -Iproxy -c -o /dev/null "$1"; }
	export -f analyze_file
	all_files() { printf '%s\n' proxy/http/*.c auth/*.c | xargs -P "$(nproc)" -I '{}' bash -c 'analyze_file {}'; }
	count quietly all_files
}

analyze_tidy() {
	step "clang-tidy"
	cmake --preset coverage >/dev/null # for its compile_commands.json
	# It counts the warnings of system headers on stderr: not shown.
	tidy() { run-clang-tidy -quiet -j "$(nproc)" -p build/coverage "^$top/(auth|proxy)/" 2>/dev/null; }
	count quietly tidy
}

analyze_coverage() {
	step "coverage by the unit tests"
	count configure_and_build coverage || return
	find build/coverage -name '*.gcda' -delete
	unit_tests quietly ctest --preset coverage -j "$(nproc)" || return
	covered() { gcovr -j "$(nproc)" --root . --object-directory build/coverage "$@"; }
	echo "all of it:"
	covered --filter 'auth/' --filter 'proxy/' --print-summary --output "$work/coverage.txt"
	echo "the codec and auth's pure files, of which $COVERED_PERCENT % of the lines must be reached:"
	count covered --filter 'proxy/http/' --filter 'auth/[^/]*$' --fail-under-line "$COVERED_PERCENT"
}

analyze_tsan() {
	step "ThreadSanitizer: unit tests, and exchanges whose store is found by name"
	count configure_and_build tsan || return
	export TSAN_OPTIONS="halt_on_error=1 exitcode=66 second_deadlock_stack=1"
	count quietly ctest --preset tsan -j "$(nproc)"
	count quietly env JOBGATE_BINARY="$top/build/tsan/jobgate" /usr/bin/python3 -B -m pytest tests/e2e -q --tb=short \
		-k "test_decision or test_store or test_interim or test_outage"
}

# One target on a copy of its seeds, so that the checkout stays as it is; one line of its log when all is well.
fuzz() {
	local name=$1 corpus=$work/corpus/$1 seeds=tests/fuzz/corpus/${1#fuzz_} log=$work/$1.log
	mkdir -p "$corpus"
	if ! "build/fuzz/tests/fuzz/$name" -max_total_time="$FUZZ_SECONDS" -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
		-dict=tests/fuzz/http.dict -artifact_prefix="$work/" "$corpus" "$seeds" >"$log" 2>&1 </dev/null; then
		tail -n 60 "$log"
		return 1
	fi
	printf '%-22s %s\n' "$name" "$(sed -n 's/^#[0-9]*[[:space:]]*DONE *//p; s/^stat::number_of_executed_units: */runs: /p' "$log" |
		paste -s -d ' ')"
}

analyze_fuzz() {
	local target name begun=()
	step "fuzzing, $FUZZ_SECONDS seconds for each target"
	count configure_and_build fuzz || return
	for target in build/fuzz/tests/fuzz/fuzz_*; do
		[ -f "$target" ] && [ -x "$target" ] || continue
		name=${target##*/}
		{ fuzz "$name" && touch "$work/$name.well"; } &
		begun+=("$name")
		[ $((${#begun[@]} % $(nproc))) -ne 0 ] || wait
	done
	wait
	for name in "${begun[@]}"; do
		count test -e "$work/$name.well"
	done
	[ "${#begun[@]}" -gt 0 ] || count false "no fuzz target was built"
}

for name in "${steps[@]}"; do
	# shellcheck disable=SC2086 # lists of names
	quietly need_packages $BUILD_PACKAGES ${packages[$name]} || count false "packages for $name" || continue
	"analyze_$name"
done
finish "$tally"
