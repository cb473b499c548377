# SPDX-License-Identifier: Apache-2.0
"""What a node's server does, by its process, its answer and its log; where it is, without asking it."""

import os
import select
import socket
import subprocess

import pytest

from quorate.errors import Unreadable
from quorate.galera import facts
from quorate.galera.declaration import PARAMETERS
from quorate.galera.server import observe
from quorate.galera.server.health import Health
from quorate.host import daemon
from quorate.host.state_files import StateFiles
from quorate.ocf import codes
from quorate.ocf.codes import Failed
from tests import fakes

SILENT = facts.ServerStatus(answered=False, error="timed out")
REFUSES = facts.ServerStatus(answered=False, errno=2002, error="[Errno 2]")
SERVES = facts.ServerStatus(answered=True, ready=True, cluster_status="Primary", local_state=4)
DONATES = SERVES._replace(local_state=2)


class Node:
    """A node whose server's process has the pid 500, where launched is given. parameters: of the resource."""

    def __init__(self, root, launched=None, seconds=60.0, **parameters):
        self.clock = fakes.FakeClock()
        self.processes = fakes.FakeProcesses(self.clock)
        self.context = fakes.context(parameters=PARAMETERS, processes=self.processes, clock=self.clock, seconds=seconds,
                                     wsrep_cluster_address="gcomm://n1,n2", **parameters)
        self.files = StateFiles("galera", "db", str(root / "run"), str(root / "persistent"))
        if launched is not None:
            self.process = self.processes.add("/usr/sbin/mariadbd", pid=500, **launched)
            self.record()

    def record(self, **more):
        self.files.write(daemon.PROCESS_FILE, dict(more, pid=500, start=self.process.start))

    def observe(self):
        return observe.observe(self.context, self.files)


@pytest.fixture
def asked(mocker):
    """The answers of the server, which the test sets as a list; what was asked is asked.call_args_list."""
    mocker.patch("quorate.galera.server.credentials.for_agent", lambda parameters, path: (parameters.check_user, path))
    ask = mocker.patch("quorate.galera.server.sql.ask")
    return ask


# Where it is

@pytest.mark.parametrize("parameter, launched, started, told, expected", [
    ("/p", "/l", "/s", "/t", "/p"), (None, "/l", "/s", "/t", "/l"), (None, None, "/s", "/t", "/s"),
    (None, None, None, "/t", "/t"), (None, None, None, None, observe.DATADIR)])
def test_the_data_directory(tmp_path, mocker, parameter, launched, started, told, expected):
    """The server is asked last: its software may be removed, and a stop must work all the same."""
    node = Node(tmp_path, **{"datadir": parameter} if parameter else {})
    known = {daemon.PROCESS_FILE: launched, "layout": started}
    for name, value in known.items():
        node.files.write(name, {"datadir": value} if value else {"other": "/o"})

    def find_layout(context):
        assert context is node.context
        if not told:
            raise Failed(codes.ERR_INSTALLED, "No database server found.")
        return mocker.Mock(datadir=told)
    mocker.patch("quorate.galera.server.settings.layout.find_layout", find_layout)
    assert expected == observe.data_directory(node.context, node.files)


@pytest.mark.parametrize("parameter, launched, started, there, expected", [
    ("/p", "/l", "/s", (), "/p"), (None, "/l", "/s", (), "/l"), (None, None, "/s", (), "/s"),
    (None, None, None, observe.SOCKETS[1:], observe.SOCKETS[1]), (None, None, None, (), observe.SOCKETS[0])])
def test_the_socket(tmp_path, mocker, parameter, launched, started, there, expected):
    node = Node(tmp_path, **{"socket": parameter} if parameter else {})
    for name, value in ((daemon.PROCESS_FILE, launched), ("layout", started)):
        node.files.write(name, {"socket": value} if value else {"other": "/o"})
    mocker.patch("os.path.exists", lambda path: path in there)
    assert expected == observe.find_socket(node.context, node.files)


def test_the_port_of_the_group(tmp_path):
    node = Node(tmp_path)
    assert 4567 == observe.base_port(node.files)
    node.files.write("layout", {"base_port": 5567})
    assert 5567 == observe.base_port(node.files)


# By its process

def test_without_a_process_it_is_down_and_nobody_is_asked(tmp_path, asked):
    node = Node(tmp_path, datadir=tmp_path)
    assert (facts.DOWN, None, None, "No database server runs on this node.") == node.observe()
    asked.assert_not_called()


def test_one_that_nobody_launched_is_found_by_its_data_directory(tmp_path, asked):
    node = Node(tmp_path, datadir=tmp_path)
    node.processes.add("/usr/sbin/mariadbd --datadir=/another", pid=os.getppid())
    mine = node.processes.add("/usr/sbin/mariadbd --datadir=%s" % tmp_path, pid=os.getpid())
    asked.return_value = SERVES
    found = node.observe()
    assert (facts.SYNCED, mine, SERVES) == found[:3] and "synced" in found.sentence


