"""Each time-out has its own outcome and its own word in the log (include/jobgate/outcome.h).

All are set short here. A test asserts that the end comes, how it comes, and that it does not come too early,
but never how late it comes."""

import json
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.process import eventually
from harness.raw import Backend, Cut
from harness.scene import request_bytes
from test_upgrade import open_tunnel

SHORT = 400  # milliseconds
LONG = 60_000


@pytest.fixture(scope="module")
def with_timeout(module_gateways):
    """A gateway with this one time-out short and all others long; one for each, shared by its tests."""
    made = {}

    def get(name):
        if name not in made:
            names = ["head", "keep_alive", "body", "connect", "first_byte", "answer", "tunnel"]
            made[name] = module_gateways.start(
                {"timeouts": {other: f"{SHORT if other == name else LONG}ms" for other in names},
                 "limits": {"body_rate_min": 0}, "browser": {"same_host": True}})
        return made[name]
    return get


@pytest.fixture
def scene_with(with_timeout, scene_of):
    return lambda name, **kwargs: scene_of(with_timeout(name), **kwargs)


class Stopwatch:
    def __enter__(self):
        self.start = time.monotonic()
        return self

    def __exit__(self, *exc):
        if exc[0] is None:
            elapsed = (time.monotonic() - self.start) * 1000
            assert elapsed >= SHORT * 0.95, f"after {elapsed:.0f} ms, too early"


def problem_of(response, status):
    assert response.status == status, response
    assert response.field("content-type") == "application/problem+json"
    problem = json.loads(response.body)
    assert problem["status"] == status
    return problem


def test_request_head(scene_with):
    scene = scene_with("head")
    client = scene.client
    with Stopwatch():
        client.send(scene.request()[:20])
        response = client.read_response()
    problem_of(response, 408)
    client.ended()
    scene.gateway.access_entry(outcome="head_timeout", status=408)
    scene.untouched()


def test_request_head_that_trickles(scene_with):
    """The clock runs from the head's first byte; a byte now and then does not stop it."""
    scene = scene_with("head")
    client = scene.client
    with Stopwatch():
        try:
            for byte in scene.request(fields=["X-Pad: " + "x" * 1000]):
                client.send(bytes([byte]))
                time.sleep(0.02)
                if not client.silent():
                    break
            else:
                raise AssertionError("the whole head was taken")
        except OSError:
            pass
        assert client.read_response().status == 408


def test_request_head_behind_another_request(scene_with):
    """Its beginning has come already while the first one was served: it has to hurry as any other."""
    scene = scene_with("head")
    with Stopwatch():
        scene.client.send(request_bytes(scene.host) + b"GET / HTTP/1.1\r\nHost:")
        assert scene.client.read_response().status == 401
        assert scene.client.read_response().status == 408
    scene.client.ended()


def test_connection_on_which_nothing_comes(scene_with):
    """Whichever clock runs for it, it does not live for ever; and no answer is made up for it."""
    gateways = [scene_with(name).gateway for name in ["head", "keep_alive"]]
    seen = {}

    def one_ended():
        for client in clients:
            client.sock.setblocking(False)
            try:
                seen[client] = client.sock.recv(1 << 16)
            except BlockingIOError:
                pass
        return seen
    with Stopwatch():
        clients = [gateway.client() for gateway in gateways]
        eventually(one_ended, "the silent connection to end")
    for client in clients:
        client.close()


def test_idle_keep_alive(scene_with):
    """Closed silently: there was no request to answer."""
    scene = scene_with("keep_alive")
    scene.relay()
    with Stopwatch():
        assert scene.client.read_to_end() == b""


def test_body_idle(scene_with):
    scene = scene_with("body")
    client = scene.client
    client.send(scene.request("POST", fields=["Content-Length: 10"]))
    connection = scene.backend.accept()
    connection.read_head()
    with Stopwatch():
        client.send(b"12345")
        assert connection.read(5) == b"12345"
        connection.ended()
    assert client.read_response("POST").status == 408
    client.ended()
    scene.gateway.access_entry(job=scene.job, outcome="body_timeout")


