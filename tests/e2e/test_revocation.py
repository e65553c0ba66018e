"""A revocation reaches every worker through Redis's push and ends what runs."""

import hashlib
import time

import pytest

from harness.process import eventually
from harness.raw import Closed, Cut
from harness.scene import Scene, request_bytes
from harness.store import Records, RedisServer, make_value, random_id
from test_upgrade import open_tunnel


@pytest.fixture(scope="module")
def patient(module_gateways):
    """Two workers whose records would live for an hour were it not for the pushes: only those can be the reason here."""
    return module_gateways.start({"workers": 2, "store": {"max_staleness": "3600s"}})


@pytest.fixture
def running(patient, scene_of, records):
    """A scene with a token and labels of its own."""
    scene = scene_of(patient, token=records.token(selector="model=base"))
    records.client.hset(records.job_key(scene.job), "label:model", "base")
    return scene


def start_stream(scene):
    client, connection, _ = scene.arrive()
    connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
    response = client.read_head()
    assert client.read_piece() == b"hello"
    return client, connection, response


def delete(scene):
    scene.records.delete_token(scene.token)


def renew(scene):
    scene.records.renew(scene.token)


def rehash(scene):
    """By a script that does not know that renewing takes a new version, too."""
    value = make_value(scene.token.id)
    scene.records.client.hset(scene.records.token_key(scene.token.id), "hash", hashlib.sha256(value.encode()).hexdigest())


def narrow(scene):
    scene.records.client.hset(scene.records.token_key(scene.token.id), "selector", "model=base,team=other")


def spoil(scene):
    scene.records.client.hset(scene.records.token_key(scene.token.id), "role", "emperor")


def take_label(scene):
    scene.records.client.hdel(scene.records.job_key(scene.job), "label:model")


def change_label(scene):
    scene.records.client.hset(scene.records.job_key(scene.job), "label:model", "large")


def delete_job(scene):
    scene.records.delete_job(scene.job)


def expire(scene):
    scene.records.client.pexpire(scene.records.token_key(scene.token.id), 1)


REVOCATIONS = [delete, renew, rehash, narrow, spoil, take_label, change_label, delete_job, expire]
by_name = pytest.mark.parametrize("revoke", REVOCATIONS, ids=[revoke.__name__ for revoke in REVOCATIONS])


@by_name
def test_stream_is_cut(running, revoke):
    client, connection, response = start_stream(running)
    revoke(running)
    with pytest.raises(Cut):
        client.read_body(response)
    connection.ended()
    running.gateway.access_entry(job=running.job, outcome="revoked")


CLOSE_1008 = b"\x88\x19\x03\xf0access has been revoked"


@by_name
def test_websocket_is_told_why(running, revoke):
    """Between two frames there is room for a Close frame with its code (RFC 6455 section 7.4.1)."""
    client, connection = open_tunnel(running)
    client.send(b"x")
    assert connection.read(1) == b"x"
    connection.send(b"\x81\x05hello")
    assert client.read(7) == b"\x81\x05hello"
    revoke(running)
    assert client.read_to_end() == CLOSE_1008
    connection.ended()
    running.gateway.access_entry(job=running.job, outcome="revoked")


@pytest.mark.parametrize("begun", [b"\x81", b"\x81\x05", b"\x81\x05hell", b"\x82\x7e\x00", b"\x82\x7e\x00\x01"],
                         ids=["first byte", "head", "content", "half a length", "length"])
def test_websocket_is_cut_within_a_frame(running, begun):
    """Within a frame there is none: what would follow could be taken for the frame's content."""
    client, connection = open_tunnel(running)
    connection.send(begun)
    assert client.read(len(begun)) == begun
    delete(running)
    with pytest.raises(Closed):
        client.read_to_end()
    connection.ended()


@by_name
def test_upload_is_cut(running, revoke):
    client = running.client
    client.send(running.request("POST", fields=["Content-Length: 1000000"]) + b"x")
    connection = running.backend.accept()
    connection.read_head()
    assert connection.read(1) == b"x"
    revoke(running)
    connection.ended()


@by_name
def test_waiting_for_an_answer_is_cut(running, revoke):
    client, connection, _ = running.arrive()
    revoke(running)
    connection.ended()
    try:
        assert client.read_response().status in (401, 403, 404, 502, 503)
    except Closed:
        pass  # cut without a word is as good


