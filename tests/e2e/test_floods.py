"""Clients that are slow, that flood, that leave half-way: memory stays bounded, other clients are served, and each
exchange ends with the right outcome (include/jobgate/outcome.h)."""

import select
import socket
import threading
import time

import pytest

from harness.process import eventually
from harness.raw import Backend, Closed, Cut
from harness.scene import request_bytes
from test_hardening import Flood, ignore, others_are_served, resident_mib
from test_limits import closed_unread

MEMORY_MIB = 64  # that a worker may grow by, whatever comes


class Memory:
    """Looks at a worker's memory again and again, and at its end asserts that it has not grown by much."""

    def __init__(self, gateway, grow=MEMORY_MIB):
        self.worker, self.grow = gateway.workers()[0], grow

    def __enter__(self):
        self.before = self.peak = resident_mib(self.worker)
        return self

    def look(self):
        self.peak = max(self.peak, resident_mib(self.worker))

    def __exit__(self, *exc):
        self.look()
        if exc[0] is None:
            assert self.peak < self.before + self.grow, f"from {self.before} to {self.peak} MiB"


def outcomes(gateway, outcome):
    return gateway.metrics()[f'jobgate_exchanges_total{{outcome="{outcome}"}}']


def dribble(clients, byte, pause):
    """A byte from each now and then, until the gateway has had enough of all of them."""
    left = set(clients)
    while left:
        for client in list(left):
            try:
                client.send(byte)
            except OSError:
                left.discard(client)
                continue
            if not client.silent():
                left.discard(client)
        time.sleep(pause)


# ---- room for others ----

def test_who_only_waits_gives_way(module_gateways, scene_of):
    """All places are taken by connections without a request: a client with a request still gets in."""
    gateway = module_gateways.start({"limits": {"connections": 5, "connections_per_client": 0}})
    scene = scene_of(gateway)
    kept, served = [], []

    def another():
        client = scene.new_client()
        try:
            assert client.exchange(request_bytes(scene.host)).status == 401
        except (Closed, OSError):
            return False  # those who are there are left in peace for a while
        kept.append(client)
        served.append(client)
        return True
    for _ in range(12):
        eventually(another, "a place to become free", pause=0.05)
    metrics = gateway.metrics()
    assert metrics["jobgate_connections"] <= 5
    assert metrics["jobgate_connections_evicted_total"] >= 7
    eventually(lambda: "no room for more connections: closed one from 127.0.0.1 that waited" in gateway.program.log(), "the log line")
    for client in kept[:7]:
        client.ended()  # silently, as after any idle time


@pytest.mark.parametrize("state", ["half a head", "refused content", "unread end", "half a form"])
def test_who_dawdles_gives_way(module_gateways, scene_of, state):
    gateway = module_gateways.start({"limits": {"connections": 4, "connections_per_client": 0}})
    scene = scene_of(gateway)
    for _ in range(4):
        client = scene.new_client()
        if state == "half a head":
            client.send(scene.request()[:-10])
        elif state == "refused content":
            client.send(request_bytes(scene.host, method="POST", fields=["Content-Length: 1000"]) + b"x")
            client.read_response("POST")
        elif state == "half a form":  # of a person who is signing in, so still without a token
            fields = [f"Origin: http://{scene.host}", "Content-Length: 1000"]
            client.send(request_bytes(scene.host, method="POST", path="/.jobgate/sign-in", fields=fields) + b"token=")
        else:
            client.send(b"BAD\r\n\r\n")
            client.read_response()

    def served():
        try:
            with gateway.client() as client:
                return client.exchange(request_bytes(scene.host)).status == 401
        except (Closed, OSError):
            return False
    eventually(served, "a place to become free", patience=30, pause=0.05)


