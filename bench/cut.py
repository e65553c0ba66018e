#!/usr/bin/python3
"""Very many exchanges of one token, cut at once: 1,000 HTTP/2 connections of 100 streams, to a job that speaks HTTP/2.

Then the token is deleted, or the store is stopped until the staleness bound has passed. How long is the worker's longest turn, in which
nothing else is served? When is the last stream cut? The gateway has one core, and everything else the other one."""

import argparse
import hashlib
import json
import os
import pathlib
import selectors
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

import report
from world import BUILD, LOAD_CORE, PROXY_CORE, TOP, children, cpu_seconds, die_with_parent, free_port, raise_descriptors, resident_bytes, wait_port

sys.path.insert(0, str(TOP / "tests" / "e2e"))
from harness.process import Program  # noqa: E402
from harness.store import RedisServer, make_value, random_id  # noqa: E402

DOMAIN, JOB = "jobs.test", "cut"
BOUND = 2.0  # seconds: store.max_staleness
PATIENCE = 60
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING = 0, 1, 3, 4, 6
END_STREAM, END_HEADERS, ACK = 1, 4, 1


def frame(kind, flags, stream, content=b""):
    return struct.pack(">I", len(content))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + content


def literal(name_index, value):
    """A field with a name of the static table (RFC 7541 section 6.2.2); its value is shorter than 127 bytes."""
    prefix = bytes((name_index,)) if name_index < 15 else bytes((15, name_index - 15))
    return prefix + bytes((len(value),)) + value


class Connection:
    """One end of a connection that speaks HTTP/2. Frames of flow control do not matter here: no content is sent."""

    def __init__(self, sock):
        self.sock, self.data, self.streams, self.open = sock, b"", set(), False

    def frames(self):
        """The frames that have come; None: the connection is over."""
        try:
            piece = self.sock.recv(1 << 18)
        except BlockingIOError:
            return []
        except OSError:
            return None
        if not piece:
            return None
        self.data += piece
        found, at = [], 0
        while len(self.data) - at >= 9:
            length, kind, flags, stream = struct.unpack(">I", b"\0" + self.data[at:at + 3])[0], *struct.unpack(">BBI", self.data[at + 3:at + 9])
            if len(self.data) - at < 9 + length:
                break
            found.append((kind, flags, stream, self.data[at + 9:at + 9 + length]))
            at += 9 + length
        self.data = self.data[at:]
        return found

    def answer_own(self, kind, flags, content):
        """SETTINGS and PING are acknowledged."""
        if kind in (SETTINGS, PING) and not flags & ACK:
            self.sock.sendall(frame(kind, ACK, 0, b"" if kind == SETTINGS else content))


def serve(port):
    """The job: answers each request with 200 and content that never comes."""
    raise_descriptors()
    listener = socket.create_server(("127.0.0.1", port), backlog=1024)
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ, None)
    while True:
        for key, _ in selector.select():
            connection = key.data
            if connection is None:
                sock = listener.accept()[0]
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection = Connection(sock)
                sock.setblocking(False)
                selector.register(sock, selectors.EVENT_READ, connection)
                sock.sendall(frame(SETTINGS, 0, 0, struct.pack(">HI", 3, 1000)))
                continue
            if not connection.open and len(connection.data) < len(PREFACE):
                try:
                    piece = connection.sock.recv(len(PREFACE) - len(connection.data))
                except ConnectionError:  # the gateway has closed it
                    piece = b""
                if not piece:
                    selector.unregister(connection.sock)
                    connection.sock.close()
                connection.data += piece
                if len(connection.data) == len(PREFACE):
                    connection.data, connection.open = b"", True
                continue
            found = connection.frames()
            if found is None:
                selector.unregister(connection.sock)
                connection.sock.close()
                continue
            answers = b""
            try:
                for kind, flags, stream, content in found:
                    connection.answer_own(kind, flags, content)
                    if kind == HEADERS:
                        answers += frame(HEADERS, END_HEADERS, stream, b"\x88")  # :status 200
                connection.sock.sendall(answers)
            except ConnectionError:
                pass  # the next read finds that it is closed


