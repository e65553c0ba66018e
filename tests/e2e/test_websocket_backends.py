"""WebSockets to backends of HTTP/2 (RFC 8441): a stream where their SETTINGS allow it, else a connection of HTTP/1.1."""

import base64
import contextlib
import hashlib
import socket
import ssl
import time

import pytest
from hyperframe import frame as frames

from harness.h2 import H2Client
from harness.h2_backend import H2Backend, read_for
from harness.h2_tunnel import GUID, Tunnel
from harness.process import eventually
from harness.scene import Scene
from harness.servers import websocket_server

NO_ERROR, REFUSED_STREAM, CANCEL, HTTP_1_1_REQUIRED = 0, 7, 8, 13
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = base64.b64encode(hashlib.sha1((KEY + GUID).encode()).digest()).decode()
HANDSHAKE = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {KEY}"]
OFFERED = {frames.SettingsFrame.ENABLE_CONNECT_PROTOCOL: 1}
CLOSE_1008 = b"\x88\x19\x03\xf0access has been revoked"
FRAME = b"\x81\x85\0\0\0\0hello"  # masked with zeros
ANSWER = b"\x81\x05hello"


@pytest.fixture(scope="module")
def gateway(module_gateways, authority):
    return module_gateways.start({"http2": {"clients": True, "backends": True}, "backends": {"ca_file": str(authority.certificate)}})


@pytest.fixture
def make_scene(gateway, records):
    scenes = []

    def make(settings=OFFERED, **options):
        scenes.append(Scene(gateway, records, backend=H2Backend(**options)))
        scenes[-1].backend.settings = settings  # None: it sends none by itself
        return scenes[-1]
    yield make
    for scene in scenes:
        scene.close()


@pytest.fixture
def scene(make_scene):
    return make_scene()


