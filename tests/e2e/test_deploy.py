"""What lies in deploy/ fits together, and fits the gateway."""

import base64
import ipaddress
import json
import os
import pathlib
import re
import shlex
import signal
import subprocess

import grpc
import pytest
import redis
import yaml

from harness.pki import Authority
from harness.process import PATIENCE, Program, accepts, eventually, free_port
from harness.scene import request_bytes
from harness.store import RedisServer

REPOSITORY = pathlib.Path(__file__).parents[2]
DEPLOY = REPOSITORY / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
MANIFESTS = sorted(path for path in KUBERNETES.rglob("*.yaml") if path.stem != "kustomization")
MANIFEST = {path.stem: path for path in MANIFESTS}
OVERLAYS = sorted(path.parent for path in KUBERNETES.rglob("kustomization.yaml"))


def documents(path):
    return [document for document in yaml.safe_load_all(path.read_text(encoding="utf-8")) if document]


def of_kind(path, *kinds):
    return [document for document in documents(path) if document["kind"] in kinds]


def gateway_containers(path):
    for workload in of_kind(path, "Deployment", "Job"):
        spec = workload["spec"]["template"]["spec"]
        for container in [*spec["containers"], *spec.get("initContainers", [])]:
            if container["name"] == "jobgate":
                yield spec, container


def labels_of_pod(path):
    workload, = of_kind(path, "Deployment", "Job")
    return workload["spec"]["template"]["metadata"]["labels"]


def configuration(path):
    """The configuration that a manifest carries, as text."""
    secret, = of_kind(path, "Secret")
    return secret["stringData"]["jobgate.yaml"]


CARRIERS = [path for path in MANIFESTS if list(gateway_containers(path))]


@pytest.mark.parametrize("path", CARRIERS, ids=lambda path: path.stem)
def test_configuration_in_a_manifest(path, check, tmp_path):
    text = configuration(path)
    secret, = of_kind(path, "Secret")
    for name, content in secret["stringData"].items():
        # Left as it is, the key must not be taken for one.
        (tmp_path / name).write_text(content, encoding="utf-8")
        text = text.replace(f"/etc/jobgate/{name}", str(tmp_path / name))
    for spec, container in gateway_containers(path):
        for mount in container["volumeMounts"]:
            for item in next(volume for volume in spec["volumes"] if volume["name"] == mount["name"]).get("downwardAPI", {}).get("items", []):
                assert item["fieldRef"]["fieldPath"] == "metadata.labels"
                (tmp_path / item["path"]).write_text("\n".join(f'{name}="{value}"' for name, value in labels_of_pod(path).items()), encoding="utf-8")
                text = text.replace(f"{mount['mountPath']}/{item['path']}", str(tmp_path / item["path"]))
    assert "/etc/podinfo" not in text
    if "session.key" in text:
        _, result = check(text)
        assert result.status == 1 and "random bytes" in result.err, result
        (tmp_path / "session.key").write_text(base64.b64encode(os.urandom(48)).decode(), encoding="utf-8")
    _, result = check(text)
    assert result.status == 0, result


@pytest.mark.parametrize("path", CARRIERS, ids=lambda path: path.stem)
def test_ports_and_times_of_a_pod(path):
    settings = yaml.safe_load(configuration(path))
    metrics = int(settings["control"]["metrics"].rsplit(":", 1)[1])
    listen = int(settings["listen"][0].rsplit(":", 1)[1])
    for spec, container in gateway_containers(path):
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        assert ports == {"http": listen, "metrics": metrics}
        for probe, service in (("readinessProbe", "readiness"), ("livenessProbe", "liveness"), ("startupProbe", "liveness")):
            if probe == "startupProbe" and probe not in container:
                continue
            if "grpc" in container[probe]:  # by a number, and only over HTTP/2
                assert container[probe]["grpc"] == {"port": metrics, "service": service}
                assert settings.get("http2", {}).get("clients", True)
            else:
                assert container[probe]["httpGet"] == {"port": "metrics", "path": {"readiness": "/readyz", "liveness": "/healthz"}[service]}
        drain = int(settings.get("timeouts", {}).get("drain", "30s")[:-1])
        assert spec["terminationGracePeriodSeconds"] > drain + 5
        assert {mount["name"] for mount in container["volumeMounts"]} <= {volume["name"] for volume in spec["volumes"]}
        # All users may write to an emptyDir: the gateway refuses to put its socket there.
        folder = str(pathlib.PurePosixPath(settings["control"]["socket"]).parent)
        assert folder not in [mount["mountPath"] for mount in container["volumeMounts"]]


