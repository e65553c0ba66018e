#!/usr/bin/python3
"""Records the bytes of each conformance case: what the client received, and what the backend received.

It proves that a change does not show on the wire:

    record.py --before BINARY   play all cases against this older binary, then against build/dev/jobgate, and compare
    record.py --record FILE     play all cases once and write the result
    record.py --compare FILE    play all cases once and compare with that result
    record.py ... --split       also play the cases of the table byte by byte: five times as long
    record.py ... -k WORDS      only cases whose name contains these words
    JOBGATE_BINARY=PATH         plays against this binary instead of build/dev/jobgate

Each difference is printed; the exit status is 1 if there is one. The cases are those of this folder (whole, and behind
another request), those of recorded/ (played once, each file against its own gateway), and a few in this file that need a
browser's session or TLS. Placeholders replace what differs between two runs of the same binary: dates, request ids,
addresses and ports, sealed cookies."""

import argparse
import asyncio
import difflib
import hashlib
import json
import os
import pathlib
import re
import shutil
import socket
import ssl
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

from harness.cases import TOKEN, TOKEN_ID, read_all, read_file  # noqa: E402
from harness.gateway import DOMAIN, Gateway, Sanitizer, merge  # noqa: E402
from harness.pki import Authority  # noqa: E402
from harness.plays import Barrier, Play, Stage, plays_of  # noqa: E402
from harness.process import free_port  # noqa: E402
from harness.raw import Backend, Closed  # noqa: E402
from harness.scene import request_bytes  # noqa: E402
from harness.store import Records, RedisServer, make_value  # noqa: E402

PLAYS = re.compile(r"whole|behind another request")
SPLIT = re.compile(r"whole|behind another request|(answer \d+ )?byte by byte")
JOB = "recorded"
NARROW_ID = "narrow0000000000"  # a token whose selector matches no job; recorded/ has its value
NARROW = make_value(NARROW_ID, TOKEN[21:64])
PASTED_ID = "pasted0000000000"  # a token that may be pasted at the job's own host
PASTED = make_value(PASTED_ID, TOKEN[21:64])
LARGE = 16384  # from here on it depends on time in which pieces content arrives

# What differs from run to run, and what stands in its place.
VARYING = [(re.compile(pattern, re.I), text) for pattern, text in (
    (rb"(?m)^(date: )[^\r\n]*", rb"\1DATE"),
    (rb"(?m)^(x-request-id: )[0-9a-f-]{16,}", rb"\1ID"),
    (rb'("request_id": ?")[^"]*', rb"\1ID"),
    (rb"(\brequest )[0-9a-f]{32}\b", rb"\1ID"),  # on pages
    (rb"(__Host-jobgate=)[A-Za-z0-9+/]{96}", rb"\1SEALED"),
    (rb"(?<![0-9.])127(\.[0-9]+){3}(:[0-9]+)?", rb"ADDRESS"),
    (rb"(localhost|\.jobs\.test):[0-9]+", rb"\1:PORT"),
)]

# Each file of recorded/, and how its gateway differs from those of the end-to-end tests; `word` stands behind `listen`.
SHORT = {"keep_alive": "300ms", "connect": "300ms", "first_byte": "1s", "head": "1s", "body": "500ms", "answer": "1s"}
SETUPS = {
    "forwarded": {},
    "trusted": {"backends": {"trusted_proxies": ["127.0.0.0/8"]}},
    "authorize": {"backends": {"trusted_proxies": ["127.0.0.0/8"]}},
    "redirect": {},
    "browser": {"jobs": {"domain": "localhost"}, "browser": {"same_host": True}},
    "limited": {"limits": {"failed_auth_rate": 1, "failed_auth_burst": 1, "head_bytes": 4096, "target_bytes": 1024,
                           "fields": 20, "body_bytes": 1000}},
}
WORDS = {"authorize": "authorize", "redirect": "redirect"}


