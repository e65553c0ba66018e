"""Revokes at random, asks all workers all the time, and knows what none of them may do.

What it checks of every single answer, whatever fails meanwhile (README.md, "How soon a revocation takes effect"):
- none allows a token later than max_staleness after its revocation, a worker that was stopped meanwhile included;
- none refuses a token that was not revoked, but with 503;
and of what runs: no stream outlives the revocation of its token by more than the bound.

One thread and one clock: a probe is late when it was *sent* after the bound, and a stream when it is still open as we
look *after* the bound. So a machine that is busy elsewhere can hide a violation, but never make one."""

import hashlib
import json
import os
import pathlib
import random
import re
import select
import signal
import socket
import struct
import time
import urllib.request

from .gateway import DOMAIN
from .process import PATIENCE, eventually
from .scene import request_bytes
from .store import make_value

VIOLATIONS_SHOWN = 10  # of each kind
STREAM_GRACE = 0.1  # for the connection's end to reach us

# A worker may be stopped between its last look at the clock and the write that follows. That one write still leaves.
WRITES_AT_STOP = 1


def sockets_of(pid):
    found = set()
    for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.add(os.readlink(fd))
        except OSError:
            pass  # closed meanwhile
    return {name for name in found if name.startswith("socket:")}


def hang_up(sock):
    """With a reset: who merely ends its side may still want the rest of an answer that never ends."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def state_of(pid):
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def connect_to_some_worker(gateway):
    """A connection, and the worker that took it: the one with a socket more. Nothing else may be going on."""
    before = {pid: sockets_of(pid) for pid in gateway.workers()}
    sock = socket.create_connection(gateway.address, PATIENCE)
    return sock, eventually(lambda: next((pid for pid in before if sockets_of(pid) - before[pid]), None),
                            "a worker to take the connection")


class Subject:
    """A token with a job of its own, and what we know of its fate."""

    def __init__(self, token, job):
        self.token, self.job = token, job
        self.request = request_bytes(f"{job}.{DOMAIN}", token)
        # When that was begun; when Redis had confirmed it, or when its time to live was over; so much later.
        self.revoking_at, self.revoked_at, self.delay = None, None, 0
        self.refused = {}  # worker -> when its first refusal after that had come
        self.stream = None
        self.cut_at = None

    @property
    def live(self):
        return self.revoking_at is None


class Probe:
    """A connection to one worker, with at most one request under way."""

    def __init__(self, gateway):
        self.gateway, self.sock, self.buffer, self.subject, self.sent_at = gateway, None, b"", None, None
        self.worker = None

    def connect(self, worker=None):
        """Connect, to this worker if one is given: the kernel chooses, so several attempts may be needed."""
        spare = []
        for _ in range(400):
            sock, found = connect_to_some_worker(self.gateway)
            if worker in (None, found):
                break
            spare.append(sock)
        else:
            raise AssertionError("no connection reaches this worker")
        for other in spare:
            other.close()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock, self.worker, self.buffer, self.subject = sock, found, b"", None
        return self

    def ask(self, subject):
        self.subject, self.sent_at = subject, time.monotonic()
        self.sock.sendall(subject.request)

    def status(self):
        """What the bytes that are there answer; None while that is not all."""
        data = self.sock.recv(1 << 16)
        if not data:
            raise ConnectionResetError("the gateway closed the connection")
        self.buffer += data
        head, mark, rest = self.buffer.partition(b"\r\n\r\n")
        if not mark:
            return None
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        if len(rest) < int(length[1]):
            return None
        self.buffer = b""
        return int(head.split(b" ", 2)[1])


class Checker:
    def __init__(self, gateway, records, backend_url, bound, seed=None, probes=2):
        self.gateway, self.records, self.backend_url, self.bound = gateway, records, backend_url, bound
        self.random = random.Random(seed)
        self.workers = gateway.workers()
        self.subjects = []
        self.violations, self.kinds = [], {}
        self.stopped, self.thawed_at, self.excused = False, 0, 0  # see stop() and thaw(); writes
        self.replicas = 0  # that must have a new token before it counts as made
        self.statuses = {}  # of live subjects
        self.revocations = self.asked = 0
        self.beside = []  # called in each turn; they must not wait
        self.probes = [Probe(gateway).connect(worker) for worker in self.workers for _ in range(probes)]
        self.poller = select.poll()
        self.by_fd = {}
        for probe in self.probes:
            self._register(probe.sock, probe)

    def _register(self, sock, what):
        self.by_fd[sock.fileno()] = what
        self.poller.register(sock, select.POLLIN)

    def _forget(self, sock):
        self.poller.unregister(sock)
        del self.by_fd[sock.fileno()]
        hang_up(sock)

    # ---- subjects ----

    def add(self, count, streams=0):
        """New tokens, each known to all workers and allowed there; some of them with a stream that runs."""
        new = []
        for _ in range(count):
            job = self.records.job(self.backend_url, labels={"model": "base"})
            new.append(Subject(self.records.token(selector="model=base"), job))
        if self.replicas:
            eventually(lambda: self.records.client.wait(self.replicas, 1000) >= self.replicas, "replicas to have them")
        self.subjects += new
        self.until_allowed(new)
        for subject in new[:streams]:
            self.open_stream(subject)
        return new

    def open_stream(self, subject):
        sock = socket.create_connection(self.gateway.address, PATIENCE)
        sock.sendall(request_bytes(f"{subject.job}.{DOMAIN}", subject.token, path="/hold/"))
        seen = b""
        while b"hello" not in seen:
            data = sock.recv(4096)
            assert data, seen
            seen += data
        subject.stream = sock
        self._register(sock, subject)

    def revoke(self, subject, how=None):
        """Revoke it in one of many ways, by plain writes as an operator's script would."""
        how = how or self.random.choice(REVOCATIONS + ENDINGS)
        subject.how = how.__name__
        subject.revoking_at = time.monotonic()
        subject.delay = how(self.records, subject) or 0
        subject.revoked_at = time.monotonic() + subject.delay
        self.revocations += 1

    def lost(self, subjects, when=None):
        """They are gone by something else than revoke()."""
        now = when or time.monotonic()
        for subject in subjects:
            if subject.live:
                subject.revoking_at = subject.revoked_at = now
                subject.how = "lost"
                self.revocations += 1

    def violate(self, text):
        kind = re.sub(r"[0-9.]+", "", text)
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        if self.kinds[kind] <= VIOLATIONS_SHOWN:
            self.violations.append(text)

    def live(self):
        return [subject for subject in self.subjects if subject.live]

    # ---- workers that are stopped ----

    def stop(self):
        """Stop all workers, wherever they are just now."""
        for worker in self.workers:
            os.kill(worker, signal.SIGSTOP)
        self.stopped = True
        for worker in self.workers:
            eventually(lambda worker=worker: state_of(worker) == "T", "the worker to stop")

    def thaw(self):
        """Let them go on, once all that they had sent before has been read."""
        self.run(0.1)
        self.stopped, self.thawed_at = False, time.monotonic()
        self.excused = WRITES_AT_STOP * len(self.workers)
        for worker in self.workers:
            os.kill(worker, signal.SIGCONT)

    def judge_thawed(self, subject):
        """An answer of 200 that began after a stop, to what was asked before its end."""
        if not subject.revoked_at or self.thawed_at <= subject.revoked_at + self.bound:
            return
        if self.excused > 0:
            self.excused -= 1
        else:
            self.violate(f"{subject.how}: a worker that was stopped allowed {self.thawed_at - subject.revoked_at:.3f} s after it")

    def requests_sent(self, subjects):
        """How many requests their jobs have been sent so far."""
        with urllib.request.urlopen(f"{self.backend_url}/count", timeout=PATIENCE) as answer:
            counts = json.load(answer)
        return sum(counts.get(subject.job, 0) for subject in subjects)

    # ---- watching ----

    def run(self, seconds):
        """Probe for this many seconds."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.turn(left)

    def turn(self, patience=0.05, choose=None):
        """Have each idle probe ask, and take what comes."""
        for probe in self.probes:
            if probe.subject is None and self.subjects:
                probe.ask(choose(probe) if choose else self.random.choice(self.subjects))
                self.asked += 1
        for fd, _ in self.poller.poll(min(patience, 0.02) * 1000):
            what = self.by_fd.get(fd)
            if isinstance(what, Probe):
                self._answered(what)
            elif what is not None:
                self._stream_moved(what)
        self._look_at_streams()
        for step in list(self.beside):
            step()

    def _answered(self, probe):
        try:
            status = probe.status()
        except OSError as error:
            self.violate(f"a probe's connection broke: {error}")
            self.poller.unregister(probe.sock)
            del self.by_fd[probe.sock.fileno()]
            probe.sock.close()
            probe.connect(probe.worker)
            self._register(probe.sock, probe)
            return
        if status is None:
            return
        subject, probe.subject = probe.subject, None
        self._judge(probe, subject, status, time.monotonic())

    def _judge(self, probe, subject, status, now):
        if status == 200 and subject.revoked_at and probe.sent_at > subject.revoked_at + self.bound:
            self.violate(f"{subject.how}: allowed {probe.sent_at - subject.revoked_at:.3f} s after it")
        elif status == 200 and probe.sent_at < self.thawed_at < now:
            self.judge_thawed(subject)
        if subject.live:
            self.statuses[status] = self.statuses.get(status, 0) + 1
            if status not in (200, 503):
                self.violate(f"{status} for a token that was not revoked")
        elif status not in (200, 401, 403, 404, 503):
            self.violate(f"{status} for a revoked token")
        if subject.revoked_at and status != 200 and probe.sent_at > subject.revoking_at:
            subject.refused.setdefault(probe.worker, (now, status))

    def _stream_moved(self, subject):
        try:
            data = subject.stream.recv(4096)
        except OSError:
            data = b""
        if not data:
            subject.cut_at = time.monotonic()
            self._forget(subject.stream)
            subject.stream = None

    def _look_at_streams(self):
        now = time.monotonic()
        for subject in self.subjects:
            if subject.stream is None or not subject.revoked_at:
                continue
            late = now - max(subject.revoked_at + self.bound, self.thawed_at)
            if late > STREAM_GRACE and not self.stopped and not select.select([subject.stream], [], [], 0)[0]:
                self.violate(f"{subject.how}: a stream still runs {self.bound + late:.3f} s after it")
                self._forget(subject.stream)
                subject.stream = None

    # ---- waiting ----

    def _until(self, subjects, statuses, what, patience):
        """Each worker has answered for each of these subjects with one of these statuses."""
        missing = {worker: set(subjects) for worker in self.workers}
        deadline = time.monotonic() + patience
        judge = self._judge

        def watch(probe, subject, status, now):
            judge(probe, subject, status, now)
            if status in statuses:
                missing[probe.worker].discard(subject)

        def choose(probe):
            wanted = missing[probe.worker] or subjects
            return next(iter(wanted)) if self.random.random() < 0.9 else self.random.choice(self.subjects)
        self._judge = watch
        try:
            while any(missing.values()):
                assert time.monotonic() < deadline, f"waited {patience:g} s in vain for {what}: {self.violations}"
                self.turn(choose=choose)
        finally:
            del self._judge

    def until_allowed(self, subjects, patience=2 * PATIENCE):
        if subjects:
            self._until(list(subjects), (200,), "all workers to allow what is not revoked", patience)

    def until_refused(self, subjects, patience=2 * PATIENCE):
        if subjects:
            self._until(list(subjects), (401, 403, 404), "all workers to refuse what is revoked", patience)

    def settle(self):
        """After a fault: all that was revoked is refused, all else is served, by every worker; the former is forgotten."""
        gone = [subject for subject in self.subjects if not subject.live]
        self.until_refused(gone)
        self.until_allowed(self.live())
        deadline = time.monotonic() + self.bound + PATIENCE
        while any(subject.stream for subject in gone):
            assert time.monotonic() < deadline, "streams of revoked tokens still run"
            self.turn()
        self.subjects = self.live()
        return gone

    def close(self):
        for probe in self.probes:
            probe.sock.close()
        for subject in self.subjects:
            if subject.stream:
                hang_up(subject.stream)


# ---- ways to revoke ----

def delete(records, subject):
    records.delete_token(subject.token)


def renew(records, subject):
    records.renew(subject.token)


def narrow(records, subject):
    records.client.hset(records.token_key(subject.token.id), "selector", "model=base,team=other")


def spoil(records, subject):
    records.client.hset(records.token_key(subject.token.id), "role", "emperor")


def take_label(records, subject):
    records.client.hdel(records.job_key(subject.job), "label:model")


def change_label(records, subject):
    records.client.hset(records.job_key(subject.job), "label:model", "large")


def delete_job(records, subject):
    records.delete_job(subject.job)


def expire_token(records, subject):
    return expire(records, records.token_key(subject.token.id))


def expire_job(records, subject):
    return expire(records, records.job_key(subject.job))


def expire(records, key):
    """It ends by itself, this many seconds from now."""
    records.client.pexpire(key, EXPIRE_MS)
    return EXPIRE_MS / 1000


def expire_by_field(records, subject):
    """The token's record stays, but says from when on it is refused."""
    records.client.hset(records.token_key(subject.token.id), "expires_at", soon())
    return EXPIRE_MS / 1000


def renew_with_grace(records, subject):
    """The old value, which the subject goes on with, is valid until the grace is over."""
    key, changes = records.token_key(subject.token.id), {"version": "2", "previous_version": "1", "previous_until": soon()}
    changes["previous_hash"] = records.client.hget(key, "hash")
    changes["hash"] = hashlib.sha256(make_value(subject.token.id).encode()).hexdigest()
    records.client.hset(key, mapping=changes)
    return EXPIRE_MS / 1000


def soon():
    """The time in EXPIRE_MS, as records have it."""
    ms = int(time.time() * 1000) + EXPIRE_MS
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(ms // 1000))}.{ms % 1000:03}Z"


EXPIRE_MS = 150
ENDINGS = [expire_token, expire_job, expire_by_field, renew_with_grace]
REVOCATIONS = [delete, renew, narrow, spoil, take_label, change_label, delete_job]
