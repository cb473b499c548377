# SPDX-License-Identifier: Apache-2.0
"""Real RabbitMQ brokers on the loopback, as nodes of their own: own ports, own epmd, own cookie, everything below one
directory; nothing of the machine's RabbitMQ is touched. And a rabbitmq-check beside one."""

import os
import shutil
import signal
import subprocess
import time

from bench.one_server import exchange, free_port, until
from quorate.host import amqp
from tests import ROOT

CHECK = os.path.join(ROOT, "checks", "rabbitmq-check")
SCRIPTS = ("/usr/lib/rabbitmq/bin", "/opt/rabbitmq/sbin")
CONFIG = """\
listeners.tcp.default = 127.0.0.1:{amqp}
management.tcp.ip = 127.0.0.1
management.tcp.port = {management}
loopback_users = none
cluster_partition_handling = {partitions}
log.file.level = info
"""
EVERYTHING, NOTHING = "'.*'", "'^$'"


def scripts():
    """Where rabbitmq-server and rabbitmqctl are, without the wrapper that becomes the user rabbitmq; None."""
    return next((path for path in SCRIPTS if os.path.exists(os.path.join(path, "rabbitmq-server"))), None)


def missing():
    """Why there can be no broker here, in a sentence; None when there can."""
    return None if scripts() and shutil.which("epmd") else "RabbitMQ is not installed: apt-get install rabbitmq-server"


class Epmd:
    """A port mapper for these brokers only."""

    def __init__(self):
        self.port, self.process = free_port(), None
        self.start()

    def start(self):
        self.process = subprocess.Popen(["epmd", "-port", str(self.port), "-address", "127.0.0.1"],
                                        stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self):
        self.process.kill()
        self.process.wait()


class Broker:
    """One broker. `home` is made by the caller."""

    def __init__(self, home, name, epmd, partitions="pause_minority", management=True):
        self.home, self.epmd, self.node = os.path.join(str(home), name), epmd, "%s@localhost" % name
        self.amqp, self.management, self.process = free_port(), free_port(), None
        for directory in ("", "log", "mnesia", "home"):
            os.mkdir(os.path.join(self.home, directory), 0o700)
        self._write("home/.erlang.cookie", "TESTOFQUORATE", 0o400)
        self._write("rabbitmq.conf", CONFIG.format(amqp=self.amqp, management=self.management, partitions=partitions))
        self._write("enabled", "[rabbitmq_management]." if management else "[].")
        self.credentials = self._write("check.cnf", "[client]\nuser = guest\npassword = guest\n", 0o600)
        self.log = os.path.join(self.home, "log", self.node + ".log")
        self.environment = dict(
            PATH="/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL="C.UTF-8", HOME=os.path.join(self.home, "home"),
            ERL_EPMD_PORT=str(epmd.port), ERL_EPMD_ADDRESS="127.0.0.1", RABBITMQ_NODENAME=self.node,
            RABBITMQ_DIST_PORT=str(free_port()), RABBITMQ_MNESIA_BASE=os.path.join(self.home, "mnesia"),
            RABBITMQ_LOG_BASE=os.path.join(self.home, "log"),
            RABBITMQ_CONFIG_FILE=os.path.join(self.home, "rabbitmq.conf"),
            RABBITMQ_ENABLED_PLUGINS_FILE=os.path.join(self.home, "enabled"), RABBITMQ_CONF_ENV_FILE="/dev/null",
            RABBITMQ_PID_FILE=os.path.join(self.home, "pid"), RUNNING_UNDER_SYSTEMD="true")

    def _write(self, name, text, mode=0o600):
        path = os.path.join(self.home, name)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="ascii") as file:
            file.write(text)
        return path

    def launch(self):
        """Start it and do not wait."""
        with open(os.path.join(self.home, "output"), "ab") as output:
            self.process = subprocess.Popen([os.path.join(scripts(), "rabbitmq-server")], env=self.environment,
                                            cwd=self.home,
                                            stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                            start_new_session=True)

    def answers(self):
        """Whether it greets in AMQP."""
        return amqp.handshake("127.0.0.1", self.amqp, 2).answered is True

    def start(self):
        """Start it and wait until it is up."""
        self.launch()
        until(self.answers, 60, "an answer of %s" % self.node)
        self.ctl("await_startup")
        return self

    def tool(self, program, *words, timeout=60):
        """The output of a tool; it has to end with 0."""
        done = subprocess.run([os.path.join(scripts(), program), "-q"] + list(words), env=self.environment,
                              timeout=timeout,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              cwd=self.home)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def ctl(self, *words):
        return self.tool("rabbitmqctl", *words)

    def signal(self, number):
        os.kill(self.process.pid, number)

    def kill(self):
        """SIGKILL, also of a stopped one; its children end with it."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def options(self, credentials=True):
        """The options with which a check finds this broker."""
        words = ["--port", self.amqp, "--management-port", self.management, "--epmd-port", self.epmd.port, "--node",
                 self.node,
                 "--log", self.log, "--pid-file", os.path.join(self.home, "pid")]
        return [str(word) for word in words] + (["--credentials", self.credentials] if credentials else [])

    def once(self, *more, credentials=True):
        """(exit code, output) of one check on the command line."""
        done = subprocess.run([CHECK] + self.options(credentials) + list(more), stdin=subprocess.DEVNULL, timeout=20,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return done.returncode, done.stdout.strip()


class Check:
    """A resident rabbitmq-check on a port of the loopback."""

    def __init__(self, broker, *options, credentials=True):
        self.port = free_port()
        self.process = subprocess.Popen([CHECK, "--listen", "127.0.0.1:%d" % self.port] + broker.options(credentials)
                                        + list(options), stdin=subprocess.DEVNULL)
        until(lambda: self.get()[0] is not None, 15, "an answer of the check")

    def get(self, path="/", timeout=5):
        """(HTTP status, body) of a path; (None, '') without an answer."""
        answer = exchange(self.port, b"GET %s HTTP/1.0\r\n\r\n" % path.encode(), timeout)
        head, _, body = answer.partition(b"\r\n\r\n")
        return (int(head.split(b" ")[1]), body.decode().strip()) if head.startswith(b"HTTP/1.") else (None, "")

    def turns(self, status, word="", path="/", seconds=15):
        """Wait until a path answers so; the seconds that it took."""
        began = time.monotonic()
        until(lambda: self.get(path)[0] == status and word in self.get(path)[1], seconds, "%s %d %s, but %s %s" % (
            (path, status, word) + self.get(path)))
        return time.monotonic() - began

    def stop(self):
        """End it."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)
