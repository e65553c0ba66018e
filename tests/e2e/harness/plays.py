"""Plays each case against the gateway: whole, byte by byte, split at every position or at some, behind another request.

Many plays run at once, on one client connection each, against one backend that answers by the cases' scripts and
records what reaches it. Nothing is judged here (verdicts.py does that), and little is understood: a play is told from
others by its client's address, 127.x.y.z, which the gateway writes into X-Forwarded-For and into its access log."""

import asyncio
import random
import re
import socket
import struct

from .cases import Send, Step, plain

PATIENCE = 30  # seconds for one step of a play, on a loaded machine
AT_ONCE = 200
SPLITS_MAX = 6  # of the bytes of each side, unless all of them are asked for
GIVE_UP = 3  # plays of a case that came to no end, after which its others are left out

BEFORE = "GET /before"
AFTER = "GET /after"


class Play:
    def __init__(self, case, name, steps, scripts, behind=False):
        self.case, self.name = case, name
        self.steps, self.scripts, self.behind = steps, scripts, behind
        self.address = None
        self.seen = []  # request ids, so that one that is sent again gets the same answer
        self.received = bytearray()
        self.ended = None  # by the gateway: "end" or "reset"
        self.moved = 0  # when a side of it last did something
        self.broken = False  # while the client still sent
        self.fault = None
        self.skipped = False

    @property
    def followed(self):
        """Whether another request is sent behind the case's own bytes: served when the connection is kept, else never."""
        return not self.case.leaves and self.case.ending != "tunnel"

    def script_for(self, start, request_id):
        """The backend's answer to its next request: steps, and whether to begin before the request is whole."""
        if request_id not in self.seen and start not in (BEFORE, AFTER):
            self.seen.append(request_id)
        if request_id in self.seen:
            number = self.seen.index(request_id)
            if number < len(self.scripts) and self.scripts[number]:
                return self.scripts[number], self.case.requests[number].early
        content = b"" if start.startswith("HEAD ") else start.encode("latin-1")
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(start)
        send = Send()
        send.data = head + content
        return [send], False


def _cut(steps, cuts_of):
    """The steps with pauses where cuts_of(send, offset of its first byte among all) says."""
    result, offset = [], 0
    for step in steps:
        if not isinstance(step, Send):
            result.append(step)
            continue
        for number, piece in enumerate(step.pieces(cuts_of(step, offset))):
            if number:
                result.append(Step("pause"))
            send = Send()
            send.data = piece
            result.append(send)
        offset += len(step.data)
    return result


def _splits(steps, chosen):
    """Ways to split the steps' bytes, as (name, steps): byte by byte, and in two at each place that `chosen` picks from all."""
    yield "byte by byte", _cut(steps, lambda send, offset: send.cuts[:-1])
    places, offset = [], 0
    for step in steps:
        if isinstance(step, Send):
            places += [offset + cut for cut in step.cuts[:-1]]
            offset += len(step.data)
    for place in chosen(places):
        yield f"split at {place}", _cut(steps, lambda send, start, place=place: [place - start] if
                                        0 < place - start < len(send.data) else [])


def every(places):
    return places


def some(places):
    """A few, the same ones in each run."""
    return sorted(random.Random(len(places)).sample(places, min(SPLITS_MAX, len(places))))


def _joined(first, second):
    send = Send()
    send.append(first)
    send.append(second)
    return send


def plays_of(case, chosen=every):
    """The plays of a case, split at each place that `chosen` picks: every or some."""
    own = case.steps or [plain("GET /")]
    scripts = [wanted.script for wanted in case.requests]
    before, after = plain(BEFORE), plain(AFTER)
    behind = [_joined(before, own[0]), *own[1:]]
    if case.leaves:  # not before the answer to the first one is here
        behind.insert(-1, Step("wait", BEFORE.encode()))
    plays = [Play(case, "whole", own, scripts),
             Play(case, "behind another request", behind, scripts, behind=True)]
    if not case.whole_only:
        if case.steps:
            plays += [Play(case, name, steps, scripts) for name, steps in _splits(own, chosen)]
        for number, script in enumerate(scripts):
            for name, steps in _splits(script, chosen) if script else ():
                plays.append(Play(case, f"answer {number + 1} {name}", own,
                                  [*scripts[:number], steps, *scripts[number + 1:]]))
    for play in plays:
        if play.followed:
            _follow(play, after)
    return plays