def test_body_that_moves_is_not_idle(scene_with):
    scene = scene_with("body")
    client = scene.client
    client.send(scene.request("POST", fields=["Content-Length: 10"]))
    connection = scene.backend.accept()
    connection.read_head()
    for _ in range(10):
        time.sleep(SHORT / 1000 / 4)
        client.send(b"x")
        connection.read(1)
    connection.answer()
    assert client.read_response("POST").status == 200


@pytest.fixture(scope="module")
def with_rate(module_gateways):
    return module_gateways.start({"timeouts": {"body": "2s", "answer": "60s"}, "limits": {"body_rate_min": 1000},
                                  "browser": {"same_host": True}})


def trickle(client):
    """A byte now and then, until there is an answer."""
    start = time.monotonic()
    while client.silent():
        client.send(b"x")
        time.sleep(0.05)
    assert time.monotonic() - start > 1.9
    assert client.read_response("POST").status == 408


def test_body_that_trickles(with_rate, scene_of):
    scene = scene_of(with_rate)
    scene.client.send(scene.request("POST", fields=["Content-Length: 100000"]))
    with scene.backend.accept() as connection:
        connection.read_head()
        trickle(scene.client)
    scene.gateway.access_entry(job=scene.job, outcome="body_timeout", status=408)


def test_form_that_trickles(with_rate, scene_of):
    """Without any token."""
    scene = scene_of(with_rate)
    scene.client.send(f"POST /.jobgate/sign-in HTTP/1.1\r\nHost: {scene.host}\r\nOrigin: http://{scene.host}\r\n"
                      "Content-Length: 8000\r\n\r\n".encode())
    trickle(scene.client)


