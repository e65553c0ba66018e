"""Tokens that are limited to addresses (access.md, "Token": from): at every door, and for what runs already."""

import json
import urllib.parse

import grpc
import pytest

from harness.control import Control
from harness.gateway import DOMAIN
from harness.h2 import H2Client
from harness.process import eventually, free_port
from harness.raw import Client, Cut
from harness.scene import Scene, request_bytes
from harness.store import RedisServer
from test_browser import narrow
from test_revocation import start_stream
from test_upgrade import open_tunnel

UNREACHABLE = "unix:/nonexistent/job.sock"  # a URL that parses and whose 502 says: allowed
ALLOWED = 502
HERE, THERE = "127.0.0.1", "127.0.0.2"  # clients choose one of them


@pytest.fixture(scope="module")
def gateway(module_gateways):
    return module_gateways.start({"workers": 2})


@pytest.fixture(scope="module")
def proxied(module_gateways):
    """Behind proxies at HERE and in 10/8."""
    return module_gateways.start({"browser": {"same_host": True}, "backends": {"trusted_proxies": [HERE, "10.0.0.0/8"]}})


@pytest.fixture
def control(gateway):
    return Control(gateway.socket_path)


def answer_to(gateway, job, token, source=None, fields=()):
    with gateway.client(source) as client:
        return client.exchange(request_bytes(f"{job}.{DOMAIN}", token, fields=fields))


def refused(answer):
    return answer.status == 403 and json.loads(answer.body)["title"] == "Address not allowed"


def test_only_from_its_addresses(gateway, records):
    job, token = records.job(UNREACHABLE), records.token(**{"from": f"192.0.2.0/24, {THERE}"})
    assert answer_to(gateway, job, token, THERE).status == ALLOWED
    answer = answer_to(gateway, job, token, HERE)
    assert refused(answer) and answer.field("www-authenticate") is None
    entry = gateway.access_entry(job=job, verdict="other_address")
    assert (entry["status"], entry["token_id"], entry["outcome"]) == (403, token.id, "refused")
    assert refused(answer_to(gateway, "no-such-job", token, HERE))  # and nothing is learnt of jobs


def test_a_wrong_value_does_not_learn_of_it(gateway, records):
    job, token = records.job(UNREACHABLE), records.token(**{"from": THERE})
    records.renew(token)
    eventually(lambda: answer_to(gateway, job, token, HERE).status == 401, "the old value to be refused")


@pytest.mark.parametrize("changes", [
    {"from": ""}, {"from": "everywhere"}, {"from": "127.0.0.0/33"}, {"from": f"{HERE},"}, {"from": ",".join([HERE] * 17)},
    {"role": "read needs from"}, {"from": HERE, "role": "read needs from the-moon"}])
def test_what_is_not_understood_is_refused(gateway, records, changes):
    assert answer_to(gateway, records.job(UNREACHABLE), records.token(**changes)).status == 401


@pytest.mark.parametrize("text", [HERE, "127.0.0.0/8", "::ffff:127.0.0.0/104", "::/0", "0.0.0.0/0", ",".join([THERE] * 15 + [HERE])])
def test_what_is_understood_passes(gateway, records, text):
    token = records.token(**{"from": text, "role": "read needs from"})
    assert answer_to(gateway, records.job(UNREACHABLE), token, HERE).status == ALLOWED


@pytest.mark.parametrize("list_, allowed", [
    ("192.0.2.7", True), ("192.0.2.7:4711", True), ("1.1.1.1, 192.0.2.7", True), ("192.0.2.7, 10.1.2.3", True),
    ("192.0.2.7, 1.1.1.1", False), ("1.1.1.1", False), ("192.0.2.7, unknown", False), ("unknown", False), ("", False), (None, False)])
def test_behind_trusted_proxies(proxied, records, list_, allowed):
    job, token = records.job(UNREACHABLE), records.token(**{"from": f"192.0.2.0/24,{HERE}"})
    answer = answer_to(proxied, job, token, HERE, [] if list_ is None else [f"X-Forwarded-For: {list_}"])
    assert answer.status == ALLOWED if allowed else refused(answer), answer


def test_others_cannot_choose_their_address(proxied, records):
    job, token = records.job(UNREACHABLE), records.token(**{"from": "192.0.2.0/24"})
    assert refused(answer_to(proxied, job, token, THERE, ["X-Forwarded-For: 192.0.2.7"]))


@pytest.mark.parametrize("header, allowed", [
    (b"PROXY TCP4 192.0.2.7 192.0.2.1 1 2\r\n", True), (b"PROXY TCP4 192.0.3.7 192.0.2.1 1 2\r\n", False), (b"PROXY UNKNOWN\r\n", False)])
