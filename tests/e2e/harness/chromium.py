"""Chromium without a screen, which takes the gateway for all jobs' hosts."""

import os

from .gateway import DOMAIN

PATIENCE = 120


def start(gateway, folder, others=()):
    """A browser with an empty profile in this folder; others: further hosts and their ports here. The caller ends it with quit()."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    options.accept_insecure_certs = True  # the authority is the test's own
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", f"--user-data-dir={folder}",
                 "--host-resolver-rules=" + ",".join(f"MAP {host} 127.0.0.1:{port}" for host, port in [*others, (f"*.{DOMAIN}", gateway.tls_port)])):
        options.add_argument(word)
    driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver", env={**os.environ, "HOME": str(folder)}), options=options)
    driver.set_page_load_timeout(PATIENCE)
    driver.set_script_timeout(PATIENCE)
    return driver


def sign_in(browser, value):
    from selenium.webdriver.common.by import By
    field = browser.find_element(By.ID, "token")
    assert browser.find_element(By.CSS_SELECTOR, "label[for=token]").text == "Token"
    assert browser.switch_to.active_element == field  # the keyboard is where it is needed
    field.send_keys(value)
    browser.find_element(By.TAG_NAME, "button").click()


def javascript(browser, expression):
    return browser.execute_script(f"try {{ return {expression} }} catch (error) {{ return null }}")


def protocols(browser):
    """The protocols that the page's own requests were answered with."""
    return set(browser.execute_script("return performance.getEntriesByType('resource').map(entry => entry.nextHopProtocol)"))
