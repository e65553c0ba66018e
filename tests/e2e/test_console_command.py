"""`jobgate console`: the console at an address of its own over the Unix socket, and what others on the machine and other pages get of it (operate.md)."""

import json
import os
import pathlib
import signal
import socket
import stat
import subprocess

import pytest

from harness.bridge import Bridge
from harness.control import Control
from harness.process import eventually
from harness.raw import Client
from harness.store import random_id


@pytest.fixture(scope="module")
def gateway(module_gateways):
    return module_gateways.start({"workers": 2})


@pytest.fixture
def bridges(gateway, make_folder):
    made = []

    def make(*words, **env):
        made.append(Bridge(gateway, make_folder("bridge"), *words, **env))
        return made[-1]
    yield make
    for bridge in made:
        bridge.popen.kill()
        bridge.popen.wait()


@pytest.fixture
def bridge(bridges):
    return bridges()


def test_the_page_and_its_calls(bridge, gateway):
    page = bridge.ask("GET", "/console", origin="")
    assert page.status == 200 and page.field("content-encoding") == "gzip"
    assert "frame-ancestors 'none'" in page.field("content-security-policy") and page.field("cache-control") == "no-store"
    assert page.field("set-cookie") is None
    key = bridge.key()
    assert key not in bridge.links[0]
    assert bridge.ask("GET", "/v1/me", origin="", key=key).status == 404  # the local administrator
    made = bridge.ask("POST", "/v1/jobs", {"labels": {"a": "b"}}, key=key)
    assert made.status == 201
    job = json.loads(made.body)["id"]
    assert Control(gateway.socket_path).done("GET", f"/v1/jobs/{job}")["labels"] == {"a": "b"}
    assert bridge.ask("PATCH", f"/v1/jobs/{job}", {"labels": {"a": None}}, key=key).status == 200
    assert bridge.ask("DELETE", f"/v1/jobs/{job}", key=key).status == 204
    assert bridge.ask("GET", "/readyz", origin="", key=key).body == b"ok\n"
    large = {"labels": {f"l{number}": "x" * 60 for number in range(60)}}
    assert bridge.ask("POST", "/v1/jobs", large, key=key).status == 201


def test_events_pass_as_they_happen(bridge, gateway):
    key, local = bridge.key(), Control(gateway.socket_path)
    descriptors = lambda: len(os.listdir(f"/proc/{bridge.popen.pid}/fd"))
    before = descriptors()
    with Client(bridge.address) as client:
        client.send(f"GET /v1/events HTTP/1.1\r\nHost: {bridge.authority}\r\nAuthorization: Bearer {key}\r\n\r\n".encode())
        assert client.read_head().status == 200
        got = ""
        while "event: start" not in got:
            got += client.read_piece().decode()
        job = local.job_of()["id"]
        while job not in got:
            got += client.read_piece().decode()
    eventually(lambda: descriptors() <= before, "the connections to end, as the client has left")


def test_a_client_that_has_ended_its_side_is_answered(bridge):
    """As programs such as nc do."""
    fields = f"Host: {bridge.authority}\r\nAuthorization: Bearer {bridge.key()}\r\nConnection: close"
    for path in ["/console", "/v1/tokens", "/v1/sessions", "/nothing"]:
        with Client(bridge.address) as client:
            client.send(f"GET {path} HTTP/1.1\r\n{fields}\r\n\r\n".encode())
            client.half_close()
            assert client.read_response().status == (404 if path == "/nothing" else 200), path


def test_a_head_that_is_too_large(bridge):
    answer = bridge.ask("GET", "/console", fields=[f"Cookie: {'c' * 16384}"])
    assert answer.status == 431 and b"16384 bytes" in answer.body and b"cookies" in answer.body


def test_its_address_is_its_own(bridges):
    """Servers at other ports of 127.0.0.1 share its cookies with each other."""
    hosts = {bridges().host for _ in range(3)}
    assert len(hosts) == 3 and not any(host.startswith("127.0.") for host in hosts)


ALONE = ["unshare", "--map-root-user", "--net", "sh", "-c",
         'PATH=$PATH:/usr/sbin; ip link set lo up && ip address flush dev lo && ip address add 127.0.0.1/32 dev lo && exec "$@"', "sh"]


