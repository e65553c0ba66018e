"""What others may try with a sign-in host and its one-time codes, and what comes of it."""

import re
import urllib.parse

import pytest

from harness.gateway import DOMAIN
from harness.visitor import HTML, LOAD, SIGN_IN_HOST, Visitor, policy_of, texts_of
from test_sign_in_codes import keys_of, refused
from test_sign_in_host import COOKIE, NONCE, gateway, key_file, page, scene, second_gateway, signed_in, status, visitor  # noqa: F401

KEPT_BY_NOBODY = "no-store"


# ---- the way back ----


@pytest.mark.parametrize("to", [
    "https://evil.test/", f"https://evil.{DOMAIN}.test/", f"https://{DOMAIN}/", f"https://{SIGN_IN_HOST}/", "//evil.test/", "/", "evil", "",
    "javascript:alert(1)", "https://JOB@evil.test/", "https://JOB:x@evil.test/", "https://evil.test\\@JOB/", "https://evil.test/#JOB",
    "https://JOB.evil.test/", "https://JOB%2eevil.test/", "http://JOB/", "https://JOB/.jobgate/sign-out", "https://JOB/x/../.jobgate/y",
    "https://JOB/\r\nSet-Cookie: x=y", "https://JOB/ x", "https://JOB", "https://a.JOB/", "https://JOB/#x"])
def test_it_leads_to_jobs_only(scene, visitor, to):
    """No open redirect: not before signing in, not by its form, and not for a browser that is signed in."""
    signed_in(scene, visitor)
    query = urllib.parse.urlencode({"to": to.replace("JOB", scene.host), "nonce": "ab" * 32})
    for each in (visitor, Visitor(visitor.gateway)):
        for response in (each.ask(f"https://{SIGN_IN_HOST}/sign-in?{query}"), each.post(f"https://{SIGN_IN_HOST}/sign-in?{query}", token=scene.token.value)):
            assert response.status == 400 and response.field("location") is None and response.field("set-cookie") is None


@pytest.mark.parametrize("site", ["https://JOB:9999", "https://JOB:22", "https://JOB:80", "https://JOB.:9999", "http://JOB:443", "http://JOB"])
def test_it_leads_to_its_own_port_only(scene, visitor, site):
    """Another port of a job's host may be anybody's server."""
    signed_in(scene, visitor)
    query = urllib.parse.urlencode({"to": site.replace("JOB", scene.host) + "/", "nonce": "ab" * 32})
    for each in (visitor, Visitor(visitor.gateway)):
        for response in (each.ask(f"https://{SIGN_IN_HOST}/sign-in?{query}"), each.post(f"https://{SIGN_IN_HOST}/sign-in?{query}", token=scene.token.value)):
            assert response.status == 400 and response.field("location") is None and response.field("set-cookie") is None


def test_its_own_port_in_other_words(scene, visitor):
    for host, to in ((SIGN_IN_HOST, f"https://{scene.host}:443/"), (f"{SIGN_IN_HOST}:443", page(scene)), (f"{SIGN_IN_HOST}:8443", f"https://{scene.host}:8443/")):
        query = urllib.parse.urlencode({"to": to, "nonce": "ab" * 32})
        assert visitor.ask(f"https://{host}/sign-in?{query}").status == 200


@pytest.mark.parametrize("more", ["", "&old=x", "&old=" + "0" * 32, "&old=", "&%6fld=x"])
def test_the_replaced_sign_in_ends(scene, visitor, records, more):
    """Whatever the link or the form says of it."""
    signed_in(scene, visitor)
    key, = keys_of(records, scene.token)
    response = visitor.post(sign_in_link(scene) + more, token=scene.token.value, old="y")
    assert response.status == 303
    new, = keys_of(records, scene.token)
    assert new != key


def sign_in_link(scene):
    return f"https://{SIGN_IN_HOST}/sign-in?" + urllib.parse.urlencode({"to": page(scene), "nonce": "ab" * 32})


def test_an_address_is_given_once(scene, visitor):
    to = urllib.parse.quote(page(scene), safe="")
    for query in (f"to={to}&to={to}&nonce={'ab' * 32}", f"to={to}&nonce={'ab' * 32}&nonce={'ab' * 32}", f"to={to}", f"to={to}&nonce=x"):
        assert visitor.ask(f"https://{SIGN_IN_HOST}/sign-in?{query}").status == 400
    # Nor once in the address and once in the form.
    response = visitor.post(f"https://{SIGN_IN_HOST}/sign-in?to={to}&nonce={'ab' * 32}", token=scene.token.value, to=page(scene))
    assert response.status == 400 and response.field("set-cookie") is None


def test_the_page_of_the_job_is_on_its_own_host(scene, visitor):
    """The path behind the code is whoever's who wrote the link: it stays on the host."""
    link = visitor.sign_in(page(scene), scene.token)
    for to in ("//evil.test/", "https://evil.test/", "/\\evil.test", "/.jobgate/sign-out", ""):
        assert refused(visitor.ask(re.sub("&to=.*", "&to=" + urllib.parse.quote(to, safe=""), link)))
    assert refused(visitor.ask(link))  # used up