def test_only_the_proxy_is_trusted():
    """If all pods were trusted, a job could claim any address for its requests."""
    backends = yaml.safe_load(configuration(MANIFEST["edge"]))["backends"]
    networks = {name: [ipaddress.ip_network(text) for text in backends[name]] for name in ("trusted_proxies", "allow")}
    assert all(proxy.prefixlen >= 28 for proxy in networks["trusted_proxies"])
    assert not any(proxy.overlaps(jobs) for proxy in networks["trusted_proxies"] for jobs in networks["allow"])


@pytest.mark.parametrize("path", CARRIERS, ids=lambda path: path.stem)
def test_gateway_in_a_pod_has_no_rights(path):
    for spec, container in gateway_containers(path):
        security = spec.get("securityContext", {}) | container["securityContext"]
        assert security["runAsNonRoot"] and security["runAsUser"] > 0
        assert security["readOnlyRootFilesystem"] and not security["allowPrivilegeEscalation"]
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["automountServiceAccountToken"] is False


def kustomized(folder):
    """What `kubectl apply -k` sends, of the few words that these files use: the resources, with the names of images replaced."""
    text = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
    assert set(text) <= {"apiVersion", "kind", "resources", "images"}
    found = []
    for name in text["resources"]:
        place = (folder / name).resolve()
        # kustomize reads files of the folder only, and other folders that are kustomizations.
        assert place.is_dir() or place.parent == folder
        found += kustomized(place) if place.is_dir() else documents(place)
    for image in text.get("images", []):
        whole = json.dumps(found)
        assert f'"{image["name"]}:' in whole, image
        found = json.loads(re.sub(rf'"{re.escape(image["name"])}:[^"]*"', f'"{image["newName"]}:{image["newTag"]}"', whole))
    return found


@pytest.mark.parametrize("folder", OVERLAYS, ids=lambda path: path.name)
def test_a_kustomization_is_whole(folder):
    found = kustomized(folder)
    names = [(document["kind"], document["metadata"].get("namespace"), document["metadata"]["name"]) for document in found]
    assert len(set(names)) == len(names)  # kustomize refuses a name that comes twice
    namespaces = {name for kind, _, name in names if kind == "Namespace"}
    assert {namespace for _, namespace, _ in names if namespace} <= namespaces
    if "overlays" in folder.parts:
        assert "<registry>" not in json.dumps([document for document in found if document["kind"] != "Secret"])
        assert ("Service", "jobgate", "redis") in names  # store.url


def test_each_manifest_is_in_a_kustomization():
    """Two are for some clusters only, and named there in a comment."""
    for path in MANIFESTS:
        text = (path.parent / "kustomization.yaml").read_text(encoding="utf-8")
        listed = path.name in yaml.safe_load(text)["resources"]
        assert listed or path.name in ("gateway-api.yaml", "podmonitor.yaml") and path.name in text


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_selectors_find_their_pods(path):
    """What a selector of these files means is a pod of these files, in its namespace."""
    pods = {}
    for manifest in MANIFESTS:
        for deployment in of_kind(manifest, "Deployment", "StatefulSet", "Job"):
            labels = deployment["spec"]["template"]["metadata"]["labels"]
            assert deployment["spec"].get("selector", {}).get("matchLabels", {}).items() <= labels.items()
            pods.setdefault(deployment["metadata"]["namespace"], []).append(labels)
    for document in of_kind(path, "Service", "NetworkPolicy", "PodDisruptionBudget"):
        spec = document["spec"]
        selector = spec.get("podSelector", spec.get("selector"))
        wanted = selector.get("matchLabels", selector)
        assert any(wanted.items() <= labels.items() for labels in pods[document["metadata"]["namespace"]]), document
    for scaler in of_kind(path, "HorizontalPodAutoscaler"):
        target = scaler["spec"]["scaleTargetRef"]
        assert target["name"] in [deployment["metadata"]["name"] for deployment in of_kind(path, target["kind"])]


