"""The HTTP/2 cases of tests/conformance/h2, read from their files; the README of tests/conformance explains the format."""

import ast
import re
import struct

from .cases import FOLDER, TOKEN

TYPES = {name: number for number, name in enumerate((
    "DATA", "HEADERS", "PRIORITY", "RST_STREAM", "SETTINGS", "PUSH_PROMISE", "PING", "GOAWAY", "WINDOW_UPDATE", "CONTINUATION"))}
FLAGS = {"ACK": 0x1, "END_STREAM": 0x1, "END_HEADERS": 0x4, "PADDED": 0x8, "PRIORITY": 0x20}
ERRORS = {name: number for number, name in enumerate((
    "NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED", "FRAME_SIZE_ERROR",
    "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM", "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED"))}
SETTINGS = {name: number for number, name in enumerate((
    "HEADER_TABLE_SIZE", "ENABLE_PUSH", "MAX_CONCURRENT_STREAMS", "INITIAL_WINDOW_SIZE", "MAX_FRAME_SIZE", "MAX_HEADER_LIST_SIZE"), 1)}
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HELLO = PREFACE + bytes([0, 0, 0, TYPES["SETTINGS"], 0, 0, 0, 0, 0])
METHODS = ("GET", "HEAD", "POST", "WEBSOCKET")

_HEADING = re.compile(r"\[(\d{4} [\d.]+(?:; \d{4} [\d.]+)*) (must|should|may)(?:, (h2spec|nginx) ([\w./-]+))?\] (\S.*)")
_FLAG = "|".join(FLAGS)
_FRAME = re.compile(rf"([A-Z_]+|0x[0-9a-f]{{2}}) (\d+)(?:\.\.(\d+))?(?: ((?:{_FLAG})(?:\|(?:{_FLAG}))*)(?= |$))?(?: (.*))?")
_PART = re.compile(r"""\{([^}]*)\}(?:@(\d*):(\d*))?|\[([0-9a-f ]*)\]|("(?:[^"\\]|\\.)*")(?:\*(\d+))?|(\S+)""")
_RUN = re.compile(r"\((.)\*(\d+)\)")
_OUTCOME = re.compile(r"(?:(RST_STREAM) (\d+)|(GOAWAY)) ([A-Z_0-9]+)(?: last=(\d+))?|(closed)")


def integer(number, bits, first):
    """RFC 7541 section 5.1."""
    top = (1 << bits) - 1
    if number < top:
        return bytes([first | number])
    data, number = bytes([first | top]), number - top
    while number >= 128:
        data, number = data + bytes([number % 128 + 128]), number // 128
    return data + bytes([number])


def literal(name, value):
    """A field that enters no table, so that its bytes depend on no others."""
    name, value = name.encode("latin-1"), value.encode("latin-1")
    return b"\0" + integer(len(name), 7, 0) + name + integer(len(value), 7, 0) + value


def request(method, path):
    head = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "a"), ("authorization", f"Bearer {TOKEN}")]
    if method == "WEBSOCKET":  # an extended CONNECT
        head[0:1] = [(":method", "CONNECT"), (":protocol", "websocket")]
    return head


class Place:
    """What differs between two plays of a case: the path of its requests, and how far its stream ids are shifted."""

    def __init__(self, path, shift=0):
        self.path, self.shift = path, shift

    def stream(self, number):
        return number + self.shift if number else 0


def with_runs(text):
    """(x*9) is nine x."""
    return _RUN.sub(lambda run: run[1] * int(run[2]), text)


def fields_of(text, path):
    """`GET; -:path; :path=; x-test: ok`: a good request of this method, a field less, one with another value, one more."""
    fields = []
    for item in filter(None, (part.strip() for part in with_runs(text).split(";"))):
        item = ast.literal_eval(f'"{item}"')
        if item in METHODS:
            fields += request(item, path)
        elif item.startswith("-"):
            fields = [field for field in fields if field[0] != item[1:]]
        elif re.fullmatch(r":?[a-z-]+=.*", item):
            name, _, value = item.partition("=")
            fields = [(name, value) if field[0] == name else field for field in fields]
        else:
            name, _, value = item[1:].partition(":")
            fields.append((item[0] + name, value[1:] if value.startswith(" ") else value))
    return fields


