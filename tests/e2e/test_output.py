"""What the command line prints, to the byte: each command in all three forms, with and without colour, on terminals
of two widths. The texts are in golden/; JOBGATE_UPDATE_GOLDEN=1 writes them again, for a person to review."""

import hashlib
import os
import pathlib
import re

import pytest

from harness.gateway import binary, environment, run
from harness.process import eventually
from harness.raw import Backend
from harness.scene import request_bytes
from harness.screen import Screen
from harness.store import Records, make_value

GOLDEN = pathlib.Path(__file__).parent / "golden"
PUBLIC = "https://{job}.jobs.test/"
TOKENS = ["0000000000000001", "0000000000000002", "0000000000000003"]
VALUES = [make_value(token, "x" * 43) for token in TOKENS]
FORMS = {
    "description": ["-o", "description"],
    "json": ["-o", "json"],
    "yaml": ["-o", "yaml"],
    "terminal": [],
    "terminal, no colour": ["--no-color"],
    "narrow terminal": [],
}


@pytest.fixture(scope="module")
def gateway(module_gateways, store):
    return module_gateways.start({"jobs": {"public_url": PUBLIC}}, store_url=store.url)


def fill(store):
    """The same three tokens and jobs before each command."""
    store.client.flushall()
    records = Records(store.client)
    for number, (name, role, selector) in enumerate([
            ("basetoken", "operator", "model=base"), ("ci", "read", ""),
            ("a-token-with-a-long-name", "read", "model=large,region.example/zone=eu-west-1,team=vision")]):
        records.token(role, selector, name, TOKENS[number], hash=hashlib.sha256(VALUES[number].encode()).hexdigest(), version=str(number + 1))
        store.client.zadd("jobgate:tokens", {TOKENS[number]: number})
    for number, (name, url, labels) in enumerate([
            ("notebook", "http://10.0.0.1:8888", {"model": "base"}), ("pending", None, {}),
            ("inference", "https://inference.example.org/v1/models", {"model": "large", "team": "vision", "stage": "test"})]):
        records.job(url, labels, name, **({"lease": "30"} if name == "pending" else {}))
        store.client.zadd("jobgate:jobs", {name: number})


def steady(text):
    """Without what is new each time; what stands for it is as long, so that columns stay."""
    text = re.sub(r"jgt_[a-z0-9]{16}_[0-9A-Za-z]{49}", "jgt_" + "v" * 66, text)
    text = re.sub(r"20[2-9]\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", lambda match: match[0] if match[0].startswith("2024") else "2030-12-31T23:59:59Z", text)
    text = re.sub(r"\b[0-9a-f]{8}-[0-9a-f]\b", "ssssssss-s", text)
    text = re.sub(r'(age_s"?: )[\d.]+', r"\g<1>0.5", re.sub(r"\b\d\.\ds\b", "0.5s", text))
    text = re.sub(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "uuuuuuuu-uuuu-4uuu-uuuu-uuuuuuuuuuuu", text)
    text = re.sub(r"\b(?!0{15})(?=[a-z]*[0-9])[a-z0-9]{16}\b|\b[a-z]{16}\b", "iiiiiiiiiiiiiiii", text)
    return re.sub(r'^((?:- )?id): "([ius][ius4-]+)"$', r"\1: \2", text, flags=re.M)  # YAML quotes what begins with a digit


def shown(gateway, form, words):
    """Output, messages and exit status of a command."""
    words = [*words, *FORMS[form]]
    if "terminal" not in form:
        done = gateway.cli(*words)
        return done.out, done.err, done.status
    env = environment(gateway.sanitizer, JOBGATE_URL=f"unix:{gateway.socket_path}", TERM="xterm")
    text, status = Screen([gateway.program_path, *words], env, 60 if form.startswith("narrow") else 120).end()
    return text, "", status


def check(name, text):
    path = GOLDEN / f"{name}.txt"
    text = steady(text).replace("\x1b", "\\e")
    if os.environ.get("JOBGATE_UPDATE_GOLDEN"):
        GOLDEN.mkdir(exist_ok=True)
        path.write_text(text)
    assert text == path.read_text(), f"{path} differs"


def golden_of(gateway, name, words, before=lambda: None):
    text = ""
    for form in FORMS:
        before()
        out, err, status = shown(gateway, form, words)
        text += f"== {form}\n{out}" + (f"-- messages\n{err}" if err else "") + (f"-- exit status {status}\n" if status else "")
    check(name, text)