@pytest.mark.parametrize("reads", [True, False])
def test_who_is_only_refused_gives_way(module_gateways, scene_of, reads):
    """Whether it asks again and again, or leaves the refusals unread: it has shown no token, and had its time."""
    gateway = module_gateways.start({"limits": {"connections": 4, "connections_per_client": 0}, "log": {"access": "off"}})
    scene = scene_of(gateway)
    if reads:
        clients = [scene.new_client() for _ in range(4)]
    else:
        clients = [flooded(gateway, scene.host, 20_000)[0] for _ in range(4)]

    def served():
        for client in clients if reads else ():
            ignore(lambda: client.exchange(request_bytes(scene.host)) if client.silent() else None)
        try:
            with gateway.client() as other:
                return other.exchange(request_bytes(scene.host)).status == 401
        except (Closed, OSError):
            return False
    eventually(served, "a place to become free", patience=10, pause=0.05)
    for client in clients:
        client.close()


def test_who_is_served_gives_no_way(module_gateways, scene_of):
    gateway = module_gateways.start({"limits": {"connections": 3}})
    scene = scene_of(gateway)
    clients = [scene.new_client() for _ in range(3)]
    connections = []
    for client in clients:
        client.send(scene.request())
        connections.append(scene.backend.next())
        connections[-1].read_request()
    until = time.monotonic() + 1.5
    while time.monotonic() < until:
        with gateway.client() as late:  # closed at once: a fast machine opens thousands
            assert closed_unread(late)
    for connection, client in zip(connections, clients):
        connection.answer()
        assert client.read_response().status == 200


def test_idle_backend_connections_give_way(module_gateways, scene_of):
    """There are no more of them than client connections: each side has that many descriptors."""
    gateway = module_gateways.start({"limits": {"connections": 3}})
    scenes = [scene_of(gateway) for _ in range(8)]
    with gateway.client() as client:
        for scene in scenes * 2:
            client.send(scene.request())
            scene.backend.serve()
            assert client.read_response().status == 200
            assert gateway.metrics()["jobgate_backend_connections"] <= 3


# ---- slow clients ----

@pytest.fixture(scope="module")
def hasty(module_gateways):
    """Short time-outs, and no limit on the connections of a client."""
    times = {"head": "1500ms", "body": "1200ms", "answer": "1500ms", "first_byte": "1500ms", "linger": "500ms"}
    return module_gateways.start({"timeouts": times, "limits": {"connections_per_client": 0}})


def test_slow_heads(hasty, scene_of):
    scene = scene_of(hasty)
    before = outcomes(hasty, "head_timeout")
    clients = [scene.new_client() for _ in range(300)]
    with Memory(hasty) as memory:
        for client in clients:
            client.send(scene.request(fields=["X-Slow: "])[:-4])
        assert others_are_served(scene, 0.5) >= 1
        memory.look()
        dribble(clients, b"x", 0.2)
    for client in clients[:20]:
        assert client.read_response().status == 408
    assert outcomes(hasty, "head_timeout") == before + 300
    scene.untouched()


def test_slow_bodies(hasty, scene_of):
    """Some moves, then none: the backend is let go of as well."""
    scene = scene_of(hasty)
    clients, connections = [scene.new_client() for _ in range(100)], []
    with Memory(hasty) as memory:
        for client in clients:
            client.send(scene.request("POST", fields=["Content-Length: 1000"]) + b"x")
            connections.append(scene.backend.accept())
        for _ in range(5):
            for client in clients:
                client.send(b"x")
            time.sleep(0.1)
        memory.look()
        assert others_are_served(scene, 0.5) >= 1
        for client in clients:
            assert client.read_response("POST").status == 408
    for connection in connections:
        assert connection.read_to_end().endswith(b"\r\n\r\n" + b"x" * 6)
    assert outcomes(hasty, "body_timeout") >= 100


def test_slow_readers(module_gateways, scene_of, sink_backend):
    """Far more is to be read than the gateway may hold; it is cut once nothing has moved for too long."""
    gateway = module_gateways.start({"timeouts": {"answer": "1500ms"}})
    scene = scene_of(gateway, url=sink_backend.url)
    size = 256 << 20
    clients = [scene.new_client() for _ in range(30)]
    with Memory(gateway) as memory:
        for client in clients:
            client.send(scene.request(path=f"/{size}"))
        assert others_are_served(scene, 0.5) >= 1
        memory.look()
        eventually(lambda: memory.look() or outcomes(gateway, "answer_idle") == 30, "all of them to be cut", patience=60)
    for client in clients[:5]:
        response = client.read_head()
        with pytest.raises(Cut):
            client.read_body(response)


