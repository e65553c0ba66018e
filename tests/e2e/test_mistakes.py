"""A refusal names the mistake in a credential, and does not repeat it: at jobs, at the control API and for other proxies, over both protocols."""

import base64
import json

import pytest

from harness.gateway import DOMAIN
from harness.h2 import H2Client
from harness.scene import request_bytes
from test_authorize_endpoint import Asking, ask, forwarded

CONTROL = f"control.{DOMAIN}"


@pytest.fixture(scope="module")
def asking(module_gateways):
    return Asking(module_gateways, None, {"control": {"host": CONTROL}, "credentials": {"query": True}})


@pytest.fixture
def scene(asking, scene_of):
    return scene_of(asking.gateway)


def over_http1(scene, host, fields, path="/v1/models"):
    with scene.gateway.client() as client:
        return client.exchange(request_bytes(host, path=path, fields=[f"{name}: {value}" for name, value in fields]))


def over_http2(scene, host, fields, path="/v1/models"):
    with H2Client(scene.gateway.address) as client:
        return client.answer(client.request(host, path=path, fields=[(name.lower(), value) for name, value in fields]))


# Where a credential is judged.
DOORS = {
    "job": lambda asking, scene, send, fields: send(scene, scene.host, fields),
    "no such job": lambda asking, scene, send, fields: send(scene, f"no-such-job.{DOMAIN}", fields),
    "control": lambda asking, scene, send, fields: send(scene, CONTROL, fields),
    "authorize": lambda asking, scene, send, fields: ask(asking, [*forwarded(scene), *(f"{name}: {value}" for name, value in fields)]),
}
doors = pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
both = pytest.mark.parametrize("send", [over_http1, over_http2], ids=["http1", "http2"])


def basic(value):
    return "Basic " + base64.b64encode(f"user:{value}".encode()).decode()


# Of a token's value: a field's value, the status, and words that name the mistake.
MISTAKES = {
    "literal <token>": (lambda v: "Bearer <token>", 400, "stands for a token"),
    "literal jgt_<...>": (lambda v: "Bearer jgt_<token>", 400, "quotation marks or brackets"),
    "a variable": (lambda v: "Bearer ${JOBGATE_TOKEN}", 400, "stands for a token"),
    "an empty variable": (lambda v: "Bearer", 400, "is empty"),
    "cut": (lambda v: f"Bearer {v[:-1]}", 401, "end of the token is missing"),
    "cut early": (lambda v: f"Bearer {v[:30]}", 401, "end of the token is missing"),
    "cut, Basic": (lambda v: basic(v[:-1]), 401, "end of the token is missing"),
    "cut, token": (lambda v: f"token {v[:-1]}", 401, "end of the token is missing"),
    "line end, escaped": (lambda v: f"Bearer {v}\\n", 400, "line end"),
    "line end, percent": (lambda v: f"Bearer {v}%0A", 400, "line end"),
    "line end, Basic": (lambda v: basic(v + "\n"), 401, "line end"),
    "line end of Windows, Basic": (lambda v: basic(v + "\r\n"), 401, "line end"),
    "quoted": (lambda v: f'Bearer "{v}"', 400, "quotation marks"),
    "no scheme": (lambda v: v, 401, "word Bearer is missing"),
    "twice": (lambda v: f"Bearer Bearer {v}", 400, "twice"),
    "another key": (lambda v: "Bearer sk-1234567890", 401, "begin with jgt_"),
}


@both
@doors
@pytest.mark.parametrize("name", MISTAKES)
def test_it_is_named(asking, scene, door, send, name):
    form, status, words = MISTAKES[name]
    sent = form(scene.token.value)
    answer = door(asking, scene, send, [("Authorization", sent)])
    assert answer.status == status, answer
    problem = json.loads(answer.body)
    assert words in problem["detail"]
    # As OpenAI's clients show it.
    assert problem["error"]["message"] == problem["detail"] and problem["error"]["type"] and problem["error"]["code"]
    body = answer.body.decode()
    for part in (scene.token.value[4:20], scene.token.value[21:], sent.partition(" ")[2][:60]):
        assert not part or part == "<token>" or part not in body
    assert answer.field("content-type") == "application/problem+json"
    scene.untouched()


@doors
def test_it_is_named_in_our_own_field(asking, scene, door):
    """The field whose mistake counts is the one that would have counted."""
    own = "X-Jobgate-Authorization"
    for value, words in (("Bearer <token>", "stands for a token"), (f"Bearer {scene.token.value[:-1]}", "end of the token is missing"),
                         (f"Bearer {scene.token.value}\\n", "line end"), (scene.token.value, "word Bearer is missing")):
        answer = door(asking, scene, over_http1, [(own, value), ("Authorization", "Bearer sk-1")])
        assert answer.status in (400, 401) and words in json.loads(answer.body)["detail"], answer


@both
def test_a_line_end_in_the_field_itself(scene, send):
    """No client may send one (RFC 9110 section 5.5), so the connection or the stream is refused before anything is judged."""
    value = f"Bearer {scene.token.value}"
    if send is over_http1:
        for end in ("\r", "\n\tx", "\0"):
            with scene.gateway.client() as client:
                client.send(request_bytes(scene.host, fields=[f"Authorization: {value}{end}"]))
                response = client.read_response()
            assert response.status == 400 and scene.token.value not in response.body.decode()
    else:
        for end in ("\r", "\n", "\0"):
            with H2Client(scene.gateway.address) as client:
                answer = client.answer(client.request(scene.host, fields=[("authorization", value + end)]))
                assert answer.reset is not None or answer.status == 400
    scene.untouched()


@both
def test_it_is_named_in_a_query(scene, send):
    for value, words in ((scene.token.value[:-1], "end of the token is missing"), (f"{scene.token.value}%0A", "line end")):
        answer = send(scene, scene.host, [], path=f"/v1/models?access_token={value}")
        assert answer.status == 401 and words in json.loads(answer.body)["detail"], answer
        assert scene.token.value[21:] not in answer.body.decode()
    for text in (scene.gateway.access_path.read_text(), scene.gateway.program.log()):
        assert scene.token.value[21:] not in text
    scene.untouched()
