# SPDX-License-Identifier: Apache-2.0
"""How long a symptom lasts when looks of different depth take turns."""

import pytest

from quorate.host.process import Process
from quorate.openstack import facts
from quorate.openstack.facts import Page, Reply, Rows, Observation, Sockets, Symptom, Tree
from quorate.openstack.symptoms import timers

PARENT, WORKER = Process(10, 1, 1, "S", ("x",)), Process(11, 10, 1, "S", ("x",))
SHALLOW = Observation(Tree(PARENT, (WORKER,)), {11: Sockets(3, 1, frozenset())})
DEEP = SHALLOW._replace(rows=Rows(facts.ANSWERED), replies=(Reply("q", facts.ANSWERED),))


def symptom(key, sense, kind=facts.PASSING):
    return Symptom(key, kind, "x", None, sense)


AWAY = symptom("broker", facts.RPC, facts.OUTAGE)


def launched_process(*found, at=0.0, interval=60.0):
    return timers.after({}, SHALLOW, found, at, interval)


def test_what_only_a_call_saw_is_not_forgotten_by_a_look_that_called_nobody():
    """A network that cuts a broker off leaves the connections as they were for a minute or two."""
    notes = timers.after(launched_process(AWAY), SHALLOW, (), 10.0, 10.0)

    assert 61.0 == timers.lasted(timers.after(notes, DEEP, (AWAY,), 61.0, 60.0), 61.0)["broker"]


def test_one_outage_has_one_beginning_whichever_look_sees_it():
    lost = symptom("broker", facts.KNOCK, facts.OUTAGE)
    notes = timers.after(launched_process(AWAY), SHALLOW._replace(broker=False), (lost,), 70.0, 10.0)

    assert 70.0 == timers.lasted(notes, 70.0)["broker"]


@pytest.mark.parametrize("sense, key, blind, sees", [
    (facts.RPC, "broker", SHALLOW._replace(broker=True), DEEP),  # it takes connections, and then says nothing
    (facts.RPC, "rpc", SHALLOW, DEEP),
    (facts.RPC, "rpc", SHALLOW._replace(replies=(Reply("q", facts.UNKNOWN),)), DEEP),
    (facts.ROWS, "database", SHALLOW, DEEP),
    (facts.ROWS, "heartbeat", SHALLOW._replace(rows=Rows(facts.UNKNOWN)), DEEP),
    (facts.ROWS, "heartbeat", SHALLOW, SHALLOW._replace(rows=Rows(facts.UNREACHABLE))),  # its own time begins after that
    (facts.PAGE, "page", SHALLOW._replace(page=Page(facts.UNKNOWN)), SHALLOW._replace(page=Page(facts.ANSWERED, 200))),
    (facts.KNOCK, "broker", SHALLOW, SHALLOW._replace(broker=True)),
    (facts.KERNEL, "amqp", SHALLOW._replace(sockets={}), SHALLOW),
    (facts.KERNEL, "amqp", SHALLOW._replace(sockets={11: Sockets()}), SHALLOW),
    (facts.KERNEL, "port", SHALLOW, SHALLOW._replace(port_owner="ours"))])
def test_only_who_could_have_seen_it_says_that_it_is_over(sense, key, blind, sees):
    notes = launched_process(symptom(key, sense))

    assert {key} == set(timers.after(notes, blind, (), 10.0))
    assert {} == timers.after(notes, sees, (), 10.0)


def test_what_a_restart_mends_leaves_no_time_for_other_looks():
    fatal = symptom("frozen", facts.KERNEL, facts.FATAL)

    assert {"amqp", "frozen"} == set(timers.after(launched_process(symptom("amqp", facts.KERNEL)), SHALLOW, (fatal,), 10.0))


def test_where_nobody_looked_for_long_it_begins_anew():
    """Monitors that an operator switched off for an hour: what lay between two sights is not known."""
    notes = timers.after(launched_process(AWAY), DEEP, (AWAY,), 3600.0, 60.0)

    assert 0.0 == timers.lasted(notes, 3600.0)["broker"]
    assert {} == timers.after(launched_process(AWAY), SHALLOW, (), 3600.0)


def test_the_end_of_an_outage_is_a_beginning_for_what_waited_for_it():
    """A worker that has yet to connect again when RabbitMQ is back does not inherit the minutes before."""
    waiting = launched_process(symptom("rpc", facts.RPC), symptom("queue", facts.RPC), symptom("heartbeat", facts.ROWS))

    assert {"broker", "heartbeat"} == set(timers.after(waiting, SHALLOW, (AWAY,), 10.0))
    away = symptom("database", facts.ROWS, facts.OUTAGE)
    assert {"database"} == set(timers.after(waiting, SHALLOW, (away,), 10.0))


def test_of_a_service_that_is_gone_nothing_is_remembered():
    assert {} == timers.after(launched_process(AWAY), Observation(Tree()), (), 1.0)


def test_a_file_is_read_as_it_was_written_and_a_torn_line_is_none():
    notes = launched_process(AWAY, symptom("amqp", facts.KERNEL), at=1234.5)

    assert notes == timers.read(timers.text(notes))
    assert {} == timers.read({"broker": "12.5", "amqp": "x y z", "rpc": ""})
