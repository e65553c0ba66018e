"""HTTP/2: each limit on what a client may cost is flooded, while another client is
served. See also test_http2_windows.py, test_http2_buffer.py (http2.buffer), test_http2_turns.py
(the limits of one turn), and tests/conformance/h2 (blocks)."""

import struct
import threading

import pytest

from harness.gateway import DOMAIN
from harness.h2 import H2Client, frames
from harness.h2_cases import TYPES
from harness.process import eventually
from harness.raw import Closed
from harness.scene import Scene
from harness.store import Records, RedisServer
from test_floods import Memory

NO_ERROR, PROTOCOL_ERROR, SETTINGS_TIMEOUT, STREAM_CLOSED, CANCEL, ENHANCE_YOUR_CALM = 0, 1, 4, 5, 8, 11
INITIAL_WINDOW_SIZE = frames.SettingsFrame.INITIAL_WINDOW_SIZE


class Others:
    """Another client, which has to get all of its answers meanwhile; and bounded memory of the worker."""

    def __init__(self, gateway, grow=32):
        self.gateway, self.memory, self.over = gateway, Memory(gateway, grow), threading.Event()
        self.served, self.fault = 0, None

    def _run(self):
        try:
            with H2Client(self.gateway.address) as client:
                while not self.over.is_set() or self.served == 0:
                    assert client.answer(client.request(f"job.{DOMAIN}", "wrong")).status == 401
                    self.served += 1
        except (AssertionError, OSError, Closed) as error:
            self.fault = repr(error)

    def __enter__(self):
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        self.memory.__enter__()
        return self

    def look(self):
        self.memory.look()
        count = self.served
        eventually(lambda: self.served > count or self.fault, "the other client to be served")

    def __exit__(self, *exc):
        self.over.set()
        self.thread.join()
        self.memory.__exit__(*exc)
        if exc[0] is None:
            assert self.fault is None and self.served > 0, self.fault


@pytest.fixture(scope="module")
def gateway(module_gateways):
    """Short time-outs."""
    return module_gateways.start({
        "limits": {"body_rate_min": 100_000},
        "timeouts": {"head": "1500ms", "body": "1200ms", "answer": "1500ms", "linger": "500ms"}})


@pytest.fixture
def scene(gateway, records):
    scene = Scene(gateway, records)
    yield scene
    scene.close()


@pytest.fixture
def client(gateway):
    with H2Client(gateway.address) as client:
        client.until(lambda: client.settings)
        yield client


def send_until_closed(client, data, times):
    """Reads nothing meanwhile. Returns whether the gateway closed."""
    try:
        for _ in range(times):
            client.send_bytes(data)
    except OSError:
        return True
    return False


def raw(kind, flags, stream, payload=b""):
    return struct.pack(">HBBBL", len(payload) >> 8, len(payload) & 255, TYPES.get(kind, 0x42), flags, stream) + payload


# ---- frames that carry nothing ----

@pytest.mark.parametrize("flood", [
    raw("WINDOW_UPDATE", 0, 1, b"\0\0\0\1"), raw("PRIORITY", 0, 3, b"\0\0\0\0\x10"), raw("RST_STREAM", 0, 1, b"\0\0\0\x08"),
    raw("SETTINGS", 1, 0), raw("PING", 1, 0, bytes(8)), raw("not known", 0, 0, bytes(100)), raw("DATA", 0, 3)],
    ids=["window_update", "priority", "rst_stream", "settings_ack", "ping_ack", "unknown", "data"])