def test_long_addresses(scene, visitor):
    """Each byte takes three in a query; an address that is too long leads to the job's first page."""
    for path, back in (("/" + "%7e" * 330, "/" + "%7e" * 330), ("/" + "a" * 2000, "/")):
        visitor.jars.clear()
        assert visitor.arrive(visitor.sign_in(page(scene, path), scene.token)) == back


# ---- other sites ----


def test_another_site_signs_nobody_in(scene, visitor):
    way = visitor.way(page(scene))
    for origin in ("https://evil.test", "null", f"https://{scene.host}", f"http://{SIGN_IN_HOST}", f"https://{SIGN_IN_HOST}:444"):
        for url in (way, f"https://{SIGN_IN_HOST}/sign-out"):
            response = visitor.post(url, origin=origin, token=scene.token.value)
            assert response.status == 403 and response.field("set-cookie") is None
    assert visitor.ask(way, "POST", [HTML], b"token=" + scene.token.value.encode()).status == 403


def test_another_site_signs_nobody_out(scene, scene_of, gateway, visitor):
    other = scene_of(gateway)
    signed_in(scene, visitor)
    for origin in ("https://evil.test", "null", f"https://{other.host}"):
        assert visitor.post(f"https://{scene.host}/.jobgate/sign-out", origin=origin).status == 403
        assert visitor.post(f"https://{SIGN_IN_HOST}/sign-out", origin=origin).status == 403
    for path in (f"https://{scene.host}/.jobgate/sign-out", f"https://{SIGN_IN_HOST}/sign-out"):
        assert visitor.ask(path).status == 200  # only a page that asks
    assert status(scene, visitor) == 200


@pytest.mark.parametrize("fields", [
    ["Sec-Fetch-Dest: iframe", "Sec-Fetch-Mode: navigate"], ["Sec-Fetch-Dest: empty", "Sec-Fetch-Mode: cors"],
    ["Sec-Fetch-Dest: image", "Sec-Fetch-Mode: no-cors"], ["Sec-Fetch-Dest: object", "Sec-Fetch-Mode: navigate"]])
def test_codes_are_for_page_loads_only(scene, visitor, fields):
    """A signed-in browser gets none for a frame, an image or a script's request, whoever makes it."""
    signed_in(scene, visitor)
    visitor.jars[scene.host].pop(COOKIE)
    way = visitor.way(page(scene))
    response = visitor.ask(way, fields=[HTML, *fields, "Sec-Fetch-Site: same-site"])
    assert response.status == 200 and response.field("location") is None
    assert visitor.ask(way).status == 303


def test_nothing_of_it_can_be_embedded(scene, visitor):
    way = visitor.way(page(scene))
    for url in (way, f"https://{SIGN_IN_HOST}/", f"https://{SIGN_IN_HOST}/sign-out", f"https://{SIGN_IN_HOST}/signed-out",
                f"https://{SIGN_IN_HOST}/sign-in?to=x", f"https://{scene.host}/.jobgate/sign-out"):
        assert policy_of(visitor.ask(url))["frame-ancestors"] == "'none'"


def test_cookies_of_sibling_hosts(scene, visitor, gateway):
    """A sibling can set cookies for the whole domain, under other names, in another case, or twice: none of them counts. (Those with
    the prefix __Host- it cannot set, says RFC 6265bis.)"""
    attacker, mine = Visitor(gateway), signed_in(scene, visitor).jars[scene.host][COOKIE]
    link = attacker.sign_in(page(scene), scene.token)
    nonce = attacker.jars[scene.host][NONCE]
    for name in (NONCE.lower(), "Host-jobgate-nonce", "__Secure-jobgate-nonce", "jobgate-nonce"):
        victim = Visitor(gateway)
        victim.jars[scene.host] = {name: nonce}
        assert refused(victim.ask(link))
        link = attacker.ask(attacker.way(page(scene))).field("location")
    for cookies in (f"{COOKIE.upper()}={mine}", f"jobgate={mine}", f"{COOKIE}={mine}; {COOKIE}={mine}", f"{COOKIE}={mine}x"):
        with gateway.client() as client:
            client.send((f"GET / HTTP/1.1\r\nHost: {scene.host}\r\nX-Forwarded-Proto: https\r\nCookie: {cookies}\r\n\r\n").encode())
            assert client.read_response().status == 401
    assert attacker.arrive(link) == "/"


def test_a_job_sets_no_cookie_of_ours(scene, visitor):
    scene.client.send(scene.request())
    connection = scene.backend.next()
    connection.read_request()
    connection.answer(fields=[f"Set-Cookie: {NONCE}=x; Path=/; Secure", f"Set-Cookie: {COOKIE}=x; Path=/; Secure", "Set-Cookie: a=b"])
    assert scene.client.read_response().all("set-cookie") == ["a=b"]