def test_slow_reader_that_reads(module_gateways, scene_of, sink_backend):
    """A few bytes now and then are enough to stay, although the kernel lets the gateway send only after a megabyte."""
    gateway = module_gateways.start({"timeouts": {"answer": "3s"}})
    scene = scene_of(gateway, url=sink_backend.url)
    size = 32 << 20
    client = scene.client
    client.send(scene.request(path=f"/{size}"))
    response = client.read_head()
    got, until = 0, time.monotonic() + 9
    while time.monotonic() < until:
        got += len(client.read_piece())
        time.sleep(0.5)
    while (piece := client.read_piece()) is not None:
        got += len(piece)
    assert (response.status, got) == (200, size)


def flooded(gateway, host, count, fields=()):
    """A client that has sent this many requests before it reads an answer, and the thread that still sends."""
    client = gateway.client()
    sender = threading.Thread(target=lambda: ignore(lambda: client.sock.sendall(request_bytes(host, fields=fields) * count)), daemon=True)
    sender.start()
    seen = -1

    def held_back():
        nonlocal seen
        before, seen = seen, gateway.metrics()["jobgate_requests_total"]
        return before == seen > 0
    eventually(held_back, "the gateway to take no more", patience=60, pause=0.3)
    return client, sender


@pytest.mark.parametrize("fields", [[], ["Accept: text/html"]], ids=["short answers", "pages"])
def test_pipeline_that_is_read_late(module_gateways, scene_of, fields):
    """Neither `head` nor `keep_alive` counts while answers wait to be read; and each comes whole."""
    gateway = module_gateways.start({"timeouts": {"keep_alive": "100ms", "head": "100ms"}, "log": {"access": "off"}})
    count = 40_000
    client, sender = flooded(gateway, scene_of(gateway).host, count, fields)
    with client:
        assert gateway.metrics()["jobgate_requests_total"] < count
        first = client.read_response()
        assert first.status == 401
        data, left = bytearray(client.buffer), count - 1
        length = None
        while length is None or len(data) < length * left:
            data += client.sock.recv(1 << 20)
            if length is None and data.count(b"HTTP/1.1 ") > 1:
                length = data.index(b"HTTP/1.1 ", 1)  # all answers are as long as this one
        assert data.count(b"HTTP/1.1 401 ") == data.count(b"HTTP/1.1 ") == left
        sender.join()


@pytest.mark.parametrize("status", ["103 Early Hints", "100 Continue"])
def test_hints_that_are_not_read(module_gateways, scene_of, status):
    """What a backend says before its answer is dropped where its client has no room for it, and the answer comes."""
    gateway = module_gateways.start()
    scene = scene_of(gateway)
    hint = f"HTTP/1.1 {status}\r\nX-Pad: ".encode() + b"x" * 15_000 + b"\r\n\r\n"
    clients = [scene.new_client() for _ in range(120)]
    with Memory(gateway) as memory:
        for client in clients:
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.send(scene.request("POST", fields=["Expect: 100-continue", "Content-Length: 2"]))
            connection = scene.backend.accept()
            connection.read_head()
            connection.send(hint * 60)
            connection.answer(b"at last")
        assert others_are_served(scene, 0.5) >= 1
    data = clients[0].read_until(b"at last")
    assert data.startswith(hint) and data.count(b"HTTP/1.1 200 OK") == 1


def test_pipeline_that_is_read_no_more(module_gateways, scene_of):
    gateway = module_gateways.start({"timeouts": {"keep_alive": "100ms", "answer": "300ms"}, "log": {"access": "off"}})
    count = 100_000
    client, sender = flooded(gateway, scene_of(gateway).host, count)
    with client:
        eventually(lambda: gateway.metrics()["jobgate_connections"] == 0, "the connection to end")
        sender.join()
    assert gateway.metrics()["jobgate_requests_total"] < count


