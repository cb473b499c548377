# SPDX-License-Identifier: Apache-2.0
"""A recovered position that is kept: it is used only while nothing can have written to the database since."""

import os
import shutil
import time
from types import SimpleNamespace

import pytest

from quorate.galera.declaration import PARAMETERS
from quorate.galera.server import process
from quorate.galera.server.data import kept_position
from quorate.galera.server.settings.layout import Layout
from quorate.host.state_files import StateFiles
from tests import fakes

UUID = "6d9b2f0c-9f5e-11ee-8c90-0242ac120002"
SERVER = "/usr/sbin/mariadbd"
FOUND = (UUID, 7)


class Disk:
    """A data directory and a redo log elsewhere."""

    def __init__(self, root):
        self.datadir, self.redo = os.path.join(root, "data"), os.path.join(root, "redo")
        for path in (self.datadir, self.redo, self.datadir + "/mysql"):
            os.makedirs(path)
        for name in ("data/ibdata1", "data/grastate.dat", "data/aria_log_control", "redo/ib_logfile0"):
            with open(os.path.join(root, name), "w", encoding="ascii") as file:
                file.write("old")
        self.root = root
        self.state_files = StateFiles("galera", "db", root + "/run", root + "/persistent")
        self.context = fakes.context(parameters=PARAMETERS, wsrep_cluster_address="gcomm://n1")
        self.layout = Layout(SERVER, None, self.datadir, self.datadir + "/s", self.datadir + "/p", self.datadir + "/l",
                             "root", "root", "1", "TRUE", "galera", "rsync", innodb=(self.datadir, self.redo))

    def keep(self, **layout):
        kept_position.keep(self.context, self.state_files, self.layout._replace(**layout), FOUND)

    def position(self, **layout):
        return kept_position.position(self.context, self.state_files, self.layout._replace(**layout))


@pytest.fixture
def disk(tmp_path, mocker):
    mocker.patch.object(process, "same_root", lambda _: True)
    return Disk(str(tmp_path))


def same_text_and_times(path):
    """Write the same bytes again, and set the old mtime."""
    before = os.stat(path)
    with open(path, "r+", encoding="ascii") as file:
        text = file.read()
        file.seek(0)
        file.write(text)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def backup_over(path):
    """cp -p, which writes into the file that is there."""
    shutil.copy2(path, path + ".backup")
    shutil.copyfile(path + ".backup", path)
    shutil.copystat(path + ".backup", path)
    os.unlink(path + ".backup")


def renamed_over(path):
    shutil.copy2(path, path + ".new")
    os.rename(path + ".new", path)


def another_directory(disk):
    shutil.copytree(disk.datadir, disk.datadir + "2")
    for name in os.listdir(disk.datadir):
        shutil.copystat(os.path.join(disk.datadir, name), os.path.join(disk.datadir + "2", name))
    os.rename(disk.datadir, disk.datadir + "3")
    os.rename(disk.datadir + "2", disk.datadir)


WRITES = {
    "the system tablespace": lambda disk: same_text_and_times(disk.datadir + "/ibdata1"),
    "the redo log elsewhere": lambda disk: same_text_and_times(disk.redo + "/ib_logfile0"),
    "Aria's log": lambda disk: same_text_and_times(disk.datadir + "/aria_log_control"),
    "grastate.dat": lambda disk: same_text_and_times(disk.datadir + "/grastate.dat"),
    "a backup over it": lambda disk: backup_over(disk.datadir + "/ibdata1"),
    "a file in its place": lambda disk: renamed_over(disk.redo + "/ib_logfile0"),
    "a new file": lambda disk: open(disk.datadir + "/undo001", "w", encoding="ascii").close(),
    "a file that is gone": lambda disk: os.unlink(disk.datadir + "/aria_log_control"),
    "another data directory": another_directory,
    "no redo log": lambda disk: shutil.rmtree(disk.redo),
    "a lost link": lambda disk: os.symlink("/nowhere", disk.datadir + "/ib_logfile1"),
}


