"""Records with a time to live: they end when that time is over, even if Redis deletes the key later."""

import time

import pytest

from harness.control import Control
from harness.gateway import DOMAIN
from harness.process import eventually, free_port
from harness.raw import Closed
from harness.scene import request_bytes
from harness.sentinel import NAME, Sentinel
from harness.store import Records, RedisServer

UNREACHABLE = "unix:/nonexistent/job.sock"  # a URL that parses and whose 502 says: allowed
ALLOWED = 502
TTL_MS = 1200
MIB = 1 << 20


@pytest.fixture(scope="module")
def late_store(make_folder):
    """A Redis that deletes keys only when they are asked for, as one does in effect that has many."""
    server = RedisServer(make_folder("redis"), "--enable-debug-command", "yes", "--repl-diskless-sync-delay", "0").start()
    server.client.execute_command("DEBUG", "SET-ACTIVE-EXPIRE", "0")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def late_replica(late_store, make_folder):
    replica = RedisServer(make_folder("redis"), "--replicaof", "127.0.0.1", late_store.port).start()
    eventually(lambda: replica.client.info("replication")["master_link_status"] == "up", "the replica to have everything")
    yield replica
    replica.stop()


@pytest.fixture(scope="module")
def reader(module_gateways, late_store, late_replica):
    """A gateway by the way in which it reads."""
    made = {}

    def make(way):
        if way not in made:
            settings = {"store": {"read_url": late_replica.tcp_url}} if way == "replica" else {}
            made[way] = module_gateways.start(settings, store_url=late_store.tcp_url)
        return made[way]
    return make


@pytest.fixture
def records(late_store):
    return Records(late_store.client)


def status_of(gateway, job, token):
    with gateway.client() as client:
        return client.exchange(request_bytes(f"{job}.{DOMAIN}", token)).status


def expire(client, key, ttl_ms=TTL_MS):
    """Give it so long to live; the moment after which it must not count any more."""
    assert client.pexpire(key, ttl_ms)
    return time.monotonic() + ttl_ms / 1000


def ends_on_time(end, ask, allowed=ALLOWED, lasts=0.5):
    """It counts before its end, and for no request that is sent after it. Returns what is said then."""
    before, after = [], []
    while time.monotonic() < end + lasts or not after:
        sent = time.monotonic()
        (after if sent > end else before).append(ask())
    assert allowed in before, before
    assert allowed not in after, after
    return set(after)


@pytest.mark.parametrize("way", ["primary", "replica"])
@pytest.mark.parametrize("what", ["token", "job"])
def test_a_record_ends_when_its_time_is_over(reader, records, way, what):
    gateway, token, job = reader(way), records.token(), records.job(UNREACHABLE)
    eventually(lambda: status_of(gateway, job, token) == ALLOWED, "the records to count")
    key = records.token_key(token.id) if what == "token" else records.job_key(job)
    end = expire(records.client, key)
    statuses = ends_on_time(end, lambda: status_of(gateway, job, token))
    assert statuses == {401 if what == "token" else 404}


def test_a_record_read_by_a_script_ends_as_well(reader, records):
    gateway, token = reader("primary"), records.token()
    job = records.job(UNREACHABLE, notes="x" * 2 * MIB)
    assert status_of(gateway, job, token) == 404
    scripts = records.client.info("commandstats").get("cmdstat_eval_ro", {"calls": 0})["calls"]
    with records.client.pipeline(transaction=True) as pipeline:
        pipeline.hdel(records.job_key(job), "notes").pexpire(records.job_key(job), TTL_MS).execute()
    end = time.monotonic() + TTL_MS / 1000
    assert ends_on_time(end, lambda: status_of(gateway, job, token)) == {404}
    assert records.client.info("commandstats")["cmdstat_eval_ro"]["calls"] > scripts


