"""The gateway under test: `jobgate serve` with a configuration made for the test, and its command line."""

import json
import os
import pathlib
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request

from .process import PATIENCE, Program, accepts, children, eventually, free_port
from .raw import Client, Closed
from .secure import TlsClient

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
DOMAIN = "jobs.test"
PREFIX = "/jobs"


def binary():
    return os.environ.get("JOBGATE_BINARY") or str(REPOSITORY / "build" / "dev" / "jobgate")


def release_binary():
    """The build that people run, for what a sanitizer would distort."""
    program = os.environ.get("JOBGATE_RELEASE_BINARY") or str(REPOSITORY / "build" / "release" / "jobgate")
    assert os.access(program, os.X_OK), f"no {program}: cmake --preset release && cmake --build --preset release"
    return program


def merge(base, changes):
    """A copy of base with nested changes; None removes a key."""
    merged = dict(base)
    for key, value in changes.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = merge(merged[key], value)
        else:
            merged[key] = value
    return merged


class Sanitizer:
    """Collects what ASan, UBSan, LeakSanitizer and ThreadSanitizer of any gateway process write."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        self.seen = set()

    def environment(self):
        path = f"log_path={self.folder}/report"
        return {
            "ASAN_OPTIONS": f"{path}:detect_leaks=1:abort_on_error=0:exitcode=86:detect_stack_use_after_return=1",
            "UBSAN_OPTIONS": f"{path}:print_stacktrace=1",
            "LSAN_OPTIONS": "exitcode=86",
            "TSAN_OPTIONS": f"{path}:exitcode=86:second_deadlock_stack=1",
        }

    def new_reports(self):
        texts = []
        for path in sorted(self.folder.iterdir()):
            if path not in self.seen:
                self.seen.add(path)
                texts.append(path.read_text(errors="replace"))
        return texts


def environment(sanitizer, **extra):
    """What the gateway and its command line get to see of the environment: nothing of the tester's own."""
    env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", **sanitizer.environment()}
    env.update({key: str(value) for key, value in extra.items()})
    return env


# The system's bundle has hundreds of certificates. To read it takes most of the time of a start under a sanitizer, so only
# tests that are about it do (test_tls_backends.py).
NO_AUTHORITIES = {"SSL_CERT_FILE": "/dev/null", "SSL_CERT_DIR": "/dev/null"}


class CommandResult:
    def __init__(self, done):
        self.status, self.out, self.err = done.returncode, done.stdout, done.stderr

    def json(self):
        assert self.status == 0, f"exit status {self.status}: {self.err}"
        return json.loads(self.out)

    def __repr__(self):
        return f"<exit {self.status}\n{self.out}\n{self.err}>"


def run(argv, env, stdin=None):
    done = subprocess.run(
        [str(word) for word in argv], env=env, input=stdin, capture_output=True, text=True, timeout=60,
        **({} if stdin is not None else {"stdin": subprocess.DEVNULL}))
    return CommandResult(done)


