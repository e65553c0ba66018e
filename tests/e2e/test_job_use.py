"""Which jobs are idle (operate.md): when their last requests began, noted by workers in memory, written by the control process."""

import os
import signal
import time

import pytest

from harness.checker import state_of
from harness.control import Control
from harness.process import eventually
from harness.raw import Backend
from harness.scene import request_bytes
from harness.store import random_id
from test_token_use import UNREACHABLE, USED, ask, is_now, minute_of
from test_upgrade import open_tunnel


@pytest.fixture(scope="module")
def gateway(module_gateways):
    return module_gateways.start({"workers": 2})


@pytest.fixture
def local(gateway):
    return Control(gateway.socket_path)


def job_minute(records, job):
    score = records.client.zscore(USED, f"job:{job}")
    return score and int(score)


def test_a_request_is_known_soon(gateway, local, records):
    token, job = records.token(), records.job(UNREACHABLE)
    path = f"/v1/jobs/{job}"
    assert local.done("GET", path)["last_request_at"] is None
    assert ask(gateway, job, token) == 502
    minute = eventually(lambda: job_minute(records, job), "the use")
    assert is_now(minute) and is_now(minute_of(records, token))
    text = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(minute * 60))
    assert local.done("GET", path)["last_request_at"] == text
    records.client.zadd("jobgate:jobs", {job: 1})
    assert {item["id"]: item["last_request_at"] for item in local.pages("/v1/jobs")}[job] == text
    assert local.done("PATCH", path, {"labels": {"a": "b"}})["last_request_at"] == text
    assert local.done("PATCH", path, {"lease": 60})["last_request_at"] == text
    assert local.done("POST", f"{path}/renew")["last_request_at"] == text
    assert f"Last request at: {text}\n" in gateway.cli("job", "get", job).out.replace("  ", " ").replace("  ", " ")
    assert local.call("DELETE", path).status == 204
    assert job_minute(records, job) is None


def test_refused_requests_are_none(gateway, records):
    job, used = records.job(UNREACHABLE), records.job(UNREACHABLE)
    assert ask(gateway, job, records.token("read", "team=none")) == 403
    assert ask(gateway, used, records.token()) == 502
    eventually(lambda: job_minute(records, used), "the use")
    assert job_minute(records, job) is None


def test_no_id_of_a_job_is_that_of_a_token(gateway, local, records):
    """A job may have the id of a token: their uses are apart."""
    token, other = records.token(), records.token()
    job = records.job(UNREACHABLE, job_id=token.id)
    assert ask(gateway, job, other) == 502
    eventually(lambda: job_minute(records, job), "the use")
    assert minute_of(records, token) is None
    assert local.call("DELETE", f"/v1/tokens/{token.id}").status == 204
    assert job_minute(records, job) is not None


def test_idle_since(gateway, local, records):
    minute = int(time.time() // 60)
    stamp = lambda back: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(60 * (minute - back)))
    made = {name: records.job(UNREACHABLE, created_at=stamp(300)) for name in ("never", "long-ago", "now")}
    made["young"] = records.job(UNREACHABLE, created_at=stamp(0))
    records.client.zadd("jobgate:jobs", {job: 1 for job in made.values()})
    records.client.zadd(USED, {f"job:{made['long-ago']}": minute - 120, f"job:{made['now']}": minute})

    def idle(query):
        found = {item["id"] for item in local.pages(f"/v1/jobs?{query}")}
        return {name for name, job in made.items() if job in found}
    assert idle(f"idle_since={stamp(60)}") == {"never", "long-ago"}
    assert idle(f"idle_since={stamp(120)}") == {"never"}, "it may have been used in the last second of that minute"
    assert idle(f"idle_since={stamp(60)}&label=no=such") == set() and idle("") == set(made)
    listed = {item["id"] for item in gateway.cli("job", "list", "--idle-for", "1h", "-o", "json").json()}
    assert {made["never"], made["long-ago"]} <= listed and not {made["now"], made["young"]} & listed
    local.refused(400, "GET", "/v1/jobs?idle_since=x", field="idle_since")
    local.refused(400, "GET", f"/v1/tokens?idle_since={stamp(60)}")
    assert gateway.cli("job", "list", "--idle-for", "x").status == 2


def get_job(local, job):
    return local.done("GET", f"/v1/jobs/{job}")


def counts(local, query=""):
    return {item["id"]: item["sessions"] for item in local.pages(f"/v1/jobs?{query}")}


