"""deploy/troubleshooting.md against the code: each title of an answer has a row, and each message of a row is one that the code writes."""

import re

from harness.gateway import REPOSITORY

PAGE = (REPOSITORY / "deploy" / "troubleshooting.md").read_text()
CODE = [path.read_text() for room in ("auth", "proxy") for path in (REPOSITORY / room).rglob("*.c")]
STRINGS = r'"(?:[^"\\]|\\.)*"(?:\s*(?:"(?:[^"\\]|\\.)*"|PRI\w+))*'


def rows(heading):
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in section.splitlines() if line.startswith("| ")][2:]


def titles_in_code():
    """Titles are the texts of some words without a full stop."""
    exchange = [path.read_text() for path in (REPOSITORY / "proxy" / "exchange").glob("*.c")]
    return {title for text in exchange for title in re.findall(r'SLICE\(\s*"([A-Z][a-z]+(?: [A-Za-z]+){1,5})"\)', text)}


def test_each_title_has_a_row():
    listed = {title for row in rows("What clients get") for title in row[0].split(", ")}
    assert "Invalid token" in listed and titles_in_code() == listed


def test_each_message_is_in_the_code():
    written = ["".join(re.findall(r'"((?:[^"\\]|\\.)*)"', found)) for text in CODE for found in re.findall(STRINGS, text)]
    written = [re.sub(r"%[-.*0-9]*(?:ll|z|j)?[a-zA-Z]", "…", text) for text in written]
    found = rows("What the log says")
    assert len(found) > 15
    for row in found:
        message = row[0].strip("`")
        parts = [re.escape(part) for part in message.split("…")]
        assert any(re.fullmatch(".*".join(parts), text) for text in written), message


def test_keys_and_commands_exist():
    keys, section = set(), ""
    for line in (REPOSITORY / "deploy" / "jobgate.yaml").read_text().splitlines():
        if match := re.match(r"([a-z0-9_]+):", line):
            section = match[1]
        elif match := re.match(r"  (?:# )?([a-z0-9_]+):", line):
            keys.add(f"{section}.{match[1]}")
    sections = {key.split(".")[0] for key in keys}
    named = [name for name in re.findall(r"`([a-z0-9]+\.[a-z0-9_]+)`", PAGE) if name.split(".")[0] in sections]
    assert named and set(named) <= keys, set(named) - keys
