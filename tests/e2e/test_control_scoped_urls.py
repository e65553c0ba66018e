"""Where operators with a label selector may have job URLs lead: control.scoped_urls."""

import json
import signal

import pytest

from harness.control import Control
from harness.process import eventually, free_port

HOST = "control.jobs.test"


def start(gateways, *ranges):
    settings = {"listen": f"127.0.0.1:{free_port()}", "host": HOST, **({"scoped_urls": ranges} if ranges else {})}
    gateway = gateways.start({"control": settings})
    host, _, port = settings["listen"].rpartition(":")
    return gateway, Control((host, int(port)))


@pytest.fixture(scope="module")
def scoped(records):
    return records.token("operator", "team=a")


def refused(api, url):
    job = api.job_of()
    api.refused(403, "POST", "/v1/jobs", {"url": url}, "url")
    api.refused(403, "PATCH", f"/v1/jobs/{job['id']}", {"url": url, "labels": {"x": "y"}}, "url")
    assert api.job_record(job["id"]) == job


def taken(api, url):
    job = api.job_of(url=url)
    assert job["url"] == url
    assert api.done("PATCH", f"/v1/jobs/{job['id']}", {"url": None})["url"] is None
    assert api.done("PATCH", f"/v1/jobs/{job['id']}", {"url": url})["url"] == url


def test_none_by_default(module_gateways, records, scoped):
    """The job of another team: no label of a new job says that its URL leads there."""
    url = "http://10.0.5.17:8888"
    records.job(url, {"team": "b"})
    gateway, tcp = start(module_gateways)
    for api in [tcp.by(scoped), Control(gateway.address, scoped, host=HOST)]:
        for other in [url, "http://127.0.0.1:1", "unix:/run/x", "http://name.example"]:
            refused(api, other)
        assert api.job_of(url="")["url"] is None
        # Out of scope still is as if it were not.
        outside = records.job(None, {"team": "b"})
        answers = [api.refused(403, "PATCH", f"/v1/jobs/{job}", {"url": url}, "url").problem() for job in (outside, "missing")]
        assert answers[0] == answers[1]
    taken(tcp.by(records.token("operator")), url)
    taken(Control(gateway.socket_path), url)
    taken(Control(gateway.socket_path, scoped), url)  # who could as well leave the token away


def test_addresses_that_are_named(module_gateways, records, scoped):
    _, tcp = start(module_gateways, "10.0.5.0/24", "fd00::/8")
    api = tcp.by(scoped)
    for url in ["http://10.0.5.17:8888/base", "https://10.0.5.17", "http://[fd00::1]:8888", "http://10.0.5.1 http://[fd00::1]"]:
        taken(api, url)
    for url in ["http://10.0.6.17:8888", "http://[64:ff9b::a00:511]", "http://name.example", "http://167773457", "unix:/run/x",
                "http://10.0.5.17 http://10.0.6.17", "http://10.0.6.17 http://10.0.5.17", "http://10.0.5.17 unix:/run/x", "http://10.0.5.17 http://name"]:
        refused(api, url)


def test_reload(gateways, scoped):
    gateway, tcp = start(gateways)
    api = tcp.by(scoped)
    refused(api, "http://name.example")
    gateway.config["control"]["scoped_urls"] = ["::/0"]
    gateway.config_path.write_text(json.dumps(gateway.config))
    gateway.family = []
    gateway.program.send_signal(signal.SIGHUP)

    def changed():
        try:
            return api.call("POST", "/v1/jobs", {"url": "http://name.example"}).status == 201
        except OSError:
            return False  # the next control process is not there yet
    eventually(changed, "names to pass")
    refused(api, "unix:/run/x")
