"""Fields removed and added on the way to a backend, and on the way back (RFC 9110 section 7.6, include/jobgate/fields.def)."""

import email.utils
import json
import re
import time

import pytest

from harness.gateway import DOMAIN
from harness.scene import request_bytes

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,128}")


@pytest.fixture(scope="module")
def trusting_gateway(module_gateways):
    """Its peers on loopback are proxies whose word counts."""
    return module_gateways.start({"backends": {"trusted_proxies": ["127.0.0.0/8"]}})


def test_identity_is_added(gateway, scene_of, records):
    token = records.token(role="operator", name="my.token-1")
    scene = scene_of(gateway, token=token)
    received = scene.relay()
    assert received.field("x-jobgate-job") == scene.job
    assert received.field("x-jobgate-token-id") == token.id
    assert received.field("x-jobgate-token-name") == "my.token-1"
    assert received.field("x-jobgate-role") == "operator"


def test_role_alias_is_shown_short(gateway, scene_of, records):
    scene = scene_of(gateway, token=records.token(role="ai_training_read"))
    assert scene.relay().field("x-jobgate-role") == "read"


def test_token_is_removed(scene):
    received = scene.relay()
    assert received.field("authorization") is None
    assert scene.token.value.encode() not in received.head


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "bEaReR"])
def test_token_is_removed_whatever_the_case_of_its_scheme(scene, scheme):
    head = scene.request().replace(b"Authorization: Bearer", b"aUTHORIZATION:" + scheme.encode())
    scene.client.send(head)
    received = scene.backend.accept().read_request()
    assert b"uthorization" not in received.head.lower()
    assert scene.token.value.encode() not in received.head


def test_forward_token(module_gateways, scene_of):
    scene = scene_of(module_gateways.start({"backends": {"forward_token": True}}))
    assert scene.relay().field("authorization") == scene.token.bearer


@pytest.mark.parametrize("name", [
    "X-Jobgate-Job", "X-Jobgate-Token-Id", "X-Jobgate-Token-Name", "X-Jobgate-Role", "X-Jobgate-Anything",
    "x-jobgate-role", "X-JOBGATE-ROLE", "X-Jobgate-",
    "X_Jobgate_Role", "x_jobgate_job", "X-Jobgate_Role", "X_Jobgate-Role", "X_JOBGATE_ANYTHING",
    "X_Forwarded_For", "x_forwarded_proto", "X-Forwarded_Host", "X_Request_Id", "X_REQUEST-ID",
    "Proxy_Authorization", "Transfer_Encoding", "Content_Length", "Keep_Alive", "Proxy_Connection",
])
def test_spoofed_fields_are_removed(scene, name):
    received = scene.relay(fields=[f"{name}: 31337", "X-Kept: 1", "X_Kept: 2"])
    assert b"31337" not in received.head
    assert (received.field("x-kept"), received.field("x_kept")) == ("1", "2")


def test_underscored_authorization_is_removed(scene):
    """Many a server reads both spellings as HTTP_AUTHORIZATION."""
    received = scene.relay(fields=["Proxy_Authorization: Basic a", "AUTHORIZATION_: kept"])
    assert received.field("proxy_authorization") is None
    assert received.field("authorization_") == "kept"


def test_connection_cannot_remove_what_the_gateway_adds(scene):
    received = scene.relay(fields=[
        "Connection: X-Jobgate-Job, X-Jobgate-Token-Id, X-Jobgate-Token-Name, X-Jobgate-Role",
        "Connection: X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host, Forwarded, X-Request-Id, Via, Host"])
    for name in ["x-jobgate-job", "x-jobgate-token-id", "x-jobgate-token-name", "x-jobgate-role",
                 "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded", "x-request-id",
                 "via", "host"]:
        assert received.field(name), name


def test_forwarding_fields(scene):
    received = scene.relay()
    assert received.field("x-forwarded-for") == "127.0.0.1"
    assert received.field("x-forwarded-proto") == "http"
    assert received.field("x-forwarded-host") == scene.host
    pairs = dict(pair.split("=", 1) for pair in received.field("forwarded").split(";"))
    assert pairs == {"for": "127.0.0.1", "host": scene.host, "proto": "http"}  # code-server does not take quotation marks off
    assert re.fullmatch(r"1\.1 \S+", received.field("via"))


def test_forwarded_quotes_what_is_no_token(scene):
    """A host with a port holds a colon: RFC 7239 wants it quoted."""
    received = scene.relay(host=f"{scene.host}:8080")
    assert f'host="{scene.host}:8080"' in received.field("forwarded")
    assert received.field("x-forwarded-host") == f"{scene.host}:8080"


