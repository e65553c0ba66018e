"""What `cmake --install` lays down, and that manual and completions know every command, option and key there is."""

import os
import pathlib
import re
import subprocess

import pytest

from harness.gateway import REPOSITORY, binary, environment
from test_output import help_words

COMPLETIONS = REPOSITORY / "deploy" / "completions"
LAYOUT = [
    "usr/local/bin/jobgate", "usr/local/share/man/man1/jobgate.1", "usr/local/share/man/man5/jobgate.yaml.5",
    "usr/local/share/bash-completion/completions/jobgate", "usr/local/share/zsh/site-functions/_jobgate",
    "usr/local/share/fish/vendor_completions.d/jobgate.fish",
    *(f"usr/local/share/doc/jobgate/{name}" for name in (
        "README.md", "CHANGELOG.md", "deploy/guide.md", "deploy/kubernetes/overlays/edge/edge.yaml", "deploy/proxies/in-front/nginx.conf")),
]


@pytest.fixture(scope="module")
def installed(make_folder):
    """The tree that an installation makes."""
    folder = make_folder("installed")
    subprocess.run(["cmake", "--install", pathlib.Path(binary()).parent, "--prefix", "/usr/local"], check=True,
                   env={**os.environ, "DESTDIR": str(folder)}, stdout=subprocess.DEVNULL)
    return folder


def text_of(page):
    """A page as a terminal shows it, without its breaks."""
    done = subprocess.run(["mandoc", "-Tascii", "-O", "width=1000", page], check=True, capture_output=True, text=True)
    return re.sub(r".\x08", "", done.stdout)


@pytest.fixture(scope="module")
def commands(module_gateways):
    """{command: its options}, as help tells."""
    gateway = module_gateways.start()
    found = {}
    for words in help_words(gateway):
        options = re.findall(r"^  (?:(-\w), |    )(--[\w-]+)", gateway.cli(*words, "--help").out, re.M)
        found[" ".join(words)] = sorted(option for pair in options for option in pair if option)
    assert "--label-selector" in found["token create"] and "-y" in found["job delete"] and len(found) >= 18
    return found


def test_layout(installed):
    for path in LAYOUT:
        assert (installed / path).is_file(), path
    assert os.access(installed / LAYOUT[0], os.X_OK)


def test_pages_link_to_each_other(installed):
    """From README and the pages in deploy/ to all of these; other links lead into the code."""
    folder = installed / "usr/local/share/doc/jobgate"
    pages = [folder / "README.md", *(folder / "deploy").rglob("*.md")]
    assert len(pages) > 20
    for page in pages:
        for target in re.findall(r"\]\((?!https?:)([^)#\s]+)", page.read_text()):
            path = (page.parent / target).resolve()
            inside = path.is_relative_to(folder / "deploy") or page.name == "README.md" and page.parent == folder
            assert path.exists() or not inside, (page, target)


@pytest.mark.parametrize("page", ["man1/jobgate.1", "man5/jobgate.yaml.5"])
def test_pages_are_valid(installed, page):
    path = installed / "usr/local/share/man" / page
    lint = subprocess.run(["mandoc", "-Tlint", "-Wwarning", path], capture_output=True, text=True)
    assert lint.stdout == ""


def test_manual_has_every_command(installed, commands):
    text = text_of(installed / LAYOUT[1])
    for command, options in commands.items():
        assert re.search(rf"\b{command}\b", text), command
        for option in options:
            assert re.search(rf"(?<![\w-]){option}(?![\w-])", text), f"{command}: {option}"
    for word in ["JOBGATE_URL", "JOBGATE_TOKEN", "NO_COLOR", "PORT", "--version"]:
        assert word in text


def test_manual_has_every_key(installed):
    """And no other."""
    keys = re.findall(r'^    \{"([a-z0-9_.]+)", (?!SECTION)', (REPOSITORY / "proxy/config/keys.c").read_text(), re.M)
    told = re.findall(r"^\.It Ic (\S+)$", (installed / LAYOUT[2]).read_text(), re.M)
    assert len(keys) > 60
    assert sorted(told) == sorted(set(keys))


def test_manual_explains_every_key(installed):
    """In words of its own, above its example or default."""
    lines = (installed / LAYOUT[2]).read_text().splitlines()
    bare = [line for line, after in zip(lines, lines[1:]) if line.startswith(".It Ic ") and after.startswith(".")]
    assert not bare
    text = text_of(installed / LAYOUT[2])
    assert re.search(r"tls\.certificates\n.*\n +Example:\n +- certificate: \S+\n +key: \S+\n +ocsp: \S+\n", text), text


def complete_bash(words, env):
    """What bash offers for the last word."""
    script = f"""source {COMPLETIONS / 'jobgate.bash'}
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _jobgate; printf '%s\\n' "${{COMPREPLY[@]}}\""""
    done = subprocess.run(["bash", "-c", script, "bash", *words], env=env, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.split()


def complete_fish(words, env):
    script = f"source {COMPLETIONS / 'jobgate.fish'}; complete -C \"{' '.join(words)}\""
    done = subprocess.run(["fish", "--no-config", "-c", script], env=env, capture_output=True, text=True, check=True)
    return [line.split("\t")[0] for line in done.stdout.splitlines()]


SHELLS = {"bash": complete_bash, "fish": complete_fish}


@pytest.fixture
def shell_environment(sanitizer, make_folder):
    folder = make_folder("home")
    return environment(sanitizer, HOME=folder, XDG_CONFIG_HOME=folder, XDG_DATA_HOME=folder, TERM="dumb",
                       PATH=f"{pathlib.Path(binary()).parent}:/usr/bin:/bin")


@pytest.mark.parametrize("shell", SHELLS)
def test_completions_have_every_command(shell, shell_environment, commands):
    complete = SHELLS[shell]
    for command, options in commands.items():
        words = ["jobgate", *command.split()]
        further = [other.split()[-1] for other in commands if other.split()[:-1] == command.split() and other]
        if further:
            offered = complete([*words, ""], shell_environment)
            assert set(further) <= set(offered), command
        if command in ("", "token", "job"):
            continue
        words += ["verify"] if command == "store" else []
        offered = complete([*words, "-"], shell_environment) + complete([*words, "--"], shell_environment)
        missing = [option for option in options if option not in offered]
        assert not missing, f"{command}: {missing}"


@pytest.mark.parametrize("shell", SHELLS)
def test_completions_know_values(shell, shell_environment, gateway):
    complete = SHELLS[shell]
    assert set(complete(["jobgate", "token", "list", "-o", ""], shell_environment)) >= {"json", "yaml", "description"}
    assert set(complete(["jobgate", "token", "create", "--role", ""], shell_environment)) >= {"read", "operator"}
    name = gateway.cli("job", "create", "-o", "json").json()["id"]
    env = {**shell_environment, "JOBGATE_URL": f"unix:{gateway.socket_path}"}
    assert name in complete(["jobgate", "job", "delete", name[:6]], env)
    assert name in complete(["jobgate", "authorize", "--job", ""], env)


def test_zsh(commands):
    """zsh's completion needs a terminal to be asked; its text has to be valid and to have every word."""
    path = COMPLETIONS / "_jobgate"
    assert subprocess.run(["zsh", "-n", path], capture_output=True, text=True).stderr == ""
    text = path.read_text()
    for command, options in commands.items():
        for word in [*command.split(), *options]:
            assert re.search(rf"(?<![\w-]){word}(?![\w-])", text), f"{command}: {word}"
