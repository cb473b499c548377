# SPDX-License-Identifier: Apache-2.0
"""galera-check on a real MariaDB with Galera, behind a real HAProxy, under a real xinetd: on this machine, no
cluster."""

import json
import os
import shutil
import signal
import socket
import subprocess
import time

import pytest

from bench import check_load
from bench.check_bench import Nuisance, stat
from bench.one_server import CHECK, Check, Server, exchange, free_port, missing, until
from tests import ROOT

pytestmark = [
    pytest.mark.skipif(missing() is not None, reason=str(missing())),
    pytest.mark.skipif(os.geteuid() != 0, reason="starts a database server as its own user: run as root"),
]


@pytest.fixture(scope="module")
def server():
    one = Server()
    try:
        one.start()
        yield one
    finally:
        one.remove()


@pytest.fixture
def flags(tmp_path_factory):
    """A directory for flags of a drain, of our own: the machine's is not ours."""
    return str(tmp_path_factory.mktemp("flags") / "drain")


@pytest.fixture
def check(server, flags):
    one = Check(server, "--drain-directory", flags)
    try:
        yield one
    finally:
        server.resume()
        one.stop()


def once(server, *options):
    """(exit code, output) of one check on the command line."""
    done = subprocess.run([CHECK, "--defaults-file", server.credentials, "--socket", server.socket] + list(options),
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=20)
    return done.returncode, done.stdout


def turns(check, status, path="/"):
    until(lambda: check.get(path) == status, 10, "%s %d" % (path, status))


def test_a_synced_node_is_fit(check):
    assert [200, 200, 200, 200] == [check.get(path) for path in ("/", "/reader", "/ready", "/live")]
    turns(check, 200, "/writer")


def test_the_command_line_says_it_in_a_sentence(server):
    assert (0, "Galera cluster node is synced.\n") == once(server)
    code, text = once(server, "--json")
    assert (0, "synced") == (code, json.loads(text)["code"])
    assert 2 == once(server, "--role", "/nonsense")[0]
    assert 2 == once(server, "--nonsense")[0]


def test_nobody_there(server, tmp_path):
    code, text = once(server, "--socket", str(tmp_path / "none.sock"))
    assert 1 == code
    assert "No such file" in text
    assert 1 == len(text.splitlines())


def test_desynced_by_policy(server, check):
    server.sql("SET GLOBAL wsrep_desync=ON")
    try:
        turns(check, 503)
        assert 200 == check.get("/reader")
        assert 0 == once(server, "--donor", "yes")[0]
        assert 1 == once(server, "--donor", "no")[0]
    finally:
        server.sql("SET GLOBAL wsrep_desync=OFF")
    turns(check, 200)


def test_rejected_queries(server, check):
    server.sql("SET GLOBAL wsrep_reject_queries=ALL")
    try:
        turns(check, 503)
        assert b"wsrep_reject_queries" in exchange(check.port, b"GET / HTTP/1.0\r\n\r\n")
    finally:
        server.sql("SET GLOBAL wsrep_reject_queries=NONE")
    turns(check, 200)


def test_out_of_connections_is_not_down(server):
    """A new check gets no connection and says so; the resident check has kept its own and finds a healthy server."""
    check, crowd = Check(server), []
    try:
        with pytest.raises(Exception, match="1040"):
            for _ in range(100):
                crowd.append(server.connect())
        code, text = once(server)
        assert 1 == code
        assert "no connection left" in text
        assert 200 == check.get()
    finally:
        for one in crowd:
            one.close()
        check.stop()


def test_wrong_credentials_are_reported_and_not_shown(server, tmp_path):
    path = tmp_path / "wrong.cnf"
    path.write_text("[client]\nuser=nobody_knows\npassword=secret-word\n")
    path.chmod(0o600)

    code, text = once(server, "--defaults-file", str(path))

    assert 1 == code
    assert "refuses the credentials" in text
    assert "secret-word" not in text


def test_a_frozen_server_turns_it_to_503_and_no_request_waits(server, check):
    server.signal(signal.SIGSTOP)
    try:
        turns(check, 503)
        for path in ("/", "/writer", "/reader", "/live"):
            assert 503 == check.get(path, timeout=1)
    finally:
        server.signal(signal.SIGCONT)
    turns(check, 200)


def test_a_drain_is_404_and_ends(check, flags):
    argv = [CHECK, "drain", "--drain-directory=" + flags, "new", "disk"]
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, timeout=20)
    assert (0, "Draining: new disk\n") == (done.returncode, done.stdout)
    turns(check, 404)
    assert b"new disk" in exchange(check.port, b"GET / HTTP/1.0\r\n\r\n")

    subprocess.run([CHECK, "undrain", "--drain-directory=" + flags], check=True, stdout=subprocess.DEVNULL, timeout=20)
    turns(check, 200)


