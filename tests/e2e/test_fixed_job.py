"""The one job of a sidecar: its labels in the configuration, and what is said before anyone asks if something is missing."""

import json
import signal

import pytest

from harness.gateway import NO_AUTHORITIES, binary, environment, run
from harness.process import eventually, free_port
from harness.raw import Backend
from harness.scene import request_bytes
from harness.store import random_id

SIDECAR = {"domain": None, "prefix": None}


@pytest.fixture
def backend():
    backend = Backend()
    yield backend
    backend.close()


def ask(gateway, token):
    with gateway.client() as client:
        client.send(request_bytes("any.test", token))
        return client.read_response().status


def served(gateway, backend, token):
    with gateway.client() as client:
        client.send(request_bytes("any.test", token))
        connection = backend.next()
        request = connection.read_request()
        connection.answer()
        assert client.read_response().status == 200
        connection.close()
        return request


def test_labels_need_no_record(gateways, records, backend):
    job = "side-" + random_id(6)
    gateway = gateways.start({"jobs": {**SIDECAR, "fixed": job, "fixed_url": backend.url, "labels": {"team": "blue", "example.org/model": "base"}}})
    for selector in ["", "team=blue", "example.org/model=base,team=blue"]:
        token = records.token(selector=selector)
        assert served(gateway, backend, token).field("x-jobgate-job") == job
    for selector in ["team=red", "team=blue,other=x", "team="]:
        assert ask(gateway, records.token(selector=selector)) == 403
    assert ask(gateway, "wrong") == 401
    assert "has no record" not in gateway.program.log() and "has no labels" not in gateway.program.log()


def test_a_record_does_not_count_then(gateways, records, backend):
    """The configuration is all there is: a record neither widens nor narrows who may use the job."""
    job = records.job("http://127.0.0.1:1", labels={"team": "red"})
    gateway = gateways.start({"jobs": {**SIDECAR, "fixed": job, "fixed_url": backend.url, "labels": {"team": "blue"}}})
    blue, red = records.token(selector="team=blue"), records.token(selector="team=red")
    assert ask(gateway, red) == 403
    served(gateway, backend, blue)
    records.client.delete(records.job_key(job))
    served(gateway, backend, blue)


def test_a_token_is_revoked_at_once(gateways, records, backend):
    gateway = gateways.start({"jobs": {**SIDECAR, "fixed": "side", "fixed_url": backend.url, "labels": {}}})
    token = records.token()
    with gateway.client() as client:
        client.send(request_bytes("any.test", token))
        backend.next().read_request()
        records.client.delete(f"jobgate:token:{token.id}")
        assert client.read_response().status == 401
    assert ask(gateway, records.token(selector="team=blue")) == 403


def test_labels_are_explained(gateways, records):
    """`jobgate authorize` decides as the data path does."""
    gateway = gateways.start({"jobs": {**SIDECAR, "fixed": "side", "fixed_url": "unix:/nonexistent", "labels": {"team": "blue"}}})
    for selector, status, verdict in [("", 0, "allow"), ("team=blue", 0, "allow"), ("team=red", 1, "out_of_scope")]:
        token = records.token(selector=selector)
        result = gateway.cli("authorize", "--job", "side", "--value", "-", "-o", "json", stdin=token.value)
        assert result.status == status and f'"{verdict}"' in result.out, result


def test_a_reload_changes_labels(gateways, records, backend):
    gateway = gateways.start({"jobs": {**SIDECAR, "fixed": "side", "fixed_url": backend.url, "labels": {"team": "blue"}}})
    red = records.token(selector="team=red")
    assert ask(gateway, red) == 403
    gateway.config["jobs"]["labels"] = {"team": "red"}
    gateway.config_path.write_text(json.dumps(gateway.config))
    gateway.program.send_signal(signal.SIGHUP)
    eventually(lambda: gateway.cli("authorize", "--job", "side", "--value", "-", stdin=red.value).status == 0, "the control process to know")
    eventually(lambda: "a new configuration is in force" in gateway.program.log(), "the reload")
    served(gateway, backend, red)


@pytest.mark.parametrize("labels, words", [
    ({"a b": "c"}, "a label's name"), ({"a": "b c"}, "a label's value"), (["a=b"], "such as {team: blue}"), ("a=b", "such as {team: blue}"),
    ({"a": ["b"]}, "a name and a value"), ({f"n{n}": "" for n in range(17)}, "at most 16")])
def test_bad_labels(check, labels, words):
    text = json.dumps({"jobs": {"fixed": "x", "fixed_url": "http://127.0.0.1:1", "labels": labels}})
    _, result = check(text)
    assert result.status == 1 and words in result.err, result


def test_labels_need_the_rest(check):
    for text in ["jobs:\n  fixed: x\n  labels: {a: b}\n", "jobs:\n  domain: x.test\n  labels: {a: b}\n"]:
        _, result = check(text)
        assert result.status == 1 and "labels: needs jobs.fixed and jobs.fixed_url" in result.err, result
    _, result = check("jobs:\n  fixed: x\n  fixed_url: http://127.0.0.1:1\n  labels: {a: b, a: c}\n")
    assert result.status == 1 and "only once" in result.err, result


# ---- what is missing ----

