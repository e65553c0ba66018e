"""The manners of the command line (control.md): each thing that people tried and expected to work."""

import re

import pytest

from harness.gateway import environment, run
from harness.raw import Backend
from harness.screen import Screen
from harness.store import random_id

COMMANDS = ["token", "job", "session", "store", "serve", "check", "top", "authorize"]


@pytest.fixture
def cli(gateway):
    return gateway.cli


@pytest.mark.parametrize("words, meant", [
    (["tokn", "list"], "token"), (["tokne"], "token"), (["serv"], "serve"), (["jobs", "list"], "job"), (["autorize"], "authorize"),
    (["token", "lst"], "token list"), (["token", "del"], "token delete"), (["job", "crate"], "job create"), (["session", "lists"], "session list"),
    (["store", "verfy"], "store verify"),
    (["token", "list", "--outptu", "json"], "--output"), (["token", "create", "x", "--rol=read"], None), (["token", "create", "x", "--roll=read"], "--role"),
    (["serve", "--confg", "x"], "--config"), (["check", "--conect"], "--connect"), (["store", "verify", "--prefx", "x"], "--prefix")])
def test_did_you_mean(cli, words, meant):
    done = cli(*words)
    if meant is None:  # the beginning of an option's name is enough
        assert "Did you mean" not in done.err
        return
    assert (done.status, done.out) == (2, "") and f"Did you mean '{meant}'?" in done.err, done
    assert "Usage:" in done.err or re.search(r"Try 'jobgate .*--help'\.", done.err), done


@pytest.mark.parametrize("words", [["frobnicate"], ["token", "frobnicate"], ["store", "frobnicate"], ["token", "list", "--frobnicate"], ["x"]])
def test_what_is_near_to_nothing(cli, words):
    done = cli(*words)
    assert done.status == 2 and "Did you mean" not in done.err and "--help'" in done.err


def test_ls_and_rm(cli, records):
    name = "n" + random_id(8)
    made = cli("token", "create", name, "-r", "read", "-o", "json").json()
    assert cli("token", "ls", "--name", name, "-o", "json").json()[0]["id"] == made["id"]
    assert cli("token", "rm", made["id"]).status == 0 and cli("token", "get", made["id"]).status == 1
    assert cli("job", "create", name).status == 0
    assert cli("job", "rm", name).out == f"Deleted job {name}\n"
    assert cli("session", "ls").status == 0
    assert cli("session", "rm").status == 2  # it has nothing to delete


def test_help_at_each_level(cli):
    assert cli("help").out == cli("--help").out == cli("-h").out and "Commands:" in cli("help").out
    for first in COMMANDS:
        expected = cli(first, "--help")
        assert expected.status == 0 and "Usage: jobgate " + first in expected.out, first
        assert cli("help", first).out == expected.out and cli("--help", first).out == expected.out, first
    for words in [["token", "create"], ["job", "run"], ["session", "kill"]]:
        expected = cli(*words, "--help").out
        assert expected == cli("help", *words).out == cli(words[0], "help", words[1]).out == cli(words[0], "--help", words[1]).out
    assert cli("help", "frobnicate").status == 2


def test_version_at_each_level(cli):
    expected = cli("--version")
    assert expected.status == 0 and re.fullmatch(r"jobgate \d+\.\d+\.\d+\n", expected.out)
    for words in [[], *([first] for first in COMMANDS), ["token", "list"], ["job", "create"], ["store", "verify"]]:
        for option in ["-V", "--version"]:
            assert (cli(*words, option).out, cli(option, *words).out) == (expected.out, expected.out), words


def test_options_before_the_command(cli, records):
    name = "n" + random_id(8)
    assert cli("-o", "json", "token", "create", name, "-r", "read").json()["name"] == name
    for before, between in [(["-o", "json", "--name", name], []), (["-o", "json"], ["--name", name]), ([f"--name={name}"], ["-ojson"]),
                            (["--out", "json"], ["--name", name])]:
        assert [item["name"] for item in cli(*before, "token", *between, "list").json()] == [name]
    assert cli("--yes", "token", "rm", name).status == 0
    missing = cli("-o", "json")
    assert (missing.status, missing.out) == (2, "") and "a command is missing" in missing.err
    assert "needs a command" in cli("token", "-o", "json").err
    assert "No such file" in cli("-c", "/nonexistent", "check").err


def test_words_that_are_values(cli):
    """Behind the command, "help", "ls" and "-V" of an option's value are what they are."""
    assert cli("token", "create", "help", "-r", "read").status == 0
    assert [item["name"] for item in cli("token", "list", "--name", "help", "-o", "json").json()] == ["help"]
    assert cli("token", "delete", "help").status == 0
    assert cli("token", "get", "ls").err == "jobgate: there is no token ls\n"
    done = cli("job", "run", "--", "echo", "--help", "-V", "help")
    assert (done.status, done.out) == (0, "--help -V help\n")


def test_job_create_name(cli):
    name = "j" + random_id(8)
    assert cli("job", "create", name, "-o", "json").json()["id"] == name
    assert cli("job", "create", "--id", name).status == 1  # it exists
    both = cli("job", "create", name, "--id", name)
    assert both.status == 2 and "give one of them" in both.err
    assert cli("job", "create", "a", "b").status == 2
    assert cli("job", "create", "Not-An-Id").status == 1


