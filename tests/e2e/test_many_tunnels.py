"""Many tunnels of many tokens: the renewal of a token ends exactly the tunnels of that token."""

import collections
import math
import multiprocessing
import resource
import select
import socket

import pytest

from harness import servers
from harness.process import PATIENCE, eventually
from harness.scene import request_bytes

UPGRADE = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: x"]
CLOSE_1008 = b"\x88\x19\x03\xf0access has been revoked"


@pytest.fixture(scope="module")
def tunnel_backend(make_folder):
    server = servers.hold_server(make_folder("hold"))
    yield server
    server.stop()


class Crowd:
    """Tunnels, this many of each token."""

    def __init__(self, gateway, records, backend_url, tokens, of_each):
        job = records.job(backend_url)
        self.tokens = [records.token() for _ in range(tokens)]
        self.open = {}  # descriptor -> socket, token
        self.poller = select.poll()
        for token in self.tokens:
            request = request_bytes(f"{job}.jobs.test", token, path="/hold/", fields=UPGRADE)
            for _ in range(of_each):
                sock = socket.create_connection(gateway.address, PATIENCE)
                sock.sendall(request)
                self.open[sock.fileno()] = sock, token
        for sock, _ in self.open.values():
            seen = b""
            while not seen.endswith(b"hello"):
                data = sock.recv(4096)
                assert data, seen
                seen += data
            assert seen.startswith(b"HTTP/1.1 101 "), seen
            self.poller.register(sock, select.POLLIN)

    def ended(self, patience):
        """Those that end now, by token; each must have been told why."""
        counts = collections.Counter()
        for fd, _ in self.poller.poll(patience * 1000):
            sock, token = self.open[fd]
            data = sock.recv(4096)
            if data:
                assert data == CLOSE_1008
                continue
            counts[token.id] += 1
            self.poller.unregister(fd)
            del self.open[fd]
            sock.close()
        return counts

    def close(self):
        for sock, _ in self.open.values():
            sock.close()


def renewals_cut_their_own(crowd, records, of_each, renewals):
    for token in crowd.tokens[:renewals]:
        records.renew(token)
        counts = collections.Counter()

        def all_ended(counts=counts):
            counts.update(crowd.ended(0.05))
            return sum(counts.values()) >= of_each
        eventually(all_ended, "all tunnels of the token to end")
        counts.update(crowd.ended(0.02))
        assert counts == {token.id: of_each}
    assert len(crowd.open) == (len(crowd.tokens) - renewals) * of_each
    assert not crowd.ended(0.2)


def test_renewal_cuts_exactly_its_own(gateways, records, tunnel_backend):
    gateway = gateways.start({"workers": 2, "limits": {"connections_per_client": 0}})
    crowd = Crowd(gateway, records, tunnel_backend.url, tokens=50, of_each=20)
    renewals_cut_their_own(crowd, records, of_each=20, renewals=5)
    crowd.close()


def holder(pipe, address, source, job_host, tokens, of_each):
    """A process of its own, for its descriptors: opens its share, reports what ended, tells how many are left."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    open_tunnels, poller = {}, select.poll()
    for token_id, value in tokens:
        request = request_bytes(job_host, value, path="/hold/", fields=UPGRADE)
        for _ in range(of_each):
            sock = socket.create_connection(address, PATIENCE, (source, 0))
            sock.sendall(request)
            seen = b""
            while not seen.endswith(b"hello"):
                seen += sock.recv(4096)
            open_tunnels[sock.fileno()] = sock, token_id
            poller.register(sock, select.POLLIN)
    pipe.send(len(open_tunnels))
    while pipe.recv() == "look":
        counts = collections.Counter()
        for fd, _ in poller.poll(0):
            sock, token_id = open_tunnels[fd]
            if sock.recv(4096) == b"":
                counts[token_id] += 1
                poller.unregister(fd)
                del open_tunnels[fd]
                sock.close()
        pipe.send((counts, len(open_tunnels)))


@pytest.mark.large
def test_fifty_thousand_tunnels(gateways, records, make_folder):
    """
    Fifty of each of a thousand tokens. Each tunnel takes two descriptors of a worker, one of a client and one of a backend:
    workers, clients and backends are as many processes as it takes for the hard limit of each. Each client has an address
    of its own, as one has only some 28,000 ports.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    tokens, of_each = 1000, 50
    processes = math.ceil(tokens * of_each * 2 / ((hard - 500) * 0.8))  # workers get unequal shares
    backends = [servers.hold_server(make_folder("hold")) for _ in range(processes)]
    jobs = [records.job(backend.url) for backend in backends]
    made = [records.token() for _ in range(tokens)]
    gateway = gateways.start({"workers": processes, "limits": {"connections": hard, "connections_per_client": 0}})
    pipes, children = [], []
    for index, job in enumerate(jobs):
        mine, theirs = multiprocessing.Pipe()
        own = [(token.id, token.value) for token in made[index::processes]]
        child = multiprocessing.Process(target=holder, daemon=True, args=(
            theirs, gateway.address, f"127.0.1.{index + 1}", f"{job}.jobs.test", own, of_each))
        child.start()
        pipes.append(mine)
        children.append(child)
    total = sum(pipe.recv() for pipe in pipes)
    assert total == tokens * of_each
    print(f"{total} tunnels of {tokens} tokens")
    for token in made[::97]:
        records.renew(token)
        ended, left = collections.Counter(), 0

        def look():
            nonlocal left
            left = 0
            for pipe in pipes:
                pipe.send("look")
                counts, open_now = pipe.recv()
                ended.update(counts)
                left += open_now
            return sum(ended.values()) >= of_each
        eventually(look, "all tunnels of the token to end")
        look()
        assert ended == {token.id: of_each}
        total -= of_each
        assert left == total
    for pipe, child in zip(pipes, children):
        pipe.send("end")
        child.join(PATIENCE)
    for backend in backends:
        backend.stop()
