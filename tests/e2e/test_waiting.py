"""Requests that wait for the store: a backend gets of them, byte for byte, what it gets of requests that did not have to wait."""

import re

import pytest

from harness.process import eventually, free_port
from harness.relay import FaultRelay
from harness.scene import Scene
from harness.store import Records, RedisServer

# No time-out of the store's runs out while the test holds its replies back.
PATIENT = {"max_staleness": "100s", "ping_interval": "20s", "ping_deadline": "60s", "lookup_timeout": "20s"}

WEBSOCKET = ["Connection: Upgrade, X-Hop", "Upgrade: websocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
             "Sec-WebSocket-Version: 13", "X-Hop: 1"]
PROXIED = ["X-Forwarded-For: 192.0.2.9", "Forwarded: for=192.0.2.9", "Via: 1.0 x", "X-Forwarded-Host: y", "X-Forwarded-Proto: https",
           "X-Forwarded-Prefix: /q/", "X-Mine: 1", "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate: a=b"]

# Name: request line, fields beside Host and Authorization, content, which records are unknown when it comes.
CASES = {
    "plain": ("GET / HTTP/1.1", [], b"", ("t", "j", "tj")),
    "a query": ("GET /a?b=%20c&d HTTP/1.1", [], b"", ("tj",)),
    "an empty query": ("GET /a? HTTP/1.1", [], b"", ("tj",)),
    "raw bytes in the path": ('GET /a"b{d}|^`/[x] HTTP/1.1', [], b"", ("tj",)),
    "dot segments": ("GET /x/../y/./z?w HTTP/1.1", [], b"", ("tj",)),
    "absolute form": ("GET http://{host}/abs?q HTTP/1.1", [], b"", ("tj",)),
    "OPTIONS of all": ("OPTIONS * HTTP/1.1", ["Max-Forwards: 7"], b"", ("tj",)),
    "HEAD": ("HEAD /h HTTP/1.1", [], b"", ("tj",)),
    "an extension method": ("PROPFIND /h HTTP/1.1", [], b"", ("tj",)),
    "HTTP/1.0": ("GET /h HTTP/1.0", [], b"", ("tj",)),
    "the path form": ("GET /jobs/{job}/p?q HTTP/1.1", ["Host: elsewhere.example:81"], b"", ("tj",)),
    "many fields": ("GET /m HTTP/1.1", [f"X-{i}: {'v' * (i % 37)}" for i in range(90)], b"", ("tj",)),
    "empty fields": ("GET /m HTTP/1.1", ["X-E:", "X-F: ", "Cookie:", "TE:", "Via:"], b"", ("tj",)),
    "a large head": ("GET /" + "p" * 7000 + "?" + "q" * 500 + " HTTP/1.1", [f"X-B{i}: {'b' * 1000}" for i in range(20)], b"",
                     ("t", "j", "tj")),
    "cookies": ("GET /c HTTP/1.1", ["Cookie: a=1; __Host-jobgate=zzz; b=2", "Cookie: c=3"], b"", ("tj",)),
    "hop-by-hop fields": ("GET /c HTTP/1.1", ["Connection: close, X-Hop", "X-Hop: 1", "Keep-Alive: 5", "TE: trailers, gzip"], b"",
                          ("tj",)),
    "another proxy's fields": ("GET /c HTTP/1.1", PROXIED, b"", ("tj",)),
    "content": ("POST /c HTTP/1.1", ["Content-Length: 5"], b"hello", ("tj",)),
    "no content": ("POST /c HTTP/1.1", ["Content-Length: 0"], b"", ("tj",)),
    "large content": ("PUT /c HTTP/1.1", ["Content-Length: 300000"], b"z" * 300000, ("tj",)),
    "chunks and trailers": ("POST /c HTTP/1.1", ["Transfer-Encoding: chunked", "Trailer: X-T"],
                            b"5\r\nhello\r\n3;e=1\r\nabc\r\n0\r\nX-T: 1\r\nX-U: 2\r\nX-Mine: 3\r\n\r\n", ("t", "j", "tj")),
    "WebSocket": ("GET /ws HTTP/1.1", WEBSOCKET, b"", ("t", "j", "tj")),
    "an unknown upgrade": ("GET /ws HTTP/1.1", ["Connection: Upgrade", "Upgrade: h2c"], b"", ("tj",)),
}