def test_a_lease_that_is_renewed_goes_on(reader, records, hold_backend):
    """Past the first end nothing is refused, and a lease that is taken off leaves the job."""
    gateway, token, job = reader("primary"), records.token(), records.job(hold_backend.url)
    key, begun = records.job_key(job), time.monotonic()
    expire(records.client, key, 600)
    while time.monotonic() < begun + 2:
        expire(records.client, key, 600)
        assert status_of(gateway, job, token) == 200
    records.client.persist(key)
    while time.monotonic() < begun + 3:
        assert status_of(gateway, job, token) == 200


def test_what_runs_ends_with_its_token_and_with_its_job(reader, records, hold_backend):
    """Streams and tunnels, of a token and of a job's lease."""
    gateway = reader("primary")
    upgrade = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
               "Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw=="]
    running = []
    for ending in ("token", "job"):
        for fields in ([], upgrade):
            token, job = records.token(), records.job(hold_backend.url)
            client = gateway.client()
            client.send(request_bytes(f"{job}.{DOMAIN}", token, path="/hold/", fields=fields))
            client.read_until(b"hello")
            end = expire(records.client, records.token_key(token.id) if ending == "token" else records.job_key(job))
            running.append((client, end))
    for client, end in running:
        try:
            client.read_to_end()
        except Closed:
            pass  # a stream is cut by a reset, a tunnel is told why
        assert time.monotonic() > end - 0.1  # and not long before
        client.close()


@pytest.mark.parametrize("others", [0, 20000])
def test_writes_are_paused_when_it_ends(gateways, make_folder, others):
    """No key is deleted then, so nothing is pushed; with many keys besides, as Redis says it does it."""
    server = RedisServer(make_folder("redis")).start()
    try:
        records = Records(server.client)
        with server.client.pipeline(transaction=False) as pipeline:
            for number in range(others):
                pipeline.set(f"other:{number}", "x", px=600000 + number)
            pipeline.execute()
        gateway, token, job = gateways.start(store_url=server.tcp_url), records.token(), records.job(UNREACHABLE)
        assert status_of(gateway, job, token) == ALLOWED
        end = expire(server.client, records.token_key(token.id))
        server.client.execute_command("CLIENT", "PAUSE", "60000", "WRITE")
        assert ends_on_time(end, lambda: status_of(gateway, job, token)) == {401}
        assert server.client.info("stats")["expired_keys"] == 0  # Redis has not noticed yet
    finally:
        server.stop()


@pytest.mark.parametrize("paused", [False, True])
def test_an_operator_that_ends(gateways, late_store, records, paused):
    """The control API reads a caller's token itself."""
    port = free_port()
    gateways.start({"control": {"listen": f"127.0.0.1:{port}"}}, store_url=late_store.tcp_url)
    operator = records.token(role="operator")
    control = Control(("127.0.0.1", port), operator)
    eventually(lambda: control.call("GET", "/v1/jobs").status == 200, "the operator to be let in")
    end = expire(records.client, records.token_key(operator.id))
    if paused:
        records.client.execute_command("CLIENT", "PAUSE", "60000", "WRITE")
    try:
        assert ends_on_time(end, lambda: control.call("GET", f"/v1/tokens/{operator.id}").status, allowed=200) == {401}
    finally:
        records.client.execute_command("CLIENT", "UNPAUSE")


def test_the_primary_that_sentinels_name(gateways, make_folder, late_store, records):
    sentinels = [Sentinel(make_folder("sentinel"), late_store.port).start()]
    try:
        gateway = gateways.start(store_url=f"redis+sentinel://127.0.0.1:{sentinels[0].port}/{NAME}")
        token, job = records.token(), records.job(UNREACHABLE)
        eventually(lambda: status_of(gateway, job, token) == ALLOWED, "the records to count")
        assert ends_on_time(expire(records.client, records.token_key(token.id)), lambda: status_of(gateway, job, token)) == {401}
    finally:
        for sentinel in sentinels:
            sentinel.stop()
