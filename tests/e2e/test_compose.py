"""deploy/container: compose.yaml and what the README does with it, as far as this can be tried without Compose."""

import re
import shlex

import yaml

from harness.gateway import REPOSITORY

CONTAINER = REPOSITORY / "deploy" / "container"
COMPOSE = yaml.safe_load((CONTAINER / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]


def test_only_the_gateway_can_be_reached():
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["jobgate"]
    for name, service in SERVICES.items():
        if name not in ("jobgate", "redis"):
            assert service["networks"] == ["jobs"]  # neither where clients nor where the store is
    assert SERVICES["redis"]["networks"] == ["store"]
    assert COMPOSE["networks"]["store"]["internal"] and COMPOSE["networks"]["jobs"]["internal"]
    used = {network for service in SERVICES.values() for network in service["networks"]}
    assert used == set(COMPOSE["networks"])


def test_the_gateway_has_no_rights():
    gateway = SERVICES["jobgate"]
    assert gateway["read_only"] and gateway["cap_drop"] == ["ALL"] and gateway["security_opt"] == ["no-new-privileges:true"]


def test_its_configuration(check):
    text = (CONTAINER / "compose-jobgate.yaml").read_text()
    settings = yaml.safe_load(text)
    assert settings["store"]["url"].startswith("redis://redis:") and "redis" in SERVICES
    published, = SERVICES["jobgate"]["ports"]
    assert [f":{published.rpartition(':')[2]}"] == settings["listen"]
    assert "./compose-jobgate.yaml:/etc/jobgate/jobgate.yaml:ro" in SERVICES["jobgate"]["volumes"]
    _, result = check(text)
    assert result.status == 0, result


def test_the_commands(gateway):
    commands = re.findall(r"^\$ docker compose -f deploy/container/compose.yaml exec jobgate jobgate (.*)$", (CONTAINER / "README.md").read_text(), re.M)
    assert len(commands) == 2
    made = [gateway.cli(*shlex.split(command), "-o", "json").json() for command in commands]
    assert made[0]["url"] == "http://notebook:8888" and "notebook" in SERVICES
    assert made[1]["label_selector"] == "model=base" and made[1]["value"].startswith("jgt_")
    assert gateway.cli("job", "delete", "notebook", "--yes").status == 0
    assert gateway.cli("token", "delete", made[1]["id"], "--yes").status == 0
