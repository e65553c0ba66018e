#!/usr/bin/env bash
# Checks the models with spin; README.md explains them: the protocol between workers and the store (revocation.pml), and the permits
# of tokens with limits (limits.pml).
# Prints one line for each configuration. The exit status is 0 when each has the result that it has to have.
#
#   tests/model/run.sh                 one worker, one record, one failover; witnesses; good times; wrong variants (for tests/analyze.sh)
#   tests/model/run.sh two-records     one worker, two records, two changes, one failover: all states, 4 minutes, 3.2 GB
#   tests/model/run.sh two-workers     two workers, one record, no failover: all states, half an hour, 4.8 GB
#   tests/model/run.sh sample          two workers, two records, one failover: a sample of the states
#                                      These three stop after MODEL_SECONDS (none) and then say how far they came; at most 9.5 GB.
#   tests/model/run.sh explain FLAG…   the shortest way to a failure, as a list of steps: explain -DTURN_CLOCK
set -uo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
model=$top/tests/model/revocation.pml
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
wrong=0

# build "FLAGS FOR SPIN" FLAGS FOR gcc: makes ./pan, which searches.
build() {
	local flags=$1
	shift
	rm -f pan* ./*.trail
	# shellcheck disable=SC2086 # a list of flags
	spin -a $flags "$model" >spin.out 2>&1 &&
		gcc -w -DNOREDUCE -DVECTORSZ=512 "$@" -o pan pan.c && return
	cat spin.out >&2
	return 1
}

# row NAME EXPECTED RESULT: what the search wrote to `out`, as a line of the table.
row() {
	local verdict="$3" number="[0-9.e+]*"
	if [ "$2" != "$3" ]; then
		verdict="$3, NOT $2"
		wrong=$((wrong + 1))
	fi
	printf '%-46s %-10s %10s %7s %8s %9s\n' "$1" "$verdict" \
		"$(sed -n "s/^ *\($number\) states, stored.*/\1/p" out)" \
		"$(sed -n "s/.*depth reached \([0-9]*\),.*/\1/p" out)" \
		"$(sed -n "s/^pan: elapsed time \($number\) seconds/\1/p" out)" \
		"$(sed -n "s/^ *\($number\)[[:space:]]*total actual memory usage.*/\1/p" out)"
}

# The search has ended: the model holds (all states were visited, none is wrong), it fails, which for a witness means that what
# it looks for is possible, a sample has found nothing wrong, or the search is incomplete.
result() {
	if grep -q '^pan:1: assertion violated' out; then
		[ "${1:-}" = possible ] && echo possible || echo fails
	elif [ "${1:-}" = sampled ] && grep -q 'errors: 0' out && grep -Eq '^ *([1-9][0-9]{5,}|[0-9.]+e\+[0-9]+) states, stored' out; then
		echo sampled
	elif grep -q 'errors: 0' out && ! grep -Eq 'not completed|max search depth too small|^pan: |out of memory' <(grep -v 'elapsed\|rate' out); then
		echo holds
	else
		echo incomplete
	fi
}

# check NAME EXPECTED "FLAGS FOR SPIN" "FLAGS FOR gcc" "FLAGS OF THE SEARCH"
check() {
	local gcc_flags search_flags
	read -ra gcc_flags <<<"$4"
	read -ra search_flags <<<"$5"
	: >out
	build "$3" "${gcc_flags[@]}" && timeout -s INT "${MODEL_SECONDS:-0}" ./pan "${search_flags[@]}" >out 2>&1
	row "$1" "$2" "$(result "$2")"
}

