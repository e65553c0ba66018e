"""A client or a backend that ends its side of the connection, in every state of an exchange (RFC 9112 section 9.6)."""

import time

import pytest

from harness.process import eventually
from harness.raw import Backend, Cut, Silent
from harness.scene import request_bytes
from harness.store import Records, RedisServer
from test_upgrade import open_tunnel


def ended_as(scene, outcome):
    scene.gateway.access_entry(job=scene.job, outcome=outcome)


def test_client_half_closes_before_a_request(scene):
    for sent in [b"", scene.request()[:1], scene.request()[:-2]]:
        with scene.gateway.client() as client:
            client.send(sent)
            client.half_close()
            client.ended()
    scene.untouched()


def test_client_half_closes_while_the_store_is_asked(gateways, make_folder):
    """It is answered, once the store has been."""
    server = RedisServer(make_folder("redis")).start()
    try:
        gateway = gateways.start({"store": {"lookup_timeout": "60s", "max_staleness": "60s", "ping_deadline": "30s"}},
                                 store_url=server.url)
        records = Records(server.client)
        with Backend() as backend:
            token, job = records.token(), records.job(backend.url)
            server.freeze()
            with gateway.client() as client:
                client.send(request_bytes(f"{job}.jobs.test", token))
                eventually(lambda: gateway.metrics()["jobgate_requests_total"] == 1, "the request to have come")
                client.half_close()
                server.thaw()
                backend.serve()
                assert client.read_response().status == 200
                client.ended()
    finally:
        server.stop()


def test_client_half_closes_while_connecting(module_gateways, scene_of):
    gateway = module_gateways.start({"timeouts": {"connect": "1s"}})
    with Silent() as silent:
        scene = scene_of(gateway, url=silent.url)
        scene.client.send(scene.request())
        eventually(lambda: gateway.metrics()["jobgate_backend_connections"] == 1, "the connecting to begin")
        scene.client.half_close()
        assert scene.client.read_response().status == 504
        scene.client.ended()
        ended_as(scene, "connect_timeout")


def test_client_half_closes_in_its_content(scene):
    client = scene.client
    client.send(scene.request("POST", fields=["Content-Length: 10"]) + b"12345")
    connection = scene.backend.accept()
    connection.read_head()
    client.half_close()
    client.ended()
    assert connection.read_to_end() == b"12345"
    ended_as(scene, "client_closed")


def test_client_half_closes_before_the_answer(scene):
    client, connection, _ = scene.arrive()
    client.half_close()
    connection.answer(b"hello")
    assert client.read_response().body == b"hello"
    client.ended()
    ended_as(scene, "answered")


def test_client_half_closes_in_the_answer(scene):
    client, connection, _ = scene.arrive()
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345")
    response = client.read_head()
    client.half_close()
    connection.send(b"67890")
    assert client.read_body(response).body == b"1234567890"
    client.ended()
    ended_as(scene, "answered")


@pytest.mark.parametrize("message", [
    lambda scene: request_bytes(scene.host, method="POST", fields=["Content-Length: 1000"]) + b"x",
    lambda scene: b"BAD\r\n\r\n",
], ids=["refused content", "lingering"])
def test_client_half_closes_after_a_refusal(scene, message):
    client = scene.client
    client.send(message(scene))
    assert client.read_response().status in (400, 401)
    client.half_close()
    client.ended()
    scene.untouched()


def test_backend_half_closes_in_the_pool(scene):
    scene.relay()
    connection = scene.backend.connections[0]
    connection.half_close()
    connection.ended()
    client, second, _ = scene.arrive("POST", body=b"x")
    assert second is not connection
    second.answer()
    assert client.read_response("POST").status == 200


def test_backend_half_closes_in_a_requests_content(scene):
    client = scene.client
    client.send(scene.request("POST", fields=["Content-Length: 10"]) + b"12345")
    connection = scene.backend.accept()
    connection.read_head()
    connection.half_close()
    assert client.read_response("POST").status == 502
    assert connection.read_to_end() == b"12345"
    ended_as(scene, "backend_closed")


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345",
                                  b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n"],
                         ids=["length", "chunked"])
def test_backend_half_closes_in_its_answer(scene, head):
    client, connection, _ = scene.arrive()
    connection.send(head)
    response = client.read_head()
    connection.half_close()
    with pytest.raises(Cut):
        client.read_body(response)
    connection.ended()
    ended_as(scene, "backend_closed")


def test_backend_half_closes_to_end_its_answer(scene):
    client, connection, _ = scene.arrive()
    connection.send(b"HTTP/1.1 200 OK\r\n\r\nhello")
    connection.half_close()
    assert client.read_response().body == b"hello"
    connection.ended()
    ended_as(scene, "answered")


def test_backend_half_closes_after_its_answer(scene):
    client, connection, _ = scene.arrive()
    connection.answer(b"hello")
    connection.half_close()
    assert client.read_response().body == b"hello"
    connection.ended()
    client.send(scene.request("POST", body=b"x"))
    scene.backend.serve()
    assert client.read_response("POST").status == 200


def rests(gateway):
    """Wait for a fifth of a second in which the worker's loop turns as seldom as in one that has nothing to do (20 times a second)."""
    def turned():
        def turns():
            return gateway.metrics()["jobgate_turn_duration_seconds_count"]
        before, began = turns(), time.monotonic()
        time.sleep(0.2)
        return (turns() - before) / (time.monotonic() - began) < 500
    eventually(turned, "the worker to wait for something to happen")


@pytest.mark.parametrize("side", ["client", "backend"])
def test_a_half_closed_tunnel_costs_no_time(scene, side):
    """The kernel reports each shutdown of our own side as an event: a shutdown at each event would never stop."""
    client, connection = open_tunnel(scene)
    ending, other = (client, connection) if side == "client" else (connection, client)
    ending.half_close()
    assert other.read_to_end() == b""
    rests(scene.gateway)
    other.half_close()
    assert ending.read_to_end() == b""
    scene.gateway.access_entry(job=scene.job, outcome="tunnel_closed")
    eventually(lambda: scene.gateway.metrics()["jobgate_connections"] == 0, "the client's connection to be closed")
