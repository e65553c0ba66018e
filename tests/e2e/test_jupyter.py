"""A person in front of Chromium, a notebook behind the gateway: sign in, compute, be revoked."""

import json

import pytest

from harness import chromium
from harness.chromium import PATIENCE, javascript, sign_in
from harness.gateway import DOMAIN
from harness.pki import Authority
from harness.process import Program, accepts, eventually, free_port

pytestmark = pytest.mark.large  # half a gigabyte of packages

NOTEBOOK = {
    "nbformat": 4, "nbformat_minor": 4,
    "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    "cells": [{"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": "print(6 * 7)"}],
}


@pytest.fixture
def jupyter(make_folder):
    folder = make_folder("jupyter")
    (folder / "work").mkdir()
    (folder / "work" / "test.ipynb").write_text(json.dumps(NOTEBOOK))
    port = free_port()
    program = Program(
        ["jupyter-notebook", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}", "--port-retries=0",
         f"--notebook-dir={folder}/work", "--NotebookApp.token=", "--NotebookApp.password=",
         "--NotebookApp.allow_remote_access=True"],
        folder / "jupyter.log", {"PATH": "/usr/bin:/bin", "HOME": str(folder), "LANG": "C.UTF-8"})

    def check():
        assert program.running(), program.log()
        return accepts("127.0.0.1", port)
    eventually(check, "Jupyter to listen", PATIENCE)
    program.url = f"http://127.0.0.1:{port}"
    yield program
    program.stop(patience=60)


@pytest.fixture(params=[False, True], ids=["http1", "http2"])
def secured(request, gateways, make_folder):
    authority = Authority(make_folder("pki"), "authority")
    certificate = authority.issue("jobs", "serverAuth", [f"DNS:*.{DOMAIN}"])
    gateway = gateways.make({"http2": {"clients": request.param}})
    gateway.secure(authority.context(), [certificate])
    gateway.http2 = request.param
    return gateway.start()


@pytest.fixture
def browser(secured, make_folder):
    driver = chromium.start(secured, make_folder("chromium"))
    yield driver
    driver.quit()


# A terminal, and that many WebSockets to it besides the kernel's: all of them are open at a time.
TERMINALS = """
    const count = arguments[0], done = arguments[1], seen = new Set();
    const xsrf = document.cookie.match(/_xsrf=([^;]*)/)[1];
    fetch("/api/terminals", {method: "POST", headers: {"X-XSRFToken": xsrf}}).then(answer => answer.json()).then(terminal => {
        for (let i = 0; i < count; i++) {
            const socket = new WebSocket(`wss://${location.host}/terminals/websocket/${terminal.name}`);
            socket.onmessage = event => {
                if (JSON.parse(event.data)[0] === "setup" && i === count - 1)
                    socket.send(JSON.stringify(["stdin", "echo $((6*7))\\r"]));
                if (/^42/m.test(JSON.parse(event.data)[1]))
                    seen.add(i);
                if (seen.size === count)
                    done(seen.size);
            };
        }
    });
"""


def test_a_person_works_in_a_notebook_until_the_token_is_revoked(browser, jupyter, secured, scene_of, records):
    scene = scene_of(secured, url=jupyter.url)
    other = records.token(selector="team=other")
    page = f"https://{scene.host}/notebooks/test.ipynb"
    browser.get(page)
    assert browser.title == "Sign in"
    sign_in(browser, "jgt_no")
    eventually(lambda: "not valid" in browser.page_source, "a word on the token", PATIENCE)
    sign_in(browser, other.value)
    eventually(lambda: "does not reach this job" in browser.page_source, "a word on its selector", PATIENCE)
    sign_in(browser, scene.token.value)
    eventually(lambda: browser.current_url == page, "to be back where the way began", PATIENCE)

    cookie = browser.get_cookie("__Host-jobgate")
    assert cookie["httpOnly"] and cookie["secure"] and cookie["sameSite"] == "Lax" and cookie["path"] == "/"
    assert "jobgate" not in browser.execute_script("return document.cookie")

    # The kernel's output comes over its WebSocket.
    eventually(lambda: javascript(browser, "Jupyter.notebook.kernel.is_connected()"), "the kernel", PATIENCE)
    javascript(browser, "Jupyter.notebook.execute_all_cells() || true")
    output = "document.querySelector('.output_stdout').innerText.trim()"
    eventually(lambda: javascript(browser, output) == "42", "the cell's output", PATIENCE)
    assert any(name.startswith("jobgate_tunnels") and value >= 1 for name, value in secured.metrics().items())
    assert chromium.protocols(browser) == {"h2" if secured.http2 else "http/1.1"}
    if secured.http2:
        assert browser.execute_async_script(TERMINALS, 20) == 20
        assert secured.metrics()["jobgate_connections"] == 1
    log = jupyter.log()
    assert scene.token.value not in log and cookie["value"] not in log

    records.delete_token(scene.token)
    eventually(lambda: not javascript(browser, "Jupyter.notebook.kernel.is_connected()"), "the kernel to be cut", PATIENCE)
    entries = eventually(lambda: [entry for entry in secured.access_entries() if entry["outcome"] == "revoked"],
                         "the cut in the access log", PATIENCE)
    assert any(entry["path"].startswith("/api/kernels/") and entry["path"].endswith("/channels") for entry in entries)
    browser.get(f"https://{scene.host}/tree")
    assert browser.title == "Sign in" and "Your session has ended" in browser.page_source
