"""Bodies both ways: by length, chunked, until close; none where none may be (http.md, "Parsing", "Behaviour")."""

import socket

import pytest

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


def test_chunk_extensions_are_dropped(scene):
    client = scene.client
    client.send(scene.request("POST", fields=["Transfer-Encoding: chunked"]) +
                b"5;secret=31337\r\nhello\r\n0;secret=31337\r\n\r\n")
    connection = scene.backend.accept()
    received = connection.read_request()
    assert received.body == b"hello"
    connection.answer()
    assert client.read_response("POST").status == 200


def test_request_trailers(scene):
    """Forwarded when allowed; framing, routing, credentials and our own names are not."""
    client = scene.client
    client.send(scene.request("POST", fields=["Transfer-Encoding: chunked", "Trailer: X-Sum"]) +
                b"5\r\nhello\r\n0\r\nX-Sum: 42\r\nContent-Length: 7\r\nTransfer-Encoding: chunked\r\n"
                b"Host: other\r\nAuthorization: Bearer x\r\nX-Jobgate-Role: operator\r\nX_Jobgate_Role: operator\r\n"
                b"X-Forwarded-For: 6.6.6.6\r\nConnection: close\r\nX-Sum-2: 43\r\n\r\n")
    connection = scene.backend.accept()
    received = connection.read_request()
    assert received.body == b"hello"
    lines = [line.lower() for line in received.trailers.decode().splitlines()]
    assert lines == ["x-sum: 42", "x-sum-2: 43"]
    connection.answer()
    assert client.read_response("POST").status == 200


def test_get_with_a_body(scene):
    received = scene.relay("GET", body=b"question")
    assert received.body == b"question"


def test_no_body_no_framing(scene):
    for method in ["GET", "DELETE"]:
        client = scene.new_client()
        client.send(scene.request(method))
        connection = scene.backend.next()
        received = connection.read_request()
        assert received.field("content-length") is None
        assert received.field("transfer-encoding") is None
        connection.answer()
        assert client.read_response(method).status == 200


def test_unknown_method_passes(scene):
    assert scene.relay("REPORT", body=b"x").method == "REPORT"


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


def test_answer_chunked_with_trailers(scene):
    client, connection, _ = scene.arrive()
    connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
                    b"5;ext=1\r\nhello\r\n0\r\nX-Sum: 42\r\nContent-Length: 9\r\n\r\n")
    response = client.read_response()
    assert response.body == b"hello"
    assert response.trailers == [("x-sum", "42")]


def test_answer_chunked_extensions_are_dropped(scene):
    client, connection, _ = scene.arrive(fields=["Connection: close"])
    connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                    b"5;ext=31337\r\nhello\r\n0;ext=31337\r\n\r\n")
    assert b"31337" not in client.read_to_end()


def test_answer_until_close(scene):
    """Its end is the backend's; an HTTP/1.1 client gets it chunked and may stay."""
    client, connection, _ = scene.arrive()
    connection.send(b"HTTP/1.1 200 OK\r\n\r\nhello, ", b"world")
    connection.close()
    response = client.read_response()
    assert response.body == b"hello, world"
    assert response.field("transfer-encoding") == "chunked"
    client.send(scene.request())
    scene.backend.serve()
    assert client.read_response().status == 200


def test_answer_of_http_1_0(scene):
    client, connection, _ = scene.arrive()
    connection.send(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok")
    response = client.read_response()
    assert (response.version, response.body) == ("1.1", b"ok")
    # 1.0 without keep-alive: the connection is not used again.
    client.send(scene.request())
    scene.backend.serve()
    assert client.read_response().status == 200


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_statuses_without_body(scene, status):
    client, connection, _ = scene.arrive()
    length = b"Content-Length: 5\r\n" if status.startswith("304") else b""
    connection.send(f"HTTP/1.1 {status}\r\n".encode() + length + b"ETag: x\r\n\r\n")
    response = client.read_response()
    assert (response.status, response.body) == (int(status[:3]), b"")
    assert response.field("etag") == "x"
    assert response.field("transfer-encoding") is None
    client.send(scene.request())
    connection.read_request()
    connection.answer(b"next")
    assert client.read_response().body == b"next"


def test_head(scene):
    """The length is told, no body follows, both connections live on."""
    client, connection, _ = scene.arrive("HEAD")
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n")
    response = client.read_response("HEAD")
    assert response.field("content-length") == "12345"
    client.send(scene.request())
    connection.read_request()
    connection.answer(b"next")
    assert client.read_response().body == b"next"


def test_head_of_a_chunked_resource(scene):
    client, connection, _ = scene.arrive("HEAD")
    connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert client.read_response("HEAD").body == b""
    client.send(scene.request())
    connection.read_request()
    connection.answer(b"next")
    assert client.read_response().body == b"next"


def test_body_after_head_is_not_taken_for_an_answer(scene):
    """A backend that sends a body all the same loses its connection; the next answer is the next request's."""
    client, connection, _ = scene.arrive("HEAD")
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong")
    client.read_response("HEAD")
    client.send(scene.request())
    second = scene.backend.accept()
    second.read_request()
    second.answer(b"right")
    assert client.read_response().body == b"right"


@pytest.mark.parametrize("framing, sent", [
    (b"Content-Length: 10\r\n", b"short"),
    (b"Transfer-Encoding: chunked\r\n", b"5\r\nshort\r\n"),
    (b"Transfer-Encoding: chunked\r\n", b"a\r\nshort"),
    (b"Transfer-Encoding: chunked\r\n", b"5\r\nshort\r\nxyz\r\n"),
    (b"Transfer-Encoding: chunked\r\n", b"5\r\nshort\r\n0\r\n"),
])
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_answer_that_breaks_off_is_cut(scene, framing, sent, version):
    """Never a well-formed but short body, in either version's terms."""
    client, connection, _ = scene.arrive(version=version)
    connection.send(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n" + sent)
    with pytest.raises((Closed, Cut)) as cut:
        head = client.read_head()
        assert head.status == 200
        connection.close()
        client.read_body(head)
    if cut.type is Cut:
        assert b"short".startswith(cut.value.response.body)


def test_answer_until_close_that_is_reset_is_cut(scene):
    client, connection, _ = scene.arrive()
    connection.send(b"HTTP/1.1 200 OK\r\n\r\nshort")
    head = client.read_head()
    assert client.read_piece() == b"short"
    connection.reset()
    with pytest.raises(Cut):
        client.read_body(head)


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
