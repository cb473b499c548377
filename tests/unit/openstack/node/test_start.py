# SPDX-License-Identifier: Apache-2.0
"""start on a node: what it asks first, what it waits for, what it records."""

import os

import pytest

from quorate.ocf import codes
from quorate.openstack import facts
from quorate.openstack.facts import PING, SERVICE_FILE
from quorate.openstack.service import unit as units
from tests.unit.openstack.node.machine import BROKER, listening


def recorded(node, *names):
    return tuple(node.files.read(SERVICE_FILE).get(name) for name in names)


# -- before it starts

def test_the_names_of_the_workers_are_published_before_it_is_launched(two):
    two.units.effect = lambda: (two.heard.append(("launched", len(two.commands.calls))), two.tree(2))
    assert codes.SUCCESS == two.start().code
    assert [("attrd_updater", "-n", "vol-names", "-U", "ha@a,ha@b", "-p")] == two.commands.calls
    assert [1] == two.asked_of("launched")


def test_in_a_bundle_they_are_those_of_the_host_where_its_operator_says_so(node):
    from quorate.openstack.actions import published
    from quorate.openstack.declaration import parameters
    from tests.fakes import context
    made = context("start", parameters(node.service), {
        "OCF_RESKEY_CRM_meta_container_attribute_target": "host", "OCF_RESKEY_CRM_meta_physical_host": "metal1"},
                   commands=node.commands, config=node.service.config)
    published.publish(made, node.service, node.conf)

    assert ("-N", "metal1") == node.commands.calls[0][5:7]


def test_other_nodes_are_asked_by_the_service_s_own_way(two):
    two.comes(2)
    assert codes.SUCCESS == two.start().code
    assert [((BROKER,), "openstack", ("cinder-volume.ha@a", "cinder-volume.ha@b"), 3.0, PING)] == two.asked_of("replies")
    two.stop()
    two.start(check_timeout="1")
    assert 1.0 == two.asked_of("replies")[1][3], "an operator's limit, where it is shorter"


@pytest.mark.parametrize("without", ["brokers", "backends"])
def test_nobody_is_asked_where_no_queue_is_known(node, without):
    node.comes(0)
    node.conf = node.conf._replace(**{without: ()})
    node.start(seconds=10)
    assert [] == node.asked_of("replies") and ["start"] == node.units.done


def test_engines_answer_elsewhere_and_start_here_too(engine):
    """heat-engine may be a clone."""
    engine.conf = engine.conf._replace(backends=(("a", "ha"),))
    engine.comes(2)
    assert codes.SUCCESS == engine.start().code and [] == engine.asked_of("replies")


def test_options_that_cannot_be_split_are_refused_whatever_starts_it(node):
    """Else it is known by other settings than it runs with."""
    node.tree()
    with pytest.raises(codes.Failed) as raised:
        node.start(unit=node.unit, additional_parameters="--name='a")
    assert codes.ERR_CONFIGURED == raised.value.code and [] == node.units.done


def test_nothing_is_started_without_a_record_of_it(node):
    """Its processes could not be told from those of an earlier life."""
    with open(node.run, "w", encoding="ascii"):
        pass
    with pytest.raises(OSError):
        node.start()
    assert [] == node.units.done


@pytest.mark.parametrize("count, by_hand", [(1, "1 process of an earlier nova-consoleauth still runs"),
                                            (3, "by hand: kill "), (4, "by hand: ps -C nova-consoleaut")])
def test_orphans_are_named_with_the_command_that_ends_them(auth, count, by_hand):
    """The kernel keeps 15 letters of a name, by which ps finds it."""
    orphans = [auth.process(leads=False) for _number in range(count)]
    outcome = auth.start()

    assert codes.ERR_GENERIC == outcome.code and by_hand in outcome.reason and "nova-consoleauth'" not in outcome.reason
    assert ("kill " + " ".join(str(one.pid) for one in orphans) in outcome.reason) == (count < 4)
    assert not outcome.reason.endswith("nova-consoleauth") and [] == auth.units.done


# -- what it waits for

def test_a_worker_is_connected_with_one_connection(node):
    node.comes()
    assert (codes.SUCCESS, None) == node.start() and node.took < 2
    assert ("1", "1", None) == recorded(node, "workers", "linked", "early")


def test_each_worker_is_recorded(two):
    two.comes(2)
    assert codes.SUCCESS == two.start().code
    assert ("2", "2") == recorded(two, "workers", "linked")


def test_one_that_works_alone_is_its_own_worker(auth):
    auth.comes(0)
    assert codes.SUCCESS == auth.start().code
    assert ("1", "1") == recorded(auth, "workers", "linked")


