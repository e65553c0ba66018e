"""TLS towards clients: the handshake, records, and the end of the stream."""

import socket
import ssl
import subprocess

import pytest

from harness.process import eventually
from harness.raw import Client, Closed, Cut
from harness.scene import request_bytes

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


@pytest.fixture(scope="module")
def gateway(module_gateways, authority, certificate):
    gateway = module_gateways.make().secure(authority.context(), [certificate])
    return gateway.start()


def test_requests(scene):
    """Kept alive, and the backend is told of https."""
    for _ in range(3):
        received = scene.relay("POST", body=b"x" * 100_000)
        assert received.body == b"x" * 100_000
        assert received.field("x-forwarded-proto") == "https"
        assert received.field("forwarded").endswith(";proto=https")


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_versions(gateway, authority, version):
    context = authority.context(minimum_version=version, maximum_version=version)
    with gateway.tls_client(context=context) as client:
        assert client.tls.version() == {TLS12: "TLSv1.2", TLS13: "TLSv1.3"}[version]
        assert client.exchange(request_bytes("x.jobs.test")).status == 401


def test_old_versions_are_refused(gateway, authority):
    old = authority.context()
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError):
        gateway.tls_client(context=old)


def test_weak_ciphers_are_refused(gateway, authority):
    """Without forward secrecy, or without authenticated encryption."""
    for ciphers in ["AES128-GCM-SHA256:AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES128-SHA256"]:
        context = authority.context(maximum_version=TLS12)
        context.set_ciphers(ciphers)
        with pytest.raises(ssl.SSLError):
            gateway.tls_client(context=context)


def test_protocols(gateway, authority):
    """ALPN: http/1.1 for those who ask, a refusal for those who speak nothing that we do. test_http2_tls.py has h2."""
    for offered, chosen in [([], None), (["http/1.1"], "http/1.1"), (["http/1.0", "acme-tls/1"], "http/1.0")]:
        context = authority.context()
        if offered:
            context.set_alpn_protocols(offered)
        with gateway.tls_client(context=context) as client:
            assert client.tls.selected_alpn_protocol() == chosen
            assert client.exchange(request_bytes("x.jobs.test")).status == 401
    context = authority.context()
    context.set_alpn_protocols(["acme-tls/1"])
    with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"):
        gateway.tls_client(context=context)


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_byte_by_byte(gateway, scene, authority, version):
    """Handshake and records in packets of one byte."""
    context = authority.context(minimum_version=version, maximum_version=version)
    with gateway.tls_client(context=context, piece=1) as client:
        client.send(scene.request("POST", body=b"hello" * 20))
        connection = scene.backend.next()
        assert connection.read_request().body == b"hello" * 20
        connection.answer()
        assert client.read_response().body == b"ok"


def test_many_records_in_one_packet(gateway, scene):
    """What OpenSSL has read and not handed out is no event: nothing may wait for one."""
    with gateway.tls_client() as client:
        tls = client.sock
        for piece in [scene.request("POST", fields=["Content-Length: 3000"]), *[b"%03d" % i for i in range(1000)]]:
            tls.tls.write(piece)
        tls._flush()
        connection = scene.backend.next()
        assert connection.read_request().body == b"".join(b"%03d" % i for i in range(1000))
        connection.answer()
        assert client.read_response().status == 200


