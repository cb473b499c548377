# SPDX-License-Identifier: Apache-2.0
"""service-check on a node: of which processes it speaks, what it asks them at each level, and what it remembers."""

import pytest

from quorate.host.system.units import Unit
from quorate.openstack import catalog, facts
from quorate.openstack.check import ServiceCheck
from quorate.openstack.facts import NOVA_PING, Page, Reply
from quorate.web.command import parse
from tests.unit.openstack.node.machine import BROKER, DATABASE, Node, connected, listening

NET = "10.0.0.7"


@pytest.fixture
def check(tmp_path, monkeypatch):
    """check(name, *options): (Node, its ServiceCheck); its unit is the one that Debian has."""
    def make(name, *options):
        node = Node(tmp_path, monkeypatch, catalog.ALL[name], ())
        words = [name, "--config", node.service.config, *options]
        return node, ServiceCheck(parse(ServiceCheck, words), node, node.processes)
    return make


def unit_runs(node, *lines, start=50):
    """Processes of the unit, whatever they are called: [Process]. The later ones began earlier."""
    found = [node.processes.add(line, start=start - number) for number, line in enumerate(lines)]
    node.units.inside = {one.pid for one in found}
    return found


# -- of which processes

def test_all_processes_of_the_unit_are_taken_together(check):
    node, one = check("nova-conductor")
    first, second, hidden = unit_runs(node, "uwsgi a", "uwsgi b", "uwsgi c")
    node.units.inside.add(9999)  # has ended meanwhile
    node.sockets = {first.pid: (connected(5673), connected(5673, 2), connected(3307, 3), listening(80)),
                    second.pid: (connected(5673, 4), connected(3307, 5), connected(3307, 6), listening(81, 8))}
    node.unobserved, node.processes.ages = {hidden.pid}, {hidden.pid: 77.0}
    observed = one.observed(1.0)

    assert hidden == observed.tree.parent, "the oldest"
    assert {first, second, hidden} == set(observed.tree.all) and 3 == len(observed.tree.all) and 77.0 == observed.age
    assert {hidden.pid: facts.Sockets(3, 3, frozenset((80, 81)))} == observed.sockets
    assert [(hidden, ())] == node.read and node.conf == observed.settings


def test_what_is_to_be_seen_of_nobody_is_unknown(check):
    node, one = check("nova-conductor")
    (only,) = unit_runs(node, "uwsgi a")
    node.unobserved = {only.pid}
    assert {only.pid: facts.Sockets(None, None, None)} == one.observed(1.0).sockets and [] == node.heard


def test_without_a_unit_they_are_known_by_their_program(check):
    node, one = check("nova-conductor")
    node.units.unit = None
    tree = node.tree()
    assert set(tree) == set(one.observed(1.0).tree.all)


def test_without_processes_in_its_unit_those_of_no_other_service(check):
    """Debian's neutron-rpc-server calls its workers neutron-server."""
    node, one = check("neutron-server")
    mine, other = node.process(), node.process()
    node.units.elsewhere = {other.pid: "neutron-rpc-server.service", mine.pid: "session-3.service"}
    assert (mine,) == one.observed(1.0).tree.all


def test_nothing_that_runs(check):
    node, one = check("nova-conductor", "--level", "20")
    observed = one.observed(1.0)
    assert () == observed.tree.all and [] == node.heard and node.conf == observed.settings


# -- what it asks

@pytest.mark.parametrize("level, asked", [
    (0, []), (10, [("rows", ("nova-conductor", DATABASE, ("ha",)))]),
    (20, [("rows", ("nova-conductor", DATABASE, ("ha",))),
          ("replies", ((BROKER,), "openstack", ("conductor.ha",), NOVA_PING))])])
