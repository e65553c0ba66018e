#!/usr/bin/python3
"""A job's service for the demonstration: says who called, streams, echoes WebSocket messages.

Usage: demo_backend.py PORT, or `jobgate job run -l model=base -- deploy/demo_backend.py {port}`."""

import asyncio
import sys

from aiohttp import WSMsgType, web


async def hello(request):
    """What the gateway tells a job about its caller; the token itself never gets here."""
    name = request.headers.get("X-Jobgate-Token-Name", "nobody")
    role = request.headers.get("X-Jobgate-Role", "none")
    seen = "yes" if "Authorization" in request.headers else "no"
    return web.Response(text=f"hello, {name} (role {role}); token seen by the job: {seen}\n")


async def stream(request):
    answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await answer.prepare(request)
    for step in range(1, 6):
        await answer.write(f"data: step {step} of 5\n\n".encode())
        await asyncio.sleep(0.2)
    return answer


async def echo(request):
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        if message.type == WSMsgType.TEXT:
            await socket.send_str(f"echo: {message.data}")
    return socket


def main():
    if len(sys.argv) != 2 or not sys.argv[1].isdigit():
        sys.exit(__doc__)
    app = web.Application()
    app.add_routes([web.get("/", hello), web.get("/stream", stream), web.get("/echo", echo)])
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)


main()
