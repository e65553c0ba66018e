"""Pages of other origins that call jobs: preflights, and which answers they may read (proxy/exchange/cors.h)."""

import json

import pytest

from harness.control import request_text
from harness.gateway import DOMAIN
from harness.h2 import H2Client
from harness.scene import request_bytes
from harness.store import make_value, random_id
from test_authorize_endpoint import Asking, ask, forwarded

CONTROL = f"control.{DOMAIN}"
PAGE, OTHER = "https://app.example.org", "https://evil.test"
EXPOSED = "WWW-Authenticate, Retry-After, X-Request-Id, RateLimit, RateLimit-Policy"
CORS = ("access-control-allow-origin", "access-control-allow-methods", "access-control-allow-headers", "access-control-max-age",
        "access-control-expose-headers", "access-control-allow-credentials", "vary")


@pytest.fixture(scope="module")
def listing(module_gateways):
    return module_gateways.start({"cors": {"origins": [PAGE, "http://localhost:3000"]}, "control": {"host": CONTROL},
                                  "credentials": {"query": True}})


@pytest.fixture(scope="module")
def open_to_all(module_gateways):
    return module_gateways.start({"cors": {"origins": ["*"]}})


@pytest.fixture(scope="module")
def without(module_gateways):
    return module_gateways.start()


@pytest.fixture
def scene(listing, scene_of):
    return scene_of(listing)


def preflight(origin=PAGE, method="POST", names="authorization,content-type"):
    return [("Origin", origin), ("Access-Control-Request-Method", method)] + ([("Access-Control-Request-Headers", names)] if names else [])


def over_http1(gateway, host, fields, path="/v1/models", method="OPTIONS"):
    with gateway.client() as client:
        return client.exchange(request_bytes(host, method=method, path=path, fields=[f"{name}: {value}" for name, value in fields]))


def over_http2(gateway, host, fields, path="/v1/models", method="OPTIONS"):
    with H2Client(gateway.address) as client:
        return client.answer(client.request(host, method=method, path=path, fields=[(name.lower(), value) for name, value in fields]))


both = pytest.mark.parametrize("send", [over_http1, over_http2], ids=["http1", "http2"])


def varies(answer):
    return [value for name, value in getattr(answer, "fields", None) or answer.heads[0] if name == "vary"]


def whole(answer):
    """All that a page can tell apart: the status, the fields and the content, but for what is another one in each answer."""
    fields = getattr(answer, "fields", None) or answer.heads[0]
    own = answer.field("x-request-id") or "none"
    return answer.status, sorted((name, text) for name, text in fields if name not in ("date", "x-request-id")), answer.body.decode().replace(own, "ID")


def cors(answer):
    return {name: answer.field(name) for name in CORS if answer.field(name) is not None}


@both
def test_a_preflight(scene, send):
    answer = send(scene.gateway, scene.host, preflight(), path=f"/{send.__name__}")
    assert (answer.status, answer.body) == (204, b"")
    assert cors(answer) == {"access-control-allow-origin": PAGE, "access-control-allow-methods": "POST",
                            "access-control-allow-headers": "authorization,content-type", "access-control-max-age": "7200", "vary": "Origin"}
    assert answer.field("content-length") is None and answer.field("date")
    assert scene.gateway.access_entry(path=f"/{send.__name__}")["outcome"] == "preflight"
    answer = send(scene.gateway, scene.host, preflight("http://localhost:3000", "DELETE", None))
    assert answer.status == 204 and answer.field("access-control-allow-methods") == "DELETE" and answer.field("access-control-allow-headers") is None
    scene.untouched()


@both
def test_it_is_the_same_for_jobs_that_exist_and_others(scene, send):
    def seen(host, path="/"):
        return whole(send(scene.gateway, host, preflight(), path))
    same = seen(scene.host)
    assert same[0] == 204
    for host, path in ((f"no-such-job.{DOMAIN}", "/"), (DOMAIN, f"/jobs/{scene.job}/"), (DOMAIN, "/jobs/no-such-job/x"),
                       (scene.host, "/.jobgate-x"), (scene.host, "/?access_token=jgt_x"), (scene.host, f"/?access_token={scene.token.value}")):
        assert seen(host, path) == same, (host, path)
    scene.untouched()


