"""Which certificate a client is shown, what is stapled to it, and who must show one in turn."""

import shutil
import ssl
import subprocess

import pytest

from harness.gateway import DOMAIN, binary, environment, run
from harness.pki import Authority, openssl
from harness.raw import Closed
from harness.scene import request_bytes
from test_reload import reload

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


@pytest.fixture(scope="module")
def pki(make_folder):
    folder = make_folder("pki")
    ours = Authority(folder, "ours")
    issue = ours.issue
    theirs = Authority(folder, "theirs")
    return {
        "ours": ours, "theirs": theirs,
        "default": issue("default", "serverAuth", ["DNS:gateway.test"]),
        "wildcard": issue("wildcard", "serverAuth", [f"DNS:*.{DOMAIN}"]),
        "wildcard rsa": issue("wildcard-rsa", "serverAuth", [f"DNS:*.{DOMAIN}"], "rsa"),
        "exact": issue("exact", "serverAuth", [f"DNS:special.{DOMAIN}", "DNS:UPPER.test"]),
        "client": issue("client", "clientAuth"), "stranger": theirs.issue("stranger", "clientAuth"),
        "server": issue("server", "serverAuth"),
    }


def context_of(pki, client=None, **bounds):
    context = pki["ours"].context(pki[client] if client else None, **bounds)
    context.check_hostname = False
    return context


@pytest.fixture(scope="module")
def gateway(module_gateways, pki):
    gateway = module_gateways.make().secure(
        context_of(pki), [pki[name] for name in ("default", "wildcard", "wildcard rsa", "exact")])
    return gateway.start()


def shown(gateway, name, context=None):
    with gateway.tls_client(name, context) as client:
        assert client.exchange(request_bytes(f"x.{DOMAIN}")).status == 401
        return dict(pair[0] for pair in client.tls.getpeercert()["subject"])["commonName"]


@pytest.mark.parametrize("asked, certificate", [
    (f"special.{DOMAIN}", "exact"), (f"SPECIAL.{DOMAIN.upper()}", "exact"), ("upper.test", "exact"), (f"a.{DOMAIN}", "wildcard"), (f"special2.{DOMAIN}", "wildcard"),
    (f"a.b.{DOMAIN}", "default"), (DOMAIN, "default"), ("gateway.test", "default"), ("elsewhere.test", "default"), (None, "default"), ("x", "default"),
    ("a" * 63 + "." + "b" * 63 + "." + "c" * 63 + "." + "d" * 60, "default")], ids=lambda value: str(value)[:24])
@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_name(gateway, pki, asked, certificate, version):
    assert shown(gateway, asked, context_of(pki, minimum_version=version, maximum_version=version)) == certificate


def test_kinds_of_keys_side_by_side(gateway, pki):
    """A client that cannot verify ECDSA has the RSA certificate of the same name."""
    for ciphers, certificate in [("ECDHE-ECDSA-AES128-GCM-SHA256", "wildcard"), ("ECDHE-RSA-AES128-GCM-SHA256", "wildcard-rsa")]:
        context = context_of(pki, maximum_version=TLS12)
        context.set_ciphers(ciphers)
        assert shown(gateway, f"a.{DOMAIN}", context) == certificate
    for algorithms, kind in [("RSA-PSS+SHA256", "rsa_pss"), ("ECDSA+SHA256", "ecdsa")]:
        done = s_client(gateway, f"a.{DOMAIN}", "-tls1_3", "-sigalgs", algorithms)
        words = done.lower().replace("-", "_")  # OpenSSL 3.5 gives the scheme, 3.0 its kind in capitals
        assert f"peer signature type: {kind}" in words, done


def s_client(gateway, name, *words):
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{gateway.tls_port}", "-servername", name, *words],
                          input=b"", capture_output=True, timeout=30)
    return done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace")


def test_new_certificates_with_a_reload(gateways, pki, make_folder):
    """SIGHUP brings them; a mistake leaves the old ones in force; running connections stay."""
    folder = make_folder("certificates")
    certificate, key = folder / "certificate", folder / "key"

    def put(name):
        shutil.copy(pki[name][0], certificate)
        shutil.copy(pki[name][1], key)
    put("wildcard")
    gateway = gateways.make().secure(context_of(pki), [(certificate, key)]).start()
    assert shown(gateway, f"a.{DOMAIN}") == "wildcard"
    put("exact")
    assert shown(gateway, f"a.{DOMAIN}") == "wildcard"
    with gateway.tls_client() as kept:
        assert kept.exchange(request_bytes(f"x.{DOMAIN}")).status == 401
        old = gateway.workers()
        gateway.program.send_signal(1)
        from test_reload import eventually
        eventually(lambda: not set(gateway.workers()) <= set(old), "new workers")
        eventually(lambda: shown(gateway, f"a.{DOMAIN}") == "exact", "the new certificate")
        assert kept.exchange(request_bytes(f"x.{DOMAIN}")).status == 401
    workers = gateway.workers()
    shutil.copy(pki["wildcard"][1], key)  # of another certificate
    gateway.program.send_signal(1)
    eventually(lambda: "the configuration in force stays" in gateway.program.log(), "the log to say what is wrong")
    assert "not the key of its certificate" in gateway.program.log()
    assert shown(gateway, f"a.{DOMAIN}") == "exact"
    assert gateway.workers()[-1] in workers
    put("wildcard")
    reload(gateway)
    assert shown(gateway, f"a.{DOMAIN}") == "wildcard"


