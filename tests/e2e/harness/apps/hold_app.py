#!/usr/bin/python3
"""A backend for those who count answers: hold_app.py PORT. Answers 200 at once; under /hold/ with
a body that never ends, or, asked for an upgrade, with a WebSocket that says hello; /count tells, as JSON, how many
requests each job was sent."""

import asyncio
import collections
import json
import re
import resource
import sys

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
HOLD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"


SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x05hello"


counts = collections.Counter()


def answer_to(head):
    job = re.search(rb"(?i)\r\nx-jobgate-job: ([^\r]+)", head)
    if job:
        counts[job[1].decode()] += 1
    elif head.startswith(b"GET /count "):
        text = json.dumps(counts).encode()
        return b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text)
    if not head.split(b" ", 2)[1].startswith(b"/hold/"):
        return OK
    return SWITCH if b"\r\nupgrade:" in head.lower() else HOLD


class Backend(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.buffer = transport, b""

    def data_received(self, data):
        self.buffer += data
        while b"\r\n\r\n" in self.buffer:
            head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
            self.transport.write(answer_to(head))


async def main(port):
    server = await asyncio.get_running_loop().create_server(Backend, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
asyncio.run(main(int(sys.argv[1])))
