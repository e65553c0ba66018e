#!/usr/bin/python3
"""A fleet: many gateways and one Redis with a replica and three sentinels, all on this machine.

It measures how long all gateways take to start together, what Redis spends on them, the time from a revocation to its effect at every
gateway, and a failover of Redis. All figures are of processes that share this machine's cores; the constants (commands, bytes,
CPU time of Redis) do not depend on how many cores there are."""

import argparse
import hashlib
import json
import math
import pathlib
import random
import selectors
import signal
import socket
import sys
import tempfile
import time

import report
from world import BUILD, TOP, cpu_seconds, children, raise_descriptors, resident_bytes

sys.path.insert(0, str(TOP / "tests" / "e2e"))
from harness import servers  # noqa: E402
from harness.process import Program, eventually  # noqa: E402
from harness.sentinel import NAME, Sentinel  # noqa: E402
from harness.store import RedisServer, make_value, random_id  # noqa: E402

DOMAIN, JOB = "jobs.test", "fleet"
BOUND = 5.0  # seconds: store.max_staleness, as it is by default
USED_BY = 3  # so many gateways use a token
PATIENCE = 120


def reserve(count):
    """Ports below the range of outgoing connections, one after the other, that nothing listens at."""
    found = []
    for port in range(16000, 32000):
        with socket.socket() as sock:
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise SystemExit("there are too few free ports")


def quantiles(values):
    values = sorted(values)
    return {name: values[min(len(values) - 1, int(len(values) * share))] for name, share in
            (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("longest", 1))}


class Store:
    """A primary and its replica, watched by three sentinels; nothing is written to disk."""

    def __init__(self, make_folder):
        options = ["--repl-diskless-sync-delay", "0", "--maxclients", "20000", "--tracking-table-max-keys", "0"]
        self.first = RedisServer(make_folder("first"), *options).start()
        self.second = RedisServer(make_folder("second"), *options).start()
        self.second.client.replicaof("127.0.0.1", self.first.port)
        eventually(lambda: self.second.client.info("replication")["master_link_status"] == "up", "the replica to have everything")
        self.sentinels = [Sentinel(make_folder("sentinel"), self.first.port).start() for _ in range(3)]
        for sentinel in self.sentinels:
            eventually(lambda sentinel=sentinel: sentinel.knows(1, 3), "the sentinels to know each other", patience=30)

    @property
    def url(self):
        return f"redis+sentinel://{','.join(f'127.0.0.1:{sentinel.port}' for sentinel in self.sentinels)}/{NAME}"

    def write(self, tokens, url):
        """These values, and the job that all of them reach."""
        pipe = self.first.client.pipeline(transaction=False)
        for value in tokens:
            pipe.hset(f"jobgate:token:{value[4:20]}", mapping={
                "name": "fleet", "role": "read", "selector": "", "version": "1", "hash": hashlib.sha256(value.encode()).hexdigest(),
                "created_at": "2024-01-01T00:00:00Z", "updated_at": "2024-01-01T00:00:00Z"})
        pipe.hset(f"jobgate:job:{JOB}", mapping={"url": url, "created_at": "2024-01-01T00:00:00Z", "updated_at": "2024-01-01T00:00:00Z"})
        pipe.execute()

    def spent(self):
        """Of the primary: (CPU seconds, commands) so far."""
        return sum(cpu_seconds([self.first.program.pid])), self.first.client.info("stats")["total_commands_processed"]

    def ran_us(self):
        """How long the thread of the primary that answers has run. (CPU seconds come in steps of 10 ms.)"""
        return int(pathlib.Path(f"/proc/{self.first.program.pid}/schedstat").read_text().split()[0]) / 1000

    def bytes(self):
        return self.first.client.info("memory")["used_memory"]

    def stop(self):
        for program in [*self.sentinels, self.first, self.second]:
            program.stop()


class Gateway:
    def __init__(self, number, folder, port, monitor, url):
        self.number, self.folder, self.port, self.monitor = number, folder, port, monitor
        (folder / "jobgate.yaml").write_text(json.dumps({
            "listen": [f"127.0.0.1:{port}"], "workers": 1, "jobs": {"domain": DOMAIN}, "store": {"url": url, "max_staleness": f"{BOUND:g}s"},
            "backends": {"allow_loopback": True}, "limits": {"failed_auth_rate": 0, "connections": 2000},
            "control": {"socket": str(folder / "control.sock"), "metrics": f"127.0.0.1:{monitor}"}, "log": {"access": "off"}}))
        self.program = None

    def launch(self):
        self.program = Program([BUILD / "jobgate", "serve", "-c", self.folder / "jobgate.yaml"], self.folder / "log")

    def pids(self):
        return [self.program.pid, *children(self.program.pid)]


