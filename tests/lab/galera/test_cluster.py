# SPDX-License-Identifier: Apache-2.0
"""ocf:quorate:galera on a real cluster: what is killed, frozen, cut off or broken recovers, or names whom it waits for.

The quick, deterministic core of scripts/faults, in the order written here, each test from a whole cluster. Clients
write to all three nodes all the time; after each test every acknowledged write must be on every node.
"""

import os
import subprocess
import threading

import pytest

from lab.faults import machine
from lab.faults.fault import wait_for
from lab.faults.galera import disable_enable, kill, power_all_evicted_off
from lab.machines import cgroups
from lab.services import galera, haproxy
from lab.services.galera_watch import primaries
from tests.lab.galera_cluster import LIMIT, assert_lost, assert_whole, serving
from tests.lab.output import eventually, power_log

LOGS = "/var/log/mysql"


@pytest.fixture(scope="module")
def world():
    """A cluster that serves, and a watch on its servers."""
    with serving("tgalera") as world:
        yield world


@pytest.fixture
def quiet(world):
    """A whole cluster before, and whole again afterwards."""
    base = world._replace(mistakes=[])
    assert_whole(base)
    yield base
    machine.undo_all(world.lab)
    world.lab.power_on()
    assert_whole(base)
    assert base.mistakes == []


@pytest.fixture
def whole(quiet, tmp_path):
    """The same with clients, and every acknowledged write is on every node in the end."""
    clients = []
    for node in quiet.lab.nodes:
        (tmp_path / node.name).mkdir()
        clients.append(galera.Client(quiet.lab, str(tmp_path / node.name), node.address, rate=10,
                                     workers=1).__enter__())
    yield quiet
    assert_whole(quiet)
    for client in clients:
        client.stop()
        assert galera.verify(quiet.lab, client.record) == {node: [] for node in quiet.nodes}


def test_sigkill_of_one(whole):
    kill(whole.lab, "n2")
    assert_lost(whole, whole.nodes)
    assert_whole(whole)


def test_sigkill_of_all(whole):
    for node in whole.nodes:
        kill(whole.lab, node)
    assert_lost(whole, whole.nodes)
    assert_whole(whole)


def test_sigstop_is_recovered_without_fencing(whole):
    """Waits for another process: woken by the agent's stop, the old one may say for a moment that it is synced."""
    before = power_log(whole.lab).count("by the cluster")
    frozen = set(machine.processes(whole.lab, "n3", "mariadbd"))
    machine.stop(whole.lab, "n3", "mariadbd")
    assert_lost(whole, ["n3"])
    assert wait_for(lambda: frozen.isdisjoint(machine.processes(whole.lab, "n3", "mariadbd")), LIMIT, 0.1)
    assert_whole(whole)
    assert power_log(whole.lab).count("by the cluster") == before


def test_disable_and_enable(whole):
    disable_enable(whole)
    assert_whole(whole)


def test_garbage_in_grastate_and_an_empty_gvwstate(whole):
    machine.kill(whole.lab, "n2", "mariadbd")
    whole.lab.check("n2", "printf '\\377\\000rubbish' >/var/lib/mysql/grastate.dat; : >/var/lib/mysql/gvwstate.dat")
    assert_lost(whole, ["n2"])
    assert_whole(whole)


@pytest.mark.parametrize("break_it, fix_it, words", [
    ("mv %s %s.away" % (LOGS, LOGS), "rm -rf %s; mv %s.away %s" % (LOGS, LOGS, LOGS), (LOGS, "missing")),
    ("chown root /var/lib/mysql", "chown mysql /var/lib/mysql", ("/var/lib/mysql belongs to uid 0",)),
    ("printf '[mysqld]\\nno_such_option=1\\n' >/etc/mysql/mariadb.conf.d/99-bad.cnf",
     "rm /etc/mysql/mariadb.conf.d/99-bad.cnf",
     ("no_such_option",)),
], ids=["no log directory", "wrong owner", "bad option"])
def test_a_broken_installation_is_named(whole, break_it, fix_it, words):
    whole.lab.check("n3", break_it)
    try:
        kill(whole.lab, "n3")
        eventually(whole.lab, "n1", ["crm_mon", "-1fr"], *words)
        assert_whole(whole, ["n1", "n2"])
    finally:
        whole.lab.check("n3", fix_it)
    whole.lab.check("n1", ["pcs", "resource", "cleanup"])
    assert_whole(whole)


ASK = """
import http.client, sys, time
while True:
    codes = []
    for host in sys.argv[1:]:
        one = http.client.HTTPConnection(host, 9200, timeout=2)
        try:
            one.request("GET", "/writer")
            codes.append("%d" % one.getresponse().status)
        except OSError:
            codes.append("-")
        one.close()
    print(" ".join(codes), flush=True)
    time.sleep(0.02)
"""


