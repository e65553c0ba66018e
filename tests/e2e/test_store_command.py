"""`jobgate store verify|export|import` (test_mint.py has mint): a whole store checked, saved and restored, with no gateway in between."""

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import termios

import pytest

from harness.control import Control
from harness.gateway import DOMAIN, binary, environment, run
from harness.process import PATIENCE, eventually, free_port
from harness.scene import request_bytes
from harness.store import Records, RedisServer, make_value, random_id


@pytest.fixture(scope="module")
def servers(make_folder):
    made = [RedisServer(make_folder("redis")).start() for _ in range(2)]
    yield made
    for server in made:
        server.stop()


@pytest.fixture
def source(servers):
    servers[0].client.flushall()
    return servers[0]


@pytest.fixture
def target(servers):
    servers[1].client.flushall()
    return servers[1]


@pytest.fixture
def store(sanitizer):
    def command(verb, *options, server=None, stdin=None):
        words = ["--store", server.url] if server else []
        return run([binary(), "store", verb, *words, *options], environment(sanitizer), stdin)
    return command


def fill(server):
    """Some records as an operator's script would write them, index included."""
    records = Records(server.client)
    tokens = [records.token(role, selector) for role in ("read", "operator") for selector in ("", "team=a", "team=a,x/y=")]
    jobs = [records.job("unix:/x", {"team": "a", "b.example/c": ""}), records.job(), records.job("https://h:1/base", lease="60", **{"port:9000": "grpc://h:2"})]
    server.client.zadd("jobgate:tokens", {token.id: number + 1 for number, token in enumerate(tokens)})
    server.client.zadd("jobgate:jobs", {job: number + 1 for number, job in enumerate(jobs)})
    return records, tokens, jobs


def content(server):
    """All records and indexes."""
    keys = {key: server.client.hgetall(key) for key in server.client.scan_iter("jobgate:*:*")}
    return keys, [server.client.zrange(f"jobgate:{noun}s", 0, -1, withscores=True) for noun in ("token", "job")]


def test_round_trip(source, target, store):
    """Exported and imported records are the same, with times and order; a lease begins again."""
    _, tokens, jobs = fill(source)
    assert store("verify", server=source).out == "6 tokens, 3 jobs: every record is valid and in its index\n"
    lines = store("export", server=source)
    assert (lines.status, lines.err) == (0, "exported 6 tokens and 3 jobs\n")
    assert not any(token.value in lines.out or token.value[21:] in lines.out for token in tokens)
    assert {json.loads(line)["kind"] for line in lines.out.splitlines()} == {"token", "job"}
    made = store("import", server=target, stdin=lines.out)
    assert (made.status, made.out) == (0, "imported 6 tokens and 3 jobs; 0 existed already and were not changed\n")
    assert content(target) == content(source)
    assert 50 < target.client.ttl(f"jobgate:job:{jobs[2]}") <= 60
    assert store("verify", server=target).status == 0


def test_the_id_of_the_control_host(source, store, make_folder):
    """A job whose host would be control.host is reported and not imported; others are."""
    path = make_folder("config") / "jobgate.yaml"
    path.write_text(json.dumps({"jobs": {"domain": DOMAIN}, "control": {"host": f"api.{DOMAIN}"}, "store": {"url": source.url}}))
    records = Records(source.client)
    records.client.hset("jobgate:job:api", mapping={"url": "unix:/x"})
    other = records.job("unix:/x")
    source.client.zadd("jobgate:jobs", {"api": 1, other: 2})
    checked = store("verify", "--config", path)
    assert checked.status == 1 and "job api" in checked.err and "control.host" in checked.err and "1 problem" in checked.out, checked
    assert store("verify", server=source).status == 0  # without a configuration, nothing is known of the host
    lines = store("export", server=source).out
    source.client.flushall()
    made = store("import", "--config", path, stdin=lines)
    assert made.status == 1 and "control.host" in made.err and "imported 0 tokens and 1 job;" in made.out, made
    assert source.client.exists(f"jobgate:job:{other}") and not source.client.exists("jobgate:job:api")


