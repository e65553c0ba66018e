"""Ways in, and ways to hurt, that were found by attacking: each test is one of them."""

import os
import socket
import threading
import time

import pytest

from harness.process import eventually
from harness.raw import Backend, Closed
from harness.scene import request_bytes
from harness.store import RedisServer, make_value
from test_upgrade import UPGRADE, open_tunnel


def resident_mib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(next(line.split()[1] for line in file if line.startswith("VmRSS"))) >> 10


class Flood(threading.Thread):
    """Sends the same bytes over and over until it is told to stop, or the connection ends."""

    def __init__(self, sock, data):
        super().__init__(daemon=True)
        self.sock, self.data, self.over = sock, data, False
        self.start()

    def run(self):
        try:
            while not self.over:
                self.sock.send(self.data)
        except OSError:
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.over = True
        try:
            self.sock.shutdown(socket.SHUT_RDWR)  # a send that waits ends with it
        except OSError:
            pass
        self.sock.close()
        self.join()


def others_are_served(scene, seconds):
    """Requests on other connections, over a while in which something else goes on."""
    until, served = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        with scene.gateway.client() as other:
            assert other.exchange(request_bytes(scene.host)).status == 401
        served += 1
    return served


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("interim", [b"100 Continue", b"102 Processing", b"103 Early Hints"])
def test_backend_that_sends_interim_answers_for_ever(scene, version, interim):
    _, connection, _ = scene.arrive(version=version)
    before = resident_mib(scene.gateway.workers()[0])
    with Flood(connection.sock, (b"HTTP/1.1 " + interim + b"\r\n\r\n") * 20000):
        assert others_are_served(scene, 0.5) > 3
        assert resident_mib(scene.gateway.workers()[0]) < before + 64
        scene.gateway.access_entry(job=scene.job, outcome="bad_answer")


def test_a_few_interim_answers_are_relayed(scene):
    client, connection, _ = scene.arrive()
    for _ in range(60):
        connection.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
        assert client.read_interim().status == 103
    connection.answer()
    assert client.read_response().status == 200


def test_answer_that_is_chunk_extensions_above_all(scene):
    """Framing costs time as content does: it counts for a connection's share of a turn."""
    client, connection, _ = scene.arrive()
    connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    client.read_head()
    with Flood(connection.sock, (b"1;" + b"x" * 1000 + b"\r\na\r\n") * 1000), \
            Drain(client.sock):
        assert others_are_served(scene, 1) > 3


def test_request_that_is_chunk_extensions_above_all(scene):
    client, connection = open_upload(scene)
    with Flood(client.sock, (b"1;" + b"x" * 1000 + b"\r\na\r\n") * 1000), Drain(connection.sock):
        assert others_are_served(scene, 1) > 3


def open_upload(scene):
    client = scene.client
    client.send(scene.request("POST", fields=["Transfer-Encoding: chunked"]))
    connection = scene.backend.next()
    connection.read_head()
    return client, connection


class Drain(threading.Thread):
    """Reads and forgets."""

    def __init__(self, sock):
        super().__init__(daemon=True)
        self.sock = sock

    def run(self):
        try:
            while self.sock.recv(1 << 20):
                pass
        except OSError:
            pass

    def __enter__(self):
        self.start()

    def __exit__(self, *_):
        pass


def test_upgrade_with_content_is_no_upgrade(scene):
    """What follows the head would be held back until a switch that the backend makes only after it."""
    client = scene.client
    client.send(scene.request("POST", fields=[*UPGRADE, "Transfer-Encoding: chunked"]) + b"5\r\nhello\r\n0\r\n\r\n")
    connection = scene.backend.accept()
    request = connection.read_request()
    assert request.field("upgrade") is None and request.body == b"hello"
    connection.answer()
    assert client.read_response().status == 200


def test_tunnel_half_closed_by_a_client_that_reads_slowly(scene):
    client, connection = open_tunnel(scene)
    client.send(b"last words")
    client.half_close()
    assert connection.read_to_end() == b"last words"
    total = 16 << 20
    sender = threading.Thread(target=lambda: (connection.sock.sendall(bytes(total)), connection.half_close()), daemon=True)
    sender.start()
    time.sleep(0.5)  # every buffer on the way is full by now
    try:
        got = len(client.read_to_end())
    except Closed as closed:
        got = len(closed.data)
    assert got == total
    sender.join()


def test_tunnel_whose_backend_has_gone_ends(scene):
    client, connection = open_tunnel(scene)
    connection.close()
    with Flood(client.sock, b"x" * 1000):
        scene.gateway.access_entry(job=scene.job)


def test_end_of_an_answer_waits_for_a_slow_reader(module_gateways, scene_of):
    """The end of a connection begins when all is sent: `linger` is no limit on reading."""
    scene = scene_of(module_gateways.start({"timeouts": {"linger": "100ms"}}))
    client, connection, _ = scene.arrive(version="1.0")
    size = 12 << 20
    body = os.urandom(1 << 20) * 12
    sender = threading.Thread(
        target=lambda: (connection.sock.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body), connection.close()), daemon=True)
    sender.start()
    head = client.read_until(b"\r\n\r\n")
    time.sleep(0.5)
    got = b""
    while len(got) < size - (1 << 20):
        got += client.read_some()
    time.sleep(0.5)  # all that is left lies in the gateway and in the kernel
    got += client.read_to_end()
    assert head.startswith(b"HTTP/1.1 200 ") and got == body
    sender.join()


