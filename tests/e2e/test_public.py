"""Public jobs (access.md): everyone is let in, strangers get no way to the store, and what stops to be public is cut."""

import pytest

from harness.gateway import DOMAIN, PREFIX
from harness.h2 import H2Client
from harness.process import eventually
from harness.raw import Backend, Closed, Cut
from harness.scene import Scene, request_bytes
from harness.store import Records, RedisServer, make_value, random_id
from test_authorize_endpoint import Asking, ask, forwarded
from test_upgrade import UPGRADE

PORT = 9000
PAGE = "https://app.example.org"
IDENTITY = ["x-jobgate-token-id", "x-jobgate-token-name", "x-jobgate-role"]


@pytest.fixture(scope="module")
def patient(module_gateways):
    """Records would live for an hour were it not for the pushes."""
    return module_gateways.start({"workers": 2, "store": {"max_staleness": "3600s"}, "backends": {"forward_token": True},
                                  "cors": {"origins": [PAGE]}, "control": {"host": f"control.{DOMAIN}"}})


class Public(Scene):
    """A scene whose requests have no token."""

    def __init__(self, gateway, records):
        super().__init__(gateway, records)
        records.client.hset(self.key, "label:team", "a")
        self.other = Backend()
        self.publish()

    @property
    def key(self):
        return self.records.job_key(self.job)

    def publish(self, job=None):
        """As a program writes it: both keys in one step."""
        job = job or self.job
        with self.records.client.pipeline() as step:
            step.hset(self.records.job_key(job), "access", "public").sadd("jobgate:public", job).execute()

    def unpublish(self):
        with self.records.client.pipeline() as step:
            step.hdel(self.key, "access").srem("jobgate:public", self.job).execute()

    def request(self, *args, host=None, token=None, **kwargs):
        return request_bytes(host or self.host, token, *args, **kwargs)

    def status(self, **kwargs):
        """Of a request that no backend is to see."""
        with self.gateway.client() as client:
            return client.exchange(self.request(**kwargs)).status

    def reaches(self, backend=None, **kwargs):
        """The request that the backend receives, with the answer to it."""
        with self.gateway.client() as client:
            client.send(self.request(**kwargs))
            with (backend or self.backend).next() as connection:
                received = connection.read_request()
                connection.answer()
            received.answer = client.read_response(received.method)
        assert received.answer.status == 200
        return received

    def close(self):
        self.other.close()
        super().close()


def knows(gateway, host, status=200, path="/"):
    """Each worker has heard of the change: several connections in a row, so that all of them were asked, get this answer."""
    def check():
        for _ in range(8):
            with gateway.client() as client:
                if client.exchange(request_bytes(host, method="OPTIONS", path=path, fields=["Max-Forwards: 0"])).status != status:
                    return False
        return True
    eventually(check, f"{status} at {host}")


@pytest.fixture
def public(patient, records):
    scene = Public(patient, records)
    knows(patient, scene.host)
    yield scene
    scene.close()


def reads(client):
    """Those of workers: PTTL is a part of each read of a record, and the control process has no use for it."""
    stats = client.info("commandstats")
    return sum(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("pttl", "srandmember"))


# ---- who gets in ----

def test_everyone(public):
    received = public.reaches(fields=[f"X-Jobgate-Token-Id: {'a' * 16}", "X-Jobgate-Role: operator", "X-Jobgate-Token-Name: me"])
    assert received.field("x-jobgate-job") == public.job
    assert [received.field(name) for name in IDENTITY] == [None] * 3
    entry = public.gateway.access_entry(job=public.job, status=200, method="GET")
    assert entry["verdict"] == "public" and "token_id" not in entry and "claimed_token_id" not in entry


def test_over_http2(module_gateways, records):
    gateway = module_gateways.start({"http2": {"clients": True}})
    scene = Public(gateway, records)
    knows(gateway, scene.host)
    for authority in [scene.host, scene.host.upper(), scene.host + ".", scene.host + ":80"]:
        with H2Client(gateway.address) as client:
            stream = client.request(authority)
            with scene.backend.next() as connection:
                received = connection.read_request()
                connection.answer()
            assert client.answer(stream).status == 200 and received.field("x-jobgate-token-id") is None
            assert client.answer(client.request(f"x{scene.job}.{DOMAIN}")).status == 401
    scene.close()


def test_hosts(public):
    for host in [public.host.upper(), public.host + ".", public.host + ":8080"]:
        public.reaches(host=host)
    for host in [f"x.{public.host}", public.host + "..", f"{public.job}_.{DOMAIN}", f"{public.job}.other.test", f"%70{public.job[1:]}.{DOMAIN}",
                 f"control.{DOMAIN}", DOMAIN, f"{public.job}-.{DOMAIN}", f"{public.job}-{PORT}.{DOMAIN}", f"{public.job}-0.{DOMAIN}"]:
        assert public.status(host=host) in (400, 401), host


