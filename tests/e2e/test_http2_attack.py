"""HTTP/2 under attack: damaged sessions, random frames, clients that do not read, clients that hardly write, all at once and
again and again, while a well-behaved client gets all of its answers.

JOBGATE_ATTACK_SECONDS says for how long, JOBGATE_ATTACK_SEED where to begin."""

import contextlib
import hashlib
import os
import random
import signal
import socket
import struct
import threading
import time

import pytest

from harness.cases import TOKEN, TOKEN_ID
from harness.h2 import H2Client
from harness.h2_cases import FLAGS, HELLO, TYPES, fields_of, literal, read_all
from harness.h2_plays import damaged, says_goaway
from harness.process import PATIENCE
from harness.store import Records
from test_hardening import resident_mib

SECONDS = float(os.environ.get("JOBGATE_ATTACK_SECONDS", "6"))
SEED = int(os.environ.get("JOBGATE_ATTACK_SEED", "1"))
MEMORY_MIB = 96  # that the worker may grow by; a sanitizer keeps what was freed for a while


def block(method="GET", path="/attack"):
    return b"".join(literal(*field) for field in fields_of(method, path))


def frame(kind, flags, stream, payload):
    return struct.pack(">HBBBL", len(payload) >> 8, len(payload) & 255, kind, flags, stream) + payload


def some_frame(chance):
    """A frame that is more or less right."""
    kind = chance.choice([*TYPES.values(), *TYPES.values(), 0x42])
    stream = chance.choice((0, 1, 1, 3, 5, 7, 9, 2, 101, 0x7fffffff)) if chance.random() < 0.9 else chance.getrandbits(31)
    flags = chance.choice((0, 1, 4, 5, 5, 8, 0x20, 0xff))
    if kind in (TYPES["HEADERS"], TYPES["CONTINUATION"]):
        payload = block(chance.choice(("GET", "POST", "HEAD")))
        flags &= ~0x28
    elif kind in (TYPES["WINDOW_UPDATE"], TYPES["RST_STREAM"]):
        payload = struct.pack(">L", chance.choice((0, 1, 8, 1000, 0x7fffffff, 0xffffffff)))
    elif kind == TYPES["SETTINGS"]:
        payload = b"" if flags & 1 else b"".join(
            struct.pack(">HL", chance.randrange(10), chance.choice((0, 1, 100, 16_384, 65_535, 0x7fffffff)))
            for _ in range(chance.randrange(4)))
        stream = 0
    else:
        payload = chance.randbytes(chance.choice((0, 4, 5, 8, 8, 100, 16_384)))
    return frame(kind, flags, stream, payload)


class Attack:
    def __init__(self, address):
        self.address, self.over = address, threading.Event()
        self.connections, self.faults, self.cases = 0, [], read_all()

    def connect(self):
        self.connections += 1
        sock = socket.create_connection(self.address, timeout=PATIENCE)
        if self.connections % 3 == 0:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return sock

    def repeat(self, attack, seed):
        chance = random.Random(seed)
        while not self.over.is_set():
            with contextlib.suppress(OSError), self.connect() as sock:
                attack(sock, chance)

    def send_and_read(self, sock, chance, data):
        """In pieces, with some reading in between; then go, at once or when the gateway has nothing to say."""
        while data:
            n = chance.choice((1, 9, 100, 1000, 100_000))
            sock.sendall(data[:n])
            data = data[n:]
        if chance.random() < 0.3:
            return
        sock.shutdown(socket.SHUT_WR)
        received = b""
        while not says_goaway(received) and (more := sock.recv(65536)):
            received += more

    def damaged_session(self, sock, chance):
        self.send_and_read(sock, chance, damaged(self.cases, chance))

    def random_frames(self, sock, chance):
        data = HELLO + b"".join(some_frame(chance) for _ in range(chance.choice((1, 3, 10, 100))))
        self.send_and_read(sock, chance, data)

    def head_flood(self, sock, chance):
        """Heads of answers have no window. It never reads."""
        sock.settimeout(0.2)
        requests = (frame(TYPES["HEADERS"], 5, 2 * i + 1, block("HEAD")) for i in range(10_000))
        sock.sendall(HELLO)
        for request in requests:
            sock.sendall(request)

    def slow_uploads(self, sock, chance):
        sock.sendall(HELLO)
        ids = range(1, 40, 2)
        for i in ids:
            sock.sendall(frame(TYPES["HEADERS"], 4, i, block("POST")))
        for _ in range(chance.randrange(100)):
            sock.sendall(frame(TYPES["DATA"], 0, chance.choice(ids), b"x"))
            if self.over.wait(0.05):
                return

    def closed_windows(self, sock, chance):
        """Answers with content that it gives no window for."""
        sock.sendall(HELLO + frame(TYPES["SETTINGS"], 0, 0, struct.pack(">HL", 4, 0)))
        for i in range(1, 100, 2):
            sock.sendall(frame(TYPES["HEADERS"], 5, i, block()))
        self.over.wait(chance.random())

    def good_client(self, answers):
        """One connection for all of its requests."""
        try:
            with H2Client(self.address) as client:
                while not self.over.is_set():
                    stream = client.take_id()
                    client.send(client.headers(stream, fields_of("GET", "/good")))
                    answer = client.answer(stream)
                    assert (answer.status, answer.body) == (200, b"good"), vars(answer)
                    answers.append(stream)
        except (AssertionError, OSError, EOFError) as error:
            self.faults.append(f"the good client: {error!r}")


@pytest.fixture(params=["fast", "slow"])
def backend_url(request, nginx_backend, slow_backend):
    (nginx_backend.files / "good").write_bytes(b"good")
    (nginx_backend.files / "attack").write_bytes(b"x" * 100_000)
    return (nginx_backend if request.param == "fast" else slow_backend).url


def test_a_good_client_is_served_meanwhile(gateways, store, backend_url):
    signal.alarm(int(SECONDS) + 120)  # for the deadline of conftest.py
    records = Records(store.client)
    records.client.hset(records.token_key(TOKEN_ID), mapping={
        "name": "attack", "role": "read", "selector": "", "version": "1", "hash": hashlib.sha256(TOKEN.encode()).hexdigest(),
        "created_at": "2024-01-01T00:00:00Z", "updated_at": "2024-01-01T00:00:00Z"})
    gateway = gateways.start({
        "jobs": {"domain": None, "prefix": None, "fixed": records.job(), "fixed_url": backend_url},
        "timeouts": {"answer": "2s", "body": "2s"}}, store_url=store.url)
    attack, answers, family = Attack(gateway.address), [], gateway.workers()
    before, peak = resident_mib(family[0]), 0
    kinds = [attack.damaged_session, attack.random_frames, attack.damaged_session, attack.random_frames,
             attack.head_flood, attack.slow_uploads, attack.closed_windows]
    threads = [threading.Thread(target=attack.repeat, args=(kind, SEED + i)) for i, kind in enumerate(kinds)]
    threads.append(threading.Thread(target=attack.good_client, args=(answers,)))
    for thread in threads:
        thread.start()
    end = time.monotonic() + SECONDS
    while time.monotonic() < end and not attack.faults and gateway.workers() == family:
        peak = max(peak, resident_mib(family[0]))
        attack.over.wait(0.1)
    attack.over.set()
    for thread in threads:
        thread.join()
    print(f"{attack.connections} connections, {len(answers)} good answers, memory from {before} to {peak} MiB")
    assert not attack.faults
    assert gateway.workers() == family
    assert len(answers) > 10 and attack.connections > 10
    assert peak < before + MEMORY_MIB
    assert gateway.stop() == 0
