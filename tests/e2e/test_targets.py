"""How a request names its job: host form, path form, one fixed job (README.md, "How a request passes")."""

import json

import pytest

from harness.gateway import DOMAIN
from harness.h2 import H2Client
from harness.raw import Backend
from harness.scene import request_bytes


@pytest.mark.parametrize("host", ["{job}.jobs.test", "{job}.jobs.test:8080", "{job}.JOBS.Test", "{JOB}.jobs.test"])
def test_host_form(scene, host):
    host = host.format(job=scene.job, JOB=scene.job.upper())
    assert scene.relay(path="/a/b?c=d", host=host).target == "/a/b?c=d"


def test_absolute_form(scene):
    """RFC 9112 section 3.2.2; towards the backend it is origin form again."""
    received = scene.relay(path=f"http://{scene.host}/a?b=c")
    assert received.target == "/a?b=c"
    assert received.field("host") == scene.host
    assert scene.relay(path=f"http://{scene.host}").target == "/"
    assert scene.relay(path=f"http://{scene.host}:80/port", host=scene.host).target == "/port"


def test_options_asterisk(scene):
    assert scene.relay("OPTIONS", "*").target == "*"


@pytest.mark.parametrize("host", [
    "other.test", "{job}.other.test", "jobs.test", "a.{job}.jobs.test", "{job}.jobs.test.evil.test",
    "{job}jobs.test", "{job}_x.jobs.test", "127.0.0.1", "[::1]", "-.jobs.test"])
def test_host_names_no_job(scene, host):
    client = scene.client
    response = client.exchange(request_bytes(host.format(job=scene.job), scene.token))
    assert response.status == 404, response
    scene.untouched()


@pytest.mark.parametrize("path, target", [
    ("/jobs/{job}/", "/"),
    ("/jobs/{job}/a", "/a"),
    ("/jobs/{job}/a/b/?c=d&e=/f", "/a/b/?c=d&e=/f"),
    ("/jobs/{job}/a%2Fb", "/a%2Fb"),
    ("/jobs/{job}//a//b", "//a//b"),
    ("/jobs/{job}/a/../b", "/b"),
    ("/jobs/{job}/./a/.", "/a/"),
    ("/jobs/{job}/a/%2e%2E/b", "/b"),
    ("/jobs/{job}/a/.%2e/b/%2e", "/b/"),
    ("/x/../jobs/{job}/a", "/a"),
    ("/x/%2e%2e/jobs/./{job}/a", "/a"),
    ("/../../jobs/{job}/a", "/a"),
    ("/jobs/other/../{job}/a", "/a"),
    ("/jobs/other/%2e%2e/{job}/a", "/a"),
    ("/jobs/{job}/?q", "/?q"),
    ("/jobs/{job}/x/../a%2Fb%2f?d=%2F", "/a%2Fb%2f?d=%2F"),
    ("/jobs/{job}/%61%2e%41%5c%00%FF", "/%61%2e%41%5c%00%FF"),
    ("/jobs/{job}/%2F", "/%2F"),
])
def test_path_form(scene, path, target):
    received = scene.relay(path=path.format(job=scene.job), host="gateway.test")
    assert received.target == target
    assert received.field("host") == "gateway.test"
    assert received.field("x-jobgate-job") == scene.job


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
def test_path_form_redirects_to_its_slash(scene, method):
    """Relative links of a page at /jobs/x would lead to /jobs."""
    for query in ["", "?", "?a=/b%2F[]&c?d"]:
        client = scene.new_client()
        client.send(request_bytes("gateway.test", scene.token, method, f"/x/../jobs/{scene.job}{query}", body=b"x" if method == "POST" else None))
        response = client.read_response(method)
        assert (response.status, response.field("location")) == (308, f"/jobs/{scene.job}/{query}")
        assert response.field("cache-control") == "no-store"
        client.send(request_bytes("gateway.test", path="/"))
        assert client.read_response().status == 401  # the connection goes on
    scene.untouched()