def test_path_form(public):
    assert public.reaches(host="gateway.test", path=f"{PREFIX}/{public.job}/x").target == "/x"
    with public.gateway.client() as client:
        response = client.exchange(public.request(host="gateway.test", path=f"{PREFIX}/{public.job}?q"))
    assert response.status == 308 and response.field("location") == f"{PREFIX}/{public.job}/?q"
    for path in [f"{PREFIX}/{public.job.upper()}/", f"{PREFIX}/{public.job}%2f", f"{PREFIX}//{public.job}/", f"{PREFIX}/{public.job}:{PORT}/",
                 f"/{PREFIX}/{public.job}/"]:
        assert public.status(host="gateway.test", path=path) in (400, 401), path


def test_no_url_is_told(public):
    public.records.client.hset(public.key, "url", "")
    knows(public.gateway, public.host, 503)
    with public.gateway.client() as client:
        response = client.exchange(public.request())
    assert response.status == 503 and b"has no URL yet" in response.body


# ---- credentials ----

def test_foreign_credentials_are_the_jobs(public):
    for value in ["Bearer abc", "Basic dTpw", "Negotiate xyz"]:
        assert public.reaches(fields=[f"Authorization: {value}"]).field("authorization") == value


def test_own_token(public):
    """In scope it counts as always."""
    token = public.records.token("operator", "team=a")
    received = public.reaches(token=token)
    assert received.field("x-jobgate-token-id") == token.id and received.field("x-jobgate-role") == "operator"
    assert public.gateway.access_entry(job=public.job, token_id=token.id)["verdict"] == "allow"


def test_token_of_another_scope(public):
    """Everyone gets in; the token neither counts nor reaches the job, not even with forward_token."""
    token = public.records.token("operator", "team=b")
    received = public.reaches(token=token)
    assert [received.field(name) for name in [*IDENTITY, "authorization"]] == [None] * 4
    assert public.gateway.access_entry(job=public.job, verdict="public", method="GET").get("token_id") is None
    assert public.gateway.cli("authorize", "--job", public.job, "--value", "-", stdin=token.value).status == 0


@pytest.mark.parametrize("broken", ["jgt_x", "deleted", "expired", "unminted"])
def test_broken_tokens(public, broken):
    token = public.records.token(expires_at="2020-01-01T00:00:00Z" if broken == "expired" else None,
                                 role="read needs expires_at" if broken == "expired" else "read")
    value = {"jgt_x": "jgt_x", "unminted": make_value(random_id())}.get(broken, token.value)
    if broken == "deleted":
        public.records.delete_token(token)
    assert public.status(token=value) == 401
    assert public.status(fields=[f"X-Jobgate-Authorization: Bearer {value}"]) == 401


def test_malformed(public):
    assert public.status(fields=["Authorization: Bearer a", "Authorization: Bearer b"]) == 400


def test_no_token_reaches_the_job(public):
    """Where a token is that does not count, it is removed all the same."""
    value = public.records.token().value
    received = public.reaches(path=f"/a?x=1&access_token={value}&y=2", fields=["X-Jobgate-Authorization: Bearer abc", f"Referer: http://h/?access_token={value}"])
    assert value not in repr(received.fields) + received.target and received.field("x-jobgate-authorization") is None
    assert value.encode() not in repr(received).encode()


# ---- no way to the store ----

def test_strangers_cause_no_reads(module_gateways, make_folder):
    """Whatever the host, the path or the port: without a credential only listed ids are looked up."""
    server = RedisServer(make_folder("redis")).start()
    records = Records(server.client)
    gateway = module_gateways.start({"workers": 1}, server.url)
    secret, owner = records.job("http://127.0.0.1:9"), records.job("http://127.0.0.1:9", **{f"port:{PORT}": "http://127.0.0.1:9", "access": "public"})
    before, cached = reads(server.client), gateway.metrics()["jobgate_cache_entries"]
    for name in [secret, owner, *(random_id(20) for _ in range(200)), *(f"{secret}-{number}" for number in range(1, 50))]:
        for fields in [[], ["Authorization: Bearer abc"]]:
            with gateway.client() as client:
                assert client.exchange(request_bytes(f"{name}.{DOMAIN}", fields=fields)).status == 401
                assert client.exchange(request_bytes("gateway.test", path=f"{PREFIX}/{name}:{PORT}/", fields=fields)).status == 401
    assert reads(server.client) == before and gateway.metrics()["jobgate_cache_entries"] == cached
    # Now it is listed, but only its own record and the job that would have its port's host are read.
    server.client.sadd("jobgate:public", owner)
    knows(gateway, f"{owner}.{DOMAIN}")
    before = reads(server.client)
    for number in [*range(1, 200), 65536, 99999]:
        with gateway.client() as client:
            assert client.exchange(request_bytes(f"{owner}-{number}.{DOMAIN}")).status == 401
            assert client.exchange(request_bytes("gateway.test", path=f"{PREFIX}/{owner}:{number}/")).status == 401
    assert reads(server.client) == before
    gateway.stop()
    server.stop()


