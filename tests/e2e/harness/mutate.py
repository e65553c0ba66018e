"""Broken HTTP: messages for the control API, mutated, joined and cut; and a crowd of clients that send them."""

import random
import socket
import struct
import threading

# Refused with 417, whatever the listener: a connection that can still be read ends with it.
LAST = b"GET / HTTP/1.1\r\nHost: x\r\nExpect: the-end\r\n\r\n"

# libevhtp 1.2.18 once called back for the second of these without having begun its head.
PACKET = b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\n\r\nGET /x?a=b\nA: b\r\n\r\n"

BYTES = [b"\r", b"\n", b"\r\n", b"\0", b":", b" ", b"\t", b"%", b"%0a", b"%00", b"?", b"#", b"/", b"//", b"/../", b"&", b"=", b",", b";", b"\"", b"\\",
         b"\x7f", b"\x80", b"\xff", b"{", b"}", b"0", b"-1", b"18446744073709551616", b" HTTP/1.1", b"HTTP/0.9", b"Content-Length: 3\r\n",
         b"Transfer-Encoding: chunked\r\n", b"Expect: 100-continue\r\n", b"Connection: close\r\n", b"Connection: upgrade\r\nUpgrade: h2c\r\n",
         b"Authorization: Bearer x\r\n", b"X-Jobgate-Control-Secret: " + b"0" * 64 + b"\r\n", b"X-Jobgate-Control-Token: " + b"a" * 16 + b"\r\n"]


def seeds(token, host):
    """Messages that are whole, most of them valid; token may do all, but none of them touches it."""
    head = f"Host: {host}\r\nAuthorization: Bearer {token}\r\n".encode()
    job = b'{"id":"fuzzed","labels":{"a":"b"},"lease":60}'

    def message(line, fields=b"", body=b""):
        return line.encode() + b" HTTP/1.1\r\n" + head + fields + b"\r\n" + body

    def sized(line, body):
        return message(line, b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(body), body)

    return [
        message("GET /v1/me"), message("HEAD /v1/jobs"), message("GET /v1/jobs?limit=2&label=a=b&cursor=x%3Dy"), message("GET /v1/tokens?limit=1"),
        message("GET /v1/jobs/fuzzed"), message("DELETE /v1/jobs/fuzzed"), message("POST /v1/jobs/fuzzed/renew"), message("OPTIONS /v1/jobs"),
        message("GET /openapi.json"), message("GET /healthz"), message("GET /readyz"), message("GET /metrics"), message("PUT /v1/nothing?a=b"),
        sized("POST /v1/jobs", job), sized("PATCH /v1/jobs/fuzzed", b'{"labels":{"a":null,"c":"d"}}'),
        sized("POST /v1/authorize", b'{"token":"x","job":"fuzzed"}'), sized("POST /v1/tokens", b'{"name":"-"}'),
        message("POST /v1/jobs", b"Transfer-Encoding: chunked\r\n", b"5;a=b\r\n" + job[:5] + b"\r\n%x\r\n" % (len(job) - 5) + job[5:] + b"\r\n0\r\nA: b\r\n\r\n"),
        message("POST /v1/jobs", b"Expect: 100-continue\r\nContent-Length: 2\r\n", b"{}"),
        b"GET /v1/me HTTP/1.0\r\n" + head + b"\r\n", b"GET http://" + host.encode() + b"/v1/me HTTP/1.1\r\n" + head + b"\r\n",
        PACKET, b"GET /x?a=b\nA: b\r\n\r\n", b"POST /v1/jobs?\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ]


def mutated(rng, message, others):
    """A few small changes; sometimes none."""
    for _ in range(rng.choice([0, 0, 1, 1, 1, 2, 2, 3, 5])):
        at = rng.randrange(len(message) + 1)
        end = min(len(message), at + rng.choice([1, 1, 2, 4, 8, 32]))
        change = rng.randrange(8)
        if change == 0:
            message = message[:at] + rng.choice(BYTES) + message[at:]
        elif change == 1:
            message = message[:at] + rng.choice(BYTES) + message[end:]
        elif change == 2:
            message = message[:at] + bytes([rng.randrange(256)]) + message[at + 1:]
        elif change == 3:
            message = message[:at] + message[end:]
        elif change == 4:
            message = message[:end] + message[at:end] * rng.choice([1, 2, 300]) + message[end:]
        elif change == 5:
            message = message.replace(b"\r\n", rng.choice([b"\n", b"\r", b"\r\r\n", b"\r\n "]), rng.choice([1, 2, -1]))
        elif change == 6:
            lines = message.split(b"\r\n")
            first, second = rng.randrange(len(lines)), rng.randrange(len(lines))
            lines[first], lines[second] = lines[second], lines[first]
            message = b"\r\n".join(lines)
        else:
            other = rng.choice(others)
            message = message[:at] + other[rng.randrange(len(other)):]
    return message


class Crowd:
    """Clients that send mutated messages to some places until this many have been sent."""

    def __init__(self, places, seed, threads=8):
        """places: (address, seeds, TLS context or None)."""
        self.places, self.seed, self.threads = places, seed, threads
        self.sent = self.connections = self.answers = 0
        self.lock = threading.Lock()

    def run(self, messages, check=lambda: True):
        """check is called now and then; it raises, or returns false, to end the run."""
        self.failure = None
        share = messages // self.threads + 1
        workers = [threading.Thread(target=self._work, args=(number, share, check), daemon=True) for number in range(self.threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        if self.failure:
            raise self.failure

    def _work(self, number, share, check):
        rng = random.Random(f"{self.seed}:{number}")
        sent = turns = 0
        try:
            while sent < share and not self.failure:
                count, answers = self._connection(rng)
                sent, turns = sent + count, turns + 1
                with self.lock:
                    self.sent, self.connections, self.answers = self.sent + count, self.connections + 1, self.answers + answers
                if number == 0 and turns % 200 == 0:
                    check()
        except BaseException as failure:  # the main thread tells of it
            self.failure = failure

    def _connection(self, rng):
        """One connection: some messages, in pieces, whole or cut. Returns how many were sent, and answered."""
        address, own, context = rng.choice(self.places)
        count = rng.choice([1, 1, 2, 3, 5, 8, 16])
        data = b"".join(mutated(rng, rng.choice(own), own) for _ in range(count))
        cut = rng.random() < 0.15
        data = data[:rng.randrange(len(data) + 1)] if cut else data + LAST
        with socket.create_connection(address, 20) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                if context:
                    sock = context.wrap_socket(sock, server_hostname="localhost")
                for _ in range(rng.choice([0, 0, 0, 1, 3, 20])):
                    size = rng.randrange(1, 40)
                    sock.sendall(data[:size])
                    data = data[size:]
                sock.sendall(data)
                if cut and rng.random() < 0.5:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return count, 0
                if cut and not context:
                    sock.shutdown(socket.SHUT_WR)
                return count, self._read(sock)
            except OSError:  # the gateway has closed the connection: its right
                return count, 0
            finally:
                sock.close()

    @staticmethod
    def _read(sock):
        """Answers until the connection ends, or nothing has come for a while."""
        sock.settimeout(0.3)
        answers, tail = 0, b""
        try:
            while data := sock.recv(1 << 16):
                tail += data
                answers += tail.count(b"HTTP/1.1 ")
                tail = tail[-8:]
        except OSError:
            pass
        return answers