def _follow(play, after):
    """Send another request behind the case's own bytes, in their last packet."""
    if isinstance(play.steps[-1], Send):
        play.steps = [*play.steps[:-1], _joined(play.steps[-1], after)]
    else:
        play.steps = [*play.steps, after]


def plays_of_chain(case, rng):
    """A chain of cases in one piece, and in pieces of any size."""
    scripts = [wanted.script for wanted in case.requests]
    cuts = sorted(rng.sample(case.steps[0].cuts, len(case.steps[0].cuts) // 100))
    plays = [Play(case, "whole", case.steps, scripts),
             Play(case, "in pieces", _cut(case.steps, lambda send, offset: cuts), scripts)]
    for play in plays:
        _follow(play, plain(AFTER))
    return plays


class Barrier:
    """
    passed() returns once the gateway's worker has read what was sent to it before: it takes its sockets in
    the order in which they became readable, so an answer to a request sent later on says that it has. Twice,
    for a connection is read from only in the turn after the one that accepts it.
    """

    def __init__(self, address):
        self.address = address
        self.waiting = []
        self.wake = asyncio.Event()

    async def passed(self):
        future = asyncio.get_running_loop().create_future()
        self.waiting.append(future)
        self.wake.set()
        await future

    async def run(self):
        reader, writer = await asyncio.open_connection(*self.address)
        while True:
            await self.wake.wait()
            self.wake.clear()
            waiting, self.waiting = self.waiting, []
            for _ in range(2):
                writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                await reader.readuntil(b"}\n")
            for future in waiting:
                if not future.done():
                    future.set_result(None)


class Stream:
    """One connection to the backend: what came, and where, if at all, it became a tunnel."""

    def __init__(self):
        self.data = bytearray()
        self.tunnel_at = None


class _Ended(Exception):
    """The other side has ended the connection."""


_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.I)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: chunked\r\n", re.I)
_CLIENT = re.compile(rb"\r\nx-forwarded-for: ([0-9.]+)\r\n", re.I)
_ID = re.compile(rb"\r\nx-request-id: (\S+)\r\n", re.I)
_CHUNK = re.compile(rb"([0-9a-f]+)\r\n", re.I)


def _body_end(head, data, start):
    """Where the body that begins at start ends, or None as long as it has not come whole."""
    length = _LENGTH.search(head)
    if not _CHUNKED.search(head):
        end = start + (int(length[1]) if length else 0)
        return end if end <= len(data) else None
    while chunk := _CHUNK.match(data, start):
        size = int(chunk[1], 16)
        if not size:
            if data[chunk.end():chunk.end() + 2] == b"\r\n":
                return chunk.end() + 2
            end = data.find(b"\r\n\r\n", chunk.end())
            return end + 4 if end >= 0 else None
        start = chunk.end() + size + 2
    return None


class _Side:
    """What a client's and a backend's connection have in common."""

    def __init__(self, sock, data, barrier):
        self.sock, self.data, self.barrier = sock, data, barrier
        self.play = None  # that which is on
        self.loop = asyncio.get_running_loop()

    async def more(self):
        data = await self.loop.sock_recv(self.sock, 1 << 16)
        if not data:
            raise _Ended
        self.data += data

    async def perform(self, steps, mark):
        """Do what the steps say; what is waited for is looked for behind mark."""
        for step in steps:
            self.play.moved = self.loop.time()
            if isinstance(step, Send):
                await self.loop.sock_sendall(self.sock, step.data)
            elif step.what == "pause":
                await self.barrier.passed()
            elif step.what == "wait":
                await self.wait_for(step.text, mark)
            elif step.what == "end":
                self.sock.shutdown(socket.SHUT_WR)
            else:
                await self.barrier.passed()
                if step.what == "reset":
                    self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.sock.close()
                raise _Ended

    async def wait_for(self, text, mark):
        """Until text has come, or, when it is empty, the end."""
        while not text or self.data.find(text, mark) < 0:
            await self.more()


class _Backend(_Side):
    def __init__(self, sock, stream, barrier, plays):
        super().__init__(sock, stream.data, barrier)
        self.stream, self.plays = stream, plays

    async def serve(self):
        try:
            at = 0
            while True:
                at = await self.serve_one(at)
        except (_Ended, OSError):
            pass
        finally:
            self.sock.close()

    async def serve_one(self, at):
        """The request that begins at this offset; returns where it ends."""
        while (end := self.data.find(b"\r\n\r\n", at)) < 0:
            await self.more()
        head = bytes(self.data[at:end + 4])
        client, request_id = _CLIENT.search(head), _ID.search(head)
        play = self.play = self.plays.get(client[1].decode()) if client else None
        if play is None or not request_id:
            raise _Ended  # the verdict will tell
        start = head[:head.index(b" HTTP/1.1\r\n")].decode("latin-1")
        script, early = play.script_for(start, request_id[1])
        if not early:
            await self.whole(head, end + 4)
        if play.case.ending == "tunnel" and start not in (BEFORE, AFTER) and len(self.data) == end + 4:
            self.stream.tunnel_at = end + 4
        await self.perform(script, end + 4)
        if self.stream.tunnel_at is not None:
            await self.wait_for(b"", 0)
        return await self.whole(head, end + 4)

    async def whole(self, head, start):
        while (end := _body_end(head, self.data, start)) is None:
            await self.more()
        return end


class _Client(_Side):
    def __init__(self, sock, play, barrier):
        super().__init__(sock, play.received, barrier)
        self.play = play

    async def act(self):
        play = self.play
        try:
            try:
                await self.perform(play.steps, 0)
            except (BrokenPipeError, ConnectionResetError):
                play.broken = True  # what came is still to be read
            kept = play.followed and play.case.ending == "kept"
            while not (kept and self.data.endswith(AFTER.encode())):
                await self.more()
            await self.barrier.passed()  # time for what should not come
            while more := self.sock.recv(1 << 16):
                self.data += more
            play.ended = "end"
        except BlockingIOError:
            pass
        except _Ended:
            play.ended = "end" if self.sock.fileno() >= 0 else None
        except ConnectionResetError:
            play.ended = "reset"
        finally:
            self.sock.close()


class Stage:
    """Runs plays; afterwards `streams` has what the backend received, `plays` each play by its client's address."""

    def __init__(self, address, listener):
        self.address, self.listener = address, listener
        self.streams = []
        self.plays = {}
        self.running = {}  # play: what ends it when nothing moves
        self.failed = {}  # case: plays that came to no end

    async def run(self, plays):
        self.loop = asyncio.get_running_loop()
        self.barrier = Barrier(self.address)
        services = [asyncio.create_task(self.barrier.run()), asyncio.create_task(self._accept()),
                    asyncio.create_task(self._watch())]
        waiting = iter(plays)
        await asyncio.gather(*[self._perform_all(waiting) for _ in range(AT_ONCE)])
        for _ in range(3):  # what clients left behind is worked off
            await self.barrier.passed()
        for task in services:
            task.cancel()

    async def _accept(self):
        tasks = set()
        while True:
            sock, _ = await self.loop.sock_accept(self.listener)
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.streams.append(Stream())
            task = asyncio.create_task(_Backend(sock, self.streams[-1], self.barrier, self.plays).serve())
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    async def _watch(self):
        while True:
            await asyncio.sleep(1)
            for play, timeout in self.running.items():
                if self.loop.time() - play.moved > PATIENCE and not timeout.expired():
                    timeout.reschedule(self.loop.time())

    async def _perform_all(self, waiting):
        for play in waiting:
            if self.failed.get(play.case, 0) >= GIVE_UP:
                play.skipped = True
                continue
            number = len(self.plays) + (1 << 16)
            play.address = f"127.{number >> 16}.{number >> 8 & 255}.{number & 255}"
            self.plays[play.address] = play
            play.moved = self.loop.time()
            try:
                async with asyncio.timeout(None) as self.running[play]:
                    await self._perform(play)
            except TimeoutError:
                play.fault = f"nothing came for {PATIENCE} s"
                self.failed[play.case] = self.failed.get(play.case, 0) + 1
            finally:
                del self.running[play]

    async def _perform(self, play):
        sock = socket.socket()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.bind((play.address, 0))
        try:
            await self.loop.sock_connect(sock, self.address)
            await _Client(sock, play, self.barrier).act()
        finally:
            sock.close()
