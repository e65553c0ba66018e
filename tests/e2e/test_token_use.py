"""When tokens were last used (access.md, "Token"; store.md, jobgate:used): noted by workers in memory, written by the control process."""

import os
import signal
import time

import pytest

from harness.control import Control
from harness.gateway import DOMAIN
from harness.process import eventually, free_port
from harness.scene import request_bytes
from harness.store import Records, RedisServer
from test_control_path import control_pid

UNREACHABLE = "unix:/nonexistent/job.sock"  # a URL that parses and whose 502 says: allowed
USED = "jobgate:used"
LONG_AGO = "2024-01-01T00:00:00Z"


@pytest.fixture(scope="module")
def port():
    return free_port()


@pytest.fixture(scope="module")
def gateway(module_gateways, port):
    return module_gateways.start({"workers": 2, "control": {"listen": f"127.0.0.1:{port}"}})


@pytest.fixture
def local(gateway):
    return Control(gateway.socket_path)


@pytest.fixture(scope="module")
def job(records):
    return records.job(UNREACHABLE)


def ask(gateway, job, token, times=1):
    with gateway.client() as client:
        for _ in range(times):
            status = client.exchange(request_bytes(f"{job}.{DOMAIN}", getattr(token, "value", token))).status
    return status


def minute_of(records, token):
    score = records.client.zscore(USED, token.id)
    return score and int(score)


def is_now(minute):
    return minute is not None and time.time() // 60 - 1 <= minute <= time.time() // 60


def test_a_use_is_known_soon(gateway, local, records, job):
    token = records.token()
    path = f"/v1/tokens/{token.id}"
    assert local.done("GET", path)["last_used_at"] is None
    assert ask(gateway, job, token) == 502
    minute = eventually(lambda: minute_of(records, token), "the use")
    assert is_now(minute)
    text = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(minute * 60))
    assert local.done("GET", path)["last_used_at"] == text
    records.client.zadd("jobgate:tokens", {token.id: 1})
    assert {item["id"]: item["last_used_at"] for item in local.pages("/v1/tokens")}[token.id] == text
    assert local.done("POST", f"{path}/renew")["last_used_at"] == text
    assert f"Last used at:   {text}\n" in gateway.cli("token", "get", token.id).out
    assert local.call("DELETE", path).status == 204
    assert minute_of(records, token) is None


def test_many_requests_write_once_in_a_minute(gateway, records, job):
    """And no worker has to read a record again: nobody is told of the change."""
    token = records.token()
    writes = lambda: records.client.info("commandstats").get("cmdstat_zadd", {"calls": 0})["calls"]
    pushed = lambda: sum(value for name, value in gateway.metrics().items() if name.startswith("jobgate_invalidations_total"))
    ask(gateway, job, token)
    eventually(lambda: minute_of(records, token), "the use")
    count, before = writes(), pushed()
    for _ in range(20):
        ask(gateway, job, token)
    other = records.token()
    ask(gateway, job, other)
    eventually(lambda: minute_of(records, other), "another token's use")
    assert writes() - count <= 2 * 4 + 2  # two workers, and perhaps a new minute
    assert pushed() == before


def test_only_what_was_allowed_is_a_use(gateway, records, job):
    scoped, expired, used = records.token("read", "team=none"), records.token(expires_at="2001-01-01T00:00:00Z"), records.token()
    assert [ask(gateway, job, token) for token in (scoped, expired, used)] == [403, 401, 502]
    eventually(lambda: minute_of(records, used), "the use")
    assert minute_of(records, scoped) is None and minute_of(records, expired) is None


def test_calls_of_the_control_api_are_uses(gateway, records, port):
    token = records.token("operator")
    assert Control(("127.0.0.1", port), token).done("GET", "/v1/me")["id"] == token.id
    assert is_now(eventually(lambda: minute_of(records, token), "the use"))


def test_calls_at_the_local_socket_are_uses(local, records):
    """No worker sees them. A token that may not call the control API has no use."""
    reader, token = records.token(), records.token("operator")
    local.by(reader).refused(403, "GET", "/v1/me")
    assert local.by(token).done("GET", "/v1/me")["id"] == token.id
    assert is_now(eventually(lambda: minute_of(records, token), "the use"))
    assert minute_of(records, reader) is None
    records.client.zadd(USED, {token.id: 1})
    local.by(token).done("GET", "/v1/me")
    eventually(lambda: is_now(minute_of(records, token)), "the next use")


def test_many_tokens_at_the_local_socket(local, records):
    """More than one batch holds: a token whose use found no room has one as soon as it is used again."""
    tokens = [records.token("operator") for _ in range(80)]

    def all_noted():
        missing = [token for token in tokens if minute_of(records, token) is None]
        for token in missing:
            local.by(token).done("GET", "/v1/me")
        return not missing

    eventually(all_noted, "all uses")


