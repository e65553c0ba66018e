"""Strict parsing: what is refused with the connection closed and nothing forwarded (http.md, "Parsing")."""

import pytest

from harness.raw import Closed


def head(scene, *lines, line="GET / HTTP/1.1", host=True, end="\r\n\r\n"):
    """A head with a good token, so that nothing but the fault under test can be refused."""
    all_lines = [line]
    if host:
        all_lines.append(f"Host: {scene.host}")
    all_lines.append(f"Authorization: {scene.token.bearer}")
    all_lines += lines
    return ("\r\n".join(all_lines) + end).encode("latin-1")


FRAMING = {
    "length and coding": ["Content-Length: 3", "Transfer-Encoding: chunked"],
    "coding and length": ["Transfer-Encoding: chunked", "Content-Length: 3"],
    "two lengths": ["Content-Length: 3", "Content-Length: 4"],
    "two equal lengths": ["Content-Length: 3", "Content-Length: 3"],
    "length list": ["Content-Length: 1, 1"],
    "length with plus": ["Content-Length: +1"],
    "length with minus": ["Content-Length: -1"],
    "length with underscore": ["Content-Length:  1_0"],
    "length in hex": ["Content-Length: 0x10"],
    "length with inner space": ["Content-Length: 1 1"],
    "length empty": ["Content-Length:"],
    "length with letters": ["Content-Length: 3a"],
    "length with fraction": ["Content-Length: 3.0"],
    "length over 64 bits": ["Content-Length: 18446744073709551616"],
    "length far over 64 bits": ["Content-Length: 99999999999999999999999999999999"],
    "length over 63 bits": ["Content-Length: 9223372036854775808"],
    "coding gzip": ["Transfer-Encoding: gzip"],
    "coding gzip, chunked": ["Transfer-Encoding: gzip, chunked"],
    "coding chunked, gzip": ["Transfer-Encoding: chunked, gzip"],
    "coding chunked twice": ["Transfer-Encoding: chunked, chunked"],
    "coding in two fields": ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
    "coding in two fields, gzip first": ["Transfer-Encoding: gzip", "Transfer-Encoding: chunked"],
    "coding identity": ["Transfer-Encoding: identity"],
    "coding identity and length": ["Transfer-Encoding: identity", "Content-Length: 3"],
    "coding xchunked": ["Transfer-Encoding: xchunked"],
    "coding with parameter": ["Transfer-Encoding: chunked;q=1"],
    "coding quoted": ['Transfer-Encoding: "chunked"'],
    "coding empty": ["Transfer-Encoding:"],
    "coding after a control character": ["Transfer-Encoding: \x0bchunked"],
    "no-break space before coding": ["Transfer-Encoding: \xa0chunked"],
}


@pytest.mark.parametrize("lines", FRAMING.values(), ids=FRAMING.keys())
def test_framing_refused(scene, lines):
    scene.refused(400, head(scene, *lines, line="POST / HTTP/1.1"))


@pytest.mark.parametrize("lines", FRAMING.values(), ids=FRAMING.keys())
def test_framing_refused_with_a_smuggled_request_behind_it(scene, lines):
    """Whatever follows a refused head is never read as a request."""
    smuggled = head(scene, line="GET /smuggled HTTP/1.1")
    scene.refused(400, head(scene, *lines, line="POST / HTTP/1.1") + b"0\r\n\r\n" + smuggled)


def test_coding_in_http_1_0(scene):
    scene.refused(400, head(scene, "Transfer-Encoding: chunked", line="POST / HTTP/1.0") + b"0\r\n\r\n")


