#!/bin/bash
# Runs inside the container: every step of a package's life. Ends with "N passed, N failed".
set -uo pipefail
cd /package || exit 1
# shellcheck source=tests/check.sh
. ./check.sh
main_pid() { systemctl show -P MainPID jobgate; }
status() { [ "$(curl -s -o /dev/null -w '%{http_code}' "${@:2}")" = "$1" ]; }
seccomp() { grep -q '^Seccomp:.*2$' "/proc/$(main_pid)/status"; }
no_new_privileges() { grep -q '^NoNewPrivs:.*1$' "/proc/$(main_pid)/status"; }
not_root() { [ "$(stat -c %u "/proc/$(main_pid)")" -ne 0 ]; }
one_capability() { [ "$(awk '/^CapEff/{print $2}' "/proc/$(main_pid)/status")" = 0000000000000400 ]; }
exposure() { systemd-analyze security --no-pager jobgate | awk '/Overall exposure/{found = 1; exit !($(NF - 2) + 0 <= 2.0)} END{if (!found) exit 1}'; }
new_binary() { cmp "/proc/$(main_pid)/exe" /usr/bin/jobgate && [ "$(readlink "/proc/$(main_pid)/exe")" = /usr/bin/jobgate ]; }
same_pid() { [ "$(main_pid)" = "$1" ]; }
gone() { for path in "$@"; do [ ! -e "$path" ] || { echo "$path is left"; return 1; }; done; }

ip link set lo up 2>/dev/null || true

check "installs" dpkg -i old.deb
check "runs after the installation" systemctl --quiet is-active jobgate
check "is enabled" systemctl --quiet is-enabled jobgate
check "answers: 401 without a token" status 401 http://127.0.0.1:8080/jobs/demo/
check "is not root" not_root
check "has one capability, to bind low ports" one_capability
check "has the seccomp filter" seccomp
check "has no new privileges" no_new_privileges
check "exposure is 2.0 at most" exposure

check "job create" sh -c 'jobgate job create --id demo --url http://127.0.0.1:9000 -l model=base'
value=$(jobgate token create first --role read -l model=base -o json | sed -n 's/.*"value": *"\([^"]*\)".*/\1/p')
python3 demo_backend.py 9000 >/tmp/backend.log 2>&1 &
get() { status "$1" -H "Authorization: Bearer $value" http://127.0.0.1:8080/jobs/demo/; }
check "502 or 503 as loopback is no place for jobs yet" sh -c "curl -s -o /dev/null -w '%{http_code}' -H 'Authorization: Bearer $value' http://127.0.0.1:8080/jobs/demo/ | grep -qE '50[23]'"
cp /etc/jobgate/jobgate.yaml /tmp/packaged.yaml
sed -i 's/allow_loopback: false/allow_loopback: maybe/' /etc/jobgate/jobgate.yaml
check "a broken configuration is refused by reload" fails systemctl reload jobgate
check "... and the service runs on" systemctl --quiet is-active jobgate
sed -i 's/allow_loopback: maybe/allow_loopback: true/' /etc/jobgate/jobgate.yaml
check "reload" systemctl reload jobgate
check "200 for the token" eventually get 200

# A key that a group may read, as deploy/edge.md has it.
groupadd --system tls
install -m 640 -g tls tls.key /etc/jobgate/jobs.key
install -m 644 tls.pem /etc/jobgate/jobs.pem
install -d /etc/systemd/system/jobgate.service.d
printf '[Service]\nSupplementaryGroups=tls\n' >/etc/systemd/system/jobgate.service.d/override.conf
systemctl daemon-reload
sed -i 's/^listen: .*/listen: ["127.0.0.1:8080", "127.0.0.1:8443 tls"]/' /etc/jobgate/jobgate.yaml
sed -i 's#^tls:#tls:\n  certificates: [{certificate: /etc/jobgate/jobs.pem, key: /etc/jobgate/jobs.key}]#' /etc/jobgate/jobgate.yaml
check "starts with a key that its group may read" systemctl restart jobgate
check "... and serves TLS with it" eventually status 401 -k https://127.0.0.1:8443/jobs/demo/

# Upgrade under load: requests without pause, and one answer that is still running.
before=$(main_pid)
(
	n=0
	while [ ! -e /tmp/enough ]; do
		get 200 || echo "request $n failed"
		n=$((n + 1))
	done
	echo "$n requests" >&2
) >/tmp/load.failed 2>/tmp/load.count &
load=$!
curl -sN -H "Authorization: Bearer $value" http://127.0.0.1:8080/jobs/demo/stream >/tmp/stream.out 2>&1 &
stream=$!
sleep 0.3
check "upgrade" dpkg -i --force-confold new.deb
check "... runs the new binary" eventually new_binary
sleep 1
touch /tmp/enough
wait "$load"
check "... in the same process" same_pid "$before"
check "... and no request failed ($(cat /tmp/load.count))" test ! -s /tmp/load.failed
wait "$stream"
check "... nor did the stream that was running" grep -q "step 5 of 5" /tmp/stream.out
check "... and the token is still good" get 200
check "a login shell of root's finds its control socket" env XDG_RUNTIME_DIR=/run/user/0 jobgate token list
check "... and its store" env XDG_RUNTIME_DIR=/run/user/0 jobgate store verify
check "... and the configuration is still ours" grep -q "allow_loopback: true" /etc/jobgate/jobgate.yaml

restarted() { local pid; pid=$(main_pid); [ "$pid" -ne 0 ] && [ "$pid" -ne "$1" ]; }
kill -9 "$(main_pid)"
check "is started again when it dies" eventually restarted "$before"
check "... with its tokens" eventually get 200
before=$(main_pid)
kill -STOP "$before"
check "is started again by the watchdog when it hangs" eventually restarted "$before"
check "... and serves" eventually get 200

check "systemd does not listen at an address that is taken" fails systemctl start jobgate.socket
check "stops" systemctl stop jobgate
check "systemd listens for it" systemctl enable --now jobgate.socket
check "... and starts it for the first client" get 200
check "... of which nothing is lost by a restart" sh -c "(sleep 0.2; systemctl restart jobgate) & for i in \$(seq 40); do [ \"\$(curl -s -o /dev/null -w '%{http_code}' -H 'Authorization: Bearer $value' http://127.0.0.1:8080/jobs/demo/)\" = 200 ] || exit 1; sleep 0.05; done; wait"

check "is removed" dpkg -r jobgate
check "... and does not run" fails systemctl --quiet is-active jobgate
check "... and keeps its configuration" test -e /etc/jobgate/jobgate.yaml
rm /etc/jobgate/jobs.*
check "is purged" dpkg -P jobgate
check "... without a trace" gone /etc/jobgate /var/lib/jobgate /var/lib/private/jobgate /run/jobgate /usr/bin/jobgate /usr/share/doc/jobgate

printf '\n%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