def test_a_batch_job_ends_although_its_gateway_goes_on():
    job, = of_kind(MANIFEST["batch-job"], "Job")
    spec = job["spec"]["template"]["spec"]
    gateway, = spec["initContainers"]
    assert gateway["restartPolicy"] == "Always" and spec["restartPolicy"] == "Never"
    assert [container["name"] for container in spec["containers"]] == ["training"]


@pytest.mark.parametrize("name", ["ingress", "gateway-api"])
def test_routes_lead_to_the_service(name):
    service, = of_kind(MANIFEST["edge"], "Service")
    port, = service["spec"]["ports"]
    documents_of = documents(MANIFEST[name])
    domain = yaml.safe_load(configuration(MANIFEST["edge"]))["jobs"]["domain"]
    for document in documents_of:
        assert document["metadata"]["namespace"] == service["metadata"]["namespace"]
        assert f"*.{domain}" in json.dumps(document)
    route = documents_of[-1]["spec"]["rules"][0]
    if name == "ingress":
        assert route["http"]["paths"][0]["backend"]["service"] == {"name": service["metadata"]["name"], "port": {"name": port["name"]}}
    else:
        assert route["backendRefs"] == [{"name": service["metadata"]["name"], "port": port["port"]}]
        assert documents_of[-1]["spec"]["parentRefs"][0]["name"] == documents_of[0]["metadata"]["name"]


def test_all_gateways_are_scraped_and_reach_the_store():
    """By their pods' labels."""
    monitor, = documents(MANIFEST["podmonitor"])
    policy, = of_kind(MANIFEST["redis"], "NetworkPolicy")
    edge, beside = policy["spec"]["ingress"][0]["from"]
    names = {}
    for path in CARRIERS:
        for workload in of_kind(path, "Deployment", "Job"):
            name = workload["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/name"]
            names.setdefault(workload["metadata"]["namespace"], set()).add(name)
    scraped, = monitor["spec"]["selector"]["matchExpressions"]
    assert set(scraped["values"]) == names["jobgate"] | names["jobs"] and set(monitor["spec"]["namespaceSelector"]["matchNames"]) == set(names)
    assert {edge["podSelector"]["matchLabels"]["app.kubernetes.io/name"]} == names["jobgate"]
    assert set(beside["podSelector"]["matchExpressions"][0]["values"]) == names["jobs"]


def test_the_store_of_a_cluster(gateways, make_folder):
    """The arguments and users of redis.yaml, with a Redis of this machine; tokens outlive a kill."""
    path, folder = MANIFEST["redis"], make_folder("redis")
    stateful, = of_kind(path, "StatefulSet")
    secret, = of_kind(path, "Secret")
    (folder / "users.acl").write_text(secret["stringData"]["users.acl"], encoding="utf-8")
    port = free_port()
    places = {"/etc/redis/users.acl": str(folder / "users.acl"), "/data": str(folder)}
    argv = [places.get(word, word) for word in stateful["spec"]["template"]["spec"]["containers"][0]["args"]]

    def start():
        program = Program([*argv, "--port", port, "--bind", "127.0.0.1"], folder / "log", {"PATH": "/usr/bin:/bin"})
        eventually(lambda: accepts("127.0.0.1", port), f"Redis to listen: {program.log()}")
        return program
    program = start()
    try:
        gateway = gateways.start({}, store_url=f"redis://gateway:secret@127.0.0.1:{port}")
        made = gateway.cli("token", "create", "alice", "--role", "read", "-o", "json").json()
        program.stop(signal.SIGKILL)
        program = start()
        eventually(lambda: gateway.cli("token", "get", made["id"]).status == 0, "the token to be there after the kill")
        assert gateway.cli("token", "renew", made["id"], "--yes").status == 0
        with pytest.raises(redis.AuthenticationError):
            redis.Redis(port=port).ping()
    finally:
        program.stop(signal.SIGKILL)


