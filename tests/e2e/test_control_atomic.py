"""Changes under concurrency, and with Redis dying under them: every record stays whole and indexed, what was answered
has happened, what was refused has not, and of two renewals at the same time one wins."""

import collections
import hashlib
import random
import re
import select

import pytest

from harness.control import Answer, Control
from harness.gateway import DOMAIN
from harness.process import eventually
from harness.scene import request_bytes
from harness.store import Records, RedisServer, make_value, random_id

CLIENTS = 100
DURABLE = ["--appendonly", "yes", "--appendfsync", "always"]
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


@pytest.fixture(scope="module")
def store(make_folder):
    server = RedisServer(make_folder("redis"), *DURABLE).start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def records(store):
    return Records(store.client)


@pytest.fixture(scope="module")
def gateway(module_gateways, store):
    return module_gateways.start(store_url=store.url)


@pytest.fixture(scope="module")
def local(gateway):
    return Control(gateway.socket_path)


# ---- what the store may hold, whatever happened ----

def check_token(fields):
    assert set(fields) - {"minted"} == {"name", "role", "selector", "hash", "version", "created_at", "updated_at", "created_by"}, fields
    assert fields.get("minted", fields["version"]) == fields["version"], fields
    assert re.fullmatch(r"[0-9a-f]{64}", fields["hash"]) and re.fullmatch(r"[1-9][0-9]*", fields["version"]), fields
    assert TIME.fullmatch(fields["created_at"]) and TIME.fullmatch(fields["updated_at"]), fields
    assert (fields["name"], fields["role"], fields["selector"]) == ("raced", "read", "team=a"), fields


def check_job(fields):
    """All that one patch sets is there together: the same mark everywhere."""
    marks = {fields.get("label:one"), fields.get("label:two"), fields.get("url", "").rpartition("/")[2] or None}
    assert len(marks) == 1, fields
    assert TIME.fullmatch(fields["created_at"]) and TIME.fullmatch(fields["updated_at"]), fields


def check_store(client):
    """Every record is whole and in its index, every entry of an index has its record. Returns {noun: {id: fields}}."""
    found = {}
    for noun, check in [("token", check_token), ("job", check_job)]:
        prefix = f"jobgate:{noun}:"
        found[noun] = {key.removeprefix(prefix): client.hgetall(key) for key in client.scan_iter(f"{prefix}*", count=1000)}
        assert set(client.zrange(f"jobgate:{noun}s", 0, -1)) == set(found[noun])
        for fields in found[noun].values():
            check(fields)
    return found


# ---- a hundred clients ----

class History:
    """What was asked and answered, of each record."""

    def __init__(self):
        self.statuses = collections.Counter()
        self.created, self.deleted, self.maybe_deleted, self.maybe_created = set(), set(), set(), set()
        self.renewed = collections.defaultdict(dict)  # id -> {version: value}
        self.maybe_renewed = collections.Counter()
        self.marks = collections.defaultdict(set)  # of a job: those that may be in it

    def take(self, doing, answer):
        act, record, mark = doing
        self.statuses[act, answer.status] += 1
        assert answer.status in {"create": (201, 409, 503), "renew": (200, 404, 409, 503), "patch": (200, 404, 503),
                                 "delete": (204, 404, 503)}[act], answer
        unknown = answer.status == 503 and "not known" in answer.json["detail"]
        assert answer.status != 503 or unknown or "nothing was changed" in answer.json["detail"]
        if act == "create" and answer.status == 201:
            self.created.add(record)
        elif act == "delete" and answer.status == 204:
            self.deleted.add(record)
        elif act == "renew" and answer.status == 200:
            version = answer.json["version"]
            assert version not in self.renewed[record], f"two renewals were given version {version}"
            self.renewed[record][version] = answer.json["value"]
        elif act == "patch" and answer.status == 200:
            assert answer.json["labels"] == {"one": mark, "two": mark}
            self.marks[record].add(mark)
        elif unknown:
            {"create": self.maybe_created.add, "delete": self.maybe_deleted.add, "patch": lambda job: self.marks[job].add(mark),
             "renew": lambda token: self.maybe_renewed.update([token])}[act](record)

    def check(self, found):
        """Hold what the store has against what was said."""
        there = {**found["token"], **found["job"]}
        gone = self.deleted | self.maybe_deleted
        assert not self.deleted & set(there), "a record is there that was deleted"
        assert self.created - gone <= set(there), "a record is missing that was created"
        assert set(there) <= self.created | self.maybe_created, "a record is there whose creation was refused"
        for record, fields in found["token"].items():
            said, version = self.renewed[record], int(fields["version"])
            assert len(said) <= version - 1 <= len(said) + self.maybe_renewed[record], (record, version, said)
            if version in said:
                assert fields["hash"] == hashlib.sha256(said[version].encode()).hexdigest()
        for record, fields in found["job"].items():
            assert fields.get("label:one") in self.marks[record] | {None}


