"""Names in job URLs: the worker never blocks, TTLs count, both address families are tried, each dial is judged."""

import os
import time

import pytest

from harness import servers
from harness.process import eventually, free_port
from harness.raw import Backend, Silent

CLOSE = ["Connection: close"]


@pytest.fixture(scope="module")
def named(module_gateways, dns):
    """No time-out of connecting will do: whatever needs it takes longer than a test may."""
    return module_gateways.start({"timeouts": {"connect": "60s"}}, env=dns.environment)


class Places:
    """Backends at the same port of several addresses."""

    def __init__(self, *hosts):
        self.port = free_port()
        self.at = {host: Backend(host, self.port) for host in hosts}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for backend in self.at.values():
            backend.close()

    def next(self):
        """(host, connection) where the next request comes."""
        def asked():
            return [host for host, backend in self.at.items() if not backend.untouched()]
        host = eventually(asked, "a backend to be asked")[0]
        return host, self.at[host].next()


def ask(scene, places, fields=()):
    """One request; returns the address that it went to. fields: of the answer."""
    scene.client.send(scene.request())
    host, connection = places.next()
    connection.read_request()
    connection.answer(fields=fields)
    assert scene.client.read_response().status == 200
    return host


def assert_ended(connection):
    """A backend that is polled has closed its end already."""
    assert connection.sock.fileno() < 0 or connection.ended()


def refused(scene, outcome, status=502):
    assert scene.client.exchange(scene.request()).status == status
    eventually(lambda: [entry for entry in scene.gateway.access_entries()
                        if (entry.get("job"), entry["outcome"], entry.get("status")) == (scene.job, outcome, status)],
               f"{outcome} in the access log")


# ---- time to live ----

def test_answers_are_kept_for_their_time(named, scene_of, dns):
    with Places("127.0.0.2", "127.0.0.3") as places:
        dns.set("kept.test", A=["127.0.0.2"], ttl=60)
        scene = scene_of(named, url=f"http://kept.test:{places.port}")
        assert ask(scene, places, CLOSE) == "127.0.0.2"
        dns.set("kept.test", A=["127.0.0.3"], ttl=60)
        assert [ask(scene, places, CLOSE) for _ in range(20)] == ["127.0.0.2"] * 20
        assert 1 <= dns.count("kept.test", "A") <= 3  # a question may be put again when its answer is late


@pytest.mark.parametrize("ttl", [0, 1])
def test_answers_are_asked_for_again(named, scene_of, dns, ttl):
    name = f"again{ttl}.test"
    with Places("127.0.0.2", "127.0.0.3") as places:
        dns.set(name, A=["127.0.0.2"], ttl=ttl)
        scene = scene_of(named, url=f"http://{name}:{places.port}")
        assert ask(scene, places, CLOSE) == "127.0.0.2"
        dns.set(name, A=["127.0.0.3"], ttl=ttl)
        eventually(lambda: ask(scene, places, CLOSE) == "127.0.0.3", "the new address to be used")
        assert [ask(scene, places, CLOSE) for _ in range(5)] == ["127.0.0.3"] * 5


def test_the_time_of_an_alias_counts(named, scene_of, dns):
    with Places("127.0.0.2", "127.0.0.3") as places:
        dns.set("alias.test", CNAME="blue.test", ttl=1)
        dns.set("blue.test", A=["127.0.0.2"], ttl=3600)
        dns.set("green.test", A=["127.0.0.3"], ttl=3600)
        scene = scene_of(named, url=f"http://alias.test:{places.port}")
        assert ask(scene, places, CLOSE) == "127.0.0.2"
        dns.set("alias.test", CNAME="green.test", ttl=1)
        eventually(lambda: ask(scene, places, CLOSE) == "127.0.0.3", "the alias to be followed again")


def test_kept_connection_to_an_address_that_goes(named, scene_of, dns):
    """A connection that is always in use would otherwise never notice."""
    with Places("127.0.0.2", "127.0.0.3") as places:
        dns.set("moves.test", A=["127.0.0.2"], ttl=1)
        scene = scene_of(named, url=f"http://moves.test:{places.port}")
        assert ask(scene, places) == "127.0.0.2"
        connection = places.at["127.0.0.2"].connections[0]
        dns.set("moves.test", A=["127.0.0.3"], ttl=1)
        eventually(lambda: ask(scene, places) == "127.0.0.3", "the new address to be used")
        assert_ended(connection)
        assert [ask(scene, places) for _ in range(5)] == ["127.0.0.3"] * 5


