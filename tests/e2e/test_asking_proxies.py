"""Proxies that ask the gateway and forward themselves: nginx and Caddy, and doubles of Traefik and Envoy, with the examples as they stand."""

import base64
import json

import pytest

from harness.asking import PROXIES, start_asking
from harness.gateway import DOMAIN
from harness.h2_tunnel import accept_of, switch
from harness.process import eventually, free_port
from harness.raw import Client
from harness.scene import request_bytes
from test_authorize_endpoint import Asking, ask, forwarded

UPGRADE = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]


@pytest.fixture(scope="module")
def asking(module_gateways):
    return Asking(module_gateways, None)


@pytest.fixture
def scene(asking, scene_of):
    return scene_of(asking.gateway)


@pytest.fixture(params=PROXIES.values(), ids=PROXIES)
def proxied(request, asking, scene, make_folder):
    """A scene whose clients speak to the proxy, and whose backend hears from it."""
    program, port = start_asking(request.param, asking, scene.backend.port, make_folder(request.param.__name__))
    scene.proxy = Client(("127.0.0.1", port))
    scene.clients.append(scene.proxy)
    scene.another = lambda source=None: Client(("127.0.0.1", port), source)
    scene.proxy_log = program.log
    yield scene
    program.stop()


def left(received, name):
    """The values of a field that the job gets. Where nothing remains, Traefik and Envoy send an empty field."""
    return [value for value in received.all(name) if value]


def test_a_proxy_forwards_what_is_allowed(proxied):
    scene = proxied
    claims = ["X-Jobgate-Role: operator", "X-Jobgate-Job: other", "X_Jobgate_Role: operator", "X-Jobgate_Role: operator",
              "x_jobgate-role: operator", "X-Jobgate-Token_Id: other", "X-Jobgate_Token_Id: other", "X_Jobgate-Token-Name: other"]
    scene.proxy.send(scene.request("POST", "/a/b?c=d", body=b"hello", fields=claims))
    connection = scene.backend.next()
    received = connection.read_request()
    assert (received.method, received.target, received.body) == ("POST", "/a/b?c=d", b"hello")
    assert left(received, "authorization") == []  # the job never sees a token
    assert received.all("x-jobgate-job") == [scene.job]
    assert received.all("x-jobgate-role") == ["read"]
    assert received.all("x-jobgate-token-id") == [scene.token.id]
    assert not [name for name, _ in received.fields if "_" in name]  # to CGI the same as those above
    connection.answer(b"world")
    response = scene.proxy.read_response()
    assert (response.status, response.body) == (200, b"world")
    entry = scene.gateway.access_entry(job=scene.job, outcome="authorized")
    assert (entry["path"], entry["method"]) == ("/a/b", "POST")


def test_a_proxy_says_which_scheme_it_is_asked_with(proxied):
    """Not what the client claims: the scheme tells which Origin is the job's own."""
    scene = proxied
    fields = ["Authorization: Basic " + base64.b64encode(f"git:{scene.token.value}".encode()).decode(), "X-Forwarded-Proto: https"]
    assert scene.proxy.exchange(request_bytes(scene.host, method="POST", fields=[*fields, f"Origin: https://{scene.host}"])).status == 403
    scene.untouched()
    scene.proxy.send(request_bytes(scene.host, method="POST", fields=[*fields, f"Origin: http://{scene.host}"]))
    with scene.backend.next() as connection:
        connection.read_request()
        connection.answer()
    assert scene.proxy.read_response().status == 200


def test_a_proxy_takes_our_credentials_out(proxied):
    """The gateway says what remains of each field."""
    scene, value = proxied, proxied.token.value
    basic = base64.b64encode(f"git:{value}".encode()).decode()
    own, cookie = f"X-Jobgate-Authorization: Bearer {value}", "__Host-jobgate=sealed"
    for fields, authorization, cookies in [
            ([f"Authorization: Bearer {value}"], [], []), ([f"Authorization: token {value}"], [], []),
            ([f"Authorization: Basic {basic}"], [], []), ([own], [], []),
            ([own, "Authorization: Bearer sk-1"], ["Bearer sk-1"], []),
            ([own, "Authorization: Bearer jgt_broken"], [], []),
            ([own, f"Cookie: a=b; {cookie}; c=d"], [], ["a=b; c=d"]), ([own, f"Cookie: {cookie}"], [], []),
            ([own, "Cookie: " + "; ".join(f"name{i}={'x' * 400}" for i in range(18))], [], ["; ".join(f"name{i}={'x' * 400}" for i in range(18))]),
            ([own, "Jobgate-Authorization: Bearer forged", "Jobgate-Cookie: forged"], [], [])]:
        with scene.another() as client:
            client.send(request_bytes(scene.host, fields=fields))
            with scene.backend.next() as connection:
                received = connection.read_request()
                connection.answer()
            assert client.read_response().status == 200
        assert left(received, "authorization") == authorization and left(received, "cookie") == cookies, fields
        assert b"jgt_" not in received.head and basic.encode() not in received.head and b"sealed" not in received.head
        assert received.all("x-jobgate-token-id") == [scene.token.id]
    for text in (scene.gateway.access_path.read_text(), scene.gateway.program.log(), scene.proxy_log()):
        assert value[21:] not in text


