# SPDX-License-Identifier: Apache-2.0
"""service-check in front of Debian's own services of a control plane, each on its real unit: it works, it is frozen, it
goes on, it is stopped, it is back; without its broker and its database; and over HTTP, as HAProxy asks it.
"""

import pytest

from lab.services.openstack import control_plane, deployment
from tests.lab.openstack_services import prepared
from tests.waiting import within

LIMIT = 120  # seconds; the tests look for a broken guarantee, not for a slow machine
PORT = 9274
CALLERS = ("nova-scheduler", "nova-conductor", "cinder-scheduler", "neutron-rpc-server")
WITH_ROWS = ("nova-scheduler", "nova-conductor", "cinder-scheduler")
CUT = """\
nft add table inet fault
nft add chain inet fault out '{ type filter hook output priority 0; }'
nft add rule inet fault out tcp dport %d drop
"""


class World:
    """The node with the services."""

    def __init__(self, lab):
        self.lab, self.node = lab, deployment.api_node(lab)

    def check(self, name, *words):
        """service-check's Result."""
        return self.lab.run(self.node, ["service-check"] + list(words) + [name], 30)

    def says(self, name, code, part, *words):
        """Wait until it says so; what it says in the end."""
        def is_so():
            last.append(self.check(name, *words))
            return last[-1].rc == code and part in last[-1].out + last[-1].err
        last = []
        within(LIMIT, is_so)
        assert (code, True) == (last[-1].rc, part in last[-1].out + last[-1].err), (name, part, last[-1])
        print(name, last[-1].rc, last[-1].out.strip(), flush=True)
        return last[-1].out

    def unit(self, name, verb, *words):
        """systemctl with the unit of a service."""
        self.lab.check(self.node, ["systemctl", verb] + list(words) + [control_plane.UNITS[name]], 120)


@pytest.fixture(scope="module")
def world(progress):
    """Three nodes with database and broker, the whole control plane on the last."""
    with prepared("tservice", progress, "control") as lab:
        control_plane.prepare(lab, print)
        yield World(lab)


@pytest.mark.parametrize("name", sorted(control_plane.UNITS))
def test_a_service_is_observed_as_it_is(world, name):
    world.says(name, 0, "%s works: " % name)

    world.unit(name, "kill", "-s", "STOP")
    try:
        world.says(name, 1, "SIGSTOP")
    finally:
        world.unit(name, "kill", "-s", "CONT")
    world.says(name, 0, "%s works: " % name)

    world.unit(name, "stop")
    world.says(name, 1, "%s does not run on this node" % name)
    world.unit(name, "start")
    world.says(name, 0, "%s works: " % name)


@pytest.mark.parametrize("name", CALLERS)
def test_one_that_takes_calls_is_called(world, name):
    said = world.says(name, 0, "answers RPC calls", "--level", "20")

    assert "connected to RabbitMQ" in said
    assert ("its heartbeat is fresh" in said) == (name in WITH_ROWS)


@pytest.mark.parametrize("port, name, part", [
    (5672, "nova-conductor", "RabbitMQ does not answer this node"), (3306, "nova-conductor", "does not answer"),
    (5672, "neutron-rpc-server", "RabbitMQ does not answer this node"), (3306, "cinder-scheduler", "does not answer")])
def test_an_outage_of_broker_or_database_is_reported_and_takes_no_node_out(world, port, name, part):
    world.lab.check(world.node, CUT % port)
    try:
        world.says(name, 0, part, "--level", "20", "--timeout", "3")
    finally:
        world.lab.check(world.node, "nft delete table inet fault")
    world.says(name, 0, "%s works: " % name, "--level", "20")


def test_haproxy_notices_it(world):
    world.lab.check(world.node, ["systemd-run", "--quiet", "--unit=asked", "service-check", "--listen", "0.0.0.0:%d"
                                 % PORT, "nova-api"])

    def status():
        return world.lab.run(world.lab.node_names[0], ["curl", "-s", "-o", "/dev/null", "-m", "5", "-w", "%{http_code}",
                                                       "http://%s:%d/" % (world.lab.address(world.node), PORT)], 20).out

    assert within(LIMIT, lambda: status() == "200"), status()
    world.unit("nova-api", "stop")
    assert within(LIMIT, lambda: status() == "503"), status()
    world.unit("nova-api", "start")
    assert within(LIMIT, lambda: status() == "200"), status()
