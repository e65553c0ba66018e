"""Both ends of the gateway as bare sockets: a client that sends exactly these bytes, a backend that
shows exactly what it received and says what the test wants. No threads: a test plays both parts in turn."""

import select
import socket
import struct
import time

import h11

from .process import PATIENCE


class Closed(Exception):
    """The other side ended the connection; `data` is what had come before, `reset` says how."""

    def __init__(self, data=b"", reset=False):
        super().__init__(f"closed{' by reset' if reset else ''} after {data[:200]!r}")
        self.data = data
        self.reset = reset


class Peer:
    """A connected socket with a buffer of what was received and not yet asked for."""

    def __init__(self, sock):
        sock.settimeout(PATIENCE)
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def send(self, *pieces):
        """Send the pieces, each in a packet of its own as far as TCP allows."""
        for piece in pieces:
            self.sock.sendall(piece)

    def _more(self):
        try:
            data = self.sock.recv(1 << 16)
        except (ConnectionResetError, BrokenPipeError):
            raise Closed(self.buffer, reset=True) from None
        except socket.timeout:
            raise AssertionError(f"nothing came for {PATIENCE:g} s after {self.buffer[:300]!r}") from None
        if not data:
            raise Closed(self.buffer)
        self.buffer += data

    def read(self, size):
        """Exactly this many bytes."""
        while len(self.buffer) < size:
            self._more()
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def read_until(self, mark):
        """Everything up to and including mark."""
        while mark not in self.buffer:
            self._more()
        end = self.buffer.index(mark) + len(mark)
        data, self.buffer = self.buffer[:end], self.buffer[end:]
        return data

    def read_some(self):
        """Whatever is there, at least one byte."""
        if not self.buffer:
            self._more()
        data, self.buffer = self.buffer, b""
        return data

    def read_to_end(self):
        """Everything until an orderly close; a reset raises Closed."""
        while True:
            try:
                self._more()
            except Closed as closed:
                if closed.reset:
                    raise
                data, self.buffer = self.buffer, b""
                return data

    def ended(self):
        """Wait for the end of the connection, orderly or not, and assert that nothing came before it."""
        try:
            rest = self.read_to_end()
        except Closed as closed:
            rest = closed.data
        assert rest == b"", f"more bytes before the end: {rest[:500]!r}"
        return True

    def silent(self):
        """True when nothing has arrived and the connection is open."""
        if self.buffer:
            return False
        return not select.select([self.sock], [], [], 0)[0]

    def half_close(self):
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self):
        """Close with RST instead of FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self):
        self.sock.close()


class Response:
    """An answer as h11, a strict parser, sees it."""

    def __init__(self, event):
        self.status = event.status_code
        self.version = event.http_version.decode()
        self.reason = bytes(event.reason).decode()
        self.fields = [(name.decode(), value.decode("latin-1")) for name, value in event.headers]
        self.interim = []
        self.body = b""
        self.trailers = []

    def all(self, name):
        return [value for field, value in self.fields if field == name.lower()]

    def field(self, name):
        """The value of a field that occurs at most once."""
        values = self.all(name)
        assert len(values) <= 1, f"{name} occurs {len(values)} times: {values}"
        return values[0] if values else None

    def challenge(self):
        """The challenge of the scheme Bearer. Programs are offered Basic as well, in a second field."""
        return next((value for value in self.all("www-authenticate") if value.startswith("Bearer ")), None)

    def __repr__(self):
        return f"<{self.status} {self.fields} {self.body[:300]!r}>"


class Cut(Exception):
    """The answer ended before its body did; `response` holds what had come."""

    def __init__(self, response, reset):
        super().__init__(f"cut {'by reset ' if reset else ''}after {response!r}")
        self.response = response
        self.reset = reset


class Client(Peer):
    """A client of the gateway, at an address of its own if `source` names one."""

    def __init__(self, address, source=None):
        if isinstance(address, str):
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            sock.settimeout(PATIENCE)
            sock.connect(address)
        else:
            sock = socket.create_connection(address, PATIENCE, source and (source, 0))
        super().__init__(sock)
        self._parser = None

    def _begin(self, method, upgrade):
        parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
        fields = [("Host", "unused")]
        if upgrade:
            fields += [("Connection", "upgrade"), ("Upgrade", "unused")]
        parser.send(h11.Request(method=method, target="/", headers=fields))
        parser.send(h11.EndOfMessage())
        if self.buffer:  # empty would mean the end of the connection
            parser.receive_data(self.buffer)
            self.buffer = b""
        self._parser = parser

    def _event(self):
        while True:
            event = self._parser.next_event()
            if event is not h11.NEED_DATA:
                return event
            try:
                self._more()
            except Closed as closed:
                if closed.reset:
                    raise
                self._parser.receive_data(b"")
                try:
                    return self._parser.next_event()
                except h11.RemoteProtocolError:
                    raise closed from None
            self._parser.receive_data(self.buffer)
            self.buffer = b""

    def read_head(self, method="GET", upgrade=False):
        """The head of the next answer, informational ones in `interim`; read_body has the rest."""
        self._begin(method, upgrade)
        interim = []
        while True:
            event = self._event()
            if isinstance(event, h11.InformationalResponse):
                interim.append(Response(event))
                if event.status_code == 101:
                    response = interim.pop()
                    self.buffer = self._parser.trailing_data[0]
                    break
                continue
            assert isinstance(event, h11.Response), f"no answer: {event!r}"
            response = Response(event)
            break
        response.interim = interim
        return response

    def read_interim(self, method="GET"):
        """One informational answer that comes while the final one is still out."""
        head = self.read_until(b"\r\n\r\n")
        parser = h11.Connection(h11.CLIENT)
        parser.send(h11.Request(method=method, target="/", headers=[("Host", "unused")]))
        parser.receive_data(head)
        event = parser.next_event()
        assert isinstance(event, h11.InformationalResponse), head
        return Response(event)

    def read_piece(self):
        """The next piece of the body as it comes, or None at its end."""
        event = self._event()
        if isinstance(event, h11.Data):
            return bytes(event.data)
        assert isinstance(event, h11.EndOfMessage), event
        self.trailers = [(name.decode(), value.decode()) for name, value in event.headers]
        self.buffer = self._parser.trailing_data[0]
        return None

    def behind_head(self):
        """Bytes of the body that came along with its head; what follows is read from `sock`."""
        return self._parser.trailing_data[0]

    def read_body(self, response):
        try:
            while (piece := self.read_piece()) is not None:
                response.body += piece
        except Closed as closed:
            raise Cut(response, closed.reset) from None
        response.trailers = self.trailers
        return response

    def read_response(self, method="GET", upgrade=False):
        """The next answer whole. Cut when its body does not end as its head promised."""
        response = self.read_head(method, upgrade)
        return response if response.status == 101 else self.read_body(response)

    def exchange(self, request, method=None):
        self.send(request)
        return self.read_response(method or request.split(b" ", 1)[0].decode())


class Received:
    """A request as a backend received it, byte for byte."""

    def __init__(self, head):
        self.head = head
        lines = head[:-4].decode("latin-1").split("\r\n")
        self.line = lines[0]
        self.method, self.target, self.version = lines[0].split(" ")
        self.fields = []
        for line in lines[1:]:
            name, _, value = line.partition(": ")
            self.fields.append((name.lower(), value))
        self.body = b""
        self.trailers = b""

    def all(self, name):
        return [value for field, value in self.fields if field == name.lower()]

    def field(self, name):
        values = self.all(name)
        assert len(values) <= 1, f"{name} occurs {len(values)} times: {values}"
        return values[0] if values else None

    def names(self):
        return [name for name, _ in self.fields]


class BackendConnection(Peer):
    """One connection that the gateway opened to a scripted backend."""

    def read_head(self):
        return Received(self.read_until(b"\r\n\r\n"))

    def read_chunk(self):
        """One chunk's content; b"" is the last one. Chunk lines must be as plain as we promise."""
        line = self.read_until(b"\r\n")[:-2]
        assert line and all(digit in b"0123456789abcdefABCDEF" for digit in line), line
        size = int(line, 16)
        if not size:
            return b""
        data = self.read(size)
        assert self.read(2) == b"\r\n"
        return data

    def read_request(self):
        """A whole request, its body by the one framing it may have."""
        request = self.read_head()
        length, coding = request.all("content-length"), request.all("transfer-encoding")
        assert len(length) + len(coding) <= 1, request.head
        if length:
            request.body = self.read(int(length[0]))
        elif coding:
            assert coding == ["chunked"]
            while chunk := self.read_chunk():
                request.body += chunk
            while (line := self.read_until(b"\r\n")) != b"\r\n":
                request.trailers += line
        return request

    def answer(self, body=b"ok", status="200 OK", fields=()):
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields]
        self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)