def test_proxy_headers(module_gateways, records, header, allowed):
    port = free_port()
    gateway = module_gateways.make({"listen": [f"127.0.0.1:{port} proxied"], "backends": {"trusted_proxies": [HERE]}})
    gateway.port = port
    gateway.start()
    job, token = records.job(UNREACHABLE), records.token(**{"from": f"192.0.2.0/24,{HERE}"})
    with gateway.client(HERE) as client:
        client.send(header + request_bytes(f"{job}.{DOMAIN}", token))
        answer = client.read_response()
    assert answer.status == ALLOWED if allowed else refused(answer), answer


def test_at_a_unix_socket_there_is_no_address(module_gateways, records, make_folder):
    path = str(make_folder("data") / "http.sock")
    gateway = module_gateways.make({"listen": [f"127.0.0.1:{free_port()}", f"unix:{path}"]})
    gateway.start()
    job = records.job(UNREACHABLE)
    for text, status in [(None, ALLOWED), ("::/0", 403)]:
        with Client(path) as client:
            assert client.exchange(request_bytes(f"{job}.{DOMAIN}", records.token(**{"from": text}))).status == status


# ---- what runs ----

@pytest.mark.parametrize("change", [{"from": THERE}, {"from": "nonsense"}])
def test_a_change_cuts_what_runs(gateway, records, change):
    scene = Scene(gateway, records, token=records.token(**{"from": HERE}))
    client, connection, response = start_stream(scene)
    records.client.hset(records.token_key(scene.token.id), mapping=change)
    with pytest.raises(Cut):
        client.read_body(response)
    connection.ended()


def test_a_limit_is_added_to_what_runs(gateway, records):
    """One that still allows it cuts nothing."""
    scene = Scene(gateway, records)
    client, connection, response = start_stream(scene)
    records.client.hset(records.token_key(scene.token.id), "from", f"{THERE},{HERE}")
    eventually(lambda: answer_to(gateway, records.job(UNREACHABLE), scene.token, "127.0.0.3").status == 403, "the limit to be known")
    connection.send(b"1\r\nx\r\n")
    assert client.read_piece() == b"x"
    records.client.hset(records.token_key(scene.token.id), "from", THERE)
    with pytest.raises(Cut):
        client.read_body(response)
    connection.ended()


def test_behind_a_proxy_the_clients_address_counts_for_what_runs(proxied, records):
    scene = Scene(proxied, records, token=records.token(**{"from": "192.0.2.7"}))
    client = scene.new_client(HERE)
    client.send(scene.request(fields=["X-Forwarded-For: 192.0.2.7"]))
    connection = scene.backend.next()
    connection.read_request()
    connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
    response = client.read_head()
    assert client.read_piece() == b"hello"
    records.client.hset(records.token_key(scene.token.id), "from", HERE)
    with pytest.raises(Cut):
        client.read_body(response)
    connection.ended()


def test_a_websocket(gateway, records):
    scene = Scene(gateway, records, token=records.token(**{"from": HERE}))
    client, connection = open_tunnel(scene)
    records.client.hset(records.token_key(scene.token.id), "from", THERE)
    assert client.read_to_end() == b"\x88\x19\x03\xf0access has been revoked"
    connection.ended()


# ---- other doors ----

def test_http2(gateway, records):
    scene = Scene(gateway, records, token=records.token(**{"from": HERE}))
    other = records.token(**{"from": THERE})
    with H2Client(gateway.address) as client:
        assert client.answer(client.request(scene.host, other)).status == 403
        stream = client.request(scene.host, scene.token)
        connection = scene.backend.next()
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        records.client.hset(records.token_key(scene.token.id), "from", THERE)
        assert client.answer(stream).reset == 8
    scene.close()


def test_grpc(gateway, records):
    job, token = records.job(UNREACHABLE), records.token(**{"from": THERE})
    channel = grpc.insecure_channel("%s:%d" % gateway.address, options=[
        ("grpc.default_authority", f"{job}.{DOMAIN}"), ("grpc.use_local_subchannel_pool", 1)])
    with channel, pytest.raises(grpc.RpcError) as failed:
        channel.unary_unary("/tests.Service/Method")(b"", metadata=[("authorization", token.bearer)], timeout=30)
    assert failed.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert "limited to some addresses" in failed.value.details()


