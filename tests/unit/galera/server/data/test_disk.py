# SPDX-License-Identifier: Apache-2.0
"""What is on the disk of a node whose server does not run."""

import os

import pytest

from quorate.galera import facts
from quorate.galera.declaration import PARAMETERS
from quorate.galera.server.data.disk import read_report
from quorate.galera.server.data.recovery import remove_closed_log
from quorate.galera.server.settings.layout import Layout
from quorate.host.state_files import StateFiles
from tests import fakes

UUID = "6d9b2f0c-9f5e-11ee-8c90-0242ac120002"
SERVER = "/bin/true"


def report(tmp_path, files, database=True, **recovery):
    """(Report, problem) by a data directory with a database and these files. recovery: how --wsrep-recover ends."""
    datadir = tmp_path / "data"
    os.makedirs(datadir / "mysql" if database else datadir)
    for name, text in files.items():
        (datadir / name).write_text(text)
    context = fakes.context(parameters=PARAMETERS, wsrep_cluster_address="gcomm://n1", datadir=datadir)
    if recovery:
        context.commands.allow(SERVER, ..., **recovery)
    layout = Layout(SERVER, None, str(datadir), str(datadir / "socket"), str(datadir / "pid"), str(datadir / "log"),
                    "root",
                    "root", None, None, None, None)
    return read_report(context, StateFiles("galera", "db", str(tmp_path / "run"), str(tmp_path / "persistent")), layout)


def grastate(uuid, seqno, safe=0):
    return "version: 2.1\nuuid:    %s\nseqno:   %d\nsafe_to_bootstrap: %d\n" % (uuid, seqno, safe)


def test_a_clean_stop_is_reported_without_asking_the_server(tmp_path):
    found, problem = report(tmp_path, {"grastate.dat": grastate(UUID, 42, 1)})

    assert (facts.DOWN, UUID, 42, facts.GRASTATE, True, True, True) == found[1:8]
    assert found.generation is None and problem is None  # only the participant knows the generation


def test_a_state_transfer_that_broke_off_leaves_no_position_and_no_generation(tmp_path):
    found, problem = report(tmp_path, {"grastate.dat": grastate(UUID, -1), "sst_in_progress": ""})

    assert (facts.DOWN, facts.ZERO_UUID, -1, False, 0) == (found.state, found.uuid, found.seqno, found.data,
                                                           found.generation)
    assert "broke off" in problem


def test_a_view_that_cannot_be_read_makes_the_state_unknown(tmp_path):
    found, problem = report(tmp_path, {"grastate.dat": grastate(UUID, 42), "gvwstate.dat": "half a view"})

    assert (facts.UNKNOWN, UUID, 42) == found[1:4]
    assert "gvwstate.dat" in problem


def test_a_position_that_cannot_be_recovered_is_unknown_and_not_none(tmp_path):
    found, problem = report(tmp_path, {"grastate.dat": grastate(UUID, -1)}, rc=1, err="[ERROR] InnoDB: no space")

    assert (None, None, None) == (found.uuid, found.seqno, found.data)
    assert "InnoDB: no space" in problem


@pytest.mark.parametrize("mark, stays", [
    (b"\xfe\x23\x05\x74\x02", True),   # a log in use when the server died: its content decides
    (b"A\x23\x05\x74\x02", False),      # closed, and could not be deleted
    (b"\0\0\0\0\0", False),            # made, never written
    (b"", False),
    (b"something else", True),
])
def test_a_transaction_log_without_content_does_not_keep_the_server_from_starting(tmp_path, mark, stays):
    log = tmp_path / "tc.log"
    log.write_bytes(mark)
    remove_closed_log(str(tmp_path))
    assert log.exists() == stays


def test_no_transaction_log_is_fine(tmp_path):
    remove_closed_log(str(tmp_path))


@pytest.mark.parametrize("files", [
    {"grastate.dat": grastate(facts.ZERO_UUID, -1), "sst_in_progress": ""},  # mariabackup receives into .sst/
    {"grastate.dat": grastate(facts.ZERO_UUID, -1)},
    {"sst_in_progress": ""},
])
def test_a_transfer_that_broke_off_before_there_was_a_database_lost_nothing(tmp_path, files):
    """Its donor has all that it had. It counted as a node whose data is gone, so the others waited for an operator."""
    found, problem = report(tmp_path, files, database=False)

    assert (False, 0, facts.ZERO_UUID) == (found.data, found.generation, found.uuid)
    assert "can only join" in problem


def test_an_empty_directory_is_no_transfer_that_broke_off(tmp_path):
    found, problem = report(tmp_path, {}, database=False)

    assert (False, None, None) == (found.data, found.generation, problem)


# What a recovery says

def logs(text):
    """A server that logs this where it was told to."""
    def run(argv, _stdin):
        path = [word for word in argv if word.startswith("--log-error=")][-1].partition("=")[2]
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    return run


POSITION = "2026-01-01  0:00:00 0 [Note] WSREP: Recovered position: %s:7,1-2-3\n" % UUID
NOTES = "2026-01-01  0:00:00 0 [Note] InnoDB: Cannot open './x/t.ibd'; %s\n" % ("it is not there; " * 20)


@pytest.mark.parametrize("text", [POSITION, 9000 * NOTES + POSITION, POSITION + 9000 * NOTES,
                                  4000 * "2026-01-01 0 [ERROR] InnoDB: Cannot open table\n" + POSITION])
def test_the_position_is_found_in_a_log_of_many_megabytes(tmp_path, text):
    """Only the first 64 KiB were read: 700 tablespace notes before the position, and it was unknown."""
    found, problem = report(tmp_path, {"grastate.dat": grastate(UUID, -1)}, then=logs(text))

    assert (UUID, 7, facts.RECOVERED, None) == (found.uuid, found.seqno, found.source, problem)


def test_a_position_that_is_printed_counts_as_well(tmp_path):
    found, _ = report(tmp_path, {"grastate.dat": grastate(UUID, -1)}, err=POSITION)

    assert (UUID, 7) == (found.uuid, found.seqno)


def test_a_recovery_that_says_nothing_names_the_file(tmp_path):
    found, problem = report(tmp_path, {"grastate.dat": grastate(UUID, -1)}, then=logs("[Note] nothing"))

    assert found.uuid is None and problem.endswith("Was it killed (journalctl -k)? See %s/run/galera-db/recover.log" % tmp_path)


def test_prepared_transactions_in_a_long_log_are_rolled_back(tmp_path):
    said = ["[Note] Found 3 prepared transactions! It means that the server was not shut down properly\n"
            "[ERROR] Aborting\n" + 3000 * NOTES, "", POSITION]
    options = []

    def run(argv, stdin):
        options.append("--tc-heuristic-recover=rollback" in argv)
        logs(said.pop(0))(argv, stdin)
    found, _ = report(tmp_path, {"grastate.dat": grastate(UUID, -1)}, then=run)

    assert ([False, True, False], 7) == (options, found.seqno)
