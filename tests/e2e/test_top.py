"""jobgate top: a live screen of the sessions, on pseudo-terminals of any size, and in tmux."""

import os
import re
import signal
import subprocess

import pytest

from harness.control import Control
from harness.gateway import environment
from harness.process import eventually
from harness.screen import Screen
from test_sessions import await_one, at, listed

ENTER, LEAVE = "\x1b[?1049h", "\x1b[?1049l"


@pytest.fixture
def local(gateway):
    return Control(gateway.socket_path)


@pytest.fixture
def screens(gateway):
    """Start `jobgate top` on a terminal of its own."""
    made = []

    def make(*words, columns=130):
        env = environment(gateway.sanitizer, JOBGATE_URL=f"unix:{gateway.socket_path}", TERM="screen")
        made.append(Screen([gateway.program_path, "top", *words], env, columns))
        return made[-1]
    yield make
    for screen in made:
        screen.popen.kill()
        screen.popen.wait()


def frame(screen, pattern):
    """The first whole frame from now on that has this text, as lines without control sequences."""
    screen.clear()
    screen.expect(r"(?s)\x1b\[H[^\x1b]*" + ".*?" + pattern + r".*?\x1b\[J")
    frames = [part for part in screen.text.split("\x1b[H")[1:] if "\x1b[J" in part]
    text = next(part for part in frames if re.search(pattern, part))
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).splitlines()


def rows_of(lines):
    return [line for line in lines[3:] if line.strip()]


def test_shows_what_runs(local, scene, screens):
    scene.arrive(path="/shown")
    await_one(local, at(scene))
    screen = screens("--job", scene.job)
    lines = frame(screen, "/shown")
    assert lines[0].startswith("1 session, 0 tunnels, 0/s; sorted by rate")
    assert lines[2].split() == ["JOB", "TOKEN", "CLIENT", "STATE", "AGE", "RATE/s", "IN", "OUT", "REQUEST"]
    [row] = rows_of(lines)
    assert row.split()[0] == scene.job[:18] and row.endswith("GET /shown") and "awaiting" in row
    # What begins later comes by itself, and what ends goes.
    other = scene.new_client()
    other.send(scene.request(path="/second"))
    scene.backend.next().read_request()
    assert len(rows_of(frame(screen, "/second"))) == 2
    local.done("DELETE", f"/v1/sessions?{at(scene)}")
    assert rows_of(frame(screen, "0 sessions")) == []
    screen.type("q")
    text, status = screen.end()
    assert status == 0 and text.rstrip().endswith(LEAVE)


def test_sorts_filters_and_pauses(local, scene, screens):
    for number, path in enumerate(["/first", "/second", "/third"]):
        client = scene.new_client()
        client.send(scene.request(path=path))
        connection = scene.backend.accept()
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * (10 ** number * 100))
        client.read_head()
        eventually(lambda wanted=number: len(listed(local, at(scene))) == wanted + 1, "the session to run")
    screen = screens("--job", scene.job, "--sort", "bytes")
    order = [re.search(r"/\w+$", row)[0] for row in rows_of(frame(screen, "/first"))]
    assert order == ["/third", "/second", "/first"]
    screen.type("s")
    lines = frame(screen, "sorted by age")
    assert [re.search(r"/\w+$", row)[0] for row in rows_of(lines)] == ["/first", "/second", "/third"]
    screen.type("/SEC")
    assert len(rows_of(frame(screen, "filter: SEC_"))) == 1
    screen.type("\r ")
    lines = frame(screen, "only SEC; paused")
    assert len(rows_of(lines)) == 1 and rows_of(lines)[0].endswith("/second")
    screen.type("/\x1b")
    assert len(rows_of(frame(screen, "by age; paused"))) == 3
    screen.type("q")
    assert screen.end()[1] == 0


@pytest.mark.parametrize("columns, rows", [(40, 10), (20, 5), (10, 2), (200, 50), (1, 1), (3000, 300)])
def test_resizes(local, scene, screens, columns, rows):
    for _ in range(8):
        client = scene.new_client()
        client.send(scene.request(path="/" + "x" * 150))
        scene.backend.accept().read_request()
    eventually(lambda: len(listed(local, at(scene))) == 8, "the sessions to run")
    screen = screens("--job", scene.job)
    assert len(rows_of(frame(screen, "8 sessions"))) == 8
    screen.resize(columns, rows)
    lines = eventually(lambda: (now := frame(screen, "8")) and max(map(len, now)) <= columns and now, "the screen to fit")
    assert len(lines) <= max(rows, 5)
    assert len(rows_of(lines)) == min(8, max(rows - 4, 1)) or columns < 10
    screen.type("q")
    assert screen.end()[1] == 0


