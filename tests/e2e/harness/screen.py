"""A terminal for the command line: what a person at it would see and type."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

from .process import PATIENCE


class Screen:
    """A program on a pseudo-terminal of its own."""

    def __init__(self, argv, env, columns=80):
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.master, self.text = master, ""
        self.popen = subprocess.Popen([str(word) for word in argv], env=env, stdin=slave, stdout=slave, stderr=slave,
                                      start_new_session=True, preexec_fn=self._take_terminal)
        os.close(slave)

    @staticmethod
    def _take_terminal():
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        for number in (signal.SIGINT, signal.SIGQUIT):  # a test run in the background has them ignored
            signal.signal(number, signal.SIG_DFL)

    def _read(self, wait):
        if not select.select([self.master], [], [], wait)[0]:
            return None
        try:
            piece = os.read(self.master, 65536).decode()
        except OSError:  # the other end is closed
            piece = ""
        self.text += piece.replace("\r\n", "\n")
        return piece

    def expect(self, pattern):
        """Wait for a text; returns the match."""
        deadline = time.monotonic() + PATIENCE
        while not (match := re.search(pattern, self.text)):
            assert time.monotonic() < deadline and self._read(1) != "", f"no {pattern!r} in {self.text!r}"
        return match

    def resize(self, columns, rows):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def clear(self):
        """Forget what was on the screen so far."""
        self.text = ""

    def type(self, text):
        os.write(self.master, text.encode())

    def end(self):
        """Everything that was on the screen, and the exit status."""
        deadline = time.monotonic() + PATIENCE
        while self._read(1) != "":
            assert time.monotonic() < deadline, f"it does not end: {self.text!r}"
        os.close(self.master)
        return self.text, self.popen.wait(PATIENCE)
