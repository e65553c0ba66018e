"""Redis Sentinel: a primary, two replicas and three sentinels, as redis+sentinel:// URLs mean them."""

import redis

from .process import Program, eventually, free_port
from .relay import FaultRelay
from .store import RedisServer

NAME = "main"


class Sentinel:
    def __init__(self, folder, primary_port, *settings, **login):
        self.folder, self.port = folder, free_port()
        (folder / "sentinel.conf").write_text(
            f"port {self.port}\nbind 127.0.0.1\ndir {folder}\n"
            f"sentinel monitor {NAME} 127.0.0.1 {primary_port} 2\n"
            f"sentinel down-after-milliseconds {NAME} 600\n"
            f"sentinel failover-timeout {NAME} 3000\n" + "".join(f"{line}\n" for line in settings))
        self.client = redis.Redis(port=self.port, decode_responses=True, socket_timeout=5, **login)
        self.program = None

    def start(self):
        self.program = Program(["redis-server", self.folder / "sentinel.conf", "--sentinel"],
                               self.folder / "sentinel.log")
        return self

    def primary_port(self):
        try:
            return int(self.client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)[1])
        except redis.RedisError:
            return 0

    def knows(self, replicas, sentinels):
        try:
            known = self.client.info("sentinel")["master0"]
        except redis.RedisError:
            return False
        return known["slaves"] >= replicas and known["sentinels"] >= sentinels

    def stop(self):
        if self.program and self.program.running():
            self.program.stop(9)


class Family:
    """The first primary is reached, by all others as well, over a relay."""

    def __init__(self, make_folder):
        options = ["--repl-diskless-sync-delay", "0", "--repl-timeout", "2", "--repl-ping-replica-period", "1"]
        first = RedisServer(make_folder("redis"), *options).start()
        self.relay = FaultRelay(make_folder("relay"), first.port)
        self.servers = {self.relay.port: first}  # by the port at which sentinels know them
        for _ in range(2):
            replica = RedisServer(make_folder("redis"), *options).start()
            replica.client.replicaof("127.0.0.1", self.relay.port)
            self.servers[replica.port] = replica
        for server in list(self.servers.values())[1:]:
            eventually(lambda server=server: server.client.info("replication")["master_link_status"] == "up",
                       "the replicas to have everything")
        self.sentinels = [Sentinel(make_folder("sentinel"), self.relay.port).start() for _ in range(3)]
        for sentinel in self.sentinels:
            eventually(lambda sentinel=sentinel: sentinel.knows(2, 3), "the sentinels to know each other", patience=30)

    @property
    def url(self):
        places = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{places}/{NAME}"

    def client(self, port):
        return self.servers[port].client

    def primary(self):
        """What most sentinels name, once they do and it takes changes; its port, as they know it."""
        def agreed():
            ports = [sentinel.primary_port() for sentinel in self.sentinels]
            port = max(set(ports), key=ports.count)
            if ports.count(port) < 2 or port not in self.servers:
                return None
            try:
                return port if self.client(port).role()[0] == "master" else None
            except redis.RedisError:
                return None
        return eventually(agreed, "a primary", patience=30)

    def demoted(self, port):
        """Wait for the sentinels to make a replica of this one; they close its connections as they do."""
        def check():
            try:
                return self.client(port).role()[0] == "slave"
            except redis.RedisError:
                return False
        eventually(check, "the old primary to be demoted", patience=30)

    def another_primary(self, than):
        return eventually(lambda: (port := self.primary()) != than and port, "another primary", patience=30)

    def stop(self):
        for program in [*self.sentinels, *self.servers.values(), self.relay]:
            program.stop()
