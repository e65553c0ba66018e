"""Connections to backends: kept, checked, closed, tried again (RFC 9112 section 9.3)."""

import socket

import pytest

from harness.process import eventually, free_port
from harness.raw import Backend
from test_upgrade import UPGRADE


def stale(scene):
    """A connection in the pool; the next request will be tried on it."""
    scene.relay(path="/first")
    return scene.backend.connections[0]


def expect_reuse(scene, first, kept):
    """The client's next request goes to the backend on the same connection (kept), or on another one."""
    scene.client.send(scene.request(path="/second"))
    second = first if kept else scene.backend.accept()
    assert second.read_request().target == "/second"
    second.answer(b"right")
    assert scene.client.read_response().body == b"right"
    if not kept:
        first.ended()


def test_reuse_across_clients_and_jobs(scene, records):
    """The pool belongs to the backend: another client and another job of the same URL share it."""
    connection = stale(scene)
    other = scene.new_client()
    other_job = records.job(scene.backend.url)
    other.send(scene.request(path="/second", host=f"{other_job}.jobs.test"))
    assert connection.read_request().target == "/second"
    connection.answer()
    assert other.read_response().status == 200


def test_no_reuse_after_close_was_said(scene):
    client, connection, _ = scene.arrive()
    connection.answer(fields=["Connection: close"])
    client.read_response()
    connection.ended()
    client.send(scene.request())
    scene.backend.serve()
    assert client.read_response().status == 200


def test_no_reuse_of_one_that_was_closed(scene):
    connection = stale(scene)
    connection.close()
    client = scene.client
    client.send(scene.request("POST", "/second", body=b"x"))
    second = scene.backend.accept()
    assert second.read_request().target == "/second"
    second.answer()
    assert client.read_response("POST").status == 200


def test_no_reuse_of_one_that_spoke_unasked(scene):
    """An answer without a request must never become the answer to the next one."""
    connection = stale(scene)
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong")
    client = scene.client
    client.send(scene.request(path="/second"))
    second = scene.backend.accept()
    second.read_request()
    second.answer(b"right")
    assert client.read_response().body == b"right"
    connection.ended()


def test_no_reuse_after_more_than_the_answer(scene):
    client, connection, _ = scene.arrive()
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong")
    assert client.read_response().body == b"ok"
    client.send(scene.request(path="/second"))
    second = scene.backend.accept()
    second.read_request()
    second.answer(b"right")
    assert client.read_response().body == b"right"


@pytest.mark.parametrize("field, kept", [("Content-Length: 5\r\n", False), ("Transfer-Encoding: chunked\r\n", False), ("Content-Length: 0\r\n", True), ("", True)],
                         ids=["length", "chunked", "length 0", "neither"])
def test_no_reuse_after_204_with_content(scene, field, kept):
    """204 has no content (RFC 9110 section 15.3.5). A server that announces some may still send it: it must not be taken for the next answer."""
    client, first, _ = scene.arrive()
    first.send(f"HTTP/1.1 204 No Content\r\n{field}\r\n".encode())
    assert client.read_response().status == 204
    expect_reuse(scene, first, kept)


