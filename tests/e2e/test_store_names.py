"""Names in the store's URL, and in Sentinels' URLs: /etc/hosts, then DNS, and nothing waits for a name server."""

import pytest

from harness.gateway import binary, environment, run
from harness.process import eventually, free_port
from harness.raw import Silent
from harness.scene import Scene, request_bytes
from harness.sentinel import NAME, Family
from harness.store import Records, RedisServer, make_value, random_id


@pytest.fixture(scope="module")
def server(make_folder):
    server = RedisServer(make_folder("redis")).start()
    yield server
    server.stop()


def assert_serves(gateway, server):
    """Both the workers and the control process have reached it."""
    scene = Scene(gateway, Records(server.client))
    try:
        scene.relay()
    finally:
        scene.close()
    eventually(lambda: gateway.cli("token", "list", "-o", "json").status == 0, "the control API to have its store")


def test_a_name_in_dns(gateways, server, dns):
    dns.set("one.store.test", A=["127.0.0.1"])
    gateway = gateways.start(store_url=f"redis://one.store.test:{server.port}", env=dns.environment)
    assert_serves(gateway, server)
    assert dns.count("one.store.test") >= 2  # a worker and the control process


def test_a_name_in_the_hosts_file(gateways, server, dns):
    """It may also stand there for ::1, where nothing listens."""
    gateway = gateways.start(store_url=f"redis://localhost:{server.port}", env=dns.environment)
    assert_serves(gateway, server)
    assert dns.count("localhost") == dns.count("localhost", "AAAA") == 0


def test_an_address(gateways, server, dns):
    gateway = gateways.start(store_url=server.tcp_url, env=dns.environment)
    assert_serves(gateway, server)
    assert dns.count("127.0.0.1") == 0


def test_an_address_that_refuses(gateways, server, dns):
    dns.set("refuses.store.test", A=["127.0.0.2", "127.0.0.3", "127.0.0.1"], AAAA=["::1"])
    gateway = gateways.start(store_url=f"redis://refuses.store.test:{server.port}", env=dns.environment)
    assert_serves(gateway, server)


def test_an_address_that_is_silent(gateways, server, dns):
    dns.set("silent.store.test", A=["127.0.0.2", "127.0.0.1"])
    with Silent("127.0.0.2", server.port):
        gateway = gateways.start(store_url=f"redis://silent.store.test:{server.port}", env=dns.environment)
        assert_serves(gateway, server)


@pytest.mark.parametrize("family", ["A", "AAAA"])
def test_a_family_of_which_dns_says_nothing(gateways, make_folder, dns, family):
    """The addresses of the other one do not wait for it."""
    name = f"mute-{family.lower()}.store.test"
    other, host = ("AAAA", "::1") if family == "A" else ("A", "127.0.0.1")
    dns.set(name, **{other: [host]}, silent=[family])
    place = RedisServer(make_folder("redis"), "--bind", host).start()
    try:
        gateway = gateways.start(store_url=f"redis://{name}:{place.port}", env=dns.environment)
        assert_serves(gateway, place)
        gateway.stop()
    finally:
        place.stop()


def test_a_name_server_that_does_not_answer(gateways, server, dns):
    """The gateway starts and answers what needs no store; it recovers once the name server answers."""
    dns.set("mute.store.test", silent=["A", "AAAA"])
    gateway = gateways.make(store_url=f"redis://mute.store.test:{server.port}", env=dns.environment).launch()
    gateway.wait_listening()
    eventually(lambda: dns.count("mute.store.test") >= 2, "the name to be asked for")
    gateway.family = gateway.processes()
    for _ in range(20):
        with gateway.client() as client:
            assert client.exchange(request_bytes("a.jobs.test", "jgt_garbage")).status == 401
            assert client.exchange(request_bytes("a.jobs.test", make_value(random_id()))).status == 503
        assert gateway.cli("token", "list", "-o", "json").status == 3
        assert gateway.health("/readyz")[0] == 503
    assert gateway.health("/healthz")[0] == 200
    dns.set("mute.store.test", A=["127.0.0.1"])
    gateway.wait_ready()
    assert_serves(gateway, server)


def test_a_name_that_appears(gateways, server, dns):
    gateway = gateways.make(store_url=f"redis://late.store.test:{server.port}", env=dns.environment).launch()
    gateway.wait_listening()
    eventually(lambda: "cannot resolve its host" in gateway.program.log(), "the log to say why")
    dns.set("late.store.test", A=["127.0.0.1"])
    gateway.wait_ready()
    assert_serves(gateway, server)


def test_a_store_that_moves(gateways, make_folder, dns):
    """The name is looked up again for each connection."""
    port = free_port()
    places = [RedisServer(make_folder("redis"), "--bind", host, "--port", port) for host in ("127.0.0.2", "127.0.0.3")]
    dns.set("moves.store.test", A=["127.0.0.2"], ttl=3600)
    try:
        places[0].start()
        gateway = gateways.start(store_url=f"redis://moves.store.test:{port}", env=dns.environment)
        assert_serves(gateway, places[0])
        dns.set("moves.store.test", A=["127.0.0.3"], ttl=3600)
        places[1].start()
        places[0].stop()
        eventually(lambda: "connected again" in gateway.program.log(), "the store to be found again")
        assert_serves(gateway, places[1])
        gateway.stop()
    finally:
        for place in places:
            place.stop()


def test_sentinels_with_names(gateways, make_folder, dns):
    family = Family(make_folder)
    places = []
    for number, sentinel in enumerate(family.sentinels):
        dns.set(f"s{number}.store.test", A=["127.0.0.1"])
        places.append(f"s{number}.store.test:{sentinel.port}")
    try:
        gateway = gateways.start(store_url=f"redis+sentinel://{','.join(places)}/{NAME}", env=dns.environment)
        assert_serves(gateway, family.servers[family.primary()])
        gateway.stop()
    finally:
        family.stop()


def test_the_store_command(sanitizer, server, dns):
    dns.set("export.store.test", A=["127.0.0.2", "127.0.0.1"])

    def export(name):
        return run([binary(), "store", "export", "--store", f"redis://{name}.store.test:{server.port}"],
                   environment(sanitizer, **dns.environment))
    assert export("export").status == 0
    missing = export("missing")
    assert missing.status == 3 and "cannot resolve its host: Domain name not found" in missing.err, missing
