"""Who may do what on the control API: every call, by every caller, on what is in scope, out of scope and missing.

The scoped operator's selector is team=a. `in` carries that label, `out` has team=b, `missing` does not exist. Callers
send tokens over TCP, but `local`, who comes by the Unix socket without one.
"""

import pytest

from harness.control import Control
from harness.process import free_port
from harness.store import Records, make_value, random_id

CALLERS = ["local", "unscoped", "scoped", "read", "none", "revoked"]

#   call             target     local unscoped scoped read none revoked
TABLE = """
    list-tokens      -           200   200   200   403   401   401
    create-token     plain       201   201   201   403   401   401
    create-token     in          201   201   201   403   401   401
    create-token     narrower    201   201   201   403   401   401
    create-token     out         201   201   403   403   401   401
    get-token        in          200   200   200   403   401   401
    get-token        out         200   200   404   403   401   401
    get-token        wider       200   200   404   403   401   401
    get-token        missing     404   404   404   403   401   401
    get-token        no-id       404   404   404   403   401   401
    renew-token      in          200   200   200   403   401   401
    renew-token      out         200   200   404   403   401   401
    renew-token      wider       200   200   404   403   401   401
    renew-token      missing     404   404   404   403   401   401
    set-token        in          200   200   200   403   401   401
    set-token        out         200   200   404   403   401   401
    set-token        wider       200   200   404   403   401   401
    set-token        missing     404   404   404   403   401   401
    delete-token     in          204   204   204   403   401   401
    delete-token     out         204   204   404   403   401   401
    delete-token     wider       204   204   404   403   401   401
    delete-token     missing     404   404   404   403   401   401
    revoke-token     in          204   204   204   403   204   401
    revoke-token     out         204   204   204   403   204   401
    revoke-token     missing     204   204   204   403   204   401

    list-jobs        -           200   200   200   403   401   401
    create-job       plain       201   201   201   403   401   401
    create-job       in          201   201   201   403   401   401
    create-job       narrower    201   201   201   403   401   401
    create-job       out         201   201   403   403   401   401
    take-job-id      in          409   409   409   403   401   401
    take-job-id      out         409   409   409   403   401   401
    get-job          in          200   200   200   403   401   401
    get-job          out         200   200   404   403   401   401
    get-job          wider       200   200   404   403   401   401
    get-job          missing     404   404   404   403   401   401
    get-job          no-id       404   404   404   403   401   401
    change-job       in          200   200   200   403   401   401
    change-job       out         200   200   404   403   401   401
    change-job       wider       200   200   404   403   401   401
    change-job       missing     404   404   404   403   401   401
    change-job       no-id       404   404   404   403   401   401
    renew-job        leased      200   200   200   403   401   401
    renew-job        in          409   409   409   403   401   401
    renew-job        out         409   409   404   403   401   401
    renew-job        wider       409   409   404   403   401   401
    renew-job        missing     404   404   404   403   401   401
    renew-job        no-id       404   404   404   403   401   401
    move-job         in          200   200   403   403   401   401
    move-job         out         200   200   404   403   401   401
    move-job         wider       200   200   404   403   401   401
    move-job         missing     404   404   404   403   401   401
    strip-job        in          200   200   403   403   401   401
    strip-job        out         200   200   404   403   401   401
    strip-job        missing     404   404   404   403   401   401
    unlabel-job      in          200   200   403   403   401   401
    unlabel-job      out         200   200   404   403   401   401
    unlabel-job      missing     404   404   404   403   401   401
    delete-job       in          204   204   204   403   401   401
    delete-job       out         204   204   404   403   401   401
    delete-job       wider       204   204   404   403   401   401
    delete-job       missing     404   404   404   403   401   401

    authorize-job    in          200   200   200   403   401   401
    authorize-job    out         200   200   200   403   401   401
    authorize-job    missing     200   200   200   403   401   401
    authorize-token  in          200   200   200   403   401   401
    authorize-token  out         200   200   200   403   401   401
    authorize-token  missing     200   200   200   403   401   401

    list-sessions    -           200   200   200   403   401   401
    cut-sessions     in          200   200   200   403   401   401
    cut-sessions     out         200   200   200   403   401   401
    cut-session      missing     404   404   404   403   401   401

    me               -           404   200   200   403   401   401
    openapi          -           200   200   200   403   401   401
    health           -           200   200   200   403   401   401
    ready            -           200   200   200   403   401   401
    metrics          -           200   200   403   403   401   401
    no-such-path     -           404   404   404   403   401   401
    no-such-method   -           405   405   405   403   401   401
"""
ROWS = [line.split() for line in TABLE.splitlines() if line.strip()]