def test_a_token_for_all_jobs_is_pointed_out(cli):
    name = "n" + random_id(8)
    assert "it reaches all jobs" in cli("token", "create", name, "-r", "read").err
    quiet = cli("token", "create", name, "-r", "read", "-l", "team=a")
    assert quiet.status == 0 and quiet.err == ""
    data = cli("token", "create", name, "-r", "read", "-o", "json")
    assert data.json()["name"] == name and "all jobs" in data.err
    token = cli("token", "create", name, "-r", "operator", "-l", "team=a", "-o", "json").json()["value"]
    scoped = cli("token", "create", name, "-r", "read", JOBGATE_TOKEN=token)
    assert scoped.status == 0 and "all jobs" not in scoped.err  # the operator's own selector was added
    renewed = cli("token", "renew", cli("token", "create", name, "-r", "read", "-o", "json").json()["id"])
    assert renewed.status == 0 and "all jobs" not in renewed.err


def on_terminal(gateway, words, width=80):
    env = environment(gateway.sanitizer, JOBGATE_URL=f"unix:{gateway.socket_path}", NO_COLOR="1", TERM="xterm")
    return Screen([gateway.program_path, *words], env, width)


@pytest.mark.parametrize("width", [40, 60, 80, 120, 300])
def test_the_url_of_a_job_is_never_cut(gateway, cli, width):
    name = "j" + random_id(20)
    cli("job", "create", name, "--url", "http://127.0.0.1:1/" + "long/" * 20, "-l", "team=" + "a" * 60)
    url = cli("job", "get", name, "-o", "json").json()["job_url"]
    text, status = on_terminal(gateway, ["job", "list", "-l", "team=" + "a" * 60], width).end()
    assert status == 0 and url in text.replace("\r\n", "\n")
    cli("job", "delete", name)


def test_questions_show_name_and_id(gateway, cli):
    name = "n" + random_id(8)
    made = cli("token", "create", name, "-r", "read", "-o", "json").json()
    for word in [made["id"], name]:
        for verb, question in [("delete", "Delete token"), ("rm", "Delete token"), ("renew", "The current value stops working at once. Renew token")]:
            screen = on_terminal(gateway, ["token", verb, word], 200)
            screen.expect(re.escape(f"{question} {name} ({made['id']})? [y/N] ") + "$")
            screen.type("n\n")
            assert screen.end()[1] == 1
    assert cli("token", "get", made["id"], "-o", "json").json()["version"] == 1
    text, status = on_terminal(gateway, ["token", "delete", "nosuchtoken00000"]).end()
    assert status == 1 and "there is no token nosuchtoken00000" in text and "[y/N]" not in text


@pytest.mark.parametrize("words", [
    ["token"], ["token", "create"], ["token", "create", "x"], ["token", "create", "x", "-r", "king"], ["token", "list", "extra"], ["job", "run"],
    ["job", "set", "x"], ["token", "list", "-o", "xml"], ["session", "kill"], ["serve", "extra"], ["serve", "--nothing"], ["check"], ["check", "--nothing"],
    ["store"], ["store", "nothing"], ["store", "verify", "extra"], ["store", "--nothing"], ["top", "extra"], ["authorize"], ["nothing"], []])
def test_wrong_usage_is_2_everywhere(cli, words):
    done = cli(*words)
    assert (done.status, done.out) == (2, "") and done.err, done


def test_json_of_job_run_is_not_mixed_up(cli):
    """What `job run -o json` itself says is on standard error: standard output is the command's."""
    done = cli("-o", "json", "job", "run", "--", "sh", "-c", "echo '{\"mine\": true}'")
    assert done.json() == {"mine": True} and "is registered" in done.err


def test_a_reader_that_leaves(gateway, cli):
    """`jobgate token list | head -1`: the list ends quietly, by the pipe."""
    for number in range(40):
        cli("job", "create", "-l", "many=" + "x" * 60)
    command = f"{gateway.program_path} job list -o json | head -c 1; echo ${{PIPESTATUS[0]}}"
    done = run(["/bin/bash", "-c", command], environment(gateway.sanitizer, JOBGATE_URL=f"unix:{gateway.socket_path}"))
    assert done.out.strip() in ("[141", "[0") and done.err == "", done


@pytest.mark.parametrize("words", [["token", "list"], ["job", "list"], ["token", "list", "-o", "yaml"]])
def test_a_full_disk_is_said(gateway, words):
    command = " ".join([gateway.program_path, *words, ">/dev/full"])
    done = run(["/bin/sh", "-c", command], environment(gateway.sanitizer, JOBGATE_URL=f"unix:{gateway.socket_path}"))
    assert done.status == 1 and "could not be written: No space left on device" in done.err


def test_ctrl_c_while_it_waits(gateway, records):
    """A gateway that does not answer: Ctrl-C ends the command by the signal, and the terminal is as before."""
    with Backend() as silent:
        env = environment(gateway.sanitizer, JOBGATE_URL=f"http://127.0.0.1:{silent.port}", JOBGATE_TOKEN=records.token("operator").value)
        screen = Screen([gateway.program_path, "token", "list"], env)
        silent.accept()
        screen.type("\x03")
        assert screen.end()[1] == -2


def test_job_run_is_refused_before_the_command_starts(gateway, cli, records, tmp_path):
    mark = tmp_path / "started"
    read = records.token("read")
    done = cli("job", "run", "--", "touch", str(mark), JOBGATE_TOKEN=read.value)
    assert done.status == 1 and not mark.exists() and "role operator" in done.err
