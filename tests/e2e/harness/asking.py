"""Proxies that ask the gateway and forward by themselves, with the examples of deploy/proxies as they stand.

Neither Debian nor npm has Traefik or Envoy: doubles (apps/traefik_double.py, apps/envoy_double.py) take their places."""

import os
import sys
from pathlib import Path

from .gateway import DOMAIN, REPOSITORY
from .in_front import NGINX
from .process import Program, accepts, eventually, free_port

EXAMPLES = REPOSITORY / "deploy" / "proxies"

DOUBLES = Path(__file__).parent / "apps"

ENVOYS_TLS = """transport_socket:
            name: envoy.transport_sockets.tls
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
              common_tls_context: {{tls_certificates: [{{certificate_chain: {{filename: {}}}, private_key: {{filename: {}}}}}]}}
          filters:
            - name: envoy.filters.network"""

# With TLS, as each example says: nginx's `listen`, Caddy's addresses and global option; for the others as in in-front/.
OVER_TLS = {
    "nginx.conf": [("listen 127.0.0.1:9080;", "listen 127.0.0.1:9080 ssl; ssl_certificate {}; ssl_certificate_key {};")],
    "Caddyfile": [("http://", "https://"), ("bind 127.0.0.1\n", "bind 127.0.0.1\n\ttls {} {}\n"), ("auto_https off", "auto_https disable_redirects")],
    "traefik.yaml": [("\nhttp:\n", "\ntls:\n  certificates: [{{certFile: {}, keyFile: {}}}]\nhttp:\n"),
                     ("      service: jobs\n", "      service: jobs\n      tls: {{}}\n"),
                     ("      service: jobgate\n", "      service: jobgate\n      tls: {{}}\n")],
    "envoy.yaml": [("filters:\n            - name: envoy.filters.network", ENVOYS_TLS)],
}


def example(name, asking, port, backend_port, folder, certificate):
    """asking: a gateway (gateway.port) and where it answers questions (port)."""
    text = (EXAMPLES / name).read_text()
    for old, new in OVER_TLS[name] if certificate else []:
        assert old in text
        text = text.replace(old, new.format(*certificate))
    for old, new in (("127.0.0.1:8080", f"127.0.0.1:{asking.gateway.port}"), ("127.0.0.1:8081", f"127.0.0.1:{asking.port}"),
                     ("127.0.0.1:8888", f"127.0.0.1:{backend_port}"), ("127.0.0.1:9080", f"127.0.0.1:{port}"), (":9080", f":{port}"),
                     *((f"port_value: {old}}}", f"port_value: {new}}}") for old, new in (
                         (8080, asking.gateway.port), (8081, asking.port), (8888, backend_port), (9080, port))),
                     ("jobs.example.org", DOMAIN), (r"jobs\.example\.org", DOMAIN.replace(".", r"\."))):
        text = text.replace(old, new)
    path = folder / name
    path.write_text(text)
    return path


def nginx(*words):
    folder = words[3]
    config = folder / "whole.conf"
    config.write_text(NGINX.format(folder=folder, example=example("nginx.conf", *words), user="user root;" if os.geteuid() == 0 else ""))
    return ["/usr/sbin/nginx", "-c", config, "-p", folder, "-e", folder / "error.log"]


def caddy(*words):
    return ["caddy", "run", "--adapter", "caddyfile", "--config", example("Caddyfile", *words)]


def traefik(asking, port, *words):
    return [sys.executable, "-B", DOUBLES / "traefik_double.py", example("traefik.yaml", asking, port, *words), port]


def envoy(*words):
    return [sys.executable, "-B", DOUBLES / "envoy_double.py", example("envoy.yaml", *words)]


PROXIES = {proxy.__name__: proxy for proxy in (nginx, caddy, traefik, envoy)}


def start_asking(proxy, asking, backend_port, folder, certificate=None):
    """Start one of these: the program, and the port at which it listens, with TLS if there is a certificate."""
    port = free_port()
    program = Program(proxy(asking, port, backend_port, folder, certificate), folder / "proxy.log", {"PATH": "/usr/bin:/usr/sbin", "HOME": str(folder)})

    def check():
        assert program.running(), program.log()
        return accepts("127.0.0.1", port)
    eventually(check, "the proxy to listen", patience=30)
    return program, port
