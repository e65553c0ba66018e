#!/usr/bin/python3
"""A mixed load over a long time, and the books balanced afterwards.

Requests, uploads, event streams and WebSockets run over HTTP/1.1 and HTTP/2 (in cleartext and over TLS), requests also to a backend that
speaks HTTP/2, and gRPC calls (grpcio), through two workers, while tokens are renewed, the backends are restarted, the configuration reloaded and
the binary replaced. At the end
  - each request that a client sent has exactly one line in the access log, and both say the same of it;
  - what was not answered was cut for a reason that the log names;
  - no client with a good token was refused, and no renewed value was accepted later;
  - memory and descriptors of each process are where they were.

    bench/soak/run.py [--minutes 30] [--output bench/results]

Needs what tests/run.sh installs, and the preset `release` built.
"""

import argparse
import asyncio
import base64
import collections
import itertools
import logging
import os
import pathlib
import random
import signal
import ssl
import statistics
import subprocess
import sys
import tempfile
import time

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "tests" / "e2e"))
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "false"  # grpcio would stop its calls whenever a backend is started
os.environ.setdefault("JOBGATE_BINARY", str(REPOSITORY / "build" / "release" / "jobgate"))

from harness import servers  # noqa: E402
from harness.gateway import DOMAIN, Gateway  # noqa: E402
from harness.pki import Authority  # noqa: E402
from harness.process import children, free_port  # noqa: E402
from harness.store import Records, RedisServer  # noqa: E402

sys.path.insert(0, str(REPOSITORY / "bench" / "soak"))
import over_h2  # noqa: E402

PATIENCE = 60  # seconds for anything that should come at once
UNDER_WAY = 1.0  # seconds after a renewal in which its news may still be on the way to a worker


class Quiet:
    """A release build writes no sanitizer's report."""

    @staticmethod
    def environment():
        return {}


class Broken(Exception):
    """The connection ended before the answer did."""

    def __init__(self, begun):
        super().__init__("begun" if begun else "nothing came")
        self.begun = begun


class Ledger:
    """What clients saw of each request: its id, and `answered STATUS` or `cut`."""

    def __init__(self):
        self.seen, self.violations, self.counter = {}, [], itertools.count()

    def open(self, kind):
        return f"soak-{kind}-{next(self.counter)}"

    def close(self, request_id, what):
        self.seen[request_id] = what


