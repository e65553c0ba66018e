"""What `serve` says at its start: version, configuration, store, addresses, "ready", and on a terminal what to do next."""

import re

import pytest

from harness.gateway import NO_AUTHORITIES, Gateway, environment, run
from harness.process import eventually
from harness.screen import Screen
from harness.store import RedisServer


def lines_of(gateway):
    """Those of the supervisor, without their times."""
    return re.findall(r"^\S+ \w+ \[supervisor\] (.*)$", gateway.program.log(), re.M)


def await_ready(gateway):
    eventually(lambda: "ready" in lines_of(gateway), "the gateway to say that it is ready")
    return lines_of(gateway)


def test_with_a_store(gateways, store):
    gateway = gateways.start(store_url=store.tcp_url)
    lines = await_ready(gateway)
    version, where, *rest = lines
    assert re.fullmatch(rf"jobgate \d+\.\d+\.\d+, configuration {re.escape(str(gateway.config_path))}", version)
    assert where == f"store: {store.tcp_url}"
    assert f"listening on http://127.0.0.1:{gateway.port}" in rest[:rest.index("ready")] and lines.count("ready") == 1
    assert not [line for line in lines if line.startswith("next")]  # no terminal


def test_with_a_private_store(gateways, make_folder):
    folder = make_folder("state")
    gateway = gateways.make({"store": {"url": None, "state_dir": str(folder / "s")}}).start()
    assert f"store: a private redis-server, which keeps its data in {folder / 's'}" in await_ready(gateway)


@pytest.mark.parametrize("url, shown", [
    ("redis://user:se@cret@127.0.0.1:1", "redis://127.0.0.1:1"), ("redis://:secret@127.0.0.1:1/0", "redis://127.0.0.1:1/0"),
    ("rediss://secret@127.0.0.1:1", "rediss://127.0.0.1:1"), ("unix:///nowhere/we@ird.sock", "unix:///nowhere/we@ird.sock")])
def test_no_password_is_told(gateways, url, shown):
    gateway = gateways.make(store_url=url).launch()
    eventually(lambda: lines_of(gateway) or not gateway.program.running(), "the first line")
    log = gateway.program.log()
    gateway.stop()
    assert "secret" not in log and "se@cret" not in log
    assert f"store: {shown}\n" in log or "store.url" in log  # or it is refused


def test_ready_waits_for_the_store(gateways, make_folder):
    server = RedisServer(make_folder("redis"))
    gateway = gateways.make(store_url=server.url).launch()
    gateway.wait_listening()
    eventually(lambda: "cannot be reached" in gateway.program.log(), "the store to be missed")
    assert "ready" not in lines_of(gateway)
    server.start()
    await_ready(gateway)
    gateway.stop()
    server.stop()


def test_on_a_terminal(sanitizer, make_folder, store):
    """What to do next names this gateway, and can be typed as it is."""
    gateway = Gateway(make_folder("gateway"), sanitizer, store.url)
    gateway.launch()  # writes the configuration
    gateway.stop()
    screen = Screen([gateway.program_path, "serve", "-c", str(gateway.config_path)], environment(sanitizer, TERM="xterm", **NO_AUTHORITIES), 300)
    screen.expect(r"\[supervisor\] ready\r?\n")
    next_one, job, token = screen.expect(r"next, in another terminal: (.*)\n.*\] then: (.*)\n.*\] then: (.*)\n").groups()
    assert next_one == f"export JOBGATE_URL=unix:{gateway.socket_path}"
    assert (job, token) == ("jobgate job create NAME --url http://127.0.0.1:PORT", "jobgate token create NAME --role read")
    for command in (job, token):
        words = command.replace("NAME", "mine").replace("PORT", "8888").split()
        assert gateway.cli(*words[1:]).status == 0, command
    screen.type("\x03")
    assert screen.end()[1] == 0


def test_without_redis_server(sanitizer, make_folder):
    folder = make_folder("gateway")
    gateway = Gateway(folder, sanitizer, None, {"store": {"url": None, "state_dir": str(folder / "s")}})
    gateway.launch()
    gateway.stop()
    for path in ["/nonexistent", ""]:
        done = run([gateway.program_path, "serve", "-c", gateway.config_path], {**environment(sanitizer, **NO_AUTHORITIES), "PATH": path})
        assert done.status == 1, done
        assert "cannot start redis-server: No such file or directory; install it (on Debian: apt-get install redis-server) or set store.url" in done.err
        assert "ready" not in done.err
