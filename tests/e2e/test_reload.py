"""SIGHUP and SIGUSR2: a new configuration or binary, and no client notices."""

import json
import os
import resource
import shutil
import signal
import socket
import subprocess

import pytest

from harness.gateway import Gateway, binary, environment, merge
from harness.load import Load
from harness.process import eventually, free_port
from harness.raw import Client
from harness.scene import request_bytes
from harness.store import RedisServer
from test_revocation import start_stream


def write(gateway, settings):
    gateway.config = merge(gateway.config, settings)
    gateway.config_path.write_text(json.dumps(gateway.config, indent=1))


def settled(gateway, old):
    """Only workers that were not among the old ones are left."""
    def check():
        now = set(gateway.workers())
        return now and not now & set(old)
    eventually(check, "the old workers to be gone")


def reload(gateway, settings=None):
    old = gateway.workers()
    write(gateway, settings or {})
    gateway.program.send_signal(signal.SIGHUP)
    settled(gateway, old)


def realm_of(gateway):
    with gateway.client() as client:
        return client.exchange(request_bytes("x.jobs.test")).challenge()


@pytest.fixture
def gateway(gateways):
    return gateways.start({"workers": 2})


@pytest.fixture
def served(gateway, scene_of, nginx_backend, records):
    """A request that an nginx answers with 200."""
    token, job = records.token(), records.job(nginx_backend.url)
    (nginx_backend.files / "hello").write_text("hello")
    return request_bytes(f"{job}.jobs.test", token, path="/hello")


def test_new_settings(gateway):
    assert "jobgate" in realm_of(gateway)
    reload(gateway, {"backends": {"realm": "another"}, "workers": 3})
    assert 'realm="another"' in realm_of(gateway)
    assert len(gateway.workers()) == 3
    eventually(lambda: gateway.health("/metrics")[0] == 200, "the control process to follow")
    assert sum(name.startswith("jobgate_worker_ready") for name in gateway.metrics()) == 3


@pytest.mark.parametrize("text, said", [
    ("listen: [nonsense]\n", "jobgate.yaml:1:10:"),
    ("workers: 1\nwrokers: 2\n", "jobgate.yaml:2:1:"),
    ("{", "not valid YAML"),
    ("user: nobody-else\n", "a change of user takes a restart"),
], ids=["value", "key", "syntax", "fixed"])
def test_broken_file_changes_nothing(gateway, text, said):
    workers = gateway.workers()
    gateway.config_path.write_text(text if said != "a change of user takes a restart" else json.dumps(
        merge(gateway.config, {"user": "nobody-else"})))
    gateway.program.send_signal(signal.SIGHUP)
    eventually(lambda: said in gateway.program.log(), "the mistake to be told")
    assert "the configuration in force stays" in gateway.program.log()
    assert gateway.workers() == workers
    assert gateway.client().exchange(request_bytes("x.jobs.test")).status == 401


def test_listener_that_cannot_be_had_changes_nothing(gateway):
    workers = gateway.workers()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        write(gateway, {"listen": [f"127.0.0.1:{gateway.port}", f"127.0.0.1:{taken.getsockname()[1]}"]})
        gateway.program.send_signal(signal.SIGHUP)
        eventually(lambda: "the configuration in force stays" in gateway.program.log(), "the failure to be told")
    assert gateway.workers() == workers


def never_ready(gateway):
    """A configuration whose workers wait for a store that does not exist, and so do not accept for a long time."""
    return merge(gateway.config, {"backends": {"realm": "never"},
                                  "store": {"url": f"redis://127.0.0.1:{free_port()}", "connect_timeout": "1h"}})


def break_worker(gateway, old=()):
    """Kill a worker that does not accept yet."""
    eventually(lambda: set(gateway.workers()) - set(old), "a new worker")
    os.kill((set(gateway.workers()) - set(old)).pop(), signal.SIGKILL)


