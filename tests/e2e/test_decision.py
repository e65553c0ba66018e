"""The decision at a job URL, row by row of the table in auth/README.md."""

import base64
import json
import re

import pytest

from harness.gateway import DOMAIN
from harness.scene import request_bytes
from harness.store import make_value, random_id

REALM = re.compile(r'Bearer realm="([^"]+)"(?:, error="([a-z_]+)")?(?:, error_description="[^"]*")?(?:, scope="[^"]*")?')


def challenge(response):
    """(realm, error) of the one challenge."""
    match = REALM.fullmatch(response.challenge())
    assert match, response.fields
    return match[1], match[2]


def problem(response):
    """The body of a refusal, checked for form."""
    assert response.field("content-type") == "application/problem+json"
    body = json.loads(response.body)
    assert set(body) == {"type", "title", "status", "detail", "request_id", "error"}
    assert set(body["error"]) == {"message", "type", "code"} and body["error"]["message"] == body["detail"]
    assert all(isinstance(body[name], str) and body[name] for name in ["type", "title", "detail", "request_id"])
    assert body["status"] == response.status
    return body


def ask(scene, authorization, host=None, path="/"):
    """A request with these Authorization fields; the refusal."""
    fields = [f"Authorization: {value}" for value in authorization]
    return scene.new_client().exchange(request_bytes(host or scene.host, fields=fields, path=path))


def test_several_authorization_fields(scene):
    for fields in [[scene.token.bearer, scene.token.bearer], [scene.token.bearer, "Basic YTpi"],
                   ["Basic YTpi", scene.token.bearer], ["Basic YTpi", "Basic YTpi"]]:
        response = ask(scene, fields)
        assert response.status == 400
        assert challenge(response) == ("jobgate", "invalid_request")
        problem(response)
    scene.untouched()


@pytest.mark.parametrize("credential", ["Bearer", "Bearer ", "Bearer a b", "Bearer a,b", 'Bearer "abc"', "Bearer a=b",
                                        "Bearer =", "Bearer jgt_\xe4", "Bearer a\tb", "bearer {value}, {value}",
                                        "Bearer {value} x"])
def test_not_a_b64token(scene, credential):
    response = ask(scene, [credential.format(value=scene.token.value)])
    assert response.status == 400
    assert challenge(response) == ("jobgate", "invalid_request")
    problem(response)
    scene.untouched()


def test_no_credential(scene):
    response = ask(scene, [])
    assert response.status == 401
    assert response.challenge() == 'Bearer realm="jobgate"'
    problem(response)
    scene.untouched()


@pytest.mark.parametrize("credential", ["Basic YTpi", "Digest username=a", "Bearerx {value}", "{value}", "Token x", ""])
def test_not_ours(scene, credential):
    """It may be meant for the job, but the gateway needs one, too."""
    response = ask(scene, [credential.format(value=scene.token.value)])
    assert response.status == 401
    assert challenge(response) == ("jobgate", "invalid_token")
    scene.untouched()


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEARER"])
def test_scheme_in_any_case(scene, scheme):
    client = scene.client
    client.send(request_bytes(scene.host, fields=[f"Authorization: {scheme} {scene.token.value}"]))
    scene.backend.serve()
    assert client.read_response().status == 200


def test_token_elsewhere_does_not_count(scene):
    """RFC 6750 knows a query parameter, too; URLs end up in logs, so it counts only with credentials.query."""
    value = scene.token.value
    response = scene.client.exchange(request_bytes(
        scene.host, path=f"/?access_token={value}", fields=[f"Proxy-Authorization: Bearer {value}"]))
    assert response.status == 401
    scene.untouched()


def invalid_values(records):
    """What is refused as invalid_token, and must look the same: what is wrong does not show in its form."""
    good = records.token()
    deleted = records.token()
    records.delete_token(deleted)
    renewed = records.token()
    records.renew(renewed)
    last = good.value[-1]
    return {
        "bad checksum": good.value[:-1] + ("0" if last != "0" else "1"),
        "unknown id": make_value(random_id()),
        "hash mismatch": make_value(good.id),
        "deleted": deleted.value,
        "renewed since": renewed.value,
        "upper-case id": make_value(good.id.upper()),
    }


