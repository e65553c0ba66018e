"""What one client address may hold, and how often it may fail to authenticate itself (limits.*)."""

import json

import pytest

from harness.process import eventually
from harness.raw import Client, Closed
from harness.scene import request_bytes
from harness.store import make_value, random_id

OTHER = "127.0.0.2"


def refused_connections(gateway, reason):
    return gateway.metrics()[f'jobgate_connections_refused_total{{reason="{reason}"}}']


def closed_unread(client):
    """The gateway takes the connection only to close it."""
    try:
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        return client.ended()
    except (Closed, OSError):
        return True


# ---- connections ----

@pytest.fixture(scope="module")
def four_each(module_gateways):
    return module_gateways.start({"limits": {"connections_per_client": 4}})


def test_connections_of_one_client(four_each, scene_of):
    """The fifth is closed unread; another address is not concerned; what is closed counts no more."""
    scene = scene_of(four_each)
    eventually(lambda: four_each.metrics()["jobgate_connections"] == 0, "earlier connections to end")
    before = refused_connections(four_each, "client_limit")
    clients = [scene.new_client() for _ in range(4)]
    for client in clients:
        assert client.exchange(request_bytes(scene.host)).status == 401
    assert closed_unread(scene.new_client())
    assert refused_connections(four_each, "client_limit") == before + 1
    line = f"connection from 127.0.0.1 refused (client_limit); {before + 1:.0f} so far"
    eventually(lambda: line in four_each.program.log(), "the log to tell of it")
    assert scene.new_client(OTHER).exchange(request_bytes(scene.host)).status == 401
    for client in clients:  # and those that were there work on
        assert client.exchange(request_bytes(scene.host)).status == 401
    clients[0].close()

    def room():
        with four_each.client() as client:
            try:
                return client.exchange(request_bytes(scene.host)).status == 401
            except (Closed, OSError):
                return False
    eventually(room, "a closed connection to count no more")


def test_trusted_proxies_have_no_limit_of_their_own(module_gateways, scene_of):
    gateway = module_gateways.start({"limits": {"connections_per_client": 1, "failed_auth_rate": 1,
                                                "failed_auth_burst": 1},
                                     "backends": {"trusted_proxies": ["127.0.0.1"]}})
    scene = scene_of(gateway)
    for client in [scene.new_client() for _ in range(10)]:
        assert client.exchange(bad(scene)).status == 401
    others = [scene.new_client(OTHER) for _ in range(2)]
    eventually(lambda: closed_unread(others[1]), "the second of another address to be closed")


def test_unix_sockets_have_no_limit_of_their_own(module_gateways, scene_of, make_folder):
    path = str(make_folder("listen") / "http.sock")
    gateway = module_gateways.make({"limits": {"connections_per_client": 1, "failed_auth_rate": 1,
                                               "failed_auth_burst": 1}})
    gateway.config["listen"].append(f"unix:{path}")
    scene = scene_of(gateway.start())
    clients = [Client(path) for _ in range(10)]
    for client in clients:
        assert client.exchange(bad(scene)).status == 401
        client.close()


def test_an_ipv6_network_is_one_client(module_gateways, scene_of):
    """Loopback has one address only; that it counts at all is what can be seen here (see quota_test.c)."""
    gateway = module_gateways.make({"limits": {"connections_per_client": 1}})
    gateway.config["listen"].append(f"[::1]:{gateway.port}")
    scene = scene_of(gateway.start())
    first, second = Client(("::1", gateway.port)), Client(("::1", gateway.port))
    assert closed_unread(second)
    assert first.exchange(request_bytes(scene.host)).status == 401
    first.close()


def test_connections_in_all(module_gateways, scene_of):
    """All places are taken by connections that are served: one more is closed unread (see test_floods.py)."""
    gateway = module_gateways.start({"limits": {"connections": 5}})
    scene = scene_of(gateway)
    clients = [scene.new_client(f"127.0.0.{i + 1}") for i in range(5)]
    for client in clients:
        client.send(scene.request())
    connections = [scene.backend.accept() for _ in clients]
    assert closed_unread(scene.new_client("127.0.0.9"))
    assert refused_connections(gateway, "limit") == 1
    for connection in connections:
        connection.read_request()
        connection.answer()
    for client in clients:
        assert client.read_response().status == 200


# ---- failed authentications ----

def bad(scene, value=None, **kwargs):
    return request_bytes(scene.host, value or make_value(random_id()), **kwargs)


