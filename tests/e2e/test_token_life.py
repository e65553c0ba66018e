"""Tokens that expire, and renewals with grace (access.md, "Token"): what they let in is cut at that moment, without a word of the store."""

import datetime
import json
import subprocess
import sys
import time

import pytest

from harness.control import Control
from harness.gateway import DOMAIN, REPOSITORY
from harness.process import eventually
from harness.raw import Cut
from harness.scene import Scene, request_bytes
from harness.store import Records, RedisServer
from test_revocation import start_stream
from test_upgrade import open_tunnel

UNREACHABLE = "unix:/nonexistent/job.sock"  # a URL that parses and whose 502 says: allowed
ALLOWED = 502
LATE_S = 2  # the cut itself takes milliseconds; the machine may be loaded


def moment(seconds):
    """As text, so many seconds from now; and the same as time.time() has it."""
    when = int((time.time() + seconds) * 1000)
    utc = datetime.datetime.fromtimestamp(when // 1000, datetime.timezone.utc)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{when % 1000:03}Z", when / 1000


@pytest.fixture(scope="module")
def patient(module_gateways):
    return module_gateways.start({"workers": 2, "store": {"max_staleness": "60s"}})


@pytest.fixture
def control(patient):
    return Control(patient.socket_path)


def scene_with(patient, records, token):
    return Scene(patient, records, token=token)


def status_of(gateway, job, value):
    with gateway.client() as client:
        return client.exchange(request_bytes(f"{job}.{DOMAIN}", value)).status


def cut_at(client, response, end):
    with pytest.raises(Cut):
        client.read_body(response)
    assert end - 0.002 <= time.time() < end + LATE_S


def test_a_stream_is_cut_when_its_token_expires(patient, records):
    text, end = moment(1.5)
    scene = scene_with(patient, records, records.token(expires_at=text))
    client, connection, response = start_stream(scene)
    written = scene.records.client.info("commandstats").get("cmdstat_hset", {"calls": 0})["calls"]
    cut_at(client, response, end)
    connection.ended()
    entry = patient.access_entry(job=scene.job, outcome="revoked")
    assert entry["verdict"] == "expired_token"
    assert scene.records.client.info("commandstats").get("cmdstat_hset", {"calls": 0})["calls"] == written


def test_a_websocket_is_told_that_its_token_has_expired(patient, records):
    text, end = moment(1.5)
    client, connection = open_tunnel(scene_with(patient, records, records.token(expires_at=text)))
    assert client.read_to_end() == b"\x88\x17\x03\xf0the token has expired"
    assert end - 0.002 <= time.time() < end + LATE_S
    connection.ended()


def test_it_expires_while_the_store_is_frozen(module_gateways, make_folder):
    server = RedisServer(make_folder("redis")).start()
    gateway = module_gateways.start({"store": {"max_staleness": "60s"}}, store_url=server.tcp_url)
    text, end = moment(2)
    records = Records(server.client)
    scene = Scene(gateway, records, token=records.token(expires_at=text))
    client, connection, response = start_stream(scene)
    server.freeze()
    try:
        cut_at(client, response, end)
        connection.ended()
    finally:
        server.stop()


def test_an_expired_token_is_refused_with_its_own_words(patient, records):
    job = records.job(UNREACHABLE)
    token = records.token(expires_at=moment(-1)[0])
    with patient.client() as client:
        response = client.exchange(request_bytes(f"{job}.{DOMAIN}", token))
    assert response.status == 401
    assert json.loads(response.body)["title"] == "Token expired"
    assert 'error="invalid_token"' in response.challenge()
    assert patient.access_entry(job=job, verdict="expired_token")["token_id"] == token.id


def test_a_wrong_value_does_not_learn_that_the_token_expired(patient, records):
    job, token = records.job(UNREACHABLE), records.token(expires_at=moment(-1)[0])
    old, _ = token.value, records.renew(token)
    with patient.client() as client:
        eventually(lambda: json.loads(client.exchange(request_bytes(f"{job}.{DOMAIN}", old)).body)["title"] == "Invalid token",
                   "the old value to be just invalid")


def test_a_cached_token_expires_between_two_requests(patient, records):
    text, end = moment(1.2)
    job, token = records.job(UNREACHABLE), records.token(expires_at=text)
    before, after = set(), set()
    while time.time() < end + 0.3:
        sent = time.time()
        (after if sent >= end else before).add(status_of(patient, job, token))
    assert ALLOWED in before and after == {401}


@pytest.mark.parametrize("changes", [
    {"expires_at": "tomorrow"}, {"expires_at": ""}, {"expires_at": "2999-02-30T00:00:00Z"}, {"role": "read needs the-moon"},
    {"role": "read needs expires_at the-moon"}, {"role": "read needs "}, {"role": "read expires_at"}, {"role": "read needs name"},
    {"role": "read needs expires_at"}])
def test_what_is_not_understood_is_refused(patient, records, changes):
    """A limit that this gateway cannot read, or that a later version knows, is never ignored."""
    assert status_of(patient, records.job(UNREACHABLE), records.token(**changes)) == 401


@pytest.mark.parametrize("changes", [
    {"expires_at": "2999-01-01T00:00:00Z"}, {"expires_at": "2999-01-01T00:00:00.123456+00:00", "role": "read needs expires_at"},
    {"previous_until": "nonsense", "previous_hash": "nonsense"}])
def test_what_is_understood_passes(patient, records, changes):
    assert status_of(patient, records.job(UNREACHABLE), records.token(**changes)) == ALLOWED


def test_a_limit_that_was_lost_is_not_ignored(patient, records):
    """Its role still names expires_at: HDEL, or HEXPIRE of Redis 7.4, took the field away."""
    token = records.token(expires_at="2999-01-01T00:00:00Z", role="read needs expires_at")
    client, connection, response = start_stream(scene_with(patient, records, token))
    records.client.hdel(records.token_key(token.id), "expires_at")
    with pytest.raises(Cut):
        client.read_body(response)
    connection.ended()
    verified = patient.cli("store", "verify", "-c", patient.config_path)
    assert verified.status == 1 and f"token {token.id}" in verified.err and "its role needs a field that it lacks" in verified.err
    records.delete_token(token)


def test_a_later_end_keeps_what_runs(patient, records):
    text, end = moment(1.2)
    scene = scene_with(patient, records, records.token(expires_at=text))
    client, connection, _ = start_stream(scene)
    records.client.hset(records.token_key(scene.token.id), "expires_at", moment(60)[0])
    while time.time() < end + 0.3:
        connection.send(b"1\r\nx\r\n")
        assert client.read_piece() == b"x"
        time.sleep(0.05)
    records.client.hdel(records.token_key(scene.token.id), "expires_at")
    connection.send(b"1\r\nx\r\n")
    assert client.read_piece() == b"x"


# ---- the control API ----

def test_created_with_an_end(control, patient, records):
    job, (text, end) = records.job(UNREACHABLE), moment(1.5)
    token = control.done("POST", "/v1/tokens", {"name": "brief", "role": "read", "expires_at": text}, 201)
    assert token["expires_at"] == text and token["previous_until"] is None
    assert records.client.hget(records.token_key(token["id"]), "role") == "read needs expires_at"
    assert control.done("GET", f"/v1/tokens/{token['id']}")["expires_at"] == text
    assert status_of(patient, job, token["value"]) == ALLOWED
    eventually(lambda: time.time() >= end, "the token's end")
    assert status_of(patient, job, token["value"]) == 401
    explained = control.done("POST", "/v1/authorize", {"token": token["value"], "job": job})
    assert (explained["verdict"], explained["status"]) == ("expired_token", 401) and text in explained["reason"]


def test_none_by_default(control, records):
    token = control.token_of()
    assert token["expires_at"] is None
    assert records.client.hget(records.token_key(token["id"]), "role") == "read"
    assert records.client.hget(records.token_key(token["id"]), "expires_at") is None


@pytest.mark.parametrize("end", ["", "tomorrow", 5, "1999-01-01T00:00:00Z", "2999-01-01T00:00:60Z", "2999-01-01", "2999-01-01T00:00:00+02:00"])
def test_ends_that_are_refused(control, end):
    if end == "":  # the same as null
        assert control.done("POST", "/v1/tokens", {"name": "a", "role": "read", "expires_at": end}, 201)["expires_at"] is None
        return
    control.refused(400, "POST", "/v1/tokens", {"name": "a", "role": "read", "expires_at": end}, field="expires_at")
    token = control.token_of()
    control.refused(400, "POST", f"/v1/tokens/{token['id']}/renew", {"expires_at": end}, field="expires_at")


def test_renewed_with_another_end(control, patient, records):
    job = records.job(UNREACHABLE)
    token = records.token(expires_at=moment(-1)[0])
    path = f"/v1/tokens/{token.id}/renew"
    control.refused(409, "POST", path, field="expires_at")
    renewed = control.done("POST", path, {"expires_at": moment(60)[0]})
    assert status_of(patient, job, renewed["value"]) == ALLOWED
    assert control.done("POST", path)["expires_at"] == renewed["expires_at"]
    assert control.done("POST", path, {"expires_at": None})["expires_at"] is None
    assert records.client.hget(records.token_key(token.id), "role") == "read"


def test_an_operator_that_expired_has_no_access(control, patient, records):
    operator = control.by(records.token(role="operator", expires_at=moment(-1)[0]))
    assert "expired" in operator.refused(401, "GET", "/v1/me").json["detail"]
    assert control.by(records.token(role="operator", expires_at=moment(60)[0])).call("GET", "/v1/me").status == 200


def test_grace(control, patient, records):
    """Both values work until its end; then what the old one let in is cut, and what the new one let in goes on."""
    token = records.token()
    old = scene_with(patient, records, token)
    client, connection, response = start_stream(old)
    renewed = control.done("POST", f"/v1/tokens/{token.id}/renew", {"grace": 2})
    end = time.time() + 2
    new = Scene(patient, records, token=renewed["value"])
    eventually(lambda: status_of(patient, records.job(UNREACHABLE), renewed["value"]) == ALLOWED, "the new value to work")
    new_client, new_connection, _ = start_stream(new)
    assert status_of(patient, records.job(UNREACHABLE), token) == ALLOWED
    with pytest.raises(Cut):
        client.read_body(response)
    assert end - 0.5 <= time.time() < end + LATE_S
    connection.ended()
    assert status_of(patient, records.job(UNREACHABLE), token) == 401
    new_connection.send(b"1\r\nx\r\n")
    assert new_client.read_piece() == b"x"
    assert status_of(patient, records.job(UNREACHABLE), renewed["value"]) == ALLOWED


def test_what_the_old_value_lets_in_during_the_grace_ends_with_it(control, patient, records):
    token = records.token()
    control.done("POST", f"/v1/tokens/{token.id}/renew", {"grace": 2})
    end = time.time() + 2
    client, connection, response = start_stream(scene_with(patient, records, token))
    with pytest.raises(Cut):
        client.read_body(response)
    assert end - 0.5 <= time.time() < end + LATE_S
    connection.ended()


def test_a_renewal_without_grace_ends_a_grace(control, patient, records):
    token = records.token()
    control.done("POST", f"/v1/tokens/{token.id}/renew", {"grace": 600})
    client, connection, response = start_stream(scene_with(patient, records, token))
    renewed = control.done("POST", f"/v1/tokens/{token.id}/renew")
    assert renewed["previous_until"] is None
    with pytest.raises(Cut):
        client.read_body(response)
    connection.ended()
    stored = records.client.hgetall(records.token_key(token.id))
    assert not {"previous_hash", "previous_until", "previous_version"} & set(stored)


def test_a_renewal_by_an_older_gateway_or_by_hand_ends_a_grace(control, patient, records):
    """It writes hash and version, and does not know the fields of a grace."""
    token, job = records.token(), records.job(UNREACHABLE)
    control.done("POST", f"/v1/tokens/{token.id}/renew", {"grace": 600})
    client, connection, response = start_stream(scene_with(patient, records, token))
    third = records.renew(token, version=3)
    with pytest.raises(Cut):
        client.read_body(response)
    connection.ended()
    assert status_of(patient, job, token) == 401 and status_of(patient, job, third) == ALLOWED
    assert control.done("GET", f"/v1/tokens/{token.id}")["previous_until"] is None


def test_deleting_ends_a_grace(control, patient, records):
    token = records.token()
    control.done("POST", f"/v1/tokens/{token.id}/renew", {"grace": 600})
    job = records.job(UNREACHABLE)
    assert status_of(patient, job, token) == ALLOWED
    assert control.call("DELETE", f"/v1/tokens/{token.id}").status == 204
    eventually(lambda: status_of(patient, job, token) == 401, "the old value to be refused")


@pytest.mark.parametrize("grace", [0, -1, "10m", 1.5, 2592001, None])
def test_graces_that_are_refused(control, records, grace):
    control.refused(400, "POST", f"/v1/tokens/{records.token().id}/renew", {"grace": grace}, field="grace")


def test_no_other_member(control, records):
    control.refused(400, "POST", f"/v1/tokens/{records.token().id}/renew", {"name": "x"}, field="name")


def test_an_operator_in_grace(control, records):
    """The old value of an operator's token works in the control API, too, until the grace is over."""
    operator = records.token(role="operator")
    control.done("POST", f"/v1/tokens/{operator.id}/renew", {"grace": 2})
    assert control.by(operator).job_of(url=UNREACHABLE)["url"] == UNREACHABLE
    eventually(lambda: control.by(operator).call("GET", "/v1/me").status == 401, "the grace to be over")


def test_limits_are_passed_on(control, records):
    """An operator's expiry and addresses bind what it makes, as its selector does."""
    end, earlier, later = "2998-01-01T00:00:00Z", "2997-01-01T00:00:00Z", "2999-01-01T00:00:00Z"
    operator = records.token("operator", expires_at=end)
    api, create = control.by(operator), {"name": "a", "role": "operator"}
    assert api.done("POST", "/v1/tokens", create, 201)["expires_at"] == end
    assert api.done("POST", "/v1/tokens", {**create, "expires_at": earlier}, 201)["expires_at"] == earlier
    api.refused(403, "POST", "/v1/tokens", {**create, "expires_at": later}, field="expires_at")
    other = records.token()
    before = records.client.hgetall(records.token_key(other.id))
    for token, body in [(operator, {"expires_at": None}), (operator, {"expires_at": later}), (other, None), (other, {"grace": 60})]:
        api.refused(403, "POST", f"/v1/tokens/{token.id}/renew", body, field="expires_at")
    assert records.client.hgetall(records.token_key(other.id)) == before
    assert api.done("POST", f"/v1/tokens/{other.id}/renew", {"expires_at": earlier})["expires_at"] == earlier
    assert api.done("POST", f"/v1/tokens/{operator.id}/renew")["expires_at"] == end


@pytest.mark.parametrize("selector", ["", "team=a"])
def test_the_value_before_makes_no_value_that_outlives_it(control, records, selector):
    """Neither a new token nor a new value of any: of its own, of the one that made it, or of another."""
    parent, other = records.token("operator", selector), records.token("read", selector)
    made = control.by(parent).done("POST", "/v1/tokens", {"name": "a", "role": "operator", "label_selector": selector}, 201)
    present = control.done("POST", f"/v1/tokens/{made['id']}/renew", {"grace": 600})["value"]
    before = control.by(made["value"])
    listed = records.client.zcard("jobgate:tokens")
    for path, body in [("", {"name": "b", "role": "operator", "label_selector": selector}),
                       ("", {"name": "b", "role": "read", "label_selector": selector, "expires_at": moment(60)[0]}),
                       *[(f"/{token}/renew", body) for token in (made["id"], parent.id, other.id) for body in (None, {"grace": 600})]]:
        assert "present value" in before.refused(403, "POST", "/v1/tokens" + path, body).json["detail"]
    assert records.client.zcard("jobgate:tokens") == listed
    assert [records.client.hget(records.token_key(token), "version") for token in (made["id"], parent.id, other.id)] == ["2", "1", "1"]
    assert control.by(present).done("POST", f"/v1/tokens/{other.id}/renew")["version"] == 2
    assert control.by(parent).done("POST", f"/v1/tokens/{other.id}/renew")["version"] == 3


# ---- the command line ----

def test_the_pages_scanner_finds_tokens(patient, control):
    """deploy/tokens.md: the form and the checksum tell a value from what looks like one."""
    program = (REPOSITORY / "deploy" / "tokens.md").read_text().split("```python\n")[1].split("```")[0]
    token = control.token_of()
    wrong = token["value"][:-1] + ("0" if token["value"][-1] != "0" else "1")
    text = f"password={token['value']}\nand {wrong} {token['value']}x {token['value'][:-1]}\n"
    found = subprocess.run([sys.executable, "-c", program], input=text, capture_output=True, text=True, check=True).stdout
    assert found == f"jgt_{token['id']}\n" * 2  # what comes after a value does not hide it


def named_like_an_id(control, records, name):
    """The API takes no such name; a token may have one from before, or from another program."""
    token = control.token_of()
    records.client.hset(records.token_key(token["id"]), "name", name)
    return token


def test_names_work_where_ids_do(patient, control, records):
    names = [f"one-{time.time_ns()}", f"two-{time.time_ns()}", f"n{time.time_ns()}"[:16]]
    one, looks_like_an_id = control.token_of(name=names[0]), named_like_an_id(control, records, names[2])
    twins = [control.token_of(name=names[1])["id"] for _ in range(2)]
    assert patient.cli("token", "get", names[0], "-o", "json").json()["id"] == one["id"]
    assert patient.cli("token", "get", names[2], "-o", "json").json()["id"] == looks_like_an_id["id"]
    assert patient.cli("token", "renew", "-y", names[0], "-o", "json").json()["version"] == 2
    refused = patient.cli("token", "delete", "-y", names[1])
    assert refused.status == 1 and all(twin in refused.err for twin in twins), refused
    assert patient.cli("token", "get", twins[0]).status == 0
    deleted = patient.cli("token", "delete", "-y", names[0], twins[0], "-o", "description")
    assert deleted.status == 0 and one["id"] in deleted.out
    assert patient.cli("token", "delete", "-y", names[1]).status == 0  # only one has it now
    missing = patient.cli("token", "get", names[1])
    assert (missing.status, missing.err) == (1, f"jobgate: there is no token {names[1]}\n")


def test_an_id_comes_before_a_name(patient, control, records):
    first = control.token_of(name="first")
    second = named_like_an_id(control, records, first["id"])
    assert patient.cli("token", "get", first["id"], "-o", "json").json()["name"] == "first"
    assert control.call("DELETE", f"/v1/tokens/{first['id']}").status == 204
    assert patient.cli("token", "get", first["id"], "-o", "json").json()["id"] == second["id"]


def test_commands(patient, records):
    def json_of(*words):
        return patient.cli("token", *words, "-o", "json").json()
    token = json_of("create", "brief", "-r", "read", "--expires-in", "2d")
    end = datetime.datetime.fromisoformat(token["expires_at"].replace("Z", "+00:00")).timestamp()
    assert abs(end - time.time() - 2 * 86400) < 60
    assert json_of("renew", "-y", token["id"], "--expires-at", "2999-01-01T00:00:00Z")["expires_at"] == "2999-01-01T00:00:00Z"
    graced = json_of("renew", "-y", token["id"], "--grace", "10m")
    assert graced["previous_until"] and graced["expires_at"] == "2999-01-01T00:00:00Z"
    shown = patient.cli("token", "get", token["id"], "-o", "description").out
    assert "2999-01-01T00:00:00Z" in shown and graced["previous_until"] in shown
    assert json_of("renew", "-y", token["id"], "--expires-at", "never")["expires_at"] is None


@pytest.mark.parametrize("words", [
    ["create", "x", "-r", "read", "--expires-in", "5"], ["create", "x", "-r", "read", "--expires-in", "0d"],
    ["create", "x", "-r", "read", "--expires-in", "1d", "--expires-at", "2999-01-01T00:00:00Z"],
    ["create", "x", "-r", "read", "--expires-at", "tomorrow"], ["renew", "-y", "x", "--grace", "31d"], ["renew", "-y", "x", "--grace", "ten"]])
def test_usage(patient, words):
    assert patient.cli("token", *words).status == 2


def test_exported_and_imported(patient, control, records, make_folder):
    token = control.done("POST", "/v1/tokens", {"name": "kept", "role": "operator", "expires_at": "2999-01-01T00:00:00Z"}, 201)
    control.done("POST", f"/v1/tokens/{token['id']}/renew", {"grace": 600})
    key = records.token_key(token["id"])
    exported = patient.cli("store", "export", "-c", patient.config_path)
    lines = "".join(line + "\n" for line in exported.out.splitlines() if token["id"] in line or '"kind":"mint"' in line)
    other = RedisServer(make_folder("redis")).start()
    try:
        imported = patient.cli("store", "import", "--store", other.tcp_url, stdin=lines)
        assert imported.status == 0, imported
        assert other.client.hgetall(key) == records.client.hgetall(key)
        assert patient.cli("store", "verify", "--store", other.tcp_url).status == 0
    finally:
        other.stop()


def test_the_audit_log_says_what_a_renewal_changed(patient, control):
    """The old and the new expiry, grace and addresses."""
    token = control.done("POST", "/v1/tokens", {"name": "audited", "role": "read", "expires_at": "2999-01-01T00:00:00Z",
                                                 "label_selector": "team=a"}, 201)
    line = eventually(lambda: [line for line in patient.program.log().splitlines() if f"audit: token created {token['id']}" in line], "the line")[0]
    assert line.endswith(": name audited, role read, expires_at 2999-01-01T00:00:00Z, from everywhere, label_selector team=a")
    first = control.done("POST", f"/v1/tokens/{token['id']}/renew", {"grace": 600, "expires_at": None, "from": "192.0.2.1"})
    second = control.done("POST", f"/v1/tokens/{token['id']}/renew")
    lines = eventually(lambda: (lambda found: found if len(found) == 2 else None)(
        [line for line in patient.program.log().splitlines() if f"audit: token renewed {token['id']}" in line]), "both lines")
    assert lines[0].endswith(f": name audited, role read, version 1 -> 2, expires_at 2999-01-01T00:00:00Z -> none, previous_until none -> {first['previous_until']}, "
                             "from everywhere -> 192.0.2.1, label_selector team=a")
    assert lines[1].endswith(f": name audited, role read, version 2 -> 3, expires_at none -> none, previous_until {first['previous_until']} -> none, "
                             "label_selector team=a")
    assert token["value"] not in patient.program.log() and second["value"] not in patient.program.log()


def test_the_audit_log_says_what_a_deleted_token_was(patient, control, records):
    """The record is gone by then."""
    def line(did, token):
        found = eventually(lambda: [line for line in patient.program.log().splitlines() if f"audit: token {did} {token['id']} by" in line], "the line")
        return found[0].partition(" request ")[2].partition(": ")[2]

    def made(**given):
        return control.done("POST", "/v1/tokens", {"name": "audited", "role": "read", "expires_at": "2999-01-01T00:00:00Z",
                                                   "from": "192.0.2.1", "rate": 5, "label_selector": "team=a"} | given, 201)
    named, cascade, revoked, broken, odd = made(), made(), made(**{"from": None}), made(), made()
    assert control.call("DELETE", f"/v1/tokens/{named['id']}").status == 204
    control.done("DELETE", f"/v1/tokens/{cascade['id']}?cascade=true")
    assert control.call("POST", "/v1/tokens/revoke", {"value": revoked["value"]}).status == 204
    assert line("created", named) == line("created", cascade)
    for token, did in [(named, "deleted"), (cascade, "deleted with cascade"), (revoked, "revoked by its value")]:
        assert line(did, token) == line("created", token)
        assert line(did, token).startswith("name audited, role read, expires_at 2999-01-01T00:00:00Z, from ")
        assert line(did, token).endswith(", label_selector team=a")
    records.client.hset(records.token_key(broken["id"]), "role", "nonsense")
    records.client.delete(records.token_key(odd["id"]))
    records.client.set(records.token_key(odd["id"]), "no hash")
    assert control.call("DELETE", f"/v1/tokens/{broken['id']}").status == 204
    assert control.call("DELETE", f"/v1/tokens/{odd['id']}").status == 204
    assert line("deleted", broken) == line("deleted", odd) == ""  # nothing is known of them
    log, stored = patient.program.log(), records.client
    assert not [token for token in (named, cascade, revoked) if token["value"] in log or token["value"][21:64] in log]
    assert not [token for token in (named, cascade, revoked) if stored.exists(records.token_key(token["id"]))]
