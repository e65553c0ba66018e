"""What a backend sent before it died reaches its client, even one that reads late. So does an error of the gateway
itself while the client uploads. A client that has ended its side still gets its answer (RFC 9112 section 9.6)."""

import fcntl
import struct
import termios

import pytest

from harness.process import eventually
from harness.raw import Closed, Cut

WORDS = bytes(i % 251 for i in range(1_000_000))
FRAMINGS = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n%b",
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1E8480\r\n%b",
}


def delivered(connection):
    """All that was sent is in the gateway's kernel at least."""
    def check():
        return struct.unpack("i", fcntl.ioctl(connection.sock, termios.TIOCOUTQ, b"\0" * 4))[0] == 0
    eventually(check, "the gateway to receive what the backend sent")


def die(connection, how):
    if how == "reset":
        delivered(connection)
        connection.reset()
    else:
        connection.close()


def read_cut(client, method="GET"):
    """The content of an answer that is cut; that it is cut by an end, not by a reset, where that can be told."""
    with pytest.raises(Cut) as cut:
        client.read_response(method)
    return cut.value


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("framing", FRAMINGS)
def test_last_words(scene, framing, how):
    for number in range(20):
        words = b"Traceback: %d" % number
        client = scene.new_client()
        client.send(scene.request())
        connection = scene.backend.next()
        connection.read_request()
        connection.send(FRAMINGS[framing] % words)
        die(connection, how)
        cut = read_cut(client)
        assert (cut.response.status, cut.response.body) == (200, words)
        assert cut.reset == (scene.gateway.context is not None)  # no close_notify: over TLS that is how a cut shows
        client.close()


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("framing", FRAMINGS)
def test_last_words_read_late(scene, framing, how):
    client, connection, _ = scene.arrive()
    connection.send(FRAMINGS[framing] % WORDS)
    die(connection, how)
    scene.gateway.access_entry(job=scene.job, outcome="backend_closed")
    eventually(lambda: scene.gateway.metrics()["jobgate_backend_connections"] == 0, "the backend to be forgotten")
    cut = read_cut(client)
    assert len(cut.response.body) == len(WORDS) and cut.response.body == WORDS
    assert cut.reset == (scene.gateway.context is not None)


@pytest.mark.parametrize("size", [50_000, len(WORDS)])
def test_last_words_of_an_answer_that_the_close_ends(scene, size):
    """Only a reset tells an HTTP/1.0 client that it is cut; it comes when the client's end has all that came before."""
    client, connection, _ = scene.arrive(version="1.0")
    connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1E8480\r\n" + WORDS[:size])
    connection.close()
    scene.gateway.access_entry(job=scene.job, outcome="backend_closed")
    if size < len(WORDS):
        eventually(lambda: scene.gateway.metrics()["jobgate_connections"] == 0, "the client's connection to be reset")
    with pytest.raises(Closed) as closed:
        client.read_to_end()
    assert closed.value.reset
    assert closed.value.data.partition(b"\r\n\r\n")[2] == WORDS[:size]


def test_last_words_behind_a_bad_chunk(scene):
    client, connection, _ = scene.arrive()
    connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nno size\r\n")
    cut = read_cut(client)
    assert (cut.response.status, cut.response.body) == (200, b"hello")
    scene.gateway.access_entry(job=scene.job, outcome="bad_answer")


def test_failure_right_behind_the_head(scene):
    """Nothing has been sent yet: the client gets an answer of the gateway's own, and may go on."""
    for _ in range(5):
        client, connection, _ = scene.arrive("POST", body=b"x")
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Gone: 1\r\n\r\nno size\r\n")
        response = client.read_response("POST")
        assert (response.status, response.field("x-gone")) == (502, None)
        assert response.field("content-type") == "application/problem+json"
        connection.ended()
    scene.relay()
    scene.gateway.access_entry(job=scene.job, status=200)
    entries = [entry["outcome"] for entry in scene.gateway.access_entries() if entry.get("job") == scene.job]
    assert entries == ["bad_answer"] * 5 + ["answered"]


def test_failure_right_behind_the_head_leaves_earlier_answers(scene):
    client = scene.client
    client.send(scene.request(path="/first") + scene.request(path="/second"))
    connection = scene.backend.next()
    connection.read_request()
    connection.answer(b"one")
    assert client.read_response().body == b"one"
    connection = scene.backend.next()
    connection.read_request()
    connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n")
    assert client.read_response().status == 502


# ---- an error while the client uploads ----

UPLOAD = 20_000_000


def test_backend_that_dies_in_an_upload(scene):
    """The client reads its answer once it has sent everything, as most do."""
    for _ in range(3):
        client = scene.new_client()
        client.send(scene.request("POST", fields=[f"Content-Length: {UPLOAD}"]))
        connection = scene.backend.accept()
        connection.read_head()
        client.send(bytes(100_000))
        connection.reset()
        client.send(bytes(UPLOAD - 100_000))
        assert client.read_response("POST").status == 502


def test_limit_that_an_upload_exceeds(module_gateways, scene_of):
    scene = scene_of(module_gateways.start({"limits": {"body_bytes": 1000}}))
    for fields, content in [([f"Content-Length: {UPLOAD}"], bytes(UPLOAD)),
                            (["Transfer-Encoding: chunked"], (b"10000\r\n" + bytes(65536) + b"\r\n") * 300 + b"0\r\n\r\n")]:
        client = scene.new_client()
        client.send(scene.request("POST", fields=fields), content)
        assert client.read_response("POST").status == 413
        client.close()


def test_stranger_that_uploads(scene):
    """One that was let in to nothing has a megabyte to send, and no more."""
    client = scene.client
    client.send(scene.request("POST", token="none", fields=["Content-Length: 100000000"]))
    assert client.read_response("POST").status == 401
    with pytest.raises(OSError):
        for _ in range(100):
            client.send(bytes(1_000_000))


# ---- a client that has ended its side ----

def test_half_closed_client_is_answered(scene):
    for method, body in [("GET", None), ("POST", b"x" * 1000)]:
        client = scene.new_client()
        client.send(scene.request(method, body=body))
        client.half_close()
        connection = scene.backend.next()
        assert connection.read_request().body == (body or b"")
        connection.answer(b"y" * 200_000)
        assert client.read_response(method).body == b"y" * 200_000
        client.ended()


def test_half_closed_client_gets_all_answers(scene):
    """What it sent before its end counts, each request of it."""
    client = scene.client
    client.send(scene.request(path="/1") + scene.request("PUT", path="/2", body=b"x") + scene.request(path="/3"))
    client.half_close()
    for number in range(1, 4):
        connection = scene.backend.next()
        assert connection.read_request().target == f"/{number}"
        connection.answer(b"%d" % number)
        assert client.read_response().body == b"%d" % number
    client.ended()


def test_half_closed_client_is_refused(scene):
    client = scene.client
    client.send(scene.request(token="none"))
    client.half_close()
    assert client.read_response().status == 401
    client.ended()


def test_half_closed_client_that_reads_late(scene):
    client, connection, _ = scene.arrive()
    client.half_close()
    connection.answer(WORDS * 2)
    delivered(connection)
    scene.gateway.access_entry(job=scene.job, outcome="answered")
    assert client.read_response().body == WORDS * 2
    client.ended()


def test_half_closed_client_that_goes(scene):
    """Its reset ends the work, also while nothing is sent to it."""
    client, connection, _ = scene.arrive()
    client.half_close()
    client.reset()
    connection.ended()
    scene.gateway.access_entry(job=scene.job, outcome="client_closed")
