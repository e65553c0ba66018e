"""The decision endpoint: asked as nginx, Caddy, Traefik and Envoy ask, and by nginx and Caddy themselves."""

import base64
import json
import socket

import pytest

from harness.asking import caddy, nginx, start_asking
from harness.gateway import DOMAIN
from harness.h2_tunnel import accept_of, switch
from harness.process import eventually, free_port
from harness.raw import Client
from harness.scene import request_bytes


class Asking:
    """A gateway with a listener for questions, and a job behind it."""

    def __init__(self, gateways, scene_of, config=None):
        self.port = free_port()
        port = free_port()
        self.gateway = gateways.make({"listen": [f"127.0.0.1:{port}", f"127.0.0.1:{self.port} authorize"],
                                      "backends": {"trusted_proxies": ["127.0.0.1"]}, **(config or {})})
        self.gateway.port = port
        self.gateway.start()
        self.scene_of = scene_of

    def scene(self):
        return self.scene_of(self.gateway)


@pytest.fixture(scope="module")
def asking(module_gateways):
    return Asking(module_gateways, None)


@pytest.fixture
def scene(asking, scene_of):
    return scene_of(asking.gateway)


def ask(asking, fields=(), token=None, target="/authorize", host="gateway", method="GET", source=None):
    with Client(("127.0.0.1", asking.port), source) as client:
        lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *fields]
        if token is not None:
            lines.append(f"Authorization: Bearer {getattr(token, 'value', token)}")
        client.send("\r\n".join([*lines, "", ""]).encode())
        return client.read_response(method)


def forwarded(scene, uri="/", method="GET", host=None):
    return [f"X-Forwarded-Method: {method}", f"X-Forwarded-Uri: {uri}", f"X-Forwarded-Host: {host or scene.host}",
            "X-Forwarded-Proto: https", "X-Forwarded-For: 192.0.2.1"]


FORMS = {
    "forwarded": lambda scene, path: {"fields": forwarded(scene, path)},
    "url": lambda scene, path: {"fields": [f"X-Original-URL: https://{scene.host}{path}", "X-Original-Method: GET"]},
    "uri": lambda scene, path: {"fields": [f"X-Original-URI: {path}"], "host": scene.host},
    "envoy": lambda scene, path: {"target": f"/authorize{path}", "host": scene.host},
}
by_form = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)


@by_form
def test_allowed(asking, scene, form):
    response = ask(asking, **form(scene, "/a/b?c=d"), token=scene.token)
    assert (response.status, response.body) == (200, b"")
    assert response.field("x-jobgate-job") == scene.job
    assert response.field("x-jobgate-token-id") == scene.token.id
    assert response.field("x-jobgate-token-name") == scene.token.name
    assert response.field("x-jobgate-role") == scene.token.role
    assert response.field("cache-control") == "no-store"
    assert response.field("date").endswith(" GMT")
    assert scene.backend.untouched()
    entry = asking.gateway.access_entry(request_id=response.field("x-request-id"))
    assert (entry["outcome"], entry["verdict"], entry["job"]) == ("authorized", "allow", scene.job)
    assert (entry["path"], entry["host"], entry["method"]) == ("/a/b", scene.host, "GET")


@by_form
def test_refused(asking, scene, records, form):
    question = form(scene, "/")
    assert ask(asking, **question).status == 401
    assert ask(asking, **question).challenge().startswith("Bearer realm=")
    assert ask(asking, **question, token="jgt_x").status == 401
    assert ask(asking, **question, token=records.token(selector="team=other")).status == 403
    records.delete_token(scene.token)
    eventually(lambda: ask(asking, **question, token=scene.token).status == 401, "the token to be revoked")


@by_form
def test_the_path_form(asking, scene, form):
    def status(path):
        question = form(scene, path)
        question = {**question, "fields": [field.replace(scene.host, DOMAIN) for field in question.get("fields", [])],
                    "host": question.get("host", "gateway").replace(scene.host, DOMAIN)}
        return ask(asking, **question, token=scene.token).status
    assert status(f"/jobs/{scene.job}/rest") == 200
    assert status("/jobs/no-such-job/") == 404
    assert status("/elsewhere") == 404
    # What a proxy could read as the path of another job.
    for path in (f"/jobs/other/../{scene.job}/", f"/jobs/{scene.job}/../other/", f"/jobs/{scene.job}/./",
                 f"/jobs/{scene.job}/%2e%2e/other/", f"/jobs/{scene.job}/x%2f..%2f..%2fother/",
                 f"/jobs/{scene.job}/x%2Fy", f"/jobs/{scene.job}/x%5Cy", f"/jobs/{scene.job}/%2Ex"):
        assert status(path) == 400, path


@by_form
def test_an_escaped_slash_is_no_matter_where_the_host_names_the_job(asking, scene, form):
    assert ask(asking, **form(scene, "/api/contents/a%2Fb"), token=scene.token).status == 200


