"""Judges plays: what the client got, what the backend saw, what the access log says; each has to fit the others."""

import json
import re

from .plays import AFTER, BEFORE

_STATUS_LINE = re.compile(rb"HTTP/1\.1 (\d{3}) [\t -~\x80-\xff]*")
_FIELD_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?([\t -~\x80-\xff]*)")
_OUTCOMES = {  # of answers that are the gateway's own
    200: {"refused"}, 400: {"bad_request", "refused"}, 401: {"refused"}, 405: {"bad_request"}, 414: {"bad_request"}, 417: {"bad_request"},
    431: {"bad_request"}, 502: {"bad_answer", "backend_closed"}, 505: {"bad_request"},
}
_RELAYED = {"answered", "tunnel_closed"}
_CUT = {"bad_answer", "backend_closed"}
_IDEMPOTENT = {"GET", "HEAD", "OPTIONS", "PUT", "DELETE"}
_CHUNK_LINE = re.compile(rb"[0-9a-f]{1,16}")


class Fault(Exception):
    """What is wrong."""


class Answer:
    def __init__(self, status, fields):
        self.status, self.fields = status, fields
        self.content, self.trailers = b"", []
        self.whole = False

    @property
    def final(self):
        return self.status >= 200 or self.status == 101

    @property
    def own(self):
        """Whether it is the gateway's: what it relays has a Via."""
        return self.status != 101 and not self.values("via")

    def values(self, name):
        return [value for other, value in self.fields if other == name]

    def __repr__(self):
        return f"<{self.status} {self.fields} {self.content[:200]!r}{'' if self.whole else ' cut'}>"


def _read_fields(lines):
    fields = []
    for line in lines:
        match = _FIELD_LINE.fullmatch(line)
        if not match:
            raise Fault(f"a field line that is none: {line!r}")
        fields.append((match[1].decode().lower(), match[2].decode("latin-1")))
    return fields


def _read_chunks(answer, data, at):
    """Chunks as plain as the gateway promises to send them; returns where they end, or None when they do not."""
    while True:
        end = data.find(b"\r\n", at)
        if end < 0:
            return None
        if not _CHUNK_LINE.fullmatch(data, at, end):
            raise Fault(f"no chunk: {data[at:end]!r}")
        size = int(data[at:end], 16)
        at = end + 2
        if not size:
            break
        answer.content += data[at:at + size]
        if len(data) < at + size + 2:
            return None
        if data[at + size:at + size + 2] != b"\r\n":
            raise Fault(f"a chunk that does not end: {data[at:at + size + 2]!r}")
        at += size + 2
    if data[at:at + 2] == b"\r\n":
        return at + 2
    end = data.find(b"\r\n\r\n", at)
    if end < 0:
        return None
    answer.trailers = _read_fields(data[at:end].split(b"\r\n"))
    return end + 4


def _read_content(answer, data, at, method, ended):
    """Returns where the answer ends; None when it does not."""
    length, coding = answer.values("content-length"), answer.values("transfer-encoding")
    if len(length) + len(coding) > 1 or coding not in ([], ["chunked"]):
        raise Fault(f"no single framing: {answer}")
    if answer.status in (204, 101) or answer.status < 200:
        if length or coding:
            raise Fault(f"framing where no content can be: {answer}")
        return at
    if method == "HEAD" or answer.status == 304:
        return at
    if coding:
        return _read_chunks(answer, data, at)
    end = at + int(length[0]) if length else len(data)
    answer.content = data[at:end]
    return end if len(data) >= end and (length or ended) else None


def read_answers(data, methods, ended, cut):
    """The answers in what a client received; methods of the requests that they answer, in order; cut: half heads may be."""
    answers, at, methods = [], 0, iter(methods)
    method = next(methods, None)
    while at < len(data):
        end = data.find(b"\r\n\r\n", at)
        if end < 0 and cut:
            break
        if end < 0:
            raise Fault(f"half a head: {data[at:]!r}")
        status_line, *lines = data[at:end].split(b"\r\n")
        match = _STATUS_LINE.fullmatch(status_line)
        if not match:
            raise Fault(f"no status line: {status_line!r}")
        answer = Answer(int(match[1]), _read_fields(lines))
        answers.append(answer)
        at = _read_content(answer, data, end + 4, method, ended)
        if at is None:
            break
        answer.whole = True
        if answer.status == 101:
            answer.content = data[at:]
            break
        if answer.status >= 200:
            method = next(methods, None)
    return answers


