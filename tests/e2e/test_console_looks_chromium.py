"""The console in Chromium: with the keyboard alone, for a screen reader, in the dark, on a narrow screen, and with ten thousand sessions."""

import resource

import pytest
from selenium.webdriver.common.keys import Keys

from harness import servers
from harness.console import ConsolePage
from test_console_changes_chromium import dialog_of, fill, value_shown
from test_console_chromium import browser, console, operator, records, secured  # pylint: disable=unused-import
from test_many_tunnels import Crowd

pytestmark = pytest.mark.large  # a browser


def tab_to(console, condition, what):
    """Press Tab until the focus is at what is meant; each stop on the way can be seen."""
    for _ in range(30):
        console.press(Keys.TAB)
        focused = console.focused()
        assert focused.tag_name != "body" or not condition(focused), "the focus is lost"
        if focused.tag_name not in ("body", "html"):
            outline = focused.value_of_css_property("outline-style"), focused.value_of_css_property("outline-width")
            assert outline[0] != "none" and outline[1] != "0px", (focused.get_attribute("outerHTML"), outline)
        if condition(focused):
            return focused
    raise AssertionError(f"Tab does not lead to {what}")


def with_text(text):
    return lambda element: element.text == text


def test_with_the_keyboard_alone(console, records, operator):
    """Sign in, create a token, keep its value, renew it, delete it, sign out: no pointer."""
    console.sign_in(operator)
    assert console.focused() == console.by_id("title")  # a screen reader begins to read here
    console.tab_back()
    assert console.focused().text == "Jobs"
    console.tab_back()
    assert console.focused().text == "Tokens"
    console.press(Keys.ENTER)
    console.until_rows(["ops"])
    tab_to(console, with_text("Create token"), "the button that creates")
    console.press(Keys.ENTER)
    assert console.focused() == console.by_id("field-name")
    console.press("keyed", Keys.ENTER)
    assert console.browser.execute_script("return document.querySelector('dialog').matches(':modal')")
    value = value_shown(console)
    tab_to(console, lambda element: element.get_attribute("id") == "value", "the value")
    assert value.endswith(console.focused().text[-8:])
    console.press(Keys.ESCAPE)
    console.until_rows(["keyed", "ops"])
    tab_to(console, lambda element: element.text in ("keyed", "ops"), "the rows")
    console.press(Keys.END)
    last = console.focused().text
    console.press(Keys.ARROW_UP)
    assert {last, console.focused().text} == {"keyed", "ops"}
    console.press(*([Keys.ARROW_DOWN] if last == "keyed" else []))
    assert console.focused().text == "keyed"
    console.press(Keys.ENTER)
    assert dialog_of(console).text.startswith("Token keyed")
    tab_to(console, with_text("Delete…"), "the button that deletes")
    console.press(Keys.ENTER)
    assert console.focused().text == "Cancel"
    console.tab_back()
    assert console.focused().text == "Delete token"
    console.press(Keys.SPACE)
    console.until_rows(["ops"])
    console.until(lambda: console.focused().text == "ops", "the focus to be in the list still")
    tab_to(console, with_text("Sign out"), "signing out")
    console.press(Keys.ENTER)
    console.until_text("message", "You are signed out.")
    assert console.focused() == console.by_id("token")


NAMED = {"button", "textbox", "searchbox", "combobox", "checkbox", "dialog", "table", "navigation", "region", "log", "heading", "columnheader", "rowheader"}


def nameless(console):
    """What a screen reader meets without a name."""
    nodes = console.browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    assert len(nodes) > 10
    return [node for node in nodes if not node["ignored"] and node["role"]["value"] in NAMED and not node.get("name", {}).get("value")]


def test_each_thing_has_a_name(console, records, operator):
    records.job("notebook", None, {"team": "a"})
    assert nameless(console) == []
    console.sign_in(operator)
    assert nameless(console) == []
    for title, create in [("Tokens", "Create token"), ("Jobs", "Register job")]:
        console.choose(title)
        assert nameless(console) == []
        console.button(create).click()
        assert nameless(console) == []
        console.press(Keys.ESCAPE)
    console.open_row("notebook")
    assert nameless(console) == []
    table = console.browser.find_element("tag name", "table")
    assert (table.get_attribute("aria-label"), table.get_attribute("aria-rowcount")) == ("Jobs", "2")