def test_a_proxy_takes_our_subprotocols_out(proxied):
    scene = proxied
    ours = "base64url.bearer.authorization.jobgate." + base64.urlsafe_b64encode(scene.token.value.encode()).decode().rstrip("=")
    for lists, kept in [([ours], []), ([f"chat, {ours}"], ["chat"]), (["chat", f"v1.token.websocket.jupyter.org.{scene.token.value}"], ["chat"])]:
        with scene.another() as client:
            client.send(request_bytes(scene.host, fields=[
                *UPGRADE, *(f"Sec-WebSocket-Protocol: {one}" for one in lists), "Jobgate-Subprotocols: forged"]))
            with scene.backend.next() as connection:
                received = connection.read_request()
                switch(connection, accept_of(received), fields=[f"Sec-WebSocket-Protocol: {one}" for one in kept])
                assert client.read_head(upgrade=True).status == 101
        assert left(received, "sec-websocket-protocol") == kept and scene.token.value.encode() not in received.head


def test_a_websocket_without_subprotocols(proxied):
    """Servers refuse an empty Sec-WebSocket-Protocol: it would not be a list of tokens."""
    scene = proxied
    with scene.another() as client:
        client.send(scene.request(fields=UPGRADE))
        with scene.backend.next() as connection:
            received = connection.read_request()
            assert received.all("sec-websocket-protocol") == [] and left(received, "authorization") == []
            switch(connection, accept_of(received))
            assert client.read_head(upgrade=True).status == 101
            client.send(b"ping")
            assert connection.read(4) == b"ping"
            connection.send(b"pong")
            assert client.behind_head() + client.read(4) == b"pong"


def test_trailers(proxied):
    """What a client sends after the content has no meaning as a credential, and no job takes it for one of its request's fields."""
    scene = proxied
    with scene.another() as client:
        client.send(scene.request("POST", fields=["Transfer-Encoding: chunked", "Trailer: X-Check"]),
                    b"5\r\nhello\r\n0\r\nX-Check: 1\r\n\r\n")
        with scene.backend.next() as connection:
            received = connection.read_request()
            assert (received.body, left(received, "authorization")) == (b"hello", [])
            connection.answer()
        assert client.read_response().status == 200
        client.send(request_bytes(scene.host, method="POST", fields=["Transfer-Encoding: chunked", "Trailer: Authorization"]),
                    f"5\r\nhello\r\n0\r\nAuthorization: {scene.token.bearer}\r\n\r\n".encode())
        assert client.read_response().status == 401
    assert scene.backend.untouched()


def test_a_proxy_says_where_the_client_is(proxied, records):
    """Not what the client claims: a token may be limited to addresses."""
    scene, here = proxied, "127.0.0.2"
    for addresses, status in [(here, 200), ("192.0.2.1", 403)]:
        token = records.token(**{"from": addresses})
        with scene.another(here) as client:
            client.send(scene.request(token=token, fields=["X-Forwarded-For: 192.0.2.1", "X-Real-IP: 192.0.2.1", "Forwarded: for=192.0.2.1"]))
            if status == 200:
                with scene.backend.next() as connection:
                    connection.read_request()
                    connection.answer()
            assert client.read_response().status == status
    assert scene.backend.untouched()


def test_a_public_job_is_told_no_claims(asking, proxied, records):
    scene = proxied
    with records.client.pipeline() as step:
        step.hset(records.job_key(scene.job), "access", "public").sadd("jobgate:public", scene.job).execute()
    eventually(lambda: ask(asking, forwarded(scene)).status == 200, "the job to be public")
    scene.proxy.send(request_bytes(scene.host, fields=["X-Jobgate-Token-Id: me", "X-Jobgate-Token-Name: me", "X-Jobgate-Role: operator"]))
    with scene.backend.next() as connection:
        received = connection.read_request()
        connection.answer()
    assert scene.proxy.read_response().status == 200
    assert received.all("x-jobgate-job") == [scene.job]
    for name in ("x-jobgate-token-id", "x-jobgate-token-name", "x-jobgate-role"):
        assert left(received, name) == [], name


