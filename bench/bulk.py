"""How long `jobgate store import`, `verify` and `export` take with a given number of tokens, in a Redis of their own: bench/run.sh bulk"""

import argparse
import hashlib
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

import report
from world import BUILD

HZ = os.sysconf("SC_CLK_TCK")


def write_lines(path, count):
    """Tokens as an export has them; ids are of the form that the API gives."""
    with open(path, "w", encoding="ascii") as out:
        for number in range(count):
            digest = hashlib.sha256(str(number).encode()).hexdigest()
            out.write(f'{{"kind":"token","id":"{digest[:16]}","name":"token-{number}","role":"{"read" if number % 10 else "operator"}",'
                      f'"label_selector":"team=t{number % 100}","version":1,"hash":"{digest}","created_at":"2026-01-01T00:00:00Z",'
                      f'"updated_at":"2026-01-01T00:00:00Z","created_ms":{1767225600000 + number}}}\n')


def cpu_of(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / HZ


def measure(verb, url, redis, stdin, stdout):
    """Wall clock and CPU of both programs, in seconds."""
    before, redis_before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), cpu_of(redis), time.monotonic()
    with open(stdin, "rb") as lines, open(stdout, "wb") as out:
        subprocess.run([BUILD / "jobgate", "store", verb, "--store", url], stdin=lines, stdout=out, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {"verb": verb, "seconds": time.monotonic() - begun, "redis_cpu": cpu_of(redis) - redis_before,
            "cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path(__file__).parent / "results")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder)
        write_lines(place / "lines", options.count)
        redis = subprocess.Popen(["redis-server", "--port", "0", "--unixsocket", place / "redis.sock", "--save", "", "--dir", place],
                                 stdout=subprocess.DEVNULL)
        try:
            while subprocess.run(["redis-cli", "-s", place / "redis.sock", "ping"], capture_output=True).stdout != b"PONG\n":
                time.sleep(0.1)
            found = [measure(verb, f"unix:{place}/redis.sock", redis.pid, place / "lines" if verb == "import" else os.devnull, place / "out")
                     for verb in ("import", "verify", "export")]
        finally:
            redis.terminate()
            redis.wait()
        with open(place / "out", "rb") as lines:
            assert sum(1 for _ in lines) == options.count, "export and import must have all of them"
    lines = [f"{options.count:,} tokens, over a Unix socket; load of the machine at the end: {os.getloadavg()[0]:.1f}.", "",
             "| `jobgate store` | seconds | CPU of jobgate, s | CPU of Redis, s |", "| --- | --- | --- | --- |"]
    lines += [f"| {item['verb']} | {item['seconds']:.1f} | {item['cpu']:.1f} | {item['redis_cpu']:.1f} |" for item in found]
    print("\n".join(lines))
    report.write(options.output, "bulk", {"count": options.count, "load": os.getloadavg()[0], "verbs": found}, "\n".join(lines))


if __name__ == "__main__":
    sys.exit(main())
