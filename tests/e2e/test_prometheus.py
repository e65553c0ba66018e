"""deploy/observability at a real Prometheus: it scrapes a gateway as prometheus.yml says; each panel and each alert has data there."""

import json
import re
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest

from harness.gateway import DOMAIN, REPOSITORY
from harness.process import Program, eventually, free_port

DEPLOYED = REPOSITORY / "deploy" / "observability"


class Prometheus:
    """Listens on loopback; ends with its folder's test."""

    def __init__(self, folder, target):
        self.port = free_port()
        config = (DEPLOYED / "prometheus.yml").read_text()
        for old, new in [("scrape_interval: 15s", "scrape_interval: 500ms\n  evaluation_interval: 1s"), ("[jobgate.rules.yml]", f"[{DEPLOYED / 'jobgate.rules.yml'}]"), ("127.0.0.1:9180", target)]:
            assert old in config, old
            config = config.replace(old, new)
        (folder / "prometheus.yml").write_text(config)
        self.program = Program(["prometheus", f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}",
                                f"--web.listen-address=127.0.0.1:{self.port}", "--enable-feature=exemplar-storage"], folder / "prometheus.log")

    def get(self, path, **query):
        assert self.program.running(), self.program.log()
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=15) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            if error.code == 503:  # it starts
                return None
            raise AssertionError(f"{query}: {error.read()[:500]}") from None
        except OSError:  # it does not listen yet
            return None

    def query(self, text):
        data = self.get("query", query=text)
        return data and data["result"]


@pytest.fixture(scope="module")
def scraped(module_gateways, make_folder, certificate):
    """A gateway with metrics of jobs and of certificates, and a Prometheus that scrapes it."""
    gateway = module_gateways.start({"metrics": {"jobs_max": 10}, "control": {
        "listen": f"127.0.0.1:{free_port()}", "certificate": str(certificate[0]), "key": str(certificate[1])}})
    server = Prometheus(make_folder("prometheus"), f"127.0.0.1:{gateway.metrics_port}")
    yield gateway, server
    server.program.stop()


def operands(text):
    """What is compared in an expression: alerts, and panels that hide zeros, show nothing while all is well, but these have data."""
    sides = re.split(r"\s(?:and|or)\s", text)
    return [part for side in sides for part in re.split(r"\s(?:==|>|<)\s", side) if re.search(r"jobgate_|up\{", part)]


def test_each_panel_and_each_alert_has_data(scraped, scene_of, records):
    gateway, server = scraped
    scene = scene_of(gateway)
    fails = f"{records.job('unix:/nonexistent')}.{DOMAIN}"
    checked = f"{records.job('unix:/nonexistent/a unix:/nonexistent/b', health='/up')}.{DOMAIN}"
    scene.relay()
    assert scene.client.exchange(scene.request(host=fails)).status == 502
    assert scene.client.exchange(scene.request(host=checked)).status in (502, 503)
    eventually(lambda: server.query('up{job="jobgate"} == 1'), "the first scrape")
    seen = server.query("sum(jobgate_requests_total)")[0]["value"][1]
    scene.relay()  # between two scrapes, so that rates are not all 0
    scene.client.exchange(scene.request(token="jgt_no"))
    eventually(lambda: server.query(f"sum(jobgate_requests_total) > {seen}"), "a scrape that has them")
    eventually(lambda: server.query('jobgate_replica_up{replica="/nonexistent/a"}'), "the replicas that are checked")
    for code in ("2xx", "5xx"):
        eventually(lambda: server.query(f'rate(jobgate_job_requests_total{{code="{code}"}}[1m])'), "their rates by job")

    panels = [(panel["title"], target["expr"].replace("$__rate_interval", "1m").replace("$instance", ".*"))
              for panel in json.loads((DEPLOYED / "dashboard.json").read_text())["panels"] for target in panel["targets"]]
    rules = [rule for group in server.get("rules")["groups"] for rule in group["rules"]]
    assert len(panels) > 50 and len(rules) > 15
    empty = [(where, part) for where, text in panels + [(rule["name"], rule["query"]) for rule in rules]
             for part in operands(text) if not server.query(part)]
    assert not empty, empty
    by_verdict = {row["metric"]["verdict"]: float(row["value"][1]) for row in server.query(dict(panels)["Refusals by verdict"])}
    assert set(by_verdict) == {"invalid_token"}

    def evaluated():
        states = {rule["name"]: (rule["health"], rule.get("lastError")) for group in server.get("rules")["groups"] for rule in group["rules"]}
        return all(health == "ok" for health, _ in states.values()) and states
    eventually(evaluated, "all alerts to be evaluated without an error")


def test_traces_of_slow_requests_are_found(scraped, scene_of):
    """Prometheus asks for OpenMetrics, keeps the exemplars, and gives back the trace of a request."""
    gateway, server = scraped
    trace = "e" * 32
    scene_of(gateway).relay(fields=[f"traceparent: 00-{trace}-{'f' * 16}-01"])

    def found():
        series = server.get("query_exemplars", query="jobgate_request_duration_seconds_bucket", start=time.time() - 600, end=time.time() + 600)
        return [exemplar["labels"] for one in series or [] for exemplar in one["exemplars"] if exemplar["labels"]["trace_id"] == trace]
    assert eventually(found, "the exemplar") == [{"trace_id": trace}]
