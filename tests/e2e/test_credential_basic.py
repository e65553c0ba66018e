"""Programs that know only the scheme Basic, as they are: git, pip and curl; and where it is offered (RFC 7617)."""

import base64
import os
import subprocess
import zipfile

import pytest

from harness.gateway import DOMAIN
from harness.scene import request_bytes
from harness.servers import git_server


@pytest.fixture(scope="module")
def gateway(module_gateways):
    return module_gateways.start({"backends": {"trusted_proxies": ["127.0.0.2"]}})


@pytest.fixture
def scene(gateway, scene_of):
    return scene_of(gateway)


@pytest.fixture
def folder(make_folder):
    return make_folder("git")


@pytest.fixture
def server(folder):
    server = git_server(folder)
    yield server
    server.stop()


def run(folder, *argv, fails=False, **environment):
    """Run a program without the settings of this account."""
    result = subprocess.run([str(word) for word in argv], cwd=folder, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
                            env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_NOSYSTEM": "1",
                                 "LANG": "C.UTF-8", "no_proxy": "*", **environment})
    assert (result.returncode != 0) == fails, result
    return result.stdout + result.stderr


def job_url(scene, server, user):
    """The URL of a job in the path form, with a user and a password."""
    return f"http://{user}@127.0.0.1:{scene.gateway.port}/jobs/{scene.records.job(server.url)}"


def not_seen(server, token):
    """The job has got requests, and nothing of the token."""
    log = server.program.log()
    assert token.id in log and token.value[21:] not in log and "'Authorization'" not in log
    assert base64.b64encode(f"git:{token.value}".encode()).decode()[8:-8] not in log


def commit(folder, text):
    (folder / "file").write_text(text)
    run(folder, "git", "add", "file")
    run(folder, "git", "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-q", "-m", "a change")


@pytest.mark.parametrize("user", ["git:{}", "{}:", "{}"], ids=["password", "user and an empty password", "user"])
def test_git(scene, server, folder, user):
    """It sends no password before it is asked for one."""
    run(folder, "git", "init", "-q", "--bare", "repository.git")
    run(folder, "git", "-C", "repository.git", "config", "http.receivepack", "true")
    url = job_url(scene, server, user.format(scene.token.value)) + "/repository.git"
    if user == "{}":  # git asks for the password, which is empty
        (folder / "askpass").write_text("#!/bin/sh\necho\n")
        (folder / "askpass").chmod(0o755)
    ask = {"GIT_ASKPASS": str(folder / "askpass")} if user == "{}" else {}
    run(folder, "git", "clone", "-q", url, "first", **ask)
    commit(folder / "first", "hello")
    run(folder / "first", "git", "push", "-q", "origin", "HEAD:refs/heads/main", HOME=str(folder), **ask)
    # More than git holds in one request: it sends chunks.
    commit(folder / "first", base64.b64encode(os.urandom(3 << 20)).decode())
    run(folder / "first", "git", "push", "-q", "origin", "HEAD:refs/heads/main", HOME=str(folder), **ask)
    run(folder, "git", "clone", "-q", "-b", "main", url, "second", **ask)
    assert (folder / "second" / "file").read_text() == (folder / "first" / "file").read_text()
    not_seen(server, scene.token)


def test_git_with_a_token_that_is_refused(scene, server, folder, records):
    run(folder, "git", "init", "-q", "--bare", "repository.git")
    for value in ("jgt_x", records.token(selector="team=other").value):
        assert "fatal" in run(folder, "git", "clone", "-q", job_url(scene, server, f"git:{value}") + "/repository.git", "first", fails=True)
    assert server.program.log() == ""


def test_pip(scene, server, folder):
    """An index of packages."""
    index = folder / "simple" / "demo"
    index.mkdir(parents=True)
    with zipfile.ZipFile(index / "demo-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("demo.py", "x = 1\n")
        wheel.writestr("demo-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n")
        wheel.writestr("demo-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("demo-1.0.dist-info/RECORD", "")
    (index / "index.html").write_text('<a href="demo-1.0-py3-none-any.whl">demo-1.0-py3-none-any.whl</a>')
    url = job_url(scene, server, f"pip:{scene.token.value}") + "/simple/"
    run(folder, "/usr/bin/python3", "-m", "pip", "--isolated", "--disable-pip-version-check", "--no-cache-dir", "download", "-q", "--no-deps",
        "--index-url", url, "-d", folder / "got", "demo")
    assert (folder / "got" / "demo-1.0-py3-none-any.whl").exists()
    not_seen(server, scene.token)


def test_curl(scene, server, folder):
    """curl -u sends it at once."""
    (folder / "simple").mkdir()
    (folder / "simple" / "file").write_text("here")
    assert run(folder, "curl", "-fsS", job_url(scene, server, f"curl:{scene.token.value}") + "/simple/file") == "here"
    assert "401" in run(folder, "curl", "-fsS", job_url(scene, server, "curl:jgt_x") + "/simple/file", fails=True)
    not_seen(server, scene.token)


@pytest.mark.parametrize("source, fields, offered", [
    ("127.0.0.1", [], True), ("127.0.0.1", ["X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: http"], True),
    ("127.0.0.2", ["X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: https"], True),
    ("127.0.0.2", ["X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: http"], False), ("127.0.0.2", ["X-Forwarded-For: 192.0.2.1"], False),
    ("127.0.0.2", [], False), ("127.0.0.2", ["X-Forwarded-For: 127.0.0.1"], True)])
def test_it_is_not_offered_in_cleartext(scene, source, fields, offered):
    """A client that is asked for its password sends it. In cleartext only this machine would hear it."""
    for host in (scene.host, f"other.{DOMAIN}"):
        response = scene.new_client(source).exchange(request_bytes(host, fields=fields))
        assert response.status == 401
        assert response.all("www-authenticate")[1:] == (['Basic realm="jobgate"'] if offered else [])
    with scene.gateway.client(source) as client:  # one that is sent counts, in any case
        basic = base64.b64encode(f"git:{scene.token.value}".encode()).decode()
        client.send(request_bytes(scene.host, fields=[f"Authorization: Basic {basic}", *fields]))
        with scene.backend.next() as connection:
            connection.read_request()
            connection.answer()
        assert client.read_response().status == 200
