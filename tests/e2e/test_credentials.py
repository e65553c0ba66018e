"""Which credential of a request counts, and that the job sees none of ours (proxy/exchange/credential_order.h)."""

import base64
import json

import pytest

from harness.control import request_text
from harness.gateway import DOMAIN
from harness.h2 import H2Client
from harness.scene import request_bytes
from harness.store import make_value, random_id
from test_browser import AT_JOBS_HOSTS, request, session_of

CONTROL = f"control.{DOMAIN}"


@pytest.fixture(scope="module")
def gateway(module_gateways):
    return module_gateways.start({"control": {"host": CONTROL}})


@pytest.fixture(scope="module")
def behind_tls(module_gateways):
    return module_gateways.start(AT_JOBS_HOSTS)


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def own(value):
    return ("X-Jobgate-Authorization", f"Bearer {value}")


def authorization(value):
    return ("Authorization", value)


# Of a token's value: the fields, and the Authorization that the job gets.
ACCEPTED = {
    "own field": (lambda v: [own(v)], None),
    "own field, any case": (lambda v: [("x-jobgate-authorization", f"bEARER  {v}")], None),
    "own field, the job's Bearer": (lambda v: [own(v), authorization("Bearer sk-1")], "Bearer sk-1"),
    "own field, the job's Basic": (lambda v: [authorization(basic("a", "b")), own(v)], basic("a", "b")),
    "own field, a broken one of ours": (lambda v: [own(v), authorization("Bearer jgt_x")], None),
    "own field, ours twice": (lambda v: [own(v), authorization(f"Bearer {v}")], None),
    "own field, ours in a scheme of its own": (lambda v: [own(v), authorization(f"Custom key={v}")], None),
    "own field, ours behind other bytes": (lambda v: [own(v), authorization(f"ApiKey svc-{v}")], None),
    "own field, Basic of ours behind other bytes": (lambda v: [own(v), authorization(basic(f"svc.{v}", ""))], None),
    "own field, Basic of ours behind padding": (lambda v: [own(v), authorization("Basic =" + basic("a", v)[6:])], None),
    "own field, Basic of ours behind a tab": (lambda v: [own(v), authorization("Basic\t" + basic("a", v)[6:])], None),
    "own field, a tab and the job's Basic": (lambda v: [own(v), authorization("Basic\tYTpi")], "Basic\tYTpi"),
    "token": (lambda v: [authorization(f"token {v}")], None),
    "Token": (lambda v: [authorization(f"Token   {v}")], None),
    "password": (lambda v: [authorization(basic("git", v))], None),
    "password of no user": (lambda v: [authorization(basic("", v))], None),
    "user without password": (lambda v: [authorization(basic(v, ""))], None),
    "named by Connection": (lambda v: [own(v), authorization("Bearer sk-1"),
                                       ("Connection", "X-Jobgate-Authorization, Authorization")], None),
}
accepted = pytest.mark.parametrize("fields, left", ACCEPTED.values(), ids=ACCEPTED)


def lines(fields):
    return [f"{name}: {value}" for name, value in fields]


def hidden(scene, received):
    """Nothing of ours has come to the job, in no form."""
    assert b"jgt_" not in received.head and scene.token.value.encode()[21:64] not in received.head
    assert b"amd0X" not in received.head and b"x-jobgate-authorization" not in received.head.lower()


@accepted
def test_accepted(scene, fields, left):
    client = scene.client
    client.send(request_bytes(scene.host, fields=lines(fields(scene.token.value))))
    connection = scene.backend.next()
    received = connection.read_request()
    hidden(scene, received)
    assert received.field("authorization") == left
    assert received.field("x-jobgate-token-id") == scene.token.id
    connection.answer()
    assert client.read_response().status == 200


@accepted
def test_accepted_over_http2(scene, fields, left):
    with H2Client(scene.gateway.address) as client:
        stream = client.request(scene.host, fields=[(name.lower(), value) for name, value in fields(scene.token.value)
                                                    if name != "Connection"])
        connection = scene.backend.next()
        received = connection.read_request()
        hidden(scene, received)
        assert received.field("authorization") == (left if "Connection" not in dict(fields("")) else "Bearer sk-1")
        connection.answer()
        assert client.answer(stream).status == 200


