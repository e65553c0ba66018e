"""Who may reach a job: GET /v1/jobs/{id}/tokens and jobgate job who (control.md, operate.md)."""

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
def team():
    """A label that no other test uses."""
    return "team=" + random_id(8)


def ids(items):
    return {item["id"] for item in items}


def job_with(local, *labels):
    return local.job_of(labels=dict(label.split("=") for label in labels))["id"]


def test_the_selector_decides(local, team):
    """Each label of the selector must be the job's; a token without one reaches every job, whatever its role."""
    job, other = job_with(local, team, "stage=test"), job_with(local, "stage=test")
    same, both = local.token_of(selector=team), local.token_of(role="operator", selector=f"{team},stage=test")
    more, third = local.token_of(selector=f"{team},stage=live"), local.token_of(selector=f"{team},stage=test,zone=a")
    every = local.token_of()
    found = local.pages(f"/v1/jobs/{job}/tokens")
    mine = {one["id"] for one in (same, both, more, third, every)}
    assert ids(found) & mine == ids([same, both, every])
    assert all("value" not in item and "hash" not in item for item in found)
    assert ids(local.pages(f"/v1/jobs/{other}/tokens")) & mine == {every["id"]}
    assert ids(local.pages(f"/v1/jobs/{job}/tokens?role=operator")) & mine == {both["id"]}


def test_the_list_follows_the_job(local, team):
    job, token = job_with(local, team), local.token_of(selector=team)
    assert token["id"] in ids(local.pages(f"/v1/jobs/{job}/tokens"))
    local.done("PATCH", f"/v1/jobs/{job}", {"labels": None})
    assert token["id"] not in ids(local.pages(f"/v1/jobs/{job}/tokens"))
    local.call("DELETE", f"/v1/jobs/{job}")
    local.refused(404, "GET", f"/v1/jobs/{job}/tokens")


def test_pages(local, team):
    """Tokens that do not reach the job lie between those that do; each page is full all the same, and none is lost."""
    job = job_with(local, team)
    wanted = []
    for number in range(7):
        wanted.append(local.token_of(f"{number}-reaches", selector=team)["id"])
        local.token_of(f"{number}-does-not", selector=team + "x")
    found = [item["id"] for item in local.pages(f"/v1/jobs/{job}/tokens", limit=2) if item["label_selector"]]
    assert found == wanted


def test_a_scoped_operator_sees_its_own(local, records, team):
    """Neither jobs nor tokens out of its scope, such as those without a selector, which reach the job, too."""
    job, outside = job_with(local, team), job_with(local, team + "x")
    inside, every = local.token_of(selector=team), local.token_of()
    operator = local.by(records.token("operator", team))
    found = ids(operator.pages(f"/v1/jobs/{job}/tokens"))
    assert found == {inside["id"]}
    assert every["id"] in ids(local.pages(f"/v1/jobs/{job}/tokens"))
    missing = operator.refused(404, "GET", f"/v1/jobs/{outside}/tokens").problem("detail")
    assert missing == operator.refused(404, "GET", "/v1/jobs/nosuchjob/tokens").problem("detail")
    reader = local.by(records.token("read", team))
    reader.refused(403, "GET", f"/v1/jobs/{job}/tokens")


def test_what_is_refused(local, team):
    job = job_with(local, team)
    local.refused(400, "GET", f"/v1/jobs/{job}/tokens?limit=0", field="limit")
    local.refused(400, "GET", f"/v1/jobs/{job}/tokens?label=a=b")
    local.refused(400, "GET", f"/v1/jobs/{job}/tokens?cursor=x", field="cursor")
    assert local.call("POST", f"/v1/jobs/{job}/tokens").status == 405
    local.refused(404, "GET", "/v1/jobs/-/tokens")


def test_command(gateway, local, team):
    job, token = job_with(local, team), local.token_of("who-" + random_id(6), selector=team)
    local.token_of("not-me", selector=team + "x")
    done = gateway.cli("job", "who", job, "-o", "json")
    assert done.status == 0 and token["id"] in ids(done.json()) and "not-me" not in done.out
    assert token["name"] in gateway.cli("job", "who", job, "-o", "description").out
    gone = gateway.cli("job", "who", "nosuchjob")
    assert (gone.status, gone.out) == (1, "") and "nosuchjob" in gone.err
    assert gateway.cli("job", "who").status == 2
