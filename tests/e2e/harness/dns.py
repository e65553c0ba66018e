"""A DNS server of the tests' own (apps/dns_app.py): what it answers is a matter of changing `zone`."""

import json
import os
import socket
import struct
import sys

from .process import Program, eventually, free_port
from .servers import APPS


class DnsServer:
    def __init__(self, folder):
        self.zone_path, self.queries_path = folder / "zone.json", folder / "queries"
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.queries_path.touch()
        self.zone = {}
        self.write()
        self.program = Program([sys.executable, APPS / "dns_app.py", self.port, self.zone_path, self.queries_path],
                               folder / "dns.log")
        eventually(self._answers, "the DNS server to answer")

    def _answers(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(0.1)
            try:
                sock.connect(("127.0.0.1", self.port))
                sock.send(struct.pack("!6H", 1, 0x100, 1, 0, 0, 0) + b"\4test\0" + struct.pack("!HH", 1, 1))
                return sock.recv(512)
            except OSError:
                return None

    def write(self):
        """Whole or not at all: the server may be reading."""
        draft = self.zone_path.with_suffix(".draft")
        draft.write_text(json.dumps(self.zone))
        os.replace(draft, self.zone_path)

    def set(self, name, **entry):
        self.zone[name] = entry
        self.write()

    @property
    def environment(self):
        """What makes a gateway ask this server."""
        return {"JOBGATE_DNS_SERVERS": self.address}

    def count(self, name, kind="A"):
        """How often this was asked."""
        return self.queries_path.read_text().splitlines().count(f"{kind} {name}")

    def stop(self):
        self.program.stop()