def test_without_an_address_of_its_own(bridges):
    """A network namespace whose loopback interface has 127.0.0.1 alone."""
    if subprocess.run([*ALONE, "true"]).returncode != 0:
        pytest.skip("this user may not make a network namespace here, or there is no iproute2")
    assert bridges(runner=ALONE).host == "127.0.0.1"


def test_a_link_works_once(bridge):
    assert bridge.open("0" * 64).status == 401  # a guess spends nothing
    key, used = bridge.key(), bridge.code
    again = bridge.open()
    assert again.status == 401 and b"press Enter in the terminal" in again.body
    bridge.press_enter()
    assert bridge.code != used and bridge.open(used).status == 401
    assert bridge.key() == key  # the tabs that are open go on
    first = bridge.code
    bridge.press_enter()
    second = bridge.code
    bridge.press_enter()
    assert bridge.open(first).status == bridge.open(second).status == 401, "only the last link works"


@pytest.mark.parametrize("host", ["", "{own}", "127.0.0.1:{port}", "localhost:{port}", "127.0.0.1:1", "evil.test", "evil.test:{port}", "[::1]:{port}"])
def test_another_host(bridge, host):
    """DNS rebinding: a page of another name, which leads to this address."""
    key, host = bridge.key(), host.format(own=bridge.host, port=bridge.port)
    bridge.press_enter()
    for method, path in [("GET", "/console"), ("GET", "/v1/tokens"), ("POST", "/v1/tokens")]:
        assert bridge.ask(method, path, host=host, key=key, origin=f"http://{host}").status == 421
    assert bridge.open(host=host, origin=f"http://{host}").status == 421
    assert bridge.open().status == 200, "what was refused has not used the link"


@pytest.mark.parametrize("origin, fields", [
    ("null", ()), ("http://evil.test", ()), ("http://{host}:1", ()), ("http://127.0.0.1:{port}", ()), ("https://{authority}", ()), ("", ()),
    ("http://{authority}", ["Sec-Fetch-Site: cross-site"]), ("http://{authority}", ["Sec-Fetch-Site: same-site"])])
def test_another_origin(bridge, gateway, origin, fields):
    """Requests that other pages have the browser send (CSRF), even with the key."""
    key, origin = bridge.key(), origin.format(authority=bridge.authority, host=bridge.host, port=bridge.port)
    bridge.press_enter()
    assert bridge.ask("POST", "/v1/tokens", {"name": "evil", "role": "operator"}, origin=origin, key=key, fields=fields).status == 403
    assert bridge.ask("DELETE", "/v1/sessions?job=x", origin=origin, key=key, fields=fields).status == 403
    assert bridge.open(origin=origin, fields=fields).status == 403
    if origin:
        assert bridge.ask("GET", "/v1/tokens", origin=origin, key=key, fields=fields).status == 403
    assert "evil" not in str(list(Control(gateway.socket_path).pages("/v1/tokens")))


@pytest.mark.parametrize("field", ["", "Authorization: Bearer {guess}", "Authorization: Bearer {code}", "Cookie: key={key}", "Authorization: Basic {key}"])
def test_without_the_key(bridge, field):
    """Another user of the machine can connect; without the link it gets the page, which is no secret, and nothing else."""
    code = bridge.code
    key = bridge.key()
    fields = [line for line in [field.format(guess="f" * 64, code=code, key=key)] if line]
    for method, path in [("GET", "/v1/tokens"), ("POST", "/v1/tokens"), ("GET", "/readyz"), ("GET", "/v1/events")]:
        answer = bridge.ask(method, path, fields=fields)
        assert answer.status == 401 and b"not signed in" in answer.body
    for path in ("/metrics", "/healthz", "/gateway/sign-ins", "/", "/link", "/console/"):
        assert bridge.ask("GET", path, fields=fields).status == 404


