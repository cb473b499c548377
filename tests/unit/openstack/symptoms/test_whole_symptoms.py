# SPDX-License-Identifier: Apache-2.0
"""Whole symptoms: how the sentence for the operator begins, what each may lead to, for how long, and what tells that it
is over."""

import pytest

from quorate.openstack import facts
from quorate.openstack.facts import (
    FATAL, NOTICE, OUTAGE, PASSING, Page, Reply, Rows, Sockets, Symptom, Tree)
from quorate.openstack.symptoms import detect
from tests.unit.openstack.symptoms.observations import (
    BROKERS, CINDER, HEAT, LISTENING, LOST, OBSERVED, ONE, PARENT, PROXY, SETTINGS, TREE, TWO, WELL, process, rows)
from tests.unit.openstack.symptoms.test_detect import ENGINE, engines

CONSOLE = OBSERVED._replace(
    settings=LISTENING, tree=Tree(PARENT, (PARENT,)), expected=None, baseline=None, sockets={})
HEATS = OBSERVED._replace(settings=ENGINE)


@pytest.mark.parametrize("service, observed, found", [
    (CINDER, OBSERVED._replace(tree=Tree(None, (), (ONE, TWO))), [
        Symptom("orphans", FATAL, "The parent process of cinder-volume is gone,")]),
    (CINDER, OBSERVED._replace(tree=Tree(PARENT, (ONE, TWO), (), (process(20), process(21)))), [
        Symptom("copies", FATAL, "A second copy of cinder-volume runs on this")]),
    (CINDER, OBSERVED._replace(tree=Tree(PARENT, (ONE, TWO), (process(9),), ())), [
        Symptom("orphans", FATAL, "Processes of an earlier cinder-volume still run")]),
    (CINDER, OBSERVED._replace(tree=Tree(process(10, "T"), (process(11, "T", 10), TWO))), [
        Symptom("frozen", FATAL, "The parent process of cinder-volume is stopped")]),
    (CINDER, OBSERVED._replace(tree=Tree(PARENT, (ONE, process(12, "t", 10)))), [
        Symptom("traced", PASSING, "pid 12 of cinder-volume is held by a debugger")]),
    (CINDER, OBSERVED._replace(tree=Tree(process(10, "t"), (ONE, process(12, "T", 10)))), [
        Symptom("frozen", FATAL, "A worker of cinder-volume is stopped by a"),
        Symptom("traced", PASSING, "pid 10 of cinder-volume is held by a debugger")]),
    (CINDER, OBSERVED._replace(tree=Tree(PARENT, (ONE,))), [
        Symptom("workers", PASSING, "cinder-volume has 1 of 2 worker processes.", detect.GRACE)]),
    (CINDER, OBSERVED._replace(tree=Tree(PARENT, (ONE,)), connected=None), [
        Symptom("workers", PASSING, "cinder-volume has 1 of 2 worker processes.")]),
    (CINDER, OBSERVED._replace(tree=Tree(PARENT, (ONE,)), early=1), [
        Symptom("workers", PASSING, "cinder-volume has 1 of 2 worker processes.")]),
    (CINDER, OBSERVED._replace(tree=Tree(PARENT, (ONE,)), baseline=1), [
        Symptom("workers", NOTICE, "Only 1 of 2 backends of cinder-volume came up")]),
    (CINDER, OBSERVED._replace(tree=Tree(PARENT, (ONE,)), baseline=1, early=1), [
        Symptom("workers", PASSING, "cinder-volume has 1 of 2 worker processes.")]),
    (CINDER, OBSERVED._replace(tree=Tree(PARENT, (ONE,)), expected=None), [
        Symptom("workers", PASSING, "cinder-volume has 1 of 2 worker processes.", detect.GRACE)]),
    (CINDER, OBSERVED._replace(tree=Tree(PARENT, (PARENT,)), baseline=0), [
        Symptom("workers", PASSING, "cinder-volume has 0 of 2 worker processes.", detect.GRACE)]),
    (CINDER, OBSERVED._replace(tree=Tree(PARENT, (ONE,)), expected=None, baseline=None), []),
    (HEAT, HEATS._replace(tree=Tree(PARENT, (ONE,))), [
        Symptom("workers", PASSING, "heat-engine has 1 of 2 worker processes.", detect.GRACE)]),
    (HEAT, HEATS._replace(tree=Tree(PARENT, (PARENT,)), expected=1, sockets={10: WELL}), []),
    (HEAT, HEATS._replace(tree=Tree(PARENT, (PARENT,)), expected=1, settings=ENGINE._replace(workers=1),
     sockets={10: Sockets(0, 1)}), [
        Symptom("broker", OUTAGE, "heat-engine (pid 10) has no connection to")]),
    (CINDER, OBSERVED._replace(broker=False), [
        Symptom("broker", OUTAGE, "RabbitMQ (n1:5672) does not answer this node.", None, facts.REACHABILITY)]),
    (CINDER, OBSERVED._replace(broker=False, **LOST), [
        Symptom("broker", OUTAGE, "RabbitMQ (n1:5672) does not answer this node.", None, facts.REACHABILITY)]),
    (CINDER, OBSERVED._replace(broker=True, **LOST), [
        Symptom("amqp", PASSING, "1 of 2 workers of cinder-volume (pid 12) has no")]),
    (CINDER, OBSERVED._replace(broker=True, connected=1, **LOST), [
        Symptom("linking", NOTICE, "1 of 2 workers of cinder-volume (pid 12) has no")]),
    (CINDER, OBSERVED._replace(broker=True, connected=1, sockets={11: Sockets(0, 1), 12: Sockets(0, 1)}), [
        Symptom("amqp", PASSING, "2 of 2 workers of cinder-volume (pid 11, 12)")]),
    (CINDER, OBSERVED._replace(broker=True, connected=0, **LOST), [
        Symptom("amqp", PASSING, "1 of 2 workers of cinder-volume (pid 12) has no")]),
    (CINDER, OBSERVED._replace(broker=True, rows=Rows(facts.UNKNOWN, (), "denied"), **LOST), [
        Symptom("heartbeat-unknown", NOTICE, "The heartbeat of cinder-volume cannot be read:", None, facts.DATABASE)]),
    (CINDER, OBSERVED._replace(broker=None, **LOST), [
        Symptom("broker", OUTAGE, "1 of 2 workers of cinder-volume (pid 12) has no")]),
    (CINDER, OBSERVED._replace(broker=None, sockets={11: Sockets(0, 1), 12: Sockets(0, 1)}), [
        Symptom("broker", OUTAGE, "2 of 2 workers of cinder-volume (pid 11, 12)")]),
    (CINDER, OBSERVED._replace(broker=False, settings=SETTINGS._replace(brokers=()), **LOST), [
        Symptom("broker", OUTAGE, "RabbitMQ (the broker) does not answer this", None, facts.REACHABILITY)]),
    (CINDER, OBSERVED._replace(broker=False, settings=SETTINGS._replace(brokers=BROKERS + BROKERS), **LOST), [
        Symptom("broker", OUTAGE, "RabbitMQ (n1:5672, n1:5672) does not answer", None, facts.REACHABILITY)]),
    (CINDER, OBSERVED._replace(broker=True, sockets={11: WELL}), []),
    (PROXY, CONSOLE._replace(port_owner="other"), [
        Symptom("port", PASSING, "Another program holds port 6080, which", detect.GRACE)]),
    (PROXY, CONSOLE._replace(port_owner="nobody"), [
        Symptom("port", PASSING, "nova-novncproxy runs (pid 10), but does not", detect.GRACE)]),
    (PROXY, CONSOLE._replace(port_owner="nobody", settings=SETTINGS), [
        Symptom("port", PASSING, "nova-novncproxy runs (pid 10), but does not", detect.GRACE)]),
    (CINDER, OBSERVED._replace(port_owner="nobody"), []),
    (CINDER, OBSERVED._replace(rows=Rows(facts.UNREACHABLE, (), "n1:3306: refused")), [
        Symptom("database", OUTAGE, "The database of cinder-volume does not answer", None, facts.DATABASE)]),
    (CINDER, OBSERVED._replace(rows=Rows(facts.UNKNOWN, (), "denied")), [
        Symptom("heartbeat-unknown", NOTICE, "The heartbeat of cinder-volume cannot be read:", None, facts.DATABASE)]),
    (PROXY, CONSOLE._replace(rows=Rows(facts.UNKNOWN, (), "denied")), []),
    (CINDER, OBSERVED._replace(rows=rows(70, 80)), [
        Symptom("heartbeat", PASSING, "cinder-volume has not reported for 70 s (ha@a,", None, facts.DATABASE)]),
    (CINDER, OBSERVED._replace(rows=rows(5, 80)), [
        Symptom("heartbeat-part", NOTICE, "ha@b of cinder-volume has not reported for 80", None, facts.DATABASE)]),
    (CINDER, OBSERVED._replace(rows=rows(60, 60.5)), [
        Symptom("heartbeat-part", NOTICE, "ha@b of cinder-volume has not reported for 60", None, facts.DATABASE)]),
    (CINDER, OBSERVED._replace(rows=rows(80), age=1000.0), [
        Symptom("heartbeat", PASSING, "cinder-volume has not reported for 80 s (ha@a),", None, facts.DATABASE),
        Symptom("heartbeat-never", NOTICE, "ha@b of cinder-volume has not reported since", None, facts.DATABASE)]),
    (CINDER, OBSERVED._replace(rows=rows(960, 960, changes=1)), [
        Symptom("heartbeat-never", NOTICE, "ha@a, ha@b of cinder-volume have not reported", None, facts.DATABASE)]),
    (CINDER, OBSERVED._replace(rows=rows(5, 960, changes=1)), [
        Symptom("heartbeat-never", NOTICE, "ha@b of cinder-volume has not reported since", None, facts.DATABASE)]),
    (CINDER, OBSERVED._replace(rows=rows(80, 80, changes=1), age=120.0), []),
    (CINDER, OBSERVED._replace(rows=rows(), age=120.0), []),
    (CINDER, OBSERVED._replace(rows=rows(), age=120.5), [
        Symptom("heartbeat-never", NOTICE, "ha@a, ha@b of cinder-volume have not reported", None, facts.DATABASE)]),
    (CINDER, OBSERVED._replace(rows=rows(5)), [
        Symptom("heartbeat-never", NOTICE, "ha@b of cinder-volume has not reported since", None, facts.DATABASE)]),
    (CINDER, OBSERVED._replace(rows=rows(80, 80), age=29.9), []),
    (CINDER, OBSERVED._replace(rows=rows(80, 80), age=30.0), [
        Symptom("heartbeat", PASSING, "cinder-volume has not reported for 80 s (ha@a,", None, facts.DATABASE)]),
    (CINDER, OBSERVED._replace(rows=rows(80, 80), age=59.0, settings=SETTINGS._replace(interval=40.0)), []),
    (CINDER, OBSERVED._replace(rows=rows(80, 80), age=60.0, settings=SETTINGS._replace(interval=40.0)), [
        Symptom("heartbeat", PASSING, "cinder-volume has not reported for 80 s (ha@a,", None, facts.DATABASE)]),
    (HEAT, HEATS._replace(rows=engines(5, 130)), [
        Symptom("heartbeat", PASSING, "Only 1 of 2 workers of heat-engine reported", None, facts.DATABASE)]),
    (HEAT, HEATS._replace(rows=engines(5, 120)), []),
    (HEAT, HEATS._replace(rows=engines(-500, -500)), [
        Symptom("heartbeat-never", NOTICE, "No worker of heat-engine has reported since its", None, facts.DATABASE)]),
    (HEAT, HEATS._replace(rows=engines(5, 130), age=120.0), []),
    (HEAT, HEATS._replace(rows=engines(5, 130, watched=120.0)), []),
    (HEAT, HEATS._replace(rows=engines(5, 130, watched=121.0), age=121.0), [
        Symptom("heartbeat", PASSING, "Only 1 of 2 workers of heat-engine reported", None, facts.DATABASE)]),
    (CINDER, OBSERVED._replace(replies=(Reply("q", facts.SILENT, 2), Reply("r", facts.SILENT, 2))), [
        Symptom("rpc", PASSING, "cinder-volume did not answer an RPC call to q,", None, facts.RPC)]),
    (CINDER, OBSERVED._replace(replies=(Reply("q", facts.SILENT, 2),), rows=Rows(facts.UNREACHABLE, (), "x")), [
        Symptom("database", OUTAGE, "The database of cinder-volume does not answer", None, facts.DATABASE),
        Symptom("rpc-waiting", NOTICE, "cinder-volume did not answer an RPC call to q,", None, facts.RPC)]),
    (CINDER, OBSERVED._replace(replies=(Reply("q", facts.MISSING),)), [
        Symptom("queue", PASSING, "RabbitMQ has no queue q, so nothing takes calls", None, facts.RPC)]),
    (CINDER, OBSERVED._replace(replies=(Reply("q", facts.MISSING), Reply("r", facts.ANSWERED, 2))), [
        Symptom("queue-part", NOTICE, "RabbitMQ has no queue q, so nothing takes calls", None, facts.RPC)]),
    (CINDER, OBSERVED._replace(replies=(Reply("q", facts.MISSING),), rows=Rows(facts.UNREACHABLE, (), "x")), [
        Symptom("database", OUTAGE, "The database of cinder-volume does not answer", None, facts.DATABASE),
        Symptom("queue-part", NOTICE, "RabbitMQ has no queue q, so nothing takes calls", None, facts.RPC)]),
    (CINDER, OBSERVED._replace(tree=Tree(PARENT, (ONE,)), baseline=1, replies=(Reply("q", facts.SILENT, 0),
     Reply("r", facts.SILENT, 0))), [
        Symptom("workers", NOTICE, "Only 1 of 2 backends of cinder-volume came up"),
        Symptom("queue-part", NOTICE, "Queue q, r has no consumer: its worker is missing.", None, facts.RPC)]),
    (CINDER, OBSERVED._replace(replies=(Reply("q", facts.UNREACHABLE, None, "refused"), Reply("r",
     facts.UNREACHABLE, None, "x"))), [
        Symptom("broker", OUTAGE, "RabbitMQ does not answer this node (refused).", None, facts.RPC)]),
    (CINDER, OBSERVED._replace(rows=Rows(facts.ANSWERED, tuple(
        facts.Row(name, 7, 2000, "m", 5, 2) for name in ("HA@a", "Ha@B")))), []),
    (CINDER, OBSERVED._replace(rows=Rows(facts.ANSWERED, tuple(
        facts.Row(name, 7, 2000, "m", same, 2) for name, same in (("ha@a", 5), ("HA@A", 99), ("ha@B", 99))))), [
            Symptom("heartbeat-part", NOTICE, "ha@B of cinder-volume has not reported for 99", None, facts.DATABASE)]),
    (CINDER, OBSERVED._replace(broker=False, refused="vhost is down", **LOST), [
        Symptom("broker", OUTAGE, "RabbitMQ (n1:5672) answers, but takes no connection", None, facts.REACHABILITY)]),
    (CINDER, OBSERVED._replace(replies=(Reply("q", facts.UNREACHABLE, None, facts.UNSERVED + "its node is down"),)), [
        Symptom("broker", OUTAGE, "RabbitMQ does not serve queue q: its node is down", None, facts.RPC)]),
    (CINDER, OBSERVED._replace(replies=(Reply("q", facts.UNKNOWN, None, "no pika"),)), [
        Symptom("rpc-unknown", NOTICE, "cinder-volume could not be called: no pika", None, facts.RPC)]),
    (CINDER, OBSERVED._replace(replies=(Reply("q", facts.ANSWERED, 3), Reply("r", facts.ANSWERED, 4))), [
        Symptom("consumers", NOTICE, "Queue q has 3 consumers instead of 2: a second", None, facts.RPC)]),
    (CINDER, OBSERVED._replace(replies=(Reply("q", facts.ANSWERED, 2), Reply("r", facts.ANSWERED, 4))), [
        Symptom("consumers", NOTICE, "Queue r has 4 consumers instead of 2: a second", None, facts.RPC)]),
    (CINDER, OBSERVED._replace(replies=(Reply("q", facts.ANSWERED, 3),), age=200.0), []),
    (CINDER, OBSERVED._replace(replies=(Reply("q", facts.ANSWERED, 3),), age=200.5), [
        Symptom("consumers", NOTICE, "Queue q has 3 consumers instead of 2: a second", None, facts.RPC)]),
    (HEAT, HEATS._replace(replies=(Reply("q", facts.ANSWERED, 3),)), []),
    (PROXY, CONSOLE._replace(page=Page(facts.ANSWERED, 500)), [
        Symptom("page", PASSING, "nova-novncproxy answers 500 on port 6080.", None, facts.HTTP)]),
    (PROXY, CONSOLE._replace(page=Page(facts.ANSWERED, 499)), []),
    (PROXY, CONSOLE._replace(page=Page(facts.ANSWERED, None)), []),
    (PROXY, CONSOLE._replace(page=Page(facts.ANSWERED, 404)), [
        Symptom("page-missing", NOTICE, "nova-novncproxy answers on port 6080, but has", None, facts.HTTP)]),
    (PROXY, CONSOLE._replace(page=Page(facts.SILENT, None, "no answer within 3 s")), [
        Symptom("page", PASSING, "nova-novncproxy does not answer an HTTP request", None, facts.HTTP)]),
    (PROXY, CONSOLE._replace(page=Page(facts.MISSING)), [
        Symptom("page", PASSING, "nova-novncproxy does not answer an HTTP request", detect.GRACE, facts.HTTP)]),
    (CINDER, OBSERVED._replace(page=Page(facts.MISSING)), []),
    (CINDER, OBSERVED._replace(tree=Tree(PARENT, (ONE, TWO), (process(9),), ()), broker=False,
     page=Page(facts.MISSING)), [
        Symptom("orphans", FATAL, "Processes of an earlier cinder-volume still run")]),
    (CINDER, OBSERVED._replace(broker=False, rows=rows(5, 80), replies=(Reply("q", facts.SILENT, 2),), **LOST), [
        Symptom("rpc", PASSING, "cinder-volume did not answer an RPC call to q,", None, facts.RPC),
        Symptom("broker", OUTAGE, "RabbitMQ (n1:5672) does not answer this node.", None, facts.REACHABILITY),
        Symptom("heartbeat-part", NOTICE, "ha@b of cinder-volume has not reported for 80", None, facts.DATABASE)]),
])
def test_whole_symptoms(service, observed, found):
    symptoms = detect.symptoms(service, observed)
    begin = [one._replace(message=one.message[:len(wanted.message)]) for one, wanted in zip(symptoms, found)]
    assert len(symptoms) == len(found) and begin == found