class Soak:
    def __init__(self, gateway, records, context, jobs, tokens):
        self.gateway, self.records, self.context, self.jobs, self.job = gateway, records, context, jobs, jobs["http"]
        self.tokens, self.renewed_at, self.made_at = tokens, {}, {}
        self.ledger, self.over = Ledger(), False

    # ---- one connection ----

    async def connect(self, secure):
        port, context = (self.gateway.tls_port, self.context) if secure else (self.gateway.port, None)
        name = f"{self.job}.{DOMAIN}" if secure else None
        return await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name, limit=1 << 20)

    def head(self, method, path, token, request_id, fields=()):
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.job}.{DOMAIN}", f"Authorization: Bearer {token.value}",
                 f"X-Request-Id: {request_id}", *fields]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    @staticmethod
    async def answer_head(reader):
        try:
            text = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
        except (asyncio.IncompleteReadError, OSError) as error:
            raise Broken(bool(getattr(error, "partial", b""))) from None
        lines = text.decode("latin-1").split("\r\n")
        fields = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
        return int(lines[0].split()[1]), fields

    @staticmethod
    async def body(reader, fields):
        """Reads to the end; returns how many bytes of content came."""
        total = 0
        try:
            if "content-length" in fields:
                left = int(fields["content-length"])
                while left:
                    piece = await asyncio.wait_for(reader.read(min(left, 1 << 16)), PATIENCE)
                    if not piece:
                        raise Broken(True)
                    left, total = left - len(piece), total + len(piece)
            elif fields.get("transfer-encoding") == "chunked":
                while size := int(await asyncio.wait_for(reader.readline(), PATIENCE) or b"x", 16):
                    await asyncio.wait_for(reader.readexactly(size + 2), PATIENCE)
                    total += size
                await reader.readline()
        except (asyncio.IncompleteReadError, OSError, ValueError):
            raise Broken(True) from None
        return total

    def judge(self, request_id, token, status, sent_at):
        """Is this answer one that may be given?"""
        self.ledger.close(request_id, f"answered {status}")
        renewed, made = self.renewed_at.get(token.value), self.made_at.get(token.value, 0)
        if status == 401 and renewed is None and sent_at > made + UNDER_WAY:
            self.ledger.violations.append(f"{request_id}: refused with a good token")
        if status < 400 and renewed is not None and sent_at > renewed + UNDER_WAY:
            self.ledger.violations.append(f"{request_id}: a value renewed {sent_at - renewed:.3f} s before was honoured")
        if status >= 400 and status not in (401, 502, 503, 504):
            self.ledger.violations.append(f"{request_id}: status {status}")

    async def exchange(self, streams, kind, method, path, fields=(), content=None, expected=None):
        """One request and its answer on a connection. True while that may serve another."""
        reader, writer = streams
        token, request_id, sent_at = random.choice(self.tokens), self.ledger.open(kind), time.monotonic()
        try:
            writer.write(self.head(method, path, token, request_id, fields))
            sending = asyncio.ensure_future(content(writer)) if content else None
            try:
                status, fields = await self.answer_head(reader)
                total = await self.body(reader, fields)
            finally:
                if sending:
                    sending.cancel()
                    await asyncio.gather(sending, return_exceptions=True)
        except Broken as broken:
            self.ledger.close(request_id, "cut" if broken.begun else "lost")
            return False
        self.judge(request_id, token, status, sent_at)
        if status == 200 and expected is not None and total != expected:
            self.ledger.violations.append(f"{request_id}: {total} bytes came back of {expected}")
        return fields.get("connection") != "close" and (content is None or status == 200)

    # ---- the kinds of clients, over HTTP/1.1; those over HTTP/2 are in over_h2.py ----

    async def requests(self, secure, pause):
        streams = None
        while not self.over:
            streams = streams or await self.connect(secure)
            if not await self.exchange(streams, "get", "GET", "/files/hello"):
                streams[1].close()
                streams = None
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))
        if streams:
            streams[1].close()

    async def uploads(self, secure):
        while not self.over:
            streams = await self.connect(secure)
            size = random.randrange(1 << 16, 1 << 21)

            async def content(writer, size=size):
                for start in range(0, size, 1 << 14):
                    piece = bytes(min(1 << 14, size - start))
                    writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                    await writer.drain()
                writer.write(b"0\r\n\r\n")
                await writer.drain()
            await self.exchange(streams, "upload", "POST", "/mirror", ["Transfer-Encoding: chunked"], content, size)
            streams[1].close()
            await asyncio.sleep(0.2)

    async def streams(self, secure):
        while not self.over:
            streams = await self.connect(secure)
            await self.exchange(streams, "stream", "GET", "/events?count=40&pause=0.1")
            streams[1].close()

    async def websockets(self, secure):
        while not self.over:
            reader, writer = await self.connect(secure)
            token, request_id, sent_at = random.choice(self.tokens), self.ledger.open("websocket"), time.monotonic()
            key = base64.b64encode(os.urandom(16)).decode()
            try:
                writer.write(self.head("GET", "/websocket", token, request_id, [
                    "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}"]))
                status, fields = await self.answer_head(reader)
                if status != 101:
                    await self.body(reader, fields)
                    self.judge(request_id, token, status, sent_at)
                else:
                    await self.talk(reader, writer, request_id, token)
            except Broken:
                self.ledger.close(request_id, "cut")
            writer.close()
            await asyncio.sleep(0.1)

    async def talk(self, reader, writer, request_id, token):
        """Echo after echo, for some seconds, or until the tunnel is cut."""
        for _ in range(random.randrange(20, 200)):
            text = random.randbytes(random.randrange(1, 120))
            mask = os.urandom(4)
            try:
                writer.write(bytes([0x82, 0x80 | len(text)]) + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(text)))
                head = await asyncio.wait_for(reader.readexactly(2), PATIENCE)
                echo = await asyncio.wait_for(reader.readexactly(head[1]), PATIENCE)
            except (asyncio.IncompleteReadError, OSError):
                self.ledger.close(request_id, "cut")
                return
            if head[0] == 0x88:
                code = int.from_bytes(echo[:2], "big")
                if code == 1008 and token.value not in self.renewed_at:
                    self.ledger.violations.append(f"{request_id}: cut as revoked, but its token is good")
                self.ledger.close(request_id, f"closed {code}")
                return
            if head[0] != 0x82 or echo != text:
                self.ledger.violations.append(f"{request_id}: another message came back")
            await asyncio.sleep(0.05)
        self.ledger.close(request_id, "done")

    # ---- what happens meanwhile ----

    async def renewals(self):
        version = 1
        while not self.over:
            index, version = random.randrange(len(self.tokens)), version + 1
            old = self.tokens[index]
            self.renewed_at[old.value] = time.monotonic() + 3600  # on its way: neither good nor bad
            new = await asyncio.to_thread(self.records.renew, old, version)
            self.renewed_at[old.value] = self.made_at[new.value] = time.monotonic()
            self.tokens[index] = new
            await asyncio.sleep(0.5)

    async def signals(self, number, every):
        while not self.over:
            await asyncio.sleep(every)
            if not self.over:
                self.gateway.program.send_signal(number)

    async def restarts(self, backend, every):
        while not self.over:
            await asyncio.sleep(every)
            if self.over:
                return
            await asyncio.to_thread(backend.restart)


