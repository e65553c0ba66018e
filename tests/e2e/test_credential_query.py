"""Tokens in the query, `?access_token=` (proxy/exchange/query_token.h): accepted only with credentials.query, removed always."""

import html
import re

import pytest

from harness.control import request_text
from harness.gateway import DOMAIN
from harness.h2 import H2Client
from harness.scene import request_bytes
from test_authorize_endpoint import Asking, ask, forwarded
from test_browser import AT_JOBS_HOSTS, session_of

CONTROL = f"control.{DOMAIN}"
HTML = "Accept: text/html"


@pytest.fixture(scope="module")
def accepting(module_gateways):
    return module_gateways.start({"credentials": {"query": True}, "control": {"host": CONTROL}, **AT_JOBS_HOSTS})


@pytest.fixture(scope="module")
def refusing(module_gateways):
    return module_gateways.start()


@pytest.fixture
def scene(accepting, scene_of):
    return scene_of(accepting)


def escaped(value):
    return "".join(f"%{byte:02x}" for byte in value.encode())


# The query that a client sends, and what the job gets of it.
REMOVED = {
    "alone": (lambda v: f"?access_token={v}", ""),
    "first": (lambda v: f"?access_token={v}&a=1&b", "?a=1&b"),
    "last": (lambda v: f"?a=1&access_token={v}", "?a=1"),
    "between": (lambda v: f"?a=1&access_token={v}&b=2", "?a=1&b=2"),
    "between semicolons": (lambda v: f"?a=1;access_token={v};b=2", "?a=1;b=2"),
    "escaped": (lambda v: f"?a=%41+&{escaped('access_token')}={escaped(v)}&&", "?a=%41+&&"),
}


@pytest.mark.parametrize("query, left", REMOVED.values(), ids=REMOVED)
def test_accepted(scene, query, left):
    scene.client.send(request_bytes(scene.host, path=f"/p{query(scene.token.value)}", fields=["Authorization: Bearer sk-1"]))
    connection = scene.backend.next()
    received = connection.read_request()
    assert received.target == f"/p{left}" and received.field("authorization") == "Bearer sk-1"
    assert received.field("x-jobgate-token-id") == scene.token.id
    connection.answer(fields=["Cache-Control: max-age=60", "Vary: Accept"])
    response = scene.client.read_response()
    assert response.field("cache-control") == "private, max-age=60" and response.field("vary") == "Accept"
    with H2Client(scene.gateway.address) as client:
        stream = client.request(scene.host, path=f"/p{query(scene.token.value)}")
        with scene.backend.next() as connection:
            assert connection.read_request().target == f"/p{left}"
            connection.answer()
        assert client.answer(stream).status == 200


@pytest.mark.parametrize("query, left", REMOVED.values(), ids=REMOVED)
def test_without_the_key_it_does_not_count_and_is_removed(refusing, scene_of, query, left):
    scene = scene_of(refusing)
    path = f"/p{query(scene.token.value)}"
    response = scene.client.exchange(request_bytes(scene.host, path=path))
    assert response.status == 401 and "error" not in response.challenge()
    assert scene.token.value not in response.body.decode()
    scene.untouched()
    assert scene.relay(path=path).target == f"/p{left}"
    assert scene.relay(path="/p?access_token=sk-1&token=jgt_x").target == "/p?access_token=sk-1&token=jgt_x"  # the job's


def test_refused(scene):
    value = scene.token.value
    for query, status, error in [
            ("access_token=jgt_x", 401, "invalid_token"), ("access_token=sk-1", 401, None), (f"token={value}", 401, None),
            (f"access_token=+{value}", 401, None), (f"access_token={value}+", 401, "invalid_token"),
            (f"access_token={value}&access_token={value}", 400, "invalid_request"), (f"access_token=x&access_token={value}", 400, "invalid_request"),
            (f"access_token={value}&{escaped('access_token')}=", 400, "invalid_request")]:
        response = scene.new_client().exchange(request_bytes(scene.host, path=f"/?{query}"))
        assert response.status == status, query
        assert (f'error="{error}"' in response.challenge()) if error else ("error" not in response.challenge())
        assert value not in response.body.decode() and "jgt_x" not in response.body.decode()
    two = scene.new_client().exchange(scene.request(path=f"/?access_token={value}&access_token={value}"))
    assert two.status == 400
    scene.untouched()


def test_every_other_credential_goes_first(scene, records):
    other = records.token()
    cookie = session_of(scene)
    for fields in ([f"Authorization: Bearer {scene.token.value}"], [f"X-Jobgate-Authorization: Bearer {scene.token.value}"],
                   [f"Cookie: {cookie}", "X-Forwarded-Proto: https"]):
        for value in (other.value, "jgt_broken"):
            scene.client.send(request_bytes(scene.host, path=f"/?access_token={value}&a", fields=fields))
            with scene.backend.next() as connection:
                received = connection.read_request()
                connection.answer()
            assert scene.client.read_response().status == 200
            assert received.target == "/?a" and received.field("x-jobgate-token-id") == scene.token.id


