"""Sessions taken up again: by another worker, after a reload, at another gateway, and not when they should not be."""

import os
import signal
import socket
import ssl
import struct

import pytest

from harness.gateway import DOMAIN
from harness.pki import openssl
from harness.process import eventually
from harness.scene import request_bytes
from test_reload import reload

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
versions = pytest.mark.parametrize("version", [TLS12, TLS13])


@pytest.fixture
def start(gateways, authority, certificate):
    def call(settings=None, **tls):
        return gateways.make(settings).secure(authority.context(), [certificate], **tls).start()
    return call


def visit(gateway, context, session=None):
    """A connection with one request; (was the session taken up, the session to come back with)."""
    with gateway.tls_client(context=context, session=session) as client:
        assert client.exchange(request_bytes(f"x.{DOMAIN}")).status == 401
        return client.tls.session_reused, client.tls.session


def bounded(authority, version):
    return authority.context(minimum_version=version, maximum_version=version)


@versions
def test_by_another_worker(start, authority, version):
    gateway = start({"workers": 3})
    context = bounded(authority, version)
    resumed, session = visit(gateway, context)
    assert not resumed
    for _ in range(12):  # the kernel spreads them over the workers
        resumed, session = visit(gateway, context, session)
        assert resumed
    served = eventually(lambda: gateway.metrics()["jobgate_tls_handshakes_resumed_total"] == 12, "the handshakes to be counted")
    assert served


@versions
def test_after_a_reload(start, authority, version):
    gateway = start()
    context = bounded(authority, version)
    _, session = visit(gateway, context)
    for _ in range(2):
        reload(gateway)
        resumed, session = visit(gateway, context, session)
        assert resumed


@versions
def test_at_another_gateway(start, authority, make_folder, version):
    """Those who have the same secrets take each other's tickets, and secrets can be changed without a break."""
    folder = make_folder("secrets")
    files = [folder / "one", folder / "two"]
    old, new = (openssl("rand", "-base64", 48).stdout.decode() for _ in range(2))
    for file in files:
        file.write_text("# ours\n\n" + old)
    one, two = (start(ticket_secrets=str(file)) for file in files)
    context = bounded(authority, version)

    def between(first, second):
        return visit(second, context, visit(first, context)[1])[0]
    assert between(one, two) and between(two, one)
    files[0].write_text(old + new)
    reload(one)
    assert between(one, two) and between(two, one)
    files[1].write_text(new + old)
    reload(two)
    assert between(one, two) and between(two, one)
    for file, gateway in zip(files, (one, two)):
        file.write_text(new)
        reload(gateway)
    assert between(one, two) and between(two, one)
    # And what was made with the old one is of no use any more.
    third = folder / "three"
    third.write_text(old)
    assert not between(start(ticket_secrets=str(third)), one)


def test_strangers(start, authority):
    """Without common secrets each gateway takes its own alone."""
    one, two = start(), start()
    context = authority.context()
    _, session = visit(one, context)
    assert not visit(two, context, session)[0]
    assert visit(one, context, session)[0]


@versions
def test_keys_are_renewed(start, authority, version):
    """A ticket of long ago is not taken; its client has a whole handshake and the next ticket."""
    gateway = start(ticket_lifetime="1s")
    context = bounded(authority, version)
    resumed, session = visit(gateway, context)
    eventually(lambda: not visit(gateway, context, session)[0], "the keys to be renewed", pause=0.3)
    resumed, session = visit(gateway, context)
    assert not resumed and session


@pytest.mark.parametrize("text, words", [
    ("", "no secret"), ("# nothing\n", "no secret"), ("short\n", "32 to 256 bytes"), ("x" * 257 + "\n", "32 to 256 bytes"),
    (f"{'x' * 40}\n" * 5, "more than 4"), (None, "No such file")], ids=["empty", "comment", "short", "long", "many", "missing"])
def test_bad_secrets(gateways, authority, certificate, make_folder, text, words):
    path = make_folder("secrets") / "secrets"
    if text is not None:
        path.write_text(text)
    gateway = gateways.make().secure(authority.context(), [certificate], ticket_secrets=str(path)).launch()
    assert gateway.program.wait() == 1
    assert words in gateway.program.log() and str(path) in gateway.program.log()
    gateway.stop(signal.SIGKILL)


def test_a_reset_right_after_the_handshake(start, authority):
    """The reset is reported together with the client's last message, and nothing is sent after that: the connection ends all the same."""
    gateway = start({"timeouts": {"head": "10m"}})
    context = bounded(authority, TLS12)
    _, session = visit(gateway, context)
    eventually(lambda: gateway.metrics()["jobgate_connections"] == 0, "the first connection to end")
    came, goes = ssl.MemoryBIO(), ssl.MemoryBIO()
    end = context.wrap_bio(came, goes, server_hostname=f"job.{DOMAIN}", session=session)
    with socket.create_connection(("127.0.0.1", gateway.tls_port)) as sock:
        for _ in range(10):
            try:
                end.do_handshake()
                break
            except ssl.SSLWantReadError:
                sock.sendall(goes.read())
                came.write(sock.recv(65536))
        assert end.session_reused
        worker = gateway.workers()[0]
        os.kill(worker, signal.SIGSTOP)  # both are there when it looks
        sock.sendall(goes.read())
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.kill(worker, signal.SIGCONT)
    eventually(lambda: gateway.metrics()["jobgate_connections"] == 0, "the connection to end")
