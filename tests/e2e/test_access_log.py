"""The access log: where it goes, that requests never wait for it, and that no log ever has a secret."""

import json
import os
import pwd
import re
import signal
import socket
import subprocess

import pytest

from harness.gateway import REPOSITORY, Gateway
from harness.process import Program, eventually
from harness.scene import request_bytes
from harness.store import make_value


def test_times_of_the_parts(scene):
    scene.relay(path="/first")
    scene.relay(path="/second")
    first = scene.gateway.access_entry(job=scene.job, path="/first")
    second = scene.gateway.access_entry(job=scene.job, path="/second")
    for entry in (first, second):
        assert 0 < entry["decision_ms"] <= entry["duration_ms"] + 0.001
        assert 0 < entry["first_byte_ms"] <= entry["duration_ms"] + 0.001
    assert first["connect_ms"] > 0
    assert "connect_ms" not in second  # it came from the pool
    assert second["token_id"] == scene.token.id and second["verdict"] == "allow"
    assert (second["status"], second["outcome"], second["bytes_out"]) == (200, "answered", 2)


def test_why_a_request_was_refused(scene, records):
    """operate.md: the line has the reason, the selector that did not match, and the token's id whenever the value names one.
    An id that no secret proves has a name of its own: a stranger may write any id into a value."""
    scoped = records.token(selector="model=base,team=red")
    deleted, guessed = records.token(), make_value(scene.token.id)
    records.delete_token(deleted)

    def refused(path, authorization):
        assert scene.new_client().exchange(request_bytes(scene.host, fields=authorization, path=path)).status in (400, 401, 403)
        entry = scene.gateway.access_entry(job=scene.job, path=path)
        return entry["verdict"], entry.get("token_id"), entry.get("claimed_token_id"), entry.get("selector")
    assert refused("/scope", [f"Authorization: {scoped.bearer}"]) == ("out_of_scope", scoped.id, None, "model=base,team=red")
    assert refused("/deleted", [f"Authorization: {deleted.bearer}"]) == ("invalid_token", None, deleted.id, None)
    assert refused("/guessed", [f"Authorization: Bearer {guessed}"]) == ("invalid_token", None, scene.token.id, None)
    assert refused("/garbage", ["Authorization: Bearer jgt_garbage"]) == ("invalid_token", None, None, None)
    assert refused("/none", []) == ("no_credential", None, None, None)
    scene.relay(path="/allowed")
    allowed = scene.gateway.access_entry(job=scene.job, path="/allowed")
    assert allowed["token_id"] == scene.token.id and not {"claimed_token_id", "selector"} & set(allowed)


def test_the_selector_that_stopped_matching(gateway, scene_of, records):
    """A running answer is cut when its job loses the label; the line says which selector no longer matches."""
    scene = scene_of(gateway, token=records.token(selector="model=base"))
    records.client.hset(records.job_key(scene.job), "label:model", "base")
    client = scene.client
    client.send(scene.request(path="/cut"))
    connection = scene.backend.next()
    connection.read_request()
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun")
    client.read_until(b"begun")
    records.client.hset(records.job_key(scene.job), "label:model", "other")
    entry = gateway.access_entry(job=scene.job, path="/cut")
    assert (entry["verdict"], entry["outcome"], entry["token_id"]) == ("out_of_scope", "revoked", scene.token.id)
    assert entry["selector"] == "model=base"


def test_a_file_that_was_moved_is_opened_again(gateways, scene_of):
    gateway = gateways.start({"workers": 2})
    scene = scene_of(gateway)
    scene.relay(path="/before")
    gateway.access_entry(path="/before")
    moved = gateway.access_path.with_suffix(".1")
    gateway.access_path.rename(moved)
    gateway.program.send_signal(signal.SIGUSR1)
    eventually(gateway.access_path.exists, "the log to be opened again")

    # Each worker opens it in its own time: none may lose a line on the way.
    def lines_of(pids):
        return {os.readlink(f"/proc/{pid}/fd/{fd}") for pid in pids for fd in os.listdir(f"/proc/{pid}/fd")}
    eventually(lambda: str(moved) not in lines_of([gateway.program.pid, *gateway.workers()]),
               "the old file to be closed")
    for i in range(8):
        with gateway.client() as client:
            client.send(scene.request(path=f"/after{i}", fields=["Connection: close"]))
            connection = scene.backend.next()
            connection.read_request()
            connection.answer()
            assert client.read_response().status == 200
    for i in range(8):
        gateway.access_entry(path=f"/after{i}")
    assert "/after" not in moved.read_text()
    assert gateway.workers() and gateway.program.running()


