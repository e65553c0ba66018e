"""gRPC through the gateway: what a real client (python3-grpcio) sees of refusals, deadlines, streams and their ends.

The backend is scripted and speaks HTTP/1: a call's messages and trailers are the same in chunks.
"""

import grpc
import pytest

from harness.gateway import DOMAIN
from harness.h2 import H2Client
from harness.process import PATIENCE
from harness.raw import Backend
from harness.scene import Scene

NO_ERROR, CANCEL = 0, 8
METHOD = "/tests.Service/Method"
TYPE = ("content-type", "application/grpc")
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
def gateway(module_gateways):
    return module_gateways.start({"timeouts": {"linger": "2m"}})


@pytest.fixture
def scene(gateway, records):
    scene = Scene(gateway, records)
    yield scene
    scene.close()


@pytest.fixture
def client(gateway):
    with H2Client(gateway.address) as client:
        yield client


@pytest.fixture
def channel_to(gateway):
    """Makes a channel of a real client to a job's host."""
    channels = []

    def make(host):
        channel = grpc.insecure_channel("%s:%d" % gateway.address, options=[
            ("grpc.default_authority", host), ("grpc.enable_retries", 0), ("grpc.max_receive_message_length", -1),
            ("grpc.max_send_message_length", -1), ("grpc.use_local_subchannel_pool", 1)])
        channels.append(channel)
        return channel
    yield make
    for channel in channels:
        channel.close()


def bearer(token):
    return [("authorization", f"Bearer {getattr(token, 'value', token)}")]


def message(content):
    return b"\0" + len(content).to_bytes(4, "big") + content


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def trailers(status):
    return b"0\r\ngrpc-status: %d\r\n\r\n" % status


def error_of(call):
    with pytest.raises(grpc.RpcError) as raised:
        call()
    return raised.value


def unary(channel, metadata, timeout=PATIENCE, request=b"ask", method=METHOD):
    return channel.unary_unary(method)(request, timeout=timeout, metadata=metadata)


def stream_of(channel, token, timeout=None):
    return channel.unary_stream(METHOD)(b"ask", timeout=timeout, metadata=bearer(token))


def content_of(client, stream):
    return client.answers[stream].body if stream in client.answers else b""


def begin(scene, *messages):
    """Take the next call at the backend, and begin its answer with these messages."""
    connection = scene.backend.next()
    received = connection.read_request()
    connection.send(HEAD + b"".join(chunk(message(content)) for content in messages))
    return received, connection


# ---- refusals ----

def test_real_client_sees_why_it_is_refused(scene, channel_to, gateway, records):
    scoped = records.token(selector="team=other")
    missing = f"missing.{DOMAIN}"
    unscoped = scene.token
    seen = {}
    for name, host, metadata in [
            ("no token", scene.host, []), ("wrong token", scene.host, bearer("wrong")),
            ("out of scope", scene.host, bearer(scoped)), ("hidden", missing, bearer(scoped)),
            ("missing", missing, bearer(unscoped))]:
        error = error_of(lambda: unary(channel_to(host), metadata))
        seen[name] = error.code(), error.details()
        assert dict(error.trailing_metadata()).get("x-request-id"), name
    codes = grpc.StatusCode
    assert {name: code for name, (code, _) in seen.items()} == {
        "no token": codes.UNAUTHENTICATED, "wrong token": codes.UNAUTHENTICATED, "out of scope": codes.PERMISSION_DENIED,
        "hidden": codes.PERMISSION_DENIED, "missing": codes.UNIMPLEMENTED}
    assert seen["no token"][1] == "Send a token: Authorization: Bearer <token>."
    assert seen["hidden"] == seen["out of scope"]
    scene.untouched()


def test_unary_call(scene, channel_to):
    call = channel_to(scene.host).unary_unary(METHOD).future(b"ask", timeout=PATIENCE, metadata=bearer(scene.token))
    received, connection = begin(scene, b"answer")
    assert (received.method, received.target, received.body) == ("POST", METHOD, message(b"ask"))
    assert received.field("TE") == "trailers" and received.field("grpc-timeout")
    connection.send(trailers(0))
    assert call.result() == b"answer"


def test_revoked_stream(scene, channel_to, records):
    stream = stream_of(channel_to(scene.host), scene.token)
    _, connection = begin(scene, b"one", b"two")
    assert [next(stream), next(stream)] == [b"one", b"two"]
    records.delete_token(scene.token)
    error = error_of(lambda: next(stream))
    assert (error.code(), error.details()) == (grpc.StatusCode.UNAUTHENTICATED, "access has been revoked")
    assert connection.ended()


def test_deleted_job_ends_its_streams(scene, channel_to, records):
    stream = stream_of(channel_to(scene.host), scene.token)
    _, connection = begin(scene, b"one")
    assert next(stream) == b"one"
    records.delete_job(scene.job)
    error = error_of(lambda: next(stream))
    assert (error.code(), error.details()) == (grpc.StatusCode.PERMISSION_DENIED, "access has been revoked")
    assert connection.ended()


