"""The private redis-server when its disk is full, its files are broken, or its folders disappear."""

import contextlib
import json
import os
import shutil
import signal
import threading
import time

import pytest
import redis

from harness.control import Control
from harness.disk import MIB, SmallDisk
from harness.process import eventually
from harness.scene import request_bytes
from test_reload import settled


@pytest.fixture
def disk(make_folder):
    disk = SmallDisk(make_folder("disk"))
    yield disk
    disk.remove()


@pytest.fixture
def start(gateways):
    """A gateway with a private store in a folder."""
    def call(folder, settings=None):
        return gateways.start({"store": {"url": None, "state_dir": str(folder)}, **(settings or {})})
    return call


def redis_of(gateway):
    """Its process id; None while there is none."""
    for pid in gateway.processes():
        try:
            with open(f"/proc/{pid}/comm", encoding="ascii") as file:
                if file.read().startswith("redis-server"):
                    return pid
        except OSError:
            pass
    return None


def make_token(gateway, *words):
    return gateway.cli("token", "create", "made", "-r", "read", *words, "-o", "json").json()


def status_of(gateway, token):
    with gateway.client() as client:
        return client.exchange(request_bytes("none.jobs.test", token["value"])).status


def test_full_disk_refuses_what_is_new(disk, start):
    """Nothing that would make the store larger, with words that help; what takes away or renews passes, and nothing dies."""
    gateway = start(disk.path)
    tokens = [make_token(gateway) for _ in range(3)]
    job = gateway.cli("job", "create", "--url", "http://127.0.0.1:9", "-l", "a=b", "-o", "json").json()
    leased = gateway.cli("job", "create", "--id", "leased", "-o", "json").json()
    eventually(lambda: (disk.path / "ballast").stat().st_size >= 2 * MIB, "the ballast")
    server = redis_of(gateway)
    for _ in range(3):
        disk.fill()
        for words in [("token", "create", "more", "-r", "read"), ("job", "create"),
                      ("job", "set", job["id"], "-l", "c=d")]:
            refused = gateway.cli(*words)
            assert refused.status == 1 and "the disk of the store" in refused.err and str(disk.path) in refused.err, refused
    assert gateway.cli("token", "delete", tokens[0]["id"], "--yes").status == 0
    renewed = gateway.cli("token", "renew", tokens[1]["id"], "--yes", "-o", "json").json()
    assert gateway.cli("job", "delete", leased["id"], "--yes").status == 0
    eventually(lambda: status_of(gateway, tokens[0]) == 401 and status_of(gateway, tokens[1]) == 401, "the revocations")
    assert status_of(gateway, renewed) == 404 and status_of(gateway, tokens[2]) == 404
    assert redis_of(gateway) == server and gateway.health("/readyz")[0] == 200
    assert "is full" in gateway.program.log()
    # It is on the disk, too.
    os.kill(server, signal.SIGKILL)
    eventually(lambda: redis_of(gateway) not in (None, server), "redis-server to be started again")
    eventually(lambda: gateway.cli("token", "list").status == 0, "the store to be back")
    assert status_of(gateway, tokens[0]) == 401 and status_of(gateway, renewed) == 404
    # And there is room again: for new records, and for the ballast.
    disk.empty()
    eventually(lambda: gateway.cli("token", "create", "more", "-r", "read").status == 0, "room for new tokens")
    eventually(lambda: (disk.path / "ballast").stat().st_size == 8 * MIB, "the ballast to be whole again")
    gateway.family = gateway.processes()


