# SPDX-License-Identifier: Apache-2.0
"""What is read from and written to the data directory, beside what a healthy node finds there."""

import os
import pwd
import stat

import pytest

from quorate.galera import facts
from quorate.galera.declaration import PARAMETERS
from quorate.galera.server.data import disk
from quorate.galera.server.observe import Members
from quorate.galera.server.settings import command_line
from quorate.galera.server.settings.layout import Layout
from quorate.galera.server.settings.options import Options
from quorate.host.state_files import StateFiles
from quorate.ocf import codes
from quorate.ocf.codes import Failed
from tests import fakes

U, V = "6d9b2f0c-9f5e-11ee-8c90-0242ac120002", "7e9b2f0c-9f5e-11ee-8c90-0242ac120002"
A, B, G = ("11111111-c6a1-11ef-0000-00000000000%d" % number for number in (1, 2, 3))
GVWSTATE = ("my_uuid: %s\n#vwbeg\nview_id: 3 %s 17\nbootstrap: 0\nmember: %s 0\nmember: %s 0\nmember: %s 1\n#vwend\n"
            % (A, B, A, B, G))
VIEW = facts.View(B, 17, frozenset((A, B, G)))
REMEMBERED = {"my": A, "uuid": B, "seq": "16", "members": "%s %s" % (A, B), "names": "%s=n1 %s=n2" % (A, B),
              "arbitrators": G, "settled": "%s:16" % B}
OLD_VIEW = facts.View(B, 16, frozenset((A, B)))


def grastate(uuid=U, seqno=-1, safe=0):
    return "# GALERA saved state\nversion: 2.1\nuuid:    %s\nseqno:   %d\nsafe_to_bootstrap: %d\n" % (uuid, seqno, safe)


class Node:
    """A node with a data directory. database: whether there is one in it."""

    def __init__(self, root, database=True, **parameters):
        self.datadir = root / "data"
        self.datadir.mkdir()
        if database:
            (self.datadir / "ibdata1").write_text("")
        self.path = str(self.datadir)
        self.context = fakes.context(parameters=PARAMETERS, seconds=500, wsrep_cluster_address="gcomm://n1",
                                     **parameters)
        self.files = StateFiles("galera", "db", str(root / "run"), str(root / "persistent"))
        self.layout = Layout("/bin/true", None, self.path, self.path + "/socket", self.path + "/pid",
                             self.path + "/log", "root", "root", "1", "TRUE", "galera", "rsync")

    def put(self, **files):
        """Files of the data directory, by their names without .dat."""
        for name, text in files.items():
            (self.datadir / (name + ".dat")).write_text(text)
        return self

    def get(self, name):
        path = self.datadir / (name + ".dat")
        return path.read_text() if path.exists() else None

    def recovers(self, mocker, position, problem=None):
        """InnoDB says so."""
        def recover(context, state_files, layout):
            assert (context, state_files, layout) == (self.context, self.files, self.layout)
            return position, problem
        mocker.patch("quorate.galera.server.data.disk.recover", recover)

    def undone(self, seqno, most, uuid=U, undone=1):
        """A bootstrap at this position was undone."""
        self.files.write("opening", {"uuid": uuid, "seqno": seqno, "most": most, "undone": undone}, persistent=True)

    def report(self):
        return disk.read_report(self.context, self.files, self.layout)


@pytest.fixture
def node(tmp_path):
    return Node(tmp_path)


EMPTY = facts.Report(None, facts.DOWN, facts.ZERO_UUID, -1, facts.NONE, False, None, False, settled=False,
                     recorded=False)
CLEAN = EMPTY._replace(uuid=U, seqno=5, source=facts.GRASTATE, clean=True, safe=False, data=True)


# Reports

def test_of_an_empty_directory(tmp_path):
    assert (EMPTY, None) == Node(tmp_path, database=False).report()


@pytest.mark.parametrize("seqno, safe", [(0, True), (5, False)])
def test_of_a_clean_stop(node, seqno, safe):
    node.put(grastate=grastate(U, seqno, safe))
    assert (CLEAN._replace(seqno=seqno, safe=safe), None) == node.report()
    assert ["grastate.dat: stopped cleanly at %s:%d." % (U, seqno)] == node.context.log.said


def test_of_a_database_that_was_never_in_a_cluster(node, mocker):
    node.recovers(mocker, (facts.ZERO_UUID, -1))
    assert (EMPTY._replace(data=True), None) == node.report()


