"""deploy/apps.md: clients of common programs as they are, through a sidecar, an edge gateway, and nginx in front of one."""

import json
import pathlib
import re
import shutil
import subprocess
import zipfile

import pytest

from harness.gateway import DOMAIN, REPOSITORY
from harness.in_front import start_nginx
from harness.process import PATIENCE
from harness.servers import APPS, aiohttp_server, git_server, jupyter_server, openai_server, socketio_server

pytestmark = pytest.mark.large  # npm fetches the clients

PACKAGES = ["openai@6.30.1", "socket.io@4.8.4", "socket.io-client@4.8.4", "@jupyterlab/services@7.6.6", "ws@8.23.0"]
PAGE = (REPOSITORY / "deploy" / "apps.md").read_text()
KEY = "sk-model"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The page's scripts beside the libraries that they load."""
    folder = tmp_path_factory.mktemp("apps")
    subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", folder, *PACKAGES], check=True,
                   stdout=subprocess.DEVNULL, timeout=20 * PATIENCE)
    for name, text in zip(re.findall(r"`(\w+\.mjs)`:", PAGE), re.findall(r"```js\n(.*?)```", PAGE, re.S), strict=True):
        (folder / name).write_text(text)
    shutil.copy(APPS / "socketio_app.js", folder)
    return folder


@pytest.fixture(params=["sidecar", "edge", "nginx"])
def reach(request, gateways, authority, certificate, folder, make_folder, records):
    """Makes a job of a server; gives its URL as clients know it and a token for it."""
    programs = []

    def call(server):
        job, token = records.job(server.url), records.token()
        if request.param == "sidecar":
            jobs = {"domain": None, "prefix": None, "fixed": job, "fixed_url": server.url, "labels": {"team": "blue"}}
            return f"http://127.0.0.1:{gateways.start({'jobs': jobs}).port}", token
        gateway = gateways.make({"backends": {"trusted_proxies": ["127.0.0.1"]}} if request.param == "nginx" else {})
        if request.param == "edge":
            gateway.secure(authority.context(), [certificate])
        gateway.start()
        if request.param == "nginx":
            programs.append(start_nginx(gateway, certificate, make_folder("nginx")))
        return f"https://{job}.{DOMAIN}:{gateway.tls_port}", token
    yield call
    for program in programs:
        program.stop()


@pytest.fixture
def node(folder, authority):
    """Runs a script of the page: its status, what it wrote, and its errors."""
    def call(*words, **environment):
        done = subprocess.run(["node", "--require", APPS / "resolve.js", *words], cwd=folder, capture_output=True, text=True, timeout=8 * PATIENCE,
                              env={"PATH": "/usr/bin:/bin", "NODE_EXTRA_CA_CERTS": str(authority.certificate), **environment})
        return done.returncode, done.stdout, done.stderr
    return call


@pytest.fixture
def served(make_folder):
    """Starts one of the servers."""
    made = []

    def call(start, *words):
        made.append(start(make_folder("app"), *words))
        return made[-1]
    yield call
    for server in made:
        server.stop(patience=60)  # Jupyter ends its kernels


def test_openai(reach, node, served):
    server = served(openai_server)
    url, token = reach(server)

    def ask(value, **environment):
        return node("ask.mjs", "hello world", MODEL_URL=url, JOBGATE_TOKEN=value, **environment)
    assert ask(token.value) == (0, "HELLO WORLD\n", "")
    assert ask(token.value, MODEL="none") == (1, "", "model_not_found: 404 the model none does not exist\n")
    status, out, error = ask(token.value[:30])
    assert (status, out) == (1, "") and re.match(r"invalid_token: 401 .*The end of the token is missing", error), error
    status, out, error = ask("<token>")
    assert (status, out) == (1, "") and error and error in PAGE, error
    assert token.id in server.program.log() and token.value[21:] not in server.program.log()


def test_a_model_with_a_key_of_its_own(reach, node, served):
    server = served(openai_server, KEY)
    url, token = reach(server)
    assert node("ask.mjs", "hello", MODEL_URL=url, JOBGATE_TOKEN=token.value, MODEL_KEY=KEY) == (0, "HELLO\n", "")
    assert node("ask.mjs", "hello", MODEL_URL=url, JOBGATE_TOKEN=token.value, MODEL_KEY="sk-other")[2].startswith("invalid_api_key: 401 the model has")
    assert token.value[21:] not in server.program.log() and KEY in server.program.log()


def test_socketio(reach, node, served, folder):
    server = served(socketio_server, folder)
    url, token = reach(server)
    for transports in (["polling"], ["websocket"], ["polling", "websocket"]):
        status, out, error = node("talk.mjs", *transports, JOB_URL=url, JOBGATE_TOKEN=token.value)
        assert (status, error) == (0, "") and out.split() in [["hello", "over", name] for name in transports], (out, error)
        status, out, error = node("talk.mjs", *transports, JOB_URL=url, JOBGATE_TOKEN="jgt_x")
        assert (status, out) == (1, "") and "401" in error
    assert token.id in server.program.log() and token.value[21:] not in server.program.log()