def test_sessions_of_each_job(gateway, local, records, scene_of):
    """In all workers, more jobs than workers are asked for at a time; a scoped operator sees the same of its jobs."""
    scene, team = scene_of(gateway), "team-" + random_id(6)
    scene.job = local.job_of(url=scene.backend.url, labels={"team": team})["id"]
    idle = [local.job_of(url=UNREACHABLE, labels={"team": team})["id"] for _ in range(140)]
    assert get_job(local, scene.job)["sessions"] == 0 and get_job(local, idle[0])["sessions"] == 0
    clients = [scene.new_client() for _ in range(6)]
    for client in clients:
        client.send(scene.request(path="/x"))
    backends = [scene.backend.accept() for _ in clients]
    expected = {**{job: 0 for job in idle}, scene.job: 6}
    assert counts(local, f"label=team={team}") == expected and get_job(local, scene.job)["sessions"] == 6
    scoped = local.by(records.token("operator", f"team={team}"))
    assert counts(scoped) == expected and get_job(scoped, scene.job)["sessions"] == 6
    listed = gateway.cli("job", "list", "--label", f"team={team}").out.splitlines()
    assert listed[0].split()[-1] == "SESSIONS" and [line.split()[-1] for line in listed if line.startswith(scene.job)] == ["6"]
    for backend in backends:
        backend.read_request()
        backend.answer()
    assert [client.read_response().status for client in clients] == [200] * 6
    assert get_job(local, scene.job)["sessions"] == 0


def test_changes_do_not_count(local):
    job = local.job_of(url=UNREACHABLE)
    assert job["sessions"] is None and local.done("PATCH", f"/v1/jobs/{job['id']}", {"labels": {"a": "b"}})["sessions"] is None


def test_a_job_with_a_running_session_is_not_idle(gateway, local, records, scene_of):
    """An open tunnel, and an upload, of a job whose last request began long ago."""
    minute = int(time.time() // 60)
    stamp = lambda back: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(60 * (minute - back)))
    scenes = [scene_of(gateway), scene_of(gateway)]
    for scene in scenes:
        scene.job = records.job(scene.backend.url, created_at=stamp(300))
    records.client.zadd("jobgate:jobs", {scene.job: 1 for scene in scenes})
    idle = lambda: {item["id"] for item in local.pages(f"/v1/jobs?idle_since={stamp(60)}")} & {scene.job for scene in scenes}
    assert idle() == {scene.job for scene in scenes}
    open_tunnel(scenes[0])
    upload = scenes[1].client
    upload.send(scenes[1].request("POST", "/up", ["Content-Length: 5"]) + b"12")
    scenes[1].backend.accept().read_until(b"\r\n\r\n")
    long_ago = lambda: records.client.zadd(USED, {f"job:{scene.job}": minute - 120 for scene in scenes})
    eventually(lambda: all(job_minute(records, scene.job) for scene in scenes), "the uses")
    long_ago()
    assert idle() == set()
    for scene in scenes:
        local.done("DELETE", f"/v1/sessions?job={scene.job}")
    eventually(lambda: [get_job(local, scene.job)["sessions"] for scene in scenes] == [0, 0], "the sessions to end")
    long_ago()
    assert idle() == {scene.job for scene in scenes}


def test_a_worker_that_does_not_answer(gateways, records):
    gateway = gateways.start({"workers": 2, "timeouts": {"watchdog": "2m"}})
    local, job, worker = Control(gateway.socket_path), records.job(UNREACHABLE, created_at="2024-01-01T00:00:00Z"), gateway.workers()[0]
    records.client.zadd("jobgate:jobs", {job: 1})
    sessions = lambda: get_job(local, job)["sessions"]
    eventually(lambda: sessions() == 0, "all workers to be connected")
    os.kill(worker, signal.SIGSTOP)
    try:
        eventually(lambda: state_of(worker) == "T", "the worker to stop")
        assert sessions() is None and counts(local)[job] is None
        local.refused(503, "GET", "/v1/jobs?idle_since=2025-01-01T00:00:00Z")
        done = gateway.cli("job", "list", "--idle-for", "1h")
        assert done.status == 3 and "not all workers answered" in done.err
    finally:
        os.kill(worker, signal.SIGCONT)
    eventually(lambda: sessions() == 0, "the worker to answer again")


def test_a_sidecars_job(gateways, records):
    """It has no record in the worker's cache, but one in the store."""
    job, backend = "side-" + random_id(6), Backend()
    gateway = gateways.start({"jobs": {"domain": None, "prefix": None, "fixed": job, "fixed_url": backend.url, "labels": {"a": "b"}, "register": "30s"}})
    eventually(lambda: records.client.exists(records.job_key(job)), "the record")
    with gateway.client() as client:
        client.send(request_bytes("any.test", records.token()))
        connection = backend.next()
        connection.read_request()
        connection.answer()
        assert client.read_response().status == 200
    assert is_now(eventually(lambda: job_minute(records, job), "the use"))
    backend.close()


def test_what_is_gone_leaves_the_set(gateway, records):
    """Jobs that end with their lease are not deleted by anybody: each write looks at a few entries."""
    token, job = records.token(), records.job(UNREACHABLE)
    records.client.delete(USED)  # what other tests left there would be looked at, too
    records.client.zadd(USED, {f"job:gone-{number}": 1 for number in range(20)})

    def clean():
        ask(gateway, records.job(UNREACHABLE), token)
        return not [member for member in records.client.zrange(USED, 0, -1) if member.startswith("job:gone-")]
    eventually(clean, "the set to be clean")
    assert ask(gateway, job, token) == 502
