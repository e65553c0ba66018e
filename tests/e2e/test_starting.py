"""Jobs that are not up yet: requests are held (timeouts.start, Prefer: wait), and people get a page that checks again (access.md)."""

import contextlib
import pathlib
import socket

import pytest

from harness.gateway import DOMAIN
from harness.h2 import H2Client
from harness.h2_backend import H2Backend
from harness.process import eventually, free_port
from harness.raw import Backend, Closed
from harness.scene import request_bytes
from harness.store import random_id

PAGE = "Accept: text/html,application/xhtml+xml"


@pytest.fixture(scope="module")
def holding(module_gateways):
    """It holds requests for longer than any test lasts."""
    return module_gateways.start({"timeouts": {"start": "5m", "connect": "200ms"}, "backends": {"circuit_failures": 2}})


@pytest.fixture
def backend():
    backend = Backend()
    yield backend
    backend.close()


def host(job):
    return f"{job}.{DOMAIN}"


def set_url(records, job, url):
    records.client.hset(records.job_key(job), "url", url)


def held(gateway, count):
    """Wait until the gateway holds this many requests: none of them has been answered then."""
    eventually(lambda: gateway.metrics().get("jobgate_held_requests", 0) == count, f"{count} held requests")


def answer_next(backend, body=b"up"):
    connection = backend.next()
    request = connection.read_request()
    connection.answer(body)
    return request


# ---- no URL ----

def test_no_url_is_503_at_once(scene, records):
    """Without a wait: Retry-After for programs, a page that checks again for people."""
    job, token = records.job(""), records.token()
    response = scene.client.exchange(request_bytes(host(job), token))
    assert response.status == 503 and response.field("retry-after") == "1" and response.field("refresh") is None
    assert b"has no URL yet" in response.body
    page = scene.client.exchange(request_bytes(host(job), token, fields=[PAGE]))
    assert page.status == 503 and page.field("refresh") == "3" and page.field("retry-after") == "1"
    assert page.field("content-type").startswith("text/html") and b"checks again by itself" in page.body
    sent = scene.client.exchange(request_bytes(host(job), token, "POST", fields=[PAGE], body=b"x"))
    assert sent.status == 503 and sent.field("refresh") is None  # to load it again would not send the form again


@pytest.mark.parametrize("protocol", [1, 2])
def test_held_until_the_url_comes(holding, records, backend, protocol):
    job, token = records.job(""), records.token()
    if protocol == 1:
        with holding.client() as client:
            client.send(request_bytes(host(job), token, "POST", "/a?b", body=b"content"))
            held(holding, 1)
            set_url(records, job, backend.url)
            request = answer_next(backend)
            assert (request.method, request.target, request.body) == ("POST", "/a?b", b"content")
            assert client.read_response().status == 200
            client.send(request_bytes(host(job), token))  # the connection goes on
            answer_next(backend)
            assert client.read_response().status == 200
    else:
        with H2Client(holding.address) as client:
            first, second = (client.request(host(job), token, path=path) for path in ("/1", "/2"))
            held(holding, 2)
            set_url(records, job, backend.url)
            assert {answer_next(backend).target, answer_next(backend).target} == {"/1", "/2"}
            assert client.answer(first).status == client.answer(second).status == 200
    held(holding, 0)


def test_prefer_wait(gateway, records, backend):
    """The client asks for it; timeouts.start is 0 here."""
    job, token = records.job(""), records.token()
    for fields in [["Prefer: respond-async, wait=100"], ["Prefer: respond-async", "prefer: WAIT = \"60\"; x=y"], [PAGE, "Prefer: wait=99999999999999999999"]]:
        set_url(records, job, "")
        with gateway.client() as client:
            client.send(request_bytes(host(job), token, fields=fields))
            held(gateway, 1)
            set_url(records, job, backend.url)
            answer_next(backend)
            assert client.read_response().status == 200


@pytest.mark.parametrize("fields", [["Prefer: wait=0"], ["Prefer: wait"], ["Prefer: wait=x"], ["Prefer: wait=-1"], ["Prefer: waiting=9"], ["Prefer: wait=0, wait=9"]])
def test_prefer_no_wait(holding, gateway, records, fields):
    job, token = records.job(""), records.token()
    with gateway.client() as client:
        assert client.exchange(request_bytes(host(job), token, fields=fields)).status == 503
    if "wait=0" in fields[0]:  # the client's own wish counts, not timeouts.start
        with holding.client() as client:
            assert client.exchange(request_bytes(host(job), token, fields=fields)).status == 503


