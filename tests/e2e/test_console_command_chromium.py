"""`jobgate console` in Chromium: the link opens the console, works once, and keeps nothing in the browser."""

import pytest

from harness import chromium
from harness.bridge import Bridge
from harness.console import ConsolePage
from harness.control import Control
from harness.gateway import DOMAIN
from harness.pki import Authority

pytestmark = pytest.mark.large  # a browser


@pytest.fixture(scope="module")
def gateway(module_gateways, make_folder, store):
    authority = Authority(make_folder("pki"), "authority")
    made = module_gateways.make({"workers": 2}, store_url=store.url)
    return made.secure(authority.context(), [authority.issue("jobs", "serverAuth", [f"DNS:*.{DOMAIN}"])]).start()


@pytest.fixture(scope="module")
def browser(gateway, make_folder):
    driver = chromium.start(gateway, make_folder("chromium"))
    yield driver
    driver.quit()


@pytest.fixture
def bridge(gateway, make_folder):
    made = Bridge(gateway, make_folder("bridge"))
    yield made
    made.popen.kill()
    made.popen.wait()


def test_the_link_opens_the_console(gateway, bridge, browser):
    local = Control(gateway.socket_path)
    browser.get(bridge.links[0])
    console = ConsolePage(browser).await_list()
    assert console.text("who") == "Local administrator (local), for all jobs"
    assert browser.current_url == f"{bridge.origin}/console#link" and browser.get_cookies() == []
    assert browser.execute_script("return localStorage.length + sessionStorage.length") == 0
    console.choose("Jobs")
    job = local.job_of(id="shown-live")["id"]
    console.until(lambda: job in console.rows(), "the job, as it is made")
    local.done("DELETE", f"/v1/jobs/{job}", status=204)
    console.until(lambda: job not in console.rows(), "its end")

    browser.get("about:blank")
    browser.get(bridge.links[0])
    console.until_text("message", "This link was used already or is over 5 minutes old: press Enter in the terminal")
    bridge.press_enter()
    browser.get(bridge.links[-1])
    console.await_list()


def test_another_page_can_do_nothing(bridge, browser):
    """Even a page of the same site."""
    browser.get(f"{bridge.origin}/nothing")
    assert "open the link" in browser.page_source
    browser.get("data:text/html,<title>other</title>")
    done = browser.execute_async_script("""
        const [origin, done] = arguments;
        fetch(origin + "/v1/tokens", {method: "POST", mode: "no-cors", body: "{}"}).then(answer => done(answer.type + answer.status), error => done(String(error)))""",
                                        bridge.origin)
    assert done in ("opaque0", "TypeError: Failed to fetch")
    assert bridge.open().status == 200, "it has not used the link"


def asks_for_no_token(console):
    return not console.by_id("console").is_displayed() and console.by_id("again").is_displayed() and \
        not any(console.by_id(name).is_displayed() for name in ("token", "kept"))


def test_a_page_that_came_by_a_link_asks_for_no_token(bridge, browser):
    """What is typed there after the command's end would reach the next server at the port."""
    console = ConsolePage(browser)
    browser.get(bridge.links[0])
    console.await_list()
    console.button("Sign out").click()
    assert asks_for_no_token(console) and "jobgate console" in console.text("again")
    browser.refresh()
    console.until(lambda: asks_for_no_token(console), "a page without a token field")
    bridge.press_enter()
    browser.get(bridge.links[-1])
    console.await_list()
    assert bridge.end() == 0
    browser.execute_script("window.fetch = () => Promise.resolve(new Response('{}', {status: 401}))")  # as another server at the port would answer
    console.until(lambda: asks_for_no_token(console), "the page's end, as its key is refused")
    assert "another token" not in console.text("message")