@pytest.mark.parametrize("form, status, words", [
    ("Bearer {short}", 401, "end of the token is missing"), ("Bearer jgt_", 401, "end of the token is missing"),
    ("Bearer {value}0", 401, "more than the token"), ("Bearer {value}==", 401, "more than the token"),
    ("Bearer garbage", 401, "begin with jgt_"), ("Bearer {long}", 401, "begin with jgt_"), ("Basic YTpi", 401, "is the password"),
    ("Bearer <token>", 400, "stands for a token"), ("Bearer $TOKEN", 400, "stands for a token"), ('Bearer "{value}"', 400, "quotation marks"),
    ("Bearer", 400, "is empty"), ("{value}", 401, "word Bearer is missing"), ("Bearer Bearer {value}", 400, "twice"),
    ("Bearer {value}\\n", 400, "line end"), ("Bearer {value} x", 400, "line end"), ("Basic {newline}", 401, "line end")])
def test_mistakes_have_a_name(scene, form, status, words):
    """What is wrong shows in the form alone, and is not repeated."""
    value = scene.token.value
    response = ask(scene, [form.format(value=value, short=value[:30], long="x" * 5000,
                                       newline=base64.b64encode(f"git:{value}\n".encode()).decode())])
    assert response.status == status
    assert words in problem(response)["detail"] and value[:20] not in response.body.decode()
    scene.untouched()


def test_invalid_token_is_one_and_the_same_answer(scene, records):
    answers = set()
    for name, value in invalid_values(records).items():
        response = ask(scene, [f"Bearer {value}"])
        assert response.status == 401, name
        assert challenge(response) == ("jobgate", "invalid_token"), name
        body = problem(response)
        own = body.pop("request_id")
        fields = tuple((field, text.replace(own, "ID")) for field, text in response.fields
                       if field not in ("date", "content-length"))
        answers.add((fields, json.dumps(body, sort_keys=True)))
    assert len(answers) == 1, answers
    scene.untouched()


def test_invalid_token_before_routing(scene):
    """An anonymous caller learns nothing of which jobs exist."""
    seen = set()
    for host in [scene.host, f"no-such-job.{DOMAIN}", "wrong.domain.test"]:
        for authorization in [[], ["Bearer " + make_value(random_id())], ["Basic YTpi"]]:
            response = ask(scene, authorization, host)
            body = problem(response)
            del body["request_id"]
            seen.add((response.status, response.challenge(), json.dumps(body)))
    assert len(seen) == 3, seen  # of the credentials
    assert {status for status, _, _ in seen} == {401}


def test_no_job_named(scene, records):
    """404 for every token: neither host nor path is one of a job's."""
    for token in [scene.token, records.token(selector="model=base"), records.token(role="operator")]:
        response = ask(scene, [token.bearer], "wrong.domain.test")
        assert response.status == 404
        assert response.challenge() is None
        problem(response)


@pytest.mark.parametrize("role", ["read", "operator"])
def test_unknown_job_unscoped(scene, records, role):
    response = ask(scene, [records.token(role=role).bearer], f"no-such-job.{DOMAIN}")
    assert response.status == 404
    problem(response)


@pytest.mark.parametrize("role", ["read", "operator"])
def test_out_of_scope_and_unknown_look_the_same(scene, records, role):
    token = records.token(role=role, selector="model=base")
    wrong_value = records.job(scene.backend.url, {"model": "large"})
    no_url = records.job(None, {"model": "large"})
    answers = set()
    for host in [scene.host, f"{wrong_value}.{DOMAIN}", f"{no_url}.{DOMAIN}", f"no-such-job.{DOMAIN}"]:
        response = ask(scene, [token.bearer], host)
        assert response.status == 403
        assert challenge(response) == ("jobgate", "insufficient_scope")
        body = problem(response)
        del body["request_id"]
        fields = tuple(field for field in response.fields if field[0] not in ("date", "x-request-id"))
        answers.add((fields, json.dumps(body)))
    assert len(answers) == 1, answers
    scene.untouched()


def test_job_without_url(scene, records):
    for url in [None, ""]:
        job = records.job(url)
        response = ask(scene, [scene.token.bearer], f"{job}.{DOMAIN}")
        assert response.status == 503
        assert int(response.field("retry-after")) >= 1
        problem(response)


@pytest.mark.parametrize("role", ["read", "operator", "ai_training_read", "ai_training_operator"])
@pytest.mark.parametrize("selector, labels", [
    ("", {}), ("", {"model": "base"}), ("model=base", {"model": "base"}), ("model=base", {"model": "base", "x": "y"}),
    ("model=base,x=y", {"x": "y", "model": "base"}), ("empty=", {"empty": ""}), ("a.b/c=d", {"a.b/c": "d"}),
])
def test_in_scope(gateway, scene_of, records, role, selector, labels):
    scene = scene_of(gateway, token=records.token(role=role, selector=selector))
    records.client.hset(records.job_key(scene.job), mapping={f"label:{name}": value for name, value in labels.items()} or {"x": "y"})
    scene.relay()


