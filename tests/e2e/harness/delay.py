"""A network path on which each byte takes its time: between a client and the gateway, both ways."""

import collections
import contextlib
import selectors
import socket
import threading
import time


class DelayedPath:
    """Connections to `address` go to the target, and what is sent arrives after `seconds`."""

    def __init__(self, target, seconds):
        self.target, self.seconds = target, seconds
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()
        self.sockets = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        for sock in [self.listener, *self.sockets]:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                far = socket.create_connection(self.target)
                self.sockets += [near, far]
                threading.Thread(target=self._carry, args=(near, far), daemon=True).start()

    def _carry(self, near, far):
        """Read all that comes at once; send each piece when it is due."""
        with contextlib.suppress(OSError, ValueError), selectors.DefaultSelector() as selector:
            queues = {near: collections.deque(), far: collections.deque()}
            for sock in queues:
                selector.register(sock, selectors.EVENT_READ)
            while True:
                due = min((queue[0][0] for queue in queues.values() if queue), default=None)
                for key, _ in selector.select(None if due is None else max(0, due - time.monotonic())):
                    data = key.fileobj.recv(1 << 18)
                    queues[far if key.fileobj is near else near].append((time.monotonic() + self.seconds, data))
                    if not data:
                        selector.unregister(key.fileobj)
                for sock, queue in queues.items():
                    while queue and queue[0][0] <= time.monotonic():
                        data = queue.popleft()[1]
                        sock.sendall(data) if data else sock.shutdown(socket.SHUT_WR)
