"""What a call to the control API may take: its token stays valid to the end, lists are few and small, and disturb no change."""

import json
import pathlib
import re

import pytest
import yaml

from harness.control import Control, request_text
from harness.gateway import release_binary
from harness.load import Flood
from harness.process import eventually, free_port
from harness.raw import Closed
from harness.relay import FaultRelay
from harness.store import Records, RedisServer

DELAY = 150  # ms for each reply of the store


@pytest.fixture
def server(make_folder):
    server = RedisServer(make_folder("redis")).start()
    yield server
    server.stop()


@pytest.fixture
def far(make_folder, gateways, server):
    """A gateway whose store is far away, so that a list of few records takes long."""
    relay = FaultRelay(make_folder("relay"), server.port)
    yield gateways.start({"control": {"listen": f"127.0.0.1:{free_port()}"}},
                         store_url=f"redis://127.0.0.1:{relay.port}"), relay
    gateways.stop()
    relay.stop()


def fill(client, count, labels, prefix="jobgate:", first=0):
    """Jobs and their places in the index, as an operator's script would write them; their ids."""
    fields = {f"label:{name}": value for name, value in labels.items()}
    ids = [f"j{first + number:06}" for number in range(count)]
    for start in range(0, count, 1000):
        pipe = client.pipeline(transaction=False)
        for number, job in enumerate(ids[start:start + 1000], first + start):
            pipe.hset(f"{prefix}job:{job}", mapping={**fields, "created_at": "2024-01-01T00:00:00Z"})
            pipe.zadd(f"{prefix}jobs", {job: number})
        pipe.execute()
    return ids


def scripts(client):
    """How many scripts the server has run that may write: steps through lists among them."""
    return client.info("commandstats").get("cmdstat_eval", {}).get("calls", 0)


# ---- the caller's token, while its call runs ----

def test_list_ends_with_its_token(far, server):
    """It is confirmed by the clock, however few steps are made meanwhile."""
    gateway, relay = far
    records = Records(server.client)
    token = records.token("operator", "team=a")
    fill(server.client, 9000, {"team": "b"})
    control = Control(gateway.socket_path, token)
    relay.say("delay", "all", DELAY)
    before = scripts(server.client)
    with control.connect() as client:
        control.send(client, "GET", "/v1/jobs")
        eventually(lambda: scripts(server.client) - before >= 2, "the list to be under way")
        records.delete_token(token)
        begun = scripts(server.client)
        assert client.read_response().status == 401
    assert scripts(server.client) - begun <= 1000 / DELAY + 2  # of 90 that it would take


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/tokens", "/v1/jobs/own", "/v1/me"])
def test_nothing_is_told_once_the_token_has_gone(far, server, path):
    """What was read is not told where the token went meanwhile."""
    gateway, relay = far
    records = Records(server.client)
    token = records.token("operator", "team=a")
    records.job("http://127.0.0.1:9", {"team": "a"}, "own")
    control = Control(gateway.socket_path, token)
    assert control.call("GET", path).status == 200
    relay.say("delay", "all", 500)
    before = server.client.info("commandstats")["cmdstat_eval_ro"]["calls"]
    with control.connect() as client:
        control.send(client, "GET", path)
        eventually(lambda: server.client.info("commandstats")["cmdstat_eval_ro"]["calls"] > before, "the token to be read")
        records.delete_token(token)
        assert client.read_response().status == 401


def test_renewed_value_is_for_the_living(far, server):
    """A new value must not go to who was revoked while it was made; who renews the own token gets it."""
    gateway, relay = far
    records = Records(server.client)
    token, other = records.token("operator", "team=a"), records.token("read", "team=a")
    control = Control(gateway.socket_path, token)
    own = control.call("POST", f"/v1/tokens/{token.id}/renew")
    assert own.status == 200
    control = control.by(own.json["value"])
    relay.say("delay", "all", 500)
    before = scripts(server.client)
    with control.connect() as client:
        control.send(client, "POST", f"/v1/tokens/{other.id}/renew")
        eventually(lambda: scripts(server.client) > before, "the other to be renewed")
        records.delete_token(token)
        assert client.read_response().status == 401


# ---- lists ----

LONG = {f"label-{number:02}": "v" * 60 for number in range(63)}  # with team= as many as a job may have: 5 KiB
WALKS = 2  # at once
UNREAD = 32


@pytest.fixture(scope="module")
def crowded(store):
    """A store with 1,000 jobs of a team, their labels long."""
    fill(store.client, 1000, {**LONG, "team": "a"})
    return Records(store.client)


@pytest.fixture(scope="module")
def gateway(module_gateways, store):
    return module_gateways.start({"control": {"listen": f"127.0.0.1:{free_port()}"}}, store_url=store.url)


def operators_address(gateway):
    host, _, port = gateway.config["control"]["listen"].rpartition(":")
    return host, int(port)


@pytest.fixture
def operators(gateway, crowded):
    return Control(operators_address(gateway))


def test_page_ends_at_2_mib(gateway, crowded, operators):
    token = crowded.token("operator", "team=a")
    for control in (Control(gateway.socket_path), operators.by(token)):
        seen, cursor, pages = [], "", 0
        while cursor is not None:
            answer = control.call("GET", "/v1/jobs?limit=1000" + (f"&cursor={cursor}" if cursor else ""))
            assert answer.status == 200 and len(answer.body) <= 2 << 20
            seen += [job["id"] for job in answer.json["items"]]
            cursor = answer.json["next_cursor"]
            assert cursor is None or len(answer.body) > (2 << 20) - 10000  # none ends early
            pages += 1
        assert seen == [f"j{number:06}" for number in range(1000)] and pages >= 3