LABELS = {"in": {"team": "a"}, "leased": {"team": "a"}, "narrower": {"team": "a", "stage": "x"}, "out": {"team": "b"}, "wider": {}}
MOVED = {"labels": {"team": "c"}}


def selector(labels):
    return ",".join(f"{name}={value}" for name, value in labels.items())


@pytest.fixture(scope="module")
def records(store):
    return Records(store.client)


@pytest.fixture(scope="module")
def gateway(module_gateways, store):
    return module_gateways.start({"control": {"listen": f"127.0.0.1:{free_port()}"}}, store_url=store.url)


@pytest.fixture(scope="module", params=["tcp", "unix"])
def callers(request, gateway, records):
    """{caller: Control}; callers with a token send it."""
    host, _, port = gateway.config["control"]["listen"].rpartition(":")
    tcp, unix = Control((host, int(port))), Control(gateway.socket_path)
    way = {"tcp": tcp, "unix": unix}[request.param]
    revoked = records.token("operator")
    records.delete_token(revoked)
    return {
        "local": unix,
        "unscoped": way.by(records.token("operator")),
        "scoped": way.by(records.token("operator", "team=a")),
        "read": way.by(records.token("read", "team=a")),
        "none": tcp,
        "revoked": way.by(revoked),
    }


class Target:
    """What a call is about, made again for each call, so that nothing is left of the previous one."""

    def __init__(self, records, kind, target):
        self.records, self.kind, self.value = records, kind, None
        if target == "no-id":
            self.id = "NOT_AN_ID"
        elif target in LABELS and kind == "token":
            token = records.token("read", selector(LABELS[target]))
            self.id, self.value = token.id, token.value
        elif target in LABELS:
            self.id = records.job("unix:/nonexistent", LABELS[target], **({"lease": "60"} if target == "leased" else {}))
        else:
            self.id = random_id() if kind == "token" else "job-" + random_id(10)
        if self.value is None:
            self.value = make_value(random_id() if target == "no-id" else self.id if kind == "token" else random_id())

    def stored(self):
        return self.records.client.hgetall(f"jobgate:{self.kind}:{self.id}")


def request_of(call, target, records):
    """(method, path, body, target) of a call."""
    kind = "token" if "token" in call else "job"
    made = Target(records, kind, target)
    path = f"/v1/{kind}s/{made.id}"
    simple = {
        "list-tokens": ("GET", "/v1/tokens", None), "list-jobs": ("GET", "/v1/jobs", None),
        "get-token": ("GET", path, None), "get-job": ("GET", path, None),
        "set-token": ("PATCH", path, {"rate": 1000}),
        "delete-token": ("DELETE", path, None), "delete-job": ("DELETE", path, None),
        "revoke-token": ("POST", "/v1/tokens/revoke", {"value": made.value}),
        "renew-token": ("POST", path + "/renew", None), "renew-job": ("POST", path + "/renew", None),
        "change-job": ("PATCH", path, {"url": None, "labels": {"stage": "y"}}),
        "move-job": ("PATCH", path, MOVED),
        "strip-job": ("PATCH", path, {"labels": {"team": None}}),
        "unlabel-job": ("PATCH", path, {"labels": None}),
        "take-job-id": ("POST", "/v1/jobs", {"id": made.id}),
        "list-sessions": ("GET", "/v1/sessions", None),
        "cut-sessions": ("DELETE", f"/v1/sessions?job={made.id}", None),
        "cut-session": ("DELETE", "/v1/sessions/0123abcd-1", None),
        "me": ("GET", "/v1/me", None), "openapi": ("GET", "/openapi.json", None),
        "health": ("GET", "/healthz", None), "ready": ("GET", "/readyz", None), "metrics": ("GET", "/metrics", None),
        "no-such-path": ("GET", "/v1/nothing", None), "no-such-method": ("DELETE", "/v1/jobs", None),
    }
    if call in simple:
        return (*simple[call], made)
    if call == "create-token":
        body = {"name": "made", "role": "operator"}
        return "POST", "/v1/tokens", body if target == "plain" else {**body, "label_selector": selector(LABELS[target])}, made
    if call == "create-job":
        return "POST", "/v1/jobs", {} if target == "plain" else {"labels": LABELS[target]}, made
    assert call in ("authorize-job", "authorize-token")
    question = {"token": records.token("read", "team=a,stage=x").value, "job": "any"}
    question[kind] = made.id if kind == "job" else made.value
    return "POST", "/v1/authorize", question, made


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]}:{row[1]}")
def test_status(callers, records, row):
    call, target, *expected = row
    found = []
    for caller in CALLERS:
        method, path, body, made = request_of(call, target, records)
        before, counts = made.stored(), keys(records)
        answer = callers[caller].call(method, path, body)
        found.append(str(answer.status))
        if answer.status >= 400:  # refused: nothing has changed
            assert (made.stored(), keys(records)) == (before, counts), f"{caller}: {answer}"
    assert found == expected, dict(zip(CALLERS, found))


