"""The figures in README.md, deploy/guide.md and bench/README.md are those of bench/results, and bench/figures.py finds each one that is not."""

import sys

import pytest

from harness.gateway import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "bench"))
import figures  # noqa: E402  pylint: disable=wrong-import-position

SENTENCE = "it takes {ratio():.2f} of it ({us():,.0f} µs)."
KNOWN = {"ratio": lambda: 0.634, "us": lambda: 1017.2}


@pytest.mark.parametrize("name", figures.FIGURES)
def test_as_measured(name):
    known, text = figures.names(figures.Results(figures.RESULTS)), (REPOSITORY / name).read_text()
    differ = [what for sentence in figures.FIGURES[name] for what in figures.mended(text, sentence, known)[1]]
    assert not differ, "bench/figures.py --write corrects figures; a changed sentence has to be changed in bench/figures.json, too"


@pytest.mark.parametrize("text, wrong", [
    ("So it\ntakes 0.63  of it (1,017 µs).", 0),
    ("So it takes 0.64 of it (1,017 µs).", 1),
    ("So it takes 0.64 of it (17 µs).", 2),
])
def test_mended(text, wrong):
    after, differ = figures.mended(text, SENTENCE, KNOWN)
    assert len(differ) == wrong
    assert figures.mended(after, SENTENCE, KNOWN)[1] == []
    assert after.split() == "So it takes 0.63 of it (1,017 µs).".split()


@pytest.mark.parametrize("text", ["So it takes a part of it.", "it takes 0.63 of it (1,017 µs). it takes 0.63 of it (1,017 µs)."])
def test_sentence_is_gone_or_twice(text):
    after, differ = figures.mended(text, SENTENCE, KNOWN)
    assert after == text and len(differ) == 1