def test_path_form_redirects_over_http2(gateway, scene):
    with H2Client(gateway.address) as client:
        answer = client.answer(client.request("gateway.test", scene.token, path=f"/jobs/{scene.job}?a=/b"))
        assert (answer.status, answer.field("location")) == (308, f"/jobs/{scene.job}/?a=/b")
        stream = client.request("gateway.test", scene.token, path=f"/jobs/{scene.job}/a%2Fb%2f/%61%5c?c=%2F")
        connection = scene.backend.next()
        assert connection.read_request().target == "/a%2Fb%2f/%61%5c?c=%2F"
        connection.answer()
        assert client.answer(stream).status == 200


def test_path_form_with_a_token_in_the_query(module_gateways, scene_of):
    """Without it, the redirect would lead to a 401: so there is none. What is not the credential is left out of Location."""
    gateway = module_gateways.start({"credentials": {"query": True}})
    scene = scene_of(gateway)
    for rest in ["", "&a=1", "&a=" + "1" * 300]:
        client = scene.new_client()
        client.send(request_bytes("gateway.test", path=f"/jobs/{scene.job}?access_token={scene.token.value}{rest}"))
        connection = scene.backend.next()
        assert connection.read_request().target == "/" + rest.replace("&", "?", 1)
        connection.answer()
        assert client.read_response().status == 200
        client.send(request_bytes("gateway.test", scene.token, path=f"/jobs/{scene.job}?access_token=jgt_x{rest}"))
        response = client.read_response()
        assert (response.status, response.field("location")) == (308, f"/jobs/{scene.job}/{rest.replace('&', '?', 1)}")


def test_path_form_behind_a_proxy_that_strips_a_prefix(module_gateways, scene_of):
    gateway = module_gateways.start({"backends": {"trusted_proxies": ["127.0.0.1"]}})
    scene = scene_of(gateway)
    for prefix, before in [("/gw", "/gw"), ("/gw/a/", "/gw/a"), ("//evil.test", ""), ("/", ""), ("https://evil.test", ""), ("/\\evil.test", "")]:
        client = scene.new_client()
        client.send(request_bytes("gateway.test", scene.token, path=f"/jobs/{scene.job}?q", fields=[f"X-Forwarded-Prefix: {prefix}"]))
        response = client.read_response()
        assert (response.status, response.field("location")) == (308, f"{before}/jobs/{scene.job}/?q")


def test_path_form_redirects_only_what_may_pass(scene, records):
    """The redirect comes after the decision: nobody else learns which jobs there are."""
    scoped = records.token(selector="team=other")
    for job in [scene.job, "no-such-job"]:
        for token, status in [(None, 401), ("wrong", 401), (scoped, 403)]:
            response = scene.new_client().exchange(request_bytes("gateway.test", token, path=f"/jobs/{job}"))
            assert response.status == status and response.field("location") is None
    response = scene.new_client().exchange(request_bytes("gateway.test", scene.token, path="/jobs/no-such-job"))
    assert response.status == 404
    scene.untouched()


def test_path_form_does_not_redirect_websockets(scene):
    """Their clients do not follow redirects; a plain request that offers another protocol is redirected."""
    fields = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]
    assert scene.relay(path=f"/jobs/{scene.job}?q", host="gateway.test", fields=fields).target == "/?q"
    client = scene.new_client()
    client.send(request_bytes("gateway.test", scene.token, path=f"/jobs/{scene.job}", fields=["Connection: Upgrade", "Upgrade: other"]))
    assert client.read_response().status == 308


def test_path_form_leaves_its_prefix_in_a_field(scene):
    """X-Forwarded-Prefix lets a service build links that work from outside."""
    received = scene.relay(path=f"/jobs/{scene.job}/a", host="gateway.test")
    assert received.field("x-forwarded-prefix") == f"/jobs/{scene.job}"


@pytest.mark.parametrize("path", [
    "/", "/jobs", "/jobs/", "/jobsx/{job}/", "/job/{job}/", "/JOBS/{job}/", "//jobs/{job}/",
    "/jobs/{job}/..", "/jobs/{job}/../", "/jobs/{job}/../../a", "/jobs/{job}/%2e%2e/",
])
def test_path_names_no_job(scene, path):
    response = scene.client.exchange(request_bytes("gateway.test", scene.token, path=path.format(job=scene.job)))
    assert response.status == 404
    scene.untouched()