def test_busy_connection_to_an_address_that_goes(named, scene_of, dns):
    """Running requests may end; then the connection is not kept."""
    with Places("127.0.0.2", "127.0.0.3") as places:
        dns.set("leaves.test", A=["127.0.0.2"], ttl=1)
        scene = scene_of(named, url=f"http://leaves.test:{places.port}")
        busy = scene.new_client()
        busy.send(scene.request(path="/busy"))
        host, connection = places.next()
        assert (host, connection.read_request().target) == ("127.0.0.2", "/busy")
        dns.set("leaves.test", A=["127.0.0.3"], ttl=1)
        eventually(lambda: ask(scene, places, CLOSE) == "127.0.0.3", "the new address to be used")
        connection.answer()
        assert busy.read_response().status == 200
        assert_ended(connection)


def test_kept_connection_to_an_address_that_stays(named, scene_of, dns):
    """Another order, another address beside it: no reason to give it up."""
    with Places("127.0.0.2", "127.0.0.3") as places:
        dns.set("stays.test", A=["127.0.0.2"], ttl=1)
        scene = scene_of(named, url=f"http://stays.test:{places.port}")
        assert ask(scene, places) == "127.0.0.2"
        for addresses in [["127.0.0.3", "127.0.0.2"], ["127.0.0.2", "127.0.0.3"]]:
            dns.set("stays.test", A=addresses, ttl=1)
            before = dns.count("stays.test")
            eventually(lambda: ask(scene, places) and dns.count("stays.test") > before + 1, "to be asked for again")
        assert len(places.at["127.0.0.2"].connections) == 1
        assert not places.at["127.0.0.3"].connections


def test_kept_connections_outlive_the_name_server(named, scene_of, dns):
    """New ones do not: an address may belong to another host by now."""
    with Places("127.0.0.2") as places:
        dns.set("outage.test", A=["127.0.0.2"], ttl=1)
        scene = scene_of(named, url=f"http://outage.test:{places.port}")
        ask(scene, places)
        dns.set("outage.test", rcode=2)
        before = dns.count("outage.test")
        eventually(lambda: ask(scene, places) and dns.count("outage.test") > before + 3, "the server to fail")
        places.at["127.0.0.2"].connections[0].reset()
        eventually(lambda: scene.client.exchange(scene.request()).status == 502, "a new connection to be needed")
        dns.set("outage.test", A=["127.0.0.2"], ttl=1)
        eventually(lambda: recovered(scene, places), "the name to be known again")


def recovered(scene, places):
    scene.client.send(scene.request())
    eventually(lambda: not (places.at["127.0.0.2"].untouched() and scene.client.silent()), "an answer or a request")
    if not places.at["127.0.0.2"].untouched():
        places.at["127.0.0.2"].serve()
    return scene.client.read_response().status == 200


# ---- no address ----

@pytest.mark.parametrize("entry", [None, {"rcode": 2}, {"rcode": 5}, {"A": []}],
                         ids=["no such name", "server failure", "refused", "no record"])
def test_no_address(named, scene_of, dns, entry):
    """502 at once; the answer is kept for a second, then a name that has appeared is found."""
    name = "none" + "".join(map(str, (entry or {}).keys())) + str((entry or {}).get("rcode", "")) + ".test"
    if entry is not None:
        dns.set(name, **entry)
    with Places("127.0.0.2") as places:
        scene = scene_of(named, url=f"http://{name}:{places.port}")
        start = time.monotonic()
        refused(scene, "not_resolved")
        for _ in range(20):
            assert scene.client.exchange(scene.request()).status == 502
        # Each question may be put three times, once for each search domain, and once a second.
        assert dns.count(name.lower()) <= 4 * (2 + time.monotonic() - start)
        dns.set(name.lower(), A=["127.0.0.2"])
        eventually(lambda: recovered(scene, places), "the name to appear")