def _check_fields(what, wanted, fields):
    for name, value in wanted.present:
        values = [other for key, other in fields if key == name]
        if len(values) != 1 or value not in (None, values[0]):
            raise Fault(f"{name} is not once {value!r}: {what}")
    for name in wanted.absent:
        if any(key == name for key, _ in fields):
            raise Fault(f"{name} is there: {what}")


class Verdicts:
    """The whole of a run: plays by address, requests as two parsers read them, entries of the access log."""

    def __init__(self, plays, requests, entries):
        self.plays = plays
        self.entries = {}
        self.arrived = {}
        self.faults = []  # of no play in particular
        self.ids = {}
        self.repeated = set()
        for entry in entries:
            if entry["client"] in plays:
                self.entries.setdefault(entry["client"], []).append(entry)
                self.ids[entry["request_id"]] = entry
        for request in requests:
            address, request_id = request.field("x-forwarded-for"), request.field("x-request-id")
            if address not in plays or request_id not in self.ids or self.ids[request_id]["client"] != address:
                self.faults.append(f"a request that was never made: {request}")
                continue
            arrived = self.arrived.setdefault(address, [])
            before = [other for other in arrived if other.field("x-request-id") == request_id]
            if not before:
                arrived.append(request)
            elif len(before) == 1 and request.method in _IDEMPOTENT and request.fields == before[0].fields:
                self.repeated.add(request_id)  # on a kept connection that its backend closed meanwhile
            else:
                self.faults.append(f"a request that was sent again: {request}")
        order = {request_id: number for number, request_id in enumerate(self.ids)}
        for arrived in self.arrived.values():  # on several connections; the log has a client's requests in order
            arrived.sort(key=lambda request: order[request.field("x-request-id")])

    def judge(self, play):
        """What is wrong with a play, or None."""
        if play.skipped:
            return "left out after others of its case came to no end"
        entries = self.entries.get(play.address, [])
        arrived = self.arrived.get(play.address, [])
        try:
            if play.fault:
                raise Fault(play.fault)
            answers = read_answers(bytes(play.received), [entry.get("method") for entry in entries],
                                   play.ended == "end", play.case.ending == "cut")
            self._judge_requests(play, arrived)
            self._judge_answers(play, answers)
            self._judge_ending(play)
            self._judge_log(play, entries, arrived, answers)
        except Fault as fault:
            log = [f"{entry.get('method')} {entry.get('path')}: {entry['outcome']} {entry.get('status')}" for entry in entries]
            return f"{fault}\n  client got {bytes(play.received)[:600]!r}, {play.ended or 'open'}\n" \
                   f"  backend saw {arrived}\n  log {log}"
        return None

    def _judge_requests(self, play, arrived):
        """Exactly those that the case allows, in order, around them the good ones."""
        arrived = list(arrived)
        if play.behind:
            self._take_plain(arrived, BEFORE)
        for wanted in play.case.requests:
            if wanted.cut and (not arrived or arrived[0].start != wanted.start):
                continue  # a cut one may have been cut before its first byte
            if not arrived:
                raise Fault(f"{wanted.start} did not reach the backend")
            self._judge_request(wanted, arrived.pop(0))
        if play.followed and play.case.ending == "kept":
            self._take_plain(arrived, AFTER)
        if arrived:
            raise Fault(f"too much reached the backend: {arrived}")

    @staticmethod
    def _take_plain(arrived, start):
        if not arrived or arrived[0].start != start or arrived[0].content or not arrived[0].whole:
            raise Fault(f"{start} did not reach the backend as it should")
        arrived.pop(0)

    @staticmethod
    def _judge_request(wanted, request):
        if request.start != wanted.start:
            raise Fault(f"not {wanted.start} reached the backend but {request}")
        if request.whole == wanted.cut:
            raise Fault(f"cut is {not request.whole}: {request}")
        content = wanted.content or b""
        if request.content != content and not (wanted.cut and content.startswith(request.content)):
            raise Fault(f"its content is not {content[:200]!r}: {request}")
        if request.trailers != wanted.trailers:
            raise Fault(f"its trailers are not {wanted.trailers}: {request}")
        _check_fields(request, wanted, request.fields)

    def _judge_answers(self, play, answers):
        answers = list(answers)
        usual = iter(play.case.requests)
        if play.behind:
            self._take_echo(answers, BEFORE)
        for wanted in play.case.answers:
            if not answers and wanted.cut:
                continue  # a reset may take it along
            if not answers:
                raise Fault(f"no answer of {wanted.start}")
            answer = answers.pop(0)
            if str(answer.status) != wanted.start:
                raise Fault(f"not {wanted.start} but {answer}")
            if answer.whole == wanted.cut:
                raise Fault(f"cut is {not answer.whole}: {answer}")
            _check_fields(answer, wanted, answer.fields)
            if answer.trailers != wanted.trailers:
                raise Fault(f"its trailers are not {wanted.trailers}: {answer}")
            if answer.final:
                self._judge_content(wanted, answer, usual)
        if play.followed and play.case.ending == "kept":
            self._take_echo(answers, AFTER)
        if answers and not (play.case.leaves and not play.case.answers):
            raise Fault(f"too many answers: {answers}")

    @staticmethod
    def _take_echo(answers, start):
        if not answers or (answers[0].status, answers[0].content) != (200, start.encode()):
            raise Fault(f"no answer to {start}")
        answers.pop(0)

    @staticmethod
    def _judge_content(wanted, answer, usual):
        """As the case says; else of a backend what it usually answers, of the gateway a problem."""
        request = next(usual) if not answer.own or answer.status == 502 else None
        if answer.own:
            problem = json.loads(answer.content or b"{}")
            if answer.content and problem["status"] != answer.status:
                raise Fault(f"no problem of its status: {answer}")
            return
        content = wanted.content
        if content is None and not request.script and request.method != "HEAD":
            content = request.start.encode("latin-1")
        content = content or b""
        if answer.content != content and not (wanted.cut and content.startswith(answer.content)):
            raise Fault(f"its content is not {content[:200]!r}: {answer}")

    @staticmethod
    def _judge_ending(play):
        ending = play.case.ending
        if ending == "kept" and play.ended:
            raise Fault("the connection was not kept")
        if ending in ("closed", "tunnel") and play.ended != "end":
            raise Fault("the connection did not end in good order")
        if ending == "closed" and play.broken:  # RFC 9112 section 9.6: the answer might have been lost with it
            raise Fault("the connection was closed under a client that still sent")
        if ending == "cut" and not play.ended:
            raise Fault("the connection was not cut")

    @staticmethod
    def _judge_log(play, entries, arrived, answers):
        """One entry for each answer and for each request that reached the backend, and no others."""
        final = [answer for answer in answers if answer.final]
        logged = [entry for entry in entries if "status" in entry]
        if len(logged) != len(final) and not (len(logged) > len(final) and (play.case.leaves or play.case.ending == "cut")):
            raise Fault(f"{len(final)} answers, {len(logged)} logged")
        for answer, entry in zip(final, logged):
            usual = _OUTCOMES[answer.status] if answer.own else _RELAYED if answer.whole else _CUT
            if entry["status"] != answer.status or entry["outcome"] not in usual:
                raise Fault(f"logged as {entry['outcome']} {entry['status']}: {answer}")
        by_id = {request.field("x-request-id"): request for request in arrived}
        for entry in entries:
            sent = by_id.pop(entry["request_id"], None)
            if entry.get("verdict") != "allow" and sent:
                raise Fault(f"refused, yet sent: {sent}")
            if entry["outcome"] == "answered" and not sent:
                raise Fault(f"answered, yet not sent: {entry}")
            if sent:
                Verdicts._judge_entry(entry, sent)
        if by_id:
            raise Fault(f"sent, yet not logged: {by_id}")

    @staticmethod
    def _judge_entry(entry, request):
        path = request.target.partition("?")[0]
        if entry["method"] != request.method[:16] or entry["path"] != path[:160]:
            raise Fault(f"logged as {entry}: {request}")
        if request.whole and entry["bytes_in"] != len(request.content) and entry["outcome"] == "answered":
            raise Fault(f"{entry['bytes_in']} bytes logged: {request}")