def test_the_packages_logrotate_file(gateways, scene_of):
    """As it is, but for the place of the log, and the service's signal: it goes to the gateway of this test."""
    gateway = gateways.start()
    text = (REPOSITORY / "deploy/logrotate/jobgate").read_text()
    assert "/var/log/jobgate/*.log" in text and "--kill-whom=main --signal=SIGUSR1 jobgate.service" in text
    rules, state = gateway.folder / "logrotate", gateway.folder / "state"
    rules.write_text(re.sub(r"systemctl kill .*", f"kill -USR1 {gateway.program.pid}", text).replace("/var/log/jobgate/*.log", str(gateway.access_path)))
    rules.chmod(0o644)
    scene = scene_of(gateway)
    scene.relay(path="/before")
    gateway.access_entry(path="/before")
    subprocess.run(["/usr/sbin/logrotate", "--force", "--state", state, rules], check=True)
    eventually(gateway.access_path.exists, "the log to be opened again")
    scene.relay(path="/after")
    assert "/before" in gateway.access_path.with_name("access.log.1").read_text()
    eventually(lambda: any("/after" in path.read_text() for path in gateway.folder.glob("access.log*")), "the line")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start as root")
@pytest.mark.parametrize("kind", ["symbolic", "hard", "another"])
def test_root_gives_no_file_of_another_user_away(gateways, make_folder, kind):
    """A worker that was broken into can put a link where the log is; the next start must not give away what it leads to."""
    victim = make_folder("victim") / "shadow"
    victim.write_text("secret")
    gateway = gateways.make({"user": "nobody"})
    if kind == "symbolic":
        gateway.access_path.symlink_to(victim)
    elif kind == "hard":
        os.link(victim, gateway.access_path)
    else:
        victim = gateway.access_path
        victim.write_text("secret")
        os.chown(victim, 1, 1)
    before = victim.stat()
    gateway.launch()
    eventually(lambda: not gateway.program.running(), "the gateway to end")
    assert f"access log {gateway.access_path}" in gateway.program.log()
    assert (victim.stat().st_uid, victim.read_text()) == (before.st_uid, "secret")
    assert gateway.stop() == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start as root")
def test_root_gives_the_log_to_the_user(gateways):
    gateway = gateways.make({"user": "nobody"}).launch()
    eventually(lambda: gateway.access_path.exists() and gateway.access_path.stat().st_uid == pwd.getpwnam("nobody").pw_uid,
               "the log to be the user's")
    gateway.stop()


def test_a_worker_that_comes_later_writes_to_the_new_file(gateways, scene_of):
    gateway = gateways.start()
    moved = gateway.access_path.with_suffix(".1")
    gateway.access_path.rename(moved)
    gateway.program.send_signal(signal.SIGUSR1)
    eventually(gateway.access_path.exists, "the log to be opened again")
    before = gateway.workers()
    gateway.program.send_signal(signal.SIGHUP)
    eventually(lambda: gateway.workers() and not set(gateway.workers()) & set(before), "another generation")
    gateway.family = gateway.processes()
    scene_of(gateway).relay(path="/reloaded")
    gateway.access_entry(path="/reloaded")
    assert "/reloaded" not in moved.read_text()


