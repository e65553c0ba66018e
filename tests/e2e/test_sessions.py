"""Who is connected to what right now, and the end of sessions without a revocation: /v1/sessions (operate.md)."""

import os
import re
import signal
import socket

import pytest

from harness.checker import state_of
from harness.control import Control
from harness.h2 import H2Client
from harness.process import eventually
from harness.raw import Backend
from harness.scene import Scene, request_bytes
from harness.store import random_id
from test_reload import reload
from test_upgrade import open_tunnel

CLOSE_1008 = b"\x88\x23\x03\xf0an operator has ended the session"


@pytest.fixture(scope="module")
def gateway(module_gateways):
    return module_gateways.start({"workers": 2, "http2": {"clients": True},
                                  "backends": {"trusted_proxies": ["127.0.0.9"]}})


@pytest.fixture
def local(gateway):
    return Control(gateway.socket_path)


@pytest.fixture
def team():
    return "team=" + random_id(8)


@pytest.fixture
def scene(gateway, records, team, scene_of):
    """A scene whose job and token carry the team's label."""
    made = scene_of(gateway, token=records.token(selector=team))
    made.job = records.job(made.backend.url, dict([team.split("=")]))
    return made


def listed(control, query):
    answer = control.call("GET", f"/v1/sessions?{query}")
    assert answer.status == 200, answer
    assert answer.json["silent_workers"] == 0
    return answer.json["items"]


def await_one(control, query):
    """The one session that passes the filters, once it is there."""
    return eventually(lambda: listed(control, query), f"a session with {query}")[0]


def at(scene):
    return f"job={scene.job}"


def test_a_request_that_waits_for_its_answer(local, scene, gateway):
    client = scene.client
    client.send(scene.request("POST", "/a/path?secret=1", ["Content-Length: 9"]) + b"12345")
    connection = scene.backend.next()
    connection.read_until(b"\r\n\r\n")
    assert connection.read(5) == b"12345"
    one = await_one(local, at(scene))
    assert re.fullmatch("[0-9a-f]{8}-[0-9a-f]+", one["id"])
    expected = {"job": scene.job, "token_id": scene.token.id, "client": "127.0.0.1", "protocol": "HTTP/1.1", "method": "POST",
                "path": "/a/path", "state": "awaiting", "bytes_in": 5, "bytes_out": 0}
    assert {name: one[name] for name in expected} == expected
    assert one["token_name"] and one["worker"] in (0, 1)
    client.send(b"6789")
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n1234")
    response = client.read_head()
    assert client.read_piece() == b"1234"
    two = await_one(local, at(scene) + "&state=relaying")
    assert (two["id"], two["bytes_in"], two["bytes_out"]) == (one["id"], 9, 4)
    assert two["age_s"] >= one["age_s"] and two["started_at"] == one["started_at"]
    connection.send(b"567890")
    assert client.read_body(response).body == b"567890"
    eventually(lambda: not listed(local, at(scene)), "the session to be gone")


def test_a_tunnel_and_the_filters(local, scene, scene_of):
    other = scene_of(scene.gateway)
    open_tunnel(scene)
    open_tunnel(other)
    one, two = await_one(local, at(scene)), await_one(local, at(other))
    assert one["state"] == two["state"] == "tunnel"

    def ids(query):
        return {item["id"] for item in listed(local, query)} & {one["id"], two["id"]}
    assert ids("") == ids("state=tunnel&state=relaying") == {one["id"], two["id"]}
    assert ids(f"token={scene.token.id}") == {one["id"]} == ids(f"token={scene.token.id}&{at(scene)}")
    assert ids(f"token={scene.token.id}&{at(other)}") == ids("state=awaiting") == set()
    assert ids("address=127.0.0.1") == ids("address=127.0.0.0/8") == {one["id"], two["id"]}
    assert ids("address=192.0.2.0/24") == ids("address=::1") == set()


def test_behind_a_proxy_the_clients_address_counts(local, scene):
    client = scene.new_client("127.0.0.9")
    client.send(scene.request(fields=["X-Forwarded-For: 198.51.100.7"]))
    scene.backend.next().read_request()
    assert await_one(local, at(scene) + "&address=198.51.100.0/24")["client"] == "198.51.100.7"
    assert not listed(local, at(scene) + "&address=127.0.0.9")


def test_secrets_do_not_show(local, scene):
    value = scene.token.value
    scene.arrive(path=f"/x/{value}")
    answer = local.call("GET", f"/v1/sessions?{at(scene)}")
    assert value not in answer.body.decode()
    assert answer.json["items"][0]["path"].startswith(f"/x/jgt_{scene.token.id}_***")


