# SPDX-License-Identifier: Apache-2.0
"""Whether a server ever was ready, by its log: a log that is not whole proves nothing."""

import os
import shutil

import pytest

from quorate.galera.server.log.readiness import never_ready
from quorate.host import daemon
from quorate.host.state_files import StateFiles

SOCKET = "/run/mysqld/mysqld.sock"
READY = "Version: '10.11.18'  socket: '%s'  port: 3306\n"
BEGIN = "2026-11-28 22:59:00 0 [Note] Starting MariaDB 10.11.19-MariaDB source revision 5843 as process 704\n"
ERROR = "[ERROR] no\n"
EARLIER = READY % SOCKET  # of an earlier server


class Launched:
    """A server that was launched when its log held `before`. What it logs since is appended."""

    def __init__(self, tmp_path, before):
        self.log = tmp_path / "error.log"
        if before is not None:
            self.log.write_text(before)
        self.state_files = StateFiles("galera", "db", str(tmp_path / "run"), str(tmp_path / "persistent"))
        daemon.record_end_of_log(self.state_files, str(self.log))

    def logs(self, text):
        with open(self.log, "a", encoding="ascii") as file:
            file.write(text)
        return self

    def never(self, socket=SOCKET):
        return never_ready(self.state_files, str(self.log), socket)


@pytest.mark.parametrize("before", [EARLIER, "", None])
@pytest.mark.parametrize("text, never", [
    (BEGIN + ERROR, True), (BEGIN + READY % SOCKET, False), ("", False), (BEGIN + READY % "/another", True)])
def test_only_its_own_log_proves_that_a_server_never_was_ready(tmp_path, before, text, never):
    server = Launched(tmp_path, before)
    if text or before is not None:
        server.logs(text)

    assert never == server.never()
    assert not server.never("")
    assert not never_ready(server.state_files, "", SOCKET)
    assert not never_ready(server.state_files, str(tmp_path / "none"), SOCKET)


def test_the_sign_is_also_found_where_two_readings_meet(tmp_path):
    server = Launched(tmp_path, EARLIER)
    server.logs("x" * ((1 << 20) - len(EARLIER) + 20) + READY % SOCKET + ERROR)

    assert not server.never()


@pytest.mark.parametrize("moved_to", ["error.log.1", None])
def test_a_log_that_was_rotated_proves_nothing(tmp_path, moved_to):
    server = Launched(tmp_path, EARLIER).logs(BEGIN + READY % SOCKET)
    if moved_to:
        os.rename(server.log, tmp_path / moved_to)
    else:
        os.unlink(server.log)
        (tmp_path / "another").write_text("")  # so that the new file cannot have the inode of the old one
    shutil.copy(__file__, tmp_path / "longer")
    os.rename(tmp_path / "longer", server.log)

    assert not server.logs(BEGIN + ERROR).never()


@pytest.mark.parametrize("before", [EARLIER, EARLIER * 1000, "", None], ids=["a line", "long", "empty", "missing"])
@pytest.mark.parametrize("since", ["", ERROR, ERROR * 10000, EARLIER.replace("18", "19") + ERROR * 10000],
                         ids=["nothing", "a line", "long", "as long as before"])
def test_a_log_that_was_copied_and_emptied_proves_nothing(tmp_path, before, since):
    """logrotate's copytruncate: the line by which it was ready went away with what was before."""
    server = Launched(tmp_path, before).logs(BEGIN + READY % SOCKET)
    os.truncate(server.log, 0)

    assert not server.logs(since).never()


def test_a_log_that_is_emptied_while_it_is_read_proves_nothing(tmp_path, mocker):
    server = Launched(tmp_path, EARLIER).logs(BEGIN + ERROR)
    real = daemon.is_whole

    def emptied(known, log):
        os.truncate(log, 0)
        return real(known, log)
    mocker.patch.object(daemon, "is_whole", emptied)

    assert not server.never()


def test_a_launch_by_an_agent_that_kept_no_digest_proves_nothing(tmp_path):
    server = Launched(tmp_path, EARLIER).logs(BEGIN + ERROR)
    assert server.never()
    known = server.state_files.read("log-offset")
    server.state_files.write("log-offset", {name: known[name] for name in ("bytes", "inode")})

    assert not server.never()


def test_a_pipe_proves_nothing(tmp_path):
    os.mkfifo(tmp_path / "error.log")
    server = Launched(tmp_path, None)

    assert not server.never()