@pytest.mark.parametrize("service, workers, alone", [
    (PROXY, None, True), (HEAT, 1, True), (HEAT, 2, False), (HEAT, None, False), (CINDER, 1, False),
    (CINDER._replace(workers="any"), None, True)])
def test_who_does_the_work_itself(service, workers, alone):
    assert detect.works_alone(service, SETTINGS._replace(workers=workers)) is alone


@pytest.mark.parametrize("service, tree, expected, baseline, missing", [
    (CINDER, TREE, 2, None, 0), (CINDER, TREE, 3, None, 1), (CINDER, TREE, None, 3, 1), (CINDER, TREE, 1, 3, 0),
    (CINDER, TREE, None, None, 0), (CINDER, Tree(PARENT, (PARENT,)), 2, None, 2), (PROXY, TREE, 5, None, 0),
    (CINDER._replace(workers="any"), TREE, 5, None, 0), (CINDER, Tree(PARENT, (PARENT,)), 1, None, 1),
    (HEAT, Tree(PARENT, (PARENT,)), 1, None, 0), (HEAT, Tree(PARENT, (PARENT,)), 2, None, 2)])
def test_how_many_workers_are_missing(service, tree, expected, baseline, missing):
    observed = OBSERVED._replace(tree=tree, expected=expected, baseline=baseline)
    assert detect.missing_workers(service, observed) == missing


