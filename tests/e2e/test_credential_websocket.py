"""Tokens among the subprotocols of a WebSocket: for scripts of browsers (proxy/exchange/subprotocol.h)."""

import base64

import pytest

from harness.gateway import DOMAIN
from harness.h2 import H2Client
from harness.h2_tunnel import Tunnel, accept_of, switch
from harness.scene import request_bytes
from test_authorize_endpoint import Asking, ask, forwarded

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
KERNEL = "v1.kernel.websocket.jupyter.org"


def encoded(value):
    return base64.urlsafe_b64encode(value.encode()).decode().rstrip("=")


def ours(value):
    return f"base64url.bearer.authorization.jobgate.{encoded(value)}"


def jupyters(value):
    return f"v1.token.websocket.jupyter.org.{value}"


class Http1End:
    """A script's WebSocket over HTTP/1.1."""

    def __init__(self, scene, lists, fields=(), host=None, path="/ws"):
        self.client = scene.new_client()
        self.client.send(request_bytes(host or scene.host, path=path, fields=[
            "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {KEY}",
            *(f"Sec-WebSocket-Protocol: {value}" for value in lists), *(f"{name}: {value}" for name, value in fields)]))

    def opened(self):
        """The subprotocols that the answer names."""
        head = self.client.read_head(upgrade=True)
        assert head.status == 101, head
        return head.all("sec-websocket-protocol")

    def refused(self):
        return self.client.read_response()

    def close(self):
        pass


class Http2End:
    """The same over HTTP/2."""

    def __init__(self, scene, lists, fields=(), host=None, path="/ws"):
        self.client = H2Client(scene.gateway.address)
        self.tunnel = Tunnel(self.client, self.client.connect(host or scene.host, None, path, [
            ("sec-websocket-version", "13"), *(("sec-websocket-protocol", value) for value in lists),
            *((name.lower(), value) for name, value in fields)]))

    def opened(self):
        assert self.tunnel.head() == 200
        return [value for name, value in self.tunnel.answer.heads[0] if name == "sec-websocket-protocol"]

    def refused(self):
        return self.client.answer(self.tunnel.stream)

    def close(self):
        self.client.close()


@pytest.fixture(scope="module")
def gateway(module_gateways):
    return module_gateways.start()


@pytest.fixture
def scene(gateway, scene_of):
    return scene_of(gateway)


@pytest.fixture(params=[Http1End, Http2End], ids=["http1", "http2"])
def open_socket(request, scene):
    ends = []

    def make(*args, **kwargs):
        ends.append(request.param(scene, *args, **kwargs))
        return ends[-1]
    yield make
    for end in ends:
        end.close()


def job_gets(scene, names=()):
    """What the job is offered; it answers with `names`."""
    connection = scene.backend.next()
    received = connection.read_request()
    value = scene.token.value
    assert value.encode() not in received.head and encoded(value)[8:-8].encode() not in received.head
    assert received.field("x-jobgate-token-id") == scene.token.id
    switch(connection, accept_of(received), fields=[f"Sec-WebSocket-Protocol: {name}" for name in names])
    return received.all("sec-websocket-protocol")


# The lists that a client sends; what the job is offered; what it names; what the client is told.
AGREED = {
    "with ours": (lambda v: [f"jobgate.v1, {ours(v)}"], [], [], ["jobgate.v1"]),
    "in another order": (lambda v: [f"{ours(v)},jobgate.v1"], [], [], ["jobgate.v1"]),
    "in two fields": (lambda v: [ours(v), "jobgate.v1"], [], [], ["jobgate.v1"]),
    "without ours": (lambda v: [ours(v)], [], [], []),
    "the job's goes first": (lambda v: [f"jobgate.v1, chat, {ours(v)}"], ["chat"], ["chat"], ["chat"]),
    "the job names none": (lambda v: [f"jobgate.v1, chat, {ours(v)}"], ["chat"], [], []),
    "the job has several": (lambda v: ["a, b", ours(v), "c"], ["a, b, c"], ["c"], ["c"]),
    "Jupyter": (lambda v: [f"{KERNEL}, {jupyters(v)}"], [KERNEL], [KERNEL], [KERNEL]),
    "Jupyter, with ours": (lambda v: [f"{jupyters(v)}, jobgate.v1"], [], [], ["jobgate.v1"]),
}


@pytest.mark.parametrize("lists, offered, names, told", AGREED.values(), ids=AGREED)
def test_a_token_opens_a_websocket(scene, open_socket, lists, offered, names, told):
    end = open_socket(lists(scene.token.value), [("Origin", "https://elsewhere.test")])
    assert job_gets(scene, names) == offered
    assert end.opened() == told


@pytest.mark.parametrize("form", [ours, jupyters])
def test_in_the_path_form(scene, open_socket, form):
    """A page has to know the token, so it may be of any origin, even where jobs share one."""
    end = open_socket([form(scene.token.value)], [("Origin", f"http://{DOMAIN}")], host=DOMAIN, path=f"/jobs/{scene.job}/ws")
    assert job_gets(scene) == []
    assert end.opened() == []


