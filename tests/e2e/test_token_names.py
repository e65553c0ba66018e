"""A token's name in a path of the API stands for its id, if only one token in the caller's scope has it (access.md, "Token")."""

import pytest

from harness.control import Control
from harness.store import random_id


@pytest.fixture(scope="module")
def gateway(module_gateways):
    return module_gateways.start()


@pytest.fixture
def local(gateway):
    return Control(gateway.socket_path)


@pytest.fixture
def name():
    return "Name-" + random_id(8)


def test_a_name_works_as_the_id_does(local, records, name):
    token = local.token_of(name)
    assert local.done("GET", f"/v1/tokens/{name}")["id"] == token["id"]
    renewed = local.done("POST", f"/v1/tokens/{name}/renew", {"grace": 60})
    assert (renewed["id"], renewed["version"]) == (token["id"], 2) and renewed["value"][:20] == token["value"][:20]
    assert local.call("DELETE", f"/v1/tokens/{name}").status == 204
    assert not records.client.exists(records.token_key(token["id"]))
    for method, path in (("GET", name), ("DELETE", name), ("POST", f"{name}/renew")):
        assert f"there is no token {name}" in local.refused(404, method, f"/v1/tokens/{path}").json["detail"]


def test_several_tokens_of_a_name_are_refused(local, records, name):
    ids = [local.token_of(name)["id"] for _ in range(3)]
    for method, path in (("GET", name), ("DELETE", name), ("DELETE", f"{name}?cascade=true"), ("POST", f"{name}/renew")):
        detail = local.refused(409, method, f"/v1/tokens/{path}").json["detail"]
        assert f"3 tokens are named {name}, and nothing was changed: give the id of one: " in detail and all(one in detail for one in ids)
    assert all(records.client.hget(records.token_key(one), "version") == "1" for one in ids)
    more = [local.token_of(name)["id"] for _ in range(9)]
    assert f"at least 10 tokens are named {name}" in local.refused(409, "GET", f"/v1/tokens/{name}").json["detail"]
    for one in ids + more:
        local.call("DELETE", f"/v1/tokens/{one}")


def test_other_scopes_do_not_count(local, records, name):
    """A token out of scope does not exist for a scoped operator: it makes no name ambiguous, and is not found by one."""
    inside, outside = local.token_of(name, selector="team=a"), local.token_of(name, selector="team=b")
    operator = local.by(records.token("operator", "team=a"))
    assert operator.done("GET", f"/v1/tokens/{name}")["id"] == inside["id"]
    assert operator.call("DELETE", f"/v1/tokens/{name}").status == 204
    operator.refused(404, "GET", f"/v1/tokens/{name}")
    assert local.done("GET", f"/v1/tokens/{name}")["id"] == outside["id"]


def test_what_looks_like_an_id_is_one(local, records):
    """So the repeated deletion of an id never reaches another token."""
    first = local.token_of("first")
    second = {"id": records.token(name=first["id"]).id}  # the API takes no such name
    assert local.done("GET", f"/v1/tokens/{first['id']}")["name"] == "first"
    assert local.call("DELETE", f"/v1/tokens/{first['id']}").status == 204
    local.refused(404, "DELETE", f"/v1/tokens/{first['id']}")
    assert local.done("GET", f"/v1/tokens/{second['id']}")["name"] == first["id"]


def test_a_cascade_by_name(local, records, name):
    parent = local.token_of(name, "operator")
    local.by(parent["value"]).token_of("child")
    assert local.done("DELETE", f"/v1/tokens/{name}?cascade=true") == {"deleted_tokens": 2}


def test_among_many_tokens(local, records, name):
    token = local.token_of(name)
    pipe = records.client.pipeline()
    for at in range(3000):
        pipe.zadd("jobgate:tokens", {random_id(): at})
    pipe.execute()
    assert local.done("GET", f"/v1/tokens/{name}")["id"] == token["id"]
    records.client.zremrangebyscore("jobgate:tokens", 0, 3000)


@pytest.mark.parametrize("path", ["-x", "x" * 64, "a%20b", "a/b"])
def test_what_can_be_no_name(local, path):
    assert local.call("GET", f"/v1/tokens/{path}").status == 404
