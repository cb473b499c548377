# SPDX-License-Identifier: Apache-2.0
"""haproxy-check in front of a real HAProxy that is disabled, stopped by a signal, killed, or has no server."""

import json
import os
import shutil
import signal
import socket
import subprocess
import time

import pytest

from bench.one_server import exchange, free_port, until
from quorate.haproxy import observe
from quorate.host.process import Processes
from tests import ROOT
from tests.lab.haproxy.proxy import Proxy, missing
from tests.readable import by_others

CHECK = os.path.join(ROOT, "checks", "haproxy-check")
PROXIES = """
listen database
    mode tcp
    bind 127.0.0.1:{database}
    server n1 127.0.0.1:{live} check inter 100ms fall 1 rise 1
frontend web
    mode http
    bind 127.0.0.1:{web}
    default_backend app
backend app
    mode http
    server a 127.0.0.1:{dead} check inter 100ms fall 1 rise 1
    server b 127.0.0.1:{dead} disabled
listen page
    mode http
    bind 127.0.0.1:{page}
    stats enable
"""
pytestmark = pytest.mark.skipif(os.geteuid() != 0,
                                reason="signals processes of another user and mounts images: run as root")


@pytest.fixture(params=["here", "trixie"])
def proxy(request, tmp_path):
    """HAProxy with one server that lives and a backend without; `live` is the listening socket of that server."""
    why = missing(request.param)
    if why:
        pytest.skip(why)
    with socket.socket() as live:
        live.bind(("127.0.0.1", 0))
        live.listen(100)
        one = Proxy(tmp_path, PROXIES, request.param, live=live.getsockname()[1])
        one.live = live
        try:
            until(lambda: "app,BACKEND" in one.tell("show stat") and column(one, "app", "BACKEND") == "DOWN", 20,
                  "DOWN")
            yield one
        finally:
            one.end()


def column(proxy, name, service):
    """The status of a row."""
    rows = [line.split(",") for line in proxy.tell("show stat")[2:].splitlines() if line]
    return next(row[rows[0].index("status")] for row in rows if row[:2] == [name, service])


def check(proxy, *words, user=None):
    """(exit code, sentence)."""
    argv = [CHECK, "--socket", proxy.socket, "--pidfile", proxy.pidfile] + list(words)
    if user is not None:
        argv = ["setpriv", "--reuid=%d" % user, "--regid=%d" % user, "--clear-groups", by_others(CHECK)] + argv[1:]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=20)
    assert "" == done.stderr
    assert 1 == len(done.stdout.splitlines())
    return done.returncode, done.stdout.strip()


def test_it_serves_and_says_what_it_lacks(proxy):
    assert (0, "HAProxy serves, but has no server that is up in: app.") == check(proxy)
    assert (0, "HAProxy serves, but has no server that is up in: app.") == check(proxy, "--require", "database,web")
    found = json.loads(check(proxy, "--json")[1])
    assert ("degraded", True, ["database", "web", "page"]) == (
        found["code"], found["ok"], [each["name"] for each in found["facts"]["frontends"]])
    assert [proxy.workers()[0], False] == [found["facts"]["pid"], found["facts"]["stopping"]]


def test_named_ones_are_needed(proxy):
    assert (1, "HAProxy has no listener called nix; it has: database, web and page.") == check(proxy, "--require",
                                                                                               "nix")
    assert (1, "HAProxy has no server that is up in the backend app.") == check(proxy, "--backend", "app")
    assert 0 == check(proxy, "--backend", "database")[0]


def test_no_server_anywhere(proxy):
    proxy.live.close()
    until(lambda: column(proxy, "database", "BACKEND") == "DOWN", 10, "DOWN")

    code, sentence = check(proxy)
    assert (1, True) == (code, "no server that is up in any backend (database and app)" in sentence)


def test_a_listener_that_is_closed_and_the_command_that_opens_it(proxy):
    proxy.tell("disable frontend web")
    code, sentence = check(proxy)
    assert (1, True) == (code, "listener web is not open (PAUSED)" in sentence)
    assert 0 == check(proxy, "--require", "database")[0]

    assert "enable frontend web" in sentence
    proxy.tell("enable frontend web")
    assert 0 == check(proxy)[0]
    proxy.tell("shutdown frontend web")
    assert 1 == check(proxy)[0]


def test_a_stopped_worker_is_hung_without_waiting(proxy):
    proxy.signal(signal.SIGSTOP)
    workers = " ".join(map(str, proxy.workers()))
    assert (1, "HAProxy is stopped by a signal. To resume it: kill -CONT " + workers) == check(proxy, "--timeout", "15")
    proxy.signal(signal.SIGCONT)
    assert 0 == check(proxy)[0]


def test_a_stopped_master_alone_does_no_harm(proxy):
    """Its worker serves on."""
    os.kill(proxy.pid(), signal.SIGSTOP)
    try:
        assert 0 == check(proxy)[0]
    finally:
        os.kill(proxy.pid(), signal.SIGCONT)


def test_no_answer_for_another_reason_ends_in_time(proxy):
    """All connections for questions are taken, and clients are served: it is not hung, and must not be ended for it."""
    crowd = []
    try:
        for _ in range(12):
            one = socket.socket(socket.AF_UNIX)
            one.connect(proxy.socket)
            one.sendall(b"prompt\n")
            crowd.append(one)
        until(lambda: check(proxy, "--timeout", "0.5")[0] == 3, 10, "a crowd that takes all connections")
        assert "stats maxconn" in check(proxy, "--timeout", "0.5")[1]
        assert 3 == check(proxy, "--timeout", "0.5", "--role", "/live")[0]
    finally:
        for one in crowd:
            one.close()
    until(lambda: check(proxy)[0] == 0, 10, "an answer")


