"""Applications of deploy/apps.md as people use them: in Chromium, at an edge gateway and behind nginx, until the token is renewed."""

import shutil
import signal
import subprocess

import pytest

from harness import chromium
from harness.in_front import start_nginx
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


@pytest.fixture(params=["edge", "nginx"])
def gateway(request, gateways, authority, certificate, make_folder):
    """A gateway whose jobs browsers reach at tls_port: its own, or that of nginx."""
    if request.param == "edge":
        yield gateways.make().secure(authority.context(), [certificate]).start()
        return
    gateway = gateways.start({"backends": {"trusted_proxies": ["127.0.0.1"]}})
    program = start_nginx(gateway, certificate, make_folder("nginx"))
    yield gateway
    program.stop()


@pytest.fixture
def browser(gateway, make_folder):
    driver = chromium.start(gateway, make_folder("chromium"))
    yield driver
    driver.quit()


@pytest.fixture
def served(make_folder):
    """Starts one of the servers."""
    made = []

    def call(start, *words):
        made.append(start(make_folder("app"), *words))
        return made[-1]
    yield call
    for server in made:
        server.program.stop(signal.SIGKILL)  # their streams would go on


def shows(browser, title):
    eventually(lambda: browser.title == title, f"the title {title}", chromium.PATIENCE)


def test_socketio(gateway, browser, served, scene_of, folder):
    """The page begins with polling and goes on over a WebSocket."""
    server = served(socketio_server, folder)
    scene = scene_of(gateway, url=server.url)
    browser.get(f"https://{scene.host}/")
    chromium.sign_in(browser, scene.token.value)
    shows(browser, "hello over websocket")
    assert scene.token.id in server.program.log() and scene.token.value[21:] not in server.program.log()


def test_a_dashboard_and_back_after_a_renewal(gateway, browser, served, scene_of):
    """What Gradio, Streamlit and TensorBoard do. A renewal closes the open page's WebSocket; the next load leads to sign-in and back."""
    server = served(dashboard_server)
    scene = scene_of(gateway, url=server.url)
    page = f"https://{scene.host}/?tab=2#row-7"
    works = "modules:11175 runs:20 upload:3145728 queue:HELLO socket:rerun-done"
    browser.get(page)
    chromium.sign_in(browser, scene.token.value)
    shows(browser, works)
    assert browser.current_url == page
    log = server.program.log()
    assert scene.token.id in log and scene.token.value[21:] not in log and "jobgate=" not in log

    renewed = gateway.cli("token", "renew", scene.token.id, "--yes", "-o", "json").json()["value"]
    shows(browser, f"{works} closed")
    browser.refresh()
    assert browser.title == "Sign in" and "ended" in browser.page_source
    chromium.sign_in(browser, renewed)
    shows(browser, works)
    assert browser.current_url == page
