#!/usr/bin/python3
"""Proxies measured in turn, pair by pair: CPU for each request and requests a second, as ratios."""

import argparse
import json
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import time

import report
from world import BUILD, CHP, CONNECTIONS_MAX, LOAD_CORE, TOP, World, cpu_seconds, has_debian13, resident_bytes, unknown_token

LOAD, HANDSHAKES = BUILD / "bench" / "bench_load", BUILD / "bench" / "bench_handshakes"
ALL = ("haproxy", "nginx", "nginx_lua", "h2o", "caddy", "chp", "relay")
NEWER = ("haproxy-13", "nginx-13", "nginx_lua-13", "jobgate-13")  # of Debian 13 (trixie.sh)
IDLE = min(10000, CONNECTIONS_MAX - 500)  # the rest is what a proxy has open besides

# name: (what, options of bench_load, peers). With "http" and "https" wrk takes its place, with `tls_` bench_handshakes.
SCENARIOS = {
    "small": ("64-byte answers, 64 keep-alive connections", ["-c64"], ALL),
    "wrk": ("the same with wrk -t1 -c64 in place of bench_load", ["http"], ("haproxy", "nginx")),
    "close": ("64-byte answers, a connection for each request", ["-c64", "-mclose"], ("haproxy", "nginx", "relay")),
    "pipelined": ("64-byte answers, 16 requests pipelined on each of 8 connections", ["-c8", "-p16"], ("haproxy", "nginx")),
    "post1k": ("1 KiB POST, 64 keep-alive connections", ["-c64", "-b1024"], ("haproxy", "nginx")),
    "post64k": ("64 KiB POST, 32 keep-alive connections", ["-c32", "-b65536"], ("haproxy", "nginx")),
    "medium": ("64 KiB answers, 32 keep-alive connections", ["-c32", "-u/65536"], ("haproxy", "nginx")),
    "large": ("1 MiB answers, 16 keep-alive connections", ["-c16", "-u/1048576"], ("haproxy", "nginx", "relay")),
    "websocket": ("WebSocket echoes of 128 bytes, 64 tunnels", ["-c64", "-mwebsocket"], ("haproxy", "nginx", "relay")),
    "refused": ("401 for an unknown token, 64 keep-alive connections", ["-c64", "unknown"], ("haproxy", "nginx_lua")),
    "tls": ("64-byte answers over TLS, 64 keep-alive connections", ["https"], ("haproxy", "nginx")),
    "tls_full": ("full TLS 1.3 handshakes, one after another", [], ("haproxy", "nginx")),
    "tls_resumed": ("resumed TLS 1.2 handshakes, one after another", ["-r"], ("haproxy", "nginx")),
    "idle": (f"{IDLE} idle keep-alive connections", ["-midle"], ("haproxy", "nginx")),
    "tunnels": (f"{IDLE} idle WebSocket tunnels", ["-midle-websocket"], ("haproxy", "nginx")),
    "workers": ("two workers on two cores against one, 64-byte answers", ["-c64"], ("jobgate2",)),
    "many": ("1,000,000 tokens and 100,000 jobs, asked for in turn", ["-c64", "-T{world.token_file}", "-J{world.host_file}"], ("haproxy", "nginx_lua")),
}
MEMORY = ("idle", "tunnels")
# Scenarios that need more than one token and one job. One backend: how many there are is no question of who may pass.
WORLDS = {"many": {"tokens": 1000000, "jobs": 100000, "backends": 1}}


def peers_of(scenario):
    """In their order, those of Debian 13 behind the others; TLS also with jobgate built there, since its OpenSSL is another."""
    peers = SCENARIOS[scenario][2]
    return (*peers, *(peer for peer in NEWER if peer[:-3] in peers or (peer == "jobgate-13" and scenario.startswith("tls"))), "before")


def ours(scenario, peer):
    """What stands beside a peer: over TLS both have the same OpenSSL."""
    return "jobgate-13" if scenario.startswith("tls") and peer.endswith("-13") and peer != "jobgate-13" else "jobgate"


def load(world, proxy, *options, token=None):
    done = subprocess.run(["taskset", "-c", LOAD_CORE, LOAD, "-H", "demo.localhost", "-t", token or world.token, *options, str(proxy.port)],
                          capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"bench_load on {proxy.name}: {done.stderr}")
    return json.loads(done.stdout)


def wrk(world, proxy, seconds, scheme):
    port = proxy.tls_port if scheme == "https" else proxy.port
    out = subprocess.run(["taskset", "-c", LOAD_CORE, "wrk", "-t1", "-c64", f"-d{seconds}s", "-H", "Host: demo.localhost",
                          "-H", f"Authorization: Bearer {world.token}", f"{scheme}://127.0.0.1:{port}/small"],
                         capture_output=True, text=True).stdout
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", out)
    requests = int(re.search(r"(\d+) requests in", out)[1])
    return {"requests": requests, "ok": requests - (int(refused[1]) if refused else 0), "failed": sum(map(int, errors.groups())) if errors else 0,
            "seconds": seconds}


def handshakes(proxy, seconds, options):
    done = subprocess.run(["taskset", "-c", LOAD_CORE, HANDSHAKES, f"-d{seconds}", *options, str(proxy.tls_port)], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"bench_handshakes on {proxy.name}: {done.stderr}")
    return json.loads(done.stdout)


