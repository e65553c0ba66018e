"""The user that listens at a control socket: the client does not talk to all users."""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile

import pytest

from harness.process import accepts_unix, eventually

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be a stranger")

# Answers requests, and keeps what it has read.
LISTENER = """
import socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
while True:
    peer, _ = listener.accept()
    with peer, open(sys.argv[2], "ab") as file:
        heard = peer.recv(65536)
        file.write(heard)
        if heard:
            peer.sendall(b'HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\nContent-Length: 31\\r\\n\\r\\n{"items":[],"next_cursor":null}')
"""


@pytest.fixture
def listen():
    """Have another user listen in a folder; what it has heard comes with the path of its socket."""
    made = []

    def start(folder, user="nobody"):
        socket, heard = f"{folder}/control.sock", f"{folder}/heard"
        program = subprocess.Popen([sys.executable, "-c", LISTENER, socket, heard], user=user, group="nogroup")
        made.append(program)
        eventually(lambda: accepts_unix(socket), "the listener to listen")

        def text():
            with open(heard, "rb") as file:
                return file.read()
        return socket, text
    yield start
    for program in made:
        program.kill()
        program.wait()


@pytest.fixture
def folder(make_folder):
    """One that is the other user's, below one of root's alone."""
    made = make_folder("theirs")
    made.parent.chmod(0o755)
    shutil.chown(made, "nobody")
    yield made
    made.parent.chmod(0o700)


@pytest.fixture
def planted():
    made = tempfile.mkdtemp(prefix="jobgate-planted-", dir="/tmp")
    shutil.chown(made, "nobody")
    yield made
    shutil.rmtree(made)


def ask(gateway, socket):
    return gateway.cli("token", "list", JOBGATE_URL=f"unix:{socket}", JOBGATE_TOKEN="jgt_secret")


def test_a_stranger_hears_nothing(gateway, listen, planted):
    socket, heard = listen(planted)
    told = ask(gateway, socket)
    assert told.status == 3
    assert told.err == (f"jobgate: nothing was sent: user nobody listens at {socket}, where any user could have put a socket\n"
                        "If this is your gateway, run this command as that user, or set the gateway's control.socket "
                        "to a path where only it and root can write.\n")
    assert heard() == b""


def test_a_link_of_ours_into_the_open(gateway, listen, planted, make_folder):
    socket, heard = listen(planted)
    link = make_folder("link") / "control.sock"
    link.symlink_to(socket)
    assert ask(gateway, link).status == 3
    assert heard() == b""


def test_a_service_has_a_user_of_its_own(gateway, listen, folder):
    """Where only it and root can put a socket, any user is trusted."""
    socket, heard = listen(folder)
    assert ask(gateway, socket).status == 0
    assert b"Authorization: Bearer jgt_secret" in heard()


def test_root_is_everywhere(gateway, listen, planted):
    socket, heard = listen(planted, "root")
    assert ask(gateway, socket).status == 0


def test_a_gateway_that_became_another_user(gateways, folder, redis_server):
    socket = f"{folder}/control.sock"
    gateway = gateways.make({"user": "nobody", "control": {"socket": socket}}, store_url=redis_server.tcp_url).start()
    gateway.socket_path = socket
    assert os.stat(socket).st_uid == pwd.getpwnam("nobody").pw_uid
    assert gateway.cli("token", "list").status == 0