@accepted
def test_accepted_by_the_control_api(gateway, records, fields, left):
    operator = records.token("operator")
    with gateway.client() as client:
        client.send(request_text("GET", "/v1/me", None, fields=lines(fields(operator.value)), host=CONTROL))
        response = client.read_response()
    assert response.status == 200 and operator.id in response.body.decode(), response


def refusals(good):
    bad = make_value(random_id())
    return {
        "the first that is ours counts": ([own(bad), authorization(f"Bearer {good}")], 401, "invalid_token"),
        "a broken one does, too": ([own("jgt_"), authorization(f"Bearer {good}")], 401, "invalid_token"),
        "not ours": ([authorization("Bearer sk-1")], 401, "invalid_token"),
        "not ours, in our field": ([own("sk-1")], 401, "invalid_token"),
        "not ours, Basic": ([authorization(basic("a", "b"))], 401, "invalid_token"),
        "user with another password": ([authorization(basic(good, "x-oauth-basic"))], 401, "invalid_token"),
        "with a line end": ([authorization(basic("a", good + "\n"))], 401, "invalid_token"),
        "with a blank": ([authorization(basic("a", f" {good}"))], 401, "invalid_token"),
        "no scheme": ([authorization(good)], 401, "invalid_token"),
        "another scheme": ([authorization(f"Digest {good}")], 401, "invalid_token"),
        "Basic and a tab": ([authorization("Basic\t" + basic("a", good)[6:])], 401, "invalid_token"),
        "padding first": ([authorization("Basic =" + basic("a", good)[6:])], 401, "invalid_token"),
        "behind other bytes": ([authorization(f"Bearer svc-{good}")], 401, "invalid_token"),
        "a tab": ([authorization(f"Bearer\t{good}")], 401, "invalid_token"),
        "other letters": ([authorization(f"Bearer {good.replace('jgt_', 'JGT_')}")], 401, "invalid_token"),
        "our field twice": ([own(good), own(good)], 400, "invalid_request"),
        "our field twice, one of it not ours": ([own(good), own("x")], 400, "invalid_request"),
        "both twice": ([own(good), authorization("Bearer a"), authorization("Bearer b")], 400, "invalid_request"),
        "no credential": ([("X-Jobgate-Authorization", good)], 400, "invalid_request"),
        "no Bearer": ([("X-Jobgate-Authorization", basic("a", good))], 400, "invalid_request"),
        "empty": ([("X-Jobgate-Authorization", ""), authorization(f"Bearer {good}")], 400, "invalid_request"),
        "two in one": ([own(f"{good}, Bearer {good}")], 400, "invalid_request"),
        "not a b64token": ([own(good), authorization("Bearer a b")], 400, "invalid_request"),
        "not a b64token, the job's own": ([own(good), authorization("Bearer 1|abc")], 400, "invalid_request"),
        "a look-alike": ([("X_Jobgate_Authorization", f"Bearer {good}")], 401, None),
        "another name": ([("X-Jobgate-Authorization-2", f"Bearer {good}")], 401, None),
        "a list of cookies": ([("Cookie", f"Authorization=Bearer {good}; X-Jobgate-Authorization={good}")], 401, None),
    }


@pytest.mark.parametrize("name", refusals(""))
def test_refused(scene, name):
    fields, status, error = refusals(scene.token.value)[name]
    response = scene.client.exchange(request_bytes(scene.host, fields=lines(fields)))
    assert response.status == status, response
    assert response.field("X-Request-Id") == json.loads(response.body)["request_id"]
    challenge = response.challenge()
    assert (f'error="{error}"' in challenge) if error else ("error" not in challenge)
    with H2Client(scene.gateway.address) as client:
        answer = client.answer(client.request(scene.host, fields=[(n.lower(), v) for n, v in fields]))
    assert answer.status == status
    assert scene.token.value not in response.body.decode() + str(response.fields)
    scene.untouched()


