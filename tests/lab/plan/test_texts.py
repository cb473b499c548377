# SPDX-License-Identifier: Apache-2.0
"""The rendered texts, read by the programs they are for."""

import os
import shutil
import signal
import socket
import subprocess

from hypothesis import HealthCheck, given, settings
import pytest

from quorate.plan.parse import read
from quorate.plan.render import haproxy, keepalived, systemd
from tests.property.plan.plans import documents, toml
from tests.unit.plan.examples import EXAMPLES, plan_of
from tests.waiting import within

HAPROXY, KEEPALIVED = "/usr/sbin/haproxy", "/usr/sbin/keepalived"
REFUSED = ("[ALERT]", "[EMERG]", "[WARNING]")

pytestmark = pytest.mark.skipif(not os.path.exists(HAPROXY),
                                reason="HAProxy is not installed; scripts/setup test installs it")


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A file with certificate and key."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed: apt-get install openssl")
    home = tmp_path_factory.mktemp("tls")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=cloud",
                    "-keyout", str(home / "key"), "-out", str(home / "crt")], check=True, stderr=subprocess.DEVNULL)
    (home / "all.pem").write_text((home / "crt").read_text() + (home / "key").read_text())
    return str(home / "all.pem")


def errors(plan, certificate, path):
    """What `haproxy -c` reports about the text of a plan, run as the plan's first node with HAProxy."""
    plan = plan._replace(vips=tuple(vip._replace(tls=certificate if vip.tls else None) for vip in plan.vips))
    path.write_text(haproxy.render(plan))
    done = subprocess.run([HAPROXY, "-c", "-L", plan.front_nodes[0].name, "-f", str(path)], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, universal_newlines=True, check=False)
    return done.returncode, [line for line in done.stdout.splitlines() if line.startswith(REFUSED)]


@pytest.mark.parametrize("name", EXAMPLES)
def test_haproxy_accepts_each_example_without_a_warning(name, certificate, tmp_path):
    assert (0, []) == errors(plan_of(name), certificate, tmp_path / "haproxy.cfg")


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(documents())
def test_haproxy_accepts_any_plan(certificate, tmp_path, document):
    plan, problems = read(toml(document))
    assert () == problems

    assert (0, []) == errors(plan, certificate, tmp_path / "haproxy.cfg")


@pytest.mark.skipif(os.geteuid() != 0 or not os.path.exists(KEEPALIVED),
                    reason="keepalived wants to see the interfaces of its configuration, which needs root and a namespace")
def test_keepalived_accepts_the_text_of_each_endpoint(tmp_path):
    plan = plan_of("two-endpoints")
    check = tmp_path / "haproxy-check"
    for node in plan.front_nodes:
        path = tmp_path / "keepalived.conf"
        path.write_text(keepalived.render(plan, node.name).replace(keepalived.CHECK, str(check)))
        check.write_text("#!/bin/sh\n")
        check.chmod(0o755)
        own = " && ".join("ip link add {0} type veth peer name p{0} && ip address add {1}/24 dev {0} && ip link set {0} up"
                          .format(interface, node.addresses[network])
                          for network, interface in (("management", "eth0"), ("public", "eth1")))
        done = subprocess.run(["unshare", "--net", "sh", "-c", "%s && exec %s -t -f %s" % (own, KEEPALIVED, path)],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True, check=False)

        assert (0, "") == (done.returncode, done.stdout)


@pytest.mark.parametrize("name, node", [("three-controllers", "n1"), ("two-endpoints", "edge1")])
def test_the_shell_accepts_the_commands_for_systemd(name, node, tmp_path):
    path = tmp_path / "commands"
    path.write_text(systemd.render(plan_of(name), node))

    assert 0 == subprocess.run(["/bin/sh", "-n", str(path)], check=False).returncode


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="shellcheck is not installed: apt-get install shellcheck")
@pytest.mark.parametrize("name, node", [("three-controllers", "n1"), ("two-endpoints", "edge1")])
def test_shellcheck_finds_nothing_in_the_commands_for_systemd(name, node, tmp_path):
    path = tmp_path / "commands"
    path.write_text(systemd.render(plan_of(name), node))
    done = subprocess.run(["shellcheck", str(path)], stdout=subprocess.PIPE, universal_newlines=True, check=False)

    assert (0, "") == (done.returncode, done.stdout)