@both
def test_others_get_what_they_got_before(scene, without, send):
    """Nothing but what is listed is a preflight; a refusal says that it depends on Origin."""
    cases = [(scene.host, preflight(OTHER)), (scene.host, preflight("null")), (scene.host, preflight(PAGE + ".evil.test")),
             (scene.host, preflight(PAGE.upper())), (scene.host, preflight(PAGE + "/")), (scene.host, preflight(PAGE)[:1]),
             (scene.host, preflight(PAGE)[1:]), (scene.host, preflight(method="a b")), (scene.host, preflight(names="a b")),
             ("elsewhere.test", preflight()), (DOMAIN, preflight()),
             (scene.host, preflight() + [("Origin", PAGE)]), (scene.host, preflight() + [("Authorization", "Bearer sk-1")]),
             (scene.host, preflight() + [("X-Jobgate-Authorization", f"Bearer {make_value(random_id())}")])]
    for host, fields in cases:
        answer = send(scene.gateway, host, fields)
        assert answer.status == 401, (host, fields)
        assert answer.field("access-control-allow-methods") is None and "Origin" in varies(answer)
    for method in ("GET", "POST"):
        assert send(scene.gateway, scene.host, preflight(), method=method).status == 401
    for fields in (preflight(), preflight(OTHER)):
        answer = send(without, scene.host, fields)
        assert answer.status == 401 and cors(answer) == {}


@both
def test_not_at_the_control_api(scene, send):
    for path in ("/v1/jobs", "/"):
        answer = send(scene.gateway, CONTROL, preflight(), path)
        assert answer.status == 401 and cors(answer) == {}


def test_an_operator_s_call_has_no_cors(listing, records):
    operator = records.token("operator")
    with listing.client() as client:
        client.send(request_text("GET", "/v1/me", operator, fields=[f"Origin: {PAGE}"], host=CONTROL))
        answer = client.read_response()
    assert answer.status == 200 and cors(answer) == {}


@both
def test_refusals_can_be_read(scene, send):
    for fields, status in ([], 401), ([("Authorization", "Bearer jgt_x")], 401), ([("Authorization", "Bearer a b")], 400):
        answer = send(scene.gateway, scene.host, [("Origin", PAGE), *fields], method="GET")
        assert answer.status == status
        assert cors(answer) == {"access-control-allow-origin": PAGE, "access-control-expose-headers": EXPOSED, "vary": "Origin"}
        assert json.loads(answer.body)["error"]["message"]
        assert cors(send(scene.gateway, scene.host, [("Origin", OTHER), *fields], method="GET")) == {"vary": "Origin"}
        assert cors(send(scene.gateway, scene.host, fields, method="GET")) == {"vary": "Origin"}


@both
@pytest.mark.parametrize("origin", [PAGE, OTHER, None])
def test_refusals_are_the_same_for_jobs_that_exist_and_others(scene, records, send, origin):
    """A page of a listed origin can read them; it learns no more of which jobs exist than any other client."""
    origins = [("Origin", origin)] if origin else []
    gone = records.token()
    records.delete_token(gone)
    scoped = records.token(selector="team=other")
    for method in ("GET", "POST", "OPTIONS"):
        for fields, status in ([], 401), ([("Authorization", "Bearer jgt_x")], 401), ([("Authorization", "Bearer a b")], 400), \
                ([("Authorization", gone.bearer)], 401), ([("Authorization", scoped.bearer)], 403):
            seen = [whole(send(scene.gateway, host, [*origins, *fields], path, method))
                    for host, path in ((scene.host, "/"), (f"no-such-job.{DOMAIN}", "/"), (DOMAIN, f"/jobs/{scene.job}/"), (DOMAIN, "/jobs/no-such-job/"))]
            assert seen[0][0] == status and seen == seen[:1] * 4, (method, fields)
    scene.untouched()


def relayed(scene, fields, answer_fields=(), own=False):
    name = "X-Jobgate-Authorization" if own else "Authorization"
    with scene.gateway.client() as client:
        client.send(request_bytes(scene.host, fields=[f"{name}: Bearer {scene.token.value}", *fields]))
        with scene.backend.next() as connection:
            connection.read_request()
            connection.answer(fields=list(answer_fields))
        response = client.read_response()
    assert response.status == 200
    return response


def test_answers_of_jobs_can_be_read(scene):
    page = {"access-control-allow-origin": PAGE, "access-control-expose-headers": EXPOSED, "vary": "Origin"}
    assert cors(relayed(scene, [f"Origin: {PAGE}"])) == page
    assert cors(relayed(scene, [f"Origin: {PAGE}"], ["Vary: Accept"])) == {**page, "vary": "Accept, Origin"}
    assert cors(relayed(scene, [f"Origin: {PAGE}"], ["Vary: *"])) == {**page, "vary": "*"}
    assert cors(relayed(scene, [f"Origin: {PAGE}"], own=True)) == {**page, "vary": "X-Jobgate-Authorization, Origin"}
    assert cors(relayed(scene, [f"Origin: {OTHER}"])) == {"vary": "Origin"}
    assert cors(relayed(scene, [])) == {"vary": "Origin"}


