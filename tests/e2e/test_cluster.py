"""The store in a Redis Cluster: found, followed through a failover and the migration of its slot, and not trusted when it is cut off
from the other masters."""

import json

import pytest

from harness import faults
from harness.checker import delete
from harness.cluster import PREFIX, Cluster
from harness.control import Control
from harness.elected import all_is_well, change, checked, none_is_a_backend, replicated
from harness.process import eventually
from harness.raw import Backend, Closed, Cut
from harness.scene import request_bytes
from harness.store import Records, RedisServer
from test_public import knows


@pytest.fixture(scope="module")
def cluster(make_folder):
    """One for all tests here: each leaves it whole, but with another owner perhaps."""
    cluster = Cluster(make_folder)
    yield cluster
    cluster.stop()


@pytest.fixture
def checker(gateways, cluster, hold_backend):
    checker = checked(gateways, hold_backend, cluster.url, cluster.owner().client, PREFIX)
    yield checker
    checker.close()


def test_no_server_of_the_cluster_is_a_backend(checker, cluster):
    """Masters and those that the URL names; the gateway has a connection to each."""
    none_is_a_backend(checker, [cluster.owner().port, *(node.port for node in cluster.nodes if node.is_master())])


def test_an_owner_that_is_cut_off_from_the_others(checker, cluster):
    """Only the gateway still reaches the old owner, which answers. What is revoked at the new one must be refused all the same."""
    old = cluster.owner()
    checker.add(6, streams=3)
    replicated(old.client, 1)
    cluster.cut_off(old)
    owner = cluster.owner(than=old)
    checker.records.client = owner.client
    gone = checker.live()[0]
    checker.revoke(gone, delete)
    checker.run(1.5 * faults.BOUND)
    assert old.is_master() and old.call("COUNTKEYSINSLOT", old.call("KEYSLOT", PREFIX))
    all_is_well(checker, owner.client)
    old.join()
    cluster.settled()


@pytest.mark.alone
def test_failover_under_load(checker, cluster):
    old = cluster.owner()
    checker.add(8, streams=3)
    checker.revoke(checker.live()[0], delete)
    checker.run(0.2)
    replicated(old.client, 1)
    old.server.kill()
    checker.run(2 * faults.BOUND)
    owner = cluster.owner(than=old)
    checker.records.client = owner.client
    checker.revoke(checker.live()[0], delete)
    all_is_well(checker, owner.client)
    assert checker.live()
    old.server.start()
    cluster.settled()
    checker.revoke(checker.live()[0], delete)
    all_is_well(checker, owner.client)


def test_another_master_ends(checker, cluster):
    """Requests are served all the while. Changes wait until a replica has taken its place: one of the voters is missing."""
    owner = cluster.owner()
    other = next(node for node in cluster.nodes if node.is_master() and node is not owner)
    checker.add(4, streams=2)
    other.server.kill()
    eventually(lambda: change(checker).status == 503, "changes to be refused")
    checker.revoke(checker.live()[0], delete)
    checker.run(1.5 * faults.BOUND)
    assert set(checker.statuses) == {200}
    all_is_well(checker, owner.client)
    other.server.start()
    cluster.settled()


def move_slot(slot, old, new, masters, beside):
    new.call("SETSLOT", slot, "IMPORTING", old.id)
    old.call("SETSLOT", slot, "MIGRATING", new.id)
    while keys := old.call("GETKEYSINSLOT", slot, 1):
        old.client.execute_command("MIGRATE", "127.0.0.1", new.port, keys[0], 0, 5000)
        beside()
    for node in [new, old, *masters]:
        node.call("SETSLOT", slot, "NODE", new.id)


def test_the_slot_moves_to_another_master(checker, cluster):
    old = cluster.owner()
    new = next(node for node in cluster.nodes if node.is_master() and node is not old)
    checker.add(6, streams=2)
    slot = int(old.call("KEYSLOT", PREFIX))
    masters = [node for node in cluster.nodes if node.is_master()]
    move_slot(slot, old, new, masters, checker.turn)
    checker.records.client = new.client
    checker.revoke(checker.live()[0], delete)
    checker.run(faults.BOUND)
    assert cluster.owner() is new
    all_is_well(checker, new.client)
    assert len(checker.live()) == 5


