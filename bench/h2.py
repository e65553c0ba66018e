#!/usr/bin/python3
"""HTTP/2 clients through jobgate and its peers, in turn, pair by pair: h2load makes the requests, grpcio the calls with streams."""

import argparse
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

import report
import run
from world import CONNECTIONS_MAX, DOMAIN, LOAD_CORE, TOP, World, cpu_seconds, has_debian13, resident_bytes

sys.path.insert(0, str(TOP / "tests" / "e2e"))
from harness.h2 import PREFACE  # noqa: E402

HOST = f"demo.{DOMAIN}"
IDLE = min(5000, CONNECTIONS_MAX - 500)

# name: (what, path, connections, streams of each, peers); those with "h2c" have a backend that speaks HTTP/2
ALL = ("nghttpx", "haproxy", "nginx", "h2o")
H2C = ("nghttpx", "haproxy", "nginx")
NEWER = ("nghttpx-13", "haproxy-13", "nginx-13")  # of Debian 13 (trixie.sh), which has no h2o
SCENARIOS = {
    "1x64": ("64-byte answers, 1 connection of 64 streams", "/small", 1, 64, ALL),
    "8x8": ("64-byte answers, 8 connections of 8 streams", "/small", 8, 8, ALL),
    "64x1": ("64-byte answers, 64 connections of 1 stream", "/small", 64, 1, ALL),
    "large": ("1 MiB answers, 1 connection of 8 streams", "/1048576", 1, 8, ALL),
    "h2c_1x64": ("h2c backend, 64-byte answers, 1 connection of 64 streams", "/small", 1, 64, H2C),
    "h2c_8x8": ("h2c backend, 64-byte answers, 8 connections of 8 streams", "/small", 8, 8, H2C),
    "h2c_64x1": ("h2c backend, 64-byte answers, 64 connections of 1 stream", "/small", 64, 1, H2C),
    "h2c_large": ("h2c backend, 1 MiB answers, 1 connection of 8 streams", "/1048576", 1, 8, H2C),
    "h2c_grpc": ("gRPC calls of one message each, 8 connections of 8 streams", "/small", 8, 8, H2C),
    "h2c_streams": ("messages of gRPC streams, 1 connection of 8 calls with 1,000 messages each", "", 1, 8, H2C),
    "idle": (f"{IDLE} idle connections", "/small", IDLE, 1, ALL),
}
MEMORY = ("idle",)
STREAMS = ("h2c_streams",)


GRPC = ["-H", "content-type: application/grpc", "-H", "te: trailers"]


def peers_of(scenario):
    """In their order, those of Debian 13 behind the others."""
    peers = SCENARIOS[scenario][4]
    return (*peers, *(peer for peer in NEWER if peer[:-3] in peers), "before")


def h2load(world, proxy, path, connections, streams, seconds, *more):
    done = subprocess.run(["taskset", "-c", LOAD_CORE, "h2load", "-t1", f"-c{connections}", f"-m{streams}", f"-D{seconds}", "--warm-up-time=0",
                           "-w", "20", "-W", "24",  # windows that do not stop 1 MiB answers
                           "-H", f"authorization: Bearer {world.token}", *more,
                           f"--connect-to=127.0.0.1:{proxy.port_h2}", f"http://{HOST}{path}"],
                          capture_output=True, text=True)
    total = re.search(r"requests: (\d+) total, \d+ started, (\d+) done, (\d+) succeeded", done.stdout)
    seen = re.search(r"finished in ([\d.]+)(m?s)", done.stdout)
    if not total or not seen or int(total[2]) == 0:
        raise SystemExit(f"h2load on {proxy.name}: {done.stdout}{done.stderr}")
    return {"requests": int(total[2]), "ok": int(total[3]), "failed": 0, "seconds": float(seen[1]) / (1000 if seen[2] == "ms" else 1)}


def streams(world, proxy, calls, seconds):
    """Here messages are counted, not requests."""
    done = subprocess.run(["taskset", "-c", LOAD_CORE, sys.executable, TOP / "bench" / "grpc_streams.py", str(proxy.port_h2), HOST, world.token,
                           str(calls), str(seconds)], capture_output=True, text=True)
    found = done.stdout.split()
    if len(found) != 3 or found[0] == "0":
        raise SystemExit(f"streams on {proxy.name}: {done.stdout}{done.stderr}")
    return {"requests": int(found[0]), "ok": int(found[0]) - int(found[1]), "failed": 0, "seconds": float(found[2])}


