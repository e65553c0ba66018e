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
need_packages $BUILD_PACKAGES dpkg-dev file debootstrap debian-archive-keyring systemd-container util-linux openssl git

# The package, and the same as if newer; each suite has libraries of its own, so it is built there.
package() {
	cmake --preset package && cmake --build --preset package && cpack --preset package &&
		cpack --preset package -D CPACK_DEBIAN_PACKAGE_RELEASE=2
}
export -f package
echo "== package"
# shellcheck source=/dev/null
if [ "$(. /etc/os-release && echo "$VERSION_CODENAME")" = "$suite" ]; then
	package
	packages=$top/build/package
else
	building=$top/build/package/$suite.building packages=$top/build/package/$suite.building/src/build/package
	if [ ! -e "$building/.complete" ]; then
		echo "== a $suite to build in (some minutes, once)"
		rm -rf "$building"
		needed=$(echo $BUILD_PACKAGES dpkg-dev file | tr -s ' \t\n' ',')
		debootstrap --variant=minbase --include="${needed%,}" "$suite" "$building"
		touch "$building/.complete"
	fi
	rm -rf "$building/src" && mkdir "$building/src"
	git ls-files -z | xargs -0 tar -c | tar -x -C "$building/src"
	# Mounts of its own: they go with the last process.
	unshare --mount --pid --fork bash -euc 'mount -t proc proc "$0/proc"
		chroot "$0" bash -euc "cd /src && package"' "$building" </dev/null
fi
deb=$(ls "$packages"/jobgate_*-1_*.deb) newer=$(ls "$packages"/jobgate_*-2_*.deb)

if [ ! -e "$base/.complete" ]; then
	echo "== a base system of $suite (some minutes, once)"
	rm -rf "$base"
	debootstrap --variant=minbase \
		--include=systemd,systemd-sysv,dbus,curl,procps,redis-server,python3,python3-aiohttp,python3-websockets "$suite" "$base"
	# Debian's redis-server is wanted as a program; its service is not.
	chroot "$base" systemctl mask redis-server.service
	chroot "$base" env DEBIAN_FRONTEND=noninteractive apt-get -q -y satisfy --no-install-recommends "$(dpkg-deb -f "$deb" Depends)"
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
