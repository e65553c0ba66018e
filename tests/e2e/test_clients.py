"""Clients and backends that people really use, against each other through the gateway."""

import asyncio
import hashlib
import json
import os
import subprocess

import aiohttp
import pytest
import websockets
import websockets.version

from harness.gateway import DOMAIN


@pytest.fixture(scope="session")
def token(records):
    return records.token(role="read", selector="model=base", name="client")


@pytest.fixture(scope="session")
def job_of(records):
    """A job in the token's scope for a server; one for each."""
    return lambda server: records.job(server.url, {"model": "base"})


def curl(gateway, job, token, path, *options, stdin=None):
    """Debian's curl; returns (exit status, standard output)."""
    host = f"{job}.{DOMAIN}"
    done = subprocess.run(
        ["/usr/bin/curl", "-q", "-sS", "--max-time", "60", "--noproxy", "*",
         "--resolve", f"{host}:{gateway.port}:127.0.0.1", "-H", f"Authorization: {token.bearer}", *options,
         f"http://{host}:{gateway.port}{path}"],
        input=stdin, stdin=None if stdin is not None else subprocess.DEVNULL, capture_output=True)
    return done.returncode, done.stdout


@pytest.fixture(scope="session")
def echo(job_of, aiohttp_backend):
    return job_of(aiohttp_backend)


def test_curl_get(gateway, echo, token):
    status, out = curl(gateway, echo, token, "/a/b?c=d")
    seen = json.loads(out)
    assert (status, seen["method"], seen["target"]) == (0, "GET", "/a/b?c=d")
    assert "authorization" not in dict(seen["fields"])


@pytest.mark.parametrize("options", [["--http1.1"], ["--http1.0"], ["-H", "Expect: 100-continue"], ["-H", "Transfer-Encoding: chunked"],
                                     ["-H", "Expect:"]], ids=" ".join)
def test_curl_post(gateway, echo, token, options):
    if options == ["--http1.0"] or "chunked" not in options[-1]:
        body = os.urandom(3 << 20)
    else:
        body = os.urandom(300_000)
    status, out = curl(gateway, echo, token, "/upload", *options, "--data-binary", "@-", stdin=body)
    seen = json.loads(out)
    assert (status, seen["method"], seen["length"]) == (0, "POST", len(body))
    assert seen["sha256"] == hashlib.sha256(body).hexdigest()


def test_curl_put_from_a_pipe(gateway, echo, token):
    """-T - has no length: chunked, with Expect."""
    body = os.urandom(2 << 20)
    status, out = curl(gateway, echo, token, "/upload", "-T", "-", stdin=body)
    assert status == 0
    assert json.loads(out)["sha256"] == hashlib.sha256(body).hexdigest()


def test_curl_head_and_statuses(gateway, echo, token):
    for code in [200, 204, 301, 304, 404, 418, 500, 503]:
        status, out = curl(gateway, echo, token, f"/status/{code}", "-o", "/dev/null", "-w", "%{http_code} %header{x-code}")
        assert (status, out) == (0, f"{code} {code}".encode())
    status, out = curl(gateway, echo, token, "/status/200", "-I")
    assert status == 0 and b"200" in out.split(b"\r\n")[0]


def test_curl_refused_upload_never_starts(gateway, echo, records):
    """curl waits for 100 with a body of this size; the refusal comes instead."""
    stranger = records.token(selector="model=other")
    status, out = curl(gateway, echo, stranger, "/upload", "-T", "-", "-o", "/dev/null", "-w",
                       "%{http_code} %{size_upload}", "-H", "Expect: 100-continue", stdin=os.urandom(4 << 20))
    assert (status, out) == (0, b"403 0")


def test_curl_events(gateway, echo, token):
    status, out = curl(gateway, echo, token, "/events?count=5&pause=0.01", "-N")
    assert status == 0
    assert out.decode().count("data: event") == 5


