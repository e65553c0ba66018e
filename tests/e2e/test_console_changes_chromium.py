"""The console in Chromium: what operators change with it, and what they are told when they may not."""

import re

import pytest
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from harness.raw import Backend
from harness.scene import Scene, request_bytes
from test_console_chromium import browser, console, operator, records, secured  # pylint: disable=unused-import
from test_upgrade import open_tunnel

pytestmark = pytest.mark.large  # a browser


def dialog_of(console):
    return console.until(lambda: console.browser.find_elements("css selector", "dialog[open]"), "a dialog")[0]


def fill(console, **fields):
    for name, text in fields.items():
        field = console.by_id(f"field-{name}")
        if field.tag_name == "select":
            Select(field).select_by_value(text)
        else:
            field.send_keys(text)


def confirm(console, text):
    dialog_of(console)
    assert console.focused().text == "Cancel"  # Enter alone destroys nothing
    console.button(text, "dialog").click()


def value_shown(console):
    console.until(lambda: console.browser.find_elements("id", "value"), "the value")
    return console.text("value")


def status_of(secured, host, value):
    with secured.client() as client:
        client.send(request_bytes(host, value))
        return client.read_response().status


def test_create_a_token(console, browser, records, operator):
    console.sign_in(operator).choose("Tokens")
    console.button("Create token").click()
    fill(console, name="ci", role="operator", selector="team=blue", expiry="7")
    console.button("Create token", "dialog").click()
    value = value_shown(console)
    assert re.fullmatch(r"jgt_[a-z0-9]{16}_[0-9A-Za-z]{49}", value)
    console.until_rows(["ops", "ci"])
    made = records.local.done("GET", "/v1/tokens/ci")
    assert (made["role"], made["label_selector"]) == ("operator", "team=blue") and made["expires_at"]
    assert records.local.call("GET", "/v1/me").status == 404  # the local administrator's
    assert records.local.by(value).done("GET", "/v1/me")["name"] == "ci"
    console.press(Keys.ESCAPE)  # shown once
    console.until(lambda: value not in console.everything(), "the value to be gone")
    assert console.focused() == console.by_id("create")


def test_renew_a_token(console, records, operator):
    token = records.token("read", "", "old")
    console.sign_in(operator).choose("Tokens").open_row("old")
    console.button("Renew…", "dialog").click()
    confirm(console, "Renew token")
    value = value_shown(console)
    assert value != token.value and token.id in value
    console.button("Close", "dialog").click()
    console.until_log(f"Token old ({token.id}) was renewed")
    assert records.local.done("GET", f"/v1/tokens/{token.id}")["version"] == 2


def test_renew_ones_own_token(console, records, operator):
    console.sign_in(operator).choose("Tokens").open_row("ops")
    console.button("Renew…", "dialog").click()
    confirm(console, "Renew token")
    assert operator.id in value_shown(console)
    console.button("Close", "dialog").click()
    records.job("later")
    console.choose("Jobs").until_rows(["later"])  # still signed in


def test_delete_a_token(console, records, operator, secured):
    token = records.token("read", "", "leaving")
    scene = Scene(secured, records, token, Backend())
    open_tunnel(scene)
    console.sign_in(operator).choose("Tokens").open_row("leaving")
    console.button("Delete…", "dialog").click()
    console.press(Keys.ESCAPE)
    console.until(lambda: not console.browser.find_elements("css selector", "dialog[open]"), "the dialog to be closed")
    assert records.local.call("GET", f"/v1/tokens/{token.id}").status == 200
    console.open_row("leaving")
    console.button("Delete…", "dialog").click()
    confirm(console, "Delete token")
    console.until_rows(["ops"])
    assert b"access has been revoked" in scene.client.read_to_end() and status_of(secured, scene.host, token) == 401
    scene.close()


