"""HTTP/2: once http2.buffer is spent, windows stay small, whatever clients send or do not read: memory stays
bounded, and another client is served all the time. test_http2_windows.py has how windows grow."""

import socket

import pytest

from harness.h2 import H2Client
from harness.h2_backend import H2Backend
from harness.process import eventually
from harness.scene import Scene
from test_http2_floods import Others
from test_http2_windows import FIRST, Upload

BUFFER = 1 << 20
MANY = 32
GROW = 24  # MiB that the worker may grow by: less than MANY of the largest windows
BACKEND_FIRST = 48 << 10


@pytest.fixture
def gateway(gateways):
    return gateways.start({"http2": {"buffer": BUFFER}})


@pytest.fixture
def clients(gateway):
    clients = []

    def connect(**options):
        clients.append(H2Client(gateway.address, **options))
        clients[-1].uploaded = 0
        return clients[-1]
    yield connect
    for client in clients:
        client.close()


class ReadUpload(Upload):
    """An upload whose backend reads: each piece is there before the next is sent."""

    def __init__(self, client, scene):
        super().__init__(client, scene)
        self.connection = scene.backend.next()
        self.connection.read_head()

    def pass_on(self, size):
        self.send(size)
        while size > 0:
            size -= len(self.connection.read_chunk())
        self.client.send_ping_and_wait()

    def use(self):
        """All of the window, and what is given anew, until nothing is."""
        while (room := self.room()) > 0:
            self.send(room)
            self.client.send_ping_and_wait()

    def grow(self):
        """Until the window is no larger than before. Returns by how much it has grown."""
        before = -1
        while self.more() > before:
            before = self.more()
            self.pass_on(self.room())
        return before

    def more(self):
        """By how much the stream's window is larger than the first one now."""
        return max(self.client.widened.get(self.stream, 0) - self.sent, 0)


@pytest.fixture
def scene(gateway, records):
    scene = Scene(gateway, records)
    scene.backend.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)  # what its sockets hold is not the gateway's
    yield scene
    scene.close()


def test_many_uploads(scene, gateway, clients):
    """The first ones get large windows, the last ones none beyond the first size. Then no backend reads."""
    with Others(gateway, GROW) as others:
        uploads = []
        for _ in range(MANY):
            uploads.append(ReadUpload(clients(), scene))
            uploads[-1].grow()
            others.look()
        assert uploads[0].more() > 0 and uploads[-1].more() == 0
        assert BUFFER // 2 < sum(upload.more() for upload in uploads) <= BUFFER
        for upload in uploads:
            upload.use()
            others.look()
        # What they hold is free again when they end, for those that come.
        for upload in uploads:
            upload.client.close()
            upload.connection.close()
        eventually(lambda: ReadUpload(clients(), scene).grow() > 0, "what was spent to come back")


def test_windows_that_are_not_used_shrink(scene, gateway, clients):
    """After 10 s they lend what they have to one that needs it. Then they are small when they have been used up."""
    with Others(gateway, GROW) as others:
        uploads = [ReadUpload(clients(), scene) for _ in range(16)]
        before = [upload.grow() for upload in uploads]
        assert before[0] > 0 and before[-1] == 0
        eventually(lambda: uploads[-1].grow() > 0, "the last window to grow", patience=60, pause=0.1)
        others.look()
        uploads[0].pass_on(uploads[0].room())
        assert uploads[0].more() < before[0]


class Download(Upload):
    """An answer whose content a backend sends as its windows allow."""

    def __init__(self, client, scene, connection):
        self.reader = client
        self.asked = client.request(scene.host, scene.token)
        connection = connection or scene.backend.accept()
        self.client, self.stream = connection, connection.next_stream()
        connection.answered.add(self.stream)
        connection.send(connection.headers(self.stream, [(":status", "200")], end=False))
        self.sent = self.waits = 0

    def room(self):
        widened = self.client.widened
        return min(BACKEND_FIRST + widened.get(self.stream, 0) - self.sent, 65_535 + widened.get(0, 0) - self.client.uploaded)

    def pass_on(self, size):
        self.send(size)
        self.reader.until(lambda: self.asked in self.reader.answers and len(self.reader.answers[self.asked].body) == self.sent)
        self.client.send_ping_and_wait()

    grow, use, more = ReadUpload.grow, ReadUpload.use, ReadUpload.more


def test_many_answers_that_are_not_read(gateway, records, clients):
    """The same towards backends: what a backend may send until clients read it."""
    scene = Scene(gateway, records, backend=H2Backend())
    connection = None
    with Others(gateway, GROW) as others:
        downloads = []
        for _ in range(MANY):
            client = clients()
            if connection is None:
                client.request(scene.host, scene.token, path="/first")
                connection = scene.backend.accept()
                connection.uploaded = 0
                connection.reply(connection.next_stream())
            downloads.append(Download(client, scene, connection))
            downloads[-1].grow()
            others.look()
        assert downloads[0].more() > 0 and downloads[-1].more() == 0
        # All streams are on one connection, which may have half of what is left.
        assert sum(download.more() for download in downloads) <= BUFFER // 2
        for download in downloads:
            download.use()
            others.look()
    scene.close()
