"""A client of the gateway over TLS, with each record and each alert in the test's hands."""

import socket
import ssl

from .process import PATIENCE
from .raw import Client


class TlsSocket:
    """
    Looks like a connected socket, with TLS inside. The end of the stream without a close_notify
    shows as a reset: the reader cannot know that all has come.
    """

    def __init__(self, sock, context, name, session=None, piece=None, handshake=True):
        self.sock, self.piece = sock, piece
        context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=name, session=session)
        if handshake:
            self._until_done(self.tls.do_handshake)

    def _flush(self):
        """Send what TLS has made, in pieces if that is wanted: each a packet of its own."""
        data = self.outgoing.read()
        for start in range(0, len(data), self.piece or len(data) or 1):
            self.sock.sendall(data[start:start + (self.piece or len(data))])

    def _until_done(self, call, *args):
        while True:
            try:
                result = call(*args)
                self._flush()
                return result
            except ssl.SSLWantReadError:
                self._flush()
                data = self.sock.recv(1 << 16)
                if data:
                    self.incoming.write(data)
                else:
                    self.incoming.write_eof()
            except ssl.SSLError:
                try:
                    self._flush()  # the alert that tells why
                except OSError:
                    pass
                raise

    def recv(self, size):
        try:
            return self._until_done(self.tls.read, size)
        except ssl.SSLZeroReturnError:
            return b""
        except ssl.SSLError as error:
            if not isinstance(error, ssl.SSLEOFError) and error.reason != "UNEXPECTED_EOF_WHILE_READING":
                raise
            raise ConnectionResetError("the end came without close_notify") from None

    def sendall(self, data):
        for start in range(0, len(data), 1 << 16):
            self.tls.write(data[start:start + (1 << 16)])
            self._flush()

    def send(self, data):
        self.sendall(data)
        return len(data)

    def close(self):
        """As a polite client does: with close_notify, if the peer can still receive it."""
        try:
            self.sock.settimeout(0)
            self.shutdown(socket.SHUT_WR)
        except (OSError, ValueError):
            pass
        self.sock.close()

    def shutdown(self, how):
        """close_notify alone: TCP stays as it is."""
        assert how == socket.SHUT_WR
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass
        self._flush()

    def __getattr__(self, name):
        return getattr(self.sock, name)


class TlsClient(Client):
    def __init__(self, address, context, name, source=None, **kwargs):
        super().__init__(address, source)
        try:
            self.sock = TlsSocket(self.sock, context, name, **kwargs)
        except BaseException:
            self.sock.close()
            raise

    @property
    def tls(self):
        return self.sock.tls

    def silent(self):
        """Tickets that came are not content."""
        if self.buffer:
            return False
        self.sock.settimeout(0)
        try:
            self._more()
        except BlockingIOError:
            return True
        finally:
            self.sock.settimeout(PATIENCE)
        return False

    def reset(self):
        """As a plain client does it: with no close_notify before."""
        self.sock = self.sock.sock
        super().reset()
