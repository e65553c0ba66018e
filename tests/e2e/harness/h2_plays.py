"""Plays the HTTP/2 cases of tests/conformance/h2: whole, byte by byte, split, and between the frames of good requests."""

import concurrent.futures
import contextlib
import socket
import struct
import threading

from .h2_cases import HELLO, PREFACE, TYPES, Frame, Place, Wait
from .h2_link import Barrier, Good, Link
from .h2_tunnel import accept_of, switch
from .process import PATIENCE
from .raw import BackendConnection, Closed

FORMS = ("whole", "byte by byte", "split", "interleaved")
AT_ONCE = 8
LAST_STREAM = 1001  # of the good request behind a case
PING = b"at last!"


class Answers:
    """A backend for many threads: each answer's content is the method and the content of its request. Fields of the request
    say otherwise: `x-hold` is never answered, `x-size: 9` gets 9 bytes x, `x-long: 3` three fields of 8 KiB, `x-field` that
    field. A WebSocket echoes all bytes, but for one with `x-status: 403`, which gets that answer, and one with `x-accept`, which
    gets that Sec-WebSocket-Accept. `seen` has {path: what came}."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.url = "http://127.0.0.1:%d" % self.listener.getsockname()[1]
        self.seen, self.lock = {}, threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self):
        try:
            while True:
                sock, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(BackendConnection(sock),), daemon=True).start()
        except OSError:
            pass

    def _serve(self, connection):
        connection.sock.settimeout(None)
        with connection:
            try:
                while True:
                    self._exchange(connection)
            except (Closed, OSError):
                pass

    def _exchange(self, connection):
        head = connection.read_head()
        entry = {"head": head, "whole": None}
        with self.lock:
            self.seen.setdefault(head.target, []).append(entry)
        connection.buffer = head.head + connection.buffer
        request = connection.read_request()
        entry["whole"] = request
        if request.all("x-hold"):
            connection.read(1 << 20)
        if request.field("upgrade") and not request.all("x-status"):
            self._echo(connection, request)
        size = request.field("x-size")
        content = b"x" * int(size) if size else f"{request.method} ".encode() + request.body
        fields = request.all("x-field") + ["X-Long: " + "x" * 8192] * int(request.field("x-long") or 0)
        connection.answer(b"" if request.method == "HEAD" else content, request.field("x-status") or "200 OK", fields)

    @staticmethod
    def _echo(connection, request):
        switch(connection, request.field("x-accept") or accept_of(request))
        while True:  # until Closed
            connection.send(connection.read_some())


def cuts(data):
    """Where a frame is split: within and behind its head, and in and before the end of its payload."""
    return sorted(cut for cut in {1, 4, 8, 9, 10, len(data) // 2, len(data) - 1, len(data)} if 0 < cut <= len(data))


class Play:
    """A case in one of its forms. `fault` is what was wrong, None for nothing."""

    def __init__(self, case, form, number):
        self.case, self.form = case, form
        self.number = number
        self.on_same_link = form == "interleaved" and not case.alone and not case.without_preface
        self.place = Place(f"/{number}", 2 if self.on_same_link else 0)
        self.fault = self.link = self.barrier = None
        self.expected_resets, self.acks, self.pieces = set(), 0, {}

    def run(self, address):
        others = []
        try:
            self.link = Link(address, b"" if self.case.without_preface else HELLO)
            others = self._others(address)
            if self.form == "split":
                self.barrier = Barrier(address)
            self._perform([good for good in others if good.link is self.link], others)
            self._judge_end(address)
            for good in others:
                if good.link is not self.link or not self.link.closed:
                    self._found(good.finish())
        except AssertionError as error:
            self._found(str(error) or "an assertion failed")
        finally:
            for link in [self.link, self.barrier and self.barrier.client] + [good.link for good in others]:
                if link is not None:
                    link.close()

    def _others(self, address):
        """The good requests between whose frames the case is played."""
        if self.form != "interleaved":
            return []
        others = [Good(Link(address), 1, f"/good-{self.number}-beside", False)]
        if self.on_same_link:
            others.append(Good(self.link, 1, f"/good-{self.number}-between", self.case.narrows_windows))
        return others

    def _perform(self, between, others):
        pending = b""
        for step in self.case.steps:
            if isinstance(step, Wait):
                self._send(pending)
                pending = b""
                self._await(step)
                continue
            data = step if isinstance(step, bytes) else step.bytes_at(self.place)
            pending += data
            if self.form == "split":
                self._send_split(pending)
                pending = b""
            if self.form == "interleaved":
                self._send(pending)
                pending = b""
                block_open = isinstance(step, Frame) and step.leaves_block_open
                for good in others:
                    if good not in between or not block_open:
                        good.more()
        self._send(pending)

    def _send(self, data):
        if self.form != "byte by byte":
            return self.link.send(data) if data else None
        ends = [*range(1, 600), *range(1000, len(data) - 9, 997), *range(max(600, len(data) - 9), len(data) + 1)]
        start = 0
        for end in ends:
            self.link.send(data[start:end])
            start = end
        return None

    def _send_split(self, data):
        """Each piece once the gateway has read the one before."""
        start = 0
        for end in cuts(data):
            self.link.send(data[start:end])
            self.barrier.passed()
            start = end

    # ---- what must come ----

    def _await(self, wait):
        if wait.outcomes:
            return self._await_outcome(wait)
        kind = wait.words[0]
        done = getattr(self, f"_has_{kind.lower()}")(wait)
        if not self.link.until(done):
            self._found(f"instead of `{wait.text}` the connection ended, GOAWAY {self.link.goaway}, "
                        f"streams {self.link.streams}")
        return None

    def _await_outcome(self, wait):
        streams = {number: self.link.stream(self.place.stream(number)) for kind, number, _ in wait.outcomes if kind == "RST_STREAM"}
        self.expected_resets |= {self.place.stream(number) for number in streams}
        self.link.until(lambda: self.link.goaway is not None or any(stream.reset is not None for stream in streams.values()))
        if wait.may_end and not any(stream.reset is not None for stream in streams.values()):
            self.link.until(lambda: False)
        for kind, number, code in wait.outcomes:
            if kind == "RST_STREAM" and streams[number].reset == code:
                return
            if kind == "GOAWAY" and self.link.goaway == code and self.link.closed and self._is_last(number):
                return
            if kind == "closed" and self.link.closed:
                return
        resets = {number: stream.reset for number, stream in streams.items()}
        self._found(f"instead of `{wait.text}` came GOAWAY {self.link.goaway} last={self.link.last}, RST_STREAM {resets}, "
                    f"closed {self.link.closed}")

    def _is_last(self, number):
        """Does GOAWAY name this stream? 0: none of the case."""
        return number is None or self.link.last == (self.place.stream(number) or int(self.on_same_link))

    def _stream_of(self, wait):
        return self.link.stream(self.place.stream(int(wait.words[1])))

    def _has_settings(self, wait):
        if wait.words[1] == "first":
            def first():
                assert self.link.first in (None, ("SettingsFrame", False)), f"{self.link.first} came first"
                return self.link.first is not None
            return first
        self.acks += 1
        acks = self.acks
        return lambda: self.link.acknowledged >= acks

    def _has_ping(self, wait):
        return lambda: (True, wait.content) in self.link.pings

    def _has_window_update(self, wait):
        return lambda: self.place.stream(int(wait.words[1])) in self.link.widened

    def _has_head(self, wait):
        stream = self._stream_of(wait)

        def done():
            assert not stream.heads or stream.heads[0][":status"] == wait.words[2], stream.heads
            return stream.heads
        return done

    def _has_content(self, wait):
        """So much content has come, and no more."""
        stream, size = self._stream_of(wait), int(wait.words[2])

        def done():
            come = len(stream.content)
            assert come <= size and stream.reset is None, f"content {stream}"
            assert come == size or not stream.ended, f"so much content never comes: {stream}"
            return come == size
        return done

    def _has_data(self, wait):
        """The next DATA frame of the stream has this length."""
        stream, number = self._stream_of(wait), int(wait.words[1])
        index = self.pieces[number] = self.pieces.get(number, -1) + 1

        def done():
            assert stream.reset is None and not (stream.ended and len(stream.pieces) <= index), stream
            assert len(stream.pieces) <= index or stream.pieces[index] == int(wait.words[2]), stream.pieces
            return len(stream.pieces) > index
        return done

    def _has_answer(self, wait):
        stream = self._stream_of(wait)

        def done():
            assert stream.reset is None or stream.ended, f"the stream was reset with {stream.reset}"
            if stream.ended:
                assert stream.heads[0][":status"] == wait.words[2] and stream.content == wait.content, stream
            return stream.ended
        return done

    # ---- how it ends ----

    def _found(self, fault):
        self.fault = self.fault or fault

    def _judge_end(self, address):
        """The gateway serves on: on this connection, unless the case ends that; else on another."""
        link = self.link
        if self.case.must_end:
            if not link.closed:
                link.until(lambda: False)
            link = Link(address)
        elif not (link.closed or link.goaway is not None):
            link.send(bytes([0, 0, 8, TYPES["PING"], 0, 0, 0, 0, 0]) + PING)
            link.until(lambda: (True, PING) in link.pings)
            self._judge_streams()
        elif any(isinstance(step, Wait) and step.may_end for step in self.case.steps):
            link = Link(address)
        last = Good(link, LAST_STREAM, f"/good-{self.number}-behind", self.case.narrows_windows)
        self._found(last.finish())
        if link is not self.link:
            link.close()
        for number, field in self.case.answered:
            if field not in self.link.stream(self.place.stream(number)).fields:
                self._found(f"{field} is not in {self.link.stream(self.place.stream(number))}")
        for payload in self.case.never:
            if any(payload == come for _, come in self.link.pings):
                self._found(f"PING {payload!r} came")

    def _judge_streams(self):
        """A stream that the case does not name is not reset, unless it was answered before its request had ended (section 8.1)."""
        for number, stream in self.link.streams.items():
            if stream.reset is not None and not (stream.reset == 0 and stream.ended) and number not in self.expected_resets:
                self._found(f"stream {number} was reset with {stream.reset}")

    def judge_backend(self, seen):
        """Hold what reached the backend against the case's `=` line."""
        wanted, entries = self.case.backend, seen.get(f"/{self.number}", [])
        whole = [entry["whole"] for entry in entries if entry["whole"] is not None]
        for name, value in self.case.seen:
            if not any(one.all(name) == [value] for one in whole):
                self._found(f"no request at the backend has {name}: {value}: {[one.head for one in whole]}")
        for name in self.case.unseen:
            if not whole or any(one.all(name) for one in whole):
                self._found(f"a request at the backend has {name}: {[one.head for one in whole]}")
        if wanted == "nothing" and entries:
            self._found(f"the backend saw {entries[0]['head'].head!r}")
        elif wanted == "cut" and whole:
            self._found(f"the backend saw a whole request: {whole[0].head!r} {whole[0].body[:100]!r}")
        elif wanted not in (None, "nothing", "cut"):
            method, length, trailers = (wanted.split(" ", 2) + [""])[:3]
            if [(one.method, len(one.body), one.trailers.decode("latin-1").strip()) for one in whole] != [(method, int(length), trailers)]:
                self._found(f"the backend saw {[(one.head, len(one.body), one.trailers) for one in whole]}")


