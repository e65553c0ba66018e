"""What holds for plain connections holds over TLS: bodies, upgrades, last words, with the client's half inside TLS."""

import pytest

from harness.gateway import DOMAIN
from harness.pki import Authority
from test_bodies import *  # noqa: F403
from test_last_words import *  # noqa: F403
from test_upgrade import *  # noqa: F403


@pytest.fixture(scope="module")
def gateway(module_gateways, make_folder):
    """In the place of the plain one that these tests are written for."""
    authority = Authority(make_folder("pki"), "ours")
    certificate = authority.issue("jobs", "serverAuth", [f"DNS:*.{DOMAIN}"])
    return module_gateways.make().secure(authority.context(), [certificate]).start()