@contextlib.contextmanager
def filling(disk):
    """Something fills the disk all the time, as a log that runs away does: it takes whatever room there is at once."""
    done = threading.Event()

    def fill():
        while not done.wait(0.001):
            disk.fill()
    thread = threading.Thread(target=fill)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def test_revocations_while_the_disk_is_being_filled(disk, start):
    """None fails, and redis-server does not end: its room is reserved where nothing else can take it."""
    gateway = start(disk.path)
    local = Control(gateway.socket_path)
    tokens = [local.token_of()["id"] for _ in range(200)]
    for number in range(50):
        local.job_of(id=f"leased-{number}", lease=1 + number % 3)  # their ends are written, too
    eventually(lambda: reserved(disk) > MIB / 4, "room to be reserved")
    server = redis_of(gateway)
    with filling(disk):
        eventually(lambda: disk.free == 0, "the disk to be full")
        for number, token in enumerate(tokens):
            assert local.call("DELETE", f"/v1/tokens/{token}").status == 204
            if number % 20 == 0:
                local.refused(507, "POST", "/v1/jobs", {})
        assert redis_of(gateway) == server
        # One that dies of something else comes back all the same.
        os.kill(server, signal.SIGKILL)
        eventually(lambda: redis_of(gateway) not in (None, server), "redis-server to be started again")
        eventually(lambda: local.call("GET", "/v1/tokens").status == 200, "the store to be back")
    assert local.done("GET", "/v1/tokens")["items"] == []
    eventually(lambda: gateway.health("/readyz")[0] == 200, "it to be ready")
    gateway.family = gateway.processes()


def reserved(disk):
    """Bytes that redis-server may append without asking the disk for room."""
    found = append_only_file(disk.path).stat()
    return found.st_blocks * 512 - found.st_size


