"""What can happen to a store: a real redis-server and the network before it, and each way to break them."""

import select
import socket
import time

import redis

from .checker import ENDINGS, delete
from .family import Family
from .process import PATIENCE, eventually
from .relay import FaultRelay
from .store import Records, RedisServer

# Quick clocks, so that a test sees the bound pass: no revoked token is honoured for longer than a second.
BOUND = 1.0
CLOCKS = {"max_staleness": "1s", "ping_interval": "200ms", "ping_deadline": "300ms", "connect_timeout": "300ms",
          "lookup_timeout": "300ms"}

# What one MULTI must change for its pushes to outgrow the 16 KiB that Redis does not count.
FLOOD = 150


class Store:
    """A Redis, a user in it for the gateway, and a relay between the two."""

    def __init__(self, make_folder):
        self.make_folder = make_folder
        self.server = self._server()
        self.replica = None
        self.relay = FaultRelay(make_folder("relay"), self.server.port)
        self.records = Records(self.server.client)

    def _server(self):
        server = RedisServer(self.make_folder("redis"), "--appendonly", "yes", "--appendfsync", "always",
                             "--repl-diskless-sync-delay", "0", "--enable-debug-command", "yes", "--user", *"gateway on >right ~* &* +@all".split())
        return server.start()

    def another(self):
        return self._server()

    @property
    def url(self):
        return f"redis://gateway:right@127.0.0.1:{self.relay.port}"

    def add_replica(self):
        self.replica = self._server()
        self.replica.client.replicaof("127.0.0.1", self.server.port)
        eventually(lambda: self.replica.client.info("replication")["master_link_status"] == "up", "the replica")

    def stop(self):
        for server in [self.server, self.replica]:
            if server:
                server.stop()
        self.relay.stop()


class Fault:
    """
    One way to fail. `writable`: revocations can be written while it lasts. `outage`: the store is out
    of reach, so that the bound must pass and 503 follow.
    """
    writable, outage = True, True
    lossy = False  # the store may lose the sets of created tokens alone, so that a deletion with descendants misses some
    ways = None  # of revoking while it lasts; None: any

    def __init__(self, store):
        self.store = store

    def prepare(self, checker):
        """While all is well."""

    def inject(self, checker):
        raise NotImplementedError

    def lift(self, checker):
        raise NotImplementedError


class Killed(Fault):
    """SIGKILL, and back with what its append-only file has."""
    writable = False

    def inject(self, checker):
        self.store.server.kill()

    def lift(self, checker):
        self.store.server.start()


class RestartedAtOnce(Killed):
    """The same without a pause: only new connections tell."""
    outage = False

    def inject(self, checker):
        self.store.server.kill()
        self.store.server.start()

    def lift(self, checker):
        pass


class RestartedEmpty(Killed):
    """Back without its file: all tokens are gone."""

    def lift(self, checker):
        folder = self.store.server.folder
        for path in sorted(folder.rglob("appendonly*"), reverse=True):
            if path.is_file():
                path.unlink()
        self.store.server.start()
        checker.lost(checker.subjects)


class Frozen(Fault):
    writable = False

    def inject(self, checker):
        self.store.server.freeze()

    def lift(self, checker):
        self.store.server.thaw()


class Network(Fault):
    """A rule of the relay."""
    rule = ()

    def inject(self, checker):
        self.store.relay.say(*self.rule)

    def lift(self, checker):
        self.store.relay.say("pass")


class DataHalfOpen(Network):
    rule = ("drop", "data")


class PushHalfOpen(Network):
    rule = ("drop", "push")


class BothHalfOpen(Network):
    rule = ("drop", "all")


class Refused(Network):
    rule = ("refuse", "all")


class Cut(Network):
    """Connections are reset; new ones are welcome."""
    rule, outage = ("cut", "all"), False


class SlowByTwoSeconds(Network):
    """Later than any deadline: as good as gone."""
    rule = ("delay", "all", 2000)


class Slow(Network):
    """Within the deadlines: only the clock notices."""
    rule, outage = ("delay", "all", 100), False


class ReplyOvertaken(Network):
    """Replies wait while the invalidations of what they carry pass them by."""
    rule, outage = ("hold", "data"), False

    def inject(self, checker):
        super().inject(checker)
        checker.run(0.1)
        for subject in checker.live()[:5]:
            checker.revoke(subject)
        checker.run(0.1)  # within the deadline of a PING
        self.store.relay.say("pass")


class PushOvertaken(ReplyOvertaken):
    """Invalidations wait while replies to later reads pass them by."""
    rule = ("hold", "push")


