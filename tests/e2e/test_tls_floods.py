"""Handshakes that do not end, come in floods, or are followed by anything but requests: bounded, and others are served."""

import contextlib
import socket
import ssl
import subprocess

import pytest

from harness.gateway import DOMAIN
from harness.process import eventually
from harness.raw import Client, Closed
from harness.scene import request_bytes
from harness.secure import TlsSocket


@pytest.fixture(scope="module")
def gateway(module_gateways, authority, certificate):
    """Patient with handshakes for two seconds, and with sixteen of them at a time."""
    gateway = module_gateways.make({"timeouts": {"handshake": "2s"}, "limits": {"handshakes": 16, "connections_per_client": 0}})
    return gateway.secure(authority.context(), [certificate], hsts="max-age=31536000").start()


def served(gateway):
    with gateway.tls_client() as client:
        return client.exchange(request_bytes(f"x.{DOMAIN}")).status == 401


def hello(gateway):
    """The first flight of a client."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        gateway.context.wrap_bio(incoming, outgoing, server_hostname=f"x.{DOMAIN}").do_handshake()
    return outgoing.read()


@pytest.mark.parametrize("data", ["nothing", "a byte", "half a hello", "a whole one"])
def test_slow_handshakes(gateway, data):
    """Who does not finish is cut off when its time is over, whether it drips or not."""
    first = hello(gateway)
    data = {"nothing": b"", "a byte": b"\x16", "half a hello": first[:len(first) // 2], "a whole one": first}[data]
    with Client(("127.0.0.1", gateway.tls_port)) as client:
        client.send(data)
        assert not client.sock.recv(1) if data != first else client.read_to_end()
    assert served(gateway)


def test_flood(gateway):
    """More unfinished handshakes than the limit: the rest is refused, requests that run go on, and later all is well."""
    gauge = "jobgate_tls_handshakes"
    refused = 'jobgate_connections_refused_total{reason="handshakes"}'
    eventually(lambda: gateway.metrics()[gauge] == 0, "earlier handshakes to end")
    before = gateway.metrics()[refused]
    with gateway.tls_client() as running:
        assert running.exchange(request_bytes(f"x.{DOMAIN}")).status == 401
        flood = [Client(("127.0.0.1", gateway.tls_port)) for _ in range(40)]
        eventually(lambda: gateway.metrics()[refused] >= before + 24, "those over the limit to be refused")
        assert gateway.metrics()[gauge] <= 16
        assert running.exchange(request_bytes(f"x.{DOMAIN}")).status == 401
    for client in flood:
        client.close()
    eventually(lambda: gateway.metrics()[gauge] == 0, "the handshakes to end")
    assert served(gateway)


def test_handshakes_give_way(module_gateways, authority, certificate):
    """All places are taken by clients that do not continue their handshake: the oldest makes room long before its time is over."""
    gateway = module_gateways.make({"timeouts": {"handshake": "1h"}, "limits": {"handshakes": 8, "connections_per_client": 0}})
    gateway.secure(authority.context(), [certificate]).start()
    flood = [Client(("127.0.0.1", gateway.tls_port)) for _ in range(8)]
    eventually(lambda: gateway.metrics()["jobgate_tls_handshakes"] == 8, "the flood to be there")

    def gets_in():
        try:
            return served(gateway)
        except (Closed, OSError):
            return False  # they are left in peace for a while
    for _ in range(8):
        eventually(gets_in, "a handshake to give way", pause=0.05)
    metrics = gateway.metrics()
    assert 1 <= metrics["jobgate_connections_evicted_total"] <= 8
    assert metrics["jobgate_tls_handshakes"] == 8 - metrics["jobgate_connections_evicted_total"]
    flood[0].ended()
    for client in flood:
        client.close()
    eventually(lambda: gateway.metrics()["jobgate_tls_handshakes"] == 0, "the handshakes to end")


def test_one_address_has_a_part_of_the_handshakes(module_gateways, authority, certificate):
    """However many it begins, and however fast: others begin theirs."""
    gateway = module_gateways.make({"limits": {"handshakes": 16, "connections_per_client": 100}})
    gateway.secure(authority.context(), [certificate]).start()
    flood = [Client(("127.0.0.1", gateway.tls_port)) for _ in range(40)]
    refused = 'jobgate_connections_refused_total{reason="client_limit"}'
    eventually(lambda: gateway.metrics()[refused] >= 36, "those beyond its part to be refused")
    assert gateway.metrics()["jobgate_tls_handshakes"] <= 4
    with gateway.tls_client(source="127.0.0.2") as client:
        assert client.exchange(request_bytes(f"x.{DOMAIN}")).status == 401
    for client in flood:
        client.close()
    eventually(lambda: gateway.metrics()["jobgate_tls_handshakes"] == 0, "the handshakes to end")
    assert served(gateway)


def test_handshakes_at_once(module_gateways, authority, certificate):
    """A hundred hellos in one turn of the loop: all are served, a few in each."""
    gateway = module_gateways.make().secure(authority.context(), [certificate]).start()
    sockets = []
    for _ in range(100):
        raw = socket.create_connection(("127.0.0.1", gateway.tls_port))
        raw.settimeout(30)
        tls = TlsSocket(raw, gateway.context, f"x.{DOMAIN}", handshake=False)
        with pytest.raises(ssl.SSLWantReadError):
            tls.tls.do_handshake()
        sockets.append(tls)
    for tls in sockets:
        tls._flush()
    for tls in sockets:
        tls._until_done(tls.tls.do_handshake)
        tls.sendall(request_bytes(f"x.{DOMAIN}"))
    for tls in sockets:
        assert tls.recv(12) == b"HTTP/1.1 401"
        tls.close()


def s_client(gateway, commands, *words):
    """Let openssl's client loose, with commands such as K (key update) and R (renegotiate)."""
    return subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{gateway.tls_port}", "-servername", f"x.{DOMAIN}", *words],
        input=commands, capture_output=True, timeout=60)


