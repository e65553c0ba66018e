"""The path of a call: worker, codec, token, control process. No byte of a stranger reaches the control process; connection limits are separate."""

import json
import os
import pathlib
import re
import signal
import socket
import time

import pytest

from harness.control import Answer, Control, request_text
from harness.mutate import PACKET, Crowd, seeds
from harness.pki import Authority
from harness.process import PATIENCE, children, eventually, free_port
from harness.raw import Client, Closed
from harness.store import make_value, random_id

HOST = "control.jobs.test"


def control_pid(gateway):
    """The process id of the control process, or None."""
    for pid in children(gateway.program.pid):
        try:
            if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == "control":
                return pid
        except OSError:
            pass
    return None


@pytest.fixture(scope="module")
def pki(make_folder):
    ours = Authority(make_folder("pki"), "ours")
    return {"ours": ours, "first": ours.issue("first", "serverAuth"), "second": ours.issue("second", "serverAuth")}


def plain(gateways, port=None, **more):
    port = port or free_port()
    settings = {"control": {"listen": f"127.0.0.1:{port}", "host": HOST}, "limits": {"failed_auth_rate": 0}}
    for key, value in more.items():
        settings[key] = {**settings.get(key, {}), **value} if isinstance(value, dict) else value
    return gateways.start(settings), ("127.0.0.1", port)


def secure(gateways, pki, name="first"):
    certificate, key = pki[name]
    port = free_port()
    gateway = gateways.start({"control": {"listen": f"127.0.0.1:{port}", "certificate": str(certificate), "key": str(key)}})
    return gateway, ("127.0.0.1", port)


@pytest.fixture(scope="module")
def path(module_gateways):
    return plain(module_gateways)


def end_of(client, data):
    client.send(data)
    try:
        return client.read_to_end()
    except Closed as closed:
        return closed.data


# ---- what strangers send ----

def test_the_packet(path, module_gateways, pki, records):
    """It once ended the control process. Wherever it is sent: refused by the worker, and that process never sees it."""
    gateway, listen = path
    tls_gateway, tls_listen = secure(module_gateways, pki)
    context = pki["ours"].context()
    operator = records.token("operator")
    places = [(gateway, Control(listen)), (gateway, Control(gateway.address, host=HOST)), (gateway, Control(("127.0.0.1", gateway.metrics_port))),
              (tls_gateway, Control(tls_listen, None, context))]
    pids = {one: control_pid(one) for one in (gateway, tls_gateway)}
    assert all(pids.values())
    for one, api in places:
        for packet in [PACKET, PACKET.replace(b"Host: x", f"Host: {HOST}".encode()), PACKET.partition(b"\r\n\r\n")[2]]:
            for _ in range(5):
                with api.connect() as client:
                    data = end_of(client, packet)
                statuses = re.findall(rb"HTTP/1\.1 (\d+)", data)
                assert statuses[-1] in (b"400", b"505"), data
                assert b" 200 " not in data
    assert Control(listen, operator).call("GET", "/v1/me").status == 200
    assert Control(tls_listen, operator, context).call("GET", "/v1/me").status == 200
    assert {one: control_pid(one) for one in pids} == pids


def test_mutated_messages(path, module_gateways, pki, records, sanitizer):
    """A short run of tests/fuzz/control_path.py: all processes live, no sanitizer has anything to say, calls are served."""
    gateway, listen = path
    tls_gateway, tls_listen = secure(module_gateways, pki)
    context = pki["ours"].context()
    token = records.token("operator").value
    crowd = Crowd([(listen, seeds(token, "control"), None), (gateway.address, seeds(token, HOST), None),
                   (("127.0.0.1", gateway.metrics_port), seeds(token, "x"), None), (tls_listen, seeds(token, "control"), context)], seed="e2e", threads=4)
    before = [one.processes() for one in (gateway, tls_gateway)]
    operator = records.token("operator")
    crowd.run(4000, lambda: Control(listen, operator).done("GET", "/v1/me"))
    assert crowd.sent >= 4000 and crowd.answers > 500
    assert [one.processes() for one in (gateway, tls_gateway)] == before
    for one in (Control(listen, operator), Control(gateway.address, operator, host=HOST), Control(tls_listen, operator, context)):
        assert one.done("GET", "/v1/me")["id"] == operator.id
    records.client.delete(records.job_key("fuzzed"))


@pytest.mark.parametrize("fields", [["X-Jobgate-Control-Secret: " + "0" * 64], ["X-Jobgate-Control-Token: {id}", "X-Jobgate-Control-Version: 1"],
                                    ["X_Jobgate_Control_Token: {id}"], ["X-Jobgate-Control-Mark: " + "0" * 24]], ids=range(4))
