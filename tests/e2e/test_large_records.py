"""Records larger than a record may be (1 MiB, 1024 fields): each denies, and harms no others."""

import pytest

from harness.control import Control
from harness.gateway import DOMAIN, binary, environment, run
from harness.process import eventually
from harness.scene import request_bytes
from harness.store import Records, RedisServer

UNREACHABLE = "unix:/nonexistent/job.sock"  # a URL that parses and whose 502 says: allowed
MIB = 1 << 20
ADVICE = "larger than 1 MiB or 1024 fields; delete it, or the fields that do not belong there (HDEL)"


@pytest.fixture(scope="module")
def records(store):
    return Records(store.client)


@pytest.fixture(scope="module")
def shared(module_gateways, store):
    """A busy machine takes its time over a large record: that is not to look like a link that broke."""
    return module_gateways.start({"store": {"ping_deadline": "10s", "max_staleness": "15s"}}, store_url=store.url)


@pytest.fixture
def bulk(sanitizer, store):
    return lambda verb: run([binary(), "store", verb, "--store", store.url], environment(sanitizer))


def status_of(gateway, job, token):
    with gateway.client() as client:
        return client.exchange(request_bytes(f"{job}.{DOMAIN}", token)).status


def connects(gateway):
    return sum(value for name, value in gateway.metrics().items() if "store_connects" in name)


@pytest.mark.parametrize("size", [2 * MIB, 50 * MIB], ids=["held", "never held"])
def test_it_denies_and_the_link_is_kept(shared, records, size):
    """Below 16 MiB it is read as a whole, above it passes by."""
    token, good, large = records.token(), records.job(UNREACHABLE), records.job(UNREACHABLE, notes="x" * size)
    before = connects(shared)
    assert before == 1
    for _ in range(5):
        assert status_of(shared, large, token) == 404
        assert status_of(shared, good, token) == 502
        assert status_of(shared, records.job(UNREACHABLE), records.token()) == 502
    assert shared.program.log().count(f"{records.job_key(large)} breaks the rules and is treated as absent: it is {ADVICE}") == 1
    records.client.hdel(records.job_key(large), "notes")
    eventually(lambda: status_of(shared, large, token) == 502, "the mended record to count")
    assert connects(shared) == before
    assert "out of reach" not in shared.program.log()


def test_a_token_that_grows(shared, records):
    """Requests that rely on it end, as with any record that breaks the rules."""
    token, job = records.token(), records.job(UNREACHABLE)
    assert status_of(shared, job, token) == 502
    records.client.hset(records.token_key(token.id), "notes", "x" * 20 * MIB)
    eventually(lambda: status_of(shared, job, token) == 401, "the token to count as absent")
    records.delete_token(token)


def test_fields_without_end(shared, records):
    token, job = records.token(), records.job(UNREACHABLE)
    records.client.hset(records.job_key(job), mapping={f"f{number}": "" for number in range(1021)})  # 3 are there already
    assert status_of(shared, job, token) == 502
    records.client.hset(records.job_key(job), "more", "")
    eventually(lambda: status_of(shared, job, token) == 404, "the field too many to count")
    endless = records.job(UNREACHABLE)
    records.client.hset(records.job_key(endless), mapping={f"f{number}": "x" * 10000 for number in range(2000)})
    assert status_of(shared, endless, token) == 404
    assert status_of(shared, records.job(UNREACHABLE), token) == 502
    records.delete_job(endless)
    assert connects(shared) == 1


def test_redis_that_gives_up_who_asks_for_too_much(gateways, make_folder):
    """It closes the connection, unasked and without a word: that happens once for a record, not at each request."""
    server = RedisServer(make_folder("redis"), "--client-output-buffer-limit", "normal 20mb 0 0").start()
    try:
        store = Records(server.client)
        gateway = gateways.start(store_url=server.url)
        token, good, large = store.token(), store.job(UNREACHABLE), store.job(UNREACHABLE, notes="x" * 50 * MIB)
        assert status_of(gateway, good, token) == 502
        eventually(lambda: status_of(gateway, large, token) == 404, "the record to be known as too large")
        eventually(lambda: connects(gateway) == 2, "the metric to count the second connection")
        for _ in range(10):
            assert status_of(gateway, large, token) == 404
            assert status_of(gateway, store.job(UNREACHABLE), token) == 502
        assert connects(gateway) == 2
        assert f"it is {ADVICE}" in gateway.program.log()
        gateway.stop()
    finally:
        server.stop()


# ---- the control API and its client ----

def test_the_client_says_so(shared, records):
    job = records.job(UNREACHABLE, notes="x" * 50 * MIB)
    token = records.token("operator", notes="x" * 50 * MIB)
    for noun, name in [("job", job), ("token", token.id)]:
        told = shared.cli(noun, "get", name)
        assert told.status == 1
        assert f"the store's record of this {noun} is too large, with more than 1 MiB or 1024 fields: delete it" in told.err
    assert Control(shared.socket_path, token.value).call("GET", "/v1/jobs").status == 401
    assert shared.cli("job", "set", job, "-l", "a=b").status == 1
    assert records.client.hget(records.job_key(job), "label:a") == "b"
    assert shared.cli("job", "delete", "--yes", job).status == 0
    assert shared.cli("token", "delete", "--yes", token.id).status == 0
    assert not records.client.exists(records.job_key(job), records.token_key(token.id))
    assert "the store is out of reach" not in shared.program.log()


def test_a_record_is_read_by_a_script_that_cannot_write(shared, records):
    job = records.job(UNREACHABLE)
    records.client.config_resetstat()
    assert shared.cli("job", "get", job).status == 0
    calls = records.client.info("commandstats")
    assert calls["cmdstat_eval_ro"]["calls"] == 1 and "cmdstat_eval" not in calls


def test_lists_go_on(shared, records):
    """A list has all records that are none too large, however large they are together."""
    large = [records.job(UNREACHABLE, notes="x" * MIB) for _ in range(2)]
    jobs = [records.job(UNREACHABLE, notes="x" * 900000) for _ in range(40)]
    records.client.zadd("jobgate:jobs", {job: number for number, job in enumerate([large[0], *jobs, large[1]])})
    listed = [job["id"] for job in Control(shared.socket_path).pages("/v1/jobs")]
    assert [job for job in listed if job in large + jobs] == jobs
    for job in large + jobs:
        assert shared.cli("job", "delete", "--yes", job).status == 0


# ---- looking after the store ----

def test_verify_and_export(store, records, bulk):
    """The rest is looked at too, though it is more at a time than a reply may have."""
    store.client.flushall()
    jobs = [records.job(UNREACHABLE, notes="x" * 90000) for _ in range(300)]
    large = records.job(UNREACHABLE, notes="x" * 20 * MIB)
    store.client.zadd("jobgate:jobs", {job: 1 for job in [*jobs, large]})

    def problems(done):
        return [line for line in done.err.splitlines() if line.startswith("job ")]
    verified = bulk("verify")
    assert (verified.status, verified.out) == (1, "0 tokens, 301 jobs: 1 problem\n")
    assert problems(verified) == [f"job {large}: it is {ADVICE}"]
    exported = bulk("export")
    assert (exported.status, len(exported.out.splitlines())) == (1, 300)
    assert problems(exported) == [f"job {large}: left out: it is {ADVICE}"]
    records.delete_job(large)
    assert bulk("verify").status == 0