def test_nobody_asks_broker_and_database_about_a_service_that_still_comes_up(node):
    """For six seconds a connection that is missing is none that was lost."""
    node.comes()
    node.sockets = {pid: () for pid in range(200)}
    node.later(5.0, node.sockets.clear)

    assert codes.SUCCESS == node.start().code and 5.0 <= node.took <= 6
    assert [] == node.asked_of("broker") == node.asked_of("rows")


def test_then_the_broker_is_asked_once_a_second_and_not_more(node):
    """Each question is a connection with a handshake."""
    node.comes()
    node.sockets = {pid: () for pid in range(200)}
    outcome = node.start(seconds=60)

    assert codes.ERR_GENERIC == outcome.code and "no connection to RabbitMQ, although rabbi" in outcome.reason
    assert 25 <= len(node.asked_of("broker")) <= 60 and node.took <= 61


@pytest.mark.parametrize("away", ["broker", "database"])
def test_it_does_not_wait_for_a_broker_or_database_that_is_away(two, away):
    """A failed start bans the node, a long one holds up the cluster that may be about to bring them back."""
    two.comes(1 if away == "database" else 2)
    if away == "broker":
        two.broker_answers, two.sockets = False, {pid: () for pid in range(200)}
    else:
        two.database = facts.UNREACHABLE
    outcome = two.start()

    assert codes.SUCCESS == outcome.code and 6 < two.took < 9
    assert "Started, but: " in two.logged() and "does not answer" in two.logged()
    assert "1" == recorded(two, "early")[0], "fewer workers than configured are no state of the start"
    assert str(two.processes.all()[0].pid) == recorded(two, "pid")[0]


def test_a_broker_of_which_nothing_is_known_is_waited_for(node):
    """Its address cannot be read, or it was not asked: the service may be about to connect."""
    node.broker_answers, node.sockets = None, {pid: () for pid in range(200)}
    node.comes()
    outcome = node.start(seconds=30)

    assert codes.ERR_GENERIC == outcome.code and "no connection to RabbitMQ. Whether Rabbit" in outcome.reason
    assert 29 <= node.took <= 31


def test_backends_without_their_storage_do_not_hold_up_the_others(two):
    two.comes(1)
    outcome = two.start(seconds=100)

    assert codes.SUCCESS == outcome.code and 30 < two.took < 35 and "1 of 2 worker processes" in two.logged()
    assert ("1", "1", None) == recorded(two, "workers", "linked", "early")
    assert codes.DEGRADED == two.monitor().code


def test_unless_none_of_them_works(two):
    """Then another node may be better off."""
    two.units.effect = lambda: two.sockets.update({two.tree(1)[1].pid: ()})
    outcome = two.start(seconds=60)

    assert codes.ERR_GENERIC == outcome.code and "is not ready" in outcome.reason and 59 <= two.took <= 61


def test_a_child_of_the_first_seconds_is_no_second_copy(node):
    node.units.effect = lambda: (node.tree(), node.die(node.process(), after=3.0))
    assert codes.SUCCESS == node.start().code and 3.0 <= node.took < 4


def test_a_second_copy_that_stays_is(node):
    node.units.effect = lambda: (node.tree(), node.tree())
    outcome = node.start()

    assert codes.ERR_GENERIC == outcome.code and 6 < node.took < 8
    assert outcome.reason.startswith("Not started: A second copy of cinder-volume runs on this node")


def test_a_program_that_forks_as_daemons_do_is_its_own_parent(auth):
    """start-stop-daemon forks twice: what it starts leads no process group."""
    auth.units.effect = lambda: auth.process(leads=False)
    assert (codes.SUCCESS, None) == auth.start()
    only = auth.processes.all()[0]
    assert (str(only.pid), str(only.start), auth.unit) == recorded(auth, "pid", "start", "unit")
    assert (codes.SUCCESS, None) == auth.monitor()


@pytest.mark.parametrize("orphans", [1, 2])
def test_but_workers_that_are_left_are_none(two, orphans):
    """Their parent was there, and has died in its first seconds."""
    def effect():
        parent, *workers = two.tree(orphans)
        two.later(1.0, lambda: two.die(parent))

    two.units.effect = effect
    two.sockets = {pid: () for pid in range(200)}
    outcome = two.start()
    assert codes.ERR_GENERIC == outcome.code and [] != two.processes.all()