def test_start_max(module_gateways, records):
    gateway = module_gateways.start({"timeouts": {"start_max": "1s"}})
    job, token = records.job(""), records.token()
    with gateway.client() as client:
        client.send(request_bytes(host(job), token, fields=["Prefer: wait=300"]))
        held(gateway, 1)
        response = client.read_response()
        assert response.status == 503 and response.field("retry-after") == "1"
    held(gateway, 0)


def test_a_person_gets_a_page_at_once(holding, records):
    with holding.client() as client:
        response = client.exchange(request_bytes(host(records.job("")), records.token(), fields=[PAGE]))
    assert response.status == 503 and response.field("refresh") == "3"


# ---- the token, meanwhile ----

@pytest.mark.parametrize("url", ["", "http://127.0.0.1:1"])
def test_revoked_while_held(holding, records, url):
    job = records.job(url, labels={"team": "a"})
    for change, status in [("delete", 401), ("label", 403), ("job", 404)]:
        token = records.token(selector="" if change == "job" else "team=a")
        with holding.client() as client:
            client.send(request_bytes(host(job), token, "POST", body=b"x"))
            held(holding, 1)
            if change == "delete":
                records.client.delete(f"jobgate:token:{token.id}")
            elif change == "label":
                records.client.hset(records.job_key(job), "label:team", "b")
            else:
                records.client.delete(records.job_key(job))
            assert client.read_response().status == status
    held(holding, 0)


def test_a_client_that_leaves(holding, records, backend):
    job, token = records.job(""), records.token()
    client = holding.client()
    client.send(request_bytes(host(job), token))
    held(holding, 1)
    client.reset()
    with holding.client() as other:
        other.send(request_bytes(host(job), token, path="/other"))
        eventually(lambda: holding.metrics()["jobgate_held_requests"] >= 1, "the other one to be held")
        set_url(records, job, backend.url)
        deadline = 2
        while deadline and answer_next(backend).target != "/other":
            deadline -= 1
        assert other.read_response().status == 200
    held(holding, 0)


# ---- a URL at which nothing listens yet ----

def test_held_until_the_port_opens(holding, records):
    """Long after timeouts.connect, and after the circuit has opened."""
    port = free_port()
    job, token = records.job(f"http://127.0.0.1:{port}"), records.token()
    opened = holding.metrics()["jobgate_backend_circuit_opens_total"]
    with holding.client() as client:
        client.send(request_bytes(host(job), token, "POST", body=b"content"))
        eventually(lambda: holding.metrics()["jobgate_backend_circuit_opens_total"] > opened, "the circuit to open")
        held(holding, 1)
        with holding.client() as other:  # it waits for no longer than it asks for
            assert other.exchange(request_bytes(host(job), token, fields=["Prefer: wait=0"])).status == 503
        backend = Backend(port=port)
        assert answer_next(backend).body == b"content"
        assert client.read_response().status == 200
        backend.close()
    held(holding, 0)


def test_held_until_the_name_has_an_address(module_gateways, dns, records, backend):
    """Names of jobs may come with them, as those of pods do."""
    gateway = module_gateways.start({"workers": 1, "timeouts": {"start": "5m", "connect": "300ms"}}, env=dns.environment)
    name = f"pod-{random_id(8)}.test"
    job, token = records.job(f"http://{name}:{backend.port}"), records.token()
    with gateway.client() as client, gateway.client() as person:
        client.send(request_bytes(host(job), token, "POST", body=b"content"))
        held(gateway, 1)
        eventually(lambda: dns.count(name, "A") >= 3, "it is asked for again and again")
        page = person.exchange(request_bytes(host(job), token, fields=[PAGE]))
        assert page.status == 503 and page.field("refresh") == "3"
        dns.set(name, A=["127.0.0.1"], ttl=1)
        assert answer_next(backend).body == b"content"
        assert client.read_response().status == 200
    assert dns.count(name, "A") < 200
    with gateway.client() as client:  # the time is over: why, and in the log, too
        job = records.job(f"http://{random_id(8)}.test:1")
        response = client.exchange(request_bytes(host(job), token, fields=["Prefer: wait=1"]))
    assert response.status == 503 and b"no address yet" in response.body
    assert gateway.access_entry(job=job)["outcome"] == "not_resolved"


