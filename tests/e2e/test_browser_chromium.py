"""Signing in at a job's own host with Chromium leads back to the whole URL, its fragment included."""

import pytest

from harness import chromium
from harness.chromium import PATIENCE, sign_in
from harness.gateway import DOMAIN
from harness.pki import Authority
from harness.process import eventually
from harness.servers import aiohttp_server
from test_browser import narrow

pytestmark = pytest.mark.large  # a browser


@pytest.fixture
def scene(gateways, make_folder, scene_of):
    authority = Authority(make_folder("pki"), "authority")
    gateway = gateways.make({"browser": {"same_host": True}})
    gateway.secure(authority.context(), [authority.issue("jobs", "serverAuth", [f"DNS:*.{DOMAIN}"])]).start()
    return narrow(scene_of(gateway, url=aiohttp_server(make_folder("aiohttp")).url))


@pytest.fixture
def browser(scene, make_folder):
    driver = chromium.start(scene.gateway, make_folder("chromium"))
    yield driver
    driver.quit()


@pytest.mark.parametrize("fragment", ["", "#", "#/runs/7?a=b", "#\"><script>alert(1)</script>", "#@evil.test/%41#b"])
def test_the_fragment_survives(browser, scene, fragment):
    """Also when the first token is wrong. Servers never see it."""
    url = f"https://{scene.host}/page?c=d{fragment}"
    browser.get(url)
    asked = browser.current_url
    sign_in(browser, "jgt_wrong")
    eventually(lambda: browser.find_elements("css selector", "[role=alert]"), "the page to say what is wrong", PATIENCE)
    sign_in(browser, scene.token.value)
    eventually(lambda: not browser.find_elements("id", "token"), "the page of the job", PATIENCE)
    assert browser.current_url.removesuffix("#") == asked.removesuffix("#")