class Gateway:
    live = []  # those running now, for the checks after each test
    failed_checks = []  # lines about failed CHECKs (include/jobgate/check.h) that no test has expected

    def __init__(self, folder, sanitizer, store_url, settings=None, program=None, env=None):
        self.env = env or {}
        self.folder = folder
        self.sanitizer = sanitizer
        self.program_path = program or binary()
        self.port = free_port()
        self.metrics_port = free_port()
        self.socket_path = str(folder / "control.sock")
        self.access_path = folder / "access.log"
        self.config = merge({
            "listen": [f"127.0.0.1:{self.port}"],
            "workers": 1,
            "jobs": {"domain": DOMAIN, "prefix": PREFIX},
            "store": {"url": store_url},
            # Many jobs of the tests lead to the same address, where nothing listens.
            "backends": {"allow_loopback": True, "circuit_failures": 0},
            "timeouts": {"connect": "500ms"},  # a refused connection is tried again for this long
            "control": {"socket": self.socket_path, "metrics": f"127.0.0.1:{self.metrics_port}"},
            "limits": {"failed_auth_rate": 0},  # all tests come from one address
            "log": {"level": "debug", "access": str(self.access_path)},
        }, settings or {})
        self.config_path = folder / "jobgate.yaml"
        self.program = None
        self.log_read = 0  # bytes of its log that look_for_failed_checks has seen
        self.family = []
        self.context = None  # for clients over TLS, once there is an address for them
        self.tls_port = None

    def secure(self, context, certificates, **tls):
        """Before the start: let clients come over TLS, with certificates as (certificate, key) or mappings."""
        self.context, self.tls_port = context, free_port()
        self.config["listen"] = self.config["listen"] + [f"127.0.0.1:{self.tls_port} tls"]
        self.config["tls"] = {"certificates": [
            item if isinstance(item, dict) else {"certificate": str(item[0]), "key": str(item[1])} for item in certificates], **tls}
        return self

    @property
    def address(self):
        return ("127.0.0.1", self.port)

    def launch(self):
        """Start it without waiting for anything."""
        # JSON is YAML, and leaves nothing to quoting.
        self.config_path.write_text(json.dumps(self.config, indent=1))
        self.program = Program([self.program_path, "serve", "-c", self.config_path],
                               self.folder / "gateway.log", environment(self.sanitizer, **{**NO_AUTHORITIES, **self.env}))
        Gateway.live.append(self)
        return self

    def start(self):
        self.launch()
        self.wait_ready()
        return self

    def wait_listening(self):
        def check():
            assert self.program.running(), f"the gateway ended by itself:\n{self.program.log()}"
            return accepts(*self.address)
        eventually(check, "the gateway to listen")

    def wait_ready(self):
        def check():
            assert self.program.running(), f"the gateway ended by itself:\n{self.program.log()}"
            return self.health("/readyz")[0] == 200
        eventually(check, f"the gateway to become ready; its log:\n{self.program.log()}")
        self.await_control()
        self.family = self.processes()

    def await_workers(self):
        """Wait until each worker has its connection to the control process: it makes no such call later."""
        def check():
            from .control import Control  # which needs this file
            return Control(self.socket_path).call("GET", "/v1/sessions").json["silent_workers"] == 0
        eventually(check, "the workers to be connected to the control process")

    def await_control(self):
        """Readiness is the workers' affair: wait as well until the control process has its store, if it gets it soon."""
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline:
            try:
                with Client(self.socket_path) as client:
                    client.send(b"GET /v1/tokens?limit=1 HTTP/1.1\r\nHost: x\r\n\r\n")
                    if client.read_response("GET").status == 200:
                        return
            except (OSError, AssertionError, Closed):
                pass
            time.sleep(0.005)

    def processes(self):
        return children(self.program.pid)

    def workers(self):
        """Process ids of the workers, in order of their number; of both generations during a reload."""
        found = []
        for pid in self.processes():
            try:
                title = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
                name = pathlib.Path(f"/proc/{pid}/comm").read_text()
            except OSError:
                continue
            match = re.search(r"worker[ -]?(\d+)", title) or re.search(r"worker[ -]?(\d+)", name)
            if match:
                found.append((int(match[1]), pid))
        return [pid for _, pid in sorted(found)]

    def control_process(self):
        """Its process id."""
        return next(pid for pid in self.processes() if pathlib.Path(f"/proc/{pid}/comm").read_text() == "control\n")

    def stop(self, number=signal.SIGTERM, patience=PATIENCE):
        if self in Gateway.live:
            Gateway.live.remove(self)
        status = self.program.stop(number, patience) if self.program else None
        self.look_for_failed_checks()
        return status

    def look_for_failed_checks(self):
        """In a build with JOBGATE_CHECK_COUNTS they end no process: the log alone tells."""
        path = self.folder / "gateway.log"
        if not path.exists():
            return
        with open(path, "rb") as log:
            log.seek(self.log_read)
            new = log.read()
        end = new.rfind(b"\n") + 1
        self.log_read += end
        Gateway.failed_checks += [line.decode(errors="replace") for line in new[:end].split(b"\n") if b"CHECK failed:" in line]

    def client(self, source=None):
        return self.tls_client(source=source) if self.context else Client(self.address, source)

    def tls_client(self, name=f"job.{DOMAIN}", context=None, **kwargs):
        return TlsClient(("127.0.0.1", self.tls_port), context or self.context, name, **kwargs)

    def health(self, path):
        """(status, body) of an address for monitoring; (0, "") when nothing answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def metrics(self):
        """Each sample of /metrics as {'name{labels}': value}."""
        status, text = self.health("/metrics")
        assert status == 200, text
        samples = {}
        for line in text.splitlines():
            if line and not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                samples[name] = float(value)
        return samples

    def cli(self, *words, stdin=None, **env):
        """Run `jobgate WORDS` against the control socket."""
        env = environment(self.sanitizer, **{"JOBGATE_URL": f"unix:{self.socket_path}", "NO_COLOR": "1", **env})
        return run([self.program_path, *words], env, stdin)

    def access_entries(self):
        if not self.access_path.exists():
            return []
        lines = self.access_path.read_text().split("\n")
        return [json.loads(line) for line in lines[:-1]]

    def access_entry(self, **wanted):
        """Wait for the one line of the access log that has these values."""
        def check():
            return [entry for entry in self.access_entries()
                    if all(entry.get(key) == value for key, value in wanted.items())]
        found = eventually(check, f"an access log line with {wanted}")
        assert len(found) == 1, found
        return found[0]
