"""Plays the cases of tests/conformance/h2_backend: the backend's frames whole, byte by byte, split, and between those of the
answer to a good request on the same connection."""

import select
import socket
import time

from .gateway import DOMAIN
from .h2_cases import FLAGS, PREFACE, TYPES, Frame, Place, fields_of, literal
from .h2_backend_cases import Sent, Wait
from .h2_link import Barrier, Link
from .h2_plays import cuts
from .process import PATIENCE

FORMS = ("whole", "byte by byte", "split", "interleaved")


def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([TYPES[kind], flags]) + stream.to_bytes(4, "big") + payload


def block(*fields):
    return b"".join(literal(*field) for field in fields)


class Client(Link):
    """A client with one request at a time."""

    def __init__(self, address, job, token):
        super().__init__(address)
        self.host, self.token, self.number = f"{job}.{DOMAIN}", token.value, -1

    def ask(self, method, path, content=b"", more=False, fields=()):
        self.number += 2
        head = [(":method", "POST" if method == "GRPC" else method), (":scheme", "http"), (":path", path), (":authority", self.host),
                ("authorization", f"Bearer {self.token}"), *fields]
        if method == "GRPC":
            head += [("content-type", "application/grpc"), ("te", "trailers")]
        text, ends = block(*head), not content and not more
        parts = [text[start:start + 16384] for start in range(0, len(text), 16384)]
        for index, part in enumerate(parts):
            flags = (FLAGS["END_HEADERS"] if index == len(parts) - 1 else 0) | (FLAGS["END_STREAM"] if ends and index == 0 else 0)
            self.send(frame("CONTINUATION" if index else "HEADERS", flags, self.number, part))
        if content:
            self.give(content, more)

    def give(self, content, more):
        while len(content) > 16384:
            self.send(frame("DATA", 0, self.number, content[:16384]))
            content = content[16384:]
        self.send(frame("DATA", 0 if more else FLAGS["END_STREAM"], self.number, content))

    @property
    def answer(self):
        return self.stream(self.number)

    def finish(self):
        """Wait until the answer has ended in some way."""
        self.until(lambda: self.answer.ended or self.answer.reset is not None)
        return self.answer


