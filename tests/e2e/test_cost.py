"""
What a request costs, counted in things that do not drift with the machine: system calls, instructions, allocations.
Of the release build on one worker: JOBGATE_RELEASE_BINARY, or build/release.
"""

import collections
import pathlib
import re
import subprocess

import pytest

from harness.gateway import release_binary
from harness.process import eventually
from harness.raw import Client
from harness.scene import request_bytes
from test_upgrade import open_tunnel

pytestmark = pytest.mark.alone

# Counted 18,940 with GCC 12 on Debian 12, libevent's two turns for each request of a single client included (2,200).
# Of these, CHECKs and tables of states take some 400, and 120 more or less depend on where in a page a head lies (strncasecmp).
# Raise it only with a reason that is worth the time of each request.
INSTRUCTIONS_MAX = 19_200

# Two of libevent's (before and after it waits), two of ours (at the beginning and the end of a turn). They are no system calls (vDSO).
CLOCKS_OF_TURN_MAX = 4

# Two more for each request: when its records are looked up, and right before its head leaves for the backend. The worker
# may have been stopped since the turn began, or while it read the request: what was known before that decides nothing.
CLOCKS_OF_REQUEST = 2

SMALL = 64  # bytes of an answer


@pytest.fixture(scope="module")
def release():
    return release_binary()


@pytest.fixture
def measured(gateways, records, nginx_backend, release, tmp_path):
    """Start a gateway under a tool; returns it with what asks it for a small file over given connections."""
    (nginx_backend.files / "small").write_bytes(b"x" * SMALL)

    def start(*tool, **settings):
        wrapper = tmp_path / "jobgate"
        wrapper.write_text(f"#!/bin/sh\nexec {' '.join(map(str, tool))} {release} \"$@\"\n")
        wrapper.chmod(0o755)
        gateway = gateways.start({"log": {"level": "info", "access": None}, **settings}, program=str(wrapper))
        gateway.await_workers()
        token, job = records.token(), records.job(nginx_backend.url)

        def ask(clients, mark, fields=()):
            """One request from each of these clients, all at once; then all their answers."""
            for client in clients:
                client.send(request_bytes(f"{job}.jobs.test", token, path=f"/small?{mark}", fields=fields))
            for client in clients:
                response = client.read_response()
                assert (response.status, len(response.body)) == (200, SMALL)
        return gateway, ask
    return start


# ---- system calls ----

class Trace:
    """What strace wrote of a worker between a request that says `begin` and one that says `end`."""

    def __init__(self, path, request="GET /small?"):
        calls = []  # (name, arguments and result)
        for line in path.read_text(errors="replace").splitlines():
            match = re.match(r"(\w+)\((.*)$", line)
            if match:
                calls.append((match[1], match[2]))
        first, last = (
            next(i for i, call in enumerate(calls) if call[0] == "recvfrom" and request + mark in call[1])
            for mark in ("begin", "end"))
        self.calls = calls[first:last]
        # The sockets that requests travel on; all others are the link's to the store.
        self.sockets = {text.split(",")[0] for name, text in self.calls
                        if name in ("recvfrom", "sendto") and request in text}

    def counts(self):
        """Calls by name that move bytes of requests, or otherwise touch their sockets."""
        found = collections.Counter()
        for name, text in self.calls:
            words = [word.strip() for word in text.split(",")]
            if words[0] in self.sockets or (name == "epoll_ctl" and words[2] in self.sockets):
                found[name] += 1
        return found

    def waits(self):
        """Waits that brought something: the others are the timer's."""
        return sum(1 for name, text in self.calls if name == "epoll_wait" and not text.endswith(" = 0"))

    def others(self):
        """Names of calls that could only be a request's."""
        return {name for name, _ in self.calls} & {
            "ioctl", "fcntl", "clock_gettime", "gettimeofday", "time", "getrandom", "brk", "mmap", "munmap", "madvise",
            "futex", "poll", "getsockopt", "accept4"}