@pytest.mark.parametrize("field, kept", [("Content-Length: 38\r\n", False), ("", True)], ids=["length", "nothing said"])
def test_no_reuse_after_an_interim_answer_with_content(scene, field, kept):
    """A server that announces content there may mean what looks like the answer as that content: the real answer may still come."""
    client, first, _ = scene.arrive()
    first.send(f"HTTP/1.1 103 Early Hints\r\n{field}\r\n".encode() + b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert client.read_response().status == 200
    expect_reuse(scene, first, kept)


def test_no_reuse_after_an_upgrade_in_vain(scene):
    """A server that makes none may take what comes next for bytes of that protocol all the same, or not at all."""
    client, first, _ = scene.arrive(fields=UPGRADE)
    first.answer(b"no", "404 Not Found")
    assert client.read_response().status == 404
    client.send(scene.request(path="/second"))
    second = scene.backend.accept()
    assert second.read_request().target == "/second"
    second.answer()
    assert client.read_response().status == 200
    first.ended()


@pytest.mark.parametrize("trailer, kept", [("X-Checksum: 1\r\n", False), ("Host: x\r\nCookie: a=b\r\n", True), ("", True)],
                         ids=["sent on", "dropped", "none"])
def test_no_reuse_after_trailers(scene, trailer, kept):
    """A server may find them among the fields of the next request: that one must not be another client's."""
    scene.client.send(scene.request("POST", fields=["Transfer-Encoding: chunked"]) + f"2\r\nhi\r\n0\r\n{trailer}\r\n".encode())
    first = scene.backend.accept()
    assert first.read_request().trailers == (b"" if kept else trailer.encode())
    first.answer()
    assert scene.client.read_response("POST").status == 200
    with scene.new_client() as other:
        other.send(scene.request(path="/second"))
        second = first if kept else scene.backend.accept()
        assert second.read_request().target == "/second"
        second.answer()
        assert other.read_response().status == 200
    if not kept:
        first.ended()


def test_trailers_stay_with_their_request(gateway, scene_of, aiohttp_backend):
    """The same with a server that does so."""
    scene = scene_of(gateway, url=aiohttp_backend.url)
    trailed = scene.request("POST", "/echo", ["Transfer-Encoding: chunked"]) + b"2\r\nhi\r\n0\r\nX-Secret: of the first\r\n\r\n"
    assert scene.client.exchange(trailed).status == 200
    with scene.new_client() as other:
        assert b"of the first" not in other.exchange(scene.request(path="/echo")).body


@pytest.mark.parametrize("value, kept", [("timeout=1", False), ("max=5, timeout=1", False), ("timeout=0", False),
                                         ("timeout=3600, max=1000", True), ("timeout=", True), ("max=1", True)])
def test_backend_that_says_how_long_it_keeps_a_connection(scene, value, kept):
    """The gateway lets go of it first: a request that meets its end on the way could not be sent again."""
    client, connection, _ = scene.arrive()
    connection.answer(fields=[f"Keep-Alive: {value}"])
    assert client.read_response().field("keep-alive") is None
    if not kept:
        connection.ended()
        return
    client.send(scene.request("POST", body=b"x"))
    assert scene.backend.next() is connection
    connection.read_request()
    connection.answer()
    assert client.read_response("POST").status == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "DELETE"])
@pytest.mark.parametrize("ending", ["close", "reset"])
def test_idempotent_request_is_sent_once_more(scene, method, ending):
    """The backend closes while the request is under way: the client does not notice."""
    connection = stale(scene)
    client = scene.client
    client.send(scene.request(method, "/second"))
    assert connection.read_head().target == "/second"
    connection.close() if ending == "close" else connection.reset()
    second = scene.backend.accept()
    received = second.read_request()
    assert (received.method, received.target) == (method, "/second")
    second.answer(b"" if method == "HEAD" else b"again")
    assert client.read_response(method).status == 200


@pytest.mark.parametrize("ending", ["close", "reset"])
def test_post_is_not_sent_twice(scene, ending):
    connection = stale(scene)
    client = scene.client
    client.send(scene.request("POST", "/second", body=b"x"))
    connection.read_request()
    connection.close() if ending == "close" else connection.reset()
    response = client.read_response("POST")
    assert response.status == 502
    scene.untouched()


def test_put_whose_body_went_out_is_not_sent_twice(scene):
    """Idempotent, but the body is gone."""
    connection = stale(scene)
    client = scene.client
    client.send(scene.request("PUT", "/second", fields=["Content-Length: 200000"]) + bytes(100_000))
    connection.read_head()
    connection.read(100_000)
    connection.close()
    response = client.read_response("PUT")
    assert response.status == 502
    assert scene.backend.untouched()


@pytest.mark.parametrize("ending", ["close", "reset"])
def test_new_connection_that_breaks(scene, ending):
    """Nothing of an answer has come: an idempotent request is sent once more, and no more than that."""
    client, connection, received = scene.arrive()
    for again in [True, False]:
        connection.close() if ending == "close" else connection.reset()
        if again:
            connection = scene.backend.accept()
            assert connection.read_request().head == received.head
    assert client.read_response().status == 502
    assert scene.backend.untouched()
    scene.gateway.access_entry(job=scene.job, outcome="backend_closed", status=502)


def test_each_reason_to_repeat_counts_once(scene):
    """A stale connection says nothing of the backend, so what breaks next is tried again; then it is enough."""
    connection = stale(scene)
    client = scene.client
    client.send(scene.request(path="/second"))
    for _ in range(2):
        connection.read_request()
        connection.close()
        connection = scene.backend.accept()
    connection.read_request()
    connection.close()
    assert client.read_response().status == 502
    assert scene.backend.untouched()


