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


# Each question of operate.md, what answers it (a word of the page), and the tests of the answer.
ROWS = [
    ("who is connected to what", "session list", "sessions::a_request_that_waits_for_its_answer sessions::a_tunnel_and_the_filters sessions::streams_are_sessions sessions::pages"),
    ("the same, live", "jobgate top", "top::shows_what_runs top::sorts_filters_and_pauses top::resizes top::in_tmux"),
    ("what changes, while it changes", "/v1/events", "events::tokens_and_jobs events::sessions_are_cut events::a_scoped_operator_hears_of_its_scope"),
    ("how to cut without revoking", "session kill", "sessions::cut_one sessions::cut_by_filter_reaches_all_workers sessions::list_and_kill"),
    ("which tokens are unused", "--unused-for", "token_use::a_use_is_known_soon token_use::many_requests_write_once_in_a_minute token_use::filters token_page::every_command"),
    ("which jobs are idle", "--idle-for", "job_use::a_request_is_known_soon job_use::idle_since"),
    ("who may reach a job", "job who", "job_who::the_selector_decides job_who::command"),
    ("who created a token", "token get", "token_use::a_use_is_known_soon token_cascade::each_token_says_who_created_it"),
    ("what was changed", "audit:", "control_api::audit control_api::the_audit_log_says_what_a_patch_changed control_api::the_audit_log_says_what_a_new_job_has"),
    ("why a request was refused", "claimed_token_id", "access_log::why_a_request_was_refused access_log::the_selector_that_stopped_matching"),
    ("requests, errors and bytes of a job", "jobgate_job_requests_total", "observation::jobs_are_counted_one_by_one_up_to_a_limit prometheus::each_panel_and_each_alert_has_data"),
    ("protocols and classes of status", "dashboard", "observation::classes_of_status_and_protocols_are_counted"),
    ("certificates", "jobgate_certificate_expiry_seconds", "secure_files::metric_has_the_first_of_each_use secure_files::expired secure_files::names_that_none_covers secure_files::secrets_that_others_can_read"),
    ("a dump", "RTMIN", "live_dump::a_dump_shows_every_connection_and_no_secret live_dump::a_dump_of_a_busy_worker_shows_each_kind_of_object"),
    ("logs for machines", "log.format: json", "log_readers::lines_as_json access_log::the_packages_logrotate_file"),
    ("all of them, on a running gateway", "Shown on a running gateway", "on_call_shown::each_command_prints_what_the_page_shows"),
]


@pytest.mark.parametrize("question, word, tests", ROWS, ids=[row[0] for row in ROWS])
def test_each_row_has_tests(question, word, tests):
    assert word in PAGE, question
    for name in tests.split():
        file, _, test = name.partition("::")
        text = (REPOSITORY / "tests" / "e2e" / f"test_{file}.py").read_text(encoding="utf-8")
        assert f"def test_{test}(" in text, name


def test_the_page_has_each_question_of_the_table():
    for word in ["connected", "end a session", "unused", "idle", "reach a job", "created", "refused", "requests, errors and bytes", "certificate", "stuck", "logs for machines"]:
        assert word in PAGE, word
    assert len(COMMANDS) > 12


def test_the_names_of_metrics_and_keys_exist():
    known = (REPOSITORY / "deploy" / "jobgate.yaml").read_text(encoding="utf-8")
    for section, key in [("metrics", "jobs_max"), ("control", "metrics"), ("log", "access"), ("log", "format")]:
        assert f"{section}.{key}" in PAGE and re.search(rf"^#? *{section}:(.|\n)*?^#? +#? ?{key}:", known, re.M), key
