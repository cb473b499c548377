# SPDX-License-Identifier: Apache-2.0
"""What a monitor asks whom, and what it makes of the answers, on a node with the real agent."""

import pytest

from quorate.ocf import codes
from quorate.openstack import facts
from quorate.openstack.facts import PING, SERVICE_FILE, Page, Reply
from tests.unit.openstack.node.machine import BROKER, DATABASE, connected, listening

NOTHING, ALL = {pid: () for pid in range(1000)}, b"00000000"
ANSWERED = (Reply("cinder-volume.ha@a", facts.ANSWERED, 2),)


def started(node, workers=1):
    node.comes(workers)
    assert codes.SUCCESS == node.start().code
    del node.heard[:], node.read[:]
    return node.processes.all()


# -- whom it asks

def test_a_healthy_one_is_asked_nothing_at_level_0(node):
    parent, _worker = started(node)
    assert codes.SUCCESS == node.monitor().code and [] == node.heard
    assert {(parent, ())} == set(node.read), "its settings are those of its own command line and environment"


def test_at_level_10_its_heartbeat_is_read_and_no_more(node):
    started(node)
    assert codes.SUCCESS == node.monitor(level=10).code
    assert [("rows", ("cinder-volume", DATABASE, ("ha@a",), 5.0))] == node.heard


def test_at_level_20_it_is_called_as_well(node):
    started(node)
    node.replied = ANSWERED
    assert codes.SUCCESS == node.monitor(level=20, check_timeout="4").code
    assert [("rows", ("cinder-volume", DATABASE, ("ha@a",), 4.0)),
            ("replies", ((BROKER,), "openstack", ("cinder-volume.ha@a",), 4.0, PING))] == node.heard


def test_a_lost_connection_asks_broker_and_database_for_a_short_time(node):
    """What explains it is an outage, and no failure."""
    started(node)
    node.sockets, node.broker_answers = NOTHING, False
    outcome = node.monitor()

    assert codes.DEGRADED == outcome.code and "RabbitMQ (rabbit:5673) does not answer this node" in outcome.reason
    assert [((BROKER,), 2.0)] == node.asked_of("broker")
    assert [2.0] == [words[3] for words in node.asked_of("rows")] and [2.0] == [words[2] for words in node.asked_of("writes")]
    node.monitor(check_timeout="1")
    assert 1.0 == node.asked_of("rows")[-1][3]
    del node.heard[:]
    assert codes.DEGRADED == node.monitor(level=20).code
    assert [5.0] == [words[3] for words in node.asked_of("rows")], "once, with the limit of this level"
    assert [] == node.asked_of("replies"), "a call would take its time again"


def test_a_broker_that_was_away_is_asked_again_until_it_answers(node):
    started(node)
    node.sockets, node.broker_answers = NOTHING, False
    node.monitor()
    node.sockets = {}  # connections that still look established
    del node.heard[:]
    assert codes.DEGRADED == node.monitor().code and 1 == len(node.asked_of("broker"))
    node.broker_answers = True
    assert codes.SUCCESS == node.monitor().code == node.monitor().code and 2 == len(node.asked_of("broker"))


def test_what_is_broken_is_asked_no_further(node):
    started(node)
    node.process()
    assert codes.ERR_GENERIC == node.monitor(level=20).code and [] == node.heard


@pytest.mark.parametrize("change, asked", [({"brokers": ()}, ["rows"]), ({"backends": ()}, []),
                                           ({"readable": False, "problems": ("line 3 is no section",)}, [])])
def test_who_is_not_known_is_not_asked(node, change, asked):
    started(node)
    node.conf = node.conf._replace(**change)
    node.sockets = {one.pid: (connected(5673), connected(5672)) for one in node.processes.all()}
    node.monitor(level=20)
    assert asked == [kind for kind, _words in node.heard if kind in ("rows", "replies")]


@pytest.mark.parametrize("change, reason", [
    ({"readable": False, "problems": ("line 3 is no section", "x")}, "line 3 is no section; x."),
    ({"database": None, "problems": ("p",)}, "{config} has no MySQL URL as [database] connection; p."),
    ({"interval": None, "problems": ("report_interval = x is no whole number above 0",)},
     "report_interval = x is no whole number above 0."),
    ({"backends": ()}, "{config} has no enabled_backends.")])
def test_a_heartbeat_that_cannot_be_read_is_said_with_its_reason(node, change, reason):
    """And is no failure: an operator has to mend the configuration."""
    started(node)
    node.conf = node.conf._replace(**change)
    for _number in range(2):
        outcome = node.monitor(level=10)
        assert codes.DEGRADED == outcome.code
        shown = facts.short(reason.format(config=node.service.config), 90)
        assert outcome.reason.startswith("The heartbeat of cinder-volume cannot be read: " + shown)
        node.clock.sleep(999)


