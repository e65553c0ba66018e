"""One sign-in for two jobs in Chromium, and one sign-out; the whole URL survives, its fragment included."""

import hashlib
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


@pytest.fixture
def scenes(gateways, make_folder, scene_of):
    """Two jobs of one token."""
    authority = Authority(make_folder("pki"), "authority")
    gateway = gateways.make({"browser": {"host": SIGN_IN_HOST}})
    gateway.secure(authority.context(), [authority.issue("jobs", "serverAuth", [f"DNS:*.{DOMAIN}"])]).start()
    first = scene_of(gateway, url=aiohttp_server(make_folder("aiohttp")).url)
    return first, scene_of(gateway, token=first.token, url=aiohttp_server(make_folder("aiohttp")).url)


@pytest.fixture
def browser(scenes, make_folder):
    driver = chromium.start(scenes[0].gateway, make_folder("chromium"))
    yield driver
    driver.quit()


def on_page_of(browser, host):
    return eventually(lambda: browser.current_url.startswith(f"https://{host}") and not browser.find_elements("id", "token"),
                      f"a page of {host}", PATIENCE)


def sign_out(browser, host):
    browser.get(f"https://{host}/.jobgate/sign-out")
    browser.find_element("tag name", "button").click()
    eventually(lambda: "Signed out" in browser.title, "the page to say so", PATIENCE)


def test_one_sign_in_for_two_jobs(browser, scenes):
    first, second = scenes
    browser.get(f"https://{first.host}/page?c=d#/runs/7?a=b")
    assert browser.current_url.startswith(f"https://{SIGN_IN_HOST}")
    sign_in(browser, "jgt_wrong")
    eventually(lambda: browser.find_elements("css selector", "[role=alert]"), "the page to say what is wrong", PATIENCE)
    sign_in(browser, first.token.value)
    on_page_of(browser, first.host)
    assert browser.current_url.endswith("/page?c=d#/runs/7?a=b")
    assert browser.execute_script("return document.referrer") == ""  # the job does not learn of the page
    assert browser.execute_script("return document.cookie") == ""
    # The second job: no question.
    browser.get(f"https://{second.host}/other#x")
    on_page_of(browser, second.host)
    assert browser.current_url.endswith("/other#x")
    # Signed out at one, signed out at the other.
    sign_out(browser, second.host)
    for scene in scenes:
        browser.get(f"https://{scene.host}/page")
        assert browser.current_url.startswith(f"https://{SIGN_IN_HOST}") and browser.find_elements("id", "token")


def test_the_back_button_after_signing_out(browser, scenes):
    """It leads to the sign-in: the browser no longer has the job's page, which it had kept."""
    scene = scenes[0]
    browser.get(f"https://{scene.host}/page")
    sign_in(browser, scene.token.value)
    on_page_of(browser, scene.host)
    sign_out(browser, scene.host)
    while browser.current_url != f"https://{scene.host}/page" and not browser.find_elements("id", "token"):
        assert "Sign" in browser.title, browser.page_source
        browser.back()
    eventually(lambda: browser.find_elements("id", "token"), "the page where people sign in", PATIENCE)


def test_the_page_is_not_framed(browser, scenes):
    """Nor do frames and scripts of a job get a sign-in of another one."""
    first, second = scenes
    browser.get(f"https://{first.host}/")
    sign_in(browser, first.token.value)
    on_page_of(browser, first.host)
    framed = browser.execute_async_script("""
        const [url, done] = arguments, frame = document.createElement("iframe");
        frame.onload = () => { let seen = "blocked"; try { seen = frame.contentDocument ? "read" : "blocked"; } catch (e) {} done(seen); };
        frame.src = url; document.body.append(frame);""", f"https://{second.host}/")
    assert framed == "blocked"
    fetched = browser.execute_async_script("""
        const [url, done] = arguments;
        fetch(url, {credentials: "include"}).then(r => r.text()).then(done, () => done("refused"));""", f"https://{second.host}/")
    assert fetched == "refused"


@pytest.mark.parametrize("signed_in", [True, False], ids=["signed in", "to sign in"])
def test_a_script_of_the_job_gets_no_code(browser, scenes, signed_in):
    """It chooses the nonce, and opens the way to its own job's host. Whatever it learns of the window opens nothing elsewhere."""
    scene, nonce = scenes[0], "B" * 32
    browser.get(f"https://{scene.host}/")
    sign_in(browser, scene.token.value)
    on_page_of(browser, scene.host)
    if not signed_in:  # the victim signs in within the window
        browser.delete_all_cookies()
        browser.get(f"https://{SIGN_IN_HOST}/")
        browser.delete_all_cookies()
        browser.get(f"https://{scene.host}/.jobgate/sign-out")
    way = urllib.parse.urlencode({"to": f"https://{scene.host}/", "nonce": hashlib.sha256(nonce.encode()).hexdigest()})
    opener = browser.current_window_handle
    browser.execute_script("""
        const opened = window.open(arguments[0]);
        window.seen = [];
        setInterval(() => { try { window.seen.push(opened.location.href); } catch (e) {} }, 1);""", f"https://{SIGN_IN_HOST}/sign-in?{way}")
    window, = eventually(lambda: set(browser.window_handles) - {opener}, "the window", PATIENCE)
    browser.switch_to.window(window)
    if not signed_in:
        eventually(lambda: browser.find_elements("id", "token"), "the page", PATIENCE)
        sign_in(browser, scene.token.value)
    eventually(lambda: "Not signed in" in browser.title, "the page that says so", PATIENCE)
    assert browser.current_url == f"https://{scene.host}/.jobgate/not-signed-in"
    assert browser.execute_script("return [window.opener, document.referrer]") == [None, ""]
    assert "code=" not in browser.execute_script("return JSON.stringify(navigation.entries().map(entry => entry.url))")
    browser.switch_to.window(opener)
    assert set(browser.execute_script("return window.seen")) <= {"about:blank"}