@pytest.mark.parametrize("text", [
    "GET /v1/tokens\n\n HTTP/1.1\r\n", "GET /v1/tokens HTTP/1.0\r\nHost: {host}\r\n", "GET /v1/tokens HTTP/1.1\nHost: {host}\n",
    "POST /v1/tokens HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n", "GET /v1/tokens HTTP/1.1\r\nHost: {host}\r\nHost: {host}\r\n",
    "GET http://{host}/v1/tokens HTTP/1.1\r\nHost: {host}\r\n", "GET /v1/tokens HTTP/1.1\r\nHost: {host}\r\n folded\r\n"])
def test_what_is_not_well_formed(bridge, text):
    key = bridge.key()
    with Client(bridge.address) as client:
        client.send(text.format(host=bridge.authority).encode() + f"Authorization: Bearer {key}\r\nOrigin: {bridge.origin}\r\n\r\n".encode())
        assert client.read_response().status == 400


def test_strangers_do_not_keep_the_operator_out(bridge):
    """More connections than there are places, which send nothing."""
    strangers = [socket.create_connection(bridge.address) for _ in range(100)]
    assert bridge.ask("GET", "/v1/tokens", origin="", key=bridge.key()).status == 200
    for stranger in strangers:
        stranger.close()


def test_it_ends_with_the_command(bridge):
    key = bridge.key()
    with Client(bridge.address) as client:
        client.send(f"GET /v1/events HTTP/1.1\r\nHost: {bridge.authority}\r\nAuthorization: Bearer {key}\r\n\r\n".encode())
        assert client.read_head().status == 200
        bridge.popen.send_signal(signal.SIGINT)
        assert bridge.popen.wait(30) == 0
        client.read_to_end()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(bridge.address)


def test_with_a_token_it_does_what_the_token_may(gateway, bridges, records, make_folder):
    """A scoped operator's own records alone."""
    team = "team=" + random_id(6)
    folder, token = make_folder("token"), records.token("operator", team)
    (folder / "token").write_text(token.value)
    bridge = bridges("--token-file", folder / "token")
    key = bridge.key()
    assert json.loads(bridge.ask("GET", "/v1/me", origin="", key=key).body)["id"] == token.id
    assert json.loads(bridge.ask("POST", "/v1/jobs", {}, key=key).body)["labels"] == {"team": team[5:]}
    assert token.value not in pathlib.Path(f"/proc/{bridge.popen.pid}/cmdline").read_text()


@pytest.fixture
def in_browser(bridges, make_folder):
    """The command that has started a browser, the words that the browser got, and the file that they name."""
    tools = make_folder("tools")
    tool = tools / "xdg-open"
    tool.write_text(f"#!/bin/sh\necho \"$@\" > {tools}/new && mv {tools}/new {tools}/opened\n")
    tool.chmod(0o755)
    bridge = bridges(DISPLAY=":0", PATH=f"{tools}:/usr/bin:/bin")
    opened = tools / "opened"
    eventually(opened.exists, "the browser to be started")
    return bridge, opened.read_text(), pathlib.Path(opened.read_text().strip())


def test_the_browser_gets_the_link_in_a_file(in_browser):
    """Arguments can be read by each user; the file only by its owner, and only until the link was used."""
    bridge, words, file = in_browser
    assert bridge.links[0] in file.read_text() and stat.S_IMODE(file.stat().st_mode) == 0o600
    assert bridge.code not in words
    bridge.open("0" * 64)
    assert file.exists(), "a guess uses nothing"
    bridge.key()
    eventually(lambda: not file.exists(), "the file to go, as its link was used")


def test_another_link_ends_the_file(in_browser):
    bridge, _, file = in_browser
    bridge.press_enter()
    eventually(lambda: not file.exists(), "the file to go, as its link works no more")


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"])
def test_the_file_ends_with_the_command(in_browser, name):
    bridge, _, file = in_browser
    bridge.popen.send_signal(signal.Signals[name])
    assert bridge.popen.wait(30) == 0 and not file.exists()


def test_what_is_refused_at_the_start(gateway, records, make_folder):
    done = gateway.cli("console", "--control-url", "http://127.0.0.1:1")
    assert done.status == 2 and "no Unix socket" in done.err
    assert gateway.cli("console", "--control-url", f"unix:{make_folder('none')}/none.sock").status == 3
    assert gateway.cli("console", "x").status == 2