def measure(world, name, scenario, seconds):
    """One run of one scenario through one proxy."""
    _, path, connections, at_once, _ = SCENARIOS[scenario]
    proxy = world.proxy(name)
    more = []
    if scenario == "h2c_grpc":
        message = world.folder / "message"
        message.write_bytes((59).to_bytes(5, "big") + b"x" * 59)
        more = [*GRPC, "-d", str(message)]
    before = cpu_seconds(proxy.pids)
    if scenario in STREAMS:
        found = streams(world, proxy, at_once, 5 * seconds)  # Python's clients and service are slow: few ticks of CPU in a second
    else:
        found = h2load(world, proxy, path, connections, at_once, seconds, *more)
    user, system = (b - a for a, b in zip(before, cpu_seconds(proxy.pids)))
    if found["ok"] != found["requests"]:
        print(f"\n{scenario}: {name}: {found['requests'] - found['ok']} answers that were not wanted")
    return {**found, "per_second": found["requests"] / found["seconds"], "cpu_us": (user + system) / found["requests"] * 1e6,
            "user_us": user / found["requests"] * 1e6}


def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def literal(name, value):
    """A field that enters no table: the name and the value as they are (RFC 7541 section 6.2.2)."""
    short = lambda text: bytes([len(text)]) if len(text) < 127 else bytes([127, len(text) - 127])
    return b"\x00" + short(name) + name.encode() + short(value) + value.encode()


def opened(world, proxy):
    """A connection that has had one answer, and idles."""
    sock = socket.create_connection(("127.0.0.1", proxy.port_h2), timeout=30)
    block = b"".join(literal(name, value) for name, value in (
        (":method", "GET"), (":scheme", "http"), (":authority", HOST), (":path", "/small"), ("authorization", f"Bearer {world.token}")))
    sock.sendall(PREFACE + frame(4, 0, 0) + frame(4, 1, 0) + frame(1, 5, 1, block))
    held = b""
    while True:
        while len(held) < 9 or len(held) < 9 + int.from_bytes(held[:3], "big"):
            data = sock.recv(65536)
            if not data:
                raise SystemExit(f"{proxy.name} closed a connection")
            held += data
        kind, flags, stream = held[3], held[4], int.from_bytes(held[5:9], "big")
        held = held[9 + int.from_bytes(held[:3], "big"):]
        if stream == 1 and kind in (0, 1) and flags & 1:
            return sock


def memory(name, say):
    """Resident bytes of a proxy for each connection that idles there, after one request on each."""
    world = World(say=say)  # a new one: what earlier scenarios have left in the proxy's memory would be used again
    try:
        proxy = world.proxy(name)
        measure(world, name, "64x1", 1)  # what is kept for reuse is there by now
        before = resident_bytes(proxy.pids)
        held = [opened(world, proxy) for _ in range(IDLE)]
        time.sleep(0.3)
        after = resident_bytes(proxy.pids)
        for sock in held:
            sock.close()
        return {"resident": (after - before) / IDLE}
    finally:
        world.stop()


def compare(world, scenario, peer, options, say):
    """Pairs of runs, the order changing from pair to pair; returns the runs of both."""
    runs = {"jobgate": [], peer: []}
    pairs = 1 if scenario in MEMORY else options.pairs
    for pair in range(pairs):
        for name in (["jobgate", peer] if pair % 2 == 0 else [peer, "jobgate"]):
            say(f"{scenario}: jobgate and {peer}, pair {pair + 1} of {pairs}, {name}")
            runs[name].append(memory(name, say) if scenario in MEMORY else measure(world, name, scenario, options.seconds))
    return runs


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", "--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--only", default=",".join(SCENARIOS), help="scenarios: " + ", ".join(SCENARIOS))
    parser.add_argument("--against", default=",".join((*ALL, *(NEWER if has_debian13() else ()))),
                        help="peers: " + ", ".join((*ALL, *NEWER)) + ", before (the program that $JOBGATE_BEFORE names)")
    parser.add_argument("--output", type=pathlib.Path, default=TOP / "bench" / "results")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    say, results = report.progress(), []
    world, has = World(say=say), {"h2c": False, "streams": False}
    try:
        for scenario in options.only.split(","):
            needs = {"h2c": scenario.startswith("h2c"), "streams": scenario in STREAMS}
            if needs != has:
                world.stop()
                world, has = World(say=say, **needs), needs
            for peer in peers_of(scenario):
                if peer not in options.against.split(","):
                    continue
                runs = compare(world, scenario, peer, options, say)
                results.append({"scenario": f"h2_{scenario}", "what": SCENARIOS[scenario][0], "peer": peer,
                                "summary": run.summary(runs, peer), "runs": runs})
                report.write(options.output, "h2", {"pairs": options.pairs, "results": results}, report.table(results))
    finally:
        world.stop()
    report.plot_ratios(options.output, results, "h2")
    print("\n" + report.table(results))


if __name__ == "__main__":
    main()
