"""A git server over HTTP, and a Python package index beside it. Usage: git_app.py FOLDER PORT

FOLDER has the repositories, and under simple/ the index. The fields of each request are printed, for tests that look for secrets."""

import http.server
import os
import subprocess
import sys

FOLDER = sys.argv[1]


class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, *args):
        super().__init__(*args, directory=FOLDER)

    def content(self):
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        pieces = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def run_git(self):
        """CGI, as RFC 3875 has it."""
        path, _, query = self.path.partition("?")
        content = self.content()
        fields = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in self.headers.items()}
        result = subprocess.run(["/usr/lib/git-core/git-http-backend"], input=content, stdout=subprocess.PIPE, check=True, env={
            **fields, "PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": FOLDER, "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path, "QUERY_STRING": query,
            "REQUEST_METHOD": self.command, "CONTENT_TYPE": self.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(content)),
            "REMOTE_USER": self.headers.get("X-Jobgate-Token-Name", "")}).stdout
        head, _, body = result.partition(b"\r\n\r\n")
        lines = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self.send_response(int(lines.pop("Status", "200 OK").split()[0]))
        for name, value in lines.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def handle_any(self):
        print(self.command, self.path, dict(self.headers), flush=True)
        if self.path.startswith("/simple/"):
            super().do_GET()
        else:
            self.run_git()

    do_GET = do_POST = handle_any

    def log_message(self, *args):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()
