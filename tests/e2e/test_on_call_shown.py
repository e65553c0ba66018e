"""The end of deploy/on-call.md: commands and their outputs, run on a gateway as a new user would. JOBGATE_UPDATE_GOLDEN=1 writes the outputs."""

import os
import re
import subprocess

import pytest

from harness.control import Control
from harness.gateway import DOMAIN, REPOSITORY, environment
from harness.process import eventually, free_port
from harness.raw import Backend
from harness.scene import request_bytes
from harness.store import Records, RedisServer

PAGE = REPOSITORY / "deploy" / "on-call.md"
LONG_AGO = "2024-01-01T00:00:00Z"
# What differs from run to run, and what the page has in its place.
DIFFERS = [
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "2026-01-31T12:00:00Z"), (r"\b[0-9a-f]{8}-[0-9a-f]{1,4}\b", "1a2b3c4d-1"), (r"\b[0-9a-f]{32}\b", "0" * 32),
    (r"\buid \d+ pid \d+", "uid 100 pid 1000"), (r"(?<=} )\d{10}\b", "1800000000"), (r"\b\d+(\.\d+)? ?s\b", "2s"), (r":\d{4,5}\b", ":8080")]


def plain(text, names):
    for word, name in names.items():
        text = text.replace(word, name)
    for pattern, fixed in DIFFERS:
        text = re.sub(pattern, fixed, text)
    return [re.sub(r" {2,}", "  ", line).rstrip() for line in text.splitlines()]


def blocks(text):
    """[(command, the lines of its output)] of the console block."""
    shown = text.partition("## Shown on a running gateway")[2].partition("```console\n")[2].partition("```")[0]
    found = []
    for line in shown.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            found[-1][1].append(line)
    return found


@pytest.fixture
def shell(gateways, make_folder, certificate):
    """Runs a command in a shell; what it prints, with the names of the page."""
    folder, server = make_folder("shown"), RedisServer(make_folder("redis"))
    server.start()
    records = Records(server.client)
    access = folder / "access.log"
    gateway = gateways.start({"metrics": {"jobs_max": 10}, "log": {"access": str(access)}, "control": {
        "listen": f"127.0.0.1:{free_port()}", "certificate": str(certificate[0]), "key": str(certificate[1])}}, store_url=server.url)
    local, backend = Control(gateway.socket_path), Backend()
    local.job_of(id="notebook", url=backend.url, labels={"team": "blue"})
    records.job("http://127.0.0.1:1", job_id="old", created_at=LONG_AGO)
    records.client.zadd("jobgate:jobs", {"old": 1})
    alice, bob = local.token_of("alice", selector="team=blue"), local.token_of("bob", selector="team=red")
    forgotten = records.token(name="forgotten", selector="team=red", created_at=LONG_AGO)
    records.client.zadd("jobgate:tokens", {forgotten.id: 1})
    (folder / "bob").write_text(bob["value"])
    ask = lambda token, path: request_bytes(f"notebook.{DOMAIN}", token["value"], path=path)
    with gateway.client() as client:
        client.send(ask(alice, "/done"))
        connection = backend.next()
        connection.read_request()
        connection.answer()
        assert client.read_response().status == 200
        assert client.exchange(ask(bob, "/")).status == 403
    running = gateway.client()
    running.send(ask(alice, "/lab"))
    backend.next().read_request()
    eventually(lambda: records.client.zscore("jobgate:used", "job:notebook"), "the use of the job")
    eventually(lambda: records.client.zscore("jobgate:used", alice["id"]), "the use of the token")
    (folder / "jobgate").symlink_to(gateway.program_path)
    env = environment(gateway.sanitizer, JOBGATE_URL=f"unix:{gateway.socket_path}", LOG=str(gateway.program.log_path), ACCESS=str(access),
                      CONFIG=str(gateway.config_path), PID=str(gateway.program.pid), METRICS=f"http://127.0.0.1:{gateway.metrics_port}", PATH=f"{folder}:{os.environ['PATH']}")
    names = {alice["id"]: "alice00000000000", bob["id"]: "bob0000000000000", forgotten.id: "forgotten0000000", DOMAIN: "jobs.example.org"}

    def run(command):
        done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, timeout=30, env=env, cwd=folder, check=False)
        assert not done.stderr, done
        return plain(done.stdout, names)
    yield run
    running.close()
    backend.close()
    gateway.stop()
    server.stop()


def test_each_command_prints_what_the_page_shows(shell):
    text = PAGE.read_text(encoding="utf-8")
    printed = []
    for command, _ in blocks(text):
        if command.startswith("jq") and "@tsv" in command:  # the lines of requests that were ended come a moment later
            eventually(lambda: len(shell(command)) == 3, "three lines in the access log")
        if "dump:" in command:
            eventually(lambda: shell(command)[0] != "0", "the dump")
        printed.append((command, shell(command)))
    if os.environ.get("JOBGATE_UPDATE_GOLDEN"):
        head, _, rest = text.partition("## Shown on a running gateway")
        shown = "".join(f"$ {command}\n" + "".join(f"{line}\n" for line in lines) for command, lines in printed)
        rest = re.sub(r"```console\n.*?```", lambda _: f"```console\n{shown}```", rest, count=1, flags=re.S)
        PAGE.write_text(f"{head}## Shown on a running gateway{rest}", encoding="utf-8")
    else:
        assert printed == blocks(text)
