#!/usr/bin/python3
"""A large fleet in the simulator: the real worker code of 1,000 gateways, each a machine of its own, and one Redis with a replica.

What Redis spends on a command, a push and a connection is taken from the measured fleet (fleet.json beside what is written)."""

import argparse
import json
import os
import pathlib
import subprocess
import time

import figures
import report
from world import TOP

START_COMMANDS, START_CONNECTIONS = 14, 2  # of a simulated gateway; real ones also have a control process
READ_COMMANDS = 2  # of a record


def costs(measured, told_us):
    """Nanoseconds, as `sim --costs` takes them."""
    gateways = measured["gateways"]
    told = told_us * 1e3  # a push, and the record is read again
    push = told / 2
    command = told / 2 / READ_COMMANDS
    alone = measured["rest"]["redis_cpu"] / measured["rest"]["redis_commands"] * 1e9
    start = measured["start_redis"]["cpu_s"] / gateways * 1e9
    return {"alone": alone, "command": command, "push": push, "accept": (start - START_COMMANDS * command) / START_CONNECTIONS,
            "promoted": measured["failover"]["promoted_s"] * 1e9}


def simulate(options, found_costs):
    program = TOP / "build" / "sim" / "tests" / "sim" / "sim"
    argv = [program, "--gateways", options.gateways, "--tokens", options.tokens, "--revocations", options.revocations, "--seed", options.seed,
            "--costs", ",".join(f"{cost:.0f}" for cost in found_costs.values())]
    began = time.monotonic()
    running = subprocess.Popen(list(map(str, argv)), stdout=subprocess.PIPE, text=True)
    out = running.stdout.read()
    _, status, usage = os.wait4(running.pid, 0)
    if status != 0:
        raise SystemExit(out[-2000:])
    found = {name: value if name == "hash" else float(value) for name, value in (line.split() for line in out.splitlines())}
    return found | {"seconds": time.monotonic() - began, "resident_bytes": usage.ru_maxrss * 1024}


def table(options, costs, found):
    ms = lambda name: " | ".join(f"{found[f'{name}_ms_{part}']:.1f}" for part in ("p50", "p90", "p99", "p99.9", "longest"))
    us = lambda name: f"{costs[name] / 1000:.0f} µs"
    each = options.gateways
    refusing = f"{found['refusing']:.0f} gateways refuse meanwhile"
    if found["refusing"]:
        refusing += f", from {found['lost_ms_p50'] / 1000:.1f} s (median) to {found['back_ms_p50'] / 1000:.1f} s, the last until {found['back_ms_longest'] / 1000:.1f} s"
    lines = [
        f"{options.gateways:,} gateways of one worker each, one Redis with a replica and three sentinels, {options.tokens:,} tokens, each used through three gateways, "
        f"{options.revocations:,} revocations; seed {options.seed}. Everything is real code or a model on simulated time, each gateway on a machine of its own; a packet takes 60 to 100 µs. "
        f"In Redis a command takes {us('command')}, one for which it wakes up {us('alone')}, a push {us('push')}, a new connection {us('accept')} "
        "(from `fleet.md`).", "",
        "| what | simulated |", "| --- | --- |",
        f"| all start at once | half are ready after {found['ready_ms_p50'] / 1000:.2f} s, all after {found['ready_ms_longest'] / 1000:.2f} s; Redis takes {found['start_redis_cpu_s']:.2f} s of CPU and {found['start_redis_commands']:,.0f} commands |",
        f"| at rest | Redis: {found['rest_redis_cpu_s'] / found['rest_s'] * 100:.0f} % of a core, {found['rest_redis_commands'] / found['rest_s']:,.0f} commands a second; a worker has {found['gateway_bytes'] / 1024:.0f} KiB of heap |",
        f"| all tokens for the first time, one at a time through each gateway | {found['use_s']:.1f} s for {3 * options.tokens:,} reads: Redis is busy for {found['use_redis_cpu_s']:.1f} s; {found['entry_bytes']:.0f} bytes of the worker's heap for each |",
        f"| a revocation that all gateways hear of | {found['revoke_redis_cpu_s'] / options.revocations * 1000:.0f} ms of Redis, the reads before it included; {found['revoke_redis_pushes'] / options.revocations / each:.2f} pushes and "
        f"{found['revoke_redis_commands'] / options.revocations / each:.1f} commands for each gateway |",
        f"| failover | a replica is promoted {costs['promoted'] / 1e9:.1f} s after the primary was killed; {refusing}; a token deleted at the new primary is let in until {found['honoured_ms'] / 1000:.1f} s after that (the bound is 5 s) |",
        "", "| milliseconds from DEL | median | 90 % | 99 % | 99.9 % | longest |", "| --- | --- | --- | --- | --- | --- |",
        f"| until the client of a gateway sees its stream cut | {ms('revoked')} |",
        f"| until the clients of all of them do | {ms('everywhere')} |", "",
        f"It took {found['seconds']:.0f} s and {found['resident_bytes'] / 2**20:,.0f} MiB."]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gateways", type=int, default=1000)
    parser.add_argument("--tokens", type=int, default=100000)
    parser.add_argument("--revocations", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=pathlib.Path, default=TOP / "bench" / "results")
    options = parser.parse_args()
    measured = json.loads((options.output / "fleet.json").read_text())
    found_costs = costs(measured, figures.Results(options.output).told())
    for argv in (["cmake", "--preset", "sim"], ["cmake", "--build", "--preset", "sim", "--target", "sim"]):
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, cwd=TOP)
    found = simulate(options, found_costs)
    text = table(options, found_costs, found)
    report.write(options.output, "simulated", {"costs_ns": found_costs, "found": found}, text)
    print(text)


if __name__ == "__main__":
    main()
