"""The conformance table: each case of tests/conformance whole, byte by byte, split at some positions, and behind
another request; and the proof that what reached the backend is exactly what the gateway allowed and accounted for.
The slow tests split each case at every position: 72,000 connections.

All cases chosen run at once before the first of these tests; each test then tells the verdict on its case."""

import asyncio
import hashlib
import random
import socket

import pytest

from harness import desync
from harness.cases import TOKEN, TOKEN_ID, Case, Wanted, chain, read_all
from harness.plays import Stage, every, plays_of, plays_of_chain, some
from harness.store import Records
from harness.verdicts import Verdicts

CASES = read_all()
CHAINS = [chain(random.Random(number).sample(CASES, len(CASES)), f"all cases that keep the connection, order {number}")
          for number in range(3)]


class Run:
    def __init__(self, stage, plays, entries):
        recorded = [bytes(stream.data[:stream.tunnel_at]) for stream in stage.streams]
        self.by_http_parser = desync.read_by_http_parser(recorded)
        self.by_h11 = [desync.read_by_h11(data) for data in recorded]
        self.agreed = self.by_http_parser == self.by_h11
        self.plays = plays
        for stream, (requests, _) in zip(stage.streams, self.by_http_parser):
            if stream.tunnel_at is not None:
                requests[-1].content = bytes(stream.data[stream.tunnel_at:])
        self.verdicts = Verdicts(stage.plays, [request for requests, _ in self.by_http_parser for request in requests],
                                 entries)


def play_all(request, gateways, store, tests, split):
    """Play the cases of the tests that were chosen."""
    records = Records(store.client)
    chosen = [item.callspec.params["case"] for item in request.session.items
              if item.module is request.module and item.originalname in tests]
    records.client.hset(records.token_key(TOKEN_ID), mapping={
        "name": "conformance", "role": "read", "selector": "", "version": "1",
        "hash": hashlib.sha256(TOKEN.encode()).hexdigest(),
        "created_at": "2024-01-01T00:00:00Z", "updated_at": "2024-01-01T00:00:00Z"})
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        listener.setblocking(False)
        url = "http://127.0.0.1:%d" % listener.getsockname()[1]
        gateway = gateways.start({
            "jobs": {"domain": None, "prefix": None, "fixed": records.job(), "fixed_url": url},
            "log": {"level": "info"}, "timeouts": {"head": "2m", "linger": "2m"}}, store_url=store.url)
        stage = Stage(gateway.address, listener)
        plays = [play for case in chosen or CASES for play in
                 (plays_of_chain(case, random.Random(0)) if case in CHAINS else plays_of(case, split))]
        asyncio.run(stage.run(plays))
        assert gateway.stop() == 0, gateway.program.log()[-3000:]
    return Run(stage, plays, gateway.access_entries())


@pytest.fixture(scope="module")
def run(request, module_gateways, store):
    return play_all(request, module_gateways, store, ("test_case", "test_chain"), some)


@pytest.fixture(scope="module")
def run_of_every_split(request, module_gateways, store):
    return play_all(request, module_gateways, store, ("test_every_split",), every)


@pytest.mark.parametrize("case", CASES, ids=[case.title for case in CASES])
def test_case(run, case):
    assert_good(run, case)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=[case.title for case in CASES])
def test_every_split(run_of_every_split, case):
    assert_good(run_of_every_split, case)


@pytest.mark.parametrize("case", CHAINS, ids=[case.title for case in CHAINS])
def test_chain(run, case):
    """Hundreds of requests of every kind on one connection, none mistaken for another."""
    assert len(case.requests) > 150
    assert_good(run, case)


def assert_good(run, case):
    judged = [(play, run.verdicts.judge(play)) for play in run.plays if play.case is case]
    faults = [f"{play.name}: {fault}" for play, fault in judged if fault]
    assert not faults, f"{case.place} [{case.sections}]: {len(faults)} of {len(judged)} plays failed:\n" + \
        "\n".join(faults[:3])


def test_backend_saw_what_was_allowed(run):
    assert_proved(run)


@pytest.mark.slow
def test_backend_saw_what_was_allowed_at_every_split(run_of_every_split):
    assert_proved(run_of_every_split)


def assert_proved(run):
    """Two parsers read the same requests in each connection, and each of these belongs to a play and to a log entry."""
    assert run.agreed, [(one, other) for one, other in zip(run.by_http_parser, run.by_h11) if one != other][:1]
    for requests, left in run.by_http_parser:
        assert left == 0, f"bytes of no request behind {requests[-1:]}"
        assert all(request.whole for request in requests[:-1]), requests
    assert not run.verdicts.faults, run.verdicts.faults[:5]
    assert run.verdicts.arrived, "nothing reached the backend"


class Told:
    """A play as verdicts see it, made by hand: the proof itself is to be proved."""

    def __init__(self, case, received):
        self.case, self.received = case, received
        self.address, self.ended, self.fault, self.skipped, self.behind = "127.1.0.0", None, None, False, False
        self.followed = self.broken = False


def stream_of(*requests):
    head = "Host: a\r\nX-Request-Id: {}\r\nX-Forwarded-For: 127.1.0.0\r\n"
    return b"".join((start + " HTTP/1.1\r\n" + head.format(number) + rest).encode() for number, (start, rest) in
                    enumerate(requests))


GOOD = ("GET /a", "\r\n")


@pytest.mark.parametrize("requests, entries, wanted", [
    ([GOOD], 1, None),
    ([], 1, "did not reach"),
    ([GOOD], 0, "never made"),
    ([GOOD, GOOD], 2, "too much"),
    ([("GET /b", "\r\n")], 1, "not GET /a reached"),
    ([("GET /a", "Content-Length: 1\r\n\r\nx")], 1, "content"),
    ([("GET /a", "Content-Length: 2\r\n\r\nx")], 1, "cut"),
    ([("GET /a", "Transfer-Encoding: chunked\r\n\r\n0\r\nX-T: 1\r\n\r\n")], 1, "trailers"),
], ids=["good", "nothing sent", "not logged", "one too many", "another", "content", "cut", "trailers"])
def test_proof_is_one(requests, entries, wanted):
    """What the verdicts are there to find is found."""
    case = Case("here", "9112 3", "made up")
    case.requests, case.answers, case.ending = [Wanted("GET /a")], [Wanted("200")], "kept"
    play = Told(case, b"HTTP/1.1 200 OK\r\nVia: 1.1 jobgate\r\nContent-Length: 6\r\n\r\nGET /a")
    recorded = stream_of(*requests)
    (read, left), = desync.read_by_http_parser([recorded])
    assert (read, left) == desync.read_by_h11(recorded)
    log = [{"client": play.address, "request_id": str(number), "method": "GET", "path": "/a", "verdict": "allow",
            "outcome": "answered", "status": 200, "bytes_in": 0} for number in range(entries)]
    verdicts = Verdicts({play.address: play}, read, log)
    found = " ".join(verdicts.faults + [verdicts.judge(play) or ""])
    assert wanted in found if wanted else not found.strip(), found


@pytest.mark.parametrize("data, left", [
    (b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /half HT", 12),
    (b"GET / HTTP/1.1\r\nHost: a\r\n\r\nrubbish\r\n\r\n", 11),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nxy", 1),
], ids=["half a head", "rubbish", "too much content"])
def test_bytes_of_no_request_are_noticed(data, left):
    (read, behind), = desync.read_by_http_parser([data])
    assert (len(read), behind) == (1, left)
    assert len(desync.read_by_h11(data)[0]) == 1
