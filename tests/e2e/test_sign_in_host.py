"""One sign-in for all jobs at browser.host, with one-time codes; one sign-out for all."""

import re
import select
import types
import urllib.parse

import pytest

from harness.gateway import DOMAIN
from harness.process import eventually
from harness.raw import Backend
from harness.scene import Scene
from harness.store import Records
from harness.visitor import HTML, LOAD, SIGN_IN_HOST, Visitor, code_of, policy_of, texts_of

SETTINGS = {"browser": {"host": SIGN_IN_HOST}, "backends": {"trusted_proxies": ["127.0.0.1"]}, "workers": 2}
COOKIE, NONCE = "__Host-jobgate", "__Host-jobgate-nonce"
UPGRADE = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]


@pytest.fixture(scope="module")
def key_file(make_folder):
    path = make_folder("key") / "key"
    path.write_bytes(b"0123456789abcdef" * 4)
    path.chmod(0o600)
    return str(path)


@pytest.fixture(scope="module")
def gateway(module_gateways, key_file):
    return module_gateways.start({**SETTINGS, "browser": {"host": SIGN_IN_HOST, "key_file": key_file, "help": "Ask Ada."}})


@pytest.fixture(scope="module")
def second_gateway(module_gateways, key_file):
    return module_gateways.start({**SETTINGS, "browser": {"host": SIGN_IN_HOST, "key_file": key_file}})


@pytest.fixture
def scene(gateway, scene_of):
    return scene_of(gateway)


@pytest.fixture
def visitor(gateway):
    return Visitor(gateway)


def page(scene, path="/"):
    return f"https://{scene.host}{path}"


def signed_in(scene, visitor, token=None):
    visitor.arrive(visitor.sign_in(page(scene), token or scene.token))
    return visitor


def status(scene, visitor, fields=(), gateway=None, path="/"):
    """What a request with the browser's cookies comes to; the backend answers what reaches it."""
    jar = visitor.jars.get(scene.host, {})
    cookies = "; ".join(f"{name}={value}" for name, value in jar.items())
    with (gateway or scene.gateway).client() as client:
        lines = [f"GET {path} HTTP/1.1", f"Host: {scene.host}", "X-Forwarded-Proto: https", f"Cookie: {cookies}", *fields]
        client.send(("\r\n".join(lines) + "\r\n\r\n").encode())
        while not select.select([client.sock, scene.backend.listener], [], [])[0][0] is client.sock:
            with scene.backend.next() as connection:
                connection.read_request()
                connection.answer()
        return client.read_response().status


# ---- the way there and back ----


def test_a_page_leads_to_the_sign_in_host(scene, visitor):
    response = visitor.ask(page(scene, "/lab?a=b&c=%20"))
    assert response.status == 303 and response.field("cache-control") == "no-store"
    way = urllib.parse.urlsplit(response.field("location"))
    assert (way.scheme, way.netloc, way.path) == ("https", SIGN_IN_HOST, "/sign-in")
    query = urllib.parse.parse_qs(way.query)
    assert query["to"] == [page(scene, "/lab?a=b&c=%20")] and re.fullmatch("[0-9a-f]{64}", query["nonce"][0])
    nonce = visitor.jars[scene.host][NONCE]
    assert re.fullmatch("[A-Za-z0-9_-]{32}", nonce) and nonce not in response.field("location")
    assert "Max-Age=600" in response.field("set-cookie")
    # A second tab gets the same nonce, or the first tab's code would be for nothing.
    visitor.ask(page(scene, "/other"))
    assert visitor.jars[scene.host][NONCE] == nonce


def test_only_page_loads_lead_there(scene, visitor):
    for fields in ([HTML, "Sec-Fetch-Dest: iframe", "Sec-Fetch-Mode: navigate"], [HTML, "Sec-Fetch-Mode: cors"],
                   [HTML, "Sec-Fetch-Dest: image", "Sec-Fetch-Mode: no-cors"]):
        response = visitor.ask(page(scene), fields=fields)
        assert response.status == 401 and response.field("location") is None and "Load the job's page again" in texts_of(response)
    assert visitor.ask(page(scene), "POST", body=b"x").status == 401
    assert visitor.ask(page(scene), fields=["Accept: */*"]).status == 401
    assert visitor.ask(page(scene), fields=[HTML]).status == 303  # a browser without Fetch Metadata


