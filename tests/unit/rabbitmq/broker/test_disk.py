# SPDX-License-Identifier: Apache-2.0
"""What a data directory and the persistent state files prove: data, none, other data, older data."""

import os

import pytest

from quorate.host.state_files import StateFiles
from quorate.rabbitmq import facts
from quorate.rabbitmq.broker import disk
from quorate.rabbitmq.broker.layout import Layout

ONE, TWO, THREE = "rabbit@n1", "rabbit@n2", "rabbit@n3"
ALL = frozenset((ONE, TWO, THREE))


class Machine:
    """A machine with directories of data and of state files in a temporary directory."""

    def __init__(self, root, name=ONE, instance="mq"):
        self.root, self.base, self.name = root, root / "mnesia", name
        self.base.mkdir(exist_ok=True)
        self.directory = self.base / name
        self.files = StateFiles("rabbitmq", instance, str(root / "run"), str(root / "persistent"))
        layout = Layout("/bin/true", name, str(self.base), str(self.directory), str(root / "log"), "me", "me",
                        str(root / "cookie"), "/nonexistent", 5672, False, "3.10.8", str(root))
        self.disk = disk.Disk(self.files, layout)

    def fill(self, members=ALL, running=ALL, serial=None, **files):
        """Mnesia's files; files: name -> text of others."""
        self.directory.mkdir(exist_ok=True)
        files.setdefault("schema_DAT", "x")
        if members is not None:
            names = ",".join(sorted(members))
            files["cluster_nodes.config"] = "{[%s],[%s]}.\n" % (names, names)
        if running is not None:
            files["nodes_running_at_shutdown"] = "[%s].\n" % ",".join(sorted(running))
        if serial is not None:
            files["rabbit_serial"] = "%d.\n" % serial
        for name, text in files.items():
            (self.directory / name).write_text(text)
        return self

    def khepri(self):
        (self.base / (self.name + "-feature_flags")).write_text("[khepri_db].")
        return self

    def served(self, **values):
        """The state file about a broker that served from here."""
        given = dict(name=self.name, directory=str(self.directory), serial="", members="")
        self.files.write("served", {key: value for key, value in dict(given, **values).items() if value is not None},
                         persistent=True)
        return self

    def kept(self, name="served"):
        return self.files.read(name, persistent=True)

    def fields(self, *names):
        found = self.disk.report_fields()
        return tuple(found[name] for name in names) if names else found


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


NOTHING = {"data": False, "members": None, "running": None, "stale": False, "store": None, "lost": False, "other": None,
           "former": None}


def test_data(machine):
    machine.fill(running={ONE, TWO})
    assert machine.fields() == dict(NOTHING, data=True, members=ALL, running={ONE, TWO}, store=facts.MNESIA)


def test_no_data(machine):
    assert machine.fields() == NOTHING, "no directory"
    machine.directory.mkdir()
    assert machine.fields() == NOTHING, "an empty one"
    (machine.directory / "cluster_nodes.config").write_text("{[%s],[%s]}." % (ONE, ONE))
    assert machine.fields() == NOTHING, "one that was only prepared"
    machine.base.rename(machine.root / "away")
    assert machine.fields() == NOTHING, "not even the directory above"


def test_a_directory_that_cannot_be_read_is_unknown(machine):
    machine.directory.write_text("a file")
    assert machine.fields("data", "lost", "store") == (None, False, None)


def test_with_khepri_the_members_are_those_that_were_kept(machine):
    machine.khepri().fill(members={ONE}, running={ONE})
    assert machine.disk.is_khepri() and machine.disk.mnesia_members() == (None, None)
    assert machine.fields("data", "members", "running", "store") == (True, None, None, facts.KHEPRI)
    machine.disk.keep_members([TWO, ONE])
    assert machine.kept("members") == {"members": ONE + " " + TWO, "directory": str(machine.directory)}
    assert machine.fields("members", "running") == ({ONE, TWO}, None)
    machine.files.write("members", {"members": ONE, "directory": "/other"}, persistent=True)
    assert machine.fields("members") == (None,), "they are about other data"


def test_khepri_keeps_its_data_in_names_that_do_not_count_otherwise(machine):
    machine.directory.mkdir()
    (machine.directory / "coordination").mkdir()
    assert machine.fields("data") == (False,)
    assert machine.khepri().fields("data") == (True,)


# -- what was known before a launch

