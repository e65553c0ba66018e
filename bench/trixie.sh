#!/usr/bin/env bash
# Debian 13 in a folder: its HAProxy, nginx and nghttpx, and jobgate built against its OpenSSL, to be measured beside those of this machine.
#   bench/trixie.sh                        make the folder unless it is there; build jobgate in it
#   bench/trixie.sh run SHARED PROGRAM...  run a program in it, which sees the folder SHARED at its usual path
# Only root may do so. Packages come from where apt gets this machine's. The folder is $JOBGATE_TRIXIE, or build/trixie.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
root=${JOBGATE_TRIXIE:-$top/build/trixie}

# inside SHARED WHERE PROGRAM... : as the same process, so that its number is the one that the caller knows,
# and without our environment, which may name compilers that are not there.
inside() {
	exec unshare --mount sh -euc 'root=$1 shared=$2 where=$3; shift 3
		mount -t tmpfs tmpfs "$root/tmp"
		mkdir -p "$root$where"
		mount --bind "$shared" "$root$where"
		mount --rbind /dev "$root/dev"
		mount -t proc proc "$root/proc"
		exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin chroot "$root" "$@"' sh "$root" "$@"
}

if [ "$(id -u)" -ne 0 ]; then
	echo "Programs of Debian 13 run in a chroot, which only root may make: they are left out." >&2
	exit 1
fi
if [ "${1-}" = run ]; then
	shift
	inside "$1" "$@"
fi
. "$top/deploy/packages.sh"
# shellcheck disable=SC2086
packages=$(echo $BUILD_PACKAGES haproxy nginx libnginx-mod-http-lua lua-resty-core nghttp2-proxy openssl | tr ' ' ,)
if [ "$(cat "$root/complete" 2>/dev/null)" != "$packages" ]; then # or made when fewer were wanted
	need_packages mmdebstrap
	from=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | head -n 1)
	[ -n "$from" ] || {
		echo "apt has no source of Debian's packages here: programs of Debian 13 are left out." >&2
		exit 1
	}
	rm -rf --one-file-system "$root"
	mkdir -p "$(dirname "$root")"
	echo "Installing Debian 13 in $root from $from"
	mmdebstrap --quiet --mode=root --variant=apt --aptopt='Acquire::Languages "none"' \
		--include="$packages" trixie "$root" "$from"
	echo "$packages" >"$root/complete"
fi
inside "$top" /src sh -euc 'cd /src
	cmake --preset release -B /build >/dev/null
	cmake --build /build --target jobgate'
