"""Replicas of a job under long answers, over HTTP/1.1 and HTTP/2 at either end: one that is removed, that dies, that closes; revocations."""

import concurrent.futures
import select
import threading

import grpc
import pytest

from harness.control import Control
from harness.gateway import DOMAIN
from harness.h2 import H2Client
from harness.h2_backend import H2Backend
from harness.process import PATIENCE, eventually, free_port
from harness.raw import Client
from harness.scene import Scene, request_bytes

LARGE = bytes(range(256)) * (4 * 1024 * 4)  # 4 MiB


@pytest.fixture(scope="module")
def gateway(module_gateways):
    return module_gateways.start()


@pytest.fixture
def h2_backends():
    made = [H2Backend(), H2Backend()]
    yield made
    for backend in made:
        backend.close()


@pytest.fixture
def job_of(gateway, records):
    """A job with these URLs: its host, its id, a token."""
    def make(*urls):
        token, job = records.token(), records.job(" ".join(getattr(url, "url", url) for url in urls))
        return f"{job}.{DOMAIN}", job, token
    return make


def ask_http1(gateway, host, token):
    client = Client(gateway.address)
    client.send(request_bytes(host, token))

    def read():
        response = client.read_response()
        client.close()
        return response.status, response.body
    return read


def ask_http2(gateway, host, token):
    client = H2Client(gateway.address)
    stream = client.request(host, token)

    def read():
        answer = client.answer(stream)
        client.close()
        return answer.status, answer.body
    return read


CLIENTS = pytest.mark.parametrize("ask", [ask_http1, ask_http2])


def take(backends):
    return eventually(lambda: next(((backend, backend.next()) for backend in backends if not backend.untouched()), None),
                      "the request at one of the backends")


@CLIENTS
def test_large_answers_of_all_replicas_at_once(gateway, job_of, backends, ask):
    host, _, token = job_of(*backends)
    readers, senders = [], []
    for _ in range(6):
        readers.append(ask(gateway, host, token))
        backend, connection = take(backends)
        connection.read_request()
        senders.append((backend, threading.Thread(target=connection.answer, args=(LARGE,))))
    # A busy replica gets none while the others have fewer: each of the three has two at the end, give or take one.
    counts = sorted(sum(backend is at for at, _ in senders) for backend in backends)
    assert counts[0] >= 1 and counts[2] <= 3
    for _, thread in senders:
        thread.start()
    with concurrent.futures.ThreadPoolExecutor(len(readers)) as pool:
        answers = list(pool.map(lambda read: read(), readers))
    assert all(answer == (200, LARGE) for answer in answers)
    for _, thread in senders:
        thread.join()


@CLIENTS
def test_a_replica_is_removed_while_it_streams(gateway, job_of, backends, ask):
    """What was sent to it goes on to its end; new requests go to the others."""
    host, job, token = job_of(*backends)
    read = ask(gateway, host, token)
    removed, connection = take(backends)
    connection.read_request()
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(LARGE), LARGE[:1000])
    others = [backend for backend in backends if backend is not removed]
    Control(gateway.socket_path).done("PATCH", f"/v1/jobs/{job}", {"url": " ".join(backend.url for backend in others)})
    for _ in range(4):
        other = ask(gateway, host, token)
        _, at_other = take(others)
        at_other.read_request()
        at_other.answer(b"other")
        assert other() == (200, b"other")
    sender = threading.Thread(target=connection.send, args=(LARGE[1000:],))
    sender.start()
    assert read() == (200, LARGE)
    sender.join()
    assert removed.untouched()


@CLIENTS
def test_a_revocation_ends_the_streams_of_all_replicas(gateway, job_of, records, backends, ask):
    """Also of one that the record does not name any more."""
    host, job, token = job_of(*backends)
    running, readers = [], []
    for _ in range(3):
        readers.append(ask(gateway, host, token))
        running.append(take(backends)[1])
        running[-1].read_request()
        running[-1].send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfirst")
    Control(gateway.socket_path).done("PATCH", f"/v1/jobs/{job}", {"url": backends[0].url + " " + backends[1].url})
    records.delete_token(token)
    for connection in running:
        assert connection.ended()


def test_revocations_while_replicas_change(gateway, job_of, records, backends):
    """Whatever the order in which the changes arrive, nothing reaches a backend after the token is gone."""
    host, job, token = job_of(*backends)
    control = Control(gateway.socket_path)
    for round_ in range(10):
        chosen = [backends[(round_ + i) % 3].url for i in range(2)]
        control.done("PATCH", f"/v1/jobs/{job}", {"url": " ".join(chosen)})
        other = records.token()
        read = ask_http1(gateway, host, other)
        backend, connection = take(backends)
        assert backend.url in chosen
        connection.read_request()
        control.done("DELETE", f"/v1/tokens/{other.id}", status=204)
        control.done("PATCH", f"/v1/jobs/{job}", {"url": " ".join(reversed(chosen))})
        assert connection.ended()
        assert read()[0] == 401
        assert ask_http1(gateway, host, other)()[0] == 401
    assert all(backend.untouched() for backend in backends)