def test_in_trailers(scene):
    client = scene.client
    client.send(scene.request("POST", fields=["Transfer-Encoding: chunked"]) +
                f"0\r\nX-Jobgate-Authorization: Bearer {scene.token.value}\r\nAuthorization: Bearer {scene.token.value}\r\n"
                f"X_Jobgate_Authorization: {scene.token.value}\r\nX-Sum: 1\r\nX-Page: https://a.test/?access_token=%6agt_x\r\n"
                f"X-Any: {scene.token.value}\r\nX-User: {basic('any', scene.token.value)}\r\n\r\n".encode())
    connection = scene.backend.next()
    assert connection.read_request().trailers == b"X-Sum: 1\r\n"
    connection.answer()
    assert client.read_response().status == 200
    client.send(request_bytes(scene.host, method="POST", fields=["Transfer-Encoding: chunked"]) +
                f"0\r\nX-Jobgate-Authorization: Bearer {scene.token.value}\r\n\r\n".encode())
    assert client.read_response().status == 401
    with H2Client(scene.gateway.address) as h2:
        stream = h2.request(scene.host, scene.token, method="POST", end=False)
        h2.send(h2.headers(stream, [("x-any", scene.token.value), ("x-sum", "2")], end=True))
        connection = scene.backend.next()
        assert connection.read_request().trailers == b"x-sum: 2\r\n"
        connection.answer()
        assert h2.answer(stream).status == 200
    scene.gateway.access_entry(job=scene.job, status=401)  # the log is written
    for text in (scene.gateway.access_path.read_text(), scene.gateway.program.log()):
        assert scene.token.value not in text and scene.token.value[21:64] not in text and "%6agt_x" not in text


def test_other_places_are_the_job_s(scene):
    """README says so: there a token does not count, and is not removed."""
    fields = [("X-Api-Key", "jgt_x"), ("Cookie", "x=jgt_x")]
    scene.client.send(request_bytes(scene.host, path="/a?token=jgt_x", fields=lines([own(scene.token.value), *fields])))
    connection = scene.backend.next()
    received = connection.read_request()
    assert received.target == "/a?token=jgt_x" and scene.token.value.encode() not in received.head
    assert [received.field(name.lower()) for name, _ in fields] == [value for _, value in fields]
    connection.answer()
    assert scene.client.read_response().status == 200
    refused = scene.new_client().exchange(request_bytes(scene.host, path=f"/a?token={scene.token.value}", fields=lines(fields)))
    assert refused.status == 401
    scene.untouched()


def test_forward_token_keeps_what_counted(module_gateways, scene_of):
    scene = scene_of(module_gateways.start({"backends": {"forward_token": True}}))
    value = scene.token.value

    def received(*fields):
        with scene.gateway.client() as client:
            client.send(request_bytes(scene.host, fields=lines(fields)))
            with scene.backend.next() as connection:
                seen = connection.read_request()
                connection.answer()
            assert client.read_response().status == 200
        return seen
    assert received(authorization(basic("git", value))).field("authorization") == basic("git", value)
    assert received(authorization(f"token {value}")).field("authorization") == f"token {value}"
    assert received(own(value), authorization("Bearer jgt_x")).field("authorization") is None
    assert received(own(value)).field("x-jobgate-authorization") is None  # this name is the gateway's
    assert received(own(value), authorization("Bearer sk-1")).field("authorization") == "Bearer sk-1"


def test_a_session_and_the_job_s_own_bearer(behind_tls, scene_of):
    """A web application that people have signed in to sends its own."""
    scene = scene_of(behind_tls)
    cookie = session_of(scene)
    for value in ("Bearer sk-1", basic("a", "b"), "token abc", "Custom x"):
        scene.client.send(request(scene, fields=[f"Cookie: {cookie}", f"Authorization: {value}"]))
        connection = scene.backend.next()
        received = connection.read_request()
        assert received.field("authorization") == value
        connection.answer()
        assert scene.client.read_response().status == 200
    scene.client.send(request(scene, fields=[f"Cookie: {cookie}", f"Authorization: Custom {scene.token.value}"]))
    connection = scene.backend.next()
    assert connection.read_request().field("authorization") is None
    connection.answer()
    assert scene.client.read_response().status == 200
    for field, status in (("X-Jobgate-Authorization: Bearer jgt_x", 401), ("Authorization: Bearer 1|abc", 400)):
        scene.client.send(request(scene, fields=[f"Cookie: {cookie}", field]))
        assert scene.client.read_response().status == status


