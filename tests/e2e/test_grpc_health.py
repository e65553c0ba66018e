"""gRPC's health service at control.metrics, for probes of Kubernetes and others: a real client (python3-grpcio) asks, without a token."""

import signal
import struct

import grpc
import pytest
from hyperframe import frame as frames

from harness.h2 import H2Client
from harness.process import PATIENCE, eventually
from harness.store import RedisServer

SERVING, NOT_SERVING = b"\x08\x01", b"\x08\x02"
CONFIG = {}


def request_of(service):
    """A HealthCheckRequest in protobuf's wire form: its only field is a string with number 1."""
    return b"\x0a" + bytes([len(service)]) + service.encode() if service else b""


class Probe:
    """Makes each call on a connection of its own, as kubelet does."""

    def __init__(self, gateway):
        self.address = f"127.0.0.1:{gateway.metrics_port}"

    def __call__(self, service="", method="Check", request=None, **options):
        with grpc.insecure_channel(self.address, options=[("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1)]) as channel:
            call = channel.unary_unary(f"/grpc.health.v1.Health/{method}")
            return call(request_of(service) if request is None else request, timeout=4 * PATIENCE, **options)

    def code(self, *args, **options):
        with pytest.raises(grpc.RpcError) as failed:
            self(*args, **options)
        return failed.value.code().name


@pytest.fixture(scope="module")
def gateway(module_gateways):
    return module_gateways.start(CONFIG)


@pytest.fixture
def probe(gateway):
    return Probe(gateway)


@pytest.mark.parametrize("service", ["", "readiness", "liveness"])
def test_serving(probe, service):
    for _ in range(20):
        assert probe(service) == SERVING


def test_what_there_is_not(probe):
    assert probe.code("jobs") == "NOT_FOUND"
    assert probe.code(method="Watch") == "UNIMPLEMENTED"
    assert probe.code(method="List") == "UNIMPLEMENTED"
    assert probe.code(request=b"\x0a\x7f") == "INTERNAL"
    assert probe.code(request=bytes(508)) == "RESOURCE_EXHAUSTED"
    assert probe.code(request=bytes(507)) == "INTERNAL"
    assert probe.code(request=bytes(1 << 20)) == "RESOURCE_EXHAUSTED"
    assert probe.code(request=request_of("liveness" * 8), compression=grpc.Compression.Gzip) == "UNIMPLEMENTED"
    assert probe() == SERVING


def test_many_at_once_on_one_connection(probe):
    with grpc.insecure_channel(probe.address) as channel:
        check = channel.unary_unary("/grpc.health.v1.Health/Check")
        calls = [check.future(request_of(("", "liveness", "none")[i % 3]), timeout=4 * PATIENCE) for i in range(300)]
        assert [call.result() for i, call in enumerate(calls) if i % 3 < 2] == [SERVING] * 200
        assert {call.exception().code().name for call in calls[2::3]} == {"NOT_FOUND"}


def check_on(client, service=""):
    """A call in raw frames; returns its stream."""
    message = request_of(service)
    return client.request("m", method="POST", path="/grpc.health.v1.Health/Check", fields=[("content-type", "application/grpc"), ("te", "trailers")],
                          body=struct.pack(">BL", 0, len(message)) + message)


def is_serving(answer):
    return (answer.body, dict(answer.heads[-1]).get("grpc-status"), answer.reset) == (struct.pack(">BL", 0, len(SERVING)) + SERVING, "0", None)


def test_a_client_without_a_window(gateway, probe):
    """Its answer waits for the window."""
    with H2Client(("127.0.0.1", gateway.metrics_port), settings={4: 0}) as client:
        stream = check_on(client)
        client.until(lambda: stream in client.answers and client.answers[stream].heads)
        client.send_ping_and_wait()
        assert not client.answers[stream].body and not client.answers[stream].ended
        client.send(frames.WindowUpdateFrame(stream, window_increment=100))
        assert is_serving(client.answer(stream))
    assert probe() == SERVING


def test_on_a_busy_connection(gateway):
    """A monitor may fetch /metrics, and not read it yet, on the connection on which it asks."""
    with H2Client(("127.0.0.1", gateway.metrics_port), hold=True) as client:
        pages = [client.request("m", path="/metrics") for _ in range(20)]
        # As much as the connection's window allows: the other pages wait for it, and so does what comes after them.
        client.until(lambda: sum(len(client.answers[page].body) for page in pages if page in client.answers) == 65535)
        stream = check_on(client)
        client.until(lambda: stream in client.answers and client.answers[stream].heads)
        client.send_ping_and_wait()
        assert not client.answers[stream].body and client.answers[stream].reset is None
        client.hold = False
        client.send(frames.WindowUpdateFrame(0, window_increment=1 << 24))
        for page in pages:
            client.send(frames.WindowUpdateFrame(page, window_increment=1 << 20))
        assert is_serving(client.answer(stream))
        assert all(client.answer(page).ended for page in pages)


def test_only_at_the_metrics(gateway, records):
    """A job's own health service is the job's, and needs a token."""
    with grpc.insecure_channel("%s:%d" % gateway.address) as channel:
        with pytest.raises(grpc.RpcError) as failed:
            channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=4 * PATIENCE)
    assert failed.value.code().name == "UNAUTHENTICATED"


def test_without_a_store(gateways, make_folder):
    """As /readyz and /healthz: it lives, but is not ready until its store has come."""
    server = RedisServer(make_folder("redis"))
    gateway = gateways.make(CONFIG, store_url=server.url).launch()
    probe = Probe(gateway)
    gateway.wait_listening()
    eventually(lambda: gateway.health("/healthz")[0] == 200, "/healthz")
    gateway.family = gateway.processes()
    assert probe("liveness") == SERVING
    assert probe() == probe("readiness") == NOT_SERVING and gateway.health("/readyz")[0] == 503
    try:
        server.start()
        eventually(lambda: probe() == SERVING, "readiness once Redis has come")
        assert gateway.health("/readyz")[0] == 200
    finally:
        gateway.stop()
        server.stop()


def test_while_draining(gateways, scene_of):
    """A probe on a connection from before learns of the shutdown while a request still runs."""
    gateway = gateways.start(CONFIG)
    scene = scene_of(gateway)
    client, connection, _ = scene.arrive()
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
    client.read_head()
    probe = Probe(gateway)
    gateway.family = []
    gateway.program.send_signal(signal.SIGTERM)

    def fails():
        try:
            return probe() == NOT_SERVING
        except grpc.RpcError as error:
            return error.code() == grpc.StatusCode.UNAVAILABLE
    eventually(fails, "readiness to fail")
