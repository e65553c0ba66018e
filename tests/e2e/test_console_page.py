"""GET /console: the page for operators as bytes; test_console_chromium.py uses it."""

import base64
import gzip
import hashlib
import json
import re

import pytest

from harness.control import request_text
from harness.gateway import DOMAIN
from harness.h2 import H2Client, frames
from harness.process import free_port
from harness.raw import Client

HOST = f"control.{DOMAIN}"
ENHANCE_YOUR_CALM = 11


@pytest.fixture(scope="module")
def gateway(module_gateways):
    made = module_gateways.make({"http2": {"clients": True}})
    made.control_port = free_port()
    made.config["control"].update(host=HOST, listen=f"127.0.0.1:{made.control_port}")
    return made.start()


def answer_of(gateway, method="GET", path="/console", token=None, fields=(), host=HOST, port=None):
    with Client(("127.0.0.1", port or gateway.port)) as client:
        client.send(request_text(method, path, token, fields=list(fields), host=host))
        return client.read_response(method)


def page_of(answer):
    assert answer.status == 200, answer
    assert answer.field("Content-Encoding") == "gzip"
    return gzip.decompress(answer.body).decode()


def digest(text):
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def test_the_page_needs_no_token_and_is_the_same_for_all(gateway, records):
    page = answer_of(gateway)
    text = page_of(page)
    assert text.startswith("<!DOCTYPE html>\n") and text.endswith("</html>\n")
    for token in [records.token("operator"), records.token("read"), "jgt_wrong"]:
        assert answer_of(gateway, token=token).body == page.body
    assert answer_of(gateway, host="anything.test", port=gateway.control_port).body == page.body
    assert answer_of(gateway, path="/console?token=x").body == page.body
    head = answer_of(gateway, "HEAD")
    assert head.status == 200 and head.field("Content-Length") == str(len(page.body)) and head.body == b""


def test_nothing_but_its_own_style_and_script_runs(gateway):
    answer = answer_of(gateway)
    text = page_of(answer)
    style, = re.findall(r"<style>(.*?)</style>", text, re.S)
    script, = re.findall(r"<script[^>]*>(.*?)</script>", text, re.S)
    policy = dict(part.split(" ", 1) for part in answer.field("Content-Security-Policy").split("; "))
    assert policy == {
        "default-src": "'none'", "style-src": digest(style), "script-src": digest(script), "connect-src": "'self'", "base-uri": "'none'",
        "form-action": "'none'", "frame-ancestors": "'none'", "require-trusted-types-for": "'script'", "trusted-types": "'none'"}
    for name, value in [("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"), ("Content-Type", "text/html; charset=utf-8"),
                        ("Cross-Origin-Opener-Policy", "same-origin"), ("Cross-Origin-Resource-Policy", "same-origin"),
                        ("Referrer-Policy", "same-origin")]:
        assert answer.field(name) == value, name
    assert answer.field("Set-Cookie") is None
    assert not re.search(r"\son\w+=|\sstyle=|https?://(?!www\.w3\.org/2000/svg)|<link|<img|<iframe", text.replace(script, ""))


def test_the_script_keeps_the_token_in_memory_only(gateway):
    """No sink that makes HTML or code of text, and no place that outlives the page."""
    script, = re.findall(r"<script[^>]*>(.*?)</script>", page_of(answer_of(gateway)), re.S)
    for known in [".exec(location.hash)", 'history.replaceState(null, "", `${location.pathname}#link`)']:  # the code in the link of `jobgate console`, which it takes away
        assert script.count(known) == 1, known
        script = script.replace(known, "")
    for word in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "localStorage", "sessionStorage",
                 "indexedDB", "document.cookie", "history.", "location", "postMessage", "import("]:
        assert word not in script, word
    assert re.findall(r"fetch\(", script) == ["fetch("] and 'credentials: "omit"' in script


@pytest.mark.parametrize("method, path", [("POST", "/console"), ("DELETE", "/console"), ("OPTIONS", "/console"), ("GET", "/console/"), ("GET", "/Console"),
                                          ("GET", "/x/../console"), ("GET", "/%63onsole"), ("GET", "/console.js")])
def test_all_else_needs_a_token(gateway, records, method, path):
    assert answer_of(gateway, method, path).status == 401
    assert answer_of(gateway, method, path, records.token("operator")).status in (404, 405)


def test_a_jobs_host_has_no_console(gateway, scene_of):
    scene = scene_of(gateway)
    assert answer_of(gateway, host=scene.host).status == 401
    assert scene.relay(path="/console").target == "/console"  # it may be the job's own


def test_over_http2(gateway):
    """What waits for a client that does not read is the compressed page, little more than another page of ours."""
    with H2Client(gateway.address) as client:
        assert client.answer(client.request(HOST, path="/console")).body == answer_of(gateway).body
    assert len(answer_of(gateway).body) < 24 * 1024


def test_a_client_that_reads_nothing_holds_few_pages(gateway):
    """At most 256 KiB of them wait on one connection; what it takes makes room for more."""
    page = answer_of(gateway).body
    with H2Client(gateway.address, settings={frames.SettingsFrame.INITIAL_WINDOW_SIZE: 0}, hold=True) as client:
        streams = [client.request(HOST, path="/console") for _ in range(60)]
        client.send_ping_and_wait()
        client.until(lambda: all(client.answers.get(stream) and (client.answers[stream].heads or client.answers[stream].reset is not None)
                                 for stream in streams))
        kept = [stream for stream in streams if client.answers[stream].reset is None]
        assert len(kept) == (256 << 10) // len(page)
        assert {client.answers[stream].reset for stream in streams if stream not in kept} == {ENHANCE_YOUR_CALM}
        client.send(frames.WindowUpdateFrame(0, window_increment=1 << 20),
                    frames.SettingsFrame(settings={frames.SettingsFrame.INITIAL_WINDOW_SIZE: 65_535}))
        assert all(client.answer(stream).body == page for stream in kept)
        again = [client.request(HOST, path="/console") for _ in kept]
        assert all(client.answer(stream).body == page for stream in again)


def test_other_origins_get_no_permission(gateway):
    """A page of a job that sends a call with a token first asks (CORS), and is refused."""
    fields = [f"Origin: https://job.{DOMAIN}", "Access-Control-Request-Method: GET", "Access-Control-Request-Headers: authorization"]
    answer = answer_of(gateway, "OPTIONS", "/v1/me", fields=fields)
    assert answer.status == 401 and answer.field("Access-Control-Allow-Origin") is None
    assert json.loads(answer.body)["status"] == 401
