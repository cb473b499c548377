# SPDX-License-Identifier: Apache-2.0
"""Whole decisions: besides the action, how the reason begins, for whom a node waits, and what there is to type."""

import pytest

from quorate.rabbitmq import facts
from quorate.rabbitmq.election.decide import decide, decide_waiting, stop_impact
from quorate.rabbitmq.facts import FORCE, FOUND, JOIN, REFUSE, RUNNING, START, WAIT, Decision
from tests.unit.rabbitmq.election.test_decide import ALL, empty, erlang, report, snapshot, waits

ORDER = facts.Override("n1", "root", 1)


def begun(made, wanted):
    """A Decision with as much of its sentence as is wanted."""
    return made._replace(reason=made.reason[:len(wanted.reason)])


@pytest.mark.parametrize("seen, decision", [
    (snapshot(report("n1", data=None, stale=True)),
     Decision(REFUSE, "The data of n1 are not those of its cluster, or older: is a", urgent=True)),
    (snapshot(report("n1", data=None), report("n2")),
     Decision(WAIT, "It is unknown what is on the disk of n1.", missing=("n1",), urgent=True)),
    (snapshot(empty("n1")._replace(name=None)),
     Decision(WAIT, "It is unknown what is on the disk of n1.", missing=("n1",), urgent=True)),
    (snapshot(report("n1", cookie="a"), report("n2", cookie="b"), report("n3", cookie="b")),
     Decision(REFUSE, "The Erlang cookie of n1 differs from that of n2, n3, so", urgent=True)),
    (snapshot(report("n2"), report("n1", data=False, launched=True)._replace(name="rabbit@n2")),
     Decision(REFUSE, "n2 and n1 have the same Erlang name rabbit@n2: set NODENAME", urgent=True)),
    (snapshot(empty("n1", other="/d/rabbit@was")),
     Decision(REFUSE, "n1 has no data under the name rabbit@n1, but there are data", urgent=True)),
    (snapshot(report("n1"), report("n2", RUNNING), report("n3", RUNNING), unreachable=erlang("n2", "n3")),
     Decision(WAIT, "n2, n3 run, but n1 cannot connect to the broker there (TCP", missing=("n2", "n3"), urgent=True)),
    (snapshot(report("n1"), report("n2", RUNNING), unreachable=erlang("n2")),
     Decision(WAIT, "n2 runs, but n1 cannot connect to the broker there (TCP", missing=("n2",), urgent=True)),
    (snapshot(report("n1"), report("n2", RUNNING)._replace(members=None)),
     Decision(START, "n1 has data, and starts with them beside the running")),
    (snapshot(report("n1", members=("n1",)), report("n2", RUNNING)._replace(members=None)),
     Decision(WAIT, "The members of the cluster of n2 are unknown.", missing=("n2",), urgent=True)),
    (snapshot(report("n1", members=("n1",)), report("n2", RUNNING), report("n3", RUNNING)),
     Decision(REFUSE, "The data of n1 know none of n2, n3, whose cluster counts on",
              urgent=True, command="mv DATADIR/rabbit@n1 DATADIR/rabbit@n1.old")),
    (snapshot(report("n1"), report("n2", RUNNING)),
     Decision(START, "n1 has data and is a member of the running cluster.")),
    (snapshot(report("n1"), report("n2", RUNNING, members=("n2", "n3"))),
     Decision(REFUSE, "n1 has data, but the cluster of n2 does not know it (it was",
              urgent=True, command="mv DATADIR/rabbit@n1 DATADIR/rabbit@n1.old")),
    (snapshot(report("n1"), report("n2", facts.UNKNOWN, data=None, stale=True)),
     Decision(WAIT, "The broker that runs on n2 is not the cluster's, and n1", missing=("n2",), urgent=True)),
    (snapshot(report("n1")),
     Decision(START, "n1 has data and starts with them.")),
    (snapshot(report("n1"), report("n2", members=("n2", "n3"))),
     Decision(REFUSE, "n1 has data, but n2 no longer count it among the cluster's",
              urgent=True, command="quorate rabbitmq boot n2")),
    (snapshot(report("n1", members=("n1", "n2")), report("n2", members=("n1", "n2")), report("n3", members=("n3",))),
     Decision(START, "n1 has data and starts with them; n3 belong to another")),
    (snapshot(report("n1", members=("n1",)), report("n2", members=("n2",))),
     Decision(REFUSE, "n1 and n2 have data of two clusters that do not know each",
              urgent=True, command="quorate rabbitmq boot n1")),
    (snapshot(report("n1", store=facts.KHEPRI), override=ORDER),
     Decision(REFUSE, "With Khepri a boot cannot be forced: RabbitMQ needs more", missing=("n2", "n3"), urgent=True)),
    (snapshot(report("n1"), report("n2", saw=("n2", "n3")), override=ORDER),
     Decision(REFUSE, "n1 stopped before n2, which know of newer changes.",
              urgent=True, command="quorate rabbitmq boot n2")),
    (snapshot(report("n1"), override=ORDER),
     Decision(FORCE, "Boots without the missing nodes, as ordered by root.", missing=("n2", "n3"))),
    (snapshot(empty("n1"), report("n2", facts.PAUSED), report("n3", facts.DRAINING)),
     Decision(WAIT, "Joins the cluster once a node of it serves: n2 is paused,", missing=("n2", "n3"))),
    (snapshot(empty("n1"), report("n2", RUNNING, members=("n2",)), report("n3", RUNNING, members=("n3",))),
     Decision(REFUSE, "n2 and n3 run as two clusters; an operator must choose", urgent=True)),
    (snapshot(empty("n1", lost=True), report("n2", RUNNING)),
     Decision(REFUSE, "n1 served with data that are not there now, and the cluster",
              urgent=True, command="quorate rabbitmq replace n1")),
    (snapshot(empty("n1"), report("n2", RUNNING), report("n3", RUNNING)),
     Decision(JOIN, "n1 has no data and joins the cluster of n2.",
              peer="rabbit@n2", forget=True, gone=("rabbit@n1",))),
    (snapshot(empty("n1"), report("n2", RUNNING, members=("n2", "n3"))),
     Decision(JOIN, "n1 has no data and joins the cluster of n2.", peer="rabbit@n2")),
    (snapshot(empty("n1"), override=ORDER),
     Decision(FOUND, "Founds the cluster, as ordered by root.")),
    (snapshot(empty("n1"), report("n2"), report("n3")),
     Decision(WAIT, "n1 has no data and joins once the cluster of n2, n3 runs.", missing=("n2", "n3"))),
    (snapshot(empty("n1"), report("n2"), report("n3", launched=False)),
     Decision(WAIT, "n1 has no data and joins once the cluster of n2, n3 runs.", missing=("n2", "n3"), urgent=True)),
    (snapshot(empty("n1"), report("n2", data=None)),
     Decision(WAIT, "n3, n2 did not report whether there are data; until then no",
              missing=("n3", "n2"), urgent=True, command="quorate rabbitmq boot n1")),
    (snapshot(empty("n1"), empty("n2", lost=True), empty("n3", lost=True)),
     Decision(REFUSE, "No node has data, but n2, n3 had some: is a file system not",
              urgent=True, command="quorate rabbitmq boot n1")),
    (snapshot(empty("n1"), empty("n2"), empty("n3")),
     Decision(FOUND, "No node has data: n1 founds the cluster.")),
    (snapshot(empty("n2"), empty("n1"), empty("n3")),
     Decision(WAIT, "No node has data: n1 founds the cluster, the others join it.", missing=("n1",))),
    (snapshot(empty("n2"), empty("n1"), empty("n3", launched=False), founder="n3"),
     Decision(WAIT, "No node has data: n3 founds the cluster, the others join it.",
              missing=("n3",), urgent=True, command="quorate rabbitmq boot n2")),
    (snapshot(empty("n2", launched=False), empty("n1", launched=False), empty("n3", launched=False)),
     Decision(WAIT, "No node has data: ? founds the cluster, the others join it.",
              missing=("?",), urgent=True, command="quorate rabbitmq boot n2")),
])
def test_of_a_node_that_runs_no_broker(seen, decision):
    assert begun(decide(seen), decision) == decision