def end_trace(gateway, tmp_path, request="GET /small?"):
    worker = gateway.workers()[0]
    gateway.stop()
    path = tmp_path / f"trace.{worker}"
    eventually(lambda: "+++ exited" in path.read_text(errors="replace"), "strace to write the worker's last line")
    return Trace(path, request)


def trace_of(measured, tmp_path, connections, rounds):
    # -D: strace steps aside, so that the gateway stays our child, and its workers its children.
    gateway, ask = measured("strace", "-D", "-q", "-ff", "-o", tmp_path / "trace")
    clients = [Client(gateway.address) for _ in range(connections)]
    for _ in range(5):
        ask(clients, "warm")
    ask(clients[:1], "begin")
    for _ in range(rounds):
        ask(clients, "count")
    ask(clients[:1], "end")
    for client in clients:
        client.close()
    return end_trace(gateway, tmp_path)


def test_a_keep_alive_request_takes_four_calls(measured, tmp_path):
    """Receive, send on, receive the answer, send that on; and a wait before each of the two events."""
    requests = 401  # with the one that says `begin`
    trace = trace_of(measured, tmp_path, 1, requests - 1)
    assert trace.counts() == {"recvfrom": 2 * requests, "sendto": 2 * requests}
    assert not trace.others() - {"ioctl"}  # libevent's bufferevents, of the link: none touches a request's socket
    assert trace.waits() <= 2.1 * requests


def test_requests_that_come_together_share_waits(measured, tmp_path):
    """Of 32 connections many are ready at once: one wait serves them. On a busy machine fewer are, so another run may have to show it."""
    connections, rounds = 32, 20
    requests = connections * rounds + 1
    for attempt in range(4):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        trace = trace_of(measured, folder, connections, rounds)
        counts = trace.counts()
        opened = counts.pop("connect", 0)  # when requests come faster than before, they need more connections to the job
        assert opened < connections
        assert all(counts.pop(name, 0) <= opened for name in ("epoll_ctl", "getsockopt", "setsockopt"))
        assert set(counts) <= {"recvfrom", "sendto", "recvmsg", "sendmsg"}
        assert sum(counts.values()) == 4 * requests
        if trace.waits() < requests:
            return
    raise AssertionError(f"{trace.waits()} waits for {requests} requests")


def accepted_early(calls):
    """How many connections were accepted before their request had come: their first read found nothing."""
    early, new = 0, set()
    for name, text in calls:
        fd = text.split(",")[0]
        if name == "accept4" and re.search(r" = \d+$", text):
            new.add(text.rsplit(" ", 1)[1])
        elif name == "recvfrom" and fd in new:
            new.remove(fd)
            early += "EAGAIN" in text
    return early


def test_a_connection_of_one_request_takes_eight_calls(measured, tmp_path):
    """Its four, and: accept, a read that finds nothing more, close; and a last accept that finds none."""
    connections = 100
    gateway, ask = measured("strace", "-D", "-q", "-ff", "-o", tmp_path / "trace")
    with Client(gateway.address) as client:
        ask([client], "warm")
        ask([client], "begin")
        for _ in range(connections):
            with Client(gateway.address) as short:
                ask([short], "count", ["Connection: close"])
                assert short.ended()
        ask([client], "end")
    calls = end_trace(gateway, tmp_path).calls
    counts = collections.Counter(name for name, _ in calls)
    assert counts["recvfrom"] <= 3 * connections + 4
    assert counts["close"] <= connections + 2
    assert counts["sendto"] <= 2 * connections + 4
    # Registered and removed: only those that have to wait for their client, and those that wait long for the job.
    assert counts["epoll_ctl"] <= 2 * accepted_early(calls) + 0.3 * connections + 2
    assert counts["ioctl"] < 0.3 * connections
    # The answer leaves in one segment with the end of the connection.
    assert sum("MSG_MORE" in text for name, text in calls if name == "sendto") >= connections
    assert counts["accept4"] <= 2 * connections
    assert counts["setsockopt"] <= 2  # TCP_NODELAY comes with the listening socket; a connection to the job sets its own
    assert counts["shutdown"] == 0


