"""A job's service as people write it: echo, streams, odd statuses, WebSocket. Usage: aiohttp_app.py PORT"""

import asyncio
import hashlib
import sys

from aiohttp import WSMsgType, web


async def echo(request):
    """What arrived, as JSON."""
    body = await request.read()
    return web.json_response({
        "method": request.method,
        "target": request.raw_path,
        "fields": [[name.decode().lower(), value.decode()] for name, value in request.raw_headers],
        "length": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
        "body": body[:4096].decode("latin-1"),
    })


async def events(request):
    """Server-sent events: as many as asked for, the next one after `pause` seconds."""
    answer = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    await answer.prepare(request)
    for number in range(int(request.query.get("count", "3"))):
        await answer.write(f"id: {number}\ndata: event {number}\n\n".encode())
        await asyncio.sleep(float(request.query.get("pause", "0")))
    return answer


async def mirror(request):
    """The request's body back, piece by piece, while it still comes in."""
    answer = web.StreamResponse()
    await answer.prepare(request)
    async for piece in request.content.iter_any():
        await answer.write(piece)
    return answer


async def status(request):
    code = int(request.match_info["code"])
    return web.Response(status=code, headers={"X-Code": str(code)})


async def slow(request):
    await asyncio.sleep(float(request.query["seconds"]))
    return web.Response(text="at last")


async def websocket(request):
    socket = web.WebSocketResponse(protocols=("chat",), max_msg_size=0)
    await socket.prepare(request)
    async for message in socket:
        if message.type == WSMsgType.TEXT:
            await socket.send_str(message.data)
        elif message.type == WSMsgType.BINARY:
            await socket.send_bytes(message.data)
    return socket


def main():
    app = web.Application(client_max_size=1 << 40)
    app.router.add_get("/events", events)
    app.router.add_post("/mirror", mirror)
    app.router.add_get("/status/{code}", status)
    app.router.add_get("/slow", slow)
    app.router.add_get("/websocket", websocket)
    app.router.add_route("*", "/{path:.*}", echo)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)


main()