def test_forward_auth(module_gateways, records):
    port, asked = free_port(), free_port()
    gateway = module_gateways.make({"listen": [f"127.0.0.1:{port}", f"127.0.0.1:{asked} authorize"], "backends": {"trusted_proxies": [HERE]}})
    gateway.port = port
    gateway.start()
    job, token = records.job(UNREACHABLE), records.token(**{"from": f"192.0.2.0/24,{HERE}"})

    def status(*fields):
        with Client((HERE, asked), HERE) as client:
            return client.exchange(request_bytes("gateway", token, path="/authorize", fields=[
                f"X-Original-URL: https://{job}.{DOMAIN}/", *fields])).status
    assert status("X-Forwarded-For: 192.0.2.7") == 200
    assert status("X-Forwarded-For: 1.1.1.1") == 403
    assert status() == 403


def test_browsers(proxied, records):
    """Neither signs in from elsewhere, nor takes a session along."""
    scene = narrow(Scene(proxied, records, url=UNREACHABLE, token=records.token(**{"from": "192.0.2.0/24"})))

    def ask(address, method, path, body=None, *fields):
        with proxied.client(HERE) as client:
            return client.exchange(request_bytes(scene.host, None, method, path, [
                "X-Forwarded-Proto: https", f"X-Forwarded-For: {address}", "Accept: text/html", *fields], body))

    def sign_in(address):
        return ask(address, "POST", "/.jobgate/sign-in", urllib.parse.urlencode({"token": scene.token.value, "to": "/"}).encode(),
                   f"Origin: https://{scene.host}", "Content-Type: application/x-www-form-urlencoded")
    answer = sign_in("1.1.1.1")
    assert answer.status == 403 and b"may not be used from your address" in answer.body
    cookie = sign_in("192.0.2.7").field("set-cookie").partition(";")[0]
    assert ask("192.0.2.8", "GET", "/", None, f"Cookie: {cookie}").status == ALLOWED
    answer = ask("1.1.1.1", "GET", "/", None, f"Cookie: {cookie}")
    assert answer.status == 403 and b"Address not allowed" in answer.body
    scene.close()


# ---- the control API ----

def test_operators(module_gateways, records):
    port = free_port()
    gateway = module_gateways.start({"control": {"listen": f"127.0.0.1:{port}"}})
    here, there = (records.token("operator", **{"from": text}) for text in (HERE, THERE))
    api = Control((HERE, port), here)
    assert api.call("GET", "/v1/me").json["from"] == HERE
    assert "addresses" in api.by(there).refused(403, "GET", "/v1/me").json["detail"]
    local = Control(gateway.socket_path, here).refused(403, "GET", "/v1/me")
    assert "leave the token out" in local.json["detail"]


def test_an_operators_addresses_are_passed_on(module_gateways, records):
    port = free_port()
    module_gateways.start({"control": {"listen": f"127.0.0.1:{port}"}})
    api = Control((HERE, port), records.token("operator", **{"from": "127.0.0.0/8"}))
    create, path = {"name": "a", "role": "operator"}, f"/v1/tokens/{records.token().id}/renew"
    assert api.done("POST", "/v1/tokens", create, 201)["from"] == "127.0.0.0/8"
    assert api.done("POST", "/v1/tokens", {**create, "from": HERE}, 201)["from"] == HERE
    for wider in ("127.0.0.0/7", f"{HERE},::1"):
        api.refused(403, "POST", "/v1/tokens", {**create, "from": wider}, field="from")
    for body in (None, {"from": "::/0"}, {"from": None}):
        api.refused(403, "POST", path, body, field="from")
    assert api.done("POST", path, {"from": HERE})["from"] == HERE


def test_the_limit_changes_before_the_body_has_come(module_gateways, records):
    port = free_port()
    module_gateways.start({"control": {"listen": f"127.0.0.1:{port}"}})
    token = records.token("operator", **{"from": HERE})
    body = b'{"name":"x","role":"read"}'
    with Client((HERE, port), HERE) as client:
        client.send(request_bytes("control", token, "POST", "/v1/tokens", fields=[f"Content-Length: {len(body)}"]))
        assert Control((HERE, port), token).call("GET", "/v1/me").status == 200  # the one worker has allowed the first call, too
        records.client.hset(records.token_key(token.id), "from", THERE)
        client.send(body)
        assert client.read_response("POST").status == 403


def test_created(control, gateway, records):
    job = records.job(UNREACHABLE)
    token = control.done("POST", "/v1/tokens", {"name": "near", "role": "read", "from": f" {HERE} ,2001:db8::/32"}, 201)
    assert token["from"] == f"{HERE},2001:db8::/32"
    assert records.client.hget(records.token_key(token["id"]), "role") == "read needs from"
    assert answer_to(gateway, job, token["value"], HERE).status == ALLOWED
    assert refused(answer_to(gateway, job, token["value"], THERE))
    explained = control.done("POST", "/v1/authorize", {"token": token["value"], "job": job})
    assert explained["allowed"] and explained["reason"].endswith(f", only from {HERE},2001:db8::/32")
    assert control.token_of()["from"] is None


