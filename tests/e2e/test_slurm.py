"""deploy/slurm: its commands and scripts, with small programs in place of Slurm's and of Jupyter."""

import os
import re
import signal
import subprocess

import pytest

from harness.gateway import DOMAIN, REPOSITORY, environment
from harness.process import Program, eventually, free_port
from harness.scene import request_bytes

SLURM = REPOSITORY / "deploy" / "slurm"
COMMANDS = re.findall(r"^\$ (.*)$", (SLURM / "README.md").read_text(), re.M)
STANDINS = {
    "srun": 'exec "$@"',
    "sbatch": 'SLURM_JOB_ID=7 exec /bin/bash "$@"',
    "hostname": "echo 127.0.0.1",
    "jupyter": 'for word; do case $word in --port=*) port=${word#--port=};; esac; done; exec /usr/bin/python3 -m http.server --bind 127.0.0.1 "$port"',
}


def command(start):
    found, = [line for line in COMMANDS if line.startswith(start)]
    return found


@pytest.fixture
def gateway(gateways):
    """With a control API for the nodes, as the page has it."""
    return gateways.start({"control": {"listen": f"127.0.0.1:{free_port()}", "scoped_urls": ["127.0.0.0/8"]}})


@pytest.fixture
def node(gateway, make_folder):
    """A user's home on a node. Starts commands there, with what TaskProlog sets."""
    home, started = make_folder("home"), []
    (home / "bin").mkdir()
    (home / "bin" / "jobgate").symlink_to(gateway.program_path)
    url = f"http://{gateway.config['control']['listen']}"
    for name, text in STANDINS.items():
        (home / "bin" / name).write_text(f"#!/bin/bash\n{text}\n")
    for path in [*SLURM.glob("*.sh"), *SLURM.glob("*.sbatch")]:
        text = path.read_text().replace("https://gateway.example.org:9181", url).replace("/etc/jobgate/slurm.token", f"{home}/.config/jobgate/token")
        (home / path.name).write_text(text)
    for path in home.rglob("*"):
        if path.is_file() and not path.is_symlink():
            path.chmod(0o755)
    env = environment(gateway.sanitizer, HOME=home, PATH=f"{home}/bin:/usr/bin:/bin")
    prolog = subprocess.run([home / "task-prolog.sh"], env=env, capture_output=True, text=True, check=True).stdout
    assert prolog == f"export JOBGATE_URL={url}\n"
    env["JOBGATE_URL"] = url

    def start(line):
        program = Program(["/bin/bash", "-c", line], home / f"log{len(started)}", env, cwd=home)
        started.append(program)
        return program
    start.home, start.env = home, env
    yield start
    for program in started:
        if program.running():
            program.stop(signal.SIGKILL)


@pytest.fixture
def token(gateway, node):
    """The team's, kept as the page says."""
    made = gateway.cli(*command("jobgate token create").split()[1:], "-o", "json").json()
    subprocess.run(["/bin/bash", "-ec", "\n".join(line for line in COMMANDS if line.startswith("install"))], input=made["value"] + "\n",
                   text=True, env=node.env, check=True)
    assert (node.home / ".config/jobgate/token").stat().st_mode & 0o777 == 0o600
    return made["value"]


def served(gateway, job, token):
    with gateway.client() as client:
        return client.exchange(request_bytes(f"{job}.{DOMAIN}", token)).status


def test_srun(gateway, node, token, records):
    program = node(command("srun"))
    job = eventually(lambda: re.search(r"^Id: +(\S+)", program.log(), re.M), f"the job: {program.log()}")[1]
    assert served(gateway, job, records.token(selector="team=blue").value) == 200
    assert served(gateway, job, records.token(selector="team=red").value) == 403
    assert token not in program.log()
    program.stop()
    assert gateway.cli("job", "get", job).status == 1


def test_sbatch_ends(gateway, node, token):
    program = node("exec " + command("sbatch"))
    eventually(lambda: re.search(r"^Id: +slurm-7$", program.log(), re.M), f"the job: {program.log()}")
    assert served(gateway, "slurm-7", token) == 200
    program.stop()  # as scancel does
    assert gateway.cli("job", "get", "slurm-7").status == 1


def test_epilog_after_a_kill(gateway, node, token):
    program = node("exec " + command("sbatch"))
    eventually(lambda: re.search(r"^Id: +slurm-7$", program.log(), re.M), f"the job: {program.log()}")
    program.stop(signal.SIGKILL)
    assert gateway.cli("job", "get", "slurm-7").status == 0
    for _ in range(2):  # it never fails, even if nothing is left
        assert subprocess.run([node.home / "epilog.sh"], env={**node.env, "SLURM_JOB_ID": "7"}, check=False).returncode == 0
    assert gateway.cli("job", "get", "slurm-7").status == 1


def test_a_refusal_comes_before_the_command(node, token, records):
    """A token of role read cannot register jobs."""
    (node.home / ".config/jobgate/token").write_text(records.token(selector="team=blue").value)
    program = node("exec " + command("sbatch"))
    assert program.wait() != 0
    assert "Serving HTTP" not in program.log() and "operator" in program.log()


def test_scripts_can_be_run():
    for path in SLURM.glob("*.sh"):
        assert os.access(path, os.X_OK), path