def test_signing_in(scene, visitor, gateway):
    way = visitor.way(page(scene, "/lab?x=1&y=%2F"))
    shown = visitor.ask(way)
    assert shown.status == 200 and shown.field("cache-control") == "no-store" and b"<script" not in shown.body
    policy = policy_of(shown)
    assert policy["form-action"] == f"'self' https://{scene.host}" and policy["frame-ancestors"] == "'none'"
    assert policy["default-src"] == "'none'" and "script-src" not in policy
    assert b'<form method="post">' in shown.body and "Ask Ada." in texts_of(shown) and scene.job in texts_of(shown)
    response = visitor.post(way, token=f" {scene.token.value}\r\n")
    assert response.status == 303 and response.field("cache-control") == "no-store"
    link = response.field("location")
    assert link.startswith(f"https://{scene.host}/.jobgate/signed-in?code=")
    assert re.fullmatch("[A-Za-z0-9_-]{112}", code_of(link))
    arrived = visitor.ask(link)
    assert arrived.status == 303 and arrived.field("location") == "/lab?x=1&y=%2F"
    cookies = {host: jar[COOKIE] for host, jar in visitor.jars.items()}
    assert set(cookies) == {scene.host, SIGN_IN_HOST} and len(set(cookies.values())) == 2
    assert all(re.fullmatch("[A-Za-z0-9+/]{72}", value) for value in cookies.values())
    # The job sees neither cookie.
    scene.client.send((f"GET /lab HTTP/1.1\r\nHost: {scene.host}\r\nX-Forwarded-Proto: https\r\nCookie: a=b; {COOKIE}={cookies[scene.host]}; "
                       f"{NONCE}={visitor.jars[scene.host][NONCE]}; c=d\r\n\r\n").encode())
    connection = scene.backend.next()
    received = connection.read_request()
    assert received.all("cookie") == ["a=b; c=d"] and received.field("x-jobgate-token-id") == scene.token.id
    connection.answer()
    assert scene.client.read_response().status == 200
    # Logs have neither the code nor the cookies nor the token.
    log = gateway.access_path.read_text() + gateway.program.log()
    for secret in (code_of(link), *cookies.values(), scene.token.value, visitor.jars[scene.host][NONCE]):
        assert secret not in log

    def signed_in_lines():
        found = [entry for entry in gateway.access_entries() if entry.get("job") == scene.job and entry["outcome"] == "signed_in"]
        return found if len(found) == 2 else None

    entries = eventually(signed_in_lines, "the lines of the access log")
    assert scene.token.id in [entry.get("token_id") for entry in entries]
    assert {entry["path"] for entry in entries} == {"/sign-in", "/.jobgate/signed-in"}


def test_one_sign_in_opens_all_jobs_in_reach(scene, scene_of, gateway, visitor, records):
    token = records.token(selector="team=a")
    first, second, beyond = scene_of(gateway), scene_of(gateway), scene_of(gateway)
    for each in (first, second):
        records.client.hset(records.job_key(each.job), "label:team", "a")
    signed_in(first, visitor, token)
    assert status(first, visitor) == 200
    # The second job needs no page: there and back.
    link = visitor.ask(visitor.way(page(second, "/x"))).field("location")
    assert visitor.arrive(link) == "/x" and status(second, visitor) == 200
    # The third is out of reach: the page says so, and another token takes the place of the first.
    way = visitor.way(page(beyond))
    shown = visitor.ask(way)
    assert shown.status == 200 and "does not reach this job" in texts_of(shown)
    response = visitor.post(way, token=beyond.token.value)
    assert response.status == 303 and visitor.arrive(response.field("location")) == "/"
    assert status(beyond, visitor) == 200
    eventually(lambda: status(first, visitor) == 401 and status(second, visitor) == 401, "the first sign-in to end")


def test_a_public_job_takes_no_sign_in_that_does_not_reach_it(scene, scene_of, gateway, visitor, records):
    """Everyone gets in there, but a sign-in is for a token that reaches the job, also while the job has no URL."""
    beyond = scene_of(gateway)
    records.client.hset(records.job_key(scene.job), "label:team", "a")
    signed_in(scene, visitor, records.token(selector="team=a"))
    way = visitor.way(page(beyond))
    for url in [beyond.backend.url, ""]:
        records.client.hset(records.job_key(beyond.job), mapping={"access": "public", "url": url})
        records.client.sadd("jobgate:public", beyond.job)
        eventually(lambda: status(beyond, visitor) == (200 if url else 503), "the job is public")
        shown = visitor.ask(way)
        assert shown.status == 200 and "does not reach this job" in texts_of(shown)


