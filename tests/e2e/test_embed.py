"""Jobs in frames: only pages that browser.embed lists may show them, and no page may show a form of the gateway's."""

import html

import pytest

from harness.gateway import DOMAIN, Gateway
from harness.visitor import HTML, LOAD, SIGN_IN_HOST, Visitor, policy_of, texts_of
from test_browser import narrow
from test_sign_in_host import COOKIE, signed_in

PORTAL = "https://portal.jobs.test"
BEHIND_TLS = {"backends": {"trusted_proxies": ["127.0.0.1"]}}
FRAME = [HTML, "Sec-Fetch-Dest: iframe", "Sec-Fetch-Mode: navigate"]
OURS = f"frame-ancestors 'self' {PORTAL}"


@pytest.fixture(scope="module")
def gateway(module_gateways):
    return module_gateways.start({**BEHIND_TLS, "browser": {"embed": [PORTAL], "help": "Ask Ada."}})


@pytest.fixture(scope="module")
def without(module_gateways):
    return module_gateways.start(BEHIND_TLS)


@pytest.fixture
def scene(gateway, scene_of):
    return scene_of(gateway)


@pytest.fixture
def visitor(scene):
    """A browser that has signed in for the job."""
    visitor = Visitor(scene.gateway)
    signed_in(scene, visitor)
    return visitor


def asked(scene, fields, method="GET", cookie=None, answer=(), path="/"):
    """The answer to a request with these fields and a sign-in, or with the token; the job answers with `answer`."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {scene.host}", "X-Forwarded-Proto: https", *fields]
    lines.append(f"Cookie: {COOKIE}={cookie}" if cookie else f"Authorization: Bearer {scene.token.value}")
    with scene.gateway.client() as client:
        client.send(("\r\n".join(lines) + "\r\n\r\n").encode())
        with scene.backend.next() as connection:
            connection.read_request()
            connection.answer(fields=list(answer))
        return client.read_response(method)


def refused(scene, fields, cookie, method="GET"):
    lines = [f"{method} / HTTP/1.1", f"Host: {scene.host}", "X-Forwarded-Proto: https", f"Cookie: {COOKIE}={cookie}", *fields]
    with scene.gateway.client() as client:
        client.send(("\r\n".join(lines) + "\r\n\r\n").encode())
        response = client.read_response(method)
    assert response.status == 403 and b"Foreign origin" in response.body, response
    assert scene.backend.untouched()
    return True


@pytest.fixture
def cookie(scene, visitor):
    return visitor.jars[scene.host][COOKIE]


# ---- requests ----


@pytest.mark.parametrize("site", ["same-site", "cross-site"])
def test_a_listed_page_may_frame_it(scene, cookie, site):
    fields = [*FRAME, f"Sec-Fetch-Site: {site}", f"Referer: {PORTAL}/"]
    assert asked(scene, fields, cookie=cookie).status == 200
    # What the framed page loads comes from itself.
    own = ["Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty", f"Referer: https://{scene.host}/"]
    assert asked(scene, own, cookie=cookie).status == 200
    assert asked(scene, [*own, f"Origin: https://{scene.host}"], "POST", cookie=cookie).status == 200


@pytest.mark.parametrize("referer", [[], ["Referer: https://evil.test/"], [f"Referer: {PORTAL}.evil.test/"], [f"Referer: http{PORTAL[5:]}/"],
                                     [f"Referer: {PORTAL}/", "Referer: https://evil.test/"], [f"Referer: https://evil.test/{PORTAL}/"],
                                     [f"Referer: https://other.{DOMAIN}/"], [f"Referer: {PORTAL}:8443/"]])
def test_other_pages_may_not(scene, cookie, referer):
    """Not even cause the request, which may change something: other jobs are of the same site."""
    for site in ("same-site", "cross-site"):
        assert refused(scene, [*FRAME, f"Sec-Fetch-Site: {site}", *referer], cookie)


@pytest.mark.parametrize("fields", [
    ["Sec-Fetch-Dest: image", "Sec-Fetch-Mode: no-cors"], ["Sec-Fetch-Dest: empty", "Sec-Fetch-Mode: cors"], ["Sec-Fetch-Dest: script", "Sec-Fetch-Mode: no-cors"],
    ["Sec-Fetch-Dest: object", "Sec-Fetch-Mode: navigate"], ["Sec-Fetch-Dest: embed", "Sec-Fetch-Mode: navigate"], ["Sec-Fetch-Dest: iframe", "Sec-Fetch-Mode: no-cors"]])
def test_a_listed_page_may_do_nothing_else(scene, cookie, fields):
    """It frames jobs; it does not read them, write to them or load parts of them."""
    assert refused(scene, [*fields, "Sec-Fetch-Site: cross-site", f"Referer: {PORTAL}/"], cookie)
    assert refused(scene, [*FRAME, "Sec-Fetch-Site: cross-site", f"Referer: {PORTAL}/", f"Origin: {PORTAL}", "Content-Length: 0"], cookie, "POST")


def test_without_the_setting_nobody_may(without, scene_of):
    scene = scene_of(without)
    cookie = signed_in(scene, Visitor(without)).jars[scene.host][COOKIE]
    for site in ("same-site", "cross-site"):
        assert refused(scene, [*FRAME, f"Sec-Fetch-Site: {site}", f"Referer: {PORTAL}/"], cookie)
    response = asked(scene, [], cookie=cookie)
    assert response.field("content-security-policy") == "frame-ancestors 'self'" and response.field("x-frame-options") == "SAMEORIGIN"
    # The job's own limits stay as they are, or become stricter.
    response = asked(scene, [], cookie=cookie, answer=["X-Frame-Options: DENY", "Content-Security-Policy: default-src 'self'"])
    assert response.all("x-frame-options") == ["DENY"]
    assert response.all("content-security-policy") == ["default-src 'self'", "frame-ancestors 'none'"]
    # A program's token is no sign-in: its answers are as the job has sent them.
    response = asked(scene, [])
    assert response.field("content-security-policy") is None and response.field("x-frame-options") is None


# ---- answers ----


@pytest.mark.parametrize("answer, policies", [
    ([], [OURS]),
    (["Content-Security-Policy: default-src 'self'"], ["default-src 'self'", OURS]),
    (["Content-Security-Policy: frame-ancestors 'self'"], ["frame-ancestors 'self'", OURS]),
    (["X-Frame-Options: DENY"], ["frame-ancestors 'none'"]),
    (["X-Frame-Options: sameorigin"], ["frame-ancestors 'self'"]),
    (["X-Frame-Options: SAMEORIGIN", f"Content-Security-Policy: frame-ancestors {PORTAL}"], [f"frame-ancestors {PORTAL}", OURS]),
])
def test_the_jobs_own_limits_count_too(scene, cookie, answer, policies):
    response = asked(scene, [*FRAME, "Sec-Fetch-Site: cross-site", f"Referer: {PORTAL}/"], cookie=cookie, answer=answer)
    assert response.status == 200 and response.all("content-security-policy") == policies
    assert response.all("x-frame-options") == [field.partition(": ")[2] for field in answer if field.startswith("X-Frame")]


def test_our_pages_at_a_jobs_host(scene, visitor, cookie):
    """Refusals show in a listed page's frame; what has a form shows in none."""
    frame = [*FRAME, "Sec-Fetch-Site: cross-site", f"Referer: {PORTAL}/"]
    scene.backend.close()
    response = visitor.ask(f"https://{scene.host}/", fields=frame)
    assert response.status == 502 and policy_of(response)["frame-ancestors"] == f"'self' {PORTAL}"
    assert policy_of(response)["default-src"] == "'none'" and policy_of(response)["form-action"] == "'none'" and response.field("x-frame-options") is None
    for url in (f"https://{scene.host}/.jobgate/sign-out", f"https://{SIGN_IN_HOST}/", f"https://{SIGN_IN_HOST}/sign-out", Visitor(scene.gateway).way(f"https://{scene.host}/"),
                f"https://{SIGN_IN_HOST}/x", f"https://{DOMAIN}/"):
        response = visitor.ask(url, fields=frame)
        assert policy_of(response)["frame-ancestors"] == "'none'", url


