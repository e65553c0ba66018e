#!/usr/bin/python3
"""Mutated messages for the control API of a real gateway: the whole way, worker and control process.

Usage: control_path.py [--messages N] [--seed SEED] [--threads N]

It starts `jobgate serve` (build/dev, or JOBGATE_BINARY) with a redis-server of its own, and sends broken messages to control.listen (in the
clear and over TLS), control.host and control.metrics: pipelined, in pieces, cut. Exit status 1 when a process ended, a sanitizer has
something to say, or a valid call is not served. A seed tells which messages come; threads decide in which order."""

import argparse
import os
import pathlib
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

from harness.control import Control  # noqa: E402
from harness.gateway import Gateway, Sanitizer  # noqa: E402
from harness.mutate import Crowd, seeds  # noqa: E402
from harness.pki import Authority  # noqa: E402
from harness.process import free_port  # noqa: E402
from harness.store import RedisServer, Records  # noqa: E402

HOST = "control.jobs.test"
TIMEOUTS = {"head": "2s", "body": "2s", "keep_alive": "2s", "handshake": "5s"}


def gateway_of(folder, sanitizer, redis, **control):
    folder.mkdir()
    port = free_port()
    gateway = Gateway(folder, sanitizer, redis.url, {
        "workers": 2, "timeouts": TIMEOUTS, "log": {"level": "info", "access": "off"},
        "control": {"listen": f"127.0.0.1:{port}", "host": HOST, **control}})
    return gateway.start(), ("127.0.0.1", port)


def run(options, folder):
    sanitizer = Sanitizer(folder / "sanitizer")
    (folder / "redis").mkdir()
    (folder / "pki").mkdir()
    redis = RedisServer(folder / "redis").start()
    authority = Authority(folder / "pki", "ours")
    certificate, key = authority.issue("server", "serverAuth")
    plain, listen = gateway_of(folder / "plain", sanitizer, redis)
    secure, tls_listen = gateway_of(folder / "secure", sanitizer, redis, certificate=str(certificate), key=str(key))
    records = Records(redis.client)
    token, operator = records.token("operator"), records.token("operator")
    context = authority.context()
    ours = seeds(token.value, "control")
    crowd = Crowd([(listen, ours, None)] * 4 + [(plain.address, seeds(token.value, HOST), None)] * 2
                  + [(("127.0.0.1", plain.metrics_port), seeds(token.value, "x"), None), (tls_listen, ours, context)], options.seed, options.threads)
    before = [gateway.processes() for gateway in (plain, secure)]
    begun = time.monotonic()

    def check():
        assert [gateway.processes() for gateway in (plain, secure)] == before, "a process has ended"
        assert Control(listen, operator).done("GET", "/v1/me")["id"] == operator.id

    try:
        crowd.run(options.messages, check)
        check()
        for api in (Control(plain.address, operator, host=HOST), Control(tls_listen, operator, context)):
            assert api.done("GET", "/v1/me")["id"] == operator.id
        assert plain.health("/readyz")[0] == 200
        print(f"seed {options.seed}: {crowd.sent} messages on {crowd.connections} connections, {crowd.answers} answers, "
              f"{time.monotonic() - begun:.0f} s; all processes live, valid calls are served")
    finally:
        statuses = [gateway.stop() for gateway in (plain, secure)]
        redis.stop()
    reports = sanitizer.new_reports()
    for report in reports:
        print(report)
    return 0 if statuses == [0, 0] and not reports else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=300000)
    parser.add_argument("--seed", default=str(os.getpid()))
    parser.add_argument("--threads", type=int, default=8)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="jobgate-fuzz-") as folder:
        return run(options, pathlib.Path(folder))


if __name__ == "__main__":
    sys.exit(main())
