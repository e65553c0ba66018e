"""What changes, told while it changes: /v1/events (control.md, operate.md)."""

import os
import pathlib
import re
import signal
from datetime import datetime, timedelta, timezone

import pytest

from harness.checker import state_of
from harness.control import Control
from harness.events import Events
from harness.process import eventually
from harness.raw import Closed
from harness.store import RedisServer, random_id
from test_upgrade import open_tunnel


@pytest.fixture
def local(gateway):
    return Control(gateway.socket_path)


@pytest.fixture
def team():
    return "team=" + random_id(8)


def labels_of(selector):
    return dict([selector.split("=")])


def test_tokens_and_jobs(local):
    with Events(local) as events:
        events.started()
        assert events.head.field("content-type") == "text/event-stream" and events.head.field("cache-control") == "no-store"
        job = local.job_of(url="http://127.0.0.1:1")
        assert events.until("job", id=job["id"])["record"] == job
        changed = local.done("PATCH", f"/v1/jobs/{job['id']}", {"labels": {"a": "b"}})
        assert events.until("job", id=job["id"])["record"] == changed
        local.done("DELETE", f"/v1/jobs/{job['id']}", status=204)
        assert events.until("job", id=job["id"])["record"] is None
        token = local.token_of()
        told = events.until("token", id=token["id"])["record"]
        assert told == {name: value for name, value in token.items() if name != "value"}
        local.done("POST", f"/v1/tokens/{token['id']}/renew")
        assert events.until("token", id=token["id"])["record"]["version"] == 2
        local.done("DELETE", f"/v1/tokens/{token['id']}", status=204)
        assert events.until("token", id=token["id"])["record"] is None


def test_changes_by_other_programs_and_ended_leases(local, records, redis_server):
    """The store's contract: others may write jobs there with HSET."""
    with Events(local) as events:
        events.started()
        job = records.job("http://127.0.0.1:1")
        assert events.until("job", id=job)["record"]["url"] == "http://127.0.0.1:1"
        redis_server.client.pexpire(f"jobgate:job:{job}", 50)
        eventually(lambda: not redis_server.client.exists(f"jobgate:job:{job}"), "the end of the lease")
        assert events.until("job", id=job)["record"] is None


def test_the_same_record_is_not_told_twice(local):
    """Each renewal of a lease is a change to Redis."""
    with Events(local) as events:
        events.started()
        job = local.job_of(url="http://127.0.0.1:1", lease=60)["id"]
        local.done("POST", f"/v1/jobs/{job}/renew")
        mark = local.job_of()["id"]
        events.until("job", id=mark)
        assert [data["id"] for name, data in events.passed if name == "job"].count(job) == 1


# ---- scopes ----

def test_a_scoped_operator_hears_of_its_scope(local, records, team):
    operator = local.by(records.token("operator", team))
    before = local.job_of(labels=labels_of(team))["id"]
    unseen = local.job_of(labels=labels_of(team))["id"]
    with Events(operator) as events:
        events.started()
        operator.done("GET", f"/v1/jobs/{before}")
        inside, outside = local.job_of(labels=labels_of(team))["id"], local.job_of(labels={"team": "x" + team[5:]})["id"]
        reader, stranger = local.token_of(selector=team)["id"], local.token_of()["id"]
        local.done("PATCH", f"/v1/jobs/{inside}", {"url": "http://127.0.0.1:1"})
        local.done("PATCH", f"/v1/jobs/{outside}", {"url": "http://127.0.0.1:1"})
        local.done("PATCH", f"/v1/jobs/{inside}", {"labels": None})  # it leaves the scope,
        local.done("PATCH", f"/v1/jobs/{inside}", {"url": "http://127.0.0.1:2"})  # so this is not told
        for token in (reader, stranger):
            local.done("DELETE", f"/v1/tokens/{token}", status=204)
        for job in (before, inside, outside, unseen):
            local.done("DELETE", f"/v1/jobs/{job}", status=204)
        local.job_of(id="last" + team[5:], labels=labels_of(team))
        events.until("job", id="last" + team[5:])
        told = [(data["id"], data["record"] and data["record"].get("url")) for name, data in events.passed if name in ("job", "token")]
    text = str(events.passed)
    assert outside not in text and stranger not in text
    gone = {name for name, record in told if record is None}
    assert {before, inside} <= gone <= {before, inside, unseen, reader}, told
    assert (inside, None) == [one for one in told if one[0] == inside][-1] and (inside, "http://127.0.0.1:2") not in told
    assert [one for one in told if one[0] == reader]


