"""What is left of a benchmark: a table, JSON beside it, and plots. The machine is described in each."""

import functools
import json
import os
import pathlib
import platform
import re
import subprocess
import sys

from world import BUILD, LOAD_CORE, debian13, has_debian13

# (scenario, peer, what is compared): the bar, and whether to stay below or above it.
BARS = {
    ("small", "haproxy", "cpu_us"): (0.80, "≤"),
    ("small", "nginx", "cpu_us"): (0.80, "≤"),
    ("small", "nginx_lua", "cpu_us"): (0.65, "≤"),
    ("small", "relay", "cpu_us"): (1.20, "≤"),
    ("small", "haproxy", "per_second"): (1.20, "≥"),
    ("large", "haproxy", "per_second"): (1.00, "≥"),
    ("many", "haproxy", "cpu_us"): (0.70, "≤"),
    ("close", "haproxy", "cpu_us"): (0.80, "≤"),
    ("tls_full", "haproxy", "per_second"): (1.00, "≥"),
    ("tls_full", "haproxy", "cpu_us"): (1.00, "≤"),
    ("tls_resumed", "haproxy", "per_second"): (1.00, "≥"),
    ("tls_resumed", "haproxy", "cpu_us"): (1.00, "≤"),
    ("idle", "haproxy", "resident"): (0.50, "≤"),
    ("workers", "jobgate2", "cpu_us"): (0.95, "≥"),
    # 8.5, 10, 15 and 500 µs (h2c backend: 4.8, 6, 14 and 500) where these peers took what stands beside each.
    ("h2_1x64", "nghttpx", "cpu_us"): (0.81, "≤"),  # 10.5
    ("h2_8x8", "nghttpx", "cpu_us"): (0.83, "≤"),  # 12.0
    ("h2_64x1", "nghttpx", "cpu_us"): (0.75, "≤"),  # 20.0
    ("h2_1x64", "haproxy", "cpu_us"): (0.43, "≤"),  # 19.8
    ("h2_8x8", "haproxy", "cpu_us"): (0.49, "≤"),  # 20.3
    ("h2_64x1", "haproxy", "cpu_us"): (0.70, "≤"),  # 21.3
    ("h2_large", "haproxy", "cpu_us"): (0.63, "≤"),  # 788
    ("h2_h2c_1x64", "nghttpx", "cpu_us"): (1.00, "≤"),  # 4.8
    ("h2_h2c_8x8", "nghttpx", "cpu_us"): (1.00, "≤"),  # 6.0
    ("h2_h2c_64x1", "nghttpx", "cpu_us"): (1.00, "≤"),  # 14.0
    ("h2_h2c_large", "haproxy", "cpu_us"): (0.24, "≤"),  # 2,125
    ("h2_idle", "nginx", "resident"): (1.00, "≤"),  # 2.4 KB
}

BYTES_MAX = {"tunnels": 2048}  # a bar of ours for each connection, whatever the peers take


def progress():
    """Say what is being done: on one line of a terminal, or as lines of a log."""
    if sys.stderr.isatty():
        return lambda text: print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
    return lambda text: print(text, file=sys.stderr, flush=True)


def version(*argv):
    try:
        done = subprocess.run(argv, capture_output=True, text=True)
    except OSError:
        return "not installed"
    return (done.stdout + done.stderr).strip().split("\n")[0]


@functools.cache
def machine():
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return {"cpu": cpu[1] if cpu else "?", "cores": os.cpu_count(), "kernel": platform.release(),
            "jobgate": version(str(BUILD / "jobgate"), "--version"), "haproxy": version("haproxy", "-v"),
            "nginx": version("nginx", "-v"), "h2o": version("h2o", "--version"), "nghttpx": version("nghttpx", "--version"), "caddy": version("caddy", "version"),
            "system_call_ns": system_call_ns(), "debian13": debian13_versions()}


def debian13_versions():
    found = (version(*map(str, debian13("/tmp", *argv))) for argv in (("haproxy", "-v"), ("nginx", "-v"), ("nghttpx", "--version"), ("openssl", "version")))
    return "in a chroot with Debian 13: " + ", ".join(found) if has_debian13() else ""


def system_call_ns():
    """What the cheapest system call costs here, Python's share (0.1 µs or so) included: it differs tenfold between machines."""
    code = "import os, time; n = 200000; t = time.process_time(); [os.getppid() for _ in range(n)]; print((time.process_time() - t) / n * 1e9)"
    return round(float(subprocess.run(["taskset", "-c", LOAD_CORE, sys.executable, "-c", code], capture_output=True, text=True).stdout))


def spread(ratio):
    return f"**{ratio[0]:.2f}** ({ratio[1]:.2f}–{ratio[2]:.2f})"


def bar(scenario, peer, key, ratio):
    wanted = BARS.get((scenario, peer.removesuffix("-13"), key))
    if wanted is None:
        return ""
    met = ratio <= wanted[0] if wanted[1] == "≤" else ratio >= wanted[0]
    return f" {'✓' if met else '✗'} {wanted[1]} {wanted[0]:.2f}"


