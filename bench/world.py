"""Everything that runs for a benchmark: store, backend, the gateway, and its peers, each pinned to its core."""

import hashlib
import json
import os
import pathlib
import random
import re
import resource
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parent.parent
BENCH = TOP / "bench"
BUILD = TOP / "build" / "release"
CHP = TOP / "build" / "chp"  # where npm puts configurable-http-proxy
TRIXIE = pathlib.Path(os.environ.get("JOBGATE_TRIXIE") or TOP / "build" / "trixie")  # where trixie.sh puts Debian 13
PROXY_CORE, LOAD_CORE = "0", "1"
TICK = os.sysconf("SC_CLK_TCK")
DOMAIN = "localhost"


def raise_descriptors():
    """A proxy needs two for each of 10,000 connections, and some more: as many as we may have, or can get as root."""
    for wanted in (65536, resource.getrlimit(resource.RLIMIT_NOFILE)[1]):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
            return wanted
        except (OSError, ValueError):
            pass
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


CONNECTIONS_MAX = (raise_descriptors() - 500) // 2  # of a proxy that has a backend's for each of its clients'

sys.path.insert(0, str(TOP / "tests" / "e2e"))
from harness.store import BASE62, ID_LETTERS, make_value  # noqa: E402  the store's format, written once for tests and here


def debian13(folder, *argv):
    """The same, for a program of Debian 13, which sees this folder at its usual path."""
    return [BENCH / "trixie.sh", "run", folder, *argv]


def has_debian13():
    return os.getuid() == 0 and (TRIXIE / "complete").exists()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_port(port, errors=None):
    for _ in range(1000):
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise SystemExit(f"nothing listens on port {port}\n{errors.read_text()[-2000:] if errors else ''}")


def die_with_parent():
    import ctypes
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def children(pid):
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(path.read_text().rsplit(")", 1)[1].split()[1]) == pid:
                found.append(int(path.parent.name))
        except (OSError, ValueError):
            pass
    return sorted(found)


def cpu_seconds(pids):
    """(user, system) of all of them."""
    user = system = 0
    for pid in pids:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        user += int(fields[11])
        system += int(fields[12])
    return user / TICK, system / TICK