class Crowd:
    """Clients on connections of their own, each with one call under way."""

    def __init__(self, local, rng, tokens, jobs):
        self.local, self.rng, self.tokens, self.jobs, self.history = local, rng, tokens, jobs, History()
        self.clients = {}
        for _ in range(CLIENTS):
            client = local.connect()
            self.clients[client.sock] = [client, None]

    def ask(self, entry):
        rng, mark = self.rng, random_id(8)
        act = rng.choices(["create", "renew", "patch", "delete"], [2, 6, 6, 1])[0]
        job = act == "patch" or (act != "renew" and rng.random() < 0.5)
        record = rng.choice(self.jobs if job else self.tokens)
        method, path, body = {
            "create": ("POST", "/v1/jobs", {"id": record}), "renew": ("POST", f"/v1/tokens/{record}/renew", None),
            "patch": ("PATCH", f"/v1/jobs/{record}", {"url": f"http://h/{mark}", "labels": {"one": mark, "two": mark}}),
            "delete": ("DELETE", f"/v1/{'job' if job else 'token'}s/{record}", None)}[act]
        if act == "create":  # a new id, so that each record has one life
            record = body["id"] = "job-" + random_id(10)
            self.jobs[rng.randrange(len(self.jobs))] = record
        entry[1] = (act, record, mark), method, path
        self.local.send(entry[0], method, path, body)

    def run(self, calls, at=lambda done: None):
        """That many calls in all; `at` is told after each how many there were."""
        asked = done = 0
        for entry in self.clients.values():
            self.ask(entry)
            asked += 1
        while done < asked:
            ready = select.select(list(self.clients), [], [], 15)[0]
            assert ready, f"no answer after {done} of {asked}"
            for sock in ready:
                entry = self.clients[sock]
                doing, method, path = entry[1]
                self.history.take(doing, Answer(method, path, entry[0].read_response(method)))
                done += 1
                at(done)
                if asked < calls:
                    self.ask(entry)
                    asked += 1

    def close(self):
        for client, _ in self.clients.values():
            client.close()


@pytest.fixture
def crowd(local, store):
    seed = random.randrange(1 << 32)
    print("seed", seed)
    store.client.flushall()
    tokens = [local.token_of("raced", selector="team=a")["id"] for _ in range(12)]
    jobs = [local.job_of()["id"] for _ in range(12)]
    crowd = Crowd(local, random.Random(seed), tokens, jobs)
    crowd.history.created |= {*tokens, *jobs}
    yield crowd
    crowd.close()


@pytest.mark.alone
def test_hundred_clients(crowd, store):
    crowd.run(3000)
    crowd.history.check(check_store(store.client))
    statuses = crowd.history.statuses
    assert not [key for key in statuses if key[1] == 503]
    assert statuses["renew", 200] and statuses["renew", 409] and statuses["renew", 404] and statuses["delete", 204]


def test_redis_dies(crowd, store, local):
    """kill -9 at points of no pattern; it comes back with what its file has."""
    rng = crowd.rng
    for _ in range(5):
        kill = rng.randrange(1, 500)
        crowd.run(600, lambda done: store.kill() if done == kill else store.start() if done == kill + 60 else None)
        eventually(lambda: local.call("GET", "/v1/jobs?limit=1").status == 200, "the store to be in reach again")
        crowd.history.check(check_store(store.client))
    assert sum(count for (_, status), count in crowd.history.statuses.items() if status == 503) >= 5
    assert sum(count for (_, status), count in crowd.history.statuses.items() if status < 300) >= 100


# ---- compare and set ----

def test_one_renewal_wins(gateway, local, store, records):
    """A hundred who all read version 1: one value works, and is the only one that was given out."""
    token, job = local.token_of("raced"), records.job("unix:/nonexistent/job.sock")
    clients = [local.connect() for _ in range(CLIENTS)]
    store.client.client_pause(300)
    for client in clients:
        local.send(client, "POST", f"/v1/tokens/{token['id']}/renew")
    answers = [Answer("POST", f"/v1/tokens/{token['id']}/renew", client.read_response("POST")) for client in clients]
    for client in clients:
        client.close()
    won = [answer for answer in answers if answer.status == 200]
    assert len(won) == 1 and won[0].json["version"] == 2
    assert all(answer.status == 409 and "value" not in answer.json for answer in answers if answer is not won[0])

    def served(value):
        with gateway.client() as client:
            return client.exchange(request_bytes(f"{job}.{DOMAIN}", value)).status
    eventually(lambda: served(won[0].json["value"]) == 502, "the new value to pass")
    eventually(lambda: served(token["value"]) == 401, "the old value to be refused")