@pytest.mark.parametrize("text, safe", [
    (grastate(U, -1, 1), True), (grastate(facts.ZERO_UUID, -1, 1), True), ("\0\0", None)])
def test_of_a_crash(node, mocker, text, safe):
    node.put(grastate=text).recovers(mocker, (V, 7))
    assert (EMPTY._replace(uuid=V, seqno=7, source=facts.RECOVERED, safe=safe, data=True), None) == node.report()
    assert ["Recovered position: %s:7." % V] == node.context.log.said


@pytest.mark.parametrize("text, safe", [
    (grastate(U, -1, 1), True), (grastate(facts.ZERO_UUID, 5), False), ("\0\0", None), (None, None)])
def test_of_a_transfer_that_broke_off(node, text, safe):
    node.put(**{} if text is None else {"grastate": text})
    (node.datadir / "sst_in_progress").write_text("")
    assert (EMPTY._replace(generation=0, safe=safe), "A state transfer into %s broke off; this node can only join."
            % node.path) == node.report()


@pytest.mark.parametrize("text", [grastate(U, 0), grastate(U, 5)])
def test_a_marker_that_a_clean_stop_came_after_says_nothing(node, text):
    node.put(grastate=text)
    (node.datadir / "sst_in_progress").write_text("")
    assert node.report()[0].generation is None and node.report()[0].clean


def test_of_another_data_directory_nothing_is_believed(node, mocker):
    """It was mounted by mistake, or the right one was not."""
    mocker.patch("quorate.galera.server.data.identity.problem", lambda state_files, datadir: "It is another one." if (
        state_files, datadir) == (node.files, node.path) else None)
    node.put(grastate=grastate(U, 5))
    unknown = EMPTY._replace(uuid=None, seqno=None, source=None, clean=None, safe=None, data=None)
    assert (unknown, "It is another one.") == node.report()


def test_the_last_view_is_in_the_report(node):
    node.put(grastate=grastate(U, 5), gvwstate=GVWSTATE)
    node.files.write("view", dict(REMEMBERED, settled="%s:17" % B), persistent=True)
    seen = CLEAN._replace(my_uuid=A, view=VIEW, arbitrators=frozenset((G,)), settled=True, recorded=True)
    assert (seen, None) == node.report()


def test_a_view_that_the_server_removed_is_remembered(node):
    node.put(grastate=grastate(U, 5))
    node.files.write("view", REMEMBERED, persistent=True)
    seen = CLEAN._replace(my_uuid=A, view=OLD_VIEW, arbitrators=frozenset((G,)), settled=True, recorded=False)
    assert (seen, None) == node.report()


@pytest.mark.parametrize("text, damaged", [("", False), ("\0", True), ("half", True)])
def test_a_damaged_view_makes_the_state_unknown_and_an_empty_one_says_nothing(node, text, damaged):
    node.put(grastate=grastate(U, 5), gvwstate=text)
    found, problem = node.report()
    assert CLEAN._replace(state=facts.UNKNOWN if damaged else facts.DOWN) == found
    assert ("gvwstate.dat is damaged; remove it if this node shall only join." if damaged else None) == problem


def test_a_view_that_was_set_aside_is_restored_first(node):
    node.put(grastate=grastate(U, 5), gvwstate=GVWSTATE)
    node.files.keep(node.path + "/gvwstate.dat")
    os.unlink(node.path + "/gvwstate.dat")
    assert VIEW == node.report()[0].view and GVWSTATE == node.get("gvwstate") and node.report()[0].recorded


def test_a_view_that_cannot_be_restored_is_said(node, mocker):
    node.put(grastate=grastate(U, 5))
    mocker.patch("quorate.galera.server.data.disk.restore_view", side_effect=OSError(30, "Read-only file system"))
    assert (CLEAN, "gvwstate.dat in %s cannot be restored: Read-only file system." % node.path) == node.report()


# After a bootstrap that was undone

@pytest.mark.parametrize("position, opening, expected, tried", [
    ((U, 7), {"seqno": 5, "most": 7}, (U, 5), True), ((U, 8), {"seqno": 5, "most": 7}, (U, 8), False),
    ((U, 7), {"seqno": 5, "most": 7, "undone": 0}, (U, 7), False), ((U, 7), {"seqno": "x", "most": 7}, (U, 7), False),
    ((U, 7), {"seqno": 5, "most": "x"}, (U, 7), False), ((U, 7), {"seqno": 7, "most": 9}, (U, 7), False),
    ((V, 7), {"seqno": 5, "most": 7}, (V, 7), False)])
