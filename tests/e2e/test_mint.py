"""Minted values: what was not made with the store's key is refused without asking the store, and costs it nothing."""

import hashlib
import json
import threading
import time

import pytest

from harness.control import Control
from harness.gateway import binary, environment, run
from harness.process import eventually
from harness.scene import request_bytes
from harness.store import Records, RedisServer, Token, make_value, random_id

KEY, OTHER_KEY = "5a" * 32, "a5" * 32
ENFORCED = "jobgate:mint:enforced"


@pytest.fixture
def server(store):
    store.client.flushall()
    store.client.config_resetstat()
    return store


@pytest.fixture
def records_here(server):
    return Records(server.client)


@pytest.fixture
def command(server, sanitizer):
    """jobgate store VERB, at this store unless another one is given."""
    def run_it(*words, at=None, stdin=None):
        verb, *options = words
        return run([binary(), "store", verb, "--store", (at or server).url, *options], environment(sanitizer), stdin)
    return run_it


def enforce(server, key=KEY):
    server.client.mset({"jobgate:mint": key, ENFORCED: "1"})


def old_token(server, role="read", name="old"):
    """One as a gateway made it before there was a key, in the index."""
    records, token_id = Records(server.client), random_id()
    value = make_value(token_id)
    records.token(role, "", name, token_id, hash=hashlib.sha256(value.encode()).hexdigest(), minted=None)
    server.client.zadd("jobgate:tokens", {token_id: 1})
    return Token(token_id, value, name, role, "")


def asked_for(server):
    """
    How often Redis was asked for anything but what links and the test itself send; records are not read by GET.
    Now and then the control process reads the record of a job whose host the gateway has itself. Its script has one HLEN, which workers never send.
    """
    known = {"ping", "info", "config", "role", "client", "subscribe", "hello", "select", "mget", "command", "exists", "eval_ro", "get", "config|resetstat",
             "config|get", "config|set", "client|tracking", "client|id", "client|setname", "client|setinfo", "client|list", "pttl"}
    calls = {name: entry["calls"] for name, entry in server.client.info("commandstats").items() if name.removeprefix("cmdstat_") not in known}
    own = calls.get("cmdstat_hlen", 0)
    left = {name: count - own if name.removeprefix("cmdstat_") in ("hlen", "hkeys", "hgetall", "zscore") else count for name, count in calls.items()}
    return {name: count for name, count in left.items() if count != 0}


def tracked(server):
    return server.client.info("stats")["tracking_total_keys"]


def ask(client, host, value):
    response = client.exchange(request_bytes(host, value))
    return response.status


def status_of(gateway, host, value):
    with gateway.client() as client:
        return ask(client, host, value)


# ---- strangers cost the store nothing ----

def flood(gateway, host, make, count):
    """Requests with values of strangers; the statuses that came back."""
    statuses = set()
    with gateway.client() as client:
        for _ in range(count):
            statuses.add(ask(client, host, make()))
    return statuses


def test_strangers_are_refused_without_a_read(server, records_here, gateways):
    enforce(server)
    token, job = records_here.token(), records_here.job("unix:/x")
    gateway, host = gateways.start(store_url=server.url), f"{job}.jobs.test"
    assert status_of(gateway, host, token) == 502
    eventually(lambda: server.client.zscore("jobgate:used", token.id), "its use to be written")
    server.client.config_resetstat()
    keys = tracked(server)
    strangers = [lambda: make_value(random_id()), lambda: make_value(token.id), lambda: make_value(random_id(), key=OTHER_KEY)]
    for stranger in strangers:
        assert flood(gateway, host, stranger, 300) == {401}
    assert asked_for(server) == {}
    assert tracked(server) == keys
    assert status_of(gateway, f"{records_here.job('unix:/x')}.jobs.test", token) == 502
    # The token and two jobs: the gauge is set now and then, so it has to show what came last.
    eventually(lambda: gateway.metrics()["jobgate_cache_entries"] >= 3, "the cache to be counted")
    assert gateway.metrics()["jobgate_cache_entries"] == 3