def test_held_while_no_connection_can_be_made(holding, records):
    """A listener with a full queue leaves a SYN unanswered, as a host that is not up yet does."""
    opens, before = "jobgate_backend_circuit_opens_total", holding.metrics()["jobgate_backend_circuit_opens_total"]
    with Backend(backlog=0) as silent, contextlib.ExitStack() as fillers:
        for _ in range(8):
            filler = fillers.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", silent.port))
        job, token = records.job(silent.url), records.token()
        with holding.client() as client:
            client.send(request_bytes(host(job), token))
            eventually(lambda: holding.metrics()[opens] > before, "it was tried more than once")
            held(holding, 1)
            fillers.close()
            for _ in range(9):  # the queue has those who have left
                connection = silent.accept()
                try:
                    connection.read_request()
                except Closed:
                    continue
                connection.answer()
                break
            assert client.read_response().status == 200


def test_calls_held_until_the_port_opens(holding, records):
    """All of them then share one connection, which is what HTTP/2 is for."""
    port = free_port()
    job, token = records.job(f"grpc://127.0.0.1:{port}"), records.token()
    opened = holding.metrics()["jobgate_backend_circuit_opens_total"]
    with H2Client(holding.address) as client:
        streams = [client.request(host(job), token) for _ in range(3)]
        held(holding, 3)
        eventually(lambda: holding.metrics()["jobgate_backend_circuit_opens_total"] > opened, "the circuit to open")
        streams.append(client.request(host(job), token))
        held(holding, 4)
        backend = H2Backend(port=port)
        connection = backend.accept()
        for _ in streams:
            connection.reply(connection.next_stream())
        for stream in streams:
            assert client.answer(stream).status == 200
        assert not backend.is_called()
        backend.close()
    held(holding, 0)


def test_page_while_nothing_listens(holding, gateway, records):
    """After timeouts.connect. Where no request is held, a job that refuses is an error, as ever."""
    job, token = records.job(f"http://127.0.0.1:{free_port()}"), records.token()
    with holding.client() as client:
        page = client.exchange(request_bytes(host(job), token, fields=[PAGE]))
    assert page.status == 503 and page.field("refresh") == "3" and b"Job is starting" in page.body
    with gateway.client() as client:
        page = client.exchange(request_bytes(host(job), token, fields=[PAGE]))
    assert page.status == 502 and page.field("refresh") is None


def test_time_over_while_nothing_listens(gateway, records):
    job, token = records.job(f"http://127.0.0.1:{free_port()}"), records.token()
    with gateway.client() as client:
        response = client.exchange(request_bytes(host(job), token, fields=["Prefer: wait=1"]))
    assert response.status == 503 and b"does not accept connections yet" in response.body and response.field("retry-after")


# ---- many ----

