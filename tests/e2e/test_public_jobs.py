"""Making jobs public: the API, the command line, exports, imports and `store verify` keep the record and the set of public jobs together."""

import json

import pytest

from harness.control import Control
from harness.process import eventually, free_port
from harness.store import Records, RedisServer, random_id
from test_store_command import source, servers, store, target  # noqa: F401

SET = "jobgate:public"


@pytest.fixture
def api(gateway):
    return Control(gateway.socket_path)


@pytest.fixture(scope="module")
def listening(module_gateways):
    port = free_port()
    module_gateways.start({"control": {"listen": f"127.0.0.1:{port}", "scoped_urls": ["127.0.0.0/8"]}})
    return Control(("127.0.0.1", port))


def lists(records, job):
    return bool(records.client.sismember(SET, job))


def access(records, job):
    return records.client.hget(records.job_key(job), "access")


def test_create_and_change(api, records):
    job = api.job_of(access="public")
    assert job["access"] == "public" and access(records, job["id"]) == "public" and lists(records, job["id"])
    path = f"/v1/jobs/{job['id']}"
    assert api.done("PATCH", path, {"labels": {"a": "b"}})["access"] == "public" and lists(records, job["id"])
    for none in [None, ""]:
        assert api.done("PATCH", path, {"access": none})["access"] is None
        assert access(records, job["id"]) is None and not lists(records, job["id"])
        assert api.done("PATCH", path, {"access": "public"})["access"] == "public" and lists(records, job["id"])
    assert api.call("DELETE", path).status == 204 and not lists(records, job["id"])
    assert api.job_of(id=job["id"])["access"] is None and not lists(records, job["id"])


@pytest.mark.parametrize("value", ["Public", "private", "public ", "everyone", 1, True, [], {}])
def test_other_values(api, value):
    api.refused(400, "POST", "/v1/jobs", {"access": value}, "access")
    job = api.job_of()
    api.refused(400, "PATCH", f"/v1/jobs/{job['id']}", {"access": value}, "access")


def test_scoped_operators(listening, records):
    """They may not make a job public, by whatever way; they may end it, and keep it as it is."""
    scoped, unscoped = listening.by(records.token("operator", "team=a")), listening.by(records.token("operator"))
    for body in [{"access": "public"}, {"access": "public", "labels": {"team": "a"}}, {"id": f"job-{random_id(8)}", "access": "public"}]:
        scoped.refused(403, "POST", "/v1/jobs", body, "access")
    mine, other = scoped.job_of(), unscoped.job_of()
    scoped.refused(403, "PATCH", f"/v1/jobs/{mine['id']}", {"access": "public"}, "access")
    scoped.refused(403, "PATCH", f"/v1/jobs/{other['id']}", {"access": "public"}, "access")
    assert not lists(records, mine["id"]) and access(records, mine["id"]) is None
    unscoped.done("PATCH", f"/v1/jobs/{mine['id']}", {"access": "public"})
    assert scoped.done("PATCH", f"/v1/jobs/{mine['id']}", {"labels": {"x": "y"}})["access"] == "public"
    # Where strangers get to is not theirs to change either, unless the job is public no more by then.
    path, there = f"/v1/jobs/{mine['id']}", "http://127.0.0.1:1"
    unscoped.done("PATCH", path, {"ports": {"1": there}})
    before = unscoped.done("GET", path)
    for body in [{"url": there}, {"ports": {"1": there}}, {"ports": {"2": there}}, {"url": there, "labels": {"team": "a"}}, {"url": f"{there} http://127.0.0.1:2"}]:
        scoped.refused(403, "PATCH", path, body, "access")
    assert unscoped.done("GET", path) == before
    assert scoped.done("PATCH", path, {"ports": {"1": None}, "labels": {"x": "z"}, "health": "/up"})["ports"] == {}
    assert unscoped.done("PATCH", path, {"url": there})["url"] == there
    assert scoped.done("PATCH", path, {"url": f"{there}/x", "access": None})["access"] is None
    assert scoped.done("PATCH", path, {"url": f"{there}/y"})["url"] == f"{there}/y"
    unscoped.done("PATCH", path, {"access": "public"})
    # Deleted and made again, it is not public any more.
    assert scoped.call("DELETE", f"/v1/jobs/{mine['id']}").status == 204
    assert scoped.job_of(id=mine["id"])["access"] is None and not lists(records, mine["id"])
    unscoped.done("PATCH", f"/v1/jobs/{mine['id']}", {"access": "public"})
    assert scoped.done("PATCH", f"/v1/jobs/{mine['id']}", {"access": None})["access"] is None and not lists(records, mine["id"])
    listening.by(records.token("read")).refused(403, "POST", "/v1/jobs", {"access": "public"})


def test_ended_lease(api, records):
    """The id stays in the set, and lets no one in, until a list or a new job with this id drops it."""
    jobs = [api.job_of(access="public", lease=60)["id"] for _ in range(2)]
    for job in jobs:
        records.client.delete(records.job_key(job))
    assert api.job_of(id=jobs[0])["access"] is None and not lists(records, jobs[0])
    assert lists(records, jobs[1])
    eventually(lambda: api.call("GET", "/v1/jobs?limit=1000") and not lists(records, jobs[1]), "the list drops it")


