"""What a listener is for: redirects to https, PROXY headers from trusted peers, HSTS."""

import socket
import ssl
import struct

import pytest

from harness.gateway import DOMAIN
from harness.pki import Authority
from harness.process import eventually, free_port
from harness.raw import Client, Closed
from harness.scene import Scene, request_bytes
from harness.secure import TlsSocket

HSTS = "max-age=31536000; includeSubDomains"
V2 = b"\r\n\r\n\0\r\nQUIT\n"


@pytest.fixture(scope="module")
def authority(make_folder):
    return Authority(make_folder("pki"), "ours")


@pytest.fixture(scope="module")
def listeners(module_gateways, authority):
    """One gateway with a door of each kind; loopback 127.0.0.1 is a trusted proxy, 127.0.0.2 is not."""
    certificate = authority.issue("jobs", "serverAuth", [f"DNS:*.{DOMAIN}"])
    gateway = module_gateways.make({"backends": {"trusted_proxies": ["127.0.0.1"]}})
    gateway.secure(authority.context(), [certificate], hsts=HSTS)
    gateway.ports = {word: free_port() for word in ("redirect", "proxied", "tls proxied")}
    gateway.config["listen"] += [f"127.0.0.1:{port} {word}" for word, port in gateway.ports.items()]
    gateway.start()
    gateway.context = None
    gateway.authority = authority
    return gateway


@pytest.fixture
def scene(listeners, scene_of):
    return scene_of(listeners)


def connect(gateway, word, source=None):
    return Client(("127.0.0.1", gateway.ports[word]), source)


# ---- redirect ----

def redirected(gateway, request, method=None):
    with connect(gateway, "redirect") as client:
        response = client.exchange(request, method)
        assert response.field("strict-transport-security") is None, "not over http (RFC 6797 section 7.2)"
        return response


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS", "REPORT"])
def test_redirect(listeners, scene, method):
    """To the same URL, with method and content kept; a token is not read, let alone honoured."""
    for token in (None, scene.token, "nonsense"):
        request = request_bytes(f"x.{DOMAIN}:81", token, method, "/a/../b%20c?d=e&f", body=b"hello" if method == "POST" else None)
        response = redirected(listeners, request, method)
        assert response.status == 308
        assert response.field("location") == f"https://x.{DOMAIN}:{listeners.tls_port}/b%20c?d=e&f"
    assert scene.backend.untouched()


def test_redirect_keeps_the_connection(listeners):
    with connect(listeners, "redirect") as client:
        for number in range(3):
            response = client.exchange(request_bytes(f"x.{DOMAIN}", path=f"/{number}", method="POST", body=b"x" * 1000))
            assert response.status == 308 and response.field("location").endswith(f"/{number}")