@CLIENTS
def test_a_dead_replica_beside_streams(gateway, job_of, backends, ask):
    host, _, token = job_of(f"http://127.0.0.1:{free_port()}", backends[0])
    for _ in range(8):
        read = ask(gateway, host, token)
        connection = backends[0].next()
        connection.read_request()
        connection.answer(b"alive")
        assert read() == (200, b"alive")


@CLIENTS
def test_a_replica_that_accepts_and_closes(gateway, job_of, backends, ask):
    """The head was sent, so only a request that may be repeated goes to the other one."""
    host, _, token = job_of(*backends[:2])
    seen = set()
    for _ in range(12):
        read = ask(gateway, host, token)
        backend, connection = take(backends[:2])
        seen.add(backend)
        if backend is backends[0]:
            connection.read_request()
            connection.close()
            connection = backends[1].next()
        connection.read_request()
        connection.answer(b"second")
        assert read() == (200, b"second")
    assert len(seen) == 2


def test_http2_replicas_share_streams(gateway, job_of, h2_backends):
    """Sixteen requests on one connection for each replica, eight on each: exchanges count, not connections."""
    host, _, token = job_of(*h2_backends)
    with H2Client(gateway.address) as client:
        streams = [client.request(host, token) for _ in range(16)]
        connections = [backend.accept() for backend in h2_backends]
        asked = eventually(lambda: next(iter([counts] for counts in [[count_of(at) for at in connections]] if sum(counts) == 16), None),
                           "all requests at the backends")[0]
        assert all(4 <= count <= 12 for count in asked)
        for connection in connections:
            while waiting := connection.waiting():
                connection.reply(waiting[0], LARGE[:10000])
        for stream in streams:
            answer = client.answer(stream)
            assert (answer.status, answer.body) == (200, LARGE[:10000])
    assert not any(backend.is_called() for backend in h2_backends)


def count_of(connection):
    """How many requests have come on it; what waits there is read."""
    while connection.has_frame or select.select([connection.sock], [], [], 0)[0]:
        connection.read_frame()
    return len(connection.waiting())


def test_what_an_http2_replica_has_not_processed_goes_to_another(gateway, job_of, h2_backends):
    """Whatever the method."""
    host, _, token = job_of(*h2_backends)
    client = Client(gateway.address)
    client.send(request_bytes(host, token, "POST", body=b"content"))
    first = eventually(lambda: next((backend for backend in h2_backends if backend.is_called()), None), "a connection")
    second = h2_backends[1 - h2_backends.index(first)]
    refusing = first.accept()
    refusing.reset(refusing.next_stream(), 7)
    taking = second.accept()
    stream = taking.next_stream()
    assert taking.answers[stream].body == b"content"
    taking.reply(stream, b"second")
    assert client.read_response("POST").body == b"second"
    client.close()


def test_grpc_goes_to_a_replica_that_is_up(gateway, job_of, h2_backends):
    host, _, token = job_of(f"grpc://127.0.0.1:{free_port()}", h2_backends[0].url.replace("h2c:", "grpc:"))
    channel = grpc.insecure_channel("%s:%d" % gateway.address, options=[
        ("grpc.default_authority", host), ("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1)])
    connection = None
    for _ in range(4):
        call = channel.unary_unary("/tests.Service/Method").future(
            b"ask", timeout=PATIENCE, metadata=[("authorization", f"Bearer {token.value}")])
        connection = connection or h2_backends[0].accept()
        stream = connection.next_stream()
        assert connection.answers[stream].body == b"\0\0\0\0\3ask"
        connection.reply(stream, b"\0\0\0\0\2ok", fields=[("content-type", "application/grpc")], trailers=[("grpc-status", "0")])
        assert call.result() == b"ok"
    channel.close()


def test_replicas_of_different_protocols(gateway, job_of, backends, h2_backends):
    host, _, token = job_of(backends[0], h2_backends[0])
    h2, kinds = None, set()
    for _ in range(20):
        read = ask_http1(gateway, host, token)
        kind = eventually(lambda: "http1" if not backends[0].untouched() else "h2" if h2_backends[0].is_called() or (h2 and count_of(h2)) else None,
                          "the request")
        kinds.add(kind)
        if kind == "http1":
            connection = backends[0].next()
            connection.read_request()
            connection.answer(b"ok")
        else:
            h2 = h2 or h2_backends[0].accept()
            h2.reply(h2.next_stream(), b"ok")
        assert read() == (200, b"ok")
    assert kinds == {"http1", "h2"}


def test_the_log_names_the_replica(gateway, records, backends):
    scene = Scene(gateway, records, backend=backends[0], url=f"{backends[0].url} http://127.0.0.1:{free_port()}")
    scene.client.send(scene.request())
    backends[0].serve()
    assert scene.client.read_response().status == 200
    assert gateway.access_entry(job=scene.job, status=200)["replica"] == backends[0].authority
    one = Scene(gateway, records, backend=backends[1])
    one.relay()
    assert "replica" not in gateway.access_entry(job=one.job, status=200)
    for made in (scene, one):
        for client in made.clients:
            client.close()
