"""The records in Redis: other programs may write them, and a broken record denies access (auth/redis/README.md)."""

import pytest
import redis

from harness.gateway import DOMAIN
from harness.process import eventually
from harness.scene import request_bytes
from harness.store import Records, RedisServer, Token, make_value, random_id

UNREACHABLE = "unix:/nonexistent/job.sock"  # a URL that parses and whose 502 says: allowed


def status_of(gateway, job, token):
    with gateway.client() as client:
        return client.exchange(request_bytes(f"{job}.{DOMAIN}", token)).status


def test_job_written_by_hset(gateway, records):
    """No index, no created_at: a script's plain HSET is enough, and is seen at once."""
    token = records.token()
    job = "by-hand-" + random_id(8)
    assert status_of(gateway, job, token) == 404
    records.client.hset(records.job_key(job), "url", UNREACHABLE)
    eventually(lambda: status_of(gateway, job, token) == 502, "the job to appear")
    records.client.hset(records.job_key(job), "url", "")
    eventually(lambda: status_of(gateway, job, token) == 503, "its URL to go")
    records.client.delete(records.job_key(job))
    eventually(lambda: status_of(gateway, job, token) == 404, "the job to go")


def test_token_without_dates(gateway, records):
    token = records.token(created_at=None, updated_at=None)
    assert status_of(gateway, records.job(UNREACHABLE), token) == 502


@pytest.mark.parametrize("changes", [
    {"role": "emperor"}, {"role": ""}, {"role": None}, {"hash": ""}, {"hash": None}, {"hash": "00"}, {"hash": "zz" * 32},
    {"selector": "model"}, {"selector": "model=base,"}, {"selector": "=base"}, {"selector": "a=b,a=c"},
    {"selector": "model=bad value"}, {"version": "0"}, {"version": "x"}, {"version": ""}, {"version": "-1"},
    {"version": None}, {"name": "-bad-"}, {"name": "a" * 64}, {"name": None}, {"name": "a\r\nb"},
], ids=str)
def test_broken_token_is_absent(gateway, records, changes):
    """Above all: a selector that cannot be read is not an empty one."""
    token = records.token(**changes)
    assert status_of(gateway, records.job(UNREACHABLE), token) == 401


def test_missing_selector_is_not_an_empty_one_or_is(gateway, records):
    """`selector` may be empty; whether it may be missing is for the record's reader to say, but never 5xx."""
    token = records.token(selector=None)
    assert status_of(gateway, records.job(UNREACHABLE), token) in (401, 502)


@pytest.mark.parametrize("url", [
    "ftp://host/", "http://", "http:///path", "host:80", "//host", "http://user@host/", "http://user:pw@host/",
    "http://host:0/", "http://host:65536/", "http://host:/x:y", "http://host/?query", "http://host/#fragment",
    "http://ho st/", "http://host/a b", "http://host/../x", "http://host/%2e%2e/x", "http://host/a%2fb",
    "unix:relative.sock", "unix:", "unix:/" + "x" * 200, "http://[::1", "http://[fe80::1%25eth0]/", "http://host\r\nX: y/",
    "javascript:alert(1)", "http://" + "x" * 3000,
])
def test_broken_url_makes_the_job_absent(gateway, records, url):
    assert status_of(gateway, records.job(url), records.token()) == 404


@pytest.mark.parametrize("labels", [{"bad name": "x"}, {"x": "bad value"}, {"": "x"}, {"-x": "y"}, {"x": "y" * 64},
                                    {"UPPER.prefix/x": "y"}], ids=str)
def test_broken_label_makes_the_job_absent(gateway, records, labels):
    assert status_of(gateway, records.job(UNREACHABLE, labels), records.token()) == 404


def test_wrong_type_of_key(gateway, records):
    """WRONGTYPE is an answer about one record, not about the store."""
    job = "string-" + random_id(8)
    records.client.set(records.job_key(job), "hello")
    assert status_of(gateway, job, records.token()) == 404
    token = Token(random_id(), None, "x", "read", "")
    token.value = make_value(token.id)
    records.client.set(records.token_key(token.id), "hello")
    assert status_of(gateway, records.job(UNREACHABLE), token) == 401


def test_unknown_fields_do_no_harm(gateway, records):
    """A controller may keep more in a job than we read."""
    job = records.job(UNREACHABLE, gpu_count="8", owner="someone")
    assert status_of(gateway, job, records.token()) == 502


def test_broken_record_is_counted_and_logged_once(gateway, records):
    def count():
        return sum(value for name, value in gateway.metrics().items() if "bad_records" in name)
    before = count()
    job, token = records.job("ftp://broken/"), records.token()
    for _ in range(5):
        assert status_of(gateway, job, token) == 404
    eventually(lambda: count() > before, "the metric to count the broken record")
    key = records.job_key(job)
    eventually(lambda: key in gateway.program.log(), "the log to name the key")
    assert gateway.program.log().count(key) == 1


