# SPDX-License-Identifier: Apache-2.0
"""An override is for one outage. It ends once the cluster serves: otherwise it would be obeyed months later, after the
next power cut, and no node would be waited for."""

import os

import pytest

from quorate.cli import galera, rabbitmq
from quorate.errors import Refused
from quorate.galera.actions.serving import offer_others
from quorate.galera.actions.startup import monitor_startup
from quorate.galera.facts import STARTING, SYNCED, Override
from quorate.galera.server.observe import Observation
from quorate.ocf import codes
from quorate.rabbitmq import facts
from quorate.rabbitmq.actions import serving
from quorate.rabbitmq.broker.observe import Observation as MqObservation
from tests import fakes
from tests.unit.galera.election.reports import alive, crashed, snapshot_of
from tests.unit.rabbitmq.actions.nodes import Node, other

OVERRIDE = Override("n2", "root", 1)


class PublishedState:
    """Keeps the override, and shows the reports of one moment after the other."""

    def __init__(self, *moments, override=OVERRIDE):
        self.moments, self.ordered, self.done = list(moments), override, []

    def snapshot(self, *_, **__):
        reports = self.moments.pop(0) if len(self.moments) > 1 else self.moments[0]
        return snapshot_of(*reports, me="n1", override=self.ordered)

    def set_override(self, override):
        self.ordered = override

    def __getattr__(self, name):
        return lambda *_, **__: self.done.append(name)


class Participant:
    def __init__(self, *moments, override=OVERRIDE):
        self.published = PublishedState(*moments, override=override)
        self.context = fakes.context(parameters=[])
        self.configured = ("n1", "n2", "n3")

    def snapshot(self, listen=False, override=None):
        found = self.published.snapshot()
        return found._replace(override=override or found.override,
                              listening=frozenset(one.node for one in found.reports.values() if one.state == SYNCED))


def test_an_override_that_was_not_carried_out_ends_when_a_server_is_synced():
    participant = Participant([alive("n1", SYNCED), crashed("n2", 5)])

    offer_others(participant)

    assert participant.published.ordered is None
    assert "root" in participant.context.log.lines[0][1] and "n2" in participant.context.log.lines[0][1]


@pytest.mark.parametrize("listening, code", [(["n2"], codes.RUNNING_PROMOTED), ([], codes.FAILED_PROMOTED)])
def test_a_server_that_joins_is_not_restarted_for_an_old_override(tmp_path, mocker, listening, code):
    """But for one that was set although n2 reports to serve: n2 hangs, and its port says so."""
    from quorate.galera.declaration import PARAMETERS
    from quorate.galera.actions import participant
    from quorate.host.state_files import StateFiles
    from quorate.host.process import Processes
    context = fakes.context(parameters=PARAMETERS, processes=Processes(), wsrep_cluster_address="gcomm://n1,n2,n3",
                            datadir=tmp_path)
    state_files = StateFiles("galera", "db", str(tmp_path / "run"), str(tmp_path / "persistent"))
    published = PublishedState([alive("n2", SYNCED), alive("n1", STARTING)], override=OVERRIDE._replace(node="n1"))
    process = context.processes.get(os.getpid())
    mocker.patch("quorate.galera.server.observe.listening", return_value=frozenset(listening))

    outcome = monitor_startup(participant.Participant(context, state_files, published),
                              Observation(STARTING, process, None, "It starts."))

    assert code == outcome.code


def test_an_override_is_removed_when_a_primary_component_formed_while_it_was_set():
    down = [crashed("n1", 5), crashed("n2", 5)]
    participant = Participant(down, [alive("n3", SYNCED)] + down, override=None)

    with pytest.raises(Refused) as refused:
        galera.set_override(participant, "n2", "n2")

    assert participant.published.ordered is None and "apply" not in participant.published.done
    assert "runs by now, and n2 joins it" in str(refused.value)


def test_an_override_to_boot_ends_when_a_broker_serves(tmp_path):
    node = Node(tmp_path, [other("n2", facts.DOWN)], override=facts.Override("n2", "root", 1)).fill()

    serving.keep_record(node.participant, MqObservation(facts.RUNNING, None, None, "It runs."))

    assert node.published.ordered is None
    assert any("root" in text and "n2" in text for _, text in node.context.log.lines)


def test_an_override_to_boot_is_taken_back_when_a_broker_came_up_while_it_was_set(tmp_path):
    node = Node(tmp_path, [other("n2", facts.WAITING), other("n3", facts.DOWN)]).fill()
    node.participant.report(facts.WAITING)
    was = node.published.set_override

    def set_override(override):
        node.published.others["n3"] = other("n3", facts.RUNNING)
        was(override)

    node.published.set_override = set_override
    with pytest.raises(Refused) as refused:
        rabbitmq.set_override(node.participant, "n1", None)

    assert node.published.ordered is None and "runs by now" in str(refused.value)


def test_an_order_to_replace_is_taken_back_when_its_node_came_up_while_it_was_set(tmp_path, monkeypatch):
    """Else its data would be forgotten without an order, the next time that they are not mounted."""
    node = Node(tmp_path, [other("n2", facts.RUNNING), other("n3", facts.DOWN, data=False, lost=True)]).fill()
    node.participant.report(facts.RUNNING)
    was = node.published.set_override

    def set_override(override):
        node.published.others["n3"] = other("n3", facts.RUNNING)
        was(override)

    node.published.set_override = set_override
    monkeypatch.setattr(rabbitmq, "one", lambda resource: node.participant)
    with pytest.raises(Refused) as refused:
        rabbitmq.replace("n3", None)

    assert node.published.ordered is None and "of n3 serves by now" in str(refused.value)
