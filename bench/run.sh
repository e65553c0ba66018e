#!/usr/bin/env bash
# Measure jobgate side by side with others: installs what is missing, builds `release`, runs run.py.
# Options are run.py's: --pairs N --seconds S --only small,large,... --against haproxy,nginx,relay
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top"
. deploy/packages.sh
# shellcheck disable=SC2086
need_packages $BUILD_PACKAGES redis-server nginx haproxy wrk python3
cmake --preset release >/dev/null
cmake --build --preset release
exec /usr/bin/python3 bench/run.py "$@"
