"""jobs.register: a sidecar keeps a record of its job in the store, so that others see it; it does not depend on this record itself."""

import json
import os
import signal

import pytest

from harness.gateway import NO_AUTHORITIES, binary, environment, run
from harness.process import eventually
from harness.raw import Backend
from harness.scene import request_bytes
from harness.store import RedisServer, random_id
from test_reload import write

LABELS = {"team": "blue", "example.org/model": "base"}


@pytest.fixture
def backend():
    backend = Backend()
    yield backend
    backend.close()


@pytest.fixture
def sidecar(gateways, backend):
    """Starts a sidecar that registers its job; returns it with the job's id."""
    def make(job=None, store_url=None, **jobs):
        job = job or "side-" + random_id(6)
        settings = {"domain": None, "prefix": None, "fixed": job, "fixed_url": backend.url, "labels": LABELS, "register": "3s", **jobs}
        return gateways.make({"jobs": settings}, store_url=store_url), job

    def start(*args, **kwargs):
        gateway, job = make(*args, **kwargs)
        return gateway.start(), job
    start.make = make
    return start


def record(records, job):
    return records.client.hgetall(records.job_key(job))


def kill(gateway):
    """All its processes, so that none ends in good order."""
    gateway.program.popen.send_signal(signal.SIGSTOP)
    for pid in [*gateway.processes(), gateway.program.pid]:
        os.kill(pid, signal.SIGKILL)
    gateway.stop()


def says(gateway, words):
    eventually(lambda: words in gateway.program.log(), f"the log to say: {words}")


def ask(gateway, backend, token):
    with gateway.client() as client:
        client.send(request_bytes("any.test", token))
        connection = backend.next()
        connection.read_request()
        connection.answer()
        return client.read_response().status


def test_a_record_as_long_as_the_gateway_runs(sidecar, gateways, records):
    gateway, job = sidecar(register_url="http://notebook.example.org:8888")
    says(gateway, f"job {job} is registered, with a lease of 3 s")
    found = record(records, job)
    assert {name: found[f"label:{name}"] for name in LABELS} == LABELS
    assert (found["url"], found["lease"]) == ("http://notebook.example.org:8888", "3")
    assert records.client.zscore("jobgate:jobs", job) is not None
    edge = gateways.start()
    shown = edge.cli("job", "get", job, "-o", "json").json()
    assert shown["labels"] == LABELS and shown["url"] == found["url"]
    ttl = lambda: records.client.pttl(records.job_key(job))
    for _ in range(2):
        eventually(lambda: 0 < ttl() < 2500, "the lease to run")
        eventually(lambda: ttl() > 2500, "the lease to be renewed")
    assert gateway.stop() == 0
    assert record(records, job) == {} and records.client.zscore("jobgate:jobs", job) is None
    assert f"audit: job deleted {job} by this gateway, which had registered it" in gateway.program.log()


def test_a_gateway_that_is_killed(sidecar, records):
    gateway, job = sidecar()
    says(gateway, "is registered")
    gateway.stop(signal.SIGKILL)
    eventually(lambda: record(records, job) == {}, "the record to end with its lease")


def test_a_record_that_is_gone_comes_back(sidecar, records, backend):
    gateway, job = sidecar()
    says(gateway, "is registered")
    records.delete_job(job)
    assert ask(gateway, backend, records.token(selector="team=blue")) == 200  # it does not need the record
    eventually(lambda: record(records, job).get("label:team") == "blue", "the record to be there again")


def test_one_that_was_there(sidecar, records):
    """Another gateway's, or one of a former run: its lease is renewed."""
    first, job = sidecar()
    says(first, "is registered")
    kill(first)
    second, _ = sidecar(job)
    says(second, "is registered")
    expires = records.client.pttl(records.job_key(job))
    eventually(lambda: records.client.pttl(records.job_key(job)) > expires, "the lease to be renewed")
    third, _ = sidecar(job, labels={"team": "red"})
    says(third, f"job {job} is in the store with other labels, another URL or another lease than here")
    assert record(records, job)["label:team"] == "blue"
    second.stop()
    eventually(lambda: record(records, job).get("label:team") == "red", "the third to register the job")


