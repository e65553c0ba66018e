"""The examples for Traefik and Envoy, which are not run here, against the vendors' own definitions. With `tests/run.sh --all`: npm fetches them."""

import copy
import json
import subprocess
from pathlib import Path

import pytest
import yaml

from harness.gateway import REPOSITORY
from harness.process import PATIENCE

pytestmark = pytest.mark.large  # npm

EXAMPLES, APPS = REPOSITORY / "deploy" / "proxies", Path(__file__).parent / "harness" / "apps"
PACKAGES = {"envoy_api.mjs": ["@grpc/grpc-js-xds@1.14.1"], "traefik_types.mjs": ["@kubernetes-models/traefik@2.0.0"]}


@pytest.fixture(scope="module")
def mistakes(make_folder):
    """A function: what a checker finds in a configuration."""
    folder = make_folder("definitions")
    subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", folder, *sum(PACKAGES.values(), [])], check=True,
                   stdout=subprocess.DEVNULL, timeout=20 * PATIENCE)
    for name in PACKAGES:
        (folder / name).write_text((APPS / name).read_text())

    def call(checker, settings):
        done = subprocess.run(["node", checker], cwd=folder, input=json.dumps(settings), capture_output=True, text=True, check=False)
        assert done.stderr == "" and (done.returncode == 0) == (done.stdout == ""), done
        return done.stdout
    return call


def load(name):
    return yaml.safe_load((EXAMPLES / name).read_text())


@pytest.mark.parametrize("name", ["envoy.yaml", "in-front/envoy.yaml"])
def test_envoy(mistakes, name):
    assert mistakes("envoy_api.mjs", load(name)) == ""


def test_mistakes_in_envoys(mistakes):
    right = load("envoy.yaml")
    for keys, value, found in [
            (["static_resources", "listener"], [], "bootstrap.static_resources.listener: a field of"),
            (["static_resources", "clusters", 0, "name"], 1, "name: string expected"),
            (["static_resources", "listeners", 0, "filter_chains", 0, "filters", 0, "typed_config", "path_with_escaped_slashes_action"], "REJECT",
             "PathWithEscapedSlashesAction expected"),
            (["static_resources", "listeners", 0, "filter_chains", 0, "filters", 0, "typed_config", "http_filters", 0, "typed_config", "http_service",
              "authorization_request"], {"allowed_headers": {}}, "no deprecated field expected")]:
        wrong = inner = copy.deepcopy(right)
        for key in keys[:-1]:
            inner = inner[key]
        inner[keys[-1]] = value
        assert found in mistakes("envoy_api.mjs", wrong)


@pytest.mark.parametrize("name", ["traefik.yaml", "in-front/traefik.yaml"])
def test_traefik(mistakes, name):
    assert mistakes("traefik_types.mjs", load(name)) == ""


def test_mistakes_in_traefiks(mistakes):
    right = load("traefik.yaml")
    for keys, value, found in [
            (["middlewares", "jobgate", "forwardAuth", "authHeaders"], [], "jobgate.forwardAuth.authHeaders: Traefik has no such setting"),
            (["middlewares", "jobgate", "forwardAuth", "trustForwardHeader"], "no", "must be boolean"),
            (["routers", "jobs", "priority"], "first", "must be integer"), (["routers", "jobs", "service"], "job", "jobs: no service job")]:
        wrong = inner = copy.deepcopy(right)
        for key in ["http", *keys[:-1]]:
            inner = inner[key]
        inner[keys[-1]] = value
        assert found in mistakes("traefik_types.mjs", wrong)
