"""deploy/on-call.md: each of its commands answers, on a running gateway, as the page writes it."""

import re

import pytest

from harness.control import Control
from harness.gateway import REPOSITORY, environment
from harness.screen import Screen
from test_sessions import await_one, at

PAGE = (REPOSITORY / "deploy" / "on-call.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"`jobgate (.*?)`", "\n".join(line for line in PAGE.splitlines() if line.startswith("|")))


@pytest.mark.parametrize("command", COMMANDS)
def test_command(gateway, scene, command):
    scene.arrive(path="/shown")
    local = Control(gateway.socket_path)
    session, known = await_one(local, at(scene))["id"], local.token_of()
    names = {"JOB": scene.job, "TOKEN": scene.token.id, "SESSION": session, "FILE": str(gateway.config_path)}
    words = [names.get(word, word) for word in command.split()]
    if words == ["top"]:
        screen = Screen([gateway.program_path, *words], environment(gateway.sanitizer, JOBGATE_URL=f"unix:{gateway.socket_path}", TERM="xterm"), 130)
        screen.expect("GET /shown")
        screen.type("q")
        assert screen.end()[1] == 0
        return
    done = gateway.cli(*words, stdin=scene.token.value + "\n")
    assert done.status == 0, done
    if words[:2] == ["session", "kill"] and "--address" not in words:
        assert re.search("Ended (1 session|session )", done.out) and scene.client.read_response().status == 503
    if words[:2] == ["session", "list"] and "--address" not in words:
        assert "/shown" in done.out
    if words[:2] == ["job", "who"]:
        assert known["id"] in done.out
    if words[0] == "authorize":
        assert "allow" in done.out


def test_the_page_has_each_question_of_the_table():
    for word in ["connected", "end a session", "unused", "idle", "reach a job", "created", "refused", "requests, errors and bytes", "certificate", "stuck", "logs for machines"]:
        assert word in PAGE, word
    assert len(COMMANDS) > 12


def test_the_names_of_metrics_and_keys_exist():
    known = (REPOSITORY / "deploy" / "jobgate.yaml").read_text(encoding="utf-8")
    for section, key in [("metrics", "jobs_max"), ("control", "metrics"), ("log", "access"), ("log", "format")]:
        assert f"{section}.{key}" in PAGE and re.search(rf"^#? *{section}:(.|\n)*?^#? +#? ?{key}:", known, re.M), key
