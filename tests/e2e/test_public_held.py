"""Requests for a public job that is not up yet, by clients without a token: they wait, and nothing else waits for them."""

from harness.h2 import H2Client
from harness.process import eventually
from test_public import Public, knows

HELD = 9  # one more than a connection without a token may have undecided


def held(gateway):
    return gateway.metrics().get("jobgate_held_requests", 0)


def test_connection_is_read_on(module_gateways, records):
    """Held requests are decided: neither others of their connection nor its end wait for them."""
    gateway = module_gateways.start({"timeouts": {"start": "5m"}, "workers": 1, "http2": {"clients": True}})
    scene, down = Public(gateway, records), Public(gateway, records)
    knows(gateway, scene.host)
    records.client.hset(down.key, "url", "")
    knows(gateway, f"x{down.host}", 401)
    with H2Client(gateway.address) as client:
        for _ in range(HELD):
            client.request(down.host)
        eventually(lambda: held(gateway) == HELD, "all are held")
        stream = client.request(scene.host)
        with scene.backend.next() as connection:
            connection.read_request()
            connection.answer()
        assert client.answer(stream).status == 200
    eventually(lambda: held(gateway) == 0, "their places are free once the client has left")
    scene.close()
    down.close()
