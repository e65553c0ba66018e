"""A backend that speaks HTTP/2 in raw frames: what a test sends is what goes out, right or wrong."""

import select
import socket
import time

from hyperframe import frame as frames

from .h2 import PREFACE, H2Client
from .process import PATIENCE
from .raw import BackendConnection


class H2BackendConnection(H2Client):
    """The server's side of a connection. What comes on a stream is kept in `answers`, as H2Client does."""

    def __init__(self, sock, settings=None, hold=False):
        super().__init__(None, sock=sock, hold=hold, preface=False)
        self.answered = set()  # streams
        self.gave_up = False
        data = b""
        while len(data) < len(PREFACE):
            piece = sock.recv(len(PREFACE) - len(data))
            assert piece, data
            data += piece
        assert data == PREFACE
        if settings is not None:
            self.send(frames.SettingsFrame(settings=settings))

    def waiting(self):
        """Streams with a head that have not been answered, the oldest first."""
        return sorted(stream for stream, came in self.answers.items()
                      if came.heads and came.reset is None and stream not in self.answered)

    def next_stream(self, whole=True):
        """The next stream on which a request has come; whole: with all of its content."""
        def found():
            return [s for s in self.waiting() if self.answers[s].ended or not whole]
        self.until(found)
        return found()[0]

    def head_of(self, stream):
        return dict(self.answers[stream].heads[0])

    def reply(self, stream, body=b"ok", status=200, fields=(), trailers=None, end=True):
        self.answered.add(stream)
        head = [(":status", str(status)), *fields]
        sent = [self.headers(stream, head, end=end and not body and trailers is None)]
        if body:
            sent.append(self.data(stream, body, end=end and trailers is None))
        if trailers is not None:
            sent.append(self.headers(stream, trailers, end=True))
        self.send(*sent)

    def reset(self, stream, error):
        self.answered.add(stream)
        self.send(frames.RstStreamFrame(stream, error_code=error))

    def leave(self, last, error=0):
        self.send(frames.GoAwayFrame(0, last_stream_id=last, error_code=error))


class H2Backend:
    """A listening socket whose connections the test answers itself."""

    def __init__(self, settings=None, scheme="h2c", hold=False, context=None, port=0):
        self.listener = socket.create_server(("127.0.0.1", port), backlog=1024)
        self.listener.settimeout(PATIENCE)
        self.port = self.listener.getsockname()[1]
        self.authority = f"127.0.0.1:{self.port}"
        self.url = f"{scheme}://{f'localhost:{self.port}' if context else self.authority}"
        self.settings, self.hold, self.context = settings or {}, hold, context
        self.connections = []

    def accept(self):
        try:
            sock, _ = self.listener.accept()
        except socket.timeout:
            raise AssertionError(f"the gateway did not connect within {PATIENCE:g} s") from None
        sock.settimeout(PATIENCE)
        if self.context is not None:
            sock = self.context.wrap_socket(sock, server_side=True)
        if self.context is not None and sock.selected_alpn_protocol() != "h2":
            self.connections.append(BackendConnection(sock))
        else:
            self.connections.append(H2BackendConnection(sock, self.settings, self.hold))
        return self.connections[-1]

    def is_called(self, seconds=0):
        """Whether a connection is to be accepted."""
        return bool(select.select([self.listener], [], [], seconds)[0])

    def close(self):
        for connection in self.connections:
            connection.close()
        self.listener.close()


def read_for(connection, seconds):
    """Take note of all frames that come within this time."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if not connection.has_frame and not select.select([connection.sock], [], [], left)[0]:
            return
        connection.read_frame()
