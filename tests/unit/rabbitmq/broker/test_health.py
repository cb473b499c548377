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
