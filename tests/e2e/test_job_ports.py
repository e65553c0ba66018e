"""Jobs with several ports: <job>-<port>.<domain> and <prefix>/<job>:<port>/, served as the job's record and no other job allows (access.md)."""

import json
import select
import types

import pytest

from harness.control import Control
from harness.gateway import DOMAIN, PREFIX, REPOSITORY
from harness.process import eventually, free_port
from harness.raw import Backend, Closed
from harness.scene import request_bytes
from harness.store import random_id
from harness.visitor import SIGN_IN_HOST, Visitor
from test_authorize_endpoint import ask, asking, forwarded  # noqa: F401
from test_browser import HTML, behind_tls, form, request as plain_request, sign_in  # noqa: F401
from test_grpc_page import demo
from test_job_run import run, served  # noqa: F401
from test_sign_in_host import signed_in, status as status_of_visitor

PORT = 9000


@pytest.fixture(scope="module")
def patient(module_gateways):
    """Records would live for an hour were it not for the pushes."""
    return module_gateways.start({"workers": 2, "store": {"max_staleness": "3600s"}})


@pytest.fixture
def backends():
    made = []

    def make():
        made.append(Backend())
        return made[-1]
    yield make
    for backend in made:
        backend.close()


class Ports:
    """A job with two backends: its own, and that of port 9000."""

    def __init__(self, gateway, records, backends):
        self.gateway, self.records, self.main, self.other = gateway, records, backends(), backends()
        self.id = f"p{random_id(6)}"
        records.job(self.main.url, {"team": "a"}, self.id, **{f"port:{PORT}": self.other.url})
        self.token = records.token(selector="team=a")

    def key(self):
        return self.records.job_key(self.id)

    def host(self, port=PORT):
        return f"{self.id}-{port}.{DOMAIN}"

    def status(self, host=None, path="/", token=None, fields=()):
        """Of a request that no backend is to see."""
        with self.gateway.client() as client:
            return client.exchange(request_bytes(host or self.host(), token or self.token, path=path, fields=fields)).status

    def reaches(self, backend, host=None, path="/", token=None, target="/"):
        with self.gateway.client() as client:
            client.send(request_bytes(host or self.host(), token or self.token, path=path))
            with backend.next() as connection:
                received = connection.read_request()
                assert received.target == target
                connection.answer()
            assert client.read_response().status == 200
        return received


@pytest.fixture
def ports(patient, records, backends):
    return Ports(patient, records, backends)


# ---- both forms ----

def test_both_forms(ports):
    received = ports.reaches(ports.other, path="/a?b", target="/a?b")
    assert received.field("x-jobgate-job") == ports.id and received.field("x-forwarded-host") == ports.host()
    ports.reaches(ports.main, host=f"{ports.id}.{DOMAIN}")
    received = ports.reaches(ports.other, host="gateway.test", path=f"{PREFIX}/{ports.id}:{PORT}/x", target="/x")
    assert received.field("x-forwarded-prefix") == f"{PREFIX}/{ports.id}:{PORT}"
    ports.reaches(ports.main, host="gateway.test", path=f"{PREFIX}/{ports.id}/x", target="/x")
    for host in [ports.host().upper(), ports.host() + ".", ports.host() + ":8080"]:
        ports.reaches(ports.other, host=host)


def test_slash(ports):
    with ports.gateway.client() as client:
        response = client.exchange(request_bytes("gateway.test", ports.token, path=f"{PREFIX}/{ports.id}:{PORT}?q"))
    assert response.status == 308 and response.field("location") == f"{PREFIX}/{ports.id}:{PORT}/?q"


@pytest.mark.parametrize("number", ["9001", "09000", "0", "65536", "99999999999999999999", "9000-", "-9000", "9000-9000", "9000a", ""])
def test_only_what_the_record_names(ports, records, number):
    """A scoped token learns nothing about what exists; an unscoped one gets 404."""
    unscoped = records.token()
    for path, host in [("/", ports.host(number)), (f"{PREFIX}/{ports.id}:{number}/", "gateway.test")]:
        assert ports.status(host, path) in (403, 404)
        assert ports.status(host, path, unscoped) == 404


@pytest.mark.parametrize("colon", ["%3a", "%3A", "%253a", ";", "::", "-"])
def test_other_writings(ports, colon):
    assert ports.status("gateway.test", f"{PREFIX}/{ports.id}{colon}{PORT}/") in (403, 404)
    assert ports.status("gateway.test", f"{PREFIX}/{ports.id.upper()}:{PORT}/") in (403, 404)


