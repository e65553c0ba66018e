#!/usr/bin/env bash
# Build and unit-test this checkout in a Debian 13 (hiredis 1.2, OpenSSL 3.5, gcc 14) of its own, made by debootstrap in a
# temporary folder. Needs root, and some 1.5 GB there. Nothing of it stays, unless a folder is named: then that one does.
#
#   tests/debian13.sh [FOLDER]
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top"
. deploy/packages.sh

[ "$(id -u)" -eq 0 ] || { echo "debian13.sh: debootstrap needs root" >&2; exit 1; }
need_packages debootstrap debian-archive-keyring git
if [ $# -gt 0 ]; then
	root=$1
else
	root=$(mktemp -d --tmpdir="${TMPDIR:-/var/tmp}" jobgate-debian13-XXXXXX)
	trap 'rm -rf --one-file-system "$root"' EXIT
fi

if [ ! -e "$root/etc/debian_version" ]; then
	packages=$(echo $BUILD_PACKAGES libcmocka-dev libhttp-parser-dev redis-server openssl | tr -s ' \t\n' ',')
	debootstrap --variant=minbase --include="${packages%,}" trixie "$root" http://deb.debian.org/debian
	printf '127.0.0.1 localhost\n::1 localhost\n' >"$root/etc/hosts"
fi
rm -rf "$root/src" && mkdir "$root/src"
git ls-files -z | xargs -0 tar -c | tar -x -C "$root/src"

# A mount namespace of its own: what is mounted in there goes with the last process.
unshare --mount --pid --fork bash -euc '
	mount -t proc proc "$0/proc"
	mount --rbind /dev "$0/dev"
	chroot "$0" sh -euc "
		cat /etc/debian_version
		dpkg-query -W gcc libhiredis-dev libssl-dev libevent-dev libcurl4-openssl-dev libc-ares-dev
		cd /src
		cmake --preset dev >/dev/null
		cmake --build --preset dev
		ctest --preset dev -j $(nproc)"
' "$root" </dev/null
