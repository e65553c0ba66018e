"""tests/rooms.py itself: it must see a forbidden arrow when there is one."""

import subprocess

import pytest

from harness.gateway import REPOSITORY


def judge(top, files):
    for name, text in files.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    done = subprocess.run(["/usr/bin/python3", REPOSITORY / "tests" / "rooms.py", top], capture_output=True, text=True)
    return done.returncode, done.stdout


GOOD = {
    "include/jobgate/job.h": "#include <stdint.h>\n",
    "auth/job.c": '#include "jobgate/job.h"\n#include <openssl/sha.h>\n',
    "auth/redis/store.h": "#include <event2/event.h>\n",
    "auth/redis/store.c": '#include "auth/redis/store.h"\n#include <hiredis/async.h>\n',
    "proxy/http/head.h": '#include "jobgate/job.h"\n',
    "proxy/exchange/relay.c": '#include "http/head.h"\n',
}


def test_good(tmp_path):
    assert judge(tmp_path, GOOD)[0] == 0


@pytest.mark.parametrize("name, line, words", [
    ("auth/label.c", "#include <event2/event.h>", "auth may not know libevent"),
    ("auth/label.c", "#include <openssl/ssl.h>", "auth may not know libssl"),
    ("auth/directory.c", '#include "auth/redis/store.h"', "auth may not know auth/redis"),
    ("include/jobgate/token.h", "#include <hiredis/hiredis.h>", "include/jobgate may not know hiredis"),
    ("include/jobgate/token.h", "#  include <openssl/sha.h>", "include/jobgate may not know libcrypto"),
    ("proxy/http/body.c", '#include "net/conn.h"', "net/conn.h (no such file)"),
    ("proxy/http/body.c", '#include "../exchange/relay.c"', "proxy/http may not know proxy/exchange"),
    ("proxy/upstream/pool.c", '#include "auth/redis/store.h"', "proxy/upstream may not know auth/redis"),
    ("proxy/upstream/pool.c", "#include <hiredis/async.h>", "proxy/upstream may not know hiredis"),
    ("proxy/server/worker.c", "#include <evhtp/evhtp.h>", "proxy/server may not know libevhtp"),
    ("proxy/observe/log.c", "#include <jansson.h>", "proxy/observe may not know jansson"),
    ("proxy/cellar/x.c", "#include <stdio.h>", "a folder unknown here"),
])
def test_forbidden_arrow(tmp_path, name, line, words):
    status, out = judge(tmp_path, {**GOOD, name: "/* x */\n" + line + "\n"})
    assert status == 1
    assert f"{name}:2: " in out and words in out


def test_cycle(tmp_path):
    """Even one of arrows that are each forbidden is named as a cycle."""
    status, out = judge(tmp_path, {**GOOD, "proxy/exchange/gateway.h": "", "proxy/http/head.h": '#include "exchange/gateway.h"\n'})
    assert status == 1
    assert "cycle: proxy/exchange -> proxy/http -> proxy/exchange" in out


def test_arrow_that_has_gone(tmp_path):
    """The list of arrows that are still to go may only shrink."""
    status, out = judge(tmp_path, {**GOOD, "proxy/downstream/x.c": "", "proxy/upstream/y.c": ""})
    assert status == 1
    assert "proxy/downstream does not know proxy/upstream any more: take this arrow off STILL_TO_GO" in out
