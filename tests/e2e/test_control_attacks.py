"""Ways round the authorization of the control API: each must end in a refusal, or in exactly what the token allows."""

import select
import socket

import pytest

from harness.control import Answer, Control, request_text
from harness.process import PATIENCE, free_port
from harness.raw import Closed
from harness.store import Token, make_value, random_id


@pytest.fixture(scope="module")
def gateway(module_gateways):
    return module_gateways.start({"control": {"listen": f"127.0.0.1:{free_port()}"}})


@pytest.fixture(scope="module")
def tcp(gateway):
    host, _, port = gateway.config["control"]["listen"].rpartition(":")
    return Control((host, int(port)))


@pytest.fixture(scope="module")
def operator(records):
    return records.token("operator")


@pytest.fixture(scope="module")
def scoped(records):
    return records.token("operator", "team=a")


@pytest.fixture
def outside(records):
    """A job out of the scoped operator's reach."""
    return records.job("unix:/untouched", {"team": "b"})


@pytest.fixture
def untouched(records, outside):
    """After the attack the job is what it was."""
    before = records.client.hgetall(records.job_key(outside))
    yield outside
    assert records.client.hgetall(records.job_key(outside)) == before


LAST = b"GET / HTTP/1.1\r\nHost: x\r\nExpect: the-end\r\n\r\n"  # refused with 417, which ends the connection


def answers(api, data):
    """The statuses of all that comes back for these bytes, until the connection ends."""
    statuses, at_socket = [], isinstance(api.address, str)
    with api.connect() as client:
        client.send(data if at_socket else data + LAST)
        if at_socket:
            client.half_close()
        try:
            while True:
                statuses.append(client.read_response("GET").status)
        except (Closed, AssertionError, OSError):
            return [status for status in statuses if status != 417]


def raw(lines, body=b""):
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def bearer(token):
    return f"Authorization: Bearer {token.value}"


# ---- who asks ----

@pytest.mark.parametrize("fields", [
    lambda good, bad: [bearer(good), bearer(bad)], lambda good, bad: [bearer(bad), bearer(good)], lambda good, bad: [bearer(good), bearer(good)],
    lambda good, bad: [bearer(good), bearer(good).replace("Authorization", "aUTHORIZATION")],
    lambda good, bad: [bearer(good), "Authorization: Basic eDp5"], lambda good, bad: ["Authorization:", bearer(good)],
    lambda good, bad: [bearer(good) + ", Bearer " + good.value], lambda good, bad: [bearer(good) + " x"],
    lambda good, bad: [bearer(good) + ";x"], lambda good, bad: ["Authorization: Bearer"],
], ids=range(10))
def test_several_or_malformed_credentials(tcp, operator, fields, gateway):
    bad = type(operator)(operator.id, make_value(operator.id), "x", "operator", "")
    for api in (tcp, Control(gateway.socket_path)):
        with api.connect() as client:
            client.send(raw(["GET /v1/tokens HTTP/1.1", "Host: x", *fields(operator, bad)]))
            answer = Answer("GET", "/v1/tokens", client.read_response())
            assert answer.status == 400 and "items" not in answer.json
            assert 'error="invalid_request"' in answer.challenge()


@pytest.mark.parametrize("value", ["", "Basic eDp5", "Negotiate x", "BearerX x", "Token x", "jgt_x"])
def test_other_schemes(tcp, value, operator, gateway):
    for api in (tcp, Control(gateway.socket_path)):
        answer = api.call("GET", "/v1/tokens", fields=[f"Authorization: {value}"])
        assert answer.status == 401
        assert 'error="invalid_token"' in answer.challenge()


@pytest.mark.parametrize("field", ["Authorization : Bearer {}", " Authorization: Bearer {}", "Authorization\t: Bearer {}", "X:y\nAuthorization: Bearer {}",
                                   "Proxy-Authorization: Bearer {}", "X-Authorization: Bearer {}", "Authorization_: Bearer {}", "Cookie: Authorization=Bearer {}",
                                   "X-Jobgate-Role: operator", "X-Jobgate-Token-Id: {}", "X-Forwarded-For: 127.0.0.1", "Forwarded: for=127.0.0.1"])
def test_no_other_field_is_a_credential(tcp, operator, field):
    data = raw(["GET /v1/tokens HTTP/1.1", "Host: x", field.format(operator.value)])
    assert set(answers(tcp, data)) <= {400, 401}


