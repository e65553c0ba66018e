"""When readers of the logs stop, no part of the gateway waits for them."""

import json
import os
import re
import signal
import socket

import pytest

from harness.gateway import Gateway, environment
from harness.process import Program, eventually
from harness.raw import Client
from harness.scene import request_bytes
from test_reload import realm_of, settled, write


def test_lines_as_json(gateways):
    """Those of all processes; and a reload changes the form of what follows."""
    gateway = gateways.start({"log": {"format": "json"}})
    lines = lambda: gateway.program.log().splitlines()
    entries = [json.loads(line) for line in lines()]
    assert {"supervisor", "worker 0", "control"} <= {entry["process"] for entry in entries}
    assert all(set(entry) == {"time", "level", "process", "message"} for entry in entries)
    count = len(lines())
    write(gateway, {"log": {"format": "text"}})
    gateway.program.send_signal(signal.SIGHUP)
    eventually(lambda: any("[control] control API" in line for line in lines()[count:]), "a line of the new control process")
    assert any(line.endswith('"message":"reloaded"}') or " [worker 0] " in line for line in lines()[count:])


class Deaf(Gateway):
    """A gateway whose standard error and output are a pipe that is full from the beginning."""

    def launch(self):
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.writer, False)
        try:
            while True:
                os.write(self.writer, b"." * 4096)
        except BlockingIOError:
            pass
        os.set_blocking(self.writer, True)
        self.said = ""
        write(self, {})
        self.program = Program([self.program_path, "serve", "-c", self.config_path], self.folder / "gateway.log",
                               environment(self.sanitizer, **self.env), stdout=self.writer, stderr=self.writer)
        os.close(self.writer)
        os.set_blocking(self.reader, False)
        Gateway.live.append(self)
        return self

    def listen(self):
        """Read what there is; returns all that was read so far, without the filling."""
        try:
            while piece := os.read(self.reader, 1 << 20):
                self.said += piece.lstrip(b".").decode(errors="replace")
        except BlockingIOError:
            pass
        return self.said

    def close(self):
        Gateway.live.remove(self)
        self.program.stop()
        os.close(self.reader)


@pytest.fixture
def deaf(make_folder, sanitizer, redis_server):
    gateway = Deaf(make_folder("deaf"), sanitizer, redis_server.url, {"workers": 2, "log": {"level": "debug"}})
    gateway.start()
    yield gateway
    gateway.close()


def bad_requests(gateway, count):
    """Requests that the gateway answers itself; it must answer every one."""
    for _ in range(count):
        with Client(gateway.address) as client:
            assert client.exchange(request_bytes("x.jobs.test")).status == 401


DROPPED = 'jobgate_service_log_lines_dropped_total{reason="full"}'


def test_a_full_standard_error_stops_nothing(deaf):
    """Requests, the control API, a reload, an upgrade and the end."""
    bad_requests(deaf, 20)
    assert deaf.cli("token", "list").status == 0
    old = deaf.workers()
    write(deaf, {"backends": {"realm": "reloaded"}})
    deaf.program.send_signal(signal.SIGHUP)
    settled(deaf, old)
    assert "reloaded" in realm_of(deaf)
    old = deaf.workers()
    deaf.program.send_signal(signal.SIGUSR2)
    settled(deaf, old)
    for pid in deaf.workers():
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: deaf.health("/readyz")[0] == 200 and deaf.metrics()["jobgate_worker_ready{worker=\"1\"}"], "new ones")
    bad_requests(deaf, 20)
    deaf.program.send_signal(signal.SIGTERM)
    assert deaf.program.wait() == 0


def test_lines_that_were_dropped_are_counted_and_told(make_folder, sanitizer, redis_server, authority, certificate):
    """At level debug each TLS handshake that fails is a line: more of them than are kept."""
    gateway = Deaf(make_folder("deaf"), sanitizer, redis_server.url)
    gateway.secure(authority.context(), [certificate]).start()

    def overflow():
        for _ in range(100):
            with socket.create_connection(("127.0.0.1", gateway.tls_port)) as sock:
                sock.sendall(b"no TLS\r\n")
                sock.recv(1)
        return gateway.metrics()[DROPPED] > 0
    try:
        eventually(overflow, "lines to be dropped", patience=60)
        eventually(lambda: re.search(r"warning \[worker 0\] \d+ lines of this log were dropped", gateway.listen()), "the line that says so")
    finally:
        gateway.close()


def test_a_fifo_without_a_reader_is_named(gateways):
    gateway = gateways.make({"log": {"access": None}})
    fifo = gateway.folder / "fifo"
    os.mkfifo(fifo)
    write(gateway, {"log": {"access": str(fifo)}})
    gateway.launch()
    assert gateway.program.wait() == 1
    assert f"cannot open the access log {fifo}: it is a FIFO that no program reads" in gateway.program.log()
    Gateway.live.remove(gateway)


def read_some(descriptor):
    try:
        return os.read(descriptor, 1 << 16)
    except BlockingIOError:
        return b""


def test_a_fifo_that_lost_its_reader_holds_nothing_up(gateways, scene_of):
    """SIGHUP and SIGUSR1 open it again: both complain, and SIGTERM ends the gateway."""
    gateway = gateways.make({"workers": 2})
    fifo = gateway.folder / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    write(gateway, {"log": {"access": str(fifo)}})
    gateway.start()
    scene_of(gateway).relay(path="/read")
    eventually(lambda: b'"/read"' in read_some(reader), "the line")
    os.close(reader)
    gateway.program.send_signal(signal.SIGUSR1)
    complaint = "it is a FIFO that no program reads"
    # The supervisor and both workers.
    eventually(lambda: gateway.program.log().count(complaint) == 3, "complaints")
    scene_of(gateway).relay(path="/unread")
    gateway.program.send_signal(signal.SIGHUP)
    eventually(lambda: gateway.program.log().count(complaint) == 4, "another one")
    scene_of(gateway).relay(path="/still")
    gateway.program.send_signal(signal.SIGTERM)
    assert gateway.program.wait() == 0
