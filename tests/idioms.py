#!/usr/bin/python3
"""Finds code that does by hand what one function or macro of include/jobgate is for.

Usage: idioms.py [REPOSITORY]. Prints each place and what to use there; exit status 1 if there is any."""

import pathlib
import re
import sys

import c_source

# (what must not stand in the code, the file that may have it, what to use)
RULES = [
    (r"\b(?:strto(?:u?ll?|[iu]max)|ato(?:i|ll?)|[fs]?scanf)\s*\(", None,
     "slice_to_number of jobgate/slice.h: it takes no sign and no space, and checks the bound"),
    (r"\*\s*10\s*\+(?!\+)", "include/jobgate/slice.h",
     "slice_to_number or number_append_digit of jobgate/slice.h: they check the bound"),
    (r"-\s*(?:__builtin_)?offsetof\s*\(", "include/jobgate/container_of.h",
     "container_of of jobgate/container_of.h: it checks the type"),
]

def check(top):
    """All that is wrong, as lines; and how many files were read."""
    wrong, count = [], 0
    for path, code in c_source.sources(top):
        count += 1
        name = path.relative_to(top).as_posix()
        for pattern, home, instead in RULES:
            if name == home:
                continue
            for match in re.finditer(pattern, code):
                line = code.count("\n", 0, match.start()) + 1
                wrong.append(f"{name}:{line}: {' '.join(match[0].split())}: use {instead}")
    return wrong, count


def main():
    top = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[1]).resolve()
    wrong, count = check(top)
    for line in wrong:
        print(line)
    if not wrong:
        print(f"idioms: {count} files, nothing done by hand")
    return 1 if wrong or not count else 0


if __name__ == "__main__":
    sys.exit(main())