@by_name
def test_refused_by_all_workers(running, revoke):
    """
    Twenty kept connections spread over both workers, each having cached the decision: once the
    first refusal is seen the others follow by themselves, with no clock involved.
    """
    running.backend.close()
    records = running.records
    # 502 says: allowed. It comes without a wait, because the gateway never connects to this address.
    records.client.hset(records.job_key(running.job), "url", "http://169.254.7.7/")
    clients = [running.new_client() for _ in range(20)]
    for client in clients:
        eventually(lambda client=client: client.exchange(running.request()).status == 502, "the request to be allowed")
    revoke(running)
    for client in clients:
        eventually(lambda client=client: client.exchange(running.request()).status in (401, 403, 404),
                   "the request to be refused")


def test_renewed_value_is_served(running):
    running.relay()
    renewed = running.records.renew(running.token)
    old = running.new_client()
    eventually(lambda: old.exchange(running.request()).status == 401, "the old value to be refused")
    client = running.new_client()
    client.send(running.request(path="/renewed", token=renewed))
    # What came with the old value before its worker heard of the renewal lies there, too.
    while (received := (connection := running.backend.next()).read_request()).target != "/renewed":
        pass
    assert received.field("x-jobgate-token-id") == running.token.id
    connection.answer()
    assert client.read_response().status == 200


def test_harmless_change_cuts_nothing(running, records):
    """A new name, a wider selector, another label: what the new record would allow goes on."""
    client, connection, _ = start_stream(running)
    records.client.hset(records.token_key(running.token.id), "name", "other")
    records.client.hset(records.token_key(running.token.id), "selector", "")
    records.client.hset(records.job_key(running.job), "label:x", "y")
    # The change has arrived once a request on another connection shows it.
    def arrived():
        other = running.new_client()
        other.send(running.request())
        second = running.backend.next()
        received = second.read_request()
        second.answer()
        other.read_response()
        other.close()
        return received.field("x-jobgate-token-name") == "other"
    eventually(arrived, "the new name to be seen")
    connection.send(b"5\r\nworld\r\n0\r\n\r\n")
    assert client.read_piece() == b"world"
    assert client.read_piece() is None


def test_revocation_of_another_token_cuts_nothing(running, records):
    client, connection, _ = start_stream(running)
    other = records.token()
    records.delete_token(other)
    connection.send(b"5\r\nworld\r\n0\r\n\r\n")
    assert client.read_piece() == b"world"
    assert client.read_piece() is None


def test_nonsense_on_the_push_channel(gateways, records):
    """A user that may publish there can make the gateway doubt, never believe; and it recovers by itself.

    A gateway of its own: each worker recovers at its own time, and the other tests trust theirs."""
    patient = gateways.start({"workers": 2, "store": {"max_staleness": "3600s"}})
    token, job = records.token(), records.job("unix:/nonexistent")
    with patient.client() as client:
        for _ in range(3):
            records.client.publish("__redis__:invalidate", "nonsense")
            eventually(lambda: client.exchange(request_bytes(f"{job}.jobs.test", token)).status == 502, "the store to be trusted")
        records.delete_token(token)
        eventually(lambda: client.exchange(request_bytes(f"{job}.jobs.test", token)).status == 401, "the push to work")


def test_new_label_lets_in(patient, scene_of, records):
    """Not only revocations: the push works both ways, also for what was refused and cached."""
    scene = scene_of(patient, token=records.token(selector="model=base"))
    assert scene.client.exchange(scene.request()).status == 403
    records.client.hset(records.job_key(scene.job), "label:model", "base")

    def let_in():
        client = scene.new_client()
        client.send(scene.request())
        eventually(lambda: not (scene.backend.untouched() and client.silent()), "something to happen")
        if scene.backend.untouched():
            return False
        scene.backend.serve()
        return client.read_response().status == 200
    eventually(let_in, "the job to be in scope")


def test_token_made_after_it_was_asked_for(running, records):
    """A missing key is cached, and tracked as well."""
    token = records.token()
    fields = records.client.hgetall(records.token_key(token.id))
    records.delete_token(token)
    client = running.client
    eventually(lambda: client.exchange(running.request(token=token)).status == 401, "the token to be refused")
    records.client.hset(records.token_key(token.id), mapping=fields)
    running.backend.close()
    eventually(lambda: client.exchange(running.request(token=token)).status == 502, "the token to be accepted")


