# SPDX-License-Identifier: Apache-2.0
"""What the monitor of a healthy service and a single run of a check import of ours: it is paid every few seconds for
years.

Each runs in a fresh interpreter, with a service that is made up of a process, sockets and a stub of PyMySQL. A module
costs 0.08 ms of CPU. Version 0.1.0 loaded 28, 49, 29 and 15; its 15 took as long as today's 16, as one of them was a
parser.
"""

import contextlib
import json
import socket
import subprocess
import threading
import time

import pytest

from quorate.galera import facts
from quorate.host.process import Processes
from quorate.rabbitmq.broker.layout import Layout
from quorate.rabbitmq.facts import RUNNING
from tests import ROOT
from tests.waiting import within

MOST = {"galera": 28, "rabbitmq": 44, "nova-consoleauth": 28, "galera-check": 16}

AGENT = """
import json, sys
sys.path.insert(0, {root!r})
from quorate.host.state_files import StateFiles
StateFiles.__init__.__defaults__ = ({run!r}, {persistent!r}, None)
{stub}
from quorate.{service}.agent import main
sys.argv = [{name!r}, "monitor"]
code = main({argument})
print(json.dumps([code, sorted(name for name in sys.modules if name.partition(".")[0] == "quorate")]))
"""
CHECK = """
import io, json, sys
sys.path.insert(0, {root!r})
{stub}
from quorate.galera.check import GaleraCheck
from quorate.web.command import main
out, sys.stdout = sys.stdout, io.StringIO()
code = main(GaleraCheck, ["--socket", "/nonexistent", "--drain-directory", {run!r}])
sys.stdout = out
print(json.dumps([code, sorted(name for name in sys.modules if name.partition(".")[0] == "quorate")]))
"""
# PyMySQL with a server of Galera that is synced.
STUB = """
import types
class Cursor:
    def __enter__(self): return self
    def __exit__(self, *_): return None
    def execute(self, sql): pass
    def fetchall(self):
        return (("wsrep_local_state", "4"), ("wsrep_local_state_comment", "Synced"), ("wsrep_ready", "ON"),
                ("wsrep_cluster_status", "Primary"), ("wsrep_connected", "ON"), ("wsrep_cluster_size", "3"),
                ("read_only", "OFF"))
class Connection:
    def cursor(self): return Cursor()
    def close(self): pass
    def _force_close(self): pass
pymysql = types.ModuleType("pymysql")
pymysql.MySQLError, pymysql.connect = Exception, lambda **_: Connection()
sys.modules["pymysql"] = pymysql
"""
CLUSTER = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PCMK_service": "pacemaker-execd", "HA_LOGFACILITY": "none",
           "OCF_RESOURCE_INSTANCE": "test", "OCF_RESKEY_CRM_meta_timeout": "20000", "OCF_RESKEY_CRM_meta_on_node": "n1",
           "OCF_RESKEY_CRM_meta_interval": "10000"}