RAW = "/Untitled[1]{a}|^`<b>\".ipynb?a[]=1&q={\"a\":1}&r=a|b&s=50%&t=\\"


@by_form
def test_bytes_that_browsers_send(asking, scene, form):
    """The rules for targets are those of the data path."""
    response = ask(asking, **form(scene, RAW), token=scene.token)
    assert response.status == 200, response
    assert ask(asking, **form(scene, RAW)).status == 401
    for path in ("/a\\b", "/50%", "/a#b", "/?a#b", "/?\x7f"):
        assert ask(asking, **form(scene, path), token=scene.token).status == 400, path


def test_the_method_that_is_asked_about_is_logged(asking, scene):
    response = ask(asking, forwarded(scene, "/", "DELETE"), scene.token)
    assert asking.gateway.access_entry(request_id=response.field("x-request-id"))["method"] == "DELETE"


def test_envoy_asks_with_the_methods_of_its_clients(asking, scene):
    for method in ("HEAD", "POST", "DELETE", "OPTIONS"):
        response = ask(asking, target="/authorize/", host=scene.host, token=scene.token, method=method)
        assert (response.status, response.body) == (200, b"")


def unclear(scene):
    uri, host = "X-Forwarded-Uri: /", f"X-Forwarded-Host: {scene.host}"
    url = f"X-Original-URL: http://{scene.host}/"
    return {
        "nothing": [],
        "no host": [uri],
        "no path": [host],
        "method alone": ["X-Forwarded-Method: GET", host],
        "two paths": [uri, "X-Forwarded-Uri: /b", host],
        "the same path twice": [uri, uri, host],
        "two hosts": [uri, host, "X-Forwarded-Host: other.jobs.test"],
        "a list of hosts": [uri, f"X-Forwarded-Host: {scene.host}, other.jobs.test"],
        "both families": [uri, host, url],
        "a foreign host": [url, "X-Forwarded-Host: other.jobs.test"],
        "a foreign path": [url, uri],
        "two urls": [url, url],
        "url and uri": [url, "X-Original-URI: /"],
        "two methods": [uri, host, "X-Forwarded-Method: GET", "X-Forwarded-Method: POST"],
        "no method": [uri, host, "X-Forwarded-Method: G T"],
        "empty path": ["X-Forwarded-Uri:", host],
        "empty host": [uri, "X-Forwarded-Host:"],
        "url as path": [f"X-Forwarded-Uri: http://{scene.host}/", host],
        "path as url": ["X-Original-URL: /"],
        "user in the url": [f"X-Original-URL: http://{scene.host}@other.jobs.test/"],
        "another scheme": [f"X-Original-URL: ftp://{scene.host}/"],
        "asterisk": ["X-Forwarded-Uri: *", host],
        "bad escape": ["X-Forwarded-Uri: /%zz", host],
        "backslash": ["X-Forwarded-Uri: /\\", host],
        "fragment": ["X-Forwarded-Uri: /#", host],
        "space": ["X-Forwarded-Uri: / b", host],
        "non-ascii": ["X-Forwarded-Uri: /ä", host],
        "dot segments": ["X-Forwarded-Uri: /a/../b", host],
    }


@pytest.mark.parametrize("case", unclear(type("Scene", (), {"host": "x"})))
def test_what_is_unclear_is_refused(asking, scene, case):
    response = ask(asking, unclear(scene)[case], scene.token)
    assert response.status == 400, response
    assert response.field("x-jobgate-job") is None


@pytest.mark.parametrize("field", ["X-Forwarded-Uri: /", "X-Original-URI: /", "X-Original-URL: http://x/",
                                   "X-Forwarded-Host: other.jobs.test"])
def test_envoys_clients_cannot_describe_another_request(asking, scene, field):
    assert ask(asking, [field], scene.token, "/authorize/", scene.host).status == 400


def test_envoys_path_must_be_plain(asking, scene):
    assert ask(asking, [], scene.token, "/authorize/a/../b", scene.host).status == 400
    assert ask(asking, [], scene.token, "/authorize/../authorize/", scene.host).status == 400


@pytest.mark.parametrize("target", ["/", "/authorized", "/jobs/x/", "/metrics", "/authorize%2f"])
def test_there_is_nothing_else(asking, scene, target):
    assert ask(asking, forwarded(scene), scene.token, target, scene.host).status == 404
    assert scene.backend.untouched()


def test_several_authorizations_are_refused(asking, scene):
    assert ask(asking, [*forwarded(scene), "Authorization: Bearer x"], scene.token).status == 400


def test_elsewhere_it_means_nothing(asking, scene):
    """On a listener for clients the words of a question are just fields, and not passed on."""
    client = scene.client
    client.send(scene.request(path="/authorize", host="other.jobs.test", fields=forwarded(scene)))
    assert client.read_response().status == 404
    client.send(scene.request(path="/authorize", fields=["X-Forwarded-Uri: /other"]))
    connection = scene.backend.next()
    assert connection.read_request().target == "/authorize"
    connection.answer()
    assert client.read_response().status == 200