def test_streams_are_sessions(local, scene, gateway):
    client = H2Client(gateway.address)
    streams = [client.request(scene.host, scene.token, path=f"/{number}") for number in range(3)]
    connections = [scene.backend.accept() for _ in streams]
    for connection in connections:
        connection.read_request()
    items = eventually(lambda: (found := listed(local, at(scene))) and len(found) == 3 and found, "three sessions")
    assert {item["path"] for item in items} == {"/0", "/1", "/2"}
    assert {item["protocol"] for item in items} == {"HTTP/2.0"}
    client.close()


def test_pages(local, scene):
    """Each page goes on where the one before ended, over all workers, while sessions come and go."""
    open_at = {}
    for number in range(9):
        client = scene.new_client()
        client.send(scene.request(path=f"/{number}"))
        connection = scene.backend.accept()
        open_at[connection.read_request().target] = client
    seen, cursor = [], None
    while True:
        answer = local.call("GET", f"/v1/sessions?{at(scene)}&limit=2" + (f"&cursor={cursor}" if cursor else ""))
        assert len(answer.json["items"]) <= 2
        seen += [item["path"] for item in answer.json["items"]]
        cursor = answer.json["next_cursor"]
        if cursor is None:
            break
        if len(seen) == 4:  # those that were shown may end
            for path in seen:
                open_at[path].close()
    assert sorted(seen) == sorted(open_at)


def test_what_is_refused(local):
    for query, field in [("limit=0", "limit"), ("limit=1001", "limit"), ("cursor=x", "cursor"), ("cursor=0123abcd-0", "cursor"),
                         ("token=x", "token"), ("job=-", "job"), ("address=x", "address"), ("state=x", "state")]:
        local.refused(400, "GET", f"/v1/sessions?{query}", field=field)
    local.refused(400, "GET", "/v1/sessions?name=x")
    local.refused(400, "DELETE", "/v1/sessions?job=", field="job")
    local.refused(400, "GET", "/v1/sessions?job=%")
    for query in ["", "?job=a&token=abcdefghij012345", "?job=a&job=a", "?state=tunnel", "?limit=1", "?x=y&job=a"]:
        local.refused(400, "DELETE", f"/v1/sessions{query}")
    for path in ["0123abcd-0", "0123abcd-", "0123abcd", "0123abcd-00000000000000000001", "0123ABCD-1", "%20"]:
        local.refused(404, "DELETE", f"/v1/sessions/{path}")


# ---- the end of sessions ----

def test_cut_one(local, scene, gateway):
    (client, connection), others = open_tunnel(scene), Scene(gateway, scene.records, scene.token)
    others.job = scene.job
    one = await_one(local, at(scene))
    client2 = scene.new_client()
    client2.send(scene.request(path="/stays"))
    kept = scene.backend.next()
    kept.read_request()
    local.done("DELETE", f"/v1/sessions/{one['id']}", status=204)
    assert client.read_to_end() == CLOSE_1008
    connection.ended()
    gateway.access_entry(job=scene.job, outcome="cut", status=101, token_id=scene.token.id)
    local.refused(404, "DELETE", f"/v1/sessions/{one['id']}")
    kept.answer()
    assert client2.read_response().status == 200
    assert re.search(rf"audit: sessions cut \({one['id']}\) by uid \d+ pid \d+ request \w+: 1 sessions", gateway.program.log())
    others.close()


def test_cut_before_the_answer(local, scene, gateway):
    """The client is told, and may send the request again: its token is still valid."""
    client, connection, _ = scene.arrive(path="/early")
    await_one(local, at(scene))
    assert local.done("DELETE", f"/v1/sessions?{at(scene)}")["cut_sessions"] == 1
    answer = client.read_response()
    assert answer.status == 503 and b"operator" in answer.body
    connection.ended()
    client.send(scene.request())
    again = scene.backend.accept()
    again.read_request()
    again.answer()
    assert client.read_response().status == 200
    assert gateway.access_entry(job=scene.job, outcome="cut")["status"] == 503
    assert gateway.metrics()['jobgate_exchanges_total{outcome="cut"}'] >= 1


def test_cut_in_the_middle_of_an_answer(local, scene):
    client, connection, _ = scene.arrive()
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc")
    client.read_head()
    await_one(local, at(scene) + "&state=relaying")
    assert local.done("DELETE", f"/v1/sessions?token={scene.token.id}")["cut_sessions"] == 1
    client.ended()
    connection.ended()


