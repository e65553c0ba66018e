"""Rate, burst and concurrency of a token (access.md, "Limits of a token"): exact over all workers, and given back however a request ends."""

import hashlib
import json
import os
import signal
import urllib.parse

import grpc
import pytest

from harness.control import Control
from harness.gateway import DOMAIN
from harness.h2 import H2Client
from harness.process import eventually, free_port
from harness.raw import Client, Cut
from harness.scene import Scene, request_bytes
from harness.store import Records, RedisServer, make_value, random_id
from test_browser import narrow
from test_reload import reload
from test_revocation import start_stream
from test_upgrade import open_tunnel

WORKERS = 4
SLOW = {"limits": {"gateways": 1000}}  # one request in 1000 seconds with a rate of 1, so that no test depends on time
HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"


@pytest.fixture(scope="module")
def gateway(module_gateways):
    return module_gateways.start({"workers": WORKERS, "timeouts": {"drain": "1s", "tunnel": "30s"}})


@pytest.fixture(scope="module")
def slow(module_gateways):
    return module_gateways.start({"workers": WORKERS, "browser": {"same_host": True}, **SLOW})


@pytest.fixture
def limited(gateway, scene_of, records):
    """Makes a scene whose token has these limits."""
    def make(**limits):
        return scene_of(gateway, token=records.token(**limits))
    return make


def run_one(scene):
    """A request that runs, and is not sent again: its client, and its connection to the backend."""
    client = scene.new_client()
    client.send(scene.request("POST", body=b"x"))
    connection = scene.backend.next()
    connection.read_request()
    return client, connection


def ask(scene, method="GET", fields=()):
    """One request with a connection of its own, which the gateway itself answers. When the connection has ended, so has the request: its permit is free."""
    with scene.gateway.client() as client:
        client.send(scene.request(method, fields=[*fields, "Connection: close"]))
        answer = client.read_response(method)
        client.read_to_end()
        return answer


def refused(scene, title="Too many requests at a time"):
    answer = ask(scene, "OPTIONS", ["Max-Forwards: 0"])  # if it passes, the gateway itself answers
    return answer.status == 429 and json.loads(answer.body)["title"] == title


def is_free(scene):
    """True when one more request may run; the gateway answers it itself."""
    return ask(scene, "OPTIONS", ["Max-Forwards: 0"]).status == 200


# ---- concurrency ----

def test_concurrency_is_exact_over_all_workers(limited):
    scene = limited(concurrency=WORKERS)
    running = [run_one(scene) for _ in range(WORKERS)]
    for _ in range(6 * WORKERS):  # connections of all workers
        assert refused(scene)
    for client, connection in running:
        connection.answer()
        assert client.read_response().status == 200
        eventually(lambda: is_free(scene), "its permit to be given back")
    assert len([run_one(scene) for _ in range(WORKERS)]) == WORKERS
    assert refused(scene)


def test_the_refusal_says_what_to_do(limited, gateway):
    scene = limited(concurrency=1, rate=1000)
    run_one(scene)
    answer = ask(scene)
    problem = json.loads(answer.body)
    assert (answer.status, problem["status"]) == (429, 429)
    assert "try again when one has ended" in problem["detail"]
    assert answer.field("retry-after") == "1"
    assert answer.field("ratelimit-policy") == '"rate";q=1000;w=1, "concurrency";q=1;qu="concurrent-requests"'
    assert answer.field("ratelimit") == '"concurrency";r=0'
    entry = gateway.access_entry(job=scene.job, verdict="over_concurrency")
    assert (entry["status"], entry["token_id"], entry["outcome"]) == (429, scene.token.id, "refused")
    eventually(lambda: gateway.metrics()['jobgate_decisions_total{verdict="over_concurrency"}'] >= 1, "the metric to count it")


def test_others_are_not_limited(limited, scene_of, gateway):
    scene = limited(concurrency=1)
    run_one(scene)
    assert refused(scene)
    scene_of(gateway, backend=scene.backend).relay()


