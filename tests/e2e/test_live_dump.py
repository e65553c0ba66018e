"""SIGRTMIN to the supervisor: each worker writes what all its objects are, and no secret, into the service log."""

import contextlib
import os
import signal

from harness.process import eventually
from harness.raw import Silent
from harness.scene import Scene, request_bytes

UPGRADE = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw=="]


def dump(gateway, pid=None):
    """Ask for a dump, and return its lines without what a line of the log begins with."""
    before = len(gateway.program.log())
    os.kill(pid or gateway.program.pid, signal.SIGRTMIN)
    log = eventually(lambda: "dump: end," in gateway.program.log()[before:] and gateway.program.log()[before:], "the dump's end")
    return [line.split("dump: ", 1)[1] for line in log.splitlines() if "dump: " in line]


def objects(lines, kind, *words):
    return [line for line in lines if line.startswith(kind + "{") and all(word in line for word in words)]


def connections(lines, *words):
    return objects(lines, "client_connection", *words)


def test_a_dump_shows_every_connection_and_no_secret(gateways, records):
    gateway = gateways.start({"log": {"level": "error"}})
    scene = Scene(gateway, records)
    secrets = [scene.token.value.rsplit("_", 1)[-1], "biscuit", "question", "hidden-path", "hidden-field", "hidden-body"]
    try:
        running, backend, _ = scene.arrive(path="/hidden-path?question=1", method="POST", body=b"hidden-body",
                                           fields=["Cookie: a=biscuit", "X-Field: hidden-field"])
        web_socket = scene.new_client()
        web_socket.send(scene.request(path="/hidden-path?question=2", fields=[*UPGRADE, "Cookie: a=biscuit"]))
        other = scene.backend.next()
        other.read_head()
        other.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        assert web_socket.read_head(upgrade=True).status == 101
        idle = scene.new_client()
        idle.send(request_bytes(scene.host, path="/hidden-path?question=3"))
        assert idle.read_response().status == 401
        part = scene.new_client()
        begun = b"GET /hidden-path?question HTTP/1.1\r\nCookie: a=biscuit\r\n"
        part.send(begun)
        eventually(lambda: connections(dump(gateway), "state=head", f" in={len(begun)} "), "the part of a head to come")
        lines = dump(gateway)
        assert len(connections(lines, "purpose=jobs")) == 4, lines
        assert len(connections(lines, "state=open", "http1_server{state=exchange", 'peer="127.0.0.1"')) == 2, lines
        ids = [f'job="{scene.job}"', f'token="{scene.token.id}"']
        assert len(connections(lines, "http1_server{state=exchange", "exchange{state=awaiting", *ids)) == 1, lines
        assert len(connections(lines, "http1_server{state=exchange", " tunnel", "exchange{state=tunnel", *ids)) == 1, lines
        assert not [line for line in lines if "..." in line], lines
        assert len(connections(lines, "http1_server{state=head", " in=0 ", "keep_alive")) == 1, lines
        assert [line for line in lines if line.startswith("downstream{") and "jobs{connections=4 " in line], lines
        assert [line for line in lines if line.startswith("redis_tracker{") and "state=up" in line], lines
        log = gateway.program.log()
        for secret in secrets:
            assert secret not in log, secret
        backend.answer()
        assert running.read_response().status == 200
    finally:
        scene.close()


KINDS = {"worker", "downstream", "exchange_context", "pool", "resolver", "directory", "redis_tracker", "listener",
         "client_connection", "backend", "http1_client", "dial", "records"}


def test_a_dump_of_a_busy_worker_shows_each_kind_of_object(gateways, records, dns):
    dns.set("silent.test", silent=["A", "AAAA"])
    gateway = gateways.start({"timeouts": {"connect": "60s", "drain": "1s"}}, env=dns.environment)
    secrets = ["biscuit", "question", "hidden-path"]
    fields = ["Cookie: a=biscuit"]
    with Silent() as silent, contextlib.ExitStack() as scenes:
        def scene_of(url=None, token=None):
            return scenes.enter_context(contextlib.closing(Scene(gateway, records, token, url=url)))
        idle = scene_of()
        secrets.append(idle.token.value.rsplit("_", 1)[-1])
        serving, connecting, resolving = (scene_of(url, idle.token) for url in (None, silent.url, "http://silent.test:8000"))
        idle.relay(path="/hidden-path?question=1", fields=fields)
        serving.arrive(path="/hidden-path?question=2", fields=fields)
        for scene in connecting, resolving:
            scene.client.send(scene.request(path="/hidden-path?question=3", fields=fields))
        eventually(lambda: len(objects(dump(gateway), "dial")) == 2, "two dials")
        lines = dump(gateway)
        assert {line.split("{")[0] for line in lines[:-1]} == KINDS, lines
        assert lines[-1] == f"end, lines={len(lines) - 1}"
        assert objects(lines, "dial", "state=connecting", f"port={silent.port}"), lines
        assert objects(lines, "dial", "state=resolving", 'name="silent.test"', "resolving=1"), lines
        assert objects(lines, "resolver", "lookups=1"), lines
        assert objects(lines, "http1_client", "state=idle", f"port={idle.backend.port}"), lines
        assert objects(lines, "http1_client", "state=waiting", f"port={serving.backend.port}"), lines
        assert len(objects(lines, "backend", "source=record", "circuit{state=closed")) == 4, lines
        assert objects(lines, "backend", f"port={idle.backend.port}", "idle=1"), lines
        assert objects(lines, "pool", "connections=4"), lines
        # The records of the three requests that run are watched.
        assert objects(lines, "records", "kind=token", "known=1", "fresh=1"), lines
        assert objects(lines, "records", "kind=job", "known=4", "idle=1", "fresh=3"), lines
        assert objects(lines, "listener", "accepts"), lines
        assert not [line for line in lines if "..." in line], lines
        log = gateway.program.log()
        for secret in secrets:
            assert secret not in log, secret


def test_a_dump_of_many_connections_is_written_in_steps(gateways, records):
    gateway = gateways.start({"limits": {"connections_per_client": 0}})
    clients = [gateway.client() for _ in range(700)]
    try:
        # They are accepted in turns of the loop.
        lines = eventually(lambda: (lines := dump(gateway)) and len(connections(lines, "purpose=jobs")) == 700 and lines, "all")
        assert lines[-1] == f"end, lines={len(lines) - 1}"
    finally:
        for client in clients:
            client.close()
    eventually(lambda: not connections(dump(gateway), "purpose=jobs"), "their end")


def test_one_worker_alone_can_be_asked(gateways):
    gateway = gateways.start({"workers": 2})
    worker = sorted(gateway.workers())[0]
    assert dump(gateway, worker)[-1].startswith("end, ")
    assert gateway.program.log().count("dump: end,") == 1
    os.kill(gateway.control_process(), signal.SIGRTMIN)
    assert len(gateway.workers()) == 2 and gateway.health("/readyz")[0] == 200
