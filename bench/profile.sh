#!/usr/bin/env bash
# System calls of a worker for each request: strace counts them while wrk asks over keep-alive connections.
#   bench/profile.sh [connections] [seconds]
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top"
. deploy/packages.sh
# shellcheck disable=SC2086
need_packages $BUILD_PACKAGES redis-server nginx wrk strace python3
cmake --preset release >/dev/null
cmake --build --preset release
exec /usr/bin/python3 bench/profile.py "$@"
