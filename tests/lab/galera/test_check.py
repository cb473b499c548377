# SPDX-License-Identifier: Apache-2.0
"""galera-check as its users start it, in front of a real server and behind a real HAProxy, xinetd and curl."""

import json
import os
import shutil
import signal
import socket
import subprocess

import pytest

from lab.demo.alone_node import PROVIDER, SERVER, Alone, until
from tests import ROOT

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or SERVER is None or PROVIDER is None,
    reason="needs root, a MariaDB server and the Galera provider; scripts/test installs them")

CHECK = os.path.join(ROOT, "checks", "galera-check")
XINETD = shutil.which("xinetd", path="/usr/sbin:/usr/bin")
HAPROXY = shutil.which("haproxy", path="/usr/sbin:/usr/bin")
HEAD = b"HTTP/1.1 "
HAPROXY_CONFIG = """\
global
    stats socket {home}/haproxy.sock mode 600 level admin
defaults
    mode tcp
    timeout connect 2s
    timeout client 10s
    timeout server 10s
    timeout check 2s
listen galera
    bind 127.0.0.1:{port}
    option httpchk GET /
    http-check disable-on-404
    server n1 127.0.0.1:{database} check port {check} inter 100ms fall 2 rise 2 on-marked-down shutdown-sessions
"""


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    home = tmp_path_factory.mktemp("check")
    for directory in (home, home.parent, home.parent.parent):
        os.chmod(directory, 0o755)  # the server's user has to get through
    node = Alone(home, port=24306)
    try:
        node.up()
        yield node
    finally:
        node.end()


class Check:
    """A galera-check that was started by hand."""

    def __init__(self, process, port, words):
        self.process, self.port, self.words = process, port, words

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), 20)

    def ask(self, path="/", method="GET"):
        """(status, head, body) by a connection of its own."""
        with self.connect() as one:
            one.sendall(("%s %s HTTP/1.0\r\n\r\n" % (method, path)).encode())
            return take_apart(read_all(one))

    def says(self, status, path="/"):
        until(lambda: self.ask(path)[0] == status)
        return self.ask(path)[2]

    def once(self, *words):
        return run(*(list(words) + self.words))


def run(*words, **more):
    return subprocess.run([CHECK] + list(words), stdin=more.pop("stdin", subprocess.DEVNULL), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, universal_newlines=True, timeout=30, **more)


def read_all(one):
    data = b""
    while True:
        got = one.recv(65536)
        if not got:
            return data
        data += got


def take_apart(data):
    head, _, body = data.partition(b"\r\n\r\n")
    assert head.startswith(HEAD), data
    return int(head.split()[1]), head.decode(), body


def length(head):
    return int(next(line.partition(":")[2] for line in head.split("\r\n")
                    if line.lower().startswith("content-length:")))


@pytest.fixture
def words(database, tmp_path):
    return ["--socket=" + database.path("run", "my.sock"), "--settings=/nonexistent",
            "--drain-directory=" + str(tmp_path / "drain")]


def end(process):
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise


def answers(port):
    try:
        with socket.create_connection(("127.0.0.1", port), 5):
            return True
    except OSError:
        return False


@pytest.fixture
def check(words):
    port, agent = free_port(), free_port()
    process = subprocess.Popen([CHECK, "--listen", "127.0.0.1:%d" % port, "--agent", "127.0.0.1:%d" % agent] + words,
                               stdin=subprocess.DEVNULL)
    check = Check(process, port, words)
    check.agent = agent
    try:
        until(lambda: answers(port))
        check.says(200)
        yield check
    finally:
        end(process)


@pytest.fixture
def frozen(database):
    """A function that stops the server by a signal; it goes on after the test."""
    pids = []

    def freeze():
        pids.append(database.kill(signal.SIGSTOP))

    def thaw():
        while pids:
            os.kill(pids.pop(), signal.SIGCONT)

    freeze.thaw = thaw
    yield freeze
    thaw()


def agent_line(check):
    with socket.create_connection(("127.0.0.1", check.agent), 20) as one:
        return read_all(one)


# HTTP

