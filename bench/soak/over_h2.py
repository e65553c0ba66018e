"""The soak's clients over HTTP/2: requests, uploads, event streams and WebSockets as streams of shared connections, and calls of grpcio."""

import asyncio
import concurrent.futures
import os
import random
import time

import grpc
from h2_session import Ended, Session
from harness.gateway import DOMAIN

HELLO = 1000  # bytes of the file that nghttpd serves
PATIENCE = 60
CALLERS = 8
# What the log may say of a call whose client saw no status of the gateway or of the service, because its stream or connection was cut.
CUTS = ("backend_closed", "connect_failed", "connect_timeout", "circuit_open", "revoked", "shutdown", "bad_answer")


class Shared:
    """The connection that some clients share; a new one once it takes no more requests."""

    def __init__(self, soak, secure):
        self.soak, self.secure, self.session, self.lock = soak, secure, None, asyncio.Lock()

    async def get(self):
        async with self.lock:
            if self.session is None or not self.session.usable:
                port = self.soak.gateway.tls_port if self.secure else self.soak.gateway.port
                self.session = await Session.open(port, self.soak.h2_context if self.secure else None,
                                                     f"{self.soak.job}.{DOMAIN}" if self.secure else None)
            return self.session

    async def run(self, *clients):
        await asyncio.gather(*clients)
        if self.session:
            await self.session.close()


def head(soak, job, method, path, token, request_id, fields=()):
    return [(":method", method), (":scheme", "http"), (":authority", f"{job}.{DOMAIN}"), (":path", path),
            ("authorization", f"Bearer {token.value}"), ("x-request-id", request_id), *fields]


async def exchange(soak, shared, kind, job, path, size=None, expected=None):
    """One request and its answer; size: of the content that it sends."""
    session = await shared.get()
    token, request_id, sent_at = random.choice(soak.tokens), soak.ledger.open(kind), time.monotonic()
    stream = session.request(head(soak, job, "GET" if size is None else "POST", path, token, request_id), end=size is None)
    sending = asyncio.ensure_future(stream.send(bytes(size), True)) if size is not None else None
    total, ended = 0, False
    try:
        fields = await asyncio.wait_for(stream.head(), PATIENCE)
        while not ended:
            content, ended = await asyncio.wait_for(stream.read(), PATIENCE)
            total += len(content)
    except Ended as end:
        soak.ledger.close(request_id, "cut" if end.begun else "lost")
        return
    finally:
        stream.over = True
        stream.widened.set()
        if sending:
            await sending
    status = int(fields[":status"])
    soak.judge(request_id, token, status, sent_at)
    if status == 200 and expected is not None and total != expected:
        soak.ledger.violations.append(f"{request_id}: {total} bytes came back of {expected}")


async def requests(soak, shared, kind, job, path, pause, expected=None):
    while not soak.over:
        await exchange(soak, shared, kind, job, path, expected=expected)
        await asyncio.sleep(pause * random.uniform(0.5, 1.5))


async def uploads(soak, shared):
    while not soak.over:
        size = random.randrange(1 << 16, 1 << 21)
        await exchange(soak, shared, "h2upload", soak.job, "/mirror", size, size)
        await asyncio.sleep(0.2)


# ---- WebSockets ----

async def websockets(soak, shared):
    while not soak.over:
        session = await shared.get()
        token, request_id, sent_at = random.choice(soak.tokens), soak.ledger.open("h2websocket"), time.monotonic()
        fields = head(soak, soak.job, "CONNECT", "/websocket", token, request_id, [("sec-websocket-version", "13")])
        stream = session.request([fields[0], (":protocol", "websocket"), *fields[1:]], end=False)
        try:
            status = int((await asyncio.wait_for(stream.head(), PATIENCE))[":status"])
            if status == 200:
                await talk(soak, stream, request_id, token)
            else:
                while not (await asyncio.wait_for(stream.read(), PATIENCE))[1]:
                    pass
                soak.judge(request_id, token, status, sent_at)
        except Ended as end:
            soak.ledger.close(request_id, "cut" if end.begun else "lost")
        stream.over = True
        await asyncio.sleep(0.1)


async def talk(soak, stream, request_id, token):
    """Echo after echo, for some seconds, or until the tunnel is cut or closed."""
    held, ended = b"", False
    for _ in range(random.randrange(20, 200)):
        text, mask = random.randbytes(random.randrange(1, 120)), os.urandom(4)
        await stream.send(bytes([0x82, 0x80 | len(text)]) + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(text)), False)
        while len(held) < 2 or len(held) < 2 + held[1]:
            if ended:  # the job's side ended without a close frame
                await stream.send(b"", True)
                soak.ledger.close(request_id, "cut")
                return
            more, ended = await asyncio.wait_for(stream.read(), PATIENCE)
            held += more
        first, echo, held = held[0], held[2:2 + held[1]], held[2 + held[1]:]
        if first == 0x88:
            code = int.from_bytes(echo[:2], "big")
            if code == 1008 and token.value not in soak.renewed_at:
                soak.ledger.violations.append(f"{request_id}: cut as revoked, but its token is good")
            soak.ledger.close(request_id, f"closed {code}")
            return
        if first != 0x82 or echo != text:
            soak.ledger.violations.append(f"{request_id}: another message came back")
        await asyncio.sleep(0.05)
    await stream.send(b"", True)
    soak.ledger.close(request_id, "done")