def test_a_record_that_enters_a_scope(local, records, team):
    with Events(local.by(records.token("operator", team))) as events:
        events.started()
        job = local.job_of(labels={"other": "x"})["id"]
        record = local.done("PATCH", f"/v1/jobs/{job}", {"labels": labels_of(team)})
        assert events.until("job", id=job)["record"] == record
        assert not events.passed or events.passed[0][0] == "store"


# ---- who may read ----

def test_what_is_refused(local, gateway, records):
    local.refused(400, "GET", "/v1/events?x=1")
    local.by(records.token()).refused(403, "GET", "/v1/events")
    assert local.call("HEAD", "/v1/events").status == 200
    with local.connect() as client:
        client.send(b"GET /v1/events HTTP/1.0\r\nHost: x\r\n\r\n")
        assert client.read_response().status == 400


def test_the_end_of_the_readers_token(local, records):
    for end in ("DELETE", "renew", "expire"):
        token = records.token("operator")
        with Events(local.by(token)) as events:
            events.started()
            if end == "DELETE":
                local.done("DELETE", f"/v1/tokens/{token.id}", status=204)
            elif end == "renew":
                local.done("POST", f"/v1/tokens/{token.id}/renew")
            else:
                soon = datetime.now(timezone.utc) + timedelta(seconds=2)
                local.done("PATCH", f"/v1/tokens/{token.id}", {"expires_at": soon.strftime("%Y-%m-%dT%H:%M:%SZ")})
            last = events.until("end")
            assert last["status"] == 401 and events.next() is None, end


def test_nothing_is_told_after_the_end_of_the_readers_token(local, records):
    """Not even within the second in which the token is read again: the change of the token itself is told, too."""
    for _ in range(10):
        token = records.token("operator")
        with Events(local.by(token)) as events:
            events.started()
            local.done("DELETE", f"/v1/tokens/{token.id}", status=204)
            local.job_of()
            assert events.until("end")["status"] == 401 and "job" not in dict(events.passed)


def test_nothing_is_told_while_the_readers_token_is_read_again(gateways, make_folder):
    """The store says that the token has changed, and answers late what it is now: no worker's event is told meanwhile."""
    server = RedisServer(make_folder("redis"))
    server.start()
    gateway = gateways.start({"workers": 1}, store_url=server.url)
    gateway.family = []
    local = Control(gateway.socket_path)
    token = local.token_of(role="operator")
    with Events(local) as events, Events(local.by(token["value"])) as remote:
        events.started().until("worker", up=True)
        remote.started().until("worker", up=True)
        changes = server.client.pipeline(transaction=False)
        changes.delete(f"jobgate:token:{token['id']}").execute_command("CLIENT", "PAUSE", 1000, "ALL")
        changes.execute()
        os.kill(gateway.workers()[0], signal.SIGKILL)
        events.until("worker", up=False)
        assert remote.until("end")["status"] == 401 and "worker" not in dict(remote.passed), remote.passed
    gateway.stop()
    server.stop()


def test_readers_with_one_token_are_bounded(local, records):
    operator = local.by(records.token("operator"))
    streams = [Events(operator).started() for _ in range(2)]
    refused = operator.refused(429, "GET", "/v1/events")
    assert refused.field("retry-after") and refused.json["detail"].startswith("too many callers read events already (at most 16, ")
    streams.pop().client.close()
    eventually(lambda: Events(operator).head.status == 200, "the place of the one that has left")
    for events in streams:
        events.client.close()


# ---- sessions and workers ----

def test_readers_at_the_local_socket_are_bounded(gateways):
    local = Control(gateways.start({}).socket_path)
    readers = [Events(local) for _ in range(32)]
    assert {reader.head.status for reader in readers} == {200}
    refused = local.refused(429, "GET", "/v1/events")
    assert "32 callers at the local socket read events already" in refused.json["detail"] and refused.field("retry-after")
    for reader in readers[1:]:
        reader.client.close()
    with readers[0], Events(local) as events:  # those who have left give up their places at once
        events.started()


@pytest.fixture(scope="module")
def two(module_gateways):
    return module_gateways.start({"workers": 2})