@pytest.mark.parametrize("path", ["/jobs/{job}%2Fa", "/jobs/{job}%2f", "/jobs/%2F{job}/", "/jobs/x%2f..%2f{job}/",
                                  "/jobs%2f{job}/"])
def test_encoded_slash_in_the_id(scene, path):
    """Refused, never decoded into a way to another job."""
    response = scene.client.exchange(request_bytes("gateway.test", scene.token, path=path.format(job=scene.job)))
    assert response.status in (400, 404)
    scene.untouched()


def test_dot_segments_cannot_escape_a_scope(gateway, scene_of, records):
    """They are resolved before the decision: the job that is reached is the one that was authorised."""
    mine = scene_of(gateway, token=records.token(selector="team=mine"))
    records.client.hset(records.job_key(mine.job), "label:team", "mine")
    other = scene_of(gateway)
    for path in [f"/jobs/{mine.job}/../{other.job}/secret", f"/jobs/{mine.job}/%2e%2e/{other.job}/secret",
                 f"/jobs/{mine.job}/..%2f{other.job}/secret", f"/jobs/{mine.job}/..%5c{other.job}/secret"]:
        client = mine.new_client()
        client.send(request_bytes("gateway.test", mine.token, path=path))
        response = client.read_response()
        assert response.status in (400, 403, 404), (path, response)
    other.untouched()
    mine.untouched()


@pytest.mark.parametrize("base, path, target", [
    ("/base", "/", "/base/"), ("/base", "/a?b", "/base/a?b"), ("/base/", "/a", "/base/a"), ("/", "/a", "/a"),
    ("/b/c", "/a/../d", "/b/c/d"), ("/base", "/../../etc", "/base/etc"), ("/base", "/%2e%2e/etc", "/base/etc"),
])
def test_base_of_the_url(gateway, scene_of, base, path, target):
    """A client cannot climb out of the base."""
    backend = Backend()
    scene = scene_of(gateway, backend=backend, url=backend.url + base)
    assert scene.relay(path=path).target == target


VISIBLE = [chr(code) for code in range(0x21, 0x7f) if chr(code) != "#"]
ESCAPED = {char: f"%{ord(char):02X}" for char in '"<>[]^`{|}'}


def test_every_visible_byte_of_a_path(scene):
    """Browsers and tools send bytes that RFC 3986 wants escaped: backends get them escaped, and all others as they came."""
    for char in VISIBLE:
        if char in "?\\%":
            continue
        wanted = f"/a/{ESCAPED.get(char, char)}x"
        assert scene.relay(path=f"/a/{char}x").target == wanted
        assert scene.relay(path=f"/jobs/{scene.job}/a/{char}x", host="gateway.test").target == wanted


def test_every_visible_byte_of_a_query(scene):
    """It goes on byte for byte."""
    for char in VISIBLE:
        assert scene.relay(path=f"/a?b={char}x").target == f"/a?b={char}x"
    everything = "".join(VISIBLE)
    assert scene.relay(path=f"/?{everything}").target == f"/?{everything}"


@pytest.mark.parametrize("target", ["/a\\b", "/\\..\\b", "/%", "/50%", "/a%2", "/%zz", "/%?", "/a#b", "/a?b#c", "/a\x7f", "/?\x7f",
                                    "/\x01", "/?\x1f", "/\t", "/?\xe4", "/\xe4", "/a b", "/?a b"])
def test_bytes_that_no_target_holds(scene, target):
    client = scene.new_client()
    client.send(scene.request(path=target))
    assert client.read_response().status == 400
    assert client.ended()
    scene.untouched()


def test_a_path_may_triple(scene):
    """limits.target_bytes is for the target as it comes; what becomes three times as long in escapes has room."""
    limit = 16 * 1024
    path = "/" + "[" * (limit - 1)
    received = scene.relay(path=path, fields=["X-Large: " + "x" * 15000])
    assert received.target == "/" + "%5B" * (limit - 1)
    assert len(received.field("x-large")) == 15000
    client = scene.new_client()
    client.send(scene.request(path=path + "["))
    assert client.read_response().status == 414