def test_one_with_the_url_of_a_dead_gateway(sidecar, records):
    """The address may be another pod's by now: a renewal does not keep it alive."""
    first, job = sidecar(register_url="http://10.0.0.1:8080")
    says(first, "is registered")
    kill(first)
    second, _ = sidecar(job, register_url="http://10.0.0.2:8080")
    says(second, f"job {job} is in the store with other labels, another URL or another lease than here")
    eventually(lambda: record(records, job).get("url") == "http://10.0.0.2:8080", "the lease to end, and the job to be registered again")


def test_several_gateways(sidecar, records):
    """The record stays, without a gap, until the last of them stops."""
    first, job = sidecar()
    says(first, "is registered")
    second, _ = sidecar(job)
    says(second, "is registered")
    made = record(records, job)["created_at"]
    marks = lambda: record(records, job)["registered_by"].split()
    eventually(lambda: len(set(marks()[:2])) == 2, "both to have renewed it")
    first.stop()
    assert len(set(marks())) == 1 and record(records, job)["created_at"] == made
    third, _ = sidecar(job)
    says(third, "is registered")
    second.stop()
    assert len(set(marks())) == 1 and record(records, job)["created_at"] == made
    third.stop()
    assert record(records, job) == {}


def test_a_control_process_that_is_killed(sidecar, records):
    """The next one takes the record over."""
    gateway, job = sidecar()
    says(gateway, "is registered")
    made = record(records, job)
    os.kill(gateway.control_process(), signal.SIGKILL)
    eventually(lambda: gateway.program.log().count("is registered") == 2, "the next one to have it")
    assert record(records, job)["created_at"] == made["created_at"]
    gateway.stop()
    assert record(records, job) == {}


def test_a_reload_leaves_no_gap(sidecar, records):
    """It restarts the control process, which hands the record over; other labels are registered anew."""
    gateway, job = sidecar()
    says(gateway, "is registered")
    made, control, seen = record(records, job)["created_at"], gateway.control_process(), []
    write(gateway, {"control": {"scope_jobs": 7}})
    gateway.program.send_signal(signal.SIGHUP)

    def renewed():
        seen.append(record(records, job))
        return gateway.program.log().count("is registered") == 2
    eventually(renewed, "the next control process to have it")
    assert gateway.control_process() != control
    assert {found.get("created_at") for found in seen} == {made}
    write(gateway, {"jobs": {"labels": {"team": "green"}}})
    gateway.program.send_signal(signal.SIGHUP)
    eventually(lambda: record(records, job).get("label:team") == "green", "the new labels")
    gateway.stop()
    assert record(records, job) == {}


def test_one_that_an_operator_has_changed(sidecar, gateways, records):
    """It is the gateway's own, so that its lease goes on."""
    gateway, job = sidecar()
    says(gateway, "is registered")
    assert gateways.start().cli("job", "set", job, "--label", "team=red").status == 0
    says(gateway, f"job {job} has other labels or another URL in the store than here")
    assert record(records, job)["label:team"] == "red"
    gateway.stop()
    assert record(records, job) == {}


def test_one_that_is_not_ours(sidecar, records, backend):
    job = records.job("http://127.0.0.1:1", labels={"team": "red"})
    gateway, _ = sidecar(job)
    says(gateway, f"job {job} is not registered: its record in the store has no lease")
    assert ask(gateway, backend, records.token(selector="team=blue")) == 200
    gateway.stop()
    assert record(records, job)["label:team"] == "red"
    records.client.hset(records.job_key(job), "url", "no url")
    records.client.hset(records.job_key(job), "lease", "60")
    gateway, _ = sidecar(job)
    says(gateway, f"job {job} is not registered: its record in the store breaks the rules")
    records.delete_job(job)
    says(gateway, f"job {job} is registered, with a lease of 3 s")


def test_a_port_of_another_job(sidecar, records):
    owner = records.job("http://127.0.0.1:1", **{"port:9000": "http://127.0.0.1:2"})
    gateway, job = sidecar(f"{owner}-9000")
    says(gateway, f"job {job} is not registered: a port of another job has its host")
    assert record(records, job) == {}


