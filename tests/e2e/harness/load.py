"""Load: steady, where each request has to succeed, or a flood, of which only the statuses are counted."""

import collections
import selectors
import threading

from .raw import Client


class Load:
    """Threads that ask over and over, on kept connections and on new ones; `failures` says what went wrong."""

    def __init__(self, address, request, threads=4, status=200):
        self.address, self.request, self.status = address, request, status
        self.failures, self.answered = [], 0
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, args=(index,)) for index in range(threads)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def progress(self):
        with self._lock:
            return self.answered

    def _run(self, index):
        client, left = None, 0
        while not self._stop.is_set():
            try:
                if client is None:
                    client, left = Client(self.address), 3 if index % 2 else 1000000
                client.send(self.request)
                response = client.read_response()
                if response.status != self.status:
                    raise AssertionError(f"{response.status} {response.body[:200]}")
                left -= 1
                with self._lock:
                    self.answered += 1
                if left == 0 or response.field("connection") == "close":
                    client.close()
                    client = None
            except Exception as error:  # noqa: BLE001 - whatever it is, it counts
                self.failures.append(f"thread {index}: {error!r}")
                if client is not None:
                    client.close()
                client = None
        if client is not None:
            client.close()


class Flood:
    """Many connections, on each of which the same request is sent as soon as the last answer is there; one thread."""

    def __init__(self, clients, request):
        self.clients, self.request = clients, request
        self.statuses = collections.Counter()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
        for client in self.clients:
            client.close()

    def _run(self):
        with selectors.DefaultSelector() as selector:
            for client in self.clients:
                selector.register(client.sock, selectors.EVENT_READ, client)
                client.send(self.request)
            while not self._stop.is_set():
                for key, _ in selector.select(0.05):
                    self._take(key.data)

    def _take(self, client):
        client.buffer += client.sock.recv(1 << 20)
        head, mark, rest = client.buffer.partition(b"\r\n\r\n")
        if not mark:
            return
        length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        if len(rest) >= length:
            client.buffer = b""
            self.statuses[int(head.split()[1])] += 1
            client.send(self.request)
