"""`jobgate serve` without any configuration: an embedded Redis, files where XDG puts them, port 8080 on loopback."""

import os
import pathlib
import re
import signal
import socket
import stat

import pytest

from harness.gateway import Gateway, binary, environment, run
from harness.process import Program, accepts, children, descendants, eventually
from harness.raw import Backend, Client
from harness.scene import request_bytes

PORT = 8080


class Bare:
    """The gateway as someone starts it who has read nothing, at home in a temporary folder."""

    def __init__(self, folder, sanitizer):
        self.folder = folder
        dirs = {"HOME": folder, "XDG_CONFIG_HOME": folder / "config", "XDG_STATE_HOME": folder / "state",
                "XDG_DATA_HOME": folder / "data", "XDG_CACHE_HOME": folder / "cache", "XDG_RUNTIME_DIR": folder / "run"}
        for path in dirs.values():
            path.mkdir(exist_ok=True, mode=0o700)
        self.env = environment(sanitizer, NO_COLOR=1, **dirs)
        self.family = []
        self.port = PORT
        self.program = None

    def start(self):
        eventually(lambda: not accepts("127.0.0.1", PORT), f"port {PORT} to be free, which this test needs", 60)
        self.program = Program([binary(), "serve"], self.folder / "gateway.log", self.env)
        Gateway.live.append(self)

        def listening():
            assert self.program.running(), f"the gateway ended by itself:\n{self.program.log()}"
            return accepts("127.0.0.1", PORT)
        eventually(listening, "the gateway to listen")
        eventually(lambda: self.cli("token", "list", "-o", "json").status == 0, "the control API to answer")
        self.family = self.processes()
        return self

    def processes(self):
        return children(self.program.pid)

    def cli(self, *words):
        return run([binary(), *words], self.env)

    def stop(self):
        if self in Gateway.live:
            Gateway.live.remove(self)
            return self.program.stop()
        return 0


@pytest.fixture
def bare(make_folder, sanitizer):
    bare = Bare(make_folder("home"), sanitizer).start()
    yield bare
    status = bare.stop()
    assert status == 0, bare.program.log()[-3000:]


def ask(job, token, backend, body=b"hello"):
    with Client(("127.0.0.1", PORT)) as client:
        client.send(request_bytes(f"{job}.localhost:{PORT}", token))
        connection = backend.accept()
        connection.read_request()
        connection.answer(body)
        return client.read_response()


def test_first_minutes(bare):
    """Token, job, request: with no file written by hand, and a backend on loopback."""
    token = bare.cli("token", "create", "basetoken", "--label-selector", "model=base", "--role", "read", "-o", "json").json()
    with Backend() as backend:
        job = bare.cli("job", "create", "-l", "model=base", "--url", backend.url, "-o", "json").json()
        assert job["job_url"] == f"http://{job['id']}.localhost:{PORT}/"
        assert ask(job["id"], token["value"], backend).body == b"hello"
        other = bare.cli("job", "create", "-l", "model=large", "--url", backend.url, "-o", "json").json()
        for host, value, status in [(job["id"], None, 401), (other["id"], token["value"], 403)]:
            with Client(("127.0.0.1", PORT)) as client:
                assert client.exchange(request_bytes(f"{host}.localhost:{PORT}", value)).status == status
    # It listens only on loopback, and other users cannot read its files.
    assert not accepts(own_address(), PORT)
    for path in bare.folder.rglob("*"):
        mode = path.lstat().st_mode
        if stat.S_ISSOCK(mode):
            assert mode & 0o077 == 0, path
        elif stat.S_ISREG(mode) and path.name != "gateway.log":
            assert token["value"].encode() not in path.read_bytes(), path


