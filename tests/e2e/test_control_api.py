"""The control API as its users see it: what is taken, what is refused and in which words, lists, patches, the audit log."""

import json
import re
import time

import jsonschema
import pytest

from harness.control import DOCUMENT, Answer, Control, operations, request_text, resolved
from harness.gateway import REPOSITORY
from harness.process import eventually, free_port
from harness.store import random_id


@pytest.fixture(scope="module")
def gateway(module_gateways):
    return module_gateways.start({"control": {"listen": f"127.0.0.1:{free_port()}"}})


@pytest.fixture(scope="module")
def local(gateway):
    return Control(gateway.socket_path)


@pytest.fixture(scope="module")
def tcp(gateway):
    host, _, port = gateway.config["control"]["listen"].rpartition(":")
    return Control((host, int(port)))


# ---- the document ----

def test_document_is_served(local):
    assert local.done("GET", "/openapi.json") == DOCUMENT


def test_document_has_every_endpoint():
    """The table in the code and the document name the same methods and paths."""
    text = (REPOSITORY / "auth" / "control" / "endpoints.c").read_text()
    rows = set(re.findall(r'^ {4}\{"([A-Z]+)", "([^"]+)", \w+\},$', text, re.MULTILINE))
    documented = {(method.upper(), path) for path, item in DOCUMENT["paths"].items() for method in item if method != "parameters"}
    assert rows == documented and len(rows) > 10