def test_a_job_that_speaks_of_cors_is_left_alone(scene):
    for said in ({"access-control-allow-origin": "https://own.test", "vary": "Accept"}, {"access-control-allow-credentials": "true"},
                 {"access-control-expose-headers": "X-Own"}):
        for origin in (PAGE, OTHER):
            assert cors(relayed(scene, [f"Origin: {origin}"], [f"{name}: {value}" for name, value in said.items()])) == said


def test_a_job_that_cannot_be_reached(scene, records):
    with scene.gateway.client() as client:
        client.send(request_bytes(f"{records.job('http://127.0.0.1:1')}.{DOMAIN}", scene.token, fields=[f"Origin: {PAGE}"]))
        answer = client.read_response()
    assert answer.status == 502 and cors(answer)["access-control-allow-origin"] == PAGE


def test_a_preflight_with_a_token_is_the_job_s(scene):
    """No browser sends one."""
    client = scene.client
    client.send(scene.request("OPTIONS", fields=[f"{name}: {value}" for name, value in preflight()]))
    connection = scene.backend.next()
    assert connection.read_request().method == "OPTIONS"
    connection.answer(fields=["Allow: GET"])
    assert client.read_response("OPTIONS").field("allow") == "GET"


def test_for_every_origin(open_to_all, scene_of):
    scene = scene_of(open_to_all)
    answer = over_http1(open_to_all, scene.host, preflight(OTHER))
    assert answer.status == 204 and answer.field("access-control-allow-origin") == "*" and answer.field("vary") == "Origin"
    assert over_http1(open_to_all, scene.host, preflight("null")).status == 204
    answer = relayed(scene, [f"Origin: {OTHER}"])
    assert cors(answer) == {"access-control-allow-origin": "*", "access-control-expose-headers": EXPOSED, "vary": "Origin"}
    assert cors(relayed(scene, [])) == {"vary": "Origin"}


def test_without_the_setting_nothing_changes(without, scene_of):
    scene = scene_of(without)
    assert cors(relayed(scene, [f"Origin: {PAGE}"])) == {}
    assert cors(over_http1(without, scene.host, [("Origin", PAGE)], method="GET")) == {}


def test_websockets_have_no_cors(scene):
    scene.client.send(scene.request(path="/ws", fields=["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
                                                        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", f"Origin: {PAGE}"]))
    connection = scene.backend.next()
    connection.read_request()
    connection.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
    assert cors(scene.client.read_head(upgrade=True)) == {}


def test_a_proxy_is_never_told_that_a_preflight_may_pass(module_gateways, scene_of):
    """Every 2xx would let it through to the job; a refusal can be read by the page."""
    asking = Asking(module_gateways, None, {"cors": {"origins": [PAGE]}})
    scene = scene_of(asking.gateway)
    fields = [f"{name}: {value}" for name, value in preflight()]
    for method in ("GET", "OPTIONS"):
        answer = ask(asking, [*forwarded(scene, "/", "OPTIONS"), *fields], method=method)
        assert answer.status == 401 and answer.field("access-control-allow-origin") == PAGE
    answer = ask(asking, [*forwarded(scene), f"Origin: {PAGE}"], scene.token)
    assert answer.status == 200 and cors(answer) == {}


@pytest.mark.parametrize("origin", ["https://app.example.org/", "https://App.example.org", "app.example.org", "https://", "https://a:443",
                                    "http://a:80", "null", "https://a b", "https://*.example.org", "", "https://a:0", "https://a/b", "https://[::1"])
def test_origins_that_no_browser_sends(gateways, origin):
    gateway = gateways.make({"cors": {"origins": [origin]}})
    gateway.config_path.write_text(json.dumps(gateway.config))
    result = gateway.cli("check", "-c", gateway.config_path)
    assert result.status != 0 and "cors.origins" in result.err, result


def test_origins_that_browsers_send(gateways):
    gateway = gateways.make({"cors": {"origins": ["https://a", "http://[::1]:3000", "http://127.0.0.1:8000", "https://a-b.example.org:8443",
                                                  "chrome-extension://abcdefghijklmnop"]}})
    gateway.config_path.write_text(json.dumps(gateway.config))
    assert gateway.cli("check", "-c", gateway.config_path).status == 0
