"""What can be seen from outside: metrics held against promtool, the rules and the dashboard made for them, traces."""

import json
import re
import subprocess
import time

import pytest
from prometheus_client.openmetrics import parser as openmetrics_parser

from harness.gateway import DOMAIN, REPOSITORY, binary
from harness.process import eventually, free_port
from harness.raw import Client, Cut
from harness.scene import request_bytes

DEPLOYED = REPOSITORY / "deploy" / "observability"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"


def promtool(*words, **kwargs):
    return subprocess.run(["promtool", *words], capture_output=True, text=True, timeout=60, check=False, **kwargs)


def count_of(gateway, name):
    return gateway.metrics()[f"{name}_count"]


@pytest.fixture(scope="module")
def busy(module_gateways, certificate):
    """A gateway that has metrics of its own, for this module alone, those of certificates included."""
    return module_gateways.start({"control": {
        "listen": f"127.0.0.1:{free_port()}", "certificate": str(certificate[0]), "key": str(certificate[1])}})


def test_promtool_finds_nothing_to_complain_of(busy, scene_of):
    scene = scene_of(busy)
    scene.relay()
    scene.client.exchange(scene.request(token="jgt_no"))
    status, text = busy.health("/metrics")
    assert status == 200
    checked = promtool("check", "metrics", input=text)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


ACCEPT = "Accept: application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"


def openmetrics_of(gateway):
    """The families, as the parser of another implementation reads them."""
    with Client(("127.0.0.1", gateway.metrics_port)) as client:
        answer = client.exchange(f"GET /metrics HTTP/1.1\r\nHost: x\r\n{ACCEPT}\r\n\r\n".encode())
    assert answer.status == 200 and answer.field("content-type") == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    return {family.name: family for family in openmetrics_parser.text_string_to_metric_families(answer.body.decode())}


@pytest.fixture(scope="module")
def traced(module_gateways):
    return module_gateways.start({"workers": 2, "metrics": {"jobs_max": 2}})


def test_openmetrics_with_exemplars(traced, scene_of):
    """Who asks for it gets OpenMetrics, with the traces of recent requests that their senders record; it has what the other form has."""
    scene, trace = scene_of(traced), "c" * 32
    for flags, sent in (("00", "d" * 32), ("01", trace)):
        scene.relay(fields=[f"traceparent: 00-{sent}-{PARENT}-{flags}"])
    scene.relay()
    families = openmetrics_of(traced)
    buckets = [sample for sample in families["jobgate_request_duration_seconds"].samples if sample.name.endswith("_bucket")]
    exemplars = [(sample.exemplar, float(sample.labels["le"])) for sample in buckets if sample.exemplar]
    assert {exemplar.labels["trace_id"] for exemplar, _ in exemplars} == {trace}
    for exemplar, bound in exemplars:
        assert bound / 2 < exemplar.value <= bound or exemplar.value <= bound == 0.000064
        assert abs(float(exemplar.timestamp) - time.time()) < 600
    assert families["jobgate_requests"].type == "counter" and families["jobgate_request_duration_seconds"].unit == "seconds"
    assert families["jobgate_received_bytes"].unit == "bytes" and families["jobgate_connections"].type == "gauge"
    named = {sample.name for family in families.values() for sample in family.samples}
    assert named == {re.split(r"[{ ]", name)[0] for name in traced.metrics()}


def test_the_text_form_without_asking_for_the_other(traced):
    for accept in ("*/*", "text/plain", "application/openmetrics-text;version=2.0.0, text/plain"):
        with Client(("127.0.0.1", traced.metrics_port)) as client:
            answer = client.exchange(f"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\n\r\n".encode())
        assert answer.field("content-type").startswith("text/plain; version=0.0.4") and b"# EOF" not in answer.body


@pytest.fixture(scope="module")
def by_job(module_gateways):
    """A gateway that counts two jobs one by one."""
    return module_gateways.start({"workers": 2, "metrics": {"jobs_max": 2}})


@pytest.fixture(scope="module")
def checking(module_gateways):
    """A gateway that checks replicas."""
    return module_gateways.start({"metrics": {"jobs_max": 2}})


def jobs_of(gateway, name="jobgate_job_requests_total", **labels):
    """{job: value} of the samples of a metric with these labels."""
    samples = {}
    for sample, value in gateway.metrics().items():
        if sample.startswith(name + "{") and all(f'{label}="{wanted}"' in sample for label, wanted in labels.items()):
            samples[re.search(r'job_id="([^"]*)"', sample)[1]] = value
    return samples