FIELDS = {
    "space before colon": ["X-A : b"],
    "tab before colon": ["X-A\t: b"],
    "space before colon of a length": ["Content-Length : 3"],
    "space before colon of a coding": ["Transfer-Encoding : chunked"],
    "space before name": [" X-A: b"],
    "obs-fold with space": ["X-A: b", " c"],
    "obs-fold with tab": ["X-A: b", "\tc"],
    "obs-fold of a coding": ["Transfer-Encoding:", " chunked"],
    "bare CR in value": ["X-A: b\rX-B: c"],
    "bare CR at the end": ["X-A: b\r"],
    "bare LF after field": ["X-A: b\nX-B: c"],
    "NUL in value": ["X-A: b\0c"],
    "NUL in name": ["X\0A: b"],
    "no colon": ["X-A"],
    "empty name": [": b"],
    "name with space": ["X A: b"],
    "name with parenthesis": ["X(A: b"],
    "name with at sign": ["X@A: b"],
    "name with slash": ["X/A: b"],
    "name with quote": ['X"A: b'],
    "name with brackets": ["X[A]: b"],
    "name not ASCII": ["X-\xc4: b"],
    "name with DEL": ["X-\x7f: b"],
    "value with SOH": ["X-A: b\x01"],
    "value with vertical tab": ["X-A: b\x0bc"],
    "value with form feed": ["X-A: b\x0cc"],
    "value with escape": ["X-A: \x1b[31m"],
    "value with DEL": ["X-A: b\x7f"],
}


@pytest.mark.parametrize("lines", FIELDS.values(), ids=FIELDS.keys())
def test_fields_refused(scene, lines):
    scene.refused(400, head(scene, *lines))


def test_bare_line_feeds_alone(scene):
    text = head(scene).replace(b"\r\n", b"\n")
    scene.refused(400, text)


def test_bare_line_feed_ends_no_head(scene):
    scene.refused(400, head(scene, "X-A: b", end="\r\n\n"))


HOSTS = {
    "space": "a b",
    "slash": "a/b",
    "user info": "user@a",
    "two colons": "a:1:2",
    "port empty": "a:",
    "port not digits": "a:8o",
    "port over 16 bits": "a:65536",
    "port negative": "a:-1",
    "open bracket": "[::1",
    "bad address in brackets": "[::g]",
    "list": "a,b",
    "percent": "a%62",
    "question mark": "a?b",
    "hash": "a#b",
    "backslash": "a\\b",
    "not ASCII": "\xe4",
    "empty": "",
    "URL": "http://a/",
}


@pytest.mark.parametrize("host", HOSTS.values(), ids=HOSTS.keys())
def test_host_refused(scene, host):
    scene.refused(400, head(scene, f"Host: {host}", host=False))


def test_host_missing(scene):
    scene.refused(400, head(scene, host=False))


def test_host_twice(scene):
    scene.refused(400, head(scene, f"Host: {scene.host}"))
    scene.refused(400, head(scene, "Host: other.jobs.test"))


def test_host_disagrees_with_absolute_form(scene):
    scene.refused(400, head(scene, line="GET http://other.jobs.test/ HTTP/1.1"))
    scene.refused(400, head(scene, line=f"GET http://{scene.host}:81/ HTTP/1.1"))


TARGETS = {
    "quote": '/a"b',
    "less than": "/a<b",
    "greater than": "/a>b",
    "backslash": "/a\\b",
    "caret": "/a^b",
    "backquote": "/a`b",
    "open brace": "/a{b",
    "bar": "/a|b",
    "close brace": "/a}b",
    "fragment": "/a#b",
    "stray percent": "/a%",
    "half an escape": "/a%4",
    "escape not hex": "/a%zz",
    "not ASCII": "/\xe4",
    "control character": "/a\x01",
    "DEL": "/a\x7f",
    "tab": "/a\tb",
    "space": "/a b",
    "in the query": '/?a="',
    "relative": "a",
    "empty": "",
    "other scheme": "ftp://a/",
    "user info": "http://user@a/",
    "asterisk with GET": "*",
}


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS.keys())
def test_target_refused(scene, target):
    scene.refused(400, head(scene, line=f"GET {target} HTTP/1.1"))


