"""tests/states.py: the code's tables of states are as their diagrams; and it must see where they are not."""

import subprocess

import pytest

from harness.gateway import REPOSITORY

HEADER = "enum lamp_state { LAMP_OFF, LAMP_ON };\nstruct lamp { enum lamp_state state; };\n"
CODE = """static const struct state_row lamp_states[] = {
    [LAMP_OFF] = {"off", STATE(LAMP_ON)},
    [LAMP_ON] = {"on",
	STATE(LAMP_OFF) |
	    STATE(LAMP_ON)},
};

lamp->state = to;
"""
DOCUMENT = """# A lamp
```mermaid
stateDiagram-v2
    %% lamp_states
    [*] --> off
    off --> on: switched
    on --> off
    on --> on
```
"""


def judge(top, header=HEADER, code=CODE, document=DOCUMENT):
    for name, text in {"auth/lamp.h": header, "auth/lamp.c": code, "auth/README.md": document}.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    done = subprocess.run(["/usr/bin/python3", REPOSITORY / "tests" / "states.py", top], capture_output=True, text=True)
    return done.returncode, done.stdout


def test_this_repository():
    done = subprocess.run(["/usr/bin/python3", REPOSITORY / "tests" / "states.py"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_good(tmp_path):
    assert judge(tmp_path) == (0, "states: 1 tables, all as in their diagrams\n")


@pytest.mark.parametrize("change, words", [
    ({"document": DOCUMENT.replace("    on --> on\n", "")}, "the diagram of lamp_states lacks on --> on"),
    ({"document": DOCUMENT.replace("    on --> on\n", "    on --> on\n    off --> off\n")}, "has off --> off, which the code does not allow"),
    ({"document": "# none\n"}, "lamp_states has no diagram"),
    ({"document": DOCUMENT + DOCUMENT.replace("lamp_states", "other_states")}, "other_states, which no code has"),
    ({"header": HEADER.replace("LAMP_ON }", "LAMP_ON, LAMP_BROKEN }")}, "has no row for LAMP_BROKEN"),
    ({"code": CODE + "\tlamp->state = LAMP_ON;\n"}, "LAMP_ON is assigned past the function"),
    ({"code": CODE.replace("STATE(LAMP_ON)}", "STATE(LAMP_GONE)}")}, "names LAMP_GONE, which has no row"),
    ({"code": "int x;\n", "document": "# none\n"}, ""),
])
def test_bad(tmp_path, change, words):
    status, out = judge(tmp_path, **change)
    assert status == 1
    assert words in out