def test_jobs_are_counted_one_by_one_up_to_a_limit(by_job, scene_of):
    scenes = [scene_of(by_job) for _ in range(4)]
    for _ in range(3):
        for scene in scenes:
            scene.relay()
    scenes[0].client.exchange(scenes[0].request(token="jgt_no"))  # strangers are not counted
    with by_job.client() as client:
        assert client.exchange(scenes[0].request(host="no-such-job.jobs.test")).status == 404
    first, second = scenes[0].job, scenes[1].job
    eventually(lambda: jobs_of(by_job, code="2xx") == {first: 3, second: 3, "other": 6}, "requests to be counted by job")
    assert jobs_of(by_job, "jobgate_job_sent_bytes_total") == {first: 6, second: 6, "other": 12}
    assert jobs_of(by_job, "jobgate_job_request_duration_seconds_count") == {first: 3, second: 3, "other": 6}
    client, connection, _ = scenes[1].arrive()
    connection.send(b"nonsense\r\n\r\n")
    assert client.read_response().status == 502
    eventually(lambda: jobs_of(by_job, code="5xx") == {second: 1}, "the failure to be counted")
    status, text = by_job.health("/metrics")
    checked = promtool("check", "metrics", input=text)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_classes_of_status_and_protocols_are_counted(busy, scene_of):
    scene = scene_of(busy)

    def count(protocol, code):
        return busy.metrics()[f'jobgate_responses_total{{protocol="{protocol}",code="{code}"}}']
    before = [count("HTTP/1.1", "2xx"), count("HTTP/1.0", "4xx"), count("HTTP/1.1", "none")]
    scene.relay()
    with busy.client() as client:
        client.send(scene.request(token="jgt_no", version="1.0"))
        assert client.read_response().status == 401
    leaves, connection, _ = scene.arrive()
    leaves.reset()
    connection.ended()
    wanted = [value + 1 for value in before]
    eventually(lambda: [count("HTTP/1.1", "2xx"), count("HTTP/1.0", "4xx"), count("HTTP/1.1", "none")] == wanted, "the answers to be counted")


def test_metrics_have_no_ids(busy, scene_of):
    """Labels are few and fixed: no token, job or address makes a series of its own."""
    before = set(busy.metrics())
    for _ in range(3):
        scene_of(busy).relay()
    assert set(busy.metrics()) == before


def test_durations_are_counted(busy, scene_of):
    names = ["jobgate_decision_duration_seconds", "jobgate_backend_connect_duration_seconds",
             "jobgate_first_byte_duration_seconds", "jobgate_request_duration_seconds"]
    scene = scene_of(busy)
    before = [count_of(busy, name) for name in names]
    for _ in range(3):
        scene.relay()
    # One connection was made, and used again.
    wanted = [before[0] + 3, before[1] + 1, before[2] + 3, before[3] + 3]
    eventually(lambda: [count_of(busy, name) for name in names] == wanted, "durations to be counted")


def test_a_slow_answer_falls_into_a_later_bucket(busy, scene_of):
    scene = scene_of(busy)
    name = "jobgate_first_byte_duration_seconds"
    before = busy.metrics()
    scene.client.send(scene.request())
    connection = scene.backend.next()
    connection.read_request()
    quick = f'{name}_bucket{{le="0.000512"}}'
    begun = time.monotonic()
    eventually(lambda: time.monotonic() > begun + 0.05, "the answer to be late")
    connection.answer()
    assert scene.client.read_response().status == 200
    eventually(lambda: count_of(busy, name) == before[f"{name}_count"] + 1, "the answer to be counted")
    after = busy.metrics()
    assert after[quick] == before[quick]
    assert after[f"{name}_sum"] >= before[f"{name}_sum"] + 0.05


def test_revocation_lag_is_counted(busy, scene_of):
    scene = scene_of(busy)
    before = count_of(busy, "jobgate_revocation_lag_seconds")
    scene.client.send(scene.request())
    connection = scene.backend.next()
    connection.read_request()
    connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
    response = scene.client.read_head()
    assert scene.client.read_piece() == b"x"
    eventually(lambda: busy.metrics()["jobgate_records_watched"] >= 2, "token and job to be relied on")
    scene.records.delete_token(scene.token)
    with pytest.raises(Cut):
        scene.client.read_body(response)
    eventually(lambda: count_of(busy, "jobgate_revocation_lag_seconds") == before + 1, "the cut to be counted")


def test_pools_are_counted(busy, scene_of):
    def idle():
        return busy.metrics()["jobgate_backend_idle_connections"]
    scene = scene_of(busy)
    before = idle()
    scene.client.send(scene.request())
    connection = scene.backend.next()
    connection.read_request()
    connection.answer()
    scene.client.read_response()
    eventually(lambda: idle() == before + 1, "the connection to be in the pool")
    connection.close()
    eventually(lambda: idle() == before, "the connection to have left the pool")