def test_it_is_used_as_long_as_nothing_has_written(disk):
    assert disk.position() is None
    disk.keep()
    assert FOUND == disk.position() == disk.position()


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_it_is_not_used_after_a_write(disk, write):
    disk.keep()
    write(disk)
    assert disk.position() is None


def test_a_link_to_another_file_is_a_write(disk):
    os.rename(disk.redo + "/ib_logfile0", disk.root + "/one")
    shutil.copy2(disk.root + "/one", disk.root + "/two")
    os.symlink(disk.root + "/one", disk.redo + "/ib_logfile0")
    disk.keep()
    assert FOUND == disk.position()
    same_text_and_times(disk.root + "/one")
    assert disk.position() is None


def test_mysqls_redo_log_has_a_directory(disk):
    os.makedirs(disk.datadir + "/#innodb_redo")
    shutil.copy2(disk.redo + "/ib_logfile0", disk.datadir + "/#innodb_redo/#ib_redo6")
    disk.keep()
    assert FOUND == disk.position()
    same_text_and_times(disk.datadir + "/#innodb_redo/#ib_redo6")
    assert disk.position() is None


def test_a_look_up_of_the_settings_is_no_write(disk):
    """mariadbd --verbose --help makes and removes a file to find out whether names have cases."""
    disk.keep()
    with open(disk.datadir + "/x.lower-test", "w", encoding="ascii"):
        os.unlink(disk.datadir + "/x.lower-test")
    assert FOUND == disk.position()


def test_other_settings_are_another_database(disk):
    disk.keep()
    assert disk.position(innodb=(disk.datadir,)) is None
    assert disk.position(config="/etc/other.cnf") is None
    assert disk.position(innodb=None) is None and FOUND == disk.position()


@pytest.mark.parametrize("innodb", [None, (), ("/nowhere",), ("/dev/null",)])
def test_where_the_files_are_not_known_nothing_is_kept(disk, innodb):
    disk.keep(innodb=innodb)
    assert disk.position(innodb=innodb) is None and not disk.state_files.has("recovered")


@pytest.mark.parametrize("place", [1, 3, 4], ids=["file system", "device", "inode"])
def test_the_same_times_on_another_disk_are_other_files(disk, mocker, place):
    """A copy that was made below the file system; where times alone are equal."""
    disk.keep()
    stamps = kept_position._stamps(disk.layout.innodb)
    status, system = os.stat(disk.datadir), os.statvfs(disk.datadir)
    assert (system.f_fsid, status.st_dev, status.st_ino) == tuple(stamps[0][one] for one in (1, 3, 4))
    mocker.patch.object(kept_position, "_stamps",
                        return_value=[one[:place] + (one[place] + 1,) + one[place + 1:] for one in stamps])
    assert disk.position() is None


def test_it_ends_with_the_boot(disk, mocker, tmp_path):
    for text in ("one", "two", None):
        if text:
            (tmp_path / text).write_text(text)
        mocker.patch.object(kept_position, "BOOT_ID", str(tmp_path / (text or "none")))
        assert disk.position() is None
        disk.keep()
        assert (FOUND if text else None) == disk.position()


def test_it_is_not_used_beside_a_process_on_the_data(disk):
    disk.keep()
    server = disk.context.processes.add((SERVER, "--datadir=" + disk.datadir))
    assert disk.position() is None
    disk.keep()
    disk.context.processes.remove(server.pid)
    assert disk.position() is None, "kept while a server could write"


@pytest.mark.parametrize("values", [{}, {"uuid": UUID, "seqno": 7}, {"uuid": "x", "seqno": 7}, {"uuid": UUID, "seqno": "x"}])
def test_a_file_that_is_not_understood_says_nothing(disk, values):
    disk.keep()
    stamps = disk.state_files.read("recovered")["stamps"]
    disk.state_files.write("recovered", dict(values, **({} if len(values) == 2 and values["uuid"] == UUID
                                                       and values["seqno"] == 7 else {"stamps": stamps})))
    assert disk.position() is None and disk.position(innodb=None) is None