def test_no_redirect_without_a_url(listeners):
    assert redirected(listeners, b"GET / HTTP/1.0\r\n\r\n").status == 400
    assert redirected(listeners, b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "OPTIONS").status == 400
    assert redirected(listeners, b"GET / HTTP/1.1\r\nHost: x@y\r\n\r\n").status == 400
    assert redirected(listeners, b"CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n", "CONNECT").status == 405
    assert redirected(listeners, b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: y\r\n\r\n").status == 400


def test_redirect_is_counted(listeners):
    before = listeners.metrics()['jobgate_exchanges_total{outcome="redirected"}']
    redirected(listeners, request_bytes(f"x.{DOMAIN}"))
    eventually(lambda: listeners.metrics()['jobgate_exchanges_total{outcome="redirected"}'] == before + 1, "the redirect to be counted")


# ---- HSTS ----

def test_hsts(listeners, scene):
    """On every answer over TLS, the backend's and our own, before any that a backend sends."""
    client = listeners.tls_client(context=listeners.authority.context())
    scene.clients.append(client)
    assert client.exchange(request_bytes(f"x.{DOMAIN}")).all("strict-transport-security") == [HSTS]
    client.send(scene.request())
    connection = scene.backend.next()
    connection.read_request()
    connection.answer(fields=["Strict-Transport-Security: max-age=1"])
    assert client.read_response().all("strict-transport-security")[0] == HSTS
    with listeners.client() as plain:
        assert plain.exchange(request_bytes(f"x.{DOMAIN}")).field("strict-transport-security") is None


# ---- PROXY ----

def v2(command=1, family=0x11, addresses=socket.inet_aton("192.0.2.7") + socket.inet_aton("192.0.2.8") + struct.pack(">HH", 4711, 443), more=b""):
    return V2 + struct.pack(">BBH", 0x20 | command, family, len(addresses) + len(more)) + addresses + more


V6 = socket.inet_pton(socket.AF_INET6, "2001:db8::7") + socket.inet_pton(socket.AF_INET6, "::1") + struct.pack(">HH", 4711, 443)
HEADERS = {
    "line": (b"PROXY TCP4 192.0.2.7 192.0.2.8 4711 443\r\n", "192.0.2.7"),
    "line of IPv6": (b"PROXY TCP6 2001:db8::7 ::1 4711 443\r\n", "2001:db8::7"),
    "line without a client": (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
    "binary": (v2(), "192.0.2.7"),
    "binary of IPv6": (v2(family=0x21, addresses=V6), "2001:db8::7"),
    "binary with extensions": (v2(more=b"\x01\0\x02h2\xe0\0\0"), "192.0.2.7"),
    "binary of the proxy's own": (v2(0, 0, b""), "127.0.0.1"),
}


@pytest.mark.parametrize("header, address", HEADERS.values(), ids=HEADERS.keys())
@pytest.mark.parametrize("pieces", [False, True], ids=["at once", "byte by byte"])
def test_proxied(listeners, scene, header, address, pieces):
    """The client that the proxy speaks for is the peer, and its X-Forwarded-For does not count."""
    client = connect(listeners, "proxied")
    scene.clients.append(client)
    data = header + scene.request(fields=["X-Forwarded-For: 6.6.6.6", "X-Request-Id: forged"])
    if pieces:
        client.send(*(bytes([byte]) for byte in data))
    else:
        client.send(data)
    connection = scene.backend.next()
    received = connection.read_request()
    assert received.field("x-forwarded-for") == address
    assert received.field("x-request-id") != "forged"
    connection.answer()
    assert client.read_response().status == 200
    scene.gateway.access_entry(job=scene.job, client=address)


def test_proxied_over_tls(listeners, scene):
    """The header comes first, in the clear, perhaps in one packet with the beginning of TLS."""
    client = connect(listeners, "tls proxied")
    scene.clients.append(client)
    tls = TlsSocket(client.sock, listeners.authority.context(), f"x.{DOMAIN}", handshake=False)
    with pytest.raises(ssl.SSLWantReadError):
        tls.tls.do_handshake()
    client.sock.sendall(v2() + tls.outgoing.read())
    tls._until_done(tls.tls.do_handshake)
    client.sock = tls
    client.send(scene.request())
    connection = scene.backend.next()
    received = connection.read_request()
    assert (received.field("x-forwarded-for"), received.field("x-forwarded-proto")) == ("192.0.2.7", "https")
    connection.answer()
    assert client.read_response().status == 200


def refusals(gateway, reason):
    return gateway.metrics()[f'jobgate_connections_refused_total{{reason="{reason}"}}']


@pytest.mark.parametrize("data", [
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"PROXY TCP4 192.0.2.7 192.0.2.8 4711\r\n", v2(family=0x12), v2(more=b"\1\0"), b"PROXY TCP4 " + b"1" * 200,
    b"\x16\x03\x01\0\x05hello"], ids=["none", "short", "UDP", "bad extension", "endless", "TLS"])
def test_bad_headers(listeners, data):
    """Nothing is served to who cannot introduce itself, and nothing said."""
    before = refusals(listeners, "bad_proxy_header")
    with connect(listeners, "proxied") as client:
        client.send(data)
        client.ended()
    eventually(lambda: refusals(listeners, "bad_proxy_header") == before + 1, "it to be counted")


def test_cut_header(listeners):
    with connect(listeners, "proxied") as client:
        client.send(b"PROXY TCP4 192.0")
        client.half_close()
        client.ended()


def test_from_others(listeners):
    """Who is no trusted proxy may say what it likes: it is not heard."""
    before = refusals(listeners, "not_trusted")
    with connect(listeners, "proxied", "127.0.0.2") as client:
        try:
            client.send(b"PROXY TCP4 192.0.2.7 192.0.2.8 4711 443\r\n" + request_bytes(f"x.{DOMAIN}"))
            assert client.read_to_end() == b""
        except (Closed, OSError):
            pass
    eventually(lambda: refusals(listeners, "not_trusted") == before + 1, "it to be counted")


def test_limits_are_the_clients(gateways, authority):
    """Of each address that a proxy speaks for, not of the proxy."""
    port = free_port()
    gateway = gateways.make({"backends": {"trusted_proxies": ["127.0.0.1"]}, "limits": {"connections_per_client": 2},
                             "timeouts": {"head": "300ms"}})
    gateway.config["listen"].append(f"127.0.0.1:{port} proxied")
    gateway.start()

    def arrive(address):
        client = Client(("127.0.0.1", port))
        client.send(b"PROXY TCP4 %s 192.0.2.8 4711 443\r\n" % address + request_bytes(f"x.{DOMAIN}"))
        return client
    kept = [arrive(b"192.0.2.1"), arrive(b"192.0.2.1"), arrive(b"192.0.2.2")]
    assert all(client.read_response().status == 401 for client in kept)
    with arrive(b"192.0.2.1") as client, pytest.raises(Exception):
        client.read_response()
    # And a proxy that says nothing at all is not waited for.
    with Client(("127.0.0.1", port)) as client:
        client.ended()
    for client in kept:
        client.close()


# ---- configurations ----

@pytest.mark.parametrize("settings, words", [
    ({"listen": [":8080 ssl"]}, "tls, redirect"), ({"listen": [":8080 tls tls"]}, "tls, redirect"), ({"listen": [":8443 tls"]}, "needs tls.certificates"),
    ({"listen": [":80 redirect"]}, "redirect needs"), ({"listen": [":80 redirect tls"], "tls": {"certificates": [{"certificate": "/x", "key": "/y"}]}}, "cannot be combined with tls"),
    ({"tls": {"certificates": [{"certificate": "/x", "key": "/y"}]}}, "no listener is for TLS"), ({"tls": {"certificates": [{"certificate": "/x"}]}}, "a certificate and a key"),
    ({"tls": {"certificates": [{"cert": "/x"}]}}, "expected certificate, key"), ({"tls": {"certificates": "/x"}}, "expected a list"),
    ({"tls": {"certificates": ["/x"]}}, "expected items"), ({"tls": {"min_version": "1.1"}}, "1.2 or 1.3"), ({"tls": {"hsts": "yes"}}, "max-age"),
    ({"tls": {"hsts": "max-age=1\r\nX: y"}}, "max-age"), ({"tls": {"client_certificates": "optional"}}, "needs tls.client_ca"),
    ({"backends": {"certificate": "/x"}}, "one needs the other"),
    ({"listen": [":1 tls"], "tls": {"certificates": [{"certificate": "/x", "key": "/y"}]}}, "/x: No such file"),
    ({"backends": {"ca_file": "/x"}}, "/x: no CA certificates")], ids=str)
def test_mistakes(make_folder, sanitizer, settings, words):
    from test_control_tls import run, binary, environment, json
    path = make_folder("check") / "jobgate.yaml"
    path.write_text(json.dumps(settings, indent=1))
    result = run([binary(), "check", "-c", path], environment(sanitizer))
    assert result.status == 1 and words in result.err, result