def test_pipeline_of_one_who_does_not_read(hasty, scene_of):
    """Refusals are small, but there is no end of them."""
    scene = scene_of(hasty)
    with Memory(hasty) as memory, scene.gateway.client() as client, \
            Flood(client.sock, request_bytes(scene.host) * 200):
        for _ in range(5):
            assert others_are_served(scene, 0.3) >= 1
            memory.look()


def test_pipelined_requests(module_gateways, scene_of):
    """A hundred thousand on one connection are answered in order, with others served meanwhile."""
    gateway = module_gateways.start({"log": {"access": "off"}})
    scene, count, mark = scene_of(gateway), 100_000, b"HTTP/1.1 401 "
    pending = request_bytes(scene.host) * count
    answers, tail, sent = 0, b"", 0
    with Memory(gateway) as memory, gateway.client() as client:
        client.sock.setblocking(False)
        while answers < count:
            readable, writable, _ = select.select([client.sock], [client.sock] if sent < len(pending) else [], [], 15)
            assert readable or writable, f"nothing moves after {answers} answers"
            if writable:
                sent += client.sock.send(pending[sent:sent + (1 << 18)])
            if not readable:
                continue
            data = tail + client.sock.recv(1 << 20)
            before, answers = answers, answers + data.count(mark)
            tail = data[data.rfind(mark) + len(mark):][-len(mark):] if mark in data else data[-len(mark):]
            if before // 10_000 != answers // 10_000:
                memory.look()
                with gateway.client() as other:
                    assert other.exchange(request_bytes(scene.host)).status == 401
    assert gateway.metrics()["jobgate_requests_total"] >= count


@pytest.mark.alone
@pytest.mark.parametrize("way", ["up", "down"])
def test_tiny_chunks(scene, way):
    """A byte for each chunk: six on the wire for one that counts."""
    count = 100_000
    client = scene.client
    chunks = b"1\r\nx\r\n" * 1000
    with Memory(scene.gateway) as memory:
        if way == "up":
            client.send(scene.request("POST", fields=["Transfer-Encoding: chunked"]))
            connection = scene.backend.next()
            connection.read_head()
            source, sink = client, connection
        else:
            client.send(scene.request())
            connection = scene.backend.next()
            connection.read_head()
            connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            source, sink = connection, client
            client.read_until(b"\r\n\r\n")
        left, got = count // 1000, b""
        source.sock.setblocking(False)
        pending = b""
        while not got.endswith(b"0\r\n\r\n"):
            if not pending and left >= 0:
                pending, left = chunks if left else b"0\r\n\r\n", left - 1
            readable, writable, _ = select.select([sink.sock], [source.sock] if pending else [], [], 15)
            assert readable or writable, "nothing moves"
            if writable:
                pending = pending[source.sock.send(pending):]
            if readable:
                got += sink.sock.recv(1 << 20)
        memory.look()
        assert got.count(b"x") == count
        assert others_are_served(scene, 0.2) >= 1


def test_backend_that_never_answers(hasty, scene_of):
    scene = scene_of(hasty, backend=Backend(backlog=256))
    before = outcomes(hasty, "answer_timeout")
    clients = [scene.new_client() for _ in range(200)]
    with Memory(hasty) as memory:
        for client in clients:
            client.send(scene.request())
        assert others_are_served(scene, 0.5) >= 1
        for client in clients:
            assert client.read_response().status == 504
        memory.look()
    assert outcomes(hasty, "answer_timeout") == before + 200
    for _ in clients:
        scene.backend.accept().read_to_end()


@pytest.mark.alone
def test_flood_of_connections(hasty, scene_of):
    """Opened and dropped as fast as can be, by reset and in good order, with and without a byte."""
    scene = scene_of(hasty)
    with Memory(hasty) as memory:
        until, count = time.monotonic() + 3, 0
        while time.monotonic() < until:
            clients = [scene.gateway.client() for _ in range(50)]
            for number, client in enumerate(clients):
                if number % 3 == 0:
                    client.send(b"G")
                client.reset() if number % 2 else client.close()
            count += len(clients)
            assert others_are_served(scene, 0.02) >= 1
            memory.look()
    assert count > 100
    eventually(lambda: hasty.metrics()["jobgate_connections"] == 0, "all of them to be forgotten")
