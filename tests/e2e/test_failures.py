"""Backends that fail on purpose: they refuse, never connect, restart under load."""

import json
import os
import resource
import signal

import pytest

from harness import servers
from harness.load import Load
from harness.process import eventually, free_port
from harness.raw import Backend, Silent

FAILURES = 3


def metric(gateway, name):
    return gateway.metrics()[f"jobgate_backend_{name}"]


# ---- the circuit ----

@pytest.fixture
def quick(gateways):
    """Three failures open a circuit, or refusals for 300 ms; it is probed soon."""
    return gateways.start({"backends": {"circuit_failures": FAILURES, "circuit_pause": "300ms"},
                           "timeouts": {"connect": "300ms"}})


def open_circuit(scene, status=502, outcome="connect_failed", failures=1):
    """Failures until requests are refused without a try; returns that refusal."""
    for _ in range(failures):
        assert scene.client.exchange(scene.request()).status == status
    response = scene.client.exchange(scene.request())
    assert response.status == 503
    scene.gateway.access_entry(job=scene.job, outcome="circuit_open", status=503)
    failed = [entry for entry in scene.gateway.access_entries()
              if entry.get("job") == scene.job and entry["outcome"] == outcome and entry["status"] == status]
    assert len(failed) == failures
    return response


def test_circuit_opens_for_a_backend_that_refuses(quick, scene_of):
    scene, other = scene_of(quick, url=f"http://127.0.0.1:{free_port()}"), scene_of(quick)
    response = open_circuit(scene)
    assert response.field("content-type") == "application/problem+json"
    assert int(response.field("retry-after")) >= 1
    assert json.loads(response.body)["title"] == "Job unavailable"
    assert response.field("connection") is None  # the client may go on with other jobs
    assert metric(quick, "circuits_open") == 1
    assert metric(quick, "circuit_opens_total") >= 1
    assert quick.metrics()['jobgate_exchanges_total{outcome="circuit_open"}'] >= 1
    assert "takes no connections: left alone for 300 ms" in quick.program.log()
    other.relay()


def test_circuit_opens_for_a_backend_that_never_connects(quick, scene_of):
    with Silent() as silent:
        open_circuit(scene_of(quick, url=silent.url), 504, "connect_timeout", FAILURES)


def test_circuit_opens_for_a_socket_that_is_gone(quick, scene_of, make_folder):
    open_circuit(scene_of(quick, url=f"unix:{make_folder('none')}/none.sock"))


def test_circuit_closes_when_a_probe_succeeds(quick, scene_of):
    port = free_port()
    scene = scene_of(quick, url=f"http://127.0.0.1:{port}")
    open_circuit(scene)
    # Failed probes open it again, for longer.
    eventually(lambda: scene.client.exchange(scene.request()).status == 502, "a probe", pause=0.05)
    assert scene.client.exchange(scene.request()).status == 503
    assert "left alone for 600 ms" in scene.gateway.program.log()
    with Backend(port=port) as backend:
        def answered():
            scene.client.send(scene.request())
            eventually(lambda: not (backend.untouched() and scene.client.silent()), "an answer or a request")
            if not backend.untouched():
                backend.serve()
            return scene.client.read_response().status == 200
        eventually(answered, "the backend to be found again", pause=0.05)
        assert metric(quick, "circuits_open") == 0
        assert "takes connections again" in scene.gateway.program.log()
        for _ in range(3):
            scene.client.send(scene.request(fields=["Connection: close"]))
            backend.serve()
            assert scene.client.read_response().status == 200
            scene._client = None


def test_one_probe_at_a_time(gateways, scene_of):
    """Half open: while one connection is tried the others are refused at once; one that is given up
    leaves its turn to the next."""
    gateway = gateways.start({"backends": {"circuit_failures": 1, "circuit_pause": "50ms"},
                              "timeouts": {"connect": "4s"}})
    port = free_port()
    scene = scene_of(gateway, url=f"http://127.0.0.1:{port}")
    assert scene.client.exchange(scene.request()).status == 502
    with Silent(port=port):
        for _ in range(3):
            probe = scene.new_client()

            def probing():
                probe.send(scene.request())
                eventually(lambda: tried(gateway, probe), "the request to be refused or tried")
                return probe.silent() or probe.read_response().status != 503
            eventually(probing, "a request to become the probe", pause=0.05)
            assert [scene.client.exchange(scene.request()).status for _ in range(5)] == [503] * 5
            assert probe.silent()
            probe.reset()
        assert metric(gateway, "circuits_open") == 1


def tried(gateway, probe):
    """An answer has come, or a connection is being made."""
    return not probe.silent() or metric(gateway, "connections") == 1


def test_circuit_concerns_new_connections_only(quick, scene_of):
    """A connection that is there goes on serving."""
    scene = scene_of(quick)
    scene.relay()
    connection = scene.backend.connections[0]
    busy = scene.new_client()
    busy.send(scene.request(path="/busy"))
    assert connection.read_request().target == "/busy"
    scene.backend.listener.close()
    open_circuit(scene)
    connection.answer()
    assert busy.read_response().status == 200
    scene.client.send(scene.request(path="/again"))
    assert connection.read_request().target == "/again"
    connection.answer()
    assert scene.client.read_response().status == 200
    assert metric(quick, "circuits_open") == 1


