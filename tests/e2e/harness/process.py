"""Programs started by tests: they end with the tests, whatever happens."""

import collections
import ctypes
import os
import random
import signal
import socket
import subprocess
import time

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1

# No test waits longer than this for something that is going to happen.
PATIENCE = float(os.environ.get("JOBGATE_TEST_PATIENCE", "15"))


def eventually(check, what, patience=PATIENCE, pause=0.005):
    """Call check until it returns something true, and return that."""
    deadline = time.monotonic() + patience
    while True:
        found = check()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {patience:g} s in vain: {what}")
        time.sleep(pause)


_FIRST_PORT, _SHARES = 15000, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_SHARE = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))


_given = collections.deque(maxlen=100)  # to servers that may not have bound them yet


def free_port(host="127.0.0.1"):
    """A port that is not in use, from below the range that the kernel gives to outgoing connections: each process of pytest-xdist
    (gw0, gw1, ...) has a share of its own, for between this and its use another one could take it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for _ in range(1000):
        port = random.randrange(_FIRST_PORT + _SHARE, 32000, _SHARES)
        if port in _given:
            continue
        with socket.socket(family, socket.SOCK_STREAM) as sock:
            try:
                sock.bind((host, port))
            except OSError:
                continue
            _given.append(port)
            return port
    raise AssertionError("no free port")


def _die_with_parent():
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Program:
    """A child process in a process group of its own, its output in a file."""

    def __init__(self, argv, log_path, env=None, cwd=None, stdout=None, stderr=None):
        self.argv = [str(word) for word in argv]
        self.log_path = log_path
        self._log = open(log_path, "ab")
        self.popen = subprocess.Popen(
            self.argv, stdin=subprocess.DEVNULL, stdout=stdout or self._log, stderr=stderr or self._log,
            env=env, cwd=cwd, start_new_session=True, preexec_fn=_die_with_parent)

    @property
    def pid(self):
        return self.popen.pid

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def running(self):
        return self.popen.poll() is None

    def send_signal(self, number):
        self.popen.send_signal(number)

    def wait(self, patience=PATIENCE):
        return self.popen.wait(patience)

    def stop(self, number=signal.SIGTERM, patience=PATIENCE):
        """End it in good order, or else the whole group at once. Returns the exit status."""
        if self.running():
            self.popen.send_signal(number)
        try:
            status = self.popen.wait(patience)
        except subprocess.TimeoutExpired:
            status = None
        try:
            os.killpg(self.pid, signal.SIGKILL)  # whatever it left behind
        except ProcessLookupError:
            pass
        if status is None:
            self.popen.wait()
        self._log.close()
        if status is None:
            raise AssertionError(f"{self.argv[0]} did not end within {patience:g} s of being asked to")
        return status


def accepts(host, port):
    try:
        with socket.create_connection((host, port), 1):
            return True
    except OSError:
        return False


def accepts_unix(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        try:
            sock.connect(path)
            return True
        except OSError:
            return False


def children(pid):
    """The direct children of a process."""
    found = []
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
            found += [int(word) for word in file.read().split()]
    return sorted(found)


def descendants(pid):
    found = []
    for child in children(pid):
        found.append(child)
        try:
            found += descendants(child)
        except FileNotFoundError:
            pass
    return found