@pytest.mark.parametrize("seen, decision", [
    (facts.Snapshot("n1", frozenset(ALL), {}, frozenset(ALL)),
     Decision(WAIT, "It is unknown what is on the disk of n1.", missing=("n1",), urgent=True)),
    (snapshot(waits("n1"), report("n2", RUNNING)),
     Decision(WAIT, "Starts beside the running cluster.")),
    (snapshot(waits("n1", ("n1", "n2")), waits("n2", ("n1", "n2"))),
     Decision(FORCE, "Boots without waiting for n3: n1, n2 saw all others stop,", missing=("n3",))),
    (snapshot(waits("n1"), waits("n2"), waits("n3")),
     Decision(FORCE, "Boots without waiting for the others: n1, n2, n3 saw all")),
    (snapshot(waits("n2"), waits("n1"), waits("n3")),
     Decision(WAIT, "n1 boots first, and the others follow.", missing=("n1",))),
    (snapshot(*(waits(node)._replace(store=facts.KHEPRI) for node in ALL)),
     Decision(WAIT, "All nodes of the cluster boot; each waits for the others.")),
    (snapshot(waits("n1"), waits("n2")),
     Decision(WAIT, "Waits for n3, which may know of changes and messages that",
              missing=("n3",), urgent=True, command="quorate rabbitmq boot n1")),
    (snapshot(waits("n1"), waits("n2", ("n2", "n3"))),
     Decision(WAIT, "Waits for n3, which may know of changes and messages that",
              missing=("n3",), urgent=True, command="quorate rabbitmq boot n2")),
    (snapshot(waits("n1", store=facts.KHEPRI)),
     Decision(WAIT, "Waits for n2 or n3: RabbitMQ with Khepri needs more than", missing=("n2", "n3"), urgent=True)),
    (snapshot(waits("n1", ("n1", "n2")), report("n3", facts.UNKNOWN, data=None, stale=True)),
     Decision(WAIT, "Waits for n2, n3, which may know of changes and messages",
              missing=("n2", "n3"), urgent=True, command="quorate rabbitmq boot n1")),
    (snapshot(waits("n1"), waits("n2"), report("n3", RUNNING, data=None, stale=True)),
     Decision(WAIT, "Waits for n3, which may know of changes and messages that",
              missing=("n3",), urgent=True, command="quorate rabbitmq boot n1")),
])
def test_of_a_node_whose_broker_boots(seen, decision):
    assert begun(decide_waiting(seen), decision) == decision