def test_scrolls(local, scene, screens):
    for number in range(9):
        client = scene.new_client()
        client.send(scene.request(path=f"/{number}"))
        scene.backend.accept().read_request()
        eventually(lambda wanted=number: len(listed(local, at(scene))) == wanted + 1, "the session to run")
    screen = screens("--job", scene.job, "--sort", "age")
    screen.resize(100, 7)

    def shown(lines):
        return [re.search(r"/(\d)$", row)[1] for row in rows_of(lines)]
    eventually(lambda: shown(frame(screen, "9 sessions")) == ["0", "1", "2"], "the screen to be small")
    screen.type("\x1b[B")
    eventually(lambda: shown(frame(screen, "9 sessions")) == ["1", "2", "3"], "the list to scroll")
    screen.type("\x1b[6~")
    eventually(lambda: shown(frame(screen, "9 sessions")) == ["4", "5", "6"], "the list to scroll by a page")
    screen.type("\x1b[6~\x1b[6~\x1b[6~")
    eventually(lambda: shown(frame(screen, "9 sessions")) == ["6", "7", "8"], "the list to end")
    screen.type("\x1b[A\x1bOA")
    eventually(lambda: shown(frame(screen, "9 sessions")) == ["4", "5", "6"], "the list to scroll back")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_the_terminal_as_it_was(screens, number):
    screen = screens()
    screen.expect(re.escape(ENTER))
    frame(screen, "session")
    if number == signal.SIGINT:
        screen.type("\x03")
    else:
        screen.popen.send_signal(number)
    text, status = screen.end()
    assert status == -number and LEAVE in text


def test_stops_and_goes_on(gateway):
    """Ctrl-Z gives the terminal back; fg takes it again."""
    env = environment(gateway.sanitizer, JOBGATE_URL=f"unix:{gateway.socket_path}", TERM="screen")
    screen = Screen(["bash", "-mc", f"{gateway.program_path} top; echo stopped; fg; echo status $?"], env, 130)
    frame(screen, "session")
    screen.type("\x1a")
    screen.expect(re.escape(LEAVE) + r"[\s\S]*stopped\r?\n[\s\S]*" + re.escape(ENTER))
    frame(screen, "session")
    screen.type("q")
    text, _ = screen.end()
    assert text.endswith(LEAVE + "status 0\n")


def test_a_gateway_that_goes_away_is_told_on_the_screen(gateways, screens):
    gateway = gateways.start()
    screen = screens("--control-url", f"unix:{gateway.socket_path}")
    frame(screen, "0 sessions")
    gateway.stop()
    assert any("does not answer" in line for line in frame(screen, "does not answer"))
    screen.type("q")
    assert screen.end()[1] == 0


def test_what_is_refused(gateway, screens):
    assert gateway.cli("top").status == 2 and "session list" in gateway.cli("top").err
    for words in [["--sort", "x"], ["--interval", "0s"], ["--state", "x"], ["--address", "x"], ["word"]]:
        screen = screens(*words)
        text, status = screen.end()
        assert status == 2 and ENTER not in text, words
    text, status = screens("--control-url", "unix:/nonexistent.sock").end()
    assert status == 3 and ENTER not in text and "does not answer" in text


def test_in_tmux(local, scene, gateway, scratch):
    scene.arrive(path="/in-tmux")
    await_one(local, at(scene))
    server = scratch / "tmux"

    def tmux(*words):
        done = subprocess.run(["tmux", "-S", server, "-f", "/dev/null", *words], capture_output=True, text=True, timeout=60, check=True,
                              env=environment(gateway.sanitizer, TERM="xterm"))
        return done.stdout
    command = f"JOBGATE_URL=unix:{gateway.socket_path} {gateway.program_path} top --job {scene.job}; exec sleep 1000"
    tmux("new-session", "-d", "-x", "90", "-y", "20", command)
    try:
        eventually(lambda: "GET /in-tmux" in tmux("capture-pane", "-p"), "the session on the screen")
        tmux("resize-window", "-x", "60", "-y", "10")
        eventually(lambda: (lines := tmux("capture-pane", "-p").splitlines()) and lines[0].startswith("1 session") and
                   lines[3].startswith(scene.job[:18]), "the screen to fit")
        tmux("send-keys", "q")
        eventually(lambda: tmux("capture-pane", "-p").strip() == "", "the screen before")
    except AssertionError:
        raise AssertionError(tmux("capture-pane", "-p")) from None
    finally:
        tmux("kill-server")