class Writers:
    """Who answers 200 for /writer, asked all the time from outside of the nodes."""

    def __init__(self, world):
        self.nodes = world.nodes
        self.answering = []  # a tuple of the names that answered 200, each time
        self.process = subprocess.Popen(world.lab.client(["/usr/bin/python3", "-c", ASK]
                                                         + [one.address for one in world.lab.nodes]),
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.answering.append(tuple(node for node, code in zip(self.nodes, line.split()) if code == "200"))

    def one(self, *others_than):
        """The writer, once there is one that is none of those."""
        def found():
            return self.answering and self.answering[-1] and self.answering[-1][0] not in others_than

        assert wait_for(found, LIMIT, 0.05), self.answering[-5:]
        return self.answering[-1][0]

    def end(self):
        self.process.kill()
        self.process.wait()


def test_one_writer_never_two_and_it_stays(quiet):
    for node in quiet.nodes:
        quiet.lab.check(node, ["systemctl", "start", haproxy.CHECK_SOCKET])
    writers = Writers(quiet)
    try:
        first = writers.one()
        kill(quiet.lab, first)
        second = writers.one(first)
        assert_lost(quiet, [first])
        assert_whole(quiet)
        came_back = len(writers.answering)
        quiet.lab.check(second, ["galera-check", "drain"])
        third = writers.one(second)
        quiet.lab.check(second, ["galera-check", "undrain"])
        kill(quiet.lab, second)
        assert_lost(quiet, [second])
        assert_whole(quiet)
        assert third == writers.one()
    finally:
        writers.end()
        for node in quiet.nodes:
            quiet.lab.run(node, ["systemctl", "stop", haproxy.CHECK_SOCKET, "quorate-galera-check.service"])
    assert max(map(len, writers.answering)) == 1
    assert came_back > 10


def test_a_stop_that_cannot_succeed_says_so_and_the_node_is_fenced(quiet):
    """A server that not even SIGKILL ends, as one that waits for a dead disk: here frozen by its control group."""
    lab = quiet.lab
    lab.check("n1", ["pcs", "resource", "update", "db", "op", "demote", "timeout=20s", "op", "stop", "timeout=20s"])
    before = power_log(quiet.lab).count("by the cluster")
    freezer = Freezer(lab, "n3")
    try:
        freezer.freeze()
        eventually(quiet.lab, "n1", ["crm_mon", "-1fr"], "stop on n3 returned 'error' (Not stopped: ",
                   "still there after SIGKILL")
    finally:
        freezer.thaw()  # or not even the lab's power could end it
    assert wait_for(lambda: power_log(quiet.lab).count("by the cluster") > before, LIMIT, 0.5)
    lab.check("n1", ["pcs", "resource", "update", "db", "op", "demote", "timeout=120s", "op", "stop", "timeout=120s"])
    assert_whole(quiet)


class Freezer:
    """Freezes the database server of a node so that no signal reaches it: the freezer of control groups, version 1."""

    def __init__(self, lab, node):
        where = cgroups.hierarchies().get("freezer")
        if where is None:
            pytest.skip("this kernel has no freezer of control groups version 1, and in version 2 a frozen process can be killed")
        self.lab, self.node, self.group = lab, node, os.path.join(where, "quorate-lab-%s-frozen" % lab.name)

    def freeze(self):
        os.mkdir(self.group)
        for pid in machine.processes(self.lab, self.node, "mariadbd"):
            self._write("cgroup.procs", str(pid))
        self._write("freezer.state", "FROZEN")

    def thaw(self):
        self._write("freezer.state", "THAWED")
        assert wait_for(lambda: not open(os.path.join(self.group, "cgroup.procs")).read(), LIMIT, 0.1)
        os.rmdir(self.group)

    def _write(self, name, word):
        with open(os.path.join(self.group, name), "w", encoding="ascii") as file:
            file.write(word)


def test_two_come_back_without_the_evicted_one(whole):
    power_all_evicted_off(whole)
    assert_whole(whole)


def test_two_wait_for_a_member_and_go_on_by_one_command(quiet):
    """Without clients: the operator's override gives up what only the absent node had on its disk."""
    whole = quiet
    rest = ["n1", "n2"]
    whole.lab.power_cut(*whole.nodes, stay_off=True)
    whole.lab.power_on(*rest)
    whole.lab.wait_online(rest)
    eventually(whole.lab, "n1", ["pcs", "status", "--full"], "db-status", "aiting for n3")
    eventually(whole.lab, "n1", ["pcs", "status"], "Waits for n3; an operator is needed: quorate explain db")
    explained = eventually(whole.lab, "n2", ["quorate", "explain"], "quorate bootstrap n")
    assert primaries(whole.watch.observed) == []
    node = explained.split("quorate bootstrap ")[1].split()[0].rstrip(".)")
    whole.lab.check("n2", ["quorate", "bootstrap", node])
    assert_whole(whole, rest)
    whole.lab.power_on("n3")
    assert_whole(whole)