def keys(records):
    """All keys but the one of last uses, which the gateway writes when it has time."""
    return sorted(key for key in records.client.scan_iter(count=1000) if key != "jobgate:used")


# ---- what is out of scope looks as if it did not exist ----

HIDDEN = ["get-token", "renew-token", "set-token", "delete-token", "get-job", "renew-job", "change-job", "move-job", "strip-job",
          "unlabel-job", "delete-job", "authorize-job", "authorize-token"]
# Not EXISTS: workers prove with it, each second, that the store answers for keys.
COUNTED = ["hgetall", "hget", "hkeys", "hset", "hdel", "del", "eval", "zadd", "zrem", "zrange", "zrank"]


class Commands:
    """How often each command ran in Redis, inside of scripts too."""

    def __init__(self, client):
        self.client = client

    def counts(self):
        stats = self.client.info("commandstats")
        return {name: stats.get(f"cmdstat_{name}", {}).get("calls", 0) for name in COUNTED}

    def of(self, action):
        before = self.counts()
        answer = action()
        after = self.counts()
        work = {name: after[name] - before[name] for name in COUNTED}
        if work.pop("zadd", 0) > 0:  # the gateway has written last uses meanwhile, with a script of its own
            work["eval"] -= 1
        return answer, {name: count for name, count in work.items() if count != 0}


@pytest.mark.parametrize("scope", ["team=a", "team=a,stage=x"])
@pytest.mark.parametrize("call", HIDDEN)
def test_out_of_scope_is_missing(callers, gateway, records, call, scope):
    """The same status, head and body but for the request's id, and the same work for Redis."""
    operator = callers["scoped"].by(records.token("operator", scope))
    commands = Commands(records.client)
    operator.done("GET", "/v1/me")  # where a worker stands in between it has read the token by now
    seen = {}
    for target in ["out", "wider", "missing"]:
        method, path, body, made = request_of(call, target, records)
        answer, work = commands.of(lambda: operator.call(method, path, body))
        fields = {name: value for name, value in answer.fields if name not in ("x-request-id", "date")}
        text = answer.body.decode().replace(answer.request_id, "REQUEST").replace(made.id, "ID")
        seen[target] = (answer.status, fields, text, work)
    assert seen["out"] == seen["missing"]
    assert seen["wider"] == seen["missing"]
    assert seen["missing"][3]  # the store was asked


def test_taken_id_says_nothing_else(callers, records):
    """The one thing that cannot be hidden is that an id is taken; whose it is stays so."""
    answers = [callers["scoped"].refused(409, "POST", "/v1/jobs", {"id": Target(records, "job", target).id}, "id")
               for target in ["in", "out"]]
    assert answers[0].problem("detail") == answers[1].problem("detail")


# ---- what a scoped operator makes lies in its scope ----

