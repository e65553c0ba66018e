"""HTTP/2 towards backends: many requests on one connection, what either side may refuse, and how connections end (RFC 9113)."""

import ssl

import pytest
from hyperframe import frame as frames

from harness.gateway import DOMAIN
from harness.h2 import H2Client
from harness.h2_backend import H2Backend, read_for
from harness.process import eventually
from harness.raw import Closed
from harness.scene import Scene
from harness.servers import nghttpd_server

NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR = 0, 1, 2, 3
REFUSED_STREAM, CANCEL, ENHANCE_YOUR_CALM = 7, 8, 11


@pytest.fixture(scope="module")
def gateway(module_gateways):
    return module_gateways.start()


@pytest.fixture
def make_scene(gateway, records):
    scenes = []

    def make(**options):
        scenes.append(Scene(gateway, records, backend=H2Backend(**options)))
        return scenes[-1]
    yield make
    for scene in scenes:
        scene.close()


@pytest.fixture
def scene(make_scene):
    return make_scene()


def begin(scene, *args, **kwargs):
    """A client of its own that has sent a request."""
    client = scene.new_client()
    client.send(scene.request(*args, **kwargs))
    return client


def test_request_and_answer(scene):
    client = begin(scene, "POST", "/a?b=c", ["X-Mine: 1", "TE: trailers", "Connection: x-hop, TE", "X-Hop: 1"], b"content")
    connection = scene.backend.accept()
    stream = connection.next_stream()
    head = connection.head_of(stream)
    assert (head[":method"], head[":path"], head[":scheme"]) == ("POST", "/a?b=c", "http")
    assert head[":authority"] == scene.host
    assert head["x-mine"] == "1" and head["content-length"] == "7" and head["te"] == "trailers"
    assert not {"connection", "x-hop", "host", "authorization", "transfer-encoding"} & set(head)
    assert connection.answers[stream].body == b"content"
    connection.reply(stream, b"answer", fields=[("x-theirs", "2")])
    response = client.read_response()
    assert (response.status, response.body, response.field("X-Theirs")) == (200, b"answer", "2")


def test_trailers_travel_both_ways(scene, gateway):
    with H2Client(gateway.address) as client:
        asked = client.request(scene.host, scene.token, "POST", body=b"c", fields=[("te", "trailers")], end=False)
        client.send(client.headers(asked, [("x-sum", "1")]))
        connection = scene.backend.accept()
        stream = connection.next_stream()
        assert [dict(head) for head in connection.answers[stream].heads[1:]] == [{"x-sum": "1"}]
        connection.reply(stream, b"x", fields=[("content-type", "application/grpc")], trailers=[("grpc-status", "0")])
        answer = client.answer(asked)
        assert (answer.body, dict(answer.heads[-1])) == (b"x", {"grpc-status": "0"})


def test_waiting_requests_open_one_connection(scene):
    clients = [begin(scene, path=f"/{i}") for i in range(64)]
    connection = scene.backend.accept()
    for _ in clients:
        stream = connection.next_stream()
        connection.reply(stream, connection.head_of(stream)[":path"].encode())
    assert [client.read_response().body for client in clients] == [f"/{i}".encode() for i in range(64)]
    assert not scene.backend.is_called()
    client = begin(scene, path="/later")
    connection.reply(connection.next_stream())
    assert client.read_response().status == 200


def test_the_backend_bounds_the_streams(make_scene):
    scene = make_scene(settings={frames.SettingsFrame.MAX_CONCURRENT_STREAMS: 2})
    clients = [begin(scene, path=f"/{i}") for i in range(4)]
    connections = [scene.backend.accept(), scene.backend.accept()]
    for connection in connections:
        connection.until(lambda: len(connection.waiting()) == 2)
        for stream in connection.waiting():
            connection.reply(stream)
    assert [client.read_response().status for client in clients] == [200] * 4
    assert not scene.backend.is_called()


def test_one_slow_client_does_not_hold_up_the_others(scene, gateway):
    with H2Client(gateway.address, hold=True) as slow:
        slow.request(scene.host, scene.token, path="/slow")
        connection = scene.backend.accept()
        stream = connection.next_stream()
        connection.answered.add(stream)
        connection.send(connection.headers(stream, [(":status", "200")], end=False))
        window, sent = 48 * 1024, 0
        # All that the stream's window allows, even if the client does not read it.
        while sent < window + connection.widened.get(stream, 0):
            piece = min(16384, window + connection.widened.get(stream, 0) - sent)
            connection.send(connection.data(stream, bytes(piece)))
            sent += piece
            read_for(connection, 0.2)
        assert sent < 4 * 1024 * 1024
        for path in "/a", "/b":
            client = begin(scene, path=path)
            other = connection.next_stream()
            assert other != stream
            connection.reply(other, b"x" * 16384)
            assert len(client.read_response().body) == 16384