class TableOverflow(Fault):
    """Redis remembers ten keys, and takes back all others: nothing can be cached for long."""
    outage = False

    def inject(self, checker):
        self.store.server.client.config_set("tracking-table-max-keys", 10)

    def lift(self, checker):
        self.store.server.client.config_set("tracking-table-max-keys", 1000000)


class FlushAll(Fault):
    outage = False

    def inject(self, checker):
        self.store.server.client.flushall()
        checker.lost(checker.subjects)

    def lift(self, checker):
        pass


class WrongPassword(Fault):
    def inject(self, checker):
        client = self.store.server.client
        client.execute_command("ACL", "SETUSER", "gateway", "resetpass", ">other")
        client.execute_command("CLIENT", "KILL", "USER", "gateway")

    def lift(self, checker):
        self.store.server.client.execute_command("ACL", "SETUSER", "gateway", "resetpass", ">right")


class NoPermission(Fault):
    """The ACL takes away what connections need that go on living."""

    def inject(self, checker):
        self.store.server.client.execute_command("ACL", "SETUSER", "gateway", "-@all")

    def lift(self, checker):
        self.store.server.client.execute_command("ACL", "SETUSER", "gateway", "+@all")


class Eviction(Fault):
    """Redis evicts records: requests that need one are refused, others are not."""
    outage, lossy = False, True

    def inject(self, checker):
        client = self.store.server.client
        client.config_set("maxmemory-policy", "allkeys-random")
        # Not known from outside at once: until we look, its fate is open.
        self.open = checker.live()
        for subject in self.open:
            subject.revoking_at = time.monotonic()
        client.config_set("maxmemory", max(1, client.info("memory")["used_memory"] - 4096))
        for number in range(20):
            try:
                client.set(f"ballast:{number}", "x" * 100)
            except redis.RedisError:
                pass  # no room: as it should be
        client.config_set("maxmemory", 0)
        records = checker.records
        for subject in self.open:
            gone = not client.exists(records.token_key(subject.token.id)) or not client.exists(records.job_key(subject.job))
            subject.revoking_at = None
            if gone:
                checker.lost([subject])

    def lift(self, checker):
        self.store.server.client.config_set("maxmemory-policy", "noeviction")


class Promoted(Fault):
    """The primary dies, its replica takes over."""
    outage = False

    def prepare(self, checker):
        self.store.add_replica()

    def inject(self, checker):
        store = self.store
        assert store.server.client.wait(1, 5000) == 1
        store.server.kill()
        store.server, store.replica = store.replica, None
        store.server.client.replicaof("NO", "ONE")
        store.records.client = checker.records.client = store.server.client
        store.relay.say("target", store.server.port)

    def lift(self, checker):
        pass


class Flooded(Fault):
    """More is pushed at once than the limit for clients allows: Redis closes the push connection."""
    outage = False

    def prepare(self, checker):
        checker.add(FLOOD)
        self.lost = checker.gateway.program.log().count("out of reach (push connection)")

    def inject(self, checker):
        client = self.store.server.client
        client.config_set("client-output-buffer-limit", "pubsub 1 0 0")
        gone = [subject for subject in checker.live() if subject.stream is None][:FLOOD]
        pipeline = client.pipeline(transaction=True)
        for subject in gone:
            subject.revoking_at, subject.how = time.monotonic(), "flood"
            pipeline.delete(checker.records.token_key(subject.token.id), checker.records.job_key(subject.job))
        pipeline.execute()
        for subject in gone:
            subject.revoked_at = time.monotonic()
        checker.revocations += len(gone)
        eventually(lambda: checker.gateway.program.log().count("out of reach (push connection)") >= self.lost + 2,
                   "Redis to close the push connections")

    def lift(self, checker):
        self.store.server.client.config_set("client-output-buffer-limit", "pubsub 33554432 8388608 60")


class StoppedInTurn(Fault):
    """All workers are stopped at full work, for longer than the bound, a few times."""
    writable, outage = False, False
    crowd, victims, stops = 100, 3, 3

    def prepare(self, checker):
        checker.add(self.victims * self.stops)

    def inject(self, checker):
        for _ in range(self.stops):
            self.stop_once(checker)

    def stop_once(self, checker):
        victims = [subject for subject in checker.live() if subject.stream is None][:self.victims]
        asked = [(socket.create_connection(checker.gateway.address), checker.random.choice(victims)) for _ in range(self.crowd)]
        checker.run(0.02)
        for sock, subject in asked:
            sock.sendall(subject.request)
        end = time.monotonic() + 0.025 * checker.random.random()
        while time.monotonic() < end:
            pass
        checker.stop()
        for subject in victims:
            checker.revoke(subject, delete)
        checker.run(1.1 * BOUND)
        waiting = [(sock, subject) for sock, subject in asked if not select.select([sock], [], [], 0)[0]]
        before = checker.requests_sent(victims)
        checker.thaw()
        for sock, subject in waiting:
            sock.settimeout(PATIENCE)
            if sock.recv(4096).startswith(b"HTTP/1.1 200"):
                checker.judge_thawed(subject)
        for sock, _ in asked:
            sock.close()
        for _ in range(checker.requests_sent(victims) - before):
            checker.judge_thawed(victims[0])

    def lift(self, checker):
        pass


