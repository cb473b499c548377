# SPDX-License-Identifier: Apache-2.0
"""monitor on a node: what is looked at twice, what it keeps, what it says, to the cluster and to an operator."""

import os

import pytest

from quorate.ocf import codes
from quorate.openstack import facts
from quorate.openstack.actions import published
from quorate.openstack.facts import FAILED_FILE, SERVICE_FILE, SYMPTOMS_FILE, Page, Reply
from tests.unit.openstack.node.machine import listening

SILENT, ANSWERED = ((Reply("cinder-volume.ha@a", one, 2),) for one in (facts.SILENT, facts.ANSWERED))


def started(node, workers=1):
    """The parent and workers of a service that the agent started."""
    node.comes(workers)
    assert codes.SUCCESS == node.start().code
    return node.processes.all()


# -- a second look

def test_a_worker_that_is_just_replaced_is_no_symptom(two):
    parent, one, _other = started(two, 2)
    two.die(one)
    two.later(0.3, lambda: two.process(parent.pid, leads=False))

    assert (codes.SUCCESS, None) == two.monitor()
    assert SYMPTOMS_FILE not in two.kept()


def test_a_child_between_fork_and_exec_is_no_second_copy(node):
    started(node)
    node.die(node.process(), after=0.3)

    assert (codes.SUCCESS, None) == node.monitor()


def test_a_port_that_is_just_opened_is_no_symptom(proxy):
    parent = proxy.process()
    proxy.later(0.3, lambda: proxy.sockets.update({parent.pid: (listening(6080),)}))

    assert (codes.SUCCESS, None) == proxy.monitor()


def test_the_second_look_is_as_deep_as_the_first(proxy):
    parent = proxy.process()
    proxy.later(0.3, lambda: proxy.sockets.update({parent.pid: (listening(6080),)}))
    proxy.found = {6080: Page(facts.ANSWERED, 503)}

    assert codes.DEGRADED == proxy.monitor(level=10).code


def test_what_no_fork_explains_is_looked_at_once(node):
    started(node)
    assert codes.SUCCESS == node.monitor().code and node.took == 0, "a healthy one waits for nothing"
    node.sockets = {one.pid: () for one in node.processes.all()}
    assert codes.DEGRADED == node.monitor().code and node.took == 0


# -- what it keeps

def test_a_healthy_monitor_writes_nothing_and_runs_no_program(two):
    started(two, 2)
    before = two.files.path(SERVICE_FILE), os.stat(two.files.path(SERVICE_FILE)).st_ino
    del two.commands.calls[:]

    assert codes.SUCCESS == two.monitor().code
    assert [SERVICE_FILE] == two.kept() and before[1] == os.stat(before[0]).st_ino and [] == two.commands.calls


def test_fewer_workers_are_no_new_baseline(two):
    _parent, one, _other = started(two, 2)
    inode = os.stat(two.files.path(SERVICE_FILE)).st_ino
    two.die(one)

    assert codes.DEGRADED == two.monitor().code
    assert inode == os.stat(two.files.path(SERVICE_FILE)).st_ino
    assert ("2", "2") == tuple(two.files.read(SERVICE_FILE)[key] for key in ("workers", "linked"))


def test_a_worker_that_came_late_counts_from_then_on(two):
    """Its storage was away when the others came up. From now on its end is a failure and not the state of the start."""
    parent, worker = started(two, 1)
    recorded = two.files.read(SERVICE_FILE)
    assert ("1", str(parent.pid)) == (recorded["workers"], recorded["pid"])
    late = two.process(parent.pid, leads=False)
    assert codes.SUCCESS == two.monitor().code
    assert dict(recorded, workers="2", linked="2") == two.files.read(SERVICE_FILE)
    two.die(late)

    assert codes.DEGRADED == two.monitor().code
    two.clock.sleep(20)
    outcome = two.monitor()
    assert codes.ERR_GENERIC == outcome.code and "1 of 2 worker processes" in outcome.reason


def test_a_connection_more_is_no_worker_less(two):
    """It was started without its broker; then one worker died, and the other connected."""
    two.comes(2)
    two.broker_answers, two.sockets = False, {pid: () for pid in range(200)}
    assert codes.SUCCESS == two.start().code
    assert ("2", "0") == tuple(two.files.read(SERVICE_FILE)[name] for name in ("workers", "linked"))
    two.sockets, two.broker_answers = {}, True
    two.die(two.processes.all()[2])
    two.monitor()
    assert ("2", "1") == tuple(two.files.read(SERVICE_FILE)[name] for name in ("workers", "linked"))


def test_a_monitor_that_comes_seldom_keeps_the_time_of_a_symptom(node):
    """Ten minutes between two monitors of a level: its symptom counts from the first."""
    started(node)
    node.replied = SILENT
    assert codes.DEGRADED == node.monitor(level=20, interval=600).code
    node.clock.sleep(600)
    outcome = node.monitor(level=20, interval=600)

    assert codes.ERR_GENERIC == outcome.code and "It has lasted 600 s" in outcome.reason


