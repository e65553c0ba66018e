"""Applications of deploy/apps.md as people use them: in Chromium, at a sidecar, an edge gateway and behind nginx, until the token is renewed."""

import shutil
import signal
import subprocess

import pytest

from harness import chromium, front
from harness.process import PATIENCE, eventually
from harness.servers import APPS, dashboard_server, socketio_server

pytestmark = pytest.mark.large  # a browser


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("socketio")
    subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", folder, "socket.io@4.8.4"], check=True,
                   stdout=subprocess.DEVNULL, timeout=20 * PATIENCE)
    shutil.copy(APPS / "socketio_app.js", folder)
    return folder


@pytest.fixture(params=front.KINDS)
def opened(request, gateways, records, authority, certificate, make_folder):
    """Starts a server as a job: how a person reaches it, and a browser."""
    made = []

    def call(start, *words):
        server = start(make_folder("app"), *words)
        made.append(lambda: server.program.stop(signal.SIGKILL))  # their streams would go on
        reached = front.Front(request.param, server, gateways, records, authority, certificate, make_folder("front"))
        made.append(reached.stop)
        browser = chromium.start(reached.gateway, make_folder("chromium"))
        made.append(browser.quit)
        return reached, browser
    yield call
    for end in reversed(made):
        end()


def shows(browser, title):
    eventually(lambda: browser.title == title, f"the title {title}", chromium.PATIENCE)


def test_socketio(opened, folder):
    """The page begins with polling and goes on over a WebSocket."""
    reached, browser = opened(socketio_server, folder)
    browser.get(f"https://{reached.host}/")
    chromium.sign_in(browser, reached.token.value)
    shows(browser, "hello over websocket")
    assert reached.token.id in reached.server.program.log() and reached.hidden()


def test_a_dashboard_and_back_after_a_renewal(opened):
    """What Gradio, Streamlit and TensorBoard do. A renewal closes the open page's WebSocket; the next load leads to sign-in and back."""
    reached, browser = opened(dashboard_server)
    page = f"https://{reached.host}/?tab=2#row-7"
    works = "modules:11175 runs:20 upload:3145728 queue:HELLO socket:rerun-done"
    browser.get(page)
    chromium.sign_in(browser, reached.token.value)
    shows(browser, works)
    assert browser.current_url == page
    assert reached.token.id in reached.server.program.log() and reached.hidden()

    renewed = reached.gateway.cli("token", "renew", reached.token.id, "--yes", "-o", "json").json()["value"]
    shows(browser, f"{works} closed")
    browser.refresh()
    assert browser.title == "Sign in" and "ended" in browser.page_source
    chromium.sign_in(browser, renewed)
    shows(browser, works)
    assert browser.current_url == page