def test_renegotiation_is_refused(gateway):
    done = s_client(gateway, b"R\n", "-tls1_2")
    assert b"Secure Renegotiation IS supported" in done.stdout
    assert b"no renegotiation" in done.stderr or b"NO_RENEGOTIATION" in done.stderr.upper(), done.stderr[-500:]
    assert served(gateway)


def test_key_updates(gateway):
    """Both sides' keys change in the middle of things, and requests go on."""
    argv = ["openssl", "s_client", "-connect", f"127.0.0.1:{gateway.tls_port}", "-servername", f"x.{DOMAIN}", "-tls1_3", "-crlf"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as client:
        def until(mark):
            seen = b""
            while mark not in seen:
                piece = client.stdout.read1(65536)
                assert piece, seen
                seen += piece
        until(b"Verify return code")
        for _ in range(3):
            client.stdin.write(b"K\n")
            client.stdin.flush()
            until(b"KEYUPDATE")
            client.stdin.write(f"GET / HTTP/1.1\nHost: x.{DOMAIN}\n\n".encode())
            client.stdin.flush()
            until(b"HTTP/1.1 401 ")
        client.stdin.close()
        client.kill()
    assert served(gateway)


def test_key_updates_without_end(gateway):
    """Each costs us far more than its sender: who has had a few dozens of them, and sent nothing, is cut off."""
    argv = ["openssl", "s_client", "-connect", f"127.0.0.1:{gateway.tls_port}", "-servername", f"x.{DOMAIN}", "-tls1_3"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as client:
        seen, updates = b"", 0
        try:
            while updates < 5000 and (piece := client.stdout.read1(65536)):
                seen += piece
                if b"Verify return code" in seen and seen.count(b"KEYUPDATE") == updates:
                    updates += 1
                    client.stdin.write(b"K\n")
                    client.stdin.flush()
        except BrokenPipeError:
            pass
        with contextlib.suppress(BrokenPipeError):  # what could not be written is still in its buffer
            client.stdin.close()
        client.kill()
    assert 32 < updates < 5000
    assert served(gateway)
