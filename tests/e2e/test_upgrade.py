"""WebSocket and other upgrades as tunnels; what is never one (http.md, "Behaviour")."""

import base64
import hashlib
import os

import pytest

from harness.scene import request_bytes

UPGRADE = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"]
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"


def open_tunnel(scene, fields=UPGRADE):
    """A WebSocket handshake played by hand; returns both ends of the tunnel."""
    key = base64.b64encode(os.urandom(16)).decode()
    client = scene.client
    client.send(scene.request(fields=[*fields, f"Sec-WebSocket-Key: {key}"]))
    connection = scene.backend.accept()
    received = connection.read_request()
    assert received.field("upgrade").lower() == "websocket"
    assert received.field("connection").lower() == "upgrade"
    assert received.field("sec-websocket-key") == key
    accept = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
    connection.send(SWITCH + f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode())
    response = client.read_head(upgrade=True)
    assert response.status == 101
    assert response.field("upgrade").lower() == "websocket"
    assert "upgrade" in response.field("connection").lower()
    assert response.field("sec-websocket-accept") == accept
    return client, connection


def test_tunnel(scene):
    client, connection = open_tunnel(scene)
    for number in range(20):
        client.send(b"to backend %02d\n" % number)
        assert connection.read(14) == b"to backend %02d\n" % number
        connection.send(b"to client %02d\r\n\r\n" % number)
        assert client.read(16) == b"to client %02d\r\n\r\n" % number


def test_tunnel_both_ways_at_once(scene):
    client, connection = open_tunnel(scene)
    up, down = os.urandom(1 << 20), os.urandom(1 << 20)
    for start in range(0, 1 << 20, 1 << 15):
        client.send(up[start:start + (1 << 15)])
        connection.send(down[start:start + (1 << 15)])
    assert connection.read(1 << 20) == up
    assert client.read(1 << 20) == down


def test_bytes_right_behind_the_switch(scene):
    """A backend may speak at once, in the very packet of its 101."""
    client = scene.client
    client.send(scene.request(fields=[*UPGRADE, "Sec-WebSocket-Key: x"]))
    connection = scene.backend.accept()
    connection.read_request()
    connection.send(SWITCH + b"\r\nfirst words")
    assert client.read_head(upgrade=True).status == 101
    assert client.read(11) == b"first words"


def test_half_close_by_the_client(scene):
    client, connection = open_tunnel(scene)
    client.send(b"last words")
    client.half_close()
    assert connection.read_to_end() == b"last words"
    connection.send(b"still here")
    assert client.read(10) == b"still here"
    connection.close()
    client.ended()


def test_half_close_by_the_backend(scene):
    client, connection = open_tunnel(scene)
    connection.send(b"last words")
    connection.half_close()
    assert client.read_to_end() == b"last words"
    client.send(b"still here")
    assert connection.read(10) == b"still here"
    client.close()
    connection.ended()
    scene.gateway.access_entry(job=scene.job, outcome="tunnel_closed", status=101)


def test_upgrade_declined(scene):
    """An ordinary answer to an upgrade is an ordinary answer."""
    client = scene.client
    client.send(scene.request(fields=[*UPGRADE, "Sec-WebSocket-Key: x"]))
    connection = scene.backend.accept()
    connection.read_request()
    connection.answer(b"no", "426 Upgrade Required")
    assert client.read_response().status == 426
    client.send(scene.request())
    connection = scene.backend.next()
    connection.read_request()
    connection.answer()
    assert client.read_response().status == 200


def test_upgrade_without_token(scene):
    response = scene.client.exchange(request_bytes(scene.host, fields=[*UPGRADE, "Sec-WebSocket-Key: x"]))
    assert response.status == 401
    scene.untouched()


@pytest.mark.parametrize("fields", [
    ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"],
    ["Connection: Upgrade", "Upgrade: H2C"],
    ["Connection: Upgrade", "Upgrade: unheard-of/1"],
    ["Upgrade: websocket"],
], ids=["h2c with settings", "h2c", "not on the list", "not in Connection"])
def test_upgrade_not_forwarded(scene, fields):
    """The request goes on without it, as RFC 9110 section 7.8 lets it."""
    received = scene.relay(fields=fields)
    assert received.field("upgrade") is None
    assert received.field("http2-settings") is None
    assert "upgrade" not in (received.field("connection") or "").lower()


def test_first_of_several_upgrades(scene):
    """h2c does not slip through beside a protocol that is allowed."""
    client = scene.client
    client.send(scene.request(fields=["Connection: Upgrade", "Upgrade: h2c, websocket", "Sec-WebSocket-Key: x"]))
    connection = scene.backend.accept()
    received = connection.read_request()
    assert "h2c" not in (received.field("upgrade") or "")
    connection.answer()
    assert client.read_response().status == 200


def test_upgrade_of_http_1_0_is_ignored(scene):
    received = scene.relay(fields=UPGRADE, version="1.0")
    assert received.field("upgrade") is None


def test_switch_to_another_protocol_than_asked_for(scene):
    client = scene.client
    client.send(scene.request(fields=[*UPGRADE, "Sec-WebSocket-Key: x"]))
    connection = scene.backend.accept()
    connection.read_request()
    connection.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
    assert client.read_response(upgrade=True).status == 502
    connection.ended()


def test_configured_upgrades(module_gateways, scene_of):
    gateway = module_gateways.start({"backends": {"upgrades": ["websocket", "tcp"]}})
    scene = scene_of(gateway)
    client = scene.client
    client.send(scene.request(fields=["Connection: upgrade", "Upgrade: TCP"]))
    connection = scene.backend.accept()
    assert connection.read_request().field("upgrade").lower() == "tcp"
    connection.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: tcp\r\n\r\n")
    assert client.read_head(upgrade=True).status == 101
    client.send(b"ping")
    assert connection.read(4) == b"ping"


@pytest.mark.parametrize("request_line", ["CONNECT example.com:443 HTTP/1.1", "CONNECT {host}:80 HTTP/1.1",
                                          "TRACE / HTTP/1.1"])
def test_connect_and_trace(scene, request_line):
    line = request_line.format(host=scene.host)
    authority = line.split(" ")[1] if line.startswith("CONNECT") else scene.host
    client = scene.client
    client.send(f"{line}\r\nHost: {authority}\r\nAuthorization: {scene.token.bearer}\r\n\r\n".encode())
    response = client.read_response("GET")
    assert response.status == 405
    scene.untouched()