def test_many_at_a_time(limited):
    scene = limited(concurrency=70)  # three places of the table
    with H2Client(scene.gateway.address) as client:
        streams = [client.request(scene.host, scene.token) for _ in range(70)]
        for _ in streams:
            scene.backend.next().read_request()
        assert client.answer(client.request(scene.host, scene.token)).status == 429
        client.send_ping_and_wait()


def end_by_answer(client, connection):
    connection.answer()
    assert client.read_response().status == 200


def end_by_client_reset(client, connection):
    client.reset()


def end_by_backend(client, connection):
    connection.close()
    assert client.read_response().status == 502


def end_by_backend_reset(client, connection):
    connection.reset()
    assert client.read_response().status == 502


def end_by_nonsense(client, connection):
    connection.send(b"nonsense\r\n\r\n")
    assert client.read_response().status == 502


def cut_by_client(client, connection):
    connection.send(HEAD)
    client.read_head()
    client.reset()


def cut_by_backend(client, connection):
    connection.send(HEAD)
    response = client.read_head()
    connection.reset()
    with pytest.raises(Cut):
        client.read_body(response)


@pytest.mark.parametrize("end", [end_by_answer, end_by_client_reset, end_by_backend, end_by_backend_reset, end_by_nonsense, cut_by_client,
                                 cut_by_backend])
def test_a_permit_is_given_back(limited, end):
    scene = limited(concurrency=1)
    client, connection = run_one(scene)
    assert refused(scene)
    end(client, connection)
    eventually(lambda: is_free(scene), "the permit to be given back")
    run_one(scene)
    assert refused(scene)


@pytest.mark.parametrize("end", [
    lambda scene, client, connection: (client.half_close(), connection.ended(), connection.close()),
    lambda scene, client, connection: client.reset(),
    lambda scene, client, connection: (connection.half_close(), client.read_to_end(), client.close()),
    lambda scene, client, connection: connection.reset(),
    lambda scene, client, connection: (client.half_close(), connection.half_close()),
    lambda scene, client, connection: scene.records.delete_job(scene.job),
], ids=["client", "client's reset", "backend", "backend's reset", "both", "revocation"])
def test_a_websocket_counts_while_it_is_open(limited, records, end):
    scene = limited(concurrency=1)
    other = Scene(scene.gateway, records, token=scene.token, backend=scene.backend)
    client, connection = open_tunnel(scene)
    assert refused(other)
    end(scene, client, connection)
    eventually(lambda: is_free(other), "the WebSocket's permit to be given back")


def test_an_idle_websocket(module_gateways, records, scene_of):
    scene = scene_of(module_gateways.start({"timeouts": {"tunnel": "1s"}}), token=records.token(concurrency=1))
    client, connection = open_tunnel(scene)
    client.ended()
    eventually(lambda: is_free(scene), "the permit to be given back")


def test_a_websocket_over_http2(limited):
    scene = limited(concurrency=1)
    run_one(scene)
    with H2Client(scene.gateway.address) as client:
        assert client.answer(client.connect(scene.host, scene.token, fields=[("sec-websocket-version", "13")])).status == 429


def test_streams_of_http2(limited):
    scene = limited(concurrency=2)
    with H2Client(scene.gateway.address) as client:
        streams = [client.request(scene.host, scene.token, "POST", body=b"x") for _ in range(2)]
        connections = []
        for _ in streams:
            connections.append(scene.backend.next())
            connections[-1].read_request()
        assert client.answer(client.request(scene.host, scene.token)).status == 429
        connections[0].answer()
        connections[1].close()
        assert sorted(client.answer(stream).status for stream in streams) == [200, 502]
        assert is_free(scene)


def test_grpc_calls(limited):
    scene = limited(concurrency=1)
    run_one(scene)
    channel = grpc.insecure_channel("%s:%d" % scene.gateway.address, options=[
        ("grpc.default_authority", scene.host), ("grpc.use_local_subchannel_pool", 1)])
    with channel, pytest.raises(grpc.RpcError) as failed:
        channel.unary_unary("/tests.Service/Method")(b"", metadata=[("authorization", scene.token.bearer)], timeout=30)
    assert failed.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "try again when one has ended" in failed.value.details()
    assert dict(failed.value.trailing_metadata() or ())["ratelimit"] == '"concurrency";r=0'