class Backend:
    """A listening socket whose connections the test answers itself.

    The kernel repeats a SYN that found the backlog full after a second, later than timeouts.connect of these tests."""

    def __init__(self, host="127.0.0.1", port=0, path=None, backlog=1024):
        if path:
            self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.listener.bind(path)
            self.port, self.url = None, f"unix:{path}"
        else:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            self.listener = socket.socket(family, socket.SOCK_STREAM)
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.listener.bind((host, port))
            self.port = self.listener.getsockname()[1]
            self.authority = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
            self.url = f"http://{self.authority}"
        self.listener.listen(backlog)
        self.listener.settimeout(PATIENCE)
        self.connections = []

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def accept(self):
        try:
            sock, _ = self.listener.accept()
        except socket.timeout:
            raise AssertionError(f"the gateway did not connect within {PATIENCE:g} s") from None
        connection = BackendConnection(sock)
        self.connections.append(connection)
        return connection

    def serve(self, body=b"ok"):
        """Take the next request whole and answer it with 200; returns what was received."""
        connection = self.next()
        received = connection.read_request()
        connection.answer(body)
        return received

    def _waiting(self, seconds):
        """A connection that has bytes to read, else whether one is to be accepted."""
        self.connections = [conn for conn in self.connections if conn.sock.fileno() >= 0]
        sockets = {conn.sock: conn for conn in self.connections}
        ready = select.select([self.listener, *sockets], [], [], seconds)[0]
        for sock in ready:
            if sock is self.listener:
                continue
            try:
                if sock.recv(1, socket.MSG_PEEK):
                    return sockets[sock], False
            except ConnectionResetError:
                pass
            sock.close()  # an idle connection that the gateway gave up
        return None, self.listener in ready

    def next(self):
        """The connection, new or kept alive, on which the next request comes."""
        deadline = time.monotonic() + PATIENCE
        while (left := deadline - time.monotonic()) > 0:
            connection, arriving = self._waiting(left)
            if connection:
                return connection
            if arriving:
                return self.accept()
        raise AssertionError(f"the gateway sent nothing within {PATIENCE:g} s")

    def untouched(self):
        """True when no connection waits to be accepted, and nothing came on connections that are kept."""
        return self._waiting(0) == (None, False)

    def close(self):
        for connection in self.connections:
            connection.close()
        self.listener.close()


class Silent:
    """A listener with a full queue: it leaves a SYN unanswered, as a host that is down does."""

    def __init__(self, host="127.0.0.1", port=0):
        self.backend = Backend(host, port, backlog=0)
        self.port, self.url = self.backend.port, self.backend.url
        self.fillers = []
        for _ in range(8):
            sock = socket.socket(self.backend.listener.family)
            sock.setblocking(False)
            sock.connect_ex((host, self.port))
            self.fillers.append(sock)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for sock in self.fillers:
            sock.close()
        self.backend.close()
