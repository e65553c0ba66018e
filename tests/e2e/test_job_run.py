"""`jobgate job run`: a command that is a job as long as it runs."""

import os
import pathlib
import re
import signal
import socket
import sys

import pytest

from harness.gateway import DOMAIN, environment
from harness.process import Program, eventually, free_port
from harness.scene import request_bytes
from harness.store import random_id

# Listens on $PORT, says what it was given, and tells of each signal; ends with status 7 on SIGTERM.
SERVICE = """
import http.server, os, signal, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header('Content-Length', '2'); self.end_headers(); self.wfile.write(b'up')
    def log_message(self, *args): pass
for name in ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2']:
    signal.signal(getattr(signal, name), lambda number, frame: print('got', signal.Signals(number).name, flush=True))
signal.signal(signal.SIGTERM, lambda *_: os._exit(7))
print('args', sys.argv[1:], 'token', os.environ.get('JOBGATE_TOKEN'), 'pid', os.getpid(), flush=True)
http.server.ThreadingHTTPServer((sys.argv[2] if len(sys.argv) > 2 else '127.0.0.1', int(os.environ['PORT'])), Handler).serve_forever()
"""


@pytest.fixture
def run(gateway, make_folder):
    """Start `jobgate job run OPTIONS -- COMMAND`; output and messages in files of their own."""
    started = []

    def start(*options, command=None, **env):
        folder = make_folder("run")
        with open(folder / "out", "wb") as out:
            program = Program(
                [gateway.program_path, "job", "run", *options, "--",
                 *(command or [sys.executable, "-c", SERVICE, "{port}"])],
                folder / "err", environment(gateway.sanitizer, JOBGATE_URL=f"unix:{gateway.socket_path}", **env), stdout=out)
        program.out = lambda: (folder / "out").read_text()
        started.append(program)
        return program
    yield start
    for program in started:
        if program.running():
            program.stop(signal.SIGKILL)


def job_of(program):
    """The id of its job, once it is registered."""
    return eventually(lambda: re.search(r"^Id: +(\S+)", program.log(), re.M), f"the job: {program.log()}")[1]


def served(gateway, job, token):
    with gateway.client() as client:
        return client.exchange(request_bytes(f"{job}.{DOMAIN}", token)).status


def test_life(gateway, run, records):
    """Registered at once, served once it listens, told of signals; its end is the job's, and its status ours."""
    program = run("-l", "model=base", "-l", "team=a", "--lease", "20", JOBGATE_TOKEN=records.token("operator").value)
    job = job_of(program)
    shown = gateway.cli("job", "get", job, "-o", "json").json()
    port = shown["url"].rpartition(":")[2]
    assert shown["labels"] == {"model": "base", "team": "a"} and shown["lease"] == 20
    assert program.out().startswith(f"args ['{port}'] token None pid ")
    assert served(gateway, job, records.token(selector="model=base")) == 200
    for number in [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2]:
        program.send_signal(number)
        eventually(lambda: f"got {number.name}" in program.out(), f"{number.name} to be passed on")
    program.send_signal(signal.SIGTERM)
    assert program.wait() == 7
    assert gateway.cli("job", "get", job).status == 1
    assert records.client.zscore("jobgate:jobs", job) is None
    assert served(gateway, job, records.token()) == 404


def test_removed_after_sigkill(gateway, run, records):
    """No process is left to delete the job: its lease ends, gateways notice, and the command has ended, too."""
    program = run("--lease", "2")
    job = job_of(program)
    command = int(program.out().split()[-1])
    token = records.token()
    assert served(gateway, job, token) == 200
    program.popen.kill()
    program.wait()
    eventually(lambda: served(gateway, job, token) == 404, "the job to go with its lease")
    assert gateway.cli("job", "get", job).status == 1
    listed = gateway.cli("job", "list", "-o", "json").json()
    assert job not in [item["id"] for item in listed]
    assert records.client.zscore("jobgate:jobs", job) is None, "the index still has it"
    eventually(lambda: not pathlib.Path(f"/proc/{command}/cmdline").exists()
               or not pathlib.Path(f"/proc/{command}/cmdline").read_bytes(), "the command to end")


def test_lease_is_renewed(gateway, run, records):
    """It outlives its lease many times over, and what is renewed is no change."""
    program = run("--lease", "1")
    job = job_of(program)
    before = gateway.cli("job", "get", job, "-o", "json").json()
    calls = records.client.info("commandstats")["cmdstat_expire"]["calls"]
    eventually(lambda: records.client.info("commandstats")["cmdstat_expire"]["calls"] >= calls + 5, "five renewals")
    assert gateway.cli("job", "get", job, "-o", "json").json() == before
    assert gateway.program.log().count(f"audit: job created {job}") == 1
    assert gateway.program.log().count(f"audit: job changed {job}") == 2  # no URL at first, and then it has one
    assert program.stop() == 7


def test_deleted_meanwhile(gateway, run):
    """The job is deleted by someone else: it stays deleted, and the command keeps running."""
    program = run("--lease", "6")
    job = job_of(program)
    assert gateway.cli("job", "delete", job, "--yes").status == 0
    eventually(lambda: f"job {job} was deleted" in program.log(), "to be told")
    assert program.running()
    assert program.stop() == 7
    assert gateway.cli("job", "get", job).status == 1


