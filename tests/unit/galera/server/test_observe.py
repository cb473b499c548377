# SPDX-License-Identifier: Apache-2.0
"""A server that was killed and has not ended yet: it has no command line any more, and keeps its files open."""

import socket

import pytest

from quorate.galera import facts
from quorate.galera.declaration import PARAMETERS
from quorate.galera.server import observe, process
from quorate.host import daemon
from quorate.host.state_files import StateFiles
from tests import fakes

PID = 4711


class Node:
    """A launched server of which nothing but the process is left. ends_after: seconds, None if it never does."""

    def __init__(self, tmp_path, ends_after):
        self.clock = fakes.FakeClock()
        self.processes = fakes.FakeProcesses(self.clock)
        self.process = self.processes.add("", pid=PID, state="D", dies_of=())
        assert () == self.process.argv
        self.context = fakes.context(parameters=PARAMETERS, processes=self.processes, clock=self.clock,
                                     wsrep_cluster_address="gcomm://n1,n2", datadir=tmp_path / "data")
        self.state_files = StateFiles("galera", "db", str(tmp_path / "run"), str(tmp_path / "persistent"))
        self.state_files.write(daemon.PROCESS_FILE, {"pid": PID, "start": self.process.start, "session": PID})
        if ends_after is not None:
            self.clock.at(ends_after, lambda: self.processes.remove(PID))


def test_a_monitor_waits_for_the_end_and_reports_a_death_not_a_start(tmp_path):
    """Found by CI: while it ends it refuses connections as one that starts does, and the monitor called it promoted."""
    node = Node(tmp_path, ends_after=2)

    observed = observe.observe(node.context, node.state_files)

    assert (facts.DOWN, None) == (observed.state, observed.process)


def test_one_that_does_not_end_is_no_healthy_server(tmp_path):
    node = Node(tmp_path, ends_after=None)

    observed = observe.observe(node.context, node.state_files)

    assert (facts.HUNG, PID) == (observed.state, observed.process.pid)
    assert "does not end" in observed.sentence


@pytest.mark.parametrize("ends_after, left", [(3, []), (None, [PID])])
def test_a_stop_waits_until_the_kernel_is_done_or_says_that_it_is_not(tmp_path, ends_after, left):
    node = Node(tmp_path, ends_after)

    remaining = process.stop(node.context, node.state_files, str(tmp_path / "data"), 10)

    assert left == [one.pid for one in remaining]


def test_a_server_listens_at_any_of_its_addresses(mocker):
    """With an IPv6 address first and a server on IPv4 it counted as silent, and a second cluster could be bootstrapped."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_server(("127.0.0.1", 0)) as other:
        refused = other.getsockname()
        other.close()
        found = {"n1": [_candidate(refused), _candidate(server.getsockname())], "n2": [_candidate(refused)]}
        mocker.patch("quorate.host.names.lookup", lambda host, *_: found[host])

        assert frozenset(["n1"]) == observe.listening({name: (name, 4567) for name in found}, 1.0)


def test_an_error_at_once_is_no_listening_server(mocker):
    """No route to the host was taken for a connection: the socket tells its error only once."""
    link_local = (socket.AF_INET6, socket.SOCK_STREAM, 0, "", ("fe80::1", 4567, 0, 0))  # without an interface: EINVAL
    mocker.patch("quorate.host.names.lookup", lambda *_: [link_local])

    assert frozenset() == observe.listening({"n1": ("n1", 4567)}, 1.0)


def _candidate(address):
    return socket.AF_INET, socket.SOCK_STREAM, 0, "", address


LOST = """\
2026-11-28 23:14:12 0 [Note] WSREP: view(view_id(PRIM,39d82b44-8574,58) memb {
2026-11-28 23:14:12 0 [Note] WSREP: save pc into disk
2026-11-28 23:14:20 0 [Note] WSREP: view(view_id(NON_PRIM,39d82b44-8574,58) memb {
2026-11-28 23:14:20 0 [Note] WSREP: Shifting %s -> OPEN (TO: 32)
2026-11-28 23:14:20 0 [Note] WSREP: view(view_id(NON_PRIM,39d82b44-8574,59) memb {
"""
AGAIN = "2026-11-28 23:14:53 0 [Note] WSREP: view(view_id(PRIM,39d82b44-8574,61) memb {\n"


@pytest.mark.parametrize("text, synced", [
    (LOST % "SYNCED", True), (LOST % "DONOR/DESYNCED", True), (LOST % "JOINER", False), (LOST % "PRIMARY", False),
    (LOST % "JOINED", False), (LOST % "CLOSED", False), ("", False),
    (LOST % "JOINER" + LOST % "SYNCED", True), (LOST % "SYNCED" + LOST % "JOINER", False),
    # It is in the next view already, as a joiner perhaps, and gvwstate.dat shows that one.
    (LOST % "SYNCED" + AGAIN, False),
    (LOST % "SYNCED" + "2026-11-28 23:14:58 0 [Note] WSREP: Shifting OPEN -> PRIMARY (TO: 34)\n", False)])
def test_what_a_server_without_a_quorum_holds_is_told_by_its_log(tmp_path, text, synced):
    state_files = StateFiles("galera", "db", str(tmp_path / "run"), str(tmp_path / "persistent"))
    (tmp_path / "error.log").write_text(text)
    state_files.write(daemon.PROCESS_FILE, {"pid": PID, "log": str(tmp_path / "error.log")})
    assert synced == observe.left_synced(state_files)
