"""HTTP/2 towards clients: interim answers, Expect, and content that is larger than allowed, also with curl and node."""

import json
import pathlib
import subprocess

import pytest

from harness.gateway import DOMAIN
from harness.h2 import H2Client
from harness.h2_backend import H2Backend
from harness.process import PATIENCE
from harness.raw import Closed

APPS = pathlib.Path(__file__).parent / "harness" / "apps"
NO_ERROR = 0
MOST = 100_000  # limits.body_bytes here


@pytest.fixture(scope="module")
def gateway(module_gateways):
    return module_gateways.start({"limits": {"body_bytes": MOST}})


@pytest.fixture
def client(gateway):
    with H2Client(gateway.address) as client:
        yield client


def node(scene, size=0, method="POST", **fields):
    """Node's client sends this request."""
    head = {":method": method, ":path": "/node", ":authority": scene.host, "authorization": f"Bearer {scene.token.value}", **fields}
    return subprocess.Popen(
        ["node", APPS / "http2_client.js", "http://%s:%d" % scene.gateway.address, json.dumps(head), str(size)],
        stdout=subprocess.PIPE, text=True)


def seen_by(program):
    output, _ = program.communicate(timeout=PATIENCE)
    return json.loads(output)


def curl(scene, *options):
    host = f"{scene.job}.{DOMAIN}"
    return subprocess.Popen(
        ["curl", "-sS", "--http2-prior-knowledge", "--resolve", f"{host}:{scene.gateway.port}:127.0.0.1",
         "-H", f"Authorization: Bearer {scene.token.value}", "-w", " %{http_version} %{http_code} %{size_upload}", *options,
         f"http://{host}:{scene.gateway.port}/curl"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


# ---- interim answers ----

def test_hints_of_an_http1_backend(scene):
    program = node(scene, method="GET")
    connection = scene.backend.next()
    connection.read_request()
    connection.send(b"HTTP/1.1 102 Processing\r\n\r\n" + b"".join(
        b"HTTP/1.1 103 Early Hints\r\nLink: </%d>\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\r\n" % n for n in range(3)))
    connection.answer(b"done")
    seen = seen_by(program)
    assert seen["interim"] == [[103, f"</{n}>"] for n in range(3)]
    assert (seen["status"], seen["body"], seen["error"]) == (200, "done", None)


def test_hints_of_an_http2_backend(gateway, scene_of):
    scene = scene_of(gateway, backend=H2Backend())
    program = node(scene, method="GET")
    backend = scene.backend.accept()
    stream = backend.next_stream()
    backend.send(backend.headers(stream, [(":status", "103"), ("link", "</style>")], end=False))
    backend.reply(stream, b"done")
    seen = seen_by(program)
    assert (seen["interim"], seen["status"], seen["body"]) == ([[103, "</style>"]], 200, "done")


def test_hints_are_heads_of_their_own(scene, client):
    """Before the answer's head, without hop-by-hop fields, and without END_STREAM."""
    stream = client.request(scene.host, scene.token)
    connection = scene.backend.next()
    connection.read_request()
    connection.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\r\n")
    client.until(lambda: client.answers.get(stream) and client.answers[stream].heads)
    assert client.answers[stream].heads == [[(":status", "103"), ("link", "</a>")]] and not client.answers[stream].ended
    connection.answer(b"ok")
    answer = client.answer(stream)
    assert [dict(head)[":status"] for head in answer.heads] == ["103", "200"] and answer.body == b"ok"


# ---- Expect ----

def test_expect_of_node(scene):
    """The backend says when the content is wanted; node waits for that."""
    program = node(scene, 5000, expect="100-continue")
    connection = scene.backend.next()
    head = connection.read_head()
    assert head.field("Expect") == "100-continue"
    connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert len(connection.read(5000)) == 5000
    connection.answer(b"got it")
    seen = seen_by(program)
    assert (seen["interim"], seen["status"], seen["body"], seen["sent"], seen["error"]) == ([100], 200, "got it", 5000, None)


def test_expect_that_is_refused(scene, client):
    """No 100 comes before a refusal, nor is the job asked."""
    stream = client.request(scene.host, "wrong", "POST", fields=[("expect", "100-continue"), ("content-length", "5")], end=False)
    answer = client.answer(stream)
    assert (answer.status, len(answer.heads)) == (401, 1)
    scene.untouched()


def test_expect_of_a_backend_that_says_no(scene):
    """The final answer comes in place of 100, and node sends nothing."""
    program = node(scene, 5000, expect="100-continue")
    connection = scene.backend.next()
    connection.read_head()
    connection.answer(b"no", "403 Forbidden")
    seen = seen_by(program)
    assert (seen["interim"], seen["status"], seen["body"], seen["sent"]) == ([], 403, "no", 0)


# ---- content that is too large ----

def test_too_large_by_its_length(scene, client):
    """413 before anything is forwarded, and no 100; the rest of the request is not wanted."""
    fields = [("content-length", str(MOST + 1)), ("expect", "100-continue")]
    stream = client.request(scene.host, scene.token, "POST", fields=fields, end=False)
    answer = client.answer(stream)
    assert (answer.status, len(answer.heads)) == (413, 1)
    client.until(lambda: answer.reset is not None)
    assert answer.reset == NO_ERROR
    scene.untouched()
    assert client.answer(client.request(scene.host, "wrong")).status == 401  # the connection lives on


def test_too_large_by_count(scene, client):
    """413 once more has come than allowed; the job does not get it whole."""
    stream = client.request(scene.host, scene.token, "POST", end=False)
    connection, sent = None, 0
    while sent <= MOST:
        client.until(lambda: (16 << 10) + client.widened.get(stream, 0) > sent)
        n = min((16 << 10) + client.widened.get(stream, 0) - sent, 16 << 10, MOST + 1 - sent)
        client.send(client.data(stream, bytes(n)))
        sent += n
        connection = connection or scene.backend.next()
    assert client.answer(stream).status == 413
    connection.read_head()
    with pytest.raises(Closed):
        while connection.read_chunk():
            pass
        raise AssertionError("the backend was told that the content is whole")
    assert client.answer(client.request(scene.host, "wrong")).status == 401  # the connection lives on


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "counted"])
def test_too_large_of_node(gateway, scene_of, aiohttp_backend, announced):
    scene = scene_of(gateway, url=aiohttp_backend.url)
    seen = seen_by(node(scene, MOST + 50_000, **({"content-length": str(MOST + 50_000)} if announced else {})))
    assert (seen["status"], seen["error"]) == (413, None)
    assert json.loads(seen["body"])["status"] == 413


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "counted"])
def test_too_large_of_curl(gateway, scene_of, aiohttp_backend, make_folder, announced):
    scene = scene_of(gateway, url=aiohttp_backend.url)
    file = make_folder("curl") / "content"
    file.write_bytes(bytes(MOST + 50_000))
    options = ["--data-binary", f"@{file}"] if announced else ["-X", "POST", "-T", "-"]
    program = curl(scene, *options)
    output, _ = program.communicate(None if announced else "x" * (MOST + 50_000), timeout=PATIENCE)
    assert output.split()[-3:-1] == ["2", "413"]
    assert program.returncode == 0


def test_just_small_enough(gateway, scene_of, aiohttp_backend):
    scene = scene_of(gateway, url=aiohttp_backend.url)
    seen = seen_by(node(scene, MOST))
    assert (seen["status"], seen["error"]) == (200, None)
