#!/usr/bin/python3
"""Print which figures of README.md, pages of deploy/ and bench/README.md differ from bench/results; with --write, correct them.

Each sentence of figures.json stands in its file once, with any line breaks, and {...} is computed from the results. What is said of a figure
(which bar is missed, and why) has to be read again by a person."""

import argparse
import json
import pathlib
import re
import statistics
import string
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent
RESULTS = TOP / "bench" / "results"
NUMBER = r"(\d[\d,]*(?:\.\d+)?)"


class Results:
    """The results, by the names that sentences of figures.json use."""

    def __init__(self, folder):
        self.folder = folder

    def page(self, *names):
        """The first that is there: a page of one scenario counts more than that of all, until it is deleted."""
        for name in names:
            if (self.folder / f"{name}.json").exists():
                return json.loads((self.folder / f"{name}.json").read_text())
        raise SystemExit(f"{self.folder} has no {' or '.join(names)}.json")

    def summary(self, scenario, peer):
        page = "h2" if scenario.startswith("h2_") else "results"
        for item in self.page(page)["results"]:
            if (item["scenario"], item["peer"]) == (scenario, peer):
                return item["summary"]
        raise SystemExit(f"{page}.json has no {scenario} against {peer}")

    def ratio(self, scenario, peer, at=0):
        """Of the CPU: the median; 1: the least, 2: the most."""
        return self.summary(scenario, peer)["cpu_us_ratio"][at]

    def rate(self, scenario, peer):
        return self.summary(scenario, peer)["per_second_ratio"][0]

    def us(self, scenario, peer, name="jobgate"):
        return self.summary(scenario, peer)["cpu_us"][name]

    def user(self, scenario, peer, name="jobgate"):
        return self.summary(scenario, peer)["user_us"][name]

    def kernel(self, scenario, peer, name="jobgate"):
        """The CPU less the time in user space, both as they are shown, so that the figures add up."""
        return round(self.us(scenario, peer, name), 1) - round(self.user(scenario, peer, name), 1)

    def resident(self, scenario, peer, name="jobgate"):
        """Bytes for each connection."""
        return self.summary(scenario, peer)["resident"][name]

    def resident_ratio(self, scenario, peer):
        return self.summary(scenario, peer)["resident_ratio"][0]

    def idle(self):
        return self.resident("idle", "haproxy")

    def small_h2(self, peer, pick, prefix="h2_"):
        """The least or the most of the three scenarios with small answers."""
        return pick(self.ratio(prefix + kind, peer) for kind in ("1x64", "8x8", "64x1"))

    def system_call(self, *pages):
        return self.page(*pages)["machine"]["system_call_ns"]

    def latency(self, key, pick=statistics.median, part=0.5):
        """Jobgate against HAProxy at this part of its peak."""
        runs = {item["proxy"]: item["runs"] for item in self.page("latency")["results"] if item["part"] == part}
        return pick([a["latency_us"][key] / b["latency_us"][key] for a, b in zip(runs["jobgate"], runs["haproxy"])])

    def rounds(self):
        return len(self.page("latency")["results"][0]["runs"])

    def jobs(self, pick=statistics.median):
        """The CPU with the most jobs, against that with one."""
        return pick([many / one for one, many in self.page("jobs", "scale")["against_one"]])

    def replicas(self, of, pick):
        """p99 of jobgate in ms, or against leastconn's, over the rates."""
        runs, found = {}, []
        for item in self.page("replicas")["results"]:
            runs[item["rate"], item["balancer"]] = [run["latency_us"]["p99"] for run in item["runs"]]
        for rate in {rate for rate, _ in runs}:
            ours = runs[rate, "jobgate"]
            found.append(statistics.median(ours) / 1000 if of == "ms" else statistics.median(a / b for a, b in zip(ours, runs[rate, of])))
        return pick(found)

    def cut(self, case, key):
        page = self.page("cut")
        found = page["cases"][case]
        return found[key] / (page["connections"] * page["streams"]) * 1e6 if key == "cpu_s" else found[key] * 1000

    def bulk(self, verb):
        return next(item["seconds"] for item in self.page("bulk")["verbs"] if item["verb"] == verb)

    def inside(self, what):
        found = self.page("inside")
        times = sorted(found["revocations_ms"])
        return found["bytes"][what] if what in found["bytes"] else statistics.median(times) if what == "p50" else times[int(len(times) * 0.99)]

    def fleet(self, *path):
        found = self.page("fleet")
        for key in path:
            found = found[key]
        return found

    def told(self):
        """µs of Redis for a change that one gateway hears of, without the reads before it."""
        if "told_redis_us" in self.page("fleet"):
            return self.fleet("told_redis_us")
        return self.fleet("revoke_redis_ms") / self.fleet("gateways") * 1000 - self.fleet("use", "redis_us")

    def uses(self):
        """First uses a second of a fleet with 10,000,000 tokens, each read once a day through three gateways."""
        return 30_000_000 / 86_400

    def changes(self):
        """Changes a second of such a fleet, whose tokens are renewed every 30 days."""
        return 10_000_000 / (30 * 86_400)

    def cold(self, what):
        """µs."""
        return self.page("inside")["cold_us"][what]

    def simulated(self, key):
        return self.page("simulated")["found"][key]

    def simulated_revocations(self):
        found = re.search(r"--revocations (\d+)", self.page("simulated")["command"])
        return int(found[1]) if found else 200  # the default of simulated.py

    def revocations(self, what):
        """Of the page itself, which has no JSON."""
        text = (self.folder / "revocations.md").read_text()
        count, rounds, faults, probes = re.search(r"\*\*(\d+) revocations, 0 violations\*\* \((\d+) rounds of (\d+) faults, (\d+) probes", text).groups()
        healthy = re.search(r"refused by every worker \| \d+ \| ([\d. |]+) \|", text)[1].split(" | ")
        return {"count": int(count), "rounds": int(rounds), "faults": int(faults), "probes": int(probes), "p50": float(healthy[0]), "p99": float(healthy[2])}[what]


