"""Processes that hang or crash: they are replaced, and what waits for them is answered meanwhile."""

import os
import signal
import socket

import pytest

from harness.process import eventually, free_port
from harness.raw import Client
from harness.scene import request_bytes
from test_reload import write
from test_revocation import start_stream

REQUEST = request_bytes("x.jobs.test")
AGE = "jobgate_worker_heartbeat_age_seconds"


def logged(gateway, text):
    eventually(lambda: text in gateway.program.log(), f"{text} in the log")


def pid_of(gateway, worker):
    """The one that runs now; None while there is none."""
    for pid in gateway.processes():
        try:
            with open(f"/proc/{pid}/comm", encoding="ascii") as file:
                if file.read() == f"{worker}\n":
                    return pid
        except FileNotFoundError:
            pass
    return None


def ask_all(clients):
    for client in clients:
        client.send(REQUEST)


def answered(clients):
    return [client.read_response().status for client in clients] == [401] * len(clients)


def test_a_worker_that_hangs_is_replaced(gateways):
    """And the others take what waits at its sockets, long before that."""
    gateway = gateways.start({"workers": 2, "timeouts": {"watchdog": "10s"}})
    hung = pid_of(gateway, "worker 0")
    os.kill(hung, signal.SIGSTOP)
    clients = [Client(gateway.address) for _ in range(32)]  # about half of them wait for the one that hangs
    ask_all(clients)
    assert answered(clients)
    assert pid_of(gateway, "worker 0") == hung  # the other one has answered all
    assert gateway.health("/readyz")[0] == 503 and "worker 0 hangs" in gateway.health("/readyz")[1]
    assert gateway.metrics()[AGE + '{worker="0"}'] >= 2 and gateway.metrics()[AGE + '{worker="1"}'] < 2
    eventually(lambda: pid_of(gateway, "worker 0") not in (hung, None), "another one", patience=60)
    logged(gateway, "worker 0 hangs: its event loop has not turned for")
    eventually(lambda: gateway.health("/readyz")[0] == 200, "it to be ready")
    assert gateway.metrics()["jobgate_hung_processes_total"] == 1
    assert gateway.metrics()[AGE + '{worker="0"}'] < 2
    for client in clients:
        client.close()


def test_a_control_process_that_hangs_is_replaced(gateways):
    gateway = gateways.start({"timeouts": {"watchdog": "1s"}})
    hung = pid_of(gateway, "control")
    os.kill(hung, signal.SIGSTOP)
    eventually(lambda: pid_of(gateway, "control") not in (hung, None), "another one", patience=60)
    logged(gateway, "control hangs: its event loop has not turned for")
    eventually(lambda: gateway.cli("token", "list").status == 0, "it to serve")
    assert gateway.metrics()["jobgate_hung_processes_total"] == 1


def test_a_supervisor_that_was_stopped_ends_nothing(gateways):
    """As when the machine sleeps: all workers are silent, and the supervisor does not blame them."""
    gateway = gateways.start({"workers": 2, "timeouts": {"watchdog": "3s"}})
    everything = [*gateway.processes(), gateway.program.pid]
    for pid in everything:
        os.kill(pid, signal.SIGSTOP)
    signal.sigtimedwait([], 5)  # the time is what this is about
    for pid in reversed(everything):
        os.kill(pid, signal.SIGCONT)
    eventually(lambda: gateway.health("/readyz")[0] == 200, "it to be ready again")
    before = gateway.metrics()["jobgate_requests_total"]
    with Client(gateway.address) as client:
        assert client.exchange(REQUEST).status == 401
    eventually(lambda: gateway.metrics()["jobgate_requests_total"] > before, "it to serve")
    assert gateway.processes() == sorted(everything[:-1])
    assert "hangs" not in gateway.program.log()


