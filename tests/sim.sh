#!/usr/bin/env bash
# The simulator: the real worker, with models of its clients, backends and store, on simulated time (tests/sim/README.md).
#
#   tests/sim.sh                what .ci/run runs: all seeds that ever failed, then new ones for SIM_SECONDS (60), half under ASan
#                               They begin at a number that the code gives: a change brings new ones, and the same code
#                               the same. It is printed, and so is each seed that fails.
#   tests/sim.sh --seed N       run one seed and show all that happens; with --quiet only what was wrong
#   tests/sim.sh --seconds S    run new seeds for S seconds, from a number that the clock gives on; or with --first N from there on
#   tests/sim.sh --seconds S --coverage  also print all that was seen: outcomes, verdicts, transitions, faults in each state
#   tests/sim.sh --asan ...     the same with the sanitizers' build
#   tests/sim.sh --each-failure 1  a small run for each allocation and each call of the worker, in which it fails
#   tests/sim.sh --gateways 1000  a large fleet without faults: how long revocations take (bench/simulated.py)
#   tests/sim.sh --tally FILE   write "N N" there instead of printing the last line
set -uo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top" || exit 1
. tests/steps.sh

SIM_SECONDS=${SIM_SECONDS:-60}

tally="" preset=sim
case "${1:-}" in
-h | --help)
	sed -n '2,13s/^# \{0,1\}//p' "$0"
	exit 0
	;;
--tally) tally=${2:?--tally needs a file} && shift 2 ;;
--asan) preset=dev && shift ;;
esac

build() { # PRESET
	[ -f "build/$1/build.ninja" ] || quietly cmake --preset "$1" || return
	quietly cmake --build --preset "$1" --target sim
}

if [ $# -gt 0 ]; then
	build "$preset" || exit 2
	exec "build/$preset/tests/sim/sim" "$@"
fi

# A number that each change of the code changes. What has failed on one machine fails on the next one too, and a change that passed
# everywhere does not fail later by the chance of its time.
seed_of_code() {
	local digest
	digest=$(find auth proxy include tests/sim -name '*.[ch]' -print0 | LC_ALL=C sort -z | xargs -0 cat | sha256sum) || return
	echo $((16#${digest:0:9}))
}

# The model of Redis beside a real one and its replica, with the same random commands.
start_redis() { # DIRECTORY PORT OPTION...
	mkdir "$1" || return
	redis-server --port "$2" --bind 127.0.0.1 --unixsocket "$1/redis.sock" --save "" --dir "$1" "${@:3}" \
		>"$1/log" 2>&1 </dev/null &
	for _ in $(seq 100); do
		[ -S "$1/redis.sock" ] && return
		sleep 0.1
	done
	return 1
}

# Replication needs a port: any that is free.
compare_redis() {
	local work status=1 port
	work=$(mktemp -d) || return
	for _ in 1 2 3 4 5; do
		port=$((RANDOM % 20000 + 10000))
		rm -rf "$work/primary"
		start_redis "$work/primary" "$port" --repl-diskless-sync-delay 0 && break
	done
	start_redis "$work/replica" 0 --replicaof 127.0.0.1 "$port" &&
		build/sim/tests/sim/sim --redis "$work/primary/redis.sock" --replica "$work/replica/redis.sock" --seed "$seed"
	status=$?
	mapfile -t running < <(jobs -p)
	kill "${running[@]}"
	wait "${running[@]}" 2>/dev/null
	rm -rf "$work"
	return "$status"
}

seed=$(seed_of_code)
step "simulation: the model of Redis beside redis-server"
count build sim && count compare_redis

# The same seed gives the same fleet, in which nothing is wrong.
large_fleet() { # PRESET
	local first second
	first=$("build/$1/tests/sim/sim" --gateways 20 --tokens 400 --revocations 5 2>/dev/null) &&
		second=$("build/$1/tests/sim/sim" --gateways 20 --tokens 400 --revocations 5 2>/dev/null) &&
		[ "$first" = "$second" ] && return
	printf '%s\n' "$first" "$second"
	return 1
}

step "simulation: the patches of mutations fit the code"
count tests/sim/mutations.sh --check

for preset in sim dev; do
	step "simulation: build ($preset)"
	count build "$preset" || continue
	step "simulation: seeds that once failed ($preset)"
	count "build/$preset/tests/sim/sim" --seeds tests/sim/seeds.txt
	step "simulation: a fleet of 20 gateways ($preset)"
	count large_fleet "$preset"
	step "simulation: failing allocations and calls ($preset)"
	count "build/$preset/tests/sim/sim" --seed "$seed" --each-failure "$([ "$preset" = sim ] && echo 10 || echo 60)"
	step "simulation: $((SIM_SECONDS / 2)) s of new seeds ($preset)"
	count "build/$preset/tests/sim/sim" --first "$seed" --seconds $((SIM_SECONDS / 2))
	seed=$((seed + 1000000)) # others for the next one
done
finish "$tally"
