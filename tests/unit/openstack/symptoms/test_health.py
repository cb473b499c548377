# SPDX-License-Identifier: Apache-2.0
"""What an observation of a service means for a check."""

import pytest

from quorate.health import Health
from quorate.openstack import facts
from quorate.openstack.facts import Page, Reply, Row, Rows, Sockets, Tree
from quorate.openstack.symptoms.health import classify
from tests.unit.openstack.symptoms.observations import (
    CINDER, LISTENING, LOST, OBSERVED, ONE, PARENT, PROXY, TWO, process, rows)

CONSOLE = OBSERVED._replace(
    settings=LISTENING, tree=Tree(PARENT, (PARENT,)), expected=None, baseline=None, sockets={})
WORKS = "cinder-volume works: 3 processes, connected to RabbitMQ"


def unlooked(*ages):
    return Rows(facts.ANSWERED, tuple(Row("ha@" + name, age, 2000, "m") for name, age in zip("ab", ages)))


@pytest.mark.parametrize("service, observed, health", [
    (CINDER, OBSERVED, ("well", True, WORKS + ".")),
    (CINDER, OBSERVED._replace(rows=rows(5, 9)), ("well", True, WORKS + ", its heartbeat is fresh.")),
    (CINDER, OBSERVED._replace(rows=unlooked(9, 7)),
     ("well", True, WORKS + ", its last heartbeat is 7 s old by the database's clock.")),
    (CINDER, OBSERVED._replace(rows=unlooked(None, 8)),
     ("well", True, WORKS + ", its last heartbeat is 8 s old by the database's clock.")),
    (CINDER, OBSERVED._replace(rows=unlooked(None, None)), ("well", True, WORKS + ", it has no heartbeat yet.")),
    (CINDER, OBSERVED._replace(replies=(Reply("q", facts.ANSWERED, 2),)),
     ("well", True, WORKS + ", answers RPC calls.")),
    (CINDER, OBSERVED._replace(sockets={}), ("well", True, "cinder-volume works: 3 processes.")),
    (CINDER, OBSERVED._replace(sockets={11: Sockets()}),
     ("well", True, "cinder-volume works: 3 processes, its connections to RabbitMQ are not known.")),
    (CINDER, OBSERVED._replace(sockets={11: Sockets(), 12: Sockets(1, 0)}), ("well", True, WORKS + ".")),
    (PROXY, CONSOLE, ("well", True, "nova-novncproxy works: 1 process.")),
    (PROXY, CONSOLE._replace(page=Page(facts.ANSWERED, 200)),
     ("well", True, "nova-novncproxy works: 1 process, answers 200 on port 6080.")),
    (PROXY, CONSOLE._replace(page=Page(facts.ANSWERED, None)), ("well", True, "nova-novncproxy works: 1 process.")),
    (PROXY, CONSOLE._replace(tree=Tree(), page=Page(facts.ANSWERED, 499)),
     ("well", True, "nova-novncproxy works: answers 499 on port 6080.")),
    (PROXY, CONSOLE._replace(tree=Tree(), page=Page(facts.ANSWERED, 500)),
     ("down", False, "nova-novncproxy does not run on this node.")),
    (PROXY, CONSOLE._replace(tree=Tree(), page=Page(facts.SILENT)),
     ("down", False, "nova-novncproxy does not run on this node.")),
    (CINDER, OBSERVED._replace(tree=Tree()), ("down", False, "cinder-volume does not run on this node.")),
    (CINDER, OBSERVED._replace(tree=Tree(PARENT, (ONE, TWO), (process(9),), ())),
     ("orphans", False, "Processes of an earlier cinder-volume still run (pid 9) beside the present one (pid 10).")),
    (CINDER, OBSERVED._replace(tree=Tree(PARENT, (ONE, process(12, "t")))),
     ("traced", True, "cinder-volume runs. pid 12 of cinder-volume is held by a debugger or by strace; which: grep TracerPid "
                      "/proc/12/status")),
    (CINDER, OBSERVED._replace(tree=Tree(PARENT, (ONE,))),
     ("workers", False, "cinder-volume has 1 of 2 worker processes.")),
    (CINDER, OBSERVED._replace(broker=True, **LOST),
     ("amqp", True, "cinder-volume runs. 1 of 2 workers of cinder-volume (pid 12) has no connection to RabbitMQ, "
                    "although n1:5672 answers.")),
    (CINDER, OBSERVED._replace(rows=rows(70, 80)),
     ("heartbeat", True, "cinder-volume runs. cinder-volume has not reported for 70 s (ha@a, ha@b), although its "
                         "database answers.")),
    (CINDER, OBSERVED._replace(broker=False, replies=(Reply("q", facts.MISSING),)),
     ("queue", False, "RabbitMQ has no queue q, so nothing takes calls there."))])
def test_health(service, observed, health):
    assert classify(service, observed) == Health(*health)