def test_ballast_is_used_up_in_pieces(disk, start):
    """What writes past the control API lives by the same room."""
    gateway = start(disk.path)
    size = (disk.path / "ballast").stat().st_size
    assert size == 8 * MIB
    server = redis_of(gateway)
    with redis.Redis(unix_socket_path=str(gateway.folder / "redis.sock")) as client:
        disk.fill()
        for _ in range(10):
            eventually(lambda: reserved(disk) > MIB / 4, "room to be reserved")
            client.set("other", bytes(MIB // 5))
        assert redis_of(gateway) == server
        assert 0 < (disk.path / "ballast").stat().st_size < size
        disk.empty()
        eventually(lambda: (disk.path / "ballast").stat().st_size == size, "the ballast to be whole again")


def test_import_stops_at_a_full_disk(disk, start):
    """It would make the store larger, and takes nothing of the room that is kept."""
    gateway = start(disk.path)
    lines = "".join(json.dumps({"kind": "job", "id": f"job-{number}", "labels": {}}) + "\n" for number in range(50))
    disk.fill()
    refused = gateway.cli("store", "import", "--config", gateway.config_path, stdin=lines)
    assert refused.status == 1 and "the disk of the store" in refused.err and str(disk.path) in refused.err, refused
    assert Control(gateway.socket_path).done("GET", "/v1/jobs")["items"] == []
    disk.empty()
    eventually(lambda: disk.free > 3 * MIB, "room")
    assert gateway.cli("store", "import", "--config", gateway.config_path, stdin=lines).status == 0


def test_redis_that_dies_comes_back_before_the_bound(start, make_folder):
    """However often it dies: its restarts are never as far apart as what workers may go on with (store.max_staleness)."""
    gateway = start(make_folder("state"))
    for _ in range(9):
        old, since = redis_of(gateway), time.monotonic()
        os.kill(old, signal.SIGKILL)
        eventually(lambda: redis_of(gateway) not in (None, old), "redis-server to be started again")  # noqa: B023
        assert time.monotonic() - since < 5
    eventually(lambda: gateway.health("/readyz")[0] == 200, "it to be ready")
    gateway.family = gateway.processes()


def test_removed_run_directory(gateways, make_folder):
    """A cleaner removes the folder of the sockets: all are created again, and the store is reached as before."""
    run = make_folder("run")
    gateway = gateways.make({"store": {"url": None, "state_dir": str(make_folder("state"))},
                             "control": {"socket": str(run / "control.sock"), "host": "control.jobs.test"}})
    gateway.socket_path = str(run / "control.sock")
    gateway.start()
    tokens = [make_token(gateway) for _ in range(2)]
    assert status_of(gateway, tokens[0]) == 404
    for _ in range(2):
        server = redis_of(gateway)
        shutil.rmtree(run)
        eventually(lambda: gateway.cli("token", "list").status == 0, "the control socket to be made again")
        eventually(lambda: redis_of(gateway) not in (None, server), "redis-server to be started again")  # noqa: B023
        eventually(lambda: gateway.cli("token", "list").status == 0, "the store to be reached")
        assert sorted(path.name for path in run.iterdir()) == ["control.sock", "control.sock.gateway", "control.sock.workers", "redis.sock"]
        assert run.stat().st_mode & 0o777 == 0o700
    assert "was removed" in gateway.program.log()
    # Workers that come later reach it, too.
    os.kill(gateway.workers()[0], signal.SIGKILL)
    eventually(lambda: gateway.health("/readyz")[0] == 200 and gateway.workers(), "another worker")
    assert gateway.cli("token", "delete", tokens[1]["id"], "--yes").status == 0
    eventually(lambda: status_of(gateway, tokens[1]) == 401, "the revocation")
    assert status_of(gateway, tokens[0]) == 404
    gateway.family = gateway.processes()


def test_a_redis_server_that_starts_slowly(gateways, make_folder):
    """A slow disk, or a program in front: it is not restarted for a socket that it has not made yet."""
    folder = make_folder("slow")
    program = folder / "redis-server"
    program.write_text('#!/bin/sh\necho x >> "$0.starts"\nsleep 3\nexec redis-server "$@"\n')
    program.chmod(0o700)
    gateway = gateways.start({"store": {"url": None, "state_dir": str(make_folder("state")), "redis_server": str(program)}})
    assert "was removed" not in gateway.program.log()
    assert (folder / "redis-server.starts").read_text() == "x\n"
    # From then on it is missed.
    run = os.path.dirname(gateway.socket_path)
    server = redis_of(gateway)
    os.unlink(f"{run}/redis.sock")
    eventually(lambda: redis_of(gateway) not in (None, server), "another one")
    assert "was removed" in gateway.program.log()
    gateway.wait_ready()


def append_only_file(folder):
    return max((folder / "appendonlydir").glob("*.incr.aof"), key=lambda path: path.stat().st_size)


def test_file_that_was_cut_short(gateways, make_folder):
    """A revocation may be lost with the end of the file: warnings last through restarts and upgrades, until it is checked."""
    state = make_folder("state")
    gateway = gateways.start({"store": {"url": None, "state_dir": str(state)}})
    token = make_token(gateway)
    assert gateway.health("/readyz") == (200, "ok\n")
    assert gateway.stop() == 0
    path = append_only_file(state)
    os.truncate(path, path.stat().st_size - 3)
    gateway.start()

    def warned():
        status, text = gateway.health("/readyz")
        return status == 200 and "cut short" in text
    eventually(warned, "the warning")
    assert "revocations too" in gateway.program.log() and "aof-load-truncated" in gateway.program.log()
    assert gateway.cli("token", "get", token["id"]).status == 1  # it was the end of the file
    old = gateway.workers()
    gateway.program.send_signal(signal.SIGUSR2)
    settled(gateway, old)
    eventually(warned, "the warning after an upgrade")
    gateway.stop()
    gateway.start()
    eventually(warned, "the warning after a restart")
    (state / "cut-short").unlink()
    eventually(lambda: gateway.health("/readyz") == (200, "ok\n"), "the warning to be over")


def test_broken_file_is_named(gateways, make_folder):
    """What redis-server says of it stands in our log; put right, it is taken."""
    state = make_folder("state")
    gateway = gateways.start({"store": {"url": None, "state_dir": str(state)}})
    token = make_token(gateway)
    assert gateway.stop() == 0
    path = append_only_file(state)
    good = path.read_bytes()
    at = good.index(b"*", 1)  # where the second command begins
    path.write_bytes(good[:at] + b"garbage" + good[at:])
    gateway.launch()
    eventually(lambda: "redis-server's last line: Bad file format" in gateway.program.log(), "the reason")
    assert str(state) in gateway.program.log()
    path.write_bytes(good)
    eventually(lambda: gateway.health("/readyz")[0] == 200, "the store to be back")
    assert gateway.cli("token", "get", token["id"]).status == 0