def test_a_heartbeat_that_stands_still_is_a_failure_where_the_database_takes_writes(node):
    started(node)
    node.clock.sleep(60)
    said = []
    for number in range(4):
        node.fresh = min(node.fresh, 1)  # a second report, and no third one
        said.append(node.monitor(level=10).code)
        node.clock.sleep(61)
    assert [codes.SUCCESS, codes.SUCCESS, codes.DEGRADED, codes.ERR_GENERIC] == said
    assert {DATABASE} == {address for _service, address, _seconds in node.asked_of("writes")}


# -- which processes are its own

def test_a_program_of_another_name_is_known_by_the_parameter(node):
    parent = node.processes.add("/opt/x/cv --config-file=" + node.service.config)
    node.processes.add("/opt/x/cv --config-file=" + node.service.config, ppid=parent.pid)
    assert codes.SUCCESS == node.monitor(binary="/opt/x/cv").code == node.monitor(binary="cv").code
    assert codes.NOT_RUNNING == node.monitor().code == node.monitor(binary="cw").code


@pytest.mark.parametrize("name", ["cinder-volume@b1", "cinder-volume@b1.service"])
def test_other_instances_of_a_template_are_others(node, name):
    from quorate.host.system.units import Unit, UnitState
    own, other = node.tree(), node.tree()
    node.units.unit = Unit("cinder-volume@b1.service", "/lib/x", False)
    node.units.now, node.units.inside = UnitState("active", "running", own[0].pid), {one.pid for one in own}
    node.units.elsewhere = {one.pid: "cinder-volume@b2.service" for one in other}
    assert codes.SUCCESS == node.monitor(unit=name).code
    assert codes.ERR_GENERIC == node.monitor().code, "without the parameter it is a second copy"


def test_a_pid_that_came_again_has_no_past(engine):
    """What was recorded is of an earlier process."""
    parent = engine.tree(2)[0]
    engine.files.write(SERVICE_FILE, {"pid": parent.pid, "start": parent.start + 1, "workers": 4, "linked": 4})
    assert codes.SUCCESS == engine.monitor().code
    engine.files.write(SERVICE_FILE, {"pid": parent.pid, "start": parent.start, "workers": 4, "linked": 4})
    outcome = engine.monitor()
    assert codes.DEGRADED == outcome.code and "2 of 4 worker processes" in outcome.reason


def test_an_engine_that_is_configured_to_one_worker_works_alone(engine):
    """oslo.service starts no child then; what it forks is no worker."""
    engine.conf = engine.conf._replace(workers=1)
    parent = started(engine, 0)[0]
    engine.sockets = {engine.process(parent.pid, leads=False).pid: ()}
    assert codes.SUCCESS == engine.monitor().code
    assert ("1", "1") == tuple(engine.files.read(SERVICE_FILE)[name] for name in ("workers", "linked"))
    engine.sockets[parent.pid] = ()
    assert codes.DEGRADED == engine.monitor().code


def test_a_backend_that_never_came_up_stays_an_operator_s_matter(two):
    """A restart would bring the same."""
    two.comes(1)
    assert codes.SUCCESS == two.start(seconds=100).code
    two.clock.sleep(9999)
    outcome = two.monitor()
    assert codes.DEGRADED == outcome.code and "Only 1 of 2 backends of cinder-volume came up at its start" in outcome.reason
    two.clock.sleep(9999)
    assert codes.DEGRADED == two.monitor().code


def test_unless_its_start_was_done_without_the_database(two):
    """Then the state of the start says nothing, and a restart helps."""
    two.comes(1)
    two.database = facts.UNREACHABLE
    assert codes.SUCCESS == two.start().code
    two.database = facts.ANSWERED
    assert codes.DEGRADED == two.monitor().code
    two.clock.sleep(61)
    outcome = two.monitor()
    assert codes.ERR_GENERIC == outcome.code and "1 of 2 worker processes" in outcome.reason


# -- connections

@pytest.mark.parametrize("ports, parameters, code", [
    ((5673,), {}, codes.SUCCESS), ((5672,), {}, codes.SUCCESS), ((5679,), {}, codes.DEGRADED),
    ((5679,), {"amqp_server_port": 5679}, codes.SUCCESS), ((5673,), {"amqp_server_port": 5679}, codes.SUCCESS)])
def test_which_connections_lead_to_a_broker(node, ports, parameters, code):
    """To a port of transport_url, or to the parameter's, which is 5672 by default."""
    for one in started(node):
        node.sockets[one.pid] = tuple(connected(port) for port in ports)
    assert code == node.monitor(**parameters).code


def test_without_a_url_a_connection_is_seen_but_never_missed(node):
    node.conf = node.conf._replace(brokers=())
    for one in started_with(node, connected(5672)):
        node.sockets[one.pid] = ()
    assert "1" == node.files.read(SERVICE_FILE)["linked"]
    assert codes.SUCCESS == node.monitor().code and [] == node.asked_of("broker")


def started_with(node, *sockets):
    node.sockets = {pid: sockets for pid in range(1000)}
    return started(node)


