"""One-time codes: each works once, for the host, the port and the browser that it was made for, and while its sign-in lasts."""

import contextlib
import hashlib
import threading

import pytest

from harness.control import Control
from harness.process import eventually
from harness.scene import Scene
from harness.store import Records
from harness.visitor import LOAD, SIGN_IN_HOST, Visitor, code_of
from test_sign_in_host import COOKIE, NONCE, SETTINGS, gateway, key_file, page, scene, second_gateway, signed_in, status, visitor  # noqa: F401


def refused(response):
    """No cookie; the way leads to a page that says why, whose address has no code: the job's own pages may read it."""
    assert response.status == 303 and response.field("location") == "/.jobgate/not-signed-in", response
    assert response.field("set-cookie") is None
    return True


def keys_of(records, token):
    return [key for key in records.client.scan_iter("jobgate:signin:*") if records.client.hget(key, "token") in (token.id, token.id.encode())]


def test_a_code_works_once(scene, visitor, gateway, second_gateway):
    """Also when it is brought to two gateways at the same time, many times."""
    link = visitor.sign_in(page(scene), scene.token)
    visitor.arrive(link)
    assert refused(visitor.ask(link)) and refused(visitor.ask(link, gateway=second_gateway))
    visitor.jars[scene.host].pop(COOKIE)
    link = visitor.ask(visitor.way(page(scene))).field("location")
    start, statuses = threading.Barrier(8), []

    def bring(to):
        start.wait()
        response = copy_of(visitor, to).ask(link)
        statuses.append(response.field("location") or response.status)

    threads = [threading.Thread(target=bring, args=(to,)) for to in [gateway, second_gateway] * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # A worker takes two calls of an address at a time: others may hear that there are too many.
    assert statuses.count("/") == 1 and set(statuses) <= {"/", "/.jobgate/not-signed-in", 429}, statuses


def copy_of(visitor, gateway):
    """The same browser, at another gateway: with copies of its cookies, since threads share nothing."""
    copy = Visitor(gateway)
    copy.jars = {host: dict(jar) for host, jar in visitor.jars.items()}
    return copy


def test_a_code_of_another_host(scene, scene_of, gateway, visitor):
    """The code names one host, whatever the link says; even where the browser has the same nonce."""
    other = scene_of(gateway)
    link = visitor.sign_in(page(scene), scene.token)
    visitor.jars[other.host] = {NONCE: visitor.jars[scene.host][NONCE]}
    for elsewhere in (other.host, f"{scene.host}:8443"):
        visitor.jars.setdefault(elsewhere, {NONCE: visitor.jars[scene.host][NONCE]})
        assert refused(visitor.ask(link.replace(scene.host, elsewhere)))
    assert visitor.arrive(link) == "/"  # and it still works where it belongs


def test_a_code_in_another_browser(scene, visitor, gateway):
    """A stolen link; and an attacker's link, which would sign a victim in as the attacker (login CSRF)."""
    link = visitor.sign_in(page(scene), scene.token)
    nobody, victim = Visitor(gateway), Visitor(gateway)
    assert refused(nobody.ask(link))
    assert refused(visitor.ask(link))  # whoever has seen it arrive somewhere has seen nothing of use
    victim.way(page(scene))  # has a nonce of its own
    link = visitor.ask(visitor.way(page(scene))).field("location")
    assert refused(victim.ask(link)) and COOKIE not in victim.jars[scene.host]
    assert refused(visitor.ask(link))


def test_a_victim_that_is_sent_with_the_attackers_nonce(scene, visitor, gateway):
    """The victim is signed in, so it gets a code at once, and brings it to the job's host, where it opens nothing, and is used up: the
    attacker may be the job's own script, which has opened the window."""
    signed_in(scene, visitor)
    visitor.jars[scene.host].pop(COOKIE)
    attacker = Visitor(gateway)
    way = attacker.way(page(scene))
    response = visitor.ask(way, fields=[*LOAD, "Sec-Fetch-Site: cross-site", "Referer: https://evil.test/"])
    assert response.status == 303
    link = response.field("location")
    assert refused(visitor.ask(link)) and COOKIE not in visitor.jars[scene.host]
    assert refused(attacker.ask(link)) and COOKIE not in attacker.jars[scene.host]


def test_what_is_opened_cannot_be_read(scene, visitor):
    """A window that a job's script opened is cut off from it before it comes back with a code (HTML, cross-origin opener policies)."""
    way = visitor.way(page(scene))
    answers = [visitor.ask(way), visitor.post(way, token=scene.token.value)]
    link = answers[-1].field("location")
    answers += [visitor.ask(link), visitor.ask(link), visitor.ask(f"https://{scene.host}/.jobgate/not-signed-in"), visitor.ask(way),
                visitor.ask(f"https://{scene.host}/.jobgate/try-again"), visitor.ask(f"https://{scene.host}/.jobgate/signed-in")]
    for answer in answers:
        assert answer.field("cross-origin-opener-policy") == "same-origin", answer


@pytest.mark.parametrize("change", ["cut", "longer", "other", "twice", "none"])
def test_a_forged_code_costs_the_store_nothing(scene, visitor, records, change):
    link = visitor.sign_in(page(scene), scene.token)
    code = code_of(link)
    forged = {"cut": code[:-1], "longer": code + "A", "other": ("A" if code[5] != "A" else "B").join([code[:5], code[6:]]),
              "twice": code + "&code=" + code, "none": ""}[change]
    before = records.client.info("commandstats").get("cmdstat_getdel", {}).get("calls", 0)
    assert refused(visitor.ask(link.replace(code, forged)))
    assert records.client.info("commandstats").get("cmdstat_getdel", {}).get("calls", 0) == before
    assert visitor.arrive(link) == "/"


def test_a_code_ends_by_itself(scene, visitor, records):
    link = visitor.sign_in(page(scene), scene.token)
    key = "jobgate:code:" + hashlib.sha256(code_of(link).encode()).hexdigest()
    assert 0 < records.client.ttl(key) <= 30
    records.client.delete(key)  # as its time to live does
    assert refused(visitor.ask(link))


def test_a_code_after_signing_out(scene, visitor):
    """It opens nothing any more."""
    link = visitor.sign_in(page(scene), scene.token)
    visitor.post(f"https://{SIGN_IN_HOST}/sign-out")
    assert refused(visitor.ask(link)) and COOKIE not in visitor.jars[scene.host]


@pytest.mark.parametrize("port", [":80", ":8443", ":9999", ".:9999", ".", ":444"])
def test_a_code_at_another_port(scene, visitor, port):
    """Whatever answers there, the gateway takes the code only at the port for which the sign-in host made it."""
    link = visitor.sign_in(page(scene), scene.token)
    visitor.jars[scene.host + port] = {NONCE: visitor.jars[scene.host][NONCE]}
    assert refused(visitor.ask(link.replace(scene.host, scene.host + port)))
    assert visitor.arrive(link) == "/"


@pytest.mark.parametrize("port", [":443", ":8443"])
def test_a_code_at_its_own_port(scene, visitor, port):
    """The way leads from a port to the sign-in host at the same port, and back to it."""
    way = visitor.way(f"https://{scene.host}{port}/x")
    assert way.startswith(f"https://{SIGN_IN_HOST}{port}/sign-in")
    link = visitor.post(way, token=scene.token.value).field("location")
    assert link.startswith(f"https://{scene.host}{port}/.jobgate/signed-in?") and visitor.arrive(link) == "/x"


def test_a_request_that_is_cut_signs_nobody_in(gateways, store):
    """DELETE /v1/sessions, while the store is asked for the sign-in: afterwards there is neither the sign-in nor a code for it."""
    gateway = gateways.start({**SETTINGS, "workers": 1}, store_url=store.url)  # the other one would have to read the records
    records, control = Records(store.client), Control(gateway.socket_path)

    def scripts():
        return records.client.info("commandstats")["cmdstat_eval"]["calls"]

    with contextlib.closing(Scene(gateway, records)) as scene:
        visitor, answers = signed_in(scene, Visitor(gateway)), []  # the records are known now
        before, run = keys_of(records, scene.token), scripts()
        other = Visitor(gateway)
        way = other.way(page(scene))
        store.freeze()
        thread = threading.Thread(target=lambda: answers.append(other.post(way, token=scene.token.value)))
        thread.start()
        eventually(lambda: control.call("DELETE", f"/v1/sessions?job={scene.job}").json["cut_sessions"], "the request to be cut")
        thread.join()
        store.thaw()
        response, = answers
        assert response.status == 503 and response.field("set-cookie") is None and response.field("location") is None
        eventually(lambda: scripts() == run + 2, "the store to make it and delete it")
        assert keys_of(records, scene.token) == before
        # The other way round: a sign-in that is complete is not a session. It goes on until somebody signs out.
        link = other.sign_in(page(scene), scene.token)
        assert control.call("DELETE", f"/v1/sessions?job={scene.job}").json["cut_sessions"] == 0
        assert other.arrive(link) == "/" and status(scene, other) == status(scene, visitor) == 200
