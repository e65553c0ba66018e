#!/usr/bin/env bash
# From a fresh Debian to a gateway in front of a job, in one command: installs what is missing, builds, starts,
# and shows who may pass. Checks what it shows, and exits with 1 when an answer is not the expected one.
#
#   deploy/quickstart.sh          show everything, then clean up
#   deploy/quickstart.sh --keep   leave the gateway and the job running
set -uo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/deploy/packages.sh"

keep=""
case "${1-}" in
"") ;;
--keep) keep=yes ;;
-h | --help)
	sed -n '2,6s/^# \{0,1\}//p' "$0"
	exit 0
	;;
*)
	echo "quickstart.sh: unknown option '$1' (there is --keep)" >&2
	exit 2
	;;
esac

if [ -t 1 ] && [ -z "${NO_COLOR-}" ]; then
	bold=$'\e[1m' green=$'\e[32m' red=$'\e[31m' dim=$'\e[2m' plain=$'\e[0m'
else
	bold="" green="" red="" dim="" plain=""
fi

failures=0
step() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
good() { printf '%sok: %s%s\n' "$green" "$*" "$plain"; }
bad() {
	printf '%sNOT AS EXPECTED: %s%s\n' "$red" "$*" "$plain"
	failures=$((failures + 1))
}
die() {
	printf '%squickstart: %s%s\n' "$red" "$*" "$plain" >&2
	exit 1
}

step "1. What it needs"
# shellcheck disable=SC2086 # a list of names
need_packages $BUILD_PACKAGES redis-server curl python3 python3-aiohttp || die "some packages are missing"
echo "All packages are there."

step "2. Build (release)"
cd "$top" || exit 1
cmake --preset release >/dev/null || die "cmake could not configure"
cmake --build --preset release --target jobgate || die "the build failed"
jobgate=$top/build/release/jobgate
"$jobgate" --help >/dev/null || die "what was built does not run"

step "3. Start a job's service and the gateway"
home=$(mktemp -d /tmp/jobgate-quickstart.XXXXXX)
mkdir -m 700 "$home/config" "$home/state" "$home/run"
# A home of its own, so that nothing here touches a gateway that you may already have.
export XDG_CONFIG_HOME=$home/config XDG_STATE_HOME=$home/state XDG_RUNTIME_DIR=$home/run
unset JOBGATE_URL JOBGATE_TOKEN
gateway_pid="" backend_pid=""
finish() {
	local status=$?
	if [ -n "$keep" ] && [ "$status" -eq 0 ]; then
		return
	fi
	[ -z "$gateway_pid" ] || kill "$gateway_pid" 2>/dev/null
	[ -z "$backend_pid" ] || kill "$backend_pid" 2>/dev/null
	wait 2>/dev/null
	rm -rf "$home"
}
trap finish EXIT
trap 'exit 130' INT TERM

in_use() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
some_port() {
	local port
	while port=$((20000 + RANDOM % 10000)); in_use "$port"; do :; done
	echo "$port"
}
wait_for() { # wait_for SECONDS COMMAND...
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.1
	done
}

backend_port=$(some_port)
/usr/bin/python3 "$top/deploy/demo_backend.py" "$backend_port" >"$home/backend.log" 2>&1 &
backend_pid=$!
wait_for 20 in_use "$backend_port" || die "the job's service did not start: $(cat "$home/backend.log")"
echo "A job's service listens at 127.0.0.1:$backend_port."

port=8080
serve=("$jobgate" serve)
if in_use $port; then
	port=$(some_port)
	echo "Port 8080 is in use; the gateway takes $port instead, told by a configuration of a few lines:"
	cat >"$home/jobgate.yaml" <<END
listen: ["127.0.0.1:$port"]
jobs:
  domain: localhost
  public_url: "http://{job}.localhost:$port/"
backends:
  allow_loopback: true
END
	sed 's/^/  /' "$home/jobgate.yaml"
	serve+=(-c "$home/jobgate.yaml")
fi
"${serve[@]}" >"$home/gateway.log" 2>&1 </dev/null &
gateway_pid=$!
wait_for 30 "$jobgate" token list -o json ||
	die "the gateway did not start: $(cat "$home/gateway.log")"
wait_for 10 in_use "$port" || die "the gateway does not listen: $(cat "$home/gateway.log")"
echo "The gateway listens at 127.0.0.1:$port, with a private Redis of its own."

step "4. A job with the label model=base, and three tokens"
# Show a command, run it with JSON output, leave that in $out.
run_jobgate() {
	printf '%s$ jobgate %s%s\n' "$dim" "$*" "$plain"
	out=$("$jobgate" "$@" -o json) || die "jobgate $1 $2 failed"
}
json() { printf '%s' "$out" | /usr/bin/python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }
make_token() { # make_token NAME OPTIONS...
	run_jobgate token create "$@"
	token_id=$(json id) token=$(json value)
	echo "  id $token_id, value ${token:0:21}... (shown once)"
}