def test_generation_that_does_not_come_up_is_taken_back(gateway):
    """What check cannot see, only the new workers themselves: the old ones stay, and a better file is taken."""
    workers, good = gateway.workers(), gateway.config
    path = gateway.folder / "added.sock"
    gateway.config_path.write_text(json.dumps(merge(never_ready(gateway), {
        "workers": 3, "listen": [*good["listen"], f"unix:{path}"]})))
    gateway.program.send_signal(signal.SIGHUP)
    eventually(lambda: len(gateway.workers()) == 5, "the new workers to be started")
    break_worker(gateway, workers)
    eventually(lambda: "is in force again" in gateway.program.log(), "the reload to be taken back")
    eventually(lambda: gateway.workers() == workers, "the new workers to be gone")
    assert 'realm="jobgate"' in realm_of(gateway) and not path.exists()
    assert "a new configuration is in force" not in gateway.program.log()
    # One of those that stay is started again, as ever.
    os.kill(workers[0], signal.SIGKILL)
    eventually(lambda: len(set(gateway.workers()) - {workers[0]}) == 2, "the worker to be started again")
    eventually(lambda: gateway.health("/readyz")[0] == 200, "it to be ready")
    gateway.config = good
    reload(gateway, {"backends": {"realm": "better"}})
    assert 'realm="better"' in realm_of(gateway)


UNPROVED = {"connect_timeout": "500ms", "ping_deadline": "200ms"}


def unreachable(realm="another"):
    """Settings with a store that does not exist, and a realm to know them by."""
    return {"backends": {"realm": realm}, "store": {"url": f"redis://127.0.0.1:{free_port()}", **UNPROVED}}


def test_reload_to_a_store_out_of_reach_is_taken_back(gateway, served, redis_server):
    """New workers prove their store before they accept; clients do not notice a failed reload."""
    workers, control = gateway.workers(), set(gateway.processes()) - set(gateway.workers())
    with Load(gateway.address, served) as load:
        write(gateway, unreachable())
        gateway.program.send_signal(signal.SIGHUP)
        eventually(lambda: "is in force again" in gateway.program.log(), "the reload to be taken back")
        eventually(lambda: gateway.workers() == workers, "the new workers to be gone")
        before = load.progress()
        eventually(lambda: load.progress() > before + 20, "the load to go on")
    assert load.failures == []
    assert 'realm="jobgate"' in realm_of(gateway)
    assert "store.url" in gateway.program.log() and "a new configuration is in force" not in gateway.program.log()
    assert set(gateway.processes()) - set(gateway.workers()) == control, "the control process was left alone"
    assert gateway.health("/readyz")[0] == 200
    assert gateway.cli("token", "list").status == 0
    # The next file is taken as ever.
    reload(gateway, {"backends": {"realm": "better"}, "store": {"url": redis_server.url}})
    assert 'realm="better"' in realm_of(gateway)


def test_reload_when_the_store_is_lost_anyway(gateways, make_folder):
    """When the old workers have lost their store, the new configuration takes effect, since it may fix that."""
    store = RedisServer(make_folder("lost")).start()
    gateway = gateways.start({"store": {"max_staleness": "600ms", "ping_interval": "200ms", "ping_deadline": "200ms"}},
                             store_url=store.url)
    store.kill()
    eventually(lambda: gateway.health("/readyz")[0] == 503, "the store's loss to be felt")
    reload(gateway, unreachable())
    assert "a new configuration is in force" in gateway.program.log()
    assert 'realm="another"' in realm_of(gateway)
    store.start()
    reload(gateway, {"store": {"url": store.url}})
    eventually(lambda: gateway.health("/readyz")[0] == 200, "the store to be back")
    store.stop()