def test_curl_keep_alive(gateway, echo, token):
    """Two URLs on one command line share a connection."""
    host = f"{echo}.{DOMAIN}"
    status, out = curl(gateway, echo, token, "/status/200", "-w", "%{num_connects}\n",
                       f"http://{host}:{gateway.port}/status/200")
    assert (status, out) == (0, b"1\n0\n")


def test_curl_sees_a_cut(gateway, echo, records):
    """A revocation in the middle of a stream is an error to curl, not an end."""
    fleeting = records.token(selector="model=base")
    host = f"{echo}.{DOMAIN}"
    process = subprocess.Popen(
        ["/usr/bin/curl", "-q", "-sS", "-N", "--max-time", "60", "--noproxy", "*", "--resolve",
         f"{host}:{gateway.port}:127.0.0.1", "-H", f"Authorization: {fleeting.bearer}",
         f"http://{host}:{gateway.port}/events?count=10000&pause=0.05"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline() == b"id: 0\n"
    records.delete_token(fleeting)
    process.communicate(timeout=30)
    assert process.returncode in (18, 56)  # partial file, receive error


@pytest.fixture(scope="session")
def files(job_of, nginx_backend):
    (nginx_backend.files / "hello.txt").write_text("hello, world\n" * 1000)
    (nginx_backend.files / "random.bin").write_bytes(os.urandom(5 << 20))
    return job_of(nginx_backend)


def test_nginx_file(gateway, files, token, nginx_backend):
    status, out = curl(gateway, files, token, "/random.bin")
    assert status == 0
    assert out == (nginx_backend.files / "random.bin").read_bytes()


def test_nginx_range(gateway, files, token, nginx_backend):
    whole = (nginx_backend.files / "random.bin").read_bytes()
    status, out = curl(gateway, files, token, "/random.bin", "-r", "1000-1999")
    assert (status, out) == (0, whole[1000:2000])
    status, out = curl(gateway, files, token, "/random.bin", "-r", "9999999-", "-o", "/dev/null", "-w", "%{http_code}")
    assert out == b"416"


def test_nginx_conditional(gateway, files, token):
    status, out = curl(gateway, files, token, "/hello.txt", "-o", "/dev/null", "-w", "%header{etag}")
    etag = out.decode()
    assert etag
    status, out = curl(gateway, files, token, "/hello.txt", "-H", f"If-None-Match: {etag}", "-w", "%{http_code} %{size_download}")
    assert out == b"304 0"


def test_nginx_gzip_chunked(gateway, files, token):
    status, out = curl(gateway, files, token, "/gzip/hello.txt", "--compressed")
    assert (status, out) == (0, b"hello, world\n" * 1000)


def test_nginx_keep_alive_connections_are_reused(gateway, files, token):
    before = gateway.metrics()
    for _ in range(20):
        assert curl(gateway, files, token, "/hello.txt")[0] == 0
    after = gateway.metrics()
    grown = {name: after[name] - before.get(name, 0) for name in after if "backend" in name}
    assert any("reuse" in name and value >= 19 for name, value in grown.items()), grown


def session(gateway):
    connector = aiohttp.TCPConnector(resolver=Resolver(), limit=100)
    return aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=60))


class Resolver(aiohttp.abc.AbstractResolver):
    async def resolve(self, host, port=0, family=0):
        return [{"hostname": host, "host": "127.0.0.1", "port": port, "family": 2, "proto": 0, "flags": 0}]

    async def close(self):
        pass


def url_of(gateway, job, path="/", scheme="http"):
    return f"{scheme}://{job}.{DOMAIN}:{gateway.port}{path}"


def test_aiohttp_many_at_once(gateway, echo, token):
    async def one(client, number):
        body = bytes([number % 256]) * (number * 97)
        async with client.post(url_of(gateway, echo, f"/{number}"), data=body) as answer:
            seen = await answer.json()
            assert seen["target"] == f"/{number}"
            assert seen["sha256"] == hashlib.sha256(body).hexdigest()

    async def main():
        async with session(gateway) as client:
            client.headers["Authorization"] = token.bearer
            await asyncio.gather(*[one(client, number) for number in range(300)])
    asyncio.run(main())