def test_delete_with_what_it_created(console, records, operator):
    parent = records.token("operator", "", "parent")
    records.local.by(parent.value).token_of("child")
    console.sign_in(operator).choose("Tokens").open_row("parent")
    console.button("Delete…", "dialog").click()
    confirm(console, "Delete token")
    console.until_rows(["ops", "child"])
    console.until_log("1 token that token parent created is still valid.")


def test_delete_ones_own_token(console, operator):
    console.sign_in(operator).choose("Tokens").open_row("ops")
    console.button("Delete…", "dialog").click()
    assert "you will be signed out" in dialog_of(console).text
    confirm(console, "Delete token")
    console.until_text("message", "You are signed out")


def test_register_and_delete_a_job(console, records, operator):
    console.sign_in(operator).choose("Jobs")
    console.button("Register job").click()
    fill(console, id="notebook", url="http://127.0.0.1:9", labels="team=blue")
    console.press(Keys.ENTER)
    console.until_text("dialog-title", "Job notebook was registered")
    assert "https://notebook.jobs.test" in dialog_of(console).text
    console.press(Keys.ESCAPE)
    console.until_rows(["notebook"])
    assert records.local.done("GET", "/v1/jobs/notebook")["labels"] == {"team": "blue"}
    console.open_row("notebook")
    console.button("Delete…", "dialog").click()
    confirm(console, "Delete job")
    console.until_rows([])
    assert records.local.call("GET", "/v1/jobs/notebook").status == 404


def test_end_a_session_and_all_of_a_job(console, records, operator, secured):
    scene = Scene(secured, records, records.token(), Backend())
    open_tunnel(scene)
    console.sign_in(operator).until_rows([scene.job])
    console.open_row(scene.job)
    console.button("End…", "dialog").click()
    confirm(console, "End session")
    console.until_rows([])
    assert b"an operator has ended the session" in scene.client.read_to_end()
    assert records.local.call("GET", f"/v1/tokens/{scene.token.id}").status == 200
    other = Scene(secured, records, scene.token, Backend())
    open_tunnel(other)
    console.choose("Jobs").open_row(other.job)
    console.button("End its sessions…", "dialog").click()
    confirm(console, "End sessions")
    console.until_log(f"1 session of job {other.job} was ended.")
    assert b"an operator has ended the session" in other.client.read_to_end()
    scene.close()
    other.close()


def test_a_scoped_operator_is_told_why_not(console, records):
    console.sign_in(records.token("operator", "team=a", "team-a")).choose("Jobs")
    console.button("Register job").click()
    assert "your own token has, team=a, is added" in dialog_of(console).text
    fill(console, id="theirs", labels="team=b")
    console.button("Register job", "dialog").click()
    console.until_text("dialog-problem", "Your token is limited to another value of this label. (labels.team)")
    told = console.by_id("dialog-problem")
    assert told.is_displayed() and told.get_attribute("role") == "alert" and records.local.call("GET", "/v1/jobs/theirs").status == 404
    for _ in range(6):  # what was entered is still there, to be corrected
        console.by_id("field-labels").send_keys(Keys.BACKSPACE)
    console.button("Register job", "dialog").click()
    console.until_text("dialog-title", "Job theirs was registered")
    assert records.local.done("GET", "/v1/jobs/theirs")["labels"] == {"team": "a"}
    console.press(Keys.ESCAPE)
    console.until_rows(["theirs"])


def test_a_wrong_form_is_said_at_once(console, operator):
    console.sign_in(operator).choose("Jobs")
    console.button("Register job").click()
    fill(console, labels="no pair")
    console.button("Register job", "dialog").click()
    console.until_text("dialog-problem", "write name=value")


def test_a_change_that_is_not_answered(console, browser, operator):
    """Nobody knows whether it was made, and the page says so."""
    console.sign_in(operator).choose("Jobs")
    console.button("Register job").click()
    browser.execute_script("""
        const real = window.fetch;
        window.fetch = (path, options) => options.method === "POST" ? Promise.reject(new TypeError("cut")) : real(path, options)""")
    console.button("Register job", "dialog").click()
    console.until_text("dialog-problem", "not known whether this was done")
