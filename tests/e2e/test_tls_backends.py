"""TLS to backends: verified, named, taken up again, and cut when it is not what it should be."""

import json
import ssl

import pytest

from harness.gateway import DOMAIN
from harness.pki import Authority
from harness.raw import Backend, BackendConnection, Cut
from harness.scene import Scene
from test_upgrade import open_tunnel

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


@pytest.fixture(scope="module")
def pki(make_folder):
    folder = make_folder("pki")
    ours, theirs = Authority(folder, "ours"), Authority(folder, "theirs")
    return {"ours": ours, "theirs": theirs, "backend": ours.issue("backend", "serverAuth"),
            "by address": ours.issue("address", "serverAuth", ["IP:127.0.0.1"]),
            "elsewhere": ours.issue("elsewhere", "serverAuth", ["DNS:elsewhere.test"]),
            "foreign": theirs.issue("foreign", "serverAuth"), "gateway": ours.issue("gateway", "clientAuth")}


@pytest.fixture(scope="module")
def gateway(module_gateways, pki):
    return module_gateways.start({"backends": {"ca_file": str(pki["ours"].certificate)}})


class SecureBackend(Backend):
    def __init__(self, certificate, host="localhost", **bounds):
        super().__init__()
        self.url = f"https://{host}:{self.port}"
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*certificate)
        self.names = []
        self.context.sni_callback = lambda sock, name, context: self.names.append(name)
        for name, value in bounds.items():
            setattr(self.context, name, value)

    def accept(self):
        sock, _ = self.listener.accept()
        sock.settimeout(15)
        connection = BackendConnection(self.context.wrap_socket(sock, server_side=True, suppress_ragged_eofs=False))
        self.connections.append(connection)
        return connection

    def refused(self):
        """The gateway comes, and goes again at the sight of our certificate."""
        with pytest.raises(OSError):
            self.accept().read_head()


@pytest.fixture
def scene_with(gateway, scene_of):
    def make(*args, at=gateway, **kwargs):
        return scene_of(at, backend=SecureBackend(*args, **kwargs))
    return make


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_requests(scene_with, pki, version):
    """Kept alive, told the name, and the session taken up by the next connection."""
    scene = scene_with(pki["backend"], minimum_version=version, maximum_version=version)
    for round_ in range(3):
        client = scene.new_client()
        for _ in range(2):
            client.send(scene.request("POST", body=b"x" * 100_000))
            connection = scene.backend.connections[-1] if scene.backend.connections else scene.backend.accept()
            assert connection.read_request().body == b"x" * 100_000
            connection.answer(b"y" * 100_000)
            assert client.read_response().body == b"y" * 100_000
        assert connection.sock.session_reused == (round_ > 0)
        connection.close()
        scene.backend.connections.clear()
    assert scene.backend.names == ["localhost"] * 3


def test_by_address(scene_with, pki):
    scene = scene_with(pki["by address"], "127.0.0.1")
    scene.client.send(scene.request())
    connection = scene.backend.accept()
    connection.read_request()
    connection.answer()
    assert scene.client.read_response().status == 200
    assert scene.backend.names == [None], "an address is no name to ask for (RFC 6066 section 3)"


@pytest.mark.parametrize("certificate, host", [("foreign", "localhost"), ("elsewhere", "localhost"), ("elsewhere", "127.0.0.1"), ("gateway", "localhost")])
def test_not_verified(scene_with, pki, certificate, host):
    """Nothing of the request reaches who cannot show to be the one it is for."""
    scene = scene_with(pki[certificate], host)
    scene.client.send(scene.request())
    scene.backend.refused()
    if host == "localhost" and scene.backend.connections:
        scene.backend.connections.clear()
    response = scene.client.read_response()
    assert response.status == 502 and "certificate" in json.loads(response.body)["detail"]
    scene.gateway.access_entry(job=scene.job, outcome="not_verified", status=502)


@pytest.mark.parametrize("known, status", [("ours", 200), ("theirs", 502)])
def test_without_ca_file_the_system_decides(module_gateways, scene_with, pki, known, status):
    """SSL_CERT_FILE names another bundle than the system's, for OpenSSL as a whole."""
    gateway = module_gateways.start(env={"SSL_CERT_FILE": pki[known].certificate})
    scene = scene_with(pki["backend"], at=gateway)
    scene.client.send(scene.request())
    if status == 200:
        connection = scene.backend.accept()
        connection.read_request()
        connection.answer()
    else:
        scene.backend.refused()
    assert scene.client.read_response().status == status


def test_plain_http_at_an_https_url(gateway, scene_of):
    with Backend() as backend:
        scene = scene_of(gateway, backend=backend, url=f"https://127.0.0.1:{backend.port}")
        scene.client.send(scene.request())
        connection = backend.accept()
        connection.read_some()
        connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        assert scene.client.read_response().status == 502
        connection.close()


def test_answer_until_close(scene_with, pki):
    """Complete with a close_notify behind it, cut without."""
    scene = scene_with(pki["backend"])
    for polite in (True, False):
        client = scene.new_client()
        client.send(scene.request())
        connection = scene.backend.accept()
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\n\r\nall of it")
        head = client.read_head()
        if polite:
            connection.sock.settimeout(0)
            try:
                connection.sock.unwrap()
            except OSError:
                pass
            assert client.read_body(head).body == b"all of it"
        else:
            assert client.read_piece() == b"all of it"
            connection.close()
            with pytest.raises(Cut):
                client.read_body(head)


def test_our_certificate(module_gateways, scene_with, pki):
    """Shown to a backend that asks for one."""
    gateway = module_gateways.start({"backends": {
        "ca_file": str(pki["ours"].certificate), "certificate": str(pki["gateway"][0]), "key": str(pki["gateway"][1])}})
    scene = scene_with(pki["backend"], at=gateway, verify_mode=ssl.CERT_REQUIRED)
    scene.backend.context.load_verify_locations(pki["ours"].certificate)
    scene.client.send(scene.request())
    connection = scene.backend.accept()
    assert dict(pair[0] for pair in connection.sock.getpeercert()["subject"])["commonName"] == "gateway"
    connection.read_request()
    connection.answer()
    assert scene.client.read_response().status == 200


def test_verification_switched_off(module_gateways, scene_with, pki):
    gateway = module_gateways.start({"backends": {"verify": False}})
    assert "backends.verify: false" in gateway.program.log()
    scene = scene_with(pki["foreign"], at=gateway)
    scene.client.send(scene.request())
    connection = scene.backend.accept()
    connection.read_request()
    connection.answer()
    assert scene.client.read_response().status == 200


def test_a_tunnels_end_behind_what_waits(scene_with, pki):
    """The client has ended, but the backend does not read yet: it learns of the end once all has gone."""
    scene = scene_with(pki["backend"])
    client, connection = open_tunnel(scene)
    size = 0
    client.sock.settimeout(0.5)
    with pytest.raises(TimeoutError):
        while True:
            size += client.sock.send(b"x" * 65536)
    client.half_close()
    while size > 0:
        size -= len(connection.read(min(size, 65536)))
    assert connection.ended()