def test_a_worker_s_words_are_no_client_s(path, records, fields):
    """A read token that names an operator's stays a read token; with a token of its own, what a client adds changes nothing."""
    gateway, listen = path
    operator, read = records.token("operator"), records.token("read")
    fields = [field.format(id=operator.id) for field in fields]
    for api in (Control(listen), Control(gateway.address, host=HOST)):
        assert api.call("GET", "/v1/tokens", fields=fields).status == 401
        api.by(read).refused(403, "GET", "/v1/tokens", fields=fields)
        assert api.by(operator).call("GET", "/v1/me", fields=fields).json["id"] == operator.id


def test_what_the_api_has_no_use_for(path, records):
    """Methods, and bytes of targets, that no endpoint has: answered by the worker, after the token."""
    gateway, listen = path
    operator = records.token("operator")
    for api in (Control(listen), Control(gateway.address, host=HOST)):
        for line, status in [("PROPFIND /v1/jobs", 405), ("FOO /v1/jobs", 405), ("GET /v1/../v1/jobs", 404), ("GET /v1/./jobs", 404), ("GET /v1/jobs[1]", 404),
                             ('GET /v1/jobs?a="', 400), ("GET /v1/jobs?a=%", 400), ("OPTIONS *", 404)]:
            for token in (None, operator):
                method, target = line.split(" ")
                with api.connect() as client:
                    client.send(request_text(method, target, token, host=api.host))
                    found = client.read_response(method).status
                # What the codec refuses by itself it refuses before it looks at a token.
                assert found in ((401, 400, 404) if token is None and api.host == HOST or token is None else (status, 400)), (line, token)


def test_long_targets(path, records):
    """Up to the limit of the API they are read there, and longer ones are refused by the worker: no connection is lost over them."""
    gateway, listen = path
    for api in (Control(listen, records.token("operator")), Control(gateway.address, records.token("operator"), host=HOST)):
        for size in (4000, 7900, 8100, 8191, 8192, 8193, 9000, 16000):
            api.refused(404, "GET", "/" + size * "a")
            assert api.call("GET", "/v1/me?" + size * "a").status in ([200] if size < 8000 else [400])


def test_bodies(path, records):
    """64 KiB, however they are framed; trailers are no fields of the call."""
    _, listen = path
    api = Control(listen, records.token("operator"))
    api.refused(413, "POST", "/v1/jobs", b"{" + b" " * (64 << 10))
    large = b"10000\r\n" + b" " * 0x10000 + b"\r\n1\r\n \r\n0\r\n\r\n"
    small = b"2\r\n{}\r\n0\r\nAuthorization: Bearer x\r\nX-Jobgate-Control-Token: x\r\n\r\n"
    for body, status in [(large, 413), (small, 201)]:
        with api.connect() as client:
            client.send(request_text("POST", "/v1/jobs", api.token, fields=["Transfer-Encoding: chunked"]).replace(b"Content-Length: 0\r\n", b""), body)
            assert Answer("POST", "/v1/jobs", client.read_response()).status == status


def test_pages_are_for_jobs(path):
    """The API's refusals are JSON for browsers too, and lead to no page to sign in at."""
    gateway, listen = path
    for api in (Control(listen), Control(gateway.address, host=HOST)):
        answer = api.call("GET", "/v1/me", fields=["Accept: text/html"])
        assert (answer.status, answer.type) == (401, "application/problem+json")


# ---- the control process is away ----

def test_without_the_control_process(gateways, records, scene_of):
    """Health, readiness and jobs do not depend on it; calls learn that nothing was changed; then it is restarted."""
    gateway, listen = plain(gateways)
    scene = scene_of(gateway)
    api = Control(listen, records.token("operator"))
    api.done("GET", "/v1/me")
    gateway.family = []
    pid = control_pid(gateway)
    os.kill(pid, signal.SIGSTOP)
    try:
        assert gateway.health("/healthz") == (200, "ok\n") and gateway.health("/readyz") == (200, "ok\n")
        client, connection, _ = scene.arrive()
        connection.answer()
        assert client.read_response().status == 200
        with api.connect() as client:
            api.send(client, "POST", "/v1/jobs", {"id": random_id(8)})
            # It waits at the stopped process, whose end is then the end of the call: done or not, it is said.
            os.kill(pid, signal.SIGKILL)
            answer = Answer("POST", "/v1/jobs", client.read_response())
            assert answer.status == 503 and answer.field("retry-after") == "1", answer
    finally:
        if control_pid(gateway) == pid:
            os.kill(pid, signal.SIGKILL)
    eventually(lambda: control_pid(gateway) not in (None, pid), "the next control process", PATIENCE)
    eventually(lambda: api.call("GET", "/v1/me").status == 200, "calls to be served", PATIENCE)