LINES = {
    "no version": "GET /",
    "two spaces": "GET  / HTTP/1.1",
    "tab": "GET\t/ HTTP/1.1",
    "trailing space": "GET / HTTP/1.1 ",
    "leading space": " GET / HTTP/1.1",
    "method not a token": "G(T / HTTP/1.1",
    "no method": " / HTTP/1.1",
    "lower-case version": "GET / http/1.1",
    "two digits": "GET / HTTP/1.10",
    "no minor": "GET / HTTP/1",
    "other protocol": "GET / RTSP/1.0",
    "garbage": "hello",
    "TLS": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}


@pytest.mark.parametrize("line", LINES.values(), ids=LINES.keys())
def test_request_line_refused(scene, line):
    scene.refused(400, head(scene, line=line))


@pytest.mark.parametrize("version", ["1.2", "2.0", "0.9", "3.0"])
def test_version_refused(scene, version):
    scene.refused(505, head(scene, line=f"GET / HTTP/{version}"))


def test_http2_preface(scene):
    """Refused; that it names a version of its own makes it 505."""
    scene.refused(505, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")


CHUNKS = {
    "17 digits": b"10000000000000000\r\n",
    "17 digits with zeros": b"00000000000000005\r\nhello\r\n0\r\n\r\n",
    "negative": b"-1\r\nhello\r\n0\r\n\r\n",
    "plus": b"+5\r\nhello\r\n0\r\n\r\n",
    "0x": b"0x5\r\nhello\r\n0\r\n\r\n",
    "leading space": b" 5\r\nhello\r\n0\r\n\r\n",
    "empty size": b"\r\nhello\r\n0\r\n\r\n",
    "no digits before extension": b";a=b\r\nhello\r\n0\r\n\r\n",
    "underscore": b"5_\r\nhello\r\n0\r\n\r\n",
    "not hex": b"g\r\nhello\r\n0\r\n\r\n",
    "bare LF after size": b"5\nhello\r\n0\r\n\r\n",
    "bare CR after size": b"5\rhello\r\n0\r\n\r\n",
    "data too long": b"5\r\nhello!\r\n0\r\n\r\n",
    "bare LF after data": b"5\r\nhello\n0\r\n\r\n",
    "extension without name": b"5;\r\nhello\r\n0\r\n\r\n",
    "extension with open quote": b'5;a="b\r\nhello\r\n0\r\n\r\n',
    "extension with control character": b"5;a=\x01\r\nhello\r\n0\r\n\r\n",
    "extension with bare LF": b"5;a\nhello\r\n0\r\n\r\n",
    "extension without end": b"5;a=" + b"b" * 20000 + b"\r\nhello\r\n0\r\n\r\n",
    "trailer with space before colon": b"5\r\nhello\r\n0\r\nX-A : b\r\n\r\n",
    "trailer with obs-fold": b"5\r\nhello\r\n0\r\nX-A: b\r\n c\r\n\r\n",
    "trailer with bare LF": b"5\r\nhello\r\n0\r\nX-A: b\n\r\n",
    "trailer with NUL": b"5\r\nhello\r\n0\r\nX-A: \0\r\n\r\n",
    "trailer name not a token": b"5\r\nhello\r\n0\r\nX A: b\r\n\r\n",
}


@pytest.mark.parametrize("body", CHUNKS.values(), ids=CHUNKS.keys())
def test_chunks_refused(scene, body):
    """
    The fault may lie behind bytes that went on already: then the backend sees its request cut,
    never ended, and what follows the fault never becomes a request.
    """
    smuggled = head(scene, line="GET /smuggled HTTP/1.1")
    client = scene.client
    client.send(head(scene, "Transfer-Encoding: chunked", line="POST / HTTP/1.1") + body + smuggled)
    response = client.read_response()
    assert response.status == 400
    assert response.field("connection") == "close"
    client.ended()
    if scene.backend.untouched():
        scene.untouched()
        return
    assert b"smuggled" not in cut_body(scene.backend.accept())


def cut_body(connection):
    """Content of a chunked request that is cut before its last chunk, or before its first byte."""
    content = b""
    with pytest.raises(Closed):
        assert connection.read_head().field("transfer-encoding") == "chunked"
        while chunk := connection.read_chunk():
            content += chunk
        raise AssertionError(f"the request ended as if whole, after {content!r}")
    return content


def test_largest_chunk_size_does_not_wrap(scene):
    """2^64 - 1 is a size, not -1: refused, or all that follows is data of a chunk that never ends."""
    client = scene.client
    client.send(head(scene, "Transfer-Encoding: chunked", line="POST / HTTP/1.1") +
                b"5\r\nhello\r\nFFFFFFFFFFFFFFFF\r\n" + b"x" * 32 + b"\r\n0\r\n\r\n")
    connection = scene.backend.accept()
    client.half_close()
    content = cut_body(connection)
    assert b"hello".startswith(content) or content == b"hello" + b"x" * 32 + b"\r\n0\r\n\r\n"


def test_good_variants_pass(scene):
    """The strictness has bounds: these are HTTP."""
    assert scene.relay(fields=["X-A:b", "X-B:\t c \t", "X-Empty:", "X-Obs: \xe4"]).field("x-b") == "c"


@pytest.mark.parametrize("coding", ["chunked", "CHUNKED", "Chunked", " chunked\t"])
def test_chunked_in_any_case(scene, coding):
    client = scene.client
    client.send(head(scene, f"Transfer-Encoding: {coding}", line="POST / HTTP/1.1") +
                b"5\r\nhello\r\n0\r\n\r\n")
    connection = scene.backend.accept()
    assert connection.read_request().body == b"hello"
    connection.answer()
    assert client.read_response().status == 200


def test_one_empty_line_before_a_request(scene):
    """RFC 9112 section 2.2."""
    client = scene.client
    client.send(b"\r\n" + head(scene))
    scene.backend.serve()
    assert client.read_response().status == 200


def test_request_byte_by_byte(scene):
    client = scene.client
    client.send_slowly(head(scene, "Content-Length: 5", line="POST /slow HTTP/1.1") + b"hello")
    connection = scene.backend.accept()
    received = connection.read_request()
    assert (received.target, received.body) == ("/slow", b"hello")
    connection.answer()
    assert client.read_response().status == 200


def padded_head(scene, size):
    bare = head(scene, "X-Pad: ")
    text = head(scene, "X-Pad: " + "x" * (size - len(bare)))
    assert len(text) == size
    return text


def test_head_limit(scene):
    scene.client.send(padded_head(scene, 32 * 1024))
    connection = scene.backend.accept()
    assert len(connection.read_request().field("x-pad")) > 32000
    connection.answer()
    assert scene.client.read_response().status == 200


def test_head_over_its_limit(scene):
    scene.refused(431, padded_head(scene, 32 * 1024 + 1))


def test_head_without_end(scene):
    scene.refused(431, head(scene, "X-Pad: " + "x" * 100_000, end=""))


def test_field_limit(scene):
    # Host and Authorization are two of them.
    assert len(scene.relay(fields=[f"X-{n}: {n}" for n in range(98)]).all("x-97")) == 1


def test_fields_over_their_limit(scene):
    scene.refused(431, head(scene, *[f"X-{n}: {n}" for n in range(99)]))


def test_target_limit(scene):
    target = "/" + "x" * (16 * 1024 - 1)
    assert scene.relay(path=target).target == target


def test_target_over_its_limit(scene):
    scene.refused(414, head(scene, line="GET /" + "x" * 16 * 1024 + " HTTP/1.1"))


def test_target_without_end(scene):
    scene.refused(414, b"GET /" + b"x" * 100_000)
