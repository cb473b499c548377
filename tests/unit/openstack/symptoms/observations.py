# SPDX-License-Identifier: Apache-2.0
"""What is observed of a healthy service, and parts of what is observed of others."""

from quorate.host.process import Process
from quorate.openstack import catalog, facts
from quorate.openstack.facts import Address, Row, Rows, Observation, Settings, Sockets, Tree

CINDER, HEAT, PROXY = catalog.CINDER_VOLUME, catalog.HEAT_ENGINE, catalog.NOVA_NOVNCPROXY
BROKERS = (Address("n1", 5672, "u", "p", "/"),)
SETTINGS = Settings(True, BROKERS, Address("n1", 3306, "u", "p", "c"), "ha", (("a", "ha"), ("b", "ha")))
WELL = Sockets(3, 1, frozenset())


def process(pid, state="S", ppid=1):
    return Process(pid, ppid, pid, state, ("cinder-volume",))


PARENT, ONE, TWO = process(10), process(11, ppid=10), process(12, ppid=10)
TREE = Tree(PARENT, (ONE, TWO))
OBSERVED = Observation(TREE, {11: WELL, 12: WELL}, SETTINGS, 1000.0, 2, 2, 2)
LOST = {"sockets": {11: WELL, 12: Sockets(0, 1)}}


def rows(*seconds, outcome=facts.ANSWERED, changes=2):
    """Rows of the workers that have been the same for so many seconds; changes: as of facts.Row."""
    return Rows(outcome, tuple(Row("ha@" + name, 7, 2000, "m", same, changes) for name, same in zip("ab", seconds)),
                watched=5000.0)


LISTENING = SETTINGS._replace(listen=("0.0.0.0", 6080), backends=())
