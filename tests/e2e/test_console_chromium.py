"""The console in Chromium: signing in, what is listed, that it is live, and what attackers get."""

import json
import urllib.parse

import pytest

from harness import chromium
from harness.console import ConsolePage, HOST
from harness.control import Control
from harness.gateway import DOMAIN
from harness.pki import Authority
from harness.raw import Backend
from harness.scene import Scene
from harness.servers import aiohttp_server
from harness.store import Token, random_id
from test_upgrade import open_tunnel

pytestmark = pytest.mark.large  # a browser


@pytest.fixture(scope="module")
def secured(module_gateways, make_folder, store):
    """A store of its own: the lists hold what the test has made."""
    authority = Authority(make_folder("pki"), "authority")
    gateway = module_gateways.make({"control": {"host": HOST}, "workers": 2, "limits": {"connections_per_client": 0}}, store_url=store.url)
    return gateway.secure(authority.context(), [authority.issue("jobs", "serverAuth", [f"DNS:*.{DOMAIN}"])]).start()


class Made:
    """Makes records, and ends them, as the local administrator."""

    def __init__(self, gateway):
        self.local = Control(gateway.socket_path)

    def token(self, role="read", selector="", name="test"):
        made = self.local.token_of(name, role, selector)
        return Token(made["id"], made["value"], name, role, selector)

    def job(self, job_id, url=None, labels=None):
        """Its id; with a URL alone, as scenes make it."""
        if "://" in job_id:
            job_id, url = random_id(8), job_id
        self.local.job_of(id=job_id, labels=labels or {}, **({"url": url} if url else {}))
        return job_id

    def delete_token(self, token):
        self.local.done("DELETE", f"/v1/tokens/{token.id}", status=204)


@pytest.fixture
def records(secured):
    made = Made(secured)
    for kind in ("tokens", "jobs"):
        for item in made.local.done("GET", f"/v1/{kind}")["items"]:
            assert made.local.call("DELETE", f"/v1/{kind}/{item['id']}").status in (200, 204)
    return made


@pytest.fixture(scope="module")
def browser(secured, make_folder):
    driver = chromium.start(secured, make_folder("chromium"))
    yield driver
    errors = [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE" and
              entry["message"].startswith(f"https://{HOST}/console")]
    driver.quit()
    assert not errors, errors


@pytest.fixture
def console(browser):
    return ConsolePage(browser).open()


@pytest.fixture
def operator(records):
    return records.token("operator", name="ops")


@pytest.mark.parametrize("value, words", [
    ("nonsense", "This is not a token"), ("jgt_wrong", "end of the token is missing"), ("read", "role operator"), ("revoked", "The token is not valid")])
def test_who_is_no_operator(console, records, value, words):
    token = records.token("read" if value == "read" else "operator")
    if value == "revoked":
        records.delete_token(token)
    console.enter(token.value if value in ("read", "revoked") else value)
    console.until_text("message", words)
    assert console.by_id("message").get_attribute("role") == "alert" and not console.by_id("console").is_displayed()
    assert console.focused() == console.by_id("token") and console.by_id("token").get_property("value") == ""


def test_a_sign_in_without_an_answer(console, browser, operator):
    """Nothing tries again, and the page has forgotten the token, so it says what to do."""
    browser.execute_script("window.real = window.fetch; window.fetch = () => Promise.reject(new TypeError())")
    console.enter(operator.value)
    console.until_text("message", "Check the network, then paste the token again.")
    assert "by itself" not in console.text("message") and console.by_id("token").get_property("value") == ""
    browser.execute_script("window.fetch = window.real")
    console.sign_in(operator)


def test_what_is_listed(console, records, operator):
    records.job("notebook", "http://127.0.0.1:1", {"team": "a"})
    records.job("pending")
    other = records.token("read", "team=a", "ci")
    console.sign_in(operator)
    assert console.text("who") == f"ops ({operator.id}), for all jobs"
    console.choose("Jobs").until_rows(["notebook", "pending"])
    assert console.rows()["notebook"][:2] == ["http://127.0.0.1:1", "team=a"] and console.rows()["pending"][0] == "no URL yet"
    assert console.text("count") == "2 jobs"
    console.choose("Tokens").until_rows(["ops", "ci"])
    assert console.rows()["ci"][:3] == [other.id, "read", "team=a"]
    dialog = console.open_row("ci")
    assert other.id in dialog.text and "team=a" in dialog.text
    console.press("\ue00c")  # Escape
    console.until(lambda: not dialog.is_displayed(), "the dialog to be closed")
    assert console.focused().text == "ci" and other.id not in console.text("dialog-body")