def test_a_name_server_that_does_not_answer(gateways, scene_of, dns):
    """Requests that need it wait as long as connecting may take; others are not delayed."""
    dns.set("mute.test", silent=["A", "AAAA"])
    gateway = gateways.start({"timeouts": {"connect": "1500ms"}}, env=dns.environment)
    waiting, other = scene_of(gateway, url="http://mute.test:80"), scene_of(gateway)
    clients = [waiting.new_client() for _ in range(20)]
    for client in clients:
        client.send(waiting.request())
    other.relay()
    for client in clients[:10]:
        client.reset()
    for client in clients[10:]:
        assert client.read_response().status == 504
    eventually(lambda: gateway.metrics()['jobgate_exchanges_total{outcome="connect_timeout"}'] == 10, "their outcome")
    assert dns.count("mute.test") <= 6  # all of them asked one question


# ---- two families ----

@pytest.mark.parametrize("late", [{}, {"A": 0.3}, {"AAAA": 0.3}], ids=["together", "A late", "AAAA late"])
def test_a_family_that_leads_nowhere(named, scene_of, dns, late):
    """RFC 8305: the other one is tried beside it, long before the time-out, whichever is known first."""
    name = f"dead{''.join(late).lower()}.test"
    with Places("127.0.0.1") as places, Silent("::1", places.port):
        dns.set(name, A=["127.0.0.1"], AAAA=["::1"], late=late)
        scene = scene_of(named, url=f"http://{name}:{places.port}")
        assert [ask(scene, places, CLOSE) for _ in range(5)] == ["127.0.0.1"] * 5


@pytest.mark.parametrize("late", [{}, {"A": 0.3}, {"AAAA": 0.3}], ids=["together", "A late", "AAAA late"])
def test_a_family_that_refuses(named, scene_of, dns, late):
    name = f"refuses{''.join(late).lower()}.test"
    with Places("127.0.0.1") as places:
        dns.set(name, A=["127.0.0.1"], AAAA=["::1"], late=late)
        scene = scene_of(named, url=f"http://{name}:{places.port}")
        assert [ask(scene, places, CLOSE) for _ in range(5)] == ["127.0.0.1"] * 5


@pytest.mark.parametrize("family, host", [("A", "::1"), ("AAAA", "127.0.0.1")])
def test_a_family_of_which_the_server_says_nothing(named, scene_of, dns, family, host):
    """The other one does not wait for it, not even once its own time is over."""
    name = f"mute-{family.lower()}.test"
    other = "AAAA" if family == "A" else "A"
    with Places(host) as places:
        dns.set(name, **{other: [host]}, silent=[family], ttl=1)
        scene = scene_of(named, url=f"http://{name}:{places.port}")
        before = dns.count(name, other)
        eventually(lambda: ask(scene, places, CLOSE) and dns.count(name, other) > before + 1, "to be asked for again")


def test_ipv6_goes_first(named, scene_of, dns):
    with Places("::1", "127.0.0.1") as places:
        dns.set("both.test", A=["127.0.0.1"], AAAA=["::1"])
        scene = scene_of(named, url=f"http://both.test:{places.port}")
        assert [ask(scene, places, CLOSE) for _ in range(5)] == ["::1"] * 5


def test_client_that_leaves_a_race(named, scene_of, dns):
    """Several dials are under way when no request needs them any more."""
    port = free_port()
    with Silent("127.0.0.2", port), Silent("127.0.0.3", port), Silent("127.0.0.4", port):
        dns.set("race.test", A=["127.0.0.2", "127.0.0.3", "127.0.0.4"])
        scene = scene_of(named, url=f"http://race.test:{port}")
        before = named.metrics()["jobgate_backend_connections"]
        for _ in range(3):
            client = scene.new_client()
            client.send(scene.request())
            time.sleep(0.6)  # so long it takes to have set out for all of them
            client.reset()
        eventually(lambda: named.metrics()["jobgate_backend_connections"] <= before, "the connections to go")


