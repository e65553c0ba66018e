"""Local handlers answer some requests before or in place of a job: none of their answers tells whether there is a job."""

import re
import urllib.parse

import pytest

from harness.gateway import DOMAIN
from harness.h2 import H2Client
from harness.scene import request_bytes
from harness.store import make_value, random_id

HTML = ("Accept", "text/html")

# Name: method, path, fields, form of a sign-in or None. {host} is the job's host, {token} a token that does not reach it.
REQUESTS = {
    "plain": ("GET", "/", [], None),
    "a person's": ("GET", "/a?b", [HTML], None),
    "an upgrade": ("GET", "/", [("Connection", "Upgrade"), ("Upgrade", "websocket")], None),
    "the last hop": ("OPTIONS", "/", [("Max-Forwards", "0")], None),
    "the last hop, of all": ("OPTIONS", "*", [("Max-Forwards", "0")], None),
    "a method that is not served": ("TRACE", "/", [], None),
    "the sign-in page": ("GET", "/.jobgate/sign-in", [], None),
    "a path that is the gateway's": ("GET", "/.jobgate/none", [], None),
    "signing in": ("POST", "/.jobgate/sign-in", [("Origin", "http://{host}")], "token={token}&to=/x"),
    "signing in without a token": ("POST", "/.jobgate/sign-in", [("Origin", "http://{host}")], "to=/x"),
    "signing in from elsewhere": ("POST", "/.jobgate/sign-in", [("Origin", "http://a.test")], "token={token}"),
    "signing out": ("POST", "/.jobgate/sign-out", [("Origin", "http://{host}")], None),
    "a large form": ("POST", "/.jobgate/sign-in", [("Origin", "http://{host}")], "x" * 9000),
}


@pytest.fixture(scope="module")
def gateway(module_gateways):
    return module_gateways.start({"browser": {"same_host": True}})


def over_http1(gateway, host, token, method, path, fields, body):
    with gateway.client() as client:
        lines = [f"{name}: {value}" for name, value in fields]
        answer = client.exchange(request_bytes(host, token, method, path, lines, body), method)
    return answer.status, answer.fields, answer.body


def over_http2(gateway, host, token, method, path, fields, body):
    fields = [(name.lower(), value) for name, value in fields if name not in ("Connection", "Upgrade")]
    with H2Client(gateway.address) as client:
        answer = client.answer(client.request(host, token, method, path, fields, body))
    return answer.status, answer.heads[-1], answer.body


@pytest.mark.parametrize("play", [over_http1, over_http2])
@pytest.mark.parametrize("credential", ["none", "invalid", "out of scope"])
@pytest.mark.parametrize("name", REQUESTS)
def test_no_answer_tells_of_a_job(gateway, scene_of, records, name, credential, play):
    scene = scene_of(gateway)
    stranger = records.token(selector="team=none")
    token = {"none": None, "invalid": make_value(random_id()), "out of scope": stranger.value}[credential]
    method, path, fields, form = REQUESTS[name]
    answers = set()
    for job in [scene.job, records.job(None), "job-" + random_id(10)]:
        host = f"{job}.{DOMAIN}"
        filled = [(field, value.replace("{host}", host)) for field, value in fields]
        body = form and form.replace("{token}", urllib.parse.quote(stranger.value)).encode()
        status, got, content = play(gateway, host, token, method, path, filled, body)
        assert "location" not in dict(got) and status in (200, 400, 401, 403, 404, 405, 413)
        got = tuple(field for field in got if field[0] not in ("date", "content-length", "x-request-id"))
        answers.add((status, got, re.sub(rb"[0-9a-f]{32}", b"id", content.replace(job.encode(), b"the job"))))  # pages name it
    assert len(answers) == 1, answers
    scene.untouched()
