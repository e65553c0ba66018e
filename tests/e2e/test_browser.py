"""Signing in with a browser: the page, the session's cookie, and what it may do."""

import base64
import hashlib
import html
import re
import select
import urllib.parse

import pytest

from harness.gateway import DOMAIN, Gateway
from harness.process import eventually, free_port
from harness.raw import Backend, Closed
from test_reload import reload

COOKIE = "__Host-jobgate"
HTML = "Accept: text/html,application/xhtml+xml;q=0.9"
TLS = "X-Forwarded-Proto: https"  # as a TLS terminator in front says

# People sign in at each job's own host (elsewhere: test_sign_in_host.py).
AT_JOBS_HOSTS = {"browser": {"same_host": True}, "backends": {"trusted_proxies": ["127.0.0.1"]}}


def narrow(scene):
    """The token of the scene reaches its job alone: others do not sign in at a job's host."""
    scene.token.selector = f"test={scene.job}"
    scene.records.client.hset(scene.records.token_key(scene.token.id), "selector", scene.token.selector)
    scene.records.client.hset(scene.records.job_key(scene.job), "label:test", scene.job)
    return scene


@pytest.fixture(scope="module")
def behind_tls(module_gateways):
    """All its clients come through a trusted proxy that ends TLS."""
    return module_gateways.start({**AT_JOBS_HOSTS, "workers": 2})


@pytest.fixture
def scene(behind_tls, scene_of):
    return narrow(scene_of(behind_tls))


def request(scene, method="GET", path="/", fields=(), body=None, host=None):
    """As scene.request, but without a token."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host or scene.host}", TLS, *fields]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + (body or b"")


def ask(scene, *args, **kwargs):
    with scene.gateway.client() as client:
        client.send(request(scene, *args, **kwargs))
        return client.read_response(args[0] if args else kwargs.get("method", "GET"))


def form(**fields):
    return urllib.parse.urlencode(fields).encode()


def sign_in(scene, value, to="/", origin=None, path="/.jobgate/sign-in"):
    return ask(scene, "POST", path, [f"Origin: {origin or 'https://' + scene.host}", HTML,
                                     "Content-Type: application/x-www-form-urlencoded"], form(token=value, to=to))


def session_of(scene, token=None):
    if token is None:
        narrow(scene)
    response = sign_in(scene, (token or scene.token).value)
    assert response.status == 303, response
    return response.field("set-cookie").partition(";")[0]


def status(scene, cookie, method="GET", fields=(), **kwargs):
    """What a request with the session comes to; the backend answers what reaches it."""
    with scene.gateway.client() as client:
        client.send(request(scene, method, fields=[f"Cookie: {cookie}", *fields], **kwargs))
        while not select.select([client.sock, scene.backend.listener], [], [])[0][0] is client.sock:
            with scene.backend.next() as connection:
                connection.read_request()
                connection.answer()
        return client.read_response(method).status


# ---- the page ----


def test_the_page(scene):
    response = ask(scene, path="/a/b?c=d&e", fields=[HTML])
    text = response.body.decode()
    assert response.status == 401
    assert response.field("content-type") == "text/html; charset=utf-8"
    assert response.challenge().startswith("Bearer ")
    assert response.field("cache-control") == "no-store"
    assert response.field("x-content-type-options") == "nosniff"
    scripts = re.findall(r"<script>(.*?)</script>", text)
    assert len(scripts) == text.count("<script") == 1 and "http" not in text.replace("<!DOCTYPE html>", "").replace("html", "")
    assert '<label for="token">' in text and 'lang="en"' in text and "<title>" in text
    assert html.unescape(re.search(r'name="to" value="([^"]*)"', text)[1]) == "/a/b?c=d&e"
    policy = dict(part.strip().partition(" ")[::2] for part in response.field("content-security-policy").split(";"))
    assert policy["default-src"] == "'none'" and policy["form-action"] == "'self'"
    assert policy["frame-ancestors"] == "'none'" and policy["base-uri"] == "'none'"
    for directive, content in (("style-src", re.search(r"<style>(.*?)</style>", text)[1]), ("script-src", scripts[0])):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert policy[directive] == f"'sha256-{digest}'"
    assert scene.backend.untouched()


def test_the_page_says_where_tokens_come_from(gateways, scene_of):
    """In the operator's words, which are text and nothing else; also after a wrong token, and where there is no sign-in."""
    words = "Ask <b>Ada</b> & \"Bob\" – büro 7"
    gateway = gateways.start({"browser": {"same_host": True, "help": words}, "jobs": {"prefix": "/jobs"}, "backends": {"trusted_proxies": ["127.0.0.1"]}})
    scene = scene_of(gateway)
    shown = f"<p>{html.escape(words)}</p>"
    assert shown in ask(scene, fields=[HTML]).body.decode()
    assert shown in ask(scene, path="/.jobgate/sign-in", fields=[HTML]).body.decode()
    assert shown in sign_in(scene, "jgt_x").body.decode()
    assert shown in ask(scene, host=DOMAIN, path=f"/jobs/{scene.job}/", fields=[HTML]).body.decode()
    assert shown not in ask(scene, path="/.jobgate/sign-out", fields=[HTML]).body.decode()
    reload(gateway, {"browser": {"same_host": True, "help": "Ask Bob."}})
    assert "<p>Ask Bob.</p>" in ask(scene, fields=[HTML]).body.decode()