# ---- OCSP ----

@pytest.fixture(scope="module")
def respond(pki, make_folder):
    """An answer of the authority's responder about a certificate."""
    folder = make_folder("ocsp")
    authority = pki["ours"]

    def call(name, status="V", minutes=60):
        certificate = pki[name][0]
        serial = openssl("x509", "-in", certificate, "-noout", "-serial").stdout.decode().strip().split("=")[1]
        index, answer = folder / "index", folder / f"{name}{status}{minutes}"
        revoked = "240101000000Z" if status == "R" else ""
        index.write_text(f"{status}\t491231235959Z\t{revoked}\t{serial}\tunknown\t/CN={name}\n")
        openssl("ocsp", "-index", index, "-rsigner", authority.certificate, "-rkey", authority.key, "-CA", authority.certificate,
                "-issuer", authority.certificate, "-cert", certificate, "-respout", answer, "-nmin", minutes, "-noverify")
        return answer
    return call


def chained(pki, name, folder):
    path = folder / f"{name}-chain.pem"
    path.write_text(pki[name][0].read_text() + pki["ours"].certificate.read_text())
    return path


def test_ocsp_is_stapled(gateways, pki, respond, make_folder):
    folder = make_folder("chain")
    gateway = gateways.make().secure(context_of(pki), [
        {"certificate": str(chained(pki, "wildcard", folder)), "key": str(pki["wildcard"][1]), "ocsp": str(respond("wildcard"))}, pki["exact"]]).start()
    for version in ("-tls1_2", "-tls1_3"):
        assert "OCSP Response Status: successful" in s_client(gateway, f"a.{DOMAIN}", "-status", version)
        assert "OCSP response: no response sent" in s_client(gateway, f"special.{DOMAIN}", "-status", version)


@pytest.mark.parametrize("answer, words", [
    ("another", "for another certificate"), ("revoked", "does not say that the certificate is good"), ("garbage", "not an OCSP response"), ("unchained", "the issuer's certificate"),
    ("missing", "No such file")])
def test_bad_ocsp(pki, respond, make_folder, sanitizer, answer, words):
    folder = make_folder("chain")
    (folder / "garbage").write_bytes(b"garbage")
    file = {"another": lambda: respond("exact"), "revoked": lambda: respond("wildcard", "R"), "garbage": lambda: folder / "garbage",
            "unchained": lambda: respond("wildcard"), "missing": lambda: folder / "missing"}[answer]()
    certificate = pki["wildcard"][0] if answer == "unchained" else chained(pki, "wildcard", folder)
    path = folder / "jobgate.yaml"
    path.write_text(f"listen: [\"127.0.0.1:1 tls\"]\ntls:\n  certificates: [{{certificate: {certificate}, key: {pki['wildcard'][1]}, ocsp: {file}}}]\n")
    result = run([binary(), "check", "-c", path], environment(sanitizer))
    assert result.status == 1 and words in result.err and str(file) in result.err, result


# ---- client certificates ----

def admitted(gateway, context, session=None):
    """TLS 1.3 clients learn of a refusal with the first bytes they read. (admitted, resumed, session)"""
    try:
        with gateway.tls_client(context=context, session=session) as client:
            assert client.exchange(request_bytes(f"x.{DOMAIN}")).status == 401, "a certificate is no token"
            return True, client.tls.session_reused, client.tls.session
    except (OSError, Closed):
        return False, None, None


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_client_certificates(gateways, pki, version):
    authority = str(pki["ours"].certificate)
    gateway = gateways.make().secure(context_of(pki), [pki["wildcard"]], client_ca=authority, client_certificates="optional").start()

    def context(client=None):
        return context_of(pki, client, minimum_version=version, maximum_version=version)
    bare = context()
    _, _, session = admitted(gateway, bare)
    assert session and admitted(gateway, context("client"))[0]
    assert not admitted(gateway, context("stranger"))[0] and not admitted(gateway, context("server"))[0]
    resumed = admitted(gateway, bare, session)
    assert resumed[:2] == (True, True)
    reload(gateway, {"tls": {"client_certificates": "required"}})
    # A session made without a certificate, while that was allowed, opens no door now.
    assert not admitted(gateway, bare, session)[0] and not admitted(gateway, bare)[0]
    shown_one = context("client")
    known = admitted(gateway, shown_one)
    assert known[0] and admitted(gateway, shown_one, known[2])[:2] == (True, True)
    # Nor one of an authority that is not trusted any more.
    reload(gateway, {"tls": {"client_ca": str(pki["theirs"].certificate)}})
    assert not admitted(gateway, shown_one, known[2])[0]
    assert admitted(gateway, context("stranger"))[0]
