"""A thousand held requests cost the requests to other jobs nothing: counted by callgrind, for each request to another job."""

import pytest

from harness.h2 import H2Client
from harness.raw import Client
from test_cost import Profile, measured, release  # pylint: disable=unused-import
from test_starting import held, host

pytestmark = pytest.mark.alone

CLIENTS, STREAMS, REQUESTS = 10, 100, 400

# Counted 1.003. A walk over those that are held, of 10 instructions for each, would cost half as much again.
MORE_MAX = 1.02


def test_held_requests_cost_others_nothing(measured, records, tmp_path):
    profile = Profile(tmp_path)
    gateway, ask = measured(*profile.tool, timeouts={"start": "5m"}, limits={"connections": 2000})
    job = records.job("")

    def count():
        profile.begin(gateway)
        for _ in range(REQUESTS):
            ask([client], "count")
        profile.end(REQUESTS, allocations_max=0.05)  # each tick makes some, and there are few requests
        return profile.each
    with Client(gateway.address) as client:
        for _ in range(100):
            ask([client], "warm")
        alone = count()
        crowd = [H2Client(gateway.address) for _ in range(CLIENTS)]
        for one in crowd:
            token = records.token()
            for _ in range(STREAMS):
                one.request(host(job), token)
        held(gateway, CLIENTS * STREAMS)
        ask([client], "warm")
        beside = count()
        held(gateway, CLIENTS * STREAMS)
        for one in crowd:
            one.close()
        held(gateway, 0)
    assert beside <= MORE_MAX * alone, (alone, beside)
