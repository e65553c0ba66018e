"""The store behind Redis Sentinel: found, and followed through a failover under load. A primary that does not know
of its successor is not trusted."""

import pytest

from harness import faults
from harness.checker import delete
from harness.elected import all_is_well, checked, none_is_a_backend, replicated
from harness.process import eventually
from harness.sentinel import NAME, Family, Sentinel
from harness.store import RedisServer


@pytest.fixture(scope="module")
def family(make_folder):
    """One for all tests here, in this order: each leaves it well, but with another primary perhaps."""
    family = Family(make_folder)
    yield family
    family.stop()


@pytest.fixture
def checker(gateways, family, hold_backend):
    checker = checked(gateways, hold_backend, family.url, family.client(family.primary()))
    yield checker
    checker.close()


def test_none_of_these_servers_is_a_backend(checker, family):
    none_is_a_backend(checker, [family.primary(), *(sentinel.port for sentinel in family.sentinels)])


def test_primary_that_knows_of_no_successor(checker, family):
    """
    Only the gateway still reaches the old primary, and it answers every PING. What is revoked at the new one
    must be refused all the same.
    """
    first = family.primary()
    assert first == family.relay.port
    checker.add(6, streams=3)
    replicated(family.client(first), 2)
    family.relay.say("drop", "other")
    port = family.another_primary(first)
    checker.records.client = family.client(port)
    gone = checker.live()[0]
    checker.revoke(gone, delete)
    checker.run(1.5 * faults.BOUND)
    old = family.client(first)
    assert old.role()[0] == "master" and old.exists(checker.records.token_key(gone.token.id))
    all_is_well(checker, family.client(port))
    family.relay.say("pass")
    family.demoted(first)


@pytest.mark.alone
def test_failover_under_load(checker, family):
    first = family.primary()
    checker.add(8, streams=3)
    for _ in range(2):
        checker.revoke(checker.live()[0])
    checker.run(0.2)
    replicated(family.client(first), 2)
    family.servers[first].kill()
    checker.run(2 * faults.BOUND)
    assert checker.statuses.get(503), "no request was refused"
    port = family.another_primary(first)
    checker.records.client = family.client(port)
    for _ in range(2):
        checker.revoke(checker.live()[0])
    all_is_well(checker, family.client(port))
    assert checker.live()
    # The old one comes back, and is made a replica.
    family.servers[first].start()
    family.demoted(first)
    checker.revoke(checker.live()[0])
    all_is_well(checker, family.client(port))


def test_without_most_sentinels(checker, family):
    """The primary may have been replaced unnoticed: 503 after the bound, and all is well once two sentinels are back."""
    checker.add(4)
    for sentinel in family.sentinels[:2]:
        sentinel.stop()
    eventually(lambda: checker.turn() or checker.statuses.get(503), "503 without the sentinels")
    assert "in doubt: only 1 of 3 sentinels answer" in checker.gateway.program.log()
    checker.revoke(checker.live()[0])
    for sentinel in family.sentinels[:2]:
        sentinel.start()
    all_is_well(checker, family.client(family.primary()))


def test_replica_by_a_plain_url(gateways, family):
    """A server that is a replica now is no store, whatever its URL once led to."""
    replica = next(server for server in family.servers.values() if server.client.role()[0] == "slave")
    gateway = gateways.make(store_url=replica.url).launch()
    gateway.wait_listening()
    eventually(lambda: "it is not the primary" in gateway.program.log(), "the gateway to say why")
    eventually(lambda: gateway.health("/readyz")[0] == 503, "/readyz to say no")
    replica.client.replicaof("NO", "ONE")
    gateway.wait_ready()


@pytest.mark.parametrize("user", ["", "gate"])
def test_sentinels_with_a_password(gateways, make_folder, user):
    """Sentinels get their password, Redis gets its own, and the log shows neither."""
    settings = [f"user {user} on >topsecret allchannels allcommands", "user default off"] if user else ["requirepass topsecret"]
    server = RedisServer(make_folder("redis"), "--requirepass", "hushhush").start()
    sentinel = Sentinel(make_folder("sentinel"), server.port, f"sentinel auth-pass {NAME} hushhush", *settings,
                        username=user or None, password="topsecret").start()
    eventually(lambda: sentinel.primary_port() == server.port, "the sentinel to answer", patience=30)
    url = f"redis+sentinel://:hushhush@127.0.0.1:{sentinel.port}/{NAME}"
    name = f"sentinel_username={user}&" if user else ""

    good = gateways.start(store_url=f"{url}?{name}sentinel_password=topsecret")
    for query, why in [("", "NOAUTH"), (f"?{name}sentinel_password=topsecre", "WRONGPASS")]:
        gateway = gateways.make(store_url=url + query).launch()
        gateway.wait_listening()
        eventually(lambda: why in gateway.program.log(), f"the log to say {why}")
        eventually(lambda: gateway.health("/readyz")[0] == 503, "/readyz to say no")
        assert "topsecre" not in gateway.program.log()
    assert "topsecret" not in good.program.log() and "hushhush" not in good.program.log()
    sentinel.stop()
    server.stop()
