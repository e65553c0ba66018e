#!/usr/bin/python3
"""Calls whose answers are streams of many small messages, some at a time; counts the messages. h2.py runs it.

Usage: grpc_streams.py PORT AUTHORITY TOKEN CALLS SECONDS: prints messages, calls that failed, and seconds.
"""

import sys
import threading
import time

import grpc

MESSAGES = 1000  # of a call


def play(method, metadata, until, counts):
    while time.monotonic() < until:
        try:
            for _ in method(b"%d" % MESSAGES, metadata=metadata, timeout=60):
                counts["messages"] += 1
        except grpc.RpcError as error:
            counts["failed"] += 1
            print(error, file=sys.stderr)


def main():
    port, authority, token, calls, seconds = sys.argv[1:]
    counts = [{"messages": 0, "failed": 0} for _ in range(int(calls))]
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.default_authority", authority), ("grpc.enable_retries", 0)]) as channel:
        method, began = channel.unary_stream("/tests.Service/Count"), time.monotonic()
        threads = [threading.Thread(target=play, args=(method, [("authorization", f"Bearer {token}")], began + float(seconds), one)) for one in counts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print(sum(one["messages"] for one in counts), sum(one["failed"] for one in counts), time.monotonic() - began)


if __name__ == "__main__":
    main()