def test_cut_by_filter_reaches_all_workers(local, scene, gateway):
    clients = []
    for number in range(12):
        clients.append(scene.new_client())
        clients[-1].send(scene.request())
        scene.backend.accept().read_request()
    items = eventually(lambda: (found := listed(local, at(scene))) and len(found) == 12 and found, "all sessions")
    assert {item["worker"] for item in items} <= {0, 1}
    assert local.done("DELETE", "/v1/sessions?address=192.0.2.1")["cut_sessions"] == 0
    assert local.done("DELETE", f"/v1/sessions?{at(scene)}")["cut_sessions"] == 12
    assert {client.read_response().status for client in clients} == {503}
    assert local.done("DELETE", f"/v1/sessions?{at(scene)}")["cut_sessions"] == 0


# ---- scopes ----

def test_a_scoped_operator_sees_and_cuts_its_own(local, scene, records, scene_of, team):
    outside = scene_of(scene.gateway)
    every = records.token()
    client, _, _ = scene.arrive(path="/own")
    client2 = scene.new_client()
    client2.send(scene.request(path="/by-other", token=every))
    scene.backend.next().read_request()
    theirs, _, _ = outside.arrive(path="/outside")
    operator = local.by(records.token("operator", team))
    stranger = local.by(records.token("operator", "team=" + random_id(8)))
    foreign = await_one(local, at(outside))
    own = {item["path"]: item for item in listed(operator, "")}
    assert set(own) == {"/own", "/by-other"}
    assert own["/own"]["token_id"] == scene.token.id and own["/own"]["token_name"]
    assert own["/by-other"]["token_id"] is own["/by-other"]["token_name"] is None
    assert listed(stranger, "") == listed(operator, at(outside)) == listed(operator, f"token={every.id}") == []
    # What it must not see it cannot cut either, and it learns nothing by trying.
    assert operator.done("DELETE", f"/v1/sessions?{at(outside)}")["cut_sessions"] == 0
    assert operator.done("DELETE", f"/v1/sessions?token={every.id}")["cut_sessions"] == 0
    assert operator.done("DELETE", "/v1/sessions?address=127.0.0.0/8")["cut_sessions"] == 2
    missing = operator.refused(404, "DELETE", f"/v1/sessions/{foreign['id']}").problem("detail")
    assert missing == operator.refused(404, "DELETE", "/v1/sessions/0123abcd-1").problem("detail")
    assert stranger.refused(404, "DELETE", f"/v1/sessions/{own['/own']['id']}")
    assert client.read_response().status == client2.read_response().status == 503
    assert [item["id"] for item in listed(local, at(outside))] == [foreign["id"]]
    theirs.close()


def test_a_job_that_changes_its_labels_changes_who_sees_it(local, scene, records, team):
    operator = local.by(records.token("operator", team))
    scene.client.send(scene.request(token=records.token()))
    scene.backend.next().read_request()
    await_one(operator, at(scene))
    local.done("PATCH", f"/v1/jobs/{scene.job}", {"labels": None})
    eventually(lambda: not listed(operator, at(scene)), "the session to leave the scope")
    await_one(local, at(scene))


def test_strangers_are_no_sessions(local, scene):
    """Requests that wait for the store, or are refused, and calls of operators."""
    with scene.gateway.client() as client:
        client.send(request_bytes(scene.host, "jgt_x"))
        assert client.read_response().status == 401
    assert listed(local, at(scene)) == []


# ---- the commands ----

def test_list_and_kill(local, scene, gateway, records):
    client, _, _ = scene.arrive(path="/x")
    one = await_one(local, at(scene))
    done = gateway.cli("session", "list", "--job", scene.job, "--of-token", scene.token.id, "--address", "127.0.0.1", "-o", "json")
    assert [item["id"] for item in done.json()] == [one["id"]] and "shown_age" not in done.out
    table = gateway.cli("session", "list", "--job", scene.job, "-o", "description").out.splitlines()
    assert table[0].split() == ["ID", "JOB", "TOKEN", "CLIENT", "STATE", "AGE", "IN", "OUT", "REQUEST"]
    assert table[1].split()[:2] == [one["id"], scene.job] and table[1].endswith("GET /x") and len(table) == 2
    assert gateway.cli("session", "list", "--state", "tunnel", "--job", scene.job, "-o", "json").json() == []
    assert gateway.cli("session", "kill", one["id"], "-o", "description").out == f"Ended session {one['id']}\n"
    assert client.read_response().status == 503
    gone = gateway.cli("session", "kill", one["id"])
    assert (gone.status, gone.out) == (1, "") and one["id"] in gone.err
    name = "n" + random_id(8)
    named = local.token_of(name)
    client.send(scene.request(token=named["value"]))
    scene.backend.accept().read_request()
    await_one(local, at(scene))
    assert gateway.cli("session", "kill", "--of-token", name, "-o", "description").out == "Ended 1 session\n"
    assert client.read_response().status == 503
    assert gateway.cli("session", "kill", "--of-token", "nosuchname-" + random_id(8)).status == 1