# ---- gRPC ----

async def calls(soak, threads):
    """Unary calls, streams of answers and streams both ways, one after another, by a channel that grpcio connects again by itself.
    They block in a thread: grpcio's own event loop (grpc.aio) stalls beside the other clients of this process."""
    options = [("grpc.default_authority", f"{soak.jobs['grpc']}.{DOMAIN}"), ("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1),
               ("grpc.initial_reconnect_backoff_ms", 200), ("grpc.max_reconnect_backoff_ms", 1000)]
    loop = asyncio.get_running_loop()
    with grpc.insecure_channel(f"127.0.0.1:{soak.gateway.port}", options=options) as channel:
        while not soak.over:
            for kind in ("grpc", "grpcstream", "grpcchat"):
                token, request_id, sent_at = random.choice(soak.tokens), soak.ledger.open(kind), time.monotonic()
                metadata = [("authorization", f"Bearer {token.value}"), ("x-request-id", request_id)]
                try:
                    if not await loop.run_in_executor(threads, CALLS[kind], channel, metadata):
                        soak.ledger.violations.append(f"{request_id}: another message came back")
                    code = 0
                except grpc.RpcError as error:
                    code = error.code().value[0]
                judge(soak, request_id, token, code, sent_at)
                await asyncio.sleep(0.1 * random.uniform(0.5, 1.5) + (0.2 if code else 0))


def echo(channel, metadata):
    text = random.randbytes(random.randrange(0, 20000))
    return channel.unary_unary("/tests.Service/Echo")(text, metadata=metadata, timeout=PATIENCE) == text


def count(channel, metadata):
    got = list(channel.unary_stream("/tests.Service/Count")(b"200", metadata=metadata, timeout=PATIENCE))
    return got == [b"%d" % i for i in range(200)]


def chat(channel, metadata):
    def talk():
        for i in range(20):
            yield b"%d" % i
            time.sleep(0.05)
    got = list(channel.stream_stream("/tests.Service/Chat")(talk(), metadata=metadata, timeout=PATIENCE))
    return got == [b"%d" % i for i in range(20)]


CALLS = {"grpc": echo, "grpcstream": count, "grpcchat": chat}


def judge(soak, request_id, token, code, sent_at):
    """As Soak.judge, for a status of gRPC: 16 stands for 401."""
    renewed, made = soak.renewed_at.get(token.value), soak.made_at.get(token.value, 0)
    if code == 16 and renewed is None and sent_at > made + 1:
        soak.ledger.violations.append(f"{request_id}: refused with a good token")
    if code == 0 and renewed is not None and sent_at > renewed + 1:
        soak.ledger.violations.append(f"{request_id}: a value renewed {sent_at - renewed:.3f} s before was honoured")
    if code not in (0, 1, 2, 13, 14, 16):
        soak.ledger.violations.append(f"{request_id}: grpc-status {code}")
    # A channel whose connection is down fails calls by itself: the gateway never saw them.
    soak.ledger.close(request_id, f"grpc {code}")


def agree(code, outcome, logged):
    """Whether the log may say this of a call whose client saw the status `code`. 1, 2, 13 and 14 may come from grpcio, for a cut stream."""
    if logged is not None and int(code) == logged:
        return outcome in ("answered", "refused", *CUTS)
    return code in ("1", "2", "13", "14") and outcome in CUTS


def clients(soak):
    """All of them, as coroutines."""
    found = []
    for secure in (False, True):
        for shared in [Shared(soak, secure) for _ in range(2)]:
            found.append(shared.run(
                *(requests(soak, shared, "h2get", soak.job, "/files/hello", 0.1) for _ in range(6)),
                *(requests(soak, shared, "h2c", soak.jobs["h2c"], "/files/hello", 0.1, HELLO) for _ in range(6)),
                *(requests(soak, shared, "h2stream", soak.job, "/events?count=40&pause=0.1", 0.1) for _ in range(2)),
                *(websockets(soak, shared) for _ in range(4)), uploads(soak, shared)))
    threads = concurrent.futures.ThreadPoolExecutor(CALLERS)
    return found + [calls(soak, threads) for _ in range(CALLERS)]