def test_the_log_says_what_is_missing(gateways, records, backend):
    job = "side-" + random_id(6)
    gateway = gateways.start({"jobs": {**SIDECAR, "fixed": job, "fixed_url": backend.url}})
    eventually(lambda: f"job {job} has no record in the store" in gateway.program.log(), "to be told")
    bare = records.job(backend.url)
    gateway = gateways.start({"jobs": {**SIDECAR, "fixed": bare, "fixed_url": backend.url}})
    eventually(lambda: f"job {bare} has no labels" in gateway.program.log(), "to be told")
    waiting = records.job("", labels={"a": "b"})
    gateway = gateways.start({"jobs": {**SIDECAR, "fixed": waiting}})
    eventually(lambda: f"job {waiting} has no URL" in gateway.program.log(), "to be told")


def test_the_log_says_what_does_not_listen(gateways, records):
    """Without any request: each replica of the record, and the URL of the configuration."""
    port, gone = free_port(), free_port()
    waiting, second = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{gone}"
    up = Backend()
    job = records.job(f"{up.url} {second} {waiting}", labels={"a": "b"})
    refused = records.job("http://169.254.169.254", labels={"a": "b"})
    told = [gateways.start({"jobs": {**SIDECAR, "fixed": job}}), gateways.start({"jobs": {**SIDECAR, "fixed": "side", "fixed_url": waiting, "labels": {}}}),
            gateways.start({"jobs": {**SIDECAR, "fixed": refused}})]
    starting = gateways.start({"jobs": {**SIDECAR, "fixed": "slow", "fixed_url": waiting, "labels": {}}, "timeouts": {"start": "1h"}})
    for gateway, words in [(told[0], f"job {job}: nothing can be reached at {waiting}: Connection refused; start the job, or correct its URL"),
                           (told[0], f"job {job}: nothing can be reached at {second}: Connection refused"),
                           (told[1], f"job side: nothing can be reached at {waiting}: Connection refused; start the job, or correct jobs.fixed_url"),
                           (told[2], "at http://169.254.169.254: no job's URL may lead to its address (see backends.allow)")]:
        eventually(lambda g=gateway, w=words: w in g.program.log(), words, patience=90)
    with Backend(port=port):
        for gateway, name in [(told[0], job), (told[1], "side")]:
            eventually(lambda g=gateway, n=name: f"job {n} takes connections at {waiting} again" in g.program.log(), "the job to be seen", patience=90)
    assert up.url not in told[0].program.log() and told[1].program.log().count("nothing can be reached") == 1
    assert "nothing can be reached" not in starting.program.log()
    up.close()


def checked(sanitizer, make_folder, config):
    path = make_folder("check") / "jobgate.yaml"
    path.write_text(json.dumps(config))
    return run([binary(), "check", "-c", path, "--connect"], environment(sanitizer, **NO_AUTHORITIES))


def test_check_connect(sanitizer, make_folder, records, redis_server, backend):
    job = "side-" + random_id(6)
    config = {"jobs": {"fixed": job, "fixed_url": backend.url}, "store": {"url": redis_server.url}}
    result = checked(sanitizer, make_folder, config)
    assert result.status == 1 and f"job {job} has no record in the store" in result.err, result
    records.client.hset(records.job_key(job), mapping={"url": ""})
    result = checked(sanitizer, make_folder, config)
    assert result.status == 0 and f"job {job} has no labels" in result.err, result
    records.client.hset(records.job_key(job), "label:team", "blue")
    result = checked(sanitizer, make_folder, config)
    assert result.status == 0 and result.err == "", result
    del config["jobs"]["fixed_url"]
    result = checked(sanitizer, make_folder, config)
    assert result.status == 1 and f"job {job} has no URL" in result.err, result


def test_check_connect_tries_all_replicas_and_ports(sanitizer, make_folder, records, redis_server, backend):
    """Each that cannot be reached is named: by the time that people notice, the others may be gone, too."""
    gone = [f"http://127.0.0.1:{free_port()}" for _ in range(3)]
    job = records.job(f"{gone[0]} {backend.url} {gone[1]}", {"team": "blue"}, **{"port:9000": gone[2], "port:9001": backend.url})
    config = {"jobs": {"fixed": job}, "store": {"url": redis_server.url}}
    result = checked(sanitizer, make_folder, config)
    assert result.status == 1, result
    for url in gone[:2]:
        assert f"job {job}: nothing can be reached at {url}: Connection refused" in result.err, result
    assert f"job {job}: nothing can be reached at {gone[2]}, the URL of its port 9000: Connection refused" in result.err
    assert backend.url not in result.err and len(result.err.splitlines()) == 3
    records.client.hset(records.job_key(job), "url", f"{backend.url} {backend.url}/two")
    result = checked(sanitizer, make_folder, config)
    assert result.status == 0 and "port 9000" in result.err, result  # this gateway does not serve the port
    config["jobs"]["fixed_url"] = gone[0]  # in place of the record's
    assert f"nothing can be reached at {gone[0]}" in checked(sanitizer, make_folder, config).err


def test_check_connect_finds_nothing(sanitizer, make_folder, redis_server):
    port = free_port()
    config = {"jobs": {"fixed": "side", "fixed_url": f"http://127.0.0.1:{port}", "labels": {}}, "store": {"url": redis_server.url}}
    result = checked(sanitizer, make_folder, config)
    assert result.status == 1 and f"nothing can be reached at http://127.0.0.1:{port}: Connection refused" in result.err, result
    config["jobs"]["fixed_url"] = "unix:/nonexistent"
    result = checked(sanitizer, make_folder, config)
    assert result.status == 1 and "nothing can be reached at unix:/nonexistent" in result.err, result
    config = {"store": {"url": f"redis://127.0.0.1:{port}"}}
    result = checked(sanitizer, make_folder, config)
    assert result.status == 1 and "the store does not answer" in result.err, result
