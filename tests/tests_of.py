#!/usr/bin/python3
"""Says which tests belong to a room of the house, for tests/run.sh.

    tests_of.py unit ROOM    its unit tests, as ctest names them, one on each line; nothing if it has none
    tests_of.py e2e ROOM     its files of tests/e2e, from the table tests/e2e/rooms.txt
    tests_of.py check        whether that table lists each file once and names only rooms that exist

A room goes by the last part of its folder: `exchange` means proxy/exchange, `http1` means all three folders of that name.
An extra last word names another repository."""

import pathlib
import sys

from rooms import ROOMS

WHOLE = {"jobgate", "proxy"}  # contracts and main.c: all tests are theirs
KNOWN = {folder.rsplit("/", 1)[-1] for folder in ROOMS} - WHOLE
TABLE = "tests/e2e/rooms.txt"


def rows(top):
    """(line number, name of a file, its rooms) for each row of the table."""
    for number, line in enumerate((top / TABLE).read_text(encoding="utf-8").splitlines(), 1):
        words = line.partition("#")[0].split()
        if words:
            yield number, words[0], words[1:]


def check(top):
    """All that is wrong with the table, as lines."""
    seen, faults = set(), []
    for number, name, rooms in rows(top):
        place = f"{TABLE}:{number}: {name}"
        if name in seen:
            faults.append(f"{place} is listed twice")
        if not (top / f"tests/e2e/test_{name}.py").is_file():
            faults.append(f"{place}: there is no tests/e2e/test_{name}.py")
        faults += [f"{place}: there is no room {room}; rooms: {' '.join(sorted(KNOWN))}" for room in rooms if room not in KNOWN]
        seen.add(name)
    for path in sorted((top / "tests/e2e").glob("test_*.py")):
        if path.stem.removeprefix("test_") not in seen:
            faults.append(f"tests/e2e/{path.name} is not in {TABLE}: add a line with the rooms that it tests")
    return faults


def e2e(top, room):
    return [f"tests/e2e/test_{name}.py" for _, name, rooms in rows(top) if room in rooms]


def unit(top, room):
    """Those in the room's folder, and those named after the room in another folder (downstream/http1_server_test)."""
    tests = [path.relative_to(top / "tests/unit").with_suffix("") for path in (top / "tests/unit").rglob("*_test.c")]
    return sorted(str(test) for test in tests if room in test.parts[:-1] or test.name.startswith(f"{room}_"))


def main(words):
    what, top = words[:1], pathlib.Path(__file__).parents[1]
    count = 1 if what == ["check"] else 2
    if what not in (["check"], ["unit"], ["e2e"]) or not count <= len(words) <= count + 1:
        print(__doc__, file=sys.stderr)
        return 2
    top = pathlib.Path(words[count] if len(words) > count else top).resolve()
    if what == ["check"]:
        lines = check(top)
    elif words[1] in KNOWN:
        lines = (unit if what == ["unit"] else e2e)(top, words[1])
    else:
        print(f"there is no room {words[1]}; rooms: {' '.join(sorted(KNOWN))}", file=sys.stderr)
        return 2
    for line in lines:
        print(line)
    return 1 if lines and what == ["check"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