class Client:
    """One keep-alive connection, written by hand. `status` is that of the last answer; 0: cut."""

    def __init__(self, gateway):
        self.gateway, self.data, self.asked_at = gateway, b"", 0
        self.sock = socket.create_connection(("127.0.0.1", gateway.port))
        self.sock.setblocking(False)

    def ask(self, value, path):
        self.data, self.asked_at = b"", time.monotonic()
        try:
            self.sock.send(f"GET {path} HTTP/1.1\r\nHost: {JOB}.{DOMAIN}\r\nAuthorization: Bearer {value}\r\n\r\n".encode())
        except OSError:
            pass  # reading tells

    def read(self):
        """None: more has to come; else the status of a whole answer, or of the head of one that does not end; 0: the connection is over."""
        try:
            piece = self.sock.recv(65536)
        except BlockingIOError:
            return None
        except OSError:
            return 0
        if not piece:
            return 0
        self.data += piece
        head, end, content = self.data.partition(b"\r\n\r\n")
        if not end:
            return None
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        if length and len(content) < int(length):
            return None
        return int(head[9:12])


class Clients:
    def __init__(self):
        self.selector = selectors.DefaultSelector()

    def add(self, client):
        self.selector.register(client.sock, selectors.EVENT_READ, client)

    def drop(self, client):
        self.selector.unregister(client.sock)
        client.sock.close()

    def ready(self, seconds):
        return [key.data for key, _ in self.selector.select(seconds)]

    def __len__(self):
        return len(self.selector.get_map())


