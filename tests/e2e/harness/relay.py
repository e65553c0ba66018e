"""The network between a gateway and its Redis, failing as a test wants it to (apps/fault_relay.py)."""

import pathlib
import socket
import sys

from .process import PATIENCE, Program, accepts_unix, eventually, free_port

APP = pathlib.Path(__file__).resolve().parent / "apps" / "fault_relay.py"


class FaultRelay:
    def __init__(self, folder, target):
        self.port = free_port()
        path = str(folder / "relay.sock")
        self.program = Program([sys.executable, APP, self.port, path, target], folder / "relay.log")
        eventually(lambda: accepts_unix(path), "the relay to listen")
        self.control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.control.settimeout(PATIENCE)
        self.control.connect(path)
        self.answers = self.control.makefile("r")

    def say(self, *words):
        """What is to happen; see the relay's own text."""
        self.control.sendall((" ".join(str(word) for word in words) + "\n").encode())
        answer = self.answers.readline().split()
        assert answer and answer[0] == "ok", self.program.log()
        return [int(number) for number in answer[1:]]

    def stop(self):
        self.control.close()
        self.program.stop()
