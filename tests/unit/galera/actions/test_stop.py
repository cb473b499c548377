# SPDX-License-Identifier: Apache-2.0
"""A stop stops, whatever else fails: with a real process that stands for the server."""

import os
import signal
import subprocess
import threading

import pytest

from quorate.galera import facts
from quorate.galera.actions import monitor, stop
from quorate.galera.declaration import PARAMETERS
from quorate.host.clock import Clock, Deadline
from quorate.host.process import Processes
from quorate.host.state_files import StateFiles
from quorate.ocf import codes
from tests import fakes

MEMBER = "6b1f0c2e-c6a1-11ef-9d1d-3b0d6f7a8c11"
VIEW = "my_uuid: %s\n#vwbeg\nview_id: 3 %s 7\nbootstrap: 0\nmember: %s 0\n#vwend\n" % (MEMBER, MEMBER, MEMBER)


@pytest.fixture
def server(tmp_path):
    """A process named as the server is, at work in the data directory; it is reaped when it ends."""
    os.makedirs(tmp_path / "data")
    (tmp_path / "data" / "gvwstate.dat").write_text(VIEW)
    process = subprocess.Popen(["mariadbd", "600"], executable="/bin/sleep", cwd=tmp_path / "data")
    reaper = threading.Thread(target=process.wait, daemon=True)
    reaper.start()
    yield process
    process.kill()
    reaper.join()


@pytest.fixture
def orphan(tmp_path):
    """What is left of a state transfer whose server was killed: it listens for a donor that will not come."""
    os.makedirs(tmp_path / "data")
    process = subprocess.Popen(["mbstream", "600"], executable="/bin/sleep", cwd=tmp_path / "data")
    reaper = threading.Thread(target=process.wait, daemon=True)
    reaper.start()
    yield process
    process.kill()
    reaper.join()


@pytest.fixture
def context(tmp_path, mocker):
    """A Context of a node on which /var/lib/quorate takes nothing, and whose cluster cannot be asked."""
    (tmp_path / "full").write_text("")  # no directory can be made below a file: an OSError, as from a full disk
    places = str(tmp_path / "run"), str(tmp_path / "full" / "x")
    mocker.patch.object(StateFiles.__init__, "__defaults__", (*places, None))
    found = fakes.context("stop", parameters=PARAMETERS, wsrep_cluster_address="gcomm://n1", processes=Processes(),
                          datadir=tmp_path / "data", socket=tmp_path / "none", user="root", drain_timeout="0")
    for tool in ("attrd_updater", "crm_attribute", "crm_node"):
        found.commands.allow(tool, ..., rc=102)
    return found


def test_a_stop_stops_although_nothing_can_be_written(server, context):
    """It once ended with an error before any signal was sent: fencing, one node after the other."""
    assert codes.SUCCESS == stop.stop(context).code
    assert server.poll() is not None
    assert any("cannot be written" in text for _, text in context.log.lines)


def test_a_view_that_cannot_be_restored_is_a_warning(server, context, mocker):
    """The server has stopped: an error would be a failed stop, and the node would be fenced."""
    mocker.patch("quorate.galera.server.data.disk.replace", side_effect=OSError(28, "No space left on device"))
    os.unlink(context.parameters.datadir + "/gvwstate.dat")
    mocker.patch("quorate.galera.server.data.disk.text", return_value=VIEW)

    assert codes.SUCCESS == stop.stop(context).code
    assert server.poll() is not None
    assert any("cannot be restored: No space left on device" in text for _, text in context.log.lines)


def test_nor_is_it_an_error_that_the_user_was_removed(server, context, mocker):
    os.unlink(context.parameters.datadir + "/gvwstate.dat")
    mocker.patch("quorate.galera.server.data.disk.text", return_value=VIEW)
    mocker.patch("pwd.getpwnam", side_effect=KeyError("getpwnam(): name not found: 'removed'"))

    assert codes.SUCCESS == stop.stop(context).code
    assert server.poll() is not None
    assert any("cannot be restored: " in text and "removed" in text for _, text in context.log.lines)


def test_what_a_killed_server_left_of_its_transfer_is_not_waited_for(orphan, context):
    """Nobody asks it to end, so no time is due to it. On a real node the demote took 57 s, and the node was away for so
    long."""
    assert codes.SUCCESS == stop.stop(context).code
    assert orphan.poll() is not None
    assert [text for _, text in context.log.lines if "sending SIGKILL" in text] == [
        "The database server did not end within 3 s of SIGTERM; sending SIGKILL."]


def test_the_monitor_of_a_server_that_is_well_survives_a_full_disk(server, context, mocker):
    mocker.patch("quorate.galera.server.observe.members", lambda *_, **__: None)
    process = context.processes.get(server.pid)
    observed = monitor.observe.Observation(monitor.facts.SYNCED, process, None, "It is synced.")

    assert codes.RUNNING_PROMOTED == monitor.outcome_of(
        context, StateFiles("galera", "test", log=context.log), observed).code
    assert any("cannot be written" in text for _, text in context.log.lines)


def test_a_server_that_no_record_names_is_found_by_its_data_directory(server, context, tmp_path):
    state_files = StateFiles("galera", "test", str(tmp_path / "run"))
    os.kill(server.pid, signal.SIGSTOP)
    assert Deadline(Clock(), 20).poll(lambda: context.processes.get(server.pid).state == "T")
    assert facts.HUNG == stop.state_before_stop(context, state_files, context.parameters.datadir)
    assert facts.DOWN == stop.state_before_stop(context, state_files, str(tmp_path))
