# SPDX-License-Identifier: Apache-2.0
"""What a monitor makes of a server that is gone, or whose state is unknown."""

import os

import pytest

from quorate.galera import facts
from quorate.galera.actions import monitor
from quorate.galera.declaration import PARAMETERS
from quorate.galera.server.observe import Observation
from quorate.host import daemon
from quorate.host.state_files import StateFiles
from quorate.ocf import codes
from tests import fakes

GONE = Observation(facts.DOWN, None, None, "No database server runs on this node.")


@pytest.mark.parametrize("served", [False, True])
def test_a_server_that_died_before_it_served_is_a_failed_start(tmp_path, served):
    """Of equal nodes one whose last start failed comes last. One that served and was killed is as good as any other."""
    context = fakes.context(parameters=PARAMETERS, wsrep_cluster_address="gcomm://n1", datadir=tmp_path,
                            environ={"OCF_RESKEY_CRM_meta_interval": "5000"})
    state_files = StateFiles("galera", "db", str(tmp_path / "run"), str(tmp_path / "persistent"))
    state_files.write(daemon.PROCESS_FILE, {"pid": 4, "log": tmp_path / "log"})
    if not served:
        state_files.write("launched-from", {"action": facts.JOIN})

    outcome = monitor.outcome_of(context, state_files, GONE)

    assert codes.NOT_RUNNING == outcome.code and "died" in outcome.reason
    assert served != state_files.has("failed")


def test_an_instance_that_was_not_started_is_stopped(tmp_path):
    context = fakes.context(parameters=PARAMETERS, wsrep_cluster_address="gcomm://n1", datadir=tmp_path)
    state_files = StateFiles("galera", "db", str(tmp_path / "run"), str(tmp_path / "persistent"))

    assert (codes.NOT_RUNNING, None) == monitor.outcome_of(context, state_files, GONE)[:2]


@pytest.mark.parametrize("state, kept", [(facts.SYNCED, 0), (facts.UNKNOWN, 0), (facts.DOWN, 2000000)])
def test_what_a_server_prints_beside_its_log_is_bounded_while_it_runs(tmp_path, mocker, state, kept):
    """It lies in memory; of a server that died it may be the only evidence."""
    context = fakes.context(parameters=PARAMETERS, wsrep_cluster_address="gcomm://n1", datadir=tmp_path)
    places = str(tmp_path / "run"), str(tmp_path / "persistent")
    running = None if state == facts.DOWN else fakes.FakeProcesses().add("mariadbd")
    mocker.patch.object(monitor, "StateFiles", lambda *_, **__: StateFiles("galera", "db", *places))
    mocker.patch.object(monitor.observe, "observe", return_value=GONE._replace(state=state, process=running))
    mocker.patch.object(monitor, "outcome_of")
    output = StateFiles("galera", "db", *places).path("output")
    os.makedirs(os.path.dirname(output))
    with open(output, "wb") as file:
        file.truncate(2000000)

    monitor.monitor(context)

    assert kept == os.path.getsize(output)


@pytest.mark.parametrize("interval, reason", [("0", None), ("5000", "The database server died: ")])
def test_a_probe_of_a_server_that_died_gives_no_reason(tmp_path, interval, reason):
    """A probe is asked whether a server runs; the recurring monitor says why one does not any more."""
    context = fakes.context(parameters=PARAMETERS, wsrep_cluster_address="gcomm://n1", datadir=tmp_path,
                            environ={"OCF_RESKEY_CRM_meta_interval": interval})
    state_files = StateFiles("galera", "db", str(tmp_path / "run"), str(tmp_path / "persistent"))
    state_files.write(daemon.PROCESS_FILE, {"pid": 4, "log": tmp_path / "log"})
    outcome = monitor.outcome_of(context, state_files, GONE)

    assert codes.NOT_RUNNING == outcome.code and (outcome.reason or "")[:26] == (reason or "")


def watched(tmp_path, *states, interactive=False):
    """(Outcomes, StateFiles) of monitors in a row that found these states of one server."""
    context = fakes.context(parameters=PARAMETERS, wsrep_cluster_address="gcomm://n1", datadir=tmp_path,
                            interactive=interactive)
    state_files = StateFiles("galera", "db", str(tmp_path / "run"), str(tmp_path / "persistent"))
    state_files.write("outside", {"since": 1})
    state_files.write("complete", {"since": 1})
    process = fakes.FakeProcesses().add("mariadbd")
    return [monitor.outcome_of(context, state_files, Observation(state, process, None, "It is %s." % state))
            for state in states], state_files


@pytest.mark.parametrize("states, interactive, outcomes", [
    ("uuuu", False, [(codes.RUNNING_PROMOTED, None)] * 2 + [(codes.DEGRADED_PROMOTED, "It is unknown.")] * 2),
    ("uusuu", False, [(codes.RUNNING_PROMOTED, None)] * 5),
    ("u", True, [(codes.DEGRADED_PROMOTED, "It is unknown.")]),  # who asks by hand is told
    ("uh", False, [(codes.RUNNING_PROMOTED, None), (codes.FAILED_PROMOTED, "It is hung. The server is restarted.")])])
def test_a_server_whose_state_is_unknown_is_never_stopped_and_shows_after_the_third_time(tmp_path, mocker, states,
                                                                                         interactive, outcomes):
    mocker.patch("quorate.galera.actions.serving.keep_record")
    states = [{"u": facts.UNKNOWN, "s": facts.SYNCED, "h": facts.HUNG}[one] for one in states]
    assert outcomes == watched(tmp_path, *states, interactive=interactive)[0]


@pytest.mark.parametrize("state", [facts.SYNCED, facts.DONOR, facts.JOINED])
def test_the_time_outside_ends_with_the_membership(tmp_path, mocker, state):
    """Else a server that loses the primary component later would be restarted at once."""
    keeps = mocker.patch("quorate.galera.actions.serving.keep_record")
    outcomes, state_files = watched(tmp_path, state)

    assert [(codes.RUNNING_PROMOTED, None)] == outcomes and keeps.called
    assert not state_files.has("outside") and not state_files.has("complete")


def test_what_the_monitor_cannot_write_is_logged(tmp_path, mocker):
    context = fakes.context(parameters=PARAMETERS, wsrep_cluster_address="gcomm://n1", datadir=tmp_path)
    made = mocker.patch.object(monitor, "StateFiles")
    mocker.patch.object(monitor.observe, "observe", return_value=GONE)
    mocker.patch.object(monitor, "outcome_of")
    monitor.monitor(context)
    made.assert_called_once_with("galera", "test", log=context.log)