COMMANDS = {
    "token-create": ["token", "create", "newtoken", "--role", "operator", "-l", "model=base"],
    "token-create-unscoped": ["token", "create", "newtoken", "-r", "ai_training_read"],
    "token-list": ["token", "list"],
    "token-list-filtered": ["token", "list", "--role", "read", "--name", "ci"],
    "token-list-empty": ["token", "list", "--name", "nobody"],
    "token-get": ["token", "get", TOKENS[2]],
    "token-renew": ["token", "renew", TOKENS[0], "--yes"],
    "token-set": ["token", "set", TOKENS[2], "--rate", "5", "--burst", "10", "--from", "10.0.0.0/8,::1", "--expires-at", "2099-01-01T00:00:00Z"],
    "token-revoke": ["token", "revoke", "--value", VALUES[1]],
    "token-revoke-missing": ["token", "revoke", "--value", make_value("a" * 16, "x" * 43)],
    "token-delete": ["token", "delete", TOKENS[0], TOKENS[1], "--yes"],
    "token-delete-missing": ["token", "delete", TOKENS[0], "nosuchtoken00000", TOKENS[1], "--yes"],
    "job-create": ["job", "create", "-l", "model=base", "-l", "team=a", "--url", "unix:/run/job.sock", "--lease", "60"],
    "job-list": ["job", "list"],
    "job-list-filtered": ["job", "list", "-l", "team=vision"],
    "job-get": ["job", "get", "inference"],
    "job-get-missing": ["job", "get", "nothing"],
    "job-who": ["job", "who", "notebook"],
    "job-who-missing": ["job", "who", "nothing"],
    "job-set": ["job", "set", "pending", "--url", "http://[::1]:80", "-l", "a=b"],
    "job-delete": ["job", "delete", "notebook", "pending", "--yes"],
    "session-list-empty": ["session", "list"],
    "session-kill-missing": ["session", "kill", "00000000000000000000000000000000", "--yes"],
    "authorize": ["authorize", "--job", "notebook", "--value", make_value("a" * 16, "x" * 43)],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_golden(gateway, store, name):
    golden_of(gateway, name, COMMANDS[name], lambda: fill(store))


# ---- sessions ----

@pytest.fixture
def fresh(gateways, store):
    """One that has had no connections: ids of sessions count these."""
    return gateways.start({"jobs": {"public_url": PUBLIC}}, store_url=store.url)


@pytest.fixture
def sessions(fresh, store):
    """Starts a request that runs until it is ended, as ci at the job notebook."""
    fill(store)
    clients = []
    with Backend() as backend:
        store.client.hset("jobgate:job:notebook", "url", backend.url)

        def start():
            clients.append(fresh.client())
            clients[-1].send(request_bytes("notebook.jobs.test", VALUES[1], path="/a/path"))
            backend.accept().read_request()
        yield start
        for client in clients:
            client.close()


def test_session_list(fresh, sessions):
    sessions()
    golden_of(fresh, "session-list", ["session", "list"])


def test_session_kill(fresh, sessions):
    golden_of(fresh, "session-kill", ["session", "kill", "--job", "notebook", "--yes"], sessions)


# ---- without a gateway ----

def told(name, cases):
    """What each of these commands printed and returned."""
    check(name, "".join(f"== {what}\n{done.out}" + (f"-- messages\n{done.err}" if done.err else "") + f"-- exit status {done.status}\n"
                        for what, done in cases))


def test_check(sanitizer, make_folder):
    path, cases = make_folder("check") / "jobgate.yaml", []
    for what, text in [("good", "listen: [127.0.0.1:8080]\n"), ("a misspelt key", "listen: [127.0.0.1:8080]\nworkres: 1\n"),
                       ("a value of another type", "timeouts:\n  head: soon\n"), ("not YAML", "jobs: [\n")]:
        path.write_text(text)
        done = run([binary(), "check", "-c", path], environment(sanitizer))
        done.out, done.err = (text.replace(str(path), "/etc/jobgate.yaml") for text in (done.out, done.err))
        cases.append((what, done))
    told("check", cases)


def test_store_verify(sanitizer, store):
    def verify():
        return run([binary(), "store", "verify", "--store", store.url], environment(sanitizer))
    fill(store)
    cases = [("good", verify())]
    store.client.hset("jobgate:job:inference", "url", "ftp://nowhere")
    store.client.hset(f"jobgate:token:{TOKENS[0]}", "version", "none")
    store.client.zrem("jobgate:tokens", TOKENS[0])
    told("store-verify", [*cases, ("with faults", verify())])


def test_serve(gateway, store):
    """What it says at its start, without the times and what the workers say meanwhile."""
    eventually(lambda: "ready" in gateway.program.log(), "the gateway to be ready")
    text = "".join(re.findall(r"^\S+ (\w+ \[supervisor\] .*\n)", gateway.program.log(), re.M))
    for found, stands_for in [(str(gateway.config_path), "/etc/jobgate.yaml"), (store.url, "unix:/run/redis.sock"), (str(gateway.port), "8080"),
                              (str(gateway.metrics_port), "9100")]:
        text = text.replace(found, stands_for)
    check("serve", re.sub(r"jobgate \d+\.\d+\.\d+", "jobgate 0.0.0", text))


def test_help(gateway):
    """Every command's help, as the command line itself lists them."""
    text = ""
    for words in help_words(gateway):
        done = gateway.cli(*words, "--help")
        assert (done.status, done.err) == (0, ""), words
        text += f"$ jobgate {' '.join([*words, '--help'])}\n{done.out}\n"
    check("help", text)


def help_words(gateway):
    """[], ["token"], ["token", "create"], ...: all commands there are."""
    def commands(words):
        out = gateway.cli(*words, "--help").out
        section = re.search(r"^Commands:\n((?: .*\n)+)", out, re.M)
        return re.findall(r"^  (\S+)", section[1], re.M) if section else []
    found = [[]]
    for first in commands([]):
        found.append([first])
        found += [[first, second] for second in commands([first])] if first != "store" else []
    return found


def test_json_pipes(gateway, store):
    """-o json is JSON and nothing else, whether on a terminal or not; a failure prints nothing on standard output."""
    fill(store)
    piped = gateway.cli("token", "list", "-o", "json")
    env = environment(gateway.sanitizer, JOBGATE_URL=f"unix:{gateway.socket_path}", TERM="xterm")
    text, status = Screen([gateway.program_path, "token", "list", "-o", "json"], env).end()
    assert (text, status) == (piped.out, 0)
    assert gateway.cli("token", "get", "nosuchtoken00000", "-o", "json").out == ""


def test_no_color(gateway, store):
    """NO_COLOR counts when it is not empty (no-color.org)."""
    fill(store)
    env = environment(gateway.sanitizer, JOBGATE_URL=f"unix:{gateway.socket_path}", TERM="xterm")
    for value, coloured in [("1", False), ("", True)]:
        text, _ = Screen([gateway.program_path, "job", "list"], {**env, "NO_COLOR": value}).end()
        assert ("\x1b" in text) == coloured


# ---- prompts ----

@pytest.fixture
def screen(gateway, store):
    fill(store)
    return lambda *words, **env: Screen([gateway.program_path, *words], environment(
        gateway.sanitizer, JOBGATE_URL=f"unix:{gateway.socket_path}", NO_COLOR="1", **env))


@pytest.mark.parametrize("typed, gone", [("y\n", True), ("Y\n", True), ("yes\n", True), ("n\n", False), ("\n", False), ("\x04", False)])
def test_delete_asks(screen, store, typed, gone):
    terminal = screen("token", "delete", TOKENS[0])
    terminal.expect(rf"Delete token basetoken \({TOKENS[0]}\)\? \[y/N\] $")
    terminal.type(typed)
    text, status = terminal.end()
    assert status == (0 if gone else 1)
    assert ("Deleted token" in text) == gone and ("nothing was changed" in text) != gone
    assert store.client.exists(f"jobgate:token:{TOKENS[0]}") == (0 if gone else 1)


def test_delete_asks_for_each(screen, store):
    terminal = screen("job", "delete", "notebook", "pending", "inference")
    for name, answer in [("notebook", "y\n"), ("pending", "n\n"), ("inference", "y\n")]:
        terminal.expect(rf"Delete job {name}\? \[y/N\] $")
        terminal.type(answer)
    assert terminal.end()[1] == 1
    assert store.client.keys("jobgate:job:*") == ["jobgate:job:pending"]


def test_interrupted_question(screen, store):
    terminal = screen("token", "delete", TOKENS[0])
    terminal.expect(r"\[y/N\] $")
    terminal.type("\x03")
    assert terminal.end()[1] == -2
    assert store.client.exists(f"jobgate:token:{TOKENS[0]}")


def test_renew_asks(screen, store):
    terminal = screen("token", "renew", TOKENS[0])
    terminal.expect(rf"Renew token basetoken \({TOKENS[0]}\)\? \[y/N\] $")
    terminal.type("n\n")
    assert terminal.end()[1] == 1
    assert store.client.hget(f"jobgate:token:{TOKENS[0]}", "version") == "1"
    terminal = screen("token", "renew", TOKENS[0])
    terminal.expect(r"\[y/N\] $")
    terminal.type("y\n")
    text, status = terminal.end()
    assert status == 0 and re.search(r"curl -H 'Authorization: Bearer jgt_\w+'", text)
    assert store.client.hget(f"jobgate:token:{TOKENS[0]}", "version") == "2"


@pytest.mark.parametrize("words, prompt", [
    (["token", "list", "--token-file", "-"], "Token: "), (["authorize", "--job", "notebook"], "Token to judge: ")])
def test_secrets_are_not_echoed(screen, store, words, prompt):
    secret = Records(store.client).token("operator").value
    terminal = screen(*words)
    terminal.expect(re.escape(prompt) + "$")
    terminal.type(secret + "\n")
    text, status = terminal.end()
    assert status == 0, text
    assert secret not in text


def test_job_run_on_a_terminal(screen):
    """A key that interrupts reaches the command once, and its status is ours."""
    terminal = screen("job", "run", "--", "sh", "-c", "trap 'echo caught' INT; echo ready; while :; do sleep 0.1; done")
    terminal.expect("ready")
    terminal.type("\x03")
    terminal.expect("caught")
    terminal.type("\x1c")
    text, status = terminal.end()
    assert status == 128 + 3 and text.count("caught") == 1


def test_job_run_reads_the_terminal(screen):
    terminal = screen("job", "run", "--", "sh", "-c", "read line; echo read: $line; exit 5")
    terminal.type("words\n")
    text, status = terminal.end()
    assert status == 5 and "read: words" in text
