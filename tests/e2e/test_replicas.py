"""A store of several servers: replicas confirm changes, and workers read from one of them."""

import socket

import pytest

from harness import faults
from harness.checker import Checker
from harness.control import Control
from harness.process import eventually, free_port
from harness.relay import FaultRelay
from harness.store import Records, RedisServer


def link_is_up(replica):
    return replica.client.info("replication")["master_link_status"] == "up"


@pytest.fixture(scope="module")
def replicated(make_folder):
    """A primary and its replica."""
    primary = RedisServer(make_folder("redis"), "--repl-diskless-sync-delay", "0").start()
    relay = FaultRelay(make_folder("relay"), primary.port)
    replica = RedisServer(make_folder("redis"), "--replicaof", "127.0.0.1", relay.port).start()
    replica.relay = relay  # between the two
    eventually(lambda: link_is_up(replica), "the replica to have everything")
    yield primary, replica
    replica.stop()
    relay.stop()
    primary.stop()


CONFIRMED = "jobgate-replicas-confirmed"


def changes(control):
    """Each change of the API once; how many replicas have confirmed it."""
    def confirmed(method, path, body=None):
        answer = control.call(method, path, body)
        assert answer.status in (200, 201, 204), answer
        return answer, answer.field(CONFIRMED)
    token, made = confirmed("POST", "/v1/tokens", {"name": "made", "role": "read"})
    token_path = f"/v1/tokens/{token.json['id']}"
    return [made] + [confirmed(*words)[1] for words in [
        ("POST", f"{token_path}/renew"), ("DELETE", token_path),
        ("POST", "/v1/jobs", {"id": "job"}), ("PATCH", "/v1/jobs/job", {"labels": {"a": "b"}}),
        ("DELETE", "/v1/jobs/job")]]


def test_changes_say_how_many_replicas_have_them(gateways, replicated):
    primary, replica = replicated
    gateway = gateways.start({"store": {"wait_replicas": 1, "wait_timeout": "1s"}}, store_url=primary.url)
    control = Control(gateway.socket_path)
    assert changes(control) == ["1"] * 6
    replica.freeze()
    answer = control.call("POST", "/v1/tokens", {"name": "alone", "role": "read"})
    assert (answer.status, answer.field(CONFIRMED)) == (201, "0"), answer  # it is made, and says that it could be lost
    replica.thaw()
    eventually(lambda: control.call("POST", "/v1/jobs", {}).field(CONFIRMED) == "1", "the replica to confirm again")
    assert control.call("GET", "/v1/tokens").field(CONFIRMED) is None
    assert "replicas have confirmed" in gateway.program.log()


def test_revocations_that_no_replica_confirms(gateways, replicated):
    """With wait_required they get 503, and are repeated until a replica has them; other changes only say so."""
    primary, replica = replicated
    gateway = gateways.start({"store": {"wait_replicas": 1, "wait_timeout": "300ms", "wait_required": True}}, store_url=primary.url)
    local = Control(gateway.socket_path)
    operator = Control(gateway.socket_path, Records(primary.client).token("operator", "team=a"))
    token, job = local.token_of(selector="team=a"), local.job_of(labels={"team": "a"})
    token_path, job_path = f"/v1/tokens/{token['id']}", f"/v1/jobs/{job['id']}"
    renew, change = ("POST", f"{token_path}/renew"), ("PATCH", job_path, {"labels": {"team": "b"}})

    def unconfirmed(control, *words):
        answer = control.refused(503, *words)
        assert "not confirmed" in answer.json["detail"] and answer.field("retry-after") == "1"

    replica.freeze()
    assert "the value in use ends at once" in local.refused(503, *renew).json["detail"]
    for words in (renew, change, ("PATCH", job_path, {"url": None})):
        unconfirmed(local, *words)
    assert local.call("PATCH", job_path, {"url": "http://127.0.0.1:9"}).field(CONFIRMED) == "0"
    assert local.call("POST", "/v1/jobs", {}).field(CONFIRMED) == "0"
    for _ in range(2):
        unconfirmed(operator, "DELETE", token_path)
    unconfirmed(local, "DELETE", job_path)
    assert not primary.client.exists(f"jobgate:token:{token['id']}", f"jobgate:job:{job['id']}")  # it was made all the same
    assert gateway.cli("job", "delete", "--yes", "none").status == 3
    replica.thaw()
    eventually(lambda: local.call("POST", "/v1/jobs", {}).field(CONFIRMED) == "1", "the replica to confirm again")
    answer = operator.call("DELETE", token_path)
    assert (answer.status, answer.field(CONFIRMED)) == (204, "1"), answer
    assert operator.call("DELETE", token_path).status == local.call("DELETE", token_path).status == 404
    assert local.call("DELETE", job_path).status == 204
    other = local.token_of()
    assert local.call("POST", f"/v1/tokens/{other['id']}/renew").status == 200