def test_document_is_well_formed():
    assert DOCUMENT["openapi"].startswith("3.1.")
    whole = resolved(DOCUMENT)  # fails on a reference that leads nowhere
    for name, schema in whole["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema)
    ids = [operation["operationId"] for _, methods in operations() for operation in methods.values()]
    assert len(ids) == len(set(ids))
    used = set(re.findall(r'"#/components/(\w+)/([\w-]+)"', json.dumps(DOCUMENT)))
    there = {(kind, name) for kind, parts in DOCUMENT["components"].items() for name in parts if kind != "securitySchemes"}
    assert used == there
    for path, item in whole["paths"].items():
        named = re.findall(r"\{(\w+)\}", path)
        assert named == [parameter["name"] for parameter in item.get("parameters", [])], path


# ---- what is taken and what is not, as the document and the server see it ----

GOOD_TOKENS = [
    {"name": "a", "role": "read"}, {"name": "a" * 63, "role": "ai_training_operator"}, {"name": "A.b_c-9", "role": "operator"},
    {"name": "a", "role": "read", "label_selector": ""}, {"name": "a", "role": "read", "label_selector": "model=base"},
    {"name": "a", "role": "read", "label_selector": "a=,b.example/c=d"},
    {"name": "a", "role": "read", "label_selector": ",".join(f"l{number}=v" for number in range(16))},
]
BAD_TOKENS = [  # with the field that is named
    ({}, "name"), ({"name": "a"}, "role"), ({"role": "read"}, "name"), ({"name": "", "role": "read"}, "name"),
    ({"name": "a" * 64, "role": "read"}, "name"), ({"name": "-a", "role": "read"}, "name"), ({"name": "a b", "role": "read"}, "name"),
    ({"name": "a\n", "role": "read"}, "name"), ({"name": None, "role": "read"}, "name"), ({"name": ["a"], "role": "read"}, "name"),
    ({"name": "a", "role": "Read"}, "role"), ({"name": "a", "role": "admin"}, "role"), ({"name": "a", "role": 1}, "role"),
    ({"name": "a", "role": "read", "label_selector": "model"}, "label_selector"),
    ({"name": "a", "role": "read", "label_selector": "a=b,"}, "label_selector"),
    ({"name": "a", "role": "read", "label_selector": "a=b, c=d"}, "label_selector"),
    ({"name": "a", "role": "read", "label_selector": "=b"}, "label_selector"),
    ({"name": "a", "role": "read", "label_selector": None}, "label_selector"),
    ({"name": "a", "role": "read", "label_selector": {"a": "b"}}, "label_selector"),
    ({"name": "a", "role": "read", "label_selector": ",".join(f"l{number}=v" for number in range(17))}, "label_selector"),
    ({"name": "a", "role": "read", "id": "abcdefgh12345678"}, "id"), ({"name": "a", "role": "read", "version": 9}, "version"),
    ({"name": "a", "role": "read", "hash": "00"}, "hash"),
]
GOOD_JOBS = [
    {}, {"url": None}, {"url": ""}, {"url": "http://127.0.0.1:1/base"}, {"url": "unix:/x"}, {"labels": {}},
    {"lease": 1}, {"lease": 86400}, {"lease": None}, {"labels": {"a": "", "b.example/c": "d"}}, {"labels": {f"l{number}": "v" for number in range(64)}},
]
BAD_JOBS = [
    ({"id": ""}, "id"), ({"id": "A"}, "id"), ({"id": "-a"}, "id"), ({"id": "a" * 64}, "id"), ({"id": None}, "id"), ({"id": 1}, "id"),
    ({"url": 1}, "url"), ({"url": "ftp://x/"}, "url"), ({"url": "x"}, "url"), ({"url": "http://h/" + "x" * 2048}, "url"),
    ({"labels": []}, "labels"), ({"labels": None}, "labels"), ({"labels": {"a": 1}}, "labels.a"), ({"labels": {"a": None}}, "labels.a"),
    ({"labels": {"-a": "b"}}, "labels.-a"), ({"labels": {"a": "b "}}, "labels.a"),
    ({"labels": {f"l{number}": "v" for number in range(65)}}, "labels"), ({"job_url": "x"}, "job_url"), ({"token": "x"}, "token"),
    *[({"lease": lease}, "lease") for lease in (0, -1, 86401, "60", 1.5, True, [])],
]
BAD_PATCHES = [
    ({"id": "other"}, "id"), ({"url": 1}, "url"), ({"url": "x"}, "url"), ({"labels": "x"}, "labels"), ({"labels": {"a": 1}}, "labels.a"),
    ({"labels": {"-": None}}, "labels.-"), ({"created_at": "x"}, "created_at"), ({"lease": 0}, "lease"), ({"lease": "1"}, "lease"),
]
SCHEMAS = resolved(DOCUMENT["components"]["schemas"])


def fits(schema, body):
    return jsonschema.Draft202012Validator(SCHEMAS[schema]).is_valid(body)


@pytest.mark.parametrize("path, schema, body", [("/v1/tokens", "NewToken", body) for body in GOOD_TOKENS] +
                         [("/v1/jobs", "NewJob", body) for body in GOOD_JOBS], ids=lambda value: str(value)[:40])
def test_taken(local, path, schema, body):
    assert fits(schema, body)
    made = local.call("POST", path, body)
    assert made.status == 201, made
    assert made.field("location") == f"{path}/{made.json['id']}"
    shown = local.job_record(made.json["id"]) if path == "/v1/jobs" else local.done("GET", made.field("location"))
    assert shown == {name: value for name, value in made.json.items() if name != "value"}


@pytest.mark.parametrize("path, schema, body, field", [("/v1/tokens", "NewToken", *case) for case in BAD_TOKENS] +
                         [("/v1/jobs", "NewJob", *case) for case in BAD_JOBS], ids=lambda value: str(value)[:40])
def test_refused_with_its_field(local, path, schema, body, field):
    # What a URL is, the document says in words; and to Python's `$` a newline at the end is no character.
    assert not fits(schema, body) or field == "url" or body.get("name") == "a\n"
    assert local.refused(400, "POST", path, body, field).json["detail"]


@pytest.mark.parametrize("body, field", BAD_PATCHES, ids=str)
def test_patch_refused_with_its_field(local, body, field):
    job = local.job_of(url="unix:/x", labels={"a": "b"})
    local.refused(400, "PATCH", f"/v1/jobs/{job['id']}", body, field)
    assert local.job_record(job["id"]) == job


@pytest.mark.parametrize("body", ["", "{", "[]", "null", '"x"', "{} {}", '{"name":"a","name":"b"}', b'{"name":"\xff"}',
                                  '{"name":"a\\u0000"}', "[" * 5000, '{"url":' + "[" * 3000 + "]" * 3000 + "}"], ids=lambda body: str(body)[:20])
def test_no_object(local, body):
    for method, path in [("POST", "/v1/tokens"), ("POST", "/v1/jobs"), ("POST", "/v1/authorize")]:
        assert local.call(method, path, body).status == 400


def test_renew_takes_no_other_field(local):
    local.refused(400, "POST", f"/v1/tokens/{local.token_of()['id']}/renew", {"version": 1}, "version")


def test_question_fields(local):
    local.refused(400, "POST", "/v1/authorize", {"token": "x"}, "job")
    local.refused(400, "POST", "/v1/authorize", {"job": "x"}, "token")
    local.refused(400, "POST", "/v1/authorize", {"job": "x", "token": "x", "host": "y"}, "host")
    for port in [0, -1, 65536, 2**62, "9000", True, 9000.5, None]:
        local.refused(400, "POST", "/v1/authorize", {"job": "x", "token": "x", "port": port}, "port")


# ---- JSON merge patch (RFC 7396) ----

@pytest.mark.parametrize("patch, url, labels", [
    ({}, "unix:/x", {"a": "b", "c": "d"}),
    ({"url": None}, None, {"a": "b", "c": "d"}),
    ({"url": ""}, None, {"a": "b", "c": "d"}),
    ({"url": "unix:/y"}, "unix:/y", {"a": "b", "c": "d"}),
    ({"labels": {}}, "unix:/x", {"a": "b", "c": "d"}),
    ({"labels": None}, "unix:/x", {}),
    ({"labels": {"a": None}}, "unix:/x", {"c": "d"}),
    ({"labels": {"a": None, "no-such": None}}, "unix:/x", {"c": "d"}),
    ({"labels": {"a": "z", "e": "f"}}, "unix:/x", {"a": "z", "c": "d", "e": "f"}),
    ({"url": None, "labels": {"a": None, "c": None, "g": ""}}, None, {"g": ""}),
], ids=str)
def test_merge_patch(local, patch, url, labels):
    assert fits("JobPatch", patch)
    job = local.job_of(url="unix:/x", labels={"a": "b", "c": "d"})
    changed = local.done("PATCH", f"/v1/jobs/{job['id']}", patch)
    assert (changed["url"], changed["labels"]) == (url, labels)
    assert changed["created_at"] == job["created_at"]
    assert local.job_record(job["id"]) == changed


def test_patch_keeps_what_others_wrote(local, records):
    """Fields that are not ours stay in the record."""
    job = records.job("unix:/x", {"a": "b"}, owner="controller")
    local.done("PATCH", f"/v1/jobs/{job}", {"labels": None, "url": None})
    assert records.client.hget(records.job_key(job), "owner") == "controller"


def test_patch_label_bound(local):
    job = local.job_of(labels={f"l{number}": "v" for number in range(64)})
    path = f"/v1/jobs/{job['id']}"
    local.refused(400, "PATCH", path, {"labels": {"more": "v"}}, "labels")
    assert len(local.done("PATCH", path, {"labels": {"more": "v", "l0": None, "l1": "w"}})["labels"]) == 64


# ---- leases ----

def test_lease(local, records):
    """A job with a lease goes by itself; the lease begins at its creation, at its change and at each renewal."""
    client, job = records.client, local.job_of(lease=60)
    path, key = f"/v1/jobs/{job['id']}", records.job_key(job["id"])

    def left_of(seconds):
        client.expire(key, seconds)
    assert job["lease"] == 60 and 50 < client.ttl(key) <= 60
    left_of(30)
    assert local.done("POST", path + "/renew") == job
    assert 50 < client.ttl(key) <= 60
    assert local.done("PATCH", path, {"labels": {"a": "b"}})["lease"] == 60
    left_of(30)
    assert local.done("PATCH", path, {"labels": {"a": "c"}})["lease"] == 60
    assert client.ttl(key) <= 30  # any other change is no renewal
    assert local.done("PATCH", path, {"lease": 90})["lease"] == 90
    assert 80 < client.ttl(key) <= 90
    assert local.done("PATCH", path, {"lease": None})["lease"] is None
    assert client.ttl(key) == -1
    local.refused(409, "POST", path + "/renew")
    local.refused(400, "POST", path + "/renew", {"lease": 1})
    assert local.done("PATCH", path, {"lease": 1})["lease"] == 1
    eventually(lambda: local.call("GET", path).status == 404, "the lease to end")
    local.refused(404, "POST", path + "/renew")
    assert job["id"] not in [item["id"] for item in local.pages("/v1/jobs")]
    assert client.zscore("jobgate:jobs", job["id"]) is None  # the list has dropped what it met


@pytest.mark.parametrize("lease", ["", "0", "x", "-1", "86401", "99999999999999999999"])
def test_lease_that_others_wrote_badly(local, records, lease):
    job = records.job("unix:/x", lease=lease)
    assert local.done("GET", f"/v1/jobs/{job}")["lease"] is None
    assert local.call("POST", f"/v1/jobs/{job}/renew").status in (200, 409)


def test_lists_pass_over_ended_leases(local, records):
    """Entries without a record, as many as a page has, hide nothing that comes behind them."""
    mark = random_id(8)
    gone = {f"gone-{mark}-{number}": 1 for number in range(250)}
    records.client.zadd("jobgate:jobs", gone)
    kept = local.job_of(labels={"mark": mark})["id"]
    assert [item["id"] for item in local.pages(f"/v1/jobs?label=mark={mark}")] == [kept]
    assert not any(records.client.zscore("jobgate:jobs", name) for name in gone)


# ---- lists ----

@pytest.mark.parametrize("limit", [1, 2, 3, 7, 1000, None])
def test_pages(local, limit):
    mark = random_id(8)
    made = [local.job_of(labels={"mark": mark, "parity": "odd" if number % 2 else "even"})["id"] for number in range(7)]
    tokens = [local.token_of(f"p-{mark}", role)["id"] for role in ["read", "operator", "read"]]

    def listed(path):
        return sorted(item["id"] for item in local.pages(path, limit))  # of one millisecond the order is that of ids
    assert listed(f"/v1/jobs?label=mark={mark}") == sorted(made)
    assert listed(f"/v1/jobs?label=mark%3D{mark}&label=parity=odd") == sorted(made[1::2])
    assert listed(f"/v1/tokens?name=p-{mark}") == sorted(tokens)
    assert listed(f"/v1/tokens?name=p-{mark}&role=ai_training_read") == sorted(tokens[::2])


def test_oldest_first(local, records):
    mark = random_id(8)
    made = [local.job_of(labels={"mark": mark})["id"] for _ in range(5)]
    for number, job in enumerate(made):
        records.client.zadd("jobgate:jobs", {job: 1000 - number})
    assert [job["id"] for job in local.pages(f"/v1/jobs?label=mark={mark}", 2)] == made[::-1]


def test_pages_while_records_come_and_go(local):
    """Who stays is seen once, whatever else changes between two pages."""
    mark = random_id(8)
    made = [local.job_of(labels={"mark": mark})["id"] for _ in range(12)]
    seen, cursor = [], ""
    for step in range(100):
        page = local.done("GET", f"/v1/jobs?label=mark={mark}&limit=2" + (f"&cursor={cursor}" if cursor else ""))
        seen += [job["id"] for job in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
        assert local.call("DELETE", f"/v1/jobs/{seen[-1]}").status == 204  # where the cursor stands
        local.job_of(labels={"mark": "other"})
    assert sorted(seen) == sorted(made)


@pytest.mark.parametrize("query, field", [
    ("limit=0", "limit"), ("limit=1001", "limit"), ("limit=x", "limit"), ("limit=", "limit"), ("cursor=x", "cursor"), ("cursor=", "cursor"),
    ("cursor=nan~a", "cursor"), ("label=x", "label"), ("label=-=x", "label"), ("name=x", None), ("page=2", None), ("limit=%zz", None)])
def test_bad_queries(local, query, field):
    local.refused(400, "GET", f"/v1/jobs?{query}", field=field)


@pytest.mark.parametrize("query, field", [("role=king", "role"), ("name=", "name"), ("name=a%20b", "name"), ("label=a=b", None),
                                          ("cursor=1~short", "cursor")])
def test_bad_token_queries(local, query, field):
    local.refused(400, "GET", f"/v1/tokens?{query}", field=field)


# ---- limits ----

def test_body_limit(local, tcp, records):
    body = '{"id":"x"}'
    for api in (local, tcp.by(records.token("operator"))):
        assert api.call("POST", "/v1/authorize", body + " " * (65536 - len(body))).status == 400  # read, and not what it should be
        api.refused(413, "POST", "/v1/authorize", body + " " * (65537 - len(body)))
        api.refused(413, "POST", "/v1/jobs", b"\0" * 900000)


def test_head_limits(local):
    assert local.call("GET", "/healthz", fields=[f"X-{number}: y" for number in range(98)]).status == 200
    local.refused(431, "GET", "/healthz", fields=[f"X-{number}: y" for number in range(120)])
    local.refused(431, "GET", "/healthz", fields=[f"X-{number}: " + "y" * 7000 for number in range(5)])
    local.refused(431, "GET", "/healthz", fields=["X: " + "y" * 9000])
    local.refused(414, "GET", "/v1/jobs?label=" + "y" * 9000)


def test_connections_are_bounded(gateway, local, tcp, records):
    """Strangers that hold all connections of the TCP address do not keep others from the Unix socket."""
    held = [tcp.connect() for _ in range(300)]
    try:
        assert local.call("GET", "/healthz").status == 200
        assert tcp.by(records.token("operator")).call("GET", "/v1/me").status == 200
        tcp.send(held[-1], "GET", "/healthz")
        assert held[-1].read_response().status == 401
        assert sum(client.silent() for client in held) <= 64
    finally:
        for client in held:
            client.close()


@pytest.fixture(scope="module")
def hasty(module_gateways):
    return Control(module_gateways.start({"timeouts": {"head": "400ms", "keep_alive": "400ms"}}).socket_path)


@pytest.mark.parametrize("data", [b"", b"GET /v1/me HT", b"GET /v1/me HTTP/1.1\r\nHost: x\r\n", b"GET /v1/me HTTP/1.1\r\nHost: x\r\nX: y",
                                  b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n{"], ids=str)
def test_slow_requests_are_cut(hasty, data):
    begin = time.monotonic()
    with hasty.connect() as client:
        client.send(data)
        client.ended()
    assert time.monotonic() - begin >= 0.39


def test_dripping_requests_are_cut(hasty):
    """Bytes that keep coming do not make a request that never ends."""
    with hasty.connect() as client:
        with pytest.raises(OSError):
            for byte in request_text("GET", "/healthz", fields=["X-Long: " + "y" * 1000]):
                client.send(bytes([byte]))
                time.sleep(0.02)


def test_idle_connections_are_cut(hasty):
    """An answer opens another span of time for the next request."""
    with hasty.connect() as client:
        for _ in range(3):
            time.sleep(0.2)
            hasty.send(client, "GET", "/healthz")
            assert client.read_response().status == 200
        client.ended()


# ---- the audit log ----

def test_audit(gateway, local, tcp, records):
    """Each change has one line: who, what, which, from where; no line has a secret."""
    operator = tcp.by(records.token("operator", "team=a", name="auditor"))
    lines = len(gateway.program.log().splitlines())
    asked, secrets = [], [operator.token.value]
    for api, who in [(local, "by uid "), (operator, f"by token {operator.token.id} from 127.0.0.")]:
        token = api.call("POST", "/v1/tokens", {"name": "audited", "role": "read", "label_selector": "team=a"})
        renewed = api.call("POST", f"/v1/tokens/{token.json['id']}/renew")
        secrets += [token.json["value"], renewed.json["value"]]
        job = api.call("POST", "/v1/jobs", {"labels": {"team": "a"}})
        changed = api.call("PATCH", f"/v1/jobs/{job.json['id']}", {"lease": 60})
        asked += [(who, "token created", token, token), (who, "token renewed", token, renewed), (who, "job created", job, job),
                  (who, "job changed", job, changed), (who, "job deleted", job, api.call("DELETE", f"/v1/jobs/{job.json['id']}")),
                  (who, "token deleted", token, api.call("DELETE", f"/v1/tokens/{token.json['id']}"))]
        # Neither reads nor refusals are changes.
        api.done("POST", "/v1/authorize", {"token": token.json["value"], "job": "x"})
        api.refused(404, "DELETE", f"/v1/jobs/{job.json['id']}")
        api.refused(400, "POST", "/v1/jobs", {"id": "-"}, "id")
        api.done("GET", "/v1/jobs")

    def audited():
        new = gateway.program.log().splitlines()[lines:]
        return [line for line in new if "audit:" in line]
    eventually(lambda: len(audited()) >= len(asked), "the lines of the audit log")
    found = audited()
    assert len(found) == len(asked), found
    for line, (who, did, record, answer) in zip(found, asked):
        assert re.search(rf"audit: {did} {record.json['id']} {re.escape(who)}[^ ]+( pid \d+)? request {answer.request_id}(: .*)?$", line), line
    log = gateway.program.log()
    assert not [secret for secret in secrets if secret in log or secret[21:64] in log]


def test_the_audit_log_says_what_a_patch_changed(gateway, local, tcp, records):
    """Old and new: what an attacker with an operator's token has changed can be undone."""
    url = "http://127.0.0.1:8001"
    job = local.job_of(url=url, lease=60, labels={"team": "a", "stage": "x", "empty": ""})["id"]
    path = f"/v1/jobs/{job}"
    for patch in [{"url": "unix:/taken"}, {"labels": {"stage": "y", "team": None, "new": "", "empty": None}}, {"lease": None, "url": None},
                  {"labels": {"stage": "y"}}, {"url": "http://h/" + 1000 * "x"}]:
        local.done("PATCH", path, patch)
    records.client.hset(records.job_key(job), "url", "nonsense")
    local.done("PATCH", path, {"url": url})

    def lines():
        found = [line for line in gateway.program.log().splitlines() if f"audit: job changed {job}" in line]
        return len(found) == 6 and [line.partition(" request ")[2].partition(": ")[2] for line in found]
    changes = eventually(lines, "the lines of the audit log")
    assert changes[0] == f"url {url} -> unix:/taken"
    assert sorted(changes[1].split(", ")) == ['label empty "" -> none', 'label new none -> ""', "label stage x -> y", "label team a -> none"]
    assert changes[2:4] == ["url unix:/taken -> none, lease 60 -> none", "all values as before"]
    assert changes[4] == "url none -> http://h/" + 247 * "x"
    assert changes[5] == ""  # the record was broken, so nothing is known of it


def test_the_audit_log_says_what_a_new_job_has(gateway, local):
    def change(job):
        found = eventually(lambda: [line for line in gateway.program.log().splitlines() if f"audit: job created {job['id']} by" in line], "the line")
        return found[0].partition(" request ")[2].partition(": ")[2]
    whole = local.job_of(url="http://127.0.0.1:8001", lease=60, labels={"team": "a", "empty": ""})
    assert change(whole).split(", ")[:2] == ["url none -> http://127.0.0.1:8001", "lease none -> 60"]
    assert sorted(change(whole).split(", ")[2:]) == ['label empty none -> ""', "label team none -> a"]
    assert change(local.job_of()) == "no url, no labels"


def test_the_audit_log_says_what_a_deleted_job_had(gateway, local, records):
    """The record is gone by then."""
    def deleted(job):
        assert local.call("DELETE", f"/v1/jobs/{job['id']}").status == 204
        found = eventually(lambda: [line for line in gateway.program.log().splitlines() if f"audit: job deleted {job['id']} by" in line], "the line")
        return found[0].partition(" request ")[2].partition(": ")[2]
    whole = deleted(local.job_of(url="http://127.0.0.1:8001", lease=60, labels={"team": "a", "empty": ""})).split(", ")
    assert whole[:2] == ["url http://127.0.0.1:8001 -> none", "lease 60 -> none"]
    assert sorted(whole[2:]) == ['label empty "" -> none', "label team a -> none"]
    assert deleted(local.job_of()) == "no url, no labels"
    broken = local.job_of(url="http://127.0.0.1:8001")
    records.client.hset(records.job_key(broken["id"]), "url", "nonsense")
    assert deleted(broken) == ""  # nothing is known of it
    text = local.job_of()
    records.client.delete(records.job_key(text["id"]))
    records.client.set(records.job_key(text["id"]), "no hash")
    assert deleted(text) == ""


def test_audit_at_any_level(module_gateways):
    gateway = module_gateways.start({"log": {"level": "error"}})
    job = Control(gateway.socket_path).job_of()
    eventually(lambda: f"audit: job created {job['id']}" in gateway.program.log(), "the audit log")


# ---- small print ----

def test_several_requests_on_one_connection(local):
    with local.connect() as client:
        for path, status in [("/healthz", 200), ("/v1/nothing", 404), ("/v1/jobs", 200)]:
            local.send(client, "GET", path)
            assert Answer("GET", path, client.read_response()).status == status
        client.send(b"".join(request_text("GET", "/healthz") for _ in range(10)))
        for _ in range(10):
            assert client.read_response().status == 200


def test_head_is_get_without_content(local):
    job = local.job_of()
    for path in ["/healthz", "/v1/jobs", f"/v1/jobs/{job['id']}", "/openapi.json", "/v1/jobs/no-such-job"]:
        head, get = local.call("HEAD", path), local.call("GET", path)
        assert (head.status, head.type, head.body) == (get.status, get.type, b"")
        if path == "/healthz":
            assert head.field("content-length") == get.field("content-length")


def test_broken_records(local, tcp, records):
    """A record that another program broke is reported to callers who may see everything, and absent for others."""
    scoped = tcp.by(records.token("operator", "team=a"))
    job, token = records.job("ftp://x/", {"team": "a"}), records.token("emperor", "team=a")
    text = "job-" + random_id(8)
    records.client.set(records.job_key(text), "x")
    for path in [f"/v1/jobs/{job}", f"/v1/tokens/{token.id}", f"/v1/jobs/{text}"]:
        local.refused(500, "GET", path)
        scoped.refused(404, "GET", path)
    scoped.refused(404, "POST", f"/v1/tokens/{token.id}/renew")
    local.refused(500, "POST", f"/v1/tokens/{token.id}/renew")
    for api, status in [(scoped, 404), (local, 500)]:
        api.refused(status, "PATCH", f"/v1/jobs/{text}", {"url": None})
    scoped.refused(404, "DELETE", f"/v1/jobs/{text}")
    assert local.call("DELETE", f"/v1/jobs/{text}").status == 204
    # A patch can mend one.
    assert scoped.done("PATCH", f"/v1/jobs/{job}", {"url": None})["url"] is None
