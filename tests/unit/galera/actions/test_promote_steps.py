# SPDX-License-Identifier: Apache-2.0
"""What start and promote do around the launch: what they record, and what an error leaves behind."""

import pytest

from quorate.galera.actions import start
from quorate.galera.declaration import PARAMETERS
from quorate.host.state_files import StateFiles
from quorate.ocf import codes
from quorate.ocf.codes import Failed, Outcome
from quorate.pacemaker.tools import Unavailable
from tests import fakes
from tests.unit.galera.actions.participants import layout

AWAY = Unavailable("The cluster does not answer.")
REFUSED = Failed(codes.ERR_GENERIC, "It ended.")


class Promoting:
    """n1 at its start or promotion. running: the server before that, then after the launch; launch: what it returns or
    raises; wait: of the wait for the server. steps: what was done, in order."""

    def __init__(self, tmp_path, mocker, running=(None, None), confirmed=("decision", "snapshot", "own"), launch="server",
                 wait=Outcome(codes.SUCCESS), problems=()):
        self.layout, self.steps, self.running = layout(str(tmp_path / "data")), [], list(running)
        self.layout = self.layout._replace(galera=mocker.Mock(base_port=4567))
        self.files = StateFiles("galera", "db", str(tmp_path / "run"), str(tmp_path / "persistent"))
        self.context = fakes.context("promote", PARAMETERS, wsrep_cluster_address="gcomm://n1,n2")
        self.participant = mocker.Mock(context=self.context, state_files=self.files)
        self.participant.record_failure = lambda: self.steps.append("failed")
        self.participant.report_position = lambda given: self.steps.append(("reports", given is self.layout))
        self.participant.report_and_decide = lambda given: self.steps.append(
            ("decides", given is self.layout, self.files.has("layout"), self.files.has("started")))
        self.confirmed, self.launched, self.waited = confirmed, launch, wait
        for name, value in (("StateFiles", lambda *_: self.files), ("find_layout", lambda _: self.layout),
                            ("layout_problems", lambda given: {self.layout: list(problems)}[given]),
                            ("listening_units", lambda *_: None), ("find", self._find),
                            ("Participant", lambda *given: {(self.context, self.files): self.participant}[given]),
                            ("confirm", self._confirm), ("launch_as_decided", self._launch),
                            ("wait_until_serving", self._wait)):
            mocker.patch.object(start, name, value)

    def _find(self, context, state_files, datadir):
        assert (context, state_files, datadir) == (self.context, self.files, self.layout.datadir)
        return self.running.pop(0)

    def _confirm(self, *given):
        assert given == (self.participant, self.layout)
        return self._result("confirms", self.confirmed)

    def _launch(self, *given):
        assert given == (self.participant, *self.confirmed, self.layout)
        return self._result("launches", self.launched)

    def _wait(self, participant, process, given):
        assert (participant, given) == (self.participant, self.layout) and self.files.log is self.context.log
        return self._result("waits for " + process, self.waited)

    def _result(self, step, result):
        self.steps.append(step)
        if isinstance(result, Exception):
            raise result
        return result


def test_a_promote_launches_what_was_confirmed_and_waits_for_it(tmp_path, mocker):
    node = Promoting(tmp_path, mocker)
    assert Outcome(codes.SUCCESS) == start.promote(node.context)
    assert ["confirms", "launches", "waits for server"] == node.steps
    assert {"datadir": node.layout.datadir, "socket": node.layout.socket, "base_port": "4567"} == node.files.read("layout")


def test_a_promote_that_is_not_confirmed_launches_nothing_and_is_no_failure(tmp_path, mocker):
    node = Promoting(tmp_path, mocker, confirmed=None)
    assert Outcome(codes.SUCCESS) == start.promote(node.context)
    assert ["confirms"] == node.steps


def test_a_server_that_runs_is_waited_for(tmp_path, mocker):
    """A promote that was killed has launched it."""
    node = Promoting(tmp_path, mocker, ["earlier"])
    assert Outcome(codes.SUCCESS) == start.promote(node.context)
    assert ["waits for earlier"] == node.steps


@pytest.mark.parametrize("error, runs, then", [
    (REFUSED, None, ["failed", ("reports", True)]), (OSError(28, "full"), None, ["failed", ("reports", True)]),
    (AWAY, None, [("reports", True)]),  # the server has done nothing wrong
    (REFUSED, "server", []), (AWAY, "server", [])])
@pytest.mark.parametrize("step", ["confirmed", "launch"])
def test_nobody_waits_for_a_node_whose_launch_failed(tmp_path, mocker, step, error, runs, then):
    node = Promoting(tmp_path, mocker, [None, runs], **{step: error})
    with pytest.raises(type(error)):
        start.promote(node.context)
    assert (["confirms"] if step == "confirmed" else ["confirms", "launches"]) + then == node.steps


def test_a_cluster_that_cannot_be_asked_while_the_server_starts_fails_no_promote(tmp_path, mocker):
    assert codes.SUCCESS == start.promote(Promoting(tmp_path / "1", mocker, wait=AWAY).context).code
    with pytest.raises(Failed):
        start.promote(Promoting(tmp_path / "2", mocker, wait=REFUSED).context)


@pytest.mark.parametrize("action", [start.start, start.promote])
def test_what_keeps_a_server_from_starting_is_told_before_anything_is_done(tmp_path, mocker, action):
    node = Promoting(tmp_path, mocker, problems=["There is no such user.", "Nor that."])
    with pytest.raises(Failed) as failed:
        action(node.context)
    assert (codes.ERR_INSTALLED, "There is no such user.") == (failed.value.code, failed.value.reason)
    assert [] == node.steps and not node.files.has("layout")


def test_a_start_reports_and_launches_nothing(tmp_path, mocker):
    """What the monitor needs is on record before; that it has started only then, so that one that was killed has not."""
    node = Promoting(tmp_path, mocker)
    assert Outcome(codes.SUCCESS) == start.start(node.context)
    assert [("decides", True, True, False)] == node.steps and node.files.has("started")


def test_a_start_does_not_take_over_a_server(tmp_path, mocker):
    server = fakes.FakeProcesses().add("mariadbd", pid=77)
    node = Promoting(tmp_path, mocker, [server])
    outcome = start.start(node.context)
    assert codes.ERR_GENERIC == outcome.code and "on %s (pid 77)" % node.layout.datadir in outcome.reason
    assert [] == node.steps and not node.files.has("started")
    assert node.files.has("layout")
