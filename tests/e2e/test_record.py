"""tests/conformance/record.py itself: it must see a byte that differs."""

import copy
import sys

import pytest

from harness.cases import FOLDER, read_file

sys.path.insert(0, str(FOLDER))
import record  # noqa: E402


@pytest.fixture(scope="module")
def recorded():
    return record.record_all(record.PLAYS, "forwarded.cases: host form")


def test_plays_the_cases(recorded):
    entry = recorded["forwarded.cases: host form (once)"]
    assert entry["client"][0] == "HTTP/1.1 200 OK\r\n" and entry["backend"][0] == "GET / HTTP/1.1\r\n"
    assert {"Date: DATE\r\n"} < set(entry["client"]) and not list(record.differences(recorded, recorded))


@pytest.mark.parametrize("part", ["client", "backend"])
def test_sees_a_byte(recorded, part):
    now = copy.deepcopy(recorded)
    now["forwarded.cases: host form (once)"][part][-2] += " "
    [line] = record.differences(recorded, now)
    assert line.startswith(f"forwarded.cases: host form (once): {part}\n")


def test_sees_what_is_missing(recorded):
    name = "forwarded.cases: host form (once)"
    now = {other: entry for other, entry in recorded.items() if other != name}
    assert list(record.differences(recorded, now)) == [f"{name}: is gone"]
    assert list(record.differences(now, recorded)) == [f"{name}: is new"]


def test_ids_differ_between_runs():
    assert record.normal(b"request 0123456789abcdef0123456789ABCDEF</p>\n") == ["request ID</p>\n"]


def test_all_files_are_played():
    files = {path.stem: read_file(path, recorded=True) for path in (FOLDER / "recorded").glob("*.cases")}
    assert set(files) == set(record.SETUPS) and all(files.values())