def test_a_slow_client_gets_what_a_lost_connection_had_brought(scene, gateway):
    with H2Client(gateway.address, settings={frames.SettingsFrame.INITIAL_WINDOW_SIZE: 1000}, hold=True) as slow:
        whole, part = (slow.request(scene.host, scene.token, path=path) for path in ("/whole", "/part"))
        connection = scene.backend.accept()
        connection.until(lambda: len(connection.waiting()) == 2)
        for stream in connection.waiting():
            connection.answered.add(stream)
            connection.send(connection.headers(stream, [(":status", "200")], end=False))
            is_whole = connection.head_of(stream)[":path"] == "/whole"
            for last in False, False, is_whole:
                connection.send(connection.data(stream, b"x" * 16384, end=last))
        connection.send_ping_and_wait()
        client = begin(scene, "POST", path="/other")
        connection.until(lambda: connection.waiting())
        connection.close()
        assert client.read_response().status == 502  # the gateway knows that the connection is lost
        slow.send(*(frames.WindowUpdateFrame(stream, window_increment=1000000) for stream in (0, whole, part)))
        assert len(slow.answer(whole).body) == len(slow.answer(part).body) == 3 * 16384
        assert (slow.answer(whole).reset, slow.answer(part).reset) == (None, INTERNAL_ERROR)


def test_content_goes_as_the_backend_widens_its_windows(make_scene):
    scene = make_scene(settings={frames.SettingsFrame.INITIAL_WINDOW_SIZE: 1000}, hold=True)
    client = begin(scene)
    connection = scene.backend.accept()
    connection.reply(connection.next_stream())  # by now its SETTINGS have been read
    assert client.read_response().status == 200
    client.send(scene.request("POST", body=bytes(5000)))
    stream = connection.next_stream(whole=False)
    came = connection.answers[stream]
    connection.until(lambda: len(came.body) >= 1000)
    for so_far in range(1000, 5000, 1000):
        read_for(connection, 0.1)
        assert len(came.body) == so_far
        connection.send(frames.WindowUpdateFrame(stream, window_increment=1000))
        connection.until(lambda: len(came.body) >= so_far + 1000)
    connection.until(lambda: came.ended)
    connection.reply(stream)
    assert client.read_response().status == 200


def test_a_refused_request_is_sent_once_more_elsewhere(scene):
    client = begin(scene, "DELETE")
    connection = scene.backend.accept()
    connection.reset(connection.next_stream(), REFUSED_STREAM)
    other = scene.backend.accept()
    other.reply(other.next_stream())
    assert client.read_response().status == 200
    client = begin(scene, "FROB")  # no method that may be repeated
    both = (other, connection)
    connection = eventually(lambda: next((c for c in both if read_for(c, 0.1) or c.waiting()), None), "the request to come")
    connection.reset(connection.next_stream(), REFUSED_STREAM)
    third = scene.backend.accept()
    third.reset(third.next_stream(), REFUSED_STREAM)
    response = client.read_response()
    assert response.status == 503 and response.field("Retry-After") == "1"


def test_goaway_spares_what_it_names(scene):
    clients = [begin(scene, path="/0")]
    connection = scene.backend.accept()
    connection.next_stream()
    clients.append(begin(scene, "POST", path="/1"))
    connection.until(lambda: len(connection.waiting()) == 2)
    first, second = connection.waiting()
    connection.leave(first)
    other = scene.backend.accept()
    stream = other.next_stream()
    assert other.head_of(stream)[":path"] == "/1"
    other.reply(stream, b"other")
    assert clients[1].read_response().body == b"other"
    connection.reply(first, b"first")
    assert clients[0].read_response().body == b"first"
    connection.read_to_end()  # it closes once the last stream has ended
    client = begin(scene)
    other.reply(other.next_stream())
    assert client.read_response().status == 200


def test_a_broken_connection_repeats_what_may_be(scene):
    clients = [begin(scene, path="/0")]
    connection = scene.backend.accept()
    connection.next_stream()
    clients.append(begin(scene, "POST", path="/1"))
    connection.until(lambda: len(connection.waiting()) == 2)
    connection.close()
    other = scene.backend.accept()
    stream = other.next_stream()
    assert other.head_of(stream)[":path"] == "/0"
    other.reply(stream)
    assert clients[0].read_response().status == 200
    assert clients[1].read_response().status == 502


def test_an_early_answer_stops_the_upload(scene):
    client = scene.new_client()
    client.send(scene.request("POST", fields=["Content-Length: 1000000"]))
    connection = scene.backend.accept()
    stream = connection.next_stream(whole=False)
    connection.reply(stream, b"enough", 413)
    connection.send(frames.RstStreamFrame(stream, error_code=NO_ERROR))
    response = client.read_response()
    assert (response.status, response.body) == (413, b"enough")
    client = begin(scene)
    connection.reply(connection.next_stream())
    assert client.read_response().status == 200


