"""Very many exchanges lose access at once. They are cut in portions, so that others are served in between, but no byte of one passes once
the gateway has cut another one (auth/directory_tell.c)."""

import select

import pytest

from harness.h2 import H2Client
from harness.h2_backend import H2Backend
from harness.process import eventually
from harness.scene import Scene

CANCEL = 8
TOLD_MAX = 256  # auth/tuning.c
CLIENTS, STREAMS = 10, 90
assert CLIENTS * STREAMS > 3 * TOLD_MAX


@pytest.fixture
def gateway(gateways):
    return gateways.start({"http2": {"clients": True}, "workers": 1})


@pytest.fixture
def scene(gateway, records):
    scene = Scene(gateway, records, backend=H2Backend())
    yield scene
    scene.close()


def answer_all(backend, count):
    """Answer so many requests with 200 and a first piece of content, on as many connections as the gateway makes."""
    answered = 0
    while answered < count:
        if backend.is_called():
            backend.accept()
        ready, _, _ = select.select([backend.listener, *(c.sock for c in backend.connections)], [], [], 10)
        assert ready, f"{answered} of {count} requests have come"
        for connection in backend.connections:
            while connection.has_frame or connection.sock in select.select([connection.sock], [], [], 0)[0]:
                connection.read_frame()
            for stream in connection.waiting():
                connection.reply(stream, b"before", end=False)
                answered += 1


def test_no_byte_passes_after_the_first_cut(gateway, records, scene):
    token, other = records.token(), records.token()
    clients = [H2Client(gateway.address) for _ in range(CLIENTS)]
    try:
        streams = {client: [client.request(scene.host, token) for _ in range(STREAMS)] for client in clients}
        stays = clients[0].request(scene.host, other)
        answer_all(scene.backend, CLIENTS * STREAMS + 1)
        for client in clients:
            client.until(lambda c=client: all(s in c.answers and c.answers[s].body == b"before" for s in streams[c]))
        records.delete_token(token)
        select.select([client.sock for client in clients], [], [], 10)
        # The gateway has sent a reset, so it knows.
        for connection in scene.backend.connections:
            connection.send(*(connection.data(stream, b"after") for stream in sorted(connection.answered)))
        for client in clients:
            client.until(lambda c=client: all(c.answers[s].reset == CANCEL for s in streams[c]))
            assert {client.answers[s].body for s in streams[client]} == {b"before"}
            assert client.goaway is None
        clients[0].until(lambda: clients[0].answers[stays].body == b"beforeafter")
        assert clients[0].answers[stays].reset is None
        eventually(lambda: gateway.metrics()['jobgate_exchanges_total{outcome="revoked"}'] == CLIENTS * STREAMS, "each one is counted")
    finally:
        for client in clients:
            client.close()
