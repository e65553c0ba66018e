# shellcheck shell=bash disable=SC2034 # what it sets is for those who source it
# Sourced by scripts that need Debian packages: installs those that are missing, and nothing else.

# What it takes to build.
BUILD_PACKAGES="gcc libc6-dev cmake ninja-build pkg-config libevent-dev libevhtp-dev libhiredis-dev libssl-dev
	libjansson-dev libyaml-dev libcurl4-openssl-dev libc-ares-dev zlib1g-dev systemtap-sdt-dev"

package_installed() {
	dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed
}

# need_packages NAME... : returns 0 when all of them are there in the end.
need_packages() {
	local name missing=() sudo="" guard=/usr/sbin/policy-rc.d guarded="" result
	if ! command -v dpkg-query >/dev/null; then
		echo "This is no Debian; please see that you have the equivalents of: $*" >&2
		return 0
	fi
	for name in "$@"; do
		package_installed "$name" || missing+=("$name")
	done
	[ "${#missing[@]}" -gt 0 ] || return 0
	echo "Installing: ${missing[*]}"
	if [ "$(id -u)" -ne 0 ]; then
		if ! command -v sudo >/dev/null; then
			echo "Not root, and no sudo. Please run as root: apt-get install ${missing[*]}" >&2
			return 1
		fi
		sudo=sudo
	fi
	# Programs are wanted, not services: nothing is to start because it was installed.
	if [ ! -e $guard ]; then
		guarded=yes
		printf '#!/bin/sh\nexit 101\n' | $sudo tee $guard >/dev/null && $sudo chmod 755 $guard
	fi
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get -q update </dev/null &&
		$sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 \
			install --no-install-recommends "${missing[@]}" </dev/null
	result=$?
	[ -z "$guarded" ] || $sudo rm -f $guard
	if [ -d /run/systemd/system ]; then
		for name in redis-server nginx caddy prometheus prometheus-node-exporter; do
			case " ${missing[*]} " in
			*" $name "*) $sudo systemctl disable --quiet "$name" 2>/dev/null ;;
			esac
		done
	fi
	[ "$result" -eq 0 ] || echo "apt-get could not install: ${missing[*]}" >&2
	return "$result"
}