@pytest.fixture
def make_tls_scene(make_scene, authority):
    certificate = authority.issue("backend", "serverAuth")

    def make(settings, scheme="https"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        context.set_alpn_protocols(["h2", "http/1.1"])
        return make_scene(settings, scheme=scheme, context=context)
    return make


class Http1End:
    """A client's end of a WebSocket, over HTTP/1.1."""

    def __init__(self, scene):
        self.client = scene.new_client()
        self.client.send(scene.request(path="/ws?a=1", fields=HANDSHAKE))

    def opened(self):
        head = self.client.read_head(upgrade=True)
        assert head.status == 101
        assert head.field("Connection").lower() == "upgrade" and head.field("Upgrade") == "websocket"
        assert head.field("Sec-WebSocket-Accept") == ACCEPT
        return head.field("x-spoken")

    def status(self):
        return self.client.read_response().status

    def send(self, data):
        self.client.send(data)

    def read(self, size):
        return self.client.read(size)

    def end(self):
        self.client.half_close()

    def is_over(self):
        return self.client.read_to_end() == b""

    def told(self):
        """The last words of the gateway."""
        return self.client.read_to_end()

    def close(self):
        self.client.close()


class Http2End:
    """The same over HTTP/2."""

    def __init__(self, scene):
        self.client = H2Client(scene.gateway.address)
        self.tunnel = Tunnel(self.client, self.client.connect(scene.host, scene.token, "/ws?a=1", [("sec-websocket-version", "13")]))

    def opened(self):
        assert self.tunnel.head() == 200
        assert self.tunnel.answer.field("sec-websocket-accept") is None
        return self.tunnel.answer.field("x-spoken")

    def status(self):
        return self.tunnel.head()

    def send(self, data):
        self.tunnel.send(data)

    def read(self, size):
        return self.tunnel.read(size)

    def end(self):
        self.tunnel.send(b"", end=True)

    def is_over(self):
        return self.tunnel.end() == (b"", None)

    def told(self):
        body, reset = self.tunnel.reset()
        assert reset == NO_ERROR
        return body

    def close(self):
        self.client.close()


@pytest.fixture(params=[Http1End, Http2End])
def end_of(request):
    """Opens the client's end of a WebSocket; each test runs with both protocols."""
    ends = []

    def make(scene):
        ends.append(request.param(scene))
        return ends[-1]
    yield make
    for end in ends:
        end.close()


def has_head(connection):
    """Whether HEADERS come within a moment. Reads nothing, because the harness would acknowledge SETTINGS."""
    time.sleep(0.2)
    data, types = connection.sock.recv(65536, socket.MSG_PEEK), set()
    while len(data) >= 9:
        types.add(data[3])
        data = data[9 + int.from_bytes(data[:3], "big"):]
    assert types, "SETTINGS come at once"
    return 1 in types


def opened(scene, end_of):
    """A WebSocket from end to end; the backend has got an extended CONNECT."""
    end = end_of(scene)
    connection = scene.backend.connections[0] if scene.backend.connections else scene.backend.accept()
    stream = connection.next_stream(whole=False)
    connection.reply(stream, b"", fields=[("x-spoken", "2")], end=False)
    assert end.opened() == "2"
    return end, connection, stream


# ---- a real backend, all four ways ----

@pytest.fixture(scope="module")
def peer(tmp_path_factory):
    server = websocket_server(tmp_path_factory.mktemp("websocket"))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def tls_peer(tmp_path_factory, authority):
    certificate, key = authority.issue("peer", "serverAuth")
    server = websocket_server(tmp_path_factory.mktemp("websocket-tls"), key, certificate)
    yield server
    server.stop()


@pytest.mark.parametrize("scheme, spoken", [("http", "1.1"), ("h2c", "2"), ("https", "2")])
def test_real_backend(gateway, records, peer, tls_peer, end_of, scheme, spoken):
    authority = f"localhost:{tls_peer.port}" if scheme == "https" else f"127.0.0.1:{peer.port}"
    scene = Scene(gateway, records, url=f"{scheme}://{authority}")
    ends = [end_of(scene) for _ in range(3)]
    for end in ends:
        assert end.opened() == spoken
    for _ in range(50):
        for end in ends:
            end.send(FRAME)
        for end in ends:
            assert end.read(7) == ANSWER
    for end in ends:
        end.end()
        assert end.is_over()
    scene.close()


# ---- the handshake ----

def test_what_the_backend_gets(scene, end_of):
    end, connection, stream = opened(scene, end_of)
    head = connection.head_of(stream)
    assert (head[":method"], head[":protocol"], head[":path"], head[":scheme"]) == ("CONNECT", "websocket", "/ws?a=1", "http")
    assert head[":authority"] == scene.host and head["sec-websocket-version"] == "13"
    assert not {"connection", "upgrade", "sec-websocket-key", "content-length", "transfer-encoding", "authorization", "te"} & set(head)
    assert not connection.answers[stream].ended
    end.send(FRAME)
    connection.until(lambda: connection.answers[stream].body == FRAME)
    connection.send(connection.data(stream, ANSWER))
    assert end.read(7) == ANSWER


def test_the_head_waits_for_the_backend_s_settings(make_scene, end_of):
    scene = make_scene(settings=None)
    end = end_of(scene)
    connection = scene.backend.accept()
    assert not has_head(connection)
    connection.send(frames.SettingsFrame(settings=OFFERED))
    stream = connection.next_stream(whole=False)
    connection.reply(stream, b"", end=False)
    end.opened()


def test_a_plain_request_may_come_first(scene, end_of):
    """It leaves before SETTINGS have come, and both share the connection."""
    client = scene.new_client()
    client.send(scene.request(path="/first"))
    connection = scene.backend.accept()
    connection.reply(connection.next_stream())
    assert client.read_response().status == 200
    _, connection, stream = opened(scene, end_of)
    assert stream == 3 and not scene.backend.is_called()


def test_refusals_pass(scene, end_of):
    end = end_of(scene)
    connection = scene.backend.accept()
    connection.reply(connection.next_stream(whole=False), b"no", 403)
    assert end.status() == 403


def test_a_refused_stream_is_tried_once_more(scene, end_of):
    end = end_of(scene)
    connection = scene.backend.accept()
    connection.reset(connection.next_stream(whole=False), REFUSED_STREAM)
    other = scene.backend.accept()
    other.reply(other.next_stream(whole=False), b"", end=False)
    end.opened()


def test_a_handshake_without_a_key_gets_no_stream(scene):
    client = scene.new_client()
    client.send(scene.request(fields=[line for line in HANDSHAKE if "Key" not in line]))
    assert client.read_response().status == 501
    assert not scene.backend.is_called()


def test_only_a_get_becomes_a_stream(scene):
    client = scene.new_client()
    client.send(scene.request("POST", fields=HANDSHAKE))
    assert client.read_response().status == 501
    assert not scene.backend.is_called()


def test_a_backend_of_http1_accepts_for_itself(gateway, records):
    """What it leaves out of its answer is not added in its name."""
    with contextlib.closing(Scene(gateway, records)) as scene:
        client, connection, _ = scene.arrive(fields=HANDSHAKE)
        connection.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        assert client.read_head(upgrade=True).field("Sec-WebSocket-Accept") is None


# ---- where the backend has none ----

@pytest.mark.parametrize("scheme", ["h2c", "grpcs"])
def test_no_websockets_at_a_url_of_http2(make_scene, make_tls_scene, end_of, scheme):
    scene = make_scene({}) if scheme == "h2c" else make_tls_scene({}, scheme)
    first = end_of(scene)
    connection = scene.backend.accept()
    assert first.status() == 501
    assert end_of(scene).status() == 501
    assert not connection.answers and not scene.backend.is_called()


def test_an_https_backend_gets_it_over_http1(make_tls_scene, end_of):
    scene = make_tls_scene({})
    for attempt in range(2):
        end = end_of(scene)
        if attempt == 0:
            assert scene.backend.accept().sock.selected_alpn_protocol() == "h2"  # its SETTINGS say so; this is remembered
        other = scene.backend.accept()
        assert other.sock.selected_alpn_protocol() == "http/1.1"
        key = other.read_head().field("Sec-WebSocket-Key")
        accept = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
        other.send(f"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n\r\n".encode())
        end.opened()
    assert not scene.backend.is_called()


# ---- its end ----

def test_each_side_ends(scene, end_of):
    end, connection, stream = opened(scene, end_of)
    connection.send(connection.data(stream, ANSWER, end=True))
    assert end.read(7) == ANSWER
    end.send(FRAME)
    connection.until(lambda: connection.answers[stream].body == FRAME)
    end.end()
    connection.until(lambda: connection.answers[stream].ended)
    assert end.is_over()
    assert scene.gateway.access_entry(job=scene.job, outcome="tunnel_closed")
    read_for(connection, 0.1)
    assert connection.answers[stream].reset is None


def test_revocation(scene, end_of, records):
    end, connection, stream = opened(scene, end_of)
    records.delete_token(scene.token)
    assert end.told() == CLOSE_1008
    connection.until(lambda: connection.answers[stream].reset is not None)
    assert connection.answers[stream].reset == CANCEL
    assert scene.gateway.access_entry(job=scene.job, outcome="revoked")


def test_revocation_while_the_head_waits(make_scene, end_of, records):
    scene = make_scene(settings=None)
    end = end_of(scene)
    connection = scene.backend.accept()
    records.delete_token(scene.token)
    assert end.status() == 401
    connection.send(frames.SettingsFrame(settings=OFFERED))
    assert not has_head(connection)


def test_the_job_moves_while_the_head_waits(make_scene, end_of, records):
    """Another job may have the old address by then."""
    scene, other = make_scene(settings=None), make_scene()
    end = end_of(scene)
    connection = scene.backend.accept()
    records.job(other.backend.url, job_id=scene.job)
    assert end.status() == 503
    connection.send(frames.SettingsFrame(settings=OFFERED))
    assert not has_head(connection)
    opened(other, end_of)


def test_the_backend_resets_it(scene, end_of):
    end, connection, stream = opened(scene, end_of)
    connection.reset(stream, CANCEL)
    assert scene.gateway.access_entry(job=scene.job, outcome="backend_closed")


def test_the_client_goes_away(scene, end_of):
    end, connection, stream = opened(scene, end_of)
    end.close()
    connection.until(lambda: connection.answers[stream].ended or connection.answers[stream].reset is not None)


def test_trailers_in_a_tunnel_are_refused(scene, end_of):
    end, connection, stream = opened(scene, end_of)
    connection.send(connection.headers(stream, [("x-late", "1")], end=True))
    connection.until(lambda: connection.answers[stream].reset is not None)
    assert scene.gateway.access_entry(job=scene.job, outcome="bad_answer")


# ---- HTTP_1_1_REQUIRED ----

def refuse(connection, stream):
    connection.reset(stream, HTTP_1_1_REQUIRED)


def leave(connection, _stream):
    connection.leave(0, HTTP_1_1_REQUIRED)


@pytest.mark.parametrize("how", [refuse, leave])
def test_a_backend_that_requires_http1(make_tls_scene, how):
    scene = make_tls_scene(OFFERED)
    client = scene.new_client()
    client.send(scene.request("POST", body=b"content"))
    connection = scene.backend.accept()
    how(connection, connection.next_stream())
    other = scene.backend.accept()
    assert other.sock.selected_alpn_protocol() == "http/1.1"
    assert other.read_request().body == b"content"
    other.answer()
    assert client.read_response().status == 200
    client.send(scene.request())  # it is remembered
    assert other.read_request().method == "GET"
    other.answer()
    assert client.read_response().status == 200
    assert not scene.backend.is_called()


def test_it_requires_http1_while_another_connection_is_made(make_tls_scene):
    """What that one has offered holds: no request fails."""
    scene = make_tls_scene({**OFFERED, frames.SettingsFrame.MAX_CONCURRENT_STREAMS: 1})
    clients = [scene.new_client(), scene.new_client()]
    clients[0].send(scene.request("POST", body=b"first"))
    connection = scene.backend.accept()
    stream = connection.next_stream()
    clients[1].send(scene.request("POST", body=b"second"))
    eventually(scene.backend.is_called, "another connection")
    connection.reset(stream, HTTP_1_1_REQUIRED)
    other = scene.backend.accept()
    assert other.sock.selected_alpn_protocol() == "h2"
    other.reset(other.next_stream(), HTTP_1_1_REQUIRED)
    for _ in clients:
        last = scene.backend.accept()
        assert last.sock.selected_alpn_protocol() == "http/1.1"
        assert last.read_request().method == "POST"
        last.answer()
    assert [client.read_response().status for client in clients] == [200, 200]


@pytest.mark.parametrize("how", [refuse, leave])
def test_it_requires_http1_at_a_url_of_http2(scene, how):
    client = scene.new_client()
    client.send(scene.request("POST", body=b"content"))
    connection = scene.backend.accept()
    how(connection, connection.next_stream())
    response = client.read_response()
    assert response.status == 502 and b"HTTP/1.1" in response.body
    assert not scene.backend.is_called()
