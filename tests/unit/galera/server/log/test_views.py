# SPDX-License-Identifier: Apache-2.0
"""Which positions are changes of the view: by logs of real servers, and by what they could also hold."""

import os

import pytest

from quorate.galera.server.log import views
from quorate.galera.server.log.views import changes
from quorate.host import daemon
from quorate.host.state_files import StateFiles

LOGS = os.path.join(os.path.dirname(__file__), "logs")
U = "45580a43-eb63-11f1-850d-2ec3a720ef5e"
OTHER = "f45b9be2-eb63-11f1-890a-2f63126c8167"
BEGIN = "2026-11-29  2:33:26 0 [Note] Starting MariaDB 10.11.19-MariaDB source revision 5843 as process 704\n"


def log_of(name):
    with open(os.path.join(LOGS, name), encoding="utf-8", errors="replace") as file:
        return file.read()


def view(seqno, status="primary", final="no", members=1, uuid=U, gcs=5):
    return ("2026-11-29  2:33:26 0 [Note] WSREP: Quorum results:\n\tversion    = 6,\n\tprotocols  = %d/11/4 (gcs/repl/appl),\n"
            "2026-11-29  2:33:26 2 [Note] WSREP: ====\nView:\n  id: %s:%d\n  status: %s\n  protocol_version: 4\n  final: %s\n"
            "  own_index: 0\n  members(%d):\n%s=====\n" % (gcs, uuid, seqno, status, final, members, "".join(
                "\t%d: %s, n%d\n" % (number, OTHER, number) for number in range(members))))


def closed(seqno, before="SYNCED"):
    return "2026-11-29  2:33:27 0 [Note] WSREP: Shifting %s -> CLOSED (TO: %d)\n" % (before, seqno)


LEFT = view(9, "non-primary", "yes", 0)


@pytest.mark.parametrize("name, uuid, seqnos", [
    ("ran/mariadb10_healthy.log", U, [1, 2]),                                   # it was alone, and stopped
    ("ran/mariadb11_healthy.log", "c9b577c2-eb65-11f1-9b4c-de649af5fc20", [1, 2]),
    ("ran/mariadb10_stopped_last.log", "7be7788d-eb9f-11f1-a140-bba844609146", [1, 2, 3, 8, 9]),    # grastate.dat: 9
    ("ran/mariadb10_stopped_before.log", "7be7788d-eb9f-11f1-a140-bba844609146", [3, 8]),           # grastate.dat: 8
    ("ran/mariadb10_killed.log", "eca8d057-eb64-11f1-a010-7a1dba679afd", [1]),
    ("ran/mariadb10_healthy_join.log", None, []),                               # it was in no primary view that it applied
])
def test_what_real_servers_log(name, uuid, seqnos):
    assert (uuid, seqnos) == changes(log_of(name))


@pytest.mark.parametrize("log, seqnos", [
    (view(8), [8]),
    (view(7, members=2) + view(8), [7, 8]),
    (view(8) + closed(9) + LEFT, [8, 9]),                     # the last member leaves
    (view(8) + closed(9, "DONOR/DESYNCED") + LEFT, [8, 9]),
    # It leaves others behind: what it logs is where it stood.
    (view(8, members=2) + closed(9, "OPEN") + view(9, "non-primary", members=1) + LEFT, [8]),
    (view(8, members=2) + closed(9) + LEFT, [8]),
    (view(8) + closed(9, "OPEN") + LEFT, [8]),
    (view(8) + LEFT, [8]),
    (view(8) + closed(10) + LEFT, [8]),
    (view(8) + view(8, "non-primary") + closed(9) + LEFT, [8]),
    (closed(9) + LEFT, []),
    # Galera 3 takes none, and so does a group with a member that speaks its protocol.
    (view(8, gcs=0), []), (view(7) + view(8, gcs=0), []), (view(8).replace("= 5/", "= x/"), []),
    # The log begins behind what tells the protocol: it was too long.
    (view(8).partition("gcs/repl/appl),\n")[2], []),
    (view(7).partition("gcs/repl/appl),\n")[2] + view(8), [8]),
    # Another history, another server, half a view, no view
    (view(7, uuid=OTHER) + view(8), [8]),
    (view(7) + BEGIN + view(8), [8]), (view(7) + BEGIN, []),
    (view(7) + view(8).rpartition("=====")[0], [7]),
    (view(7) + view(8).replace("id: ", "id: x"), [7]), (view(7) + view(8).replace("status", "state"), [7]),
    ("", []), ("[Note] WSREP: View:\n", []), ("View:\n", [])])
def test_what_counts_as_a_change(log, seqnos):
    assert (U if seqnos else None, seqnos) == changes(log)


def test_the_last_ones_are_enough():
    found = changes("".join(view(number) for number in range(1, 2 * views.KEPT)))[1]
    assert list(range(views.KEPT, 2 * views.KEPT)) == found


@pytest.fixture
def gone(tmp_path):
    """A function that makes StateFiles of a server that is gone and has logged this."""
    state_files = StateFiles("galera", "db", str(tmp_path / "run"), str(tmp_path / "persistent"))

    def make(text, record=daemon.PROCESS_FILE):
        log = tmp_path / "error.log"
        log.write_text(view(5))  # of an earlier run
        daemon.record_end_of_log(state_files, str(log))
        for name in (daemon.PROCESS_FILE, "launched-from"):
            state_files.forget(name)
        state_files.write(record, {"log": str(log)})
        with open(log, "a", encoding="ascii") as file:
            file.write(text)
        views.keep(state_files)
        return state_files
    return make


@pytest.mark.parametrize("record", [daemon.PROCESS_FILE, "launched-from"])
@pytest.mark.parametrize("uuid, seqno, written", [
    (U, 9, 6), (U, 8, 6), (U, 7, 6), (U, 6, 6), (U, 10, 10), (U, 5, 5), (OTHER, 9, 9), (None, None, None),
    (U, -1, None), (U, 0, 0)])
def test_the_highest_seqno_that_a_transaction_may_have(gone, record, uuid, seqno, written):
    state_files = gone(view(7, members=2) + view(8) + closed(9) + LEFT, record)

    assert written == views.written(state_files, uuid, seqno)


def test_what_is_kept_is_of_the_last_run_that_was_in_a_primary_component(gone):
    gone(view(7) + view(8))
    assert 6 == views.written(gone("[ERROR] it did not come that far\n"), U, 8)
    assert 8 == views.written(gone(view(9)), U, 8)
    state_files = gone(view(7) + view(8))
    views.forget(state_files)
    assert 8 == views.written(state_files, U, 8)


def test_what_cannot_be_kept_does_not_leave_an_earlier_one(gone, mocker):
    gone(view(7) + view(8))
    mocker.patch.object(StateFiles, "write", autospec=True, side_effect=_full(StateFiles.write))

    assert 8 == views.written(gone(view(9)), U, 8)


def _full(write):
    def fails(self, name, values, persistent=False, required=False):
        if persistent:
            raise OSError(28, "No space left on device")
        write(self, name, values, persistent, required)
    return fails
