#!/usr/bin/python3
"""What no peer has: the decision alone, a token never seen before, and how soon a revocation is felt under load."""

import argparse
import http.client
import json
import pathlib
import selectors
import signal
import socket
import statistics
import subprocess
import sys
import time

import report
import run
from world import BUILD, LOAD_CORE, PROXY_CORE, TOP, World, resident_bytes


def decisions(runs):
    """Nanoseconds of one decision: 100 tokens known; 1,000,000 tokens and 100,000 jobs known, 100 or all of them asked for."""
    cases = {"few": (100, 100, 100), "many": (1000000, 100000, 100), "all": (1000000, 100000, 1000000)}
    found = {name: [] for name in cases}
    for _ in range(runs):
        for name, words in cases.items():
            out = subprocess.run(["taskset", "-c", PROXY_CORE, BUILD / "bench" / "bench_decide", *map(str, words)], capture_output=True, text=True).stdout
            found[name].append(json.loads(out)["ns"])
    return found


class Client:
    """A keep-alive connection whose requests are written by hand."""

    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port))

    def status(self, token):
        """Of the answer to one more request; 0 when the connection was cut instead."""
        self.ask(token)
        return self.answer()

    def ask(self, token):
        try:
            self.sock.sendall(f"GET /small HTTP/1.1\r\nHost: demo.localhost\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
        except ConnectionError:
            pass  # reading tells

    def answer(self):
        data, length = b"", None
        while length is None or len(data) < length:
            try:
                piece = self.sock.recv(65536)
            except ConnectionError:
                piece = b""
            if not piece:
                return 0
            data += piece
            head, end, _ = data.partition(b"\r\n\r\n")
            if end and length is None:
                length = len(head) + 4 + int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        return int(data[9:12])


def cold(world):
    """p50 of a request with a known token, with one never seen before, and of a round trip to Redis; µs, one at a time."""
    client = Client(world.proxy("jobgate").port)

    def took(token):
        began = time.perf_counter()
        assert client.status(token) == 200
        return (time.perf_counter() - began) * 1e6
    took(world.token)
    warm, first = [], []
    for token in world.tokens[1:1001]:
        warm.append(took(world.token))
        first.append(took(token))
    redis = socket.socket(socket.AF_UNIX)
    redis.connect(str(world.folder / "jobgate" / "redis.sock"))
    trips = []
    for token in world.tokens[1:1001]:
        began = time.perf_counter()
        redis.sendall(f"HGETALL jobgate:token:{token[4:20]}\r\n".encode())
        redis.recv(65536)
        trips.append((time.perf_counter() - began) * 1e6)
    return {"warm": statistics.median(warm), "cold": statistics.median(first), "redis": statistics.median(trips)}


def constants(world):
    """Bytes that a token takes in Redis, there once a worker has read it (tracking), and in a worker."""
    proxy, store = world.proxy("jobgate"), world.folder / "jobgate" / "redis.sock"
    run.load(world, proxy, "-c64", "-d1")
    full, before, count = world.store_bytes(store), resident_bytes(proxy.pids), len(world.tokens)
    seconds = 4
    while run.load(world, proxy, "-c64", f"-d{seconds}", "-T", world.token_file)["requests"] < count:  # until each was asked for
        seconds *= 2
    return {"store": (full - world.empty_store_bytes) / count, "tracking": (world.store_bytes(store) - full) / count,
            "worker": (resident_bytes(proxy.pids) - before) / count}


class Control(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self.path))


def revoke(control, clients, token):
    """Milliseconds from the answer to DELETE until each client has been refused once; a client that is allowed asks again at once."""
    refused, deleted = [None] * len(clients), None
    with selectors.DefaultSelector() as selector:
        for i, client in enumerate(clients):
            selector.register(client.sock, selectors.EVENT_READ, i)
            client.ask(token)
        control.request("DELETE", f"/v1/tokens/{token[4:20]}")
        selector.register(control.sock, selectors.EVENT_READ, None)
        while deleted is None or None in refused:
            for key, _ in selector.select():
                if key.data is None:
                    deleted = time.perf_counter()
                    selector.unregister(control.sock)
                elif clients[key.data].answer() == 200:
                    clients[key.data].ask(token)
                else:
                    refused[key.data] = time.perf_counter()
                    selector.unregister(key.fileobj)
    answer = control.getresponse()
    answer.read()
    assert answer.status in (200, 204), answer.status
    return max(0, max(refused) - deleted) * 1e3


def revocations(world, count):
    """Of eight connections over two workers, while others keep these busy. One thread: Python's lock on its threads is no part of it."""
    proxy = world.proxy("jobgate2")
    clients = [Client(proxy.port) for _ in range(8)]
    control, found = Control(world.control), []
    busy = subprocess.Popen(["taskset", "-c", LOAD_CORE, run.LOAD, "-H", "demo.localhost", "-t", world.token, "-c32", "-r3000", "-d3600",
                             str(proxy.port)], stdout=subprocess.DEVNULL)
    try:
        for token in world.tokens[1:count + 1]:
            for i, client in enumerate(clients):
                if client.status(token) == 0:  # cut by the last revocation
                    clients[i] = Client(proxy.port)
                    assert clients[i].status(token) == 200
            found.append(revoke(control, clients, token))
    finally:
        busy.terminate()
        busy.wait()
    return sorted(found)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--revocations", type=int, default=300)
    parser.add_argument("--output", type=pathlib.Path, default=TOP / "bench" / "results")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    say = report.progress()
    say("decisions in process")
    found = {"decisions_ns": decisions(options.runs)}
    few, many, all_ = (statistics.median(found["decisions_ns"][name]) for name in ("few", "many", "all"))
    ratio = statistics.median(a / b for a, b in zip(found["decisions_ns"]["many"], found["decisions_ns"]["few"]))
    world = World(tokens=20000, say=say)
    try:
        say("cold tokens")
        found["cold_us"] = c = cold(world)
        say("what a token takes")
        found["bytes"] = constants(world)
        say("revocations under load")
        found["revocations_ms"] = r = revocations(world, options.revocations)
    finally:
        world.stop()
    p99 = r[int(len(r) * 0.99)]
    sign = lambda met: "✓" if met else "✗"
    text = "\n".join([
        "| what | measured | bar |", "| --- | --- | --- |",
        f"| decisions a second, in process, one core | {1e3 / few:.1f} million | {sign(1e3 / few >= 3)} ≥ 3 million |",
        f"| the same 100 tokens with 1,000,000 tokens and 100,000 jobs known | {many:.0f} ns against {few:.0f} ns: {ratio:.2f} times | {sign(ratio <= 1.3)} ≤ 1.3 |",
        f"| all of 1,000,000 tokens in turn, each out of the processor's caches | {all_:.0f} ns | |",
        f"| a token never seen before | {c['cold']:.0f} µs against {c['warm']:.0f} µs; HGETALL takes {c['redis']:.0f} µs from a script | one round trip |",
        f"| revocation to refusal, two workers under load, {len(r)} times | p50 {statistics.median(r):.2f} ms, p99 {p99:.2f} ms, max {r[-1]:.2f} ms | {sign(p99 <= 10)} p99 ≤ 10 ms |"])
    text += "\n| a token takes | {store:.0f} bytes in Redis, {tracking:.0f} more there for each worker that has read it, {worker:.0f} in that worker | |".format(**found["bytes"])
    report.write(options.output, "inside", found, text)
    print(text)


if __name__ == "__main__":
    main()
