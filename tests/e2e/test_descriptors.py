"""A worker with few descriptors: idle connections give way, and requests wait rather than fail."""

import os
import resource
import stat
import time

import pytest

from harness import servers
from harness.gateway import binary
from harness.load import Load
from harness.process import eventually, free_port
from harness.raw import Backend

DESCRIPTORS = 64


@pytest.fixture
def scarcely(gateways, make_folder):
    """Starts a gateway under `ulimit -n 64`; even as root it cannot raise that."""
    wrapper = make_folder("scarce") / "jobgate"
    drop = "setpriv --bounding-set=-sys_resource " if os.getuid() == 0 else ""
    wrapper.write_text(f'#!/bin/sh\nulimit -n {DESCRIPTORS}\nexec {drop}{binary()} "$@"\n')
    wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)

    def start(more_ports=(), **settings):
        gateway = gateways.make({"timeouts": {"connect": "30s", "drain": "1s"}, **settings}, program=str(wrapper))
        gateway.config["listen"] += [f"127.0.0.1:{port}" for port in more_ports]
        gateway.start()
        assert resource.prlimit(gateway.workers()[0], resource.RLIMIT_NOFILE) == (DESCRIPTORS, DESCRIPTORS)
        return gateway
    return start


@pytest.fixture
def scarce(scarcely):
    return scarcely()


def processor_seconds(pid):
    fields = open(f"/proc/{pid}/stat", encoding="ascii").read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_idle_clients_give_way(scarce, scene_of):
    """Four times as many keep a connection each: all requests are served, some only when repeated."""
    scene = scene_of(scarce)
    for number in range(3 * DESCRIPTORS):
        client = scene.new_client()
        client.send(scene.request(path=f"/{number}"))
        connection = scene.backend.next()
        assert connection.read_request().target == f"/{number}"
        connection.answer()
        assert client.read_response().status == 200
    assert scarce.metrics()["jobgate_connections_evicted_total"] > DESCRIPTORS


def test_idle_backend_connections_give_way(scarce, scene_of):
    backends = [Backend() for _ in range(2 * DESCRIPTORS)]
    first = scene_of(scarce, backend=backends[0])
    for backend in backends:
        scene = scene_of(scarce, token=first.token, backend=backend)
        first.client.send(scene.request())
        backend.serve()
        assert first.client.read_response().status == 200


def all_at_once(scene, check=lambda: None):
    """Twice as many requests at the same time as there are descriptors, all of them new connections: none fails."""
    clients = [scene.new_client() for _ in range(2 * DESCRIPTORS)]
    for client in clients:
        client.send(scene.request(fields=["Connection: close"]))
    check()
    for _ in clients:
        scene.backend.serve()
    assert [client.read_response().status for client in clients] == [200] * len(clients)


def test_all_at_once(scarce, scene_of):
    all_at_once(scene_of(scarce))


def test_sockets_of_other_workers_take_descriptors(scarcely, scene_of):
    """Each worker holds the listening sockets of all workers, 36 here: there are descriptors for clients, backends and operators still."""
    gateway = scarcely([free_port() for _ in range(10)], workers=3)

    def operators_are_served():
        eventually(lambda: gateway.metrics()["jobgate_backend_connections"] >= 3, "requests to reach the backend")
        for _ in range(20):
            assert gateway.health("/readyz")[0] == 200
        assert "Too many open files" not in gateway.program.log()
    all_at_once(scene_of(gateway), operators_are_served)


@pytest.mark.alone
def test_load(scarce, scene_of, make_folder):
    server = servers.plain_server(make_folder("plain"))
    scene = scene_of(scarce, url=server.url)
    with Load(scarce.address, scene.request(), threads=16) as load:
        eventually(lambda: load.progress() > 1000, "requests to be answered", patience=60)
    assert load.failures == []
    server.stop()


@pytest.mark.alone
def test_no_busy_loop(scarce, scene_of):
    """With all descriptors taken, and others who wait for them, the worker sleeps."""
    scene = scene_of(scarce)
    clients = [scene.new_client() for _ in range(2 * DESCRIPTORS)]
    for client in clients:
        client.send(scene.request())
    eventually(lambda: scarce.metrics()["jobgate_backend_connections"] >= 10, "requests to reach the backend")
    worker = scarce.workers()[0]
    before, start = processor_seconds(worker), time.monotonic()
    eventually(lambda: time.monotonic() - start > 2, "two seconds")
    assert processor_seconds(worker) - before < 1


def test_worker_has_room_from_the_beginning(gateway):
    """To make room later, the kernel would keep the worker waiting in the middle of a turn, because it has threads by then."""
    for line in open(f"/proc/{gateway.workers()[0]}/status", encoding="ascii"):
        if line.startswith("FDSize:"):
            assert int(line.split()[1]) >= min(2 * 8192, resource.prlimit(gateway.workers()[0], resource.RLIMIT_NOFILE)[0])
            return
    raise AssertionError("no FDSize")
