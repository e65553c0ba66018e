"""The guide of the ovhai CLI, "Manage access tokens", step by step with `jobgate` in place of its name: by a person at a
terminal, who reads answers from the screen and types what the guide says."""

import re
import shlex
import subprocess

import pytest

from harness.gateway import environment
from harness.process import eventually, free_port
from harness.raw import Backend
from harness.screen import Screen

VALUE = r"jgt_[a-z0-9]{16}_[0-9A-Za-z]{49}"


class Person:
    """Types commands as the guide has them."""

    def __init__(self, gateway, **env):
        self.gateway, self.env, self.transcript = gateway, env, ""

    def types(self, line, answer=None, status=0):
        env = environment(self.gateway.sanitizer, JOBGATE_URL=f"unix:{self.gateway.socket_path}", TERM="xterm", **self.env)
        screen = Screen([self.gateway.program_path, *shlex.split(line)[1:]], env, 120)
        if answer is not None:
            screen.expect(r"\[y/N\] $")
            screen.type(answer + "\n")
        text, found = screen.end()
        self.transcript += f"$ {line}\n{text}"
        assert found == status, self.transcript
        return re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.fixture(scope="module")
def gateway(module_gateways, store):
    """Job URLs that a client can open: the path form, at the gateway's own address."""
    return module_gateways.start({"jobs": {"domain": None}, "control": {"listen": f"127.0.0.1:{free_port()}"}}, store_url=store.url)


@pytest.fixture
def person(gateway):
    return Person(gateway)


def curl(*words):
    """Status and body."""
    done = subprocess.run(["curl", "-s", "-w", "\n%{http_code}", *words], capture_output=True, text=True, timeout=30)
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body


def field(text, name):
    return re.search(rf"^{name}: +(.+)$", text, re.M)[1]


def test_help(person):
    """Everything the guide's help has, in its words."""
    text = person.types("jobgate token create --help")
    assert "Usage: jobgate token create [OPTIONS] --role <ROLE> <NAME>" in text
    assert re.search(r"Arguments:\n  <NAME>  Token's name\n", text)
    for option in ["-r, --role <ROLE>", "    --token <TOKEN>", "-l, --label-selector <name=value>", "-o, --output <OUTPUT>",
                   "    --no-color", "-h, --help"]:
        assert re.search(rf"^  {re.escape(option)}  ", text, re.M), option
    for words in ["Operator role gives all access", "[possible values: read, operator]", "[possible values: json, yaml, description]",
                  "Only jobs with this label's name and value will be accessible using this token", "Remove colors from output", "Print help"]:
        assert words in text


def test_whole_guide(person, gateway):
    backend = Backend()
    made = person.types("jobgate job create --id base-job -l model=base --url " + backend.url)
    assert field(made, "Labels") == "model=base"
    person.types("jobgate job create --id other-job -l model=other --url " + backend.url)

    # Create an app token
    text = person.types("jobgate token create basetoken --label-selector model=base --role operator")
    value, token = re.search(VALUE, text)[0], field(text, "Id")
    assert (field(text, "Name"), field(text, "Role"), field(text, "Label selector")) == ("basetoken", "operator", "model=base")
    pasted = re.search(r"^  (curl -H 'Authorization: Bearer \S+' \S+)$", text, re.M)[1]
    assert shlex.split(pasted)[3].startswith("http://") and "base-job" in pasted

    # Use the app token: "simply add the following header to your HTTP requests"
    header = f"Authorization: Bearer {value}"
    process = subprocess.Popen([*shlex.split(pasted), "-s"], stdout=subprocess.PIPE)
    connection = backend.next()
    assert connection.read_request().target == "/"
    connection.answer()
    assert process.communicate(timeout=30)[0] == b"ok"
    other = f"http://127.0.0.1:{gateway.port}/jobs/other-job/"
    assert curl("-H", header, other)[0] == 403
    assert curl(other)[0] == 401
    # ... "or if it is an operator token and you wish to use the API"
    api = "http://" + gateway.config["control"]["listen"]
    status, jobs = curl("-H", header, f"{api}/v1/jobs")
    assert status == 200 and "base-job" in jobs and "other-job" not in jobs

    # "simply add the flag --app-token to override the default authentication method"
    text = person.types(f"jobgate job run --app-token {value} ubuntu -- echo 'Hello World'")
    assert "Hello World\n" in text
    assert "other-job" not in person.types(f"jobgate job list --app-token {value}")
    # "If you create a new job using an app token the label-selector is automatically added"
    text = person.types(f"jobgate job create --app-token {value}")
    assert field(text, "Labels") == "model=base"
    # "when running a new job add the label to the job to be accessible"
    text = person.types("jobgate job run -l model=base -- sh -c 'exit 0'")

    # Token lifecycle: "List the tokens and find the ID associated with your token."
    listed = person.types("jobgate token list")
    assert re.search(r"^(\S+)  basetoken ", listed, re.M)[1] == token
    # renew
    person.types(f"jobgate token renew {token}", answer="n", status=1)
    assert curl("-H", header, f"{api}/v1/me")[0] == 200
    text = person.types(f"jobgate token renew {token}", answer="y")
    renewed = re.search(VALUE, text)[0]
    assert (field(text, "Id"), field(text, "Name"), field(text, "Label selector")) == (token, "basetoken", "model=base")
    eventually(lambda: curl("-H", header, other)[0] == 401, "the old value to be refused")
    assert curl("-H", f"Authorization: Bearer {renewed}", other)[0] == 403
    # delete
    text = person.types(f"jobgate token delete {token}", answer="y")
    assert f"Deleted token {token}" in text
    eventually(lambda: curl("-H", f"Authorization: Bearer {renewed}", other)[0] == 401, "the deleted token to be refused")
    assert "basetoken" not in person.types("jobgate token list")
    assert "\x1b[" in person.transcript  # in colour
    backend.close()


def test_read_token(person, gateway):
    """`read` a token with this role will allow access to the services exposed by the job on the job_url, and nothing else."""
    text = person.types("jobgate token create readers -r read -l model=base")
    value = re.search(VALUE, text)[0]
    status, body = curl("-H", f"Authorization: Bearer {value}", f"http://{gateway.config['control']['listen']}/v1/jobs")
    assert status == 403 and "operator" in body
    refused = person.types(f"jobgate token list --token {value}", status=1)
    assert "operator" in refused


@pytest.mark.parametrize("output", ["json", "yaml", "description"])
def test_outputs_and_colours(person, output):
    """-o and --no-color, as its help has them."""
    text = person.types(f"jobgate token create shown-{output} --role read -o {output} --no-color")
    assert re.search(VALUE, text)
    assert "\x1b" not in person.transcript
    person.types(f"jobgate token list --output {output} --no-color")
    assert "\x1b" not in person.transcript


def test_unscoped(person):
    """An unscoped token will have access to all jobs."""
    text = person.types("jobgate token create everything --role read")
    assert field(text, "Label selector") == "none (every job)"


@pytest.mark.parametrize("line, told", [
    ("jobgate token create", "--role <ROLE>|<NAME> is missing"), ("jobgate token create x", "--role <ROLE> is missing"),
    ("jobgate token create x --role admin", "possible values: read, operator"), ("jobgate token create x --role read -l model", "name=value"),
    ("jobgate token create x --role read -o xml", "possible values: json, yaml, description"), ("jobgate token frobnicate", "is not a command")])
def test_mistakes_are_explained(person, line, told):
    assert re.search(told, person.types(line, status=2))
