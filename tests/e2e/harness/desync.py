"""Two independent readings of what reached a backend: libhttp-parser's and h11's. They must be one."""

import json
import struct
import subprocess

import h11

from .gateway import REPOSITORY

READER = REPOSITORY / "build" / "dev" / "tests" / "conformance" / "read_requests"


class Request:
    """A request as a parser understood it; names in lower case."""

    def __init__(self, method, target, fields, content, trailers, whole):
        self.method, self.target, self.fields = method, target, fields
        self.content, self.trailers, self.whole = content, trailers, whole

    @property
    def start(self):
        return f"{self.method} {self.target}"

    def field(self, name):
        values = [value for other, value in self.fields if other == name]
        return values[0] if len(values) == 1 else None

    def __eq__(self, other):
        return vars(self) == vars(other)

    def __repr__(self):
        own = [field for field in self.fields if not field[0].startswith(("x-jobgate-", "x-forwarded-", "forwarded"))]
        return f"<{self.start} {own} {self.content[:200]!r} {self.trailers}{'' if self.whole else ' cut'}>"


def _lower(fields):
    return [(name.lower(), value) for name, value in fields]


def read_by_http_parser(connections):
    """For each connection (bytes): its requests, and how many bytes are left."""
    data = b"".join(struct.pack("<I", len(connection)) + connection for connection in connections)
    done = subprocess.run([READER], input=data, capture_output=True, check=True)
    readings = []
    for line in done.stdout.decode("ascii").splitlines():
        reading = json.loads(line)
        requests = [Request(request["method"], request["target"], _lower(request["fields"]),
                            request["content"].encode("latin-1"), _lower(request["trailers"]), request["whole"])
                    for request in reading["requests"]]
        readings.append((requests, reading["left"]))
    return readings


def _decode(fields):
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in fields]


def read_by_h11(connection):
    """The same for one connection."""
    parser = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    requests = []
    if connection:
        parser.receive_data(connection)
    try:
        while True:
            event = parser.next_event()
            if isinstance(event, h11.Request):
                requests.append(Request(event.method.decode(), event.target.decode("latin-1"),
                                        _decode(event.headers), b"", [], False))
            elif isinstance(event, h11.Data):
                requests[-1].content += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                requests[-1].trailers = _decode(event.headers)
                requests[-1].whole = True
                parser.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
                parser.send(h11.EndOfMessage())
                parser.start_next_cycle()
            else:
                break
    except h11.RemoteProtocolError:
        pass
    # Of a request that is cut, what is left over belongs to its last chunk's framing.
    return requests, len(parser.trailing_data[0]) if not requests or requests[-1].whole else 0