def resident_bytes(pids):
    return sum(int(line.split()[1]) * 1024 for pid in pids
               for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS:"))


class Proxy:
    def __init__(self, name, port, pids, tls_port=None, h2_port=None):
        self.name, self.port, self.pids, self.tls_port = name, port, pids, tls_port
        self.port_h2 = h2_port or port  # most find out by themselves that a client begins with HTTP/2's preface


class World:
    """A folder, and what runs in it. Tokens and jobs are the same for all proxies."""

    def __init__(self, tokens=100, jobs=1, backends=None, workers=1, h2c=False, streams=False, say=lambda text: None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="jobgate-bench-"))
        self.folder.chmod(0o755)
        self.say, self.workers, self.programs, self.proxies = say, workers, [], {}
        self.backend = free_port()
        self.backends = backends or jobs  # each job has one of its own, unless said otherwise
        self.h2c = h2c  # the backend speaks HTTP/2, and is nghttpd or, for streams of gRPC, the tests' service
        if streams:
            self.start([sys.executable, TOP / "tests" / "e2e" / "harness" / "apps" / "grpc_app.py", self.backend], LOAD_CORE)
        elif h2c:
            self.start_h2c_backend()
        else:
            self.start([BUILD / "bench" / "bench_backend", self.backend, self.backends], LOAD_CORE)
        wait_port(self.backend)
        self.make_records(tokens, jobs)
        self.certificate()

    def start_h2c_backend(self):
        """Files of 64 bytes and of 1 MiB; each answer ends with the trailers of a gRPC call."""
        folder = self.folder / "files"
        folder.mkdir()
        (folder / "small").write_bytes(b"x" * 64)
        (folder / "1048576").write_bytes(b"x" * (1 << 20))
        self.start(["nghttpd", "--no-tls", "--htdocs", folder, "--trailer=grpc-status: 0", "-w", "20", "-W", "24", self.backend], LOAD_CORE)

    def start(self, argv, core, **kwargs):
        program = subprocess.Popen(["taskset", "-c", core, *map(str, argv)], stdout=subprocess.DEVNULL,
                                   stderr=open(self.folder / "errors.log", "ab"), preexec_fn=die_with_parent, **kwargs)
        self.programs.append(program)
        return program.pid

    def stop(self):
        for program in reversed(self.programs):
            program.terminate()
        for program in self.programs:
            try:
                program.wait(10)
            except subprocess.TimeoutExpired:
                program.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- what is known ----

    def make_records(self, tokens, jobs):
        """The lists of tokens and of jobs' hosts, and the maps that the peers look them up in."""
        self.say(f"making {tokens} tokens and {jobs} jobs")
        drawn = random.Random()  # not `secrets`: a million of them would take a minute
        values = [make_value("".join(drawn.choices(ID_LETTERS, k=16)), "".join(drawn.choices(BASE62, k=43))) for _ in range(tokens)]
        self.jobs = ["demo"] + [f"j{i}" for i in range(1, jobs)]
        self.token, self.tokens = values[0], values
        self.token_file, self.host_file = self.folder / "tokens.txt", self.folder / "hosts.txt"
        self.token_file.write_text("".join(f"{value}\n" for value in values))
        self.host_file.write_text("".join(f"{job}.{DOMAIN}\n" for job in self.jobs))
        (self.folder / "tokens.map").write_text("".join(f"{value} model=base\n" for value in values))
        (self.folder / "jobs.map").write_text("".join(f"{job}.{DOMAIN} model=base\n" for job in self.jobs))

    def job_url(self, i):
        return "{}://{}:{}".format("h2c" if self.h2c else "http", socket.inet_ntoa((0x7f000001 + i % self.backends).to_bytes(4, "big")), self.backend)

    def fill_store(self, socket_path):
        """All records by redis-cli --pipe: a million commands in seconds."""
        pipe = subprocess.Popen(["redis-cli", "-s", socket_path, "--pipe"], stdin=subprocess.PIPE,
                                stdout=subprocess.DEVNULL, text=True)
        for value in self.tokens:
            digest = hashlib.sha256(value.encode()).hexdigest()
            pipe.stdin.write(f"HSET jobgate:token:{value[4:20]} name bench role read selector model=base version 1 "
                             f"hash {digest} created_at 2024-01-01T00:00:00Z updated_at 2024-01-01T00:00:00Z\r\n")
        for i, job in enumerate(self.jobs):
            pipe.stdin.write(f"HSET jobgate:job:{job} url {self.job_url(i)} label:model base "
                             "created_at 2024-01-01T00:00:00Z updated_at 2024-01-01T00:00:00Z\r\n")
        pipe.stdin.close()
        if pipe.wait() != 0:
            raise SystemExit("redis-cli --pipe failed")

    def store_bytes(self, socket_path):
        out = subprocess.run(["redis-cli", "-s", socket_path, "info", "memory"], capture_output=True, text=True).stdout
        return int(re.search(r"^used_memory:(\d+)", out, re.M)[1])

    def certificate(self):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-days", "30", "-subj", "/CN=demo.localhost", "-addext", "subjectAltName=DNS:*.localhost",
                        "-keyout", self.folder / "key.pem", "-out", self.folder / "certificate.pem"],
                       check=True, capture_output=True)
        (self.folder / "key.pem").chmod(0o600)
        (self.folder / "both.pem").write_text((self.folder / "certificate.pem").read_text() + (self.folder / "key.pem").read_text())

    # ---- proxies ----

    def template(self, name, **values):
        text = (BENCH / "peers" / name).read_text()
        if self.h2c:  # the lines of a backend that speaks HTTP/2 stand beside those of one that speaks HTTP/1.1
            text = re.sub(r"^(\s*)(.*) # h1\n\s*# (.*) # h2c$", r"\1\3", text, flags=re.M)
        values = {"folder": self.folder, "backend": self.backend, "connections": CONNECTIONS_MAX, "events": 2 * CONNECTIONS_MAX, **values}
        for key, value in values.items():
            text = text.replace(f"@{key.upper()}@", str(value))
        path = values.get("own", self.folder) / name
        path.write_text(text)
        return path

    def proxy(self, name):
        """Start a proxy unless it runs already; that of Debian 13 if its name ends with -13."""
        if name not in self.proxies:
            self.say(f"starting {name}")
            if name.endswith("-13"):
                if not has_debian13():
                    raise SystemExit(f"{name}: Debian 13 is not in {TRIXIE}; make it with bench/trixie.sh, as root")
                self.proxies[name] = getattr(self, f"start_{name[:-3]}")(name)
            else:
                self.proxies[name] = getattr(self, f"start_{name}")()
        return self.proxies[name]

    def configured(self, name, program, template, **ports):
        """The command of a peer with a configuration, and with a folder of its own."""
        own = self.folder / name
        own.mkdir()
        argv = [*program, self.template(template, own=own, **ports)]
        return debian13(self.folder, *argv) if name.endswith("-13") else argv

    def started(self, name, argv, port, tls_port=None, forks=False, h2_port=None, **kwargs):
        pid = self.start(argv, PROXY_CORE, **kwargs)
        wait_port(port, self.folder / "errors.log")
        return Proxy(name, port, self.workers_of(pid) if forks else [pid], tls_port, h2_port)

    @staticmethod
    def workers_of(pid):
        """The processes of a proxy that serve; its main process may listen before they begin."""
        for _ in range(1000):
            found = children(pid)
            if found:
                time.sleep(0.1)  # all of them begin at once
                return children(pid)
            time.sleep(0.02)
        raise SystemExit(f"process {pid} has no workers")

    def start_jobgate(self, name="jobgate", workers=None, cores=PROXY_CORE, program=BUILD / "jobgate"):
        port, tls_port, folder = free_port(), free_port(), self.folder / name
        folder.mkdir()
        store = folder / "redis.sock"
        # A table that is too small makes Redis invalidate keys that did not change, and workers read them again (deploy/redis.md).
        self.start(["redis-server", "--port", "0", "--unixsocket", store, "--save", "", "--dir", folder,
                    "--tracking-table-max-keys", "0"], LOAD_CORE)
        while not store.exists():
            time.sleep(0.02)
        self.empty_store_bytes = self.store_bytes(store)
        self.say("filling the store")
        self.fill_store(store)
        self.control = folder / "control.sock"
        config = folder / "jobgate.yaml"
        config.write_text(json.dumps({
            "listen": [f"127.0.0.1:{port}", f"127.0.0.1:{tls_port} tls"], "workers": workers or self.workers,
            "tls": {"certificates": [{"certificate": str(self.folder / "certificate.pem"), "key": str(self.folder / "key.pem")}]},
            "jobs": {"domain": DOMAIN}, "store": {"url": f"unix:{store}", "cache_entries": 2000000},
            "backends": {"allow_loopback": True},
            "http2": {"clients": True},
            # The peers know no such limits.
            "limits": {"failed_auth_rate": 0, "connections_per_client": 60000, "connections": CONNECTIONS_MAX, "idle_backend_connections": CONNECTIONS_MAX},
            "control": {"socket": str(self.control)}}))
        argv = [program, "serve", "-c", config]
        if name.endswith("-13"):
            argv = debian13(self.folder, "/build/jobgate", *argv[1:])
        pid = self.start(argv, cores)
        wait_port(port)
        self.until_served(port)
        found = [p for p in children(pid) if pathlib.Path(f"/proc/{p}/comm").read_text().startswith("worker")]
        return Proxy(name, port, found, tls_port)

    def until_served(self, port):
        """Listening comes before the first worker knows the store."""
        for _ in range(1000):
            try:
                with socket.create_connection(("127.0.0.1", port)) as s:
                    s.sendall(f"GET /small HTTP/1.1\r\nHost: demo.{DOMAIN}\r\nAuthorization: Bearer {self.token}\r\n\r\n".encode())
                    if s.recv(4096)[9:12] in (b"200", b"415", b"404"):  # a service of gRPC answers such a request, too
                        time.sleep(0.3)  # the other workers, and those that end with their start
                        return
            except OSError:
                pass
            time.sleep(0.02)
        raise SystemExit("jobgate does not serve:\n" + (self.folder / "errors.log").read_text()[-2000:])

    def start_jobgate2(self):
        """Two workers, on both cores."""
        return self.start_jobgate("jobgate2", 2, f"{PROXY_CORE},{LOAD_CORE}")

    def start_before(self):
        """Another build, such as that of the commit before: does a change measure better?"""
        return self.start_jobgate("before", program=os.environ["JOBGATE_BEFORE"])

    def start_haproxy(self, name="haproxy"):
        ports = {"port": free_port(), "tls_port": free_port(), "h2_port": free_port()}
        return self.started(name, self.configured(name, ["haproxy", "-f"], "haproxy.cfg", **ports), **ports)

    def start_nginx(self, name="nginx"):
        ports = {"port": free_port(), "tls_port": free_port(), "h2_port": free_port()}
        return self.started(name, self.configured(name, ["nginx", "-c"], "nginx.conf", **ports), forks=True, **ports)

    def start_nginx_lua(self, name="nginx_lua"):
        port = free_port()
        return self.started(name, self.configured(name, ["nginx", "-c"], "nginx_lua.conf", port=port), port, forks=True)

    def start_h2o(self):
        port = free_port()
        return self.started("h2o", ["h2o", "-m", "worker", "-c", self.template("h2o.conf", port=port)], port)

    def start_nghttpx(self, name="nghttpx"):
        """Proxying only."""
        port = free_port()
        argv = ["nghttpx", "--conf=/dev/null", f"--frontend=127.0.0.1,{port};no-tls",
                f"--backend=127.0.0.1,{self.backend}" + (";;proto=h2" if self.h2c else ""),
                "--workers=1", "--accesslog-file=/dev/null", f"--errorlog-file={self.folder / name}.log"]
        return self.started(name, debian13(self.folder, *argv) if name.endswith("-13") else argv, port, forks=True)

    def start_caddy(self):
        port = free_port()
        env = dict(os.environ, HOME=str(self.folder), GOMAXPROCS="1")
        return self.started("caddy", ["caddy", "run", "--adapter", "caddyfile", "--config", self.template("Caddyfile", port=port)], port, env=env)

    def start_chp(self):
        """JupyterHub's proxy: proxying only, one default target."""
        port = free_port()
        return self.started("chp", ["node", CHP / "node_modules" / "configurable-http-proxy" / "bin" / "configurable-http-proxy",
                                    "--ip", "127.0.0.1", "--port", port, "--api-ip", "127.0.0.1", "--api-port", free_port(),
                                    "--log-level", "error", "--default-target", f"http://127.0.0.1:{self.backend}"], port)

    def start_relay(self):
        port = free_port()
        return self.started("relay", [BUILD / "bench" / "bench_relay", port, self.backend], port)


def unknown_token():
    """A value of the right form that is unknown: it has to be looked up and refused."""
    return make_value("0" * 16, "".join(secrets.choice("abc") for _ in range(43)))
