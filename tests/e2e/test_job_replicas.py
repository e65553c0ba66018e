"""A job with several URLs: each request goes to one of its replicas, and to another one when the connection fails."""

import json

import pytest

from harness.control import Control
from harness.process import eventually, free_port
from harness.raw import Backend
from harness.scene import Scene


@pytest.fixture
def backends():
    made = [Backend(), Backend()]
    yield made
    for backend in made:
        backend.close()


def urls(*backends):
    return " ".join(getattr(backend, "url", backend) for backend in backends)


@pytest.fixture
def scene_with(gateway, records, backends):
    """A scene of a job with these URLs; its backend is the first one."""
    made = []

    def start(*list_of_urls):
        made.append(Scene(gateway, records, backend=backends[0], url=urls(*list_of_urls)))
        return made[-1]
    yield start
    for scene in made:
        for client in scene.clients:
            client.close()


def refused_url():
    return f"http://127.0.0.1:{free_port()}"


def take(backends):
    """The connection of the request that was sent, at whichever backend it is."""
    return eventually(lambda: next(((backend, backend.next()) for backend in backends if not backend.untouched()), None),
                      "the request at one of the backends")


def ask(scene, backends, method="GET", **kwargs):
    """A whole exchange; which backend had it, and what came."""
    client = scene.new_client()
    client.send(scene.request(method, **kwargs))
    backend, connection = take(backends)
    received = connection.read_request()
    connection.answer()
    assert client.read_response(method).status == 200
    client.close()
    connection.close()
    return backend, received


def test_requests_go_to_the_replica_with_fewer_exchanges(scene_with, backends):
    scene = scene_with(*backends)
    busy = scene.new_client()
    busy.send(scene.request())
    first, held = take(backends)
    held.read_request()
    other = backends[1 - backends.index(first)]
    for _ in range(5):
        assert ask(scene, backends)[0] is other
    held.answer()
    assert busy.read_response().status == 200


def test_both_replicas_get_requests(scene_with, backends):
    scene = scene_with(*backends)
    seen = {backends.index(ask(scene, backends)[0]) for _ in range(30)}
    assert seen == {0, 1}


@pytest.mark.parametrize("method, body", [("GET", None), ("POST", b"content")])
def test_another_replica_after_a_failed_connection(scene_with, backends, method, body):
    """Nothing was sent, so the method does not matter. The base is that of the URL that the request goes to."""
    for _ in range(6):
        scene = scene_with(refused_url() + "/dead", backends[0].url + "/base", refused_url())
        backend, received = ask(scene, backends, method, path="/x?y=z", body=body)
        assert backend is backends[0]
        assert (received.target, received.field("host"), received.body) == ("/base/x?y=z", scene.host, body or b"")
        scene.gateway.access_entry(job=scene.job, status=200, outcome="answered")


def test_the_host_is_that_of_the_url(gateways, records, backends):
    gateway = gateways.start({"backends": {"host": "backend"}})
    for _ in range(4):
        scene = Scene(gateway, records, backend=backends[0], url=urls(refused_url(), backends[0]))
        assert ask(scene, backends)[1].field("host") == backends[0].authority


def test_a_dead_replica_costs_no_waits(scene_with, backends):
    """A refused connection waits for a job that restarts only if there is no other replica."""
    scene = scene_with(refused_url(), backends[0])
    for _ in range(20):
        assert ask(scene, backends)[0] is backends[0]


def test_a_request_that_broke_goes_to_another_replica(scene_with, backends):
    scene = scene_with(*backends)
    client = scene.new_client()
    client.send(scene.request())
    first, connection = take(backends)
    connection.read_request()
    connection.close()
    second, connection = take([backends[1 - backends.index(first)]])
    connection.read_request()
    connection.answer(b"second")
    assert client.read_response().body == b"second"


def test_a_request_that_cannot_be_repeated_is_not(scene_with, backends):
    scene = scene_with(*backends)
    client = scene.new_client()
    client.send(scene.request("POST", body=b"once"))
    first, connection = take(backends)
    connection.read_request()
    connection.close()
    assert client.read_response("POST").status == 502
    assert backends[1 - backends.index(first)].untouched()


def test_no_replica_takes_connections(gateways, records, backends):
    gateway = gateways.start({"timeouts": {"connect": "300ms"}})
    scene = Scene(gateway, records, backend=backends[0], url=urls(refused_url(), refused_url(), refused_url()))
    scene.client.send(scene.request())
    assert scene.client.read_response().status == 502
    gateway.access_entry(job=scene.job, outcome="connect_failed")
    scene.client.close()


def test_a_restart_of_the_last_replica_is_waited_for(scene_with, backends):
    """The others are tried; the last one may be restarting."""
    ports = [free_port(), free_port()]
    scene = scene_with(*(f"http://127.0.0.1:{port}" for port in ports))
    client = scene.new_client()
    client.send(scene.request())
    eventually(lambda: scene.gateway.metrics()["jobgate_backend_retries_total"] >= 1, "the second one to be tried")
    started = [Backend(port=port) for port in ports]
    _, connection = take(started)
    connection.read_request()
    connection.answer()
    assert client.read_response().body == b"ok"
    for backend in started:
        backend.close()


def test_running_requests_when_the_urls_change(scene_with, records, backends):
    """One that was sent goes on. New ones go to the new URLs only. A revocation ends both."""
    scene = scene_with(*backends)
    client = scene.new_client()
    client.send(scene.request())
    first, connection = take(backends)
    connection.read_request()
    other = backends[1 - backends.index(first)]
    Control(scene.gateway.socket_path).done("PATCH", f"/v1/jobs/{scene.job}", {"url": urls(other)})
    for _ in range(5):
        assert ask(scene, [other])[0] is other
    connection.answer(b"old")
    assert client.read_response().body == b"old"
    client.send(scene.request())
    connection = other.next()
    connection.read_request()
    Control(scene.gateway.socket_path).done("DELETE", f"/v1/tokens/{scene.token.id}", status=204)
    connection.ended()


def test_urls_of_the_api_and_the_command_line(gateway):
    control = Control(gateway.socket_path)
    for text in ["http://a  http://b", " http://a", "http://a ", "http://a ftp://b", "http://a,http://b", "http://a http://169.254.169.254",
                 " ".join(f"http://a:{port}" for port in range(1, 18)), "http://a http://b http://A:80/"]:
        control.refused(400, "POST", "/v1/jobs", {"url": text}, "url")
    made = control.done("POST", "/v1/jobs", {"url": "http://a:1/x https://b unix:/s"}, status=201)
    assert made["url"] == "http://a:1/x https://b unix:/s"
    made = json.loads(gateway.cli("job", "create", "--url", "http://a:1", "--url", "http://b:2", "-o", "json").out)
    assert made["url"] == "http://a:1 http://b:2"
    gateway.cli("job", "set", made["id"], "--url", "http://c", "--url", "http://d", "--url", "http://e")
    assert control.done("GET", f"/v1/jobs/{made['id']}")["url"] == "http://c http://d http://e"
    assert gateway.cli("job", "create", *["--url", "http://" + "a" * 200] * 16).status != 0
