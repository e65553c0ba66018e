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
from harness.screen import Screen
from harness.store import Records, RedisServer
from test_top import frame

PAGE = REPOSITORY / "deploy" / "on-call.md"
# Each question of the page's table, and the commands that are shown for it.
SHOWN = {
    "connected to what now": ["session list", "jobgate top", "jobgate console"], "at one job": ["session list --of-token"], "end a session": ["session kill"],
    "What changes": ["/v1/events > events &", '"is":"[a-z]*"', '"record":null'], "keep someone out": ["token delete"], "unused for 90 days": ["--unused-for 90d"],
    "reach a job": ["job who"], "created this token": ["token get"], "changed something": ["audit: sessions cut"],
    "refused": ["select(.status == 403)", "authorize --job"], "requests, errors and bytes": ["requests_total", "sent_bytes_total"], "idle": ["--idle-for 1h", "job list -o json"],
    "certificate": ["certificate_expiry", "check --config", '"warning"'], "ready": ["/readyz"], "stuck": ["kill -s RTMIN", "dump:"],
    "logs for machines": ["jq -c 'select(.message", "@tsv"]}
LONG_AGO = "2024-01-01T00:00:00Z"
# What differs from run to run, and what the page has in its place.
DIFFERS = [
    (r"/tmp/[^ ]*/", "/etc/jobgate/"), (r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", "2026-02-02 12:00 UTC"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "2026-01-31T12:00:00Z"), (r"\b[0-9a-f]{8}-[0-9a-f]{1,4}\b", "1a2b3c4d-1"), (r"\b[0-9a-f]{32}\b", "0" * 32),
    (r"\b[0-9a-f]{64}\b", "0" * 64), (r"\buid \d+ pid \d+", "uid 100 pid 1000"), (r"(?<=} )\d{10}\b", "1800000000"), (r"\b\d+(\.\d+)? ?s\b", "2s"), (r":\d{4,5}\b", ":8080"),
    (r"http://127\.\d+\.\d+\.\d+(?=:8080/console)", "http://127.73.20.5")]


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
    gateway = gateways.start({"metrics": {"jobs_max": 10}, "log": {"access": str(access), "format": "json"}, "control": {
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
                      CONFIG=str(gateway.config_path), PID=str(gateway.program.pid), METRICS=f"http://127.0.0.1:{gateway.metrics_port}",
                      SOCKET=str(gateway.socket_path), XDG_RUNTIME_DIR=str(folder), TERM="xterm", PATH=f"{folder}:{os.environ['PATH']}")
    names = {alice["id"]: "alice00000000000", bob["id"]: "bob0000000000000", forgotten.id: "forgotten0000000", DOMAIN: "jobs.example.org"}

    followers = []

    def on_screen(words):
        """What a person sees at a terminal, who then ends it."""
        screen = Screen([gateway.program_path, *words], env, 100)
        if words == ["top"]:
            text = "\n".join(line for line in frame(screen, "GET /lab") if line.strip())
            screen.type("q")
        else:
            screen.expect("Ctrl-C")
            text = screen.text
            screen.type("\x03")
        assert screen.end()[1] == 0
        return plain(re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text), names)

    def run(command):
        if command in ("jobgate top", "jobgate console"):
            return on_screen(command.split()[1:])
        if command.endswith(" &"):
            (folder / "events").touch()
            followers.append(subprocess.Popen(["bash", "-c", "exec " + command[:-2]], env=env, cwd=folder))
            eventually(lambda: "event: start" in (folder / "events").read_text(), "the first event")
            return []
        done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, timeout=30, env=env, cwd=folder, check=False)
        assert not done.stderr, done
        return plain(done.stdout, names)
    yield run
    for follower in followers:
        follower.kill()
        follower.wait()
    running.close()
    backend.close()
    gateway.stop()
    server.stop()


def test_each_question_has_commands_with_output():
    text = PAGE.read_text(encoding="utf-8")
    questions = re.findall(r"^\| ([A-Z…].*?) \|", text.partition("| --- |")[2].partition("\n\n")[0], re.M)
    assert len(questions) > len(SHOWN) - 1 and [one for one in questions if not any(word in one for word in SHOWN)] == ["Which replica of a job is down?"]
    for word, parts in SHOWN.items():
        assert any(word in question for question in questions), word
        for part in parts:
            [lines] = [lines for command, lines in blocks(text) if part in command][:1]
            assert lines or part in ("/v1/events > events &", "kill -s RTMIN"), part


def test_each_command_prints_what_the_page_shows(shell):
    text = PAGE.read_text(encoding="utf-8")
    printed = []
    for command, _ in blocks(text):
        if command.startswith("jq") and "@tsv" in command:  # the lines of requests that were ended come a moment later
            eventually(lambda: len(shell(command)) == 3, "three lines in the access log")
        if "dump:" in command:
            eventually(lambda: shell(command)[0] != "0", "the dump")
        if command.endswith("events"):
            eventually(lambda: shell(command), "the event")
        printed.append((command, shell(command)))
    if os.environ.get("JOBGATE_UPDATE_GOLDEN"):
        head, _, rest = text.partition("## Shown on a running gateway")
        shown = "".join(f"$ {command}\n" + "".join(f"{line}\n" for line in lines) for command, lines in printed)
        rest = re.sub(r"```console\n.*?```", lambda _: f"```console\n{shown}```", rest, count=1, flags=re.S)
        PAGE.write_text(f"{head}## Shown on a running gateway{rest}", encoding="utf-8")
    else:
        assert printed == blocks(text)