def test_not_in_the_query_or_the_body(tcp, operator):
    """RFC 6750 sections 2.2 and 2.3: not here."""
    tcp.refused(401, "GET", f"/v1/tokens?access_token={operator.value}")
    body = f"access_token={operator.value}"
    tcp.refused(401, "POST", "/v1/tokens", body, fields=["Content-Type: application/x-www-form-urlencoded"])


def test_not_in_trailers(tcp, operator):
    for trailers in [f"{bearer(operator)}\r\n", f"X: y\r\n{bearer(operator)}\r\n"]:
        data = raw(["POST /v1/jobs HTTP/1.1", "Host: x", "Transfer-Encoding: chunked"], f"2\r\n{{}}\r\n0\r\n{trailers}\r\n".encode())
        assert set(answers(tcp, data)) == {401}


def test_no_caller_is_remembered(tcp, operator, scoped, outside):
    """Each request on a connection is its own caller's, pipelined or not."""
    path = f"/v1/jobs/{outside}"
    order = [(operator, 200), (None, 401), (scoped, 404), (operator, 200), (scoped, 404), (None, 401)]
    with tcp.connect() as client:
        for token, status in order:
            client.send(request_text("GET", path, token))
            assert client.read_response().status == status
        client.send(b"".join(request_text("GET", path, token) for token, _ in order))
        assert [client.read_response().status for _ in order] == [status for _, status in order]


WRONG = [
    lambda token: make_value(token.id), lambda token: make_value(random_id()), lambda token: "jgt_" + "a" * 66,
    lambda token: token.value[:-1] + ("y" if token.value[-1] == "x" else "x")]
MISTAKEN = [
    lambda token: token.value[:-1], lambda token: token.value + "x", lambda token: token.value.upper(), lambda token: token.id,
    lambda token: "x" * 5000, lambda token: token.value.replace("jgt_", "jgt__", 1), lambda token: token.value + "="]


@pytest.mark.parametrize("value", WRONG, ids=range(len(WRONG)))
def test_values_of_the_right_form_that_are_no_token_s(tcp, operator, value):
    """All the same: one answer."""
    answer = tcp.by(value(operator)).call("GET", "/v1/tokens")
    assert (answer.status, answer.challenge()) == (401, 'Bearer realm="jobgate", error="invalid_token"')
    assert answer.problem() == tcp.by(make_value(random_id())).call("GET", "/v1/jobs").problem()


@pytest.mark.parametrize("value", MISTAKEN, ids=range(len(MISTAKEN)))
def test_values_that_are_no_token_s(tcp, operator, value):
    """The answer names what is wrong with the form, whether or not there is such a token, and shows nothing of the value."""
    answer = tcp.by(value(operator)).call("GET", "/v1/tokens")
    unknown = random_id()
    stranger = tcp.by(value(Token(unknown, make_value(unknown), "unknown", "read", ""))).call("GET", "/v1/jobs")
    assert (answer.status, answer.challenge()) == (401, 'Bearer realm="jobgate", error="invalid_token"')
    assert answer.problem() == stranger.problem()
    assert operator.value[4:20] not in str(answer.problem())


def test_strangers_learn_nothing(tcp, outside):
    """The same refusal whatever is asked for, whether it exists or not."""
    asked = [("GET", "/v1/jobs"), ("GET", f"/v1/jobs/{outside}"), ("GET", "/v1/jobs/no-such"), ("GET", "/nothing"), ("DELETE", "/v1/tokens"),
             ("GET", "/openapi.json"), ("GET", "/metrics"), ("GET", "/healthz"), ("POST", "/v1/authorize")]
    refusals = [tcp.refused(401, method, path).problem() for method, path in asked]
    assert all(refusal == refusals[0] for refusal in refusals)


# ---- what libevhtp's parser takes for a request ----

# A request line without a version, with a bare LF in its query: libevhtp 1.2.18 calls back for the request without
# having begun a head. Behind a request with a credential it once read a NULL pointer.
HEADLESS = b"GET /x?a=b\nA: b\r\n\r\n"