@pytest.mark.parametrize("clean", [True, False])
def test_a_node_counts_as_before_the_bootstrap_that_was_undone(node, mocker, clean, position, opening, expected, tried):
    """And it stays out of a view that Galera would re-form."""
    node.undone(**opening)
    node.put(grastate=grastate(*(position if clean else (U, -1)))).recovers(mocker, position)
    found, problem = node.report()
    assert (expected, tried, True, None) == ((found.uuid, found.seqno), found.tried, found.data, problem)
    assert (facts.GRASTATE if clean else facts.RECOVERED) == found.source


def test_a_position_that_cannot_be_found_out_counts_as_before_as_well_and_is_said(node, mocker):
    node.undone(5, 7)
    node.put(grastate=grastate(U, -1)).recovers(mocker, None, "InnoDB says nothing.")
    found, problem = node.report()
    assert ((U, 5, facts.RECOVERED, True, True), "InnoDB says nothing.") == (
        (found.uuid, found.seqno, found.source, found.data, found.tried), problem)
    assert ["InnoDB says nothing. Before the bootstrap that came to nothing it was %s:5." % U] == node.context.log.said


def test_without_an_undone_bootstrap_it_is_unknown(node, mocker):
    node.put(grastate=grastate(U, -1)).recovers(mocker, None, "InnoDB says nothing.")
    assert (EMPTY._replace(uuid=None, seqno=None, data=None, safe=False), "InnoDB says nothing.") == node.report()


@pytest.mark.parametrize("undone, text, recovered, expected", [
    (False, grastate(U, 7), None, (V, 1, facts.NONE)), (True, grastate(U, 7), None, (U, 7, facts.GRASTATE)),
    (True, grastate(U, 0), None, (U, 0, facts.GRASTATE)), (True, grastate(U, -1), (U, 8), (U, 8, facts.RECOVERED)),
    (True, grastate(facts.ZERO_UUID, 3), (U, 8), (U, 8, facts.RECOVERED)),
    (True, "\0", (U, 8), (U, 8, facts.RECOVERED))])
def test_a_server_is_started_with_the_position_that_the_disk_has(node, mocker, undone, text, recovered, expected):
    report = facts.Report("n1", uuid=V, seqno=1, source=facts.NONE)
    if undone:
        node.undone(5, 7)
    node.put(grastate=text).recovers(mocker, recovered)
    found = disk.true_position(node.context, node.files, node.layout, report)
    assert report._replace(uuid=expected[0], seqno=expected[1], source=expected[2]) == found


def test_it_is_not_started_without_one(node, mocker):
    node.undone(5, 7)
    node.recovers(mocker, None, "InnoDB says nothing.")
    with pytest.raises(Failed) as failed:
        disk.true_position(node.context, node.files, node.layout, facts.Report("n1"))
    assert (codes.ERR_GENERIC, "InnoDB says nothing.") == (failed.value.code, failed.value.reason)


@pytest.mark.parametrize("database, text, needs", [
    (True, grastate(U, 0), False), (True, grastate(U, -1), True), (True, grastate(facts.ZERO_UUID, 5), True),
    (True, "\0", True), (True, None, True), (False, grastate(U, -1), False), (False, None, False)])
def test_when_only_innodb_can_tell_the_position(tmp_path, database, text, needs):
    node = Node(tmp_path, database).put(**{} if text is None else {"grastate": text})
    assert needs == disk.needs_recovery(node.path)


@pytest.mark.parametrize("name, made, there", [
    ("ibdata1", os.mknod, True), ("mysql", os.mkdir, True), ("mysql", os.mknod, False), ("sys", os.mkdir, False)])
def test_whether_there_is_a_database(tmp_path, name, made, there):
    node = Node(tmp_path, database=False)
    made(os.path.join(node.path, name))
    assert there == disk.has_database(node.path)


# Views

def test_the_view_that_was_delivered(node):
    assert None is disk.delivered_view(node.path)
    assert VIEW == disk.delivered_view(node.put(gvwstate=GVWSTATE).path)
    assert None is disk.delivered_view(node.put(gvwstate="half").path)


