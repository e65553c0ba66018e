"""HTTP/2 towards clients: requests and answers in both directions, many at a time, and how they end (RFC 9113)."""

import signal
import socket
import subprocess

import pytest

from harness.gateway import DOMAIN
from harness.h2 import H2Client, frames
from harness.scene import Scene

NO_ERROR, PROTOCOL_ERROR, FLOW_CONTROL_ERROR, STREAM_CLOSED = 0, 1, 3, 5
REFUSED_STREAM, CANCEL = 7, 8


@pytest.fixture(scope="module")
def gateway(module_gateways):
    return module_gateways.start()


@pytest.fixture
def scene(gateway, records):
    scene = Scene(gateway, records)
    yield scene
    scene.close()


@pytest.fixture
def client(gateway):
    with H2Client(gateway.address) as client:
        yield client


def answer_next(scene, body=b"ok"):
    """Take the next request at the backend and answer it. Returns the connection: it has to stay open."""
    connection = scene.backend.next()
    connection.read_request()
    connection.answer(body)
    return connection


def test_request_and_answer(scene, client):
    stream = client.request(scene.host, scene.token, path="/a?b=c", fields=[("x-mine", "1"), ("cookie", "a=1"), ("cookie", "b=2")])
    connection = scene.backend.next()
    received = connection.read_request()
    assert (received.method, received.target) == ("GET", "/a?b=c")
    assert received.field("X-Mine") == "1"
    assert received.field("Cookie") == "a=1; b=2"
    assert received.field("Authorization") is None
    assert received.field("Via") == "2 jobgate"
    connection.answer(b"ok", fields=["X-Theirs: 2", "Connection: x-hop", "X-Hop: 3"])
    answer = client.answer(stream)
    assert (answer.status, answer.body, answer.reset) == (200, b"ok", None)
    assert answer.field("x-theirs") == "2"
    assert answer.field("content-length") == "2"
    assert answer.field("via") == "1.1 jobgate"  # the backend's protocol
    assert scene.gateway.access_entry(path="/a", job=scene.job)["protocol"] == "HTTP/2.0"
    assert answer.field("x-hop") is None and answer.field("connection") is None


def test_metrics_tell_the_protocol(scene, client):
    before = scene.gateway.metrics()["jobgate_http2_requests_total"]
    assert client.answer(client.request(scene.host, "wrong")).status == 401
    scene.relay()
    assert scene.gateway.metrics()["jobgate_http2_requests_total"] == before + 1


def test_refusal(scene, client):
    stream = client.request(scene.host, "wrong")
    answer = client.answer(stream)
    assert answer.status == 401
    assert answer.field("content-type") == "application/problem+json"
    assert answer.challenge().startswith("Bearer ")
    scene.untouched()


def test_many_streams_are_answered_in_any_order(scene, client):
    ids = [client.request(scene.host, scene.token, path=f"/{i}") for i in range(20)]
    connections = {}
    for _ in ids:
        connection = scene.backend.next()
        connections[connection.read_request().target] = connection
    for i in reversed(range(20)):
        connections[f"/{i}"].answer(f"answer {i}".encode())
        assert client.answer(ids[i]).body == f"answer {i}".encode()


@pytest.mark.parametrize("known", [True, False], ids=["length", "chunked"])
def test_content_both_ways(scene, client, known):
    size = 300_000
    content = bytes(i * 7 % 251 for i in range(size))
    fields = [("content-length", str(size))] if known else []
    stream = client.request(scene.host, scene.token, "POST", "/", fields, body=content[:10_000], end=False)
    connection = scene.backend.next()
    sent, window = 10_000, 16_384 - 10_000
    while sent < size:
        client.until(lambda: window + client.widened.get(stream, 0) > 0)
        window += client.widened.pop(stream, 0)
        piece = content[sent:sent + min(window, 16_384)]
        sent, window = sent + len(piece), window - len(piece)
        client.send(client.data(stream, piece, end=sent == size))
    received = connection.read_request()
    assert received.body == content
    connection.answer(content)
    answer = client.answer(stream)
    assert answer.status == 200 and answer.body == content


def test_content_that_left_before_our_settings_could_be_known(scene, client):
    """A client that has not read our SETTINGS sends as much as the default window allows (RFC 9113 section 6.9.3)."""
    content = bytes(i * 7 % 251 for i in range(65_535))
    stream = client.request(scene.host, scene.token, "POST", fields=[("content-length", "65535")], body=content[:16_384], end=False)
    for at in range(16_384, 65_535, 16_384):
        client.send(client.data(stream, content[at:at + 16_384], end=at + 16_384 > 65_535))
    connection = scene.backend.next()
    assert connection.read_request().body == content
    connection.answer(b"ok")
    answer = client.answer(stream)
    assert (answer.status, answer.body, answer.reset) == (200, b"ok", None)


def test_content_beyond_the_window(scene, client):
    client.until(lambda: client.settings)  # and so they are acknowledged: they bind the client
    stream = client.take_id()
    client.send(client.headers(stream, client.head(scene.host, scene.token, "POST"), end=False),
                *(client.data(stream, b"x" * 16_384) for _ in range(60)))
    assert client.answer(stream).reset == FLOW_CONTROL_ERROR


def test_trailers_both_ways(scene, client):
    stream = client.request(scene.host, scene.token, "POST", body=b"abc", end=False)
    client.send(client.headers(stream, [("x-sum", "abc")]))
    connection = scene.backend.next()
    received = connection.read_request()
    assert received.body == b"abc"
    connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-End: yes\r\n\r\n")
    answer = client.answer(stream)
    assert answer.body == b"ok"
    assert answer.heads[1] == [("x-end", "yes")]


