"""The sign-in host of a sidecar, and with another proxy that asks /authorize."""

import json
import types

import pytest

from harness.gateway import DOMAIN
from harness.process import eventually
from harness.visitor import HTML, SIGN_IN_HOST, Visitor, texts_of
from test_authorize_endpoint import Asking, ask, forwarded
from test_sign_in_host import COOKIE, NONCE, page, status

# ---- another proxy ----


@pytest.fixture(scope="module")
def asking(module_gateways):
    return Asking(module_gateways, None, {"browser": {"host": SIGN_IN_HOST}})


@pytest.fixture
def scene(asking, scene_of):
    return scene_of(asking.gateway)


PAGE = [HTML, "Sec-Fetch-Dest: document", "Sec-Fetch-Mode: navigate"]


def test_the_proxy_hands_on_the_way_to_sign_in(asking, scene):
    """Traefik, Caddy and Envoy give our answer to the browser; the proxy sends /.jobgate/ and the sign-in host to us."""
    response = ask(asking, [*forwarded(scene, "/lab?a=b"), *PAGE])
    assert response.status == 303 and response.field("location").startswith(f"https://{SIGN_IN_HOST}/sign-in?to=https%3A%2F%2F{scene.host}%2Flab%3Fa%3Db&")
    visitor = Visitor(asking.gateway)
    name, _, value = response.field("set-cookie").partition(";")[0].partition("=")
    visitor.jars[scene.host] = {name: value}
    assert name == NONCE
    link = visitor.post(response.field("location"), token=scene.token.value).field("location")
    assert visitor.arrive(link) == "/lab?a=b"
    cookie = f"Cookie: a=b; {COOKIE}={visitor.jars[scene.host][COOKIE]}"
    allowed = ask(asking, [*forwarded(scene), *PAGE, cookie])
    assert allowed.status == 200 and allowed.field("x-jobgate-token-id") == scene.token.id
    assert allowed.field("cookie") == "a=b"  # what the job may see
    # Pages of other sites cannot use it.
    assert ask(asking, [*forwarded(scene, method="POST"), cookie, "Origin: https://evil.test"]).status == 403
    assert ask(asking, [*forwarded(scene, method="POST"), cookie, f"Origin: https://{scene.host}"]).status == 200
    assert visitor.post(f"https://{scene.host}/.jobgate/sign-out").status == 303
    eventually(lambda: ask(asking, [*forwarded(scene), cookie]).status == 401, "the sign-in to end")


def test_nginx_gets_401(asking, scene):
    """It takes nothing else, and sends the browser to /.jobgate/sign-in by itself."""
    response = ask(asking, [f"X-Original-URL: https://{scene.host}/lab", "X-Original-Method: GET", "X-Forwarded-Proto: https", *PAGE])
    assert response.status == 401 and response.field("location") is None and response.field("set-cookie") is None
    visitor = Visitor(asking.gateway)
    way = visitor.ask(f"https://{scene.host}/.jobgate/sign-in?to=/lab").field("location")
    assert visitor.arrive(visitor.post(way, token=scene.token.value).field("location")) == "/lab"
    for to in ("//evil.test/", "https://evil.test/", "/.jobgate/sign-in"):
        assert f"to=https%3A%2F%2F{scene.host}%2F&" in visitor.ask(f"https://{scene.host}/.jobgate/sign-in?to={to}").field("location")


def test_our_paths_are_never_let_through(asking, scene):
    """A proxy that does not send them to us is told so: nothing below /.jobgate/ is allowed, and no browser goes in circles."""
    visitor = Visitor(asking.gateway)
    link = visitor.sign_in(page(scene), scene.token)
    for path in ("/.jobgate/sign-out", "/.jobgate/signed-out", "/.jobgate/sign-in", link.partition(scene.host)[2]):
        response = ask(asking, [*forwarded(scene, path), *PAGE, f"Cookie: {NONCE}={visitor.jars[scene.host][NONCE]}"])
        assert response.status == 404 and response.field("location") is None, path
        assert ask(asking, forwarded(scene, path), scene.token).status == 404
    assert visitor.arrive(link) == "/"


def test_the_sign_in_host_is_not_asked_about(asking, scene):
    assert ask(asking, [*forwarded(scene, "/sign-in", host=SIGN_IN_HOST), *PAGE]).status in (401, 404)
    assert ask(asking, forwarded(scene, "/sign-in", host=SIGN_IN_HOST), scene.token).status == 404


# ---- a sidecar ----

SIDECAR = "notebook.example.test"


