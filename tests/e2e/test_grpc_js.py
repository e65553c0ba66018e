"""A second implementation of gRPC, @grpc/grpc-js, as client and as service. With `tests/run.sh --all`: npm fetches it."""

import json
import shutil
import subprocess

import pytest

from harness.gateway import DOMAIN
from harness.process import PATIENCE, eventually
from harness.servers import APPS, grpc_js_server, grpc_server

pytestmark = pytest.mark.large

PACKAGE = "@grpc/grpc-js@1.14.7"


@pytest.fixture(scope="module")
def peer(tmp_path_factory):
    """The script beside the library that it loads."""
    folder = tmp_path_factory.mktemp("grpc-js")
    subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", folder, PACKAGE], check=True,
                   stdout=subprocess.DEVNULL, timeout=20 * PATIENCE)
    return shutil.copy(APPS / "grpc_peer.js", folder)


@pytest.fixture(scope="module")
def gateway(module_gateways):
    return module_gateways.start()


@pytest.fixture(scope="module", params=["grpcio", "grpc-js"])
def service(request, peer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("service")
    server = grpc_server(folder) if request.param == "grpcio" else grpc_js_server(folder, peer)
    yield server
    server.stop()


@pytest.fixture
def start(gateway, peer):
    """Starts a client that makes these calls, one after another."""
    running = []

    def run(job, token, calls, address=None):
        running.append(subprocess.Popen(
            ["node", peer, "call", address or "%s:%d" % gateway.address, f"{job}.{DOMAIN}", getattr(token, "value", token), calls],
            stdout=subprocess.PIPE))
        return running[-1]
    yield run
    for client in running:
        client.kill()
        client.communicate()


def results_of(client):
    out, _ = client.communicate(timeout=8 * PATIENCE)
    found = {}
    for line in out.decode().splitlines():
        found.update(json.loads(line))
    return found


def test_calls(start, records, service):
    job = records.job(f"grpc://{service.authority}")
    found = results_of(start(job, records.token(), "echo,large,collect,count,chat,fail,deadline,many,cancel"))
    assert found["deadline"].pop("details") and found["cancel"].pop("details")
    assert found == {
        "echo": "one", "large": {"length": 4 * 1024 * 1024, "same": True}, "collect": 2890, "count": {"got": 1000},
        "chat": {"got": 1000}, "fail": {"code": 5, "details": "kein Modell für 100 %"}, "deadline": {"code": 4}, "many": 2000,
        "cancel": {"got": ["on"], "code": 1}}


def test_health(start, gateway):
    found = results_of(start("none", "none", "health,nothealth", f"127.0.0.1:{gateway.metrics_port}"))
    assert found["health"] == "\x08\x01" and found["nothealth"]["code"] == 5, found


def test_refusals(start, records, service):
    job, scoped, token = records.job(f"grpc://{service.authority}"), records.token(selector="team=other"), records.token()
    for at, by, code in [(job, "wrong", 16), (job, scoped, 7), ("missing", scoped, 7), ("missing", token, 12)]:
        assert results_of(start(at, by, "echo"))["echo"]["code"] == code


def test_revocation(start, records, service):
    job, token, other = records.job(f"grpc://{service.authority}"), records.token(), records.token()
    before = results_of(start(job, other, "cancelled"))["cancelled"]
    client = start(job, token, "forever")
    assert json.loads(client.stdout.readline()) == "on"
    records.delete_token(token)
    assert results_of(client)["forever"] == {"got": ["on"], "code": 16, "details": "access has been revoked"}
    eventually(lambda: int(results_of(start(job, other, "cancelled"))["cancelled"]) > int(before), "the service to hear of it")
