#!/usr/bin/env bash
# From a revocation to its refusal: ten thousand at random over all faults, each answer held against the bound.
# Options are revocations.py's: --count N --healthy N --seed S --output FOLDER. Writes bench/results/revocations.{md,dat,svg}.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top"
case " $* " in *" -h "* | *" --help "*)
	sed -n '2,3s/^# //p' bench/revocations.sh
	exit 0
	;;
esac
. deploy/packages.sh
# shellcheck disable=SC2086
need_packages $BUILD_PACKAGES redis-server python3 python3-redis python3-h11 gnuplot-nox
cmake --preset release >/dev/null
cmake --build --preset release
exec /usr/bin/python3 -B bench/revocations.py "$@"
