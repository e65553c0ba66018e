"""
How many lines of memory a decision reads that are in none of the CPU's caches, and what a token takes in a worker: both
counted, so they do not drift with the machine. Of the release build, by callgrind's simulation of the caches.
"""

import json
import pathlib
import re
import subprocess

import pytest

from harness.gateway import release_binary

pytestmark = [pytest.mark.slow, pytest.mark.alone]

# A tenth of 1,000,000 tokens and 100,000 jobs, with a last-level cache of 2 MiB: less than a tenth of what servers have.
TOKENS, JOBS, REQUESTS = 100_000, 10_000, 20_000
CACHES = ("--cache-sim=yes", "--I1=32768,8,64", "--D1=32768,8,64", "--LL=2097152,16,64")

# For both records: a line of the table and the first line of what it leads to.
DECISION_MISSES_MAX = 4

# In addition what a request that may pass reads: the second lines, of which the token's has its name and version, and two lines with the job's URL.
REQUEST_MISSES_MAX = 6

# In addition what the pool reads to find the job's backend: a line of its table, and the backend's first line.
ROUTE_MISSES_MAX = 7

TOKEN_BYTES_MAX = 215


@pytest.fixture(scope="module")
def counted(tmp_path_factory):
    """What bench_decide says, and the misses of each of its three functions for each request."""
    program = pathlib.Path(release_binary()).parent / "bench" / "bench_decide"
    profile = tmp_path_factory.mktemp("cache") / "profile"
    done = subprocess.run(
        ["valgrind", "--tool=callgrind", *CACHES, "--collect-atstart=no", "--toggle-collect=decisions", "--toggle-collect=requests", "--toggle-collect=routes",
         f"--callgrind-out-file={profile}", program, *map(str, (TOKENS, JOBS, TOKENS, REQUESTS))],
        capture_output=True, text=True, check=True)
    table = subprocess.run(["callgrind_annotate", "--inclusive=yes", "--threshold=100", "--auto=no", "--show=DLmr,DLmw", profile],
                           capture_output=True, text=True, check=True).stdout
    misses = {}
    for name in ("decisions", "requests", "routes"):
        row = re.search(rf"^(.*)\S*:{name}(?:'\d+)? \[", table, re.MULTILINE)
        assert row, table
        numbers = [int(text.replace(",", "")) for text in re.findall(r"[\d,]+(?= \()", row[1])]
        misses[name] = sum(numbers) / REQUESTS
    return json.loads(done.stdout), misses


def test_a_decision_misses_four_times(counted):
    _, misses = counted
    print(f"{misses['decisions']:.2f} misses for each decision")
    assert 1 < misses["decisions"] <= DECISION_MISSES_MAX


def test_a_request_misses_few_more_times(counted):
    _, misses = counted
    print(f"{misses['requests']:.2f} misses for each request")
    assert misses["decisions"] < misses["requests"] <= REQUEST_MISSES_MAX


def test_a_backend_for_each_job_misses_few_more_times(counted):
    _, misses = counted
    print(f"{misses['routes']:.2f} misses for each request to a job with a backend of its own")
    assert misses["requests"] < misses["routes"] <= ROUTE_MISSES_MAX


def test_a_token_takes_few_bytes():
    """Each of 1,000,000: a piece of memory that is not full yet, or a table that has just grown, weighs less then."""
    program = pathlib.Path(release_binary()).parent / "bench" / "bench_decide"
    done = subprocess.run([program, "1000000", "100000", "100", "1"], capture_output=True, text=True, check=True)
    taken = json.loads(done.stdout)["token_bytes"]
    print(f"{taken} bytes for each token")
    assert 150 < taken <= TOKEN_BYTES_MAX