def play_all(plays, address):
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda play: play.run(address), plays))


def damaged(cases, chance):
    """What the client sends in a few cases, one behind the other, with some bytes changed, lost or added. `chance` is a
    random.Random."""
    data = bytearray(HELLO)
    for case in chance.sample(cases, 4):
        place = Place("/damaged", chance.choice((0, 2, 10, 20)))
        data += b"".join(step if isinstance(step, bytes) else step.bytes_at(place)
                         for step in case.steps if not isinstance(step, Wait))
    for _ in range(chance.choice((0, 1, 2, 5))):
        at = chance.randrange(len(PREFACE), len(data))
        lost, added = chance.randrange(3), chance.randrange(3)
        data[at:at + lost] = chance.randbytes(added)
    return bytes(data)


def says_goaway(received):
    at = 0
    while len(received) >= at + 9:
        if received[at + 3] == TYPES["GOAWAY"]:
            return True
        at += 9 + int.from_bytes(received[at:at + 3], "big")
    return False


def attack(address, data):
    """Send it, end this side, take what comes until the gateway says that it is over, and go away without a word: it would
    wait for a client that may still read its answers."""
    with contextlib.suppress(OSError), socket.create_connection(address, timeout=PATIENCE) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        received = b""
        while not says_goaway(received) and (more := sock.recv(65536)):
            received += more


def attack_all(address, attacks):
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda data: attack(address, data), attacks))