def test_head_of_the_page(scene):
    response = ask(scene, "HEAD", fields=[HTML])
    assert (response.status, response.body) == (401, b"")


def test_programs_get_no_page(scene):
    response = ask(scene, fields=["Accept: */*"])
    assert response.status == 401 and response.field("content-type") == "application/problem+json"


def test_a_bad_bearer_gets_no_page(scene):
    response = ask(scene, fields=[HTML, "Authorization: Bearer jgt_x"])
    assert response.status == 401 and b"<form" not in response.body


@pytest.mark.parametrize("path", ["/\"><script>alert(1)</script>", "/?a='b\"c&d", "/%22%3E"])
def test_the_way_back_is_escaped(scene, path):
    quoted = path.replace('"', "%22").replace("<", "%3C").replace(">", "%3E")
    response = ask(scene, path=quoted, fields=[HTML])
    text = response.body.decode()
    assert "<script>alert" not in text and text.count("<script") == 1  # the page's own
    assert html.unescape(re.search(r'name="to" value="([^"]*)"', text)[1]) == quoted


def test_path_form_says_why_not(scene):
    response = ask(scene, host=DOMAIN, path=f"/jobs/{scene.job}/", fields=[HTML])
    assert response.status == 401
    assert b"<form" not in response.body and b"Signing in is off here" in response.body
    cookie = session_of(scene)
    assert status(scene, cookie, host=DOMAIN, path=f"/jobs/{scene.job}/") == 401


def test_a_sidecar_says_why_not(gateways, records):
    gateway = gateways.start({"jobs": {"domain": None, "prefix": None, "fixed": records.job()}})
    with gateway.client() as client:
        client.send(f"GET / HTTP/1.1\r\nHost: a\r\n{HTML}\r\n\r\n".encode())
        response = client.read_response()
    assert response.status == 401 and b"<form" not in response.body and b"beside one job" in response.body


def test_without_tls_it_says_so(gateway, scene_of):
    plain = scene_of(gateway)
    with gateway.client() as client:
        client.send(f"GET / HTTP/1.1\r\nHost: {plain.host}\r\n{HTML}\r\n\r\n".encode())
        response = client.read_response()
    assert response.status == 401 and b"<form" not in response.body and b"needs TLS" in response.body


def test_it_can_be_turned_off(gateways, scene_of):
    scene = scene_of(gateways.start({"browser": {"sign_in": False}, "backends": {"trusted_proxies": ["127.0.0.1"]}}))
    assert b"<form" not in ask(scene, fields=[HTML]).body
    assert ask(scene, path="/.jobgate/sign-in", fields=[HTML]).status == 401


