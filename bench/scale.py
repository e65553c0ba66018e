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


def know_all(world, options, *words):
    """Ask for each token and job: what is measured then is not the first reading of them."""
    proxy, seconds = world.proxy("jobgate"), options.seconds
    while run.load(world, proxy, *words, f"-d{seconds}")["requests"] < max(len(world.tokens), len(world.jobs)):
        seconds *= 2


def once(world, options, *words):
    """CPU µs for each request."""
    proxy = world.proxy("jobgate")
    before = sum(cpu_seconds(proxy.pids))
    done = run.load(world, proxy, *words, f"-d{options.seconds}")
    if done["ok"] != done["requests"]:
        raise SystemExit(f"{words}: {done}")
    return (sum(cpu_seconds(proxy.pids)) - before) / max(done["requests"], 1) * 1e6


def cost(world, options, *words):
    """The median of some runs, once each token and job has been asked for."""
    know_all(world, options, *words)
    return statistics.median(once(world, options, *words) for _ in range(options.runs))


def against_one(options, say):
    """The most jobs, each with its own backend, against one: both gateways run, and are measured in turn, pair by pair."""
    worlds, pairs = [], []
    try:
        for n in (1, JOBS[-1]):
            worlds.append((World(say=say, jobs=n), n))
        words = [(world, "-c64", f"-J{world.host_file}") for world, _ in worlds]
        for world, *rest in words:
            know_all(world, options, *rest)
        for pair in range(options.pairs):
            say(f"jobs against one: pair {pair + 1} of {options.pairs}")
            found = {world: once(world, options, *rest) for world, *rest in (words if pair % 2 == 0 else words[::-1])}
            pairs.append([found[world] for world, _ in worlds])
    finally:
        for world, _ in worlds:
            world.stop()
    return pairs


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--only", default="connections,jobs,tokens,against")
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
    pairs = against_one(options, say) if "against" in options.only else []
    if pairs:
        ratios = [many / one for one, many in pairs]
        lines.append(f"| {JOBS[-1]:,} jobs against one, in turn, {len(pairs)} pairs | {statistics.median(many for _, many in pairs):.1f} | "
                     f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) |")
    report.write(options.output, "scale", {"series": series, "against_one": pairs}, "\n".join(lines))
    if series:
        report.plot_lines(options.output, "scale", "CPU for each request as things grow", "how many", "µs", series)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
