"""A backend for large bodies, as fast as Python gets: it counts an upload and throws it away, and makes
up a download. POST answers with the number of bytes received; GET /<n> sends n bytes.
Usage: sink_app.py PORT"""

import socket
import sys
import threading

BLOCK = 1 << 20


def read_head(sock):
    head = b""
    while b"\r\n\r\n" not in head:
        data = sock.recv(1 << 16)
        if not data:
            return None, b""
        head += data
    head, rest = head.split(b"\r\n\r\n", 1)
    return head.decode("latin-1"), rest


def swallow(sock, left):
    buffer = bytearray(BLOCK)
    count = 0
    while count < left:
        size = sock.recv_into(buffer, min(BLOCK, left - count))
        if not size:
            break
        count += size
    return count


def swallow_chunks(sock, rest):
    """The same for a chunked body; the framing is trusted, the content only counted."""
    stream = sock.makefile("rb", BLOCK)
    count = 0

    def line():
        nonlocal rest
        while b"\r\n" not in rest:
            rest += stream.read1(BLOCK)
        text, rest = rest.split(b"\r\n", 1)
        return text

    while size := int(line(), 16):
        count += size
        size += 2
        taken = min(size, len(rest))
        rest = rest[taken:]
        size -= taken
        while size:
            size -= len(stream.read1(min(size, BLOCK)))
    line()
    return count


def serve(sock):
    with sock:
        while True:
            head, rest = read_head(sock)
            if head is None:
                return
            method, target, _ = head.split("\r\n", 1)[0].split(" ")
            fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:])
            if method == "GET":
                left = int(target.rsplit("/", 1)[1])
                sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % left)
                zeros = bytes(BLOCK)
                while left:
                    size = min(BLOCK, left)
                    sock.sendall(zeros[:size])
                    left -= size
                continue
            if "transfer-encoding" in fields:
                count = swallow_chunks(sock, rest)
            else:
                count = len(rest) + swallow(sock, int(fields.get("content-length", "0")) - len(rest))
            text = str(count).encode()
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text))


def main():
    with socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=64) as listener:
        while True:
            sock, _ = listener.accept()
            threading.Thread(target=serve, args=(sock,), daemon=True).start()


main()