def test_upgrade_to_a_store_out_of_reach(gateways, redis_server, nginx_backend, records):
    """An upgrade has no way back: the old workers keep serving until the new ones reach their store."""
    gateway = gateways.start({"workers": 2})
    token, job = records.token(), records.job(nginx_backend.url)
    (nginx_backend.files / "hello").write_text("hello")
    workers = gateway.workers()
    with Load(gateway.address, request_bytes(f"{job}.jobs.test", token, path="/hello")) as load:
        write(gateway, unreachable())
        gateway.program.send_signal(signal.SIGUSR2)
        eventually(lambda: "keep serving" in gateway.program.log(), "the old workers to stay")
        before = load.progress()
        eventually(lambda: load.progress() > before + 20, "the load to go on")
        assert set(workers) <= set(gateway.workers()) and 'realm="jobgate"' in realm_of(gateway)
        write(gateway, {"store": {"url": redis_server.url}})
        gateway.program.send_signal(signal.SIGHUP)
        settled(gateway, workers)
    assert load.failures == []
    assert 'realm="another"' in realm_of(gateway)
    eventually(lambda: gateway.health("/readyz")[0] == 200, "it to be ready")


def test_control_process_follows_the_fixed_job(gateways, records):
    """The control process describes the fixed job as the current file does."""
    job, token = records.job(), records.token()
    gateway = gateways.start({"jobs": {"domain": None, "prefix": None, "fixed": job}})

    def reason():
        return gateway.cli("authorize", "--job", job, "--value", token.value).out

    def follows(text):
        eventually(lambda: text in reason(), text)

    assert "has no URL" in reason()
    reload(gateway, {"jobs": {"fixed_url": f"http://127.0.0.1:{free_port()}"}})
    follows("may use job")
    reload(gateway, {"jobs": {"fixed_url": None}})
    follows("has no URL")


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR2], ids=["reload", "upgrade"])
def test_gateway_that_never_came_up_takes_a_better_file(gateways, number):
    """There is no way back from the first generation, but a way on."""
    gateway = gateways.make()
    good, gateway.config = gateway.config, never_ready(gateway)
    gateway.launch()
    break_worker(gateway)
    eventually(lambda: "ended by signal 9" in gateway.program.log(), "the loss to be seen")
    gateway.config = good
    write(gateway, {"backends": {"realm": "better"}})
    gateway.program.send_signal(number)
    eventually(lambda: 'realm="better"' in realm_of(gateway), "the better configuration")
    eventually(lambda: len(gateway.workers()) == 1, "the workers of the other one to be gone")


def test_listeners_come_and_go(gateway):
    other, path = free_port(), str(gateway.folder / "clients.sock")
    reload(gateway, {"listen": [f"127.0.0.1:{gateway.port}", f"127.0.0.1:{other}", f"unix:{path}"]})
    for address in [gateway.address, ("127.0.0.1", other), path]:
        with Client(address) as client:
            assert client.exchange(request_bytes("x.jobs.test")).status == 401
    reload(gateway, {"listen": [f"127.0.0.1:{other}"]})
    with Client(("127.0.0.1", other)) as client:
        assert client.exchange(request_bytes("x.jobs.test")).status == 401
    with pytest.raises(ConnectionRefusedError):
        Client(gateway.address)
    assert not os.path.exists(path)


def test_stream_goes_on(gateway, scene_of, records):
    scene = scene_of(gateway)
    client, connection, _ = start_stream(scene)
    write(gateway, {"backends": {"realm": "another"}})
    gateway.program.send_signal(signal.SIGHUP)
    eventually(lambda: "another" in realm_of(gateway) and len(gateway.workers()) > 2, "the new workers to serve")
    connection.send(b"5\r\nworld\r\n0\r\n\r\n")
    assert client.read_piece() == b"world"
    assert client.read_piece() is None
    client.close()
    eventually(lambda: len(gateway.workers()) == 2, "the old workers to end")


def test_idle_connection_brings_one_more_request(gateway, served):
    client = gateway.client()
    assert client.exchange(served).field("connection") != "close"
    gateway.program.send_signal(signal.SIGHUP)
    eventually(lambda: len(gateway.workers()) > 2, "the new workers")
    eventually(lambda: client.exchange(served).field("connection") == "close", "the old worker to say that it closes")
    client.ended()


@pytest.mark.alone
@pytest.mark.parametrize("times", [15, pytest.param(100, marks=pytest.mark.large)])
def test_no_request_fails_through_reloads(gateway, served, times):
    with Load(gateway.address, served) as load:
        for number in range(times):
            before = load.progress()
            gateway.program.send_signal(signal.SIGHUP)
            eventually(lambda: gateway.program.log().count("a new configuration is in force") > number, "the reload")
            eventually(lambda: load.progress() > before + 20, "the load to go on")
    assert load.failures == []
    eventually(lambda: len(gateway.workers()) == 2, "the old workers to end")