def use_until(gateway, records, job, condition, what):
    """Each write looks at a few entries, drawn at random."""
    for _ in range(40):
        token = records.token()
        ask(gateway, job, token)
        if condition():
            return
        eventually(lambda: minute_of(records, token), "the use")
    raise AssertionError(f"40 writes in vain: {what}")


def test_a_clock_that_was_ahead(gateway, records, job):
    """A use in the future, by a gateway whose clock was wrong, does not stay."""
    token = records.token()
    records.client.delete(USED)
    records.client.zadd(USED, {token.id: 1 << 31})
    use_until(gateway, records, job, lambda: is_now(minute_of(records, token)), "a use that is not in the future")


def test_tokens_that_have_ended_by_themselves(gateway, records, job):
    """No script of ours deletes them: their last uses go all the same."""
    tokens = [records.token() for _ in range(3)]
    records.client.delete(USED)
    records.client.zadd(USED, {token.id: 1 for token in tokens})
    records.client.pexpire(f"jobgate:token:{tokens[0].id}", 1)
    records.client.delete(f"jobgate:token:{tokens[1].id}")
    use_until(gateway, records, job, lambda: [minute_of(records, token) for token in tokens] == [None, None, 1], "two last uses to go")


def test_a_key_of_another_type(gateways, make_folder):
    """The log says so once, and uses are written again when the key is gone."""
    server = RedisServer(make_folder("redis")).start()
    server.client.set(USED, "text")
    gateway = gateways.start(store_url=server.url)
    there = Records(server.client)
    job, refused = there.job(UNREACHABLE), [there.token() for _ in range(3)]
    warnings = lambda: [line for line in gateway.program.log().splitlines() if "last uses of tokens" in line]
    for token in refused:
        assert ask(gateway, job, token) == 502
        eventually(warnings, "the warning")
    server.client.delete(USED)
    use_until(gateway, there, job, lambda: server.client.zcard(USED) > 0, "a use")
    assert len(warnings()) == 1 and "stay as they are: WRONGTYPE" in warnings()[0]
    assert "the store refuses" not in gateway.program.log()
    server.stop()


def test_an_acl_that_forbids_the_set(gateways, make_folder):
    """The log says so once for each time that it begins to be so."""
    server = RedisServer(make_folder("redis")).start()
    gateway = gateways.start(store_url=server.url)
    there = Records(server.client)
    job = there.job(UNREACHABLE)
    warnings = lambda: [line for line in gateway.program.log().splitlines() if "last uses of tokens" in line]
    refused = lambda: server.client.info("commandstats").get("cmdstat_eval", {}).get("rejected_calls", 0)
    allow = lambda *words: server.client.execute_command("ACL", "SETUSER", "default", *words)
    for times in 1, 2:
        allow("resetkeys", "~jobgate:[^u]*")
        for token in [there.token() for _ in range(3)]:
            before = refused()
            assert ask(gateway, job, token) == 502
            eventually(lambda: refused() > before, "the refusal")
        allow("allkeys")
        use_until(gateway, there, job, lambda: server.client.zcard(USED) > 0, "a use")
        assert len(warnings()) == times and "NOPERM" in warnings()[0]
    assert "the store refuses" not in gateway.program.log()
    server.stop()


def test_a_full_store(gateways, make_folder):
    """Uses wait until it takes writes again. The log says so once."""
    server = RedisServer(make_folder("redis")).start()
    gateway = gateways.start(store_url=server.url)
    there = Records(server.client)
    job, tokens = there.job(UNREACHABLE), [there.token() for _ in range(2)]
    warnings = lambda: [line for line in gateway.program.log().splitlines() if "last uses of tokens" in line]
    server.client.config_set("maxmemory", "1")
    assert ask(gateway, job, tokens[0]) == 502
    eventually(warnings, "the warning")
    assert ask(gateway, job, tokens[1]) == 502
    server.client.config_set("maxmemory", "0")
    for token in tokens:
        eventually(lambda: minute_of(there, token), "the use")
    assert len(warnings()) == 1 and "wait until it does: OOM" in warnings()[0]
    assert "the store refuses" not in gateway.program.log()
    server.stop()


def test_a_token_that_is_gone_leaves_nothing(gateway, records, job):
    token, other = records.token(), records.token()
    pid = control_pid(gateway)
    os.kill(pid, signal.SIGSTOP)
    try:
        ask(gateway, job, token)
        records.delete_token(token)
        ask(gateway, job, other)
    finally:
        os.kill(pid, signal.SIGCONT)
    eventually(lambda: minute_of(records, other), "the use")
    assert minute_of(records, token) is None


