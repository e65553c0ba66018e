"""slowhttptest in all its modes from one address, which for once has no limit of its own: the service stays available.

The quick set opens 2,000 connections for some seconds; --all opens over 10,000, more than the gateway takes."""

import contextlib
import re
import subprocess

import pytest

from harness.process import eventually
from harness.raw import Closed
from harness.scene import request_bytes
from test_floods import Memory

pytestmark = pytest.mark.alone

MODES = {"headers": "-H", "body": "-B", "range": "-R", "read": "-X"}
QUICK = (2_000, 6)  # connections, seconds
QUICK_WITH_TOKEN = (300, 6)
WHOLE = (2_600, 120)
ATTACKERS = 6  # processes for the whole: one alone is not fast enough


class Attack:
    """One run of slowhttptest. With a token it gets through to the job."""

    def __init__(self, folder, mode, size, url, token=None):
        connections, seconds = size
        accept = "*/*" + (f"\r\nAuthorization: Bearer {token.value}" if token else "")
        self.log = open(folder / "slowhttptest.log", "w+", encoding="utf-8")
        self.program = subprocess.Popen(
            ["slowhttptest", MODES[mode], "-c", str(connections), "-r", str(connections // 3), "-l", str(seconds),
             "-i", "1", "-p", "5", "-s", "100000", "-m", accept, "-u", url],
            stdout=self.log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.program.kill()
        self.program.wait()
        self.log.close()

    def running(self):
        return self.program.poll() is None

    def reports(self):
        """What it said of the service, every five seconds; and all it said."""
        self.log.seek(0)
        text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", self.log.read())
        return re.findall(r"service available:\s+(\w+)", text), text


def ask(gateway, request, status):
    """A new client. False when it is not let in."""
    try:
        with gateway.client() as client:
            response = client.exchange(request)
    except (Closed, OSError):
        return False
    assert response.status == status, response
    return True


def withstand(scene, attacks):
    """Others come and are served while it goes on, and it says so itself. Returns the most connections there were."""
    served = failed = most = 0
    requests = [(request_bytes(scene.host), 401), (scene.request(path="/5"), 200)]
    with Memory(scene.gateway, 256) as memory:
        while any(attack.running() for attack in attacks):
            for request, status in requests:
                if ask(scene.gateway, request, status):
                    served += 1
                else:
                    failed += 1
            memory.look()
            most = max(most, scene.gateway.metrics()["jobgate_connections"])
    for attack in attacks:
        said, text = attack.reports()
        assert said and set(said) == {"YES"}, text
    assert served > 10 and failed <= served // 20, f"{served} served, {failed} not let in"
    return most


def play(gateway, scene_of, make_folder, sink, attacks):
    """attacks: (mode, size, with a token) of those that go on at the same time."""
    scene = scene_of(gateway, url=sink.url)
    url = f"http://127.0.0.1:{gateway.port}/jobs/{scene.job}/{1 << 20}"
    with contextlib.ExitStack() as stack:
        most = withstand(scene, [
            stack.enter_context(Attack(make_folder("slow"), mode, size, url, scene.token if token else None))
            for mode, size, token in attacks])
    eventually(lambda: gateway.metrics()["jobgate_connections"] < 100, "its connections to be forgotten", 60)
    return most


def test_all_modes_at_once(gateways, scene_of, make_folder, sink_backend):
    """And allowed clients hold connections to the job as well."""
    gateway = gateways.start({"limits": {"connections": 10_000, "connections_per_client": 0},
                              "log": {"level": "info", "access": "off"}})
    play(gateway, scene_of, make_folder, sink_backend,
         [(mode, QUICK, False) for mode in MODES] + [("body", QUICK_WITH_TOKEN, True)])


@pytest.mark.large
@pytest.mark.parametrize("mode", MODES)
def test_ten_thousand(gateways, scene_of, make_folder, sink_backend, mode):
    """Heads may take as long as they like, so that all places get taken: who only waits gives way to who asks."""
    gateway = gateways.start({"limits": {"connections": 10_000, "connections_per_client": 0},
                              "timeouts": {"head": "10m"}, "log": {"level": "info", "access": "off"}})
    most = play(gateway, scene_of, make_folder, sink_backend, [(mode, WHOLE, False)] * ATTACKERS)
    evicted = gateway.metrics()["jobgate_connections_evicted_total"]
    print(f"{mode}: {most:.0f} connections at most, {evicted:.0f} gave way")