def crash_often(gateway):
    """The next start of worker 0 is due in 5 s."""
    crashes = 0

    def crash():
        nonlocal crashes
        pid = pid_of(gateway, "worker 0")
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
            crashes += 1
            eventually(lambda: pid_of(gateway, "worker 0") != pid, "it to be gone")
        return crashes == 9
    eventually(crash, "crashes", patience=60)


def test_what_waits_for_a_worker_in_a_crash_loop_is_answered_by_another(gateways):
    gateway = gateways.start({"workers": 2})
    crash_often(gateway)
    clients = [Client(gateway.address) for _ in range(32)]
    ask_all(clients)
    assert answered(clients)
    assert pid_of(gateway, "worker 0") is None
    for client in clients:
        client.close()
    eventually(lambda: gateway.health("/readyz")[0] == 200, "the next one", patience=60)


def waiting_reload(gateway, patience="1h"):
    """A reload whose workers wait for a store that does not exist. Returns the old workers."""
    old = gateway.workers()
    write(gateway, {"store": {"url": f"redis://127.0.0.1:{free_port()}", "connect_timeout": patience, "ping_deadline": "200ms"}})
    gateway.program.send_signal(signal.SIGHUP)
    eventually(lambda: len(set(gateway.workers()) - set(old)) == gateway.config["workers"], "the new workers")
    return old


def served_while_it_is_away(gateway):
    for _ in range(3):  # the supervisor looks again in between
        clients = [Client(gateway.address) for _ in range(32)]  # about half of them wait for the one that is gone
        ask_all(clients)
        assert answered(clients)
        for client in clients:
            client.close()


def test_a_worker_that_ends_while_a_reload_waits(gateways):
    gateway = gateways.start({"workers": 2})
    old = waiting_reload(gateway)
    os.kill(old[0], signal.SIGKILL)
    eventually(lambda: old[0] not in gateway.workers(), "it to be gone")
    served_while_it_is_away(gateway)
    assert old[1] in gateway.workers() and len(gateway.workers()) == 3


def test_a_worker_that_is_to_be_started_again_when_a_reload_begins(gateways):
    gateway = gateways.start({"workers": 2})
    crash_often(gateway)
    old = waiting_reload(gateway)
    assert len(old) == 1
    served_while_it_is_away(gateway)
    assert old[0] in gateway.workers() and len(gateway.workers()) == 3


def test_a_reload_is_taken_back_when_the_only_worker_ends(gateways):
    """It had its store, and the new one does not reach its own."""
    gateway = gateways.start()
    os.kill(waiting_reload(gateway, "2s")[0], signal.SIGKILL)
    with Client(gateway.address) as client:
        assert client.exchange(REQUEST).status == 401
    assert "is in force again" in gateway.program.log()


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_that_another_process_ends_are_replaced_at_once(gateways, scene_of, workers):
    """One of them has a stream to wait for, and new connections do not wait for that."""
    gateway = gateways.start({"workers": workers})
    old = set(gateway.workers())
    client, connection, _ = start_stream(scene_of(gateway))
    for pid in old:
        os.kill(pid, signal.SIGTERM)
    eventually(lambda: gateway.program.log().count("; starting it again") + gateway.program.log().count("starting another in") == workers,
               "all of them to be replaced")
    served_while_it_is_away(gateway)
    eventually(lambda: len(old & set(gateway.workers())) == 1, "the idle ones to end")
    eventually(lambda: gateway.health("/readyz")[0] == 200 and len(set(gateway.workers()) - old) == workers, "the others")
    assert "starting another in its place" in gateway.program.log()  # of the one with the stream
    connection.close()
    eventually(lambda: not old & set(gateway.workers()), "it to end")
    assert len(gateway.workers()) == workers
    client.close()


def test_the_first_crash_is_made_up_for_at_once(gateways):
    """The only worker: no other could answer. It is forked in the turn that collects the one before."""
    gateway = gateways.start()
    os.kill(pid_of(gateway, "worker 0"), signal.SIGKILL)
    with Client(gateway.address) as client:
        assert client.exchange(REQUEST).status == 401
    assert "starting it again at once" in gateway.program.log()