# ---- places ----

def crowd(address, count):
    return [socket.create_connection(address, PATIENCE) for _ in range(count)]


def test_places_are_apart(gateways, records, scene_of):
    """Clients that use up all connections for jobs keep out neither operators nor monitoring, and vice versa."""
    gateway, listen = plain(gateways, limits={"connections": 8, "failed_auth_rate": 0})
    api = Control(listen, records.token("operator"))
    scene = scene_of(gateway)
    held = crowd(gateway.address, 30)
    api.done("GET", "/v1/me")
    assert gateway.health("/readyz")[0] == 200
    for sock in held:
        sock.close()
    held = crowd(listen, 300) + crowd(("127.0.0.1", gateway.metrics_port), 100)
    client, connection, _ = scene.arrive()
    connection.answer()
    assert client.read_response().status == 200
    assert gateway.health("/readyz")[0] == 200
    api.done("GET", "/v1/me")
    assert gateway.metrics()["jobgate_connections"] <= 8 + 64 + 2
    for sock in held:
        sock.close()


def crowd_of(address, count, data):
    """Clients at many addresses, each of which has sent this."""
    socks = []
    for number in range(count):
        sock = socket.create_connection(address, PATIENCE, (f"127.0.2.{1 + number % 200}", 0))
        sock.sendall(data)
        socks.append(sock)
    return socks


@pytest.mark.parametrize("sent", [b"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n{", b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 400],
                         ids=["slow", "unread"])
def test_monitoring_has_a_place(gateways, sent):
    """However strangers hold the places at control.metrics: who comes next has one."""
    gateway, _ = plain(gateways)
    held = crowd_of(("127.0.0.1", gateway.metrics_port), 200, sent)
    for _ in range(10):
        assert gateway.health("/healthz")[0] == 200
    for sock in held:
        sock.close()


def test_slow_operators_keep_no_place(gateways, records):
    """One with a scope holds all places at control.listen by sending slowly, from many addresses: others still come in."""
    gateway, listen = plain(gateways)
    api = Control(listen, records.token("operator"))
    text = request_text("POST", "/v1/jobs", records.token("operator", "team=a"))
    held = crowd_of(listen, 500, text.replace(b"Content-Length: 0", b"Content-Length: 60000") + b"{")

    def served():
        try:
            return api.call("GET", "/v1/me").status == 200
        except (Closed, OSError):
            return False
    eventually(served, "an operator to be served")
    # It was not the end of a slow call that made room.
    for sock in held:
        sock.setblocking(False)
        try:
            assert sock.recv(100) == b""
        except (BlockingIOError, ConnectionResetError):
            pass
        sock.close()


def test_monitoring_counts_for_nothing(gateways):
    """What looks at the counters does not change them, nor fill the access log."""
    gateway, _ = plain(gateways)
    before = gateway.metrics()
    for _ in range(20):
        gateway.health("/healthz"), gateway.health("/readyz"), gateway.health("/nothing")
    after = gateway.metrics()
    for name, value in before.items():
        if name.startswith(("jobgate_requests_total", "jobgate_exchanges", "jobgate_connections", "jobgate_request_duration", "jobgate_first_byte")):
            assert after[name] == value, name
    assert not gateway.access_entries()


def test_monitoring_has_nothing_else(path):
    gateway, _ = path
    api = Control(("127.0.0.1", gateway.metrics_port))
    for method, target, status in [("GET", "/v1/jobs", 404), ("GET", "/", 404), ("POST", "/healthz", 405), ("DELETE", "/metrics", 405), ("HEAD", "/readyz", 200),
                                   ("HEAD", "/healthz", 200), ("HEAD", "/metrics", 200), ("GET", "/x/../healthz", 404)]:
        with api.connect() as client:
            client.send(request_text(method, target))
            response = client.read_response(method)
        assert (response.status, response.field("x-request-id") is not None) == (status, True), target
        if status == 405:
            assert response.field("allow") == "GET, HEAD"


# ---- reload and the end ----

