"""What a core dump of a worker would hold: no token."""

import re

from harness.gateway import DOMAIN
from harness.h2 import H2Client
from harness.h2_backend import H2Backend
from harness.pki import Authority
from harness.process import eventually
from harness.scene import Scene, request_bytes
from harness.store import Records
from test_tls_backends import SecureBackend


def dumped_memory(pid):
    """The pieces of memory that the kernel would write into a core dump, one at a time."""
    with open(f"/proc/{pid}/smaps", encoding="ascii") as file:
        mappings = re.split(r"^(?=[0-9a-f]+-[0-9a-f]+ )", file.read(), flags=re.MULTILINE)[1:]
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for mapping in mappings:
            start, end = (int(text, 16) for text in mapping.split(None, 1)[0].split("-"))
            flags = re.search(r"^VmFlags:(.*)$", mapping, re.MULTILINE)[1].split()
            if "dd" in flags or "rd" not in flags or re.search(r"^Rss: +0 kB$", mapping, re.MULTILINE):
                continue
            for at in range(start, end, 1 << 24):
                memory.seek(at)
                try:
                    yield memory.read(min(1 << 24, end - at))
                except OSError:
                    break  # the kernel's own pages (vvar)


def test_no_token_in_a_core_dump(scene):
    """Requests of every kind: served, refused, running, and one whose head has not ended."""
    other = scene.records.token(selector="team=other")
    scene.relay(path="/served")
    with scene.gateway.client() as client:
        assert client.exchange(request_bytes(scene.host, other)).status == 403
    client, connection, _ = scene.arrive(path="/running")
    slow = scene.new_client()
    slow.send(scene.request(path="/" + "slow" * 10)[:-2])
    marker = scene.job.encode()
    seen = False
    for piece in dumped_memory(scene.gateway.workers()[0]):
        assert scene.token.value.encode() not in piece and other.value.encode() not in piece
        seen = seen or marker in piece
    assert seen, "the memory was not really read"
    cookie = "a-cookie-of-the-backend"
    connection.answer(fields=[f"Set-Cookie: {cookie}"])
    assert client.read_response().field("set-cookie") == cookie
    assert not [piece for piece in dumped_memory(scene.gateway.workers()[0]) if cookie.encode() in piece]


def test_no_token_of_a_request_that_waits(gateways, store):
    """Its path grows threefold as it is escaped, and it is kept whole: more than fits a block for requests."""
    slow = {"lookup_timeout": "60s", "ping_deadline": "60s", "max_staleness": "100s"}
    scene = Scene(gateways.start({"store": slow}, store_url=store.url), Records(store.client))
    marker = "/waiting" + "%7C" * 15000
    misses = scene.gateway.metrics()["jobgate_cache_misses_total"]
    store.freeze()
    try:
        scene.client.send(scene.request(path=f"{marker[:8]}{'|' * 15000}", fields=[f"X-Large: {'x' * 10000}"]))
        eventually(lambda: scene.gateway.metrics()["jobgate_cache_misses_total"] >= misses + 2, "the request to wait")
        for piece in dumped_memory(scene.gateway.workers()[0]):
            assert scene.token.value.encode() not in piece
    finally:
        store.thaw()
    connection = scene.backend.next()
    assert connection.read_request().target == marker
    connection.answer()
    assert scene.client.read_response().status == 200
    scene.close()


def test_no_token_of_tls(gateways, make_folder, scene_of):
    """Where the job gets the token too: TLS on both sides, a head in one record with its content."""
    authority = Authority(make_folder("pki"), "ours")
    gateway = gateways.make({"backends": {"ca_file": str(authority.certificate), "forward_token": True}})
    gateway.secure(authority.context(), [authority.issue("jobs", "serverAuth", [f"DNS:*.{DOMAIN}"])]).start()
    scene = scene_of(gateway, backend=SecureBackend(authority.issue("backend", "serverAuth")))
    scene.client.send(scene.request("POST", path="/tls", body=b"content"))
    with scene.backend.accept() as connection:
        assert connection.read_request().field("authorization") == f"Bearer {scene.token.value}"
        connection.answer()
        assert scene.client.read_response("POST").status == 200
        seen = False
        for piece in dumped_memory(gateway.workers()[0]):
            assert scene.token.value.encode() not in piece
            seen = seen or scene.job.encode() in piece
        assert seen, "the memory was not really read"


def test_no_token_of_http2(gateways, scene_of):
    """HTTP/2 at both ends: the tables of HPACK keep what came with a request or an answer as long as the connection lives."""
    gateway = gateways.start({"backends": {"forward_token": True}})
    scene = scene_of(gateway, backend=H2Backend())
    cookie, mine, theirs = "wanted=" + "the-cookie" * 3, "secret-of-the-client", "secret-of-the-backend"
    secrets = [scene.token.value, cookie, mine, theirs]
    with H2Client(gateway.address) as client:
        stream = client.request(scene.host, scene.token, fields=[("cookie", cookie), ("x-mine", mine)])
        backend = scene.backend.accept()
        request = backend.next_stream()
        assert backend.head_of(request)["x-mine"] == mine
        backend.reply(request, fields=[("set-cookie", cookie), ("x-theirs", theirs)])
        assert client.answer(stream).field("x-theirs") == theirs
        client.send(client.headers(client.take_id(), client.head(scene.host, scene.token), flags=()))  # CONTINUATION is to follow
        seen = False
        for piece in dumped_memory(gateway.workers()[0]):
            assert not [secret for secret in secrets if secret.encode() in piece]
            seen = seen or scene.job.encode() in piece
        assert seen, "the memory was not really read"