class Machine:
    """State files, processes and listeners of one made-up node; all end with the test."""

    def __init__(self, directory, stack):
        self.directory, self._stack = directory, stack

    def process(self, *argv, program="/usr/bin/python3"):
        """A child that runs as if its command line were argv. Its Process."""
        child = self._stack.enter_context(subprocess.Popen(list(argv), executable=program, stdin=subprocess.PIPE))
        self._stack.callback(child.kill)
        assert within(10, lambda: Processes().get(child.pid).argv == argv)
        return Processes().get(child.pid)

    def listener(self, answer):
        """The port of a server that gives one answer to whatever comes."""
        server = self._stack.enter_context(socket.create_server(("127.0.0.1", 0)))

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    one, _ = server.accept()
                    self._stack.callback(one.close)
                    if one.recv(100):
                        one.sendall(answer)
                        one.shutdown(socket.SHUT_WR)

        threading.Thread(target=serve, daemon=True).start()
        self._stack.callback(server.shutdown, socket.SHUT_RDWR)
        return server.getsockname()[1]

    def state(self, agent, name, **values):
        path = self.directory / "run" / (agent + "-test") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join("%s %s\n" % item for item in values.items()))

    def run(self, program, **environ):
        """(exit code, modules of ours) of a program above."""
        done = subprocess.run(["/usr/bin/python3", "-I", "-c", program], env=dict(CLUSTER, **environ), text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        assert (0, "") == (done.returncode, done.stderr)
        return json.loads(done.stdout)

    def agent(self, service, name, argument="", **parameters):
        program = AGENT.format(root=ROOT, run=str(self.directory / "run"), persistent=str(self.directory / "lib"),
                               stub=STUB, service=service, name=name, argument=argument)
        return self.run(program, **{"OCF_RESKEY_" + key: str(value) for key, value in parameters.items()})


@pytest.fixture
def machine(tmp_path):
    with contextlib.ExitStack() as stack:
        yield Machine(tmp_path, stack)


def holds(name, code, found):
    """Whether the run was one of a healthy service, and imported no more than before."""
    assert code in (0, 8)
    assert len(found) <= MOST[name], "%d modules, at most %d:\n%s" % (len(found), MOST[name], "\n".join(found))


def test_galera(machine):
    server = machine.process("mariadbd", "60", program="/bin/sleep")
    machine.state("galera", "server", pid=server.pid, start=server.start, datadir=machine.directory)
    machine.state("galera", "serving", mark="%s -" % facts.SYNCED)

    code, found = machine.agent("galera", "galera", wsrep_cluster_address="gcomm://n1,n2,n3")

    assert 8 == code
    holds("galera", code, found)


def test_rabbitmq(machine):
    amqp = machine.listener(b"\x01\0\0\0\0\0\x04\0\x0a\0\x0a\xce")
    epmd = machine.listener(b"\0\0\x11\x11name rabbit at port 25672\n")
    broker = machine.process("beam.smp", "-c", "import sys; sys.stdin.read()", "-epmd_port", str(epmd))
    directory = str(machine.directory)
    layout = Layout(server="/bin/true", nodename="rabbit@n1", base=directory, directory=directory, log=directory
                    + "/log",
                    user="root", group="root", cookie=directory + "/cookie", config="", port=amqp, tls=False,
                    version="3.10.8", home=directory,
                    listener="%d %d" % (broker.pid, broker.start))._asdict()
    machine.state("rabbitmq", "layout", **{name: "" if value in (None, False) else value for name,
                                           value in layout.items()})
    machine.state("rabbitmq", "server", pid=broker.pid, start=broker.start)
    machine.state("rabbitmq", "policy", set=1)
    machine.state("rabbitmq", "serving", mark="%s - -" % RUNNING, verified=int(time.monotonic()))

    code, found = machine.agent("rabbitmq", "rabbitmq")

    assert 0 == code
    holds("rabbitmq", code, found)


def test_openstack(machine):
    amqp = machine.listener(b"")
    config = machine.directory / "nova.conf"
    config.write_text("[DEFAULT]\ntransport_url = rabbit://nova:x@127.0.0.1:%d//\nhost = n1\n" % amqp)
    program = machine.directory / "nova-consoleauth"
    connected = machine.directory / "connected"
    program.write_text("import socket, sys\none = socket.create_connection(('127.0.0.1', %d))\nopen(%r, 'w').close()\n"
                       "sys.stdin.read()\n" % (amqp, str(connected)))
    service = machine.process("/usr/bin/python3", str(program), "--config-file", str(config))
    assert within(10, connected.exists)
    machine.state("nova-consoleauth", "service", pid=service.pid, start=service.start, workers=1, linked=1)

    def monitor():
        return machine.agent("openstack", "nova-consoleauth", "'nova-consoleauth'", config=config, binary=program)

    assert within(20, lambda: monitor()[0] == 0), monitor()
    holds("nova-consoleauth", *monitor())


def test_galera_check(machine):
    code, found = machine.run(CHECK.format(root=ROOT, run=str(machine.directory / "drain"), stub=STUB))

    assert 0 == code
    holds("galera-check", code, found)
