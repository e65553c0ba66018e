"""A client that speaks HTTP/2 in raw frames: what a test sends is what goes out, right or wrong."""

import socket

import hpack
from hyperframe import frame as frames

from .process import PATIENCE
from .raw import Closed

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class Answer:
    """What has come on one stream."""

    def __init__(self):
        self.heads = []  # lists of (name, value): interim heads, the head, trailers
        self.body = b""
        self.ended = False
        self.reset = None  # the error code of RST_STREAM

    @property
    def status(self):
        return int(dict(self.heads[-1 if len(self.heads) == 1 else 0])[":status"])

    def field(self, name):
        return dict(self.heads[0]).get(name)

    def challenge(self):
        """The challenge of the scheme Bearer. Programs are offered Basic as well, in a second field."""
        return next((value for name, value in self.heads[0] if name == "www-authenticate" and value.startswith("Bearer ")), None)


class H2Client:
    """Answers SETTINGS and PING by itself; gives windows back as content comes, unless told not to."""

    def __init__(self, address, sock=None, settings=None, hold=False, preface=True):
        self.sock = sock or socket.create_connection(address, timeout=PATIENCE)
        self.sock.settimeout(PATIENCE)
        self.encoder, self.decoder = hpack.Encoder(), hpack.Decoder()
        self.buffer = b""
        self.answers = {}
        self.settings = {}  # the gateway's
        self.goaway = None  # (last stream, error code)
        self.pings = []
        self.widened = {}  # stream -> bytes by which the gateway widened the window
        self.next_id = 1
        self.hold = hold
        if preface:
            self.send_bytes(PREFACE)
            self.send(frames.SettingsFrame(settings=settings or {}))

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        self.sock.close()

    def send_bytes(self, data):
        self.sock.sendall(data)

    def send(self, *sent):
        self.send_bytes(b"".join(frame.serialize() for frame in sent))

    def headers(self, stream, fields, end=True, flags=("END_HEADERS",)):
        frame = frames.HeadersFrame(stream, self.encoder.encode(fields))
        for flag in flags:
            frame.flags.add(flag)
        if end:
            frame.flags.add("END_STREAM")
        return frame

    def data(self, stream, content, end=False):
        frame = frames.DataFrame(stream, content)
        if end:
            frame.flags.add("END_STREAM")
        return frame

    def take_id(self):
        self.next_id += 2
        return self.next_id - 2

    @staticmethod
    def head(host, token=None, method="GET", path="/", fields=(), scheme="http"):
        head = [(":method", method), (":scheme", scheme), (":authority", host), (":path", path)]
        if token is not None:
            head.append(("authorization", f"Bearer {getattr(token, 'value', token)}"))
        return head + list(fields)

    def request(self, host, token=None, method="GET", path="/", fields=(), body=None, end=True):
        """Open a stream; with body its content follows. end False: more content will come."""
        stream = self.take_id()
        head = self.head(host, token, method, path, fields)
        self.send(self.headers(stream, head, end=end and body is None))
        if body is not None:
            self.send(self.data(stream, body, end=end))
        return stream

    def connect(self, host, token=None, path="/", fields=(), protocol="websocket", end=False):
        """Open a stream with an extended CONNECT (RFC 8441)."""
        stream = self.take_id()
        head = self.head(host, token, "CONNECT", path, fields)
        self.send(self.headers(stream, [(":protocol", protocol), *head], end=end))
        return stream

    # ---- what comes ----

    @property
    def has_frame(self):
        """Whether a whole frame has been received that read_frame() has not taken account of."""
        return len(self.buffer) >= 9 and len(self.buffer) >= 9 + int.from_bytes(self.buffer[:3], "big")

    def read_frame(self):
        """The next frame, which has been taken account of. Closed: the connection has ended."""
        while not self.has_frame:
            data = self.sock.recv(65536)
            if not data:
                raise Closed(self.buffer)
            self.buffer += data
        frame, length = frames.Frame.parse_frame_header(memoryview(self.buffer[:9]))
        frame.parse_body(memoryview(self.buffer[9:9 + length]))
        self.buffer = self.buffer[9 + length:]
        self._note(frame)
        return frame

    def _note(self, frame):
        answer = self.answers.setdefault(frame.stream_id, Answer()) if frame.stream_id else None
        if isinstance(frame, frames.SettingsFrame):
            if "ACK" not in frame.flags:
                self.settings.update(frame.settings)
                self.send(frames.SettingsFrame(flags=["ACK"]))
        elif isinstance(frame, frames.PingFrame):
            self.pings.append(frame)
            if "ACK" not in frame.flags:
                self.send(frames.PingFrame(0, frame.opaque_data, flags=["ACK"]))
        elif isinstance(frame, frames.GoAwayFrame):
            self.goaway = (frame.last_stream_id, frame.error_code)
        elif isinstance(frame, frames.WindowUpdateFrame):
            self.widened[frame.stream_id] = self.widened.get(frame.stream_id, 0) + frame.window_increment
        elif isinstance(frame, frames.HeadersFrame):
            assert "END_HEADERS" in frame.flags, "this client gathers no blocks"
            answer.heads.append(self.decoder.decode(frame.data))
            answer.ended = answer.ended or "END_STREAM" in frame.flags
        elif isinstance(frame, frames.DataFrame):
            answer.body += frame.data
            answer.ended = answer.ended or "END_STREAM" in frame.flags
            if frame.data and not self.hold:
                self.send(frames.WindowUpdateFrame(0, window_increment=len(frame.data)))
                if not answer.ended:
                    self.send(frames.WindowUpdateFrame(frame.stream_id, window_increment=len(frame.data)))
        elif isinstance(frame, frames.RstStreamFrame):
            answer.reset = frame.error_code

    def until(self, done):
        """Read frames until done() is true."""
        while not done():
            self.read_frame()

    def send_ping_and_wait(self):
        """When its answer comes, all frames sent before have been dealt with."""
        payload = b"%08d" % len(self.pings)
        self.send(frames.PingFrame(0, payload))
        self.until(lambda: any("ACK" in ping.flags and ping.opaque_data == payload for ping in self.pings))

    def answer(self, stream):
        """The answer of a stream, once it has ended or was reset."""
        answer = self.answers.setdefault(stream, Answer())
        self.until(lambda: answer.ended or answer.reset is not None)
        return answer

    def read_to_end(self):
        """Read until the gateway closes; what went wrong stands in `goaway`."""
        try:
            while True:
                self.read_frame()
        except (Closed, ConnectionResetError):
            return self.goaway
