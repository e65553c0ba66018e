"""`jobgate console`, which serves the console at an address of its own on this machine for the one who runs it."""

import json
import re
import subprocess

from .gateway import environment
from .process import eventually
from .raw import Client

LINK = re.compile(r"http://((127\.\d+\.\d+\.\d+):(\d+))/console#link=([0-9a-f]{64})")


class Bridge:
    def __init__(self, gateway, folder, *words, runner=(), **env):
        """runner: the words of a program that runs the command."""
        self.folder, self.links = folder, []
        self.popen = subprocess.Popen([*runner, gateway.program_path, "console", "--control-url", f"unix:{gateway.socket_path}", *words],
                                      env=environment(gateway.sanitizer, XDG_RUNTIME_DIR=folder, **env), stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, stderr=(folder / "console.err").open("w"), text=True)
        self.authority, self.host, port, self.code = self.next_link()
        self.port = int(port)
        self.address, self.origin = (self.host, self.port), f"http://{self.authority}"
        eventually(lambda: "Ctrl-C" in self.err(), "the words after the link")

    def err(self):
        return (self.folder / "console.err").read_text()

    def next_link(self):
        """Of the next line that has one."""
        for line in self.popen.stdout:
            if found := LINK.search(line):
                self.links.append(found[0])
                return found.groups()
        raise AssertionError(f"no link: {self.err()}")

    def press_enter(self):
        self.popen.stdin.write("\n")
        self.popen.stdin.flush()
        self.code = self.next_link()[-1]

    def ask(self, method, path, body=None, host=None, origin=None, key=None, fields=()):
        """Send a request exactly so; origin "": none."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.authority if host is None else host}", *fields]
        if origin != "":
            lines.append(f"Origin: {origin or self.origin}")
        if key:
            lines.append(f"Authorization: Bearer {key}")
        content = b"" if body is None else json.dumps(body).encode()
        if content:
            lines.append(f"Content-Length: {len(content)}")
        with Client(self.address) as client:
            client.send("\r\n".join(lines).encode() + b"\r\n\r\n" + content)
            return client.read_response(method)

    def open(self, code=None, **kwargs):
        return self.ask("POST", "/link", {"code": code or self.code}, **kwargs)

    def key(self):
        answer = self.open()
        assert answer.status == 200, answer
        return json.loads(answer.body)["key"]

    def end(self):
        self.popen.terminate()
        return self.popen.wait(30)