JUPYTER = ["--NotebookApp.token=", "--NotebookApp.allow_remote_access=True"]


def test_jupyter_without_a_browser(reach, node, served):
    """Jupyter's own client computes. Without disable_check_xsrf it may only read: Jupyter sees no token, and takes it for a page of another site."""
    server = served(jupyter_server, *JUPYTER, "--NotebookApp.disable_check_xsrf=True")
    url, token = reach(server)
    assert node("compute.mjs", "print(6 * 7)", JOB_URL=url, JOBGATE_TOKEN=token.value) == (0, "42\n", "")
    status, out, error = node("compute.mjs", "print(6 * 7)", JOB_URL=url, JOBGATE_TOKEN="jgt_x")
    assert (status, out) == (1, "") and error.startswith("refused: ")
    assert token.value[21:] not in server.program.log()


def test_jupyter_checks_xsrf(reach, node, served):
    server = served(jupyter_server, *JUPYTER)
    url, token = reach(server)
    status, out, error = node("compute.mjs", "print(6 * 7)", JOB_URL=url, JOBGATE_TOKEN=token.value)
    assert (status, out) == (1, "") and error and error in PAGE, error


def test_mlflow(reach, served, authority):
    """Its clients send Basic credentials at once, as this curl does."""
    server = served(aiohttp_server)
    url, token = reach(server)
    command = re.search(r"^\$ (curl -u .*)$", PAGE, re.M)[1]
    port = url.rpartition(":")[2]
    for value, found in ((token.value, 200), ("jgt_x", 401)):
        done = subprocess.run(["bash", "-c", f"{command} -sS -w '\\n%{{http_code}}' --cacert {authority.certificate} --connect-to ::127.0.0.1:{port}"],
                              capture_output=True, text=True, timeout=8 * PATIENCE,
                              env={"PATH": "/usr/bin:/bin", "MLFLOW_TRACKING_URI": url, "MLFLOW_TRACKING_USERNAME": "token", "MLFLOW_TRACKING_PASSWORD": value})
        text, _, status = done.stdout.rpartition("\n")
        assert int(status) == found, done
        if found == 200:
            seen = json.loads(text)
            assert (seen["method"], seen["target"], seen["body"]) == ("POST", "/api/2.0/mlflow/experiments/create", '{"name": "first"}')
            assert "authorization" not in dict(seen["fields"])


@pytest.fixture
def run(make_folder, authority):
    """Runs a program without the settings of this account; all jobs' hosts are this machine, also for Python."""
    folder = make_folder("run")
    (folder / "sitecustomize.py").write_text(
        "import socket\nfound = socket.getaddrinfo\n"
        f"socket.getaddrinfo = lambda host, *rest, **more: found('127.0.0.1' if str(host).endswith('.{DOMAIN}') else host, *rest, **more)\n")

    def call(*argv, fails=False):
        done = subprocess.run([str(word) for word in argv], cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False,
                              env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_NOSYSTEM": "1",
                                   "LANG": "C.UTF-8", "GIT_SSL_CAINFO": str(authority.certificate), "PYTHONPATH": str(folder)})
        assert (done.returncode != 0) == fails, done
        return done.stdout + done.stderr
    call.folder = folder
    return call


def test_git_and_pip(reach, run, served, authority):
    """Two more clients with Basic; test_credential_basic.py has what else they do."""
    server = served(git_server)
    files = pathlib.Path(server.program.argv[-2])
    url, token = reach(server)
    scheme, _, rest = url.partition("://")
    host, _, port = rest.partition(":")
    run("git", "init", "-q", "--bare", "-b", "main", files / "repository.git")
    run("git", "-C", files / "repository.git", "config", "http.receivepack", "true")
    to_job = ["-c", f"http.curloptResolve={host}:{port}:127.0.0.1"] if scheme == "https" else []
    place = f"{scheme}://git:{{}}@{rest}/repository.git"
    run("git", *to_job, "clone", "-q", place.format(token.value), "first")
    run("git", "-C", "first", "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-q", "--allow-empty", "-m", "a change")
    run("git", "-C", "first", *to_job, "push", "-q", "origin", "HEAD:refs/heads/main")
    assert "fatal" in run("git", *to_job, "clone", "-q", place.format("jgt_x"), "second", fails=True)

    index = files / "simple" / "demo"
    index.mkdir(parents=True)
    with zipfile.ZipFile(index / "demo-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("demo-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n")
        wheel.writestr("demo-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("demo-1.0.dist-info/RECORD", "")
    (index / "index.html").write_text('<a href="demo-1.0-py3-none-any.whl">demo-1.0-py3-none-any.whl</a>')
    run("/usr/bin/python3", "-m", "pip", "--isolated", "--disable-pip-version-check", "--no-cache-dir", "--cert", authority.certificate, "download", "-q",
        "--no-deps", "--index-url", f"{scheme}://pip:{token.value}@{rest}/simple/", "-d", "got", "demo")
    assert (run.folder / "got" / "demo-1.0-py3-none-any.whl").exists()
    assert token.id in server.program.log() and token.value[21:] not in server.program.log()