def joined(data):
    """Content that came in chunks, with one line for all that follow one another: how it was split depends on time."""
    chunks = re.compile(rb"([0-9a-f]+)\r\n", re.I)
    at = data.index(b"\r\n\r\n") + 4
    result, content = data[:at], b""
    while chunk := chunks.match(data, at):
        content += data[chunk.end():chunk.end() + int(chunk[1], 16)]
        at = chunk.end() + int(chunk[1], 16) + 2
        if not int(chunk[1], 16):
            break
    return result + b"(%d bytes in chunks, SHA-256 %s)\n" % (len(content), hashlib.sha256(content).hexdigest().encode()) + data[at:]


def normal(data):
    """The bytes as lines of text, without what differs from run to run."""
    text = bytes(data)
    if len(text) > LARGE and re.search(rb"(?i)\r\ntransfer-encoding: chunked\r\n", text):
        text = joined(text)
    for pattern, replacement in VARYING:
        text = pattern.sub(replacement, text)
    return [line.decode("latin-1") for line in re.findall(rb"[^\n]*\n|[^\n]+", text)]


def name_of(play):
    return f"{play.case.place.partition(':')[0]}: {play.case.title} ({play.name})"


class FreshBarrier(Barrier):
    """On a connection of its own each time: gateways of recorded/ keep none open for long."""

    async def run(self):
        pass

    async def passed(self):
        reader, writer = await asyncio.open_connection(*self.address)
        for _ in range(2):
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await reader.readuntil(b"}\n")
        writer.close()


class Recorder(Stage):
    """Plays one after another; `record` has what came in each."""

    def __init__(self, gateway, listener, record, barrier):
        super().__init__(gateway.address, listener)
        self.barrier_type, self.barrier_at = barrier, gateway.barrier_at
        self.record = record

    async def run(self, plays):
        self.loop = asyncio.get_running_loop()
        self.barrier = self.barrier_type(self.barrier_at)
        services = [asyncio.create_task(service) for service in (self._accept(), self._watch(), self.barrier.run())]
        for play in plays:
            before = [len(stream.data) for stream in self.streams]
            await self._perform_all(iter([play]))
            await self._settle()
            starts = before + [0] * (len(self.streams) - len(before))
            entry = self.record[name_of(play)] = {
                "client": normal(play.received), "ended": [play.fault or play.ended or "not"],
                "backend": [line for stream, start in zip(self.streams, starts) for line in normal(stream.data[start:])]}
            if any(wanted.cut for wanted in play.case.requests):
                entry["cut"] = True  # how much of a request came before its sender gave up depends on time
        for task in services:
            task.cancel()

    async def _settle(self):
        """Until the gateway has done all that it was sent, and the backend has taken what came of it."""
        before, now = -1, 0
        while before != now:
            await self.barrier.passed()
            before, now = now, sum(len(stream.data) for stream in self.streams)


class Once(Play):
    """A case of recorded/: nothing is sent behind it; the gateway ends the connection, at the latest when it has been idle for long."""

    followed = False

    def __init__(self, case):
        super().__init__(case, "once", case.steps, [wanted.script for wanted in case.requests])


class Stand:
    """What all recordings share: a folder, a store with three tokens and a job, and the gateways."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="jobgate-record-"))
        self.sanitizer = Sanitizer(self.folder / "sanitizer")
        self.store = RedisServer(self.make_folder("redis")).start()
        self.records = Records(self.store.client)
        for token_id, value, selector in ((TOKEN_ID, TOKEN, ""), (NARROW_ID, NARROW, "team=other"), (PASTED_ID, PASTED, "team=ours")):
            self.records.token(token_id=token_id, selector=selector, name="conformance",
                               hash=hashlib.sha256(value.encode()).hexdigest())
        self.records.job("http://127.0.0.1:1", job_id="refusing")
        self.records.job(job_id="without-url")
        self.records.job("http://169.254.1.1:1", job_id="forbidden")
        self.authority = Authority(self.make_folder("pki"), "ours")
        self.certificate = self.authority.issue("jobs", "serverAuth", [f"DNS:*.{DOMAIN}", "DNS:localhost"])

    def make_folder(self, name):
        folder = self.folder / f"{name}{len(os.listdir(self.folder))}"
        folder.mkdir()
        return folder

    def gateway(self, settings, word=""):
        """With two listeners: one that has this word behind it for the cases, and a plain one for the barrier."""
        gateway = Gateway(self.make_folder("gateway"), self.sanitizer, self.store.url, settings)
        gateway.barrier_at = ("127.0.0.1", free_port())
        gateway.config["listen"] = [f"127.0.0.1:{gateway.port} {word}".strip(), "%s:%d" % gateway.barrier_at]
        return gateway

    def end(self, gateway):
        status = gateway.stop()
        assert status == 0, gateway.program.log()[-3000:]

    def close(self):
        self.store.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def record_plays(stand, record, gateway, listener, plays, barrier=FreshBarrier):
    with listener:
        if not plays:
            return
        gateway.start()
        asyncio.run(Recorder(gateway, listener, record, barrier).run(plays))
        stand.end(gateway)


def listen():
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    listener.setblocking(False)
    return listener, "http://127.0.0.1:%d" % listener.getsockname()[1]


def record_table(stand, record, plays, words):
    """The conformance table, against a sidecar's gateway as in test_conformance.py."""
    listener, url = listen()
    gateway = stand.gateway({
        "jobs": {"domain": None, "prefix": None, "fixed": stand.records.job(job_id=JOB), "fixed_url": url},
        "log": {"level": "info"}, "timeouts": {"head": "2m", "linger": "2m"}})
    record_plays(stand, record, gateway, listener,
                 [play for case in read_all() for play in plays_of(case)
                  if plays.fullmatch(play.name) and words in name_of(play)], Barrier)