@pytest.mark.parametrize("name", ["job", "model"])
def test_only_the_gateway_reaches_a_job(name):
    policy, = of_kind(MANIFEST["jobs-only-through-the-gateway"], "NetworkPolicy")
    source, = policy["spec"]["ingress"][0]["from"]
    gateway, = of_kind(MANIFEST["edge"], "Deployment")
    pod, = of_kind(MANIFEST[f"{name}-behind-edge"], "Deployment")
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= pod["spec"]["template"]["metadata"]["labels"].items()
    assert source["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] == gateway["metadata"]["namespace"]
    labels = gateway["spec"]["template"]["metadata"]["labels"]
    assert source["podSelector"]["matchLabels"].items() <= labels.items()


def test_a_sidecar_is_reached_only_at_the_gateway():
    sidecar = MANIFEST["sidecar"]
    policy, = of_kind(sidecar, "NetworkPolicy")
    listen = int(yaml.safe_load(configuration(sidecar))["listen"][0].rsplit(":", 1)[1])
    assert policy["spec"]["ingress"][0] == {"ports": [{"port": listen}]}


def test_grpc_probes_of_a_pod(gateways):
    """The calls that kubelet makes."""
    path = MANIFEST["edge"]
    gateway = gateways.start({"http2": yaml.safe_load(configuration(path)).get("http2", {})})
    (_, container), = gateway_containers(path)
    probes = [container[name]["grpc"] for name in ("readinessProbe", "livenessProbe", "startupProbe")]
    with grpc.insecure_channel(f"127.0.0.1:{gateway.metrics_port}") as channel:
        for probe in probes:
            request = b"\x0a" + bytes([len(probe["service"])]) + probe["service"].encode()
            assert channel.unary_unary("/grpc.health.v1.Health/Check")(request, timeout=4 * PATIENCE) == b"\x08\x01"


CHECK_TYPES = """
for (const document of JSON.parse(require('fs').readFileSync(0))) {
  const folder = document.apiVersion, library = {
    "gateway.networking.k8s.io": "@kubernetes-models/gateway-api", "monitoring.coreos.com": "@kubernetes-models/prometheus-operator",
  }[folder.split("/")[0]] ?? "kubernetes-models";
  const types = require(`${library}/${folder}`);
  new types[document.kind](document).validate();
}
"""


@pytest.mark.large
def test_types_of_the_kubernetes_api(make_folder):
    folder = make_folder("kubernetes-models")
    subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", folder, "kubernetes-models@4.5.1",
                    "@kubernetes-models/gateway-api@0.5.1", "@kubernetes-models/prometheus-operator@4.4.4"], check=True,
                   stdout=subprocess.DEVNULL, timeout=20 * PATIENCE)

    def check_types(found):
        return subprocess.run(["node", "-e", CHECK_TYPES], cwd=folder, input=json.dumps(found), capture_output=True, text=True, check=False)
    for path, found in [*((path, documents(path)) for path in MANIFESTS), *((folder, kustomized(folder)) for folder in OVERLAYS)]:
        done = check_types(found)
        assert done.returncode == 0, (path, done.stderr)
    wrong, = of_kind(MANIFEST["edge"], "Deployment")
    wrong["spec"]["template"]["spec"]["containers"][0]["readinessProbe"]["grpc"]["port"] = "metrics"
    assert "port must be integer" in check_types([wrong]).stderr
    for name in ("gateway-api", "podmonitor"):
        wrong = documents(MANIFEST[name])[0]
        wrong["spec"]["selector" if name == "podmonitor" else "listeners"] = 1
        assert check_types([wrong]).returncode != 0