def test_lengths_are_exact(check):
    status, head, body = check.ask()
    assert (200, len(body)) == (status, length(head))
    assert b"synced" in body
    assert (200, length(head), b"") == (check.ask(method="HEAD")[0], length(check.ask(method="HEAD")[1]),
                                        check.ask(method="HEAD")[2])
    status, head, body = check.ask("*", "OPTIONS")
    assert (200, len(body)) == (status, length(head))
    assert 405 == check.ask(method="POST")[0]
    assert 404 == check.ask("/nonsense")[0]


def test_curl_keeps_its_connection(check):
    url = "http://127.0.0.1:%d/" % check.port
    done = subprocess.run(["curl", "-sS", "-o", "/dev/null", "-o", "/dev/null", "-w", "%{http_code} %{num_connects}\n",
                           url, url],
                          stdout=subprocess.PIPE, universal_newlines=True, timeout=30)
    assert "200 1\n200 0\n" == done.stdout


def test_silent_and_half_clients_delay_nobody(check):
    idle = [check.connect() for _ in range(200)]
    try:
        for one in idle[::2]:
            one.sendall(b"GET / HT")
        assert 200 == check.ask()[0]
        assert b"" == idle[0].recv(100)  # given up by the server, after a while
        assert b"" == idle[1].recv(100)
    finally:
        for one in idle:
            one.close()


def test_a_megabyte_gets_a_clear_answer(check):
    with check.connect() as one:
        try:
            one.sendall(b"GET /" + b"x" * (1 << 20) + b" HTTP/1.0\r\n\r\n")
        except OSError:
            pass  # the check may answer before the whole request is sent
        assert 414 == take_apart(read_all(one))[0]
    assert 200 == check.ask()[0]


def test_two_requests_in_one_piece_get_two_answers(check):
    with check.connect() as one:
        one.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /live HTTP/1.1\r\nConnection: close\r\n\r\n")
        assert 2 == read_all(one).count(HEAD + b"200")


# The state of the server

def test_frozen_server_is_503_with_a_reason_and_comes_back(check, frozen):
    frozen()
    assert b"not answer" in check.says(503)
    for path in ("/", "/writer", "/reader", "/live"):
        assert 503 == check.ask(path)[0]
    assert 200 == check.ask("/status")[0] == check.ask("/metrics")[0]
    assert agent_line(check).startswith(b"down")
    frozen.thaw()
    check.says(200)


def test_roles_metrics_and_status(check):
    assert [200] * 3 == [check.ask(path)[0] for path in ("/reader", "/read-only", "/live")]
    metrics = check.ask("/metrics")[2].decode()
    assert "quorate_galera_fit 1\n" in metrics and 'state="synced"' in metrics
    found = json.loads(check.ask("/status")[2].decode())
    assert (True, "synced", 4) == (found["ok"], found["code"], found["server"]["local_state"])


def test_drain_and_undrain(check, tmp_path):
    directory = "--drain-directory=%s" % (tmp_path / "drain")
    assert 0 == run("drain", directory, "kernel", "update", preexec_fn=lambda: os.umask(0o077)).returncode
    assert 0o755 == os.stat(tmp_path / "drain").st_mode & 0o777  # whatever the umask: the check is not root
    assert b"kernel update" in check.says(404)
    assert 404 == check.ask("/reader")[0]
    assert 200 == check.ask("/live")[0]
    assert b"drain\n" == agent_line(check)
    assert 0 == run("undrain", directory).returncode
    check.says(200)
    assert b"up ready 100%\n" == agent_line(check)


def test_one_alone_is_the_writer_and_keeps_its_sessions_while_it_drains(check, tmp_path, words):
    check.says(200, "/writer")
    said = json.loads(check.ask("/status")[2].decode())["writer"]
    assert (True, "holds") == (said["fit"], said["state"])
    assert 0 == check.once("--role=/writer", "--checks-port=%d" % check.port).returncode
    assert 0 == run("drain", "--drain-directory=%s" % (tmp_path / "drain")).returncode
    assert b"Draining" in check.says(404, "/writer")


def test_one_check_does_not_decide_who_is_the_writer(words):
    done = run(*words, "--role=/writer", "--checks-port=1")
    assert 1 == done.returncode and "resident checks" in done.stdout


def test_a_flag_that_others_could_have_made_does_not_count(check, tmp_path):
    (tmp_path / "drain").mkdir(mode=0o755)
    (tmp_path / "drain" / "somebody").write_text("me")
    check.says(404)
    os.chown(tmp_path / "drain" / "somebody", 65534, 65534)
    check.says(200)