def test_without_a_key_each_is_looked_up(server, records_here, gateways):
    """The store that others fill: the check is skipped, and the log says so. (What the test above counts is there to be counted.)"""
    job = records_here.job("unix:/x")
    gateway, host = gateways.start(store_url=server.url), f"{job}.jobs.test"
    server.client.config_resetstat()
    keys = tracked(server)
    assert flood(gateway, host, lambda: make_value(random_id()), 50) == {401}
    assert asked_for(server)["cmdstat_hgetall"] >= 50
    assert tracked(server) >= keys + 50
    assert gateway.program.log().count("values are not minted here") == 1


def test_the_answer_is_that_to_a_wrong_checksum(server, records_here, gateways):
    enforce(server)
    token, job = records_here.token(), records_here.job("unix:/x")
    gateway, answers = gateways.start(store_url=server.url), []
    for value in [make_value(random_id()), make_value(token.id), token.value[:-1] + ("0" if token.value[-1] != "0" else "1"),
                  make_value(random_id(), key=KEY), make_value(token.id, key=KEY)]:
        with gateway.client() as client:
            response = client.exchange(request_bytes(f"{job}.jobs.test", value))
        problem = {name: text for name, text in json.loads(response.body).items() if name != "request_id"}
        fields = [(name, text) for name, text in response.fields if name.lower() not in ("x-request-id", "date", "content-length")]
        answers.append((response.status, fields, problem))
    assert answers[0][0] == 401
    assert all(answer == answers[0] for answer in answers)


def test_strangers_count_as_failures(server, records_here, gateways):
    enforce(server)
    token, job = records_here.token(), records_here.job("unix:/x")
    gateway = gateways.start({"limits": {"failed_auth_rate": 1, "failed_auth_burst": 5}}, store_url=server.url)
    host = f"{job}.jobs.test"
    assert flood(gateway, host, lambda: make_value(random_id()), 40) == {401, 429}
    assert status_of(gateway, host, token) == 502


def test_no_real_token_is_evicted(make_folder, sanitizer, gateways):
    """With maxmemory and allkeys-lru, which no store should have: strangers drive out nothing."""
    server = RedisServer(make_folder("redis")).start()
    enforce(server)
    records = Records(server.client)
    tokens, job = [records.token() for _ in range(50)], records.job("unix:/x")
    gateway, host = gateways.start({"timeouts": {"connect": "20ms"}}, store_url=server.url), f"{job}.jobs.test"
    assert {status_of(gateway, host, token) for token in tokens} == {502}
    server.client.config_set("maxmemory-policy", "allkeys-lru")
    server.client.config_set("maxmemory", server.client.info("memory")["used_memory"] + 200_000)
    assert flood(gateway, host, lambda: make_value(random_id()), 3000) == {401}
    assert server.client.info("stats")["evicted_keys"] == 0
    assert {status_of(gateway, host, token) for token in tokens} == {502}
    gateway.stop()
    server.stop()


def test_the_control_api_refuses_in_the_same_way(server, records_here, gateways):
    enforce(server)
    operator = records_here.token("operator")
    gateway = gateways.start(store_url=server.url)
    control = Control(gateway.socket_path)
    assert control.by(operator).call("GET", "/v1/jobs").status == 200
    server.client.config_resetstat()
    refusals = []
    for value in [make_value(random_id()), make_value(operator.id), make_value(random_id(), key=OTHER_KEY), "jgt_x"]:
        refusals += [control.by(value).call("GET", "/v1/jobs") for _ in range(20)]
    assert asked_for(server) == {}
    assert {answer.status for answer in refusals} == {401}
    assert all(answer.problem() == refusals[0].problem() for answer in refusals)