PAGES = [REPOSITORY / "README.md", *sorted(DEPLOY.glob("*.md")), DEPLOY / "slurm/README.md"]
EXAMPLES = [pytest.param(text, id=f"{page.stem}-{number}") for page in PAGES
            for number, text in enumerate(re.findall(r"^```yaml\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL))]


@pytest.mark.parametrize("text", EXAMPLES)
def test_configuration_on_a_page(text, check, make_folder):
    """With files of ours in place of those that a reader would have."""
    authority = Authority(make_folder("pki"), "authority")
    certificate, key = authority.issue("jobs", "serverAuth")
    text = re.sub(r"/etc/jobgate/\w+\.pem", str(certificate), text)
    text = re.sub(r"/etc/jobgate/\w+\.key", str(key), text)
    text = text.replace("/var/log/jobgate/", f"{make_folder('log')}/")
    podinfo = make_folder("podinfo")
    (podinfo / "labels").write_text('app="notebook"')
    text = text.replace("/etc/podinfo/", f"{podinfo}/")
    _, result = check(text)
    assert result.status == 0, result


@pytest.mark.parametrize("page", ["edge.md", "kubernetes/README.md"])
def test_rights_of_the_store_user_suffice(page, gateways, make_folder):
    """The ACL that a page gives a gateway lets it do all it has to do."""
    rule = re.search(r"ACL SETUSER gateway ([^`\n]*)", (DEPLOY / page).read_text(encoding="utf-8"))[1]
    server = RedisServer(make_folder("redis")).start()
    try:
        server.client.execute_command("ACL", "SETUSER", "gateway", *shlex.split(rule))
        url = server.tcp_url.replace("redis://", "redis://gateway:secret@")
        gateway = gateways.start({}, store_url=url)
        token = gateway.cli("token", "create", "alice", "--role", "read", "-o", "json").json()
        job = gateway.cli("job", "create", "--url", "unix:/nonexistent", "-o", "json").json()
        with gateway.client() as client:
            request = request_bytes(f"{job['id']}.jobs.test", token["value"])
            assert client.exchange(request).status == 502
            assert gateway.cli("token", "renew", token["id"], "--yes").status == 0
            eventually(lambda: client.exchange(request).status == 401, "the renewal to be felt")
        assert gateway.cli("job", "delete", job["id"], "--yes").status == 0
        assert server.client.acl_log() == []
    finally:
        server.stop()


@pytest.fixture
def unit(tmp_path):
    """The unit as it is installed below /usr, with a program that exists."""
    text = (DEPLOY / "systemd/jobgate.service.in").read_text(encoding="utf-8")
    text = text.replace("@CMAKE_INSTALL_FULL_BINDIR@/jobgate", "/bin/true").replace("@CMAKE_INSTALL_FULL_SYSCONFDIR@", "/etc")
    assert "@CMAKE" not in text
    path = tmp_path / "jobgate.service"
    path.write_text(text, encoding="utf-8")
    return path


def test_unit_is_valid(unit):
    (unit.parent / "jobgate.socket").write_bytes((DEPLOY / "systemd/jobgate.socket").read_bytes())
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit, unit.parent / "jobgate.socket"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "jobgate" not in done.stderr, done.stderr


def test_unit_is_hardened(unit):
    done = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--no-pager", unit],
                          capture_output=True, text=True, check=True)
    assert float(re.search(r"Overall exposure level for \S+ ([0-9.]+)", done.stdout)[1]) <= 2.0


def test_unit_lets_the_gateway_see_its_own_addresses(unit):
    """getifaddrs asks over AF_NETLINK. Without it no job on the gateway's own port could be told from the gateway."""
    families = re.search(r"^RestrictAddressFamilies=(.*)$", unit.read_text(encoding="utf-8"), re.MULTILINE)[1].split()
    assert set(families) == {"AF_INET", "AF_INET6", "AF_UNIX", "AF_NETLINK"}


def test_image_needs_what_the_build_needs():
    """The recipe of the image names the same packages as deploy/packages.sh."""
    packages = re.search(r'BUILD_PACKAGES="([^"]*)"', (DEPLOY / "packages.sh").read_text(encoding="utf-8"))[1].split()
    recipe = (DEPLOY / "container/Containerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    installed = re.findall(r"install -y --no-install-recommends (.*)", recipe)[0].split()
    assert set(packages) <= set(installed)
