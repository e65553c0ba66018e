#!/usr/bin/python3
"""Proxies measured in turn, pair by pair: CPU for each request and requests a second, as ratios."""

import argparse
import json
import os
import pathlib
import platform
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parent.parent
PEERS = TOP / "bench" / "peers"
BUILD = TOP / "build" / "release"
PROXY_CORE, LOAD_CORE = "0", "1"
TICK = os.sysconf("SC_CLK_TCK")

# name: (what, path, connections, extra headers, expected status class)
SCENARIOS = {
    "small": ("64-byte answers, 64 keep-alive connections", "/small", 64, [], True),
    "large": ("1 MiB answers, 16 keep-alive connections", "/large", 16, [], True),
    "medium": ("64 KiB answers, 32 keep-alive connections", "/medium", 32, [], True),
    "close": ("64-byte answers, a connection for each request", "/small", 64, ["Connection: close"], True),
    "refused": ("401 for an unknown token, 64 keep-alive connections", "/small", 64, [], False),
}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_port(port):
    for _ in range(400):
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise SystemExit(f"nobody listens on port {port}")


def die_with_parent():
    import ctypes
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


class Setting:
    """A folder with everything that runs for one benchmark."""

    def __init__(self, folder):
        self.folder = folder
        self.programs = []
        self.proxies = {}

    def start(self, argv, core, **kwargs):
        program = subprocess.Popen(["taskset", "-c", core, *map(str, argv)], stdout=subprocess.DEVNULL,
                                   stderr=open(self.folder / "errors.log", "ab"), preexec_fn=die_with_parent, **kwargs)
        self.programs.append(program)
        return program.pid

    def template(self, name, **values):
        text = (PEERS / name).read_text()
        for key, value in values.items():
            text = text.replace(f"@{key.upper()}@", str(value))
        path = self.folder / name
        path.write_text(text)
        return path

    def stop(self):
        for program in reversed(self.programs):
            program.terminate()
        for program in self.programs:
            try:
                program.wait(10)
            except subprocess.TimeoutExpired:
                program.kill()


def children(pid):
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)
            if int(fields[1].split()[1]) == pid:
                found.append(int(path.parent.name))
        except (OSError, ValueError):
            pass
    return found


def cpu_seconds(pids):
    user = system = 0
    for pid in pids:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        user += int(fields[11])
        system += int(fields[12])
    return user / TICK, system / TICK


def cli(env, *words):
    done = subprocess.run([BUILD / "jobgate", *words, "-o", "json"], env=env, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"jobgate {' '.join(words)}: {done.stderr}")
    return json.loads(done.stdout)


def start_jobgate(setting, backend):
    port, folder = free_port(), setting.folder / "jobgate"
    folder.mkdir()
    redis = folder / "redis.sock"
    setting.start(["redis-server", "--port", "0", "--unixsocket", redis, "--save", "", "--dir", folder], LOAD_CORE)
    config = folder / "jobgate.yaml"
    config.write_text(json.dumps({
        "listen": [f"127.0.0.1:{port}"], "workers": 1, "jobs": {"domain": "localhost"},
        "store": {"url": f"unix:{redis}"}, "backends": {"allow_loopback": True},
        "limits": {"failed_auth_rate": 0},  # the peers have no such limit: 401 to each
        "control": {"socket": str(folder / "control.sock")}}))
    pid = setting.start([BUILD / "jobgate", "serve", "-c", config], PROXY_CORE)
    wait_port(port)
    env = dict(os.environ, JOBGATE_URL=f"unix:{folder / 'control.sock'}")
    for _ in range(200):
        if subprocess.run([BUILD / "jobgate", "token", "list"], env=env, capture_output=True).returncode == 0:
            break
        time.sleep(0.05)
    cli(env, "job", "create", "--id", "demo", "-l", "model=base", "--url", f"http://127.0.0.1:{backend}")
    token = cli(env, "token", "create", "bench", "-r", "read", "-l", "model=base")["value"]
    worker = [p for p in children(pid) if pathlib.Path(f"/proc/{p}/comm").read_text().startswith("worker")]
    return port, worker, token


def start_all(setting, wanted):
    www = setting.folder / "www"
    www.mkdir()
    (www / "large").write_bytes(os.urandom(1 << 20))
    (www / "medium").write_bytes(os.urandom(64 << 10))
    backend = free_port()
    setting.start(["nginx", "-c", setting.template("backend.conf", folder=setting.folder, port=backend)], LOAD_CORE)
    wait_port(backend)
    port, worker, token = start_jobgate(setting, backend)
    setting.proxies["jobgate"] = (port, worker)
    if "haproxy" in wanted:
        port = free_port()
        (setting.folder / "tokens.map").write_text(f"{token} model=base\n")
        (setting.folder / "jobs.map").write_text("demo.localhost model=base\n")
        pid = setting.start(["haproxy", "-f", setting.template(
            "haproxy.cfg", folder=setting.folder, port=port, backend=backend)], PROXY_CORE)
        wait_port(port)
        setting.proxies["haproxy"] = (port, [pid])
    if "nginx" in wanted:
        port = free_port()
        pid = setting.start(["nginx", "-c", setting.template(
            "nginx.conf", folder=setting.folder, port=port, backend=backend)], PROXY_CORE)
        wait_port(port)
        setting.proxies["nginx"] = (port, children(pid))
    if "relay" in wanted:
        port = free_port()
        pid = setting.start([BUILD / "bench" / "bench_relay", port, backend], PROXY_CORE)
        wait_port(port)
        setting.proxies["relay"] = (port, [pid])
    return token