@pytest.mark.parametrize("request_ended", [True, False])
def test_revocation_on_the_wire(scene, client, records, request_ended):
    """Between two messages trailers, then at once RST_STREAM NO_ERROR where the request goes on; the connection stays."""
    stream = client.request(scene.host, scene.token, "POST", METHOD, [TYPE], body=message(b"ask"), end=request_ended)
    connection = scene.backend.next()
    connection.read_head()
    assert connection.read_chunk() == message(b"ask")
    connection.send(HEAD + chunk(message(b"one")))
    client.until(lambda: content_of(client, stream) == message(b"one"))
    records.delete_token(scene.token)
    answer = client.answer(stream)
    assert dict(answer.heads[1]) == {"grpc-status": "16", "grpc-message": "access has been revoked"}
    if not request_ended:
        client.until(lambda: answer.reset is not None)
    assert answer.reset == (None if request_ended else NO_ERROR)
    assert not request_ended or connection.read_until(b"0\r\n\r\n")
    assert connection.ended()
    assert client.answer(client.request(scene.host, "wrong")).status == 401
    assert client.goaway is None


def test_revocation_within_a_message(scene, client, records):
    stream = client.request(scene.host, scene.token, "POST", METHOD, [TYPE], body=message(b"ask"))
    connection = scene.backend.next()
    connection.read_request()
    connection.send(HEAD + chunk(message(b"one") + message(b"two")[:-1]))
    client.until(lambda: len(content_of(client, stream)) == 2 * len(message(b"one")) - 1)
    records.delete_token(scene.token)
    answer = client.answer(stream)
    assert (answer.reset, len(answer.heads)) == (CANCEL, 1)


# ---- deadlines, cancellation, backends that fail ----

def test_deadline_of_the_wire(scene, client):
    """The gateway keeps the deadline by itself: this client does not."""
    stream = client.request(scene.host, scene.token, "POST", METHOD, [TYPE, ("grpc-timeout", "200m")], body=message(b"ask"))
    connection = scene.backend.next()
    assert connection.read_request().field("grpc-timeout") == "200m"
    answer = client.answer(stream)
    assert (answer.status, answer.field("grpc-status"), answer.ended) == (200, "4", True)
    assert "grpc-timeout" in answer.field("grpc-message")
    assert connection.ended()


def test_deadline_of_a_real_client(scene, channel_to):
    error = error_of(lambda: unary(channel_to(scene.host), bearer(scene.token), timeout=0.3))
    assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert scene.backend.next().read_request() is not None


def test_cancelled_call(scene, channel_to):
    stream = stream_of(channel_to(scene.host), scene.token)
    _, connection = begin(scene, b"one")
    assert next(stream) == b"one"
    stream.cancel()
    assert connection.ended()


def test_backend_that_fails_in_a_stream(scene, channel_to):
    stream = stream_of(channel_to(scene.host), scene.token)
    _, connection = begin(scene, b"one")
    assert next(stream) == b"one"
    connection.close()
    error = error_of(lambda: next(stream))
    assert error.code() == grpc.StatusCode.UNAVAILABLE
    assert error.details() == "The job closed the connection before it had answered."


def test_job_that_is_not_there(scene, channel_to, records):
    with Backend() as gone:
        url = gone.url
    error = error_of(lambda: unary(channel_to(f"{records.job(url)}.{DOMAIN}"), bearer(scene.token), timeout=4 * PATIENCE))
    assert error.code() == grpc.StatusCode.UNAVAILABLE
    assert error.details() == "The job does not accept connections."


def test_status_of_the_job_passes(scene, channel_to):
    call = channel_to(scene.host).unary_unary(METHOD).future(b"ask", timeout=PATIENCE, metadata=bearer(scene.token))
    _, connection = begin(scene)
    connection.send(b"0\r\ngrpc-status: 5\r\ngrpc-message: no such model\r\nx-more: 1\r\n\r\n")
    error = error_of(call.result)
    assert (error.code(), error.details()) == (grpc.StatusCode.NOT_FOUND, "no such model")
    assert ("x-more", "1") in list(error.trailing_metadata())


# ---- what is seen of it ----

def test_log_and_metrics(scene, gateway, channel_to, client):
    before = gateway.metrics()
    unary_call = channel_to(scene.host).unary_unary(METHOD).future(b"ask", timeout=PATIENCE, metadata=bearer(scene.token))
    _, connection = begin(scene, b"answer")
    connection.send(trailers(0))
    assert unary_call.result() == b"answer"
    error_of(lambda: unary(channel_to(scene.host), bearer("wrong"), method="/tests.Service/Refused"))
    cut = client.request(scene.host, scene.token, "POST", "/tests.Service/Cut", [TYPE], body=message(b"ask"))
    connection = scene.backend.next()
    connection.read_request()
    connection.send(HEAD + chunk(message(b"two")[:-1]))
    client.until(lambda: content_of(client, cut))
    connection.close()
    assert client.answer(cut).reset is not None
    assert gateway.access_entry(job=scene.job, path=METHOD, outcome="answered", status=200)["grpc_status"] == 0
    entry = gateway.access_entry(job=scene.job, path="/tests.Service/Refused", outcome="refused", verdict="invalid_token")
    assert (entry["status"], entry["grpc_status"]) == (401, 16)
    assert "grpc_status" not in gateway.access_entry(job=scene.job, path="/tests.Service/Cut", outcome="backend_closed")
    name = 'jobgate_grpc_calls_total{grpc_status="%s"}'
    grown = {status: gateway.metrics()[name % status] - before[name % status] for status in [*range(17), "none"]}
    assert {status for status, n in grown.items() if n} == {0, 16, "none"} and set(grown.values()) == {0, 1}


