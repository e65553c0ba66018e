"""The end of a token, and of a grace, at the doors that test_token_life.py leaves out: HTTP/2, gRPC, WebSockets over it, forward auth, browsers."""

import time
import urllib.parse

import grpc
import pytest

from harness.control import Control
from harness.gateway import DOMAIN
from harness.h2 import H2Client
from harness.h2_tunnel import open_tunnel
from harness.process import eventually, free_port
from harness.raw import Client, Cut
from harness.scene import Scene, request_bytes
from test_browser import narrow
from test_token_life import LATE_S, moment

ENDS_IN_S = 3
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
HTML = "Accept: text/html"
TLS = "X-Forwarded-Proto: https"


@pytest.fixture(scope="module")
def asked():
    return free_port()


@pytest.fixture(scope="module")
def gateway(module_gateways, asked):
    port = free_port()
    gateway = module_gateways.make({"listen": [f"127.0.0.1:{port}", f"127.0.0.1:{asked} authorize"], "workers": 2, "browser": {"same_host": True},
                                    "backends": {"trusted_proxies": ["127.0.0.1"]}})
    gateway.port = port
    return gateway.start()


@pytest.fixture(params=["expiry", "grace"])
def ending(request, gateway, records):
    """A token whose value is valid for a few seconds; the moment of its end; and whether it expires."""
    if request.param == "expiry":
        text, end = moment(ENDS_IN_S)
        return records.token(expires_at=text), end, True
    token = records.token()
    Control(gateway.socket_path).done("POST", f"/v1/tokens/{token.id}/renew", {"grace": ENDS_IN_S})
    return token, time.time() + ENDS_IN_S - 0.5, False  # at the earliest


def ended_in_time(end):
    assert end - 0.002 <= time.time() < end + 0.5 + LATE_S


def test_http2(gateway, records, ending):
    token, end, _ = ending
    scene, other = Scene(gateway, records, token=token), records.token()
    with H2Client(gateway.address) as client:
        streams, connections = [], []
        for user in (token, other):
            streams.append(client.request(scene.host, user))
            connections.append(scene.backend.next())
            connections[-1].read_request()
            connections[-1].send(CHUNKED)
        stream, neighbour = streams
        assert client.answer(stream).reset == 8
        ended_in_time(end)
        assert client.answer(client.request(scene.host, token)).status == 401
        assert client.answers[neighbour].reset is None  # another token's stream on the connection goes on
    scene.close()


def test_a_websocket_over_http2(gateway, records, ending):
    token, end, expires = ending
    scene = narrow(Scene(gateway, records, token=token))
    with H2Client(gateway.address) as client:
        tunnel, _ = open_tunnel(scene, client)
        answer = client.answer(tunnel.stream)
        ended_in_time(end)
        assert answer.status == 200 and answer.body.endswith(b"the token has expired" if expires else b"access has been revoked")
    scene.close()


def test_grpc(gateway, records, ending):
    token, end, expires = ending
    scene = narrow(Scene(gateway, records, token=token))
    channel = grpc.insecure_channel("%s:%d" % gateway.address, options=[
        ("grpc.default_authority", scene.host), ("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1)])
    with channel:
        call = channel.unary_stream("/tests.Service/Method")(b"ask", metadata=[("authorization", token.bearer)])
        connection = scene.backend.next()
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n\0\0\0\0\x03one\r\n")
        assert next(call) == b"one"
        with pytest.raises(grpc.RpcError) as failed:
            next(call)
        ended_in_time(end)
        assert failed.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert failed.value.details() == ("the token has expired" if expires else "access has been revoked")
        with pytest.raises(grpc.RpcError) as failed:
            channel.unary_unary("/tests.Service/Method")(b"", metadata=[("authorization", token.bearer)], timeout=30)
        assert failed.value.code() is grpc.StatusCode.UNAUTHENTICATED
    scene.close()


def test_forward_auth(gateway, records, ending, asked):
    token, end, _ = ending
    job = records.job("unix:/nonexistent/job.sock")

    def status():
        with Client(("127.0.0.1", asked)) as client:
            return client.exchange(request_bytes("gateway", token, path="/authorize", fields=[
                f"X-Original-URL: https://{job}.{DOMAIN}/", "X-Forwarded-For: 192.0.2.1"])).status
    assert status() == 200
    eventually(lambda: status() == 401, "the end")
    assert time.time() >= end - 0.002


def test_browsers(gateway, records, ending):
    """What a session opened ends with its token, or with the grace of the value that signed in; then the page says why."""
    token, end, expires = ending
    scene = narrow(Scene(gateway, records, token=token))

    def sent(client, method="GET", path="/", fields=(), body=None):
        client.send(request_bytes(scene.host, None, method, path, [TLS, HTML, *fields], body))
        return client

    def sign_in(client):
        form = urllib.parse.urlencode({"token": token.value, "to": "/"}).encode()
        return sent(client, "POST", "/.jobgate/sign-in", [f"Origin: https://{scene.host}", "Content-Type: application/x-www-form-urlencoded"],
                    form).read_response("POST")
    with gateway.client() as client:
        cookie = "Cookie: " + sign_in(client).field("set-cookie").partition(";")[0]
        sent(client, fields=[cookie])
        connection = scene.backend.next()
        connection.read_request()
        connection.send(CHUNKED)
        response = client.read_head()
        with pytest.raises(Cut):
            client.read_body(response)
        ended_in_time(end)
        connection.ended()
    with gateway.client() as client:
        page = sent(client, fields=[cookie]).read_response()
    assert page.status == 401 and (b"its token has expired" if expires else b"its token was renewed or deleted") in page.body
    with gateway.client() as client:
        assert sign_in(client).status == 401
    scene.close()