def memory_of(gateway):
    status = pathlib.Path(f"/proc/{gateway.workers()[0]}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


def test_a_thousand_held_requests(module_gateways, records, backend):
    """They take a bounded amount of memory, others are served meanwhile, and beyond the limit requests get 503 at once."""
    gateway = module_gateways.start({"timeouts": {"start": "5m"}, "limits": {"connections": 1000}})
    job, other, token = records.job(""), records.job(backend.url), records.token()
    with gateway.client() as client:
        client.send(request_bytes(host(other), token))
        answer_next(backend)
        assert client.read_response().status == 200
        before = memory_of(gateway)
        clients = [H2Client(gateway.address) for _ in range(10)]
        tokens = [records.token() for _ in clients]
        streams = [(client, client.request(host(job), of)) for client, of in zip(clients, tokens) for _ in range(100)]
        held(gateway, 1000)
        grown = memory_of(gateway) - before
        assert grown < 1000 * 24, f"{grown} KiB"
        assert client.exchange(request_bytes(host(job), token)).status == 503
        client.send(request_bytes(host(other), token))
        answer_next(backend)
        assert client.read_response().status == 200
        for of in tokens:
            records.client.delete(f"jobgate:token:{of.id}")
        for held_client, stream in streams:
            assert held_client.answer(stream).status == 401
        for held_client in clients:
            held_client.close()
    held(gateway, 0)


def test_one_token_does_not_take_all_places(module_gateways, records):
    gateway = module_gateways.start({"timeouts": {"start": "5m"}, "limits": {"connections": 80}})
    job, greedy, token = records.job(""), records.token(), records.token()
    many, one = H2Client(gateway.address), H2Client(gateway.address)
    streams = [many.request(host(job), greedy) for _ in range(60)]
    assert {many.answer(stream).status for stream in streams[40:]} == {503}
    held(gateway, 40)
    one.request(host(job), token)
    held(gateway, 41)
    many.close()
    one.close()
    held(gateway, 0)


# ---- what a held request takes, and what it keeps to itself ----

def test_a_query_stays_its_own(module_gateways, records, backend, scene_of):
    """A token in the query is hidden from the job; what stays of the query must outlive other requests of the worker."""
    gateway = module_gateways.start({"credentials": {"query": True}, "timeouts": {"start": "5m"}})
    other = scene_of(gateway)
    for query, fields, kept in [("a=mine&access_token={}&b=mine", [], "a=mine&b=mine"), ("m" * 300 + "&access_token=jgt_x", ["Authorization: Bearer {}"], "m" * 300)]:
        job, token = records.job(""), records.token()
        with gateway.client() as client:
            client.send(request_bytes(host(job), path=f"/p?{query.format(token.value)}", fields=[field.format(token.value) for field in fields]))
            held(gateway, 1)
            other.client.send(request_bytes(other.host, path=f"/q?victim=SECRET-OF-ANOTHER&access_token={other.token.value}"))
            assert answer_next(other.backend).target == "/q?victim=SECRET-OF-ANOTHER"
            assert other.client.read_response().status == 200
            records.client.hset(records.job_key(job), "label:a", "b")  # it waits for the store once more
            set_url(records, job, backend.url)
            assert answer_next(backend).target == f"/p?{kept}"
            assert client.read_response().status == 200


def test_held_requests_count_for_their_token(holding, records):
    job, token = records.job(""), records.token()
    records.client.hset(f"jobgate:token:{token.id}", "concurrency", "2")
    with holding.client() as first, holding.client() as second, holding.client() as third:
        for client in (first, second):
            client.send(request_bytes(host(job), token))
        held(holding, 2)
        assert third.exchange(request_bytes(host(job), token)).status == 429
        first.reset()
        held(holding, 1)
        third.send(request_bytes(host(job), token))
        held(holding, 2)
    held(holding, 0)


def test_a_held_request_is_counted_once(holding, records, backend):
    job, token = records.job(""), records.token()
    records.client.hset(f"jobgate:token:{token.id}", mapping={"rate": "1", "burst": "1", "concurrency": "1"})
    with holding.client() as client:
        client.send(request_bytes(host(job), token))
        held(holding, 1)
        set_url(records, job, backend.url)
        answer_next(backend)
        assert client.read_response().status == 200


def test_limits_that_are_set_meanwhile(holding, records, backend):
    """The requests that are held come under them when their job is up."""
    job, token = records.job(""), records.token()
    with holding.client() as first, holding.client() as second:
        for client in (first, second):
            client.send(request_bytes(host(job), token))
        held(holding, 2)
        records.client.hset(f"jobgate:token:{token.id}", "concurrency", "1")
        set_url(records, job, backend.url)
        answer_next(backend)
        assert sorted(client.read_response().status for client in (first, second)) == [200, 429]


@pytest.mark.parametrize("url", ["", "refused"])
def test_a_client_that_closes_is_not_held(holding, records, url):
    """It may only have ended its side: it is answered at once, which it can still read, and its place is free."""
    job, token = records.job(url and f"http://127.0.0.1:{free_port()}"), records.token()
    opened = holding.metrics()["jobgate_backend_circuit_opens_total"]
    with holding.client() as client:
        client.send(request_bytes(host(job), token))
        held(holding, 1)
        if url:
            eventually(lambda: holding.metrics()["jobgate_backend_circuit_opens_total"] > opened, "the circuit to open")
        client.half_close()
        assert client.read_response().status == 503
        held(holding, 0)


def test_a_stop_ends_held_requests(module_gateways, records):
    gateway = module_gateways.start({"timeouts": {"start": "5m", "connect": "100ms", "drain": "1h"}, "backends": {"circuit_failures": 1}})
    token = records.token()
    clients = [gateway.client() for _ in range(2)]
    clients[0].send(request_bytes(host(records.job("")), token))
    clients[1].send(request_bytes(host(records.job(f"http://127.0.0.1:{free_port()}")), token))
    held(gateway, 2)
    eventually(lambda: gateway.metrics()["jobgate_backend_circuits_open"] == 1, "the circuit to open")
    assert gateway.stop() == 0
    for client in clients:
        assert client.read_response().status == 503
        client.close()