HALVES = {"only the record": {"access": "public"}, "only the set": {}, "another access": {"access": "members"},
          "a broken record": {"access": "public", "url": "nonsense"}, "no record": None}


@pytest.mark.parametrize("fields", HALVES.values(), ids=HALVES)
def test_both_must_say_so(patient, records, fields):
    """The answer is that for any other name."""
    job, other = f"job-{random_id(9)}", f"job-{random_id(9)}"
    if fields is not None:
        records.job(job_id=job, **{"url": "http://127.0.0.1:9", **fields})
    if fields != HALVES["only the record"]:
        records.client.sadd("jobgate:public", job)
    for _ in range(4):
        answers = []
        for name in [job, other]:
            with patient.client() as client:
                answers.append(client.exchange(request_bytes(f"{name}.{DOMAIN}")))
        assert answers[0].status == answers[1].status == 401
        assert answers[0].all("www-authenticate") == answers[1].all("www-authenticate")


# ---- ports ----

def test_port(public):
    public.records.client.hset(public.key, f"port:{PORT}", public.other.url)
    knows(public.gateway, f"{public.job}-{PORT}.{DOMAIN}")
    assert public.reaches(public.other, host=f"{public.job}-{PORT}.{DOMAIN}").field("x-jobgate-job") == public.job
    public.reaches(public.other, host="gateway.test", path=f"{PREFIX}/{public.job}:{PORT}/")
    assert public.status(host=f"{public.job}-9001.{DOMAIN}") == 401
    label = public.records.job(public.backend.url, job_id=f"{public.job}-{PORT}")  # it wins, and is not public
    eventually(lambda: public.status(host=f"{label}.{DOMAIN}") == 401, "the label's own job has the host")
    assert public.status(host="gateway.test", path=f"{PREFIX}/{public.job}:{PORT}/") == 401
    public.publish(label)
    knows(public.gateway, f"{label}.{DOMAIN}")
    assert public.reaches(public.backend, host=f"{label}.{DOMAIN}").field("x-jobgate-job") == label
    public.records.delete_job(label)
    knows(public.gateway, f"{label}.{DOMAIN}")
    public.reaches(public.other, host=f"{label}.{DOMAIN}")


def test_port_of_a_private_job(patient, records):
    """The label's job is public, not the job that has the port."""
    scene = Public(patient, records)
    label = records.job(scene.backend.url, job_id=f"{random_id(8)}-{PORT}")
    owner = records.job(scene.other.url, job_id=label[:-5], **{f"port:{PORT}": scene.other.url})
    scene.publish(label)
    knows(patient, f"{label}.{DOMAIN}")
    scene.reaches(host=f"{label}.{DOMAIN}")
    records.delete_job(label)  # still listed
    eventually(lambda: scene.status(host=f"{label}.{DOMAIN}") == 401, "401")
    assert scene.status(host=f"{owner}.{DOMAIN}") == 401 and scene.other.untouched()
    scene.close()


# ---- the end ----

def hdel(scene):
    scene.unpublish()


def other_value(scene):
    scene.records.client.hset(scene.key, "access", "private")


def delete(scene):
    scene.records.delete_job(scene.job)


def expire(scene):
    scene.records.client.pexpire(scene.key, 1)


ENDS = pytest.mark.parametrize("end", [hdel, other_value, delete, expire], ids=lambda end: end.__name__)


@ENDS
def test_stream_is_cut(public, end):
    client, connection, _ = public.arrive()
    connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
    client.read_head()
    assert client.read_piece() == b"hello"
    end(public)
    with pytest.raises((Closed, Cut)):
        client.read_piece()
    assert public.gateway.access_entry(job=public.job, outcome="revoked")["verdict"] == "no_credential"
    assert public.status() == 401


@ENDS
def test_answer_that_has_not_begun(public, end):
    client, _, _ = public.arrive()
    end(public)
    assert client.read_response().status == 401


def test_websocket_is_cut(public):
    client = public.client
    client.send(public.request(fields=[*UPGRADE, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]))
    connection = public.backend.next()
    connection.read_request()
    connection.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
    assert client.read_head(upgrade=True).status == 101
    public.unpublish()
    assert client.read(1) == b"\x88"  # a close frame: access has been revoked


