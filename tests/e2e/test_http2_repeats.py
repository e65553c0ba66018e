"""What a backend of HTTP/2 says it has not processed is sent once more, content and all; a real service that drains loses no call."""

import threading
from concurrent import futures

import grpc
import pytest

from harness.gateway import DOMAIN
from harness.h2 import H2Client
from harness.h2_backend import H2Backend
from harness.process import PATIENCE, eventually
from harness.scene import Scene

REFUSED_STREAM = 7
KEPT_MAX = 48 * 1024
TYPE = ("content-type", "application/grpc")


@pytest.fixture(scope="module")
def gateway(module_gateways):
    return module_gateways.start()


@pytest.fixture
def scene(gateway, records):
    scene = Scene(gateway, records, backend=H2Backend())
    yield scene
    scene.close()


def refuse(connection, stream):
    connection.reset(stream, REFUSED_STREAM)


def leave(connection, _stream):
    connection.leave(0)


# ---- a backend in raw frames ----

@pytest.mark.parametrize("unprocessed", [refuse, leave])
@pytest.mark.parametrize("size", [7, KEPT_MAX])
def test_content_is_sent_again(scene, unprocessed, size):
    content = bytes(i % 251 for i in range(size))
    client = scene.new_client()
    client.send(scene.request("POST", body=content))
    connection = scene.backend.accept()
    stream = connection.next_stream()
    assert connection.answers[stream].body == content
    unprocessed(connection, stream)
    other = scene.backend.accept()
    stream = other.next_stream()
    assert other.answers[stream].body == content
    other.reply(stream, b"answer")
    response = client.read_response()
    assert (response.status, response.body) == (200, b"answer")
    entry = scene.gateway.access_entry(job=scene.job, outcome="answered")
    assert entry["bytes_in"] == size  # content that was sent twice has come once


def test_content_that_still_comes_follows(scene, gateway):
    """A gRPC call whose first connection is lost between two of its messages."""
    with H2Client(gateway.address) as client:
        call = client.request(scene.host, scene.token, "POST", "/a", [TYPE], body=b"one", end=False)
        connection = scene.backend.accept()
        stream = connection.next_stream(whole=False)
        connection.until(lambda: connection.answers[stream].body == b"one")
        refuse(connection, stream)
        other = scene.backend.accept()
        stream = other.next_stream(whole=False)
        other.until(lambda: other.answers[stream].body == b"one")
        client.send(client.data(call, b"two", end=True))
        other.until(lambda: other.answers[stream].ended)
        assert other.answers[stream].body == b"onetwo"
        other.reply(stream, b"answer")
        assert client.answer(call).body == b"answer"


def test_long_content_is_not_sent_again(scene):
    client = scene.new_client()
    client.send(scene.request("POST", body=bytes(KEPT_MAX + 1)))
    connection = scene.backend.accept()
    refuse(connection, connection.next_stream())
    response = client.read_response()
    assert response.status == 503 and response.field("Retry-After") == "1"
    assert not scene.backend.is_called()


def test_only_once(scene):
    client = scene.new_client()
    client.send(scene.request("POST", body=b"content"))
    for _ in range(2):
        connection = scene.backend.accept()
        refuse(connection, connection.next_stream())
    response = client.read_response()
    assert response.status == 503 and response.field("Retry-After") == "1"


# ---- a service of grpcio that drains ----

class Service:
    """Serves /tests.Service/Echo."""

    def __init__(self, *options):
        self.server = grpc.server(futures.ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0), *options])
        echo = grpc.unary_unary_rpc_method_handler(lambda request, _context: request)
        self.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("tests.Service", {"Echo": echo}),))
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()

    def stop(self):
        self.server.stop(PATIENCE).wait()


class Calls:
    """Real clients that call over and over; `failures` says what went wrong."""

    def __init__(self, gateway, job, token, clients=4):
        self.failures, self.answered, self._over = [], 0, threading.Event()
        self._lock = threading.Lock()
        self._metadata = [("authorization", f"Bearer {token.value}")]
        self._threads = [threading.Thread(target=self._run, args=(gateway.address, f"{job}.{DOMAIN}", index)) for index in range(clients)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _run(self, address, host, index):
        options = [("grpc.default_authority", host), ("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1)]
        request = b"%d" % index * 100
        with grpc.insecure_channel("%s:%d" % address, options=options) as channel:
            echo = channel.unary_unary("/tests.Service/Echo")
            while not self._over.is_set():
                try:
                    assert echo(request, timeout=4 * PATIENCE, metadata=self._metadata) == request
                except (grpc.RpcError, AssertionError) as error:
                    self.failures.append(error)
                    return
                with self._lock:
                    self.answered += 1


def test_connections_that_the_service_ends_by_their_age(gateway, records):
    """The service sends GOAWAY on each connection after a while, under load."""
    service = Service(("grpc.max_connection_age_ms", 100), ("grpc.max_connection_age_grace_ms", 30_000))
    before = gateway.metrics()["jobgate_backend_connects_total"]
    with Calls(gateway, records.job(f"grpc://127.0.0.1:{service.port}"), records.token()) as calls:
        eventually(lambda: calls.failures or gateway.metrics()["jobgate_backend_connects_total"] >= before + 20,
                   "the service to end 20 connections", patience=4 * PATIENCE)
    service.stop()
    assert not calls.failures and calls.answered > 20
