"""deploy/tokens.md: every command of the page, in its order."""

import re
import subprocess

import pytest

from harness.gateway import DOMAIN, REPOSITORY, environment
from harness.process import eventually
from harness.store import make_value, random_id

PAGE = (REPOSITORY / "deploy" / "tokens.md").read_text()
COMMANDS = [line.strip()[2:] for block in re.findall(r"```console\n(.*?)```", PAGE, re.S) for line in block.splitlines() if line.strip().startswith("$ ")]


@pytest.fixture
def run(gateways, records, make_folder):
    gateway = gateways.start()
    folder = make_folder("page")
    (folder / "bin").mkdir()
    (folder / "bin" / "jobgate").symlink_to(gateway.program_path)
    env = environment(gateway.sanitizer, JOBGATE_URL=f"unix:{gateway.socket_path}", HOME=str(folder),
                      PATH=f"{folder}/bin:/usr/local/bin:/usr/bin:/bin")

    def run(command, **more):
        return subprocess.run(["/bin/bash", "-o", "pipefail", "-c", command], cwd=folder, env={**env, **more}, capture_output=True, text=True, timeout=60)

    run.gateway, run.folder = gateway, folder
    return run


def only(start):
    found = [command for command in COMMANDS if command == start] or [command for command in COMMANDS if command.startswith(start)]
    assert len(found) == 1, (start, found)
    return found[0]


def value_of(done):
    assert done.returncode == 0, done
    return re.search(r"jgt_[a-z0-9]{16}_[0-9A-Za-z]{49}", done.stdout)[0]


def test_every_command(run, records, make_folder):
    gateway, done = run.gateway, set()

    def page(start, **more):
        command = only(start)
        done.add(command)
        for name, text in more.items():
            command = command.replace(f"<{name}>", text)
        return command

    # Create, rotate, limit.
    first = value_of(run(page("jobgate token create ci-nightly --role read --label-selector")))
    second = value_of(run(page("jobgate token renew ci-nightly --grace 1d")))
    assert first[:20] == second[:20]
    assert run("jobgate token delete --yes ci-nightly").returncode == 0
    value_of(run(page("jobgate token create ci-nightly --role read --rate")))
    assert "Rate:           50\n" in run(page("jobgate token set ci-nightly --rate")).stdout

    # Hand over.
    job = records.job("unix:/nonexistent/job.sock", {"model": "base"})
    (run.folder / "report.field").write_text("of an earlier token, open to all")
    (run.folder / "report.field").chmod(0o644)
    assert run(page("install -m 600")).returncode == 0
    handed = run(page("jobgate token create report"))
    assert handed.returncode == 0 and handed.stdout == "", handed
    field = (run.folder / "report.field").read_text()
    assert re.fullmatch(r"Authorization: Bearer jgt_[a-z0-9]{16}_[0-9A-Za-z]{49}\n", field)
    assert (run.folder / "report.field").stat().st_mode & 0o777 == 0o600
    host, port = gateway.address
    curl = page("curl -H @report.field").replace("curl ", f"curl -s -o /dev/null -w '%{{http_code}}' --connect-to ::{host}:{port} ", 1)
    assert run(curl, JOB_URL=f"http://{job}.{DOMAIN}/").stdout == "502"  # the token let it in

    # Find what nobody uses, and delete it.
    old = records.token(name="forgotten")
    records.client.zadd("jobgate:tokens", {old.id: 1})
    kept = records.token(name="needed")
    records.client.zadd("jobgate:tokens", {kept.id: 1})
    listed = run(page("jobgate token list --unused-for 90d"))
    assert "forgotten" in listed.stdout and "needed" in listed.stdout and "report" not in listed.stdout
    lines = (run.folder / "unused").read_text().splitlines()
    assert [len(line.split("\t")) for line in lines] == [6] * len(lines)
    (run.folder / "unused").write_text("".join(line + "\n" for line in lines if kept.id not in line))
    assert run(page("cut -f 1 unused")).returncode == 0
    assert not records.client.exists(records.token_key(old.id)) and records.client.exists(records.token_key(kept.id))
    assert "report" in run("jobgate token list").stdout

    # A leak.
    parent = gateway.cli("token", "create", "leaked", "--role", "operator", "-o", "json").json()
    child = gateway.cli("token", "create", "child", "--role", "read", "-o", "json", JOBGATE_TOKEN=parent["value"]).json()
    revoke, proof = page("jobgate token revoke"), page("grep 'audit: token revoked", id=parent["id"])

    def revoked(value):
        assert run(f'printf %s "$FOUND" | {revoke}', FOUND=value).returncode == 0
        (run.folder / "gateway.log").write_text(gateway.program.log())
        return run(proof).returncode == 0

    assert not revoked(make_value(parent["id"]))  # invented: whose id it has is no victim
    assert records.client.exists(records.token_key(parent["id"]))
    assert revoked(parent["value"])
    assert not records.client.exists(records.token_key(parent["id"])) and records.client.exists(records.token_key(child["id"]))
    assert run(page("jobgate token delete --cascade <id>", id=parent["id"])).returncode == 0
    assert not records.client.exists(records.token_key(child["id"]))
    (run.folder / "gateway.log").write_text(gateway.program.log())
    (run.folder / "access.log").write_text(eventually(lambda: gateway.access_path.read_text() if gateway.access_path.exists() else None, "the log"))
    assert f"token created {child['id']} by token {parent['id']}" in run(page("grep 'audit:.*by token", id=parent["id"])).stdout
    assert f"with cascade {child['id']}" in run(page("grep 'audit: token deleted with")).stdout
    assert job in run(page("grep '\"token_id\":", id=field[26:42])).stdout

    # Scan.
    (run.folder / "scan.py").write_text(PAGE.split("```python\n")[1].split("```")[0])
    leak = make_value(random_id())
    assert run("git init -q .").returncode == 0
    leaks = [make_value(random_id()).encode() for _ in range(7)]
    forms = (b"TOKEN=%s", b'{"body": "\\n%s"}', b"auth%%3D%s", b"TOKEN_%s", b"%s_x", b"\xff\xfe %s\xff", b"\0%s\0")
    (run.folder / "leak").write_bytes(b"\n".join([*(form % leak for form, leak in zip(forms, leaks)), b"NOT=%s~" % leaks[0][:-1]]))
    assert run("git add leak && git -c user.name=x -c user.email=x@y.z commit -qm leak").returncode == 0
    found = run(page("git log --all -p"), PYTHONIOENCODING="utf-8:strict")
    assert found.stdout.split() == sorted({leak[:20].decode() for leak in leaks}), found

    assert set(COMMANDS) == done, set(COMMANDS) ^ done
