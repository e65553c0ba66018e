"""A job that restarts: requests wait for it, whatever their method, and one connection at a time is tried."""

import json
import select
import signal
import socket

import pytest

from harness import servers
from harness.load import Load
from harness.process import eventually, free_port
from harness.raw import Backend


@pytest.fixture(scope="module")
def patient(module_gateways):
    return module_gateways.start({"backends": {"circuit_failures": 5}, "timeouts": {"connect": "60s", "drain": "1s"}})


@pytest.fixture
def away(patient, scene_of):
    """A job that is away: nothing listens at its port, which `back` takes."""
    class Away:
        port = free_port()
        scene = scene_of(patient, url=f"http://127.0.0.1:{port}")

        def back(self):
            self.scene.backend.close()
            self.scene.backend = Backend(port=self.port)
            return self.scene.backend

    return Away()


def waiting(gateway, count):
    def check():
        metrics = gateway.metrics()
        return metrics["jobgate_backend_connections"] - metrics["jobgate_backend_idle_connections"] == count
    eventually(check, f"{count} requests to wait")


@pytest.mark.parametrize("method, body", [("GET", None), ("POST", b"x" * 100_000), ("PATCH", b"")])
def test_any_request_waits(patient, away, method, body):
    scene = away.scene
    scene.client.send(scene.request(method, body=body))
    waiting(patient, 1)
    backend = away.back()
    assert backend.serve().body == (body or b"")
    assert scene.client.read_response(method).status == 200
    scene.gateway.access_entry(job=scene.job, outcome="answered")
    assert patient.metrics()["jobgate_backend_circuits_open"] == 0


def test_all_that_wait_are_served(patient, away):
    scene, clients = away.scene, []
    for number in range(30):
        clients.append(scene.new_client())
        clients[-1].send(scene.request("POST", path=f"/{number}", body=b"x"))
    waiting(patient, 30)
    assert all(client.silent() for client in clients)
    backend = away.back()
    for _ in clients:
        connection = backend.next()
        connection.answer(connection.read_request().target.encode())
    assert [client.read_response("POST").body for client in clients] == [b"/%d" % number for number in range(30)]


def test_one_connection_at_a_time_looks_for_the_job(gateways, scene_of):
    """Seen at a job that closes each connection before its TLS handshake, which is as good as refused."""
    gateway = gateways.start({"timeouts": {"connect": "1500ms"}})
    with socket.create_server(("127.0.0.1", 0)) as listener:
        scene = scene_of(gateway, url=f"https://127.0.0.1:{listener.getsockname()[1]}")
        clients, dials = [scene.new_client() for _ in range(30)], 0
        clients[0].send(scene.request())
        listener.accept()[0].close()
        eventually(lambda: select.select([listener], [], [], 0)[0], "it to be tried again")
        for client in clients[1:]:
            client.send(scene.request())
        waiting(gateway, 30)
        while gateway.metrics()["jobgate_backend_connections"]:
            if select.select([listener], [], [], 0.05)[0]:
                listener.accept()[0].close()
                dials += 1
    assert [client.read_response().status for client in clients] == [502] * 30
    assert 1 <= dials <= 10  # after 50, 100, 200, 400 and then each 500 ms


def test_refusals_open_the_circuit_when_they_have_lasted(gateways, scene_of):
    """Requests that wait then get an answer, and later ones do not wait."""
    gateway = gateways.start({"backends": {"circuit_failures": 5, "circuit_pause": "1m"}, "timeouts": {"connect": "1s"}})
    scene = scene_of(gateway, url=f"http://127.0.0.1:{free_port()}")
    clients = [scene.new_client() for _ in range(10)]
    for client in clients:
        client.send(scene.request())
    assert [client.read_response().status for client in clients] == [502] * 10
    response = scene.client.exchange(scene.request())
    assert (response.status, json.loads(response.body)["title"]) == (503, "Job unavailable")
    assert gateway.metrics()["jobgate_backend_circuit_opens_total"] == 1


def test_client_that_leaves_does_not_wait(patient, away):
    scene = away.scene
    clients = [scene.new_client() for _ in range(3)]
    for client in clients:
        client.send(scene.request())
    waiting(patient, 3)
    clients[0].reset()
    waiting(patient, 2)
    backend = away.back()
    for _ in clients[1:]:
        backend.serve()
    assert [client.read_response().status for client in clients[1:]] == [200] * 2


def test_revocation_ends_the_wait(patient, away, records):
    scene, token = away.scene, records.token()
    other = scene.new_client()
    scene.client.send(scene.request("POST", body=b"x", token=token))
    waiting(patient, 1)
    other.send(scene.request())
    waiting(patient, 2)
    records.delete_token(token)
    assert scene.client.read_response("POST").status == 401
    away.back().serve()
    assert other.read_response().status == 200


def test_drain_ends_the_wait(gateways, scene_of):
    gateway = gateways.start({"timeouts": {"connect": "60s", "drain": "100ms"}})
    scene = scene_of(gateway, url=f"http://127.0.0.1:{free_port()}")
    scene.client.send(scene.request())
    waiting(gateway, 1)
    assert gateway.stop() == 0
    scene.client.ended()


@pytest.mark.alone
def test_restart_under_load(patient, scene_of, make_folder):
    """Killed with requests in its hands, and away until all of them wait: none fails."""
    server = servers.plain_server(make_folder("plain"))
    scene = scene_of(patient, url=server.url)
    with Load(patient.address, scene.request(), threads=8) as load:
        for _ in range(3):
            before = load.progress()
            eventually(lambda: load.progress() > before + 100, "requests to be answered")
            server.program.stop(signal.SIGKILL)
            waiting(patient, 8)
            server = servers.plain_server(make_folder("plain"), port=server.port)
    assert load.failures == []
    server.stop()
