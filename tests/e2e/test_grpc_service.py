"""A real gRPC client and a real gRPC service (python3-grpcio) with the gateway between them: all kinds of calls, and how they end."""

import threading

import grpc
import pytest

from harness.gateway import DOMAIN
from harness.process import PATIENCE, eventually
from harness.servers import grpc_server

MESSAGE_MAX = 4 * 1024 * 1024
CALLS = 2000
AT_ONCE = 200


@pytest.fixture(scope="module")
def gateway(module_gateways):
    return module_gateways.start()


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    server = grpc_server(tmp_path_factory.mktemp("grpc"))
    yield server
    server.stop()


@pytest.fixture
def token(records):
    return records.token()


@pytest.fixture
def job(records, service):
    return records.job(f"grpc://{service.authority}")


class Caller:
    """A real client's channel to a job, and the methods of its service."""

    def __init__(self, address, job, token, *options):
        self.channel = grpc.insecure_channel("%s:%d" % address, options=[
            ("grpc.default_authority", f"{job}.{DOMAIN}"), ("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1),
            ("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1), *options])
        self.metadata = [("authorization", f"Bearer {getattr(token, 'value', token)}")]

    def _call(self, kind, method, request, timeout=4 * PATIENCE):
        return getattr(self.channel, kind)(f"/tests.Service/{method}")(request, timeout=timeout, metadata=self.metadata)

    def unary(self, method, request, timeout=4 * PATIENCE):
        return self._call("unary_unary", method, request, timeout)

    def future(self, method, request, timeout=4 * PATIENCE):
        return self.channel.unary_unary(f"/tests.Service/{method}").future(request, timeout=timeout, metadata=self.metadata)

    def collect(self, requests):
        return self._call("stream_unary", "Collect", requests)

    def answers(self, method, request):
        return self._call("unary_stream", method, request)

    def chat(self, requests):
        return self._call("stream_stream", "Chat", requests)


@pytest.fixture
def caller_of(gateway):
    callers = []

    def make(job, token, *options):
        callers.append(Caller(gateway.address, job, token, *options))
        return callers[-1]
    yield make
    for caller in callers:
        caller.channel.close()


@pytest.fixture
def caller(caller_of, job, token):
    return caller_of(job, token)


def error_of(call):
    with pytest.raises(grpc.RpcError) as raised:
        call()
    return raised.value


def test_all_kinds_of_calls(caller):
    assert caller.unary("Echo", b"one") == b"one"
    assert caller.unary("Echo", b"") == b""
    assert caller.collect(b"%d" % i for i in range(1000)) == b"".join(b"%d" % i for i in range(1000))
    assert list(caller.answers("Count", b"1000")) == [b"%d" % i for i in range(1000)]
    assert list(caller.chat(b"%d" % i for i in range(1000))) == [b"%d" % i for i in range(1000)]


def test_messages_go_one_by_one(caller):
    """The next request of a stream follows only after the answer to the last one has come."""
    turn = threading.Semaphore(1)

    def requests():
        for i in range(100):
            assert turn.acquire(timeout=4 * PATIENCE)
            yield b"%d" % i
    for i, answer in enumerate(caller.chat(requests())):
        assert answer == b"%d" % i
        turn.release()
    assert i == 99


def test_large_messages(caller):
    large = bytes(i * 7 % 251 for i in range(MESSAGE_MAX))
    assert caller.unary("Echo", large) == large
    assert [message == large for message in caller.chat(iter([large, b"", large]))] == [True, False, True]


def test_thousands_of_calls(caller):
    running = []
    for i in range(CALLS):
        running.append((i, caller.future("Echo", b"%d" % i)))
        if len(running) == AT_ONCE:
            number, call = running.pop(0)
            assert call.result() == b"%d" % number
    for number, call in running:
        assert call.result() == b"%d" % number


def test_error_of_the_service(caller):
    error = error_of(lambda: caller.unary("Fail", b""))
    assert (error.code(), error.details()) == (grpc.StatusCode.NOT_FOUND, "kein Modell für 100 %")
    assert {("x-more", "1"), ("x-more-bin", b"\0\xff")} <= set(error.trailing_metadata())
    error = error_of(lambda: caller.unary("Missing", b""))
    assert error.code() == grpc.StatusCode.UNIMPLEMENTED


def test_refusals(caller_of, records, job, token):
    codes = grpc.StatusCode
    scoped = records.token(selector="team=other")
    for at, by, code in [(job, "wrong", codes.UNAUTHENTICATED), (job, scoped, codes.PERMISSION_DENIED),
                         ("missing", scoped, codes.PERMISSION_DENIED), ("missing", token, codes.UNIMPLEMENTED)]:
        assert error_of(lambda: caller_of(at, by).unary("Echo", b"")).code() == code


def test_service_at_an_http_url(caller_of, records, service, token):
    """It speaks HTTP/2 alone, so what it answers there is no HTTP/1: the client is told what to change."""
    error = error_of(lambda: caller_of(records.job(f"http://{service.authority}"), token).unary("Echo", b""))
    assert error.code() == grpc.StatusCode.UNAVAILABLE
    assert "begin with grpc:// or grpcs://" in error.details()


def cancelled_at(caller):
    return int(caller.unary("Cancelled", b""))


def test_deadline(caller):
    error = error_of(lambda: caller.unary("Pause", b"60000", timeout=0.3))
    assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert caller.unary("Pause", b"1") == b"1"


def test_cancellation_reaches_the_service(caller):
    before = cancelled_at(caller)
    stream = caller.answers("Forever", b"")
    assert next(stream) == b"on"
    stream.cancel()
    eventually(lambda: cancelled_at(caller) == before + 1, "the service to hear of it")


def test_revocation_of_a_stream(caller_of, records, job, token):
    """The client is told, the service's call is cancelled, and the client's connection serves others."""
    other = caller_of(job, token)
    before = cancelled_at(other)
    revoked = records.token()
    caller = caller_of(job, revoked)
    stream = caller.answers("Forever", b"")
    assert next(stream) == b"on"
    records.delete_token(revoked)
    error = error_of(lambda: next(stream))
    assert (error.code(), error.details()) == (grpc.StatusCode.UNAUTHENTICATED, "access has been revoked")
    eventually(lambda: cancelled_at(other) == before + 1, "the service to hear of it")
    caller.metadata = other.metadata
    assert caller.unary("Echo", b"again") == b"again"


def test_keepalive_pings(caller_of, job, token):
    """Each of them is answered: the client would end the call otherwise."""
    caller = caller_of(job, token, ("grpc.keepalive_time_ms", 100), ("grpc.keepalive_timeout_ms", 10_000),
                       ("grpc.http2.max_pings_without_data", 0), ("grpc.keepalive_permit_without_calls", 1))
    assert caller.unary("Pause", b"3000") == b"3000"
    assert caller.unary("Echo", b"after") == b"after"
