"""A WebSocket over HTTP/2 (RFC 8441): both ends of it, played by hand."""

import base64
import hashlib

from .h2 import Answer

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Tunnel:
    """The client's end: one stream. What comes on it is read as from a socket."""

    def __init__(self, client, stream):
        self.client, self.stream = client, stream
        self.answer = client.answers.setdefault(stream, Answer())

    def head(self):
        """Its status, once the head has come."""
        self.client.until(lambda: self.answer.heads)
        return self.answer.status

    def send(self, data, end=False):
        self.client.send(self.client.data(self.stream, data, end=end))

    def read(self, size):
        self.client.until(lambda: len(self.answer.body) >= size)
        data, self.answer.body = self.answer.body[:size], self.answer.body[size:]
        return data

    def end(self):
        """What comes until the gateway has ended its side, or the stream is reset: and the code of that."""
        self.client.until(lambda: self.answer.ended or self.answer.reset is not None)
        return self.answer.body, self.answer.reset

    def reset(self):
        """The code of the reset that ends the stream; and what came before."""
        self.client.until(lambda: self.answer.reset is not None)
        return self.answer.body, self.answer.reset


def accept_of(received):
    """The Sec-WebSocket-Accept for a handshake that has arrived."""
    return base64.b64encode(hashlib.sha1((received.field("sec-websocket-key") + GUID).encode()).digest()).decode()


def switch(connection, *accepts, protocol="websocket", fields=()):
    """Answer with 101; accepts: values of Sec-WebSocket-Accept."""
    lines = ["HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", f"Upgrade: {protocol}",
             *(f"Sec-WebSocket-Accept: {accept}" for accept in accepts), *fields]
    connection.send(("\r\n".join(lines) + "\r\n\r\n").encode())


def open_tunnel(scene, client, **how):
    """A handshake from end to end. Returns the client's end and the backend's."""
    tunnel = Tunnel(client, client.connect(scene.host, scene.token, fields=[("sec-websocket-version", "13")], **how))
    connection = scene.backend.next()
    switch(connection, accept_of(connection.read_request()))
    assert tunnel.head() == 200
    return tunnel, connection