def test_a_revocation_shows_as_it_happens(console, records, operator):
    token = records.token("read", "", "leaving")
    console.sign_in(operator)
    console.await_live()
    console.choose("Tokens").until_rows(["ops", "leaving"])
    assert console.browser.find_element("id", "no-log").is_displayed()
    asked = console.asked().count("v1/tokens?limit=1000")
    records.delete_token(token)
    console.until_rows(["ops"])
    console.until_log(f"Token leaving ({token.id}) is gone.")
    assert console.asked().count("v1/tokens?limit=1000") == asked  # it was told, not found
    late = records.token("read", "", "late")
    console.until_rows(["ops", "late"])
    console.until_log(f"Token late ({late.id}) is new.")
    records.local.done("POST", f"/v1/tokens/{late.id}/renew")
    console.until_log(f"Token late ({late.id}) was renewed")
    assert not console.browser.find_element("id", "no-log").is_displayed() and console.asked().count("v1/tokens?limit=1000") == asked


def test_a_revocation_shows_wherever_one_looks(console, records, operator):
    """The log has it, whichever list is shown."""
    token = records.token("read", "", "leaving")
    console.sign_in(operator).choose("Tokens").until_rows(["ops", "leaving"])
    console.await_live()
    console.choose("Jobs")
    records.delete_token(token)
    console.until_log(f"Token leaving ({token.id}) is gone.")


def test_without_the_stream_the_lists_tell(console, browser, records, operator):
    """Some proxies do not pass it on."""
    browser.execute_script("const real = window.fetch; window.fetch = (path, ...rest) => path === 'v1/events' ? Promise.reject(new TypeError()) : real(path, ...rest)")
    token = records.token("read", "", "leaving")
    console.sign_in(operator).choose("Tokens").until_rows(["ops", "leaving"])
    records.delete_token(token)
    console.until_rows(["ops"])
    console.until_log(f"Token leaving ({token.id}) is gone.")


def test_what_is_out_of_reach_comes_back(console, browser, operator):
    """Each change is told once, and nothing of what was up from the start."""
    told = [("start", {"changes": True, "sessions": True}), ("store", {"up": True}), ("worker", {"worker": 0, "up": True}),
            *(("store", {"up": up}) for up in (False, False, True, True)), *(("worker", {"worker": 1, "up": up}) for up in (False, True))]
    text = "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in told)
    browser.execute_script("""
        const real = window.fetch, bytes = new TextEncoder().encode(arguments[0]);
        window.fetch = (path, ...rest) => path === 'v1/events' ? Promise.resolve(new Response(new ReadableStream({start: (one) => one.enqueue(bytes)}))) : real(path, ...rest)""", text)
    console.sign_in(operator)
    console.until_log("Worker 1 can be reached again.")
    lines = [line.split(" ", 1)[1] for line in reversed([item.text for item in browser.find_elements("css selector", "#log li")])]
    assert lines == ["The store is out of reach.", "The store can be reached again.", "Worker 1 is out of reach.", "Worker 1 can be reached again."]


def test_what_was_missed_is_read_again_once(console, browser, operator):
    """A busy gateway tells several times a second that sessions were missed: only their own list is read again, and not at once each time."""
    browser.execute_script("""
        const real = window.fetch;
        window.tell = (name, data, times) => {
            for (; times > 0; times--)
                window.stream.enqueue(new TextEncoder().encode(`event: ${name}\\ndata: ${JSON.stringify(data)}\\n\\n`));
        };
        window.fetch = (path, ...rest) => path === 'v1/events' ? Promise.resolve(new Response(new ReadableStream({start: (one) => window.stream = one}))) : real(path, ...rest)""")

    def tell(name, data, times=1):
        browser.execute_script("window.tell(...arguments)", name, data, times)

    def lists():
        return console.asked().count("v1/tokens?limit=1000")
    console.sign_in(operator)
    tell("start", {"changes": True, "sessions": True})
    console.await_live()
    console.choose("Tokens").until_rows(["ops"])
    before = lists()
    tell("missed", {"what": "sessions"}, 50)
    tell("store", {"up": False})
    console.until_log("The store is out of reach.")
    tell("missed", {"what": "records"}, 50)
    console.until(lambda: lists() > before, "the list to be read again")
    tell("token", {"id": operator.id, "record": None})
    console.until_log(f"({operator.id}) is gone.")
    assert lists() == before + 1


def test_a_session_shows_while_it_runs(console, records, operator, secured):
    console.sign_in(operator)
    assert console.text("empty") == "Nothing runs now."
    backend = Backend()
    scene = Scene(secured, records, records.token("read", "", "someone"), backend)
    open_tunnel(scene)
    console.until_rows([scene.job])
    console.until(lambda: console.rows()[scene.job][3] == "tunnel", "its state to be read")
    assert console.rows()[scene.job][0] == "someone"
    assert "1 session now" in console.text("charts")
    records.delete_token(scene.token)
    console.until_rows([])
    console.until_log("1 session was ended by a revocation or an operator.")
    scene.close()