def record_setup(stand, record, name, words):
    """A file of recorded/ against its gateway."""
    listener, url = listen()
    stand.records.job(url, {"team": "ours"}, job_id=JOB)
    gateway = stand.gateway(merge({"timeouts": SHORT}, SETUPS[name]), WORDS.get(name, ""))
    if name == "redirect":
        gateway.secure(stand.authority.context(), [stand.certificate])
    record_plays(stand, record, gateway, listener,
                 [play for play in map(Once, read_file(HERE / "recorded" / f"{name}.cases", recorded=True))
                  if words in name_of(play)])


class Exchanges:
    """One exchange after another over TLS, each on a connection of its own, with a scripted backend."""

    def __init__(self, record, gateway, backend, prefix, tls=None):
        self.record, self.gateway, self.backend, self.prefix, self.tls = record, gateway, backend, prefix, tls

    def play(self, title, fields=(), answer=None, **request):
        """Send a request; the backend, if an answer of it is given, takes it and sends that. Returns what the client got."""
        arrived = received = b""
        with self.gateway.tls_client(f"{JOB}.{DOMAIN}") as client:
            client.send(request_bytes(f"{JOB}.{DOMAIN}", fields=["Connection: close", *fields] if "upgrade" not in title else fields,
                                      **request))
            if answer is not None:
                with self.accept() as connection:
                    arrived = connection.read_until(b"\r\n\r\n")
                    connection.send(answer)
                    received = client.read_until(answer[-2:])  # before the backend closes
            try:
                received += client.read_to_end()
            except Closed as closed:
                received += closed.data
        self.record[f"{self.prefix}: {title}"] = {"client": normal(received), "ended": [], "backend": normal(arrived)}
        return received

    def accept(self):
        connection = self.backend.accept()
        if self.tls:
            connection.sock = self.tls.wrap_socket(connection.sock, server_side=True)
        return connection


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x02hi"
UPGRADE = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]
HTML = "Accept: text/html"
ORIGIN = f"Origin: https://{JOB}.{DOMAIN}"


def record_tls(stand, record):
    """Clients over TLS, and backends over TLS."""
    gateway = stand.gateway({"browser": {"same_host": True}, "backends": {"ca_file": str(stand.authority.certificate)}})
    gateway.secure(stand.authority.context(), [stand.certificate], hsts="max-age=1").start()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*stand.certificate)
    with Backend() as backend:
        for scheme, context in (("http", None), ("https", tls)):
            stand.records.job(f"{scheme}://localhost:{backend.port}", {"team": "ours"}, job_id=JOB)
            exchanges = Exchanges(record, gateway, backend, f"TLS, {scheme} backend", context)
            exchanges.play("relayed", token=TOKEN, answer=OK)
            exchanges.play("refused")
            exchanges.play("an upgrade", UPGRADE, SWITCH, token=TOKEN)
        sessions(exchanges, gateway)
    stand.end(gateway)