def test_a_store_that_comes_later(sidecar, make_folder):
    server = RedisServer(make_folder("redis")).start()
    server.stop()
    gateway, job = sidecar.make(store_url=server.url)
    gateway.launch()
    says(gateway, "the store is out of reach")
    server.start()
    says(gateway, f"job {job} is registered")
    assert server.client.exists(f"jobgate:job:{job}")
    server.stop()
    assert gateway.stop() == 0  # it does not wait for the store


def test_labels_of_a_pod(sidecar, records, make_folder):
    """A file as the downward API writes it. A reload reads it again."""
    path = make_folder("podinfo") / "labels"
    path.write_text('app.kubernetes.io/name="notebook"\nempty=""\nteam="blue"')
    gateway, job = sidecar(labels={"more": "x"}, labels_file=str(path))
    says(gateway, "is registered")
    labels = {name[6:]: value for name, value in record(records, job).items() if name.startswith("label:")}
    assert labels == {"app.kubernetes.io/name": "notebook", "empty": "", "team": "blue", "more": "x"}
    path.write_text('team="red"\n')
    gateway.program.popen.send_signal(signal.SIGHUP)
    eventually(lambda: record(records, job).get("label:team") == "red", "the new labels")


@pytest.mark.parametrize("text, words", [
    (None, "cannot be read: No such file or directory"), ("team=blue", 'line 1: expected name="value"'), ('a="b"\n\n-="x"', "line 3: expected"),
    ('a="b"\n"', "line 2: expected"), ('a="b c"', "line 1: expected"), ('a="b"\na="c"', "only once"), ('x="y"', "only once"),
    ("".join(f'a{i}="b"\n' for i in range(16)), "at most 16 labels")])
def test_a_file_that_is_none(check, make_folder, text, words):
    path = make_folder("podinfo") / "labels"
    if text is not None:
        path.write_text(text)
    _, result = check(json.dumps({"jobs": {"fixed": "x", "fixed_url": "http://127.0.0.1:1", "labels": {"x": "y"}, "labels_file": str(path)}}))
    assert result.status == 1 and "jobs.labels_file: " in result.err and words in result.err, result


@pytest.mark.parametrize("jobs, words", [
    ({"fixed": "x", "fixed_url": "http://127.0.0.1:1", "register": "30s"}, "jobs.register: needs jobs.fixed, jobs.fixed_url, and jobs.labels"),
    ({"domain": "x.test", "register": "30s"}, "jobs.register: needs jobs.fixed"),
    ({"fixed": "x", "fixed_url": "http://127.0.0.1:1", "labels": {}, "register": "2s"}, "at least 3s"),
    ({"fixed": "x", "fixed_url": "http://127.0.0.1:1", "labels": {}, "register": "3500ms"}, "whole seconds"),
    ({"fixed": "x", "fixed_url": "http://127.0.0.1:1", "labels": {}, "register_url": "http://a:1"}, "jobs.register_url: needs jobs.register"),
    ({"fixed": "x", "fixed_url": "http://127.0.0.1:1", "labels": {}, "register": "3s", "register_url": "a"}, "jobs.register_url: "),
])
def test_what_it_needs(check, jobs, words):
    _, result = check(json.dumps({"jobs": jobs}))
    assert result.status == 1 and words in result.err, result


def test_check_connect(sanitizer, make_folder, records, redis_server, backend):
    job = records.job(backend.url)
    path = make_folder("check") / "jobgate.yaml"
    path.write_text(json.dumps({"jobs": {"fixed": job, "fixed_url": backend.url, "labels": LABELS, "register": "30s"}, "store": {"url": redis_server.url}}))
    checked = lambda: run([binary(), "check", "-c", path, "--connect"], environment(sanitizer, **NO_AUTHORITIES))
    result = checked()
    assert result.status == 1 and f"job {job} is not registered: its record in the store has no lease" in result.err, result
    records.client.hset(records.job_key(job), "lease", "30")
    assert checked().status == 0
    records.delete_job(job)
    assert checked().status == 0
