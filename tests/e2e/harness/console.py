"""The console in Chromium, as a person uses it."""

from selenium.webdriver.common.keys import Keys

from .chromium import PATIENCE
from .gateway import DOMAIN
from .process import eventually

HOST = f"control.{DOMAIN}"


class ConsolePage:
    def __init__(self, browser):
        self.browser = browser

    def open(self, width=1280, height=1000):
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})
        self.browser.get(f"https://{HOST}/console")
        return self

    def sign_in(self, token):
        self.enter(token.value)
        return self.await_list()

    def enter(self, value):
        assert self.browser.switch_to.active_element == self.by_id("token")  # the keyboard is where it is needed
        self.by_id("token").send_keys(value + Keys.ENTER)

    def by_id(self, name):
        return self.browser.find_element("id", name)

    def text(self, name):
        """What it says, also where nobody sees it."""
        return self.by_id(name).get_property("textContent")

    def until(self, condition, what):
        return eventually(condition, what, PATIENCE)

    def until_text(self, name, words):
        self.until(lambda: words in self.text(name), f"{words!r} in #{name}, which says {self.text(name)!r}")

    def await_list(self):
        self.until(lambda: self.by_id("console").is_displayed() and "Reading" not in self.text("empty"), "the list")
        return self

    def choose(self, title):
        self.button(title, "nav").click()
        return self.await_list()

    def button(self, text, within="body"):
        # In one script: the page may replace rows between two calls.
        found = self.browser.execute_script("""const [within, text] = arguments;
            return [...document.querySelectorAll(`${within} button`)].filter(one => one.innerText.trim() === text && one.checkVisibility());""", within, text)
        assert len(found) == 1, (text, len(found))
        return found[0]

    def rows(self):
        """The text of each row that is an element, as {first cell: other cells}."""
        return dict(self.browser.execute_script("""
            return [...document.querySelectorAll("tbody tr:not(.space)")].map(row => {
                const [first, ...rest] = [...row.cells].map(cell => cell.textContent); return [first, rest]; })"""))

    def until_rows(self, names):
        self.until(lambda: set(self.rows()) == set(names), f"the rows {names}")

    def open_row(self, name):
        def click():
            for button in self.browser.find_elements("css selector", "tbody button"):
                if button.text == name:
                    button.click()
                    return True
            return False
        self.until(click, f"the row {name}")
        return self.until(lambda: self.browser.find_elements("css selector", "dialog[open]"), "the dialog")[0]

    def log(self):
        return [item.get_property("textContent") for item in self.browser.find_elements("css selector", "#log li")]

    def until_log(self, words):
        self.until(lambda: any(words in line for line in self.log()), f"{words!r} in the log: {self.log()}")

    def await_live(self):
        self.until(lambda: self.by_id("console").get_attribute("data-live") == "true", "the stream of changes")

    def asked(self):
        """The paths of all calls that the page has made."""
        return [name.partition(f"{HOST}/")[2] for name in self.browser.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")]

    def focused(self):
        return self.browser.switch_to.active_element

    def press(self, *keys):
        """Press keys, one after the other, wherever the focus is."""
        from selenium.webdriver import ActionChains
        for key in keys:
            ActionChains(self.browser).send_keys(key).perform()

    def tab_back(self):
        from selenium.webdriver import ActionChains
        ActionChains(self.browser).key_down(Keys.SHIFT).send_keys(Keys.TAB).key_up(Keys.SHIFT).perform()

    def everything(self):
        """All that the page and the browser keep of it, as one text: for looking for what must not be there."""
        return self.browser.execute_script("""
            return [document.documentElement.outerHTML, [...document.querySelectorAll("input")].map(input => input.value).join(),
                    document.cookie, JSON.stringify(localStorage), JSON.stringify(sessionStorage), JSON.stringify(history.state),
                    location.href, document.referrer, window.name, JSON.stringify(navigation.entries().map(entry => entry.url)),
                    JSON.stringify(performance.getEntries().map(entry => entry.name))].join("\\n")""")
