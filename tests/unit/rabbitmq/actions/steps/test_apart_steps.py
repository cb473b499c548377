# SPDX-License-Identifier: Apache-2.0
"""A broker that serves and is not the cluster: what is published and recorded of it, and what its monitor says."""

import pytest

from quorate.host.process import Process
from quorate.ocf import codes
from quorate.ocf.codes import Outcome
from quorate.rabbitmq import facts
from quorate.rabbitmq.actions import apart
from quorate.rabbitmq.broker import running
from quorate.rabbitmq.broker.observe import Observation
from tests.unit.rabbitmq.actions.nodes import Node, names, other, tools

BROKER = Process(400, 1, 5, "S", ("beam.smp",))
SERVES = Observation(facts.RUNNING, BROKER, facts.Broker(), "It runs.")
ALONE = "rabbit@n1"
WAITED = 60  # minority_wait here


class Apart(Node):
    """A node whose broker serves with the members of its disk; shows: the data directory that its open files show."""

    def __init__(self, tmp_path, monkeypatch, reports=()):
        Node.__init__(self, tmp_path, reports, parameters={"minority_wait": WAITED})
        self.context.interval = 10.0
        self.fill()
        (self.directory / "rabbit_serial").write_text("5.\n")
        self.shows, self.looked = None, []
        monkeypatch.setattr(running, "own_directory", lambda one: (self.looked.append(one), self.shows and (
            self.shows, ALONE))[1])

    def served(self, members="rabbit@n1 rabbit@n2 rabbit@n3", serial="5"):
        self.state_files.write("served", {"name": ALONE, "directory": str(self.directory), "serial": serial,
                                          "members": members}, persistent=True)
        return self

    def kept(self, name="served"):
        return self.state_files.read(name, persistent=True)

    def khepri(self):
        (self.directory.parent / "rabbit@n1-feature_flags").write_text("[khepri_db].")
        return self

    def examine(self, recorded=False, observed=SERVES):
        return apart.examine(self.participant, observed, self.published.reports(), recorded)


@pytest.fixture
def node(tmp_path, monkeypatch):
    return lambda *reports: Apart(tmp_path, monkeypatch, reports)


RUNNING = other("n2", facts.RUNNING), other("n3", facts.RUNNING)
DOWN = other("n2", facts.DOWN), other("n3", facts.DOWN)
MOUNT = ("It serves data that are not this node's (disk not mounted?). Stop it, then mount: systemctl disable --now "
         "rabbitmq-server")
STOPPED = ("Its data are not its cluster's (disk not mounted?): stopped. To do: systemctl disable rabbitmq-server; "
           "mount. The cluster: %s")


@pytest.mark.parametrize("reports", [(), RUNNING, DOWN])
@pytest.mark.parametrize("recorded", [False, True])
def test_one_with_its_own_data_is_the_cluster(node, reports, recorded):
    one = node(*reports).served()
    one.state_files.write("apart", {"process": "399 5"})
    assert one.examine(recorded) is None
    assert not one.state_files.has("apart") and one.published.own is None
    assert one.looked == ([] if recorded else [BROKER])


def test_the_first_broker_of_all_is_the_cluster(node):
    assert node().examine() is None and node().kept("members") == {}


def test_one_with_other_data_does_not_count(node):
    one = node().served(members="rabbit@n1 rabbit@n9")
    one.state_files.write("serving", {"mark": "x"})
    assert one.examine() == Outcome(codes.DEGRADED, MOUNT)
    own = one.published.own
    assert (own.state, own.data, own.stale, own.members, own.running, own.store) == (
        facts.UNKNOWN, None, True, None, None, None)
    assert "has not the data with which this node served" in one.published.statuses[-1]
    assert one.state_files.read("apart") == {"process": "400 5", "since": str(int(one.clock.monotonic()))}
    assert not one.state_files.has("serving")


def test_it_stays_the_same_broker_whatever_is_mounted_over_its_directory(node):
    one = node().served()
    one.state_files.write("apart", {"process": "400 5", "since": 0})
    assert one.examine().code == codes.DEGRADED
    assert one.examine(observed=SERVES._replace(process=BROKER._replace(start=6))) is None
    one.state_files.write("apart", {"process": "-", "since": 0})
    assert one.examine(observed=SERVES._replace(process=None)).code == codes.DEGRADED
    assert one.looked == [BROKER, BROKER._replace(start=6)]


def test_who_is_seen_in_the_cluster_is_of_it_whatever_was_recorded(node):
    one = node(*RUNNING).served(serial="9")
    assert one.examine() is None, "it was reset and joined again"
    one.shows = "/elsewhere"
    assert one.examine(recorded=True) is None, "only the first look is at its files"
    outcome = one.examine()
    assert outcome == Outcome(codes.ERR_GENERIC, STOPPED % "n2, n3")
    assert "has its data in /elsewhere, and those of this resource are in %s" % one.directory in (
        one.published.statuses[-1])


def test_its_data_are_elsewhere(node, tmp_path):
    one = node().served()
    (tmp_path / "link").symlink_to(one.directory)
    one.shows = str(tmp_path / "link")
    assert one.examine() is None, "the same directory"
    one.shows = str(tmp_path)
    assert one.examine() == Outcome(codes.DEGRADED, MOUNT)