@pytest.mark.parametrize("setting, statuses", [(0, [502] * 4), (None, [502] + [503] * 3)], ids=["off", "default"])
def test_circuit_can_be_turned_off(gateways, scene_of, setting, statuses):
    gateway = gateways.start({"backends": {"circuit_failures": setting}})
    scene = scene_of(gateway, url=f"http://127.0.0.1:{free_port()}")
    assert [scene.client.exchange(scene.request()).status for _ in statuses] == statuses


def test_a_name_that_does_not_resolve_opens_nothing(quick, scene_of, dns):
    scene = scene_of(quick, url="http://no-such-host.invalid:80")
    assert [scene.client.exchange(scene.request()).status for _ in range(2 * FAILURES)] == [502] * 2 * FAILURES
    assert metric(quick, "circuits_open") == 0


def test_short_of_descriptors(quick, scene_of):
    """That is no fault of the backend's: its circuit stays closed."""
    scene = scene_of(quick)
    scene.client.exchange(scene.request(token="none"))
    worker = quick.workers()[0]
    limit = resource.prlimit(worker, resource.RLIMIT_NOFILE)
    resource.prlimit(worker, resource.RLIMIT_NOFILE, (3, limit[1]))
    try:
        for _ in range(2 * FAILURES):
            response = scene.client.exchange(scene.request())
            assert (response.status, json.loads(response.body)["title"]) == (503, "Gateway busy")
            assert response.field("retry-after") == "1"
    finally:
        resource.prlimit(worker, resource.RLIMIT_NOFILE, limit)
    scene.relay()
    scene.gateway.access_entry(job=scene.job, outcome="answered")


# ---- restarts under load ----

def test_rolling_restart_of_a_job_with_two_addresses(gateways, scene_of, dns, make_folder):
    """One address after the other goes, without a word, and comes back: no request fails."""
    folder, port = make_folder("plain"), free_port("127.0.0.2")
    hosts = ["127.0.0.2", "127.0.0.3"]
    dns.set("two.test", A=hosts)
    running = {host: servers.plain_server(folder, host, port) for host in hosts}
    gateway = gateways.start({}, env=dns.environment)
    scene = scene_of(gateway, url=f"http://two.test:{port}")
    with Load(gateway.address, scene.request(), threads=8) as load:
        for host in hosts * 2:
            before = load.progress()
            eventually(lambda: load.progress() > before + 100, "requests with all addresses")
            running[host].program.stop(signal.SIGKILL)
            before = load.progress()
            eventually(lambda: load.progress() > before + 100, "requests with one address")
            running[host] = servers.plain_server(folder, host, port)
    assert load.failures == []
    for server in running.values():
        server.stop()


def test_restart_that_hands_its_address_over(gateway, scene_of, make_folder):
    """The new process listens before the old one is killed: connections that wait in the old one's
    queue, or carry a request, are lost with it; the requests are not."""
    old = servers.plain_server(make_folder("plain"))
    scene = scene_of(gateway, url=old.url)
    with Load(gateway.address, scene.request(), threads=8) as load:
        for _ in range(5):
            before = load.progress()
            eventually(lambda: load.progress() > before + 100, "requests to be answered")
            new = servers.plain_server(make_folder("plain"), port=old.port)
            old.program.stop(signal.SIGKILL)
            old = new
    assert load.failures == []
    old.stop()


def test_restart_with_a_long_absence(quick, scene_of, make_folder):
    """Requests fail at once while the backend is away for long, and succeed soon after it is back."""
    server = servers.plain_server(make_folder("plain"))
    scene = scene_of(quick, url=server.url)
    assert scene.client.exchange(scene.request()).status == 200
    server.program.stop(signal.SIGKILL)
    assert {scene.client.exchange(scene.request()).status for _ in range(30)} <= {502, 503}
    server = servers.plain_server(make_folder("plain"), port=server.port)
    eventually(lambda: scene.client.exchange(scene.request()).status == 200, "the backend to be found", pause=0.05)
    assert {scene.client.exchange(scene.request()).status for _ in range(30)} == {200}
    server.stop()


def test_next_address_after_one_that_breaks(gateways, scene_of, dns):
    """One address takes connections and drops them; the other one answers."""
    good = Backend("127.0.0.3")
    with Backend("127.0.0.2", good.port) as bad:
        dns.set("half.test", A=["127.0.0.2", "127.0.0.3"])
        gateway = gateways.start({}, env=dns.environment)
        scene = scene_of(gateway, backend=good, url=f"http://half.test:{good.port}")
        scene.client.send(scene.request())
        connection = bad.accept()
        connection.read_request()
        connection.reset()
        good.serve()
        assert scene.client.read_response().status == 200
        assert metric(gateway, "retries_total") == 1


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_connections_that_close_at_the_last_moment(scene, method):
    """Their end and the next request reach a gateway that is slow to look at the same time."""
    worker = scene.gateway.workers()[0]
    for _ in range(10):
        client, connection, _ = scene.arrive()
        connection.answer()
        client.read_response()
        os.kill(worker, signal.SIGSTOP)
        try:
            connection.close()
            client.send(scene.request(method, body=b"x" if method == "POST" else None))
        finally:
            os.kill(worker, signal.SIGCONT)
        scene.backend.serve()
        assert client.read_response(method).status == 200