def test_a_wrong_command_line_ends_nothing(gateway, local, scene):
    scene.arrive()
    one = await_one(local, at(scene))
    for words in [["kill"], ["kill", one["id"], "--job", scene.job], ["kill", "--job", scene.job, "--address", "127.0.0.1"],
                  ["kill", "--address", "x"], ["list", "--state", "x"], ["list", "--address", "x"]]:
        done = gateway.cli("session", *words)
        assert done.status == 2 and done.err.startswith("jobgate: "), words
    assert listed(local, at(scene))[0]["id"] == one["id"]


# ---- workers that change ----

def test_workers_of_earlier_generations(gateways, records):
    """A tunnel that lives through a reload and through an upgrade is listed, and can be cut."""
    gateway = gateways.start({"workers": 2})
    local, scene = Control(gateway.socket_path), Scene(gateway, records)
    client, connection = open_tunnel(scene)
    one = await_one(local, at(scene))
    serving = gateway.workers()
    gateway.program.send_signal(signal.SIGHUP)
    eventually(lambda: len(set(gateway.workers()) - set(serving)) == 2, "the new workers")
    assert await_one(local, at(scene))["id"] == one["id"]
    gateway.program.send_signal(signal.SIGUSR2)
    eventually(lambda: len(set(gateway.workers()) - set(serving)) == 4, "the next binary's workers")
    eventually(lambda: gateway.program.log().count("control API at") == 2, "the next binary's control process")
    gateway.await_control()
    assert eventually(lambda: listed(local, at(scene)), "the tunnel to be listed again")[0]["id"] == one["id"]
    local.done("DELETE", f"/v1/sessions/{one['id']}", status=204)
    assert client.read_to_end() == CLOSE_1008
    connection.ended()
    scene.close()


def test_a_worker_that_is_stopped_is_told_as_silent(gateways, records):
    gateway = gateways.start({"workers": 2})
    local = Control(gateway.socket_path)
    worker = gateway.workers()[0]
    silent = lambda: local.call("GET", "/v1/sessions").json["silent_workers"]
    eventually(lambda: silent() == 0, "all workers to be connected")

    os.kill(worker, signal.SIGSTOP)
    try:
        eventually(lambda: state_of(worker) == "T", "the worker to stop")
        eventually(lambda: silent() == 1, "the other one to answer, and this one not")
        local.refused(503, "DELETE", "/v1/sessions?job=some")
    finally:
        os.kill(worker, signal.SIGCONT)
    eventually(lambda: silent() == 0, "the worker to answer again")


def local_request(method, path):
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


def connect_local(gateway):
    client = socket.socket(socket.AF_UNIX)
    client.connect(gateway.socket_path)
    return client


def test_what_was_told_as_not_ended_is_not_ended_later(gateways, records):
    """A worker that was stopped drops an order to end sessions; a call whose client has left is dropped before."""
    gateway = gateways.start({"workers": 1, "store": {"max_staleness": "60s"}})  # not ended for another reason
    local, scene = Control(gateway.socket_path), Scene(gateway, records)
    client, backend, _ = scene.arrive()
    one = await_one(local, at(scene))
    worker = gateway.workers()[0]
    os.kill(worker, signal.SIGSTOP)
    try:
        eventually(lambda: state_of(worker) == "T", "the worker to stop")
        local.refused(503, "DELETE", f"/v1/sessions?job={scene.job}")
        with connect_local(gateway) as first, connect_local(gateway) as leaves:
            first.sendall(local_request("GET", "/v1/sessions"))
            leaves.sendall(local_request("DELETE", f"/v1/sessions?job={scene.job}"))
        assert local.call("GET", "/v1/sessions").json["silent_workers"] == 1
    finally:
        os.kill(worker, signal.SIGCONT)
    eventually(lambda: local.call("GET", "/v1/sessions").json["silent_workers"] == 0, "the worker to answer again")
    assert await_one(local, at(scene))["id"] == one["id"]
    backend.answer()
    assert client.read_response().status == 200
    scene.close()