def measure(world, name, scenario, seconds):
    """One run of one scenario through one proxy."""
    proxy, options = world.proxy(name), SCENARIOS[scenario][1]
    before, start = cpu_seconds(proxy.pids), time.monotonic()
    if scenario.startswith("tls_"):
        run = handshakes(proxy, seconds, options)
    elif options[0] in ("http", "https"):
        run = wrk(world, proxy, seconds, options[0])
    elif scenario == "refused":
        run = load(world, proxy, "-c64", f"-d{seconds}", token=unknown_token())
    else:
        run = load(world, proxy, *(word.format(world=world) for word in options), f"-d{seconds}")
    after, elapsed = cpu_seconds(proxy.pids), time.monotonic() - start
    user, system = after[0] - before[0], after[1] - before[1]
    requests = max(run["requests"], 1)
    return {**run, "elapsed": elapsed, "per_second": requests / run["seconds"], "cpu_us": (user + system) / requests * 1e6,
            "user_us": user / requests * 1e6}


def memory(name, scenario, say):
    """Resident bytes of a proxy for each connection that idles there, after one request on each."""
    world = World(say=say)  # a new one: what earlier scenarios have left in the proxy's memory would be used again
    try:
        return hold(world, world.proxy(name), scenario)
    finally:
        world.stop()


def hold(world, proxy, scenario):
    measure(world, proxy.name, "small", 1)  # what is kept for reuse is there by now
    before = resident_bytes(proxy.pids)
    with subprocess.Popen(["taskset", "-c", LOAD_CORE, LOAD, "-H", "demo.localhost", "-t", world.token, SCENARIOS[scenario][1][0],
                           f"-c{IDLE}", str(proxy.port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        if holder.stdout.readline() != b"ready\n":
            raise SystemExit(f"{proxy.name} did not take {IDLE} connections")
        if scenario == "idle":  # a request on each, so that they are between two
            time.sleep(0.3)
        after = resident_bytes(proxy.pids)
        holder.stdin.close()
        holder.wait()
    return {"resident": (after - before) / IDLE}


def know_all(world, name, scenario):
    """Ask for each token and job once: what is measured then is not the first reading of them."""
    seconds = 60
    while measure(world, name, scenario, seconds)["requests"] < len(world.tokens):
        seconds *= 2


def compare(world, scenario, peer, options, say):
    """Pairs of runs, the order changing from pair to pair; returns the runs of both."""
    runs = {"jobgate": [], peer: []}
    if scenario in WORLDS:
        know_all(world, "jobgate", scenario)
    for pair in range(1 if scenario in MEMORY else options.pairs):
        for name in (["jobgate", peer] if pair % 2 == 0 else [peer, "jobgate"]):
            say(f"{scenario}: jobgate and {peer}, pair {pair + 1} of {options.pairs}, {name}")
            if scenario in MEMORY:
                runs[name].append(memory(name, scenario, say))
            else:
                runs[name].append(measure(world, ours(scenario, peer) if name == "jobgate" else name, scenario, options.seconds))
                unexpected = 0 if scenario == "refused" else runs[name][-1]["requests"] - runs[name][-1]["ok"]
                if unexpected or runs[name][-1]["failed"]:
                    print(f"\n{scenario}: {name}: {unexpected} answers that were not wanted, {runs[name][-1]['failed']} connections lost")
    return runs


def summary(runs, peer):
    middle = lambda name, key: statistics.median(run[key] for run in runs[name])
    ratios = lambda key: (lambda all_: [statistics.median(all_), min(all_), max(all_)])(
        [a[key] / max(b[key], 1e-9) for a, b in zip(runs["jobgate"], runs[peer])])
    keys = [key for key in ("cpu_us", "user_us", "per_second", "resident") if key in runs["jobgate"][0]]
    found = {key: {name: middle(name, key) for name in runs} for key in keys}
    found.update({f"{key}_ratio": ratios(key) for key in keys if key != "user_us"})
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--only", default=",".join(SCENARIOS), help="scenarios: " + ", ".join(SCENARIOS))
    parser.add_argument("--against", default=",".join((*ALL, "jobgate2", *(NEWER if has_debian13() else ()))),
                        help="peers: " + ", ".join((*ALL, *NEWER)) + ", before (the program that $JOBGATE_BEFORE names)")
    parser.add_argument("--name", default="results", help="of the pages that are written, without ending")
    parser.add_argument("--output", type=pathlib.Path, default=TOP / "bench" / "results")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    say = report.progress()
    world, results = World(say=say), []
    try:
        for scenario in options.only.split(","):
            if scenario in WORLDS:
                world.stop()
                world = World(say=say, **WORLDS[scenario])
            for peer in peers_of(scenario):
                if peer not in options.against.split(",") or (peer == "chp" and not CHP.exists()):
                    continue
                runs = compare(world, scenario, peer, options, say)
                what = SCENARIOS[scenario][0] + (", both with Debian 13's OpenSSL" if ours(scenario, peer) == "jobgate-13" else "")
                results.append({"scenario": scenario, "what": what, "peer": peer, "summary": summary(runs, peer), "runs": runs})
                # Each time, so that an interrupted long run keeps its results.
                report.write(options.output, options.name, {"pairs": options.pairs, "results": results}, report.table(results))
    finally:
        world.stop()
    report.plot_ratios(options.output, results, "ratios" if options.name == "results" else options.name)
    print("\n" + report.table(results))


if __name__ == "__main__":
    main()