def own_address():
    """An address of this machine that is not loopback; loopback's own second one when there is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("192.0.2.1", 9))
            return sock.getsockname()[0]
        except OSError:
            return "127.0.0.2"


def test_records_survive_a_restart(bare):
    """The embedded store keeps what it was told."""
    token = bare.cli("token", "create", "--role", "operator", "-o", "json", "kept").json()
    job = bare.cli("job", "create", "--id", "kept", "--url", "http://127.0.0.1:9/", "-o", "json").json()
    assert bare.stop() == 0
    bare.start()
    assert bare.cli("job", "get", job["id"], "-o", "json").json()["url"] == "http://127.0.0.1:9/"
    assert bare.cli("token", "get", token["id"], "-o", "json").json()["name"] == "kept"


def test_embedded_store_ends_with_the_gateway(bare):
    family = descendants(bare.program.pid)
    names = {pathlib.Path(f"/proc/{pid}/comm").read_text().strip() for pid in family}
    assert "redis-server" in names
    assert bare.stop() == 0
    assert not [pid for pid in family if os.path.exists(f"/proc/{pid}")]


def test_embedded_store_is_on_no_network_port(bare):
    for pid in descendants(bare.program.pid):
        if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == "redis-server":
            inodes = {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
            for table in ["tcp", "tcp6"]:
                for line in pathlib.Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
                    columns = line.split()
                    assert not (columns[3] == "0A" and f"socket:[{columns[9]}]" in inodes), line


def test_path_form(bare):
    with Backend() as backend:
        bare.cli("job", "create", "--id", "mine", "--url", backend.url)
        token = bare.cli("token", "create", "--role", "read", "-o", "json", "any").json()
        with Client(("127.0.0.1", PORT)) as client:
            client.send(request_bytes(f"127.0.0.1:{PORT}", token["value"], path="/jobs/mine/a?b"))
            connection = backend.accept()
            assert connection.read_request().target == "/a?b"
            connection.answer()
            assert client.read_response().status == 200


def test_embedded_store_that_dies_is_restarted(bare):
    """With all that it knew: it keeps an append-only file."""
    token = bare.cli("token", "create", "--role", "read", "-o", "json", "kept").json()
    job = bare.cli("job", "create", "--url", "unix:/nonexistent", "-o", "json").json()
    bare.family = []
    for pid in descendants(bare.program.pid):
        if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == "redis-server":
            os.kill(pid, signal.SIGKILL)
    eventually(lambda: bare.cli("token", "get", token["id"], "-o", "json").status == 0, "the store to come back")

    def served():
        with Client(("127.0.0.1", PORT)) as client:
            return client.exchange(request_bytes(f"{job['id']}.localhost:{PORT}", token["value"])).status == 502
    eventually(served, "the gateway to trust it again")


def private(make_folder, **store):
    return {"store": {"url": None, "state_dir": str(make_folder("state")), **store}}


def test_embedded_store_that_takes_its_time(gateways, make_folder):
    """A user that has just started a store is not told that it is out of reach."""
    slow = make_folder("bin") / "slow-redis-server"
    slow.write_text("#!/bin/sh\nsleep 0.5\nexec redis-server \"$@\"\n", encoding="utf-8")
    slow.chmod(0o755)
    gateway = gateways.start(private(make_folder, redis_server=str(slow)))
    assert not re.search("out of reach|cannot be reached", gateway.program.log()), gateway.program.log()


def test_embedded_store_is_not_taken_over(gateways, make_folder, sanitizer):
    """A second gateway beside the same control socket starts no redis-server in the place of the first one's."""
    first = gateways.start(private(make_folder))
    token = first.cli("token", "create", "--role", "read", "-o", "json", "kept").json()
    path = make_folder("second") / "jobgate.yaml"
    path.write_text(f'listen: ["127.0.0.1:0"]\ncontrol: {{socket: {first.socket_path}}}\nstore: {{state_dir: {make_folder("state")}}}\n',
                    encoding="utf-8")
    second = run([binary(), "serve", "-c", path], environment(sanitizer))
    assert second.status == 1 and "set control.socket" in second.err, second
    assert first.cli("store", "export", "-c", first.config_path).out.count(token["id"]) == 1
