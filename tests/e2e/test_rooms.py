"""tests/rooms.py itself: it must see a forbidden arrow when there is one."""

import subprocess
import sys

import pytest

from harness.gateway import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "tests"))
import rooms  # noqa: E402


def write(top, files):
    for name, text in files.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def judge(top, files):
    write(top, files)
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
    status, out = judge(tmp_path, {**GOOD, "proxy/exchange/context.h": "", "proxy/http/head.h": '#include "exchange/context.h"\n'})
    assert status == 1
    assert "cycle: proxy/exchange -> proxy/http -> proxy/exchange" in out


def test_arrow_that_has_gone(tmp_path, monkeypatch):
    """The list of arrows that are still to go may only shrink."""
    monkeypatch.setattr(rooms, "STILL_TO_GO", {("proxy/http", "proxy/upstream")})
    write(tmp_path, {**GOOD, "proxy/http/x.c": '#include "upstream/y.h"\n', "proxy/upstream/y.h": ""})
    assert rooms.check(tmp_path)[0] == []
    write(tmp_path, {"proxy/http/x.c": ""})
    assert rooms.check(tmp_path)[0] == ["proxy/http does not know proxy/upstream any more: take this arrow off STILL_TO_GO"]


# ---- cycles of files ----

def function(name, *called):
    return f"void\n{name}(void)\n{{\n" + "".join(f"\t{other}();\n" for other in called) + "}\n"


RING = {"proxy/http/a.c": function("a_run", "b_run"), "proxy/http/b.c": function("b_run", "c_run"),
        "proxy/http/c.c": function("c_run", "a_run")}


def test_cycle_of_files(tmp_path):
    status, out = judge(tmp_path, {**GOOD, **RING})
    assert status == 1
    assert "cycle of files: proxy/http/a -> proxy/http/b (b_run) -> proxy/http/c (c_run) -> proxy/http/a (a_run)" in out


@pytest.mark.parametrize("last", [
    function("c_run"),
    "static " + function("a_run") + function("c_run", "a_run"),
    function("c_run") + "/* a_run(); */\n",
    function("c_run", "ops->a_run"),
    function("c_run").replace("{", '{\tputs("a_run");'),
])
def test_no_cycle_of_files(tmp_path, last):
    header = {"proxy/http/a.h": "void a_run(void);\n", "proxy/http/c.h": "void c_run(void);\nvoid b_run(void);\n"}
    status, out = judge(tmp_path, {**GOOD, **RING, **header, "proxy/http/c.c": last})
    assert (status, "cycle" in out.partition("rooms:")[0]) == (0, False), out


def test_cycle_through_a_table_or_a_header(tmp_path):
    """A table of functions belongs to who names it; the body of a function in a header counts."""
    status, out = judge(tmp_path, {**GOOD, "proxy/http/a.c": "const struct ops a_ops = {\n\t.run = b_run,\n};\n",
                                   "proxy/http/b.h": "static inline void\nb_start(void)\n{\n\tstart(&a_ops);\n}\n",
                                   "proxy/http/b.c": function("b_run")})
    assert status == 1 and "cycle of files: proxy/http/a -> proxy/http/b (b_run) -> proxy/http/a (a_ops)" in out


def family(names):
    return {name: '#include "ring_state.h"\n' + RING[name] for name in names}


def test_family(tmp_path):
    """A cycle is allowed among the files that share one _state.h, and nowhere else."""
    status, out = judge(tmp_path, {**GOOD, "proxy/http/ring_state.h": "", **family(RING)})
    assert status == 0 and "family proxy/http/ring_state.h: proxy/http/a proxy/http/b proxy/http/c\n" in out


def test_family_with_a_stranger(tmp_path):
    status, out = judge(tmp_path, {**GOOD, **RING, "proxy/http/ring_state.h": "", **family(list(RING)[:2])})
    assert status == 1 and "cycle of files: " in out


def test_family_of_another_folder(tmp_path):
    """Two headers of one name are two families."""
    moved = {name.replace("http/c", "http1/c"): text for name, text in family(RING).items()}
    status, out = judge(tmp_path, {**GOOD, "proxy/http/ring_state.h": "", "proxy/http1/ring_state.h": "", **moved})
    assert status == 1 and "cycle of files: " in out


def test_all_of_a_cycle_are_named(tmp_path):
    grown = {"proxy/http/d.c": function("d_run", "a_run"), "proxy/http/c.c": function("c_run", "a_run", "d_run")}
    status, out = judge(tmp_path, {**GOOD, **RING, **grown})
    assert status == 1 and "all that need one another: proxy/http/a proxy/http/b proxy/http/c proxy/http/d\n" in out
