"""A Redis Cluster of six servers, three masters with a replica each; each can be cut off from the others."""

import select
import socket
import threading

import redis

from .process import eventually, free_port
from .store import RedisServer

PREFIX = "{jobgate}:"
SLOTS = 16384


class Bus:
    """
    A relay before the port at which a server hears the others. A server that is cut off is not heard, and its own messages,
    which come from its own address, do not arrive: other programs reach it all the same.
    """

    def __init__(self, port, cut):
        self.to, self.cut, self.links = port, cut, {}
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.ended = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _open(self):
        near, (address, _) = self.listener.accept()
        if self.port in self.cut or address in self.cut:
            near.close()
            return
        try:
            far = socket.create_connection(("127.0.0.1", self.to), 5, source_address=(address, 0))
        except OSError:
            near.close()
            return
        self.links[near], self.links[far] = (far, address), (near, address)

    def _close(self, one):
        other, _ = self.links.pop(one)
        self.links.pop(other)
        one.close()
        other.close()

    def _run(self):
        while not self.ended:
            for sock in select.select([self.listener, *self.links], [], [], 0.02)[0]:
                if sock is self.listener:
                    self._open()
                elif sock in self.links:
                    self._pass(sock)
            for sock, (_, address) in list(self.links.items()):
                if sock in self.links and (self.port in self.cut or address in self.cut):
                    self._close(sock)

    def _pass(self, sock):
        try:
            data = sock.recv(1 << 16)
            if data:
                self.links[sock][0].sendall(data)
                return
        except OSError:
            pass
        self._close(sock)

    def stop(self):
        self.ended = True
        self.thread.join()
        for sock in [self.listener, *self.links]:
            sock.close()


class Node:
    def __init__(self, make_folder, number, cut):
        self.address, self.cut = f"127.0.1.{number + 1}", cut
        bus = free_port()
        self.bus = Bus(bus, cut)
        self.server = RedisServer(make_folder("redis"), "--cluster-enabled", "yes", "--cluster-port", bus,
                                  "--cluster-node-timeout", 1000, "--cluster-announce-ip", "127.0.0.1", "--cluster-announce-bus-port", self.bus.port,
                                  "--bind-source-addr", self.address, "--protected-mode", "no", "--cluster-require-full-coverage", "no", "--repl-diskless-sync-delay", 0, "--cluster-replica-validity-factor", 0)
        self.server.options += ["--cluster-announce-port", str(self.server.port)]
        self.server.start()
        self.port, self.client = self.server.port, self.server.client
        self.id = self.call("MYID")

    def call(self, *words):
        return self.client.execute_command("CLUSTER", *words)

    def has_link_to(self, node):
        """It knows the other by its real id: until the handshake with it is over, it has an id that is made up."""
        return any(line.split()[7] == "connected" for line in str(self.call("NODES")).splitlines() if line.startswith(node.id))

    def join(self):
        self.cut -= {self.bus.port, self.address}

    def is_master(self):
        try:
            return self.client.role()[0] == "master"
        except redis.RedisError:
            return False


class Cluster:
    def __init__(self, make_folder, masters=3):
        cut = set()
        self.count = masters
        self.nodes = [Node(make_folder, number, cut) for number in range(2 * masters)]
        masters, replicas = self.nodes[:self.count], self.nodes[self.count:]
        for i, node in enumerate(masters):
            node.call("ADDSLOTSRANGE", i * SLOTS // self.count, (i + 1) * SLOTS // self.count - 1)
        for i, node in enumerate(self.nodes):
            node.call("SET-CONFIG-EPOCH", i + 1)
            if node is not masters[0]:
                node.call("MEET", "127.0.0.1", masters[0].port, masters[0].bus.port)
        eventually(lambda: all(node.has_link_to(other) for node in self.nodes for other in self.nodes), "all to know each other", patience=30)
        for replica, master in zip(replicas, masters):
            replica.call("REPLICATE", master.id)
        self.settled()

    @property
    def url(self):
        """Two servers that do not have the store's slot, and one that does."""
        owner = self.owner()
        others = [node for node in self.nodes if node is not owner]
        return f"redis+cluster://127.0.0.1:{others[0].port},127.0.0.1:{others[-1].port},127.0.0.1:{owner.port}/"

    def named_by(self, node):
        """The owner of the store's slot, as this node sees it."""
        slot = int(node.call("KEYSLOT", PREFIX))
        for first, last, (_, port, *_), *_ in node.client.execute_command("CLUSTER SLOTS"):
            if first <= slot <= last:
                return next(one for one in self.nodes if one.port == port)
        return None

    def owner(self, than=None):
        """What most servers take for the owner, once it takes changes."""
        def agreed():
            named = []
            for node in self.nodes:
                try:
                    named.append(self.named_by(node))
                except (redis.RedisError, StopIteration):
                    pass
            best = max(named, key=named.count, default=None)
            return best if best and best is not than and 2 * named.count(best) >= len(self.nodes) and best.is_master() else None
        return eventually(agreed, "an owner of the store's slot", patience=30)

    def cut_off(self, node):
        """No message passes between it and the others."""
        node.cut |= {node.bus.port, node.address}
        for other in self.nodes:
            if other is not node:
                eventually(lambda other=other: not other.has_link_to(node) and not node.has_link_to(other), "their connections to end")

    def settled(self):
        """Each server sees all others, and each master has a replica that has everything."""
        def check():
            try:
                return all("cluster_state:ok" in str(node.call("INFO")) and "fail" not in str(node.call("NODES")) for node in self.nodes) and \
                    sum(node.is_master() for node in self.nodes) == self.count and \
                    all(node.client.info("replication")["master_link_status"] == "up" for node in self.nodes if not node.is_master()) and \
                    all(node.client.info("replication")["connected_slaves"] for node in self.nodes if node.is_master())
            except redis.RedisError:
                return False
        eventually(check, "the cluster to be whole", patience=60)

    def stop(self):
        for node in self.nodes:
            node.server.stop()
            node.bus.stop()
