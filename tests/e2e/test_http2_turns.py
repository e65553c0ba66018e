"""HTTP/2: what one connection may do in a turn of the loop, so that others are served in between. The worker is
stopped while both clients send. The access log has the order in which it then deals with what has come."""

import contextlib
import os
import pathlib
import signal
import socket
import threading

import pytest
from hyperframe import frame as frames

from harness.h2 import H2Client
from harness.h2_backend import H2Backend
from harness.process import eventually
from harness.scene import Scene
from test_http2_floods import Reader, raw

# proxy/downstream/http2/session.c, and proxy/upstream/http2/session.c
TURN_FRAMES, TURN_REQUESTS, TURN_BYTES = 256, 32, 512 << 10
FLOOD = 100 * TURN_FRAMES  # frames: 100 turns
INITIAL_WINDOW_SIZE = frames.SettingsFrame.INITIAL_WINDOW_SIZE


@pytest.fixture
def gateway(gateways):
    """Its access log has what this test did, and nothing else."""
    return gateways.start()


@pytest.fixture
def scene(gateway, records):
    scene = Scene(gateway, records)
    yield scene
    scene.close()


def connect(gateway, **options):
    """Its bytes leave at once, even while what it sent before has not been acknowledged."""
    client = H2Client(gateway.address, **options)
    client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.send_ping_and_wait()
    return client


@pytest.fixture
def client(gateway):
    with connect(gateway) as client:
        yield client


@pytest.fixture
def other(gateway):
    with connect(gateway) as other:
        yield other


@contextlib.contextmanager
def stopped(gateway):
    """What is sent meanwhile is all there when the worker goes on."""
    worker = gateway.workers()[0]
    os.kill(worker, signal.SIGSTOP)
    try:
        eventually(lambda: "State:\tT" in pathlib.Path(f"/proc/{worker}/status").read_text(), "the worker to stop")
        yield
    finally:
        os.kill(worker, signal.SIGCONT)


def start_sending(client, data):
    """In a thread: it may be more than sockets hold while the worker is stopped."""
    thread = threading.Thread(target=client.sock.sendall, args=(data,))
    thread.start()
    return thread


def heads(client, scene, name, count):
    """Requests that are answered at once, with a head alone: nothing has to be read meanwhile."""
    return b"".join(client.headers(client.take_id(), client.head(scene.host, "wrong", "HEAD", f"/{name}/{i}")).serialize()
                    for i in range(count))


def order(gateway, count):
    """The first part of the path of each request, in the order in which they were dealt with."""
    entries = eventually(lambda: len(found := gateway.access_entries()) >= count and found, f"{count} requests in the access log")
    return [entry["path"].split("/")[1] for entry in entries]


def served_before(paths, name):
    """How many requests of the other client were dealt with before the first of this name."""
    return paths[:paths.index(name)].count("other")


@pytest.mark.parametrize("kind", ["window_update", "priority", "ping_ack", "data"])
def test_frames(scene, gateway, client, other, kind):
    """The other client's requests take 10 turns, and the flood 100."""
    flood = {"window_update": raw("WINDOW_UPDATE", 0, 0, b"\0\0\0\1"), "priority": raw("PRIORITY", 0, 3, b"\0\0\0\0\x10"),
             "ping_ack": raw("PING", 1, 0, bytes(8)), "data": raw("DATA", 0, 1)}[kind] * FLOOD
    upload = client.request(scene.host, scene.token, "POST", path="/upload", end=False)
    assert upload == 1
    scene.backend.next().read_head()
    count = 10 * TURN_REQUESTS
    with stopped(gateway):
        thread = start_sending(client, flood + heads(client, scene, "last", 1))
        other.send_bytes(heads(other, scene, "other", count))
    thread.join()
    assert served_before(order(gateway, count + 1), "last") == count


