"""A worker is stopped in the middle of its work: for longer than max_staleness while a token is revoked, or for less while
the token's time to live ends. Once it runs again, it begins no answer of 200, sends the job no request, and moves no byte
of what was running. Only the write that it was stopped at may still leave."""

import os
import pathlib
import random
import select
import signal
import socket
import time

import pytest

from harness.gateway import DOMAIN
from harness.process import PATIENCE, eventually
from harness.scene import request_bytes

ROUNDS, QUICK = 12, 3
SEEDS = [pytest.param(seed, marks=pytest.mark.slow) if seed >= QUICK else seed for seed in range(ROUNDS)]
BOUND = 0.5
CLOCKS = {"max_staleness": "500ms", "ping_interval": "100ms", "ping_deadline": "300ms", "connect_timeout": "1s",
          "lookup_timeout": "300ms"}
CROWD, STREAMS = 100, 4

# Between the last reading of the clock and the write there are some instructions, and the worker may be stopped there:
# then what it is just writing leaves, and nothing else.
GAP = 1

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
STREAM = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
TUNNEL = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x05hello"
LATE = b"late!"


class Crowd:
    """Many clients and the job behind them, all in one loop: so it knows at each moment what is on its way."""

    def __init__(self, gateway):
        self.gateway = gateway
        self.poller, self.handlers = select.epoll(), {}
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.listener.setblocking(False)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.arrived, self.backends, self.streams = [], [], []
        self.clients, self.answers = {}, {}
        self._add(self.listener, self._accept)

    def _add(self, sock, handler):
        self.handlers[sock.fileno()] = handler
        self.poller.register(sock, select.EPOLLIN)

    def _drop(self, sock):
        del self.handlers[sock.fileno()]
        self.poller.unregister(sock)
        sock.close()

    def turn(self, seconds):
        """What comes within this many seconds; false if nothing comes."""
        events = self.poller.poll(seconds)
        for fd, _ in events:
            if fd in self.handlers:
                self.handlers[fd]()
        return bool(events)

    def settle(self, quiet=0.05):
        while self.turn(quiet):
            pass

    def until(self, check, what):
        deadline = time.monotonic() + PATIENCE
        while not check():
            assert time.monotonic() < deadline, f"waited in vain for {what}"
            self.turn(0.02)

    # ---- the job ----

    def _accept(self):
        sock, _ = self.listener.accept()
        buffer = bytearray()
        self.backends.append(sock)
        self._add(sock, lambda: self._serve(sock, buffer))

    def _serve(self, sock, buffer):
        try:
            data = sock.recv(1 << 16)
        except OSError:
            data = b""
        if not data:
            self.backends.remove(sock)
            self._drop(sock)
            return
        if sock in self.streams:
            self.arrived.append(bytes(data))
            return
        buffer += data
        while b"\r\n\r\n" in buffer:
            head, _, rest = bytes(buffer).partition(b"\r\n\r\n")
            length = 4 if b"content-length: 4" in head.lower() else 0
            if len(rest) < length:
                return
            buffer[:] = rest[length:]
            self.arrived.append(head)
            if b"/stream" in head or b"/tunnel" in head:
                self.streams.append(sock)
            sock.sendall(STREAM if b"/stream" in head else TUNNEL if b"/tunnel" in head else OK)

    # ---- the clients ----

    def connect(self, request):
        sock = socket.create_connection(self.gateway.address, PATIENCE)
        self.clients[sock] = request
        self.answers[sock] = bytearray()
        self._add(sock, lambda: self._read(sock))
        return sock

    def _read(self, sock):
        try:
            data = sock.recv(1 << 16)
        except OSError:
            data = b""
        if not data:
            self._drop(sock)
            del self.clients[sock]
        self.answers[sock] += data

    def ask(self):
        for sock, request in list(self.clients.items()):
            try:
                sock.sendall(request)
            except OSError:
                pass  # cut, as it should be

    def clear(self):
        for sock in self.answers:
            self.answers[sock].clear()
        self.arrived.clear()

    def close(self):
        for sock in [*self.clients, *self.backends, self.listener]:
            self._drop(sock)
        self.poller.close()