class Backend:
    """A service at a port that outlives a restart. argv: what comes before the port."""

    def __init__(self, folder, name, argv):
        self.folder, self.name, self.argv, self.port = folder, name, argv, free_port()
        self.start()

    def start(self):
        self.server = servers._started([*self.argv, self.port], self.folder, self.name, self.port)  # noqa: SLF001

    def restart(self):
        self.server.program.stop(signal.SIGKILL)
        self.start()


def make_backends(folder):
    """aiohttp, nghttpd with HTTP/2 and the gRPC service of the tests, by the scheme of their jobs' URLs."""
    files = folder / "files"
    files.mkdir()
    (files / "hello").write_bytes(b"h" * over_h2.HELLO)
    return {
        "http": Backend(folder, "aiohttp", [sys.executable, servers.APPS / "aiohttp_app.py"]),
        "h2c": Backend(folder, "nghttpd", ["nghttpd", "-a", "127.0.0.1", "--no-tls", "--htdocs", folder]),
        "grpc": Backend(folder, "grpc", [sys.executable, servers.APPS / "grpc_app.py"]),
    }


def leak(descriptors):
    """They follow the connections of the moment: a leak raises even the lowest number."""
    third = len(descriptors) // 3
    return min(descriptors[-third:]) > max(descriptors[third:-third])


class Samples:
    """Memory and descriptors of each process of the gateway, as time goes by."""

    def __init__(self, gateway):
        self.gateway, self.rows, self.begun = gateway, [], time.monotonic()

    @staticmethod
    def of(pid):
        status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
        rss = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
        return rss, len(os.listdir(f"/proc/{pid}/fd"))

    def take(self):
        for pid in [self.gateway.program.pid, *children(self.gateway.program.pid)]:
            try:
                name = pathlib.Path(f"/proc/{pid}/comm").read_text(encoding="ascii").strip()
                rss, fds = self.of(pid)
            except (OSError, StopIteration):
                continue  # it ends just now
            self.rows.append((round(time.monotonic() - self.begun, 1), pid, name, rss, fds))

    async def run(self, soak, progress):
        while not soak.over:
            self.take()
            progress()
            await asyncio.sleep(5)

    def growth(self):
        """For each process that lived long enough: (name, first, last) medians of KiB resident."""
        by_pid = collections.defaultdict(list)
        for _, pid, name, rss, _ in self.rows:
            by_pid[pid, name].append(rss)
        for (_, name), values in sorted(by_pid.items()):
            if len(values) >= 18:  # a minute and a half; the first third warms it up
                third = len(values) // 3
                yield name, statistics.median(values[third:2 * third]), statistics.median(values[-third:])


