#!/usr/bin/python3
"""A model that speaks gRPC, and a client of it: what deploy/grpc.md shows. Messages are plain text, so nothing has to be compiled.

Usage: demo_grpc.py serve ADDRESS
       demo_grpc.py ask ADDRESS HOST TOKEN WORD...     one call, one answer
       demo_grpc.py stream ADDRESS HOST TOKEN WORD...  one call that stays open: a word each second
"""

import concurrent.futures
import sys
import time

import grpc

ASK, STREAM = "/demo.Model/Ask", "/demo.Model/Stream"


class Model(grpc.GenericRpcHandler):
    """Turns each message to upper case."""

    def service(self, call):
        if call.method == ASK:
            return grpc.unary_unary_rpc_method_handler(lambda message, context: message.upper())
        if call.method == STREAM:
            return grpc.stream_stream_rpc_method_handler(lambda messages, context: (message.upper() for message in messages))
        return None


def serve(address):
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(max_workers=8), [Model()])
    port = server.add_insecure_port(address)
    if port == 0:
        sys.exit(f"{address} is taken")
    server.start()
    print(f"the model listens on {address}", flush=True)
    server.wait_for_termination()


def slowly(words):
    for number, word in enumerate(words):
        time.sleep(1 if number else 0)
        yield word.encode()


def talk(kind, address, host, token, words):
    metadata = [("authorization", f"Bearer {token}")]
    with grpc.insecure_channel(address, [("grpc.default_authority", host)]) as channel:
        try:
            if kind == "ask":
                print(channel.unary_unary(ASK)(" ".join(words).encode(), metadata=metadata, timeout=10).decode())
            else:
                for answer in channel.stream_stream(STREAM)(slowly(words), metadata=metadata):
                    print(answer.decode(), flush=True)
        except grpc.RpcError as error:
            sys.exit(f"{error.code().name}: {error.details()}")


if len(sys.argv) == 3 and sys.argv[1] == "serve":
    serve(sys.argv[2])
elif len(sys.argv) > 5 and sys.argv[1] in ("ask", "stream"):
    talk(*sys.argv[1:5], sys.argv[5:])
else:
    sys.exit(__doc__)