def test_word_of_strangers_does_not_count(scene):
    received = scene.relay(fields=[
        "X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 192.0.2.2", "X-Forwarded-Proto: https",
        "X-Forwarded-Host: spoof.test", "Forwarded: for=192.0.2.1;host=spoof.test;proto=https",
        "X-Request-Id: spoofed-id", "X-Forwarded-Prefix: /spoof"])
    assert received.field("x-forwarded-for") == "127.0.0.1"
    assert received.field("x-forwarded-proto") == "http"
    assert received.field("x-forwarded-host") == scene.host
    for trace in [b"192.0.2", b"spoof", b"https"]:
        assert trace not in received.head.lower().replace(scene.job.encode(), b"")


@pytest.mark.parametrize("name", [
    "X-Real-IP", "X-Client-Ip", "x-scheme", "X-Forwarded-Port", "X-Forwarded-Ssl", "X-Forwarded-Protocol", "X-Forwarded-User",
    "X-Forwarded-Preferred-Username", "X_Real_IP", "X_Forwarded_User", "True-Client-IP", "CF-Connecting-IP", "X-Original-URL",
    "X-Rewrite-URL", "Remote-User", "REMOTE_USER", "X-Remote-User", "X_Remote_User", "X-Remote-Group", "Fastly-Client-IP",
    "X-Cluster-Client-IP", "X-Auth-Request-Email", "X-Original-Host", "X-WEBAUTH-USER", "X-Envoy-External-Address",
    "Ali-CDN-Real-IP", "Client-Cert", "X-SSL-Client-Cert", "X-Goog-Authenticated-User-Email", "X-Ms-Client-Principal",
    "Kubeflow-Userid", "X-Accel-Mapping", "X-Sendfile-Type", "X-Forwarded", "X_Forwarded", "Proxy", "Script-Name", "SCRIPT_NAME", "PATH_INFO",
    "X-Script-Name"])
def test_what_else_strangers_say_as_if_they_were_proxies(scene, trusting_gateway, scene_of, name):
    """Tornado believes X-Real-IP and X-Scheme more than X-Forwarded-For and -Proto, others know others: gunicorn takes
    SCRIPT_NAME and PATH_INFO from a peer on loopback, and CGI programs take Proxy for HTTP_PROXY."""
    received = scene.relay(fields=[f"{name}: 31337", "X-Real-Ipp: 1", "X-Forwards: 2"])
    assert b"31337" not in received.head
    assert (received.field("x-real-ipp"), received.field("x-forwards")) == ("1", "2")
    received = scene_of(trusting_gateway).relay(fields=[f"{name}: 31337"])
    assert received.all(name) == ([] if "_" in name else ["31337"])


def test_what_the_configuration_names(module_gateways, scene_of):
    drop = {"drop_fields": ["X-User", "X-Team-*"]}
    sent = ["X-User: 31337", "x_user: 31337", "X-Team-Name: 31337", "X-Users: 1"]
    scene = scene_of(module_gateways.start({"backends": drop}))
    received = scene.relay(fields=sent)
    assert b"31337" not in received.head and received.field("x-users") == "1"
    client = scene.new_client()
    client.send(scene.request("POST", fields=["Transfer-Encoding: chunked"]) +
                b"0\r\nX-User: 31337\r\nX-Sum: 1\r\n\r\n")
    trailers = scene.backend.next().read_request().trailers
    assert trailers == b"X-Sum: 1\r\n"
    trusting = module_gateways.start({"backends": {**drop, "trusted_proxies": ["127.0.0.0/8"]}})
    assert scene_of(trusting).relay(fields=sent).field("x-user") == "31337"


@pytest.mark.parametrize("names", [["X User"], ["*"], ["X-*-Y"], [""], "X-User"])
def test_names_that_are_none(gateways, names):
    gateway = gateways.make({"backends": {"drop_fields": names}})
    gateway.config_path.write_text(json.dumps(gateway.config))
    result = gateway.cli("check", "-c", gateway.config_path)
    assert result.status != 0 and "backends.drop_fields" in result.err


def test_trailers_are_asked_for(scene):
    """gRPC over HTTP/1.1 and others send TE: trailers; with it goes the Connection that RFC 9110 section 10.1.4 wants."""
    received = scene.relay(fields=["TE: trailers"])
    assert (received.all("te"), received.all("connection")) == (["trailers"], ["TE"])
    assert scene.relay(fields=["TE: gzip"]).field("te") is None


def test_word_of_trusted_proxies_counts(trusting_gateway, scene_of):
    scene = scene_of(trusting_gateway)
    received = scene.relay(fields=[
        "X-Forwarded-For: 192.0.2.1, 192.0.2.2", "X-Forwarded-Proto: https",
        "X-Forwarded-Host: public.test", "Forwarded: for=192.0.2.1;host=public.test;proto=https",
        "X-Request-Id: from-outside-1"])
    assert received.field("x-forwarded-for") == "192.0.2.1, 192.0.2.2, 127.0.0.1"
    assert received.field("x-forwarded-proto") == "https"
    assert received.field("x-forwarded-host") == "public.test"
    first, _, second = received.field("forwarded").partition(", ")
    assert first == "for=192.0.2.1;host=public.test;proto=https"
    assert "for=127.0.0.1" in second
    assert received.field("x-request-id") == "from-outside-1"