def sessions(exchanges, gateway):
    """What a browser does."""
    exchanges.play("the sign-in page", [HTML])
    signed_in = exchanges.play("signing in", [ORIGIN, HTML, "Content-Type: application/x-www-form-urlencoded"], method="POST",
                               path="/.jobgate/sign-in", body=b"token=" + PASTED.encode() + b"&to=%2Flab%3Fx")
    cookie = "Cookie: a=b; " + re.search(rb"(?i)set-cookie: (__Host-jobgate=[^;]*)", signed_in)[1].decode() + "; c=d"
    exchanges.play("a session", [cookie], OK, path="/lab?x")
    exchanges.play("a session, an upgrade", [cookie, ORIGIN, *UPGRADE], SWITCH)
    exchanges.play("a session, an upgrade of another origin", [cookie, "Origin: https://evil.test", "Connection: close, Upgrade", *UPGRADE[1:]])
    exchanges.play("a session, content of another origin", [cookie, "Origin: https://evil.test"], method="POST", body=b"x")
    exchanges.play("a session, content of no origin", [cookie], method="POST", body=b"")
    exchanges.play("a session of another site in a frame", [cookie, "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate",
                                                            "Sec-Fetch-Dest: iframe"])
    exchanges.play("a session and a token", [cookie], OK, token=TOKEN)
    exchanges.play("signing out", [cookie, ORIGIN, HTML], method="POST", path="/.jobgate/sign-out", body=b"")


def record_all(plays, words):
    """{name of a play: what came}, of those that have the words in their name."""
    stand, record = Stand(), {}
    try:
        record_table(stand, record, plays, words)
        for name in SETUPS:
            record_setup(stand, record, name, words)
        record_tls(stand, record)
        reports = stand.sanitizer.new_reports()
    finally:
        stand.close()
    if reports:
        sys.exit("sanitizer report:\n" + "\n".join(reports))
    return {name: entry for name, entry in record.items() if words in name}


def same(part, before, now, cut):
    """Of a request that was cut one may have come further than the other."""
    if part == "backend" and cut:
        one, other = sorted(("".join(before), "".join(now)), key=len)
        return other.startswith(one)
    return before == now


def differences(old, new):
    for name in old | new:
        if name not in old or name not in new:
            yield f"{name}: {'is new' if name in new else 'is gone'}"
            continue
        for part in ("client", "ended", "backend"):
            before, now = old[name][part], new[name][part]
            if not same(part, before, now, "cut" in old[name]):
                lines = difflib.unified_diff([repr(line) for line in before], [repr(line) for line in now],
                                             "before", "now", lineterm="", n=2)
                yield "\n".join([f"{name}: {part}", *list(lines)[2:]])


def play_before(program, *args):
    """What an older binary does."""
    own = os.environ.get("JOBGATE_BINARY")
    os.environ["JOBGATE_BINARY"] = str(program)
    try:
        return record_all(*args)
    finally:
        del os.environ["JOBGATE_BINARY"]
        if own:
            os.environ["JOBGATE_BINARY"] = own


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    mode = parser.add_mutually_exclusive_group(required=True)
    for name, metavar in (("--before", "BINARY"), ("--record", "FILE"), ("--compare", "FILE")):
        mode.add_argument(name, metavar=metavar, type=pathlib.Path)
    parser.add_argument("-k", metavar="WORDS", default="", help="only cases whose name contains these words")
    parser.add_argument("--split", action="store_true", help="also play the cases of the table byte by byte")
    return parser.parse_args()


def main():
    args = arguments()
    plays = SPLIT if args.split else PLAYS
    if args.record:
        record = record_all(plays, args.k)
        args.record.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        print(f"{len(record)} plays recorded")
        return 0
    if args.before:
        before = play_before(args.before.resolve(strict=True), plays, args.k)
    else:
        before = json.loads(args.compare.read_text(encoding="utf-8"))
        before = {name: entry for name, entry in before.items() if args.k in name}
    record = record_all(plays, args.k)
    found = list(differences(before, record))
    print("\n".join([*found, f"{len(record)} plays, {len(found)} differences"]))
    return 1 if found or not record else 0


if __name__ == "__main__":
    sys.exit(main())