@pytest.mark.parametrize("text, remembered, expected", [
    (GVWSTATE, REMEMBERED, (A, VIEW, frozenset((G,)), {A: "n1", B: "n2"})), (GVWSTATE, {}, (A, VIEW, frozenset(), {})),
    (None, REMEMBERED, (A, OLD_VIEW, frozenset((G,)), {A: "n1", B: "n2"})),
    ("half", REMEMBERED, (A, OLD_VIEW, frozenset((G,)), {A: "n1", B: "n2"})),
    (None, dict(REMEMBERED, seq="x"), (None, None, frozenset((G,)), {A: "n1", B: "n2"})),
    (None, {"my": A}, (None, None, frozenset(), {}))])
def test_the_last_view(node, text, remembered, expected):
    node.put(**{} if text is None else {"gvwstate": text})
    node.files.write("view", remembered, persistent=True)
    assert expected == disk.last_view(node.files, node.path)


NEW = {"my": A, "uuid": B, "seq": "17", "members": "%s %s %s" % (A, B, G)}
NAMED = {"names": "%s=n1 %s=n9" % (A, B), "arbitrators": ""}


@pytest.mark.parametrize("members, applied, expected", [
    (None, None, {}), (None, VIEW, {}),
    (Members((A, B, G), {B: "n9", A: "n1"}, frozenset()), VIEW, dict(NAMED, settled="%s:17" % B)),
    (Members((A, B, G), {B: "n9", A: "n1"}, frozenset()), None, NAMED),
    (Members((A, B), {B: "n9", A: "n1"}, frozenset()), VIEW, NAMED),
    (Members((A, B), {}, frozenset((G, B))), OLD_VIEW,
     {"names": "", "arbitrators": "%s %s" % (B, G), "settled": "%s:16" % B})])
def test_a_view_is_remembered_with_what_the_server_says_of_its_members(node, members, applied, expected):
    """The server removes the file when it stops. What it does not say now stays as it was."""
    node.put(gvwstate=GVWSTATE)
    node.files.write("view", REMEMBERED, persistent=True)
    disk.remember_view(node.files, node.path, members, applied)
    assert dict(REMEMBERED, **dict(NEW, **expected)) == node.files.read("view", persistent=True)


def test_a_view_is_written_only_when_it_changed(node, mocker):
    node.put(gvwstate=GVWSTATE)
    disk.remember_view(node.files, node.path)
    assert dict(NEW, names="", arbitrators="", settled="") == node.files.read("view", persistent=True)
    write = mocker.patch("quorate.host.state_files.replace")
    disk.remember_view(node.files, node.path)
    write.assert_not_called()


@pytest.mark.parametrize("text", [None, "", "half"])
def test_without_a_view_what_is_remembered_stays(node, text):
    node.put(**{} if text is None else {"gvwstate": text})
    node.files.write("view", REMEMBERED, persistent=True)
    disk.remember_view(node.files, node.path, Members((A,), {}, frozenset()), OLD_VIEW)
    assert REMEMBERED == node.files.read("view", persistent=True)


@pytest.mark.parametrize("text, stays", [("", False), ("x", True), (None, False)])
def test_only_an_empty_view_is_removed(node, text, stays):
    node.put(**{} if text is None else {"gvwstate": text})
    disk.remove_empty_view(node.path)
    assert stays == os.path.exists(node.path + "/gvwstate.dat") and not disk.is_view_empty(node.path)


@pytest.mark.parametrize("saved, there, expected", [
    (GVWSTATE, None, GVWSTATE), (GVWSTATE, "another", "another"), (None, None, None), ("", None, None)])
def test_a_view_is_restored_where_there_is_none(node, mocker, saved, there, expected):
    chown = mocker.patch("os.fchown")
    node.put(**{} if there is None else {"gvwstate": there})
    disk.restore_view(node.path, saved, "nobody")
    account = pwd.getpwnam("nobody")
    assert expected == node.get("gvwstate")
    assert [(account.pw_uid, account.pw_gid)] * (expected == GVWSTATE) == [one.args[1:] for one in chown.call_args_list]
    disk.restore_view(node.path + "/no", saved, "nobody")
    assert not os.path.exists(node.path + "/no")


# Writing

