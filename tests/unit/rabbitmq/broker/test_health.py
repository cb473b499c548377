# SPDX-License-Identifier: Apache-2.0
"""Which words a broker gets for what it showed, and who may come."""

import pytest

from quorate.host.process import Process
from quorate.rabbitmq import facts
from quorate.rabbitmq.broker import health
from quorate.rabbitmq.broker.health import classify
from quorate.rabbitmq.facts import Broker

BEAM = Process(71, 1, 500, "S", ("/usr/lib/erlang/erts-13.1.5/bin/beam.smp", "-s", "rabbit", "boot"))
THREE = frozenset(("rabbit@n1", "rabbit@n2", "rabbit@n3"))
WELL = Broker(BEAM, True, True, THREE, THREE, frozenset(), (), False, False, epmd=True, leaderless=(),
              unsynchronised=())
CLOSED = Broker(BEAM, False, None, error="Nothing listens on 127.0.0.1 port 5672.")
SILENT = Broker(BEAM, True, False, error="The broker accepted a connection on port 5672 and did not answer for 1 s.")


@pytest.mark.parametrize("broker, code, ok", [
    (WELL, "running", True),
    (Broker(BEAM, True, True), "running", True),  # without credentials nothing more is known
    (WELL._replace(alarms=("memory",)), "alarm", True),
    (WELL._replace(alarms=("disk", "memory")), "alarm", True),
    (WELL._replace(refused=True), "refused", True),
    (WELL._replace(full=True, error="connection limit (5) is reached"), "full", False),
    (WELL._replace(leaderless=("nova",)), "leaderless", True),
    (WELL._replace(unsynchronised=("nova", "neutron")), "unsynchronised", True),
    (WELL._replace(epmd=False), "epmd", True),
    (WELL._replace(epmd=None), "running", True),
    (WELL._replace(quorum_critical=True), "critical", True),
    (WELL._replace(draining=True), "draining", False),
    (WELL._replace(running_nodes=frozenset(("rabbit@n1",))), "minority", False),
    (WELL._replace(running_nodes=frozenset(("rabbit@n1", "rabbit@n2"))), "running", True),
    (WELL._replace(running_nodes=frozenset(("rabbit@n1",)), all_nodes=frozenset(("rabbit@n1", "rabbit@n2"))), "running",
     True),
    (WELL._replace(partitions=frozenset(("rabbit@n3",))), "partitioned", True),
    (WELL._replace(partitions=frozenset(("rabbit@n2", "rabbit@n3"))), "partitioned", False),
    (Broker(listening=False), "down", False),
    (CLOSED, "starting", False),
    (CLOSED._replace(stage=facts.STARTING), "starting", False),
    (CLOSED._replace(stage=facts.WAITING), "waiting", False),
    (CLOSED._replace(stage=facts.PAUSED), "paused", False),
    (CLOSED._replace(stage=facts.DRAINING), "draining", False),
    (CLOSED._replace(stage=facts.STOPPED_APP), "stopped", False),
    (CLOSED._replace(stage=facts.RUNNING), "starting", False),
    (SILENT, "hung", False),
    (SILENT._replace(files=(200, 65536)), "hung", False),
    (SILENT._replace(files=(1000, 1024)), "full", False),
    (SILENT._replace(process=BEAM._replace(state="T")), "hung", False),
    (Broker(BEAM._replace(state="T")), "hung", False),
    (Broker(BEAM, True, None, error="What listens on port 5672 does not speak AMQP 0-9-1."), "unknown", False),
    (Broker(), "unknown", False),
    (Broker(BEAM), "unknown", False),
])
def test_state(broker, code, ok):
    found = classify(broker)

    assert (code, ok) == (found.code, found.ok)
    assert found.sentence.startswith(("RabbitMQ ", "1 q", "2 q"))
    assert "\n" not in found.sentence


def test_sentences_say_what_to_type():
    assert "kill -CONT 71" in classify(Broker(BEAM._replace(state="T"))).sentence
    assert "rabbitmq-upgrade revive" in classify(WELL._replace(draining=True)).sentence
    assert "rabbitmqctl start_app" in classify(CLOSED._replace(stage=facts.STOPPED_APP)).sentence
    assert "alarm of disk and memory" in classify(WELL._replace(alarms=("disk", "memory"))).sentence
    assert "only 1 of the 3 nodes" in classify(WELL._replace(running_nodes=frozenset(("rabbit@n1",)))).sentence
    assert classify(WELL._replace(leaderless=("a", "b", "c", "d"))).sentence.startswith(
        "4 quorum queues (a, b, c, ...) are without a majority")