def test_a_cookie_that_is_not_known_is_no_other_one():
    assert decide(snapshot(report("n1"), report("n2", cookie="a"), report("n3", cookie="b"))).action == START


@pytest.mark.parametrize("launched, data, action", [
    (True, True, REFUSE), (True, False, REFUSE), (False, True, REFUSE), (False, False, START)])
def test_a_node_on_which_nothing_was_is_no_second_one_of_its_name(launched, data, action):
    """A probe reports what the configuration there would give."""
    other = report("n2", data=data, launched=launched)._replace(name="rabbit@n1")
    assert decide(snapshot(report("n1"), other)).action == action


@pytest.mark.parametrize("members, running, impact", [
    (("n1", "n2"), ("n2",), (True, False)), (("n1", "n2", "n3", "n4"), ("n2", "n3"), (True, False)),
    (ALL, ("n2", "n3"), (False, False)), (ALL, ("n2",), (True, False)), (ALL, (), (True, True)),
    (("n1", "n2", "n3", "n4", "n5"), ("n2", "n3"), (True, False)), (None, ("n2", "n3"), (False, False))])
def test_what_a_stop_costs_the_others(members, running, impact):
    own = report("n1", RUNNING, members=members or ALL)
    own = own if members else own._replace(members=None)
    seen = snapshot(own, *(report(node, RUNNING) for node in running))
    assert stop_impact(seen) == impact
    if not members:
        assert stop_impact(seen._replace(reports={node: seen.reports[node] for node in running})) == impact