def measure(setting, name, scenario, token, seconds):
    _, path, connections, headers, valid = SCENARIOS[scenario]
    port, pids = setting.proxies[name]
    if not valid:
        token = token[:-50] + "0" * 50
    argv = ["taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s",
            "-H", "Host: demo.localhost", "-H", f"Authorization: Bearer {token}"]
    for header in headers:
        argv += ["-H", header]
    before, start = cpu_seconds(pids), time.monotonic()
    out = subprocess.run([*argv, f"http://127.0.0.1:{port}{path}"], capture_output=True, text=True).stdout
    elapsed, after = time.monotonic() - start, cpu_seconds(pids)
    requests = int(re.search(r"(\d+) requests in", out)[1])
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    errors = re.search(r"Socket errors: (.*)", out)
    user, system = after[0] - before[0], after[1] - before[1]
    return {"requests": requests, "per_second": requests / elapsed, "cpu_us": (user + system) / requests * 1e6,
            "user_us": user / requests * 1e6, "refused": int(refused[1]) if refused else 0,
            "errors": errors[1] if errors else ""}


def compare(setting, scenario, peer, token, pairs, seconds, say):
    """Pairs of runs, the order changing from pair to pair; returns the runs of both."""
    runs = {"jobgate": [], peer: []}
    for pair in range(pairs):
        order = ["jobgate", peer] if pair % 2 == 0 else [peer, "jobgate"]
        for name in order:
            say(f"{scenario}: jobgate and {peer}, pair {pair + 1} of {pairs}, {name}")
            runs[name].append(measure(setting, name, scenario, token, seconds))
    return runs


def summary(runs, peer):
    ratios = [a["cpu_us"] / b["cpu_us"] for a, b in zip(runs["jobgate"], runs[peer])]
    rates = [a["per_second"] / b["per_second"] for a, b in zip(runs["jobgate"], runs[peer])]
    middle = lambda name, key: statistics.median(run[key] for run in runs[name])
    return {
        "cpu_us": {name: middle(name, "cpu_us") for name in runs}, "user_us": {name: middle(name, "user_us") for name in runs},
        "per_second": {name: middle(name, "per_second") for name in runs},
        "cpu_ratio": [statistics.median(ratios), min(ratios), max(ratios)],
        "rate_ratio": [statistics.median(rates), min(rates), max(rates)],
        "errors": {name: [run["errors"] for run in runs[name] if run["errors"]] for name in runs},
        "refused": {name: sum(run["refused"] for run in runs[name]) for name in runs},
    }


def machine():
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    version = lambda *argv: (lambda done: (done.stdout + done.stderr).strip().split("\n")[0])(
        subprocess.run(argv, capture_output=True, text=True))
    return {"cpu": cpu[1] if cpu else "?", "cores": os.cpu_count(), "kernel": platform.release(),
            "haproxy": version("haproxy", "-v"), "nginx": version("nginx", "-v"),
            "jobgate": version(str(BUILD / "jobgate"), "--version")}


def table(results):
    lines = ["| scenario | against | CPU for each request, µs (user) | theirs | ratio (min–max) | requests/s ratio (min–max) |",
             "| --- | --- | --- | --- | --- | --- |"]
    for item in results:
        peer, s = item["peer"], item["summary"]
        lines.append(
            f"| {SCENARIOS[item['scenario']][0]} | {peer} | {s['cpu_us']['jobgate']:.1f} ({s['user_us']['jobgate']:.1f}) "
            f"| {s['cpu_us'][peer]:.1f} ({s['user_us'][peer]:.1f}) "
            f"| **{s['cpu_ratio'][0]:.2f}** ({s['cpu_ratio'][1]:.2f}–{s['cpu_ratio'][2]:.2f}) "
            f"| {s['rate_ratio'][0]:.2f} ({s['rate_ratio'][1]:.2f}–{s['rate_ratio'][2]:.2f}) |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--only", default=",".join(SCENARIOS))
    parser.add_argument("--against", default="haproxy,nginx,relay")
    parser.add_argument("--output", type=pathlib.Path, default=TOP / "bench" / "results")
    options = parser.parse_args()
    peers = options.against.split(",")
    say = (lambda text: print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)) if sys.stderr.isatty() else (
        lambda text: print(text, file=sys.stderr, flush=True))
    folder = pathlib.Path(tempfile.mkdtemp(prefix="jobgate-bench-"))
    folder.chmod(0o755)
    setting, results = Setting(folder), []
    try:
        token = start_all(setting, peers)
        for scenario in options.only.split(","):
            for peer in peers:
                if scenario == "refused" and peer in ("nginx", "relay"):
                    continue  # they refuse nothing
                runs = compare(setting, scenario, peer, token, options.pairs, options.seconds, say)
                results.append({"scenario": scenario, "peer": peer, "summary": summary(runs, peer), "runs": runs})
    finally:
        setting.stop()
        shutil.rmtree(folder, ignore_errors=True)
    options.output.mkdir(exist_ok=True)
    about = machine()
    command = "bench/run.sh " + " ".join(sys.argv[1:])
    (options.output / "results.json").write_text(json.dumps({"machine": about, "command": command, "results": results}, indent=1) + "\n")
    text = table(results)
    (options.output / "results.md").write_text(
        f"Made by `{command.strip()}` on {about['cores']} cores of {about['cpu']}, Linux {about['kernel']}; "
        f"{about['jobgate']}, {about['haproxy']}, {about['nginx']}. Medians of {options.pairs} pairs.\n\n{text}\n")
    print("\n" + text)
    for item in results:
        for name, errors in item["summary"]["errors"].items():
            for error in errors:
                print(f"{item['scenario']}: {name}: socket errors: {error}")


if __name__ == "__main__":
    main()