@pytest.mark.parametrize("reports, outcome", [
    (DOWN, Outcome(codes.ERR_GENERIC, STOPPED % "n2, n3")), (DOWN[:1], Outcome(codes.ERR_GENERIC, STOPPED % "n2")),
    ((), Outcome(codes.DEGRADED, MOUNT))])
def test_it_is_stopped_where_the_cluster_s_data_are_elsewhere(node, reports, outcome):
    one = node(*reports).fill(members=ALONE, running=ALONE).served()
    assert one.examine() == outcome


def test_one_that_was_founded_beside_the_cluster_is_stopped_when_that_is_sure(node):
    """A report may be as old as its node's last monitor."""
    one = node(*RUNNING).fill(members=ALONE, running=ALONE)
    assert one.examine() == Outcome(codes.DEGRADED, MOUNT)
    assert "was founded beside the cluster that counts on this node" in one.published.statuses[-1]
    assert one.kept()["apart"] == "rabbit@n1 rabbit@n2 rabbit@n3" and "name" not in one.kept()
    one.clock.sleep(WAITED - 1)
    assert one.examine().code == codes.DEGRADED
    one.clock.sleep(1)
    assert one.examine() == Outcome(codes.ERR_GENERIC, STOPPED % "n2, n3")


def test_one_that_served_is_not_called_founded(node):
    one = node(*RUNNING).fill(members=ALONE, running=ALONE).served(members="", serial="")
    assert one.examine() == Outcome(codes.DEGRADED, MOUNT), "of it nothing is recorded any more"
    one.served(members=ALONE).state_files.forget("apart")
    assert one.examine() is None, "it was so when it served"


@pytest.mark.parametrize("recorded, kept", [(False, "rabbit@n1 rabbit@n2"), (True, None)])
def test_with_khepri_the_members_are_asked_once(node, recorded, kept):
    one = node().khepri()
    tools(one, out='{"disk_nodes":["rabbit@n1","rabbit@n2"]}')
    assert one.examine(recorded) is None
    assert one.kept("members").get("members") == kept and len(one.commands.calls) == (0 if recorded else 1)
    assert recorded or one.commands.calls[0][1:] == ("-q", "cluster_status", "--formatter", "json")


def test_with_khepri_one_that_does_not_say_is_not_judged(node):
    one = node().khepri()
    tools(one, rc=70)
    assert one.examine() is None and one.kept("members") == {}


def test_with_khepri_other_members_are_another_cluster(node):
    one = node().khepri().served()
    tools(one, out='{"disk_nodes":["rabbit@n1"]}')
    assert one.examine().code == codes.DEGRADED and one.published.own.stale


# -- what contradicts others

FORTH = other("n2", facts.RUNNING, running=names("n2", "n3")), other("n3", facts.DOWN)


def lasting(one):
    return apart.lasting_problem(one.participant, one.published.reports())


def test_nothing_contradicts_it(node):
    one = node(*RUNNING)
    assert lasting(one) is None and one.published.statuses == []
    one.state_files.write("divided", {"since": 0})
    assert lasting(one) is None and one.published.statuses == ["running"] and not one.state_files.has("divided")


@pytest.mark.parametrize("interval, seconds", [(10.0, 60), (45.0, 90)])
def test_a_contradiction_is_shown_when_it_lasts(node, interval, seconds):
    one = node(*FORTH).fill(running=ALONE)
    one.context.interval = interval
    assert lasting(one) == Outcome(codes.SUCCESS)
    one.clock.sleep(seconds - 1)
    assert lasting(one) == Outcome(codes.SUCCESS) and one.published.statuses == []
    one.clock.sleep(1)
    problem = ("Partitioned, and both serve. Where changes may be given up, type: rabbitmqctl stop_app; rabbitmqctl "
               "start_app. The other: n2")
    assert lasting(one) == Outcome(codes.DEGRADED, problem) and one.published.statuses == [problem]


def test_who_does_not_know_members_of_its_cluster(node):
    """Started without its disk, and not noticed then."""
    one = node(*RUNNING).fill(members=ALONE, running=ALONE)
    assert apart._problem_beside(one.participant, one.published.reports()) == (
        "Was it started without its disk? Then stop it, and mount: systemctl disable --now rabbitmq-server. It does "
        "not know, of its cluster: n2, n3")
    one.served(members="rabbit@n1")
    one.state_files.write("served", dict(one.kept(), forgot="rabbit@n2"), persistent=True)
    assert apart._problem_beside(one.participant, one.published.reports()).endswith("of its cluster: n3")


def test_two_clusters(node):
    pair = names("n2", "n3")
    one = node(other("n2", facts.RUNNING, members=pair), other("n3", facts.RUNNING, members=pair))
    one.fill(members=ALONE, running=ALONE)
    assert apart._problem_beside(one.participant, one.published.reports()) == (
        "Two clusters run. On one: pcs resource ban test-clone NODE, move its data away, clear. Not in one with this "
        "node: n2, n3")


def test_with_khepri_it_is_the_kept_members_that_are_compared(node):
    one = node(*RUNNING).khepri()
    one.participant.disk.keep_members(names("n1"))
    assert "It does not know" in apart._problem_beside(one.participant, one.published.reports())
    assert one.commands.calls == [], "nobody is asked once a minute"