@pytest.mark.parametrize("text", ["x", "10.0.0.0/33", 5, [HERE], f"{HERE},", ",".join([HERE] * 17)])
def test_what_the_api_refuses(control, text):
    control.refused(400, "POST", "/v1/tokens", {"name": "a", "role": "read", "from": text}, field="from")
    control.refused(400, "POST", f"/v1/tokens/{control.token_of()['id']}/renew", {"from": text}, field="from")


def test_renewed(control, records):
    """It keeps its addresses unless it is given others."""
    token = records.token(**{"from": HERE, "role": "read needs from"})
    path = f"/v1/tokens/{token.id}/renew"
    assert control.done("POST", path)["from"] == HERE
    assert control.done("POST", path, {"from": THERE})["from"] == THERE
    assert control.done("POST", path, {"from": None})["from"] is None
    assert records.client.hget(records.token_key(token.id), "role") == "read"
    assert records.client.hget(records.token_key(token.id), "from") is None


def test_a_grace_keeps_what_the_new_addresses_allow(control, gateway, records):
    for text, goes_on in [(f"{HERE},{THERE}", True), (THERE, False)]:
        scene = Scene(gateway, records, token=records.token(**{"from": HERE}))
        client, connection, response = start_stream(scene)
        control.done("POST", f"/v1/tokens/{scene.token.id}/renew", {"grace": 600, "from": text})
        if goes_on:
            eventually(lambda: answer_to(gateway, scene.job, scene.token, "127.0.0.3").status == 403, "the new addresses to be known")
            connection.send(b"1\r\nx\r\n")
            assert client.read_piece() == b"x"
        else:
            with pytest.raises(Cut):
                client.read_body(response)
            connection.ended()


def test_a_renewal_leaves_what_it_does_not_change(control, records):
    """Another program may change role and limits while a renewal is under way (it wrote back what it had read before)."""
    token = records.token("operator needs from", **{"from": HERE})
    records.client.hset(records.token_key(token.id), mapping={"role": "ai_training_read needs from", "from": f"{HERE}/32"})
    control.done("POST", f"/v1/tokens/{token.id}/renew")
    stored = records.client.hgetall(records.token_key(token.id))
    assert (stored["role"], stored["from"]) == ("ai_training_read needs from", f"{HERE}/32")
    control.done("POST", f"/v1/tokens/{token.id}/renew", {"expires_at": "2999-01-01T00:00:00Z"})
    stored = records.client.hgetall(records.token_key(token.id))
    assert (stored["role"], stored["from"]) == ("ai_training_read needs expires_at from", f"{HERE}/32")


# ---- the command line, and copies ----

def test_the_command_line(gateway):
    made = gateway.cli("token", "create", "near", "-r", "read", "--from", f"{HERE},10.0.0.0/8", "-o", "json").json()
    assert made["from"] == f"{HERE},10.0.0.0/8"
    assert f"{HERE},10.0.0.0/8" in gateway.cli("token", "get", made["id"], "-o", "description").out
    assert gateway.cli("token", "renew", "-y", made["id"], "-o", "json").json()["from"] == f"{HERE},10.0.0.0/8"
    assert gateway.cli("token", "renew", "-y", made["id"], "--from", THERE, "-o", "json").json()["from"] == THERE
    assert gateway.cli("token", "renew", "-y", made["id"], "--from", "", "-o", "json").json()["from"] is None
    assert "from" in gateway.cli("token", "create", "near", "-r", "read", "--from", "nowhere").err


def test_exported_and_imported(gateway, control, records, make_folder):
    token = control.done("POST", "/v1/tokens", {"name": "kept", "role": "read", "from": f"{HERE},::1"}, 201)
    key = records.token_key(token["id"])
    exported = gateway.cli("store", "export", "-c", gateway.config_path)
    lines = "".join(line + "\n" for line in exported.out.splitlines() if token["id"] in line)
    other = RedisServer(make_folder("redis")).start()
    try:
        assert gateway.cli("store", "import", "--store", other.tcp_url, stdin=lines).status == 0
        kept = records.client.hgetall(key)
        kept.pop("minted", None)  # without the line of the store's key it has no meaning
        assert other.client.hgetall(key) == kept
        other.client.hset(key, "from", "x")
        verified = gateway.cli("store", "verify", "--store", other.tcp_url)
        assert verified.status == 1 and "its from is not a list of address ranges" in verified.err
    finally:
        other.stop()