def test_a_message_in_a_tunnel_takes_two_calls(gateways, scene_of, release, tmp_path):
    messages = 200
    wrapper = tmp_path / "jobgate"
    wrapper.write_text(f"#!/bin/sh\nexec strace -D -q -ff -o {tmp_path}/trace {release} \"$@\"\n")
    wrapper.chmod(0o755)
    gateway = gateways.start({"log": {"level": "info", "access": None}}, program=str(wrapper))
    client, connection = open_tunnel(scene_of(gateway))
    # To the gateway these are bytes like any; to Trace they are what it looks for.
    for mark in ["begin", *(messages - 1) * ["count"], "end"]:
        message = b"GET /small?" + mark.encode()
        for sender, reader in ((client, connection), (connection, client)):
            sender.send(message)
            assert reader.read(len(message)) == message
    client.close()
    connection.ended()
    connection.close()
    assert end_trace(gateway, tmp_path).counts() == {"recvfrom": 2 * messages, "sendto": 2 * messages}


# ---- instructions and allocations ----

def profile_of(path):
    """(instructions, calls by function) of a dump of callgrind's."""
    names, calls, instructions = {}, collections.Counter(), 0
    called, inclusive = None, False
    for line in path.read_text().splitlines():
        match = re.match(r"(c?)fn=(\(\d+\))(?: (.*))?$", line)
        if match:
            names[match[2]] = match[3] or names[match[2]]
            called = names[match[2]] if match[1] else called
        elif line.startswith("calls="):
            calls[called.split("@")[0]] += int(line[6:].split()[0])
            inclusive = True  # the next line has the cost of what was called, which is counted there
        elif re.match(r"[+*\d-]", line):
            instructions += 0 if inclusive else int(line.split()[1])
            inclusive = False
    return instructions, calls


class Profile:
    """What a worker does between begin() and end(), by callgrind."""

    def __init__(self, folder):
        self.folder, self.dumps = folder, 0
        self.tool = ("valgrind", "--tool=callgrind", "--trace-children=yes", f"--callgrind-out-file={folder}/profile.%p")

    def _control(self, word):
        done = subprocess.run(["callgrind_control", word, str(self.worker)], capture_output=True, text=True)
        assert done.returncode == 0 and "OK." in done.stdout, done.stdout + done.stderr

    def begin(self, gateway):
        self.worker = gateway.workers()[0]
        self._control("--zero")

    def end(self, requests, allocations_max=0.01):
        """`each`: the instructions of each of these requests."""
        self._control("--dump")
        self.dumps += 1
        dump = pathlib.Path(f"{self.folder}/profile.{self.worker}.{self.dumps}")
        instructions, self.calls = profile_of(eventually(lambda: dump if dump.exists() else None, "callgrind's dump"))
        # What happens each 50 ms, whatever the number of requests: timers, and the link's proofs that pushes arrive.
        self.ticks = sum(count for name, count in self.calls.items() if name.startswith("loop_tick"))
        self.each = (instructions - 5000 * self.ticks) / requests
        print(f"{self.each:.0f} instructions for each request")
        allocations = sum(self.calls[name] for name in ("malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc"))
        assert allocations < allocations_max * requests + 3 * self.ticks


def test_a_request_takes_few_instructions_and_no_allocation(measured, tmp_path):
    requests = 1000
    profile = Profile(tmp_path)
    gateway, ask = measured(*profile.tool)
    with Client(gateway.address) as client:
        for _ in range(100):
            ask([client], "warm")
        profile.begin(gateway)
        for _ in range(requests):
            ask([client], "count")
        profile.end(requests)
    assert profile.calls["fields_parse"] >= 2 * requests  # the profile is the one of these requests
    assert profile.each < INSTRUCTIONS_MAX
    clocks = CLOCKS_OF_TURN_MAX * profile.calls["epoll_wait"] + CLOCKS_OF_REQUEST * requests
    assert profile.calls["clock_gettime"] <= clocks + 0.01 * requests + 5 * profile.ticks
