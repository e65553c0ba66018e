"""Processes that hang or crash: they are replaced, and what waits for them is answered meanwhile."""

import os
import signal
import socket

import pytest

from harness.process import eventually
from harness.raw import Client
from harness.scene import request_bytes

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


def test_what_waits_for_a_worker_in_a_crash_loop_is_answered_by_another(gateways):
    gateway = gateways.start({"workers": 2})
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
    # The next one is due in 5 s.
    clients = [Client(gateway.address) for _ in range(32)]
    ask_all(clients)
    assert answered(clients)
    assert pid_of(gateway, "worker 0") is None
    for client in clients:
        client.close()
    eventually(lambda: gateway.health("/readyz")[0] == 200, "the next one", patience=60)


def test_the_first_crash_is_made_up_for_at_once(gateways):
    """The only worker: no other could answer. It is forked in the turn that collects the one before."""
    gateway = gateways.start()
    os.kill(pid_of(gateway, "worker 0"), signal.SIGKILL)
    with Client(gateway.address) as client:
        assert client.exchange(REQUEST).status == 401
    assert "starting it again at once" in gateway.program.log()
