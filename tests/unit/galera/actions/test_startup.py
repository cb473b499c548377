# SPDX-License-Identifier: Apache-2.0
"""What the monitor makes of a server that runs and does not serve yet."""

import os

from quorate.galera import facts
from quorate.galera.actions.participant import Participant
from quorate.galera.actions.startup import monitor_startup
from quorate.galera.declaration import PARAMETERS
from quorate.galera.server.observe import Observation
from quorate.host.process import Processes
from quorate.host.state_files import StateFiles
from quorate.ocf import codes
from tests import fakes

ME = "n1"


class PublishedState:
    """Nobody else has reported a primary component; its statuses are kept."""

    def __init__(self, nodes):
        self.statuses = []
        self.reports = {node: facts.Report(node, facts.STARTING) for node in nodes}

    def own_generation(self):
        return 1

    def publish(self, report):
        self.reports[report.node] = report

    def set_status(self, sentence):
        self.statuses.append(sentence)

    def offer_self(self):
        pass

    def snapshot(self, configured, names=None, listening=None):
        return facts.Snapshot(ME, configured, self.reports, frozenset(self.reports), 1, {}, False, frozenset(), None,
                              None)


def watched(tmp_path, action, complete=900, others=("n2",), silent=()):
    """(Outcome, statuses) for a server that has been starting for a quarter of an hour. action: what it was launched
    for; complete: seconds since all members of its last view are there; others: nodes that report; silent: that do
    not."""
    context = fakes.context(parameters=PARAMETERS, processes=Processes(), datadir=tmp_path / "data",
                            wsrep_cluster_address="gcomm://" + ",".join((ME,) + others + silent))
    state_files = StateFiles("galera", "db", str(tmp_path / "run"), str(tmp_path / "persistent"))
    process = context.processes.get(os.getpid())
    state_files.write("outside", {"pid": process.pid, "since": int(context.clock.monotonic()) - 900})
    state_files.write("complete", {"pid": process.pid, "since": int(context.clock.monotonic()) - complete})
    if action:
        state_files.write("launched-from", {"action": action})
    published = PublishedState((ME,) + others)
    outcome = monitor_startup(Participant(context, state_files, published),
                              Observation(facts.STARTING, process, None, "It starts."))
    return outcome, published.statuses


def test_one_that_bootstraps_waits_for_nobody_and_is_left_to_its_recovery(tmp_path):
    """InnoDB may have hours of log to apply."""
    outcome, statuses = watched(tmp_path, facts.BOOTSTRAP)

    assert codes.RUNNING_PROMOTED == outcome.code
    assert ["starts as the first member of a new primary component"] == statuses


def test_one_that_waits_in_vain_for_those_who_are_all_there_gives_way_to_the_election(tmp_path):
    assert codes.FAILED_PROMOTED == watched(tmp_path, facts.RECOVER)[0].code


def test_one_that_waited_for_long_gives_the_other_its_time_to_come_back(tmp_path):
    """Found on a cluster of two: the survivor was restarted the moment the other one was back, which then had no
    donor."""
    assert codes.RUNNING_PROMOTED == watched(tmp_path, facts.RECOVER, complete=1)[0].code


def test_the_command_that_goes_on_without_two_nodes_fits_into_what_pacemaker_keeps(tmp_path):
    outcome, _ = watched(tmp_path, facts.RECOVER, others=(), silent=("controller-2", "controller-3"))

    assert codes.DEGRADED_PROMOTED == outcome.code
    assert outcome.reason.endswith("quorate bootstrap " + ME)
    assert len(outcome.reason) - len(ME) + len("controller-1") <= 144
