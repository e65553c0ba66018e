#!/usr/bin/python3
"""Says how often each CHECK (include/jobgate/check.h) was evaluated in the runs of a build with --coverage.

    check_counts.py BUILD    a line for each CHECK that was never evaluated, then the sums; README.md says how to build and run

Without such a build's notes (*.gcno) and counts (*.gcda), all of them count as never evaluated."""

import json
import os
import pathlib
import re
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parents[1]
MACRO = "include/jobgate/check.h"


def checks():
    """(file, line) of each CHECK in the code that ships."""
    for folder in ["auth", "proxy", "include"]:
        for path in sorted((TOP / folder).rglob("*.[ch]")):
            name = str(path.relative_to(TOP))
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                if name != MACRO and re.search(r"\bCHECK\(", line):
                    yield name, number


def counts(build):
    """{(file, line): times} of all lines of the build; a header's lines have those of all files that include it."""
    found = {}
    for path in build.rglob("*.gcda"):
        text = subprocess.run(["gcov", "--json-format", "--stdout", path], cwd=build, check=True, capture_output=True, text=True).stdout
        for report in (json.loads(line) for line in text.splitlines() if line):
            for file in report["files"]:
                name = os.path.relpath(os.path.join(report["current_working_directory"], file["file"]), TOP)
                for line in file["lines"]:
                    key = name, line["line_number"]
                    found[key] = found.get(key, 0) + line["count"]
    return found


def main():
    times = counts(pathlib.Path(sys.argv[1]).resolve())
    all_checks = list(checks())
    never = [check for check in all_checks if not times.get(check)]
    for name, number in never:
        print(f"{name}:{number}: never evaluated")
    print(f"{len(all_checks) - len(never)} of {len(all_checks)} CHECKs were evaluated, {sum(times.get(check, 0) for check in all_checks)} times")
    return 1 if never else 0


if __name__ == "__main__":
    sys.exit(main())
