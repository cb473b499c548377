# SPDX-License-Identifier: Apache-2.0
"""What the nodes publish for each other, and read."""

import pytest

from quorate.openstack.actions import published
from quorate.openstack.facts import Settings
from tests.unit.openstack.fakes import AUTH, CINDER, world

NAMES = 'name="test-names" host="n1" value="ha@a"\nname="test-names" host="n2" value="n2@a"\n'


def test_the_names_of_all_nodes_are_read(config):
    found = world("validate-all", config)
    found.commands.expect("attrd_updater", "-Q", "-A", "-n", "test-names", out=NAMES)
    values = published.values(found)

    assert {"n1": "ha@a", "n2": "n2@a"} == values and found.commands.done() is None
    assert "n1 has ha@a; n2 has n2@a" in published.differing(values)
    assert published.differing({"n1": "ha@a", "n2": "ha@a"}) is None is published.differing({})


def test_a_cluster_that_cannot_be_asked_has_said_nothing_and_takes_no_time(config):
    """validate-all goes on with its other questions."""
    found = world("validate-all", config)
    found.commands.allow("attrd_updater", ..., takes=1000.0)

    assert {} == published.values(found) and found.clock.elapsed <= 10


def test_a_publication_takes_no_time_from_the_start(config):
    """Pacemaker's daemon may hang; the service has to start all the same."""
    found = world("start", config)
    found.commands.allow("attrd_updater", ..., takes=1000.0)
    published.publish(found, CINDER, Settings(True, backends=(("a", "ha"),)))

    assert 1 == len(found.commands.calls) and found.clock.elapsed <= 5


@pytest.mark.parametrize("count, prefix", [(20, "ha@backend-0,"), (100, "sha256:")])
def test_a_list_that_is_too_long_for_an_attribute_is_compared_by_its_digest(count, prefix):
    backends = tuple(("backend-%d" % number, "ha") for number in range(count))
    values = {published.value(CINDER, Settings(True, backends=one)) for one in (backends, backends[::-1])}
    other = published.value(CINDER, Settings(True, backends=backends[1:]))

    assert 1 == len(values) and next(iter(values)).startswith(prefix) and other not in values
    assert all(len(one) <= 900 for one in values)


def test_a_service_without_names_of_workers_publishes_nothing(config):
    found = world("start", config, AUTH)
    published.publish(found, AUTH, Settings(True, host="n1"))
    assert [] == found.commands.calls
