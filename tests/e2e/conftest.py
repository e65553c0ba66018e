"""What all end-to-end tests share: one Redis, one gateway with one worker, backends, and a watch over them."""

import os
import pathlib
import shutil
import signal
import tempfile

import pytest

from harness import servers
from harness.dns import DnsServer
from harness.gateway import DOMAIN, NO_AUTHORITIES, Gateway, Sanitizer, binary, environment, run
from harness.pki import Authority
from harness.raw import Backend
from harness.scene import Scene
from harness.store import Records, RedisServer

TEST_SECONDS = 90
LARGE_TEST_SECONDS = 1200


@pytest.fixture(scope="session")
def scratch():
    """A short path: names of Unix sockets have at most 107 bytes."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="jobgate-test-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def make_folder(scratch):
    count = 0

    def make(name):
        nonlocal count
        count += 1
        folder = scratch / f"{name}{count}"
        folder.mkdir()
        return folder
    return make


@pytest.fixture(scope="session")
def sanitizer(scratch):
    return Sanitizer(scratch / "sanitizer")


@pytest.fixture(scope="session")
def redis_server(make_folder):
    server = RedisServer(make_folder("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def records(redis_server):
    return Records(redis_server.client)


@pytest.fixture(scope="module")
def store(make_folder):
    """A Redis of the module's own."""
    server = RedisServer(make_folder("redis")).start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def authority(make_folder):
    return Authority(make_folder("pki"), "ours")


@pytest.fixture(scope="module")
def certificate(authority):
    """For all jobs' hosts."""
    return authority.issue("jobs", "serverAuth", [f"DNS:*.{DOMAIN}"])


class Gateways:
    """Starts gateways; the fixtures below end them with their scope."""

    def __init__(self, make_folder, sanitizer, store_url):
        self.make_folder, self.sanitizer, self.store_url = make_folder, sanitizer, store_url
        self.made = []
        self.shared = None

    def make(self, settings=None, store_url=None, program=None, env=None):
        gateway = Gateway(self.make_folder("gateway"), self.sanitizer, store_url or self.store_url,
                          settings, program, env)
        self.made.append(gateway)
        return gateway

    def start(self, settings=None, store_url=None, program=None, env=None):
        return self.make(settings, store_url, program, env).start()

    def stop(self):
        """End all of them, and hold them to an orderly end: a leak shows as another exit status."""
        statuses = []
        for gateway in self.made:
            if gateway in Gateway.live:
                statuses.append((gateway.stop(), gateway.program.log()[-3000:]))
        for status, log in statuses:
            assert status == 0, f"the gateway ended with status {status}:\n{log}"
        failed_checks, Gateway.failed_checks = Gateway.failed_checks, []
        assert not failed_checks, "a CHECK failed:\n" + "\n".join(failed_checks)


def _gateways(make_folder, sanitizer, redis_server):
    gateways = Gateways(make_folder, sanitizer, redis_server.url)
    yield gateways
    gateways.stop()


session_gateways = pytest.fixture(scope="session")(_gateways)
module_gateways = pytest.fixture(scope="module")(_gateways)
gateways = pytest.fixture(_gateways)


@pytest.fixture
def gateway(session_gateways):
    """The one that most tests share. Should it die, the test at hand fails and the next one gets another."""
    shared = session_gateways.shared
    if shared is None or not shared.program.running():
        shared = session_gateways.shared = session_gateways.start()
    return shared


@pytest.fixture
def scene_of(records):
    """Make scenes; they are taken down with the test."""
    scenes = []

    def make(*args, **kwargs):
        scenes.append(Scene(args[0], records, *args[1:], **kwargs))
        return scenes[-1]
    yield make
    for scene in scenes:
        scene.close()


@pytest.fixture
def scene(gateway, scene_of):
    return scene_of(gateway)


@pytest.fixture
def backends():
    """For the replicas of a job."""
    made = [Backend(), Backend(), Backend()]
    yield made
    for backend in made:
        backend.close()


@pytest.fixture(scope="module")
def dns(make_folder):
    server = DnsServer(make_folder("dns"))
    yield server
    server.stop()


