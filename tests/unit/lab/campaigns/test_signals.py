# SPDX-License-Identifier: Apache-2.0
"""Which signal noticed a fault, as the campaign reads it from the journal."""

import pytest

from lab.campaigns import signals
from lab.faults import openstack
from lab.services.openstack.client import Call, impact
from quorate.openstack import catalog, facts
from quorate.openstack.facts import Page, Reply, Row, Rows, Sockets, Tree
from quorate.openstack.symptoms import detect
from tests.unit.openstack.symptoms.observations import LISTENING, LOST, OBSERVED, ONE, PARENT, TWO, process, rows

CINDER, PROXY = catalog.CINDER_VOLUME, catalog.NOVA_NOVNCPROXY
NAMES = ("cinder-volume", "heat-engine")
JOURNAL = """\
1700000010.500000 n1 pacemaker-controld[77]: notice: Result of monitor operation for cinder-volume on n1: ok
1700000009.000000 n1 pacemaker-controld[77]: notice: Result of monitor operation for cinder-volume on n1: error \
(too early)
1700000012.250000 n1 pacemaker-controld[77]: notice: Result of monitor operation for cinder-volume on n1: degraded \
(The database of cinder-volume does not answer (vip:3306: no answer within 5 s). The service reconnects by itself.)
1700000013.000000 n1 pacemaker-schedulerd[76]: notice: Actions: Recover    cinder-volume          (               n1 )
1700000014.000000 n1 pacemaker-controld[77]: notice: Result of monitor operation for heat-engine on n1: not running
-- Boot 1234 --
"""


@pytest.mark.parametrize("signal, changes", [
    ("process", {"tree": Tree(process(10, "T"), (ONE, TWO))}),
    ("process", {"tree": Tree(None, (), (ONE, TWO))}),
    ("process", {"tree": Tree(PARENT, (ONE, TWO), (process(9),))}),
    ("process", {"tree": Tree(PARENT, (ONE, TWO), (), (process(20),))}),
    ("process", {"tree": Tree(PARENT, (ONE,))}),
    ("process", {"tree": Tree(PARENT, (ONE,)), "baseline": 1}),
    ("amqp", dict(LOST, broker=False)), ("amqp", dict(LOST, broker=True)), ("amqp", LOST),
    ("amqp", dict(LOST, broker=True, connected=1)),
    ("asked again", {"broker": False}),
    ("row", {"rows": Rows(facts.UNREACHABLE, (), "vip:3306: refused")}),
    ("row", {"rows": Rows(facts.UNKNOWN, (), "denied")}),
    ("row", {"rows": rows(70, 80)}), ("row", {"rows": rows(5, 80)}), ("row", {"rows": rows(5)}),
    ("rpc", {"replies": (Reply("q", facts.SILENT),)}), ("rpc", {"replies": (Reply("q", facts.MISSING),)}),
    ("rpc", {"replies": (Reply("q", facts.UNREACHABLE, None, "n1:5672: no answer"),)}),
    ("rpc", {"replies": (Reply("q", facts.UNKNOWN, None, "no pika"),)}),
    ("rpc", {"replies": (Reply("q", facts.ANSWERED, 4),)})])
def test_every_message_of_the_agents_belongs_to_a_signal(signal, changes):
    found = detect.symptoms(CINDER, OBSERVED._replace(**changes))

    assert [signal] == [signals.signal_of(one.message) for one in found]


def test_sentences_of_the_proxy():
    observed = OBSERVED._replace(settings=LISTENING, tree=Tree(PARENT, (PARENT,)), expected=None, baseline=None,
                                 sockets={10: Sockets()})
    for changes in ({"port_owner": "nobody"}, {"port_owner": "other"},
                    {"page": Page(facts.SILENT, None, "no answer within 3 s")},
                    {"page": Page(facts.ANSWERED, 503)}, {"page": Page(facts.ANSWERED, 404)}):
        assert ["page"] == [signals.signal_of(one.message) for one in detect.symptoms(PROXY,
                                                                                      observed._replace(**changes))]


def test_heats_rows():
    observed = OBSERVED._replace(settings=OBSERVED.settings._replace(down=120.0),
                                 rows=Rows(facts.ANSWERED, (Row("id", 300, 990, "m", 300, 2),), watched=300))

    assert ["row"] == [signals.signal_of(one.message) for one in detect.symptoms(catalog.HEAT_ENGINE, observed)]


def test_the_journal_says_who_saw_it_and_when():
    found = signals.signs(JOURNAL, NAMES, 1700000010.0)

    assert (2.25, "row") == (signals.first(found, "cinder-volume").seconds, signals.first(found, "cinder-volume").by)
    assert {"row": 2.2, "scheduler": 3.0} == signals.by_signal(found, "cinder-volume")
    assert {"process": 4.0} == signals.by_signal(found, "heat-engine")


def test_a_fault_that_the_wrong_signal_noticed_is_reported():
    found = signals.signs(JOURNAL, NAMES, 1700000010.0)

    assert [] == signals.blind(("row", ("cinder-volume", "nova-consoleauth")), found, NAMES)
    assert ["heat-engine: the signal row did not notice it, but {'process': 4.0}"] == signals.blind(("row", NAMES),
                                                                                                    found, NAMES)
    assert [] == signals.blind(None, found, NAMES)


def test_what_a_group_restarts_before_its_monitor_comes_was_not_overlooked():
    """The proxy after consoleauth, 0.4 s after both had been killed; its own monitor comes every 10 s."""
    text = ("1700000010.4 n1 pacemaker-schedulerd[76]: notice: Actions: %s  nova-novncproxy  (  n1 )%s\n")
    restarted = signals.signs(text % ("Restart", "  due to required nova-consoleauth start"), ("nova-novncproxy",),
                              1700000010.0)
    alone = signals.signs(text % ("Recover", ""), ("nova-novncproxy",), 1700000010.0)
    expected = ("process", ("nova-novncproxy",))

    assert [] == signals.blind(expected, restarted, expected[1])
    assert signals.blind(expected, alone, expected[1])


def test_what_is_expected_is_of_a_fault_that_there_is():
    assert set(openstack.EXPECTED) <= {inject for _name, inject in openstack.FAULTS}


def test_the_table_says_where_a_service_went():
    observed = dict(impact([Call(1.0, 0.1, True)], 0.0)._asdict(), known=[1.5, "x", "row"], signals={"row": 1.5},
                    now="n2")
    line = signals.table([{"fault": "power cut", "node": "n1", "doubles": 0, "services": {"heat-engine": observed}}])[-1]

    assert "n1 to n2" in line and "1.5 s, row" in line
    assert "known after 1.5 s by row, no call failed" in signals.sentence(observed)
