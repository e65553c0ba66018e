"""The two parts in which tests/run.sh runs these tests: each test is in exactly one of them."""

import os
import subprocess
import sys

from harness.gateway import REPOSITORY

FILES = ["test_cost.py", "test_descriptors.py", "test_pool.py", "test_slowhttptest.py"]  # all, some, none alone; some large


def collected(*args):
    """The tests that pytest would run."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run([sys.executable, "-B", "-m", "pytest", "--collect-only", "-q", "-m", "large or not large", *FILES, *args],
                          capture_output=True, text=True, env=env, cwd=REPOSITORY / "tests" / "e2e")
    assert done.returncode == 0, done.stdout + done.stderr
    return [line for line in done.stdout.splitlines() if "::" in line]


def files_of(tests):
    return {test.partition("::")[0] for test in tests}


def test_each_is_in_one_part():
    together, alone = collected("--part", "together"), collected("--part", "alone")
    assert sorted(together + alone) == sorted(collected())
    assert files_of(together) == {"test_descriptors.py", "test_pool.py"}
    assert files_of(alone) == {"test_cost.py", "test_descriptors.py", "test_slowhttptest.py"}


def test_slow_ones_run_only_when_asked_for():
    slow, others = (set(collected("test_pauses.py", "-m", marks)) for marks in ("slow", ""))
    assert slow and others and not slow & others
