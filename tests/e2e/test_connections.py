"""Keep-alive, pipelining, HTTP/1.0 (http.md, "Behaviour")."""

import pytest

from harness.scene import request_bytes


def test_keep_alive(scene):
    for number in range(50):
        client, connection, received = scene.arrive(path=f"/{number}")
        assert received.target == f"/{number}"
        connection.answer(b"%d" % number)
        assert client.read_response().body == b"%d" % number
    assert len(scene.backend.connections) == 1


def test_close_asked_for(scene):
    client, connection, received = scene.arrive(fields=["Connection: close"])
    connection.answer()
    response = client.read_response()
    assert response.field("connection") == "close"
    client.ended()
    # The client's wish is the client's alone: the backend's connection lives on.
    assert received.field("connection") in (None, "keep-alive")
    other = scene.new_client()
    other.send(scene.request())
    connection.read_request()
    connection.answer()
    assert other.read_response().status == 200


def test_backend_that_closes_does_not_close_the_client(scene):
    client, connection, _ = scene.arrive()
    connection.answer(fields=["Connection: close"])
    connection.close()
    assert client.read_response().field("connection") in (None, "keep-alive")
    client.send(scene.request())
    scene.backend.serve()
    assert client.read_response().status == 200


def test_pipelining(scene):
    """Sent in one packet, answered in order."""
    client = scene.client
    client.send(b"".join(scene.request(path=f"/{number}") for number in range(20)))
    for number in range(20):
        connection = scene.backend.next()
        assert connection.read_request().target == f"/{number}"
        connection.answer(b"%d" % number)
    assert [client.read_response().body for _ in range(20)] == [b"%d" % number for number in range(20)]


def test_pipelining_with_bodies(scene):
    client = scene.client
    client.send(scene.request("POST", "/1", body=b"one") +
                scene.request("POST", "/2", fields=["Transfer-Encoding: chunked"]) + b"3\r\ntwo\r\n0\r\nX-T: 1\r\n\r\n" +
                scene.request("GET", "/3") + scene.request("HEAD", "/4") + scene.request("PUT", "/5", body=b""))
    seen = []
    for _ in range(5):
        connection = scene.backend.next()
        received = connection.read_request()
        seen.append((received.method, received.target, received.body))
        if received.method == "HEAD":
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
        else:
            connection.answer(received.target.encode())
    assert seen == [("POST", "/1", b"one"), ("POST", "/2", b"two"), ("GET", "/3", b""), ("HEAD", "/4", b""),
                    ("PUT", "/5", b"")]
    methods = [method for method, _, _ in seen]
    assert [client.read_response(method).body for method in methods] == [b"/1", b"/2", b"/3", b"", b"/5"]


def test_pipelining_to_several_jobs_stays_in_order(gateway, scene_of):
    """The slow first one is not overtaken by the quick second one."""
    slow, quick = scene_of(gateway), scene_of(gateway)
    client = slow.client
    client.send(slow.request(path="/slow") + quick.request(path="/quick"))
    connection = slow.backend.accept()
    connection.read_request()
    connection.answer(b"slow")
    assert client.read_response().body == b"slow"
    connection = quick.backend.accept()
    connection.read_request()
    connection.answer(b"quick")
    assert client.read_response().body == b"quick"


def test_refusal_in_the_middle_of_a_pipeline(scene):
    """Each request stands on its own token, and the order holds for our own answers, too."""
    client = scene.client
    client.send(scene.request(path="/1") + request_bytes(scene.host) + scene.request(path="/3"))
    for path in ["/1", "/3"]:
        connection = scene.backend.next()
        assert connection.read_request().target == path
        connection.answer(path.encode())
    assert [client.read_response().status for _ in range(3)] == [200, 401, 200]


def test_bad_request_in_the_middle_of_a_pipeline(scene):
    """What came before is answered, the fault is answered, what follows it is not read."""
    client = scene.client
    client.send(scene.request(path="/1") + b"BAD REQUEST\r\n\r\n" + scene.request(path="/3"))
    connection = scene.backend.accept()
    connection.read_request()
    connection.answer(b"1")
    assert client.read_response().body == b"1"
    assert client.read_response().status == 400
    client.ended()
    scene.untouched()


def test_deep_pipeline_is_bounded(scene):
    """A client that only sends is held back while its first request is still out."""
    client = scene.client
    client.sock.settimeout(0.5)
    request = scene.request(path="/" + "x" * 8000)
    sent = 0
    with pytest.raises(OSError):
        while sent < 256 << 20:
            sent += client.sock.send(request)
    assert sent < 64 << 20
    client.reset()