# The contrast of each text that is seen, after WCAG 2.2: (ratio, text).
CONTRAST = """
    const channel = c => (c /= 255) <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4;
    const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
    const rgba = color => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
    const light = ([r, g, b]) => .2126 * channel(r) + .7152 * channel(g) + .0722 * channel(b);
    const over = (top, under) => top.slice(0, 3).map((c, i) => c * top[3] / 255 + under[i] * (1 - top[3] / 255));
    const root = document.body.appendChild(document.createElement("div"));
    root.style.background = "Canvas"; const canvasColor = rgba(getComputedStyle(root).backgroundColor); root.remove();
    const found = [];
    for (const element of document.querySelectorAll("body *")) {
        if (!element.checkVisibility() || ![...element.childNodes].some(node => node.nodeType === 3 && node.data.trim())) continue;
        let opacity = 1, behind = canvasColor, layers = [];
        for (let at = element; at; at = at.parentElement) { opacity *= getComputedStyle(at).opacity; layers.unshift(rgba(getComputedStyle(at).backgroundColor)); }
        for (const layer of layers) behind = [...over(layer, behind), 255];
        const text = rgba(getComputedStyle(element).color); text[3] *= opacity;
        const [a, b] = [light(over(text, behind)), light(behind)].sort((x, y) => y - x);
        found.push([(a + .05) / (b + .05), element.textContent.trim().slice(0, 40)]);
    }
    return found;
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark(console, browser, records, operator, scheme):
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
    assert (browser.execute_script("return rgb = getComputedStyle(document.body).color") == "rgb(255, 255, 255)") == (scheme == "dark")

    def look():
        texts = browser.execute_script(CONTRAST)
        assert len(texts) > 3 and not [text for text in texts if text[0] < 4.5], texts
    look()
    console.enter("nonsense")
    console.until_text("message", "not a token")
    look()
    console.sign_in(operator).choose("Tokens").until_rows(["ops"])
    look()
    console.open_row("ops")
    look()
    console.button("Delete…", "dialog").click()
    look()
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_360_pixels(browser, records, operator):
    """Nothing is wider than the screen."""
    records.job("a" * 63, "http://" + "b" * 63 + ".example.org/" + "c" * 200, {"team": "d" * 63})
    console = ConsolePage(browser).open(360, 740)

    def narrow(what):
        widths = browser.execute_script("""return [document.documentElement.scrollWidth, document.querySelector("#scroller").scrollWidth,
            document.querySelector("dialog").scrollWidth, document.querySelector("#scroller").clientWidth]""")
        assert widths[0] <= 360 and widths[1] <= widths[3] and widths[2] <= 360, (what, widths)
    narrow("the sign-in")
    console.sign_in(operator)
    records.token("read", "team=blue", "user-1")
    for title in ["Sessions", "Tokens", "Jobs"]:
        console.choose(title)
        narrow(title)
        cells, table = browser.execute_script("""return [[...document.querySelectorAll("thead th")].map(cell => cell.getBoundingClientRect().width),
            document.querySelector("table").getBoundingClientRect().width]""")
        assert abs(sum(cells) - table) < 2, (title, cells, table)  # what is hidden takes no room
        if title == "Tokens":
            console.until_rows(["ops", "user-1"])
            cut = "const [button] = [...document.querySelectorAll('tbody button')].filter(one => one.textContent === 'user-1'); return button.scrollWidth > button.clientWidth"
            assert not browser.execute_script(cut)
    dialog = console.open_row("a" * 63)
    narrow("a record")
    assert "d" * 63 in dialog.text
    console.press(Keys.ESCAPE)
    console.button("Register job").click()
    narrow("a form")
    fill(console, labels="x")
    console.button("Register job", "dialog").click()
    console.until_text("dialog-problem", "name=value")
    narrow("a form with a refusal")


SESSIONS = 10000


def elements(browser):
    return browser.execute_script("return document.querySelectorAll('*').length")


def test_ten_thousand_sessions(console, browser, records, operator, secured, make_folder):
    """The page has the elements of one screen, however many sessions there are, and paging through them adds few nodes. How many tasks
    took over 50 ms is printed, not asserted."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    backend = servers.hold_server(make_folder("hold"))
    console.sign_in(operator)
    crowd = Crowd(secured, records, backend.url, 10, SESSIONS // 10)
    console.until_text("count", "10,000 sessions")
    assert browser.find_element("tag name", "table").get_attribute("aria-rowcount") == str(SESSIONS + 1)
    assert elements(browser) < 700, elements(browser)
    browser.execute_script("""
        window.tasks = 0; window.added = 0;
        new PerformanceObserver(list => window.tasks += list.getEntries().length).observe({type: "longtask"});
        new MutationObserver(all => { for (const one of all) window.added += one.addedNodes.length; }).observe(document.body, {subtree: true, childList: true});""")
    first = console.by_id("scroller")
    first.find_elements("css selector", "tbody button")[0].click()
    console.press(Keys.ESCAPE)
    console.press(Keys.END)
    row = browser.execute_script("return [document.activeElement.closest('tr').ariaRowIndex, document.activeElement.getBoundingClientRect().bottom <= innerHeight]")
    assert row == [str(SESSIONS + 1), True]
    for _ in range(20):
        console.press(Keys.PAGE_UP)
    assert elements(browser) < 700 and int(browser.execute_script("return document.activeElement.closest('tr').ariaRowIndex")) < SESSIONS - 100
    browser.execute_script("document.querySelector('#scroller').scrollTop = 200000")  # with a pointer
    console.until(lambda: any(4900 < int(index) < 5100 for index in browser.execute_script(
        "return [...document.querySelectorAll('tbody tr:not(.space)')].map(row => row.ariaRowIndex)")), "the rows in the middle")
    assert elements(browser) < 700
    console.by_id("filter").send_keys(crowd.tokens[3].id[:8])
    print(f"{browser.execute_script('return window.tasks')} tasks of over 50 ms, {browser.execute_script('return window.added')} nodes added")
    assert browser.execute_script("return window.added") < 20000
    crowd.close()
    console.by_id("filter").clear()
    console.by_id("filter").send_keys(" ", Keys.BACKSPACE)
    console.until_text("empty", "Nothing runs now.")
    assert len(console.log()) <= 100
    backend.stop()
