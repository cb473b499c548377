# SPDX-License-Identifier: Apache-2.0
"""A Galera cluster of a lab under test: made, watched, and what is asserted of it."""

import os
import random
from contextlib import contextmanager

from lab.faults.galera import World, reasons
from lab.machines import cluster
from lab.services import galera
from lab.services.galera_watch import Watch, synced
from tests.packaged import package

SUITE = "bookworm"
LIMIT = 120  # seconds; the tests look for a broken guarantee, not for a slow machine


@contextmanager
def serving(name, nodes=None, before=None, create=galera.create, after=None, parameters=(), suite=SUITE, **how):
    """A World whose cluster serves. nodes: those that hold data (default: all); before(lab), whose result are more
    parameters, create(lab, **parameters) and after(lab) make the resource; how: for Lab.up."""
    deb = package()
    with cluster.Lab("%s-%d" % (name, os.getpid() % 1000000)) as lab:
        lab.up(suite=suite, deb=deb, **how)
        galera.prepare(lab)
        create(lab, **dict(parameters, **(before(lab) if before else {})))
        if after:
            after(lab)
        galera.wait_synced(lab, nodes)
        galera.users(lab)
        watch = Watch(lab, galera.USER, galera.password_file(lab))
        try:
            yield World(lab, watch, random.Random(1), print, [])
        finally:
            watch.close()


def assert_whole(world, nodes=None, limit=LIMIT):
    """Wait until the servers of all (or of `nodes`) are synced in one primary component."""
    wanted = list(nodes or world.nodes)
    took = world.watch.wait_until(lambda observed: synced(observed, wanted), limit)
    assert took is not None, "not whole: %s; %s" % (world.watch.observed, reasons(world))


def assert_lost(world, nodes):
    """Wait until the servers of `nodes` are not synced any more: what was done to them has taken effect."""
    assert world.watch.wait_until(lambda observed: not synced(observed, nodes), LIMIT) is not None
