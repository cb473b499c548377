# SPDX-License-Identifier: Apache-2.0
"""Whatever a broker showed: one answer, one sentence, and nothing bolder for knowing less."""

from hypothesis import example, given, strategies as some

from quorate.host.process import Process
from quorate.rabbitmq import facts
from quorate.rabbitmq.broker import health, parse
from quorate.rabbitmq.election import decide
from quorate.rabbitmq.facts import Broker

NAMES = some.sampled_from(("rabbit@n1", "rabbit@n2", "rabbit@n3", "rabbit@n4", "rabbit@n5"))
NODES = some.none() | some.frozensets(NAMES)
MAYBE = some.sampled_from((None, True, False))
QUEUES = some.none() | some.lists(some.text(max_size=30), max_size=4).map(tuple)
BROKERS = some.builds(
    Broker,
    process=some.none() | some.sampled_from("SRDTt").map(lambda state: Process(7, 1, 5, state, ("beam.smp",))),
    listening=MAYBE, answered=MAYBE, running_nodes=NODES, all_nodes=NODES, partitions=NODES,
    alarms=some.none() | some.sampled_from(((), ("memory",), ("disk", "memory"))), draining=MAYBE,
    quorum_critical=MAYBE, error=some.none() | some.just("It says why."),
    stage=some.none() | some.sampled_from(sorted(facts.STATES | {facts.STOPPED_APP, facts.FAILED_APP})), refused=MAYBE,
    epmd=MAYBE,
    files=some.none() | some.tuples(some.integers(0, 70000), some.integers(1, 70000)), leaderless=QUEUES,
    unsynchronised=QUEUES,
    full=MAYBE)
OPTIONAL = ("running_nodes", "all_nodes", "partitions", "alarms", "draining", "quorum_critical", "refused", "epmd",
            "leaderless", "unsynchronised", "full", "stage", "files", "error")


@given(BROKERS)
def test_one_answer_and_one_sentence(broker):
    found = health.classify(broker)

    assert found.code in health.STATES
    assert found.ok in (True, False)
    assert found.sentence.strip() and "\n" not in found.sentence


@given(BROKERS)
def test_clients_are_sent_only_to_a_broker_that_answered(broker):
    if health.classify(broker).ok:
        assert broker.answered is True


@given(BROKERS)
def test_down_is_proven(broker):
    """There is no process, and nothing listens. Unknown is something else."""
    if health.classify(broker).code == health.DOWN:
        assert broker.process is None and broker.listening is False


ALL, ONE, OTHER = (frozenset("rabbit@" + name for name in names.split()) for names in ("n1 n2 n3", "n1", "n3"))


@given(BROKERS, some.sets(some.sampled_from(OPTIONAL)))
@example(Broker(answered=True, all_nodes=ALL, running_nodes=ONE, partitions=OTHER), {"partitions"})
@example(Broker(answered=True, all_nodes=ALL, running_nodes=ALL | {"rabbit@n4", "rabbit@n5"}, partitions=OTHER),
         {"running_nodes"})
@example(Broker(answered=True, all_nodes=ALL, partitions=OTHER, full=True), {"partitions"})
def test_to_know_less_never_makes_it_worse_or_down(broker, forgotten):
    """A failing API or CLI is unknown: a broker that serves does not stop serving because nothing more can be found
    out."""
    known, less = health.classify(broker), health.classify(broker._replace(**{name: None for name in forgotten}))

    assert less.ok or not known.ok
    assert (less.code == health.DOWN) == (known.code == health.DOWN)


@given(some.integers(2, 5), some.lists(some.integers(0, 3), min_size=5, max_size=5), some.booleans())
@example(3, [1, 0, 2, 0, 0], True)
def test_at_most_one_side_of_a_partition_takes_clients(size, sides, is_told):
    """Of any partition, while others are stopped (side 0): n1 and n3 partitioned with n2 stopped both answered 200."""
    nodes = ["rabbit@n%d" % number for number in range(1, size + 1)]
    side = dict(zip(nodes, sides))
    up = frozenset(node for node in nodes if side[node])
    fit = {side[node] for node in up if health.classify(Broker(
        answered=True, all_nodes=frozenset(nodes),
        running_nodes=frozenset(one for one in up if side[one] == side[node]),
        partitions=frozenset(one for one in up if side[one] != side[node]) if is_told else None)).ok}

    assert len(fit) <= 1 or not is_told and size % 2 == 0


@given(BROKERS)
def test_what_is_degraded_serves(broker):
    found = health.classify(broker)

    if found.ok:
        assert found.code == health.RUNNING or found.code in health.DEGRADED


REPORTS = some.dictionaries(some.sampled_from(("n1", "n2", "n3", "n4", "n5")), some.sampled_from(sorted(facts.STATES)),
                            min_size=1)


def seen_by(node, states, unreachable=frozenset()):
    reports = {one: facts.Report(one, state, True, "rabbit@" + one,
                                 members=frozenset("rabbit@" + name for name in states))
               for one, state in states.items()}
    return facts.Snapshot(node, frozenset(states), reports, frozenset(states), unreachable=unreachable)


@given(REPORTS, some.dictionaries(some.sampled_from(("n1", "n2", "n3", "n4", "n5")), some.integers(0, 2)))
@example(dict.fromkeys(("n1", "n2"), facts.PARTITIONED), {})
def test_never_are_all_booted_brokers_restarted(states, side):
    """A restarted broker needs one that stays, to come back to, and that it did not see before: of five nodes of which
    three have no power the other two restarted for ever."""
    booted = [node for node in states if states[node] in facts.BOOTED]
    beside = {node: {one for one in booted if side.get(one) == side.get(node)} for node in booted}
    joins = {node: decide.cluster_elsewhere(seen_by(node, states), frozenset("rabbit@" + one for one in beside[node]))
             for node in booted}
    leaving = [node for node in booted if joins[node]]

    assert not booted or set(leaving) < set(booted)
    for node in leaving:
        assert not beside[node] & set(joins[node])
        assert states[node] in (facts.PAUSED, facts.PARTITIONED)
    for node in booted:  # who sees nobody is as before
        alone = decide.cluster_elsewhere(seen_by(node, states))
        assert bool(alone) == bool(joins[node]) or set(alone) <= beside[node]


@given(REPORTS, some.data())
def test_no_node_starts_beside_brokers_of_which_it_reaches_none(states, data):
    node = data.draw(some.sampled_from(sorted(states)))
    states = dict(states, **{node: facts.DOWN})
    booted = frozenset("rabbit@" + one for one in states if states[one] in facts.BOOTED)
    cut = data.draw(some.sets(some.sampled_from(sorted("rabbit@" + one for one in states))))
    action = decide.decide(seen_by(node, states, frozenset(cut))).action

    if booted and booted <= cut:
        assert action == facts.WAIT
    else:
        assert action == facts.START


@given(some.lists(some.sampled_from([text for text, _ in parse.STAGE_LINES] + ["something else", ""])),
       some.none() | some.floats(0, 1000))
def test_boot_stage_of_any_log(lines, silent):
    found = parse.boot_stage("\n".join("2026-11-21 [info] <0.1.0> " + line for line in lines), silent)

    assert found is None or found in facts.STATES or found in (facts.STOPPED_APP, facts.FAILED_APP)