def test_only_root_drains(flags):
    argv = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", CHECK, "drain", "--drain-directory=" + flags]
    shown = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=20)

    assert 0 != shown.returncode
    assert not os.path.exists(flags)


def test_a_killed_server_is_down_and_back(server, check):
    server.stop()
    turns(check, 503)
    until(lambda: b"accepts no connection" in exchange(check.port, check_load.REQUEST), 10, "the reason")
    server.start()
    turns(check, 200)


def test_no_answer_is_lost_under_load_beside_clients_that_hold_it_up(check):
    nuisance = Nuisance(check.port)
    try:
        load = check_load.run(check.port, 50, 5000)
    finally:
        nuisance.end()
    assert (5000, 0, 0, 0, 0, 0) == load.outcomes


def test_ten_thousand_connections_harm_nothing(check):
    import resource
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 10500:
        pytest.skip("this machine allows a process only %d open files" % hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    crowd = []
    try:
        for _ in range(10000):
            crowd.append(socket.create_connection(("127.0.0.1", check.port), 10))
        assert 200 == check.get()
    finally:
        for one in crowd:
            one.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert 200 == check.get()


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed: apt-get install curl")
@pytest.mark.parametrize("options", [[], ["--http1.0"], ["--head"], ["-X", "OPTIONS"]])
def test_curl(check, options):
    done = subprocess.run(["curl", "-sS", "--max-time", "5", "-o", "/dev/null", "-w", "%{http_code}"] + options
                          + ["http://127.0.0.1:%d/" % check.port] * 2, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True)
    assert (0, "", "200") == (done.returncode, done.stderr, done.stdout[:3])


HAPROXY = """\
global
    stats socket {home}/haproxy.sock
defaults
    mode tcp
    timeout connect 2s
    timeout client 10s
    timeout server 10s
listen galera
    bind 127.0.0.1:{listen}
    option httpchk GET /
    http-check disable-on-404
    default-server check inter 200ms fastinter 100ms fall 2 rise 1 on-marked-down shutdown-sessions
    server one 127.0.0.1:{mysql} port {check} agent-check agent-port {agent} agent-inter 200ms
"""


@pytest.fixture
def haproxy(server, flags, tmp_path):
    """A real HAProxy in front; yields (check, its port, function that gives its row of the server)."""
    if not shutil.which("haproxy"):
        pytest.skip("HAProxy is not installed: apt-get install haproxy")
    agent, listen = free_port(), free_port()
    check = Check(server, "--agent", "127.0.0.1:%d" % agent, "--drain-directory", flags)
    config = tmp_path / "haproxy.cfg"
    config.write_text(HAPROXY.format(home=tmp_path, listen=listen, mysql=server.port, check=check.port, agent=agent))
    process = subprocess.Popen(["haproxy", "-db", "-f", str(config)], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    try:
        until(lambda: os.path.exists(str(tmp_path / "haproxy.sock")), 10, "HAProxy")
        yield check, listen, lambda: stat(str(tmp_path / "haproxy.sock"))
    finally:
        server.resume()
        process.kill()
        process.wait()
        check.stop()


def test_haproxy_sees_it_up_down_and_up_again(server, haproxy):
    _, _, row = haproxy
    until(lambda: (row()["check_status"], row()["status"]) == ("L7OK", "UP"), 10, "UP")
    server.signal(signal.SIGSTOP)
    until(lambda: row()["status"].startswith("DOWN"), 10, "DOWN")
    server.signal(signal.SIGCONT)
    until(lambda: row()["status"] == "UP", 10, "UP again")


def test_haproxy_drains_and_keeps_what_is_open(server, haproxy, flags):
    from quorate.host import drain
    import pymysql
    _, listen, row = haproxy
    server.sql("CREATE OR REPLACE USER app@'127.0.0.1' IDENTIFIED BY 'app'")
    until(lambda: row()["status"] == "UP", 10, "UP")

    def connect():
        return pymysql.connect(host="127.0.0.1", port=listen, user="app", password="app", connect_timeout=3,
                               read_timeout=5)

    held = connect()
    drain.set("operator", "new disk", flags)
    until(lambda: row()["status"] in ("NOLB", "DRAIN") or row()["status"].startswith("DRAIN"), 10, "no new connections")
    with pytest.raises(pymysql.Error):
        connect()
    with held.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert ((1,),) == cursor.fetchall()
    drain.clear("operator", flags)
    until(lambda: row()["status"] == "UP", 10, "UP again")
    connect().close()
    held.close()


@pytest.mark.skipif(not shutil.which("haproxy"), reason="HAProxy is not installed: apt-get install haproxy")
def test_haproxy_accepts_the_example():
    done = subprocess.run(["haproxy", "-c", "-L", "n1", "-f", os.path.join(ROOT, "examples", "haproxy-galera.cfg")],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert 0 == done.returncode, done.stdout
    assert "WARNING" not in done.stdout, done.stdout


@pytest.mark.skipif(not shutil.which("xinetd"), reason="xinetd is not installed: apt-get install xinetd")
@pytest.mark.parametrize("wait", ["yes", "no"])
def test_xinetd(server, tmp_path, wait):
    """Our own service file, with another port and program; with wait = yes one process answers everybody."""
    port, config, pidfile = free_port(), tmp_path / "xinetd.conf", tmp_path / "children"
    with open(os.path.join(ROOT, "xinetd", "quorate-galera-check"), encoding="ascii") as file:
        text = file.read()
    for name, value in (("disable", "no"), ("port", str(port)), ("wait", wait), ("user", "root"), ("server", CHECK)):
        before = next(line for line in text.splitlines() if line.split()[:2] == [name, "="])
        text = text.replace(before, "    %s = %s" % (name, value))
    text = text.replace("}", "    bind = 127.0.0.1\n    server_args = --defaults-file %s --socket %s\n}"
                        % (server.credentials, server.socket))
    config.write_text(text)
    process = subprocess.Popen(["xinetd", "-dontfork", "-f", str(config), "-pidfile", str(pidfile)],
                               stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    seen = set()
    try:
        until(lambda: exchange(port, check_load.REQUEST), 10, "an answer")
        for _ in range(20):
            seen |= children(process.pid)
            assert exchange(port, check_load.REQUEST).startswith(b"HTTP/1.1 200 OK\r\n")
        if wait == "yes":
            resident, = children(process.pid)
            assert {resident} == seen
            os.kill(resident, signal.SIGKILL)
            until(lambda: exchange(port, check_load.REQUEST), 10, "an answer after a kill")
    finally:
        left = children(process.pid)
        process.kill()
        process.wait()
        for pid in left:
            try:
                os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                pass


def children(pid):
    """The child processes of a process."""
    with open("/proc/%d/task/%d/children" % (pid, pid), encoding="ascii") as file:
        return {int(word) for word in file.read().split()}


def by_systemd(server, notify, *options):
    """galera-check started as systemd does with Accept=no: the listening socket is descriptor 3."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    port = listener.getsockname()[1]
    argv = [CHECK, "--defaults-file", server.credentials, "--socket", server.socket] + list(options)
    pid = os.fork()
    if pid == 0:
        try:
            os.dup2(listener.fileno(), 3, inheritable=True)
            environ = dict(os.environ, LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", NOTIFY_SOCKET=notify,
                           WATCHDOG_USEC="5000000")
            os.execve(CHECK, argv, environ)
        finally:
            os._exit(127)
    listener.close()
    return pid, port


def test_systemd_hands_over_a_socket_and_is_notified(server, tmp_path):
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(path)
        heard.settimeout(20)
        pid, port = by_systemd(server, path)
        try:
            words = ""
            while not ("READY=1" in words and "WATCHDOG=1" in words
                       and "STATUS=Galera cluster node is synced." in words):
                words += heard.recv(4096).decode() + "\n"
            assert exchange(port, check_load.REQUEST).startswith(b"HTTP/1.1 200 OK")
        finally:
            os.kill(pid, signal.SIGTERM)
            assert 0 == os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_inetd_with_a_silent_client_ends_in_time_and_well(server):
    """systemd's Accept=yes: a client that sends nothing must not leave a process, and never a failed unit."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as client:
        accepted, _ = listener.accept()
        with accepted:
            process = subprocess.Popen([CHECK, "--defaults-file", server.credentials, "--socket", server.socket],
                                       stdin=accepted,
                                       stdout=accepted)
        begin = time.monotonic()
        assert 0 == process.wait(30), "after %.1f s" % (time.monotonic() - begin)
        client.settimeout(5)
        assert b"" == client.recv(100)


def test_a_connection_that_was_closed_is_no_outage(server, check):
    """An operator's KILL, or a server that was restarted between two checks: every answer is 200."""
    for _ in range(3):
        for number, in server.sql("SELECT ID FROM information_schema.PROCESSLIST WHERE USER = 'root' AND ID <> CONNECTION_ID()"):
            server.sql("KILL %d" % number)
        end = time.monotonic() + 1
        while time.monotonic() < end:
            assert 200 == check.get()
