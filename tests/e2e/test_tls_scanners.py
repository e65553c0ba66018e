"""What sslscan and testssl.sh find at the build that people run, with an ECDSA and an RSA certificate side by side."""

import json
import subprocess
import xml.etree.ElementTree

import pytest

from harness.gateway import DOMAIN, release_binary
from harness.pki import Authority

NAME = f"x.{DOMAIN}"


@pytest.fixture(scope="module")
def authority(make_folder):
    return Authority(make_folder("pki"), "ours", days=90)


@pytest.fixture(scope="module")
def gateway(module_gateways, authority):
    program = release_binary()
    pairs = [authority.issue(f"jobs-{kind}", "serverAuth", [f"DNS:*.{DOMAIN}"], kind) for kind in ("ec", "rsa")]
    gateway = module_gateways.make({"limits": {"connections_per_client": 0}}, program=program)
    return gateway.secure(authority.context(), pairs, hsts="max-age=31536000").start()


def test_sslscan(gateway):
    """What it lists is what we mean to offer, and nothing else."""
    done = subprocess.run(["sslscan", "--xml=-", f"--sni-name={NAME}", f"127.0.0.1:{gateway.tls_port}"], capture_output=True, timeout=80)
    test = xml.etree.ElementTree.fromstring(done.stdout).find("ssltest")
    assert test is not None, done
    enabled = {f"{item.get('type')}{item.get('version')}" for item in test.findall("protocol") if item.get("enabled") == "1"}
    assert enabled == {"tls1.2", "tls1.3"}
    for cipher in test.findall("cipher"):
        name = cipher.get("cipher")
        assert name.startswith(("TLS_AES_", "TLS_CHACHA20_", "ECDHE-")) and ("GCM" in name or "CHACHA20" in name), name
        assert int(cipher.get("bits")) >= 128 and cipher.get("strength") != "weak"
    assert test.find("renegotiation").get("supported") == "0" or test.find("renegotiation").get("secure") == "1"
    compression = test.find("compression")  # left out where OpenSSL is built without it
    assert compression is None or compression.get("supported") == "0"
    assert all(item.get("vulnerable") == "0" for item in test.findall("heartbleed"))


# What testssl.sh may complain of here, and why that is not the gateway's.
ACCEPTED = {
    "cert_revocation": "the test's authority publishes neither a CRL nor an OCSP responder",
    "sessionresumption_ticket": "it closes before the ticket of TLS 1.3 has come, and has nothing to resume then; see test_tls_sessions.py",
}


@pytest.mark.large
def test_testssl(gateway, authority, make_folder):
    """All its checks but simulated clients: nothing of severity LOW or above, and nothing it could not check."""
    report = make_folder("testssl") / "report.json"
    done = subprocess.run(
        ["testssl", "--quiet", "--warnings", "off", "--color", "0", "--ip", "127.0.0.1", "--nodns", "none",
         "--add-ca", authority.certificate, "--jsonfile", report,
         "--protocols", "--standard", "--pfs", "--server-preference", "--server-defaults", "--headers", "--vulnerable",
         f"https://{NAME}:{gateway.tls_port}/"],
        capture_output=True, text=True, timeout=1800, check=False)
    found = json.loads(report.read_text())
    ids = {item["id"].split(" ")[0] for item in found}
    assert {"TLS1_3", "PFS", "cert_trust", "HSTS_time", "heartbleed", "ROBOT", "LUCKY13", "RC4"} <= ids, done.stdout[-3000:]
    assert any(item["id"].endswith("<cert#2>") for item in found), "it saw one certificate"
    complaints = [item for item in found if item["severity"] not in ("OK", "INFO") and item["id"].split(" ")[0] not in ACCEPTED]
    assert not complaints, complaints