def test_answer_waits_for_the_window(scene, gateway):
    """An answer of the gateway's own and one of a job, to a client whose window is closed at first."""
    with H2Client(gateway.address, settings={frames.SettingsFrame.INITIAL_WINDOW_SIZE: 0}) as client:
        refused = client.request(scene.host, "wrong")
        client.until(lambda: client.answers.get(refused) is not None and client.answers[refused].heads)
        allowed = client.request(scene.host, scene.token)
        connection = answer_next(scene)
        client.until(lambda: client.answers.get(allowed) is not None and client.answers[allowed].heads)
        assert client.answers[refused].body == b"" and client.answers[allowed].body == b""
        client.send(frames.SettingsFrame(settings={frames.SettingsFrame.INITIAL_WINDOW_SIZE: 65_535}))
        assert b"Invalid token" in client.answer(refused).body
        assert client.answer(allowed).body == b"ok"
        connection.close()


def test_revocation_ends_the_stream_and_not_the_connection(scene, client, records):
    other = records.token()
    stream = client.request(scene.host, scene.token)
    running = scene.backend.next()
    running.read_request()
    running.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
    client.until(lambda: stream in client.answers and client.answers[stream].body == b"hello")
    records.delete_token(scene.token)
    answer = client.answer(stream)
    assert (answer.reset, answer.body) == (CANCEL, b"hello")
    running.ended()
    stream = client.request(scene.host, other)
    connection = answer_next(scene, b"still here")
    assert client.answer(stream).body == b"still here"
    assert client.goaway is None
    connection.close()


def test_backend_that_breaks_off(scene, client):
    stream = client.request(scene.host, scene.token)
    connection = scene.backend.next()
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
    client.until(lambda: stream in client.answers and client.answers[stream].body == b"hello")
    connection.close()
    answer = client.answer(stream)
    assert answer.reset == 2 and not answer.ended


def test_client_that_resets(scene, client):
    stream = client.request(scene.host, scene.token)
    connection = scene.backend.next()
    connection.read_request()
    client.send(frames.RstStreamFrame(stream, CANCEL))
    connection.ended()
    stream = client.request(scene.host, scene.token)
    connection = answer_next(scene)
    assert client.answer(stream).status == 200
    connection.close()


def test_client_that_ends_its_side_gets_its_answer(scene, client):
    """As over HTTP/1.1; a request that it has not sent whole is over."""
    client.until(lambda: client.settings)
    client.hold = True  # it gives no windows back
    stream = client.request(scene.host, scene.token)
    connection = scene.backend.next()
    connection.read_request()
    client.request(scene.host, scene.token, "POST", body=b"begun", end=False)
    cut = scene.backend.next()
    cut.read_until(b"begun")
    client.sock.shutdown(socket.SHUT_WR)
    assert cut.read_to_end() == b"\r\n"
    connection.answer(b"still read")
    assert client.answer(stream).body == b"still read"
    assert client.read_to_end()[1] == NO_ERROR


def test_client_that_closes(scene, gateway):
    with H2Client(gateway.address) as client:
        client.until(lambda: client.settings)
        client.request(scene.host, scene.token)
        connection = scene.backend.next()
        connection.read_request()
    connection.ended()


@pytest.mark.parametrize("wrong", [
    [("X-Upper", "1")], [("x-space", " 1")], [("connection", "close")], [("transfer-encoding", "chunked")], [("te", "gzip")],
    [("content-length", "5")], [(":late", "1")]], ids=lambda fields: fields[0][0])
def test_malformed_request(scene, client, wrong):
    stream = client.request(scene.host, scene.token, fields=wrong)
    assert client.answer(stream).reset == PROTOCOL_ERROR
    scene.untouched()


def test_more_streams_than_allowed(scene, client, gateway):
    allowed = [client.request(scene.host, scene.token) for _ in range(100)]
    refused = client.request(scene.host, scene.token)
    assert client.answer(refused).reset == REFUSED_STREAM
    connections = [answer_next(scene) for _ in allowed]
    assert all(client.answer(stream).status == 200 for stream in allowed)
    for connection in connections:
        connection.close()


def test_drain(scene, gateways):
    """At a stop: GOAWAY, the running stream ends well, the connection closes."""
    gateway = gateways.start()
    scene = Scene(gateway, scene.records)
    with H2Client(gateway.address) as client:
        stream = client.request(scene.host, scene.token)
        connection = scene.backend.next()
        connection.read_request()
        gateway.program.send_signal(signal.SIGTERM)
        client.until(lambda: client.goaway is not None and client.goaway[0] == stream)
        connection.answer(b"the last one")
        assert client.answer(stream).body == b"the last one"
        assert client.read_to_end() == (stream, NO_ERROR)
    scene.close()


def test_curl_by_alpn(module_gateways, records, authority, certificate):
    gateway = module_gateways.make()
    gateway.secure(authority.context(), [certificate]).start()
    scene = Scene(gateway, records)
    host = f"{scene.job}.{DOMAIN}"
    curl = subprocess.Popen(
        ["curl", "-sS", "--cacert", str(authority.certificate), "--resolve", f"{host}:{gateway.tls_port}:127.0.0.1",
         "-H", f"Authorization: Bearer {scene.token.value}", "-w", "%{http_version} %{http_code}",
         f"https://{host}:{gateway.tls_port}/"], stdout=subprocess.PIPE, text=True)
    connection = answer_next(scene, b"ok ")
    assert curl.communicate()[0] == "ok 2 200"
    connection.close()
    scene.close()