# Each step names the functions that it stands for: they must still have these names.
check_names() {
	local name
	# What the model defines itself is an inline.
	for name in $(grep -ohE '\b[a-z][a-z_]*\(\)' "$top"/tests/model/*.pml | sort -u); do
		grep -q "^inline ${name%()}(" "$top"/tests/model/*.pml && continue
		grep -rqw "${name%()}" --include='*.[ch]' "$top/auth" "$top/proxy" "$top/include" && continue
		echo "a file of the model names $name, which the code does not have"
		wrong=$((wrong + 1))
	done
}

holds() { check "$1" holds "$2" "${3:--O2 -DSAFETY -DMEMLIM=4000}" "${4:--m1000000 -w24}"; }
possible() { check "witness: $1" possible "$2" "-O0 -DSAFETY -DMEMLIM=4000" "-m1000000 -w22"; }
fails() { check "$1" fails "$2" "-O0 -DSAFETY -DMEMLIM=4000" "-m1000000 -w22"; }

# limits HOLDS-OR-FAILS NAME FLAGS: the other model, of the permits of tokens.
limits() {
	local model=$top/tests/model/limits.pml
	"$1" "limits, $2" "$3" "-O2 -DSAFETY -DMEMLIM=4000" "-m1000000 -w22"
}

quick() {
	check_names
	limits holds "two workers, two kills" "-DTAKES=4 -DKILLS=2"
	limits holds "three workers" "-DWORKERS=3 -DKILLS=0"
	limits fails "wrong: a cell is taken by two stores" "-DTWO_STORES"
	limits fails "wrong: a number is reused too early" "-DLATE_ZEROING"
	limits fails "wrong: a permit is kept" "-DKEPT_PERMIT"
	limits fails "wrong: full after one pass" "-DWORKERS=3 -DKILLS=0 -DNO_RELEASES"
	holds "one worker, one record, one failover" "-DCHANGES=2 -DDROPS=1"
	holds "good times: each admitted request is served" "-DGOOD_TIMES -DDROPS=0" "-O2 -DNP -DNFAIR=3 -DMEMLIM=4000" "-l -f -m1000000"
	possible "a first request is let in" "-DWITNESS=1 -DCHANGES=0 -DFAILOVERS=0"
	possible "served by a read after failover" "-DWITNESS=2"
	possible "let in again after a revocation" "-DWITNESS=3"
	possible "a change cuts a running exchange" "-DWITNESS=4"
	possible "the bound cuts a running exchange" "-DWITNESS=5"
	possible "an exchange outlives a reconnect" "-DWITNESS=6"
	possible "it relies on the past epoch" "-DWITNESS=7"
	possible "a push overtakes a reply" "-DWITNESS=8"
	possible "it relies on a changed record" "-DWITNESS=9"
	fails "wrong: no epoch" "-DNO_EPOCH"
	fails "wrong: an answer of a past epoch is kept" "-DIGNORE_ASKED=true"
	fails "wrong: no overtaken" "-DIGNORE_OVERTAKEN=true"
	fails "wrong: PING trusted alone" "-DALL_PARTS=4"
	fails "wrong: a proof without the keyed read" "-DALL_PARTS=5 -DFAILOVERS=0 -DCHANGES=1"
	fails "wrong: a proof without the sentinels" "-DALL_PARTS=6"
	fails "wrong: a proof without PING" "-DALL_PARTS=3"
	fails "wrong: until from the proof's end" "-DUNTIL_FROM_END"
	fails "wrong: one epoch remembered too many" "-DREMEMBERED=3"
	fails "wrong: the turn's clock" "-DTURN_CLOCK"
	fails "not promised: sentinels that hear of it late" "-DLATE_SENTINELS"
}

# The fewer things may happen, the faster the search.
explain() {
	local size flags
	for size in "-DCHANGES=1 -DDROPS=0 -DFAILOVERS=0" "-DCHANGES=1 -DDROPS=0" "-DCHANGES=1 -DFAILOVERS=0" "-DDROPS=0" ""; do
		read -ra flags <<<"-DSHORTEST $size"
		build "${flags[*]} $*" -O2 -DSAFETY -DBFS -DMEMLIM=4000 || exit
		./pan >out 2>&1
		if [ -f revocation.pml.trail ]; then
			spin -k revocation.pml.trail "${flags[@]}" "$@" "$model" | sed -n '/^spin: .*assert/q; s/^ *//; p'
			return
		fi
	done
	echo "No failure was found: $(result)."
}

if ! command -v spin >/dev/null; then
	echo "run.sh: please install the package spin" >&2
	exit 2
fi
cd "$work" || exit
case "${1:-quick}" in
explain)
	shift
	explain "$@"
	exit
	;;
quick | two-records | two-workers | sample) ;;
*)
	sed -n '2,11s/^# \{0,1\}//p' "$top/tests/model/run.sh"
	exit 2
	;;
esac
printf '%-46s %-10s %10s %7s %8s %9s\n' configuration result states depth seconds megabytes
case "${1:-quick}" in
quick) quick ;;
two-records)
	holds "one worker, two records, one failover" "-DKEYS=2 -DCHANGES=2 -DDROPS=0" \
		"-O3 -DSAFETY -DHC4 -DMEMLIM=9500" "-m5000000 -w27"
	;;
two-workers)
	holds "two workers, one record, no failover" "-DWORKERS=2 -DCHANGES=1 -DDROPS=0 -DFAILOVERS=0 -DBREAKS=false" \
		"-O3 -DSAFETY -DHC4 -DMEMLIM=9500" "-m5000000 -w27"
	;;
sample)
	check "two workers, two records, one failover" sampled "-DWORKERS=2 -DKEYS=2 -DCHANGES=2" \
		"-O3 -DSAFETY -DBITSTATE" "-m2000000 -w33 -k3"
	# The more bits there are for each state, the fewer states were taken for others that had been seen.
	grep 'hash factor' out
	;;
esac
[ "$wrong" -eq 0 ]
