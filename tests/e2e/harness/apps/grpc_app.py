"""A gRPC service of grpcio without generated code: its messages are plain bytes. Usage: grpc_app.py PORT

/tests.Service/Echo      unary                       the request
               Pause     unary                       the request, after as many milliseconds as it says
               Collect   stream of requests          all of them, joined
               Count     stream of answers           "0" .. "N-1" for a request of "N"
               Chat      streams both ways           each request as it comes
               Fail      unary                       NOT_FOUND, with details and metadata
               Forever   stream of answers           "on", then nothing until it is cancelled
               Cancelled unary                       how many calls of Forever were cancelled
"""

import sys
import threading
import time
from concurrent import futures

import grpc

cancelled = 0
lock = threading.Lock()


def echo(request, _context):
    return request


def pause(request, _context):
    time.sleep(int(request) / 1000)
    return request


def collect(requests, _context):
    return b"".join(requests)


def count(request, _context):
    for i in range(int(request)):
        yield b"%d" % i


def chat(requests, _context):
    yield from requests


def fail(_request, context):
    context.set_trailing_metadata([("x-more", "1"), ("x-more-bin", b"\0\xff")])
    context.abort(grpc.StatusCode.NOT_FOUND, "kein Modell für 100 %")


def forever(_request, context):
    over = threading.Event()

    def ended():
        global cancelled
        with lock:
            cancelled += 1
        over.set()
    context.add_callback(ended)
    yield b"on"
    over.wait()


def count_cancelled(_request, _context):
    return b"%d" % cancelled


HANDLERS = grpc.method_handlers_generic_handler("tests.Service", {
    "Echo": grpc.unary_unary_rpc_method_handler(echo), "Pause": grpc.unary_unary_rpc_method_handler(pause),
    "Collect": grpc.stream_unary_rpc_method_handler(collect), "Count": grpc.unary_stream_rpc_method_handler(count),
    "Chat": grpc.stream_stream_rpc_method_handler(chat), "Fail": grpc.unary_unary_rpc_method_handler(fail),
    "Forever": grpc.unary_stream_rpc_method_handler(forever),
    "Cancelled": grpc.unary_unary_rpc_method_handler(count_cancelled)})

server = grpc.server(futures.ThreadPoolExecutor(16), options=[
    ("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1), ("grpc.so_reuseport", 0)])
server.add_generic_rpc_handlers((HANDLERS,))
if server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}") == 0:
    sys.exit("cannot listen")
server.start()
server.wait_for_termination()
