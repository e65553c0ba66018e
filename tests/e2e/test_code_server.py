"""VS Code in Chromium (code-server of deploy/apps.md), at a sidecar, an edge gateway and behind nginx: files, and a terminal over a WebSocket."""

import signal
import subprocess

import pytest

from harness import chromium, front
from harness.chromium import PATIENCE, javascript
from harness.process import eventually
from harness.servers import code_server

pytestmark = pytest.mark.large  # a browser, and 300 MB of packages

PACKAGE = "code-server@4.93.1"  # for Node 20
COMPILED = ["@vscode/spdlog", "native-watchdog", "node-pty"]


def npm(folder, *words):
    subprocess.run(["npm", *words], cwd=folder, check=True, stdout=subprocess.DEVNULL, timeout=900)


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """The package without its install scripts, which load parts from GitHub; what must be compiled is compiled here."""
    folder = tmp_path_factory.mktemp("code-server")
    install, compiled = ["install", "--no-audit", "--no-fund", "--ignore-scripts"], ["--nodedir=/usr", "--build-from-source"]
    npm(folder, *install, "--prefix", folder, PACKAGE)
    npm(folder, "rebuild", "argon2", *compiled)
    inner = folder / "node_modules" / "code-server" / "lib" / "vscode"
    npm(inner, *install, "--legacy-peer-deps", "--omit=dev")
    npm(inner, "rebuild", *COMPILED, *compiled)
    (inner / "node_modules.asar").symlink_to("node_modules")
    return folder


@pytest.fixture(params=front.KINDS)
def reached(request, library, gateways, records, authority, certificate, make_folder):
    server = code_server(make_folder("code-server"), library)
    (server.folder / "work" / "notes.txt").write_text("the first line\n")
    reached = front.Front(request.param, server, gateways, records, authority, certificate, make_folder("front"))
    yield reached
    reached.stop()
    server.program.stop(signal.SIGKILL)  # it leaves WebSockets half open


@pytest.fixture
def browser(reached, make_folder):
    driver = chromium.start(reached.gateway, make_folder("chromium"))
    yield driver
    driver.quit()


ROW = ".explorer-folders-view .monaco-list-row"


def press(browser, *keys):
    from selenium.webdriver.common.action_chains import ActionChains
    actions = ActionChains(browser)
    for key in keys[:-1]:
        actions.key_down(key)
    actions.send_keys(keys[-1])
    for key in keys[:-1]:
        actions.key_up(key)
    actions.perform()


def seen(browser, selector):
    return eventually(lambda: browser.find_elements("css selector", selector), selector, PATIENCE)


def type_in_a_terminal(browser, line):
    from selenium.webdriver.common.keys import Keys
    press(browser, Keys.CONTROL, "`")
    seen(browser, ".terminal-wrapper.active .xterm-helper-textarea")[0].send_keys(f"{line}\n")


def test_a_person_works_in_the_editor(browser, reached):
    work = reached.server.folder / "work"
    page = f"https://{reached.host}/?folder={work}"
    browser.get(page)
    chromium.sign_in(browser, reached.token.value)
    eventually(lambda: javascript(browser, f"[...document.querySelectorAll('{ROW}')].find(row => row.innerText.includes('notes.txt')).click() || true"),
               "the list of files", PATIENCE)
    eventually(lambda: "the first line" in (javascript(browser, "document.querySelector('.view-lines').innerText") or "").replace("\u00a0", " "),
               "the file", PATIENCE)
    type_in_a_terminal(browser, "echo $((6*7)) >answer.txt")
    eventually(lambda: (work / "answer.txt").exists() and (work / "answer.txt").read_text() == "42\n", "what the terminal has run", PATIENCE)
