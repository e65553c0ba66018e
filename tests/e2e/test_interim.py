"""Expect: 100-continue, informational answers, and answers that come early (http.md, "Behaviour")."""

import time

import pytest

from harness.process import PATIENCE
from harness.scene import request_bytes


def test_expect_allowed(scene):
    """Expect goes to the backend, its 100 comes back, and only then the body."""
    client = scene.client
    client.send(scene.request("POST", fields=["Expect: 100-continue", "Content-Length: 5"]))
    connection = scene.backend.accept()
    assert connection.read_head().field("expect") == "100-continue"
    assert client.silent()
    connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert client.read_interim("POST").status == 100
    client.send(b"hello")
    assert connection.read(5) == b"hello"
    connection.answer()
    assert client.read_response("POST").status == 200


def test_expect_chunked(scene):
    client = scene.client
    client.send(scene.request("POST", fields=["Expect: 100-Continue", "Transfer-Encoding: chunked"]))
    connection = scene.backend.accept()
    connection.read_head()
    connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert client.read_interim("POST").status == 100
    client.send(b"5\r\nhello\r\n0\r\n\r\n")
    assert connection.read_chunk() == b"hello"
    assert connection.read_chunk() == b""
    connection.answer()
    assert client.read_response("POST").status == 200


@pytest.mark.parametrize("token, status", [(None, 401), ("jgt_garbage", 401)])
def test_expect_refused(scene, token, status):
    """A refused upload never starts: no 100, and the backend hears nothing."""
    client = scene.client
    client.send(request_bytes(scene.host, token, "POST", fields=["Expect: 100-continue", "Content-Length: 5"]))
    response = client.read_response("POST")
    assert response.status == status
    assert response.interim == []
    scene.untouched()


def test_expect_refused_by_the_backend(scene):
    """The final answer instead of 100 is relayed, and no byte of the body was asked for."""
    client = scene.client
    client.send(scene.request("POST", fields=["Expect: 100-continue", "Content-Length: 5"]))
    connection = scene.backend.accept()
    connection.read_head()
    connection.answer(b"too big", "413 Content Too Large", ["Connection: close"])
    response = client.read_response("POST")
    assert (response.status, response.body, response.interim) == (413, b"too big", [])


def test_body_that_does_not_wait_for_100(scene):
    """RFC 9110 section 10.1.1: a client may send it all the same."""
    client = scene.client
    client.send(scene.request("POST", fields=["Expect: 100-continue"], body=b"hello"))
    connection = scene.backend.accept()
    assert connection.read_request().body == b"hello"
    connection.answer()
    assert client.read_response("POST").status == 200


def test_expectation_unknown(scene):
    scene.refused(417, scene.request("POST", fields=["Expect: the-unexpected"], body=b"x"), "POST")


def test_expect_of_http_1_0_is_ignored(scene):
    received = scene.relay("POST", fields=["Expect: 100-continue"], body=b"hello", version="1.0")
    assert received.body == b"hello"
    assert received.field("expect") is None


def test_early_hints(scene):
    client, connection, _ = scene.arrive()
    connection.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n")
    hints = client.read_interim()
    assert (hints.status, hints.field("link")) == (103, "</a.css>; rel=preload")
    connection.send(b"HTTP/1.1 103 Early Hints\r\nLink: </b.css>; rel=preload\r\n\r\n"
                    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    response = client.read_response()
    assert (response.status, response.body) == (200, b"ok")
    assert [(interim.status, interim.field("link")) for interim in response.interim] == \
        [(103, "</b.css>; rel=preload")]


def test_http_1_0_gets_no_interim_answer(scene):
    """RFC 9110 section 15.2."""
    client, connection, _ = scene.arrive(version="1.0")
    connection.send(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n")
    connection.answer()
    assert client.read_until(b"\r\n").split(b" ")[1] == b"200"


def test_switching_that_nobody_asked_for(scene):
    client, connection, _ = scene.arrive()
    connection.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
    assert client.read_response().status == 502
    connection.ended()


def test_early_answer_is_relayed(scene):
    """Before the body has ended, and while it has not."""
    client = scene.client
    client.send(scene.request("POST", fields=["Content-Length: 10"]) + b"12345")
    connection = scene.backend.accept()
    connection.read_head()
    assert connection.read(5) == b"12345"
    connection.answer(b"enough", "413 Content Too Large", ["Connection: close"])
    response = client.read_response("POST")
    assert (response.status, response.body) == (413, b"enough")


def test_next_request_after_an_early_answer(scene):
    """The rest of the body is drained (the connection then serves the next request), or the connection closed."""
    client = scene.client
    client.send(scene.request("POST", fields=["Content-Length: 10"]) + b"12345")
    connection = scene.backend.accept()
    connection.read_head()
    connection.answer(b"early")
    response = client.read_response("POST")
    assert response.body == b"early"
    if response.field("connection") == "close":
        return
    client.send(b"67890" + scene.request(path="/next"))
    connection = scene.backend.next()
    # Whatever the gateway did with the rest of the body, it is not in front of the next request.
    data = connection.read_until(b"\r\n\r\n")
    assert data.removeprefix(b"12345").removeprefix(b"67890").startswith(b"GET /next HTTP/1.1\r\n")
    connection.answer(b"next")
    assert client.read_response().body == b"next"


def test_early_answer_to_an_endless_body(scene):
    """What is drained has a bound, in bytes or in time: the connection is closed rather than fed for ever."""
    client = scene.client
    client.send(scene.request("POST", fields=[f"Content-Length: {1 << 40}"]))
    connection = scene.backend.accept()
    connection.read_head()
    connection.answer(b"enough", "413 Content Too Large", ["Connection: close"])
    connection.close()
    response = client.read_response("POST")
    assert response.body == b"enough"
    block = bytes(1 << 20)
    deadline = time.monotonic() + PATIENCE
    with pytest.raises(OSError):
        while time.monotonic() < deadline:
            client.send(block)


def test_backend_that_closes_after_an_early_answer(scene):
    """The answer outlives the write error that the rest of the body runs into."""
    client = scene.client
    client.send(scene.request("POST", fields=[f"Content-Length: {64 << 20}"]))
    connection = scene.backend.accept()
    connection.read_head()
    connection.answer(b"no", "403 Forbidden", ["Connection: close"])
    connection.half_close()
    response = client.read_response("POST")
    assert (response.status, response.body) == (403, b"no")