def test_a_port_of_a_job_needs_no_second_sign_in(scene, gateway, visitor, records):
    with Backend() as backend:
        records.client.hset(records.job_key(scene.job), "port:9000", backend.url)
        signed_in(scene, visitor)
        port = types.SimpleNamespace(host=f"{scene.job}-9000.{DOMAIN}", gateway=gateway, backend=backend)
        assert visitor.arrive(visitor.ask(visitor.way(f"https://{port.host}/x")).field("location")) == "/x"
        assert status(port, visitor) == 200
        visitor.post(f"https://{scene.host}/.jobgate/sign-out")
        eventually(lambda: status(port, visitor) == 401, "the sign-in to end there, too")


def test_it_says_whether_one_is_signed_in(scene, visitor):
    home = f"https://{SIGN_IN_HOST}/"
    assert "Not signed in" in texts_of(visitor.ask(home))
    signed_in(scene, visitor)
    shown = visitor.ask(home)
    assert "is signed in" in texts_of(shown) and b'action="/sign-out"' in shown.body
    visitor.post(home + "sign-out")
    eventually(lambda: "Not signed in" in texts_of(visitor.ask(home)), "the page to say so")


def test_tokens_that_do_not_do(scene, visitor, records):
    way = visitor.way(page(scene))
    for value, code, words in [("", 400, "no token"), ("jgt_x", 401, "not valid"), (records.token(selector="team=x").value, 403, "does not reach")]:
        response = visitor.post(way, token=value)
        assert response.status == code and words in texts_of(response) and response.field("set-cookie") is None
        assert policy_of(response)["form-action"] == f"'self' https://{scene.host}"
    assert visitor.arrive(visitor.post(way, token=scene.token.value).field("location")) == "/"


# ---- the end ----


@pytest.mark.parametrize("where", ["the job's host", "the sign-in host"])
def test_one_sign_out_ends_all(scene, scene_of, gateway, second_gateway, visitor, where):
    """Also what runs, on other gateways too, within moments."""
    other = scene_of(gateway, token=scene.token)
    signed_in(scene, visitor)
    visitor.arrive(visitor.ask(visitor.way(page(other))).field("location"))
    assert status(scene, visitor) == status(other, visitor) == 200
    assert status(other, visitor, gateway=second_gateway) == 200
    cookie = f"Cookie: {COOKIE}={visitor.jars[other.host][COOKIE]}"
    tunnels = []
    for each in (gateway, second_gateway):
        client = each.client()
        client.send(("\r\n".join(["GET / HTTP/1.1", f"Host: {other.host}", "X-Forwarded-Proto: https", f"Origin: https://{other.host}",
                                  cookie, *UPGRADE]) + "\r\n\r\n").encode())
        connection = other.backend.next()
        connection.read_head()
        connection.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        assert client.read_head(upgrade=True).status == 101
        tunnels.append(client)
    host, path = (scene.host, "/.jobgate/sign-out") if where == "the job's host" else (SIGN_IN_HOST, "/sign-out")
    stolen = {name: dict(jar) for name, jar in visitor.jars.items()}
    response = visitor.post(f"https://{host}{path}")
    assert response.status == 303 and COOKIE not in visitor.jars[host]
    assert "signed out of all jobs" in texts_of(visitor.ask(urllib.parse.urljoin(f"https://{host}", response.field("location"))))
    for client in tunnels:
        assert b"access has been revoked" in client.read_to_end()
        client.close()
    visitor.jars = stolen  # cookies that somebody kept
    eventually(lambda: status(scene, visitor) == status(other, visitor) == 401, "the sign-in to end")
    eventually(lambda: status(other, visitor, gateway=second_gateway) == 401, "the sign-in to end there, too")
    assert b"<form" in visitor.ask(visitor.way(page(scene))).body  # a page to sign in at, no code