@pytest.mark.parametrize("state", "Tt")
def test_one_that_a_signal_stopped_is_not_asked(tmp_path, asked, state):
    node = Node(tmp_path, {"state": state})
    assert (facts.HUNG, node.process, None, "mysqld (pid 500) is stopped by a signal (SIGSTOP).") == node.observe()
    asked.assert_not_called()


def test_one_that_ends_is_waited_for_some_seconds(tmp_path):
    node = Node(tmp_path)
    node.process = node.processes.add("", pid=500, state="D", dies_of=())
    node.record()
    assert (facts.HUNG, node.process, None, "mysqld (pid 500) was killed and does not end (state D).") == node.observe()
    assert observe.ENDING_PATIENCE - 0.1 < node.clock.elapsed < observe.ENDING_PATIENCE + 1


# By its answer

@pytest.mark.parametrize("answers, state", [
    ([SERVES], facts.SYNCED), ([SILENT, SERVES], facts.SYNCED), ([SILENT, SILENT], facts.HUNG),
    ([DONATES], facts.DONOR),
    ([SILENT, DONATES], facts.DONOR), ([REFUSES], facts.STARTING)])
def test_one_slow_answer_is_no_server_that_hangs(tmp_path, asked, answers, state):
    node = Node(tmp_path, {}, check_timeout=7, socket="/run/s", check_user="monitor")
    asked.side_effect = answers
    found = node.observe()
    assert (state, node.process, answers[-1]) == found[:3]
    assert [(("monitor", "/run/s"), 7)] * len(answers) == [one.args for one in asked.call_args_list]


def test_one_that_accepts_no_connection_may_be_receiving_everything(tmp_path, asked):
    node = Node(tmp_path, {})
    node.processes.add("/bin/sh /usr/bin/wsrep_sst_rsync --role joiner", ppid=500)
    asked.return_value = REFUSES
    assert facts.RECEIVING == node.observe().state


def test_without_time_it_is_asked_once_and_no_longer_than_the_action_may_take(tmp_path, asked):
    node = Node(tmp_path, {}, seconds=5, check_timeout=7)

    def ask(settings, timeout):
        node.clock.sleep(timeout)
        return SILENT
    asked.side_effect = ask
    assert facts.HUNG == node.observe().state
    assert [5] == [one.args[1] for one in asked.call_args_list]


def test_credentials_that_cannot_be_read_say_nothing_of_the_server(tmp_path, asked):
    node = Node(tmp_path, {})
    asked.side_effect = Unreadable("The file /x cannot be read.")
    assert (facts.UNKNOWN, node.process, facts.ServerStatus(answered=False, error="The file /x cannot be read."),
            "The file /x cannot be read.") == node.observe()


@pytest.mark.parametrize("status, code, receives, state", [
    (SERVES, "synced", False, facts.SYNCED), (SERVES._replace(local_state=2), "donor", False, facts.DONOR),
    (SERVES._replace(local_state=3), "joined", False, facts.JOINED),
    (SERVES._replace(local_state=1), "x", False, facts.JOINED),
    (SERVES._replace(local_state=None), "x", False, facts.JOINED),
    (SERVES._replace(cluster_status="non-Primary"), "non-primary", False, facts.NONPRIMARY),
    (SERVES._replace(cluster_status=None), "x", False, facts.NONPRIMARY), (SILENT, "hung", False, facts.HUNG),
    (SILENT, "non-primary", False, facts.NONPRIMARY), (SILENT, "down", False, facts.STARTING),
    (SILENT, "down", True, facts.RECEIVING), (SILENT, "refused", False, facts.UNKNOWN),
    (SILENT, "refused", True, facts.UNKNOWN)])
def test_states(tmp_path, status, code, receives, state):
    node = Node(tmp_path, {})
    if receives:
        node.processes.add("/bin/sh /usr/bin/wsrep_sst_rsync --role joiner", ppid=500)
    assert state == observe.state_of(node.files, node.processes, node.process, status, Health(code, False, ""))


# By its log

BEGINS, PREPARES = "WSREP: Receiving IST: 5 writesets\n", "WSREP: Prepared IST receiver for 1-5\n"
ENDS = ("WSREP: IST received: uuid:5\n", "WSREP: Receiving IST... 100.0% (5/5 events) complete.\n",
        "WSREP: Receiving IST...100.0% complete\n")


@pytest.mark.parametrize("text, receives", [
    ("", False), (BEGINS, True), (PREPARES, True), *((BEGINS + end, False) for end in ENDS),
    *((PREPARES + end, False) for end in ENDS), *((end + BEGINS, True) for end in ENDS),
    *((BEGINS + end + BEGINS, True) for end in ENDS), *((PREPARES + end + PREPARES, True) for end in ENDS),
    *((end + BEGINS + end, False) for end in ENDS)])
def test_an_incremental_state_transfer_is_in_the_log(tmp_path, text, receives):
    node = Node(tmp_path, {})
    assert not observe.is_receiving(node.files, node.processes, node.process) and not observe.left_synced(node.files)
    (tmp_path / "log").write_text(text)
    node.record(log=tmp_path / "log")
    assert receives == observe.is_receiving(node.files, node.processes, node.process)