def stamped(mocker, *times):
    """Have every file of each look at the disk these ctimes (nanoseconds before now)."""
    looks = iter(times)

    def stamps(_):
        ago = next(looks)
        return [("f", 1, 1, 1, 1, 1, 1, time.time_ns() - ago if ago > 0 else -ago)]
    mocker.patch.object(kept_position, "_stamps", stamps)
    mocker.patch.object(time, "sleep", lambda _: None)


@pytest.mark.parametrize("times, kept", [
    ([10 ** 9 + 1], True), ([1, 1, 10 ** 9 + 1], True),  # one in the stamp's own tick may be followed by another
    ([1] * kept_position.TRIES, False), ([-5 * 10 ** 18], False),
])
def test_a_change_within_a_tick_of_the_clock_is_waited_for(disk, mocker, times, kept):
    """-5e18: whole seconds, as on file systems that keep no parts of them; and a clock that was set back."""
    stamped(mocker, *times)
    disk.keep()
    assert kept == disk.state_files.has("recovered")


def test_a_file_system_with_whole_seconds_proves_nothing(disk, mocker):
    """A directory's own times are left out, and must not count as parts of a second."""
    real = os.stat

    def whole(path, **options):
        status = real(path, **options)
        return SimpleNamespace(st_ctime_ns=10 ** 18, **{
            name: getattr(status, name) for name in ("st_mode", "st_dev", "st_ino", "st_size", "st_mtime_ns")})
    mocker.patch.object(os, "stat", whole)
    stamps = kept_position._stamps(disk.layout.innodb)
    assert stamps is not None and kept_position._settled_stamps(disk.layout.innodb) is None


def test_files_from_the_future_prove_nothing(disk, mocker):
    """The clock was set back; a later write could get an earlier time."""
    mocker.patch.object(kept_position, "_stamps", lambda _: [("f", 1, 1, 1, 1, 1, 1, time.time_ns() + 10 ** 12 + 1)])
    mocker.patch.object(time, "sleep", lambda _: None)
    disk.keep()
    assert disk.position() is None and not disk.state_files.has("recovered")


def test_a_full_run_directory_costs_a_recovery(disk, mocker):
    disk.keep()
    mocker.patch.object(StateFiles, "write", side_effect=OSError(28, "No space left on device"))
    disk.keep()
    assert disk.position() is None and "cannot be kept" in disk.context.log.lines[-1][1]


# A recovery whose end nobody saw

@pytest.mark.parametrize("later, untouched", [(-10, True), (1, True), (2, True), (3, False), (3600, False)])
def test_what_was_written_after_its_end_makes_its_result_void(disk, mocker, later, untouched):
    log = disk.root + "/recover.log"
    with open(log, "w", encoding="ascii"):
        pass
    end = os.stat(log).st_ctime_ns
    mocker.patch.object(kept_position, "_stamps", lambda _: [("f", 1, 1, 1, 1, 1, 1, end + later * 10 ** 9)])
    assert untouched == kept_position.is_untouched_since(disk.layout, log)


def test_without_its_log_nothing_is_known(disk):
    assert not kept_position.is_untouched_since(disk.layout, disk.root + "/nowhere")
    with open(disk.root + "/log", "w", encoding="ascii"):
        assert kept_position.is_untouched_since(disk.layout, disk.root + "/log")
        assert kept_position.is_untouched_since(disk.layout._replace(innodb=None), disk.root + "/log")
        assert not kept_position.is_untouched_since(disk.layout._replace(innodb=("/nowhere",)), disk.root + "/log")


def test_a_launch_forgets_it(disk, mocker):
    disk.keep()
    mocker.patch.object(process.daemon, "launch", return_value=SimpleNamespace(pid=1))
    process.launch(disk.context, disk.state_files, disk.layout, [])
    assert not disk.state_files.has("recovered")