@pytest.fixture
def scene(two, records, team, scene_of):
    """A scene whose job and token carry the team's label."""
    made = scene_of(two, token=records.token(selector=team))
    made.job = records.job(made.backend.url, labels_of(team))
    return made


def of(scene, events, **members):
    """The next event of a session at the scene's job."""
    while True:
        data = events.until("session", **members)
        if data["session"]["job"] == scene.job:
            return data


def test_sessions_begin_and_end(two, scene):
    local = Control(two.socket_path)
    with Events(local) as events:
        assert events.until("start")["sessions"]
        client, connection, _ = scene.arrive(path="/x")
        begun = of(scene, events)
        assert (begun["is"], begun["outcome"], begun["status"]) == ("begun", None, None)
        listed = local.done("GET", f"/v1/sessions?job={scene.job}")["items"][0]
        assert {name: begun["session"][name] for name in ("id", "token_id", "token_name", "path", "client", "worker")} == {
            name: listed[name] for name in ("id", "token_id", "token_name", "path", "client", "worker")}
        connection.answer()
        assert client.read_response().status == 200
        ended = of(scene, events)
        assert (ended["is"], ended["outcome"], ended["status"], ended["session"]["id"]) == ("ended", "answered", 200, listed["id"])


def test_sessions_are_cut(two, scene_of):
    local, scenes = Control(two.socket_path), [scene_of(two), scene_of(two)]
    with Events(local) as events:
        events.started()
        for scene, outcome in zip(scenes, ["cut", "revoked"]):
            open_tunnel(scene)
            tunnel = of(scene, events)["session"]["id"]
            if outcome == "cut":
                local.done("DELETE", f"/v1/sessions/{tunnel}", status=204)
            else:
                local.done("DELETE", f"/v1/tokens/{scene.token.id}", status=204)
            cut = of(scene, events)
            assert (cut["is"], cut["outcome"], cut["session"]["id"]) == ("cut", outcome, tunnel)


def test_sessions_of_a_scope(two, scene, scene_of, records, team):
    local, outside, every = Control(two.socket_path), scene_of(two), records.token()
    with Events(local.by(records.token("operator", team))) as events, Events(local) as all_of_them:
        events.started(), all_of_them.started()
        outside.arrive(path="/outside")
        assert of(outside, all_of_them)["session"]["path"] == "/outside"
        scene.arrive(path="/own")
        assert of(scene, events)["session"]["token_id"] == scene.token.id and "outside" not in str(events.passed)
        client = scene.new_client()
        client.send(scene.request(path="/by-other", token=every))
        scene.backend.accept().read_request()
        other = of(scene, events)["session"]
        assert other["path"] == "/by-other" and other["token_id"] is other["token_name"] is None
        assert of(scene, all_of_them, **{"is": "begun"}) and of(scene, all_of_them)["session"]["token_id"] == every.id
        local.done("DELETE", f"/v1/sessions?job={outside.job}")
        local.done("DELETE", f"/v1/sessions?token={every.id}")
        assert of(scene, events)["session"]["path"] == "/by-other"
        assert {data["session"]["job"] for name, data in events.passed if name == "session"} <= {scene.job}


@pytest.mark.parametrize("change", ["deleted", "relabelled", "the token is deleted"])
def test_who_heard_the_beginning_hears_the_end(two, scene, records, team, change):
    """Also when the session is out of the reader's scope by then; and no reader that came after that hears of it."""
    local, path = Control(two.socket_path), f"/v1/jobs/{scene.job}"
    with Events(local.by(records.token("operator", team))) as events:
        events.started()
        scene.arrive(path="/x")
        begun = of(scene, events)["session"]
        with Events(local.by(records.token("operator", team))) as second, Events(local.by(records.token("operator", team + "x"))) as other:
            second.started(), other.started()
            if change == "deleted":
                local.done("DELETE", path, status=204)
            elif change == "relabelled":
                local.done("PATCH", path, {"labels": {"team": team[5:] + "x"}})
            else:
                local.done("DELETE", f"/v1/tokens/{scene.token.id}", status=204)
            ended = of(scene, events)
            assert ended["is"] in ("cut", "ended") and (ended["session"]["id"], ended["session"]["token_id"]) == (begun["id"], scene.token.id)
            mark = records.job("http://127.0.0.1:1", {"team": team[5:]})
            second.until("job", id=mark)
            told = [data["session"]["id"] for name, data in second.passed if name == "session"]
            assert told == ([begun["id"]] if change == "the token is deleted" else [])


