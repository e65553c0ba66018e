#!/usr/bin/python3
"""Four replicas, one of them slow: latency at a constant rate of arrival, of jobgate and of HAProxy with leastconn and round robin."""

import argparse
import pathlib
import signal
import statistics
import sys

import report
import run
from world import BUILD, LOAD_CORE, TOP, Proxy, World, free_port, wait_port

REPLICAS = 4
SLOW_US = 2000  # of each answer of the slow one, one after the other: 500 requests a second at most
RATES = (500, 1000, 2000, 3000, 4000)  # round robin would send a quarter to the slow one
PERCENTILES = ("p50", "p99", "p99.9")
NAMES = ("jobgate", "leastconn", "roundrobin")


class Replicas(World):
    """One job with four backends, the first of which is slow."""

    def __init__(self, slow_us, **options):
        super().__init__(**options)
        self.ports = [free_port() for _ in range(REPLICAS)]
        for i, port in enumerate(self.ports):
            self.start([BUILD / "bench" / "bench_backend", port, 1, *([slow_us] if i == 0 else [])], LOAD_CORE)
            wait_port(port)

    def job_url(self, i):
        return '"' + " ".join(f"http://127.0.0.1:{port}" for port in self.ports) + '"'

    def start_balancer(self, name):
        port = free_port()
        path = self.template("haproxy.cfg", port=port, tls_port=free_port(), h2_port=free_port())
        text = path.read_text()
        begin = text.index("\tserver job ")
        servers = "".join(f"\tserver r{i} 127.0.0.1:{at}\n" for i, at in enumerate(self.ports))
        path = self.folder / f"{name}.cfg"
        path.write_text(f"{text[:begin]}\tbalance {name}\n{servers}")
        return self.started(name, ["haproxy", "-f", path], port)

    def start_leastconn(self) -> Proxy:
        return self.start_balancer("leastconn")

    def start_roundrobin(self) -> Proxy:
        return self.start_balancer("roundrobin")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--slow-us", type=int, default=SLOW_US)
    parser.add_argument("--rates", default=",".join(map(str, RATES)))
    parser.add_argument("--output", type=pathlib.Path, default=TOP / "bench" / "results")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    say, rates, runs = report.progress(), [int(rate) for rate in options.rates.split(",")], {}
    world = Replicas(options.slow_us, say=say)
    try:
        for rate in rates:
            for round_ in range(options.rounds):
                # Forwards and backwards by turns, so that a drift of the machine hits all alike.
                for name in NAMES if round_ % 2 == 0 else reversed(NAMES):
                    say(f"{rate}/s, round {round_ + 1} of {options.rounds}, {name}")
                    runs.setdefault((rate, name), []).append(run.load(
                        world, world.proxy(name), "-c64", f"-r{rate}", f"-d{options.seconds}"))
    finally:
        world.stop()
    middle = lambda rate, name, key: statistics.median(found["latency_us"][key] for found in runs[rate, name])
    lines = [f"Four replicas; one takes {options.slow_us} µs for each answer, one after the other. Medians of {options.rounds} rounds, µs from the moment a request "
             "was due.", "", "| requests/s | balancer | " + " | ".join(PERCENTILES) + " | p99 of jobgate against it (min–max) |",
             "| --- " * (3 + len(PERCENTILES)) + "|"]
    for rate in rates:
        for name in NAMES:
            ratios = [a["latency_us"]["p99"] / b["latency_us"]["p99"] for a, b in zip(runs[rate, "jobgate"], runs[rate, name])]
            against = "" if name == "jobgate" else f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"
            lines.append(f"| {rate} | {name} | " + " | ".join(f"{middle(rate, name, key):,.0f}" for key in PERCENTILES) + f" | {against} |")
    found = [{"rate": rate, "balancer": name, "runs": runs[rate, name]} for rate, name in runs]
    report.write(options.output, "replicas", {"slow_us": options.slow_us, "results": found}, "\n".join(lines))
    report.plot_lines(options.output, "replicas", "One slow replica of four (open loop)", "requests a second", "µs",
                      {f"{name} p99": [(rate, middle(rate, name, "p99")) for rate in rates] for name in NAMES}, "y")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
