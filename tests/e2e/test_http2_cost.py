"""What a request over HTTP/2 costs, counted as in test_cost.py: to a backend that speaks HTTP/1.1."""

import collections
import struct

import pytest

from harness.gateway import DOMAIN, release_binary
from harness.h2 import H2Client, frames
from harness.h2_cases import FLAGS, TYPES, literal
from test_cost import SMALL, Profile, end_trace

pytestmark = pytest.mark.alone

# Counted 22,200 and 18,940 with GCC 12 on Debian 12; see INSTRUCTIONS_MAX in test_cost.py.
INSTRUCTIONS_ALONE_MAX = 22_600
INSTRUCTIONS_TOGETHER_MAX = 19_200

TOGETHER = 64  # streams
OPENING = {"connect", "setsockopt", "getsockopt", "epoll_ctl"}  # calls on a new connection to a backend


@pytest.fixture
def measured(gateways, records, nginx_backend, tmp_path):
    """Start a gateway under a tool; returns it with a function that gets a small file on this many streams at once."""
    (nginx_backend.files / "small").write_bytes(b"x" * SMALL)
    program = release_binary()

    def start(*tool):
        wrapper = tmp_path / "jobgate"
        wrapper.write_text(f"#!/bin/sh\nexec {' '.join(map(str, tool))} {program} \"$@\"\n")
        wrapper.chmod(0o755)
        gateway = gateways.start({"log": {"level": "info", "access": None}}, program=str(wrapper))
        gateway.await_workers()
        token, host = records.token(), f"{records.job(nginx_backend.url)}.{DOMAIN}"

        def headers(stream, mark):
            # The path comes first, where strace shows it; nothing enters a table.
            block = literal(":path", f"/small?{mark}") + b"".join(literal(*field) for field in (
                (":method", "GET"), (":scheme", "http"), (":authority", host), ("authorization", f"Bearer {token.value}")))
            return struct.pack(">HBBBL", 0, len(block), TYPES["HEADERS"], FLAGS["END_STREAM"] | FLAGS["END_HEADERS"], stream) + block

        def ask(client, mark, streams=1):
            """This many requests in one piece, then all their answers."""
            ids = [client.take_id() for _ in range(streams)]
            client.send_bytes(b"".join(headers(stream, mark) for stream in ids))
            for stream in ids:
                answer = client.answer(stream)
                assert (answer.status, len(answer.body)) == (200, SMALL)
                del client.answers[stream]
        return gateway, ask
    return start


@pytest.fixture
def connect():
    clients = []

    def make(gateway):
        client = H2Client(gateway.address, hold=True)
        client.until(lambda: client.settings)
        client.send(frames.WindowUpdateFrame(0, window_increment=1 << 30))  # it gives nothing back later
        clients.append(client)
        return client
    yield make
    for client in clients:
        client.close()


def trace_of(measured, connect, tmp_path, streams, rounds):
    """(calls on the client's socket, calls on backends' sockets, waits, others) of a worker."""
    gateway, ask = measured("strace", "-D", "-q", "-ff", "-o", tmp_path / "trace")
    client = connect(gateway)
    for _ in range(5):
        ask(client, "warm", streams)
    ask(client, "begin")
    for _ in range(rounds):
        ask(client, "count", streams)
    ask(client, "end")
    trace = end_trace(gateway, tmp_path, "/small?")
    counts = {True: collections.Counter(), False: collections.Counter()}
    near = next(text.split(",")[0] for name, text in trace.calls if name == "recvfrom" and "/small?begin" in text)
    for name, text in trace.calls:
        words = [word.strip() for word in text.split(",")]
        if words[0] in trace.sockets or (name == "epoll_ctl" and words[2] in trace.sockets):
            counts[words[0] == near][name] += 1
    return counts[True], counts[False], trace


def test_a_request_alone_takes_four_calls(measured, connect, tmp_path):
    """As over HTTP/1.1: receive, send on, receive the answer, send that on."""
    requests = 401  # with the one that says `begin`
    near, far, trace = trace_of(measured, connect, tmp_path, 1, requests - 1)
    assert near == far == {"recvfrom": requests, "sendto": requests}
    assert not trace.others() - {"ioctl"}
    assert trace.waits() <= 2.1 * requests


def test_requests_on_one_connection_share_calls(measured, connect, tmp_path):
    """What comes in one piece takes one call, and so does all that goes to the client in a turn of the loop."""
    rounds = 20
    requests = rounds * TOGETHER + 1
    near, far, trace = trace_of(measured, connect, tmp_path, TOGETHER, rounds)
    print(near, far, trace.waits())
    # More requests may wait for the backend at one moment than ever while this was warmed up: each of these opens a connection.
    opened = far["connect"]
    assert opened < TOGETHER
    assert far == collections.Counter({"recvfrom": requests, "sendto": requests} | dict.fromkeys(OPENING, opened))
    assert near["recvfrom"] <= 1.5 * rounds + 1
    assert near["sendto"] <= trace.waits()
    assert trace.waits() < requests
    assert not trace.others() - {"ioctl"} - ({*OPENING, "brk"} if opened else set())


@pytest.mark.parametrize("streams, most", [(1, INSTRUCTIONS_ALONE_MAX), (TOGETHER, INSTRUCTIONS_TOGETHER_MAX)])
def test_a_request_takes_few_instructions_and_no_allocation(measured, connect, tmp_path, streams, most):
    rounds = 1000 if streams == 1 else 20
    profile = Profile(tmp_path)
    gateway, ask = measured(*profile.tool)
    client = connect(gateway)
    for _ in range(100 if streams == 1 else 5):
        ask(client, "warm", streams)
    profile.begin(gateway)
    for _ in range(rounds):
        ask(client, "count", streams)
    profile.end(rounds * streams)
    assert profile.calls["fields_parse"] >= rounds * streams  # of the backend's answers: the profile is the one of these requests
    assert profile.each < most
