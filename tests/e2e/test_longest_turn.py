"""jobgate_worker_longest_turn_seconds: a turn of a worker's event loop that takes long is shown, and so is what it waited for."""

import pathlib
import subprocess
import time

import pytest

from harness.gateway import release_binary
from harness.process import eventually

LONGEST = 'jobgate_worker_longest_turn_seconds{worker="0"}'
COUNT = "jobgate_turn_duration_seconds_count"
DELAY, BELOW = 3, "2.097152"  # seconds: longer than turns take on a busy machine, and a bound of the histogram below that


def long_turns(gateway):
    """How many turns took longer than BELOW."""
    metrics = gateway.metrics()
    return metrics[COUNT] - metrics[f'jobgate_turn_duration_seconds_bucket{{le="{BELOW}"}}']


@pytest.fixture
def scene(gateways, scene_of):
    """Of the release build: no leak checker works under strace."""
    return scene_of(gateways.start({"workers": 1}, program=release_binary()))


def stop_in_mid_turn(scene, log):
    """The worker is stopped for a while when it sends a request on."""
    worker = scene.gateway.workers()[0]
    with subprocess.Popen(["strace", "-q", "-p", str(worker), "-o", str(log), "-e", "trace=sendto",
                           "-e", f"inject=sendto:delay_enter={DELAY}s:when=1"]) as strace:
        status = pathlib.Path(f"/proc/{worker}/status")
        eventually(lambda: f"TracerPid:\t{strace.pid}\n" in status.read_text(), "strace to be attached")
        scene.relay()
        strace.terminate()
    eventually(lambda: scene.gateway.metrics()[LONGEST] >= DELAY, "the long turn to be shown")


@pytest.mark.alone
def test_a_turn_that_takes_long(scene, tmp_path):
    scene.relay()
    assert scene.gateway.metrics()[LONGEST] < DELAY and long_turns(scene.gateway) == 0
    stop_in_mid_turn(scene, tmp_path / "strace")
    assert long_turns(scene.gateway) == 1
    scene.relay()
    assert scene.gateway.metrics()[LONGEST] >= DELAY  # short ones do not hide it


@pytest.mark.slow
def test_it_is_shown_for_half_a_minute(scene, tmp_path):
    """Then it is forgotten."""
    stop_in_mid_turn(scene, tmp_path / "strace")
    began = time.monotonic()
    eventually(lambda: scene.gateway.metrics()[LONGEST] < DELAY, "the long turn to be forgotten", 75, 0.2)
    assert time.monotonic() - began > 29
    assert long_turns(scene.gateway) == 1  # the histogram keeps it
