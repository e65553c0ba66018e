"""Answers of a backend are parsed as strictly as requests: a bad one is 502, its connection closed."""

import json

import pytest

from harness.raw import Closed, Cut

BAD = {
    "garbage": b"hello\r\n\r\n",
    "SSH": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "version 2": b"HTTP/2 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "version 1.2": b"HTTP/1.2 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "lower case": b"http/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "status of two digits": b"HTTP/1.1 99 x\r\nContent-Length: 2\r\n\r\nok",
    "status of four digits": b"HTTP/1.1 2000 x\r\nContent-Length: 2\r\n\r\nok",
    "status 000": b"HTTP/1.1 000 x\r\nContent-Length: 2\r\n\r\nok",
    "status 600": b"HTTP/1.1 600 x\r\nContent-Length: 2\r\n\r\nok",
    "status not digits": b"HTTP/1.1 2x0 OK\r\nContent-Length: 2\r\n\r\nok",
    "two spaces": b"HTTP/1.1  200 OK\r\nContent-Length: 2\r\n\r\nok",
    "control character in reason": b"HTTP/1.1 200 O\x01K\r\nContent-Length: 2\r\n\r\nok",
    "length and coding": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    "length list": b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok",
    "length with plus": b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
    "length overflow": b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551618\r\n\r\nok",
    "coding gzip": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok",
    "coding gzip, chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "coding twice": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "coding in 1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "space before colon": b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok",
    "obs-fold": b"HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nContent-Length: 2\r\n\r\nok",
    "bare LF": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    "bare LF in the middle": b"HTTP/1.1 200 OK\r\nX-A: b\nContent-Length: 2\r\n\r\nok",
    "bare CR": b"HTTP/1.1 200 OK\r\nX-A: b\rX-B: c\r\nContent-Length: 2\r\n\r\nok",
    "NUL": b"HTTP/1.1 200 OK\r\nX-A: \0\r\nContent-Length: 2\r\n\r\nok",
    "name not a token": b"HTTP/1.1 200 OK\r\nX A: b\r\nContent-Length: 2\r\n\r\nok",
    "no colon": b"HTTP/1.1 200 OK\r\nX-A\r\nContent-Length: 2\r\n\r\nok",
    "control character in value": b"HTTP/1.1 200 OK\r\nX-A: \x01\r\nContent-Length: 2\r\n\r\nok",
    "head too large": b"HTTP/1.1 200 OK\r\nX-A: " + b"x" * 70_000 + b"\r\nContent-Length: 2\r\n\r\nok",
    "too many fields": b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(300)) +
                       b"Content-Length: 2\r\n\r\nok",
    "empty line first": b"\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
}


@pytest.mark.parametrize("answer", BAD.values(), ids=BAD.keys())
def test_bad_answer(scene, answer):
    client, connection, _ = scene.arrive()
    try:
        connection.send(answer)
    except OSError:
        pass  # closed before the end of a long one
    response = client.read_response()
    assert response.status == 502
    assert response.field("content-type") == "application/problem+json"
    problem = json.loads(response.body)
    assert problem["status"] == 502
    assert problem["request_id"]
    connection.ended()
    scene.gateway.access_entry(job=scene.job, outcome="bad_answer", status=502)
    # The client did nothing wrong: its connection lives on, on a backend connection of its own.
    client.send(scene.request())
    scene.backend.serve()
    assert client.read_response().status == 200


def test_bad_answer_after_an_interim_one(scene):
    client, connection, _ = scene.arrive()
    connection.send(b"HTTP/1.1 103 Early Hints\r\n\r\nnonsense\r\n\r\n")
    assert client.read_interim().status == 103
    assert client.read_response().status == 502
    connection.ended()


@pytest.mark.parametrize("part", [b"", b"HTTP/1.1", b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 103 Early Hints\r\n\r\n"],
                         ids=["nothing", "version", "half a head", "interim only"])
@pytest.mark.parametrize("ending", ["close", "reset"])
def test_backend_that_leaves_without_an_answer(scene, part, ending):
    client, connection, received = scene.arrive("POST", body=b"x")
    connection.send(part)
    if part.startswith(b"HTTP/1.1 103"):
        assert client.read_interim("POST").status == 103
    connection.close() if ending == "close" else connection.reset()
    response = client.read_response("POST")
    assert response.status == 502
    problem = json.loads(response.body)
    assert problem["request_id"] == received.field("x-request-id")
    scene.gateway.access_entry(job=scene.job, outcome="backend_closed", status=502)


def test_chunk_size_that_overflows(scene):
    client, connection, _ = scene.arrive()
    connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n10000000000000002\r\nno\r\n0\r\n\r\n")
    with pytest.raises((Closed, Cut)) as cut:
        client.read_response()
    if cut.type is Cut:
        assert b"ok".startswith(cut.value.response.body)
    connection.ended()


def test_answer_in_small_pieces(scene):
    client, connection, _ = scene.arrive()
    connection.send_slowly(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
    assert client.read_response().body == b"hello"


def test_answer_without_reason(scene):
    """RFC 9112 section 4: the phrase may be empty; its space may not."""
    client, connection, _ = scene.arrive()
    connection.send(b"HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok")
    assert client.read_response().status == 200


def test_answer_before_the_request(scene):
    """A backend that is full may say 503 as soon as it accepts; that is relayed or 502, and nobody waits."""
    client = scene.client
    client.send(scene.request())
    connection = scene.backend.accept()
    connection.answer(b"full", "503 Service Unavailable", ["Connection: close"])
    connection.half_close()
    assert client.read_response().status in (502, 503)


@pytest.mark.parametrize("part", [b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort"],
                         ids=["head", "body"])
def test_reset_right_behind_data(scene, part):
    """Data and reset arrive together, as from a backend that crashed: the reset must not be overlooked."""
    for _ in range(20):
        client = scene.new_client()
        client.send(scene.request())
        connection = scene.backend.next()
        connection.read_request()
        connection.send(part)
        connection.reset()
        try:
            assert client.read_response().status == 502
        except (Closed, Cut):
            assert part.endswith(b"short")
