"""`jobgate check`: it reports each error in a configuration with file, line and column."""

import os
import re

import pytest

from harness.gateway import REPOSITORY, binary, environment, run
from harness.process import free_port


def test_good(check):
    _, result = check("listen: [\"127.0.0.1:8080\"]\njobs:\n  domain: jobs.test\n")
    assert result.status == 0, result


def test_the_name_of_the_file_is_no_command_for_a_terminal(make_folder, sanitizer):
    file = make_folder("named") / "a\x1b[31m\n.yaml"
    for text, told in (("workers: 2\n", ": ok"), ("speed: 11\n", ":1:1: ")):
        file.write_text(text)
        result = run([binary(), "check", "-c", file], environment(sanitizer))
        assert f"a\\x1b[31m\\x0a.yaml{told}" in result.out + result.err and "\x1b" not in result.out + result.err


def test_reference_is_good(sanitizer):
    """The annotated file that we ship passes our own check."""
    result = run([binary(), "check", "-c", REPOSITORY / "deploy" / "jobgate.yaml"], environment(sanitizer))
    assert result.status == 0, result


BAD = {
    "unknown key": ("workers: 2\nspeed: 11\n", 2, "speed"),
    "unknown nested key": ("store:\n  url: redis://127.0.0.1:6379\n  flavour: x\n", 3, "flavour"),
    "wrong type": ("workers:\n  many: 1\n", None, "workers"),
    "not a number": ("workers: many\n", 1, "workers"),
    "out of range": ("limits:\n  fields: 100000\n", 2, "fields"),
    "negative": ("workers: -1\n", 1, "workers"),
    "bad address": ("listen: [\"127.0.0.1:http\"]\n", 1, "listen"),
    "port out of range": ("listen: [\"127.0.0.1:70000\"]\n", 1, "listen"),
    "bad time": ("timeouts:\n  head: soon\n", 2, "head"),
    "bad range": ("backends:\n  deny: [\"10.0.0.0/99\"]\n", 2, "deny"),
    "bad URL of the store": ("store:\n  url: ftp://x\n", 2, "url"),
    "prefix of the store": (f"store:\n  prefix: {'x' * 257}\n", 2, "prefix"),
    "sentinels for reads": ("store:\n  read_url: redis+sentinel://127.0.0.1:1/m\n  write_url: redis://127.0.0.1\n", 2, "read_url"),
    "same key twice": ("workers: 1\nworkers: 2\n", 2, "workers"),
    "contradiction": ("jobs:\n  fixed: a\n  domain: jobs.test\n", None, "fixed"),
    "not YAML": ("jobs: [\n", None, None),
    "tab": ("jobs:\n\tdomain: x\n", 2, None),
    "a list": ("- a\n- b\n", 1, None),
    "relative socket": ("control:\n  socket: control.sock\n", 2, "control.socket"),
    "one URL for all jobs": ("jobs:\n  domain: jobs.test\n  public_url: https://jobs.test/\n", 3, "{job}"),
    "misspelt key": ("workres: 1\n", 1, "did you mean workers?"),
    "misspelt section": ("stroe:\n  url: redis://127.0.0.1\n", 1, "did you mean store?"),
    "misspelt key of a section": ("store:\n  ulr: redis://127.0.0.1\n", 2, "did you mean store.url?"),
    "required without a number": ("store:\n  wait_required: true\n", 2, "needs store.wait_replicas"),
    "two documents": ("workers: 1\n---\nworkers: 2\n", None, None),
}


@pytest.mark.parametrize("text, line, word", BAD.values(), ids=BAD.keys())
def test_mistake(check, text, line, word):
    path, result = check(text)
    assert result.status != 0
    message = result.err.strip()
    match = re.match(re.escape(str(path)) + r":(\d+):(\d+): (.+)", message)
    assert match, message
    if line is not None:
        assert int(match[1]) == line, message
    if word is not None:
        assert word in match[3], message
    assert "\n" not in message, "one mistake, one line"


def test_serve_refuses_the_same(check, sanitizer):
    path, checked = check("speed: 11\n")
    served = run([binary(), "serve", "-c", path], environment(sanitizer))
    assert served.status != 0
    assert checked.err.strip() in served.err


LISTEN = "listen: [\"127.0.0.1:PORT\"]\n"