def test_new_connection_that_breaks_under_a_post(scene):
    client, connection, _ = scene.arrive("POST", body=b"x")
    connection.reset()
    assert client.read_response("POST").status == 502
    assert scene.backend.untouched()


def test_not_tried_again_after_the_first_byte_of_an_answer(scene):
    connection = stale(scene)
    client = scene.client
    client.send(scene.request(path="/second"))
    connection.read_request()
    connection.send(b"HTTP/1.1 2")
    connection.close()
    assert client.read_response().status == 502
    assert scene.backend.untouched()


def test_pool_is_bounded(module_gateways, scene_of):
    """idle_backend_connections: what comes back beyond the bound is closed."""
    gateway = module_gateways.start({"limits": {"idle_backend_connections": 2}})
    scene = scene_of(gateway)
    clients = [scene.new_client() for _ in range(5)]
    for client in clients:
        client.send(scene.request())
    connections = [scene.backend.accept() for _ in clients]
    for connection in connections:
        connection.read_request()
    for connection in connections:
        connection.answer()
    for client in clients:
        assert client.read_response().status == 200

    def closed():
        count = 0
        for connection in connections:
            connection.sock.setblocking(False)
            try:
                count += connection.sock.recv(1) == b""
            except BlockingIOError:
                pass
        return count == 3
    eventually(closed, "three of five connections to be closed")


def test_unix_socket_backend(gateway, scene_of, make_folder):
    backend = Backend(path=str(make_folder("unix") / "job.sock"))
    scene = scene_of(gateway, backend=backend)
    assert scene.relay(path="/a").target == "/a"
    assert scene.relay(path="/b").target == "/b"
    assert len(backend.connections) == 1


def test_ipv6_backend(gateway, scene_of):
    scene = scene_of(gateway, backend=Backend("::1"))
    assert scene.relay(path="/six").target == "/six"


def test_connection_refused(gateway, scene_of):
    scene = scene_of(gateway, url=f"http://127.0.0.1:{free_port()}")
    response = scene.client.exchange(scene.request())
    assert response.status == 502
    assert response.field("content-type") == "application/problem+json"
    scene.gateway.access_entry(job=scene.job, outcome="connect_failed", status=502)


def test_unix_socket_missing(gateway, scene_of, make_folder):
    scene = scene_of(gateway, url=f"unix:{make_folder('none')}/none.sock")
    assert scene.client.exchange(scene.request()).status == 502


LOCALHOST = sorted({info[4][0] for info in socket.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)})


@pytest.mark.parametrize("address", LOCALHOST)
def test_next_address_of_a_name(gateway, scene_of, address):
    """localhost has one address or two, here with a listener on one of them only."""
    backend = Backend(address)
    scene = scene_of(gateway, backend=backend, url=f"http://localhost:{backend.port}")
    assert scene.relay(path="/named").field("host") == scene.host


@pytest.mark.parametrize("name", ["LOCALHOST", "localhost.", "job-1.localhost", "a.b.localhost."])
def test_names_of_this_machine(gateway, scene_of, name):
    """All of .localhost is loopback (RFC 6761 section 6.3), whatever a name server would say."""
    backend = Backend()
    assert scene_of(gateway, backend=backend, url=f"http://{name}:{backend.port}").relay().method == "GET"


def test_name_that_does_not_resolve(gateway, scene_of):
    scene = scene_of(gateway, url="http://no-such-host.invalid:80")
    response = scene.client.exchange(scene.request())
    assert response.status == 502
    scene.gateway.access_entry(job=scene.job, outcome="not_resolved")


def test_url_of_a_job_changes(scene, records):
    """The next request goes to the new place; pooled connections to the old one do not catch it."""
    stale(scene)
    with Backend() as other:
        records.client.hset(records.job_key(scene.job), "url", other.url)

        def moved():
            client = scene.new_client()
            client.send(scene.request(path="/moved"))
            eventually(lambda: not (other.untouched() and scene.backend.untouched()), "a backend to be asked")
            if scene.backend.untouched():
                connection = other.next()
            else:
                connection = scene.backend.next()
            connection.read_request()
            connection.answer(b"new" if connection in other.connections else b"old")
            return client.read_response().body == b"new"
        eventually(moved, "the new URL to be used")