class World:
    """A gateway of one worker, whose replies from the store can be held back; and another job, whose records stay known."""

    def __init__(self, make_folder, gateways):
        self.server = RedisServer(make_folder("redis")).start()
        self.relay = FaultRelay(make_folder("relay"), self.server.port)
        self.records = Records(self.server.client)
        port = free_port()
        self.gateway = gateways.make({
            "listen": [f"127.0.0.1:{port}"], "workers": 1, "store": {**PATIENT, "url": f"redis://127.0.0.1:{self.relay.port}"},
            "backends": {"trusted_proxies": ["127.0.0.1"], "drop_fields": ["X-Mine"]}})
        self.gateway.port = port
        self.gateway.start()
        self.scene, self.other = Scene(self.gateway, self.records), Scene(self.gateway, self.records)
        for scene in (self.scene, self.other):
            scene.relay()

    def close(self):
        self.relay.say("pass")
        self.relay.stop()
        self.server.stop()

    def counted(self, name):
        return self.gateway.metrics()[name]

    def forget(self, what):
        """Have the gateway know that these records changed, and not how."""
        before = self.counted("jobgate_invalidations_total")
        client, scene = self.server.client, self.scene
        if "t" in what:
            client.hset(self.records.token_key(scene.token.id), "name", "test")
        if "j" in what:
            client.hset(self.records.job_key(scene.job), "created_at", "2024-01-01T00:00:00Z")
        eventually(lambda: self.counted("jobgate_invalidations_total") >= before + len(what), "the changes to be pushed")

    def make_noise(self):
        """Serve and refuse other requests of all shapes meanwhile: they overwrite all room that is used for one turn."""
        with self.gateway.client() as client:
            client.send(self.other.request("POST", "/" + "N" * 6000 + "/../|z", [f"X-Noise-{i}: {'n' * 300}" for i in range(60)],
                                           b"noise" * 100))
            connection = self.other.backend.next()
            connection.read_request()
            connection.answer(b"noise", fields=["X-N: " + "y" * 2000])
            assert client.read_response("POST").status == 200
        with self.gateway.client() as client:
            client.send(b"GET /" + b"B" * 3000 + b"/../x HTTP/1.1\r\nHost: a.example\r\nAuthorization: Bearer " + b"x" * 40 + b"\r\n\r\n")
            assert client.read_response().status == 401

    def play(self, name, unknown=""):
        """What the backend gets of this case: head, content, trailers; request ids apart."""
        line, fields, content, _ = CASES[name]
        scene, method = self.scene, line.split()[0]
        host = [] if any(field.startswith("Host:") for field in fields) else [f"Host: {scene.host}"]
        lines = [line.replace("{host}", scene.host).replace("{job}", scene.job), *host, f"Authorization: Bearer {scene.token.value}", *fields]
        if unknown:
            self.relay.say("hold", "data")
            self.forget(unknown)
        before = self.counted("jobgate_requests_total")
        try:
            with self.gateway.client() as client:
                client.send("\r\n".join(lines).encode() + b"\r\n\r\n" + content)
                if unknown:
                    eventually(lambda: self.counted("jobgate_requests_total") > before, "the request to be read")
                    self.make_noise()
                    assert client.silent() and scene.backend.untouched()
                    self.relay.say("pass")
                connection = scene.backend.next()
                got = connection.read_request()
                if name == "WebSocket":
                    connection.send(b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nhi")
                    assert client.read_head(upgrade=True).status == 101 and client.read(2) == b"hi"
                    client.send(b"abc")
                    assert connection.read(3) == b"abc"
                    connection.close()
                else:
                    connection.answer()
                    assert client.read_response(method).status == 200
        finally:
            self.relay.say("pass")
        return re.sub(rb"(?i)(x-request-id: )[^\r]*", rb"\1", got.head), got.body, got.trailers


@pytest.fixture(scope="module")
def world(make_folder, module_gateways):
    world = World(make_folder, module_gateways)
    yield world
    world.close()


@pytest.mark.parametrize("name", CASES)
def test_a_request_that_waits_reaches_the_backend_unchanged(world, name):
    at_once = world.play(name)
    for unknown in CASES[name][3]:
        assert world.play(name, unknown) == at_once