def test_only_trusted_proxies_may_ask(asking, scene):
    response = ask(asking, forwarded(scene), scene.token, source="127.0.0.2")
    assert response.status == 403 and b"trusted" in response.body
    assert response.field("x-jobgate-job") is None


def test_a_unix_socket_needs_no_trusted_proxies(gateways, scene_of, make_folder):
    path = make_folder("ask") / "ask.sock"
    gateway = gateways.make()
    gateway.config["listen"].append(f"unix:{path} authorize")
    gateway.start()
    scene = scene_of(gateway)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(path))
        sock.sendall("\r\n".join(["GET /authorize HTTP/1.1", "Host: x", *forwarded(scene), "Connection: close",
                                  f"Authorization: {scene.token.bearer}", "", ""]).encode())
        assert sock.recv(4096).startswith(b"HTTP/1.1 200 ")


def test_without_trusted_proxies_it_does_not_start(gateways):
    gateway = gateways.make({"listen": ["127.0.0.1:1 authorize"]})
    gateway.config_path.write_text(json.dumps(gateway.config))
    result = gateway.cli("check", "-c", gateway.config_path)
    assert result.status != 0 and "trusted_proxies" in result.err


# ---- the proxies themselves, with the examples as they stand ----


@pytest.fixture(params=[nginx, caddy], ids=["nginx", "caddy"])
def proxied(request, asking, scene, make_folder):
    """A scene whose clients speak to the proxy, and whose backend hears from it."""
    program, port = start_asking(request.param, asking, scene.backend.port, make_folder(request.param.__name__))
    scene.proxy = Client(("127.0.0.1", port))
    scene.clients.append(scene.proxy)
    yield scene
    program.stop()


def test_a_proxy_forwards_what_is_allowed(proxied):
    scene = proxied
    claims = ["X-Jobgate-Role: operator", "X-Jobgate-Job: other", "X_Jobgate_Role: operator", "X-Jobgate_Role: operator",
              "x_jobgate-role: operator", "X-Jobgate-Token_Id: other", "X-Jobgate_Token_Id: other", "X_Jobgate-Token-Name: other"]
    scene.proxy.send(scene.request("POST", "/a/b?c=d", body=b"hello", fields=claims))
    connection = scene.backend.next()
    received = connection.read_request()
    assert (received.method, received.target, received.body) == ("POST", "/a/b?c=d", b"hello")
    assert received.all("authorization") == []  # the job never sees a token
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
        with Client(("127.0.0.1", scene.proxy.sock.getpeername()[1])) as client:
            client.send(request_bytes(scene.host, fields=fields))
            with scene.backend.next() as connection:
                received = connection.read_request()
                connection.answer()
            assert client.read_response().status == 200
        assert received.all("authorization") == authorization and received.all("cookie") == cookies, fields
        assert b"jgt_" not in received.head and basic.encode() not in received.head and b"sealed" not in received.head
        assert received.all("x-jobgate-token-id") == [scene.token.id]


def test_a_proxy_takes_our_subprotocols_out(proxied):
    scene = proxied
    ours = "base64url.bearer.authorization.jobgate." + base64.urlsafe_b64encode(scene.token.value.encode()).decode().rstrip("=")
    for lists, left in [([ours], []), ([f"chat, {ours}"], ["chat"]), (["chat", f"v1.token.websocket.jupyter.org.{scene.token.value}"], ["chat"])]:
        with Client(("127.0.0.1", scene.proxy.sock.getpeername()[1])) as client:
            client.send(request_bytes(scene.host, fields=[
                "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
                *(f"Sec-WebSocket-Protocol: {one}" for one in lists), "Jobgate-Subprotocols: forged"]))
            with scene.backend.next() as connection:
                received = connection.read_request()
                switch(connection, accept_of(received), fields=[f"Sec-WebSocket-Protocol: {one}" for one in left])
                assert client.read_head(upgrade=True).status == 101
        assert received.all("sec-websocket-protocol") == left and scene.token.value.encode() not in received.head


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
                        scene.request(token=token, fields=["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
                                                           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="])):
            with Client(("127.0.0.1", scene.proxy.sock.getpeername()[1])) as client:
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
        with Client(("127.0.0.1", scene.proxy.sock.getpeername()[1])) as client:
            client.send(scene.request(token=token, fields=fields))
            assert client.read_response().status in (400, 403)
    # What a request line names counts (RFC 9112 section 3.2.2), whatever Host says.
    with Client(("127.0.0.1", scene.proxy.sock.getpeername()[1])) as client:
        client.send(scene.request(token=token, path=f"http://{scene.host}/", host=f"{allowed}.{DOMAIN}"))
        assert client.read_response().status in (400, 403)
    assert scene.backend.untouched()