class LateExpiry(Fault):
    """Redis does not look for keys whose time is over, as one does in effect that has very many."""
    outage, ways = False, ENDINGS

    def inject(self, checker):
        self.store.server.client.execute_command("DEBUG", "SET-ACTIVE-EXPIRE", "0")

    def lift(self, checker):
        checker.run(1.2 * BOUND)
        self.store.server.client.execute_command("DEBUG", "SET-ACTIVE-EXPIRE", "1")


class PausedWrites(Fault):
    """Records end while Redis writes nothing, their deletion included."""
    writable, outage = False, False

    def inject(self, checker):
        for subject in checker.live()[:8]:
            checker.revoke(subject, checker.random.choice(ENDINGS))
        self.store.server.client.execute_command("CLIENT", "PAUSE", "60000", "WRITE")
        checker.run(1.3 * BOUND)

    def lift(self, checker):
        self.store.server.client.execute_command("CLIENT", "UNPAUSE")


class SplitServers(Fault):
    """Push connections lead to another server, where each id is taken too, and the ACL hides INFO."""

    def inject(self, checker):
        self.other = self.store.another()
        servers = [self.store.server, self.other]
        self.taken = [socket.create_connection(("127.0.0.1", server.port)) for server in servers for _ in range(300)]
        for server in servers:
            server.client.execute_command("ACL", "SETUSER", "gateway", "-info")
        self.store.relay.say("push", self.other.port)
        self.store.relay.say("cut", "all")

    def lift(self, checker):
        self.store.server.client.execute_command("ACL", "SETUSER", "gateway", "+info")
        self.store.relay.say("target", self.store.server.port)
        self.store.relay.say("cut", "all")
        for sock in self.taken:
            sock.close()
        self.other.stop()


FAULTS = [Killed, RestartedAtOnce, RestartedEmpty, Frozen, DataHalfOpen, PushHalfOpen, BothHalfOpen, Refused, Cut,
          SlowByTwoSeconds, Slow, ReplyOvertaken, PushOvertaken, TableOverflow, FlushAll, WrongPassword, NoPermission,
          Eviction, Promoted, Flooded, StoppedInTurn, LateExpiry, PausedWrites, SplitServers]


def round_of(checker, fault, revocations, rng, hold=None, control=None):
    """
    All is well, then it is not, then it is again; revocations are spread at random over all three. Through `control`,
    a token is deleted with its descendants, right before the fault or while it lasts. Answers the statuses that live
    tokens got while it was broken.
    """
    streams = min(5, revocations)
    before = rng.randint(1, max(1, revocations // 2))
    during = rng.randint(1, max(1, revocations - before)) if fault.writable else 0
    after = max(1, revocations - before - during)
    checker.add(max(0, before + during + after + 3 - len(checker.live())), streams)
    family = Family(checker, control, rng) if control else None
    fault.prepare(checker)

    def delete_family():
        family.delete(rng.choice([subject for subject in family.created_by.values() if subject]))

    def revoke(count, seconds, ways=None):
        for _ in range(count):
            if checker.live():
                checker.revoke(rng.choice(checker.live()), rng.choice(ways) if ways else None)
            checker.run(rng.random() * 2 * seconds / count)
    revoke(before, 0.1)
    if rng.random() < 0.5 and checker.live():
        checker.revoke(rng.choice(checker.live()), delete)  # its push meets the fault
    early = fault.lossy or rng.random() < 0.5
    if family and early:
        delete_family()
    if family and fault.lossy:
        family.finish()
    checker.statuses = {}
    fault.inject(checker)
    if family and not early:
        delete_family()
    if during:
        revoke(during, 0.3 * BOUND, fault.ways)
    if hold is not None:
        checker.run(hold)
    elif fault.outage:
        checker.run(BOUND * (0.3 + 1.4 * rng.random()))
    else:
        checker.run(0.2)
    statuses = checker.statuses
    fault.lift(checker)
    revoke(after, 0.1)
    if family:
        family.finish()
    checker.settle()
    return statuses
