"""One client, the gateway, one scripted backend behind a job: what most tests play with."""

from .gateway import DOMAIN
from .raw import Backend


def request_bytes(host, token=None, method="GET", path="/", fields=(), body=None, version="1.1"):
    """A request as text on the wire. With body given Content-Length is added."""
    lines = [f"{method} {path} HTTP/{version}"]
    if host is not None:
        lines.append(f"Host: {host}")
    if token is not None:
        lines.append(f"Authorization: Bearer {getattr(token, 'value', token)}")
    lines += fields
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + (body or b"")


class Scene:
    def __init__(self, gateway, records, token=None, backend=None, url=None):
        self.gateway, self.records = gateway, records
        self.backend = backend or Backend()
        self.token = token or records.token()
        self.job = records.job(url or self.backend.url)
        self.clients = []
        self._client = None

    @property
    def host(self):
        return f"{self.job}.{DOMAIN}"

    @property
    def client(self):
        """The first client; more come from new_client."""
        if self._client is None:
            self._client = self.new_client()
        return self._client

    def new_client(self, source=None):
        client = self.gateway.client(source)
        self.clients.append(client)
        return client

    def request(self, method="GET", path="/", fields=(), body=None, version="1.1", host=None, token=None):
        return request_bytes(host or self.host, token or self.token, method, path, fields, body, version)

    def arrive(self, *args, **kwargs):
        """Send a request and take it at the backend. Returns both ends and what came."""
        self.client.send(self.request(*args, **kwargs))
        connection = self.backend.next()
        return self.client, connection, connection.read_request()

    def relay(self, *args, **kwargs):
        """A whole exchange answered with `200 ok`; returns what the backend received."""
        client, connection, received = self.arrive(*args, **kwargs)
        connection.answer()
        response = client.read_response(received.method)
        assert (response.status, response.body) == (200, b"" if received.method == "HEAD" else b"ok")
        return received

    def untouched(self):
        """Assert that the backend has seen nothing so far, with a request that it does see."""
        assert self.backend.untouched()
        with self.gateway.client() as client:
            client.send(self.request(path="/probe"))
            connection = self.backend.next()
            assert connection.read_request().target == "/probe"
            connection.answer()
            assert client.read_response().status == 200

    def close(self):
        for client in self.clients:
            client.close()
        self.backend.close()