def test_preflights_do_not_pass(proxied):
    scene = proxied
    for token in (None, "jgt_no"):
        with scene.another() as client:
            response = client.exchange(request_bytes(scene.host, token, "OPTIONS", fields=[
                "Origin: https://app.example.org", "Access-Control-Request-Method: POST"]), "OPTIONS")
        assert response.status == 401 and response.field("access-control-allow-origin") is None
    assert scene.backend.untouched()


def test_when_there_is_no_decision_nothing_passes(proxied, records, request):
    """A job without a URL is 503. nginx knows no such answer to its question, and Envoy answers with its own words."""
    scene, name = proxied, request.node.callspec.id
    host = f"{records.job()}.{DOMAIN}"
    with scene.another() as client:
        response = client.exchange(scene.request(host=host))
    assert response.status == (500 if name == "nginx" else 503)
    if name in ("caddy", "traefik"):
        assert response.field("retry-after") and json.loads(response.body)["status"] == 503
    assert scene.backend.untouched()


class Gone:
    """A gateway that is not there."""

    def __init__(self):
        self.gateway, self.port = self, free_port()


@pytest.mark.parametrize("proxy,status", zip(PROXIES.values(), (500, 502, 500, 503)), ids=PROXIES)
def test_without_a_gateway_nothing_passes(proxy, status, scene, make_folder):
    program, port = start_asking(proxy, Gone(), scene.backend.port, make_folder(proxy.__name__))
    with Client(("127.0.0.1", port)) as client:
        assert client.exchange(scene.request()).status == status
    assert scene.backend.untouched()
    program.stop()


def test_a_proxy_asks_about_bytes_that_browsers_send(proxied):
    scene = proxied
    for path in ("/Untitled[1].ipynb", "/?a[]=1", '/?q={"a":1}', "/?run=a|b", "/?q=50%", "/?a=`^&b=\\"):
        scene.proxy.send(scene.request(path=path))
        connection = scene.backend.next()
        assert connection.read_request().method == "GET"
        connection.answer(b"here")
        response = scene.proxy.read_response()
        assert (response.status, response.body) == (200, b"here"), path
        connection.close()
        scene.proxy.send(scene.request(path=path, token="jgt_no"))
        assert scene.proxy.read_response().status == 401, path


def test_a_proxy_hands_the_refusal_on(proxied, records):
    """In the gateway's own words, whatever the request is."""
    scene = proxied
    out_of_scope = records.token(selector="team=other")
    for token, status, error in [("jgt_no", 401, "invalid_token"), (out_of_scope, 403, "insufficient_scope")]:
        for request in (scene.request(token=token), scene.request("POST", body=b"x" * 100_000, token=token),
                        scene.request(token=token, fields=UPGRADE)):
            with scene.another() as client:
                client.send(request)
                response = client.read_response()
            assert response.status == status
            assert f'error="{error}"' in response.challenge()
            assert response.field("content-type") == "application/problem+json"
            assert json.loads(response.body)["request_id"] == response.field("x-request-id")
    assert scene.backend.untouched()


def test_a_proxy_leaves_our_paths_to_the_gateway(proxied):
    """Nothing below /.jobgate/ reaches the job, also not with a token, and what the client says of the request's way does not count."""
    scene = proxied
    for path in ("/.jobgate/sign-in", "/.jobgate/x"):
        for token in (scene.token, "jgt_no"):
            scene.proxy.send(scene.request(path=path, token=token, fields=["X-Forwarded-Prefix: /evil", "X-Forwarded-Host: evil.test",
                                                                           "Forwarded: host=evil.test;proto=https"]))
            response = scene.proxy.read_response()
            assert response.status in (200, 303, 404) and "evil" not in str(response.fields) + response.body.decode()
    assert scene.backend.untouched()


def test_a_client_cannot_speak_for_another_request(proxied, records):
    """A token that is good for one job, and fields that describe that job, sent to another one."""
    scene = proxied
    allowed = records.job(scene.backend.url, {"team": "a"})
    token = records.token(selector="team=a")
    for fields in (forwarded(scene, host=f"{allowed}.{DOMAIN}"),
                   [f"X-Original-URL: http://{allowed}.{DOMAIN}/"], ["X-Original-URI: /", f"X-Forwarded-Host: {allowed}.{DOMAIN}"],
                   [f"Host: {allowed}.{DOMAIN}"]):
        with scene.another() as client:
            client.send(scene.request(token=token, fields=fields))
            assert client.read_response().status in (400, 403)
    # What a request line names counts (RFC 9112 section 3.2.2), whatever Host says.
    with scene.another() as client:
        client.send(scene.request(token=token, path=f"http://{scene.host}/", host=f"{allowed}.{DOMAIN}"))
        assert client.read_response().status in (400, 403)
    assert scene.backend.untouched()