def test_aiohttp_mirror_streams(gateway, echo, token):
    """Both bodies at once: each piece comes back before the next is sent."""
    async def main():
        queue = asyncio.Queue()

        async def pieces():
            while (piece := await queue.get()) is not None:
                yield piece
        async with session(gateway) as client:
            await queue.put(b"start")
            async with client.post(url_of(gateway, echo, "/mirror"), data=pieces(),
                                   headers={"Authorization": token.bearer}) as answer:
                assert await answer.content.readexactly(5) == b"start"
                for number in range(50):
                    piece = b"%06d" % number
                    await queue.put(piece)
                    assert await answer.content.readexactly(6) == piece
                await queue.put(None)
                assert await answer.content.read() == b""
    asyncio.run(main())


def test_aiohttp_websocket(gateway, echo, token):
    async def main():
        async with session(gateway) as client:
            async with client.ws_connect(url_of(gateway, echo, "/websocket"), protocols=["chat"], max_msg_size=0,
                                         headers={"Authorization": token.bearer}) as socket:
                assert socket.protocol == "chat"
                for size in [0, 1, 125, 126, 65535, 65536, 3 << 20]:
                    data = os.urandom(size)
                    await socket.send_bytes(data)
                    assert await socket.receive_bytes() == data
                await socket.send_str("grüße")
                assert await socket.receive_str() == "grüße"
                await socket.ping()
            assert socket.close_code == 1000
    asyncio.run(main())


@pytest.fixture(scope="session")
def chat(job_of, websockets_backend):
    return job_of(websockets_backend)


# Debian 12 has version 10 of the library, Debian 13 has 15.
VERSION = int(websockets.version.version.split(".")[0])


def connect(gateway, job, headers, **options):
    options["additional_headers" if VERSION >= 14 else "extra_headers"] = headers
    if VERSION >= 15:
        options["proxy"] = None
    return websockets.connect(f"ws://127.0.0.1:{gateway.port}/jobs/{job}/", subprotocols=["chat"], **options)


def test_websockets(gateway, chat, token):
    async def main():
        async with connect(gateway, chat, {"Authorization": token.bearer}, max_size=None) as socket:
            assert socket.subprotocol == "chat"
            for size in [0, 1, 125, 126, 65535, 65536, 3 << 20]:
                data = os.urandom(size)
                await socket.send(data)
                assert await socket.recv() == data
            await (await socket.ping())
        assert socket.close_code == 1000
    asyncio.run(main())


def test_many_websockets(gateway, chat, token):
    async def one(number):
        async with connect(gateway, chat, {"Authorization": token.bearer}) as socket:
            for step in range(10):
                await socket.send(f"{number} {step}")
                assert await socket.recv() == f"{number} {step}"

    async def main():
        await asyncio.gather(*[one(number) for number in range(100)])
    asyncio.run(main())


def test_websockets_refused(gateway, chat, records):
    async def status_for(headers):
        try:
            async with connect(gateway, chat, headers):
                return 101
        except websockets.InvalidHandshake as refused:
            return refused.response.status_code if hasattr(refused, "response") else refused.status_code
    stranger = records.token(selector="model=other")
    assert asyncio.run(status_for({})) == 401
    assert asyncio.run(status_for({"Authorization": stranger.bearer})) == 403


def test_websockets_revoked(gateway, chat, records):
    fleeting = records.token(selector="model=base")

    async def main():
        async with connect(gateway, chat, {"Authorization": fleeting.bearer}) as socket:
            await socket.send("hello")
            assert await socket.recv() == "hello"
            records.delete_token(fleeting)
            with pytest.raises(websockets.ConnectionClosed):
                await asyncio.wait_for(socket.recv(), 30)
    asyncio.run(main())
