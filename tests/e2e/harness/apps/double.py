"""What the doubles of Traefik and Envoy share: an HTTP/1.1 proxy that follows a route, one thread for each connection.

A route takes a Request, may change it, and returns Forward or Answer. A program is given settings of a file; take() refuses those
that it does not know, so that a double cannot pass over a setting of an example."""

import http.client
import socket
import ssl
import threading
from urllib.parse import urlsplit

HOP_BY_HOP = {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}


class Answer:
    def __init__(self, status, fields=(), body=b""):
        self.status, self.fields, self.body = status, list(fields), body


class Forward:
    def __init__(self, url):
        parts = urlsplit(url)
        self.address = (parts.hostname, parts.port)


def take(settings, *names):
    """The values of these settings, None for one that is missing; any other setting is a mistake."""
    unknown = set(settings) - set(names)
    if unknown:
        raise SystemExit(f"the double does not know {sorted(unknown)}")
    return [settings.get(name) for name in names]


class Request:
    def __init__(self, head, peer, tls):
        first, *lines = head.decode("latin-1").split("\r\n")[:-2]
        self.method, self.target, _ = first.split(" ")
        self.fields = [(name, value.strip()) for name, value in (line.split(":", 1) for line in lines)]
        self.peer, self.tls = peer, tls
        if len(self.all("host")) != 1:
            raise ValueError("not exactly one Host")  # RFC 9112 section 3.2
        if not self.target.startswith("/") and self.target != "*":
            parts = urlsplit(self.target)  # its host counts, not that of the field (RFC 9112 section 3.2.2)
            self.target = (parts.path or "/") + ("?" + parts.query if parts.query else "")
            self.set("Host", parts.netloc)
        self.upgrade = self.first("upgrade") if "upgrade" in self.tokens("connection") else None

    @property
    def path(self):
        return self.target.split("?")[0]

    @property
    def host(self):
        """In small letters, without the port."""
        return self.first("host").rsplit(":", 1)[0].lower()

    def all(self, name):
        return [value for other, value in self.fields if other.lower() == name.lower()]

    def first(self, name):
        return next(iter(self.all(name)), None)

    def tokens(self, name):
        return [token.strip().lower() for value in self.all(name) for token in value.split(",")]

    def remove(self, name):
        self.fields = [field for field in self.fields if field[0].lower() != name.lower()]

    def set(self, name, *values):
        self.remove(name)
        self.fields += [(name, value) for value in values]

    def head(self):
        """As it is forwarded, on a connection of its own."""
        named = set(self.tokens("connection"))
        framing = [field for field in self.fields if field[0].lower() in ("transfer-encoding", "trailer")]
        kept = [field for field in self.fields if field[0].lower() not in HOP_BY_HOP | named] + framing
        kept += [("Connection", "Upgrade"), ("Upgrade", self.upgrade)] if self.upgrade else [("Connection", "close")]
        return "\r\n".join([f"{self.method} {self.target} HTTP/1.1", *(": ".join(field) for field in kept), "", ""]).encode("latin-1")


def ask(address, method, target, fields, timeout):
    """The status, the fields and the content that the decision endpoint answers; OSError or HTTPException if it does not."""
    connection = http.client.HTTPConnection(*address, timeout=timeout)
    try:
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in fields:
            connection.putheader(name, value)
        connection.endheaders()
        response = connection.getresponse()
        return response.status, response.getheaders(), response.read()
    finally:
        connection.close()


def read_head(file):
    lines = []
    while not lines or lines[-1] != b"\r\n":
        line = file.readline()
        if not line:
            return None
        lines.append(line)
    return b"".join(lines)


def content(file, fields, until_end=False):
    """The content as it is framed, piece by piece, trailers included."""
    fields = {name.lower(): value for name, value in fields}
    if "chunked" in fields.get("transfer-encoding", "").lower():
        size = 1
        while size:
            line = file.readline()
            size = int(line.split(b";")[0], 16)
            yield line + (file.read(size + 2) if size else read_head(file))
    elif "content-length" in fields:
        left = int(fields["content-length"])
        while left:
            piece = file.read1(min(left, 1 << 16))
            if not piece:
                return
            left -= len(piece)
            yield piece
    elif until_end:
        yield from iter(lambda: file.read1(1 << 16), b"")


def pump(source, target):
    """One way of a tunnel."""
    try:
        for piece in iter(lambda: source.read1(1 << 16), b""):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def answer_head(head):
    """The status, the fields that the client gets, and whether there is content."""
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    fields = [tuple(line.split(": ", 1)) if ": " in line else (line.rstrip(":"), "") for line in lines]
    return int(first.split(" ")[1]), first, fields


def forward(client, reader, request, address):
    """True when the client's connection may be used again."""
    with socket.create_connection(address) as job, job.makefile("rb") as answers:
        job.sendall(request.head())
        for piece in content(reader, request.fields):
            job.sendall(piece)
        head = read_head(answers)
        if head is None:
            return give(client, Answer(502))
        status, first, fields = answer_head(head)
        if status == 101:
            client.sendall(head)
            back = threading.Thread(target=pump, args=(answers, client), daemon=True)
            back.start()
            pump(reader, job)
            back.join()
            return False
        bare = request.method == "HEAD" or status in (204, 304)
        framed = bare or any(name.lower() in ("content-length", "transfer-encoding") for name, _ in fields)
        fields = [field for field in fields if field[0].lower() not in ("connection", "keep-alive")]
        fields += [] if framed else [("Connection", "close")]
        client.sendall("\r\n".join([first, *(": ".join(field) for field in fields), "", ""]).encode("latin-1"))
        for piece in [] if bare else content(answers, fields, until_end=True):
            client.sendall(piece)
        return framed


def give(client, answer, method="GET"):
    fields = [field for field in answer.fields if field[0].lower() not in HOP_BY_HOP | {"content-length"}]
    lines = [f"HTTP/1.1 {answer.status} Double", *(": ".join(field) for field in fields), f"Content-Length: {len(answer.body)}", "", ""]
    client.sendall("\r\n".join(lines).encode("latin-1") + (b"" if method == "HEAD" else answer.body))
    return True


def converse(client, peer, route):
    with client.makefile("rb") as reader:
        while head := read_head(reader):
            try:
                request = Request(head, peer, isinstance(client, ssl.SSLSocket))
            except ValueError:
                give(client, Answer(400))
                return
            way = route(request)
            if isinstance(way, Forward):
                if not forward(client, reader, request, way.address):
                    return
            else:
                for _ in content(reader, request.fields):
                    pass  # so that closing does not take the answer away
                give(client, way, request.method)


def serve(port, route, certificate=None):
    """certificate: the paths of the chain and the key."""
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        context.set_alpn_protocols(["http/1.1"])

    def run(sock, peer):
        try:
            with context.wrap_socket(sock, server_side=True) if context else sock as client:
                converse(client, peer, route)
        except (OSError, ValueError):
            pass  # the peer is gone, or its framing is broken
    with socket.create_server(("127.0.0.1", port), backlog=128) as listener:
        while True:
            sock, (peer, _) = listener.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=run, args=(sock, peer), daemon=True).start()
