"""WebSocket and other upgrades become tunnels (RFC 9110 section 7.8); what never becomes one."""

import base64
import hashlib
import os
import signal

import pytest

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


@pytest.mark.parametrize("side", ["client", "backend"])
def test_reset_behind_the_data_of_a_tunnel(scene, side):
    """Announced together with the data, and not again: found all the same, a moment after the tunnel fell silent."""
    worker = scene.gateway.workers()[0]
    client, connection = open_tunnel(scene)
    left, other = (client, connection) if side == "client" else (connection, client)
    os.kill(worker, signal.SIGSTOP)
    try:
        left.send(b"last words")
        left.reset()
    finally:
        os.kill(worker, signal.SIGCONT)
    assert other.read(10) == b"last words"
    other.ended()
    scene.gateway.access_entry(job=scene.job, outcome="client_closed" if side == "client" else "backend_closed")