def test_scope(ports, records):
    assert ports.status(token=records.token(selector="team=b")) == 403
    with ports.gateway.client() as client:
        assert client.exchange(request_bytes(ports.host())).status == 401


def test_long_label(ports, records, backends):
    """A label has at most 63 characters: such a port has the path form alone."""
    long = "p" + random_id(16) * 3 + "abcdefghijk"
    records.job(ports.main.url, {"team": "a"}, long, **{f"port:{PORT}": ports.other.url})
    assert len(f"{long}-{PORT}") > 63
    assert ports.status(f"{long}-{PORT}.{DOMAIN}") in (403, 404)
    ports.reaches(ports.other, host="gateway.test", path=f"{PREFIX}/{long}:{PORT}/")


@pytest.mark.parametrize("field", [("port:9000", ""), ("port:09000", "http://127.0.0.1:1"), ("port:x", "http://127.0.0.1:1"), ("port:70000", "http://127.0.0.1:1"),
                                   ("port:1", "ftp://x")])
def test_broken_record(ports, records, field):
    """A record that breaks the rules counts as absent, with all its ports."""
    records.client.hset(ports.key(), *field)
    eventually(lambda: ports.status() == 403 and ports.status(f"{ports.id}.{DOMAIN}") == 403, "the record to count as absent")


def test_forward_auth(asking, records, backends):  # noqa: F811
    ports = Ports(asking.gateway, records, backends)
    for host, uri in [(ports.host(), "/"), ("gateway.test", f"{PREFIX}/{ports.id}:{PORT}/x")]:
        response = ask(asking, forwarded(None, uri, host=host), token=ports.token)
        assert response.status == 200 and response.field("x-jobgate-job") == ports.id
    for host, uri in [(ports.host(9001), "/"), ("gateway.test", f"{PREFIX}/{ports.id}:9001/"), ("gateway.test", f"{PREFIX}/{ports.id}%3a{PORT}/")]:
        assert ask(asking, forwarded(None, uri, host=host), token=ports.token).status in (403, 404)


# ---- changes ----

@pytest.fixture
def streams(ports):
    """A stream of each: by the host and by the path of the port, and of the job itself."""
    running = []
    for host, path, backend in [(ports.host(), "/", ports.other), ("gateway.test", f"{PREFIX}/{ports.id}:{PORT}/", ports.other),
                                (f"{ports.id}.{DOMAIN}", "/", ports.main)]:
        client = ports.gateway.client()
        client.send(request_bytes(host, ports.token, path=path))
        connection = backend.next()
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        client.read_head()
        assert client.read_piece() == b"hello"
        running.append((client, connection))
    yield running
    for client, connection in running:
        client.close()
        connection.close()


def cut(stream):
    with pytest.raises(Closed):
        stream[0].read_piece()


def flows(stream):
    stream[1].send(b"1\r\nx\r\n")
    assert stream[0].read_piece() == b"x"


def take_port(ports):
    ports.records.client.hdel(ports.key(), f"port:{PORT}")


def make_other(ports):
    ports.records.job(ports.main.url, {"team": "a"}, f"{ports.id}-{PORT}")


@pytest.mark.parametrize("change", [take_port, make_other])
def test_cuts_the_port(ports, streams, change):
    """Only what ran at the port: it has gone, or another job has its host now."""
    change(ports)
    cut(streams[0])
    cut(streams[1])
    flows(streams[2])


@pytest.mark.parametrize("change", [
    lambda ports: ports.records.delete_token(ports.token), lambda ports: ports.records.delete_job(ports.id),
    lambda ports: ports.records.client.hset(ports.key(), "label:team", "b")], ids=["token", "job", "label"])
def test_cuts_all(ports, streams, change):
    change(ports)
    for stream in streams:
        cut(stream)


def test_moves(ports, streams, backends):
    """Another URL for the port: what runs goes on, new requests go there."""
    third = backends()
    ports.records.client.hset(ports.key(), f"port:{PORT}", third.url)

    def arrives():
        with ports.gateway.client() as client:
            client.send(request_bytes(ports.host(), ports.token))
            listener = select.select([third.listener, ports.other.listener], [], [])[0][0]
            with (third if listener is third.listener else ports.other).next() as connection:
                connection.read_request()
                connection.answer()
            return client.read_response().status == 200 and listener is third.listener
    eventually(arrives, "the new URL")
    flows(streams[0])