def test_cookies_open_one_host(scene, scene_of, gateway, visitor):
    """That of a job opens no other job and not the sign-in host; that of the sign-in host opens no job."""
    other = scene_of(gateway, token=scene.token)
    signed_in(scene, visitor)
    job, host = visitor.jars[scene.host][COOKIE], visitor.jars[SIGN_IN_HOST][COOKIE]
    for cookie in (job, host):
        visitor.jars[other.host] = {COOKIE: cookie}
        assert status(other, visitor) == 401
    visitor.jars[scene.host][COOKIE] = host
    assert status(scene, visitor) == 401
    visitor.jars[SIGN_IN_HOST][COOKIE] = job
    assert "Not signed in" in texts_of(visitor.ask(f"https://{SIGN_IN_HOST}/"))


# ---- what is left behind ----


def test_nothing_is_kept_or_told(scene, visitor):
    """No cache keeps any of the answers, the back button loads them again, and no other host learns an address by Referer."""
    way = visitor.way(page(scene))
    signed = visitor.post(way, token=scene.token.value)
    back = visitor.ask(signed.field("location"))
    out = visitor.post(f"https://{scene.host}/.jobgate/sign-out")
    visitor.jars.clear()
    answers = [visitor.ask(page(scene)), visitor.ask(way), signed, back, out, visitor.ask(f"https://{SIGN_IN_HOST}/"),
               visitor.ask(f"https://{scene.host}/.jobgate/signed-in?code=x&to=/"), visitor.ask(f"https://{scene.host}/.jobgate/signed-out")]
    for answer in answers:
        assert answer.field("cache-control") == KEPT_BY_NOBODY
        assert answer.field("referrer-policy") == ("no-referrer" if answer.status == 303 else "same-origin")


def test_the_back_button_after_signing_out(scene, visitor):
    """The browser asks again, with cookies that somebody may have kept: it has to sign in."""
    signed_in(scene, visitor)
    kept = {host: dict(jar) for host, jar in visitor.jars.items()}
    visitor.post(f"https://{scene.host}/.jobgate/sign-out")
    visitor.jars = kept
    response = visitor.ask(page(scene))
    assert response.status == 303
    assert b"<form" in visitor.ask(response.field("location")).body


def test_without_cookies_there_is_no_circle(scene, visitor, gateway):
    """A browser that keeps none is told, and is not sent round and round."""
    signed_in(scene, visitor)
    visitor.jars[scene.host].clear()
    way = visitor.way(page(scene))
    visitor.jars[scene.host].clear()
    assert refused(visitor.ask(visitor.ask(way).field("location")))


def test_a_token_has_so_many_sign_ins(scene, visitor, records, gateway):
    """Its owner, who is locked out by whoever else has its value, renews it."""
    visitor.sign_in(page(scene), scene.token)
    key, = records.client.scan_iter(f"jobgate:signins:{scene.token.id}:*")
    records.client.expire(key, 10**8)
    records.client.zadd(key, {str(n): 9999999999 for n in range(998)})
    assert visitor.sign_in(page(scene), scene.token) and records.client.zcard(key) == 999
    assert records.client.ttl(key) > 10**7  # it lasts as long as those that are in it
    records.client.zadd(key, {"one more": 9999999999})
    response = visitor.post(visitor.way(page(scene)), token=scene.token.value)
    assert response.status == 429 and "1000 sign-ins" in texts_of(response) and response.field("set-cookie") is None
    renewed = gateway.cli("token", "renew", scene.token.id)
    assert renewed.status == 0, renewed
    value = re.search("jgt_[A-Za-z0-9_-]+", renewed.out).group()
    assert visitor.post(visitor.way(page(scene)), token=value).status == 303


def test_a_sign_in_has_so_many_codes(scene, visitor, records):
    """A script that opens windows again and again fills no store."""
    signed_in(scene, visitor)
    visitor.jars[scene.host].pop(COOKIE)
    way = visitor.way(page(scene))
    assert visitor.ask(way).status == 303
    key, = [key for key in records.client.scan_iter("jobgate:codes:*") if keys_of(records, scene.token)[0][-32:] == key[-32:]]
    assert 0 < records.client.ttl(key) <= 30
    records.client.incrby(key, 98)
    assert [visitor.ask(way).status for _ in range(3)] == [303, 429, 429]
    records.client.delete(key)  # as its time to live does
    assert visitor.ask(way).status == 303


def test_no_client_reaches_the_control_process(gateways, records, make_folder):
    """The calls that workers make for it are at no address, with any token or none."""
    gateway = gateways.start({"browser": {"host": SIGN_IN_HOST}, "control": {"host": f"control.{DOMAIN}"}, "backends": {"trusted_proxies": ["127.0.0.1"]}})
    operator = records.token(role="operator")
    for host in (f"control.{DOMAIN}", SIGN_IN_HOST):
        for path in ("/gateway/sign-in", "/gateway/sign-out", "/gateway/code/add", "/gateway/code/take"):
            for fields in ([], [f"Authorization: {operator.bearer}"]):
                with gateway.client() as client:
                    client.send(("\r\n".join([f"POST {path} HTTP/1.1", f"Host: {host}", "Content-Length: 2", *fields]) + "\r\n\r\n{}").encode())
                    assert client.read_response("POST").status in (401, 404)