run_jobgate job create --id base -l model=base --url "http://127.0.0.1:$backend_port"
echo "  job URL: $(json job_url)"
make_token reader --role read -l model=base
reader=$token reader_id=$token_id
make_token outsider --role read -l model=large
outsider=$token
make_token chief --role operator
chief=$token

step "5. Who may pass"
# request EXPECTED-STATUS JOB PATH TOKEN-NAME [TOKEN]: ask with curl, show request and answer, check the status.
request() {
	local expected=$1 job=$2 path=$3 name=$4 token=${5-} answer status options=()
	local url=http://$job.localhost:$port$path
	if [ -n "$token" ]; then
		options=(-H "Authorization: Bearer $token")
		printf '\n%s$ curl -i -H "Authorization: Bearer $%s" %s%s\n' "$dim" "$name" "$url" "$plain"
	else
		printf '\n%s$ curl -i %s%s\n' "$dim" "$url" "$plain"
	fi
	answer=$(curl -q -sS -i --noproxy '*' --max-time 20 --resolve "$job.localhost:$port:127.0.0.1" \
		"${options[@]}" "$url" 2>&1)
	printf '%s\n' "$answer" | tr -d '\r'
	status=$(printf '%s' "$answer" | sed -n '1s/^HTTP\/[0-9.]* \([0-9]*\).*/\1/p')
	if [ "$status" = "$expected" ]; then
		good "$status ($name)"
	else
		bad "status ${status:-none} instead of $expected ($name)"
	fi
}

request 200 base / reader "$reader"
request 200 base / chief "$chief"
request 401 base / "no token"
request 403 base / outsider "$outsider"
request 404 no-such-job / chief "$chief"

step "6. A streamed answer, piece by piece as the job sends it"
url=http://base.localhost:$port/stream
printf '%s$ curl -N -H "Authorization: Bearer $reader" %s%s\n' "$dim" "$url" "$plain"
now_ms() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }
begun=$(now_ms) pieces=0
while IFS= read -r line; do
	[ -n "$line" ] || continue
	printf '  after %4d ms: %s\n' "$(($(now_ms) - begun))" "$line"
	pieces=$((pieces + 1))
done < <(curl -q -sSN --noproxy '*' --max-time 20 --resolve "base.localhost:$port:127.0.0.1" \
	-H "Authorization: Bearer $reader" "$url")
if [ "$pieces" -eq 5 ]; then good "5 events"; else bad "$pieces events instead of 5"; fi

step "7. A WebSocket"
printf '%s$ demo_websocket.py ws://base.localhost:%s/echo ... hello world%s\n' "$dim" "$port" "$plain"
answer=$(/usr/bin/python3 "$top/deploy/demo_websocket.py" "ws://127.0.0.1:$port/echo" "base.localhost:$port" \
	"$reader" hello world 2>&1)
printf '%s\n' "$answer"
case "$answer" in
*"< echo: hello"*"< echo: world"*) good "both lines came back" ;;
*) bad "the echo did not come back" ;;
esac

step "8. Renewed: the old value stops at once, the new one works"
run_jobgate token renew --yes "$reader_id"
renewed=$(json value)
# The refusal is a matter of milliseconds, not of none.
old_is_refused() {
	[ "$(curl -q -s -o /dev/null -w '%{http_code}' --noproxy '*' --max-time 5 --resolve "base.localhost:$port:127.0.0.1" \
		-H "Authorization: Bearer $reader" "http://base.localhost:$port/")" = 401 ]
}
wait_for 5 old_is_refused
request 401 base / reader "$reader"
request 200 base / renewed "$renewed"

if [ "$failures" -gt 0 ]; then
	printf '\n%s%s answers were not as expected.%s The log of the gateway:\n' "$red" "$failures" "$plain"
	tail -n 30 "$home/gateway.log"
	exit 1
fi
step "All as expected."
if [ -n "$keep" ]; then
	cat <<END
The gateway (process $gateway_pid) and the job's service (process $backend_pid) keep running. In another shell:

  export XDG_CONFIG_HOME=$XDG_CONFIG_HOME XDG_STATE_HOME=$XDG_STATE_HOME XDG_RUNTIME_DIR=$XDG_RUNTIME_DIR
  $jobgate token list
  curl -H 'Authorization: Bearer $renewed' http://base.localhost:$port/

To end them: kill $gateway_pid $backend_pid; rm -r $home
END
	disown -a
else
	echo "Run it with --keep to play on."
fi