# ---- workers and their ends ----

def test_a_killed_worker_leaves_no_permit(gateways, records, scene_of):
    gateway = gateways.start({"workers": WORKERS})
    scene = scene_of(gateway, token=records.token(concurrency=2 * WORKERS))
    for _ in range(2 * WORKERS):
        run_one(scene)
    assert refused(scene)
    for pid in gateway.workers():
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: len(gateway.workers()) == WORKERS and gateway.health("/readyz")[0] == 200, "other workers to serve")
    eventually(lambda: is_free(scene), "the permits to be given back")
    for _ in range(2 * WORKERS):
        run_one(scene)
    assert refused(scene)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR2], ids=["reload", "upgrade"])
def test_two_generations_count_together(gateways, records, scene_of, number):
    gateway = gateways.start({"workers": 2, "timeouts": {"drain": "2m"}})
    scene = scene_of(gateway, token=records.token(concurrency=2))
    client, connection = open_tunnel(scene)
    old = gateway.workers()
    gateway.program.send_signal(number)
    eventually(lambda: len(set(gateway.workers()) - set(old)) == 2 and gateway.health("/readyz")[0] == 200, "new workers to serve")
    run_one(scene)
    for _ in range(8):
        assert refused(scene)
    client.reset()
    eventually(lambda: is_free(scene), "an old worker to give its permit back")
    run_one(scene)
    assert refused(scene)


def test_a_worker_of_the_binary_before_is_killed(gateways, records, scene_of):
    gateway = gateways.start({"workers": 1, "timeouts": {"drain": "2m"}})
    scene = scene_of(gateway, token=records.token(concurrency=1))
    open_tunnel(scene)
    [old] = gateway.workers()
    gateway.program.send_signal(signal.SIGUSR2)
    eventually(lambda: set(gateway.workers()) - {old} and gateway.health("/readyz")[0] == 200, "a new worker to serve")
    assert refused(scene)
    os.kill(old, signal.SIGKILL)
    eventually(lambda: is_free(scene), "its permit to be given back")


def test_what_a_drain_cuts(gateways, records, scene_of):
    gateway = gateways.start({"workers": 2, "timeouts": {"drain": "1s"}})
    scene = scene_of(gateway, token=records.token(concurrency=1))
    client, connection = open_tunnel(scene)
    reload(gateway)
    eventually(lambda: is_free(scene), "the permit to be given back")


# ---- rate ----

def statuses(scene, count):
    return [ask(scene, "OPTIONS", ["Max-Forwards: 0"]).status for _ in range(count)]


def test_a_burst_is_exact_over_all_workers(slow, scene_of, records):
    scene = scene_of(slow, token=records.token(rate=1, burst=10_000))  # ten, for each of 1000 gateways
    assert statuses(scene, 30) == 10 * [200] + 20 * [429]
    answer = ask(scene)
    assert 900 < int(answer.field("retry-after")) <= 1000
    assert answer.field("ratelimit-policy") == '"rate";q=1;w=1000'
    assert answer.field("ratelimit") == f'"rate";r=0;t={answer.field("retry-after")}'
    assert json.loads(answer.body)["title"] == "Rate exceeded"


def test_a_rate_comes_back(limited):
    scene = limited(rate=50, burst=1)
    answers = []

    def all_seen():
        answers.append(statuses(scene, 1)[0])
        return {200, 429} <= set(answers[-200:]) or answers.count(200) >= 5
    eventually(all_seen, "the rate to come back")


def test_what_is_refused_does_not_count(slow, scene_of, records):
    scene = scene_of(slow, token=records.token(rate=1, burst=2000, selector="model=base"))
    for _ in range(5):
        assert ask(scene).status == 403  # out of scope
    records.client.hset(records.job_key(scene.job), "label:model", "base")
    eventually(lambda: is_free(scene), "the label to be known")
    assert statuses(scene, 3) == [200, 429, 429]