def test_other_credentials_count_first(scene, open_socket):
    """And none of ours is left for the job, not even a broken one."""
    for lists, offered in [([ours("jgt_x")], []), ([f"chat, {jupyters('jgt_x')}"], ["chat"]), (["jobgate.v1"], []),
                           (["jgt_x, chat"], ["chat"]), (["chat"], ["chat"]), ([jupyters("abc")], [jupyters("abc")]),
                           ([f"base64url.bearer.authorization.k8s.io.{encoded(scene.token.value)}"], []),
                           ([ours("sk-1"), "chat"], ["chat"])]:
        end = open_socket(lists, [("X-Jobgate-Authorization", f"Bearer {scene.token.value}"), ("Authorization", "Bearer sk-1")])
        assert job_gets(scene) == offered
        assert end.opened() == (["jobgate.v1"] if lists == ["jobgate.v1"] else [])


def test_refused(scene, open_socket):
    value = scene.token.value
    for lists, status, error in [
            ([ours("jgt_x")], 401, "invalid_token"), ([ours(value[:-1] + ("1" if value[-1] == "0" else "0"))], 401, "invalid_token"), ([ours("sk-1")], 401, "invalid_token"),
            ([jupyters("abc")], 401, None), ([value], 401, None), (["chat"], 401, None), ([jupyters(value[:30])], 401, "invalid_token"),
            ([ours(value).upper()], 401, None), ([f"base64url.bearer.authorization.k8s.io.{encoded(value)}"], 401, None),
            ([f"{ours(value)}, {ours(value)}"], 400, "invalid_request"), ([ours(value), jupyters(value)], 400, "invalid_request"),
            ([ours(value) + "=="], 400, "invalid_request"), (["base64url.bearer.authorization.jobgate."], 400, "invalid_request")]:
        response = open_socket(lists).refused()
        assert response.status == status, lists
        assert (f'error="{error}"' in response.challenge()) if error else ("error" not in response.challenge()), lists
        assert value not in response.body.decode() and encoded(value) not in response.body.decode()
        if error == "invalid_token":
            assert response.field("vary") in ("Sec-WebSocket-Protocol", None)
    scene.untouched()


def test_only_at_an_upgrade(scene):
    """Scripts can set other fields of other requests, but not this one."""
    response = scene.client.exchange(request_bytes(scene.host, fields=[f"Sec-WebSocket-Protocol: {ours(scene.token.value)}"]))
    assert response.status == 401
    received = scene.relay(fields=[f"Sec-WebSocket-Protocol: {ours(scene.token.value)}, chat, jobgate.v1"])
    assert received.all("sec-websocket-protocol") == ["chat"]


@pytest.mark.parametrize("lists, names", [
    (["chat"], ["other"]), (["chat"], ["Chat"]), ([], ["chat"]), (["a, b"], ["a", "b"]), (["a, b"], ["a, b"]), (["chat"], [""]),
    (["jobgate.v1"], ["jobgate.v1"])])
def test_a_job_names_only_what_it_was_offered(scene, open_socket, lists, names):
    end = open_socket([*lists, ours(scene.token.value)])
    job_gets(scene, names)
    response = end.refused()
    assert response.status == 502 and b"subprotocol" in response.body
    entry = scene.gateway.access_entry(job=scene.job, status=502)
    assert entry["outcome"] == "bad_answer"


def test_a_revoked_token_closes_it(scene, records):
    end = Http1End(scene, [f"jobgate.v1, {ours(scene.token.value)}"])
    job_gets(scene)
    assert end.opened() == ["jobgate.v1"]
    records.delete_token(scene.token)
    assert end.client.read_to_end() == b"\x88\x19\x03\xf0access has been revoked"


def test_no_log_has_it(scene):
    value = scene.token.value
    end = Http1End(scene, [ours(value)], path="/logged")
    job_gets(scene)
    end.opened()
    end = Http1End(scene, [ours(value), ours(value)], path="/refused")
    assert end.refused().status == 400
    scene.gateway.access_entry(path="/refused", status=400)
    for text in (scene.gateway.access_path.read_text(), scene.gateway.program.log()):
        assert value not in text and encoded(value)[8:-8] not in text


# ---- forward auth ----


@pytest.fixture(scope="module")
def asking(module_gateways):
    return Asking(module_gateways, None)


@pytest.mark.parametrize("upgrade", [[], ["Connection: Upgrade", "Upgrade: websocket"]])
def test_a_proxy_is_told_what_is_left(asking, scene_of, upgrade):
    """It may not tell of the upgrade."""
    scene = scene_of(asking.gateway)
    value = scene.token.value
    for lists, left in [([ours(value)], ""), ([f"chat, {ours(value)}"], "chat"), ([jupyters(value), KERNEL], KERNEL), ([f"jobgate.v1, {ours(value)}"], "")]:
        response = ask(asking, [*forwarded(scene), *upgrade, *(f"Sec-WebSocket-Protocol: {one}" for one in lists)])
        assert response.status == 200, response
        assert response.all("sec-websocket-protocol") == [left]
    assert ask(asking, forwarded(scene), scene.token).all("sec-websocket-protocol") == [""]
    assert ask(asking, [*forwarded(scene), f"Sec-WebSocket-Protocol: {ours(value)}, {ours(value)}"]).status == 400