def test_made_tokens_get_the_selector(callers):
    scoped = callers["scoped"]
    assert scoped.token_of()["label_selector"] == "team=a"
    assert scoped.token_of(selector="team=a")["label_selector"] == "team=a"
    assert scoped.token_of(selector="stage=x")["label_selector"] == "stage=x,team=a"
    scoped.refused(403, "POST", "/v1/tokens", {"name": "a", "role": "read", "label_selector": "team=b"}, "label_selector")
    scoped.refused(403, "POST", "/v1/tokens", {"name": "a", "role": "read", "label_selector": "team="}, "label_selector")
    full = ",".join(f"l{number}=v" for number in range(16))
    scoped.refused(400, "POST", "/v1/tokens", {"name": "a", "role": "read", "label_selector": full}, "label_selector")


def test_made_jobs_get_the_labels(callers):
    scoped = callers["scoped"]
    assert scoped.job_of()["labels"] == {"team": "a"}
    assert scoped.job_of(labels={"team": "a", "x": "y"})["labels"] == {"team": "a", "x": "y"}
    assert scoped.job_of(labels={"x": "y"})["labels"] == {"team": "a", "x": "y"}
    scoped.refused(403, "POST", "/v1/jobs", {"labels": {"team": "b"}}, "labels.team")
    scoped.refused(400, "POST", "/v1/jobs", {"labels": {f"l{number}": "v" for number in range(64)}}, "labels")


def test_a_made_operator_reaches_no_further(callers):
    """A token made by a scoped operator is bound as its maker is, and so is one made by that."""
    maker = callers["scoped"]
    for depth in range(3):
        maker = maker.by(maker.token_of(f"depth{depth}", "operator")["value"])
    outside = callers["local"].job_of(labels={"team": "b"})
    maker.refused(404, "GET", f"/v1/jobs/{outside['id']}")
    maker.refused(403, "POST", "/v1/tokens", {"name": "a", "role": "operator", "label_selector": "team=b"}, "label_selector")
    assert maker.token_of(selector="")["label_selector"] == "team=a"


def test_changes_within_the_scope(callers):
    scoped = callers["scoped"]
    job = scoped.job_of(labels={"x": "y"})
    path = f"/v1/jobs/{job['id']}"
    assert scoped.done("PATCH", path, {"labels": {"team": "a", "x": None, "z": "w"}})["labels"] == {"team": "a", "z": "w"}
    for labels in [{"team": "b"}, {"team": None}, {"team": ""}, None]:
        assert scoped.refused(403, "PATCH", path, {"lease": 60, "labels": labels}, "labels")
    unchanged = scoped.done("GET", path)
    assert (unchanged["labels"], unchanged["lease"]) == ({"team": "a", "z": "w"}, None)


def test_lists_within_the_scope(callers):
    """Jobs that carry the labels, tokens whose selector contains them; filters narrow further."""
    mark = random_id(8)
    local, scoped = callers["local"], callers["scoped"]
    jobs = {team: [local.job_of(labels={"team": team, "mark": mark})["id"] for _ in range(3)] for team in "ab"}
    local.job_of(labels={"mark": mark})
    for limit in (None, 1):
        assert sorted(job["id"] for job in scoped.pages(f"/v1/jobs?label=mark={mark}", limit)) == sorted(jobs["a"])
    assert scoped.pages(f"/v1/jobs?label=mark={mark}&label=team=b") == []
    assert all(job["labels"].get("team") == "a" for job in scoped.pages("/v1/jobs", 7))
    tokens = [local.token_of(f"list-{mark}", selector=text)["id"]
              for text in ["team=a", "team=b", "", "x=y,team=a", "team=ab", "team=a,x=y", "xteam=a", "x/team=a"]]
    listed = [token["id"] for token in scoped.pages(f"/v1/tokens?name=list-{mark}")]
    assert sorted(listed) == sorted(tokens[index] for index in (0, 3, 5))
    for index, token in enumerate(tokens):
        assert scoped.call("GET", f"/v1/tokens/{token}").status == (200 if token in listed else 404), index
        assert scoped.call("DELETE", f"/v1/tokens/{token}").status == (204 if token in listed else 404), index