@pytest.fixture
def five_at_once(gateways, scene_of):
    """Five failures at once, then one a second."""
    return scene_of(gateways.start({"limits": {"failed_auth_rate": 1, "failed_auth_burst": 5}}))


def fail_until_limited(scene, client, most):
    """Failures until the first 429; returns how many were answered by 401, and that 429."""
    for count in range(most):
        response = client.exchange(bad(scene))
        if response.status == 429:
            return count, response
        assert response.status == 401
    raise AssertionError(f"{most} failures were not too many")


def test_failures_are_limited(five_at_once):
    scene = five_at_once
    count, response = fail_until_limited(scene, scene.client, 20)
    assert 5 <= count <= 15  # some more came back while it went on
    assert response.field("content-type") == "application/problem+json"
    assert response.field("retry-after") == "1"
    assert response.challenge() is None
    problem = json.loads(response.body)
    assert (problem["status"], problem["title"]) == (429, "Too many requests")
    entry = scene.gateway.access_entry(request_id=problem["request_id"])
    assert (entry["outcome"], entry["status"], entry["verdict"]) == ("rate_limited", 429, "invalid_token")
    metrics = scene.gateway.metrics()
    assert metrics['jobgate_exchanges_total{outcome="rate_limited"}'] >= 1
    assert metrics['jobgate_decisions_total{verdict="invalid_token"}'] >= count + 1


def test_the_limit_is_the_addresss(five_at_once):
    """A new connection is no new beginning; another address has a bucket of its own."""
    scene = five_at_once
    fail_until_limited(scene, scene.client, 20)
    statuses = [scene.new_client().exchange(bad(scene)).status for _ in range(5)]
    assert 429 in statuses
    assert scene.new_client(OTHER).exchange(bad(scene)).status == 401


def test_a_valid_token_passes_all_the_same(five_at_once):
    """The failures may be a neighbour's behind the same address; guessing 256 bits is not what this is against."""
    scene = five_at_once
    fail_until_limited(scene, scene.client, 20)
    for _ in range(10):
        scene.client.send(scene.request())
        scene.backend.serve()
        assert scene.client.read_response().status == 200
        assert scene.client.exchange(bad(scene)).status in (401, 429)


def test_what_is_not_ours_counts_as_nothing(five_at_once):
    """It belongs to the job, and costs no look-up."""
    scene = five_at_once
    assert [scene.client.exchange(bad(scene, "garbage")).status for _ in range(20)] == [401] * 20


def test_a_bad_checksum_counts_as_any_other_failure(five_at_once):
    scene, value = five_at_once, "jgt_aaaaaaaaaaaaaaaa_" + "0" * 49
    statuses = [scene.client.exchange(bad(scene, value)).status for _ in range(20)]
    assert statuses[:5] == [401] * 5
    assert 429 in statuses


def test_only_failures_cost(five_at_once, records):
    """No credential, a refusal for the sake of scope, an unknown job: none of it is a failed authentication."""
    scene = five_at_once
    scoped = records.token(selector="team=none")
    for _ in range(8):
        assert scene.client.exchange(request_bytes(scene.host)).status == 401
        assert scene.client.exchange(request_bytes(scene.host, scoped)).status == 403
        assert scene.client.exchange(request_bytes("nobody.jobs.test", scene.token)).status == 404
    assert [scene.client.exchange(bad(scene)).status for _ in range(5)] == [401] * 5


def test_failures_are_forgiven_with_time(five_at_once):
    scene = five_at_once
    fail_until_limited(scene, scene.client, 20)
    eventually(lambda: scene.client.exchange(bad(scene)).status == 401, "a failure to be answered again", pause=0.2)


def test_html_for_people(five_at_once):
    scene = five_at_once
    fail_until_limited(scene, scene.client, 20)
    statuses = []
    for _ in range(10):
        response = scene.client.exchange(bad(scene, fields=["Accept: text/html"]))
        statuses.append(response.status)
        assert response.field("content-type") == "text/html; charset=utf-8"
    assert 429 in statuses


def test_on_by_default(gateways, scene_of):
    scene = scene_of(gateways.start({"limits": {"failed_auth_rate": None}}))
    scene.client.send(b"".join(bad(scene) for _ in range(500)))
    statuses = [scene.client.read_response().status for _ in range(500)]
    assert statuses[:100] == [401] * 100
    assert statuses.count(429) > 0
    assert set(statuses) == {401, 429}
