"""The control API's TCP address: TLS, client certificates, and what is refused at the start."""

import json
import re
import signal
import socket
import ssl

import pytest

from harness.control import Control
from harness.gateway import binary, environment, run
from harness.pki import Authority, openssl
from harness.process import PATIENCE, accepts, eventually, free_port
from harness.raw import Client, Closed


@pytest.fixture(scope="module")
def pki(make_folder):
    folder = make_folder("pki")
    ours, theirs = Authority(folder, "ours"), Authority(folder, "theirs")
    return {"ours": ours, "server": ours.issue("server", "serverAuth"), "client": ours.issue("client", "clientAuth"),
            "theirs": theirs, "stranger": theirs.issue("stranger", "clientAuth")}


def context_of(pki, client=None, **bounds):
    return pki["ours"].context(pki[client] if client else None, **bounds)


def start(gateways, pki, **more):
    certificate, key = pki["server"]
    port = free_port()
    gateway = gateways.start({"control": {"listen": f"127.0.0.1:{port}", "certificate": str(certificate), "key": str(key), **more}})
    return gateway, ("127.0.0.1", port)


@pytest.fixture(scope="module")
def secure(module_gateways, pki):
    return start(module_gateways, pki)


@pytest.fixture(scope="module")
def mutual(module_gateways, pki):
    return start(module_gateways, pki, client_ca=str(pki["ours"].certificate))


def test_calls_over_tls(secure, pki, records):
    _, address = secure
    operator = Control(address, records.token("operator"), context_of(pki))
    job = operator.job_of(labels={"a": "b"})
    assert operator.job_record(job["id"]) == job
    Control(address, None, context_of(pki)).refused(401, "GET", "/v1/jobs")
    with operator.connect() as client:
        for _ in range(3):
            operator.send(client, "GET", "/v1/me")
            assert client.read_response().status == 200
        # Larger than a record of TLS, both ways.
        operator.send(client, "POST", "/v1/authorize", '{"token":"x","job":"y"}' + " " * 60000)
        assert client.read_response().status == 200
        operator.send(client, "GET", "/openapi.json")
        assert len(client.read_response().body) > 20000


def test_the_command_line_over_tls(secure, pki, records, sanitizer):
    """With the authorities that SSL_CERT_FILE names, and no others."""
    _, (_, port) = secure
    words = [binary(), "job", "list", "--control-url", f"https://localhost:{port}", "-o", "json"]

    def listed(**env):
        return run(words, environment(sanitizer, JOBGATE_TOKEN=records.token("operator").value, NO_COLOR="1", **env))
    done = listed(SSL_CERT_FILE=str(pki["ours"].certificate))
    assert done.json() is not None
    for env in ({}, {"SSL_CERT_FILE": str(pki["theirs"].certificate)}):
        done = listed(**env)
        assert done.status == 3 and "certificate" in done.err, done.err


def test_the_certificate_is_the_one_given(secure, pki):
    _, address = secure
    with pytest.raises(ssl.SSLCertVerificationError):
        Control(address, None, ssl.create_default_context(cafile=pki["theirs"].certificate)).connect()