# ---- signing in and out ----


def test_signing_in(scene):
    response = sign_in(scene, f"  {scene.token.value}\r\n", "/lab?x=1")
    assert (response.status, response.field("location")) == (303, "/lab?x=1")
    cookie, *attributes = response.field("set-cookie").split("; ")
    assert set(attributes) == {"Path=/", "Secure", "HttpOnly", "SameSite=Lax", "Max-Age=43200"}
    name, _, value = cookie.partition("=")
    assert name == COOKIE and re.fullmatch(r"[A-Za-z0-9+/]{96}", value)
    assert scene.token.id.encode() not in base64.b64decode(value)  # sealed, not just signed
    assert value != session_of(scene).partition("=")[2]  # and never twice the same
    scene.client.send(request(scene, path="/lab", fields=[f"Cookie: a=b; {cookie};c=d ; e"]))
    connection = scene.backend.next()
    received = connection.read_request()
    assert received.all("cookie") == ["a=b; c=d; e"]
    assert received.field("x-jobgate-token-id") == scene.token.id
    connection.answer()
    assert scene.client.read_response().status == 200
    entry = eventually(lambda: [entry for entry in scene.gateway.access_entries() if entry.get("job") == scene.job
                                and entry["outcome"] == "signed_in"], "the line of the access log")[0]
    assert entry["token_id"] == scene.token.id and entry["verdict"] == "allow"
    log = scene.gateway.access_path.read_text() + scene.gateway.program.log()
    assert value not in log and scene.token.value not in log


@pytest.mark.parametrize("to", ["//evil.test/", "/\\evil.test", "https://evil.test/", "evil", "", "/\t/evil.test", "/a b",
                                "/" + "a" * 2000, "/\r\nSet-Cookie: x=y"])
def test_the_way_back_leads_nowhere_else(scene, to):
    response = sign_in(scene, scene.token.value, to)
    assert (response.status, response.field("location")) == (303, "/")
    assert len(response.all("set-cookie")) == 1


def test_tokens_that_do_not_do(scene, records):
    for value, code, words in [("", 400, "no token"), ("a b", 400, "no token"), ("jgt_x", 401, "not valid"),
                               (scene.token.value[:-1] + "~", 401, "not valid"),
                               (records.token(selector="team=other").value, 403, "does not reach")]:
        response = sign_in(scene, value, "/back")
        assert response.status == code and words in response.body.decode(), (value, response)
        assert response.field("set-cookie") is None
        assert 'value="/back"' in response.body.decode() and value not in response.body.decode() or value == ""


def test_tokens_that_reach_much_are_not_pasted_here(scene, records):
    """The job's code can read what is pasted at the job's host; the page says what to do about it."""
    for token, words in [(records.token("operator", selector=scene.token.selector), "An operator's token"), (records.token("operator"), "An operator's token"),
                         (records.token(), "reaches all jobs")]:
        response = sign_in(scene, token.value, "/back")
        text = html.unescape(response.body.decode())
        assert response.status == 403 and words in text and "renew" in text and "with a label selector" in text
        assert response.field("set-cookie") is None and 'value="/back"' in text and token.value not in text
    assert "Only a token of role read with a label selector" in html.unescape(ask(scene, fields=[HTML]).body.decode())


def test_broken_forms(scene):
    own = f"Origin: https://{scene.host}"
    value = scene.token.value.encode()
    for body in [b"", b"token", b"token=", b"token=" + value + b"&token=" + value, b"x=" + value]:
        assert ask(scene, "POST", "/.jobgate/sign-in", [own], body).status == 400
    assert ask(scene, "POST", "/.jobgate/sign-in", [own], b"token=" + b"a" * 9000).status == 413
    assert ask(scene, "POST", "/.jobgate/sign-in", [own]).status == 400
    assert scene.backend.untouched()


