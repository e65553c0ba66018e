"""The cases of tests/conformance, read from their files; the README there explains the format."""

import pathlib
import re

from .store import make_value

CHAINED_MAX = 40_000  # bytes of a case that is chained with others
TOKEN_ID = "conformance00000"
TOKEN = make_value(TOKEN_ID, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg")
FOLDER = pathlib.Path(__file__).resolve().parents[2] / "conformance"

_ESCAPES = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "\\": b"\\"}
_PART = re.compile(r"\\x([0-9a-f]{2})|\\([rnt0\\])|\{([^{}*]+)\*(\d+)\}|(.)")
_HEADING = re.compile(r"\[(\d{4} [\d.]+(?:; \d{4} [\d.]+)*)\] (\S.*)")
_RECORDED = re.compile(r"\[(record)\] (\S.*)")  # a case without expectations: conformance/record.py records its bytes
_ENDINGS = ("kept", "closed", "cut", "tunnel")


class Send:
    """Bytes to be sent; `cuts` are the places where they may be split: all, but in a run of {x*n} only three."""

    def __init__(self):
        self.data = b""
        self.cuts = []

    def add(self, text, end=b""):
        text = text.replace("{auth}", f"Authorization: Bearer {TOKEN}")
        if text.endswith("\\") and not text.endswith("\\\\"):
            text, end = text[:-1], b""
        for code, escape, run, count, plain in _PART.findall(text):
            if run:
                self._add_run(_text(run), int(count))
            else:
                self._add_byte(bytes.fromhex(code) if code else _ESCAPES[escape] if escape else plain.encode("latin-1"))
        for byte in end:
            self._add_byte(bytes([byte]))

    def _add_byte(self, byte):
        self.data += byte
        self.cuts.append(len(self.data))

    def _add_run(self, unit, count):
        start = len(self.data)
        self.data += unit * count
        self.cuts += sorted({start + 1, start + len(unit) * count // 2, len(self.data)})

    def append(self, other):
        self.cuts += [len(self.data) + cut for cut in other.cuts]
        self.data += other.data

    def pieces(self, cuts=()):
        """The bytes parted at these places."""
        bounds = [0, *cuts, len(self.data)]
        return [self.data[start:end] for start, end in zip(bounds, bounds[1:]) if start < end]


def plain(start):
    """A request that nothing is wrong with."""
    send = Send()
    for line in [f"{start} HTTP/1.1", "Host: a", "{auth}", ""]:
        send.add(line, b"\r\n")
    return send


class Step:
    """What a side does besides sending: pause, wait (for `text`), end, close, reset."""

    def __init__(self, what, text=b""):
        self.what, self.text = what, text


class Wanted:
    """A request that the backend must have seen, or an answer that the client must get."""

    def __init__(self, start):
        self.start = _text(start).decode("latin-1")  # "GET /a", or a status
        self.present, self.absent, self.trailers = [], [], []
        self.content = None  # None: the usual one
        self.cut = False
        self.early = False  # the backend answers as soon as the head is here
        self.script = []  # the backend's answer; empty: the usual one

    @property
    def method(self):
        return self.start.split(" ")[0]

    @property
    def target(self):
        return self.start.split(" ")[1]


class Case:
    def __init__(self, place, sections, title):
        self.place, self.sections, self.title = place, sections, title
        self.steps = []
        self.requests, self.answers = [], []
        self.ending = None
        self.whole_only = False

    @property
    def leaves(self):
        """True when the client ends the connection itself."""
        return any(isinstance(step, Step) and step.what in ("end", "close", "reset") for step in self.steps)

    def __repr__(self):
        return self.title


def _text(line):
    send = Send()
    send.add(line)
    return send.data


def _field(text):
    """(name, value); without a colon any value will do."""
    name, colon, value = _text(text).decode("latin-1").partition(":")
    return name.strip().lower(), value.strip() if colon else None


def _act(steps, mark, text):
    """A line of what the client or the backend does."""
    if mark == " ":
        if not steps or not isinstance(steps[-1], Send):
            steps.append(Send())
        steps[-1].add(text, b"\r\n")
    elif mark == "~":
        steps.append(Step("pause"))
    elif mark == "?":
        steps.append(Step("wait", _text(text)))
    elif mark == "!" and text in ("end", "close", "reset"):
        steps.append(Step(text))
    else:
        raise ValueError("unknown mark")


def _want(wanted, mark, text):
    if mark == "+":
        wanted.present.append(_field(text))
    elif mark == "-":
        wanted.absent.append(text.lower())
    elif mark == "*":
        wanted.content = (wanted.content or b"") + _text(text)
    elif mark == "^":
        wanted.trailers.append(_field(text))
    elif mark == "!" and text == "cut":
        wanted.cut = True
    else:
        raise ValueError("unknown mark")


def _take_answer(case, text):
    words = text.split(" ")
    if words[0].isdigit():
        case.answers.append(Wanted(words.pop(0)))
    if words:
        case.ending = words.pop(0)
        if words or case.ending not in _ENDINGS:
            raise ValueError(f"the ending is one of {_ENDINGS}")


def _take(case, line):
    """One line of a case."""
    sigil, mark, text = line[0], line[1:2] or " ", line[3:] if line[1:2] not in ("", " ") else line[2:]
    if sigil == ">":
        _act(case.steps, mark, text)
    elif sigil == "=" and mark == " ":
        case.requests.append(Wanted(text))
    elif sigil == "=":
        _want(case.requests[-1], mark, text)
    elif sigil == ":" and mark == "@":
        case.requests[-1].early = True
    elif sigil == ":":
        _act(case.requests[-1].script, mark, text)
    elif sigil == "<" and mark == " ":
        _take_answer(case, text)
    elif sigil == "<":
        _want(case.answers[-1], mark, text)
    elif line == "! whole":
        case.whole_only = True
    else:
        raise ValueError("unknown line")


def _finish(case, place):
    if case is not None and not case.ending and not case.leaves:
        raise ValueError(f"{place}: {case.title}: no ending")


def read_file(path, recorded=False):
    """The cases of a file. Those of conformance/recorded expect nothing."""
    cases, case = [], None
    begins = _RECORDED if recorded else _HEADING
    for number, line in enumerate(path.read_text("latin-1").split("\n"), 1):
        place = f"{path.name}:{number}"
        if line != line.rstrip():
            raise ValueError(f"{place}: white space at the end cannot be seen: write \\x20")
        if not line or line.startswith("#"):
            continue
        heading = begins.fullmatch(line)
        if heading:
            if not recorded:
                _finish(case, place)
            case = Case(place, heading[1], heading[2])
            cases.append(case)
            continue
        try:
            _take(case, line)
        except (ValueError, AttributeError, IndexError, KeyError) as error:
            raise ValueError(f"{place}: {line!r}: {error}") from error
    if not recorded:
        _finish(case, path.name)
    return cases


def read_all():
    cases = [case for path in sorted(FOLDER.glob("*.cases")) for case in read_file(path)]
    titles = [case.title for case in cases]
    doubled = {title for title in titles if titles.count(title) > 1}
    if doubled:
        raise ValueError(f"titles that occur twice: {doubled}")
    return cases


def chain(cases, title):
    """All cases that keep the connection and wait for nothing, as one case on one connection."""
    joined = Case("chain", "9112 9.3.2", title)
    joined.steps, joined.ending = [Send()], "kept"
    for case in cases:
        if case.ending != "kept" or case.whole_only or any(not isinstance(step, Send) for step in case.steps):
            continue
        for step in case.steps or [plain("GET /")]:
            if len(step.data) > CHAINED_MAX:
                break
            joined.steps[0].append(step)
            joined.requests += case.requests
            joined.answers += case.answers
    return joined
