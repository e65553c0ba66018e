"""What a request with a token's value that is not known here costs, by callgrind: no more than one with a typing error (performance.md)."""

import pytest

from harness.gateway import release_binary
from harness.raw import Client
from harness.scene import request_bytes
from harness.store import Records, make_value, random_id
from test_cost import Profile
from test_mint import KEY, enforce

pytestmark = pytest.mark.alone

REQUESTS = 400

# Counted 1.000: both are hashed with the store's key, and neither is looked up.
MORE_THAN_WRONG_CHECKSUM_MAX = 1.02

ALLOCATIONS = 4  # each hash has OpenSSL allocate once


@pytest.fixture
def refuse(gateways, store, tmp_path):
    """Instructions for each request that is refused for such a value."""
    store.client.flushall()
    enforce(store)
    job = Records(store.client).job("unix:/x")

    def measure(make):
        folder = tmp_path / random_id()
        folder.mkdir()
        profile, wrapper = Profile(folder), folder / "jobgate"
        wrapper.write_text(f"#!/bin/sh\nexec {' '.join(map(str, profile.tool))} {release_binary()} \"$@\"\n")
        wrapper.chmod(0o755)
        gateway = gateways.start({"log": {"level": "info", "access": None}}, store_url=store.url, program=str(wrapper))
        gateway.await_workers()

        def ask(client, count):
            for _ in range(count):
                assert client.exchange(request_bytes(f"{job}.jobs.test", make())).status == 401
        with Client(gateway.address) as client:
            ask(client, 50)
            profile.begin(gateway)
            ask(client, REQUESTS)
            profile.end(REQUESTS, ALLOCATIONS)
        return profile.each
    return measure


def wrong_checksum():
    value = make_value(random_id(), key=KEY)
    return value[:-1] + ("0" if value[-1] != "0" else "1")


def test_an_unknown_value_costs_what_a_wrong_checksum_costs(refuse):
    wrong, unknown = refuse(wrong_checksum), refuse(lambda: make_value(random_id()))
    assert unknown <= MORE_THAN_WRONG_CHECKSUM_MAX * wrong, (unknown, wrong)
