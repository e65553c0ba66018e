"""The control API through the gateway, under control.host: what the data path lets pass, and what the API makes of it."""

import json
import os
import signal
import stat

import pytest

from harness.control import Answer, Control, request_text
from harness.gateway import NO_AUTHORITIES, binary, environment, run
from harness.process import eventually
from harness.raw import Client
from harness.store import random_id
from test_control_matrix import ROWS, request_of

HOST = "control.jobs.test"  # under the jobs' domain, but not a job


@pytest.fixture(scope="module")
def gateway(module_gateways):
    return module_gateways.start({"control": {"host": HOST}})


@pytest.fixture
def through(gateway, records):
    """A caller whose calls take the data path."""
    def make(role="operator", selector="", token=None):
        return Control(gateway.address, token or records.token(role, selector), host=HOST)
    return make


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]}:{row[1]}")
def test_operators(through, records, row):
    """Operators get what they would at control.listen."""
    call, target, _, unscoped, scoped = row[:5]
    for expected, selector in [(unscoped, ""), (scoped, "team=a")]:
        method, path, body, _ = request_of(call, target, records)
        assert str(through("operator", selector).call(method, path, body).status) == expected, selector


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/me", "/metrics", "/healthz", "/nothing", "/jobs/x/"])
def test_others(gateway, records, path):
    """The data path itself refuses who is no operator, whatever the path: nothing reaches the API."""
    revoked = records.token("operator")
    records.delete_token(revoked)
    read = records.token("read")
    for token, fields, status, error in [
            (None, [], 401, None), (revoked, [], 401, "invalid_token"), ("nonsense", [], 401, "invalid_token"),
            (read, [], 403, "insufficient_scope"), (None, ["Authorization: Basic eDp5"], 401, "invalid_token"),
            (read, [f"Authorization: {records.token('operator').bearer}"], 400, "invalid_request")]:
        with gateway.client() as client:
            client.send(request_text("GET", path, token, fields=fields, host=HOST))
            answer = client.read_response("GET")
        assert answer.status == status, answer
        challenge = answer.challenge()
        assert challenge.startswith("Bearer realm=") and (f'error="{error}"' in challenge if error else "error" not in challenge)
        assert json.loads(answer.body)["status"] == status


def test_revoked_at_once(through, records):
    """The API reads the token for each call: no worker's cache stands in between."""
    operator = through()
    assert operator.call("GET", "/v1/me").status == 200
    with operator.connect() as client:
        operator.send(client, "GET", "/v1/me")
        assert client.read_response().status == 200
        records.delete_token(operator.token)
        operator.send(client, "GET", "/v1/me")
        assert client.read_response().status == 401


def test_renews_itself(through):
    """An operator that renews its own token gets the new value, although the old one ends meanwhile."""
    operator = through()
    for _ in range(5):
        renewed = operator.done("POST", f"/v1/tokens/{operator.token.id}/renew")
        operator.token.value = renewed["value"]
    eventually(lambda: operator.call("GET", "/v1/me").status == 200, "the last value to pass")


def test_audit_and_request_id(gateway, through):
    """The log tells who it was from the client's address; both logs have one id."""
    operator = through()
    made = operator.call("POST", "/v1/jobs", {}, fields=["X-Forwarded-For: 192.0.2.1", "X-Request-Id: forged"])
    job = made.json["id"]
    line = eventually(lambda: [line for line in gateway.program.log().splitlines() if f"audit: job created {job}" in line], "the line")[0]
    assert f"by token {operator.token.id} from 127.0.0.1 request {made.request_id}" in line
    assert made.request_id != "forged"
    entry = gateway.access_entry(request_id=made.request_id)
    assert (entry["status"], entry["host"]) == (201, HOST)


def test_audit_behind_a_proxy(module_gateways, records):
    """What a client put into X-Forwarded-For before the proxy did is no part of the line."""
    gateway = module_gateways.start({"control": {"host": HOST}, "backends": {"trusted_proxies": ["127.0.0.1"]}})
    operator = Control(gateway.address, records.token("operator"), host=HOST)
    made = operator.call("POST", "/v1/jobs", {}, fields=["X-Forwarded-For: 9.9.9.9 by token x\x9b2J, 192.0.2.1"])
    line = eventually(lambda: [line for line in gateway.program.log().splitlines() if f"created {made.json['id']}" in line], "the line")[0]
    assert f"by token {operator.token.id} from 192.0.2.1, 127.0.0.1 request {made.request_id}" in line


def test_no_job_can_have_its_host(gateway, through, records, scene_of):
    """A job named like the host's first label is not reached there, nor is the API under another host."""
    scene = scene_of(gateway, token=records.token("operator"))
    records.job(scene.backend.url, job_id="control")
    assert through().call("GET", "/v1/me").status == 200
    for host in ["jobs.test", "127.0.0.1", scene.host, "xcontrol.jobs.test"]:
        with gateway.client() as client:
            client.send(request_text("GET", "/v1/me", scene.token, host=host))
            if host == scene.host:
                connection = scene.backend.next()
                assert connection.read_request().target == "/v1/me"
                connection.answer()
                assert client.read_response().status == 200
            else:
                assert client.read_response().status == 404