def test_evidence_counts_until_the_broker_has_served(machine):
    """RabbitMQ writes the file of the running nodes while it boots."""
    machine.fill(members={ONE, TWO}, running={ONE, TWO})
    machine.disk.keep_evidence()
    assert machine.kept("evidence") == {"members": ONE + " " + TWO, "running": ONE + " " + TWO,
                                        "directory": str(machine.directory)}
    machine.fill(members={ONE, THREE}, running={ONE})
    assert machine.fields("members", "running") == (ALL, {ONE, TWO})
    machine.disk.drop_evidence()
    assert machine.fields("members", "running") == ({ONE, THREE}, {ONE}) and machine.kept("evidence") == {}


def test_evidence_of_what_is_not_known_or_of_other_data(machine):
    machine.disk.keep_evidence()
    assert machine.kept("evidence") == {}, "there are no data"
    machine.fill(members=None, running=None)
    machine.disk.keep_evidence()
    assert machine.kept("evidence") == {"members": "", "running": "", "directory": str(machine.directory)}
    assert machine.fields("data", "members", "running") == (True, None, None)
    machine.files.write("evidence", {"members": TWO, "running": TWO, "directory": "/other"}, persistent=True)
    assert machine.fields("members", "running") == (None, None)
    machine.files.write("evidence", {"directory": str(machine.directory)}, persistent=True)
    assert machine.fields("members", "running") == (None, None)


def test_nothing_is_launched_without_evidence(machine):
    machine.files.log = object()  # with one, what cannot be written is a warning
    (machine.root / "persistent").write_text("in the way")
    machine.fill()
    with pytest.raises(OSError):
        machine.disk.keep_evidence()


# -- data that are gone, or have another name

@pytest.mark.parametrize("served, lost, former", [
    ({}, True, None), ({"name": None}, True, None), ({"name": "rabbit@was"}, True, "rabbit@was"),
    ({"directory": None}, True, None), ({"name": None, "directory": None, "apart": TWO}, False, None),
    ({"name": "", "directory": "/gone/rabbit@was"}, True, "rabbit@was"),
    ({"name": "", "directory": "/gone/data"}, True, None)])
def test_data_that_a_broker_served_with_are_lost(machine, served, lost, former):
    machine.served(**served)
    assert machine.fields("data", "lost", "other", "former") == (False, lost, None, former)
    machine.fill()
    assert machine.fields("data", "lost", "other", "former") == (True, False, None, None)


def test_data_of_another_name_beside_this_one(tmp_path):
    was = Machine(tmp_path, "rabbit@was").fill()
    machine = Machine(tmp_path)
    assert machine.fields("data", "lost", "other", "former") == (False, True, str(was.directory), None)
    (was.directory / "schema_DAT").unlink()
    assert machine.fields("lost", "other") == (False, None), "never used"
    (was.directory / "coordination").mkdir()
    assert machine.fields("lost", "other") == (False, None)
    was.khepri()
    assert machine.fields("lost", "other") == (True, str(was.directory)), "used, with Khepri"


@pytest.mark.parametrize("name", ["rabbit@was.old", "rabbit@was-plugins-expand", "lost+found"])
def test_what_is_no_data_directory(machine, name):
    (machine.base / name).mkdir()
    (machine.base / name / "schema_DAT").write_text("x")
    assert machine.fields("lost", "other") == (False, None)


def test_a_file_is_no_data_directory(machine):
    (machine.base / "rabbit@was").write_text("x")
    assert machine.fields("lost", "other") == (False, None)


def test_of_several_the_one_that_served(tmp_path):
    first, second, away = (Machine(tmp_path, name).fill() for name in ("rabbit@a", "rabbit@b", "rabbit@c"))
    machine = Machine(tmp_path)
    assert machine.fields("other") == (str(first.directory),)
    machine.served(name="rabbit@b", directory=str(second.directory))
    assert machine.fields("lost", "other", "former") == (True, str(second.directory), "rabbit@b")
    away.directory.rename(tmp_path / "rabbit@c")
    machine.served(name="rabbit@c", directory=str(tmp_path / "rabbit@c"))
    assert machine.fields("lost", "other", "former") == (True, str(tmp_path / "rabbit@c"), "rabbit@c")