def test_imported_tokens_work(gateways, target, store, source):
    """A gateway over the new store takes the old values."""
    records, tokens, jobs = fill(source)
    assert store("import", server=target, stdin=store("export", server=source).out).status == 0
    gateway = gateways.start(store_url=target.url)
    with gateway.client() as client:
        assert client.exchange(request_bytes(f"{jobs[0]}.{DOMAIN}", tokens[1])).status == 502
        assert client.exchange(request_bytes(f"{jobs[0]}.{DOMAIN}", make_value(tokens[1].id))).status == 401
    listed = Control(gateway.socket_path).pages("/v1/tokens")
    assert [token["id"] for token in listed] == [token.id for token in tokens]


def test_all_that_limits_a_token_is_kept(gateways, source, target, store):
    """Who created it, too: each gateway shows the same."""
    before, after = (gateways.start(store_url=server.url) for server in (source, target))
    local = Control(before.socket_path)
    parent = local.token_of("parent", "operator", "team=a")
    limits = {"expires_at": "2999-01-01T00:00:00Z", "from": "127.0.0.0/8,::1", "rate": 10, "burst": 20, "concurrency": 3}
    child = local.by(parent["value"]).done("POST", "/v1/tokens", {"name": "child", "role": "read", "label_selector": "team=a", **limits}, 201)
    local.done("POST", f"/v1/tokens/{child['id']}/renew", {"grace": 600})
    assert store("import", server=target, stdin=store("export", server=source).out).status == 0
    assert store("verify", server=target).out == "2 tokens, 0 jobs: every record is valid and in its index\n"
    for token in (parent, child):
        old, new = (gateway.cli("token", "get", token["id"], "-o", "json").json() for gateway in (before, after))
        assert {**new, "last_used_at": None} == {**old, "last_used_at": None}  # written within a second, by one of them
    assert new["created_by"] == parent["id"] and new["previous_until"] and limits.items() <= new.items()
    assert Control(after.socket_path).done("DELETE", f"/v1/tokens/{parent['id']}?cascade=true") == {"deleted_tokens": 2}


def test_import_changes_nothing_that_is_there(source, target, store):
    """A backup does not bring back what was renewed since."""
    records, tokens, _ = fill(source)
    lines = store("export", server=source).out
    renewed = records.renew(tokens[0])
    before = content(source)
    again = store("import", server=source, stdin=lines)
    assert (again.status, again.out) == (0, "imported 0 tokens and 0 jobs; 9 existed already and were not changed\n")
    assert content(source) == before
    assert renewed.value != tokens[0].value


def test_from_the_gateways_own(gateways, target, store):
    """Records that the API made; the store of a configuration file."""
    gateway = gateways.start(store_url=target.url)
    local = Control(gateway.socket_path)
    token, job = local.token_of("basetoken", "operator", "model=base"), local.job_of(labels={"model": "base"}, url="unix:/x", lease=600)
    result = store("verify", "-c", gateway.config_path)
    assert result.out == "1 token, 1 job: every record is valid and in its index\n"
    lines = [json.loads(line) for line in store("export", "-c", gateway.config_path).out.splitlines()]
    assert lines.pop(0)["kind"] == "mint"
    shown = {name: value for name, value in token.items() if name not in ("value", "last_used_at")}
    assert lines[0].pop("minted") == 1
    assert len(lines[0].pop("hash")) == 64 and lines[0].pop("created_ms") > 1700000000000
    assert lines[0] == {"kind": "token", **shown}
    assert lines[1].pop("created_ms") > 1700000000000
    assert lines[1] == {"kind": "job", **{name: value for name, value in job.items() if name not in ("job_url", "port_urls", "last_request_at", "sessions")}}


def test_import_of_colliding_jobs(target, store):
    """A port and a job of the same host: the one that comes second is left out, and the rest is imported."""
    lines = [json.dumps({"kind": "job", "id": name, "url": None, "labels": {}, "ports": ports})
             for name, ports in [("a", {"1": "unix:/x"}), ("a-1", {}), ("b-2", {}), ("b", {"2": "unix:/x"}), ("c", {})]]
    made = store("import", server=target, stdin="\n".join(lines))
    assert made.status == 1 and made.out == "imported 0 tokens and 3 jobs; 0 existed already and were not changed\n"
    assert made.err.count("was left out: one of its ports, or its id, has the host") == 2
    assert sorted(target.client.keys("jobgate:job:*")) == ["jobgate:job:a", "jobgate:job:b-2", "jobgate:job:c"]