def test_too_many(module_gateways, make_folder):
    server = RedisServer(make_folder("redis")).start()
    api = Control(module_gateways.start({}, server.url).socket_path)
    server.client.sadd(SET, *(f"job-{number}" for number in range(9999)))
    last = api.job_of(access="public")
    api.refused(409, "POST", "/v1/jobs", {"access": "public"}, "access")
    job = api.job_of()
    api.refused(409, "PATCH", f"/v1/jobs/{job['id']}", {"access": "public"}, "access")
    assert api.done("PATCH", f"/v1/jobs/{last['id']}", {"access": "public", "labels": {"a": "b"}})["access"] == "public"
    assert server.client.scard(SET) == 10000
    server.client.delete(SET)
    server.client.set(SET, "text")
    assert api.call("POST", "/v1/jobs", {"access": "public"}).status >= 500  # and nothing was made
    assert api.done("PATCH", f"/v1/jobs/{last['id']}", {"access": None})["access"] is None
    assert api.call("DELETE", f"/v1/jobs/{last['id']}").status == 204
    api.job_of()
    server.stop()


def test_command_line(gateway, records):
    made = gateway.cli("job", "create", "--access", "public", "-o", "json").json()
    assert made["access"] == "public" and lists(records, made["id"])
    assert "public" in gateway.cli("job", "get", made["id"]).out
    assert gateway.cli("job", "set", made["id"], "--access", "").status == 0 and not lists(records, made["id"])
    assert gateway.cli("job", "set", made["id"], "--access", "public", "-o", "json").json()["access"] == "public"
    wrong = gateway.cli("job", "set", made["id"], "--access", "all")
    assert wrong.status != 0 and "public" in wrong.err


def test_audit(gateway, records):
    job = gateway.cli("job", "create", "--access", "public", "-o", "json").json()["id"]
    gateway.cli("job", "set", job, "--access", "")
    eventually(lambda: "access none -> public" in gateway.program.log() and "access public -> none" in gateway.program.log(), "the audit log's lines")


def test_export_and_import(source, target, store):  # noqa: F811
    records = Records(source.client)
    public, private = records.job("http://h:1", access="public"), records.job("http://h:1")
    source.client.sadd(SET, public)
    source.client.zadd("jobgate:jobs", {public: 1, private: 2})
    lines = store("export", server=source)
    assert lines.status == 0 and {line["id"]: line["access"] for line in map(json.loads, lines.out.splitlines())} == {public: "public", private: None}
    assert store("import", server=target, stdin=lines.out).status == 0
    assert target.client.smembers(SET) == {public} and store("verify", server=target).status == 0


def test_import_into_a_full_store(source, target, store):  # noqa: F811
    records = Records(source.client)
    public = records.job("http://h:1", access="public")
    source.client.zadd("jobgate:jobs", {public: 1})
    target.client.sadd(SET, *(f"job-{number}" for number in range(10000)))
    imported = store("import", server=target, stdin=store("export", server=source).out)
    assert imported.status == 1 and f"public job {public} was left out: the store already has 10000 public jobs; make one of them private" in imported.err
    assert not target.client.exists(f"jobgate:job:{public}")


def test_verify(source, store):  # noqa: F811
    records = Records(source.client)
    unlisted, good, private = records.job("http://h:1", access="public"), records.job("http://h:1", access="public"), records.job("http://h:1")
    source.client.zadd("jobgate:jobs", {unlisted: 1, good: 2, private: 3})
    source.client.sadd(SET, good, private, "ended")
    result = store("verify", server=source)
    assert result.status == 1
    assert f"job {unlisted}: " in result.err and f"job {private}: " in result.err
    assert "ended" not in result.err and good not in result.err


def test_verify_names_what_is_no_id(source, store):  # noqa: F811
    """Whatever other programs have put into the set."""
    strays = ["Upper", "-a", "a-", "with space", "a.b", "x" * 64, "y" * 200, ""]
    source.client.sadd(SET, "ended", "a", "a" * 63, *strays, b"\x1b[31m\xff")
    result = store("verify", server=source)
    assert result.status == 1
    lines = [line for line in result.err.splitlines() if "no job can have this id, but the set of public jobs has it" in line]
    assert len(lines) == len(strays) + 1 and "9 problems" in result.out
    for name in ["Upper", "-a", "a-", "with?space", "a.b", "x" * 64, "y" * 64, "", "?[31m?"]:
        assert any(line.startswith(f"job {name}: ") for line in lines), name
    source.client.srem(SET, *strays, b"\x1b[31m\xff")
    assert store("verify", server=source).status == 0
    source.client.sadd(SET, *(f"j{number}" for number in range(9_999)))
    result = store("verify", server=source)
    assert result.status == 1 and "has more than 10000 members" in result.err and result.err.count("set of public jobs") == 1
    source.client.delete(SET)
    source.client.set(SET, "x")
    result = store("verify", server=source)
    assert result.status == 1 and "the key of the set of public jobs holds something else" in result.err


def test_verify_names_collisions(source, store):  # noqa: F811
    """A port, and the job that has its host."""
    records = Records(source.client)
    records.job("http://h:1", job_id="a", **{"port:9000": "http://h:2", "port:9001": "http://h:3"})
    source.client.zadd("jobgate:jobs", {"a": 1})
    assert store("verify", server=source).status == 0
    records.job("nonsense", job_id="a-9000")  # broken: it has the host all the same
    source.client.zadd("jobgate:jobs", {"a-9000": 2})
    result = store("verify", server=source)
    assert result.status == 1 and "job a: its port 9000 is not served, because job a-9000 has the same host" in result.err
    assert "9001" not in result.err
    source.client.delete("jobgate:job:a-9000")
    assert store("verify", server=source).status == 0
