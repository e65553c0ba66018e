"""The connections of the HTTP/2 cases: all that comes on one, and the good requests on it."""

import socket

import hpack
from hyperframe.frame import Frame as Received

from .h2_cases import FLAGS, HELLO, TYPES, fields_of, literal
from .process import PATIENCE
from .raw import Peer

FRAME_MAX = 16384  # what the client takes


class Stream:
    def __init__(self):
        self.heads, self.fields, self.content, self.pieces = [], [], b"", []
        self.ended, self.reset = False, None

    def __repr__(self):
        return str({name: value if name != "content" else value[:100] for name, value in vars(self).items()})


class Link:
    """One connection, and what has come on it: of a client, or (sock) of a backend."""

    def __init__(self, address, hello=HELLO, sock=None):
        self.sock = sock or socket.create_connection(address, timeout=PATIENCE)
        self.sock.settimeout(PATIENCE)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.decoder = hpack.Decoder()
        self.buffer = b""
        self.first = self.goaway = self.last = self.block = None
        self.acknowledged, self.closed, self.http1 = -1 if hello else 0, False, False
        self.pings, self.streams, self.widened = [], {}, set()
        self.send(hello)

    def close(self):
        self.sock.close()

    def send(self, data):
        try:
            self.sock.sendall(data)
        except OSError:  # what went wrong stands in what has come
            pass

    def stream(self, number):
        return self.streams.setdefault(number, Stream())

    def is_http1(self, data):
        """An answer to what was no preface is of no interest."""
        self.http1 = self.http1 or self.first is None and self.buffer + data[:5] == b"HTTP/"
        return self.http1

    @property
    def has_frame(self):
        """Whether a whole frame has been received that read() has not taken account of."""
        return len(self.buffer) >= 9 and len(self.buffer) >= 9 + int.from_bytes(self.buffer[:3], "big")

    def read(self):
        """Take account of the next frame, or of the end."""
        while not self.has_frame:
            try:
                data = self.sock.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                self.closed = True
                return
            self.buffer = b"" if self.is_http1(data) else self.buffer + data
        length = int.from_bytes(self.buffer[:3], "big")
        frame, _ = Received.parse_frame_header(memoryview(self.buffer[:9]))
        frame.parse_body(memoryview(self.buffer[9:9 + length]))
        self.buffer = self.buffer[9 + length:]
        self._note(type(frame).__name__, frame)

    def _note(self, name, frame):
        self.first = self.first or (name, "ACK" in frame.flags)
        assert (self.block is None) == (name != "ContinuationFrame"), f"a {name} came in the middle of a block, or after none"
        if name == "SettingsFrame":
            self.acknowledged += "ACK" in frame.flags
            if "ACK" not in frame.flags:
                self.send(bytes([0, 0, 0, TYPES["SETTINGS"], FLAGS["ACK"], 0, 0, 0, 0]))
        elif name == "PingFrame":
            self.pings.append(("ACK" in frame.flags, bytes(frame.opaque_data)))
        elif name == "GoAwayFrame":
            self.goaway, self.last = frame.error_code, frame.last_stream_id
        elif name == "WindowUpdateFrame":
            self.widened.add(frame.stream_id)
        elif name == "RstStreamFrame":
            self.stream(frame.stream_id).reset = frame.error_code
        elif name in ("HeadersFrame", "DataFrame", "ContinuationFrame"):
            self._note_answer(name, frame)
        else:
            raise AssertionError(f"a {name} came")

    def _note_answer(self, name, frame):
        stream = self.stream(frame.stream_id)
        assert len(frame.data) <= FRAME_MAX, f"a {name} of {len(frame.data)} bytes"
        if name != "ContinuationFrame":
            assert not stream.ended and stream.reset is None, f"{name} on stream {frame.stream_id}, which had ended"
            stream.ended = "END_STREAM" in frame.flags
        if name == "DataFrame":
            assert stream.heads, "DATA before HEADERS"
            stream.content += frame.data
            stream.pieces.append(len(frame.data))
            return
        self.block = (self.block or b"") + frame.data
        if "END_HEADERS" in frame.flags:
            fields = self.decoder.decode(self.block)
            stream.fields += fields
            stream.heads.append(dict(fields))
            self.block = None

    def until(self, done):
        """Read until done() says yes. False: the connection has ended before."""
        while not done():
            if self.closed:
                return False
            try:
                self.read()
            except socket.timeout:
                raise AssertionError(f"nothing came for {PATIENCE:g} s") from None
        return True


class Barrier:
    """passed() returns once the gateway's worker has read what was sent to it before: it takes its sockets in the order in
    which they became readable, so an answer to a request sent later says that it has (see plays.py)."""

    def __init__(self, address):
        self.client = Peer(socket.create_connection(address, timeout=PATIENCE))
        self.passed()

    def passed(self):
        self.client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        self.client.read_until(b"}\n")


def good_head(path, stream):
    block = b"".join(literal(*field) for field in fields_of("POST", path))
    return len(block).to_bytes(3, "big") + bytes([TYPES["HEADERS"], FLAGS["END_HEADERS"]]) + stream.to_bytes(4, "big") + block


def good_data(stream, content, end):
    return len(content).to_bytes(3, "big") + bytes([TYPES["DATA"], end]) + stream.to_bytes(4, "big") + content


class Good:
    """A good request in several frames, on a connection of its own or among others. `widen`: the answer needs a window."""

    def __init__(self, link, stream, path, widen):
        self.link, self.stream, self.sent = link, stream, b""
        link.send(good_head(path, stream))
        if widen:
            link.send(bytes([0, 0, 4, TYPES["WINDOW_UPDATE"], 0]) + stream.to_bytes(4, "big") + (1000).to_bytes(4, "big"))

    def more(self):
        self.link.send(good_data(self.stream, b"g", 0))
        self.sent += b"g"

    def finish(self):
        """Whether it is answered as it must be: None, or what is wrong."""
        self.link.send(good_data(self.stream, b"!", FLAGS["END_STREAM"]))
        self.sent += b"!"
        stream = self.link.stream(self.stream)
        self.link.until(lambda: stream.ended or stream.reset is not None)
        if not stream.ended or stream.heads[0].get(":status") != "200" or stream.content != b"POST " + self.sent:
            return f"the good request on stream {self.stream} got {stream}, GOAWAY {self.link.goaway}"
        return None
