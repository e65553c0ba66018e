"""A token can be ended by its value alone, without any other token (POST /v1/tokens/revoke)."""

import json
import os
import signal

import pytest

from harness.control import Control
from harness.gateway import DOMAIN
from harness.process import eventually, free_port
from harness.raw import Client, Cut
from harness.scene import Scene, request_bytes
from harness.store import Records, make_value, random_id
from test_control_path import control_pid
from test_replicas import replicated  # noqa: F401 (a fixture)
from test_revocation import start_stream

PATH = "/v1/tokens/revoke"
HOST = "control.jobs.test"


@pytest.fixture(scope="module")
def port():
    return free_port()


@pytest.fixture(scope="module")
def gateway(module_gateways, port):
    return module_gateways.start({"control": {"listen": f"127.0.0.1:{port}", "host": HOST}})


@pytest.fixture
def local(gateway):
    return Control(gateway.socket_path)


@pytest.fixture
def stranger(gateway, port):
    return Control(("127.0.0.1", port))


def revoke(control, value):
    return control.call("POST", PATH, {"value": getattr(value, "value", value)})


def exists(records, token):
    return bool(records.client.exists(records.token_key(token.id)))


def test_strangers_end_what_they_found(gateway, stranger, records):
    """A role, a selector or addresses make no difference."""
    for token in (records.token(), records.token("operator", "team=a"), records.token(**{"from": "192.0.2.1"}),
                  records.token(expires_at="2001-01-01T00:00:00Z")):
        records.client.zadd("jobgate:tokens", {token.id: 1})
        answer = revoke(stranger, token)
        assert (answer.status, answer.body) == (204, b"")
        assert not exists(records, token) and records.client.zscore("jobgate:tokens", token.id) is None
        eventually(lambda: f"audit: token revoked by its value {token.id} by 127.0.0.1 " in gateway.program.log(), "the audit log")


def test_what_runs_is_cut(gateway, stranger, records):
    scene = Scene(gateway, records)
    client, connection, response = start_stream(scene)
    assert revoke(stranger, scene.token).status == 204
    with pytest.raises(Cut):
        client.read_body(response)
    connection.ended()


def test_at_the_control_host_and_the_socket(gateway, local, records):
    for control in (local, Control(gateway.address, host=HOST)):
        token = records.token()
        assert revoke(control, token).status == 204
        assert not exists(records, token)


def test_the_answer_tells_nothing(stranger, records):
    """Also a value that is no longer, or was never, that of a token which exists."""
    token = records.token()
    old, new = token, records.renew(token)
    answers = [revoke(stranger, value) for value in (old, make_value(token.id), make_value(random_id()), "jgt_x", "", "\u00e9")]
    assert {(answer.status, answer.body) for answer in answers} == {(204, b"")}
    assert exists(records, token)
    assert revoke(stranger, new).status == 204
    assert not exists(records, token)


def test_during_a_grace_the_value_before_ends_the_token(local, stranger, records):
    for grace, gone in [({"grace": 600}, True), (None, False)]:
        token = records.token()
        local.done("POST", f"/v1/tokens/{token.id}/renew", grace)
        assert revoke(stranger, token).status == 204
        assert exists(records, token) is not gone


@pytest.mark.parametrize("body, field", [({}, "value"), ({"value": 5}, "value"), ({"value": None}, "value"),
                                         ({"value": "x", "id": "y"}, "id"), ("[]", None), ("", None)])
def test_other_bodies(stranger, body, field):
    stranger.refused(400, "POST", PATH, body, field=field)


@pytest.mark.parametrize("method, path", [
    ("GET", PATH), ("DELETE", PATH), ("POST", PATH + "/"), ("POST", "/v1/tokens"), ("POST", "/v1//tokens/revoke"), ("POST", "/v1/tokens/revoke%20")])
def test_nothing_else_passes_without_a_token(stranger, method, path):
    assert stranger.call(method, path, {"value": "x"} if method == "POST" else None).status == 401


def test_a_credential_that_is_sent_counts(stranger, records):
    token = records.token()
    for credential, status in [(records.token("read"), 403), ("jgt_x", 401), (records.token("operator", "team=b"), 204)]:
        assert revoke(stranger.by(credential), token).status == status
        assert exists(records, token) is (status != 204)


def test_an_operator_ends_its_own_token(stranger, records):
    token = records.token("operator")
    assert revoke(stranger.by(token), token).status == 204
    assert not exists(records, token)


def test_it_has_the_limit_of_failed_tokens(module_gateways, records):
    port = free_port()
    module_gateways.start({"control": {"listen": f"127.0.0.1:{port}"}, "limits": {"failed_auth_rate": 1, "failed_auth_burst": 3}})
    stranger, token = Control(("127.0.0.1", port)), records.token()
    statuses = [revoke(stranger, make_value(random_id())).status for _ in range(20)]
    assert statuses[:3] == [204] * 3 and 429 in statuses
    assert revoke(stranger, token).status == 429 and exists(records, token)
    assert stranger.by(records.token("operator")).call("GET", "/v1/me").status == 200
    assert revoke(stranger.by(records.token("operator")), token).status == 204


