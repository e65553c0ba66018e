"""Persistent connections, many connections, deep pipelines, slow readers (RFC 9112 section 9); the rules are in ../conformance."""

import pytest

from harness.scene import request_bytes


def test_keep_alive(scene):
    for number in range(50):
        client, connection, received = scene.arrive(path=f"/{number}")
        assert received.target == f"/{number}"
        connection.answer(b"%d" % number)
        assert client.read_response().body == b"%d" % number
    assert len(scene.backend.connections) == 1


def test_close_asked_for(scene):
    client, connection, received = scene.arrive(fields=["Connection: close"])
    connection.answer()
    response = client.read_response()
    assert response.field("connection") == "close"
    client.ended()
    # The client's wish is the client's alone: the backend's connection lives on.
    assert received.field("connection") in (None, "keep-alive")
    other = scene.new_client()
    other.send(scene.request())
    connection.read_request()
    connection.answer()
    assert other.read_response().status == 200


def test_backend_that_closes_does_not_close_the_client(scene):
    client, connection, _ = scene.arrive()
    connection.answer(fields=["Connection: close"])
    connection.close()
    assert client.read_response().field("connection") in (None, "keep-alive")
    client.send(scene.request())
    scene.backend.serve()
    assert client.read_response().status == 200


def test_pipelining_to_several_jobs_stays_in_order(gateway, scene_of):
    """The slow first one is not overtaken by the quick second one."""
    slow, quick = scene_of(gateway), scene_of(gateway)
    client = slow.client
    client.send(slow.request(path="/slow") + quick.request(path="/quick"))
    connection = slow.backend.accept()
    connection.read_request()
    connection.answer(b"slow")
    assert client.read_response().body == b"slow"
    connection = quick.backend.accept()
    connection.read_request()
    connection.answer(b"quick")
    assert client.read_response().body == b"quick"


def test_deep_pipeline_is_bounded(scene):
    """A client that only sends is held back while its first request is still out."""
    client = scene.client
    client.sock.settimeout(0.5)
    request = scene.request(path="/" + "x" * 8000)
    sent = 0
    with pytest.raises(OSError):
        while sent < 256 << 20:
            sent += client.sock.send(request)
    assert sent < 64 << 20
    client.reset()


def test_http_1_0_without_host(scene):
    """In 1.0 no Host is no fault; the path form still names a job."""
    client = scene.client
    client.send(request_bytes(None, scene.token, path=f"/jobs/{scene.job}/old", version="1.0"))
    connection = scene.backend.accept()
    received = connection.read_request()
    assert received.target == "/old"
    assert received.all("host") != []
    connection.answer()
    assert client.read_response().status == 200


def test_slow_reader_gets_all(scene):
    """A client that pauses in the middle loses nothing."""
    body = bytes(i % 253 for i in range(1 << 20)) * 8
    client, connection, _ = scene.arrive()
    connection.sock.setblocking(False)
    data = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    sent, got, response = 0, b"", None
    while len(got) < len(body):
        try:
            sent += connection.sock.send(data[sent:sent + (1 << 18)]) if sent < len(data) else 0
        except BlockingIOError:
            pass
        if response is None:
            response = client.read_head()
        got += client.read_piece() or b""
    assert got == body


def test_many_connections_at_once(scene):
    count = 200
    clients = [scene.new_client() for _ in range(count)]
    for number, client in enumerate(clients):
        client.send(scene.request(path=f"/{number}"))
    for _ in range(count):
        connection = scene.backend.next()
        connection.answer(connection.read_request().target.encode())
    for number, client in enumerate(clients):
        assert client.read_response().body == b"/%d" % number


def test_connection_without_a_request(scene):
    """Opened and closed: no answer, no harm."""
    with scene.gateway.client() as client:
        client.half_close()
        client.ended()