def test_any_writing_of_the_host(gateway, through):
    for host in [HOST.upper(), HOST + ".", f"{HOST}:8080"]:
        operator = Control(gateway.address, through().token, host=host)
        assert operator.call("GET", "/v1/me").status == 200


def test_socket_is_no_backend(gateway, records, scene_of):
    """A job's URL cannot lead to it, and it takes only the gateway's own workers."""
    path = gateway.socket_path + ".gateway"
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    scene = scene_of(gateway, token=records.token("operator"), url=f"unix:{path}")
    scene.client.send(scene.request(path="/v1/me"))
    assert scene.client.read_response().status == 502
    for token, fields in [(None, []), (records.token("operator"), []), (None, [f"X-Jobgate-Control-Secret: {'0' * 64}"])]:
        for target in ["/v1/jobs", "/metrics"]:
            with Client(path) as client:
                client.send(request_text("GET", target, token, fields=fields))
                assert Answer("GET", target, client.read_response()).status == 403


def test_no_upgrade(gateway, through):
    operator = through()
    with operator.connect() as client:
        operator.send(client, "GET", "/v1/me", fields=[
            "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="])
        assert client.read_response().status == 200


def test_large_bodies_and_pipelining(gateway, through):
    operator = through()
    operator.refused(413, "POST", "/v1/jobs", {"id": "x" * 70000})
    mark = random_id(8)
    with operator.connect() as client:
        for number in range(10):
            operator.send(client, "POST", "/v1/jobs", {"labels": {"mark": mark, "n": str(number)}})
        for _ in range(10):
            assert client.read_response("POST").status == 201
    assert len(operator.pages(f"/v1/jobs?label=mark={mark}", 3)) == 10


def test_sidecar(module_gateways, records):
    """Every request is for the one job, but those for the control host."""
    gateway = module_gateways.start({
        "jobs": {"domain": None, "prefix": None, "fixed": "only", "fixed_url": "unix:/nonexistent"}, "control": {"host": HOST}})
    token = records.token("operator")
    assert Control(gateway.address, token, host=HOST).call("GET", "/v1/me").status == 200
    with gateway.client() as client:
        client.send(request_text("GET", "/v1/me", token, host="elsewhere"))
        assert client.read_response().status in (404, 502)


def test_no_job_has_its_id(gateways, sanitizer, make_folder, redis_server, records):
    """The host of job `control` would be this host: it cannot be registered, and is not served if it is there."""
    records.client.hset(records.job_key("control"), mapping={"url": "unix:/nonexistent", "label:team": "a"})
    gateway = gateways.start({"control": {"host": HOST}})
    operator = records.token("operator")
    try:
        eventually(lambda: "job control is not served" in gateway.program.log(), "to be told")
        for path in ["/jobs/control/", "/jobs/control"]:
            with gateway.client() as client:
                client.send(request_text("GET", path, operator, host="gateway"))
                assert client.read_response().status == 404
        result = gateway.cli("authorize", "--job", "control", "--value", "-", "-o", "json", stdin=operator.value)
        assert result.status == 1 and '"not_a_job"' in result.out, result
        answer = Control(gateway.address, operator, host=HOST).call("POST", "/v1/jobs", {"id": "control"})
        assert answer.status == 409 and "control.host" in answer.json["detail"], answer
        path = make_folder("check") / "jobgate.yaml"
        path.write_text(json.dumps({"jobs": {"domain": "jobs.test"}, "control": {"host": HOST}, "store": {"url": redis_server.url}}))
        checked = run([binary(), "check", "-c", path, "--connect"], environment(sanitizer, **NO_AUTHORITIES))
        assert checked.status == 1 and "job control is not served" in checked.err, checked
        assert Control(gateway.address, operator, host=HOST).call("DELETE", "/v1/jobs/control").status in (200, 204)
    finally:
        records.client.delete(records.job_key("control"))


def test_reload_turns_it_on(gateways, records):
    gateway = gateways.start()
    operator = Control(gateway.address, records.token("operator"), host="api.example")
    with gateway.client() as client:
        client.send(request_text("GET", "/v1/me", operator.token, host="api.example"))
        assert client.read_response().status == 404
    gateway.config["control"]["host"] = "api.example"
    gateway.config_path.write_text(json.dumps(gateway.config))
    gateway.program.send_signal(signal.SIGHUP)

    def reached():
        with gateway.client() as client:
            client.send(request_text("GET", "/v1/me", operator.token, host="api.example"))
            return client.read_response().status == 200
    eventually(reached, "the control host")
    gateway.family = []
