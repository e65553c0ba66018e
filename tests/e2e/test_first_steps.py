"""deploy/first-steps.md: each of its commands is run in one shell, and answers as the page says."""

import json
import re
import subprocess

import pytest

from harness.gateway import REPOSITORY, binary, environment
from harness.process import eventually, free_port

PAGE = REPOSITORY / "deploy" / "first-steps.md"
DONE = "--- done "

# Takes the place of the notebook, which has half a gigabyte of packages.
STAND_IN = """#!/usr/bin/python3
import http.server, sys

class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b'{"version": "6.4.12"}'
        self.send_response(200 if self.path == "/api" else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

http.server.HTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), Answer).serve_forever()
"""


def steps(text):
    """[[command, answer]] of all blocks; a command may be several lines, up to the end of its here-document."""
    found = []
    for block in re.findall(r"```console\n(.*?)```", text, re.S):
        within = False
        for line in block.splitlines():
            if within:
                found[-1][0] += "\n" + line
                within = line != "EOF"
            elif line.startswith("$ "):
                found.append([line[2:], ""])
                within = "<<EOF" in line
            else:
                found[-1][1] += line + "\n"
    return found


class Shell:
    """One shell for all commands, as a person has it."""

    def __init__(self, env):
        self.program = subprocess.Popen(["bash"], cwd=REPOSITORY / "deploy", env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, start_new_session=True)

    def run(self, command):
        """(output, exit status)"""
        self.program.stdin.write(f"{command}\necho '{DONE}'$?\n")
        self.program.stdin.flush()
        answer = ""
        for line in self.program.stdout:
            if line.startswith(DONE):
                return answer, int(line.removeprefix(DONE))
            answer += line
        raise AssertionError(f"the shell ended in {command}: {answer}")

    def end(self):
        """Also what still runs in it."""
        self.program.stdin.write("kill $(jobs -p); wait\n")
        self.program.stdin.close()
        self.program.stdout.read()
        self.program.wait()


@pytest.fixture
def home(make_folder):
    """What is in it is found before the system's programs."""
    folder = make_folder("home")
    (folder / "jobgate").symlink_to(binary())
    return folder


@pytest.fixture
def shell(home, sanitizer):
    shell = Shell(environment(sanitizer, PATH=f"{home}:/usr/bin:/bin:/usr/sbin", HOME=str(home), PYTHONDONTWRITEBYTECODE="1"))
    yield shell
    shell.end()


def statuses_of(log):
    """Of all requests that the gateway has answered: a failure that a second try hides is among them."""
    return [json.loads(line)["status"] for line in log.read_text().splitlines() if '"status":' in line]


@pytest.mark.parametrize("notebook", [pytest.param("stand-in", marks=pytest.mark.slow), pytest.param("jupyter", marks=pytest.mark.large)])
def test_page(home, shell, make_folder, notebook):
    if notebook == "stand-in":
        (home / "jupyter").write_text(STAND_IN)
        (home / "jupyter").chmod(0o755)
    folder = make_folder("steps")
    text = PAGE.read_text().replace("/tmp/first-steps", str(folder))
    for port in ["8080", "50051", "8001", "8002", "8003"]:
        text = re.sub(rf"\b{port}\b", str(free_port()), text)
    text = text.replace("\nEOF\n", f"\nlog: {{access: {folder}/access.log}}\nEOF\n")
    commands = steps(text)
    assert len(commands) > 20
    for command, answer in commands:
        pattern = ".*".join(re.escape(part) for part in answer.split("..."))
        status = 1 if answer.startswith("UNAUTHENTICATED") else 0
        if command.startswith(("curl", "for")):  # the workers hear of a change within milliseconds
            def answers():
                got, ended = shell.run(command)
                assert ended == status, f"$ {command}\n{got}"
                return re.fullmatch(pattern, got)
            eventually(answers, f"the answer to: {command}")
        else:
            got, ended = shell.run(command)
            assert re.fullmatch(pattern, got) and ended == status, f"$ {command}\n{got}exit status {ended}"
    # Eight commands ask once, two loops 6 and 3 times.
    eventually(lambda: len(statuses_of(folder / "access.log")) >= 17, "the access log")
    assert set(statuses_of(folder / "access.log")) == {200, 401}, (folder / "access.log").read_text()
