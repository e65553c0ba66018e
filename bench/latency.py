#!/usr/bin/python3
"""Latency at a constant rate of arrival (open loop: waiting for a free connection counts), of jobgate and its peers."""

import argparse
import pathlib
import signal
import statistics
import sys

import report
import run
from world import TOP, World

PARTS = (0.25, 0.5, 0.75)  # of HAProxy's peak rate
PERCENTILES = ("p50", "p99", "p99.9")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--against", default="haproxy,nginx,nginx_lua")
    parser.add_argument("--output", type=pathlib.Path, default=TOP / "bench" / "results")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    say, names = report.progress(), ["jobgate", *options.against.split(",")]
    world, runs = World(say=say), {}
    try:
        peak = statistics.median(run.measure(world, "haproxy", "small", 3)["per_second"] for _ in range(3))
        for part in PARTS:
            for round_ in range(options.rounds):
                # Forwards and backwards by turns, so that a drift of the machine hits all alike.
                for name in names if round_ % 2 == 0 else reversed(names):
                    say(f"{part:.0%} of {peak:.0f}/s, round {round_ + 1} of {options.rounds}, {name}")
                    runs.setdefault((part, name), []).append(run.load(
                        world, world.proxy(name), "-c64", f"-r{peak * part:.0f}", f"-d{options.seconds}"))
    finally:
        world.stop()
    middle = lambda part, name, key: statistics.median(found["latency_us"][key] for found in runs[part, name])
    lines = [f"HAProxy's peak was {peak:,.0f} requests/s. Medians of {options.rounds} rounds, µs from the moment a request was due.", "",
             "| rate | proxy | " + " | ".join(PERCENTILES) + " | p99 of jobgate against it (min–max) |", "| --- " * (3 + len(PERCENTILES)) + "|"]
    for part in PARTS:
        for name in names:
            ratios = [a["latency_us"]["p99"] / b["latency_us"]["p99"] for a, b in zip(runs[part, "jobgate"], runs[part, name])]
            against = "" if name == "jobgate" else f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"
            if (part, name) == (0.5, "haproxy"):
                against += " ✓ ≤ 1.00" if statistics.median(ratios) <= 1 else " ✗ ≤ 1.00"
            lines.append(f"| {part:.0%} | {name} | " + " | ".join(f"{middle(part, name, key):,.0f}" for key in PERCENTILES) + f" | {against} |")
    found = [{"part": part, "proxy": name, "runs": runs[part, name]} for part, name in runs]
    report.write(options.output, "latency", {"peak": peak, "results": found}, "\n".join(lines))
    report.plot_lines(options.output, "latency", "Latency at a constant rate (open loop)", "requests a second", "µs",
                      {f"{name} {key}": [(peak * part, middle(part, name, key)) for part in PARTS] for name in names for key in PERCENTILES}, "y")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
