#!/usr/bin/env bash
# The image of deploy/container/Containerfile, built and run by podman under the rights that deploy/kubernetes gives it: started
# beside a job with the sidecar's configuration, used, revoked, stopped. Its base is made by debootstrap, not fetched from a registry.
# Not in the quick set: it fetches a base system once (build/image/base.tar), and needs root. Nothing of podman's stays.
#
#   tests/image/run.sh      the last line is "N passed, N failed"
set -euo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
cd "$top"
. deploy/packages.sh
. tests/check.sh
work=$top/build/image base=docker.io/library/debian:bookworm-slim
space=jobgate-image-$$ name=gateway

[ "$(id -u)" -eq 0 ] || { echo "Containers need root: run this as root." >&2; exit 1; }
need_packages podman runc iproute2 debootstrap redis-server curl python3 python3-aiohttp python3-yaml

mkdir -p "$work"
if [ ! -e "$work/base.tar" ]; then
	echo "== a base system (some minutes, once)"
	folder=$(mktemp -d "$work/base.XXXXXX")
	debootstrap --variant=minbase bookworm "$folder" >"$work/debootstrap.log"
	rm -rf "$folder"/var/cache/apt/archives/*.deb
	tar -C "$folder" --one-file-system -cf "$work/base.tar.new" . && mv "$work/base.tar.new" "$work/base.tar"
	rm -rf --one-file-system "$folder"
fi

# A storage of its own beside the user's; no registry is ever asked.
podman() { command podman --root "$work/storage" --runroot "$work/run" --runtime runc --cgroup-manager cgroupfs "$@"; }
inside() { ip netns exec "$space" "$@"; }
export BUILDAH_RUNTIME=runc # of podman build
started=() # not by way of inside(): its process would be a shell
cleanup() {
	podman rm -f -t 1 "$name" >/dev/null 2>&1 || true
	[ "${#started[@]}" -eq 0 ] || kill "${started[@]}" 2>/dev/null || true
	ip netns del "$space" 2>/dev/null || true
}
trap cleanup EXIT

echo "== build"
podman image exists "$base" || podman import -q "$work/base.tar" "$base" >/dev/null
podman build --pull=never --network=host -f deploy/container/Containerfile -t jobgate . >"$work/build.log" 2>&1 ||
	{ tail -n 40 "$work/build.log"; exit 1; }
podman image ls --format '{{.Repository}} {{.Size}}'

# A small pod: job, store and gateway share a network of their own.
ip netns add "$space"
inside ip link set lo up
mkdir -p "$work/sidecar"
/usr/bin/python3 - >"$work/sidecar/jobgate.yaml" <<'PYTHON'
import yaml
secret, = (item for item in yaml.safe_load_all(open("deploy/kubernetes/overlays/sidecar/sidecar.yaml")) if item and item["kind"] == "Secret")
print(secret["stringData"]["jobgate.yaml"].replace("redis.jobgate.svc.cluster.local", "127.0.0.1").replace("/etc/podinfo/", "/etc/jobgate/"))
PYTHON
echo 'app="notebook"' >"$work/sidecar/labels" # as kubelet would
chmod 755 "$work/sidecar" && chmod 444 "$work/sidecar/"*
printf '%s\n' 'port 6379' 'bind 127.0.0.1' 'save ""' 'user default on nopass ~* &* +@all' \
	'user gateway on >secret ~jobgate:* &__redis__:invalidate +@all -@dangerous +client +role +info' >"$work/redis.conf"
ip netns exec "$space" redis-server "$work/redis.conf" >"$work/redis.log" &
started+=($!)
ip netns exec "$space" /usr/bin/python3 deploy/demo_backend.py 8888 >"$work/backend.log" 2>&1 &
started+=($!)

# What securityContext says in deploy/kubernetes/overlays/sidecar/sidecar.yaml, in podman's words.
podman run -d --name "$name" --network "ns:/run/netns/$space" --read-only --read-only-tmpfs=false --cap-drop=all \
	--security-opt=no-new-privileges --ulimit nofile=4096:4096 --ulimit nproc=1024:1024 \
	-v "$work/sidecar:/etc/jobgate:ro" jobgate >/dev/null

answers() { [ "$(inside curl -s -o /dev/null -m 30 -w '%{http_code}' "${@:2}")" = "$1" ]; }
in_image() { podman exec "$name" "$@"; }
pid() { podman inspect -f '{{.State.Pid}}' "$name"; }
of_process() { grep -qE "^$1:[[:space:]]+$2\$" "/proc/$(pid)/status"; }

check "gets ready" eventually answers 200 http://127.0.0.1:9180/readyz
check "is alive" answers 200 http://127.0.0.1:9180/healthz
check "image: is not root" test "$(podman image inspect -f '{{.User}}' jobgate)" = 65532:65532
check "image: has no compiler" fails in_image sh -c 'command -v gcc || command -v cc || command -v cmake'
check "runs as 65532" of_process Uid '65532.65532.65532.65532'
check "... without a capability" of_process CapEff 0000000000000000
check "... that it could gain" of_process CapBnd 0000000000000000
check "... under seccomp" of_process Seccomp 2
check "... with no new privileges" of_process NoNewPrivs 1
check "its root is read-only" fails in_image touch /var/lib/jobgate/x
check "no port is open but ours" test "$(inside ss -Hltn | awk '{print $4}' | grep -cvE ':(8080|9180|6379|8888)$')" = 0

check "the job is registered" eventually in_image jobgate job get notebook
token=$(in_image jobgate token create alice --role read -l app=notebook -o json)
value=$(sed -n 's/.*"value": *"\([^"]*\)".*/\1/p' <<<"$token") id=$(sed -n 's/.*"id": *"\([^"]*\)".*/\1/p' <<<"$token")
check "401 without a token" answers 401 http://127.0.0.1:8080/
check "200 with one" answers 200 -H "Authorization: Bearer $value" http://127.0.0.1:8080/
check "token renew" in_image jobgate token renew --yes "$id"
check "401 with the old value" eventually answers 401 -H "Authorization: Bearer $value" http://127.0.0.1:8080/
value=$(in_image jobgate token create bob --role read -l app=notebook -o json | sed -n 's/.*"value": *"\([^"]*\)".*/\1/p')

inside curl -sN -H "Authorization: Bearer $value" http://127.0.0.1:8080/stream >"$work/stream.out" &
stream=$!
check "a stream runs" eventually grep -q "step 1 of 5" "$work/stream.out"
before=$(date +%s)
check "stops on SIGTERM" podman stop -t 60 "$name"
check "... before it is killed" test $(($(date +%s) - before)) -lt 50
check "... with status 0" test "$(podman inspect -f '{{.State.ExitCode}}' "$name")" = 0
wait "$stream" || true
check "... and lets the stream end first" grep -q "step 5 of 5" "$work/stream.out"

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