def test_the_store_is_seen(gateways, redis_server):
    gateway = gateways.start({"workers": 2, "store": {"ping_interval": "100ms"}})
    metrics = gateway.metrics()
    assert [metrics[f'jobgate_store_up{{worker="{i}"}}'] for i in (0, 1)] == [1, 1]
    assert metrics["jobgate_store_connects_total"] == 2
    assert all(metrics[f'jobgate_store_staleness_seconds{{worker="{i}"}}'] < 5 for i in (0, 1))
    assert all(0 <= metrics[f'jobgate_store_round_trip_seconds{{worker="{i}"}}'] < 5 for i in (0, 1))


# ---- what is made for the metrics ----


def words_of(expression):
    """Names of metrics in an expression, without what only histograms add."""
    return set(re.findall(r"\bjobgate_\w+", expression))


def test_dashboard_and_rules_use_metrics_that_exist(busy, by_job, checking, records):
    job = records.job("unix:/nonexistent/a unix:/nonexistent/b", health="/up")
    with checking.client() as client:
        assert client.exchange(request_bytes(f"{job}.{DOMAIN}", records.token())).status in (502, 503)
    eventually(lambda: f'jobgate_replica_up{{job_id="{job}",replica="/nonexistent/a"}}' in checking.metrics(), "the first checks")
    dashboard = json.loads((DEPLOYED / "dashboard.json").read_text())
    targets = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert len(targets) > 20
    used = words_of("\n".join(targets)) | words_of((DEPLOYED / "jobgate.rules.yml").read_text())
    exist = {name.partition("{")[0] for gateway in (busy, by_job, checking) for name in gateway.metrics()}
    assert used <= exist, used - exist
    exist = {re.sub("_(bucket|sum|count)$", "", name) for name in exist}
    used = {re.sub("_(bucket|sum|count)$", "", name) for name in used}
    assert exist <= used, exist - used


def test_rules_name_outcomes_and_verdicts_that_exist(busy):
    labels = set(re.findall(r'="(\w+)"\}', "\n".join(busy.metrics())))
    text = (DEPLOYED / "jobgate.rules.yml").read_text()
    for group in re.findall(r'(?:outcome|verdict)=~?"([\w|]+)"', text):
        assert set(group.split("|")) <= labels, group


def test_promtool_takes_the_rules():
    for words in (["check", "rules", "jobgate.rules.yml"], ["test", "rules", "jobgate.rules_test.yml"],
                  ["check", "config", "prometheus.yml"]):
        done = promtool(*words, cwd=DEPLOYED)
        assert done.returncode == 0, done.stdout + done.stderr


# ---- traces ----


def test_a_trace_is_passed_on_and_logged(scene):
    received = scene.relay(path="/traced", fields=[f"traceparent: 00-{TRACE}-{PARENT}-01", "tracestate: a=b",
                                                   "tracestate: c=d"])
    assert received.field("traceparent") == f"00-{TRACE}-{PARENT}-01"
    assert received.all("tracestate") == ["a=b", "c=d"]
    entry = scene.gateway.access_entry(job=scene.job, path="/traced")
    assert (entry["trace_id"], entry["parent_id"]) == (TRACE, PARENT)


@pytest.mark.parametrize("fields", [
    ["traceparent: 00-0-0-0"],
    [f"traceparent: 00-{TRACE.upper()}-{PARENT}-01"],
    [f"traceparent: 00-{'0' * 32}-{PARENT}-01"],
    [f"traceparent: 00-{TRACE}-{PARENT}-01"] * 2,
    [],
], ids=["malformed", "upper case", "zero", "two", "none"])
def test_what_is_no_trace_goes_no_further(scene, fields):
    """Section 4.3: who cannot read traceparent must not pass tracestate on either."""
    received = scene.relay(path="/untraced", fields=[*fields, "tracestate: a=b"])
    assert received.all("traceparent") == received.all("tracestate") == []
    entry = scene.gateway.access_entry(job=scene.job, path="/untraced")
    assert "trace_id" not in entry and "parent_id" not in entry


def test_probes():
    """Those of the table for people are in the binary, with as many arguments, and no others."""
    done = subprocess.run(["readelf", "-n", binary()], capture_output=True, text=True, timeout=60, check=True)
    found = {name: len(arguments.split()) for name, arguments in
             re.findall(r"Provider: jobgate\n +Name: (\w+)\n.*\n +Arguments: (.*)", done.stdout)}
    text = (DEPLOYED / "README.md").read_text(encoding="utf-8")
    table = re.findall(r"^\| `(\w+)` \| (.*) \|$", text, re.MULTILINE)
    states = re.search(r"^\| `<object>_state` \| (.*) \((.*)\) \|$", text, re.MULTILINE)
    table += [(f"{name}_state", "address, before, after") for name in re.findall(r"`(\w+)`", states[2])]
    assert found == {name: len(arguments.replace(" (16 bytes)", "").split(", ")) for name, arguments in table}
