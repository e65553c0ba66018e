"""Backends that people really run: nginx, aiohttp, websockets."""

import os
import pathlib
import sys

from .process import PATIENCE, Program, accepts, eventually, free_port

APPS = pathlib.Path(__file__).resolve().parent / "apps"


class Server:
    def __init__(self, program, port):
        self.program, self.port = program, port
        self.authority = f"127.0.0.1:{port}"
        self.url = f"http://{self.authority}"

    def stop(self, patience=PATIENCE):
        self.program.stop(patience=patience)


def _started(argv, folder, name, port, host="127.0.0.1", env=None, patience=PATIENCE):
    program = Program(argv, folder / f"{name}.log", env)

    def check():
        assert program.running(), f"{name} ended by itself:\n{program.log()}"
        return accepts(host, port)
    eventually(check, f"{name} to listen", patience)
    return Server(program, port)


def aiohttp_server(folder):
    port = free_port()
    return _started([sys.executable, APPS / "aiohttp_app.py", port], folder, "aiohttp", port)


def websockets_server(folder):
    port = free_port()
    return _started([sys.executable, APPS / "websockets_app.py", port], folder, "websockets", port)


def grpc_server(folder):
    port = free_port()
    return _started([sys.executable, APPS / "grpc_app.py", port], folder, "grpc", port)


def grpc_js_server(folder, script):
    """The same service by grpc_peer.js, which lies where node finds the library."""
    port = free_port()
    return _started(["node", script, "serve", port], folder, "grpc-js", port)


def dashboard_server(folder):
    port = free_port()
    return _started([sys.executable, APPS / "dashboard_app.py", port], folder, "dashboard", port)


def openai_server(folder, *key):
    """key: the model's own; without it the model asks for none."""
    port = free_port()
    return _started([sys.executable, APPS / "openai_app.py", port, *key], folder, "openai", port)


def socketio_server(folder, library):
    """library: the folder in which socketio_app.js lies beside socket.io."""
    port = free_port()
    return _started(["node", library / "socketio_app.js", port], folder, "socketio", port)


def git_server(folder):
    port = free_port()
    return _started([sys.executable, APPS / "git_app.py", folder, port], folder, "git", port)


def jupyter_server(folder, *flags):
    """Jupyter Notebook with the flags of deploy/apps.md, and a folder work for its files."""
    port = free_port()
    (folder / "work").mkdir()
    server = _started(["jupyter-notebook", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}", "--port-retries=0",
                       f"--notebook-dir={folder}/work", *flags], folder, "jupyter", port,
                      env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "LANG": "C.UTF-8"}, patience=120)
    server.folder = folder
    return server


def code_server(folder, library):
    """VS Code for browsers, with the flags of deploy/apps.md, and a folder work. library: where npm has put it."""
    port = free_port()
    (folder / "work").mkdir()
    server = _started(["node", library / "node_modules/code-server/out/node/entry.js", f"--bind-addr=127.0.0.1:{port}", "--auth=none",
                       "--disable-telemetry", "--disable-update-check", "--disable-workspace-trust", folder / "work"], folder, "code-server", port,
                      env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "LANG": "C.UTF-8", "SHELL": "/bin/sh"}, patience=120)
    server.folder = folder
    return server


def websocket_server(folder, *tls):
    """tls: key and certificate; without them it speaks in cleartext."""
    port = free_port()
    return _started(["node", APPS / "websocket_peer.js", port, *tls], folder, "websocket", port)


def hold_server(folder):
    port = free_port()
    return _started([sys.executable, APPS / "hold_app.py", port], folder, "hold", port)


NGINX = """
{user}
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
	access_log {folder}/access.log;
	client_body_temp_path {folder}/body;
	proxy_temp_path {folder}/proxy;
	fastcgi_temp_path {folder}/fastcgi;
	uwsgi_temp_path {folder}/uwsgi;
	scgi_temp_path {folder}/scgi;
	keepalive_requests 100000;
	sendfile on;
	tcp_nopush on;
	server {{
		listen 127.0.0.1:{port};
		root {folder}/files;
		location /gzip/ {{
			alias {folder}/files/;
			gzip on;
			gzip_min_length 1;
			gzip_types text/plain;
		}}
	}}
}}
"""


def nginx_server(folder):
    """nginx with what the test puts into folder/files."""
    (folder / "files").mkdir(exist_ok=True)
    port = free_port()
    config = folder / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""
    config.write_text(NGINX.format(folder=folder, port=port, user=user))
    server = _started(["/usr/sbin/nginx", "-c", config, "-p", folder, "-e", folder / "error.log"],
                      folder, "nginx", port)
    server.files = folder / "files"
    return server


def sink_server(folder):
    port = free_port()
    return _started([sys.executable, APPS / "sink_app.py", port], folder, "sink", port)


def nghttpd_server(folder):
    """HTTP/2 without TLS, with the files of the folder."""
    port = free_port()
    return _started(["nghttpd", "--no-tls", "-a", "127.0.0.1", "-d", folder, port], folder, "nghttpd", port)


def slow_server(folder):
    port = free_port()
    return _started([sys.executable, APPS / "slow_app.py", port], folder, "slow", port)


def plain_server(folder, host="127.0.0.1", port=None):
    port = port or free_port(host)
    server = _started([sys.executable, APPS / "plain_app.py", host, port], folder, f"plain-{host}", port, host)
    eventually(lambda: "listening" in server.program.log(), "this one of those that share the address to listen")
    return server
