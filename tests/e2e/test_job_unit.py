"""deploy/systemd: jobgate-job@.service, checked by systemd's own tool, and its command run as systemd would run it."""

import re
import shlex
import shutil
import signal
import subprocess

import pytest

from harness.gateway import DOMAIN, REPOSITORY, environment
from harness.process import Program, eventually, free_port
from harness.scene import request_bytes

SYSTEMD = REPOSITORY / "deploy" / "systemd"
COMMANDS = re.findall(r"^\$ (.*)$", (SYSTEMD / "README.md").read_text(), re.M)
UNIT = (SYSTEMD / "jobgate-job@.service.in").read_text()


def test_unit_is_valid(tmp_path):
    text = UNIT.replace("@CMAKE_INSTALL_FULL_BINDIR@/jobgate", "/bin/true").replace("@CMAKE_INSTALL_FULL_SYSCONFDIR@", "/etc")
    assert "@CMAKE" not in text
    path = tmp_path / "jobgate-job@notebook.service"
    path.write_text(text)
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "jobgate-job" not in done.stderr, done.stderr


@pytest.fixture
def gateway(gateways):
    return gateways.start({"control": {"listen": f"127.0.0.1:{free_port()}", "scoped_urls": ["127.0.0.1/32"]}})


def test_the_job(gateway, make_folder, records):
    """The page's commands, all but systemctl, with a small server in place of Jupyter."""
    etc = make_folder("etc")
    (etc / "bin").mkdir()
    (etc / "bin" / "jobgate").symlink_to(gateway.program_path)
    (etc / "bin" / "jupyter").write_text('#!/bin/sh\nexec /usr/bin/python3 -m http.server --bind 127.0.0.1 "${2#--port=}"\n')
    (etc / "bin" / "jupyter").chmod(0o755)
    env = environment(gateway.sanitizer, PATH=f"{etc}/bin:/usr/bin:/bin")
    url = f"http://{gateway.config['control']['listen']}"
    for command in COMMANDS:
        if command.startswith("systemctl"):
            continue
        text = command.replace("/etc/jobgate", str(etc)).replace("http://127.0.0.1:9181", url)
        subprocess.run(["/bin/bash", "-o", "pipefail", "-ec", text], env={**env, "JOBGATE_URL": f"unix:{gateway.socket_path}"}, check=True)
    value = (etc / "job.token").read_text().strip()
    assert value.startswith("jgt_") and (etc / "job.token").stat().st_mode & 0o777 == 0o600

    # As systemd: the file's variables, and each of those in the command split at blanks.
    variables = dict(line.split("=", 1) for line in (etc / "jobs" / "notebook.env").read_text().splitlines())
    (etc / "credentials").mkdir()
    shutil.copy(etc / "job.token", etc / "credentials" / "token")
    argv = []
    for word in re.search(r"^ExecStart=(.*)$", UNIT, re.M)[1].split():
        word = word.replace("%i", "notebook").replace("%d", str(etc / "credentials")).replace("@CMAKE_INSTALL_FULL_BINDIR@", str(etc / "bin"))
        argv += variables[word[1:]].split() if word.startswith("$") else [word]
    program = Program(argv, etc / "log", {**env, **variables})
    try:
        eventually(lambda: re.search("^Id: +notebook$", program.log(), re.M), f"the job: {program.log()} {shlex.join(argv)}")
        with gateway.client() as client:
            assert client.exchange(request_bytes(f"notebook.{DOMAIN}", records.token(selector="team=blue"))).status == 200
            assert client.exchange(request_bytes(f"notebook.{DOMAIN}", records.token(selector="team=red"))).status == 403
        assert value not in program.log()
    finally:
        program.stop(signal.SIGTERM)
    assert gateway.cli("job", "get", "notebook").status == 1