def balance(soak, entries):
    """Clients' books against the gateway's. Returns what does not add up, and the counts."""
    wrong, counts = list(soak.ledger.violations), collections.Counter()
    lines = collections.defaultdict(list)
    for entry in entries:
        if entry.get("request_id", "").startswith("soak-"):
            lines[entry["request_id"]].append(entry)
    for request_id, seen in soak.ledger.seen.items():
        found = lines.pop(request_id, [])
        if len(found) != 1:
            # A kept connection that the gateway ended just then: it has never seen the request.
            if not found and seen == "lost":
                counts["never arrived"] += 1
                continue
            wrong.append(f"{request_id}: {seen}, {len(found)} lines in the log")
            continue
        outcome, status, grpc_status = found[0]["outcome"], found[0].get("status"), found[0].get("grpc_status")
        counts[f"{request_id.split('-')[1]}: {seen} / {outcome}"] += 1
        if seen.startswith("answered"):
            good = str(status) == seen.split()[1] and (status >= 400 or outcome == "answered")
        elif seen.startswith("grpc "):
            good = over_h2.agree(seen.split()[1], outcome, grpc_status)
        elif seen == "closed 1008":
            good = outcome == "revoked"
        elif seen == "done" or seen.startswith("closed"):
            good = outcome in ("tunnel_closed", "client_closed", "answered", "backend_closed", "revoked", "shutdown")
        elif "upload-" in request_id and status >= 400:
            good = True  # refused before its content had ended, and the client did not stop sending
        else:
            good = outcome in ("backend_closed", "revoked", "shutdown", "bad_answer", "tunnel_closed")
        if not good:
            wrong.append(f"{request_id}: {seen}, but the log says {outcome} {status} after {found[0]['duration_ms']} ms")
    wrong += [f"{request_id}: in the log, but never sent" for request_id in lines]
    return wrong, counts


PLOT = """
set terminal {terminal} size 900,420
set output "{output}"
set key outside right
set xlabel "minutes"
set ylabel "MiB resident"
set yrange [0:*]
set title "Memory of each process of the gateway during the soak"
plot for [block = 0:{last}] "-" using ($1 / 60):($2 / 1024) with lines title word("{names}", block + 1)
{data}
"""


def draw(results, samples):
    lives = collections.defaultdict(list)
    for at, pid, name, rss, _ in samples.rows:
        lives[pid, name.replace(" ", "-")].append(f"{at} {rss}")
    for terminal, ending in (("svg", "svg"), ("pngcairo", "png")):
        script = PLOT.format(terminal=terminal, output=results / f"soak.{ending}", last=len(lives) - 1,
                             names=" ".join(name for _, name in lives), data="".join("\n".join(life) + "\ne\n" for life in lives.values()))
        subprocess.run(["gnuplot"], input=script, text=True, check=False)