@pytest.mark.parametrize("port, parameters, count", [(3307, {}, 2), (3306, {}, 0), (3310, {"database_server_port": 3310}, 2)])
def test_connections_to_the_database_are_counted_for_an_operator(auth, port, parameters, count):
    started_with(auth, connected(5673), connected(port, 2), connected(port, 3))
    auth.monitor(by_hand=True, **dict({"database_server_port": "3307"}, **parameters))
    assert "1 connections to RabbitMQ, %d to the database" % count in auth.said()


def test_without_a_parameter_the_port_of_the_database_is_that_of_the_configuration(node):
    started_with(node, connected(5673), connected(3307, 2))
    node.monitor(by_hand=True)
    assert "1 connections to RabbitMQ, 1 to the database" in node.said()
    node.conf = node.conf._replace(database=None)
    node.sockets = {pid: (connected(5673), connected(3306, 2)) for pid in range(1000)}
    node.monitor(by_hand=True)
    assert "1 connections to RabbitMQ, 1 to the database" in node.said()


# -- the port

def proxied(proxy, *sockets):
    parent = proxy.process()
    proxy.sockets[parent.pid] = sockets
    return parent


def test_the_page_is_asked_for_where_the_proxy_listens(proxy):
    proxied(proxy, listening(6080, local=b"0500007F"))
    proxy.found = {6080: Page(facts.ANSWERED, 200)}
    assert codes.SUCCESS == proxy.monitor(level=10).code
    assert [("127.0.0.5", 6080, "/vnc_lite.html", 3.0, proxy.conf.tls)] == proxy.asked_of("page")
    proxy.conf = proxy.conf._replace(tls=True)
    proxy.monitor(level=10, check_timeout="2")
    assert [2.0, True] == list(proxy.asked_of("page")[1][3:])


def test_all_addresses_go_before_a_single_one(proxy):
    proxied(proxy, listening(6080, 1, b"0100007F"), listening(6080, 2, ALL), listening(6081, 3), connected(6080, 4))
    proxy.monitor(level=10)
    assert "0.0.0.0" == proxy.asked_of("page")[0][0]


def test_without_a_listener_its_configuration_says_where(proxy):
    proxied(proxy)
    proxy.conf = proxy.conf._replace(listen=("10.0.0.9", 6085))
    proxy.monitor(level=10)
    assert ("10.0.0.9", 6085) == proxy.asked_of("page")[-1][:2]


def test_a_port_that_its_command_line_set_is_its_own(proxy):
    proxied(proxy, listening(6090))
    proxy.found = {6090: Page(facts.ANSWERED, 200)}
    assert codes.SUCCESS == proxy.monitor().code == proxy.monitor(level=10).code
    assert [6090] == [words[1] for words in proxy.asked_of("page")]


@pytest.mark.parametrize("answers", [7001, 7002, 7003])
def test_of_several_ports_the_one_that_answers_http(proxy, answers):
    proxied(proxy, *(listening(port, port, b"0%d00007F" % (port - 7000)) for port in (7003, 7001, 7002)))
    proxy.found = {answers: Page(facts.ANSWERED, 200)}
    assert codes.SUCCESS == proxy.monitor().code
    assert [("127.0.0.%d" % number, 7000 + number, "/vnc_lite.html", 1.0, False) for number in range(1, answers - 6999)] == (
        proxy.asked_of("page"))


def test_where_none_of_them_answers_it_does_not_listen(proxy):
    proxied(proxy, listening(7001, 1), listening(7002, 2))
    outcome = proxy.monitor()
    assert codes.DEGRADED == outcome.code and "does not listen on port 6080" in outcome.reason


def test_a_port_that_another_program_holds(proxy):
    proxied(proxy)
    proxy.sockets[proxy.processes.add("/usr/bin/other").pid] = (listening(6080),)
    outcome = proxy.monitor()
    assert codes.DEGRADED == outcome.code and "Another program holds port 6080" in outcome.reason


def test_a_port_of_which_nothing_is_to_be_seen_is_unknown(proxy):
    """Unknown is never no."""
    parent = proxied(proxy)
    proxy.unseen_table = True
    assert codes.SUCCESS == proxy.monitor().code
    proxy.unseen_table, proxy.unobserved = False, {parent.pid}
    assert codes.SUCCESS == proxy.monitor().code


def test_the_parameter_of_the_port_is_the_usual_one(proxy):
    proxied(proxy)
    assert "does not listen on port 6999" in proxy.monitor(console_port=6999).reason


def test_a_connection_that_the_proxy_serves_is_no_worker(proxy):
    """A child for each browser: only the parent listens."""
    parent = proxied(proxy, listening(6080))
    child = proxy.process(parent.pid, leads=False)
    proxy.sockets[child.pid] = ()
    assert codes.SUCCESS == proxy.monitor().code


def test_children_that_the_proxy_left_behind(proxy):
    proxy.process(leads=False)
    assert codes.ERR_GENERIC == proxy.monitor(level=10).code
