"""Which token created which (created_by), and deletions with all descendants (access.md, "Token")."""

import random
import re

import pytest

from harness.control import Control
from harness.process import eventually
from harness.raw import Cut
from harness.scene import Scene
from harness.store import Records, RedisServer, random_id
from test_revocation import start_stream


@pytest.fixture(scope="module")
def gateway(module_gateways):
    return module_gateways.start({"control": {"scope_tokens": 100000}})


@pytest.fixture
def local(gateway):
    return Control(gateway.socket_path)


def made_key(token):
    return f"jobgate:made:{token}"


def made(records, token):
    return records.client.smembers(made_key(token))


def exists(records, token):
    return bool(records.client.exists(records.token_key(token)))


def operator(control, selector=""):
    return control.token_of("parent", "operator", selector)


def by(local, token):
    return local.by(token["value"])


def family(records, depth, width, root, selector=""):
    """Writes a tree of tokens as the script does, and returns their ids."""
    ids, level = [], [root]
    pipe = records.client.pipeline()
    for _ in range(depth):
        below = []
        for parent in level:
            for _ in range(width):
                child = random_id()
                pipe.hset(records.token_key(child), mapping={"name": "t", "role": "operator", "selector": selector, "hash": "1" * 64,
                                                             "version": "1", "created_by": parent})
                pipe.zadd("jobgate:tokens", {child: 1})
                pipe.sadd(made_key(parent), child)
                below.append(child)
        ids, level = ids + below, below
    pipe.execute()
    return ids


def gone(records, ids):
    """Neither the records, nor their entries in the index, nor the sets remain."""
    pipe = records.client.pipeline()
    for token in ids:
        pipe.exists(records.token_key(token))
        pipe.zscore("jobgate:tokens", token)
        pipe.exists(made_key(token))
    return not any(pipe.execute())


# ---- created_by ----

def test_each_token_says_who_created_it(local, records):
    parent = operator(local)
    assert parent["created_by"] == "local"
    child = by(local, parent).token_of("child", "operator")
    assert child["created_by"] == parent["id"] and made(records, parent["id"]) == {child["id"]}
    assert local.done("GET", f"/v1/tokens/{child['id']}")["created_by"] == parent["id"]
    assert {item["id"]: item["created_by"] for item in local.pages("/v1/tokens")}[child["id"]] == parent["id"]
    renewed = local.done("POST", f"/v1/tokens/{child['id']}/renew")
    assert renewed["created_by"] == parent["id"] and made(records, parent["id"]) == {child["id"]}
    assert not made(records, "local")


@pytest.mark.parametrize("stored", [None, "", "someone", "x" * 16 + " ", "LOCAL"])
def test_a_record_that_does_not_say_it(local, records, stored):
    """No decision rests on it, so such a record is not broken."""
    token = records.token(created_by=stored)
    assert local.done("GET", f"/v1/tokens/{token.id}")["created_by"] is None


def test_nobody_can_give_it(local):
    local.refused(400, "POST", "/v1/tokens", {"name": "n", "role": "read", "created_by": "local"}, field="created_by")


@pytest.mark.parametrize("change", ["delete", "renew"])
def test_a_creator_that_changes_in_that_moment_makes_nothing(gateway, local, records, change):
    """Its token is deleted or renewed between the decision and the script: the script compares the version."""
    parent = operator(local)
    caller, before = by(local, parent), records.client.zcard("jobgate:tokens")
    with caller.connect() as client:
        for at in range(20):
            body = {"name": "raced", "role": "read"}
            caller.send(client, "POST", "/v1/tokens", body)
            if at == 10 and change == "delete":
                assert local.call("DELETE", f"/v1/tokens/{parent['id']}").status in (200, 204)
            elif at == 10:
                local.done("POST", f"/v1/tokens/{parent['id']}/renew")
            status = client.read_response("POST").status
            assert status in (201, 401)
            if status == 401:
                break
    children = made(records, parent["id"])
    assert all(exists(records, child) for child in children)
    assert records.client.zcard("jobgate:tokens") - before == len(children) - (change == "delete")