# ---- signing in ----


@pytest.mark.parametrize("same_host", [False, True])
def test_signing_in_from_a_frame(module_gateways, gateway, scene_of, same_host):
    """The frame has no form and is not led away: links open the job in a window of its own, where people see where they are."""
    at = module_gateways.start({**BEHIND_TLS, "browser": {"embed": [PORTAL], "same_host": True}}) if same_host else gateway
    scene, visitor = narrow(scene_of(at)), Visitor(at)
    url = f"https://{scene.host}/lab?x=1&y=%22"
    response = visitor.ask(url, fields=[*FRAME, "Sec-Fetch-Site: cross-site", f"Referer: {PORTAL}/"])
    assert response.status == 401 and response.field("location") is None and response.field("set-cookie") is None
    assert b"<form" not in response.body and b"<input" not in response.body and b"<script" not in response.body
    policy = policy_of(response)
    assert policy["frame-ancestors"] == f"'self' {PORTAL}" and policy["form-action"] == "'none'" and "script-src" not in policy
    text = html.unescape(response.body.decode())
    assert '<a target="_blank" rel="noopener" href="/lab?x=1&y=%22">' in text and '<a href="/lab?x=1&y=%22">' in text
    assert "new window" in texts_of(response)
    # The window.
    shown = visitor.ask(url, fields=[*LOAD, "Sec-Fetch-Site: same-origin"])
    assert shown.status == (401 if same_host else 303)


@pytest.mark.parametrize("origins, mistake", [(["*"], "one by one"), (["https://portal.test/"], "without a slash"), (["portal.test"], "expected an origin"),
                                              (["https://a.test; script-src *"], "expected an origin"), ([f"https://{n:0>60}.test" for n in range(20)], "at most 1000 bytes")])
def test_mistakes(gateways, origins, mistake):
    gateway = gateways.make({"browser": {"embed": origins}}).launch()
    Gateway.live.remove(gateway)
    assert gateway.program.wait() == 1
    assert "browser.embed" in gateway.program.log() and mistake in gateway.program.log()
