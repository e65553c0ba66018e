"""HTTP/2: the windows in which clients send content grow while both ends are fast, and only then."""

import threading

import pytest

from harness.delay import DelayedPath
from harness.h2 import H2Client
from harness.process import eventually
from harness.raw import Closed
from harness.scene import Scene

FIRST, ALLOWED, MOST = 16 << 10, 48 << 10, 1 << 20


@pytest.fixture(scope="module")
def gateway(module_gateways):
    return module_gateways.start()


@pytest.fixture
def scene(gateway, records):
    scene = Scene(gateway, records)
    yield scene
    scene.close()


class Upload:
    """A request whose content is sent as its windows allow."""

    def __init__(self, client, scene):
        self.client = client
        self.stream = client.request(scene.host, scene.token, "POST", end=False)
        self.sent = self.waits = 0

    def room(self):
        """What the windows allow now: the stream's, and the connection's."""
        widened = self.client.widened
        return min(FIRST + widened.get(self.stream, 0) - self.sent, 65_535 + widened.get(0, 0) - self.client.uploaded)

    def send(self, size):
        """Send so much more; `waits` counts how often a window had to come first."""
        end = self.sent + size
        while self.sent < end:
            if self.room() <= 0:
                self.waits += 1
                self.client.until(lambda: self.room() > 0)
            n = min(self.room(), end - self.sent, 16_384)
            self.client.send(self.client.data(self.stream, bytes(n)))
            self.sent += n
            self.client.uploaded += n


@pytest.fixture
def connect():
    clients = []

    def make(address):
        client = H2Client(address)
        client.uploaded = 0
        clients.append(client)
        return client
    yield make
    for client in clients:
        client.close()


def drain(connection):
    """Read all that comes, in a thread."""
    def run():
        try:
            while True:
                connection.read_some()
        except (Closed, OSError, AssertionError):
            pass
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def test_an_upload_over_a_long_way_gets_a_large_window(scene, gateway, connect):
    with DelayedPath(gateway.address, 0.025) as path:
        client = connect(path.address)
        upload = Upload(client, scene)
        upload.send(FIRST)
        drain(scene.backend.next())
        # More than half of the largest window is free at last: it could not be with the next smaller one.
        for _ in range(16):
            upload.send(2 * MOST)
            client.send_ping_and_wait()
            if upload.room() > MOST // 2:
                break
        assert MOST // 2 < upload.room() <= MOST


def test_several_uploads_do_not_wait_for_the_connections_window(scene, gateway, connect):
    with DelayedPath(gateway.address, 0.025) as path:
        client = connect(path.address)
        uploads = [Upload(client, scene) for _ in range(4)]
        for upload in uploads:
            upload.send(FIRST)
            drain(scene.backend.next())
        for _ in range(16):
            for upload in uploads:
                upload.send(MOST)
            client.send_ping_and_wait()
            if 65_535 + client.widened[0] - client.uploaded > 2 * MOST:
                break
        assert 65_535 + client.widened[0] - client.uploaded > 2 * MOST


def test_a_slow_backend_keeps_the_window_small(scene, gateway, connect):
    """It reads nothing: what has come is in its socket, the gateway's, and in the window."""
    client = connect(gateway.address)
    upload = Upload(client, scene)
    upload.send(FIRST)
    backend = scene.backend.next()
    backend.read_head()
    for _ in range(1000):
        client.send_ping_and_wait()
        if upload.room() <= 0:
            break
        upload.send(upload.room())
    eventually(lambda: client.send_ping_and_wait() or upload.room() <= 0, "the window to be used up")
    # Once it reads again, all comes.
    size = upload.sent
    client.send(client.data(upload.stream, b"", end=True))
    body = b""
    while chunk := backend.read_chunk():
        body += chunk
    assert len(body) == size
