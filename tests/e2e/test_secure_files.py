"""What check, serve and the metrics report of certificates and secrets that work but need attention."""

import calendar
import pathlib
import shutil
import subprocess
import tempfile
import time

import pytest

from harness.gateway import DOMAIN, binary, environment, run
from harness.process import eventually, free_port

FORMAT = "%Y%m%d%H%M%SZ"
DAY = 86400


@pytest.fixture(scope="module")
def expired(authority):
    return authority.issue_between("expired", "20240101000000Z", "20240201000000Z", [f"DNS:*.{DOMAIN}"])


@pytest.fixture(scope="module")
def lasting(authority):
    """Nothing is to be said of it."""
    end = time.strftime(FORMAT, time.gmtime(time.time() + 90 * DAY))
    return authority.issue_between("lasting", "20240101000000Z", end, [f"DNS:*.{DOMAIN}"])


def with_certificate(certificate, more=""):
    return (f"listen: [\"127.0.0.1:{free_port()} tls\"]\njobs: {{domain: {DOMAIN}}}\nstore: {{url: \"redis://127.0.0.1:1\"}}\n"
            f"tls:\n  certificates: [{{certificate: {certificate[0]}, key: {certificate[1]}}}]\n{more}")


def test_nothing_to_say(check, lasting):
    _, result = check(with_certificate(lasting))
    assert (result.status, result.err) == (0, ""), result


@pytest.mark.parametrize("setting", ["tls.certificates", "control.certificate", "backends.certificate"])
def test_expired(check, expired, lasting, setting):
    text = with_certificate(expired if setting == "tls.certificates" else lasting)
    if setting != "tls.certificates":
        section = setting.partition(".")[0]
        listen = f", listen: \"127.0.0.1:{free_port()}\"" if section == "control" else ""
        text += f"{section}: {{certificate: {expired[0]}, key: {expired[1]}{listen}}}\n"
    _, result = check(text)
    assert result.status == 1, result
    assert f"error [check] {setting}: {expired[0]} expired at 2024-02-01 00:00 UTC" in result.err, result


def test_serve_goes_on_with_an_expired_one(gateways, authority, expired, lasting):
    """Jobs that are reached in other ways are; the log and the metric say what is the matter, until a reload brings another."""
    folder = gateways.make_folder("certificate")
    files = [shutil.copy(path, folder) for path in expired]
    gateway = gateways.make().secure(authority.context(), [files])
    gateway.start()
    assert f"error [supervisor] tls.certificates: {files[0]} expired at" in gateway.program.log()
    name = 'jobgate_certificate_expiry_seconds{use="clients"}'
    assert gateway.metrics()[name] == calendar.timegm((2024, 2, 1, 0, 0, 0))
    old = gateway.workers()
    for source, target in zip(lasting, files):
        shutil.copy(source, target)
    gateway.program.send_signal(1)
    eventually(lambda: gateway.workers() and not set(old) & set(gateway.workers()), "the reload")
    end = subprocess.run(["openssl", "x509", "-in", lasting[0], "-noout", "-enddate"], capture_output=True, text=True, check=True).stdout
    wanted = calendar.timegm(time.strptime(end.strip(), "notAfter=%b %d %H:%M:%S %Y GMT"))
    eventually(lambda: gateway.metrics()[name] == wanted, "the metric of the new one")
    gateway.family = gateway.processes()


def test_metric_has_the_first_of_each_use(gateways, authority, certificate, lasting):
    gateway = gateways.make({"control": {"listen": f"127.0.0.1:{free_port()}", "certificate": str(lasting[0]), "key": str(lasting[1])}})
    gateway.secure(authority.context(), [lasting, certificate]).start()
    metrics = gateway.metrics()
    clients, control = (metrics[f'jobgate_certificate_expiry_seconds{{use="{use}"}}'] for use in ("clients", "control"))
    assert abs(clients - time.time() - 2 * DAY) < DAY / 2 and abs(control - time.time() - 90 * DAY) < DAY / 2
    assert 'jobgate_certificate_expiry_seconds{use="backends"}' not in metrics


def test_soon_and_not_yet(check, authority, certificate):
    _, result = check(with_certificate(certificate))
    assert result.status == 0 and f"warning [check] tls.certificates: {certificate[0]} expires at 20" in result.err, result
    later = authority.issue_between("later", "20990101000000Z", "20990201000000Z", [f"DNS:*.{DOMAIN}"])
    _, result = check(with_certificate(later))
    assert result.status == 0 and "is not valid before 2099-01-01 00:00 UTC" in result.err, result


def test_names_that_none_covers(check, authority):
    one = authority.issue("one", "serverAuth", [f"DNS:a.{DOMAIN}", f"DNS:{DOMAIN}"])
    _, result = check(with_certificate(one, f"control: {{host: control.{DOMAIN}}}\n"))
    assert result.status == 0, result
    assert f"none is for *.{DOMAIN} (jobs.domain)" in result.err and f"none is for control.{DOMAIN} (control.host)" in result.err
    both = authority.issue("both", "serverAuth", [f"DNS:*.{DOMAIN}"])
    _, result = check(with_certificate(both, f"control: {{host: control.{DOMAIN}}}\n"))
    assert "none is for" not in result.err, result


@pytest.fixture
def public():
    """A folder that all users of the machine reach."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="jobgate-public-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_secrets_that_others_can_read(sanitizer, public, lasting):
    key, secret, config = public / "key.pem", public / "secret", public / "jobgate.yaml"
    shutil.copy(lasting[1], key)
    secret.write_bytes(b"0123456789abcdef" * 5)
    config.write_text(
        f"listen: [\"127.0.0.1:{free_port()} tls\"]\njobs: {{domain: {DOMAIN}}}\n"
        "store: {url: \"redis://:hunter2@127.0.0.1:1\"}\n"
        f"tls: {{certificates: [{{certificate: {lasting[0]}, key: {key}}}], ticket_secrets: {secret}}}\n"
        f"backends: {{certificate: {lasting[0]}, key: {key}}}\n"
        f"control: {{listen: \"127.0.0.1:{free_port()}\", certificate: {lasting[0]}, key: {key}}}\nbrowser: {{key_file: {secret}}}\n")

    def said():
        result = run([binary(), "check", "-c", config], environment(sanitizer))
        assert result.status == 0 and "hunter2" not in result.err, result
        return {line.split("warning [check] ", 1)[1].split(": every user")[0] for line in result.err.splitlines()}

    for path in (key, secret, config):
        path.chmod(0o644)
    assert said() == {"tls.certificates", "tls.ticket_secrets", "backends.key", "control.key", "browser.key_file", "the store's password"}
    key.chmod(0o640)
    assert said() == {"tls.ticket_secrets", "browser.key_file", "the store's password"}
    public.chmod(0o750)  # no other user gets there
    assert said() == set()