class Play:
    """A case in one of its forms. `fault` is what was wrong, None for nothing."""

    def __init__(self, case, form, records, token):
        self.case, self.form, self.token = case, form, token
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=16)
        self.job = records.job("h2c://127.0.0.1:%d" % self.listener.getsockname()[1])
        self.interleaved = form == "interleaved" and not case.alone
        self.place, self.fault = Place("/case", 2 if self.interleaved else 0), None
        self.backends, self.links, self.other, self.backend, self.barrier, self.pieces, self.asked = [], [], None, None, None, 0, 0

    def run(self, address):
        self.address = address
        try:
            self.client = self._keep(Client(address, self.job, self.token))
            self.barrier = Barrier(address) if self.form == "split" else None
            if self.interleaved:
                self.other = self._keep(Client(address, self.job, self.token))
                self.other.ask("POST", "/other", b"o", more=True)
                self.backend = self._accept()
                self.backend.until(lambda: self.backend.stream(1).content == b"o")
                self.backend.send(self._answer_head(1))
            self._perform()
            self._judge_other()
            self._judge_behind()
        except (AssertionError, OSError, TimeoutError) as error:
            self.fault = self.fault or str(error) or repr(error)
        finally:
            for link in self.links + ([self.barrier.client] if self.barrier else []):
                link.close()
            self.listener.close()

    def _keep(self, link):
        self.links.append(link)
        return link

    # ---- the backend ----

    def _accept(self):
        assert select.select([self.listener], [], [], PATIENCE)[0], "the gateway did not connect"
        sock, _ = self.listener.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(PATIENCE)
        preface = b""
        while len(preface) < len(PREFACE):
            piece = sock.recv(len(PREFACE) - len(preface))
            assert piece, f"the gateway sent only {preface}"
            preface += piece
        assert preface == PREFACE, preface
        settings = "SETTINGS 0" if self.backends else self.case.settings  # what the case says is about its first connection
        self.backends.append(self._keep(Link(None, Frame(settings).bytes_at(self.place) if settings else b"", sock)))
        return self.backends[-1]

    @staticmethod
    def _answer_head(stream):
        return frame("HEADERS", FLAGS["END_HEADERS"], stream, block((":status", "200")))

    @property
    def request(self):
        """The last request of the case, as the backend sees it."""
        return self.backend.stream(self.place.stream(2 * self.asked - 1))

    def _perform(self):
        pending = b""
        for step in self.case.steps:
            if isinstance(step, Frame):
                pending += step.bytes_at(self.place)
                if self.form == "split":
                    self._send_split(pending)
                    pending = b""
                elif self.interleaved and not step.leaves_block_open:
                    self.backend.send(pending + frame("DATA", 0, 1, b"i"))
                    pending = b""
                continue
            self._send(pending)
            pending = b""
            if isinstance(step, Sent):
                self._client_sends(step)
            else:
                self._await(step)
        self._send(pending)

    def _client_sends(self, step):
        if step.method in ("more", "end"):
            self.client.give(step.content, step.more)
            return
        self.asked, self.pieces = self.asked + 1, 0
        self.client.ask(step.method, self.place.path, step.content, step.more, fields_of(step.fields or "", self.place.path))
        self.backend = self.backend or self._accept()
        self._need(self.backend, lambda: self.request.heads, "the request")

    def _send(self, data):
        if not data:
            return
        if self.form != "byte by byte":
            self.backend.send(data)
            return
        few = [*range(1, 600), *range(1000, len(data), 997)]
        start = 0
        for end in [cut for cut in few if cut < len(data)] + [len(data)]:
            self.backend.send(data[start:end])
            start = end

    def _send_split(self, data):
        start = 0
        for end in cuts(data):
            self.backend.send(data[start:end])
            self.barrier.passed()
            start = end

    # ---- what must come ----

    def _need(self, link, done, what):
        """The connection may end with it, since all that came before has been read by then."""
        assert link.until(done) or done(), f"instead of {what} the connection ended: GOAWAY {link.goaway}, {link.streams}"

    def _await(self, wait):
        if wait.text == "again":  # on another connection, with all that the client has sent
            self.backend, self.place, self.asked = self._accept(), Place(self.place.path), 1
            self._need(self.backend, lambda: self.request.heads, "the request")
            return
        link, stream = (self.backend, self.request) if wait.at == "=" else (self.client, self.client.answer)
        self._need(link, getattr(self, f"_has_{wait.words[0].lower()}")(link, stream, wait), f"`{wait.at} {wait.text}`")

    @staticmethod
    def _has_head(_link, stream, wait):
        def done():
            assert not stream.heads or len(wait.words) == 1 or stream.heads[-1].get(":status") == wait.words[1] or \
                stream.heads[-1].get(":status", "").startswith("1"), stream
            return stream.heads and (len(wait.words) == 1 or stream.heads[-1].get(":status") == wait.words[1])
        return done

    @staticmethod
    def _has_content(_link, stream, wait):
        def done():
            assert len(stream.content) <= int(wait.words[1]), stream
            return len(stream.content) == int(wait.words[1])
        return done

    def _has_data(self, _link, stream, wait):
        """The next DATA frame of the stream has this length."""
        index, self.pieces = self.pieces, self.pieces + 1
        return lambda: len(stream.pieces) > index and self._same(stream.pieces[index], int(wait.words[1]))

    @staticmethod
    def _same(found, wanted):
        assert found == wanted, f"{found} instead of {wanted}"
        return True

    def _has_request(self, _link, stream, wait):
        """All of it, with this content."""
        return lambda: stream.ended and self._same(stream.content, wait.content)

    def _has_answer(self, _link, stream, wait):
        def done():
            assert stream.reset is None or stream.ended, stream
            finals = [head[":status"] for head in stream.heads if ":status" in head and not head[":status"].startswith("1")]
            wanted = wait.content if len(wait.words) > 2 else stream.content
            return stream.ended and self._same((finals, stream.content), ([wait.words[1]], wanted))
        return done

    @staticmethod
    def _has_cut(_link, stream, wait):
        def done():
            assert not stream.ended, stream
            assert stream.reset in (None, wait.code), stream
            return stream.reset is not None
        return done

    def _has_field(self, _link, stream, wait):
        name, value = wait.field
        return lambda: stream.heads and self._same([field[1] for field in stream.fields if field[0] == name], [] if value == "none" else [value])

    def _has_trailers(self, _link, stream, wait):
        """All of them; without a word: none."""
        return lambda: (stream.ended or stream.reset is not None) and self._same(
            [tuple(head.items()) for head in stream.heads if ":status" not in head and ":method" not in head],
            [(wait.field,)] if wait.field else [])

    @staticmethod
    def _has_rst_stream(_link, stream, wait):
        def done():
            assert stream.reset in (None, wait.code), stream
            return stream.reset is not None
        return done

    def _has_goaway(self, link, _stream, wait):
        return lambda: link.goaway is not None and self._same(link.goaway, wait.code)

    @staticmethod
    def _has_settings(link, _stream, _wait):
        return lambda: link.acknowledged >= 1  # the second ones

    @staticmethod
    def _has_ping(link, _stream, wait):
        return lambda: (True, wait.content) in link.pings

    def _has_window_update(self, link, _stream, wait):
        return lambda: self.place.stream(int(wait.words[1])) in link.widened

    # ---- afterwards ----

    def _judge_other(self):
        """The request that shares the connection is answered, unless the whole connection ended."""
        if self.other is None:
            return
        first = self.backends[0]
        if self.case.afterwards != "ended":
            first.send(frame("DATA", FLAGS["END_STREAM"], 1, b"!"))
        answer = self.other.finish()
        if self.case.afterwards == "ended":
            assert answer.reset is not None or answer.heads[0][":status"] == "502", f"the other request got {answer}"
        else:
            assert answer.ended and answer.content.strip(b"i") == b"!" and answer.heads[0][":status"] == "200", f"the other request got {answer}"

    def _judge_behind(self):
        """A good request behind the case is answered: on the same connection or on a new one."""
        client, before = self._keep(Client(self.address, self.job, self.token)), list(self.backends)
        client.ask("GET", "/behind")
        link, number = self._serve_behind()
        link.send(self._answer_head(number) + frame("DATA", FLAGS["END_STREAM"], number, b"behind"))
        answer = client.finish()
        assert answer.ended and answer.content == b"behind", f"the request behind got {answer}"
        assert (link in before) == (self.case.afterwards == "kept"), f"the connection was {'kept' if link in before else 'not kept'}"

    def _serve_behind(self):
        """Where the request behind arrives."""
        links, until = self.backends, time.monotonic() + PATIENCE

        def found():
            return [(link, number) for link in links for number, stream in link.streams.items()
                    if any(head.get(":path") == "/behind" for head in stream.heads)]
        while not found():
            assert time.monotonic() < until, "the request behind did not come"
            open_links = [link for link in links if not link.closed]
            ready, _, _ = select.select([self.listener] + [link.sock for link in open_links], [], [], PATIENCE)
            if self.listener in ready:
                self._accept()
            for link in open_links:
                if link.sock in ready:
                    link.read()
                    while link.has_frame:
                        link.read()
        return found()[0]