def test_certificates_are_read_again(gateways, pki, records):
    """By SIGHUP, as those of every listener; calls are served meanwhile, by the same control process."""
    gateway, address = secure(gateways, pki)
    api = Control(address, records.token("operator"), pki["ours"].context())

    def name():
        with api.connect() as client:
            return dict(item[0] for item in client.sock.getpeercert()["subject"])["commonName"]
    assert name() == "first"
    pid = control_pid(gateway)
    for kind in (0, 1):
        pathlib.Path(pki["first"][kind]).rename(f"{pki['first'][kind]}.kept")
        pathlib.Path(pki["first"][kind]).write_bytes(pathlib.Path(pki["second"][kind]).read_bytes())
    try:
        gateway.family = []
        gateway.program.send_signal(signal.SIGHUP)
        eventually(lambda: api.call("GET", "/v1/me").status == 200 and name() == "second", "the new certificate", PATIENCE)
    finally:
        for kind in (0, 1):
            pathlib.Path(f"{pki['first'][kind]}.kept").rename(pki["first"][kind])
    assert control_pid(gateway) == pid


def test_reload_moves_the_listeners(gateways, records):
    """Addresses come and go with the configuration, and no call fails at one that stays."""
    gateway, listen = plain(gateways)
    api = Control(listen, records.token("operator"))
    gateway.family = []
    metrics = free_port()
    gateway.config["control"]["metrics"] = f"127.0.0.1:{metrics}"
    old, gateway.metrics_port = gateway.metrics_port, metrics
    gateway.config_path.write_text(json.dumps(gateway.config))
    gateway.program.send_signal(signal.SIGHUP)

    def moved():
        api.done("GET", "/v1/me")
        return gateway.health("/readyz")[0] == 200
    eventually(moved, "metrics at the new address")

    def closed():
        try:
            socket.create_connection(("127.0.0.1", old), 1).close()
        except OSError:
            return True
        return False
    eventually(closed, "the old address to be closed")


@pytest.mark.parametrize("number", [signal.SIGUSR2, signal.SIGHUP])
def test_calls_through_an_upgrade(gateways, records, number):
    """Calls are answered: 200, or 503 with nothing changed for the moment in which the control process is replaced."""
    gateway, listen = plain(gateways)
    api = Control(listen, records.token("operator"))
    before = gateway.workers()
    gateway.family = []
    gateway.program.send_signal(number)
    seen = set()

    def replaced():
        seen.add(api.call("GET", "/v1/me").status)
        now = gateway.workers()
        return now and not set(now) & set(before)
    eventually(replaced, "the workers to be replaced", PATIENCE)
    eventually(lambda: api.call("GET", "/v1/me").status == 200, "calls to be served", PATIENCE)
    assert seen <= ({200, 503} if number == signal.SIGUSR2 else {200}), seen


def test_operators_while_draining(gateways, records, scene_of):
    """As long as requests still run at the end, operators and monitoring are served."""
    gateway, listen = plain(gateways)
    api = Control(listen, records.token("operator"))
    client, connection, _ = scene_of(gateway).arrive()
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
    response = client.read_head()
    gateway.family = []
    gateway.program.send_signal(signal.SIGTERM)
    eventually(lambda: gateway.health("/readyz")[0] == 503, "/readyz to fail")
    assert gateway.health("/healthz")[0] == 200
    api.done("GET", "/v1/me")
    connection.send(b"ok")
    assert client.read_body(response).body == b"ok"
    assert gateway.program.wait() == 0


def test_failed_authentications_count(gateways, records):
    """At control.listen as at jobs: a stranger who tries tokens gets 429, an operator from the same address passes."""
    gateway, listen = plain(gateways, limits={"failed_auth_rate": 1, "failed_auth_burst": 3})
    api = Control(listen)
    statuses = [api.by(make_value(random_id())).call("GET", "/v1/me").status for _ in range(6)]
    assert statuses[:3] == [401] * 3 and 429 in statuses[3:]
    assert api.call("GET", "/v1/me").status == api.by("not-ours").call("GET", "/v1/me").status == 401
    assert api.by(records.token("operator")).call("GET", "/v1/me").status == 200


def test_a_call_that_the_old_value_began_ends_with_its_grace(path, records):
    """Its head comes during the grace, the rest of its content after it."""
    gateway, address = path
    operator, name = records.token("operator"), "late-" + random_id(8)
    renewed = Control(gateway.socket_path).done("POST", f"/v1/tokens/{operator.id}/renew", {"grace": 2})
    end = time.time() + 2
    assert Control(address, operator).call("GET", "/v1/me").status == 200
    text = request_text("POST", "/v1/tokens", operator, {"name": name, "role": "operator"})
    with Client(address) as client:
        client.send(text[:-1])
        eventually(lambda: time.time() >= end + 0.05, "the grace to be over")
        client.send(text[-1:])
        assert client.read_response().status == 401
    current = Control(address, renewed["value"])
    assert name not in [token["name"] for token in current.pages("/v1/tokens")]
    assert current.call("GET", "/v1/me").status == 200