def test_a_partition_comes_before_an_alarm():
    assert "partitioned" == classify(WELL._replace(partitions=frozenset(("rabbit@n3",)), alarms=("disk",))).code


def test_every_code_has_a_state():
    codes = {value for name, value in vars(health).items() if name.isupper() and isinstance(value, str)}

    assert codes == set(health.STATES)
    assert set(health.STATES.values()) <= facts.STATES


@pytest.mark.parametrize("running, partitions, ok", [
    ("n1", "n3", False), ("n1 n2", "n3", True), (None, "n3", True), ("n1", "n2 n3", False)])
def test_one_that_is_stopped_is_on_no_side_of_a_partition(running, partitions, ok):
    """n1 and n3 partitioned, n2 stopped: each saw one of three run, and both answered 200."""
    def nodes(names):
        return None if names is None else frozenset("rabbit@" + name for name in names.split())

    found = health.classify(facts.Broker(answered=True, all_nodes=nodes("n1 n2 n3"), running_nodes=nodes(running),
                                         partitions=nodes(partitions)))
    assert (found.code, found.ok) == (health.PARTITIONED, ok)


@pytest.mark.parametrize("broker, code, begins", [
    (Broker(), "unknown", "RabbitMQ has not been asked."),
    (Broker(BEAM), "unknown", "RabbitMQ gave no answer: the reason"),
    (Broker(listening=True), "unknown", "RabbitMQ gave no answer: the reason"),
    (Broker(error="Nobody knows."), "unknown", "RabbitMQ gave no answer: Nobody knows."),
    (SILENT, "hung", "RabbitMQ does not answer. The broker accepted"),
    (SILENT._replace(error=None), "hung", "RabbitMQ does not answer. It was asked in AMQP."),
    (SILENT._replace(files=(750, 1000)), "full", "RabbitMQ accepts no more connections: it has 750 of 1000 files open"),
    (SILENT._replace(files=(749, 1000)), "hung", "RabbitMQ does not answer."),
    (CLOSED._replace(stage=facts.RUNNING, error=None), "starting", "RabbitMQ runs and does not listen for AMQP."),
    (CLOSED._replace(stage=facts.RUNNING), "starting", "RabbitMQ runs and does not listen for AMQP: Nothing"),
    (CLOSED, "starting", "RabbitMQ starts, or stops; it does not listen yet."),
    (WELL._replace(full=True), "full", "RabbitMQ accepts no more connections: a limit is reached; close"),
    (WELL._replace(full=True, partitions=frozenset(("rabbit@n3",))), "full", "RabbitMQ accepts no more"),
    (WELL._replace(full=True, partitions=THREE - {"rabbit@n1"}), "partitioned", "RabbitMQ"),
    (WELL._replace(leaderless=("a",)), "leaderless", "1 quorum queue (a) is without"),
    (WELL._replace(leaderless=("a", "b")), "leaderless", "2 quorum queues (a, b) are without"),
    (WELL._replace(leaderless=("a", "b", "c")), "leaderless", "3 quorum queues (a, b, c) are without"),
    (WELL._replace(leaderless=("a\n\x1b[1m", "b", "c", "d")), "leaderless", "4 quorum queues (a"),
    (WELL._replace(unsynchronised=("a",)), "unsynchronised", "1 queue (a) is with a mirror")])
def test_how_a_sentence_begins(broker, code, begins):
    found = classify(broker)
    assert found.code == code and found.sentence.startswith(begins)


def nodes(*names):
    return frozenset("rabbit@n%d" % name for name in names)


@pytest.mark.parametrize("everyone, running, partitions, ok", [
    (nodes(1, 2, 3, 4), nodes(1, 2, 3, 4), nodes(3, 4), False), (nodes(1, 2, 3, 4), nodes(1, 2, 3, 4), nodes(4), True),
    (nodes(1, 2, 3, 4, 5), nodes(1, 2, 3, 4, 5), nodes(4, 5), True),
    (nodes(1, 2, 3, 4, 5), nodes(1, 2, 3), nodes(4, 5), True), (nodes(1, 2), nodes(1, 2), nodes(2), False)])
def test_the_larger_side_of_a_partition(everyone, running, partitions, ok):
    found = classify(WELL._replace(all_nodes=everyone, running_nodes=running, partitions=partitions))
    assert (found.code, found.ok) == ("partitioned", ok)
