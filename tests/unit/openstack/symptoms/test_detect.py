# SPDX-License-Identifier: Apache-2.0
"""From an observation to its symptoms and the diagnosis, fault by fault."""

import pytest

from quorate.openstack import facts
from quorate.openstack.facts import Limits, Page, Reply, Row, Rows, Sockets, Tree
from quorate.openstack.service import observe
from quorate.openstack.symptoms import detect, diagnosis
from tests.unit.openstack.symptoms.observations import (
    CINDER, HEAT, LISTENING, LOST, OBSERVED, ONE, PARENT, PROXY, SETTINGS, TWO, process, rows)


def diagnosed(service=CINDER, durations=None, limits=Limits(), **changes):
    observed = OBSERVED._replace(**changes)
    found = detect.symptoms(service, observed)
    return diagnosis.diagnose(service, observed, found, durations or {}, limits)


def test_healthy():
    assert (facts.HEALTHY, "", ()) == diagnosed()


def test_nothing_left():
    assert facts.STOPPED == diagnosed(tree=Tree()).state


@pytest.mark.parametrize("tree, word", [
    (Tree(process(10, "T"), (ONE, TWO)), "SIGSTOP"),
    (Tree(PARENT, (process(11, "T", 10), TWO)), "pid 11"),
    (Tree(None, (), (ONE, TWO)), "parent process"),
    (Tree(PARENT, (ONE, TWO), (process(9),)), "earlier"),
    (Tree(PARENT, (ONE, TWO), (), (process(20),)), "second copy")])
def test_processes_that_only_a_restart_fixes(tree, word):
    found = diagnosed(tree=tree)

    assert facts.FAILED == found.state and word in found.message


def test_a_missing_worker_has_some_seconds_to_come_back():
    tree = Tree(PARENT, (ONE,))

    assert facts.DEGRADED == diagnosed(tree=tree).state
    assert facts.FAILED == diagnosed(tree=tree, durations={"workers": 6.0}).state


def test_a_backend_that_never_came_up_is_no_reason_to_restart_the_others():
    found = diagnosed(tree=Tree(PARENT, (ONE,)), baseline=1, durations={"workers": 9999.0})

    assert facts.DEGRADED == found.state and "1 of 2" in found.message


def test_a_backend_that_met_a_database_on_its_way_down_is_started_again():
    """Cinder tries it once. Where the start was over before the workers were there, what came up since is no
    measure."""
    tree = Tree(PARENT, (ONE,))

    assert facts.DEGRADED == diagnosed(tree=tree, baseline=1, connected=1, early=1, durations={"workers": 59.0}).state
    assert facts.FAILED == diagnosed(tree=tree, baseline=1, connected=1, early=1, durations={"workers": 61.0}).state


def test_a_queue_that_the_missing_worker_left_behind_is_no_reason_to_restart_the_others():
    """RabbitMQ keeps it from the node where that backend came up."""
    replies = (Reply("q.a", facts.ANSWERED, 2), Reply("q.b", facts.SILENT, 0, "nobody takes calls from its queue"))
    forever = dict.fromkeys(("workers", "rpc", "queue", "queue-part"), 9999.0)

    found = diagnosed(tree=Tree(PARENT, (ONE,)), baseline=1, replies=replies, durations=forever)
    assert facts.DEGRADED == found.state and "queue-part" in found.symptoms
    assert facts.FAILED == diagnosed(replies=replies, durations=forever).state


def test_what_one_level_found_failed_is_not_degraded_at_another():
    failed, degraded = {"key": "rpc", "sentence": "no answer"}, facts.Diagnosis(facts.DEGRADED, "x", ("workers",))

    assert (facts.FAILED, "no answer") == diagnosis.keep_failed(degraded, failed, {"workers": 5.0, "rpc": 70.0})[:2]
    for before, note, durations in ((degraded, failed, {"workers": 5.0}), (degraded, {}, {"rpc": 70.0}),
                                    (facts.Diagnosis(facts.HEALTHY, "", ()), failed, {"rpc": 70.0})):
        assert before == diagnosis.keep_failed(before, note, durations)


def test_no_worker_at_all_fails_whatever_came_up():
    assert facts.FAILED == diagnosed(tree=Tree(PARENT, (PARENT,)), baseline=1, durations={"workers": 9.0}).state


def test_a_lost_broker_is_degraded_for_ever():
    found = diagnosed(broker=False, durations={"broker": 99999.0}, **LOST)

    assert facts.DEGRADED == found.state and "RabbitMQ (n1:5672)" in found.message


def test_a_lost_broker_fails_after_the_parameter():
    assert facts.FAILED == diagnosed(broker=False, durations={"broker": 11.0}, limits=Limits(60, 10), **LOST).state