def test_the_job_of_the_label_wins(ports, records, backends):
    """However it came into the store; once it has gone, the port is back."""
    third = backends()
    ports.reaches(ports.other)
    other = records.job(third.url, {"team": "a"}, f"{ports.id}-{PORT}")
    eventually(lambda: ports.status("gateway.test", f"{PREFIX}/{ports.id}:{PORT}/") == 403, "the port to be gone")
    received = ports.reaches(third)
    assert received.field("x-jobgate-job") == other
    records.client.hset(records.job_key(other), "label:team", "b")  # out of reach, but there
    eventually(lambda: ports.status() == 403, "the job to be out of reach")
    away(ports)
    goes(ports)


def away(ports):
    """Nobody listens at the port any more: what runs there goes on, and a new request that is let through gets 502 or 503."""
    ports.other.listener.close()


def goes(ports):
    """Once the job of the label has gone, the port is back."""
    ports.records.delete_job(f"{ports.id}-{PORT}")
    eventually(lambda: ports.status() in (502, 503), "the port")


def spoil(client, key):
    client.hset(key, "url", "not a URL")


def overfill(client, key):
    client.hset(key, "notes", "x" * (1 << 21))


def retype(client, key):
    client.set(key, "x")


@pytest.mark.parametrize("harm", [spoil, overfill, retype])
def test_a_broken_job_of_the_label_keeps_its_host(ports, records, streams, harm):
    """It is not served, but its host, where browsers keep its cookies, does not go to the port of another job."""
    unscoped = records.token()
    away(ports)
    flows(streams[0])
    harm(records.client, records.job_key(f"{ports.id}-{PORT}"))
    cut(streams[0])
    cut(streams[1])
    flows(streams[2])
    for path, host in [("/", ports.host()), (f"{PREFIX}/{ports.id}:{PORT}/", "gateway.test")]:
        eventually(lambda: ports.status(host, path) == 403, "the port to be gone")
        eventually(lambda: ports.status(host, path, unscoped) == 404, "the port to be gone")
    ports.reaches(ports.main, host=f"{ports.id}.{DOMAIN}")
    goes(ports)


# ---- sign-in ----

def session(ports, host):
    response = sign_in(ports, ports.token.value, origin=f"https://{host}") if host is None else post(ports, host)
    assert response.status == 303, response
    return response.field("set-cookie").partition(";")[0]


def post(ports, host):
    with ports.gateway.client() as client:
        client.send(plain_request(ports, "POST", "/.jobgate/sign-in",
                                  [f"Origin: https://{host}", HTML, "Content-Type: application/x-www-form-urlencoded"], form(token=ports.token.value, to="/"), host))
        return client.read_response("POST")


def by_cookie(ports, cookie, host, backend=None):
    with ports.gateway.client() as client:
        client.send(plain_request(ports, fields=[f"Cookie: {cookie}"], host=host))
        if backend is not None:
            with backend.next() as connection:
                connection.read_request()
                connection.answer()
        return client.read_response().status


def test_session_covers_all_ports(behind_tls, records, backends):  # noqa: F811
    ports = Ports(behind_tls, records, backends)
    own = f"{ports.id}.{DOMAIN}"
    for host in [own, ports.host()]:
        cookie = session(ports, host)
        assert by_cookie(ports, cookie, own, ports.main) == 200
        assert by_cookie(ports, cookie, ports.host(), ports.other) == 200
        assert by_cookie(ports, cookie, ports.host(9001)) == 401


def test_session_is_for_one_of_both(behind_tls, records, backends):  # noqa: F811
    """A cookie of a job's port opens nothing at a job that has its host now, and the other way round."""
    ports = Ports(behind_tls, records, backends)
    of_port = session(ports, ports.host())
    other = records.job(ports.main.url, {"team": "a"}, f"{ports.id}-{PORT}")
    eventually(lambda: by_cookie(ports, of_port, ports.host()) == 401, "the port's cookie to be refused")
    of_job = session(ports, ports.host())
    assert by_cookie(ports, of_job, ports.host(), ports.main) == 200
    assert by_cookie(ports, of_job, f"{ports.id}.{DOMAIN}") == 401
    records.delete_job(other)
    eventually(lambda: by_cookie(ports, of_job, ports.host()) == 401, "the job's cookie to be refused")
    assert by_cookie(ports, of_port, ports.host(), ports.other) == 200


