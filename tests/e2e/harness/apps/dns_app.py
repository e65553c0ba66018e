#!/usr/bin/python3
"""A DNS server over UDP: dns_app.py PORT ZONE QUERIES

ZONE is a JSON file, read again for each question: {name: entry}, where an entry may have
  "A", "AAAA": [address, ...]    "ttl": seconds, 60 when left out    "CNAME": name
  "rcode": a number instead of an answer (2 SERVFAIL, 3 NXDOMAIN, 5 REFUSED)
  "silent": [type, ...]  questions that get no answer      "late": {type: seconds}  and those whose answer dawdles
A name that is not there does not exist. Each question is a line in QUERIES: "type name"."""

import asyncio
import json
import pathlib
import socket
import struct
import sys

TYPES = {1: "A", 5: "CNAME", 28: "AAAA"}
NUMBERS = {name: number for number, name in TYPES.items()}


def wire_name(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label) + b"\0"


def read_question(data):
    labels, at = [], 12
    while data[at]:
        labels.append(data[at + 1:at + 1 + data[at]].decode())
        at += 1 + data[at]
    kind, = struct.unpack_from("!H", data, at + 1)
    return ".".join(labels).lower(), TYPES.get(kind, str(kind)), data[12:at + 5]


def record(name, kind, ttl, data):
    return wire_name(name) + struct.pack("!HHIH", NUMBERS[kind], 1, ttl, len(data)) + data


def records_of(zone, name, kind):
    """Return code and records: along the chain of aliases, then those of the kind asked for."""
    found = []
    while True:
        entry = zone.get(name)
        if entry is None:
            return 3, found
        if entry.get("rcode"):
            return entry["rcode"], found
        ttl = entry.get("ttl", 60)
        if "CNAME" in entry:
            found.append(record(name, "CNAME", ttl, wire_name(entry["CNAME"])))
            name = entry["CNAME"]
            continue
        family = socket.AF_INET6 if kind == "AAAA" else socket.AF_INET
        for address in entry.get(kind, []):
            found.append(record(name, kind, ttl, socket.inet_pton(family, address)))
        return 0, found


class Server(asyncio.DatagramProtocol):
    def __init__(self, zone_path, queries_path):
        self.zone_path, self.queries_path = pathlib.Path(zone_path), queries_path

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, peer):
        name, kind, question = read_question(data)
        with open(self.queries_path, "a", encoding="ascii") as file:
            file.write(f"{kind} {name}\n")
        zone = json.loads(self.zone_path.read_text())
        entry = zone.get(name, {})
        if kind in entry.get("silent", []):
            return
        rcode, records = records_of(zone, name, kind)
        answer = data[:2] + struct.pack("!HHHHH", 0x8180 | rcode, 1, len(records), 0, 0) + question + b"".join(records)
        delay = entry.get("late", {}).get(kind, 0)
        asyncio.get_running_loop().call_later(delay, self.transport.sendto, answer, peer)


async def main():
    port, zone, queries = sys.argv[1:]
    await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Server(zone, queries), local_addr=("127.0.0.1", int(port)))
    await asyncio.Event().wait()


asyncio.run(main())