def _server(start, name):
    @pytest.fixture(scope="session", name=name)
    def fixture(make_folder):
        server = start(make_folder(name))
        yield server
        server.stop()
    return fixture


aiohttp_backend = _server(servers.aiohttp_server, "aiohttp_backend")
websockets_backend = _server(servers.websockets_server, "websockets_backend")
sink_backend = _server(servers.sink_server, "sink_backend")
hold_backend = _server(servers.hold_server, "hold_backend")
slow_backend = _server(servers.slow_server, "slow_backend")
nginx_backend = _server(servers.nginx_server, "nginx_backend")


@pytest.fixture(autouse=True)
def deadline(request):
    """A test that hangs fails, with the place where it hung."""
    seconds = LARGE_TEST_SECONDS if request.node.get_closest_marker("large") else TEST_SECONDS

    def late(*_):
        # Not TimeoutError: that is also the error of a socket, which clients take to mean that nothing came.
        pytest.fail(f"the test took over {seconds} s")
    previous = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, previous)


@pytest.fixture(autouse=True)
def watch(sanitizer):
    """Fail the test under which a sanitizer spoke up, a CHECK failed or a process of the gateway died."""
    yield
    reports = sanitizer.new_reports()
    assert not reports, "sanitizer report:\n" + "\n".join(reports)
    for gateway in Gateway.live:
        gateway.look_for_failed_checks()
    failed_checks, Gateway.failed_checks = Gateway.failed_checks, []
    assert not failed_checks, "a CHECK failed:\n" + "\n".join(failed_checks)
    for gateway in Gateway.live:
        if gateway.family:
            before = gateway.family
            gateway.family = gateway.processes() if gateway.program.running() else []
            assert gateway.family == before, f"processes of the gateway changed from {before} to {gateway.family}"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """With a failure show the end of each gateway's log."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for gateway in Gateway.live:
            report.sections.append((f"log of the gateway at port {gateway.port}", gateway.program.log()[-4000:]))


REPEATED_MAX = 5
_failed, _not_repeatable = [], []


def pytest_runtest_logreport(report):
    if report.failed:
        # What is found after a test (a sanitizer's report, a process that died) is never due to a busy machine.
        (_not_repeatable if report.when == "teardown" else _failed).append(report.nodeid)


def pytest_sessionfinish(session):
    """A few failures of tests themselves, and nothing else: tests/run.sh tries them once more, alone."""
    path = os.environ.get("JOBGATE_FAILED")
    if hasattr(session.config, "workerinput"):
        return  # one of several processes: the one that collects their reports does it
    if path and len(_failed) <= REPEATED_MAX and not _not_repeatable:
        pathlib.Path(path).write_text("".join(f"{nodeid}\n" for nodeid in _failed), encoding="utf-8")


def pytest_addoption(parser):
    parser.addoption("--part", choices=["together", "alone"],
                     help="only the tests that may run beside others, or only those that may not")


# They begin first, so that no process is busy with one of them when all others have ended.
LONGEST = ["control_bounds", "heartbeat", "floods", "faults", "mint", "pauses", "revocation", "sentinel"]


def pytest_collection_modifyitems(config, items):
    """Large and slow tests run only when asked for by -m."""
    def is_chosen(item):
        if (item.get_closest_marker("large") or item.get_closest_marker("slow")) and not config.getoption("-m"):
            return False
        alone = item.get_closest_marker("alone") or item.get_closest_marker("large")
        return config.getoption("--part") in (None, "alone" if alone else "together")
    chosen = [item for item in items if is_chosen(item)]
    config.hook.pytest_deselected(items=[item for item in items if not is_chosen(item)])
    rank = {f"test_{name}": number for number, name in enumerate(LONGEST)}
    items[:] = sorted(chosen, key=lambda item: rank.get(item.module.__name__, len(rank)))


@pytest.fixture
def check(make_folder, sanitizer):
    """Runs `jobgate check` on a configuration; returns its path and what came of it."""
    folder = make_folder("check")

    def call(text):
        path = folder / "jobgate.yaml"
        path.write_text(text)
        return path, run([binary(), "check", "-c", path], environment(sanitizer, **NO_AUTHORITIES))
    return call
