"""HTTP/2 at the places that are no job: the control API, the decision endpoint, metrics and health. And when places run out."""

import json
import subprocess

import pytest

from harness.gateway import DOMAIN
from harness.h2 import H2Client
from harness.process import eventually, free_port
from harness.raw import Closed
from harness.secure import TlsClient

CONTROL_HOST = f"control.{DOMAIN}"


@pytest.fixture(scope="module")
def ports():
    return {name: free_port() for name in ("main", "authorize", "control")}


@pytest.fixture(scope="module")
def gateway(module_gateways, authority, ports):
    certificate, key = authority.issue("control", "serverAuth", [f"DNS:{CONTROL_HOST}", "IP:127.0.0.1"])
    gateway = module_gateways.make({
        "listen": [f"127.0.0.1:{ports['main']}", f"127.0.0.1:{ports['authorize']} authorize"],
        "backends": {"trusted_proxies": ["127.0.0.1"]},
        "control": {"host": CONTROL_HOST, "listen": f"127.0.0.1:{ports['control']}", "certificate": str(certificate), "key": str(key)}})
    gateway.port = ports["main"]
    return gateway.start()


@pytest.fixture
def operator(records):
    return records.token(role="operator", selector="")


def over_tls(ports, authority):
    context = authority.context()
    context.set_alpn_protocols(["h2"])
    client = TlsClient(("127.0.0.1", ports["control"]), context, CONTROL_HOST)
    assert client.tls.selected_alpn_protocol() == "h2"
    return H2Client(None, client.sock)


def fields_of(answer):
    return {name: value for head in answer.heads for name, value in head}


def test_control_listen(gateway, ports, authority, operator):
    """Calls at the same time on one connection, with content both ways."""
    with over_tls(ports, authority) as client:
        made = [client.request(CONTROL_HOST, operator, method="POST", path="/v1/tokens", fields=[("content-type", "application/json")],
                               body=json.dumps({"name": f"n{i}", "role": "read", "label_selector": "where=places"}).encode()) for i in range(5)]
        answers = [client.answer(stream) for stream in made]
        assert [answer.status for answer in answers] == [201] * 5
        ids = {json.loads(answer.body)["id"] for answer in answers}
        assert len(ids) == 5
        listed = client.answer(client.request(CONTROL_HOST, operator, path="/v1/tokens?limit=1000"))
        assert listed.status == 200 and ids <= {token["id"] for token in json.loads(listed.body)["items"]}
        for one in ids:
            assert client.answer(client.request(CONTROL_HOST, operator, method="DELETE", path=f"/v1/tokens/{one}")).status == 204
        refused = client.answer(client.request(CONTROL_HOST, path="/v1/tokens"))
        assert refused.status == 401 and refused.challenge().startswith("Bearer")


def test_control_host(gateway, operator):
    with H2Client(gateway.address) as client:
        answer = client.answer(client.request(CONTROL_HOST, operator, path="/v1/jobs"))
        assert answer.status == 200 and "items" in json.loads(answer.body)
        assert client.answer(client.request(CONTROL_HOST, path="/v1/jobs")).status == 401


def test_a_tunnel_to_the_control_api(gateway, operator):
    """Bytes behind an extended CONNECT would reach the control process as requests of its next caller."""
    with H2Client(gateway.address) as client:
        stream = client.connect(CONTROL_HOST, operator, "/v1/jobs/none", [("sec-websocket-version", "13")])
        client.send(client.data(stream, b"DELETE /v1/jobs/other HTTP/1.1\r\nX-A: "))
        assert client.answer(stream).status == 501
        for _ in range(20):
            answer = client.answer(client.request(CONTROL_HOST, operator, path="/v1/jobs"))
            assert answer.status == 200 and "items" in json.loads(answer.body)


def test_authorize(gateway, ports, scene_of):
    scene = scene_of(gateway)
    with H2Client(("127.0.0.1", ports["authorize"])) as client:
        question = [("x-forwarded-method", "GET"), ("x-forwarded-uri", "/a"), ("x-forwarded-host", scene.host), ("x-forwarded-proto", "https")]
        allowed = client.answer(client.request("gateway", scene.token, path="/authorize", fields=question))
        assert allowed.status == 200 and fields_of(allowed)["x-jobgate-job"] == scene.job
        assert client.answer(client.request("gateway", "jgt_no", path="/authorize", fields=question)).status == 401
        assert client.answer(client.request(scene.host, scene.token, path="/")).status == 404  # nothing is forwarded here
    assert scene.backend.untouched()


def test_metrics_and_health(gateway):
    port = gateway.config["control"]["metrics"].rsplit(":", 1)[1]
    for path in ("healthz", "readyz", "metrics"):
        done = subprocess.run(["curl", "-sS", "--http2-prior-knowledge", "-o", "/dev/null", "-w", "%{http_version} %{response_code}",
                               f"http://127.0.0.1:{port}/{path}"], capture_output=True, text=True)
        assert done.stdout == "2 200", (path, done)


def test_an_idle_connection_that_gives_way(module_gateways):
    """RFC 9113 section 6.8: GOAWAY says up to which request the gateway has read, so the client may repeat those after it."""
    gateway = module_gateways.start({"limits": {"connections": 2, "connections_per_client": 0}})
    kept = []

    def another():
        try:
            client = H2Client(gateway.address)
            assert client.answer(client.request("none")).status == 401
        except (Closed, OSError):
            return False  # those who are there are left in peace for a while
        kept.append(client)
        return True
    for _ in range(3):
        eventually(another, "a place to become free", pause=0.05)
    assert kept[0].read_to_end() == (1, 0)
    for client in kept:
        client.close()