def test_a_sidecar_has_a_sign_in(gateways, scene, records):
    """At its own host, and at no other, whatever name leads to it."""
    token, backend = scene.token, scene.backend
    gateway = gateways.start({"jobs": {"domain": None, "prefix": None, "fixed": scene.job}, "backends": {"trusted_proxies": ["127.0.0.1"]},
                              "browser": {"host": "auth.example.test", "job_host": SIDECAR}})
    visitor = Visitor(gateway)
    way = visitor.way(f"https://{SIDECAR}/lab")
    assert way.startswith("https://auth.example.test/sign-in?to=https%3A%2F%2Fnotebook.example.test%2Flab&")
    assert visitor.arrive(visitor.post(way, token=token.value).field("location")) == "/lab"
    assert status(types.SimpleNamespace(host=SIDECAR, gateway=gateway, backend=backend), visitor) == 200
    for elsewhere in ("evil.example.test", "auth.example.test", f"x.{SIDECAR}"):
        bad = way.replace("notebook.example.test", elsewhere) if elsewhere != "auth.example.test" else way.replace("%2F%2Fnotebook", "%2F%2Fauth")
        response = visitor.ask(bad)
        assert response.status == 400 and response.field("location") is None, elsewhere
    assert "beside one job" in texts_of(visitor.ask("https://other.example.test/"))
    visitor.jars["other.example.test"] = dict(visitor.jars[SIDECAR])
    assert visitor.ask("https://other.example.test/").status == 401
    visitor.post(f"https://{SIDECAR}/.jobgate/sign-out")
    assert visitor.ask(f"https://{SIDECAR}/").status == 303


def test_without_a_setting(gateways, scene_of):
    """People sign in at auth.<domain>, whose id no job may have."""
    gateway = gateways.start({"backends": {"trusted_proxies": ["127.0.0.1"]}})
    scene, visitor = scene_of(gateway), Visitor(gateway)
    way = visitor.way(f"https://{scene.host}/x")
    assert way.startswith(f"https://auth.{DOMAIN}/sign-in?")
    assert visitor.arrive(visitor.post(way, token=scene.token.value).field("location")) == "/x"
    assert status(scene, visitor) == 200
    answer = gateway.cli("job", "create", "--id", "auth", "--url", "http://127.0.0.1:1")
    assert answer.status != 0 and "browser.host" in answer.err


def test_where_only_another_proxy_asks(gateways, scene_of):
    """No browser comes to such a gateway, so it has no host to send people to."""
    gateway = gateways.make({"backends": {"trusted_proxies": ["127.0.0.1"]}})
    gateway.config["listen"] = [f"127.0.0.1:{gateway.port} authorize"]
    gateway.start()
    scene = scene_of(gateway)
    with gateway.client() as client:
        client.send(f"GET /authorize HTTP/1.1\r\nHost: a\r\n{HTML}\r\nX-Forwarded-Host: {scene.host}\r\nX-Forwarded-Proto: https\r\n"
                    "X-Forwarded-Method: GET\r\nX-Forwarded-Uri: /\r\n\r\n".encode())
        response = client.read_response()
    assert response.status == 401 and response.field("location") is None
    assert gateway.cli("job", "create", "--id", "auth", "--url", "http://127.0.0.1:1").status == 0


def test_a_sidecar_with_one_name(gateways, records):
    """browser.same_host: its own host has the page; no other one has."""
    job = records.job(labels={"team": "a"})
    gateway = gateways.start({"jobs": {"domain": None, "prefix": None, "fixed": job}, "backends": {"trusted_proxies": ["127.0.0.1"]},
                              "browser": {"job_host": SIDECAR, "same_host": True}})
    visitor, token = Visitor(gateway), records.token(selector="team=a")
    shown = visitor.ask(f"https://{SIDECAR}/x")
    assert shown.status == 401 and b'action="/.jobgate/sign-in"' in shown.body
    assert visitor.ask("https://other.example.test/").field("location") is None
    response = visitor.post(f"https://{SIDECAR}/.jobgate/sign-in", token=token.value, to="/x")
    assert response.status == 303 and response.field("location") == "/x"
    assert visitor.ask(f"https://{SIDECAR}/x").status == 503  # the job has no URL
    assert visitor.post(f"https://{SIDECAR}/.jobgate/sign-in", token=records.token().value).status == 403


@pytest.mark.parametrize("settings, words", [
    ({"jobs": {"domain": None, "prefix": None, "fixed": "a"}, "browser": {"host": "auth.example.test"}}, "browser.job_host"),
    ({"browser": {"job_host": "a.example.test"}}, "browser.host or browser.same_host"),
    ({"browser": {"host": f"auth.{DOMAIN}", "same_host": True}}, "remove browser.host"),
    ({"control": {"host": f"auth.{DOMAIN}"}}, "set browser.host"),
    ({"browser": {"host": f"auth.{DOMAIN}", "job_host": "a.example.test"}}, "jobs.fixed"),
    ({"browser": {"host": f"auth.{DOMAIN}", "sign_in": False}}, "browser.sign_in"),
    ({"jobs": {"domain": None}, "browser": {"host": f"auth.{DOMAIN}"}}, "jobs.domain"),
    ({"control": {"host": f"auth.{DOMAIN}"}, "browser": {"host": f"auth.{DOMAIN}"}}, "control.host")])
def test_what_does_not_go_together(gateways, settings, words):
    gateway = gateways.make(settings)
    gateway.config_path.write_text(json.dumps(gateway.config))
    checked = gateway.cli("check", "-c", str(gateway.config_path))
    assert checked.status != 0 and words in checked.err + checked.out
