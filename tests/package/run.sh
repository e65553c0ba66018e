#!/usr/bin/env bash
# The Debian package in a Debian of its own, with systemd as its first process: installs, starts,
# reloads, upgrades under load, is activated by its socket, and goes without a trace.
# Not in the quick set: it fetches a base system once (build/package/<suite>), and needs root.
#
#   tests/package/run.sh [SUITE]    bookworm (default), or another suite of Debian
set -euo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
cd "$top"
. deploy/packages.sh
suite=${1:-bookworm}
base=$top/build/package/$suite root=$top/build/package/$suite.running

[ "$(id -u)" -eq 0 ] || { echo "Containers need root: run this as root." >&2; exit 1; }
# shellcheck disable=SC2086 # a list of names
need_packages $BUILD_PACKAGES dpkg-dev file debootstrap systemd-container util-linux openssl

echo "== package"
cmake --preset package && cmake --build --preset package
cpack --preset package
cpack --preset package -D CPACK_DEBIAN_PACKAGE_RELEASE=2 # the same, as if newer
deb=$(ls build/package/jobgate_*-1_*.deb) newer=$(ls build/package/jobgate_*-2_*.deb)

if [ ! -e "$base/.complete" ]; then
	echo "== a base system of $suite (some minutes, once)"
	rm -rf "$base"
	debootstrap --variant=minbase \
		--include=systemd,systemd-sysv,dbus,curl,procps,redis-server,python3,python3-aiohttp,python3-websockets "$suite" "$base"
	# Debian's redis-server is wanted as a program; its service is not.
	chroot "$base" systemctl mask redis-server.service
	chroot "$base" env DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends \
		libevent-core-2.1-7 libevent-extra-2.1-7 libevent-openssl-2.1-7 libevhtp0 libhiredis0.14 libjansson4 libyaml-0-2 libc-ares2 libcurl4
	touch "$base/.complete"
fi
rm -rf "$root"
cp -a --reflink=auto "$base" "$root"
mkdir "$root/package"
cp "$deb" "$root/package/old.deb"
cp "$newer" "$root/package/new.deb"
cp tests/check.sh tests/package/scenario.sh deploy/demo_backend.py "$root/package/"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
	-keyout "$root/package/tls.key" -out "$root/package/tls.pem" 2>/dev/null

echo "== boot"
systemd-nspawn -q -D "$root" --register=no --keep-unit --private-network --hostname=jobgate-test -b </dev/null >"$root.log" 2>&1 &
container=$!
leader=""
cleanup() {
	[ -z "$leader" ] || kill -s RTMIN+4 "$leader" 2>/dev/null || true # poweroff
	for _ in $(seq 100); do
		kill -0 "$container" 2>/dev/null || break
		sleep 0.1
	done
	kill "$container" 2>/dev/null || true
	wait "$container" 2>/dev/null || true
	rm -rf "$root"
}
trap cleanup EXIT
for _ in $(seq 300); do
	leader=$(pgrep -P "$container" | head -n 1) || true
	[ -n "$leader" ] && nsenter -t "$leader" -a systemctl is-system-running 2>/dev/null | grep -qE 'running|degraded' && break
	kill -0 "$container" || { cat "$root.log"; exit 1; }
	sleep 0.2
done
nsenter -t "$leader" -a env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 bash /package/scenario.sh
