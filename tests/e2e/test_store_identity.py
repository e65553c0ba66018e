"""Stores that are not what a worker needs: a node of a cluster, one whose ACL hides the keys, two servers behind one
name. None of them is trusted, and the log says why."""

import socket

import pytest

from harness.gateway import DOMAIN
from harness.process import eventually, free_port
from harness.relay import FaultRelay
from harness.scene import request_bytes
from harness.store import Records, RedisServer

UNREACHABLE = "unix:/nonexistent/job.sock"  # a URL that parses and whose 502 says: allowed
CLOCKS = {"max_staleness": "1s", "ping_interval": "200ms", "ping_deadline": "500ms", "lookup_timeout": "300ms"}


@pytest.fixture
def cluster_node(make_folder):
    """One node that owns every slot: it answers for all keys."""
    server = RedisServer(make_folder("redis"), "--cluster-enabled", "yes", "--cluster-node-timeout", "500",
                         "--cluster-port", str(free_port())).start()
    server.client.execute_command("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
    eventually(lambda: "cluster_state:ok" in str(server.client.execute_command("CLUSTER", "INFO")), "the cluster to be one")
    yield server
    server.stop()


def status_of(gateway, job, token):
    with gateway.client() as client:
        return client.exchange(request_bytes(f"{job}.{DOMAIN}", token)).status


@pytest.mark.parametrize("rules", ["+@all", "+@all -info"])
def test_a_node_of_a_cluster_is_refused(gateways, cluster_node, rules):
    """By the workers and by the control process, and whatever the ACL hides."""
    cluster_node.client.execute_command("ACL", "SETUSER", "gate", "on", ">secret", "~*", "&*", *rules.split())
    gateway = gateways.make(store_url=f"redis://gate:secret@127.0.0.1:{cluster_node.port}").launch()
    gateway.wait_listening()
    for process in ("worker 0", "control"):
        eventually(lambda process=process: any(
            f"[{process}]" in line and "it is in a Redis Cluster (cluster_enabled:1)" in line and "redis+cluster://" in line
            for line in gateway.program.log().splitlines()), f"the {process} to say why")
    eventually(lambda: gateway.health("/readyz")[0] == 503, "/readyz to say no")


def test_a_password_from_a_file_is_read_for_each_connection(gateways, make_folder):
    """As clouds renew theirs: the file changes, the server forgets the old one, and the connections end."""
    server = RedisServer(make_folder("redis")).start()
    file = make_folder("secret") / "password"

    def renew(password):
        server.client.execute_command("ACL", "SETUSER", "gate", "on", "resetpass", f">{password}", "~*", "&*", "+@all")
        file.write_text(f"{password}\n")
        for client in server.client.client_list():
            if client["user"] == "gate":
                server.client.client_kill_filter(_id=client["id"])
    renew("first" + 2000 * "x")
    gateway = gateways.start({"store": {**CLOCKS, "password_file": str(file)}}, store_url=f"redis://gate:@127.0.0.1:{server.port}")
    records = Records(server.client)
    job = records.job(UNREACHABLE)
    for password in ("second", "third"):
        renew(password)
        eventually(lambda: status_of(gateway, job, records.token()) == 502, "the gateway to be back with the new password")
        gateway.await_control()
    file.unlink()
    server.client.client_kill_filter(_type="normal", skipme=True)
    eventually(lambda: f"store.password_file: {file}: No such file" in gateway.program.log(), "the log to say why")
    assert not any(word in gateway.program.log() for word in ("first", "second", "third"))
    file.write_text("third")
    eventually(lambda: status_of(gateway, job, records.token()) == 502, "the gateway to be back")
    server.stop()


def test_one_that_must_not_answer_for_keys_is_no_longer_trusted(gateways, cluster_node, make_folder):
    """A node that knows that it is cut off from the others answers PING, so that alone would prove nothing."""
    relay = FaultRelay(make_folder("relay"), cluster_node.port)
    relay.say("mask", "all")
    prefix = "{jobgate}:"  # all keys in one slot
    records = Records(cluster_node.client, prefix)
    try:
        gateway = gateways.start({"store": {**CLOCKS, "prefix": prefix}}, store_url=f"redis://127.0.0.1:{relay.port}")
        token, job = records.token(), records.job(UNREACHABLE)
        assert status_of(gateway, job, token) == 502
        cluster_node.client.execute_command("CLUSTER", "DELSLOTSRANGE", "0", "16383")
        assert cluster_node.client.ping()
        eventually(lambda: status_of(gateway, job, token) == 503, "the gateway to trust it no longer")
        assert "EXISTS {jobgate}:tokens: CLUSTERDOWN" in gateway.program.log()
        gateway.stop()
    finally:
        relay.stop()


@pytest.mark.parametrize("rules", ["+@all", "+@all -info", "+@all -info -client|setname", "+@all -info -client|list"])
def test_two_servers_behind_one_name(gateways, make_folder, rules):
    """The data connection leads to one and the push connection to the other, where its id is another client's."""
    one, other = (RedisServer(make_folder("redis")).start() for _ in range(2))
    for server in (one, other):
        server.client.execute_command("ACL", "SETUSER", "gate", "on", ">secret", "~*", "&*", *rules.split())
    # So that each id exists at both.
    others = [socket.create_connection(("127.0.0.1", server.port)) for server in (one, other) for _ in range(300)]
    relay = FaultRelay(make_folder("relay"), one.port)
    relay.say("push", other.port)
    gateway = gateways.make({"store": CLOCKS}, store_url=f"redis://gate:secret@127.0.0.1:{relay.port}").launch()
    hidden = "client|" in rules
    why = "allow the user INFO, or CLIENT SETNAME and CLIENT LIST" if hidden else "lead to different servers"
    try:
        gateway.wait_listening()
        eventually(lambda: why in gateway.program.log(), "the gateway to say why", patience=30)
        assert "store: connected" not in gateway.program.log()
        relay.say("target", one.port)
        if hidden:  # it cannot be told from two servers
            eventually(lambda: gateway.health("/readyz")[0] == 503, "/readyz to say no")
        else:
            gateway.wait_ready()
    finally:
        gateway.stop()
        for sock in others:
            sock.close()
        for program in (one, other, relay):
            program.stop()