def test_desynced_node_by_policy(check, database):
    check.says(200, "/writer")
    try:
        sql(database, "SET GLOBAL wsrep_desync=ON")
        assert b"desync" in check.says(503)
        assert 200 == check.ask("/writer")[0]  # a backup does not move the writer
        assert 1 == check.once().returncode
        assert 0 == check.once("--donor", "yes").returncode
    finally:
        sql(database, "SET GLOBAL wsrep_desync=OFF")
    check.says(200)


def sql(database, text):
    subprocess.run(["mariadb", "--no-defaults", "-S", database.path("run", "my.sock"), "-e", text], check=True,
                   timeout=30)


# As a command

def test_one_check_on_the_command_line(words, frozen):
    done = run(*words)
    assert (0, "Galera cluster node is synced.\n", "") == (done.returncode, done.stdout, done.stderr)
    assert json.loads(run("--json", *words).stdout)["ok"] is True
    frozen()
    done = run(*words)
    assert (1, "The database server does not answer.\n") == (done.returncode, done.stdout)


@pytest.mark.parametrize("extra, code, text", [
    (["--no-such-option"], 2, "unknown option"),
    (["--role", "/nonsense"], 2, "no role"),
    (["--donor", "perhaps"], 2, "perhaps"),
    (["--defaults-file", "/nonexistent/cnf"], 1, "cannot be read"),
    (["--socket", "/nonexistent/sock"], 1, "accepts no connection"),
    (["nobody", "wrong-secret"], 1, "refuses the credentials"),
])
def test_an_error_is_a_message_and_an_exit_code(words, extra, code, text):
    done = run(*(words + extra))
    assert code == done.returncode
    assert text in done.stdout + done.stderr
    assert "wrong-secret" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_defaults_file_that_everybody_can_read_is_refused(words, tmp_path):
    path = tmp_path / "my.cnf"
    path.write_text("[client]\nuser=root\n")
    os.chmod(path, 0o644)
    done = run("--defaults-file", str(path), *words)
    assert (1, True) == (done.returncode, "chmod 600" in done.stdout)
    os.chmod(path, 0o600)
    assert 0 == run("--defaults-file", str(path), *words).returncode


def test_settings_of_clustercheck_are_never_executed(words, tmp_path):
    settings, proof = tmp_path / "clustercheck", tmp_path / "executed"
    settings.write_text("MYSQL_USERNAME=\"$(touch %s)\"\ntouch %s\nERR_FILE=`touch %s`\n" % (proof, proof, proof))
    done = run(*(words + ["--settings", str(settings)]))
    assert 1 == done.returncode
    assert "not executed" in done.stdout
    for line, code in (("ERR_FILE='`touch %s`'", 0), ("touch %s", 1), ("ERR_FILE=$(touch %s)", 0),
                       ("MYSQL_PASSWORD=$(touch %s)", 1)):
        settings.write_text(("MYSQL_USERNAME='root'  # `touch %s`\n" + line + "\n") % (proof, proof))
        assert code == run(*(words + ["--settings", str(settings)])).returncode, line
    assert not proof.exists()


def test_under_sshd_the_standard_input_is_a_socket_too(words):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert "Galera cluster node is synced.\n" == run(*words, stdin=theirs).stdout


# Sockets that are passed in

@pytest.fixture
def listener():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen(16)
        yield one


def test_inetd_answers_its_connection_and_succeeds(words, listener):
    with socket.create_connection(listener.getsockname(), 20) as client:
        one, _ = listener.accept()
        with one:
            process = subprocess.Popen([CHECK] + words, stdin=one, stdout=one, stderr=one)
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        status, head, body = take_apart(read_all(client))
    assert (200, len(body), 0) == (status, length(head), process.wait(20))


@pytest.mark.parametrize("sent", [b"", b"GET / HT"])
def test_inetd_with_a_silent_client_ends_by_itself(words, listener, sent):
    with socket.create_connection(listener.getsockname(), 20) as client:
        one, _ = listener.accept()
        with one:
            process = subprocess.Popen([CHECK] + words, stdin=one, stdout=one, stderr=one)
        client.sendall(sent)
        assert 0 == process.wait(20)