# -- what HAProxy does with it: the parts that are not obvious, against servers whose answers the test sets

SERVER = """
import http.server, os, sys, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            with open(sys.argv[3]) as file:
                status = int(file.read())
        except (OSError, ValueError):
            status = 200
        body = sys.argv[1].encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
server = http.server.ThreadingHTTPServer((sys.argv[2], int(sys.argv[4])), Handler)
while os.path.exists(sys.argv[3] + ".loads"):  # its port is open by now
    time.sleep(0.05)
server.serve_forever()
"""
PLAN = """
[plan]
name = "cloud"
balance = "source"
[networks.local]
cidr = "127.0.0.0/8"
[vips.front]
address = "127.77.0.10"
[nodes]
a = { roles = ["controller"], addresses = { local = "127.77.0.11" } }
b = { roles = ["controller"], addresses = { local = "127.77.0.12" } }
c = { roles = ["controller"], addresses = { local = "127.77.0.13" } }
[services]
galera_cluster = { port = %d, check_path = "/x" }
glance_api = { port = %d }
"""
VIP = "127.77.0.10"


class Front:
    """HAProxy with the text of PLAN, and a server on each node that stands for all services and their checks."""

    def __init__(self, home):
        self.home, self.processes, self.reloads = home, {}, 0
        self.ports = [_free() for _ in range(3)]
        database, images, backend = self.ports
        plan, problems = read(PLAN % (database, images))
        assert () == problems
        plan = plan._replace(services=tuple(one._replace(backend_port=backend, check_port=one.check_port and backend)
                                            for one in plan.services))
        self.nodes = {node.name: node.addresses["local"] for node in plan.nodes}
        self.socket = str(home / "admin.sock")
        text = haproxy.render(plan).replace(haproxy.SOCKETS["debian"], self.socket).replace(
            "    chroot /var/lib/haproxy\n    user haproxy\n    group haproxy\n", "").replace(
            ":%d\n" % haproxy.PEERS_PORT, ":%d\n" % _free())
        (home / "haproxy.cfg").write_text(text)

    def begin(self):
        for name in self.nodes:
            self.start(name)
        with open(str(self.home / "log"), "w") as log:
            self.processes["haproxy"] = subprocess.Popen([HAPROXY, "-W", "-L", "a", "-f",
                                                          str(self.home / "haproxy.cfg")],
                                                         stdout=log, stderr=log)
        assert within(30, lambda: self.states() == {"a": "UP", "b": "UP", "c": "UP"})

    def start(self, name, loads=False):
        """Start a server. loads: its port is open, and it does not answer until `loaded`."""
        if loads:
            (self.home / (name + ".loads")).write_text("")
        self.processes[name] = subprocess.Popen(
            ["/usr/bin/python3", "-c", SERVER, name, self.nodes[name], str(self.home / name), str(self.ports[2])],
            stderr=subprocess.DEVNULL)
        assert within(30, lambda: _answers(self.nodes[name], self.ports[2]))

    def loaded(self, name):
        """It answers from now on."""
        os.unlink(str(self.home / (name + ".loads")))

    def kill(self, name):
        self.processes[name].kill()
        self.processes[name].wait()

    def answer(self, name, status):
        """What a node answers from now on, to its check as well."""
        (self.home / name).write_text(str(status))

    def tell(self, command):
        """The lines of HAProxy's answer; [] while it cannot be asked."""
        try:
            with socket.socket(socket.AF_UNIX) as link:
                link.connect(self.socket)
                link.sendall(command.encode() + b"\n")
                return link.makefile().read().splitlines()
        except OSError:
            return []

    def states(self, proxy="galera_cluster"):
        """What HAProxy thinks of each node; {} while it cannot be asked."""
        rows = [line.split(",") for line in self.tell("show stat")]
        return {row[1]: row[17] for row in rows if row[0] == proxy and row[1] in self.nodes}

    def ask(self, port, source="127.77.1.1"):
        """(status, who answered) of a new connection."""
        with socket.create_connection((VIP, port), 10, (source, 0)) as link:
            link.sendall(b"GET /any HTTP/1.0\r\n\r\n")
            head, _, body = link.makefile("rb").read().partition(b"\r\n\r\n")
        return int(head.split()[1]), body.decode()

    def worker(self):
        """The line with the pid of the worker that answers, or None."""
        return next((line for line in self.tell("show info") if line.startswith("Pid: ")), None)

    def can_teach(self):
        """Whether its peers have told it all they know, or it has given up to ask them. Only then it teaches its
        successor. The two lowest of the flags say so (PEERS_RESYNC_FINISHED, src/peers.c)."""
        flags = [word for line in self.tell("show peers") if "id=quorate" in line for word in line.split()
                 if word.startswith("flags=")]
        return bool(flags) and int(flags[0][len("flags="):], 16) & 3 == 3

    def reload(self):
        """As `systemctl reload haproxy` does; returns as soon as the new worker answers. A master that has not yet seen
        the end of the worker before takes no signal."""
        assert within(30, lambda: (self.home / "log").read_text().count("Former worker") == self.reloads)
        before = self.worker()
        self.processes["haproxy"].send_signal(signal.SIGUSR2)
        self.reloads += 1
        assert within(30, lambda: self.worker() not in (None, before))

    def end(self):
        if "haproxy" in self.processes:
            self.processes["haproxy"].terminate()  # a master: it ends its workers
            within(10, lambda: self.processes["haproxy"].poll() is not None)
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
            process.wait()