def test_sign_in_host(module_gateways, records, backends):
    """One sign-in is for all jobs, so its cookie counts for whatever is served at this host."""
    gateway = module_gateways.start({"browser": {"host": SIGN_IN_HOST}, "backends": {"trusted_proxies": ["127.0.0.1"]}})
    ports, visitor = Ports(gateway, records, backends), Visitor(gateway)
    scene = types.SimpleNamespace(host=ports.host(), gateway=gateway, backend=ports.other, token=ports.token)
    signed_in(scene, visitor)
    assert status_of_visitor(scene, visitor) == 200
    records.client.hset(ports.key(), "label:team", "b")
    eventually(lambda: status_of_visitor(scene, visitor) == 403, "the job to be out of reach")
    records.job(ports.other.url, {"team": "a"}, f"{ports.id}-{PORT}")
    eventually(lambda: status_of_visitor(scene, visitor) == 200, "the job that has the host now")


# ---- the API ----

@pytest.fixture(scope="module")
def controlled(module_gateways):
    return module_gateways.start({"control": {"listen": f"127.0.0.1:{free_port()}"}})


@pytest.fixture
def api(controlled, records):
    host, _, port = controlled.config["control"]["listen"].rpartition(":")

    def make(selector=""):
        return Control((host, int(port)), records.token("operator", selector))
    return make


URL = "http://127.0.0.1:1"


def create(api, job_id, ports=None, **more):
    body = {"id": job_id, "url": URL, **({"ports": ports} if ports is not None else {}), **more}
    return api.call("POST", "/v1/jobs", body)


def patch(api, job_id, ports):
    return api.call("PATCH", f"/v1/jobs/{job_id}", {"ports": ports})


def test_api_life(api, gateway):
    caller, job_id = api(), f"j{random_id(6)}"
    made = create(caller, job_id, {"9000": "grpc://127.0.0.1:9000", "80": URL}).json
    assert made["ports"] == {"80": URL, "9000": "grpc://127.0.0.1:9000"}
    assert made["port_urls"] == {port: made["job_url"].replace(job_id, f"{job_id}-{port}") for port in ["80", "9000"]}
    assert caller.job_record(job_id) == made
    changed = patch(caller, job_id, {"80": None, "81": URL}).json
    assert changed["ports"] == {"81": URL, "9000": "grpc://127.0.0.1:9000"} and changed["url"] == URL
    assert patch(caller, job_id, None).json["ports"] == {}
    assert patch(caller, job_id, {str(port): URL for port in range(1, 17)}).status == 200
    refused = patch(caller, job_id, {"17": URL})
    assert refused.status == 400 and "16 ports" in refused.json["detail"]
    assert patch(caller, job_id, {"16": None, "17": URL}).status == 200


@pytest.mark.parametrize("ports", [{"0": URL}, {"01": URL}, {"65536": URL}, {"-1": URL}, {"+1": URL}, {" 1": URL}, {"x": URL}, {"": URL}, {"1": ""}, {"1": 1}, {"1": "x"},
                                   {"1": None}, [], "x", 1, {str(port): URL for port in range(1, 18)}, {"1": "http://0.0.0.0:1"}])
def test_api_input(api, ports):
    answer = create(api(), f"j{random_id(6)}", ports)
    assert answer.status == 400 and answer.json["field"].startswith("ports"), answer


def test_collisions(api):
    """In either direction; only the last number of an id counts."""
    caller, job_id = api(), f"j{random_id(6)}"
    assert create(caller, job_id, {"9000": URL}).status == 201
    assert create(caller, f"{job_id}-9000").status == 409
    assert create(caller, f"{job_id}-9001").status == 201
    assert patch(caller, job_id, {"9001": URL}).status == 409
    assert caller.call("GET", f"/v1/jobs/{job_id}").json["ports"] == {"9000": URL}
    assert create(caller, f"{job_id}-09000").status == 201
    assert create(caller, f"{job_id}-9000-1").status == 201  # port 1 of a job that does not exist
    assert caller.call("DELETE", f"/v1/jobs/{job_id}-9001").status == 204
    assert patch(caller, job_id, {"9001": URL}).status == 200
    other = f"j{random_id(6)}"
    assert create(caller, f"{other}-1").status == 201
    refused = create(caller, other, {"1": URL})
    assert refused.status == 409 and "<id>-<port>" in refused.json["detail"]
    assert caller.call("GET", f"/v1/jobs/{other}").status == 404
    assert patch(caller, job_id, {"9000": None}).status == 200
    assert create(caller, f"{job_id}-9000").status == 201