def test_one_creation_wins(local, store):
    name = "only-" + random_id(8)
    clients = [local.connect() for _ in range(CLIENTS)]
    store.client.client_pause(200)
    for client in clients:
        local.send(client, "POST", "/v1/jobs", {"id": name})
    statuses = collections.Counter(client.read_response("POST").status for client in clients)
    for client in clients:
        client.close()
    assert statuses == {201: 1, 409: CLIENTS - 1}


def test_scope_is_looked_at_where_the_change_is_made(local, records, store):
    """A job that leaves the scope between the call's arrival and its change is not changed."""
    scoped = local.by(records.token("operator", "team=a"))
    job = local.job_of(labels={"team": "a"})
    path = f"/v1/jobs/{job['id']}"
    clients = [(scoped.connect(), *call) for call in [("DELETE", None), ("PATCH", {"url": "unix:/taken"})]]
    mover = records.client.pipeline()
    mover.hset(records.job_key(job["id"]), "label:team", "b")
    store.client.client_pause(200)
    for client, method, body in clients:
        scoped.send(client, method, path, body)
    mover.execute()  # first in line but for the reading of the tokens
    for client, method, _ in clients:
        assert Answer(method, path, client.read_response(method)).status == 404
        client.close()
    assert local.done("GET", path)["url"] is None


# ---- the store out of reach ----

@pytest.fixture
def operator(gateway, records):
    return Control(gateway.socket_path, records.token("operator"))


CALLS = [("GET", "/v1/tokens", None), ("POST", "/v1/tokens", {"name": "a", "role": "read"}), ("GET", "/v1/tokens/" + "a" * 16, None),
         ("DELETE", "/v1/tokens/" + "a" * 16, None), ("POST", f"/v1/tokens/{'a' * 16}/renew", None), ("GET", "/v1/jobs", None),
         ("POST", "/v1/jobs", {"id": "never-made"}), ("GET", "/v1/jobs/a", None), ("PATCH", "/v1/jobs/a", {}), ("DELETE", "/v1/jobs/a", None),
         ("POST", "/v1/authorize", {"token": make_value("a" * 16), "job": "a"})]


def test_unreachable(store, local, operator, records):
    minted = make_value("a" * 16, key=records.mint_key())  # another one is refused without asking the store
    store.kill()
    for method, path, body in CALLS:
        body = {**body, "token": minted} if path == "/v1/authorize" else body
        assert "nothing was changed" in local.refused(503, method, path, body).json["detail"]
        assert "nothing was changed" in operator.refused(503, method, path, body).json["detail"]
    # What is wrong by itself is told all the same, and strangers learn no more than ever.
    local.refused(400, "POST", "/v1/jobs", {"id": "-"}, "id")
    operator.by("x").refused(401, "GET", "/v1/jobs")
    assert local.call("GET", "/healthz").status == 200
    store.start()
    eventually(lambda: local.call("GET", "/v1/jobs/never-made").status == 404, "the store to be in reach again")


def test_silent(gateway, store, local):
    """It takes the change and does not answer: the result is unknown, the answer says so, and the change is complete or absent."""
    token = local.token_of("raced", selector="team=a")
    job = "silent-" + random_id(8)
    store.freeze()
    try:
        answer = local.refused(503, "POST", "/v1/jobs", {"id": job, "labels": {"a": "b"}})
        assert "not known" in answer.json["detail"]
        assert f"audit: job created {job} perhaps" in gateway.program.log()
    finally:
        store.thaw()
    # Lists have connections of their own, which may be back before that for changes.
    eventually(lambda: local.call("GET", f"/v1/jobs/{job}").status in (200, 404), "the store to be in reach again")
    shown = local.call("GET", f"/v1/jobs/{job}")
    assert shown.status == 404 or shown.json["labels"] == {"a": "b"}
    assert (store.client.zscore("jobgate:jobs", job) is None) == (shown.status == 404)
    assert local.done("POST", f"/v1/tokens/{token['id']}/renew")["version"] == 2


def test_read_only_replica(store, local):
    """A store that refuses writes: 503, and nothing was changed."""
    before = store.client.dbsize()
    store.client.replicaof("127.0.0.1", 1)
    try:
        assert "nothing was changed" in local.refused(503, "POST", "/v1/jobs", {}).json["detail"]
    finally:
        store.client.replicaof("NO", "ONE")
    assert store.client.dbsize() == before
    eventually(lambda: local.call("POST", "/v1/jobs", {}).status == 201, "the primary to be found again")