FIGURES = json.loads((TOP / "bench" / "figures.json").read_text())


def names(results):
    return {name: getattr(results, name) for name in dir(results) if not name.startswith("_")} | {"min": min, "max": max}


def compiled(sentence, known):
    """A pattern with a group for each figure, and what each should be."""
    pattern, wanted = "", []
    for text, field, form, _ in string.Formatter().parse(sentence):
        pattern += re.sub(r"(\\[ \n])+", r"\\s+", re.escape(text))
        if field is not None:
            pattern += NUMBER
            wanted.append(format(eval(field, {"__builtins__": {}}, known), form))  # pylint: disable=eval-used  # our own sentences
    return pattern, wanted


def mended(text, sentence, known):
    """The text with this sentence's figures as they are, and what differed."""
    pattern, wanted = compiled(sentence, known)
    found = list(re.finditer(pattern, text))
    if len(found) != 1:
        return text, [f"has this sentence of bench/figures.json {len(found)} times, not once: {sentence[:100]}"]
    differ, match = [], found[0]
    for i in range(len(wanted), 0, -1):  # from the last to the first, so that earlier positions stay valid
        if match[i] != wanted[i - 1]:
            differ.insert(0, f"{match[i]} is {wanted[i - 1]} now: {sentence[:100]}")
            text = text[:match.start(i)] + wanted[i - 1] + text[match.end(i):]
    return text, differ


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--write", action="store_true", help="correct the figures")
    parser.add_argument("--results", type=pathlib.Path, default=RESULTS)
    options = parser.parse_args()
    known, wrong = names(Results(options.results)), 0
    for name, sentences in FIGURES.items():
        path = TOP / name
        text = path.read_text()
        for sentence in sentences:
            text, differ = mended(text, sentence, known)
            wrong += len(differ)
            for what in differ:
                print(f"{name}: {what}")
        if options.write:
            path.write_text(text)
    return 1 if wrong and not options.write else 0


if __name__ == "__main__":
    sys.exit(main())