def test_a_failure_holds_for_as_many_monitors_as_it_takes(node):
    started(node)
    node.replied = SILENT
    node.monitor(level=20)
    node.clock.sleep(61)
    failed = node.monitor(level=20)
    assert codes.ERR_GENERIC == failed.code and FAILED_FILE in node.kept()
    node.sockets = {one.pid: () for one in node.processes.all()}

    assert [failed.code] * 3 == [node.monitor().code for _number in range(3)]
    node.replied = ANSWERED
    node.monitor(level=20)
    assert FAILED_FILE not in node.kept()


def test_a_disk_that_takes_no_more_is_no_failure_of_the_service(node):
    """The cluster would restart a healthy service again and again."""
    node.tree()
    with open(node.run, "w", encoding="ascii"):
        pass
    node.sockets = {one.pid: () for one in node.processes.all()}

    assert codes.DEGRADED == node.monitor().code
    assert "cannot be written" in node.logged() and node.run + "/cinder-volume-vol" in node.logged()


# -- what it says to the cluster

def test_one_that_died_is_said_to_have_died(node):
    parent = started(node)[0]
    node.die(*node.processes.all())
    outcome = node.monitor()

    assert codes.NOT_RUNNING == outcome.code
    assert "It was started as pid %d and has died" % parent.pid in outcome.reason and "journalctl -k" in outcome.reason
    assert (codes.NOT_RUNNING, None) == node.probe(), "a probe knows nothing of an earlier start"


def test_one_that_was_never_started_is_just_not_running(node):
    assert (codes.NOT_RUNNING, None) == node.monitor() == node.probe()


def test_a_recurring_monitor_does_not_ask_what_systemd_has_in_mind(node):
    """A stop follows, which asks that; a systemd that hangs would make an ended service a failure for ever."""
    node.units.now = None
    assert codes.NOT_RUNNING == node.monitor().code
    assert codes.ERR_GENERIC == node.probe().code


def test_a_probe_publishes_the_names_of_the_workers(two):
    assert codes.NOT_RUNNING == two.probe().code
    assert [("attrd_updater", "-n", published.attribute("vol"), "-U", "ha@a,ha@b", "-p")] == two.commands.calls


def test_an_operator_s_monitor_publishes_nothing_and_keeps_nothing(node):
    node.tree()
    node.sockets = {one.pid: () for one in node.processes.all()}
    assert codes.DEGRADED == node.monitor(by_hand=True, interval=0, level=10).code
    assert [] == node.commands.calls and [] == node.kept() and [] == node.units.taken


def test_the_console_proxy_has_no_limit_of_an_outage(proxy):
    """It has no broker, and so no such parameter."""
    parent = proxy.process()
    proxy.sockets[parent.pid] = (listening(6080),)
    proxy.found = {6080: Page(facts.ANSWERED, 503)}

    assert codes.DEGRADED == proxy.monitor(level=10).code
    proxy.clock.sleep(61)
    assert codes.ERR_GENERIC == proxy.monitor(level=10).code


# -- what it says to an operator

@pytest.fixture
def mixed(two):
    """A tree of parent and two workers, an orphan and a second copy."""
    parent, one, other = started(two, 2)
    return two, parent, one, other, two.process(leads=False), two.process()


def test_an_operator_is_told_what_each_process_is(mixed):
    node, parent, one, other, orphan, copy = mixed
    node.sockets[other.pid] = ()
    node.unobserved = {one.pid}
    node.processes.owners = {parent.pid: 64061}
    node.monitor(by_hand=True)
    said = node.said()

    assert "parent: pid %d, state S, user id 64061\n" % parent.pid in said
    assert "worker: pid %d, state S, user id 0\n" % one.pid in said, "its connections are not to be seen"
    assert "worker: pid %d, state S, user id 0, 0 connections to RabbitMQ, 0 to the database\n" % other.pid in said
    assert "orphan: pid %d, state S, user id 0\n" % orphan.pid in said
    assert "second copy: pid %d, state S, user id 0\n" % copy.pid in said


def test_the_other_symptoms_are_said_as_well(mixed):
    node, *_processes, orphan, copy = mixed
    outcome = node.monitor()

    assert "second copy" in outcome.reason and str(copy.pid) in outcome.reason
    assert "Also: Processes of an earlier cinder-volume still run (pid %d)" % orphan.pid in node.said()


def test_an_operator_is_told_what_database_and_service_answered(node):
    started(node)
    node.replied = ANSWERED
    assert codes.SUCCESS == node.monitor(level=20, by_hand=True).code
    said = node.said()

    assert "Heartbeat row ha@a: updated 5 s ago by the clock of the database" in said
    assert "RPC call to cinder-volume.ha@a: answered, 2 consumers" in said and "Searched for" not in said


def test_an_operator_is_told_what_was_searched_for(node):
    assert codes.NOT_RUNNING == node.monitor(by_hand=True).code
    assert "Searched for processes that run cinder-volume with %s." % node.service.config in node.said()


def test_the_cluster_s_log_has_none_of_it(node):
    started(node)
    node.monitor(level=20)
    assert "" == node.said() == node.logged()