def test_answer_that_is_not_read_to_its_end_is_reset(module_gateways, scene_of):
    scene = scene_of(module_gateways.start({"timeouts": {"linger": "100ms", "answer": "300ms"}}))
    client, connection, _ = scene.arrive(version="1.0")
    sender = threading.Thread(target=lambda: ignore(
        lambda: (connection.sock.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + bytes(32 << 20)), connection.close())),
        daemon=True)
    sender.start()
    client.read_until(b"\r\n\r\n")
    scene.gateway.access_entry(job=scene.job)
    time.sleep(1)
    with pytest.raises(Closed):
        while True:
            client.read_some()
            assert len(client.read_to_end()) < 0, "an orderly end of half an answer"


def ignore(work):
    try:
        work()
    except OSError:
        pass


@pytest.mark.parametrize("name", ["X.Jobgate.Role", "X~Jobgate-Role", "X-Jobgate+Role", "X!Forwarded!For", "Proxy.Authorization"])
def test_names_that_differ_in_marks_alone(scene, name):
    """Some CGI-like servers read every mark in a name as one and the same."""
    received = scene.relay(fields=[f"{name}: operator", "X.Other: stays"])
    assert received.field(name) is None
    assert received.field("X.Other") == "stays"


@pytest.mark.parametrize("path", ["/..;/x", "/a/..;b/x", "/%2e.;/x", "/..%3b/x"])
def test_dots_before_parameters(scene, path):
    """Servers that take parameters off a segment would see dots where the gateway saw a name."""
    assert scene.client.exchange(scene.request(path=path)).status == 400


def test_wrong_secret_reads_no_job(gateways, make_folder):
    """A known id with a wrong secret costs what an unknown id costs: nothing of the job is looked up."""
    server = RedisServer(make_folder("redis")).start()
    try:
        gateway = gateways.start({}, store_url=server.url)
        from harness.store import Records
        records = Records(server.client)
        token = records.token()
        jobs = [records.job("unix:/nonexistent") for _ in range(5)]
        with gateway.client() as client:
            assert client.exchange(request_bytes("nobody.jobs.test", token)).status == 404  # the token is known now
            before = server.client.info("commandstats").get("cmdstat_hgetall", {}).get("calls", 0)
            for job in jobs:
                assert client.exchange(request_bytes(f"{job}.jobs.test", make_value(token.id))).status == 401
            assert server.client.info("commandstats").get("cmdstat_hgetall", {}).get("calls", 0) == before
    finally:
        server.stop()


def refused(scene):
    response = scene.client.exchange(scene.request())
    assert response.status == 502
    scene.gateway.access_entry(job=scene.job, outcome="not_allowed")


def test_metrics_are_no_backend(gateway, scene_of):
    refused(scene_of(gateway, url=f"http://127.0.0.1:{gateway.metrics_port}"))


@pytest.mark.parametrize("over", ["tcp", "unix", "unix with a database"])
def test_store_is_no_backend(gateways, make_folder, over):
    from harness.scene import Scene
    from harness.store import Records
    server = RedisServer(make_folder("redis")).start()
    try:
        url = {"tcp": server.tcp_url, "unix": server.url, "unix with a database": server.url + "?db=0"}[over]
        gateway = gateways.start({}, store_url=url)
        target = server.tcp_url.replace("redis://", "http://") if over == "tcp" else server.url.split("?")[0]
        refused(Scene(gateway, Records(server.client), url=target))
    finally:
        server.stop()


def test_socket_that_is_swapped_for_the_control_socket(gateway, scene_of, make_folder, records):
    """What was looked at is what is connected to, however fast a link changes."""
    folder = make_folder("swap")
    link, harmless = folder / "job.sock", Backend(path=str(folder / "harmless.sock"))
    over = threading.Event()

    def swap():
        turn = 0
        while not over.is_set():
            fresh = folder / f"link{turn % 2}"
            fresh.unlink(missing_ok=True)
            fresh.symlink_to([folder / "harmless.sock", gateway.socket_path][turn % 2])
            fresh.rename(link)
            turn += 1

    def serve():
        while not over.is_set():
            if harmless.untouched():
                time.sleep(0.001)
                continue
            connection = harmless.next()
            ignore(lambda connection=connection: (connection.read_request(), connection.answer(fields=["Connection: close"])))

    threads = [threading.Thread(target=work, daemon=True) for work in (swap, serve)]
    link.symlink_to(folder / "harmless.sock")
    scene = scene_of(gateway, url=f"unix:{link}")
    for thread in threads:
        thread.start()
    try:
        seen = set()
        for _ in range(400):
            response = scene.client.exchange(scene.request(path="/healthz"))
            seen.add((response.status, response.body[:2]))
            assert response.status in (200, 502, 503)
            assert response.status != 200 or response.body == b"ok" and response.field("server") is None
    finally:
        over.set()
        for thread in threads:
            thread.join()
        harmless.close()
    assert (200, b"ok") in seen