def test_flushall_is_seen(gateways, scene_of, make_folder):
    """The nil message: everything is gone at once."""
    server = RedisServer(make_folder("redis")).start()
    try:
        records = Records(server.client)
        gateway = gateways.start({"store": {"max_staleness": "3600s"}}, store_url=server.url)
        token, job = records.token(), records.job("unix:/nonexistent")
        with gateway.client() as client:
            request = request_bytes(f"{job}.jobs.test", token)
            assert client.exchange(request).status == 502
            server.client.flushall()
            eventually(lambda: client.exchange(request).status == 401, "the token to be forgotten")
    finally:
        server.stop()


@pytest.fixture
def own_store(gateways, make_folder):
    """A Redis and a gateway for this test alone, with a bound of one second."""
    server = RedisServer(make_folder("redis")).start()
    gateway = gateways.start({"store": {"max_staleness": "1000ms", "ping_interval": "200ms", "ping_deadline": "300ms"}},
                             store_url=server.url)
    yield server, gateway
    server.stop()


def test_frozen_store(own_store, scene_of):
    """No PONG: cached decisions live on for the bound and no longer; then 503, never allow; then all is well again."""
    server, gateway = own_store
    records = Records(server.client)
    token, job = records.token(), records.job("unix:/nonexistent")
    request = request_bytes(f"{job}.jobs.test", token)
    with gateway.client() as client:
        assert client.exchange(request).status == 502
        server.freeze()
        frozen_at = time.monotonic()
        statuses = []

        def unavailable():
            before = time.monotonic()
            response = client.exchange(request)
            statuses.append((before - frozen_at, response.status))
            if response.status == 503:
                assert int(response.field("retry-after")) >= 1
            return response.status == 503
        eventually(unavailable, "503")
        assert {status for _, status in statuses} == {502, 503}
        # Requests begun after the bound, and 100 ms for the tick, are never allowed.
        assert all(status == 503 for begun, status in statuses if begun > 1.1), statuses
        eventually(lambda: gateway.health("/readyz")[0] == 503, "/readyz to fail")
        assert gateway.health("/healthz")[0] == 200
        assert client.exchange(request_bytes(f"{job}.jobs.test", make_value(random_id()))).status == 503
        server.thaw()
        eventually(lambda: client.exchange(request).status == 502, "the store to be trusted again")
        eventually(lambda: gateway.health("/readyz")[0] == 200, "/readyz to recover")


def test_frozen_store_ends_what_runs(own_store, scene_of):
    """A stream, too, lives no longer than the bound: it is unknown whether its token still holds."""
    server, gateway = own_store
    scene = Scene(gateway, Records(server.client))
    client, connection, response = start_stream(scene)
    server.freeze()
    with pytest.raises(Cut):
        client.read_body(response)
    connection.ended()
    scene.close()


def test_lost_connections_to_the_store(own_store, scene_of):
    """Both connections are killed at once with the revocation: after the reconnect everything is read again."""
    server, gateway = own_store
    records = Records(server.client)
    for kill in ["normal", "pubsub", "both"]:
        token, job = records.token(), records.job("unix:/nonexistent")
        request = request_bytes(f"{job}.jobs.test", token)
        with gateway.client() as client:
            eventually(lambda client=client, request=request: client.exchange(request).status == 502, "the token to pass")
            pipeline = server.client.pipeline(transaction=True)
            for kind in ["normal", "pubsub"] if kill == "both" else [kill]:
                pipeline.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
            pipeline.delete(records.token_key(token.id))
            pipeline.execute()
            eventually(lambda client=client, request=request: client.exchange(request).status == 401,
                       f"the revocation to arrive although {kill} connections were lost")


def test_restarted_store(own_store):
    """Redis comes back empty at the same place: the token is gone, and the gateway works."""
    server, gateway = own_store
    records = Records(server.client)
    token, job = records.token(), records.job("unix:/nonexistent")
    request = request_bytes(f"{job}.jobs.test", token)
    with gateway.client() as client:
        assert client.exchange(request).status == 502
        server.stop()
        eventually(lambda: client.exchange(request).status == 503, "503 without a store")
        server.start()
        eventually(lambda: client.exchange(request).status == 401, "the empty store to be believed")
    token, job = records.token(), records.job("unix:/nonexistent")
    with gateway.client() as client:
        eventually(lambda: client.exchange(request_bytes(f"{job}.jobs.test", token)).status == 502, "new records to count")
