"""HTTP/2 over TLS: what RFC 9113 section 9.2 asks of the connection below."""

import base64
import socket
import ssl
import subprocess

import pytest
from hyperframe import frame as frames

from harness.gateway import DOMAIN
from harness.h2 import PREFACE, H2Client
from harness.process import PATIENCE
from harness.scene import Scene, request_bytes

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


@pytest.fixture(scope="module")
def gateway(module_gateways, authority, certificate):
    return module_gateways.make().secure(authority.context(), [certificate]).start()


@pytest.fixture
def connect(gateway, authority):
    """Connections over TLS that offer h2; ssl.SSLError: the handshake failed."""
    sockets = []

    def connect(ciphers=None, protocols=("h2", "http/1.1"), server=f"x.{DOMAIN}", **bounds):
        context = authority.context(**bounds)
        if ciphers:
            context.set_ciphers(ciphers)
        if protocols:
            context.set_alpn_protocols(list(protocols))
        sock = socket.create_connection(("127.0.0.1", gateway.tls_port), timeout=PATIENCE)
        sockets.append(sock)
        sockets.append(context.wrap_socket(sock, server_hostname=server))
        return sockets[-1]
    yield connect
    for sock in sockets:
        sock.close()


def refused_by_http2(cipher):
    """Whether appendix A of RFC 9113 has this cipher suite of TLS 1.2: no ephemeral key exchange, or no AEAD."""
    return not (cipher["aead"] and cipher["kea"] in ("kx-ecdhe", "kx-dhe"))


def ciphers_of_tls12():
    """All that OpenSSL can be made to offer."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    return [cipher for cipher in context.get_ciphers() if cipher["protocol"] != "TLSv1.3"]


def test_each_cipher(connect):
    """Those of appendix A are not spoken at all; of the others, those that our certificate allows lead to h2."""
    ciphers = ciphers_of_tls12()
    bad = [cipher["name"] for cipher in ciphers if refused_by_http2(cipher)]
    good = [cipher["name"] for cipher in ciphers if not refused_by_http2(cipher)]
    assert {"AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA"} <= set(bad) and len(bad) > 50
    for name in bad:
        with pytest.raises(ssl.SSLError):
            connect(f"{name}:@SECLEVEL=0", maximum_version=TLS12)
    for name in ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305"]:
        assert name in good
        sock = connect(f"{name}:@SECLEVEL=0", maximum_version=TLS12)
        assert (sock.cipher()[0], sock.selected_alpn_protocol()) == (name, "h2")
    # A client that prefers the bad ones gets a good one.
    sock = connect(":".join(bad + good) + ":@SECLEVEL=0", maximum_version=TLS12)
    assert sock.cipher()[0] in good and sock.selected_alpn_protocol() == "h2"


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_versions(connect, version):
    with H2Client(None, sock=connect(minimum_version=version, maximum_version=version)) as client:
        assert client.sock.selected_alpn_protocol() == "h2"
        assert client.answer(client.request(f"x.{DOMAIN}", "wrong")).status == 401


def test_old_versions(connect):
    with pytest.warns(DeprecationWarning), pytest.raises(ssl.SSLError):
        connect("ALL:@SECLEVEL=0", minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1)


def test_protocols(connect):
    """The gateway's choice is h2 where it is offered, in whatever order."""
    for offered, chosen in [(["http/1.1", "h2"], "h2"), (["h2"], "h2"), (["h2", "acme-tls/1"], "h2"), (["http/1.1"], "http/1.1"),
                            (["http/1.0"], "http/1.0"), ([], None)]:
        assert connect(protocols=offered).selected_alpn_protocol() == chosen
    with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"):
        connect(protocols=["acme-tls/1"])


@pytest.mark.parametrize("protocols", [["http/1.1"], []])
def test_only_alpn_leads_to_http2(connect, protocols):
    """Without it, the preface is a request of HTTP/1 that is not valid (section 3.2)."""
    sock = connect(protocols=protocols)
    sock.sendall(PREFACE)
    assert sock.recv(12) in (b"HTTP/1.1 400", b"HTTP/1.1 505")


def test_switched_off(module_gateways, authority, certificate):
    gateway = module_gateways.make({"http2": {"clients": False}}).secure(authority.context(), [certificate]).start()
    context = authority.context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    with gateway.tls_client(context=context) as client:
        assert client.tls.selected_alpn_protocol() == "http/1.1"
        assert client.exchange(request_bytes(f"x.{DOMAIN}")).status == 401
    context.set_alpn_protocols(["h2"])
    with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"):
        gateway.tls_client(context=context)
    with gateway.client() as client:
        client.send(PREFACE)
        assert client.read_response().status == 505