class Fleet:
    def __init__(self, count, make_folder, url):
        ports = reserve(2 * count)
        self.gateways = [Gateway(i, make_folder("gateway"), ports[2 * i], ports[2 * i + 1], url) for i in range(count)]

    def pids(self):
        return [pid for gateway in self.gateways for pid in gateway.pids()]

    def start(self):
        """All at once. Seconds until half of them, and until all of them, are ready."""
        began, ready = time.monotonic(), []
        for gateway in self.gateways:
            gateway.launch()
        waiting = list(self.gateways)
        while waiting:
            if time.monotonic() > began + PATIENCE:
                raise SystemExit(f"{len(waiting)} gateways are not ready; the log of one:\n{waiting[0].program.log()[-2000:]}")
            left = []
            for gateway in waiting:
                (ready if self.is_ready(gateway) else left).append(gateway)
                if not left or left[-1] is not gateway:
                    gateway.ready_after = time.monotonic() - began
            waiting = left
            time.sleep(0.02)
        after = sorted(gateway.ready_after for gateway in self.gateways)
        return {"half": after[len(after) // 2], "all": after[-1]}

    @staticmethod
    def is_ready(gateway):
        try:
            with socket.create_connection(("127.0.0.1", gateway.monitor), 1) as sock:
                sock.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                return b" 200 " in sock.recv(4096)
        except OSError:
            return False

    def stop(self):
        for gateway in self.gateways:
            if gateway.program:
                gateway.program.send_signal(signal.SIGTERM)
        for gateway in self.gateways:
            if gateway.program:
                gateway.program.stop()


def use_tokens(fleet, tokens):
    """Each token once through USED_BY gateways, one request at a time through each gateway. Seconds."""
    todo = {gateway.number: [] for gateway in fleet.gateways}
    for i, value in enumerate(tokens):
        for k in range(USED_BY):
            todo[(i + k * 7) % len(todo)].append(value)
    clients, began = Clients(), time.monotonic()
    for gateway in fleet.gateways:
        client = Client(gateway)
        clients.add(client)
        client.ask(todo[gateway.number].pop(), "/")
    while len(clients):
        for client in clients.ready(1):
            status = client.read()
            if status is None:
                continue
            if status != 200:
                raise SystemExit(f"a good token got {status}")
            values = todo[client.gateway.number]
            if values:
                client.ask(values.pop(), "/")
            else:
                clients.drop(client)
    return time.monotonic() - began


def revoke(fleet, store, value, clients):
    """One stream of the token through each gateway; then the token is deleted. Milliseconds until each stream ended,
    and the microseconds that Redis ran from the deletion to the last end."""
    for gateway in fleet.gateways:
        client = Client(gateway)
        clients.add(client)
        client.ask(value, "/hold/")
    waiting = len(fleet.gateways)
    while waiting:
        for client in clients.ready(PATIENCE):
            status = client.read() if not client.data.partition(b"\r\n\r\n")[1] else client.read() or 200
            if status not in (None, 200):
                raise SystemExit(f"a good token got {status}")
            if status == 200 and not getattr(client, "runs", False):
                client.runs = True
                waiting -= 1
    began, took, ran = time.monotonic(), [], store.ran_us()
    store.first.client.delete(f"jobgate:token:{value[4:20]}")
    while len(clients):
        found = clients.ready(PATIENCE)
        now = time.monotonic()
        if not found:
            raise SystemExit(f"{len(clients)} streams of a deleted token still run")
        for client in found:
            if client.read() == 0:
                took.append((now - began) * 1000)
                clients.drop(client)
    ran = store.ran_us() - ran
    for gateway in random.sample(fleet.gateways, 3):
        client = Client(gateway)
        client.sock.setblocking(True)
        client.ask(value, "/")
        status = None
        while status is None:
            status = client.read()
        client.sock.close()
        if status != 401:
            raise SystemExit(f"a deleted token got {status}")
    return took, ran


def fail_over(fleet, store, good, gone):
    """The primary is killed, under a request to each gateway every 100 ms. What is deleted at the new primary must be refused within BOUND."""
    clients, outage, honoured = Clients(), {}, 0.0
    state = {gateway.number: {"last": 200, "lost": None, "back": None} for gateway in fleet.gateways}
    due, deleted_at, killed = {}, None, None
    for gateway in fleet.gateways:
        client = Client(gateway)
        client.turn, client.busy = gateway.number, False
        clients.add(client)
        due[client] = time.monotonic() + random.random() * 0.1
    began = time.monotonic()
    while True:
        now = time.monotonic()
        if killed is None and now > began + 1:
            store.first.kill()
            killed = now
        if killed and deleted_at is None and now > killed + 0.5:
            try:
                if store.second.client.role()[0] == "master":
                    store.second.client.delete(f"jobgate:token:{gone[4:20]}")
                    deleted_at = time.monotonic()
            except Exception:  # the server changes its role
                pass
        if deleted_at and now > deleted_at + 2 * BOUND and all(place["lost"] is None or place["back"] for place in state.values()):
            break
        if killed and now > killed + PATIENCE:
            raise SystemExit("the failover did not end")
        for client, at in due.items():
            if at <= now and not client.busy:
                client.turn += 1
                client.value = gone if client.turn % 2 else good
                client.busy = True
                client.ask(client.value, "/")
                due[client] = now + 0.1
        for client in clients.ready(0.01):
            status = client.read()
            if status is None:
                continue
            client.busy = False
            if status == 0:
                raise SystemExit("a gateway closed a connection without an answer")
            place = state[client.gateway.number]
            if client.value == gone and status == 200 and deleted_at:
                honoured = max(honoured, client.asked_at - deleted_at)
            if client.value == good:
                if status == 401:
                    raise SystemExit("a good token was refused as unknown")
                if status != 200 and place["lost"] is None:
                    place["lost"] = client.asked_at - killed
                if status == 200 and place["lost"] is not None and place["back"] is None:
                    place["back"] = client.asked_at - killed
    for client in list(due):
        clients.drop(client)
    refused = [place for place in state.values() if place["lost"] is not None]
    return {"promoted_s": deleted_at - killed, "refusing": len(refused), "honoured_s": max(0.0, honoured),
            "lost_s": quantiles([place["lost"] for place in refused]) if refused else None,
            "back_s": quantiles([place["back"] for place in refused]) if refused else None}


def measure(options, say, make_folder):
    found = {"gateways": options.gateways, "tokens": options.tokens, "revocations": options.revocations}
    backend = servers.hold_server(make_folder("backend"))
    store = Store(make_folder)
    fleet = Fleet(options.gateways, make_folder, store.url)
    try:
        say(f"writing {options.tokens} tokens")
        values = [make_value(random_id()) for _ in range(options.tokens + options.revocations + 2)]
        store.write(values, backend.url)
        say(f"starting {options.gateways} gateways at once")
        cpu, commands = store.spent()
        found["start_s"] = fleet.start()
        found["start_redis"] = dict(zip(("cpu_s", "commands"), (now - then for now, then in zip(store.spent(), (cpu, commands)))))
        say("the fleet at rest")
        pids = fleet.pids()
        time.sleep(2)
        (cpu, commands), fleet_cpu, began = store.spent(), sum(cpu_seconds(pids)), time.monotonic()
        time.sleep(options.rest)
        seconds = time.monotonic() - began
        found["rest"] = {"redis_cpu": (store.spent()[0] - cpu) / seconds, "redis_commands": (store.spent()[1] - commands) / seconds,
                         "fleet_cpu": (sum(cpu_seconds(pids)) - fleet_cpu) / seconds, "redis_clients": store.first.client.info("clients")["connected_clients"]}
        workers = [pid for pid in pids if "worker" in pathlib.Path(f"/proc/{pid}/comm").read_text()]
        say(f"using each token through {USED_BY} gateways")
        before, resident, (cpu, commands) = store.bytes(), resident_bytes(workers), store.spent()
        seconds, uses = use_tokens(fleet, values[:options.tokens]), USED_BY * options.tokens
        found["use"] = {"seconds": seconds, "tracking_bytes": (store.bytes() - before) / uses, "worker_bytes": (resident_bytes(workers) - resident) / uses,
                        "redis_us": (store.spent()[0] - cpu) / uses * 1e6, "redis_commands": (store.spent()[1] - commands) / uses}
        clients, took, last, told_us = Clients(), [], [], 0
        (cpu, commands) = store.spent()
        for i, value in enumerate(values[options.tokens:options.tokens + options.revocations]):
            if i % 10 == 0:
                say(f"revocations: {i} of {options.revocations}")
            times, ran = revoke(fleet, store, value, clients)
            told_us += ran
            took += times
            last.append(max(times))
        found["revoked_ms"], found["revoked_everywhere_ms"] = quantiles(took), quantiles(last)
        found["revoke_redis_ms"] = (store.spent()[0] - cpu) / options.revocations * 1000
        found["told_redis_us"] = told_us / options.revocations / options.gateways
        say("a failover of Redis")
        found["failover"] = fail_over(fleet, store, values[-1], values[-2])
    finally:
        fleet.stop()
        store.stop()
        backend.stop()
    return found


def table(found):
    ms = lambda of: " | ".join(f"{of[name]:.1f}" for name in ("p50", "p90", "p99", "p99.9", "longest"))
    start, rest, use, over = found["start_s"], found["rest"], found["use"], found["failover"]
    lines = [
        f"{found['gateways']} gateways of one worker each, one Redis with a replica and three sentinels, {found['tokens']:,} tokens, each used through {USED_BY} "
        f"gateways, {found['revocations']:,} revocations.", "",
        "| what | measured |", "| --- | --- |",
        f"| all start at once | half are ready after {start['half']:.1f} s, all after {start['all']:.1f} s; Redis takes {found['start_redis']['cpu_s']:.2f} s of CPU and {found['start_redis']['commands']:,} commands |",
        f"| at rest | Redis: {rest['redis_cpu'] * 100:.1f} % of a core, {rest['redis_commands']:,.0f} commands a second from {rest['redis_clients']} connections; all gateways together: {rest['fleet_cpu'] * 100:.0f} % of a core |",
        f"| a token's first use through a gateway | {use['redis_us']:.0f} µs of Redis and {use['redis_commands']:.2f} commands; {use['tracking_bytes']:.0f} bytes more in Redis, {use['worker_bytes']:.0f} in the worker |",
        f"| a revocation that {found['gateways']} gateways hear of | {found['revoke_redis_ms']:.1f} ms of Redis, the reads before it included; {found['told_redis_us']:.0f} µs for each gateway from the deletion to the last cut |",
        f"| failover of Redis | a replica is promoted {over['promoted_s']:.1f} s after the primary was killed; {over['refusing']} gateways refuse meanwhile"
        + (f", from {over['lost_s']['p50']:.1f} s (median) to {over['back_s']['p50']:.1f} s, the last until {over['back_s']['longest']:.1f} s" if over["refusing"] else "")
        + f"; a token deleted at the new primary is let in until {over['honoured_s']:.1f} s after that (the bound is {BOUND:g} s) |", "",
        "| milliseconds from DEL | median | 90 % | 99 % | 99.9 % | longest |", "| --- | --- | --- | --- | --- | --- |",
        f"| until a gateway has cut its stream of the token | {ms(found['revoked_ms'])} |",
        f"| until all of them have | {ms(found['revoked_everywhere_ms'])} |"]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gateways", type=int, default=200)
    parser.add_argument("--tokens", type=int, default=100000)
    parser.add_argument("--revocations", type=int, default=1000)
    parser.add_argument("--rest", type=float, default=20, help="seconds that the fleet is watched at rest")
    parser.add_argument("--output", type=pathlib.Path, default=TOP / "bench" / "results")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    raise_descriptors()
    with tempfile.TemporaryDirectory(prefix="jobgate-fleet-") as top:
        counter = iter(range(1 << 30))

        def make_folder(name):
            folder = pathlib.Path(top) / f"{name}{next(counter)}"
            folder.mkdir()
            return folder
        found = measure(options, report.progress(), make_folder)
    text = table(found)
    report.write(options.output, "fleet", found, text)
    print(text)


if __name__ == "__main__":
    main()