@pytest.mark.parametrize("job_id", ["plain", "like-a-port-12"])
def test_session_of_another_scope_at_a_public_job(gateways, scene_of, records, job_id):
    """It does not count, and everyone is let in: also where the host may be that of a port."""
    scene = scene_of(gateways.start(AT_JOBS_HOSTS))
    scene.job = records.job(scene.backend.url, job_id=job_id)
    cookie = session_of(scene)
    assert status(scene, cookie) == 200
    records.client.hset(records.job_key(scene.job), mapping={"label:test": "other", "access": "public"})
    records.client.sadd("jobgate:public", scene.job)
    eventually(lambda: status(scene, cookie) == 200 and [e for e in scene.gateway.access_entries() if e["verdict"] == "public"], "a public job")


def test_another_site_cannot_sign_in(scene):
    for origin in ("https://evil.test", "null", f"http://{scene.host}", f"https://{scene.host}:444", f"https://x.{DOMAIN}"):
        assert sign_in(scene, scene.token.value, origin=origin).status == 403
    assert ask(scene, "POST", "/.jobgate/sign-in", [], form(token=scene.token.value)).status == 403


def test_signing_out(scene):
    page = ask(scene, path="/.jobgate/sign-out", fields=[HTML])
    assert page.status == 200 and b'action="/.jobgate/sign-out"' in page.body
    assert page.field("allow") is None  # that is for 405 and OPTIONS
    response = ask(scene, "POST", "/.jobgate/sign-out", [f"Origin: https://{scene.host}"], b"")
    assert response.status == 200
    assert response.field("set-cookie").startswith(f"{COOKIE}=;") and "Max-Age=0" in response.field("set-cookie")
    assert ask(scene, "POST", "/.jobgate/sign-out", ["Origin: https://evil.test"], b"").status == 403


def test_our_paths_never_reach_the_job(scene):
    cookie = session_of(scene)
    for path in ("/.jobgate/", "/.jobgate/other", "/.jobgate/sign-in/x", "/x/../.jobgate/y"):
        assert status(scene, cookie, path=path) == 404
    assert scene.backend.untouched()


# ---- the session ----


def test_all_workers_know_it(scene):
    cookie = session_of(scene)
    for _ in range(8):
        assert status(scene, cookie) == 200


def test_renewing_ends_it(scene):
    cookie = session_of(scene)
    assert status(scene, cookie) == 200
    scene.records.renew(scene.token)
    eventually(lambda: status(scene, cookie) == 401, "the session to end")
    page = ask(scene, fields=[HTML, f"Cookie: {cookie}"])
    assert page.status == 401 and b"Your sign-in has ended" in page.body and b"<form" in page.body


def test_another_hash_ends_it(scene):
    """A script that writes a new hash, and forgets the version, has renewed the token all the same."""
    cookie = session_of(scene)
    scene.records.client.hset(scene.records.token_key(scene.token.id), "hash", "ab" * 32)
    eventually(lambda: status(scene, cookie) == 401, "the session to end")


def test_deleting_ends_it(scene):
    cookie = session_of(scene)
    scene.records.delete_token(scene.token)
    eventually(lambda: status(scene, cookie) == 401, "the session to end")


def test_it_expires(gateways, scene_of):
    scene = scene_of(gateways.start({"browser": {"same_host": True, "session": "1s"}, "backends": {"trusted_proxies": ["127.0.0.1"]}}))
    cookie = session_of(scene)
    eventually(lambda: status(scene, cookie) == 401, "the session to expire")
    assert b"Paste a token" in ask(scene, fields=[HTML, f"Cookie: {cookie}"]).body


