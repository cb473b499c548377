# SPDX-License-Identifier: Apache-2.0
"""A real MariaDB with Galera (a cluster of one) on this machine, and a galera-check beside it: no Pacemaker, no lab.

Used by bench/check_bench.py and by the tests of the check.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from lab import ROOT

CHECK = os.path.join(ROOT, "checks", "galera-check")
SERVERS = ("/usr/sbin/mariadbd", "/usr/libexec/mariadbd", "/usr/sbin/mysqld")
PROVIDERS = ("/usr/lib/galera/libgalera_smm.so", "/usr/lib64/galera-4/libgalera_smm.so")
CONFIG = """\
[mariadbd]
datadir={home}/data
socket={home}/my.sock
pid-file={home}/my.pid
log-error={home}/error.log
port={port}
bind-address=127.0.0.1
innodb_buffer_pool_size=32M
innodb_log_file_size=16M
binlog_format=ROW
max_connections=20
wsrep_on=ON
wsrep_provider={provider}
wsrep_cluster_address=gcomm://
wsrep_provider_options="base_port={base};gmcast.listen_addr=tcp://127.0.0.1:{base};gcache.size=8M"
wsrep_node_address=127.0.0.1
wsrep_cluster_name=one{port}
"""


def found(paths):
    """The first path that exists, else None."""
    return next((path for path in paths if os.path.exists(path)), None)


def missing():
    """Why no server can run here, as a sentence; None when one can."""
    if not found(SERVERS) or not shutil.which("mariadb-install-db"):
        return "MariaDB is not installed: apt-get install mariadb-server"
    return None if found(PROVIDERS) else "Galera is not installed: apt-get install galera-4"


def free_port():
    """A free TCP port of the loopback."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def until(condition, seconds=30, what="it"):
    """Wait until condition() is true; its value. AssertionError after `seconds`. what: of the condition, for the
    error."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("%s did not happen within %g s" % (what, seconds))
        time.sleep(0.01)


class Server:
    """The database server. Everything of it is below `home`."""

    def __init__(self):
        self.home = tempfile.mkdtemp(prefix="quorate-one-")
        os.chmod(self.home, 0o755)
        self.port, self.socket, self.process = free_port(), os.path.join(self.home, "my.sock"), None
        self.config, self.credentials = os.path.join(self.home, "my.cnf"), os.path.join(self.home, "check.cnf")
        with open(self.config, "w", encoding="ascii") as file:
            file.write(CONFIG.format(home=self.home, port=self.port, base=free_port(), provider=found(PROVIDERS)))
        with open(os.open(self.credentials, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as file:
            file.write("[client]\nuser=root\nsocket=%s\n" % self.socket)
        self._user = ["--user=mysql"] if os.geteuid() == 0 else []
        os.mkdir(os.path.join(self.home, "data"), 0o700)
        if self._user:
            shutil.chown(self.home, "mysql", "mysql")
            shutil.chown(os.path.join(self.home, "data"), "mysql", "mysql")
        self._run(["mariadb-install-db", "--no-defaults", "--datadir=%s/data" % self.home, "--skip-test-db",
                   "--auth-root-authentication-method=normal"] + self._user)

    @staticmethod
    def _run(argv):
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True,
                              timeout=120, check=False)
        if done.returncode:
            raise RuntimeError("%s: %s" % (argv[0], done.stdout[-500:]))

    def start(self):
        """Start it and wait until it is synced."""
        self._may_bootstrap()
        self.process = subprocess.Popen([found(SERVERS), "--defaults-file=" + self.config, "--wsrep-new-cluster"]
                                        + self._user,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: self.value("wsrep_local_state_comment") == "Synced", 60, "a synced server")

    def _may_bootstrap(self):
        """Allow a bootstrap: a killed server does not know that it was alone, and would refuse it. Here it always
        was."""
        path = os.path.join(self.home, "data", "grastate.dat")
        if os.path.exists(path):
            with open(path, "r+", encoding="ascii") as file:
                text = file.read().replace("safe_to_bootstrap: 0", "safe_to_bootstrap: 1")
                file.seek(0)
                file.write(text)

    def connect(self):
        """A PyMySQL connection as root."""
        import pymysql
        return pymysql.connect(unix_socket=self.socket, user="root", autocommit=True, connect_timeout=5,
                               read_timeout=10)

    def sql(self, text):
        """The rows of one statement."""
        one = self.connect()
        try:
            with one.cursor() as cursor:
                cursor.execute(text)
                return cursor.fetchall()
        finally:
            one.close()

    def value(self, name):
        """The value of a status variable; None when there is no answer."""
        import pymysql
        try:
            return self.sql("SHOW GLOBAL STATUS LIKE '%s'" % name)[0][1]
        except (OSError, IndexError, pymysql.Error):
            return None

    def signal(self, number):
        """Signal the server's process."""
        os.kill(self.process.pid, number)

    def resume(self):
        """Continue a frozen server, start a stopped one: whatever a test has done."""
        if self.process is None:
            self.start()
        else:
            self.signal(signal.SIGCONT)

    def stop(self):
        """Kill it and wait."""
        if self.process is not None:
            self.process.kill()  # ends a stopped process as well
            self.process.wait()
            self.process = None

    def remove(self):
        """Stop it and remove its directory."""
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)


class Check:
    """A resident galera-check on a port of the loopback."""

    def __init__(self, server, *options):
        self.port = free_port()
        self.process = subprocess.Popen([CHECK, "--listen", "127.0.0.1:%d" % self.port, "--defaults-file",
                                         server.credentials,
                                         "--socket", server.socket] + list(options), stdin=subprocess.DEVNULL)
        until(lambda: self.get() is not None, 15, "an answer of the check")

    def get(self, path="/", timeout=5):
        """The HTTP status of a path; None without an answer."""
        answer = exchange(self.port, b"GET %s HTTP/1.0\r\n\r\n" % path.encode(), timeout)
        return int(answer.split(b" ")[1]) if answer.startswith(b"HTTP/1.") else None

    def stop(self):
        """End it; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


def exchange(port, data, timeout=5):
    """Send bytes and return everything up to the end; b'' when nothing listens. ConnectionResetError after a reset."""
    try:
        one = socket.create_connection(("127.0.0.1", port), timeout)
    except OSError:
        return b""
    with one:
        one.sendall(data)
        got = b""
        while True:
            more = one.recv(65536)
            if not more:
                return got
            got += more