def test_the_console_proxy_is_there_once_it_listens(proxy):
    proxy.units.effect = lambda: proxy.later(2.0, lambda: proxy.sockets.update(
        {proxy.processes.all()[0].pid: (listening(6080),)}))
    proxy.units.effect = lambda effect=proxy.units.effect: (proxy.process(), effect())

    assert codes.SUCCESS == proxy.start().code and 2 <= proxy.took < 3


def test_a_console_proxy_that_does_not_listen_is_not_ready(proxy):
    proxy.comes(0)
    proxy.sockets = {pid: () for pid in range(200)}
    outcome = proxy.start(seconds=20)

    assert codes.ERR_GENERIC == outcome.code and "does not listen on port 6080" in outcome.reason
    assert "See /var/log/nova" in outcome.reason


def test_a_console_proxy_of_which_nothing_is_to_be_seen_is_not_ready(proxy):
    """Unknown is never yes: the deadline decides."""
    proxy.comes(0)
    proxy.unobserved = set(range(200))
    outcome = proxy.start(seconds=20)
    assert codes.ERR_GENERIC == outcome.code and "is not ready" in outcome.reason and 19 <= proxy.took <= 21


# -- what is there already

def test_what_an_administrator_started_is_taken_over_without_its_database_too(two):
    """It is seen by no probe, as it began after it."""
    two.process()
    two.database = facts.UNREACHABLE
    outcome = two.start()

    assert codes.SUCCESS == outcome.code and two.took < 15 and [] == two.units.done
    assert "1" == recorded(two, "early")[0]


def test_a_parent_that_dies_while_it_is_taken_over_leaves_an_orphan(node):
    """Its worker leads no process group, like what start-stop-daemon starts, and yet is no parent."""
    parent, _worker = node.tree()
    node.sockets = {pid: () for pid in range(200)}
    node.die(parent, after=1.0)
    outcome = node.start(seconds=20)

    assert codes.ERR_GENERIC == outcome.code and str(parent.pid) == recorded(node, "pid")[0]
    assert codes.ERR_GENERIC == node.monitor().code, "an orphan is a failure"


def test_what_a_killed_start_left_is_waited_for_from_its_launch(two):
    """Pacemaker ended the agent, or the node's memory did; the start that follows knows when it was launched."""
    two.comes(0)
    two.database = facts.UNREACHABLE
    two.start(seconds=4)
    launched = recorded(two, "launched")
    assert launched != (None,)
    two.clock.sleep(30)
    two.units.inside = {one.pid for one in two.processes.all()}
    outcome = two.start()

    assert codes.SUCCESS == outcome.code and two.took < 3
    assert (*launched, two.unit) == recorded(two, "launched", "unit") and ["start"] == two.units.done


# -- why it ended

@pytest.mark.parametrize("seconds", [4, 60])
def test_one_that_ended_at_once_is_reported_by_its_unit(node, seconds):
    """Also where there is less time than it is waited for."""
    outcome = node.start(seconds=seconds)

    assert codes.ERR_GENERIC == outcome.code and node.took <= 8
    assert "cinder-volume ended at once; see 'journalctl -u cinder-volume.service' and /var/log/cinder." == outcome.reason


def test_the_console_proxy_that_debian_does_not_start_is_explained(proxy, monkeypatch):
    """Its unit ends with success."""
    monkeypatch.setattr(units, "novnc_chosen", lambda: False)
    assert "set NOVA_CONSOLE_PROXY_TYPE=novnc in /etc/default/nova-consoleproxy" in proxy.start().reason


def test_another_service_is_not_explained_by_that_file(auth, monkeypatch):
    monkeypatch.setattr(units, "novnc_chosen", lambda: False)
    assert "journalctl -u nova-consoleauth.service" in auth.start().reason


def test_a_database_without_writes_is_the_reason(node):
    node.writes = "1290 --read-only"
    outcome = node.start(check_timeout="2")

    assert "takes no writes: 1290 --read-only" in outcome.reason
    assert [2.0] == [seconds for *_, seconds in node.asked_of("writes")]


@pytest.mark.parametrize("printed, reason", [
    ("Traceback\nImportError: no module x\n\n", "cinder-volume ended at once: ImportError: no module x See"),
    ("", "cinder-volume ended at once. See /var/log/cinder.")])
def test_a_program_is_reported_with_its_last_line(node, printed, reason):
    def spawned(_argv):
        os.makedirs(node.files.run, exist_ok=True)
        with open(node.files.path("output"), "w", encoding="utf-8") as file:
            file.write(printed)

    node.commands.on_spawn = spawned
    assert node.start(unit="none", binary="/bin/true").reason.startswith(reason)