@pytest.mark.parametrize("change", ["delete_token", "renew"])
def test_it_ends_with_its_token(scene, scene_of, gateway, second_gateway, visitor, records, change):
    """At each job that it has opened, and at every gateway."""
    other = scene_of(gateway, token=scene.token)
    signed_in(scene, visitor)
    visitor.arrive(visitor.ask(visitor.way(page(other))).field("location"))
    places = [(one, each) for one in (scene, other) for each in (gateway, second_gateway)]
    assert [status(one, visitor, gateway=each) for one, each in places] == [200] * 4
    getattr(records, change)(scene.token)
    for one, each in places:
        eventually(lambda one=one, each=each: status(one, visitor, gateway=each) == 401, "the sign-in to end there")
    assert "has ended" in texts_of(visitor.ask(visitor.way(page(scene))))


def test_it_ends_with_its_record(scene, visitor, records):
    """Whoever deletes it, or changes what it names."""
    signed_in(scene, visitor)
    key, = [key for key in records.client.scan_iter("jobgate:signin:*") if records.client.hget(key, "token") in (scene.token.id, scene.token.id.encode())]
    for field, value in (("version", 9), ("mark", "ab" * 12), ("token", records.token().id)):
        old = records.client.hget(key, field)
        records.client.hset(key, field, value)
        eventually(lambda: status(scene, visitor) == 401, f"another {field} to end it")
        records.client.hset(key, field, old)
        eventually(lambda: status(scene, visitor) == 200, "it to go on")
    records.client.delete(key)
    eventually(lambda: status(scene, visitor) == 401, "the sign-in to end")


def test_it_expires(gateways, scene_of):
    gateway = gateways.start({**SETTINGS, "browser": {"host": SIGN_IN_HOST, "session": "2s"}})
    scene, visitor = scene_of(gateway), Visitor(gateway)
    signed_in(scene, visitor)
    eventually(lambda: status(scene, visitor) == 401, "the sign-in to end by itself")


# ---- the configuration ----


def test_its_id_is_no_jobs(gateway, records):
    answer = gateway.cli("job", "create", "--id", "auth", "--url", "http://127.0.0.1:1")
    assert answer.status != 0 and "browser.host" in answer.err


def test_paths_that_do_not_exist(scene, visitor):
    for path in ("/x", "/sign-in/", "/.jobgate/sign-in", "/favicon.ico", "/v1/tokens", "/gateway/sign-in"):
        assert visitor.ask(f"https://{SIGN_IN_HOST}{path}").status == 404, path
    for method in ("PUT", "DELETE", "OPTIONS", "POST"):
        assert visitor.ask(f"https://{SIGN_IN_HOST}/", method).status in (403, 404, 405), method
    assert visitor.ask(page(scene, "/.jobgate/other"), fields=LOAD).status == 404
    assert scene.backend.untouched()


def test_no_other_origin_reads_it(gateways):
    """cors.origins is for jobs: the sign-in host answers no preflight, and gives no answer to pages of other origins."""
    gateway = gateways.start({**SETTINGS, "cors": {"origins": ["https://app.example.org"]}})
    visitor = Visitor(gateway)
    asks = ["Origin: https://app.example.org", "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: content-type"]
    assert visitor.ask(f"https://any-job.{DOMAIN}/", "OPTIONS", asks).status == 204  # so this is a preflight
    for path in ("/", "/sign-in", "/sign-out"):
        for method, fields in (("OPTIONS", asks), ("GET", asks[:1])):
            response = visitor.ask(f"https://{SIGN_IN_HOST}{path}", method, fields)
            assert not [name for name, _ in response.fields if name.startswith("access-control-")], (path, method)
            assert method == "GET" or response.status in (403, 404, 405), (path, response)
    assert visitor.post(f"https://{SIGN_IN_HOST}/sign-out", origin="https://app.example.org").status == 403


def test_without_the_control_process(gateways, scene_of, store):
    """The store is down: no sign-in, and a page that says so."""
    gateway = gateways.start(SETTINGS, store_url=store.url)
    visitor = Visitor(gateway)
    scene = Scene(gateway, Records(store.client))
    try:
        way = visitor.way(page(scene))
        signed_in(scene, visitor)
        store.stop()
        response = visitor.post(way, token=scene.token.value)
        assert response.status == 503 and response.field("set-cookie") is None
        response = visitor.post(f"https://{SIGN_IN_HOST}/sign-out")
        assert response.status == 503 and response.field("set-cookie") is None
    finally:
        scene.close()
        store.start()
