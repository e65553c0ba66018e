"""A store of several servers: changes that replicas confirm, reading from one of them (store.md, control.md)."""

import pytest

from harness.control import Control
from harness.process import eventually
from harness.store import RedisServer


def link_is_up(replica):
    return replica.client.info("replication")["master_link_status"] == "up"


@pytest.fixture
def replicated(make_folder):
    """A primary and its replica."""
    primary = RedisServer(make_folder("redis"), "--repl-diskless-sync-delay", "0").start()
    replica = RedisServer(make_folder("redis"), "--replicaof", "127.0.0.1", primary.port).start()
    eventually(lambda: link_is_up(replica), "the replica to have everything")
    yield primary, replica
    replica.stop()
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


def test_nobody_waits_unless_told_to(gateways, redis_server):
    gateway = gateways.start()
    assert changes(Control(gateway.socket_path)) == [None] * 6


def test_changes_go_to_write_url(gateways, replicated):
    primary, replica = replicated
    gateway = gateways.start({"store": {"write_url": primary.url}}, store_url=replica.url)
    token = Control(gateway.socket_path).token_of()
    assert primary.client.exists(f"jobgate:token:{token['id']}")
