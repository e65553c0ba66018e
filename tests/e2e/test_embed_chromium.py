"""Jobs in frames of a portal of the same site, in Chromium: signing in from the frame, and who else is kept out."""

import http.server
import ssl
import threading
import urllib.parse

import pytest

from harness import chromium
from harness.chromium import PATIENCE, sign_in
from harness.gateway import DOMAIN
from harness.pki import Authority
from harness.process import eventually
from harness.servers import aiohttp_server
from harness.visitor import SIGN_IN_HOST

pytestmark = pytest.mark.large  # a browser

PORTAL, SIBLING, EVIL = f"portal.{DOMAIN}", f"sibling.{DOMAIN}", "evil.example.test"


class Page(http.server.BaseHTTPRequestHandler):
    """A page with one frame, whose address is in the query."""

    def do_GET(self):
        address = urllib.parse.unquote(urllib.parse.urlsplit(self.path).query)
        content = f'<!DOCTYPE html><title>around</title><iframe src="{address}" width="600" height="400"></iframe>'.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def authority(make_folder):
    return Authority(make_folder("pki"), "authority")


@pytest.fixture(scope="module")
def around(authority):
    """The port of the pages around."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("around", "serverAuth", [f"DNS:{PORTAL}", f"DNS:{SIBLING}", f"DNS:{EVIL}"]))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.fixture
def scene(gateways, authority, make_folder, scene_of):
    gateway = gateways.make({"browser": {"embed": [f"https://{PORTAL}"]}})
    gateway.secure(authority.context(), [authority.issue("jobs", "serverAuth", [f"DNS:*.{DOMAIN}"])]).start()
    return scene_of(gateway, url=aiohttp_server(make_folder("aiohttp")).url)


@pytest.fixture
def browser(scene, around, make_folder):
    driver = chromium.start(scene.gateway, make_folder("chromium"), [(host, around) for host in (PORTAL, SIBLING, EVIL)])
    yield driver
    driver.quit()


def show(browser, host, address):
    """Open the page around a frame with this address, and go into the frame."""
    browser.switch_to.default_content()
    browser.get(f"https://{host}/?" + urllib.parse.quote(address, safe=""))
    browser.switch_to.frame(browser.find_element("tag name", "iframe"))


def text(browser):
    return browser.find_element("tag name", "body").text


def is_blocked(browser):
    """The page with which Chromium stands in for what may not be framed, or a refusal; nothing of it is readable to the page around."""
    eventually(lambda: "refused to connect" in browser.page_source or "blocked" in browser.page_source, "the frame to be blocked", PATIENCE)
    return not browser.find_elements("id", "token") and '"target"' not in browser.page_source


def test_a_portal_shows_a_job(browser, scene):
    job = f"https://{scene.host}/page?x=1"
    show(browser, PORTAL, job)
    assert "not signed in" in text(browser) and not browser.find_elements("tag name", "input")
    window = browser.current_window_handle
    browser.find_element("partial link text", "new window").click()
    other, = eventually(lambda: set(browser.window_handles) - {window}, "the window", PATIENCE)
    browser.switch_to.window(other)
    eventually(lambda: browser.find_elements("id", "token"), "the sign-in page", PATIENCE)
    assert browser.current_url.startswith(f"https://{SIGN_IN_HOST}/") and browser.execute_script("return window.opener") is None
    sign_in(browser, scene.token.value)
    eventually(lambda: browser.current_url == job, "the job in the window", PATIENCE)
    browser.close()
    browser.switch_to.window(window)
    browser.switch_to.frame(browser.find_element("tag name", "iframe"))
    browser.find_element("partial link text", "I have signed in").click()
    eventually(lambda: '"target"' in browser.page_source, "the job in the frame", PATIENCE)
    show(browser, PORTAL, job)  # and from now on, at once
    eventually(lambda: '"target"' in browser.page_source, "the job in the frame", PATIENCE)


def test_others_do_not(browser, scene):
    """Neither another site, nor another job; and nobody shows the pages where people type or click. The job learns of no request."""
    browser.get(f"https://{scene.host}/page")
    sign_in(browser, scene.token.value)
    eventually(lambda: browser.current_url == f"https://{scene.host}/page", "to be signed in", PATIENCE)
    show(browser, PORTAL, f"https://{scene.host}/framed")
    eventually(lambda: '"target"' in browser.page_source, "the job in the portal", PATIENCE)
    for host in (EVIL, SIBLING):
        show(browser, host, f"https://{scene.host}/stolen")
        assert is_blocked(browser), host
    for address in (f"https://{scene.host}/.jobgate/sign-out", f"https://{SIGN_IN_HOST}/", f"https://{SIGN_IN_HOST}/sign-out"):
        show(browser, PORTAL, address)
        assert is_blocked(browser), address
    lines = [entry for entry in scene.gateway.access_entries() if entry["path"] == "/stolen"]
    assert [entry["status"] for entry in lines] == [401, 403]  # the browser sends no cookie from another site