# What serve reads as it starts. FILE is not there, or holds nothing that is of use.
FILES = {
    "store.ca_file": LISTEN + "store:\n  url: rediss://127.0.0.1:1\n  ca_file: FILE\n",
    "store.ca_file, sentinels": LISTEN + "store:\n  url: rediss+sentinel://127.0.0.1:1/name\n  ca_file: FILE\n",
    "store.ca_file, replica": LISTEN + "store:\n  read_url: rediss://127.0.0.1:1\n  write_url: unix:/x\n  ca_file: FILE\n",
    "backends.ca_file": LISTEN + "backends:\n  ca_file: FILE\n",
    "backends.certificate": LISTEN + "backends:\n  certificate: FILE\n  key: FILE\n",
    "browser.key_file": LISTEN + "browser:\n  key_file: FILE\n",
    "tls.certificates": "listen: [\"127.0.0.1:PORT tls\"]\ntls:\n  certificates: [{certificate: FILE, key: FILE}]\n",
    "control.certificate": LISTEN + "control:\n  listen: 127.0.0.1:PORT\n  certificate: FILE\n  key: FILE\n",
}


@pytest.mark.parametrize("holds", [None, "useless\n"], ids=["missing", "useless"])
@pytest.mark.parametrize("text", FILES.values(), ids=FILES.keys())
def test_file_of_no_use(check, sanitizer, make_folder, text, holds):
    """Serve would not start: check says so, in the same words."""
    file = make_folder("file") / "named"
    if holds:
        file.write_text(holds)
    path, checked = check(re.sub("PORT", lambda _: str(free_port()), text.replace("FILE", str(file))))
    served = run([binary(), "serve", "-c", path], environment(sanitizer))
    assert (checked.status, served.status) == (1, 1), (checked, served)
    said = [line.split("] ", 1)[1] for line in checked.err.splitlines()]
    assert len(said) == 1 and str(file) in said[0]
    assert said[0] in served.err


def test_ca_file_of_a_store_without_tls(check):
    """The output is not read."""
    _, result = check("store:\n  url: redis://127.0.0.1:1\n  ca_file: /nonexistent\n")
    assert result.status == 0, result


def test_access_log(check, sanitizer, make_folder):
    folder = make_folder("log")
    for place, good in [(folder / "access.log", True), (folder, False), (folder / "none" / "access.log", False)]:
        path, checked = check(LISTEN.replace("PORT", str(free_port())) + f"log:\n  access: {place}\n")
        assert (checked.status == 0) == good, checked
        if not good:
            served = run([binary(), "serve", "-c", path], environment(sanitizer))
            assert served.status == 1
            assert checked.err.split("] ", 1)[1] in served.err
    assert not list(folder.iterdir()), "check makes nothing"


def test_missing_file(sanitizer):
    result = run([binary(), "check", "-c", "/nonexistent/jobgate.yaml"], environment(sanitizer))
    assert result.status != 0
    assert "/nonexistent/jobgate.yaml" in result.err


@pytest.mark.parametrize("text, word", [
    ("browser: {key_file: /nonexistent/key}", "browser.key_file: /nonexistent/key"),
    ("store: {url: rediss://127.0.0.1, ca_file: /nonexistent/ca.pem}", "store.ca_file: /nonexistent/ca.pem"),
    ("user: nobody-at-all", "nobody-at-all")])
def test_what_a_start_would_fail_for(check, sanitizer, text, word):
    """Before a unit's start or reload, `check` is what is asked."""
    path, checked = check(f"listen: [\"127.0.0.1:0\"]\n{text}\n")
    assert checked.status == 1 and word in checked.err, checked
    if not text.startswith("user") or os.geteuid() == 0:
        served = run([binary(), "serve", "-c", path], environment(sanitizer))
        assert served.status == 1 and word in served.err, served


def test_folder_is_no_file(sanitizer, tmp_path):
    result = run([binary(), "check", "-c", tmp_path], environment(sanitizer))
    assert result.status == 1 and "Is a directory" in result.err, result


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["token", "--help"], ["token", "create", "--help"], ["job", "create", "-h"]])
def test_help(sanitizer, words):
    result = run([binary(), *words], environment(sanitizer))
    assert result.status == 0, result
    assert "sage:" in result.out


def test_version(sanitizer):
    result = run([binary(), "--version"], environment(sanitizer))
    assert result.status == 0
    assert re.search(r"\b\d+\.\d+\.\d+\b", result.out)


@pytest.mark.parametrize("words", [["dance"], ["token"], ["token", "dance"], ["token", "create"], ["token", "create", "x"],
                                   ["token", "create", "--role", "emperor", "x"], ["serve", "--loudly"]])
def test_usage_mistake(sanitizer, words):
    result = run([binary(), *words], environment(sanitizer))
    assert result.status == 2, result
    assert result.err
