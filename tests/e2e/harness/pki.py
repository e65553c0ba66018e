"""Certificates made for a test: authorities, and what they issue, as files."""

import ssl
import subprocess

KEYS = {
    "ec": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "rsa": ["-newkey", "rsa:2048"],
}


def openssl(*words, **kwargs):
    return subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, timeout=60, **kwargs)


class Authority:
    """Makes certificates that expire soon, as files."""

    def __init__(self, folder, name, days=2):
        self.folder, self.days, self.certificate = folder, days, folder / f"{name}.pem"
        self.key = folder / f"{name}.key"
        openssl("req", "-x509", *KEYS["ec"], "-nodes", "-days", days, "-subj", f"/CN={name}",
                "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-keyout", self.key, "-out", self.certificate)

    def issue(self, name, purpose, names=("DNS:localhost", "IP:127.0.0.1"), kind="ec"):
        key, request, certificate, extensions = (self.folder / f"{name}.{end}" for end in ("key", "csr", "pem", "ext"))
        openssl("req", *KEYS[kind], "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        # As strict clients want them (RFC 5280 section 4.2.1), of which Python 3.13 is one.
        extensions.write_text(f"subjectAltName={','.join(names)}\nextendedKeyUsage={purpose}\nkeyUsage=critical,digitalSignature\n"
                              "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n")
        openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial", "-days", self.days,
                "-extfile", extensions, "-out", certificate)
        return certificate, key

    def issue_between(self, name, begin, end, names=("DNS:localhost",)):
        """A certificate that is valid from one time to another, each YYYYMMDDHHMMSSZ: `x509` has no way to say that."""
        key, request, certificate, config = (self.folder / f"{name}.{ending}" for ending in ("key", "csr", "pem", "cnf"))
        openssl("req", *KEYS["ec"], "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        (self.folder / f"{name}.db").touch()
        config.write_text(f"[ca]\ndefault_ca = a\n[a]\ndatabase = {self.folder / name}.db\nnew_certs_dir = {self.folder}\n"
                          "rand_serial = yes\ndefault_md = sha256\npolicy = p\nx509_extensions = e\n[p]\ncommonName = supplied\n"
                          f"[e]\nsubjectAltName = {','.join(names)}\n")
        openssl("ca", "-batch", "-notext", "-config", config, "-cert", self.certificate, "-keyfile", self.key,
                "-startdate", begin, "-enddate", end, "-in", request, "-out", certificate)
        return certificate, key

    def context(self, certificate=None, **bounds):
        """What a client needs that trusts this authority alone, perhaps with a certificate of its own."""
        context = ssl.create_default_context(cafile=self.certificate)
        if certificate:
            context.load_cert_chain(*certificate)
        for name, value in bounds.items():
            setattr(context, name, value)
        return context