def test_a_slot_that_somebody_had_before(two, scene, scene_of, records, team):
    """What workers told the reader before is not told to the next one, who has another scope."""
    local = Control(two.socket_path)
    for number in range(12):
        with Events(local.by(records.token("operator", team if number % 2 else "team=none" + team[5:]))) as events:
            events.started()
            client = scene.new_client()
            client.send(scene.request(path=f"/{number}"))
            scene.backend.accept().read_request()
            if number % 2:
                assert of(scene, events)["session"]["path"] == f"/{number}"
            else:
                mark = local.job_of(labels={"team": "none" + team[5:]})["id"]
                events.until("job", id=mark)
                assert "session" not in dict(events.passed)


def test_workers_come_and_go(gateways):
    gateway = gateways.start({"workers": 2})
    gateway.family = []
    with Events(Control(gateway.socket_path)) as events:
        events.started()
        up = {events.until("worker", up=True)["worker"] for _ in range(2)}
        assert up == {0, 1}
        os.kill(gateway.workers()[0], signal.SIGKILL)
        gone = events.until("worker", up=False)
        events.until("missed", what="sessions")
        back = events.until("worker", up=True)
        assert back["worker"] == gone["worker"] and back["id"] != gone["id"]


def answers(gateway):
    try:
        client = gateway.client()
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return client.read_response().status
    except (OSError, Closed):
        return None


def test_a_worker_that_is_gone_when_its_hello_is_read(gateways):
    """It cannot be asked to tell of sessions: its connection is closed once, and the stream goes on."""
    gateway = gateways.start({"workers": 1})
    gateway.family = []
    control, first = gateway.control_process(), gateway.workers()[0]
    with Events(Control(gateway.socket_path)) as events:
        events.started()
        os.kill(control, signal.SIGSTOP)
        try:
            eventually(lambda: state_of(control) == "T", "the control process to stop")
            os.kill(first, signal.SIGKILL)
            second = eventually(lambda: [pid for pid in gateway.workers() if pid != first], "the next worker")[0]
            eventually(lambda: answers(gateway), "the worker, which has said hello by then")
            os.kill(second, signal.SIGKILL)
            eventually(lambda: second not in gateway.workers(), "the end of the worker")
        finally:
            os.kill(control, signal.SIGCONT)
        third = events.until("worker", up=True)["id"]
        while events.until("worker", up=True)["id"] == third:
            pass
    assert gateway.control_process() == control


def test_a_worker_that_does_not_answer_at_the_start(gateways):
    """The stream begins and says so; when the worker answers again, the sessions are to be listed again."""
    gateway = gateways.start({"workers": 2})
    worker = gateway.workers()[0]
    os.kill(worker, signal.SIGSTOP)
    try:
        eventually(lambda: state_of(worker) == "T", "the worker to stop")
        with Events(Control(gateway.socket_path)) as events:
            assert events.until("start") == {"changes": True, "sessions": False}
            os.kill(worker, signal.SIGCONT)
            events.until("missed", what="sessions")
    finally:
        os.kill(worker, signal.SIGCONT)


# ---- through the gateway ----

HOST = "control.jobs.test"


@pytest.fixture(scope="module")
def behind(module_gateways):
    """A gateway whose control API is also at a host of the data path."""
    return module_gateways.start({"control": {"host": HOST}})


def test_through_the_data_path(behind, records, team):
    """The operator's token is deleted: what it reads ends at once, and no later event reaches it."""
    local, token = Control(behind.socket_path), records.token("operator", team)
    with Events(Control(behind.address, token, host=HOST)) as events:
        events.started()
        job = local.job_of(labels=labels_of(team))
        assert events.until("job", id=job["id"])["record"] == job
        local.done("DELETE", f"/v1/tokens/{token.id}", status=204)
        late = local.job_of(labels=labels_of(team))["id"]
        try:
            while (event := events.next()) is not None:
                assert event[0] in ("store", "token", "end"), (event, late)
        except Closed:  # cut by the worker, which hears of it first
            pass


# ---- readers that are slow, and many ----

def memory_of(pid):
    """KiB that are its own."""
    return sum(int(size) for size in re.findall(r"^(?:RssAnon|VmSwap):\s+(\d+)",
                                                pathlib.Path(f"/proc/{pid}/status").read_text(), re.MULTILINE))


