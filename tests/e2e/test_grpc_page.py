"""deploy/grpc.md: its model, its client and its commands, one after another."""

import re
import subprocess

import pytest

from harness.gateway import DOMAIN, REPOSITORY
from harness.process import PATIENCE, Program, accepts, eventually, free_port

DEMO = REPOSITORY / "deploy" / "demo_grpc.py"


@pytest.fixture(scope="module")
def gateway(module_gateways):
    return module_gateways.start()


@pytest.fixture
def model(make_folder):
    address = f"127.0.0.1:{free_port()}"
    folder = make_folder("model")
    program = Program(["/usr/bin/python3", "-B", DEMO, "serve", address], folder / "log", {"PATH": "/usr/bin", "HOME": str(folder)})
    eventually(lambda: accepts(*address.split(":")), "the model to listen", patience=30)
    yield address
    program.stop()


def demo(kind, gateway, host, token, *words):
    return subprocess.Popen(["/usr/bin/python3", "-B", DEMO, kind, "%s:%d" % gateway.address, host, token, *words],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_the_page(gateway, model):
    job = gateway.cli("job", "create", "--id", "grpc-page", "--label", "page=grpc", "--url", f"grpc://{model}")
    assert job.status == 0, job
    made = gateway.cli("token", "create", "grpc-page", "--role", "read", "--label-selector", "page=grpc", "-o", "json").json()
    host = f"grpc-page.{DOMAIN}"
    out, err = demo("ask", gateway, host, made["value"], "hello", "world").communicate(timeout=PATIENCE)
    assert (out, err) == ("HELLO WORLD\n", "")
    out, err = demo("ask", gateway, host, "wrong", "hello").communicate(timeout=PATIENCE)
    assert out == "" and re.match("UNAUTHENTICATED: .", err)
    stream = demo("stream", gateway, host, made["value"], *"abcdefghijklmnopqrstuvwxyz")
    assert stream.stdout.readline() == "A\n"
    assert gateway.cli("token", "delete", made["id"]).status == 0
    out, err = stream.communicate(timeout=PATIENCE)
    assert re.match("UNAUTHENTICATED: .", err), (out, err)
    assert gateway.cli("job", "delete", "grpc-page").status == 0
