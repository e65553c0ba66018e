"""Proxies in front of the gateway, with the examples of deploy/proxies/in-front as they stand."""

import os

from .gateway import DOMAIN, REPOSITORY
from .process import Program, accepts, eventually, free_port

EXAMPLES = REPOSITORY / "deploy" / "proxies" / "in-front"

NGINX = """{user} daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{ access_log off; client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5; include {example}; }}"""


def example(name, gateway, port, certificate, folder):
    text = (EXAMPLES / name).read_text()
    for old, new in (("127.0.0.1:8080", f"127.0.0.1:{gateway.port}"), ("127.0.0.1:9443", f"127.0.0.1:{port}"), (":9443", f":{port}"),
                     ("/etc/ssl/jobs.pem", str(certificate[0])), ("/etc/ssl/jobs.key", str(certificate[1])),
                     ("jobs.example.org", DOMAIN), (r"jobs\.example\.org", DOMAIN.replace(".", r"\."))):
        text = text.replace(old, new)
    path = folder / name
    path.write_text(text)
    return path


def nginx(gateway, port, certificate, folder):
    path = example("nginx.conf", gateway, port, certificate, folder)
    config = folder / "whole.conf"
    config.write_text(NGINX.format(folder=folder, example=path, user="user root;" if os.geteuid() == 0 else ""))
    return ["/usr/sbin/nginx", "-c", config, "-p", folder, "-e", folder / "error.log"]


def start_nginx(gateway, certificate, folder):
    """A program that clients reach at its port; browsers of this gateway go there."""
    port = gateway.tls_port = free_port()
    program = Program(nginx(gateway, port, certificate, folder), folder / "nginx.log", {"PATH": "/usr/bin:/usr/sbin"})
    eventually(lambda: accepts("127.0.0.1", port), "nginx to listen")
    return program