def test_command_line_prints_all_pages(gateway, crowded):
    ids = [f"j{number:06}" for number in range(1000)]
    assert [job["id"] for job in gateway.cli("job", "list", "-o", "json").json()] == ids
    assert [job["id"] for job in yaml.safe_load(gateway.cli("job", "list", "-o", "yaml").out)] == ids
    lines = gateway.cli("job", "list", "-o", "description").out.splitlines()
    assert [line.split()[0] for line in lines] == ["ID", *ids]
    assert all("label-62=" + "v" * 60 in line for line in lines[1:])


def test_lists_keep_nobody_from_revoking(gateway, crowded, operators):
    """120 connections that list all the time; ten tokens go, each at once."""
    token = crowded.token("operator", "team=a")
    doomed = [crowded.token("read") for _ in range(10)]
    control = operators.by(token)
    request = request_text("GET", "/v1/jobs?limit=1000", token)
    connections = [control.connect() for _ in range(60)] + [Control(gateway.socket_path).connect() for _ in range(60)]
    with Flood(connections, request) as flood:
        for victim in doomed:
            answered = sum(flood.statuses.values())
            eventually(lambda: sum(flood.statuses.values()) > answered + 20, "the flood to go on")
            result = gateway.cli("token", "delete", "--yes", victim.id)
            assert result.status == 0, result
            assert not crowded.client.exists(crowded.token_key(victim.id))
    assert set(flood.statuses) == {200, 429}, flood.statuses


def test_few_lists_at_once(far, server):
    """Two in all, one for each token; the rest is told when to come again."""
    gateway, relay = far
    one, two, three = tokens = [Records(server.client).token("operator") for _ in range(3)]
    address = operators_address(gateway)
    relay.say("hold", "lists")
    with Control(address, one).connect() as first, Control(address, two).connect() as second:
        Control(address, one).send(first, "GET", "/v1/jobs")
        began = scripts(server.client)
        eventually(lambda: scripts(server.client) > 0, "the first list to be under way")
        for token in tokens[:1]:
            answer = Control(address, token).call("GET", "/v1/tokens")
            assert (answer.status, answer.field("retry-after")) == (429, "1"), answer
        Control(address, two).send(second, "GET", "/v1/jobs")
        eventually(lambda: scripts(server.client) > began, "the second list to be under way")
        answer = Control(address, three).call("GET", "/v1/jobs")
        assert (answer.status, answer.field("retry-after")) == (429, "1"), answer
        relay.say("pass")
        assert first.read_response().status == second.read_response().status == 200


def test_local_callers_find_a_place(far, server):
    """A list of an operator gives way, and is told so; those of local callers wait for each other."""
    gateway, relay = far
    tokens = [Records(server.client).token("operator") for _ in range(WALKS)]
    fill(server.client, 500, {})
    control, local = Control(operators_address(gateway)), Control(gateway.socket_path)
    relay.say("hold", "lists")
    clients = [control.connect() for _ in tokens]
    for number, (client, token) in enumerate(zip(clients, tokens)):
        control.by(token).send(client, "GET", "/v1/jobs")
        eventually(lambda: scripts(server.client) > number, "the list to be under way")
    waiting = [local.connect() for _ in range(5)]
    for client in waiting:
        local.send(client, "GET", "/v1/jobs?limit=1000")
    assert local.call("GET", "/healthz").status == 200  # all of them have arrived
    relay.say("pass")
    statuses = [client.read_response().status for client in clients]
    assert set(statuses) <= {200, 429} and 429 in statuses
    assert [len(json.loads(client.read_response().body)["items"]) for client in waiting] == [500] * 5


def test_late_list_breaks_nothing_but_itself(far, server):
    """Nobody answers a list: changes, and what else is read, go on meanwhile and after it."""
    gateway, relay = far
    records = Records(server.client)
    local = Control(gateway.socket_path)
    relay.say("hold", "lists")
    with local.connect() as client:
        local.send(client, "GET", "/v1/jobs")
        with local.connect() as other:
            while client.silent():
                local.send(other, "DELETE", f"/v1/tokens/{records.token().id}")
                assert other.read_response().status == 204
        assert client.read_response().status == 503
    relay.say("pass")
    eventually(lambda: local.call("GET", "/v1/jobs").status == 200, "lists to be there again")
    log = gateway.program.log()
    assert "[control] the store (for lists) is out of reach" in log and "[control] the store is out of reach" not in log


# ---- answers that nobody takes ----

def memory_of(pid):
    """KiB that are its own."""
    return sum(int(size) for size in re.findall(r"^(?:RssAnon|VmSwap):\s+(\d+)",
                                                pathlib.Path(f"/proc/{pid}/status").read_text(), re.MULTILINE))


@pytest.mark.parametrize("remote", [False, True], ids=["local", "remote"])
def test_lists_that_nobody_reads(gateways, store, crowded, remote):
    """Clients ask, each ten times, and take nothing: the control process keeps little of it, and goes on."""
    gateway = gateways.start({"control": {"listen": f"127.0.0.1:{free_port()}"}}, store_url=store.url, program=release_binary())
    pid = gateway.control_process()
    before = memory_of(pid)
    local = Control(gateway.socket_path)
    held = []
    for _ in range(UNREAD):
        control = Control(operators_address(gateway), crowded.token("operator", "team=a")) if remote else local
        held.append(control.connect())
        held[-1].send(10 * request_text("GET", "/v1/jobs?limit=1000", control.token))
        eventually(lambda: not held[-1].silent(), "an answer to begin")
        assert local.call("GET", "/v1/jobs?limit=1").status == 200
    after = memory_of(pid)
    print(f"{before} KiB before, {after} KiB with {UNREAD} unread lists")
    assert after - before < 48 << 10  # they had 64 MiB coming
    for client in held:
        client.close()