def test_what_its_children_read_is_progress_as_well():
    processes = fakes.FakeProcesses()
    mine = processes.add("mariadbd", pid=os.getpid())
    processes.add("rsync", pid=2 ** 22 + 1, ppid=mine.pid)  # gone meanwhile
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as copier:
        copier.stdin.write(b"x" * 100)
        copier.stdin.flush()
        assert b"x" * 100 == copier.stdout.read(100)
        alone = observe.transferred_bytes(fakes.FakeProcesses(), mine)
        child = observe.transferred_bytes(fakes.FakeProcesses(), mine._replace(pid=copier.pid))
        processes.add("cat", pid=copier.pid, ppid=mine.pid)
        assert 0 < alone and 200 <= child and alone + child <= observe.transferred_bytes(processes, mine)
        copier.stdin.close()


def test_a_server_stalls_while_nothing_is_read_or_written(tmp_path, mocker):
    node, moved = Node(tmp_path, {}), [100]

    def transferred_bytes(processes, process):
        assert node.processes is processes
        return moved[0] + process.pid
    mocker.patch("quorate.galera.server.observe.transferred_bytes", transferred_bytes)

    def after(seconds, process=node.process):
        node.clock.sleep(seconds)
        return observe.stalled_for(node.context, node.files, process)
    assert 0 == after(0) and 5 == after(5) and 9 == after(4)
    moved[0] += 1
    assert 0 == after(3) and 2 == after(2)
    assert {"since": "1012", "bytes": "601", "pid": "500"} == node.files.read("progress")
    assert 0 == observe.stalled_for(node.context, node.files, node.process._replace(pid=501))


# The others

@pytest.fixture
def silent():
    """The address of a host that answers nothing: the queue of its socket is full, so the kernel drops what comes."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        waiting = []
        for _ in range(4):
            waiting.append(socket.socket())
            waiting[-1].setblocking(False)
            waiting[-1].connect_ex(server.getsockname())
        yield server.getsockname()
        for one in waiting:
            one.close()


def test_of_all_nodes_those_listen_that_accept_a_connection_within_the_time(mocker, silent):
    """One that does not answer, has no name or an address of a kind that this machine does not know hides no other."""
    asked = []
    with socket.create_server(("127.0.0.1", 0)) as first, socket.create_server(("127.0.0.1", 0)) as second:
        candidates = {"n2": silent, "n3": first.getsockname(), "n5": second.getsockname()}

        def lookup(host, port, limit):
            asked.append((host, port, limit))
            if host == "h1":
                raise OSError("no such name")
            unknown = (99, socket.SOCK_STREAM, 0, "", ("?", 1))
            return [unknown, (socket.AF_INET, socket.SOCK_STREAM, 0, "", candidates["n" + host[1:]])]
        mocker.patch("quorate.host.names.lookup", lookup)
        nodes = {"n%d" % number: ("h%d" % number, 4560 + number) for number in (1, 2, 3, 5)}
        assert frozenset(("n3", "n5")) == observe.listening(nodes, 0.3)
    assert [(host, port, 0.3) for host, port in nodes.values()] == asked
    assert frozenset() == observe.listening({}, 0.3) == observe.listening({"n2": ("h2", 4562)}, 0.1)


def test_one_whose_connection_takes_a_little_longer_than_another_s_is_not_missed(mocker):
    select_all = select.select
    mocker.patch("select.select", lambda *words: tuple(found[:1] for found in select_all(*words)))
    with socket.create_server(("127.0.0.1", 0)) as first, socket.create_server(("127.0.0.1", 0)) as second:
        nodes = {"n1": first.getsockname(), "n2": second.getsockname()}
        assert frozenset(nodes) == observe.listening(nodes, 1.0)


A, B, G = ("11111111-c6a1-11ef-b03a-00000000000%d" % number for number in (1, 2, 3))


@pytest.mark.parametrize("waits", [{}, {"sync_wait": True}])
def test_the_members_as_the_server_has_applied_them(tmp_path, mocker, waits):
    node = Node(tmp_path, {}, check_user="monitor", check_timeout=7)
    node.record(socket="/run/s")
    mocker.patch("quorate.galera.server.credentials.for_agent", lambda parameters, path: (parameters.check_user, path))
    rows = mocker.patch("quorate.galera.server.sql.rows")
    rows.return_value = [(A, "node 1", "10.0.0.1:3306"), (B, "n2", "AUTO"), (G, "garb", "")]
    masked = {one: one.replace("-b03a-", "-0000-") for one in (A, B, G)}
    assert ((A, B, G), {masked[A]: "node1", masked[B]: "n2", masked[G]: "garb"}, frozenset((masked[G],))) == (
        observe.members(node.context, node.files, **waits))
    settings, question, limit, sync_wait = rows.call_args.args
    assert (("monitor", "/run/s"), 7, bool(waits)) == (settings, limit, sync_wait)
    assert "SELECT node_uuid, node_name, node_incoming_address FROM mysql.wsrep_cluster_members" == question
    rows.return_value = []
    assert None is observe.members(node.context, node.files)