class Clients:
    def __init__(self, port, value):
        self.port, self.connections, self.selector = port, [], selectors.DefaultSelector()
        self.head = b"\x82\x86" + literal(4, b"/stream") + literal(1, f"{JOB}.{DOMAIN}".encode()) + literal(23, f"Bearer {value}".encode())

    def open(self, streams):
        """One more connection; returns when all its streams have the head of their answer."""
        sock = socket.create_connection(("127.0.0.1", self.port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(PATIENCE)
        connection = Connection(sock)
        sock.sendall(PREFACE + frame(SETTINGS, 0, 0)
                     + b"".join(frame(HEADERS, END_STREAM | END_HEADERS, 2 * i + 1, self.head) for i in range(streams)))
        while len(connection.streams) < streams:
            found = connection.frames()
            if found is None:
                raise SystemExit("the gateway closes a connection")
            for kind, flags, stream, content in found:
                connection.answer_own(kind, flags, content)
                if kind == HEADERS and content.lstrip(b" ")[:1] != b"\x88":  # after changes of the table's size
                    raise SystemExit(f"a stream is not answered with 200: {content!r}")
                if kind == HEADERS:
                    connection.streams.add(stream)
        sock.setblocking(False)
        self.selector.register(sock, selectors.EVENT_READ, connection)
        self.connections.append(connection)

    def until_cut(self, begun):
        """Seconds from then on until the first and the last stream were cut, and until half of them were."""
        left, when = sum(len(connection.streams) for connection in self.connections), []
        while left:
            ready = self.selector.select(PATIENCE)
            if not ready:
                raise SystemExit(f"{left} streams still run")
            for key, _ in ready:
                connection, found = key.data, key.data.frames()
                now = time.monotonic()
                if found is None:
                    raise SystemExit("the gateway closes a connection")
                for kind, flags, stream, content in found:
                    connection.answer_own(kind, flags, content)
                    if kind == RST_STREAM and stream in connection.streams:
                        connection.streams.remove(stream)
                        when.append(now - begun)
                        left -= 1
        when.sort()
        return {"first_s": when[0], "half_s": when[len(when) // 2], "last_s": when[-1]}


class Gateway:
    def __init__(self, folder, store, job, log):
        self.port, self.monitor = free_port(), free_port()
        (folder / "jobgate.yaml").write_text(json.dumps({
            "listen": [f"127.0.0.1:{self.port}"], "workers": 1, "jobs": {"domain": DOMAIN},
            "store": {"url": store.url, "max_staleness": f"{BOUND:g}s", "ping_interval": "300ms", "ping_deadline": "1s"},
            "backends": {"allow_loopback": True}, "http2": {"clients": True},
            "timeouts": {"drain": "1s"}, "limits": {"connections": 8192, "connections_per_client": 0},
            "control": {"socket": str(folder / "control.sock"), "metrics": f"127.0.0.1:{self.monitor}"},
            "log": {"access": str(folder / "access.log") if log else "off"}}))
        self.program = Program(["taskset", "-c", PROXY_CORE, BUILD / "jobgate", "serve", "-c", folder / "jobgate.yaml"], folder / "log")
        wait_port(self.port, folder / "log")
        while b" 200 " not in self.get("/readyz"):
            time.sleep(0.02)
        self.worker = next(pid for pid in children(self.program.pid) if pathlib.Path(f"/proc/{pid}/comm").read_text().startswith("worker"))

    def get(self, path):
        with socket.create_connection(("127.0.0.1", self.monitor)) as sock:
            sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            answer = b""
            while piece := sock.recv(65536):
                answer += piece
        return answer

    def metrics(self):
        lines = [line.rsplit(" ", 1) for line in self.get("/metrics").decode().split("\n") if line.startswith("jobgate_")]
        return {name: float(value) for name, value in lines}


def waited_seconds(pid):
    """How long a process has been ready to run while others had its core."""
    return int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9


LONGEST = 'jobgate_worker_longest_turn_seconds{worker="0"}'


def slowest_bucket(before, after):
    """The upper bound, in seconds, of the longest turn between the two."""
    name = 'jobgate_turn_duration_seconds_bucket{le="'
    bounds = sorted((float(key[len(name):-2]), key) for key in after if key.startswith(name) and "Inf" not in key)
    below, slowest = 0, 0.0
    for bound, key in bounds:
        grown = after[key] - before[key]
        if grown > below:
            below, slowest = grown, bound
    return slowest


def cut(options, make_folder, how, log):
    store = RedisServer(make_folder("store")).start()
    port, value = free_port(), make_value(random_id())
    job = subprocess.Popen(["taskset", "-c", LOAD_CORE, sys.executable, __file__, "--serve", str(port)], preexec_fn=die_with_parent)
    gateway = None
    try:
        moment = "2024-01-01T00:00:00Z"
        store.client.hset(f"jobgate:token:{value[4:20]}", mapping={
            "name": "cut", "role": "read", "selector": "", "version": "1", "hash": hashlib.sha256(value.encode()).hexdigest(),
            "created_at": moment, "updated_at": moment})
        store.client.hset(f"jobgate:job:{JOB}", mapping={"url": f"h2c://127.0.0.1:{port}", "created_at": moment, "updated_at": moment})
        wait_port(port)
        gateway = Gateway(make_folder("gateway"), store, port, log)
        resident = resident_bytes([gateway.worker])
        clients = Clients(gateway.port, value)
        for _ in range(options.connections):
            clients.open(options.streams)
        time.sleep(1)
        held = resident_bytes([gateway.worker]) - resident
        before, cpu, waited = gateway.metrics(), sum(cpu_seconds([gateway.worker])), waited_seconds(gateway.worker)
        begun = time.monotonic()
        if how == "deleted":
            store.client.delete(f"jobgate:token:{value[4:20]}")
        else:
            os.kill(store.program.pid, signal.SIGSTOP)
        found = clients.until_cut(begun) | {"waited_s": waited_seconds(gateway.worker) - waited}
        time.sleep(1)
        after = gateway.metrics()
        found |= {"cpu_s": sum(cpu_seconds([gateway.worker])) - cpu, "bytes": held / (options.connections * options.streams),
                  "longest_bound_s": slowest_bucket(before, after), "longest_s": after[LONGEST], "longest_before_s": before[LONGEST],
                  "dropped": sum(after[key] - before[key] for key in after if key.startswith("jobgate_log_lines_dropped_total"))}
        return found
    finally:
        os.kill(store.program.pid, signal.SIGCONT)
        if gateway:
            gateway.program.stop()
        job.terminate()
        job.wait()
        store.stop()


CASES = (("the token is deleted", "deleted", True), ("the same without an access log", "deleted", False),
         ("the store hangs until the bound has passed", "stopped", True))


def table(options, results):
    lines = [f"{options.connections:,} HTTP/2 connections of {options.streams} streams each, one token, one job that speaks HTTP/2, one worker on a core of its own.", "",
             "| what ends them | longest turn, ms | first, half, last stream cut after, ms | of that, the worker waited for its core, ms | CPU of the worker for each, µs | lines of the access log that did not fit |",
             "| --- | --- | --- | --- | --- | --- |"]
    for (name, how, _), found in results:
        longest = found["longest_s"] if found["longest_s"] > found["longest_before_s"] else None
        shown = f"{longest * 1000:,.1f}" if longest else f"at most {found['longest_bound_s'] * 1000:,.1f}"
        times = ", ".join(f"{(found[key] - (BOUND if how == 'stopped' else 0)) * 1000:,.0f}" for key in ("first_s", "half_s", "last_s"))
        lines.append(f"| {name} | {shown} | {times}{' (from the bound on)' if how == 'stopped' else ''} | "
                     f"{found['waited_s'] * 1000:,.0f} | "
                     f"{found['cpu_s'] / (options.connections * options.streams) * 1e6:.1f} | {found['dropped']:,.0f} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--streams", type=int, default=100)
    parser.add_argument("--output", type=pathlib.Path, default=TOP / "bench" / "results")
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        return serve(options.serve)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    raise_descriptors()
    os.sched_setaffinity(0, {int(LOAD_CORE)})
    say, results = report.progress(), []
    with tempfile.TemporaryDirectory(prefix="jobgate-cut-") as top:
        counter = iter(range(1 << 30))

        def make_folder(name):
            folder = pathlib.Path(top) / f"{name}{next(counter)}"
            folder.mkdir()
            return folder
        for case in CASES:
            say(case[0])
            results.append((case, cut(options, make_folder, *case[1:])))
    text = table(options, results)
    report.write(options.output, "cut", {"connections": options.connections, "streams": options.streams,
                                         "cases": [{"case": case[0], **found} for case, found in results]}, text)
    print(text)


if __name__ == "__main__":
    main()