def test_basic_of_a_browser(scene):
    """Browsers send it on their own, so other pages could use it."""
    auth = f"Authorization: {basic('a', scene.token.value)}"
    host = f"http://{scene.host}"
    for method, fields, status in [
            ("GET", ["Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"], 200),
            ("POST", [f"Origin: {host}", "Sec-Fetch-Site: same-origin"], 200), ("POST", [], 200),
            ("GET", [f"Origin: {host}"], 200), ("GET", ["Origin: http://other.jobs.test"], 403), ("GET", ["Origin: null"], 403),
            ("OPTIONS", ["Origin: http://other.jobs.test"], 403),
            ("POST", ["Origin: http://other.jobs.test"], 403), ("POST", ["Sec-Fetch-Site: cross-site"], 403),
            ("GET", ["Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: image"], 403),
            ("GET", ["Upgrade: websocket", "Connection: Upgrade", "Origin: http://evil.test"], 403)]:
        with scene.gateway.client() as client:
            client.send(request_bytes(scene.host, method=method, fields=[auth, *fields]))
            if status == 200:
                connection = scene.backend.next()
                connection.read_request()
                connection.answer()
            assert client.read_response().status == status, (method, fields)


def test_basic_of_a_browser_in_the_path_form(scene):
    """There all jobs share an origin, so a page of one could act for another."""
    for fields, status in [([], 200), (["Sec-Fetch-Mode: cors"], 200),  # Node.js
                           (["Sec-Fetch-Site: same-origin", f"Origin: http://{DOMAIN}"], 403), ([f"Origin: http://{DOMAIN}"], 403),
                           (["Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"], 403)]:
        for method in ("GET", "POST"):
            with scene.gateway.client() as client:
                client.send(request_bytes(DOMAIN, method=method, path=f"/jobs/{scene.job}/x",
                                          fields=[f"Authorization: {basic('a', scene.token.value)}", *fields]))
                if status == 200:
                    connection = scene.backend.next()
                    connection.read_request()
                    connection.answer()
                assert client.read_response().status == status, (method, fields)
    scene.untouched()


def test_shared_caches_keep_nothing(scene):
    """They know no credential but Authorization."""
    client = scene.client
    client.send(request_bytes(scene.host, fields=lines([own(scene.token.value)])))
    connection = scene.backend.next()
    connection.read_request()
    connection.answer(fields=["Cache-Control: public, max-age=60", "Vary: Accept"])
    response = client.read_response()
    assert response.field("cache-control") == "private, max-age=60"
    assert response.field("vary") == "Accept, X-Jobgate-Authorization"
    client.send(request_bytes(scene.host, fields=lines([own("jgt_x")])))
    assert client.read_response().field("vary") == "X-Jobgate-Authorization"


def test_no_log_has_it(scene):
    value = scene.token.value
    for fields, passes in [([own(value)], True), ([authorization(basic("git", value))], True), ([authorization(f"token {value}")], True),
                           ([own(f"{value} x")], False), ([authorization(f"Digest {value}")], False)]:
        with scene.gateway.client() as client:
            client.send(request_bytes(scene.host, path="/logged", fields=lines(fields)))
            if passes:
                connection = scene.backend.next()
                connection.read_request()
                connection.answer()
            assert (client.read_response().status == 200) == passes
    scene.gateway.access_entry(path="/logged", status=400)
    for text in (scene.gateway.access_path.read_text(), scene.gateway.program.log()):
        assert value not in text and value[21:64] not in text and base64.b64encode(f"git:{value}".encode()).decode() not in text


@pytest.mark.parametrize("fields, offered", [
    ([], True), (["Authorization: Bearer jgt_x"], True), (["Accept: */*"], True), (["Origin: http://a.test"], False),
    (["Sec-Fetch-Mode: cors"], False), (["Accept: text/html"], False)])
def test_basic_is_offered_to_programs(scene, fields, offered):
    """git sends no password without being asked; a browser would ask its user."""
    for host in (scene.host, CONTROL):
        response = scene.new_client().exchange(request_bytes(host, fields=fields))
        challenges = response.all("www-authenticate")
        assert response.status == 401 and challenges[0].startswith("Bearer realm=")
        assert challenges[1:] == (['Basic realm="jobgate"'] if offered else [])