def table(results):
    lines = ["| scenario | against | CPU for each request, µs (user) | theirs | ratio (min–max), bar | requests/s | theirs | ratio (min–max), bar |",
             "| --- | --- | --- | --- | --- | --- | --- | --- |"]
    for item in results:
        peer, s, scenario = item["peer"], item["summary"], item["scenario"]
        if "resident" in s:
            continue
        cpu, rate = s["cpu_us_ratio"], s["per_second_ratio"]
        lines.append(
            f"| {item['what']} | {peer} | {s['cpu_us']['jobgate']:.1f} ({s['user_us']['jobgate']:.1f}) "
            f"| {s['cpu_us'][peer]:.1f} ({s['user_us'][peer]:.1f}) | {spread(cpu)}{bar(scenario, peer, 'cpu_us', cpu[0])} "
            f"| {s['per_second']['jobgate']:,.0f} | {s['per_second'][peer]:,.0f} | {spread(rate)}{bar(scenario, peer, 'per_second', rate[0])} |")
    memory = [item for item in results if "resident" in item["summary"]]
    if memory:
        lines += ["", "| resident memory | against | bytes for each | theirs | ratio, bar |", "| --- | --- | --- | --- | --- |"]
    for item in memory:
        peer, s = item["peer"], item["summary"]
        most = BYTES_MAX.get(item["scenario"])
        held = "" if most is None else f" {'✓' if s['resident']['jobgate'] <= most else '✗'} ≤ {most:,}"
        lines.append(f"| {item['what']} | {peer} | {s['resident']['jobgate']:,.0f}{held} | {s['resident'][peer]:,.0f} "
                     f"| {s['resident_ratio'][0]:.2f}{bar(item['scenario'], peer, 'resident', s['resident_ratio'][0])} |")
    return "\n".join(lines)


def write(folder, name, found, text):
    """NAME.json and NAME.md in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    about = machine()
    words = sys.argv[1:]
    if "--output" in words:  # where it lies is told by where it lies
        del words[words.index("--output"):words.index("--output") + 2]
    what = pathlib.Path(sys.argv[0]).stem
    command = " ".join(["bench/run.sh", *([] if what == "run" else [what]), *words])
    (folder / f"{name}.json").write_text(json.dumps({"machine": about, "command": command, **found}, indent=1) + "\n")
    (folder / f"{name}.md").write_text(
        f"Made by `{command}` on {about['cores']} cores of {about['cpu']}, Linux {about['kernel']}, where the cheapest system call "
        f"takes {about['system_call_ns']} ns; {about['jobgate']}, {about['haproxy']}, {about['nginx']}, {about['nghttpx']}, {about['h2o']}, "
        f"Caddy {about['caddy']}{'; ' if about['debian13'] else ''}{about['debian13']}.\n\n{text}\n")


def gnuplot(folder, name, script):
    """The same plot as SVG and as PNG."""
    for terminal, ending in (("svg size 900,520 background '#ffffff'", "svg"), ("pngcairo size 900,520", "png")):
        done = subprocess.run(["gnuplot"], input=f"set terminal {terminal}\nset output '{folder / (name + '.' + ending)}'\nset encoding utf8\nset grid\n{script}\n",
                              text=True, capture_output=True)
        if done.returncode != 0:
            print(f"gnuplot: {done.stderr}", file=sys.stderr)


def rows(data):
    return "\n".join("\t".join(map(str, row)) for row in data) + "\ne\n"


def plot_ratios(folder, results, name="ratios"):
    data = [(i, item["summary"]["cpu_us_ratio"], f"{item['scenario']} {item['peer']}")
            for i, item in enumerate(item for item in results if "cpu_us" in item["summary"])]
    if not data:
        return
    tics = ", ".join(f'"{label.replace("_", " ")}" {i}' for i, _, label in data)
    gnuplot(folder, name, f"""set title "CPU for each request against each peer (median, min–max of pairs; below 1: jobgate takes less)"
set xtics rotate by -60 ({tics}) font ",8"
set yrange [0:*]
set style fill solid 0.5
set boxwidth 0.7
unset key
plot '-' using 1:2 with boxes, '-' using 1:2:3:4 with yerrorbars pt 0 lw 1.5, 1 with lines lc rgb 'black'
{rows([(i, r[0]) for i, r, _ in data])}{rows([(i, *r) for i, r, _ in data])}""")


def plot_lines(folder, name, title, x, y, series, logscale="x"):
    """series: {label: [(x, y), ...]}."""
    parts = ", ".join(f"'-' using 1:2 with linespoints lw 1.5 title '{label.replace('_', ' ')}'" for label in series)
    gnuplot(folder, name, f"set title \"{title}\"\nset xlabel \"{x}\"\nset ylabel \"{y}\"\nset logscale {logscale}\nset key outside right\n"
                          + (f"set yrange [0:*]\n" if "y" not in logscale else "") + f"plot {parts}\n" + "".join(rows(points) for points in series.values()))
