"""Proxies that end TLS and HTTP/2 in front of the gateway, with the examples of deploy/proxies/in-front as they stand."""

import pytest

from harness.h2 import H2Client
from harness.in_front import example, nginx
from harness.process import Program, accepts, eventually, free_port
from harness.secure import TlsClient


def caddy(gateway, port, certificate, folder):
    return ["caddy", "run", "--adapter", "caddyfile", "--config", example("Caddyfile", gateway, port, certificate, folder)]


@pytest.fixture(scope="module")
def gateway(module_gateways):
    return module_gateways.start({"backends": {"trusted_proxies": ["127.0.0.1"]}})


@pytest.fixture(scope="module", params=[nginx, caddy], ids=["nginx", "caddy"])
def front(request, gateway, certificate, make_folder):
    """The port of a proxy."""
    folder, port = make_folder(request.param.__name__), free_port()
    program = Program(request.param(gateway, port, certificate, folder), folder / "proxy.log",
                      {"PATH": "/usr/bin:/usr/sbin", "HOME": str(folder)})

    def check():
        assert program.running(), program.log()
        return accepts("127.0.0.1", port)
    eventually(check, "the proxy to listen", patience=30)
    yield port
    program.stop()


@pytest.fixture
def scene(gateway, scene_of):
    return scene_of(gateway)


@pytest.fixture
def connect(front, authority):
    """Makes TLS connections to the proxy that speak one protocol."""
    made = []

    def call(host, protocol):
        context = authority.context()
        context.set_alpn_protocols([protocol])
        made.append(TlsClient(("127.0.0.1", front), context, host))
        assert made[-1].tls.selected_alpn_protocol() == protocol
        return made[-1]
    yield call
    for client in made:
        client.close()


@pytest.fixture
def client(scene, connect):
    return H2Client(None, connect(scene.host, "h2").sock)


def test_requests_over_http2(scene, client):
    stream = client.request(scene.host, scene.token, method="POST", path="/a/b?c=d", body=b"hello",
                            fields=[("x-forwarded-for", "192.0.2.1"), ("x-forwarded-proto", "http")])
    connection = scene.backend.next()
    received = connection.read_request()
    assert (received.method, received.target, received.body) == ("POST", "/a/b?c=d", b"hello")
    assert received.all("authorization") == []
    assert received.all("x-forwarded-proto") == ["https"]
    assert received.all("x-jobgate-job") == [scene.job]
    assert received.field("host") == scene.host
    connection.answer(b"world")
    answer = client.answer(stream)
    assert (answer.status, answer.body) == (200, b"world")


def test_what_clients_say_of_their_way_does_not_count(scene, client):
    """The gateway believes this proxy, so the proxy must not hand such fields on."""
    stream = client.request(scene.host, scene.token, fields=[
        ("forwarded", "for=192.0.2.1;host=evil.test"), ("x-forwarded-host", "evil.test"), ("x-forwarded-prefix", "/evil")])
    with scene.backend.next() as connection:
        received = connection.read_request()
        connection.answer()
    assert received.all("x-forwarded-for") == ["127.0.0.1, 127.0.0.1"]
    assert b"evil" not in received.head and b"192.0.2.1" not in received.head
    assert client.answer(stream).status == 200


def test_a_refusal_over_http2(scene, client):
    answer = client.answer(client.request(scene.host, "jgt_no"))
    assert answer.status == 401
    assert 'error="invalid_token"' in answer.challenge()
    assert scene.backend.untouched()


def test_a_stream_arrives_as_it_is_sent(scene, client):
    stream = client.request(scene.host, scene.token)
    connection = scene.backend.next()
    connection.read_request()
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n7\r\nfirst\n\n\r\n")
    client.until(lambda: stream in client.answers and client.answers[stream].body == b"first\n\n")
    connection.send(b"0\r\n\r\n")
    assert client.answer(stream).ended


def test_a_revoked_token_ends_a_stream(request, scene, records, client):
    stream = client.request(scene.host, scene.token)
    connection = scene.backend.next()
    connection.read_request()
    connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
    client.until(lambda: stream in client.answers and client.answers[stream].body == b"first")
    records.delete_token(scene.token)
    answer = client.answer(stream)
    # Caddy 2.6 ends an answer that was cut as if it were complete.
    assert answer.body == b"first" and (answer.reset is not None or "caddy" in request.node.name)


def test_a_websocket(scene, connect):
    client = connect(scene.host, "http/1.1")
    client.send(scene.request(fields=["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
                                      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]))
    connection = scene.backend.next()
    assert connection.read_request().field("upgrade") == "websocket"
    connection.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n\x81\x02hi")
    assert client.read_head(upgrade=True).status == 101
    assert client.read(4) == b"\x81\x02hi"
    client.send(b"\x81\x82\x00\x00\x00\x00yo")
    assert connection.read(8) == b"\x81\x82\x00\x00\x00\x00yo"


GRPC = [("content-type", "application/grpc"), ("te", "trailers")]


def test_a_refused_grpc_call(scene, client):
    """gRPC's own form of a refusal: the call has reached the gateway over HTTP/2."""
    answer = client.answer(client.request(scene.host, "jgt_no", method="POST", path="/a.B/C", fields=GRPC, body=b"\0\0\0\0\0"))
    fields = {name: value for head in answer.heads for name, value in head}
    assert (answer.status, fields["grpc-status"]) == (200, "16")
    assert fields["content-type"] == "application/grpc"
    assert scene.backend.untouched()
