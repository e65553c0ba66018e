"""Bodies that stream, wait for a slow receiver, break off, or are answered before their end (RFC 9112 sections 6 to 8)."""

import socket
import time

import pytest

from harness.process import PATIENCE
from harness.raw import Closed, Cut

MEBIBYTE = 1 << 20


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 65535, 65536, 65537, 3 * MEBIBYTE + 1])
def test_request_by_length(scene, size):
    body = bytes(i % 251 for i in range(size))
    client = scene.client
    head, _, _ = scene.request("POST", body=body).partition(b"\r\n\r\n")
    client.send(head + b"\r\n\r\n")
    connection = scene.backend.accept()
    received = connection.read_head()
    assert received.all("content-length") == [str(size)]
    for start in range(0, size, 50_000):
        piece = body[start:start + 50_000]
        client.send(piece)
        assert connection.read(len(piece)) == piece
    connection.answer()
    assert client.read_response("POST").status == 200


def test_request_chunked(scene):
    client = scene.client
    client.send(scene.request("POST", fields=["Transfer-Encoding: chunked"]))
    connection = scene.backend.accept()
    received = connection.read_head()
    assert received.field("transfer-encoding") == "chunked"
    assert received.field("content-length") is None
    client.send(b"5\r\nhello\r\n")
    content = b""
    while content != b"hello":
        content += connection.read_chunk()
    client.send(b"00006;name=value;n2=\"q \\\" ;\"\r\n, ", b"worl\r\n0;last\r\n\r\n")
    while content != b"hello, worl":
        content += connection.read_chunk()
    assert connection.read_chunk() == b""
    assert connection.read(2) == b"\r\n"
    connection.answer()
    assert client.read_response("POST").status == 200


def test_request_streams(scene):
    """Each piece reaches the backend before the next one is sent: nothing waits for a whole body."""
    client = scene.client
    client.send(scene.request("PUT", fields=["Content-Length: 300"]))
    connection = scene.backend.accept()
    connection.read_head()
    for number in range(100):
        client.send(b"%03d" % number)
        assert connection.read(3) == b"%03d" % number
    connection.answer()
    assert client.read_response("PUT").status == 200


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_answer_streams(scene, framing):
    """Each piece reaches the client before the backend sends the next one, as server-sent events must."""
    client, connection, _ = scene.arrive()
    field = {"length": b"Content-Length: 300\r\n", "chunked": b"Transfer-Encoding: chunked\r\n", "close": b""}[framing]
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" + field + b"\r\n")
    assert client.read_head().status == 200
    for number in range(100):
        piece = b"%03d" % number
        connection.send(b"3\r\n" + piece + b"\r\n" if framing == "chunked" else piece)
        got = b""
        while len(got) < 3:
            got += client.read_piece()
        assert got == piece
    if framing == "chunked":
        connection.send(b"0\r\n\r\n")
    elif framing == "close":
        connection.close()
    assert client.read_piece() is None


def test_upload_is_held_back(scene):
    """Back-pressure: a backend that does not read stops the client, and the gateway keeps little."""
    client = scene.client
    client.send(scene.request("POST", fields=[f"Content-Length: {1 << 30}"]))
    connection = scene.backend.accept()
    connection.read_head()
    client.sock.settimeout(0.5)
    sent = 0
    block = bytes(256 * 1024)
    with pytest.raises(socket.timeout):
        while sent < 256 * MEBIBYTE:
            sent += client.sock.send(block)
    # What fits the kernel's buffers on four socket ends, and 64 KiB of ours.
    assert sent < 64 * MEBIBYTE


def test_download_is_held_back(scene):
    client, connection, _ = scene.arrive()
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (1 << 30))
    connection.sock.settimeout(0.5)
    sent = 0
    block = bytes(256 * 1024)
    with pytest.raises(socket.timeout):
        while sent < 256 * MEBIBYTE:
            sent += connection.sock.send(block)
    assert sent < 64 * MEBIBYTE
    # And it all arrives once the client reads.
    client.read_head()
    got = 0
    while got < sent - MEBIBYTE:
        got += len(client.read_piece())


def test_client_that_leaves_ends_the_backends_work(scene):
    client, connection, _ = scene.arrive()
    client.reset()
    connection.ended()
    scene.gateway.access_entry(job=scene.job, outcome="client_closed")


def test_upload_that_breaks_off_is_cut(scene):
    client = scene.client
    client.send(scene.request("POST", fields=["Content-Length: 10"]) + b"short")
    connection = scene.backend.accept()
    connection.read_head()
    assert connection.read(5) == b"short"
    client.close()
    connection.ended()


def test_chunked_upload_that_breaks_off_is_cut(scene):
    client = scene.client
    client.send(scene.request("POST", fields=["Transfer-Encoding: chunked"]) + b"5\r\nshort\r\n")
    connection = scene.backend.accept()
    connection.read_head()
    assert connection.read_chunk() == b"short"
    client.close()
    with pytest.raises(Closed):
        connection.read_chunk()


def test_body_limit(module_gateways, scene_of):
    """413: by the length announced before anything is forwarded, by what was counted when chunked."""
    gateway = module_gateways.start({"limits": {"body_bytes": 1000}})
    scene = scene_of(gateway)
    scene.relay("POST", body=bytes(1000))
    client = scene.new_client()
    client.send(scene.request("POST", fields=["Content-Length: 1001"]) + bytes(1001))
    assert client.read_response("POST").status == 413
    scene.untouched()
    client = scene.new_client()
    client.send(scene.request("POST", fields=["Transfer-Encoding: chunked"]) +
                b"3e8\r\n" + bytes(1000) + b"\r\n1\r\nx\r\n0\r\n\r\n")
    assert client.read_response("POST").status == 413
    # Cut short at the backend, if it has heard of it at all.
    connection = scene.backend.next() if not scene.backend.untouched() else None
    if connection:
        connection.read_head()
        with pytest.raises(Closed):
            while connection.read_chunk():
                pass
            raise AssertionError("the backend was told that the body is whole")


def test_answer_before_the_request(scene):
    """A backend that is full may say 503 as soon as it accepts; that is relayed or 502, and no request waits."""
    client = scene.client
    client.send(scene.request())
    connection = scene.backend.accept()
    connection.answer(b"full", "503 Service Unavailable", ["Connection: close"])
    connection.half_close()
    assert client.read_response().status in (502, 503)


@pytest.mark.parametrize("part", [b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort"],
                         ids=["head", "body"])
def test_reset_right_behind_data(scene, part):
    """Data and reset arrive together, as from a backend that crashed: the reset must not be overlooked."""
    for _ in range(20):
        client = scene.new_client()
        client.send(scene.request())
        connection = scene.backend.next()
        connection.read_request()
        connection.send(part)
        connection.reset()
        try:
            assert client.read_response().status == 502
        except (Closed, Cut):
            assert part.endswith(b"short")


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
