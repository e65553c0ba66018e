"""A job with affinity: a cookie of the gateway's keeps a browser at one of its replicas."""

import re

import pytest

from harness.control import Control
from harness.gateway import DOMAIN
from harness.h2 import H2Client
from harness.process import eventually, free_port
from harness.raw import Client
from harness.scene import request_bytes

NAME = "__Host-jobgate-replica"


@pytest.fixture(scope="module")
def gateway(module_gateways):
    return module_gateways.start()


@pytest.fixture
def visit(gateway, records, backends):
    """One request with this cookie: the backend that got it, what it got, the answer."""
    token = records.token()

    def visit(job, cookie=None, path="/", host=None, own=()):
        fields = [f"Cookie: a=1; {NAME}={cookie}; b=2"] if cookie else []
        client = Client(gateway.address)
        client.send(request_bytes(host or f"{job}.{DOMAIN}", token, path=path, fields=fields))
        backend = eventually(lambda: next((backend for backend in backends if not backend.untouched()), None), "the request")
        connection = backend.next()
        received = connection.read_request()
        connection.answer(b"ok", fields=own)
        response = client.read_response()
        assert response.status == 200
        client.close()
        return backend, received, response
    return visit


def job_at(records, *backends, **fields):
    return records.job(" ".join(getattr(backend, "url", backend) for backend in backends), affinity="cookie", **fields)


def cookie_of(response):
    values = [value for value in response.all("set-cookie") if value.startswith(NAME)]
    assert len(values) == 1, values
    match = re.fullmatch(NAME + r"=([A-Za-z0-9+/]{48}); Path=/; Secure; HttpOnly; SameSite=Lax", values[0])
    return match[1]


def test_a_browser_stays_at_one_replica(records, backends, visit):
    job = job_at(records, *backends)
    first, _, response = visit(job)
    cookie = cookie_of(response)
    for _ in range(12):
        backend, received, response = visit(job, cookie)
        assert backend is first
        assert received.field("Cookie") == "a=1; b=2"
        assert response.all("set-cookie") == []


def test_a_replica_that_is_gone(gateway, records, backends, visit):
    """The browser is given another one."""
    job = job_at(records, *backends[:2])
    first, _, response = visit(job)
    cookie = cookie_of(response)
    other = backends[1 - backends.index(first)]
    Control(gateway.socket_path).done("PATCH", f"/v1/jobs/{job}", {"url": f"{other.url} {backends[2].url}"})
    second, _, response = visit(job, cookie)
    assert second is not first
    again = cookie_of(response)
    assert again != cookie
    assert visit(job, again)[0] is second


def test_a_replica_that_is_down(records, backends, visit):
    dead = f"http://127.0.0.1:{free_port()}"
    job = job_at(records, dead, backends[0])
    for _ in range(6):
        backend, _, response = visit(job)
        assert backend is backends[0]
        assert visit(job, cookie_of(response))[2].all("set-cookie") == []


@pytest.mark.parametrize("cookie", ["x", "A" * 48, "%"])
def test_cookies_that_are_not_the_gateways(records, backends, visit, cookie):
    """They count as none, and do not reach the job."""
    _, received, response = visit(job_at(records, *backends), cookie)
    assert cookie_of(response)
    assert received.field("Cookie") == "a=1; b=2"


def test_the_cookie_of_another_job(records, backends, visit):
    one, two = job_at(records, *backends), job_at(records, *backends)
    cookie = cookie_of(visit(one)[2])
    assert cookie_of(visit(two, cookie)[2])


def test_jobs_cannot_set_it(records, backends, visit):
    _, _, response = visit(job_at(records, *backends), own=[f"Set-Cookie: {NAME}=mine; Path=/", "Set-Cookie: own=1"])
    cookie_of(response)
    assert "own=1" in response.all("set-cookie")


def test_jobs_without_it(records, backends, visit):
    job = records.job(" ".join(backend.url for backend in backends))
    assert visit(job)[2].all("set-cookie") == []
    job = job_at(records, backends[0])
    assert visit(job)[2].all("set-cookie") == []  # one URL
    job = job_at(records, *backends)
    assert visit(job, path=f"/jobs/{job}/", host="localhost")[2].all("set-cookie") == []  # all jobs share this origin


def test_over_http2(gateway, records, backends):
    job, token = job_at(records, *backends), records.token()
    with H2Client(gateway.address) as client:
        seen = set()
        cookie = None
        for _ in range(6):
            stream = client.request(f"{job}.{DOMAIN}", token, fields=[("cookie", f"{NAME}={cookie}")] if cookie else [])
            backend = eventually(lambda: next((backend for backend in backends if not backend.untouched()), None), "the request")
            seen.add(backend)
            backend.serve()
            answer = client.answer(stream)
            assert answer.status == 200
            given = answer.field("set-cookie")
            assert (given is None) == (cookie is not None)
            cookie = cookie or given.split(";")[0].split("=", 1)[1]
    assert len(seen) == 1


def test_affinity_of_the_api_and_the_command_line(gateway):
    control = Control(gateway.socket_path)
    made = control.done("POST", "/v1/jobs", {"url": "http://a http://b", "affinity": "cookie"}, status=201)
    assert made["affinity"] == "cookie"
    control.refused(400, "PATCH", f"/v1/jobs/{made['id']}", {"affinity": "token"}, "affinity")
    assert gateway.cli("job", "set", made["id"], "--affinity", "").status == 0
    assert control.done("GET", f"/v1/jobs/{made['id']}")["affinity"] is None
