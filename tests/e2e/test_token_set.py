"""What limits a token is changed without a new value (access.md, "Limits of a token"): PATCH /v1/tokens/{id}, `jobgate token set`."""

import threading

import pytest

from harness.control import Control
from harness.gateway import DOMAIN
from harness.process import eventually, free_port
from harness.raw import Cut
from harness.scene import request_bytes
from test_revocation import start_stream

ELSEWHERE = "192.0.2.0/24"


@pytest.fixture(scope="module")
def port():
    return free_port()


@pytest.fixture(scope="module")
def gateway(module_gateways, port):
    return module_gateways.start({"workers": 2, "control": {"listen": f"127.0.0.1:{port}"}})


@pytest.fixture
def local(gateway):
    return Control(gateway.socket_path)


def role_of(records, token):
    return records.client.hget(records.token_key(token), "role")


def test_a_change_keeps_the_value(gateway, local, records):
    token = local.token_of("kept")
    path = f"/v1/tokens/{token['id']}"
    changed = local.done("PATCH", path, {"rate": 5, "burst": 9, "from": "127.0.0.0/8", "expires_at": "2999-01-01T00:00:00Z"})
    assert (changed["rate"], changed["burst"], changed["from"], changed["concurrency"]) == (5, 9, "127.0.0.0/8", None)
    assert changed["version"] == 1 and "value" not in changed and local.done("GET", path) == changed
    assert role_of(records, token["id"]) == "read needs expires_at from rate burst"
    assert f"audit: token changed {token['id']} by " in gateway.program.log()
    assert "rate 0 -> 5, burst 0 -> 9, concurrency 0 -> 0, from everywhere -> 127.0.0.0/8" in gateway.program.log()
    with gateway.client() as client:
        assert client.exchange(request_bytes(f"none.{DOMAIN}", token["value"])).status == 404  # not 401: it is valid, and there is no such job
    changed = local.done("PATCH", path, {"rate": None, "burst": None, "from": "", "expires_at": None})
    assert (changed["rate"], changed["from"], changed["expires_at"]) == (None, None, None)
    assert role_of(records, token["id"]) == "read"


def test_a_grace_goes_on(local):
    token = local.token_of("graced")
    path = f"/v1/tokens/{token['id']}"
    renewed = local.done("POST", path + "/renew", {"grace": 600})
    assert local.done("PATCH", path, {"rate": 5})["previous_until"] == renewed["previous_until"]


def test_what_is_running_obeys(gateway, local, scene_of, records):
    scene = scene_of(gateway)
    client, connection, response = start_stream(scene)
    local.done("PATCH", f"/v1/tokens/{scene.token.id}", {"concurrency": 1})

    def refused():
        with gateway.client() as other:
            return other.exchange(request_bytes(scene.host, scene.token, "OPTIONS", fields=["Max-Forwards: 0"]), "OPTIONS").status == 429
    eventually(refused, "the stream to count")
    local.done("PATCH", f"/v1/tokens/{scene.token.id}", {"from": ELSEWHERE})
    with pytest.raises(Cut):
        client.read_body(response)


def test_what_is_refused(local, records):
    token, expired = local.token_of("refusing"), records.token(expires_at="2001-01-01T00:00:00Z").id
    path = f"/v1/tokens/{token['id']}"
    assert "nothing to change" in local.refused(400, "PATCH", path, {}).json["detail"]
    for field, value in [("rate", 0), ("rate", "5"), ("from", "x"), ("concurrency", 4097), ("expires_at", "2001-01-01T00:00:00Z"), ("grace", 60),
                         ("name", "x"), ("role", "operator"), ("label_selector", "")]:
        local.refused(400, "PATCH", path, {"burst": 1, field: value}, field=field)
    assert local.done("GET", path)["burst"] is None
    local.refused(409, "PATCH", f"/v1/tokens/{expired}", {"expires_at": None}, field="expires_at")
    local.refused(404, "PATCH", "/v1/tokens/" + "0" * 16, {"rate": 1})


def test_an_operators_limits_bind(gateway, port, records):
    operator = records.token("operator needs from rate", "team=a", rate=500, **{"from": "127.0.0.0/8,::1"})
    caller = Control(("127.0.0.1", port), operator)
    mine, theirs = records.token("read", "team=a").id, records.token("read", "team=b").id
    limits = {"rate": 500, "burst": 500, "from": "127.0.0.1"}
    caller.refused(403, "PATCH", f"/v1/tokens/{mine}", {"rate": 501}, field="from")
    caller.refused(403, "PATCH", f"/v1/tokens/{mine}", {**limits, "rate": 501}, field="rate")
    assert caller.done("PATCH", f"/v1/tokens/{mine}", limits)["rate"] == 500
    caller.refused(403, "PATCH", f"/v1/tokens/{mine}", {"rate": None}, field="rate")
    caller.refused(404, "PATCH", f"/v1/tokens/{theirs}", limits)
    for wider in ({"rate": None}, {"rate": 501}, {"from": None}):
        caller.refused(403, "PATCH", f"/v1/tokens/{operator.id}", wider, field=next(iter(wider)))
    assert caller.done("PATCH", f"/v1/tokens/{operator.id}", {"rate": 400, "burst": 400})["rate"] == 400
    assert caller.done("PATCH", f"/v1/tokens/{operator.id}", {"from": "127.0.0.2"})["from"] == "127.0.0.2"  # of itself, too


def test_changes_at_the_same_time(local, records):
    """The role names the fields that the record has, in whatever order changes and renewals come: otherwise the token would be refused."""
    token = local.token_of("raced")["id"]
    path, stop, failed = f"/v1/tokens/{token}", threading.Event(), []

    def repeat(method, target, *bodies):
        while not stop.is_set():
            for body in bodies:
                answer = local.call(method, target, body)
                if answer.status not in (200, 409):
                    failed.append(answer)
                    stop.set()
    threads = [threading.Thread(target=repeat, args=args) for args in [
        ("PATCH", path, {"rate": 5}, {"rate": None}), ("PATCH", path, {"from": ELSEWHERE}, {"from": None}),
        ("POST", path + "/renew", {"concurrency": 7}, {"concurrency": None})]]
    for thread in threads:
        thread.start()
    eventually(lambda: failed or int(records.client.hget(records.token_key(token), "version")) > 100, "many renewals", patience=120)
    stop.set()
    for thread in threads:
        thread.join()
    assert failed == [] and local.done("GET", path)["id"] == token


def test_the_command_line(gateway, local, records):
    token = local.token_of("cli-limits")["id"]
    done = gateway.cli("token", "set", "cli-limits", "--rate", "7", "--expires-in", "30d")
    assert done.status == 0 and "Rate:           7\n" in done.out
    shown = local.done("GET", f"/v1/tokens/{token}")
    assert shown["rate"] == 7 and shown["expires_at"] is not None
    assert gateway.cli("token", "set", token, "--rate", "", "--expires-at", "never").status == 0
    shown = local.done("GET", f"/v1/tokens/{token}")
    assert shown["rate"] is None and shown["expires_at"] is None
    done = gateway.cli("token", "set", token)
    assert done.status == 2 and "nothing to change" in done.err