def test_authorize_tells_why(server, records_here, gateways):
    enforce(server)
    token, job = records_here.token(), records_here.job("unix:/x")
    control = Control(gateways.start(store_url=server.url).socket_path)

    def explain(value):
        return control.done("POST", "/v1/authorize", {"token": value, "job": job})
    assert explain(token.value)["allowed"] is True
    server.client.config_resetstat()
    stranger = explain(make_value(token.id))
    assert (stranger["allowed"], stranger["status"], stranger["verdict"]) == (False, 401, "invalid_token")
    assert "was not made here" in stranger["reason"]
    assert asked_for(server) == {}
    assert "there is no token" in explain(make_value(random_id(), key=KEY))["reason"]
    assert "form or its checksum" in explain("jgt_x")["reason"]


# ---- the store's key ----

def test_a_new_store_begins_enforced(server, records_here, gateways, command):
    gateway = gateways.start(store_url=server.url)
    control = Control(gateway.socket_path)
    job, made = control.job_of(url="unix:/x"), []
    host = f"{job['id']}.jobs.test"
    for number in range(3):
        made.append(control.token_of(f"t{number}"))
        eventually(lambda: status_of(gateway, host, made[-1]["value"]) == 502, "the token to be taken")
    key = server.client.get("jobgate:mint")
    assert server.client.get(ENFORCED) == "1"
    for token in made:
        assert token["value"] == make_value(token["id"], token["value"][21:64], key)
        assert server.client.hget(f"jobgate:token:{token['id']}", "minted") == "1"
    renewed = control.done("POST", f"/v1/tokens/{made[0]['id']}/renew")
    assert renewed["value"] == make_value(renewed["id"], renewed["value"][21:64], key)
    assert server.client.hmget(f"jobgate:token:{renewed['id']}", "minted", "version") == ["2", "2"]
    assert status_of(gateway, host, renewed["value"]) == 502
    assert status_of(gateway, host, made[0]["value"]) == 401
    assert command("verify").status == 0
    assert command("mint").out == "values are minted, and only minted values count\n"
    assert key not in gateway.program.log()


@pytest.mark.parametrize("indexed", [True, False], ids=["in the index", "written by others"])
def test_a_store_with_tokens_gets_no_key_by_itself(server, records_here, gateways, indexed):
    token, job = old_token(server), records_here.job("unix:/x")
    if not indexed:
        server.client.delete("jobgate:tokens")
    gateway = gateways.start(store_url=server.url)
    control = Control(gateway.socket_path)
    made = control.token_of("made")
    made = control.done("POST", f"/v1/tokens/{made['id']}/renew")
    assert server.client.keys("jobgate:mint*") == []
    assert server.client.hget(f"jobgate:token:{made['id']}", "minted") is None
    for value in (token.value, made["value"]):
        assert status_of(gateway, f"{job}.jobs.test", value) == 502


