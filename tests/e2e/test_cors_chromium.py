"""Chromium and deploy/cors.html, a page of another origin that calls a job."""

import functools
import http.server
import signal
import threading

import pytest

from harness import chromium
from harness.chromium import PATIENCE
from harness.gateway import DOMAIN, REPOSITORY
from harness.pki import Authority
from harness.process import eventually
from harness.servers import aiohttp_server

pytestmark = pytest.mark.large  # a browser


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def page():
    """Where the page is served: an origin of its own."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=REPOSITORY / "deploy"))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def secured(gateways, make_folder, page):
    authority = Authority(make_folder("pki"), "authority")
    gateway = gateways.make({"cors": {"origins": [page]}})
    return gateway.secure(authority.context(), [authority.issue("jobs", "serverAuth", [f"DNS:*.{DOMAIN}"])]).start()


@pytest.fixture
def browser(secured, make_folder):
    driver = chromium.start(secured, make_folder("chromium"))
    yield driver
    driver.quit()


@pytest.fixture
def job(make_folder):
    server = aiohttp_server(make_folder("aiohttp"))
    yield server
    server.program.stop(signal.SIGKILL)  # its WebSockets would go on


def answer_to(browser, url, token):
    """Fill in the form as a person does."""
    browser.execute_script("show('')")
    for name, value in (("url", url), ("token", token), ("question", "Why?")):
        field = browser.find_element("id", name)
        field.clear()
        field.send_keys(value)
    browser.find_element("tag name", "button").click()
    return eventually(lambda: browser.find_element("id", "answer").text, "an answer", PATIENCE)


# Opens a WebSocket as the page does; resolves to what came of it.
OPEN = """
    const done = arguments[2], socket = open(arguments[0], arguments[1]);
    socket.onopen = () => done([socket.protocol, socket.readyState]);
    socket.onerror = () => done(["error"]);
"""


def test_a_page_calls_a_model(browser, page, job, secured, scene_of, records):
    scene = scene_of(secured, url=job.url)
    url = f"https://{scene.host}"
    browser.get(f"{page}/cors.html")
    answer = answer_to(browser, url, scene.token.value)
    assert '"method": "POST"' in answer and '"/v1/chat/completions"' in answer and scene.token.value not in answer

    # Refusals can be read, and say what to do.
    refused = answer_to(browser, url, scene.token.value[:20])
    assert refused.startswith("401: The end of the token is missing") and "undefined" not in refused
    assert answer_to(browser, url, records.token(selector="team=other").value).startswith("403: ")
    assert answer_to(browser, f"https://no-such-job.{DOMAIN}", scene.token.value).startswith("404: ")

    # A WebSocket needs no preflight; the page offers jobgate.v1, because this job has no subprotocol of its own.
    opened = browser.execute_async_script(OPEN, f"{url}/websocket", scene.token.value)
    assert opened == ["jobgate.v1", 1]
    assert browser.execute_async_script(OPEN, f"{url}/websocket", "jgt_x") == ["error"]
    seen = {entry["outcome"] for entry in secured.access_entries()}
    assert "preflight" in seen


def test_a_page_of_another_origin_reads_nothing(browser, page, job, secured, scene_of):
    scene = scene_of(secured, url=job.url)
    browser.get(page.replace("127.0.0.1", "localhost") + "/cors.html")
    assert "Is this page's origin listed" in answer_to(browser, f"https://{scene.host}", scene.token.value)