def test_bytes_that_come(scene, gateway, client, other):
    """Large frames: a turn ends before it has had its number of frames. The flood takes 12 turns."""
    flood = raw("not known", 0, 0, bytes(16_384)) * (12 * TURN_BYTES // 16_384)
    count = 4 * TURN_REQUESTS
    with stopped(gateway):
        thread = start_sending(client, flood + heads(client, scene, "last", 1))
        other.send_bytes(heads(other, scene, "other", count))
    thread.join()
    assert served_before(order(gateway, count + 1), "last") == count


def test_requests(scene, gateway, client, other):
    """Two clients with many requests take turns; one may have two in a row, for what has come and for what is left."""
    count = 20 * TURN_REQUESTS
    with stopped(gateway):
        client.send_bytes(heads(client, scene, "mine", count))
        other.send_bytes(heads(other, scene, "other", count))
    paths = order(gateway, 2 * count)
    longest = run = 0
    for i, path in enumerate(paths):
        if not {"mine", "other"} <= set(paths[i:]):
            break  # nobody else waits
        run = run + 1 if i > 0 and path == paths[i - 1] else 1
        longest = max(longest, run)
    assert longest <= 2 * TURN_REQUESTS


def test_bytes_that_go(scene, gateway, other):
    """64 answers of 1 MiB, whose windows open at once, take 128 turns; the other client's requests take 40."""
    size, count = 1 << 20, 40 * TURN_REQUESTS
    with connect(gateway, settings={INITIAL_WINDOW_SIZE: 0}) as client:
        for _ in range(64):
            client.request(scene.host, scene.token, path="/large")
            connection = scene.backend.next()
            connection.read_request()
            connection.answer(bytes(size))
        client.send_ping_and_wait()
        with stopped(gateway):
            client.send(frames.SettingsFrame(settings={INITIAL_WINDOW_SIZE: size}),
                        frames.WindowUpdateFrame(0, window_increment=64 * size))
            other.send_bytes(heads(other, scene, "other", count))
            reader = Reader(client.sock)
        paths = order(gateway, count + 64)
        client.sock.shutdown(2)
        reader.join()
    assert served_before(paths, "large") == count


def test_frames_of_a_backend(gateway, records, other):
    """The other client's requests take 10 turns, and the backend's flood 100."""
    scene = Scene(gateway, records, backend=H2Backend())
    client = scene.new_client()
    client.send(scene.request(path="/last"))
    connection = scene.backend.accept()
    stream = connection.next_stream()
    connection.send_ping_and_wait()
    count = 10 * TURN_REQUESTS
    answer = connection.headers(stream, [(":status", "200")]).serialize()
    with stopped(gateway):
        thread = start_sending(connection, raw("WINDOW_UPDATE", 0, 0, b"\0\0\0\1") * FLOOD + answer)
        other.send_bytes(heads(other, scene, "other", count))
    thread.join()
    assert served_before(order(gateway, count + 1), "last") == count
    assert client.read_response().status == 200
    scene.close()


def test_bytes_of_a_backend(gateway, records, other):
    """Large frames: the backend's flood takes 11 turns, the other client's requests 4. What comes before widens the socket's buffer."""
    scene = Scene(gateway, records, backend=H2Backend())
    client = scene.new_client()
    client.send(scene.request(path="/last"))
    connection = scene.backend.accept()
    stream = connection.next_stream()
    unknown, count = raw("not known", 0, 0, bytes(16_384)), 4 * TURN_REQUESTS
    connection.send_bytes(unknown * (4 * TURN_BYTES // 16_384))
    connection.send_ping_and_wait()
    flood = unknown * (11 * TURN_BYTES // 16_384)
    with stopped(gateway):
        thread = start_sending(connection, flood + connection.headers(stream, [(":status", "200")]).serialize())
        other.send_bytes(heads(other, scene, "other", count))
    thread.join()
    assert served_before(order(gateway, count + 1), "last") == count
    assert client.read_response().status == 200
    scene.close()


def test_bytes_to_a_backend(gateways, records):
    """320 uploads of 16 KiB wait for windows, which open at once: they take 10 turns. The other client's requests take 5.
    An upload that comes before widens the socket's buffer."""
    uploads, size, count = 320, 16 << 10, 5 * TURN_REQUESTS
    gateway = gateways.start({"http2": {"backend_streams": uploads}})
    scene = Scene(gateway, records, backend=H2Backend())
    first = scene.new_client()
    thread = start_sending(first, scene.request("POST", "/first", body=bytes(4 << 20)))
    connection = scene.backend.accept()
    connection.reply(connection.next_stream())
    assert first.read_response().status == 200
    thread.join()
    connection.hold = True
    connection.send(frames.SettingsFrame(settings={INITIAL_WINDOW_SIZE: 0}))
    connection.send_ping_and_wait()
    clients = []
    for i in range(uploads):
        if i % 64 == 0:
            clients.append(connect(gateway))
        clients[-1].request(scene.host, scene.token, "POST", "/upload", body=bytes(size))
    for client in clients:
        client.send_ping_and_wait()
    connection.send_ping_and_wait()
    streams = connection.waiting()
    assert len(streams) == uploads

    def answer_all():
        """When all content has come."""
        left = uploads * size
        while left > 0:
            left -= len(connection.sock.recv(1 << 20))
        connection.send(*[connection.headers(stream, [(":status", "200")]) for stream in streams])
    with connect(gateway) as other:
        with stopped(gateway):
            connection.send(frames.SettingsFrame(settings={INITIAL_WINDOW_SIZE: size}),
                            frames.WindowUpdateFrame(0, window_increment=uploads * size))
            other.send_bytes(heads(other, scene, "other", count))
            thread = threading.Thread(target=answer_all)
            thread.start()
        thread.join()
        assert served_before(order(gateway, count + 2), "upload") == count
    for client in clients:
        client.close()
    scene.close()