def test_frames_that_need_no_answer(scene, gateway, client, flood):
    """Of what comes in a minute, 8 MiB may be without payload."""
    assert client.answer(client.request(scene.host, "wrong")).status == 401
    open_stream = client.take_id()
    client.send(client.headers(open_stream, client.head(scene.host, scene.token, "POST"), end=False))
    scene.backend.next().read_head()
    with Others(gateway) as others:
        piece = flood * (1 << 16)
        send_until_closed(client, piece, (9 << 20) // len(piece) + 2)
        others.look()
        assert client.read_to_end()[1] == ENHANCE_YOUR_CALM


@pytest.mark.parametrize("flood", [raw("SETTINGS", 0, 0), raw("PING", 0, 0, bytes(8))], ids=["settings", "ping"])
def test_answers_to_frames_that_are_not_read(gateway, client, flood):
    """Nothing more is read from a client that does not read: it is its own socket that fills."""
    with Others(gateway) as others:
        client.sock.settimeout(1)
        try:
            for _ in range(1000):
                client.send_bytes(flood * 5000)
        except OSError:
            pass
        others.look()


class Reader(threading.Thread):
    """Reads all that comes, and keeps the end of it."""

    def __init__(self, sock):
        super().__init__()
        self.sock, self.last = sock, b""
        self.start()

    def run(self):
        try:
            while data := self.sock.recv(1 << 16):
                self.last = (self.last + data)[-200:]
        except OSError:
            pass  # a reset, after what was sent before


@pytest.mark.parametrize("flood", [raw("SETTINGS", 0, 0), raw("PING", 0, 0, bytes(8))], ids=["settings", "ping"])
def test_answers_to_frames_that_are_read(gateway, client, flood):
    """They are payload of neither side."""
    with Others(gateway) as others:
        reader = Reader(client.sock)
        assert send_until_closed(client, flood * 5000, (20 << 20) // len(flood * 5000))
        others.look()
        reader.join()
    assert raw("GOAWAY", 0, 0, struct.pack(">LL", 0, ENHANCE_YOUR_CALM))[3:] in reader.last  # a text follows, which its length counts


def test_empty_continuation(scene, gateway, client):
    head = client.headers(1, client.head(scene.host, scene.token), flags=())
    client.send_bytes(head.serialize() + raw("CONTINUATION", 0, 1))
    assert client.read_to_end()[1] == ENHANCE_YOUR_CALM


def test_continuations_without_end(scene, gateway, client):
    """A block may have 8 of them, whatever they carry."""
    head = client.headers(1, client.head(scene.host, scene.token), flags=())
    with Others(gateway) as others:
        send_until_closed(client, head.serialize(), 1)
        send_until_closed(client, raw("CONTINUATION", 0, 1, b"\0\1x\1y" * 200) * 100, 100)
        others.look()
        assert client.read_to_end()[1] == ENHANCE_YOUR_CALM
    scene.untouched()


def test_unfinished_blocks(scene, gateway):
    """Blocks that do not end, on many connections: each keeps 48 KiB at most, until timeouts.head."""
    clients = [H2Client(gateway.address) for _ in range(100)]
    with Others(gateway, 64) as others:
        for client in clients:
            client.until(lambda: client.settings)  # within a block nothing else may be sent
        for client in clients:
            frame = client.headers(1, client.head(scene.host, scene.token), flags=())
            client.send_bytes(frame.serialize() + raw("CONTINUATION", 0, 1, b"\0\1x\x7f\x81\xff\x07" + bytes(16_000)) +
                              raw("CONTINUATION", 0, 1, bytes(16_384)) * 6)
        others.look()
        for client in clients:
            assert client.read_to_end() == (0, NO_ERROR)
    for client in clients:
        client.close()


def test_hpack_bomb(scene, gateway, client):
    """A field of 4,000 bytes enters the table; each further byte names it once more."""
    bomb = b"\x40\x01x\x7f\xa1\x1e" + b"v" * 4000 + b"\xbe" * 10_000
    with Others(gateway) as others:
        for i in range(50):
            stream = client.take_id()
            client.send_bytes(raw("HEADERS", 5, stream, b"\x82\x86\x84" + bomb))
            assert client.answer(stream).status == 431
        others.look()
    scene.untouched()


# ---- resets ----

def test_rapid_reset(scene, gateway, client):
    with Others(gateway) as others:
        for _ in range(150):
            stream = client.take_id()
            client.send(client.headers(stream, client.head(scene.host, scene.token), end=False), frames.RstStreamFrame(stream, CANCEL))
        assert client.read_to_end()[1] == ENHANCE_YOUR_CALM
        others.look()


PROVOKED = {
    "window_update": lambda client, stream: raw("WINDOW_UPDATE", 0, stream, bytes(4)),
    "window": lambda client, stream: raw("WINDOW_UPDATE", 0, stream, b"\x7f\xff\xff\xff"),
    "length": lambda client, stream: raw("DATA", 1, stream, b"too much"),
    "headers": lambda client, stream: client.headers(stream, [("x", "1")], end=False).serialize(),
}


def provoke(client, scene, provoked, times):
    for _ in range(times):
        stream = client.take_id()
        head = client.head(scene.host, scene.token, "POST", fields=[("content-length", "3")])
        client.send_bytes(client.headers(stream, head, end=False).serialize() + PROVOKED[provoked](client, stream))


@pytest.mark.parametrize("provoked", PROVOKED)
def test_resets_that_a_client_provokes(scene, gateway, client, provoked):
    """MadeYouReset: the gateway's own RST_STREAM is one, too."""
    with Others(gateway) as others:
        try:
            provoke(client, scene, provoked, 300)
        except OSError:
            pass
        assert client.read_to_end()[1] == ENHANCE_YOUR_CALM
        others.look()


def test_a_trusted_proxy_has_no_budget_of_resets(gateways, records):
    """Its connection carries many users: none of them ends it for all."""
    gateway = gateways.start({"backends": {"trusted_proxies": ["127.0.0.1"]}})
    scene = Scene(gateway, records)
    with H2Client(gateway.address) as client:
        for _ in range(3):
            provoke(client, scene, "window_update", 100)
            client.send_ping_and_wait()
        stream = client.request(scene.host, "wrong")
        assert client.answer(stream).status == 401
        client.send(client.headers(stream, client.head(scene.host, "wrong")))  # it has ended
        assert client.answer(client.request(scene.host, "wrong")).status == 401
        assert client.goaway is None
    scene.close()


# ---- streams ----

def test_streams_that_are_being_authorized(gateways, make_folder):
    """While the store does not answer, a connection without a valid token has at most 8 requests."""
    server = RedisServer(make_folder("redis")).start()
    try:
        gateway = gateways.start({
            "store": {"lookup_timeout": "60s", "max_staleness": "60s", "ping_deadline": "30s"}},
            store_url=server.url)
        scene = Scene(gateway, Records(server.client))
        server.freeze()
        with H2Client(gateway.address) as client:
            streams = [client.request(scene.host, scene.token, "HEAD", path=f"/{i}") for i in range(50)]
            eventually(lambda: gateway.metrics()["jobgate_requests_total"] == 8, "as many requests as may wait")
            with H2Client(gateway.address) as other:
                other.request(scene.host, scene.token)
                eventually(lambda: gateway.metrics()["jobgate_requests_total"] == 9, "another client's request")
            assert gateway.metrics()["jobgate_requests_total"] == 9
            server.thaw()
            for _ in streams:
                connection = scene.backend.next()
                connection.read_request()
                connection.answer(b"")
            for stream in streams:
                assert client.answer(stream).status == 200
        scene.close()
    finally:
        server.stop()


def test_streams_beyond_the_limit(scene, gateway, client):
    """Each of them is refused, and costs as much as a reset; those within the limit wait in the job."""
    for _ in range(100):
        client.request(scene.host, scene.token)
    connections = [scene.backend.next() for _ in range(100)]
    with Others(gateway) as others:
        try:
            for _ in range(1000):
                client.request(scene.host, scene.token)
        except OSError:
            pass
        others.look()
        assert client.read_to_end()[1] == ENHANCE_YOUR_CALM
    for connection in connections:
        connection.close()


def test_heads_that_are_not_read(scene, gateway):
    """Answers to HEAD need no window."""
    with Others(gateway) as others, H2Client(gateway.address) as client:
        client.sock.settimeout(1)
        try:
            for _ in range(20_000):
                client.request(scene.host, "wrong", "HEAD")
        except OSError:
            pass
        others.look()


# ---- slow clients ----

def test_slow_uploads(scene, gateway, client):
    """A byte now and then is less than limits.body_rate_min."""
    streams = [client.request(scene.host, scene.token, "POST", body=b"x", end=False) for _ in range(20)]
    connections = [scene.backend.next() for _ in streams]
    with Others(gateway) as others:
        late = set(streams)
        while late:
            for stream in late:
                client.send(client.data(stream, b"x"))
            client.send_ping_and_wait()
            late = {stream for stream in late if client.answers.get(stream) is None or client.answers[stream].reset is None}
        others.look()
    for stream in streams:
        assert (client.answers[stream].status, client.answers[stream].reset) == (408, NO_ERROR)
    for connection in connections:
        connection.close()


@pytest.mark.parametrize("own", [True, False], ids=["local_reply", "job"])
def test_windows_that_stay_closed(scene, gateway, own):
    """A client that gives no window for its answers loses them after timeouts.answer, and not its connection."""
    with Others(gateway) as others, H2Client(gateway.address, settings={INITIAL_WINDOW_SIZE: 0}) as client:
        streams = [client.request(scene.host, "wrong" if own else scene.token) for _ in range(50)]
        if not own:
            for _ in streams:
                connection = scene.backend.next()
                connection.read_request()
                connection.answer(b"x" * 1000)
        for stream in streams:
            assert client.answer(stream).reset == CANCEL
            assert client.answers[stream].body == b""
        others.look()
        client.send(frames.SettingsFrame(settings={INITIAL_WINDOW_SIZE: 65_535}))
        assert b"Invalid" in client.answer(client.request(scene.host, "wrong")).body


def test_settings_that_are_not_acknowledged(gateway):
    """They have to be within 10 s."""
    with Others(gateway), H2Client(gateway.address, preface=False) as client:
        client._note = lambda frame: setattr(client, "goaway", frame.error_code) if isinstance(frame, frames.GoAwayFrame) else None
        client.send_bytes(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + raw("SETTINGS", 0, 0))
        assert client.read_to_end() == SETTINGS_TIMEOUT