def test_a_file_that_cannot_be_opened_again_changes_nothing(gateways, scene_of):
    gateway = gateways.start()
    moved = gateway.access_path.with_suffix(".1")
    gateway.access_path.rename(moved)
    gateway.access_path.mkdir()
    gateway.program.send_signal(signal.SIGUSR1)
    eventually(lambda: "it continues in the old file" in gateway.program.log(), "the complaint")
    scene_of(gateway).relay(path="/still")
    eventually(lambda: "/still" in moved.read_text(), "the line in the old file")
    gateway.access_path.rmdir()


class Piped(Gateway):
    """Its standard output is a pipe that is not read until the test says so."""

    def launch(self):
        self.config_path.write_text(json.dumps(self.config))
        self.program = Program([self.program_path, "serve", "-c", self.config_path], self.folder / "gateway.log",
                               {"PATH": "/usr/bin", **self.sanitizer.environment()}, stdout=subprocess.PIPE)
        Gateway.live.append(self)
        return self


def test_a_pipe_without_a_reader_delays_no_request(make_folder, sanitizer, redis_server, scene_of):
    gateway = Piped(make_folder("piped"), sanitizer, redis_server.url, {"log": {"access": "-", "level": "warning"}})
    gateway.start()
    try:
        scene = scene_of(gateway)
        request = scene.request(token="jgt_x", path="/" + "a" * 150) * 64
        dropped = 'jobgate_log_lines_dropped_total{reason="full"}'
        sent = 0

        def overflow():
            nonlocal sent
            scene.client.send(request)
            for _ in range(64):
                assert scene.client.read_response().status == 401
            sent += 64
            return sent % 1024 == 0 and gateway.metrics()[dropped] > 0
        eventually(overflow, "lines to be dropped", patience=60)
        lost = gateway.metrics()[dropped]
        # Once the pipe is read, all that was kept comes, each line complete.
        pipe, got = gateway.program.popen.stdout, b""
        os.set_blocking(pipe.fileno(), False)

        def drain():
            nonlocal got
            got += pipe.read() or b""
            return got.count(b"\n") >= sent - lost
        eventually(drain, "what was kept")
        lines = got.decode().splitlines()
        assert len(lines) == sent - lost
        assert all(json.loads(line)["verdict"] == "invalid_token" for line in lines)
    finally:
        assert gateway.stop() == 0


def test_an_end_with_a_stuck_log_is_an_end(make_folder, sanitizer, redis_server, scene_of):
    gateway = Piped(make_folder("stuck"), sanitizer, redis_server.url, {"log": {"access": "-", "level": "warning"}})
    gateway.start()
    scene = scene_of(gateway)
    for _ in range(40):
        scene.client.send(scene.request(token="jgt_x", path="/" + "a" * 150) * 16)
        for _ in range(16):
            scene.client.read_response()
    assert gateway.stop() == 0
    assert "stuck" in gateway.program.log()


def test_syslog(gateways, scene_of, make_folder):
    path = make_folder("syslog") / "log"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as logger:
        logger.bind(str(path))
        logger.settimeout(15)
        gateway = gateways.start({"log": {"access": f"syslog:{path}"}})
        scene_of(gateway).relay(path="/to-syslog")
        head, _, line = logger.recv(8192).decode().partition("]: ")
        assert head.startswith("<30>") and " jobgate[" in head
        assert json.loads(line)["path"] == "/to-syslog"
    scene_of(gateway).relay()
    eventually(lambda: gateway.metrics()['jobgate_log_lines_dropped_total{reason="failed"}'] == 1,
               "the line that was not read to be counted")


@pytest.mark.parametrize("where", ["syslog:relative", "syslog:", "relative", "syslogd"])
def test_other_words_are_mistakes(gateways, where):
    gateway = gateways.make({"log": {"access": where}})
    gateway.config_path.write_text(json.dumps(gateway.config))
    assert "log.access" in gateway.cli("check", "-c", gateway.config_path).err


# ---- secrets ----