def test_a_websocket(scene):
    scene.client.send(request_bytes(scene.host, path=f"/ws?access_token={scene.token.value}", fields=[
        "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Origin: https://elsewhere.test"]))
    with scene.backend.next() as connection:
        assert connection.read_request().target == "/ws"
        connection.answer()
    assert scene.client.read_response().status == 200


def test_the_control_api(accepting, records):
    operator = records.token("operator")
    with accepting.client() as client:
        client.send(request_text("GET", f"/v1/me?access_token={operator.value}", None, host=CONTROL))
        response = client.read_response()
    assert response.status == 200 and operator.id in response.body.decode(), response


def test_a_page_does_not_repeat_it(scene):
    """A person without a session gets a form that leads back: the token must not be in it."""
    for gateway_path in (f"/p?a=1&access_token={scene.token.value}x&b", f"/p?a=1&access_token=jgt_x&b"):
        response = scene.new_client().exchange(request_bytes(scene.host, path=gateway_path, fields=[HTML, "X-Forwarded-Proto: https"]))
        assert response.status == 401 and b"jgt_" not in response.body


def test_the_way_back_has_no_token(refusing, scene_of, gateways):
    gateway = gateways.start(AT_JOBS_HOSTS)
    scene = scene_of(gateway)
    response = scene.client.exchange(request_bytes(scene.host, path=f"/p?a=1&access_token={scene.token.value}",
                                                   fields=[HTML, "X-Forwarded-Proto: https"]))
    assert html.unescape(re.search(r'name="to" value="([^"]*)"', response.body.decode())[1]) == "/p?a=1"


def test_a_referer_with_a_token_is_dropped(scene):
    value = scene.token.value
    for referer, passes in [(f"https://{scene.host}/p?access_token={value}", False), (f"https://{scene.host}/p?a&access_token={escaped(value)}", False),
                            (f"https://{scene.host}/{value}", False), (f"https://{scene.host}/p?access_token=sk-1", True), ("https://other.test/", True)]:
        # The others are those of a trusted proxy.
        for name in ("Referer", "X-Original-URL", "X-Original-URI", "X-Forwarded-Uri", "X-Envoy-Original-Path", "HX-Current-URL", "X-Any"):
            received = scene.relay(fields=[f"{name}: {referer}"])
            assert received.all(name.lower()) == ([referer] if passes else []), (name, referer)


def test_a_redirect_to_https_does_not_repeat_it(gateways, records):
    """It has been sent in cleartext."""
    gateway = gateways.make({"jobs": {"public_url": f"https://{{job}}.{DOMAIN}/"}})
    gateway.config["listen"][0] += " redirect"
    gateway.start()
    with gateway.client() as client:
        client.send(request_bytes(f"{records.job()}.{DOMAIN}", path="/?a=1&access_token=jgt_x"))
        response = client.read_response()
    assert response.status == 400 and b"renew it" in response.body and response.field("location") is None


def test_a_request_that_is_held_keeps_its_own_query(gateways, scene_of, records):
    """The query without the token lies in a room that all requests share; nothing that waits may use it."""
    gateway = gateways.start({"credentials": {"query": True}, "timeouts": {"start": "60s"}})
    scene = scene_of(gateway)
    job = records.job(None)
    held = gateway.client()
    held.send(request_bytes(f"{job}.{DOMAIN}", path=f"/p?a=mine&access_token={scene.token.value}&b=mine"))
    for number in range(3):
        scene.client.send(request_bytes(scene.host, path=f"/q?another={number}{'x' * 40}&access_token={scene.token.value}"))
        with scene.backend.next() as connection:
            assert connection.read_request().target == f"/q?another={number}{'x' * 40}"
            connection.answer()
        assert scene.client.read_response().status == 200
    records.client.hset(records.job_key(job), "url", scene.backend.url)
    with scene.backend.next() as connection:
        assert connection.read_request().target == "/p?a=mine&b=mine"
        connection.answer()
    assert held.read_response().status == 200
    held.close()


def test_no_log_has_it(scene):
    value = scene.token.value
    for query, status in [(f"access_token={value}", 200), (f"access_token={value}&access_token={value}", 400), ("access_token=jgt_seen", 401)]:
        with scene.gateway.client() as client:
            client.send(request_bytes(scene.host, path=f"/logged?{query}", fields=["traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"]))
            if status == 200:
                with scene.backend.next() as connection:
                    connection.read_request()
                    connection.answer()
            assert client.read_response().status == status
        scene.gateway.access_entry(path="/logged", status=status)
    for text in (scene.gateway.access_path.read_text(), scene.gateway.program.log()):
        assert value not in text and value[21:64] not in text and "jgt_seen" not in text


@pytest.fixture(scope="module")
def asking(module_gateways):
    return Asking(module_gateways, None)


def test_a_proxy_cannot_remove_it(asking, scene_of):
    scene = scene_of(asking.gateway)
    for query in (f"access_token={scene.token.value}", "a=1&access_token=jgt_x"):
        for token in (None, scene.token):
            response = ask(asking, forwarded(scene, f"/p?{query}"), token)
            assert response.status == 400 and b"query" in response.body
    assert ask(asking, forwarded(scene, "/p?access_token=sk-1"), scene.token).status == 200
