"""Requests that are held for a job with several URLs, or whose URLs change: they go on when any of its URLs takes connections (access.md)."""

import contextlib

import pytest

from harness.h2 import H2Client
from harness.h2_backend import H2Backend
from harness.process import eventually, free_port
from harness.raw import Backend
from harness.scene import request_bytes
from test_starting import answer_next, held, host, set_url
from test_starting import backend, holding  # noqa: F401

OPENED = "jobgate_backend_circuit_opens_total"


def urls(ports, scheme="http"):
    return " ".join(f"{scheme}://127.0.0.1:{port}" for port in ports)


def serve(backend, count):  # noqa: F811
    for _ in range(count):
        answer_next(backend)


@pytest.mark.parametrize("count, opens", [(2, 0), (2, 1), (3, 0), (3, 1), (3, 2), (16, 7)])
def test_any_replica_will_do(holding, records, count, opens):  # noqa: F811
    """Whichever of them starts first, long after all circuits have opened."""
    ports = [free_port() for _ in range(count)]
    job, token = records.job(urls(ports)), records.token()
    before = holding.metrics()[OPENED]
    with holding.client() as client:
        client.send(request_bytes(host(job), token, "POST", body=b"content"))
        eventually(lambda: holding.metrics()[OPENED] >= before + min(count, 3), "the circuits to open")
        held(holding, 1)
        with Backend(port=ports[opens]) as backend:  # noqa: F811
            assert answer_next(backend).body == b"content"
            assert client.read_response().status == 200
    held(holding, 0)


@pytest.mark.parametrize("bad", [1, 2])
def test_those_that_fail_for_good(holding, records, bad):  # noqa: F811
    """They lead to addresses that are not allowed; the one that starts gets the request, whichever was tried last."""
    port = free_port()
    job, token = records.job(" ".join([urls([port]), *(f"http://169.254.1.{n}" for n in range(bad))])), records.token()
    before = holding.metrics()[OPENED]
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(holding.client()) for _ in range(8)]
        for client in clients:
            client.send(request_bytes(host(job), token))
        eventually(lambda: holding.metrics()[OPENED] > before, "the circuit to open")
        held(holding, len(clients))
        serve(stack.enter_context(Backend(port=port)), len(clients))
        assert {client.read_response().status for client in clients} == {200}
    held(holding, 0)


def test_many_go_on_at_one_replica(holding, records):  # noqa: F811
    """Those that waited at others come, too."""
    ports = [free_port() for _ in range(3)]
    job, token = records.job(urls(ports)), records.token()
    before = holding.metrics()[OPENED]
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(holding.client()) for _ in range(40)]
        for client in clients:
            client.send(request_bytes(host(job), token))
        held(holding, len(clients))
        eventually(lambda: holding.metrics()[OPENED] >= before + 3, "the circuits to open")
        serve(stack.enter_context(Backend(port=ports[1])), len(clients))
        assert {client.read_response().status for client in clients} == {200}
    held(holding, 0)


def test_calls_go_on_at_any_replica(holding, records):  # noqa: F811
    """HTTP/2: those that wait for another's connection go on with it."""
    ports = [free_port() for _ in range(3)]
    job, token = records.job(urls(ports, "grpc")), records.token()
    before = holding.metrics()[OPENED]
    with H2Client(holding.address) as client:
        streams = [client.request(host(job), token) for _ in range(5)]
        held(holding, 5)
        eventually(lambda: holding.metrics()[OPENED] >= before + 2, "circuits to open")
        backend = H2Backend(port=ports[0])  # noqa: F811
        connection = backend.accept()
        for _ in streams:
            connection.reply(connection.next_stream())
        assert {client.answer(stream).status for stream in streams} == {200}
        backend.close()
    held(holding, 0)


def test_the_time_is_over(holding, gateway, records):  # noqa: F811
    """In the middle of the tries, too."""
    job, token = records.job(urls(free_port() for _ in range(4))), records.token()
    for asked in (holding, gateway):
        with asked.client() as client:
            response = client.exchange(request_bytes(host(job), token, fields=["Prefer: wait=2"]))
        assert response.status == 503 and b"does not accept connections yet" in response.body and response.field("retry-after")
        held(asked, 0)


def test_revoked_while_it_goes_from_one_to_another(holding, records):  # noqa: F811
    job, token = records.job(urls(free_port() for _ in range(3))), records.token()
    before = holding.metrics()[OPENED]
    with holding.client() as client:
        client.send(request_bytes(host(job), token, "POST", body=b"x"))
        eventually(lambda: holding.metrics()[OPENED] >= before + 3, "the circuits to open")
        records.client.delete(f"jobgate:token:{token.id}")
        assert client.read_response().status == 401
    held(holding, 0)


@pytest.mark.parametrize("first, later", [(1, 1), (1, 3), (3, 1), (3, 3)])
def test_other_urls_while_held(holding, records, backend, first, later):  # noqa: F811
    """The job was restarted elsewhere: the request goes there."""
    job, token = records.job(urls(free_port() for _ in range(first))), records.token()
    before = holding.metrics()[OPENED]
    with holding.client() as client:
        client.send(request_bytes(host(job), token, "POST", body=b"content"))
        eventually(lambda: holding.metrics()[OPENED] > before, "a circuit to open")
        set_url(records, job, " ".join([backend.url, *(urls([free_port()]) for _ in range(later - 1))]))
        assert answer_next(backend).body == b"content"
        assert client.read_response().status == 200
    held(holding, 0)


def test_a_change_of_labels_keeps_it_held(holding, records):  # noqa: F811
    """Replicas then have other numbers; it still tries all of them."""
    ports = [free_port() for _ in range(2)]
    job, token = records.job(urls(ports), labels={"team": "a"}), records.token()
    before = holding.metrics()[OPENED]
    for opens in (0, 1):
        with holding.client() as client:
            client.send(request_bytes(host(job), token, "POST", body=b"content"))
            eventually(lambda: holding.metrics()[OPENED] > before, "a circuit to open")
            held(holding, 1)
            records.client.hset(records.job_key(job), "label:stage", str(opens))
            records.client.hset(records.job_key(job), "url", urls(ports[::-1] if opens == 0 else ports))
            with Backend(port=ports[opens]) as backend:  # noqa: F811
                assert answer_next(backend).body == b"content"
                assert client.read_response().status == 200