def test_a_lease_that_has_ended(api, records):
    """Until the list has dropped it, its owner may come back: nobody takes its host."""
    caller, job_id = api(), f"j{random_id(6)}"
    assert create(caller, f"{job_id}-1", lease=60).status == 201
    records.client.delete(records.job_key(f"{job_id}-1"))  # as Redis does when the time is over
    assert create(caller, job_id, {"1": URL}).status == 409
    assert create(caller, f"{job_id}-1", lease=60).status == 201


def test_hosts_of_the_gateway(module_gateways, records):
    """control.host and browser.host are no port's."""
    gateway = module_gateways.start({"control": {"host": f"control-1.{DOMAIN}"}, "browser": {"host": f"control-2.{DOMAIN}"}})
    caller = Control(gateway.socket_path)
    assert create(caller, "control").status == 201
    for port in ["1", "2"]:
        for refused in [patch(caller, "control", {port: URL}), create(caller, "control", {port: URL})]:
            assert refused.status == 409 and refused.json["field"] == f"ports.{port}"
    assert patch(caller, "control", {"3": URL}).status == 200
    records.client.hset(records.job_key("control"), mapping={"port:1": URL, "port:2": URL})
    with gateway.client() as client:
        token = records.token()
        for port in [1, 2]:
            assert client.exchange(request_bytes("x", token, path=f"{PREFIX}/control:{port}/")).status == 404


def test_scoped_operators(api):
    """control.scoped_urls holds for each port."""
    caller, job_id = api("team=a"), f"j{random_id(6)}"
    refused = caller.call("POST", "/v1/jobs", {"id": job_id, "ports": {"1": "unix:/run/x"}})
    assert refused.status == 403 and refused.json["field"] == "ports.1"
    assert caller.call("POST", "/v1/jobs", {"id": job_id}).status == 201
    assert patch(caller, job_id, {"1": "unix:/run/x"}).status == 403
    assert patch(api("team=b"), job_id, {"1": None}).status == 404


# ---- the command line ----

def test_command_line(gateway):
    cli, job_id = gateway.cli, f"j{random_id(6)}"
    made = cli("job", "create", "--id", job_id, "--port", "9000=grpc://127.0.0.1:9000", "--port", f"80={URL}", "-o", "json").json()
    assert made["ports"] == {"80": URL, "9000": "grpc://127.0.0.1:9000"}
    shown = cli("job", "get", job_id).out
    assert f"80={URL},9000=grpc://127.0.0.1:9000" in shown and f"9000={made['port_urls']['9000']}" in shown
    changed = cli("job", "set", job_id, "--port", "80=", "--port", f"81={URL}", "-o", "json").json()
    assert changed["ports"] == {"81": URL, "9000": "grpc://127.0.0.1:9000"}
    collides = cli("job", "create", "--id", f"{job_id}-81")
    assert collides.status == 1 and "<id>-<port>" in collides.err
    for wrong in ["x", "80", "80=", "0=x", "=x"]:
        refused = cli("job", "create", "--port", wrong)
        assert refused.status == 2 and "for --port" in refused.err, wrong
    assert "given twice" in cli("job", "set", job_id, "--port", "80=", "--port", f"80={URL}").err
    assert "Ports" not in cli("job", "create").out


# ---- jobgate authorize ----

def explained(ports, token, port=PORT, job=None):
    result = ports.gateway.cli("authorize", "--job", job or ports.id, *([] if port is None else ["--port", str(port)]), "--value", "-", "-o", "json", stdin=token.value)
    answer = json.loads(result.out)
    assert result.status == (0 if answer["allowed"] else 1)
    return answer["verdict"], answer["status"], answer["reason"]


def test_authorize(ports, records):
    """It decides as the gateway does for <job>-<port>.<domain>, and says why."""
    scoped, other, unscoped = ports.token, records.token(selector="team=b"), records.token()

    def same(token, port, status, words):
        answer = explained(ports, token, port)
        assert answer[1] == status and words in answer[2], answer
        if status != 200:
            assert ports.status(ports.host(port), token=token) == status
    same(scoped, PORT, 200, f"may use port {PORT} of job {ports.id}")
    same(other, PORT, 403, f"port {PORT} of job {ports.id} has other labels")
    for token, status in [(scoped, 403), (unscoped, 404)]:
        same(token, 9001, status, f"job {ports.id} has no port 9001; jobgate job set --port 9001=URL {ports.id}")
    records.job(ports.main.url, {"team": "a"}, f"{ports.id}-{PORT}")
    for token, status in [(scoped, 403), (unscoped, 404)]:
        assert explained(ports, token)[1] == status
        assert f"there is a job {ports.id}-{PORT}, which has its host" in explained(ports, token)[2]
    assert explained(ports, scoped, None)[0] == "allow"
    spoil(records.client, records.job_key(f"{ports.id}-{PORT}"))
    assert "which has its host" in explained(ports, scoped)[2]
    records.delete_job(f"{ports.id}-{PORT}")
    assert explained(ports, scoped)[0] == "allow"
    assert explained(ports, unscoped, 1, "missing-job") == ("no_such_job", 404, "there is no port 1 of job missing-job")
    records.delete_job(ports.id)
    assert "does not exist" in explained(ports, scoped)[2]