def test_it_ends_while_its_job_is_away(gateways, scene_of):
    """A request waits for a job that refuses connections, but no longer than its session, and never reaches the job after that."""
    gateway = gateways.start({"browser": {"same_host": True, "session": "2s"}, "backends": {"trusted_proxies": ["127.0.0.1"]}, "timeouts": {"connect": "60s"}})
    port = free_port()
    scene = scene_of(gateway, url=f"http://127.0.0.1:{port}")
    fields = [f"Cookie: {session_of(scene)}", f"Origin: https://{scene.host}"]
    with gateway.client() as client:
        client.send(request(scene, "POST", fields=fields, body=b"x"))
        assert client.read_response("POST").status == 401
    with Backend(port=port) as backend:
        assert backend.untouched()


def test_what_it_opened_ends_with_it(gateways, scene_of):
    """However much moves on it; what a bearer opened goes on."""
    gateway = gateways.start({"browser": {"same_host": True, "session": "4s"}, "backends": {"trusted_proxies": ["127.0.0.1"]}})
    scene = scene_of(gateway)
    cookies = [f"Cookie: {session_of(scene)}", f"Origin: https://{scene.host}"]
    clients, connections = [gateway.client() for _ in range(4)], []
    for client, fields in zip(clients, [[*UPGRADE, f"Authorization: Bearer {scene.token.value}"], [*UPGRADE, *cookies], cookies, cookies]):
        client.send(request(scene, fields=fields))
        connections.append(scene.backend.next())
        connections[-1].read_head()
    bearers, websocket, stream, waiting = clients
    for connection in connections[:2]:
        connection.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    connections[2].send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert bearers.read_head(upgrade=True).status == 101 and websocket.read_head(upgrade=True).status == 101
    assert stream.read_head().status == 200

    def moves():
        try:
            connections[1].send(b"\x81\x01a")
            connections[2].send(b"1\r\na\r\n")
        except OSError:
            return True
        return bool(gateway.access_entries() and len(gateway.access_entries()) >= 4)

    eventually(moves, "the session to expire")
    assert websocket.read_to_end().endswith(b"\x88\x19\x03\xf0the sign-in has expired")
    with pytest.raises(Closed):
        stream.read_to_end()
    assert waiting.read_response().status == 401
    expired = eventually(lambda: [entry for entry in gateway.access_entries() if entry["outcome"] == "session_expired"] if
                         len(gateway.access_entries()) >= 4 else None, "the lines of the access log")
    assert sorted(entry["status"] for entry in expired) == [101, 200]
    connections[0].send(b"\x81\x01b")
    assert bearers.read(3) == b"\x81\x01b"
    for client in clients:
        client.close()


def test_it_opens_one_job_alone(scene, records):
    cookie = session_of(scene)
    other = records.job(scene.backend.url)
    assert status(scene, cookie, host=f"{other}.{DOMAIN}") == 401


def test_a_cookie_that_was_changed_is_none(scene):
    name, _, value = session_of(scene).partition("=")
    for i in range(0, 96, 7):
        changed = value[:i] + ("A" if value[i] != "A" else "B") + value[i + 1:]
        assert status(scene, f"{name}={changed}") == 401
    for text in ("", "x", value[:-1], value + "A", value[:-4], value + "AAAA", "=" * 96, value[:92] + "===="):
        assert status(scene, f"{name}={text}") == 401
    assert status(scene, f"{name}={value}; {name}={value}") == 401  # which of them?


def test_a_bearer_goes_first(scene, records):
    cookie = session_of(scene)
    assert status(scene, cookie, fields=["Authorization: Bearer jgt_x"]) == 401


def test_what_is_not_ours_in_authorization_is_the_jobs(scene):
    """Jupyter's own pages send `Authorization: token ...`."""
    scene.client.send(request(scene, fields=[f"Cookie: {session_of(scene)}", "Authorization: token abc"]))
    connection = scene.backend.next()
    received = connection.read_request()
    assert received.all("authorization") == ["token abc"] and received.all("cookie") == []
    connection.answer()
    assert scene.client.read_response().status == 200


