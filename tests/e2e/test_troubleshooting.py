"""Pages of deploy/ against the code. troubleshooting.md: each title of an answer has a row, and each message of a row is one that the code writes.
limits.md, security.md: their keys and numbers. All pages: their links."""

import re

import pytest

from harness.gateway import REPOSITORY

PAGE = (REPOSITORY / "deploy" / "troubleshooting.md").read_text()
CODE = [path.read_text() for room in ("auth", "proxy") for path in (REPOSITORY / room).rglob("*.c")]
STRINGS = r'"(?:[^"\\]|\\.)*"(?:\s*(?:"(?:[^"\\]|\\.)*"|PRI\w+))*'


def rows(heading):
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in section.splitlines() if line.startswith("| ")][2:]


def titles_in_code():
    """Titles are the texts of some words without a full stop. (proxy/http/write.c has the reasons of statuses.)"""
    proxy = REPOSITORY / "proxy"
    code = [path.read_text() for room in ("exchange", "browser", "downstream", "http") for path in (proxy / room).rglob("*.c") if path.name != "write.c"]
    return {title for text in code for title in re.findall(r'SLICE\(\s*"((?:URI|HTTP|[A-Z][a-z]+(?:-[a-z]+)?)(?: [A-Za-z]+){1,5})"\)', text)}


def test_each_title_has_a_row():
    listed = {title for row in rows("What clients get") for title in row[0].split(", ")}
    assert {"Invalid token", "URI too long", "HTTP version not supported", "Unknown address"} <= listed and titles_in_code() == listed


def test_each_message_is_in_the_code():
    written = ["".join(re.findall(r'"((?:[^"\\]|\\.)*)"', found)) for text in CODE for found in re.findall(STRINGS, text)]
    written = [re.sub(r"%[-.*0-9]*(?:ll|z|j)?[a-zA-Z]", "…", text) for text in written]
    found = rows("What the log says")
    assert len(found) > 15
    for row in found:
        message = row[0].strip("`")
        parts = [re.escape(part) for part in message.split("…")]
        assert any(re.fullmatch(".*".join(parts), text) for text in written), message


def keys():
    """Each key of the reference with its default; None for one that is commented out."""
    found, section = {}, ""
    for line in (REPOSITORY / "deploy" / "jobgate.yaml").read_text().splitlines():
        if match := re.match(r"([a-z0-9_]+):", line):
            section = match[1]
        elif match := re.match(r"  (# )?([a-z0-9_]+): *(.*)", line):
            found[f"{section}.{match[2]}"] = None if match[1] else match[3]
    return found


PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "deploy").rglob("*.md"))]


@pytest.mark.parametrize("page", ["troubleshooting", "limits", "security"])
def test_keys_exist(page):
    known = keys()
    sections = {key.split(".")[0] for key in known}
    text = (REPOSITORY / "deploy" / f"{page}.md").read_text()
    named = [name for name in re.findall(r"`([a-z0-9]+\.[a-z0-9_]+)`", text) if name.split(".")[0] in sections and not name.endswith(".key")]
    assert named and set(named) <= set(known), set(named) - set(known)


def test_numbers_of_the_limits():
    text, known = (REPOSITORY / "deploy" / "limits.md").read_text(), keys()
    for number, key in (("32 KiB, 100 fields", "limits.head_bytes"), ("16 KiB", "limits.target_bytes"), ("5 s", "store.max_staleness")):
        row = next(line for line in text.splitlines() if f"`{key}`" in line)
        assert number in row and known[key] == re.sub(" ", "", number.split(",")[0]), row
    assert (known["limits.fields"], known["limits.body_bytes"]) == ("100", "0")
    header = "".join((REPOSITORY / "include" / "jobgate" / name).read_text() for name in ("limits.h", "label.h", "job.h", "token.h", "sign_in.h"))
    defined = dict(re.findall(r"#define (\w+) +(\d+)", header))
    limits = dict(re.findall(r"^\| (.*?) \| (.*?) \|", text, re.M))
    for row, names in (("labels of a job's record, of a selector, in `jobs.labels`", ["JOB_LABELS_MAX", "SELECTOR_LABELS_MAX", "SELECTOR_LABELS_MAX"]),
                       ("concurrency of one token", ["TOKEN_CONCURRENCY_MAX"]), ("further ports of a job", ["JOB_PORTS_MAX"]),
                       ("addresses and ranges of one token (`--from`)", ["TOKEN_FROM_MAX"]), ("sign-ins of one token at a time", ["SIGN_INS_OF_TOKEN_MAX"])):
        assert limits[row].replace(",", "").split() == [defined[name] for name in names], row
    assert defined["JOB_LEASE_MAX"] == "86400" and limits["lease of a job"] == "at most 1 day"
    cluster = (REPOSITORY / "auth" / "redis" / "election_cluster.c").read_text()
    assert f"too many masters (at most {limits['masters of a Redis Cluster']})" in cluster


def anchors(path):
    """As GitHub makes them of headings."""
    return {re.sub(r"[^\w -]", "", line.lstrip("#").strip().lower()).replace(" ", "-") for line in path.read_text().splitlines() if re.match("#+ ", line)}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_links_lead_somewhere(page):
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)", page.read_text()):
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), target
        assert not anchor or anchor in anchors(path), f"{target}#{anchor}"