def test_data_of_another_resource_are_not_this_one_s(tmp_path):
    """Two brokers on one machine."""
    other = Machine(tmp_path, "rabbit@b", instance="second").fill().served()
    machine = Machine(tmp_path)
    assert machine.fields("lost", "other") == (False, None)
    third = Machine(tmp_path, "rabbit@c", instance="third").fill()
    third.served(directory="/elsewhere")
    assert machine.fields("lost", "other") == (True, str(third.directory)), "it is not known to be another's"
    third.served()
    (tmp_path / "persistent" / "galera-db").mkdir()
    (tmp_path / "persistent" / "galera-db" / "served").write_text("directory %s\n" % other.directory)
    assert machine.fields("lost", "other") == (False, None)
    os.rename(tmp_path / "persistent" / "rabbitmq-third", tmp_path / "persistent" / "other-third")
    assert machine.fields("lost", "other") == (True, str(third.directory)), "another agent's file says nothing"


def test_one_s_own_data_of_another_name_are_no_other_resource_s(tmp_path):
    was = Machine(tmp_path, "rabbit@was").fill().served()
    assert Machine(tmp_path).fields("lost", "other", "former") == (True, str(was.directory), "rabbit@was")


def test_what_is_beside_it_cannot_be_read(machine, monkeypatch):
    """Then nothing is known of other data, and so nothing is founded."""
    listed = os.listdir

    def denied(path):
        if path == str(machine.base):
            raise PermissionError(13, "Permission denied", path)
        return listed(path)

    monkeypatch.setattr(disk.os, "listdir", denied)
    assert machine.fields("data", "lost", "other") == (None, False, None)


# -- older data, and data of another cluster

@pytest.mark.parametrize("serial, served, stale", [
    (7, "7", False), (8, "7", False), (6, "7", True), (6, "", False), (6, "many", False), (None, "7", False),
    (0, "1", True), (9, "10", True)])
def test_older_data_are_no_data(machine, serial, served, stale):
    machine.fill(serial=serial).served(serial=served, members=" ".join(ALL))
    wanted = (None, None, None, None, True) if stale else (True, ALL, ALL, facts.MNESIA, False)
    assert machine.fields("data", "members", "running", "store", "stale") == wanted
    assert machine.fields("lost", "other", "former") == (False, None, None)


@pytest.mark.parametrize("members, served, unlike", [
    ({ONE}, {"members": ONE + " " + TWO}, True), ({ONE, TWO}, {"members": ONE + " " + TWO}, False),
    ({ONE, THREE}, {"members": ONE + " " + TWO}, True), ({ONE}, {"members": ONE}, False), ({ONE}, {}, False),
    (None, {"members": ONE + " " + TWO}, False), ({ONE}, {"apart": TWO + " " + THREE}, True),
    ({ONE, THREE}, {"apart": TWO + " " + THREE}, False), ({ONE, TWO}, {"members": TWO, "apart": THREE}, True)])
def test_data_that_know_none_of_those_that_served_together(machine, members, served, unlike):
    """They were founded apart from them: by systemd, on a disk that was not mounted."""
    machine.fill(members=members).served(**served)
    assert machine.disk.is_unlike(None if members is None else frozenset(members)) is unlike
    assert machine.fields("stale", "data") == (unlike, None if unlike else True)


def test_with_khepri_the_kept_members_tell_data_of_another_cluster(machine):
    machine.khepri().fill().served(members=ONE + " " + TWO)
    assert machine.fields("stale") == (False,), "the members are not known"
    machine.disk.keep_members([ONE])
    assert machine.fields("stale", "data", "store") == (True, None, None)


# -- what is kept of a broker that serves

def test_what_is_kept_of_a_broker_that_serves(machine):
    machine.fill(serial=5).disk.keep_served()
    assert machine.kept() == {"name": ONE, "directory": str(machine.directory), "serial": "5",
                              "members": " ".join(sorted(ALL))}
    machine.fill(members={ONE, TWO}, serial=6).disk.keep_served()
    assert (machine.kept()["serial"], machine.kept()["members"]) == ("6", ONE + " " + TWO)
    assert machine.kept()["forgot"] == THREE and machine.disk.forgotten() == {THREE}
    machine.fill(members={ONE}, serial=6).disk.keep_served()
    assert machine.disk.forgotten() == {TWO, THREE} and machine.kept()["forgot"] == TWO + " " + THREE
    machine.fill(members={ONE, TWO}, serial=6).disk.keep_served()
    assert machine.disk.forgotten() == {THREE}, "it joined again"
    machine.fill(members=None)
    (machine.directory / "cluster_nodes.config").write_text("garbage")
    (machine.directory / "rabbit_serial").write_text("garbage")
    machine.disk.keep_served()
    assert (machine.kept()["serial"], machine.kept()["members"]) == ("", ONE + " " + TWO), "unknown: those of before"