def test_authorize_tells_nothing_out_of_scope(api, records):
    """A job that the caller may not see looks as if it did not exist, also where another job has its port's host."""
    caller = api("team=a")
    hidden = records.job(URL, {"team": "b"})
    records.job(URL, {"team": "b"}, f"{hidden}-9000")
    for job in [hidden, f"j{random_id(6)}"]:
        answer = caller.done("POST", "/v1/authorize", {"token": records.token(selector="team=a").value, "job": job, "port": 9000})
        assert "which has its host" not in answer["reason"] and answer["verdict"] == "out_of_scope"


def test_authorize_of_a_long_id(ports, records, backends):
    """Its port has no host, only a path, so no other job can have its host."""
    job = "l" * 57 + random_id(3)
    records.job(ports.main.url, {"team": "a"}, job, **{f"port:{PORT}": ports.other.url})
    assert explained(ports, ports.token, PORT, job)[0] == "allow"
    ports.reaches(ports.other, "gateway.test", f"{PREFIX}/{job}:{PORT}/")


def test_authorize_of_taken_hosts(module_gateways, records):
    gateway = module_gateways.start({"control": {"host": f"taken-1.{DOMAIN}"}})
    records.job(URL, {}, "taken", **{"port:1": URL, "port:2": URL})
    asked = types.SimpleNamespace(gateway=gateway, id="taken")
    assert explained(asked, records.token(), 1)[:2] == ("not_a_job", 404)
    assert explained(asked, records.token(), 2)[0] == "allow"
    records.delete_job("taken")


def test_authorize_at_a_sidecar(module_gateways, records):
    """It has one job, whatever a request names."""
    job = records.job(URL, {"team": "a"}, **{f"port:{PORT}": URL})
    asked = types.SimpleNamespace(gateway=module_gateways.start({"jobs": {"domain": None, "prefix": None, "fixed": job, "fixed_url": URL}}), id=job)
    verdict, status, reason = explained(asked, records.token())
    assert (verdict, status) == ("no_such_job", 404) and f"in front of job {job} alone" in reason
    assert explained(asked, records.token(), None)[0] == "allow"


@pytest.mark.parametrize("wrong", ["0", "65536", "x", "9000=", f"9000={URL}", "09000", ""])
def test_authorize_takes_a_number(gateway, wrong):
    refused = gateway.cli("authorize", "--job", "x", "--port", wrong, "--value", "x")
    assert refused.status == 2 and "for --port [a port, 1 to 65535]" in refused.err
    assert "given twice" in gateway.cli("authorize", "--job", "x", "--port", "1", "--port", "2", "--value", "x").err


def test_job_run(run, gateway, records):  # noqa: F811
    """A service at its own port and a gRPC model at another one, of one command."""
    own, model, job_id = free_port(), free_port(), f"j{random_id(6)}"
    command = ["/bin/sh", "-c", f"/usr/bin/python3 -B {REPOSITORY}/deploy/demo_grpc.py serve 127.0.0.1:{model} & "
               f"trap 'kill $!' EXIT; /usr/bin/python3 -m http.server --bind 127.0.0.1 {own}"]
    run("--id", job_id, "-l", "team=a", "--port", str(own), "--port", f"{model}=grpc://127.0.0.1:{model}", command=command)
    token = records.token(selector="team=a")
    eventually(lambda: served(gateway, job_id, token) == 200, "the service", patience=30)

    def asked():
        return demo("ask", gateway, f"{job_id}-{model}.{DOMAIN}", token.value, "hello").communicate()[0] == "HELLO\n"
    eventually(asked, "the model", patience=30)
    assert demo("ask", gateway, f"{job_id}-{model}.{DOMAIN}", records.token(selector="team=b").value, "x").communicate()[1].startswith("PERMISSION_DENIED")
    assert served(gateway, f"{job_id}-{own}", token) == 403  # its own port is no further one