@pytest.mark.parametrize("spoil, problem", [
    (lambda records, token, job: records.client.hset(records.token_key(token), "hash", "00"), "token ID: its hash is not 64 hex digits"),
    (lambda records, token, job: records.client.hset(records.token_key(token), "role", "emperor"), "token ID: its role is neither read nor operator"),
    (lambda records, token, job: records.client.hdel(records.token_key(token), "selector"), "token ID: it has no selector field (empty for every job)"),
    (lambda records, token, job: records.client.hset(records.job_key(job), "url", "ftp://x"), "job ID: its url is not valid"),
    (lambda records, token, job: records.client.zrem("jobgate:tokens", token), "token ID: not in the index, so no list shows it"),
    (lambda records, token, job: records.client.delete(records.token_key(token)), "token ID: in the index, but without a record"),
    (lambda records, token, job: [records.client.delete(records.job_key(job)), records.client.set(records.job_key(job), "x")],
     "job ID: WRONGTYPE Operation against a key holding the wrong kind of value"),
    (lambda records, token, job: records.client.hset("jobgate:job:Not\x1b[31m valid", "url", "unix:/x"), "job Not?[31m?valid: its id is not valid"),
    (lambda records, token, job: records.client.hset("jobgate:token:", "x", "y"), "token : its id is not valid"),
])
def test_problems(source, store, spoil, problem):
    records, tokens, jobs = fill(source)
    spoil(records, tokens[1].id, jobs[0])
    result = store("verify", server=source)
    assert result.status == 1
    assert result.err.replace(tokens[1].id, "ID").replace(jobs[0], "ID") == problem + "\n"
    assert result.out.endswith(": 1 problem\n")


def test_what_is_no_problem(source, store):
    """An ended lease, keys of others, a prefix that would be a pattern."""
    records, _, jobs = fill(source)
    records.delete_job(jobs[0])
    source.client.set("other", "x")
    source.client.hset("jobgateX:token:abc", "x", "y")
    assert store("verify", server=source).status == 0
    assert store("verify", "--prefix", "*", server=source).out.startswith("0 tokens, 0 jobs")
    assert store("verify", "--prefix", "jobgat?:", server=source).out.startswith("0 tokens, 0 jobs")


def test_index_of_another_type(source, store):
    fill(source)
    source.client.delete("jobgate:tokens")
    source.client.set("jobgate:tokens", "x")
    result = store("verify", server=source)
    assert result.status == 1 and "index" in result.err


GOOD_TOKEN = {"kind": "token", "id": "a" * 16, "name": "n", "role": "read", "label_selector": "", "version": 1, "hash": "0" * 64}
GOOD_JOB = {"kind": "job", "id": "j", "labels": {}}