@pytest.mark.parametrize("text, safe, expected", [
    (grastate(U, -1, 0), True, grastate(U, -1, 1)), (grastate(U, 5, 1), False, grastate(U, 5, 0)), ("\0", True, "\0"),
    (None, True, None)])
def test_the_flag_is_set_and_the_file_stays_its_owner_s(node, mocker, text, safe, expected):
    node.put(**{} if text is None else {"grastate": text})
    chown = mocker.patch("os.fchown")
    disk.set_safe(node.path, safe)
    assert expected == node.get("grastate")
    assert [(os.getuid(), os.getgid())] * (text != expected) == [one.args[1:] for one in chown.call_args_list]
    disk.set_safe(node.path, safe)
    assert (text != expected) == chown.call_count  # the second time nothing is to be changed


def creating(tmp_path, **more):
    node = Node(tmp_path, database=False, enable_creation="true", **more)
    node.datadir.rmdir()
    return node


@pytest.mark.parametrize("rc, other, code", [(0, None, None), (1, None, 1), (127, 0, None), (127, 1, 1)])
def test_the_first_database_is_made_by_mariadb_s_program_else_by_the_server(tmp_path, rc, other, code):
    node = creating(tmp_path)
    first, second = tuple(command_line.install_db(node.layout)[0]), tuple(command_line.initialize(node.layout))
    node.context.commands.expect(*first, rc=rc, out="[ERROR] No room\n")
    if other is not None:
        node.context.commands.expect(*second, rc=other, err="[ERROR] No room\n")
    if code is None:
        disk.create_database(node.context, node.layout)
    else:
        with pytest.raises(Failed) as failed:
            disk.create_database(node.context, node.layout)
        assert codes.ERR_GENERIC == failed.value.code and "could not be created: " in failed.value.reason
        assert "No room" in failed.value.reason
    node.context.commands.done()


@pytest.mark.parametrize("takes", [(disk.CREATE_MOST + 1,), (1, disk.CREATE_MOST + 1)])
def test_making_a_database_ends(tmp_path, takes):
    node = creating(tmp_path)
    for seconds in takes:
        node.context.commands.expect(..., rc=127, takes=seconds)
    with pytest.raises(Failed, match="could not be created: code (None|127)"):
        disk.create_database(node.context, node.layout)
    assert disk.CREATE_MOST <= node.context.clock.elapsed <= disk.CREATE_MOST + 2


def test_a_database_that_was_made_is_its_user_s(tmp_path, mocker):
    node = creating(tmp_path)
    node.layout = node.layout._replace(user="nobody", group="no-such-group")
    chown = mocker.patch("os.chown")
    node.context.commands.allow(...)
    before = os.umask(0)
    try:
        disk.create_database(node.context, node.layout)
    finally:
        os.umask(before)
    assert 0o750 == stat.S_IMODE(os.stat(node.path).st_mode)
    disk.create_database(node.context, node.layout)  # a directory that is there is fine
    account = pwd.getpwnam("nobody")
    chown.assert_called_with(node.path, account.pw_uid, account.pw_gid)


def test_without_the_operator_s_word_nothing_is_made(tmp_path):
    node = Node(tmp_path, database=False)
    with pytest.raises(Failed) as failed:
        disk.create_database(node.context, node.layout)
    assert codes.ERR_INSTALLED == failed.value.code
    assert ("There is no database in {0}. Create one there (mariadb-install-db --user=root --datadir={0}), or set "
            "enable_creation=true.").format(node.path) == failed.value.reason


@pytest.mark.parametrize("there, refused", [("/usr/bin/mariadb-install-db", True), (None, False)])
def test_an_option_that_mariadb_s_program_cannot_pass_on_is_named(tmp_path, mocker, there, refused):
    node = creating(tmp_path)
    node.layout = node.layout._replace(options=Options((), ("--init-connect=SET x",)))
    mocker.patch("shutil.which", lambda name: there if name == "mariadb-install-db" else None)
    node.context.commands.allow(...)
    if not refused:
        disk.create_database(node.context, node.layout)
        return
    with pytest.raises(Failed) as failed:
        disk.create_database(node.context, node.layout)
    assert codes.ERR_CONFIGURED == failed.value.code
    assert failed.value.reason == ("mariadb-install-db cannot pass on '--init-connect=SET x' of additional_parameters: "
                                   "put it into the server's configuration file.")
    assert not os.path.exists(node.path)
