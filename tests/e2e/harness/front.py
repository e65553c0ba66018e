"""A job as browsers reach it: at a sidecar, at an edge gateway, or behind nginx."""

from .gateway import DOMAIN
from .in_front import start_nginx
from .visitor import SIGN_IN_HOST

KINDS = ["sidecar", "edge", "nginx"]


class Front:
    """The job's host, a token for it, and the gateway, whose tls_port is where browsers go. http2: whether the gateway itself speaks it."""

    def __init__(self, kind, server, gateways, records, authority, certificate, folder, http2=True):
        self.kind, self.server, self.proxy = kind, server, None
        self.job, self.token = records.job(server.url), records.token()
        self.host = f"{self.job}.{DOMAIN}"
        settings = {"http2": {"clients": http2}}
        if kind == "nginx":
            settings["backends"] = {"trusted_proxies": ["127.0.0.1"]}
        elif kind == "sidecar":
            settings["jobs"] = {"domain": None, "prefix": None, "fixed": self.job}
            settings["browser"] = {"host": SIGN_IN_HOST, "job_host": self.host}
        self.gateway = gateways.make(settings)
        if kind != "nginx":
            self.gateway.secure(authority.context(), [certificate])
        self.gateway.start()
        if kind == "nginx":
            self.proxy = start_nginx(self.gateway, certificate, folder)

    def hidden(self):
        """The job knows who asks, and has seen neither the token nor the gateway's cookies."""
        log = self.server.program.log()
        return self.token.value[21:] not in log and "__Host-jobgate" not in log

    def stop(self):
        if self.proxy:
            self.proxy.stop()