def test_the_largest_path_may_triple(module_gateways, scene_of):
    gateway = module_gateways.start({"limits": {"target_bytes": "40KiB", "head_bytes": "40KiB"}})
    scene = scene_of(gateway)
    path = "/" + "^" * (39 * 1024)
    assert scene.relay(path=path).target == "/" + "%5E" * (39 * 1024)


def test_the_log_has_the_path_that_the_backend_saw(gateway, scene_of):
    scene = scene_of(gateway)
    request_id = scene.relay(path="/Untitled[1].ipynb?a[]=1").field("x-request-id")
    assert gateway.access_entry(request_id=request_id)["path"] == "/Untitled%5B1%5D.ipynb"


def test_an_empty_port(scene):
    """RFC 3986 section 3.2.3: as good as none."""
    received = scene.relay(path="/a", host=f"{scene.host}:")
    assert received.field("host") == f"{scene.host}:"
    assert scene.relay(path=f"http://{scene.host}/a", host=f"{scene.host}:").target == "/a"
    assert scene.relay(path=f"http://{scene.host}:/a", host=f"{scene.host}:80").target == "/a"


def test_host_form_goes_before_path_form(scene):
    received = scene.relay(path="/jobs/other/a")
    assert received.target == "/jobs/other/a"


def test_fixed_form(module_gateways, scene_of, records):
    """A sidecar: every host and path is the one job's; the token is asked for all the same."""
    job = records.job(labels={"model": "base"})
    backend = Backend()
    gateway = module_gateways.start({"jobs": {"domain": None, "prefix": None, "fixed": job, "fixed_url": backend.url}})
    scene = scene_of(gateway, backend=backend)
    for host in ["anything.test", "127.0.0.1:80", f"x.{DOMAIN}"]:
        received = scene.relay(path="/jobs/other/a", host=host)
        assert received.target == "/jobs/other/a"
        assert received.field("x-jobgate-job") == job
    assert scene.new_client().exchange(request_bytes("any.test")).status == 401
    scoped = records.token(selector="model=base")
    assert scene.relay(token=scoped, host="any.test").field("x-jobgate-token-id") == scoped.id
    stranger = records.token(selector="model=other")
    assert scene.new_client().exchange(request_bytes("any.test", stranger)).status == 403


def test_fixed_form_explained(module_gateways, records):
    """`jobgate authorize` knows the URL that the data path takes: the configuration's, not the record's."""
    job, other, token = records.job(), records.job(), records.token()
    gateway = module_gateways.start({"jobs": {"domain": None, "prefix": None, "fixed": job, "fixed_url": "unix:/nonexistent"}})
    for asked, status, verdict in ((job, 0, "allow"), (other, 1, "no_url")):
        result = gateway.cli("authorize", "--job", asked, "--value", "-", "-o", "json", stdin=token.value)
        assert result.status == status and f'"{verdict}"' in result.out, result


def test_fixed_form_takes_the_url_of_the_record(module_gateways, scene_of, records):
    backend = Backend()
    job = records.job(backend.url)
    gateway = module_gateways.start({"jobs": {"domain": None, "prefix": None, "fixed": job}})
    scene = scene_of(gateway, backend=backend)
    assert scene.relay(host="any.test").field("x-jobgate-job") == job


def test_domain_alone(module_gateways, scene_of):
    gateway = module_gateways.start({"jobs": {"prefix": None}})
    scene = scene_of(gateway)
    assert scene.relay(path="/jobs/x/").target == "/jobs/x/"
    response = scene.new_client().exchange(request_bytes("gateway.test", scene.token, path=f"/jobs/{scene.job}/"))
    assert response.status == 404


def test_problem_of_a_wrong_host_tells_no_secrets(scene):
    response = scene.client.exchange(request_bytes("other.test", scene.token))
    problem = json.loads(response.body)
    assert set(problem) == {"type", "title", "status", "detail", "request_id", "error"}
    assert scene.job not in response.body.decode()
