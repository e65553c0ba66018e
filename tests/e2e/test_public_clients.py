"""Clients without a token at a public job: requests that are held delay no others, and operators see and end what runs."""

import pytest

from harness.control import Control
from harness.h2 import H2Client
from harness.process import eventually
from harness.raw import Closed, Cut
from harness.store import random_id
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


def test_operators_see_and_end_them(module_gateways, records):
    gateway = module_gateways.start({"workers": 2})
    scene, local = Public(gateway, records), Control(gateway.socket_path)
    team = "team=" + random_id(8)
    records.client.hset(scene.key, "label:team", team[5:])
    knows(gateway, scene.host)
    operator, other = local.by(records.token("operator", team)), local.by(records.token("operator", "team=" + random_id(8)))
    client, connection, _ = scene.arrive()
    connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
    assert client.read_head().status == 200 and client.read_piece() == b"hello"

    def listed(control):
        return control.done("GET", f"/v1/sessions?job={scene.job}")["items"]
    one = eventually(lambda: listed(operator), "a session")[0]
    assert (one["token_id"], one["token_name"], one["state"]) == (None, None, "relaying")
    assert one["id"] == listed(local)[0]["id"] and not listed(other)
    assert other.done("DELETE", f"/v1/sessions?job={scene.job}")["cut_sessions"] == 0
    assert operator.done("DELETE", f"/v1/sessions?job={scene.job}")["cut_sessions"] == 1
    with pytest.raises((Closed, Cut)):
        client.read_piece()
    assert gateway.access_entry(job=scene.job, outcome="cut")["verdict"] == "public"
    client = scene.new_client()
    client.send(scene.request())
    scene.backend.next().read_request()
    assert local.done("DELETE", f"/v1/sessions?job={scene.job}")["cut_sessions"] == 1
    assert b"can be sent again" in client.read_response().body
    scene.close()
