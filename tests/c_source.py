"""Reading the C code: for idioms.py and states.py."""

import re

FOLDERS = ["include", "auth", "proxy"]

# What is no comment comes first: a string may have "//" in it.
COMMENT = re.compile(r""""(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|(?P<comment>/\*.*?\*/|//[^\n]*)""", re.DOTALL)


def without_comments(text):
    """The text with its comments blanked, so that lines keep their numbers."""
    return COMMENT.sub(lambda match: re.sub(r"[^\n]", " ", match[0]) if match["comment"] else match[0], text)


def sources(top):
    """Each .c and .h file of the code, as (path, text without comments)."""
    for folder in FOLDERS:
        for path in sorted((top / folder).rglob("*.[ch]")):
            yield path, without_comments(path.read_text(encoding="utf-8"))