def test_several_lines_of_a_trusted_proxy_stay_in_order(trusting_gateway, scene_of):
    received = scene_of(trusting_gateway).relay(fields=["X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 192.0.2.2"])
    assert ", ".join(received.all("x-forwarded-for")) == "192.0.2.1, 192.0.2.2, 127.0.0.1"


def test_trusted_proxies_may_not_speak_for_the_gateway(trusting_gateway, scene_of):
    scene = scene_of(trusting_gateway)
    received = scene.relay(fields=["X-Jobgate-Role: operator", "X_Jobgate_Role: operator", "X_Forwarded_For: 6.6.6.6"])
    assert received.field("x-jobgate-role") == "read"
    assert b"operator" not in received.head
    assert b"6.6.6.6" not in received.head


def test_request_id_is_new_for_each_request(scene):
    client, connection, received = scene.arrive()
    connection.answer()
    client.read_response()
    client.send(scene.request())
    second = connection.read_request()
    ids = {received.field("x-request-id"), second.field("x-request-id")}
    assert len(ids) == 2
    assert all(REQUEST_ID.fullmatch(request_id) for request_id in ids)


def test_hostile_request_id_of_a_trusted_proxy_is_replaced_or_clean(trusting_gateway, scene_of):
    """It goes into logs and error bodies: quotes and endless ones do not."""
    received = scene_of(trusting_gateway).relay(fields=['X-Request-Id: "<script>' + "x" * 5000])
    assert REQUEST_ID.fullmatch(received.field("x-request-id"))


def test_traceparent_passes(scene):
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    received = scene.relay(fields=[f"traceparent: {trace}", "tracestate: a=b"])
    assert received.field("traceparent") == trace
    assert received.field("tracestate") == "a=b"


def test_host_is_preserved(scene):
    received = scene.relay(host=f"{scene.job.upper()}.Jobs.Test:99")
    assert received.field("host").lower() == f"{scene.job}.{DOMAIN}:99"


def test_host_of_the_backend(module_gateways, scene_of):
    scene = scene_of(module_gateways.start({"backends": {"host": "backend"}}))
    received = scene.relay()
    assert received.field("host") == scene.backend.authority
    assert received.field("x-forwarded-host") == scene.host


def test_other_fields_pass_in_order(scene):
    sent = ["X-B: 1", "Cookie: a=b; c=d", "X-A: 2", "x-b: 3", "Accept: */*", "Range: bytes=0-1", "X-Latin: \xe4"]
    received = scene.relay(fields=sent)
    wanted = [tuple(line.split(": ", 1)) for line in sent]
    passed = [(name, value) for name, value in received.fields if name in {w[0].lower() for w in wanted}]
    assert passed == [(name.lower(), value) for name, value in wanted]


def test_orders_to_a_proxy_in_front_do_not_pass(scene):
    client, connection, _ = scene.arrive()
    connection.answer(b"", fields=["X-Accel-Redirect: /a", "X-Accel-Expires: 9", "X-Sendfile: /etc/passwd", "X-Kept: 1",
                                   "X-Accel-Buffering: no", "Cache-Control: public, max-age=9", "Clear-Site-Data: \"cache\""])
    response = client.read_response()
    # X-Accel-Buffering says only how nginx passes this answer on: many jobs stream events with it.
    assert [name for name, _ in response.fields if name.startswith(("x-accel", "x-sendfile"))] == ["x-accel-buffering"]
    assert response.field("x-kept") == "1"
    # With a token in Authorization caches know what to do (RFC 9111 section 3.5).
    assert response.field("cache-control") == "public, max-age=9" and response.field("vary") is None


DATE = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT")


def test_answers_of_our_own_have_a_date(scene):
    """RFC 9110 section 6.6.1."""
    heads = [request_bytes(scene.host), scene.request(token="jgt_x"), scene.request(host="other.test"),
             request_bytes(scene.host, fields=["Accept: text/html"]), b"GET /\x7f HTTP/1.1\r\n\r\n", b"GET / HTTP/3.0\r\n\r\n"]
    for head in heads:
        client = scene.new_client()
        client.send(head)
        response = client.read_response()
        assert response.status >= 400
        assert len(response.all("date")) == 1 and DATE.fullmatch(response.field("date")), response
        told = email.utils.parsedate_to_datetime(response.field("date")).timestamp()
        assert abs(told - time.time()) < 60


def test_answer_passes(scene):
    client, connection, _ = scene.arrive()
    connection.answer(b"body", "299 Odd Reason", ["X-A: 1", "Set-Cookie: a=b", "Set-Cookie: c=d", "Server: mine"])
    response = client.read_response()
    assert (response.status, response.reason, response.body) == (299, "Odd Reason", b"body")
    assert response.all("set-cookie") == ["a=b", "c=d"]
    assert response.field("x-a") == "1"
    assert response.field("server") == "mine"