def test_a_scoped_operator_sees_its_scope(console, records):
    records.job("mine", None, {"team": "a"})
    records.job("theirs", None, {"team": "b"})
    records.token("read", "team=b", "stranger")
    token = records.token("operator", "team=a", "team-a")
    console.sign_in(token)
    assert console.text("who") == f"team-a ({token.id}), only for what is labelled team=a"
    console.choose("Jobs").until_rows(["mine"])
    console.choose("Tokens").until_rows(["team-a"])
    assert console.text("problem") == ""


def test_a_revoked_operator_is_signed_out(console, records, operator):
    records.job("shown")
    console.sign_in(operator).choose("Jobs").until_rows(["shown"])
    records.delete_token(operator)
    console.until_text("message", "You are signed out")
    kept = console.everything()
    assert "shown" not in kept.partition("<script")[0] and operator.value not in kept and not console.by_id("console").is_displayed()


def test_the_token_is_in_memory_only(console, browser, records, operator):
    console.sign_in(operator)
    assert operator.value not in console.everything() and browser.get_cookies() == []
    browser.refresh()
    assert not console.by_id("console").is_displayed()  # a reload forgets it
    console.sign_in(operator)
    console.button("Sign out").click()
    console.until_text("message", "You are signed out.")
    assert operator.value not in console.everything()
    console.sign_in(operator)
    browser.get("about:blank")
    browser.back()
    console.until(lambda: console.by_id("sign-in").is_displayed(), "the page that asks for a token")
    assert operator.value not in console.everything()


HOSTILE = "<img src=x onerror=alert(1)>/../me?"


def test_what_the_store_says_is_text(console, browser, records, operator):
    """Names that rules would not let in, as from a store that someone else writes to, and labels at the edge of the rules."""
    records.job("job", "http://127.0.0.1:1/%3Cimg%20src=x%20onerror=alert(1)%3E'&lt;", {"a": "x" * 63, "p.example/n": ""})
    records.token("read", "", "a.b-c_d")
    console.sign_in(operator).choose("Jobs").until_rows(["job"])
    assert "'&lt;" in console.rows()["job"][0]
    console.open_row("job")
    assert "'&lt;" in console.text("dialog-body")
    # The page's own way of showing a record, with the most hostile answer that the API could give.
    browser.execute_script("""
        const real = window.fetch, hostile = arguments[0];
        window.fetch = async (path, ...rest) => !path.startsWith("v1/tokens") ? real(path, ...rest) : new Response(JSON.stringify({next_cursor: null, items: [
            {id: hostile, name: hostile, role: hostile, label_selector: hostile, version: hostile, last_used_at: hostile, expires_at: hostile, [hostile]: {[hostile]: hostile}}]}))""", HOSTILE)
    console.press("\ue00c")
    console.choose("Tokens").until_rows([HOSTILE])
    dialog = console.open_row(HOSTILE)
    assert HOSTILE in dialog.text
    browser.execute_script("""
        const before = window.fetch;
        window.fetch = (path, options) => { if (options.method === "DELETE") window.deleted = path; return before(path, options); }""")
    console.button("Delete…", "dialog").click()
    console.button("Delete token", "dialog").click()
    assert console.until(lambda: browser.execute_script("return window.deleted"), "the call") == "v1/tokens/" + urllib.parse.quote(HOSTILE, safe="()")
    console.press("\ue00c")
    assert browser.execute_script("return document.querySelectorAll('img, [onerror]').length") == 0


def test_no_page_frames_it_or_opens_it(browser, records, operator, make_folder):
    """From a job's page, a sibling host of the same site."""
    records.job("evil", aiohttp_server(make_folder("aiohttp")).url)
    browser.get(f"https://evil.{DOMAIN}/page")
    chromium.sign_in(browser, operator.value)
    ConsolePage(browser).until(lambda: not browser.find_elements("id", "token"), "the job's page")
    framed = browser.execute_async_script("""
        const [url, done] = arguments, frame = document.createElement("iframe");
        frame.onload = () => { try { done(frame.contentDocument ? "read" : "blocked"); } catch (e) { done("blocked"); } };
        frame.src = url; document.body.append(frame); setTimeout(() => done("blocked"), 3000);""", f"https://{HOST}/console")
    assert framed == "blocked"
    for options in [{}, {"credentials": "include"}, {"headers": {"Authorization": f"Bearer {operator.value}"}}, {"method": "DELETE"}]:
        answer = browser.execute_async_script("""
            const [url, options, done] = arguments;
            fetch(url, options).then(answer => answer.text()).then(done, () => done("refused"));""", f"https://{HOST}/v1/jobs", options)
        assert answer == "refused", options
    opener = browser.current_window_handle
    browser.execute_script("window.opened = window.open(arguments[0])", f"https://{HOST}/console")
    window, = set(browser.window_handles) - {opener}
    browser.switch_to.window(window)
    page = ConsolePage(browser)
    page.until(lambda: browser.find_elements("id", "token"), "the console")
    assert browser.execute_script("return window.opener") is None
    browser.close()
    browser.switch_to.window(opener)
    assert browser.execute_script("return window.opened.closed")  # as if it had never been opened (COOP)