class Frame:
    """A frame as a case writes it."""

    def __init__(self, text):
        match = _FRAME.fullmatch(text)
        assert match, f"not a frame: {text}"
        kind, first, last, flags, self.payload = match.groups()
        self.name = kind
        self.type = TYPES[kind] if kind in TYPES else int(kind, 16)
        self.streams = range(int(first), int(last or first) + 1, 2)
        self.flags = sum(FLAGS[flag] for flag in flags.split("|")) if flags else 0
        self.bytes_at(Place("/"))  # what is wrong in it shows when it is read

    @property
    def leaves_block_open(self):
        return self.type in (TYPES["HEADERS"], TYPES["CONTINUATION"]) and not self.flags & FLAGS["END_HEADERS"]

    def bytes_at(self, place):
        return b"".join(self._one(place, number) for number in self.streams)

    def _one(self, place, number):
        payload, padding, flags, reserved = b"", 0, self.flags, 0
        for part in _PART.finditer(self.payload or ""):
            word = part[7]
            if word is None:
                payload += self._bytes(part, place)
            elif word.startswith("flags="):
                flags |= int(word[6:], 16)
            elif word.startswith("pad="):
                padding = int(word[4:])
            elif word == "reserved":
                reserved = 1 << 31
            else:
                data, flag = self._word(word, place)
                payload, flags = payload + data, flags | flag
        if padding:
            payload, flags = bytes([padding]) + payload + bytes(padding), flags | FLAGS["PADDED"]
        length = len(payload)
        return struct.pack(">HBBBL", length >> 8, length & 255, self.type, flags, place.stream(number) | reserved) + payload

    def _bytes(self, part, place):
        block, start, end, code, text, times, _ = part.groups()
        if block is not None:
            data = b"".join(literal(*field) for field in fields_of(block, place.path))
            return data[int(start or 0):int(end) if end else len(data)]
        if code is not None:
            return bytes.fromhex(code)
        return ast.literal_eval(text).encode("latin-1") * int(times or 1)

    def _word(self, word, place):
        """The bytes, and the flags, of a word: on=1, exclusive=1, weight=255, last=0, +1, CANCEL, INITIAL_WINDOW_SIZE=0."""
        name, _, value = word.partition("=")
        if name in ("on", "exclusive"):
            with_priority = FLAGS["PRIORITY"] if self.name == "HEADERS" else 0
            return struct.pack(">L", place.stream(int(value)) | (name == "exclusive") << 31), with_priority
        if name == "weight":
            return bytes([int(value)]), 0
        if name in ("last", "promises"):
            return struct.pack(">L", place.stream(int(value))), 0
        if word.startswith("+"):
            return struct.pack(">L", int(word[1:])), 0
        if word in ERRORS or re.fullmatch(r"0x[0-9a-f]+", word):
            return struct.pack(">L", ERRORS[word] if word in ERRORS else int(word, 16)), 0
        number = SETTINGS[name] if name in SETTINGS else int(name, 16)
        return struct.pack(">HL", number, int(value)), 0


class Wait:
    """What must come, by one of several outcomes; `words` are of the line."""

    def __init__(self, text):
        self.text = text
        self.words = text.split(" ")
        self.outcomes = []
        if self.words[0] in ("RST_STREAM", "GOAWAY", "closed"):
            for outcome in text.split(" or "):
                match = _OUTCOME.fullmatch(outcome)
                assert match, f"not an outcome: {outcome}"
                reset, stream, goaway, code, last, closed = match.groups()
                number = stream or last
                self.outcomes.append((reset or goaway or closed, int(number) if number else None, ERRORS[code] if code else None))
        else:
            assert self.words[0] in ("answer", "head", "content", "SETTINGS", "PING", "DATA", "WINDOW_UPDATE"), text
        quoted = re.search(r'("(?:[^"\\]|\\.)*")(?:\*(\d+))?$', text)
        self.content = ast.literal_eval(quoted[1]).encode("latin-1") * int(quoted[2] or 1) if quoted else None

    @property
    def may_end(self):
        """May the connection end with it?"""
        return any(kind != "RST_STREAM" for kind, _, _ in self.outcomes)

    @property
    def must_end(self):
        return bool(self.outcomes) and all(kind != "RST_STREAM" for kind, _, _ in self.outcomes)


class H2Case:
    def __init__(self, place, heading):
        self.place = place
        self.sections, self.level, self.suite, self.number, self.title = heading.groups()
        self.steps = []  # Frame, bytes, Wait
        self.never = []  # payloads of PING that must not come
        self.answered = []  # (stream, (name, value)) that must be in answers
        self.seen, self.unseen = [], []  # (name, value) that a request at the backend has, names that none has
        self.backend = None  # what reaches the backend: "nothing", "cut", or (method, content, trailers)
        self.without_preface = self.alone = False

    def add(self, line):
        kind, text = line[:2].strip(), line[2:]
        if kind == ">" and text.startswith('"'):
            self.steps.append(ast.literal_eval(text).encode("latin-1"))
        elif kind == ">" and text == "preface":
            self.steps.append(PREFACE)
        elif kind == ">":
            self.steps.append(Frame(text))
        elif kind == "<!":
            self.never.append(ast.literal_eval(text.strip().partition(" ")[2]).encode("latin-1"))
        elif kind == "<+":
            stream, _, field = text.strip().partition(" ")
            self.answered.append((int(stream), tuple(with_runs(field).split(": ", 1))))
        elif kind == "=+":
            self.seen.append(tuple(text.strip().split(": ", 1)))
        elif kind == "=-":
            self.unseen.append(text.strip())
        elif kind == "<":
            self.steps.append(Wait(text))
        elif kind == "=":
            self.backend = text
        elif line == "! no preface":
            self.without_preface = True
        elif line == "! alone":
            self.alone = True
        else:
            raise AssertionError(f"not a line of a case: {line}")

    @property
    def must_end(self):
        return any(isinstance(step, Wait) and step.must_end for step in self.steps)

    @property
    def narrows_windows(self):
        return any(isinstance(step, Frame) and re.search(r"INITIAL_WINDOW_SIZE=\d\b", step.payload or "") for step in self.steps)

    def check(self):
        assert any(isinstance(step, Wait) for step in self.steps), f"{self.place}: nothing is expected"
        return self


def read_file(path):
    cases = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        heading = _HEADING.fullmatch(line)
        try:
            if heading:
                cases.append(H2Case(f"{path.name}:{number}", heading))
            else:
                cases[-1].add(line)
        except (AssertionError, ValueError, KeyError, SyntaxError) as error:
            raise AssertionError(f"{path.name}:{number}: {line}: {error}") from error
    return cases


def read_all():
    cases = [case.check() for path in sorted((FOLDER / "h2").glob("*.cases")) for case in read_file(path)]
    titles = [case.title for case in cases]
    twice = sorted({title for title in titles if titles.count(title) > 1})
    assert not twice, f"titles that occur twice: {twice}"
    return cases


def made_up(*lines):
    """A case of these lines, which is in no file."""
    case = H2Case("made up", _HEADING.fullmatch("[9113 1 must] made up"))
    for line in lines:
        case.add(line)
    return case.check()