def test_a_failure_of_a_call_by_name_says_the_id(gateways, replicated):
    """A repetition by name could reach another token, or none."""
    primary, replica = replicated
    gateway = gateways.start({"store": {"wait_replicas": 1, "wait_timeout": "300ms", "wait_required": True}}, store_url=primary.url)
    local = Control(gateway.socket_path)
    ids = {name: local.token_of(name, "operator")["id"] for name in ("one", "two", "three", "four", "five")}
    replica.freeze()
    for name, method, path in [("one", "DELETE", "one"), ("two", "DELETE", "two?cascade=true"), ("three", "POST", "three/renew")]:
        assert "not its name" in (detail := local.refused(503, method, f"/v1/tokens/{path}").json["detail"]) and ids[name] in detail
    later = local.token_of("one")["id"]
    assert "name" not in local.refused(503, "DELETE", f"/v1/tokens/{ids['one']}").json["detail"]
    assert primary.client.exists(f"jobgate:token:{later}")
    for words in [("delete", "--yes", "--cascade", "four"), ("delete", "--yes", "five"), ("renew", "--yes", "three")]:
        ended = gateway.cli("token", *words)
        assert ended.status == 3 and f"the token {words[-1]} has the id {ids[words[-1]]}" in ended.err
        assert (f"deleting the token four, its id is {ids['four']}" in ended.err) == (words[-1] == "four")
    assert "has the id" not in gateway.cli("token", "delete", "--yes", ids["four"]).err
    replica.thaw()


def test_repeated_deletion_waits_for_the_first(gateways, replicated):
    """The replica answers, but does not get what the primary sends: its old word counts for nothing."""
    primary, replica = replicated
    gateway = gateways.start({"store": {"wait_replicas": 1, "wait_timeout": "300ms", "wait_required": True}}, store_url=primary.url)
    local = Control(gateway.socket_path)
    token = local.token_of()
    replica.relay.say("drop", "all")
    for _ in range(3):
        local.refused(503, "DELETE", f"/v1/tokens/{token['id']}")
    assert replica.client.exists(f"jobgate:token:{token['id']}")
    replica.relay.say("pass")
    eventually(lambda: local.call("DELETE", f"/v1/tokens/{token['id']}").status == 204, "the deletion to be confirmed", patience=60)
    assert not replica.client.exists(f"jobgate:token:{token['id']}")


def test_changes_wait_together(gateways, redis_server):
    """One WAIT for each would block the connection past every deadline, and all callers with it."""
    gateway = gateways.start({"store": {"wait_replicas": 1, "wait_timeout": "1s"}})
    control = Control(gateway.socket_path)
    clients = [control.connect() for _ in range(12)]
    for number, client in enumerate(clients):
        if number % 3 < 2:
            control.send(client, "POST", "/v1/tokens", {"name": f"n{number}", "role": "read"})
        else:
            control.send(client, "GET", "/v1/tokens")
    for number, client in enumerate(clients):
        with client:
            response = client.read_response()
            assert (response.status, response.field(CONFIRMED)) == ((201, "0") if number % 3 < 2 else (200, None)), number
    assert "out of reach" not in gateway.program.log()


def test_no_call_waits_unless_told_to(gateways, redis_server):
    gateway = gateways.start()
    assert changes(Control(gateway.socket_path)) == [None] * 6


def test_changes_go_to_write_url(gateways, replicated):
    primary, replica = replicated
    gateway = gateways.start({"store": {"write_url": primary.url}}, store_url=replica.url)
    token = Control(gateway.socket_path).token_of()
    assert primary.client.exists(f"jobgate:token:{token['id']}")


