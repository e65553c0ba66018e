"""WebSockets over HTTP/2 (RFC 8441): the job sees an upgrade of HTTP/1.1, the client a stream."""

import base64
import os
import signal

import pytest

from harness.gateway import DOMAIN
from harness.h2 import H2Client, frames
from harness.h2_tunnel import Tunnel, accept_of, open_tunnel, switch
from harness.raw import Peer
from test_browser import AT_JOBS_HOSTS, narrow

NO_ERROR, PROTOCOL_ERROR, FLOW_CONTROL_ERROR, CANCEL = 0, 1, 3, 8
ENABLE_CONNECT_PROTOCOL = 8
CLOSE_1008 = b"\x88\x19\x03\xf0access has been revoked"


@pytest.fixture(scope="module")
def gateway(module_gateways):
    return module_gateways.start()


@pytest.fixture
def scene(gateway, scene_of):
    return scene_of(gateway)


@pytest.fixture
def client(gateway):
    with H2Client(gateway.address) as client:
        yield client


def served(scene, client):
    """The connection lives on: a plain request is answered on it."""
    stream = client.request(scene.host, scene.token, path="/alive")
    connection = scene.backend.next()
    assert connection.read_request().target == "/alive"
    connection.answer(b"alive")
    assert client.answer(stream).body == b"alive"
    connection.close()


# ---- the handshake ----


def test_it_is_offered(client, gateway, gateways):
    client.until(lambda: client.settings)
    assert client.settings[ENABLE_CONNECT_PROTOCOL] == 1
    without = gateways.start({"backends": {"upgrades": []}})
    with H2Client(without.address) as other:
        other.until(lambda: other.settings)
        assert other.settings.get(ENABLE_CONNECT_PROTOCOL, 0) == 0


