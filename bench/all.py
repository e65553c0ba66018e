#!/usr/bin/python3
"""One new run of everything: each measurement in turn, on a machine that does nothing else; see README.md."""

import argparse
import json
import pathlib
import signal
import subprocess
import sys
import time

from world import BENCH, TOP, has_debian13

LOGS = TOP / "build" / "bench"
# The peers that matter most, for a run of an hour: HAProxy and nginx of Debian 12 and 13, and the relay, which reads nothing.
SHORT_PEERS = "haproxy,nginx,nginx_lua,relay,jobgate2" + (",haproxy-13,nginx-13,jobgate-13" if has_debian13() else "")
# In this order: (program, options, options with --short; None: left out). simulated takes its constants from fleet.
PARTS = {
    "run": ("run.py", "--pairs 7", f"--seconds 1 --against {SHORT_PEERS}"),
    "h2": ("h2.py", "", "--pairs 5 --seconds 1"),
    "latency": ("latency.py", "--against haproxy,nginx", "--against haproxy,nginx --seconds 2"),
    "scale": ("scale.py", "", "--runs 2 --seconds 2"),
    "fleet": ("fleet.py", "", ""),
    "simulated": ("simulated.py", "", ""),
    "cut": ("cut.py", "", ""),
    "replicas": ("replicas.py", "", "--rounds 3 --seconds 3"),
    "inside": ("inside.py", "", "--runs 3"),
    "bulk": ("bulk.py", "", ""),
    "revocations": ("revocations.sh", "", ""),
    "soak": ("soak/run.py", "", None),
}


def command(name, short):
    program, usual, less = PARTS[name]
    words = less if short else usual
    return None if words is None else [program, *words.split()]


def chosen(options):
    names = options.only.split(",") if options.only else list(PARTS)
    for name in [*names, options.first]:
        if name not in PARTS:
            raise SystemExit(f"{name} is not a part; the parts are: {', '.join(PARTS)}")
    return [name for name in PARTS if name in names and command(name, options.short) is not None
            and list(PARTS).index(name) >= list(PARTS).index(options.first)]


def times():
    """(all, idle) of the processors so far, in ticks."""
    ticks = [int(word) for word in pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return sum(ticks), ticks[3]


def busy(patience=60):
    """How much of the processors others take, in per cent: waits until that is little, but not for ever."""
    end = time.monotonic() + patience
    while True:
        every, idle = times()
        time.sleep(2)
        every, idle = times()[0] - every, times()[1] - idle
        share = 100 * (1 - idle / every)
        if share < 3 or time.monotonic() > end:
            return share


def measure(words, log, output):
    """Seconds, and whether it went well."""
    program = BENCH / words[0]
    argv = [*(["/usr/bin/python3", "-B"] if program.suffix == ".py" else []), program, *words[1:], "--output", output]
    began = time.monotonic()
    with open(log, "wb") as out:
        running = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=TOP)
        try:
            running.wait()
        except BaseException:
            running.terminate()
            running.wait()
            raise
    return time.monotonic() - began, running.returncode == 0


def page(done):
    """How long each part took, in their order; a part that was measured again replaces itself."""
    lines = ["| part | begun (UTC) | minutes | of the processors taken by others before | |", "| --- | --- | --- | --- | --- |"]
    lines += [f"| `{' '.join(part['words'])}` | {part['begun']} | {part['seconds'] / 60:.1f} | {part['busy']:.0f} % | {'' if part['well'] else 'failed'} |"
              for part in (done[name] for name in PARTS if name in done)]
    return "\n".join(["Made by `bench/run.sh all`.", "", *lines, "",
                      f"Together: {sum(part['seconds'] for part in done.values()) / 60:.0f} minutes."]) + "\n"


def main():
    parser = argparse.ArgumentParser(prog="bench/run.sh all", description=__doc__)
    parser.add_argument("--short", action="store_true", help="take only an hour: fewer and shorter runs, fewer peers, no soak")
    parser.add_argument("--from", dest="first", default="run", help="begin with this part: " + ", ".join(PARTS))
    parser.add_argument("--only", help="only these parts")
    parser.add_argument("--list", action="store_true", help="print what would run, and run nothing")
    parser.add_argument("--output", type=pathlib.Path, default=BENCH / "results")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    names, output = chosen(options), options.output.resolve()
    if options.list:
        print("\n".join(f"{name}: {' '.join(command(name, options.short))}" for name in names))
        return 0
    for folder in (LOGS, output):
        folder.mkdir(parents=True, exist_ok=True)
    kept = output / "all.json"
    done = json.loads(kept.read_text()) if kept.exists() else {}
    failed = []
    for name in names:
        words, log = command(name, options.short), LOGS / f"{name}.log"
        part = {"words": words, "begun": time.strftime("%Y-%m-%d %H:%M", time.gmtime()), "busy": busy()}
        print(f"{time.strftime('%H:%M:%S')} {name}: {' '.join(words)} (output: {log})", flush=True)
        part["seconds"], part["well"] = measure(words, log, output)
        print(f"{time.strftime('%H:%M:%S')} {name}: {part['seconds'] / 60:.1f} minutes{'' if part['well'] else ', FAILED'}", flush=True)
        done[name] = part
        kept.write_text(json.dumps(done, indent=1) + "\n")
        (output / "all.md").write_text(page(done))
        if not part["well"]:
            failed.append(name)
            print(log.read_text(errors="replace")[-1000:], file=sys.stderr)
    if failed:
        print(f"Find the cause in the output above, then run: bench/run.sh all{' --short' if options.short else ''} --only {','.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
