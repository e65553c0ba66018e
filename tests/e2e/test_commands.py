"""The command line against the control API on its Unix socket: everyday use."""

import os
import re
import socket
import stat
import threading

import pytest

from harness.gateway import DOMAIN
from harness.process import eventually, free_port
from harness.scene import request_bytes
from harness.store import random_id

VALUE = re.compile(r"jgt_[a-z0-9]{16}_[0-9A-Za-z]{49}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
UNREACHABLE = "unix:/nonexistent/job.sock"


@pytest.fixture
def cli(gateway):
    return gateway.cli


def make_token(cli, *options, role="read", name="made"):
    return cli("token", "create", name, "--role", role, "-o", "json", *options).json()


def test_token_life(gateway, cli):
    """Created, shown, used, renewed, deleted."""
    token = make_token(cli, "--label-selector", "model=base", role="operator", name="basetoken")
    assert VALUE.fullmatch(token["value"])
    assert token["value"][4:20] == token["id"]
    assert (token["name"], token["role"], token["label_selector"], token["version"]) == ("basetoken", "operator", "model=base", 1)
    assert TIME.fullmatch(token["created_at"])
    shown = cli("token", "get", token["id"], "-o", "json").json()
    assert shown == {name: value for name, value in token.items() if name != "value"}
    job = cli("job", "create", "-l", "model=base", "--url", UNREACHABLE, "-o", "json").json()
    request = request_bytes(f"{job['id']}.{DOMAIN}", token["value"])
    with gateway.client() as client:
        assert client.exchange(request).status == 502
        renewed = cli("token", "renew", token["id"], "--yes", "-o", "json").json()
        assert VALUE.fullmatch(renewed["value"]) and renewed["value"] != token["value"]
        assert {name: renewed[name] for name in ["id", "name", "role", "label_selector", "version"]} == \
            {"id": token["id"], "name": "basetoken", "role": "operator", "label_selector": "model=base", "version": 2}
        eventually(lambda: client.exchange(request).status == 401, "the old value to be refused")
        request = request_bytes(f"{job['id']}.{DOMAIN}", renewed["value"])
        assert client.exchange(request).status == 502
        deleted = cli("token", "delete", token["id"], "--yes")
        assert deleted.status == 0
        eventually(lambda: client.exchange(request).status == 401, "the deleted token to be refused")
    gone = cli("token", "get", token["id"])
    assert (gone.status, gone.out) == (1, "")
    assert gone.err


def test_job_life(gateway, cli, records):
    name = "life-" + random_id(6)
    job = cli("job", "create", "--id", name, "-l", "model=base", "-l", "team=a", "-o", "json").json()
    assert (job["id"], job["url"], job["labels"]) == (name, None, {"model": "base", "team": "a"})
    assert name in job["job_url"]
    token = records.token(selector="model=base")
    with gateway.client() as client:
        request = request_bytes(f"{name}.{DOMAIN}", token)
        assert client.exchange(request).status == 503
        changed = cli("job", "set", name, "--url", UNREACHABLE, "--remove-label", "team", "-l", "x=y", "-o", "json").json()
        assert (changed["url"], changed["labels"]) == (UNREACHABLE, {"model": "base", "x": "y"})
        eventually(lambda: client.exchange(request).status == 502, "the URL to be used")
        assert cli("job", "set", name, "-l", "model=large").status == 0
        eventually(lambda: client.exchange(request).status == 403, "the label to count")
        assert cli("job", "delete", name, "--yes").status == 0
        assert cli("job", "get", name).status == 1


def test_job_that_exists(cli):
    name = "twice-" + random_id(6)
    assert cli("job", "create", "--id", name).status == 0
    second = cli("job", "create", "--id", name)
    assert second.status == 1
    assert name in second.err or "exist" in second.err


def test_default_job_id_is_a_uuid(cli):
    job = cli("job", "create", "-o", "json").json()
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", job["id"])


def test_lists(cli):
    mark = random_id(8)
    tokens = [make_token(cli, name=f"n{number}-{mark}")["id"] for number in range(3)]
    jobs = [cli("job", "create", "-l", f"mark={mark}", "-o", "json").json()["id"] for _ in range(3)]

    def items(listed):
        return listed["items"] if isinstance(listed, dict) else listed
    listed = items(cli("token", "list", "-o", "json").json())
    assert [item["id"] for item in listed if item["name"].endswith(mark)] == tokens
    assert not any("value" in item or "hash" in item for item in listed)
    listed = items(cli("job", "list", "-l", f"mark={mark}", "-o", "json").json())
    assert [item["id"] for item in listed] == jobs


def test_roles_by_their_long_names(cli):
    assert make_token(cli, role="ai_training_operator")["role"] == "operator"
    assert make_token(cli, role="ai_training_read")["role"] == "read"


@pytest.mark.parametrize("words", [
    ["token", "create", "--role", "read", "--", "-bad-"], ["token", "create", "a b", "--role", "read"],
    ["token", "get", "nosuchtoken12345"], ["token", "delete", "--yes", "nosuchtoken12345"],
    ["token", "renew", "--yes", "nosuchtoken12345"], ["job", "get", "no-such-job"], ["job", "create", "--id", "Bad_Id"],
    ["job", "create", "--url", "ftp://x/"], ["job", "set", "no-such-job", "--url", UNREACHABLE]])
def test_refused_with_the_servers_words(cli, words):
    result = cli(*words)
    assert result.status == 1, result
    assert result.out == ""
    assert result.err.startswith("jobgate: ")


def test_unreachable(cli):
    result = cli("token", "list", JOBGATE_URL="unix:/nonexistent/control.sock")
    assert result.status == 3, result
    assert "/nonexistent/control.sock does not answer: No such file or directory\n" in result.err
    assert "jobgate serve" in result.err and "port 80" not in result.err


def test_unreachable_by_tcp(cli):
    """Who meets no gateway at all, or speaks plainly to one with TLS, is told so."""
    assert cli("token", "list", JOBGATE_URL=f"http://127.0.0.1:{free_port()}").status == 3
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=lambda: server.accept()[0].close(), daemon=True).start()
        result = cli("token", "list", JOBGATE_URL=f"http://127.0.0.1:{server.getsockname()[1]}")
    assert result.status == 3 and "https://" in result.err, result