@pytest.mark.parametrize("line, told", [
    ("nonsense", "not JSON"), ("[]", "JSON object"), ("{}", "kind"), ('{"kind":"user"}', "kind"),
    ({**GOOD_TOKEN, "id": "A" * 16}, "id"), ({**GOOD_TOKEN, "hash": "0" * 63}, "hash"), ({**GOOD_TOKEN, "hash": "g" * 64}, "hash"),
    ({**GOOD_TOKEN, "hash": None}, "hash"), ({**GOOD_TOKEN, "version": 0}, "version"), ({**GOOD_TOKEN, "version": "1"}, "version"),
    ({**GOOD_TOKEN, "version": 10**18}, "version"), ({**GOOD_TOKEN, "version": 10**19}, "JSON"),
    ({**GOOD_TOKEN, "minted": 2}, "minted"), ({**GOOD_TOKEN, "minted": -1}, "minted"),
    ({**GOOD_TOKEN, "previous_version": 1}, "previous_version"), ({**GOOD_TOKEN, "version": 4, "previous_version": 2}, "previous_version"),
    ({**GOOD_TOKEN, "role": "root"}, "role"), ({**GOOD_TOKEN, "label_selector": "a"}, "label_selector"),
    ({key: value for key, value in GOOD_TOKEN.items() if key != "label_selector"}, "label_selector"),
    ({**GOOD_TOKEN, "value": "jgt_x"}, "value"), ({**GOOD_TOKEN, "created_at": "x" * 41}, "created_at"),
    ({**GOOD_TOKEN, "created_at": "2026-01-31 12:00"}, "created_at"), ({**GOOD_JOB, "updated_at": "yesterday"}, "updated_at"),
    ({**GOOD_TOKEN, "created_ms": "5"}, "created_ms"), ({**GOOD_JOB, "created_ms": 0}, "created_ms"),
    ({**GOOD_JOB, "created_ms": 1.5}, "created_ms"), ({**GOOD_JOB, "created_ms": 2**53}, "created_ms"),
    ({"kind": "mint", "key": "0" * 64, "enforced": "true"}, "enforced"), ({"kind": "mint", "key": "0" * 64}, "enforced"),
    ({**GOOD_JOB, "id": "-"}, "id"), ({"kind": "job", "labels": {}}, "id"), ({**GOOD_JOB, "url": "ftp://x"}, "url"),
    ({**GOOD_JOB, "labels": {"a": 1}}, "labels.a"), ({**GOOD_JOB, "lease": -1}, "lease"), ("{" + " " * 300000 + "}", "too long"),
], ids=lambda value: str(value)[:40])
def test_bad_lines(target, store, line, told):
    """Told with their number; the others are imported all the same."""
    text = line if isinstance(line, str) else json.dumps(line)
    result = store("import", server=target, stdin="\n".join([json.dumps(GOOD_JOB), text, json.dumps(GOOD_TOKEN)]))
    assert result.status == 1
    assert re.fullmatch(rf"line 2: .*{re.escape(told)}.*\n", result.err)
    assert sorted(target.client.keys("jobgate:*:*")) == ["jobgate:job:j", f"jobgate:token:{'a' * 16}"]
    assert not target.client.exists("jobgate:mint")


def test_usage(store, source):
    for words in [[], ["nothing"], ["verify", "more"], ["verify", "--prefix", "x"], ["verify", "-c", "x", "--store", "y"], ["verify", "-x"]]:
        assert store(*(words or [""])).status == 2, words
    assert store("verify", "--help").status == 0
    assert store("verify", "-c", "/nonexistent").status == 1
    assert store("verify", "--store", "nonsense").status == 2
    assert "'store nothing' is not a command" in store("nothing").err and "'more'" in store("verify", "more").err


@pytest.mark.parametrize("verb", ["verify", "export", "import"])
def test_out_of_reach(store, verb):
    result = store(verb, "--store", "unix:/nonexistent/redis.sock", stdin=json.dumps(GOOD_JOB))
    assert result.status == 3
    assert "does not answer" in result.err and result.out == ""


