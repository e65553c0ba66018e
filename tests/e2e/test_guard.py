"""Which addresses a job's URL may lead to (a guard against SSRF), judged when the gateway connects."""

import pytest

from harness.process import free_port
from harness.raw import Backend


def assert_not_allowed(scene):
    response = scene.client.exchange(scene.request())
    assert response.status == 502
    assert response.field("content-type") == "application/problem+json"
    scene.gateway.access_entry(job=scene.job, outcome="not_allowed", status=502)


ALWAYS_REFUSED = [
    "http://169.254.169.254/", "http://169.254.0.1:8080", "http://[fe80::1]", "http://0.0.0.0:{port}",
    "http://[::]:{port}", "http://224.0.0.1:{port}", "http://239.255.255.250", "http://[ff02::1]",
    "http://255.255.255.255", "http://[::ffff:169.254.169.254]", "http://[64:ff9b::a9fe:a9fe]",
    "http://[2002:a9fe:a9fe::1]", "http://[::ffff:0:169.254.169.254]", "http://[fd00:ec2::254]", "http://[fd00:ec2::23]", "http://[fd20:ce::254]", "http://[fd00:c1::a9fe:a9fe]",
    "http://[fd00:42::42]", "http://100.100.100.200", "http://[64:ff9b::100.100.100.200]", "http://168.63.129.16", "http://192.0.0.192", "http://[64:ff9b:1::1]", "http://[2001::1]", "http://[::ffff:0.0.0.0]:{port}",
]


@pytest.mark.parametrize("url", ALWAYS_REFUSED)
def test_always_refused(gateway, scene_of, url):
    """Link-local, multicast and unspecified addresses, also dressed up as IPv6; loopback being allowed here."""
    backend = Backend()
    scene = scene_of(gateway, backend=backend, url=url.format(port=backend.port))
    assert_not_allowed(scene)
    assert backend.untouched()


def test_it_is_not_said_each_time(gateway, scene_of):
    """A reader's requests are not to fill the log."""
    scene = scene_of(gateway, url="http://169.254.7.7/")
    for _ in range(200):
        assert scene.client.exchange(scene.request()).status == 502
    assert 1 <= gateway.program.log().count("backend 169.254.7.7 refused: it leads to a link-local address") < 100


def test_own_listener(gateway, scene_of):
    """No loop through the gateway itself."""
    assert_not_allowed(scene_of(gateway, url=f"http://127.0.0.1:{gateway.port}"))


def test_own_listener_by_name(gateway, scene_of):
    scene = scene_of(gateway, url=f"http://localhost:{gateway.port}")
    assert scene.client.exchange(scene.request()).status == 502
    # Were it a loop, each turn of it would have its own line.
    assert len([entry for entry in gateway.access_entries() if entry.get("job") == scene.job]) <= 1


@pytest.fixture(scope="module")
def strict(module_gateways):
    """Loopback is refused unless allowed."""
    return module_gateways.start({"backends": {"allow_loopback": False}})


@pytest.mark.parametrize("host", ["127.0.0.1", "127.255.0.1", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"])
def test_loopback_refused(strict, scene_of, host):
    scene = scene_of(strict, url=f"http://{host}:{free_port()}")
    assert_not_allowed(scene)


def test_loopback_refused_by_name(strict, scene_of):
    """The resolved address is judged, not the name."""
    backend = Backend()
    scene = scene_of(strict, backend=backend, url=f"http://localhost:{backend.port}")
    assert_not_allowed(scene)
    assert backend.untouched()


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "017700000001", "127.1", "0177.0.0.1"])
def test_odd_spellings_of_loopback(strict, scene_of, host):
    """What inet_aton takes for an address is none: a name at best, and no way around the guard."""
    backend = Backend()
    scene = scene_of(strict, backend=backend, url=f"http://{host}:{backend.port}")
    assert scene.client.exchange(scene.request()).status in (502, 503, 504)
    assert backend.untouched()


def test_deny_list(module_gateways, scene_of):
    gateway = module_gateways.start({"backends": {"deny": ["127.0.0.2/32"]}})
    denied = Backend("127.0.0.2")
    assert_not_allowed(scene_of(gateway, backend=denied))
    assert denied.untouched()
    assert scene_of(gateway, backend=Backend("127.0.0.3")).relay().target == "/"


def test_allow_list(module_gateways, scene_of):
    """With a list only what is on it; what is always refused stays so."""
    gateway = module_gateways.start({"backends": {"allow": ["127.0.0.2/32", "169.254.0.0/16"]}})
    assert scene_of(gateway, backend=Backend("127.0.0.2")).relay().target == "/"
    other = Backend("127.0.0.3")
    assert_not_allowed(scene_of(gateway, backend=other))
    assert other.untouched()
    assert_not_allowed(scene_of(gateway, url="http://169.254.169.254/"))


def test_deny_goes_before_allow(module_gateways, scene_of):
    gateway = module_gateways.start({"backends": {"allow": ["127.0.0.0/8"], "deny": ["127.0.0.2/32"]}})
    assert_not_allowed(scene_of(gateway, backend=Backend("127.0.0.2")))


@pytest.mark.parametrize("url", ALWAYS_REFUSED)
def test_no_job_is_made_for_what_is_never_served(gateway, records, url):
    """Said where its maker sees it, and not with each request: for new jobs and for those there are."""
    url = url.format(port=1)
    refused = gateway.cli("job", "create", "--url", url)
    assert refused.status == 1 and "the gateway never connects to such an address" in refused.err, refused
    job = records.job("http://127.0.0.1:9")
    refused = gateway.cli("job", "set", job, "--url", url)
    assert refused.status == 1 and "never connects" in refused.err, refused
