# SPDX-License-Identifier: Apache-2.0
"""A broker in a minority."""

import pytest

from quorate.ocf import codes
from quorate.pacemaker.tools import Unavailable
from quorate.rabbitmq import facts
from quorate.rabbitmq.actions import monitor
from quorate.rabbitmq.actions.participant import URGENT_AFTER
from quorate.rabbitmq.actions.recovery import monitor_partitioned, partitioned_by_files
from quorate.rabbitmq.actions.serving import handle_serving
from quorate.rabbitmq.broker import health
from quorate.rabbitmq.broker.observe import Observation
from tests.unit.rabbitmq.actions.nodes import Node, names, other


PAUSED = Observation(facts.PAUSED, None, None, "It paused itself.")


def test_a_paused_broker_fails_when_the_cluster_goes_on_without_it(tmp_path):
    node = Node(tmp_path, [other("n2", facts.RUNNING), other("n3", facts.RUNNING)]).fill()
    assert monitor_partitioned(node.participant, PAUSED) == (codes.DEGRADED, "It paused itself.")
    node.clock.sleep(61)
    outcome = monitor_partitioned(node.participant, PAUSED)
    assert outcome.code == codes.ERR_GENERIC and "Partitioned from the cluster on n2, n3" in outcome.reason
    assert len(outcome.reason) <= 144, "Pacemaker cuts it off"


def test_an_interruption_that_passes_begins_anew(tmp_path):
    node = Node(tmp_path, [other("n2", facts.RUNNING)]).fill()
    monitor_partitioned(node.participant, PAUSED)
    node.clock.sleep(50)
    handle_serving(node.participant, Observation(facts.RUNNING, None, None, "It runs."))
    node.clock.sleep(50)
    assert monitor_partitioned(node.participant, PAUSED).code == codes.DEGRADED


@pytest.mark.parametrize("state", [facts.STARTING, facts.WAITING])
def test_the_first_that_serves_of_a_cluster_that_starts_is_alone_for_a_moment(tmp_path, state):
    node = Node(tmp_path, [other("n2", facts.DOWN), other("n3", state)]).fill()
    assert monitor_partitioned(node.participant, PAUSED) == (codes.SUCCESS, None)
    node.clock.sleep(URGENT_AFTER - 1)
    assert monitor_partitioned(node.participant, PAUSED) == (codes.SUCCESS, None)
    node.context.interactive = True  # who asks is told
    assert monitor_partitioned(node.participant, PAUSED).code == codes.DEGRADED
    node.context.interactive = False
    node.clock.sleep(1)
    assert monitor_partitioned(node.participant, PAUSED) == (codes.DEGRADED, "It paused itself.")


def test_who_served_before_is_not_alone_because_others_boot(tmp_path):
    node = Node(tmp_path, [other("n2", facts.DOWN), other("n3", facts.DOWN)]).fill()
    handle_serving(node.participant, Observation(facts.RUNNING, None, None, "It runs."))
    node.clock.sleep(URGENT_AFTER)
    node.published.others["n3"] = other("n3", facts.STARTING)
    assert monitor_partitioned(node.participant, PAUSED).code == codes.DEGRADED


@pytest.mark.parametrize("code, others, expected", [
    (health.LEADERLESS, facts.STARTING, codes.SUCCESS), (health.CRITICAL, facts.WAITING, codes.SUCCESS),
    (health.LEADERLESS, facts.RUNNING, codes.DEGRADED), (health.ALARM, facts.STARTING, codes.DEGRADED)])
def test_queues_without_a_majority_while_others_boot_are_no_trouble_yet(tmp_path, monkeypatch, code, others, expected):
    node = Node(tmp_path, [other("n2", facts.DOWN), other("n3", others)]).fill()
    monkeypatch.setattr(monitor, "Participant", node.participant_of)
    broker = facts.Broker(answered=True, running_nodes=names("n1"))
    seen = Observation(facts.RUNNING, None, broker, "One quorum queue without a majority.", code)
    assert monitor.outcome_of(node.context, node.state_files, node.participant.layout, seen).code == expected


def test_who_is_alone_because_the_others_are_stopped_does_not_fail(tmp_path):
    node = Node(tmp_path, [other("n2", facts.DOWN), other("n3", facts.DOWN)]).fill()
    for _ in range(20):
        assert monitor_partitioned(node.participant, PAUSED).code == codes.DEGRADED
        node.clock.sleep(10)


def test_a_minority_does_not_fail_because_the_clock_was_set(tmp_path):
    node = Node(tmp_path, [other("n2", facts.RUNNING)]).fill()
    monitor_partitioned(node.participant, PAUSED)
    node.clock.step(3600)
    assert monitor_partitioned(node.participant, PAUSED).code == codes.DEGRADED


def test_the_others_reports_must_be_newer_than_the_first_observation(tmp_path):
    """All may have paused at once; the others report that only with their next monitor."""
    node = Node(tmp_path, [other("n2", facts.RUNNING)], parameters={"minority_wait": "3s",
                                                                    "CRM_meta_interval": "10000"}).fill()
    monitor_partitioned(node.participant, PAUSED)
    node.clock.sleep(10)
    assert monitor_partitioned(node.participant, PAUSED).code == codes.DEGRADED
    node.clock.sleep(11)
    assert monitor_partitioned(node.participant, PAUSED).code == codes.ERR_GENERIC