def test_what_each_level_asks(check, level, asked):
    node, one = check("nova-conductor", "--level", str(level))
    node.replied = (Reply("conductor.ha", facts.ANSWERED, 1),)
    unit_runs(node, "uwsgi a")
    observed = one.observed(50.0)

    assert asked == [(kind, tuple(word for word in words if not isinstance(word, float))) for kind, words in node.heard]
    assert all(0 < word <= 50 for _kind, words in node.heard for word in words if isinstance(word, float))
    assert (level >= 10) == (observed.rows is not None) and (level == 20) == bool(observed.replies)


def test_a_heartbeat_is_followed_from_one_check_to_the_next(check):
    """A single look tells nothing: clocks differ."""
    node, one = check("nova-conductor", "--level", "10")
    unit_runs(node, "uwsgi a")
    changes = [one.observed(5.0).rows.rows[0].changes for _number in range(3)]
    assert [0, 2, 2] == changes
    node.processes.remove(next(iter(node.units.inside)))
    unit_runs(node, "uwsgi b")
    assert 0 == one.observed(5.0).rows.rows[0].changes, "of another process nothing is known"


def test_so_is_that_of_a_service_with_an_agent(check):
    """And by what the check has seen, not by what the agent has."""
    node, one = check("cinder-volume", "--level", "10")
    node.conf = node.conf._replace(backends=(("a", "ha"),))
    node.tree()
    assert [0, 2] == [one.observed(5.0).rows.rows[0].changes for _number in range(2)]
    assert [] == node.kept()


@pytest.mark.parametrize("name, asked", [("nova-conductor", 1), ("nova-api", 0)])
def test_a_broker_is_asked_by_who_has_connections_to_it(check, name, asked):
    node, one = check(name)
    (only,) = unit_runs(node, "uwsgi a")
    node.sockets[only.pid], node.broker_answers = (), False
    observed = one.observed(1.0)
    assert asked == len(node.asked_of("broker")) and (False if asked else None) is observed.broker


def test_without_a_url_of_a_broker_its_usual_port_counts(check):
    node, one = check("nova-conductor")
    node.conf = node.conf._replace(brokers=(), database=None)
    (only,) = unit_runs(node, "uwsgi a")
    node.sockets[only.pid] = (connected(5672), connected(3306, 2), connected(3306, 3))
    assert facts.Sockets(1, 2, frozenset()) == one.observed(1.0).sockets[only.pid]


# -- the page

def asked(node):
    return [words[:3] for words in node.asked_of("page")]


def test_a_page_is_asked_for_where_a_process_of_the_unit_listens(check):
    """Not the oldest one, perhaps."""
    node, one = check("nova-api")
    first, second = unit_runs(node, "uwsgi a", "uwsgi b")
    node.sockets = {first.pid: (listening(8774, local=b"0700000A"),), second.pid: ()}
    node.found = {8774: Page(facts.ANSWERED, 200)}
    observed = one.observed(9.0)
    assert [(NET, 8774, "/")] == asked(node) and ("ours", 200) == (observed.port_owner, observed.page.status)
    assert 3.0 == node.asked_of("page")[0][3]


@pytest.mark.parametrize("options, place", [
    ((), ("127.0.0.1", 8779, "/")), (("--port", "8774"), ("", 8774, "/")), (("--host", NET), (NET, 8779, "/")),
    (("--path", "/healthcheck"), ("127.0.0.1", 8779, "/healthcheck")), (("--host", NET, "--port", "80"), (NET, 80, "/"))])
def test_an_operator_s_word_goes_before_what_is_seen(check, options, place):
    node, one = check("nova-api", *options)
    (only,) = unit_runs(node, "uwsgi a")
    node.sockets[only.pid] = (listening(8779),)
    one.observed(9.0)
    assert place == asked(node)[-1]


def test_a_page_of_what_is_not_known_is_asked_for_at_the_usual_port(check):
    """It may run in a web server of another name."""
    node, one = check("nova-api")
    one.observed(9.0)
    assert [("", 8774, "/")] == asked(node)