async def play(soak, samples, backends, minutes):
    """All of it at once, for this many seconds."""
    end = time.monotonic() + minutes * 60

    def progress():
        left, shown = max(0, end - time.monotonic()), len(soak.ledger.seen)
        if sys.stderr.isatty():
            print(f"\r{shown} requests, {len(soak.ledger.violations)} violations, {left / 60:.1f} min left ", end="", file=sys.stderr)

    minute = minutes * 2  # of thirty: shorter runs do the same, faster
    work = [
        *(soak.requests(index % 2 == 1, 0.1) for index in range(24)),
        *(soak.uploads(index % 2 == 1) for index in range(4)),
        *(soak.streams(index % 2 == 1) for index in range(6)),
        *(soak.websockets(index % 2 == 1) for index in range(16)),
        *over_h2.clients(soak),
        soak.renewals(), soak.signals(signal.SIGHUP, 7 * minute), soak.signals(signal.SIGUSR2, 11.5 * minute),
        *(soak.restarts(backend, (2 + 0.3 * index) * minute) for index, backend in enumerate(backends.values())), samples.run(soak, progress),
    ]
    tasks = [asyncio.ensure_future(item) for item in work]
    await asyncio.sleep(minutes * 60)
    soak.over = True
    done, late = await asyncio.wait(tasks, timeout=PATIENCE)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
    for task in done:
        if task.exception():
            soak.ledger.violations.append(f"a client ended: {task.exception()!r}")
    samples.take()


def report(results, minutes, counts, wrong, samples):
    grown = [row for row in samples.growth() if row[2] > row[1] * 1.1 + 2048]
    wrong += [f"{name}: memory grew from {first:.0f} to {last:.0f} KiB" for name, first, last in grown]
    lines = [f"Made by `bench/soak/run.py --minutes {minutes:g}`: {sum(counts.values())} requests, {len(wrong)} that do not add up.", "",
             "| what clients saw / what the log says | requests |", "| --- | --- |"]
    lines += [f"| {what} | {count} |" for what, count in sorted(counts.items())]
    lines += ["", "| process | KiB resident, second third of its life | last third |", "| --- | --- | --- |"]
    lines += [f"| {name} | {first:.0f} | {last:.0f} |" for name, first, last in samples.growth()]
    lines += ["", "![memory](soak.png)"]
    if wrong:
        lines += ["", "Does not add up:", "", *(f"- {text}" for text in wrong[:50])]
    (results / "soak.md").write_text("\n".join(lines) + "\n")
    draw(results, samples)
    print("\n".join(lines))


def main():
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # of sends behind a reset
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--output", "--results", dest="results", type=pathlib.Path, default=REPOSITORY / "bench" / "results")
    options = parser.parse_args()
    options.results = options.results.resolve()
    options.results.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        folder = pathlib.Path(folder)
        for name in ("redis", "gateway", "backend", "pki"):
            (folder / name).mkdir()
        store, backends = RedisServer(folder / "redis").start(), make_backends(folder / "backend")
        authority = Authority(folder / "pki", "authority")
        context, h2_context = authority.context(), authority.context()
        h2_context.set_alpn_protocols(["h2"])
        gateway = Gateway(folder / "gateway", Quiet, store.url, {
            "workers": 2, "log": {"level": "info"}, "http2": {"clients": True},
            "backends": {"trusted_proxies": ["127.0.0.0/8"], "circuit_failures": None}})
        gateway.secure(context, [authority.issue("gateway", "serverAuth", [f"DNS:*.{DOMAIN}"])])
        try:
            gateway.start()
            records = Records(store.client)
            jobs = {scheme: records.job(f"{scheme}://127.0.0.1:{backend.port}", {"model": "base"}) for scheme, backend in backends.items()}
            soak = Soak(gateway, records, context, jobs, [records.token(selector="model=base") for _ in range(40)])
            soak.h2_context = h2_context
            samples = Samples(gateway)
            asyncio.run(play(soak, samples, backends, options.minutes))
            status = gateway.stop(patience=PATIENCE)
            wrong, counts = balance(soak, gateway.access_entries())
            if status != 0:
                wrong.append(f"the gateway ended with status {status}")
            fds = collections.defaultdict(list)
            for _, pid, name, _, descriptors in samples.rows:
                fds[pid, name].append(descriptors)
            wrong += [f"{name}: {values[0]} descriptors in the beginning, {values[-1]} in the end"
                      for (pid, name), values in fds.items() if len(values) > 18 and leak(values)]
            report(options.results, options.minutes, counts, wrong, samples)
        finally:
            gateway.stop()
            for backend in backends.values():
                backend.server.stop()
            store.stop()
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
