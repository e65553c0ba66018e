"""The cases of tests/conformance/h2_backend, in which a backend speaks HTTP/2; the README of tests/conformance explains the format."""

import ast
import re

from .cases import FOLDER
from .h2_cases import ERRORS, Frame

_HEADING = re.compile(r"\[(\d{4} [\d.]+|gRPC) (must|should|may)(?:, (nginx) ([\w./-]+))?\] (\S.*)")
_REQUEST = re.compile(r'(GET|HEAD|POST|GRPC|more|end)(?: \{([^}]*)\})?(?: ("(?:[^"\\]|\\.)*")(?:\*(\d+))?)?( \.\.\.)?')
_TEXT = re.compile(r'("(?:[^"\\]|\\.)*")(?:\*(\d+))?$')
AFTERWARDS = ("kept", "left", "ended")


def text_of(quoted, times):
    return ast.literal_eval(quoted).encode("latin-1") * int(times or 1) if quoted else b""


class Sent:
    """What the client sends: a request (`more`: its content goes on later), or more of its content."""

    def __init__(self, text):
        match = _REQUEST.fullmatch(text)
        assert match, f"not a request: {text}"
        self.method, self.fields, quoted, times, more = match.groups()
        self.content, self.more = text_of(quoted, times), bool(more) or self.method == "more"


class Wait:
    """What the backend (`at` is "=") or the client ("<") must get next."""

    KNOWN = {"=": ("head", "content", "request", "field", "trailers", "DATA", "RST_STREAM", "SETTINGS", "PING", "WINDOW_UPDATE", "GOAWAY",
                   "CONTINUATION", "again"),
             "<": ("answer", "head", "content", "field", "trailers", "cut")}

    def __init__(self, at, text):
        self.at, self.text, self.words = at, text, text.split(" ")
        assert self.words[0] in self.KNOWN[at], f"not known: {text}"
        quoted = _TEXT.search(text)
        self.content = text_of(*quoted.groups()) if quoted else b""
        self.code = ERRORS[self.words[-1]] if self.words[0] in ("RST_STREAM", "GOAWAY", "cut") else None
        self.field = tuple(text.split(" ", 1)[1].split(": ", 1)) if self.words[0] in ("field", "trailers") and len(self.words) > 1 else None


class BackendCase:
    def __init__(self, place, heading):
        self.place = place
        self.section, self.level, self.suite, self.number, self.title = heading.groups()
        self.steps = []  # Sent, Frame, Wait
        self.settings = "SETTINGS 0"
        self.afterwards = "kept"
        self.alone = False

    def add(self, line):
        kind, _, text = line.partition(" ")
        if kind == ">":
            self.steps.append(Sent(text))
        elif kind == ":":
            self.steps.append(Frame(text))
        elif kind in ("=", "<"):
            self.steps.append(Wait(kind, text))
        elif kind == "!" and text.startswith("settings "):
            self.settings = None if text == "settings none" else f"SETTINGS 0 {text[9:]}"
        elif kind == "!" and text == "alone":
            self.alone = True
        elif kind == "&":
            assert text in AFTERWARDS, text
            self.afterwards = text
        else:
            raise AssertionError(f"not a line of a case: {line}")

    def check(self):
        assert isinstance(self.steps[0], Sent), f"{self.place}: no request"
        assert any(isinstance(step, Wait) for step in self.steps), f"{self.place}: nothing is expected"
        return self


def read_all():
    cases = []
    for path in sorted((FOLDER / "h2_backend").glob("*.cases")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            heading = _HEADING.fullmatch(line)
            try:
                if heading:
                    cases.append(BackendCase(f"{path.name}:{number}", heading))
                elif line and not line.startswith("#"):
                    cases[-1].add(line)
            except (AssertionError, ValueError, KeyError, SyntaxError, IndexError) as error:
                raise AssertionError(f"{path.name}:{number}: {line}: {error}") from error
    titles = [case.check().title for case in cases]
    assert len(titles) == len(set(titles)), "a title occurs twice"
    return cases


def made_up(*lines):
    """A case of these lines, which is in no file."""
    case = BackendCase("made up", _HEADING.fullmatch("[9113 1 must] made up"))
    for line in lines:
        case.add(line)
    return case.check()