def test_reloads_in_quick_succession_end_in_the_last(gateway):
    for number in range(30):
        write(gateway, {"backends": {"realm": f"realm-{number}"}})
        gateway.program.send_signal(signal.SIGHUP)
    eventually(lambda: "realm-29" in realm_of(gateway), "the last configuration")
    eventually(lambda: len(gateway.workers()) == 2, "the old workers to end")


@pytest.mark.alone
@pytest.mark.parametrize("times", [5, pytest.param(20, marks=pytest.mark.large)])
def test_no_request_fails_through_upgrades(gateway, served, times):
    pid, control = gateway.program.pid, gateway.processes()
    with Load(gateway.address, served) as load:
        for _ in range(times):
            old, before = gateway.workers(), load.progress()
            gateway.program.send_signal(signal.SIGUSR2)
            settled(gateway, old)
            eventually(lambda: load.progress() > before + 20, "the load to go on")
    assert load.failures == []
    assert gateway.program.pid == pid and gateway.program.running()
    assert not set(control) & set(gateway.processes())
    eventually(lambda: gateway.cli("token", "list").status == 0, "the control API")


def test_upgrade_to_a_broken_binary_changes_nothing(gateways, make_folder):
    """A binary that does not start, or a configuration that it refuses, must not cost the gateway."""
    path = make_folder("bin") / "jobgate"
    shutil.copy(binary(), path)
    gateway = gateways.start({}, program=str(path))
    workers = gateway.workers()
    path.rename(path.with_suffix(".old"))
    path.write_text("#!/bin/sh\nexit 1\n")
    path.chmod(0o755)
    gateway.program.send_signal(signal.SIGUSR2)
    eventually(lambda: "the running binary stays" in gateway.program.log(), "the refusal")
    assert gateway.workers() == workers
    path.unlink()
    shutil.copy(binary(), path)
    gateway.program.send_signal(signal.SIGUSR2)
    settled(gateway, workers)


def test_upgrade_to_fewer_workers(gateways):
    """The new binary finds more workers than places for its own."""
    many = gateways.start({"workers": 9})
    old = many.workers()
    write(many, {"workers": 1})
    many.program.send_signal(signal.SIGUSR2)
    settled(many, old)
    assert len(many.workers()) == 1
    assert "jobgate" in realm_of(many)
    reload(many, {"workers": 2})
    assert len(many.workers()) == 2


def test_upgrade_without_descriptors_changes_nothing(gateways):
    """It fails in its middle, with listening sockets half moved: none of them is lost."""
    gateway = gateways.start({"workers": 8})
    workers, pid = gateway.workers(), gateway.program.pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    # Room for the first of the eight, above those that LISTEN_FDS takes.
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (max(map(int, os.listdir(f"/proc/{pid}/fd"))) + 2, before[1]))
    gateway.program.send_signal(signal.SIGUSR2)
    eventually(lambda: "the running binary stays" in gateway.program.log(), "the failure")
    assert gateway.workers() == workers
    resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    eventually(lambda: len(gateway.workers()) == 8 and not set(workers) & set(gateway.workers()), "other workers")
    eventually(lambda: gateway.health("/readyz")[0] == 200, "them to be ready")
    for _ in range(32):
        assert "jobgate" in realm_of(gateway)
    workers = gateway.workers()
    gateway.program.send_signal(signal.SIGUSR2)
    settled(gateway, workers)


def test_upgrade_keeps_the_private_store(gateways, make_folder):
    gateway = gateways.start({"store": {"url": None, "state_dir": str(make_folder("state"))}})
    made = gateway.cli("token", "create", "kept", "-r", "read", "-o", "json").json()
    old = gateway.workers()
    gateway.program.send_signal(signal.SIGUSR2)
    settled(gateway, old)
    eventually(lambda: gateway.cli("token", "get", made["id"]).status == 0, "the token to be there")
    assert gateway.program.log().count("another gateway") == 0


