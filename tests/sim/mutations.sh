#!/usr/bin/env bash
# Shows that the simulator finds bugs: puts each patch of mutations/ into a copy of the code, builds it and runs fresh seeds until
# one fails. Takes an hour for all. The last line is "N passed, N failed".
#
#   tests/sim/mutations.sh [NAME...]    MUTATION_SECONDS=600: how long each may take
#   tests/sim/mutations.sh --check      only whether each patch still fits the code
set -uo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
cd "$top" || exit 1
. tests/steps.sh

MUTATION_SECONDS=${MUTATION_SECONDS:-600}
case "${1:-}" in
-h | --help)
	sed -n '2,6s/^# \{0,1\}//p' "$0"
	exit 0
	;;
esac

# A patch that does not fit the code any more shows nothing.
fits() { # PATCH
	patch --dry-run -sp1 <"$1" >/dev/null || { echo "$1 does not fit the code: adapt it" && return 1; }
}

if [ "${1:-}" = --check ]; then
	for patch in tests/sim/mutations/*.patch; do
		count fits "$patch"
	done
	finish
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
git ls-files -z | xargs -0 cp --parents -t "$work"

build() { quietly cmake --preset sim && quietly cmake --build --preset sim --target sim; }

# A seed that fails must be found.
find_mutation() { # NAME
	local patch=$top/tests/sim/mutations/$1.patch output
	(cd "$work" && patch -sp1 <"$patch") || return
	rm -f "$work/build/sim/tests/sim/sim"
	(cd "$work" && build) # when that fails, nothing is found
	# The CPU is that of the process's children: not exec'ed in place of a shell that has built.
	output=$("$work/build/sim/tests/sim/sim" --seconds "$MUTATION_SECONDS" --until-failed --first 1; true)
	(cd "$work" && patch -sRp1 <"$patch") || return
	head -n 1 "$patch"
	printf '%s\n' "$output" | grep -a -m 2 '^VIOLATION\|did not come'
	printf '%s\n' "$output" | grep -a 's of CPU' | cut -d: -f1
	printf '%s\n' "$output" | grep -aq '^FAILED'
}

names=("$@")
[ $# -gt 0 ] || mapfile -t names < <(basename -s .patch -a tests/sim/mutations/*.patch)
for name in "${names[@]}"; do
	step "$name"
	count find_mutation "$name"
done
finish