@pytest.mark.parametrize("running, beside, api, state", [
    ("rabbit@n1", facts.RUNNING, None, facts.PARTITIONED),
    ("rabbit@n1,rabbit@n3", facts.RUNNING, None, facts.RUNNING),
    ("rabbit@n1", facts.DOWN, None, facts.RUNNING),
    ("rabbit@n1", facts.RUNNING, names("n1", "n2", "n3"), facts.RUNNING),
    ("not a term", facts.RUNNING, None, facts.RUNNING),
], ids=["two clusters", "a majority", "alone", "it was asked", "unknown"])
def test_two_clusters_are_found_without_credentials(tmp_path, running, beside, api, state):
    node = Node(tmp_path, [other("n2", beside)]).fill(running=running)
    serves = Observation(facts.RUNNING, None, facts.Broker(answered=True, running_nodes=api), "It serves.")
    seen = partitioned_by_files(node.participant, serves)
    assert seen.state == state
    assert (seen == serves) == (state == facts.RUNNING) and (state == facts.RUNNING
                                                             or "only 1 of the 3" in seen.sentence)


FIVE = ",".join("rabbit@n%d" % number for number in range(1, 6))


@pytest.mark.parametrize("api", [None, names("n1", "n2")], ids=["by the files", "by the API"])
def test_two_of_five_that_see_each_other_are_not_restarted(tmp_path, api):
    node = Node(tmp_path, [other("n2", facts.RUNNING)] + [other(name, facts.DOWN) for name in ("n3", "n4", "n5")]).fill(
        FIVE, "rabbit@n1,rabbit@n2")
    broker = facts.Broker(answered=True, running_nodes=api, all_nodes=api and names("n1", "n2", "n3", "n4", "n5"))
    seen = Observation(facts.PARTITIONED if api else facts.RUNNING, None, broker, "It sees 2 of 5.")
    assert partitioned_by_files(node.participant, seen) == seen
    if api:
        for _ in range(20):
            assert monitor_partitioned(node.participant, seen).code == codes.DEGRADED
            node.clock.sleep(10)


def test_who_is_connected_to_those_it_is_partitioned_from_is_restarted(tmp_path):
    """With cluster_partition_handling = ignore the API says that all run, after the network came back."""
    node = Node(tmp_path, [other("n2", facts.RUNNING), other("n3", facts.RUNNING)]).fill()
    broker = facts.Broker(answered=True, all_nodes=names("n1", "n2", "n3"), running_nodes=names("n1", "n2", "n3"),
                          partitions=names("n2", "n3"))
    seen = Observation(facts.PARTITIONED, None, broker, "It is partitioned.")
    monitor_partitioned(node.participant, seen)
    node.clock.sleep(61)
    assert monitor_partitioned(node.participant, seen).code == codes.ERR_GENERIC


def test_who_sees_fewer_than_half_is_restarted_where_another_runs_that_it_does_not_see(tmp_path):
    node = Node(tmp_path, [other("n2", facts.RUNNING), other("n3", facts.RUNNING)]).fill(FIVE, "rabbit@n1,rabbit@n2")
    serves = Observation(facts.RUNNING, None, facts.Broker(answered=True), "It serves.")
    seen = partitioned_by_files(node.participant, serves)
    assert seen.state == facts.PARTITIONED and seen.broker.running_nodes == names("n1", "n2")
    monitor_partitioned(node.participant, seen)
    node.clock.sleep(61)
    outcome = monitor_partitioned(node.participant, seen)
    assert outcome.code == codes.ERR_GENERIC and "the cluster on n3 " in outcome.reason


def test_with_khepri_the_files_of_mnesia_tell_nothing(tmp_path):
    """A node that joined has them from the moment before, when it was alone: it was called a minority, and restarted
    (4.0.5)."""
    node = Node(tmp_path, [other("n2", facts.RUNNING)]).fill("rabbit@n1", "")
    serves = Observation(facts.RUNNING, None, facts.Broker(answered=True), "It serves.")
    assert partitioned_by_files(node.participant, serves).state == facts.PARTITIONED, "without Khepri"

    (tmp_path / "mnesia" / "rabbit@n1-feature_flags").write_text("[khepri_db,\n quorum_queue].\n")
    (node.directory / "coordination").mkdir()
    assert partitioned_by_files(node.participant, serves).state == facts.RUNNING
    assert (node.participant.from_disk().members, node.participant.from_disk().running) == (None, None)
    node.participant.disk.keep_members(names("n1", "n2"))
    assert (node.participant.from_disk().data, node.participant.from_disk().members) == (True, names("n1", "n2"))


def test_a_cluster_that_cannot_be_asked_is_no_partition(tmp_path):
    node = Node(tmp_path).fill(running="rabbit@n1")
    node.published.reports = _unavailable
    serves = Observation(facts.RUNNING, None, facts.Broker(answered=True), "It serves.")
    assert partitioned_by_files(node.participant, serves) == serves


def _unavailable():
    raise Unavailable("Pacemaker does not answer.")
