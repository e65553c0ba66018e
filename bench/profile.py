#!/usr/bin/python3
"""How many system calls a worker makes for each request (see profile.sh)."""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

import run


def main():
    connections = sys.argv[1] if len(sys.argv) > 1 else "64"
    seconds = sys.argv[2] if len(sys.argv) > 2 else "3"
    folder = pathlib.Path(tempfile.mkdtemp(prefix="jobgate-profile-"))
    folder.chmod(0o755)
    setting = run.Setting(folder)
    try:
        token = run.start_all(setting, [])
        port, pids = setting.proxies["jobgate"]
        argv = ["wrk", "-t1", f"-c{connections}", "-H", "Host: demo.localhost", "-H", f"Authorization: Bearer {token}"]
        url = f"http://127.0.0.1:{port}/small"
        subprocess.run([*argv, "-d1s", url], capture_output=True)  # connections to the backend are there now
        trace = subprocess.Popen(["strace", "-c", "-p", str(pids[0]), "-o", str(folder / "counts")],
                                 stderr=subprocess.DEVNULL)
        time.sleep(1)  # it is attached by then
        before = counter(folder)
        subprocess.run([*argv, f"-d{seconds}s", url], capture_output=True)
        requests = counter(folder) - before
        trace.terminate()
        trace.wait()
        print(f"{requests} requests over {connections} connections; system calls for each request:")
        for line in (folder / "counts").read_text().splitlines():
            match = re.match(r"\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", line)
            if match and match[2] != "total":
                print(f"  {match[2]:<16} {int(match[1]) / requests:8.3f}")
    finally:
        setting.stop()
        shutil.rmtree(folder, ignore_errors=True)


def counter(folder):
    """Requests answered so far, by the worker's own count."""
    out = subprocess.run(["curl", "-s", "--unix-socket", folder / "jobgate" / "control.sock", "http://localhost/metrics"],
                         capture_output=True, text=True).stdout
    return int(re.search(r"^jobgate_requests_total (\d+)", out, re.M)[1])


if __name__ == "__main__":
    main()
