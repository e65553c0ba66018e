#!/usr/bin/python3
"""A slow backend: slow_app.py PORT. Each answer begins after up to 300 ms and comes in pieces; /good says "good", all else is 100 KB. A request
with content is not read to its end, but answered, and its connection is closed."""

import asyncio
import random
import sys

chance = random.Random(1)


async def serve(reader, writer):
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            await asyncio.sleep(chance.random() * 0.3)
            body = b"good" if head.split(b" ", 2)[1] == b"/good" else b"x" * 100_000
            last = b"\r\ncontent-length:" in head or b"\r\ntransfer-encoding:" in head
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%s\r\n" % (len(body), b"Connection: close\r\n" if last else b""))
            if not head.startswith(b"head "):
                for at in range(0, len(body), 20_000):
                    writer.write(body[at:at + 20_000])
                    await writer.drain()
                    await asyncio.sleep(chance.random() * 0.02)
            if last:
                break
    except (OSError, EOFError):
        pass
    finally:
        writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]), backlog=1024)
    async with server:
        await server.serve_forever()


asyncio.run(main())