def test_two_gateways_make_one_key(server, records_here, gateways):
    """First tokens at the same time: one key, and all of the values count."""
    made = [gateways.start(store_url=server.url) for _ in range(2)]
    job, tokens = records_here.job("unix:/x"), []

    def create(gateway):
        for number in range(5):
            tokens.append(Control(gateway.socket_path).token_of(f"t{number}"))
    threads = [threading.Thread(target=create, args=(gateway,)) for gateway in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    key = server.client.get("jobgate:mint")
    assert len(tokens) == 10
    assert all(token["value"] == make_value(token["id"], token["value"][21:64], key) for token in tokens)
    for gateway in made:
        for token in tokens:
            eventually(lambda: status_of(gateway, f"{job}.jobs.test", token["value"]) == 502, "the token to be taken")
            assert Control(gateway.socket_path).done("POST", "/v1/authorize", {"token": token["value"], "job": job})["allowed"]


def test_an_old_store_step_by_step(server, records_here, gateways, command):
    """Start to mint, renew, enforce: nothing that counts is refused on the way, and all gateways notice at once."""
    old, operator = old_token(server), old_token(server, "operator", "op")
    gateway = gateways.start(store_url=server.url)
    control = Control(gateway.socket_path)
    host = control.job_of(url="unix:/x")["id"] + ".jobs.test"
    refused = command("mint", "--enforce")
    assert (refused.status, server.client.keys("jobgate:mint*")) == (1, [])
    assert "this store has no mint key yet" in refused.err

    started = command("mint")
    assert started.status == 0 and "2 tokens are not minted yet" in started.out
    assert (server.client.exists(ENFORCED), len(server.client.get("jobgate:mint"))) == (0, 64)
    eventually(lambda: "values are minted, but" in gateway.program.log(), "the worker to notice")
    assert status_of(gateway, host, old) == 502
    made = control.token_of("new")
    assert server.client.hget(f"jobgate:token:{made['id']}", "minted") == "1"
    verified = command("verify")
    assert (verified.status, verified.out) == (0, "3 tokens, 1 job: every record is valid and in its index; 2 tokens are not minted yet\n")
    assert f"token {old.id}: its value is not minted yet" in verified.err

    refused = command("mint", "--enforce")
    assert refused.status == 1 and server.client.exists(ENFORCED) == 0
    assert f"token {old.id}: version 1 was not minted" in refused.err and f"token {operator.id}:" in refused.err
    assert made["id"] not in refused.err and "2 tokens would be refused" in refused.err
    renewed = [control.done("POST", f"/v1/tokens/{token.id}/renew") for token in (old, operator)]
    done = command("mint", "--enforce")
    assert (done.status, done.out, done.err) == (0, "values are minted, and only minted values count\n", "")
    eventually(lambda: "not minted here are refused" in gateway.program.log(), "the worker to notice")
    for value in [made["value"], renewed[0]["value"]]:
        assert status_of(gateway, host, value) == 502
    server.client.config_resetstat()
    assert flood(gateway, host, lambda: make_value(random_id()), 50) == {401}
    assert asked_for(server) == {}


def test_enforcing_waits_for_a_grace(server, records_here, gateways, command):
    """The value before a renewal is valid until then, and nothing says whether it was minted."""
    old, job = old_token(server), records_here.job("unix:/x")
    gateway, host = gateways.start(store_url=server.url), f"{job}.jobs.test"
    control = Control(gateway.socket_path)
    assert command("mint").status == 0
    renewed = control.done("POST", f"/v1/tokens/{old.id}/renew", {"grace": 600})
    refused = command("mint", "--enforce")
    assert refused.status == 1 and server.client.exists(ENFORCED) == 0
    assert f"token {old.id}: the value before its renewal is valid until {renewed['previous_until']}" in refused.err
    assert status_of(gateway, host, old) == 502
    server.client.hset(f"jobgate:token:{old.id}", "previous_until", "2001-01-01T00:00:00Z")
    assert command("mint", "--enforce").status == 0


def test_a_grace_that_ended_in_this_second(server, command):
    """Moments are compared, not their texts: 12:00:00Z comes before 12:00:00.500Z."""
    records = Records(server.client)
    server.client.set("jobgate:mint", KEY)
    token = records.token(name="not a name!", version="2", minted="2", previous_version="1")
    server.client.zadd("jobgate:tokens", {token.id: 1})
    server.client.hset(records.token_key(token.id), "previous_until", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
    assert command("mint", "--enforce").status == 0


def test_a_grace_that_begins_while_enforcing(server, command):
    """The store looks again in the step that enforces: here at a token that the count has left out, because its record breaks a rule."""
    records, moment = Records(server.client), "2999-01-01T00:00:00Z"
    server.client.set("jobgate:mint", KEY)
    token = records.token(name="not a name!", version="2", minted="2", previous_version="1", previous_until=moment)
    server.client.zadd("jobgate:tokens", {token.id: 1})
    refused = command("mint", "--enforce")
    assert refused.status == 1 and "meanwhile" in refused.err and server.client.exists(ENFORCED) == 0
    for change in ({"previous_version": "5"}, {"previous_version": "1", "previous_until": "2001-01-01T00:00:00Z"}):
        server.client.hset(f"jobgate:token:{token.id}", mapping=change)
        assert command("mint", "--enforce").status == 0
        server.client.delete(ENFORCED)
        server.client.hset(f"jobgate:token:{token.id}", mapping={"previous_version": "1", "previous_until": moment})


def test_enforced_by_force(server, records_here, gateways, command):
    """Values that were not minted are refused, although their records are known and prove them; until they are renewed."""
    old, operator, job = old_token(server), old_token(server, "operator", "op"), records_here.job("unix:/x")
    gateway, host = gateways.start(store_url=server.url), f"{job}.jobs.test"
    control = Control(gateway.socket_path)
    with gateway.client() as client:
        assert ask(client, host, old) == 502
        assert command("mint").status == 0
        assert ask(client, host, old) == 502
        forced = command("mint", "--enforce", "--force")
        assert forced.status == 0 and "2 tokens are refused until renewed" in forced.err
        eventually(lambda: ask(client, host, old) == 401, "the worker to notice")
    eventually(lambda: control.by(operator).call("GET", "/v1/jobs").status == 401, "the control process to notice")
    verified = command("verify")
    assert verified.status == 1 and f"token {old.id}: its value was not minted here and is refused" in verified.err
    renewed = control.done("POST", f"/v1/tokens/{old.id}/renew")
    assert status_of(gateway, host, renewed["value"]) == 502


def test_usage(command, server):
    assert command("verify", "--enforce").status == 2
    assert command("mint", "--force").status == 2
    assert command("mint").out == "values are minted, and only minted values count\n"  # a store without tokens
    assert server.client.get(ENFORCED) == "1"
    server.client.flushall()
    server.client.set("jobgate:mint", "nonsense")
    broken = command("mint")
    assert broken.status == 1 and "delete it" in broken.err


def test_a_key_that_cannot_be_used(server, records_here, gateways):
    """As without one, with a warning: tokens are made, and count."""
    server.client.mset({"jobgate:mint": "nonsense", ENFORCED: "1"})
    job, gateway = records_here.job("unix:/x"), gateways.start(store_url=server.url)
    made = Control(gateway.socket_path).token_of("made")
    assert status_of(gateway, f"{job}.jobs.test", made["value"]) == 502
    assert server.client.hget(f"jobgate:token:{made['id']}", "minted") is None
    assert "jobgate:mint cannot be used: it is not 64 hex digits" in gateway.program.log()


def test_another_store_behind_the_same_address(server, records_here, gateways):
    """FLUSHALL, or a backup brought back: the new key counts, the old one no longer."""
    gateway = gateways.start(store_url=server.url)
    control = Control(gateway.socket_path)
    first = control.token_of("first")
    server.client.flushall()
    job, second = records_here.job("unix:/x"), control.token_of("second")
    eventually(lambda: status_of(gateway, f"{job}.jobs.test", second["value"]) == 502, "the new key to count")
    assert status_of(gateway, f"{job}.jobs.test", first["value"]) == 401
    assert server.client.get(ENFORCED) == "1"


def test_while_the_store_is_out_of_reach(make_folder, gateways):
    """Past the bound nothing is known, the key included: 503 for all that have a token's form."""
    server = RedisServer(make_folder("redis")).start()
    enforce(server)
    records = Records(server.client)
    token, job = records.token(), records.job("unix:/x")
    gateway, host = gateways.start({"store": {"max_staleness": "1s", "ping_interval": "200ms", "ping_deadline": "300ms"}}, store_url=server.url), f"{job}.jobs.test"
    assert status_of(gateway, host, token) == 502
    assert status_of(gateway, host, make_value(random_id())) == 401
    server.kill()
    for value in (token, make_value(random_id()), make_value(token.id)):
        eventually(lambda: status_of(gateway, host, value) == 503, "the bound to pass")
    assert status_of(gateway, host, "jgt_x") == 401
    server.start()
    enforce(server)
    eventually(lambda: status_of(gateway, host, make_value(random_id())) == 401, "the key to be known again")
    assert server.client.info("commandstats").get("cmdstat_hgetall", {"calls": 0})["calls"] <= 2  # of the token, again, at most
    gateway.stop()
    server.stop()


# ---- export and import ----

@pytest.fixture
def other(make_folder):
    server = RedisServer(make_folder("redis")).start()
    yield server
    server.stop()


def test_export_and_import_carry_the_key(server, other, gateways, command):
    control = Control(gateways.start(store_url=server.url).socket_path)
    token, job = control.token_of("made"), control.job_of(url="unix:/x")
    lines = command("export").out
    assert json.loads(lines.splitlines()[0]) == {"kind": "mint", "key": server.client.get("jobgate:mint"), "enforced": True}
    assert command("import", at=other, stdin=lines).status == 0
    assert other.client.mget("jobgate:mint", ENFORCED) == server.client.mget("jobgate:mint", ENFORCED)
    assert other.client.hgetall(f"jobgate:token:{token['id']}") == server.client.hgetall(f"jobgate:token:{token['id']}")
    again = command("import", at=other, stdin=lines)
    assert again.status == 0 and "imported 0 tokens and 0 jobs" in again.out
    assert status_of(gateways.start(store_url=other.url), f"{job['id']}.jobs.test", token["value"]) == 502


def test_import_into_a_store_with_another_key_is_refused(server, other, gateways, command):
    control = Control(gateways.start(store_url=server.url).socket_path)
    token = control.token_of("made")
    lines = command("export").out
    enforce(other, OTHER_KEY)
    refused = command("import", at=other, stdin=lines)
    assert refused.status == 1 and "line 1: key: the store mints values with another key" in refused.err
    assert sorted(other.client.keys("*")) == ["jobgate:mint", ENFORCED]
    # Without the key's line the tokens come, but not as minted, and it is told.
    lines = "".join(line + "\n" for line in lines.splitlines() if '"mint"' not in line.split(",")[0])
    taken = command("import", at=other, stdin=lines)
    assert taken.status == 0 and "values of 1 token were not minted with this store's key" in taken.err
    assert other.client.hget(f"jobgate:token:{token['id']}", "minted") is None
    assert command("verify", at=other).status == 1


def test_import_into_a_store_with_tokens_only_starts(server, other, gateways, command):
    Control(gateways.start(store_url=server.url).socket_path).token_of("made")
    old_token(other)
    assert command("import", at=other, stdin=command("export").out).status == 0
    assert other.client.get("jobgate:mint") == server.client.get("jobgate:mint")
    assert other.client.exists(ENFORCED) == 0
    assert "1 token is not minted yet" in command("verify", at=other).out


@pytest.mark.parametrize("line", [{"kind": "mint"}, {"kind": "mint", "key": "x", "enforced": True},
                                  {"kind": "mint", "key": KEY, "more": 1}])
def test_bad_lines(server, command, line):
    result = command("import", stdin=json.dumps(line))
    assert result.status == 1 and result.err.startswith("line 1: ")
    assert server.client.keys("*") == []


# ---- maxmemory-policy ----

@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl", "noeviction"])
def test_the_policy_is_looked_at(make_folder, gateways, policy):
    server = RedisServer(make_folder("redis"), "--maxmemory-policy", policy).start()
    gateway = gateways.start(store_url=server.url)
    Control(gateway.socket_path).token_of("made")
    warned = f"its maxmemory-policy is {policy}"
    assert gateway.program.log().count(warned) == (policy != "noeviction")
    gateway.stop()
    server.stop()