def state_of(pid):
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def stop(pid):
    os.kill(pid, signal.SIGSTOP)
    eventually(lambda: state_of(pid) == "T", "the worker to stop")


def paused_round(crowd, records, worker, rng, lives=None):
    """The token is revoked while the worker is stopped, or ends because its time to live is over."""
    token, job = records.token(selector="model=base"), records.job(crowd.url, labels={"model": "base"})
    host = f"{job}.{DOMAIN}"
    get, post = request_bytes(host, token), request_bytes(host, token, "POST", body=b"body")
    upgrade = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw=="]
    running = [crowd.connect(request_bytes(host, token, path="/stream")) for _ in range(STREAMS)]
    running += [crowd.connect(request_bytes(host, token, path="/tunnel", fields=upgrade)) for _ in range(STREAMS)]
    crowd.ask()
    crowd.until(lambda: all(b"hello" in crowd.answers[sock] for sock in running), "the streams to run")
    for sock in running:
        crowd.clients[sock] = LATE  # what tunnels' clients say from now on
    if lives is not None:
        records.client.pexpire(records.token_key(token.id), int(lives * 1000))
    busy = [crowd.connect(rng.choice([get, post])) for _ in range(CROWD)]
    for sock in busy:
        sock.sendall(crowd.clients[sock])
    crowd.until(lambda: all(b"200 OK" in crowd.answers[sock] for sock in busy), "the crowd to be served")
    # At full work, and stopped at some moment of it.
    for sock in busy:
        sock.sendall(crowd.clients[sock])
    end = time.monotonic() + rng.random() * 0.02
    while time.monotonic() < end:
        crowd.turn(0)
    stop(worker)
    try:
        crowd.settle()
        if lives is None:
            records.delete_token(token)
        revoked = time.monotonic() + (lives or BOUND)
        crowd.ask()
        for sock in crowd.streams:
            sock.sendall(b"5\r\n" + LATE + b"\r\n")
        crowd.until(lambda: time.monotonic() > revoked + 0.2, "the bound to pass")
        crowd.settle()
        crowd.clear()
    finally:
        os.kill(worker, signal.SIGCONT)
    crowd.until(lambda: all(sock not in crowd.clients for sock in running), "the streams to be cut")
    crowd.until(lambda: all(sock not in crowd.clients or b" 401 " in crowd.answers[sock] or b" 503 " in crowd.answers[sock]
                            for sock in busy), "the crowd to be refused")
    crowd.settle()
    assert len(crowd.arrived) <= GAP, f"the job was sent {len(crowd.arrived)} requests, the first: {crowd.arrived[0][:80]}"
    begun = [sock for sock in busy if b" 200 " in crowd.answers[sock]]
    assert len(begun) <= GAP, f"{len(begun)} answers of 200 began"
    moved = [sock for sock in running if LATE in crowd.answers[sock]]
    assert not moved, f"{len(moved)} streams went on"


@pytest.mark.parametrize("seed", SEEDS)
def test_a_stopped_worker_honours_nothing_that_was_revoked(module_gateways, records, pausable, seed):
    rng = random.Random(seed)
    crowd = Crowd(pausable)
    try:
        paused_round(crowd, records, pausable.workers()[0], rng)
    finally:
        crowd.close()
    # It serves again what was not revoked.
    eventually(lambda: pausable.health("/readyz")[0] == 200, "the gateway to trust its store again")


@pytest.mark.parametrize("seed", SEEDS[:ROUNDS // 2])
def test_a_stopped_worker_honours_nothing_that_has_ended(module_gateways, records, patient, seed):
    """However long it may rely on what its store does not speak of."""
    crowd = Crowd(patient)
    try:
        paused_round(crowd, records, patient.workers()[0], random.Random(seed), lives=1)
    finally:
        crowd.close()


@pytest.fixture(scope="module")
def patient(module_gateways, redis_server):
    return module_gateways.start(store_url=redis_server.tcp_url)


@pytest.fixture(scope="module")
def pausable(module_gateways, redis_server):
    return module_gateways.start({"store": CLOCKS}, store_url=redis_server.tcp_url)