@pytest.mark.parametrize("expect", [[], ["Expect: 100-continue"]], ids=["silent", "expects 100"])
def test_form_that_is_announced_and_does_not_come(scene_with, expect):
    """Nor may who asks before sending hold a place for ever."""
    scene = scene_with("body")
    fields = "".join(f"{field}\r\n" for field in [f"Host: {scene.host}", f"Origin: http://{scene.host}", "Content-Length: 10", *expect])
    with Stopwatch():
        scene.client.send(f"POST /.jobgate/sign-in HTTP/1.1\r\n{fields}\r\n".encode())
        if expect:
            assert scene.client.read(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        problem_of(scene.client.read_response("POST"), 408)


def test_body_that_comes_in_bursts(with_rate, scene_of):
    """Between them it lags behind, but makes up for it."""
    scene = scene_of(with_rate)
    scene.client.send(scene.request("POST", fields=["Content-Length: 50000"]))
    with scene.backend.accept() as connection:
        connection.read_head()
        for _ in range(10):
            time.sleep(0.3)
            scene.client.send(b"x" * 5000)
        assert connection.read(50000) == b"x" * 50000
        connection.answer()
        assert scene.client.read_response("POST").status == 200


def test_body_that_the_backend_does_not_read(with_rate, scene_of):
    """It is not the client who is slow; nor may it be too slow afterwards."""
    scene, size = scene_of(with_rate), 32 << 20
    scene.client.send(scene.request("POST", fields=[f"Content-Length: {size + 1}"]))
    with scene.backend.accept() as connection, ThreadPoolExecutor() as pool:
        connection.read_head()
        sent = pool.submit(scene.client.send, b"x" * size)
        time.sleep(3)
        assert not sent.done() and scene.client.silent()
        left = size - len(connection.buffer)
        while left > 0:
            left -= len(connection.sock.recv(1 << 20))
        sent.result()
        scene.client.send(b"x")
        connection.buffer = b""
        connection.read(1)
        connection.answer()
        assert scene.client.read_response("POST").status == 200


def test_connect(scene_with):
    """A listener with a full queue leaves a SYN unanswered, as a host that is down does."""
    with Backend(backlog=0) as backend:
        fillers = []
        for _ in range(8):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", backend.port))
            fillers.append(sock)
        scene = scene_with("connect", backend=Backend(), url=backend.url)
        with Stopwatch():
            response = scene.client.exchange(scene.request())
        problem_of(response, 504)
        scene.gateway.access_entry(job=scene.job, outcome="connect_timeout", status=504)
        for sock in fillers:
            sock.close()


def test_first_byte_of_the_answer(scene_with):
    scene = scene_with("first_byte")
    client, connection, received = scene.arrive()
    with Stopwatch():
        response = client.read_response()
    assert problem_of(response, 504)["request_id"] == received.field("x-request-id")
    connection.ended()
    scene.gateway.access_entry(job=scene.job, outcome="answer_timeout", status=504)


def test_first_byte_waits_while_the_body_still_comes(scene_with):
    """A long upload is no silence of the backend's."""
    scene = scene_with("first_byte")
    client = scene.client
    client.send(scene.request("POST", fields=["Content-Length: 10"]))
    connection = scene.backend.accept()
    connection.read_head()
    for _ in range(10):
        time.sleep(SHORT / 1000 / 4)
        client.send(b"x")
        connection.read(1)
    connection.answer()
    assert client.read_response("POST").status == 200


def test_answer_idle(scene_with):
    scene = scene_with("answer")
    client, connection, _ = scene.arrive()
    with Stopwatch():
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345")
        response = client.read_head()
        with pytest.raises(Cut) as cut:
            client.read_body(response)
    assert cut.value.response.body == b"12345"
    connection.ended()
    scene.gateway.access_entry(job=scene.job, outcome="answer_idle", status=200)


def test_answer_that_moves_is_not_idle(scene_with):
    scene = scene_with("answer")
    client, connection, _ = scene.arrive()
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
    for _ in range(10):
        time.sleep(SHORT / 1000 / 4)
        connection.send(b"x")
    assert client.read_response().body == b"x" * 10


def test_tunnel_idle(scene_with):
    scene = scene_with("tunnel")
    client, connection = open_tunnel(scene)
    for _ in range(6):  # either direction keeps it alive
        time.sleep(SHORT / 1000 / 4)
        client.send(b"x")
        connection.read(1)
        time.sleep(SHORT / 1000 / 4)
        connection.send(b"y")
        client.read(1)
    with Stopwatch():
        client.ended()
    connection.ended()
    scene.gateway.access_entry(job=scene.job, outcome="tunnel_idle")


def test_tunnel_idle_while_its_client_reads(scene_with):
    """The reset at the end does not take back what a slow client has not read yet."""
    scene = scene_with("tunnel")
    scene.client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client, connection = open_tunnel(scene)
    words = b"x" * 100_000
    connection.send(words)
    scene.gateway.access_entry(job=scene.job, outcome="tunnel_idle")
    assert client.read(len(words)) == words
    client.ended()


def test_drain(gateways, scene_of):
    """At shutdown what runs may end, nothing new begins, and the exit is clean."""
    gateway = gateways.start({"timeouts": {"drain": "60s"}})
    scene = scene_of(gateway)
    idle = scene.new_client()
    client, connection, _ = scene.arrive()
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345")
    response = client.read_head()
    gateway.family = []
    gateway.program.send_signal(signal.SIGTERM)
    idle.ended()

    def closed():
        try:
            gateway.client().close()
            return False
        except OSError:
            return True
    eventually(closed, "the listener to close")
    connection.send(b"67890")
    assert client.read_body(response).body == b"1234567890"
    client.ended()
    assert gateway.program.wait() == 0


def test_drain_is_bounded(gateways, scene_of):
    gateway = gateways.start({"timeouts": {"drain": f"{SHORT}ms"}})
    scene = scene_of(gateway)
    client, connection, _ = scene.arrive()
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345")
    response = client.read_head()
    gateway.family = []
    with Stopwatch():
        gateway.program.send_signal(signal.SIGTERM)
        with pytest.raises(Cut):
            client.read_body(response)
    connection.ended()
    assert gateway.program.wait() == 0
    gateway.access_entry(job=scene.job, outcome="shutdown")