def test_listening_standard_input_as_xinetd_gives_it(words, listener):
    process = subprocess.Popen([CHECK] + words, stdin=listener, stdout=listener, stderr=listener)
    try:
        check = Check(process, listener.getsockname()[1], words)
        assert b"synced" in check.says(200)
        assert {"/dev/null"} == {os.readlink("/proc/%d/fd/%d" % (process.pid, number)) for number in (0, 1, 2)}
    finally:
        end(process)
    assert 0 == process.returncode


def test_listen_fds_ready_watchdog_and_status(words, listener, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        process = subprocess.Popen(
            ["/bin/bash", "-c", 'exec 3<&%d; LISTEN_PID=$$ exec "$@"' % listener.fileno(), "sh", CHECK] + words,
            pass_fds=[listener.fileno()], stdin=subprocess.DEVNULL,
            env={"PATH": "/usr/bin:/bin", "LISTEN_FDS": "1", "NOTIFY_SOCKET": str(tmp_path / "notify")})
        try:
            assert b"READY=1" == manager.recv(1000)
            assert b"WATCHDOG=1\nSTATUS=Galera cluster node is synced." == manager.recv(1000)
            assert b"WATCHDOG=1" == manager.recv(1000)
            assert 200 == Check(process, listener.getsockname()[1], words).ask()[0]
        finally:
            end(process)


@pytest.mark.skipif(XINETD is None, reason="xinetd is not installed: apt-get install xinetd")
@pytest.mark.parametrize("wait", ["yes", "no"])
def test_real_xinetd(words, tmp_path, wait):
    port, text = free_port(), open(os.path.join(ROOT, "xinetd", "quorate-galera-check"), encoding="ascii").read()
    for old, new in (("disable         = yes", "disable = no"), ("= 9200", "= %d\n    bind = 127.0.0.1" % port),
                     ("wait            = yes", "wait = " + wait), ("user            = mysql", "user = root"),
                     ("/usr/bin/galera-check", "%s\n    server_args = %s" % (CHECK, " ".join(words)))):
        assert old in text
        text = text.replace(old, new)
    config = tmp_path / "xinetd.conf"
    config.write_text("defaults\n{\n}\n" + text)
    process = subprocess.Popen([XINETD, "-dontfork", "-f", str(config), "-pidfile", str(tmp_path / "pid")],
                               stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: answers(port))
        check = Check(process, port, words)
        for _ in range(3):
            assert b"synced" in check.says(200)
    finally:
        children = open("/proc/%d/task/%d/children" % (process.pid, process.pid)).read().split()
        end(process)
        for child in children:  # the resident one survives its xinetd
            try:
                os.kill(int(child), signal.SIGTERM)
            except ProcessLookupError:
                pass


# HAProxy

@pytest.mark.skipif(HAPROXY is None, reason="HAProxy is not installed: apt-get install haproxy")
def test_real_haproxy_sees_up_down_and_drain(check, database, frozen, tmp_path):
    config = tmp_path / "haproxy.cfg"
    config.write_text(HAPROXY_CONFIG.format(home=tmp_path, port=free_port(), database=24306, check=check.port))
    process = subprocess.Popen([HAPROXY, "-db", "-f", str(config)], stdin=subprocess.DEVNULL)
    directory = "--drain-directory=%s" % (tmp_path / "drain")

    def state():
        with socket.socket(socket.AF_UNIX) as one:
            one.connect(str(tmp_path / "haproxy.sock"))
            one.sendall(b"show stat\n")
            lines = read_all(one).decode().lstrip("# ").splitlines()
        rows = [dict(zip(lines[0].split(","), line.split(","))) for line in lines[1:]]
        row = next(row for row in rows if row["svname"] == "n1")
        return row["status"], row["check_status"]

    try:
        until(lambda: os.path.exists(str(tmp_path / "haproxy.sock")))
        until(lambda: state() == ("UP", "L7OK"))
        frozen()
        until(lambda: state()[0].startswith("DOWN"))
        assert "L7STS" == state()[1]
        frozen.thaw()
        until(lambda: state() == ("UP", "L7OK"))
        assert 0 == run("drain", directory).returncode
        until(lambda: state()[0] in ("NOLB", "DRAIN"))
        assert 0 == run("undrain", directory).returncode
        until(lambda: state() == ("UP", "L7OK"))
    finally:
        end(process)