def test_stop_after_an_upgrade_ends_everything(gateway):
    gateway.program.send_signal(signal.SIGUSR2)
    settled(gateway, gateway.workers())
    family = gateway.processes()
    assert gateway.stop() == 0
    eventually(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in family), "all processes to end")


def test_crash_of_one_worker_is_not_felt_by_the_other(gateway, served):
    clients = [gateway.client() for _ in range(16)]
    for client in clients:
        assert client.exchange(served).status == 200
    victim = gateway.workers()[0]
    os.kill(victim, signal.SIGKILL)
    alive = []
    for client in clients:
        try:
            alive.append(client.exchange(served).status == 200)
        except Exception:  # noqa: BLE001 - it was the victim's
            pass
    assert alive and all(alive)
    eventually(lambda: len(gateway.workers()) == 2 and victim not in gateway.workers(), "the worker to be started again")
    for _ in range(8):
        assert gateway.client().exchange(served).status == 200


def start_as_systemd(gateway, listening, notify):
    """Run it the way systemd would: sockets from descriptor 3 on, and a socket to be told of its state."""
    env = environment(gateway.sanitizer, NOTIFY_SOCKET=notify, WATCHDOG_USEC=400000)
    fds = "".join(f"os.dup2({100 + i}, {3 + i}); " for i in range(len(listening)))
    for i, sock in enumerate(listening):
        os.dup2(sock.fileno(), 100 + i, inheritable=True)
    script = (f"import os, sys; {fds}os.environ['LISTEN_FDS'] = '{len(listening)}'; "
              "os.environ['LISTEN_PID'] = str(os.getpid()); os.execv(sys.argv[1], sys.argv[1:])")
    gateway.config_path.write_text(json.dumps(gateway.config))
    log = open(gateway.folder / "gateway.log", "ab")
    popen = subprocess.Popen(["/usr/bin/python3", "-c", script, gateway.program_path, "serve", "-c", gateway.config_path],
                             env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                             pass_fds=[100 + i for i in range(len(listening))])
    for i in range(len(listening)):
        os.close(100 + i)
    return popen


def test_as_systemd_starts_it(gateways, make_folder, redis_server):
    """Socket activation, readiness, watchdog, reload and stop, all over the protocols that systemd speaks."""
    folder = make_folder("systemd")
    gateway = Gateway(folder, gateways.sanitizer, redis_server.url, {"workers": 2})
    path = str(folder / "clients.sock")
    with socket.socket() as tcp, socket.socket(socket.AF_UNIX) as unix, \
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        tcp.bind(("127.0.0.1", 0))
        tcp.listen()
        unix.bind(path)
        unix.listen()
        notify.bind(str(folder / "notify.sock"))
        notify.settimeout(15)
        gateway.config["listen"] = [f"127.0.0.1:{tcp.getsockname()[1]}", f"unix:{path}"]
        popen = start_as_systemd(gateway, [tcp, unix], str(folder / "notify.sock"))
        try:
            def told(state):
                while state not in notify.recv(1000).decode().splitlines():
                    pass
            told("READY=1")
            told("WATCHDOG=1")
            inode = os.fstat(tcp.fileno()).st_ino
            held = {os.stat(f"/proc/{popen.pid}/fd/{fd}").st_ino for fd in os.listdir(f"/proc/{popen.pid}/fd")}
            assert inode in held
            for address in [("127.0.0.1", tcp.getsockname()[1]), path]:
                with Client(address) as client:
                    assert client.exchange(request_bytes("x.jobs.test")).status == 401
            popen.send_signal(signal.SIGHUP)
            told("RELOADING=1")
            told("READY=1")
            popen.send_signal(signal.SIGUSR2)
            told("RELOADING=1")
            told("READY=1")
            with Client(path) as client:
                assert client.exchange(request_bytes("x.jobs.test")).status == 401
        finally:
            popen.terminate()
            told("STOPPING=1")
            assert popen.wait(15) == 0
