"""A store whose primary is elected: what must hold for Redis Sentinel and for Redis Cluster alike."""

from . import faults
from .checker import Checker
from .control import Control
from .process import eventually
from .scene import request_bytes
from .store import Records

STORE = {**faults.CLOCKS, "wait_replicas": 1}


def checked(gateways, backend, url, primary, prefix="jobgate:", workers=2, store=None):
    """A gateway with the store at this URL, and a checker that writes to the primary by this client."""
    gateway = gateways.start({"workers": workers, "store": store or STORE}, store_url=url)
    return Checker(gateway, Records(primary, prefix), backend.url, faults.BOUND)


def change(checker):
    return Control(checker.gateway.socket_path).call("POST", "/v1/tokens", {"name": "n", "role": "read"})


def all_is_well(checker, primary):
    """What is revoked is refused, what is not is served, and changes go to this server."""
    checker.records.client = primary
    checker.settle()
    answer = eventually(lambda: (answer := change(checker)).status == 201 and answer, "the control API to find the server")
    eventually(lambda: primary.exists(checker.records.token_key(answer.json["id"])), "the token there")
    assert not checker.violations


def none_is_a_backend(checker, ports):
    """A job's URL must not have the gateway speak to the servers of its own store, nor to those who watch over it."""
    for port in ports:
        job = checker.records.job(f"http://127.0.0.1:{port}")
        with checker.gateway.client() as client:
            assert client.exchange(request_bytes(f"{job}.jobs.test", checker.records.token())).status == 502
        checker.gateway.access_entry(job=job, outcome="not_allowed")


def replicated(primary, count):
    """Wait until so many replicas have everything: whichever takes over must know it."""
    eventually(lambda: primary.wait(count, 1000) == count, "the replicas to have everything", patience=30)