def test_pipelined_requests_in_records_of_their_own(gateway, scene):
    with gateway.tls_client() as client:
        for number in range(40):  # more than one turn of the loop serves
            client.sock.tls.write(scene.request(path=f"/{number}"))
        client.sock._flush()
        for number in range(40):
            connection = scene.backend.next()
            assert connection.read_request().target == f"/{number}"
            connection.answer()
            assert client.read_response().status == 200


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_large_answer_to_a_slow_reader(scene, authority, version):
    """Partial writes: the kernel takes a record in part, and no byte is lost or sent twice."""
    body = bytes(i % 251 for i in range(251 * 64)) * 1200
    scene.gateway.context = authority.context(maximum_version=version)
    client, connection, _ = scene.arrive()
    scene.gateway.context = authority.context()
    rest = memoryview(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    connection.sock.setblocking(False)
    response, got, blocked = None, [], False
    while rest:
        try:
            rest = rest[connection.sock.send(rest[:1 << 20]):]
        except BlockingIOError:
            blocked = True
            response = response or client.read_head()
            for _ in range(20):
                got.append(client.read_piece())
    assert blocked, "everything fits into the buffers: the test shows nothing"
    while (piece := client.read_piece()) is not None:
        got.append(piece)
    assert b"".join(got) == body


def test_end_in_good_order(scene):
    """An answer that only the end of the connection ends has a close_notify behind it."""
    client, connection, _ = scene.arrive(version="1.0")
    connection.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it")
    connection.close()
    assert client.read_to_end().endswith(b"all of it")


def test_cut(scene):
    """One that is cut has none: the client can tell."""
    client, connection, _ = scene.arrive(version="1.0")
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nConnection: close\r\n\r\nsome of it")
    assert client.read_until(b"some of it")
    connection.close()
    with pytest.raises(Closed) as caught:
        client.read_to_end()
    assert caught.value.reset


def test_revocation_cuts_the_stream(scene):
    client, connection, _ = scene.arrive(version="1.0")
    connection.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nsome of it")
    assert client.read_until(b"some of it")
    scene.records.delete_token(scene.token)
    with pytest.raises(Closed) as caught:
        client.read_to_end()
    assert caught.value.reset
    connection.ended()


def test_truncated_request_is_not_complete(scene):
    """A stream that ends without close_notify ends no content."""
    client = scene.client
    client.send(scene.request("POST", fields=["Content-Length: 10"]) + b"hello")
    connection = scene.backend.next()
    connection.read_head()
    assert connection.read(5) == b"hello"
    client.sock.sock.shutdown(socket.SHUT_WR)
    connection.ended()


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x00\x05hello", b"\0" * 2000, b"\x80" * 20],
                         ids=["http", "record", "zeros", "sslv2"])
def test_plain_bytes(gateway, data):
    """Neither served nor left hanging."""
    with Client(("127.0.0.1", gateway.tls_port)) as client:
        client.send(data)
        try:
            assert b"HTTP" not in client.read_to_end()
        except Closed:
            pass


def test_garbage_after_the_handshake(gateway):
    with gateway.tls_client() as client:
        client.sock.sock.sendall(b"\x17\x03\x03\x00\x20" + b"x" * 32)
        with pytest.raises((Closed, ssl.SSLError)):
            client.read_some()


def test_curl_and_s_client(scene, authority):
    """The clients that everyone has."""
    request = ["curl", "-sS", "--cacert", authority.certificate, "--connect-to", f"::127.0.0.1:{scene.gateway.tls_port}",
               "-H", f"Authorization: Bearer {scene.token.value}", f"https://{scene.host}/"]
    with subprocess.Popen([str(word) for word in request], stdout=subprocess.PIPE) as curl:
        scene.backend.serve(b"by curl")
        assert curl.communicate(timeout=30)[0] == b"by curl"
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{scene.gateway.tls_port}", "-servername", scene.host, "-verify_return_error",
         "-CAfile", str(authority.certificate), "-quiet", "-ign_eof"],
        input=b"GET / HTTP/1.1\r\nHost: " + scene.host.encode() + b"\r\nConnection: close\r\n\r\n", capture_output=True, timeout=30)
    assert done.stdout.startswith(b"HTTP/1.1 401 "), done


def test_counted(gateway):
    before = gateway.metrics()
    with gateway.tls_client() as client:
        assert client.exchange(request_bytes("x.jobs.test")).status == 401
    with Client(("127.0.0.1", gateway.tls_port)) as client:
        client.send(b"x" * 100)
        try:
            client.read_to_end()
        except Closed:
            pass

    def check():
        now = gateway.metrics()
        return all(now[f"jobgate_tls_handshakes_{name}_total"] == before[f"jobgate_tls_handshakes_{name}_total"] + 1
                   for name in ("full", "failed")) and now["jobgate_tls_handshakes"] == 0
    eventually(check, "the handshakes to be counted")
