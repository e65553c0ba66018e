"""What a call to the control API may take: its token stays valid to the end, lists are few and small, and disturb no change."""

import json

import pytest

from harness.control import Control
from harness.process import eventually
from harness.relay import FaultRelay
from harness.store import Records, RedisServer, random_id

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
    yield gateways.start(store_url=f"redis://127.0.0.1:{relay.port}"), relay
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