def test_without_concurrency_for_a_wait(module_gateways, records, scene_of):
    """A request over its concurrency does not count in the rate."""
    gateway = module_gateways.start({"workers": 2, **SLOW})
    scene = scene_of(gateway, token=records.token(rate=1, burst=2000, concurrency=1000))
    client, connection = run_one(scene)
    assert [ask(scene).status for _ in range(5)] == 5 * [429]
    connection.answer()
    assert client.read_response().status == 200
    eventually(lambda: is_free(scene), "the permit to be given back")
    assert refused(scene, "Rate exceeded")


def test_forward_auth_counts_the_rate_alone(module_gateways, records):
    port, asked = free_port(), free_port()
    gateway = module_gateways.make({"listen": [f"127.0.0.1:{port}", f"127.0.0.1:{asked} authorize"],
                                    "backends": {"trusted_proxies": ["127.0.0.1"]}, **SLOW})
    gateway.port = port
    gateway.start()
    job, token = records.job("unix:/nonexistent/job.sock"), records.token(rate=1, burst=3000, concurrency=1)

    def status():
        with Client(("127.0.0.1", asked)) as client:
            return client.exchange(request_bytes("gateway", token, path="/authorize", fields=[
                f"X-Original-URL: https://{job}.{DOMAIN}/", "X-Forwarded-For: 192.0.2.7"])).status
    assert [status() for _ in range(5)] == [200, 200, 200, 429, 429]


