"""tests/idioms.py itself: it must see what is done by hand."""

import subprocess

import pytest

from harness.gateway import REPOSITORY


def judge(top, name, text):
    path = top / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    done = subprocess.run(["/usr/bin/python3", REPOSITORY / "tests" / "idioms.py", top], capture_output=True, text=True)
    return done.returncode, done.stdout


@pytest.mark.parametrize("line, words", [
    ("n = strtol(text, NULL, 10);", "use slice_to_number"),
    ("n = strtoull (text, &end, 16);", "use slice_to_number"),
    ("n = atoi(text);", "use slice_to_number"),
    ('if (sscanf(text, "%d", &n) != 1)', "use slice_to_number"),
    ("n = n * 10 + (unsigned)(*at - '0');", "use slice_to_number"),
    ('open("http://a"); n = atoi(text);', "use slice_to_number"),
    ("c = '\"'; n = atoi(text); c = '\"';", "use slice_to_number"),
    ("return (struct x *)((char *)at - offsetof(struct x, member));", "use container_of"),
])
def test_by_hand(tmp_path, line, words):
    status, out = judge(tmp_path, "auth/label.c", f"/* strtol(\n */\n{line}\n")
    assert status == 1
    assert "auth/label.c:3: " in out and words in out
    assert out.count("\n") == 1


@pytest.mark.parametrize("line", [
    "x = strtod(text, &end);",
    "/* atoi(text) took a sign, n * 10 + 1 overflowed */",
    "pause = seconds * 1000 + 5;",
    "n = 1; // atoi(text)",
    "word = strtok_r(text, \" \", &rest);",
])
def test_good(tmp_path, line):
    assert judge(tmp_path, "proxy/http/body.c", line + "\n")[0] == 0


def test_nothing_to_read(tmp_path):
    assert judge(tmp_path, "README.md", "")[0] == 1


@pytest.mark.parametrize("pointer, status", [
    ("int *", 0), ("const int *", 0), ("long *", 1), ("void *", 1), ("struct box *", 1),
])
def test_container_of_checks_the_type(pointer, status):
    code = f"""#include "jobgate/container_of.h"
struct box {{ long first; int member; }};
struct box *find({pointer} pointer);
struct box *find({pointer} pointer) {{ return container_of(pointer, struct box, member); }}
"""
    done = subprocess.run(["cc", "-fsyntax-only", "-I", REPOSITORY / "include", "-x", "c", "-"], input=code, text=True,
                          capture_output=True)
    assert (done.returncode != 0) == (status != 0), done.stderr