def _free():
    with socket.socket() as link:
        link.bind(("127.77.0.10", 0))
        return link.getsockname()[1]


def _answers(address, port):
    try:
        socket.create_connection((address, port), 1).close()
        return True
    except OSError:
        return False


@pytest.fixture
def front(tmp_path):
    made = Front(tmp_path)
    try:
        made.begin()
        yield made
    finally:
        made.end()


def test_one_node_takes_the_writes_until_it_is_lost(front):
    """It keeps them when the former one returns; a node that drains gets none."""
    port = front.ports[0]
    assert (200, "a") == front.ask(port)

    front.kill("a")
    assert within(30, lambda: front.states()["a"].startswith("DOWN"))
    assert (200, "b") == front.ask(port)
    front.start("a")
    assert within(30, lambda: front.states()["a"] == "UP")
    assert [(200, "b")] * 3 == [front.ask(port) for _ in range(3)]

    front.answer("b", 404)
    assert within(30, lambda: front.states()["b"] == "NOLB")
    assert "a" == front.ask(port)[1]
    front.answer("b", 200)
    assert within(30, lambda: front.states()["b"] == "UP")
    assert [(200, "a")] * 3 == [front.ask(port) for _ in range(3)]


def test_a_reload_keeps_the_writer(front):
    """The new process learns from the old one who it is, also when that one has learnt it the same way."""
    port = front.ports[0]
    front.kill("a")
    assert within(30, lambda: front.states()["a"].startswith("DOWN"))
    assert (200, "b") == front.ask(port)
    front.start("a")
    assert within(30, lambda: front.states()["a"] == "UP")
    assert within(30, front.can_teach)

    for _ in range(2):
        front.reload()

        assert [(200, "b")] * 3 == [front.ask(port) for _ in range(3)]


def test_no_client_notices_that_an_api_was_killed(front):
    """Each client is bound to a server by its address, and is sent to another one before the check has noticed."""
    port, sources = front.ports[1], ["127.77.1.%d" % number for number in range(1, 40)]
    before = {source: front.ask(port, source) for source in sources}
    assert {"a", "b", "c"} == {who for _, who in before.values()}

    front.kill("b")
    after = {source: front.ask(port, source) for source in sources}

    assert {200} == {status for status, _ in after.values()}
    assert [] == [source for source in sources if before[source][1] != "b" and before[source] != after[source]]


def test_no_client_waits_for_an_api_that_is_started_again_at_once(front):
    """Its port is open before it answers. HAProxy notices by two requests that were refused."""
    port, sources = front.ports[1], ["127.77.1.%d" % number for number in range(1, 40)]
    assert "b" in {front.ask(port, source)[1] for source in sources}

    front.kill("b")
    assert {200} == {front.ask(port, source)[0] for source in sources}
    assert front.states("glance_api")["b"].startswith("DOWN")
    front.start("b", loads=True)
    assert {(200, "a"), (200, "c")} == {front.ask(port, source) for source in sources}

    front.loaded("b")
    assert within(30, lambda: front.states("glance_api")["b"] == "UP")
    assert "b" in {front.ask(port, source)[1] for source in sources}