def unseen(node, user=4242):
    """Who is not root sees no sockets of its process, but its user."""
    (only,) = unit_runs(node, "uwsgi a")
    node.unobserved, node.processes.owners = {only.pid}, {only.pid: user}
    node.conf = node.conf._replace(tls=True)


def test_without_root_its_user_s_listeners_are_asked_its_own_port_first(check):
    node, one = check("nova-api")
    unseen(node)
    node.places = {4242: [("10.0.0.1", 80), (NET, 8774), ("10.0.0.9", 90)], 0: [("0.0.0.0", 22)], 7: [("0.0.0.0", 7)]}
    node.found = {90: Page(facts.ANSWERED, 300)}
    observed = one.observed(9.0)

    assert [(NET, 8774, "/"), ("10.0.0.1", 80, "/"), ("10.0.0.9", 90, "/")] == asked(node)
    assert [1.0, 1.0, 1.0] == [words[3] for words in node.asked_of("page")], "they share the time"
    assert all(words[4] for words in node.asked_of("page")), "in TLS, as it speaks that only"
    assert (300, 90) == (observed.page.status, observed.settings.listen[1])


def test_without_root_its_own_port_that_does_not_answer_is_down(check):
    node, one = check("nova-api")
    unseen(node)
    node.places, node.found = {4242: [(NET, 8774), (NET, 99)]}, {8774: Page(facts.SILENT, None, "closed"), 99: Page(facts.MISSING)}
    observed = one.observed(3.0)
    assert Page(facts.SILENT, None, "closed") == observed.page and 8774 == observed.settings.listen[1]


@pytest.mark.parametrize("options, user, tried", [
    ((), 4242, [("10.0.0.1", 80, "/")]), (("--port", "81"), 4242, [("", 81, "/")]), ((), 0, [("", 8774, "/")])])
def test_without_root_and_without_its_port_it_is_unknown(check, options, user, tried):
    """Root has listeners of all kinds: none of them is asked but at its own port."""
    node, one = check("nova-api", *options)
    unseen(node, user)
    node.places = {4242: [("10.0.0.1", 80)], 0: [("0.0.0.0", 22)]}
    page = one.observed(3.0).page
    assert tried == asked(node) and facts.UNKNOWN == page.outcome and "only root sees where it listens" in page.reason
    assert ("unknown", False) == one.observe(3.0, None).health[:2]


def test_root_s_own_port_is_asked(check):
    node, one = check("nova-api")
    unseen(node, 0)
    node.places, node.found = {0: [("0.0.0.0", 22), (NET, 8774)]}, {8774: Page(facts.ANSWERED, 200)}
    assert 200 == one.observed(3.0).page.status and [(NET, 8774, "/")] == asked(node)


def test_without_root_a_host_is_asked_as_it_is_given(check):
    node, one = check("nova-api", "--host", NET)
    unseen(node)
    node.places = {4242: [("10.0.0.1", 80)]}
    one.observed(3.0)
    assert [(NET, 8774, "/")] == asked(node)


def test_of_several_ports_the_one_that_answers_http(check):
    """uwsgi has one for its statistics."""
    node, one = check("nova-api")
    first, second = unit_runs(node, "uwsgi a", "uwsgi b")
    node.sockets = {first.pid: (listening(9001, 1),), second.pid: (listening(9002, 2, b"0700000A"),)}
    node.found = {9002: Page(facts.ANSWERED, 300)}
    observed = one.observed(9.0)
    assert [("127.0.0.1", 9001, "/"), (NET, 9002, "/"), (NET, 9002, "/")] == asked(node)
    assert ("ours", 9002) == (observed.port_owner, observed.settings.listen[1])


def test_the_unit_that_is_asked_is_that_of_the_service(check):
    node, one = check("nova-api")
    node.units.unit = Unit("nova-scheduler.service", "/lib/x", False)
    unit_runs(node, "uwsgi a")
    assert () == one.observed(1.0).tree.all