def test_no_connection_to_a_broker_that_answers():
    assert facts.DEGRADED == diagnosed(broker=True, durations={"amqp": 59.0}, **LOST).state
    assert facts.FAILED == diagnosed(broker=True, durations={"amqp": 61.0}, **LOST).state


def test_a_backend_whose_driver_waits_for_its_storage_is_no_reason_to_restart_the_others():
    found = diagnosed(broker=True, connected=1, durations={"linking": 9999.0, "amqp": 9999.0}, **LOST)

    assert facts.DEGRADED == found.state and "since the start" in found.message


def test_a_queue_that_was_never_made_beside_others_that_answer():
    replies = (Reply("q", facts.ANSWERED, 2), Reply("r", facts.MISSING))

    assert facts.DEGRADED == diagnosed(replies=replies, durations={"queue": 999.0, "queue-part": 999.0}).state


def test_whether_the_broker_answers_is_not_known():
    assert facts.DEGRADED == diagnosed(durations={"broker": 999.0, "amqp": 999.0}, **LOST).state


def test_a_broker_that_is_cut_off_while_its_connections_look_established():
    found = diagnosed(broker=False, durations={"broker": 99999.0})

    assert facts.DEGRADED == found.state and "has not noticed yet" in found.message
    assert facts.HEALTHY == diagnosed(broker=True).state


@pytest.mark.parametrize("outcome", [facts.MISSING, facts.SILENT])
def test_without_its_database_an_unanswered_call_is_no_failure(outcome):
    """One that was started without it serves no queue, and its restart would end the same way."""
    durations = {"queue": 999.0, "queue-part": 999.0, "rpc": 999.0, "rpc-waiting": 999.0}

    assert facts.DEGRADED == diagnosed(rows=Rows(facts.UNREACHABLE, (), "x"), replies=(Reply("q", outcome),),
                                       durations=durations).state
    assert facts.FAILED == diagnosed(rows=rows(5, 5), replies=(Reply("q", outcome),), durations=durations).state


def test_sockets_that_could_not_be_observed_are_no_lost_connection():
    assert facts.HEALTHY == diagnosed(sockets={11: Sockets(), 12: Sockets()}).state


@pytest.mark.parametrize("found, durations, state, word", [
    (rows(5, 9), 0, facts.HEALTHY, ""),
    (rows(5, 60), 0, facts.HEALTHY, ""),
    (rows(70, 80), 0, facts.DEGRADED, "has not reported for"),
    (rows(70, 80), 61, facts.FAILED, "has not reported for"),
    (rows(5, 80), 999, facts.DEGRADED, "the others have"),
    (Rows(facts.ANSWERED, rows(5, 80).rows[:1] + rows(80, 80, changes=1).rows[1:]), 999, facts.DEGRADED,
     "ha@b of cinder-volume has not reported since"),
    (rows(960, 960, changes=1), 999, facts.DEGRADED,
     "(storage?)"),  # written at its start, by a service whose driver never came up
    (rows(1500, 1500, changes=0), 999, facts.DEGRADED, "(storage?)"),
    (rows(5), 999, facts.DEGRADED, "ha@b"),
    (rows(0, 0, changes=0), 999, facts.HEALTHY, ""),         # the first look
    (rows(None, None, changes=0), 999, facts.HEALTHY, ""),   # the only one
    (Rows(facts.UNREACHABLE, (), "n1:3306: refused"), 99999, facts.DEGRADED, "n1:3306: refused"),
    (Rows(facts.UNKNOWN, (), "denied"), 99999, facts.DEGRADED, "cannot be read: denied")])
def test_heartbeats_of_cinder(found, durations, state, word):
    durations = dict.fromkeys(("heartbeat", "heartbeat-part", "heartbeat-never", "database", "clock",
                               "heartbeat-unknown"), durations)
    answer = diagnosed(rows=found, durations=durations)

    assert state == answer.state and word in answer.message


def test_rows_are_not_expected_right_after_the_start():
    assert facts.HEALTHY == diagnosed(rows=rows(), age=20.0).state


ENGINE = SETTINGS._replace(interval=60.0, down=120.0, workers=2)


def engines(*seconds, changes=2, watched=5000.0):
    """Rows of engines that have been the same for so many seconds; -N: for N seconds, and no change was seen."""
    return Rows(facts.ANSWERED, tuple(Row("id%d" % number, 7, 100 + number, "m", abs(same), 0 if same < 0 else changes)
                                      for number, same in enumerate(seconds)), watched=watched)


@pytest.mark.parametrize("found, state", [
    (engines(5, 50), facts.HEALTHY),
    (engines(5, 50, -3, 9000), facts.HEALTHY),       # rows of earlier starts
    (engines(5, -3, -3), facts.FAILED),              # seen for the first time, and not known to live
    (engines(5, 130), facts.FAILED),
    (engines(5, 130, watched=100.0), facts.HEALTHY),  # not looked at for long enough
    (engines(-500, -500), facts.DEGRADED),           # none of its own: it did not get that far
    (engines(), facts.DEGRADED)])