def test_progress(source, sanitizer):
    """On a terminal a line tells how far it is, and is gone at the end; elsewhere there is none."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    lines = "".join(json.dumps({**GOOD_JOB, "id": f"j{number}"}) + "\n" for number in range(2000))
    process = subprocess.run([binary(), "store", "import", "--store", source.url], env=environment(sanitizer), input=lines.encode(),
                             stdout=subprocess.PIPE, stderr=slave, timeout=60)
    os.close(slave)
    seen = b""
    try:
        while piece := os.read(master, 65536):
            seen += piece
    except OSError:
        pass
    os.close(master)
    assert process.returncode == 0 and b"2000 jobs" in process.stdout
    assert re.search(rb"\[[#.]{30}\] \d+ of \d+ bytes", seen)
    assert seen.endswith(b"\r\x1b[K")


def test_redis_dies_on_the_way(make_folder, sanitizer):
    """Import says so, and a second run completes it."""
    server = RedisServer(make_folder("redis"), "--appendonly", "yes", "--appendfsync", "always").start()
    lines = [json.dumps({**GOOD_JOB, "id": f"j{number}"}) + "\n" for number in range(4000)]
    process = subprocess.Popen([binary(), "store", "import", "--store", server.url], env=environment(sanitizer), text=True,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    for line in lines[:2000]:
        process.stdin.write(line)
    process.stdin.flush()
    eventually(lambda: server.client.zcard("jobgate:jobs") > 500, "some to be there")
    server.kill()
    out, err = process.communicate("".join(lines[2000:]), timeout=4 * PATIENCE)
    assert process.returncode == 3 and "run the import again" in err and out == ""
    server.start()
    again = run([binary(), "store", "import", "--store", server.url], environment(sanitizer), "".join(lines))
    assert again.status == 0
    there = int(re.search(r"and (\d+) jobs?; (\d+) existed", again.out)[1]) + int(re.search(r"and (\d+) jobs?; (\d+) existed", again.out)[2])
    assert there == 4000
    assert run([binary(), "store", "verify", "--store", server.url], environment(sanitizer)).out.startswith("0 tokens, 4000 jobs: every")
    server.stop()


def test_circles_of_those_that_are_gone(target, store):
    """No cascade would ever remove them. Import refuses the line that closes one; what another program wrote is named, and not exported."""
    line = lambda token, creator: f'{{"kind":"gone_token","id":"{token}","created_by":"{creator}","label_selector":""}}\n'
    one, two, three = (random_id() for _ in range(3))
    for tokens, kept in (([one], 0), ([one, two], 1), ([one, two, three], 2)):
        done = store("import", server=target, stdin="".join(line(token, tokens[i - 1]) for i, token in enumerate(tokens)))
        assert done.status == 1 and "a token would have created its own creator" in done.err, done
        assert len(target.client.keys("jobgate:made:*:of")) == kept
        assert store("verify", server=target).status == 0
        target.client.flushall()

    def keep(token, **fields):
        target.client.hset(f"jobgate:made:{token}:of", mapping={"created_by": "local", "selector": "", **fields})
    for token, creator in ((one, two), (two, three), (three, one)):
        keep(token, created_by=creator)
    bad = {random_id(): {"created_by": "7"}, random_id(): {"selector": "team"}, "x": {}}
    for token, fields in bad.items():
        keep(token, **fields)
    for verb in ("verify", "export"):
        done = store(verb, server=target)
        assert done.status == 1 and "gone_token" not in done.out
        for token, word in ((one, "created its creator"), (two, "created its creator"), (three, "created its creator"),
                            *zip(bad, ("creator is no id", "label selector breaks", "id breaks"))):
            assert re.search(f"token {token}: .*{word}", done.err), done.err


def lose_the_connection(server):
    server.client.client_kill_filter(_type="normal", skipme=True)


def begin_to_move(server):
    """To a server that is not there: what is not here is elsewhere."""
    server.client.execute_command("CLUSTER MEET", "127.0.0.1", 1)
    nodes = server.client.execute_command("CLUSTER NODES")
    other = next(node["node_id"] for node in nodes.values() if "handshake" in node["flags"])
    slot = server.client.execute_command("CLUSTER KEYSLOT", "{jobgate}")
    server.client.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", other)


@pytest.mark.parametrize("event, told", [(lose_the_connection, "was lost before all jobs were read"), (begin_to_move, "jobs may have been left out")])
def test_an_export_that_may_lack_records(make_folder, sanitizer, event, told):
    """The export waits for its reader while it happens."""
    server = RedisServer(make_folder("redis"), "--cluster-enabled", "yes", "--cluster-port", free_port(), "--cluster-announce-ip", "127.0.0.1",
                         "--cluster-node-timeout", 60000).start()
    server.client.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)
    eventually(lambda: server.client.execute_command("CLUSTER INFO")["cluster_state"] == "ok", "the cluster to be up")
    url = f"redis+cluster://127.0.0.1:{server.port}/"
    lines = "".join(json.dumps({**GOOD_JOB, "id": f"j{number}"}) + "\n" for number in range(3000)) + json.dumps(GOOD_TOKEN) + "\n"
    assert run([binary(), "store", "import", "--store", url], environment(sanitizer), lines).status == 0
    process = subprocess.Popen([binary(), "store", "export", "--store", url], env=environment(sanitizer), text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert '"kind":' in process.stdout.readline()
    assert '"j' in process.stdout.readline() + process.stdout.readline()
    event(server)
    _, err = process.communicate(timeout=4 * PATIENCE)
    assert process.returncode == 1 and told in err and "exported" not in err, err
    server.stop()