# ---- without --cascade ----

def test_a_deletion_says_how_many_remain(local, records):
    parent = operator(local)
    child = by(local, parent).token_of("child", "operator")
    grandchild = by(local, child).token_of("grandchild")
    answer = local.call("DELETE", f"/v1/tokens/{parent['id']}")
    assert (answer.status, answer.json) == (200, {"remaining_tokens": 2, "more": False})
    assert exists(records, child["id"]) and exists(records, grandchild["id"])
    answer = local.call("DELETE", f"/v1/tokens/{child['id']}")
    assert (answer.status, answer.json) == (200, {"remaining_tokens": 1, "more": False})
    assert local.call("DELETE", f"/v1/tokens/{grandchild['id']}").status == 204
    assert not made(records, child["id"])
    assert local.call("DELETE", f"/v1/tokens/{child['id']}").status == 404


def test_a_deleted_token_leaves_its_creators_set(local, records):
    parent = operator(local)
    first, second = (by(local, parent).token_of() for _ in range(2))
    assert local.call("DELETE", f"/v1/tokens/{first['id']}").status == 204
    assert made(records, parent["id"]) == {second["id"]}
    assert local.call("POST", "/v1/tokens/revoke", {"value": second["value"]}).status == 204
    assert not made(records, parent["id"])


def test_a_count_ends(local, records):
    parent = operator(local)
    family(records, 1, 1500, parent["id"])
    answer = local.call("DELETE", f"/v1/tokens/{parent['id']}")
    assert (answer.status, answer.json) == (200, {"remaining_tokens": 1000, "more": True})
    assert local.done("DELETE", f"/v1/tokens/{parent['id']}?cascade=true") == {"deleted_tokens": 1500}


# ---- with it ----

@pytest.mark.parametrize("depth,width", [(1, 1), (1, 250), (2, 20), (5, 3), (300, 1), (2, 101)])
def test_all_descendants_go(local, records, depth, width):
    parent = operator(local)
    ids = family(records, depth, width, parent["id"])
    assert local.done("DELETE", f"/v1/tokens/{parent['id']}?cascade=true") == {"deleted_tokens": len(ids) + 1}
    assert gone(records, [parent["id"], *ids])
    assert local.call("DELETE", f"/v1/tokens/{parent['id']}?cascade=true").status == 404


def test_jobs_and_other_tokens_stay(gateway, local, records):
    parent, other = operator(local), operator(local)
    job = by(local, parent).job_of()
    child, stays = by(local, parent).token_of(), by(local, other).token_of()
    assert local.done("DELETE", f"/v1/tokens/{parent['id']}?cascade=true") == {"deleted_tokens": 2}
    assert local.done("GET", f"/v1/jobs/{job['id']}")["id"] == job["id"]
    assert exists(records, other["id"]) and exists(records, stays["id"]) and not exists(records, child["id"])
    for token in (parent, child):
        eventually(lambda: f"audit: token deleted with cascade {token['id']} by" in gateway.program.log(), "the audit log")


def test_what_descendants_run_is_cut(gateway, local, records):
    """Of a grandchild, too: each token is revoked like any other."""
    parent, child = operator(local), random_id()
    records.token("operator", token_id=child, created_by=parent["id"])
    grandchild = records.token(created_by=child)
    records.client.sadd(made_key(parent["id"]), child)
    records.client.sadd(made_key(child), grandchild.id)
    client, connection, response = start_stream(Scene(gateway, records, token=grandchild))
    assert local.done("DELETE", f"/v1/tokens/{parent['id']}?cascade=true") == {"deleted_tokens": 3}
    with pytest.raises(Cut):
        client.read_body(response)
    connection.ended()