def test_slow_strangers_take_no_place(module_gateways, records):
    """A call is forwarded, and takes a place, when its content has come."""
    port = free_port()
    module_gateways.start({"control": {"listen": f"127.0.0.1:{port}"}})
    stranger, token = Control(("127.0.0.1", port)), records.token()
    slow = [Client(("127.0.0.1", port)) for _ in range(20)]
    for client in slow:
        client.send(request_bytes("control", None, "POST", PATH, fields=["Content-Length: 100"]) + b"{")
    assert revoke(stranger, token).status == 204
    assert not exists(records, token)
    for client in slow:
        client.close()


def call_from(source, port, value):
    client = Client(("127.0.0.1", port), source)
    client.send(request_bytes("control", None, "POST", PATH, body=json.dumps({"value": getattr(value, "value", value)}).encode()))
    return client


def test_an_address_has_two_places(module_gateways, records):
    """They are held while the control process does not answer."""
    port = free_port()
    gateway = module_gateways.start({"control": {"listen": f"127.0.0.1:{port}"}})
    pid = control_pid(gateway)
    os.kill(pid, signal.SIGSTOP)
    try:
        waiting = [call_from(f"127.0.0.{at // 2 + 1}", port, make_value(random_id())) for at in range(8)]
        refused = lambda source: call_from(source, port, "x").read_response("POST").status == 429
        eventually(lambda: refused("127.0.0.1"), "the first address to have its places")
        eventually(lambda: refused("127.0.0.9"), "all places to be taken")
    finally:
        os.kill(pid, signal.SIGCONT)
    assert [client.read_response("POST").status for client in waiting] == [204] * 8
    token = records.token()
    assert call_from("127.0.0.1", port, token).read_response("POST").status == 204
    assert not exists(records, token)


def test_the_content_is_short(stranger, records):
    token = records.token()
    body = json.dumps({"value": token.value}) + " " * 1024
    assert stranger.call("POST", PATH, body).status == 413
    assert stranger.call("POST", PATH, body[:1024]).status == 204
    assert not exists(records, token)


def test_behind_a_trusted_proxy_its_clients_are_counted(module_gateways, records):
    """Its own address never is: it speaks for all of them."""
    port = free_port()
    gateway = module_gateways.start({
        "control": {"listen": f"127.0.0.1:{port}"}, "limits": {"failed_auth_rate": 1, "failed_auth_burst": 3},
        "backends": {"trusted_proxies": ["127.0.0.1"]}})
    stranger = Control(("127.0.0.1", port))

    def of(address, value):
        return stranger.call("POST", PATH, {"value": value}, [f"X-Forwarded-For: {address}"]).status

    statuses = [of("203.0.113.7", make_value(random_id())) for _ in range(20)]
    assert statuses[:3] == [204] * 3 and 429 in statuses
    token = records.token()
    assert of("203.0.113.8", token.value) == 204 and not exists(records, token)
    eventually(lambda: f"revoked by its value {token.id} by 203.0.113.8" in gateway.program.log(), "the audit log")
    statuses = [of(f"2001:db8::{at}", make_value(random_id())) for at in range(20)]
    assert 429 in statuses and of("2001:db8:0:1::1", "x") == 204


def test_what_is_not_ours_does_not_count(module_gateways, records):
    """An Authorization that belongs to somebody else costs no look-up, and uses up nobody's limit."""
    port = free_port()
    module_gateways.start({"control": {"listen": f"127.0.0.1:{port}"}, "limits": {"failed_auth_rate": 1, "failed_auth_burst": 3}})
    stranger, token = Control(("127.0.0.1", port)), records.token()
    for _ in range(20):
        assert stranger.call("POST", PATH, {"value": "x"}, ["Authorization: Negotiate abc"]).status == 401
    assert revoke(stranger, token).status == 204


def test_it_is_no_path_of_jobs(gateway, records):
    with gateway.client() as client:
        assert client.exchange(request_bytes(f"demo.{DOMAIN}", None, "POST", PATH, body=b"{}")).status == 401


def test_metrics_do_not_serve_it(gateway):
    host, _, port = gateway.config["control"]["metrics"].rpartition(":")
    with Client((host, int(port))) as client:
        assert client.exchange(request_bytes("metrics", None, "POST", PATH, body=b'{"value":"x"}')).status == 404


def test_the_command_line(gateway, records, port):
    token = records.token()
    revoked = gateway.cli("token", "revoke", "--value", "-", stdin=token.value + "\n")
    assert (revoked.status, revoked.out, revoked.err) == (0, "", "")
    assert not exists(records, token)
    token = records.token()
    revoked = gateway.cli("token", "revoke", "--value", token.value, JOBGATE_URL=f"http://127.0.0.1:{port}", JOBGATE_TOKEN="jgt_nonsense")
    assert revoked.status == 0, revoked
    eventually(lambda: not exists(records, token), "the token to be gone")
    assert gateway.cli("token", "revoke", "--value", "-", stdin="").status == 2


def test_replicas_that_are_late_tell_nothing(gateways, replicated):
    """With store.wait_required, the answer is the same whether or not there is a token with the id of the value."""
    primary, replica = replicated
    gateway = gateways.start({"store": {"wait_replicas": 1, "wait_timeout": "300ms", "wait_required": True}}, store_url=primary.url)
    local, there = Control(gateway.socket_path), Records(primary.client)
    token = there.token()
    values = [make_value(token.id, key=there.mint_key()), make_value(random_id(), key=there.mint_key())]
    replica.freeze()
    assert [revoke(local, value).status for value in values] == [503, 503]
    replica.thaw()
    eventually(lambda: [revoke(local, value).status for value in values] == [204, 204], "the replica")
    assert exists(there, token)