def large_labels(number):
    return {f"label{index}": f"{number:04}" + "x" * 59 for index in range(60)}


def test_a_slow_reader_is_told_that_it_missed_something(gateways, records):
    """What waits for a reader is bounded. When it reads again, it hears that it must read its lists again, then what is new."""
    gateway = gateways.start()
    local = Control(gateway.socket_path)
    job = local.job_of()["id"]
    with Events(local) as slow, Events(local) as quick:
        slow.started(), quick.started()
        for number in range(200):  # 5 KiB each: more than the bound, and more than sockets take
            local.done("PATCH", f"/v1/jobs/{job}", {"labels": large_labels(number)})
            quick.until("job", id=job)
        before = memory_of(gateway.control_process())
        for number in range(200, 400):
            local.done("PATCH", f"/v1/jobs/{job}", {"labels": large_labels(number)})
            quick.until("job", id=job)
        print("grown by", memory_of(gateway.control_process()) - before, "KiB")
        while slow.until("missed") != {"what": "records"}:
            pass
        last = local.done("PATCH", f"/v1/jobs/{job}", {"labels": {"last": "one"}})
        assert quick.until("job", id=job)["record"] == last
        while slow.until("job", id=job)["record"] != last:
            pass


def test_a_thousand_that_want_to_read(behind, records):
    """12 without a selector read; the others are refused, and those that read still hear everything. 4 places are left for scoped ones."""
    local, answers, streams = Control(behind.socket_path), [], []
    tokens = [records.token("operator") for _ in range(25)]
    for number in range(1000):
        events = Events(Control(behind.address, tokens[number % 25], host=HOST))
        answers.append(events.head.status)
        if events.head.status == 200:
            streams.append(events)
        else:
            events.client.close()
    assert set(answers) == {200, 429} and answers.count(200) == 12
    job = local.job_of()
    for events in streams:
        assert events.started().until("job", id=job["id"])["record"] == job
    for number in range(4):
        streams.append(Events(Control(behind.address, records.token("operator", f"team=x{number}"), host=HOST)).started())
    assert Events(Control(behind.address, records.token("operator", "team=x"), host=HOST)).head.status == 429
    for events in streams:
        events.client.close()
    operator = Control(behind.address, records.token("operator"), host=HOST)
    eventually(lambda: Events(operator).head.status == 200, "the places of those that have left")


def test_scoped_readers_leave_room_for_the_others(gateways, records, team):
    """2 with one token, 4 whose selectors have a label in common, however many tokens they make; 8 with selectors in all."""
    gateway = gateways.start()
    local = Control(gateway.socket_path)

    def read(selectors):
        streams = [Events(local.by(records.token("operator", selector))) for selector in selectors]
        return streams, [events.head.status for events in streams]
    one = local.by(records.token("operator", team))
    first = [Events(one).started() for _ in range(2)]
    assert Events(one).head.status == 429
    more, statuses = read([f"{team},number={number}" for number in range(4)])
    assert statuses == 2 * [200] + 2 * [429]
    first += more
    others, statuses = read([f"other=x{number}" for number in range(5)])
    assert statuses == 4 * [200] + [429]
    with Events(local.by(records.token("operator"))) as other, Events(local) as without:
        other.started(), without.started()
    for events in first + others:
        events.client.close()


# ---- the store away ----

def test_the_store_goes_away_and_comes_back(gateways, make_folder):
    """A reader with a token is cut off, because nothing says that its token still counts; a local one is told what it missed."""
    server = RedisServer(make_folder("redis"))
    server.start()
    gateway = gateways.start(store_url=server.url)
    local = Control(gateway.socket_path)
    operator = local.by(local.token_of(role="operator")["value"])
    with Events(local) as events, Events(operator) as remote:
        events.started(), remote.started()
        server.stop()
        events.until("store", up=False)
        assert remote.until("end")["status"] == 503 and remote.next() is None
        with Events(local) as late:  # it begins, and says that changes are not told
            assert late.until("start")["changes"] is False
            server.start()
            late.until("store", up=True)
            late.until("missed", what="records")
        events.until("store", up=True)
        events.until("missed", what="records")
        eventually(lambda: local.call("GET", "/v1/jobs").status == 200, "the store")
        job = local.job_of()["id"]
        assert events.until("job", id=job)["record"]["id"] == job
    gateway.stop()
    server.stop()