def test_who_authenticates_a_connection_has_it_alone(scene):
    """Servers that speak NTLM take all that comes on it for the same user's."""
    for scheme in ("NTLM", "negotiate"):
        scene.client.send(request(scene, fields=[f"Cookie: {session_of(scene)}", f"Authorization: {scheme} TlRM"]))
        connection = scene.backend.next()
        assert connection.read_request().field("authorization") == f"{scheme} TlRM"
        connection.answer()
        assert scene.client.read_response().status == 200
        connection.ended()


def test_the_cookie_never_reaches_a_job(scene):
    for fields, host, path in ([f"Cookie: {COOKIE}=x"], scene.host, "/"), \
            ([f"Cookie: {COOKIE.upper()} = x; a=b", f"cookie: {COOKIE}=y"], scene.host, "/"), \
            ([f"Cookie: a=\"; {COOKIE}=x\""], DOMAIN, f"/jobs/{scene.job}/"):
        with scene.gateway.client() as client:
            client.send(scene.request(host=host, path=path, fields=fields))
            connection = scene.backend.next()
            assert COOKIE.lower().encode() not in connection.read_request().head.lower()
            connection.answer()
            connection.close()
            assert client.read_response().status == 200


def test_a_job_cannot_set_it(scene):
    """Neither to sign a browser in with a token of its own, nor to sign it out: in no kind of head, in no spelling."""
    ours = "".join(f"Set-Cookie: {cookie}\r\n" for cookie in (
        f"{COOKIE}=x; Path=/; Secure", f"{COOKIE.upper()}=; Max-Age=0", f"={COOKIE}=x", f" = {COOKIE} =x"))
    theirs = ["a=b; Path=/", f"{COOKIE}2=x", f"c={COOKIE}=x"]
    cookies = (ours + "".join(f"Set-Cookie: {cookie}\r\n" for cookie in theirs)).encode()
    scene.client.send(scene.request())
    connection = scene.backend.next()
    connection.read_request()
    connection.send(b"HTTP/1.1 103 Early Hints\r\n" + cookies + b"\r\nHTTP/1.1 200 OK\r\n" + cookies
                    + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + cookies + b"\r\n")
    response = scene.client.read_response()
    assert response.all("set-cookie") == theirs and response.interim[0].all("set-cookie") == theirs
    assert response.trailers == []


def test_a_job_cannot_set_cookies_for_other_jobs(scene):
    theirs = ["a=b; Path=/", f"a=b; Domain={scene.host}"]
    scene.client.send(scene.request())
    connection = scene.backend.next()
    connection.read_request()
    connection.answer(fields=[f"Set-Cookie: {cookie}" for cookie in [f"a=b; Domain={DOMAIN}", *theirs, f"a=b; domain=.{DOMAIN.upper()}"]])
    assert scene.client.read_response().all("set-cookie") == theirs


def test_a_job_cannot_set_it_with_a_websocket(scene):
    scene.client.send(scene.request(fields=UPGRADE))
    connection = scene.backend.next()
    connection.read_head()
    connection.send(f"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                    f"Set-Cookie: {COOKIE}=x\r\nSet-Cookie: a=b\r\n\r\n".encode())
    assert scene.client.read_head(upgrade=True).all("set-cookie") == ["a=b"]


# ---- pages of other sites ----


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "PROPFIND"])
def test_what_changes_something_needs_its_own_origin(scene, method):
    cookie = session_of(scene)
    own = f"https://{scene.host}"
    assert status(scene, cookie, method, [f"Origin: {own}"]) == 200
    assert status(scene, cookie, method, [f"Origin: {own}:443"]) == 200
    for origins in ([], ["https://evil.test"], ["null"], [own, own], [f"http://{scene.host}"], [own + ".evil.test"],
                    [f"https://other.{DOMAIN}"], [""], [own + "/"]):
        assert status(scene, cookie, method, [f"Origin: {origin}" for origin in origins]) == 403, origins