def misuse(scene, value):
    """A token everywhere it may and may not stand."""
    scene.relay(path=f"/{value}")
    scene.relay(path=f"/?token={value}", fields=[f"Cookie: token={value}", f"User-Agent: {value}", f"Referer: /{value}"])
    other = [
        scene.request(token=value, path="/"),
        scene.request(token=value, host=f"{value}.jobs.test"),
        scene.request(token=value, host=value),
        scene.request(token=value, host="jobs.test", path=f"/jobs/{value}/"),
        scene.request(token=value, method=value[:16], path=f"/{value}"),
        scene.request(token=value, fields=[f"Authorization: Basic {value}"]),
        scene.request(token=value, fields=[f"traceparent: {value}", f"X-Request-Id: {value}"]),
        scene.request(token=value, fields=[f"Connection: {value}"]),
        scene.request(token=f"{value} {value}"),
        f"GET /{value} HTTP/9.9\r\n\r\n".encode(),
        f"{value}\r\n\r\n".encode(),
        f"GET / HTTP/1.1\r\nHost: {value}@x\r\n\r\n".encode(),
    ]
    for request in other:
        with scene.gateway.client() as client:
            client.send(request)
            eventually(lambda: not client.silent() or not scene.backend.untouched(), "an answer, or the request at the backend")
            if client.silent():
                scene.backend.serve()
            client.half_close()
            try:
                client.read_to_end()
            except Exception:  # pylint: disable=broad-except # however it ends: it is in the log by then
                pass


def misuse_control(gateway, value):
    for words in (["token", "get", value], ["token", "delete", value], ["job", "get", value], ["token", "renew", value],
                  ["job", "create", "--id", value], ["job", "create", "--id", "x", "--url", f"http://{value}/"],
                  ["token", "create", value, "--role", "read"], ["authorize", "--job", value, "--value", value],
                  ["token", "list", "--token", value], [value]):
        gateway.cli(*words, "--yes") if words[-1] == value and words[0] == "token" else gateway.cli(*words)
    for path in (f"/{value}", f"/v1/tokens/{value}", f"/v1/tokens?cursor={value}", f"/v1/jobs?{value}={value}"):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(gateway.socket_path)
            sock.settimeout(15)
            sock.sendall(f"GET {path} HTTP/1.1\r\nHost: {value[:20]}\r\nAuthorization: Bearer {value}\r\n"
                         f"Connection: close\r\nX-Request-Id: {value}\r\n\r\n".encode())
            while sock.recv(65536):
                pass


def test_no_log_has_a_secret(gateways, scene_of, records, redis_server):
    """Not of tokens that are valid, renewed, unknown or mangled, at the most talkative level."""
    gateway = gateways.start({"backends": {"trusted_proxies": ["127.0.0.1"]}})
    created = json.loads(gateway.cli("token", "create", "leaky", "--role", "operator", "-o", "json").out)
    renewed = json.loads(gateway.cli("token", "renew", created["id"], "--yes", "-o", "json").out)
    known = records.token(role="operator")
    unknown = make_value("0123456789abcdef")
    mangled = known.value[:-1] + ("a" if known.value[-1] != "a" else "b")
    values = [created["value"], renewed["value"], known.value, unknown, mangled]
    for value in values:
        scene = scene_of(gateway, known)
        misuse(scene, value)
    for value in (renewed["value"], mangled):
        misuse_control(gateway, value)
    eventually(lambda: len(gateway.access_entries()) >= len(values) * 14, "the requests to be logged")
    assert gateway.stop() == 0
    logs = {path.name: path.read_text(errors="replace")
            for folder in (gateway.folder, redis_server.folder) for path in folder.iterdir() if path.is_file()}
    assert "gateway.log" in logs and "access.log" in logs and "redis.log" in logs
    assert "audit: token renewed" in logs["gateway.log"]
    assert known.id in logs["access.log"]  # the id is no secret
    for value in values:
        secret = value.split("_")[2]
        for name, text in logs.items():
            # Neither whole nor in part: a beginning of 12 characters is 71 bits of it.
            assert secret[:12] not in text, f"{name} has a secret: {text[text.index(secret[:12]) - 200:][:300]}"