def test_broken_record_that_is_mended(gateway, records):
    job, token = records.job("ftp://broken/"), records.token()
    assert status_of(gateway, job, token) == 404
    records.client.hset(records.job_key(job), "url", UNREACHABLE)
    eventually(lambda: status_of(gateway, job, token) == 502, "the mended record to count")


def test_prefix(module_gateways, redis_server):
    gateway = module_gateways.start({"store": {"prefix": "other:gate:"}})
    theirs, ours = Records(redis_server.client), Records(redis_server.client, "other:gate:")
    job = ours.job(UNREACHABLE)
    assert status_of(gateway, job, ours.token()) == 502
    assert status_of(gateway, job, theirs.token()) == 401
    assert status_of(gateway, theirs.job(UNREACHABLE), ours.token()) == 404
    # The control API writes where the gateway reads.
    made = gateway.cli("token", "create", "--role", "read", "-o", "json", "elsewhere").json()
    assert redis_server.client.exists(f"other:gate:token:{made['id']}")


def test_store_over_tcp(module_gateways, redis_server, records):
    gateway = module_gateways.start(store_url=redis_server.tcp_url)
    token, job = records.token(), records.job(UNREACHABLE)
    assert status_of(gateway, job, token) == 502
    records.delete_token(token)
    eventually(lambda: status_of(gateway, job, token) == 401, "the push to arrive over TCP")


def test_store_with_password(module_gateways, make_folder):
    """And by a name, which a thread of its own looks up."""
    server = RedisServer(make_folder("redis"), "--requirepass", "s3cret").start()
    try:
        client = redis.Redis(unix_socket_path=server.socket_path, password="s3cret", decode_responses=True)
        records = Records(client)
        gateway = module_gateways.start(store_url=f"redis://:s3cret@localhost:{server.port}")
        assert status_of(gateway, records.job(UNREACHABLE), records.token()) == 502
        assert "s3cret" not in gateway.program.log()
        gateway.stop()
    finally:
        server.stop()


def test_store_with_user_and_database(module_gateways, make_folder):
    """redis://user:password@host:port/db: an ACL user, and another database than the first."""
    server = RedisServer(make_folder("redis")).start()
    try:
        server.client.execute_command("ACL", "SETUSER", "gate", "on", ">s3cret", "allkeys", "allchannels", "allcommands")
        client = redis.Redis(unix_socket_path=server.socket_path, db=3, decode_responses=True)
        gateway = module_gateways.start(store_url=f"redis://gate:s3cret@127.0.0.1:{server.port}/3")
        records = Records(client)
        token, job = records.token(), records.job(UNREACHABLE)
        assert status_of(gateway, job, token) == 502
        records.delete_token(token)
        eventually(lambda: status_of(gateway, job, token) == 401, "the push to arrive")
        gateway.stop()
    finally:
        server.stop()


def test_cache_is_bounded(module_gateways, records):
    """More records than entries: everything is still answered rightly."""
    gateway = module_gateways.start({"store": {"cache_entries": 16}, "timeouts": {"connect": "20ms"}})
    pairs = [(records.job(UNREACHABLE), records.token()) for _ in range(60)]
    for _ in range(2):
        for job, token in pairs:
            assert status_of(gateway, job, token) == 502
    deleted = pairs[::2]
    for _, token in deleted:
        records.delete_token(token)
    for job, token in pairs:
        wanted = 401 if (job, token) in deleted else 502
        eventually(lambda: status_of(gateway, job, token) == wanted, "the right answer")


def test_records_of_the_command_line(gateway, records):
    """What the control API writes has the documented form, index included."""
    token = gateway.cli("token", "create", "--role", "operator", "-l", "model=base", "-o", "json", "formed").json()
    stored = records.client.hgetall(records.token_key(token["id"]))
    assert {name: stored[name] for name in ["name", "role", "selector", "version"]} == \
        {"name": "formed", "role": "operator", "selector": "model=base", "version": "1"}
    assert set(stored) == {"name", "role", "selector", "hash", "version", "created_at", "updated_at", "created_by"} | ({"minted"} & set(stored))
    assert token["value"] == make_value(token["id"], token["value"][21:64])
    assert token["value"] not in str(stored)
    assert records.client.zscore("jobgate:tokens", token["id"]) is not None
    renewed = gateway.cli("token", "renew", "--yes", token["id"], "-o", "json").json()
    assert renewed["id"] == token["id"] and renewed["value"] != token["value"]
    assert records.client.hget(records.token_key(token["id"]), "version") == "2"
    job = gateway.cli("job", "create", "-l", "model=base", "--url", "http://127.0.0.1:1/x", "-o", "json").json()
    stored = records.client.hgetall(records.job_key(job["id"]))
    assert stored["url"] == "http://127.0.0.1:1/x"
    assert stored["label:model"] == "base"
    assert records.client.zscore("jobgate:jobs", job["id"]) is not None
    assert gateway.cli("job", "delete", "--yes", job["id"]).status == 0
    assert gateway.cli("token", "delete", "--yes", token["id"]).status == 0
    assert not records.client.exists(records.job_key(job["id"]), records.token_key(token["id"]))
    assert records.client.zscore("jobgate:tokens", token["id"]) is None