def test_public_jobs(gateways, cluster):
    """The set of public jobs is in the slot with the records, and is followed when the slot moves."""
    gateway, old = gateways.start({"workers": 2}, store_url=cluster.url), cluster.owner()
    new = next(node for node in cluster.nodes if node.is_master() and node is not old)
    with Backend() as backend, gateway.client() as client:
        job = Control(gateway.socket_path).done("POST", "/v1/jobs", {"access": "public", "url": backend.url}, status=201)["id"]
        other = Control(gateway.socket_path).done("POST", "/v1/jobs", {"url": backend.url}, status=201)["id"]
        assert old.client.smembers(f"{PREFIX}public") == {job}
        knows(gateway, f"{job}.jobs.test")
        client.send(request_bytes(f"{job}.jobs.test", None))
        connection = backend.next()
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        assert client.read_head().status == 200 and client.read_piece() == b"hello"
        move_slot(int(old.call("KEYSLOT", PREFIX)), old, new, [node for node in cluster.nodes if node.is_master()], lambda: None)
        assert new.client.smembers(f"{PREFIX}public") == {job}
        knows(gateway, f"{job}.jobs.test")
        knows(gateway, f"{other}.jobs.test", 401)
        connection.send(b"3\r\nyou\r\n")
        assert client.read_piece() == b"you"
        ended = eventually(lambda: (answer := Control(gateway.socket_path).call("PATCH", f"/v1/jobs/{job}", {"access": None})).status == 200 and answer,
                           "the control API to find the server")
        assert ended.json["access"] is None and not new.client.exists(f"{PREFIX}public")
        with pytest.raises((Closed, Cut)):
            client.read_piece()
        knows(gateway, f"{job}.jobs.test", 401)
        connection.close()


def test_two_owners_of_a_cluster_of_one(gateways, make_folder, hold_backend):
    """A replica takes over by force, and its master has not heard of it: while both answer, none of them is trusted."""
    cluster = Cluster(make_folder, masters=1)
    old, new = cluster.nodes
    url = f"redis+cluster://127.0.0.1:{old.port},127.0.0.1:{new.port}/"
    checker = checked(gateways, hold_backend, url, old.client, PREFIX, workers=1, store=faults.CLOCKS)
    checker.add(3, streams=1)
    replicated(old.client, 1)
    cluster.cut_off(old)
    new.call("FAILOVER", "TAKEOVER")
    eventually(new.is_master, "the replica to take over")
    checker.records.client = new.client
    checker.revoke(checker.live()[0], delete)
    checker.run(1.5 * faults.BOUND)
    assert checker.statuses.get(503) and old.is_master()
    assert "2 servers say that they own the store's slot" in checker.gateway.program.log()
    old.join()
    eventually(lambda: not old.is_master(), "the old owner to hear of it", patience=30)
    all_is_well(checker, new.client)
    checker.close()
    cluster.stop()


def test_a_server_alone_is_no_cluster(gateways, make_folder):
    server = RedisServer(make_folder("redis")).start()
    gateway = gateways.make(store_url=f"redis+cluster://127.0.0.1:{server.port}/").launch()
    gateway.wait_listening()
    for process in ("worker 0", "control"):
        eventually(lambda process=process: any(f"[{process}]" in line and "it is not in a Redis Cluster (cluster_enabled:0)" in line
                                               for line in gateway.program.log().splitlines()), f"the {process} to say why")
    assert gateway.health("/readyz")[0] == 503
    server.stop()


def test_reads_while_the_cluster_is_down_are_refused(gateways, cluster):
    owner = cluster.owner()
    owner.client.config_set("cluster-allow-reads-when-down", "yes")
    gateway = gateways.make(store_url=cluster.url).launch()
    gateway.wait_listening()
    eventually(lambda: "cluster-allow-reads-when-down is yes" in gateway.program.log(), "the gateway to say why")
    assert gateway.health("/readyz")[0] == 503
    owner.client.config_set("cluster-allow-reads-when-down", "no")
    gateway.wait_ready()


def test_an_acl_that_hides_the_configuration(gateways, cluster):
    """The user of deploy/redis.md is served, with a warning."""
    rules = f"on >right ~{PREFIX}* &__redis__:invalidate +@all -@dangerous +client +role +info"
    for node in cluster.nodes:
        node.client.execute_command("ACL", "SETUSER", "gate", "reset", *rules.split())
    gateway = gateways.start(store_url=cluster.url.replace("://", "://gate:right@"))
    assert "it cannot be seen whether cluster-allow-reads-when-down is no" in gateway.program.log()
    records = Records(cluster.owner().client, PREFIX)
    job, token = records.job("unix:/nonexistent/job.sock"), records.token()
    with gateway.client() as client:
        assert client.exchange(request_bytes(f"{job}.jobs.test", token)).status == 502
    assert "right" not in gateway.program.log()


@pytest.mark.parametrize("store, why", [
    ({"prefix": "jobgate:"}, "store.prefix: in a cluster the prefix of keys needs a tag, such as {jobgate}:"),
    ({"read_url": "redis://127.0.0.1:1/", "write_url": "redis+cluster://127.0.0.1:1/"}, "store.read_url: cannot be set for a cluster"),
])
def test_what_is_checked_before_the_start(check, store, why):
    _, result = check(json.dumps({"store": {"url": "redis+cluster://127.0.0.1:1/", **store}}))
    assert result.status != 0 and why in result.err