def test_held_request(module_gateways, records):
    gateway = module_gateways.start({"timeouts": {"start": "5m"}})
    scene = Public(gateway, records)
    records.client.hset(scene.key, "url", "")
    knows(gateway, f"x{scene.host}", 401)
    scene.client.send(scene.request())
    eventually(lambda: gateway.metrics().get("jobgate_held_requests", 0) == 1, "it is held")
    records.client.hset(scene.key, "url", scene.backend.url)
    with scene.backend.next() as connection:
        connection.read_request()
        connection.answer()
    assert scene.client.read_response().status == 200
    records.client.hset(scene.key, "url", "")
    scene.client.send(scene.request())
    eventually(lambda: gateway.metrics().get("jobgate_held_requests", 0) == 1, "it is held again")
    scene.unpublish()
    assert scene.client.read_response().status == 401
    scene.close()


def test_deleted_and_made_again(public):
    """The new job is not public, although the set still lists its id."""
    public.records.delete_job(public.job)
    eventually(lambda: public.status() == 401, "401")
    public.records.job(public.backend.url, job_id=public.job)
    for _ in range(8):
        assert public.status() == 401


def test_store_is_away(module_gateways, make_folder):
    server = RedisServer(make_folder("redis")).start()
    gateway = module_gateways.start({"store": {"max_staleness": "2s", "ping_interval": "200ms", "ping_deadline": "400ms"}}, server.url)
    scene = Public(gateway, Records(server.client))
    knows(gateway, scene.host)
    client, connection, _ = scene.arrive()
    connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
    client.read_head()
    server.freeze()
    try:
        knows(gateway, scene.host, 503)
        assert scene.status(host=f"other.{DOMAIN}") == 401
        with pytest.raises((Closed, Cut)):
            while True:
                client.read_piece()
    finally:
        server.thaw()
    knows(gateway, scene.host)
    scene.close()
    gateway.stop()
    server.stop()


# ---- the set ----

def test_set_that_cannot_be_used(module_gateways, make_folder):
    server = RedisServer(make_folder("redis")).start()
    gateway = module_gateways.start({"workers": 1}, server.url)
    scene = Public(gateway, Records(server.client))
    knows(gateway, scene.host)
    server.client.sadd("jobgate:public", *(f"job-{number}" for number in range(10000)))
    knows(gateway, scene.host, 401)
    server.client.delete("jobgate:public")
    server.client.set("jobgate:public", "text")
    eventually(lambda: "is not a set" in gateway.program.log(), "it is told")
    assert scene.status() == 401
    server.client.delete("jobgate:public")
    server.client.sadd("jobgate:public", scene.job, "", "x" * 5000, "Ümlaut", "a.b", *(f"job-{number}" for number in range(9990)))
    knows(gateway, scene.host)
    log = gateway.program.log()
    assert log.count("has more than 10000 members") == 1 and log.count("is not a set") == 1 and "can be used again" in log
    assert scene.status(host=f"job-1.{DOMAIN}") == 401
    server.client.flushall()
    knows(gateway, scene.host, 401)
    scene.close()
    gateway.stop()
    server.stop()


# ---- others ----

def test_forward_auth(module_gateways, records):
    asking = Asking(module_gateways, None)
    scene = Public(asking.gateway, records)
    knows(asking.gateway, scene.host)
    answer = ask(asking, forwarded(scene))
    assert answer.status == 200 and answer.field("x-jobgate-job") == scene.job
    # Empty, so that no proxy lets the client's own fields pass.
    assert [answer.field(name) for name in IDENTITY] == ["", "", ""]
    assert ask(asking, forwarded(scene, host=f"x{scene.host}")).status == 401
    foreign = ask(asking, [*forwarded(scene), "Authorization: Basic dTpw"])
    assert foreign.status == 200 and foreign.field("authorization") == "Basic dTpw"
    other = ask(asking, forwarded(scene), token=records.token(selector="team=b"))
    assert other.status == 200 and other.field("authorization") == "" and other.field("x-jobgate-role") == ""
    scene.unpublish()
    eventually(lambda: ask(asking, forwarded(scene)).status == 401, "401")
    scene.close()


def test_cors(public):
    """Answers to those without a token get none of the fields of cors.origins, which name who may read them."""
    answer = public.reaches(fields=[f"Origin: {PAGE}"]).answer
    assert answer.field("access-control-allow-origin") is None and answer.field("vary") == "Origin"
    token = public.records.token()
    assert public.reaches(token=token, fields=[f"Origin: {PAGE}"]).answer.field("access-control-allow-origin") == PAGE
    with public.gateway.client() as client:
        preflight = client.exchange(public.request(method="OPTIONS", fields=[f"Origin: {PAGE}", "Access-Control-Request-Method: PUT"]))
    assert preflight.status == 204 and preflight.field("access-control-allow-origin") == PAGE
