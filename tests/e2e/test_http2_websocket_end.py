"""How the gateway ends a WebSocket over HTTP/2 (RFC 8441): with a Close frame where one fits, otherwise with RST_STREAM."""

import asyncio
import base64
import hashlib
import re
import signal
import socket
import time

import pytest
import websockets
import websockets.version

from harness.h2 import H2Client, frames
from harness.h2_tunnel import GUID, open_tunnel
from harness.process import eventually
from test_http2_websocket import served

NO_ERROR, CANCEL = 0, 8
CLOSE_1008 = b"\x88\x19\x03\xf0access has been revoked"
CLOSE_1001 = b"\x88\x13\x03\xe9the gateway stops"


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


def test_revocation(scene, client, records):
    tunnel, connection = open_tunnel(scene, client)
    connection.send(b"\x81\x05hello")
    assert tunnel.read(7) == b"\x81\x05hello"
    records.delete_token(scene.token)
    assert tunnel.reset() == (CLOSE_1008, NO_ERROR)
    assert tunnel.answer.ended
    connection.ended()
    scene.gateway.access_entry(job=scene.job, outcome="revoked", status=101)
    tunnel.send(b"\x88\x82\0\0\0\0\x03\xf0", end=True)  # the client's own Close, which was on its way
    scene.token = records.token()
    served(scene, client)


@pytest.mark.parametrize("begun", [b"\x81", b"\x81\x05hell", b"\x82\x7e\x00\x01"], ids=["first byte", "content", "length"])
def test_revocation_within_a_frame(scene, client, records, begun):
    tunnel, connection = open_tunnel(scene, client)
    connection.send(begun)
    assert tunnel.read(len(begun)) == begun
    records.delete_token(scene.token)
    assert tunnel.reset() == (b"", CANCEL)
    assert not tunnel.answer.ended
    connection.ended()


def test_revocation_before_the_answer(scene, client, records):
    stream = client.connect(scene.host, scene.token)
    connection = scene.backend.next()
    connection.read_request()
    records.delete_token(scene.token)
    assert client.answer(stream).status == 401
    connection.ended()


def test_revocation_on_a_busy_connection(scene, gateway, records):
    """Other streams fill the connection, and the client is slow: the Close frame has its turn all the same."""
    other = records.token()
    with H2Client(gateway.address, hold=True) as client:
        tunnel, connection = open_tunnel(scene, client)
        client.send(frames.WindowUpdateFrame(0, window_increment=1 << 28))
        busy = []
        for _ in range(3):
            stream = client.request(scene.host, other)
            busy.append(scene.backend.next())
            busy[-1].read_request()
            client.send(frames.WindowUpdateFrame(stream, window_increment=1 << 28))
            busy[-1].send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
            busy[-1].sock.settimeout(0)
            _fill(busy[-1])
        records.delete_token(scene.token)
        scene.gateway.access_entry(job=scene.job, outcome="revoked", status=101)
        assert tunnel.reset() == (CLOSE_1008, NO_ERROR)


def _fill(connection):
    try:
        for _ in range(1000):
            connection.sock.send(b"x" * 65_536)
    except BlockingIOError:
        pass


def test_revocation_of_a_client_that_does_not_read(scene, gateway, records):
    """Its window is used up: it is cut at once."""
    with H2Client(gateway.address, hold=True) as client:
        tunnel, connection = open_tunnel(scene, client)
        connection.send(b"\x82\x7f" + (65_535 - 10).to_bytes(8, "big") + b"x" * (65_535 - 10))
        client.until(lambda: len(tunnel.answer.body) == 65_535)
        records.delete_token(scene.token)
        body, reset = tunnel.reset()
        assert (len(body), reset) == (65_535, CANCEL)


# ---- a frame of HTTP/2 that is cut: its rest becomes 0xff ----


def text_of(number):
    return "%06d" % number + "x" * 994


