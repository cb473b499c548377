# SPDX-License-Identifier: Apache-2.0
"""Another data directory in the place of the one with which the node last served is noticed."""

import os
import pwd

import pytest

from quorate.galera.declaration import PARAMETERS
from quorate.galera.server.data import disk, identity
from quorate.host.state_files import StateFiles
from tests import fakes


@pytest.fixture
def node(tmp_path):
    """(context, state_files, data directory, another data directory)."""
    for name in ("data", "other"):
        os.makedirs(tmp_path / name / "mysql")
    context = fakes.context(parameters=PARAMETERS, wsrep_cluster_address="gcomm://n1",
                            user=pwd.getpwuid(os.getuid()).pw_name)
    files = StateFiles("galera", "db", str(tmp_path / "run"), str(tmp_path / "persistent"))
    return context, files, str(tmp_path / "data"), str(tmp_path / "other")


def test_one_that_was_never_named_is_as_good_as_ever(node):
    _, files, data, _ = node

    assert identity.problem(files, data) is None


def test_it_is_noticed_when_the_old_disk_is_mounted_again(node):
    """The node served from the directory below the mount point meanwhile, and what it acknowledged is not on this disk."""
    context, files, data, other = node
    identity.record(context, files, data)
    identity.before_launch(context, files, other, receives=True)
    assert not os.path.exists(os.path.join(other, identity.FILE))  # the transfer may replace it
    identity.record(context, files, other)

    assert identity.problem(files, other) is None
    assert identity.problem(files, data).endswith(": rm " + os.path.join(data, identity.FILE))
    os.unlink(os.path.join(data, identity.FILE))
    assert identity.problem(files, data) is None


@pytest.mark.parametrize("receives", [True, False])
def test_also_before_any_monitor_saw_the_other_one_serve(node, receives):
    context, files, data, other = node
    identity.record(context, files, data)
    identity.before_launch(context, files, other, receives)

    assert identity.problem(files, data) and not identity.problem(files, other)


def test_a_transfer_that_keeps_the_name_or_removes_it_is_no_other_disk(node):
    context, files, data, _ = node
    identity.record(context, files, data)
    for removed in (False, True):
        identity.before_launch(context, files, data, receives=True)
        if removed:
            os.unlink(os.path.join(data, identity.FILE))
        identity.record(context, files, data)
        assert identity.problem(files, data) is None and os.path.exists(os.path.join(data, identity.FILE))


def test_its_position_is_unknown(node, mocker):
    """So the node is waited for and votes for nothing, and a full transfer replaces it where others run."""
    context, files, data, other = node
    identity.record(context, files, data)
    identity.before_launch(context, files, other, receives=False)
    layout = mocker.Mock(datadir=data, user=context.parameters.user)
    with open(os.path.join(data, "grastate.dat"), "w", encoding="utf-8") as file:
        file.write("version: 2.1\nuuid: 6b1f0c2e-c6a1-11ef-9d1d-3b0d6f7a8c11\nseqno: 9\nsafe_to_bootstrap: 1\n")

    report, problem = disk.read_report(context, files, layout)

    assert (None, None, None, None, None) == (report.uuid, report.seqno, report.data, report.safe, report.clean)
    assert "a wrong mount?" in problem


def test_a_full_disk_is_a_warning(node, mocker):
    context, files, data, _ = node
    mocker.patch.object(identity, "replace", side_effect=OSError(28, "No space left on device"))
    identity.record(context, files, data)

    assert any("No space left" in text for _, text in context.log.lines)
    assert identity.problem(files, data) is None


@pytest.mark.parametrize("proven, other", [(True, False), (False, True)])
def test_a_join_into_another_directory_that_provably_never_served_is_taken_back(node, proven, other):
    """The disk was not mounted, and the state transfer into the directory below it failed."""
    context, files, data, below = node
    identity.record(context, files, data)
    identity.before_launch(context, files, below, receives=True)
    assert identity.problem(files, data)
    identity.judge(files, lambda: proven)

    assert other == bool(identity.problem(files, data))
    identity.judge(files, lambda: pytest.fail("nothing is left to take back"))
    assert other == bool(identity.problem(files, data))


def test_what_an_earlier_launch_may_have_served_is_not_taken_back_with_a_later_one(node):
    """Nobody knows whether the first one served, since the machine was booted; of the second one it is known."""
    context, files, data, below = node
    identity.record(context, files, data)
    for _ in range(2):
        identity.before_launch(context, files, below, receives=True)
    identity.judge(files, lambda: True)
    assert identity.problem(files, data)

    identity.before_launch(context, files, data, receives=True)
    identity.judge(files, lambda: True)
    assert identity.problem(files, data)


def test_what_has_served_is_not_taken_back(node):
    context, files, data, below = node
    identity.record(context, files, data)
    identity.before_launch(context, files, below, receives=True)
    identity.record(context, files, below)

    identity.judge(files, lambda: True)

    assert identity.problem(files, data) and not identity.problem(files, below)


def test_a_node_that_knew_no_directory_knows_none_again(node):
    context, files, data, below = node
    identity.before_launch(context, files, below, receives=True)
    identity.judge(files, lambda: True)
    with open(os.path.join(data, identity.FILE), "w", encoding="ascii") as file:
        file.write("a name\n")

    assert identity.problem(files, data) is None


def remembered(files):
    return files.read("disk", persistent=True)


def test_a_name_is_given_at_once_where_nothing_replaces_the_directory(node, mocker):
    """It is the server user's file, as all of the directory is."""
    context, files, data, _ = node
    replace = mocker.spy(identity, "replace")
    identity.before_launch(context, files, data, receives=False)

    account, name = pwd.getpwuid(os.getuid()), remembered(files)["id"]
    assert 32 == len(name) and {"id": name} == remembered(files)
    assert [mocker.call(os.path.join(data, identity.FILE), name + "\n", (account.pw_uid, account.pw_gid))
            ] == replace.call_args_list


def test_an_earlier_launch_is_judged_before_a_launch_of_a_directory_with_a_name(node):
    """Of the launch into the other directory nobody knows any more whether it served."""
    context, files, data, below = node
    identity.record(context, files, data)
    identity.before_launch(context, files, below, receives=True)
    gone_on = remembered(files)["id"]
    identity.before_launch(context, files, data, receives=True)
    identity.judge(files, lambda: True)

    assert {"id": gone_on} == remembered(files) and identity.problem(files, data)


def test_a_name_that_a_transfer_brought_is_the_one_that_serves(node):
    context, files, data, below = node
    identity.record(context, files, data)
    identity.before_launch(context, files, below, receives=True)
    with open(os.path.join(below, identity.FILE), "w", encoding="ascii") as file:
        file.write("brought\n")
    identity.record(context, files, below)

    assert {"id": "brought"} == remembered(files) and not identity.problem(files, below)


def test_what_is_remembered_is_not_written_by_every_monitor(node, mocker):
    context, files, data, _ = node
    identity.record(context, files, data)
    write = mocker.patch.object(StateFiles, "write")
    identity.record(context, files, data)

    write.assert_not_called()


def test_of_a_long_name_64_characters_count(node):
    """The directory is another user's, who may put anything there."""
    context, files, data, _ = node
    with open(os.path.join(data, identity.FILE), "w", encoding="ascii") as file:
        file.write(100 * "x")
    identity.record(context, files, data)

    assert {"id": 64 * "x"} == remembered(files)