def test_demoted_server_authenticates_no_client(gateways, make_folder):
    """It goes on answering with what it had; what is revoked elsewhere must not count at the control API for good."""
    server = RedisServer(make_folder("redis")).start()
    gateway = gateways.start(store_url=server.url)
    token = Records(server.client).token("operator")
    operator, local = Control(gateway.socket_path, token), Control(gateway.socket_path)
    assert operator.call("GET", "/v1/me").status == 200
    server.client.replicaof("127.0.0.1", free_port())
    for _ in range(20):
        assert operator.call("GET", "/v1/me").status == 503
        assert local.call("GET", "/v1/tokens").status == 503
    assert server.client.exists(f"jobgate:token:{token.id}")
    assert "[control] the store is out of reach: it is not the primary" in gateway.program.log()
    server.client.replicaof("NO", "ONE")
    eventually(lambda: operator.call("GET", "/v1/me").status == 200, "the primary to be believed again")
    gateway.stop()
    server.stop()


def test_user_who_may_not_ask_for_the_role(gateways, make_folder):
    """Where one URL is all there is, its operator cannot have meant several servers."""
    server = RedisServer(make_folder("redis")).start()
    server.client.execute_command("ACL", "SETUSER", "gate", "on", ">secret", "~*", "&*", "+@all", "-role")
    gateway = gateways.start(store_url=f"redis://gate:secret@127.0.0.1:{server.port}")
    operator = Control(gateway.socket_path, Records(server.client).token("operator"))
    assert operator.call("GET", "/v1/me").status == 200
    gateway.stop()
    server.stop()


@pytest.fixture
def beside_replica(gateways, replicated, hold_backend):
    """A gateway that reads from the replica, and a checker that writes to the primary."""
    primary, replica = replicated
    gateway = gateways.start({"workers": 2, "store": {**faults.CLOCKS, "read_url": replica.url}}, store_url=primary.url)
    checker = Checker(gateway, Records(primary.client), hold_backend.url, faults.BOUND)
    checker.replicas = 1
    yield primary, replica, checker
    checker.close()


def test_replica_is_read(beside_replica):
    _, replica, checker = beside_replica
    checker.add(8, streams=3)
    for subject in checker.live()[:6]:
        checker.revoke(subject)
    checker.settle()
    assert not checker.violations and not checker.statuses.get(503)
    assert replica.client.info("commandstats")["cmdstat_hgetall"]["calls"] >= 16


def test_replica_that_hears_nothing_of_its_primary(beside_replica):
    """It answers every PING and pushes what it knows; but what it does not know of must not be served past the bound."""
    _, replica, checker = beside_replica
    checker.add(6, streams=3)
    replica.relay.say("drop", "all")
    for subject in checker.live()[:3]:
        checker.revoke(subject)
    checker.run(1.5 * faults.BOUND)
    assert link_is_up(replica) and checker.statuses.get(503)  # so it thinks
    replica.relay.say("pass")
    checker.settle()
    assert not checker.violations


def test_replica_that_lags(beside_replica):
    """Within the deadline of a PING it is waited for, as anything else."""
    _, replica, checker = beside_replica
    checker.add(6, streams=3)
    replica.relay.say("delay", "all", 120)
    for subject in checker.live()[:3]:
        checker.revoke(subject)
        checker.run(0.2)
    checker.settle()
    replica.relay.say("pass")
    assert not checker.violations


def test_replica_of_another_server(gateways, replicated, make_folder):
    primary, _ = replicated
    stranger = RedisServer(make_folder("redis")).start()
    gateway = gateways.make({"store": {"read_url": stranger.url}}, store_url=primary.url).launch()
    gateway.wait_listening()
    eventually(lambda: "does not replicate the primary" in gateway.program.log(), "the gateway to say why")
    eventually(lambda: gateway.health("/readyz")[0] == 503, "/readyz to say no")
    stranger.stop()


def test_name_that_leads_to_two_servers(gateways, make_folder):
    """Ids of connections mean nothing at another server: invalidations would go to a stranger."""
    one, other = (RedisServer(make_folder("redis")).start() for _ in range(2))
    relay = FaultRelay(make_folder("relay"), one.port)
    relay.say("push", other.port)
    others = [socket.create_connection(("127.0.0.1", other.port)) for _ in range(200)]  # so that each id exists there
    gateway = gateways.make(store_url=f"redis://127.0.0.1:{relay.port}").launch()
    gateway.wait_listening()
    eventually(lambda: "lead to different servers" in gateway.program.log(), "the gateway to say why", patience=30)
    relay.say("target", one.port)
    gateway.wait_ready()
    gateway.stop()
    for sock in others:
        sock.close()
    for program in (one, other, relay):
        program.stop()
