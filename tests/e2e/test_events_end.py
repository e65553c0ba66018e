"""The end of the gateway, or of its control process, ends the streams of /v1/events in order: each reader hears why."""

import json
import signal

import pytest

from harness.control import Control
from harness.events import Events
from harness.scene import Scene

HOST = "control.jobs.test"


@pytest.fixture
def gateway(gateways):
    """Requests have ten minutes to end, so what ends earlier was not cut by `timeouts.drain`."""
    return gateways.start({"control": {"host": HOST}, "timeouts": {"drain": "600s"}})


@pytest.fixture
def callers(gateway, records):
    """At the local socket, and with a token at control.host."""
    return [Control(gateway.socket_path), Control(gateway.address, records.token("operator"), host=HOST)]


@pytest.fixture
def readers(callers):
    with Events(callers[0]) as local, Events(callers[1]) as remote:
        yield local.started(), remote.started()


def hear_the_end(readers):
    for events in readers:
        last = events.until("end")
        assert last["status"] == 503 and "shutting down" in last["detail"]
        assert events.next() is None


def test_readers_do_not_hold_the_gateway(gateway, readers):
    gateway.program.send_signal(signal.SIGTERM)
    hear_the_end(readers)
    assert gateway.stop() == 0


def test_no_new_readers_while_requests_end(gateway, callers, readers, records):
    scene = Scene(gateway, records)
    client, connection, _ = scene.arrive()  # this request holds the gateway
    gateway.program.send_signal(signal.SIGTERM)
    hear_the_end(readers)
    assert callers[0].call("GET", "/v1/events").status == 503
    connection.answer()
    assert client.read_response().status == 200
    assert gateway.program.wait() == 0
    scene.close()


def test_another_control_process(gateway, readers):
    """A reload with other settings ends the control process, and the next one starts."""
    gateway.config["control"]["metrics_tokens"] = 1
    gateway.config_path.write_text(json.dumps(gateway.config))
    gateway.program.send_signal(signal.SIGHUP)
    hear_the_end(readers)
