"""The limit on a test's time itself (conftest.py)."""

import signal
import socket

import pytest

from harness.raw import Peer


def test_a_test_that_takes_too_long_says_so():
    """A client that waits at that moment must not say that nothing came to it: then the gateway would seem to be silent."""
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(pytest.fail.Exception, match="the test took over 90 s"):
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        Peer(ours).read(1)