def test_log_of_an_answer_without_a_status(scene, gateway, client):
    """A job of plain HTTP answers as it likes: clients read the HTTP status then."""
    stream = client.request(scene.host, scene.token, "POST", "/plain", [TYPE], body=message(b"ask"))
    connection = scene.backend.next()
    connection.read_request()
    connection.answer(b"no gRPC here", status="404 Not Found")
    answer = client.answer(stream)
    assert (answer.status, answer.body) == (404, b"no gRPC here")
    assert "grpc_status" not in gateway.access_entry(job=scene.job, path="/plain", outcome="answered", status=404)


# ---- streams that are silent, drain, other forms ----

def test_silent_streams_go_on(gateways, scene_of):
    """In the time after which an upload and an answer of plain HTTP end, nothing moves in either direction of a call."""
    gateway = gateways.start({"timeouts": {"body": "1s", "first_byte": "3s", "answer": "1s"}})
    scene = scene_of(gateway)
    with H2Client(gateway.address) as client:
        call = client.request(scene.host, scene.token, "POST", METHOD, [TYPE], body=message(b"one"), end=False)
        connection = scene.backend.next()
        connection.read_head()
        assert connection.read_chunk() == message(b"one")
        for path in ("/upload", "/answer"):
            upload = path == "/upload"
            plain = client.request(scene.host, scene.token, "POST", path, body=b"a", end=not upload)
            other = scene.backend.next()
            other.read_head()
            assert other.read_chunk() == b"a"
            assert client.answer(plain).status == (408 if upload else 504)
            other.close()
        client.send(client.data(call, message(b"two"), end=True))
        assert connection.read_chunk() == message(b"two")
        connection.send(HEAD + chunk(message(b"three")))
        client.until(lambda: content_of(client, call))
        plain = client.request(scene.host, scene.token, path="/cut")
        other = scene.backend.next()
        other.read_head()
        other.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        assert client.answer(plain).reset is not None
        connection.send(trailers(0))
        assert dict(client.answer(call).heads[1]) == {"grpc-status": "0"}


def test_end_of_the_drain_time(gateways, scene_of):
    """A stream that has begun, and a call that the job has not answered: clients may try both again elsewhere."""
    gateway = gateways.start({"timeouts": {"drain": "1s"}})
    scene = scene_of(gateway)
    with H2Client(gateway.address) as client:
        begun = client.request(scene.host, scene.token, "POST", METHOD, [TYPE], body=message(b"ask"))
        connection = scene.backend.next()
        connection.read_request()
        connection.send(HEAD + chunk(message(b"one")))
        client.until(lambda: content_of(client, begun))
        waiting = client.request(scene.host, scene.token, "POST", METHOD, [TYPE], body=message(b"ask"))
        scene.backend.next().read_request()
        gateway.program.popen.terminate()
        answer = client.answer(begun)
        assert dict(answer.heads[1]) == {"grpc-status": "14", "grpc-message": "the gateway stops"}
        answer = client.answer(waiting)
        assert (answer.status, answer.field("grpc-status")) == (200, "14")


@pytest.mark.parametrize("kind", ["application/grpc-web+proto", "application/grpc-web-text", "application/grpc"])
def test_refusal_over_http1(scene, kind):
    """grpc-web is for browsers, which speak what they like; its clients read the same fields in the head."""
    scene.client.send(scene.request("POST", METHOD, [f"Content-Type: {kind}"], body=message(b"ask"), token="wrong"))
    response = scene.client.read_response("POST")
    assert (response.status, response.body) == (200, b"")
    assert response.field("Content-Type") == kind
    assert response.field("grpc-status") == "16" and response.field("Content-Length") == "0"
    assert response.field("WWW-Authenticate").startswith("Bearer ")
    assert scene.relay().target == "/"  # the connection is kept


@pytest.mark.parametrize("method, fields", [("GET", [TYPE]), ("OPTIONS", [TYPE]), ("POST", [TYPE, TYPE]), ("POST", [])])
def test_refusal_of_what_is_no_call(scene, client, method, fields):
    answer = client.answer(client.request(scene.host, "wrong", method, METHOD, fields))
    assert (answer.status, answer.field("grpc-status")) == (401, None)
