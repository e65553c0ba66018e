"""deploy/first-steps.md: each of its commands is run in one shell, and answers as the page says."""

import re
import subprocess

import pytest

from harness.gateway import REPOSITORY, binary, environment
from harness.process import eventually, free_port

pytestmark = pytest.mark.large  # the notebook has half a gigabyte of packages

PAGE = REPOSITORY / "deploy" / "first-steps.md"
DONE = "--- done"


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
        self.program.stdin.write(f"{command}\necho '{DONE}'\n")
        self.program.stdin.flush()
        answer = ""
        for line in self.program.stdout:
            if line == DONE + "\n":
                return answer
            answer += line
        raise AssertionError(f"the shell ended in {command}: {answer}")

    def end(self):
        """Also what still runs in it."""
        self.program.stdin.write("kill $(jobs -p); wait\n")
        self.program.stdin.close()
        self.program.stdout.read()
        self.program.wait()


@pytest.fixture
def shell(make_folder, sanitizer):
    folder = make_folder("home")
    (folder / "jobgate").symlink_to(binary())
    shell = Shell(environment(sanitizer, PATH=f"{folder}:/usr/bin:/bin:/usr/sbin", HOME=str(folder), PYTHONDONTWRITEBYTECODE="1"))
    yield shell
    shell.end()


def test_page(shell, make_folder):
    text = PAGE.read_text().replace("/tmp/first-steps", str(make_folder("steps")))
    for port in ["8080", "50051", "8001", "8002", "8003"]:
        text = re.sub(rf"\b{port}\b", str(free_port()), text)
    commands = steps(text)
    assert len(commands) > 20
    for command, answer in commands:
        pattern = ".*".join(re.escape(part) for part in answer.split("..."))
        if command.startswith(("curl", "for")):  # the workers hear of a change within milliseconds
            eventually(lambda: re.fullmatch(pattern, shell.run(command)), f"the answer to: {command}")
        else:
            got = shell.run(command)
            assert re.fullmatch(pattern, got), f"$ {command}\n{got}"
