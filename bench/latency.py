#!/usr/bin/python3
"""Latency at a constant rate of arrival (open loop: waiting for a free connection counts), of jobgate and its peers.

The load and the backend share a core. As ordinary processes each may wait there for milliseconds while the other one's slice of time lasts,
more than any proxy takes. So they have real-time priorities (if we may give them): whatever has something to do does it at once."""

import argparse
import os
import pathlib
import signal
import statistics
import sys

import report
import run
from world import TOP, World

PARTS = (0.25, 0.5, 0.75)  # of HAProxy's peak rate
PERCENTILES = ("p50", "p99", "p99.9")
BARS = {"p99": 1.0, "p99.9": 0.9}  # of HAProxy's, at half of its peak


def set_priority(pid, priority):
    """Of the real-time class; 0: an ordinary process again."""
    try:
        os.sched_setscheduler(pid, os.SCHED_RR if priority else os.SCHED_OTHER, os.sched_param(priority))
        return True
    except PermissionError:
        return False


def measure(world, name, rate, seconds):
    proxy = world.proxy(name)  # before: it must stay an ordinary process
    set_priority(0, 1)
    try:
        return run.load(world, proxy, "-c64", f"-r{rate:.0f}", f"-d{seconds}")
    finally:
        set_priority(0, 0)


def compared(runs, part, name, key):
    """The median of jobgate's latencies against those of another proxy in the same rounds, with the bar."""
    if name == "jobgate":
        return ""
    ratios = [a["latency_us"][key] / b["latency_us"][key] for a, b in zip(runs[part, "jobgate"], runs[part, name])]
    middle = statistics.median(ratios)
    bar = f" {'✓' if middle <= BARS[key] else '✗'} ≤ {BARS[key]:.2f}" if (part, name) == (0.5, "haproxy") else ""
    return f"{middle:.2f} ({min(ratios):.2f}–{max(ratios):.2f}){bar}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--against", default="haproxy,nginx,nginx_lua")
    parser.add_argument("--output", type=pathlib.Path, default=TOP / "bench" / "results")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    say, names = report.progress(), ["jobgate", *options.against.split(",")]
    world, runs = World(say=say), {}
    real_time = set_priority(world.programs[0].pid, 2)  # the backend's
    try:
        peak = statistics.median(run.measure(world, "haproxy", "small", 3)["per_second"] for _ in range(3))
        for part in PARTS:
            for round_ in range(options.rounds):
                # Forwards and backwards by turns, so that a drift of the machine hits all alike.
                for name in names if round_ % 2 == 0 else reversed(names):
                    say(f"{part:.0%} of {peak:.0f}/s, round {round_ + 1} of {options.rounds}, {name}")
                    runs.setdefault((part, name), []).append(measure(world, name, peak * part, options.seconds))
    finally:
        world.stop()
    middle = lambda part, name, key: statistics.median(found["latency_us"][key] for found in runs[part, name])
    lines = [f"HAProxy's peak was {peak:,.0f} requests/s. Load and backend, on one core, were {'real-time' if real_time else 'ordinary'} processes. Medians of {options.rounds} rounds, µs from the moment a request was due.", "",
             "| rate | proxy | " + " | ".join(PERCENTILES) + " | " + " | ".join(f"{key} of jobgate against it (min–max)" for key in BARS) + " |",
             "| --- " * (2 + len(PERCENTILES) + len(BARS)) + "|"]
    for part in PARTS:
        for name in names:
            against = [compared(runs, part, name, key) for key in BARS]
            lines.append(f"| {part:.0%} | {name} | " + " | ".join(f"{middle(part, name, key):,.0f}" for key in PERCENTILES) + " | " + " | ".join(against) + " |")
    found = [{"part": part, "proxy": name, "runs": runs[part, name]} for part, name in runs]
    report.write(options.output, "latency", {"peak": peak, "results": found}, "\n".join(lines))
    report.plot_lines(options.output, "latency", "Latency at a constant rate (open loop)", "requests a second", "µs",
                      {f"{name} {key}": [(peak * part, middle(part, name, key)) for part in PARTS] for name in names for key in PERCENTILES}, "y")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
