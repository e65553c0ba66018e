"""A client of HTTP/2 for the soak: many streams on a connection, windows both ways, and what each stream saw of its end."""

import asyncio

import hpack

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM = ACK = 1
END_HEADERS = 4
INITIAL_WINDOW_SIZE = 4
NO_ERROR, REFUSED_STREAM = 0, 7
WINDOW = 1 << 20
FRAME_MAX = 16384


def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


class Ended(Exception):
    """The stream has ended before its answer did. processed: the gateway may have done something with the request."""

    def __init__(self, processed, begun):
        super().__init__(f"processed {processed}, begun {begun}")
        self.processed, self.begun = processed, begun


class Stream:
    def __init__(self, session, number, window):
        self.session, self.number, self.window = session, number, window
        self.events, self.widened = asyncio.Queue(), asyncio.Event()
        self.begun = self.over = False
        self.end = None  # Ended

    def came(self, event):
        self.events.put_nowait(event)

    def ends(self, processed):
        if not self.over:
            self.over, self.end = True, Ended(processed, self.begun)
            self.came(None)
            self.widened.set()

    async def _next(self):
        event = await self.events.get()
        if event is None:
            raise self.end
        return event

    async def head(self):
        """The fields of the final answer."""
        while True:
            kind, fields, ended = await self._next()
            assert kind == "fields", kind
            if not fields[":status"].startswith("1"):
                self.begun = True
                if ended:
                    self.came(("data", b"", True))
                return fields

    async def read(self):
        """(content, whether it is the last)."""
        kind, content, ended = await self._next()
        return (content if kind == "data" else b""), ended

    async def send(self, content, end):
        """Send content, as far as the windows allow at a time. Silent when the stream is over."""
        while not self.over and (content or end):
            size = min(len(content), self.window, self.session.window, FRAME_MAX)
            if content and size <= 0:
                self.widened.clear()
                await self.widened.wait()
                continue
            last = end and size == len(content)
            self.window -= size
            self.session.window -= size
            self.session.write(frame(DATA, END_STREAM if last else 0, self.number, content[:size]))
            await self.session.drain()
            content = content[size:]
            if last:
                return

    def cancel(self):
        if not self.over:
            self.session.write(frame(RST_STREAM, 0, self.number, (8).to_bytes(4, "big")))
            self.ends(True)


class Session:
    """A connection. Once `usable` is false, a new one takes further requests."""

    @classmethod
    async def open(cls, port, context=None, name=None):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)
        if context is not None:
            assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"
        return cls(reader, writer)

    def __init__(self, reader, writer):
        self.reader, self.writer, self.usable = reader, writer, True
        self.encoder, self.decoder = hpack.Encoder(), hpack.Decoder()
        self.window, self.initial_window, self.next_number = 65535, 65535, 1
        self.streams, self.block = {}, b""
        self.write(PREFACE + frame(SETTINGS, 0, 0, INITIAL_WINDOW_SIZE.to_bytes(2, "big") + WINDOW.to_bytes(4, "big")) +
                   frame(WINDOW_UPDATE, 0, 0, (16 * WINDOW).to_bytes(4, "big")))
        self.task = asyncio.ensure_future(self._run())

    def write(self, data):
        if not self.writer.is_closing():
            self.writer.write(data)

    async def drain(self):
        try:
            await self.writer.drain()
        except OSError:
            pass  # what went wrong stands in what comes

    def request(self, fields, end=True):
        stream = Stream(self, self.next_number, self.initial_window)
        self.next_number += 2
        self.streams[stream.number] = stream
        self.write(frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream.number, self.encoder.encode(fields)))
        return stream

    async def close(self):
        self.usable = False
        self.writer.close()
        await asyncio.gather(self.task, return_exceptions=True)

    # ---- what comes ----

    async def _run(self):
        try:
            while True:
                head = await self.reader.readexactly(9)
                payload = await self.reader.readexactly(int.from_bytes(head[:3], "big"))
                self._take(head[3], head[4], int.from_bytes(head[5:9], "big"), payload)
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            self.usable = False
            for stream in list(self.streams.values()):
                self._over(stream, True)
            self.writer.close()

    def _over(self, stream, processed):
        self.streams.pop(stream.number, None)
        stream.ends(processed)

    def _take(self, kind, flags, number, payload):
        stream = self.streams.get(number)
        if kind in (HEADERS, CONTINUATION):
            self.block += payload
            if flags & END_HEADERS:
                fields, self.block = dict(self.decoder.decode(self.block)), b""
                self._content(stream, ("fields", fields, self.fin if kind == CONTINUATION else bool(flags & END_STREAM)))
            elif kind == HEADERS:
                self.fin = bool(flags & END_STREAM)
        elif kind == DATA:
            if payload:
                self.write(frame(WINDOW_UPDATE, 0, 0, len(payload).to_bytes(4, "big")))
                if stream and not flags & END_STREAM:
                    self.write(frame(WINDOW_UPDATE, 0, number, len(payload).to_bytes(4, "big")))
            self._content(stream, ("data", payload, bool(flags & END_STREAM)))
        elif kind == RST_STREAM and stream:
            self._over(stream, int.from_bytes(payload, "big") != REFUSED_STREAM)
        elif kind == SETTINGS and not flags & ACK:
            self._settings(payload)
            self.write(frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK:
            self.write(frame(PING, ACK, 0, payload))
        elif kind == WINDOW_UPDATE:
            self._widen(stream, number, int.from_bytes(payload, "big"))
        elif kind == GOAWAY:
            self.usable = False
            last = int.from_bytes(payload[:4], "big")
            for one in [one for one in self.streams.values() if one.number > last]:
                self._over(one, False)

    def _content(self, stream, event):
        if stream is None:
            return  # it was reset
        stream.came(event)
        if event[2]:
            self.streams.pop(stream.number, None)

    def _settings(self, payload):
        for at in range(0, len(payload), 6):
            if int.from_bytes(payload[at:at + 2], "big") == INITIAL_WINDOW_SIZE:
                size = int.from_bytes(payload[at + 2:at + 6], "big")
                for stream in self.streams.values():
                    stream.window += size - self.initial_window
                    stream.widened.set()
                self.initial_window = size

    def _widen(self, stream, number, size):
        if number == 0:
            self.window += size
        elif stream:
            stream.window += size
        for one in self.streams.values() if number == 0 else [stream] if stream else []:
            one.widened.set()