def test_what_a_sign_in_lets_in(slow, scene_of, records):
    """It counts for the token; the sign-in itself does not."""
    scene = narrow(scene_of(slow, token=records.token(rate=1, burst=2000)))

    def ask_as_browser(method, path, body=None, *fields):
        with slow.client() as client:
            return client.exchange(request_bytes(scene.host, None, method, path, [
                "Accept: text/html", f"Origin: http://{scene.host}", *fields], body))
    form = urllib.parse.urlencode({"token": scene.token.value, "to": "/"}).encode()
    answer = ask_as_browser("POST", "/.jobgate/sign-in", form, "Content-Type: application/x-www-form-urlencoded")
    assert answer.status == 303
    cookie = answer.field("set-cookie").partition(";")[0]
    answers = [ask_as_browser("OPTIONS", "/", None, "Max-Forwards: 0", f"Cookie: {cookie}") for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert answers[2].field("content-type").startswith("text/html") and b"Rate exceeded" in answers[2].body


def test_calls_of_the_control_api(module_gateways, records):
    port = free_port()
    module_gateways.start({"control": {"listen": f"127.0.0.1:{port}"}, **SLOW})
    api = Control(("127.0.0.1", port), records.token("operator", rate=1, burst=2000))
    shown = api.call("GET", "/v1/me").json
    assert (shown["rate"], shown["burst"], shown["concurrency"]) == (1, 2000, None)
    assert api.call("GET", "/v1/tokens").status == 200
    assert api.call("GET", "/v1/me").status == 429


def test_a_table_of_another_form(gateways):
    """What an upgrade left cannot be taken over."""
    gateway = gateways.start(env={"JOBGATE_LIMITS_FD": "99"})
    assert gateway.program.log().count("the limits of tokens count from zero again") == 1
    assert "the limits of tokens count from zero again" not in gateways.start().program.log()


PLACES = 65536
LONG_AGO = "2024-01-01T00:00:00Z"


def fill_places(gateway, server, job):
    """A use of each of more than 65,536 tokens with a rate, whose places stay in use because the rate is low. Returns the answers that
    are refusals, and the values that got them."""
    tokens, refusals = [], []
    records = Records(server.client)
    with server.client.pipeline(transaction=False) as pipeline:
        for _ in range(PLACES + 64):
            token_id = random_id()
            value = make_value(token_id)
            pipeline.hset(records.token_key(token_id), mapping={
                "name": "one", "role": "read", "selector": "", "version": "1", "rate": "1",
                "hash": hashlib.sha256(value.encode()).hexdigest(),
                "created_at": LONG_AGO, "updated_at": LONG_AGO})
            tokens.append(value)
        pipeline.execute()
    for at in range(0, PLACES + 64, 64):
        with gateway.client() as client:
            client.send(b"".join(request_bytes(f"{job}.{DOMAIN}", value, "OPTIONS", fields=["Max-Forwards: 0"]) for value in tokens[at:at + 64]))
            answers = [(client.read_response("OPTIONS"), value) for value in tokens[at:at + 64]]
        refusals += [pair for pair in answers if pair[0].status != 200]
    return refusals


def test_more_tokens_than_places(gateways, make_folder):
    """A token that has limits and no place is refused: without one its limits could not hold. Others pay nothing, and pass."""
    server = RedisServer(make_folder("redis")).start()
    gateway = gateways.start({"workers": 2, **SLOW}, store_url=server.url)
    records = Records(server.client)
    job = records.job("unix:/nonexistent/job.sock")
    refusals, plain = fill_places(gateway, server, job), records.token()

    def status(token, fields=("Max-Forwards: 0",)):
        with gateway.client() as client:
            return client.exchange(request_bytes(f"{job}.{DOMAIN}", token, "OPTIONS", fields=list(fields)), "OPTIONS")
    assert 64 <= len(refusals) < PLACES / 4
    for answer in (refusals[0][0], status(refusals[-1][1])):
        assert answer.status == 503 and json.loads(answer.body)["title"] == "Too many tokens in use" and int(answer.field("retry-after")) > 0
    assert status(plain).status == 200
    eventually(lambda: "up to 65536 tokens with limits can be in use at the same time" in gateway.program.log(), "the warning")
    server.stop()


# ---- changes ----

def test_a_lower_limit_cuts_nothing(limited, records):
    scene = limited(concurrency=3)
    running = [run_one(scene) for _ in range(2)]
    records.client.hset(records.token_key(scene.token.id), "concurrency", 1)
    eventually(lambda: refused(scene), "the lower limit to be known")
    for client, connection in running:
        assert refused(scene)
        connection.answer()
        assert client.read_response().status == 200
    eventually(lambda: is_free(scene), "both to have ended")


def test_a_limit_that_comes_while_a_request_runs(gateway, scene_of, records):
    scene = scene_of(gateway)
    client, connection, response = start_stream(scene)
    records.client.hset(records.token_key(scene.token.id), "concurrency", 1)
    eventually(lambda: refused(scene), "what runs to count")
    connection.send(b"0\r\n\r\n")
    client.read_body(response)
    eventually(lambda: is_free(scene), "the permit to be given back")


def test_a_limit_that_goes(limited, records):
    scene = limited(concurrency=1)
    client, connection = run_one(scene)
    assert refused(scene)
    records.client.hdel(records.token_key(scene.token.id), "concurrency")
    eventually(lambda: is_free(scene), "the limit to be gone")
    connection.answer()
    assert client.read_response().status == 200


def test_defaults(gateways, records, scene_of):
    gateway = gateways.start({"workers": 2, "limits": {"token_concurrency": 1}})
    plain, own = scene_of(gateway), scene_of(gateway, token=records.token(concurrency=2))
    run_one(plain)
    assert refused(plain)
    running = [run_one(own) for _ in range(2)]
    assert refused(own)
    reload(gateway_drains(gateway, [*plain.clients, *own.clients]), {"limits": {"token_concurrency": 3}})
    for _ in range(3):
        run_one(plain)
    assert refused(plain)
    assert running


def gateway_drains(gateway, clients):
    """So that the old workers have nothing left to wait for."""
    for client in clients:
        client.reset()
    return gateway


@pytest.mark.parametrize("changes", [
    {"rate": "0"}, {"rate": "-1"}, {"rate": "x"}, {"rate": ""}, {"rate": "1000001"}, {"burst": "0"}, {"concurrency": "4097"}, {"concurrency": "1.5"},
    {"role": "read needs rate"}, {"concurrency": "1", "role": "read needs concurrency of-the-moon"}])
def test_what_is_not_understood_is_refused(gateway, scene_of, records, changes):
    assert ask(scene_of(gateway, token=records.token(**changes))).status == 401


# ---- the API and the command line ----

def test_the_api(gateway):
    api = Control(gateway.socket_path)
    limits = {"rate": 10, "burst": 20, "concurrency": 4096}
    made = api.done("POST", "/v1/tokens", {"name": "a", "role": "read", **limits}, 201)
    assert {name: made[name] for name in limits} == limits
    path = f"/v1/tokens/{made['id']}"
    renewed = api.done("POST", f"{path}/renew", {"rate": 5, "burst": None})
    assert (renewed["rate"], renewed["burst"], renewed["concurrency"]) == (5, None, 4096)
    assert api.done("POST", f"{path}/renew")["rate"] == 5
    assert api.done("GET", path)["concurrency"] == 4096
    for name, value in [("rate", 0), ("rate", 1_000_001), ("rate", "10"), ("burst", 1.5), ("concurrency", 4097), ("concurrency", True)]:
        api.refused(400, "POST", "/v1/tokens", {"name": "a", "role": "read", name: value}, field=name)
        api.refused(400, "POST", f"{path}/renew", {name: value}, field=name)


def test_an_operators_limits_are_passed_on(module_gateways, records):
    port = free_port()
    module_gateways.start({"control": {"listen": f"127.0.0.1:{port}"}})
    api = Control(("127.0.0.1", port), records.token("operator", rate=100, burst=200, concurrency=50))
    create = {"name": "a", "role": "operator"}

    def made(**limits):
        answer = api.done("POST", "/v1/tokens", {**create, **limits}, 201)
        return answer["rate"], answer["burst"], answer["concurrency"]
    assert made() == (100, 200, 50)
    assert made(rate=7) == (7, 7, 50)
    assert made(burst=3, concurrency=1) == (100, 3, 1)
    for name, value in [("rate", 101), ("burst", 201), ("concurrency", 51)]:
        api.refused(403, "POST", "/v1/tokens", {**create, name: value}, field=name)
    path = f"/v1/tokens/{records.token().id}/renew"
    api.refused(403, "POST", path, None, field="rate")
    api.refused(403, "POST", path, {"rate": 1}, field="burst")
    api.refused(403, "POST", path, {"rate": 1, "burst": 1, "concurrency": None}, field="concurrency")
    assert api.done("POST", path, {"rate": 1, "burst": 1, "concurrency": 1})["rate"] == 1


def test_a_rate_binds_the_burst(module_gateways, records):
    """A burst that is not given is as large as the rate."""
    port = free_port()
    module_gateways.start({"control": {"listen": f"127.0.0.1:{port}"}})
    api = Control(("127.0.0.1", port), records.token("operator", rate=10))
    api.refused(403, "POST", "/v1/tokens", {"name": "a", "role": "read", "rate": 1, "burst": 11}, field="burst")
    small = Control(("127.0.0.1", port), records.token("operator", rate=10, burst=2))
    assert small.done("POST", "/v1/tokens", {"name": "a", "role": "read", "rate": 9}, 201)["burst"] == 2


def test_the_defaults_bind_operators(gateways, records):
    """Of tokens without limits of their own, too; only those that the administrator of the machine gives are higher."""
    port = free_port()
    gateway = gateways.start({"control": {"listen": f"127.0.0.1:{port}"}, "limits": {"token_rate": 5000, "token_concurrency": 100}})
    token, create = records.token("operator"), {"name": "a", "role": "read"}
    api = Control(("127.0.0.1", port), token)
    assert api.done("POST", "/v1/tokens", create, 201)["rate"] is None
    assert api.done("POST", "/v1/tokens", {**create, "rate": 5000, "concurrency": 100}, 201)["rate"] == 5000
    for name, value in [("rate", 5001), ("burst", 5001), ("concurrency", 101)]:
        api.refused(403, "POST", "/v1/tokens", {**create, name: value}, field=name)
        api.refused(403, "POST", f"/v1/tokens/{token.id}/renew", {name: value}, field=name)
    local = Control(gateway.socket_path)
    assert local.done("POST", "/v1/tokens", {**create, "rate": 6000}, 201)["rate"] == 6000
    reload(gateway, {"limits": {"token_rate": 7000}})
    eventually(lambda: api.call("POST", "/v1/tokens", {**create, "rate": 5001}).status == 201, "the control process to know the higher limit")


def test_no_default_replaces_an_operators_own_limit(gateways, records):
    """A later configuration may have a higher default, or none."""
    port, limits = free_port(), {"rate": 5000, "burst": 6000, "concurrency": 70}
    gateways.start({"control": {"listen": f"127.0.0.1:{port}"}, "limits": {"token_rate": 1000, "token_burst": 1000, "token_concurrency": 7}})
    token = records.token("operator", **limits)
    api = Control(("127.0.0.1", port), token)
    child = api.done("POST", "/v1/tokens", {"name": "a", "role": "read"}, 201)
    assert {name: child[name] for name in limits} == limits
    for id in (token.id, child["id"]):
        for name in limits:
            api.refused(403, "POST", f"/v1/tokens/{id}/renew", {name: None}, field=name)
    assert api.done("POST", f"/v1/tokens/{child['id']}/renew")["rate"] == 5000
    only_burst = Control(("127.0.0.1", port), records.token("operator", burst=5))
    assert only_burst.done("POST", "/v1/tokens", {"name": "a", "role": "read", "rate": 3}, 201)["burst"] == 3


def test_an_operators_burst_without_a_rate(module_gateways, records):
    port = free_port()
    module_gateways.start({"control": {"listen": f"127.0.0.1:{port}"}})
    api = Control(("127.0.0.1", port), records.token("operator", burst=5))
    assert api.done("POST", "/v1/tokens", {"name": "a", "role": "read"}, 201)["burst"] == 5
    assert api.done("POST", "/v1/tokens", {"name": "a", "role": "read", "rate": 3}, 201)["burst"] == 3


def test_a_default_burst_lifts_nothing(gateways, records):
    port = free_port()
    gateways.start({"control": {"listen": f"127.0.0.1:{port}"}, "limits": {"token_burst": 10_000}})
    api = Control(("127.0.0.1", port), records.token("operator", rate=2000, burst=2000))
    made = api.done("POST", "/v1/tokens", {"name": "a", "role": "read", "rate": 1900}, 201)
    assert made["burst"] == 1900
    path = f"/v1/tokens/{made['id']}/renew"
    api.refused(403, "POST", path, {"rate": 1900, "burst": None}, field="burst")
    assert api.done("POST", path, {"rate": 1000})["burst"] == 1900


def test_the_command_line(gateway):
    made = gateway.cli("token", "create", "limited", "--role", "read", "--rate", "10", "--burst", "20", "--concurrency", "4", "-o", "json").json()
    assert (made["rate"], made["burst"], made["concurrency"]) == (10, 20, 4)
    shown = gateway.cli("token", "get", made["id"]).out
    assert "Concurrency: 4" in " ".join(shown.split())
    renewed = gateway.cli("token", "renew", "-y", made["id"], "--burst", "", "--rate", "7", "-o", "json").json()
    assert (renewed["rate"], renewed["burst"], renewed["concurrency"]) == (7, None, 4)
    assert "4096" in gateway.cli("token", "create", "limited", "--role", "read", "--concurrency", "4097").err


# ---- metrics ----

def test_metrics_by_token(gateways, records, scene_of):
    gateway = gateways.start({"workers": 2, "control": {"metrics_tokens": 10}})
    scene = scene_of(gateway, token=records.token(concurrency=1))
    client, connection = run_one(scene)
    assert refused(scene) and refused(scene)

    def samples():
        return {name.replace(scene.token.id, "ID"): value for name, value in gateway.metrics().items() if scene.token.id in name}
    assert samples() == {
        'jobgate_token_requests_total{token="ID",result="allowed"}': 1, 'jobgate_token_requests_total{token="ID",result="over_rate"}': 0,
        'jobgate_token_requests_total{token="ID",result="over_concurrency"}': 2, 'jobgate_token_running{token="ID"}': 1}
    connection.answer()
    assert client.read_response().status == 200
    eventually(lambda: samples()['jobgate_token_running{token="ID"}'] == 0, "the request to have ended")
    client.close()
    reload(gateway, {"control": {"metrics_tokens": 0}})
    eventually(lambda: samples() == {}, "the samples to be gone")
