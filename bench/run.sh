#!/usr/bin/env bash
# Measure jobgate side by side with others: installs what is missing, builds `release`, runs run.py.
# Options are run.py's: --pairs N (h2: also --rounds N) --seconds S --only small,large,... --against haproxy,nginx,relay,...
# With the name of another measurement first, that one: latency, replicas, scale, inside, bulk, h2, fleet, simulated, cut (see README.md).
# `all` makes one new run of everything: --short (in an hour), --from PART, --only PART,... , --list.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top"
case " $* " in *" -h "* | *" --help "*)
	sed -n '2,5s/^# //p' bench/run.sh
	exit 0
	;;
esac
. deploy/packages.sh
node="nodejs npm" # unless there already, from wherever: others' nodejs packages conflict with Debian's npm
! command -v npm >/dev/null || node=""
# shellcheck disable=SC2086
need_packages $BUILD_PACKAGES redis-server redis-tools haproxy nghttp2 nginx libnginx-mod-http-lua lua-resty-core h2o caddy wrk \
	gnuplot-nox openssl python3 python3-redis python3-grpcio $node
if [ ! -d build/chp/node_modules/configurable-http-proxy ]; then
	mkdir -p build/chp
	(cd build/chp && npm install --no-audit --no-fund --silent configurable-http-proxy) ||
		echo "configurable-http-proxy could not be installed from npm: measured without it." >&2
fi
cmake --preset release >/dev/null
cmake --build --preset release
what=run
case "${1-}" in latency | replicas | scale | inside | bulk | h2 | fleet | simulated | cut | all)
	what=$1
	shift
	;;
esac
case "$what $* " in
run*-13* | h2*-13*) bench/trixie.sh ;;
*--against*) ;;
"run "* | "h2 "* | "all "*)
	if ! bench/trixie.sh; then
		echo "Measured without the programs of Debian 13." >&2
		export JOBGATE_TRIXIE=/dev/null
	fi
	;;
esac
exec /usr/bin/python3 "bench/$what.py" "$@"