def test_versions(secure, pki):
    _, address = secure
    for version, name in [(ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")]:
        with Control(address, None, context_of(pki, minimum_version=version, maximum_version=version)).connect() as client:
            assert client.sock.version() == name
    old = context_of(pki)
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with pytest.raises(OSError):
        Control(address, None, old).connect()


def test_plain_bytes_at_a_tls_address(secure, pki, records):
    """Neither served nor left hanging, and the next client is served."""
    _, address = secure
    for data in [b"GET /v1/me HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x00\x05hello", b"\0" * 2000]:
        with Client(address) as client:
            client.send(data)
            try:
                assert b"HTTP" not in client.read_to_end()
            except Closed:
                pass
    assert Control(address, records.token("operator"), context_of(pki)).call("GET", "/v1/me").status == 200


def handshake_refused(address, context):
    """TLS 1.3 clients learn of it with the first bytes they read."""
    try:
        with Control(address, None, context).connect() as client:
            Control(address).send(client, "GET", "/healthz")
            client.read_response()
    except (OSError, Closed):
        return True
    return False


def test_client_certificates(mutual, pki, records):
    """A certificate opens the door, a token says what may be done: both are needed."""
    _, address = mutual
    token = records.token("operator")
    assert Control(address, token, context_of(pki, "client")).call("GET", "/v1/me").status == 200
    Control(address, None, context_of(pki, "client")).refused(401, "GET", "/v1/me")
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        assert handshake_refused(address, context_of(pki, maximum_version=version))
        assert handshake_refused(address, context_of(pki, "stranger", maximum_version=version))
    # A server's certificate is no client's.
    assert handshake_refused(address, context_of(pki, "server"))
    assert Control(address, token, context_of(pki, "client")).call("GET", "/v1/me").status == 200


def test_handshakes_are_bounded(module_gateways, pki):
    """A client that does not finish one is cut off."""
    certificate, key = pki["server"]
    port = free_port()
    module_gateways.start({"timeouts": {"handshake": "300ms"}, "control": {
        "listen": f"127.0.0.1:{port}", "certificate": str(certificate), "key": str(key)}})
    with Client(("127.0.0.1", port)) as client:
        client.send(b"\x16\x03\x01")
        client.ended()


# ---- what is refused at the start ----

def check(sanitizer, folder, control):
    path = folder / "jobgate.yaml"
    path.write_text(json.dumps({"control": control}, indent=1))
    return run([binary(), "check", "-c", path], environment(sanitizer))


@pytest.mark.parametrize("control, line, words", [
    ({"listen": "0.0.0.0:9000"}, 3, "without TLS"), ({"listen": ":9000"}, 3, "without TLS"), ({"listen": "[::]:9000"}, 3, "without TLS"),
    ({"listen": "192.0.2.1:9000"}, 3, "control.allow_plain: true"), ({"listen": "[2001:db8::1]:9000", "allow_plain": False}, 3, "without TLS"),
    ({"listen": "127.0.0.1:9000", "certificate": "/x"}, 4, "needs control.key"),
    ({"listen": "127.0.0.1:9000", "key": "/x"}, 4, "needs control.certificate"),
    ({"listen": "127.0.0.1:9000", "client_ca": "/x"}, 4, "needs control.certificate and control.key"),
    ({"certificate": "/x", "key": "/y"}, 3, "needs control.listen"),
    ({"listen": "unix:/x"}, 3, "address:port"), ({"listen": "localhost:9000"}, 3, "address"),
], ids=str)
def test_configurations_refused(sanitizer, make_folder, control, line, words):
    result = check(sanitizer, make_folder("check"), control)
    assert result.status == 1, result
    assert re.search(rf"jobgate\.yaml:{line}:\d+: .*{re.escape(words)}", result.err), result


@pytest.mark.parametrize("control", [
    {"listen": "127.0.0.1:9000"}, {"listen": "127.1.2.3:9000"}, {"listen": "[::1]:9000"}, {"listen": ":9000", "allow_plain": True},
    {"listen": ":9000", "certificate": "server", "key": "key", "client_ca": "ours"}], ids=str)
def test_configurations_taken(sanitizer, make_folder, pki, control):
    files = {"server": pki["server"][0], "key": pki["server"][1], "ours": pki["ours"].certificate}
    control = {name: str(files.get(value, value)) if isinstance(value, str) else value for name, value in control.items()}
    result = check(sanitizer, make_folder("check"), control)
    assert result.status == 0, result


@pytest.mark.parametrize("files, words", [
    ({"certificate": "/nonexistent"}, "/nonexistent: No such file"), ({"key": "/nonexistent"}, "/nonexistent: No such file"),
    ({"key": "stranger"}, "stranger.key: not the key of its certificate"), ({"certificate": "key"}, "server.key: not a certificate in PEM"),
    ({"client_ca": "/nonexistent"}, "/nonexistent: no CA certificates in PEM"),
    ({"key": "secret"}, "secret.key: not a private key in PEM without a password")], ids=str)
def test_files_that_cannot_be_used(gateways, sanitizer, pki, make_folder, files, words):
    """Said with the setting's name, by check too; nothing is served without the TLS that was asked for, and a
    reload changes nothing."""
    certificate, key = pki["server"]
    secret = make_folder("secret") / "secret.key"
    openssl("pkcs8", "-topk8", "-in", key, "-out", secret, "-passout", "pass:x")
    paths = {"stranger": pki["stranger"][1], "key": key, "secret": secret}
    settings = {"certificate": str(certificate), "key": str(key), "listen": f"127.0.0.1:{free_port()}",
                **{name: str(paths.get(value, value)) for name, value in files.items()}}
    said = rf"control\.certificate, control\.key and control\.client_ca: .*{re.escape(words)}"
    result = check(sanitizer, make_folder("check"), settings)
    assert result.status == 1 and re.search(said, result.err), result
    gateway = gateways.make({"control": settings}).launch()
    eventually(lambda: not gateway.program.running(), "the gateway to end", PATIENCE)
    assert re.search(said, gateway.program.log())
    assert gateway.stop() == 1
    gateway.config["control"].update(certificate=str(certificate), key=str(key), client_ca=str(pki["ours"].certificate))
    gateway.start()
    before = gateway.processes()
    gateway.config["control"].update(settings)
    gateway.config_path.write_text(json.dumps(gateway.config))
    gateway.program.send_signal(signal.SIGHUP)
    eventually(lambda: "the configuration in force stays" in gateway.program.log(), "the reload to be refused")
    assert gateway.processes() == before and gateway.health("/readyz")[0] == 200


def test_address_that_is_taken(gateways, pki):
    """As with every listener: a start or a reload says so and changes nothing; once the address is free it is had."""
    certificate, key = pki["server"]
    gateway = gateways.start()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = taken.getsockname()
        gateway.config["control"].update(listen=f"127.0.0.1:{address[1]}", certificate=str(certificate), key=str(key))
        gateway.config_path.write_text(json.dumps(gateway.config))
        gateway.program.send_signal(signal.SIGHUP)
        eventually(lambda: "control.listen: cannot listen on" in gateway.program.log(), "the log to say so")
        eventually(lambda: "the configuration in force stays" in gateway.program.log(), "the reload to be refused")
        assert gateway.health("/readyz")[0] == 200 and gateway.cli("token", "list").status == 0
        second = gateways.make({"control": {"listen": f"127.0.0.1:{address[1]}"}}).launch()
        assert second.program.wait() == 1
        assert "control.listen: cannot listen on" in second.program.log()
        second.stop()
    gateway.program.send_signal(signal.SIGHUP)
    eventually(lambda: accepts(*address), "the address to be listened at", PATIENCE)
    gateway.family = []
