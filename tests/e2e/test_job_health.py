"""Replicas of a job with a health path: the gateway checks them, and requests go to those that are healthy."""

import http.server
import json
import threading

import pytest

from harness.control import Control
from harness.gateway import DOMAIN
from harness.h2_backend import H2Backend
from harness.process import eventually
from harness.raw import Client
from harness.scene import request_bytes


class Replica:
    """A server that says its name, and whether it is healthy."""

    def __init__(self, name):
        replica = self
        self.health, self.checks, self.fields = 200, 0, []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                is_check = self.path == "/base/healthz"
                status = replica.health if is_check else 200
                body = b"" if status == 204 else name.encode()
                if is_check:
                    replica.checks += 1
                    replica.fields.append(dict(self.headers))
                self.send_response(status)
                if status != 204:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass
        class Server(http.server.ThreadingHTTPServer):
            request_queue_size = 1024
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.authority = "127.0.0.1:%d" % self.server.server_address[1]
        self.url = f"http://{self.authority}/base"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def replicas():
    made = [Replica("one"), Replica("two")]
    yield made
    for replica in made:
        replica.close()


@pytest.fixture
def gateway(gateways):
    return gateways.start({"metrics": {"jobs_max": 10}})


def up(gateway, job):
    """{replica: whether it is healthy}, of the metrics."""
    begin = f'jobgate_replica_up{{job_id="{job}",replica="'
    return {name.removeprefix(begin).removesuffix('"}'): value for name, value in gateway.metrics().items() if name.startswith(begin)}


@pytest.fixture
def ask(gateway, records, replicas):
    """Asks the job, which has both replicas and a health path; what it answers."""
    control = Control(gateway.socket_path)
    job = control.done("POST", "/v1/jobs", {"url": " ".join(replica.url for replica in replicas), "health": "/healthz"}, status=201)
    assert job["health"] == "/healthz"
    token = records.token()
    client = Client(gateway.address)

    def ask():
        client.send(request_bytes(f"{job['id']}.{DOMAIN}", token))
        response = client.read_response()
        assert response.status == 200
        return response.body.decode()
    ask.job, ask.control = job["id"], control
    yield ask
    client.close()


def expect_both(ask):
    """A check under way counts as an exchange, so one of the two may get all requests for a moment."""
    seen = set()
    eventually(lambda: seen.add(ask()) or seen == {"one", "two"}, "requests at both")


def test_requests_go_to_the_healthy_replica(gateway, replicas, ask):
    replicas[0].health = 503
    seen = set()
    eventually(lambda: seen.add(ask()) or replicas[0].checks >= 2 and f"replica {replicas[0].authority} is not healthy: it answered 503" in gateway.program.log(),
               "two failed checks", patience=60)
    assert {ask() for _ in range(20)} == {"two"}
    assert gateway.metrics()["jobgate_replicas_unhealthy"] == 1
    assert gateway.metrics()["jobgate_health_checks_failed_total"] >= 2
    assert up(gateway, ask.job) == {replicas[0].authority: 0, replicas[1].authority: 1}
    replicas[0].health = 204
    eventually(lambda: f"replica {replicas[0].authority} is healthy again" in gateway.program.log(), "a good check", patience=60)
    expect_both(ask)
    assert gateway.metrics()["jobgate_replicas_unhealthy"] == 0
    assert up(gateway, ask.job) == {replicas[0].authority: 1, replicas[1].authority: 1}


def test_a_check_has_nothing_of_a_client(replicas, ask):
    ask()
    eventually(lambda: replicas[0].fields and replicas[1].fields, "a check of each", patience=60)
    for replica in replicas:
        fields = {name.lower(): value for name, value in replica.fields[0].items()}
        assert fields["host"] == replica.authority
        assert fields["user-agent"] == "jobgate"
        assert not {"authorization", "cookie", "x-jobgate-job"} & set(fields)


def test_if_none_is_healthy_all_get_requests(gateway, replicas, ask):
    replicas[0].health = replicas[1].health = 500
    ask()
    eventually(lambda: gateway.metrics()["jobgate_replicas_unhealthy"] == 2, "both to fail", patience=60)
    expect_both(ask)


def test_one_worker_checks_for_all(gateways, records, replicas):
    gateway = gateways.start({"workers": 2})
    token, job = records.token(), records.job(" ".join(replica.url for replica in replicas), health="/healthz")
    clients = [Client(gateway.address) for _ in range(16)]
    replicas[0].health = 503

    def ask():
        for client in clients:
            client.send(request_bytes(f"{job}.{DOMAIN}", token))
        return {client.read_response().body.decode() for client in clients}
    eventually(lambda: ask() and gateway.metrics()["jobgate_replicas_unhealthy"] == 1, "two failed checks", patience=60)
    assert ask() == {"two"}
    assert not [name for name in gateway.metrics() if name.startswith("jobgate_replica_up")]  # only with metrics.jobs_max
    # Each worker would have made as many.
    assert gateway.metrics()["jobgate_health_checks_total"] <= replicas[0].checks + replicas[1].checks + 2
    for client in clients:
        client.close()


def test_a_replica_that_speaks_http2(gateway, records, replicas):
    with H2Holder() as backend:
        token, job = records.token(), records.job(f"{replicas[0].url} {backend.url}", health="/healthz")
        client = Client(gateway.address)
        client.send(request_bytes(f"{job}.{DOMAIN}", token))
        connection = backend.accept()
        paths = set()
        while "/healthz" not in paths:
            stream = connection.next_stream()
            paths.add(connection.head_of(stream)[":path"])
            connection.reply(stream, b"h2")
        assert client.read_response().status == 200
        client.close()


class H2Holder(H2Backend):
    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def test_health_paths(gateway, ask):
    control = ask.control
    for text in ["healthz", "/a?b", "/a b", "/../a", "/a#b", "//" + "a" * 300, 5]:
        control.refused(400, "PATCH", f"/v1/jobs/{ask.job}", {"health": text}, "health")
    assert control.done("PATCH", f"/v1/jobs/{ask.job}", {"health": None})["health"] is None
    assert json.loads(gateway.cli("job", "set", ask.job, "--health", "/ready", "-o", "json").out)["health"] == "/ready"
    assert "Health:" in gateway.cli("job", "get", ask.job).out
    made = json.loads(gateway.cli("job", "create", "--url", "http://h", "--health", "/x", "-o", "json").out)
    assert made["health"] == "/x"