def test_http1_after_h2_was_chosen(connect):
    """That is no preface: GOAWAY, and the request is not served."""
    sock = connect()
    sock.sendall(request_bytes(f"x.{DOMAIN}"))
    with H2Client(None, sock=sock, preface=False) as client:
        assert client.read_to_end() == (0, 1)


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_what_openssl_tells(gateway, version):
    """No compression."""
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{gateway.tls_port}", "-servername", f"x.{DOMAIN}", "-alpn", "h2", "-comp", version],
        input=b"", capture_output=True, timeout=60)
    assert b"ALPN protocol: h2" in done.stdout and b"Compression: NONE" in done.stdout


def test_no_renegotiation(gateway):
    """The client's attempt fails, also before it has sent its preface: it gets an alert, or before that our SETTINGS, which it does not expect."""
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{gateway.tls_port}", "-servername", f"x.{DOMAIN}", "-alpn", "h2", "-tls1_2"],
        input=b"R\n", capture_output=True, timeout=60)
    assert b"ALPN protocol: h2" in done.stdout
    assert any(text in done.stderr.lower() for text in (b"no renegotiation", b"no_renegotiation", b"unexpected record")), done.stderr[-500:]


# ---- early data (RFC 8446 section 2.3, RFC 8470): a request in it can be sent again by others ----

def session_that_allows_early_data(pem):
    """A session of OpenSSL, as which its server had allowed early data: SSL_SESSION's field 15 is added."""
    der = base64.b64decode("".join(pem.strip().splitlines()[1:-1]))
    assert der[:2] == b"\x30\x82"
    end, at = 4 + int.from_bytes(der[2:4], "big"), 4
    while at < end and der[at] < 0xaf:  # fields stand in the order of their numbers
        size, at = der[at + 1], at + 2
        if size > 0x80:
            size, at = int.from_bytes(der[at:at + size - 0x80], "big"), at + size - 0x80
        at += size
    assert at >= end or der[at] != 0xaf, "the gateway allows early data"
    content = der[4:at] + b"\xaf\x04\x02\x02\x40\x00" + der[at:end]  # 16384
    text = base64.encodebytes(b"\x30\x82" + len(content).to_bytes(2, "big") + content).decode()
    return f"-----BEGIN SSL SESSION PARAMETERS-----\n{text}-----END SSL SESSION PARAMETERS-----\n"


@pytest.mark.parametrize("protocol", ["h2", "http/1.1"])
def test_early_data(gateway, records, make_folder, protocol):
    """It is not offered, and a client that sends it all the same is served only what it sends after the handshake."""
    folder, scene = make_folder("early"), Scene(gateway, records)
    dial = ["openssl", "s_client", "-connect", f"127.0.0.1:{gateway.tls_port}", "-servername", f"x.{DOMAIN}", "-tls1_3", "-alpn", protocol]
    first = subprocess.run([*dial, "-sess_out", folder / "session", "-ign_eof"], input=request_bytes(scene.host, fields=["Connection: close"]),
                           capture_output=True, timeout=PATIENCE)
    assert b"Max Early Data: 0" in first.stdout
    (folder / "forged").write_text(session_that_allows_early_data((folder / "session").read_text()))
    if protocol == "h2":
        with H2Client(None, sock=socket.socket(), preface=False) as client:
            head = client.headers(1, client.head(scene.host, scene.token))
        request = PREFACE + frames.SettingsFrame().serialize() + head.serialize()
    else:
        request = request_bytes(scene.host, scene.token)
    (folder / "request").write_bytes(request)
    done = subprocess.run([*dial, "-sess_in", folder / "forged", "-early_data", folder / "request"], input=b"Q\n", capture_output=True,
                          timeout=PATIENCE)
    assert b"Early data was rejected" in done.stdout, done.stdout[-2000:]
    assert b"Reused, TLSv1.3" in done.stdout  # only the early data is refused
    scene.untouched()
    scene.close()


# ---- SNI names another host than the request ----

def test_names_of_other_hosts(gateway, connect, records):
    """The request's host alone decides, on its job and on who may use it: no 421, and nothing is gained."""
    named, other = Scene(gateway, records), Scene(gateway, records)
    scoped = records.token(selector="team=none")
    with H2Client(None, sock=connect(server=named.host)) as client:
        for scene in (other, named):
            stream = client.request(scene.host, scene.token)
            connection = scene.backend.next()
            assert connection.read_request().field("Host") == scene.host
            connection.answer()
            assert client.answer(stream).status == 200
        assert client.answer(client.request(other.host, scoped)).status == 403
        assert client.answer(client.request(other.host)).status == 401
        assert client.answer(client.request(f"none.{DOMAIN}", named.token)).status == 404
        assert client.answer(client.request("elsewhere.example", named.token)).status == 404
    for scene in (named, other):
        scene.untouched()
        scene.close()
