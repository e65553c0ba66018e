"""Each replica of a job has a circuit of its own (access.md): one that takes no connections is left alone until its time, the others serve."""

import pytest

from harness.process import eventually
from harness.raw import Backend, Silent
from harness.scene import Scene
from test_job_replicas import ask, backends, urls  # pylint: disable=unused-import

OPENED, OPEN = "jobgate_backend_circuit_opens_total", "jobgate_backend_circuits_open"


@pytest.fixture
def start(gateways, records, backends):
    """A job with a replica at this URL, and one that serves; one worker has all its requests."""
    made = []

    def start(url, **settings):
        gateway = gateways.start({"workers": 1, **settings})
        made.append(Scene(gateway, records, backend=backends[0], url=urls(url, backends[0])))
        return made[-1]
    yield start
    for scene in made:
        for client in scene.clients:
            client.close()


@pytest.fixture
def opened(start, backends):
    """The circuit of the first replica is open, for no connection can be made; then it takes connections again."""
    made = []

    def open_it(pause):
        with Silent() as silent:
            scene = start(silent.url, timeouts={"connect": "100ms"}, backends={"circuit_failures": 2, "circuit_pause": pause})

            def opens():
                assert ask(scene, [backends[0]])[0] is backends[0]  # each request has its answer from the other one
                return scene.gateway.metrics()[OPENED]
            eventually(opens, "the circuit to open")
        made.append(Backend(port=silent.port))
        return scene, made[-1]
    yield open_it
    for backend in made:
        backend.close()


def test_none_goes_to_it_before_its_time(opened, backends):
    scene, left_alone = opened("5m")
    for _ in range(40):
        assert ask(scene, [backends[0]])[0] is backends[0]
    assert left_alone.untouched()
    metrics = scene.gateway.metrics()
    assert (metrics[OPENED], metrics[OPEN]) == (1, 1)


def test_it_gets_requests_again_after_its_time(opened, backends):
    scene, again = opened("200ms")
    eventually(lambda: ask(scene, [again, backends[0]])[0] is again, "a request at the replica that is back")
    assert scene.gateway.metrics()[OPEN] == 0
    assert {ask(scene, [again, backends[0]])[0] for _ in range(30)} == {again, backends[0]}
