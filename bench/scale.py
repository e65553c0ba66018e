#!/usr/bin/python3
"""Cost of a request as connections, jobs (distinct backends) and tokens grow."""

import argparse
import pathlib
import signal
import statistics
import sys

import report
import run
from world import CONNECTIONS_MAX, TOP, World, cpu_seconds

CONNECTIONS = (1, 10, 100, 1000, min(10000, CONNECTIONS_MAX - 100))
JOBS = CONNECTIONS  # a connection to each backend stays open
TOKENS = (100, 1000, 10000, 100000, 1000000)


def cost(world, options, *words):
    """CPU µs for each request, the median of some runs, once each token and job has been asked for."""
    proxy, found, seconds = world.proxy("jobgate"), [], options.seconds
    while run.load(world, proxy, *words, f"-d{seconds}")["requests"] < max(len(world.tokens), len(world.jobs)):
        seconds *= 2
    for _ in range(options.runs):
        before = sum(cpu_seconds(proxy.pids))
        done = run.load(world, proxy, *words, f"-d{options.seconds}")
        found.append((sum(cpu_seconds(proxy.pids)) - before) / max(done["requests"], 1) * 1e6)
        if done["ok"] != done["requests"]:
            raise SystemExit(f"{words}: {done}")
    return statistics.median(found)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--only", default="connections,jobs,tokens")
    parser.add_argument("--output", type=pathlib.Path, default=TOP / "bench" / "results")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    say, series = report.progress(), {}

    def point(kind, n, world, *words):
        say(f"{kind}: {n}")
        series.setdefault(kind, []).append((n, cost(world, options, *words)))

    def within(kind, n, *words, **kwargs):
        world = World(say=say, **kwargs)
        try:
            point(kind, n, world, *(word.format(world=world) for word in words))
        finally:
            world.stop()
    if "connections" in options.only:
        world = World(say=say)
        try:
            for n in CONNECTIONS:
                point("connections", n, world, f"-c{n}")
        finally:
            world.stop()
    for n in JOBS if "jobs" in options.only else ():
        within("jobs", n, "-c64", "-J{world.host_file}", jobs=n)
    for n in TOKENS if "tokens" in options.only else ():
        # All are asked for in turn, so the worker's cache knows all, and the processor's none of them.
        within("tokens", n, "-c64", "-T{world.token_file}", tokens=n, jobs=1)
    lines = ["| what grows | CPU for each request, µs | of that for the fewest |", "| --- | --- | --- |"]
    for kind, points in series.items():
        lines += [f"| {n:,} {kind} | {us:.1f} | {us / points[0][1]:.2f} |" for n, us in points]
    report.write(options.output, "scale", {"series": series}, "\n".join(lines))
    report.plot_lines(options.output, "scale", "CPU for each request as things grow", "how many", "µs", series)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
