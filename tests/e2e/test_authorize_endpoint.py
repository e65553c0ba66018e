"""The decision endpoint: asked as nginx, Caddy, Traefik and Envoy ask."""

import json
import socket

import pytest

from harness.gateway import DOMAIN
from harness.process import eventually, free_port
from harness.raw import Client


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
