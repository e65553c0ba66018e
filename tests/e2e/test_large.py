"""Bodies far larger than memory stream through: the worker's peak resident memory stays small."""

import pathlib

import pytest

from harness.gateway import binary, release_binary
from harness.raw import Client
from harness.scene import request_bytes

MEBIBYTE = 1 << 20
GIBIBYTE = 1 << 30
MEMORY_MAX = 64 * MEBIBYTE
# AddressSanitizer's own bookkeeping is not the gateway's memory.
MEMORY_MAX_SANITIZED = 192 * MEBIBYTE


def peak_memory(pid):
    """VmHWM, in bytes."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"no VmHWM for {pid}")


def assert_memory(gateway, limit):
    workers = gateway.workers()
    assert len(workers) == 1
    peak = peak_memory(workers[0])
    assert peak < limit, f"the worker's memory peaked at {peak / MEBIBYTE:.1f} MiB"


def upload(gateway, job, token, size, chunked=False):
    block = bytes(MEBIBYTE)
    fields = ["Transfer-Encoding: chunked"] if chunked else [f"Content-Length: {size}"]
    with Client(gateway.address) as client:
        client.send(request_bytes(f"{job}.jobs.test", token, "POST", "/", fields))
        for _ in range(size // MEBIBYTE):
            client.send(b"%x\r\n%s\r\n" % (MEBIBYTE, block) if chunked else block)
        if chunked:
            client.send(b"0\r\n\r\n")
        response = client.read_response("POST")
    assert (response.status, response.body) == (200, str(size).encode())


def download(gateway, job, token, path, size):
    with Client(gateway.address) as client:
        client.send(request_bytes(f"{job}.jobs.test", token, path=path))
        response = client.read_head()
        assert (response.status, response.field("content-length")) == (200, str(size))
        got = len(client.behind_head())
        buffer = bytearray(4 * MEBIBYTE)
        while got < size:
            count = client.sock.recv_into(buffer)
            assert count, f"ended after {got} of {size} bytes"
            got += count
        assert got == size


def sparse_file(server, name, size):
    path = server.files / name
    with open(path, "wb") as file:
        file.truncate(size)
    return path


def play(gateway, records, sink, nginx, size):
    token = records.token()
    sink_job, file_job = records.job(sink.url), records.job(nginx.url)
    upload(gateway, sink_job, token, size)
    upload(gateway, sink_job, token, size, chunked=True)
    download(gateway, sink_job, token, f"/{size}", size)
    path = sparse_file(nginx, "large.bin", size)
    try:
        download(gateway, file_job, token, "/large.bin", size)
    finally:
        path.unlink()


def test_quarter_gibibyte(module_gateways, records, sink_backend, nginx_backend):
    gateway = module_gateways.start()
    play(gateway, records, sink_backend, nginx_backend, GIBIBYTE // 4)
    sanitized = b"__asan_init" in pathlib.Path(binary()).read_bytes()
    assert_memory(gateway, MEMORY_MAX_SANITIZED if sanitized else MEMORY_MAX)


@pytest.mark.large
def test_five_gibibytes(module_gateways, records, sink_backend, nginx_backend):
    """Through the build that people run: JOBGATE_RELEASE_BINARY, or build/release."""
    program = release_binary()
    gateway = module_gateways.start(program=program)
    play(gateway, records, sink_backend, nginx_backend, 5 * GIBIBYTE)
    assert_memory(gateway, MEMORY_MAX)