def test_a_client_that_goes_away_cancels_its_stream(scene, gateway):
    with H2Client(gateway.address) as client:
        client.request(scene.host, scene.token)
        connection = scene.backend.accept()
        stream = connection.next_stream()
    connection.until(lambda: connection.answers[stream].reset is not None)
    assert connection.answers[stream].reset == CANCEL
    client = begin(scene)
    connection.reply(connection.next_stream())
    assert client.read_response().status == 200


def test_revocation_cancels_the_stream_alone(scene, records):
    token = records.token()
    first = begin(scene, token=token)
    connection = scene.backend.accept()
    revoked = connection.next_stream()
    second = begin(scene)
    connection.until(lambda: len(connection.waiting()) == 2)
    records.delete_token(token)
    connection.until(lambda: connection.answers[revoked].reset is not None)
    assert first.read_response().status == 401
    connection.reply(connection.waiting()[0])
    assert second.read_response().status == 200


def test_http1_at_an_h2c_url_is_told(gateway, records):
    scene = Scene(gateway, records)
    job = records.job(scene.backend.url.replace("http:", "h2c:"))
    client = scene.new_client()
    client.send(scene.request(host=f"{job}.{DOMAIN}"))
    connection = scene.backend.accept()
    connection.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    response = client.read_response()
    assert response.status == 502 and b"HTTP/2" in response.body
    scene.close()


@pytest.fixture(scope="module")
def over_tls(module_gateways, authority):
    """A gateway that offers HTTP/2 to https:// backends, and a way to make these; each may choose from `protocols`."""
    gateway = module_gateways.start({"backends": {"ca_file": str(authority.certificate)}, "http2": {"backends": True}})
    certificate = authority.issue("backend", "serverAuth")

    def make(records, scheme, protocols):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        context.set_alpn_protocols(protocols)
        return Scene(gateway, records, backend=H2Backend(scheme=scheme, context=context))
    return make


@pytest.mark.parametrize("scheme", ["https", "grpcs"])
def test_alpn_chooses_http2(over_tls, records, scheme):
    scene = over_tls(records, scheme, ["h2", "http/1.1"])
    clients = [begin(scene, path=f"/{i}") for i in range(8)]
    connection = scene.backend.accept()
    assert connection.sock.selected_alpn_protocol() == "h2"
    for _ in clients:
        stream = connection.next_stream()
        assert connection.head_of(stream)[":scheme"] == "https"
        connection.reply(stream)
    assert [client.read_response().status for client in clients] == [200] * 8
    assert not scene.backend.is_called()
    scene.close()


def test_alpn_chooses_http1(over_tls, records):
    """The first request gets the connection, and each other one makes its own."""
    scene = over_tls(records, "https", ["http/1.1"])
    clients = [begin(scene, path=f"/{i}") for i in range(4)]
    connections = [scene.backend.accept() for _ in clients]
    for connection in connections:
        connection.read_request()
        connection.answer()
    assert [client.read_response().status for client in clients] == [200] * 4
    scene.close()


def test_grpcs_means_http2(over_tls, records):
    scene = over_tls(records, "grpcs", ["http/1.1"])
    client = begin(scene)
    with pytest.raises(Closed):
        scene.backend.accept().read_request()
    response = client.read_response()
    assert response.status == 502
    scene.close()


def test_an_upgrade_gets_http1(over_tls, records):
    scene = over_tls(records, "https", ["h2", "http/1.1"])
    client = begin(scene)
    connection = scene.backend.accept()
    connection.reply(connection.next_stream())
    assert client.read_response().status == 200
    client = begin(scene, fields=["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: " + "A" * 22 + "=="])
    other = scene.backend.accept()
    assert other.sock.selected_alpn_protocol() == "http/1.1"
    assert other.read_head().field("Upgrade") == "websocket"
    other.answer(b"", "400 Bad Request")
    assert client.read_response().status == 400
    connection.close()
    clients = [begin(scene) for _ in range(2)]  # the next ones share HTTP/2 again
    connection = scene.backend.accept()
    for _ in clients:
        connection.reply(connection.next_stream())
    assert [client.read_response().status for client in clients] == [200] * 2
    assert not scene.backend.is_called()
    scene.close()


def test_nghttpd_serves_large_answers(gateway, records, make_folder):
    folder = make_folder("nghttpd")
    content = bytes(range(256)) * 4096 * 8
    (folder / "large").write_bytes(content)
    server = nghttpd_server(folder)
    try:
        scene = Scene(gateway, records, url=f"grpc://{server.authority}")
        clients = [begin(scene, path="/large") for _ in range(4)]
        for client in clients:
            response = client.read_response()
            assert response.status == 200 and response.body == content
        scene.close()
    finally:
        server.stop()