def test_one_that_hangs_awake_is_known_by_its_clients(proxy):
    """No signal stopped it, as far as can be seen, and who connects waits. (It is stopped; what says so is left
    out.)"""
    class Awake(Processes):
        def get(self, pid):
            process = Processes.get(self, pid)
            return process and process._replace(state="S")

    def observed():
        return observe.observe(observe.Stats(proxy.socket), 1.0, Awake, proxy.pidfile)

    proxy.signal(signal.SIGSTOP)
    idle = observed()
    with socket.create_connection(("127.0.0.1", proxy["database"]), 5):
        wanted = observed()
    assert [("silent", False), ("silent", True)] == [(state.error, state.clients_wait) for state in (idle, wanted)]


def test_killed_it_is_down(proxy):
    proxy.end()
    code, sentence = check(proxy)
    assert (1, True) == (code, sentence.startswith("HAProxy does not run: nothing listens"))


def test_without_rights_it_is_unknown(proxy):
    os.chmod(proxy.home, 0o755)
    for path in (os.path.dirname(proxy.home), os.path.dirname(os.path.dirname(proxy.home))):
        os.chmod(path, 0o755)
    code, sentence = check(proxy, user=65534)
    assert (3, True) == (code, "no permission to use its stats socket" in sentence
                         and "owner root, group root, mode 600" in sentence)


def test_without_a_stats_socket_it_is_unknown_while_a_process_runs(proxy):
    os.unlink(proxy.socket)
    code, sentence = check(proxy)
    assert (3, True) == (code, "there is no stats socket" in sentence and str(proxy.workers()[0]) in sentence)


def test_a_soft_stop_is_no_service(proxy):
    """A connection that stays open keeps the worker alive after it was asked to stop."""
    held = socket.create_connection(("127.0.0.1", proxy["database"]), 5)
    server_side, _ = proxy.live.accept()
    try:
        proxy.signal(signal.SIGUSR1)
        until(lambda: check(proxy)[0] != 0, 10, "not fit")
    finally:
        held.close()
        server_side.close()


def test_resident_it_answers_http(proxy):
    port = free_port()
    process = subprocess.Popen([CHECK, "--listen", "127.0.0.1:%d" % port, "--socket", proxy.socket, "--pidfile",
                                proxy.pidfile],
                               stdin=subprocess.DEVNULL)

    def says(code, path="/"):
        return exchange(port, b"GET %s HTTP/1.0\r\n\r\n" % path.encode()).startswith(b"HTTP/1.1 %d " % code)

    try:
        until(lambda: says(200), 20, "200")
        assert b'quorate_haproxy_backend_servers_up{name="database"} 1' in exchange(port,
                                                                                    b"GET /metrics HTTP/1.0\r\n\r\n")
        proxy.signal(signal.SIGSTOP)
        until(lambda: says(503), 20, "503")
        proxy.signal(signal.SIGCONT)
        until(lambda: says(200), 20, "200 again")
    finally:
        process.terminate()
        assert 0 == process.wait(20)


KEEPALIVED = shutil.which("keepalived", path="/usr/sbin:/usr/bin")


@pytest.mark.skipif(KEEPALIVED is None, reason="keepalived is not installed: apt-get install keepalived")
def test_keepalived_accepts_the_example(tmp_path):
    """With an interface of this machine, and a program that only root can change, as keepalived demands."""
    interfaces = [name for name in sorted(os.listdir("/sys/class/net")) if name != "lo"]
    if not interfaces:
        pytest.skip("keepalived takes no loopback, and this machine has no other interface")
    with open(os.path.join(ROOT, "examples", "keepalived-haproxy.conf"), encoding="ascii") as file:
        text = file.read()
    config = tmp_path / "keepalived.conf"
    config.write_text(text.replace("/usr/bin/haproxy-check", "/bin/true").replace("eth0", interfaces[0]))
    done = subprocess.run([KEEPALIVED, "-t", "-f", str(config)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True)
    assert (0, "") == (done.returncode, done.stdout)


def test_half_an_answer_and_somebody_else_are_unknown(tmp_path):
    """A stand-in, since no HAProxy does it on demand: it closes in the middle, or is another program."""
    for said, words in ((b"Name: HAProxy\nPid: 7\n\n# pxname,svname,status\nweb,FRONT", "an incomplete answer"),
                        (b"", "an incomplete answer"), (b"220 mail.example ESMTP\r\n",
                                                        "is not HAProxy's stats socket")):
        path = str(tmp_path / "stand-in")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen(1)
            process = subprocess.Popen([CHECK, "--socket", path], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                       text=True)
            one, _ = listener.accept()
            one.recv(1000)
            one.sendall(said)
            one.close()
            assert words in process.communicate(timeout=20)[0]
            assert 3 == process.returncode
        os.unlink(path)


def test_a_drip_ends_at_the_deadline(tmp_path):
    """A byte now and then for ever: the limit is for all of the answer."""
    path = str(tmp_path / "stand-in")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(1)
        process = subprocess.Popen([CHECK, "--socket", path, "--timeout", "0.5", "--pidfile", "/nonexistent"],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        one, _ = listener.accept()
        with one:
            one.recv(1000)
            end = time.monotonic() + 20
            try:
                while process.poll() is None and time.monotonic() < end:
                    one.sendall(b"x")
            except OSError:
                pass  # it has had enough
        assert 1 == process.wait(20)
        assert process.stdout.read().startswith("HAProxy hangs")