@pytest.mark.parametrize("selector, labels", [
    ("model=base", {"model": "base2"}), ("model=base", {"model": ""}), ("model=base", {"Model": "base"}),
    ("model=base", {"model": "Base"}), ("model=base,x=y", {"model": "base"}), ("empty=", {}), ("model=base", {"base": "model"}),
])
def test_out_of_scope(gateway, scene_of, records, selector, labels):
    scene = scene_of(gateway)
    job = records.job(scene.backend.url, labels)
    response = ask(scene, [records.token(selector=selector).bearer], f"{job}.{DOMAIN}")
    assert response.status == 403
    scene.untouched()


def test_page_for_browsers(scene):
    """With Accept: text/html a short, plain page says the same."""
    response = scene.client.exchange(request_bytes(
        scene.host, fields=["Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"]))
    assert response.status == 401
    assert response.field("content-type").replace(" ", "").lower() == "text/html;charset=utf-8"
    assert response.challenge() == 'Bearer realm="jobgate"'
    page = response.body.decode()
    assert "<html" in page and "401" in page
    assert "<script" not in page and "<form" not in page  # without TLS there is no sign-in


@pytest.mark.parametrize("accept", ["*/*", "application/json", "text/plain", "application/problem+json"])
def test_problem_for_everyone_else(scene, accept):
    response = scene.client.exchange(request_bytes(scene.host, fields=[f"Accept: {accept}"]))
    problem(response)


def test_page_repeats_nothing_of_the_request(scene):
    """No reflected script: what the caller sent does not come back unescaped."""
    response = scene.client.exchange(request_bytes(
        scene.host, path="/%3Cscript%3E31337", fields=["Accept: text/html", "X-Request-Id: <b>31337"]))
    assert b"31337" not in response.body


def test_refusal_of_head_has_no_body(scene):
    client = scene.client
    response = client.exchange(request_bytes(scene.host, method="HEAD"))
    assert (response.status, response.body) == (401, b"")
    assert challenge(response) == ("jobgate", None)
    client.send(request_bytes(scene.host))
    assert client.read_response().status == 401


def test_refusals_are_not_cached(scene):
    """A shared cache in front must not hand one caller's refusal to the next."""
    response = scene.client.exchange(request_bytes(scene.host))
    assert "no-store" in (response.field("cache-control") or "")


def test_request_id_in_the_log(scene):
    response = scene.client.exchange(request_bytes(scene.host))
    entry = scene.gateway.access_entry(request_id=problem(response)["request_id"])
    assert entry["status"] == 401
    assert entry["outcome"] == "refused"


def test_nothing_secret_in_logs(scene):
    scene.relay(path="/?secret=31337-query")
    ask(scene, [f"Bearer {make_value(random_id())}"])
    scene.gateway.access_entry(job=scene.job, status=200)
    for text in [scene.gateway.access_path.read_text(), scene.gateway.program.log()]:
        assert scene.token.value not in text
        assert scene.token.value[21:64] not in text
        assert "31337-query" not in text


def test_realm(module_gateways, scene_of):
    scene = scene_of(module_gateways.start({"backends": {"realm": "my models"}}))
    response = ask(scene, [])
    assert response.challenge() == 'Bearer realm="my models"'


def test_tokens_that_take_turns_on_one_connection(scene, records):
    """What a connection remembers of one token never speaks for another, nor for what is almost it."""
    narrow = records.token(selector="model=another")
    wrong = make_value(scene.token.id)
    broken = scene.token.value[:-1] + ("0" if scene.token.value[-1] != "0" else "1")
    asked = [(scene.token.value, 502), (narrow.value, 403), (scene.token.value, 502), (wrong, 401), (scene.token.value, 502),
             (broken, 401), ("x", 401), (scene.token.value, 502), (scene.token.value, 502), (wrong, 401), (wrong, 401),
             (narrow.value, 403), (narrow.value, 403)]
    scene.backend.close()
    client = scene.client
    for value, status in asked:
        response = client.exchange(request_bytes(scene.host, fields=[f"Authorization: Bearer {value}"]))
        assert response.status == status
