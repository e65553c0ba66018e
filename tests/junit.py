#!/usr/bin/env python3
"""What a JUnit file of pytest or ctest says: "passed failed", then a line for each unit test program that may run once more
(tests/steps.sh): at most five, and none of them died, was ended by a sanitizer or a CHECK, or could not be run. That is no chance.
With --failed only the names of those that failed.
"""

import re
import sys
import xml.etree.ElementTree as tree

REPEATED_MAX = 5
CAME_TO_ITS_END = re.compile(r"^\s*\d+ FAILED TEST\(S\)", re.MULTILINE)  # cmocka's last line
# Leaks are none of these: a test that fails leaves what it holds.
NO_CHANCE = re.compile(r"ERROR: AddressSanitizer|WARNING: ThreadSanitizer|runtime error:|CHECK failed|failed with exception")


def has_failed(case):
    return case.find("failure") is not None or case.find("error") is not None or case.get("status") == "fail"


def name_of(case):
    """ctest gives programs the same name twice."""
    return "::".join(dict.fromkeys([case.get("classname"), case.get("name")]))


def is_chance(case):
    said = "".join(case.itertext())
    return CAME_TO_ITS_END.search(said) and not NO_CHANCE.search(said)


def main():
    cases = list(tree.parse(sys.argv[-1]).getroot().iter("testcase"))
    bad = [case for case in cases if has_failed(case)]
    if "--failed" in sys.argv:
        print("".join(f"{name_of(case)}\n" for case in bad), end="")
        return
    skipped = sum(case.find("skipped") is not None for case in cases)
    print(len(cases) - len(bad) - skipped, len(bad))
    if len(bad) <= REPEATED_MAX and not any(case.get("status") == "notrun" for case in cases) and all(map(is_chance, bad)):
        for case in bad:
            print(case.get("name"))


if __name__ == "__main__":
    main()