def test_what_is_kept_of_one_with_khepri(machine):
    machine.khepri().fill(serial=5)
    machine.disk.keep_served()
    assert machine.kept()["members"] == ""
    machine.disk.keep_members([ONE, TWO])
    machine.disk.keep_served()
    assert machine.kept()["members"] == ONE + " " + TWO


def test_what_has_not_changed_is_not_written_again(machine, monkeypatch):
    machine.fill(serial=5).disk.keep_served()
    monkeypatch.setattr(StateFiles, "write", None)
    machine.disk.keep_served()
    machine.disk.follow_served()


def test_members_of_another_directory_are_not_kept_as_this_one_s(machine):
    machine.fill(serial=5).served(directory="/other", members=TWO)
    (machine.directory / "cluster_nodes.config").write_text("garbage")
    machine.disk.keep_served()
    assert (machine.kept()["members"], machine.kept()["directory"]) == ("", str(machine.directory))


@pytest.mark.parametrize("serial, kept", [(5, "5"), (4, "5"), (6, "6"), (None, "")])
def test_a_broker_with_older_data_is_not_followed(machine, serial, kept):
    assert machine.disk.forgotten() == frozenset()
    machine.fill(serial=serial).served(serial="5", members=" ".join(sorted(ALL)))
    assert machine.disk.follow_served() is (serial != 4)
    assert machine.kept()["serial"] == kept


def test_the_names_of_the_data_are_on_the_disk_before_the_number_is_kept(machine, monkeypatch):
    """RabbitMQ renames rabbit_serial into place; after a power cut it would be older than what is kept here."""
    steps, written, synced, closed = [], StateFiles.write, os.fsync, os.close
    monkeypatch.setattr(StateFiles, "write", lambda self, name, *more, **how: (
        steps.append(name), written(self, name, *more, **how)))
    monkeypatch.setattr(disk.os, "fsync", lambda handle: (
        steps.append(os.readlink("/proc/self/fd/%d" % handle)), synced(handle))[1])
    machine.fill(serial=5).disk.keep_served()
    assert steps[:2] == [str(machine.directory), "served"]
    monkeypatch.setattr(disk.os, "close", lambda handle: (
        steps.append("close " + os.readlink("/proc/self/fd/%d" % handle)), closed(handle)))
    monkeypatch.setattr(disk.os, "fsync", lambda handle: (_ for _ in ()).throw(OSError(5, "Input/output error")))
    machine.disk._sync()
    assert steps[-1] == "close " + str(machine.directory), "and what the disk refuses, the broker will say"


def test_a_directory_that_is_gone_needs_no_sync(machine):
    machine.disk._sync()
    machine.directory.write_text("a file")
    machine.disk._sync()


@pytest.mark.parametrize("served, has", [
    ({"serial": "5"}, True), ({"members": ONE}, True), ({}, False),
    ({"name": None, "serial": "5"}, True), ({"name": None, "directory": None, "serial": "5"}, False)])
def test_whether_a_broker_has_served_with_data(machine, served, has):
    assert machine.disk.has_served() is False
    machine.served(**served)
    assert machine.disk.has_served() is has


@pytest.mark.parametrize("served", [
    {"serial": "5"}, {"members": ONE}, {"apart": TWO}, {"forgot": TWO}, {"serial": "5", "apart": TWO}])
def test_the_boots_are_counted_anew_before_a_launch_without_data(machine, served):
    machine.served(**served).disk.count_anew()
    assert machine.kept() == {
        "name": ONE, "directory": str(machine.directory), "serial": "", "members": "", "apart": "", "forgot": ""}
    assert machine.fields("lost") == (True,), "that there were data stays known"
    assert not machine.disk.has_served()


def test_nothing_is_counted_anew_where_nothing_was_counted(machine):
    machine.disk.count_anew()
    assert machine.kept() == {}
    machine.served().disk.count_anew()
    assert "apart" not in machine.kept()


def test_nothing_is_launched_where_the_count_cannot_be_written(machine, monkeypatch):
    machine.served(serial="5")
    machine.files.log = object()  # with one, what cannot be written is a warning

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("quorate.host.state_files.replace", full)
    with pytest.raises(OSError):
        machine.disk.count_anew()


def test_the_members_of_the_cluster_that_a_node_belongs_to(machine):
    machine.served(serial="5").disk.keep_apart([TWO, ONE])
    assert machine.kept() == {"name": ONE, "directory": str(machine.directory), "serial": "5", "members": "",
                              "apart": ONE + " " + TWO}
    assert machine.disk.is_unlike(frozenset((ONE,)))