def test_handshake(scene, client):
    fields = [("sec-websocket-version", "13"), ("sec-websocket-protocol", "a, b"), ("sec-websocket-extensions", "permessage-deflate"),
              ("origin", "https://page.test"), ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="), ("cookie", "a=1"), ("cookie", "b=2")]
    tunnel = Tunnel(client, client.connect(scene.host, scene.token, "/ws?a=1", fields))
    connection = scene.backend.next()
    received = connection.read_request()
    assert received.line == "GET /ws?a=1 HTTP/1.1"
    assert received.field("connection").lower() == "upgrade" and received.field("upgrade") == "websocket"
    assert received.field("sec-websocket-version") == "13"
    assert received.field("sec-websocket-protocol") == "a, b"
    assert received.field("sec-websocket-extensions") == "permessage-deflate"
    assert received.field("origin") == "https://page.test"
    assert received.field("cookie") == "a=1; b=2"
    assert received.field("authorization") is None and received.field("via") == "2 jobgate"
    assert received.field("content-length") is None and received.field("transfer-encoding") is None
    key = received.field("sec-websocket-key")
    assert len(base64.b64decode(key)) == 16 and key != "dGhlIHNhbXBsZSBub25jZQ=="
    switch(connection, accept_of(received), fields=["Sec-WebSocket-Protocol: b", "Sec-WebSocket-Extensions: permessage-deflate"])
    assert tunnel.head() == 200
    head = dict(tunnel.answer.heads[0])
    assert head["sec-websocket-protocol"] == "b" and head["sec-websocket-extensions"] == "permessage-deflate"
    assert not {"connection", "upgrade", "sec-websocket-accept", "sec-websocket-key", "content-length", "transfer-encoding"} & set(head)
    assert not tunnel.answer.ended


def test_each_handshake_has_a_key_of_its_own(scene, client):
    keys = set()
    for _ in range(5):
        tunnel = Tunnel(client, client.connect(scene.host, scene.token))
        connection = scene.backend.next()
        received = connection.read_request()
        keys.add(received.field("sec-websocket-key"))
        switch(connection, accept_of(received))
        assert tunnel.head() == 200
    assert len(keys) == 5


@pytest.mark.parametrize("accepts", [
    lambda accept: [], lambda accept: ["s3pPLMBiTxaQ9kYGzzhZRbK+xOo="], lambda accept: [accept[:-1]], lambda accept: [accept.swapcase()],
    lambda accept: [accept, accept], lambda accept: [f"{accept}, {accept}"], lambda accept: [""]],
    ids=["none", "another", "short", "case", "twice", "list", "empty"])
def test_a_backend_that_has_not_read_the_key(scene, client, accepts):
    tunnel = Tunnel(client, client.connect(scene.host, scene.token))
    tunnel.send(b"too early")
    connection = scene.backend.next()
    switch(connection, *accepts(accept_of(connection.read_request())))
    answer = client.answer(tunnel.stream)
    assert answer.status == 502 and answer.field("content-type") == "application/problem+json"
    connection.ended()
    scene.gateway.access_entry(job=scene.job, outcome="bad_answer", status=502)
    served(scene, client)


def test_a_backend_that_switches_to_another_protocol(scene, client):
    tunnel = Tunnel(client, client.connect(scene.host, scene.token))
    connection = scene.backend.next()
    switch(connection, accept_of(connection.read_request()), protocol="h2c")
    assert client.answer(tunnel.stream).status == 502
    connection.ended()


@pytest.mark.parametrize("status", ["200 OK", "204 No Content", "206 Partial Content", "299 Fine"])
def test_success_without_a_websocket_is_none(scene, client, status):
    """Any 2xx would open the WebSocket for the client (RFC 8441 section 4)."""
    tunnel = Tunnel(client, client.connect(scene.host, scene.token))
    connection = scene.backend.next()
    connection.read_request()
    connection.send(f"HTTP/1.1 {status}\r\n".encode() + (b"\r\n" if "204" in status else b"Content-Length: 5\r\n\r\nhello"))
    answer = client.answer(tunnel.stream)
    assert answer.status == 502 and b"hello" not in answer.body and b"opened no WebSocket" in answer.body
    connection.ended()
    scene.gateway.access_entry(job=scene.job, outcome="bad_answer", status=502)
    served(scene, client)


@pytest.mark.parametrize("status", ["302 Found", "400 Bad Request", "403 Forbidden", "404 Not Found", "426 Upgrade Required", "500 Broken"])
def test_a_backend_that_refuses(scene, client, status):
    tunnel = Tunnel(client, client.connect(scene.host, scene.token))
    connection = scene.backend.next()
    connection.read_request()
    connection.answer(b"no", status, ["Sec-WebSocket-Version: 13", "Upgrade: websocket", "Connection: Upgrade"])
    answer = client.answer(tunnel.stream)
    assert (answer.status, answer.body) == (int(status[:3]), b"no")
    assert answer.field("sec-websocket-version") == "13"
    assert answer.field("upgrade") is None and answer.field("connection") is None
    tunnel.send(b"no one hears this")
    connection.ended()
    served(scene, client)


def test_who_may_open_one(scene, client, records):
    other = records.token(selector="team=other")
    for token, status in ((None, 401), ("wrong", 401), (other, 403)):
        assert client.answer(client.connect(scene.host, token)).status == status
    assert client.answer(client.connect(f"nojob.{DOMAIN}", scene.token)).status == 404
    scene.untouched()


@pytest.mark.parametrize("fields", [[("content-length", "0")], [("upgrade", "websocket")], [("connection", "upgrade")], [("te", "gzip")],
                                    [("transfer-encoding", "chunked")], [(":path", "/2")], [(":protocol", "websocket")]],
                         ids=lambda fields: fields[0][0])
def test_malformed(scene, client, fields):
    stream = client.connect(scene.host, scene.token, fields=fields)
    assert client.answer(stream).reset == PROTOCOL_ERROR
    scene.untouched()


@pytest.mark.parametrize("protocol", ["h2c", "connect-udp", "", "websocket,h2c", "websocket websocket", "tcp"])
def test_other_protocols(scene, client, protocol):
    answer = client.answer(client.connect(scene.host, scene.token, protocol=protocol))
    assert answer.status == 501
    scene.untouched()


def test_upgrades_that_are_not_allowed(gateways, scene_of):
    """As in HTTP/1 no WebSocket may be opened; and the request never reaches the job as a plain one."""
    gateway = gateways.start({"backends": {"upgrades": ["tcp"]}})
    scene = scene_of(gateway)
    with H2Client(gateway.address) as client:
        assert client.answer(client.connect(scene.host, scene.token)).reset == PROTOCOL_ERROR
        scene.untouched()


def test_pages_of_the_gateway_are_no_websockets(gateways, scene_of):
    gateway = gateways.start(AT_JOBS_HOSTS)
    scene = scene_of(gateway)
    with H2Client(gateway.address) as client:
        for path in ("/.jobgate/sign-in", "/.jobgate/sign-out"):
            answer = client.answer(client.connect(scene.host, path=path, fields=[("accept", "text/html"), ("x-forwarded-proto", "https")]))
            assert answer.status >= 400, (path, answer.status)
    scene.untouched()


def test_a_session_needs_its_own_origin(gateways, scene_of):
    gateway = gateways.start(AT_JOBS_HOSTS)
    scene = narrow(scene_of(gateway))
    own = f"https://{scene.host}"
    with H2Client(gateway.address) as client:
        form = f"token={scene.token.value}".encode()
        proxied = ("x-forwarded-proto", "https")
        signed_in = client.answer(client.request(scene.host, None, "POST", "/.jobgate/sign-in", [
            ("origin", own), proxied, ("content-type", "application/x-www-form-urlencoded")], form))
        assert signed_in.status == 303
        cookie = ("cookie", signed_in.field("set-cookie").partition(";")[0])
        for origins in ([], ["https://evil.test"], [f"https://other.{DOMAIN}"], [own, own], ["null"]):
            stream = client.connect(scene.host, fields=[cookie, proxied, *(("origin", origin) for origin in origins)])
            assert client.answer(stream).status == 403, origins
        scene.untouched()
        tunnel = Tunnel(client, client.connect(scene.host, fields=[cookie, proxied, ("origin", own)]))
        connection = scene.backend.next()
        received = connection.read_request()
        assert received.field("cookie") is None
        switch(connection, accept_of(received))
        assert tunnel.head() == 200
        scene.records.renew(scene.token)
        assert tunnel.reset() == (CLOSE_1008, NO_ERROR)


# ---- the tunnel ----


def test_tunnel(scene, client):
    tunnel, connection = open_tunnel(scene, client)
    assert scene.gateway.metrics()["jobgate_tunnels"] == 1
    for number in range(20):
        tunnel.send(b"to backend %02d\n" % number)
        assert connection.read(14) == b"to backend %02d\n" % number
        connection.send(b"to client %02d\r\n\r\n" % number)
        assert tunnel.read(16) == b"to client %02d\r\n\r\n" % number
    served(scene, client)


def test_both_ways_at_once(scene, client):
    tunnel, connection = open_tunnel(scene, client)
    size, piece = 1 << 20, 1 << 12
    up, down = os.urandom(size), os.urandom(size)
    sent, window = 0, 16_384
    while sent < size:
        connection.send(down[sent:sent + piece])
        client.until(lambda: window + client.widened.get(tunnel.stream, 0) >= piece)
        window += client.widened.pop(tunnel.stream, 0) - piece
        tunnel.send(up[sent:sent + piece])
        sent += piece
    assert connection.read(size) == up
    assert tunnel.read(size) == down


def test_many_at_a_time(scene, client):
    """Twenty WebSockets and twenty streams of events on one connection."""
    tunnels = [open_tunnel(scene, client) for _ in range(20)]
    streams = []
    for i in range(20):
        stream = client.request(scene.host, scene.token, path=f"/{i}")
        connection = scene.backend.next()
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        streams.append((stream, connection))
    for i in range(5):
        for (tunnel, end), (stream, connection) in zip(tunnels, streams):
            tunnel.send(b"up %d" % i)
            assert end.read(4) == b"up %d" % i
            end.send(b"down %d" % i)
            connection.send(b"5\r\nevent\r\n")
            assert tunnel.read(6) == b"down %d" % i
    for stream, _ in streams:
        client.until(lambda: client.answers[stream].body == b"event" * 5)


def test_the_client_ends_its_side(scene, client):
    tunnel, connection = open_tunnel(scene, client)
    tunnel.send(b"last words", end=True)
    assert connection.read_to_end() == b"last words"
    connection.send(b"still here")
    assert tunnel.read(10) == b"still here"
    connection.close()
    assert tunnel.end() == (b"", None)
    scene.gateway.access_entry(job=scene.job, outcome="tunnel_closed", status=101)
    served(scene, client)


def test_the_backend_ends_its_side(scene, client):
    tunnel, connection = open_tunnel(scene, client)
    connection.send(b"last words")
    connection.half_close()
    assert tunnel.end() == (b"last words", None)
    tunnel.send(b"still here")
    assert connection.read(10) == b"still here"
    tunnel.send(b"", end=True)
    connection.ended()
    scene.gateway.access_entry(job=scene.job, outcome="tunnel_closed", status=101)
    served(scene, client)


def test_the_client_resets(scene, client):
    tunnel, connection = open_tunnel(scene, client)
    client.send(frames.RstStreamFrame(tunnel.stream, CANCEL))
    connection.ended()
    scene.gateway.access_entry(job=scene.job, outcome="client_closed", status=101)
    served(scene, client)


def test_the_client_resets_before_the_answer(scene, client):
    stream = client.connect(scene.host, scene.token)
    connection = scene.backend.next()
    connection.read_request()
    client.send(frames.RstStreamFrame(stream, CANCEL))
    connection.ended()
    served(scene, client)


def test_the_backend_resets(scene, client):
    """RFC 8441 section 5: CANCEL."""
    tunnel, connection = open_tunnel(scene, client)
    connection.send(b"last words")
    assert tunnel.read(10) == b"last words"
    connection.reset()
    assert tunnel.reset() == (b"", CANCEL)
    scene.gateway.access_entry(job=scene.job, outcome="backend_closed", status=101)
    served(scene, client)


def test_the_connection_ends(scene, client):
    tunnel, connection = open_tunnel(scene, client)
    client.close()
    connection.ended()
    scene.gateway.access_entry(job=scene.job, outcome="client_closed", status=101)


def test_reset_of_the_connection_behind_data(scene, client):
    worker = scene.gateway.workers()[0]
    tunnel, connection = open_tunnel(scene, client)
    os.kill(worker, signal.SIGSTOP)
    try:
        tunnel.send(b"last words")
        Peer(client.sock).reset()
    finally:
        os.kill(worker, signal.SIGCONT)
    assert connection.read(10) == b"last words"
    connection.ended()
    scene.gateway.access_entry(job=scene.job, outcome="client_closed", status=101)


def test_data_before_the_answer(scene, client):
    """It waits for the handshake, as far as the window allows."""
    tunnel = Tunnel(client, client.connect(scene.host, scene.token))
    tunnel.send(b"early")
    tunnel.send(b" words", end=True)
    connection = scene.backend.next()
    received = connection.read_request()
    assert connection.silent()
    switch(connection, accept_of(received))
    assert tunnel.head() == 200
    assert connection.read_to_end() == b"early words"
    connection.send(b"answer")
    connection.close()
    assert tunnel.end() == (b"answer", None)


def test_more_data_before_the_answer_than_the_window(scene, client):
    client.until(lambda: client.settings)
    tunnel = Tunnel(client, client.connect(scene.host, scene.token))
    connection = scene.backend.next()
    connection.read_request()
    for size in (16_384, 1):
        tunnel.send(b"x" * size)
    assert tunnel.reset()[1] == FLOW_CONTROL_ERROR
    connection.ended()
    served(scene, client)


def test_ended_with_its_head(scene, client):
    tunnel, connection = open_tunnel(scene, client, end=True)
    connection.send(b"words")
    assert tunnel.read(5) == b"words"
    assert connection.read_to_end() == b""
    connection.close()
    assert tunnel.end() == (b"", None)


def test_nothing_but_data_may_follow(scene, client):
    """RFC 9113 section 8.5."""
    tunnel, connection = open_tunnel(scene, client)
    client.send(client.headers(tunnel.stream, [("x-trailer", "1")]))
    assert tunnel.reset() == (b"", PROTOCOL_ERROR)
    connection.ended()
    served(scene, client)


def test_windows_hold_the_backend(scene, gateway):
    """What the client has not asked for is not read from the backend; other streams go on."""
    with H2Client(gateway.address, hold=True) as client:
        tunnel, connection = open_tunnel(scene, client)
        connection.sock.settimeout(0)
        sent = 0
        try:
            for _ in range(2000):
                sent += connection.sock.send(b"x" * 65_536)
        except BlockingIOError:
            pass
        assert sent < 2000 * 65_536
        client.until(lambda: len(tunnel.answer.body) == 65_535)
        client.send(frames.WindowUpdateFrame(0, window_increment=1 << 20))
        served(scene, client)
        client.send(frames.WindowUpdateFrame(tunnel.stream, window_increment=1000))
        client.until(lambda: len(tunnel.answer.body) == 66_535)
