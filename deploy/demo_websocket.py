#!/usr/bin/python3
"""Send lines over a WebSocket and print what comes back. Usage: demo_websocket.py URL HOST TOKEN LINE..."""

import asyncio
import sys

import aiohttp


async def talk(url, host, token, lines):
    headers = {"Host": host, "Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(url, headers=headers) as socket:
            print(f"101 Switching Protocols, connected as {host}")
            for line in lines:
                await socket.send_str(line)
                print(f"> {line}")
                print(f"< {await socket.receive_str(timeout=10)}")


if len(sys.argv) < 5:
    sys.exit(__doc__)
asyncio.run(talk(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]))