def test_rows_of_dead_engines_do_not_count(found, state):
    assert state == diagnosed(HEAT, settings=ENGINE, rows=found,
                              durations={"heartbeat": 61.0, "heartbeat-never": 61.0}).state


def test_a_dead_engine_is_not_called():
    """Just after a start its row is still there."""
    observed = OBSERVED._replace(settings=ENGINE, rows=engines(-1, -1), age=5.0)

    assert (("engine.ha",), facts.PING) == observe.call_targets(HEAT, observed)
    observed = observed._replace(rows=engines(130, 60, 5, -2, 8))
    assert (("heat-engine-listener.id1", "heat-engine-listener.id2"),
            facts.HEAT_LISTENING) == observe.call_targets(HEAT, observed)


@pytest.mark.parametrize("reply, durations, state, word", [
    (Reply("q", facts.ANSWERED, 2), 0, facts.HEALTHY, ""),
    (Reply("q", facts.SILENT, 2), 0, facts.DEGRADED, "did not answer an RPC call to q"),
    (Reply("q", facts.SILENT, 2), 61, facts.FAILED, "did not answer"),
    (Reply("q", facts.MISSING), 61, facts.FAILED, "no queue q"),
    (Reply("q", facts.UNREACHABLE, None, "refused"), 99999, facts.DEGRADED, "refused"),
    (Reply("q", facts.UNKNOWN, None, "no pika"), 99999, facts.DEGRADED, "no pika"),
    (Reply("q", facts.ANSWERED, 4), 99999, facts.DEGRADED, "4 consumers")])
def test_calls(reply, durations, state, word):
    answer = diagnosed(replies=(reply,), durations=dict.fromkeys(("rpc", "queue", "broker", "rpc-unknown", "consumers"),
                                                                 durations))

    assert state == answer.state and word in answer.message


def test_consumers_of_a_node_that_died_are_no_second_copy():
    assert facts.HEALTHY == diagnosed(replies=(Reply("q", facts.ANSWERED, 4),), age=100.0).state


@pytest.mark.parametrize("changes, durations, state, word", [
    ({"port_owner": "ours"}, 0, facts.HEALTHY, ""),
    ({"port_owner": None}, 9, facts.HEALTHY, ""),
    ({"port_owner": "nobody"}, 9, facts.FAILED, "does not listen on port 6080"),
    ({"port_owner": "other"}, 9, facts.FAILED, "Another program holds port 6080"),
    ({"page": Page(facts.ANSWERED, 200)}, 0, facts.HEALTHY, ""),
    ({"page": Page(facts.ANSWERED, 404)}, 999, facts.DEGRADED, "install novnc"),
    ({"page": Page(facts.ANSWERED, 503)}, 61, facts.FAILED, "answers 503"),
    ({"page": Page(facts.MISSING, None, "nothing listens there")}, 6, facts.FAILED, "nothing listens there"),
    ({"page": Page(facts.SILENT, None, "no answer within 3 s")}, 6, facts.DEGRADED, "no answer within 3 s"),
    ({"page": Page(facts.SILENT, None, "no answer within 3 s")}, 61, facts.FAILED, "no answer within 3 s"),
    ({"page": Page(facts.UNKNOWN)}, 999, facts.HEALTHY, "")])
def test_the_console_proxy(changes, durations, state, word):
    tree = Tree(PARENT, (PARENT,))
    answer = diagnosed(PROXY, settings=LISTENING, tree=tree, expected=None, baseline=None, sockets={},
                     durations=dict.fromkeys(("port", "page", "page-missing"), durations), **changes)

    assert state == answer.state and word in answer.message


def test_a_connection_that_the_proxy_left_behind_is_failed():
    assert facts.FAILED == diagnosed(PROXY, settings=LISTENING, tree=Tree(None, (), (ONE,))).state


def test_a_failure_comes_before_what_is_degraded():
    found = diagnosed(rows=rows(5, 80), replies=(Reply("q", facts.MISSING),), durations={"queue": 99.0})

    assert facts.FAILED == found.state and "no queue q" in found.message


def test_without_its_database_missing_workers_are_no_failure():
    away = Rows(facts.UNREACHABLE, (), "n1:3306: refused")
    durations = {"workers": 999.0, "amqp": 999.0, "database": 999.0}

    assert facts.DEGRADED == diagnosed(tree=Tree(PARENT, (PARENT,)), rows=away, durations=durations).state
    assert facts.DEGRADED == diagnosed(broker=True, rows=away, durations=durations, **LOST).state
    assert facts.FAILED == diagnosed(broker=True, rows=rows(5, 5), durations=durations, **LOST).state