def cut_tunnel(scene, records):
    """What a slow client of a WebSocket gets whose token is revoked while the gateway sends: bytes, and the code of the reset."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    sock.connect(scene.gateway.address)
    scene.token = records.token()
    with H2Client(None, sock, hold=True, settings={4: 1 << 30}) as client:
        client.send(frames.WindowUpdateFrame(0, window_increment=1 << 30))
        tunnel, connection = open_tunnel(scene, client)
        left = b"".join(b"\x81\x7e" + (1000).to_bytes(2, "big") + text_of(number).encode() for number in range(20_000))
        connection.sock.settimeout(0)
        try:
            while left:
                left = left[connection.sock.send(left):]
        except BlockingIOError:
            pass
        assert left, "more than the kernel and the gateway hold"
        records.delete_token(scene.token)
        scene.gateway.access_entry(token_id=scene.token.id, outcome="revoked", status=101)
        return tunnel.reset()


async def read_by_client(stream):
    """What a real WebSocket client makes of these bytes, and the end of its connection: the messages, and its error."""
    async def serve(reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        key = re.search(r"sec-websocket-key: *(\S+)", head, re.IGNORECASE)[1]
        accept = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
        writer.write(f"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n\r\n".encode())
        writer.write(stream)
        writer.write_eof()
        await reader.read()
        writer.close()

    messages = []
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    options = {"proxy": None} if int(websockets.version.version.split(".")[0]) >= 15 else {}
    async with websockets.connect("ws://127.0.0.1:%d/" % server.sockets[0].getsockname()[1], compression=None, **options) as client:
        try:
            while True:
                messages.append(await client.recv())
        except websockets.exceptions.ConnectionClosed as closed:
            error = closed
    server.close()
    return messages, error


def test_a_real_client_sees_that_a_message_was_cut(scene, records):
    for _ in range(10):  # until a frame of HTTP/2 was cut
        stream, reset = cut_tunnel(scene, records)
        assert reset == CANCEL
        if stream.endswith(b"\xff"):
            break
    assert stream.endswith(b"\xff")
    messages, error = asyncio.run(read_by_client(stream))
    assert messages == [text_of(number) for number in range(len(messages))]
    assert len(messages) * 1004 < len(stream.rstrip(b"\xff")) + 1004
    assert isinstance(error, websockets.exceptions.ConnectionClosedError), error


def test_shutdown(gateways, scene_of):
    gateway = gateways.start({"timeouts": {"drain": "100ms"}})
    scene = scene_of(gateway)
    with H2Client(gateway.address) as client:
        tunnel, connection = open_tunnel(scene, client)
        within, _ = open_tunnel(scene, client)
        scene.backend.connections[-1].send(b"\x81\x05hell")
        assert within.read(6) == b"\x81\x05hell"
        gateway.family = []
        gateway.program.send_signal(signal.SIGTERM)
        client.read_to_end()
        assert (tunnel.answer.body, tunnel.answer.ended, tunnel.answer.reset) == (CLOSE_1001, True, NO_ERROR)
        assert (within.answer.body, within.answer.ended, within.answer.reset) == (b"", False, CANCEL)
        assert client.goaway[1] == NO_ERROR
        eventually(lambda: [entry["outcome"] for entry in gateway.access_entries()] == ["shutdown"] * 2, "both in the access log")


def test_silence(gateways, scene_of):
    gateway = gateways.start({"timeouts": {"tunnel": "300ms"}})
    scene = scene_of(gateway)
    with H2Client(gateway.address) as client:
        tunnel, connection = open_tunnel(scene, client)
        for _ in range(6):  # either direction keeps it alive
            time.sleep(0.1)
            tunnel.send(b"x")
            connection.read(1)
            time.sleep(0.1)
            connection.send(b"y")
            assert tunnel.read(1) == b"y"
        began = time.monotonic()
        assert tunnel.reset() == (b"", CANCEL)
        assert time.monotonic() - began > 0.2
        connection.ended()
        scene.gateway.access_entry(job=scene.job, outcome="tunnel_idle")
        served(scene, client)
