"""tests/tests_of.py itself: which tests belong to a room, and a table that cannot fall behind."""

import subprocess

import pytest

from harness.gateway import REPOSITORY


def ask(*words):
    done = subprocess.run([REPOSITORY / "tests" / "tests_of.py", *words], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def house(tmp_path):
    """A repository with two end-to-end tests and three unit tests."""
    for name in ("tests/e2e/test_alpha.py", "tests/e2e/test_beta.py", "tests/unit/net/loop_test.c",
                 "tests/unit/upstream/http1_client_test.c", "tests/unit/downstream/http1/server_test.c"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "tests/e2e/rooms.txt").write_text("# a comment\n\nalpha  net http1\nbeta\n")
    return tmp_path


def append(house, line):
    with open(house / "tests/e2e/rooms.txt", "a", encoding="utf-8") as table:
        table.write(line + "\n")


def test_good(house):
    assert ask("check", house) == (0, "")


def test_of_a_room(house):
    assert ask("e2e", "net", house) == (0, "tests/e2e/test_alpha.py\n")
    assert ask("unit", "net", house) == (0, "net/loop_test\n")
    assert ask("unit", "http1", house) == (0, "downstream/http1/server_test\nupstream/http1_client_test\n")
    assert ask("unit", "cli", house) == (0, "") == ask("e2e", "cli", house)


@pytest.mark.parametrize("what", ["unit", "e2e"])
def test_unknown_room(house, what):
    status, out = ask(what, "cellar", house)
    assert status == 2 and "there is no room cellar" in out and " net " in out


def test_file_without_a_row(house):
    (house / "tests/e2e/test_gamma.py").touch()
    status, out = ask("check", house)
    assert status == 1 and "test_gamma.py is not in tests/e2e/rooms.txt" in out


def test_row_without_a_file(house):
    append(house, "gamma net")
    status, out = ask("check", house)
    assert status == 1 and "rooms.txt:5: gamma: there is no tests/e2e/test_gamma.py" in out


def test_row_with_an_unknown_room(house):
    append(house, "alpha cellar")
    status, out = ask("check", house)
    assert status == 1 and "there is no room cellar" in out and "alpha is listed twice" in out


def test_run_sh_refuses_an_unknown_room():
    done = subprocess.run([REPOSITORY / "tests" / "run.sh", "--unit", "cellar"], capture_output=True, text=True)
    assert done.returncode == 2 and "there is no room cellar" in done.stderr


def test_this_repository():
    assert ask("check") == (0, "")