@pytest.mark.parametrize("host, token, warned", [
    ("127.0.0.1", "x", False), ("[::1]", "x", False), ("localhost", "x", False), ("[::ffff:127.0.0.1]", "x", True), ("localhost.invalid", "x", True), ("[::ffff:127.0.0.1]", "", False)])
def test_token_over_plain_http(cli, host, token, warned):
    result = cli("token", "list", JOBGATE_URL=f"http://{host}:{free_port()}", JOBGATE_TOKEN=token)
    assert result.status == 3 and ("not https" in result.err) == warned, result


def test_empty_words(cli):
    """A variable that is empty says nothing; an option that is empty is a mistake."""
    assert cli("token", "list", JOBGATE_TOKEN="").status == 0
    assert cli("token", "list", "--token", "").status == 2


def test_what_to_do_next(cli):
    refused = cli("token", "list", "--token", "wrong")
    assert refused.status == 1 and "--token-file" in refused.err, refused
    for words in [["token", "create", "x"], ["token", "create", "x", "-r", "read", "-l", "x"], ["job", "set", "x"], ["authorize"]]:
        result = cli(*words)
        assert result.status == 2 and result.err.splitlines()[-1].endswith("--help'."), result


@pytest.mark.parametrize("output", ["yaml", "description"])
def test_other_outputs(cli, output):
    result = cli("token", "create", "shown", "--role", "read", "-l", "model=base", "-o", output)
    assert result.status == 0
    assert VALUE.search(result.out) and "model=base" in result.out
    assert "\x1b" not in result.out


def test_explain(cli, records):
    """`jobgate authorize` says what the gateway would, and never shows the token."""
    token = records.token(selector="model=base")
    job, other = records.job(UNREACHABLE, {"model": "base"}), records.job(UNREACHABLE)
    allowed = cli("authorize", "--job", job, "--value", "-", "-o", "json", stdin=token.value + "\n")
    assert allowed.status == 0, allowed
    refused = cli("authorize", "--job", other, "--value", "-", "-o", "json", stdin=token.value + "\n")
    assert "out_of_scope" in refused.out or "insufficient_scope" in refused.out
    for result in (allowed, refused):
        assert token.value not in result.out + result.err


def test_socket_is_ours_alone(gateway):
    mode = os.stat(gateway.socket_path).st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600


def test_health_and_metrics(gateway):
    assert gateway.health("/healthz")[0] == 200
    assert gateway.health("/readyz")[0] == 200
    assert gateway.health("/v1/tokens")[0] == 404  # the address for monitoring has nothing else
    status, text = gateway.health("/metrics")
    assert status == 200
    for line in text.splitlines():
        assert re.fullmatch(r'#.*|[a-zA-Z_:][a-zA-Z0-9_:]*(\{[^}]*\})? [-+0-9.eE]+|', line), line
    assert all(name.startswith(("jobgate_", "process_")) for name in gateway.metrics())


def test_metrics_count(scene):
    def requests():
        return sum(value for name, value in scene.gateway.metrics().items() if name.startswith("jobgate_requests"))
    before = requests()
    for _ in range(5):
        scene.relay()
    eventually(lambda: requests() >= before + 5, "five requests to be counted")