@pytest.mark.parametrize("site", ["same-site", "cross-site"])
def test_another_jobs_page_may_lead_here_but_not_embed(scene, site):
    """All jobs of a domain are one site, so SameSite is no help."""
    cookie = session_of(scene)

    def fetched(mode, dest, site=site):
        return status(scene, cookie, fields=[f"Sec-Fetch-Site: {site}", f"Sec-Fetch-Mode: {mode}", f"Sec-Fetch-Dest: {dest}"])
    assert fetched("navigate", "document") == 200
    assert fetched("navigate", "iframe") == fetched("no-cors", "image") == fetched("cors", "empty") == 403
    assert fetched("cors", "empty", "same-origin") == fetched("navigate", "document", "none") == 200


def test_reading_does_not(scene):
    cookie = session_of(scene)
    for method in ("GET", "HEAD", "OPTIONS"):
        assert status(scene, cookie, method) == 200


UPGRADE = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]


def test_a_websocket_needs_its_own_origin_and_ends_with_the_token(scene):
    cookie = session_of(scene)
    for origin in ([], ["Origin: https://evil.test"]):
        assert status(scene, cookie, fields=[*UPGRADE, *origin]) == 403
    scene.client.send(request(scene, fields=[f"Cookie: {cookie}", *UPGRADE, f"Origin: https://{scene.host}"]))
    connection = scene.backend.next()
    connection.read_head()
    connection.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    assert scene.client.read_head(upgrade=True).status == 101
    scene.records.renew(scene.token)
    assert b"access has been revoked" in scene.client.read_to_end()
    connection.ended()


# ---- keys ----


def test_gateways_with_one_key_file_share_sessions(gateways, scene_of, make_folder):
    key = make_folder("key") / "session.key"
    key.write_bytes(b"0123456789abcdef0123456789abcdef")
    settings = {"browser": {"same_host": True, "key_file": str(key)}, "backends": {"trusted_proxies": ["127.0.0.1"]}}
    first, second = (scene_of(gateways.start(settings)) for _ in range(2))
    second.job, second.token = first.job, first.token
    second.backend.close()
    second.backend = first.backend
    assert status(second, session_of(first)) == 200


def test_others_do_not(scene, gateways, scene_of):
    other = scene_of(gateways.start(AT_JOBS_HOSTS))
    other.job = scene.job
    assert status(other, session_of(scene)) == 401


def test_a_session_outlives_a_reload_but_not_its_key_file(gateways, scene_of, make_folder):
    """A key of the gateway's own is made once for all reloads; one that came from a file goes with the file."""
    key = make_folder("key") / "session.key"
    key.write_bytes(bytes(range(48)))
    gateway = gateways.start({"backends": {"trusted_proxies": ["127.0.0.1"]}, "browser": {"same_host": True, "key_file": str(key)}})
    scene = scene_of(gateway)

    def outlives(cookie, settings):
        reload(gateway, settings)
        gateway.family = gateway.processes()
        return status(scene, cookie) == 200
    cookie = session_of(scene)
    assert outlives(cookie, {}) and not outlives(cookie, {"browser": {"key_file": None}})
    assert outlives(session_of(scene), {})


@pytest.mark.parametrize("content", [None, b"short"])
def test_a_bad_key_file_is_a_mistake(gateways, make_folder, content):
    key = make_folder("key") / "session.key"
    if content is not None:
        key.write_bytes(content)
    gateway = gateways.make({"browser": {"same_host": True, "key_file": str(key)}}).launch()
    Gateway.live.remove(gateway)
    assert gateway.program.wait() == 1
    assert "browser.key_file" in gateway.program.log()


@pytest.mark.parametrize("words, mistake", [("x" * 501, "at most 500 bytes"), ("ü" * 251, "at most 500 bytes"), ("a\nb", "one line"),
                                            ("a\x7fb", "one line"), ("", "some text")])
def test_bad_help_is_a_mistake(gateways, words, mistake):
    gateway = gateways.make({"browser": {"same_host": True, "help": words}}).launch()
    Gateway.live.remove(gateway)
    assert gateway.program.wait() == 1
    assert "browser.help" in gateway.program.log() and mistake in gateway.program.log()