def test_race_that_no_dial_wins(gateways, scene_of, dns):
    port = free_port()
    with Silent("127.0.0.2", port), Silent("127.0.0.3", port):
        dns.set("lost.test", A=["127.0.0.2", "127.0.0.3"])
        gateway = gateways.start({"timeouts": {"connect": "800ms"}}, env=dns.environment)
        scene = scene_of(gateway, url=f"http://lost.test:{port}")
        start = time.monotonic()
        refused(scene, "connect_timeout", 504)
        assert time.monotonic() - start >= 0.75


def test_races_are_bounded(named, scene_of, dns, make_folder):
    """Many clients of a name that has little to offer: what races beside a connection has bounds in all."""
    server = servers.plain_server(make_folder("plain"), "127.0.0.4")
    with Silent("127.0.0.2", server.port), Silent("127.0.0.3", server.port):
        dns.set("many.test", A=["127.0.0.2", "127.0.0.3", "127.0.0.4"])
        scene = scene_of(named, url=f"http://many.test:{server.port}")
        descriptors = f"/proc/{named.workers()[0]}/fd"
        before, most = len(os.listdir(descriptors)), 0
        clients = [scene.new_client() for _ in range(150)]
        for client in clients:
            client.send(scene.request())
        while any(client.silent() for client in clients):
            most = max(most, len(os.listdir(descriptors)))
            time.sleep(0.02)
        assert [client.read_response().status for client in clients] == [200] * 150
        assert 150 < most - before <= 2 * 150 + 64 + 20
    server.stop()


# ---- the guard ----

def test_rebinding(named, scene_of, dns):
    """A name that is harmless when it is looked at, and leads to the metadata service later."""
    with Places("127.0.0.2") as places:
        dns.set("rebind.test", A=["127.0.0.2"], ttl=1)
        scene = scene_of(named, url=f"http://rebind.test:{places.port}")
        ask(scene, places)
        connection = places.at["127.0.0.2"].connections[0]
        dns.set("rebind.test", A=["169.254.169.254"], ttl=1)

        def given_up():
            scene.client.send(scene.request())
            eventually(lambda: not (places.at["127.0.0.2"].untouched() and scene.client.silent()), "an answer or a request")
            if not scene.client.silent():
                return scene.client.read_response().status == 502
            places.at["127.0.0.2"].serve()
            assert scene.client.read_response().status == 200
            return False
        eventually(given_up, "the new address to be refused")
        assert_ended(connection)
        scene.gateway.access_entry(job=scene.job, outcome="not_allowed", status=502)
        for _ in range(5):
            refused_again = scene.client.exchange(scene.request())
            assert refused_again.status == 502


@pytest.mark.parametrize("addresses", [["169.254.169.254", "127.0.0.2"], ["127.0.0.2", "169.254.169.254"]])
def test_each_address_is_judged_for_itself(named, scene_of, dns, addresses):
    """One that is not allowed is left out, the other one serves."""
    name = f"mixed{addresses.index('127.0.0.2')}.test"
    with Places("127.0.0.2") as places:
        dns.set(name, A=addresses)
        scene = scene_of(named, url=f"http://{name}:{places.port}")
        assert [ask(scene, places, CLOSE) for _ in range(5)] == ["127.0.0.2"] * 5


def test_ipv6_forms_of_what_is_refused(named, scene_of, dns):
    dns.set("mapped.test", AAAA=["::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "fe80::1"])
    refused(scene_of(named, url="http://mapped.test:80"), "not_allowed")


# ---- /etc/hosts ----

def names_of_hosts():
    """(name, address) of this machine's /etc/hosts that are not localhost's and can be listened on."""
    with open("/etc/hosts", encoding="utf-8") as file:
        lines = [line.partition("#")[0].split() for line in file]
    for address, *names in filter(None, lines):
        for name in names:
            if name != "localhost" and not name.startswith("ip6-local") and not name.endswith(".localhost"):
                try:
                    Backend(address).close()
                except OSError:
                    continue
                yield name, address


def test_names_of_the_hosts_file(named, scene_of, dns):
    known = next(names_of_hosts(), None)
    if known is None:
        pytest.skip("this machine's /etc/hosts has no name beside localhost for an address of its own")
    name, address = known
    scene = scene_of(named, backend=(backend := Backend(address)), url=f"http://{name}:{backend.port}")
    assert scene.relay().method == "GET"
    assert dns.count(name) == dns.count(name, "AAAA") == 0