def test_cursor_names_nothing_out_of_scope(callers, records):
    """However many records out of scope lie between one's own: the list is whole, and no cursor names one of them."""
    pipe = records.client.pipeline()
    names = [f"bulk-{number:05}" for number in range(10500)]
    for number, name in enumerate(names):
        pipe.hset(records.job_key(name), "label:team", "bulk")
        pipe.zadd("jobgate:jobs", {name: number})
    pipe.execute()
    try:
        last = callers["scoped"].job_of(labels={"mark": "last"})
        for caller in ("scoped", "unscoped"):
            items, cursor = [], ""
            while cursor is not None:
                page = callers[caller].done("GET", "/v1/jobs?label=mark=last&limit=1" + (f"&cursor={cursor}" if cursor else ""))
                items += [job["id"] for job in page["items"]]
                cursor = page["next_cursor"]
                assert caller == "unscoped" or cursor is None or "~" not in cursor or cursor.partition("~")[2] == last["id"]
            assert items == [last["id"]]
    finally:
        for name in names:
            pipe.delete(records.job_key(name))
        pipe.zrem("jobgate:jobs", *names)
        pipe.delete(records.job_key(last["id"]))
        pipe.zrem("jobgate:jobs", last["id"])
        pipe.execute()


# ---- dry runs within the scope ----

def question(asker, token, job):
    return asker.done("POST", "/v1/authorize", {"token": token.value, "job": job})


def test_explanations_keep_the_scope(callers, records):
    scoped, local = callers["scoped"], callers["local"]
    jobs = {name: records.job("unix:/nonexistent", labels) for name, labels in LABELS.items()}
    inside, outside = records.token("read", "team=a"), records.token("read", "team=b")
    narrow = records.token("read", "team=a,stage=x")
    assert question(scoped, inside, jobs["in"])["allowed"]
    assert question(scoped, inside, jobs["out"])["verdict"] == "out_of_scope"
    assert "does not exist" in question(scoped, inside, jobs["out"])["reason"]
    assert "other labels" in question(local, inside, jobs["out"])["reason"]
    assert "other labels" in question(scoped, narrow, jobs["in"])["reason"]
    assert question(local, outside, jobs["out"])["allowed"]
    assert question(scoped, outside, jobs["out"])["verdict"] == "invalid_token"
    assert "there is no token" in question(scoped, outside, jobs["out"])["reason"]


# ---- who asks ----

def test_me(callers):
    for caller in ["unscoped", "scoped"]:
        me = callers[caller].done("GET", "/v1/me")
        token = callers[caller].token
        assert (me["id"], me["name"], me["role"], me["label_selector"]) == (token.id, token.name, "operator", token.selector)


def test_one_s_own_token(callers, records):
    """An operator may renew and delete its own token; the old value is refused from the next request on."""
    operator = callers["scoped"].by(records.token("operator", "team=a"))
    path = f"/v1/tokens/{operator.token.id}"
    renewed = operator.done("POST", path + "/renew")
    assert operator.refused(401, "GET", "/v1/me").challenge() == 'Bearer realm="jobgate", error="invalid_token"'
    operator = operator.by(renewed["value"])
    assert operator.done("GET", "/v1/me")["version"] == 2
    assert operator.call("DELETE", path).status == 204
    operator.refused(401, "GET", "/v1/me")


@pytest.mark.parametrize("change", [{"role": "read"}, {"selector": "team=b"}, {"role": "emperor"}], ids=str)
def test_a_changed_token_counts_at_once(callers, records, change):
    operator = callers["unscoped"].by(records.token("operator", "team=a"))
    job = records.job(None, {"team": "a"})
    with operator.connect() as client:
        for expected in (200, {"read": 403, "emperor": 401}.get(change.get("role"), 404)):
            operator.send(client, "GET", f"/v1/jobs/{job}")
            assert client.read_response().status == expected
            records.client.hset(records.token_key(operator.token.id), mapping=change)


def test_token_at_the_unix_socket_counts(gateway, records):
    """A caller that sends a token there gets what it allows, not what the socket would."""
    local = Control(gateway.socket_path)
    out = records.job(None, {"team": "b"})
    assert local.call("GET", f"/v1/jobs/{out}").status == 200
    local.by(records.token("operator", "team=a")).refused(404, "GET", f"/v1/jobs/{out}")
    local.by(records.token("read")).refused(403, "GET", f"/v1/jobs/{out}")
    local.by("nonsense").refused(401, "GET", f"/v1/jobs/{out}")