def test_filters(local, records):
    old, new, used = records.token(name="filtered"), records.token(name="filtered", created_at="2999-01-01T00:00:00Z"), records.token(name="filtered")
    ends = records.token(name="filtered", expires_at="2999-06-01T00:00:00Z", created_by="a" * 16)
    records.client.zadd("jobgate:tokens", {token.id: 1 for token in (old, new, used, ends)})
    records.client.zadd(USED, {used.id: 29000000})  # 2025-02-19T21:20

    def ids(**filters):
        query = "&".join(f"{name}={value}" for name, value in filters.items())
        return {item["id"] for item in local.pages(f"/v1/tokens?name=filtered&{query}")}

    assert ids(unused_since="2025-01-01T00:00:00Z") == {old.id, ends.id}
    assert ids(unused_since="2025-02-19T21:20:59Z") == {old.id, ends.id}, "it may have been used in the last second of that minute"
    assert ids(unused_since="2025-02-19T21:21:00Z") == {old.id, used.id, ends.id}
    assert ids(unused_since=LONG_AGO) == set()
    assert ids(created_by="a" * 16) == {ends.id} and ids(created_by="local") == set()
    assert ids(expires_before="2999-06-01T00:00:00Z") == set() and ids(expires_before="2999-06-01T00:00:01Z") == {ends.id}
    for name in ("unused_since", "created_by", "expires_before"):
        local.refused(400, "GET", f"/v1/tokens?{name}=x", field=name)


def test_the_command_line(gateway, local, records, job):
    old, used = records.token(name="cli-unused"), records.token(name="cli-used")
    records.client.zadd("jobgate:tokens", {old.id: 1, used.id: 1})
    ask(gateway, job, used)
    eventually(lambda: minute_of(records, used), "the use")
    ids = {item["id"] for item in gateway.cli("token", "list", "--unused-for", "90d", "-o", "json").json()}
    assert old.id in ids and used.id not in ids
    made = local.token_of("cli-made")
    assert made["id"] in {item["id"] for item in gateway.cli("token", "list", "--created-by", "local", "-o", "json").json()}
    assert gateway.cli("token", "list", "--unused-for", "11000d").status == 2
    ends = local.done("POST", "/v1/tokens", {"name": "cli-ends", "role": "read", "expires_at": "2999-06-01T00:00:00Z"}, 201)["id"]
    ending = lambda time: {item["id"] for item in gateway.cli("token", "list", "--expires-before", time, "-o", "json").json()}
    assert ends in ending("2999-07-01T00:00:00Z") and ends not in ending("2999-06-01T00:00:00Z")
    assert gateway.cli("token", "list", "--expires-before", "soon").status == 2


def test_uses_survive_an_outage(module_gateways, make_folder):
    """They wait in the workers' memory, which outlives workers."""
    server = RedisServer(make_folder("redis"), "--appendonly", "yes", "--appendfsync", "always").start()
    gateway = module_gateways.start({"store": {"max_staleness": "60s"}}, store_url=server.url)
    there = Records(server.client)
    token, job = there.token(), there.job(UNREACHABLE)
    pid = control_pid(gateway)
    os.kill(pid, signal.SIGSTOP)
    assert ask(gateway, job, token) == 502
    server.kill()
    os.kill(pid, signal.SIGCONT)
    server.start()
    eventually(lambda: minute_of(Records(server.client), token), "the use")
    server.stop()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR2])
def test_uses_survive_the_end_of_the_process(gateways, records, job, number):
    """What workers have noted before a stop or an upgrade is written before the control process ends."""
    gateway, token = gateways.start(), records.token()
    pid = control_pid(gateway)
    os.kill(pid, signal.SIGSTOP)
    assert ask(gateway, job, token) == 502
    gateway.program.send_signal(number)
    os.kill(pid, signal.SIGCONT)
    eventually(lambda: minute_of(records, token), "the use")


def test_an_acl_that_hides_uses(gateways, make_folder):
    """The rest of the records is shown; tokens whose use is not known do not count as unused."""
    server = RedisServer(make_folder("redis")).start()
    there = Records(server.client)
    token = there.token()
    there.job(UNREACHABLE)
    server.client.zadd("jobgate:tokens", {token.id: 1})
    keys = [f"~jobgate:{key}" for key in ("token:*", "job:*", "tokens", "jobs", "mint*", "quota:*", "made:*")]
    server.client.execute_command("ACL", "SETUSER", "default", "resetkeys", *keys)
    local = Control(gateways.start(store_url=server.url).socket_path)
    assert local.done("GET", f"/v1/tokens/{token.id}")["last_used_at"] is None
    assert token.id in {item["id"] for item in local.pages("/v1/tokens?name=" + local.done("GET", f"/v1/tokens/{token.id}")["name"])}
    assert local.call("GET", "/v1/jobs").status == 200
    assert token.id not in {item["id"] for item in local.pages("/v1/tokens?unused_since=2026-01-01T00:00:00Z")}
    server.stop()
