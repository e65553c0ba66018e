"""A person in front of Chromium, a notebook behind the gateway: sign in, compute, be cut by a renewal, come back."""

import json

import pytest

from harness import chromium, front
from harness.chromium import PATIENCE, javascript, sign_in
from harness.process import eventually
from harness.servers import jupyter_server

pytestmark = pytest.mark.large  # half a gigabyte of packages

NOTEBOOK = {
    "nbformat": 4, "nbformat_minor": 4,
    "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    "cells": [{"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": "print(6 * 7)"}],
}


@pytest.fixture
def jupyter(make_folder):
    server = jupyter_server(make_folder("jupyter"), "--NotebookApp.token=", "--NotebookApp.allow_remote_access=True")
    (server.folder / "work" / "test.ipynb").write_text(json.dumps(NOTEBOOK))
    yield server
    server.stop(patience=60)  # it ends its kernels


@pytest.fixture(params=["http1", "http2", "nginx", "sidecar"])
def reached(request, jupyter, gateways, records, authority, certificate, make_folder):
    """The notebook's host at an edge gateway (over HTTP/1.1 or HTTP/2), behind nginx, or at a sidecar."""
    kind = request.param if request.param in front.KINDS else "edge"
    reached = front.Front(kind, jupyter, gateways, records, authority, certificate, make_folder("front"), http2=request.param != "http1")
    reached.name = request.param
    yield reached
    reached.stop()


@pytest.fixture
def browser(reached, make_folder):
    driver = chromium.start(reached.gateway, make_folder("chromium"))
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


CONNECTED = "Jupyter.notebook.kernel.is_connected()"


def compute(browser):
    """Runs the notebook; the kernel's output comes over its WebSocket."""
    eventually(lambda: javascript(browser, CONNECTED), "the kernel", PATIENCE)
    javascript(browser, "Jupyter.notebook.clear_all_output() || Jupyter.notebook.execute_all_cells() || true")
    eventually(lambda: javascript(browser, "document.querySelector('.output_stdout').innerText.trim()") == "42", "the cell's output", PATIENCE)


def test_a_person_works_in_a_notebook_until_the_token_is_renewed_and_deleted(browser, jupyter, reached, records):
    gateway, token = reached.gateway, reached.token
    other = records.token(selector="team=other")
    page = f"https://{reached.host}/notebooks/test.ipynb"
    browser.get(page)
    assert browser.title == "Sign in"
    sign_in(browser, "jgt_no")
    eventually(lambda: "not valid" in browser.page_source, "a word on the token", PATIENCE)
    sign_in(browser, other.value)
    eventually(lambda: "does not reach this job" in browser.page_source, "a word on its selector", PATIENCE)
    sign_in(browser, token.value)
    eventually(lambda: browser.current_url == page, "to be back where the way began", PATIENCE)

    cookie = browser.get_cookie("__Host-jobgate")
    assert cookie["httpOnly"] and cookie["secure"] and cookie["sameSite"] == "Lax" and cookie["path"] == "/"
    assert "jobgate" not in browser.execute_script("return document.cookie")

    compute(browser)
    assert any(name.startswith("jobgate_tunnels") and value >= 1 for name, value in gateway.metrics().items())
    assert chromium.protocols(browser) == {"http/1.1" if reached.name == "http1" else "h2"}
    if reached.name == "http2":
        assert browser.execute_async_script(TERMINALS, 20) == 20
        assert gateway.metrics()["jobgate_connections"] <= 2  # one to this host, and one to the sign-in host
    assert reached.hidden() and cookie["value"] not in jupyter.program.log()

    renewed = gateway.cli("token", "renew", token.id, "--yes", "-o", "json").json()["value"]
    eventually(lambda: not javascript(browser, CONNECTED), "the kernel to be cut", PATIENCE)
    entries = eventually(lambda: [entry for entry in gateway.access_entries() if entry["outcome"] == "revoked"],
                         "the cut in the access log", PATIENCE)
    assert any(entry["path"].startswith("/api/kernels/") and entry["path"].endswith("/channels") for entry in entries)

    # The next load of the open notebook leads to the sign-in, and from there back to it.
    browser.get(page)
    assert browser.title == "Sign in" and "has ended" in browser.page_source
    sign_in(browser, renewed)
    eventually(lambda: browser.current_url == page, "to be back in the notebook", PATIENCE)
    compute(browser)
    assert renewed not in jupyter.program.log()

    records.delete_token(token)
    eventually(lambda: not javascript(browser, CONNECTED), "the kernel to be cut again", PATIENCE)
    browser.get(f"https://{reached.host}/tree")
    assert browser.title == "Sign in" and "has ended" in browser.page_source
