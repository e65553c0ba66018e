"""The store fails in every way we know of. No worker serves a revoked token past the staleness bound, nor one that a deletion
with descendants has reached; other tokens get no refusal but 503, and service returns by itself."""

import random

import pytest

from harness import faults
from harness.checker import Checker
from harness.control import Control
from harness.family import Family

REVOCATIONS = 12  # of each fault; bench/revocations.py has ten thousand


@pytest.fixture
def store(make_folder):
    store = faults.Store(make_folder)
    yield store
    store.stop()


class World:
    """One store and one gateway live through fault after fault; a test that fails leaves the next one new ones."""

    def __init__(self, make_folder, gateways, backend):
        self.make_folder, self.gateways, self.backend = make_folder, gateways, backend
        self.sound, self.store, self.checker, self.control = False, None, None, None

    def checked(self):
        if not self.sound:
            self.close()
            self.store = faults.Store(self.make_folder)
            gateway = self.gateways.start({"workers": 2, "store": faults.CLOCKS}, store_url=self.store.url)
            self.checker = Checker(gateway, self.store.records, self.backend.url, faults.BOUND)
            self.control = Control(gateway.socket_path)
        self.sound = False  # until the test has passed
        return self.checker

    def close(self):
        if self.store:
            self.checker.close()
            self.store.stop()


@pytest.fixture(scope="module")
def world(make_folder, module_gateways, hold_backend):
    world = World(make_folder, module_gateways, hold_backend)
    yield world
    world.close()


@pytest.mark.parametrize("kind", faults.FAULTS, ids=lambda kind: kind.__name__)
def test_revocations_hold(kind, world):
    checker = world.checked()
    fault, before = kind(world.store), checker.revocations
    statuses = faults.round_of(checker, fault, REVOCATIONS, random.Random(kind.__name__),
                               hold=1.5 * faults.BOUND if fault.outage else None, control=world.control)
    assert not checker.violations
    assert checker.revocations - before >= REVOCATIONS
    if fault.outage:
        assert statuses.get(503), statuses  # it was one
    world.sound = True


def test_checker_finds_what_is_late(gateways, store, hold_backend):
    """A gateway that trusts its store for a minute does not pass as one that trusts it for a second."""
    clocks = {**faults.CLOCKS, "max_staleness": "60s", "ping_deadline": "10s"}
    gateway = gateways.start({"store": clocks}, store_url=store.url)
    checker = Checker(gateway, store.records, hold_backend.url, faults.BOUND)
    subject, other = checker.add(2, streams=1)
    store.relay.say("drop", "push")
    checker.revoke(subject)
    checker.run(1.5 * faults.BOUND)
    assert any("allowed" in violation for violation in checker.violations), checker.violations
    assert any("still runs" in violation for violation in checker.violations), checker.violations
    checker.close()


def test_checker_finds_what_is_refused(gateways, store, hold_backend):
    gateway = gateways.start({"store": faults.CLOCKS}, store_url=store.url)
    checker = Checker(gateway, store.records, hold_backend.url, faults.BOUND)
    subject, = checker.add(1)
    store.records.delete_token(subject.token)
    checker.run(0.3)
    assert any("not revoked" in violation for violation in checker.violations)
    checker.close()


def test_checker_finds_a_descendant_that_is_left(gateways, store, hold_backend):
    """A deletion that says it is complete must have reached all descendants: here one is not in its creator's set."""
    gateway = gateways.start({"store": faults.CLOCKS}, store_url=store.url)
    checker = Checker(gateway, store.records, hold_backend.url, faults.BOUND)
    family = Family(checker, Control(gateway.socket_path), random.Random(1), count=2)
    root, child = family.subjects
    store.records.client.srem(f"jobgate:made:{root.token.id}", child.token.id)
    family.delete(root)
    family.finish()
    checker.run(1.5 * faults.BOUND)
    assert any("cascade: allowed" in violation for violation in checker.violations), checker.violations
    assert any("cascade: a stream still runs" in violation for violation in checker.violations), checker.violations
    checker.close()
