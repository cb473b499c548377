# SPDX-License-Identifier: Apache-2.0
"""Files that root writes and reads in directories that belong to a service: no link leads it elsewhere. And how long
something has been so, by the monotonic clock."""

import os

import pytest

from quorate.galera.server.data.disk import text
from quorate.host.state_files import StateFiles, content, replace
from tests import fakes

ME = (os.getuid(), os.getgid())


def test_a_link_that_the_directorys_owner_left_is_not_followed(tmp_path):
    """mysql could have had root write into any file, and give it to mysql."""
    secret = tmp_path / "shadow"
    secret.write_text("root:x")
    path = tmp_path / "grastate.dat"
    os.symlink(secret, str(path) + ".quorate")

    replace(str(path), "seqno: 1\n", ME)

    assert ("root:x", "seqno: 1\n") == (secret.read_text(), path.read_text())
    assert not path.is_symlink() and not os.path.lexists(str(path) + ".quorate")


def test_what_was_left_of_one_that_was_killed_is_written_anew(tmp_path):
    path = tmp_path / "note"
    (tmp_path / "note.quorate").write_text("half a note that is longer than the new one")

    replace(str(path), "whole\n")

    assert "whole\n" == path.read_text() and ["note"] == os.listdir(tmp_path)


def test_a_link_in_place_of_a_file_is_not_read(tmp_path):
    """A copy of what it leads to would be readable for everybody."""
    secret = tmp_path / "shadow"
    secret.write_text("root:x")
    os.symlink(secret, tmp_path / "gvwstate.dat")
    state_files = StateFiles("galera", "db", str(tmp_path / "run"), str(tmp_path / "persistent"))

    assert text(str(tmp_path), "gvwstate.dat") is None
    with pytest.raises(OSError):
        state_files.keep(str(tmp_path / "gvwstate.dat"))
    assert state_files.kept("gvwstate.dat") is None


def test_a_pipe_in_place_of_a_file_holds_nobody_up(tmp_path):
    os.mkfifo(tmp_path / "gvwstate.dat")

    assert "" == content(str(tmp_path / "gvwstate.dat"))


def test_elapsed_does_not_depend_on_who_sets_the_clock(tmp_path):
    clock = fakes.FakeClock()
    state_files = StateFiles("galera", "db", str(tmp_path / "run"), str(tmp_path / "persistent"))

    assert 0 == state_files.elapsed("waiting", clock)
    clock.step(3600)
    assert 0 == state_files.elapsed("waiting", clock)
    clock.sleep(7)
    assert 7 == state_files.elapsed("waiting", clock)
    clock.step(-7200)
    clock.sleep(1)
    assert 8 == state_files.elapsed("waiting", clock)


def test_elapsed_restarts_when_the_subject_changes(tmp_path):
    clock = fakes.FakeClock()
    state_files = StateFiles("galera", "db", str(tmp_path / "run"), str(tmp_path / "persistent"))
    state_files.elapsed("outside", clock, pid=7)
    clock.sleep(9)

    assert (9, 0) == (state_files.elapsed("outside", clock, pid=7), state_files.elapsed("outside", clock, pid=8))


@pytest.mark.parametrize("note", ["", "garbage", "since \0\0\0", "since 99999999999"])
def test_a_state_file_of_another_boot_or_of_nonsense_begins_anew(tmp_path, note):
    state_files, clock = StateFiles("galera", "db", str(tmp_path), str(tmp_path / "persistent")), fakes.FakeClock()
    os.makedirs(state_files.run)
    with open(state_files.path("waiting"), "w", encoding="ascii") as file:
        file.write(note)

    assert 0 == state_files.elapsed("waiting", clock)
    clock.sleep(2)
    assert 2 == state_files.elapsed("waiting", clock)


def test_a_file_that_cannot_be_written_is_a_warning_where_there_is_a_log(tmp_path):
    (tmp_path / "full").write_text("")
    places = str(tmp_path / "full" / "run"), str(tmp_path / "full" / "persistent")
    log = fakes.FakeLog()
    tolerant = StateFiles("galera", "db", *places, log=log)

    tolerant.write("view", {"seq": 1}, persistent=True)
    assert 0 == tolerant.elapsed("waiting", fakes.FakeClock())
    assert 2 == len([text for level, text in log.lines if level == "WARNING" and "cannot be written" in text])
    with pytest.raises(OSError):
        tolerant.write("evidence", {}, persistent=True, required=True)
    with pytest.raises(OSError):
        StateFiles("galera", "db", *places).write("view", {})


def test_what_a_daemon_prints_without_end_is_bounded(tmp_path):
    """It lies in memory. The daemon appends, so it goes on at the beginning."""
    state_files = StateFiles("a", "b", str(tmp_path))
    state_files.bound("output")  # there is none
    os.makedirs(state_files.run)
    with open(state_files.path("output"), "ab", buffering=0) as daemon:
        daemon.write(b"x" * 100)
        state_files.bound("output", 100)
        assert 100 == os.path.getsize(state_files.path("output"))
        daemon.write(b"y")
        state_files.bound("output", 100)
        daemon.write(b"and on")
    with open(state_files.path("output"), "rb") as file:
        assert b"and on" == file.read()
