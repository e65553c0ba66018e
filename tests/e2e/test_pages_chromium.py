"""The pages of the gateway that people see, in Chromium: one style, readable in light and in dark, and no wider than 360 or 1,280 pixels."""

import pytest

from harness import chromium
from harness.chromium import sign_in
from harness.gateway import DOMAIN
from harness.pki import Authority
from harness.process import eventually
from harness.servers import aiohttp_server
from harness.visitor import SIGN_IN_HOST
from test_console_looks_chromium import CONTRAST

pytestmark = pytest.mark.large  # a browser

CONTRAST_MIN = 4.5  # WCAG 2.2, 1.4.3


@pytest.fixture
def scene(gateways, make_folder, scene_of):
    authority = Authority(make_folder("pki"), "authority")
    gateway = gateways.make({"browser": {"host": SIGN_IN_HOST, "help": "Ask Ada."}, "timeouts": {"start": "60s"}})
    gateway.secure(authority.context(), [authority.issue("jobs", "serverAuth", [f"DNS:*.{DOMAIN}"])]).start()
    return scene_of(gateway, url=aiohttp_server(make_folder("aiohttp")).url)


@pytest.fixture
def browser(scene, make_folder):
    driver = chromium.start(scene.gateway, make_folder("chromium"))
    yield driver
    driver.quit()


class Looks:
    """Looks at the page that is shown, and remembers the styles of all."""

    def __init__(self, browser):
        self.browser, self.styles = browser, {}

    def at(self, what, title):
        """The title and each text of the page, at both widths and in both schemes."""
        eventually(lambda: title in self.browser.title, f"the page {what}: {title}", 60)
        self.styles[what] = self.browser.execute_script("return [...document.querySelectorAll('style')].map(style => style.textContent).join()")
        assert "width=device-width" in self.browser.execute_script("return document.querySelector('meta[name=viewport]').content"), what
        for width, height in ((360, 740), (1280, 800)):
            self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                         {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width == 360})
            for scheme in ("light", "dark"):
                self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
                texts = self.browser.execute_script(CONTRAST)
                assert texts and not [text for text in texts if text[0] < CONTRAST_MIN], (what, width, scheme, texts)
                assert self.browser.execute_script("return document.documentElement.scrollWidth") <= width, (what, width, scheme)
                dark = self.browser.execute_script("return getComputedStyle(document.body).color.match(/\\d+/g).every(part => part > 127)")
                assert dark == (scheme == "dark"), (what, scheme)
        self.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_pages(browser, scene, records):
    looks = Looks(browser)
    browser.get(f"https://{scene.host}/page")
    looks.at("sign-in", "Sign in")
    sign_in(browser, "jgt_wrong")
    eventually(lambda: browser.find_elements("css selector", "[role=alert]"), "the sign-in to be refused", 60)
    looks.at("sign-in that was refused", "Sign in")
    sign_in(browser, scene.token.value)
    eventually(lambda: not browser.find_elements("id", "token"), "the sign-in", 60)
    for what, address, title in [
            ("home", f"https://{SIGN_IN_HOST}/", "Signed in"),
            ("a job that starts", f"https://{records.job()}.{DOMAIN}/", "Job is starting"),
            ("no page", f"https://{scene.host}/.jobgate/nothing", "Not found"),
            ("not signed in", f"https://{scene.host}/.jobgate/not-signed-in", "Not signed in"),
            ("sign-out", f"https://{scene.host}/.jobgate/sign-out", "Sign out")]:
        browser.get(address)
        looks.at(what, title)
    browser.find_element("tag name", "button").click()
    looks.at("signed out", "Signed out")
    assert len(set(looks.styles.values())) == 1 and all(looks.styles.values()), looks.styles
