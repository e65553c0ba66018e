#!/usr/bin/python3
"""A network that fails on demand, between a gateway and its Redis.

Usage: fault_relay.py PORT CONTROL_PATH TARGET_PORT. It relays TCP from PORT to TARGET_PORT on loopback, tells a
gateway's connections apart by the name that each gives itself (CLIENT SETNAME), and obeys lines sent to the Unix
socket CONTROL_PATH, each answered with `ok`:

    drop WHICH       swallow all bytes both ways, and leave connections open: a network without a RST
    delay WHICH MS   deliver each byte so much later, both ways
    hold WHICH       keep what Redis sends until `pass`, and then deliver all of it
    cut WHICH        close connections; new ones are welcome
    refuse WHICH     the same, and refuse new ones
    mask WHICH       have the nodes of a cluster say in HELLO that they are something else
    pass             back to normal; what a dropping network had swallowed stays lost, so those connections are cut
    target PORT      connect to another Redis from now on
    push PORT        and the push connections to this one, until `target` is said again: a name with two addresses
    count            how many connections there are: `ok DATA PUSH OTHER`

WHICH is data, push, lists, other (none of these) or all. A rule holds for connections made later as well."""

import asyncio
import os
import sys

WORDS = {"data": b"jobgate-data", "push": b"jobgate-push", "lists": b"jobgate-lists"}


def name_in(data):
    return next((name for name, word in WORDS.items() if word in data), None)


def concerns(which, link):
    return which == "all" or which == (link.name or "other")


class Relay:
    def __init__(self, target):
        self.target = target
        self.push_target = None
        self.links = set()
        self.rules = {}  # what is wrong -> (which, argument)

    def rule(self, name, link):
        which, argument = self.rules.get(name, (None, None))
        return argument if concerns(which, link) else None

    def chosen(self, which):
        return [link for link in self.links if concerns(which, link)]

    async def accept(self, reader, writer):
        link = Link(self, reader, writer)
        self.links.add(link)
        try:
            await link.run()
        finally:
            self.links.discard(link)

    def obey(self, words):
        verb, which = words[0], words[1] if len(words) > 1 else None
        if verb == "target":
            self.target, self.push_target = int(which), None
        elif verb == "push":
            self.push_target = int(which)
        elif verb == "count":
            names = [link.name for link in self.links]
            return f"ok {names.count('data')} {names.count('push')} {names.count(None)}"
        elif verb == "pass":
            lost = [link for link in self.links if link.lost]
            self.rules.clear()
            for link in self.links:
                link.wake()
            for link in lost:
                link.close()
        elif verb == "cut":
            for link in self.chosen(which):
                link.close()
        else:
            self.rules[verb] = (which, int(words[2]) if len(words) > 2 else True)
            for link in self.chosen(which) if verb == "refuse" else []:
                link.close()
        return "ok"


class Link:
    """One connection of the gateway and its counterpart to Redis."""

    def __init__(self, relay, reader, writer):
        self.relay, self.reader, self.writer = relay, reader, writer
        self.name, self.lost, self.changed = None, False, asyncio.Event()
        self.redis = None

    def wake(self):
        self.changed.set()
        self.changed = asyncio.Event()

    def close(self):
        for writer in [self.writer, self.redis]:
            if writer:
                writer.transport.abort()

    async def run(self):
        tasks = []
        try:
            if self.relay.rule("refuse", self):
                return
            target = self.relay.target
            first = b""
            if self.relay.push_target:  # who it is has to be known first
                first = await self.reader.read(1 << 16)
                self.name = name_in(first)
                target = self.relay.push_target if self.name == "push" else target
            reader, self.redis = await asyncio.open_connection("127.0.0.1", target)
            self.redis.write(first)
            tasks = [asyncio.create_task(self.pump(self.reader, self.redis, False)),
                     asyncio.create_task(self.pump(reader, self.writer, True))]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        except OSError:
            pass
        finally:
            for task in tasks:
                task.cancel()
            self.close()

    async def pump(self, reader, writer, from_redis):
        """Two tasks: one takes bytes as they come, the other delivers them when they are due."""
        queue = asyncio.Queue()
        deliver = asyncio.create_task(self.deliver(queue, writer, from_redis))
        loop = asyncio.get_running_loop()
        try:
            while data := await reader.read(1 << 16):
                if not from_redis and self.name is None:
                    self.name = name_in(data)
                    if self.relay.rule("refuse", self):
                        return
                if self.relay.rule("drop", self):
                    self.lost = True
                    continue
                if from_redis and self.relay.rule("mask", self):
                    data = data.replace(b"$7\r\ncluster\r\n", b"$7\r\nunknown\r\n")
                delay = (self.relay.rule("delay", self) or 0) / 1000
                await queue.put((loop.time() + delay, data))
            await queue.put((0, b""))
            await deliver
        except OSError:
            pass
        finally:
            deliver.cancel()

    async def deliver(self, queue, writer, from_redis):
        loop = asyncio.get_running_loop()
        while True:
            due, data = await queue.get()
            if due > loop.time():
                await asyncio.sleep(due - loop.time())
            while from_redis and self.relay.rule("hold", self):
                await self.changed.wait()
            if not data or writer.transport.is_closing():
                return
            writer.write(data)
            await writer.drain()


async def main(port, control_path, target):
    relay = Relay(target)

    async def control(reader, writer):
        while line := await reader.readline():
            writer.write((relay.obey(line.decode().split()) + "\n").encode())
            await writer.drain()
        writer.close()
    await asyncio.start_server(relay.accept, "127.0.0.1", port, backlog=128)
    await asyncio.start_unix_server(control, control_path)
    await asyncio.Event().wait()


asyncio.run(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