def test_lapsed_lease_is_taken_again(gateway, run, records):
    """It was stopped for longer than its lease: afterwards the job is there again, under the same id."""
    name = "lapsed-" + random_id(6)
    program = run("--lease", "1", "--id", name)
    assert job_of(program) == name
    program.send_signal(signal.SIGSTOP)
    eventually(lambda: gateway.cli("job", "get", name).status == 1, "the lease to end")
    program.send_signal(signal.SIGCONT)
    eventually(lambda: gateway.cli("job", "get", name).status == 0, "the job to be registered again")
    assert program.stop() == 7
    assert gateway.cli("job", "get", name).status == 1


@pytest.mark.parametrize("command, status", [
    (["sh", "-c", "exit 3"], 3), (["sh", "-c", "kill -9 $$"], 137), (["/nonexistent/command"], 127), (["/etc/passwd"], 126),
    (["sh", "-c", "echo out; echo err >&2"], 0)])
def test_status(run, command, status):
    program = run(command=command)
    assert program.wait() == status
    if status == 0:
        assert program.out() == "out\n" and "err\n" in program.log()


def test_given_port(gateway, run):
    """--port, {port} within words, and --host."""
    port = free_port()
    program = run("--port", str(port), "--host", "localhost", command=[sys.executable, "-c", SERVICE, "a={port}/{port}"])
    job = job_of(program)
    assert gateway.cli("job", "get", job, "-o", "json").json()["url"] == f"http://localhost:{port}"
    assert f"a={port}/{port}" in program.out()
    assert program.stop() == 7


def test_command_cannot_read_the_token(run, records):
    """Not from the environment, nor from what /proc has of the one who started it."""
    token = records.token("operator")
    look = "cat /proc/self/environ /proc/$PPID/environ /proc/$PPID/cmdline | tr '\\0' '\\n'; echo seen"
    for options, env in [([], {"JOBGATE_TOKEN": token.value}), (["--token", token.value], {}),
                         (["--token", token.value], {"JOBGATE_TOKEN": token.value})]:
        program = run(*options, command=["sh", "-c", look], **env)
        program.wait()
        assert "seen" in program.out() and "jgt_" not in program.out(), program.out()


def test_port_in_use(run):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        program = run("--port", str(taken.getsockname()[1]), command=["sh", "-c", "echo started"])
        assert program.wait() == 1
        assert "listens on port" in program.log() and program.out() == ""


def test_scoped_operator(gateway, run, records, make_folder):
    """The selector's labels are added; what contradicts them ends the command."""
    token = records.token("operator", "team=a")
    secret = make_folder("secret") / "token"
    secret.write_text(token.value + "\n")
    program = run("--token-file", secret)
    job = job_of(program)
    assert gateway.cli("job", "get", job, "-o", "json").json()["labels"] == {"team": "a"}
    assert program.stop() == 7
    refused = run("--app-token", token.value, "-l", "team=b")
    assert refused.wait() == 1
    assert "limited to another value" in refused.log()
    assert refused.out() == ""  # it was not started
    assert token.value not in refused.log()


def test_registered_before_it_listens(gateway, run, records, make_folder):
    """The job is there from the start, without a URL: 503 tells its users to wait. It is served once the command listens."""
    name, gate = "slow-" + random_id(6), make_folder("gate") / "fifo"
    os.mkfifo(gate)
    program = run("--id", name, "-l", "team=a", command=["sh", "-c", 'read line < "$1"; exec "$0" -c "$2" {port}', sys.executable, gate, SERVICE])
    eventually(lambda: f"job {name} is registered" in program.log(), "to be told")
    shown = gateway.cli("job", "get", name, "-o", "json").json()
    assert shown["url"] is None and shown["labels"] == {"team": "a"}
    token = records.token(selector="team=a")
    assert served(gateway, name, token) == 503
    assert "Id:" not in program.log()
    gate.write_text("go\n")
    assert job_of(program) == name
    assert served(gateway, name, token) == 200
    assert program.stop() == 7
    assert gateway.cli("job", "get", name).status == 1


def test_refused_at_once(gateway, run, records):
    """An id that is taken, and a URL that the operator may not give: the command is not started."""
    taken = run("--id", records.job(), command=["sh", "-c", "echo started"])
    assert taken.wait() == 1 and "exists already" in taken.log() and taken.out() == ""


@pytest.mark.parametrize("options, status", [
    (["--token", "nonsense"], 1), (["--control-url", "unix:/nonexistent/sock"], 3), (["--port", "0"], 2), (["--port", "70000"], 2),
    (["--lease", "x"], 2), (["-l", "novalue"], 2)])
def test_nothing_started(run, options, status):
    """What cannot be registered is not started."""
    program = run(*options, command=["sh", "-c", "echo started"])
    assert program.wait() == status
    assert program.out() == ""


def test_usage(gateway):
    for words in [["job", "run"], ["job", "run", "echo"], ["job", "run", "--"], ["job", "run", "a", "b", "--", "echo"]]:
        result = gateway.cli(*words)
        assert result.status == 2 and result.err, words


def test_command_that_never_listens(run):
    """It was not a job, which would go unnoticed otherwise."""
    program = run(command=["true"])
    assert program.wait() == 0
    assert re.search(r"ended without listening on port \d+ of 127\.0\.0\.1: nothing could reach job \S+\n", program.log())
