"""Chromium over HTTP/2: WebSockets and more streams than HTTP/1.1 has connections, in one page."""

import signal

import pytest

from harness import chromium
from harness.chromium import PATIENCE, sign_in
from harness.gateway import DOMAIN
from harness.pki import Authority
from harness.process import eventually
from harness.servers import aiohttp_server

pytestmark = pytest.mark.large  # a browser

STREAMS = 20

# WebSockets and event streams, all open at a time; `done` once each has had three messages.
OPEN = """
    window.sockets = []; window.sources = []; window.counts = {}; window.ends = [];
    const count = name => window.counts[name] = (window.counts[name] || 0) + 1;
    for (let i = 0; i < arguments[0]; i++) {
        const socket = new WebSocket(`wss://${location.host}/websocket`, ["chat"]);
        socket.onopen = () => socket.send("0");
        socket.onmessage = event => { if (count(`socket ${i}`) < 3) socket.send(event.data + "x".repeat(20000)); };
        socket.onclose = event => window.ends.push([event.code, event.reason, event.wasClean]);
        window.sockets.push(socket);
        const source = new EventSource(`/events?count=100000&pause=0.05&i=${i}`);
        source.onmessage = () => count(`source ${i}`);
        window.sources.push(source);
    }
"""


@pytest.fixture
def job(make_folder):
    server = aiohttp_server(make_folder("aiohttp"))
    yield server
    server.program.stop(signal.SIGKILL)  # its streams of events would go on


@pytest.fixture
def secured(gateways, make_folder):
    authority = Authority(make_folder("pki"), "authority")
    gateway = gateways.make()
    return gateway.secure(authority.context(), [authority.issue("jobs", "serverAuth", [f"DNS:*.{DOMAIN}"])]).start()


@pytest.fixture
def browser(secured, make_folder):
    driver = chromium.start(secured, make_folder("chromium"))
    yield driver
    driver.quit()


def test_websockets_and_streams_of_one_page(browser, job, secured, scene_of, records):
    scene = scene_of(secured, url=job.url)
    page = f"https://{scene.host}/page"
    browser.get(page)
    sign_in(browser, scene.token.value)
    eventually(lambda: browser.current_url == page, "to be back where the way began", PATIENCE)
    browser.execute_script(OPEN, STREAMS)

    def all_speak():
        counts = browser.execute_script("return window.counts")
        return len(counts) == 2 * STREAMS and all(number >= 3 for number in counts.values())
    eventually(all_speak, "three messages on each of them", PATIENCE)
    assert browser.execute_script("return window.sockets.every(socket => socket.protocol == 'chat')")
    assert secured.metrics()["jobgate_tunnels"] == STREAMS
    assert secured.metrics()["jobgate_connections"] <= 2  # of them all; another one is of the sign-in host
    fetched = browser.execute_async_script("fetch('/small').then(answer => answer.json()).then(arguments[0])")
    assert fetched["target"] == "/small"
    assert chromium.protocols(browser) == {"h2"}

    browser.execute_script("window.sockets[0].close(4000, 'by the page')")
    eventually(lambda: browser.execute_script("return window.ends") == [[1000, "", True]], "aiohttp's answer to a close", PATIENCE)
    eventually(lambda: secured.metrics()["jobgate_tunnels"] == STREAMS - 1, "its tunnel to end", PATIENCE)

    records.delete_token(scene.token)
    closed = eventually(lambda: (found := browser.execute_script("return window.ends")) and len(found) == STREAMS and found,
                        "all sockets to be closed", PATIENCE)
    assert all(code == 1008 and reason == "access has been revoked" for code, reason, _ in closed[1:]), closed

    def revoked():
        return [entry for entry in secured.access_entries() if entry["outcome"] == "revoked" and entry["path"] == "/websocket"]
    eventually(lambda: len(revoked()) == STREAMS - 1, "each of them in the access log", PATIENCE)
