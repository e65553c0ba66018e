"""People sign in where another proxy forwards and asks the gateway: the examples of deploy/proxies with TLS, in Chromium."""

import signal

import pytest

from harness import chromium
from harness.asking import PROXIES, start_asking
from harness.process import eventually
from harness.servers import dashboard_server
from harness.visitor import SIGN_IN_HOST
from test_authorize_endpoint import Asking

pytestmark = pytest.mark.large  # a browser


@pytest.fixture
def job(make_folder):
    server = dashboard_server(make_folder("app"))
    yield server
    server.program.stop(signal.SIGKILL)  # its streams would go on


@pytest.fixture(params=PROXIES.values(), ids=PROXIES)
def scene(request, job, gateways, scene_of, certificate, make_folder):
    """Browsers reach the proxy at the gateway's tls_port."""
    asking = Asking(gateways, None, {"browser": {"host": SIGN_IN_HOST}})
    scene = scene_of(asking.gateway, url=job.url)
    program, asking.gateway.tls_port = start_asking(request.param, asking, job.port, make_folder("proxy"), certificate)
    yield scene
    program.stop()


@pytest.fixture
def browser(scene, make_folder):
    driver = chromium.start(scene.gateway, make_folder("chromium"))
    yield driver
    driver.quit()


def shows(browser, title):
    eventually(lambda: browser.title == title, f"the title {title}", chromium.PATIENCE)


def test_a_person_signs_in_and_out(browser, job, scene):
    page = f"https://{scene.host}/?tab=2&run=a%26b#row-7"
    works = "modules:11175 runs:20 upload:3145728 queue:HELLO socket:rerun-done"
    browser.get(page)
    assert browser.current_url.startswith(f"https://{SIGN_IN_HOST}/sign-in?") and browser.title == "Sign in"
    chromium.sign_in(browser, "jgt_no")
    eventually(lambda: "not valid" in browser.page_source, "a word on the token", chromium.PATIENCE)
    chromium.sign_in(browser, scene.token.value)
    shows(browser, works)
    assert browser.current_url == page
    log = job.program.log()
    assert scene.token.id in log and scene.token.value[21:] not in log and "__Host-jobgate" not in log

    renewed = scene.gateway.cli("token", "renew", scene.token.id, "--yes", "-o", "json").json()["value"]
    browser.refresh()
    assert browser.title == "Sign in" and "ended" in browser.page_source
    chromium.sign_in(browser, renewed)
    shows(browser, works)
    assert browser.current_url == page

    browser.get(f"https://{scene.host}/.jobgate/sign-out")
    browser.find_element("tag name", "button").click()
    shows(browser, "Signed out")
    browser.get(page)
    assert browser.title == "Sign in"