@pytest.mark.parametrize("where", ["listen", "socket"])
@pytest.mark.parametrize("before", [b"", b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\n\r\n"], ids=["alone", "behind a call"])
def test_a_request_without_a_head(gateway, tcp, operator, where, before):
    """400 or 505, the connection ends, and the control process is still the same one."""
    api = tcp if where == "listen" else Control(gateway.socket_path)
    processes = gateway.processes()
    found = answers(api, before + HEADLESS + request_text("GET", "/v1/me", operator))
    assert found[:-1] == [401] * bool(before) and found[-1] in (400, 505)
    assert tcp.by(operator).call("GET", "/v1/me").status == 200
    assert gateway.processes() == processes


def test_a_request_without_a_head_has_no_one_s_credential(gateway, tcp, operator):
    """What came before it, a credential and a body, does not count for it."""
    processes = gateway.processes()
    for api in (tcp, Control(gateway.socket_path)):
        first, second = answers(api, request_text("GET", "/v1/me", operator) + b"DELETE /v1/me?a=b\nA: b\r\n\r\n")
        assert first == 200 and second in (400, 505)
        first, second = answers(api, request_text("POST", "/v1/jobs", operator, b"{") + HEADLESS)
        assert first == 400 and second in (400, 505)
    assert gateway.processes() == processes


# ---- what is asked for: methods and paths ----

@pytest.mark.parametrize("method", ["OPTIONS", "PUT", "TRACE", "CONNECT", "PROPFIND", "MOVE", "COPY", "LOCK", "FOO", "get", "Delete", "DELETEX"])
def test_methods(tcp, operator, scoped, untouched, method):
    for token in (scoped, operator):
        data = raw([f"{method} /v1/jobs/{untouched} HTTP/1.1", "Host: x", bearer(token)])
        assert set(answers(tcp, data)) <= {400, 404, 405}


@pytest.mark.parametrize("field", ["X-HTTP-Method-Override: DELETE", "X-Method-Override: DELETE", "X-HTTP-Method: DELETE"])
def test_method_overrides(tcp, operator, untouched, field):
    assert tcp.by(operator).call("GET", f"/v1/jobs/{untouched}", fields=[field]).status == 200
    assert tcp.by(operator).call("POST", f"/v1/jobs/{untouched}", fields=[field]).status == 405


def test_head_changes_and_shows_nothing(tcp, scoped, untouched):
    assert tcp.by(scoped).call("HEAD", f"/v1/jobs/{untouched}").status == 404
    assert tcp.call("HEAD", f"/v1/jobs/{untouched}").status == 401
    for path in ["/v1/authorize", "/v1/tokens/aaaaaaaaaaaaaaaa/renew"]:
        assert tcp.by(scoped).call("HEAD", path).status == 405


PATHS = ["/v1/jobs/%s/", "//v1/jobs/%s", "/v1//jobs/%s", "/v1/jobs//%s", "/v1/jobs/./%s", "/v1/jobs/../jobs/%s", "/v1/tokens/../jobs/%s",
         "/v1/jobs/%s/..", "/v1/jobs/%s%%00", "/v1/jobs/%s%%2f", "/v1/jobs%%2f%s", "/v1/jobs/%%2e/%s", "/v1/jobs/%%2e%%2e/jobs/%s", "/%%76%%31/jobs/%s",
         "/V1/jobs/%s", "/v1/Jobs/%s", "/v1/jobs/%s;x=y", "/v1/jobs/%s#x", "/v1/jobs/%s\\", "\\v1\\jobs\\%s", "/v1/jobs/ %s", "/v1/jobs/%s/start"]


@pytest.mark.parametrize("path", PATHS)
def test_paths(tcp, operator, scoped, untouched, path):
    """A path is what it says, byte for byte: nothing is decoded, merged or resolved."""
    for method in ("GET", "DELETE", "PATCH"):
        for token in (scoped, operator):
            data = raw([f"{method} {path % untouched} HTTP/1.1", "Host: x", bearer(token), "Content-Length: 0"])
            assert set(answers(tcp, data)) <= {400, 404}


def test_encoded_ids(tcp, operator, scoped, untouched):
    encoded = "".join(f"%{ord(letter):02x}" for letter in untouched)
    for token in (scoped, operator):
        tcp.by(token).refused(404, "GET", f"/v1/jobs/{encoded}")
        tcp.by(token).refused(404, "DELETE", f"/v1/jobs/{encoded}")


def test_other_forms_of_the_target(tcp, operator, scoped, untouched):
    """absolute-form names the same thing; the authority in it must be that of Host, and decides nothing else."""
    for target, host in [(f"http://control/v1/jobs/{untouched}", "control"), (f"https://x:1/v1/jobs/{untouched}", "x:1")]:
        assert answers(tcp, raw([f"GET {target} HTTP/1.1", f"Host: {host}", bearer(operator)])) == [200]
        assert answers(tcp, raw([f"DELETE {target} HTTP/1.1", f"Host: {host}", bearer(scoped)])) == [404]
        assert answers(tcp, raw([f"DELETE {target} HTTP/1.1", f"Host: {host}"])) == [401]
        assert answers(tcp, raw([f"GET {target} HTTP/1.1", "Host: another", bearer(operator)])) == [400]
    for target in ["*", "x", "?x", "", f"{untouched}"]:
        assert set(answers(tcp, raw([f"DELETE {target} HTTP/1.1", "Host: x", bearer(scoped)]))) <= {400, 404, 405}


@pytest.mark.parametrize("version", ["", " HTTP/0.9", " HTTP/1.0", " HTTP/1.2", " HTTP/9.9", " HTTP/2.0"])
def test_versions(tcp, operator, untouched, version):
    """Whatever is made of an odd version: it takes a token, or is refused at once."""
    for head in ([f"DELETE /v1/jobs/{untouched}{version}"], [f"DELETE /v1/jobs/{untouched}{version}", "Host: x"]):
        with tcp.connect() as client:
            client.send(raw(head))
            client.half_close()
            try:
                data = client.read_to_end()
            except Closed as closed:
                data = closed.data
            assert data == b"" or data.split(b" ")[1] in (b"400", b"401", b"505")


def test_keys_of_the_store_are_out_of_reach(tcp, scoped, operator, records):
    """An id is no part of a key until it has the form of one."""
    records.client.hset("jobgate:job:x:y", mapping={"url": "unix:/x"})
    for name in ["x:y", "*", "x%3ay", "..", "token:" + operator.id, "{x}", "x%0d%0aDEL", "'", "\""]:
        for method in ("GET", "DELETE", "PATCH"):
            assert tcp.by(operator).call(method, f"/v1/jobs/{name}", {} if method == "PATCH" else None).status in (400, 404)
    assert records.client.delete("jobgate:job:x:y") == 1


# ---- two readings of one message ----

SMUGGLED = raw(["DELETE /v1/jobs/{job} HTTP/1.1", "Host: x", "Authorization: Bearer {token}"]).decode()


@pytest.mark.parametrize("framing", [
    ["Content-Length: 0", "Content-Length: 5"], ["Content-Length: 5", "Content-Length: 0"], ["Content-Length: 0, 0"], ["Content-Length: +0"],
    ["Content-Length: 0x0"], ["Content-Length: -1"], ["Content-Length: "], ["Content-Length: 0", "Transfer-Encoding: chunked"],
    ["Transfer-Encoding: chunked", "Content-Length: 0"], ["Transfer-Encoding: gzip, chunked"], ["Transfer-Encoding: xchunked"],
    ["Transfer-Encoding: chunked", "Transfer-Encoding: identity"], ["Transfer-Encoding : chunked"], ["Transfer-Encoding:\tchunked\x0b"],
    ["Content-Length: 18446744073709551616"], ["Content-Length : 5"], ["Transfer-Encoding: chunked, identity"],
], ids=lambda framing: " + ".join(framing))
def test_framing_is_read_in_one_way(tcp, operator, untouched, framing):
    """Refused, and what stands behind it is never taken for a request."""
    behind = SMUGGLED.format(job=untouched, token=operator.value).encode()
    data = raw(["POST /v1/jobs HTTP/1.1", "Host: x", bearer(operator), *framing], b"0\r\n\r\n" + behind)
    found = answers(tcp, data)
    assert found in ([400], []), found


def test_chunks(tcp, operator, untouched):
    behind = SMUGGLED.format(job=untouched, token=operator.value).encode()
    for body in [b"zz\r\n", b"-1\r\n", b"0x2\r\n{}\r\n0\r\n\r\n", b"3\r\n{}\r\n0\r\n\r\n", b"2\n{}\n0\n\n"]:
        data = raw(["POST /v1/authorize HTTP/1.1", "Host: x", bearer(operator), "Transfer-Encoding: chunked"], body + behind)
        assert set(answers(tcp, data)) <= {400}


def test_nothing_behind_the_last_request(tcp, operator, untouched):
    behind = SMUGGLED.format(job=untouched, token=operator.value).encode()
    assert answers(tcp, raw(["GET /v1/me HTTP/1.1", "Host: x", bearer(operator), "Connection: close"]) + behind) == [200]
    assert answers(tcp, raw(["GET /v1/me HTTP/1.0", bearer(operator)]) + behind) == [200]


def test_folded_fields(tcp, operator):
    """A credential in two pieces is none of ours."""
    half = len(operator.value) // 2
    for fold in ["\r\n ", "\r\n\t"]:
        data = raw(["GET /v1/tokens HTTP/1.1", "Host: x", f"Authorization: Bearer {operator.value[:half]}{fold}{operator.value[half:]}x"])
        assert set(answers(tcp, data)) <= {400, 401}


# ---- scope: what a body can say ----

@pytest.mark.parametrize("body", [
    '{"labels":{"team":"b","team":"a"}}', '{"labels":{"team":"a","team":"b"}}', '{"labels":{"te\\u0061m":"b"}}', '{"labels":{"team":"a\\u0000b"}}',
    '{"labels":{"team":["a"]}}', '{"labels":{"team":{"a":"b"}}}', '{"labels":{"team\\u0000":"b"}}', '{"labels":null}', '{"labels":{"team":null}}',
    '{"url":"unix:/x","labels":{"team":""}}'])
def test_no_body_leaves_the_scope(tcp, scoped, records, body):
    api = tcp.by(scoped)
    job = api.job_of()
    assert api.call("PATCH", f"/v1/jobs/{job['id']}", body).status in (400, 403)
    assert api.job_record(job["id"]) == job
    made = api.call("POST", "/v1/jobs", body)
    assert made.status in (400, 403)


@pytest.mark.parametrize("selector", ["team=b", "team=b,x=y", "team=a,team=b", "team=", "team", ",", "team=a,", "team =a", "TEAM=b,team=c"])
def test_no_selector_is_wider(tcp, scoped, selector):
    assert tcp.by(scoped).call("POST", "/v1/tokens", {"name": "a", "role": "operator", "label_selector": selector}).status in (400, 403)


def test_no_scope_by_likeness(tcp, records):
    """team=a is neither xteam=a nor team=ab, nor a prefix of a selector's text."""
    api = tcp.by(records.token("operator", "team=a"))
    for selector in ["xteam=a", "team=ab", "team=a.b", "x.y/team=a", "b=team.a", "team=b"]:
        token = records.token("read", selector)
        for method, path in [("GET", ""), ("DELETE", ""), ("POST", "/renew")]:
            api.refused(404, method, f"/v1/tokens/{token.id}{path}")
    for labels in [{"xteam": "a"}, {"team": "ab"}, {"team": ""}, {"x/team": "a"}, {"Team": "a"}]:
        job = records.job(None, labels)
        for method in ("GET", "DELETE"):
            api.refused(404, method, f"/v1/jobs/{job}")
        api.refused(404, "PATCH", f"/v1/jobs/{job}", {"labels": {"team": "a"}})


# ---- strangers in a crowd ----

def silent_crowd(address, count, source):
    return [socket.create_connection(address, PATIENCE, source_address=(source, 0)) for _ in range(count)]


def test_strangers_do_not_keep_operators_out(tcp, operator):
    """Four places hold all the connections there are, and one floods: who has a token is served, and keeps its connection."""
    with tcp.connect() as first:
        ask = request_text("GET", "/v1/me", operator)
        first.send(ask)
        assert first.read_response().status == 200
        crowd = [sock for place in range(2, 7) for sock in silent_crowd(tcp.address, 64, f"127.0.0.{place}")]
        flood = silent_crowd(tcp.address, 200, "127.0.0.9")
        for _ in range(3):
            assert tcp.by(operator).call("GET", "/v1/me").status == 200
        first.send(ask)
        assert first.read_response().status == 200
        ready = select.select(flood, [], [], 0)[0]
        assert len(ready) >= 200 - 64 and all(sock.recv(1) == b"" for sock in ready)
    for sock in crowd + flood:
        sock.close()