def test_names_of_workers():
    assert detect.worker_names(CINDER, SETTINGS) == ("ha@a", "ha@b")
    assert detect.worker_names(HEAT, SETTINGS) == ("ha",)
    assert detect.worker_names(HEAT, SETTINGS._replace(host=None)) == ()


def test_rows_of_engines_that_live_the_newest_first():
    observed = OBSERVED._replace(settings=ENGINE, rows=engines(120, 5, 121, -5, 7))
    assert [row.name for row in detect.own_rows(observed)] == ["id0", "id1", "id4"]
    several = tuple(row._replace(created=created, changes=1) for row, created in zip(
        engines(1, 2, 3).rows, (9, None, 5)))
    found = detect.own_rows(observed._replace(rows=Rows(facts.ANSWERED, several)))
    assert [row.name for row in found] == ["id1", "id2", "id0"], "seconds since they were made, unknown is new"
    unlooked = tuple(row._replace(unchanged=None, changes=2) for row in engines(1).rows)
    assert detect.own_rows(observed._replace(rows=Rows(facts.ANSWERED, unlooked))) == []
    assert detect.own_rows(observed._replace(rows=None)) == []


def test_the_port_that_it_listens_on():
    assert detect.listen_port(PROXY, LISTENING._replace(listen=("::", 7080))) == 7080
    assert detect.listen_port(PROXY, SETTINGS) == 6080


def test_nothing_is_wrong_with_what_does_not_run():
    assert detect.symptoms(CINDER, OBSERVED._replace(tree=Tree(), broker=False)) == ()
