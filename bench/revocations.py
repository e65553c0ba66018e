#!/usr/bin/python3
"""The promise that no revoked token is honoured later than max_staleness, put to the test; see README.md.

With the tests' own store, faults and checker (tests/e2e/harness), and a release build: first revocations while all is
well, measured one by one; then rounds of every fault in turn until --count revocations have been made. Any
violation ends in exit status 1."""

import argparse
import collections
import os
import pathlib
import platform
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP / "tests" / "e2e"))

from harness import faults, servers  # noqa: E402  # pylint: disable=wrong-import-position
from harness.checker import REVOCATIONS, Checker  # noqa: E402  # pylint: disable=wrong-import-position
from harness.gateway import Gateway, Sanitizer  # noqa: E402  # pylint: disable=wrong-import-position

POINTS = 400  # of a curve
WORKERS = 2


def curve(values):
    """The cumulative distribution of milliseconds, thinned out."""
    values = sorted(values)
    if not values:
        return "1 0\n"
    step = max(1, len(values) // POINTS)
    chosen = [*range(0, len(values), step), len(values) - 1]
    return "".join(f"{values[i]:.3f} {(i + 1) / len(values):.5f}\n" for i in chosen)


def quantiles(values):
    if not values:
        return "—"
    values = sorted(values)
    at = [values[min(len(values) - 1, int(len(values) * share))] for share in (0.5, 0.9, 0.99, 0.999)]
    return " | ".join(f"{value:.2f}" for value in [*at, values[-1]])


def refused_ms(subject):
    """Until the last worker's first refusal, from before Redis was asked."""
    return (max(at for at, _ in subject.refused.values()) - subject.revoking_at - subject.delay) * 1000


def measure_healthy(checker, count):
    """One by one, with a probe on each worker that asks for nothing else."""
    refusals, cuts = [], []
    while len(refusals) < count:
        for subject in checker.add(20, streams=20):
            checker.revoke(subject, checker.random.choice(REVOCATIONS))
            while len(subject.refused) < len(checker.workers) or subject.stream:
                checker.turn(choose=lambda _, subject=subject: subject)
            refusals.append(refused_ms(subject))
            cuts.append((subject.cut_at - subject.revoking_at) * 1000)
        checker.settle()
        print(f"\rall is well: {len(refusals)}", end="", flush=True)
    return refusals, cuts


def run_faults(checker, store, count, rng, tell):
    """
    Rounds of every fault in turn; (fault, milliseconds until refused everywhere) of each revocation, told after each
    turn and at the end.
    """
    found, rounds = [], 0
    settle = checker.settle

    def settle_and_keep():
        gone = settle()
        found.extend((kind.__name__, refused_ms(subject)) for subject in gone)
        return gone
    checker.settle = settle_and_keep
    tell(found, rounds)
    while checker.revocations < count:
        for kind in faults.FAULTS:
            faults.round_of(checker, kind(store), rng.randint(30, 60), rng)
            rounds += 1
            print(f"\r{checker.revocations} revocations in {rounds} rounds, {len(checker.violations)} violations ",
                  end="", flush=True)
            if checker.violations or checker.revocations >= count:
                break
        tell(found, rounds)
        if checker.violations:
            break


def report(folder, arguments, healthy, cuts, found, rounds, checker, seconds):
    by_fault = collections.defaultdict(list)
    for name, value in found:
        by_fault[name].append(value)
    lines = [
        "# From a revocation to its refusal", "",
        f"`{arguments}` on {os.cpu_count()} cores ({platform.machine()}), shared with other work; {WORKERS} workers, "
        f"max_staleness {faults.BOUND:g} s, ping_interval and ping_deadline {faults.CLOCKS['ping_interval']} and "
        f"{faults.CLOCKS['ping_deadline']}.", "",
        f"**{checker.revocations} revocations, {len(checker.violations)} violations** ({rounds} rounds of "
        f"{len(faults.FAULTS)} faults, {checker.asked} probes, {seconds / 60:.0f} minutes).", "",
        "A violation: a worker allows what was revoked longer than max_staleness ago, or a stream of it still runs then; "
        "or one refuses, but with 503, what was not revoked.", "",
        "![distribution](revocations.svg)", "",
        "| milliseconds | revocations | median | 90 % | 99 % | 99.9 % | longest |", "| --- | --- | --- | --- | --- | --- | --- |",
        f"| all is well: refused by every worker | {len(healthy)} | {quantiles(healthy)} |",
        f"| all is well: running stream cut | {len(cuts)} | {quantiles(cuts)} |",
    ]
    lines += [f"| {name} | {len(values)} | {quantiles(values)} |" for name, values in by_fault.items()]
    lines += ["", "Under faults a refusal is seen only when the token is asked for again, among some sixty others: those times "
              "are upper bounds, and 503 is a refusal."]
    (folder / "revocations.md").write_text("\n".join(lines) + "\n")
    curves = [healthy, cuts, [value for _, value in found]]
    (folder / "revocations.dat").write_text("\n\n".join(curve(values) for values in curves))


def without_output(words):
    """A page does not name the folder that it is in."""
    at = words.index("--output") if "--output" in words else len(words)
    return words[:at] + words[at + 2:]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--count", type=int, default=10000, help="revocations under faults")
    parser.add_argument("--healthy", type=int, default=1000, help="revocations while all is well")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=pathlib.Path, default=TOP / "bench" / "results")
    options = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="jobgate-bench-"))
    number = iter(range(1000000))

    def make_folder(name):
        path = folder / f"{name}{next(number)}"
        path.mkdir()
        return path
    rng = random.Random(options.seed)
    store = faults.Store(make_folder)
    backend = servers.hold_server(make_folder("hold"))
    program = os.environ.get("JOBGATE_BINARY") or str(TOP / "build" / "release" / "jobgate")
    settings = {"workers": WORKERS, "store": faults.CLOCKS, "log": {"access": "off"}}

    def start(store_url):
        gateway = Gateway(make_folder("gateway"), Sanitizer(make_folder("s") / "r"), store_url, settings, program)
        return Checker(gateway.start(), store.records, backend.url, faults.BOUND, seed=options.seed)
    begun = time.monotonic()
    checker = start(store.server.tcp_url)  # without the relay, which takes its time
    try:
        healthy, cuts = measure_healthy(checker, options.healthy)
        print(f"\nmedian {statistics.median(healthy):.2f} ms while all is well")
        checker.close()
        checker.gateway.stop()
        checker = start(store.url)
        run_faults(checker, store, options.count, rng, lambda found, rounds: report(
            options.output, " ".join(["bench/revocations.sh", *without_output(sys.argv[1:])]), healthy, cuts, found, rounds, checker,
            time.monotonic() - begun))
        print()
        subprocess.run(["gnuplot", TOP / "bench" / "revocations.gp"], cwd=options.output, check=True)
        for violation in checker.violations:
            print(violation)
    finally:
        checker.close()
        checker.gateway.stop()
        store.stop()
        backend.stop()
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if checker.violations else 0)


main()
