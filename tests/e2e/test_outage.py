"""The gateway without its store, and processes that die."""

import json
import os
import pathlib
import signal

import pytest

from harness.process import accepts, descendants, eventually
from harness.raw import Closed
from harness.scene import request_bytes
from harness.store import Records, RedisServer, make_value, random_id


def test_store_unreachable_at_start(gateways, make_folder):
    """It starts, says that it is alive but not ready, answers 503, and recovers by itself."""
    server = RedisServer(make_folder("redis"))
    gateway = gateways.make(store_url=server.url).launch()
    gateway.wait_listening()
    eventually(lambda: gateway.health("/healthz")[0] == 200, "/healthz")
    assert gateway.health("/readyz")[0] == 503
    gateway.family = gateway.processes()
    records = Records(server.client)
    with gateway.client() as client:
        response = client.exchange(request_bytes("a.jobs.test", "jgt_garbage"))
        assert response.status == 401  # garbage needs no store to be refused
        response = client.exchange(request_bytes("a.jobs.test", make_value(random_id())))
        assert response.status == 503
        assert int(response.field("retry-after")) >= 1
        assert response.challenge() is None
        problem = json.loads(response.body)
        assert problem["status"] == 503 and problem["request_id"]
    refused = gateway.cli("token", "list", "-o", "json")
    assert refused.status == 3, refused
    assert refused.err
    try:
        server.start()
        token, job = records.token(), records.job("unix:/nonexistent")
        eventually(lambda: gateway.health("/readyz")[0] == 200, "/readyz after Redis has come")
        with gateway.client() as client:
            assert client.exchange(request_bytes(f"{job}.jobs.test", token)).status == 502
        eventually(lambda: gateway.cli("token", "list", "-o", "json").status == 0, "the control API after Redis has come")
    finally:
        gateway.stop()
        server.stop()


def test_worker_that_dies_is_replaced(gateways, records):
    """Its connections are lost, no others; the supervisor starts another one."""
    gateway = gateways.start({"workers": 2})
    workers = gateway.workers()
    assert len(workers) == 2
    gateway.family = []
    os.kill(workers[0], signal.SIGKILL)
    eventually(lambda: len(gateway.workers()) == 2 and workers[0] not in gateway.workers(), "a new worker")
    token, job = records.token(), records.job("unix:/nonexistent")

    def served():
        try:
            with gateway.client() as client:
                return client.exchange(request_bytes(f"{job}.jobs.test", token)).status == 502
        except (OSError, Closed):
            return False
    for _ in range(10):
        eventually(served, "the gateway to serve again")


def test_control_process_that_dies_is_replaced(gateways):
    gateway = gateways.start()
    control = [pid for pid in gateway.processes() if pid not in gateway.workers()]
    assert control
    gateway.family = []
    for pid in control:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: gateway.cli("token", "list", "-o", "json").status == 0, "the control API to come back")


def alive(pid):
    """True unless the process is gone, or a zombie."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def test_nothing_outlives_the_supervisor(gateways):
    gateway = gateways.start({"workers": 2})
    family = descendants(gateway.program.pid)
    assert len(family) >= 3
    gateway.family = []
    assert gateway.stop(signal.SIGKILL) == -signal.SIGKILL
    eventually(lambda: not any(alive(pid) for pid in family), "all processes to end")
    assert not accepts(*gateway.address)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_orderly_end(gateways, number):
    gateway = gateways.start({"workers": 2})
    family = descendants(gateway.program.pid)
    assert gateway.stop(number) == 0
    assert not any(alive(pid) for pid in family)
    assert not os.path.exists(gateway.socket_path)


def test_address_in_use(gateways, gateway):
    """A second gateway at the same address says so and ends with 1."""
    second = gateways.make({"listen": [f"127.0.0.1:{gateway.port}"]})
    second.launch()
    assert second.program.wait() == 1
    assert str(gateway.port) in second.program.log()
    second.stop()


def test_readyz_fails_while_draining(gateways, scene_of):
    """A load balancer learns of the shutdown while there is still time."""
    gateway = gateways.start()
    scene = scene_of(gateway)
    client, connection, _ = scene.arrive()
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
    response = client.read_head()
    gateway.family = []
    gateway.program.send_signal(signal.SIGTERM)
    eventually(lambda: gateway.health("/readyz")[0] in (503, 0), "/readyz to fail")
    connection.send(b"ok")
    assert client.read_body(response).body == b"ok"
    assert gateway.program.wait() == 0