def test_refused_request_leaves_the_connection_usable(scene):
    """A refusal without a body to skip is an answer like any other."""
    client = scene.client
    response = client.exchange(request_bytes(scene.host))
    assert response.status == 401
    if response.field("connection") != "close":
        client.send(scene.request())
        scene.backend.serve()
        assert client.read_response().status == 200


def test_refused_body_is_not_taken_for_a_request(scene):
    """The body of a refused request may look like a request; it is skipped or the connection closed."""
    inner = scene.request(path="/inner")
    client = scene.client
    client.send(request_bytes(scene.host, None, "POST", body=inner))
    assert client.read_response("POST").status == 401
    try:
        client.send(scene.request(path="/outer"))
        connection = scene.backend.next() if not client_closed(client) else None
    except OSError:
        connection = None
    if connection:
        assert connection.read_request().target == "/outer"
        connection.answer()
    else:
        scene.untouched()


def client_closed(client):
    """Wait until the gateway has either closed this connection or passed its request on."""
    client.sock.settimeout(0.5)
    try:
        return client.sock.recv(1) == b""
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False


def test_http_1_0(scene):
    """No keep-alive unless asked for, no chunks, the end is the close."""
    client, connection, received = scene.arrive(version="1.0")
    assert received.version == "HTTP/1.1"
    connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n")
    data = client.read_to_end()
    head, _, body = data.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200") or head.startswith(b"HTTP/1.0 200")
    assert b"transfer-encoding" not in head.lower()
    assert body == b"hello"


def test_http_1_0_with_length(scene):
    client, connection, _ = scene.arrive(version="1.0")
    connection.answer(b"hello")
    response = client.read_response()
    assert (response.body, response.field("content-length")) == (b"hello", "5")
    client.ended()


def test_http_1_0_keep_alive(scene):
    client, connection, _ = scene.arrive(version="1.0", fields=["Connection: keep-alive"])
    connection.answer(b"one")
    response = client.read_response()
    assert response.body == b"one"
    assert response.field("connection").lower() == "keep-alive"
    client.send(scene.request(version="1.0"))
    connection.read_request()
    connection.answer(b"two")
    assert client.read_response().body == b"two"
    client.ended()


def test_http_1_0_keep_alive_needs_a_length(scene):
    client, connection, _ = scene.arrive(version="1.0", fields=["Connection: keep-alive"])
    connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
    head, _, body = client.read_to_end().partition(b"\r\n\r\n")
    assert body == b"hello"
    assert b"keep-alive" not in head.lower()


def test_http_1_0_without_host(scene):
    """In 1.0 no Host is no fault; the path form still names a job."""
    client = scene.client
    client.send(request_bytes(None, scene.token, path=f"/jobs/{scene.job}/old", version="1.0"))
    connection = scene.backend.accept()
    received = connection.read_request()
    assert received.target == "/old"
    assert received.all("host") != []
    connection.answer()
    assert client.read_response().status == 200


def test_slow_reader_gets_all(scene):
    """A client that pauses in the middle loses nothing."""
    body = bytes(i % 253 for i in range(1 << 20)) * 8
    client, connection, _ = scene.arrive()
    connection.sock.setblocking(False)
    data = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    sent, got, response = 0, b"", None
    while len(got) < len(body):
        try:
            sent += connection.sock.send(data[sent:sent + (1 << 18)]) if sent < len(data) else 0
        except BlockingIOError:
            pass
        if response is None:
            response = client.read_head()
        got += client.read_piece() or b""
    assert got == body


def test_many_connections_at_once(scene):
    count = 200
    clients = [scene.new_client() for _ in range(count)]
    for number, client in enumerate(clients):
        client.send(scene.request(path=f"/{number}"))
    for _ in range(count):
        connection = scene.backend.next()
        connection.answer(connection.read_request().target.encode())
    for number, client in enumerate(clients):
        assert client.read_response().body == b"/%d" % number


def test_connection_without_a_request(scene):
    """Opened and closed: no answer, no harm."""
    with scene.gateway.client() as client:
        client.half_close()
        client.ended()


def test_half_a_head_and_gone(scene):
    with scene.gateway.client() as client:
        client.send(scene.request()[:30])
        client.reset()
    scene.untouched()