def test_a_cascade_goes_on_after_its_parent_is_gone(local, records):
    """Whatever ended the first attempt, a second one finds what remains: also below tokens that are gone."""
    parent = operator(local)
    ids = family(records, 4, 4, parent["id"])
    records.client.delete(*(records.token_key(token) for token in [parent["id"], *random.sample(ids, len(ids) // 2)]))
    left = sum(exists(records, token) for token in ids)
    assert local.done("DELETE", f"/v1/tokens/{parent['id']}?cascade=true") == {"deleted_tokens": left}
    assert gone(records, [token for token in ids if exists(records, token)])
    assert not records.client.exists(*(made_key(token) for token in [parent["id"], *ids]))


def test_sets_that_lead_in_a_circle_end(local, records):
    """Scripts never write such sets; another program could."""
    first, second = (records.token("operator").id for _ in range(2))
    records.client.sadd(made_key(first), second)
    records.client.sadd(made_key(second), first)
    assert local.done("DELETE", f"/v1/tokens/{first}?cascade=true") == {"deleted_tokens": 2}


def test_an_operator_deletes_itself_and_its_creator(local, records):
    parent = operator(local)
    child = by(local, parent).token_of("child", "operator")
    ids = family(records, 1, 300, child["id"])
    assert by(local, child).done("DELETE", f"/v1/tokens/{parent['id']}?cascade=true") == {"deleted_tokens": len(ids) + 2}


def test_scopes(local, records):
    """What a scoped operator creates is within its scope, so it reaches all of it; and nothing else."""
    parent = operator(local)
    team = by(local, parent).token_of("team", "operator", "team=a")
    member = by(local, team).token_of("member", "operator", "zone=b")
    assert member["label_selector"] in ("team=a,zone=b", "zone=b,team=a")
    assert by(local, team).call("DELETE", f"/v1/tokens/{parent['id']}?cascade=true").status == 404
    assert by(local, member).call("DELETE", f"/v1/tokens/{team['id']}?cascade=true").status == 404
    outside = records.token("operator", "team=b", created_by=team["id"]).id
    records.client.sadd(made_key(team["id"]), outside)
    assert by(local, team).done("DELETE", f"/v1/tokens/{team['id']}?cascade=true") == {"deleted_tokens": 2}
    assert exists(records, outside) and not exists(records, member["id"]) and exists(records, parent["id"])
    assert local.done("DELETE", f"/v1/tokens/{parent['id']}?cascade=true") == {"deleted_tokens": 2}
    assert not exists(records, outside)


@pytest.mark.parametrize("query", ["?cascade=1", "?cascad=true", "?cascade=true&x=1"])
def test_a_mistake_deletes_nothing(local, records, query):
    token = records.token()
    local.refused(400, "DELETE", f"/v1/tokens/{token.id}{query}", field="cascade")
    assert exists(records, token.id)
    assert local.call("DELETE", f"/v1/tokens/{token.id}?cascade=false").status == 204


def test_a_store_that_dies_in_the_middle(module_gateways, make_folder):
    server = RedisServer(make_folder("redis"), "--appendonly", "yes", "--appendfsync", "always").start()
    gateway = module_gateways.start(store_url=server.url)
    records, control = Records(server.client), Control(gateway.socket_path)
    parent = operator(control)
    ids = family(records, 1, 20000, parent["id"])
    with control.connect() as client:
        control.send(client, "DELETE", f"/v1/tokens/{parent['id']}?cascade=true")
        eventually(lambda: not server.client.exists(records.token_key(parent["id"])), "the first batch")
        server.kill()
        assert client.read_response("DELETE").status == 503
    server.start()
    left = eventually(lambda: server.client.zcard("jobgate:tokens"), "the store")
    answer = eventually(lambda: (lambda a: a if a.status != 503 else None)(
        control.call("DELETE", f"/v1/tokens/{parent['id']}?cascade=true")), "the gateway's connection")
    assert (answer.status, answer.json) == (200, {"deleted_tokens": left})
    assert gone(Records(server.client), ids)
    server.stop()


# ---- tokens that are gone ----

def test_dead_ids_hide_no_live_ones(gateway, local, records):
    """Another program deletes records; or there are so many dead ids that a look does not reach the live ones: then it says so."""
    parent = operator(local)
    live = [by(local, parent).token_of()["id"] for _ in range(3)]
    records.client.sadd(made_key(parent["id"]), *(random_id() for _ in range(900)))
    assert local.done("DELETE", f"/v1/tokens/{parent['id']}") == {"remaining_tokens": 3, "more": False}
    assert made(records, parent["id"]) == set(live)
    parent = operator(local)
    by(local, parent).token_of()
    records.client.sadd(made_key(parent["id"]), *(random_id() for _ in range(20000)))
    done = gateway.cli("token", "delete", parent["id"])
    assert re.search("(may remain|at least 1 token)", done.err) and f"token delete --cascade {parent['id']}" in done.err
    assert local.done("DELETE", f"/v1/tokens/{parent['id']}?cascade=true") == {"deleted_tokens": 1}
    assert not list(records.client.scan_iter(f"{made_key(parent['id'])}*"))


def test_nothing_is_kept_of_a_line_that_is_gone(local, records):
    """Creator after creator is deleted, each before what it created; with the last one all traces go."""
    parent = operator(local)
    line = [parent]
    for _ in range(5):
        line.append(by(local, line[-1]).token_of("line", "operator"))
    for token in line[1:-1]:
        assert local.call("DELETE", f"/v1/tokens/{token['id']}").status == 200
    assert made(records, parent["id"]) == {line[1]["id"]}
    assert local.call("DELETE", f"/v1/tokens/{line[-1]['id']}").status == 204
    assert not [key for token in line for key in records.client.scan_iter(f"{made_key(token['id'])}*")]
    assert local.call("DELETE", f"/v1/tokens/{parent['id']}").status == 204


@pytest.mark.parametrize("others", [0, 1, 50, 150, 400])
def test_a_root_that_is_gone_keeps_its_scope(local, records, others):
    """Out of scope it is absent, however much is below it, and nothing there is touched."""
    parent = operator(local)
    inside = by(local, parent).token_of("inside", "read", "team=a")["id"]
    family(records, 1, others, parent["id"], "team=b")
    assert local.call("DELETE", f"/v1/tokens/{parent['id']}").status == 200
    team = local.by(records.token("operator", "team=a"))
    before = made(records, parent["id"])
    assert team.call("DELETE", f"/v1/tokens/{parent['id']}?cascade=true").status == 404
    assert made(records, parent["id"]) == before and exists(records, inside)
    assert local.done("DELETE", f"/v1/tokens/{parent['id']}?cascade=true") == {"deleted_tokens": others + 1}


def test_a_scoped_cascade_is_repeated(local, records):
    """Its root is gone, in its scope; what others put below it is not touched, and does not keep it going."""
    parent = operator(local, "team=a")
    ids = family(records, 1, 30, parent["id"], "team=a")
    others = family(records, 1, 300, parent["id"], "team=b")
    assert local.call("DELETE", f"/v1/tokens/{parent['id']}").status == 200
    team = local.by(records.token("operator", "team=a"))
    deleted = team.done("DELETE", f"/v1/tokens/{parent['id']}?cascade=true")["deleted_tokens"]
    assert 0 < deleted <= len(ids) and all(exists(records, token) for token in others)


def test_a_set_that_is_none_is_an_error(gateway, local, records, redis_server):
    parent = operator(local)
    child = by(local, parent).token_of()
    records.client.delete(made_key(parent["id"]))
    records.client.set(made_key(parent["id"]), "x")
    done = gateway.cli("store", "verify", "--mend", "--store", redis_server.url)
    assert done.status == 1 and f"token {child['id']}: missing among the tokens that {parent['id']} created, and it cannot be added there: WRONGTYPE" in done.err
    assert local.call("DELETE", f"/v1/tokens/{parent['id']}?cascade=true").status == 500
    assert not exists(records, parent["id"])  # the token itself is deleted all the same
    records.client.delete(made_key(parent["id"]))
    assert local.call("DELETE", f"/v1/tokens/{child['id']}").status == 204


def test_a_name_has_not_the_form_of_an_id(gateway, local, records):
    """So a cascade that is repeated by its id deletes no other token."""
    local.refused(400, "POST", "/v1/tokens", {"name": random_id(), "role": "read"}, field="name")
    local.refused(400, "POST", "/v1/tokens", {"name": "revoke", "role": "read"}, field="name")  # /v1/tokens/revoke
    gone, other = random_id(), records.token(name="x")
    records.client.hset(records.token_key(other.id), "name", gone)  # as another program may write it
    records.client.zadd("jobgate:tokens", {other.id: 1})
    done = gateway.cli("token", "delete", "--cascade", "--yes", gone)
    assert done.status == 1 and exists(records, other.id)


# ---- the whole store ----

def test_verify_mends_the_sets(gateway, local, records, redis_server):
    parent = operator(local)
    child = by(local, parent).token_of()
    run = lambda *words: gateway.cli("store", *words, "--store", redis_server.url)
    records.client.delete(made_key(parent["id"]))
    done = run("verify")
    assert done.status == 1 and f"token {child['id']}: missing among the tokens that {parent['id']} created" in done.err
    done = run("verify", "--mend")
    assert f"token {child['id']}: added to the tokens that {parent['id']} created" in done.err
    assert made(records, parent["id"]) == {child["id"]}
    assert "missing among" not in run("verify").err
    assert run("export", "--mend").status == 2


def test_export_and_import_keep_the_tree(gateway, local, records, redis_server, make_folder):
    parent = operator(local)
    child = by(local, parent).token_of()
    exported = gateway.cli("store", "export", "--store", redis_server.url).out
    server = RedisServer(make_folder("redis")).start()
    gateway.cli("store", "import", "--store", server.url, stdin=exported)  # other tests leave records that are not valid
    assert server.client.hget(records.token_key(child["id"]), "created_by") == parent["id"]
    assert server.client.smembers(made_key(parent["id"])) == {child["id"]}
    server.stop()


def test_export_and_import_keep_those_that_are_gone(gateway, gateways, make_folder):
    """Tokens between others are gone, the first one too. A cascade finds the same family after an import, and leaves nothing behind."""
    old, new = (RedisServer(make_folder("redis")).start() for _ in range(2))
    run = lambda verb, server, **more: gateway.cli("store", verb, "--store", server.url, **more)
    local = Control(gateways.start(store_url=old.url).socket_path)
    root = operator(local, "team=a")
    first = by(local, root).token_of("first", "operator")
    second = by(local, first).token_of("second", "operator")
    child = by(local, second).token_of("child")
    other = by(local, root).token_of("other")
    for token in (second, first, root):
        assert local.call("DELETE", f"/v1/tokens/{token['id']}").status == 200
    exported = run("export", old).out
    assert exported.count('"kind":"gone_token"') == 3
    assert run("import", new, stdin=exported).status == 0
    keys = lambda server: {key: server.client.type(key) for key in server.client.scan_iter("jobgate:made:*")}
    assert keys(new) == keys(old) and len(keys(new)) == 6
    assert (run("verify", new).status, run("verify", new).err) == (0, "")
    again = run("import", new, stdin=exported)
    assert again.status == 0 and keys(new) == keys(old)
    local = Control(gateways.start(store_url=new.url).socket_path)
    records = Records(new.client)
    local.by(records.token("operator", "team=b")).refused(404, "DELETE", f"/v1/tokens/{root['id']}?cascade=true")
    assert local.done("DELETE", f"/v1/tokens/{root['id']}?cascade=true") == {"deleted_tokens": 2}
    assert not exists(records, child["id"]) and not exists(records, other["id"]) and keys(new) == {}
    bad = '{"kind":"gone_token","id":"x","created_by":"local","label_selector":""}'
    done = run("import", new, stdin=bad)
    assert done.status == 1 and "line 1: id: 16 characters" in done.err
    for server in (old, new):
        server.stop()


def test_what_is_not_known_of_one_that_is_gone(gateway, make_folder):
    """Its creator and its selector may be unknown, but a value of another type is no such statement."""
    server = RedisServer(make_folder("redis")).start()
    run = lambda verb, **more: gateway.cli("store", verb, "--store", server.url, **more)
    token = random_id()
    line = f'{{"kind":"gone_token","id":"{token}","created_by":%s,"label_selector":%s}}\n'
    for created_by, selector, field in ((7, '""', "created_by"), ("null", '""', "created_by"), ('"local"', 5, "label_selector"),
                                        ('"local"', '["team=a"]', "label_selector"), ('"local"', '"?"', "label_selector")):
        done = run("import", stdin=line % (created_by, selector))
        assert done.status == 1 and f"line 1: {field}: " in done.err, done
        assert not server.client.exists(made_key(token) + ":of")
    assert run("import", stdin=line % ('""', "null")).status == 0
    assert server.client.hgetall(made_key(token) + ":of") == {"created_by": "", "selector": "?"}
    assert run("export").out == line % ('""', "null")
    server.stop()


def test_nothing_is_kept_of_a_family_that_is_gone(local, records):
    """Another program has deleted the tokens that it created, so nothing else would remove what is kept of their creators."""
    root = operator(local)
    first = by(local, root).token_of("first", "operator")
    second = by(local, first).token_of("second", "operator")
    child = by(local, second).token_of("child")
    for token in (first, second):
        local.call("DELETE", f"/v1/tokens/{token['id']}")
    records.client.delete(records.token_key(child["id"]))
    assert local.call("DELETE", f"/v1/tokens/{root['id']}").status == 204
    kept = [key for token in (root, first, second, child) for key in records.client.keys(made_key(token["id"]) + "*")]
    assert kept == []


def test_verify_names_what_an_import_cuts_off(gateway, make_folder):
    """A token between two others is gone. The store knows who created it; an export of an older version does not."""
    old, new = (RedisServer(make_folder("redis")).start() for _ in range(2))
    run = lambda verb, server, **more: gateway.cli("store", verb, "--store", server.url, **more)
    records = Records(old.client)
    parent, middle, child = random_id(), random_id(), random_id()
    for token, creator in [(parent, "local"), (middle, parent), (child, middle)]:
        records.token("operator", token_id=token, created_by=creator)
        old.client.zadd("jobgate:tokens", {token: 1})
    old.client.sadd(made_key(parent), middle)
    old.client.sadd(made_key(middle), child)
    old.client.delete(records.token_key(middle))
    old.client.zrem("jobgate:tokens", middle)
    old.client.hset(made_key(middle) + ":of", mapping={"created_by": parent, "selector": ""})
    done = run("verify", old)
    assert (done.status, done.err) == (0, "")
    older = "".join(line + "\n" for line in run("export", old).out.splitlines() if "gone_token" not in line)
    assert run("import", new, stdin=older).status == 0
    done = run("verify", new)
    assert done.status == 0 and f"token {child}: its creator {middle} is gone, and the store does not know who created that" in done.err
    for server in (old, new):
        server.stop()


# ---- the command line ----

def test_commands(gateway, local, records):
    parent = operator(local)
    child = by(local, parent).token_of("the-child", "operator")
    by(local, child).token_of()
    done = gateway.cli("token", "get", child["id"])
    assert f"Created by:     {parent['id']}\n" in done.out
    done = gateway.cli("token", "delete", "the-child")
    assert done.status == 0 and done.out == f"Deleted token {child['id']}\n"
    assert "1 token that it created, or that these created, remains valid" in done.err
    assert f"jobgate token delete --cascade {child['id']}" in done.err
    done = gateway.cli("token", "delete", "--cascade", child["id"])
    assert (done.status, done.err) == (0, "")
    assert done.out == f"Deleted token {child['id']} and what it created: 1 token\n"
    done = gateway.cli("token", "delete", "--cascade", parent["id"])
    assert done.out == f"Deleted token {parent['id']} and what it created: 1 token\n"
    done = gateway.cli("token", "delete", "--cascade", parent["id"])
    assert done.status == 1 and f"there is no token {parent['id']}" in done.err
